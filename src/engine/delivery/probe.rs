//! Requests as a package manager makes them: packagecloud's own redirect, and signed URLs at the edge.

use crate::aws::web::Reply;
use crate::model::{
    run::{answers::Answers, failure::Failure},
    secret::Secret,
    url::token::{self, Construction, Mac, Scheme},
};

use crate::engine::session::{Ground, Scene, account};

/// What a sandbox's packagecloud takes as a read token.
const SANDBOX_TOKEN: &str = "demo-token";

/// How long a link of ours holds, in seconds; packagecloud's hold as long.
pub const LIFETIME: u64 = 300;

/// What packagecloud answered to a download URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    pub status: u16,
    /// Where to; `None` where it didn't redirect.
    pub location: Option<String>,
}

/// Where a redirect goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// To CloudFront, with a token.
    Edge,
    /// To S3, presigned.
    S3,
    /// Somewhere else, or nowhere.
    Elsewhere,
}

impl Redirect {
    #[must_use]
    pub fn place(&self) -> Place {
        let Some(location) = &self.location else { return Place::Elsewhere };
        match token::inspect(location, &[], 0, Construction::default()).scheme {
            Scheme::S3SigV2 | Scheme::S3SigV4 => Place::S3,
            Scheme::Unsigned => Place::Elsewhere,
            _ => Place::Edge,
        }
    }

    /// The bucket, where it goes to S3.
    #[must_use]
    pub fn bucket(&self) -> Option<String> {
        if self.place() != Place::S3 {
            return None;
        }
        let (host, path) = host_and_path(self.location.as_deref()?)?;
        match host.split_once(".s3") {
            Some((bucket, _)) => Some(bucket.to_owned()),
            None => path.trim_start_matches('/').split('/').next().map(str::to_owned),
        }
    }

    /// In words, without the token: `302 to S3`.
    #[must_use]
    pub fn words(&self) -> String {
        let host = self.location.as_deref().and_then(host_and_path).map(|(host, _)| host).unwrap_or_default();
        match self.place() {
            Place::Edge => format!("{} to CloudFront ({host})", self.status),
            Place::S3 => format!("{} to S3 ({host})", self.status),
            Place::Elsewhere if host.is_empty() => format!("{} without a redirect", self.status),
            Place::Elsewhere => format!("{} to {host}", self.status),
        }
    }
}

/// The path of a key in a URL.
#[must_use]
pub fn path_of(key: &str) -> String {
    token::canonical(&format!("/{key}"))
}

/// The construction by which the link `location` was signed with `secret`, if by any; `accepted` is tried first.
#[must_use]
pub fn fitting(location: &str, secret: &Secret, accepted: Construction) -> Option<Construction> {
    token::inspect(location, std::slice::from_ref(secret), 0, accepted).construction
}

/// The host and the path with its query of an absolute URL.
pub(crate) fn host_and_path(url: &str) -> Option<(&str, &str)> {
    let rest = url.split_once("://")?.1;
    let end = rest.find('/').unwrap_or(rest.len());
    Some((&rest[..end], &rest[end..]))
}

/// The URL to ask packagecloud for: as given; in a sandbox that of `key`.
fn probe_url(ground: &Ground, answers: &Answers, key: Option<&str>) -> Option<String> {
    if let Some(url) = &answers.probe_url {
        return Some(url.clone());
    }
    let sandbox = ground.settings.sandbox.as_ref()?;
    Some(format!("{}{}", sandbox.packagecloud, path_of(key.unwrap_or(ABSENT))))
}

/// A key that no repository has: what it is answered tells whether the road is open.
pub const ABSENT: &str = "0/0/packagecloud-cloudfront/absent.deb";

/// Whether packagecloud's own redirect can be asked for at all.
#[must_use]
pub fn can_ask(ground: &Ground, answers: &Answers) -> bool {
    probe_url(ground, answers, None).is_some()
}

