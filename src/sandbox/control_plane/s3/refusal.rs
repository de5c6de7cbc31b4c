//! What S3 says beside an error's code and message: which bucket, key, header or part it is about, as recorded answers have it.
//!
//! A refusal carries its details in headers of its own, which leave the sandbox as elements of the error.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use s3s::{S3Error, S3ErrorCode};

use super::{
    request_parts::{find_request_query_parameter, has_query_parameter, parse_bucket_and_key},
    signed_text,
};
use crate::sandbox::control_plane::xml::escape_xml;

/// Under this name each detail travels, as `Name=percent-encoded value`.
const DETAIL_HEADER: HeaderName = HeaderName::from_static("x-sandbox-error-detail");

/// What S3 says of every document that isn't as its schema has it.
pub const MALFORMED_XML_MESSAGE: &str =
    "The XML you provided was not well-formed or did not validate against our published schema";

/// What S3 says of every signature that isn't the one it comes to.
const OTHER_SIGNATURE_MESSAGE: &str = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";

/// Codes whose error names the bucket.
const BUCKET_CODES: [&str; 12] = [
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchTagSet",
    "NoSuchLifecycleConfiguration",
    "NoSuchCORSConfiguration",
    "NoSuchWebsiteConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "ReplicationConfigurationNotFoundError",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
    "BucketNotEmpty",
];

/// Builds a refusal with details.
pub fn build_s3_error_with_details(
    code: &str,
    status: StatusCode,
    message: impl Into<std::borrow::Cow<'static, str>>,
    details: &[(&str, &str)],
) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes())
        .unwrap_or_else(|| S3ErrorCode::Custom(code.to_owned().into()));
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    add_s3_error_details(error, details)
}

/// Builds a refusal of status 400 with details.
pub fn build_bad_request_error(
    code: &str,
    message: impl Into<std::borrow::Cow<'static, str>>,
    details: &[(&str, &str)],
) -> S3Error {
    build_s3_error_with_details(code, StatusCode::BAD_REQUEST, message, details)
}

/// Refuses an argument, by its name and value.
pub fn build_invalid_argument_error(
    message: impl Into<std::borrow::Cow<'static, str>>,
    name: &str,
    value: &str,
) -> S3Error {
    build_bad_request_error("InvalidArgument", message, &[("ArgumentName", name), ("ArgumentValue", value)])
}

/// Refuses a document that isn't as S3's schema has it.
pub fn build_malformed_xml_error() -> S3Error {
    S3Error::with_message(S3ErrorCode::MalformedXML, MALFORMED_XML_MESSAGE)
}

/// Refuses a key that isn't there.
pub fn build_missing_key_error() -> S3Error {
    S3Error::with_message(S3ErrorCode::NoSuchKey, "The specified key does not exist.")
}

/// Refuses access and says neither to whom nor to what.
pub fn build_bare_denial_error() -> S3Error {
    S3Error::with_message(S3ErrorCode::AccessDenied, "Access Denied")
}

/// Refuses an access control list in a bucket that has them off.
pub fn build_acls_off_error() -> S3Error {
    S3Error::with_message(S3ErrorCode::AccessControlListNotSupported, "The bucket does not allow ACLs")
}

/// Refuses a signature that isn't the one that S3 calculates.
pub fn build_other_signature_error() -> S3Error {
    S3Error::with_message(S3ErrorCode::SignatureDoesNotMatch, OTHER_SIGNATURE_MESSAGE)
}

/// Refuses a write whose condition doesn't hold, by the header that sets it.
pub fn build_precondition_failed_error(condition: &str) -> S3Error {
    build_s3_error_with_details(
        "PreconditionFailed",
        StatusCode::PRECONDITION_FAILED,
        "At least one of the pre-conditions you specified did not hold",
        &[("Condition", condition)],
    )
}

