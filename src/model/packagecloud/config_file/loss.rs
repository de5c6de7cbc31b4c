//! A packagecloud.rb that has lost its settings: empty, or cut off. A reconfigure would take them away from packagecloud.

use super::ConfigFile;

/// What a file has lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigLoss {
    /// No line of it says anything.
    Empty,
    /// It ends where the earlier one goes on.
    CutOff {
        /// The line, from 1, with which it ends.
        last_line: usize,
        /// The settings that the earlier one goes on with, of those that a reconfigure may not take away.
        missing: Vec<String>,
    },
}

/// The line that says of a file that it is meant to end with it.
pub const COMPLETE_CONFIG_LINE: &str = "# complete";

/// What a reconfigure may not take away: where packages lie, with which keys, and under which name it is reached.
const VITAL_SETTING_MARKS: [&str; 3] = ["aws_", "bucket", "external_url"];

/// What marks a line that this program may have added, changed or removed since.
const OWN_LINE_MARKS: [&str; 2] = ["cloudfront_", "packagecloud-cloudfront"];

impl ConfigFile {
    /// Returns whether any line before `__END__` is more than a blank or a comment.
    #[must_use]
    pub fn has_statements(&self) -> bool {
        let end = self.data_offset.unwrap_or(self.bytes.len());
        list_saying_lines(&self.bytes[..end]).next().is_some()
    }

    /// Returns what the file has lost of an `earlier` content, by its lines; ours don't count, since they come and go.
    #[must_use]
    pub fn find_loss_since(&self, earlier: &[u8]) -> Option<ConfigLoss> {
        let mut then = list_saying_lines(earlier).peekable();
        then.peek()?;
        let mut now = list_saying_lines(&self.bytes).peekable();
        if now.peek().is_none() {
            return Some(ConfigLoss::Empty);
        }
        let mut last_line = 0;
        while let Some((number, line)) = now.next() {
            let (_, before) = then.next()?;
            // Whatever cut it may have cut its last line too.
            let same = if now.peek().is_none() { before.starts_with(line) } else { before == line };
            if !same {
                return None;
            }
            last_line = number;
        }
        if self.ends_in_new_complete_line(earlier) {
            return None;
        }
        // Whoever took out the last lines by hand may have meant it, but not with these among them. One that stands there as a
        // comment was taken out by somebody.
        let missing: Vec<String> = then
            .filter(|(_, line)| has_any_mark(line, &VITAL_SETTING_MARKS) && !self.has_commented_out(line))
            .map(|(_, line)| name_setting_of_line(line))
            .collect();
        (!missing.is_empty()).then_some(ConfigLoss::CutOff { last_line, missing })
    }

    /// Whether a comment holds this very line.
    fn has_commented_out(&self, line: &[u8]) -> bool {
        let text = |comment: &[u8]| {
            let start = comment.iter().position(|byte| *byte != b'#' && !byte.is_ascii_whitespace());
            start.is_some_and(|start| comment[start..].starts_with(line))
        };
        let mut lines = self.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.any(|one| one.starts_with(b"#") && text(one))
    }

    /// Whether somebody has said since that the file is complete: a file that was cut off does so only if it was said before.
    fn ends_in_new_complete_line(&self, earlier: &[u8]) -> bool {
        let is_complete_line = |line: &&[u8]| line.trim_ascii() == COMPLETE_CONFIG_LINE.as_bytes();
        let count = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').filter(is_complete_line).count();
        count(&self.bytes) > count(earlier)
    }
}

/// The name of the setting that a line sets, `b` of `a['b'] = 'c'` and `a` of `a 'c'`; never its value, which may be a secret.
fn name_setting_of_line(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let is_no_name = |one: char| !one.is_ascii_alphanumeric() && one != '_';
    let (first, rest) = text.split_at(text.find(is_no_name).unwrap_or(text.len()));
    let key = rest.strip_prefix('[').and_then(|key| key.split(is_no_name).find(|word| !word.is_empty()));
    key.unwrap_or(first).to_owned()
}

