//! A command in a session of its own, whose lines and end are kept in files: it outlives this process, and the next one finds it.
//!
//! Its raw lines may hold secrets: their file is 0600, and goes once the end has been seen.

use std::{
    fs::{self, File, OpenOptions},
    io::Read as _,
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{host::files::write_new_file, model::failure::Failure};

const RECORD_FILE: &str = "ctl.json";
const OUTPUT_FILE: &str = "ctl.out";
const STATUS_FILE: &str = "ctl.status";

/// The wrapper: deaf to the line's end, it writes the command's status whole, after its last line.
pub(super) const WRAPPER_SCRIPT: &str = r#"trap '' HUP INT QUIT TSTP TTIN TTOU
status=$1; shift
"$@"
code=$?
echo "$code" >"$status.new" && mv -f "$status.new" "$status"
exit "$code"
"#;

/// How often a running command's lines are looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A command that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetachedCtlCommand {
    /// `reconfigure`.
    pub command: String,
    pub pid: u32,
    /// Unix time.
    pub since: Duration,
    /// The kernel's start time of the process: a pid alone may have become another's.
    started: Option<u64>,
    #[serde(skip)]
    dir: PathBuf,
    /// How it ended, where this process started it: the file that says so may have no room, or be another's by then.
    #[serde(skip)]
    reaped: Option<Arc<OnceLock<i32>>>,
}

impl DetachedCtlCommand {
    /// Finds the command that was started last, where its end hasn't been seen and it still runs.
    pub(super) fn find_running_ctl_command(dir: &Path) -> Option<Self> {
        let bytes = fs::read(dir.join(RECORD_FILE)).ok()?;
        let running = Self { dir: dir.to_owned(), ..serde_json::from_slice(&bytes).ok()? };
        running.is_ctl_process_alive().then_some(running)
    }

    /// Finds the same, or one of `command` whose end came while nobody looked: its lines and its status are still
    /// there.
    pub(super) fn find_running_or_ended_ctl(dir: &Path, command: &str) -> Option<Self> {
        let bytes = fs::read(dir.join(RECORD_FILE)).ok()?;
        let running = Self { dir: dir.to_owned(), ..serde_json::from_slice(&bytes).ok()? };
        (running.command == command
            && (running.is_ctl_process_alive() || running.read_ctl_exit_status().is_some()))
        .then_some(running)
    }

