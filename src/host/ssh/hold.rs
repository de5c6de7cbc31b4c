//! The lock there: two operators on two laptops, or one of them on the host itself, are told of each other.
//!
//! It is the lock that a run on that host takes, held by a process that ends with the line; so a crash frees it.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Child,
};

use super::{By, Ssh, script};

/// The lock, until it is dropped or the line drops.
#[derive(Debug)]
pub struct Held {
    child: Child,
}

impl Held {
    /// Whether the line that holds it is still there.
    pub fn stands(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// The state directory, and what is written about who holds the lock.
const HOLD: &str = r#"mkdir -p -m 700 -- "$1" 2>/dev/null
command -v flock >/dev/null && exec 9>>"$1/lock" || { echo without; return 0; }
flock -n 9 || { echo held; cat "$1/lock"; return 0; }
chmod 600 "$1/lock"; printf %s "$2" >"$1/lock"
echo holds
cat <&4 >/dev/null"#;

/// What came of taking it.
pub enum Taken {
    Holds(Held),
    /// Who holds it, as they wrote it.
    By(Vec<u8>),
    /// It can't be taken there; nothing is stopped by that.
    Without,
}

impl Ssh {
    /// Takes the lock in `dir` there, with `holder` written into it.
    pub async fn hold(&self, dir: &str, holder: &[u8]) -> Taken {
        self.try_hold(dir, holder).await.unwrap_or(Taken::Without)
    }

    async fn try_hold(&self, dir: &str, holder: &[u8]) -> Option<Taken> {
        // The line is laid, or laid again, before: this child is on it to its end.
        self.run(":", &[]).await.ok()?;
        let by: By = self.known(|known| known.by.clone());
        let nonce = format!("{:016x}", fastrand::u64(..));
        let holder = String::from_utf8_lossy(holder).into_owned();
        let script = script::sent(&by, HOLD, &[dir, &holder], &nonce);
        let mut command = self.command(false, script::remote(&by));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut stdin = child.stdin.take()?;
        stdin.write_all(&script).await.ok()?;
        stdin.flush().await.ok()?;
        let mut lines = BufReader::new(child.stdout.take()?).lines();
        let begins = format!("{nonce} begins");
        let listening = async {
            while lines.next_line().await.ok()?? != begins {}
            lines.next_line().await.ok()?
        };
        let said = tokio::time::timeout(Duration::from_secs(20), listening).await.ok()??;
        match said.as_str() {
            "holds" => {
                // As long as this end stays open, it is held.
                child.stdin = Some(stdin);
                Some(Taken::Holds(Held { child }))
            }
            "held" => {
                let who = tokio::time::timeout(Duration::from_secs(5), lines.next_line()).await;
                Some(Taken::By(who.ok()?.ok()??.into_bytes()))
            }
            _ => Some(Taken::Without),
        }
    }
}
