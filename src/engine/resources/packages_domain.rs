//! The packages domain that links are made for: a distribution's own, or one of the operator's that leads to it.
//!
//! Going live waits until the operator's leads there over TLS with a certificate that passes: clients would meet the same.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::engine::{
    delivery::{diagnosis, probe},
    run::StageRun,
    session::Ground,
};
use crate::model::{
    aws::evidence::{Distribution, DnsRecord},
    packagecloud::settings::Values,
    run::{answers::Answers, failure::Failure, goal::Step, plan::Exhibit},
};

/// DNS may take its time, and whoever makes the record too.
const MOST: Duration = Duration::from_hours(1);
const PAUSE: Duration = Duration::from_secs(15);
/// However fast a sandbox is.
const SHORTEST: Duration = Duration::from_millis(20);

/// The one that was asked for; else the one in packagecloud.rb that leads to the distribution; else its own.
pub(crate) fn of(answers: &Answers, values: &Values, distribution: Option<&Distribution>) -> Option<String> {
    let standing = || {
        let name = values.packages_domain.as_ref()?;
        distribution?.answers_to(name).then(|| name.clone())
    };
    let own = || Some(distribution?.domain.clone());
    answers.packages_domain.clone().or_else(standing).or_else(own)
}

/// The record that makes `name` lead to the distribution; `None` where it is its own name.
fn record(name: &str, distribution: &Distribution) -> Option<DnsRecord> {
    (name != distribution.domain).then(|| DnsRecord {
        name: name.to_owned(),
        kind: "CNAME".into(),
        value: distribution.domain.clone(),
    })
}

/// That record, to be shown before going live.
pub(crate) fn exhibit(name: &str, distribution: &Distribution) -> Option<Exhibit> {
    let record = record(name, distribution)?;
    Some(Exhibit {
        title: format!("DNS record to make for {name}; going live waits for it"),
        lines: vec![record.line()],
        copy: true,
    })
}

/// Waits until the authenticator answers under `name`: it resolves, its certificate passes, and it is CloudFront with
/// our function.
pub(crate) async fn await_leading(
    ground: &Ground,
    name: &str,
    distribution: &Distribution,
    run: &StageRun,
) -> Result<(), Failure> {
    let Some(record) = record(name, distribution) else { return Ok(()) };
    if ground.web.elsewhere() {
        // The edge is reached at another address: names play no part.
        return Ok(());
    }
    let say = run.progress(Step::Gate);
    let began = Instant::now();
    loop {
        let (why, next) = match probe::ask(ground, name, "/").await {
            Ok(reply) if reply.header("x-packagecloud-cloudfront").is_some() => return Ok(()),
            Ok(reply) => (
                format!("it answers {} without the authenticator, so it leads elsewhere", reply.status),
                "point it at the distribution".to_owned(),
            ),
            Err(failure) => diagnosis::unreachable(name, &failure),
        };
        let since = began.elapsed();
        if since >= ground.patience(MOST) {
            return Err(Failure::other(
                format!("packages domain {name}"),
                format!("{why} (after {} s); nothing was switched on", since.as_secs()),
                format!("make this record: {}; then go live again: {next}", record.line()),
            ));
        }
        say(&format!(
            "waiting until {name} leads to the distribution, {} s: {why}; the record: {}",
            since.as_secs(),
            record.line()
        ));
        let pause = async {
            sleep(ground.patience(PAUSE).max(SHORTEST)).await;
            Ok(())
        };
        run.unless_stopped(pause).await?;
    }
}
