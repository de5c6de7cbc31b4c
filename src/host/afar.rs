//! What a run leaves on another host while it works there: its lock, and the note that CloudFront was switched off.
//!
//! It lies where a run on that host keeps its own, so each is told of the other; what can't be left there stops nothing.

use crate::model::failure::Failure;

use super::{
    Host, Reach, Ssh, lock,
    ssh::hold::{Held, Taken},
    state,
};

/// The lock of another host.
pub type Hold = Held;

/// Another host.
pub struct Afar<'a>(&'a Ssh);

const NOTE: &str = r#"cat -- "$1/$2" 2>/dev/null; return 0"#;

const LEAVE: &str = r#"mkdir -p -m 700 -- "$1" 2>/dev/null
(printf %s "$3" >"$1/$2.new" && mv -f -- "$1/$2.new" "$1/$2") 2>/dev/null"#;

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
}

impl Host {
    /// Takes the lock of another host; `None` where it has none to take.
    ///
    /// # Errors
    /// Where another run has it.
    pub async fn hold(&self) -> Result<Option<Held>, Failure> {
        let Reach::Ssh(line) = &self.reach else { return Ok(None) };
        match line.hold(state::ROOTS, &lock::holder(self.clock.now())).await {
            Taken::Holds(held) => Ok(Some(held)),
            Taken::Without => Ok(None),
            Taken::By(holder) => Err(lock::held_by(&holder, self.clock.now(), Some(line.name()))),
        }
    }
}
