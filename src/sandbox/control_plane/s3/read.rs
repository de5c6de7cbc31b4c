//! What the operations on one object share: which version a request names, whether its conditions hold, which bytes it asks for.
//!
//! Who may not list doesn't learn what is not there.

use std::ops::Range;

use bytes::Bytes;
use http::HeaderMap;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, dto};

use crate::sandbox::Sandbox;

use super::{
    SandboxObject, SandboxObjectEncryption, SandboxS3Caller, SandboxStorageError, access, find_stored_bucket,
    insert_sandbox_response_header, object::get_header_text, refusal,
    request_parts::find_request_query_parameter, versions, write::is_object_modified_since,
};

/// A request's input that names an object, and perhaps a version of it.
pub trait ObjectVersionRequest {
    /// Returns bucket, key and version.
    fn requested_object_version(&self) -> (&str, &str, Option<&str>);
}

macro_rules! impl_object_version_request {
    ($($input:ident)*) => {$(
        impl ObjectVersionRequest for dto::$input {
            fn requested_object_version(&self) -> (&str, &str, Option<&str>) {
                (&self.bucket, &self.key, self.version_id.as_deref())
            }
        }
    )*};
}

impl_object_version_request! {
    HeadObjectInput GetObjectInput
    GetObjectTaggingInput DeleteObjectTaggingInput
    GetObjectAclInput GetObjectAttributesInput
    GetObjectLegalHoldInput PutObjectLegalHoldInput
    GetObjectRetentionInput PutObjectRetentionInput
}

/// Returns who sent a request.
pub fn get_request_s3_caller<T>(request: &S3Request<T>) -> SandboxS3Caller {
    request.extensions.get::<SandboxS3Caller>().cloned().unwrap_or_else(SandboxS3Caller::new_anonymous_caller)
}

/// Finds the version that a request names, as its caller may know of it.
///
/// # Errors
/// Gives S3's error where it isn't there, or is a delete marker.
pub fn find_requested_object<T: ObjectVersionRequest>(
    world: &Sandbox,
    request: &S3Request<T>,
) -> S3Result<SandboxObject> {
    find_named_object(world, &get_request_s3_caller(request), request.input.requested_object_version())
}

fn find_named_object(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    (bucket, key, version): (&str, &str, Option<&str>),
) -> S3Result<SandboxObject> {
    versions::check_version_id(version)?;
    match versions::read_object_version(world, bucket, key, version)? {
        Some(object) if object.marker => Err(build_marker_error(&object, true)),
        Some(object) => Ok(object),
        None if !access::is_s3_action_authorized(world, caller, "s3:ListBucket", bucket, None) => {
            Err(access::build_s3_access_denied_error(caller, "s3:ListBucket", bucket, None))
        }
        None if version.is_some() => Err(refusal::build_s3_error_with_details(
            "NoSuchVersion",
            http::StatusCode::NOT_FOUND,
            "The specified version does not exist.",
            &[("Key", key), ("VersionId", version.unwrap_or_default())],
        )),
        None => Err(find_marker(world, bucket, key)?
            .map_or_else(refusal::build_missing_key_error, |marker| build_marker_error(&marker, false))),
    }
}

/// Finds the object that a request is about, where a marker is no thing that it could be about: its tags, its list of grants.
///
/// # Errors
/// Refuses a marker, also where it is the newest version.
pub fn find_object_that_is_no_marker<T: ObjectVersionRequest>(
    world: &Sandbox,
    request: &S3Request<T>,
) -> S3Result<SandboxObject> {
    find_object_for_document(world, &get_request_s3_caller(request), request.input.requested_object_version())
}

/// Finds the object that a document is put on.
///
/// # Errors
/// Refuses a marker, also where it is the newest version.
pub fn find_object_for_document(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    (bucket, key, version): (&str, &str, Option<&str>),
) -> S3Result<SandboxObject> {
    if version.is_none()
        && let Some(marker) = find_marker(world, bucket, key)?
    {
        return Err(build_marker_error(&marker, true));
    }
    find_named_object(world, caller, (bucket, key, version))
}

