//! The configuration stage: id and domain go to packagecloud.rb, not live; the diff, the final block, the notice to clients (contract section 7).
//!
//! While CloudFront is on, this stage changes nothing: going live does, behind its gate.

use crate::model::{
    aws::evidence::{ObservedPackagecloudConfig, PackagecloudConfigEvidence, StageEvidence},
    failure::Failure,
    packagecloud::settings::CloudFrontSettingKey,
    run::{
        answers::OperatorAnswers,
        event::StageEnd,
        goal::StageStep,
        plan::{PlanAttachment, ResourceChangeKind, StagePlan},
    },
};

use crate::engine::{
    packagecloud::{
        config_write::{
            add_config_write_confirmations, compute_desired_setting_values, preview_config_changes,
            render_config_backup_note, write_packagecloud_config_values,
        },
        managed, nodes,
        switch::ConfigWritePurpose,
    },
    resources::{install::find_our_distribution, packages_domain},
    run::StageRun,
    session::Session,
};

/// Looks at packagecloud.rb on every node, and at the distribution.
///
/// # Errors
/// Fails where a file can't be read, nodes contradict each other, or AWS does not answer.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let config = session.host.read_packagecloud_config().await?;
    let distribution = find_our_distribution(session, answers).await?;
    let wanted = compute_desired_setting_values(&config.seen, distribution.as_ref(), answers);
    let before = config.seen.values.clone();
    let others = nodes::read_other_node_configs(session, &config, answers)
        .await?
        .into_iter()
        .map(|node| node.seen)
        .collect();
    let mut plan = plan_configuration_stage(
        &PackagecloudConfigEvidence { config: config.seen.clone(), desired: wanted, before, others },
        answers,
    );
    if let StageEvidence::Configuration(seen) = &plan.observed
        && let Some(changes) = preview_config_changes(
            session,
            &config.seen.path,
            &config.file,
            &seen.desired.render_setting_edits(&list_pending_setting_keys(seen, answers)),
        )
        .await
    {
        plan.documents.insert(0, changes);
    }
    Ok(plan)
}

/// Which of id and domain this stage has to write.
fn list_pending_setting_keys(
    seen: &PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
) -> Vec<CloudFrontSettingKey> {
    // Where going live follows, that waits for all of them.
    let later = managed::is_config_management_write_awaited(&seen.config, answers) && !answers.prepare;
    if seen.config.may_cloudfront_be_on() || later {
        return Vec::new();
    }
    [CloudFrontSettingKey::DistributionId, CloudFrontSettingKey::PackagesDomain]
        .into_iter()
        .filter(|&key| seen.config.must_write_setting(&seen.desired, key))
        .collect()
}

/// Decides; touches nothing.
pub(super) fn plan_configuration_stage(
    seen: &PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
) -> StagePlan {
    let mut plan = StagePlan::new(StageEvidence::Configuration(Box::new(seen.clone())));
    let path = seen.config.path.clone();
    let pending = list_pending_setting_keys(seen, answers);
    let (kind, why) =
        if managed::is_config_management_write_awaited(&seen.config, answers) && !answers.prepare {
            let tool = seen.config.managed.as_ref().map_or("", |(tool, _)| tool);
            (ResourceChangeKind::Keep, format!("{tool} is given all of the values at once, in going live"))
        } else if let Some(on) = seen.config.describe_cloudfront_unless_off() {
            (ResourceChangeKind::Keep, format!("{on}: what it holds is changed only by going live"))
        } else if seen.desired.distribution_id.is_none() {
            (ResourceChangeKind::Update, "the distribution's id and domain, once it is made".into())
        } else if pending.is_empty() {
            (ResourceChangeKind::Keep, "it holds the distribution's id and domain".into())
        } else {
            (ResourceChangeKind::Update, format!("{}; not live yet", join_setting_names(&pending)))
        };
    plan.add_planned_change(StageStep::Configuration, kind, &path, why);
    for (other, keys) in list_other_nodes_pending_settings(seen, answers) {
        if !keys.is_empty() {
            plan.add_planned_change(
                StageStep::Configuration,
                ResourceChangeKind::Update,
                &other.path,
                format!("{}; not live yet", join_setting_names(&keys)),
            );
        }
    }
    for change in &mut plan.changes {
        change.calls.push("by hand: add the lines to packagecloud.rb".into());
    }
    let domain = seen.desired.packages_domain.clone();
    // Before there is a distribution the block would be half a block.
    if seen.desired.distribution_id.is_some() {
        plan.documents.push(PlanAttachment {
            title: "The final block (cloudfront_enabled is switched on by going live)".into(),
            lines: seen.desired.redact_cloudfront_secret().render_setting_assignments(),
            copy: true,
        });
    }
    if let Some(domain) = &domain {
        plan.documents.push(packages_domain::build_client_firewall_notice(domain));
    }
    for (config, keys) in
        std::iter::once((&seen.config, pending)).chain(list_other_nodes_pending_settings(seen, answers))
    {
        add_config_write_confirmations(&mut plan, config, &seen.desired, &keys, answers);
    }
    plan
}

/// What each of the other nodes has to be given so that going live only has to switch it on.
fn list_other_nodes_pending_settings<'a>(
    seen: &'a PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
) -> Vec<(&'a ObservedPackagecloudConfig, Vec<CloudFrontSettingKey>)> {
    let keys = |other: &ObservedPackagecloudConfig| {
        let later = managed::is_config_management_write_awaited(other, answers) && !answers.prepare;
        if later || other.may_cloudfront_be_on() || seen.desired.distribution_id.is_none() {
            return Vec::new();
        }
        nodes::list_missing_setting_keys(
            other,
            &seen.desired,
            &[
                CloudFrontSettingKey::Secret,
                CloudFrontSettingKey::DistributionId,
                CloudFrontSettingKey::PackagesDomain,
            ],
            answers.consents.new_secret,
        )
    };
    seen.others.iter().map(|other| (other, keys(other))).collect()
}

fn join_setting_names(keys: &[CloudFrontSettingKey]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.setting_name()).collect();
    names.join(" and ")
}

/// Writes the distribution's id and domain on every node, not live.
///
/// # Errors
/// Fails where a file moved or can't be written, or its tool is waited for and it is stopped.
pub async fn apply(
    session: &Session,
    seen: &PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let here = (session.clone(), &seen.config, list_pending_setting_keys(seen, answers));
    let mut to_write = vec![here];
    for (config, keys) in list_other_nodes_pending_settings(seen, answers) {
        let node = nodes::find_other_node_of_config(session, config);
        to_write.extend(node.map(|node| (node, config, keys)));
    }
    let mut end = StageEnd::Unchanged;
    for (node, config, keys) in to_write {
        if keys.is_empty() {
            continue;
        }
        run.run_stage_step(StageStep::Configuration, format!("writing {}", config.path), async {
            let told = (run, StageStep::Configuration);
            let written = write_packagecloud_config_values(
                &node,
                config,
                &seen.desired,
                &keys,
                answers,
                told,
                ConfigWritePurpose::Prepare,
            )
            .await?;
            Ok((
                (),
                format!(
                    "{} holds the block, not live yet{}",
                    config.path,
                    render_config_backup_note(&written)
                ),
            ))
        })
        .await?;
        end = StageEnd::Applied;
    }
    Ok((end, String::new()))
}
