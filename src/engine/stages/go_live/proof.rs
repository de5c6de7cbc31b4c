//! The proof that CloudFront works: packagecloud's own redirect, followed through the edge.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::evidence::PackagecloudConfigEvidence,
    failure::Failure,
    run::{answers::OperatorAnswers, goal::StageStep},
    url::{
        redirect::{PackagecloudDownloadReply, RedirectTarget},
        token::UrlTokenConstruction,
    },
};

use super::GoLiveFacts;
use crate::engine::{
    delivery::{
        packagecloud_link::{PackagecloudLinkFacts, PackagecloudLinkVerdict},
        redirects::SampledRedirects,
    },
    run::StageRun,
    session::Session,
};

/// Within this the redirect must have followed.
const PROOF_TIMEOUT: Duration = Duration::from_mins(1);
const PROOF_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Follows packagecloud's own redirect through the edge: 200 or S3's 404 from the packages domain that was just written
/// is accepted.
///
/// # Errors
/// Fails where it does not go there within a minute, or is refused there: with why.
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
        let domain = find_packages_domain(found, seen)?;
        let until = Instant::now() + session.scale_wait_for_sandbox(PROOF_TIMEOUT);
        loop {
            session.ensure_cloudfront_not_disabled().await?;
            let over = Instant::now() >= until;
            let not_yet = match ask_for_packages_redirect(session, found, answers, domain).await {
                Ok(redirect) => match follow_packages_redirect(session, &link_facts(found, seen), &redirect).await? {
                    FollowedRedirect::Accepted(text) => return Ok((text.clone(), text)),
                    FollowedRedirect::RefusedForNow(failure) => failure,
                },
                Err(why) => Failure::new_generic_failure(
                    PROOF_LABEL,
                    format!("it did not go to https://{domain} with a token of packagecloud's within a minute: {why}"),
                    "look at packagecloud's log for why the reconfigure did not take, then try again",
                ),
            };
            if over {
                return Err(not_yet);
            }
            tokio::time::sleep(PROOF_POLL_INTERVAL).await;
        }
    })
    .await
}

const PROOF_LABEL: &str = "packagecloud's own redirect";

/// The packages domain that was just written.
fn find_packages_domain<'a>(
    found: &'a GoLiveFacts,
    seen: &'a PackagecloudConfigEvidence,
) -> Result<&'a str, Failure> {
    let written = seen.desired.packages_domain.as_deref();
    written.or(found.distribution.as_ref().map(|one| one.domain.as_str())).ok_or_else(|| {
        Failure::new_generic_failure(
            PROOF_LABEL,
            "there is no packages domain that it could go to",
            format!("create the distribution with: {}", render_proposed_command("enable", &[])),
        )
    })
}

/// Asks packagecloud once; what came that is no link to the packages domain, in words. A link to S3 may be another node's, which
/// isn't on yet: then the node that was just switched on is asked itself, where that can be.
async fn ask_for_packages_redirect(
    session: &Session,
    found: &GoLiveFacts,
    answers: &OperatorAnswers,
    domain: &str,
) -> Result<PackagecloudDownloadReply, String> {
    let (package, expected) = (found.samples.first_sample_package(), session.expect_links_to_domain(domain));
    let redirect = match session.probe_packagecloud_redirect(answers, package).await {
        Ok(Some(redirect)) => redirect,
        Ok(None) => return Err("no URL to ask for".to_owned()),
        Err(failure) => return Err(failure.to_string()),
    };
    let Some(why) = redirect.explain_no_packages_redirect(&expected) else { return Ok(redirect) };
    if redirect.classify_redirect_target() == RedirectTarget::S3
        && let Some(Ok(own)) = session.probe_redirect_on_node(answers, package).await
        && own.explain_no_packages_redirect(&expected).is_none()
    {
        return Ok(own);
    }
    Err(format!("it answers {why}"))
}

/// What became of a redirect that was followed.
enum FollowedRedirect {
    /// In words.
    Accepted(String),
    /// It may pass by itself.
    RefusedForNow(Failure),
}

/// Follows one redirect to the edge; where that is out of reach, the token is held to the secret here.
async fn follow_packages_redirect(
    session: &Session,
    facts: &PackagecloudLinkFacts<'_>,
    redirect: &PackagecloudDownloadReply,
) -> Result<FollowedRedirect, Failure> {
    let location = redirect.location.as_deref().unwrap_or_default();
    if session.is_edge_unreachable_for_checks() {
        return match facts.secret.map(|_| facts.find_link_construction(location)) {
            Some(None) => Err(Failure::new_generic_failure(
                PROOF_LABEL,
                "its token is signed with another secret than packagecloud.rb holds, or made in no way that is known",
                format!(
                    "give the URL to: {} — and look at packagecloud's log for why the reconfigure did not take",
                    render_proposed_command("inspect", &[])
                ),
            )),
            Some(Some(fits)) if fits != facts.accepted => {
                Err(build_other_construction_failure(fits, facts.accepted))
            }
            _ => Ok(FollowedRedirect::Accepted(format!(
                "packagecloud answers {}; the edge is out of reach here",
                redirect.describe_redirect()
            ))),
        };
    }
    Ok(match follow_link(session, facts, location).await? {
        FollowedRedirect::Accepted(status) => FollowedRedirect::Accepted(format!(
            "packagecloud answers {}, and the edge {status}",
            redirect.describe_redirect()
        )),
        refused @ FollowedRedirect::RefusedForNow(_) => refused,
    })
}

