//! Uploads in parts: what was said when it began is what the object gets when it is done.
//!
//! A part copied from a hollow object is hollow, and so is what is made of it: size without bytes.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};
use md5::{Digest as _, Md5};
use s3s::{S3Error, S3ErrorCode, S3Result, dto};
use serde::{Deserialize, Serialize};

use crate::sandbox::Sandbox;

use super::{
    SandboxObject, SandboxStorageError, checksums,
    object::get_header_text,
    object::{SandboxObjectChecksum, SandboxObjectPart},
    refusal::{build_bad_request_error, build_invalid_argument_error, build_s3_error_with_details},
    versions::read_object_version,
    write,
};

/// An upload that is under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SandboxMultipartUpload {
    pub bucket: String,
    /// What the object will be, without its content.
    pub object: SandboxObject,
    pub parts: BTreeMap<i32, SandboxUploadedPart>,
    /// Which write the key had when it began; a condition holds against that one alone.
    #[serde(default)]
    pub began_with: Option<u64>,
    /// Unix seconds.
    #[serde(default)]
    pub began: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SandboxUploadedPart {
    pub size: u64,
    /// None: hollow.
    pub blob: Option<String>,
    pub etag: String,
    pub at: u64,
    #[serde(default)]
    pub checksum: Option<SandboxObjectChecksum>,
}

/// A part as a request to complete names it.
#[derive(Debug, Clone, Default)]
pub struct NamedUploadPart {
    pub number: i32,
    pub etag: Option<String>,
    /// By algorithm.
    pub checksums: BTreeMap<&'static str, String>,
}

/// The least that a part may be, but for the last, in bytes.
const PART_MIN_BYTES: u64 = 5 * 1024 * 1024;

/// Keeps an upload that begins, and returns its id.
///
/// # Errors
/// Says why the disk doesn't tell what the key has.
pub fn add_multipart_upload(world: &Sandbox, bucket: &str, object: SandboxObject) -> S3Result<String> {
    let id = format!("{:032x}", fastrand::u128(..));
    let current = read_object_version(world, bucket, &object.key, None)?;
    let upload = SandboxMultipartUpload {
        bucket: bucket.to_owned(),
        object,
        parts: BTreeMap::new(),
        began_with: current.map(|object| object.written),
        began: world.sandbox_unix_time_now().as_secs(),
    };
    world.update_sandbox_state_on_disk(|state| state.s3.uploads.insert(id.clone(), upload));
    Ok(id)
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
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
        )
    })
}

/// Checks the number of a part.
///
/// # Errors
/// Refuses one that no part may have.
pub fn check_part_number(number: i32) -> S3Result<()> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    Err(build_invalid_argument_error(
        "Part number must be an integer between 1 and 10000, inclusive",
        "partNumber",
        &number.to_string(),
    ))
}

/// Keeps a part of an upload.
pub fn add_part_to_multipart_upload(world: &Sandbox, id: &str, number: i32, part: SandboxUploadedPart) {
    world.update_sandbox_state_on_disk(|state| {
        if let Some(upload) = state.s3.uploads.get_mut(id) {
            upload.parts.insert(number, part);
        }
    });
}

/// Forgets an upload.
pub fn remove_sandbox_multipart_upload(world: &Sandbox, id: &str) {
    world.update_sandbox_state_on_disk(|state| state.s3.uploads.remove(id));
}

/// Makes the object of the parts that are named.
///
/// # Errors
/// Gives S3's error: no such part, a part too small, parts out of order, a checksum that isn't theirs, or a condition that
/// doesn't hold.
pub fn assemble_multipart_object(
    world: &Sandbox,
    id: &str,
    upload: &SandboxMultipartUpload,
    named: &[NamedUploadPart],
    headers: &HeaderMap,
) -> S3Result<SandboxObject> {
    let parts = choose_named_parts(id, upload, named)?;
    check_checksum_mode(upload, headers)?;
    check_named_checksums(id, upload, named, &parts)?;
    check_part_sizes(named, &parts)?;
    let began_with = upload.began_with;
    let mut object = upload.object.clone();
    object.size = parts.iter().map(|part| part.size).sum();
    check_object_size(headers, object.size)?;
    object.parts = parts.len();
    let digests: Vec<u8> =
        parts.iter().flat_map(|part| hex::decode(&part.etag).unwrap_or_default()).collect();
    object.etag = format!("{}-{}", hex::encode(Md5::digest(&digests)), parts.len());
    object.layout = named
        .iter()
        .zip(&parts)
        .map(|(named, part)| SandboxObjectPart {
            number: named.number,
            size: part.size,
            checksum: part.checksum.as_ref().and_then(|sum| sum.value.clone()),
        })
        .collect();
    join_part_contents(world, headers, &parts, &mut object)?;
    check_condition_since_began(world, &upload.bucket, &object.key, began_with, headers)?;
    let written = write::put_stored_object(world, &upload.bucket, headers, object)?;
    remove_sandbox_multipart_upload(world, id);
    Ok(written)
}

