//! The signed URL: `https://<packages domain>/<path>?t=<expires>_<mac>` (contract section 3).
//!
//! `edge/token.mjs` judges the same; one vector file, and random inputs, hold both to each other.

mod check;
mod construction;
mod inspect;
mod mac;
mod path;

pub use check::{EdgeTokenRefusal, ViewerRequest, check_viewer_request_token};
pub use construction::{TokenHmacKeyForm, TokenMessageForm, UrlTokenConstruction};
pub(in crate::model) use inspect::format_duration;
pub use inspect::{InspectedUrl, UrlSigningScheme, inspect_url};
pub use mac::{TokenMacAlgorithm, compute_secret_fingerprint};
pub use path::{can_link_carry_key, encode_canonical_path};

/// Signs a token for the object with this key, until `expires` (Unix seconds, ten digits: 2001 to 2286).
///
/// `key` is what [`TokenHmacKeyForm::derive_hmac_key`] makes of the secret; `host` is the packages domain, and only `host+path+expires` looks at it.
#[must_use]
pub fn sign_url_token(
    key: &[u8],
    object: &str,
    expires: u64,
    mac: TokenMacAlgorithm,
    construction: UrlTokenConstruction,
    host: &str,
) -> String {
    let expires = format!("{expires:010}");
    // Signing has a host always; an empty one makes a token that nothing accepts.
    let message = construction
        .message
        .compose_signed_message(&format!("/{object}"), &expires, host)
        .unwrap_or_default();
    format!("{expires}_{}", hex::encode(mac.compute_mac(key, message.as_bytes())))
}

/// Signs a URL and returns the whole signed URL; `domain` is the packages domain.
#[must_use]
pub fn sign_packages_url(
    key: &[u8],
    object: &str,
    expires: u64,
    mac: TokenMacAlgorithm,
    construction: UrlTokenConstruction,
    domain: &str,
) -> String {
    let token = sign_url_token(key, object, expires, mac, construction, domain);
    format!("https://{domain}{}?t={token}", encode_canonical_path(&format!("/{object}")))
}

#[cfg(test)]
mod tests;
