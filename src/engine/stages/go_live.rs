//! Going live: the gate, the switch, reconfigure, restart, the proof by packagecloud's own redirect, and the automatic way back (contract section 7).
//!
//! CloudFront goes on only behind proof, and is taken back at once where that fails.

mod edge_gate;
mod followers;
mod pending;
mod proof;
mod revert;

use futures::FutureExt as _;

use crate::host::environment::clock;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        bucket::ObjectEncryptionKey,
        cloudfront::CloudFrontDistribution,
        evidence::{ObservedPackagecloudConfig, PackagecloudConfigEvidence, StageEvidence},
    },
    failure::{Failure, FailureKind},
    packagecloud::settings::CloudFrontSettingKey,
    run::{
        answers::OperatorAnswers,
        event::StageEnd,
        goal::{OperatorGoal, StageStep},
        plan::{PlanConfirmationQuestion, RequiredConsent, ResourceChangeKind, StagePlan},
    },
    url::token::UrlTokenConstruction,
};

use crate::engine::{
    delivery::{
        diagnosis::DiagnosisFacts,
        samples::{self, SampleObjectKeys},
    },
    packagecloud::{
        config_write::{self, render_config_backup_note},
        nodes, services,
        switch::{self, ConfigWritePurpose},
    },
    resources::{bucket_key, install::observe_aws_install, packages_domain},
    run::StageRun,
    session::{AwsTarget, Session},
};

struct GoLiveFacts {
    target: AwsTarget,
    distribution: Option<CloudFrontDistribution>,
    /// What objects lie under, where CloudFront must be let decrypt.
    keys: Vec<ObjectEncryptionKey>,
    construction: UrlTokenConstruction,
    known: DiagnosisFacts,
    /// What is asked for; settled by the gate on a package that the edge serves.
    samples: SampleObjectKeys,
}

async fn observe_go_live_facts(session: &Session, answers: &OperatorAnswers) -> Result<GoLiveFacts, Failure> {
    let install = observe_aws_install(session, answers).boxed().await?;
    let known = install.build_edge_diagnosis_facts(install.authenticator.secret.as_ref());
    let keys = bucket_key::observe_bucket_kms_keys(&install.target, &install.distribution).boxed().await?;
    Ok(GoLiveFacts {
        target: install.target,
        distribution: install.distribution.distribution,
        keys,
        construction: install.authenticator.construction,
        known,
        samples: SampleObjectKeys::default(),
    })
}

/// Looks at the files, at what stands in AWS, and at where packagecloud redirects now.
///
/// # Errors
/// Fails where a file can't be read, nodes contradict each other, or AWS does not answer.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let config = session.host.read_packagecloud_config().await?;
    let found = observe_go_live_facts(session, answers).await?;
    // What answers there would be taken for packagecloud, and one that refuses or is silent proves nothing: nothing is begun.
    if let Some(failure) = session.find_probe_url_failure(answers, Some(&found.target)).await {
        return Err(Failure { why: format!("{}; nothing was changed", failure.why), ..failure });
    }
    let wanted =
        config_write::compute_desired_setting_values(&config.seen, found.distribution.as_ref(), answers);
    let before = config.seen.values.clone();
    let live = switch::is_packagecloud_redirecting_to_cloudfront(
        session,
        answers,
        wanted.packages_domain.as_deref(),
    )
    .await;
    let wanted_domain = wanted.packages_domain.clone();
    let others = nodes::read_other_node_configs(session, &config, answers)
        .await?
        .into_iter()
        .map(|node| node.seen)
        .collect();
    let seen = PackagecloudConfigEvidence { config: config.seen, desired: wanted, before, others };
    let mut plan = plan_go_live_stage(session, &seen, answers, live);
    let edits = seen.desired.render_setting_edits(&list_setting_keys_to_write(&seen));
    if let Some(diff) =
        config_write::preview_config_changes(session, &seen.config.path, &config.file, &edits).await
        && let Some(switch) = plan
            .changes
            .iter_mut()
            .find(|change| change.step == StageStep::Switch && change.verb == ResourceChangeKind::Update)
    {
        switch.set_change_document(diff.lines.join("\n"));
    }
    plan.notes.extend(nodes::describe_nodes_that_are_down(session).await);
    if !plan.is_plan_without_changes() {
        plan.confirmations.extend(bucket_key::build_bucket_kms_key_confirmation(&found.keys, answers));
        let domain = wanted_domain.as_deref().zip(found.distribution.as_ref());
        plan.documents
            .extend(domain.and_then(|(name, one)| packages_domain::build_dns_record_document(name, one)));
        if answers.goal != Some(OperatorGoal::Upgrade) {
            plan.notes.extend(describe_unlinkable_keys(&found.target).await);
        }
        for node in nodes::list_nodes_that_are_up(session).await {
            plan.notes.extend(pending::list_pending_reconfigure_effects(&node).await);
            plan.notes.extend(services::describe_packagecloud_restart_impact(&node).await);
        }
    }
    Ok(plan)
}

