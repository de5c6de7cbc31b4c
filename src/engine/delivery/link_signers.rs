//! Who signed packagecloud's links: its redirects asked several times, and each held to the secrets that are at hand.

use std::time::Duration;

use super::redirects::SampledRedirects;
use crate::engine::session::Session;
use crate::model::{
    failure::Failure,
    run::answers::OperatorAnswers,
    secret::Secret,
    url::{
        redirect::RedirectTarget,
        token::{UrlTokenConstruction, inspect_url},
    },
};

/// Who signed one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkSigner {
    /// The secret in this place among those at hand.
    Known(usize),
    /// None of those: the link leads to CloudFront, and is signed with something else.
    Stranger,
    /// It doesn't lead to CloudFront.
    NotToEdge,
}

/// The links that packagecloud gave, by who signed them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SampledLinkSigners {
    /// Each link to CloudFront and who signed it; another answer has no link.
    links: Vec<(LinkSigner, Option<String>)>,
    /// For how long the longest of them holds from when it was given, in seconds.
    pub lifetime_max_seconds: u64,
}

impl SampledLinkSigners {
    /// Asks packagecloud `count` times, for `patience` again where it doesn't answer; `None` where no URL is known.
    ///
    /// # Errors
    /// Fails where it does not answer after that.
    pub(crate) async fn sample_link_signers(
        session: &Session,
        answers: &OperatorAnswers,
        (key, count): (Option<&str>, usize),
        (secrets, accepted): (&[Secret], UrlTokenConstruction),
        patience: Duration,
    ) -> Result<Option<Self>, Failure> {
        let sampled = SampledRedirects::sample_redirects_during_restart(
            session,
            answers,
            (key, count),
            patience,
            &|_| {},
        );
        let now = session.host.clock.read_host_clock().as_secs();
        Ok(sampled.await?.map(|sampled| Self::from_sampled_redirects(&sampled, (secrets, accepted), now)))
    }

    /// Holds answers that were asked for elsewhere to the secrets; `now` in Unix seconds.
    pub(crate) fn from_sampled_redirects(
        sampled: &SampledRedirects,
        (secrets, accepted): (&[Secret], UrlTokenConstruction),
        now: u64,
    ) -> Self {
        let mut found = Self::default();
        let others = sampled.list_sampled_targets().iter().filter(|to| **to != RedirectTarget::Edge).count();
        found.links.extend(std::iter::repeat_n((LinkSigner::NotToEdge, None), others));
        for location in sampled.list_sampled_cloudfront_links() {
            let read = inspect_url(location, secrets, now, accepted);
            let signer = read.key.map_or(LinkSigner::Stranger, LinkSigner::Known);
            found.lifetime_max_seconds =
                found.lifetime_max_seconds.max(read.expires.unwrap_or_default().saturating_sub(now));
            found.links.push((signer, Some(location.to_owned())));
        }
        found
    }

    /// Counts the links that this one signed.
    pub(crate) fn count_links_by(&self, signer: LinkSigner) -> usize {
        self.links.iter().filter(|(by, _)| *by == signer).count()
    }

    /// Counts all answers.
    pub(crate) fn count_answers(&self) -> usize {
        self.links.len()
    }

    /// Returns the places of the secrets that signed any.
    pub(crate) fn list_known_signers(&self) -> Vec<usize> {
        let mut known = Vec::new();
        for (signer, _) in &self.links {
            if let LinkSigner::Known(place) = signer
                && !known.contains(place)
            {
                known.push(*place);
            }
        }
        known
    }

    /// Lists the links to CloudFront that this one signed.
    pub(crate) fn list_links_by(&self, signer: LinkSigner) -> Vec<&str> {
        self.links.iter().filter(|(by, _)| *by == signer).filter_map(|(_, link)| link.as_deref()).collect()
    }

    /// Returns one link that this one signed.
    pub(crate) fn find_link_by(&self, signer: LinkSigner) -> Option<&str> {
        self.list_links_by(signer).first().copied()
    }
}
