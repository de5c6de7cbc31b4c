//! Changes packagecloud.rb: a plain assignment in place, what is absent as one marked block, the rest by marked lines.
//!
//! A marked line goes to the end of what runs, and before each statement that may end the file earlier. Every other byte
//! stays; what an edit made is read again, and it counts only where the file then sets what was wanted, and all else as
//! before.

use crate::model::{
    packagecloud::settings::{CloudFrontSettingKey, RAILS_HASH},
    redact,
};

use super::{
    ConfigAssignedValue, ConfigAssignment, ConfigFile, ConfigReadProblem,
    state::{SettingAtExitPoint, SettingState},
};

pub(super) const BLOCK_BEGIN_MARKER: &str = "# packagecloud-cloudfront: begin";
pub(super) const BLOCK_END_MARKER: &str = "# packagecloud-cloudfront: end";
pub(super) const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// What happens to a value that isn't a plain literal which nothing after it may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RubyExpressionEditMode {
    /// The edit is refused, but for switching off, which always may.
    Refuse,
    /// Marked lines set it: Ruby's last assignment wins.
    Append,
    /// A marked line is the file's last statement, even where reading finds the value settled: packagecloud was seen to
    /// do something else.
    AppendAlways,
}

/// Why a file is not edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigEditRefusal {
    /// Nothing that it says counts.
    Unreadable(ConfigReadProblem),
    /// These values are expressions, or something else may change them: key, line from 1, the line with secrets hidden.
    Expressions(Vec<(CloudFrontSettingKey, usize, String)>),
    /// A statement on this line changes a value and leaves the file at once, so no line could set it.
    EarlyExit(usize),
    /// The edited file would not surely say what is wanted.
    Unsure,
}

/// What an edit puts where; several of one place in this order.
#[derive(Default)]
struct ConfigEditPlan<'a> {
    in_place: Vec<(std::ops::Range<usize>, &'a str)>,
    absent: Vec<(CloudFrontSettingKey, &'a str)>,
    marked: Vec<MarkedLine<'a>>,
}

/// A line that settles a value.
struct MarkedLine<'a> {
    key: CloudFrontSettingKey,
    value: &'a str,
    /// Where it goes; `None`: to the end of what runs.
    offset: Option<usize>,
    /// The line that it overrules, or before whose end of the file it stands.
    line: usize,
    is_for_exit: bool,
}

impl ConfigFile {
    /// Returns the file with `wanted` set; each value is Ruby source, as `CloudFrontSettingValues::render_setting_edits`
    /// gives it.
    ///
    /// # Errors
    /// Where it can't be edited safely; nothing is lost then, the file is as it was.
    pub fn render_config_with_values(
        &self,
        wanted: &[(CloudFrontSettingKey, String)],
        expressions: RubyExpressionEditMode,
    ) -> Result<Self, ConfigEditRefusal> {
        if let Some(problem) = self.problem {
            return Err(ConfigEditRefusal::Unreadable(problem));
        }
        let mut plan = ConfigEditPlan::default();
        let mut refused = Vec::new();
        for (key, value) in wanted {
            let marked = plan.marked.len();
            self.plan_setting_edit(&mut plan, *key, value, expressions)?;
            if expressions == RubyExpressionEditMode::Refuse
                && !is_switching_off(*key, value)
                && let Some(line) = plan.marked.get(marked).map(|marked| marked.line)
            {
                refused.push((*key, line, self.redact_config_line(line)));
            }
        }
        if !refused.is_empty() {
            return Err(ConfigEditRefusal::Expressions(refused));
        }
        let mut insertions: Vec<(std::ops::Range<usize>, String)> =
            plan.in_place.iter().map(|(right, value)| (right.clone(), (*value).to_owned())).collect();
        insertions.extend(self.render_marked_lines_before_exits(&plan.marked));
        insertions.extend(self.render_end_of_config(&plan));
        if insertions.is_empty() {
            return Ok(self.clone());
        }
        insertions.sort_by_key(|(range, _)| range.start);
        let mut bytes = Vec::with_capacity(self.bytes.len() + 512);
        let mut from = 0;
        for (range, text) in insertions {
            bytes.extend_from_slice(&self.bytes[from..range.start]);
            bytes.extend_from_slice(text.as_bytes());
            from = range.end;
        }
        bytes.extend_from_slice(&self.bytes[from..]);
        let edited = Self::parse_packagecloud_rb(&bytes);
        if edited.edits_only_wanted_settings(self, wanted) {
            Ok(edited)
        } else {
            Err(ConfigEditRefusal::Unsure)
        }
    }

