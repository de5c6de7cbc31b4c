//! Verify: named checks with a reason, then one verdict with one next move (contract section 9). It changes nothing.

use futures::FutureExt as _;

use crate::model::{
    aws::{evidence::Observed, names},
    failure::Failure,
    packagecloud::settings::SettingValues,
    run::{
        answers::Answers,
        check::{Check, CheckVerdict},
        event::StageEnd,
        goal::Step,
        plan::{Attachment, ChangeKind, Plan},
    },
    secret::Secret,
    url::{
        redirect::split_host_and_path,
        token::{self, SigningScheme, TokenConstruction},
    },
};

use crate::engine::{
    delivery::{
        clocks,
        diagnosis::{self, RouteFacts},
        gate::{self, EdgeGate},
        probe::{self, SampleKeys},
        redirects::Redirects,
    },
    packagecloud::{nodes, switch},
    resources::{
        authenticator::save_edge_construction,
        install::{ObservedInstall, observe_install},
    },
    run::StageRun,
    session::Session,
};
use crate::host::{LoadedConfig, environment::clock};

/// How often packagecloud is asked: a web node that lags behind shows.
const REDIRECT_SAMPLES: usize = 10;

/// Says what it will ask, and what is good to have once it is done: the final block, the way off, how cost is followed.
pub async fn look(session: &Session) -> Plan {
    let mut plan = Plan::new(Observed::Verify);
    plan.add_change(
        Step::Checks,
        ChangeKind::Run,
        "the road of a package",
        "every part is asked; nothing is changed",
    );
    // A file that can't be read is one of the checks, and no reason not to make the others.
    let Ok(config) = session.host.read_config().await else { return plan };
    let values = &config.seen.values;
    if values.enabled == Some(true) {
        let since = switch::read_on_since(session)
            .map(|since| format!(" since {}", clock::render_utc_time(since)))
            .unwrap_or_default();
        plan.notes.push(format!("CloudFront is on{since}. D (or disable) switches it off."));
    }
    if values.distribution_id.is_some() {
        plan.notes.push(format!(
            "Cost is followed by the tag {}; it counts once it is activated under cost allocation tags in AWS Billing.",
            names::COST_TAG
        ));
        plan.attachments.push(Attachment {
            title: format!("The final block, as it stands in {}", config.seen.path),
            lines: values.with_redacted_secret().render_assignments(),
            copy: true,
        });
    }
    plan
}

/// The checks so far, each said as an event as soon as it is known.
struct CheckList<'a> {
    run: &'a StageRun,
    checks: Vec<Check>,
}

impl CheckList<'_> {
    fn add_checks(&mut self, checks: impl IntoIterator<Item = Check>) {
        for check in checks {
            self.run.emit_check(check.clone());
            self.checks.push(check);
        }
    }
}

/// Makes every check, says each as it is known, and ends with the verdict.
///
/// # Errors
/// Fails where the account or packagecloud.rb can't be read at all.
pub async fn run_all_checks(
    session: &Session,
    answers: &Answers,
    run: &StageRun,
) -> Result<Vec<Check>, Failure> {
    let mut all = CheckList { run, checks: Vec::new() };
    let install = observe_install(session, answers).boxed().await?;
    save_edge_construction(session, &install.target).await;
    let config = session.host.read_config().await?;
    let values = &config.seen.values;
    let known = install.route_facts(values.secret.as_ref());
    // What AWS itself says comes first: it names the cause of what fails after it.
    add_part_checks(session, answers, &install, (&config, &known), &mut all).await;
    let samples = probe::find_sample_keys(&install.target).await?;
    add_edge_checks(session, &install, values, (&samples, &known), &mut all).await;
    let edge_works =
        all.checks.iter().any(|check| check.name == "signed-url" && check.result == CheckVerdict::Pass);
    let asked = RedirectCheck {
        session,
        answers,
        samples: &samples,
        enabled: values.enabled == Some(true),
        domain: values.packages_domain.as_deref(),
        secret: values.secret.as_ref(),
        accepted: install.authenticator.construction,
        known: &known,
        edge_works,
    };
    all.add_checks([asked.check_redirects().await]);
    let verdict = verdict_from_checks(&all.checks);
    all.add_checks([verdict]);
    Ok(all.checks)
}

