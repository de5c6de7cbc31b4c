//! What one job of S3 Batch Operations says of all its objects: headers, user metadata, storage class, checksum.
//!
//! A job has one set for every object in its manifest, so an object belongs to the job of exactly its own set; what a
//! job can't say again byte for byte is no set, and stays with the copies that are made from here.

use std::collections::BTreeMap;

use aws_sdk_s3control::types::{
    S3ChecksumAlgorithm, S3CopyObjectOperation, S3MetadataDirective, S3ObjectMetadata, S3SseAlgorithm,
    S3StorageClass,
};
use aws_smithy_types::{DateTime, date_time::Format};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::aws::s3::fast::ObjectAttributes;

/// What a job's text may hold at most, in characters.
const JOB_TEXT_MAX_CHARS: usize = 1024;
/// What S3 lets an object have of user metadata, names and values together.
const USER_METADATA_MAX_BYTES: usize = 2048;

/// One set; equal for two objects where one job can copy both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchCopyAttributes {
    pub cache_control: String,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_disposition: Option<String>,
    /// Unix seconds.
    pub expires: Option<i64>,
    pub user_metadata: BTreeMap<String, String>,
    pub storage_class: String,
    /// Whether S3's own keys were said to encrypt it.
    pub encrypted: bool,
    pub checksum: Option<String>,
}

impl BatchCopyAttributes {
    /// Reads the set of an object, as HEAD shows it.
    ///
    /// # Errors
    /// Why no job can copy it without losing something.
    pub fn batch_attributes_from_object(
        head: &ObjectAttributes,
        cache_control: &str,
    ) -> Result<Self, &'static str> {
        let headers = &head.headers;
        let text = |name: &str| read_xml_safe_header_value(headers, name);
        if headers.keys().any(|name| name.as_str().starts_with("x-amz-object-lock-")) {
            return Err("it is under a legal hold or a retention of its own");
        }
        if headers.contains_key("x-amz-website-redirect-location") {
            return Err("it redirects");
        }
        let encrypted = match head.object_header_value("x-amz-server-side-encryption") {
            None => false,
            Some("AES256") => true,
            Some(_) => return Err("it is encrypted by KMS, whose keys the jobs' role doesn't get"),
        };
        let storage_class = text("x-amz-storage-class")?.unwrap_or_else(|| "STANDARD".to_owned());
        let keeps = ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"];
        if !keeps.contains(&storage_class.as_str()) {
            return Err("a job can't keep its storage class");
        }
        let checksum = head.object_checksum_algorithm();
        if checksum.as_ref().is_some_and(|name| S3ChecksumAlgorithm::try_parse(name).is_err()) {
            return Err("a job can't keep its checksum");
        }
        Ok(Self {
            cache_control: cache_control.to_owned(),
            content_type: text("content-type")?,
            content_encoding: text("content-encoding")?,
            content_language: text("content-language")?,
            content_disposition: text("content-disposition")?,
            expires: text("expires")?.map(|date| parse_expires_header(&date)).transpose()?,
            user_metadata: parse_user_metadata(headers)?,
            storage_class,
            encrypted,
            checksum,
        })
    }

    /// Returns the copy that a job of this set makes of each of its objects, onto itself in `bucket`, unless it
    /// changed after `before` (Unix seconds).
    ///
    /// Tags stay, as they do where nothing is said of them.
    pub(super) fn to_s3_copy_operation(&self, bucket: &str, before: i64) -> S3CopyObjectOperation {
        let metadata = S3ObjectMetadata::builder()
            .cache_control(&self.cache_control)
            .set_content_type(self.content_type.clone())
            .set_content_encoding(self.content_encoding.clone())
            .set_content_language(self.content_language.clone())
            .set_content_disposition(self.content_disposition.clone())
            .set_http_expires_date(self.expires.map(DateTime::from_secs))
            .set_user_metadata(
                (!self.user_metadata.is_empty()).then(|| self.user_metadata.clone().into_iter().collect()),
            )
            .set_sse_algorithm(self.encrypted.then_some(S3SseAlgorithm::Aes256))
            .build();
        S3CopyObjectOperation::builder()
            .target_resource(format!("arn:aws:s3:::{bucket}"))
            .metadata_directive(S3MetadataDirective::Replace)
            .new_object_metadata(metadata)
            .storage_class(S3StorageClass::from(self.storage_class.as_str()))
            .set_checksum_algorithm(self.checksum.as_deref().map(S3ChecksumAlgorithm::from))
            .un_modified_since_constraint(DateTime::from_secs(before))
            .build()
    }
}

