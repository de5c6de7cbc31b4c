//! One node gets the new secret: only that value is written, packagecloud follows its file, and its links are seen to be signed
//! with it and accepted. Nothing is ever turned on; a node that is off gets it unproven (contract section 12, step 3).

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    observe::{ObservedRotation, RotationNode, SAMPLES_PER_NODE},
    refused::build_refused_secret_failure,
};
use crate::engine::{
    delivery::{
        link_signers::{LinkSigner, SampledLinkSigners},
        probe::follow_redirect_to_edge,
    },
    packagecloud::{
        config_write::{render_config_backup_note, write_packagecloud_config_values},
        switch::{self, ConfigWritePurpose},
    },
    run::StageRun,
    session::Session,
};
use crate::host::{ConfigWriteResult, is_host_down};
use crate::model::{
    aws::evidence::ObservedPackagecloudConfig,
    failure::{Failure, FailureKind},
    packagecloud::settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    run::{
        answers::OperatorAnswers,
        goal::StageStep,
        proposed_command::{render_proposed_command, render_same_command_again},
    },
    secret::Secret,
    url::{
        redirect::RedirectTarget,
        token::{compute_secret_fingerprint, inspect_url},
    },
};

/// Says that a node was given a secret and was not yet seen to sign with it. Lost, packagecloud's links alone show it.
const ROTATING_NODE_NOTE: &str = "rotating";
/// Within this a node's links must follow.
const PROOF_TIMEOUT: Duration = Duration::from_mins(1);
const PROOF_POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How often the write is tried where somebody else writes too.
const WRITE_TRIES_MAX: u32 = 20;

/// What became of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeRotationOutcome {
    /// In words.
    Signs(String),
    /// It is off, or about to be switched: it holds the secret, and nothing was proven.
    HoldsOnly(String),
    /// It can't be reached: what it signs with stays accepted.
    NotReached,
    /// Reconfigure and restart are the operator's.
    LeftToOperator,
}

/// What a node is given, and what that is judged by.
pub(super) struct NodeRotation<'a> {
    pub session: &'a Session,
    pub observed: &'a ObservedRotation,
    pub new: &'a Secret,
    pub answers: &'a OperatorAnswers,
    pub run: &'a StageRun,
}

/// Returns whether there is anything to do on a node.
pub(super) fn is_node_due(node: &RotationNode, wanted: Option<&str>, is_lagging: bool) -> bool {
    if node.evidence.is_down {
        return false;
    }
    let Some(wanted) = wanted else { return true };
    node.evidence.fingerprint.as_deref() != Some(wanted)
        || (node.evidence.is_on
            && (is_lagging || node.session.host.read_host_state_file(ROTATING_NODE_NOTE).is_some()))
}

