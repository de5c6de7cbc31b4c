//! S3 Batch Operations: manifests, the jobs that copy what stands in them, and their reports.
//!
//! A job is made under a token of its own, so that a lost reply and a second start find the same job, never make another.

pub mod attributes;
mod role;

use std::time::Duration;

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{primitives::ByteStream, types::ServerSideEncryption};
use aws_sdk_s3control::{
    config::endpoint::{DefaultResolver, Endpoint, EndpointFuture, Params, ResolveEndpoint},
    types::{
        JobManifest, JobManifestFieldName, JobManifestFormat, JobManifestLocation, JobManifestSpec,
        JobOperation, JobReport, JobReportFormat, JobReportScope, JobStatus, S3Tag,
    },
};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{AwsClients, error, succeeded_actions::SucceededActions, unreadable::distrust_answers};
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{aws::names::ResourceNames, failure::Failure};

pub use attributes::BatchCopyAttributes;

/// A report's rows are read up to here: enough for the words; what failed is found by looking at the objects.
const REPORT_READ_MAX_BYTES: u64 = 8 << 20;
/// An attempt to write a manifest may take this long.
const MANIFEST_UPLOAD_TIMEOUT: Duration = Duration::from_hours(2);

/// A job to be made.
#[derive(Debug, Clone)]
pub struct BatchJobSpec<'a> {
    pub set: &'a BatchCopyAttributes,
    /// The manifest's key, and its ETag as it was written.
    pub manifest: &'a str,
    pub etag: &'a str,
    /// Its report comes to lie below.
    pub reports: &'a str,
    /// Objects that changed after it (Unix seconds) are not copied.
    pub before: i64,
    pub role_arn: &'a str,
    pub token: &'a str,
    pub description: &'a str,
}

/// A job, as S3 tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchJob {
    pub id: String,
    pub description: String,
    pub state: BatchJobState,
    pub total: u64,
    pub succeeded: u64,
    pub failed: u64,
    /// What S3 says of why it is so.
    pub why: String,
    /// Where its report lies: a key's beginning.
    pub reports: String,
}

/// How far a job is, as far as it changes what comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BatchJobState {
    /// New, Preparing, Ready, Active, Completing; or it goes into one of those below.
    #[default]
    Working,
    /// S3 holds it back for one of a higher priority, and lets it go on by itself.
    Paused,
    /// It waits for somebody to confirm it.
    Suspended,
    Complete,
    Failed,
    Cancelled,
}

impl BatchJobState {
    /// Returns whether the job has come to its end, a good one or not.
    #[must_use]
    pub fn is_job_over(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Cancelled)
    }

    fn from_job_status(status: Option<&JobStatus>) -> Self {
        match status {
            Some(JobStatus::Paused) => Self::Paused,
            Some(JobStatus::Suspended) => Self::Suspended,
            Some(JobStatus::Complete) => Self::Complete,
            Some(JobStatus::Failed) => Self::Failed,
            Some(JobStatus::Cancelled) => Self::Cancelled,
            _ => Self::Working,
        }
    }
}

/// An object that a job could not copy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FailedBatchTask {
    pub key: String,
    /// S3's code: `PreconditionFailed`.
    pub code: String,
    pub reason: String,
}

/// Builds the client of the account's side of S3.
pub(super) fn build_s3control_client(
    config: &SdkConfig,
    succeeded: SucceededActions,
) -> aws_sdk_s3control::Client {
    let own = aws_sdk_s3control::config::Builder::from(config)
        .endpoint_resolver(OneHostAtOwnEndpoint::default())
        .interceptor(succeeded);
    aws_sdk_s3control::Client::from_conf(distrust_answers!(own).build())
}

/// An endpoint of one's own, whichever setting names it, is one host: no account stands before its name.
#[derive(Debug, Default)]
struct OneHostAtOwnEndpoint(DefaultResolver);

impl ResolveEndpoint for OneHostAtOwnEndpoint {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        match params.endpoint() {
            Some(url) => EndpointFuture::ready(Ok(Endpoint::builder().url(url.to_owned()).build())),
            None => self.0.resolve_endpoint(params),
        }
    }
}

fn format_batch_jobs_label(bucket: &str) -> String {
    format!("S3 Batch Operations jobs of bucket {bucket}")
}

fn format_batch_job_label(id: &str) -> String {
    format!("S3 Batch Operations job {id}")
}

