//! A job's way from New to its end: the manifest read, each object copied as the job's role, the report written.
//!
//! A state lasts as long as the world's delays say, and a task a hundredth of one.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::{SandboxBatchJob, SandboxBatchJobStatus, SandboxFailedBatchTask, report};
use crate::sandbox::Sandbox;
use crate::sandbox::control_plane::{PropagationClock, access::PolicyConditionContext, iam, s3};

/// Who assumes a job's role.
pub const BATCH_SERVICE_PRINCIPAL: &str = "batchoperations.s3.amazonaws.com";
/// A job fails where more than half of so many tasks have.
const FAILURE_THRESHOLD_TASKS: usize = 1000;

/// Does one change of `job`, where it is due; returns whether there was one.
pub fn advance_batch_job(world: &Sandbox, clock: PropagationClock, job: &mut SandboxBatchJob) -> bool {
    let long = clock.delays.job;
    if job.status == SandboxBatchJobStatus::Active {
        return advance_active_batch_job(world, clock, job);
    }
    if job.status.is_sandbox_batch_job_finished()
        || job.status == SandboxBatchJobStatus::Suspended
        || !clock.has_delay_passed(job.since, long)
    {
        return false;
    }
    job.since += long;
    job.status = match job.status {
        SandboxBatchJobStatus::New => SandboxBatchJobStatus::Preparing,
        SandboxBatchJobStatus::Preparing => match read_batch_manifest(world, clock, job) {
            Ok(keys) => {
                job.keys = keys;
                if job.asked.confirmation {
                    SandboxBatchJobStatus::Suspended
                } else {
                    SandboxBatchJobStatus::Ready
                }
            }
            Err((code, reason)) => mark_sandbox_batch_job_failed(job, code, reason),
        },
        SandboxBatchJobStatus::Ready => SandboxBatchJobStatus::Active,
        SandboxBatchJobStatus::Completing => SandboxBatchJobStatus::Complete,
        other => other,
    };
    true
}

fn mark_sandbox_batch_job_failed(
    job: &mut SandboxBatchJob,
    code: &str,
    reason: String,
) -> SandboxBatchJobStatus {
    job.reasons.push((code.to_owned(), reason));
    SandboxBatchJobStatus::Failed
}

/// Does one task that is due, or ends.
fn advance_active_batch_job(world: &Sandbox, clock: PropagationClock, job: &mut SandboxBatchJob) -> bool {
    let each = clock.delays.job / 100;
    let done = job.count_finished_batch_tasks();
    if let Some(key) = job.keys.get(done) {
        if !clock.has_delay_passed(job.since, each * u32::try_from(done + 1).unwrap_or(u32::MAX)) {
            return false;
        }
        match run_sandbox_batch_copy_task(world, clock, job, key) {
            Ok(()) => job.succeeded += 1,
            Err(unfit) => job.failed.push(unfit),
        }
        if job.count_finished_batch_tasks() >= FAILURE_THRESHOLD_TASKS
            && job.failed.len() * 2 > job.count_finished_batch_tasks()
        {
            let reason =
                "Job failed due to exceeding the failure threshold: more than 50% of its tasks have failed"
                    .to_owned();
            job.status = mark_sandbox_batch_job_failed(job, "JobFailureThresholdExceeded", reason);
            let _ = report::write_batch_report(world, &assume_job_role(world, clock, job), job);
        }
        return true;
    }
    job.since += each * u32::try_from(done).unwrap_or(u32::MAX);
    job.status = match report::write_batch_report(world, &assume_job_role(world, clock, job), job) {
        Ok(()) => SandboxBatchJobStatus::Completing,
        Err(why) => mark_sandbox_batch_job_failed(
            job,
            "JobReportAccessDenied",
            format!("The job report could not be written to your report bucket: {why}"),
        ),
    };
    true
}

