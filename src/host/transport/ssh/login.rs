//! Laying the line for the first time: the one moment at which ssh and sudo may ask at the terminal.

use std::{
    io::IsTerminal as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    host::environment::netrc,
    model::failure::{Failure, FailureKind, SudoPasswordFault},
};

use super::{RemoteScriptOutput, RootEscalation, SshClient, SshError, build_remote_host_failure};

/// Who it is there, and its clock in nanoseconds.
const IDENTITY_SCRIPT: &str = r"id -u; date +%s%N";

/// How often sudo's password is asked for.
const PASSWORD_TRIES_MAX: usize = 3;

impl SshClient {
    /// Reaches the host, becomes root there, and takes its clock.
    ///
    /// # Errors
    /// Where any of it is refused: nothing was changed there.
    pub async fn connect_ssh_as_root(&self) -> Result<(), Failure> {
        let result = self.log_in_over_ssh().await;
        if let Err(failure) = &result {
            self.with_locked_ssh_state(|known| {
                known.down = Some((tokio::time::Instant::now(), failure.clone()));
            });
        }
        result
    }

    async fn log_in_over_ssh(&self) -> Result<(), Failure> {
        let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let before = current_unix_time();
        let who = self
            .run_remote_script_once(&RootEscalation::NotNeeded, IDENTITY_SCRIPT, &[], asks)
            .await
            .map_err(convert_ssh_error_to_failure)?;
        let after = current_unix_time();
        let (user, clock) = self.parse_remote_user_and_clock(&who)?;
        // What was asked of the operator is no part of the way there: only the second asking is timed.
        let (before, clock, after) = if asks {
            let before = current_unix_time();
            let who = self
                .run_remote_script_once(&RootEscalation::NotNeeded, IDENTITY_SCRIPT, &[], false)
                .await
                .map_err(convert_ssh_error_to_failure)?;
            let after = current_unix_time();
            (before, self.parse_remote_user_and_clock(&who)?.1, after)
        } else {
            (before, clock, after)
        };
        let here = (before + after) / 2;
        let ahead = (clock.as_millis().cast_signed() - here.as_millis().cast_signed()) as i64;
        self.with_locked_ssh_state(|known| known.ahead = Some(ahead));
        if user != 0 {
            let by = self.find_root_escalation(asks).await?;
            self.with_locked_ssh_state(|known| known.by = by);
        }
        Ok(())
    }

    fn parse_remote_user_and_clock(&self, who: &RemoteScriptOutput) -> Result<(u32, Duration), Failure> {
        let text = String::from_utf8_lossy(&who.out);
        let mut lines = text.lines();
        let user = lines.next().and_then(|line| line.trim().parse().ok());
        let clock = lines.next().and_then(|line| line.trim().parse().ok()).map(Duration::from_nanos);
        user.zip(clock).ok_or_else(|| {
            build_remote_host_failure(
                self.remote_host_name(),
                FailureKind::Other,
                "its id and date are not those of GNU coreutils",
                "use a host that packagecloud:enterprise supports",
            )
        })
    }

    /// By what this user becomes root there: sudo without a password, else with one that is typed now and kept until the end of this run.
    async fn find_root_escalation(&self, asks: bool) -> Result<RootEscalation, Failure> {
        let mut refused = match self.run_remote_script_once(&RootEscalation::Sudo, "id -u", &[], false).await
        {
            Ok(said) if said.out.trim_ascii() == b"0" => return Ok(RootEscalation::Sudo),
            Ok(_) => return Err(self.build_not_root_failure()),
            Err(fault) => convert_ssh_error_to_failure(fault),
        };
        if !asks || refused.facts.sudo_password != Some(SudoPasswordFault::Missing) {
            return Err(refused);
        }
        for _ in 0..PASSWORD_TRIES_MAX {
            let question = format!("sudo's password on {} (Enter: leave): ", self.remote_host_name());
            let Some(password) = netrc::prompt_secret_at_terminal(&question) else { return Err(refused) };
            let by = RootEscalation::Password(password);
            match self.run_remote_script_once(&by, "id -u", &[], false).await {
                Ok(said) if said.out.trim_ascii() == b"0" => return Ok(by),
                Ok(_) => return Err(self.build_not_root_failure()),
                Err(fault) => refused = convert_ssh_error_to_failure(fault),
            }
            if refused.facts.sudo_password != Some(SudoPasswordFault::Wrong) {
                return Err(refused);
            }
        }
        Err(refused)
    }

    fn build_not_root_failure(&self) -> Failure {
        build_remote_host_failure(
            self.remote_host_name(),
            FailureKind::Denied,
            "sudo there makes another user than root",
            "let it make root",
        )
    }
}

fn convert_ssh_error_to_failure(fault: SshError) -> Failure {
    match fault {
        SshError::Refused(failure) | SshError::Dropped(failure) => failure,
    }
}

fn current_unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
