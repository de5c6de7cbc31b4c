//! The checksums of S3: of a whole content, of its parts, and of the parts' checksums; asked for, sent and answered.
//!
//! Who sends none gets CRC64NVME, of the whole object.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::{S3Error, S3ErrorCode, S3Result, checksum::ChecksumHasher, dto};

use super::{
    insert_sandbox_response_header,
    object::{SandboxObjectChecksum, get_header_text},
    refusal::build_bad_request_error,
};

/// The checksum algorithms, by their name in headers, with the bytes of a value.
const CHECKSUM_ALGORITHMS: [(&str, usize); 5] =
    [("crc32", 4), ("crc32c", 4), ("crc64nvme", 8), ("sha1", 20), ("sha256", 32)];

/// Returns the algorithm that a request asks for, in upper case.
pub fn parse_requested_checksum_algorithm(headers: &HeaderMap, trailers: &HeaderMap) -> Option<String> {
    ["x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm"]
        .iter()
        .find_map(|name| get_header_text(headers, name))
        .map(str::to_uppercase)
        .or_else(|| {
            CHECKSUM_ALGORITHMS
                .iter()
                .find(|(name, _)| {
                    let header = format!("x-amz-checksum-{name}");
                    headers.contains_key(&header) || trailers.contains_key(&header)
                })
                .map(|(name, _)| name.to_uppercase())
        })
}

/// Computes the checksum of a content; S3 takes CRC64NVME where none is asked for.
pub fn compute_sandbox_object_checksum(algorithm: Option<&str>, content: &[u8]) -> SandboxObjectChecksum {
    let algorithm = algorithm.unwrap_or("CRC64NVME").to_owned();
    let mut hasher = ChecksumHasher::default();
    match algorithm.as_str() {
        "CRC32" => hasher.crc32 = Some(s3s::crypto::Crc32::default()),
        "CRC32C" => hasher.crc32c = Some(s3s::crypto::Crc32c::default()),
        "SHA1" => hasher.sha1 = Some(s3s::crypto::Sha1::default()),
        "SHA256" => hasher.sha256 = Some(s3s::crypto::Sha256::default()),
        _ => hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::default()),
    }
    hasher.update(content);
    let found: dto::Checksum = hasher.finalize();
    let value = found
        .checksum_crc32
        .or(found.checksum_crc32c)
        .or(found.checksum_sha1)
        .or(found.checksum_sha256)
        .or(found.checksum_crc64nvme);
    SandboxObjectChecksum { algorithm, value, composite: false }
}

/// Computes the checksum of parts' checksums, as a composite one is: over their bytes, with the count of parts behind it.
pub fn compute_composite_checksum(algorithm: &str, parts: &[String]) -> SandboxObjectChecksum {
    let bytes: Vec<u8> = parts.iter().flat_map(|one| STANDARD.decode(one).unwrap_or_default()).collect();
    let whole = compute_sandbox_object_checksum(Some(algorithm), &bytes);
    let value = whole.value.map(|value| format!("{value}-{}", parts.len()));
    SandboxObjectChecksum { algorithm: whole.algorithm, value, composite: true }
}

