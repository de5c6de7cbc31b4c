//! What is seen once every node was given the new secret: no link by another one, or who switched CloudFront off meanwhile.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{LINK_LIFETIME_SECONDS, RESTART_PATIENCE, SecretRotation, observe::SAMPLES_PER_NODE};
use crate::engine::delivery::link_signers::{LinkSigner, SampledLinkSigners};
use crate::host::environment::clock::render_utc_time;
use crate::model::{
    aws::rotation::RotationMark,
    failure::Failure,
    run::{
        goal::StageStep,
        proposed_command::{render_proposed_command, render_same_command_again},
    },
    secret::Secret,
};

/// A packagecloud that is being switched off beside this run is asked again for this long, and at this pace.
const SWITCH_OFF_PATIENCE: Duration = Duration::from_mins(2);
const SWITCH_OFF_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// What was seen of all links together.
#[derive(Debug, Clone, Default)]
pub(super) struct AllLinksProof {
    /// For how long the longest link may hold, in seconds.
    pub lifetime_max_seconds: u64,
    /// The files that had CloudFront on when the run began, and say off by now.
    pub switched_off: Vec<String>,
}

impl SecretRotation<'_> {
    /// Sees that no link is signed with another secret.
    ///
    /// # Errors
    /// Fails where one is: a node lags behind its file, isn't named, or is being switched off and doesn't follow.
    pub(super) async fn prove_all_links_by_new_secret(&self, new: &Secret) -> Result<AllLinksProof, Failure> {
        let count = SAMPLES_PER_NODE * self.observed.nodes.len();
        let say = self.run.build_step_progress_reporter(StageStep::Proof);
        let until = Instant::now() + self.session.scale_wait_for_sandbox(SWITCH_OFF_PATIENCE);
        self.run
            .run_stage_step(StageStep::Proof, format!("asking packagecloud {count} times"), async {
                loop {
                    let signers = self.sample_all_links(new, count).await?;
                    let off_files = self.list_files_that_say_off().await;
                    let switched_off = self.filter_files_on_before(&off_files);
                    let Some(signers) = signers else {
                        let proof = AllLinksProof { lifetime_max_seconds: LINK_LIFETIME_SECONDS, switched_off };
                        return Ok((proof, "not proven: there is no --probe-url".to_owned()));
                    };
                    let off = signers.count_links_by(LinkSigner::NotToEdge);
                    let by_new = signers.count_links_by(LinkSigner::Known(0));
                    let others = signers.count_answers() - off - by_new;
                    if others == 0 {
                        let lifetime_max_seconds = signers.lifetime_max_seconds.max(LINK_LIFETIME_SECONDS);
                        let off = if off > 0 { format!(", {off} go to S3") } else { String::new() };
                        return Ok((
                            AllLinksProof { lifetime_max_seconds, switched_off },
                            format!(
                                "{by_new} of {count} links are signed with the new secret{off}, and none with another one"
                            ),
                        ));
                    }
                    if off_files.is_empty() {
                        let (of, unfinished) = (signers.count_answers(), self.list_unfinished_switches());
                        return Err(if unfinished.is_empty() {
                            build_other_signer_failure(others, of)
                        } else {
                            build_unfinished_switch_failure(&unfinished, others, of)
                        });
                    }
                    // Whoever switches off writes the file first, and restarts packagecloud after it.
                    if Instant::now() >= until {
                        let of = signers.count_answers();
                        return Err(build_switch_off_lag_failure(&off_files, others, of));
                    }
                    say(&format!(
                        "CloudFront is switched off in {}, and packagecloud does not follow yet; asking again",
                        off_files.join(", ")
                    ));
                    self.run
                        .read_unless_stopped(async {
                            sleep(SWITCH_OFF_POLL_INTERVAL).await;
                            Ok(())
                        })
                        .await?;
                }
            })
            .await
    }

    /// Asks for `count` links, and holds each to the new secret first, then to the others at hand.
    async fn sample_all_links(
        &self,
        new: &Secret,
        count: usize,
    ) -> Result<Option<SampledLinkSigners>, Failure> {
        let observed = self.observed;
        let mut secrets = vec![new.clone()];
        secrets.extend(observed.secrets.iter().filter(|one| *one != new).cloned());
        SampledLinkSigners::sample_link_signers(
            self.session,
            self.answers,
            (observed.samples.first_sample_package(), count),
            (&secrets, observed.authenticator.construction),
            self.session.scale_wait_for_sandbox(RESTART_PATIENCE),
        )
        .await
    }

    /// Lists the nodes' files that say off by now.
    async fn list_files_that_say_off(&self) -> Vec<String> {
        let mut off = Vec::new();
        for node in self.observed.nodes.iter().filter(|node| !node.evidence.is_down) {
            // One that can't be read now tells nothing.
            if let Ok(config) = node.session.host.read_packagecloud_config().await
                && !config.seen.may_cloudfront_be_on()
            {
                off.push(node.evidence.path.clone());
            }
        }
        off
    }

    /// Lists the files of the nodes that weren't reconfigured, since a switch was begun there and not finished.
    fn list_unfinished_switches(&self) -> Vec<String> {
        let nodes = self.observed.nodes.iter().filter(|node| !node.evidence.is_down);
        let unfinished = nodes.filter(|node| node.session.is_cloudfront_switch_unfinished());
        unfinished.map(|node| node.evidence.path.clone()).collect()
    }

    /// Keeps those of the files that had CloudFront on when the run began.
    fn filter_files_on_before(&self, files: &[String]) -> Vec<String> {
        let on = |path: &&String| {
            self.observed.nodes.iter().any(|node| node.evidence.is_on && node.evidence.path == **path)
        };
        files.iter().filter(on).cloned().collect()
    }
}

