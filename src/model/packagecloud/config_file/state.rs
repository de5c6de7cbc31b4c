//! What a value is at the places where packagecloud.rb may end: settled by a plain literal, or open to what else may change it.

use super::{ConfigAssignedValue, ConfigAssignment};
use crate::model::packagecloud::settings::CloudFrontSettingKey;

/// How many values are ours.
pub(super) const KEYS: usize = CloudFrontSettingKey::ALL.len();

/// Something that may change a value, and that reading alone doesn't tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueOpening {
    /// From 1.
    pub(super) line: usize,
    pub(super) offset: usize,
    /// Whether it names the key: then nothing is known of the value; else the literal before it may still stand.
    pub(super) is_named: bool,
}

/// One value at one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SettingState {
    /// The last plain literal: its index among the assignments.
    pub(super) assigned: Option<usize>,
    /// What may have changed it since.
    pub(super) open: Option<ValueOpening>,
}

impl SettingState {
    /// Returns whether it may be anything but off.
    pub(super) fn may_be_on(self, assignments: &[ConfigAssignment]) -> bool {
        self.open.is_some() || self.assigned.is_some_and(|at| !is_off_value(&assignments[at].value))
    }
}

fn is_off_value(value: &ConfigAssignedValue) -> bool {
    match value {
        ConfigAssignedValue::False | ConfigAssignedValue::Nil => true,
        ConfigAssignedValue::Text(text) => text == "false",
        _ => false,
    }
}

/// A place where the file may end before its last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConfigExitPoint {
    /// From 1.
    pub(super) line: usize,
    /// Whether packagecloud is left as it was where the file ends here: the reconfigure fails.
    pub(super) is_failure: bool,
    pub(super) values: [SettingAtExitPoint; KEYS],
}

/// One value where the file may end before its last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SettingAtExitPoint {
    pub(super) state: SettingState,
    /// Where a line is put that sets it before the file ends here; `None` where no line could.
    pub(super) insert_offset: Option<usize>,
    /// Whether that is at the top of the file, so that what follows is set by the line too.
    pub(super) is_top_level: bool,
}
