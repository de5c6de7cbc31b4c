//! A URL explained: whose scheme signed it, until when, with which key, and why the edge would refuse it.
//!
//! It tells, and never repeats a signature.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use time::{
    OffsetDateTime, PrimitiveDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

use super::{
    EdgeTokenRefusal, TokenMacAlgorithm, UrlTokenConstruction, ViewerRequest, check::SignedUrlToken,
    check_viewer_request_token, path,
};
use crate::model::secret::Secret;

/// Who made a URL, as far as its query string tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UrlSigningScheme {
    /// `t=<expires>_<40 digits>`: packagecloud servers.
    PackagecloudSha1,
    /// `t=<expires>_<64 digits>`: `sign`, and other fronts.
    PackagecloudSha256,
    /// A `t=` of another shape.
    PackagecloudDamaged,
    /// `Expires`, `Signature`, `Key-Pair-Id`: a trusted key of CloudFront's own.
    CloudFrontCanned,
    /// `Policy`, `Signature`, `Key-Pair-Id`.
    CloudFrontPolicy,
    /// `AWSAccessKeyId`, `Expires`, `Signature`.
    S3SigV2,
    /// `X-Amz-Algorithm` and its like.
    S3SigV4,
    Unsigned,
}

impl UrlSigningScheme {
    /// Describes it in words.
    #[must_use]
    pub fn describe_signing_scheme(self) -> &'static str {
        match self {
            Self::PackagecloudSha1 => "packagecloud's token, HMAC-SHA-1 (what packagecloud servers emit)",
            Self::PackagecloudSha256 => {
                "packagecloud's token, HMAC-SHA-256 (what other fronts and this program emit)"
            }
            Self::PackagecloudDamaged => "packagecloud's token, damaged",
            Self::CloudFrontCanned => "CloudFront's own signed URL, canned policy",
            Self::CloudFrontPolicy => "CloudFront's own signed URL, custom policy",
            Self::S3SigV2 => "S3 presigned URL, Signature Version 2",
            Self::S3SigV4 => "S3 presigned URL, Signature Version 4",
            Self::Unsigned => "not signed",
        }
    }

    fn is_packagecloud_scheme(self) -> bool {
        matches!(self, Self::PackagecloudSha1 | Self::PackagecloudSha256 | Self::PackagecloudDamaged)
    }
}

/// What a URL is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InspectedUrl {
    pub scheme: UrlSigningScheme,
    /// Lower case, without a port; empty where only a path was given.
    pub host: String,
    /// The decoded path, or as it was sent where it doesn't decode.
    pub path: String,
    /// Unix seconds.
    pub expires: Option<u64>,
    /// Which of the given secrets signed it, the first is 0.
    pub key: Option<usize>,
    /// The construction that fits, whether or not it is the accepted one.
    pub construction: Option<UrlTokenConstruction>,
    /// Whether there was a secret to hold it to.
    pub known: bool,
    /// Who signed it in AWS's schemes: a key pair's id, an access key's id.
    pub signer: Option<String>,
    /// Why the edge would refuse it, asked by GET; None: it would accept.
    pub refusal: Option<EdgeTokenRefusal>,
    /// The clock against which that was judged.
    pub now: u64,
}

