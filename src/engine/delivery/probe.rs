//! Requests as a package manager makes them: packagecloud's own redirect, and signed URLs at the edge.

use crate::aws::web::WebReply;
use crate::model::{
    failure::Failure,
    run::answers::Answers,
    secret::Secret,
    url::token::{self, MacAlgorithm, SigningScheme, TokenConstruction},
};

use crate::engine::session::{Session, Target, account};

/// What a sandbox's packagecloud takes as a read token.
const SANDBOX_READ_TOKEN: &str = "demo-token";

/// How long a link of ours holds, in seconds; packagecloud's hold as long.
pub const LINK_LIFETIME_SECONDS: u64 = 300;

/// What packagecloud answered to a download URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadRedirect {
    pub status: u16,
    /// Where to; `None` where it didn't redirect.
    pub location: Option<String>,
}

/// Where a redirect goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectTarget {
    /// To CloudFront, with a token.
    Edge,
    /// To S3, presigned.
    S3,
    /// Somewhere else, or nowhere.
    Elsewhere,
}

impl DownloadRedirect {
    #[must_use]
    pub fn redirect_target(&self) -> RedirectTarget {
        let Some(location) = &self.location else { return RedirectTarget::Elsewhere };
        match token::inspect_url(location, &[], 0, TokenConstruction::default()).scheme {
            SigningScheme::S3SigV2 | SigningScheme::S3SigV4 => RedirectTarget::S3,
            SigningScheme::Unsigned => RedirectTarget::Elsewhere,
            _ => RedirectTarget::Edge,
        }
    }

    /// The bucket, where it goes to S3.
    #[must_use]
    pub fn bucket_name(&self) -> Option<String> {
        if self.redirect_target() != RedirectTarget::S3 {
            return None;
        }
        let (host, path) = split_host_and_path(self.location.as_deref()?)?;
        match host.split_once(".s3") {
            Some((bucket, _)) => Some(bucket.to_owned()),
            None => path.trim_start_matches('/').split('/').next().map(str::to_owned),
        }
    }

    /// In words, without the token: `302 to S3`.
    #[must_use]
    pub fn describe(&self) -> String {
        let host =
            self.location.as_deref().and_then(split_host_and_path).map(|(host, _)| host).unwrap_or_default();
        match self.redirect_target() {
            RedirectTarget::Edge => format!("{} to CloudFront ({host})", self.status),
            RedirectTarget::S3 => format!("{} to S3 ({host})", self.status),
            RedirectTarget::Elsewhere if host.is_empty() => format!("{} without a redirect", self.status),
            RedirectTarget::Elsewhere => format!("{} to {host}", self.status),
        }
    }
}

/// The path of a key in a URL.
#[must_use]
pub fn url_path_from_key(key: &str) -> String {
    token::encode_canonical_path(&format!("/{key}"))
}

/// The construction by which the link `location` was signed with `secret`, if by any; `accepted` is tried first.
#[must_use]
pub fn find_signing_construction(
    location: &str,
    secret: &Secret,
    accepted: TokenConstruction,
) -> Option<TokenConstruction> {
    token::inspect_url(location, std::slice::from_ref(secret), 0, accepted).construction
}

/// The host and the path with its query of an absolute URL.
pub(crate) fn split_host_and_path(url: &str) -> Option<(&str, &str)> {
    let rest = url.split_once("://")?.1;
    let end = rest.find('/').unwrap_or(rest.len());
    Some((&rest[..end], &rest[end..]))
}

/// The URL to ask packagecloud for: as given; in a sandbox that of `key`.
fn resolve_probe_url(session: &Session, answers: &Answers, key: Option<&str>) -> Option<String> {
    if let Some(url) = &answers.probe_url {
        return Some(url.clone());
    }
    let sandbox = session.settings.sandbox.as_ref()?;
    Some(format!("{}{}", sandbox.packagecloud, url_path_from_key(key.unwrap_or(ABSENT_KEY))))
}

/// A key that no repository has: what it is answered tells whether the road is open.
pub const ABSENT_KEY: &str = "0/0/packagecloud-cloudfront/absent.deb";

/// Whether packagecloud's own redirect can be asked for at all.
#[must_use]
pub fn can_probe_redirect(session: &Session, answers: &Answers) -> bool {
    resolve_probe_url(session, answers, None).is_some()
}

