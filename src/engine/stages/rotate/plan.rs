//! What a rotation would do, said before it does: the version, the waits, node after node, and what customers notice.

use std::time::Duration;

use super::{
    decide::WantedSecret,
    node::is_node_due,
    observe::{ObservedRotation, RotationNode},
    version::refuse_fourth_secret,
};
use crate::engine::{
    packagecloud::{config_write::add_config_write_confirmations, switch},
    session::Session,
};
use crate::host::environment::clock::render_utc_time;
use crate::model::{
    aws::{evidence::StageEvidence, rotation::SecretRotationKind},
    failure::Failure,
    packagecloud::settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    run::{
        answers::OperatorAnswers,
        goal::StageStep,
        plan::{PlanConfirmationQuestion, PlanFact, RequiredConsent, ResourceChangeKind, StagePlan},
        proposed_command::render_proposed_command,
    },
    secret::Secret,
};

/// Begins a plan from what was seen.
pub(super) fn begin_rotation_plan(
    observed: &ObservedRotation,
    wanted: &WantedSecret,
    answers: &OperatorAnswers,
) -> StagePlan {
    let evidence = observed.build_rotation_evidence(answers, wanted);
    StagePlan::new(StageEvidence::Rotation(Box::new(evidence)))
}

/// Plans the new secret's way to the edge and to every node.
///
/// # Errors
/// Fails where a fourth secret would have to be accepted.
pub(super) fn plan_rotation(
    session: &Session,
    observed: &ObservedRotation,
    wanted: &WantedSecret,
    answers: &OperatorAnswers,
) -> Result<StagePlan, Failure> {
    let mut plan = begin_rotation_plan(observed, wanted, answers);
    let fingerprint = match wanted {
        WantedSecret::Fresh | WantedSecret::OutOfReach(_) => None,
        WantedSecret::Begun(one) | WantedSecret::Unfinished(one) => Some(one.as_str()),
    };
    let lags = fingerprint.is_some_and(|one| observed.does_packagecloud_lag_behind(one));
    let due: Vec<&RotationNode> =
        observed.nodes.iter().filter(|node| is_node_due(node, fingerprint, lags)).collect();
    let is_accepted = fingerprint.is_some_and(|one| observed.does_edge_accept(one));
    if let WantedSecret::Unfinished(_) = wanted
        && due.is_empty()
    {
        let noted = observed.mark.as_ref().and_then(|mark| mark.finish_at);
        let from = noted.map(|at| format!(" after {}", render_utc_time(Duration::from_secs(at))));
        plan.add_planned_change(
            StageStep::Secret,
            ResourceChangeKind::Keep,
            "the secret",
            format!(
                "every node has the new one, and the edge still accepts the old one; to end the old one{}: {}",
                from.unwrap_or_default(),
                render_proposed_command("rotate-secret", &["--finish"])
            ),
        );
        return Ok(plan);
    }
    plan_edge_version(&mut plan, observed, fingerprint, is_accepted)?;
    if !due.is_empty() {
        plan.add_planned_change(
            StageStep::EdgeReadings,
            ResourceChangeKind::Run,
            format!("distribution {}", observed.distribution.id),
            "read three times over a minute; ten links by each secret must pass; then two minutes pass",
        );
    }
    for node in due {
        plan_node_rotation(&mut plan, node, fingerprint, answers);
    }
    plan.add_planned_change(
        StageStep::Proof,
        ResourceChangeKind::Run,
        "packagecloud's own redirects",
        "none may be signed with another secret",
    );
    add_rotation_notes(&mut plan, session, observed, answers);
    Ok(plan)
}

