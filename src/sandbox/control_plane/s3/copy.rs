//! CopyObject as S3 does it: what is kept, what is lost, and what is refused.
//!
//! Kept by default: attributes, tags, the checksum's algorithm. Lost unless sent again: storage class, website
//! redirect, ACL, legal hold, retention, the choice of encryption, the layout in parts.

use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::{S3Error, S3ErrorCode, S3Result, dto::CopySource};

use crate::sandbox::Sandbox;

use super::{
    BucketJournalChange, SandboxObject, SandboxObjectEncryption, SandboxS3Caller, SandboxStorageError,
    access, checksums, find_newest_sandbox_object_version, find_stored_bucket,
    multipart::{SandboxMultipartUpload, SandboxUploadedPart},
    object::get_header_text,
    read::read_stored_content_range,
    refusal,
    versions::{find_sandbox_object_version, read_object_version},
    write::{self, is_object_modified_since},
};

/// The most that one request copies, in bytes (aws-facts section 3).
pub const COPY_MAX_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Where a copy comes from.
pub struct ObjectCopySource {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

impl ObjectCopySource {
    /// Reads where a copy comes from.
    ///
    /// # Errors
    /// Refuses access points and outposts, which the sandbox lacks.
    pub fn parse_object_copy_source(source: &CopySource) -> S3Result<Self> {
        match source {
            CopySource::Bucket { bucket, key, version_id } => Ok(Self {
                bucket: bucket.to_string(),
                key: key.to_string(),
                version: version_id.as_ref().map(ToString::to_string),
            }),
            _ => Err(S3Error::with_message(
                S3ErrorCode::NotImplemented,
                "the sandbox has no access points and no outposts",
            )),
        }
    }

    /// Reads the object, where `caller` may, the conditions on it hold, and it can be copied as it lies.
    ///
    /// # Errors
    /// Gives S3's error where one of these is not so, or there is no such object.
    pub fn read_copy_source_object(
        &self,
        world: &Sandbox,
        caller: &SandboxS3Caller,
        headers: &HeaderMap,
    ) -> S3Result<SandboxObject> {
        let action = &access::iam_action_for_s3_operation("GetObject", self.version.is_some());
        find_stored_bucket(world, &self.bucket)
            .map_err(|error| refusal::add_s3_error_details(error, &[("BucketName", &self.bucket)]))?;
        if !access::is_s3_action_authorized(world, caller, action, &self.bucket, Some(&self.key)) {
            return Err(access::build_s3_access_denied_error(caller, action, &self.bucket, Some(&self.key)));
        }
        let found = read_object_version(world, &self.bucket, &self.key, self.version.as_deref())?;
        if found.as_ref().is_some_and(|object| object.marker) {
            return Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            ));
        }
        let Some(object) = found else {
            let missing = refusal::build_missing_key_error();
            return Err(refusal::add_s3_error_details(missing, &[("Key", &self.key)]));
        };
        check_copy_source_conditions(world, headers, &object)?;
        access::validate_sandbox_object_customer_key(
            headers,
            "x-amz-copy-source-server-side-encryption-customer-key-md5",
            &object,
        )?;
        access::check_sandbox_object_key_usable(world, &object.encryption)?;
        match object.storage_class.as_deref() {
            Some("DEEP_ARCHIVE") if object.is_sandbox_object_archived() => Err(S3Error::with_message(
                S3ErrorCode::InvalidObjectState,
                "Operation is not valid for the source object's storage class",
            )),
            _ if object.is_sandbox_object_archived() => Err(refusal::build_s3_error_with_details(
                "ObjectNotInActiveTierError",
                http::StatusCode::FORBIDDEN,
                "The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier.",
                &[],
            )),
            _ => {
                access::authorize_caller_on_object_key(world, caller, "kms:Decrypt", &object.encryption)?;
                Ok(object)
            }
        }
    }
}

/// Checks that a copy's source names a bucket and a key.
///
/// # Errors
/// Refuses what doesn't, as S3 does before all else.
pub fn check_copy_source_form(headers: &HeaderMap) -> S3Result<()> {
    let name = "x-amz-copy-source";
    match get_header_text(headers, name) {
        Some(source) if !source.trim_start_matches('/').contains('/') && !source.contains("%2F") => {
            Err(refusal::build_invalid_argument_error("Invalid copy source object key", name, name))
        }
        _ => Ok(()),
    }
}

