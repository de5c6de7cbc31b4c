//! What CreateJob asks for: read as S3 reads it, and refused where S3 would.
//!
//! A job's one operation is kept as the headers that each of its copies is sent with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sandbox::control_plane::{Refusal, query::element, s3::http_date, xml::Node};
use crate::sandbox::store;

const TEXT: usize = 1024;

/// A request for a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    pub token: String,
    pub description: String,
    pub priority: u32,
    pub role: String,
    pub confirmation: bool,
    pub tagged: bool,
    /// The bucket and key of the manifest, its ETag, and what its columns are.
    pub manifest: (String, String),
    pub etag: String,
    pub fields: Vec<String>,
    pub report: Option<Report>,
    /// The bucket that is copied to.
    pub target: String,
    pub headers: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub bucket: String,
    pub prefix: String,
    /// Whether tasks that succeeded stand in it too.
    pub all: bool,
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidRequest", message)
}

/// A text that S3 takes: neither empty nor too long.
fn fitting<'n>(node: &'n Node, path: &str, most: usize) -> Result<Option<&'n str>, Refusal> {
    let Some(found) = node.at(path) else { return Ok(None) };
    if found.text.is_empty() || found.text.chars().count() > most {
        return Err(invalid(format!("{path} must have between 1 and {most} characters")));
    }
    Ok(Some(&found.text))
}

fn needed<'n>(node: &'n Node, path: &str, most: usize) -> Result<&'n str, Refusal> {
    fitting(node, path, most)?.ok_or_else(|| invalid(format!("{path} is missing")))
}

fn bucket_of(arn: &str) -> Result<&str, Refusal> {
    arn.strip_prefix("arn:aws:s3:::").ok_or_else(|| invalid(format!("Invalid bucket ARN: {arn}")))
}

impl Asked {
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let text = String::from_utf8_lossy(body);
        let root = Node::parse(&text)
            .map_err(|_| Refusal::new(400, "MalformedXML", "The XML you provided was not well-formed"))?;
        let operation = root.at("Operation/S3PutObjectCopy").ok_or_else(|| {
            Refusal::new(501, "NotImplemented", "the sandbox's jobs copy, and do nothing else")
        })?;
        let manifest = root.at("Manifest").ok_or_else(|| invalid("Manifest is missing"))?;
        if manifest.text_at("Spec/Format") != Some("S3BatchOperations_CSV_20180820") {
            return Err(Refusal::new(
                501,
                "NotImplemented",
                "the sandbox reads manifests of S3BatchOperations_CSV_20180820",
            ));
        }
        let fields: Vec<String> = manifest
            .at("Spec/Fields")
            .into_iter()
            .flat_map(|fields| fields.children.iter().map(|field| field.text.clone()))
            .collect();
        if !["Bucket", "Key"].iter().all(|must| fields.iter().any(|field| field == must)) {
            return Err(invalid("The manifest's fields must name Bucket and Key"));
        }
        let (bucket, key) = bucket_of(needed(manifest, "Location/ObjectArn", 2000)?)?
            .split_once('/')
            .ok_or_else(|| invalid("The manifest's ObjectArn names no object"))?;
        let report = root.at("Report").ok_or_else(|| invalid("Report is missing"))?;
        let report = if report.flag_at("Enabled") {
            if report.text_at("Format") != Some("Report_CSV_20180820") {
                return Err(invalid("A report needs a Format"));
            }
            Some(Report {
                bucket: bucket_of(needed(report, "Bucket", 128)?)?.to_owned(),
                prefix: fitting(report, "Prefix", 512)?.unwrap_or_default().to_owned(),
                all: needed(report, "ReportScope", 20)? == "AllTasks",
            })
        } else {
            None
        };
        let priority = needed(&root, "Priority", 10)?;
        Ok(Self {
            token: needed(&root, "ClientRequestToken", 64)?.to_owned(),
            description: fitting(&root, "Description", 256)?.unwrap_or_default().to_owned(),
            priority: priority.parse().map_err(|_| invalid("Priority is no number"))?,
            role: needed(&root, "RoleArn", 2048)?.to_owned(),
            confirmation: root.flag_at("ConfirmationRequired"),
            tagged: root.at("Tags").is_some_and(|tags| !tags.children.is_empty()),
            manifest: (bucket.to_owned(), key.to_owned()),
            etag: needed(manifest, "Location/ETag", 1024)?.trim_matches('"').to_owned(),
            fields,
            report,
            target: bucket_of(needed(operation, "TargetResource", 128)?)?.to_owned(),
            headers: headers(operation)?,
        })
    }

    /// Refuses what names things that aren't there.
    pub fn check(&self, state: &store::State) -> Result<(), Refusal> {
        for bucket in
            [Some(&self.target), Some(&self.manifest.0), self.report.as_ref().map(|report| &report.bucket)]
                .into_iter()
                .flatten()
        {
            if !state.s3.buckets.contains_key(bucket) {
                return Err(Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist"));
            }
        }
        if crate::sandbox::control_plane::iam::role(&state.iam, &self.role).is_none() {
            return Err(invalid("Invalid role ARN"));
        }
        Ok(())
    }

    pub fn manifest_xml(&self) -> String {
        let fields: String = self.fields.iter().map(|field| element("member", field)).collect();
        format!(
            "<Manifest><Spec><Format>S3BatchOperations_CSV_20180820</Format><Fields>{fields}</Fields></Spec><Location>{}{}</Location></Manifest>",
            element("ObjectArn", &format!("arn:aws:s3:::{}/{}", self.manifest.0, self.manifest.1)),
            element("ETag", &self.etag)
        )
    }

    pub fn report_xml(&self) -> String {
        let Some(report) = &self.report else {
            return "<Report><Enabled>false</Enabled></Report>".to_owned();
        };
        format!(
            "<Report>{}<Format>Report_CSV_20180820</Format><Enabled>true</Enabled>{}{}</Report>",
            element("Bucket", &format!("arn:aws:s3:::{}", report.bucket)),
            element("Prefix", &report.prefix),
            element("ReportScope", if report.all { "AllTasks" } else { "FailedTasksOnly" })
        )
    }
}

