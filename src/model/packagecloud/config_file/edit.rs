//! Changes packagecloud.rb: a plain assignment in place, the rest as one marked block.
//!
//! Every other byte stays; what an edit made is read again, and it counts only where the file then sets what was
//! wanted, and all else as before.

use crate::model::{
    packagecloud::settings::{CloudFrontSettingKey, RAILS_HASH},
    redact,
};

use super::{ConfigAssignedValue, ConfigAssignment, ConfigFile};

pub(super) const BLOCK_BEGIN_MARKER: &str = "# packagecloud-cloudfront: begin";
pub(super) const BLOCK_END_MARKER: &str = "# packagecloud-cloudfront: end";
pub(super) const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// What happens to a value that is an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RubyExpressionEditMode {
    /// The edit is refused, but for switching off, which always may.
    Refuse,
    /// One marked line at the end sets it: Ruby's last assignment wins.
    Append,
}

/// Why a file is not edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigEditRefusal {
    /// It isn't Ruby; the line, from 1.
    NotRuby(usize),
    /// These values are expressions: key, line from 1, the line with secrets hidden.
    Expressions(Vec<(CloudFrontSettingKey, usize, String)>),
    /// A statement on this line leaves the file, so a line at the end would not be run.
    EarlyExit(usize),
    /// The edited file would not surely say what is wanted.
    Unsure,
}

