//! Long work in whose middle AWS may stop accepting the credentials: it stands still there until fresh ones are found, and goes on.
//!
//! Where they were renewed at their source already, nobody has to be there; where nobody is, and nothing was renewed, it
//! fails with what to do, and the next run goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ground, next_move, wants};
use crate::aws::Cloud;
use crate::engine::run::{Attended, StageRun};
use crate::model::run::{
    failure::{Failure, Kind},
    goal::Step,
};

/// What ends sooner than this after fresh credentials were found was not helped by them.
const SOON: Duration = Duration::from_mins(1);
/// How often in a row they may not help.
const TRIES: u32 = 5;

/// Does `work`, and does it again once credentials that were refused in it are renewed: so it must be work that goes on
/// where it was.
pub async fn renewing<T, F: Future<Output = Result<T, Failure>>>(
    ground: &Ground,
    cloud: &Cloud,
    run: &StageRun,
    step: Step,
    mut work: impl FnMut() -> F,
) -> Result<T, Failure> {
    let mut in_a_row = 0;
    loop {
        let began = Instant::now();
        let failure = match work().await {
            Err(failure) if failure.kind == Kind::Credentials => failure,
            done => return done,
        };
        in_a_row = if began.elapsed() < SOON { in_a_row + 1 } else { 1 };
        if in_a_row > TRIES {
            return Err(failure);
        }
        if in_a_row > 1 {
            some_time(ground, run).await?;
        }
        renewed(ground, cloud, run, step, failure).await?;
    }
}

/// Until AWS accepts credentials of where the refused ones came from; `refused` where that is waited for in vain.
async fn renewed(
    ground: &Ground,
    cloud: &Cloud,
    run: &StageRun,
    step: Step,
    refused: Failure,
) -> Result<(), Failure> {
    let who = run.run().who();
    let told = |failure: Failure, who: Attended| match cloud.held() {
        Some(held) if !failure.is_of_the_clock() => Failure { next: next_move(held, who), ..failure },
        _ => failure,
    };
    let mut said: Option<Failure> = None;
    while let Err(again) = ground.renew(cloud).await {
        let Some(wants) = wants(cloud, who) else { return Err(told(refused, Attended::Nobody)) };
        let failure = told(again, who);
        // The request's id is another one each time.
        let new = |known: &Failure| {
            (&known.what, &known.why, &known.next) != (&failure.what, &failure.why, &failure.next)
        };
        if said.as_ref().is_none_or(new) {
            run.waits(step, failure.clone(), wants);
            said = Some(failure);
        }
        some_time(ground, run).await?;
    }
    if said.is_some() {
        run.progress(step)("AWS accepts the credentials again: it goes on where it was");
    }
    Ok(())
}

async fn some_time(ground: &Ground, run: &StageRun) -> Result<(), Failure> {
    let some = async {
        ground.some_time().await;
        Ok(())
    };
    run.unless_stopped(some).await
}
