//! What a reconfigure would also apply that isn't ours, in words: said before going live.

use std::time::Duration;

use crate::engine::session::Ground;
use crate::host::{environment::clock, pending_changes::Pending};

pub(super) async fn notes(ground: &Ground) -> Vec<String> {
    let Ok(hash) = ground.host.config_hash().await else { return Vec::new() };
    let pending = ground.host.pending(&hash).await;
    let place = ground.host.config_place();
    let mut notes = Vec::new();
    // A packagecloud that is played, or left to the operator, leaves no trace of a reconfigure.
    if ground.asks_for_services() || !matches!(pending, Pending::Theirs { last: None, .. }) {
        notes.extend(file(&place, pending));
    }
    if let Some(last) = last(pending)
        && let Some(installed) = ground.host.installed().await.filter(|installed| *installed > last)
    {
        notes.push(format!(
            "packagecloud itself was installed or upgraded at {}{}, after the last reconfigure at {}: what is new in it takes effect too.",
            clock::written(installed),
            ground.host.on(),
            clock::written(last)
        ));
    }
    notes
}

fn last(pending: Pending) -> Option<Duration> {
    match pending {
        Pending::Nothing { last } | Pending::Ours { last } => Some(last),
        Pending::Theirs { last, .. } => last,
        Pending::Unknown => None,
    }
}

fn file(place: &str, pending: Pending) -> Option<String> {
    Some(match pending {
        Pending::Unknown => return None,
        Pending::Nothing { last } => format!(
            "{place} has not changed since the last reconfigure at {}: nothing but the lines of CloudFront takes effect.",
            clock::written(last)
        ),
        Pending::Ours { last } => format!(
            "Since the last reconfigure at {} only this program has changed {place}: nothing but the lines of CloudFront takes effect.",
            clock::written(last)
        ),
        Pending::Theirs { changed, last: None } => format!(
            "{place} was changed at {}, and when packagecloud was last reconfigured is not known: whatever else was changed there since takes effect too.",
            clock::written(changed)
        ),
        Pending::Theirs { changed, last: Some(last) } => format!(
            "{place} was changed at {}, after the last reconfigure at {}: whatever was changed there since, beside the lines of CloudFront, takes effect too.",
            clock::written(changed),
            clock::written(last)
        ),
    })
}
