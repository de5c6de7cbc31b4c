//! S3 Batch Operations, as far as copies go: jobs whose states take time, each task held to the job's role.
//!
//! Nothing runs between two requests: what is due is done as soon as anybody asks S3 or a job, in its own order.

mod report;
pub mod request;
mod tasks;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeMap, sync::PoisonError, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{
    ACCOUNT_ID, PropagationClock, REGION, SandboxAwsError, SignedCaller, access::PolicyConditionContext,
    build_unknown_json_operation_error, build_xml_response, describe_unknown_operation,
    format_unix_time_iso8601, query::render_xml_element,
};
use crate::sandbox::{Sandbox, control_plane::signature, service::SandboxService};

pub use request::SandboxCreateJobRequest;

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxS3ControlState {
    /// By id.
    pub jobs: BTreeMap<String, SandboxBatchJob>,
    /// The account's S3 Block Public Access, as XML; none where it was never put.
    pub public_access_block: Option<String>,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxBatchJobStatus {
    #[default]
    New,
    Preparing,
    Suspended,
    Ready,
    Active,
    Completing,
    Complete,
    Cancelled,
    Failed,
}

impl SandboxBatchJobStatus {
    /// Whether nothing more will happen.
    pub fn is_sandbox_batch_job_finished(self) -> bool {
        matches!(self, Self::Complete | Self::Cancelled | Self::Failed)
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxBatchJob {
    pub id: String,
    pub asked: SandboxCreateJobRequest,
    pub created: Duration,
    pub status: SandboxBatchJobStatus,
    /// When it came to be so.
    pub since: Duration,
    /// The keys of its manifest, once that was read.
    pub keys: Vec<String>,
    pub succeeded: u64,
    pub failed: Vec<SandboxFailedBatchTask>,
    /// Why it failed: code and reason.
    pub reasons: Vec<(String, String)>,
    /// Why its status was changed by request.
    pub update: Option<String>,
}

/// A task that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxFailedBatchTask {
    pub key: String,
    pub code: String,
    pub status: u16,
    pub message: String,
}

impl SandboxBatchJob {
    fn count_finished_batch_tasks(&self) -> usize {
        self.succeeded as usize + self.failed.len()
    }

    fn format_sandbox_batch_job_arn(&self) -> String {
        format!("arn:aws:s3:{REGION}:{ACCOUNT_ID}:job/{}", self.id)
    }

    fn render_sandbox_batch_progress_xml(&self) -> String {
        format!(
            "<ProgressSummary>{}{}{}</ProgressSummary>",
            render_xml_element("TotalNumberOfTasks", &self.keys.len().to_string()),
            render_xml_element("NumberOfTasksSucceeded", &self.succeeded.to_string()),
            render_xml_element("NumberOfTasksFailed", &self.failed.len().to_string())
        )
    }

    /// In a list.
    fn render_batch_job_list_entry(&self) -> String {
        format!(
            "{}{}{}{}{}{}{}",
            render_xml_element("JobId", &self.id),
            render_xml_element("Description", &self.asked.description),
            render_xml_element("Operation", "S3PutObjectCopy"),
            render_xml_element("Priority", &self.asked.priority.to_string()),
            render_xml_element("Status", &format!("{:?}", self.status)),
            render_xml_element("CreationTime", &format_unix_time_iso8601(self.created)),
            self.render_sandbox_batch_progress_xml()
        )
    }

    fn render_sandbox_batch_job_xml(&self) -> String {
        let reasons: String = self
            .reasons
            .iter()
            .map(|(code, reason)| {
                format!(
                    "<member>{}{}</member>",
                    render_xml_element("FailureCode", code),
                    render_xml_element("FailureReason", reason)
                )
            })
            .collect();
        let suspended = if self.status == SandboxBatchJobStatus::Suspended {
            render_xml_element("SuspendedCause", "AwaitingConfirmation")
        } else {
            String::new()
        };
        let update = self
            .update
            .as_ref()
            .map_or_else(String::new, |why| render_xml_element("StatusUpdateReason", why));
        format!(
            "<Job>{}{}{}{}{}{}{}{suspended}{update}<FailureReasons>{reasons}</FailureReasons>{}{}{}{}</Job>",
            render_xml_element("JobId", &self.id),
            render_xml_element("ConfirmationRequired", &self.asked.confirmation.to_string()),
            render_xml_element("Description", &self.asked.description),
            render_xml_element("JobArn", &self.format_sandbox_batch_job_arn()),
            render_xml_element("Status", &format!("{:?}", self.status)),
            render_xml_element("Priority", &self.asked.priority.to_string()),
            self.render_sandbox_batch_progress_xml(),
            self.asked.render_job_report_config_xml(),
            render_xml_element("CreationTime", &format_unix_time_iso8601(self.created)),
            render_xml_element("RoleArn", &self.asked.role),
            self.asked.render_job_manifest_xml()
        )
    }
}

/// Whether a request that is signed for S3 is for the account's side of it.
pub fn is_s3control_request(request: &Request<Bytes>) -> bool {
    request.headers().contains_key("x-amz-account-id") && request.uri().path().starts_with("/v20180820/")
}

/// Returns the operation's name, by method and path, be it one that the sandbox lacks.
pub fn parse_s3control_operation_name(method: &Method, uri: &Uri) -> Cow<'static, str> {
    let path: Vec<&str> = uri.path().trim_matches('/').split('/').skip(1).collect();
    Cow::Borrowed(match (method.as_str(), path.as_slice()) {
        ("POST", ["jobs"]) => "CreateJob",
        ("GET", ["jobs"]) => "ListJobs",
        ("GET", ["jobs", _]) => "DescribeJob",
        ("POST", ["jobs", _, "status"]) => "UpdateJobStatus",
        ("GET", ["configuration", "publicAccessBlock"]) => "GetPublicAccessBlock",
        ("POST", ["jobs", _, "priority"]) => "UpdateJobPriority",
        ("GET", ["jobs", _, "tagging"]) => "GetJobTagging",
        ("PUT", ["jobs", _, "tagging"]) => "PutJobTagging",
        ("DELETE", ["jobs", _, "tagging"]) => "DeleteJobTagging",
        ("PUT", ["configuration", "publicAccessBlock"]) => "PutPublicAccessBlock",
        ("DELETE", ["configuration", "publicAccessBlock"]) => "DeletePublicAccessBlock",
        _ => return Cow::Owned(describe_unknown_operation(method, uri)),
    })
}

/// Answers one request to the account's side of S3.
pub fn handle_s3control_api_call(world: &Sandbox, request: &Request<Bytes>) -> Response<Bytes> {
    advance_due_batch_jobs(world);
    match dispatch_s3control_call(world, request) {
        Ok(body) => build_xml_response(200, body),
        Err(refusal) => refusal.render_aws_error_response(SandboxService::S3Control),
    }
}

fn dispatch_s3control_call(world: &Sandbox, request: &Request<Bytes>) -> Result<String, SandboxAwsError> {
    let caller = signature::verify_sigv4_request(world, SandboxService::S3Control, request)?;
    let account = request.headers().get("x-amz-account-id").and_then(|account| account.to_str().ok());
    if account != Some(ACCOUNT_ID) {
        return Err(SandboxAwsError::new(403, "AccessDenied", "Access Denied"));
    }
    let ask = SandboxS3ControlApiCall { world, caller: &caller, request };
    match parse_s3control_operation_name(request.method(), request.uri()).as_ref() {
        "CreateJob" => ask.handle_create_batch_job(),
        "ListJobs" => ask.handle_list_batch_jobs(),
        "DescribeJob" => ask.handle_describe_batch_job(),
        "UpdateJobStatus" => ask.handle_update_batch_job_status(),
        "GetPublicAccessBlock" => ask.handle_get_public_access_block(),
        operation => Err(SandboxAwsError {
            status: 405,
            code: "MethodNotAllowed".into(),
            ..build_unknown_json_operation_error(operation)
        }),
    }
}

struct SandboxS3ControlApiCall<'a> {
    world: &'a Sandbox,
    caller: &'a SignedCaller,
    request: &'a Request<Bytes>,
}

