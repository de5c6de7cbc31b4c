//! Whether CloudFront is surely off on every node that was named, and whether links lead to a distribution: by the nodes' files,
//! by what packagecloud was seen to apply of them, and by the redirects. What can't be told is not off.

use std::iter;

use futures::{FutureExt as _, future::join_all};

use crate::engine::{delivery::redirects::SampledRedirects, session::Session};
use crate::host::pending_changes::PendingConfigChanges;
use crate::model::{
    aws::{cloudfront::CloudFrontDistribution, evidence::ObservedPackagecloudConfig},
    run::answers::OperatorAnswers,
    url::redirect::RedirectTarget,
};

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
    let states: Vec<NodeSwitchState> =
        join_all(nodes.iter().map(|node| read_node_switch(node).map(|read| read.state).boxed())).await;
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

/// Returns whether packagecloud's links lead to the distribution, or may. A file that can't be read isn't off, and one that says
/// off isn't either before packagecloud has applied that.
pub(in crate::engine) async fn is_serving_links(
    session: &Session,
    distribution: &CloudFrontDistribution,
    answers: &OperatorAnswers,
) -> bool {
    let nodes = session.list_all_node_sessions();
    let read = join_all(nodes.iter().map(|node| read_node_switch(node).boxed())).await;
    let links: Vec<NodeLinkState> = read.iter().map(|node| node.judge_links_to(distribution)).collect();
    if links.contains(&NodeLinkState::Lead) {
        return true;
    }
    // Asked where every file says off too: behind the same name there may be a node that nobody named.
    let asked =
        SampledRedirects::sample_packagecloud_redirects(session, answers, None, REDIRECT_SAMPLES).await;
    may_links_lead_there(
        &links,
        asked.ok().flatten().map(|asked| sum_up_redirects(session, &asked, distribution)),
    )
}

/// Where packagecloud's redirects were seen to go.
#[derive(Debug, Clone, Copy)]
struct SeenRedirects {
    to_distribution: bool,
    to_s3: bool,
}

fn sum_up_redirects(
    session: &Session,
    asked: &SampledRedirects,
    distribution: &CloudFrontDistribution,
) -> SeenRedirects {
    let mut domains = iter::once(&distribution.domain).chain(&distribution.aliases);
    SeenRedirects {
        to_distribution: domains.any(|domain| {
            !asked.list_sampled_packages_links(&session.expect_links_to_domain(domain)).is_empty()
        }),
        to_s3: asked.list_sampled_targets().contains(&RedirectTarget::S3),
    }
}

/// What one node's file, and what is known of its being applied, tell of its links to one distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeLinkState {
    /// They lead there, or nothing says that they don't.
    Lead,
    /// Its file says off and still names that distribution; whether packagecloud has applied that isn't known.
    Unapplied,
    /// They don't lead there.
    Elsewhere,
}

/// Decides by each node's state and by the redirects; `None` where they can't be seen.
fn may_links_lead_there(links: &[NodeLinkState], redirects: Option<SeenRedirects>) -> bool {
    links.contains(&NodeLinkState::Lead)
        || redirects.is_some_and(|seen| seen.to_distribution)
        // A login page, say, tells of neither.
        || links.contains(&NodeLinkState::Unapplied) && !redirects.is_some_and(|seen| seen.to_s3)
}

/// One node's switch, and its file; none where that can't be read.
struct NodeSwitchReading {
    state: NodeSwitchState,
    config: Option<ObservedPackagecloudConfig>,
}

impl NodeSwitchReading {
    fn judge_links_to(&self, distribution: &CloudFrontDistribution) -> NodeLinkState {
        let Some(config) = &self.config else { return NodeLinkState::Lead };
        let named = config.values.packages_domain.as_deref();
        let names_it = named.map(|domain| distribution.has_domain_name_or_alias(domain));
        match self.state {
            NodeSwitchState::NotOff if names_it != Some(false) => NodeLinkState::Lead,
            NodeSwitchState::OffByFile if names_it == Some(true) => NodeLinkState::Unapplied,
            // As the file of a first install that was broken off, which has never named it.
            _ => NodeLinkState::Elsewhere,
        }
    }
}

async fn read_node_switch(node: &Session) -> NodeSwitchReading {
    let Ok(config) = node.host.read_packagecloud_config().await else {
        return NodeSwitchReading { state: NodeSwitchState::NotOff, config: None };
    };
    let is_not_off = config.seen.may_cloudfront_be_on()
        || node.is_cloudfront_switch_unfinished()
        || matches!(node.host.read_running_cloudfront_switch().await, Some((_, true)));
    let state = if is_not_off {
        NodeSwitchState::NotOff
    } else {
        // Of this program's own writes only a switch changes whether it is on, and one that isn't finished is noted.
        match node.host.read_pending_config_changes(&config.seen.hash).await {
            PendingConfigChanges::Nothing { .. } | PendingConfigChanges::Ours { .. } => NodeSwitchState::Off,
            PendingConfigChanges::Theirs { .. } | PendingConfigChanges::Unknown => NodeSwitchState::OffByFile,
        }
    };
    NodeSwitchReading { state, config: Some(config.seen) }
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

    #[test]
    fn a_file_that_says_off_is_believed_once_it_is_applied() {
        use NodeLinkState::{Elsewhere, Lead, Unapplied};
        let seen = |to_distribution, to_s3| Some(SeenRedirects { to_distribution, to_s3 });
        for (links, redirects, may) in [
            (&[Elsewhere][..], None, false),
            (&[Elsewhere, Lead], None, true),
            (&[Unapplied], None, true),
            (&[Unapplied], seen(false, false), true),
            (&[Unapplied], seen(false, true), false),
            (&[Elsewhere], seen(false, true), false),
            (&[Elsewhere], seen(false, false), false),
            // Another node behind the same name, which nobody named.
            (&[Unapplied], seen(true, true), true),
            (&[Elsewhere], seen(true, true), true),
        ] {
            assert_eq!(may_links_lead_there(links, redirects), may, "{links:?} {redirects:?}");
        }
    }
}
