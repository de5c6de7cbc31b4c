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

    /// Returns the bucket, where it goes to S3: to AWS's, or to `own_endpoint`, where S3 is asked at one of one's own. None
    /// where the host is neither: its name doesn't tell whether the bucket stands in it or in the path.
    #[must_use]
    pub fn redirect_bucket_name(&self, own_endpoint: Option<&str>) -> Option<String> {
        if self.classify_redirect_target() != RedirectTarget::S3 {
            return None;
        }
        let location = self.location.as_deref()?;
        let (_, host) = parse_url_origin(location)?;
        let (_, path) = split_host_and_path(location)?;
        own_endpoint
            .and_then(|endpoint| find_bucket_at_own_endpoint(&host, path, endpoint))
            .or_else(|| find_bucket_at_aws(&host, path))
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

/// The bucket of an address below an endpoint of one's own: in its path, as this program asks, or before its name.
fn find_bucket_at_own_endpoint(host: &str, path: &str, endpoint: &str) -> Option<String> {
    let (_, own) = parse_url_origin(endpoint)?;
    let (_, base) = split_host_and_path(endpoint)?;
    if host == own {
        return extract_first_path_segment(path.strip_prefix(base.trim_end_matches('/'))?);
    }
    host.strip_suffix(&own)?.strip_suffix('.').map(str::to_owned)
}

/// The bucket of an address at AWS: before `s3` in the host's name, or in the path where nothing stands there.
fn find_bucket_at_aws(host: &str, path: &str) -> Option<String> {
    let (name, _) = host.rsplit_once(".amazonaws.")?;
    let labels: Vec<&str> = name.split('.').collect();
    let service = labels.iter().rposition(|label| *label == "s3" || label.starts_with("s3-"))?;
    let bucket = match &labels[..service] {
        // An interface endpoint has a name of its own, which is no bucket's.
        [bucket @ .., "bucket", endpoint] if endpoint.starts_with("vpce-") => bucket,
        bucket => bucket,
    };
    if bucket.is_empty() { extract_first_path_segment(path) } else { Some(bucket.join(".")) }
}

fn extract_first_path_segment(path: &str) -> Option<String> {
    let first = path.trim_start_matches('/').split(['/', '?', '#']).next()?;
    (!first.is_empty()).then(|| first.to_owned())
}

/// Why what a probe URL answers tells nothing of this packagecloud, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeUrlFault {
    /// It is no address of a download, or leads elsewhere.
    Foreign(String),
    /// Who asks is refused: a token is missing, or another one is wanted.
    Refused(String),
    /// Nothing answers there, or a server that can't.
    Silent(String),
}

/// Finds why a download URL tells nothing of this packagecloud: by the address in packagecloud.rb, by what answered there,
/// and by the bucket that packagecloud keeps its packages in, which S3 may have at `own_endpoint`. `None` where nothing
/// speaks against it.
#[must_use]
pub fn find_probe_url_fault(
    url: &str,
    external_url: Option<&str>,
    reply: Result<&PackagecloudDownloadReply, &str>,
    bucket: Option<&str>,
    own_endpoint: Option<&str>,
) -> Option<ProbeUrlFault> {
    let is_web = ["https://", "http://"].iter().any(|scheme| url.to_ascii_lowercase().starts_with(scheme));
    let Some(host) = find_url_host_name(url).filter(|_| is_web) else {
        return Some(ProbeUrlFault::Foreign(
            "it is no address that begins with https:// or http://".to_owned(),
        ));
    };
    if external_url.and_then(find_url_host_name).as_ref() == Some(&host) {
        return None;
    }
    let reply = match reply {
        Ok(reply) => reply,
        Err(why) => return Some(ProbeUrlFault::Silent(format!("it does not answer ({why})"))),
    };
    let own = external_url.map(|own| format!("packagecloud.rb's external_url is {own}"));
    match reply.classify_redirect_target() {
        RedirectTarget::Edge => None,
        RedirectTarget::S3 => {
            let other = reply
                .redirect_bucket_name(own_endpoint)
                .filter(|name| bucket.is_some_and(|bucket| bucket != name))?;
            Some(ProbeUrlFault::Foreign(format!(
                "it redirects to the bucket {other}, and packagecloud's is {}",
                bucket?
            )))
        }
        RedirectTarget::Elsewhere => match reply.location.as_deref().and_then(find_url_host_name) {
            Some(to) if to != host => {
                let also = own.map(|own| format!("; {own}")).unwrap_or_default();
                Some(ProbeUrlFault::Foreign(format!("it redirects to {to}{also}")))
            }
            _ => own.map(|own| classify_reply_without_redirect(reply, &own)),
        },
    }
}

/// By the status. A packagecloud that refuses or fails is packagecloud all the same; what holds no such download, or gives
/// one without a redirect, is none.
fn classify_reply_without_redirect(reply: &PackagecloudDownloadReply, own: &str) -> ProbeUrlFault {
    let said = format!("it answers {}", reply.describe_redirect());
    match reply.status {
        401 | 403 => ProbeUrlFault::Refused(said),
        408 | 429 | 500.. => ProbeUrlFault::Silent(said),
        _ => ProbeUrlFault::Foreign(format!("{said}; {own}")),
    }
}

