//! The road of a request for a package, part by part: what was seen of each, what the file says, and what can't be told.

use super::{
    Wizard,
    log::{StageProgress, StageStepState},
};
use crate::model::run::{
    goal::{RunStage, StageStep},
    welcome::{CloudFrontSetUpBy, FoundRedirects, FoundSwitchState},
};

/// How a part of the road is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPathSight {
    /// It was asked, and answered so.
    Seen,
    /// packagecloud.rb says so; nothing was seen.
    ByFile,
    /// It is not there, or packages don't come this way.
    Absent,
    /// It can't be told.
    Unknown,
}

/// One part of the road.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPathHop {
    pub name: &'static str,
    pub sight: RequestPathSight,
    /// What it is called here; empty where that isn't known.
    pub detail: String,
}

/// The road that packages take now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath {
    /// From packagecloud on, in the order in which a request passes them.
    pub hops: Vec<RequestPathHop>,
    /// What stands beside the road: CloudFront and its function, where packages don't pass them.
    pub idle: Vec<RequestPathHop>,
}

/// Where packages go, and how that is known.
enum PackageRoute {
    CloudFront(RequestPathSight),
    S3(RequestPathSight),
    /// Some nodes go one way, some the other.
    Mixed,
    Unknown,
}

impl Wizard {
    /// Returns the road as it is known now: what this run has seen last counts, then the redirects, then the file.
    #[must_use]
    pub fn build_request_path(&self) -> RequestPath {
        let hop = |name, sight, detail: String| RequestPathHop { name, sight, detail };
        let (front, edge) = self.judge_cloudfront_parts();
        let found = self.known_findings();
        let domain = self
            .packages_domain()
            .or_else(|| found.map(|found| found.cloudfront.domain.clone()))
            .unwrap_or_default();
        let bucket = self.bucket_name().to_owned();
        let packagecloud = |sight, text: &str| hop("packagecloud", sight, text.to_owned());
        let cloudfront = |sight| hop("CloudFront", sight, domain.clone());
        let function = |sight| hop("Lambda@Edge", sight, "checks every link".to_owned());
        let s3 = |sight| hop("S3", sight, bucket.clone());
        let (hops, idle) = match self.judge_package_route() {
            PackageRoute::CloudFront(sight) => (
                vec![
                    packagecloud(sight, "redirects to CloudFront"),
                    cloudfront(sight),
                    function(sight),
                    s3(sight),
                ],
                Vec::new(),
            ),
            PackageRoute::S3(sight) => (
                vec![packagecloud(sight, "redirects to S3"), s3(sight)],
                vec![cloudfront(front), function(edge)],
            ),
            PackageRoute::Mixed => (
                vec![
                    packagecloud(RequestPathSight::Seen, "some redirects to CloudFront, some to S3"),
                    s3(RequestPathSight::Seen),
                ],
                vec![cloudfront(RequestPathSight::Seen), function(RequestPathSight::Seen)],
            ),
            PackageRoute::Unknown => (
                vec![
                    packagecloud(RequestPathSight::Unknown, "where it redirects can't be told"),
                    s3(RequestPathSight::Unknown),
                ],
                vec![cloudfront(front), function(edge)],
            ),
        };
        RequestPath { hops, idle }
    }

    fn judge_package_route(&self) -> PackageRoute {
        let done =
            |stage: RunStage| self.find_stage_progress(stage).is_some_and(StageProgress::is_stage_done);
        let found = self.known_findings();
        let redirects = found.map(|found| &found.redirects);
        // Where redirects can be asked for, going live and switching off have seen them.
        let proven = match redirects {
            Some(FoundRedirects::NotAsked) | None => RequestPathSight::ByFile,
            Some(_) => RequestPathSight::Seen,
        };
        let has_ended =
            |stage: RunStage| self.find_stage_progress(stage).is_some_and(|progress| progress.end.is_some());
        if done(RunStage::Disable) {
            return PackageRoute::S3(proven);
        }
        if done(RunStage::GoLive) {
            return PackageRoute::CloudFront(proven);
        }
        let is_step_done = |stage: RunStage, step: StageStep| {
            self.find_stage_progress(stage)
                .and_then(|progress| progress.find_started_step(step))
                .is_some_and(|step| step.state == StageStepState::Done)
        };
        // Of a backup that has CloudFront off the proof is that packagecloud redirects to S3; any other has no proof of its own.
        let is_rolled_back = done(RunStage::RollBack) && is_step_done(RunStage::RollBack, StageStep::Proof);
        if is_step_done(RunStage::GoLive, StageStep::TakeBack) || is_rolled_back {
            return PackageRoute::S3(proven);
        }
        // What was seen before these is over, and where they led was not seen to its end.
        if [RunStage::Disable, RunStage::GoLive, RunStage::RollBack].into_iter().any(has_ended) {
            return PackageRoute::Unknown;
        }
        match (redirects, found.map_or(FoundSwitchState::Unread, |found| found.cloudfront.switch)) {
            (Some(FoundRedirects::CloudFront), _) => PackageRoute::CloudFront(RequestPathSight::Seen),
            (Some(FoundRedirects::S3), _) => PackageRoute::S3(RequestPathSight::Seen),
            (Some(FoundRedirects::Mixed(_)), _) => PackageRoute::Mixed,
            (_, FoundSwitchState::On) => PackageRoute::CloudFront(RequestPathSight::ByFile),
            (_, FoundSwitchState::Off) => PackageRoute::S3(RequestPathSight::ByFile),
            (_, FoundSwitchState::Unread | FoundSwitchState::MaybeOn) => PackageRoute::Unknown,
        }
    }

    /// Whether the distribution and its function stand, while packages don't pass them.
    fn judge_cloudfront_parts(&self) -> (RequestPathSight, RequestPathSight) {
        let done =
            |stage: RunStage| self.find_stage_progress(stage).is_some_and(StageProgress::is_stage_done);
        let (front, edge) = match self.welcome.value_if_loaded().map(|found| found.cloudfront.by) {
            Some(CloudFrontSetUpBy::Us | CloudFrontSetUpBy::Others) => {
                (RequestPathSight::Seen, RequestPathSight::Seen)
            }
            Some(CloudFrontSetUpBy::Nobody) => (RequestPathSight::Absent, RequestPathSight::Absent),
            Some(CloudFrontSetUpBy::Unknown) | None => {
                let is_named =
                    self.known_findings().is_some_and(|found| !found.cloudfront.distribution.is_empty());
                let front = if is_named { RequestPathSight::ByFile } else { RequestPathSight::Unknown };
                (front, RequestPathSight::Unknown)
            }
        };
        (
            if done(RunStage::Distribution) { RequestPathSight::Seen } else { front },
            if done(RunStage::Bootstrap) { RequestPathSight::Seen } else { edge },
        )
    }
}
