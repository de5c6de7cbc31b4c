//! Which calls to AWS this process waits for: told where an answer is long in coming.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
                BeforeTransmitInterceptorContextRef,
            },
            dyn_dispatch_hint,
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{
    config_bag::{ConfigBag, Storable, StoreReplace},
    retry::RetryConfig,
};
use tokio::{
    runtime::{self, Handle},
    time::Instant,
};

/// Words with which the name of an operation begins that changes nothing.
const READING_VERBS: [&str; 5] = ["Describe", "Get", "Head", "List", "Simulate"];

/// Every call in flight, of all clients of this process: who waits asks nobody else. Each runtime sees its own alone, since
/// another may have another clock.
static IN_FLIGHT: Mutex<AwaitedAwsCalls> = Mutex::new(AwaitedAwsCalls { last: 0, calls: BTreeMap::new() });

#[derive(Debug)]
struct AwaitedAwsCalls {
    last: u64,
    calls: BTreeMap<u64, AwaitedAwsCall>,
}

/// A call that was sent and not answered yet, its retries among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitedAwsCall {
    /// `S3 (HeadBucket)`.
    name: String,
    is_read: bool,
    began: Instant,
    /// When it was sent, or when AWS answered an attempt of it last: one that throttles is not silent.
    heard_at: Instant,
    runtime: Option<runtime::Id>,
    /// How often it was sent so far, and how often it may be.
    attempts: (u32, u32),
}

impl AwaitedAwsCall {
    fn new(service: &str, operation: &str) -> Self {
        let is_read = READING_VERBS.iter().any(|verb| operation.starts_with(verb));
        let now = Instant::now();
        Self {
            name: format!("{service} ({operation})"),
            is_read,
            began: now,
            heard_at: now,
            runtime: current_runtime_id(),
            attempts: (0, 0),
        }
    }

    /// Returns how long it is awaited.
    #[must_use]
    pub fn awaited_time(&self) -> Duration {
        self.began.elapsed()
    }

    /// Returns how long AWS has said nothing to it.
    #[must_use]
    pub fn silent_time(&self) -> Duration {
        self.heard_at.elapsed()
    }

    /// Says it: `waiting for S3 (HeadBucket), 15 s, asked again, 2 of 5`.
    #[must_use]
    pub fn describe_awaited_call(&self) -> String {
        let again = self.describe_attempts().map(|again| format!(", {again}")).unwrap_or_default();
        format!("waiting for {}, {}{again}", self.name, render_wait(self.awaited_time()))
    }

    /// Says that no answer comes: `S3 (HeadBucket) has not answered for 15 s, asked again, 2 of 5`.
    #[must_use]
    pub fn describe_silent_call(&self) -> String {
        let again = self.describe_attempts().map(|again| format!(", {again}")).unwrap_or_default();
        format!("{} has not answered for {}{again}", self.name, render_wait(self.silent_time()))
    }

    /// Says how often it was asked, where that was more than once.
    fn describe_attempts(&self) -> Option<String> {
        let (sent, most) = self.attempts;
        (sent > 1).then(|| format!("asked again, {sent} of {most}"))
    }
}