impl NodeRotation<'_> {
    /// Gives one node the new secret, to where its links are seen to be signed with it.
    ///
    /// # Errors
    /// Fails where its file can't be written, holds a secret that the edge doesn't accept, or its links are refused: then it
    /// has the old secret again.
    pub(super) async fn rotate_secret_on_node(&self, node: &Session) -> Result<NodeRotationOutcome, Failure> {
        let before = match self.write_secret_on_node(node).await {
            Err(failure) if is_host_down(&failure) => return Ok(NodeRotationOutcome::NotReached),
            before => before?,
        };
        if self.session.is_packagecloud_ctl_disabled() {
            return Ok(NodeRotationOutcome::LeftToOperator);
        }
        match self.follow_and_prove(node).await {
            Err(failure) if is_host_down(&failure) => Ok(NodeRotationOutcome::NotReached),
            Err(failure)
                if failure.kind == FailureKind::Other && failure.code.as_deref() == Some(REFUSED) =>
            {
                Err(self.put_secret_back(node, before.as_ref(), failure).await)
            }
            outcome => outcome,
        }
    }

    /// Writes the secret where the file doesn't hold it; returns the one that it held.
    async fn write_secret_on_node(&self, node: &Session) -> Result<Option<Secret>, Failure> {
        let mut tries = 0;
        loop {
            let config = node.host.read_packagecloud_config().await?.seen;
            let before = config.values.secret.clone().filter(|_| !config.awaits_secret);
            if before.as_ref() == Some(self.new)
                && config.find_unsettling_line(CloudFrontSettingKey::Secret).is_none()
            {
                return Ok(before);
            }
            self.refuse_secret_of_somebody_else(&config, before.as_ref())?;
            let step = StageStep::Secret;
            let doing = format!("writing cloudfront_secret to {}", config.path);
            let wrote = self.run.run_stage_step(step, doing, async {
                node.host.write_state_file_about_host(ROTATING_NODE_NOTE, "1");
                let written = self.write_secret_to_file(node, &config, self.new, step).await?;
                Ok(((), format!("{} has the new secret{}", config.path, render_config_backup_note(&written))))
            });
            match wrote.await {
                // An editor, a configuration client, or somebody who switched off wrote between the look and this.
                Err(failure) if failure.kind == FailureKind::Drifted && tries < WRITE_TRIES_MAX => tries += 1,
                Err(failure) => return Err(failure),
                Ok(()) => return Ok(before),
            }
        }
    }

    /// Writes `cloudfront_secret` to a node's file, and nothing else.
    async fn write_secret_to_file(
        &self,
        node: &Session,
        config: &ObservedPackagecloudConfig,
        secret: &Secret,
        step: StageStep,
    ) -> Result<ConfigWriteResult, Failure> {
        let values =
            CloudFrontSettingValues { secret: Some(secret.clone()), ..CloudFrontSettingValues::default() };
        let keys = [CloudFrontSettingKey::Secret];
        let purpose = ConfigWritePurpose::Prepare;
        write_packagecloud_config_values(
            node,
            config,
            &values,
            &keys,
            self.answers,
            (self.run, step),
            purpose,
        )
        .await
    }

    /// Stops where the file holds by now a secret that the edge doesn't accept, while its links lead there. Where a configuration
    /// client writes the file, the links judge, which are seen before and after.
    fn refuse_secret_of_somebody_else(
        &self,
        config: &ObservedPackagecloudConfig,
        held: Option<&Secret>,
    ) -> Result<(), Failure> {
        let is_judged_by_links = config.managed.is_some() && self.observed.signers.is_some();
        let is_judged = config.may_cloudfront_be_on() && !is_judged_by_links;
        let Some(held) = held.filter(|_| is_judged) else { return Ok(()) };
        if self.observed.does_edge_accept(&compute_secret_fingerprint(held)?) {
            return Ok(());
        }
        Err(build_refused_secret_failure(&config.path))
    }

    /// Makes packagecloud follow its file, where that has CloudFront on, and sees its links.
    async fn follow_and_prove(&self, node: &Session) -> Result<NodeRotationOutcome, Failure> {
        let config = node.host.read_packagecloud_config().await?.seen;
        if !config.may_cloudfront_be_on() {
            node.host.remove_host_note(ROTATING_NODE_NOTE);
            return Ok(NodeRotationOutcome::HoldsOnly(
                "it is off and stays off: it signs no link until it is switched on".to_owned(),
            ));
        }
        // Reconfigured now, it might go live without its gate.
        if node.is_cloudfront_switch_unfinished() {
            return Ok(NodeRotationOutcome::HoldsOnly(format!(
                "switching on or off was begun there and not finished, so it was not reconfigured; finish that first: {}, or: {}",
                render_proposed_command("enable", &[]),
                render_proposed_command("disable", &[])
            )));
        }
        switch::reconfigure_packagecloud(node, self.run).await?;
        switch::restart_packagecloud(node, self.run).await?;
        let shown = self
            .run
            .run_stage_step(
                StageStep::Proof,
                format!("asking packagecloud for links{}", node.host.render_host_suffix()),
                async {
                    let shown = self.prove_links_by_new_secret(node).await?;
                    Ok((shown.clone(), shown))
                },
            )
            .await?;
        node.host.remove_host_note(ROTATING_NODE_NOTE);
        Ok(NodeRotationOutcome::Signs(shown))
    }

    /// Sees links by the new secret, and that the edge accepts them; within a minute.
    async fn prove_links_by_new_secret(&self, node: &Session) -> Result<String, Failure> {
        if !self.session.can_probe_packagecloud_redirect(self.answers) {
            return Ok("not proven: there is no --probe-url; try an install from a client now".to_owned());
        }
        let until = Instant::now() + self.session.scale_wait_for_sandbox(PROOF_TIMEOUT);
        loop {
            let over = Instant::now() >= until;
            let failure = match self.ask_for_links(node, until.duration_since(Instant::now())).await? {
                Ok(shown) => return Ok(shown),
                Err(failure) => failure,
            };
            // Whoever switched off meanwhile is why no link leads to the edge.
            if !node.host.read_packagecloud_config().await?.seen.may_cloudfront_be_on() {
                return Ok(
                    "it was switched off meanwhile: it has the new secret, and no link could be checked"
                        .to_owned(),
                );
            }
            if over {
                return Err(failure);
            }
            self.run
                .read_unless_stopped(async {
                    sleep(PROOF_POLL_INTERVAL).await;
                    Ok(())
                })
                .await?;
        }
    }

    /// Asks for links once: what was seen, or what isn't right yet.
    async fn ask_for_links(
        &self,
        node: &Session,
        patience: Duration,
    ) -> Result<Result<String, Failure>, Failure> {
        let observed = self.observed;
        // The new one first: what comes after it is the ones before.
        let secrets: Vec<Secret> = std::iter::once(self.new)
            .chain(observed.secrets.iter().filter(|one| *one != self.new))
            .cloned()
            .collect();
        let count = SAMPLES_PER_NODE * observed.nodes.len();
        let own = self.find_signer_on_node(node, &secrets).await;
        if matches!(own, Some((LinkSigner::Known(place), _)) if place > 0) {
            return Ok(Err(build_own_lag_failure(node)));
        }
        let asked = SampledLinkSigners::sample_link_signers(
            self.session,
            self.answers,
            (observed.samples.first_sample_package(), count),
            (&secrets, observed.authenticator.construction),
            patience,
        );
        let Some(signers) = asked.await? else { return Ok(Ok(String::new())) };
        let stranger = signers.find_link_by(LinkSigner::Stranger);
        let by_site = stranger.into_iter().chain(signers.find_link_by(LinkSigner::Known(0)));
        for link in by_site.chain(own.as_ref().map(|(_, link)| link.as_str())) {
            if self.session.is_edge_unreachable_for_checks() {
                continue;
            }
            match follow_redirect_to_edge(self.session, link).await {
                Ok(reply) if reply.find_header("x-packagecloud-cloudfront").is_some() => {
                    return Ok(Err(build_refused_link_failure(reply.status)));
                }
                Ok(_) => {}
                Err(failure) => return Ok(Err(failure)),
            }
        }
        let by_new = signers.count_links_by(LinkSigner::Known(0));
        match own {
            Some((LinkSigner::Known(_), _)) => {
                return Ok(Ok(format!(
                    "its own redirect, asked on that node, is signed with the new secret, and the edge accepts it; {by_new} of {} links of the site are signed with it, too",
                    signers.count_answers()
                )));
            }
            // Where the edge can't tell, a secret that isn't at hand says nothing of the node.
            Some(_) if !self.session.is_edge_unreachable_for_checks() => {
                return Ok(Err(build_own_lag_failure(node)));
            }
            _ => {}
        }
        if by_new > 0 || (stranger.is_some() && self.session.is_edge_unreachable_for_checks()) {
            return Ok(Ok(format!(
                "{by_new} of {} links are signed with the new secret, and the edge accepts it",
                signers.count_answers()
            )));
        }
        Ok(Err(Failure::new_generic_failure(
            "packagecloud's own redirect",
            format!("none of {count} links is signed with the new secret within a minute after the restart"),
            format!(
                "look at packagecloud's log for why the reconfigure did not take; both secrets stay accepted; then: {}",
                render_same_command_again(&[])
            ),
        )))
    }

    /// Finds who signed the node's own redirect, asked on that node, with that link: the load balancer may keep the node out.
    /// `None` where it can't be asked there, or doesn't lead to the edge.
    async fn find_signer_on_node(&self, node: &Session, secrets: &[Secret]) -> Option<(LinkSigner, String)> {
        let package = self.observed.samples.first_sample_package();
        let reply = node.probe_redirect_on_node(self.answers, package).await?.ok()?;
        if reply.classify_redirect_target() != RedirectTarget::Edge {
            return None;
        }
        let link = reply.location?;
        let now = self.session.host.clock.read_host_clock().as_secs();
        let read = inspect_url(&link, secrets, now, self.observed.authenticator.construction);
        Some((read.key.map_or(LinkSigner::Stranger, LinkSigner::Known), link))
    }

    /// Gives the node the old secret again, whose links the edge accepts: the failure, with how that went.
    async fn put_secret_back(&self, node: &Session, before: Option<&Secret>, failure: Failure) -> Failure {
        let Some(before) = before.filter(|before| *before != self.new) else { return failure };
        let path = node.host.render_config_location();
        let back = async {
            self.run
                .run_stage_step(
                    StageStep::TakeBack,
                    format!("writing the old secret to {path} again"),
                    async {
                        let config = node.host.read_packagecloud_config().await?.seen;
                        self.write_secret_to_file(node, &config, before, StageStep::TakeBack).await?;
                        Ok(((), format!("{path} has the old secret again")))
                    },
                )
                .await?;
            switch::reconfigure_packagecloud(node, self.run).await?;
            switch::restart_packagecloud(node, self.run).await
        };
        match back.await {
            Ok(()) => {
                node.host.remove_host_note(ROTATING_NODE_NOTE);
                Failure { why: format!("{}; {path} has the old secret again", failure.why), ..failure }
            }
            Err(second) => Failure {
                why: format!("{}; and writing the old secret to {path} again failed: {second}", failure.why),
                next: format!(
                    "switch off where links are refused (D in the wizard): {}; {}",
                    render_proposed_command("disable", &[]),
                    second.next
                ),
                ..failure
            },
        }
    }
}

/// Marks a link that the edge refuses.
const REFUSED: &str = "link-refused";

fn build_own_lag_failure(node: &Session) -> Failure {
    Failure::new_generic_failure(
        format!("packagecloud's own redirect{}", node.host.render_host_suffix()),
        "asked on that node, it is signed with another secret than the one in its file, a minute after the restart",
        format!(
            "look at packagecloud's log there for why the reconfigure did not take; both secrets stay accepted; then: {}",
            render_same_command_again(&[])
        ),
    )
}

fn build_refused_link_failure(status: u16) -> Failure {
    Failure::new_generic_failure(
        "packagecloud's own redirect",
        format!(
            "the edge answers its link {status}: packagecloud signs with another secret than the one in its file"
        ),
        format!(
            "look at packagecloud's log for why the reconfigure did not take, then: {}",
            render_same_command_again(&[])
        ),
    )
    .add_aws_error_code(Some(REFUSED.to_owned()), None)
}
