//! Whatever bytes come as a request: the check neither panics nor lets anything through that isn't signed, and what it
//! lets through has one spelling.
//!
//! `cargo +nightly fuzz run check --fuzz-dir tests/fuzz`; without cargo-fuzz, tests/fuzz/run.sh.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// The model's own source: the rest of the crate has no part in this.
#[expect(dead_code, reason = "not all of it is asked here")]
#[path = "../../../src/model"]
mod model {
    pub mod failure;
    pub mod secret;
    pub mod token;
}

use model::{
    secret::Secret,
    token::{Construction, Mac, Refusal, Request, check, inspect, sign},
};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const EXPIRES: u64 = 1_618_409_761;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (uri, querystring) = text.split_once('?').unwrap_or((text, ""));
    let construction = Construction::default();
    let asked = |uri: &str, querystring: &str| {
        let request = Request { uri, querystring, method: "GET", host: "" };
        check(&request, &[KEY], EXPIRES, construction)
    };
    // No fuzzer finds a MAC.
    assert!(asked(uri, querystring).is_err());
    let secret = Secret::new("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    let found = inspect(text, &[secret], EXPIRES, construction);
    assert!(!found.lines(construction).is_empty());

    // The same text as an object's key, signed as packagecloud would: refused for its path, or accepted and then stable.
    let token = format!("t={}", sign(KEY, text, EXPIRES, Mac::Sha1, construction, ""));
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    match asked(&format!("/{encoded}"), &token) {
        Ok(canonical) => assert_eq!(asked(&canonical, &token).as_ref(), Ok(&canonical)),
        Err(refusal) => assert_eq!(refusal, Refusal::BadPath),
    }
});