/// Follows a link to the edge once; accepted, the text is the status.
async fn follow_link(
    session: &Session,
    facts: &PackagecloudLinkFacts<'_>,
    location: &str,
) -> Result<FollowedRedirect, Failure> {
    match facts.follow_link_to_edge(session, location).await {
        PackagecloudLinkVerdict::Accepted(status) => Ok(FollowedRedirect::Accepted(status.to_string())),
        PackagecloudLinkVerdict::OtherConstruction(fits) => {
            Err(build_other_construction_failure(fits, facts.accepted))
        }
        PackagecloudLinkVerdict::Refused { why, next, may_pass } => {
            let failure = Failure::new_generic_failure(PROOF_LABEL, why, next);
            if may_pass { Ok(FollowedRedirect::RefusedForNow(failure)) } else { Err(failure) }
        }
        // A connection that broke off tells nothing of the link: it is asked again, as a cold start is.
        PackagecloudLinkVerdict::Unanswered(failure) => Ok(FollowedRedirect::RefusedForNow(failure)),
    }
}

/// Follows a link until the edge accepts it, or `until` is over: what may pass by itself is asked again.
async fn follow_link_until_accepted(
    session: &Session,
    facts: &PackagecloudLinkFacts<'_>,
    location: &str,
    until: Instant,
) -> Result<(), Failure> {
    loop {
        session.ensure_cloudfront_not_disabled().await?;
        let over = Instant::now() >= until;
        match follow_link(session, facts, location).await? {
            FollowedRedirect::Accepted(_) => return Ok(()),
            FollowedRedirect::RefusedForNow(failure) if over => return Err(failure),
            FollowedRedirect::RefusedForNow(_) => tokio::time::sleep(PROOF_POLL_INTERVAL).await,
        }
    }
}

/// What packagecloud's links are judged by here.
fn link_facts<'a>(found: &'a GoLiveFacts, seen: &'a PackagecloudConfigEvidence) -> PackagecloudLinkFacts<'a> {
    PackagecloudLinkFacts {
        secret: seen.desired.secret.as_ref(),
        accepted: found.construction,
        known: &found.known,
        edge_works: false,
    }
}

/// How often packagecloud is asked once several nodes shall be on.
const REDIRECT_SAMPLES: usize = 10;

/// Asks packagecloud ten times, and follows each redirect to the packages domain, which must accept it: within a
/// minute, since nobody can say which node answers.
///
/// # Errors
/// Fails where one is refused, none goes there, or packagecloud does not answer.
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
        let domain = find_packages_domain(found, seen)?;
        let asked = SampledRedirects::sample_redirects_during_restart(
            session,
            answers,
            (found.samples.first_sample_package(), REDIRECT_SAMPLES),
            session.scale_wait_for_sandbox(PROOF_TIMEOUT),
            &run.build_step_progress_reporter(StageStep::Proof),
        )
        .await?;
        let until = Instant::now() + session.scale_wait_for_sandbox(PROOF_TIMEOUT);
        let expected = session.expect_links_to_domain(domain);
        let locations =
            asked.iter().flat_map(|asked| asked.list_sampled_packages_links(&expected)).collect::<Vec<_>>();
        for location in locations.iter().filter(|_| !session.is_edge_unreachable_for_checks()) {
            follow_link_until_accepted(session, &link_facts(found, seen), location, until).await?;
        }
        // While a node that isn't switched on yet answers too, that is no failure of this one.
        if locations.is_empty() {
            let other = asked.and_then(|asked| asked.explain_first_other_link(&expected)).unwrap_or_default();
            return Err(Failure::new_generic_failure(
                PROOF_LABEL,
                format!("none of ten goes to https://{domain}: it answers {other}"),
                "look at packagecloud's log for why the reconfigure did not take, then try again",
            ));
        }
        Ok((
            (),
            format!(
                "{} of {REDIRECT_SAMPLES} redirects go to the edge, and each was accepted",
                locations.len()
            ),
        ))
    })
    .await
}

fn build_other_construction_failure(made: UrlTokenConstruction, accepted: UrlTokenConstruction) -> Failure {
    Failure::new_generic_failure(
        PROOF_LABEL,
        format!(
            "the edge refuses it: this packagecloud makes its tokens as {made}, the edge accepts {accepted}"
        ),
        format!("run: {}", render_proposed_command("enable", &["--construction", &made.to_string()])),
    )
}
