//! What `status` says of an install: each part, what it means for customers, and what all of it comes to (contract section 11).

pub mod cost;
pub mod ending;
pub mod redirects;
pub mod traffic;

use serde::Serialize;

use self::{
    ending::EndingPart,
    redirects::{NodeFileSwitch, NodeSwitchStatus},
    traffic::EdgeTraffic,
};
use super::run::{
    check::{CheckResult, CheckVerdict},
    plan::PlanFact,
};

/// What a finding means for customers, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingSeverity {
    /// Packages are open to who has no token.
    Exposed,
    /// Customers are refused, or will be.
    Refused,
    /// Something is no longer as the plan would make it.
    Drifted,
    /// Something ends within thirty days.
    Ending,
}

impl FindingSeverity {
    /// Every one, the worst first.
    pub const ALL: [Self; 4] = [Self::Exposed, Self::Refused, Self::Drifted, Self::Ending];

    /// Returns the word that lines and labels have.
    #[must_use]
    pub fn severity_name(self) -> &'static str {
        match self {
            Self::Exposed => "exposed",
            Self::Refused => "refused",
            Self::Drifted => "drifted",
            Self::Ending => "ending",
        }
    }

    /// Describes what it means for customers: the beginning of a line.
    #[must_use]
    pub fn describe_severity(self) -> &'static str {
        match self {
            Self::Exposed => "PACKAGES ARE OPEN",
            Self::Refused => "CUSTOMERS REFUSED",
            Self::Drifted => "CHANGED",
            Self::Ending => "ENDS",
        }
    }
}

/// One part that was asked about, and what its failure means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCheck {
    pub check: CheckResult,
    /// Of a part that failed; none of one that is well, or couldn't be asked.
    pub severity: Option<FindingSeverity>,
}

/// Where packages go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudFrontSwitchStatus {
    On,
    Off,
    /// Some nodes are on.
    Mixed,
    #[default]
    Unknown,
}

/// The install that was looked at, as far as AWS told of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct InstallPlace {
    pub account: String,
    pub bucket: String,
    /// `E…`; none where there is no distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The number of the version on the viewer request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_version: Option<u64>,
}

/// What all of it comes to: the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusVerdict {
    Well,
    Attention,
    /// Neither packagecloud's redirect nor the distribution could be seen.
    Unseen,
}

/// All that was seen of an install.
#[derive(Debug, Clone, Default)]
pub struct InstallStatus {
    /// When it was looked at, in Unix seconds.
    pub seen_at: u64,
    pub switch: CloudFrontSwitchStatus,
    /// Since when it is on, in words, where this host knows it.
    pub on_since: Option<String>,
    pub nodes: Vec<NodeSwitchStatus>,
    pub place: Option<InstallPlace>,
    /// In the order in which they were asked.
    pub checks: Vec<StatusCheck>,
    /// What is good to know, and changes no code.
    pub facts: Vec<PlanFact>,
    pub ends: Vec<EndingPart>,
    pub traffic: Option<EdgeTraffic>,
    /// US dollars for the last thirty days, at the list price.
    pub cost: Option<f64>,
    pub is_redirect_seen: bool,
    pub is_distribution_seen: bool,
}

impl InstallStatus {
    /// Adds what was seen of a part; where it failed, with what that means.
    pub fn add_part(&mut self, check: CheckResult, severity: FindingSeverity) {
        let severity = check.has_failed().then_some(severity);
        // One cause is one line: what a later probe says of it has the same next move.
        let is_said = severity.is_some_and(|severity| {
            self.checks.iter().any(|one| {
                one.severity.is_some_and(|known| known <= severity) && one.check.next == check.next
            })
        });
        if !is_said {
            self.checks.push(StatusCheck { check, severity });
        }
    }

    /// Adds what was seen of a part that stands by itself, whatever has the same next move.
    pub fn add_separate_part(&mut self, check: CheckResult, severity: FindingSeverity) {
        let severity = check.has_failed().then_some(severity);
        self.checks.push(StatusCheck { check, severity });
    }

    /// Returns whether any node's packagecloud.rb says that CloudFront is on.
    #[must_use]
    pub fn says_any_file_on(&self) -> bool {
        self.nodes.iter().any(|node| node.file == NodeFileSwitch::On)
    }

    /// Adds what changes no code.
    pub fn add_fact(&mut self, topic: &'static str, text: impl Into<String>) {
        self.facts.push(PlanFact { topic, text: text.into() });
    }

    /// Returns what needs attention, the worst first.
    #[must_use]
    pub fn list_findings(&self) -> Vec<(FindingSeverity, &CheckResult)> {
        let mut all: Vec<_> =
            self.checks.iter().filter_map(|one| Some((one.severity?, &one.check))).collect();
        all.sort_by_key(|(severity, _)| *severity);
        all
    }

    /// Returns what couldn't be asked.
    #[must_use]
    pub fn list_unknown_parts(&self) -> Vec<&CheckResult> {
        self.checks.iter().map(|one| &one.check).filter(|one| one.result == CheckVerdict::Unknown).collect()
    }

