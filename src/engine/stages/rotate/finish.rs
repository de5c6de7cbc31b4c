//! `--finish`: the old secret ends, once no link by it is left and nobody signs with it (contract section 12, step 4).

use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::sleep;

use super::{
    LINK_LIFETIME_SECONDS, LINK_MARGIN_SECONDS, SecretRotation,
    decide::WantedSecret,
    observe::{ObservedRotation, SAMPLES_PER_NODE},
    plan::begin_rotation_plan,
    proof::build_other_signer_failure,
    version::WantedEdgeSecrets,
};
use crate::engine::{
    delivery::link_signers::{LinkSigner, SampledLinkSigners},
    resources::accepted_secrets::list_associated_version_arns,
    session::Session,
};
use crate::host::environment::clock::render_utc_time;
use crate::model::{
    aws::{edge_logs::EarlierSecretSightings, rotation::RotationMark},
    failure::Failure,
    run::{
        answers::OperatorAnswers,
        event::StageEnd,
        goal::StageStep,
        plan::{PlanConfirmationQuestion, PlanFact, RequiredConsent, ResourceChangeKind, StagePlan},
        proposed_command::{render_proposed_command, render_same_command_again},
    },
    secret::Secret,
    url::token::compute_secret_fingerprint,
};

/// How often packagecloud is asked through its load balancer, at least.
const LINKS_ASKED_MIN: usize = 50;
/// How long ago a line of the edge's logs may be that still counts, in seconds.
const EDGE_LOG_LOOKBACK_SECONDS: u64 = 3600;
/// How often the wait says how long it still is.
const WAIT_REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Returns the fingerprint that every node holds, each of them reached, and that the edge accepts.
///
/// # Errors
/// Where there is none: the rotation is not through.
fn find_secret_of_every_node(observed: &ObservedRotation) -> Result<String, Failure> {
    let not_through = |path: &str, why: &str| {
        Failure::new_generic_failure(
            path,
            format!("{why}, so the old secret can't be ended yet"),
            format!("finish the rotation first: {}", render_proposed_command("rotate-secret", &[])),
        )
    };
    let mut common: Option<&str> = None;
    for node in &observed.nodes {
        let path = node.evidence.path.as_str();
        if node.evidence.is_down {
            return Err(not_through(path, "it can't be reached"));
        }
        let Some(held) = node.evidence.fingerprint.as_deref() else {
            return Err(not_through(path, "it holds no secret"));
        };
        if common.is_some_and(|common| common != held) {
            return Err(not_through(path, "its secret differs from that of the other nodes"));
        }
        common = Some(held);
    }
    let common = common.filter(|common| observed.does_edge_accept(common)).map(str::to_owned);
    common.ok_or_else(|| not_through("packagecloud.rb", "the edge doesn't accept the secret in it"))
}

