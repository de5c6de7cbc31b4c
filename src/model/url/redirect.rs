//! packagecloud's answer to a download: a redirect to CloudFront, to S3, or elsewhere.

use super::token::{self, UrlSigningScheme, UrlTokenConstruction};

/// What packagecloud answered to a download URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagecloudDownloadReply {
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

impl PackagecloudDownloadReply {
    /// Returns where it goes, by how its link is signed.
    #[must_use]
    pub fn classify_redirect_target(&self) -> RedirectTarget {
        let Some(location) = &self.location else { return RedirectTarget::Elsewhere };
        match token::inspect_url(location, &[], 0, UrlTokenConstruction::default()).scheme {
            UrlSigningScheme::S3SigV2 | UrlSigningScheme::S3SigV4 => RedirectTarget::S3,
            UrlSigningScheme::Unsigned => RedirectTarget::Elsewhere,
            _ => RedirectTarget::Edge,
        }
    }

    /// Returns the bucket, where it goes to S3.
    #[must_use]
    pub fn redirect_bucket_name(&self) -> Option<String> {
        if self.classify_redirect_target() != RedirectTarget::S3 {
            return None;
        }
        let (host, path) = split_host_and_path(self.location.as_deref()?)?;
        match host.split_once(".s3") {
            Some((bucket, _)) => Some(bucket.to_owned()),
            None => path.trim_start_matches('/').split('/').next().map(str::to_owned),
        }
    }

    /// Says it in words, without the token: `302 to S3`.
    #[must_use]
    pub fn describe_redirect(&self) -> String {
        let host =
            self.location.as_deref().and_then(split_host_and_path).map(|(host, _)| host).unwrap_or_default();
        match self.classify_redirect_target() {
            RedirectTarget::Edge => format!("{} to CloudFront ({host})", self.status),
            RedirectTarget::S3 => format!("{} to S3 ({host})", self.status),
            RedirectTarget::Elsewhere if host.is_empty() => format!("{} without a redirect", self.status),
            RedirectTarget::Elsewhere => format!("{} to {host}", self.status),
        }
    }
}

/// Returns the path of a key in a URL.
#[must_use]
pub fn url_path_from_key(key: &str) -> String {
    token::encode_canonical_path(&format!("/{key}"))
}

/// Returns the host, without a user and a password, and the path with its query of an absolute URL.
#[must_use]
pub fn split_host_and_path(url: &str) -> Option<(&str, &str)> {
    let rest = url.split_once("://")?.1;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    Some((host, &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_redirect_goes() {
        let to =
            |location: &str| PackagecloudDownloadReply { status: 302, location: Some(location.to_owned()) };
        let edge =
            to("https://d1.cloudfront.net/7/8/a.deb?t=1618409761_0123456789012345678901234567890123456789");
        assert_eq!(
            (edge.classify_redirect_target(), edge.redirect_bucket_name()),
            (RedirectTarget::Edge, None)
        );
        let old = to("https://shop.s3.amazonaws.com/7/8/a.deb?AWSAccessKeyId=A&Expires=1&Signature=x");
        assert_eq!(
            (old.classify_redirect_target(), old.redirect_bucket_name().as_deref()),
            (RedirectTarget::S3, Some("shop"))
        );
        let path =
            to("https://s3.eu-west-1.amazonaws.com/shop/7/8/a.deb?AWSAccessKeyId=A&Expires=1&Signature=x");
        assert_eq!(path.redirect_bucket_name().as_deref(), Some("shop"));
        assert_eq!(
            PackagecloudDownloadReply { status: 401, location: None }.describe_redirect(),
            "401 without a redirect"
        );
    }

    #[test]
    fn a_user_and_a_password_are_no_part_of_the_host() {
        for (location, host, path) in [
            ("https://user:pass@d1.cloudfront.net/7/8/a.deb?t=1", "d1.cloudfront.net", "/7/8/a.deb?t=1"),
            ("https://d1.cloudfront.net?t=user@x", "d1.cloudfront.net", "?t=user@x"),
        ] {
            assert_eq!(split_host_and_path(location), Some((host, path)));
            let reply = PackagecloudDownloadReply { status: 302, location: Some(location.to_owned()) };
            assert!(!reply.describe_redirect().contains("user"), "{}", reply.describe_redirect());
        }
    }
}
