//! What every file of the host is handled with: its hash, a new file down to the disk, an error as an operator needs it.
//!
//! A new file has no name until it is whole, so a kill leaves none; where the file system has no such files it has one
//! that the next start knows, and removes.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, StatxAttributes, StatxFlags};
use sha2::{Digest as _, Sha256};

use crate::model::failure::{Failure, FailureKind};
use crate::model::run::proposed_command::render_same_command_again;

/// Returns the SHA-256 of a file's bytes, hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Never follows a link at the end of a path: for what lies where others may write.
pub(super) const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Writes a file that isn't there yet, 0600, down to the disk.
///
/// # Errors
/// Where it is there, or the disk refuses it: nothing is left there then.
pub(super) fn write_new_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = UnplacedFile::create_beside(path)?;
    fresh.file.write_all(bytes)?;
    fresh.file.sync_all()?;
    fresh.place_as_new_file(path)
}

/// Puts `bytes` in the place of whatever is there, 0600, whole or not at all.
///
/// # Errors
/// Where the disk refuses it: the old file stands then.
pub(crate) fn write_file_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = UnplacedFile::create_beside(path)?;
    fresh.file.write_all(bytes)?;
    fresh.file.sync_all()?;
    fresh.replace_file(path)
}

/// A new file, 0600, that hasn't come to its place; dropped before, nothing of it is left.
pub(super) struct UnplacedFile {
    pub file: File,
    /// Its name for now, where it has one.
    temporary: Option<PathBuf>,
}

impl UnplacedFile {
    /// Makes one in the directory of `path`.
    ///
    /// # Errors
    /// Where the directory refuses it.
    pub(super) fn create_beside(path: &Path) -> io::Result<Self> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(".".as_ref());
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let unnamed = rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR).map(File::from);
        let (file, temporary) = match unnamed {
            // It can get a name only by this.
            Ok(file) if Path::new("/proc/self/fd").exists() => (file, None),
            _ => {
                let name = build_temporary_sibling_path(path);
                let mut options = OpenOptions::new();
                (options.read(true).write(true).create_new(true).mode(0o600).open(&name)?, Some(name))
            }
        };
        // Whoever finds its name knows by this that somebody writes it.
        let _ = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Self { file, temporary })
    }

    fn link_unnamed_file(&self, path: &Path) -> io::Result<()> {
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(rustix::fs::linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Gives it its name, where nothing has that yet.
    fn place_as_new_file(mut self, path: &Path) -> io::Result<()> {
        match &self.temporary {
            None => self.link_unnamed_file(path),
            Some(temporary) => {
                fs::hard_link(temporary, path).or_else(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => Err(error),
                    // A file system without links: nobody else knows that name.
                    _ if path.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
                    _ => fs::rename(temporary, path),
                })?;
                if let Some(temporary) = self.temporary.take() {
                    let _ = fs::remove_file(temporary);
                }
                Ok(())
            }
        }
    }

    /// Puts it in the place of the file at `path`.
    ///
    /// # Errors
    /// Where the directory refuses it: what was there stands.
    pub(super) fn replace_file(mut self, path: &Path) -> io::Result<()> {
        if self.temporary.is_none() {
            let name = build_temporary_sibling_path(path);
            self.link_unnamed_file(&name)?;
            self.temporary = Some(name);
        }
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, path)?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for UnplacedFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

const TEMPORARY_NAME_END: &str = ".new";
/// What is written through a line to another host has this before its end: nobody holds a lock on it.
pub(super) const REMOTE_TEMPORARY_NAME_END: &str = ".ssh.new";
/// Older than this nobody writes it any more.
const REMOTE_WRITE_AGE_MAX: Duration = Duration::from_mins(10);

fn build_temporary_sibling_path(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{:016x}{TEMPORARY_NAME_END}", fastrand::u64(..)));
    target.with_file_name(name)
}

/// Which file a temporary one was to replace, by its name, and whether it was written over a line from another host.
fn parse_temporary_name(name: &OsStr) -> Option<(&[u8], bool)> {
    let name = name.as_bytes().strip_prefix(b".")?;
    let (name, remote) = match name.strip_suffix(REMOTE_TEMPORARY_NAME_END.as_bytes()) {
        Some(name) => (name, true),
        None => (name.strip_suffix(TEMPORARY_NAME_END.as_bytes())?, false),
    };
    let (target, number) = name.split_at_checked(name.len().checked_sub(17)?)?;
    let hex = number[1..].iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte));
    (number[0] == b'.' && hex && !target.is_empty()).then_some((target, remote))
}

