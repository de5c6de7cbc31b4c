//! What a command writes, cut into lines of bounded length, without private keys.

/// What is shown of one line; a longer one is cut.
const SHOWN_LINE_BYTES_MAX: usize = 4096;
/// What is kept of one line until its end comes. The redactor sees all of it, so a secret that is cut here lies far
/// behind what is shown.
const KEPT_LINE_BYTES_MAX: usize = 65_536;

/// Bytes as they come, split into lines.
#[derive(Default)]
pub(super) struct LineSplitter {
    /// A line whose end hasn't come, as far as it is kept.
    open: Vec<u8>,
}

impl LineSplitter {
    /// Takes bytes, and gives each line that they end.
    pub(super) fn split_bytes_into_lines(&mut self, bytes: &[u8], on_line: &mut (dyn FnMut(&str) + Send)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.append_to_open_line(&rest[..end]);
            on_line(&String::from_utf8_lossy(&self.open));
            self.open.clear();
            rest = &rest[end + 1..];
        }
        self.append_to_open_line(rest);
    }

    fn append_to_open_line(&mut self, bytes: &[u8]) {
        let room = KEPT_LINE_BYTES_MAX - self.open.len();
        self.open.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Gives the last line, which nothing ended.
    pub(super) fn flush_unterminated_last_line(&mut self, on_line: &mut (dyn FnMut(&str) + Send)) {
        if !self.open.is_empty() {
            on_line(&String::from_utf8_lossy(&std::mem::take(&mut self.open)));
        }
    }

    /// Forgets a line whose end was lost: it may break off in the middle of a secret.
    pub(super) fn drop_open_line(&mut self) {
        self.open.clear();
    }
}

/// Cuts a line, secrets hidden already, to what is shown of it.
pub(super) fn truncate_shown_line(mut line: String) -> String {
    if line.len() > SHOWN_LINE_BYTES_MAX {
        let end = (0..=SHOWN_LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(end);
        line.push_str(" … (the rest of this line isn't shown)");
    }
    line
}

/// What stands where a private key stood.
const HIDDEN_KEY_TEXT: &str = "(a private key, hidden)";
/// Longer than the key with the most lines: where no end comes, what follows is shown again.
const PRIVATE_KEY_LINES_MAX: usize = 200;

/// Hides private keys in PEM, which go over several lines.
#[derive(Default)]
pub(super) struct PrivateKeyFilter {
    /// How many more lines may belong to a key that began.
    lines_left: usize,
}

impl PrivateKeyFilter {
    /// Returns the line as it may be shown; `None` where it is a piece of a key that was named already.
    pub(super) fn hide_private_key_in_line(&mut self, line: &str) -> Option<String> {
        let mut shown = String::new();
        let mut rest = line;
        if self.lines_left > 0 {
            let Some(end) = find_pem_end(rest) else {
                self.lines_left -= 1;
                return None;
            };
            self.lines_left = 0;
            rest = &rest[end..];
            if rest.trim_matches(|c: char| c.is_whitespace() || "\"'+-,;\\n".contains(c)).is_empty() {
                return None;
            }
        }
        while let Some(start) = find_private_key_start(rest) {
            shown.push_str(&rest[..start]);
            shown.push_str(HIDDEN_KEY_TEXT);
            rest = &rest[start..];
            let Some(end) = find_pem_end(rest) else {
                self.lines_left = PRIVATE_KEY_LINES_MAX;
                return Some(shown);
            };
            rest = &rest[end..];
        }
        Some(shown + rest)
    }
}

/// Where `-----BEGIN … PRIVATE KEY-----` begins.
fn find_private_key_start(text: &str) -> Option<usize> {
    let mut begins = text.match_indices("-----BEGIN ").map(|(at, _)| at);
    begins.find(|at| {
        let name = text[at + "-----BEGIN ".len()..].split("-----").next().unwrap_or_default();
        name.len() < 64 && name.contains("PRIVATE KEY")
    })
}

/// Where `-----END …-----` has ended.
fn find_pem_end(text: &str) -> Option<usize> {
    let start = text.find("-----END ")?;
    let name = start + "-----".len();
    Some(text[name..].find("-----").map_or(text.len(), |at| name + at + "-----".len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        let mut on_line = |line: &str| lines.push(line.to_owned());
        for piece in pieces {
            splitter.split_bytes_into_lines(piece, &mut on_line);
        }
        splitter.flush_unterminated_last_line(&mut on_line);
        lines
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        assert_eq!(split(&[b"a\nb", b"c\n\nd"]), ["a", "bc", "", "d"]);
        assert_eq!(split(&[b"\xff\n"]), ["\u{fffd}"]);
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_than_its_bound() {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        let mut on_line = |line: &str| lines.push(line.to_owned());
        for _ in 0..1000 {
            splitter.split_bytes_into_lines(&[b'x'; 10_000], &mut on_line);
        }
        assert!(splitter.open.capacity() <= 2 * KEPT_LINE_BYTES_MAX, "{}", splitter.open.capacity());
        splitter.split_bytes_into_lines(b"\nnext\n", &mut on_line);
        assert_eq!(lines[1], "next");
        let shown = truncate_shown_line(lines[0].clone());
        assert!(
            shown.starts_with("xxx") && shown.ends_with("(the rest of this line isn't shown)"),
            "{shown}"
        );
        assert!(shown.len() < SHOWN_LINE_BYTES_MAX + 64);
        assert!(truncate_shown_line("é".repeat(4000)).starts_with('é'), "cut between characters");
        assert_eq!(truncate_shown_line("short".into()), "short");
    }

    #[test]
    fn a_private_key_is_hidden_to_its_last_line() {
        let key = |name: &str| {
            format!(
                "-----BEGIN {name}-----\nProc-Type: 4,ENCRYPTED\n\nMIIEpAIBAAKCAQEA\nshort==\n-----END {name}-----"
            )
        };
        for name in ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            for (text, shown) in [
                (format!("before\n{}\nafter", key(name)), vec!["before", HIDDEN_KEY_TEXT, "after"]),
                (
                    format!("    +{}\nafter", key(name).replace('\n', "\n    +")),
                    vec!["    +(a private key, hidden)", "after"],
                ),
                (
                    format!("x \"{}\" y", key(name).replace('\n', "\\n")),
                    vec!["x \"(a private key, hidden)\" y"],
                ),
            ] {
                let mut filter = PrivateKeyFilter::default();
                let lines: Vec<String> =
                    text.lines().filter_map(|line| filter.hide_private_key_in_line(line)).collect();
                assert_eq!(lines, shown, "{text}");
            }
        }
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----";
        let mut filter = PrivateKeyFilter::default();
        let lines: Vec<String> =
            certificate.lines().filter_map(|line| filter.hide_private_key_in_line(line)).collect();
        assert_eq!(lines.join("\n"), certificate, "it is no secret");
    }

    #[test]
    fn a_key_without_an_end_hides_no_more_than_a_key_can_have() {
        let mut filter = PrivateKeyFilter::default();
        assert!(filter.hide_private_key_in_line("-----BEGIN PRIVATE KEY-----").is_some());
        let hidden = (0..1000).filter(|_| filter.hide_private_key_in_line("FATAL: x").is_none()).count();
        assert_eq!(hidden, PRIVATE_KEY_LINES_MAX);
    }
}
