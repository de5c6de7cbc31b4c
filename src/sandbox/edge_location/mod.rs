//! The edge: serves each distribution's deployed configuration, runs its function on every request, hits too, and caches.
//!
//! A behavior without a function serves openly, as CloudFront does; S3 is asked in the name that the origin says.

mod cache;
mod event;
mod functions;
mod origin;

pub use cache::Cache;
pub use functions::Instances;

use std::sync::PoisonError;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use self::{
    cache::{Entry, Ttl, lifetime},
    event::Verdict,
    functions::Trouble,
};
use super::{
    World,
    control_plane::cloudfront::{Behavior, Deployed, deployed},
};

/// Answers a viewer.
pub async fn answer(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let host = host(&request);
    let (mut response, how) = match deployed(world, &host) {
        Some(distribution) if distribution.enabled => serve(world, &distribution, request).await,
        _ => (
            page(
                StatusCode::FORBIDDEN,
                "Bad request. We can't connect to the server for this app or website at this time.",
            ),
            ERROR,
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

const ERROR: &str = "Error from cloudfront";
const MISS: &str = "Miss from cloudfront";
const HIT: &str = "Hit from cloudfront";
const REFRESHED: &str = "RefreshHit from cloudfront";

fn host(request: &Request<Bytes>) -> String {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    named.or_else(|| request.uri().authority().map(ToString::to_string)).unwrap_or_default()
}

/// CloudFront's own error page.
fn page(status: StatusCode, why: &str) -> Response<Bytes> {
    let text = format!(
        "<HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD><BODY>\n<H1>{status}</H1>\n<H2>The request could not be satisfied.</H2>\n{why}\n</BODY></HTML>\n"
    );
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// Gives the answer, and what `x-cache` says of it.
async fn serve(
    world: &World,
    distribution: &Deployed,
    request: Request<Bytes>,
) -> (Response<Bytes>, &'static str) {
    let length = request.uri().path().len() + request.uri().query().map_or(0, str::len);
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if length >= event::LONGEST_URL || length + headers > 20_480 {
        return (page(StatusCode::URI_TOO_LONG, "The request is too long."), ERROR);
    }
    let Some(behavior) = chosen(distribution, request.uri().path()) else {
        return (page(StatusCode::BAD_GATEWAY, "The distribution has no behavior."), ERROR);
    };
    if request.uri().scheme_str() == Some("http") && behavior.viewer_protocol_policy != "allow-all" {
        return not_https(behavior, distribution, &request);
    }
    if !behavior.allowed_methods.iter().any(|method| method == request.method().as_str()) {
        let why = "This distribution is not configured to allow the HTTP request method that was used for this request.";
        return (page(StatusCode::FORBIDDEN, why), ERROR);
    }
    let mut uri = request.uri().path().to_owned();
    let mut query = request.uri().query().unwrap_or_default().to_owned();
    if let Some(version) = &behavior.viewer_request {
        match decided(world, distribution, version, &request).await {
            Ok(Verdict::On { uri: on, querystring }) => (uri, query) = (on, querystring),
            Ok(Verdict::Answer(mut response)) => {
                if request.method() == Method::HEAD {
                    *response.body_mut() = Bytes::new();
                }
                return (response, "LambdaGeneratedResponse from cloudfront");
            }
            Err(response) => return (response, ERROR),
        }
    }
    if uri == "/" && !distribution.default_root_object.is_empty() {
        uri = format!("/{}", distribution.default_root_object);
    }
    if !behavior.query_strings {
        query.clear();
    }
    delivered(world, distribution, behavior, &request, &uri, &query).await
}

fn not_https(
    behavior: &Behavior,
    distribution: &Deployed,
    request: &Request<Bytes>,
) -> (Response<Bytes>, &'static str) {
    if behavior.viewer_protocol_policy != "redirect-to-https" {
        return (page(StatusCode::FORBIDDEN, "Bad request."), ERROR);
    }
    let mut response = page(StatusCode::MOVED_PERMANENTLY, "");
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    if let Ok(to) = HeaderValue::try_from(format!("https://{}{path}", distribution.domain)) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    (response, "Redirect from cloudfront")
}

/// The first behavior whose pattern matches the path as CloudFront normalizes it, else the default one.
fn chosen<'d>(distribution: &'d Deployed, path: &str) -> Option<&'d Behavior> {
    let path = normalized(path);
    distribution.behaviors.iter().find(|behavior| {
        behavior.path_pattern.as_ref().is_none_or(|pattern| {
            let pattern = format!("/{}", pattern.trim_start_matches('/'));
            globset::GlobBuilder::new(&literal(&pattern))
                .literal_separator(false)
                .build()
                .is_ok_and(|glob| glob.compile_matcher().is_match(&path))
        })
    })
}

/// CloudFront's patterns know `*` and `?` alone.
fn literal(pattern: &str) -> String {
    pattern.chars().fold(String::new(), |mut whole, char| {
        if "[]{}\\!".contains(char) {
            whole.push('\\');
        }
        whole.push(char);
        whole
    })
}

fn normalized(path: &str) -> String {
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

async fn decided(
    world: &World,
    distribution: &Deployed,
    version: &str,
    request: &Request<Bytes>,
) -> Result<Verdict, Response<Bytes>> {
    let id = format!("{:032x}", fastrand::u128(..));
    let asked = event::event(request, &distribution.id, &distribution.domain, &id);
    let reply = functions::run(world, version, asked.clone()).await.map_err(|trouble| match trouble {
        Trouble::Invalid(why) => page(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!("The Lambda function associated with the CloudFront distribution is invalid or doesn't have the required permissions: {why}."),
        ),
        Trouble::Failed(why) => {
            page(StatusCode::SERVICE_UNAVAILABLE, &format!("The Lambda function returned an error: {why}."))
        }
    })?;
    event::verdict(&asked, &reply).map_err(|why| {
        page(StatusCode::BAD_GATEWAY, &format!("The Lambda function result failed validation: {why}."))
    })
}

/// From the cache, or from the origin.
async fn delivered(
    world: &World,
    distribution: &Deployed,
    behavior: &Behavior,
    request: &Request<Bytes>,
    uri: &str,
    query: &str,
) -> (Response<Bytes>, &'static str) {
    let key = (distribution.id.clone(), format!("{uri}?{query}"));
    let held = || world.memory().cache.lock().unwrap_or_else(PoisonError::into_inner);
    let (now, known) = (world.now(), held().get(&key).cloned());
    if let Some(entry) = known.clone().filter(|entry| now < entry.fresh_until) {
        let mut response = shaped(request, &entry);
        let age = HeaderValue::from(now.saturating_sub(entry.stored).as_secs());
        response.headers_mut().insert(header::AGE, age);
        return (
            response,
            if entry.status.is_client_error() || entry.status.is_server_error() { ERROR } else { HIT },
        );
    }
    let Some(origin) = distribution.origins.iter().find(|origin| origin.id == behavior.target_origin_id)
    else {
        return (page(StatusCode::BAD_GATEWAY, "The behavior's origin is not there."), ERROR);
    };
    let ask = origin::Ask { world, distribution, origin, uri, query };
    let head = request.method() == Method::HEAD;
    let etag = known
        .as_ref()
        .filter(|entry| entry.status.is_success())
        .and_then(|entry| entry.headers.get(header::ETAG));
    let Some(mut answer) = ask.send(head, etag, None).await else {
        return (page(StatusCode::BAD_GATEWAY, "CloudFront wasn't able to connect to the origin."), ERROR);
    };
    let ttl = Ttl { min: behavior.min_ttl, default: behavior.default_ttl, max: behavior.max_ttl };
    if answer.status() == StatusCode::NOT_MODIFIED
        && let Some(mut entry) = known
    {
        entry.headers.extend(answer.headers().clone());
        let seconds = lifetime(&entry.headers, ttl).unwrap_or(0);
        entry.stored = now;
        entry.fresh_until = now + std::time::Duration::from_secs(seconds);
        let response = shaped(request, &entry);
        held().insert(key, entry);
        return (response, REFRESHED);
    }
    if answer.status() == StatusCode::NOT_IMPLEMENTED
        && let Some(range) = request.headers().get(header::RANGE)
    {
        // Too large to be had as a whole: that part alone, and nothing is kept.
        return match ask.send(head, None, Some(range)).await {
            Some(answer) => (answer, MISS),
            None => {
                (page(StatusCode::BAD_GATEWAY, "CloudFront wasn't able to connect to the origin."), ERROR)
            }
        };
    }
    let status = answer.status();
    let seconds = if status.is_success() {
        lifetime(answer.headers(), ttl)
    } else {
        Some(distribution.error_ttl.get(&status.as_u16()).copied().unwrap_or(10))
    };
    let headers = std::mem::take(answer.headers_mut());
    let fresh_until = now + std::time::Duration::from_secs(seconds.unwrap_or(0));
    let entry = Entry { status, headers, body: answer.into_body(), stored: now, fresh_until };
    let response = shaped(request, &entry);
    let kept = seconds.is_some_and(|seconds| seconds > 0 || status.is_success());
    if kept && !head {
        held().insert(key, entry);
    } else if !head {
        held().remove(&key);
    }
    (response, if status.is_success() { MISS } else { ERROR })
}

/// What this viewer gets of it: a part, no body, or only that nothing changed.
fn shaped(request: &Request<Bytes>, entry: &Entry) -> Response<Bytes> {
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
            part(&mut response, &range);
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
fn part(response: &mut Response<Bytes>, range: &str) {
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
