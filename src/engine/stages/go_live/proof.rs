//! The proof that CloudFront works: packagecloud's own redirect, followed through the edge.

use std::time::Duration;

use crate::aws::web::Reply;
use crate::model::{
    aws::evidence::ConfigurationSeen,
    run::{answers::Answers, failure::Failure, goal::Step},
};

use super::Found;
use crate::engine::{
    delivery::{
        diagnosis,
        probe::{self, Place, Redirect},
    },
    run::StageRun,
    session::Ground,
};

/// Within this the redirect must have followed.
const PROOF: Duration = Duration::from_mins(1);

/// packagecloud's own redirect, followed through the edge: 200 or S3's 404 is accepted.
pub(super) async fn prove(
    ground: &Ground,
    found: &Found,
    seen: &ConfigurationSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<String, Failure> {
    run.step(Step::Proof, "asking packagecloud for a package", async {
        if !probe::can_ask(ground, answers) {
            let text =
                "not proven: no --probe-url; switched on as you said, so try an install from a client now";
            return Ok((text.to_owned(), text.to_owned()));
        }
        let redirect = await_edge(ground, found, answers).await?;
        let location = redirect.location.clone().unwrap_or_default();
        if ground.delivery_is_out_of_reach() {
            return Ok((
                redirect.words(),
                format!("packagecloud answers {}; the edge is out of reach here", redirect.words()),
            ));
        }
        let reply = probe::follow(ground, &location).await?;
        if accepted(&reply) {
            let text = format!("packagecloud answers {}, and the edge {}", redirect.words(), reply.status);
            return Ok((text.clone(), text));
        }
        Err(refused(seen, found, &location, &reply))
    })
    .await
}

/// How often packagecloud is asked once several nodes shall be on.
const ASKED: usize = 10;

/// Every one of packagecloud's redirects, asked ten times, goes to the edge and is accepted there: within a minute, since
/// nobody can say which node answers.
pub(super) async fn prove_all(
    ground: &Ground,
    found: &Found,
    seen: &ConfigurationSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(), Failure> {
    run.step(Step::Proof, format!("asking packagecloud {ASKED} times"), async {
        if !probe::can_ask(ground, answers) {
            return Ok(((), "not proven: no --probe-url".to_owned()));
        }
        let samples = probe::samples(&found.scene).await.unwrap_or_default();
        let until = tokio::time::Instant::now() + ground.patience(PROOF);
        let mut asked = 0;
        // While a node that isn't switched on yet answers too, that is no failure of this one.
        let mut elsewhere = 0;
        while asked < ASKED {
            let redirect = probe::redirect(ground, answers, samples.package.as_deref()).await;
            if let Ok(Some(redirect)) = &redirect
                && redirect.place() == Place::Edge
            {
                let location = redirect.location.clone().unwrap_or_default();
                if !ground.delivery_is_out_of_reach() {
                    let reply = probe::follow(ground, &location).await?;
                    if !accepted(&reply) {
                        return Err(refused(seen, found, &location, &reply));
                    }
                }
            } else if let Err(failure) = &redirect
                && tokio::time::Instant::now() < until
            {
                // It restarts.
                run.progress(Step::Proof)(&failure.to_string());
                tokio::time::sleep(Duration::from_secs(2)).await;
                continue;
            } else {
                redirect?;
                elsewhere += 1;
            }
            asked += 1;
        }
        if elsewhere == ASKED {
            return Err(Failure::other(
                "packagecloud's own redirect",
                "none of ten goes to CloudFront",
                "look at packagecloud's log for why the reconfigure did not take, then try again",
            ));
        }
        Ok(((), format!("{} of {ASKED} redirects go to the edge, and each was accepted", ASKED - elsewhere)))
    })
    .await
}

/// What a client can work with: the object, or S3's own answer that there is none.
fn accepted(reply: &Reply) -> bool {
    reply.status == 200
        || reply.status == 206
        || (reply.status == 404 && reply.header("x-packagecloud-cloudfront").is_none())
}

/// Asks until the redirect goes to the edge, for a minute.
async fn await_edge(ground: &Ground, found: &Found, answers: &Answers) -> Result<Redirect, Failure> {
    let samples = probe::samples(&found.scene).await.unwrap_or_default();
    let until = tokio::time::Instant::now() + ground.patience(PROOF);
    loop {
        ground.not_switched_off_meanwhile().await?;
        let seen = match probe::redirect(ground, answers, samples.package.as_deref()).await {
            Ok(Some(redirect)) if redirect.place() == Place::Edge => return Ok(redirect),
            Ok(Some(redirect)) => format!("it answers {}", redirect.words()),
            Ok(None) => "no URL to ask for".to_owned(),
            Err(failure) => failure.to_string(),
        };
        if tokio::time::Instant::now() >= until {
            return Err(Failure::other(
                "packagecloud's own redirect",
                format!("it did not go to CloudFront within a minute: {seen}"),
                "look at packagecloud's log for why the reconfigure did not take, then try again",
            ));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Why the edge refused packagecloud's own link, and which construction fits it, if another does.
fn refused(seen: &ConfigurationSeen, found: &Found, location: &str, reply: &Reply) -> Failure {
    let accepted = found.construction;
    let fitting = seen
        .wanted
        .secret
        .as_ref()
        .and_then(|secret| probe::fitting(location, secret, accepted))
        .filter(|construction| *construction != accepted);
    let (why, next) = diagnosis::refusal(reply, &found.known);
    match fitting {
        Some(construction) => Failure::other(
            "packagecloud's own redirect",
            format!(
                "the edge refuses it: this packagecloud makes its tokens as {construction}, the edge accepts {accepted}"
            ),
            format!("run enable again with --construction {construction}"),
        ),
        None => Failure::other("packagecloud's own redirect", why, next),
    }
}
