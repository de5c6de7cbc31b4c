//! A request's path, decoded once: what has no single meaning is refused, and what goes on has one spelling.

/// Returns the decoded path, its leading slash kept; None for `bad-path`.
pub(super) fn decode_uri_path(uri: &str) -> Option<String> {
    if !uri.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            parse_hex_digit(rest.next()?)? << 4 | parse_hex_digit(rest.next()?)?
        } else {
            byte
        });
    }
    let path = String::from_utf8(bytes).ok()?;
    let plain = path.bytes().all(|byte| !byte.is_ascii_control());
    // An empty segment last is a key that ends in a slash; anywhere else it is `//`, and alone the empty key.
    let mut segments = path.split('/').skip(1).peekable();
    let mut sound = path.len() > 1;
    while let Some(segment) = segments.next() {
        sound &= !matches!(segment, "." | "..") && (!segment.is_empty() || segments.peek().is_none());
    }
    (plain && sound).then_some(path)
}

/// Returns whether a link can carry the object with this key: the edge refuses every link to any other as `bad-path`.
#[must_use]
pub fn can_link_carry_key(key: &str) -> bool {
    decode_uri_path(&encode_canonical_path(&format!("/{key}"))).is_some()
}

/// Returns the value of a hex digit.
pub(super) fn parse_hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Returns the canonical encoding of a decoded path: every byte but `A-Z a-z 0-9 - . _ ~ /` as `%XX`, upper case.
#[must_use]
pub fn encode_canonical_path(path: &str) -> String {
    const HEX_DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push('%');
            uri.push(char::from(HEX_DIGITS[usize::from(byte >> 4)]));
            uri.push(char::from(HEX_DIGITS[usize::from(byte & 15)]));
        }
    }
    uri
}