/// The lines, from 1, that are neither blank nor a comment nor ours.
fn list_saying_lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(bytes.split(|byte| *byte == b'\n')).filter_map(|(number, line)| {
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii();
        let says = !line.is_empty() && line[0] != b'#' && line.iter().any(|byte| *byte != 0);
        (says && !has_any_mark(line, &OWN_LINE_MARKS)).then_some((number, line))
    })
}

fn has_any_mark(line: &[u8], marks: &[&str]) -> bool {
    marks.iter().any(|mark| line.windows(mark.len()).any(|part| part == mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "# packagecloud\nexternal_url 'https://x'\npackagecloud_rails['a'] = 1\npackagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['aws_s3_bucket'] = 'b'\npackagecloud_rails['c'] = 3\n";

    #[test]
    fn what_is_gone_is_told_from_what_was_edited() {
        let cut_off = |last_line, missing: &[&str]| {
            let missing = missing.iter().map(|&name| name.to_owned()).collect();
            Some(ConfigLoss::CutOff { last_line, missing })
        };
        for (now, loss) in [
            ("", Some(ConfigLoss::Empty)),
            ("# packagecloud\n\n", Some(ConfigLoss::Empty)),
            ("\0\0\0\0", Some(ConfigLoss::Empty)),
            ("# packagecloud\nexternal_url 'https://x'\n", cut_off(2, &["aws_s3_bucket"])),
            ("external_url 'https://x'\npackagecloud_ra", cut_off(2, &["aws_s3_bucket"])),
            (
                "external_url 'https://x'\npackagecloud_rails['a'] = 1\npackagecloud_rails['cloudfront_enabled'] = false\n",
                cut_off(2, &["aws_s3_bucket"]),
            ),
            (EARLIER, None),
            // Ours gone, and a line changed or taken out, are edits.
            (
                "external_url 'https://x'\npackagecloud_rails['a'] = 1\npackagecloud_rails['aws_s3_bucket'] = 'b'\n",
                None,
            ),
            ("external_url 'https://y'\n", None),
            ("packagecloud_rails['c'] = 3\n", None),
            // So is a line that stands there as a comment, and what somebody says is complete.
            (
                "external_url 'https://x'\npackagecloud_rails['a'] = 1\n  ## packagecloud_rails['aws_s3_bucket'] = 'b' # moved",
                None,
            ),
            ("external_url 'https://x'\npackagecloud_ra\n# complete\n", None),
            (
                "external_url 'https://x'\npackagecloud_rails['a'] = 1\n# aws_s3_bucket is elsewhere\n",
                cut_off(2, &["aws_s3_bucket"]),
            ),
        ] {
            let file = ConfigFile::parse_packagecloud_rb(now.as_bytes());
            assert_eq!(file.find_loss_since(EARLIER.as_bytes()), loss, "{now:?}");
        }
        let empty = ConfigFile::parse_packagecloud_rb(b"");
        assert_eq!(empty.find_loss_since(b"# nothing\n"), None, "it never said anything");
        assert!(!empty.has_statements() && ConfigFile::parse_packagecloud_rb(b"a 1\n").has_statements());
    }

    #[test]
    fn what_was_called_complete_before_says_nothing_of_now() {
        let earlier = b"a 1\n# complete\nexternal_url 'x'\naws_region \"r\"\n";
        let file = ConfigFile::parse_packagecloud_rb(b"a 1\n# complete\n");
        assert_eq!(
            file.find_loss_since(earlier),
            Some(ConfigLoss::CutOff {
                last_line: 1,
                missing: vec!["external_url".to_owned(), "aws_region".to_owned()]
            })
        );
        let file = ConfigFile::parse_packagecloud_rb(b"a 1\n# complete\n\n# complete\n");
        assert_eq!(file.find_loss_since(earlier), None);
    }
}
