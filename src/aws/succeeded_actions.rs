//! Which actions AWS has let this run do: what a simulation says against them is mistaken.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::FinalizerInterceptorContextRef},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

use crate::model::iam::access::list_actions_proven_by_call;

/// The actions, by name; clones share them. As an interceptor it hears of every call of an SDK client.
#[derive(Debug, Clone, Default)]
pub(super) struct SucceededActions(Arc<Mutex<BTreeSet<String>>>);

impl SucceededActions {
    /// Notes what `call` (`kms:CreateKey`) proves, which went through.
    pub fn record_succeeded_call(&self, call: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(list_actions_proven_by_call(call).into_iter().map(str::to_owned));
    }

    /// Returns whether AWS has let this run do `action`, on whatever resource.
    pub fn has_action_succeeded(&self, action: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(action)
    }
}

impl Intercept for SucceededActions {
    fn name(&self) -> &'static str {
        "SucceededActions"
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
