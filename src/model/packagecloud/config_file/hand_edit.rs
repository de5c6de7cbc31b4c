//! An edit of packagecloud.rb as a command to type, for where this program can't write the file.

use similar::{DiffTag, TextDiff};

use super::ConfigFile;
use crate::model::redact;

/// No line that is to be typed is longer, in characters.
const TYPED_LINE_CHARS_MAX: usize = 200;

/// Returns the `sed` script that makes `after` of `before`, one expression an edit; `None` where nothing differs, or where
/// it would hold a secret or a line that nobody can type.
///
/// GNU sed's forms: `N c\text`, `N i\text`, `$ a\text`, with backslashes and line ends in the text escaped.
#[must_use]
pub fn render_hand_edit_script(before: &ConfigFile, after: &ConfigFile) -> Option<Vec<String>> {
    let (old, new) = (std::str::from_utf8(&before.bytes).ok()?, std::str::from_utf8(&after.bytes).ok()?);
    let diff = TextDiff::from_lines(old, new);
    let known = [before.known_secrets(), after.known_secrets()].concat();
    let mut script = Vec::new();
    for operation in diff.ops() {
        let (from, to) = (operation.old_range().start, operation.old_range().end);
        let lines = &diff.new_slices()[operation.new_range()];
        let place = if to - from > 1 { format!("{},{to}", from + 1) } else { (from + 1).to_string() };
        script.push(match operation.tag() {
            DiffTag::Equal => continue,
            DiffTag::Delete => format!("{place}d"),
            DiffTag::Replace => format!("{place}c\\{}", render_typed_lines(lines, &known)?),
            DiffTag::Insert if from == diff.old_slices().len() => {
                format!("$a\\{}", render_typed_lines(lines, &known)?)
            }
            DiffTag::Insert => format!("{}i\\{}", from + 1, render_typed_lines(lines, &known)?),
        });
    }
    (!script.is_empty() && !old.is_empty()).then_some(script)
}

impl ConfigFile {
    /// Returns what `cksum` says of the file's bytes on standard input: `4294967295 0`.
    #[must_use]
    pub fn posix_checksum(&self) -> String {
        const POLYNOMIAL: u32 = 0x04c1_1db7;
        let length = self.bytes.len();
        // The length follows the bytes, its lowest byte first, as many as it has.
        let length_bytes =
            (0..size_of_val(&length)).map(|at| length >> (8 * at)).take_while(|rest| *rest != 0);
        let all = self.bytes.iter().copied().chain(length_bytes.map(|rest| (rest & 0xff) as u8));
        let sum = all.fold(0_u32, |sum, byte| {
            (0..8).fold(sum ^ (u32::from(byte) << 24), |sum, _| {
                if sum >> 31 == 1 { (sum << 1) ^ POLYNOMIAL } else { sum << 1 }
            })
        });
        format!("{} {length}", !sum)
    }
}

/// Renders lines as the text of one sed command.
fn render_typed_lines(lines: &[&str], secrets: &[String]) -> Option<String> {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let line = line.strip_suffix('\n').unwrap_or(line);
            let fits = line.chars().count() <= TYPED_LINE_CHARS_MAX
                && redact::redact_secrets_in_line(line, secrets) == line;
            fits.then(|| line.replace('\\', r"\\").replace('\r', r"\r"))
        })
        .collect::<Option<_>>()?;
    Some(lines.join(r"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::packagecloud::{
        config_file::RubyExpressionEditMode,
        settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    };

    /// The script that switches `text` off, and what the machine's own sed makes of it.
    fn switch_off_by_hand(text: &str) -> (Vec<String>, String) {
        let before = ConfigFile::parse_packagecloud_rb(text.as_bytes());
        let off = CloudFrontSettingValues { enabled: Some(false), ..CloudFrontSettingValues::default() };
        let after = before
            .render_config_with_values(
                &off.render_setting_edits(&[CloudFrontSettingKey::Enabled]),
                RubyExpressionEditMode::Append,
            )
            .unwrap();
        let script = render_hand_edit_script(&before, &after).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("packagecloud.rb");
        std::fs::write(&file, text).unwrap();
        let mut sed = std::process::Command::new("sed");
        sed.arg("-i");
        script.iter().for_each(|one| {
            sed.args(["-e", one]);
        });
        assert!(sed.arg(&file).status().unwrap().success());
        let typed = std::fs::read_to_string(&file).unwrap();
        assert_eq!(typed, String::from_utf8(after.config_file_bytes().to_vec()).unwrap(), "{script:?}");
        (script, typed)
    }

    #[test]
    fn what_is_typed_makes_the_same_file_whatever_stands_in_it() {
        let on = "packagecloud_rails['cloudfront_enabled'] = true";
        for text in [
            format!("external_url 'https://x'\n{on}\n"),
            format!("external_url 'https://x'\n{on}\n__END__\nnotes\n"),
            format!("{on}\nreturn if ENV['A']\npackagecloud_rails['a'] = 1\n"),
            format!("external_url 'https://x'\n  {on} # \\d \"x\" $HOME `x`\n"),
            "packagecloud_rails['cloudfront_enabled'] = ENV['A']\n__END__\n".to_owned(),
            "packagecloud_rails['cloudfront_enabled'] = ENV['A']\n".to_owned(),
            format!("{on}\r\nexternal_url 'https://x'\r\n"),
        ] {
            let (script, typed) = switch_off_by_hand(&text);
            let file = ConfigFile::parse_packagecloud_rb(typed.as_bytes());
            assert!(!file.may_cloudfront_be_on(), "{text}: {script:?}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_machines_own_cksum() {
        use std::io::Write as _;
        for text in ["", "a", "packagecloud_rails['cloudfront_enabled'] = true\n", &"ü\n".repeat(40_000)] {
            let mut cksum = std::process::Command::new("cksum");
            cksum.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
            let mut child = cksum.spawn().unwrap();
            child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
            let file = ConfigFile::parse_packagecloud_rb(text.as_bytes());
            assert_eq!(file.posix_checksum(), said.trim());
        }
    }

    #[test]
    fn one_plain_line_is_one_short_command() {
        let (script, _) =
            switch_off_by_hand("a 'x'\npackagecloud_rails['cloudfront_enabled'] = true\n__END__\n");
        assert_eq!(script, [r"2c\packagecloud_rails['cloudfront_enabled'] = false"]);
    }

    #[test]
    fn a_line_with_a_secret_is_not_to_be_typed() {
        let parse = |text: &str| ConfigFile::parse_packagecloud_rb(text.as_bytes());
        let secret = "; packagecloud_rails['cloudfront_secret'] = 'bm9ib2R5c2hvdWxkc2VldGhpc3NlY3JldA=='\n";
        let before = parse(&format!("packagecloud_rails['cloudfront_enabled'] = true{secret}"));
        let after = parse(&format!("packagecloud_rails['cloudfront_enabled'] = false{secret}"));
        assert_eq!(render_hand_edit_script(&before, &after), None);
        assert_eq!(render_hand_edit_script(&before, &before), None);
    }
}
