//! Long work in whose middle AWS may stop accepting the credentials: it stands still there until fresh ones are found, and goes on.
//!
//! Where they were renewed at their source already, nobody has to be there; where nobody is, and nothing was renewed, it
//! fails with what to do, and the next run goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::{Session, choose_credential_renewal_wait, render_credential_renewal_advice};
use crate::aws::AwsClients;
use crate::engine::run::{OperatorPresence, StageRun};
use crate::model::{
    failure::{Failure, FailureKind},
    run::goal::StageStep,
};

/// What ends sooner than this after fresh credentials were found was not helped by them.
const USEFUL_RENEWAL_MIN: Duration = Duration::from_mins(1);
/// How often in a row they may not help.
const USELESS_RENEWALS_MAX: u32 = 5;

/// Does `work`, and does it again once credentials that were refused in it are renewed: so it must be work that goes on
/// where it was.
///
/// # Errors
/// Fails as `work` does; where credentials were refused, once no fresh ones can be waited for.
pub async fn retry_on_expired_credentials<T, F: Future<Output = Result<T, Failure>>>(
    session: &Session,
    cloud: &AwsClients,
    run: &StageRun,
    step: StageStep,
    mut work: impl FnMut() -> F,
) -> Result<T, Failure> {
    let mut in_a_row = 0;
    loop {
        let began = Instant::now();
        let failure = match work().await {
            Err(failure) if failure.kind == FailureKind::Credentials => failure,
            done => return done,
        };
        in_a_row = if began.elapsed() < USEFUL_RENEWAL_MIN { in_a_row + 1 } else { 1 };
        if in_a_row > USELESS_RENEWALS_MAX {
            return Err(failure);
        }
        if in_a_row > 1 {
            wait_for_credentials_unless_stopped(session, run).await?;
        }
        wait_for_renewed_credentials(session, cloud, run, step, failure).await?;
    }
}

/// Until AWS accepts credentials of where the refused ones came from; `refused` where that is waited for in vain.
async fn wait_for_renewed_credentials(
    session: &Session,
    cloud: &AwsClients,
    run: &StageRun,
    step: StageStep,
    refused: Failure,
) -> Result<(), Failure> {
    let who = run.parent_run_context().operator_presence();
    let told = |failure: Failure, who: OperatorPresence| match cloud.shared_credentials() {
        Some(held) if !failure.is_clock_skew_failure() => {
            Failure { next: render_credential_renewal_advice(held, who), ..failure }
        }
        _ => failure,
    };
    let mut said: Option<Failure> = None;
    while let Err(again) = session.renew_credentials(cloud).await {
        let Some(wants) = choose_credential_renewal_wait(cloud, who) else {
            return Err(told(refused, OperatorPresence::Nobody));
        };
        let failure = told(again, who);
        // The request's id is another one each time.
        let new = |known: &Failure| {
            (&known.what, &known.why, &known.next) != (&failure.what, &failure.why, &failure.next)
        };
        if said.as_ref().is_none_or(new) {
            run.emit_credential_wait(step, failure.clone(), wants);
            said = Some(failure);
        }
        wait_for_credentials_unless_stopped(session, run).await?;
    }
    if said.is_some() {
        run.build_step_progress_reporter(step)(
            "AWS accepts the credentials again: it continues where it stopped",
        );
    }
    Ok(())
}

async fn wait_for_credentials_unless_stopped(session: &Session, run: &StageRun) -> Result<(), Failure> {
    let some = async {
        session.wait_until_credentials_retry().await;
        Ok(())
    };
    run.read_unless_stopped(some).await
}
