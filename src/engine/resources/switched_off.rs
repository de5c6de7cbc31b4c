//! Whether CloudFront is surely off on every node that was named: by its file, by what packagecloud was seen to apply of that,
//! and by the redirects. What can't be told is not off.

use futures::{FutureExt as _, future::join_all};

use crate::engine::{delivery::redirects::SampledRedirects, session::Session};
use crate::host::pending_changes::PendingConfigChanges;
use crate::model::{run::answers::OperatorAnswers, url::redirect::RedirectTarget};

/// How often packagecloud is asked where it redirects: of several nodes any one may answer.
const REDIRECT_SAMPLES: usize = 10;

/// What is known of one node's switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeSwitchState {
    /// Its file says off, and packagecloud has applied that, as far as the host tells.
    Off,
    /// Its file says off; whether packagecloud has applied that isn't known.
    OffByFile,
    /// It is on, may be, or a switch was begun and not seen to its end.
    NotOff,
}

/// Returns whether no named node signs links to CloudFront any more.
pub(super) async fn is_cloudfront_off_on_every_node(session: &Session, answers: &OperatorAnswers) -> bool {
    let nodes = session.list_all_node_sessions();
    let states = join_all(nodes.iter().map(|node| read_node_switch_state(node).boxed())).await;
    if states.contains(&NodeSwitchState::NotOff) {
        return false;
    }
    let asked =
        SampledRedirects::sample_packagecloud_redirects(session, answers, None, REDIRECT_SAMPLES).await;
    match asked {
        Ok(asked) => {
            are_nodes_off(&states, &asked.map(|asked| asked.list_sampled_targets()).unwrap_or_default())
        }
        Err(_) => false,
    }
}

/// Decides by each node's state, and by where packagecloud's redirects went, as far as they were seen.
fn are_nodes_off(states: &[NodeSwitchState], redirects: &[RedirectTarget]) -> bool {
    let to_s3 = !redirects.is_empty() && redirects.iter().all(|to| *to == RedirectTarget::S3);
    !redirects.contains(&RedirectTarget::Edge)
        && states.iter().all(|state| match state {
            NodeSwitchState::Off => true,
            NodeSwitchState::OffByFile => to_s3,
            NodeSwitchState::NotOff => false,
        })
}

async fn read_node_switch_state(node: &Session) -> NodeSwitchState {
    let Ok(config) = node.host.read_packagecloud_config().await else { return NodeSwitchState::NotOff };
    if config.seen.may_cloudfront_be_on()
        || node.is_cloudfront_switch_unfinished()
        || matches!(node.host.read_running_cloudfront_switch().await, Some((_, true)))
    {
        return NodeSwitchState::NotOff;
    }
    // Of this program's own writes only a switch changes whether it is on, and one that isn't finished is noted.
    match node.host.read_pending_config_changes(&config.seen.hash).await {
        PendingConfigChanges::Nothing { .. } | PendingConfigChanges::Ours { .. } => NodeSwitchState::Off,
        PendingConfigChanges::Theirs { .. } | PendingConfigChanges::Unknown => NodeSwitchState::OffByFile,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_not_off() {
        use NodeSwitchState::{NotOff, Off, OffByFile};
        use RedirectTarget::{Edge, Elsewhere, S3};
        for (states, redirects, off) in [
            (&[Off][..], &[][..], true),
            (&[OffByFile], &[], false),
            (&[OffByFile], &[S3, S3], true),
            (&[OffByFile], &[S3, Elsewhere], false),
            (&[Off, OffByFile], &[S3], true),
            (&[Off, OffByFile], &[], false),
            // A login page, say, tells of neither.
            (&[Off], &[Elsewhere], true),
            // Another node behind the same name, which nobody named.
            (&[Off, Off], &[S3, Edge, S3], false),
            (&[NotOff], &[S3], false),
            (&[Off, NotOff], &[S3], false),
        ] {
            assert_eq!(are_nodes_off(states, redirects), off, "{states:?} {redirects:?}");
        }
    }
}
