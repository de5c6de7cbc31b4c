//! What a reconfigure would also apply that isn't ours, in words: said before going live.

use std::time::Duration;

use crate::engine::session::Session;
use crate::host::{environment::clock, pending_changes::PendingConfigChanges};

/// Lists what a reconfigure of this node would apply beside our lines.
pub(super) async fn list_pending_reconfigure_effects(session: &Session) -> Vec<String> {
    let Ok(hash) = session.host.read_packagecloud_rb_hash().await else { return Vec::new() };
    let pending = session.host.read_pending_config_changes(&hash).await;
    let place = session.host.render_config_location();
    let mut notes = Vec::new();
    // A packagecloud that is played, or left to the operator, leaves no trace of a reconfigure.
    if session.can_ask_service_statuses()
        || !matches!(pending, PendingConfigChanges::Theirs { last: None, .. })
    {
        notes.extend(render_pending_changes_note(&place, pending));
    }
    if let Some(last) = last_reconfigure_time(pending)
        && let Some(installed) =
            session.host.read_packagecloud_install_time().await.filter(|installed| *installed > last)
    {
        notes.push(format!(
            "packagecloud itself was installed or upgraded{} at {}, and has not been reconfigured since (last at {}). Going live reconfigures it: what the new version changes takes effect too.",
            session.host.render_host_suffix(),
            clock::render_utc_time(installed),
            clock::render_utc_time(last)
        ));
    }
    notes
}

fn last_reconfigure_time(pending: PendingConfigChanges) -> Option<Duration> {
    match pending {
        PendingConfigChanges::Nothing { last } | PendingConfigChanges::Ours { last } => Some(last),
        PendingConfigChanges::Theirs { last, .. } => last,
        PendingConfigChanges::Unknown => None,
    }
}

fn render_pending_changes_note(place: &str, pending: PendingConfigChanges) -> Option<String> {
    Some(match pending {
        PendingConfigChanges::Unknown => return None,
        PendingConfigChanges::Nothing { last } => format!(
            "{place} has not changed since packagecloud was last reconfigured, at {}: going live applies the lines of CloudFront alone.",
            clock::render_utc_time(last)
        ),
        PendingConfigChanges::Ours { last } => format!(
            "Only this program has changed {place} since packagecloud was last reconfigured, at {}: going live applies the lines of CloudFront alone.",
            clock::render_utc_time(last)
        ),
        PendingConfigChanges::Theirs { changed, last: None } => format!(
            "{place} was last changed at {}. When packagecloud was last reconfigured is not known. Going live reconfigures it: other changes in that file that were never applied take effect too.",
            clock::render_utc_time(changed)
        ),
        PendingConfigChanges::Theirs { changed, last: Some(last) } => format!(
            "{place} was changed at {}, and packagecloud has not been reconfigured since (last at {}). Going live reconfigures it: all changes in that file take effect, not the lines of CloudFront alone.",
            clock::render_utc_time(changed),
            clock::render_utc_time(last)
        ),
    })
}
