//! What CloudFront gives a viewer-request function, and what it takes from it.
//!
//! A reply of another shape than AWS takes, or one that touches what is read-only, is refused, never repaired.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::{Map, Value, json};

/// The most that a generated body may be, in bytes (aws-facts section 1).
const GENERATED_BODY_MAX_BYTES: usize = 40 * 1024;
/// The most that a path and its query may be, together, in bytes (aws-facts section 1).
pub const URL_MAX_BYTES: usize = 8192;

/// What a viewer-request function may neither change nor set.
const READ_ONLY_HEADERS: [&str; 4] = ["content-length", "host", "transfer-encoding", "via"];
/// What no edge function may set.
const DISALLOWED_HEADERS: [&str; 16] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "upgrade",
    "x-accel-buffering",
    "x-accel-charset",
    "x-accel-limit-rate",
    "x-accel-redirect",
    "x-cache",
    "x-forwarded-proto",
    "x-real-ip",
    "x-edge-location",
];

/// What the function decided.
#[derive(Debug)]
pub enum SandboxEdgeFunctionDecision {
    /// The request goes on, with this path and query.
    Forward { uri: String, querystring: String },
    /// The viewer gets this.
    Respond(Response<Bytes>),
}

/// Builds the event of a request to a distribution.
pub fn build_sandbox_viewer_event(
    request: &Request<Bytes>,
    distribution: &str,
    domain: &str,
    id: &str,
) -> Value {
    let mut headers = Map::new();
    for (name, value) in request.headers() {
        let one = json!({ "key": name.as_str(), "value": String::from_utf8_lossy(value.as_bytes()) });
        match headers.get_mut(name.as_str()).and_then(Value::as_array_mut) {
            Some(many) => many.push(one),
            None => {
                headers.insert(name.as_str().to_owned(), json!([one]));
            }
        }
    }
    json!({ "Records": [{ "cf": {
        "config": {
            "distributionDomainName": domain,
            "distributionId": distribution,
            "eventType": "viewer-request",
            "requestId": id,
        },
        "request": {
            "clientIp": "127.0.0.1",
            "headers": headers,
            "method": request.method().as_str(),
            "querystring": request.uri().query().unwrap_or_default(),
            "uri": request.uri().path(),
        },
    } }] })
}

/// Judges a function's reply to `event`.
///
/// # Errors
/// What CloudFront would log of it: the viewer gets 502.
pub fn parse_edge_function_reply(
    event: &Value,
    reply: &Value,
) -> Result<SandboxEdgeFunctionDecision, String> {
    if !reply.is_object() {
        return Err("the function returned neither a request nor a response".to_owned());
    }
    if reply.get("status").is_some() {
        return parse_generated_response(reply).map(SandboxEdgeFunctionDecision::Respond);
    }
    let asked = &event["Records"][0]["cf"]["request"];
    for field in ["method", "clientIp"] {
        if reply[field] != asked[field] {
            return Err(format!("{field} is read-only"));
        }
    }
    let text = |field: &str| reply[field].as_str().ok_or_else(|| format!("{field} is not a string"));
    let (uri, querystring) = (text("uri")?, text("querystring")?);
    let plain = |text: &str| text.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'#');
    if !uri.starts_with('/') || !plain(uri) || uri.contains('?') || !plain(querystring) {
        return Err("the uri, or the querystring, isn't one that can be sent".to_owned());
    }
    if uri.len() + querystring.len() >= URL_MAX_BYTES {
        return Err("the uri and the querystring are too long".to_owned());
    }
    let headers = reply["headers"].as_object().ok_or("headers is not an object")?;
    for (name, values) in headers {
        parse_event_header_values(name, values)?;
        let same = asked["headers"].get(name) == Some(values);
        if !same && is_disallowed_edge_header(name) {
            return Err(format!("the header {name} can't be set"));
        }
    }
    for name in READ_ONLY_HEADERS {
        if asked["headers"].get(name) != headers.get(name) {
            return Err(format!("the header {name} is read-only"));
        }
    }
    Ok(SandboxEdgeFunctionDecision::Forward { uri: uri.to_owned(), querystring: querystring.to_owned() })
}

fn is_disallowed_edge_header(name: &str) -> bool {
    READ_ONLY_HEADERS.contains(&name)
        || DISALLOWED_HEADERS.contains(&name)
        || name.starts_with("x-amz-cf-")
        || name.starts_with("x-edge-")
}

/// `[{ key, value }, …]` under a lower-case name.
fn parse_event_header_values<'v>(name: &str, values: &'v Value) -> Result<Vec<&'v str>, String> {
    let wrong = || format!("the header {name} is not a list of key and value");
    if name != name.to_lowercase() {
        return Err(format!("the header {name} is not in lower case"));
    }
    let many = values.as_array().ok_or_else(wrong)?;
    many.iter()
        .map(|one| {
            if one.get("key").is_some_and(|key| key.as_str().is_none_or(|key| key.to_lowercase() != name)) {
                return Err(format!("the header {name} has another key"));
            }
            one["value"].as_str().ok_or_else(wrong)
        })
        .collect()
}