fn find_marker(world: &Sandbox, bucket: &str, key: &str) -> S3Result<Option<SandboxObject>> {
    let found = world.sandbox_in_memory_state().objects.read_sandbox_bucket_from_disk(bucket, |objects| {
        objects.get(key).and_then(|versions| versions.last()).filter(|newest| newest.marker).cloned()
    });
    Ok(found.map_err(SandboxStorageError::from)?)
}

/// Refuses a marker: by its id it allows nothing but its deletion, as the newest version it says that nothing is there.
fn build_marker_error(marker: &SandboxObject, by_id: bool) -> S3Error {
    let mut error = if by_id {
        S3Error::with_message(
            S3ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
        )
    } else {
        refusal::build_missing_key_error()
    };
    let mut headers = HeaderMap::new();
    insert_sandbox_response_header(&mut headers, "x-amz-delete-marker", "true");
    insert_sandbox_response_header(&mut headers, "x-amz-version-id", &marker.version);
    if by_id {
        insert_sandbox_response_header(&mut headers, "allow", "DELETE");
    }
    error.set_headers(headers);
    error
}

/// Resolves what GET and HEAD answer: the object, its headers, and which bytes are asked for.
///
/// # Errors
/// Gives S3's error: no such object, a key that isn't the caller's to use, a condition or a range that doesn't hold.
pub fn resolve_object_read<T: ObjectVersionRequest>(
    world: &Sandbox,
    request: &S3Request<T>,
    range: Option<dto::Range>,
) -> S3Result<(SandboxObject, HeaderMap, Range<u64>)> {
    let (bucket, key_name, _) = request.input.requested_object_version();
    let headers = &request.headers;
    let object = find_requested_object(world, request)?;
    access::validate_sandbox_object_customer_key(
        headers,
        "x-amz-server-side-encryption-customer-key-md5",
        &object,
    )?;
    let caller = &get_request_s3_caller(request);
    if let SandboxObjectEncryption::Kms { key, .. } = &object.encryption
        && !access::can_sandbox_cloudfront_decrypt(world, caller, key.as_deref())
    {
        return Err(access::build_s3_access_denied_error(caller, "kms:Decrypt", bucket, Some(key_name)));
    }
    let is_checksum_asked = get_header_text(headers, "x-amz-checksum-mode")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
    // A HEAD needs the key for the checksum alone.
    if request.method != http::Method::HEAD || (is_checksum_asked && range.is_none()) {
        access::check_sandbox_object_key_usable(world, &object.encryption)?;
    }
    let versioned = find_stored_bucket(world, bucket)?.has_bucket_had_versions();
    let part = find_requested_part(request, range.is_some(), &object)?;
    let bytes = match (range, &part) {
        (Some(range), _) => range.check(object.size).map_err(|_| {
            refusal::build_s3_error_with_details(
                "InvalidRange",
                http::StatusCode::RANGE_NOT_SATISFIABLE,
                "The requested range is not satisfiable",
                &[
                    ("RangeRequested", get_header_text(headers, "range").unwrap_or_default()),
                    ("ActualObjectSize", &object.size.to_string()),
                ],
            )
        })?,
        (None, Some(part)) => part.bytes.clone(),
        (None, None) => 0..object.size,
    };
    let is_whole = bytes == (0..object.size) && part.as_ref().is_none_or(|part| part.is_only);
    let mut out = object.build_object_response_headers(versioned, is_checksum_asked && is_whole);
    check_object_read_conditions(world, headers, &object, &out)?;
    if let Some(part) = part.as_ref().filter(|_| object.parts > 0) {
        add_part_headers(&mut out, &object, part, is_checksum_asked);
    }
    if range.is_some() || part.is_some() {
        insert_sandbox_response_header(
            &mut out,
            "content-range",
            &format!("bytes {}-{}/{}", bytes.start, bytes.end.saturating_sub(1), object.size),
        );
    }
    for (parameter, header) in OVERRIDING_PARAMETERS {
        if let Some(value) = find_request_query_parameter(request.uri.query().unwrap_or_default(), parameter)
        {
            insert_sandbox_response_header(&mut out, header, &value);
        }
    }
    Ok((object, out, bytes))
}

