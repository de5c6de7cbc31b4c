//! Whether packages are served, and only with a token: the signed probes behind which CloudFront goes on, and most of what `verify` says.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::aws::web::WebReply;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::cloudfront::CloudFrontDistribution,
    failure::Failure,
    packagecloud::object::ABSENT_KEY,
    run::check::{CheckId, CheckResult},
    secret::Secret,
    url::{
        redirect::url_path_from_key,
        token::{TokenMacAlgorithm, UrlTokenConstruction},
    },
};

use super::{
    diagnosis::{DiagnosisFacts, diagnose_edge_refusal, judge_edge_refusal},
    probe::{self, LINK_LIFETIME_SECONDS, SignedUrlSpec},
    samples::SampleObjectKeys,
};
use crate::engine::session::{AwsTarget, Session};

/// What the probes are made with.
pub struct EdgeProber<'a> {
    pub session: &'a Session,
    pub target: &'a AwsTarget,
    pub domain: &'a str,
    pub secret: &'a Secret,
    pub construction: UrlTokenConstruction,
    pub samples: SampleObjectKeys,
    pub known: DiagnosisFacts,
    /// What S3 itself gave of the samples that were asked for: their beginnings.
    pub objects: BTreeMap<String, Result<Bytes, Failure>>,
}

impl EdgeProber<'_> {
    fn current_unix_seconds(&self) -> u64 {
        self.session.host.clock.read_host_clock().as_secs()
    }

    /// Returns a path with its token, good for `lifetime` seconds from now by the host's clock.
    ///
    /// # Errors
    /// Where the key can stand in no link.
    pub(super) fn sign_probe_path(
        &self,
        key: &str,
        mac: TokenMacAlgorithm,
        lifetime: i64,
    ) -> Result<String, Failure> {
        let signed =
            SignedUrlSpec { domain: self.domain, key, construction: self.construction, mac, lifetime };
        probe::sign_probe_url(self.secret, &signed, self.current_unix_seconds())
    }

    /// Asks the edge for a path.
    ///
    /// # Errors
    /// Where it can't be reached.
    pub(super) async fn probe_edge_path(&self, path_and_query: &str) -> Result<WebReply, Failure> {
        probe::fetch_path_from_edge(self.session, self.domain, path_and_query).await
    }

    /// Checks that signed probes in both forms answer, and that without a token nothing does. This must pass before
    /// CloudFront goes on. The samples settle on the package that is served.
    pub async fn check_edge_before_switch(&mut self, say: &(dyn Fn(&str) + Sync)) -> Vec<CheckResult> {
        let mut checks = vec![self.find_served_package(say).await];
        let patient = !checks[0].has_failed();
        let other = (TokenMacAlgorithm::Sha256, "signed-url-sha256");
        checks.push(self.check_settled_package_served(other, patient, say).await);
        let key = self.samples.first_sample_package().unwrap_or(ABSENT_KEY);
        let bare = url_path_from_key(key);
        checks.push(self.check_edge_refuses_request(CheckId::NoToken.name(), &bare, "without a token").await);
        checks
    }

    /// A request that must be refused: passes on 403.
    async fn check_edge_refuses_request(&self, name: &str, path_and_query: &str, what: &str) -> CheckResult {
        match self.probe_edge_path(path_and_query).await {
            Ok(reply) if reply.status == 403 => {
                let reason =
                    reply.find_header("x-packagecloud-cloudfront").filter(|reason| !reason.is_empty());
                let reason = reason.unwrap_or("403");
                CheckResult::new_passed_check(name, format!("{what} it is refused ({reason})"))
            }
            // What the edge can't answer it doesn't hand out.
            Ok(reply) if reply.status >= 500 => {
                let (why, next) = diagnose_edge_refusal(&reply, &self.known);
                let detail = format!("{what} it answered {} instead of 403: {why}", reply.status);
                CheckResult::new_failed_check(name, detail, next)
            }
            Ok(reply) => CheckResult::new_failed_check(
                name,
                format!("{what} it answered {} instead of 403", reply.status),
                format!(
                    "private packages may be open: switch CloudFront off (D in the wizard, or: {}), then look at the distribution's behaviors",
                    render_proposed_command("disable", &[])
                ),
            ),
            Err(failure) => CheckResult::new_unknown_check(name, failure.to_string()),
        }
    }

    /// Checks that the tokens are refused that must be.
    pub async fn run_negative_edge_probes(&self) -> Vec<CheckResult> {
        let key = self.samples.first_sample_package().unwrap_or(ABSENT_KEY);
        let path = url_path_from_key(key);
        let Ok(good) =
            self.sign_probe_path(key, TokenMacAlgorithm::Sha1, LINK_LIFETIME_SECONDS.cast_signed())
        else {
            return Vec::new();
        };
        // Expired by the edge's clock, too, where this machine's is ahead: else a clock would pass for an open door.
        let ahead = self.target.caller.clock_ahead.unwrap_or_default().max(0);
        let Ok(expired) = self.sign_probe_path(key, TokenMacAlgorithm::Sha1, -60 - ahead) else {
            return Vec::new();
        };
        let moved = self
            .sign_probe_path(&format!("{key}x"), TokenMacAlgorithm::Sha1, LINK_LIFETIME_SECONDS.cast_signed())
            .unwrap_or_default();
        let forged = corrupt_url_token(&good);
        let moved = moved.split_once('?').map(|(_, query)| format!("{path}?{query}")).unwrap_or_default();
        vec![
            self.check_edge_refuses_request(CheckId::NoToken.name(), &path, "without a token").await,
            self.check_edge_refuses_request("forged-token", &forged, "with a forged token").await,
            self.check_edge_refuses_request("expired-token", &expired, "with an expired token").await,
            self.check_edge_refuses_request("moved-token", &moved, "with another file's token").await,
        ]
    }

    /// Checks that a package is a hit within five tries, and repository metadata never.
    pub async fn check_edge_caching(&self) -> Vec<CheckResult> {
        let mut checks = Vec::new();
        match self.samples.first_sample_package() {
            None => checks.push(CheckResult::new_unknown_check("package-cached", "no package yet")),
            Some(key) => checks.push(self.check_edge_caches_package(key).await),
        }
        checks.push(self.check_repo_metadata_uncached().await);
        checks
    }

    async fn probe_signed_url(&self, key: &str) -> Result<WebReply, Failure> {
        self.probe_edge_path(&self.sign_probe_path(
            key,
            TokenMacAlgorithm::Sha1,
            LINK_LIFETIME_SECONDS.cast_signed(),
        )?)
        .await
    }

    async fn check_edge_caches_package(&self, key: &str) -> CheckResult {
        for _ in 0..5 {
            match self.probe_signed_url(key).await {
                Ok(reply) if read_x_cache_header(&reply).starts_with("Hit") => {
                    return CheckResult::new_passed_check(
                        "package-cached",
                        format!("the edge answers {key} from its cache"),
                    );
                }
                Ok(reply) if reply.status == 200 => {}
                Ok(reply) => {
                    let (why, next) = diagnose_edge_refusal(&reply, &self.known);
                    return CheckResult::new_failed_check("package-cached", format!("{key}: {why}"), next);
                }
                Err(failure) => return CheckResult::new_unknown_check("package-cached", failure.to_string()),
            }
        }
        CheckResult::new_unknown_check(
            "package-cached",
            format!(
                "{key}: no hit within five tries: other edges answered, or its Cache-Control is missing, which this sets: {}",
                render_proposed_command("reindex-everything", &["--rescan"])
            ),
        )
    }

    /// Asks for one piece of metadata after the other until one is answered, and is no hit.
    pub async fn check_repo_metadata_uncached(&self) -> CheckResult {
        let mut refused = None;
        for key in self.samples.sample_metadata() {
            match self.check_metadata_key_uncached(key).await {
                Ok(check) => return check,
                Err(check) => refused = refused.or(Some(check)),
            }
        }
        refused
            .unwrap_or_else(|| CheckResult::new_unknown_check("metadata-fresh", "no repository metadata yet"))
    }

    /// As for all of it, by one key; an error where that is not served, for which another may stand in.
    async fn check_metadata_key_uncached(&self, key: &str) -> Result<CheckResult, CheckResult> {
        for _ in 0..3 {
            match self.probe_signed_url(key).await {
                Ok(reply) if read_x_cache_header(&reply).starts_with("Hit") => {
                    return Ok(CheckResult::new_failed_check(
                        "metadata-fresh",
                        format!("the edge answered {key} from its cache"),
                        format!(
                            "repository metadata must carry no-store; this sets it: {}; what edges hold of it they forget by: {}",
                            render_proposed_command("reindex-everything", &[]),
                            render_proposed_command("invalidate", &[key])
                        ),
                    ));
                }
                Ok(reply) if reply.status == 200 => {}
                Ok(reply) => {
                    let (why, next) = diagnose_edge_refusal(&reply, &self.known);
                    let check =
                        CheckResult::new_failed_check("metadata-fresh", format!("{key}: {why}"), next);
                    let (of_object, _) = judge_edge_refusal(&reply, &self.known);
                    return if of_object { Err(check) } else { Ok(check) };
                }
                Err(failure) => {
                    return Ok(CheckResult::new_unknown_check("metadata-fresh", failure.to_string()));
                }
            }
        }
        Ok(CheckResult::new_passed_check(
            "metadata-fresh",
            "repository metadata passes through, and is never a hit",
        ))
    }

    /// Checks that S3 refuses who asks it directly, without any signature.
    pub async fn check_bucket_not_public(&self) -> CheckResult {
        // Where nobody may list, S3 answers 403 for an absent key of an open bucket too: one that is there tells more.
        let metadata = self.samples.sample_metadata().first().map(String::as_str);
        let key = self.samples.first_sample_package().or(metadata).unwrap_or(ABSENT_KEY);
        let url = match self.target.cloud.resolve_bucket_url(&self.target.bucket.name).await {
            Ok(url) => format!("{}{}", url.trim_end_matches('/'), url_path_from_key(key)),
            Err(failure) => return CheckResult::new_unknown_check("bucket-closed", failure.to_string()),
        };
        match self.session.web.send_http_get(&url, &[]).await {
            Ok(reply) if reply.status == 403 => CheckResult::new_passed_check(
                "bucket-closed",
                "S3 itself refuses requests without a signature",
            ),
            Ok(reply) if reply.status >= 500 => CheckResult::new_unknown_check(
                "bucket-closed",
                format!(
                    "S3 itself answered {}, so whether it refuses requests without a signature isn't known",
                    reply.status
                ),
            ),
            Ok(reply) => CheckResult::new_failed_check(
                "bucket-closed",
                format!("S3 itself answered {} without a signature", reply.status),
                "the bucket is open to the world: take public access from its policy and ACLs",
            ),
            Err(failure) => CheckResult::new_unknown_check("bucket-closed", failure.to_string()),
        }
    }
}

