//! What switching on and switching off share: packagecloud-ctl's two commands, and where packagecloud redirects now.
//!
//! An intent is noted before the file is written and cleared after packagecloud was seen to follow, so that a run
//! broken off in between is finished by the next one; losing the note costs one reconfigure.

use std::time::Duration;

use crate::host::CtlOutcome;
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::ctl_command::CtlCommand,
    run::{
        answers::OperatorAnswers,
        goal::StageStep,
        plan::{ResourceChangeKind, StagePlan},
    },
    url::redirect::RedirectTarget,
};

use super::services;
use crate::engine::{
    delivery::redirects::SampledRedirects,
    run::StageRun,
    session::{
        Session,
        run_lock::{SWITCH_INTENT_NOTE, generate_unique_run_mark},
    },
};

/// Within this the redirects must have followed.
const REDIRECT_SWITCH_TIMEOUT: Duration = Duration::from_mins(1);

/// How often packagecloud is asked where it redirects.
const REDIRECT_SAMPLES: usize = 3;

const REDIRECT_UNKNOWN_TEXT: &str = "where it redirects could not be seen: there is no --probe-url";
/// Where the time of the last go-live is kept.
const ON_SINCE_NOTE: &str = "on-since";

/// Notes that packagecloud shall be switched to `on`; in the turn in which that is written.
pub(crate) fn save_cloudfront_switch_intent(session: &Session, on: bool) {
    let intent = format!("{} {}", if on { "on" } else { "off" }, generate_unique_run_mark());
    // Lost with a full disk: then the next run asks packagecloud itself, or reconfigures once more.
    session.host.write_state_file_about_host(SWITCH_INTENT_NOTE, &intent);
    session.remember_cloudfront_switch_intent(&intent);
    session.host.remove_host_note(ON_SINCE_NOTE);
}

/// Begins to switch on, where nobody has switched off meanwhile; in the turn in which that is written.
///
/// # Errors
/// Fails where somebody has.
pub(crate) async fn record_switch_to_cloudfront_intent(session: &Session) -> Result<(), Failure> {
    session.ensure_cloudfront_not_disabled().await?;
    save_cloudfront_switch_intent(session, true);
    Ok(())
}

/// What a write to packagecloud.rb leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigWritePurpose {
    /// CloudFront goes on with it: nobody may have switched off meanwhile.
    SwitchOn,
    /// It takes effect later.
    Prepare,
}

impl ConfigWritePurpose {
    /// Begins the write, in the turn in which the file is written and before it is.
    ///
    /// # Errors
    /// Fails where CloudFront goes on with it and was switched off meanwhile.
    pub(crate) async fn begin_config_write(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::SwitchOn => record_switch_to_cloudfront_intent(session).await,
            Self::Prepare => Ok(()),
        }
    }
}

/// Clears this run's intent: packagecloud follows the file. One of a run beside it stays until that run has seen the same.
pub(crate) async fn clear_cloudfront_switch_intent(session: &Session) {
    let _turn = session.try_acquire_config_write_lock().await;
    remove_switch_intent_of_run(session);
}

fn remove_switch_intent_of_run(session: &Session) {
    if session
        .host
        .read_host_state_file(SWITCH_INTENT_NOTE)
        .is_some_and(|intent| session.is_switch_intent_of_run(&intent))
    {
        session.host.remove_host_note(SWITCH_INTENT_NOTE);
    }
}

/// Clears the intent after going live, where nobody has switched off meanwhile; keeps since when CloudFront is on, for what
/// verify says later.
///
/// # Errors
/// Where somebody has. Whoever does after this sees in packagecloud.rb that it is on.
pub(crate) async fn save_cloudfront_switch_completion(session: &Session) -> Result<(), Failure> {
    let _turn = session.acquire_config_write_lock().await?;
    session.ensure_cloudfront_not_disabled().await?;
    remove_switch_intent_of_run(session);
    // Lost, verify says no more than that it is on.
    session.host.write_state_file_about_host(
        ON_SINCE_NOTE,
        &session.host.clock.read_host_clock().as_secs().to_string(),
    );
    Ok(())
}

/// Returns since when CloudFront is on, where going live was this program's.
pub(crate) fn read_cloudfront_on_since(session: &Session) -> Option<Duration> {
    session.host.read_host_state_file(ON_SINCE_NOTE)?.parse().ok().map(Duration::from_secs)
}

