//! A command in a session of its own, whose lines and end are kept in files: it outlives this process, and the next one finds it.
//!
//! Its raw lines may hold secrets: their file is 0600, and goes once the end has been seen.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    host::{
        environment::inherited::list_private_variable_names,
        files::{UnplacedFile, sha256_hex, write_new_file},
        paths::ROOT_STATE_DIR,
    },
    model::failure::Failure,
};

use super::output::LineSplitter;

const RECORD_FILE: &str = "ctl.json";
const OUTPUT_FILE: &str = "ctl.out";
const LAST_OUTPUT_FILE: &str = "ctl.last";
const STATUS_FILE: &str = "ctl.status";
const NEW_STATUS_FILE: &str = "ctl.status.new";
const CTL_FILES: [&str; 5] = [OUTPUT_FILE, LAST_OUTPUT_FILE, RECORD_FILE, STATUS_FILE, NEW_STATUS_FILE];

/// Where a run over ssh looks too, beside [`ROOT_STATE_DIR`].
pub(super) const ROOT_RUN_DIR: &str = "/run/packagecloud-cloudfront";

/// What must find room where a command's files are kept: its record, its status, and the first of its lines.
const ROOM_BYTES_MIN: usize = 64 << 10;

/// The wrapper: deaf to the line's end, it writes the command's status whole, after its last line; over
/// [`STATUS_PLACEHOLDER`], whose room it has, however full the disk is by then.
pub(super) const WRAPPER_SCRIPT: &str = r#"trap '' HUP INT QUIT TSTP TTIN TTOU
status=$1; shift
"$@"
code=$?
{ printf '%-7s\n' "$code" 1<>"$status.new" && mv -f "$status.new" "$status"; } 2>/dev/null
exit "$code"
"#;

/// What stands where the status comes to, of the same length.
pub(super) const STATUS_PLACEHOLDER: &str = "       \n";

/// The keeper of a command's lines, which come through a pipe: neither a full disk nor a command that writes without end
/// ever ends or stops it. What comes after [`OUTPUT_BYTES_MAX`], or after the disk was full, is read on, and the end of it
/// kept. Arguments: the file, and the one for that end.
pub(super) const KEEPER_SCRIPT: &str = r#"trap '' HUP INT QUIT TSTP TTIN TTOU
umask 077; LC_ALL=C; export LC_ALL
(: >>"$1") 2>/dev/null && exec 3>>"$1" || exec 3>/dev/null
(: >>"$2") 2>/dev/null && exec 4>>"$2" || exec 4>/dev/null
while said=$(dd bs=65536 count=64 2>&1 >&3); do
  case $said in 0+0\ *) exit 0 ;; esac
  [ "$(stat -L -c %s /proc/self/fd/3 2>/dev/null || echo 0)" -lt 16777216 ] || break
done
tail -c 65536 >&4 2>/dev/null
exec cat >/dev/null
"#;

/// How much of a command's output is kept and shown; of what follows only the end is. As [`KEEPER_SCRIPT`] has it.
pub(super) const OUTPUT_BYTES_MAX: u64 = 16 << 20;
/// How much of it is read at once: so many lines are shown before a signal is heard.
const OUTPUT_PIECE_BYTES: usize = 4096;
/// Once the command has ended, and nothing came for this many looks, whoever holds the pipe open isn't waited for.
const QUIET_POLLS_MAX: u32 = 10;

/// An end that nobody has seen for so long is nobody's to see.
const UNSEEN_END_AGE_MIN: Duration = Duration::from_mins(1);

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
    /// The process that keeps its lines, and when the kernel started that.
    #[serde(default)]
    keeper: Option<(u32, u64)>,
    /// Where its files are.
    #[serde(skip)]
    dir: PathBuf,
    /// Whether that is another directory than the state's, for want of room.
    #[serde(skip)]
    is_elsewhere: bool,
    /// How it ended, where this process started it: the file that says so may have no room, or be another's by then.
    #[serde(skip)]
    reaped: Option<Arc<OnceLock<i32>>>,
}

impl DetachedCtlCommand {
    /// Finds the command that was started last, where its end hasn't been seen and it still runs.
    pub(super) fn find_running_ctl_command(state_dir: &Path) -> Option<Self> {
        Self::list_recorded_ctl_commands(state_dir).into_iter().find(Self::is_ctl_process_alive)
    }

