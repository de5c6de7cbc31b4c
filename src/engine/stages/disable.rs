//! Switching CloudFront off, from packagecloud.rb alone (contract section 8).
//!
//! No answer of AWS is waited for; it goes on past failures and says all of them; whatever can't be written is printed to be typed.

mod all;
mod insist;
mod s3_links;

pub(crate) use all::apply;
pub use s3_links::{check_packagecloud_presigned_links, emit_s3_links_check};

use futures::future::join_all;

use crate::host::LoadedConfig;
use crate::model::{
    aws::evidence::{ObservedPackagecloudConfig, StageEvidence},
    failure::Failure,
    packagecloud::settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    run::{
        answers::OperatorAnswers,
        goal::StageStep,
        plan::{ResourceChangeKind, StagePlan},
    },
};

use crate::engine::{
    packagecloud::{config_write, managed, switch},
    session::Session,
};

/// Ends a failure to read or write a node's file with what to type there, after its own next move.
async fn append_manual_disable_steps(mut failure: Failure, node: &Session) -> Failure {
    if failure.facts.tells_manual_steps {
        return failure;
    }
    if node.host.is_config_missing(&failure) {
        return node.host.explain_missing_config(failure).await;
    }
    let typed = node.host.render_disable_by_hand();
    failure.next = format!("{}; or, after that, {typed}", failure.next.trim_end_matches('.'));
    failure.facts.tells_manual_steps = true;
    failure
}

const NOTHING_IN_AWS_CHANGES: &str =
    "Everything in AWS stays as it is, and links that were given out still work until they expire.";

/// Looks at the files, and where they all say off at packagecloud's redirects: no AWS, no network but that and the line to each host.
///
/// # Errors
/// Fails where no node's file can be read, with what to type.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let nodes = session.list_all_node_sessions();
    let read = join_all(nodes.iter().map(|node| node.host.read_packagecloud_config())).await;
    if read.iter().all(Result::is_err) {
        let (first, node) = read.into_iter().zip(&nodes).next().expect("a session has a node");
        return Err(append_manual_disable_steps(first.expect_err("all are"), node).await);
    }
    let other = session.acquire_lock_or_find_holder().await;
    let mut plan = StagePlan::new(StageEvidence::Disable);
    let mut seen = Vec::new();
    let applied_on = join_all(
        nodes
            .iter()
            .map(async |node| matches!(node.host.read_running_cloudfront_switch().await, Some((_, true)))),
    )
    .await;
    let is_off = |((node, config), on): ((&Session, &Result<LoadedConfig, Failure>), &bool)| {
        !on && config.as_ref().is_ok_and(|config| is_node_file_off(node, config))
    };
    let lags = if nodes.iter().zip(&read).zip(&applied_on).all(is_off) {
        switch::describe_redirects_after_disable(session, answers).await
    } else {
        None
    };
    let firewall_note = render_s3_firewall_note(&read);
    for ((node, config), on) in nodes.iter().zip(read).zip(applied_on) {
        let applied = on.then_some("packagecloud's last reconfigure was with CloudFront on");
        let lags = applied.or(lags.as_deref());
        let config = match config {
            Ok(config) => {
                refuse_reconfigure_that_deletes(node, &config, lags.is_some()).await.map(|()| config)
            }
            failed => failed,
        };
        match config {
            Err(failure) if nodes.len() == 1 => return Err(failure),
            Ok(config) => {
                plan_node_disable(&mut plan, node, &config, lags).await;
                seen.push(config.seen);
            }
            Err(failure) => {
                plan.add_planned_change(
                    StageStep::Switch,
                    ResourceChangeKind::Run,
                    node.host.render_config_location(),
                    "left to you: it can't be read from here",
                );
                let failure = append_manual_disable_steps(failure, node).await;
                plan.notes.push(format!("{failure}. Next: {}.", failure.next));
            }
        }
    }
    if plan.is_plan_without_changes() {
        plan.notes.extend(explain_unverified_disable(session, answers).map(|text| format!("{text}.")));
    }
    plan_disable_verification(&mut plan, session, other.is_some());
    plan.notes.extend(Some(firewall_note).filter(|_| !plan.is_plan_without_changes()));
    plan.notes.push(NOTHING_IN_AWS_CHANGES.into());
    if let Some(other) = other {
        plan.notes.push(format!(
            "{} Switching off continues beside it, and keeps it from going live.",
            other.describe_concurrent_run()
        ));
    }
    plan.notes.extend(seen.iter().filter_map(render_reenable_warning));
    Ok(plan)
}

