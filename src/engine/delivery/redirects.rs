//! packagecloud's own redirect, asked several times: of several web nodes any one may answer.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::engine::session::Session;
use crate::model::{
    failure::Failure,
    run::answers::OperatorAnswers,
    url::redirect::{ExpectedPackagesDomain, PackagecloudDownloadReply, RedirectTarget},
};

/// Between two tries of a packagecloud that doesn't answer.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Its answers, in the order in which they came.
pub(crate) struct SampledRedirects {
    answers: Vec<PackagecloudDownloadReply>,
}

impl SampledRedirects {
    /// Takes answers that were asked for elsewhere.
    pub(crate) fn from_packagecloud_replies(answers: Vec<PackagecloudDownloadReply>) -> Self {
        Self { answers }
    }

    /// Asks `count` times for the same download, that of `key` where nothing else was named; `None` where no URL is known.
    ///
    /// # Errors
    /// Fails at the first time that packagecloud does not answer.
    pub(crate) async fn sample_packagecloud_redirects(
        session: &Session,
        answers: &OperatorAnswers,
        key: Option<&str>,
        count: usize,
    ) -> Result<Option<Self>, Failure> {
        Self::sample_redirects_during_restart(session, answers, (key, count), Duration::ZERO, &|_| {}).await
    }

    /// Asks a packagecloud that restarts: for `patience` it is asked again where it does not answer.
    ///
    /// # Errors
    /// Fails where it does not answer after that.
    pub(crate) async fn sample_redirects_during_restart(
        session: &Session,
        answers: &OperatorAnswers,
        (key, count): (Option<&str>, usize),
        patience: Duration,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Option<Self>, Failure> {
        let until = Instant::now() + patience;
        let mut found = Vec::with_capacity(count);
        while found.len() < count {
            match session.probe_packagecloud_redirect(answers, key).await {
                Ok(Some(redirect)) => found.push(redirect),
                Ok(None) => return Ok(None),
                Err(failure) if Instant::now() < until => {
                    say(&failure.to_string());
                    sleep(RETRY_INTERVAL).await;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(Some(Self { answers: found }))
    }

    /// Says each different answer once, in words.
    pub(crate) fn describe_distinct_redirects(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for text in self.answers.iter().map(PackagecloudDownloadReply::describe_redirect) {
            if !words.contains(&text) {
                words.push(text);
            }
        }
        words
    }

    /// Returns where each of them goes.
    pub(crate) fn list_sampled_targets(&self) -> Vec<RedirectTarget> {
        self.answers.iter().map(PackagecloudDownloadReply::classify_redirect_target).collect()
    }

    /// Returns the links to CloudFront among them.
    pub(crate) fn list_sampled_cloudfront_links(&self) -> Vec<&str> {
        self.answers
            .iter()
            .filter(|redirect| redirect.classify_redirect_target() == RedirectTarget::Edge)
            .filter_map(|redirect| redirect.location.as_deref())
            .collect()
    }

    /// Returns the links with a token of packagecloud's to the packages domain, or where it is reached instead.
    pub(crate) fn list_sampled_packages_links(&self, expected: &ExpectedPackagesDomain<'_>) -> Vec<&str> {
        self.answers
            .iter()
            .filter(|redirect| redirect.explain_no_packages_redirect(expected).is_none())
            .filter_map(|redirect| redirect.location.as_deref())
            .collect()
    }

    /// Explains why one of the answers is no such link, if one isn't.
    pub(crate) fn explain_first_other_link(&self, expected: &ExpectedPackagesDomain<'_>) -> Option<String> {
        self.answers.iter().find_map(|redirect| redirect.explain_no_packages_redirect(expected))
    }

    /// Returns the status of the first answer that was no redirect.
    pub(crate) fn find_first_non_redirect_status(&self) -> Option<u16> {
        self.answers.iter().find(|redirect| redirect.location.is_none()).map(|redirect| redirect.status)
    }
}
