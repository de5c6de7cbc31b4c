//! What switching on and switching off share: packagecloud-ctl's two commands, and where packagecloud redirects now.
//!
//! An intent is noted before the file is written and cleared after packagecloud was seen to follow, so that a run
//! broken off in between is finished by the next one; losing the note costs one reconfigure.

use std::time::Duration;

use crate::host::Outcome;
use crate::model::run::{
    answers::Answers,
    failure::{Failure, Kind},
    goal::Step,
    plan::{Plan, Verb},
};

use crate::engine::{
    delivery::probe::{self, Place},
    run::StageRun,
    session::{Ground, run_lock::mark},
};

/// Within this the redirects must have followed.
const FOLLOWED: Duration = Duration::from_mins(1);

const UNSEEN: &str = "where it redirects could not be seen: there is no --probe-url";
/// Where the time of the last go-live is kept.
const ON_SINCE: &str = "on-since";
/// Where the intent is kept.
const INTENT: &str = "switch";

/// Notes that packagecloud shall be switched to `on`; in the turn in which that is written.
pub(crate) fn intend(ground: &Ground, on: bool) {
    let intent = format!("{} {}", if on { "on" } else { "off" }, mark());
    // Lost with a full disk: then the next run asks packagecloud itself, or reconfigures once more.
    ground.host.note(INTENT, &intent);
    ground.keep_intent(&intent);
    ground.host.forget_note(ON_SINCE);
}

/// Begins to switch on, where nobody has switched off meanwhile; in the turn in which that is written.
pub(crate) async fn begin_on(ground: &Ground) -> Result<(), Failure> {
    ground.not_switched_off_meanwhile().await?;
    intend(ground, true);
    Ok(())
}

/// Clears this run's intent: packagecloud follows the file. One of a run beside it stays until that run has seen the same.
pub(crate) async fn done(ground: &Ground) {
    let _turn = ground.turn_if_free().await;
    clear(ground);
}

fn clear(ground: &Ground) {
    if ground.host.noted(INTENT).is_some_and(|intent| ground.is_our_intent(&intent)) {
        ground.host.forget_note(INTENT);
    }
}

/// The same after going live, where nobody has switched off meanwhile; keeps since when CloudFront is on, for what
/// verify says later.
///
/// # Errors
/// Where somebody has. Whoever does after this sees in packagecloud.rb that it is on.
pub(crate) async fn done_live(ground: &Ground) -> Result<(), Failure> {
    let _turn = ground.turn().await?;
    ground.not_switched_off_meanwhile().await?;
    clear(ground);
    // Lost, verify says no more than that it is on.
    ground.host.note(ON_SINCE, &ground.host.clock.now().as_secs().to_string());
    Ok(())
}

/// Since when CloudFront is on, where going live was this program's.
pub(crate) fn on_since(ground: &Ground) -> Option<Duration> {
    ground.host.noted(ON_SINCE)?.parse().ok().map(Duration::from_secs)
}

/// Whether a switch was begun and not seen to its end.
pub(crate) fn begun(ground: &Ground) -> bool {
    ground.host.noted(INTENT).is_some()
}

/// The lines of a plan by which packagecloud follows its file; `proof` is what is seen after it, and why.
///
/// Where there is no packagecloud-ctl they are the operator's, and nothing is seen.
pub(crate) fn plan(ground: &Ground, plan: &mut Plan, proof: Option<(&str, &str)>) {
    let left = ground.without_ctl();
    let mut line = |step, target: &str, why: &str| {
        let why = if left { "left to you, where packagecloud runs" } else { why };
        plan.line(step, Verb::Run, target, why);
    };
    line(Step::Reconfigure, "packagecloud-ctl reconfigure", "packagecloud reads its configuration");
    line(Step::Restart, "packagecloud-ctl restart", "customers notice some seconds");
    if let Some((target, why)) = proof.filter(|_| !left) {
        line(Step::Proof, target, why);
    }
}

pub(crate) async fn reconfigure(ground: &Ground, run: &StageRun) -> Result<(), Failure> {
    command(ground, run, Step::Reconfigure, "reconfigure").await
}

pub(crate) async fn restart(ground: &Ground, run: &StageRun) -> Result<(), Failure> {
    command(ground, run, Step::Restart, "restart").await
}

async fn command(ground: &Ground, run: &StageRun, step: Step, command: &str) -> Result<(), Failure> {
    let say = run.progress(step);
    run.step(step, format!("packagecloud-ctl {command}{}", ground.host.on()), async {
        Ok(((), carry_out(ground, command, &mut |line| say(line)).await?))
    })
    .await
}

