//! S3 Batch Operations, as far as copies go: jobs whose states take time, each task held to the job's role.
//!
//! Nothing runs between two requests: what is due is done as soon as anybody asks S3 or a job, in its own order.

mod report;
pub mod request;
mod tasks;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::PoisonError, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{
    ACCOUNT, Caller, Clock, REGION, Refusal, access::Context, access_denied, iso, query::element, xml_answer,
};
use crate::sandbox::{World, control_plane::signature};

pub use request::Asked;

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// By id.
    pub jobs: BTreeMap<String, Job>,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
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

impl Status {
    pub fn over(self) -> bool {
        matches!(self, Self::Complete | Self::Cancelled | Self::Failed)
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    pub id: String,
    pub asked: Asked,
    pub created: Duration,
    pub status: Status,
    /// When it came to be so.
    pub since: Duration,
    /// The keys of its manifest, once that was read.
    pub keys: Vec<String>,
    pub succeeded: u64,
    pub failed: Vec<Unfit>,
    /// Why it failed: code and reason.
    pub reasons: Vec<(String, String)>,
    /// Why its status was changed by request.
    pub update: Option<String>,
}

/// A task that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    pub key: String,
    pub code: String,
    pub status: u16,
    pub message: String,
}

impl Job {
    fn done(&self) -> usize {
        self.succeeded as usize + self.failed.len()
    }

    fn arn(&self) -> String {
        format!("arn:aws:s3:{REGION}:{ACCOUNT}:job/{}", self.id)
    }

    fn summary(&self) -> String {
        format!(
            "<ProgressSummary>{}{}{}</ProgressSummary>",
            element("TotalNumberOfTasks", &self.keys.len().to_string()),
            element("NumberOfTasksSucceeded", &self.succeeded.to_string()),
            element("NumberOfTasksFailed", &self.failed.len().to_string())
        )
    }

    /// In a list.
    fn brief(&self) -> String {
        format!(
            "{}{}{}{}{}{}{}",
            element("JobId", &self.id),
            element("Description", &self.asked.description),
            element("Operation", "S3PutObjectCopy"),
            element("Priority", &self.asked.priority.to_string()),
            element("Status", &format!("{:?}", self.status)),
            element("CreationTime", &iso(self.created)),
            self.summary()
        )
    }

    fn whole(&self) -> String {
        let reasons: String = self
            .reasons
            .iter()
            .map(|(code, reason)| {
                format!(
                    "<member>{}{}</member>",
                    element("FailureCode", code),
                    element("FailureReason", reason)
                )
            })
            .collect();
        let suspended = if self.status == Status::Suspended {
            element("SuspendedCause", "AwaitingConfirmation")
        } else {
            String::new()
        };
        let update = self.update.as_ref().map_or_else(String::new, |why| element("StatusUpdateReason", why));
        format!(
            "<Job>{}{}{}{}{}{}{}{suspended}{update}<FailureReasons>{reasons}</FailureReasons>{}{}{}{}</Job>",
            element("JobId", &self.id),
            element("ConfirmationRequired", &self.asked.confirmation.to_string()),
            element("Description", &self.asked.description),
            element("JobArn", &self.arn()),
            element("Status", &format!("{:?}", self.status)),
            element("Priority", &self.asked.priority.to_string()),
            self.summary(),
            self.asked.report_xml(),
            element("CreationTime", &iso(self.created)),
            element("RoleArn", &self.asked.role),
            self.asked.manifest_xml()
        )
    }
}

/// Whether a request that is signed for S3 is for the account's side of it.
pub fn is_meant(request: &Request<Bytes>) -> bool {
    request.headers().contains_key("x-amz-account-id") && request.uri().path().starts_with("/v20180820/")
}

/// The operation's name.
pub fn operation(method: &Method, uri: &Uri) -> &'static str {
    let path: Vec<&str> = uri.path().trim_matches('/').split('/').skip(1).collect();
    match (method.as_str(), path.as_slice()) {
        ("POST", ["jobs"]) => "CreateJob",
        ("GET", ["jobs"]) => "ListJobs",
        ("GET", ["jobs", _]) => "DescribeJob",
        ("POST", ["jobs", _, "status"]) => "UpdateJobStatus",
        _ => "Unknown",
    }
}

pub fn answer(world: &World, request: &Request<Bytes>) -> Response<Bytes> {
    settle(world);
    match act(world, request) {
        Ok(body) => xml_answer(200, body),
        Err(refusal) => refusal.answer("s3control"),
    }
}

fn act(world: &World, request: &Request<Bytes>) -> Result<String, Refusal> {
    let caller = signature::verify(world, "s3control", request)?;
    let account = request.headers().get("x-amz-account-id").and_then(|account| account.to_str().ok());
    if account != Some(ACCOUNT) {
        return Err(Refusal::new(403, "AccessDenied", "Access Denied"));
    }
    let ask = Ask { world, caller: &caller, request };
    match operation(request.method(), request.uri()) {
        "CreateJob" => ask.create(),
        "ListJobs" => ask.list(),
        "DescribeJob" => ask.describe(),
        "UpdateJobStatus" => ask.update(),
        _ => Err(Refusal::new(405, "MethodNotAllowed", "The sandbox has no such operation on jobs.")),
    }
}

struct Ask<'a> {
    world: &'a World,
    caller: &'a Caller,
    request: &'a Request<Bytes>,
}

