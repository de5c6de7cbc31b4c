//! What is answered now, and true only later: roles, identities, functions, certificates and distributions take their time.

use std::time::Duration;

use crate::sandbox::{Sandbox, SandboxPropagationDelays};

/// The moment, and how long things take: what a state needs to say what it is now.
#[derive(Debug, Clone, Copy)]
pub struct PropagationClock {
    pub now: Duration,
    pub delays: SandboxPropagationDelays,
}

impl PropagationClock {
    /// Takes the moment and the delays of a sandbox.
    pub fn propagation_clock_from_sandbox(world: &Sandbox) -> Self {
        Self { now: world.sandbox_unix_time_now(), delays: world.sandbox_delays() }
    }

    /// Whether `delay` has passed since `since`.
    pub fn has_delay_passed(self, since: Duration, delay: Duration) -> bool {
        self.now >= since + delay
    }
}
