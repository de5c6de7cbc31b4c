//! A named check with its result: permissions, the bucket, the host, and each line of `verify`.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckVerdict {
    Pass,
    Fail,
    /// It could not be asked; an unknown fails nothing.
    Unknown,
}

/// The checks that other code asks for; every other has its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckId {
    /// This machine's clock.
    Clock,
    /// A request without a token, which must be refused.
    NoToken,
    /// A signed URL of a package.
    SignedUrl,
}

impl CheckId {
    /// Returns the name of the check.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::NoToken => "no-token",
            Self::SignedUrl => "signed-url",
        }
    }
}

impl From<CheckId> for String {
    fn from(id: CheckId) -> Self {
        id.name().to_owned()
    }
}

/// One check. `name` is stable (`kms:CreateKey`, `clock`, `signed-url`); `detail` is a lower-case fragment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    pub name: String,
    pub result: CheckVerdict,
    pub detail: String,
    /// The next move, where it failed; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
}

impl CheckResult {
    /// Returns a check that passed.
    pub fn new_passed_check(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), result: CheckVerdict::Pass, detail: detail.into(), next: String::new() }
    }

    /// Returns a check that failed, with the next move.
    pub fn new_failed_check(
        name: impl Into<String>,
        detail: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), result: CheckVerdict::Fail, detail: detail.into(), next: next.into() }
    }

    /// Returns a check that could not be asked.
    pub fn new_unknown_check(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), result: CheckVerdict::Unknown, detail: detail.into(), next: String::new() }
    }

    /// Returns whether it is the check `id`.
    #[must_use]
    pub fn has_check_id(&self, id: CheckId) -> bool {
        self.name == id.name()
    }

    /// Returns whether it is of a permission: its name is the action, `kms:CreateKey`.
    #[must_use]
    pub fn is_permission_check(&self) -> bool {
        self.name.split_once(':').is_some_and(|(service, action)| {
            service.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && action.starts_with(|first: char| first.is_ascii_uppercase())
        })
    }

    /// Returns whether it failed by IAM's simulation alone, which may err: what AWS answers to the request decides.
    #[must_use]
    pub fn is_simulated_denial(&self) -> bool {
        self.has_failed() && self.is_permission_check()
    }

    /// Returns whether what was asked is not as it must be.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.result == CheckVerdict::Fail
    }
}

/// Returns whether checks failed, and IAM's simulation alone says so of each: those may be gone past.
pub fn has_simulated_denials_alone<'a>(checks: impl IntoIterator<Item = &'a CheckResult>) -> bool {
    let mut failed = checks.into_iter().filter(|check| check.has_failed()).peekable();
    failed.peek().is_some() && failed.all(CheckResult::is_simulated_denial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_permission_is_a_simulated_denial() {
        for (name, is_permission) in [
            ("kms:CreateKey", true),
            ("s3:ListBucket", true),
            ("lambda:EnableReplication*", true),
            ("permissions", false),
            ("clock on fe80::1", false),
            ("packagecloud-ctl on root@host:22", false),
        ] {
            assert_eq!(
                CheckResult::new_failed_check(name, "", "").is_simulated_denial(),
                is_permission,
                "{name}"
            );
            assert!(!CheckResult::new_unknown_check(name, "").is_simulated_denial(), "{name}");
        }
    }

    #[test]
    fn simulated_denials_stand_alone_where_nothing_else_failed() {
        let denied = CheckResult::new_failed_check("kms:CreateKey", "", "");
        let clock = CheckResult::new_failed_check("clock", "", "");
        let fine = CheckResult::new_passed_check("identity", "");
        let unknown = CheckResult::new_unknown_check("objects", "");
        for (checks, alone) in [
            (vec![], false),
            (vec![&fine, &unknown], false),
            (vec![&fine, &denied, &unknown], true),
            (vec![&denied, &clock], false),
            (vec![&clock], false),
        ] {
            assert_eq!(has_simulated_denials_alone(checks.iter().copied()), alone, "{checks:?}");
        }
    }
}