/// packagecloud's own answer to the probe URL; `None` where no URL is known.
pub async fn probe_redirect(
    session: &Session,
    answers: &Answers,
    key: Option<&str>,
) -> Result<Option<DownloadRedirect>, Failure> {
    let Some(url) = resolve_probe_url(session, answers, key) else { return Ok(None) };
    let token = session.settings.probe_token.as_ref().map(Secret::expose_secret);
    let token = token.or_else(|| session.settings.sandbox.as_ref().map(|_| SANDBOX_READ_TOKEN));
    let authorization = token.map(|token| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        format!("Basic {}", STANDARD.encode(format!("{token}:")))
    });
    let headers: Vec<(&str, &str)> =
        authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    let reply = session.web.http_get(&url, &headers).await?;
    Ok(Some(DownloadRedirect {
        status: reply.status,
        location: reply.find_header("location").map(str::to_owned),
    }))
}

/// Follows a redirect to the edge, as a client would, through `--edge-url` where that is given.
pub async fn follow_redirect(session: &Session, location: &str) -> Result<WebReply, Failure> {
    let url = match split_host_and_path(location) {
        Some((host, path)) if session.web.has_edge_override() => session.web.edge_url(host, path),
        _ => location.to_owned(),
    };
    session.web.http_get(&url, &[]).await
}

/// What a signed URL is asked with.
pub struct SignedUrlRequest<'a> {
    pub domain: &'a str,
    pub key: &'a str,
    pub construction: TokenConstruction,
    pub mac: MacAlgorithm,
    /// Seconds from now; negative is expired.
    pub lifetime: i64,
}

/// The path and query of a signed URL.
pub fn sign_url(secret: &Secret, signed: &SignedUrlRequest<'_>, now: u64) -> Result<String, Failure> {
    let expires = now.saturating_add_signed(signed.lifetime);
    let key = signed.construction.key.derive_hmac_key(secret)?;
    let token = token::sign_token(&key, signed.key, expires, signed.mac, signed.construction, signed.domain);
    Ok(format!("{}?t={token}", url_path_from_key(signed.key)))
}

/// Asks the edge for a path.
pub async fn fetch_from_edge(
    session: &Session,
    domain: &str,
    path_and_query: &str,
) -> Result<WebReply, Failure> {
    session.web.http_get(&session.web.edge_url(domain, path_and_query), &[]).await
}

/// A real package to ask for, the smallest of those listed, under 1 MiB where there is one; and a piece of repository
/// metadata. Where a first page holds not both, as a repository with many indexes may, it looks further.
pub async fn find_sample_keys(target: &Target) -> Result<SampleKeys, Failure> {
    use crate::model::packagecloud::object::{ObjectClass, ObjectClassifier};
    const FURTHER_KEYS_MAX: usize = 50_000;
    let classes = ObjectClassifier::default();
    let mut samples = SampleKeys::default();
    for further in [false, true] {
        let listed = if further {
            target.cloud.list_objects(target.names.bucket_name(), "", FURTHER_KEYS_MAX).await?
        } else {
            target.read_bucket_listing().await?
        };
        let smallest = |wanted: ObjectClass| {
            listed
                .iter()
                .filter(|object| object.size > 0 && classes.classify_key(&object.key) == wanted)
                .min_by_key(|object| object.size)
                .map(|object| object.key.clone())
        };
        samples =
            SampleKeys { package: smallest(ObjectClass::Package), metadata: smallest(ObjectClass::Metadata) };
        if listed.len() < account::SAMPLED_KEYS_MAX
            || (samples.package.is_some() && samples.metadata.is_some())
        {
            break;
        }
    }
    Ok(samples)
}

/// Keys to probe with; absent in an empty bucket.
#[derive(Debug, Clone, Default)]
pub struct SampleKeys {
    pub package: Option<String>,
    pub metadata: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_redirect_goes() {
        let to = |location: &str| DownloadRedirect { status: 302, location: Some(location.to_owned()) };
        let edge =
            to("https://d1.cloudfront.net/7/8/a.deb?t=1618409761_0123456789012345678901234567890123456789");
        assert_eq!((edge.redirect_target(), edge.bucket_name()), (RedirectTarget::Edge, None));
        let old = to("https://shop.s3.amazonaws.com/7/8/a.deb?AWSAccessKeyId=A&Expires=1&Signature=x");
        assert_eq!((old.redirect_target(), old.bucket_name().as_deref()), (RedirectTarget::S3, Some("shop")));
        let path =
            to("https://s3.eu-west-1.amazonaws.com/shop/7/8/a.deb?AWSAccessKeyId=A&Expires=1&Signature=x");
        assert_eq!(path.bucket_name().as_deref(), Some("shop"));
        assert_eq!(DownloadRedirect { status: 401, location: None }.describe(), "401 without a redirect");
    }
}
