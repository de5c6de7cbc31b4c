//! Which actions AWS has let this run do: what a simulation says against them is mistaken. And how many requests it was sent.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

use crate::model::iam::access::list_actions_proven_by_call;

/// The actions, by name; clones share them. As an interceptor it hears of every call of an SDK client.
#[derive(Debug, Clone, Default)]
pub(super) struct SucceededActions {
    actions: Arc<Mutex<BTreeSet<String>>>,
    sent: Arc<AtomicUsize>,
}

impl SucceededActions {
    /// Notes what `call` (`kms:CreateKey`) proves, which went through.
    pub fn record_succeeded_call(&self, call: &str) {
        let mut all = self.actions.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(list_actions_proven_by_call(call).into_iter().map(str::to_owned));
    }

    /// Returns whether AWS has let this run do `action`, on whatever resource.
    pub fn has_action_succeeded(&self, action: &str) -> bool {
        self.actions.lock().unwrap_or_else(PoisonError::into_inner).contains(action)
    }
}

impl SucceededActions {
    /// Counts one request.
    pub fn count_sent_request(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many requests were sent, each try of one among them.
    pub fn sent_requests(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Intercept for SucceededActions {
    fn name(&self) -> &'static str {
        "SucceededActions"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.count_sent_request();
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(Ok(_)), Some(call)) = (context.output_or_error(), config.load::<Metadata>()) {
            // `S3 Control` has the actions of S3.
            let service = call.service().split(' ').next().unwrap_or_default().to_lowercase();
            self.record_succeeded_call(&format!("{service}:{}", call.name()));
        }
        Ok(())
    }
}
