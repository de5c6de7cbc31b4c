//! The check of packagecloud's own redirect: whether it follows its file, and whether the edge accepts its token.

use crate::engine::{
    delivery::{
        diagnosis::{self, DiagnosisFacts},
        packagecloud_link::{PackagecloudLinkFacts, PackagecloudLinkVerdict},
        redirects::SampledRedirects,
    },
    session::{PROBE_TOKEN_ADVICE, Session},
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::evidence::ObservedPackagecloudConfig,
    failure::{Failure, FailureKind},
    run::{answers::OperatorAnswers, check::CheckResult},
    secret::Secret,
    url::{
        redirect::split_host_and_path,
        token::{self, UrlSigningScheme, UrlTokenConstruction},
    },
};

/// How often packagecloud is asked: a web node that lags behind shows.
const REDIRECT_SAMPLES: usize = 10;

pub(super) const EDGE_OUT_OF_REACH_TEXT: &str =
    "with --endpoint-url and no --edge-url the edge is out of reach";
const REDIRECT_CHECK_NAME: &str = "packagecloud-redirect";

fn advise_to_follow_file() -> String {
    format!(
        "packagecloud runs on other values than packagecloud.rb holds; run: {} && {}",
        render_proposed_command("reconfigure", &[]),
        render_proposed_command("restart", &[])
    )
}

fn advise_to_stay_off() -> String {
    format!(
        "make the file say off too: {}; then correct what else failed, and switch on again, which tests a link first: {}",
        render_proposed_command("disable", &[]),
        render_proposed_command("enable", &[])
    )
}

/// Asks packagecloud itself ten times, for the package of this key where nothing else was named; `None` where no URL is known.
///
/// # Errors
/// Fails at the first time that packagecloud does not answer.
pub(super) async fn sample_verified_redirects(
    session: &Session,
    answers: &OperatorAnswers,
    key: Option<&str>,
) -> Result<Option<SampledRedirects>, Failure> {
    SampledRedirects::sample_packagecloud_redirects(session, answers, key, REDIRECT_SAMPLES).await
}

/// What packagecloud's own redirect is judged by.
pub(super) struct PackagecloudRedirectCheck<'a> {
    pub session: &'a Session,
    pub answers: &'a OperatorAnswers,
    pub config: &'a ObservedPackagecloudConfig,
    pub domain: Option<&'a str>,
    pub secret: Option<&'a Secret>,
    pub accepted: UrlTokenConstruction,
    pub known: &'a DiagnosisFacts,
    /// Whether a link of our own was served.
    pub edge_works: bool,
}

