//! What CreateJob asks for: read as S3 reads it, and refused where S3 would.
//!
//! A job's one operation is kept as the headers that each of its copies is sent with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sandbox::SandboxState;
use crate::sandbox::control_plane::{
    SandboxAwsError, query::render_xml_element, s3::format_http_date, xml::XmlElement,
};

/// The longest text that a job's metadata may hold, in characters.
const METADATA_TEXT_MAX_CHARS: usize = 1024;
/// The most that a job's user metadata may be, names and values together.
const USER_METADATA_MAX_BYTES: usize = 8192;

/// A request for a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxCreateJobRequest {
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
    pub report: Option<SandboxBatchReportSettings>,
    /// The bucket that is copied to.
    pub target: String,
    pub headers: BTreeMap<String, String>,
}

/// Where a job's report goes, and what stands in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxBatchReportSettings {
    pub bucket: String,
    pub prefix: String,
    /// Whether tasks that succeeded stand in it too.
    pub all: bool,
}

fn build_invalid_batch_request_error(message: impl Into<String>) -> SandboxAwsError {
    SandboxAwsError::new(400, "InvalidRequest", message)
}

/// A text that S3 takes: neither empty nor too long.
fn read_optional_xml_text<'n>(
    node: &'n XmlElement,
    path: &str,
    most: usize,
) -> Result<Option<&'n str>, SandboxAwsError> {
    let Some(found) = node.find_element_at_path(path) else { return Ok(None) };
    if found.text.is_empty() || found.text.chars().count() > most {
        return Err(build_invalid_batch_request_error(format!(
            "{path} must have between 1 and {most} characters"
        )));
    }
    Ok(Some(&found.text))
}

fn read_required_xml_text<'n>(
    node: &'n XmlElement,
    path: &str,
    most: usize,
) -> Result<&'n str, SandboxAwsError> {
    read_optional_xml_text(node, path, most)?
        .ok_or_else(|| build_invalid_batch_request_error(format!("{path} is missing")))
}

fn parse_bucket_from_arn(arn: &str) -> Result<&str, SandboxAwsError> {
    arn.strip_prefix("arn:aws:s3:::")
        .ok_or_else(|| build_invalid_batch_request_error(format!("Invalid bucket ARN: {arn}")))
}

impl SandboxCreateJobRequest {
    /// Reads the request from its XML.
    ///
    /// # Errors
    /// Refuses what S3 refuses, and what the sandbox's jobs lack.
    pub fn parse_create_job_body(body: &[u8]) -> Result<Self, SandboxAwsError> {
        let text = String::from_utf8_lossy(body);
        let root = XmlElement::parse_xml(&text).map_err(|_| {
            SandboxAwsError::new(400, "MalformedXML", "The XML you provided was not well-formed")
        })?;
        let operation = root.find_element_at_path("Operation/S3PutObjectCopy").ok_or_else(|| {
            SandboxAwsError::new(501, "NotImplemented", "the sandbox's jobs copy, and do nothing else")
        })?;
        let manifest = root
            .find_element_at_path("Manifest")
            .ok_or_else(|| build_invalid_batch_request_error("Manifest is missing"))?;
        if manifest.find_text_at_path("Spec/Format") != Some("S3BatchOperations_CSV_20180820") {
            return Err(SandboxAwsError::new(
                501,
                "NotImplemented",
                "the sandbox reads manifests of S3BatchOperations_CSV_20180820",
            ));
        }
        let fields: Vec<String> = manifest
            .find_element_at_path("Spec/Fields")
            .into_iter()
            .flat_map(|fields| fields.children.iter().map(|field| field.text.clone()))
            .collect();
        if !["Bucket", "Key"].iter().all(|must| fields.iter().any(|field| field == must)) {
            return Err(build_invalid_batch_request_error("The manifest's fields must name Bucket and Key"));
        }
        let (bucket, key) =
            parse_bucket_from_arn(read_required_xml_text(manifest, "Location/ObjectArn", 2000)?)?
                .split_once('/')
                .ok_or_else(|| {
                    build_invalid_batch_request_error("The manifest's ObjectArn names no object")
                })?;
        let report = root
            .find_element_at_path("Report")
            .ok_or_else(|| build_invalid_batch_request_error("Report is missing"))?;
        let report = if report.is_xml_element_true("Enabled") {
            if report.find_text_at_path("Format") != Some("Report_CSV_20180820") {
                return Err(build_invalid_batch_request_error("A report needs a Format"));
            }
            Some(SandboxBatchReportSettings {
                bucket: parse_bucket_from_arn(read_required_xml_text(report, "Bucket", 128)?)?.to_owned(),
                prefix: read_optional_xml_text(report, "Prefix", 512)?.unwrap_or_default().to_owned(),
                all: read_required_xml_text(report, "ReportScope", 20)? == "AllTasks",
            })
        } else {
            None
        };
        let priority = read_required_xml_text(&root, "Priority", 10)?;
        Ok(Self {
            token: read_required_xml_text(&root, "ClientRequestToken", 64)?.to_owned(),
            description: read_optional_xml_text(&root, "Description", 256)?.unwrap_or_default().to_owned(),
            priority: priority
                .parse()
                .map_err(|_| build_invalid_batch_request_error("Priority is no number"))?,
            role: read_required_xml_text(&root, "RoleArn", 2048)?.to_owned(),
            confirmation: root.is_xml_element_true("ConfirmationRequired"),
            tagged: root.find_element_at_path("Tags").is_some_and(|tags| !tags.children.is_empty()),
            manifest: (bucket.to_owned(), key.to_owned()),
            etag: read_required_xml_text(manifest, "Location/ETag", 1024)?.trim_matches('"').to_owned(),
            fields,
            report,
            target: parse_bucket_from_arn(read_required_xml_text(operation, "TargetResource", 128)?)?
                .to_owned(),
            headers: parse_sandbox_batch_copy_headers(operation)?,
        })
    }