/// Renders a wait: `15 s`, `12 min`, `1 h 05 min`.
fn render_wait(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn lock_calls_in_flight() -> MutexGuard<'static, AwaitedAwsCalls> {
    IN_FLIGHT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn current_runtime_id() -> Option<runtime::Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

/// Finds the call that has been awaited longest.
#[must_use]
pub fn find_longest_awaited_call() -> Option<AwaitedAwsCall> {
    let here = current_runtime_id();
    let held = lock_calls_in_flight();
    held.calls.values().filter(|call| call.runtime == here).min_by_key(|call| call.began).cloned()
}

/// Says which call has had no answer for `time`: the most silent one. A call that hangs must not hide one that is asked again: that
/// one is said behind it.
#[must_use]
pub fn describe_calls_silent_for(time: Duration) -> Option<String> {
    let here = current_runtime_id();
    let held = lock_calls_in_flight();
    let calls: Vec<&AwaitedAwsCall> =
        held.calls.values().filter(|call| call.runtime == here && call.silent_time() >= time).collect();
    describe_silent_calls(&calls)
}

fn describe_silent_calls(calls: &[&AwaitedAwsCall]) -> Option<String> {
    let first = calls.iter().min_by_key(|call| call.heard_at)?;
    let again = calls.iter().max_by_key(|call| call.attempts.0).filter(|call| call.attempts.0 > 1);
    let said = first.describe_silent_call();
    Some(match again.filter(|_| first.attempts.0 <= 1) {
        Some(again) => format!("{said}; {}", again.describe_silent_call()),
        None => said,
    })
}

/// Returns whether AWS is waited for, and by calls alone that change nothing and have been awaited for `time`.
#[must_use]
pub fn are_only_reads_awaited(time: Duration) -> bool {
    let here = current_runtime_id();
    let held = lock_calls_in_flight();
    let mut calls = held.calls.values().filter(|call| call.runtime == here).peekable();
    calls.peek().is_some() && calls.all(|call| call.is_read && call.awaited_time() >= time)
}

/// Notes each call of a client for as long as it runs.
#[derive(Debug)]
pub(super) struct AwaitedCallInterceptor;

/// Takes the note away, however the call ends: answered, failed or dropped.
#[derive(Debug)]
struct AwaitedCallNote(u64);

impl Storable for AwaitedCallNote {
    type Storer = StoreReplace<Self>;
}

impl Drop for AwaitedCallNote {
    fn drop(&mut self) {
        lock_calls_in_flight().calls.remove(&self.0);
    }
}

#[dyn_dispatch_hint]
impl Intercept for AwaitedCallInterceptor {
    fn name(&self) -> &'static str {
        "AwaitedCall"
    }

    // A client's interceptors are asked before an execution too, but there the operation has no name yet.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(call) = bag.load::<Metadata>().map(|of| AwaitedAwsCall::new(of.service(), of.name())) else {
            return Ok(());
        };
        let id = {
            let mut held = lock_calls_in_flight();
            held.last += 1;
            let id = held.last;
            held.calls.insert(id, call);
            id
        };
        bag.interceptor_state().store_put(AwaitedCallNote(id));
        Ok(())
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let most = bag.load::<RetryConfig>().map_or(1, RetryConfig::max_attempts);
        if let Some(AwaitedCallNote(id)) = bag.load::<AwaitedCallNote>()
            && let Some(call) = lock_calls_in_flight().calls.get_mut(id)
        {
            call.attempts = (call.attempts.0 + 1, most);
        }
        Ok(())
    }

    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(AwaitedCallNote(id)) = bag.load::<AwaitedCallNote>()
            && let Some(call) = lock_calls_in_flight().calls.get_mut(id)
        {
            call.heard_at = Instant::now();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_nothing_is_told_by_its_name() {
        for (operation, reads) in [
            ("HeadBucket", true),
            ("ListDistributions", true),
            ("GetCallerIdentity", true),
            ("SimulatePrincipalPolicy", true),
            ("CreateKey", false),
            ("PutBucketPolicy", false),
            ("UpdateDistribution", false),
            ("Encrypt", false),
        ] {
            let call = AwaitedAwsCall::new("S3", operation);
            assert_eq!(call.is_read, reads, "{operation}");
            assert_eq!(call.describe_awaited_call(), format!("waiting for S3 ({operation}), 0 s"));
        }
    }

    #[test]
    fn a_call_that_was_sent_again_says_how_often() {
        let mut call = AwaitedAwsCall::new("S3", "HeadBucket");
        call.attempts = (1, 5);
        assert_eq!(call.describe_silent_call(), "S3 (HeadBucket) has not answered for 0 s");
        call.attempts = (2, 5);
        assert_eq!(
            call.describe_silent_call(),
            "S3 (HeadBucket) has not answered for 0 s, asked again, 2 of 5"
        );
        assert_eq!(call.describe_awaited_call(), "waiting for S3 (HeadBucket), 0 s, asked again, 2 of 5");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_for_an_hour_hides_none_that_is_asked_again() {
        let hanging = AwaitedAwsCall { attempts: (1, 5), ..AwaitedAwsCall::new("Lambda", "CreateFunction") };
        tokio::time::advance(Duration::from_mins(61)).await;
        let mut again = AwaitedAwsCall { attempts: (2, 5), ..AwaitedAwsCall::new("S3", "HeadBucket") };
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(
            describe_silent_calls(&[&again, &hanging]).unwrap(),
            "Lambda (CreateFunction) has not answered for 1 h 01 min; S3 (HeadBucket) has not answered for 30 s, asked again, 2 of 5"
        );
        again.attempts = (1, 5);
        assert_eq!(
            describe_silent_calls(&[&again, &hanging]).unwrap(),
            "Lambda (CreateFunction) has not answered for 1 h 01 min"
        );
        assert_eq!(describe_silent_calls(&[]), None);
    }
}
