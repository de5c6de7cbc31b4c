//! A quote that a line opens and doesn't close: Ruby names a line far below it, where the next quote stands.

use super::ConfigFile;

impl ConfigFile {
    /// Returns the first line, from 1 and no later than `last`, that opens a quote and doesn't close it; `None` where each is closed
    /// on its line. A string of several lines has such a line too: ask only where the file isn't Ruby.
    #[must_use]
    pub fn find_unclosed_quote_line(&self, last: usize) -> Option<usize> {
        let lines = self.bytes.split(|byte| *byte == b'\n').take(last);
        lines.enumerate().find(|(_, line)| has_unclosed_quote(line)).map(|(at, _)| at + 1)
    }
}

/// Returns whether a line ends inside a quote that it opened. A backslash takes the next byte's meaning, and a `#` outside of quotes
/// begins a comment.
fn has_unclosed_quote(line: &[u8]) -> bool {
    let mut open = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match (open, byte) {
            (_, b'\\') => drop(bytes.next()),
            (None, b'#') => break,
            (None, b'\'' | b'"') => open = Some(byte),
            (Some(quote), _) if quote == byte => open = None,
            _ => {}
        }
    }
    open.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_with_the_open_quote_is_named_where_there_is_one() {
        for (text, last, line) in [
            ("a = 'x'\nb = 'mail.example.com\n\n# don't\nc['k'] = 'v'\n", 5, Some(2)),
            ("a = \"it's\"\nb = 'say \"x'\nc = 'a\\'b'\nd = \"open\n", 4, Some(4)),
            // It stands behind the line that isn't Ruby.
            ("a = )\nb = 'open\n", 1, None),
            ("# it's a comment\na = 1 # isn't it\nb = )\n", 3, None),
            ("a = 'x\r\nb = 1\r\n", 2, Some(1)),
            ("", 1, None),
        ] {
            let file = ConfigFile::parse_packagecloud_rb(text.as_bytes());
            assert_eq!(file.find_unclosed_quote_line(last), line, "{text:?}");
        }
    }
}