/// Runs one of packagecloud-ctl's commands to its good end: what is said of it then.
pub(crate) async fn carry_out(
    ground: &Ground,
    command: &str,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<String, Failure> {
    let began = tokio::time::Instant::now();
    let on = ground.host.on();
    let what = format!("packagecloud-ctl {command}{on}");
    match ground.host.ctl(command, say).await? {
        Outcome::Done => Ok(format!("{what} took {} s", began.elapsed().as_secs())),
        Outcome::Unknown => Err(Failure::other(
            what,
            "this packagecloud doesn't know the command",
            format!(
                "check with packagecloud-ctl that packagecloud:enterprise 2.0.7 or later is installed {}",
                if on.is_empty() { "here" } else { "there" }
            ),
        )),
        Outcome::Left => Ok(format!("left to you: {what}")),
        Outcome::Failed { status, last } => Err(Failure::other(
            what,
            format!(
                "it ended with exit code {status}: {}",
                last.last().map_or("it said nothing", String::as_str)
            ),
            format!(
                "run packagecloud-ctl {command} by hand{on} to see all of it; the log holds its lines too (l)"
            ),
        )),
    }
}

/// Whether packagecloud redirects to CloudFront now: `None` where that can't be seen, and a switch that was begun counts as not live.
pub(crate) async fn is_live(ground: &Ground, answers: &Answers, domain: Option<&str>) -> Option<bool> {
    if begun(ground) {
        return Some(false);
    }
    if !probe::can_ask(ground, answers) {
        // Nothing was begun, and nothing can be seen: the file is believed.
        return Some(true);
    }
    match probe::redirect(ground, answers, None).await {
        Ok(Some(redirect)) => {
            let host = redirect.location.as_deref().and_then(probe::host_and_path).map(|(host, _)| host);
            Some(
                redirect.place() == Place::Edge
                    && (domain.is_none() || host == domain || ground.web.elsewhere()),
            )
        }
        _ => None,
    }
}

/// Where packagecloud's redirects go, asked three times: in words, and whether any still goes to CloudFront.
pub(super) async fn redirects(ground: &Ground, answers: &Answers) -> Result<Option<(String, bool)>, Failure> {
    let mut words = Vec::new();
    let mut edge = false;
    for _ in 0..3 {
        match probe::redirect(ground, answers, None).await? {
            None => return Ok(None),
            Some(redirect) => {
                edge |= redirect.place() == Place::Edge;
                let text = redirect.words();
                if !words.contains(&text) {
                    words.push(text);
                }
            }
        }
    }
    Ok(Some((words.join(", then "), edge)))
}

/// Where the redirects go although every file says off, where that is CloudFront; three seconds at most.
pub(crate) async fn lags(ground: &Ground, answers: &Answers) -> Option<String> {
    match tokio::time::timeout(Duration::from_secs(3), redirects(ground, answers)).await {
        Ok(Ok(Some((words, true)))) => Some(words),
        _ => None,
    }
}

/// Where the redirects go now, in words: for where they aren't expected to follow.
pub(crate) async fn seen_now(ground: &Ground, answers: &Answers) -> String {
    match redirects(ground, answers).await {
        Ok(None) => UNSEEN.into(),
        Ok(Some((words, _))) => format!("packagecloud answers {words}"),
        Err(failure) => format!("where it redirects could not be seen: {failure}"),
    }
}

/// Waits until the redirects go to S3, for a minute: what was seen, in words.
///
/// # Errors
/// Where they still go to CloudFront after it.
pub(crate) async fn await_s3(ground: &Ground, answers: &Answers) -> Result<String, Failure> {
    let until = tokio::time::Instant::now() + ground.patience(FOLLOWED);
    loop {
        let seen = redirects(ground, answers).await;
        match &seen {
            Ok(None) => return Ok(UNSEEN.into()),
            Ok(Some((words, false))) => return Ok(format!("packagecloud answers {words}")),
            _ => {}
        }
        if tokio::time::Instant::now() >= until {
            return match seen {
                Ok(Some((words, _))) => Err(Failure::new(
                    Kind::StillOn,
                    "packagecloud's redirects",
                    format!("some still go to CloudFront: {words}; another web node is on"),
                    "on that node: set cloudfront_enabled to false in packagecloud.rb, then packagecloud-ctl reconfigure && packagecloud-ctl restart",
                )),
                Ok(None) => Ok(String::new()),
                Err(failure) => Ok(format!("where it redirects could not be seen: {failure}")),
            };
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
