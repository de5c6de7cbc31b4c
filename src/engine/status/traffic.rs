//! The last thirty days at the edge, what they cost by the list price, and which plan would cost less.

use super::{account::SeenAccount, nodes::build_unknown_part, soften_while_off};
use crate::engine::{packagecloud::switch::read_cloudfront_on_since, session::Session};
use crate::model::{
    aws::{cloudfront::FlatRatePlanFinding, evidence::BootstrapStageEvidence},
    failure::Failure,
    run::check::CheckVerdict,
    status::{
        CloudFrontSwitchStatus, FindingSeverity, InstallStatus,
        cost::{MonthlyTraffic, describe_month_cost, render_bytes},
        traffic::{EdgeTraffic, EdgeUseAge, NO_REQUESTS_SEVERITY, SERVER_ERRORS_SEVERITY},
    },
};

const TRAFFIC_CHECK_NAME: &str = "traffic";
/// What AWS may be asked in all (contract section 11).
const AWS_ASKS_MAX: usize = 25;
/// S3 asked without a signature, whether it refuses.
const ANONYMOUS_ASKS: usize = 1;

/// What CloudWatch told; none where it wasn't asked.
pub(super) type SeenTraffic = Option<Result<EdgeTraffic, Failure>>;

/// Reads the metrics of the distribution, by as many requests as are left; `sent_before` were sent before this look.
pub(super) async fn read_traffic(
    session: &Session,
    account: Option<&SeenAccount>,
    status: &InstallStatus,
    sent_before: usize,
) -> SeenTraffic {
    let account = account?;
    let distribution = account.distribution()?;
    let is_compared = status
        .checks
        .iter()
        .any(|one| one.check.name == "cached-copies" && one.check.result != CheckVerdict::Pass);
    // The code of the versions that hold other secrets was fetched, where a new version would be made.
    let is_fetched = |below: &BootstrapStageEvidence| {
        let beside = &below.beside;
        let has_others =
            !beside.carried.is_empty() || !beside.dropped.is_empty() || beside.obstacle.is_some();
        below.version.is_none() && has_others
    };
    let unsigned = ANONYMOUS_ASKS + usize::from(account.authenticator.as_ref().is_ok_and(is_fetched));
    let sent = account.target.cloud.count_sent_requests().saturating_sub(sent_before);
    let asks = if is_compared { 0 } else { AWS_ASKS_MAX.saturating_sub(sent + unsigned) };
    if asks == 0 {
        return None;
    }
    let now = session.host.clock.read_host_clock().as_secs();
    Some(account.target.cloud.read_edge_traffic(&distribution.id, now, asks).await)
}

/// The state directory's file with what `status` itself asked the edge, a line an hour: it is in the metrics too.
const OWN_ASKS_NOTE: &str = "status-asks";
const HOURS_NOTED: u64 = 25;

/// What `status` asked the edge from this host in the last day, by how many hours ago.
fn read_own_asks(session: &Session) -> Vec<(u64, u64)> {
    let hour = session.host.clock.read_host_clock().as_secs() / 3600;
    let text = session.host.read_host_state_file(OWN_ASKS_NOTE).unwrap_or_default();
    let noted = text.lines().filter_map(|line| {
        let (at, asks) = line.split_once(' ')?;
        Some((hour.checked_sub(at.parse().ok()?)?, asks.parse().ok()?))
    });
    noted.filter(|(ago, _)| *ago < HOURS_NOTED).collect()
}

/// Notes what this run asked the edge. Lost, nobody's silence is seen for a day.
pub(super) fn note_own_asks(session: &Session, asks: usize) {
    let hour = session.host.clock.read_host_clock().as_secs() / 3600;
    let mut all = read_own_asks(session);
    match all.iter_mut().find(|(ago, _)| *ago == 0) {
        Some((_, count)) => *count += asks as u64,
        None => all.push((0, asks as u64)),
    }
    let lines: Vec<String> = all.iter().map(|(ago, asks)| format!("{} {asks}", hour - ago)).collect();
    session.host.write_state_file_about_host(OWN_ASKS_NOTE, &lines.join("\n"));
}

/// For how long links may have gone to the edge: by this host's note, else by the distribution's last change.
fn find_edge_use_age(session: &Session, account: Option<&SeenAccount>) -> EdgeUseAge {
    let now = session.host.clock.read_host_clock().as_secs();
    let hours_since = |at: u64| now.saturating_sub(at) / 3600;
    if let Some(since) = read_cloudfront_on_since(session) {
        return EdgeUseAge::OnFor(hours_since(since.as_secs()));
    }
    let modified = account.and_then(SeenAccount::distribution).and_then(|one| one.modified);
    modified.map_or(EdgeUseAge::Unknown, |at| EdgeUseAge::DistributionChangedAgo(hours_since(at)))
}

/// Says what was served, what it cost, and what of it needs attention.
pub(super) fn add_traffic(
    status: &mut InstallStatus,
    session: &Session,
    account: Option<&SeenAccount>,
    seen: SeenTraffic,
) {
    let traffic = match seen {
        None => return,
        Some(Err(failure)) => {
            status.add_part(build_unknown_part(TRAFFIC_CHECK_NAME, &failure), FindingSeverity::Refused);
            return;
        }
        Some(Ok(traffic)) => traffic,
    };
    let severity = soften_while_off(status, SERVER_ERRORS_SEVERITY);
    status.add_separate_part(traffic.check_server_errors(), severity);
    // Where it isn't known that links go there, nobody need ask.
    if status.switch == CloudFrontSwitchStatus::On && status.is_redirect_seen {
        let age = find_edge_use_age(session, account);
        let own = read_own_asks(session);
        status.add_separate_part(traffic.check_requests_of_a_day(age, &own), NO_REQUESTS_SEVERITY);
    }
    let mut text = format!("{:.0} requests", traffic.requests);
    text.extend(traffic.bytes.map(|bytes| format!(", {} sent", render_bytes(bytes))));
    let percent = |ratio: f64| format!("{:.1} %", ratio * 100.0);
    text.extend(traffic.judged_client_error_ratio().map(|ratio| {
        format!(
            ", {} answered 4xx (refused links, those that this program tests with among them)",
            percent(ratio)
        )
    }));
    text.extend(traffic.server_error_ratio.map(|ratio| format!(", {} answered 5xx", percent(ratio))));
    match traffic.hit_ratio {
        Some(ratio) => text.push_str(&format!(", {} answered from the cache.", percent(ratio))),
        None => text.push_str(". How many were answered from the cache is not known: the distribution's additional metrics are off."),
    }
    text.extend(traffic.explain_untold_client_errors().map(|why| format!(" {why}")));
    status.add_fact("Last thirty days", text);
    if let Some(bytes) = traffic.bytes {
        let month = MonthlyTraffic { requests: traffic.requests, bytes, hit_ratio: traffic.hit_ratio };
        status.cost = Some(month.estimate_dollars());
        let is_planned = account
            .and_then(|account| account.delivery.as_ref().ok())
            .and_then(|delivery| delivery.evidence.flat_rate_plan.as_ref())
            .is_some_and(FlatRatePlanFinding::is_subscribed);
        let what = if is_planned {
            "Without its flat-rate plan the last thirty days would have cost"
        } else {
            "The last thirty days cost"
        };
        status.add_fact("Cost", describe_month_cost(&month, what));
    }
    status.traffic = Some(traffic);
}