/// Adds what AWS and the hosts say of the parts: the distribution, the clocks, the nodes, and what a link needs.
async fn add_part_checks(
    session: &Session,
    answers: &Answers,
    install: &ObservedInstall,
    (config, known): (&LoadedConfig, &RouteFacts),
    all: &mut CheckList<'_>,
) {
    let target = &install.target;
    let distribution = install.distribution.distribution.as_ref();
    all.add_checks([gate::check_distribution(distribution, &target.names.function_name())]);
    all.add_checks([clocks::check_local_clock(target)]);
    let ahead = target.caller.clock_ahead;
    all.add_checks(session.all_nodes().iter().filter_map(|node| clocks::check_host_clock(node, ahead)));
    // Nodes that were set up must say the same: what differs is named, before packagecloud's answers show it.
    let mut nodes = nodes::check_other_nodes(session, Some(config), answers).await;
    for check in nodes.iter_mut().filter(|check| check.result == CheckVerdict::Unknown) {
        check.result = CheckVerdict::Fail;
        check.next = "give it the same values: enable, with the same --host options".into();
    }
    all.add_checks(nodes);
    if distribution.is_some() {
        all.add_checks(diagnosis::component_checks(known));
    }
}

/// Adds what the edge and the bucket answer to links of our own.
async fn add_edge_checks(
    session: &Session,
    install: &ObservedInstall,
    values: &SettingValues,
    (samples, known): (&SampleKeys, &RouteFacts),
    all: &mut CheckList<'_>,
) {
    match (&install.distribution.distribution, &values.secret) {
        _ if session.is_delivery_unreachable() => {
            let names = ["signed-url", "package-cached", "metadata-fresh", "no-token"];
            all.add_checks(names.map(|name| Check::unknown_check(name, EDGE_OUT_OF_REACH_TEXT)));
        }
        (Some(distribution), Some(secret)) => {
            let standing =
                values.packages_domain.as_deref().filter(|name| distribution.has_domain_name(name));
            let gate = EdgeGate {
                session,
                target: &install.target,
                domain: standing.unwrap_or(&distribution.domain),
                secret,
                construction: install.authenticator.construction,
                samples: samples.clone(),
                known: known.clone(),
            };
            let mut opens = gate.positive_probes().await;
            opens.retain(|check| check.name != "no-token");
            all.add_checks(opens);
            all.add_checks(gate.check_caching().await);
            all.add_checks(gate.negative_probes().await);
            all.add_checks([gate.check_bucket_closed().await]);
        }
        (_, None) => {
            let why = "packagecloud.rb holds no secret";
            all.add_checks([Check::failed_check("signed-url", why, "run enable")]);
        }
        (None, _) => {}
    }
}

/// Runs all checks, and fails with the verdict where one failed.
///
/// # Errors
/// Where a check failed, or what all of them need can't be read.
pub async fn apply(
    session: &Session,
    answers: &Answers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let checks = run_all_checks(session, answers, run).await?;
    let Some(verdict) = checks.last() else { return Ok((StageEnd::Applied, String::new())) };
    if verdict.has_failed() {
        let failed = checks.iter().filter(|check| check.has_failed()).count();
        return Err(Failure::other_failure(
            format!("{failed} of {} checks", checks.len() - 1),
            verdict.detail.clone(),
            verdict.next.clone(),
        ));
    }
    Ok((StageEnd::Applied, verdict.detail.clone()))
}

const EDGE_OUT_OF_REACH_TEXT: &str = "with --endpoint-url and no --edge-url the edge is out of reach";
const REDIRECT_CHECK_NAME: &str = "packagecloud-redirect";
const FOLLOW_FILE_ADVICE: &str =
    "run reconfigure, then restart: packagecloud runs on other values than packagecloud.rb holds";

