//! How a token is made, as a name: what packagecloud servers do is inferred, so it is data; exactly one is accepted at a time.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::model::{failure::Failure, secret::Secret};

/// How a token is made: data in the function's bundle, named `<key>:<message>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct UrlTokenConstruction {
    pub key: TokenHmacKeyForm,
    pub message: TokenMessageForm,
}

/// The HMAC key, of `cloudfront_secret`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TokenHmacKeyForm {
    /// Its base64-decoded bytes.
    #[default]
    Decoded,
    /// Its bytes as written.
    Raw,
}

/// What is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TokenMessageForm {
    #[default]
    PathExpires,
    ExpiresPath,
    /// No leading slash.
    KeyExpires,
    HostPathExpires,
}

impl TokenHmacKeyForm {
    /// Derives the HMAC key that this form makes of a secret.
    ///
    /// # Errors
    /// Where the secret isn't base64 of 16 bytes or more, whichever the form.
    pub fn derive_hmac_key(self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let decoded = secret.decode_base64_secret_key()?;
        Ok(match self {
            Self::Decoded => decoded,
            Self::Raw => Zeroizing::new(secret.expose_secret().as_bytes().to_vec()),
        })
    }
}

impl TokenMessageForm {
    /// Returns what is signed: `path` decoded and with its leading slash. None where the form needs a host and there is
    /// none: without it, it would be another form.
    pub(super) fn compose_signed_message(self, path: &str, expires: &str, host: &str) -> Option<String> {
        Some(match self {
            Self::PathExpires => format!("{path}{expires}"),
            Self::ExpiresPath => format!("{expires}{path}"),
            Self::KeyExpires => format!("{}{expires}", path.strip_prefix('/').unwrap_or(path)),
            Self::HostPathExpires if host.is_empty() => return None,
            Self::HostPathExpires => format!("{host}{path}{expires}"),
        })
    }
}

impl UrlTokenConstruction {
    /// Returns every construction, the default first.
    #[must_use]
    pub fn list_url_token_constructions() -> Vec<Self> {
        use TokenMessageForm::{ExpiresPath, HostPathExpires, KeyExpires, PathExpires};
        let mut all = Vec::new();
        for key in [TokenHmacKeyForm::Decoded, TokenHmacKeyForm::Raw] {
            for message in [PathExpires, ExpiresPath, KeyExpires, HostPathExpires] {
                all.push(Self { key, message });
            }
        }
        all
    }
}

impl std::fmt::Display for UrlTokenConstruction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = match self.key {
            TokenHmacKeyForm::Decoded => "decoded",
            TokenHmacKeyForm::Raw => "raw",
        };
        let message = match self.message {
            TokenMessageForm::PathExpires => "path+expires",
            TokenMessageForm::ExpiresPath => "expires+path",
            TokenMessageForm::KeyExpires => "key+expires",
            TokenMessageForm::HostPathExpires => "host+path+expires",
        };
        write!(f, "{key}:{message}")
    }
}

impl std::str::FromStr for UrlTokenConstruction {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Self::list_url_token_constructions()
            .into_iter()
            .find(|construction| construction.to_string() == text)
            .ok_or_else(|| {
                let known: Vec<String> =
                    Self::list_url_token_constructions().iter().map(ToString::to_string).collect();
                Failure::new_usage_failure(
                    format!("construction {text}"),
                    format!("it is not one of {}", known.join(", ")),
                    "choose one of these",
                )
            })
    }
}

impl From<UrlTokenConstruction> for String {
    fn from(construction: UrlTokenConstruction) -> Self {
        construction.to_string()
    }
}

impl TryFrom<String> for UrlTokenConstruction {
    type Error = Failure;

    fn try_from(text: String) -> Result<Self, Failure> {
        text.parse()
    }
}
