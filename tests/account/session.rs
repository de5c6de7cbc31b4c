//! The engine's session on a sandbox in this process: what a command runs on, without the binary.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use aws_smithy_async::time::TimeSource;
use packagecloud_cloudfront::{
    app::compose::open_sandbox_session,
    aws::credentials::lookup::FixedOrDiscoveredAwsIdentity,
    engine::Session,
    host::{HostClock, environment::clock::shift_time_by_milliseconds},
    sandbox::Sandbox,
};

/// As `--sandbox` opens it.
pub fn open_session(world: &Sandbox) -> Session {
    open_sandbox_session(world).unwrap()
}

/// The clock of a machine that is so many seconds ahead of AWS's, or behind.
#[derive(Debug, Clone)]
struct MachineClock {
    world: Sandbox,
    ahead_s: Arc<AtomicI64>,
}

impl MachineClock {
    fn read_machine_clock(&self) -> Duration {
        let ahead_ms = self.ahead_s.load(Relaxed) * 1000;
        shift_time_by_milliseconds(self.world.sandbox_unix_time_now(), ahead_ms)
    }
}

impl TimeSource for MachineClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.read_machine_clock()
    }
}

/// The same on a machine whose clock is off by `ahead_s`, by which its requests are signed too.
pub fn open_session_by_clock(world: &Sandbox, ahead_s: &Arc<AtomicI64>) -> Session {
    let mut session = open_session(world);
    let clock = MachineClock { world: world.clone(), ahead_s: Arc::clone(ahead_s) };
    let config = world.build_sandbox_sdk_config().to_builder().time_source(clock.clone()).build();
    let settings = Arc::get_mut(&mut session.settings).expect("nothing has run on it yet");
    settings.identities = FixedOrDiscoveredAwsIdentity::Fixed(Box::new(config));
    session.host.clock = HostClock::new(move || clock.read_machine_clock());
    session
}
