//! A command on another host, in a session of its own, whose lines and end are kept in files there: it outlives the line, and whoever comes next finds it.
//!
//! Its record is the one that a run on that host keeps, so each finds what the other started.

use std::{path::Path, time::Duration};

use serde::Deserialize;

use crate::{
    host::{paths::ROOT_STATE_DIR, transport::ssh::SshClient},
    model::failure::Failure,
};

use super::{
    detached::{
        KEEPER_SCRIPT, OUTPUT_BYTES_MAX, ROOT_RUN_DIR, WRAPPER_SCRIPT, give_last_output_lines,
        render_output_limit_note,
    },
    output::LineSplitter,
};

/// Where it is kept: where a run on that host keeps its state, else where a full disk doesn't matter.
const REMOTE_STATE_DIRS: [&str; 2] = [ROOT_STATE_DIR, ROOT_RUN_DIR];

/// The directories. Prints of the last command that was started: its directory, whether it runs (`ended` where it has left
/// its status), its record.
const FIND_SCRIPT: &str = r#"for d in "$@"; do
  [ -r "$d/ctl.json" ] || continue
  pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$d/ctl.json")
  at=$(sed -n 's/.*"started":\([0-9]*\).*/\1/p' "$d/ctl.json")
  alive=no
  [ -s "$d/ctl.status" ] && alive=ended
  [ -n "$at" ] && [ "$(started "$pid")" = "$at" ] && alive=yes
  printf '%s\n%s\n' "$d" "$alive"
  cat "$d/ctl.json"
  return 0
done"#;

/// The directories in one word, a number for this run, the wrapper, the keeper, the command, and then the program with its
/// arguments.
const START_SCRIPT: &str = r#"d=
for dir in $1; do
  mkdir -p -m 700 -- "$dir" 2>/dev/null
  rm -f "$dir/ctl.status" "$dir/ctl.status.new" "$dir/ctl.out" "$dir/ctl.last" "$dir/ctl.json" 2>/dev/null
  # Room that is really there, down to the disk.
  [ -z "$d" ] || continue
  if head -c 65536 /dev/zero | tr '\0' ' ' | dd of="$dir/ctl.out" bs=65536 iflag=fullblock conv=fsync 2>/dev/null; then
    : >"$dir/ctl.out"; d=$dir
  else
    rm -f "$dir/ctl.out"
  fi
done
[ -n "$d" ] || { text="its lines can't be kept: $1: No space left on device"; return 10; }
printf '       \n' >"$d/ctl.status.new"
run=$2; wrapper=$3; keeper=$4; command=$5; shift 5
session=; command -v setsid >/dev/null && session=setsid
since=$(date +%s)
nanos=$(date +%N | sed 's/^0*//')
pid=$( { {
  $session sh -c "$wrapper" packagecloud-cloudfront "$d/ctl.status" "$@" "$command" </dev/null 2>&1 4<&- 5>&- &
  echo $! >&5
} | {
  # What runs in the background has an empty input else.
  exec 6<&0
  $session sh -c "$keeper" packagecloud-cloudfront "$d/ctl.out" "$d/ctl.last" <&6 6<&- >/dev/null 2>&1 4<&- 5>&- &
} } 5>&1 )
printf '{"command":"%s","pid":%s,"since":{"secs":%s,"nanos":%s},"started":%s,"run":"%s"}' \
  "$command" "$pid" "$since" "${nanos:-0}" "$(started "$pid" | grep . || echo null)" "$run" >"$d/ctl.json"
printf '%s\nyes\n' "$d"; cat "$d/ctl.json""#;

/// Directory, pid, when it was started, how many bytes are known. Waits some seconds for more, then prints whether it
/// runs, whether more than is told stands there, its status, and the bytes: a quarter of a mebibyte at most.
const FOLLOW_SCRIPT: &str = r#"look() {
  alive=no; [ "$(started "$2")" = "$3" ] && alive=yes
  status=$(cat "$1/ctl.status" 2>/dev/null)
  size=$(stat -c %s -- "$1/ctl.out" 2>/dev/null || echo 0)
}
i=0
while look "$@"; [ "$size" -le "$4" ] && [ -z "$status" ] && [ $alive = yes ] && [ $i -lt 40 ]; do
  sleep 0.2 2>/dev/null || sleep 1
  i=$((i+1))
