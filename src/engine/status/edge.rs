//! The edge, asked by a link of this program's own for one byte (Range 0-0): whether it serves, refuses who has no token, and holds no
//! repository metadata.

use std::collections::BTreeMap;

use futures::FutureExt as _;

use super::{
    account::SeenAccount,
    nodes::{RedirectSight, SeenNodes, build_missing_file_failure, build_unknown_part, render_follow_advice},
    soften_while_off,
};
use crate::aws::web::WebReply;
use crate::engine::{
    delivery::{
        diagnosis::{self, DiagnosisFacts, diagnose_edge_refusal, judge_edge_refusal},
        gate::EdgeProber,
        packagecloud_link::{PackagecloudLinkFacts, PackagecloudLinkVerdict},
        probe::{self, LINK_LIFETIME_SECONDS, SignedUrlSpec},
        samples::SampleObjectKeys,
    },
    determine_edge_token_construction,
    session::Session,
};
use crate::model::{
    failure::Failure,
    iam::policy::find_public_policy_statement,
    packagecloud::object::ABSENT_KEY,
    run::{
        answers::OperatorAnswers,
        check::{CheckId, CheckResult},
        proposed_command::render_proposed_command,
    },
    secret::Secret,
    status::{CloudFrontSwitchStatus, FindingSeverity, InstallStatus},
    url::{
        redirect::{RedirectTarget, split_host_and_path, url_path_from_key},
        token::{self, TokenMacAlgorithm, UrlSigningScheme, UrlTokenConstruction},
    },
};

const FIRST_BYTE_RANGE: (&str, &str) = ("range", "bytes=0-0");
/// A package that can't be served for a reason of its own has so many others stand in for it.
const ASKED_PACKAGES_MAX: usize = 3;
/// What an edge holds shows at the second time.
const METADATA_ASKS: usize = 2;
const LINK_CHECK_NAME: &str = "packagecloud-link";
const BUCKET_CHECK_NAME: &str = "bucket-closed";

/// What the edge answered.
#[derive(Default)]
pub(super) struct SeenEdge {
    /// Whether an edge answered a link of our own at all.
    is_answered: bool,
    /// How many requests the edge was sent: they count in its metrics.
    pub asks: usize,
    checks: Vec<(CheckResult, FindingSeverity)>,
}

/// Whom it asks, and with what.
struct EdgeAsker<'a> {
    session: &'a Session,
    domain: String,
    secret: Secret,
    construction: UrlTokenConstruction,
    known: DiagnosisFacts,
}

/// Asks the edge: for a package, without a token, for metadata; and compares what it holds of packages with S3.
pub(super) async fn ask_edge(
    session: &Session,
    account: Option<&SeenAccount>,
    nodes: &SeenNodes,
    answers: &OperatorAnswers,
) -> SeenEdge {
    let mut seen = SeenEdge::default();
    let distribution = account.and_then(SeenAccount::distribution);
    let Some(config) = nodes.first_config() else {
        seen.checks.push((
            build_unknown_part(CheckId::SignedUrl.name(), &build_missing_file_failure()),
            FindingSeverity::Refused,
        ));
        return seen;
    };
    let values = &config.seen.values;
    let named = values.packages_domain.clone();
    let domain = match distribution {
        Some(one) => named.filter(|name| one.has_domain_name_or_alias(name)).or(Some(one.domain.clone())),
        // Where AWS says that there is none, nobody is asked.
        None if account.is_some_and(|account| account.delivery.is_ok()) => None,
        None => named,
    };
    let Some(domain) = domain else { return seen };
    if session.is_edge_unreachable_for_checks() {
        let why = "with --endpoint-url and no --edge-url the edge can't be reached";
        seen.checks.push((CheckResult::new_unknown_check(CheckId::SignedUrl, why), FindingSeverity::Refused));
        return seen;
    }
    let samples = match account {
        Some(account) => {
            let listed = account.target.list_first_page_of_bucket().await.unwrap_or_default();
            SampleObjectKeys::choose_samples_from_listing(&listed)
        }
        None => SampleObjectKeys::default(),
    };
    let construction = account
        .and_then(SeenAccount::associated_description)
        .map_or_else(|| determine_edge_token_construction(session, answers), |held| held.construction);
    let known = account.map(|account| account.build_diagnosis_facts(nodes)).unwrap_or_default();
    let Some(secret) = values.secret.clone() else { return seen };
    let sent_before = session.web.count_sent_requests();
    let asker = EdgeAsker { session, domain, secret, construction, known };
    asker.ask_for_package(&samples, &mut seen).await;
    asker.ask_without_token(&samples, &mut seen).await;
    asker.ask_for_metadata(&samples, &mut seen).await;
    asker.judge_packagecloud_links(account, nodes, &mut seen).boxed().await;
    if let Some(account) = account {
        let listed = samples.clone();
        let prober = EdgeProber {
            session,
            target: &account.target,
            domain: &asker.domain,
            secret: &asker.secret,
            construction,
            samples,
            known: asker.known.clone(),
            objects: BTreeMap::new(),
        };
        let copies = prober.check_cached_copies().boxed().await;
        // Where copies had to be compared by requests of their own, none is left for this one.
        if !copies.has_failed() {
            asker.ask_bucket_directly(account, &listed, &mut seen).await;
        }
        seen.checks.push((copies, FindingSeverity::Refused));
    }
    let of_bucket = seen.checks.iter().filter(|(check, _)| check.name == BUCKET_CHECK_NAME).count();
    seen.asks = session.web.count_sent_requests().saturating_sub(sent_before + of_bucket);
    seen
}

