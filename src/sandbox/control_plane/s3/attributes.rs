//! GetObjectAttributes: of what an object has, only what is asked for.

use bytes::Bytes;
use http::Response;
use s3s::dto;

use super::{
    SandboxObject, SandboxObjectChecksum,
    checksums::{ChecksumMembers as _, convert_checksum_type},
    list::unix_seconds_to_s3_timestamp,
};

/// Answers GetObjectAttributes of an object.
pub fn build_object_attributes(
    input: &dto::GetObjectAttributesInput,
    object: &SandboxObject,
) -> dto::GetObjectAttributesOutput {
    // One header names them all, with spaces or without (recorded).
    let asked: Vec<&str> =
        input.object_attributes.iter().flat_map(|one| one.as_str().split(',')).map(str::trim).collect();
    let asks = |name: &str| asked.contains(&name);
    dto::GetObjectAttributesOutput {
        checksum: asks("Checksum").then(|| build_checksum(object)).flatten(),
        e_tag: asks("ETag").then(|| dto::ETag::Strong(object.etag.clone())),
        last_modified: Some(unix_seconds_to_s3_timestamp(object.modified)),
        object_parts: (asks("ObjectParts") && object.parts > 0).then(|| build_parts(input, object)),
        object_size: i64::try_from(object.size).ok().filter(|_| asks("ObjectSize")),
        storage_class: asks("StorageClass").then(|| object.get_storage_class_name().into()),
        ..Default::default()
    }
}

/// Takes the quotes off the ETag of an answer's attributes, which S3 writes without (recorded) and s3s with.
pub fn unquote_attributes_etag(response: Response<Bytes>) -> Response<Bytes> {
    let (mut parts, body) = response.into_parts();
    let text = std::str::from_utf8(&body).unwrap_or_default();
    if !text.contains("<GetObjectAttributesResponse") {
        return Response::from_parts(parts, body);
    }
    let Some((start, rest)) = text.split_once("<ETag>") else { return Response::from_parts(parts, body) };
    let Some((etag, end)) = rest.split_once("</ETag>") else { return Response::from_parts(parts, body) };
    let etag = etag.replace("&quot;", "").replace('"', "");
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Bytes::from(format!("{start}<ETag>{etag}</ETag>{end}")))
}

fn build_checksum(object: &SandboxObject) -> Option<dto::Checksum> {
    let sum = object.checksum.as_ref().filter(|sum| sum.value.is_some())?;
    // The count of parts stands in the headers alone.
    let bare = sum.value.as_ref().map(|value| value.split('-').next().unwrap_or_default().to_owned());
    let answer = dto::Checksum { checksum_type: convert_checksum_type(Some(sum)), ..Default::default() };
    Some(answer.set_checksum_member(Some(&SandboxObjectChecksum { value: bare, ..sum.clone() })))
}

/// The parts: their count, and each one where the checksum is one of parts.
fn build_parts(
    input: &dto::GetObjectAttributesInput,
    object: &SandboxObject,
) -> dto::GetObjectAttributesParts {
    let total_parts_count = i32::try_from(object.parts).ok();
    let Some(sum) = object.checksum.as_ref().filter(|sum| sum.composite) else {
        return dto::GetObjectAttributesParts { total_parts_count, ..Default::default() };
    };
    let most = input.max_parts.unwrap_or(1000);
    let after = input.part_number_marker.unwrap_or(0);
    let listed: Vec<_> = object.layout.iter().filter(|part| part.number > after).collect();
    let parts: Vec<dto::ObjectPart> = listed
        .iter()
        .take(usize::try_from(most).unwrap_or(0))
        .map(|part| {
            let of_part = SandboxObjectChecksum { value: part.checksum.clone(), ..sum.clone() };
            dto::ObjectPart {
                part_number: Some(part.number),
                size: i64::try_from(part.size).ok(),
                ..Default::default()
            }
            .set_checksum_member(Some(&of_part))
        })
        .collect();
    dto::GetObjectAttributesParts {
        is_truncated: Some(listed.len() > parts.len()),
        max_parts: Some(most),
        next_part_number_marker: Some(parts.last().and_then(|part| part.part_number).unwrap_or(0)),
        part_number_marker: Some(after),
        parts: Some(parts),
        total_parts_count,
    }
}
