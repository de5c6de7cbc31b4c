//! packagecloud's services around a restart: which must be newer than it, whether they are, and whether the site answers.
//!
//! What packagecloud-ctl doesn't tell is not known, and stops nothing.

use std::time::Duration;

use crate::model::run::answers::OperatorAnswers;

use crate::engine::session::Session;

/// How long the site may take after a restart.
const SITE_ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A service as `packagecloud-ctl status` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackagecloudServiceStatus {
    pub name: String,
    /// How long it runs; `None` where it is down and should not be.
    pub uptime: Option<Duration>,
}

/// Reads the lines of `status`: `run: unicorn: (pid 812) 4711s; run: log: (pid 800) 9000s`.
fn parse_ctl_service_statuses(text: &str) -> Vec<PackagecloudServiceStatus> {
    let service = |line: &str| {
        let (state, rest) = line.trim().split_once(": ")?;
        let (name, rest) = rest.split_once(": ")?;
        let own = rest.split(';').next()?;
        match state {
            "run" => {
                let seconds = own.split_whitespace().last()?.trim_end_matches(',').strip_suffix('s')?;
                Some(PackagecloudServiceStatus {
                    name: name.to_owned(),
                    uptime: Some(Duration::from_secs(seconds.parse().ok()?)),
                })
            }
            "down" if rest.contains("normally up") => {
                Some(PackagecloudServiceStatus { name: name.to_owned(), uptime: None })
            }
            _ => None,
        }
    };
    text.lines().filter_map(service).collect()
}

/// Lists the services that a restart gave up waiting for: `timeout: run: unicorn: (pid 812) 4711s, got TERM`.
pub(super) fn list_timed_out_services(lines: &[String]) -> Vec<String> {
    let service = |line: &String| {
        let (_, rest) = line.trim().strip_prefix("timeout: ")?.split_once(": ")?;
        let name = rest.split(':').next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
    };
    lines.iter().filter_map(service).collect()
}

/// Reads the services of this session's host; none where it doesn't say.
async fn read_packagecloud_service_statuses(session: &Session) -> Vec<PackagecloudServiceStatus> {
    parse_ctl_service_statuses(&session.host.read_services_status().await.unwrap_or_default())
}

fn join_service_names(services: &[&PackagecloudServiceStatus]) -> String {
    services.iter().map(|service| service.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Says before a restart what it has to bring.
pub(crate) async fn describe_packagecloud_restart_impact(session: &Session) -> Option<String> {
    let services = read_packagecloud_service_statuses(session).await;
    let all: Vec<&PackagecloudServiceStatus> = services.iter().collect();
    (!all.is_empty()).then(|| {
        format!(
            "After the restart these must be newer than it{}: {}. That is looked at, and whether the site answers.",
            session.host.render_host_suffix(),
            join_service_names(&all)
        )
    })
}

/// Which services a restart that took this long has left as they were, or down: in words; `Err` where any.
fn check_services_restarted(
    services: &[PackagecloudServiceStatus],
    since: Duration,
) -> Result<Option<String>, String> {
    if services.is_empty() {
        return Ok(None);
    }
    let down: Vec<&PackagecloudServiceStatus> =
        services.iter().filter(|service| service.uptime.is_none()).collect();
    // The second in which it was started counts.
    let old: Vec<&PackagecloudServiceStatus> = services
        .iter()
        .filter(|service| service.uptime.is_some_and(|up| up > since + RESTART_SLACK))
        .collect();
    let mut wrong = Vec::new();
    if !down.is_empty() {
        wrong.push(format!("down: {}", join_service_names(&down)));
    }
    if !old.is_empty() {
        wrong.push(format!("older than the restart: {}", join_service_names(&old)));
    }
    if wrong.is_empty() {
        Ok(Some(format!("all {} services are newer than the restart", services.len())))
    } else {
        Err(wrong.join("; "))
    }
}

const RESTART_SLACK: Duration = Duration::from_secs(2);

/// Says what came of the restart that began `since` ago, as the end of a sentence: the services, and the site.
pub(crate) async fn check_services_after_restart(
    session: &Session,
    answers: &OperatorAnswers,
    since: tokio::time::Instant,
) -> String {
    let mut said = Vec::new();
    match check_services_restarted(&read_packagecloud_service_statuses(session).await, since.elapsed()) {
        Ok(Some(words)) => said.push(words),
        Ok(None) => {}
        Err(words) => {
            said.push(format!(
                "{words}{} ({} restart NAME starts one again)",
                session.host.render_host_suffix(),
                session.host.ctl.render_ctl_command_line()
            ));
        }
    }
    // Where its redirect was followed, it has answered.
    if !session.can_probe_packagecloud_redirect(answers)
        && let Some(words) = wait_until_packagecloud_answers(session).await
    {
        said.push(words);
    }
    said.join("; ")
}

/// Whether packagecloud answers at its own address; `None` where the file doesn't say which that is.
async fn wait_until_packagecloud_answers(session: &Session) -> Option<String> {
    let config = session.host.read_packagecloud_config().await.ok()?;
    let url = config.file.find_external_url()?.trim_end_matches('/').to_owned();
    let until = tokio::time::Instant::now() + session.scale_wait_for_sandbox(SITE_ANSWER_TIMEOUT);
    loop {
        let why = match session.web.send_http_get(&format!("{url}/"), &[]).await {
            Ok(reply) if reply.status < 500 => return Some(format!("{url} answers {}", reply.status)),
            Ok(reply) => format!("{url} answers {}", reply.status),
            Err(failure) => format!("{url} does not answer: {}", failure.why),
        };
        if tokio::time::Instant::now() >= until {
            return Some(why);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS_OUTPUT: &str = "run: nginx: (pid 812) 3s; run: log: (pid 800) 9000s\n\
        run: unicorn: (pid 813) 4711s, want down; run: log: (pid 801) 9000s\n\
        down: resque: 5s, normally up, want up; run: log: (pid 802) 9000s\n\
        down: spare: 900s; run: log: (pid 803) 9000s\n\
        something else\n";

    #[test]
    fn services_that_a_restart_gave_up_on_are_told_from_other_lines() {
        let lines = [
            "ok: run: nginx: (pid 9) 0s",
            "timeout: run: unicorn: (pid 812) 4711s, got TERM",
            "timeout: down: resque-1: 5s, normally up, want up",
            "timeout: after 60 s",
            "timeout: run: $(x): 1s",
        ]
        .map(str::to_owned);
        assert_eq!(list_timed_out_services(&lines), ["unicorn", "resque-1"]);
    }

    #[test]
    fn a_service_that_the_restart_left_out_is_named() {
        let services = parse_ctl_service_statuses(&STATUS_OUTPUT.replace(", want down", ""));
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        assert_eq!(names, ["nginx", "unicorn", "resque"]);
        let since = Duration::from_secs(4);
        assert_eq!(
            check_services_restarted(&services, since).unwrap_err(),
            "down: resque; older than the restart: unicorn"
        );
        assert_eq!(
            check_services_restarted(&services[..1], since).unwrap().unwrap(),
            "all 1 services are newer than the restart"
        );
        assert_eq!(check_services_restarted(&[], since), Ok(None));
    }
}
