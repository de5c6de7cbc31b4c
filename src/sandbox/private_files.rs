//! Files of the sandbox's directory, readable by their owner alone whatever the umask: they hold its keys and secrets.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Returns options that make a file 0600 where they make one.
#[must_use]
pub fn build_private_file_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Writes a file, over whatever is there.
///
/// # Errors
/// Says why the disk refuses it.
pub fn write_private_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = build_private_file_options().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)
}

/// Makes a directory and those above it, 0700 where they are missing.
///
/// # Errors
/// Says why the disk refuses it.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