/// Explains a URL, or a path with its query string, without asking anybody. `accepted` is the edge's construction.
#[must_use]
pub fn inspect_url(url: &str, secrets: &[Secret], now: u64, accepted: UrlTokenConstruction) -> InspectedUrl {
    let url = url.trim();
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let (host, rest) = match url.split_once("://") {
        Some((_, rest)) => rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())),
        None => ("", url),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    let (uri, querystring) = rest.split_once('?').unwrap_or((rest, ""));
    let decoded = path::decode_uri_path(uri);

    let parameters = UrlQueryParameters::parse_query_string(querystring);
    let scheme = parameters.detect_signing_scheme(querystring);
    let token = SignedUrlToken::parse_token_query(querystring).ok();

    // The accepted construction first: where two fit, it is that one.
    let others =
        UrlTokenConstruction::list_url_token_constructions().into_iter().filter(|other| *other != accepted);
    let fit = token.as_ref().zip(decoded.as_ref()).and_then(|(token, path)| {
        std::iter::once(accepted).chain(others).find_map(|construction| {
            (0..secrets.len()).find_map(|index| {
                let key = construction.key.derive_hmac_key(&secrets[index]).ok()?;
                token
                    .find_key_that_signed_token(path, &host, &[key.as_slice()], construction)
                    .map(|_| (index, construction))
            })
        })
    });
    let keys: Vec<_> =
        secrets.iter().filter_map(|secret| accepted.key.derive_hmac_key(secret).ok()).collect();
    let request = ViewerRequest { uri, querystring, method: "GET", host: &host };
    let refusal = check_viewer_request_token(&request, &keys, now, accepted).err();

    InspectedUrl {
        scheme,
        path: decoded.unwrap_or_else(|| uri.to_owned()),
        expires: token
            .as_ref()
            .map(SignedUrlToken::token_expires_at)
            .or_else(|| parameters.parse_url_expiry(scheme)),
        key: fit.map(|(index, _)| index),
        construction: fit.map(|(_, construction)| construction),
        known: !secrets.is_empty(),
        signer: parameters.describe_url_signing_key(scheme),
        refusal,
        now,
        host,
    }
}

impl InspectedUrl {
    /// Returns the findings, a line each, as label and text.
    #[must_use]
    pub fn render_signed_url_inspection(
        &self,
        accepted: UrlTokenConstruction,
    ) -> Vec<(&'static str, String)> {
        let mut lines = vec![("scheme", self.scheme.describe_signing_scheme().to_owned())];
        if !self.host.is_empty() {
            lines.push(("host", self.host.clone()));
        }
        lines.push(("path", self.path.clone()));
        if let Some(expires) = self.expires {
            let age = match self.now.checked_sub(expires) {
                Some(gone) if gone > 0 => format!("expired {} ago", format_duration(gone)),
                _ => format!("in {}", format_duration(expires.saturating_sub(self.now))),
            };
            lines.push(("expires", format!("{} ({age})", format_timestamp(expires))));
        }
        if let Some(signer) = &self.signer {
            lines.push(("signed by", signer.clone()));
        }
        match (self.key, self.construction) {
            (Some(key), Some(construction)) => {
                let which = if key == 0 {
                    "the current secret".to_owned()
                } else {
                    format!("secret {} of those given", key + 1)
                };
                lines.push(("signed by", format!("{which}, {construction}")));
            }
            _ if self.scheme.is_packagecloud_scheme() && !self.known => {
                lines.push(("signed by", "unknown: there is no secret here to hold it to".to_owned()));
            }
            _ if self.scheme.is_packagecloud_scheme() => {
                lines.push(("signed by", "none of the secrets given, in any construction".to_owned()));
            }
            _ => {}
        }
        lines.push((
            "edge",
            match self.refusal {
                None => "accepts it".to_owned(),
                Some(EdgeTokenRefusal::BadSignature) if !self.known => {
                    "can't be told without the secret".to_owned()
                }
                Some(refusal) => {
                    format!("refuses it: {refusal}, {}", self.explain_edge_refusal(refusal, accepted))
                }
            },
        ));
        lines
    }

    fn explain_edge_refusal(&self, refusal: EdgeTokenRefusal, accepted: UrlTokenConstruction) -> String {
        match (refusal, self.construction) {
            (EdgeTokenRefusal::BadMethod, _) => "only GET and HEAD are answered".to_owned(),
            (EdgeTokenRefusal::BadPath, _) => "the path has no single meaning, or is empty".to_owned(),
            (EdgeTokenRefusal::MissingToken, _) => {
                "there is no query string; ask packagecloud for the link".to_owned()
            }
            (EdgeTokenRefusal::MalformedToken, _) if !self.scheme.is_packagecloud_scheme() => {
                "it wants packagecloud's token and nothing else in the query string".to_owned()
            }
            (EdgeTokenRefusal::MalformedToken, _) => {
                "it must be t=<10 digits>_<40 or 64 hex digits> and nothing else".to_owned()
            }
            (EdgeTokenRefusal::BadSignature, Some(construction)) => {
                format!(
                    "it is signed as {construction}, and {accepted} is accepted; deploy the other with --construction {construction}"
                )
            }
            (EdgeTokenRefusal::BadSignature, None) => {
                "another secret, or another path, was signed; compare cloudfront_secret with the function's"
                    .to_owned()
            }
            (EdgeTokenRefusal::Expired, _) => {
                "ask packagecloud for a new link; if it is new, compare the clocks".to_owned()
            }
        }
    }
}