/// Plans the end of the old secret.
///
/// # Errors
/// Fails where a node doesn't hold the new one, can't be reached, or packagecloud can't be asked.
pub(super) fn plan_finish(
    session: &Session,
    observed: &ObservedRotation,
    wanted: &WantedSecret,
    answers: &OperatorAnswers,
) -> Result<StagePlan, Failure> {
    let mut plan = begin_rotation_plan(observed, wanted, answers);
    if observed.accepted.len() == 1 {
        let why = "the edge accepts one secret only: there is nothing to end";
        plan.add_planned_change(StageStep::Secret, ResourceChangeKind::Keep, "the secret", why);
        return Ok(plan);
    }
    let newest = find_secret_of_every_node(observed)?;
    if !session.can_probe_packagecloud_redirect(answers) {
        return Err(Failure::new_usage_failure(
            "rotate-secret --finish",
            "without a download URL of packagecloud it can't be checked that no node signs with the old secret",
            format!("run: {}", render_same_command_again(&["--probe-url", "URL"])),
        ));
    }
    let now = session.host.clock.read_host_clock().as_secs();
    let count = count_links_to_ask(observed);
    let from = observed.find_finish_time(&newest, now);
    let links = format!("{count} links of packagecloud");
    let why = "each must be signed with the new secret";
    plan.add_planned_change(StageStep::Proof, ResourceChangeKind::Run, links, why);
    plan.add_planned_change(
        StageStep::LinkExpiry,
        ResourceChangeKind::Run,
        "links by the old secret",
        format!("the last one expires at {}", render_utc_time(Duration::from_secs(from))),
    );
    plan.add_planned_change(
        StageStep::Proof,
        ResourceChangeKind::Run,
        "the function's logs",
        "asked whether the edge still accepted a link by an old secret, where they may be read",
    )
    .calls
    .push("logs:FilterLogEvents".into());
    plan.add_planned_change(
        StageStep::FunctionVersion,
        ResourceChangeKind::Create,
        observed.target.names.lambda_function_name(),
        "a version that accepts only the new secret; the previous version is kept",
    );
    plan.add_planned_change(
        StageStep::Authenticator,
        ResourceChangeKind::Update,
        format!("distribution {}", observed.distribution.id),
        "it gets that version: from then on links by the old secret are refused",
    );
    plan.facts.push(PlanFact {
        topic: "What customers notice",
        text: "Nothing, if every node that signs links is named. The links of a node that is not named are refused.".into(),
    });
    plan.facts.push(PlanFact { topic: "How to undo it", text: render_way_back(observed) });
    add_finish_questions(&mut plan, observed, answers);
    Ok(plan)
}

fn add_finish_questions(plan: &mut StagePlan, observed: &ObservedRotation, answers: &OperatorAnswers) {
    if !answers.consents.no_other_node {
        let named: Vec<&str> = observed.nodes.iter().map(|node| node.evidence.path.as_str()).collect();
        plan.confirmations.push(PlanConfirmationQuestion {
            consent: RequiredConsent::NoOtherNode,
            question: format!(
                "Is every node that signs links in this list: {}? Count each standby, image and backup that still has the old secret.",
                named.join(", ")
            ),
        });
    }
    if !answers.consents.live_change {
        plan.confirmations.push(PlanConfirmationQuestion {
            consent: RequiredConsent::LiveChange,
            question: format!(
                "Distribution {} serves links now. Let it refuse links by the old secret?",
                observed.distribution.id
            ),
        });
    }
}

/// Says what the logs told where none names a link by an earlier secret.
fn render_silent_edge_logs(sightings: &EarlierSecretSightings, since: u64) -> String {
    let asked = match sightings.silent_regions {
        0 => "the function has no log that could be asked".to_owned(),
        regions => format!(
            "in {regions} region{} no instance of the function has logged since {} that it accepted a link by an old secret",
            if regions == 1 { "" } else { "s" },
            render_utc_time(Duration::from_secs(since))
        ),
    };
    match &sightings.unasked {
        None => asked,
        Some(failure) => format!(
            "{asked}; {} could not be asked: {}",
            match sightings.unasked_regions {
                1 => "1 region".to_owned(),
                regions => format!("{regions} regions"),
            },
            failure.why
        ),
    }
}

fn build_earlier_secret_failure(region: &str, at: u64) -> Failure {
    let time = |seconds: u64| render_utc_time(Duration::from_secs(seconds));
    Failure::new_generic_failure(
        "the old secret",
        format!(
            "an edge in {region} accepted a link by it at {}, after the last such link of the named nodes had expired: a node that is not named signs with it",
            time(at)
        ),
        format!(
            "find that node and name it with --host: {}; after that, or after {} if there is no such node any more: {}",
            render_proposed_command("rotate-secret", &[]),
            time(at + EDGE_LOG_LOOKBACK_SECONDS),
            render_same_command_again(&[])
        ),
    )
}

fn count_links_to_ask(observed: &ObservedRotation) -> usize {
    LINKS_ASKED_MIN.max(SAMPLES_PER_NODE * observed.nodes.len())
}

