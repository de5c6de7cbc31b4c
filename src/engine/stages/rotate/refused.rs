//! What signs with a secret that the edge refuses comes before any rotation (contract section 12, step 1): a node by its file, and
//! packagecloud by its links.

use super::observe::ObservedRotation;
use crate::engine::{
    delivery::{link_signers::LinkSigner, probe::follow_redirect_to_edge},
    session::Session,
};
use crate::model::{
    failure::Failure, run::proposed_command::render_proposed_command, url::token::compute_secret_fingerprint,
};

impl ObservedRotation {
    /// Finds what signs with a secret that the edge doesn't accept, by the nodes' files and by packagecloud's links: the failure
    /// that says what to do first.
    pub(super) async fn find_refused_signer(&self, session: &Session) -> Option<Failure> {
        let by_file = self.decide_by_facts(|facts| {
            facts.find_node_with_refused_secret().map(|node| build_refused_secret_failure(&node.path))
        });
        if by_file.is_some() {
            return by_file;
        }
        let signers = self.signers.as_ref()?;
        let is_refused = |place: &usize| {
            compute_secret_fingerprint(&self.secrets[*place]).is_ok_and(|one| !self.does_edge_accept(&one))
        };
        let known = signers.list_known_signers().into_iter().filter(is_refused);
        let mut refused: usize = known.map(|place| signers.count_links_by(LinkSigner::Known(place))).sum();
        // A secret that isn't at hand may be accepted all the same: the edge itself tells.
        if !session.is_edge_unreachable_for_checks() {
            for link in signers.list_links_by(LinkSigner::Stranger) {
                let reply = follow_redirect_to_edge(session, link).await;
                let reason = reply
                    .ok()
                    .and_then(|reply| reply.find_header("x-packagecloud-cloudfront").map(str::to_owned));
                refused += usize::from(reason.as_deref() == Some("bad-signature"));
            }
        }
        (refused > 0).then(|| build_refused_links_failure(refused, signers.count_answers()))
    }
}

/// Returns the failure of a node that has CloudFront on and holds a secret that the edge doesn't accept.
pub(super) fn build_refused_secret_failure(path: &str) -> Failure {
    Failure::new_generic_failure(
        path,
        "it has CloudFront on, and a secret that the edge does not accept: its links are refused, or will be",
        format!(
            "correct that first: let the edge accept it, too: {}; or restore that node's file (this lists its backups): {}",
            render_proposed_command("enable", &[]),
            render_proposed_command("roll-back", &[])
        ),
    )
}

fn build_refused_links_failure(refused: usize, of: usize) -> Failure {
    Failure::new_generic_failure(
        "packagecloud's own redirect",
        format!(
            "{refused} of {of} links are signed with a secret that the edge does not accept, although every file has one that it accepts: customers are refused now"
        ),
        format!(
            "correct that first: name every node with --host, and have packagecloud follow its file on each node: {} && {}",
            render_proposed_command("reconfigure", &[]),
            render_proposed_command("restart", &[])
        ),
    )
}