impl SandboxS3ControlApiCall<'_> {
    fn authorize_s3control_call(
        &self,
        action: &str,
        resource: &str,
        context: &PolicyConditionContext,
    ) -> Result<(), SandboxAwsError> {
        self.world.read_sandbox_state_from_disk(|state| {
            self.caller.authorize_caller(state, SandboxService::S3Control, action, resource, context)
        })
    }

    fn find_query_parameter(&self, name: &str) -> Option<String> {
        self.request.uri().query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
        })
    }

    fn handle_create_batch_job(&self) -> Result<String, SandboxAwsError> {
        self.authorize_s3control_call("s3:CreateJob", "*", &self.caller.build_caller_condition_context())?;
        let asked = SandboxCreateJobRequest::parse_create_job_body(self.request.body())?;
        let passing = self
            .caller
            .build_caller_condition_context()
            .add_condition_key_value("iam:PassedToService", tasks::BATCH_SERVICE_PRINCIPAL);
        self.authorize_s3control_call("iam:PassRole", &asked.role, &passing)?;
        let anywhere = format!("arn:aws:s3:{REGION}:{ACCOUNT_ID}:job/*");
        if asked.tagged {
            self.authorize_s3control_call(
                "s3:PutJobTagging",
                &anywhere,
                &self.caller.build_caller_condition_context(),
            )?;
        }
        let now = self.world.sandbox_unix_time_now();
        self.world.update_sandbox_state_on_disk(|state| {
            asked.check_sandbox_job_resources_exist(state)?;
            let same = state.s3control.jobs.values().find(|job| job.asked.token == asked.token);
            if let Some(job) = same {
                return if job.asked == asked {
                    Ok(render_create_job_response(&job.id))
                } else {
                    Err(SandboxAwsError::new(
                        400,
                        "IdempotencyException",
                        "A job with this ClientRequestToken was created with other parameters.",
                    ))
                };
            }
            let job = SandboxBatchJob {
                id: super::generate_random_uuid(),
                asked,
                created: now,
                since: now,
                ..SandboxBatchJob::default()
            };
            let answer = render_create_job_response(&job.id);
            state.s3control.jobs.insert(job.id.clone(), job);
            Ok(answer)
        })
    }

    fn handle_list_batch_jobs(&self) -> Result<String, SandboxAwsError> {
        self.authorize_s3control_call("s3:ListJobs", "*", &self.caller.build_caller_condition_context())?;
        let wanted: Vec<String> = self.find_query_parameter("jobStatuses").into_iter().collect();
        let most: usize =
            self.find_query_parameter("maxResults").and_then(|text| text.parse().ok()).unwrap_or(1000);
        let from: usize =
            self.find_query_parameter("nextToken").and_then(|text| text.parse().ok()).unwrap_or(0);
        self.world.read_sandbox_state_from_disk(|state| {
            let mut jobs: Vec<&SandboxBatchJob> = state
                .s3control
                .jobs
                .values()
                .filter(|job| wanted.is_empty() || wanted.contains(&format!("{:?}", job.status)))
                .collect();
            jobs.sort_by_key(|job| std::cmp::Reverse(job.created));
            let page: String = jobs
                .iter()
                .skip(from)
                .take(most)
                .map(|job| format!("<member>{}</member>", job.render_batch_job_list_entry()))
                .collect();
            let next = if from + most < jobs.len() {
                render_xml_element("NextToken", &(from + most).to_string())
            } else {
                String::new()
            };
            Ok(format!("<ListJobsResult>{next}<Jobs>{page}</Jobs></ListJobsResult>"))
        })
    }

    fn parse_requested_batch_job_id(&self) -> String {
        self.request.uri().path().split('/').nth(3).unwrap_or_default().to_owned()
    }

    fn handle_describe_batch_job(&self) -> Result<String, SandboxAwsError> {
        let id = self.parse_requested_batch_job_id();
        self.authorize_s3control_call(
            "s3:DescribeJob",
            &format!("arn:aws:s3:{REGION}:{ACCOUNT_ID}:job/{id}"),
            &self.caller.build_caller_condition_context(),
        )?;
        self.world.read_sandbox_state_from_disk(|state| {
            let job = state.s3control.jobs.get(&id).ok_or_else(build_sandbox_missing_job_error)?;
            Ok(format!("<DescribeJobResult>{}</DescribeJobResult>", job.render_sandbox_batch_job_xml()))
        })
    }

    fn handle_update_batch_job_status(&self) -> Result<String, SandboxAwsError> {
        let id = self.parse_requested_batch_job_id();
        let arn = format!("arn:aws:s3:{REGION}:{ACCOUNT_ID}:job/{id}");
        self.authorize_s3control_call(
            "s3:UpdateJobStatus",
            &arn,
            &self.caller.build_caller_condition_context(),
        )?;
        let wanted = self.find_query_parameter("requestedJobStatus").unwrap_or_default();
        let (why, now) =
            (self.find_query_parameter("statusUpdateReason"), self.world.sandbox_unix_time_now());
        self.world.update_sandbox_state_on_disk(|state| {
            let job = state.s3control.jobs.get_mut(&id).ok_or_else(build_sandbox_missing_job_error)?;
            let next = match wanted.as_str() {
                "Cancelled" if !job.status.is_sandbox_batch_job_finished() => {
                    SandboxBatchJobStatus::Cancelled
                }
                "Ready" if job.status == SandboxBatchJobStatus::Suspended => SandboxBatchJobStatus::Ready,
                _ => {
                    return Err(SandboxAwsError::new(
                        400,
                        "JobStatusException",
                        format!("A job that is {:?} can't become {wanted}.", job.status),
                    ));
                }
            };
            (job.status, job.since, job.update) = (next, now, why);
            Ok(format!(
                "<UpdateJobStatusResult>{}{}</UpdateJobStatusResult>",
                render_xml_element("JobId", &id),
                render_xml_element("Status", &format!("{next:?}"))
            ))
        })
    }
}