/// Adds details to a refusal.
pub fn add_s3_error_details(mut error: S3Error, details: &[(&str, &str)]) -> S3Error {
    let mut headers = error.headers().cloned().unwrap_or_default();
    for (name, value) in details {
        let text = format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        if let Ok(text) = HeaderValue::try_from(text) {
            headers.append(DETAIL_HEADER, text);
        }
    }
    error.set_headers(headers);
    error
}

/// What of a request an error may name.
pub struct S3RequestTarget {
    method: Method,
    bucket: String,
    key: String,
    upload: String,
    is_tagging: bool,
    /// What a link presigned with SigV4 would have had to sign.
    signing: Vec<(&'static str, String)>,
}

impl S3RequestTarget {
    /// Reads it before s3s takes the request.
    pub fn new(request: &Request<Bytes>) -> Self {
        let headers = request.headers();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let (bucket, key) = parse_bucket_and_key(host, request.uri().path());
        let query = request.uri().query().unwrap_or_default();
        Self {
            method: request.method().clone(),
            bucket,
            key,
            upload: find_request_query_parameter(query, "uploadId").unwrap_or_default(),
            is_tagging: has_query_parameter(query, "tagging"),
            signing: if signed_text::is_presigned_v4(query) {
                signed_text::describe_signature(request)
            } else {
                Vec::new()
            },
        }
    }

    /// The details that S3 gives with a code wherever it says it.
    fn list_usual_details(&self, code: &str) -> Vec<(&'static str, String)> {
        match code {
            code if BUCKET_CODES.contains(&code) => vec![("BucketName", self.bucket.clone())],
            // Recorded so, for this one question alone.
            "NoSuchKey" if self.is_tagging && self.method == Method::GET => {
                vec![("Key", format!("{}/{}", self.bucket, self.key))]
            }
            "SignatureDoesNotMatch" => self.signing.clone(),
            "NoSuchKey" => vec![("Key", self.key.clone())],
            "NoSuchUpload" => vec![("UploadId", self.upload.clone())],
            "MethodNotAllowed" if !self.key.is_empty() => {
                vec![("Method", self.method.to_string()), ("ResourceType", "DeleteMarker".to_owned())]
            }
            _ => Vec::new(),
        }
    }
}

/// Writes an error's details into its body.
pub fn write_s3_error_details(target: &S3RequestTarget, response: Response<Bytes>) -> Response<Bytes> {
    let (mut parts, body) = response.into_parts();
    let carried = take_details(&mut parts.headers);
    let Ok(text) = std::str::from_utf8(&body) else { return Response::from_parts(parts, body) };
    let Some(code) = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")) else {
        return Response::from_parts(parts, body);
    };
    let code = code.0;
    let Some(end) = text.rfind("</Error>") else { return Response::from_parts(parts, body) };
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    let mut elements = String::new();
    let said = match code {
        "MalformedXML" => Some(MALFORMED_XML_MESSAGE),
        "SignatureDoesNotMatch" => Some(OTHER_SIGNATURE_MESSAGE),
        _ => None,
    };
    if let Some(said) = said.filter(|_| !text.contains("<Message>")) {
        elements.push_str(&format!("<Message>{said}</Message>"));
    }
    let usual = target.list_usual_details(code).into_iter().map(|(name, value)| (name.to_owned(), value));
    let missing: Vec<(String, String)> =
        usual.filter(|(name, _)| !carried.iter().any(|(other, _)| other == name)).collect();
    for (name, value) in carried.iter().chain(&missing) {
        elements.push_str(&format!("<{name}>{}</{name}>", escape_xml(value)));
    }
    let whole = format!("{}{elements}{}", &text[..end], &text[end..]);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Bytes::from(whole))
}

/// Writes the ids of a request into its error, beside the headers that have them.
pub fn write_request_ids(response: Response<Bytes>, (request, host): (&str, &str)) -> Response<Bytes> {
    let (mut parts, body) = response.into_parts();
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let Some((start, end)) = text.rsplit_once("</Error>").filter(|_| !text.contains("<RequestId>")) else {
        return Response::from_parts(parts, body);
    };
    let ids = format!("<RequestId>{request}</RequestId><HostId>{host}</HostId>");
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Bytes::from(format!("{start}{ids}</Error>{end}")))
}

