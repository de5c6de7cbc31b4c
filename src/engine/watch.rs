//! Another run on the host, seen as it goes on; asked to end, where that is wanted, so that this one goes on from what it left.

use std::time::Duration;

use crate::host::{RemoteStateDir, run::journal};
use crate::model::{
    failure::Failure,
    run::other_run::{ConcurrentRun, WatchedRunEvent},
};

use super::session::Session;

/// How often it is looked at; over a line, each look is a request.
const LOCAL_POLL_INTERVAL: Duration = Duration::from_millis(300);
const REMOTE_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Says what the run that holds the lock says, until it has ended; then this run holds it.
///
/// # Errors
/// Where it can't be asked to end.
pub async fn watch_other_run(
    session: &Session,
    take_over: bool,
    say: impl Fn(WatchedRunEvent),
) -> Result<(), Failure> {
    let mut read = journal::RunJournalPosition::default();
    let mut of = None;
    let mut asked = !take_over;
    loop {
        let Some(run) = session.acquire_lock_or_find_holder().await else {
            say(WatchedRunEvent::Ended);
            return Ok(());
        };
        // Another one has taken the lock since: it is asked nothing that was meant for the one before.
        if of.as_ref().is_some_and(|(on, who)| (on, who) != (&run.host, &run.who)) {
            read = journal::RunJournalPosition::default();
        }
        of = Some((run.host.clone(), run.who.clone()));
        let there = find_other_run_lock_node(session, &run);
        if !std::mem::replace(&mut asked, true) {
            match there.as_ref().and_then(|node| RemoteStateDir::remote_state_if_ssh_host(&node.host)) {
                Some(afar) => afar.request_other_run_stop(session.host.clock.read_host_clock()).await,
                None => session.host.state.request_other_run_stop(session.host.clock.read_host_clock())?,
            }
            say(WatchedRunEvent::StopRequested);
        }
        let (news, beat) =
            match there.as_ref().and_then(|node| RemoteStateDir::remote_state_if_ssh_host(&node.host)) {
                Some(afar) => (afar.read_new_journal_events(&mut read).await, REMOTE_POLL_INTERVAL),
                None => (session.host.state.read_new_journal_events(&mut read), LOCAL_POLL_INTERVAL),
            };
        let now = there
            .as_ref()
            .map_or_else(|| session.host.clock.read_host_clock(), |node| node.host.clock.read_host_clock());
        say(WatchedRunEvent::Run(run, now));
        if news.restarted {
            say(WatchedRunEvent::Restarted);
        }
        news.events.into_iter().for_each(|(at, event)| say(WatchedRunEvent::Event(event, at)));
        tokio::time::sleep(beat).await;
    }
}

/// The other host whose lock it holds; `None` where it is this one's.
fn find_other_run_lock_node(session: &Session, run: &ConcurrentRun) -> Option<Session> {
    session
        .list_all_node_sessions()
        .into_iter()
        .find(|node| node.host.transport.remote_host_name() == Some(run.host.as_str()))
}
