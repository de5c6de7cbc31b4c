//! STS: who the credentials are, and how far this machine's clock is from AWS's.
//!
//! The clock is read from the answer's own Date header: no request more.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeDeserializationInterceptorContextRef, dyn_dispatch_hint},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag, date_time::Format};

use super::{AwsClients, error};
use crate::model::{aws::account::CallerIdentity, failure::Failure};

impl AwsClients {
    /// Asks STS who the credentials are.
    ///
    /// # Errors
    /// Where AWS doesn't know them, or doesn't answer.
    pub async fn read_caller_identity(&self) -> Result<CallerIdentity, Failure> {
        let clock = ClockSkewInterceptor::default();
        let answer = self
            .sts
            .get_caller_identity()
            .customize()
            .interceptor(clock.clone())
            .send()
            .await
            .map_err(error::build_aws_action_failure("sts:GetCallerIdentity", "the AWS identity"))?;
        let clock_ahead = *clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(CallerIdentity {
            arn: answer.arn.unwrap_or_default(),
            account: answer.account.unwrap_or_default(),
            clock_ahead,
        })
    }
}

/// Keeps how far the local clock was ahead of the answer's Date, in seconds.
#[derive(Debug, Clone, Default)]
struct ClockSkewInterceptor(Arc<Mutex<Option<i64>>>);

#[dyn_dispatch_hint]
impl Intercept for ClockSkewInterceptor {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let theirs = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        let now = components.time_source().map_or_else(SystemTime::now, |source| source.now());
        let ours = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = theirs.map(|date| ours - date.secs());
        Ok(())
    }
}
