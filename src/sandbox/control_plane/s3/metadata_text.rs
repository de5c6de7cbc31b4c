//! User metadata as S3 keeps it: words that RFC 2047 encodes are decoded where they are ASCII, what is beyond ASCII is encoded so.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Brings a value into the form in which S3 gives it back (recorded).
pub fn normalize_metadata_value(value: &str) -> String {
    let text = decode_word(value).unwrap_or_else(|| value.to_owned());
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return text;
    }
    encode_word(&text)
}

/// Decodes `=?UTF-8?B?…?=` and `=?UTF-8?Q?…?=`.
fn decode_word(value: &str) -> Option<String> {
    let inner = value.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = inner.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match encoding {
        // What is padded wrongly is read as if zeros stood there (recorded).
        "B" | "b" => STANDARD.decode(text).or_else(|_| STANDARD.decode(text.replace('=', "A"))).ok()?,
        "Q" | "q" => decode_quoted(text)?,
        _ => return None,
    };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn decode_quoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'_' => bytes.push(b' '),
            b'=' => {
                let pair = [rest.next()?, rest.next()?];
                bytes.extend(hex::decode(pair).ok()?);
            }
            other => bytes.push(other),
        }
    }
    Some(bytes)
}

/// Encodes a text: by Q where most of it is ASCII, by B otherwise.
fn encode_word(text: &str) -> String {
    let plain = text.chars().filter(|one| (' '..='~').contains(one)).count();
    if plain <= text.chars().count() - plain {
        return format!("=?UTF-8?B?{}?=", STANDARD.encode(text));
    }
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => quoted.push('_'),
            b'=' | b'?' | b'_' => quoted.push_str(&format!("={byte:02X}")),
            0x21..=0x7e => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("={byte:02X}")),
        }
    }
    format!("=?UTF-8?Q?{quoted}?=")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts of recorded answers.
    #[test]
    fn metadata_comes_back_as_s3_keeps_it() {
        for (sent, kept) in [
            ("=?UTF-8?B?YWJj?=", "abc"),
            ("=?UTF-8?Q?actually-ascii?=", "actually-ascii"),
            ("=?UTF-8?B?AAECAw==?=", "=?UTF-8?B?AAECAw==?="),
            ("=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="),
            (
                "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=3F.pdf?=",
                "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=3F.pdf?=",
            ),
            ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            ("=?UTF-8?B?4WH=?=", "=?UTF-8?B?77+9Ye+/vQ==?="),
            ("plain", "plain"),
            ("=?UTF-8?X?abc?=", "=?UTF-8?X?abc?="),
        ] {
            assert_eq!(normalize_metadata_value(sent), kept, "{sent}");
        }
    }
}