    /// Finds the same, or one of `command` whose end came while nobody looked: its lines and its status are still
    /// there.
    pub(super) fn find_running_or_ended_ctl(state_dir: &Path, command: &str) -> Option<Self> {
        Self::list_recorded_ctl_commands(state_dir).into_iter().find(|running| {
            running.command == command
                && (running.is_ctl_process_alive() || running.read_ctl_exit_status().is_some())
        })
    }

    /// Lists what is recorded, in the state directory first.
    fn list_recorded_ctl_commands(state_dir: &Path) -> Vec<Self> {
        let recorded = |dir: PathBuf| {
            let record: Self = serde_json::from_slice(&fs::read(dir.join(RECORD_FILE)).ok()?).ok()?;
            Some(Self { is_elsewhere: dir != state_dir, dir, ..record })
        };
        list_usable_ctl_dirs(state_dir).filter_map(recorded).collect()
    }

    /// Removes the files of commands that ended a while ago, but of `kept`: whoever follows one sees its end in moments.
    pub(super) fn remove_abandoned_ctl_files(state_dir: &Path, kept: &str) {
        for ended in Self::list_recorded_ctl_commands(state_dir) {
            let files =
                [RECORD_FILE, OUTPUT_FILE, STATUS_FILE].map(|name| fs::metadata(ended.dir.join(name)));
            let ages = files.into_iter().flatten().map(|meta| meta.modified().ok()?.elapsed().ok());
            if ended.command != kept
                && !ended.is_ctl_process_alive()
                && ages.into_iter().all(|age| age.is_some_and(|age| age > UNSEEN_END_AGE_MIN))
            {
                ended.remove_ctl_command_files();
            }
        }
    }

