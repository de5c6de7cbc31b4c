//! The rotation's lock between hosts: a tag on the function, looked at before each publish (contract section 12).
//!
//! AWS has no condition for a tag: of two at once the one that is read back after a moment goes on. A run of the same machine is
//! kept out by that machine's own lock, so a machine is known by more than its name: two nodes of one image may share that.

use std::time::Duration;

use crate::engine::session::{AwsTarget, Session};
use crate::host::environment::{
    clock::render_utc_time,
    machine::{read_machine_identity, read_machine_name},
};
use crate::model::{
    aws::{
        account::LambdaFunction,
        rotation::{ROTATION_LOCK_SECONDS, RotationMark},
    },
    failure::Failure,
    run::{
        plan::{PlanConfirmationQuestion, RequiredConsent},
        proposed_command::{render_proposed_command, render_same_command_again},
    },
};

/// What was written is read back after this.
const READ_BACK_PAUSE: Duration = Duration::from_secs(2);

/// The tag while this run works.
pub(super) struct RotationLock<'a> {
    pub session: &'a Session,
    pub target: &'a AwsTarget,
    pub function: &'a LambdaFunction,
}

/// Says which machine wrote the tag, also where this one has its name.
fn render_machine_of_mark(mark: &RotationMark) -> String {
    let name = mark.read_machine_of_host();
    if name == read_machine_name() {
        format!("another machine that is named {name}")
    } else {
        name.to_owned()
    }
}

/// Stops where another host rotates, and has said so within the hour.
///
/// # Errors
/// Then, with who and since when.
pub(super) fn refuse_rotation_of_other_host(
    session: &Session,
    mark: Option<&RotationMark>,
) -> Result<(), Failure> {
    let now = session.host.clock.read_host_clock().as_secs();
    match mark.filter(|mark| mark.is_held_by_other(&read_machine_identity(), now, false)) {
        None => Ok(()),
        Some(mark) => Err(Failure::new_generic_failure(
            "the secret",
            format!(
                "a run on {} is rotating it: the tag on the function says so, last written at {}",
                render_machine_of_mark(mark),
                render_utc_time(Duration::from_secs(mark.at))
            ),
            format!(
                "wait until that run ends; if it was interrupted, continue there with: {}; or continue here after {} with: {}",
                render_proposed_command("rotate-secret", &[]),
                render_utc_time(Duration::from_secs(mark.at + ROTATION_LOCK_SECONDS)),
                render_same_command_again(&[])
            ),
        )),
    }
}

/// Asks whether a rotation that another host began, and left for more than an hour, is taken over.
pub(super) fn build_take_over_question(
    session: &Session,
    mark: Option<&RotationMark>,
) -> Option<PlanConfirmationQuestion> {
    let now = session.host.clock.read_host_clock().as_secs();
    let mark = mark.filter(|mark| mark.is_held_by_other(&read_machine_identity(), now, true))?;
    Some(PlanConfirmationQuestion {
        consent: RequiredConsent::RotationTakeOver,
        question: format!(
            "A run on {} began to rotate this secret. It last wrote the tag on the function at {}, more than an hour ago. Continue in its place?",
            render_machine_of_mark(mark),
            render_utc_time(Duration::from_secs(mark.at))
        ),
    })
}

impl RotationLock<'_> {
    /// Takes the lock, or says once more that this run works; `fingerprint` is the new secret's.
    ///
    /// # Errors
    /// Fails where another host has it, or Lambda refuses.
    pub(super) async fn hold_rotation_lock(
        &self,
        fingerprint: &str,
        take_over: bool,
    ) -> Result<RotationMark, Failure> {
        let stands = self.read_mark().await?;
        refuse_rotation_of_other_host(self.session, stands.as_ref())?;
        if build_take_over_question(self.session, stands.as_ref()).is_some() && !take_over {
            return Err(Failure::new_plan_drift_failure("the rotation's lock", "another host has taken it"));
        }
        let of_same = stands.filter(|stands| stands.fingerprint == fingerprint);
        let mark = RotationMark {
            host: read_machine_identity(),
            at: self.session.host.clock.read_host_clock().as_secs(),
            is_running: true,
            fingerprint: fingerprint.to_owned(),
            since: of_same.as_ref().and_then(|stands| stands.since),
            finish_at: of_same.and_then(|stands| stands.finish_at),
        };
        self.write_mark(&mark).await?;
        tokio::time::sleep(self.session.scale_wait_for_sandbox(READ_BACK_PAUSE)).await;
        refuse_rotation_of_other_host(self.session, self.read_mark().await?.as_ref())?;
        Ok(mark)
    }

    /// Writes the tag; what this run has done stands, whether it can be or not.
    ///
    /// # Errors
    /// Fails where Lambda refuses.
    pub(super) async fn write_mark(&self, mark: &RotationMark) -> Result<(), Failure> {
        let AwsTarget { cloud, names, .. } = self.target;
        cloud.write_rotation_tag(names, &self.function.arn, &mark.to_string()).await
    }

    /// Says that this run works no more, where the lock is its own.
    pub(super) async fn release_rotation_lock(&self) {
        let own = |mark: &RotationMark| {
            let now = self.session.host.clock.read_host_clock().as_secs();
            let machine = read_machine_identity();
            mark.is_running
                && !mark.is_held_by_other(&machine, now, false)
                && !mark.is_held_by_other(&machine, now, true)
        };
        if let Some(mark) = self.read_mark().await.ok().flatten().filter(own) {
            // Kept, another host waits an hour.
            let _ = self.write_mark(&RotationMark { is_running: false, ..mark }).await;
        }
    }

    /// Reads the tag as it stands now.
    ///
    /// # Errors
    /// Fails where Lambda refuses.
    pub(super) async fn read_mark(&self) -> Result<Option<RotationMark>, Failure> {
        let text = self.target.cloud.read_rotation_tag(&self.target.names).await?;
        Ok(text.as_deref().and_then(RotationMark::parse_rotation_mark))
    }
}