/// Refuses a completion that names no part.
pub fn build_no_parts_error() -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidRequest, "You must specify at least one part")
}

fn build_invalid_part_error(id: &str, named: &NamedUploadPart) -> S3Error {
    build_bad_request_error(
        "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        &[
            ("UploadId", id),
            ("PartNumber", &named.number.to_string()),
            ("ETag", named.etag.as_deref().unwrap_or_default()),
        ],
    )
}

fn choose_named_parts<'u>(
    id: &str,
    upload: &'u SandboxMultipartUpload,
    named: &[NamedUploadPart],
) -> S3Result<Vec<&'u SandboxUploadedPart>> {
    if named.is_empty() {
        return Err(build_no_parts_error());
    }
    if !named.is_sorted_by(|one, two| one.number < two.number) {
        return Err(build_bad_request_error(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
            &[("UploadId", id)],
        ));
    }
    let mut parts = Vec::new();
    for one in named {
        let part = upload.parts.get(&one.number).ok_or_else(|| build_invalid_part_error(id, one))?;
        if one.etag.as_ref().is_some_and(|etag| *etag != part.etag) {
            return Err(build_invalid_part_error(id, one));
        }
        parts.push(part);
    }
    Ok(parts)
}

fn check_part_sizes(named: &[NamedUploadPart], parts: &[&SandboxUploadedPart]) -> S3Result<()> {
    let small = parts[..parts.len() - 1].iter().position(|part| part.size < PART_MIN_BYTES);
    let Some(at) = small else { return Ok(()) };
    Err(build_bad_request_error(
        "EntityTooSmall",
        "Your proposed upload is smaller than the minimum allowed size",
        &[
            ("ProposedSize", &parts[at].size.to_string()),
            ("MinSizeAllowed", &PART_MIN_BYTES.to_string()),
            ("PartNumber", &named[at].number.to_string()),
            ("ETag", &parts[at].etag),
        ],
    ))
}

fn check_object_size(headers: &HeaderMap, size: u64) -> S3Result<()> {
    match get_header_text(headers, "x-amz-mp-object-size") {
        Some(sent) if sent.parse() != Ok(size) => Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            format!(
                "The provided 'x-amz-mp-object-size' header value {sent} does not match what was computed: {size}"
            ),
        )),
        _ => Ok(()),
    }
}

fn check_checksum_mode(upload: &SandboxMultipartUpload, headers: &HeaderMap) -> S3Result<()> {
    let mode = upload.object.checksum.as_ref().map(SandboxObjectChecksum::checksum_type);
    match get_header_text(headers, "x-amz-checksum-type") {
        Some(asked) if Some(asked) != mode => Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            format!(
                "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
                mode.unwrap_or("null")
            ),
        )),
        _ => Ok(()),
    }
}