/// Removes what runs that were killed left in `dir` of files that were to replace `target`, or of all where none is named.
pub(super) fn remove_abandoned_temporary_files(dir: &Path, target: Option<&OsStr>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((of, remote)) = parse_temporary_name(&name) else { continue };
        if target.is_some_and(|target| target.as_bytes() != of) {
            continue;
        }
        let mut options = OpenOptions::new();
        let opened = options.read(true).custom_flags(NO_FOLLOW | OFlags::NONBLOCK.bits().cast_signed());
        let Ok(file) = opened.open(entry.path()) else { continue };
        let Ok(meta) = file.metadata() else { continue };
        let age = meta.modified().ok().and_then(|time| time.elapsed().ok());
        let abandoned = if remote {
            age.is_some_and(|age| age > REMOTE_WRITE_AGE_MAX)
        } else {
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        };
        if meta.is_file() && abandoned {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Reads the whole of a file that must be one: a pipe or a device may have no end.
///
/// # Errors
/// Where it can't be read, isn't a file, or is larger than any configuration.
pub(crate) fn read_regular_file(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    // A pipe is opened without waiting for whoever writes into it.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::other("it is a pipe or a device, not a file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(build_too_large_error());
    }
    Ok(bytes)
}

/// No packagecloud.rb is larger. As the script that reads over ssh has it.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 20;

/// Returns the error of a file that is larger than that.
pub(super) fn build_too_large_error() -> io::Error {
    io::Error::other(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20))
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
        E::PermissionDenied if rustix::process::geteuid().is_root() => (
            FailureKind::Other,
            format!(
                "see what keeps root from it (ls -lZ {0}; lsattr -d {0}; findmnt -T {0}), then try again",
                path.display()
            ),
        ),
        E::PermissionDenied => (FailureKind::Other, "run it as root: with sudo in front".to_owned()),
        // `df -h` shows room then.
        E::StorageFull if has_no_inodes_left(path.parent().unwrap_or(path)) => {
            return Failure::new_generic_failure(
                path.display().to_string(),
                format!("no inodes are left on the file system of {dir}"),
                format!(
                    "the file is as it was; delete some files on that file system (df -i {dir} counts them), then run: {}",
                    render_same_command_again(&[])
                ),
            );
        }
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
        _ => (
            FailureKind::Other,
            format!("the file is as it was; look at {dir} (ls -ld {dir}), then try again"),
        ),
    };
    let failure = Failure::new(kind, path.display().to_string(), error.to_string(), next);
    if error.kind() == E::NotFound { failure.mark_failure_as_missing_file(path) } else { failure }
}

/// Whether a file system has no room for one more file, however small.
fn has_no_inodes_left(dir: &Path) -> bool {
    // Those that make inodes as they need them count none at all.
    rustix::fs::statvfs(dir).is_ok_and(|counts| counts.f_files > 0 && counts.f_favail == 0)
}

/// Renders an error of this machine's file system: an attribute that forbids what was tried is named, with the command that
/// takes it away.
pub(super) fn build_local_file_failure(path: &Path, error: &io::Error) -> Failure {
    let failure = build_file_failure(path, error);
    if error.kind() != io::ErrorKind::PermissionDenied {
        return failure;
    }
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let places = [Some(target.as_path()), target.parent()];
    match places.into_iter().flatten().find_map(|place| Some((place, find_blocking_attribute(place)?))) {
        Some((place, attribute)) => build_attribute_failure(path, place, attribute),
        None => failure,
    }
}

/// The letter of the attribute that keeps even root from replacing a file, or what is in a directory.
fn find_blocking_attribute(path: &Path) -> Option<char> {
    let found = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS).ok()?;
    if found.stx_attributes.contains(StatxAttributes::IMMUTABLE) {
        Some('i')
    } else {
        found.stx_attributes.contains(StatxAttributes::APPEND).then_some('a')
    }
}