/// Reads which bytes of its source a part is copied from: both ends are named, and lie in it.
fn parse_copy_source_range(range: &str, size: u64) -> S3Result<std::ops::Range<u64>> {
    let named = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)))
        .filter(|(first, last)| first <= last);
    let argument = "x-amz-copy-source-range";
    let Some((first, last)) = named else {
        return Err(refusal::build_invalid_argument_error(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
            argument,
            range,
        ));
    };
    if first >= size {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "The specified copy range is invalid for the source object size",
        ));
    }
    if last >= size {
        return Err(refusal::build_invalid_argument_error(
            format!("Range specified is not valid for source object of size: {size}"),
            argument,
            range,
        ));
    }
    Ok(first..last + 1)
}

/// Judges the conditions on a copy's source, in S3's order; a date to come is passed over (recorded).
fn check_copy_source_conditions(
    world: &Sandbox,
    headers: &HeaderMap,
    object: &SandboxObject,
) -> S3Result<()> {
    let now = world.sandbox_unix_time_now().as_secs();
    let tag = |name| get_header_text(headers, name).map(|tag| tag.trim_matches('"') == object.etag);
    let since = |name: &str| is_object_modified_since(headers, name, object, now);
    let matched = tag("x-amz-copy-source-if-match");
    let unmatched = tag("x-amz-copy-source-if-none-match");
    let failed = if matched == Some(false) {
        Some("x-amz-copy-source-If-Match")
    } else if matched.is_none() && since("x-amz-copy-source-if-unmodified-since") == Some(true) {
        Some("x-amz-copy-source-If-Unmodified-Since")
    } else if unmatched == Some(true) {
        Some("x-amz-copy-source-If-None-Match")
    } else if unmatched.is_none() && since("x-amz-copy-source-if-modified-since") == Some(false) {
        Some("x-amz-copy-source-If-Modified-Since")
    } else {
        None
    };
    failed.map_or(Ok(()), |condition| Err(refusal::build_precondition_failed_error(condition)))
}

/// Headers that make a copy onto itself a change.
const CHANGING_HEADERS: [&str; 4] = [
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
];

/// Whether a copy onto itself changes anything: by its headers; by the bucket's encryption, once somebody has set it; or since
/// the source lies under a KMS key, which a copy that says nothing leaves (recorded).
fn is_copy_onto_itself_a_change(
    headers: &HeaderMap,
    settings: &super::SandboxBucket,
    original: &SandboxObject,
) -> bool {
    is_replace_directive(headers, "x-amz-metadata-directive")
        || CHANGING_HEADERS.iter().any(|name| headers.contains_key(*name))
        || settings.settings.contains_key("encryption")
        || matches!(original.encryption, SandboxObjectEncryption::Kms { .. })
}

fn check_copy_size(size: u64) -> S3Result<()> {
    if size <= COPY_MAX_BYTES {
        return Ok(());
    }
    Err(S3Error::with_message(
        S3ErrorCode::InvalidRequest,
        format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {COPY_MAX_BYTES}"
        ),
    ))
}

/// Copies a part of an upload from an object, or from some of its bytes. A part of a hollow object is hollow.
///
/// # Errors
/// Gives S3's error: no such source, no access to it, a condition that doesn't hold, no such bytes, or too large.
pub fn copy_upload_part(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    source: &ObjectCopySource,
    range: Option<&str>,
    upload: &SandboxMultipartUpload,
    headers: &HeaderMap,
) -> S3Result<SandboxUploadedPart> {
    let original = source.read_copy_source_object(world, caller, headers)?;
    let range = range.map_or(Ok(0..original.size), |range| parse_copy_source_range(range, original.size))?;
    let size = range.end - range.start;
    check_copy_size(size)?;
    let at = world.sandbox_unix_time_now().as_secs();
    let Some(blob) = &original.blob else {
        let etag = hex::encode(Md5::digest(format!("{} {range:?}", original.etag)));
        return Ok(SandboxUploadedPart { size, blob: None, etag, at, checksum: None });
    };
    let content = read_stored_content_range(world, blob, range)?;
    let algorithm = upload.object.checksum.as_ref().map(|sum| sum.algorithm.as_str());
    let checksum = algorithm.map(|name| checksums::compute_sandbox_object_checksum(Some(name), &content));
    let (blob, etag) = write::store_content_and_compute_etag(world, &content)?;
    Ok(SandboxUploadedPart { size, blob: Some(blob), etag, at, checksum })
}