/// What packagecloud's own redirect is judged by.
struct RedirectCheck<'a> {
    session: &'a Session,
    answers: &'a Answers,
    samples: &'a SampleKeys,
    enabled: bool,
    domain: Option<&'a str>,
    secret: Option<&'a Secret>,
    accepted: TokenConstruction,
    known: &'a RouteFacts,
    /// Whether a link of our own was served.
    edge_works: bool,
}

impl RedirectCheck<'_> {
    /// packagecloud itself, asked ten times.
    async fn check_redirects(&self) -> Check {
        let key = self.samples.package.as_deref();
        let redirects = match Redirects::sample(self.session, self.answers, key, REDIRECT_SAMPLES).await {
            Ok(Some(redirects)) => redirects,
            Ok(None) => {
                return Check::unknown_check(
                    REDIRECT_CHECK_NAME,
                    "not asked: give a download URL of packagecloud with --probe-url",
                );
            }
            Err(failure) => {
                return self.packagecloud_failed_check(
                    &format!("does not answer: {failure}"),
                    "see whether it runs: packagecloud-ctl status",
                );
            }
        };
        if let Some(status) = redirects.first_status_without_redirect() {
            return self
                .packagecloud_failed_check(&format!("answers {status}"), advice_without_redirect(status));
        }
        let edge = redirects.edge_locations();
        let seen = redirects.describe_each().join(" and ");
        match (self.enabled, edge.len()) {
            (false, 0) => Check::unknown_check(
                REDIRECT_CHECK_NAME,
                format!("CloudFront is off: packagecloud answers {seen}"),
            ),
            (true, 0) | (false, REDIRECT_SAMPLES) => {
                let file = if self.enabled { "on" } else { "off" };
                Check::failed_check(
                    REDIRECT_CHECK_NAME,
                    format!("packagecloud.rb says {file}, and packagecloud answers {seen}"),
                    FOLLOW_FILE_ADVICE,
                )
            }
            (_, REDIRECT_SAMPLES) => self.check_redirect_token(edge[REDIRECT_SAMPLES - 1], &seen).await,
            (_, some) => Check::failed_check(
                REDIRECT_CHECK_NAME,
                format!(
                    "{some} of {REDIRECT_SAMPLES} redirects go to CloudFront: {seen}; another web node is set otherwise"
                ),
                "on the other node: give it the same four values (configuration prints them), then packagecloud-ctl reconfigure && packagecloud-ctl restart",
            ),
        }
    }

    /// packagecloud itself refuses: the road behind it is fine, or not known to be.
    fn packagecloud_failed_check(&self, what: &str, next: &str) -> Check {
        let cloudfront = if self.edge_works { "CloudFront is fine; " } else { "" };
        Check::failed_check(REDIRECT_CHECK_NAME, format!("{cloudfront}packagecloud itself {what}"), next)
    }

    /// Whether the edge accepts the token of packagecloud's redirect.
    async fn check_redirect_token(&self, location: &str, seen: &str) -> Check {
        let there = self.session.web.has_edge_override() || self.session.is_delivery_unreachable();
        let host = split_host_and_path(location).map(|(host, _)| host);
        if let Some(domain) = self.domain
            && !there
            && host != Some(domain)
        {
            let what = format!("packagecloud answers {seen}, and packagecloud.rb says {domain}");
            return Check::failed_check(REDIRECT_CHECK_NAME, what, FOLLOW_FILE_ADVICE);
        }
        let scheme = token::inspect_url(location, &[], 0, self.accepted).scheme;
        if matches!(scheme, SigningScheme::CloudFrontCanned | SigningScheme::CloudFrontPolicy) {
            return Check::failed_check(
                REDIRECT_CHECK_NAME,
                format!("its links are {}: the edge doesn't accept those", scheme.describe()),
                "switch CloudFront off (disable), and ask the vendor which releases sign with cloudfront_secret: support@packagecloud.io",
            );
        }
        if self.session.is_delivery_unreachable() {
            return Check::unknown_check(REDIRECT_CHECK_NAME, format!("{seen}; {EDGE_OUT_OF_REACH_TEXT}"));
        }
        let reply = match probe::follow_redirect(self.session, location).await {
            Ok(reply) => reply,
            Err(failure) => {
                let (why, next) = diagnosis::diagnose_unreachable_domain(host.unwrap_or_default(), &failure);
                return Check::failed_check(REDIRECT_CHECK_NAME, why, next);
            }
        };
        let reason = reply.find_header("x-packagecloud-cloudfront");
        if reply.status == 200 || (reply.status == 404 && reason.is_none()) {
            return Check::passed_check(
                REDIRECT_CHECK_NAME,
                format!(
                    "{REDIRECT_SAMPLES} of {REDIRECT_SAMPLES} redirects go to CloudFront with {}, and it is accepted",
                    scheme.describe()
                ),
            );
        }
        let fits =
            self.secret.and_then(|secret| probe::find_signing_construction(location, secret, self.accepted));
        match (reason, fits) {
            (Some("bad-signature"), Some(fits)) if fits != self.accepted => Check::failed_check(
                REDIRECT_CHECK_NAME,
                format!("this packagecloud makes its tokens as {fits}, the edge accepts {}", self.accepted),
                format!("run enable again with --construction {fits}"),
            ),
            (Some("bad-signature"), None) if self.edge_works => Check::failed_check(
                REDIRECT_CHECK_NAME,
                "the web node that answered signs with another secret than packagecloud.rb and the edge hold",
                "on that node: give it the same cloudfront_secret (configuration --show-secret prints it), then packagecloud-ctl reconfigure && packagecloud-ctl restart",
            ),
            (Some("expired"), _) if self.edge_works => Check::failed_check(
                REDIRECT_CHECK_NAME,
                "its links have expired when they are made: the clock of the web node that answered is slow",
                format!("on that node: {}", diagnosis::SET_CLOCK_ADVICE),
            ),
            _ => {
                let (why, next) = diagnosis::diagnose_refusal(&reply, self.known);
                Check::failed_check(REDIRECT_CHECK_NAME, why, next)
            }
        }
    }
}

