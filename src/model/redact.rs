//! Hides secrets in a line of text: those that are known, and those that only their shape gives away.
//!
//! It errs towards hiding: a line that reads badly costs less than a secret in a log.

/// What stands where a secret stood.
pub const REDACTED: &str = "(hidden)";

/// Returns whether a key's value is a secret: its name has secret, key, password or token in it, in any case.
#[must_use]
pub fn is_secret_key_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "key", "password", "passwd", "passphrase", "token"].iter().any(|word| name.contains(word))
}

/// Returns the line without any of `known` (as [`list_secret_encoded_forms`] gives them), without the values that secret keys are given in
/// it, and without the tokens and signatures of its URLs.
#[must_use]
pub fn redact_secrets_in_line<S: AsRef<str>>(line: &str, known: &[S]) -> String {
    let mut line = line.to_owned();
    for secret in known {
        if line.contains(secret.as_ref()) {
            line = redact_whole_word(&line, secret.as_ref());
        }
    }
    redact_pem_line(&redact_url_user_info(&redact_secret_key_values(&redact_url_parameters(&line))))
}

/// Returns the forms under which a secret may turn up: as written, base64-decoded, and each line of one that has
/// several. Nothing under four characters, nor Ruby's own words: hiding those would hide everything.
#[must_use]
pub fn list_secret_encoded_forms(secret: &str) -> Vec<String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
    let fits = |text: &str| {
        text.chars().count() >= 4 && !["true", "false", "none", "null", "(hidden)"].contains(&text)
    };
    let mut forms = Vec::new();
    let trimmed = secret.trim();
    for line in std::iter::once(trimmed).chain(trimmed.lines().map(str::trim)) {
        if fits(line) && !line.starts_with("-----") {
            forms.push(line.to_owned());
        }
    }
    let decoded = STANDARD.decode(trimmed).or_else(|_| STANDARD_NO_PAD.decode(trimmed));
    if let Some(text) = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok())
        && fits(&text)
        && text.chars().all(|c| !c.is_control())
    {
        forms.push(text);
    }
    let escaped = trimmed.replace('\\', "\\\\").replace('\'', "\\'");
    if escaped != trimmed && fits(&escaped) {
        forms.push(escaped);
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms
}

