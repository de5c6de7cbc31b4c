//! The edge: serves each distribution's deployed configuration, runs its function on every request, hits too, and caches.
//!
//! A behavior without a function serves openly, as CloudFront does; S3 is asked in the name that the origin says.

mod cache;
mod event;
mod origin;

pub use cache::SandboxEdgeResponseCache;

use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use self::{
    cache::{BehaviorCacheTtls, CachedOriginResponse, compute_cache_lifetime_secs},
    event::SandboxEdgeFunctionDecision,
};
use super::{
    Sandbox,
    control_plane::{
        PropagationClock,
        cloudfront::{
            SandboxCacheBehavior, SandboxDeployedDistribution, find_sandbox_distribution_by_host,
            is_cached_path_invalidated,
        },
        lambda::{SandboxFunctionError, SandboxFunctionPlace, run_sandbox_function_version},
        logs::record_edge_function_log,
    },
};
use crate::model::packagecloud::path_cache::{PathSpellingReading, matches_path_pattern};

/// Answers a viewer.
pub async fn serve_viewer_request(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let host = viewer_request_host(&request);
    let (mut response, how) = match find_sandbox_distribution_by_host(world, &host) {
        Some(distribution) if distribution.enabled => {
            let (response, how) = serve_from_distribution(world, &distribution, request).await;
            world.count_edge_answer(&distribution.id, &response, how);
            (response, how)
        }
        _ => (
            render_cloudfront_error_page(
                StatusCode::FORBIDDEN,
                "Bad request. We can't connect to the server for this app or website at this time.",
            ),
            X_CACHE_ERROR,
        ),
    };
    let headers = response.headers_mut();
    let id = format!("{:032x}", fastrand::u128(..));
    for (name, value) in [
        ("x-cache", how),
        ("via", &format!("1.1 {id}.cloudfront.net (CloudFront)")),
        ("x-amz-cf-pop", "SBX50-P1"),
        ("x-amz-cf-id", &format!("{id}==")),
    ] {
        headers.insert(name, HeaderValue::try_from(value).expect("names and hex are header text"));
    }
    response
}

/// The most that a request line and its headers may be, together, in bytes (aws-facts section 1).
const REQUEST_MAX_BYTES: usize = 20_480;

const X_CACHE_ERROR: &str = "Error from cloudfront";
const X_CACHE_MISS: &str = "Miss from cloudfront";
const X_CACHE_HIT: &str = "Hit from cloudfront";
const X_CACHE_REFRESH_HIT: &str = "RefreshHit from cloudfront";

fn viewer_request_host(request: &Request<Bytes>) -> String {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    named.or_else(|| request.uri().authority().map(ToString::to_string)).unwrap_or_default()
}