/// Whether a node's file says off, and no switch of it was begun and not seen to its end.
fn is_node_file_off(node: &Session, config: &LoadedConfig) -> bool {
    !config.seen.may_cloudfront_be_on() && !node.is_cloudfront_switch_unfinished()
}

/// Says what customers behind a firewall need before packages come from S3 again.
fn render_s3_firewall_note(read: &[Result<LoadedConfig, Failure>]) -> String {
    let bucket = read.iter().flatten().find_map(|config| config.file.find_configured_bucket());
    let from = bucket.map(|(_, bucket)| format!(" (bucket {bucket})")).unwrap_or_default();
    format!(
        "Packages come from S3{from} again: customers whose firewall blocks S3 must allow it, port 443. All others need do nothing."
    )
}

/// Refuses to make packagecloud follow a file that has lost its settings; `lags` where CloudFront is on all the same.
///
/// # Errors
/// Where that is so, and anything is to be done on the node.
async fn refuse_reconfigure_that_deletes(
    node: &Session,
    config: &LoadedConfig,
    lags: bool,
) -> Result<(), Failure> {
    if lags {
        node.host.refuse_config_without_statements(config).await
    } else if config.seen.may_cloudfront_be_on() || node.is_cloudfront_switch_unfinished() {
        node.host.refuse_config_that_lost_settings(&config.file).await
    } else {
        Ok(())
    }
}

/// Adds what shows that CloudFront is off: the redirects, or that another run is kept from switching it on.
fn plan_disable_verification(plan: &mut StagePlan, session: &Session, has_other_run: bool) {
    if plan.is_plan_without_changes() && has_other_run {
        plan.add_planned_change(
            StageStep::Proof,
            ResourceChangeKind::Run,
            "the run beside this one",
            "it is kept from going live",
        );
    } else if !plan.is_plan_without_changes() {
        let proof = ("packagecloud's redirects", "seen to go to S3 again");
        let follows = plan.changes.iter().any(|change| change.step == StageStep::Reconfigure);
        if follows && !session.is_packagecloud_ctl_disabled() {
            plan.add_planned_change(StageStep::Proof, ResourceChangeKind::Run, proof.0, proof.1);
        }
    }
}

/// What isn't known where every file says off and packagecloud can't be asked.
fn explain_unverified_disable(session: &Session, answers: &OperatorAnswers) -> Option<String> {
    (!session.can_probe_packagecloud_redirect(answers)).then(|| {
        format!(
            "Whether packagecloud follows its file can't be seen: there is no --probe-url. To make sure: {}",
            session.host.ctl.render_reconfigure_and_restart()
        )
    })
}

/// What of one node's file, and of what runs there, would change.
///
/// `lags` says how packagecloud doesn't follow although every file says off, as a clause.
async fn plan_node_disable(plan: &mut StagePlan, node: &Session, config: &LoadedConfig, lags: Option<&str>) {
    let path = config.seen.path.clone();
    let off = !config.seen.may_cloudfront_be_on();
    if off && !node.is_cloudfront_switch_unfinished() && lags.is_none() {
        let why = if config.seen.values.enabled.is_none() {
            "it doesn't switch CloudFront on"
        } else {
            "cloudfront_enabled is false already"
        };
        plan.add_planned_change(StageStep::Switch, ResourceChangeKind::Keep, &path, why);
        return;
    }
    if off {
        let why = lags.map_or_else(
            || "it says off; packagecloud was not yet seen to follow".to_owned(),
            |lags| format!("it says off, and {lags}"),
        );
        plan.add_planned_change(StageStep::Switch, ResourceChangeKind::Keep, &path, why);
    } else {
        plan.add_planned_change(
            StageStep::Switch,
            ResourceChangeKind::Update,
            &path,
            "cloudfront_enabled becomes false",
        );
        let edits = build_disabled_setting_values().render_setting_edits(&[CloudFrontSettingKey::Enabled]);
        plan.documents.extend(config_write::preview_config_changes(node, &path, &config.file, &edits).await);
    }
    switch::plan_reconfigure_and_restart(node, plan, None);
}

fn build_disabled_setting_values() -> CloudFrontSettingValues {
    CloudFrontSettingValues { enabled: Some(false), ..CloudFrontSettingValues::default() }
}

/// What will switch it on again on a managed host.
fn render_reenable_warning(config: &ObservedPackagecloudConfig) -> Option<String> {
    let (tool, how) = config.managed.as_ref()?;
    Some(format!(
        "{tool} manages this host ({how}): its next run switches CloudFront on again, unless cloudfront_enabled is false there too; until then, {}.",
        managed::render_config_tool_pause_instruction(tool)
    ))
}
