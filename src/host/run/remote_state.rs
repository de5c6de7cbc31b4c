//! What a run leaves on another host while it works there: its journal, and the note that CloudFront was switched off.
//!
//! It lies where a run on that host keeps its own, so each is told of the other; what can't be left there stops nothing.

use super::{holder::RunLockHolder, journal, stop_request::STOP_REQUEST_FILE};
use crate::host::{Host, HostTransport, SshClient, paths::ROOT_STATE_DIR};

/// Another host.
pub struct RemoteStateDir<'a>(&'a SshClient);

const READ_NOTE_SCRIPT: &str = r#"[ -f "$1/$2" ] && head -c 1048576 -- "$1/$2" 2>/dev/null; return 0"#;

const WRITE_NOTE_SCRIPT: &str = r#"mkdir -p -m 700 -- "$1" 2>/dev/null
(printf %s "$3" >"$1/$2.new" && mv -f -- "$1/$2.new" "$1/$2") 2>/dev/null"#;

/// The state directory, the first line of the journal as it was, how much of it is known: the first line, and what came
/// since, or all of it where it was begun anew.
const READ_EVENTS_SCRIPT: &str = r#"[ -r "$1/events" ] || return 0
head=$(head -n 1 "$1/events")
printf '%s\n' "$head"
if [ "$head" = "$2" ]; then tail -c +$(($3+1)) -- "$1/events"; else cat -- "$1/events"; fi
return 0"#;

impl<'a> RemoteStateDir<'a> {
    /// Returns what is kept on the host where that is another one; none for this machine.
    #[must_use]
    pub fn remote_state_if_ssh_host(host: &'a Host) -> Option<Self> {
        match &host.transport {
            HostTransport::Local => None,
            HostTransport::Ssh(line) => Some(Self(line)),
        }
    }

    /// Returns the host's name, as the operator gave it.
    #[must_use]
    pub fn remote_host_name(&self) -> &str {
        self.0.remote_host_name()
    }

    /// Reads what a run left there.
    pub async fn read_remote_state_file(&self, name: &str) -> Option<String> {
        let said = self.0.run_remote_script(READ_NOTE_SCRIPT, &[ROOT_STATE_DIR, name]).await.ok()?;
        Some(String::from_utf8_lossy(&said.out).into_owned()).filter(|text| !text.is_empty())
    }

    /// Leaves a note there; what can't be left stops nothing.
    pub async fn write_remote_state_file(&self, name: &str, text: &str) {
        let _ = self.0.run_remote_script(WRITE_NOTE_SCRIPT, &[ROOT_STATE_DIR, name, text]).await;
    }

    /// Asks the run that holds the lock there to end after its request in flight.
    pub async fn request_other_run_stop(&self, now: std::time::Duration) {
        self.write_remote_state_file(
            STOP_REQUEST_FILE,
            &RunLockHolder::new_remote_lock_holder(now).render_holder_process(),
        )
        .await;
    }

    /// Reads what the run that holds the lock there has said since `read`.
    pub async fn read_new_journal_events(
        &self,
        read: &mut journal::RunJournalPosition,
    ) -> journal::NewJournalEvents {
        let known = [ROOT_STATE_DIR, &read.head, &read.at.to_string()];
        let out = self
            .0
            .run_remote_script(READ_EVENTS_SCRIPT, &known)
            .await
            .map(|said| said.out)
            .unwrap_or_default();
        let Some(end) = out.iter().position(|byte| *byte == b'\n') else {
            return journal::NewJournalEvents::default();
        };
        read.parse_new_journal_events(&String::from_utf8_lossy(&out[..end]), &out[end + 1..])
    }
}
