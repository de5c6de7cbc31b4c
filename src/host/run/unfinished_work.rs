//! What this process is in the middle of on a host: a file that it writes, a command of packagecloud-ctl that it follows.
//!
//! Whoever ends this process asks first: the one would be cut off, the other goes on without it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A command of packagecloud-ctl whose end hasn't been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedCtlCommand {
    /// `reconfigure`.
    pub command: String,
    /// The process that runs it, on its own host.
    pub pid: u32,
    /// The command as it was started, with its host and its process: `packagecloud-ctl reconfigure on web1 (process 20784)`.
    pub text: String,
}

/// What is unfinished on one host. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct UnfinishedHostWork(Arc<Mutex<UnfinishedWorkNotes>>);

#[derive(Debug, Default)]
struct UnfinishedWorkNotes {
    /// How many pieces of work are being done now.
    begun: usize,
    /// One runs at a time. It stays here after whoever followed it has gone.
    command: Option<UnfinishedCtlCommand>,
}

/// A piece of work; over once this is dropped.
#[derive(Debug)]
pub(in crate::host) struct HostWorkGuard(UnfinishedHostWork);

impl Drop for HostWorkGuard {
    fn drop(&mut self) {
        self.0.lock_work_notes().begun -= 1;
    }
}

impl UnfinishedHostWork {
    fn lock_work_notes(&self) -> MutexGuard<'_, UnfinishedWorkNotes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that something is being done which must not be cut off, for as long as the guard lives.
    pub(in crate::host) fn begin_host_work(&self) -> HostWorkGuard {
        self.lock_work_notes().begun += 1;
        HostWorkGuard(self.clone())
    }

    /// Returns whether a file is being written, or a command of packagecloud-ctl started or followed.
    #[must_use]
    pub fn is_host_worked_on(&self) -> bool {
        self.lock_work_notes().begun > 0
    }

    /// Notes the command that is followed, in the place of the one before, which has ended.
    pub(in crate::host) fn note_followed_ctl_command(&self, command: UnfinishedCtlCommand) {
        self.lock_work_notes().command = Some(command);
    }

    /// Forgets a command whose end was seen.
    pub(in crate::host) fn forget_ended_ctl_command(&self, pid: u32) {
        let mut notes = self.lock_work_notes();
        notes.command.take_if(|command| command.pid == pid);
    }

    /// Returns the command that was followed last, where its end hasn't been seen.
    pub(in crate::host) fn last_unfinished_ctl_command(&self) -> Option<UnfinishedCtlCommand> {
        self.lock_work_notes().command.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_unfinished_for_as_long_as_its_guard_lives_and_a_command_until_its_end_is_seen() {
        let work = UnfinishedHostWork::default();
        assert!(!work.is_host_worked_on());
        let (write, follow) = (work.begin_host_work(), work.clone().begin_host_work());
        let reconfigure = UnfinishedCtlCommand {
            command: "reconfigure".to_owned(),
            pid: 7,
            text: "packagecloud-ctl reconfigure on web1 (process 7)".to_owned(),
        };
        work.note_followed_ctl_command(reconfigure.clone());
        drop(write);
        assert!(work.is_host_worked_on(), "the command is followed");
        drop(follow);
        assert!(!work.is_host_worked_on());
        work.forget_ended_ctl_command(6);
        assert_eq!(work.last_unfinished_ctl_command(), Some(reconfigure), "it outlives who followed it");
        work.forget_ended_ctl_command(7);
        assert_eq!(work.last_unfinished_ctl_command(), None);
    }
}
