//! The way back: where going live fails its proof on a node, that node's file says again what it said.

use crate::engine::{
    packagecloud::{config_write, switch},
    run::StageRun,
    session::Session,
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    failure::Failure,
    packagecloud::{
        config_file::RubyExpressionEditMode,
        settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    },
    run::{answers::OperatorAnswers, goal::StageStep},
};

/// Puts back what going live changed on one node, and says in the failure how that ended; where that is the only one
/// that was switched on, packagecloud must be seen to redirect to S3 again.
pub(super) async fn revert_go_live_on_node(
    session: &Session,
    before: &CloudFrontSettingValues,
    answers: &OperatorAnswers,
    run: &StageRun,
    failure: Failure,
    alone: bool,
) -> Failure {
    // Even where the file said true before: it was not live, or this stage would have had nothing to do.
    let before = CloudFrontSettingValues {
        enabled: Some(false),
        secret: None,
        distribution_id: before.distribution_id.clone(),
        packages_domain: before.packages_domain.clone(),
    };
    let back = async {
        run.run_stage_step(
            StageStep::TakeBack,
            format!("switching CloudFront off again{}", session.host.render_host_suffix()),
            async {
                config_write::write_config_edits_with_retries(
                    session,
                    RubyExpressionEditMode::Append,
                    |now| {
                        let moved = |&key: &CloudFrontSettingKey| now.must_write_setting(&before, key);
                        let keys = [
                            CloudFrontSettingKey::Enabled,
                            CloudFrontSettingKey::DistributionId,
                            CloudFrontSettingKey::PackagesDomain,
                        ];
                        before.render_setting_edits(&keys.into_iter().filter(moved).collect::<Vec<_>>())
                    },
                )
                .await?;
                Ok(((), format!("packagecloud.rb says false again{}", session.host.render_host_suffix())))
            },
        )
        .await?;
        switch::reconfigure_packagecloud(session, run).await?;
        switch::restart_packagecloud(session, run).await?;
        if alone {
            switch::wait_until_redirects_to_s3(session, answers).await
        } else {
            Ok("the other nodes' redirects go on as they did".to_owned())
        }
    };
    match back.await {
        Ok(observed) => {
            switch::clear_cloudfront_switch_intent(session).await;
            let observed = if observed.is_empty() { observed } else { format!(" ({observed})") };
            Failure { why: format!("{}; CloudFront is off again{observed}", failure.why), ..failure }
        }
        Err(second) => Failure {
            why: format!(
                "{}; and switching off again failed, so CloudFront may still be on: {second}",
                failure.why
            ),
            next: format!(
                "switch off now (D in the wizard): {}; {}",
                render_proposed_command("disable", &[]),
                second.next
            ),
            ..failure
        },
    }
}