/// CloudFront's own error page.
fn render_cloudfront_error_page(status: StatusCode, why: &str) -> Response<Bytes> {
    let text = format!(
        "<HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD><BODY>\n<H1>{status}</H1>\n<H2>The request could not be satisfied.</H2>\n{why}\n</BODY></HTML>\n"
    );
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// Gives the answer, and what `x-cache` says of it.
async fn serve_from_distribution(
    world: &Sandbox,
    distribution: &SandboxDeployedDistribution,
    request: Request<Bytes>,
) -> (Response<Bytes>, &'static str) {
    let length = request.uri().path().len() + request.uri().query().map_or(0, str::len);
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if length >= event::URL_MAX_BYTES || length + headers > REQUEST_MAX_BYTES {
        return (
            render_cloudfront_error_page(StatusCode::URI_TOO_LONG, "The request is too long."),
            X_CACHE_ERROR,
        );
    }
    let reading =
        *world.sandbox_in_memory_state().path_reading.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(behavior) = find_matching_behavior(distribution, request.uri().path(), reading) else {
        return (
            render_cloudfront_error_page(StatusCode::BAD_GATEWAY, "The distribution has no behavior."),
            X_CACHE_ERROR,
        );
    };
    if request.uri().scheme_str() == Some("http") && behavior.viewer_protocol_policy != "allow-all" {
        return redirect_or_deny_http(behavior, distribution, &request);
    }
    if !behavior.allowed_methods.iter().any(|method| method == request.method().as_str()) {
        let why = "This distribution is not configured to allow the HTTP request method that was used for this request.";
        return (render_cloudfront_error_page(StatusCode::FORBIDDEN, why), X_CACHE_ERROR);
    }
    let mut uri = request.uri().path().to_owned();
    let mut query = request.uri().query().unwrap_or_default().to_owned();
    if let Some(version) = &behavior.viewer_request {
        match run_viewer_request_function(world, distribution, version, &request).await {
            Ok(SandboxEdgeFunctionDecision::Forward { uri: on, querystring }) => {
                (uri, query) = (on, querystring);
            }
            Ok(SandboxEdgeFunctionDecision::Respond(mut response)) => {
                if request.method() == Method::HEAD {
                    *response.body_mut() = Bytes::new();
                }
                return (response, "LambdaGeneratedResponse from cloudfront");
            }
            Err(response) => return (response, X_CACHE_ERROR),
        }
    }
    if uri == "/" && !distribution.default_root_object.is_empty() {
        uri = format!("/{}", distribution.default_root_object);
    }
    if !behavior.query_strings {
        query.clear();
    }
    serve_from_cache_or_origin(world, distribution, behavior, &request, &uri, &query).await
}

fn redirect_or_deny_http(
    behavior: &SandboxCacheBehavior,
    distribution: &SandboxDeployedDistribution,
    request: &Request<Bytes>,
) -> (Response<Bytes>, &'static str) {
    if behavior.viewer_protocol_policy != "redirect-to-https" {
        return (render_cloudfront_error_page(StatusCode::FORBIDDEN, "Bad request."), X_CACHE_ERROR);
    }
    let mut response = render_cloudfront_error_page(StatusCode::MOVED_PERMANENTLY, "");
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    if let Ok(to) = HeaderValue::try_from(format!("https://{}{path}", distribution.domain)) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    (response, "Redirect from cloudfront")
}

/// The first behavior whose pattern matches the path as CloudFront normalizes it, else the default one.
fn find_matching_behavior<'d>(
    distribution: &'d SandboxDeployedDistribution,
    path: &str,
    reading: PathSpellingReading,
) -> Option<&'d SandboxCacheBehavior> {
    let path = reading.read_viewer_path(&normalize_sandbox_viewer_path(path));
    distribution.behaviors.iter().find(|behavior| {
        behavior.path_pattern.as_ref().is_none_or(|pattern| matches_path_pattern(pattern, &path))
    })
}

fn normalize_sandbox_viewer_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    format!("/{}{}", parts.join("/"), if path.len() > 1 && path.ends_with('/') { "/" } else { "" })
}

async fn run_viewer_request_function(
    world: &Sandbox,
    distribution: &SandboxDeployedDistribution,
    version: &str,
    request: &Request<Bytes>,
) -> Result<SandboxEdgeFunctionDecision, Response<Bytes>> {
    let id = format!("{:032x}", fastrand::u128(..));
    let asked = event::build_sandbox_viewer_event(request, &distribution.id, &distribution.domain, &id);
    let failed = |why: &str| {
        render_cloudfront_error_page(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!("The Lambda function returned an error: {why}."),
        )
    };
    let ran = run_sandbox_function_version(world, SandboxFunctionPlace::Edge, version, asked.clone()).await;
    let reply = match ran {
        Ok(invocation) => {
            record_edge_function_log(world, version, &invocation.log);
            invocation.result.map_err(|thrown| failed(&thrown))?
        }
        Err(SandboxFunctionError::Unloadable(why)) => return Err(failed(&why)),
        Err(SandboxFunctionError::TimedOut) => return Err(failed("it took longer than 5 seconds")),
        Err(SandboxFunctionError::Invalid(why)) => {
            return Err(render_cloudfront_error_page(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!(
                    "The Lambda function associated with the CloudFront distribution is invalid or doesn't have the required permissions: {why}."
                ),
            ));
        }
    };
    event::parse_edge_function_reply(&asked, &reply).map_err(|why| {
        render_cloudfront_error_page(
            StatusCode::BAD_GATEWAY,
            &format!("The Lambda function result failed validation: {why}."),
        )
    })
}

