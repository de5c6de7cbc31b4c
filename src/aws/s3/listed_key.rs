//! A key as a listing spells it with `encoding-type=url`: without that, one key with a control character makes the whole listing unreadable.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Decodes a key of a listing that says it is encoded.
///
/// # Errors
/// Fails where the key isn't UTF-8.
pub fn decode_url_encoded_key(text: &str) -> Result<String, String> {
    if !text.contains(['%', '+']) {
        return Ok(text.to_owned());
    }
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    let key = percent_decode(spaced.as_bytes())
        .decode_utf8()
        .map_err(|_| format!("a key that isn't UTF-8: {spaced}"))?;
    Ok(key.into_owned())
}