/// A short secret may be a word that others contain, so it is hidden as a whole word only.
fn redact_whole_word(line: &str, secret: &str) -> String {
    if secret.chars().count() >= 12 {
        return line.replace(secret, REDACTED);
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(secret) {
        let before = rest[..at].chars().next_back().or_else(|| out.chars().next_back());
        let after = rest[at + secret.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        out.push_str(&rest[..at]);
        out.push_str(if inside(before) || inside(after) { secret } else { REDACTED });
        rest = &rest[at + secret.len()..];
    }
    out + rest
}

/// `key = 'value'`, `"key" => "value"`, `key: value`, `KEY=value`, as Ruby, JSON, YAML and a shell write them.
fn redact_secret_key_values(line: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_word) {
        let length = rest[start..].find(|c| !is_word(c)).unwrap_or(rest.len() - start);
        let word = &rest[start..start + length];
        out.push_str(&rest[..start + length]);
        rest = &rest[start + length..];
        if !is_secret_key_name(word) {
            continue;
        }
        let closed = rest.trim_start_matches(['\'', '"', ']', ')', '\\']);
        let spaced = closed.trim_start_matches([' ', '\t']);
        let Some(operator) =
            ["=>", "||=", "==", "=", ":"].into_iter().find(|operator| spaced.starts_with(operator))
        else {
            continue;
        };
        if operator == "==" || spaced.starts_with("://") || spaced.starts_with("::") {
            continue;
        }
        let value = spaced[operator.len()..].trim_start_matches([' ', '\t']);
        out.push_str(&rest[..rest.len() - value.len()]);
        rest = redact_pair_value(&mut out, value, word, operator, closed.len() == spaced.len());
    }
    out + rest
}

/// Writes `value` hidden to `out` where it is one, and returns what follows it.
fn redact_pair_value<'a>(
    out: &mut String,
    value: &'a str,
    word: &str,
    operator: &str,
    tight: bool,
) -> &'a str {
    let unescaped = value.trim_start_matches('\\');
    if let Some(quote) = unescaped.chars().next().filter(|c| *c == '\'' || *c == '"') {
        let body = &unescaped[1..];
        // A string inside a string: its quotes are escaped, both alike.
        let slashes = &value[..value.len() - unescaped.len()];
        if !slashes.is_empty() {
            let close = format!("{slashes}{quote}");
            out.push_str(&[&close, REDACTED, &close].concat());
            return body.find(&close).map_or("", |end| &body[end + close.len()..]);
        }
        let mut escaped = false;
        let end = body.find(|c| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        out.push(quote);
        out.push_str(REDACTED);
        out.push(quote);
        return end.map_or("", |end| &body[end + 1..]);
    }
    // `%q(…)` and its like.
    if let Some(body) = value.strip_prefix('%')
        && let Some(open) = body.find(|c: char| !c.is_alphabetic())
        && open <= 1
    {
        let delimiter = body[open..].chars().next().unwrap_or('(');
        let close = match delimiter {
            '(' => ')',
            '[' => ']',
            '{' => '}',
            '<' => '>',
            other => other,
        };
        let inner = &body[open + delimiter.len_utf8()..];
        out.push_str(REDACTED);
        return inner.find(close).map_or("", |end| &inner[end + close.len_utf8()..]);
    }
    // Without quotes: YAML, or a shell. Ruby's expressions and words such as `true` are no secrets.
    let named = word.contains('_') || !word.eq_ignore_ascii_case("key");
    let end = value.find([' ', '\t', ',', '}', ')', ';', '&', '"', '\'', '[']).unwrap_or(value.len());
    let text = &value[..end];
    // What Ruby would take for a name, but nobody would call one so: quotes were forgotten.
    let forgotten = text.len() >= 8
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    let plain = operator == ":" || (operator == "=" && tight) || forgotten;
    let ruby = value[end..].starts_with('[') || ["true", "false", "nil", "null", ""].contains(&text);
    if plain && named && !ruby && !value.starts_with(REDACTED) && !text.starts_with("arn:") {
        out.push_str(REDACTED);
        return &value[end..];
    }
    value
}

/// `?t=…`, and the parameters by which S3 and CloudFront sign.
fn redact_url_parameters(line: &str) -> String {
    const SIGNING_PARAMETERS: [&str; 6] = [
        "t=",
        "Signature=",
        "X-Amz-Signature=",
        "X-Amz-Security-Token=",
        "X-Amz-Credential=",
        "AWSAccessKeyId=",
    ];
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['?', '&']) {
        out.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        if let Some(name) = SIGNING_PARAMETERS.iter().find(|name| rest.starts_with(**name)) {
            let value = &rest[name.len()..];
            let end = value
                .find(|c: char| c.is_whitespace() || ['&', '"', '\'', '<', '>', ')', '#'].contains(&c))
                .unwrap_or(value.len());
            out.push_str(name);
            if end > 0 {
                out.push_str(REDACTED);
            }
            rest = &value[end..];
        }
    }
    out + rest
}

/// `https://token:@host/`.
fn redact_url_user_info(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        out.push_str(&rest[..at + 3]);
        rest = &rest[at + 3..];
        let end = rest.find(|c: char| c.is_whitespace() || "/'\"<>?#".contains(c)).unwrap_or(rest.len());
        if let Some(at) = rest[..end].rfind('@') {
            out.push_str(REDACTED);
            rest = &rest[at..];
        }
    }
    out + rest
}

