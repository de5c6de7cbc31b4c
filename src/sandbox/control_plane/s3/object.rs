//! One object of the sandbox's S3: what a copy keeps and what it loses is told apart by where it stands here.
//!
//! `attributes` are what a replacing copy replaces as a whole; everything else has a rule of its own in `copy`.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// System attributes that `x-amz-metadata-directive: REPLACE` replaces, beside `x-amz-meta-*`.
const SYSTEM_ATTRIBUTES: [&str; 6] = [
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
    pub retention: Option<SandboxObjectRetention>,
    /// Grants beyond the owner's own.
    pub grants: Vec<SandboxAclGrant>,
    /// How many parts it was uploaded in; 0: not in parts.
    pub parts: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxObjectChecksum {
    /// `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1`, `SHA256`.
    pub algorithm: String,
    /// Base64; none for a hollow object.
    pub value: Option<String>,
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

/// Reads `a=b&c=d`, percent-encoded, as tags stand in a header.
pub fn parse_object_tagging_header(header: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    header
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            pair.split_once('=')
                .map_or_else(|| (decode(pair), String::new()), |(k, v)| (decode(k), decode(v)))
        })
        .collect()
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

impl SandboxObject {
    /// Returns an attribute by its header, in lower case.
    pub fn find_object_attribute_by_header(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Whether it can't be read or copied as it lies.
    pub fn is_sandbox_object_archived(&self) -> bool {
        !self.restored && self.storage_class.as_deref().is_some_and(|class| ARCHIVE_CLASSES.contains(&class))
    }

    /// Makes every header that HEAD and GET answer with, but those of the length.
    pub fn build_object_response_headers(&self, versioned: bool, checksum_asked: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        };
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
        }
        if let Some(retention) = &self.retention {
            set("x-amz-object-lock-mode", &retention.mode);
            set("x-amz-object-lock-retain-until-date", &retention.until);
        }
        match &self.encryption {
            SandboxObjectEncryption::Managed => set("x-amz-server-side-encryption", "AES256"),
            SandboxObjectEncryption::Kms { dual, key, bucket_key } => {
                set("x-amz-server-side-encryption", if *dual { "aws:kms:dsse" } else { "aws:kms" });
                set("x-amz-server-side-encryption-aws-kms-key-id", key.as_deref().unwrap_or("aws/s3"));
                if *bucket_key {
                    set("x-amz-server-side-encryption-bucket-key-enabled", "true");
                }
            }
            SandboxObjectEncryption::Customer { key_md5 } => {
                set("x-amz-server-side-encryption-customer-algorithm", "AES256");
                set("x-amz-server-side-encryption-customer-key-md5", key_md5);
            }
        }
        if let Some(SandboxObjectChecksum { algorithm, value: Some(value) }) =
            self.checksum.as_ref().filter(|_| checksum_asked)
        {
            set(&format!("x-amz-checksum-{}", algorithm.to_lowercase()), value);
            set("x-amz-checksum-type", if self.parts > 0 { "COMPOSITE" } else { "FULL_OBJECT" });
        }
        if self.parts > 0 && checksum_asked {
            set("x-amz-mp-parts-count", &self.parts.to_string());
        }
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