    /// Checks that what it names is there.
    ///
    /// # Errors
    /// Refuses a missing bucket, or a role that isn't known.
    pub fn check_sandbox_job_resources_exist(&self, state: &SandboxState) -> Result<(), SandboxAwsError> {
        for bucket in
            [Some(&self.target), Some(&self.manifest.0), self.report.as_ref().map(|report| &report.bucket)]
                .into_iter()
                .flatten()
        {
            if !state.s3.buckets.contains_key(bucket) {
                return Err(SandboxAwsError::new(404, "NoSuchBucket", "The specified bucket does not exist"));
            }
        }
        if crate::sandbox::control_plane::iam::find_sandbox_role(&state.iam, &self.role).is_none() {
            return Err(build_invalid_batch_request_error("Invalid role ARN"));
        }
        Ok(())
    }

    /// Writes its manifest, as DescribeJob shows it.
    pub fn render_job_manifest_xml(&self) -> String {
        let fields: String = self.fields.iter().map(|field| render_xml_element("member", field)).collect();
        format!(
            "<Manifest><Spec><Format>S3BatchOperations_CSV_20180820</Format><Fields>{fields}</Fields></Spec><Location>{}{}</Location></Manifest>",
            render_xml_element("ObjectArn", &format!("arn:aws:s3:::{}/{}", self.manifest.0, self.manifest.1)),
            render_xml_element("ETag", &self.etag)
        )
    }

    /// Writes its report, as DescribeJob shows it.
    pub fn render_job_report_config_xml(&self) -> String {
        let Some(report) = &self.report else {
            return "<Report><Enabled>false</Enabled></Report>".to_owned();
        };
        format!(
            "<Report>{}<Format>Report_CSV_20180820</Format><Enabled>true</Enabled>{}{}</Report>",
            render_xml_element("Bucket", &format!("arn:aws:s3:::{}", report.bucket)),
            render_xml_element("Prefix", &report.prefix),
            render_xml_element("ReportScope", if report.all { "AllTasks" } else { "FailedTasksOnly" })
        )
    }
}

/// Fields of the operation, and the header that each copy carries for them.
const COPY_HEADERS: [(&str, &str); 6] = [
    ("CannedAccessControlList", "x-amz-acl"),
    ("RedirectLocation", "x-amz-website-redirect-location"),
    ("ObjectLockLegalHoldStatus", "x-amz-object-lock-legal-hold"),
    ("ObjectLockMode", "x-amz-object-lock-mode"),
    ("ObjectLockRetainUntilDate", "x-amz-object-lock-retain-until-date"),
    ("ChecksumAlgorithm", "x-amz-checksum-algorithm"),
];
/// Fields of `NewObjectMetadata`, and their headers.
const METADATA_HEADERS: [(&str, &str); 5] = [
    ("CacheControl", "cache-control"),
    ("ContentDisposition", "content-disposition"),
    ("ContentEncoding", "content-encoding"),
    ("ContentLanguage", "content-language"),
    ("ContentType", "content-type"),
];
/// The storage classes that a job may copy to.
const STORAGE_CLASSES: [&str; 7] =
    ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR"];

/// The headers of a copy, by name.
type SandboxBatchCopyHeaders = BTreeMap<String, String>;

