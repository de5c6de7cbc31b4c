//! A line to another host over the system's ssh, whose configuration, agents, jump hosts and prompts are the operator's own, or over any other command that starts a shell there.
//!
//! Nothing of ours stays there: small scripts for `sh` go over standard input with their arguments, which others could
//! read on a command line. Every script is safe to repeat, so a line that drops is laid again and the script sent again.

pub mod error;
mod files;
mod front;
mod launcher;
mod login;
mod script;

use std::{
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::Instant,
};

use crate::{
    host::files::write_new_file,
    model::{
        failure::{Failure, FailureKind},
        secret::Secret,
    },
};

use launcher::ShellLauncher;
pub(super) use script::RemoteScriptOutput;

/// How long a line that dropped is laid again before that is given up.
const RECONNECT_TIMEOUT: Duration = Duration::from_mins(1);
/// How long is waited before a line is laid again: at first, and at most.
const RECONNECT_PAUSE_MIN: Duration = Duration::from_millis(500);
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a script may take where ssh asks the operator something.
const ASKING_SCRIPT_TIMEOUT: Duration = Duration::from_mins(5);
/// No other script takes longer.
const SCRIPT_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a failure to connect stands for the verbs that follow it, so that a host that is down costs its timeout once.
const UNREACHABLE_CACHED_FOR: Duration = Duration::from_secs(20);

/// A line to another host. Clones share it.
#[derive(Debug, Clone)]
pub struct SshClient(Arc<SshConnection>);

#[derive(Debug)]
struct SshConnection {
    launcher: ShellLauncher,
    /// Where ssh keeps the socket of the shared connection: this user's alone.
    sockets: PathBuf,
    known: Mutex<SshConnectionState>,
}

#[derive(Debug, Default)]
struct SshConnectionState {
    by: RootEscalation,
    /// Whether the host was ever reached: what fails after that is a line that dropped.
    reached: bool,
    /// How far its clock is ahead of this machine's, in milliseconds; none before a line was laid.
    ahead: Option<i64>,
    down: Option<(Instant, Failure)>,
}

/// By what a script becomes root there.
#[derive(Debug, Clone, Default)]
enum RootEscalation {
    /// It is root, or needn't be.
    #[default]
    NotNeeded,
    /// sudo asks no password.
    Sudo,
    Password(Secret),
}

/// A script that stays on the line until its input ends.
#[derive(Debug)]
pub(in crate::host) struct SshScriptSession {
    pub child: Child,
    pub stdin: ChildStdin,
    pub lines: Lines<BufReader<ChildStdout>>,
    /// The line that the script prints first, after whatever a login shell prints.
    begins: String,
}

impl SshScriptSession {
    /// Reads the first line that the script itself prints; none where the line to the host ended before.
    pub async fn read_first_script_output_line(&mut self) -> Option<String> {
        while self.lines.next_line().await.ok()?? != self.begins {}
        self.lines.next_line().await.ok()?
    }
}

/// Why a script has no end.
enum SshError {
    /// It can't be helped by trying again.
    Refused(Failure),
    /// The line dropped, or couldn't be laid.
    Dropped(Failure),
}