/// Holds each part to the checksum that the request names for it; a composite one needs all of them.
fn check_named_checksums(
    id: &str,
    upload: &SandboxMultipartUpload,
    named: &[NamedUploadPart],
    parts: &[&SandboxUploadedPart],
) -> S3Result<()> {
    let Some(sum) = &upload.object.checksum else {
        // Such an upload has no checksums of parts that could be named.
        return match named.iter().find(|one| !one.checksums.is_empty()) {
            Some(one) => Err(build_invalid_part_error(id, one)),
            None => Ok(()),
        };
    };
    let algorithm = sum.algorithm.as_str();
    for (one, part) in named.iter().zip(parts) {
        if let Some(other) = one.checksums.keys().find(|name| **name != algorithm) {
            return Err(S3Error::with_message(
                S3ErrorCode::BadDigest,
                format!(
                    "The {} you specified for part {} did not match what we received.",
                    other.to_lowercase(),
                    one.number
                ),
            ));
        }
        let known = part.checksum.as_ref().and_then(|sum| sum.value.as_ref());
        match one.checksums.get(algorithm) {
            Some(sent) if Some(sent) != known => return Err(build_invalid_part_error(id, one)),
            None if sum.composite => {
                return Err(S3Error::with_message(
                    S3ErrorCode::InvalidRequest,
                    format!(
                        "The upload was created using a {} checksum. The complete request must include the checksum for each part. It was missing for part {} in the request.",
                        algorithm.to_lowercase(),
                        one.number
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn join_part_contents(
    world: &Sandbox,
    headers: &HeaderMap,
    parts: &[&SandboxUploadedPart],
    object: &mut SandboxObject,
) -> S3Result<()> {
    let store = &world.sandbox_in_memory_state().objects;
    let mut content = Vec::new();
    let mut whole = true;
    for part in parts {
        match &part.blob {
            Some(blob) => content.extend_from_slice(
                &store.read_sandbox_object_content(blob).map_err(SandboxStorageError::from)?,
            ),
            None => whole = false,
        }
    }
    let asked = object.checksum.take();
    if !whole {
        object.checksum = asked.map(|sum| SandboxObjectChecksum { value: None, ..sum });
        return Ok(());
    }
    object.blob = Some(write::store_content_and_compute_etag(world, &content)?.0);
    let found = match &asked {
        Some(sum) if sum.composite => {
            let of_parts: Vec<String> =
                object.layout.iter().filter_map(|part| part.checksum.clone()).collect();
            checksums::compute_composite_checksum(&sum.algorithm, &of_parts)
        }
        _ => checksums::compute_sandbox_object_checksum(
            asked.as_ref().map(|sum| sum.algorithm.as_str()),
            &content,
        ),
    };
    if asked.is_none() {
        object.layout.iter_mut().for_each(|part| part.checksum = None);
    }
    let sent = get_header_text(headers, &found.build_checksum_header_name());
    let bare = found.value.as_deref().map(|value| value.split('-').next().unwrap_or_default());
    if sent.is_some_and(|sent| Some(sent) != found.value.as_deref() && Some(sent) != bare) {
        return Err(S3Error::with_message(
            S3ErrorCode::BadDigest,
            format!(
                "The {} you specified did not match the calculated checksum.",
                found.algorithm.to_lowercase()
            ),
        ));
    }
    object.checksum = Some(found);
    Ok(())
}

/// Refuses a condition where the key was written or deleted since the upload began: it can no longer be judged.
fn check_condition_since_began(
    world: &Sandbox,
    bucket: &str,
    key: &str,
    began_with: Option<u64>,
    headers: &HeaderMap,
) -> S3Result<()> {
    let condition = ["If-Match", "If-None-Match"].into_iter().find(|name| headers.contains_key(*name));
    let Some(condition) = condition else { return Ok(()) };
    let current = read_object_version(world, bucket, key, None)?;
    write::check_sandbox_if_match_headers(headers, current.as_ref())?;
    if current.map(|object| object.written) == began_with {
        return Ok(());
    }
    Err(build_s3_error_with_details(
        "ConditionalRequestConflict",
        StatusCode::CONFLICT,
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
        &[("Condition", condition), ("Key", key)],
    ))
}

/// Reads the parts that a request to complete names.
pub fn list_named_parts(upload: Option<dto::CompletedMultipartUpload>) -> Vec<NamedUploadPart> {
    let parts = upload.and_then(|upload| upload.parts).unwrap_or_default();
    parts
        .into_iter()
        .map(|part| NamedUploadPart {
            number: part.part_number.unwrap_or(0),
            checksums: checksums::collect_named_checksums([
                ("CRC32", &part.checksum_crc32),
                ("CRC32C", &part.checksum_crc32c),
                ("CRC64NVME", &part.checksum_crc64nvme),
                ("SHA1", &part.checksum_sha1),
                ("SHA256", &part.checksum_sha256),
            ]),
            etag: part.e_tag.map(dto::ETag::into_value),
        })
        .collect()
}