fn set_sandbox_copy_header(headers: &mut SandboxBatchCopyHeaders, name: &str, value: &str) {
    headers.insert(name.to_owned(), value.to_owned());
}

/// Reads the headers of each copy: the one set that all objects get.
fn parse_sandbox_batch_copy_headers(
    operation: &XmlElement,
) -> Result<SandboxBatchCopyHeaders, SandboxAwsError> {
    let mut headers = SandboxBatchCopyHeaders::new();
    let metadata = operation.find_element_at_path("NewObjectMetadata");
    let default = if metadata.is_some() { "REPLACE" } else { "COPY" };
    let directive = operation.find_text_at_path("MetadataDirective").unwrap_or(default);
    set_sandbox_copy_header(&mut headers, "x-amz-metadata-directive", directive);
    if let Some(metadata) = metadata {
        add_new_metadata_headers(operation, metadata, &mut headers)?;
    }
    for (field, header) in COPY_HEADERS {
        if let Some(value) = operation.find_text_at_path(field) {
            set_sandbox_copy_header(&mut headers, header, value);
        }
    }
    match operation.find_text_at_path("StorageClass") {
        None => {}
        Some(class) if STORAGE_CLASSES.contains(&class) => {
            set_sandbox_copy_header(&mut headers, "x-amz-storage-class", class);
        }
        Some(other) => {
            return Err(build_invalid_batch_request_error(format!("Invalid StorageClass: {other}")));
        }
    }
    for (field, header) in [
        ("UnModifiedSinceConstraint", "x-amz-copy-source-if-unmodified-since"),
        ("ModifiedSinceConstraint", "x-amz-copy-source-if-modified-since"),
    ] {
        if let Some(date) = operation.find_text_at_path(field) {
            set_sandbox_copy_header(&mut headers, header, &iso_date_to_http_date(date)?);
        }
    }
    if operation.find_element_at_path("AccessControlGrants").is_some()
        || operation.find_element_at_path("NewObjectTagging").is_some()
    {
        return Err(SandboxAwsError::new(
            501,
            "NotImplemented",
            "the sandbox's jobs know neither grants nor new tags",
        ));
    }
    Ok(headers)
}

/// Adds what `NewObjectMetadata` says: attributes, the user's metadata, encryption.
fn add_new_metadata_headers(
    operation: &XmlElement,
    metadata: &XmlElement,
    headers: &mut SandboxBatchCopyHeaders,
) -> Result<(), SandboxAwsError> {
    for (field, header) in METADATA_HEADERS {
        if let Some(value) = read_optional_xml_text(metadata, field, METADATA_TEXT_MAX_CHARS)? {
            set_sandbox_copy_header(headers, header, value);
        }
    }
    if let Some(date) = metadata.find_text_at_path("HttpExpiresDate") {
        set_sandbox_copy_header(headers, "expires", &iso_date_to_http_date(date)?);
    }
    let mut size = 0;
    for entry in metadata.find_element_at_path("UserMetadata").map_or(&[][..], |entries| &entries.children) {
        let name = read_required_xml_text(entry, "key", METADATA_TEXT_MAX_CHARS)?;
        let value = read_required_xml_text(entry, "value", METADATA_TEXT_MAX_CHARS)?;
        size += name.len() + value.len();
        set_sandbox_copy_header(headers, &format!("x-amz-meta-{}", name.to_lowercase()), value);
    }
    if size > USER_METADATA_MAX_BYTES {
        return Err(build_invalid_batch_request_error(format!(
            "UserMetadata must not be larger than {USER_METADATA_MAX_BYTES} bytes"
        )));
    }
    match metadata.find_text_at_path("SSEAlgorithm") {
        None => {}
        Some("AES256") => set_sandbox_copy_header(headers, "x-amz-server-side-encryption", "AES256"),
        Some("KMS") => {
            set_sandbox_copy_header(headers, "x-amz-server-side-encryption", "aws:kms");
            if let Some(key) = operation.find_text_at_path("SSEAwsKmsKeyId") {
                set_sandbox_copy_header(headers, "x-amz-server-side-encryption-aws-kms-key-id", key);
            }
        }
        Some(other) => {
            return Err(build_invalid_batch_request_error(format!("Invalid SSEAlgorithm: {other}")));
        }
    }
    Ok(())
}

/// An ISO date as a header says it.
fn iso_date_to_http_date(date: &str) -> Result<String, SandboxAwsError> {
    time::OffsetDateTime::parse(date, &time::format_description::well_known::Rfc3339)
        .map(|date| format_http_date(u64::try_from(date.unix_timestamp()).unwrap_or_default()))
        .map_err(|_| build_invalid_batch_request_error(format!("Invalid date: {date}")))
}
