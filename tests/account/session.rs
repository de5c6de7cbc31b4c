//! The engine's session on a sandbox in this process: what a command runs on, without the binary.

use packagecloud_cloudfront::{app::compose::open_sandbox_session, engine::Session, sandbox::Sandbox};

/// As `--sandbox` opens it.
pub fn open_session(world: &Sandbox) -> Session {
    open_sandbox_session(world).unwrap()
}