    /// Starts `program arguments… command` in a session of its own, its lines and status kept in `dir`.
    ///
    /// # Errors
    /// Where its files can't be made there, or the program can't be started.
    pub(super) fn start_ctl_command(
        dir: &Path,
        program: &Path,
        arguments: &[String],
        command: &str,
        now: Duration,
    ) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new_generic_failure(
                format!("{} {command}", program.display()),
                format!("it could not be started: {error}"),
                "see to what it names, then try again",
            )
        };
        for name in [STATUS_FILE, OUTPUT_FILE, RECORD_FILE] {
            let _ = fs::remove_file(dir.join(name));
        }
        let output =
            OpenOptions::new().append(true).create_new(true).mode(0o600).open(dir.join(OUTPUT_FILE)).ok();
        // Where the state directory can't be written its lines are lost, and it runs all the same.
        let (out, err) = match &output {
            Some(file) => {
                (file.try_clone().map_err(failed)?.into(), file.try_clone().map_err(failed)?.into())
            }
            None => (Stdio::null(), Stdio::null()),
        };
        // A session of its own has no terminal to lose; without setsid the trap and an own group must do.
        let session = ["/usr/bin/setsid", "/bin/setsid"].into_iter().find(|path| Path::new(path).exists());
        let mut child = Command::new(session.unwrap_or("/bin/sh"));
        if session.is_some() {
            child.arg("/bin/sh");
        } else {
            child.process_group(0);
        }
        let child = child
            .args(["-c", WRAPPER_SCRIPT, "packagecloud-cloudfront"])
            .arg(dir.join(STATUS_FILE))
            .arg(program)
            .args(arguments)
            .arg(command)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(failed)?;
        let pid = child.id();
        let reaped = Arc::<OnceLock<i32>>::default();
        let running = Self {
            command: command.to_owned(),
            pid,
            since: now,
            started: read_process_start_ticks(pid),
            dir: dir.to_owned(),
            reaped: Some(reaped.clone()),
        };
        // It is reaped as soon as it ends, so that it never looks alive as a zombie.
        let reaper = std::thread::Builder::new().name("packagecloud-ctl".to_owned());
        let mut child = child;
        let _ = reaper.spawn(move || {
            if let Some(code) = child.wait().ok().and_then(|status| status.code()) {
                let _ = reaped.set(code);
            }
        });
        let record = serde_json::to_vec(&running).expect("the record is plain data");
        // Without the record the command runs as well; only the next start wouldn't find it.
        let _ = write_new_file(&dir.join(RECORD_FILE), &record);
        Ok(running)
    }

    fn is_ctl_process_alive(&self) -> bool {
        match self.started {
            Some(start) => read_process_start_ticks(self.pid) == Some(start),
            None => i32::try_from(self.pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
                .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok()),
        }
    }

    /// How it ended, once it has: its own wrapper's word, or the file's as long as that is this command's.
    fn read_ctl_exit_status(&self) -> Option<i32> {
        if let Some(reaped) = &self.reaped {
            return reaped.get().copied();
        }
        let status = fs::read_to_string(self.dir.join(STATUS_FILE)).ok()?.trim().parse().ok();
        // The next command takes the file away before it writes its record.
        status.filter(|_| self.is_own_ctl_command_record())
    }

    /// Whether the files are still this command's.
    fn is_own_ctl_command_record(&self) -> bool {
        let recorded = fs::read(self.dir.join(RECORD_FILE)).ok();
        let recorded: Option<Self> = recorded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        recorded.is_some_and(|other| (other.pid, other.started) == (self.pid, self.started))
    }

    /// Its raw lines may hold secrets: they go as soon as its end is seen.
    fn remove_ctl_command_files(&self) {
        if self.is_own_ctl_command_record() {
            for name in [OUTPUT_FILE, RECORD_FILE, STATUS_FILE] {
                let _ = fs::remove_file(self.dir.join(name));
            }
        }
    }

    /// Gives each of its lines, from the first on, until its end; then returns its exit status.
    ///
    /// # Errors
    /// Where its lines can't be read, or it ended and left no status.
    pub(super) async fn follow_ctl_command_to_end(
        &self,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<i32, Failure> {
        // Held open: the next command's lines go to a file of its own.
        let mut tail = CommandOutputTail {
            file: File::open(self.dir.join(OUTPUT_FILE)).ok(),
            lines: LineSplitter::default(),
        };
        loop {
            // In this order: what is there once the end is seen is all.
            let alive = self.is_ctl_process_alive();
            let status = self.read_ctl_exit_status();
            tail.read_new_output_lines(on_line);
            if let Some(status) = status {
                tail.lines.flush_unterminated_last_line(on_line);
                self.remove_ctl_command_files();
                return Ok(status);
            }
            // Ours is reaped within a moment of its end.
            if !alive && self.reaped.as_ref().is_none_or(|reaped| Arc::strong_count(reaped) < 2) {
                tail.lines.flush_unterminated_last_line(on_line);
                self.remove_ctl_command_files();
                return Err(build_no_exit_status_failure(&self.command));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// What has been read of a growing file.
struct CommandOutputTail {
    file: Option<File>,
    lines: LineSplitter,
}

impl CommandOutputTail {
    fn read_new_output_lines(&mut self, on_line: &mut (dyn FnMut(&str) + Send)) {
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file {
            // What came before an error stands in `bytes`.
            let _ = file.read_to_end(&mut bytes);
        }
        self.lines.split_bytes_into_lines(&bytes, on_line);
    }
}

/// Bytes as they come, split into lines.
#[derive(Default)]
pub(super) struct LineSplitter {
    /// A line whose end hasn't come.
    open: Vec<u8>,
}

impl LineSplitter {
    /// Takes bytes, and gives each line that they end.
    pub(super) fn split_bytes_into_lines(&mut self, bytes: &[u8], on_line: &mut (dyn FnMut(&str) + Send)) {
        for &byte in bytes {
            if byte == b'\n' {
                on_line(&String::from_utf8_lossy(&std::mem::take(&mut self.open)));
            } else {
                self.open.push(byte);
            }
        }
    }

    /// Gives the last line, which nothing ended.
    pub(super) fn flush_unterminated_last_line(&mut self, on_line: &mut (dyn FnMut(&str) + Send)) {
        if !self.open.is_empty() {
            on_line(&String::from_utf8_lossy(&std::mem::take(&mut self.open)));
        }
    }
}

/// Returns the failure of a command that ended, and nobody can say how.
pub(super) fn build_no_exit_status_failure(command: &str) -> Failure {
    Failure::new_generic_failure(
        format!("packagecloud-ctl {command}"),
        "it ended without a status: it was killed, or the machine was restarted",
        format!("run packagecloud-ctl {command} again"),
    )
}

/// When a process that still runs was started, in the kernel's ticks since boot.
fn read_process_start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; what follows it doesn't.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" { None } else { fields.nth(18)?.parse().ok() }
}
