//! The lock of another host: two operators on two laptops, or one of them on the host itself, are told of each other.
//!
//! It is the lock that a run on that host takes, held by a process that ends with the line; so a crash frees it. Over the
//! same line go where this run stands and what it says, and comes whoever asks it to end.

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    sync::mpsc,
};

use super::{
    holder::{RunLockHolder, parse_lock_holder},
    journal::{RunJournal, RunJournalWrite},
    lock::RunLockError,
    stop_request::StopRequest,
};
use crate::{
    host::{
        Host, HostTransport, SshClient, environment::clock::HostClock, paths::ROOT_STATE_DIR,
        transport::ssh::SshScriptSession,
    },
    model::run::{event::StageEvent, goal::RunStage},
};

/// How long the host may take to answer whether the lock is held.
const LOCK_ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long it may take to print who holds it.
const HOLDER_NAME_TIMEOUT: Duration = Duration::from_secs(5);

/// The lock, until it is dropped or the line drops.
#[derive(Debug)]
pub struct RemoteRunLock {
    child: Child,
    holder: RunLockHolder,
    /// That host's.
    clock: HostClock,
    journal: RunJournal,
    lines: mpsc::UnboundedSender<String>,
}

impl RemoteRunLock {
    /// Returns whether the line that holds it is still there.
    pub fn is_lock_connection_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Says there where this run stands.
    pub fn set_run_lock_stage(&mut self, stage: Option<RunStage>, rests: bool) {
        self.holder.set_run_lock_stage(stage, rests, self.clock.read_host_clock());
        self.send_line_to_remote_lock(format!("holder {}\n", self.holder.render_lock_holder_json()));
        if !rests {
            let lines = self.journal.restart_run_journal_for_stage();
            self.send_journal_to_remote_host(lines);
        }
    }

    /// Keeps an event there for whoever watches.
    pub fn append_run_journal_event(&mut self, event: &StageEvent) {
        if let Some(lines) = self.journal.append_run_journal_event(self.clock.read_host_clock(), event) {
            self.send_journal_to_remote_host(lines);
        }
    }

    fn send_journal_to_remote_host(&self, lines: RunJournalWrite) {
        let (mut verb, text) = match lines {
            RunJournalWrite::Overwrite(text) => ("anew", text),
            RunJournalWrite::Append(text) => ("event", text),
        };
        for line in text.lines() {
            self.send_line_to_remote_lock(format!("{verb} {line}\n"));
            verb = "event";
        }
    }

    fn send_line_to_remote_lock(&self, line: String) {
        // Where the line has dropped, the lock is gone too, and is taken again with the next stage.
        let _ = self.lines.send(line);
    }
}

/// The state directory, and what is written about who holds the lock.
const HOLD_LOCK_SCRIPT: &str = r#"mkdir -p -m 700 -- "$1" 2>/dev/null
command -v flock >/dev/null && exec 9>>"$1/lock" || { echo without; return 0; }
flock -n 9 || { echo held; cat "$1/lock"; return 0; }
chmod 600 "$1/lock"; printf %s "$2" >"$1/lock"
rm -f "$1/take-over"
echo holds
# It holds no lock, and ends with this shell.
while kill -0 $$ 2>/dev/null; do
  [ -s "$1/take-over" ] && { printf 'asked %s\n' "$(head -n 1 "$1/take-over")"; rm -f "$1/take-over"; }
  sleep 1 >/dev/null
done 9>&- 4<&- 2>/dev/null &
while IFS= read -r line <&4; do
  case $line in
  'holder '*) printf %s "${line#holder }" >"$1/lock" ;;
  'anew '*) printf '%s\n' "${line#anew }" >"$1/events" ;;
  'event '*) printf '%s\n' "${line#event }" >>"$1/events" ;;
  esac
done 2>/dev/null
kill $! 2>/dev/null
return 0"#;

impl Host {
    /// Takes the lock of another host; `None` where it has none to take. Whoever asks this run to end is heard by `asked`.
    ///
    /// # Errors
    /// Where another run holds it.
    pub async fn acquire_remote_lock(
        &self,
        asked: &StopRequest,
    ) -> Result<Option<RemoteRunLock>, RunLockError> {
        let HostTransport::Ssh(line) = &self.transport else { return Ok(None) };
        match try_acquire_remote_lock(line, &self.clock, asked).await {
            Some(RemoteLockAttempt::Acquired(held)) => Ok(Some(*held)),
            Some(RemoteLockAttempt::Unavailable) | None => Ok(None),
            Some(RemoteLockAttempt::HeldBy(text)) => Err(RunLockError::Held(Box::new(parse_lock_holder(
                &text,
                self.clock.read_host_clock(),
                line.remote_host_name(),
            )))),
        }
    }
}

/// What came of taking it.
enum RemoteLockAttempt {
    Acquired(Box<RemoteRunLock>),
    /// Who holds it, as they wrote it.
    HeldBy(Vec<u8>),
    /// It can't be taken there; nothing is stopped by that.
    Unavailable,
}

async fn try_acquire_remote_lock(
    line: &SshClient,
    clock: &HostClock,
    asked: &StopRequest,
) -> Option<RemoteLockAttempt> {
    let holder = RunLockHolder::new_remote_lock_holder(clock.read_host_clock());
    let mut session = line
        .start_ssh_session_script(HOLD_LOCK_SCRIPT, &[ROOT_STATE_DIR, &holder.render_lock_holder_json()])
        .await?;
    let said =
        tokio::time::timeout(LOCK_ANSWER_TIMEOUT, session.read_first_script_output_line()).await.ok()??;
    let SshScriptSession { child, stdin, lines: mut heard, .. } = session;
    match said.as_str() {
        "holds" => {
            let (lines, told) = mpsc::unbounded_channel();
            tokio::spawn(exchange_remote_lock_messages(stdin, heard, told, asked.clone()));
            let (clock, journal) = (clock.clone(), RunJournal::default());
            Some(RemoteLockAttempt::Acquired(Box::new(RemoteRunLock {
                child,
                holder,
                clock,
                journal,
                lines,
            })))
        }
        "held" => {
            let who = tokio::time::timeout(HOLDER_NAME_TIMEOUT, heard.next_line()).await;
            Some(RemoteLockAttempt::HeldBy(who.ok()?.ok()??.into_bytes()))
        }
        _ => Some(RemoteLockAttempt::Unavailable),
    }
}

/// Sends what is told, and hears who asks, until either end is gone. As long as this end stays open, the lock is held.
async fn exchange_remote_lock_messages(
    mut stdin: ChildStdin,
    mut heard: Lines<BufReader<ChildStdout>>,
    mut told: mpsc::UnboundedReceiver<String>,
    asked: StopRequest,
) {
    loop {
        tokio::select! {
            line = told.recv() => match line {
                Some(line) if stdin.write_all(line.as_bytes()).await.is_ok() => {}
                _ => return,
            },
            said = heard.next_line() => match said {
                Ok(Some(said)) => {
                    if let Some(who) = said.strip_prefix("asked ") {
                        asked.record_stop_requester(who);
                    }
                }
                _ => return,
            },
        }
    }
}
