//! The signed URL: `https://<packages domain>/<path>?t=<expires>_<mac>` (contract section 3).
//!
//! `edge/token.mjs` judges the same; one vector file, and random inputs, hold both to each other.

mod check;
mod construction;
mod inspect;
mod mac;
mod path;

pub use check::{Refusal, Request, check};
pub use construction::{Construction, KeyForm, MessageForm};
pub use inspect::{Inspected, Scheme, inspect};
pub use mac::{Mac, fingerprint};
pub use path::canonical;

/// A token for the object with this key, until `expires` (Unix seconds, ten digits: 2001 to 2286).
///
/// `key` is what [`KeyForm::key`] makes of the secret; `host` is the packages domain, and only `host+path+expires` looks at it.
#[must_use]
pub fn sign(
    key: &[u8],
    object: &str,
    expires: u64,
    mac: Mac,
    construction: Construction,
    host: &str,
) -> String {
    let expires = format!("{expires:010}");
    // Signing has a host always; an empty one makes a token that nothing accepts.
    let message = construction.message.compose(&format!("/{object}"), &expires, host).unwrap_or_default();
    format!("{expires}_{}", hex::encode(mac.of(key, message.as_bytes())))
}

/// The whole signed URL; `domain` is the packages domain.
#[must_use]
pub fn signed_url(
    key: &[u8],
    object: &str,
    expires: u64,
    mac: Mac,
    construction: Construction,
    domain: &str,
) -> String {
    let token = sign(key, object, expires, mac, construction, domain);
    format!("https://{domain}{}?t={token}", canonical(&format!("/{object}")))
}

#[cfg(test)]
mod tests;
