//! packagecloud.rb as a text: what it assigns, where, and how an assignment is changed.
//!
//! It is Ruby, read by a Ruby parser and never run; what the parser can't be sure of is an expression, and is
//! shown to the operator instead of guessed at.

mod edit;
mod parse;
mod secrets;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::settings::{CloudFrontSettingKey, CloudFrontSettingValues, RAILS_HASH};
use crate::model::{redact, secret::Secret};

pub use edit::{ConfigEditRefusal, RubyExpressionEditMode, render_redacted_diff};

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
    /// The first line that is no Ruby, from 1, or that isn't surely read as Ruby reads it.
    error: Option<usize>,
    /// The line of a statement that leaves the file before its end: nothing after it is run.
    early_exit_line: Option<usize>,
    secrets: Vec<String>,
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
    /// Reads the file's bytes. Never fails: what isn't Ruby is told by [`Self::syntax_error_line`].
    #[must_use]
    pub fn parse_packagecloud_rb(bytes: &[u8]) -> Self {
        parse::parse_packagecloud_rb_source(bytes)
    }

    /// Returns the file's bytes, as read.
    #[must_use]
    pub fn config_file_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns whether it isn't Ruby, or not surely read as Ruby reads it: then nothing of it counts, and it is not
    /// edited.
    #[must_use]
    pub fn has_ruby_syntax_error(&self) -> bool {
        self.error.is_some()
    }

    /// Returns the first line that isn't Ruby, from 1.
    #[must_use]
    pub fn syntax_error_line(&self) -> Option<usize> {
        self.error
    }

    fn find_last_assignment(&self, hash: &str, key: &str) -> Option<&ConfigAssignment> {
        self.assignments.iter().rfind(|assignment| assignment.hash == hash && assignment.key == key)
    }

    /// Returns what `hash['key']` is in the end; `None` where nothing sets it. `external_url '…'` is `("",
    /// "external_url")`.
    #[must_use]
    pub fn find_assigned_value(&self, hash: &str, key: &str) -> Option<&ConfigAssignedValue> {
        self.find_last_assignment(hash, key).map(|assignment| &assignment.value)
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

    /// Returns which of the four values are expressions: the key, the line's number from 1, and the line, secrets
    /// hidden.
    #[must_use]
    pub fn find_setting_expressions(&self) -> Vec<(CloudFrontSettingKey, usize, String)> {
        CloudFrontSettingKey::ALL
            .into_iter()
            .filter_map(|key| {
                let last = self.find_last_assignment(RAILS_HASH, key.setting_name())?;
                let line = last.line;
                (last.value == ConfigAssignedValue::Expression)
                    .then(|| (key, line, self.redact_config_line(line)))
            })
            .collect()
    }

    /// Returns a line of the file, from 1, secrets hidden.
    #[must_use]
    pub fn redact_config_line(&self, number: usize) -> String {
        let line = self.bytes.split(|byte| *byte == b'\n').nth(number.saturating_sub(1)).unwrap_or_default();
        redact::redact_secrets_in_line(String::from_utf8_lossy(line).trim(), &self.secrets)
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
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
