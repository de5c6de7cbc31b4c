//! What is under way: the uploads of a bucket, and the parts of an upload.

use s3s::dto;

use super::{
    checksums::{ChecksumMembers as _, convert_checksum_type},
    list::{clamp_listed_count, unix_seconds_to_s3_timestamp},
    multipart::SandboxMultipartUpload,
    object::compute_account_canonical_user_id,
};
use crate::sandbox::control_plane::ACCOUNT_ID;

fn build_own_user() -> (Option<dto::Owner>, Option<dto::Initiator>) {
    let id = Some(compute_account_canonical_user_id(ACCOUNT_ID));
    let owner = dto::Owner { id: id.clone(), ..Default::default() };
    (Some(owner), Some(dto::Initiator { id, ..Default::default() }))
}

/// Answers ListMultipartUploads, of the bucket's uploads by their ids.
pub fn build_upload_list(
    input: dto::ListMultipartUploadsInput,
    mut uploads: Vec<(String, SandboxMultipartUpload)>,
) -> dto::ListMultipartUploadsOutput {
    uploads
        .sort_by(|(_, one), (_, other)| (&one.object.key, one.began).cmp(&(&other.object.key, other.began)));
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = input.key_marker.clone().unwrap_or_default();
    uploads.retain(|(_, upload)| {
        upload.object.key.starts_with(&prefix) && (after.is_empty() || upload.object.key > after)
    });
    let most = clamp_listed_count(input.max_uploads);
    let truncated = uploads.len() > usize::try_from(most).unwrap_or(0);
    uploads.truncate(usize::try_from(most).unwrap_or(0));
    let last = uploads.last().map(|(id, upload)| (id.clone(), upload.object.key.clone()));
    let shown = uploads
        .into_iter()
        .map(|(id, upload)| {
            let (owner, initiator) = build_own_user();
            let sum = upload.object.checksum.as_ref();
            dto::MultipartUpload {
                checksum_algorithm: sum.map(|sum| sum.algorithm.clone().into()),
                checksum_type: convert_checksum_type(sum),
                initiated: Some(unix_seconds_to_s3_timestamp(upload.began)),
                key: Some(upload.object.key.clone()),
                storage_class: Some(upload.object.get_storage_class_name().into()),
                upload_id: Some(id),
                owner,
                initiator,
            }
        })
        .collect();
    dto::ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        key_marker: Some(after),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        next_key_marker: Some(last.as_ref().map(|(_, key)| key.clone()).unwrap_or_default()),
        next_upload_id_marker: Some(last.map(|(id, _)| id).unwrap_or_default()),
        prefix: input.prefix,
        encoding_type: input.encoding_type,
        delimiter: input.delimiter,
        max_uploads: Some(most),
        is_truncated: Some(truncated),
        uploads: Some(shown),
        ..Default::default()
    }
}

/// Answers ListParts.
pub fn build_part_list(input: dto::ListPartsInput, upload: &SandboxMultipartUpload) -> dto::ListPartsOutput {
    let most = clamp_listed_count(input.max_parts);
    let after = input.part_number_marker.unwrap_or(0);
    let count = usize::try_from(most).unwrap_or(0);
    let listed: Vec<_> = upload.parts.range(after.saturating_add(1)..).collect();
    let sum = upload.object.checksum.as_ref();
    let parts: Vec<dto::Part> = listed
        .iter()
        .take(count)
        .map(|(number, part)| {
            dto::Part {
                e_tag: Some(dto::ETag::Strong(part.etag.clone())),
                last_modified: Some(unix_seconds_to_s3_timestamp(part.at)),
                part_number: Some(**number),
                size: i64::try_from(part.size).ok(),
                ..Default::default()
            }
            .set_checksum_member(part.checksum.as_ref().filter(|_| sum.is_some()))
        })
        .collect();
    let (owner, initiator) = build_own_user();
    dto::ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        checksum_algorithm: sum.map(|sum| sum.algorithm.clone().into()),
        checksum_type: convert_checksum_type(sum),
        is_truncated: Some(listed.len() > count),
        max_parts: Some(most),
        next_part_number_marker: Some(parts.last().and_then(|part| part.part_number).unwrap_or(0)),
        part_number_marker: Some(after),
        parts: Some(parts),
        storage_class: Some(upload.object.get_storage_class_name().into()),
        owner,
        initiator,
        ..Default::default()
    }
}
