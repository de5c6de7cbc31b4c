//! Signature version 4 for S3's hot path: the signing key is derived once a day, a request costs two hashes.
//!
//! The same signature as aws-sigv4's for every request, which a test holds it to; credentials are asked for again
//! before they expire, and never shown.

use std::{
    sync::{Arc, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::SharedTimeSource;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::model::failure::{Failure, FailureKind};
use crate::model::run::proposed_command::render_same_command_again;

/// SHA-256 of nothing.
const EMPTY_SHA256_HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Credentials are asked for again this long before they expire.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_mins(5);
/// And where that fails, after this long again.
const RENEW_RETRY_DELAY: Duration = Duration::from_secs(10);
/// Those who waited while it failed come this soon after it.
const FAILURE_REUSE_WINDOW: Duration = Duration::from_secs(1);

/// A request's headers, in any order; signing sorts them.
pub type SignedRequestHeaderList = Vec<(HeaderName, HeaderValue)>;

#[derive(Debug)]
pub struct SigningKeyProvider {
    region: String,
    provider: SharedCredentialsProvider,
    clock: SharedTimeSource,
    keys: RwLock<Option<Arc<SigV4SigningKeys>>>,
    /// Held by who asks; why it failed last: those that waited behind it needn't ask again.
    asking: tokio::sync::Mutex<Option<(Instant, Failure)>>,
}

/// The credentials of now, and the signing key of a day.
pub struct SigV4SigningKeys {
    access: String,
    secret: zeroize::Zeroizing<String>,
    token: Option<HeaderValue>,
    /// Days since 1970.
    day: u64,
    scope: String,
    mac: Hmac<Sha256>,
    /// When others are asked for.
    renew: Option<SystemTime>,
    /// When AWS takes them no more.
    expires: Option<SystemTime>,
}

impl std::fmt::Debug for SigV4SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("access", &self.access)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl SigningKeyProvider {
    /// Returns what signs for `region` with these credentials, by this clock.
    pub fn new(region: &str, provider: SharedCredentialsProvider, clock: SharedTimeSource) -> Self {
        Self {
            region: region.to_owned(),
            provider,
            clock,
            keys: RwLock::new(None),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Returns the time by which requests are signed.
    pub fn current_signing_time(&self) -> SystemTime {
        self.clock.now()
    }

    fn cached_signing_keys(&self) -> Option<Arc<SigV4SigningKeys>> {
        self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Returns the keys to sign with at `now`; asks for credentials where there are none yet, or the old ones expire
    /// soon.
    ///
    /// # Errors
    /// Where no credentials are given.
    pub async fn current_sigv4_signing_keys(
        &self,
        now: SystemTime,
    ) -> Result<Arc<SigV4SigningKeys>, Failure> {
        if let Some(keys) = self.cached_signing_keys().filter(|keys| keys.are_sigv4_keys_current(now)) {
            return Ok(keys);
        }
        Box::pin(self.refresh_sigv4_signing_keys(now)).await
    }

    async fn refresh_sigv4_signing_keys(&self, now: SystemTime) -> Result<Arc<SigV4SigningKeys>, Failure> {
        let mut failed = self.asking.lock().await;
        let held = self.cached_signing_keys();
        if let Some(keys) = &held {
            if keys.are_sigv4_keys_current(now) {
                return Ok(keys.clone());
            }
            if keys.renew.is_none_or(|renew| now < renew) {
                return Ok(self.cache_sigv4_signing_keys(keys.rederive_for_signing_day(
                    keys.renew,
                    &self.region,
                    now,
                )));
            }
        }
        let asked = self.fetch_sigv4_signing_keys(&mut failed, now).await;
        match held.filter(|keys| keys.expires.is_some_and(|at| now < at)) {
            // What AWS still takes is used while its source is out of order.
            Some(keys) if asked.is_err() => Ok(self.cache_sigv4_signing_keys(keys.rederive_for_signing_day(
                Some(now + RENEW_RETRY_DELAY),
                &self.region,
                now,
            ))),
            _ => asked,
        }
    }

    /// Asks for other credentials than `refused`, which S3 called expired or unknown.
    ///
    /// # Errors
    /// Where the source of credentials has none but these.
    pub async fn renew_refused_signing_keys(&self, refused: &SigV4SigningKeys) -> Result<(), Failure> {
        let mut failed = self.asking.lock().await;
        let same = |keys: &SigV4SigningKeys| keys.access == refused.access && keys.token == refused.token;
        if self.cached_signing_keys().is_some_and(|keys| !same(&keys)) {
            return Ok(());
        }
        let keys = self.fetch_sigv4_signing_keys(&mut failed, self.current_signing_time()).await?;
        if same(&keys) {
            let failure = Failure::new(
                FailureKind::Credentials,
                format!("access key {}", refused.access),
                "S3 says that it expired or is unknown",
                format!(
                    "sign in again (aws sso login, or new keys), then run: {} — it continues where it stopped",
                    render_same_command_again(&[])
                ),
            );
            *failed = Some((Instant::now(), failure.clone()));
            return Err(failure);
        }
        Ok(())
    }

    /// Asks their source, unless that failed a moment ago.
    async fn fetch_sigv4_signing_keys(
        &self,
        failed: &mut Option<(Instant, Failure)>,
        now: SystemTime,
    ) -> Result<Arc<SigV4SigningKeys>, Failure> {
        if let Some((at, failure)) = failed.as_mut().filter(|(at, _)| at.elapsed() < FAILURE_REUSE_WINDOW) {
            // Each of a long line comes a moment after the one before it.
            *at = Instant::now();
            return Err(failure.clone());
        }
        let asked = self.derive_sigv4_keys_from_credentials(now).await;
        *failed = asked.as_ref().err().map(|failure| (Instant::now(), failure.clone()));
        asked
    }

    async fn derive_sigv4_keys_from_credentials(
        &self,
        now: SystemTime,
    ) -> Result<Arc<SigV4SigningKeys>, Failure> {
        let given = self.provider.provide_credentials().await.map_err(|error| {
            let first: &dyn std::error::Error = &error;
            let last = std::iter::successors(Some(first), |error| error.source()).last();
            Failure::new(
                FailureKind::Credentials,
                "AWS credentials",
                last.map_or_else(String::new, ToString::to_string),
                format!(
                    "sign in again, or name a profile with --profile, then run: {} — it continues where it stopped",
                    render_same_command_again(&[])
                ),
            )
        })?;
        let token = given.session_token().map(HeaderValue::from_str).transpose().map_err(|_| {
            Failure::new(
                FailureKind::Credentials,
                "AWS session token",
                "it holds characters that no header can carry",
                "sign in again",
            )
        })?;
        // A source that keeps giving the same short-lived credentials isn't asked for every request.
        let renew = given.expiry().map(|at| (at - RENEW_BEFORE_EXPIRY).max(now + Duration::from_secs(10)));
        let secret = given.secret_access_key();
        let keys = SigV4SigningKeys::derive_sigv4_signing_keys(
            given.access_key_id(),
            secret,
            token,
            renew,
            &self.region,
            now,
        );
        Ok(self.cache_sigv4_signing_keys(SigV4SigningKeys { expires: given.expiry(), ..keys }))
    }

    fn cache_sigv4_signing_keys(&self, keys: SigV4SigningKeys) -> Arc<SigV4SigningKeys> {
        let keys = Arc::new(keys);
        *self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(keys.clone());
        keys
    }
}

fn compute_hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a MAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn unix_seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn unix_day(now: SystemTime) -> u64 {
    unix_seconds(now) / 86_400
}

/// Renders a time: `20260131T235959Z`.
pub fn render_amz_date(now: SystemTime) -> String {
    let at = time::OffsetDateTime::from(UNIX_EPOCH + Duration::from_secs(unix_seconds(now)));
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

impl SigV4SigningKeys {
    fn are_sigv4_keys_current(&self, now: SystemTime) -> bool {
        self.day == unix_day(now) && self.renew.is_none_or(|renew| now < renew)
    }

    fn derive_sigv4_signing_keys(
        access: &str,
        secret: &str,
        token: Option<HeaderValue>,
        renew: Option<SystemTime>,
        region: &str,
        now: SystemTime,
    ) -> Self {
        let date = &render_amz_date(now)[..8];
        let seed = zeroize::Zeroizing::new(format!("AWS4{secret}"));
        let key = [region, "s3", "aws4_request"]
            .iter()
            .fold(compute_hmac_sha256(seed.as_bytes(), date.as_bytes()), |key, part| {
                compute_hmac_sha256(&key, part.as_bytes())
            });
        Self {
            access: access.to_owned(),
            secret: zeroize::Zeroizing::new(secret.to_owned()),
            token,
            day: unix_day(now),
            scope: format!("{date}/{region}/s3/aws4_request"),
            mac: Hmac::new_from_slice(&key).expect("a MAC takes a key of any length"),
            renew,
            expires: None,
        }
    }

    /// The same for the day of `now`, until others are asked for at `renew`.
    fn rederive_for_signing_day(&self, renew: Option<SystemTime>, region: &str, now: SystemTime) -> Self {
        let keys = Self::derive_sigv4_signing_keys(
            &self.access,
            &self.secret,
            self.token.clone(),
            renew,
            region,
            now,
        );
        Self { expires: self.expires, ..keys }
    }

    /// [`render_amz_date`] of a moment of this key's day, without the calendar.
    fn render_signing_day_amz_date(&self, now: SystemTime) -> String {
        let of_day = unix_seconds(now) % 86_400;
        let mut stamp = String::with_capacity(16);
        stamp.push_str(&self.scope[..8]);
        stamp.push('T');
        for part in [of_day / 3600, of_day / 60 % 60, of_day % 60] {
            stamp.extend([part / 10, part % 10].map(|digit| char::from(b'0' + digit as u8)));
        }
        stamp.push('Z');
        stamp
    }

    /// Adds what signs the request at `now`, the moment that the keys were asked for.
    ///
    /// `path` and `query` are as they go over the wire: encoded canonically, the query sorted by name, each name with
    /// its `=`.
    pub fn sign_request_sigv4(
        &self,
        now: SystemTime,
        method: &Method,
        path: &str,
        query: &str,
        headers: &mut SignedRequestHeaderList,
        body: &[u8],
    ) {
        let stamp = self.render_signing_day_amz_date(now);
        let hashed;
        let payload = if body.is_empty() {
            EMPTY_SHA256_HEX
        } else {
            hashed = hex::encode(Sha256::digest(body));
            &hashed
        };
        let text = |text: &str| HeaderValue::from_str(text).expect("digits and letters");
        headers.push((HeaderName::from_static("x-amz-date"), text(&stamp)));
        headers.push((
            HeaderName::from_static("x-amz-content-sha256"),
            if body.is_empty() { HeaderValue::from_static(EMPTY_SHA256_HEX) } else { text(payload) },
        ));
        if let Some(token) = &self.token {
            headers.push((HeaderName::from_static("x-amz-security-token"), token.clone()));
        }
        headers.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));

        let (canonical, signed) = render_canonical_request(method, path, query, headers, payload);
        let mut digest = [0; 64];
        hex::encode_to_slice(Sha256::digest(&canonical), &mut digest).expect("64 digits of 32 bytes");
        let mut mac = self.mac.clone();
        for part in
            [b"AWS4-HMAC-SHA256\n".as_slice(), stamp.as_bytes(), b"\n", self.scope.as_bytes(), b"\n", &digest]
        {
            mac.update(part);
        }
        hex::encode_to_slice(mac.finalize().into_bytes(), &mut digest).expect("64 digits of 32 bytes");
        let mut authorization = Vec::with_capacity(256 + signed.len());
        for part in [
            b"AWS4-HMAC-SHA256 Credential=".as_slice(),
            self.access.as_bytes(),
            b"/",
            self.scope.as_bytes(),
            b", SignedHeaders=",
            signed.as_bytes(),
            b", Signature=",
            &digest,
        ] {
            authorization.extend_from_slice(part);
        }
        let authorization = HeaderValue::from_maybe_shared(Bytes::from(authorization))
            .unwrap_or_else(|_| HeaderValue::from_static("the access key can't be sent"));
        headers.push((http::header::AUTHORIZATION, authorization));
    }
}

/// Renders what is hashed of a request whose headers are sorted, and the names of those.
fn render_canonical_request(
    method: &Method,
    path: &str,
    query: &str,
    headers: &SignedRequestHeaderList,
    payload: &str,
) -> (Vec<u8>, String) {
    let mut canonical = Vec::with_capacity(1024);
    for part in [method.as_str(), path, query] {
        canonical.extend_from_slice(part.as_bytes());
        canonical.push(b'\n');
    }
    let mut signed = String::with_capacity(256);
    for (name, value) in headers {
        canonical.extend_from_slice(name.as_str().as_bytes());
        canonical.push(b':');
        push_trimmed_header_value(value.as_bytes(), &mut canonical);
        canonical.push(b'\n');
        if !signed.is_empty() {
            signed.push(';');
        }
        signed.push_str(name.as_str());
    }
    for part in ["\n", &signed, "\n", payload] {
        canonical.extend_from_slice(part.as_bytes());
    }
    (canonical, signed)
}

/// `value` without spaces around it, and with one space for several.
fn push_trimmed_header_value(value: &[u8], into: &mut Vec<u8>) {
    let mut spaced = true;
    for &byte in value {
        let space = byte == b' ';
        if !(space && spaced) {
            into.push(byte);
        }
        spaced = space;
    }
    while into.last() == Some(&b' ') {
        into.pop();
    }
}

#[cfg(test)]
mod tests;
