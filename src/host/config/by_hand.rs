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
        let off = [(CloudFrontSettingKey::Enabled, "false".to_owned())];
        self.render_edit_by_hand(&off, &render_appending_script(&off), None)
    }

    /// Ends a failure to read or write the file with the command to type once its cause is mended; `edited` is the file, and
    /// as it should be, where both are known.
    pub(super) fn append_edit_by_hand(
        &self,
        mut failure: Failure,
        edited: Option<(&ConfigFile, &ConfigFile)>,
        wanted: &[(CloudFrontSettingKey, String)],
    ) -> Failure {
        // Of a file that isn't there there is nothing to edit: how it comes back is said in place of that.
        if failure.kind == FailureKind::Drifted || self.is_config_missing(&failure) {
            return failure;
        }
        let script = edited.and_then(|(before, after)| render_hand_edit_script(before, after));
        let has_secret = wanted.iter().any(|(key, _)| *key == CloudFrontSettingKey::Secret);
        let typed = match script {
            Some(script) => {
                let unchanged = edited.map(|(before, _)| before.posix_checksum());
                Some(self.render_edit_by_hand(wanted, &script, unchanged.as_deref()))
            }
            None if has_secret => self.render_secret_edit_by_hand(wanted),
            None if wanted.is_empty() => Some(self.render_disable_by_hand()),
            None => Some(self.render_edit_by_hand(wanted, &render_appending_script(wanted), None)),
        };
        // A secret that can't be kept for the operator isn't said either: then its cause comes first.
        let Some(typed) = typed else { return failure };
        failure.next = format!("{}; or, after that, {typed}", failure.next.trim_end_matches('.'));
        failure.facts.tells_manual_steps = true;
        failure
    }

    /// Puts lines with a secret, which is never said, into a file of this user's, and renders the command that makes them the
    /// last ones that Ruby reads; `None` where there is no place for them.
    fn render_secret_edit_by_hand(&self, wanted: &[(CloudFrontSettingKey, String)]) -> Option<String> {
        let text: String = wanted.iter().map(|setting| render_setting_line(setting) + "\n").collect();
        let name = self.build_host_note_file_name(LINES_TO_TYPE_FILE);
        let kept = self.state.write_state_dir_file(&name, text.as_bytes()).ok()?;
        let Some(line) = self.transport.find_ssh_client() else {
            return Some(format!("to do it by hand, as root: {}", self.render_insert_command(&kept)));
        };
        // There it lies in the user's home directory, in which ssh begins, and which sudo doesn't leave.
        let insert = self.render_insert_command(Path::new(LINES_TO_TYPE_FILE));
        let insert = if line.is_remote_user_root() {
            insert
        } else {
            format!("sudo sh -c {}", quote_for_shell(&insert))
        };
        let kept = quote_shell_path(&kept);
        let send = line.render_shell_line_command(&format!("umask 077 && cat > {LINES_TO_TYPE_FILE}"), false);
        let run = line.render_shell_line_command(&insert, true);
        Some(format!("to do it by hand, from here: {send} < {kept} && {run} && rm -f {kept}"))
    }

    /// Renders the command that makes the lines of the file at `kept` the last ones that Ruby reads, and what follows it.
    fn render_insert_command(&self, kept: &Path) -> String {
        let script = render_inserting_script(kept);
        self.render_edit_command(
            &format!("test -s {}", quote_shell_path(&self.config)),
            &script,
            &format!("rm -f {} && ", quote_shell_path(kept)),
        )
    }

    /// Renders the edit by a script of sed, for a file that is as it was (`unchanged`, its checksum) or that nobody has read,
    /// and what follows it.
    fn render_edit_by_hand(
        &self,
        wanted: &[(CloudFrontSettingKey, String)],
        script: &[String],
        unchanged: Option<&str>,
    ) -> String {
        let off = matches!(wanted, [(CloudFrontSettingKey::Enabled, value)] if value == "false");
        let verb = if off { "to switch CloudFront off by hand" } else { "to do it by hand" };
        let path = quote_shell_path(&self.config);
        let (guard, note) = match unchanged {
            Some(checksum) => (
                format!(r#"test "$(cksum < {path})" = '{checksum}'"#),
                " (it does nothing if the file has changed since)",
            ),
            None => (format!("test -s {path}"), ""),
        };
        format!(
            "{verb}{}, as root{note}: {}",
            self.render_host_suffix(),
            self.render_edit_command(&guard, script, "")
        )
    }

    /// Renders what is typed: where `guard` holds, the edit, then `cleanup`, and what makes packagecloud follow.
    fn render_edit_command(&self, guard: &str, script: &[String], cleanup: &str) -> String {
        let edits: Vec<String> = script.iter().map(|one| format!("-e {}", quote_for_shell(one))).collect();
        let rewrite = render_rewrite_command(&self.config, &format!("sed {}", edits.join(" ")));
        format!("{guard} && {rewrite} && {cleanup}{}", self.ctl.render_reconfigure_and_restart())
    }
}

