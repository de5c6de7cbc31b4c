//! Hides secrets in a line of text: those that are known, and those that only their shape gives away.
//!
//! It errs towards hiding: a line that reads badly costs less than a secret in a log.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// From this length on a secret is hidden inside of other words, too.
const LONG_SECRET_CHARS: usize = 12;
/// What every URL encoder leaves as it is; some leave the slash.
const URL_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const URL_UNRESERVED_AND_SLASH: &AsciiSet = &URL_UNRESERVED.remove(b'/');

/// What stands where a secret stood.
pub const REDACTED: &str = "(hidden)";

/// Returns whether a key's value is a secret: its name has secret, key, password or token in it, in any case.
#[must_use]
pub fn is_name_of_secret_setting(name: &str) -> bool {
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
    let line = redact_credential_headers(&redact_url_parameters(&line));
    redact_pem_line(&redact_url_user_info(&redact_secret_key_values(&line)))
}

/// Returns the forms under which a secret may turn up: as written and base64-decoded, both escaped and encoded too, and
/// each line of one that has several. Nothing under four characters, nor Ruby's own words: hiding those would hide
/// everything. Longest first.
#[must_use]
pub fn list_secret_encoded_forms(secret: &str) -> Vec<String> {
    let trimmed = secret.trim();
    let mut forms: Vec<String> =
        trimmed.lines().map(str::trim).filter(|line| !line.starts_with("-----")).map(str::to_owned).collect();
    if !trimmed.starts_with("-----") {
        add_written_forms(&mut forms, trimmed);
    }
    let decoded = STANDARD.decode(trimmed).or_else(|_| STANDARD_NO_PAD.decode(trimmed));
    if let Ok(bytes) = decoded.or_else(|_| URL_SAFE_NO_PAD.decode(trimmed.trim_end_matches('='))) {
        match String::from_utf8(bytes) {
            Ok(text) if is_hideable_text(&text) && !text.chars().any(char::is_control) => {
                add_written_forms(&mut forms, &text);
            }
            Ok(text) => add_hex_forms(&mut forms, text.as_bytes()),
            Err(binary) => add_hex_forms(&mut forms, binary.as_bytes()),
        }
    }
    forms.retain(|form| is_hideable_text(form));
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
}

fn is_hideable_text(text: &str) -> bool {
    text.chars().count() >= 4 && !["true", "false", "none", "null", REDACTED].contains(&text)
}

/// A text as Ruby, JSON, XML, a shell and a URL write it, in hex, and in base64 at whatever place.
fn add_written_forms(forms: &mut Vec<String>, text: &str) {
    forms.push(text.to_owned());
    let unpadded = text.trim_end_matches('=');
    if unpadded.len() >= LONG_SECRET_CHARS {
        forms.push(unpadded.to_owned());
        forms.push(unpadded.replace('+', "-").replace('/', "_"));
    }
    forms.push(text.replace('\\', "\\\\").replace('\'', "\\'"));
    let json = serde_json::Value::from(text).to_string();
    let json = &json[1..json.len() - 1];
    forms.push(json.replace('/', "\\/"));
    forms.push(json.replace("#{", "\\#{").replace("#$", "\\#$").replace("#@", "\\#@"));
    forms.push(json.to_owned());
    forms.push(text.replace('\'', "'\\''"));
    let xml = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    forms.push(xml.replace('\'', "&#39;"));
    forms.push(xml);
    for kept in [URL_UNRESERVED, URL_UNRESERVED_AND_SLASH] {
        let escaped = percent_encoding::utf8_percent_encode(text, kept).to_string();
        let lower = lower_percent_escapes(&escaped);
        forms.extend([escaped.replace("%20", "+"), lower.replace("%20", "+"), escaped, lower]);
    }
    add_hex_forms(forms, text.as_bytes());
    forms.extend([STANDARD.encode(text), STANDARD_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(text)]);
    add_embedded_base64_forms(forms, text.as_bytes());
}

fn add_hex_forms(forms: &mut Vec<String>, bytes: &[u8]) {
    forms.extend([hex::encode(bytes), hex::encode_upper(bytes)]);
}

