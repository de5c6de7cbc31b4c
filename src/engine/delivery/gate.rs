//! Whether packages are served, and only with a token: the signed probes behind which CloudFront goes on, and most of what `verify` says.

use bytes::Bytes;

use crate::aws::web::WebReply;
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
    diagnosis::{DiagnosisFacts, diagnose_edge_refusal, diagnose_unreachable_domain},
    probe::{self, LINK_LIFETIME_SECONDS, SampleObjectKeys, SignedUrlSpec},
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
}

impl EdgeProber<'_> {
    fn current_unix_seconds(&self) -> u64 {
        self.session.host.clock.read_host_clock().as_secs()
    }

    fn sign_probe_path(&self, key: &str, mac: TokenMacAlgorithm, lifetime: i64) -> Result<String, Failure> {
        let signed =
            SignedUrlSpec { domain: self.domain, key, construction: self.construction, mac, lifetime };
        probe::sign_probe_url(self.secret, &signed, self.current_unix_seconds())
    }

    async fn probe_edge_path(&self, path_and_query: &str) -> Result<WebReply, Failure> {
        probe::fetch_path_from_edge(self.session, self.domain, path_and_query).await
    }

    /// Checks that signed probes in both forms answer, and that without a token nothing does. This must pass before CloudFront goes on.
    pub async fn check_edge_before_switch(&self) -> Vec<CheckResult> {
        let mut checks = Vec::new();
        let object = self.read_sampled_package_bytes().await;
        for (mac, name) in [
            (TokenMacAlgorithm::Sha1, CheckId::SignedUrl.name()),
            (TokenMacAlgorithm::Sha256, "signed-url-sha256"),
        ] {
            checks.push(self.check_signed_url_responses(mac, name, object.as_ref()).await);
        }
        let key = self.samples.package.as_deref().unwrap_or(ABSENT_KEY);
        let bare = url_path_from_key(key);
        checks.push(self.check_edge_refuses_request(CheckId::NoToken.name(), &bare, "without a token").await);
        checks
    }

    /// A signed URL of a real package answers with its bytes; of an absent key, S3's 404.
    async fn check_signed_url_responses(
        &self,
        mac: TokenMacAlgorithm,
        name: &str,
        object: Option<&Result<Bytes, Failure>>,
    ) -> CheckResult {
        let (key, wanted) = match &self.samples.package {
            Some(key) => (key.as_str(), 200),
            None => (ABSENT_KEY, 404),
        };
        let answer = match self.sign_probe_path(key, mac, LINK_LIFETIME_SECONDS.cast_signed()) {
            Ok(path) => self.probe_edge_path(&path).await,
            Err(failure) => return CheckResult::new_failed_check(name, failure.to_string(), failure.next),
        };
        match answer {
            Ok(reply) if reply.status == wanted && wanted == 404 => CheckResult::new_passed_check(
                name,
                "the bucket has no package yet: a signed URL of an absent key answers S3's 404",
            ),
            Ok(reply) if reply.status == wanted => {
                match object
                    .map(|object| object.as_ref().map(|object| has_expected_object_bytes(object, &reply)))
                {
                    Some(Ok(true)) => CheckResult::new_passed_check(
                        name,
                        format!("200, {} bytes, the object's own", reply.body.len()),
                    ),
                    Some(Ok(false)) | None => CheckResult::new_failed_check(
                        name,
                        "200, but not with the object's bytes",
                        "look at what else serves this distribution's domain",
                    ),
                    Some(Err(failure)) => CheckResult::new_unknown_check(
                        name,
                        format!("200; the object could not be read from S3 ({})", failure.why),
                    ),
                }
            }
            Ok(reply) => {
                let (why, next) = diagnose_edge_refusal(&reply, &self.known);
                CheckResult::new_failed_check(name, why, next)
            }
            Err(failure) => {
                let (why, next) = diagnose_unreachable_domain(self.domain, &failure);
                CheckResult::new_failed_check(name, why, next)
            }
        }
    }

    /// The sampled package's first MiB, as S3 has it.
    async fn read_sampled_package_bytes(&self) -> Option<Result<Bytes, Failure>> {
        let key = self.samples.package.as_ref()?;
        Some(self.target.cloud.read_object_start(self.target.names.bucket_name(), key, 1024 * 1024).await)
    }

    /// A request that must be refused: passes on 403.
    async fn check_edge_refuses_request(&self, name: &str, path_and_query: &str, what: &str) -> CheckResult {
        match self.probe_edge_path(path_and_query).await {
            Ok(reply) if reply.status == 403 => {
                let reason = reply.find_header("x-packagecloud-cloudfront").unwrap_or("403");
                CheckResult::new_passed_check(name, format!("{what} it is refused ({reason})"))
            }
            Ok(reply) => CheckResult::new_failed_check(
                name,
                format!("{what} it answered {} instead of 403", reply.status),
                "private packages may be open: press D (or run disable), and look at the distribution's behaviors",
            ),
            Err(failure) => CheckResult::new_unknown_check(name, failure.to_string()),
        }
    }

    /// Checks that the tokens are refused that must be.
    pub async fn run_negative_edge_probes(&self) -> Vec<CheckResult> {
        let key = self.samples.package.as_deref().unwrap_or(ABSENT_KEY);
        let path = url_path_from_key(key);
        let Ok(good) =
            self.sign_probe_path(key, TokenMacAlgorithm::Sha1, LINK_LIFETIME_SECONDS.cast_signed())
        else {
            return Vec::new();
        };
        let Ok(expired) = self.sign_probe_path(key, TokenMacAlgorithm::Sha1, -60) else { return Vec::new() };
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
        match &self.samples.package {
            None => checks.push(CheckResult::new_unknown_check("package-cached", "no package yet")),
            Some(key) => checks.push(self.check_edge_caches_package(key).await),
        }
        match &self.samples.metadata {
            None => {
                checks.push(CheckResult::new_unknown_check("metadata-fresh", "no repository metadata yet"));
            }
            Some(key) => checks.push(self.check_repo_metadata_uncached(key).await),
        }
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
                        "the edge answers it from its cache",
                    );
                }
                Ok(reply) if reply.status == 200 => {}
                Ok(reply) => {
                    let (why, next) = diagnose_edge_refusal(&reply, &self.known);
                    return CheckResult::new_failed_check("package-cached", why, next);
                }
                Err(failure) => return CheckResult::new_unknown_check("package-cached", failure.to_string()),
            }
        }
        CheckResult::new_unknown_check(
            "package-cached",
            "no hit within five tries: its Cache-Control may want the reindex (reindex-everything --rescan), or other edges answered",
        )
    }

    async fn check_repo_metadata_uncached(&self, key: &str) -> CheckResult {
        for _ in 0..3 {
            match self.probe_signed_url(key).await {
                Ok(reply) if read_x_cache_header(&reply).starts_with("Hit") => {
                    return CheckResult::new_failed_check(
                        "metadata-fresh",
                        format!("the edge answered {key} from its cache"),
                        "run reindex-everything: repository metadata must carry no-store",
                    );
                }
                Ok(reply) if reply.status == 200 => {}
                Ok(reply) => {
                    let (why, next) = diagnose_edge_refusal(&reply, &self.known);
                    return CheckResult::new_failed_check("metadata-fresh", why, next);
                }
                Err(failure) => return CheckResult::new_unknown_check("metadata-fresh", failure.to_string()),
            }
        }
        CheckResult::new_passed_check(
            "metadata-fresh",
            "repository metadata passes through, and is never a hit",
        )
    }

    /// Checks that S3 refuses who asks it directly, without any signature.
    pub async fn check_bucket_not_public(&self) -> CheckResult {
        let key = self.samples.package.as_deref().unwrap_or(ABSENT_KEY);
        let bucket = &self.target.bucket;
        let url = match &self.session.settings.endpoint_url {
            Some(endpoint) => {
                format!("{}/{}{}", endpoint.trim_end_matches('/'), bucket.name, url_path_from_key(key))
            }
            None => format!(
                "https://{}.s3.{}.amazonaws.com{}",
                bucket.name,
                bucket.region,
                url_path_from_key(key)
            ),
        };
        match self.session.web.send_http_get(&url, &[]).await {
            Ok(reply) if reply.status == 403 => {
                CheckResult::new_passed_check("bucket-closed", "S3 itself refuses who has no signature")
            }
            Ok(reply) => CheckResult::new_failed_check(
                "bucket-closed",
                format!("S3 itself answered {} without a signature", reply.status),
                "the bucket is open to the world: take public access from its policy and ACLs",
            ),
            Err(failure) => CheckResult::new_unknown_check("bucket-closed", failure.to_string()),
        }
    }
}

fn has_expected_object_bytes(object: &Bytes, reply: &WebReply) -> bool {
    let compared = object.len().min(reply.body.len());
    compared > 0 && object[..compared] == reply.body[..compared]
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
        return CheckResult::new_failed_check("distribution", "there is none", "run enable");
    };
    let without = distribution.behaviors.iter().any(|behavior| {
        behavior.viewer_request.as_ref().is_none_or(|arn| !arn.contains(&format!(":function:{function}:")))
    });
    if without {
        return CheckResult::new_failed_check(
            "distribution",
            format!("{} has a behavior without the authenticator", distribution.id),
            "run enable: it puts the authenticator back on every behavior",
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
