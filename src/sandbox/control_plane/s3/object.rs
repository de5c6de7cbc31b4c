//! One object of the sandbox's S3: what a copy keeps and what it loses is told apart by where it stands here.
//!
//! `attributes` are what a replacing copy replaces as a whole; everything else has a rule of its own in `copy`.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::insert_sandbox_response_header;

/// System attributes that `x-amz-metadata-directive: REPLACE` replaces, beside `x-amz-meta-*`.
pub const SYSTEM_ATTRIBUTES: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// Storage classes whose objects can't be read or copied until they are restored.
const ARCHIVE_CLASSES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxObject {
    pub key: String,
    /// `null` where the bucket isn't versioned.
    pub version: String,
    /// A delete marker: the newest version says that the key is gone.
    pub marker: bool,
    pub size: u64,
    /// The content's SHA-256 in hex; none: a hollow object, whose declared size has no bytes behind it.
    pub blob: Option<String>,
    /// Without its quotes.
    pub etag: String,
    /// Unix seconds.
    pub modified: u64,
    /// Header name, lower case, to value as it was sent.
    pub attributes: BTreeMap<String, String>,
    /// None: STANDARD.
    pub storage_class: Option<String>,
    pub restored: bool,
    pub redirect: Option<String>,
    pub tags: Vec<(String, String)>,
    pub checksum: Option<SandboxObjectChecksum>,
    pub encryption: SandboxObjectEncryption,
    pub legal_hold: bool,
    /// A legal hold that was lifted is still told of, as off.
    pub legal_hold_lifted: bool,
    pub retention: Option<SandboxObjectRetention>,
    /// Grants beyond the owner's own.
    pub grants: Vec<SandboxAclGrant>,
    /// Whether a list of grants replaced the owner's own.
    pub without_owner_grant: bool,
    /// How many parts it was uploaded in; 0: not in parts.
    pub parts: usize,
    /// The parts, where their sizes are known.
    pub layout: Vec<SandboxObjectPart>,
    /// Drawn at each write: what is written again with the same content is another object.
    pub written: u64,
}