/// Returns the failure of links by another secret than the one that every named node holds.
pub(super) fn build_other_signer_failure(others: usize, of: usize) -> Failure {
    Failure::new_generic_failure(
        "packagecloud's own redirect",
        format!(
            "{others} of {of} links are signed with another secret, although every named node was given the new one: a node does not follow its file yet, or a node was not named"
        ),
        format!(
            "name every node with --host, and have packagecloud follow its file on each node: {} && {}; the edge accepts both secrets until then; then run this again: {}",
            render_proposed_command("reconfigure", &[]),
            render_proposed_command("restart", &[]),
            render_same_command_again(&[])
        ),
    )
}

/// By hand reconfigured, such a node would go live without the gate: `enable` ends the switch.
fn build_unfinished_switch_failure(files: &[String], others: usize, of: usize) -> Failure {
    Failure::new_generic_failure(
        "CloudFront",
        format!(
            "switching it on or off was interrupted in {}, so packagecloud was not reconfigured there: {others} of {of} links are signed with another secret. Every file has the new secret, and the edge accepts both: no link is refused",
            files.join(", ")
        ),
        format!(
            "finish switching on: {}, or switch off: {}; then continue the rotation: {}",
            render_proposed_command("enable", &[]),
            render_proposed_command("disable", &[]),
            render_proposed_command("rotate-secret", &[])
        ),
    )
}

fn build_switch_off_lag_failure(files: &[String], others: usize, of: usize) -> Failure {
    Failure::new_generic_failure(
        "CloudFront",
        format!(
            "it was switched off in {} during this run, and packagecloud does not follow its file yet: {others} of {of} links still go to CloudFront, signed with the old secret. Every file has the new secret, and the edge accepts both: no link is refused",
            files.join(", ")
        ),
        format!(
            "finish switching off: {}; then continue the rotation: {}",
            render_proposed_command("disable", &[]),
            render_proposed_command("rotate-secret", &[])
        ),
    )
}

/// Says what stands once every node holds the new secret; `switched_off` are the files that somebody switched off meanwhile.
pub(super) fn render_rotation_result(mark: &RotationMark, switched_off: &[String]) -> String {
    let time = |seconds: u64| render_utc_time(Duration::from_secs(seconds));
    let since = mark.since.map(|since| format!(" since {}", time(since))).unwrap_or_default();
    let from = mark.finish_at.map(|from| format!(" after {}", time(from))).unwrap_or_default();
    let finish = render_proposed_command("rotate-secret", &["--finish"]);
    let accepted = format!("the edge accepts two secrets{since}; end the old one{from} with: {finish}");
    if switched_off.is_empty() {
        return format!("every node signs with the new secret; {accepted}");
    }
    format!(
        "CloudFront was switched off meanwhile in {}, and stays off; every node has the new secret; {accepted}; to switch on again: {}",
        switched_off.join(", "),
        render_proposed_command("enable", &[])
    )
}
