//! Is the road open, and only with a token? The signed probes behind which CloudFront goes on, and most of what `verify` says.

use bytes::Bytes;

use crate::aws::web::Reply;
use crate::model::{
    aws::evidence::Distribution,
    run::{check::Check, failure::Failure},
    secret::Secret,
    url::token::{Construction, Mac},
};

use super::{
    diagnosis::{Known, refusal, unreachable},
    probe::{self, ABSENT, LIFETIME, Samples, Signed, path_of},
};
use crate::engine::session::{Ground, Scene};

/// What the probes are made with.
pub struct Gate<'a> {
    pub ground: &'a Ground,
    pub scene: &'a Scene,
    pub domain: &'a str,
    pub secret: &'a Secret,
    pub construction: Construction,
    pub samples: Samples,
    pub known: Known,
}

impl Gate<'_> {
    fn now(&self) -> u64 {
        self.ground.host.clock.now().as_secs()
    }

    fn signed(&self, key: &str, mac: Mac, lifetime: i64) -> Result<String, Failure> {
        let signed = Signed { domain: self.domain, key, construction: self.construction, mac, lifetime };
        probe::sign(self.secret, &signed, self.now())
    }

    async fn ask(&self, path_and_query: &str) -> Result<Reply, Failure> {
        probe::ask(self.ground, self.domain, path_and_query).await
    }

    /// Signed probes in both forms answer; without a token nothing does. This must pass before CloudFront goes on.
    pub async fn opens(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        let object = self.object().await;
        for (mac, name) in [(Mac::Sha1, "signed-url"), (Mac::Sha256, "signed-url-sha256")] {
            checks.push(self.signed_url(mac, name, object.as_ref()).await);
        }
        let key = self.samples.package.as_deref().unwrap_or(ABSENT);
        let bare = path_of(key);
        checks.push(self.refused("no-token", &bare, "without a token").await);
        checks
    }

    /// A signed URL of a real package answers with its bytes; of an absent key, S3's 404.
    async fn signed_url(&self, mac: Mac, name: &str, object: Option<&Result<Bytes, Failure>>) -> Check {
        let (key, wanted) = match &self.samples.package {
            Some(key) => (key.as_str(), 200),
            None => (ABSENT, 404),
        };
        let answer = match self.signed(key, mac, LIFETIME.cast_signed()) {
            Ok(path) => self.ask(&path).await,
            Err(failure) => return Check::fail(name, failure.to_string(), failure.next),
        };
        match answer {
            Ok(reply) if reply.status == wanted && wanted == 404 => Check::pass(
                name,
                "the bucket has no package yet: a signed URL of an absent key answers S3's 404",
            ),
            Ok(reply) if reply.status == wanted => {
                match object.map(|object| object.as_ref().map(|object| is_of(object, &reply))) {
                    Some(Ok(true)) => {
                        Check::pass(name, format!("200, {} bytes, the object's own", reply.body.len()))
                    }
                    Some(Ok(false)) | None => Check::fail(
                        name,
                        "200, but not with the object's bytes",
                        "look at what else serves this distribution's domain",
                    ),
                    Some(Err(failure)) => Check::unknown(
                        name,
                        format!("200; the object could not be read from S3 ({})", failure.why),
                    ),
                }
            }
            Ok(reply) => {
                let (why, next) = refusal(&reply, &self.known);
                Check::fail(name, why, next)
            }
            Err(failure) => {
                let (why, next) = unreachable(self.domain, &failure);
                Check::fail(name, why, next)
            }
        }
    }

    /// The sampled package's first MiB, as S3 has it.
    async fn object(&self) -> Option<Result<Bytes, Failure>> {
        let key = self.samples.package.as_ref()?;
        Some(self.scene.cloud.get_object(self.scene.names.bucket(), key, 1024 * 1024).await)
    }

    /// A request that must be refused: passes on 403.
    async fn refused(&self, name: &str, path_and_query: &str, what: &str) -> Check {
        match self.ask(path_and_query).await {
            Ok(reply) if reply.status == 403 => {
                let reason = reply.header("x-packagecloud-cloudfront").unwrap_or("403");
                Check::pass(name, format!("{what} it is refused ({reason})"))
            }
            Ok(reply) => Check::fail(
                name,
                format!("{what} it answered {} instead of 403", reply.status),
                "private packages may be open: press D (or run disable), and look at the distribution's behaviors",
            ),
            Err(failure) => Check::unknown(name, failure.to_string()),
        }
    }

    /// The tokens that must be refused.
    pub async fn forged(&self) -> Vec<Check> {
        let key = self.samples.package.as_deref().unwrap_or(ABSENT);
        let path = path_of(key);
        let Ok(good) = self.signed(key, Mac::Sha1, LIFETIME.cast_signed()) else { return Vec::new() };
        let Ok(expired) = self.signed(key, Mac::Sha1, -60) else { return Vec::new() };
        let moved = self.signed(&format!("{key}x"), Mac::Sha1, LIFETIME.cast_signed()).unwrap_or_default();
        let forged = forge(&good);
        let moved = moved.split_once('?').map(|(_, query)| format!("{path}?{query}")).unwrap_or_default();
        vec![
            self.refused("no-token", &path, "without a token").await,
            self.refused("forged-token", &forged, "with a forged token").await,
            self.refused("expired-token", &expired, "with an expired token").await,
            self.refused("moved-token", &moved, "with another file's token").await,
        ]
    }

    /// A package is a hit within five tries; repository metadata never is.
    pub async fn caching(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        match &self.samples.package {
            None => checks.push(Check::unknown("package-cached", "no package yet")),
            Some(key) => checks.push(self.package_cached(key).await),
        }
        match &self.samples.metadata {
            None => checks.push(Check::unknown("metadata-fresh", "no repository metadata yet")),
            Some(key) => checks.push(self.metadata_fresh(key).await),
        }
        checks
    }

    async fn tried(&self, key: &str) -> Result<Reply, Failure> {
        self.ask(&self.signed(key, Mac::Sha1, LIFETIME.cast_signed())?).await
    }

    async fn package_cached(&self, key: &str) -> Check {
        for _ in 0..5 {
            match self.tried(key).await {
                Ok(reply) if x_cache(&reply).starts_with("Hit") => {
                    return Check::pass("package-cached", "the edge answers it from its cache");
                }
                Ok(reply) if reply.status == 200 => {}
                Ok(reply) => {
                    let (why, next) = refusal(&reply, &self.known);
                    return Check::fail("package-cached", why, next);
                }
                Err(failure) => return Check::unknown("package-cached", failure.to_string()),
            }
        }
        Check::unknown(
            "package-cached",
            "no hit within five tries: its Cache-Control may want the reindex (reindex-everything --rescan), or other edges answered",
        )
    }

    async fn metadata_fresh(&self, key: &str) -> Check {
        for _ in 0..3 {
            match self.tried(key).await {
                Ok(reply) if x_cache(&reply).starts_with("Hit") => {
                    return Check::fail(
                        "metadata-fresh",
                        format!("the edge answered {key} from its cache"),
                        "run reindex-everything: repository metadata must carry no-store",
                    );
                }
                Ok(reply) if reply.status == 200 => {}
                Ok(reply) => {
                    let (why, next) = refusal(&reply, &self.known);
                    return Check::fail("metadata-fresh", why, next);
                }
                Err(failure) => return Check::unknown("metadata-fresh", failure.to_string()),
            }
        }
        Check::pass("metadata-fresh", "repository metadata passes through, and is never a hit")
    }

    /// S3 asked directly, without any signature, refuses.
    pub async fn bucket_closed(&self) -> Check {
        let key = self.samples.package.as_deref().unwrap_or(ABSENT);
        let bucket = &self.scene.bucket;
        let url = match &self.ground.settings.endpoint_url {
            Some(endpoint) => format!("{}/{}{}", endpoint.trim_end_matches('/'), bucket.name, path_of(key)),
            None => format!("https://{}.s3.{}.amazonaws.com{}", bucket.name, bucket.region, path_of(key)),
        };
        match self.ground.web.get(&url, &[]).await {
            Ok(reply) if reply.status == 403 => {
                Check::pass("bucket-closed", "S3 itself refuses who has no signature")
            }
            Ok(reply) => Check::fail(
                "bucket-closed",
                format!("S3 itself answered {} without a signature", reply.status),
                "the bucket is open to the world: take public access from its policy and ACLs",
            ),
            Err(failure) => Check::unknown("bucket-closed", failure.to_string()),
        }
    }
}