/// Finds what is cached under a key, fresh or not, unless it was invalidated since it was stored.
fn find_valid_cached_response(
    world: &Sandbox,
    distribution: &SandboxDeployedDistribution,
    uri: &str,
    key: &(String, String),
) -> Option<CachedOriginResponse> {
    let clock = PropagationClock::propagation_clock_from_sandbox(world);
    let known = lock_edge_cache(world).get(key).cloned();
    known.filter(|entry| !is_cached_path_invalidated(&distribution.invalidations, clock, uri, entry.stored))
}

/// Computes for how many seconds an answer of the origin, be it an error, is fresh; none where it may not be stored.
fn compute_origin_answer_lifetime_secs(
    distribution: &SandboxDeployedDistribution,
    ttl: BehaviorCacheTtls,
    answer: &Response<Bytes>,
) -> Option<u64> {
    let status = answer.status();
    if status.is_success() {
        return compute_cache_lifetime_secs(answer.headers(), ttl);
    }
    let said = distribution.error_ttl.get(&status.as_u16()).copied();
    Some(said.unwrap_or(ERROR_TTL_DEFAULT_SECS))
}

/// Answers from the cache, or from the origin.
async fn serve_from_cache_or_origin(
    world: &Sandbox,
    distribution: &SandboxDeployedDistribution,
    behavior: &SandboxCacheBehavior,
    request: &Request<Bytes>,
    uri: &str,
    query: &str,
) -> (Response<Bytes>, &'static str) {
    let key = (distribution.id.clone(), format!("{uri}?{query}"));
    let now = world.sandbox_unix_time_now();
    let known = find_valid_cached_response(world, distribution, uri, &key);
    if let Some(entry) = known.as_ref().filter(|entry| now < entry.fresh_until) {
        return answer_from_edge_cache(request, entry, now);
    }
    let Some(origin) = distribution.origins.iter().find(|origin| origin.id == behavior.target_origin_id)
    else {
        return build_bad_gateway_response("The behavior's origin is not there.");
    };
    let ask = origin::EdgeToOriginRequest { world, distribution, origin, uri, query };
    let head = request.method() == Method::HEAD;
    let etag = known
        .as_ref()
        .filter(|entry| entry.status.is_success())
        .and_then(|entry| entry.headers.get(header::ETAG));
    let Some(answer) = ask.send_request_to_origin(head, etag, None).await else {
        return build_bad_gateway_response(UNREACHABLE_ORIGIN);
    };
    let ttl =
        BehaviorCacheTtls { min: behavior.min_ttl, default: behavior.default_ttl, max: behavior.max_ttl };
    if answer.status() == StatusCode::NOT_MODIFIED
        && let Some(mut entry) = known
    {
        entry.headers.extend(answer.headers().clone());
        let seconds = compute_cache_lifetime_secs(&entry.headers, ttl).unwrap_or(0);
        entry.stored = now;
        entry.fresh_until = now + Duration::from_secs(seconds);
        let response = build_response_from_cached_object(request, &entry);
        lock_edge_cache(world).insert(key, entry);
        return (response, X_CACHE_REFRESH_HIT);
    }
    if answer.status() == StatusCode::NOT_IMPLEMENTED
        && let Some(range) = request.headers().get(header::RANGE)
    {
        // Too large to be had as a whole: that part alone, and nothing is kept.
        return match ask.send_request_to_origin(head, None, Some(range)).await {
            Some(answer) => (answer, X_CACHE_MISS),
            None => build_bad_gateway_response(UNREACHABLE_ORIGIN),
        };
    }
    if ask.is_origin_object_oversized(&answer).await {
        return build_bad_gateway_response("The object is larger than CloudFront can serve.");
    }
    let status = answer.status();
    let seconds = compute_origin_answer_lifetime_secs(distribution, ttl, &answer);
    let entry = CachedOriginResponse::new_cached_origin_response(answer, now, seconds.unwrap_or(0));
    let response = build_response_from_cached_object(request, &entry);
    let kept = seconds.is_some_and(|seconds| seconds > 0 || status.is_success());
    if kept && !head {
        lock_edge_cache(world).insert(key, entry);
    } else if !head {
        lock_edge_cache(world).remove(&key);
    }
    (response, if status.is_success() { X_CACHE_MISS } else { X_CACHE_ERROR })
}

