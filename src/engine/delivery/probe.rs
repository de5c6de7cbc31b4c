//! Requests as a package manager makes them: a redirect followed, and signed URLs at the edge.

use crate::aws::web::WebReply;
use crate::model::{
    failure::Failure,
    secret::Secret,
    url::{
        redirect::{split_host_and_path, url_path_from_key},
        token::{self, TokenMacAlgorithm, UrlTokenConstruction},
    },
};

use crate::engine::session::Session;

/// How long a link of ours holds, in seconds; packagecloud's hold as long.
pub const LINK_LIFETIME_SECONDS: u64 = 300;

/// Finds the construction by which the link `location` was signed with `secret`, if by any; `accepted` is tried first.
#[must_use]
pub fn detect_link_token_construction(
    location: &str,
    secret: &Secret,
    accepted: UrlTokenConstruction,
) -> Option<UrlTokenConstruction> {
    token::inspect_url(location, std::slice::from_ref(secret), 0, accepted).construction
}

/// Follows a redirect to the edge, as a client would, through `--edge-url` where that is given.
///
/// # Errors
/// Fails where the edge does not answer.
pub async fn follow_redirect_to_edge(session: &Session, location: &str) -> Result<WebReply, Failure> {
    let url = match split_host_and_path(location) {
        Some((host, path)) if session.web.has_edge_address_override() => {
            session.web.build_edge_url(host, path)
        }
        _ => location.to_owned(),
    };
    session.web.send_http_get(&url, &[]).await
}

/// What a signed URL is asked with.
pub struct SignedUrlSpec<'a> {
    pub domain: &'a str,
    pub key: &'a str,
    pub construction: UrlTokenConstruction,
    pub mac: TokenMacAlgorithm,
    /// Seconds from now; negative is expired.
    pub lifetime: i64,
}

/// Signs a URL: its path and query.
///
/// # Errors
/// Fails where the secret is no key.
pub fn sign_probe_url(secret: &Secret, signed: &SignedUrlSpec<'_>, now: u64) -> Result<String, Failure> {
    let expires = now.saturating_add_signed(signed.lifetime);
    let key = signed.construction.key.derive_hmac_key(secret)?;
    let token =
        token::sign_url_token(&key, signed.key, expires, signed.mac, signed.construction, signed.domain);
    Ok(format!("{}?t={token}", url_path_from_key(signed.key)))
}

/// Asks the edge for a path.
///
/// # Errors
/// Fails where the edge does not answer.
pub async fn fetch_path_from_edge(
    session: &Session,
    domain: &str,
    path_and_query: &str,
) -> Result<WebReply, Failure> {
    session.web.send_http_get(&session.web.build_edge_url(domain, path_and_query), &[]).await
}
