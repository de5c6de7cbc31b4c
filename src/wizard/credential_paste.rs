//! Credentials in a paste, as a file, a console, a shell or a program writes them: which part of it is which.

/// What a paste holds; there is no `Debug`, since two of the three are secrets.
#[derive(Default)]
pub(super) struct PastedCredentials {
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
    pub session_token: Option<String>,
}

/// Which of the three a name or a shape stands for.
#[derive(Clone, Copy)]
enum CredentialPart {
    AccessKeyId,
    SecretAccessKey,
    SessionToken,
}

/// Their names in lower case; what stands before them, `aws_` or `$Env:AWS_`, doesn't matter.
const CREDENTIAL_NAMES: [(&str, CredentialPart); 7] = [
    ("access_key_id", CredentialPart::AccessKeyId),
    ("accesskeyid", CredentialPart::AccessKeyId),
    ("secret_access_key", CredentialPart::SecretAccessKey),
    ("secretaccesskey", CredentialPart::SecretAccessKey),
    ("session_token", CredentialPart::SessionToken),
    ("sessiontoken", CredentialPart::SessionToken),
    ("security_token", CredentialPart::SessionToken),
];

impl PastedCredentials {
    /// Reads a paste: what has a name by its name, and the rest by its shape, as in a console's table or CSV.
    pub fn read_pasted_credentials(text: &str) -> Self {
        let mut found = Self::default();
        let lower = text.to_ascii_lowercase();
        for (name, part) in CREDENTIAL_NAMES {
            for (at, _) in lower.match_indices(name) {
                if let Some(value) = read_named_value(&text[at + name.len()..]) {
                    found.part_mut(part).get_or_insert_with(|| value.to_owned());
                }
            }
        }
        for word in text.split(|c: char| c.is_whitespace() || c.is_control() || "\"',;:{}[]()".contains(c)) {
            if let Some(part) = recognize_credential_shape(word) {
                found.part_mut(part).get_or_insert_with(|| word.to_owned());
            }
        }
        found
    }

    fn part_mut(&mut self, part: CredentialPart) -> &mut Option<String> {
        match part {
            CredentialPart::AccessKeyId => &mut self.access_key_id,
            CredentialPart::SecretAccessKey => &mut self.secret_access_key,
            CredentialPart::SessionToken => &mut self.session_token,
        }
    }

    /// Whether there is anything in it that nobody may see.
    pub fn holds_secret(&self) -> bool {
        self.secret_access_key.is_some() || self.session_token.is_some()
    }

    /// Whether there is nothing of all that in it.
    pub fn is_empty(&self) -> bool {
        self.access_key_id.is_none() && !self.holds_secret()
    }
}

/// Returns the value behind a name: ` = value`, `": "value"`, ` value`.
fn read_named_value(rest: &str) -> Option<&str> {
    let closed = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
    let value = closed.trim_start_matches([' ', '\t']);
    let value = value.strip_prefix(['=', ':']).unwrap_or(value).trim_start_matches([' ', '\t']);
    // Without anything between them it is the beginning of a longer word.
    if value.len() == rest.len() {
        return None;
    }
    let (value, ends): (&str, &[char]) = match value.chars().next() {
        Some('"') => (&value[1..], &['"', '\r', '\n']),
        Some('\'') => (&value[1..], &['\'', '\r', '\n']),
        _ => (value, &[' ', '\t', '\r', '\n', ',', ';', '"', '\'', '}']),
    };
    let value = &value[..value.find(ends).unwrap_or(value.len())];
    (!value.is_empty()).then_some(value)
}

fn recognize_credential_shape(word: &str) -> Option<CredentialPart> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let has_both_cases =
        word.contains(|c: char| c.is_ascii_uppercase()) && word.contains(|c: char| c.is_ascii_lowercase());
    if is_temporary_or_long_term_key_id(word) {
        Some(CredentialPart::AccessKeyId)
    } else if !has_both_cases || !word.chars().all(is_base64) {
        None
    } else if word.len() == 40 {
        Some(CredentialPart::SecretAccessKey)
    } else {
        (word.len() >= 100).then_some(CredentialPart::SessionToken)
    }
}

fn is_temporary_or_long_term_key_id(word: &str) -> bool {
    (word.starts_with("AKIA") || word.starts_with("ASIA"))
        && (16..=128).contains(&word.len())
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// Whether a text may be an access key id, AWS's or that of another service that speaks S3: what isn't may be a secret.
pub(super) fn may_be_access_key_id(text: &str) -> bool {
    text.len() <= 32 && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "/+=".contains(c))
}