/// What a text looks like inside of the base64 of a longer one, such as `user:password`: at each of the three places
/// where it may begin, the digits that hold nothing else.
fn add_embedded_base64_forms(forms: &mut Vec<String>, bytes: &[u8]) {
    for before in 0..3 {
        let padded = [vec![0; before].as_slice(), bytes].concat();
        let digits = STANDARD_NO_PAD.encode(&padded);
        let own = digits.get((before * 8).div_ceil(6)..padded.len() * 8 / 6).unwrap_or_default();
        // A shorter one would only be hidden where it stands by itself, and there it is something else.
        if own.len() >= LONG_SECRET_CHARS {
            forms.push(own.to_owned());
            forms.push(own.replace('+', "-").replace('/', "_"));
        }
    }
}

/// `%2F` as `%2f`.
fn lower_percent_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escape, rest) = part.split_at(part.len().min(2));
        out.push('%');
        out.push_str(&escape.to_ascii_lowercase());
        out.push_str(rest);
    }
    out
}

/// A short secret may be a word that others contain, so it is hidden as a whole word only.
fn redact_whole_word(line: &str, secret: &str) -> String {
    if secret.chars().count() >= LONG_SECRET_CHARS {
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
        if !is_name_of_secret_setting(word) {
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

/// `https://token:@host/`, `//user:password@host/`, and the same escaped, as another URL's parameter has it.
fn redact_url_user_info(line: &str) -> String {
    let line = redact_between(line, "//", "@", |c| c.is_whitespace() || "/'\"<>?#".contains(c));
    let escaped = redact_between(&line, "%2F%2F", "%40", |c| c.is_whitespace() || "/'\"<>?#&".contains(c));
    redact_between(&escaped, "%2f%2f", "%40", |c| c.is_whitespace() || "/'\"<>?#&".contains(c))
}

/// Hides what lies between `open` and the last `close` before a letter that `ends` it.
fn redact_between(line: &str, open: &str, close: &str, ends: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(open) {
        out.push_str(&rest[..at + open.len()]);
        rest = &rest[at + open.len()..];
        let end = rest.find(&ends).unwrap_or(rest.len());
        if let Some(at) = rest[..end].rfind(close) {
            out.push_str(REDACTED);
            rest = &rest[at..];
        }
    }
    out + rest
}

/// `Authorization: Basic …`, cookies, and what Signature Version 4 puts there: to the end of the line or of the quote.
fn redact_credential_headers(line: &str) -> String {
    const CREDENTIAL_HEADERS: [&str; 4] = ["authorization", "cookie", "aws4-hmac-sha256", "bearer"];
    let lower = line.to_ascii_lowercase();
    let mut out = String::with_capacity(line.len());
    let mut done = 0;
    while let Some((at, name)) = CREDENTIAL_HEADERS
        .iter()
        .filter_map(|name| lower[done..].find(name).map(|at| (done + at, *name)))
        .min()
    {
        let after = at + name.len();
        out.push_str(&line[done..after]);
        done = after;
        let names_scheme = matches!(name, "aws4-hmac-sha256" | "bearer");
        let Some(value) = find_header_value(&line[after..], names_scheme) else { continue };
        let (start, end) = (after + value.start, after + value.end);
        out.push_str(&line[after..start]);
        out.push_str(REDACTED);
        done = end;
    }
    out + &line[done..]
}

/// Finds the value behind a header's name, or behind a scheme's.
fn find_header_value(rest: &str, names_scheme: bool) -> Option<std::ops::Range<usize>> {
    let closed = rest.trim_start_matches(['\'', '"', ']', '\\', ' ']);
    let value = if names_scheme {
        // `bearer` is a word, too: what follows it is a token where it doesn't look like one.
        let token = closed.split_whitespace().next().unwrap_or_default();
        let odd = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || c == '=';
        (rest.starts_with(' ') && token.len() >= 8 && token.chars().skip(1).any(odd)).then_some(closed)?
    } else {
        let operator = ["=>", ":", "="].into_iter().find(|operator| closed.starts_with(operator))?;
        let value = &closed[operator.len()..];
        (!value.starts_with(['=', ':'])).then_some(value.trim_start_matches([' ', '\t', '\\']))?
    };
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let value = quote.map_or(value, |quote| &value[quote.len_utf8()..]);
    let end =
        value.find(|c| quote.map_or(matches!(c, '\'' | '"'), |quote| c == quote)).unwrap_or(value.len());
    let end = value[..end].trim_end_matches('\\').len();
    let start = rest.len() - value.len();
    (end > 0).then_some(start..start + end)
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
    fn what_a_header_or_a_url_carries_is_hidden() {
        for (line, shown) in [
            ("Authorization: Basic YWRtaW46aHVudGVyMg==", "Authorization: (hidden)"),
            ("authorization: token abc def", "authorization: (hidden)"),
            (
                "curl -H 'Authorization: Bearer abc.def' https://h/",
                "curl -H 'Authorization: (hidden)' https://h/",
            ),
            (r#"{"Authorization":"Basic YWRt","a":1}"#, r#"{"Authorization":"(hidden)","a":1}"#),
            (r#""{\"Authorization\":\"Basic YWRt\"}""#, r#""{\"Authorization\":\"(hidden)\"}""#),
            ("'Proxy-Authorization' => 'Basic YWRt', x", "'Proxy-Authorization' => '(hidden)', x"),
            ("Set-Cookie: session=abc; Path=/", "Set-Cookie: (hidden)"),
            ("with Bearer eyJhbGciOiJI", "with Bearer (hidden)"),
            ("a bearer credential", "a bearer credential"),
            (
                "AWS4-HMAC-SHA256 Credential=AKIA/2026/s3/aws4_request, Signature=ab",
                "AWS4-HMAC-SHA256 (hidden)",
            ),
            ("Location: https://user:pass@host/x", "Location: https://(hidden)@host/x"),
            ("Location: //user:pa:ss@host/x", "Location: //(hidden)@host/x"),
            ("?next=https%3A%2F%2Fu%3Apw%40host%2Fx", "?next=https%3A%2F%2F(hidden)%40host%2Fx"),
            ("?next=https%3a%2f%2fu%3apw%40host%2fx", "?next=https%3a%2f%2f(hidden)%40host%2fx"),
            ("authorization is needed", "authorization is needed"),
            ("Authorization: ", "Authorization: "),
            ("bearer", "bearer"),
        ] {
            assert_eq!(redact_secrets_in_line(line, &NO_SECRETS), shown);
        }
    }

    #[test]
    fn a_known_secret_is_hidden_however_it_is_written() {
        use base64::engine::general_purpose::URL_SAFE;
        for secret in [
            "plantedSecret/Key+With/Slash00000000000",
            "pl ant\"ed$pw'<&>#{x}",
            "MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=",
            "quoted\"Key/With/Slash#{2}0000",
        ] {
            let known = list_secret_encoded_forms(secret);
            let percent = percent_encoding::utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            let url = percent_encoding::utf8_percent_encode(secret, URL_UNRESERVED).to_string();
            let json = serde_json::to_string(secret).unwrap();
            for written in [
                secret.to_owned(),
                secret.trim_end_matches('=').to_owned(),
                url.clone(),
                url.replace("%2F", "/"),
                lower_percent_escapes(&url),
                url.replace("%20", "+"),
                percent,
                json.replace('/', "\\/"),
                json,
                format!("{secret:?}"),
                hex::encode(secret),
                hex::encode_upper(secret),
                STANDARD.encode(secret),
                URL_SAFE.encode(secret),
                STANDARD.encode(format!("u:{secret}")),
                STANDARD.encode(format!("us:{secret}")),
                STANDARD.encode(format!("use:{secret}\n")),
                secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
            ] {
                let shown = redact_secrets_in_line(&format!("say {written} now"), &known);
                assert!(shown.contains(REDACTED), "{written} of {secret}: {shown}");
                // At most what stood beside it in the same base64 is left.
                let left = shown.replace(REDACTED, "").replace("say", "").replace("now", "");
                assert!(left.trim().len() <= 10, "{written} of {secret} leaves {left}");
            }
        }
        for short in ["", "=", "x", "ab", "abc"] {
            assert!(list_secret_encoded_forms(short).iter().all(|form| form.len() >= 4), "{short}");
        }
        let binary: Vec<u8> = (0..32).map(|byte| 255 - byte * 3).collect();
        let known = list_secret_encoded_forms(&STANDARD.encode(&binary));
        for written in [hex::encode(&binary), hex::encode_upper(&binary), URL_SAFE_NO_PAD.encode(&binary)] {
            assert_eq!(redact_secrets_in_line(&written, &known), REDACTED);
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
