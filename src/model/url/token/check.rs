//! The check of a signed request, as the edge makes it: the reasons come in one order, and the first that fits is the answer.

use serde::{Deserialize, Serialize};

use super::{Construction, Mac, path};

/// A key under this many bytes is ignored.
const MIN_KEY_BYTES: usize = 16;

/// A viewer request as CloudFront gives it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
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
pub enum Refusal {
    BadMethod,
    BadPath,
    MissingToken,
    MalformedToken,
    BadSignature,
    Expired,
}

impl Refusal {
    /// As it stands in the header `x-packagecloud-cloudfront`.
    #[must_use]
    pub fn name(self) -> &'static str {
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

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A token's parts, its shape being right.
pub(super) struct Token<'a> {
    pub expires: &'a str,
    mac: Mac,
    bytes: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Of a whole query string, which must be nothing else.
    pub(super) fn parse(querystring: &'a str) -> Result<Self, Refusal> {
        if querystring.is_empty() {
            return Err(Refusal::MissingToken);
        }
        let parts = || {
            let (expires, mac) = querystring.strip_prefix("t=")?.split_once('_')?;
            let whole = expires.len() == 10 && expires.bytes().all(|byte| byte.is_ascii_digit());
            let kind = match mac.len() {
                40 => Mac::Sha1,
                64 => Mac::Sha256,
                _ => return None,
            };
            whole.then_some(Token { expires, mac: kind, bytes: hex::decode(mac).ok()? })
        };
        parts().ok_or(Refusal::MalformedToken)
    }

    /// Unix seconds.
    pub(super) fn until(&self) -> u64 {
        self.expires.parse().expect("ten digits are a number of 64 bits")
    }

    pub(super) fn mac(&self) -> Mac {
        self.mac
    }

    /// Which of the keys signed it, if any did.
    pub(super) fn signer<K: AsRef<[u8]>>(
        &self,
        path: &str,
        host: &str,
        keys: &[K],
        construction: Construction,
    ) -> Option<usize> {
        let message = construction.message.compose(path, self.expires, host)?;
        keys.iter()
            .map(AsRef::as_ref)
            .position(|key| key.len() >= MIN_KEY_BYTES && self.mac.is(key, message.as_bytes(), &self.bytes))
    }
}

/// Judges a request: the uri with which it goes on, in canonical encoding, or why it doesn't.
///
/// `keys` are the HMAC keys, current and previous, as [`super::KeyForm::key`] makes them; `now` is Unix time.
pub fn check<K: AsRef<[u8]>>(
    request: &Request<'_>,
    keys: &[K],
    now: u64,
    construction: Construction,
) -> Result<String, Refusal> {
    if !matches!(request.method, "GET" | "HEAD") {
        return Err(Refusal::BadMethod);
    }
    let path = path::decoded(request.uri).ok_or(Refusal::BadPath)?;
    let token = Token::parse(request.querystring)?;
    token.signer(&path, request.host, keys, construction).ok_or(Refusal::BadSignature)?;
    if now > token.until() {
        return Err(Refusal::Expired);
    }
    Ok(path::canonical(&path))
}