/// Adds the lines of a plan by which packagecloud follows its file; `proof` is what is seen after it, and why.
///
/// Where there is no packagecloud-ctl they are the operator's, and nothing is seen.
pub(crate) fn plan_reconfigure_and_restart(
    session: &Session,
    plan: &mut StagePlan,
    proof: Option<(&str, &str)>,
) {
    let left = session.is_packagecloud_ctl_disabled();
    let mut line = |step, target: &str, why: &str| {
        let why = if left { "left to you, where packagecloud runs" } else { why };
        plan.add_planned_change(step, ResourceChangeKind::Run, target, why);
    };
    line(StageStep::Reconfigure, "packagecloud-ctl reconfigure", "packagecloud reads its configuration");
    line(StageStep::Restart, "packagecloud-ctl restart", "customers notice some seconds");
    if let Some((target, why)) = proof.filter(|_| !left) {
        line(StageStep::Proof, target, why);
    }
}

/// Says what is left to do where the file is written and there is no packagecloud-ctl here.
pub(crate) fn render_switch_left_to_operator(session: &Session) -> String {
    format!(
        "the file is written; left to you, where packagecloud runs: {}",
        session.host.ctl.render_reconfigure_and_restart()
    )
}

/// Makes packagecloud on this node follow its file.
///
/// # Errors
/// Fails where packagecloud-ctl can't be run, or ends with a failure.
pub(crate) async fn reconfigure_packagecloud(session: &Session, run: &StageRun) -> Result<(), Failure> {
    run_ctl_command_step(session, CtlCommand::Reconfigure, run).await
}

/// Restarts packagecloud on this node; customers notice some seconds.
///
/// # Errors
/// Fails where packagecloud-ctl can't be run, or ends with a failure.
pub(crate) async fn restart_packagecloud(session: &Session, run: &StageRun) -> Result<(), Failure> {
    run_ctl_command_step(session, CtlCommand::Restart, run).await
}

/// Runs one of packagecloud-ctl's commands as a step of its own.
///
/// # Errors
/// Fails where the command does, or can't be run.
pub(crate) async fn run_ctl_command_step(
    session: &Session,
    command: CtlCommand,
    run: &StageRun,
) -> Result<(), Failure> {
    let step = map_ctl_command_to_step(command);
    let say = run.build_step_progress_reporter(step);
    run.run_stage_step(
        step,
        format!("packagecloud-ctl {command}{}", session.host.render_host_suffix()),
        async { Ok(((), run_ctl_command_or_fail(session, command, &mut |line| say(line)).await?)) },
    )
    .await
}

/// Returns the step in which a command is run.
fn map_ctl_command_to_step(command: CtlCommand) -> StageStep {
    match command {
        CtlCommand::Reconfigure => StageStep::Reconfigure,
        CtlCommand::Restart => StageStep::Restart,
        CtlCommand::ReindexEverything => StageStep::VendorReindex,
        CtlCommand::Version => StageStep::Host,
    }
}

