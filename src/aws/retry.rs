//! Waiting for AWS to agree with itself: retries by exact code and message, polls by state, bounded, the elapsed time said.
//!
//! Every wait has an end, and says at it what was waited for.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use aws_smithy_runtime::client::retries::RetryPartition;
use tokio::time::{Instant, sleep};

use super::WaitProgressReporter;
use crate::model::failure::Failure;

/// Returns a quota of retries for one SDK client.
#[must_use]
pub fn new_client_retry_partition() -> RetryPartition {
    RetryPartition::custom("one client").build()
}

/// What is waited for, how long at most, and how often it is asked.
#[derive(Debug, Clone, Copy)]
pub struct PollLimits {
    /// Completes `waiting for …`.
    pub what: &'static str,
    pub timeout: Duration,
    pub pause: Duration,
}

impl PollLimits {
    /// Returns the limits of a wait for `what`: seconds at most, and seconds between two attempts.
    pub const fn new(what: &'static str, most: u64, pause: u64) -> Self {
        Self { what, timeout: Duration::from_secs(most), pause: Duration::from_secs(pause) }
    }

    /// Pauses once and says so, or says that the time is over.
    async fn pause_between_polls(&self, since: Instant, say: WaitProgressReporter<'_>) -> bool {
        if since.elapsed() + self.pause > self.timeout {
            return false;
        }
        sleep(self.pause).await;
        say(&format!("waiting for {}, {} s", self.what, since.elapsed().as_secs()));
        true
    }
}

/// Sends again while `passing` says that the failure will pass by itself.
///
/// # Errors
/// Where it won't, or the time is over: the last failure.
pub async fn retry_while_transient<T, F: Future<Output = Result<T, Failure>>>(
    wait: PollLimits,
    say: WaitProgressReporter<'_>,
    passing: impl Fn(&Failure) -> bool,
    mut send: impl FnMut() -> F,
) -> Result<T, Failure> {
    let since = Instant::now();
    loop {
        match send().await {
            Err(failure) if passing(&failure) => {
                if !wait.pause_between_polls(since, say).await {
                    let waited = since.elapsed().as_secs();
                    let why = format!("{} (after {waited} s of waiting for {})", failure.why, wait.what);
                    return Err(Failure { why, ..failure });
                }
            }
            done => return done,
        }
    }
}

/// Asks until the answer is there.
///
/// # Errors
/// Where asking fails, or the time is over.
pub async fn poll_until<T, F: Future<Output = Result<Option<T>, Failure>>>(
    wait: PollLimits,
    say: WaitProgressReporter<'_>,
    ask: impl FnMut() -> F,
) -> Result<T, Failure> {
    let since = Instant::now();
    poll_for_a_while(wait, say, ask).await?.ok_or_else(|| {
        Failure::new_generic_failure(
            wait.what,
            format!("it didn't come about in {} s", since.elapsed().as_secs()),
            "AWS may still be at work: try again, it continues from here",
        )
    })
}

/// Asks until the answer is there or the time is over; `None` then: what may come, and needn't.
///
/// # Errors
/// Where asking fails.
pub async fn poll_for_a_while<T, F: Future<Output = Result<Option<T>, Failure>>>(
    wait: PollLimits,
    say: WaitProgressReporter<'_>,
    mut ask: impl FnMut() -> F,
) -> Result<Option<T>, Failure> {
    let since = Instant::now();
    loop {
        let found = ask().await?;
        if found.is_some() || !wait.pause_between_polls(since, say).await {
            return Ok(found);
        }
    }
}

/// Asks until the answer is there `times` times in a row: what one host of AWS's knows another may not.
///
/// # Errors
/// Where asking fails, or the time is over.
pub async fn poll_until_stable<T, F: Future<Output = Result<Option<T>, Failure>>>(
    wait: PollLimits,
    times: usize,
    say: WaitProgressReporter<'_>,
    mut ask: impl FnMut() -> F,
) -> Result<T, Failure> {
    let row = AtomicUsize::new(0);
    poll_until(wait, say, || {
        let asked = ask();
        let row = &row;
        async move {
            let found = asked.await?;
            let so_far = if found.is_some() { row.load(Relaxed) + 1 } else { 0 };
            row.store(so_far, Relaxed);
            Ok(found.filter(|_| so_far >= times))
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_wavers_is_asked_for_again() {
        let answers = std::cell::RefCell::new(vec![true, true, false, true, true, true]);
        let asked = std::cell::Cell::new(0);
        let steady = poll_until_stable(PollLimits::new("it", 60, 1), 3, &|_| {}, || async {
            asked.set(asked.get() + 1);
            Ok(answers.borrow_mut().remove(0).then_some(asked.get()))
        });
        assert_eq!(steady.await.unwrap(), 6, "three in a row, after the one that wavered");
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_come_and_doesnt_is_no_failure() {
        let asked = std::cell::Cell::new(0);
        let ask = |needed: i32| {
            let asked = &asked;
            move || {
                asked.set(asked.get() + 1);
                let found = (asked.get() >= needed).then_some(asked.get());
                async move { Ok(found) }
            }
        };
        let wait = PollLimits::new("it", 10, 2);
        assert_eq!(poll_for_a_while(wait, &|_| {}, ask(3)).await, Ok(Some(3)));
        asked.set(0);
        assert_eq!(poll_for_a_while(wait, &|_| {}, ask(100)).await, Ok(None));
        assert_eq!(asked.get(), 6, "at once, and every two seconds of ten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_failure_is_retried_and_a_lasting_one_ends_with_its_reason() {
        let said = Mutex::new(Vec::new());
        let say = |text: &str| said.lock().unwrap().push(text.to_owned());
        let wait = PollLimits::new("the role to be assumable", 20, 4);
        let calls = std::cell::Cell::new(0);
        let done = retry_while_transient(
            wait,
            &say,
            |_| true,
            || async {
                calls.set(calls.get() + 1);
                if calls.get() < 4 {
                    Err(Failure::new_generic_failure("role", "not yet", "wait"))
                } else {
                    Ok(calls.get())
                }
            },
        )
        .await;
        assert_eq!(done.unwrap(), 4);
        assert_eq!(said.lock().unwrap()[2], "waiting for the role to be assumable, 12 s");

        let never = || async { Err::<(), _>(Failure::new_generic_failure("role", "not yet", "wait")) };
        let failure = retry_while_transient(wait, &say, |_| true, never).await.unwrap_err();
        assert!(failure.why.starts_with("not yet (after 20 s"), "{}", failure.why);

        let once = std::cell::Cell::new(0);
        let other = retry_while_transient(
            wait,
            &say,
            |_| false,
            || async {
                once.set(once.get() + 1);
                Err::<(), _>(Failure::new_generic_failure("role", "denied", "ask"))
            },
        );
        assert!(other.await.is_err());
        assert_eq!(once.get(), 1, "another failure is not retried");
    }
}