/// Names an attribute of `place` that keeps `path` from being written.
pub(super) fn build_attribute_failure(path: &Path, place: &Path, attribute: char) -> Failure {
    let name = if attribute == 'i' { "immutable" } else { "append-only" };
    let of = if place.file_name() == path.file_name() { "it" } else { "its directory" };
    Failure::new(
        FailureKind::Other,
        path.display().to_string(),
        format!("{of} has the {name} attribute, against which root can't write either"),
        format!(
            "the file is as it was; remove the attribute: chattr -{attribute} {} — then try again",
            shell_words::quote(&place.to_string_lossy())
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_temporary_name_tells_whose_it_is() {
        for (name, told) in [
            (".packagecloud.rb.0123456789abcdef.new", Some(("packagecloud.rb", false))),
            (".packagecloud.rb.0123456789abcdef.ssh.new", Some(("packagecloud.rb", true))),
            (".answers.json.0123456789abcdef.new", Some(("answers.json", false))),
            ("packagecloud.rb.0123456789abcdef.new", None),
            (".packagecloud.rb.0123456789ABCDEF.new", None),
            (".packagecloud.rb.123.new", None),
            (".0123456789abcdef.new", None),
            (".new", None),
            (".packagecloud.rb.20261123T204500Z.bak", None),
        ] {
            let told = told.map(|(of, remote): (&str, bool)| (of.as_bytes(), remote));
            assert_eq!(parse_temporary_name(OsStr::new(name)), told, "{name}");
        }
    }

    #[test]
    fn what_a_kill_left_is_removed_and_what_is_being_written_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("packagecloud.rb");
        for name in [
            ".packagecloud.rb.0123456789abcdef.new",
            ".packagecloud.rb.0123456789abcdef.ssh.new",
            ".other.0123456789abcdef.new",
            "packagecloud.rb",
        ] {
            fs::write(dir.path().join(name), "secret").unwrap();
        }
        let beside = UnplacedFile {
            temporary: Some(dir.path().join(".packagecloud.rb.fedcba9876543210.new")),
            file: File::create(dir.path().join(".packagecloud.rb.fedcba9876543210.new")).unwrap(),
        };
        rustix::fs::flock(&beside.file, FlockOperation::NonBlockingLockExclusive).unwrap();
        let old = dir.path().join(".packagecloud.rb.1111111111111111.ssh.new");
        let long_ago = std::time::SystemTime::now() - REMOTE_WRITE_AGE_MAX * 2;
        File::create(&old).unwrap().set_modified(long_ago).unwrap();
        remove_abandoned_temporary_files(dir.path(), target.file_name());
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(
            left,
            [
                ".other.0123456789abcdef.new",
                ".packagecloud.rb.0123456789abcdef.ssh.new",
                ".packagecloud.rb.fedcba9876543210.new",
                "packagecloud.rb"
            ]
        );
        drop(beside);
        assert!(!dir.path().join(".packagecloud.rb.fedcba9876543210.new").exists());
    }

    #[test]
    fn a_new_file_has_a_name_only_once_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let fresh = UnplacedFile::create_beside(&path).unwrap();
        let names = || fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names(), usize::from(fresh.temporary.is_some()));
        drop(fresh);
        assert_eq!(names(), 0);
        // A tmpfs has files without a name, so what is killed there leaves none.
        if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
            let fresh = UnplacedFile::create_beside(&memory.path().join("a")).unwrap();
            assert_eq!(fresh.temporary, None);
        }
        write_new_file(&path, b"one").unwrap();
        assert_eq!(write_new_file(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_file_whole(&path, b"three").unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), names()), (&b"three"[..], 1));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_has_no_end_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        for path in [&pipe, Path::new("/dev/zero")] {
            let error = read_regular_file(path).unwrap_err();
            assert!(error.to_string().contains("pipe or a device"), "{error}");
        }
    }

    #[test]
    fn an_attribute_is_named_with_the_whole_command() {
        let path = Path::new("/etc/package cloud/packagecloud.rb");
        let failure = build_attribute_failure(path, path, 'i');
        assert!(failure.why.starts_with("it has the immutable attribute"), "{failure}");
        assert!(
            failure.next.contains("chattr -i '/etc/package cloud/packagecloud.rb' —"),
            "{}",
            failure.next
        );
        let failure = build_attribute_failure(path, Path::new("/etc/x"), 'a');
        assert!(failure.why.starts_with("its directory has the append-only attribute"), "{failure}");
        assert!(failure.next.contains("chattr -a /etc/x —"), "{}", failure.next);
    }
}