fn is_of(object: &Bytes, reply: &Reply) -> bool {
    let compared = object.len().min(reply.body.len());
    compared > 0 && object[..compared] == reply.body[..compared]
}

fn x_cache(reply: &Reply) -> &str {
    reply.header("x-cache").unwrap_or_default()
}

/// The same URL with the last hex digit of its token changed.
fn forge(url: &str) -> String {
    let mut forged = url.to_owned();
    let last = forged.pop();
    forged.push(if last == Some('0') { '1' } else { '0' });
    forged
}

/// The distribution as `verify` and the gate want it: deployed, with the authenticator.
pub(crate) fn deployed(distribution: Option<&Distribution>, function: &str) -> Check {
    let Some(distribution) = distribution else {
        return Check::fail("distribution", "there is none", "run enable");
    };
    let without = distribution.behaviors.iter().any(|behavior| {
        behavior.viewer_request.as_ref().is_none_or(|arn| !arn.contains(&format!(":function:{function}:")))
    });
    if without {
        return Check::fail(
            "distribution",
            format!("{} has a behavior without the authenticator", distribution.id),
            "run enable: it puts the authenticator back on every behavior",
        );
    }
    if distribution.status != "Deployed" {
        return Check::fail(
            "distribution",
            format!("{} is still being deployed", distribution.id),
            "wait some minutes, then look again",
        );
    }
    if !distribution.enabled {
        return Check::fail(
            "distribution",
            format!("{} is disabled in CloudFront", distribution.id),
            "enable it in CloudFront's console",
        );
    }
    Check::pass(
        "distribution",
        format!("{} is deployed, with the authenticator on every behavior", distribution.id),
    )
}
