//! The host's clock, and the two ways in which a time is written.
//!
//! Times are Unix times; what is written is UTC.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use time::{OffsetDateTime, macros::format_description};

/// Unix time now; a sandbox's runs on tokio's clock.
#[derive(Clone)]
pub struct HostClock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl HostClock {
    /// Returns a clock that reads the time since the Unix epoch by `now`.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the time since the Unix epoch.
    #[must_use]
    pub fn read_host_clock(&self) -> Duration {
        (self.0)()
    }
}

/// Returns the time so many milliseconds after this one, or before.
#[must_use]
pub fn shift_time_by_milliseconds(time: Duration, milliseconds: i64) -> Duration {
    let by = Duration::from_millis(milliseconds.unsigned_abs());
    if milliseconds < 0 { time.saturating_sub(by) } else { time + by }
}

impl Default for HostClock {
    /// This machine's.
    fn default() -> Self {
        Self::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl std::fmt::Debug for HostClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", render_utc_time(self.read_host_clock()))
    }
}

fn to_utc_datetime(time: Duration) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Renders a time: `2026-11-23 20:45:00 UTC`.
#[must_use]
pub fn render_utc_time(time: Duration) -> String {
    to_utc_datetime(time)
        .format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC"))
        .unwrap_or_default()
}

/// Renders how long something is, in one unit: `a moment`, `40 seconds`, `14 minutes`, `3 hours`, `2 days`.
#[must_use]
pub fn render_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..10 => return "a moment".to_owned(),
        10..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Renders how long ago something was: `14 minutes ago`.
#[must_use]
pub fn render_age(time: Duration) -> String {
    format!("{} ago", render_duration(time))
}

/// Renders a time as it stands in a file's name: `20261123T204500Z`.
#[must_use]
pub fn render_time_for_file_name(time: Duration) -> String {
    to_utc_datetime(time)
        .format(format_description!("[year][month][day]T[hour][minute][second]Z"))
        .unwrap_or_default()
}

/// Reads the time that [`render_time_for_file_name`] wrote.
#[must_use]
pub fn parse_filename_timestamp(text: &str) -> Option<Duration> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let date = time::PrimitiveDateTime::parse(text, format).ok()?.assume_utc();
    u64::try_from(date.unix_timestamp()).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_said_in_one_unit() {
        for (seconds, said) in [
            (3, "a moment ago"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (14 * 60 + 59, "14 minutes ago"),
            (3600, "1 hour ago"),
            (47 * 3600, "47 hours ago"),
            (5 * 86_400, "5 days ago"),
        ] {
            assert_eq!(render_age(Duration::from_secs(seconds)), said);
        }
    }
}
