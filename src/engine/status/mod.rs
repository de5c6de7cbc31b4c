//! `status`: whether all of an install is well, what has drifted, what ends when (contract section 11). It asks each node once, changes
//! nothing, and ends within a minute: each part has a time of its own, and says what it can without the others.

mod account;
mod drift;
mod edge;
mod ends;
mod nodes;
mod refused_file;
mod traffic;

use std::{future::Future, time::Duration};

use futures::FutureExt as _;
use tokio::time::Instant;

use self::account::SeenAccount;
use super::{packagecloud::switch::read_cloudfront_on_since, session::Session};
use crate::host::environment::clock;
use crate::model::{
    failure::{Failure, FailureKind},
    run::answers::OperatorAnswers,
    status::{CloudFrontSwitchStatus, FindingSeverity, InstallStatus},
};

/// What AWS is asked at first, and the nodes beside it.
const FIRST_PART_TIMEOUT: Duration = Duration::from_secs(26);
/// Of that, until it is known which of several nodes can be reached.
const NODE_REACHED_TIMEOUT: Duration = Duration::from_secs(6);
/// What hangs on those answers: the edge, and what ends when.
const SECOND_PART_TIMEOUT: Duration = Duration::from_secs(20);
/// What is asked with the requests that are left.
const THIRD_PART_TIMEOUT: Duration = Duration::from_secs(12);

/// Asks every part, and says what each is.
pub async fn read_install_status(session: &Session, answers: &OperatorAnswers) -> InstallStatus {
    let sent_before = session.cached_aws_target().map_or(0, |target| target.cloud.count_sent_requests());
    let (nodes, (reached, account)) =
        tokio::join!(nodes::read_nodes(session, answers, FIRST_PART_TIMEOUT).boxed(), async {
            let began = Instant::now();
            let reached = nodes::put_reached_node_first(session, NODE_REACHED_TIMEOUT).boxed().await;
            let limit = FIRST_PART_TIMEOUT.saturating_sub(began.elapsed());
            let account =
                limit_part_time("AWS", limit, SeenAccount::read_account(&reached, answers).boxed()).await;
            (reached, account)
        });
    let session = &reached;
    let mut status = InstallStatus {
        seen_at: session.host.clock.read_host_clock().as_secs(),
        on_since: read_cloudfront_on_since(session).map(clock::render_utc_time),
        ..InstallStatus::default()
    };
    nodes.add_switch(&mut status);
    let is_seen = account.as_ref().is_ok_and(|account| account.delivery.is_ok());
    status.is_distribution_seen = is_seen;
    let account = match account {
        Ok(account) => {
            account.add_account_parts(&mut status, &nodes);
            Some(account)
        }
        Err(failure) => {
            status.add_part(nodes::build_unknown_part("aws", &failure), FindingSeverity::Refused);
            None
        }
    };
    let (edge, ends) = tokio::join!(
        limit_part_time(
            "the edge",
            SECOND_PART_TIMEOUT,
            edge::ask_edge(session, account.as_ref(), &nodes, answers).boxed().map(Ok)
        ),
        limit_part_time(
            "what ends when",
            SECOND_PART_TIMEOUT,
            ends::read_ends(session, account.as_ref()).boxed().map(Ok)
        ),
    );
    match edge {
        Ok(edge) => {
            traffic::note_own_asks(session, edge.asks);
            edge.add_edge_parts(&mut status);
        }
        Err(failure) => {
            status.add_part(nodes::build_unknown_part("edge", &failure), FindingSeverity::Refused);
        }
    }
    match ends {
        Ok(ends) => ends.add_ending_parts(&mut status),
        Err(failure) => {
            status.add_part(nodes::build_unknown_part("ends", &failure), FindingSeverity::Ending);
        }
    }
    let served = traffic::read_traffic(session, account.as_ref(), &status, sent_before).boxed().map(Ok);
    match limit_part_time("CloudWatch", THIRD_PART_TIMEOUT, served).await {
        Ok(seen) => traffic::add_traffic(&mut status, session, account.as_ref(), seen),
        Err(failure) => {
            status.add_part(nodes::build_unknown_part("traffic", &failure), FindingSeverity::Refused);
        }
    }
    refused_file::withdraw_advice_to_switch_on(&mut status);
    if let Some(account) = &account {
        drift::add_drift(&mut status, account, &nodes, answers);
    }
    status
}

/// Waits for a part no longer than it may take.
///
/// # Errors
/// Fails as the part does, and where its time is over.
async fn limit_part_time<T>(
    what: &str,
    limit: Duration,
    part: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(limit, part).await.unwrap_or_else(|_| {
        Err(Failure::new(
            FailureKind::Unreachable,
            what,
            format!("no answer within {} s", limit.as_secs()),
            "check the network and the proxy, then try again",
        ))
    })
}

/// What a part that refuses customers means while CloudFront is off: nobody is refused yet. Where a file says on, the next reconfigure
/// has them refused.
fn soften_while_off(status: &InstallStatus, severity: FindingSeverity) -> FindingSeverity {
    let stays_off = status.switch == CloudFrontSwitchStatus::Off && !status.says_any_file_on();
    match severity {
        FindingSeverity::Refused if stays_off => FindingSeverity::Drifted,
        severity => severity,
    }
}