done
# Lines come in bursts: each second's go together.
[ -z "$status" ] && [ $alive = yes ] && [ "$size" -gt "$4" ] && { sleep 0.8 2>/dev/null || sleep 1; look "$@"; }
# Once it has ended, what it left in the pipe is on its way.
[ -z "$status" ] || while :; do
  before=$size; sleep 0.3 2>/dev/null || sleep 1; look "$@"; [ "$size" -gt "$before" ] || break
done
told=$((size-$4)); more=no
[ $told -gt 262144 ] && { told=262144; more=yes; }
printf '%s %s %s\n' "$alive" "$more" "$status"
[ $told -gt 0 ] && tail -c +$(($4+1)) -- "$1/ctl.out" | head -c $told
return 0"#;

/// Directory. Prints the end of what wasn't kept.
const READ_LAST_OUTPUT_SCRIPT: &str = r#"cat -- "$1/ctl.last" 2>/dev/null; return 0"#;

/// Directory, pid. What another run has started there since stays.
const REMOVE_RECORD_SCRIPT: &str = r#"grep -q "\"pid\":$2," "$1/ctl.json" 2>/dev/null && rm -f "$1/ctl.out" "$1/ctl.last" "$1/ctl.status" "$1/ctl.status.new" "$1/ctl.json"; return 0"#;

/// A command that was started there.
#[derive(Debug, Clone)]
pub(super) struct RemoteCtlCommand {
    line: SshClient,
    dir: String,
    record: RemoteCtlCommandRecord,
    stands: RemoteCtlCommandStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemoteCtlCommandStatus {
    Runs,
    /// It left its status.
    Ended,
    /// It was killed.
    Gone,
}

#[derive(Debug, Clone, Deserialize)]
struct RemoteCtlCommandRecord {
    command: String,
    pid: u32,
    /// Unix time, by its clock.
    since: Duration,
    started: Option<u64>,
}

impl RemoteCtlCommand {
    /// Finds the command that was started last, where its end hasn't been seen and it still runs.
    ///
    /// # Errors
    /// Where the host isn't reached.
    pub(super) async fn find_running_ctl_command(line: &SshClient) -> Result<Option<Self>, Failure> {
        let said = line.run_remote_script(FIND_SCRIPT, &REMOTE_STATE_DIRS).await?;
        Ok(Self::parse_remote_ctl_record(line, &said.out)
            .filter(|afar| afar.stands == RemoteCtlCommandStatus::Runs))
    }

    /// Finds the same, or one of `command` whose end came while nobody looked: its lines and its status are still
    /// there.
    ///
    /// # Errors
    /// Where the host isn't reached.
    pub(super) async fn find_running_or_ended_ctl(
        line: &SshClient,
        command: &str,
    ) -> Result<Option<Self>, Failure> {
        let said = line.run_remote_script(FIND_SCRIPT, &REMOTE_STATE_DIRS).await?;
        let found = Self::parse_remote_ctl_record(line, &said.out);
        Ok(found
            .filter(|afar| afar.ctl_command_name() == command && afar.stands != RemoteCtlCommandStatus::Gone))
    }

    /// Reads a directory, whether it runs, and its record.
    fn parse_remote_ctl_record(line: &SshClient, out: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(out).into_owned();
        let mut lines = text.splitn(3, '\n');
        let (dir, alive, record) = (lines.next()?, lines.next()?, lines.next()?);
        let record = serde_json::from_str(record).ok()?;
        let stands = match alive {
            "yes" => RemoteCtlCommandStatus::Runs,
            "ended" => RemoteCtlCommandStatus::Ended,
            _ => RemoteCtlCommandStatus::Gone,
        };
        Some(Self { line: line.clone(), dir: dir.to_owned(), record, stands })
    }

