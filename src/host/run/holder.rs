//! Who holds a host's lock, as it is written into the lock's file for whoever asks: the process, since when, in which stage.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::run::{goal::RunStage, other_run::ConcurrentRun};

use crate::host::environment::{clock, machine::read_machine_name, users};

/// This run, or another's as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunLockHolder {
    pid: u32,
    /// Unix seconds, as all of these.
    since: u64,
    stage: Option<RunStage>,
    /// Since when it is in that stage, or has come to the stage's end.
    #[serde(default)]
    entered: u64,
    /// Nothing runs: it waits for its operator.
    #[serde(default)]
    rests: bool,
    /// The user's name.
    #[serde(default)]
    of: String,
    /// The machine that it runs on, where that is another than the lock's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

impl RunLockHolder {
    /// Returns this run, in a lock of its own machine.
    pub(super) fn new_local_lock_holder(now: Duration) -> Self {
        let (pid, since) = (std::process::id(), now.as_secs());
        Self { pid, since, stage: None, entered: since, rests: false, of: find_invoking_user(), from: None }
    }

    /// Returns this run, in the lock of another host, by that host's clock.
    pub(crate) fn new_remote_lock_holder(now: Duration) -> Self {
        Self { from: Some(read_machine_name()), ..Self::new_local_lock_holder(now) }
    }

    /// Sets the stage that it is in, and whether that has come to its end.
    pub(crate) fn set_run_lock_stage(&mut self, stage: Option<RunStage>, rests: bool, now: Duration) {
        (self.stage, self.rests, self.entered) = (stage, rests, now.as_secs());
    }

    /// Renders the line that stands in the lock's file.
    pub(crate) fn render_lock_holder_json(&self) -> String {
        serde_json::to_string(self).expect("a holder is plain data")
    }

    /// Renders who it is: `process 812 (alice) on laptop`.
    pub(super) fn render_holder_process(&self) -> String {
        let of = if self.of.is_empty() { String::new() } else { format!(" ({})", self.of) };
        let from = self.from.as_ref().map(|from| format!(" on {from}")).unwrap_or_default();
        format!("process {}{of}{from}", self.pid)
    }
}

/// Reads what stands in a lock's file, as it is said; `on` is where the lock is.
pub(super) fn parse_lock_holder(text: &[u8], now: Duration, on: &str) -> ConcurrentRun {
    let Ok(holder) = serde_json::from_slice::<RunLockHolder>(text) else {
        // It has the lock, and hasn't said who it is yet.
        let none = String::new;
        return ConcurrentRun {
            host: on.into(),
            who: none(),
            since: none(),
            stage: None,
            stage_age: none(),
            is_idle: false,
        };
    };
    let long = |since: u64| now.saturating_sub(Duration::from_secs(since));
    let since = clock::render_utc_time(Duration::from_secs(holder.since));
    ConcurrentRun {
        host: on.to_owned(),
        who: holder.render_holder_process(),
        since: format!("{since} ({})", clock::render_age(long(holder.since))),
        stage: holder.stage,
        stage_age: clock::render_duration(long(holder.entered)),
        is_idle: holder.rests,
    }
}

/// Who started this, by name: under sudo whoever used it.
fn find_invoking_user() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(name) = set("SUDO_USER") {
        return format!("{name}, by sudo");
    }
    let uid = rustix::process::getuid().as_raw();
    users::find_user_name_by_uid(uid).or_else(|| set("LOGNAME")).unwrap_or_else(|| format!("user {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_mins(29_924_445);

    #[test]
    fn it_says_who_and_where_it_stands() {
        let mut holder =
            RunLockHolder { of: "alice".into(), pid: 812, ..RunLockHolder::new_local_lock_holder(NOW) };
        let later = NOW + Duration::from_mins(14);
        let said = |holder: &RunLockHolder| {
            parse_lock_holder(holder.render_lock_holder_json().as_bytes(), later, "this host").to_string()
        };
        assert_eq!(
            said(&holder),
            "process 812 (alice) runs since 2026-11-23 20:45:00 UTC (14 minutes ago), before its first stage"
        );
        holder.set_run_lock_stage(Some(RunStage::Distribution), false, NOW + Duration::from_mins(12));
        assert!(said(&holder).ends_with(", in the stage distribution for 2 minutes"), "{}", said(&holder));
        holder.set_run_lock_stage(Some(RunStage::Distribution), true, NOW + Duration::from_mins(13));
        let rests = ", in the stage distribution, which ended 1 minute ago; it waits for its operator";
        assert!(said(&holder).ends_with(rests), "{}", said(&holder));
        // One that has just begun, and one of an older version.
        assert_eq!(
            parse_lock_holder(b"", later, "web1").describe_concurrent_run(),
            "Another run works on web1: it has only just begun."
        );
        let old = br#"{"pid":1,"since":1795466700,"stage":null,"from":"laptop"}"#;
        assert_eq!(parse_lock_holder(old, later, "web1").who, "process 1 on laptop");
    }
}
