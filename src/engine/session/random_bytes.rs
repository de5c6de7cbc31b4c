//! Where a new secret's random bytes come from: the operating system, or the seed of a sandbox.

use crate::model::failure::Failure;

/// The source of a new secret's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RandomByteSource {
    OperatingSystem,
    /// The draws of this thread, which a sandbox with a seed has seeded: anybody who knows the seed knows them.
    SandboxSeed,
}

impl RandomByteSource {
    /// Draws the bytes of a secret.
    ///
    /// # Errors
    /// Where the operating system gives none.
    pub fn draw_secret_bytes(self) -> Result<[u8; 16], Failure> {
        let mut random = [0; 16];
        match self {
            Self::OperatingSystem => getrandom::fill(&mut random).map_err(|error| {
                Failure::new_generic_failure(
                    "the operating system's random bytes",
                    error.to_string(),
                    "try again",
                )
            })?,
            Self::SandboxSeed => fastrand::fill(&mut random),
        }
        Ok(random)
    }
}
