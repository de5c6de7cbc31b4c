//! The secret that a configuration client shall write to packagecloud.rb: kept here, 0600, until the file holds it.

use crate::model::{failure::Failure, secret::Secret};

use crate::host::Host;

const PENDING_SECRET_NOTE: &str = "managed-secret";

impl Host {
    /// Keeps the secret until it stands in packagecloud.rb; says where.
    ///
    /// # Errors
    /// Where the state directory doesn't take it.
    pub fn store_pending_secret(&self, secret: &Secret) -> Result<std::path::PathBuf, Failure> {
        self.state.write_state_dir_file(
            &self.build_host_note_file_name(PENDING_SECRET_NOTE),
            secret.expose_secret().as_bytes(),
        )
    }

    /// Reads the secret that is kept.
    #[must_use]
    pub fn read_secret_awaiting_config_write(&self) -> Option<Secret> {
        self.read_host_state_file(PENDING_SECRET_NOTE).map(Secret::new)
    }

    /// Removes the secret that was kept.
    pub fn remove_unwritten_cloudfront_secret(&self) {
        self.remove_host_note(PENDING_SECRET_NOTE);
    }
}