impl ConfigFile {
    /// Returns the file's bytes with `wanted` set; each value is Ruby source, as
    /// `CloudFrontSettingValues::render_setting_edits` gives it.
    ///
    /// # Errors
    /// Where it can't be edited safely; nothing is lost then, the file is as it was.
    pub fn render_config_with_values(
        &self,
        wanted: &[(CloudFrontSettingKey, String)],
        expressions: RubyExpressionEditMode,
    ) -> Result<Vec<u8>, ConfigEditRefusal> {
        if let Some(line) = self.error {
            return Err(ConfigEditRefusal::NotRuby(line));
        }
        let mut in_place: Vec<(std::ops::Range<usize>, &str)> = Vec::new();
        let (mut absent, mut overridden, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (key, value) in wanted {
            match self.find_last_assignment(RAILS_HASH, key.setting_name()) {
                None => absent.push((*key, value)),
                Some(last) if last.value == ConfigAssignedValue::Expression => {
                    let off = *key == CloudFrontSettingKey::Enabled && value == "false";
                    if expressions == RubyExpressionEditMode::Append || off {
                        overridden.push((*key, value, last.line));
                    } else {
                        refused.push((*key, last.line, self.redact_config_line(last.line)));
                    }
                }
                Some(last) if last.value == parse_ruby_literal(value) => {}
                Some(last) => in_place.push((last.right.clone(), value)),
            }
        }
        if !refused.is_empty() {
            return Err(ConfigEditRefusal::Expressions(refused));
        }
        if let Some(line) = self.early_exit_line
            && !(absent.is_empty() && overridden.is_empty())
        {
            return Err(ConfigEditRefusal::EarlyExit(line));
        }
        let mut insertions: Vec<(std::ops::Range<usize>, String)> =
            in_place.into_iter().map(|(right, value)| (right, value.to_owned())).collect();
        insertions.extend(self.build_new_line_insertions(&absent, &overridden));
        insertions.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut bytes = self.bytes.clone();
        for (range, text) in insertions {
            bytes.splice(range, text.into_bytes());
        }
        let edited = Self::parse_packagecloud_rb(&bytes);
        if edited.edits_only_wanted_settings(self, wanted) {
            Ok(bytes)
        } else {
            Err(ConfigEditRefusal::Unsure)
        }
    }

    /// Returns what is inserted for values that no line sets yet, and for those that overrule an expression.
    fn build_new_line_insertions(
        &self,
        absent: &[(CloudFrontSettingKey, &String)],
        overridden: &[(CloudFrontSettingKey, &String, usize)],
    ) -> Vec<(std::ops::Range<usize>, String)> {
        let eol = self.detect_config_line_ending();
        let before = &self.bytes[..self.append_offset];
        let mut insertions = Vec::new();
        let mut tail = String::new();
        if !absent.is_empty() {
            let lines: Vec<String> =
                absent.iter().map(|(key, value)| render_ruby_assignment(*key, value)).collect();
            if let Some(at) = self.block_insert_offset {
                insertions.push((at..at, lines.join(eol) + eol));
            } else {
                if !before.is_empty() && before != UTF8_BOM {
                    tail += eol;
                }
                for line in [BLOCK_BEGIN_MARKER]
                    .into_iter()
                    .chain(lines.iter().map(String::as_str))
                    .chain([BLOCK_END_MARKER])
                {
                    tail += line;
                    tail += eol;
                }
            }
        }
        for (key, value, from) in overridden {
            tail += &render_ruby_assignment(*key, value);
            tail += &format_args!(" # packagecloud-cloudfront: overrides line {from}{eol}").to_string();
        }
        if !tail.is_empty() {
            let open = !(before.is_empty() || before == UTF8_BOM || before.ends_with(b"\n"));
            let at = self.append_offset;
            insertions.push((at..at, format!("{}{tail}", if open { eol } else { "" })));
        }
        insertions
    }

    /// Returns the file's bytes with each of `wanted` set, or, where there is no value, not set anywhere.
    ///
    /// # Errors
    /// As [`Self::render_config_with_values`]; and where an assignment that must go doesn't stand alone on its lines.
    pub fn render_config_with_restored_values(
        &self,
        wanted: &[(CloudFrontSettingKey, Option<String>)],
    ) -> Result<Vec<u8>, ConfigEditRefusal> {
        if let Some(line) = self.error {
            return Err(ConfigEditRefusal::NotRuby(line));
        }
        let gone: Vec<CloudFrontSettingKey> =
            wanted.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| *key).collect();
        let set: Vec<_> = wanted.iter().filter_map(|(key, value)| Some((*key, value.clone()?))).collect();
        let bytes = Self::parse_packagecloud_rb(&self.remove_setting_assignments(&gone)?)
            .render_config_with_values(&set, RubyExpressionEditMode::Refuse)?;
        let bytes = Self::parse_packagecloud_rb(&bytes).remove_empty_config_block();
        let edited = Self::parse_packagecloud_rb(&bytes);
        let named: Vec<CloudFrontSettingKey> = wanted.iter().map(|(key, _)| *key).collect();
        let absent =
            gone.iter().all(|key| edited.find_assigned_value(RAILS_HASH, key.setting_name()).is_none());
        if absent && edited.has_same_unedited_assignments(self, &named) {
            Ok(bytes)
        } else {
            Err(ConfigEditRefusal::Unsure)
        }
    }

