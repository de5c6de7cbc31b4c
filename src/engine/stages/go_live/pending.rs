//! What a reconfigure would also apply that isn't ours, in words: said before going live.

use std::time::Duration;

use crate::engine::session::Session;
use crate::host::{environment::clock, pending_changes::PendingChanges};

/// Lists what a reconfigure of this node would apply beside our lines.
pub(super) async fn list_reconfigure_notes(session: &Session) -> Vec<String> {
    let Ok(hash) = session.host.read_config_hash().await else { return Vec::new() };
    let pending = session.host.read_pending_changes(&hash).await;
    let place = session.host.config_location();
    let mut notes = Vec::new();
    // A packagecloud that is played, or left to the operator, leaves no trace of a reconfigure.
    if session.can_ask_services() || !matches!(pending, PendingChanges::Theirs { last: None, .. }) {
        notes.extend(render_file_note(&place, pending));
    }
    if let Some(last) = last_reconfigured(pending)
        && let Some(installed) = session.host.read_install_time().await.filter(|installed| *installed > last)
    {
        notes.push(format!(
            "packagecloud itself was installed or upgraded at {}{}, after the last reconfigure at {}: what is new in it takes effect too.",
            clock::render_utc_time(installed),
            session.host.host_suffix(),
            clock::render_utc_time(last)
        ));
    }
    notes
}

fn last_reconfigured(pending: PendingChanges) -> Option<Duration> {
    match pending {
        PendingChanges::Nothing { last } | PendingChanges::Ours { last } => Some(last),
        PendingChanges::Theirs { last, .. } => last,
        PendingChanges::Unknown => None,
    }
}

fn render_file_note(place: &str, pending: PendingChanges) -> Option<String> {
    Some(match pending {
        PendingChanges::Unknown => return None,
        PendingChanges::Nothing { last } => format!(
            "{place} has not changed since the last reconfigure at {}: nothing but the lines of CloudFront takes effect.",
            clock::render_utc_time(last)
        ),
        PendingChanges::Ours { last } => format!(
            "Since the last reconfigure at {} only this program has changed {place}: nothing but the lines of CloudFront takes effect.",
            clock::render_utc_time(last)
        ),
        PendingChanges::Theirs { changed, last: None } => format!(
            "{place} was changed at {}, and when packagecloud was last reconfigured is not known: whatever else was changed there since takes effect too.",
            clock::render_utc_time(changed)
        ),
        PendingChanges::Theirs { changed, last: Some(last) } => format!(
            "{place} was changed at {}, after the last reconfigure at {}: whatever was changed there since, beside the lines of CloudFront, takes effect too.",
            clock::render_utc_time(changed),
            clock::render_utc_time(last)
        ),
    })
}