    /// Plans one value: at every place where the file may end, and at its end.
    fn plan_setting_edit<'a>(
        &self,
        plan: &mut ConfigEditPlan<'a>,
        key: CloudFrontSettingKey,
        value: &'a str,
        expressions: RubyExpressionEditMode,
    ) -> Result<(), ConfigEditRefusal> {
        let (index, off, literal) = (key as usize, is_switching_off(key, value), parse_ruby_literal(value));
        // From this offset on a marked line at the top of the file has settled the value.
        let mut settled_from = None;
        for exit in self.exits.iter().filter(|exit| off || !exit.is_failure) {
            let SettingAtExitPoint { state, insert_offset, is_top_level } = exit.values[index];
            let line = match (state.open, state.assigned) {
                (Some(open), _) if settled_from.is_some_and(|from| from > open.offset) => continue,
                (Some(open), _) => Some(open.line),
                (None, Some(at)) => {
                    plan.change_in_place(&self.assignments[at], value, &literal);
                    continue;
                }
                // Set nowhere is off, and what is settled above stays so.
                (None, None) if off || settled_from.is_some() => continue,
                (None, None) => None,
            };
            let Some(offset) = insert_offset else { return Err(ConfigEditRefusal::EarlyExit(exit.line)) };
            let (line, is_for_exit) = (line.unwrap_or(exit.line), line.is_none());
            plan.marked.push(MarkedLine { key, value, offset: Some(offset), line, is_for_exit });
            if is_top_level {
                settled_from = Some(offset);
            }
        }
        let SettingState { assigned, open } = self.end_states[index];
        let last = assigned.map(|at| &self.assignments[at]);
        let always = expressions == RubyExpressionEditMode::AppendAlways;
        match (open, last) {
            (Some(open), _) if settled_from.is_none_or(|from| from < open.offset) => {
                plan.marked.push(MarkedLine {
                    key,
                    value,
                    offset: None,
                    line: open.line,
                    is_for_exit: false,
                });
            }
            (None, Some(last)) if always && Some(last.start) != self.last_statement_start => {
                plan.marked.push(MarkedLine {
                    key,
                    value,
                    offset: None,
                    line: last.line,
                    is_for_exit: false,
                });
            }
            (None, Some(last)) => plan.change_in_place(last, value, &literal),
            (None, None) if settled_from.is_none() => plan.absent.push((key, value)),
            _ => {}
        }
        Ok(())
    }

    fn render_setting_line(&self, key: CloudFrontSettingKey, value: &str) -> String {
        let own = if self.is_hash_name_shadowed { "self." } else { "" };
        format!("{own}{RAILS_HASH}['{}'] = {value}", key.setting_name())
    }

    /// Returns what is inserted before statements that may end the file.
    fn render_marked_lines_before_exits(
        &self,
        marked: &[MarkedLine<'_>],
    ) -> Vec<(std::ops::Range<usize>, String)> {
        let eol = self.detect_config_line_ending();
        let mut insertions = Vec::new();
        for one in marked {
            let Some(at) = one.offset else { continue };
            let assignment = self.render_setting_line(one.key, one.value);
            let start = find_line_start(&self.bytes, at);
            let indent = &self.bytes[start..at];
            let text = if indent.iter().all(u8::is_ascii_whitespace) {
                let why = if one.is_for_exit {
                    "before the file may end here".to_owned()
                } else {
                    format!("overrides line {}", one.line)
                };
                let indent = String::from_utf8_lossy(indent);
                format!("{assignment} # packagecloud-cloudfront: {why}{eol}{indent}")
            } else {
                format!("{assignment}; ")
            };
            insertions.push((at..at, text));
        }
        insertions
    }

    /// Returns what is inserted at the end of what runs, and in the block: values that no line sets yet, and lines that
    /// overrule.
    fn render_end_of_config(&self, plan: &ConfigEditPlan<'_>) -> Vec<(std::ops::Range<usize>, String)> {
        let eol = self.detect_config_line_ending();
        let before = &self.bytes[..self.append_offset];
        let lines: Vec<String> =
            plan.absent.iter().map(|(key, value)| self.render_setting_line(*key, value)).collect();
        let ends: Vec<&MarkedLine<'_>> = plan.marked.iter().filter(|one| one.offset.is_none()).collect();
        let at = self.append_offset;
        if at < self.bytes.len() && find_line_start(&self.bytes, at) != at {
            // In the middle of a line, before a statement that ends the file.
            let ends = ends.into_iter().map(|one| self.render_setting_line(one.key, one.value));
            let text: String = lines.into_iter().chain(ends).map(|line| line + "; ").collect();
            return if text.is_empty() { Vec::new() } else { vec![(at..at, text)] };
        }
        let mut insertions = Vec::new();
        let mut tail = String::new();
        if let Some(at) = self.block_insert_offset.filter(|_| !lines.is_empty()) {
            insertions.push((at..at, lines.join(eol) + eol));
        } else if !lines.is_empty() {
            if !before.is_empty() && before != UTF8_BOM {
                tail += eol;
            }
            let lines = lines.iter().map(String::as_str);
            for line in [BLOCK_BEGIN_MARKER].into_iter().chain(lines).chain([BLOCK_END_MARKER]) {
                tail += line;
                tail += eol;
            }
        }
        for one in ends {
            tail += &self.render_setting_line(one.key, one.value);
            tail += &format!(" # packagecloud-cloudfront: overrides line {}{eol}", one.line);
        }
        if !tail.is_empty() {
            let open = !(before.is_empty() || before == UTF8_BOM || before.ends_with(b"\n"));
            // A line that ends with a backslash would take the next one in.
            let goes_on = before.trim_ascii_end().ends_with(b"\\") && plan.absent.is_empty();
            let gap = eol.repeat(usize::from(open) + usize::from(goes_on));
            insertions.push((at..at, format!("{gap}{tail}")));
        }
        insertions
    }

    /// Returns the file with each of `wanted` set, or, where there is no value, not set anywhere.
    ///
    /// # Errors
    /// As [`Self::render_config_with_values`]; and where an assignment that must go doesn't stand alone on its lines.
    pub fn render_config_with_restored_values(
        &self,
        wanted: &[(CloudFrontSettingKey, Option<String>)],
    ) -> Result<Self, ConfigEditRefusal> {
        if let Some(problem) = self.problem {
            return Err(ConfigEditRefusal::Unreadable(problem));
        }
        let gone: Vec<CloudFrontSettingKey> =
            wanted.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| *key).collect();
        let set: Vec<_> = wanted.iter().filter_map(|(key, value)| Some((*key, value.clone()?))).collect();
        let bytes = Self::parse_packagecloud_rb(&self.remove_setting_assignments(&gone)?)
            .render_config_with_values(&set, RubyExpressionEditMode::Refuse)?
            .remove_empty_config_block();
        let edited = Self::parse_packagecloud_rb(&bytes);
        let named: Vec<CloudFrontSettingKey> = wanted.iter().map(|(key, _)| *key).collect();
        let absent =
            gone.iter().all(|key| edited.find_assigned_value(RAILS_HASH, key.setting_name()).is_none());
        if absent && edited.has_same_unedited_assignments(self, &named) {
            Ok(edited)
        } else {
            Err(ConfigEditRefusal::Unsure)
        }
    }

    /// The bytes without the lines that set any of `keys`.
    fn remove_setting_assignments(
        &self,
        keys: &[CloudFrontSettingKey],
    ) -> Result<Vec<u8>, ConfigEditRefusal> {
        for key in keys {
            let SettingState { open, .. } = self.end_states[*key as usize];
            if let Some(open) = open {
                return Err(ConfigEditRefusal::Expressions(vec![(
                    *key,
                    open.line,
                    self.redact_config_line(open.line),
                )]));
            }
        }
        let mut bytes = self.bytes.clone();
        let mut found: Vec<&ConfigAssignment> = self
            .assignments
            .iter()
            .filter(|one| one.hash == RAILS_HASH && keys.iter().any(|key| key.setting_name() == one.key))
            .collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.right.start));
        for one in found {
            let range = find_removable_range(&bytes, one).ok_or(ConfigEditRefusal::Unsure)?;
            bytes.drain(range);
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

    /// The bytes without the lines that plainly set our values, and without our block.
    pub(super) fn list_bytes_of_others(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for one in self.assignments.iter().rev().filter(|one| one.hash == RAILS_HASH) {
            if CloudFrontSettingKey::ALL.iter().any(|key| key.setting_name() == one.key)
                && let Some(range) = find_removable_range(&bytes, one)
            {
                bytes.drain(range);
            }
        }
        let ours = [BLOCK_BEGIN_MARKER, BLOCK_END_MARKER].map(str::as_bytes);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let kept = lines.filter(|line| !ours.contains(&line.trim_ascii()));
        kept.collect::<Vec<_>>().concat().trim_ascii_end().to_vec()
    }

    /// Whether it sets what is `wanted` wherever it may end, and all else as `before` did.
    fn edits_only_wanted_settings(&self, before: &Self, wanted: &[(CloudFrontSettingKey, String)]) -> bool {
        let named: Vec<CloudFrontSettingKey> = wanted.iter().map(|(key, _)| *key).collect();
        self.has_same_unedited_assignments(before, &named)
            && self.exits.len() == before.exits.len()
            && wanted.iter().all(|(key, value)| {
                let (off, literal) = (is_switching_off(*key, value), parse_ruby_literal(value));
                let is_set = |state: SettingState| {
                    state.open.is_none()
                        && state.assigned.is_some_and(|at| self.assignments[at].value == literal)
                };
                let exits = self.exits.iter().filter(|exit| off || !exit.is_failure);
                is_set(self.end_states[*key as usize])
                    && exits
                        .map(|exit| exit.values[*key as usize].state)
                        .all(|state| is_set(state) || (off && state == SettingState::default()))
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
        self.problem.is_none() && rest(self) == rest(before)
    }

    fn detect_config_line_ending(&self) -> &'static str {
        let first = self.bytes.iter().position(|byte| *byte == b'\n');
        if first.is_some_and(|at| at > 0 && self.bytes[at - 1] == b'\r') { "\r\n" } else { "\n" }
    }
}

impl<'a> ConfigEditPlan<'a> {
    fn change_in_place(&mut self, one: &ConfigAssignment, value: &'a str, literal: &ConfigAssignedValue) {
        let known = self.in_place.iter().any(|(right, _)| *right == one.right);
        if one.value != *literal && !known {
            self.in_place.push((one.right.clone(), value));
        }
    }
}

fn is_switching_off(key: CloudFrontSettingKey, value: &str) -> bool {
    key == CloudFrontSettingKey::Enabled && value == "false"
}

/// Where the line of `at` begins, after a byte order mark.
fn find_line_start(bytes: &[u8], at: usize) -> usize {
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if start == 0 && bytes[..at].starts_with(UTF8_BOM) { UTF8_BOM.len() } else { start }
}

/// Returns where a line before a statement goes: to the start of its line, where nothing else stands before it there.
pub(super) fn find_insertion_start(bytes: &[u8], at: usize) -> usize {
    let start = find_line_start(bytes, at);
    if bytes[start..at].iter().all(u8::is_ascii_whitespace) { start } else { at }
}

/// What goes with an assignment that is taken out: its lines, or its part of a line.
fn find_removable_range(bytes: &[u8], one: &ConfigAssignment) -> Option<std::ops::Range<usize>> {
    let start = find_line_start(bytes, one.start);
    let head = bytes[start..one.start].trim_ascii();
    let end = bytes[one.right.end..].iter().position(|byte| *byte == b'\n');
    let end = end.map_or(bytes.len(), |at| one.right.end + at + 1);
    let tail = String::from_utf8_lossy(&bytes[one.right.end..end]).trim().to_owned();
    if head.is_empty() && (tail.is_empty() || tail.starts_with('#')) {
        return Some(start..end);
    }
    let rest = &bytes[one.right.end..end];
    let semicolon = tail.starts_with(';').then(|| rest.iter().position(|byte| *byte == b';'))??;
    let after = rest[semicolon + 1..].iter().take_while(|byte| **byte == b' ').count();
    Some(one.start..one.right.end + semicolon + 1 + after)
}

/// What a piece of Ruby source that we wrote is.
fn parse_ruby_literal(ruby: &str) -> ConfigAssignedValue {
    let file = ConfigFile::parse_packagecloud_rb(format!("x['y'] = {ruby}\n").as_bytes());
    file.find_assigned_value("x", "y").cloned().unwrap_or(ConfigAssignedValue::Expression)
}

/// Returns the unified diff between two contents of the file, secrets hidden, without its heading lines.
#[must_use]
pub fn render_redacted_diff(before: &ConfigFile, after: &ConfigFile) -> Vec<String> {
    if before.bytes == after.bytes {
        return Vec::new();
    }
    let mut known = [before.known_secrets(), after.known_secrets()].concat();
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let (before, after) = (String::from_utf8_lossy(&before.bytes), String::from_utf8_lossy(&after.bytes));
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
