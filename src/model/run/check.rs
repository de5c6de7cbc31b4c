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

/// One check. `name` is stable (`kms:CreateKey`, `clock`, `signed-url`); `detail` is a lower-case fragment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub result: CheckVerdict,
    pub detail: String,
    /// The next move, where it failed; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
}

impl Check {
    pub fn passed_check(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), result: CheckVerdict::Pass, detail: detail.into(), next: String::new() }
    }

    pub fn failed_check(name: impl Into<String>, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name: name.into(), result: CheckVerdict::Fail, detail: detail.into(), next: next.into() }
    }

    pub fn unknown_check(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), result: CheckVerdict::Unknown, detail: detail.into(), next: String::new() }
    }

    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.result == CheckVerdict::Fail
    }
}