/// Names the version of now, and the whole command that goes back to it.
fn render_way_back(observed: &ObservedRotation) -> String {
    let associated = list_associated_version_arns(std::slice::from_ref(&observed.distribution));
    let before = associated.first().copied().unwrap_or_default();
    format!(
        "The previous version is kept, and accepts both secrets; to go back to it: {}",
        render_proposed_command("roll-back", &["--edge", before])
    )
}

impl ObservedRotation {
    /// Returns when the last link by an old secret has expired: as the rotation noted it, else by the longest link seen.
    fn find_finish_time(&self, newest: &str, now: u64) -> u64 {
        let noted =
            self.mark.as_ref().filter(|mark| mark.fingerprint == newest).and_then(|mark| mark.finish_at);
        let longest = self.signers.as_ref().map_or(0, |signers| signers.lifetime_max_seconds);
        noted.unwrap_or(now + longest.max(LINK_LIFETIME_SECONDS) + LINK_MARGIN_SECONDS)
    }
}

/// No answer is no proof: a node that refuses the question may sign with the old secret.
fn build_unproven_finish_failure(by_new: usize, of: usize) -> Failure {
    Failure::new_generic_failure(
        "packagecloud's own redirect",
        format!(
            "{by_new} of {of} answers are links to CloudFront by the new secret, and each must be while every named node is on: the old secret stays accepted"
        ),
        format!(
            "see what packagecloud answers to the URL of a package ({}), correct it or name another with --probe-url, then: {}",
            render_proposed_command("verify", &["--all"]),
            render_same_command_again(&[])
        ),
    )
}