impl EdgeAsker<'_> {
    async fn ask_path(&self, path_and_query: &str) -> Result<WebReply, Failure> {
        let url = self.session.web.build_edge_url(&self.domain, path_and_query);
        self.session.web.send_http_get(&url, &[FIRST_BYTE_RANGE]).await
    }

    async fn ask_for_key(&self, key: &str) -> Result<WebReply, Failure> {
        let signed = SignedUrlSpec {
            domain: &self.domain,
            key,
            construction: self.construction,
            mac: TokenMacAlgorithm::Sha1,
            lifetime: LINK_LIFETIME_SECONDS.cast_signed(),
        };
        let now = self.session.host.clock.read_host_clock().as_secs();
        self.ask_path(&probe::sign_probe_url(&self.secret, &signed, now)?).await
    }

    /// A link of our own must be served: a byte of a package, or S3's 404 for a key that isn't there.
    async fn ask_for_package(&self, samples: &SampleObjectKeys, seen: &mut SeenEdge) {
        let name = CheckId::SignedUrl;
        let packages = samples.sample_packages().iter().map(String::as_str).take(ASKED_PACKAGES_MAX);
        let mut refused = None;
        for key in packages.chain([ABSENT_KEY]) {
            let reply = match self.ask_for_key(key).await {
                Ok(reply) => reply,
                Err(failure) => {
                    let (why, _) = diagnosis::diagnose_unreachable_domain(&self.domain, &failure);
                    seen.checks.push((CheckResult::new_unknown_check(name, why), FindingSeverity::Refused));
                    return;
                }
            };
            seen.is_answered = true;
            let is_absent = key == ABSENT_KEY;
            // It may be gone since it was listed: that answer too comes behind a token that was accepted.
            if matches!(reply.status, 200 | 206) || diagnosis::is_not_found_answer_of_s3(&reply) {
                let what = if is_absent { "a key that isn't there".to_owned() } else { key.to_owned() };
                let text = format!("the edge serves a link of our own for {what} ({})", reply.status);
                seen.checks.push((CheckResult::new_passed_check(name, text), FindingSeverity::Refused));
                return;
            }
            let (why, next) = diagnose_edge_refusal(&reply, &self.known);
            refused.get_or_insert((format!("{key}: {why}"), next));
            if !judge_edge_refusal(&reply, &self.known).0 {
                break;
            }
        }
        if let Some((why, next)) = refused {
            seen.checks.push((CheckResult::new_failed_check(name, why, next), FindingSeverity::Refused));
        }
    }

    /// Without a token nothing may be served.
    async fn ask_without_token(&self, samples: &SampleObjectKeys, seen: &mut SeenEdge) {
        let name = CheckId::NoToken;
        let key = samples.first_sample_package().unwrap_or(ABSENT_KEY);
        let check = match self.ask_path(&url_path_from_key(key)).await {
            Ok(reply) if reply.status == 403 => {
                CheckResult::new_passed_check(name, "without a token the edge refuses")
            }
            // What the edge can't answer it doesn't hand out; the link of our own says why.
            Ok(reply) if reply.status >= 500 => return,
            Ok(reply) => CheckResult::new_failed_check(
                name,
                format!("without a token the edge answered {} instead of 403", reply.status),
                format!(
                    "switch CloudFront off, then look at the distribution's behaviors: {}",
                    render_proposed_command("disable", &[])
                ),
            ),
            Err(failure) => CheckResult::new_unknown_check(name, failure.to_string()),
        };
        seen.checks.push((check, FindingSeverity::Exposed));
    }

    /// S3 itself must refuse who has no signature; where the bucket's policy is public, that is said already.
    async fn ask_bucket_directly(
        &self,
        account: &SeenAccount,
        samples: &SampleObjectKeys,
        seen: &mut SeenEdge,
    ) {
        let bucket = &account.target.bucket;
        if find_public_policy_statement(bucket.policy.as_deref()).is_some() {
            return;
        }
        let metadata = samples.sample_metadata().first().map(String::as_str);
        let key = samples.first_sample_package().or(metadata).unwrap_or(ABSENT_KEY);
        let asked = async {
            let url = account.target.cloud.resolve_bucket_url(&bucket.name).await?;
            let url = format!("{}{}", url.trim_end_matches('/'), url_path_from_key(key));
            self.session.web.send_http_get(&url, &[FIRST_BYTE_RANGE]).await
        };
        let check = match asked.await {
            Ok(reply) if reply.status == 403 => CheckResult::new_passed_check(
                BUCKET_CHECK_NAME,
                "S3 itself refuses requests without a signature",
            ),
            Ok(reply) if matches!(reply.status, 200 | 206) => CheckResult::new_failed_check(
                BUCKET_CHECK_NAME,
                format!("S3 itself serves {key} to requests without a signature"),
                format!(
                    "remove public access from the policy and the ACLs of bucket {} in the S3 console",
                    bucket.name
                ),
            ),
            Ok(reply) => CheckResult::new_unknown_check(
                BUCKET_CHECK_NAME,
                format!("S3 itself answered {}", reply.status),
            ),
            Err(failure) => CheckResult::new_unknown_check(BUCKET_CHECK_NAME, failure.to_string()),
        };
        seen.checks.push((check, FindingSeverity::Exposed));
    }

    /// Repository metadata must come from S3 each time.
    async fn ask_for_metadata(&self, samples: &SampleObjectKeys, seen: &mut SeenEdge) {
        const CHECK_NAME: &str = "metadata-fresh";
        let Some(key) = samples.sample_metadata().first() else { return };
        for _ in 0..METADATA_ASKS {
            // Why the edge doesn't serve is said of the package.
            let Ok(reply) = self.ask_for_key(key).await else { return };
            if reply.find_header("x-cache").is_some_and(|said| said.starts_with("Hit")) {
                let check = CheckResult::new_failed_check(
                    CHECK_NAME,
                    format!("an edge caches repository metadata: {key}; clients get an outdated list"),
                    format!(
                        "{} && {}",
                        render_proposed_command("reindex-everything", &[]),
                        render_proposed_command("invalidate", &[key])
                    ),
                );
                seen.checks.push((check, FindingSeverity::Refused));
                return;
            }
            if !matches!(reply.status, 200 | 206) {
                return;
            }
        }
        let text = "repository metadata is not cached";
        seen.checks.push((CheckResult::new_passed_check(CHECK_NAME, text), FindingSeverity::Refused));
    }

    /// packagecloud's own link is judged without following it, but where no secret that is known made it.
    async fn judge_packagecloud_links(
        &self,
        account: Option<&SeenAccount>,
        nodes: &SeenNodes,
        seen: &mut SeenEdge,
    ) {
        let of_site = match &nodes.redirects {
            RedirectSight::Seen(redirects) => redirects.list_sampled_cloudfront_links(),
            _ => Vec::new(),
        };
        let of_nodes = nodes.list_own_replies().filter_map(|(name, reply)| {
            let is_to_edge = reply.classify_redirect_target() == RedirectTarget::Edge;
            Some((Some(name), reply.location.as_deref().filter(|_| is_to_edge)?))
        });
        let secrets = nodes.list_secrets();
        let ahead = account.and_then(|account| account.target.caller.clock_ahead).unwrap_or_default();
        let now = self.session.host.clock.read_host_clock().as_secs().saturating_add_signed(-ahead);
        let mut judged = None;
        for (name, link) in of_site.into_iter().map(|link| (None, link)).chain(of_nodes) {
            let mut check = self.judge_packagecloud_link(link, &secrets, now, seen.is_answered).await;
            if let Some(name) = name {
                check.detail = format!("asked on {name}: {}", check.detail);
            }
            let is_failed = check.has_failed();
            judged = Some(check);
            if is_failed {
                break;
            }
        }
        seen.checks.extend(judged.map(|check| (check, FindingSeverity::Refused)));
    }

    async fn judge_packagecloud_link(
        &self,
        link: &str,
        secrets: &[Secret],
        now: u64,
        edge_works: bool,
    ) -> CheckResult {
        let fail = |why: String, next: String| CheckResult::new_failed_check(LINK_CHECK_NAME, why, next);
        let inspected = token::inspect_url(link, secrets, now, self.construction);
        if matches!(inspected.scheme, UrlSigningScheme::CloudFrontCanned | UrlSigningScheme::CloudFrontPolicy)
        {
            return fail(
                format!(
                    "packagecloud's links are {}: the edge does not accept those",
                    inspected.scheme.describe_signing_scheme()
                ),
                format!(
                    "switch CloudFront off, then ask the vendor (support@packagecloud.io) which releases sign with cloudfront_secret: {}",
                    render_proposed_command("disable", &[])
                ),
            );
        }
        let expected = self.session.expect_links_to_domain(&self.domain);
        let is_elsewhere = split_host_and_path(link).is_some_and(|(host, _)| {
            host != expected.domain
                && expected.edge_url.and_then(split_host_and_path).is_none_or(|(edge, _)| edge != host)
        });
        if is_elsewhere {
            return fail(
                format!(
                    "packagecloud's links lead to {}, and the packages domain is {}",
                    inspected.host, self.domain
                ),
                render_follow_advice(),
            );
        }
        if inspected.expires.is_some_and(|at| at <= now) {
            return fail(
                "packagecloud makes links that have expired already: the clock of the web node that answered is slow".to_owned(),
                format!("on that node: {}", diagnosis::SET_CLOCK_ADVICE),
            );
        }
        match inspected.construction {
            Some(fits) if fits == self.construction => CheckResult::new_passed_check(
                LINK_CHECK_NAME,
                "packagecloud's own link is signed with a secret in packagecloud.rb, as the edge accepts it",
            ),
            Some(fits) => fail(
                format!(
                    "packagecloud makes its tokens as {fits}, and the edge accepts {}",
                    self.construction
                ),
                render_proposed_command("enable", &["--construction", &fits.to_string()]),
            ),
            None => self.follow_unknown_link(link, edge_works).await,
        }
    }

    /// No file holds what signed it: the edge says whether it accepts that.
    async fn follow_unknown_link(&self, link: &str, edge_works: bool) -> CheckResult {
        let path = split_host_and_path(link).map_or("", |(_, path)| path);
        let facts = PackagecloudLinkFacts {
            secret: Some(&self.secret),
            accepted: self.construction,
            known: &self.known,
            edge_works,
        };
        match self.ask_path(path).await {
            Err(failure) => CheckResult::new_unknown_check(LINK_CHECK_NAME, failure.to_string()),
            Ok(reply) => match facts.judge_edge_reply(&self.session.host.ctl, link, &reply) {
                PackagecloudLinkVerdict::Refused { why, next, .. } => {
                    CheckResult::new_failed_check(LINK_CHECK_NAME, why, next)
                }
                _ => CheckResult::new_passed_check(
                    LINK_CHECK_NAME,
                    "packagecloud's own link is signed with a secret that no packagecloud.rb holds, and the edge accepts it",
                ),
            },
        }
    }
}

impl SeenEdge {
    /// Says what the edge answered.
    pub(super) fn add_edge_parts(self, status: &mut InstallStatus) {
        status.is_distribution_seen |= self.is_answered;
        for (check, severity) in self.checks {
            // An edge that holds nothing of what was sampled is no part that is missed.
            let is_nothing_held =
                check.name == "cached-copies" && check.detail.ends_with("none of the sampled packages");
            let is_link_of_nobody =
                check.name == LINK_CHECK_NAME && status.switch == CloudFrontSwitchStatus::Off;
            if !is_nothing_held && !is_link_of_nobody {
                status.add_part(check, soften_while_off(status, severity));
            }
        }
    }
}