/// A header that XML carries as it is.
fn read_xml_safe_header_value(headers: &HeaderMap, name: &str) -> Result<Option<String>, &'static str> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let plain = |text: &&str| {
        values.next().is_none()
            && (1..=JOB_TEXT_MAX_CHARS).contains(&text.len())
            && text.trim() == *text
            && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            // Encoded words: what S3 would store of them isn't known to be what stands there now.
            && !text.contains("=?")
    };
    value
        .to_str()
        .ok()
        .filter(plain)
        .map(|text| Some(text.to_owned()))
        .ok_or("a header of it is no plain text")
}

/// A date that comes back in the same words.
fn parse_expires_header(text: &str) -> Result<i64, &'static str> {
    let date = DateTime::from_str(text, Format::HttpDate).ok();
    date.filter(|date| date.fmt(Format::HttpDate).is_ok_and(|again| again == text))
        .map(|date| date.secs())
        .ok_or("its Expires is no date that a job could set again")
}

fn parse_user_metadata(headers: &HeaderMap) -> Result<BTreeMap<String, String>, &'static str> {
    let mut all = BTreeMap::new();
    for name in headers.keys() {
        if let Some(own) = name.as_str().strip_prefix("x-amz-meta-") {
            all.extend(
                read_xml_safe_header_value(headers, name.as_str())?.map(|value| (own.to_owned(), value)),
            );
        }
    }
    let size: usize = all.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > USER_METADATA_MAX_BYTES { Err("its user metadata is too large for a job") } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn attributes_from_headers(
        headers: &[(&'static str, &str)],
    ) -> Result<BatchCopyAttributes, &'static str> {
        let all = [("content-length", "3"), ("etag", "\"e\"")].iter().chain(headers);
        let map = all.map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        BatchCopyAttributes::batch_attributes_from_object(
            &ObjectAttributes::from_head_response_headers(map.collect()).unwrap(),
            "max-age=1",
        )
    }

    #[test]
    fn one_set_for_what_one_job_can_say_and_another_for_each_difference() {
        let plain = attributes_from_headers(&[("content-type", "a/b")]).unwrap();
        assert_eq!(
            plain,
            attributes_from_headers(&[("content-type", "a/b"), ("x-amz-tagging-count", "2")]).unwrap()
        );
        for other in [
            ("content-type", "a/c"),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("content-disposition", "attachment"),
            ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
            ("x-amz-meta-k", "v"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("x-amz-checksum-crc32c", "AAAA"),
            ("x-amz-server-side-encryption", "AES256"),
        ] {
            let headers =
                if other.0 == "content-type" { vec![other] } else { vec![("content-type", "a/b"), other] };
            assert_ne!(attributes_from_headers(&headers).unwrap(), plain, "{other:?}");
        }
    }

    #[test]
    fn what_a_job_would_lose_is_no_set() {
        for lost in [
            ("content-type", "a/ä"),
            ("content-disposition", "attachment; filename=\"=?UTF-8?Q?x?=\""),
            ("expires", "0"),
            ("expires", "Thursday, 01-Jan-99 00:00:00 GMT"),
            ("x-amz-meta-k", ""),
            ("x-amz-meta-k", "=?UTF-8?B?w6Q=?="),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-object-lock-legal-hold", "ON"),
            ("x-amz-website-redirect-location", "/x"),
            ("x-amz-checksum-novel", "AAAA"),
        ] {
            assert!(attributes_from_headers(&[lost]).is_err(), "{lost:?}");
        }
        assert!(attributes_from_headers(&[("x-amz-meta-k", &"v".repeat(1025))]).is_err());
        assert!(
            attributes_from_headers(&[
                ("x-amz-meta-k", &"v".repeat(1024)),
                ("x-amz-meta-l", &"v".repeat(1024))
            ])
            .is_err()
        );
    }
}