/// Plans the version, and its way onto the distribution.
fn plan_edge_version(
    plan: &mut StagePlan,
    observed: &ObservedRotation,
    fingerprint: Option<&str>,
    is_accepted: bool,
) -> Result<(), Failure> {
    let name = observed.target.names.lambda_function_name();
    if is_accepted {
        plan.add_planned_change(
            StageStep::FunctionVersion,
            ResourceChangeKind::Keep,
            name,
            "the edge accepts the new secret already",
        );
        return Ok(());
    }
    let signing = observed.list_signing_fingerprints();
    let dropped =
        observed.decide_by_facts(|facts| facts.list_secrets_to_drop(fingerprint, signing.as_deref()));
    let choice = observed.choose_secrets_beside(fingerprint.unwrap_or_default(), &dropped);
    refuse_fourth_secret(&choice, SecretRotationKind::Rotate)?;
    let beside = match choice.carried.len() {
        1 => "the current one".to_owned(),
        more => format!("the {more} current ones"),
    };
    let left = match dropped.len() {
        0 => "",
        _ => "; secrets that no node has or signs with are left out",
    };
    plan.add_planned_change(
        StageStep::FunctionVersion,
        ResourceChangeKind::Create,
        name,
        format!("a version that accepts a new secret and {beside}{left}"),
    )
    .calls
    .extend(
        ["kms:Encrypt", "lambda:UpdateFunctionCode", "lambda:PublishVersion", "lambda:TagResource"]
            .map(String::from),
    );
    plan.add_planned_change(
        StageStep::VersionProof,
        ResourceChangeKind::Run,
        "that version",
        "it is invoked with valid, forged and expired links before any edge has it",
    );
    plan.add_planned_change(
        StageStep::Authenticator,
        ResourceChangeKind::Update,
        format!("distribution {}", observed.distribution.id),
        "it gets that version; then links are tried, and the change is undone if one fails",
    )
    .calls
    .push("cloudfront:UpdateDistribution".into());
    Ok(())
}

/// Plans what happens on one node.
fn plan_node_rotation(
    plan: &mut StagePlan,
    node: &RotationNode,
    fingerprint: Option<&str>,
    answers: &OperatorAnswers,
) {
    let Some(config) = &node.config else { return };
    let holds = fingerprint.is_some() && node.evidence.fingerprint.as_deref() == fingerprint;
    let (kind, why) = match (holds, node.evidence.is_on) {
        (true, _) => (ResourceChangeKind::Keep, "it has the new secret; packagecloud does not follow yet"),
        (false, true) => (ResourceChangeKind::Update, "cloudfront_secret, and nothing else"),
        (false, false) => (
            ResourceChangeKind::Update,
            "cloudfront_secret, and nothing else; it is off, stays off, and is not restarted",
        ),
    };
    plan.add_planned_change(StageStep::Secret, kind, &config.path, why);
    if !holds {
        let values = CloudFrontSettingValues {
            secret: Some(Secret::new("(hidden)")),
            ..CloudFrontSettingValues::default()
        };
        let keys = [CloudFrontSettingKey::Secret];
        add_config_write_confirmations(plan, config, &values, &keys, answers);
    }
    if node.evidence.is_on {
        let proof = ("packagecloud's own redirect", "it must be signed with the new secret, and accepted");
        switch::plan_reconfigure_and_restart(&node.session, plan, Some(proof));
    }
}

/// Says how long it takes, what customers notice, and how to undo it; asks about the change of what serves links.
fn add_rotation_notes(
    plan: &mut StagePlan,
    session: &Session,
    observed: &ObservedRotation,
    answers: &OperatorAnswers,
) {
    for node in observed.nodes.iter().filter(|node| node.evidence.is_down) {
        plan.notes.push(format!(
            "{} can't be reached: it keeps the old secret, which the edge still accepts. This run ends with exit code 1; run it again when the node is back.",
            node.evidence.path
        ));
    }
    if !session.can_probe_packagecloud_redirect(answers) {
        plan.notes.push(
            "There is no --probe-url: which secret packagecloud signs with can't be checked, so only its files are read."
                .into(),
        );
    }
    let mut say = |topic, text: String| plan.facts.push(PlanFact { topic, text });
    say("How long", "5 to 15 minutes to the first restart, most of it waiting until every edge has the version; then a minute or two a node.".into());
    say(
        "What customers notice",
        "No link is refused. Each node that is on is restarted, one after the other: some seconds.".into(),
    );
    say(
        "How to undo it",
        format!(
            "The edge accepts the old secret, too, until the rotation is finished: {} restores a backup of packagecloud.rb, and {} works at any time.",
            render_proposed_command("roll-back", &[]),
            render_proposed_command("disable", &[])
        ),
    );
    let changes_edge = plan.changes.iter().any(|change| change.step == StageStep::Authenticator);
    if changes_edge && !answers.consents.live_change {
        plan.confirmations.push(PlanConfirmationQuestion {
            consent: RequiredConsent::LiveChange,
            question: format!(
                "Distribution {} serves links now. Give it a version of the function that accepts a new secret, too?",
                observed.distribution.id
            ),
        });
    }
}