impl AwsClients {
    /// Writes a manifest from the file at `path`, and returns its ETag.
    ///
    /// Encrypted by S3's own keys, whatever the bucket's default: S3 Batch Operations reads no manifest under KMS.
    ///
    /// # Errors
    /// Where the file can't be read, or S3 refuses it.
    pub async fn upload_batch_manifest(
        &self,
        bucket: &str,
        key: &str,
        path: &std::path::Path,
    ) -> Result<String, Failure> {
        let what = format!("manifest s3://{bucket}/{key}");
        let body = ByteStream::from_path(path).await.map_err(|error| {
            Failure::new_generic_failure(
                path.display().to_string(),
                error.to_string(),
                format!("run: {} — what it held is looked at again", render_same_command_again(&[])),
            )
        })?;
        // Up to a gigabyte, over whatever line there is; one that stands still is noticed by itself.
        let patient = TimeoutConfig::builder().operation_attempt_timeout(MANIFEST_UPLOAD_TIMEOUT).build();
        let written = self
            .s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type("text/csv")
            .server_side_encryption(ServerSideEncryption::Aes256)
            .body(body)
            .customize()
            .config_override(aws_sdk_s3::config::Builder::new().timeout_config(patient))
            .send()
            .await
            .map_err(error::build_aws_action_failure("s3:PutObject", &what))?;
        let etag = written
            .e_tag
            .ok_or_else(|| error::build_missing_response_part_failure("s3:PutObject", &what, "the ETag"))?;
        Ok(etag.trim_matches('"').to_owned())
    }

    /// Makes the job, or finds the one that was made under the same token; returns its id.
    ///
    /// # Errors
    /// Where S3 refuses it.
    pub async fn create_batch_job(
        &self,
        account: &str,
        names: &ResourceNames,
        wanted: &BatchJobSpec<'_>,
    ) -> Result<String, Failure> {
        let bucket = names.bucket_name();
        let what = format!("S3 Batch Operations job of {}", wanted.manifest);
        let unbuilt = |error: aws_sdk_s3control::error::BuildError| {
            Failure::new_generic_failure(
                format_batch_jobs_label(bucket),
                error.to_string(),
                "report this as a fault of the tool",
            )
        };
        let bucket_arn = format!("arn:aws:s3:::{bucket}");
        let manifest = JobManifest::builder()
            .spec(
                JobManifestSpec::builder()
                    .format(JobManifestFormat::S3BatchOperationsCsv20180820)
                    .fields(JobManifestFieldName::Bucket)
                    .fields(JobManifestFieldName::Key)
                    .build()
                    .map_err(unbuilt)?,
            )
            .location(
                JobManifestLocation::builder()
                    .object_arn(format!("{bucket_arn}/{}", wanted.manifest))
                    .e_tag(wanted.etag)
                    .build()
                    .map_err(unbuilt)?,
            )
            .build();
        let report = JobReport::builder()
            .bucket(&bucket_arn)
            .prefix(wanted.reports)
            .format(JobReportFormat::ReportCsv20180820)
            .enabled(true)
            .report_scope(JobReportScope::FailedTasksOnly)
            .build();
        let tags: Result<Vec<_>, _> = names
            .build_resource_tags()
            .into_iter()
            .map(|(key, value)| S3Tag::builder().key(key).value(value).build())
            .collect();
        let operation = JobOperation::builder()
            .s3_put_object_copy(wanted.set.to_s3_copy_operation(bucket, wanted.before))
            .build();
        let made = self
            .s3control
            .create_job()
            .account_id(account)
            .confirmation_required(false)
            .operation(operation)
            .manifest(manifest)
            .report(report)
            .client_request_token(wanted.token)
            .description(wanted.description)
            .priority(10)
            .role_arn(wanted.role_arn)
            .set_tags(Some(tags.map_err(unbuilt)?))
            .send()
            .await
            .map_err(error::build_aws_action_failure("s3:CreateJob", &what))?;
        made.job_id
            .ok_or_else(|| error::build_missing_response_part_failure("s3:CreateJob", what, "the job's id"))
    }

