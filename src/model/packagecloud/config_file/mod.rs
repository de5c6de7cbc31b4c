//! packagecloud.rb as a text: what it assigns, where, and how an assignment is changed.
//!
//! It is Ruby, read by a Ruby parser and never run. For each of our values it is known whether a plain literal settles
//! it, or what follows may change it: that is shown to the operator instead of guessed at.

mod edit;
mod hand_edit;
mod harmless;
mod literals;
mod loss;
mod parse;
mod state;
mod statements;
#[cfg(test)]
mod tests;
mod unclosed_quote;

use std::ops::Range;

use self::state::{ConfigExitPoint, KEYS, SettingState};
use super::settings::{CloudFrontSettingKey, CloudFrontSettingValues, RAILS_HASH};
use crate::model::{redact, secret::Secret};

pub use edit::{ConfigEditRefusal, RubyExpressionEditMode, render_redacted_diff};
pub use hand_edit::render_hand_edit_script;
pub use loss::{COMPLETE_CONFIG_LINE, ConfigLoss};
pub use parse::CONFIG_BYTES_MAX;

/// Of a line of the file no more is shown.
const SHOWN_LINE_CHARS_MAX: usize = 80;

/// packagecloud.rb, read.
#[derive(Clone)]
pub struct ConfigFile {
    bytes: Vec<u8>,
    /// In the order of the file; of one key the last one counts.
    assignments: Vec<ConfigAssignment>,
    /// Where the block of ours takes another line: just before its end marker.
    block_insert_offset: Option<usize>,
    /// Where a line is appended: the end, or the line of `__END__`.
    append_offset: usize,
    /// Where `__END__` begins, after which nothing is Ruby.
    data_offset: Option<usize>,
    /// The line of an `__END__` that the parser takes and Ruby doesn't.
    misplaced_end_line: Option<usize>,
    last_statement_start: Option<usize>,
    problem: Option<ConfigReadProblem>,
    /// Where the file may end before its last line.
    exits: Vec<ConfigExitPoint>,
    /// Our values at the file's end.
    end_states: [SettingState; KEYS],
    /// Whether the hash's bare name is a variable somewhere, which hides the hash.
    is_hash_name_shadowed: bool,
    secrets: Vec<String>,
}

/// Why nothing that the file says counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigReadProblem {
    /// It isn't Ruby, or not surely read as Ruby reads it: the first such line, from 1.
    NotRuby(usize),
    /// The line, from 1, holds bytes that Ruby refuses in a file.
    RefusedBytes(usize),
    /// It is larger than what is read: its size in bytes.
    TooLarge(usize),
    /// Reading it didn't end in time.
    TooSlow,
}

/// One place that sets `hash['key']`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ConfigAssignment {
    hash: String,
    key: String,
    value: ConfigAssignedValue,
    /// Where its statement begins.
    start: usize,
    /// The bytes of its right-hand side, where it is a plain literal.
    right: Range<usize>,
    /// From 1.
    line: usize,
    /// Whether it is surely run.
    is_top_level: bool,
}

/// What an assignment sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigAssignedValue {
    True,
    False,
    Nil,
    /// A string literal, decoded.
    Text(String),
    /// Another literal, such as a number.
    Other,
    /// Only running it would tell.
    Expression,
}