fn take_details(headers: &mut HeaderMap) -> Vec<(String, String)> {
    let details = headers
        .get_all(DETAIL_HEADER)
        .iter()
        .filter_map(|detail| detail.to_str().ok()?.split_once('='))
        .map(|(name, value)| (name.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned()))
        .collect();
    headers.remove(DETAIL_HEADER);
    details
}

/// Writes control characters as references, as S3 does where a listing isn't asked for URL-encoded; XML has them no other way.
pub fn escape_control_characters(response: Response<Bytes>) -> Response<Bytes> {
    let (mut parts, body) = response.into_parts();
    let is_xml = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.contains("xml"));
    let is_control = |byte: &u8| *byte < 0x20 && *byte != b'\n';
    if !is_xml || !body.iter().any(is_control) {
        return Response::from_parts(parts, body);
    }
    let mut escaped = Vec::with_capacity(body.len() + 16);
    for byte in &body {
        if is_control(byte) {
            escaped.extend_from_slice(format!("&#x{byte:x};").as_bytes());
        } else {
            escaped.push(*byte);
        }
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, escaped.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_error(error: &S3Error, request: &Request<Bytes>) -> String {
        let (code, headers) =
            (error.code().as_str().to_owned(), error.headers().cloned().unwrap_or_default());
        let mut response = Response::new(Bytes::from(format!("<Error><Code>{code}</Code></Error>")));
        *response.headers_mut() = headers;
        let response = write_s3_error_details(&S3RequestTarget::new(request), response);
        assert!(!response.headers().contains_key(DETAIL_HEADER));
        String::from_utf8(response.into_body().to_vec()).unwrap()
    }

    #[test]
    fn each_error_names_what_it_is_about() {
        let error = |code: &str| build_bad_request_error(code, "", &[]);
        for (method, path, error, expected) in [
            ("GET", "/b/a%20b", error("NoSuchKey"), "<Key>a b</Key>"),
            ("GET", "/b/k?tagging", error("NoSuchKey"), "<Key>b/k</Key>"),
            ("PUT", "/b/k?tagging", error("NoSuchKey"), "<Key>k</Key>"),
            ("PUT", "/b/k?partNumber=1&uploadId=u%2Fv", error("NoSuchUpload"), "<UploadId>u/v</UploadId>"),
            ("GET", "/b?policy", error("NoSuchBucketPolicy"), "<BucketName>b</BucketName>"),
            (
                "DELETE",
                "/b/k",
                error("MethodNotAllowed"),
                "<Method>DELETE</Method><ResourceType>DeleteMarker</ResourceType>",
            ),
            ("PUT", "/b/k", error("MalformedXML"), "did not validate against our published schema</Message>"),
            ("PUT", "/b/k", build_precondition_failed_error("If-Match"), "<Condition>If-Match</Condition>"),
            (
                "PUT",
                "/b/k",
                build_invalid_argument_error("", "x-amz-acl", "a<b"),
                "<ArgumentName>x-amz-acl</ArgumentName><ArgumentValue>a&lt;b</ArgumentValue>",
            ),
            (
                "PUT",
                "/b/k",
                build_s3_error_with_details("NoSuchKey", StatusCode::NOT_FOUND, "", &[("Key", "source")]),
                "<Code>NoSuchKey</Code><Key>source</Key></Error>",
            ),
        ] {
            let request = Request::builder().method(method).uri(path).header("host", "h").body(Bytes::new());
            let text = answer_error(&error, &request.unwrap());
            assert!(text.contains(expected), "{method} {path}: {text}");
        }
    }

    #[test]
    fn a_control_character_is_a_reference() {
        let mut response = Response::new(Bytes::from_static(b"<?xml?>\n<Key>a\x01b\r</Key>"));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/xml"));
        let text = escape_control_characters(response).into_body();
        assert_eq!(text, Bytes::from_static(b"<?xml?>\n<Key>a&#x1;b&#xd;</Key>"));
    }
}
