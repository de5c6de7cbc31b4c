//! Encrypt and Decrypt: an authenticated stream of HMAC-SHA256 blocks under the key's material.
//!
//! A ciphertext names its key, differs on each Encrypt, and opens only whole and under the context that it was made with.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    PolicyConditionContext, SandboxAwsError, SandboxKmsApiCall, SandboxKmsKey, SandboxKmsResult,
    SandboxService, SandboxState, build_access_denied_error, build_kms_validation_error,
    check_sandbox_kms_key_usable, find_stored_kms_key, json,
};

/// The first byte of a ciphertext; then the key's id, the nonce, the text and the tag.
const FORMAT_VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 36;
const NONCE_BYTES: usize = 16;
const TAG_BYTES: usize = 32;

/// Answers Encrypt.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_kms_encrypt(state: &SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let key = find_stored_kms_key(&state.kms, ask.require_request_text_field("KeyId")?)?;
    let (bound, context) = parse_kms_encryption_context(ask);
    ask.authorize_call_on_kms_key(state, "Encrypt", key, &context)?;
    check_sandbox_kms_key_usable(key)?;
    let plain = decode_base64_blob_field(ask, "Plaintext")?;
    if plain.is_empty() || plain.len() > 4096 {
        return Err(build_kms_validation_error(
            "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
        ));
    }
    let mut nonce = [0; NONCE_BYTES];
    fastrand::fill(&mut nonce);
    let body = xor_bytes_with_keystream(key, &nonce, &plain);
    let tag = compute_ciphertext_auth_tag(key, &nonce, &bound, &body);
    let sealed = [&[FORMAT_VERSION], key.id.as_bytes(), &nonce, &body, &tag].concat();
    Ok(
        json!({"CiphertextBlob": STANDARD.encode(sealed), "KeyId": key.build_sandbox_kms_key_arn(), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
    )
}

/// Answers Decrypt.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_kms_decrypt(state: &SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let invalid = || SandboxAwsError::new(400, "InvalidCiphertextException", "");
    let sealed = decode_base64_blob_field(ask, "CiphertextBlob")?;
    if sealed.len() < 1 + KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES || sealed[0] != FORMAT_VERSION {
        return Err(invalid());
    }
    let (head, tail) = sealed[1..].split_at(KEY_ID_BYTES);
    let (nonce, tail) = tail.split_at(NONCE_BYTES);
    let (body, given) = tail.split_at(tail.len() - TAG_BYTES);
    let id = std::str::from_utf8(head).map_err(|_| invalid())?;
    let key = state.kms.keys.get(id).ok_or_else(|| {
        build_access_denied_error(SandboxService::Kms, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
    })?;
    if let Some(named) = ask.read_request_text_field("KeyId")
        && find_stored_kms_key(&state.kms, named)?.id != key.id
    {
        let message = "The key ID in the request does not identify a CMK that can perform this operation.";
        return Err(SandboxAwsError::new(400, "IncorrectKeyException", message));
    }
    let (bound, context) = parse_kms_encryption_context(ask);
    ask.authorize_call_on_kms_key(state, "Decrypt", key, &context)?;
    check_sandbox_kms_key_usable(key)?;
    if compute_ciphertext_auth_tag(key, nonce, &bound, body) != given {
        return Err(invalid());
    }
    let plain = xor_bytes_with_keystream(key, nonce, body);
    Ok(json!({
        "Plaintext": STANDARD.encode(plain), "KeyId": key.build_sandbox_kms_key_arn(),
        "KeyMaterialId": key.build_key_material_id(), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

fn decode_base64_blob_field(ask: &SandboxKmsApiCall<'_>, field: &str) -> Result<Vec<u8>, SandboxAwsError> {
    STANDARD
        .decode(ask.require_request_text_field(field)?)
        .map_err(|_| SandboxAwsError::new(400, "SerializationException", format!("{field} is no base64")))
}

/// The encryption context, as the tag binds it and as conditions see it.
fn parse_kms_encryption_context(ask: &SandboxKmsApiCall<'_>) -> (Vec<u8>, PolicyConditionContext) {
    let pairs: BTreeMap<&String, &str> = ask.input["EncryptionContext"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key, value.as_str().unwrap_or_default()))
        .collect();
    let context = pairs.iter().fold(ask.build_kms_condition_context(), |context, (key, value)| {
        context
            .add_condition_key_value(&format!("kms:EncryptionContext:{key}"), *value)
            .add_condition_key_value("kms:EncryptionContextKeys", key.as_str())
    });
    (json!(pairs).to_string().into_bytes(), context)
}

fn xor_bytes_with_keystream(key: &SandboxKmsKey, nonce: &[u8], input: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(input.len());
    for (at, block) in (0u32..).zip(input.chunks(32)) {
        let pad = compute_sandbox_kms_key_hmac(key, &[b"stream", nonce, &at.to_be_bytes()]);
        output.extend(block.iter().zip(pad).map(|(byte, pad)| byte ^ pad));
    }
    output
}

fn compute_ciphertext_auth_tag(key: &SandboxKmsKey, nonce: &[u8], bound: &[u8], body: &[u8]) -> Vec<u8> {
    compute_sandbox_kms_key_hmac(key, &[b"tag", nonce, &bound.len().to_be_bytes(), bound, body])
}

fn compute_sandbox_kms_key_hmac(key: &SandboxKmsKey, parts: &[&[u8]]) -> Vec<u8> {
    let material = hex::decode(&key.material).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(&material).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}
