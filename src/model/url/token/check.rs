//! The check of a signed request, as the edge makes it: the reasons come in one order, and the first that fits is the answer.

use serde::{Deserialize, Serialize};

use super::{TokenMacAlgorithm, UrlTokenConstruction, path};

/// A key under this many bytes is ignored.
const MIN_KEY_BYTES: usize = 16;

/// A viewer request as CloudFront gives it.
#[derive(Debug, Clone, Copy)]
pub struct ViewerRequest<'a> {
    /// The path as it was sent, escapes and all.
    pub uri: &'a str,
    /// Without the `?`; empty where there was none.
    pub querystring: &'a str,
    pub method: &'a str,
    /// The packages domain; only `host+path+expires` looks at it.
    pub host: &'a str,
}

/// Why a request is refused, in the order in which it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeTokenRefusal {
    BadMethod,
    BadPath,
    MissingToken,
    MalformedToken,
    BadSignature,
    Expired,
}

impl EdgeTokenRefusal {
    /// Returns the reason as it stands in the header `x-packagecloud-cloudfront`.
    #[must_use]
    pub fn refusal_reason_code(self) -> &'static str {
        match self {
            Self::BadMethod => "bad-method",
            Self::BadPath => "bad-path",
            Self::MissingToken => "missing-token",
            Self::MalformedToken => "malformed-token",
            Self::BadSignature => "bad-signature",
            Self::Expired => "expired",
        }
    }
}

impl std::fmt::Display for EdgeTokenRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.refusal_reason_code())
    }
}

/// A token's parts, its shape being right.
pub(super) struct SignedUrlToken<'a> {
    pub expires: &'a str,
    mac: TokenMacAlgorithm,
    bytes: Vec<u8>,
}

impl<'a> SignedUrlToken<'a> {
    /// Parses a token of a whole query string, which must be nothing else.
    ///
    /// # Errors
    /// Fails with why it is no token.
    pub(super) fn parse_token_query(querystring: &'a str) -> Result<Self, EdgeTokenRefusal> {
        if querystring.is_empty() {
            return Err(EdgeTokenRefusal::MissingToken);
        }
        let parts = || {
            let (expires, mac) = querystring.strip_prefix("t=")?.split_once('_')?;
            let whole = expires.len() == 10 && expires.bytes().all(|byte| byte.is_ascii_digit());
            let kind = match mac.len() {
                40 => TokenMacAlgorithm::Sha1,
                64 => TokenMacAlgorithm::Sha256,
                _ => return None,
            };
            whole.then_some(SignedUrlToken { expires, mac: kind, bytes: hex::decode(mac).ok()? })
        };
        parts().ok_or(EdgeTokenRefusal::MalformedToken)
    }

    /// Returns until when it is good, in Unix seconds.
    pub(super) fn token_expires_at(&self) -> u64 {
        self.expires.parse().expect("ten digits are a number of 64 bits")
    }

    /// Returns the algorithm of its MAC.
    pub(super) fn token_mac_algorithm(&self) -> TokenMacAlgorithm {
        self.mac
    }

    /// Returns which of the keys signed it, if any did.
    pub(super) fn find_key_that_signed_token<K: AsRef<[u8]>>(
        &self,
        path: &str,
        host: &str,
        keys: &[K],
        construction: UrlTokenConstruction,
    ) -> Option<usize> {
        let message = construction.message.compose_signed_message(path, self.expires, host)?;
        keys.iter().map(AsRef::as_ref).position(|key| {
            key.len() >= MIN_KEY_BYTES && self.mac.verify_mac(key, message.as_bytes(), &self.bytes)
        })
    }
}

/// Judges a request: the uri with which it goes on, in canonical encoding, or why it doesn't.
///
/// `keys` are the HMAC keys, current and previous, as [`super::TokenHmacKeyForm::derive_hmac_key`] makes them; `now` is Unix time.
///
/// # Errors
/// Fails with why the edge refuses it.
pub fn check_viewer_request_token<K: AsRef<[u8]>>(
    request: &ViewerRequest<'_>,
    keys: &[K],
    now: u64,
    construction: UrlTokenConstruction,
) -> Result<String, EdgeTokenRefusal> {
    if !matches!(request.method, "GET" | "HEAD") {
        return Err(EdgeTokenRefusal::BadMethod);
    }
    let path = path::decode_uri_path(request.uri).ok_or(EdgeTokenRefusal::BadPath)?;
    let token = SignedUrlToken::parse_token_query(request.querystring)?;
    token
        .find_key_that_signed_token(&path, request.host, keys, construction)
        .ok_or(EdgeTokenRefusal::BadSignature)?;
    if now > token.token_expires_at() {
        return Err(EdgeTokenRefusal::Expired);
    }
    Ok(path::encode_canonical_path(&path))
}
