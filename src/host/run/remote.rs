//! What a run leaves on another host while it works there: its lock, and the note that CloudFront was switched off.
//!
//! It lies where a run on that host keeps its own, so each is told of the other; what can't be left there stops nothing.

use super::{
    holder::{self, Holder},
    journal,
    lock::Refused,
    state,
    stop_request::{Asked, REQUEST},
};
use crate::host::{
    Host, Reach, Ssh,
    transport::ssh::lock::{Held, Taken},
};

/// The lock of another host.
pub type Hold = Held;

/// Another host.
pub struct Afar<'a>(&'a Ssh);

const NOTE: &str = r#"cat -- "$1/$2" 2>/dev/null; return 0"#;

const LEAVE: &str = r#"mkdir -p -m 700 -- "$1" 2>/dev/null
(printf %s "$3" >"$1/$2.new" && mv -f -- "$1/$2.new" "$1/$2") 2>/dev/null"#;

/// The state directory, the first line of the journal as it was, how much of it is known: the first line, and what came
/// since, or all of it where it was begun anew.
const HEARD: &str = r#"[ -r "$1/events" ] || return 0
head=$(head -n 1 "$1/events")
printf '%s\n' "$head"
if [ "$head" = "$2" ]; then tail -c +$(($3+1)) -- "$1/events"; else cat -- "$1/events"; fi
return 0"#;

impl<'a> Afar<'a> {
    #[must_use]
    pub fn of(host: &'a Host) -> Option<Self> {
        match &host.reach {
            Reach::Local => None,
            Reach::Ssh(line) => Some(Self(line)),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What a run left there.
    pub async fn note(&self, name: &str) -> Option<String> {
        let said = self.0.run(NOTE, &[state::ROOTS, name]).await.ok()?;
        Some(String::from_utf8_lossy(&said.out).into_owned()).filter(|text| !text.is_empty())
    }

    pub async fn leave_note(&self, name: &str, text: &str) {
        let _ = self.0.run(LEAVE, &[state::ROOTS, name, text]).await;
    }

    /// Asks the run that holds the lock there to end after its request in flight.
    pub async fn ask_to_end(&self, now: std::time::Duration) {
        self.leave_note(REQUEST, &Holder::there(now).who()).await;
    }

    /// What the run that holds the lock there has said since `read`.
    pub async fn heard(&self, read: &mut journal::Read) -> journal::News {
        let known = [state::ROOTS, &read.head, &read.at.to_string()];
        let out = self.0.run(HEARD, &known).await.map(|said| said.out).unwrap_or_default();
        let Some(end) = out.iter().position(|byte| *byte == b'\n') else {
            return journal::News::default();
        };
        read.take(&String::from_utf8_lossy(&out[..end]), &out[end + 1..])
    }
}

impl Host {
    /// Takes the lock of another host; `None` where it has none to take.
    pub async fn hold(&self, asked: &Asked) -> Result<Option<Held>, Refused> {
        let Reach::Ssh(line) = &self.reach else { return Ok(None) };
        match line.hold(state::ROOTS, &self.clock, asked).await {
            Taken::Holds(held) => Ok(Some(*held)),
            Taken::Without => Ok(None),
            Taken::By(text) => {
                Err(Refused::Held(Box::new(holder::read(&text, self.clock.now(), line.name()))))
            }
        }
    }
}