/// The query string's parameters, decoded.
struct UrlQueryParameters(Vec<(String, String)>);

impl UrlQueryParameters {
    fn parse_query_string(querystring: &str) -> Self {
        let text = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let pairs = querystring.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        )
    }

    /// S3 takes its own names in either case.
    fn find_query_parameter(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn detect_signing_scheme(&self, querystring: &str) -> UrlSigningScheme {
        let has = |name| self.find_query_parameter(name).is_some();
        if let Ok(token) = SignedUrlToken::parse_token_query(querystring) {
            match token.token_mac_algorithm() {
                TokenMacAlgorithm::Sha1 => UrlSigningScheme::PackagecloudSha1,
                TokenMacAlgorithm::Sha256 => UrlSigningScheme::PackagecloudSha256,
            }
        } else if has("X-Amz-Signature") || has("X-Amz-Algorithm") {
            UrlSigningScheme::S3SigV4
        } else if has("Key-Pair-Id") && has("Policy") {
            UrlSigningScheme::CloudFrontPolicy
        } else if has("Key-Pair-Id") {
            UrlSigningScheme::CloudFrontCanned
        } else if has("AWSAccessKeyId") {
            UrlSigningScheme::S3SigV2
        } else if has("t") {
            UrlSigningScheme::PackagecloudDamaged
        } else {
            UrlSigningScheme::Unsigned
        }
    }

    fn parse_url_expiry(&self, scheme: UrlSigningScheme) -> Option<u64> {
        match scheme {
            UrlSigningScheme::CloudFrontCanned | UrlSigningScheme::S3SigV2 => {
                self.find_query_parameter("Expires")?.parse().ok()
            }
            UrlSigningScheme::CloudFrontPolicy => {
                // CloudFront's own spelling of base64.
                let policy = self
                    .find_query_parameter("Policy")?
                    .replace('-', "+")
                    .replace('_', "=")
                    .replace('~', "/");
                let policy: serde_json::Value =
                    serde_json::from_slice(&STANDARD.decode(policy).ok()?).ok()?;
                policy.pointer("/Statement/0/Condition/DateLessThan/AWS:EpochTime")?.as_u64()
            }
            UrlSigningScheme::S3SigV4 => {
                const AMZ_DATE_FORMAT: &[BorrowedFormatItem<'_>] =
                    format_description!("[year][month][day]T[hour][minute][second]Z");
                let made =
                    PrimitiveDateTime::parse(self.find_query_parameter("X-Amz-Date")?, AMZ_DATE_FORMAT)
                        .ok()?;
                let lasts: u64 = self.find_query_parameter("X-Amz-Expires")?.parse().ok()?;
                u64::try_from(made.assume_utc().unix_timestamp()).ok()?.checked_add(lasts)
            }
            _ => None,
        }
    }

    fn describe_url_signing_key(&self, scheme: UrlSigningScheme) -> Option<String> {
        let (what, value) = match scheme {
            UrlSigningScheme::CloudFrontCanned | UrlSigningScheme::CloudFrontPolicy => {
                ("key pair", self.find_query_parameter("Key-Pair-Id")?)
            }
            UrlSigningScheme::S3SigV2 => ("access key", self.find_query_parameter("AWSAccessKeyId")?),
            UrlSigningScheme::S3SigV4 => {
                ("access key", self.find_query_parameter("X-Amz-Credential")?.split('/').next()?)
            }
            _ => return None,
        };
        Some(format!("{what} {value}"))
    }
}

fn format_timestamp(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|date| date.format(&Rfc3339).ok())
        .unwrap_or_else(|| seconds.to_string())
}

/// Says a length of time in its largest useful unit: `3 h`.
pub(in crate::model) fn format_duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
