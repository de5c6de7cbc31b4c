//! The packages domain that links are made for: a distribution's own, or one of the operator's that leads to it.
//!
//! Going live waits until the operator's leads there over TLS with a certificate that passes: clients would meet the same.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::engine::{
    delivery::{diagnosis, probe},
    run::StageRun,
    session::Session,
};
use crate::model::{
    aws::{account::DnsRecord, cloudfront::CloudFrontDistribution},
    failure::Failure,
    packagecloud::settings::CloudFrontSettingValues,
    run::{answers::OperatorAnswers, goal::StageStep, plan::PlanAttachment},
};

/// DNS may take its time, and whoever makes the record too.
const DNS_WAIT_MAX: Duration = Duration::from_hours(1);
const DNS_POLL_INTERVAL: Duration = Duration::from_secs(15);
/// However fast a sandbox is.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(20);

/// Chooses the one that was asked for; else the one in packagecloud.rb that leads to the distribution; else its own.
pub(crate) fn choose_packages_domain(
    answers: &OperatorAnswers,
    values: &CloudFrontSettingValues,
    distribution: Option<&CloudFrontDistribution>,
) -> Option<String> {
    let standing = || {
        let name = values.packages_domain.as_ref()?;
        distribution?.has_domain_name_or_alias(name).then(|| name.clone())
    };
    let own = || Some(distribution?.domain.clone());
    answers.packages_domain.clone().or_else(standing).or_else(own)
}

/// The record that makes `name` lead to the distribution; `None` where it is its own name.
fn build_cname_record(name: &str, distribution: &CloudFrontDistribution) -> Option<DnsRecord> {
    (name != distribution.domain).then(|| DnsRecord {
        name: name.to_owned(),
        kind: "CNAME".into(),
        value: distribution.domain.clone(),
    })
}

/// Shows that record, to be shown before going live.
pub(crate) fn build_dns_record_document(
    name: &str,
    distribution: &CloudFrontDistribution,
) -> Option<PlanAttachment> {
    let record = build_cname_record(name, distribution)?;
    Some(PlanAttachment {
        title: format!("DNS record to make for {name}; going live waits for it"),
        lines: vec![record.render_dns_zone_line()],
        copy: true,
    })
}

/// Says what clients behind a firewall must be told before the redirects change.
pub(crate) fn build_client_firewall_notice(domain: &str) -> PlanAttachment {
    PlanAttachment {
        title: "Tell customers behind a firewall, before going live".into(),
        lines: vec![
            format!("Packages will be downloaded from https://{domain} (port 443)."),
            "Allow that name beside your packagecloud server's in firewalls and proxies;".into(),
            "the addresses behind it change, so allow the name, not addresses.".into(),
            "Nothing changes in apt, yum, gem or pip configuration.".into(),
        ],
        copy: true,
    }
}

/// Waits until the authenticator answers under `name`: it resolves, its certificate passes, and it is CloudFront with
/// our function.
///
/// # Errors
/// Fails where it does not within an hour, or it is stopped.
pub(crate) async fn wait_until_packages_domain_serves(
    session: &Session,
    name: &str,
    distribution: &CloudFrontDistribution,
    run: &StageRun,
) -> Result<(), Failure> {
    let Some(record) = build_cname_record(name, distribution) else { return Ok(()) };
    if session.web.has_edge_address_override() {
        // The edge is reached at another address: names play no part.
        return Ok(());
    }
    let say = run.build_step_progress_reporter(StageStep::Gate);
    let began = Instant::now();
    loop {
        let (why, next) = match probe::fetch_path_from_edge(session, name, "/").await {
            Ok(reply) if reply.find_header("x-packagecloud-cloudfront").is_some() => return Ok(()),
            Ok(reply) => (
                format!("it answers {} without the authenticator, so it leads elsewhere", reply.status),
                "point it at the distribution".to_owned(),
            ),
            Err(failure) => diagnosis::diagnose_unreachable_domain(name, &failure),
        };
        let since = began.elapsed();
        if since >= session.scale_wait_for_sandbox(DNS_WAIT_MAX) {
            return Err(Failure::new_generic_failure(
                format!("packages domain {name}"),
                format!("{why} (after {} s); nothing was switched on", since.as_secs()),
                format!("make this record: {}; then go live again: {next}", record.render_dns_zone_line()),
            ));
        }
        say(&format!(
            "waiting until {name} leads to the distribution, {} s: {why}; the record: {}",
            since.as_secs(),
            record.render_dns_zone_line()
        ));
        let pause = async {
            sleep(session.scale_wait_for_sandbox(DNS_POLL_INTERVAL).max(POLL_INTERVAL_MIN)).await;
            Ok(())
        };
        run.read_unless_stopped(pause).await?;
    }
}
