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
use tokio::io::AsyncReadExt as _;

use super::{
    blocking_work::{AbandonedWorkFlag, run_work_off_tasks},
    environment::inherited::list_private_variable_names,
    files::{build_local_file_failure, read_regular_file},
    paths::USUAL_PROGRAM_DIRS,
};
use crate::model::{failure::Failure, url::redirect::PackagecloudDownloadReply};

/// How long a program that changes nothing may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// How much is read of what it prints.
const QUERY_BYTES_MAX: u64 = 1 << 20;

/// How long the file system may take to answer: a mount whose server is gone never does.
const FILE_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to write a file and its backup down to the disk.
const FILE_WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How a file came to hold its new bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileReplacementMethod {
    /// A new file took its place.
    Renamed,
    /// It is mounted by itself: its bytes were written over.
    WrittenInPlace,
}

/// Does work on this machine's files off the tasks that hear signals, and waits for it no longer than `limit`.
async fn run_local_file_work<T: Send + 'static>(
    path: &Path,
    limit: Duration,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, run_work_off_tasks(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(broken)) => std::panic::resume_unwind(broken.into_panic()),
        Err(_) => Err(Failure::new_generic_failure(
            path.display().to_string(),
            format!("its file system has not answered for {} s", limit.as_secs()),
            format!(
                "see what it hangs on (findmnt -T {}), repair that mount, then try again",
                shell_words::quote(&path.to_string_lossy())
            ),
        )),
    }
}

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
    pub fn find_ssh_client(&self) -> Option<&SshClient> {
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
            Self::Local => {
                let of = path.to_owned();
                run_local_file_work(path, FILE_ANSWER_TIMEOUT, move || {
                    read_regular_file(&of).map_err(|error| build_local_file_failure(&of, &error))
                })
                .await
            }
            Self::Ssh(line) => line.read_file(path).await,
        }
    }

    /// Reads a file's bytes, and finds which of some paths are there: asked together, since another host is asked
    /// often.
    ///
    /// # Errors
    /// Where the file isn't there or can't be read.
    pub async fn read_file_and_find_existing_paths(
        &self,
        path: &Path,
        paths: &[PathBuf],
    ) -> Result<(Vec<u8>, Vec<PathBuf>), Failure> {
        match self {
            Self::Local => Ok((self.read_file(path).await?, self.find_existing_paths(paths).await)),
            Self::Ssh(line) => line.read_file_and_find_existing_paths(path, paths).await,
        }
    }

    /// Puts `bytes` in the place of a file whose bytes hash to `seen`, keeping its mode, owner and attributes, with
    /// its old bytes at `backup` (0600) first.
    ///
    /// A symbolic link stays one: what it leads to is replaced. A file that is mounted by itself is written over.
    ///
    /// # Errors
    /// Where the file moved or can't be written; it is as it was then.
    pub async fn replace_file_if_unchanged(
        &self,
        path: &Path,
        seen: &str,
        bytes: &[u8],
        backup: &Path,
    ) -> Result<FileReplacementMethod, Failure> {
        match self {
            Self::Local => {
                let (of, seen) = (path.to_owned(), seen.to_owned());
                let (bytes, backup) = (bytes.to_owned(), backup.to_owned());
                // A write that hangs must not come later, over what was written meanwhile.
                let (flag, _waiter) = AbandonedWorkFlag::new_with_waiter();
                run_local_file_work(path, FILE_WRITE_TIMEOUT, move || {
                    local::replace_local_file_if_unchanged(&of, &seen, &bytes, &backup, &flag)
                })
                .await
            }
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
                let of = dir.to_owned();
                run_local_file_work(dir, FILE_ANSWER_TIMEOUT, move || {
                    let entries = fs::read_dir(&of).map_err(|error| build_local_file_failure(&of, &error))?;
                    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
                })
                .await?
            }
            Self::Ssh(line) => line.list_dir(dir).await?,
        };
        names.sort();
        Ok(names)
    }

    /// Reads the Unix time of the last change of whichever of the files was changed last.
    pub async fn read_newest_file_change_time(&self, paths: &[PathBuf]) -> Option<Duration> {
        match self {
            Self::Local => {
                let paths = paths.to_owned();
                let time = |path: &PathBuf| {
                    let modified = fs::metadata(path).ok()?.modified().ok()?;
                    modified.duration_since(std::time::UNIX_EPOCH).ok()
                };
                let of = paths.first()?.clone();
                run_local_file_work(&of, FILE_ANSWER_TIMEOUT, move || Ok(paths.iter().filter_map(time).max()))
                    .await
                    .ok()?
            }
            Self::Ssh(line) => line.read_newest_file_change_time(paths).await,
        }
    }

    /// Finds which of the paths are there, in their order.
    pub async fn find_existing_paths(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        match self {
            Self::Local => {
                let (of, paths) = (paths.first().cloned().unwrap_or_default(), paths.to_owned());
                run_local_file_work(&of, FILE_ANSWER_TIMEOUT, move || {
                    Ok(paths.into_iter().filter(|path| path.exists()).collect())
                })
                .await
                .unwrap_or_default()
            }
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

    /// Asks the other host's own front for `url`, on that host, with this Authorization header; `None` for this machine.
    ///
    /// The inner error says why it could not be asked, as a lower-case fragment.
    pub async fn ask_own_front(
        &self,
        url: &str,
        authorization: Option<&str>,
    ) -> Option<Result<PackagecloudDownloadReply, String>> {
        Some(self.find_ssh_client()?.ask_own_front(url, authorization).await)
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
        for name in list_private_variable_names() {
            command.env_remove(name);
        }
        command.args(arguments).stdin(std::process::Stdio::null()).env("LC_ALL", "C").kill_on_drop(true);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let run = async {
            let mut child = command.spawn().ok()?;
            let (out, err) = (child.stdout.take()?, child.stderr.take()?);
            let (mut said, mut complained) = (Vec::new(), Vec::new());
            // One that writes more finds nobody who reads it, and ends.
            let (out, err) = (out.take(QUERY_BYTES_MAX), err.take(QUERY_BYTES_MAX));
            let _ = tokio::join!(
                async {
                    tokio::pin!(out);
                    out.read_to_end(&mut said).await
                },
                async {
                    tokio::pin!(err);
                    err.read_to_end(&mut complained).await
                }
            );
            let status = child.wait().await.ok()?;
            if errors {
                said.extend(complained);
            }
            Some((status.code().unwrap_or(1), String::from_utf8_lossy(&said).into_owned()))
        };
        tokio::time::timeout(QUERY_TIMEOUT, run).await.ok()?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::sha256_hex;

    #[tokio::test]
    async fn of_a_program_that_prints_without_end_a_bounded_part_is_read() {
        let yes = HostTransport::Local.find_program_path("yes").await.unwrap();
        let said = HostTransport::Local.query_program_stdout_and_stderr(&yes, &[]).await.unwrap();
        assert_eq!(said.len() as u64, QUERY_BYTES_MAX);
        assert_eq!(HostTransport::Local.query_program_stdout(&yes, &[]).await, None, "it didn't end well");
    }

    #[test]
    fn a_write_that_nobody_waits_for_any_more_leaves_the_file_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (path, backup) = (dir.path().join("packagecloud.rb"), dir.path().join("packagecloud.rb.bak"));
        fs::write(&path, "a = 1\n").unwrap();
        let (flag, waiter) = AbandonedWorkFlag::new_with_waiter();
        let write = || {
            local::replace_local_file_if_unchanged(&path, &sha256_hex(b"a = 1\n"), b"a = 2\n", &backup, &flag)
        };
        drop(waiter);
        write().unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a = 1\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[tokio::test]
    async fn a_file_system_that_does_not_answer_is_not_waited_for() {
        let (never, hangs) = std::sync::mpsc::channel::<()>();
        let path = Path::new("/net/packagecloud.rb");
        let failure = run_local_file_work(path, Duration::from_millis(1), move || {
            let _ = hangs.recv();
            Ok(())
        })
        .await
        .unwrap_err();
        assert!(failure.why.contains("has not answered"), "{failure}");
        assert!(failure.next.contains("findmnt -T /net/packagecloud.rb"), "{}", failure.next);
        drop(never);
    }
}