fn read_x_cache_header(reply: &WebReply) -> &str {
    reply.find_header("x-cache").unwrap_or_default()
}

/// The same URL with the last hex digit of its token changed.
fn corrupt_url_token(url: &str) -> String {
    let mut forged = url.to_owned();
    let last = forged.pop();
    forged.push(if last == Some('0') { '1' } else { '0' });
    forged
}

/// Checks that the distribution is as `verify` and the gate want it: deployed, with the authenticator.
pub(crate) fn check_distribution_ready(
    distribution: Option<&CloudFrontDistribution>,
    function: &str,
) -> CheckResult {
    let Some(distribution) = distribution else {
        return CheckResult::new_failed_check(
            "distribution",
            "there is none",
            format!("create it with: {}", render_proposed_command("enable", &[])),
        );
    };
    let without = distribution.behaviors.iter().any(|behavior| {
        behavior.viewer_request.as_ref().is_none_or(|arn| !arn.contains(&format!(":function:{function}:")))
    });
    if without {
        return CheckResult::new_failed_check(
            "distribution",
            format!("{} has a behavior without the authenticator", distribution.id),
            format!(
                "put the authenticator back on every behavior with: {}",
                render_proposed_command("enable", &[])
            ),
        );
    }
    if distribution.status != "Deployed" {
        return CheckResult::new_failed_check(
            "distribution",
            format!("{} is still being deployed", distribution.id),
            "wait some minutes, then look again",
        );
    }
    if !distribution.enabled {
        return CheckResult::new_failed_check(
            "distribution",
            format!("{} is disabled in CloudFront", distribution.id),
            "enable it in CloudFront's console",
        );
    }
    CheckResult::new_passed_check(
        "distribution",
        format!("{} is deployed, with the authenticator on every behavior", distribution.id),
    )
}