/// The parameters by which a reader chooses headers of the answer.
const OVERRIDING_PARAMETERS: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

/// The part that a request asks for.
struct RequestedObjectPart {
    bytes: Range<u64>,
    checksum: Option<String>,
    /// Whether the object wasn't uploaded in parts: it is its own first part.
    is_only: bool,
}

fn find_requested_part<T: ObjectVersionRequest>(
    request: &S3Request<T>,
    has_range: bool,
    object: &SandboxObject,
) -> S3Result<Option<RequestedObjectPart>> {
    let query = request.uri.query().unwrap_or_default();
    let Some(asked) = find_request_query_parameter(query, "partNumber") else { return Ok(None) };
    if has_range {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter",
        ));
    }
    let count = object.parts.max(1);
    let number = asked.parse::<usize>().ok().filter(|number| (1..=count).contains(number));
    let Some(number) = number else {
        return Err(refusal::build_s3_error_with_details(
            "InvalidPartNumber",
            http::StatusCode::RANGE_NOT_SATISFIABLE,
            "The requested partnumber is not satisfiable",
            &[("PartNumberRequested", &asked), ("ActualPartCount", &count.to_string())],
        ));
    };
    let Some(part) = object.layout.get(number - 1) else {
        return Ok(Some(RequestedObjectPart { bytes: 0..object.size, checksum: None, is_only: true }));
    };
    let start = object.layout[..number - 1].iter().map(|part| part.size).sum();
    Ok(Some(RequestedObjectPart {
        bytes: start..start + part.size,
        checksum: part.checksum.clone(),
        is_only: false,
    }))
}

/// How many parts there are; and the part's own checksum, where the object's is one of parts or it has one part.
fn add_part_headers(
    out: &mut HeaderMap,
    object: &SandboxObject,
    part: &RequestedObjectPart,
    is_checksum_asked: bool,
) {
    insert_sandbox_response_header(out, "x-amz-mp-parts-count", &object.parts.to_string());
    let Some(sum) = object.checksum.as_ref().filter(|_| is_checksum_asked) else { return };
    if !sum.composite && object.parts > 1 {
        return;
    }
    if let Some(value) = &part.checksum {
        insert_sandbox_response_header(out, &sum.build_checksum_header_name(), value);
        insert_sandbox_response_header(out, "x-amz-checksum-type", sum.checksum_type());
    }
}

/// Holds a read to its `if-` headers; a 304 carries `answer`, the headers of the object.
fn check_object_read_conditions(
    world: &Sandbox,
    headers: &HeaderMap,
    object: &SandboxObject,
    answer: &HeaderMap,
) -> S3Result<()> {
    let now = world.sandbox_unix_time_now().as_secs();
    let known = |name: &str| {
        get_header_text(headers, name).map(|sent| sent.trim_matches('"') == object.etag || sent == "*")
    };
    let since = |name: &str| is_object_modified_since(headers, name, object, now);
    if known("if-match") == Some(false) {
        return Err(refusal::build_precondition_failed_error("If-Match"));
    }
    if known("if-match").is_none() && since("if-unmodified-since") == Some(true) {
        return Err(refusal::build_precondition_failed_error("If-Unmodified-Since"));
    }
    if known("if-none-match") == Some(true)
        || (known("if-none-match").is_none() && since("if-modified-since") == Some(false))
    {
        let mut error = S3Error::with_message(S3ErrorCode::NotModified, "Not Modified");
        error.set_headers(answer.clone());
        return Err(error);
    }
    Ok(())
}

/// Reads some bytes of a stored content, as far as it goes.
///
/// # Errors
/// Gives S3's error where the disk doesn't give it.
pub fn read_stored_content_range(world: &Sandbox, blob: &str, range: Range<u64>) -> S3Result<Bytes> {
    let whole = world
        .sandbox_in_memory_state()
        .objects
        .read_sandbox_object_content(blob)
        .map_err(SandboxStorageError::from)?;
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(whole.len());
    Ok(whole.slice(at(range.start)..at(range.end)))
}
