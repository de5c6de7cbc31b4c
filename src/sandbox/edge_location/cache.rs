//! The edge's cache: for how long an answer may be given again, by the cache policy and the object's own Cache-Control.
//!
//! What may not be stored isn't; what may be stored and is not fresh is asked for again, with its ETag.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};

/// The TTLs of a behavior's cache policy, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BehaviorCacheTtls {
    pub min: u64,
    pub default: u64,
    pub max: u64,
}

/// One answer of the origin.
#[derive(Debug, Clone)]
pub struct CachedOriginResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// World time.
    pub stored: Duration,
    pub fresh_until: Duration,
}

impl CachedOriginResponse {
    /// Takes the origin's answer, fresh for so many seconds from now.
    pub fn new_cached_origin_response(answer: Response<Bytes>, now: Duration, fresh_secs: u64) -> Self {
        let (parts, body) = answer.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
            stored: now,
            fresh_until: now + Duration::from_secs(fresh_secs),
        }
    }
}

/// The cached answers, by distribution and key.
pub type SandboxEdgeResponseCache = HashMap<(String, String), CachedOriginResponse>;

/// Returns for how many seconds an answer is fresh; none where it may not be stored.
pub fn compute_cache_lifetime_secs(headers: &HeaderMap, ttl: BehaviorCacheTtls) -> Option<u64> {
    let text = |name: header::HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let control = text(header::CACHE_CONTROL).to_lowercase();
    let directives: Vec<(&str, Option<&str>)> = control
        .split(',')
        .map(str::trim)
        .map(|one| {
            one.split_once('=').map_or((one, None), |(name, value)| (name, Some(value.trim_matches('"'))))
        })
        .collect();
    let says = |name: &str| directives.iter().any(|(one, _)| *one == name);
    let seconds = |name: &str| {
        directives.iter().find(|(one, _)| *one == name).and_then(|(_, value)| (*value)?.parse::<u64>().ok())
    };
    if says("no-store") || says("private") {
        // A minimum above zero wins even then.
        return (ttl.min > 0).then_some(ttl.min);
    }
    if says("no-cache") {
        return Some(ttl.min);
    }
    let expires = || {
        if text(header::EXPIRES).is_empty() {
            return None;
        }
        let at = |name| parse_http_date(text(name));
        // What is no date is over already (RFC 9111).
        let left = at(header::EXPIRES).zip(at(header::DATE)).map(|(expires, date)| expires - date);
        Some(u64::try_from(left.unwrap_or(0)).unwrap_or(0))
    };
    match seconds("s-maxage").or_else(|| seconds("max-age")).or_else(expires) {
        Some(said) => Some(said.clamp(ttl.min, ttl.max.max(ttl.min))),
        None => Some(ttl.default.max(ttl.min)),
    }
}

fn parse_http_date(date: &str) -> Option<i64> {
    const HTTP_DATE_FORMAT: &[time::format_description::BorrowedFormatItem<'_>] = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    time::PrimitiveDateTime::parse(date, HTTP_DATE_FORMAT).ok().map(|at| at.assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_fresh_as_the_policy_and_its_own_headers_say() {
        let ours = BehaviorCacheTtls { min: 0, default: 0, max: 31_536_000 };
        let optimized = BehaviorCacheTtls { min: 1, default: 86_400, max: 31_536_000 };
        let short = BehaviorCacheTtls { min: 0, default: 5, max: 60 };
        let packages = BehaviorCacheTtls { min: 0, default: 86_400, max: 31_536_000 };
        for (control, ttl, wanted) in [
            ("public, max-age=31536000, immutable", ours, Some(31_536_000)),
            ("no-cache, no-store, max-age=0, must-revalidate", ours, None),
            ("no-cache", ours, Some(0)),
            ("max-age=0", ours, Some(0)),
            ("private, max-age=60", ours, None),
            ("max-age=60, s-maxage=5", ours, Some(5)),
            ("", ours, Some(0)),
            ("", optimized, Some(86_400)),
            ("no-store", optimized, Some(1)),
            ("max-age=0", optimized, Some(1)),
            ("public", optimized, Some(86_400)),
            ("no-cache", optimized, Some(1)),
            ("private", optimized, Some(1)),
            ("no-cache, max-age=60", packages, Some(0)),
            ("no-store", packages, None),
            ("private", packages, None),
            ("public", packages, Some(86_400)),
            ("", packages, Some(86_400)),
            ("max-age=5, s-maxage=60", packages, Some(60)),
            ("s-maxage=0", packages, Some(0)),
            ("max-age=0", packages, Some(0)),
            ("max-age=600", short, Some(60)),
            ("Max-Age=\"30\"", short, Some(30)),
        ] {
            let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, control.parse().unwrap())]);
            assert_eq!(compute_cache_lifetime_secs(&headers, ttl), wanted, "{control} {ttl:?}");
        }
        let dated = HeaderMap::from_iter([
            (header::DATE, "Mon, 23 Nov 2026 20:00:00 GMT".parse().unwrap()),
            (header::EXPIRES, "Mon, 23 Nov 2026 20:00:30 GMT".parse().unwrap()),
        ]);
        assert_eq!(compute_cache_lifetime_secs(&dated, ours), Some(30));
        assert_eq!(compute_cache_lifetime_secs(&dated, packages), Some(30), "its own Expires wins");
        let no_date = HeaderMap::from_iter([(header::EXPIRES, "0".parse().unwrap())]);
        assert_eq!(compute_cache_lifetime_secs(&no_date, packages), Some(0));
    }
}