/// Copies an object; returns the source and the object as written.
///
/// # Errors
/// Gives S3's error: no such source, no access to it, a condition that doesn't hold, or too large.
pub fn copy_stored_object(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    source: &ObjectCopySource,
    bucket: &str,
    key: &str,
    headers: &HeaderMap,
) -> S3Result<(SandboxObject, SandboxObject)> {
    let original = source.read_copy_source_object(world, caller, headers)?;
    check_copy_size(original.size)?;
    let settings = find_stored_bucket(world, bucket)?;
    let onto_itself = source.bucket == bucket && source.key == key && source.version.is_none();
    if onto_itself && !is_copy_onto_itself_a_change(headers, &settings, &original) {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut object = write::parse_object_from_headers(key, headers, &settings)?;
    write::refuse_blocked_public_grants(world, caller, "s3:CopyObject", bucket, (key, &object.grants))?;
    access::resolve_object_encryption_key(world, &mut object.encryption);
    access::check_sandbox_encryption_key(world, &object.encryption)?;
    if !is_replace_directive(headers, "x-amz-metadata-directive") {
        object.attributes.clone_from(&original.attributes);
    }
    if !is_replace_directive(headers, "x-amz-tagging-directive") {
        object.tags.clone_from(&original.tags);
    }
    authorize_sandbox_tag_copy(world, caller, source, &original, bucket, &object)?;
    access::authorize_caller_on_object_key(world, caller, "kms:GenerateDataKey", &object.encryption)?;
    object.size = original.size;
    object.blob.clone_from(&original.blob);
    set_checksum_on_stored_copy(world, headers, &original, &mut object)?;
    let written = world.sandbox_in_memory_state().objects.change_stored_bucket(bucket, |objects| {
        write::check_sandbox_if_match_headers(headers, find_newest_sandbox_object_version(objects, key))?;
        if source.bucket == bucket {
            // It may have been written between the reading and now.
            let now = find_sandbox_object_version(objects, &source.key, source.version.as_deref());
            if now.map(|now| (&now.version, &now.etag)) != Some((&original.version, &original.etag)) {
                return Err(SandboxStorageError::from(refusal::build_precondition_failed_error("If-Match")));
            }
        }
        let object = write::assign_object_version(world, &settings, object);
        Ok((vec![BucketJournalChange::Put(Box::new(object.clone()))], object))
    })?;
    Ok((original, written))
}

/// Whether a directive says that what the source has is replaced.
fn is_replace_directive(headers: &HeaderMap, directive: &str) -> bool {
    get_header_text(headers, directive) == Some("REPLACE")
}

/// Sets the copy's ETag and checksum: what was uploaded in parts is one piece afterwards, so its ETag is that of its content.
fn set_checksum_on_stored_copy(
    world: &Sandbox,
    headers: &HeaderMap,
    original: &SandboxObject,
    object: &mut SandboxObject,
) -> S3Result<()> {
    let asked = checksums::parse_requested_checksum_algorithm(headers, &HeaderMap::new())
        .or_else(|| original.checksum.as_ref().map(|sum| sum.algorithm.clone()));
    match &original.blob {
        Some(blob) => {
            let single = original.parts == 0;
            let same = original.checksum.as_ref().is_some_and(|sum| Some(&sum.algorithm) == asked.as_ref());
            if single && same {
                object.etag.clone_from(&original.etag);
                object.checksum.clone_from(&original.checksum);
            } else {
                let content = world
                    .sandbox_in_memory_state()
                    .objects
                    .read_sandbox_object_content(blob)
                    .map_err(SandboxStorageError::from)?;
                object.etag = write::store_content_and_compute_etag(world, &content)?.1;
                object.checksum =
                    Some(checksums::compute_sandbox_object_checksum(asked.as_deref(), &content));
            }
        }
        None => original.etag.split('-').next().unwrap_or_default().clone_into(&mut object.etag),
    }
    Ok(())
}

/// Carrying tags over needs to read them there and to write them here.
fn authorize_sandbox_tag_copy(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    source: &ObjectCopySource,
    original: &SandboxObject,
    bucket: &str,
    object: &SandboxObject,
) -> S3Result<()> {
    let reading = &access::iam_action_for_s3_operation("GetObjectTagging", source.version.is_some());
    if !original.tags.is_empty()
        && !access::is_s3_action_authorized(world, caller, reading, &source.bucket, Some(&source.key))
    {
        return Err(access::build_s3_access_denied_error(caller, reading, &source.bucket, Some(&source.key)));
    }
    let writing = "s3:PutObjectTagging";
    if !object.tags.is_empty()
        && !access::is_s3_action_authorized(world, caller, writing, bucket, Some(&object.key))
    {
        return Err(access::build_s3_access_denied_error(caller, writing, bucket, Some(&object.key)));
    }
    Ok(())
}
