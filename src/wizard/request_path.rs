//! The road of a package, part by part: which of it stands, judged from what was found and what was made since.

use super::{Found, Wizard};
use crate::model::run::{event::End, goal::Stage, welcome::SetUpBy};

/// One part of the road.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: &'static str,
    pub stands: bool,
    /// What it is called here; empty where that isn't known.
    pub detail: String,
}

impl Wizard {
    /// The five parts, in the order in which a request passes them.
    #[must_use]
    pub fn road(&self) -> [Part; 5] {
        let done = |stage: Stage| {
            self.leg(stage).is_some_and(|leg| matches!(leg.end, Some(End::Applied | End::Unchanged)))
        };
        let welcome = match &self.welcome {
            Found::There(welcome) => Some(welcome),
            Found::Looking | Found::Failed(_) => None,
        };
        let cloudfront = welcome.map(|welcome| &welcome.cloudfront);
        let off = done(Stage::Disable);
        let live =
            !off && (done(Stage::GoLive) || cloudfront.is_some_and(|found| found.enabled == Some(true)));
        let set_up = cloudfront.is_some_and(|found| matches!(found.by, SetUpBy::Us | SetUpBy::Others));
        let edge = done(Stage::Bootstrap) || set_up;
        let front = done(Stage::Distribution) || (set_up && !cloudfront.is_some_and(|f| f.domain.is_empty()));
        let bucket = self.bucket();
        [
            Part {
                name: "package manager",
                stands: live && !self.leg(Stage::Verify).is_some_and(super::log::Leg::any_failed_check),
                detail: "apt, dnf, pip, …".to_owned(),
            },
            Part {
                name: "packagecloud",
                stands: live,
                detail: if live { "redirects to CloudFront" } else { "redirects to S3" }.to_owned(),
            },
            Part {
                name: "CloudFront",
                stands: front,
                detail: self.domain().or_else(|| cloudfront.map(|f| f.domain.clone())).unwrap_or_default(),
            },
            Part {
                name: "Lambda@Edge",
                stands: edge,
                detail: if edge { "checks every link" } else { "" }.to_owned(),
            },
            Part {
                name: "S3",
                stands: !bucket.is_empty() && (done(Stage::Access) || welcome.is_some()),
                detail: bucket.to_owned(),
            },
        ]
    }
}
