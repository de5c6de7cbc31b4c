//! An object's attributes as HEAD shows them, and as a copy onto itself has to say them again.
//!
//! A copy keeps nothing but the bytes, the tags and the checksum unless it is told: what HEAD showed is sent back byte for byte.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{listing::S3StorageClass, sign::SignedRequestHeaderList};

/// Above this many bytes an object can't be copied by one request.
pub const SINGLE_COPY_MAX_BYTES: u64 = 5 << 30;

/// What is sent back under the same name.
const COPIED_HEADERS: [&str; 9] = [
    "content-type",
    "content-encoding",
    "content-language",
    "content-disposition",
    "expires",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
];

/// An object, as HEAD shows it.
#[derive(Debug, Clone)]
pub struct ObjectAttributes {
    pub size: u64,
    pub etag: HeaderValue,
    pub headers: HeaderMap,
}

impl ObjectAttributes {
    /// Reads a reply's headers; `None` where it has no ETag: then nothing could be conditional.
    pub fn from_head_response_headers(headers: HeaderMap) -> Option<Self> {
        let size = headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
        let etag = headers.get(http::header::ETAG)?.clone();
        Some(Self { size, etag, headers })
    }

    /// Returns the header's text, where it is text.
    pub fn object_header_value(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the object's storage class; Standard where S3 says none.
    pub fn object_storage_class(&self) -> S3StorageClass {
        self.object_header_value("x-amz-storage-class")
            .map(S3StorageClass::parse_storage_class_name)
            .unwrap_or_default()
    }

    /// Returns why it can't be changed now: it is archived.
    ///
    /// One that was restored could be copied, but the copy would be an archived object that is not: what can be read
    /// now could not be read any more.
    pub fn explain_archived_object(&self) -> Option<String> {
        if let Some(status) = self.object_header_value("x-amz-archive-status") {
            return Some(format!("archived ({status})"));
        }
        let restored = self
            .object_header_value("x-amz-restore")
            .is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
        let after =
            if restored { "; restored for now, but a copy of it would be archived again" } else { "" };
        (self.object_storage_class() == S3StorageClass::Archived).then(|| {
            format!(
                "archived ({}{after})",
                self.object_header_value("x-amz-storage-class").unwrap_or_default()
            )
        })
    }

    /// Returns the algorithm of its additional checksum: `CRC32C`.
    pub fn object_checksum_algorithm(&self) -> Option<String> {
        let named = self.headers.keys().filter_map(|name| name.as_str().strip_prefix("x-amz-checksum-"));
        named
            .filter(|rest| !matches!(*rest, "type" | "algorithm" | "mode"))
            .map(str::to_ascii_uppercase)
            .next()
    }

    /// Returns the headers that give the copy this object's attributes, and `cache_control`.
    pub fn build_object_copy_headers(
        &self,
        cache_control: &'static str,
        now: SystemTime,
    ) -> SignedRequestHeaderList {
        let mut said = SignedRequestHeaderList::with_capacity(16);
        for name in COPIED_HEADERS {
            if let Some(value) = self.headers.get(name) {
                said.push((HeaderName::from_static(name), value.clone()));
            }
        }
        said.push((http::header::CACHE_CONTROL, HeaderValue::from_static(cache_control)));
        for (name, value) in &self.headers {
            let text = name.as_str();
            if text.starts_with("x-amz-meta-")
                || text.starts_with("x-amz-object-lock-") && !self.is_object_lock_retention_expired(text, now)
            {
                said.push((name.clone(), value.clone()));
            }
        }
        if self.object_header_value("x-amz-server-side-encryption") == Some("aws:kms") {
            let name = "x-amz-server-side-encryption-bucket-key-enabled";
            let value = self.headers.get(name).cloned().unwrap_or(HeaderValue::from_static("false"));
            said.push((HeaderName::from_static(name), value));
        }
        if let Some(algorithm) =
            self.object_checksum_algorithm().and_then(|name| HeaderValue::from_str(&name).ok())
        {
            said.push((HeaderName::from_static("x-amz-checksum-algorithm"), algorithm));
        }
        said
    }

    /// A retention that ended holds nothing any more, and S3 refuses to set a date that has passed.
    fn is_object_lock_retention_expired(&self, header: &str, now: SystemTime) -> bool {
        let until = || {
            OffsetDateTime::parse(self.object_header_value("x-amz-object-lock-retain-until-date")?, &Rfc3339)
                .ok()
        };
        matches!(header, "x-amz-object-lock-mode" | "x-amz-object-lock-retain-until-date")
            && until().is_none_or(|until| SystemTime::from(until) <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed_now() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_467_296)
    }

    fn attributes_from_headers(headers: &[(&'static str, &str)]) -> ObjectAttributes {
        let all = [("content-length", "3"), ("etag", "\"e\"")].iter().chain(headers);
        let map = all.map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        ObjectAttributes::from_head_response_headers(map.collect()).unwrap()
    }

    #[test]
    fn every_attribute_is_said_again() {
        let kept = [
            ("content-type", "application/x-foo"),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("content-disposition", "attachment; filename=\"ä.deb\""),
            ("expires", "not a date at all"),
            ("x-amz-website-redirect-location", "/elsewhere"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:eu-west-1:1:key/k"),
            ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("x-amz-meta-k", "=?UTF-8?B?w6Q=?="),
            ("x-amz-meta-l", "two  spaces"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-object-lock-retain-until-date", "2031-01-01T00:00:00.000Z"),
            ("x-amz-object-lock-legal-hold", "ON"),
        ];
        let dropped = [
            ("cache-control", "max-age=1"),
            ("x-amz-version-id", "v"),
            ("last-modified", "x"),
            ("accept-ranges", "bytes"),
        ];
        let mut all = kept.to_vec();
        all.extend(dropped);
        all.push(("x-amz-checksum-crc64nvme", "AAAA"));
        all.push(("x-amz-checksum-type", "FULL_OBJECT"));
        let said: HeaderMap = attributes_from_headers(&all)
            .build_object_copy_headers("no-store", fixed_now())
            .into_iter()
            .collect();
        for (name, value) in kept {
            assert_eq!(said[name].as_bytes(), value.as_bytes(), "{name}");
        }
        assert_eq!(said["cache-control"], "no-store");
        assert_eq!(said["x-amz-checksum-algorithm"], "CRC64NVME");
        assert_eq!(said.len(), kept.len() + 2, "{said:?}");
    }

    #[test]
    fn a_bucket_key_is_only_said_for_kms_and_as_it_was() {
        let said = |headers: &[(&'static str, &str)]| -> HeaderMap {
            attributes_from_headers(headers).build_object_copy_headers("x", fixed_now()).into_iter().collect()
        };
        let name = "x-amz-server-side-encryption-bucket-key-enabled";
        assert_eq!(said(&[("x-amz-server-side-encryption", "aws:kms")])[name], "false");
        assert!(!said(&[("x-amz-server-side-encryption", "AES256")]).contains_key(name));
        assert!(!said(&[("x-amz-server-side-encryption", "aws:kms:dsse")]).contains_key(name));
    }

    #[test]
    fn a_retention_that_ended_is_not_said_again() {
        let head = attributes_from_headers(&[
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-object-lock-retain-until-date", "2020-01-01T00:00:00Z"),
            ("x-amz-object-lock-legal-hold", "ON"),
        ]);
        let said: HeaderMap = head.build_object_copy_headers("x", fixed_now()).into_iter().collect();
        assert!(!said.contains_key("x-amz-object-lock-mode"));
        assert_eq!(said["x-amz-object-lock-legal-hold"], "ON");
    }

    #[test]
    fn archived_is_what_a_copy_would_make_unreadable_too() {
        assert!(
            attributes_from_headers(&[("x-amz-storage-class", "GLACIER")])
                .explain_archived_object()
                .is_some()
        );
        assert!(
            attributes_from_headers(&[
                ("x-amz-storage-class", "DEEP_ARCHIVE"),
                ("x-amz-restore", "ongoing-request=\"true\"")
            ])
            .explain_archived_object()
            .is_some()
        );
        assert!(
            attributes_from_headers(&[("x-amz-archive-status", "ARCHIVE_ACCESS")])
                .explain_archived_object()
                .is_some()
        );
        let restored = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2029 00:00:00 GMT\"";
        let restored =
            attributes_from_headers(&[("x-amz-storage-class", "GLACIER"), ("x-amz-restore", restored)]);
        assert!(restored.explain_archived_object().unwrap().contains("restored for now"));
        assert!(
            attributes_from_headers(&[("x-amz-storage-class", "GLACIER_IR")])
                .explain_archived_object()
                .is_none()
        );
    }
}
