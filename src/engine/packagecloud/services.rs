//! packagecloud's services around a restart: which must be newer than it, whether they are, and whether the site answers.
//!
//! What packagecloud-ctl doesn't tell is not known, and stops nothing.

use std::time::Duration;

use crate::model::run::answers::Answers;

use crate::engine::{delivery::probe, session::Ground};

/// How long the site may take after a restart.
const ANSWERS: Duration = Duration::from_secs(20);

/// A service as `packagecloud-ctl status` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub name: String,
    /// How long it runs; `None` where it is down and should not be.
    pub up: Option<Duration>,
}

/// Reads the lines of `status`: `run: unicorn: (pid 812) 4711s; run: log: (pid 800) 9000s`.
fn read(text: &str) -> Vec<Service> {
    let service = |line: &str| {
        let (state, rest) = line.trim().split_once(": ")?;
        let (name, rest) = rest.split_once(": ")?;
        let own = rest.split(';').next()?;
        match state {
            "run" => {
                let seconds = own.split_whitespace().last()?.trim_end_matches(',').strip_suffix('s')?;
                Some(Service { name: name.to_owned(), up: Some(Duration::from_secs(seconds.parse().ok()?)) })
            }
            "down" if rest.contains("normally up") => Some(Service { name: name.to_owned(), up: None }),
            _ => None,
        }
    };
    text.lines().filter_map(service).collect()
}

/// The services of this ground's host; none where it doesn't say.
async fn of(ground: &Ground) -> Vec<Service> {
    read(&ground.host.status().await.unwrap_or_default())
}

fn names(services: &[&Service]) -> String {
    services.iter().map(|service| service.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// What a restart has to bring: said before it.
pub(crate) async fn before(ground: &Ground) -> Option<String> {
    let services = of(ground).await;
    let all: Vec<&Service> = services.iter().collect();
    (!all.is_empty()).then(|| {
        format!(
            "After the restart these must be newer than it{}: {}. That is looked at, and whether the site answers.",
            ground.host.on(),
            names(&all)
        )
    })
}

/// Which services a restart that took this long has left as they were, or down: in words; `Err` where any.
fn newer(services: &[Service], since: Duration) -> Result<Option<String>, String> {
    if services.is_empty() {
        return Ok(None);
    }
    let down: Vec<&Service> = services.iter().filter(|service| service.up.is_none()).collect();
    // The second in which it was started counts.
    let old: Vec<&Service> =
        services.iter().filter(|service| service.up.is_some_and(|up| up > since + SLACK)).collect();
    let mut wrong = Vec::new();
    if !down.is_empty() {
        wrong.push(format!("down: {}", names(&down)));
    }
    if !old.is_empty() {
        wrong.push(format!("older than the restart: {}", names(&old)));
    }
    if wrong.is_empty() {
        Ok(Some(format!("all {} services are newer than the restart", services.len())))
    } else {
        Err(wrong.join("; "))
    }
}

const SLACK: Duration = Duration::from_secs(2);

/// What came of the restart that began `since` ago, as the end of a sentence: the services, and the site.
pub(crate) async fn after(ground: &Ground, answers: &Answers, since: tokio::time::Instant) -> String {
    let mut said = Vec::new();
    match newer(&of(ground).await, since.elapsed()) {
        Ok(Some(words)) => said.push(words),
        Ok(None) => {}
        Err(words) => {
            said.push(format!("{words}{} (packagecloud-ctl restart NAME starts one anew)", ground.host.on()));
        }
    }
    // Where its redirect was followed, it has answered.
    if !probe::can_ask(ground, answers)
        && let Some(words) = site(ground).await
    {
        said.push(words);
    }
    said.join("; ")
}

/// Whether packagecloud answers at its own address; `None` where the file doesn't say which that is.
async fn site(ground: &Ground) -> Option<String> {
    let config = ground.host.read_config().await.ok()?;
    let url = config.file.external_url()?.trim_end_matches('/').to_owned();
    let until = tokio::time::Instant::now() + ground.patience(ANSWERS);
    loop {
        let why = match ground.web.get(&format!("{url}/"), &[]).await {
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

    const STATUS: &str = "run: nginx: (pid 812) 3s; run: log: (pid 800) 9000s\n\
        run: unicorn: (pid 813) 4711s, want down; run: log: (pid 801) 9000s\n\
        down: resque: 5s, normally up, want up; run: log: (pid 802) 9000s\n\
        down: spare: 900s; run: log: (pid 803) 9000s\n\
        something else\n";

    #[test]
    fn a_service_that_the_restart_left_out_is_named() {
        let services = read(&STATUS.replace(", want down", ""));
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        assert_eq!(names, ["nginx", "unicorn", "resque"]);
        let since = Duration::from_secs(4);
        assert_eq!(newer(&services, since).unwrap_err(), "down: resque; older than the restart: unicorn");
        assert_eq!(
            newer(&services[..1], since).unwrap().unwrap(),
            "all 1 services are newer than the restart"
        );
        assert_eq!(newer(&[], since), Ok(None));
    }
}
