//! Uploads in parts: what was said when it began is what the object gets when it is done.
//!
//! A part copied from a hollow object is hollow, and so is what is made of it: size without bytes.

use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::{S3Error, S3ErrorCode, S3Result};
use serde::{Deserialize, Serialize};

use crate::sandbox::Sandbox;

use super::{SandboxObject, SandboxStorageError, object::SandboxObjectChecksum, write};

/// An upload that is under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SandboxMultipartUpload {
    pub bucket: String,
    /// What the object will be, without its content.
    pub object: SandboxObject,
    pub parts: std::collections::BTreeMap<i32, SandboxUploadedPart>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SandboxUploadedPart {
    pub size: u64,
    /// None: hollow.
    pub blob: Option<String>,
    pub etag: String,
    pub at: u64,
}

/// The least that a part may be, but for the last, in bytes.
const PART_MIN_BYTES: u64 = 5 * 1024 * 1024;

/// Keeps an upload that begins, and returns its id.
pub fn add_multipart_upload(world: &Sandbox, bucket: &str, object: SandboxObject) -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    let upload = SandboxMultipartUpload {
        bucket: bucket.to_owned(),
        object,
        parts: std::collections::BTreeMap::new(),
    };
    world.update_sandbox_state_on_disk(|state| state.s3.uploads.insert(id.clone(), upload));
    id
}

/// Finds an upload by its id, of this bucket and key.
///
/// # Errors
/// Gives NoSuchUpload where there is none.
pub fn find_multipart_upload(
    world: &Sandbox,
    bucket: &str,
    key: &str,
    id: &str,
) -> S3Result<SandboxMultipartUpload> {
    let found = world.read_sandbox_state_from_disk(|state| state.s3.uploads.get(id).cloned());
    found.filter(|upload| upload.bucket == bucket && upload.object.key == key).ok_or_else(|| {
        S3Error::with_message(
            S3ErrorCode::NoSuchUpload,
            "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
        )
    })
}

/// Keeps a part of an upload.
///
/// # Errors
/// Gives NoSuchUpload where there is none.
pub fn add_part_to_multipart_upload(
    world: &Sandbox,
    id: &str,
    number: i32,
    part: SandboxUploadedPart,
) -> S3Result<()> {
    if !(1..=10_000).contains(&number) {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidArgument,
            "Part number must be an integer between 1 and 10000, inclusive",
        ));
    }
    world.update_sandbox_state_on_disk(|state| {
        if let Some(upload) = state.s3.uploads.get_mut(id) {
            upload.parts.insert(number, part);
        }
    });
    Ok(())
}

/// Forgets an upload.
pub fn remove_sandbox_multipart_upload(world: &Sandbox, id: &str) {
    world.update_sandbox_state_on_disk(|state| state.s3.uploads.remove(id));
}

/// Makes the object of the parts that are named, each by number and ETag.
///
/// # Errors
/// Gives S3's error: no such part, a part too small, parts out of order, or a condition that doesn't hold.
pub fn assemble_multipart_object(
    world: &Sandbox,
    id: &str,
    upload: SandboxMultipartUpload,
    named: &[(i32, Option<String>)],
    headers: &HeaderMap,
) -> S3Result<SandboxObject> {
    let invalid = || {
        S3Error::with_message(
            S3ErrorCode::InvalidPart,
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        )
    };
    if named.is_empty() || !named.is_sorted_by(|one, two| one.0 < two.0) {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidPartOrder,
            "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
        ));
    }
    let mut parts = Vec::new();
    for (number, etag) in named {
        let part = upload.parts.get(number).ok_or_else(invalid)?;
        if etag.as_ref().is_some_and(|etag| *etag != part.etag) {
            return Err(invalid());
        }
        parts.push(part);
    }
    if parts[..parts.len() - 1].iter().any(|part| part.size < PART_MIN_BYTES) {
        return Err(S3Error::with_message(
            S3ErrorCode::EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size",
        ));
    }
    let mut object = upload.object;
    object.size = parts.iter().map(|part| part.size).sum();
    object.parts = parts.len();
    let digests: Vec<u8> =
        parts.iter().flat_map(|part| hex::decode(&part.etag).unwrap_or_default()).collect();
    object.etag = format!("{}-{}", hex::encode(Md5::digest(&digests)), parts.len());
    let store = &world.sandbox_in_memory_state().objects;
    let mut content = Vec::new();
    let mut whole = true;
    for part in &parts {
        match &part.blob {
            Some(blob) => content.extend_from_slice(
                &store.read_sandbox_object_content(blob).map_err(SandboxStorageError::from)?,
            ),
            None => whole = false,
        }
    }
    let algorithm = object.checksum.take().map(|sum| sum.algorithm);
    if whole {
        object.blob = Some(write::store_content_and_compute_etag(world, &content)?.0);
        object.checksum = Some(write::compute_sandbox_object_checksum(algorithm.as_deref(), &content));
    } else {
        object.checksum = algorithm.map(|algorithm| SandboxObjectChecksum { algorithm, value: None });
    }
    let written = write::put_stored_object(world, &upload.bucket, headers, object)?;
    remove_sandbox_multipart_upload(world, id);
    Ok(written)
}
