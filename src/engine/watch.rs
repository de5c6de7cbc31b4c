//! Another run on the host, seen as it goes on; asked to end, where that is wanted, so that this one goes on from what it left.

use std::time::Duration;

use crate::host::{Afar, run::journal};
use crate::model::run::{
    failure::Failure,
    other_run::{OtherRun, Watched},
};

use super::session::Ground;

/// How often it is looked at; over a line, each look is a request.
const HERE: Duration = Duration::from_millis(300);
const THERE: Duration = Duration::from_secs(2);

/// Says what the run that holds the lock says, until it has ended; then this run holds it.
///
/// # Errors
/// Where it can't be asked to end.
pub async fn watch(ground: &Ground, take_over: bool, say: impl Fn(Watched)) -> Result<(), Failure> {
    let mut read = journal::Read::default();
    let mut of = None;
    let mut asked = !take_over;
    loop {
        let Some(run) = ground.other_run().await else {
            say(Watched::Over);
            return Ok(());
        };
        // Another one has taken the lock since: it is asked nothing that was meant for the one before.
        if of.as_ref().is_some_and(|(on, who)| (on, who) != (&run.on, &run.who)) {
            read = journal::Read::default();
        }
        of = Some((run.on.clone(), run.who.clone()));
        let there = node(ground, &run);
        if !std::mem::replace(&mut asked, true) {
            match there.as_ref().and_then(|node| Afar::of(&node.host)) {
                Some(afar) => afar.ask_to_end(ground.host.clock.now()).await,
                None => ground.host.state.ask_to_end(ground.host.clock.now())?,
            }
            say(Watched::Asked);
        }
        let (news, beat) = match there.as_ref().and_then(|node| Afar::of(&node.host)) {
            Some(afar) => (afar.heard(&mut read).await, THERE),
            None => (ground.host.state.heard(&mut read), HERE),
        };
        let now = there.as_ref().map_or_else(|| ground.host.clock.now(), |node| node.host.clock.now());
        say(Watched::Run(run, now));
        if news.anew {
            say(Watched::Anew);
        }
        news.events.into_iter().for_each(|(at, event)| say(Watched::Event(event, at)));
        tokio::time::sleep(beat).await;
    }
}

/// The other host whose lock it holds; `None` where it is this one's.
fn node(ground: &Ground, run: &OtherRun) -> Option<Ground> {
    ground.nodes().into_iter().find(|node| node.host.reach.name() == Some(run.on.as_str()))
}