    /// Reads the job; none where S3 has forgotten it, as it does after 90 days.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn read_batch_job(&self, account: &str, id: &str) -> Result<Option<BatchJob>, Failure> {
        let asked = self.s3control.describe_job().account_id(account).job_id(id).send().await;
        let found = error::none_if_aws_not_found(
            asked.map_err(error::build_aws_action_failure("s3:DescribeJob", format_batch_job_label(id))),
        )?;
        Ok(found.and_then(|found| found.job).map(|found| {
            let progress = found.progress_summary();
            let count = |number: Option<i64>| number.unwrap_or_default().try_into().unwrap_or_default();
            let failures = found.failure_reasons().iter();
            let mut why: Vec<_> = failures
                .filter_map(|one| one.failure_reason().or(one.failure_code()).map(str::to_owned))
                .collect();
            why.extend(found.suspended_cause.clone());
            why.extend(found.status_update_reason.clone());
            BatchJob {
                id: id.to_owned(),
                description: found.description.clone().unwrap_or_default(),
                state: BatchJobState::from_job_status(found.status()),
                total: count(progress.and_then(|all| all.total_number_of_tasks)),
                succeeded: count(progress.and_then(|all| all.number_of_tasks_succeeded)),
                failed: count(progress.and_then(|all| all.number_of_tasks_failed)),
                why: why.join("; "),
                reports: found.report().and_then(|report| report.prefix.clone()).unwrap_or_default(),
            }
        }))
    }

    /// Lists the ids of the jobs that aren't over yet and whose description begins so.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn list_open_batch_jobs(
        &self,
        account: &str,
        description: &str,
    ) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        let mut pages = self.s3control.list_jobs().account_id(account).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(error::build_aws_action_failure(
                "s3:ListJobs",
                "S3 Batch Operations jobs of the account",
            ))?;
            let ours = page.jobs().iter().filter(|job| {
                !BatchJobState::from_job_status(job.status()).is_job_over()
                    && job.description().is_some_and(|said| said.starts_with(description))
            });
            all.extend(ours.filter_map(|job| job.job_id.clone()));
        }
        Ok(all)
    }

    /// Reads what a job could not copy, by its report; as far as its first 8 MiB go.
    ///
    /// # Errors
    /// Where the report can't be read.
    pub async fn read_failed_batch_tasks(
        &self,
        bucket: &str,
        job: &BatchJob,
    ) -> Result<Vec<FailedBatchTask>, Failure> {
        let key = format!("{}/job-{}/manifest.json", job.reports, job.id);
        let text = self.read_object_start(bucket, &key, REPORT_READ_MAX_BYTES).await?;
        let index: Value = serde_json::from_slice(&text).map_err(|error| {
            Failure::new_generic_failure(
                format!("report s3://{bucket}/{key}"),
                error.to_string(),
                "each of its objects is looked at all the same",
            )
        })?;
        let mut failed = Vec::new();
        for part in index["Results"].as_array().into_iter().flatten() {
            if let (Some("failed"), Some(key)) = (part["TaskExecutionStatus"].as_str(), part["Key"].as_str())
            {
                let rows = self.read_object_start(bucket, key, REPORT_READ_MAX_BYTES).await?;
                failed.extend(String::from_utf8_lossy(&rows).lines().filter_map(parse_batch_report_row));
            }
        }
        Ok(failed)
    }
}

/// A row of a report: bucket, key, version, status, code, HTTP status, message.
fn parse_batch_report_row(row: &str) -> Option<FailedBatchTask> {
    let fields = parse_csv_row(row);
    Some(FailedBatchTask {
        key: percent_decode_str(fields.get(1)?).decode_utf8_lossy().into_owned(),
        code: fields.get(4)?.clone(),
        reason: fields.get(6).cloned().unwrap_or_default(),
    })
}

/// The fields of a line of CSV; in quotes a comma is none, and two quotes are one.
fn parse_csv_row(row: &str) -> Vec<String> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = row.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut field)),
            _ => field.push(letter),
        }
    }
    all.push(field);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_s_row_is_read_whatever_its_key_and_message() {
        let row = "pkgs,7/8/a%2Bb%2C%C3%A4.deb,,failed,PreconditionFailed,412,\"At least one, \"\"so\"\" (Request ID: 1)\"";
        let wanted = FailedBatchTask {
            key: "7/8/a+b,ä.deb".to_owned(),
            code: "PreconditionFailed".to_owned(),
            reason: "At least one, \"so\" (Request ID: 1)".to_owned(),
        };
        assert_eq!(parse_batch_report_row(row), Some(wanted));
        assert_eq!(parse_batch_report_row("half,of"), None);
    }
}
