//! A change of a distribution that serves links, kept until the gate has proven it: a run that is broken off between them leaves it to the next one (contract section 7).
//!
//! It lies in the state directory and, over ssh, on each host too, as the note of switching off does. There those of the hosts
//! alone count: a run from another machine may have proven the change since. The configurations may hold an origin's custom headers, so they are never printed.

use serde::{Deserialize, Serialize};

use crate::aws::DistributionSnapshot;
use crate::engine::session::Session;
use crate::host::RemoteStateDir;
use crate::model::failure::Failure;

const UNPROVEN_CHANGE_FILE: &str = "unproven-change";

/// What was changed, and isn't proven yet.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct UnprovenChange {
    distribution: String,
    /// The configuration before the change, as CloudFront gave it.
    pub before: String,
    /// The one after it; none until CloudFront has answered.
    pub after: Option<String>,
}

impl UnprovenChange {
    /// Makes the record of a change.
    pub fn new(
        distribution: &str,
        before: &DistributionSnapshot,
        after: Option<&DistributionSnapshot>,
    ) -> Self {
        Self {
            distribution: distribution.to_owned(),
            before: before.render_snapshot(),
            after: after.map(DistributionSnapshot::render_snapshot),
        }
    }

    /// Keeps it for the next run.
    ///
    /// # Errors
    /// Where it can't be kept here: nothing that serves links is changed without a way back.
    pub async fn keep_unproven_change(&self, session: &Session) -> Result<(), Failure> {
        let text = serde_json::to_string(self).expect("it is plain text");
        session.host.state.write_state_dir_file(UNPROVEN_CHANGE_FILE, text.as_bytes())?;
        write_remote_notes(session, &text).await;
        Ok(())
    }
}

/// Reads the change of that distribution which a run before this one made and didn't prove.
pub(super) async fn read_unproven_change(session: &Session, distribution: &str) -> Option<UnprovenChange> {
    let parse = |text: &[u8]| {
        let kept = serde_json::from_slice::<UnprovenChange>(text).ok()?;
        (kept.distribution == distribution).then_some(kept)
    };
    let mut is_over_ssh = false;
    for node in session.list_all_node_sessions() {
        let Some(there) = RemoteStateDir::remote_state_if_ssh_host(&node.host) else { continue };
        is_over_ssh = true;
        let text = there.read_remote_state_file(UNPROVEN_CHANGE_FILE).await;
        if let Some(kept) = text.and_then(|text| parse(text.as_bytes())) {
            return Some(kept);
        }
    }
    if is_over_ssh {
        return None;
    }
    parse(&session.host.state.read_state_dir_file(UNPROVEN_CHANGE_FILE)?)
}

/// Forgets the change that was kept: it is proven, or put back.
pub(super) async fn forget_unproven_change(session: &Session) {
    session.host.state.remove_state_dir_file(UNPROVEN_CHANGE_FILE);
    write_remote_notes(session, "").await;
}

/// Leaves it on each other host; an empty one is none.
async fn write_remote_notes(session: &Session, text: &str) {
    for node in session.list_all_node_sessions() {
        if let Some(there) = RemoteStateDir::remote_state_if_ssh_host(&node.host) {
            there.write_remote_state_file(UNPROVEN_CHANGE_FILE, text).await;
        }
    }
}
