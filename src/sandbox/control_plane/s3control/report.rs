//! A job's completion report: an index, and a file of rows for what failed, and for what didn't where that was asked for.
//!
//! It is written as the job's role, and always under S3's own keys.

use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::SandboxBatchJob;
use crate::sandbox::Sandbox;
use crate::sandbox::control_plane::{format_unix_time_iso8601, generate_random_uuid, s3};

const KEY_ENCODED_CHARACTERS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Writes the report of a job, where it has one.
///
/// # Errors
/// Says why the role may not write it, or the disk doesn't keep it.
pub fn write_batch_report(
    world: &Sandbox,
    role: &s3::SandboxS3Caller,
    job: &SandboxBatchJob,
) -> Result<(), String> {
    let Some(report) = &job.asked.report else { return Ok(()) };
    let folder = format!("{}/job-{}", report.prefix, job.id);
    let folder = folder.trim_start_matches('/');
    let put = |key: &str, text: &str| {
        if role.is_anonymous_caller()
            || !s3::is_s3_action_authorized(world, role, "s3:PutObject", &report.bucket, Some(key))
        {
            return Err("AccessDenied".to_owned());
        }
        let sealed = [("x-amz-server-side-encryption", "AES256"), ("content-type", "text/csv")];
        s3::place_sandbox_object(world, &report.bucket, key, &sealed, text.as_bytes())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let failed: String = job
        .failed
        .iter()
        .map(|unfit| {
            let message = unfit.message.replace('"', "\"\"");
            render_batch_report_row(
                job,
                &unfit.key,
                &format!(
                    "failed,{},{},\"{message} (Request ID: {})\"",
                    unfit.code,
                    unfit.status,
                    generate_random_uuid()
                ),
            )
        })
        .collect();
    let succeeded: String = if report.all {
        let fine = job
            .keys
            .iter()
            .take(job.count_finished_batch_tasks())
            .filter(|key| !job.failed.iter().any(|unfit| unfit.key == **key));
        fine.map(|key| render_batch_report_row(job, key, "succeeded,,200,Successful")).collect()
    } else {
        String::new()
    };
    let mut results: Vec<Value> = Vec::new();
    for (how, rows) in [("succeeded", succeeded), ("failed", failed)] {
        if !rows.is_empty() {
            let sum = hex::encode(Md5::digest(&rows));
            let key = format!("{folder}/results/{sum}{how}.csv");
            put(&key, &rows)?;
            results.push(
                json!({"TaskExecutionStatus": how, "Bucket": report.bucket, "MD5Checksum": sum, "Key": key}),
            );
        }
    }
    let index = json!({
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": format_unix_time_iso8601(world.sandbox_unix_time_now()),
        "Results": results,
        "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
    });
    put(&format!("{folder}/manifest.json"), &index.to_string())
}

fn render_batch_report_row(job: &SandboxBatchJob, key: &str, rest: &str) -> String {
    format!("{},{},,{rest}\n", job.asked.target, utf8_percent_encode(key, KEY_ENCODED_CHARACTERS))
}