/// Checks a content against what its sender says of it, and returns its checksum: by the algorithm of the one that was sent,
/// else by `algorithm`.
///
/// # Errors
/// Refuses a digest or a checksum that isn't its own, or is none, and two checksums.
pub fn validate_sandbox_upload_content(
    headers: &HeaderMap,
    trailers: &HeaderMap,
    content: &[u8],
    algorithm: Option<&str>,
) -> S3Result<SandboxObjectChecksum> {
    validate_content_md5(headers, content, false)?;
    let sent: Vec<(String, usize, &str)> = CHECKSUM_ALGORITHMS
        .iter()
        .filter_map(|(name, size)| {
            let header = format!("x-amz-checksum-{name}");
            let value = get_header_text(headers, &header).or_else(|| get_header_text(trailers, &header))?;
            Some((name.to_uppercase(), *size, value))
        })
        .collect();
    let (name, size, value) = match sent.as_slice() {
        [] => return Ok(compute_sandbox_object_checksum(algorithm, content)),
        [one] => one,
        _ => {
            return Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
    };
    if STANDARD.decode(value).ok().map(|bytes| bytes.len()) != Some(*size) {
        let message = format!("Value for x-amz-checksum-{} header is invalid.", name.to_lowercase());
        return Err(S3Error::with_message(S3ErrorCode::InvalidRequest, message));
    }
    let found = compute_sandbox_object_checksum(Some(name), content);
    if Some(*value) != found.value.as_deref() {
        return Err(S3Error::with_message(
            S3ErrorCode::BadDigest,
            format!("The {name} you specified did not match the calculated checksum."),
        ));
    }
    Ok(found)
}

/// Holds a content to its Content-MD5. The error says what was expected in hexadecimal, of a part in base64 (recorded).
///
/// # Errors
/// Refuses what is no MD5, and another content.
pub fn validate_content_md5(headers: &HeaderMap, content: &[u8], is_part: bool) -> S3Result<()> {
    let Some(sent) = get_header_text(headers, "content-md5") else { return Ok(()) };
    let Some(digest) = STANDARD.decode(sent).ok().filter(|bytes| bytes.len() == 16) else {
        return Err(build_bad_request_error(
            "InvalidDigest",
            "The Content-MD5 you specified was invalid.",
            &[("Content-MD5", sent)],
        ));
    };
    let calculated = Md5::digest(content);
    if digest == calculated.as_slice() {
        return Ok(());
    }
    let expected = if is_part { sent.to_owned() } else { hex::encode(digest) };
    Err(build_bad_request_error(
        "BadDigest",
        "The Content-MD5 you specified did not match what we received.",
        &[("ExpectedDigest", &expected), ("CalculatedDigest", &STANDARD.encode(calculated))],
    ))
}

/// Chooses how an upload in parts sums up, by what its beginning asks for.
///
/// # Errors
/// Refuses an unknown algorithm, a type without one, and pairs that don't go together.
pub fn choose_multipart_checksum(headers: &HeaderMap) -> S3Result<Option<SandboxObjectChecksum>> {
    let kind = get_header_text(headers, "x-amz-checksum-type").map(str::to_uppercase);
    let Some(algorithm) = get_header_text(headers, "x-amz-checksum-algorithm").map(str::to_uppercase) else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let name = algorithm.to_lowercase();
    if !CHECKSUM_ALGORITHMS.iter().any(|(known, _)| *known == name) {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        ));
    }
    let composite = match kind.as_deref() {
        Some(kind) => kind == "COMPOSITE",
        None => name != "crc64nvme",
    };
    if (composite && name == "crc64nvme") || (!composite && name.starts_with("sha")) {
        let kind = if composite { "COMPOSITE" } else { "FULL_OBJECT" };
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            format!("The {kind} checksum type cannot be used with the {name} checksum algorithm."),
        ));
    }
    Ok(Some(SandboxObjectChecksum { algorithm, value: None, composite }))
}

/// Checks that a part is summed up as its upload is.
///
/// # Errors
/// Refuses another algorithm than the upload's.
pub fn check_part_checksum_algorithm(
    upload: Option<&SandboxObjectChecksum>,
    headers: &HeaderMap,
    trailers: &HeaderMap,
) -> S3Result<()> {
    let (Some(upload), Some(asked)) = (upload, parse_requested_checksum_algorithm(headers, trailers)) else {
        return Ok(());
    };
    if asked == upload.algorithm {
        return Ok(());
    }
    let message = format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        upload.algorithm.to_lowercase(),
        asked.to_lowercase()
    );
    Err(S3Error::with_message(S3ErrorCode::InvalidRequest, message))
}