impl SshClient {
    /// Returns a line to `name`, not yet laid; `program` is how a shell there is started, split as a shell splits words.
    ///
    /// # Errors
    /// Where the name or the program can't be used, or ssh's socket has no place.
    pub fn new(name: &str, program: &str) -> Result<Self, Failure> {
        let usage = |why: &str| {
            Failure::new_usage_failure(format!("--host {name}"), why, "give it as ssh takes it: [USER@]HOST")
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(usage("it is no name of a host"));
        }
        if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(usage("a name has no blanks"));
        }
        let launcher = ShellLauncher::parse_shell_launcher(name, program)?;
        let sockets = create_ssh_socket_dir().map_err(|error| {
            Failure::new_generic_failure(
                "a private directory for ssh's socket",
                error.to_string(),
                "set TMPDIR to a directory that can be written",
            )
        })?;
        Ok(Self(Arc::new(SshConnection { launcher, sockets, known: Mutex::default() })))
    }

    /// Refuses a `--ssh COMMAND` that leads to one host where several are named, or is given where none is.
    ///
    /// # Errors
    /// Where the command and the names don't go together, or it is no command.
    pub fn refuse_command_without_hosts(command: &str, names: &[String]) -> Result<(), Failure> {
        launcher::refuse_launcher_without_hosts(command, names)
    }

    /// Returns the host's name, as the operator gave it.
    #[must_use]
    pub fn remote_host_name(&self) -> &str {
        self.0.launcher.host_name()
    }

    /// Renders how an operator runs a line for the shell there; `asks` where it may ask something at the terminal.
    #[must_use]
    pub fn render_shell_line_command(&self, line: &str, asks: bool) -> String {
        self.0.launcher.render_shell_line_command(line, asks)
    }

    /// Returns whether the user there is root, or none became root yet.
    #[must_use]
    pub fn is_remote_user_root(&self) -> bool {
        self.with_locked_ssh_state(|known| matches!(known.by, RootEscalation::NotNeeded))
    }

    /// Returns how far its clock is ahead of this machine's, in milliseconds, as it was when the line was laid; none before that.
    #[must_use]
    pub fn remote_clock_ahead_ms(&self) -> Option<i64> {
        self.with_locked_ssh_state(|known| known.ahead)
    }

    /// A path there, as it is said: `web1:/etc/packagecloud/packagecloud.rb`.
    fn prefix_path_with_host(&self, path: &Path) -> String {
        format!("{}:{}", self.remote_host_name(), path.display())
    }

    fn with_locked_ssh_state<T>(&self, work: impl FnOnce(&mut SshConnectionState) -> T) -> T {
        work(&mut self.0.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a script to its end, however often the line drops, for a minute.
    ///
    /// # Errors
    /// Where the host isn't reached or refuses; whatever status the script ends with is no failure.
    pub(in crate::host) async fn run_remote_script(
        &self,
        script: &str,
        arguments: &[&str],
    ) -> Result<RemoteScriptOutput, Failure> {
        self.run_remote_script_reporting_reconnects(script, arguments, &mut |_| {}).await
    }

    /// Runs a script as [`Self::run_remote_script`] does; `say` hears that the line dropped, and that it is there again.
    ///
    /// # Errors
    /// Where the host isn't reached or refuses; whatever status the script ends with is no failure.
    pub(in crate::host) async fn run_remote_script_reporting_reconnects(
        &self,
        script: &str,
        arguments: &[&str],
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<RemoteScriptOutput, Failure> {
        if let Some(failure) = self.with_locked_ssh_state(|known| {
            known
                .down
                .clone()
                .filter(|(since, _)| since.elapsed() < UNREACHABLE_CACHED_FOR)
                .map(|(_, failure)| failure)
        }) {
            return Err(failure);
        }
        let mut dropped: Option<(Instant, Failure)> = None;
        let mut pause = RECONNECT_PAUSE_MIN;
        loop {
            let by = self.with_locked_ssh_state(|known| known.by.clone());
            let failure = match self.run_remote_script_once(&by, script, arguments, false).await {
                Ok(said) => {
                    if dropped.is_some() {
                        say(&format!("the line to {} is there again", self.remote_host_name()));
                    }
                    return Ok(said);
                }
                Err(SshError::Refused(failure)) if dropped.is_some() => {
                    return Err(error::build_reconnect_refused_failure(failure));
                }
                Err(SshError::Refused(failure)) => return Err(failure),
                Err(SshError::Dropped(failure)) => failure,
            };
            if !self.with_locked_ssh_state(|known| known.reached) {
                self.with_locked_ssh_state(|known| {
                    known.down = Some((Instant::now(), failure.clone()));
                });
                return Err(failure);
            }
            let since = dropped.get_or_insert_with(|| {
                say(&format!("the line to {} dropped; connecting again", self.remote_host_name()));
                (Instant::now(), failure)
            });
            if since.0.elapsed() >= RECONNECT_TIMEOUT {
                let failure = error::build_ssh_connection_lost_failure(&self.0.launcher, &since.1);
                self.with_locked_ssh_state(|known| {
                    known.down = Some((Instant::now(), failure.clone()));
                });
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_PAUSE_MAX);
        }
    }

    /// Sends a script once. Where it `asks`, ssh may ask at the terminal.
    async fn run_remote_script_once(
        &self,
        by: &RootEscalation,
        script: &str,
        arguments: &[&str],
        asks: bool,
    ) -> Result<RemoteScriptOutput, SshError> {
        let launcher = &self.0.launcher;
        let nonce = format!("{:016x}", fastrand::u64(..));
        let sent = script::render_remote_script(by, script, arguments, &nonce);
        let errors = self.0.sockets.join(&nonce);
        let refused = |failure| SshError::Refused(failure);
        let file = write_new_file(&errors, b"")
            .and_then(|()| std::fs::OpenOptions::new().append(true).open(&errors))
            .map_err(|error| {
                refused(Failure::new_generic_failure(
                    self.0.sockets.display().to_string(),
                    error.to_string(),
                    "make room there, then try again",
                ))
            })?;
        let mut command = self.build_ssh_command(asks, &script::choose_remote_shell_command(by));
        // To a file: the shared connection stays behind with it, and a pipe would never end.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command
            .spawn()
            .map_err(|error| refused(error::build_ssh_not_started_failure(launcher, &error)))?;
        let mut stdin = child.stdin.take();
        let sending = async {
            if let Some(mut stdin) = stdin.take() {
                // A host that hangs up while it is sent is told by how ssh ends.
                let _ = stdin.write_all(&sent).await;
                let _ = stdin.shutdown().await;
            }
        };
        let limit = if asks { ASKING_SCRIPT_TIMEOUT } else { SCRIPT_TIMEOUT };
        let ended =
            tokio::time::timeout(limit, async { tokio::join!(sending, child.wait_with_output()).1 }).await;
        let said = std::fs::read(&errors).unwrap_or_default();
        let _ = std::fs::remove_file(&errors);
        let said = String::from_utf8_lossy(&said);
        let output = match ended {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => {
                return Err(refused(error::build_ssh_not_started_failure(launcher, &error)));
            }
            Err(_) => {
                return Err(SshError::Dropped(error::build_host_unreachable_failure(
                    launcher,
                    "it does not answer any more",
                )));
            }
        };
        match script::parse_remote_script_output(&output.stdout, &nonce) {
            script::ParsedScriptOutput::Whole(heard) => {
                self.with_locked_ssh_state(|known| {
                    known.reached = true;
                    known.down = None;
                });
                Ok(heard)
            }
            script::ParsedScriptOutput::Begun => {
                self.with_locked_ssh_state(|known| known.reached = true);
                Err(SshError::Dropped(error::build_host_unreachable_failure(launcher, "the line dropped")))
            }
            script::ParsedScriptOutput::Nothing => {
                Err(error::classify_ssh_failure(launcher, output.status.code(), &said))
            }
        }
    }

    /// Starts a script that stays: its child, what sends to it, and what it prints from its beginning on. None where
    /// the host isn't reached.
    pub(in crate::host) async fn start_ssh_session_script(
        &self,
        script: &str,
        arguments: &[&str],
    ) -> Option<SshScriptSession> {
        // The line is laid, or laid again, before: this child is on it to its end.
        self.run_remote_script(":", &[]).await.ok()?;
        let by = self.with_locked_ssh_state(|known| known.by.clone());
        let nonce = format!("{:016x}", fastrand::u64(..));
        let script = script::render_remote_script(&by, script, arguments, &nonce);
        let mut command = self.build_ssh_command(false, &script::choose_remote_shell_command(&by));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut stdin = child.stdin.take()?;
        stdin.write_all(&script).await.ok()?;
        stdin.flush().await.ok()?;
        let lines = BufReader::new(child.stdout.take()?).lines();
        Some(SshScriptSession { child, stdin, lines, begins: format!("{nonce} begins") })
    }

    /// The command that runs `remote` there: ssh on the shared connection, or whatever else was named.
    fn build_ssh_command(&self, asks: bool, remote: &[&str]) -> Command {
        let launcher = &self.0.launcher;
        let mut options: Vec<String> = ["-T", "-a", "-x"].map(str::to_owned).into();
        for option in [
            "ControlMaster=auto",
            // Longer than the longest wait between two scripts; it ends with this run.
            "ControlPersist=1800",
            "ConnectTimeout=10",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "ClearAllForwardings=yes",
            &format!("ControlPath={}/%C", self.0.sockets.display()),
            if asks { "BatchMode=no" } else { "BatchMode=yes" },
        ] {
            options.extend(["-o".to_owned(), option.to_owned()]);
        }
        let mut command = Command::new(launcher.program());
        command.args(launcher.list_launcher_arguments(&options)).args(launcher.wrap_remote_words(remote));
        command.env("LC_ALL", "C").kill_on_drop(true);
        if !asks {
            // Ctrl-C is this program's to hear, which lets the request in flight end.
            command.process_group(0);
        }
        command
    }
}

/// A new directory, this user's alone, with a path short enough for a socket's name.
fn create_ssh_socket_dir() -> std::io::Result<PathBuf> {
    let short = |dir: &PathBuf| dir.as_os_str().len() < 40 && dir.is_dir();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(short);
    let base = runtime.or_else(|| Some(std::env::temp_dir()).filter(short)).unwrap_or_else(|| "/tmp".into());
    let dir = base.join(format!("pccf-{:012x}", fastrand::u64(..) >> 16));
    std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(dir)
}

impl Drop for SshConnection {
    /// Ends the shared connection; where this process is killed it ends by itself after half an hour.
    fn drop(&mut self) {
        let socket = std::fs::read_dir(&self.sockets).is_ok_and(|mut entries| entries.next().is_some());
        if socket && self.launcher.is_ssh_program() {
            let path = format!("ControlPath={}/%C", self.sockets.display());
            let options = ["-o", &path, "-O", "exit"].map(str::to_owned);
            let _ = std::process::Command::new(self.launcher.program())
                .args(self.launcher.list_launcher_arguments(&options))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
        let _ = std::fs::remove_dir_all(&self.sockets);
    }
}

/// A failure there, with whose it is.
fn build_remote_host_failure(
    name: &str,
    kind: FailureKind,
    why: impl Into<String>,
    next: impl Into<String>,
) -> Failure {
    Failure::new(kind, name, why, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_ssh_takes_as_a_host() {
        for wrong in ["", "-oProxyCommand=x", "a b", "web1\n"] {
            assert_eq!(SshClient::new(wrong, "ssh").unwrap_err().kind, FailureKind::Usage, "{wrong}");
        }
        assert_eq!(SshClient::new("web1", "'").unwrap_err().kind, FailureKind::Usage);
        let line = SshClient::new("deploy@web1", "ssh -p 22").unwrap();
        let dir = line.0.sockets.clone();
        assert!(dir.is_dir() && dir.as_os_str().len() + "/%C".len() + 40 + 20 < 108);
        drop(line);
        assert!(!dir.exists());
    }
}