/// Who a job's tasks are: its role, where it may be assumed; else nobody. S3's guide to the role shows a trust without a
/// condition, and whether S3 fills `aws:SourceAccount` isn't established: it isn't filled here.
fn assume_job_role(world: &Sandbox, clock: PropagationClock, job: &SandboxBatchJob) -> s3::SandboxS3Caller {
    let context = PolicyConditionContext::default();
    world.read_sandbox_state_from_disk(|state| {
        let role = iam::find_sandbox_role(&state.iam, &job.asked.role).filter(|role| {
            iam::can_sandbox_service_assume_role(
                &state.iam,
                clock,
                &role.arn,
                BATCH_SERVICE_PRINCIPAL,
                &context,
            )
        });
        role.map_or_else(s3::SandboxS3Caller::new_anonymous_caller, |role| {
            let key = iam::SandboxAccessKey {
                secret: String::new(),
                token: None,
                role: Some(role.name.clone()),
                expires: None,
            };
            s3::SandboxS3Caller::caller_from_request_signer(iam::identify_sandbox_access_key_owner(
                &state.iam, &key,
            ))
        })
    })
}

/// The keys that the manifest names.
fn read_batch_manifest(
    world: &Sandbox,
    clock: PropagationClock,
    job: &SandboxBatchJob,
) -> Result<Vec<String>, (&'static str, String)> {
    let (bucket, key) = &job.asked.manifest;
    let caller = assume_job_role(world, clock, job);
    if caller.is_anonymous_caller()
        || !s3::is_s3_action_authorized(world, &caller, "s3:GetObject", bucket, Some(key))
    {
        return Err(("ManifestAccessDenied", "Reading the manifest is forbidden: AccessDenied".to_owned()));
    }
    let objects = &world.sandbox_in_memory_state().objects;
    let found = objects
        .read_sandbox_bucket_from_disk(bucket, |all| {
            s3::find_newest_sandbox_object_version(all, key).cloned()
        })
        .ok()
        .flatten();
    let Some(found) = found else {
        return Err(("ManifestNotFound", "Manifest object was not found".to_owned()));
    };
    if found.etag != job.asked.etag {
        return Err((
            "ManifestETagMismatch",
            "The ETag of the manifest object is not the one that was given".to_owned(),
        ));
    }
    if found.encryption != s3::SandboxObjectEncryption::Managed {
        return Err((
            "ManifestEncryption",
            "The manifest is encrypted with SSE-KMS or SSE-C, which is not supported".to_owned(),
        ));
    }
    let text =
        found.blob.and_then(|blob| objects.read_sandbox_object_content(&blob).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let at = |name: &str| job.asked.fields.iter().position(|field| field == name).unwrap_or_default();
    let (of, which) = (at("Bucket"), at("Key"));
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let malformed =
            |why: &str| ("InvalidManifestContent", format!("Manifest line {}: {why}", number + 1));
        let fields: Vec<&str> = line.split(',').collect();
        if fields.len() != job.asked.fields.len() {
            return Err(malformed("another number of fields than was said"));
        }
        if fields[of] != job.asked.target {
            return Err(malformed("the objects of a copy onto itself lie in the bucket that is copied to"));
        }
        // A `+` is a space, as in a form.
        let key = percent_decode_str(&fields[which].replace('+', "%20"))
            .decode_utf8()
            .map(std::borrow::Cow::into_owned);
        keys.push(key.map_err(|_| malformed("a key that is no UTF-8"))?);
    }
    if keys.is_empty() { Err(("EmptyManifest", "The manifest is empty".to_owned())) } else { Ok(keys) }
}

/// One task.
fn run_sandbox_batch_copy_task(
    world: &Sandbox,
    clock: PropagationClock,
    job: &SandboxBatchJob,
    key: &str,
) -> Result<(), SandboxFailedBatchTask> {
    let caller = assume_job_role(world, clock, job);
    let bucket = &job.asked.target;
    let unfit = |code: &str, status: u16, message: &str| SandboxFailedBatchTask {
        key: key.to_owned(),
        code: code.to_owned(),
        status,
        message: message.to_owned(),
    };
    if caller.is_anonymous_caller()
        || !s3::is_s3_action_authorized(world, &caller, "s3:PutObject", bucket, Some(key))
    {
        return Err(unfit("AccessDenied", 403, "Access Denied"));
    }
    let headers: HeaderMap = job
        .asked
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        })
        .collect();
    let source = s3::ObjectCopySource { bucket: bucket.clone(), key: key.to_owned(), version: None };
    s3::copy_stored_object(world, &caller, &source, bucket, key, &headers).map(|_| ()).map_err(|error| {
        let status = error.status_code().map_or(400, |status| status.as_u16());
        unfit(error.code().as_str(), status, error.message().unwrap_or_default())
    })
}
