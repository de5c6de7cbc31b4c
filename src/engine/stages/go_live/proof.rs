//! The proof that CloudFront works: packagecloud's own redirect, followed through the edge.

use std::time::Duration;

use crate::aws::web::WebReply;
use crate::model::{
    aws::evidence::PackagecloudConfigEvidence,
    failure::Failure,
    run::{answers::OperatorAnswers, goal::StageStep},
    url::redirect::{PackagecloudDownloadReply, RedirectTarget},
};

use super::GoLiveFacts;
use crate::engine::{
    delivery::{diagnosis, probe, redirects::SampledRedirects},
    run::StageRun,
    session::Session,
};

/// Within this the redirect must have followed.
const PROOF_TIMEOUT: Duration = Duration::from_mins(1);

/// Follows packagecloud's own redirect through the edge: 200 or S3's 404 is accepted.
///
/// # Errors
/// Fails where it does not go to the edge within a minute, or is refused there: with why.
pub(super) async fn prove_edge_accepts_redirect(
    session: &Session,
    found: &GoLiveFacts,
    seen: &PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<String, Failure> {
    run.run_stage_step(StageStep::Proof, "asking packagecloud for a package", async {
        if !session.can_probe_packagecloud_redirect(answers) {
            let text =
                "not proven: no --probe-url; switched on as you said, so try an install from a client now";
            return Ok((text.to_owned(), text.to_owned()));
        }
        let redirect = wait_until_redirects_to_edge(session, found, answers).await?;
        let location = redirect.location.clone().unwrap_or_default();
        if session.is_edge_unreachable_for_checks() {
            return Ok((
                redirect.describe_redirect(),
                format!(
                    "packagecloud answers {}; the edge is out of reach here",
                    redirect.describe_redirect()
                ),
            ));
        }
        let reply = probe::follow_redirect_to_edge(session, &location).await?;
        if is_accepted_edge_reply(&reply) {
            let text = format!(
                "packagecloud answers {}, and the edge {}",
                redirect.describe_redirect(),
                reply.status
            );
            return Ok((text.clone(), text));
        }
        Err(build_edge_refused_link_failure(seen, found, &location, &reply))
    })
    .await
}

/// How often packagecloud is asked once several nodes shall be on.
const REDIRECT_SAMPLES: usize = 10;

/// Asks packagecloud ten times, and follows each redirect to the edge, which must accept it: within a minute, since
/// nobody can say which node answers.
///
/// # Errors
/// Fails where one is refused, none goes to the edge, or packagecloud does not answer.
pub(super) async fn prove_edge_accepts_all_redirects(
    session: &Session,
    found: &GoLiveFacts,
    seen: &PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(), Failure> {
    run.run_stage_step(StageStep::Proof, format!("asking packagecloud {REDIRECT_SAMPLES} times"), async {
        if !session.can_probe_packagecloud_redirect(answers) {
            return Ok(((), "not proven: no --probe-url".to_owned()));
        }
        let samples = probe::find_sample_object_keys(&found.target).await.unwrap_or_default();
        let asked = SampledRedirects::sample_redirects_during_restart(
            session,
            answers,
            (samples.package.as_deref(), REDIRECT_SAMPLES),
            session.scale_wait_for_sandbox(PROOF_TIMEOUT),
            &run.build_step_progress_reporter(StageStep::Proof),
        )
        .await?;
        let locations =
            asked.iter().flat_map(SampledRedirects::list_sampled_cloudfront_links).collect::<Vec<_>>();
        for location in locations.iter().filter(|_| !session.is_edge_unreachable_for_checks()) {
            let reply = probe::follow_redirect_to_edge(session, location).await?;
            if !is_accepted_edge_reply(&reply) {
                return Err(build_edge_refused_link_failure(seen, found, location, &reply));
            }
        }
        // While a node that isn't switched on yet answers too, that is no failure of this one.
        let elsewhere = REDIRECT_SAMPLES - locations.len();
        if elsewhere == REDIRECT_SAMPLES {
            return Err(Failure::new_generic_failure(
                "packagecloud's own redirect",
                "none of ten goes to CloudFront",
                "look at packagecloud's log for why the reconfigure did not take, then try again",
            ));
        }
        Ok((
            (),
            format!(
                "{} of {REDIRECT_SAMPLES} redirects go to the edge, and each was accepted",
                REDIRECT_SAMPLES - elsewhere
            ),
        ))
    })
    .await
}

/// What a client can work with: the object, or S3's own answer that there is none.
fn is_accepted_edge_reply(reply: &WebReply) -> bool {
    reply.status == 200
        || reply.status == 206
        || (reply.status == 404 && reply.find_header("x-packagecloud-cloudfront").is_none())
}

/// Asks until the redirect goes to the edge, for a minute.
async fn wait_until_redirects_to_edge(
    session: &Session,
    found: &GoLiveFacts,
    answers: &OperatorAnswers,
) -> Result<PackagecloudDownloadReply, Failure> {
    let samples = probe::find_sample_object_keys(&found.target).await.unwrap_or_default();
    let until = tokio::time::Instant::now() + session.scale_wait_for_sandbox(PROOF_TIMEOUT);
    loop {
        session.ensure_cloudfront_not_disabled().await?;
        let seen = match session.probe_packagecloud_redirect(answers, samples.package.as_deref()).await {
            Ok(Some(redirect)) if redirect.classify_redirect_target() == RedirectTarget::Edge => {
                return Ok(redirect);
            }
            Ok(Some(redirect)) => format!("it answers {}", redirect.describe_redirect()),
            Ok(None) => "no URL to ask for".to_owned(),
            Err(failure) => failure.to_string(),
        };
        if tokio::time::Instant::now() >= until {
            return Err(Failure::new_generic_failure(
                "packagecloud's own redirect",
                format!("it did not go to CloudFront within a minute: {seen}"),
                "look at packagecloud's log for why the reconfigure did not take, then try again",
            ));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Why the edge refused packagecloud's own link, and which construction fits it, if another does.
fn build_edge_refused_link_failure(
    seen: &PackagecloudConfigEvidence,
    found: &GoLiveFacts,
    location: &str,
    reply: &WebReply,
) -> Failure {
    let accepted = found.construction;
    let fitting = seen
        .desired
        .secret
        .as_ref()
        .and_then(|secret| probe::detect_link_token_construction(location, secret, accepted))
        .filter(|construction| *construction != accepted);
    let (why, next) = diagnosis::diagnose_edge_refusal(reply, &found.known);
    match fitting {
        Some(construction) => Failure::new_generic_failure(
            "packagecloud's own redirect",
            format!(
                "the edge refuses it: this packagecloud makes its tokens as {construction}, the edge accepts {accepted}"
            ),
            format!("run enable again with --construction {construction}"),
        ),
        None => Failure::new_generic_failure("packagecloud's own redirect", why, next),
    }
}