/// packagecloud's own answer to the probe URL; `None` where no URL is known.
pub async fn redirect(
    ground: &Ground,
    answers: &Answers,
    key: Option<&str>,
) -> Result<Option<Redirect>, Failure> {
    let Some(url) = probe_url(ground, answers, key) else { return Ok(None) };
    let token = ground.settings.probe_token.as_ref().map(Secret::expose);
    let token = token.or_else(|| ground.settings.sandbox.as_ref().map(|_| SANDBOX_TOKEN));
    let authorization = token.map(|token| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        format!("Basic {}", STANDARD.encode(format!("{token}:")))
    });
    let headers: Vec<(&str, &str)> =
        authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    let reply = ground.web.get(&url, &headers).await?;
    Ok(Some(Redirect { status: reply.status, location: reply.header("location").map(str::to_owned) }))
}

/// Follows a redirect to the edge, as a client would, through `--edge-url` where that is given.
pub async fn follow(ground: &Ground, location: &str) -> Result<Reply, Failure> {
    let url = match host_and_path(location) {
        Some((host, path)) if ground.web.elsewhere() => ground.web.at_the_edge(host, path),
        _ => location.to_owned(),
    };
    ground.web.get(&url, &[]).await
}

/// What a signed URL is asked with.
pub struct Signed<'a> {
    pub domain: &'a str,
    pub key: &'a str,
    pub construction: Construction,
    pub mac: Mac,
    /// Seconds from now; negative is expired.
    pub lifetime: i64,
}

/// The path and query of a signed URL.
pub fn sign(secret: &Secret, signed: &Signed<'_>, now: u64) -> Result<String, Failure> {
    let expires = now.saturating_add_signed(signed.lifetime);
    let key = signed.construction.key.key(secret)?;
    let token = token::sign(&key, signed.key, expires, signed.mac, signed.construction, signed.domain);
    Ok(format!("{}?t={token}", path_of(signed.key)))
}

/// Asks the edge for a path.
pub async fn ask(ground: &Ground, domain: &str, path_and_query: &str) -> Result<Reply, Failure> {
    ground.web.get(&ground.web.at_the_edge(domain, path_and_query), &[]).await
}

/// A real package to ask for, the smallest of those listed, under 1 MiB where there is one; and a piece of repository
/// metadata. Where a first page holds not both, as a repository with many indexes may, it looks further.
pub async fn samples(scene: &Scene) -> Result<Samples, Failure> {
    use crate::model::packagecloud::object::{Class, Classes};
    const MANY: usize = 50_000;
    let classes = Classes::default();
    let mut samples = Samples::default();
    for further in [false, true] {
        let listed = if further {
            scene.cloud.list(scene.names.bucket(), "", MANY).await?
        } else {
            scene.listing().await?
        };
        let smallest = |wanted: Class| {
            listed
                .iter()
                .filter(|object| object.size > 0 && classes.class(&object.key) == wanted)
                .min_by_key(|object| object.size)
                .map(|object| object.key.clone())
        };
        samples = Samples { package: smallest(Class::Package), metadata: smallest(Class::Metadata) };
        if listed.len() < account::SAMPLE || (samples.package.is_some() && samples.metadata.is_some()) {
            break;
        }
    }
    Ok(samples)
}

/// Keys to probe with; absent in an empty bucket.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    pub package: Option<String>,
    pub metadata: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_redirect_goes() {
        let to = |location: &str| Redirect { status: 302, location: Some(location.to_owned()) };
        let edge =
            to("https://d1.cloudfront.net/7/8/a.deb?t=1618409761_0123456789012345678901234567890123456789");
        assert_eq!((edge.place(), edge.bucket()), (Place::Edge, None));
        let old = to("https://shop.s3.amazonaws.com/7/8/a.deb?AWSAccessKeyId=A&Expires=1&Signature=x");
        assert_eq!((old.place(), old.bucket().as_deref()), (Place::S3, Some("shop")));
        let path =
            to("https://s3.eu-west-1.amazonaws.com/shop/7/8/a.deb?AWSAccessKeyId=A&Expires=1&Signature=x");
        assert_eq!(path.bucket().as_deref(), Some("shop"));
        assert_eq!(Redirect { status: 401, location: None }.words(), "401 without a redirect");
    }
}