impl Ask<'_> {
    fn may(&self, action: &str, resource: &str, context: &Context) -> Result<(), Refusal> {
        self.world
            .read(|state| self.caller.may(state, action, resource, context))
            .map_err(|message| access_denied("s3control", message))
    }

    fn query(&self, name: &str) -> Option<String> {
        self.request.uri().query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
        })
    }

    fn create(&self) -> Result<String, Refusal> {
        self.may("s3:CreateJob", "*", &self.caller.context())?;
        let asked = Asked::read(self.request.body())?;
        let passing = self.caller.context().with("iam:PassedToService", tasks::SERVICE);
        self.may("iam:PassRole", &asked.role, &passing)?;
        let anywhere = format!("arn:aws:s3:{REGION}:{ACCOUNT}:job/*");
        if asked.tagged {
            self.may("s3:PutJobTagging", &anywhere, &self.caller.context())?;
        }
        let now = self.world.now();
        self.world.write(|state| {
            asked.check(state)?;
            let same = state.s3control.jobs.values().find(|job| job.asked.token == asked.token);
            if let Some(job) = same {
                return if job.asked == asked {
                    Ok(made(&job.id))
                } else {
                    Err(Refusal::new(
                        400,
                        "IdempotencyException",
                        "A job with this ClientRequestToken was created with other parameters.",
                    ))
                };
            }
            let job = Job { id: super::request_id(), asked, created: now, since: now, ..Job::default() };
            let answer = made(&job.id);
            state.s3control.jobs.insert(job.id.clone(), job);
            Ok(answer)
        })
    }

    fn list(&self) -> Result<String, Refusal> {
        self.may("s3:ListJobs", "*", &self.caller.context())?;
        let wanted: Vec<String> = self.query("jobStatuses").into_iter().collect();
        let most: usize = self.query("maxResults").and_then(|text| text.parse().ok()).unwrap_or(1000);
        let from: usize = self.query("nextToken").and_then(|text| text.parse().ok()).unwrap_or(0);
        self.world.read(|state| {
            let mut jobs: Vec<&Job> = state
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
                .map(|job| format!("<member>{}</member>", job.brief()))
                .collect();
            let next = if from + most < jobs.len() {
                element("NextToken", &(from + most).to_string())
            } else {
                String::new()
            };
            Ok(format!("<ListJobsResult>{next}<Jobs>{page}</Jobs></ListJobsResult>"))
        })
    }

    fn id(&self) -> String {
        self.request.uri().path().split('/').nth(3).unwrap_or_default().to_owned()
    }

    fn describe(&self) -> Result<String, Refusal> {
        let id = self.id();
        self.may(
            "s3:DescribeJob",
            &format!("arn:aws:s3:{REGION}:{ACCOUNT}:job/{id}"),
            &self.caller.context(),
        )?;
        self.world.read(|state| {
            let job = state.s3control.jobs.get(&id).ok_or_else(missing)?;
            Ok(format!("<DescribeJobResult>{}</DescribeJobResult>", job.whole()))
        })
    }

    fn update(&self) -> Result<String, Refusal> {
        let id = self.id();
        let arn = format!("arn:aws:s3:{REGION}:{ACCOUNT}:job/{id}");
        self.may("s3:UpdateJobStatus", &arn, &self.caller.context())?;
        let wanted = self.query("requestedJobStatus").unwrap_or_default();
        let (why, now) = (self.query("statusUpdateReason"), self.world.now());
        self.world.write(|state| {
            let job = state.s3control.jobs.get_mut(&id).ok_or_else(missing)?;
            let next = match wanted.as_str() {
                "Cancelled" if !job.status.over() => Status::Cancelled,
                "Ready" if job.status == Status::Suspended => Status::Ready,
                _ => {
                    return Err(Refusal::new(
                        400,
                        "JobStatusException",
                        format!("A job that is {:?} can't become {wanted}.", job.status),
                    ));
                }
            };
            (job.status, job.since, job.update) = (next, now, why);
            Ok(format!(
                "<UpdateJobStatusResult>{}{}</UpdateJobStatusResult>",
                element("JobId", &id),
                element("Status", &format!("{next:?}"))
            ))
        })
    }
}

fn made(id: &str) -> String {
    format!("<CreateJobResult>{}</CreateJobResult>", element("JobId", id))
}

fn missing() -> Refusal {
    Refusal::new(404, "NotFoundException", "The specified job does not exist.")
}

/// Does what is due.
pub fn settle(world: &World) {
    let open = |state: &crate::sandbox::store::State| {
        state.s3control.jobs.values().any(|job| !job.status.over() && job.status != Status::Suspended)
    };
    if !world.read(open) {
        return;
    }
    let _alone = world.memory().jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let jobs: Vec<Job> =
        world.read(|state| state.s3control.jobs.values().filter(|job| !job.status.over()).cloned().collect());
    for before in jobs {
        let mut job = before.clone();
        while tasks::step(world, Clock::of(world), &mut job) {}
        if (job.status, job.done(), job.since) != (before.status, before.done(), before.since) {
            world.write(|state| {
                // A cancellation that came meanwhile stands.
                let now = state.s3control.jobs.get(&job.id).map(|now| now.status);
                if now == Some(before.status) {
                    state.s3control.jobs.insert(job.id.clone(), job);
                }
            });
        }
    }
}
