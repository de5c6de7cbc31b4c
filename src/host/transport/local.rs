//! This machine's files, replaced whole or not at all, with mode, owner, label and access control list kept.
//!
//! A file that is mounted by itself can't be replaced: its bytes are written over, once the backup stands.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, lchown},
    path::Path,
};

use rustix::{fs::FallocateFlags, io::Errno};

use super::FileReplacementMethod;
use crate::host::blocking_work::AbandonedWorkFlag;
use crate::host::files::{
    NO_FOLLOW, UnplacedFile, build_local_file_failure, read_regular_file, remove_abandoned_temporary_files,
    sha256_hex, write_new_file,
};
use crate::model::failure::Failure;

/// Puts `bytes` in the place of a file whose bytes hash to `seen`, as [`super::HostTransport::replace_file_if_unchanged`] says.
///
/// # Errors
/// Where the file moved or the disk refuses it; it is as it was then.
pub(super) fn replace_local_file_if_unchanged(
    path: &Path,
    seen: &str,
    bytes: &[u8],
    backup: &Path,
    flag: &AbandonedWorkFlag,
) -> Result<FileReplacementMethod, Failure> {
    let target = fs::canonicalize(path).map_err(|error| build_local_file_failure(path, &error))?;
    if let Some(dir) = target.parent() {
        remove_abandoned_temporary_files(dir, target.file_name());
    }
    let old = read_file_matching_sha256(path, &target, seen)?;
    let meta = fs::metadata(&target).map_err(|error| build_local_file_failure(path, &error))?;
    write_new_file(backup, &old).map_err(|error| match error.kind() {
        // Another run chose the same name within the same second, and writes now.
        io::ErrorKind::AlreadyExists => Failure::new_plan_drift_failure(
            path.display().to_string(),
            "another run changes it at this moment",
        ),
        _ => build_local_file_failure(backup, &error),
    })?;
    // It is as secret as the file, and its owner's.
    let _ = lchown(backup, Some(meta.uid()), Some(meta.gid()));
    let placed = match place_replacement_file(path, &target, seen, bytes, &meta, flag) {
        Ok(Ok(())) => Ok(FileReplacementMethod::Renamed),
        Ok(Err(_)) if flag.is_work_abandoned() => {
            Err(build_local_file_failure(path, &io::ErrorKind::TimedOut.into()))
        }
        Ok(Err(_)) => overwrite_mounted_file(path, &target, &old, bytes, backup)
            .map(|()| FileReplacementMethod::WrittenInPlace),
        Err(failure) => Err(failure),
    };
    let method = placed.inspect_err(|_| {
        // Nothing was replaced, so it isn't needed; unless the file lost its bytes.
        if fs::read(&target).is_ok_and(|now| now == old) {
            let _ = fs::remove_file(backup);
        }
    })?;
    // Its time is when it came to stand here, not when it began to be written: by it is told who has read it since.
    let _ = File::open(&target).and_then(|file| file.set_modified(std::time::SystemTime::now()));
    // The file stands; a directory that can't be synced only makes a power cut show the old one.
    for dir in [target.parent(), backup.parent()].into_iter().flatten() {
        let _ = File::open(dir).and_then(|dir| dir.sync_all());
    }
    Ok(method)
}

/// The file's bytes, where they are still those that were seen.
fn read_file_matching_sha256(path: &Path, target: &Path, seen: &str) -> Result<Vec<u8>, Failure> {
    let bytes = read_regular_file(target).map_err(|error| build_local_file_failure(path, &error))?;
    if sha256_hex(&bytes) == seen {
        Ok(bytes)
    } else {
        Err(Failure::new_plan_drift_failure(
            path.display().to_string(),
            "it was changed since it was read, so it was not overwritten",
        ))
    }
}

/// Puts a new file in the old one's place; the inner error where that is a mount, which no file can take the place of.
fn place_replacement_file(
    path: &Path,
    target: &Path,
    seen: &str,
    bytes: &[u8],
    meta: &fs::Metadata,
    flag: &AbandonedWorkFlag,
) -> Result<Result<(), io::Error>, Failure> {
    let failed = |error: io::Error| build_local_file_failure(path, &error);
    let mut fresh = UnplacedFile::create_beside(target).map_err(failed)?;
    write_replacement_file(&mut fresh.file, bytes, target, meta).map_err(failed)?;
    read_file_matching_sha256(path, target, seen)?;
    if flag.is_work_abandoned() {
        return Err(failed(io::ErrorKind::TimedOut.into()));
    }
    match fresh.replace_file(target) {
        Ok(()) => Ok(Ok(())),
        Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => Ok(Err(error)),
        Err(error) => Err(failed(error)),
    }
}

fn write_replacement_file(
    file: &mut File,
    bytes: &[u8],
    target: &Path,
    meta: &fs::Metadata,
) -> io::Result<()> {
    file.write_all(bytes)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (meta.uid(), meta.gid()) {
        std::os::unix::fs::fchown(&*file, Some(meta.uid()), Some(meta.gid()))?;
    }
    copy_extended_attributes(target, file);
    file.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    file.sync_all()
}

/// Writes over the bytes of a file that is mounted by itself; where that fails half-way the old ones are put back.
fn overwrite_mounted_file(
    path: &Path,
    target: &Path,
    old: &[u8],
    new: &[u8],
    backup: &Path,
) -> Result<(), Failure> {
    let failed = |error: &io::Error| build_local_file_failure(path, error);
    let file = OpenOptions::new().write(true).custom_flags(NO_FOLLOW).open(target).map_err(|e| failed(&e))?;
    // Room first: what is half written is worse than what isn't.
    let room = rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, new.len().max(1) as u64);
    if let Err(Errno::NOSPC | Errno::DQUOT) = room {
        return Err(failed(&io::ErrorKind::StorageFull.into()));
    }
    let write = |bytes: &[u8]| {
        file.write_all_at(bytes, 0)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    let Err(error) = write(new) else { return Ok(()) };
    if write(old).is_ok() {
        return Err(failed(&error));
    }
    let (from, to) = (backup.to_string_lossy(), path.to_string_lossy());
    Err(Failure::new_generic_failure(
        path.display().to_string(),
        format!("it is mounted by itself, and was written half-way only: {error}"),
        format!(
            "put its old bytes back with: cp {} {} — then try again",
            shell_words::quote(&from),
            shell_words::quote(&to)
        ),
    ))
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
