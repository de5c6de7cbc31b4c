//! A rotation of the secret (contract section 12): what is asked for, the tag by which hosts tell each other of one, and what
//! its plan was made from. A secret is named by its fingerprint alone.

use std::fmt;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The function's tag by which hosts tell each other of a rotation.
pub const ROTATION_TAG: &str = "packagecloud-cloudfront-rotation";
/// A run that has said nothing for longer than this is taken over on a yes, in seconds.
pub const ROTATION_LOCK_SECONDS: u64 = 3600;

/// What is done with the secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecretRotationKind {
    /// A new one is given to every node; the one before stays accepted.
    #[default]
    Rotate,
    /// The one before is accepted no more.
    Finish,
    /// Others know the one before: while CloudFront is off, the edge and every node get a new one alone.
    Leaked,
}

/// What the tag says: who rotates or did last, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationMark {
    /// The machine of the run: its name, and after a `/` what tells it from another of that name, where it has that.
    pub host: String,
    /// When it said so last, in Unix seconds.
    pub at: u64,
    pub is_running: bool,
    /// Of the new secret.
    pub fingerprint: String,
    /// Since when the edge accepts it beside others, in Unix seconds.
    pub since: Option<u64>,
    /// When the last link by the one before has expired, in Unix seconds; known once every node signs with the new one.
    pub finish_at: Option<u64>,
}

impl RotationMark {
    /// Reads a tag's text; `None` where it isn't one of these.
    #[must_use]
    pub fn parse_rotation_mark(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [host, at, state, fingerprint, since, finish_at] = words[..] else { return None };
        let is_fingerprint =
            fingerprint.len() == 32 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_running = match state {
            "running" => true,
            "resting" => false,
            _ => return None,
        };
        is_fingerprint.then_some(Self {
            host: host.to_owned(),
            at: parse_utc_seconds(at)?,
            is_running,
            fingerprint: fingerprint.to_owned(),
            since: parse_utc_seconds(since),
            finish_at: parse_utc_seconds(finish_at),
        })
    }

    /// Returns how long ago it was said, in seconds; 0 where that lies ahead by this clock.
    #[must_use]
    pub fn seconds_since_mark(&self, now: u64) -> u64 {
        now.saturating_sub(self.at)
    }

    /// Returns whether a run of another machine than `host` says that it works, and since less than an hour or, by `is_old`,
    /// more.
    #[must_use]
    pub fn is_held_by_other(&self, host: &str, now: u64, is_old: bool) -> bool {
        let is_expired = self.seconds_since_mark(now) > ROTATION_LOCK_SECONDS;
        self.is_running && !is_same_machine(&self.host, host) && is_expired == is_old
    }

    /// Returns the name of the machine of the run.
    #[must_use]
    pub fn read_machine_of_host(&self) -> &str {
        split_machine_identity(&self.host).0
    }
}

impl fmt::Display for RotationMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |seconds: Option<u64>| seconds.map_or_else(|| "-".to_owned(), render_utc_seconds);
        write!(
            f,
            "{} {} {} {} {} {}",
            render_tag_word(&self.host),
            render_utc_seconds(self.at),
            if self.is_running { "running" } else { "resting" },
            self.fingerprint,
            time(self.since),
            time(self.finish_at)
        )
    }
}

/// Whether both are one machine, as a tag can tell: where one has a name alone, the names decide.
fn is_same_machine(one: &str, other: &str) -> bool {
    let (one, other) = (render_tag_word(one), render_tag_word(other));
    let ((one, one_id), (other, other_id)) = (split_machine_identity(&one), split_machine_identity(&other));
    one == other && (one_id.is_none() || other_id.is_none() || one_id == other_id)
}

fn split_machine_identity(host: &str) -> (&str, Option<&str>) {
    host.split_once('/').map_or((host, None), |(name, id)| (name, Some(id)))
}

/// A machine's name as a word of a tag: Lambda's pattern for a value holds letters, digits and a few marks.
fn render_tag_word(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-/".contains(c) { c } else { '_' };
    let word: String = text.chars().take(100).map(plain).collect();
    if word.is_empty() { "_".to_owned() } else { word }
}

fn render_utc_seconds(seconds: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap_or(i64::MAX));
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(&Rfc3339).unwrap_or_default()
}

fn parse_utc_seconds(text: &str) -> Option<u64> {
    OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp().try_into().ok()
}

/// What one node was seen to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationNodeEvidence {
    /// Where its file lies, with its host.
    pub path: String,
    /// Of the secret in its file, where it holds one.
    pub fingerprint: Option<String>,
    /// Whether its file has CloudFront on, or may have.
    pub is_on: bool,
    /// Whether a configuration client writes its file: then its links tell what it signs with, and its file may lag behind.
    pub is_managed: bool,
    /// Whether it can't be reached.
    pub is_down: bool,
}

/// What a rotation's plan was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretRotationEvidence {
    pub kind: SecretRotationKind,
    /// The fingerprints of what the edge accepts.
    pub accepted: Vec<String>,
    /// Of the secret that every node shall hold; `None` where it isn't made yet.
    pub wanted: Option<String>,
    pub nodes: Vec<RotationNodeEvidence>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_mark() -> RotationMark {
        RotationMark {
            host: "web 1".into(),
            at: 1_700_000_000,
            is_running: true,
            fingerprint: "0a".repeat(16),
            since: Some(1_699_999_000),
            finish_at: None,
        }
    }

    #[test]
    fn a_mark_is_read_back_as_it_was_written_and_fits_a_tag() {
        let text = sample_mark().to_string();
        assert_eq!(
            text,
            format!("web_1 2023-11-14T22:13:20Z running {} 2023-11-14T21:56:40Z -", "0a".repeat(16))
        );
        assert!(text.len() <= 256);
        let read = RotationMark::parse_rotation_mark(&text).unwrap();
        assert_eq!(read, RotationMark { host: "web_1".into(), ..sample_mark() });
        for other in ["", "by hand", &text.replace("running", "walking"), &text.replace("0a0a", "0g0a")] {
            assert_eq!(RotationMark::parse_rotation_mark(other), None, "{other}");
        }
    }

    #[test]
    fn anothers_run_holds_for_an_hour_and_ones_own_never() {
        let mark = sample_mark();
        for (host, later, held, old) in [
            ("web 1", 60, false, false),
            ("web2", 60, true, false),
            ("web2", 3600, true, false),
            ("web2", 3601, false, true),
            ("web 1", 9000, false, false),
            // A tag of before the machines' ids were in it.
            ("web 1/3fa21c0d", 60, false, false),
        ] {
            let now = mark.at + later;
            assert_eq!(mark.is_held_by_other(host, now, false), held, "{host} {later}");
            assert_eq!(mark.is_held_by_other(host, now, true), old, "{host} {later}");
        }
        let of_image = RotationMark { host: "web1/3fa21c0d".into(), ..mark.clone() };
        for (host, held) in
            [("web1/3fa21c0d", false), ("web1", false), ("web1/00000000", true), ("web2/3fa21c0d", true)]
        {
            assert_eq!(of_image.is_held_by_other(host, mark.at, false), held, "{host}");
        }
        let read = RotationMark::parse_rotation_mark(&of_image.to_string()).unwrap();
        assert_eq!((read.read_machine_of_host(), &read), ("web1", &of_image));
        let resting = RotationMark { is_running: false, ..mark.clone() };
        assert!(!resting.is_held_by_other("web2", mark.at, false));
        // Its clock is ahead of ours.
        assert!(mark.is_held_by_other("web2", mark.at - 60, false));
    }
}
