//! Laying the line for the first time: the one moment at which ssh and sudo may ask at the terminal.

use std::{
    io::IsTerminal as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    host::environment::netrc,
    model::run::failure::{Failure, Kind},
};

use super::{By, Fault, Said, Ssh, error, there};

/// Who it is there, and its clock in nanoseconds.
const WHO: &str = r"id -u; date +%s%N";

/// How often sudo's password is asked for.
const TRIES: usize = 3;

impl Ssh {
    /// Reaches the host, becomes root there, and takes its clock.
    ///
    /// # Errors
    /// Where any of it is refused: nothing was changed there.
    pub async fn connect(&self) -> Result<(), Failure> {
        let result = self.log_in().await;
        if let Err(failure) = &result {
            self.known(|known| known.down = Some((tokio::time::Instant::now(), failure.clone())));
        }
        result
    }

    async fn log_in(&self) -> Result<(), Failure> {
        let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let before = now();
        let who = self.once(&By::Itself, WHO, &[], asks).await.map_err(failure)?;
        let after = now();
        let (user, clock) = self.read_who(&who)?;
        // What was asked of the operator is no part of the way there: only the second asking is timed.
        let (before, clock, after) = if asks {
            let before = now();
            let who = self.once(&By::Itself, WHO, &[], false).await.map_err(failure)?;
            let after = now();
            (before, self.read_who(&who)?.1, after)
        } else {
            (before, clock, after)
        };
        let here = (before + after) / 2;
        let ahead = (clock.as_millis().cast_signed() - here.as_millis().cast_signed()) as i64;
        self.known(|known| known.ahead = ahead);
        if user != 0 {
            let by = self.sudo(asks).await?;
            self.known(|known| known.by = by);
        }
        Ok(())
    }

    fn read_who(&self, who: &Said) -> Result<(u32, Duration), Failure> {
        let text = String::from_utf8_lossy(&who.out);
        let mut lines = text.lines();
        let user = lines.next().and_then(|line| line.trim().parse().ok());
        let clock = lines.next().and_then(|line| line.trim().parse().ok()).map(Duration::from_nanos);
        user.zip(clock).ok_or_else(|| {
            there(
                self.name(),
                Kind::Other,
                "its id and date are not those of GNU coreutils",
                "use a host that packagecloud:enterprise supports",
            )
        })
    }

    /// By what this user becomes root there: sudo without a password, else with one that is typed now and kept until the end of this run.
    async fn sudo(&self, asks: bool) -> Result<By, Failure> {
        let mut refused = match self.once(&By::Sudo, "id -u", &[], false).await {
            Ok(said) if said.out.trim_ascii() == b"0" => return Ok(By::Sudo),
            Ok(_) => return Err(self.not_root()),
            Err(fault) => failure(fault),
        };
        if !asks || !refused.why.ends_with(error::PASSWORD) {
            return Err(refused);
        }
        for _ in 0..TRIES {
            let question = format!("sudo's password on {} (Enter: leave): ", self.name());
            let Some(password) = netrc::prompt(&question) else { return Err(refused) };
            let by = By::Password(password);
            match self.once(&by, "id -u", &[], false).await {
                Ok(said) if said.out.trim_ascii() == b"0" => return Ok(by),
                Ok(_) => return Err(self.not_root()),
                Err(fault) => refused = failure(fault),
            }
            if !refused.why.ends_with(error::WRONG) {
                return Err(refused);
            }
        }
        Err(refused)
    }

    fn not_root(&self) -> Failure {
        there(self.name(), Kind::Denied, "sudo there makes another user than root", "let it make root")
    }
}

fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::Refused(failure) | Fault::Dropped(failure) => failure,
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
