//! packagecloud's answer to a download: a redirect to CloudFront, to S3, or elsewhere.

use super::token::{self, UrlSigningScheme, UrlTokenConstruction};

/// What packagecloud answered to a download URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagecloudDownloadReply {
    pub status: u16,
    /// Where to; `None` where it didn't redirect.
    pub location: Option<String>,
}

/// Where packagecloud's links must lead, to count as its own links to CloudFront.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedPackagesDomain<'a> {
    pub domain: &'a str,
    /// Where the distribution is reached instead (`--edge-url`): links that lead there count too.
    pub edge_url: Option<&'a str>,
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

    /// Explains, in words, why it is no redirect to the packages domain with a token of packagecloud's; `None` where it
    /// is one. Whether the edge accepts the token is not told by this.
    #[must_use]
    pub fn explain_no_packages_redirect(&self, expected: &ExpectedPackagesDomain<'_>) -> Option<String> {
        let said = self.describe_redirect();
        let Some(location) = self.location.as_deref().filter(|_| (300..400).contains(&self.status)) else {
            return Some(said);
        };
        let inspected = token::inspect_url(location, &[], 0, UrlTokenConstruction::default());
        if matches!(inspected.scheme, UrlSigningScheme::S3SigV2 | UrlSigningScheme::S3SigV4) {
            return Some(said);
        }
        let place = parse_url_origin(location);
        let own = Some(("https".to_owned(), expected.domain.to_ascii_lowercase()));
        let instead = expected.edge_url.and_then(parse_url_origin);
        if place != own && (place.is_none() || place != instead) {
            return Some(format!("{said}, not to https://{}", expected.domain));
        }
        match inspected.scheme {
            UrlSigningScheme::PackagecloudSha1 | UrlSigningScheme::PackagecloudSha256 => None,
            UrlSigningScheme::Unsigned => Some(format!("{said}, without a token")),
            other => Some(format!("{said}, with {}", other.describe_signing_scheme())),
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

/// Explains, in words, why a download URL doesn't lead to this packagecloud: by the address in packagecloud.rb, by what
/// answered there, and by the bucket that packagecloud keeps its packages in. `None` where nothing speaks against it.
#[must_use]
pub fn explain_foreign_download_url(
    url: &str,
    external_url: Option<&str>,
    reply: Result<&PackagecloudDownloadReply, &str>,
    bucket: Option<&str>,
) -> Option<String> {
    let is_web = ["https://", "http://"].iter().any(|scheme| url.to_ascii_lowercase().starts_with(scheme));
    let Some(host) = find_url_host_name(url).filter(|_| is_web) else {
        return Some("it is no address that begins with https:// or http://".to_owned());
    };
    if external_url.and_then(find_url_host_name).as_ref() == Some(&host) {
        return None;
    }
    let own = external_url.map(|own| format!("packagecloud.rb's external_url is {own}"));
    let also = |own: &Option<String>| own.as_ref().map(|own| format!("; {own}")).unwrap_or_default();
    let reply = match reply {
        Ok(reply) => reply,
        Err(why) => return Some(format!("it does not answer ({why}){}", also(&own))),
    };
    match reply.classify_redirect_target() {
        RedirectTarget::Edge => None,
        RedirectTarget::S3 => {
            let other =
                reply.redirect_bucket_name().filter(|name| bucket.is_some_and(|bucket| bucket != name))?;
            Some(format!("it redirects to the bucket {other}, and packagecloud's is {}", bucket?))
        }
        RedirectTarget::Elsewhere => match reply.location.as_deref().and_then(find_url_host_name) {
            Some(to) if to != host => Some(format!("it redirects to {to}{}", also(&own))),
            _ => own.map(|own| format!("it answers {}; {own}", reply.describe_redirect())),
        },
    }
}

/// The host of an absolute URL in lower case, without its port.
fn find_url_host_name(url: &str) -> Option<String> {
    let (host, _) = split_host_and_path(url)?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
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

/// Returns the scheme and the authority of a URL in lower case, the scheme's own port left out; `None` where it has a
/// user name, or is none.
fn parse_url_origin(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    let scheme = scheme.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let host = authority.strip_suffix(port).unwrap_or(&authority);
    (!host.is_empty() && !host.contains('@')).then(|| (scheme, host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_url_of_another_host_is_told() {
        let answer = |status: u16, location: Option<&str>| {
            Ok(PackagecloudDownloadReply { status, location: location.map(str::to_owned) })
        };
        let own = Some("https://Packages.example.com:443/");
        let s3 = |bucket: &str| {
            format!("https://{bucket}.s3.amazonaws.com/a.deb?AWSAccessKeyId=A&Expires=1&Signature=x")
        };
        let (ours, theirs) = (s3("shop"), s3("other"));
        let down: Result<PackagecloudDownloadReply, String> = Err("no such host".into());
        for (url, external, reply, told) in [
            ("packages.example.com/x", own, answer(302, None), Some("no address")),
            ("ftp://packages.example.com/x", own, answer(302, None), Some("no address")),
            ("https://packages.EXAMPLE.com/x", own, down.clone(), None),
            (
                "https://example.invalid/x",
                own,
                down.clone(),
                Some("external_url is https://Packages.example.com"),
            ),
            ("https://example.invalid/x", None, down, Some("does not answer (no such host)")),
            ("http://127.0.0.1:8080/x", own, answer(302, Some(&ours)), None),
            (
                "http://127.0.0.1:8080/x",
                own,
                answer(302, Some(&theirs)),
                Some("the bucket other, and packagecloud's is shop"),
            ),
            (
                "https://example.org/x",
                own,
                answer(404, None),
                Some("it answers 404 without a redirect; packagecloud.rb's"),
            ),
            ("https://example.org/x", None, answer(404, None), None),
            (
                "https://example.org/x",
                None,
                answer(301, Some("https://www.example.net/")),
                Some("it redirects to www.example.net"),
            ),
            ("http://example.org/x", None, answer(301, Some("https://example.org/x")), None),
        ] {
            let reply = reply.as_ref().map_err(String::as_str);
            let why = explain_foreign_download_url(url, external, reply, Some("shop"));
            match told {
                None => assert_eq!(why, None, "{url}"),
                Some(words) => assert!(why.as_ref().is_some_and(|why| why.contains(words)), "{url}: {why:?}"),
            }
        }
    }

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

    #[test]
    fn only_a_link_to_the_packages_domain_with_packageclouds_token_counts() {
        const TOKEN: &str = "t=1618409761_0123456789012345678901234567890123456789";
        let sha256 = format!("t=1618409761_{}", "0".repeat(64));
        let plain = ExpectedPackagesDomain { domain: "d1.cloudfront.net", edge_url: None };
        let served = ExpectedPackagesDomain { edge_url: Some("http://127.0.0.1:8080/"), ..plain };
        let own = format!("https://d1.cloudfront.net/7/8/a.deb?{TOKEN}");
        for (expected, status, location, refused) in [
            (plain, 302, own.clone(), None),
            (plain, 307, own.clone(), None),
            (plain, 302, format!("https://D1.CloudFront.net:443/7/8/a.deb?{TOKEN}"), None),
            (plain, 302, format!("https://d1.cloudfront.net/7/8/a.deb?{sha256}"), None),
            (served, 302, own.clone(), None),
            (served, 302, format!("http://127.0.0.1:8080/7/8/a.deb?{TOKEN}"), None),
            (plain, 302, format!("http://127.0.0.1:8080/7/8/a.deb?{TOKEN}"), Some("not to https://d1.")),
            (served, 302, format!("http://127.0.0.1:8081/7/8/a.deb?{TOKEN}"), Some("not to https://d1.")),
            (plain, 302, format!("http://d1.cloudfront.net/7/8/a.deb?{TOKEN}"), Some("not to https://d1.")),
            (plain, 302, format!("https://d1.cloudfront.net:8443/7/a?{TOKEN}"), Some("not to https://d1.")),
            (plain, 302, format!("https://evil.example/7/8/a.deb?{TOKEN}"), Some("(evil.example), not to")),
            (plain, 302, format!("https://d1.cloudfront.net@evil.example/a?{TOKEN}"), Some("not to https")),
            (plain, 302, format!("https://d1.cloudfront.net.evil.example/a?{TOKEN}"), Some("not to https")),
            (plain, 302, format!("https://evil.example\\@d1.cloudfront.net/a?{TOKEN}"), Some("not to https")),
            (plain, 302, format!("/7/8/a.deb?{TOKEN}"), Some("not to https")),
            (plain, 302, "https://d1.cloudfront.net/7/8/a.deb".into(), Some("without a token")),
            (plain, 302, format!("https://d1.cloudfront.net/7/8/a.deb?{TOKEN}0"), Some("damaged")),
            (plain, 302, format!("https://d1.cloudfront.net/7/8/a.deb?{TOKEN}&x=1"), Some("damaged")),
            (
                plain,
                302,
                "https://d1.cloudfront.net/a?Expires=1&Signature=a&Key-Pair-Id=K1".into(),
                Some("CloudFront's own signed URL"),
            ),
            (
                plain,
                302,
                "https://b.s3.amazonaws.com/a?AWSAccessKeyId=A&Expires=1&Signature=x".into(),
                Some("302 to S3"),
            ),
            (plain, 200, own, Some("200 to CloudFront")),
        ] {
            let reply = PackagecloudDownloadReply { status, location: Some(location.clone()) };
            let why = reply.explain_no_packages_redirect(&expected);
            match refused {
                None => assert_eq!(why, None, "{location}"),
                Some(words) => {
                    assert!(why.as_deref().is_some_and(|why| why.contains(words)), "{location}: {why:?}");
                }
            }
            assert!(!why.unwrap_or_default().contains("0123456789"), "no token is repeated: {location}");
        }
        let none = PackagecloudDownloadReply { status: 302, location: None };
        assert!(none.explain_no_packages_redirect(&plain).is_some());
    }
}
