//! The new secret between being made and being in every node's file: in the operating system's keyring, or where there is
//! none in a file of the state directory that only this user reads.
//!
//! Lost, another one is made: no link was ever signed with it.

use crate::engine::session::Session;
use crate::host::Keyring;
use crate::model::{failure::Failure, secret::Secret};

const ROTATION_SECRET_FILE: &str = "rotation-secret";

fn render_keyring_entry_name(session: &Session) -> String {
    format!("cloudfront_secret rotation {}", session.host.render_config_location())
}

/// Draws a secret, and keeps it until every node holds it.
///
/// # Errors
/// Fails where there are no random bytes, or it can be kept nowhere.
pub(super) async fn draw_and_keep_rotation_secret(session: &Session) -> Result<Secret, Failure> {
    let random = session.settings.random_bytes.draw_secret_bytes()?;
    let secret = Secret::generate_cloudfront_secret(&random);
    session.host.redactor.learn_secret_to_redact(&secret);
    // A sandbox's keyring ends with its process.
    let lasts = matches!(session.host.keyring, Keyring::System);
    let name = render_keyring_entry_name(session);
    if !lasts || session.host.keyring.store_keyring_secret(&name, &secret).await.is_err() {
        session.host.state.write_state_dir_file(ROTATION_SECRET_FILE, secret.expose_secret().as_bytes())?;
    }
    Ok(secret)
}

/// Reads the secret that a run before this one made, and not every node holds yet.
pub(super) async fn read_kept_rotation_secret(session: &Session) -> Option<Secret> {
    let file = session.host.state.read_state_dir_file(ROTATION_SECRET_FILE);
    let secret = if let Some(text) = file.and_then(|text| String::from_utf8(text).ok()) {
        Secret::new(text)
    } else {
        let name = render_keyring_entry_name(session);
        session.host.keyring.read_keyring_secret(&name).await.ok().flatten()?
    };
    session.host.redactor.learn_secret_to_redact(&secret);
    // What was cut off by a full disk is no secret.
    secret.decode_base64_secret_key().is_ok().then_some(secret)
}

/// Removes it: every node's file holds it now.
pub(super) async fn remove_kept_rotation_secret(session: &Session) {
    session.host.state.remove_state_dir_file(ROTATION_SECRET_FILE);
    let _ = session.host.keyring.remove_keyring_secret(&render_keyring_entry_name(session)).await;
}
