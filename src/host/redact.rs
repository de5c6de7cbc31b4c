//! What every line passes before it is shown, logged or said: it leaves without secrets and without escape sequences.
//!
//! Secrets are collected from packagecloud.rb as it is read, and registered as they are typed or made.

use std::sync::{Arc, PoisonError, RwLock};

use crate::model::{
    display_text::is_display_control, packagecloud::config_file::ConfigFile, redact, secret::Secret,
};

/// Clones share what is known.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<String>>>);

impl Redactor {
    /// Learns a secret, in every form under which it may turn up.
    pub fn learn_secret_to_redact(&self, secret: &Secret) {
        self.add_secret_forms_to_redact(redact::list_secret_encoded_forms(secret.expose_secret()));
    }

    /// Learns every secret of a packagecloud.rb.
    pub fn learn_config_file_secrets(&self, file: &ConfigFile) {
        self.add_secret_forms_to_redact(file.known_secrets().to_vec());
    }

    fn add_secret_forms_to_redact(&self, forms: Vec<String>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(forms);
        // Longest first, so that no secret is cut by one that it contains.
        known.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        known.dedup();
    }

    /// Returns the line as it may be shown.
    #[must_use]
    pub fn redact_secrets_in_line(&self, line: &str) -> String {
        redact::redact_secrets_in_line(
            &strip_control_sequences(line),
            &self.0.read().unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor(hidden)")
    }
}

/// Strips a line of escape sequences, control characters and marks that turn the direction of reading; of what was overwritten by a carriage return, keeps the
/// last.
#[must_use]
pub fn strip_control_sequences(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.trim_end_matches(['\n', '\r']).chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' | '\u{9b}' => {
                let kind = if c == '\u{9b}' { Some('[') } else { chars.next() };
                match kind {
                    // CSI: parameters, then one final character.
                    Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
                    // OSC, DCS and their like: to BEL or ESC \.
                    Some(']' | 'P' | '^' | '_' | 'X') => {
                        while let Some(c) = chars.next() {
                            if c == '\u{7}' || c == '\u{9c}' {
                                break;
                            }
                            if c == '\u{1b}' {
                                chars.next_if_eq(&'\\');
                                break;
                            }
                        }
                    }
                    // Character sets: one more.
                    Some('(' | ')' | '#' | '%' | ' ') => drop(chars.next()),
                    _ => {}
                }
            }
            '\t' => out.push('\t'),
            '\r' => out.clear(),
            '\u{8}' => drop(out.pop()),
            c if is_display_control(c) => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_its_escape_sequences() {
        for (line, shown) in [
            ("\u{1b}[1;32mdone\u{1b}[0m", "done"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("10%\r100%\r\n", "100%"),
            ("a\u{9b}31mb\u{0}\u{7}c\td", "abc\td"),
            ("\u{1b}(Bx\u{1b}=y\u{1b}", "xy"),
            ("\u{1b}[31", ""),
            ("gpj.\u{202e}exe\u{2066}", "gpj.exe"),
        ] {
            assert_eq!(strip_control_sequences(line), shown);
        }
    }

    #[test]
    fn a_secret_is_hidden_even_where_escapes_cut_it() {
        let redactor = Redactor::default();
        redactor.learn_secret_to_redact(&Secret::new("MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI"));
        redactor.learn_config_file_secrets(&ConfigFile::parse_packagecloud_rb(
            b"backups['s3_secret_key'] = 'from-the-file'\n",
        ));
        assert_eq!(
            redactor
                .redact_secrets_in_line("\u{1b}[31mfrom-\u{1b}[0mthe-file, 026d8abc1a8b25f10e8389cfefbfb65b"),
            "(hidden), (hidden)"
        );
        assert_eq!(format!("{redactor:?}"), "Redactor(hidden)");
    }
}