/// Renders the command that passes a file through `filter`: by a new file beside it with the same mode, whose bytes are then
/// written over the old one's. So a link stays one, a file that is mounted by itself can be written, and where anything
/// fails one of the two is whole.
pub(super) fn render_rewrite_command(path: &Path, filter: &str) -> String {
    let new = quote_shell_path(&path.with_added_extension("new"));
    let path = quote_shell_path(path);
    format!("cp -p {path} {new} && {filter} < {path} > {new} && cat {new} > {path} && rm -f {new}")
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

/// The sed script that puts the lines of the file at `kept` before `__END__`, and where there is none at the end.
fn render_inserting_script(kept: &Path) -> Vec<String> {
    vec![
        format!(r"/^__END__\r*$/{{e cat {}", quote_shell_path(kept)),
        ":a".to_owned(),
        "n;ba".to_owned(),
        "}".to_owned(),
        format!("$r {}", kept.display()),
    ]
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
    use crate::host::config::tests::{enabled_values, host_with_config, run_shell_line};

    const ON: &str = "packagecloud_rails['cloudfront_enabled'] = ENV['A']";

    /// What the shell and sed make of the file's text with a script, as they are typed.
    fn type_script(script: &[String], text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("packagecloud.rb");
        std::fs::write(&file, text).unwrap();
        let edits: Vec<String> = script.iter().map(|one| format!("-e {}", quote_for_shell(one))).collect();
        let line = render_rewrite_command(&file, &format!("sed {}", edits.join(" ")));
        assert!(run_shell_line(&line), "{line}");
        std::fs::read_to_string(&file).unwrap()
    }

    /// What is typed, of a failure's next move.
    fn find_typed_line(failure: &Failure) -> &str {
        let (_, typed) = failure.next.split_once("by hand").unwrap_or_else(|| panic!("{failure:?}"));
        typed.split_once(": ").unwrap().1
    }

    #[test]
    fn a_link_stays_one_and_a_mode_and_other_names_of_the_file_stay() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("it's managed"), dir.path().join("packagecloud.rb"));
        std::fs::write(&target, "a\n").unwrap();
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let inode = std::fs::metadata(&target).unwrap().ino();
        assert!(run_shell_line(&render_rewrite_command(&link, "sed -e 's/a/b/'")));
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let meta = std::fs::metadata(&target).unwrap();
        assert_eq!((meta.ino(), meta.mode() & 0o777), (inode, 0o600));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "b\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_script_by_line_numbers_does_nothing_to_a_file_that_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let on = "packagecloud_rails['cloudfront_enabled'] = true\n";
        let off = on.replace("true", "false");
        let host = Host { ctl: "true".parse().unwrap(), ..host_with_config(dir.path(), on) };
        let files = [on, &off].map(|text| ConfigFile::parse_packagecloud_rb(text.as_bytes()));
        let wanted = [(CloudFrontSettingKey::Enabled, "false".to_owned())];
        let failure = Failure::new_generic_failure("the disk", "it is full", "make room");
        let failure = host.append_edit_by_hand(failure, Some((&files[0], &files[1])), &wanted);
        assert!(failure.next.contains("nothing if the file has changed"), "{}", failure.next);
        let changed = format!("external_url 'https://x'\n{on}");
        std::fs::write(&host.config, &changed).unwrap();
        assert!(!run_shell_line(find_typed_line(&failure)));
        assert_eq!(std::fs::read_to_string(&host.config).unwrap(), changed);
        std::fs::write(&host.config, on).unwrap();
        assert!(run_shell_line(find_typed_line(&failure)), "{}", failure.next);
        assert_eq!(std::fs::read_to_string(&host.config).unwrap(), off);
    }

    #[test]
    fn a_secret_is_kept_only_where_it_is_to_be_typed() {
        let dir = tempfile::tempdir().unwrap();
        let host = host_with_config(dir.path(), "");
        let kept = dir.path().join("state").join(LINES_TO_TYPE_FILE);
        let secret = "packagecloud_rails['cloudfront_secret'] = 'c2VjcmV0c2VjcmV0c2VjcmV0'\n";
        let domain = |name: &str| format!("packagecloud_rails['cloudfront_packages_domain'] = '{name}'\n");
        let texts = [secret.to_owned() + &domain("a"), secret.to_owned() + &domain("b")];
        let files = texts.map(|text| ConfigFile::parse_packagecloud_rb(text.as_bytes()));
        let failure = || Failure::new_generic_failure("the disk", "it is full", "make room");
        let typed = host.append_edit_by_hand(failure(), Some((&files[0], &files[1])), &enabled_values());
        assert!(typed.next.contains("2c\\"), "{}", typed.next);
        assert!(!kept.exists(), "nobody was told of it");
        let typed = host.append_edit_by_hand(failure(), None, &enabled_values());
        assert!(typed.next.contains(kept.to_str().unwrap()) && kept.exists(), "{}", typed.next);
        std::fs::remove_dir_all(dir.path().join("state")).unwrap();
        let typed = host.append_edit_by_hand(failure(), None, &enabled_values());
        assert!(!typed.next.contains("c2Vj"), "{}", typed.next);
    }

    #[test]
    fn a_secret_that_is_typed_is_ruby_s_last_word_wherever_the_file_ends() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host { ctl: "true".parse().unwrap(), ..host_with_config(dir.path(), "") };
        for before in
            ["a 1\n", "a 1", "a 1\n__END__\nnotes\nmore", "a 1\r\n__END__\r\n", "__END__\n", "a 1\n__END__"]
        {
            std::fs::write(&host.config, before).unwrap();
            let failure = Failure::new_generic_failure("the disk", "it is full", "make room");
            let failure = host.append_edit_by_hand(failure, None, &enabled_values());
            assert!(failure.next.contains("to do it by hand, as root: "), "{}", failure.next);
            assert!(failure.next.ends_with(" && true reconfigure && true restart"), "{}", failure.next);
            assert!(run_shell_line(find_typed_line(&failure)), "{}", failure.next);
            let text = std::fs::read_to_string(&host.config).unwrap();
            let file = ConfigFile::parse_packagecloud_rb(text.as_bytes());
            let values = file.cloudfront_setting_values();
            assert!(values.enabled == Some(true) && values.secret.is_some(), "{before:?}: {text:?}");
            assert_eq!(text.matches("cloudfront_secret").count(), 1, "{before:?}: {text:?}");
            let names = std::fs::read_dir(dir.path().join("state")).unwrap();
            let left = |name: std::ffi::OsString| name.to_string_lossy().contains(LINES_TO_TYPE_FILE);
            assert!(!names.flatten().any(|entry| left(entry.file_name())), "the secret is left behind");
        }
    }

    #[test]
    fn a_secret_for_another_host_is_typed_here_and_written_there_as_root() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        // ssh begins in the home directory of a host that is this machine.
        let ssh = dir.path().join("ssh");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" != -t ] || shift\n[ \"$1\" = deploy@web1 ] && cd {} && exec sh -c \"$2\"\n",
            quote_shell_path(&home)
        );
        std::fs::write(&ssh, script).unwrap();
        std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
        let here = Host { ctl: "true".parse().unwrap(), ..host_with_config(dir.path(), "it 'is'\n") };
        let line = crate::host::SshClient::new("deploy@web1", "ssh").unwrap();
        let host = Host { transport: crate::host::HostTransport::Ssh(line), ..here };
        let failure = Failure::new_generic_failure("the disk", "it is full", "make room");
        let failure = host.append_edit_by_hand(failure, None, &enabled_values());
        let typed = find_typed_line(&failure);
        let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
        let status = std::process::Command::new("sh").args(["-c", typed]).env("PATH", path).status();
        assert!(status.unwrap().success(), "{typed}");
        let text = std::fs::read_to_string(&host.config).unwrap();
        assert!(text.starts_with("it 'is'\n") && text.contains("c2Vj"), "{text}");
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0, "the secret is left behind");
    }

    #[test]
    fn what_is_typed_for_a_file_that_nobody_read_is_off_wherever_it_ends() {
        let script = render_appending_script(&[(CloudFrontSettingKey::Enabled, "false".to_owned())]);
        for text in [
            format!("{ON}\n"),
            ON.to_owned(),
            format!("{ON}\n__END__\nnotes\n"),
            format!("{ON}\r\n__END__\r\nnotes\r\n"),
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