impl ConfigFile {
    fn new_unread_config(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            assignments: Vec::new(),
            block_insert_offset: None,
            append_offset: bytes.len(),
            data_offset: None,
            misplaced_end_line: None,
            last_statement_start: None,
            problem: None,
            exits: Vec::new(),
            end_states: Default::default(),
            is_hash_name_shadowed: false,
            secrets: Vec::new(),
        }
    }

    /// Reads the file's bytes. Never fails: what can't be read is told by [`Self::read_problem`].
    #[must_use]
    pub fn parse_packagecloud_rb(bytes: &[u8]) -> Self {
        Self::parse_packagecloud_rb_while(bytes, &mut || true)
    }

    /// Reads the file's bytes as long as `keep_going` says so, which is asked at least once a millisecond or so.
    #[must_use]
    pub fn parse_packagecloud_rb_while(bytes: &[u8], keep_going: &mut dyn FnMut() -> bool) -> Self {
        parse::parse_packagecloud_rb_source(bytes, keep_going)
    }

    /// Returns the file's bytes, as read.
    #[must_use]
    pub fn config_file_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns why nothing of it counts and it is not edited, where that is so.
    #[must_use]
    pub fn read_problem(&self) -> Option<ConfigReadProblem> {
        self.problem
    }

    /// Returns whether it isn't Ruby, or not surely read as Ruby reads it.
    #[must_use]
    pub fn has_ruby_syntax_error(&self) -> bool {
        self.problem.is_some()
    }

    /// Returns the first line that isn't Ruby, or that Ruby refuses, from 1.
    #[must_use]
    pub fn syntax_error_line(&self) -> Option<usize> {
        match self.problem? {
            ConfigReadProblem::NotRuby(line) | ConfigReadProblem::RefusedBytes(line) => Some(line),
            ConfigReadProblem::TooLarge(_) | ConfigReadProblem::TooSlow => Some(1),
        }
    }

    /// Returns what `hash['key']` is in the end, as far as reading tells; `None` where nothing sets it.
    /// `external_url '…'` is `("", "external_url")`.
    #[must_use]
    pub fn find_assigned_value(&self, hash: &str, key: &str) -> Option<&ConfigAssignedValue> {
        let ours = CloudFrontSettingKey::ALL.iter().position(|one| one.setting_name() == key);
        if let Some(ours) = ours.filter(|_| hash == RAILS_HASH) {
            let state = self.end_states[ours];
            return match (state.assigned, state.open) {
                (Some(at), _) => Some(&self.assignments[at].value),
                (None, Some(_)) => Some(&ConfigAssignedValue::Expression),
                (None, None) => None,
            };
        }
        let last =
            self.assignments.iter().rfind(|assignment| assignment.hash == hash && assignment.key == key)?;
        Some(if last.is_top_level { &last.value } else { &ConfigAssignedValue::Expression })
    }

    /// Returns the string that `hash['key']` is, where it is plainly one and not empty.
    #[must_use]
    pub fn find_ruby_string_setting(&self, hash: &str, key: &str) -> Option<&str> {
        match self.find_assigned_value(hash, key) {
            Some(ConfigAssignedValue::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Returns `packagecloud_rails['key']`, where it is plainly a string and not empty.
    #[must_use]
    pub fn find_packagecloud_rails_string(&self, key: &str) -> Option<&str> {
        self.find_ruby_string_setting(RAILS_HASH, key)
    }

    /// Returns the bucket that it names, and the key that names it. Never that of `backups[…]`.
    #[must_use]
    pub fn find_configured_bucket(&self) -> Option<(&'static str, &str)> {
        ["aws_s3_bucket", "s3_bucket", "aws_bucket", "s3_bucket_name", "bucket"]
            .into_iter()
            .find_map(|key| self.find_packagecloud_rails_string(key).map(|bucket| (key, bucket)))
    }

    /// Returns the region that it names, if any.
    #[must_use]
    pub fn find_configured_region(&self) -> Option<&str> {
        ["aws_region", "aws_s3_region", "s3_region", "region"]
            .into_iter()
            .find_map(|key| self.find_packagecloud_rails_string(key))
    }

    /// Returns packagecloud's own key pair: the id, and the secret.
    #[must_use]
    pub fn find_config_aws_keys(&self) -> Option<(String, Secret)> {
        let id = ["aws_access_key", "aws_access_key_id"]
            .into_iter()
            .find_map(|key| self.find_packagecloud_rails_string(key))?;
        let secret = ["aws_secret_key", "aws_secret_access_key"]
            .into_iter()
            .find_map(|key| self.find_packagecloud_rails_string(key))?;
        Some((id.to_owned(), Secret::new(secret)))
    }

    /// Returns where packagecloud is reached, where the file says so plainly.
    #[must_use]
    pub fn find_external_url(&self) -> Option<&str> {
        self.find_ruby_string_setting("", "external_url")
            .or_else(|| self.find_packagecloud_rails_string("external_url"))
    }

    /// Returns the four values, as far as they are plain; an empty string counts as none.
    #[must_use]
    pub fn cloudfront_setting_values(&self) -> CloudFrontSettingValues {
        let text = |key: CloudFrontSettingKey| {
            self.find_packagecloud_rails_string(key.setting_name()).map(str::to_owned)
        };
        CloudFrontSettingValues {
            // `'true'` in quotes reaches packagecloud's YAML as the same.
            enabled: match self.find_assigned_value(RAILS_HASH, CloudFrontSettingKey::Enabled.setting_name())
            {
                Some(ConfigAssignedValue::True) => Some(true),
                Some(ConfigAssignedValue::False) => Some(false),
                Some(ConfigAssignedValue::Text(text)) => text.parse().ok(),
                _ => None,
            },
            // An empty one is a mistake to be told of, not a want of one.
            secret: match self.find_assigned_value(RAILS_HASH, CloudFrontSettingKey::Secret.setting_name()) {
                Some(ConfigAssignedValue::Text(text)) => Some(Secret::new(text.clone())),
                _ => None,
            },
            distribution_id: text(CloudFrontSettingKey::DistributionId),
            packages_domain: text(CloudFrontSettingKey::PackagesDomain),
        }
    }

    /// Returns which of the four values are expressions, so that nothing is known of them: the key, the line's number
    /// from 1, and the line, secrets hidden.
    #[must_use]
    pub fn find_setting_expressions(&self) -> Vec<(CloudFrontSettingKey, usize, String)> {
        self.describe_settings_by_line(|state, _| {
            state.open.filter(|open| open.is_named && state.assigned.is_none()).map(|open| open.line)
        })
    }

    /// Returns which of the four values a plain literal may set, or nothing, and what else in the file may change: the
    /// key, the line's number from 1, and the line, secrets hidden.
    #[must_use]
    pub fn find_unsettled_settings(&self) -> Vec<(CloudFrontSettingKey, usize, String)> {
        self.describe_settings_by_line(|state, key| match state.open {
            Some(open) => (!open.is_named || state.assigned.is_some()).then_some(open.line),
            None => self.find_differing_exit_line(key),
        })
    }

    /// Returns whether CloudFront may be on by this file, wherever it ends: unknown is not off.
    #[must_use]
    pub fn may_cloudfront_be_on(&self) -> bool {
        let enabled = CloudFrontSettingKey::Enabled as usize;
        let exits = self.exits.iter().map(|exit| exit.values[enabled].state);
        exits.chain([self.end_states[enabled]]).any(|state| state.may_be_on(&self.assignments))
    }

    fn describe_settings_by_line(
        &self,
        find_line: impl Fn(SettingState, usize) -> Option<usize>,
    ) -> Vec<(CloudFrontSettingKey, usize, String)> {
        CloudFrontSettingKey::ALL
            .into_iter()
            .enumerate()
            .filter_map(|(index, key)| {
                let line = find_line(self.end_states[index], index)?;
                Some((key, line, self.redact_config_line(line)))
            })
            .collect()
    }

    /// The line of the first place where the file may end, to good effect, with another value than at its end.
    fn find_differing_exit_line(&self, key: usize) -> Option<usize> {
        let value = |state: SettingState| state.assigned.map(|at| &self.assignments[at].value);
        let end = self.end_states[key];
        self.exits
            .iter()
            .filter(|exit| !exit.is_failure)
            .find(|exit| {
                let state = exit.values[key].state;
                // What is set nowhere yet would be set after this.
                state.open.is_some() || value(state) != value(end) || end.assigned.is_none()
            })
            .map(|exit| exit.line)
    }

    /// Returns whether nothing but plain lines that set our values, and those that mark them, tells the two files apart;
    /// with `keep_secret`, and the secret is the same.
    #[must_use]
    pub fn differs_only_in_our_lines(&self, other: &Self, keep_secret: bool) -> bool {
        self.problem.is_none()
            && other.problem.is_none()
            && self.list_bytes_of_others() == other.list_bytes_of_others()
            && (!keep_secret
                || self.find_packagecloud_rails_string(CloudFrontSettingKey::Secret.setting_name())
                    == other.find_packagecloud_rails_string(CloudFrontSettingKey::Secret.setting_name()))
    }

    /// Returns a line of the file, from 1, secrets hidden and no longer than a screen's line.
    #[must_use]
    pub fn redact_config_line(&self, number: usize) -> String {
        let line = self.bytes.split(|byte| *byte == b'\n').nth(number.saturating_sub(1)).unwrap_or_default();
        let line = redact::redact_secrets_in_line(String::from_utf8_lossy(line).trim(), &self.secrets);
        match line.char_indices().nth(SHOWN_LINE_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    /// Returns how many zero bytes it holds: a crash or a full disk leaves them at a file's end.
    #[must_use]
    pub fn count_zero_bytes(&self) -> usize {
        self.bytes.split(|byte| *byte == 0).count() - 1
    }

    /// Returns whether it begins with the mark of UTF-16.
    #[must_use]
    pub fn is_utf16_text(&self) -> bool {
        self.bytes.starts_with(&[0xff, 0xfe]) || self.bytes.starts_with(&[0xfe, 0xff])
    }

    /// Returns every secret that it holds, in each form under which it may turn up ([`redact::list_secret_encoded_forms`]), longest first.
    #[must_use]
    pub fn known_secrets(&self) -> &[String] {
        &self.secrets
    }
}

impl std::fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigFile")
            .field("bytes", &self.bytes.len())
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}