impl PackagecloudRedirectCheck<'_> {
    /// Judges what packagecloud itself answered, and follows the last redirect.
    pub(super) async fn check_packagecloud_redirects(
        &self,
        asked: Result<Option<SampledRedirects>, Failure>,
    ) -> CheckResult {
        let redirects = match asked {
            Ok(Some(redirects)) => redirects,
            Ok(None) => {
                return CheckResult::new_unknown_check(
                    REDIRECT_CHECK_NAME,
                    "not asked: give a download URL of packagecloud with --probe-url",
                );
            }
            Err(failure) => return self.explain_unanswered_probe(&failure).await,
        };
        if let Some(status) = redirects.find_first_non_redirect_status() {
            return self.build_packagecloud_failed_check(
                &format!("answers {status}"),
                &choose_advice_without_redirect(status, &self.render_ctl_command_line()),
            );
        }
        let edge = redirects.list_sampled_cloudfront_links();
        let seen = redirects.describe_distinct_redirects().join(" and ");
        let on = self.config.describe_cloudfront_unless_off();
        // What reading can't tell contradicts no redirect.
        let is_unknown = on.is_some() && self.config.values.enabled != Some(true);
        match (on.is_some(), edge.len()) {
            (true, 0) if is_unknown => CheckResult::new_unknown_check(
                REDIRECT_CHECK_NAME,
                format!("packagecloud answers {seen}; {}", on.unwrap_or_default()),
            ),
            (false, 0) => CheckResult::new_unknown_check(
                REDIRECT_CHECK_NAME,
                format!("CloudFront is off: packagecloud answers {seen}"),
            ),
            (true, 0) | (false, REDIRECT_SAMPLES) => {
                let file = if on.is_some() { "on" } else { "off" };
                CheckResult::new_failed_check(
                    REDIRECT_CHECK_NAME,
                    format!("packagecloud.rb says {file}, and packagecloud answers {seen}"),
                    // Nobody is sent to an edge that refused a link of our own.
                    if on.is_some() && !self.edge_works {
                        advise_to_stay_off()
                    } else {
                        advise_to_follow_file()
                    },
                )
            }
            (_, REDIRECT_SAMPLES) => {
                self.check_redirect_token(&redirects, edge[REDIRECT_SAMPLES - 1], &seen).await
            }
            (_, some) => CheckResult::new_failed_check(
                REDIRECT_CHECK_NAME,
                format!(
                    "{some} of {REDIRECT_SAMPLES} redirects go to CloudFront: {seen}; another web node is set otherwise"
                ),
                format!(
                    "on the other node: give it the same four values (this prints them: {}), then {}",
                    render_proposed_command("configuration", &["--show-secret"]),
                    self.session.host.ctl.render_reconfigure_and_restart()
                ),
            ),
        }
    }

    /// Says why nothing answered: the URL is another host's, or packagecloud doesn't run.
    async fn explain_unanswered_probe(&self, failure: &Failure) -> CheckResult {
        match self.session.find_probe_url_failure(self.answers, None).await {
            Some(foreign) if foreign.kind == FailureKind::Usage => {
                CheckResult::new_failed_check(REDIRECT_CHECK_NAME, foreign.to_string(), foreign.next)
            }
            _ => self.build_packagecloud_failed_check(
                &format!("does not answer: {failure}"),
                &format!("see whether it runs: {} status", self.render_ctl_command_line()),
            ),
        }
    }

    fn render_ctl_command_line(&self) -> String {
        self.session.host.ctl.render_ctl_command_line()
    }

    /// Says that packagecloud itself refuses: what is behind it works, or is not known to.
    fn build_packagecloud_failed_check(&self, what: &str, next: &str) -> CheckResult {
        let cloudfront = if self.edge_works { "CloudFront is fine; " } else { "" };
        CheckResult::new_failed_check(
            REDIRECT_CHECK_NAME,
            format!("{cloudfront}packagecloud itself {what}"),
            next,
        )
    }

    /// Whether the edge accepts the token of packagecloud's redirect.
    async fn check_redirect_token(
        &self,
        redirects: &SampledRedirects,
        location: &str,
        seen: &str,
    ) -> CheckResult {
        let host = split_host_and_path(location).map(|(host, _)| host);
        let scheme = token::inspect_url(location, &[], 0, self.accepted).scheme;
        if matches!(scheme, UrlSigningScheme::CloudFrontCanned | UrlSigningScheme::CloudFrontPolicy) {
            return CheckResult::new_failed_check(
                REDIRECT_CHECK_NAME,
                format!("its links are {}: the edge doesn't accept those", scheme.describe_signing_scheme()),
                format!(
                    "switch CloudFront off: {} — and ask the vendor which releases sign with cloudfront_secret: support@packagecloud.io",
                    render_proposed_command("disable", &[])
                ),
            );
        }
        if self.session.is_edge_unreachable_for_checks() {
            return CheckResult::new_unknown_check(
                REDIRECT_CHECK_NAME,
                format!("{seen}; {EDGE_OUT_OF_REACH_TEXT}"),
            );
        }
        if let Some(domain) = self.domain
            && let Some(other) =
                redirects.explain_first_other_link(&self.session.expect_links_to_domain(domain))
        {
            let what = format!("packagecloud answers {other}; packagecloud.rb says {domain}");
            return CheckResult::new_failed_check(REDIRECT_CHECK_NAME, what, advise_to_follow_file());
        }
        let facts = PackagecloudLinkFacts {
            secret: self.secret,
            accepted: self.accepted,
            known: self.known,
            edge_works: self.edge_works,
        };
        let (why, next) = match facts.follow_link_to_edge(self.session, location).await {
            PackagecloudLinkVerdict::Accepted(_) => {
                return CheckResult::new_passed_check(
                    REDIRECT_CHECK_NAME,
                    format!(
                        "{REDIRECT_SAMPLES} of {REDIRECT_SAMPLES} redirects go to CloudFront with {}, and it is accepted",
                        scheme.describe_signing_scheme()
                    ),
                );
            }
            PackagecloudLinkVerdict::OtherConstruction(fits) => (
                format!("this packagecloud makes its tokens as {fits}, the edge accepts {}", self.accepted),
                format!("run: {}", render_proposed_command("enable", &["--construction", &fits.to_string()])),
            ),
            PackagecloudLinkVerdict::Refused { why, next, .. } => (why, next),
            PackagecloudLinkVerdict::Unanswered(failure) => {
                diagnosis::diagnose_unreachable_domain(host.unwrap_or_default(), &failure)
            }
        };
        CheckResult::new_failed_check(REDIRECT_CHECK_NAME, why, next)
    }
}

/// The next move where packagecloud answered without a redirect.
fn choose_advice_without_redirect(status: u16, ctl: &str) -> String {
    match status {
        401 | 403 => format!(
            "{PROBE_TOKEN_ADVICE}; if clients' tokens are refused too, look at them in packagecloud, not at CloudFront"
        ),
        404 => "name with --probe-url a package that is there".to_owned(),
        200..=299 => {
            "name with --probe-url the download URL of a package: this one is no download".to_owned()
        }
        _ => format!("see whether it runs, and read its log: {ctl} status && {ctl} tail"),
    }
}
