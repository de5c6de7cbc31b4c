//! Rolling back: packagecloud.rb as a backup has it, or an earlier function version (contract section 8).
//!
//! A secret that the edge holds is never removed or replaced by a roll-back of the four values.

use std::path::Path;

use crate::aws::IntendedDistributionUpdate;
use crate::host::{ConfigBackup, ConfigRestoreScope};
use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::evidence::{ObservedPackagecloudConfig, RollBackEvidence, StageEvidence},
    failure::Failure,
    packagecloud::{
        config_file::RubyExpressionEditMode,
        settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    },
    run::{
        answers::OperatorAnswers,
        event::StageEnd,
        goal::StageStep,
        plan::{PlanAttachment, ResourceChangeKind, StagePlan},
    },
    url::redirect::RedirectTarget,
};

use crate::engine::{
    delivery::samples,
    live_change::change_distribution_behind_gate,
    packagecloud::{
        config_write::{render_config_backup_note, write_config_edits_with_retries},
        managed::{
            build_managed_config_confirmation, is_config_management_write_awaited,
            render_managed_config_write_warning,
        },
        switch,
    },
    resources::{
        accepted_secrets::{read_node_secrets, refuse_version_without_node_secrets},
        install::find_our_distribution,
        version_proof::{
            FunctionVersionProof, collect_secrets_at_hand, prove_function_version, read_version_to_associate,
            render_list_versions_command,
        },
    },
    run::StageRun,
    session::{AwsTarget, Session},
};

fn choose_backup_restore_scope(whole_file: bool) -> ConfigRestoreScope {
    if whole_file { ConfigRestoreScope::WholeFile } else { ConfigRestoreScope::Values { keep_secret: true } }
}

async fn find_config_backup(session: &Session, wanted: &str) -> Result<ConfigBackup, Failure> {
    let backups = session.host.list_config_backups().await?;
    let fits = |backup: &&ConfigBackup| {
        backup.path == Path::new(wanted) || backup.path.file_name().is_some_and(|name| name == wanted)
    };
    backups.iter().find(fits).cloned().ok_or_else(|| {
        Failure::new_usage_failure(
            wanted,
            "there is no such backup",
            format!("to list the backups: {}", render_proposed_command("roll-back", &[])),
        )
    })
}

/// Looks at the backup that was named, and what restoring it would change.
///
/// # Errors
/// Fails where there is no such backup, or the file can't be read.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let wanted = &answers.roll_back;
    let named = wanted.backup.as_deref().ok_or_else(|| {
        Failure::new_usage_failure(
            "roll-back",
            "it needs a backup to restore from",
            format!("choose one; to list them: {}", render_proposed_command("roll-back", &[])),
        )
    })?;
    let backup = find_config_backup(session, named).await?;
    let content = session.host.read_config_backup(&backup).await?;
    let lines =
        session.host.preview_config_restore(&backup, choose_backup_restore_scope(wanted.whole_file)).await?;
    // A file that isn't Ruby any more can be restored whole all the same.
    let config = match session.host.read_packagecloud_config().await {
        Ok(config) => config.seen,
        Err(failure) if !wanted.whole_file => return Err(failure),
        Err(_) => ObservedPackagecloudConfig {
            path: session.host.render_config_location(),
            hash: session.host.read_packagecloud_rb_hash().await?,
            ..Default::default()
        },
    };
    let was_on = config.values.enabled == Some(true);
    let seen = RollBackEvidence {
        config,
        desired: content.values,
        may_be_on: content.may_be_on,
        backup: backup.path.display().to_string(),
        whole_file: wanted.whole_file,
    };
    let is_written = !lines.is_empty();
    let mut plan = plan_config_restore(session, &seen, lines);
    if is_written {
        if is_config_management_write_awaited(&seen.config, answers) {
            return Err(Failure::new_usage_failure(
                "roll-back",
                "it writes packagecloud.rb itself, and --managed wait leaves that to the tool that manages the host",
                "have that tool write the values of the backup, or say --managed write",
            ));
        }
        plan.confirmations.extend(build_managed_config_confirmation(&seen.config, answers));
        plan.notes.extend(render_managed_config_write_warning(&seen.config, answers));
    }
    match judge_backup_switch(&seen) {
        BackupSwitch::On if !was_on => plan.notes.push(
            "The backup has CloudFront on: that part takes effect through going live, behind its gate."
                .into(),
        ),
        BackupSwitch::Unknown => plan.notes.push(format!("After it, {}.", advise_for_unknown_switch())),
        BackupSwitch::On | BackupSwitch::Off => {}
    }
    plan.notes.extend(content.unreadable.map(|why| {
        format!("In the backup, {why}. With it in place neither enable nor disable can read packagecloud.rb.")
    }));
    Ok(plan)
}