/// Names the keys that no link can carry, where a look at the bucket finds any: an upgrade's reindex says it of more of them.
async fn describe_unlinkable_keys(target: &AwsTarget) -> Option<String> {
    let samples = samples::find_sample_object_keys(target).await.ok()?;
    Some(format!("Of what was listed, {}.", samples.unlinkable.render_unlinkable_keys()?))
}

fn plan_go_live_stage(
    session: &Session,
    seen: &PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
    live: Option<bool>,
) -> StagePlan {
    let mut plan = StagePlan::new(StageEvidence::GoLive(Box::new(seen.clone())));
    let path = seen.config.path.clone();
    let keys = list_setting_keys_to_write(seen);
    let follow = followers::find_other_nodes_to_switch(session, seen, answers);
    if keys.is_empty() && live == Some(true) && follow.is_empty() {
        plan.add_planned_change(
            StageStep::Switch,
            ResourceChangeKind::Keep,
            &path,
            "CloudFront is on, and packagecloud redirects to it",
        );
    } else {
        plan.add_planned_change(
            StageStep::Gate,
            ResourceChangeKind::Run,
            "signed URLs at the edge",
            "tried first: nothing is switched on unless they work",
        );
        let (kind, why) = if keys.is_empty() {
            (ResourceChangeKind::Keep, "cloudfront_enabled is true already")
        } else {
            (ResourceChangeKind::Update, "cloudfront_enabled becomes true")
        };
        plan.add_planned_change(StageStep::Switch, kind, &path, why);
        let proof =
            ("packagecloud's own redirect", "tried at the edge: if it is refused, everything is undone");
        switch::plan_reconfigure_and_restart(session, &mut plan, Some(proof));
        for (node, other, _) in &follow {
            let why = format!(
                "once the edge has accepted the redirects of {}",
                session.host.transport.remote_host_name().unwrap_or("the first")
            );
            plan.add_planned_change(StageStep::Switch, ResourceChangeKind::Update, &other.path, why);
            switch::plan_reconfigure_and_restart(node, &mut plan, None);
        }
        plan.notes.push(
            "What customers notice: the restart, some seconds in which packagecloud does not answer; then downloads come from the packages domain.".into(),
        );
        if let Some(domain) = &seen.desired.packages_domain {
            plan.documents.push(packages_domain::build_client_firewall_notice(domain));
        }
        config_write::add_config_write_confirmations(&mut plan, &seen.config, &seen.desired, &keys, answers);
        for (_, other, keys) in &follow {
            config_write::add_config_write_confirmations(&mut plan, other, &seen.desired, keys, answers);
        }
        plan.confirmations.extend(build_unproven_confirmation(session, answers));
    }
    plan
}

/// Returns what is asked where no redirect of packagecloud's can prove that going live worked.
pub(super) fn build_unproven_confirmation(
    session: &Session,
    answers: &OperatorAnswers,
) -> Option<PlanConfirmationQuestion> {
    let is_asked = !session.can_probe_packagecloud_redirect(answers)
        && !answers.consents.unproven
        && !session.is_packagecloud_ctl_disabled();
    is_asked.then(|| PlanConfirmationQuestion {
        consent: RequiredConsent::Unproven,
        question: "Without --probe-url packagecloud's own redirect can't be seen, so going live can't be proven. Go live all the same?".into(),
    })
}

/// Which of the four values going live has to write; the secret only where a tool shall write it with the others.
fn list_setting_keys_to_write(seen: &PackagecloudConfigEvidence) -> Vec<CloudFrontSettingKey> {
    CloudFrontSettingKey::ALL
        .into_iter()
        .filter(|&key| match key {
            CloudFrontSettingKey::Secret => {
                seen.config.awaits_secret || seen.config.find_unsettling_line(key).is_some()
            }
            _ => seen.config.must_write_setting(&seen.desired, key),
        })
        .collect()
}