const UNREACHABLE_ORIGIN: &str = "CloudFront wasn't able to connect to the origin.";
/// How long an error of the origin is kept, where the distribution doesn't say: CloudFront's default (aws-facts section 2).
const ERROR_TTL_DEFAULT_SECS: u64 = 10;

fn lock_edge_cache(world: &Sandbox) -> MutexGuard<'_, SandboxEdgeResponseCache> {
    world.sandbox_in_memory_state().cache.lock().unwrap_or_else(PoisonError::into_inner)
}

fn build_bad_gateway_response(why: &str) -> (Response<Bytes>, &'static str) {
    (render_cloudfront_error_page(StatusCode::BAD_GATEWAY, why), X_CACHE_ERROR)
}

/// Answers with what is fresh, and says how old it is.
fn answer_from_edge_cache(
    request: &Request<Bytes>,
    entry: &CachedOriginResponse,
    now: Duration,
) -> (Response<Bytes>, &'static str) {
    let mut response = build_response_from_cached_object(request, entry);
    let age = HeaderValue::from(now.saturating_sub(entry.stored).as_secs());
    response.headers_mut().insert(header::AGE, age);
    let failed = entry.status.is_client_error() || entry.status.is_server_error();
    (response, if failed { X_CACHE_ERROR } else { X_CACHE_HIT })
}

/// What this viewer gets of it: a part, no body, or only that nothing changed.
fn build_response_from_cached_object(
    request: &Request<Bytes>,
    entry: &CachedOriginResponse,
) -> Response<Bytes> {
    let mut response = Response::new(entry.body.clone());
    *response.status_mut() = entry.status;
    response.headers_mut().clone_from(&entry.headers);
    let text = |headers: &HeaderMap, name: header::HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    if entry.status == StatusCode::OK {
        let (etag, wanted) =
            (text(&entry.headers, header::ETAG), text(request.headers(), header::IF_NONE_MATCH));
        let matches =
            wanted.split(',').any(|one| one.trim().trim_start_matches("W/") == etag || one.trim() == "*");
        let since = text(request.headers(), header::IF_MODIFIED_SINCE);
        let unchanged =
            wanted.is_empty() && !since.is_empty() && since == text(&entry.headers, header::LAST_MODIFIED);
        if (matches && !wanted.is_empty()) || unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Bytes::new();
            response.headers_mut().remove(header::CONTENT_LENGTH);
            return response;
        }
        let range = text(request.headers(), header::RANGE);
        let if_range = text(request.headers(), header::IF_RANGE);
        if !range.is_empty() && (if_range.is_empty() || if_range == etag) && request.method() == Method::GET {
            apply_range_to_response(&mut response, &range);
        }
    }
    if request.method() == Method::HEAD {
        *response.body_mut() = Bytes::new();
    } else {
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    response
}

/// One range, in order; what is none, or several, gets the whole.
fn apply_range_to_response(response: &mut Response<Bytes>, range: &str) {
    let whole = response.body().len() as u64;
    let Ok(range) = s3s::dto::Range::parse(range) else { return };
    let (status, said) = if let Ok(bytes) = range.check(whole) {
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
        let body = response.body().slice(at(bytes.start)..at(bytes.end));
        *response.body_mut() = body;
        (StatusCode::PARTIAL_CONTENT, format!("bytes {}-{}/{whole}", bytes.start, bytes.end - 1))
    } else {
        *response.body_mut() = Bytes::new();
        (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{whole}"))
    };
    *response.status_mut() = status;
    let said = HeaderValue::try_from(said).expect("digits are header text");
    response.headers_mut().insert(header::CONTENT_RANGE, said);
}

#[cfg(test)]
mod tests;