/// What a backup makes of CloudFront.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BackupSwitch {
    On,
    Off,
    /// It may have it on: nobody but Ruby could tell.
    Unknown,
}

fn advise_for_unknown_switch() -> String {
    format!(
        "nothing is reconfigured, as the backup may have CloudFront on. To go live behind the gate: {} ; to switch it off: {}",
        render_proposed_command("enable", &[]),
        render_proposed_command("disable", &[])
    )
}

fn judge_backup_switch(seen: &RollBackEvidence) -> BackupSwitch {
    match (seen.desired.enabled, seen.may_be_on) {
        (Some(true), _) => BackupSwitch::On,
        (_, true) => BackupSwitch::Unknown,
        (_, false) => BackupSwitch::Off,
    }
}

/// Plans the restore of what was `seen`, whose diff is `lines`, and what follows from it.
fn plan_config_restore(session: &Session, seen: &RollBackEvidence, lines: Vec<String>) -> StagePlan {
    let mut plan = StagePlan::new(StageEvidence::RollBack(Box::new(seen.clone())));
    let path = &seen.config.path;
    if lines.is_empty() {
        plan.add_planned_change(
            StageStep::Configuration,
            ResourceChangeKind::Keep,
            path,
            "it is as the backup has it",
        );
        // Restored by a run that was interrupted before packagecloud followed: that is still to be done.
        if !session.is_cloudfront_switch_unfinished() {
            return plan;
        }
    } else {
        let restored = if seen.whole_file {
            "the whole file, byte for byte"
        } else {
            "the four values, but for the secret"
        };
        let why = format!("from {}: {restored}", seen.backup);
        plan.add_planned_change(StageStep::Configuration, ResourceChangeKind::Update, path, why);
        plan.documents.push(PlanAttachment { title: format!("Changes to {path}"), lines, copy: false });
    }
    match judge_backup_switch(seen) {
        BackupSwitch::On => {
            let why = "comes next: its gate, reconfigure, restart, proof";
            plan.add_planned_change(StageStep::Switch, ResourceChangeKind::Run, "going live", why);
        }
        BackupSwitch::Off => {
            let proof = ("packagecloud's redirects", "seen to go to S3");
            switch::plan_reconfigure_and_restart(session, &mut plan, Some(proof));
        }
        BackupSwitch::Unknown => {}
    }
    plan
}