    /// Starts `program arguments… command` in a session of its own, its lines and status kept in `state_dir`, or, where that
    /// has no room, elsewhere.
    ///
    /// # Errors
    /// Where the program can't be started.
    pub(super) fn start_ctl_command(
        state_dir: &Path,
        program: &Path,
        arguments: &[String],
        command: &str,
        now: Duration,
    ) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new_generic_failure(
                format!("{} {command}", program.display()),
                format!("it could not be started: {error}"),
                "correct what it names, then try again",
            )
        };
        for dir in list_usable_ctl_dirs(state_dir) {
            for name in CTL_FILES {
                let _ = fs::remove_file(dir.join(name));
            }
        }
        let dir = choose_ctl_dir(state_dir);
        // Made here: the first look may come before the keeper has opened it; and the status finds its room.
        let _ = OpenOptions::new().append(true).create_new(true).mode(0o600).open(dir.join(OUTPUT_FILE));
        let _ = write_new_file(&dir.join(NEW_STATUS_FILE), STATUS_PLACEHOLDER.as_bytes());
        let (pipe, keeper) = start_output_keeper(&dir).map_err(failed)?;
        let child = build_detached_shell(WRAPPER_SCRIPT)
            .arg(dir.join(STATUS_FILE))
            .arg(program)
            .args(arguments)
            .arg(command)
            .stdin(Stdio::null())
            .stdout(pipe.try_clone().map_err(failed)?)
            .stderr(pipe)
            .spawn()
            .map_err(failed)?;
        let pid = child.id();
        let reaped = Arc::<OnceLock<i32>>::default();
        let running = Self {
            command: command.to_owned(),
            pid,
            since: now,
            started: read_process_start_ticks(pid),
            keeper,
            is_elsewhere: dir != state_dir,
            dir,
            reaped: Some(reaped.clone()),
        };
        reap_child_when_it_ends(child, Some(reaped));
        let record = serde_json::to_vec(&running).expect("the record is plain data");
        // Without the record the command runs as well; only the next start wouldn't find it.
        let _ = write_new_file(&running.dir.join(RECORD_FILE), &record);
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
        if !self.is_own_ctl_command_record() {
            return;
        }
        for name in CTL_FILES {
            let _ = fs::remove_file(self.dir.join(name));
        }
        if self.is_elsewhere {
            let _ = fs::remove_dir(&self.dir);
        }
    }

    /// Gives each of its lines, from the first on, until its end; then returns its exit status, where it left one.
    pub(super) async fn follow_ctl_command_to_end(
        &self,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Option<i32> {
        // Held open: the next command's lines go to a file of its own.
        let mut tail = CommandOutputTail {
            file: File::open(self.dir.join(OUTPUT_FILE)).ok(),
            lines: LineSplitter::default(),
            read: 0,
        };
        loop {
            // In this order: what is there once the end is seen is all.
            let alive = self.is_ctl_process_alive();
            let status = self.read_ctl_exit_status();
            tail.read_new_output_lines(&self.command, on_line).await;
            // Ours is reaped within a moment of its end.
            let gone = !alive && self.reaped.as_ref().is_none_or(|reaped| Arc::strong_count(reaped) < 2);
            if status.is_some() || gone {
                self.read_output_to_end(&mut tail, on_line).await;
                self.remove_ctl_command_files();
                return status;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Gives what the command left in the pipe when it ended; a service that it started may hold that open for ever.
    async fn read_output_to_end(&self, tail: &mut CommandOutputTail, on_line: &mut (dyn FnMut(&str) + Send)) {
        let mut quiet = 0;
        while self.is_output_keeper_alive() && quiet < QUIET_POLLS_MAX {
            tokio::time::sleep(POLL_INTERVAL).await;
            let more = tail.read_new_output_lines(&self.command, on_line).await;
            quiet = if more { 0 } else { quiet + 1 };
        }
        tail.read_new_output_lines(&self.command, on_line).await;
        let last = fs::read(self.dir.join(LAST_OUTPUT_FILE)).unwrap_or_default();
        if self.is_own_ctl_command_record() {
            give_last_output_lines(&last, &mut tail.lines, on_line);
        }
        tail.lines.flush_unterminated_last_line(on_line);
    }

    fn is_output_keeper_alive(&self) -> bool {
        self.keeper.is_some_and(|(pid, started)| read_process_start_ticks(pid) == Some(started))
    }
}

/// What has been read of a growing file.
struct CommandOutputTail {
    file: Option<File>,
    lines: LineSplitter,
    /// How many bytes of it.
    read: u64,
}

impl CommandOutputTail {
    /// Gives what has come since, piece by piece, so that whoever waits beside it is heard; returns whether anything has.
    async fn read_new_output_lines(&mut self, command: &str, on_line: &mut (dyn FnMut(&str) + Send)) -> bool {
        let Some(file) = &mut self.file else { return false };
        let mut piece = vec![0; OUTPUT_PIECE_BYTES];
        let before = self.read;
        while let Ok(length @ 1..) = file.read(&mut piece) {
            self.lines.split_bytes_into_lines(&piece[..length], on_line);
            let kept = self.read < OUTPUT_BYTES_MAX;
            self.read += length as u64;
            if kept && self.read >= OUTPUT_BYTES_MAX {
                on_line(&render_output_limit_note(command));
            }
            tokio::task::yield_now().await;
        }
        self.read > before
    }
}

/// Says that a command writes more than is kept.
pub(super) fn render_output_limit_note(command: &str) -> String {
    format!(
        "packagecloud-ctl {command} has written {} MiB: what follows isn't shown, but for its last lines once it has ended",
        OUTPUT_BYTES_MAX >> 20
    )
}

/// Gives the last lines of a command whose output wasn't kept to its end: the first of `bytes` may be half a line.
pub(super) fn give_last_output_lines(
    bytes: &[u8],
    lines: &mut LineSplitter,
    on_line: &mut (dyn FnMut(&str) + Send),
) {
    let Some(start) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    lines.drop_open_line();
    on_line("…");
    lines.split_bytes_into_lines(&bytes[start + 1..], on_line);
}

/// Lists where a command's files may be: in the state directory, else where a full disk seldom reaches, by a name that no
/// two state directories share, however each is spelt. A run over ssh knows the place of root's usual one.
pub(super) fn list_ctl_dirs(state_dir: &Path) -> Vec<PathBuf> {
    let place = resolve_dir_place(state_dir);
    let usual = (place == resolve_dir_place(Path::new(ROOT_STATE_DIR))).then(|| PathBuf::from(ROOT_RUN_DIR));
    let mark = sha256_hex(place.as_os_str().as_encoded_bytes());
    let name = format!("packagecloud-cloudfront-{}", &mark[..16]);
    let others = ["/run".into(), std::env::temp_dir(), "/dev/shm".into()];
    let others = others.into_iter().map(|place: PathBuf| place.join(&name));
    std::iter::once(state_dir.to_owned()).chain(usual).chain(others).collect()
}

/// Returns a directory's one path, whatever links lead to it and wherever a relative one is named from.
fn resolve_dir_place(dir: &Path) -> PathBuf {
    fs::canonicalize(dir).or_else(|_| std::path::absolute(dir)).unwrap_or_else(|_| dir.to_owned())
}

/// Of those, lists the ones that are there and nobody else can write to: others may make a directory of that name.
fn list_usable_ctl_dirs(state_dir: &Path) -> impl Iterator<Item = PathBuf> {
    let state_dir = state_dir.to_owned();
    list_ctl_dirs(&state_dir).into_iter().filter(move |dir| *dir == state_dir || is_own_private_dir(dir))
}

fn is_own_private_dir(dir: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(dir)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == own && meta.mode() & 0o7777 == 0o700)
}

/// Returns where a command's files are kept from now on: the first place that has room for them.
fn choose_ctl_dir(state_dir: &Path) -> PathBuf {
    let is_ready = |dir: &PathBuf| {
        if dir == state_dir {
            return has_room_for_ctl_files(dir);
        }
        let made = fs::DirBuilder::new().mode(0o700).create(dir).is_ok();
        let ready = (made || is_own_private_dir(dir)) && has_room_for_ctl_files(dir);
        if made && !ready {
            let _ = fs::remove_dir(dir);
        }
        ready
    };
    list_ctl_dirs(state_dir).into_iter().find(is_ready).unwrap_or_else(|| state_dir.to_owned())
}

/// Whether a file of some size can be written there, down to the disk: what a file system says of its free blocks counts
/// those that only root may use, and knows no quota.
fn has_room_for_ctl_files(dir: &Path) -> bool {
    let written = UnplacedFile::create_beside(&dir.join(OUTPUT_FILE)).and_then(|mut probe| {
        probe.file.write_all(&vec![b' '; ROOM_BYTES_MIN])?;
        probe.file.sync_all()
    });
    written.is_ok()
}

/// Starts the keeper of a command's lines: where those go in, and which process it is.
fn start_output_keeper(dir: &Path) -> io::Result<(OwnedFd, Option<(u32, u64)>)> {
    let mut keeper = build_detached_shell(KEEPER_SCRIPT)
        .arg(dir.join(OUTPUT_FILE))
        .arg(dir.join(LAST_OUTPUT_FILE))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pipe = OwnedFd::from(keeper.stdin.take().expect("it was asked for"));
    let id = keeper.id();
    let started = read_process_start_ticks(id);
    reap_child_when_it_ends(keeper, None);
    Ok((pipe, started.map(|started| (id, started))))
}

/// Returns a shell that runs `script` in a session of its own, which has no terminal to lose; without setsid the script's
/// trap and an own group must do. It inherits no key and no token.
fn build_detached_shell(script: &str) -> Command {
    let session = ["/usr/bin/setsid", "/bin/setsid"].into_iter().find(|path| Path::new(path).exists());
    let mut shell = Command::new(session.unwrap_or("/bin/sh"));
    if session.is_some() {
        shell.arg("/bin/sh");
    } else {
        shell.process_group(0);
    }
    for name in list_private_variable_names() {
        shell.env_remove(name);
    }
    shell.args(["-c", script, "packagecloud-cloudfront"]);
    shell
}

/// Reaps a child as soon as it ends, so that it never looks alive as a zombie; `code` is given its exit code.
fn reap_child_when_it_ends(mut child: Child, code: Option<Arc<OnceLock<i32>>>) {
    let reaper = std::thread::Builder::new().name("packagecloud-ctl".to_owned());
    let _ = reaper.spawn(move || {
        let ended = child.wait().ok().and_then(|status| status.code());
        if let (Some(code), Some(ended)) = (code, ended) {
            let _ = code.set(ended);
        }
    });
}

/// When a process that still runs was started, in the kernel's ticks since boot.
fn read_process_start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; what follows it doesn't.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" { None } else { fields.nth(18)?.parse().ok() }
}