impl SandboxS3ControlApiCall<'_> {
    fn handle_get_public_access_block(&self) -> Result<String, SandboxAwsError> {
        let context = self.caller.build_caller_condition_context();
        self.authorize_s3control_call("s3:GetAccountPublicAccessBlock", "*", &context)?;
        self.world
            .read_sandbox_state_from_disk(|state| state.s3control.public_access_block.clone())
            .ok_or_else(|| {
                SandboxAwsError::new(
                    404,
                    "NoSuchPublicAccessBlockConfiguration",
                    "The public access block configuration was not found",
                )
            })
    }
}

fn render_create_job_response(id: &str) -> String {
    format!("<CreateJobResult>{}</CreateJobResult>", render_xml_element("JobId", id))
}

fn build_sandbox_missing_job_error() -> SandboxAwsError {
    SandboxAwsError::new(404, "NotFoundException", "The specified job does not exist.")
}

/// Does what is due.
pub fn advance_due_batch_jobs(world: &Sandbox) {
    let open = |state: &crate::sandbox::SandboxState| {
        state.s3control.jobs.values().any(|job| {
            !job.status.is_sandbox_batch_job_finished() && job.status != SandboxBatchJobStatus::Suspended
        })
    };
    if !world.read_sandbox_state_from_disk(open) {
        return;
    }
    let _alone = world.sandbox_in_memory_state().jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let jobs: Vec<SandboxBatchJob> = world.read_sandbox_state_from_disk(|state| {
        state
            .s3control
            .jobs
            .values()
            .filter(|job| !job.status.is_sandbox_batch_job_finished())
            .cloned()
            .collect()
    });
    for before in jobs {
        let mut job = before.clone();
        while tasks::advance_batch_job(
            world,
            PropagationClock::propagation_clock_from_sandbox(world),
            &mut job,
        ) {}
        if (job.status, job.count_finished_batch_tasks(), job.since)
            != (before.status, before.count_finished_batch_tasks(), before.since)
        {
            world.update_sandbox_state_on_disk(|state| {
                // A cancellation that came meanwhile stands.
                let now = state.s3control.jobs.get(&job.id).map(|now| now.status);
                if now == Some(before.status) {
                    state.s3control.jobs.insert(job.id.clone(), job);
                }
            });
        }
    }
}
