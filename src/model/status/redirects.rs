//! Where packagecloud's redirects go, against what every node's file says (contract section 11).

use serde::Serialize;

use super::CloudFrontSwitchStatus;
use crate::model::url::redirect::RedirectTarget;

/// What a node's packagecloud.rb says of CloudFront.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeFileSwitch {
    On,
    Off,
    /// It can't be read, or reading doesn't settle it.
    Unknown,
}

/// A web node, and what is known of its switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeSwitchStatus {
    pub name: String,
    pub file: NodeFileSwitch,
}

/// What the redirects say beside the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectAgreement {
    /// They say the same, or one of them says nothing.
    Agrees,
    /// Every file says on, and the redirects go to S3.
    FileOn,
    /// Every file says off, and the redirects go to CloudFront.
    FileOff,
    /// Some redirects go to CloudFront, some to S3.
    Mixed,
}

/// Judges where packages go, and whether the files say so; the redirects count, where they were seen.
#[must_use]
pub fn judge_switch(
    files: &[NodeFileSwitch],
    redirects: &[RedirectTarget],
) -> (CloudFrontSwitchStatus, RedirectAgreement) {
    let by_file = match files {
        [] => CloudFrontSwitchStatus::Unknown,
        files if files.iter().all(|file| *file == NodeFileSwitch::On) => CloudFrontSwitchStatus::On,
        files if files.iter().all(|file| *file == NodeFileSwitch::Off) => CloudFrontSwitchStatus::Off,
        files if files.contains(&NodeFileSwitch::On) && files.contains(&NodeFileSwitch::Off) => {
            CloudFrontSwitchStatus::Mixed
        }
        _ => CloudFrontSwitchStatus::Unknown,
    };
    let goes = |target| redirects.contains(&target);
    match (goes(RedirectTarget::Edge), goes(RedirectTarget::S3)) {
        (true, true) => (CloudFrontSwitchStatus::Mixed, RedirectAgreement::Mixed),
        (true, false) if by_file == CloudFrontSwitchStatus::Off => {
            (CloudFrontSwitchStatus::On, RedirectAgreement::FileOff)
        }
        (false, true) if by_file == CloudFrontSwitchStatus::On => {
            (CloudFrontSwitchStatus::Off, RedirectAgreement::FileOn)
        }
        // Of several nodes the one that answered may be the one that is on.
        (true, false) | (false, true) if by_file == CloudFrontSwitchStatus::Mixed => {
            (by_file, RedirectAgreement::Agrees)
        }
        (true, false) => (CloudFrontSwitchStatus::On, RedirectAgreement::Agrees),
        (false, true) => (CloudFrontSwitchStatus::Off, RedirectAgreement::Agrees),
        (false, false) => (by_file, RedirectAgreement::Agrees),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_redirects_count_and_the_files_are_held_to_them() {
        use CloudFrontSwitchStatus as Status;
        use NodeFileSwitch::{Off, On, Unknown};
        use RedirectAgreement::{Agrees, FileOff, FileOn, Mixed};
        use RedirectTarget::{Edge, Elsewhere, S3};
        for (files, redirects, expected) in [
            (&[On][..], &[Edge][..], (Status::On, Agrees)),
            (&[Off], &[S3], (Status::Off, Agrees)),
            (&[On], &[S3], (Status::Off, FileOn)),
            (&[Off], &[Edge], (Status::On, FileOff)),
            (&[On, On], &[Edge, S3], (Status::Mixed, Mixed)),
            (&[On, Off], &[Edge, Edge], (Status::Mixed, Agrees)),
            (&[Unknown], &[Edge], (Status::On, Agrees)),
            (&[Unknown], &[S3], (Status::Off, Agrees)),
            (&[Unknown, On], &[], (Status::Unknown, Agrees)),
            (&[On, On], &[], (Status::On, Agrees)),
            (&[Off], &[Elsewhere], (Status::Off, Agrees)),
            (&[], &[], (Status::Unknown, Agrees)),
        ] {
            assert_eq!(judge_switch(files, redirects), expected, "{files:?} {redirects:?}");
        }
    }
}
