//! What every file of the host is handled with: its hash, a new file down to the disk, an error as an operator needs it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use sha2::{Digest as _, Sha256};

use crate::model::failure::{Failure, FailureKind};

/// Returns the SHA-256 of a file's bytes, hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Writes a file that isn't there yet, 0600, down to the disk.
///
/// # Errors
/// Where the disk refuses it: nothing is left there then.
pub(super) fn write_new_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// Renders an error of the file system as an operator needs it.
pub(super) fn build_file_failure(path: &Path, error: &io::Error) -> Failure {
    use io::ErrorKind as E;
    let dir = path.parent().unwrap_or(path).display();
    let (kind, next) = match error.kind() {
        E::NotFound => (
            FailureKind::Missing,
            "run this on packagecloud's host, name that with --host HOST, or the file with --config FILE"
                .to_owned(),
        ),
        E::PermissionDenied => (FailureKind::Other, "run it as root: with sudo in front".to_owned()),
        E::StorageFull | E::QuotaExceeded => (
            FailureKind::Other,
            format!("the file is as it was; make room there (df -h {dir}), then try again"),
        ),
        E::ReadOnlyFilesystem => (
            FailureKind::Other,
            format!(
                "the file is as it was; make its file system writable (findmnt -T {dir}), then try again"
            ),
        ),
        _ => (FailureKind::Other, format!("the file is as it was; see to {dir}, then try again")),
    };
    Failure::new(kind, path.display().to_string(), error.to_string(), next)
}