    /// The bytes without the lines that set any of `keys`.
    fn remove_setting_assignments(
        &self,
        keys: &[CloudFrontSettingKey],
    ) -> Result<Vec<u8>, ConfigEditRefusal> {
        let mut bytes = self.bytes.clone();
        let ours =
            self.assignments.iter().filter(|one| one.hash == RAILS_HASH).filter_map(|one| {
                keys.iter().find(|key| key.setting_name() == one.key).map(|key| (*key, one))
            });
        let mut found: Vec<_> = ours.collect();
        found.sort_by_key(|(_, one)| std::cmp::Reverse(one.right.start));
        for (key, one) in found {
            if one.value == ConfigAssignedValue::Expression {
                return Err(ConfigEditRefusal::Expressions(vec![(
                    key,
                    one.line,
                    self.redact_config_line(one.line),
                )]));
            }
            let before = bytes[..one.start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let start = if before == 0 && bytes.starts_with(UTF8_BOM) { UTF8_BOM.len() } else { before };
            let head = bytes[start..one.start].trim_ascii();
            let rest = bytes[one.right.end..].iter().position(|byte| *byte == b'\n');
            let end = rest.map_or(bytes.len(), |at| one.right.end + at + 1);
            let tail = String::from_utf8_lossy(&bytes[one.right.end..end]).trim().to_owned();
            if !head.is_empty() || !(tail.is_empty() || tail.starts_with('#')) {
                return Err(ConfigEditRefusal::Unsure);
            }
            bytes.drain(start..end);
        }
        Ok(bytes)
    }

    /// The bytes without a block of ours that holds nothing, and the blank line before it.
    fn remove_empty_config_block(self) -> Vec<u8> {
        let Some(end) = self.block_insert_offset else { return self.bytes };
        let mut bytes = self.bytes;
        let text = bytes[..end].trim_ascii_end();
        let Some(kept) = text.strip_suffix(BLOCK_BEGIN_MARKER.as_bytes()) else { return bytes };
        let mut start = kept.len();
        for eol in [&b"\r\n\r\n"[..], b"\n\n"] {
            if bytes[..start].ends_with(eol) {
                start -= eol.len() / 2;
                break;
            }
        }
        let rest = bytes[end..].iter().position(|byte| *byte == b'\n');
        let stop = rest.map_or(bytes.len(), |at| end + at + 1);
        bytes.drain(start..stop);
        bytes
    }

    /// Whether it sets what is `wanted`, and all else as `before` did.
    fn edits_only_wanted_settings(&self, before: &Self, wanted: &[(CloudFrontSettingKey, String)]) -> bool {
        let named: Vec<CloudFrontSettingKey> = wanted.iter().map(|(key, _)| *key).collect();
        self.has_same_unedited_assignments(before, &named)
            && wanted.iter().all(|(key, value)| {
                self.find_assigned_value(RAILS_HASH, key.setting_name()) == Some(&parse_ruby_literal(value))
            })
    }

    /// Whether it sets all but `keys` as `before` did.
    fn has_same_unedited_assignments(&self, before: &Self, keys: &[CloudFrontSettingKey]) -> bool {
        let ours = |assignment: &ConfigAssignment| {
            assignment.hash == RAILS_HASH && keys.iter().any(|key| key.setting_name() == assignment.key)
        };
        let rest = |file: &Self| {
            let rest = file.assignments.iter().filter(|assignment| !ours(assignment));
            rest.map(|one| (one.hash.clone(), one.key.clone(), one.value.clone())).collect::<Vec<_>>()
        };
        self.error.is_none() && rest(self) == rest(before)
    }

    fn detect_config_line_ending(&self) -> &'static str {
        let first = self.bytes.iter().position(|byte| *byte == b'\n');
        if first.is_some_and(|at| at > 0 && self.bytes[at - 1] == b'\r') { "\r\n" } else { "\n" }
    }
}

fn render_ruby_assignment(key: CloudFrontSettingKey, value: &str) -> String {
    format!("{RAILS_HASH}['{}'] = {value}", key.setting_name())
}

/// What a piece of Ruby source that we wrote is.
fn parse_ruby_literal(ruby: &str) -> ConfigAssignedValue {
    let file = ConfigFile::parse_packagecloud_rb(format!("x['y'] = {ruby}\n").as_bytes());
    file.find_assigned_value("x", "y").cloned().unwrap_or(ConfigAssignedValue::Expression)
}

/// Returns the unified diff between two contents of the file, secrets hidden, without its heading lines.
#[must_use]
pub fn render_redacted_diff(before: &[u8], after: &[u8]) -> Vec<String> {
    let (old, new) = (ConfigFile::parse_packagecloud_rb(before), ConfigFile::parse_packagecloud_rb(after));
    let mut known = [old.known_secrets(), new.known_secrets()].concat();
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let text = similar::TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    for hunk in text.unified_diff().context_radius(3).iter_hunks() {
        lines.push(hunk.header().to_string());
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches(['\n', '\r']);
            lines.push(format!("{}{}", change.tag(), redact::redact_secrets_in_line(line, &known)));
        }
    }
    lines
}
