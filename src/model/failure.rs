//! A failure as an operator needs it: the thing, the reason, the next move.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What kind of failure it is, where the difference changes what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The command or an option is wrong: exit code 2.
    Usage,
    /// A consent is missing: exit code 2.
    Consent,
    /// AWS refused for want of a permission.
    Denied,
    /// Credentials are missing, wrong or expired.
    Credentials,
    /// Reality moved since the plan was shown: look again.
    Drifted,
    /// The thing named is not there.
    Missing,
    /// No answer: network, endpoint, child process.
    Unreachable,
    /// The operator stopped it: exit code 130.
    Interrupted,
    /// Switched off, while redirects are still seen going to CloudFront: exit code 3 of `disable`.
    StillOn,
    /// Anything else.
    Other,
}

/// What sudo on a host has against a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SudoPasswordFault {
    /// It wants one.
    Missing,
    /// It doesn't take the one that was typed.
    Wrong,
}

/// What is known of a failure beside its texts. It stays in this process: no event carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureFacts {
    /// AWS refuses this machine's clock.
    pub is_clock_skew: bool,
    /// The host that can't be reached, or no longer.
    pub lost_host: Option<String>,
    /// A host's name has no address.
    pub is_unknown_host: bool,
    /// The file that isn't there, as its own host names it.
    pub missing_file: Option<PathBuf>,
    /// An answer came that can't be read: of one request, not of all.
    pub is_unreadable_answer: bool,
    /// No more than a password keeps sudo from running.
    pub sudo_password: Option<SudoPasswordFault>,
    /// A sign-in is wanted: the next move names its command for any profile.
    pub wants_sign_in: bool,
    /// The next move says already what to type in place of this program.
    pub tells_manual_steps: bool,
}

/// One failure. All three texts are lower-case fragments without a full stop, fit for
/// `what: why` on one line and `next` on the following one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Failure {
    pub kind: FailureKind,
    /// The thing: `/etc/packagecloud/packagecloud.rb`, `role packagecloud_cloudfront_auth`.
    pub what: String,
    /// The reason: `permission denied (os error 13)`.
    pub why: String,
    /// The next move: `run it with sudo`. Never empty.
    pub next: String,
    /// What a decision asks of it beside its kind.
    #[serde(skip)]
    pub facts: FailureFacts,
    /// AWS's error code, where AWS answered: `AccessDenied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// AWS's request id, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Failure {
    /// Returns a failure of `kind`.
    pub fn new(
        kind: FailureKind,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            what: what.into(),
            why: why.into(),
            next: next.into(),
            facts: FailureFacts::default(),
            code: None,
            request_id: None,
        }
    }

    /// Returns a failure whose kind changes nothing.
    pub fn new_generic_failure(
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(FailureKind::Other, what, why, next)
    }

    /// Returns a failure of the command line.
    pub fn new_usage_failure(
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(FailureKind::Usage, what, why, next)
    }

    /// Returns the failure that a panic becomes.
    pub fn new_program_fault(
        what: impl Into<String>,
        panic: &(dyn std::any::Any + Send),
        next: impl Into<String>,
    ) -> Self {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let why = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason was given");
        Self::new_generic_failure(what, format!("it broke off by a fault of this program: {why}"), next)
    }

    /// Returns a failure for want of a consent.
    pub fn new_missing_consent_failure(
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(FailureKind::Consent, what, why, next)
    }

    /// Marks it as a refusal of this machine's clock.
    #[must_use]
    pub fn mark_failure_as_clock_skew(mut self) -> Self {
        self.facts.is_clock_skew = true;
        self
    }

    /// Marks it as one of sudo's, for want of a right password.
    #[must_use]
    pub fn mark_failure_as_sudo_password(mut self, fault: SudoPasswordFault) -> Self {
        self.facts.sudo_password = Some(fault);
        self
    }

    /// Marks it as one that a sign-in mends.
    #[must_use]
    pub fn mark_failure_as_wanting_sign_in(mut self) -> Self {
        self.facts.wants_sign_in = true;
        self
    }

    /// Marks it as one of an answer that can't be read.
    #[must_use]
    pub fn mark_failure_as_unreadable_answer(mut self) -> Self {
        self.facts.is_unreadable_answer = true;
        self
    }

    /// Marks it as one of a host whose name has no address.
    #[must_use]
    pub fn mark_failure_as_unknown_host(mut self) -> Self {
        self.facts.is_unknown_host = true;
        self
    }

    /// Marks it as one of the line to `host`.
    #[must_use]
    pub fn mark_failure_as_lost_host(mut self, host: &str) -> Self {
        self.facts.lost_host = Some(host.to_owned());
        self
    }

    /// Marks it as one of the file at `path`, which isn't there.
    #[must_use]
    pub fn mark_failure_as_missing_file(mut self, path: &Path) -> Self {
        self.facts.missing_file = Some(path.to_owned());
        self
    }

    /// Returns whether the clock is what AWS refuses: no other credentials help.
    #[must_use]
    pub fn is_clock_skew_failure(&self) -> bool {
        self.facts.is_clock_skew
    }

    /// Returns a failure of a plan that reality has left behind.
    pub fn new_plan_drift_failure(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(FailureKind::Drifted, what, why, "look again, and continue from what is there now")
    }

    /// Adds AWS's error code and request id.
    #[must_use]
    pub fn add_aws_error_code(mut self, code: Option<String>, request_id: Option<String>) -> Self {
        self.code = code;
        self.request_id = request_id;
        self
    }
}
