//! The versions of a key: how their ids look, which one a request names, and how an answer names it.

use http::HeaderMap;
use s3s::S3Result;

use super::{
    ObjectVersionsByKey, SandboxBucket, SandboxObject, SandboxStorageError,
    find_newest_sandbox_object_version, insert_sandbox_response_header,
    refusal::build_invalid_argument_error,
};
use crate::sandbox::Sandbox;

/// Draws the id of a version that is written now; `null` where the bucket keeps none.
pub fn draw_version_id(bucket: &SandboxBucket) -> String {
    if bucket.is_bucket_versioned() { format!("{:032x}", fastrand::u128(..)) } else { "null".to_owned() }
}

/// Whether a text may be the id of a version here.
pub fn is_version_id(text: &str) -> bool {
    text == "null" || (text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// Checks the id of a version that a request names.
///
/// # Errors
/// Refuses what can't be one.
pub fn check_version_id(version: Option<&str>) -> S3Result<()> {
    match version {
        Some(version) if !is_version_id(version) => {
            Err(build_invalid_argument_error("Invalid version id specified", "versionId", version))
        }
        _ => Ok(()),
    }
}

/// Finds a key's version by its id, or its newest.
pub fn find_sandbox_object_version<'o>(
    objects: &'o ObjectVersionsByKey,
    key: &str,
    version: Option<&str>,
) -> Option<&'o SandboxObject> {
    match version {
        None => find_newest_sandbox_object_version(objects, key),
        Some(wanted) => objects.get(key).and_then(|all| all.iter().find(|object| object.version == wanted)),
    }
}

/// Reads a key's version by its id, or its newest.
///
/// # Errors
/// Says why the disk doesn't give it.
pub fn read_object_version(
    world: &Sandbox,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> S3Result<Option<SandboxObject>> {
    let found = world.sandbox_in_memory_state().objects.read_sandbox_bucket_from_disk(bucket, |objects| {
        find_sandbox_object_version(objects, key, version).cloned()
    });
    Ok(found.map_err(SandboxStorageError::from)?)
}

/// Names an object's version in an answer, where it has one.
pub fn insert_version_id_header(headers: &mut HeaderMap, object: &SandboxObject) {
    if object.version != "null" {
        insert_sandbox_response_header(headers, "x-amz-version-id", &object.version);
    }
}