/// The next move where packagecloud answered without a redirect.
fn advice_without_redirect(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            "give a read token of that repository: as login in netrc, or by PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN; if clients' tokens are refused too, look at them in packagecloud, not at CloudFront"
        }
        404 => "name with --probe-url a package that is there",
        200..=299 => "name with --probe-url the download URL of a package: this one is no download",
        _ => "see whether it runs, and read its log: packagecloud-ctl status, packagecloud-ctl tail",
    }
}

/// One verdict, with the first failure's next move.
fn verdict_from_checks(checks: &[Check]) -> Check {
    let failed: Vec<&Check> = checks.iter().filter(|check| check.has_failed()).collect();
    let unknown = checks.iter().filter(|check| check.result == CheckVerdict::Unknown).count();
    match failed.first() {
        None if unknown == 0 => {
            Check::passed_check("verdict", "packages come through CloudFront, and only with a token")
        }
        None => Check::passed_check(
            "verdict",
            format!("nothing is wrong in what could be asked; {unknown} could not be asked"),
        ),
        Some(first) => {
            Check::failed_check("verdict", format!("{}: {}", first.name, first.detail), first.next.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_the_first_failure_and_its_next_move() {
        let checks = [
            Check::passed_check("a", "fine"),
            Check::unknown_check("b", "not asked"),
            Check::failed_check("c", "broken", "mend it"),
            Check::failed_check("d", "too", "that too"),
        ];
        let verdict = super::verdict_from_checks(&checks);
        assert_eq!((verdict.result, verdict.next.as_str()), (CheckVerdict::Fail, "mend it"));
        assert_eq!(super::verdict_from_checks(&checks[..2]).result, CheckVerdict::Pass);
        assert!(super::verdict_from_checks(&checks[..2]).detail.contains("1 could not be asked"));
    }
}
