//! How the host is reached: the few verbs by which its files are read and replaced and its programs asked.
//!
//! A file is replaced whole or not at all; where a verb fails, the file is as it was, and the failure says what to do.

mod local;
pub mod ssh;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use ssh::SshClient;

use super::{files::build_file_failure, paths::USUAL_PROGRAM_DIRS};
use crate::model::failure::Failure;

/// How long a program that changes nothing may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where packagecloud's host is, as seen from here.
#[derive(Debug, Clone, Default)]
pub enum HostTransport {
    /// It is this machine.
    #[default]
    Local,
    /// It is another one.
    Ssh(SshClient),
}

impl HostTransport {
    /// Returns the other host's name; `None` for this machine.
    #[must_use]
    pub fn remote_host_name(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            Self::Ssh(line) => Some(line.remote_host_name()),
        }
    }

    /// Returns the line to another host.
    #[must_use]
    pub fn as_ssh_client(&self) -> Option<&SshClient> {
        match self {
            Self::Local => None,
            Self::Ssh(line) => Some(line),
        }
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// Where it isn't there or can't be read.
    pub async fn read_file(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Local => fs::read(path).map_err(|error| build_file_failure(path, &error)),
            Self::Ssh(line) => line.read_file(path).await,
        }
    }

    /// Reads a file's bytes, and finds which of some paths are there: asked together, since another host is asked
    /// often.
    ///
    /// # Errors
    /// Where the file isn't there or can't be read.
    pub async fn read_file_and_existing_paths(
        &self,
        path: &Path,
        paths: &[PathBuf],
    ) -> Result<(Vec<u8>, Vec<PathBuf>), Failure> {
        match self {
            Self::Local => Ok((self.read_file(path).await?, self.find_existing_paths(paths).await)),
            Self::Ssh(line) => line.read_file_and_existing_paths(path, paths).await,
        }
    }

    /// Puts `bytes` in the place of a file whose bytes hash to `seen`, keeping its mode, owner and attributes, with
    /// its old bytes at `backup` (0600) first.
    ///
    /// A symbolic link stays one: what it leads to is replaced.
    ///
    /// # Errors
    /// Where the file moved or can't be written; it is as it was then.
    pub async fn replace_file_if_unchanged(
        &self,
        path: &Path,
        seen: &str,
        bytes: &[u8],
        backup: &Path,
    ) -> Result<(), Failure> {
        match self {
            Self::Local => local::replace_local_file_if_unchanged(path, seen, bytes, backup),
            Self::Ssh(line) => line.replace_file_if_unchanged(path, seen, bytes, backup).await,
        }
    }

    /// Lists the names in a directory, sorted.
    ///
    /// # Errors
    /// Where it can't be listed.
    pub async fn list_dir(&self, dir: &Path) -> Result<Vec<String>, Failure> {
        let mut names: Vec<String> = match self {
            Self::Local => {
                let entries = fs::read_dir(dir).map_err(|error| build_file_failure(dir, &error))?;
                entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
            Self::Ssh(line) => line.list_dir(dir).await?,
        };
        names.sort();
        Ok(names)
    }

    /// Reads the Unix time of the last change of whichever of the files was changed last.
    pub async fn read_newest_file_change_time(&self, paths: &[PathBuf]) -> Option<Duration> {
        match self {
            Self::Local => paths
                .iter()
                .filter_map(|path| {
                    let modified = fs::metadata(path).ok()?.modified().ok()?;
                    modified.duration_since(std::time::UNIX_EPOCH).ok()
                })
                .max(),
            Self::Ssh(line) => line.read_newest_file_change_time(paths).await,
        }
    }

    /// Finds which of the paths are there, in their order.
    pub async fn find_existing_paths(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        match self {
            Self::Local => paths.iter().filter(|path| path.exists()).cloned().collect(),
            Self::Ssh(line) => line.find_existing_paths(paths).await,
        }
    }

    /// Finds where a program lies: as named where the name has a slash, else in `PATH` and the usual directories.
    pub async fn find_program_path(&self, name: &str) -> Option<PathBuf> {
        if let Self::Ssh(line) = self {
            return line.find_program_path(name).await;
        }
        let runs = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        };
        if name.contains('/') {
            return Some(PathBuf::from(name)).filter(runs);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(USUAL_PROGRAM_DIRS.map(PathBuf::from))
            .map(|dir| dir.join(name))
            .find(runs)
    }

    /// Returns what a program that changes nothing prints, where it ends well within five seconds.
    pub async fn query_program_stdout(&self, program: &Path, arguments: &[&str]) -> Option<String> {
        let (status, out) = self.run_read_only_program(program, arguments, false).await?;
        (status == 0).then_some(out)
    }

    /// Returns the same, whatever its status, with what it says on standard error.
    pub async fn query_program_stdout_and_stderr(
        &self,
        program: &Path,
        arguments: &[&str],
    ) -> Option<String> {
        self.run_read_only_program(program, arguments, true).await.map(|(_, out)| out)
    }

    async fn run_read_only_program(
        &self,
        program: &Path,
        arguments: &[&str],
        errors: bool,
    ) -> Option<(i32, String)> {
        if let Self::Ssh(line) = self {
            return line.run_read_only_program(program, arguments, errors).await;
        }
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(std::process::Stdio::null()).env("LC_ALL", "C").kill_on_drop(true);
        let out = tokio::time::timeout(QUERY_TIMEOUT, command.output()).await.ok()?.ok()?;
        let mut said = out.stdout;
        if errors {
            said.extend(out.stderr);
        }
        Some((out.status.code().unwrap_or(1), String::from_utf8_lossy(&said).into_owned()))
    }
}