/// Runs one of packagecloud-ctl's commands to its good end: what is said of it then.
///
/// # Errors
/// Fails where it can't be run, isn't known, or ends with a failure.
pub(crate) async fn run_ctl_command_or_fail(
    session: &Session,
    command: CtlCommand,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<String, Failure> {
    let began = tokio::time::Instant::now();
    let on = session.host.render_host_suffix();
    let what = format!("packagecloud-ctl {command}{on}");
    match session.host.run_packagecloud_ctl(command, say).await? {
        CtlOutcome::Done => Ok(format!("{what} took {} s", began.elapsed().as_secs())),
        CtlOutcome::UnknownCommand => Err(Failure::new_generic_failure(
            what,
            "this packagecloud doesn't know the command",
            format!(
                "check with packagecloud-ctl that packagecloud:enterprise 2.0.7 or later is installed {}",
                if on.is_empty() { "here" } else { "there" }
            ),
        )),
        CtlOutcome::LeftToOperator => Ok(format!("left to you: {what}")),
        CtlOutcome::Failed { status, last } => {
            let ctl = session.host.ctl.render_ctl_command_line();
            Err(build_ctl_failure(command, &ctl, (what, &on), status, &last))
        }
    }
}

/// What a line holds that names the cause of a failed run: an exception, or chef's own word for the end.
const CAUSE_MARKS: [&str; 5] = ["Error:", "Exception:", "FATAL:", "(LoadError)", "(NameError)"];

/// What chef says in the end of any failed run.
const SUMMARY_MARKS: [&str; 3] = ["Client failed", "Phase failed", "Stacktrace dumped"];

/// The line that says why a command failed: the last that names a cause, else the last.
fn find_failure_cause_line(last: &[String]) -> &str {
    let names_cause = |line: &&String| {
        CAUSE_MARKS.iter().any(|mark| line.contains(mark))
            && !SUMMARY_MARKS.iter().any(|mark| line.contains(mark))
    };
    last.iter().rev().find(names_cause).or(last.last()).map_or("it said nothing", String::as_str)
}

/// Says how a command failed: by the line that names the cause, and where services didn't stop or start in time by their
/// names. `ctl` is packagecloud-ctl as it was run.
fn build_ctl_failure(
    command: CtlCommand,
    ctl: &str,
    (what, on): (String, &str),
    status: i32,
    last: &[String],
) -> Failure {
    let line = find_failure_cause_line(last);
    let late = services::list_timed_out_services(last);
    if command != CtlCommand::Restart || late.is_empty() {
        return Failure::new_generic_failure(
            what,
            format!("it ended with exit code {status}: {line}"),
            format!(
                "correct that; {ctl} {command}{on} shows all that it says, and so does this program's log"
            ),
        );
    }
    let again: Vec<String> = late.iter().map(|name| format!("{ctl} restart {name}")).collect();
    Failure::new_generic_failure(
        what,
        format!("it ended with exit code {status}, since {} took too long: {line}", late.join(", ")),
        format!("once more{on}: {} ; then see {ctl} status", again.join(" && ")),
    )
}

/// Returns whether packagecloud redirects to CloudFront now: `None` where that can't be seen, and a switch that was begun counts as not live.
pub(crate) async fn is_packagecloud_redirecting_to_cloudfront(
    session: &Session,
    answers: &OperatorAnswers,
    domain: Option<&str>,
) -> Option<bool> {
    if session.is_cloudfront_switch_unfinished() {
        return Some(false);
    }
    if !session.can_probe_packagecloud_redirect(answers) {
        // Nothing was begun, and nothing can be seen: the file is believed.
        return Some(true);
    }
    match session.probe_packagecloud_redirect(answers, None).await {
        Ok(Some(redirect)) => Some(match domain {
            Some(domain) => {
                redirect.explain_no_packages_redirect(&session.expect_links_to_domain(domain)).is_none()
            }
            None => redirect.classify_redirect_target() == RedirectTarget::Edge,
        }),
        _ => None,
    }
}

/// Says where packagecloud's redirects go, asked three times, and whether any still goes to CloudFront.
///
/// # Errors
/// Fails where packagecloud does not answer.
pub(super) async fn probe_packagecloud_redirects_repeatedly(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<Option<(String, bool)>, Failure> {
    let asked =
        SampledRedirects::sample_packagecloud_redirects(session, answers, None, REDIRECT_SAMPLES).await?;
    Ok(asked.map(|asked| {
        (
            asked.describe_distinct_redirects().join(", then "),
            !asked.list_sampled_cloudfront_links().is_empty(),
        )
    }))
}

/// Returns whether packagecloud answers, and none of its redirects goes to CloudFront.
pub(crate) async fn are_packagecloud_redirects_off(session: &Session, answers: &OperatorAnswers) -> bool {
    matches!(probe_packagecloud_redirects_repeatedly(session, answers).await, Ok(Some((_, false))))
}

/// Says as a clause where the redirects go although every file says off, where that is CloudFront; three seconds at most.
pub(crate) async fn describe_redirects_after_disable(
    session: &Session,
    answers: &OperatorAnswers,
) -> Option<String> {
    match tokio::time::timeout(
        Duration::from_secs(3),
        probe_packagecloud_redirects_repeatedly(session, answers),
    )
    .await
    {
        Ok(Ok(Some((words, true)))) => Some(format!("packagecloud still answers {words}")),
        _ => None,
    }
}

/// Says where the redirects go now, in words: for where they aren't expected to follow.
pub(crate) async fn describe_packagecloud_redirects(session: &Session, answers: &OperatorAnswers) -> String {
    match probe_packagecloud_redirects_repeatedly(session, answers).await {
        Ok(None) => REDIRECT_UNKNOWN_TEXT.into(),
        Ok(Some((words, _))) => format!("packagecloud answers {words}"),
        Err(failure) => format!("where it redirects could not be seen: {failure}"),
    }
}

/// Says where the redirects go after a reconfigure that failed, asked once: nothing more will follow.
///
/// # Errors
/// Where any still goes to CloudFront.
pub(crate) async fn require_redirects_off_after_failed_reconfigure(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<String, Failure> {
    match probe_packagecloud_redirects_repeatedly(session, answers).await {
        Ok(Some((words, true))) => Err(Failure::new(
            FailureKind::StillOn,
            "packagecloud's redirects",
            format!("the file says off, and packagecloud still answers {words}"),
            "see why the reconfigure failed",
        )),
        _ => Ok(describe_packagecloud_redirects(session, answers).await),
    }
}

/// Waits until the redirects go to S3, for a minute: what was seen, in words.
///
/// # Errors
/// Where they still go to CloudFront after it.
pub(crate) async fn wait_until_redirects_to_s3(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<String, Failure> {
    let until = tokio::time::Instant::now() + session.scale_wait_for_sandbox(REDIRECT_SWITCH_TIMEOUT);
    loop {
        let seen = probe_packagecloud_redirects_repeatedly(session, answers).await;
        match &seen {
            Ok(None) => return Ok(REDIRECT_UNKNOWN_TEXT.into()),
            Ok(Some((words, false))) => return Ok(format!("packagecloud answers {words}")),
            _ => {}
        }
        if tokio::time::Instant::now() >= until {
            return match seen {
                Ok(Some((words, _))) => Err(Failure::new(
                    FailureKind::StillOn,
                    "packagecloud's redirects",
                    format!("some still go to CloudFront: {words}; probably another web node is on"),
                    format!(
                        "on that node: set cloudfront_enabled to false in packagecloud.rb, then {}",
                        session.host.ctl.render_reconfigure_and_restart()
                    ),
                )),
                Ok(None) => Ok(String::new()),
                // Only now: while it restarts, nothing answers at its own address either.
                Err(failure) => {
                    let known = session.find_probe_url_failure(answers, None).await;
                    Ok(format!("where it redirects could not be seen: {}", known.unwrap_or(failure)))
                }
            };
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Waits until packagecloud redirects to `domain` again, for a minute.
///
/// # Errors
/// Fails where it doesn't by then, with what it answers.
pub(crate) async fn wait_until_redirects_to_domain(
    session: &Session,
    answers: &OperatorAnswers,
    domain: &str,
) -> Result<(), Failure> {
    let until = tokio::time::Instant::now() + session.scale_wait_for_sandbox(REDIRECT_SWITCH_TIMEOUT);
    loop {
        if let Ok(Some(redirect)) = session.probe_packagecloud_redirect(answers, None).await
            && redirect.explain_no_packages_redirect(&session.expect_links_to_domain(domain)).is_none()
        {
            return Ok(());
        }
        if tokio::time::Instant::now() >= until {
            return Err(Failure::new_generic_failure(
                "packagecloud's redirects",
                format!("packagecloud answers {}", describe_packagecloud_redirects(session, answers).await),
                format!("or, to try once more: {}", session.host.ctl.render_reconfigure_and_restart()),
            ));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_that_timed_out_names_the_services() {
        let lines: Vec<String> =
            ["ok: run: nginx: (pid 9) 0s", "timeout: run: unicorn: (pid 8) 99s, got TERM"]
                .map(str::to_owned)
                .to_vec();
        let what = || "packagecloud-ctl restart".to_owned();
        let failure =
            build_ctl_failure(CtlCommand::Restart, "packagecloud-ctl", (what(), " on web1"), 1, &lines);
        assert!(failure.why.contains("exit code 1, since unicorn took too long: timeout: run"), "{failure}");
        assert_eq!(
            failure.next,
            "once more on web1: packagecloud-ctl restart unicorn ; then see packagecloud-ctl status"
        );
        let failure = build_ctl_failure(CtlCommand::Restart, "/opt/ctl", (what(), ""), 3, &lines[..1]);
        assert!(failure.why.ends_with("exit code 3: ok: run: nginx: (pid 9) 0s"), "{failure}");
        assert!(failure.next.contains("/opt/ctl restart shows all"), "{}", failure.next);
    }

    #[test]
    fn the_cause_is_told_and_not_the_summary() {
        for (lines, cause) in [
            (
                vec![
                    "LoadError: /etc/packagecloud/packagecloud.rb:39: cannot load such file -- /x.rb",
                    "Running handlers complete",
                    "Chef Client failed. 0 resources updated in 1.2 seconds",
                ],
                0,
            ),
            (
                vec![
                    "FATAL: Stacktrace dumped to /var/chef-stacktrace.out",
                    "FATAL: NameError: undefined local variable",
                    "Infra Phase failed. 3 resources updated",
                ],
                1,
            ),
            (vec!["half", "disk is full"], 1),
        ] {
            let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            assert_eq!(find_failure_cause_line(&lines), lines[cause]);
        }
        assert_eq!(find_failure_cause_line(&[]), "it said nothing");
    }
}
