//! The way back: where going live fails its proof on a node, that node's file says again what it said, and CloudFront is off
//! there unless it was seen to be on before.

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

/// Returns whether CloudFront is on before anything is changed: the file says so, and packagecloud is seen to redirect to the
/// domain that stands there. Where no redirect can be seen it doesn't count as on.
pub(super) async fn was_cloudfront_live(
    session: &Session,
    before: &CloudFrontSettingValues,
    answers: &OperatorAnswers,
) -> bool {
    before.enabled == Some(true)
        && before.packages_domain.is_some()
        && session.can_probe_packagecloud_redirect(answers)
        && switch::is_packagecloud_redirecting_to_cloudfront(
            session,
            answers,
            before.packages_domain.as_deref(),
        )
        .await
            == Some(true)
}

/// Puts back the id and the domain with which CloudFront was on, and says in the failure how that ended; packagecloud must be
/// seen to redirect to that domain again.
pub(super) async fn restore_live_values_on_node(
    session: &Session,
    before: &CloudFrontSettingValues,
    answers: &OperatorAnswers,
    run: &StageRun,
    failure: Failure,
) -> Failure {
    let on = session.host.render_host_suffix();
    let back = async {
        run.run_stage_step(StageStep::TakeBack, format!("restoring the values that were live{on}"), async {
            write_values_of_before(session, before, true).await?;
            Ok(((), format!("packagecloud.rb has the id and the domain of before again{on}")))
        })
        .await?;
        switch::reconfigure_packagecloud(session, run).await?;
        switch::restart_packagecloud(session, run).await?;
        let domain = before.packages_domain.as_deref().unwrap_or_default();
        switch::wait_until_redirects_to_domain(session, answers, domain).await
    };
    match back.await {
        Ok(()) => {
            switch::clear_cloudfront_switch_intent(session).await;
            Failure {
                why: format!("{}; CloudFront is on again with the values of before", failure.why),
                ..failure
            }
        }
        Err(second) => Failure {
            why: format!(
                "{}; the values of before were restored, and CloudFront is not seen to be on with them: {second}",
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

/// Writes the id and the domain of before, and whether CloudFront is on, where the file says otherwise; the secret stays.
async fn write_values_of_before(
    session: &Session,
    before: &CloudFrontSettingValues,
    enabled: bool,
) -> Result<(), Failure> {
    let values = CloudFrontSettingValues {
        enabled: Some(enabled),
        secret: None,
        distribution_id: before.distribution_id.clone(),
        packages_domain: before.packages_domain.clone(),
    };
    config_write::write_config_edits_with_retries(session, RubyExpressionEditMode::Append, |now| {
        let moved = |&key: &CloudFrontSettingKey| now.must_write_setting(&values, key);
        let keys = [
            CloudFrontSettingKey::Enabled,
            CloudFrontSettingKey::DistributionId,
            CloudFrontSettingKey::PackagesDomain,
        ];
        values.render_setting_edits(&keys.into_iter().filter(moved).collect::<Vec<_>>())
    })
    .await?;
    Ok(())
}

/// Switches off again what going live switched on on one node, and says in the failure how that ended; where that is the only
/// one that was switched on, packagecloud must be seen to redirect to S3 again.
pub(super) async fn revert_go_live_on_node(
    session: &Session,
    before: &CloudFrontSettingValues,
    answers: &OperatorAnswers,
    run: &StageRun,
    failure: Failure,
    alone: bool,
) -> Failure {
    let on = session.host.render_host_suffix();
    let back = async {
        run.run_stage_step(StageStep::TakeBack, format!("switching CloudFront off again{on}"), async {
            write_values_of_before(session, before, false).await?;
            Ok(((), format!("packagecloud.rb says false again{on}")))
        })
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