/// Restores the backup; where it surely has CloudFront off, packagecloud is made to follow it.
///
/// # Errors
/// Fails where the file moved or can't be written, packagecloud-ctl fails, or the redirects still go to CloudFront.
pub async fn apply(
    session: &Session,
    answers: &OperatorAnswers,
    seen: &RollBackEvidence,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    run.run_stage_step(StageStep::Configuration, format!("restoring {}", seen.config.path), async {
        let backup = find_config_backup(session, &seen.backup).await?;
        let may_be_on = judge_backup_switch(seen) != BackupSwitch::Off;
        let _turn = session.acquire_config_write_lock().await?;
        if may_be_on {
            switch::record_switch_to_cloudfront_intent(session).await?;
        } else {
            switch::save_cloudfront_switch_intent(session, false);
        }
        let scope = choose_backup_restore_scope(seen.whole_file);
        if session.host.preview_config_restore(&backup, scope).await?.is_empty() {
            return Ok(((), "it is as the backup has it".to_owned()));
        }
        let written = session.host.restore_config_backup(&seen.config.hash, &backup, scope).await?;
        Ok(((), format!("restored{}", render_config_backup_note(&written))))
    })
    .await?;
    match judge_backup_switch(seen) {
        // A file with CloudFront on takes effect only behind the gate of going live.
        BackupSwitch::On => return Ok((StageEnd::Applied, "going live comes next".into())),
        BackupSwitch::Unknown => return Ok((StageEnd::Stopped, advise_for_unknown_switch())),
        BackupSwitch::Off => {}
    }
    if session.is_packagecloud_ctl_disabled() {
        return Ok((StageEnd::Stopped, switch::render_switch_left_to_operator(session)));
    }
    switch::reconfigure_packagecloud(session, run).await?;
    switch::restart_packagecloud(session, run).await?;
    let observed = run
        .run_stage_step(StageStep::Proof, "asking packagecloud where it redirects", async {
            let observed = switch::wait_until_redirects_to_s3(session, answers).await?;
            Ok((observed.clone(), observed))
        })
        .await?;
    switch::clear_cloudfront_switch_intent(session).await;
    Ok((StageEnd::Applied, format!("CloudFront is off; {observed}")))
}

