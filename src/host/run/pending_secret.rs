//! The secret that a configuration client shall write to packagecloud.rb: kept here, 0600, until the file holds it.

use crate::model::{run::failure::Failure, secret::Secret};

use crate::host::Host;

const SECRET: &str = "managed-secret";

impl Host {
    /// Keeps it; says where.
    pub fn await_secret(&self, secret: &Secret) -> Result<std::path::PathBuf, Failure> {
        self.state.write(&self.note_name(SECRET), secret.expose().as_bytes())
    }

    /// What is kept.
    #[must_use]
    pub fn awaited_secret(&self) -> Option<Secret> {
        self.noted(SECRET).map(Secret::new)
    }

    pub fn forget_awaited(&self) {
        self.forget_note(SECRET);
    }
}
