//! Whatever comes as a request: the check answers as the contract's sentences do, written down here a second time.
//!
//! Two bytes choose how it is asked; the rest is a path and a query string, in which `MAC` stands for the right digits, since
//! no fuzzer finds those. `tests/fuzz/run.sh`, or `cargo +nightly fuzz run check --fuzz-dir tests/fuzz`.

#![no_main]

use hmac::{Hmac, KeyInit, Mac as _};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The model's own source: the rest of the crate has no part in this.
#[expect(dead_code, reason = "not all of it is asked here")]
#[path = "../../../src/model"]
mod model {
    pub mod secret;
    pub mod run {
        pub mod failure;
    }
    pub mod url {
        pub mod token;
    }
}

use model::{
    secret::Secret,
    url::token::{Construction, Mac, Refusal, Request, Scheme, canonical, check, inspect, sign},
};

const SHORT: &[u8] = b"0123456789abcde";
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const PREVIOUS: &[u8] = b"fedcba9876543210";
/// The same key as `KEY`.
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const EXPIRES: u64 = 1_618_409_761;
const UNRESERVED: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// How the request is asked, besides its text.
struct Asked {
    construction: Construction,
    method: &'static str,
    host: &'static str,
    mac: Mac,
    signer: &'static [u8],
    keys: &'static [&'static [u8]],
    now: u64,
}

impl Asked {
    fn of(one: u8, other: u8) -> Self {
        let of = |byte: u8, shift: u8, count: usize| usize::from(byte >> shift) % count;
        Self {
            construction: Construction::all()[of(one, 0, 8)],
            method: ["GET", "HEAD", "POST", "get"][of(one, 3, 4)],
            mac: [Mac::Sha1, Mac::Sha256][of(one, 5, 2)],
            now: [EXPIRES - 300, EXPIRES, EXPIRES + 1, 0][of(one, 6, 4)],
            host: ["d1.cloudfront.net", ""][of(other, 0, 2)],
            signer: [KEY, PREVIOUS, SHORT, b""][of(other, 1, 4)],
            keys: [&[KEY] as &[&[u8]], &[SHORT, KEY, PREVIOUS], &[PREVIOUS], &[]][of(other, 3, 4)],
        }
    }

    /// The digits that this key makes of a path and an expiry.
    fn digits(&self, key: &[u8], path: &str, expires: &str, mac: Mac) -> Option<String> {
        let name = self.construction.to_string();
        let message = match name.split(':').nth(1)? {
            "path+expires" => format!("{path}{expires}"),
            "expires+path" => format!("{expires}{path}"),
            "key+expires" => format!("{}{expires}", path.get(1..)?),
            "host+path+expires" if self.host.is_empty() => return None,
            "host+path+expires" => format!("{}{path}{expires}", self.host),
            other => panic!("a construction that the contract doesn't know: {other}"),
        };
        Some(match mac {
            Mac::Sha1 => {
                let mac = Hmac::<sha1::Sha1>::new_from_slice(key).ok()?.chain_update(message);
                hex::encode(mac.finalize().into_bytes())
            }
            Mac::Sha256 => {
                let mac = Hmac::<sha2::Sha256>::new_from_slice(key).ok()?.chain_update(message);
                hex::encode(mac.finalize().into_bytes())
            }
        })
    }

    /// Contract section 3, sentence by sentence.
    fn right(&self, uri: &str, querystring: &str) -> Result<String, Refusal> {
        if !["GET", "HEAD"].contains(&self.method) {
            return Err(Refusal::BadMethod);
        }
        let path = decoded(uri).ok_or(Refusal::BadPath)?;
        if querystring.is_empty() {
            return Err(Refusal::MissingToken);
        }
        let bytes = querystring.as_bytes();
        let shaped = bytes.is_ascii()
            && [53, 77].contains(&bytes.len())
            && bytes.starts_with(b"t=")
            && bytes[2..12].iter().all(u8::is_ascii_digit)
            && bytes[12] == b'_'
            && bytes[13..].iter().all(u8::is_ascii_hexdigit);
        if !shaped {
            return Err(Refusal::MalformedToken);
        }
        let (expires, given) = (&querystring[2..12], querystring[13..].to_lowercase());
        let mac = if given.len() == 40 { Mac::Sha1 } else { Mac::Sha256 };
        let signed = self
            .keys
            .iter()
            .filter(|key| key.len() >= 16)
            .any(|key| self.digits(key, &path, expires, mac).is_some_and(|digits| digits == given));
        if !signed {
            return Err(Refusal::BadSignature);
        }
        if self.now > expires.parse().unwrap() {
            return Err(Refusal::Expired);
        }
        Ok(utf8_percent_encode(&path, &UNRESERVED).to_string())
    }
}

/// A path that has a meaning, decoded once.
fn decoded(uri: &str) -> Option<String> {
    let escapes = uri
        .split('%')
        .skip(1)
        .all(|after| after.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)));
    let path = percent_decode_str(uri).decode_utf8().ok()?.into_owned();
    let dots = path.split('/').any(|segment| [".", ".."].contains(&segment));
    let wrong = !escapes
        || dots
        || path == "/"
        || path.contains("//")
        || path.contains(|c: char| c.is_ascii_control());
    (uri.starts_with('/') && !wrong).then_some(path)
}

fuzz_target!(|data: &[u8]| {
    let [one, other, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let asked = Asked::of(*one, *other);
    let (uri, query) = text.split_once('?').unwrap_or((text, ""));
    let path = decoded(uri).unwrap_or_else(|| uri.to_owned());
    let expires = query.get(2..12).unwrap_or_default();
    let digits = asked.digits(asked.signer, &path, expires, asked.mac).unwrap_or_default();
    let querystring = query.replace("MAC", &digits);

    let request = Request { uri, querystring: &querystring, method: asked.method, host: asked.host };
    let verdict = check(&request, asked.keys, asked.now, asked.construction);
    assert_eq!(verdict, asked.right(uri, &querystring));
    if let Ok(on) = &verdict {
        // What goes on has one spelling, and is accepted again.
        let again = Request { uri: on, ..request };
        assert_eq!(check(&again, asked.keys, asked.now, asked.construction).as_ref(), Ok(on));
    }

    // `inspect` is given what people paste: it says what the edge would, and repeats no signature.
    let pasted = format!("https://d1.cloudfront.net{uri}?{querystring}");
    let found = inspect(&pasted, &[Secret::new(SECRET)], asked.now, asked.construction);
    let said: String = found.lines(asked.construction).into_iter().map(|(_, line)| line).collect();
    if matches!(found.scheme, Scheme::PackagecloudSha1 | Scheme::PackagecloudSha256)
        && !uri.contains(&querystring[13..])
    {
        assert!(!said.contains(&querystring[13..]), "{said}");
    }
    assert!(!said.is_empty());

    // The same text as an object's key, signed as packagecloud would: refused for its path, or accepted.
    let token = format!("t={}", sign(KEY, text, EXPIRES, asked.mac, asked.construction, "d1.cloudfront.net"));
    let signed = Request {
        uri: &canonical(&format!("/{text}")),
        querystring: &token,
        method: "GET",
        host: "d1.cloudfront.net",
    };
    match check(&signed, &[KEY], EXPIRES, asked.construction) {
        Ok(on) => assert_eq!(on, signed.uri),
        Err(refusal) => assert_eq!(refusal, Refusal::BadPath),
    }
});
