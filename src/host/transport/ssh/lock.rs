//! The lock there: two operators on two laptops, or one of them on the host itself, are told of each other.
//!
//! It is the lock that a run on that host takes, held by a process that ends with the line; so a crash frees it. Over the
//! same line go where this run stands and what it says, and comes whoever asks it to end.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    sync::mpsc,
};

use crate::{
    host::{
        environment::clock::Clock,
        run::{
            holder::Holder,
            journal::{self, Journal},
            stop_request::Asked,
        },
    },
    model::run::{event::Event, goal::Stage},
};

use super::{By, Ssh, script};

/// The lock, until it is dropped or the line drops.
#[derive(Debug)]
pub struct Held {
    child: Child,
    holder: Holder,
    /// That host's.
    clock: Clock,
    journal: Journal,
    lines: mpsc::UnboundedSender<String>,
}

impl Held {
    /// Whether the line that holds it is still there.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Says there where this run stands.
    pub fn stands(&mut self, stage: Option<Stage>, rests: bool) {
        self.holder.moved(stage, rests, self.clock.now());
        self.send(format!("holder {}\n", self.holder.text()));
        if !rests {
            let lines = self.journal.begin();
            self.write(lines);
        }
    }

    /// Keeps an event there for whoever watches.
    pub fn tell(&mut self, event: &Event) {
        if let Some(lines) = self.journal.keep(self.clock.now(), event) {
            self.write(lines);
        }
    }

    fn write(&self, lines: journal::Lines) {
        let (mut verb, text) = match lines {
            journal::Lines::Anew(text) => ("anew", text),
            journal::Lines::More(text) => ("event", text),
        };
        for line in text.lines() {
            self.send(format!("{verb} {line}\n"));
            verb = "event";
        }
    }

    fn send(&self, line: String) {
        // Where the line has dropped, the lock is gone too, and is taken again with the next stage.
        let _ = self.lines.send(line);
    }
}

/// The state directory, and what is written about who holds the lock.
const HOLD: &str = r#"mkdir -p -m 700 -- "$1" 2>/dev/null
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

/// What came of taking it.
pub enum Taken {
    Holds(Box<Held>),
    /// Who holds it, as they wrote it.
    By(Vec<u8>),
    /// It can't be taken there; nothing is stopped by that.
    Without,
}

impl Ssh {
    /// Takes the lock in `dir` there, whose clock this is; whoever asks this run to end is heard by `asked`.
    pub(in crate::host) async fn hold(&self, dir: &str, clock: &Clock, asked: &Asked) -> Taken {
        self.try_hold(dir, clock, asked).await.unwrap_or(Taken::Without)
    }

    async fn try_hold(&self, dir: &str, clock: &Clock, asked: &Asked) -> Option<Taken> {
        // The line is laid, or laid again, before: this child is on it to its end.
        self.run(":", &[]).await.ok()?;
        let by: By = self.known(|known| known.by.clone());
        let nonce = format!("{:016x}", fastrand::u64(..));
        let holder = Holder::there(clock.now());
        let script = script::sent(&by, HOLD, &[dir, &holder.text()], &nonce);
        let mut command = self.command(false, script::remote(&by));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut stdin = child.stdin.take()?;
        stdin.write_all(&script).await.ok()?;
        stdin.flush().await.ok()?;
        let mut heard = BufReader::new(child.stdout.take()?).lines();
        let begins = format!("{nonce} begins");
        let listening = async {
            while heard.next_line().await.ok()?? != begins {}
            heard.next_line().await.ok()?
        };
        let said = tokio::time::timeout(Duration::from_secs(20), listening).await.ok()??;
        match said.as_str() {
            "holds" => {
                let (lines, told) = mpsc::unbounded_channel();
                tokio::spawn(talk(stdin, heard, told, asked.clone()));
                Some(Taken::Holds(Box::new(Held {
                    child,
                    holder,
                    clock: clock.clone(),
                    journal: Journal::default(),
                    lines,
                })))
            }
            "held" => {
                let who = tokio::time::timeout(Duration::from_secs(5), heard.next_line()).await;
                Some(Taken::By(who.ok()?.ok()??.into_bytes()))
            }
            _ => Some(Taken::Without),
        }
    }
}

/// Sends what is told, and hears who asks, until either end is gone. As long as this end stays open, the lock is held.
async fn talk(
    mut stdin: ChildStdin,
    mut heard: Lines<BufReader<ChildStdout>>,
    mut told: mpsc::UnboundedReceiver<String>,
    asked: Asked,
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
                        asked.say(who);
                    }
                }
                _ => return,
            },
        }
    }
}