fn parse_generated_response(reply: &Value) -> Result<Response<Bytes>, String> {
    let status = reply["status"].as_str().ok_or("status is not a string")?;
    let status = status
        .parse::<u16>()
        .ok()
        .filter(|code| (200..=599).contains(code) && status.len() == 3)
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| format!("status {status} is none"))?;
    if reply.get("statusDescription").is_some_and(|text| !text.is_string()) {
        return Err("statusDescription is not a string".to_owned());
    }
    let body = match reply.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) if reply["bodyEncoding"] == "base64" => {
            STANDARD.decode(text).map_err(|_| "the body is not base64")?.into()
        }
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(_) => return Err("the body is not a string".to_owned()),
    };
    if body.len() > GENERATED_BODY_MAX_BYTES {
        return Err(format!("the body is larger than {GENERATED_BODY_MAX_BYTES} bytes"));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(headers) = reply.get("headers") {
        for (name, values) in headers.as_object().ok_or("headers is not an object")? {
            if is_disallowed_edge_header(name) {
                return Err(format!("the header {name} can't be set"));
            }
            for value in parse_event_header_values(name, values)? {
                let name = HeaderName::try_from(name).map_err(|_| format!("{name} is no header"))?;
                let value =
                    HeaderValue::try_from(value).map_err(|_| format!("{name} has no header's value"))?;
                response.headers_mut().append(name, value);
            }
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_event() -> Value {
        let request = Request::get("/1/2/a%20b.deb?t=1_a")
            .header("host", "d.cloudfront.net")
            .header("user-agent", "apt")
            .body(Bytes::new());
        build_sandbox_viewer_event(&request.unwrap(), "E1", "d.cloudfront.net", "r")
    }

    #[test]
    fn the_event_holds_the_request_as_it_was_sent() {
        let asked = sample_event();
        let request = &asked["Records"][0]["cf"]["request"];
        assert_eq!((&request["uri"], &request["querystring"]), (&json!("/1/2/a%20b.deb"), &json!("t=1_a")));
        assert_eq!(request["headers"]["host"], json!([{ "key": "host", "value": "d.cloudfront.net" }]));
    }

    #[test]
    fn a_request_goes_on_only_in_the_shape_that_aws_takes() {
        let asked = sample_event();
        let request = asked["Records"][0]["cf"]["request"].clone();
        let with = |change: &dyn Fn(&mut Value)| {
            let mut reply = request.clone();
            change(&mut reply);
            parse_edge_function_reply(&asked, &reply)
        };
        assert!(
            matches!(with(&|reply| reply["querystring"] = json!("")), Ok(SandboxEdgeFunctionDecision::Forward { querystring, .. }) if querystring.is_empty())
        );
        assert!(with(&|reply| reply["headers"]["x-own"] = json!([{ "key": "X-Own", "value": "1" }])).is_ok());
        for change in [
            (&|reply: &mut Value| reply["method"] = json!("HEAD")) as &dyn Fn(&mut Value),
            &|reply| reply["uri"] = json!("no-slash"),
            &|reply| reply["uri"] = json!("/a b"),
            &|reply| reply["querystring"] = Value::Null,
            &|reply| reply["headers"]["host"] = json!([{ "key": "Host", "value": "other" }]),
            &|reply| reply["headers"] = json!({}),
            &|reply| reply["headers"]["via"] = json!([{ "key": "Via", "value": "1.1 me" }]),
            &|reply| reply["headers"]["X-Upper"] = json!([{ "key": "X-Upper", "value": "1" }]),
            &|reply| reply["headers"]["x-amz-cf-id"] = json!([{ "key": "x-amz-cf-id", "value": "1" }]),
            &|reply| *reply = Value::Null,
        ] {
            assert!(with(change).is_err());
        }
    }

    #[test]
    fn a_generated_response_needs_a_string_for_a_status_and_a_body_that_fits() {
        let asked = sample_event();
        let good = json!({ "status": "403", "headers": { "cache-control": [{ "key": "Cache-Control", "value": "no-store" }] }, "body": "no\n" });
        let Ok(SandboxEdgeFunctionDecision::Respond(response)) = parse_edge_function_reply(&asked, &good)
        else {
            panic!("it was refused")
        };
        assert_eq!((response.status().as_u16(), &response.body()[..]), (403, &b"no\n"[..]));
        for bad in [
            json!({ "status": 403 }),
            json!({ "status": "20" }),
            json!({ "status": "403", "body": "x".repeat(41 * 1024) }),
            json!({ "status": "403", "headers": { "transfer-encoding": [{ "value": "chunked" }] } }),
            json!({ "status": "403", "headers": { "x-cache": [{ "value": "Hit" }] } }),
            json!({ "status": "403", "headers": { "x-a": "text" } }),
        ] {
            assert!(parse_edge_function_reply(&asked, &bad).is_err(), "{bad}");
        }
    }
}
