//! What is typed where this program can't read or write packagecloud.rb: one command, right wherever Ruby's last word stands.

use std::path::Path;

use crate::host::Host;
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::{
        config_file::{ConfigFile, render_hand_edit_script},
        settings::{CloudFrontSettingKey, RAILS_HASH},
    },
};

/// The lines to type, where a secret is among them.
const LINES_TO_TYPE_FILE: &str = "lines-to-type";

impl Host {
    /// Renders the command that switches CloudFront off in a file that can't be read from here; one that is gone or empty
    /// it leaves alone, since a reconfigure after it would delete packagecloud's settings.
    #[must_use]
    pub fn render_disable_by_hand(&self) -> String {
        self.render_edit_by_hand(&[(CloudFrontSettingKey::Enabled, "false".to_owned())], None)
    }

    /// Ends a failure to read or write the file with the command to type once its cause is mended; `edited` is the file, and
    /// as it should be, where both are known.
    pub(super) fn append_edit_by_hand(
        &self,
        mut failure: Failure,
        edited: Option<(&ConfigFile, &ConfigFile)>,
        wanted: &[(CloudFrontSettingKey, String)],
    ) -> Failure {
        if failure.kind == FailureKind::Drifted {
            return failure;
        }
        let script = edited.and_then(|(before, after)| render_hand_edit_script(before, after));
        let typed = match (script, self.keep_lines_to_type(wanted)) {
            (Some(script), _) => self.render_edit_by_hand(wanted, Some(script)),
            (None, Some(command)) => format!("to do it by hand: {command}"),
            (None, None) if wanted.is_empty() => self.render_disable_by_hand(),
            (None, None) => self.render_edit_by_hand(wanted, None),
        };
        failure.next = format!("{}; or, after that, {typed}", failure.next.trim_end_matches('.'));
        failure.facts.tells_manual_steps = true;
        failure
    }

    /// Puts lines with a secret, which is never said, into a file of this user's; returns the command that appends it.
    fn keep_lines_to_type(&self, wanted: &[(CloudFrontSettingKey, String)]) -> Option<String> {
        wanted.iter().find(|(key, _)| *key == CloudFrontSettingKey::Secret)?;
        let text: String = wanted.iter().map(|setting| render_setting_line(setting) + "\n").collect();
        let name = self.build_host_note_file_name(LINES_TO_TYPE_FILE);
        let kept = self.state.write_state_dir_file(&name, text.as_bytes()).ok()?;
        let (kept, path) = (quote_shell_path(&kept), quote_shell_path(&self.config));
        Some(match self.transport.remote_host_name() {
            None => format!("cat {kept} >> {path}"),
            Some(name) => format!("ssh {name} 'cat >> {path}' < {kept}"),
        })
    }

    /// Renders `sed` with a script, or with one that makes `wanted` the last lines that Ruby reads, and what follows it.
    fn render_edit_by_hand(
        &self,
        wanted: &[(CloudFrontSettingKey, String)],
        script: Option<Vec<String>>,
    ) -> String {
        let off = matches!(wanted, [(CloudFrontSettingKey::Enabled, value)] if value == "false");
        let verb = if off { "to switch CloudFront off by hand" } else { "to do it by hand" };
        let script = script.unwrap_or_else(|| render_appending_script(wanted));
        let edits: Vec<String> = script.iter().map(|one| format!("-e {}", quote_for_shell(one))).collect();
        let (ctl, path) = (self.ctl.render_ctl_command_line(), quote_shell_path(&self.config));
        format!(
            "{verb}{}, as root: test -s {path} && sed -i {} {path} && {ctl} reconfigure && {ctl} restart",
            self.transport.remote_host_name().map(|name| format!(" on {name}")).unwrap_or_default(),
            edits.join(" "),
        )
    }
}

fn render_setting_line((key, value): &(CloudFrontSettingKey, String)) -> String {
    format!("{RAILS_HASH}['{}'] = {value}", key.setting_name())
}

/// The sed script for a file that nobody has read: before `__END__`, where there is one, and at the end.
fn render_appending_script(wanted: &[(CloudFrontSettingKey, String)]) -> Vec<String> {
    let lines: Vec<String> = wanted.iter().map(render_setting_line).collect();
    let lines = lines.join(r"\n");
    vec![format!(r"/^__END__\r*$/i\{lines}"), format!(r"$a\{lines}")]
}

/// Quotes a word for the shell: by double quotes where it holds single ones, which are read more easily so.
fn quote_for_shell(word: &str) -> String {
    if !word.contains('\'') || word.contains('!') {
        return shell_words::quote(word).into_owned();
    }
    let mut quoted = String::from('"');
    let mut rest = word.chars().peekable();
    while let Some(one) = rest.next() {
        let is_special = match one {
            '$' | '`' | '"' => true,
            // Within double quotes a backslash stays one, but before these.
            '\\' => rest.peek().is_none_or(|next| r#"$`"\"#.contains(*next)),
            _ => false,
        };
        if is_special {
            quoted.push('\\');
        }
        quoted.push(one);
    }
    quoted.push('"');
    quoted
}

/// Quotes a path for the shell.
pub(super) fn quote_shell_path(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the shell and sed make of the file's text with a script, as they are typed.
    fn type_script(script: &[String], text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("packagecloud.rb");
        std::fs::write(&file, text).unwrap();
        let edits: Vec<String> = script.iter().map(|one| format!("-e {}", quote_for_shell(one))).collect();
        let line = format!("sed -i {} {}", edits.join(" "), quote_shell_path(&file));
        assert!(std::process::Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line}");
        std::fs::read_to_string(&file).unwrap()
    }

    #[test]
    fn what_is_typed_for_a_file_that_nobody_read_is_off_wherever_it_ends() {
        let script = render_appending_script(&[(CloudFrontSettingKey::Enabled, "false".to_owned())]);
        let on = "packagecloud_rails['cloudfront_enabled'] = ENV['A']";
        for text in [
            format!("{on}\n"),
            on.to_owned(),
            format!("{on}\n__END__\nnotes\n"),
            format!("{on}\r\n__END__\r\nnotes\r\n"),
        ] {
            let file = ConfigFile::parse_packagecloud_rb(type_script(&script, &text).as_bytes());
            assert!(!file.may_cloudfront_be_on(), "{text:?}");
        }
    }

    #[test]
    fn the_shell_gives_a_script_to_sed_as_it_stands() {
        for line in [r#"a 'b' = $HOME `id` "x" \d \\ end"#, "plain", r"it's \", "it's! done"] {
            let typed = type_script(&[format!(r"$a\{}", line.replace('\\', r"\\"))], "first\n");
            assert_eq!(typed, format!("first\n{line}\n"));
        }
    }
}
