//! How the host is reached: the few verbs by which its files are read and replaced and its programs asked.
//!
//! A file is replaced whole or not at all; where a verb fails, the file is as it was, and the failure says what to do.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest as _, Sha256};

use crate::model::failure::{Failure, Kind};

/// Where packagecloud's host is, as seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// It is this machine.
    #[default]
    Local,
}

/// The SHA-256 of a file's bytes, hex.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[expect(clippy::unused_async, reason = "a host over ssh waits in each of them")]
impl Reach {
    /// A file's bytes.
    pub async fn read(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Local => fs::read(path).map_err(|error| told(path, &error)),
        }
    }

    /// Puts `bytes` in the place of a file whose bytes hash to `seen`, keeping its mode, owner and attributes, with
    /// its old bytes at `backup` (0600) first. A symbolic link stays one: what it leads to is replaced.
    pub async fn replace(&self, path: &Path, seen: &str, bytes: &[u8], backup: &Path) -> Result<(), Failure> {
        match self {
            Self::Local => replace(path, seen, bytes, backup),
        }
    }

    /// The names in a directory, sorted.
    pub async fn list(&self, dir: &Path) -> Result<Vec<String>, Failure> {
        let Self::Local = self;
        let entries = fs::read_dir(dir).map_err(|error| told(dir, &error))?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Unix time of a file's last change.
    pub async fn modified(&self, path: &Path) -> Option<Duration> {
        let Self::Local = self;
        let modified = fs::metadata(path).ok()?.modified().ok()?;
        modified.duration_since(std::time::UNIX_EPOCH).ok()
    }

    pub async fn exists(&self, path: &Path) -> bool {
        let Self::Local = self;
        path.exists()
    }

    /// Where a program lies: as named where the name has a slash, else in `PATH` and the usual directories, which
    /// `sudo` may have left out of it.
    pub async fn program(&self, name: &str) -> Option<PathBuf> {
        let Self::Local = self;
        let runs = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        };
        if name.contains('/') {
            return Some(PathBuf::from(name)).filter(runs);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let usual = [
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
            "/opt/packagecloud/bin",
        ];
        std::env::split_paths(&path).chain(usual.map(PathBuf::from)).map(|dir| dir.join(name)).find(runs)
    }

    /// What a program that changes nothing prints, where it ends well within five seconds.
    pub async fn ask(&self, program: &Path, arguments: &[&str]) -> Option<String> {
        let out = self.output(program, arguments).await?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// The same, whatever its status, with what it says on standard error.
    pub async fn said(&self, program: &Path, arguments: &[&str]) -> Option<String> {
        let out = self.output(program, arguments).await?;
        Some(String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    }

    async fn output(&self, program: &Path, arguments: &[&str]) -> Option<std::process::Output> {
        let Self::Local = self;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(std::process::Stdio::null()).env("LC_ALL", "C").kill_on_drop(true);
        tokio::time::timeout(Duration::from_secs(5), command.output()).await.ok()?.ok()
    }
}

/// An error of the file system as an operator needs it.
pub(super) fn told(path: &Path, error: &io::Error) -> Failure {
    use io::ErrorKind as E;
    let dir = path.parent().unwrap_or(path).display();
    let (kind, next) = match error.kind() {
        E::NotFound => {
            (Kind::Missing, "run this on packagecloud's host, or name the file with --config FILE".to_owned())
        }
        E::PermissionDenied => (Kind::Other, "run it as root: with sudo in front".to_owned()),
        E::StorageFull | E::QuotaExceeded => {
            (Kind::Other, format!("the file is as it was; make room there (df -h {dir}), then try again"))
        }
        E::ReadOnlyFilesystem => (
            Kind::Other,
            format!(
                "the file is as it was; make its file system writable (findmnt -T {dir}), then try again"
            ),
        ),
        _ => (Kind::Other, format!("the file is as it was; see to {dir}, then try again")),
    };
    Failure::new(kind, path.display().to_string(), error.to_string(), next)
}

fn replace(path: &Path, seen: &str, bytes: &[u8], backup: &Path) -> Result<(), Failure> {
    let target = fs::canonicalize(path).map_err(|error| told(path, &error))?;
    let old = unchanged(path, &target, seen)?;
    let meta = fs::metadata(&target).map_err(|error| told(path, &error))?;
    write_new(backup, &old).map_err(|error| match error.kind() {
        // Another run chose the same name within the same second, and writes now.
        io::ErrorKind::AlreadyExists => {
            Failure::drifted(path.display().to_string(), "another run changes it at this moment")
        }
        _ => told(backup, &error),
    })?;
    let fresh = sibling(&target);
    let placed = write_beside(&fresh, bytes, &target, &meta)
        .map_err(|error| told(path, &error))
        .and_then(|()| unchanged(path, &target, seen))
        .and_then(|_| fs::rename(&fresh, &target).map_err(|error| told(path, &error)));
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
fn unchanged(path: &Path, target: &Path, seen: &str) -> Result<Vec<u8>, Failure> {
    let bytes = fs::read(target).map_err(|error| told(path, &error))?;
    if hash(&bytes) == seen {
        Ok(bytes)
    } else {
        Err(Failure::drifted(
            path.display().to_string(),
            "it was changed since it was read, so it was not overwritten",
        ))
    }
}

fn sibling(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{:016x}.new", fastrand::u64(..)));
    target.with_file_name(name)
}

/// Writes a file that isn't there yet, 0600, down to the disk; leaves nothing where it fails.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn write_beside(fresh: &Path, bytes: &[u8], target: &Path, meta: &fs::Metadata) -> io::Result<()> {
    write_new(fresh, bytes)?;
    let file = OpenOptions::new().write(true).open(fresh)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (meta.uid(), meta.gid()) {
        std::os::unix::fs::fchown(&file, Some(meta.uid()), Some(meta.gid()))?;
    }
    attributes(target, &file);
    file.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    file.sync_all()
}

/// SELinux's label and access control lists, as far as they can be kept.
fn attributes(from: &Path, to: &File) {
    for name in ["security.selinux", "system.posix_acl_access"] {
        let mut value = vec![0; 65_536];
        if let Ok(length) = rustix::fs::getxattr(from, name, value.as_mut_slice()) {
            let _ = rustix::fs::fsetxattr(to, name, &value[..length], rustix::fs::XattrFlags::empty());
        }
    }
}
