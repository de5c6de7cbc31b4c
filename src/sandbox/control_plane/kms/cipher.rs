//! Encrypt and Decrypt: an authenticated stream of HMAC-SHA256 blocks under the key's material.
//!
//! A ciphertext names its key, differs on each Encrypt, and opens only whole and under the context that it was made with.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Ask, Context, Key, Outcome, Refusal, find, json, store, usable, validation};

const FORM: u8 = 1;
const ID: usize = 36;
const NONCE: usize = 16;
const TAG: usize = 32;

pub fn encrypt(state: &store::State, ask: &Ask<'_>) -> Outcome {
    let key = find(&state.kms, ask.need("KeyId")?)?;
    let (bound, context) = bound(ask);
    ask.may_on(state, "Encrypt", key, &context)?;
    usable(key)?;
    let plain = blob(ask, "Plaintext")?;
    if plain.is_empty() || plain.len() > 4096 {
        return Err(validation(
            "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
        ));
    }
    let mut nonce = [0; NONCE];
    fastrand::fill(&mut nonce);
    let body = stream(key, &nonce, &plain);
    let tag = tag(key, &nonce, &bound, &body);
    let sealed = [&[FORM], key.id.as_bytes(), &nonce, &body, &tag].concat();
    Ok(
        json!({"CiphertextBlob": STANDARD.encode(sealed), "KeyId": key.arn(), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
    )
}

pub fn decrypt(state: &store::State, ask: &Ask<'_>) -> Outcome {
    let invalid = || Refusal::new(400, "InvalidCiphertextException", "");
    let sealed = blob(ask, "CiphertextBlob")?;
    if sealed.len() < 1 + ID + NONCE + TAG || sealed[0] != FORM {
        return Err(invalid());
    }
    let (head, tail) = sealed[1..].split_at(ID);
    let (nonce, tail) = tail.split_at(NONCE);
    let (body, given) = tail.split_at(tail.len() - TAG);
    let id = std::str::from_utf8(head).map_err(|_| invalid())?;
    let key = state.kms.keys.get(id).ok_or_else(|| {
        super::access_denied("kms", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
    })?;
    if let Some(named) = ask.text("KeyId")
        && find(&state.kms, named)?.id != key.id
    {
        let message = "The key ID in the request does not identify a CMK that can perform this operation.";
        return Err(Refusal::new(400, "IncorrectKeyException", message));
    }
    let (bound, context) = bound(ask);
    ask.may_on(state, "Decrypt", key, &context)?;
    usable(key)?;
    if tag(key, nonce, &bound, body) != given {
        return Err(invalid());
    }
    let plain = stream(key, nonce, body);
    Ok(
        json!({"Plaintext": STANDARD.encode(plain), "KeyId": key.arn(), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
    )
}

fn blob(ask: &Ask<'_>, field: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD
        .decode(ask.need(field)?)
        .map_err(|_| Refusal::new(400, "SerializationException", format!("{field} is no base64")))
}

/// The encryption context, as the tag binds it and as conditions see it.
fn bound(ask: &Ask<'_>) -> (Vec<u8>, Context) {
    let pairs: BTreeMap<&String, &str> = ask.input["EncryptionContext"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key, value.as_str().unwrap_or_default()))
        .collect();
    let context = pairs.iter().fold(ask.context(), |context, (key, value)| {
        context
            .with(&format!("kms:EncryptionContext:{key}"), *value)
            .with("kms:EncryptionContextKeys", key.as_str())
    });
    (json!(pairs).to_string().into_bytes(), context)
}

fn stream(key: &Key, nonce: &[u8], input: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(input.len());
    for (at, block) in (0u32..).zip(input.chunks(32)) {
        let pad = mac(key, &[b"stream", nonce, &at.to_be_bytes()]);
        output.extend(block.iter().zip(pad).map(|(byte, pad)| byte ^ pad));
    }
    output
}

fn tag(key: &Key, nonce: &[u8], bound: &[u8], body: &[u8]) -> Vec<u8> {
    mac(key, &[b"tag", nonce, &bound.len().to_be_bytes(), bound, body])
}

fn mac(key: &Key, parts: &[&[u8]]) -> Vec<u8> {
    let material = hex::decode(&key.material).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(&material).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}