/// The checksums that a request names for one part, or for the whole, by algorithm.
pub fn collect_named_checksums(
    named: [(&'static str, &Option<String>); 5],
) -> BTreeMap<&'static str, String> {
    named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
}

/// What S3 answers with a checksum, in the member of its algorithm.
pub trait ChecksumMembers: Sized {
    /// Sets the member of the checksum's algorithm, and no other.
    #[must_use]
    fn set_checksum_member(self, sum: Option<&SandboxObjectChecksum>) -> Self;
}

macro_rules! impl_checksum_members {
    ($($answer:ident)*) => {$(
        impl ChecksumMembers for dto::$answer {
            fn set_checksum_member(mut self, sum: Option<&SandboxObjectChecksum>) -> Self {
                let value = |algorithm: &str| sum.filter(|sum| sum.algorithm == algorithm)?.value.clone();
                self.checksum_crc32 = value("CRC32");
                self.checksum_crc32c = value("CRC32C");
                self.checksum_crc64nvme = value("CRC64NVME");
                self.checksum_sha1 = value("SHA1");
                self.checksum_sha256 = value("SHA256");
                self
            }
        }
    )*};
}

impl_checksum_members! {
    Checksum ObjectPart Part
    CopyObjectResult CopyPartResult CompleteMultipartUploadOutput
}

/// Returns the type of a checksum, as an answer has it.
pub fn convert_checksum_type(sum: Option<&SandboxObjectChecksum>) -> Option<dto::ChecksumType> {
    sum.map(|sum| dto::ChecksumType::from_static(sum.checksum_type()))
}

/// Adds the header that has a checksum, where it has a value.
pub fn insert_checksum_header(headers: &mut HeaderMap, sum: Option<&SandboxObjectChecksum>) {
    if let Some(sum) = sum
        && let Some(value) = &sum.value
    {
        insert_sandbox_response_header(headers, &sum.build_checksum_header_name(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// Facts of recorded answers.
    #[test]
    fn checksums_and_refusals_are_those_that_were_recorded() {
        for (algorithm, value) in [
            ("CRC32", "cZWHwQ=="),
            ("CRC64NVME", "CTXktO4pIQs="),
            ("SHA256", "1YQo81vx2VFUl0q5ccWISq8AkSBQQ0WO80S82TmfdIQ="),
        ] {
            let content: &[u8] = match algorithm {
                "CRC32" => b"test data..",
                "SHA256" => b"test-checksum",
                _ => b"upload-part-1upload-part-1upload-part-1upload-part-1upload-part-1",
            };
            let found = compute_sandbox_object_checksum(Some(algorithm), content);
            assert_eq!(found.value.as_deref(), Some(value), "{algorithm}");
        }
        let part = "NRU+Sw==".to_owned();
        let three = [part.clone(), part, "TBHN8A==".to_owned()];
        assert_eq!(compute_composite_checksum("CRC32", &three).value.as_deref(), Some("5FRUiw==-3"));
        for (sent, code, message) in [
            (
                ("x-amz-checksum-crc32", "abc"),
                "InvalidRequest",
                "Value for x-amz-checksum-crc32 header is invalid.",
            ),
            (
                ("x-amz-checksum-sha1", "bH71WIZUKQtUwR2wKSSkFjCRBPM="),
                "BadDigest",
                "The SHA1 you specified did not match the calculated checksum.",
            ),
            (("content-md5", "MTIz"), "InvalidDigest", "The Content-MD5 you specified was invalid."),
            (
                ("content-md5", "CYketZBSTjX8czcs3cXVlg=="),
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
            ),
        ] {
            let error =
                validate_sandbox_upload_content(&headers(&[sent]), &HeaderMap::new(), b"something", None)
                    .unwrap_err();
            assert_eq!((error.code().as_str(), error.message()), (code, Some(message)));
        }
    }

    #[test]
    fn an_upload_sums_up_as_its_beginning_says() {
        let kinds = |pairs: &[(&'static str, &'static str)]| {
            choose_multipart_checksum(&headers(pairs))
                .map(|found| found.map(|sum| (sum.algorithm, sum.composite)))
                .map_err(|error| error.message().unwrap_or_default().to_owned())
        };
        let (algorithm, kind) = ("x-amz-checksum-algorithm", "x-amz-checksum-type");
        assert_eq!(kinds(&[]), Ok(None));
        assert_eq!(kinds(&[(algorithm, "CRC32")]), Ok(Some(("CRC32".into(), true))));
        assert_eq!(kinds(&[(algorithm, "CRC64NVME")]), Ok(Some(("CRC64NVME".into(), false))));
        assert_eq!(
            kinds(&[(algorithm, "CRC32C"), (kind, "FULL_OBJECT")]),
            Ok(Some(("CRC32C".into(), false)))
        );
        for (pairs, message) in [
            (
                vec![(algorithm, "SHA1"), (kind, "FULL_OBJECT")],
                "The FULL_OBJECT checksum type cannot be used with the sha1 checksum algorithm.",
            ),
            (
                vec![(algorithm, "CRC64NVME"), (kind, "COMPOSITE")],
                "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.",
            ),
            (
                vec![(kind, "COMPOSITE")],
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            ),
        ] {
            assert_eq!(kinds(&pairs), Err(message.to_owned()));
        }
    }
}
