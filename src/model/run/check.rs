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
    /// What the checks of `verify` come to; it counts as none of them.
    Verdict,
}

impl CheckId {
    /// Returns the name of the check.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::NoToken => "no-token",
            Self::SignedUrl => "signed-url",
            Self::Verdict => "verdict",
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

/// So many names stand in a summary; of the others it says how many they are.
const SUMMARY_NAMES_MAX: usize = 4;

/// Checks in the order in which an operator reads them, worst first; each list keeps the order in which it was checked, so
/// that a cause stands before what it makes fail. Both faces show checks by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChecksWorstFirst<'a> {
    /// First those that stop the goal, then the permissions that IAM's simulation alone denies.
    pub failed: Vec<&'a CheckResult>,
    pub unknown: Vec<&'a CheckResult>,
    /// To be folded into a count.
    pub passed: Vec<&'a CheckResult>,
}

/// Sorts checks worst first; a verdict is left out, since it only repeats the first failure.
pub fn sort_checks_worst_first<'a>(
    checks: impl IntoIterator<Item = &'a CheckResult>,
) -> ChecksWorstFirst<'a> {
    let mut sorted = ChecksWorstFirst::default();
    for check in checks.into_iter().filter(|check| !check.has_check_id(CheckId::Verdict)) {
        match check.result {
            CheckVerdict::Fail => sorted.failed.push(check),
            CheckVerdict::Unknown => sorted.unknown.push(check),
            CheckVerdict::Pass => sorted.passed.push(check),
        }
    }
    sorted.failed.sort_by_key(|check| check.is_simulated_denial());
    sorted
}

impl<'a> ChecksWorstFirst<'a> {
    /// Counts all of them.
    #[must_use]
    pub fn count_checks(&self) -> usize {
        self.failed.len() + self.unknown.len() + self.passed.len()
    }

    /// Returns the failed ones by next move: checks in a row that have the same next move are one group.
    #[must_use]
    pub fn group_failed_by_next_move(&self) -> Vec<&[&'a CheckResult]> {
        self.failed.chunk_by(|one, other| one.next == other.next).collect()
    }

    /// Says how many checks failed of how many, and which: `2 of 14 checks failed: clock, bucket`; where none failed,
    /// how many passed and how many could not be asked.
    #[must_use]
    pub fn summarize_checks(&self) -> String {
        let all = self.count_checks();
        let unknown = match self.unknown.len() {
            0 => String::new(),
            count => format!(" \u{b7} {count} could not be asked"),
        };
        if self.failed.is_empty() {
            return format!("{} of {all} checks passed{unknown}", self.passed.len());
        }
        let names: Vec<&str> =
            self.failed.iter().take(SUMMARY_NAMES_MAX).map(|check| check.name.as_str()).collect();
        let more = match self.failed.len().saturating_sub(SUMMARY_NAMES_MAX) {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        format!("{} of {all} checks failed: {}{more}{unknown}", self.failed.len(), names.join(", "))
    }

    /// Returns the next move of the worst check that has one.
    #[must_use]
    pub fn first_next_move(&self) -> Option<&'a str> {
        self.failed.iter().map(|check| check.next.as_str()).find(|next| !next.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_is_read_first_and_what_passed_is_a_count() {
        let checks = [
            CheckResult::new_passed_check("identity", ""),
            CheckResult::new_failed_check("kms:CreateKey", "", "attach it"),
            CheckResult::new_unknown_check("objects", ""),
            CheckResult::new_failed_check("clock", "", "set it"),
            CheckResult::new_failed_check("iam:CreateRole", "", "attach it"),
            CheckResult::new_failed_check(CheckId::Verdict, "", "set it"),
        ];
        let sorted = sort_checks_worst_first(&checks);
        let names = |checks: &[&CheckResult]| -> Vec<String> {
            checks.iter().map(|check| check.name.clone()).collect()
        };
        assert_eq!(names(&sorted.failed), ["clock", "kms:CreateKey", "iam:CreateRole"]);
        assert_eq!((names(&sorted.unknown), sorted.passed.len()), (vec!["objects".to_owned()], 1));
        assert_eq!(
            sorted.group_failed_by_next_move().iter().map(|group| group.len()).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(
            sorted.summarize_checks(),
            "3 of 5 checks failed: clock, kms:CreateKey, iam:CreateRole \u{b7} 1 could not be asked"
        );
        assert_eq!(sorted.first_next_move(), Some("set it"));

        let many: Vec<CheckResult> =
            ["a", "b", "c", "d", "e", "f"].map(|name| CheckResult::new_failed_check(name, "", "")).into();
        let sorted = sort_checks_worst_first(&many);
        assert_eq!(sorted.summarize_checks(), "6 of 6 checks failed: a, b, c, d and 2 more");
        assert_eq!(sorted.first_next_move(), None);
        let sorted = sort_checks_worst_first(&checks[..1]);
        assert_eq!(sorted.summarize_checks(), "1 of 1 checks passed");
    }

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