/// Switches CloudFront on behind the gate, and takes it back where the proof fails.
///
/// # Errors
/// Fails where the gate does not pass, or the proof fails: with how taking back went.
pub async fn apply(
    session: &Session,
    seen: &PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let mut found = observe_go_live_facts(session, answers).await?;
    if let Some(distribution) = &found.distribution {
        Box::pin(bucket_key::ensure_kms_key_statements(
            &found.target,
            &found.keys,
            &distribution.arn,
            answers,
            run,
        ))
        .await?;
    }
    found.samples = edge_gate::require_edge_probes_pass(session, &found, seen, run).await?;

    let keys = list_setting_keys_to_write(seen);
    let follow = followers::find_other_nodes_to_switch(session, seen, answers);
    let domain = seen.desired.packages_domain.as_deref();
    if keys.is_empty()
        && !follow.is_empty()
        && switch::is_packagecloud_redirecting_to_cloudfront(session, answers, domain).await == Some(true)
    {
        let text = followers::go_live_on_other_nodes(session, &found, seen, answers, follow, run).await?;
        return Ok((StageEnd::Applied, text));
    }
    let was_live = revert::was_cloudfront_live(session, &seen.before, answers).await;
    switch_node_to_cloudfront(session, &seen.config, seen, &keys, answers, run).await?;
    if session.is_packagecloud_ctl_disabled() {
        switch::clear_cloudfront_switch_intent(session).await;
        for (node, other, keys) in &follow {
            switch_node_to_cloudfront(node, other, seen, keys, answers, run).await?;
            switch::clear_cloudfront_switch_intent(node).await;
        }
        return Ok((StageEnd::Stopped, switch::render_switch_left_to_operator(session)));
    }
    match Box::pin(make_cloudfront_live(session, &found, seen, answers, run)).await {
        Ok(text) if follow.is_empty() => Ok((StageEnd::Applied, text)),
        Ok(text) => {
            let rest = followers::go_live_on_other_nodes(session, &found, seen, answers, follow, run).await?;
            let name = session.host.transport.remote_host_name();
            let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
            Ok((StageEnd::Applied, format!("{name}{text}; {rest}")))
        }
        // Stopped by the operator: the next start sees the switch half made, and finishes it.
        Err(failure) if failure.kind == FailureKind::Interrupted => Err(explain_interrupted_go_live(failure)),
        // Without the line nothing can be taken back either; what runs there goes on, and the next start sees to it.
        Err(failure) if is_node_connection_lost(session, &failure) => Err(failure),
        Err(failure) => {
            // Whoever switched off meanwhile is the cause of whatever went wrong since, and nobody switches on after that.
            let (failure, was_live) = match session.ensure_cloudfront_not_disabled().await {
                Ok(()) => (failure, was_live),
                Err(disabled) => (disabled, false),
            };
            if was_live {
                return Err(revert::restore_live_values_on_node(
                    session,
                    &seen.before,
                    answers,
                    run,
                    failure,
                )
                .await);
            }
            Err(revert::revert_go_live_on_node(session, &seen.before, answers, run, failure, true).await)
        }
    }
}

/// Says what stands where the operator stopped between the write and the proof, and the two ways on.
fn explain_interrupted_go_live(failure: Failure) -> Failure {
    Failure {
        why: format!(
            "{}: packagecloud.rb says on, and packagecloud follows it at its next reconfigure and restart, unproven",
            failure.why
        ),
        next: format!(
            "to finish going live, behind the proof: {}; to switch off: {}",
            render_proposed_command("enable", &[]),
            render_proposed_command("disable", &[])
        ),
        ..failure
    }
}

/// Makes packagecloud follow its file and proves that the edge accepts its links: since when CloudFront is on, in words.
async fn make_cloudfront_live(
    session: &Session,
    found: &GoLiveFacts,
    seen: &PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<String, Failure> {
    session.ensure_cloudfront_not_disabled().await?;
    switch::reconfigure_packagecloud(session, run).await?;
    let restarting = tokio::time::Instant::now();
    switch::restart_packagecloud(session, run).await?;
    let took = restarting.elapsed().as_secs();
    let proof = proof::prove_edge_accepts_redirect(session, found, seen, answers, run).await?;
    switch::save_cloudfront_switch_completion(session).await?;
    let services = services::check_services_after_restart(session, answers, restarting).await;
    let services = if services.is_empty() { services } else { format!("; {services}") };
    let since = clock::render_utc_time(session.host.clock.read_host_clock());
    Ok(format!(
        "on since {since}, the restart took {took} s; {proof}{services}. To switch off: {} (D in the wizard)",
        render_proposed_command("disable", &[])
    ))
}

/// Whether a failure is that of the line to this node.
fn is_node_connection_lost(node: &Session, failure: &Failure) -> bool {
    let lost = failure.facts.lost_host.as_deref();
    lost.is_some() && lost == node.host.transport.remote_host_name()
}

/// Writes what going live has to write on one node; where that is nothing, it begins all the same.
async fn switch_node_to_cloudfront(
    node: &Session,
    config: &ObservedPackagecloudConfig,
    seen: &PackagecloudConfigEvidence,
    keys: &[CloudFrontSettingKey],
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(), Failure> {
    if keys.is_empty() {
        let _turn = node.acquire_config_write_lock().await?;
        return switch::record_switch_to_cloudfront_intent(node).await;
    }
    run.run_stage_step(StageStep::Switch, format!("writing {}", config.path), async {
        let told = (run, StageStep::Switch);
        let written = config_write::write_packagecloud_config_values(
            node,
            config,
            &seen.desired,
            keys,
            answers,
            told,
            ConfigWritePurpose::SwitchOn,
        )
        .await?;
        Ok((
            (),
            format!(
                "cloudfront_enabled is true{}{}",
                node.host.render_host_suffix(),
                render_config_backup_note(&written)
            ),
        ))
    })
    .await
}