    /// Starts `program arguments… command`, once: where the line dropped meanwhile and it was started, that one is
    /// it.
    ///
    /// # Errors
    /// Where the host isn't reached, or it can't be started or recorded there.
    pub(super) async fn start_ctl_command(
        line: &SshClient,
        program: &Path,
        arguments: &[String],
        command: &str,
    ) -> Result<Self, Failure> {
        let run = format!("{:016x}", fastrand::u64(..));
        let program = program.to_string_lossy();
        let dirs = REMOTE_STATE_DIRS.join(" ");
        let mut words = vec![dirs.as_str(), &run, WRAPPER_SCRIPT, KEEPER_SCRIPT, command, &program];
        words.extend(arguments.iter().map(String::as_str));
        let guard = format!("{}\n{START_SCRIPT}", render_script_repeat_guard(&run));
        let said = line.run_remote_script(&guard, &words).await?;
        let failed = |why: &str| {
            Failure::new_generic_failure(
                format!("{program} {command} on {}", line.remote_host_name()),
                format!("it could not be started: {why}"),
                "correct what it names, then try again",
            )
        };
        if said.status != 0 {
            return Err(failed(&said.text));
        }
        Self::parse_remote_ctl_record(line, &said.out).ok_or_else(|| failed("its record can't be kept"))
    }

    /// Returns the command's name: `reconfigure`.
    pub(super) fn ctl_command_name(&self) -> &str {
        &self.record.command
    }

    /// Returns the process that runs it there.
    pub(super) fn ctl_process_id(&self) -> u32 {
        self.record.pid
    }

    /// Returns when it was started, by that host's clock.
    pub(super) fn ctl_command_start_time(&self) -> Duration {
        self.record.since
    }

    /// Gives each of its lines, from the first on, until its end; then returns its exit status, where it left one.
    ///
    /// A line to the host that drops is laid again, which is said among them.
    ///
    /// # Errors
    /// Where the host isn't reached any more.
    pub(super) async fn follow_ctl_command_to_end(
        &self,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Option<i32>, Failure> {
        let (pid, started) =
            (self.record.pid.to_string(), self.record.started.unwrap_or_default().to_string());
        let mut lines = LineSplitter::default();
        let mut at: u64 = 0;
        // Whether it was seen ended without a status: one more look takes what it wrote last.
        let mut gone = false;
        loop {
            let known = at.to_string();
            let said = self
                .line
                .run_remote_script_reporting_reconnects(
                    FOLLOW_SCRIPT,
                    &[&self.dir, &pid, &started, &known],
                    &mut |text| on_line(text),
                )
                .await?;
            let end = said.out.iter().position(|byte| *byte == b'\n').unwrap_or(said.out.len());
            let head = String::from_utf8_lossy(&said.out[..end]).into_owned();
            let bytes = said.out.get(end + 1..).unwrap_or_default();
            let before = at;
            at += bytes.len() as u64;
            lines.split_bytes_into_lines(bytes, on_line);
            if before < OUTPUT_BYTES_MAX && at >= OUTPUT_BYTES_MAX {
                on_line(&render_output_limit_note(self.ctl_command_name()));
            }
            let mut words = head.split(' ');
            let (alive, more) = (words.next() == Some("yes"), words.next() == Some("yes"));
            let status = words.next().and_then(|word| word.trim().parse().ok());
            if more {
                continue;
            }
            if status.is_some() || (gone && !alive) {
                self.finish_following(&mut lines, on_line).await;
                return Ok(status);
            }
            gone |= !alive;
        }
    }

    /// Gives the last lines, and removes what was kept there; what stays is overwritten by the next command.
    async fn finish_following(&self, lines: &mut LineSplitter, on_line: &mut (dyn FnMut(&str) + Send)) {
        if let Ok(last) = self.line.run_remote_script(READ_LAST_OUTPUT_SCRIPT, &[&self.dir]).await {
            give_last_output_lines(&last.out, lines, on_line);
        }
        lines.flush_unterminated_last_line(on_line);
        let pid = self.record.pid.to_string();
        let _ = self.line.run_remote_script(REMOVE_RECORD_SCRIPT, &[&self.dir, &pid]).await;
    }
}

/// Ends the script where this start was made already, with what it said then.
fn render_script_repeat_guard(run: &str) -> String {
    let test = |dir: &&str| {
        format!(
            "grep -q '\"run\":\"{run}\"' {dir}/ctl.json 2>/dev/null && {{ printf '%s\\nyes\\n' {dir}; cat {dir}/ctl.json; return 0; }}"
        )
    };
    REMOTE_STATE_DIRS.iter().map(test).collect::<Vec<_>>().join("\n")
}
