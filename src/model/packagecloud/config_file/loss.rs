//! A packagecloud.rb that has lost its settings: empty, or cut off. A reconfigure would take them away from packagecloud.

use super::ConfigFile;

/// What a file has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigLoss {
    /// No line of it says anything.
    Empty,
    /// It ends where the earlier one goes on: the line, from 1, with which it ends.
    CutOff(usize),
}

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
        let mut last = 0;
        while let Some((number, line)) = now.next() {
            let (_, before) = then.next()?;
            // Whatever cut it may have cut its last line too.
            let same = if now.peek().is_none() { before.starts_with(line) } else { before == line };
            if !same {
                return None;
            }
            last = number;
        }
        // Whoever took out the last lines by hand may have meant it, but not with these among them.
        then.any(|(_, line)| has_any_mark(line, &VITAL_SETTING_MARKS)).then_some(ConfigLoss::CutOff(last))
    }
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
        for (now, loss) in [
            ("", Some(ConfigLoss::Empty)),
            ("# packagecloud\n\n", Some(ConfigLoss::Empty)),
            ("\0\0\0\0", Some(ConfigLoss::Empty)),
            ("# packagecloud\nexternal_url 'https://x'\n", Some(ConfigLoss::CutOff(2))),
            ("external_url 'https://x'\npackagecloud_ra", Some(ConfigLoss::CutOff(2))),
            (
                "external_url 'https://x'\npackagecloud_rails['a'] = 1\npackagecloud_rails['cloudfront_enabled'] = false\n",
                Some(ConfigLoss::CutOff(2)),
            ),
            (EARLIER, None),
            // Ours gone, and a line changed or taken out, are edits.
            (
                "external_url 'https://x'\npackagecloud_rails['a'] = 1\npackagecloud_rails['aws_s3_bucket'] = 'b'\n",
                None,
            ),
            ("external_url 'https://y'\n", None),
            ("packagecloud_rails['c'] = 3\n", None),
        ] {
            let file = ConfigFile::parse_packagecloud_rb(now.as_bytes());
            assert_eq!(file.find_loss_since(EARLIER.as_bytes()), loss, "{now:?}");
        }
        let empty = ConfigFile::parse_packagecloud_rb(b"");
        assert_eq!(empty.find_loss_since(b"# nothing\n"), None, "it never said anything");
        assert!(!empty.has_statements() && ConfigFile::parse_packagecloud_rb(b"a 1\n").has_statements());
    }
}
