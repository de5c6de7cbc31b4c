//! This machine's files, replaced whole or not at all, with mode, owner, label and access control list kept.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown},
    path::{Path, PathBuf},
};

use crate::model::failure::Failure;

use crate::host::files::{build_file_failure, sha256_hex, write_new_file};

/// Puts `bytes` in the place of a file whose bytes hash to `seen`, as [`super::HostTransport::replace_file_if_unchanged`] says.
///
/// # Errors
/// Where the file moved or the disk refuses it; it is as it was then.
pub(super) fn replace_local_file_if_unchanged(
    path: &Path,
    seen: &str,
    bytes: &[u8],
    backup: &Path,
) -> Result<(), Failure> {
    let target = fs::canonicalize(path).map_err(|error| build_file_failure(path, &error))?;
    let old = read_file_matching_sha256(path, &target, seen)?;
    let meta = fs::metadata(&target).map_err(|error| build_file_failure(path, &error))?;
    write_new_file(backup, &old).map_err(|error| match error.kind() {
        // Another run chose the same name within the same second, and writes now.
        io::ErrorKind::AlreadyExists => Failure::new_plan_drift_failure(
            path.display().to_string(),
            "another run changes it at this moment",
        ),
        _ => build_file_failure(backup, &error),
    })?;
    // It is as secret as the file, and its owner's.
    let _ = lchown(backup, Some(meta.uid()), Some(meta.gid()));
    let fresh = build_temporary_sibling_path(&target);
    let placed = write_replacement_file(&fresh, bytes, &target, &meta)
        .map_err(|error| build_file_failure(path, &error))
        .and_then(|()| read_file_matching_sha256(path, &target, seen))
        .and_then(|_| fs::rename(&fresh, &target).map_err(|error| build_file_failure(path, &error)));
    if let Err(failure) = placed {
        // Nothing was replaced, so neither is needed; what can't be removed does no harm.
        let _ = fs::remove_file(&fresh);
        let _ = fs::remove_file(backup);
        return Err(failure);
    }
    // Its time is when it came to stand here, not when it began to be written: by it is told who has read it since.
    let _ = File::open(&target).and_then(|file| file.set_modified(std::time::SystemTime::now()));
    // The file stands; a directory that can't be synced only makes a power cut show the old one.
    for dir in [target.parent(), backup.parent()].into_iter().flatten() {
        let _ = File::open(dir).and_then(|dir| dir.sync_all());
    }
    Ok(())
}

/// The file's bytes, where they are still those that were seen.
fn read_file_matching_sha256(path: &Path, target: &Path, seen: &str) -> Result<Vec<u8>, Failure> {
    let bytes = fs::read(target).map_err(|error| build_file_failure(path, &error))?;
    if sha256_hex(&bytes) == seen {
        Ok(bytes)
    } else {
        Err(Failure::new_plan_drift_failure(
            path.display().to_string(),
            "it was changed since it was read, so it was not overwritten",
        ))
    }
}

fn build_temporary_sibling_path(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{:016x}.new", fastrand::u64(..)));
    target.with_file_name(name)
}

fn write_replacement_file(fresh: &Path, bytes: &[u8], target: &Path, meta: &fs::Metadata) -> io::Result<()> {
    write_new_file(fresh, bytes)?;
    let file = OpenOptions::new().write(true).open(fresh)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (meta.uid(), meta.gid()) {
        std::os::unix::fs::fchown(&file, Some(meta.uid()), Some(meta.gid()))?;
    }
    copy_extended_attributes(target, &file);
    file.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    file.sync_all()
}

/// What is true of the bytes and not of the file: measured of the old ones, it would be wrong of the new.
const CONTENT_BOUND_XATTRS: [&[u8]; 3] = [b"security.ima", b"security.evm", b"security.capability"];

/// SELinux's label, access control lists and whatever else is attached, as far as it can be kept.
fn copy_extended_attributes(from: &Path, to: &File) {
    let mut names = vec![0; 65_536];
    let length = rustix::fs::listxattr(from, names.as_mut_slice()).unwrap_or(0);
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 65_536];
        if !CONTENT_BOUND_XATTRS.contains(&name)
            && let Ok(length) = rustix::fs::getxattr(from, name, value.as_mut_slice())
        {
            let _ = rustix::fs::fsetxattr(to, name, &value[..length], rustix::fs::XattrFlags::empty());
        }
    }
}
