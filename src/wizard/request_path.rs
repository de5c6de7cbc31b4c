//! The path of a request for a package, part by part: which of it stands, judged from what was found and what was made since.

use super::{Loadable, Wizard, log::StageProgress};
use crate::model::run::{
    goal::RunStage,
    welcome::{CloudFrontSetUpBy, FoundSwitchState},
};

/// One part of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPathHop {
    pub name: &'static str,
    pub in_place: bool,
    /// What it is called here; empty where that isn't known.
    pub detail: String,
}

impl Wizard {
    /// Returns the five parts, in the order in which a request passes them.
    #[must_use]
    pub fn build_request_path_hops(&self) -> [RequestPathHop; 5] {
        let done =
            |stage: RunStage| self.find_stage_progress(stage).is_some_and(StageProgress::is_stage_done);
        let welcome = match &self.welcome {
            Loadable::Loaded(welcome) => Some(welcome),
            Loadable::Loading | Loadable::Failed(_) => None,
        };
        let cloudfront = welcome.map(|welcome| &welcome.cloudfront);
        let off = done(RunStage::Disable);
        let switch = cloudfront.map_or(FoundSwitchState::Unread, |found| found.switch);
        let live = !off && (done(RunStage::GoLive) || switch == FoundSwitchState::On);
        let redirects = match (live, off, switch) {
            (true, ..) => "redirects to CloudFront",
            (false, false, FoundSwitchState::MaybeOn) => "may redirect to CloudFront",
            _ => "redirects to S3",
        };
        let set_up = cloudfront
            .is_some_and(|found| matches!(found.by, CloudFrontSetUpBy::Us | CloudFrontSetUpBy::Others));
        let edge = done(RunStage::Bootstrap) || set_up;
        let front =
            done(RunStage::Distribution) || (set_up && !cloudfront.is_some_and(|f| f.domain.is_empty()));
        let bucket = self.bucket_name();
        [
            RequestPathHop {
                name: "package manager",
                in_place: live
                    && !self
                        .find_stage_progress(RunStage::Verify)
                        .is_some_and(StageProgress::has_failed_check),
                detail: "apt, dnf, pip, …".to_owned(),
            },
            RequestPathHop { name: "packagecloud", in_place: live, detail: redirects.to_owned() },
            RequestPathHop {
                name: "CloudFront",
                in_place: front,
                detail: self
                    .packages_domain()
                    .or_else(|| cloudfront.map(|f| f.domain.clone()))
                    .unwrap_or_default(),
            },
            RequestPathHop {
                name: "Lambda@Edge",
                in_place: edge,
                detail: if edge { "checks every link" } else { "" }.to_owned(),
            },
            RequestPathHop {
                name: "S3",
                in_place: !bucket.is_empty() && (done(RunStage::Access) || welcome.is_some()),
                detail: bucket.to_owned(),
            },
        ]
    }
}