/// One of the parts that an object was uploaded in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxObjectPart {
    pub number: i32,
    pub size: u64,
    /// Base64; by the object's algorithm.
    pub checksum: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxObjectChecksum {
    /// `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1`, `SHA256`.
    pub algorithm: String,
    /// Base64; none for a hollow object.
    pub value: Option<String>,
    /// Of the parts' checksums, not of the content.
    #[serde(default)]
    pub composite: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxObjectEncryption {
    #[default]
    Managed,
    Kms {
        dual: bool,
        key: Option<String>,
        bucket_key: bool,
    },
    Customer {
        key_md5: String,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxObjectRetention {
    pub mode: String,
    /// As it was sent: RFC 3339.
    pub until: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxAclGrant {
    /// A group's URI, or a canonical user id.
    pub grantee: String,
    pub permission: String,
}

/// Reads the attributes that a request to write carries.
pub fn parse_object_attribute_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in headers {
        let name = name.as_str();
        if !SYSTEM_ATTRIBUTES.contains(&name) && !name.starts_with("x-amz-meta-") {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let value = if name.starts_with("x-amz-meta-") {
            super::metadata_text::normalize_metadata_value(&value)
        } else {
            value
        };
        // The SDK's own transfer coding is no attribute of the object.
        let value = if name == "content-encoding" {
            value
                .split(',')
                .map(str::trim)
                .filter(|coding| *coding != "aws-chunked")
                .collect::<Vec<_>>()
                .join(",")
        } else {
            value
        };
        if !(name == "content-encoding" && value.is_empty()) {
            found.insert(name.to_owned(), value);
        }
    }
    found.entry("content-type".to_owned()).or_insert_with(|| "binary/octet-stream".to_owned());
    found
}

/// Reads `x-amz-acl` as grants beyond the owner's.
pub fn parse_canned_acl(acl: &str) -> Vec<SandboxAclGrant> {
    let group = |name: &str, permission: &str| SandboxAclGrant {
        grantee: format!("http://acs.amazonaws.com/groups/{name}"),
        permission: permission.to_owned(),
    };
    match acl {
        "public-read" => vec![group("global/AllUsers", "READ")],
        "public-read-write" => vec![group("global/AllUsers", "READ"), group("global/AllUsers", "WRITE")],
        "authenticated-read" => vec![group("global/AuthenticatedUsers", "READ")],
        _ => Vec::new(),
    }
}

/// Reads the grants that `x-amz-acl` or `x-amz-grant-*` ask for.
pub fn parse_acl_header_grants(headers: &HeaderMap) -> Vec<SandboxAclGrant> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut grants = text("x-amz-acl").map(parse_canned_acl).unwrap_or_default();
    for (name, permission) in [
        ("x-amz-grant-full-control", "FULL_CONTROL"),
        ("x-amz-grant-read", "READ"),
        ("x-amz-grant-read-acp", "READ_ACP"),
        ("x-amz-grant-write", "WRITE"),
        ("x-amz-grant-write-acp", "WRITE_ACP"),
    ] {
        for grantee in text(name).unwrap_or_default().split(',').filter_map(|one| one.split_once('=')) {
            grants.push(SandboxAclGrant {
                grantee: grantee.1.trim().trim_matches('"').to_owned(),
                permission: permission.to_owned(),
            });
        }
    }
    grants
}

impl SandboxObjectChecksum {
    /// Returns `COMPOSITE` or `FULL_OBJECT`.
    pub fn checksum_type(&self) -> &'static str {
        if self.composite { "COMPOSITE" } else { "FULL_OBJECT" }
    }

    /// Returns the name of the header that has it.
    pub fn build_checksum_header_name(&self) -> String {
        format!("x-amz-checksum-{}", self.algorithm.to_lowercase())
    }
}

impl SandboxObjectEncryption {
    /// Makes the headers that say how an object lies, in every answer about it.
    pub fn build_encryption_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| insert_sandbox_response_header(&mut headers, name, value);
        match self {
            Self::Managed => set("x-amz-server-side-encryption", "AES256"),
            Self::Kms { dual, key, bucket_key } => {
                set("x-amz-server-side-encryption", if *dual { "aws:kms:dsse" } else { "aws:kms" });
                set("x-amz-server-side-encryption-aws-kms-key-id", key.as_deref().unwrap_or("aws/s3"));
                if *bucket_key {
                    set("x-amz-server-side-encryption-bucket-key-enabled", "true");
                }
            }
            Self::Customer { key_md5 } => {
                set("x-amz-server-side-encryption-customer-algorithm", "AES256");
                set("x-amz-server-side-encryption-customer-key-md5", key_md5);
            }
        }
        headers
    }
}

impl SandboxObject {
    /// Returns an attribute by its header, in lower case.
    pub fn find_object_attribute_by_header(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Returns the name of its storage class.
    pub fn get_storage_class_name(&self) -> String {
        self.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned())
    }

    /// Whether it can't be read or copied as it lies.
    pub fn is_sandbox_object_archived(&self) -> bool {
        !self.restored && self.storage_class.as_deref().is_some_and(|class| ARCHIVE_CLASSES.contains(&class))
    }

    /// Makes every header that HEAD and GET answer with, but those of the length.
    pub fn build_object_response_headers(&self, versioned: bool, checksum_asked: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| insert_sandbox_response_header(&mut headers, name, value);
        for (name, value) in &self.attributes {
            set(name, value);
        }
        set("etag", &format!("\"{}\"", self.etag));
        set("last-modified", &format_http_date(self.modified));
        set("accept-ranges", "bytes");
        if let Some(class) = &self.storage_class {
            set("x-amz-storage-class", class);
        }
        if self.restored {
            set("x-amz-restore", "ongoing-request=\"false\"");
        }
        if let Some(target) = &self.redirect {
            set("x-amz-website-redirect-location", target);
        }
        if !self.tags.is_empty() {
            set("x-amz-tagging-count", &self.tags.len().to_string());
        }
        if versioned {
            set("x-amz-version-id", &self.version);
        }
        if self.legal_hold {
            set("x-amz-object-lock-legal-hold", "ON");
        } else if self.legal_hold_lifted {
            set("x-amz-object-lock-legal-hold", "OFF");
        }
        if let Some(retention) = &self.retention {
            set("x-amz-object-lock-mode", &retention.mode);
            set("x-amz-object-lock-retain-until-date", &retention.until);
        }
        if let Some(sum) = self.checksum.as_ref().filter(|sum| checksum_asked && sum.value.is_some()) {
            set(&sum.build_checksum_header_name(), sum.value.as_deref().unwrap_or_default());
            set("x-amz-checksum-type", sum.checksum_type());
        }
        headers.extend(self.encryption.build_encryption_headers());
        headers
    }
}

/// Formats unix seconds as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn format_http_date(unix: u64) -> String {
    const HTTP_DATE_FORMAT: &[time::format_description::BorrowedFormatItem<'_>] = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    i64::try_from(unix)
        .ok()
        .and_then(|unix| time::OffsetDateTime::from_unix_timestamp(unix).ok())
        .and_then(|at| at.format(HTTP_DATE_FORMAT).ok())
        .unwrap_or_default()
}

/// Returns a header, where it is text.
pub fn get_header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Returns the canonical user id of an account.
pub fn compute_account_canonical_user_id(account: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(account))
}
