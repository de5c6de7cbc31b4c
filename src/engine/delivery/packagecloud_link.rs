//! A link that packagecloud gave, followed to the edge: whether that accepts it, and what its refusal means.

use super::{
    diagnosis::{self, DiagnosisFacts, is_not_found_answer_of_s3, judge_edge_refusal},
    probe,
};
use crate::aws::web::WebReply;
use crate::engine::session::Session;
use crate::host::PackagecloudCtlRunner;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{failure::Failure, secret::Secret, url::token::UrlTokenConstruction};

/// What such a link is judged by.
pub(crate) struct PackagecloudLinkFacts<'a> {
    /// packagecloud.rb's.
    pub secret: Option<&'a Secret>,
    /// What the edge accepts.
    pub accepted: UrlTokenConstruction,
    pub known: &'a DiagnosisFacts,
    /// Whether a link of our own was served.
    pub edge_works: bool,
}

/// What the edge made of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PackagecloudLinkVerdict {
    /// A client can work with what came: the object, or S3's own answer that there is none; the status.
    Accepted(u16),
    /// It is made as this, which the edge doesn't accept.
    OtherConstruction(UrlTokenConstruction),
    /// Why, and the next move.
    Refused { why: String, next: String, may_pass: bool },
    /// No answer came: that tells nothing of the link.
    Unanswered(Failure),
}

impl PackagecloudLinkFacts<'_> {
    /// Follows a link once.
    pub(crate) async fn follow_link_to_edge(
        &self,
        session: &Session,
        location: &str,
    ) -> PackagecloudLinkVerdict {
        match probe::follow_redirect_to_edge(session, location).await {
            Ok(reply) => self.judge_edge_reply(&session.host.ctl, location, &reply),
            Err(failure) => PackagecloudLinkVerdict::Unanswered(failure),
        }
    }

    /// Returns how the token of a link is made, where no construction of ours is as the edge's: none where none fits.
    pub(crate) fn find_link_construction(&self, location: &str) -> Option<UrlTokenConstruction> {
        self.secret.and_then(|secret| probe::detect_link_token_construction(location, secret, self.accepted))
    }

    /// Judges what the edge answered to a link of packagecloud's.
    pub(crate) fn judge_edge_reply(
        &self,
        ctl: &PackagecloudCtlRunner,
        location: &str,
        reply: &WebReply,
    ) -> PackagecloudLinkVerdict {
        if matches!(reply.status, 200 | 206) || is_not_found_answer_of_s3(reply) {
            return PackagecloudLinkVerdict::Accepted(reply.status);
        }
        let fits = self.find_link_construction(location);
        if let Some(fits) = fits.filter(|fits| *fits != self.accepted) {
            return PackagecloudLinkVerdict::OtherConstruction(fits);
        }
        let (why, next) = match (reply.find_header("x-packagecloud-cloudfront"), fits) {
            (Some("bad-signature"), None) if self.edge_works => (
                "the web node that answered signs with another secret than packagecloud.rb and the edge hold"
                    .to_owned(),
                format!(
                    "on that node: give it the same cloudfront_secret (this prints it: {}), then {}",
                    render_proposed_command("configuration", &["--show-secret"]),
                    ctl.render_reconfigure_and_restart()
                ),
            ),
            (Some("expired"), _) if self.edge_works => (
                "its links have expired when they are made: the clock of the web node that answered is slow"
                    .to_owned(),
                format!("on that node: {}", diagnosis::SET_CLOCK_ADVICE),
            ),
            _ => diagnosis::diagnose_edge_refusal(reply, self.known),
        };
        let (_, may_pass) = judge_edge_refusal(reply, self.known);
        PackagecloudLinkVerdict::Refused { why, next, may_pass }
    }
}