/// Says off in packagecloud.rb where this roll-back restored it with CloudFront on, and going live did not come to its end; returns
/// whether it wrote. What packagecloud is not seen to have off is left to `disable`.
///
/// # Errors
/// Fails where the file can't be read or written.
pub async fn take_restored_switch_back(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<bool, Failure> {
    if !session.is_cloudfront_switch_unfinished()
        || !switch::are_packagecloud_redirects_off(session, answers).await
    {
        return Ok(false);
    }
    let off = CloudFrontSettingValues { enabled: Some(false), ..CloudFrontSettingValues::default() };
    let written = write_config_edits_with_retries(session, RubyExpressionEditMode::Append, |now| {
        let is_due = now.must_write_setting(&off, CloudFrontSettingKey::Enabled);
        off.render_setting_edits(if is_due { &[CloudFrontSettingKey::Enabled] } else { &[] })
    })
    .await?;
    switch::clear_cloudfront_switch_intent(session).await;
    Ok(written.is_some())
}

/// Associates an earlier function version again, once it is proven, and waits until every edge has it; where links lead there, the
/// gate comes after it, and what stood before comes back where that fails.
///
/// # Errors
/// Fails where there is no such version or no distribution, the version lacks a secret that a node signs with or can't be
/// proven, AWS refuses the change, or the gate doesn't pass.
pub async fn associate_earlier_function_version(
    session: &Session,
    answers: &OperatorAnswers,
    arn: &str,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let distribution = find_our_distribution(session, answers).await?.ok_or_else(|| {
        Failure::new_generic_failure(
            "the distribution",
            "there is none of this install",
            format!("create it with: {}", render_proposed_command("enable", &[])),
        )
    })?;
    let host = distribution.aliases.first().unwrap_or(&distribution.domain);
    Box::pin(prove_earlier_function_version(session, &target, answers, (arn, host), run)).await?;
    let say = run.build_step_progress_reporter(StageStep::Authenticator);
    let change = run.run_stage_step(StageStep::Authenticator, format!("associating {arn}"), async {
        let intent = IntendedDistributionUpdate::Version(arn);
        let made = target
            .cloud
            .update_distribution(
                &target.names,
                &distribution.id,
                &distribution.etag,
                &intent,
                answers.consents.adopt,
                &say,
            )
            .await?;
        Ok((made, format!("{} carries {arn}", distribution.id)))
    });
    let standing = (Some(&distribution), true);
    Box::pin(change_distribution_behind_gate(session, &target, standing, answers, run, change)).await?;
    Ok((StageEnd::Applied, String::new()))
}

/// Proves an earlier version: by its fingerprints where it has them, else by a link that packagecloud makes now.
async fn prove_earlier_function_version(
    session: &Session,
    target: &AwsTarget,
    answers: &OperatorAnswers,
    (arn, host): (&str, &str),
    run: &StageRun,
) -> Result<(), Failure> {
    let say = run.build_step_progress_reporter(StageStep::VersionProof);
    run.run_stage_step(StageStep::VersionProof, format!("invoking {arn}, before any edge has it"), async {
        let version = read_version_to_associate(target, arn).await?;
        let node_secrets = read_node_secrets(session).await?;
        let mut packagecloud_link = None;
        if let Some(described) = &version.described {
            let next = format!(
                "put a secret that it accepts back first (this lists the backups: {}), or name another version: {}",
                render_proposed_command("roll-back", &[]),
                render_list_versions_command(&target.names)
            );
            refuse_version_without_node_secrets(arn, described, &node_secrets, &next)?;
        } else {
            packagecloud_link = fetch_packagecloud_link(session, target, answers).await?;
            if packagecloud_link.is_none() && !answers.consents.unproven {
                return Err(build_unproven_version_failure(arn));
            }
            if packagecloud_link.is_none() {
                return Ok(((), "unproven, as you said: its description tells no fingerprints".to_owned()));
            }
        }
        let proof = FunctionVersionProof {
            secrets: collect_secrets_at_hand(session, &version, &node_secrets).await,
            version: &version,
            construction: answers.construction.unwrap_or_default(),
            host,
            packagecloud_link: packagecloud_link.as_deref(),
            clock: &session.host.clock,
            is_at_own_endpoint: session.is_edge_unreachable_for_checks(),
        };
        let adopt = answers.consents.adopt;
        let shown = prove_function_version(&target.cloud, &target.names, &proof, adopt, &say).await?;
        Ok(((), shown))
    })
    .await
}

/// A link to CloudFront as packagecloud makes it now; `None` where packagecloud can't be asked, or sends clients elsewhere.
async fn fetch_packagecloud_link(
    session: &Session,
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Result<Option<String>, Failure> {
    if !session.can_probe_packagecloud_redirect(answers) {
        return Ok(None);
    }
    let samples = samples::find_sample_object_keys(target).await?;
    let redirect = session.probe_packagecloud_redirect(answers, samples.first_sample_package()).await?;
    let link = redirect.filter(|reply| reply.classify_redirect_target() == RedirectTarget::Edge);
    Ok(link.and_then(|reply| reply.location))
}

fn build_unproven_version_failure(arn: &str) -> Failure {
    Failure::new_missing_consent_failure(
        arn,
        "its description tells no fingerprints, and no link of packagecloud's to CloudFront can be had, so whether it accepts them isn't known",
        format!(
            "give a download URL of packagecloud with --probe-url while CloudFront is on, or associate it unproven: {}",
            render_same_command_again(&["--unproven"])
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_may_be_on_is_not_taken_for_off() {
        for (enabled, may_be_on, judged) in [
            (None, false, BackupSwitch::Off),
            (Some(false), false, BackupSwitch::Off),
            (None, true, BackupSwitch::Unknown),
            (Some(false), true, BackupSwitch::Unknown),
            (Some(true), true, BackupSwitch::On),
        ] {
            let mut seen = RollBackEvidence { may_be_on, ..RollBackEvidence::default() };
            seen.desired.enabled = enabled;
            assert_eq!(judge_backup_switch(&seen), judged, "{enabled:?} {may_be_on}");
        }
    }
}
