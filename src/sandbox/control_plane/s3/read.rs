//! What the operations on one object share: which version a request names, whether its conditions hold, which bytes it asks for.
//!
//! Who may not list doesn't learn what is not there.

use std::ops::Range;

use bytes::Bytes;
use http::HeaderMap;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, dto};

use crate::sandbox::Sandbox;

use super::{
    SandboxObject, SandboxObjectEncryption, SandboxS3Caller, SandboxStorageError, access, copy,
    find_stored_bucket, insert_sandbox_response_header,
    write::{get_header_text, is_object_modified_since},
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
    GetObjectTaggingInput PutObjectTaggingInput
    GetObjectAclInput PutObjectAclInput
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
    let (bucket, key, version) = request.input.requested_object_version();
    let found = world
        .sandbox_in_memory_state()
        .objects
        .read_sandbox_bucket_from_disk(bucket, |objects| {
            copy::find_sandbox_object_version(objects, key, version).cloned()
        })
        .map_err(SandboxStorageError::from)?;
    let caller = &get_request_s3_caller(request);
    match found {
        Some(object) if object.marker => Err(S3Error::with_message(
            S3ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
        )),
        Some(object) => Ok(object),
        None if !access::is_s3_action_authorized(world, caller, "s3:ListBucket", bucket, None) => {
            Err(access::build_s3_access_denied_error(caller, "s3:ListBucket", bucket, None))
        }
        None => Err(S3Error::with_message(S3ErrorCode::NoSuchKey, "The specified key does not exist.")),
    }
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
    copy::validate_sandbox_object_customer_key(
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
    let checksum = get_header_text(headers, "x-amz-checksum-mode") == Some("ENABLED") && range.is_none();
    // A HEAD needs the key for the checksum alone.
    if request.method != http::Method::HEAD || checksum {
        access::check_sandbox_object_key_usable(world, &object.encryption)?;
    }
    let versioned = find_stored_bucket(world, bucket)?.is_bucket_versioned();
    let mut out = object.build_object_response_headers(versioned, checksum);
    check_object_read_conditions(headers, &object, &out)?;
    let bytes = match range {
        Some(range) => range.check(object.size).map_err(|_| {
            S3Error::with_message(S3ErrorCode::InvalidRange, "The requested range is not satisfiable")
        })?,
        None => 0..object.size,
    };
    if range.is_some() {
        insert_sandbox_response_header(
            &mut out,
            "content-range",
            &format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, object.size),
        );
    }
    Ok((object, out, bytes))
}

/// Holds a read to its `if-` headers; a 304 carries `answer`, the headers of the object.
fn check_object_read_conditions(
    headers: &HeaderMap,
    object: &SandboxObject,
    answer: &HeaderMap,
) -> S3Result<()> {
    let known = |name: &str| {
        get_header_text(headers, name).map(|sent| sent.trim_matches('"') == object.etag || sent == "*")
    };
    let since = |name: &str| is_object_modified_since(headers, name, object);
    if known("if-match") == Some(false)
        || (known("if-match").is_none() && since("if-unmodified-since") == Some(true))
    {
        return Err(S3Error::with_message(
            S3ErrorCode::PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold",
        ));
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