impl SecretRotation<'_> {
    /// Ends the old secret.
    ///
    /// # Errors
    /// Fails where a node or a link still goes by it, where another host rotates, and where AWS refuses or doesn't answer.
    pub(super) async fn finish_rotation(&self) -> Result<(StageEnd, String), Failure> {
        let observed = self.observed;
        let newest = find_secret_of_every_node(observed)?;
        let secret = observed
            .find_secret_at_hand(&newest)
            .cloned()
            .ok_or_else(|| Failure::new_plan_drift_failure("the secret", "no node has it any more"))?;
        let mark = self.take_lock(&newest).await?;
        self.refuse_links_by_other_secrets(&secret).await?;
        let from = observed.find_finish_time(&newest, self.read_unix_seconds());
        self.wait_until_links_expired(from).await?;
        self.refuse_links_in_edge_logs(from).await?;
        self.refuse_links_by_other_secrets(&secret).await?;
        self.refuse_nodes_with_other_secrets(&secret).await?;
        // The wait is minutes long: whoever else began meanwhile goes first.
        self.take_lock(&newest).await?;
        let dropped =
            observed.accepted.iter().map(|one| one.fingerprint.clone()).filter(|one| *one != newest);
        let edge = WantedEdgeSecrets { newest: secret, dropped: dropped.collect() };
        let back = render_way_back(observed);
        observed.bring_version_to_edge(self.session, &edge, self.answers, self.run).boxed().await?;
        let now = self.read_unix_seconds();
        self.lock.write_mark(&RotationMark { since: None, finish_at: None, at: now, ..mark }).await?;
        Ok((
            StageEnd::Applied,
            format!(
                "the edge accepts only the new secret since {}. {back}",
                render_utc_time(Duration::from_secs(now))
            ),
        ))
    }

    /// Asks packagecloud through its load balancer, and stops where one link is signed with another secret.
    async fn refuse_links_by_other_secrets(&self, newest: &Secret) -> Result<(), Failure> {
        let observed = self.observed;
        let count = count_links_to_ask(observed);
        self.run
            .run_stage_step(StageStep::Proof, format!("asking packagecloud for {count} links"), async {
                let signers = SampledLinkSigners::sample_link_signers(
                    self.session,
                    self.answers,
                    (observed.samples.first_sample_package(), count),
                    (std::slice::from_ref(newest), observed.authenticator.construction),
                    Duration::ZERO,
                );
                let signers = signers.await?.unwrap_or_default();
                let by_new = signers.count_links_by(LinkSigner::Known(0));
                match signers.count_links_by(LinkSigner::Stranger) {
                    0 => {}
                    others => return Err(build_other_signer_failure(others, count)),
                }
                let mut is_on = observed.nodes.iter().map(|node| node.evidence.is_on);
                // Where a node is off on purpose, its answers lead to S3.
                let needed = match (is_on.clone().all(|on| on), is_on.any(|on| on)) {
                    (true, _) => count,
                    (false, true) => 1,
                    (false, false) => 0,
                };
                if by_new < needed {
                    return Err(build_unproven_finish_failure(by_new, count));
                }
                Ok((
                    (),
                    format!(
                        "{by_new} of {count} links are signed with the new secret, none with another one"
                    ),
                ))
            })
            .await
    }

    /// Asks the logs of the function's instances, and stops where an earlier secret has accepted a link since the last one of the
    /// named nodes had expired, at `from` in Unix seconds. An instance says it once: silence proves nothing, and is not taken
    /// for a proof.
    async fn refuse_links_in_edge_logs(&self, from: u64) -> Result<(), Failure> {
        let target = &self.observed.target;
        let doing = "asking CloudWatch Logs whether the edge still accepts links by an old secret";
        self.run
            .run_stage_step(StageStep::Proof, doing, async {
                // What the operator has mended since then is no reason to wait for ever.
                let recent = self.read_unix_seconds().saturating_sub(EDGE_LOG_LOOKBACK_SECONDS);
                let since = (from.saturating_sub(LINK_MARGIN_SECONDS) + 1).max(recent);
                let function = target.names.lambda_function_name();
                let asked = target.cloud.find_links_by_earlier_secret(&function, since);
                let sightings = self.run.read_unless_stopped(asked.map(Ok)).await?;
                match sightings.seen.first() {
                    None => Ok(((), render_silent_edge_logs(&sightings, since))),
                    Some((region, at)) => Err(build_earlier_secret_failure(region, *at)),
                }
            })
            .await
    }

    /// Waits until the last link by the old secret has expired, at `from` in Unix seconds.
    ///
    /// # Errors
    /// Fails where the wait is stopped.
    pub(super) async fn wait_until_links_expired(&self, from: u64) -> Result<(), Failure> {
        let moment = render_utc_time(Duration::from_secs(from));
        let say = self.run.build_step_progress_reporter(StageStep::LinkExpiry);
        let doing = format!("the last link by the old secret expires at {moment}");
        self.run
            .run_stage_step(StageStep::LinkExpiry, doing, async {
                let left = Duration::from_secs(from.saturating_sub(self.read_unix_seconds()));
                let mut left = self.session.scale_wait_for_sandbox(left);
                while !left.is_zero() {
                    say(&format!("{} s until {moment}", left.as_secs()));
                    let pause = left.min(WAIT_REPORT_INTERVAL);
                    self.run
                        .read_unless_stopped(async {
                            sleep(pause).await;
                            Ok(())
                        })
                        .await?;
                    left = left.saturating_sub(pause);
                }
                Ok(((), format!("the last link by the old secret expired at {moment}")))
            })
            .await
    }

    /// Reads every node's file once more: a roll-back or an editor may have restored the old secret.
    async fn refuse_nodes_with_other_secrets(&self, newest: &Secret) -> Result<(), Failure> {
        for node in &self.observed.nodes {
            let config = node.session.host.read_packagecloud_config().await?.seen;
            let held = config.values.secret.as_ref().map(compute_secret_fingerprint).transpose()?;
            if held != Some(compute_secret_fingerprint(newest)?) {
                return Err(Failure::new_plan_drift_failure(config.path, "its secret was changed meanwhile"));
            }
        }
        Ok(())
    }
}