/// Returns the host of an absolute URL in lower case, without its port.
#[must_use]
pub fn find_url_host_name(url: &str) -> Option<String> {
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

    /// A redirect to S3, presigned.
    fn s3_redirect(place: &str) -> PackagecloudDownloadReply {
        let location = format!("https://{place}/7/8/a.deb?AWSAccessKeyId=A&Expires=1&Signature=x");
        PackagecloudDownloadReply { status: 302, location: Some(location) }
    }

    #[test]
    fn what_a_probe_url_answers_is_told_from_another_host() {
        use ProbeUrlFault::{Foreign, Refused, Silent};
        let without = |status: u16| Ok(PackagecloudDownloadReply { status, location: None });
        let to = |status: u16, location: &str| {
            Ok(PackagecloudDownloadReply { status, location: Some(location.to_owned()) })
        };
        let s3 = |place: &str| Ok(s3_redirect(place));
        let down: Result<PackagecloudDownloadReply, String> = Err("no such host".into());
        let own = Some("https://Packages.example.com:443/");
        let also = "packagecloud.rb's external_url is https://Packages.example.com:443/";
        let no_address = Foreign("it is no address that begins with https:// or http://".to_owned());
        let node = "http://10.0.0.5/x";
        for (url, external, reply, fault) in [
            ("packages.example.com/x", own, without(302), Some(no_address.clone())),
            ("ftp://packages.example.com/x", own, without(302), Some(no_address)),
            // Its own address is packagecloud, whatever it answers.
            ("https://packages.EXAMPLE.com/x", own, down.clone(), None),
            ("https://packages.EXAMPLE.com/x", own, without(401), None),
            // By a node's address: it refuses, fails or is down, and is no other host for that.
            (node, own, without(401), Some(Refused("it answers 401 without a redirect".into()))),
            (node, own, without(403), Some(Refused("it answers 403 without a redirect".into()))),
            (node, own, without(429), Some(Silent("it answers 429 without a redirect".into()))),
            (node, own, without(500), Some(Silent("it answers 500 without a redirect".into()))),
            (node, own, without(502), Some(Silent("it answers 502 without a redirect".into()))),
            (node, own, down.clone(), Some(Silent("it does not answer (no such host)".into()))),
            (node, None, down, Some(Silent("it does not answer (no such host)".into()))),
            (node, own, s3("shop.s3.amazonaws.com"), None),
            (node, own, s3("minio.s3.example.com/shop"), None),
            (
                node,
                own,
                s3("other.s3.amazonaws.com"),
                Some(Foreign("it redirects to the bucket other, and packagecloud's is shop".into())),
            ),
            (
                node,
                own,
                s3("minio.s3.example.com/other"),
                Some(Foreign("it redirects to the bucket other, and packagecloud's is shop".into())),
            ),
            (node, own, without(404), Some(Foreign(format!("it answers 404 without a redirect; {also}")))),
            (node, own, without(200), Some(Foreign(format!("it answers 200 without a redirect; {also}")))),
            ("https://example.org/x", None, without(404), None),
            (
                "https://example.org/x",
                own,
                to(301, "https://www.example.net/"),
                Some(Foreign(format!("it redirects to www.example.net; {also}"))),
            ),
            (
                "https://example.org/x",
                None,
                to(301, "https://www.example.net/"),
                Some(Foreign("it redirects to www.example.net".into())),
            ),
            ("http://example.org/x", None, to(301, "https://example.org/x"), None),
        ] {
            let reply = reply.as_ref().map_err(String::as_str);
            let endpoint = Some("https://minio.s3.example.com");
            let found = find_probe_url_fault(url, external, reply, Some("shop"), endpoint);
            assert_eq!(found, fault, "{url} {reply:?}");
        }
    }

    #[test]
    fn the_bucket_of_a_redirect_is_read_by_whose_host_it_is() {
        let (minio, below) =
            (Some("https://minio.s3.example.com"), Some("http://minio.example.com:9000/s3/"));
        for (place, endpoint, bucket) in [
            ("shop.s3.amazonaws.com", None, Some("shop")),
            ("shop.s3.eu-west-1.amazonaws.com", None, Some("shop")),
            ("shop.s3-eu-west-1.amazonaws.com", None, Some("shop")),
            ("shop.s3.dualstack.eu-west-1.amazonaws.com", None, Some("shop")),
            ("shop.s3-fips.us-east-1.amazonaws.com", None, Some("shop")),
            ("shop.s3.cn-north-1.amazonaws.com.cn", None, Some("shop")),
            ("shop.s3.example.com.s3.amazonaws.com", None, Some("shop.s3.example.com")),
            ("s3.amazonaws.com/shop", None, Some("shop")),
            ("s3.eu-west-1.amazonaws.com/shop.example.com", None, Some("shop.example.com")),
            ("bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com/shop", None, Some("shop")),
            ("shop.bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com", None, Some("shop")),
            // An endpoint of one's own may hold the letters too: only its address tells.
            ("minio.s3.example.com/shop", minio, Some("shop")),
            ("MINIO.s3.example.com:443/shop", minio, Some("shop")),
            ("shop.minio.s3.example.com", minio, Some("shop")),
            ("minio.example.com:9000/s3/shop", below, Some("shop")),
            ("shop.s3.amazonaws.com", minio, Some("shop")),
            ("minio.s3.example.com/shop", None, None),
            ("minio.example.com:9000/shop", below, None),
        ] {
            let found = s3_redirect(place).redirect_bucket_name(endpoint);
            assert_eq!(found.as_deref(), bucket, "{place} {endpoint:?}");
        }
    }

    #[test]
    fn where_a_redirect_goes() {
        let to =
            |location: &str| PackagecloudDownloadReply { status: 302, location: Some(location.to_owned()) };
        let edge =
            to("https://d1.cloudfront.net/7/8/a.deb?t=1618409761_0123456789012345678901234567890123456789");
        assert_eq!(
            (edge.classify_redirect_target(), edge.redirect_bucket_name(None)),
            (RedirectTarget::Edge, None)
        );
        assert_eq!(s3_redirect("shop.s3.amazonaws.com").classify_redirect_target(), RedirectTarget::S3);
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