/// A line of nothing but base64, 60 characters or more, is a piece of a PEM: a private key, for all that is known.
fn redact_pem_line(line: &str) -> String {
    let text = line.trim_start_matches(|c: char| c.is_whitespace() || c == '+' || c == '-').trim_end();
    let base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/' || c == '=';
    let mixed = text.chars().any(|c| c.is_ascii_uppercase()) && text.chars().any(|c| c.is_ascii_lowercase());
    if text.len() >= 60 && mixed && text.chars().all(base64) {
        line.replace(text, REDACTED)
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_SECRETS: [&str; 0] = [];

    #[test]
    fn a_secret_keys_value_is_hidden_however_it_is_written() {
        for (line, shown) in [
            (
                "packagecloud_rails['cloudfront_secret'] = 'abc'",
                "packagecloud_rails['cloudfront_secret'] = '(hidden)'",
            ),
            (
                "packagecloud_rails[\"AWS_Secret_Key\"]=\"a\\\"b\" # x",
                "packagecloud_rails[\"AWS_Secret_Key\"]=\"(hidden)\" # x",
            ),
            ("+  cloudfront_secret: 'abc'", "+  cloudfront_secret: '(hidden)'"),
            ("-  cloudfront_secret: abc", "-  cloudfront_secret: (hidden)"),
            (
                "  \"aws_secret_key\" => \"abc\", \"a\" => 1",
                "  \"aws_secret_key\" => \"(hidden)\", \"a\" => 1",
            ),
            ("{\\\"smtp_password\\\":\\\"abc\\\"}", "{\\\"smtp_password\\\":\\\"(hidden)\\\"}"),
            ("export AWS_SECRET_KEY=abc FOO=1", "export AWS_SECRET_KEY=(hidden) FOO=1"),
            ("x['api_token'] = %q(abc) if y", "x['api_token'] = (hidden) if y"),
            ("x['cloudfront_secret'] = ENV['X']", "x['cloudfront_secret'] = ENV['X']"),
            ("x['cloudfront_secret'] = MDI2ZDhhYmMx", "x['cloudfront_secret'] = (hidden)"),
            ("x['cloudfront_enabled'] = true", "x['cloudfront_enabled'] = true"),
            ("arn:aws:kms:us-east-1:1:key/1234", "arn:aws:kms:us-east-1:1:key/1234"),
            ("KMS key: arn:aws:kms:x", "KMS key: arn:aws:kms:x"),
            (
                "get https://d.cloudfront.net/7/8/a.deb?t=1618409761_0af done",
                "get https://d.cloudfront.net/7/8/a.deb?t=(hidden) done",
            ),
            (
                "'https://s/x?AWSAccessKeyId=A&Expires=1&Signature=b%3D'",
                "'https://s/x?AWSAccessKeyId=(hidden)&Expires=1&Signature=(hidden)'",
            ),
            ("deb https://tok123:@pc.example.com/a/b/ any", "deb https://(hidden)@pc.example.com/a/b/ any"),
            ("mail me@example.com", "mail me@example.com"),
        ] {
            assert_eq!(redact_secrets_in_line(line, &NO_SECRETS), shown);
        }
    }

    #[test]
    fn a_known_secret_is_hidden_in_each_of_its_forms() {
        let known = list_secret_encoded_forms("MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI");
        assert_eq!(
            redact_secrets_in_line("say MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI!", &known),
            "say (hidden)!"
        );
        assert_eq!(redact_secrets_in_line("026d8abc1a8b25f10e8389cfefbfb65b", &known), "(hidden)");
        assert_eq!(
            redact_secrets_in_line("it's a\\'b'c", &list_secret_encoded_forms("a'b'c")),
            "it's a\\'b'c",
            "another text"
        );
        assert_eq!(
            redact_secrets_in_line("x a\\'b\\'c y", &list_secret_encoded_forms("a'b'c")),
            "x (hidden) y"
        );
        assert_eq!(
            redact_secrets_in_line("rooted root", &list_secret_encoded_forms("root")),
            "rooted (hidden)",
            "whole words"
        );
        assert_eq!(redact_secrets_in_line("true", &list_secret_encoded_forms("true")), "true");
        let pem = "-----BEGIN KEY-----\nMIIEabcdefgh\n-----END KEY-----\n";
        assert_eq!(redact_secrets_in_line("+ MIIEabcdefgh", &list_secret_encoded_forms(pem)), "+ (hidden)");
    }
}