/// The headers of each copy: the one set that all objects get.
fn headers(operation: &Node) -> Result<BTreeMap<String, String>, Refusal> {
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
    let metadata = operation.at("NewObjectMetadata");
    let default = if metadata.is_some() { "REPLACE" } else { "COPY" };
    set("x-amz-metadata-directive", operation.text_at("MetadataDirective").unwrap_or(default));
    if let Some(metadata) = metadata {
        for (field, header) in [
            ("CacheControl", "cache-control"),
            ("ContentDisposition", "content-disposition"),
            ("ContentEncoding", "content-encoding"),
            ("ContentLanguage", "content-language"),
            ("ContentType", "content-type"),
        ] {
            if let Some(value) = fitting(metadata, field, TEXT)? {
                set(header, value);
            }
        }
        if let Some(date) = metadata.text_at("HttpExpiresDate") {
            set("expires", &http(date)?);
        }
        let (mut size, empty) = (0, Vec::new());
        for entry in metadata.at("UserMetadata").map_or(&empty, |entries| &entries.children) {
            let (name, value) = (needed(entry, "key", TEXT)?, needed(entry, "value", TEXT)?);
            size += name.len() + value.len();
            set(&format!("x-amz-meta-{}", name.to_lowercase()), value);
        }
        if size > 8192 {
            return Err(invalid("UserMetadata must not be larger than 8192 bytes"));
        }
        match metadata.text_at("SSEAlgorithm") {
            None => {}
            Some("AES256") => {
                set("x-amz-server-side-encryption", "AES256");
            }
            Some("KMS") => {
                set("x-amz-server-side-encryption", "aws:kms");
                if let Some(key) = operation.text_at("SSEAwsKmsKeyId") {
                    set("x-amz-server-side-encryption-aws-kms-key-id", key);
                }
            }
            Some(other) => return Err(invalid(format!("Invalid SSEAlgorithm: {other}"))),
        }
    }
    for (field, header) in [
        ("CannedAccessControlList", "x-amz-acl"),
        ("RedirectLocation", "x-amz-website-redirect-location"),
        ("ObjectLockLegalHoldStatus", "x-amz-object-lock-legal-hold"),
        ("ObjectLockMode", "x-amz-object-lock-mode"),
        ("ObjectLockRetainUntilDate", "x-amz-object-lock-retain-until-date"),
        ("ChecksumAlgorithm", "x-amz-checksum-algorithm"),
    ] {
        if let Some(value) = operation.text_at(field) {
            set(header, value);
        }
    }
    match operation.text_at("StorageClass") {
        None => {}
        Some(
            class @ ("STANDARD"
            | "STANDARD_IA"
            | "ONEZONE_IA"
            | "GLACIER"
            | "INTELLIGENT_TIERING"
            | "DEEP_ARCHIVE"
            | "GLACIER_IR"),
        ) => {
            set("x-amz-storage-class", class);
        }
        Some(other) => return Err(invalid(format!("Invalid StorageClass: {other}"))),
    }
    for (field, header) in [
        ("UnModifiedSinceConstraint", "x-amz-copy-source-if-unmodified-since"),
        ("ModifiedSinceConstraint", "x-amz-copy-source-if-modified-since"),
    ] {
        if let Some(date) = operation.text_at(field) {
            set(header, &http(date)?);
        }
    }
    if operation.at("AccessControlGrants").is_some() || operation.at("NewObjectTagging").is_some() {
        return Err(Refusal::new(
            501,
            "NotImplemented",
            "the sandbox's jobs know neither grants nor new tags",
        ));
    }
    Ok(all)
}

/// An ISO date as a header says it.
fn http(date: &str) -> Result<String, Refusal> {
    time::OffsetDateTime::parse(date, &time::format_description::well_known::Rfc3339)
        .map(|date| http_date(u64::try_from(date.unix_timestamp()).unwrap_or_default()))
        .map_err(|_| invalid(format!("Invalid date: {date}")))
}