    /// Returns every check: the findings, the worst first, what couldn't be asked, what is well.
    #[must_use]
    pub fn list_checks_in_order(&self) -> Vec<&CheckResult> {
        let passed = self.checks.iter().map(|one| &one.check).filter(|one| one.result == CheckVerdict::Pass);
        let findings = self.list_findings().into_iter().map(|(_, check)| check);
        findings.chain(self.list_unknown_parts()).chain(passed).collect()
    }

    /// Returns what all of it comes to.
    #[must_use]
    pub fn judge_status(&self) -> StatusVerdict {
        if !self.is_redirect_seen && !self.is_distribution_seen {
            StatusVerdict::Unseen
        } else if self.checks.iter().any(|one| one.severity.is_some()) {
            StatusVerdict::Attention
        } else {
            StatusVerdict::Well
        }
    }

    /// Summarizes it in one sentence.
    #[must_use]
    pub fn render_status_summary(&self) -> String {
        let findings = self.list_findings();
        let unknown = self.list_unknown_parts().len();
        let mut text = match (self.judge_status(), findings.len()) {
            (StatusVerdict::Unseen, _) => {
                "Neither packagecloud's redirect nor the distribution could be seen".to_owned()
            }
            (StatusVerdict::Well, _) => format!("All is well: {}", self.describe_switch()),
            (StatusVerdict::Attention, 1) => {
                format!("1 finding needs attention; {}", self.describe_switch())
            }
            (StatusVerdict::Attention, many) => {
                format!("{many} findings need attention; {}", self.describe_switch())
            }
        };
        match unknown {
            0 => {}
            1 => text.push_str("; 1 part could not be asked"),
            many => text.push_str(&format!("; {many} parts could not be asked")),
        }
        text.push('.');
        text
    }

    /// Describes where packages go: a lower-case fragment.
    #[must_use]
    pub fn describe_switch(&self) -> String {
        let place = self.place.as_ref();
        let through =
            match place.and_then(|place| Some((place.distribution.as_ref()?, place.domain.as_ref()?))) {
                Some((id, domain)) => format!(" ({id}, {domain})"),
                None => String::new(),
            };
        match self.switch {
            CloudFrontSwitchStatus::On => {
                let since = self.on_since.as_ref().map(|at| format!(" since {at}")).unwrap_or_default();
                format!("CloudFront is on{since}{through}")
            }
            CloudFrontSwitchStatus::Off if place.is_some_and(|place| place.distribution.is_none()) => {
                "CloudFront is off, and no distribution is set up".to_owned()
            }
            CloudFrontSwitchStatus::Off => format!("CloudFront is off{through}, and packages come from S3"),
            CloudFrontSwitchStatus::Mixed => format!("CloudFront is on at some nodes only{through}"),
            CloudFrontSwitchStatus::Unknown => "it is not known whether CloudFront is on".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_status() -> InstallStatus {
        InstallStatus {
            switch: CloudFrontSwitchStatus::On,
            is_redirect_seen: true,
            ..InstallStatus::default()
        }
    }

    #[test]
    fn findings_stand_the_worst_first_and_one_cause_is_one_line() {
        let mut status = seen_status();
        status.add_part(CheckResult::new_passed_check("a", "fine"), FindingSeverity::Refused);
        status.add_separate_part(
            CheckResult::new_failed_check("runtime", "old", "roll"),
            FindingSeverity::Ending,
        );
        status.add_part(CheckResult::new_failed_check("grant", "gone", "grant it"), FindingSeverity::Refused);
        status.add_part(CheckResult::new_failed_check("link", "403", "grant it"), FindingSeverity::Refused);
        status.add_part(CheckResult::new_unknown_check("clock", "no date"), FindingSeverity::Refused);
        status.add_part(CheckResult::new_failed_check("open", "200", "close it"), FindingSeverity::Exposed);
        let named: Vec<_> = status.list_checks_in_order().iter().map(|one| one.name.clone()).collect();
        assert_eq!(named, ["open", "grant", "runtime", "clock", "a"]);
        assert_eq!(status.judge_status(), StatusVerdict::Attention);
        assert_eq!(
            status.render_status_summary(),
            "3 findings need attention; CloudFront is on; 1 part could not be asked."
        );
    }

    #[test]
    fn one_unknown_is_said_and_changes_no_code_and_nothing_seen_is_no_well() {
        let mut status = seen_status();
        status.add_part(CheckResult::new_unknown_check("traffic", "denied"), FindingSeverity::Refused);
        assert_eq!(status.judge_status(), StatusVerdict::Well);
        assert_eq!(
            status.render_status_summary(),
            "All is well: CloudFront is on; 1 part could not be asked."
        );
        for (redirect, distribution, verdict) in [
            (false, false, StatusVerdict::Unseen),
            (true, false, StatusVerdict::Well),
            (false, true, StatusVerdict::Well),
        ] {
            status.is_redirect_seen = redirect;
            status.is_distribution_seen = distribution;
            assert_eq!(status.judge_status(), verdict);
        }
    }
}
