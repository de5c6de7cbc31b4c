//! STS: who the credentials are, and how far this machine's clock is from AWS's.
//!
//! The clock is read from the answer's own Date header: no request more.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeDeserializationInterceptorContextRef, dyn_dispatch_hint},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag, date_time::Format};

use super::{AwsClients, error};
use crate::model::{
    aws::{account::CallerIdentity, region::explain_impossible_region},
    failure::{Failure, FailureKind},
};

const ACTION: &str = "sts:GetCallerIdentity";
const WHAT: &str = "the AWS identity";

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
            .map_err(error::build_aws_action_failure(ACTION, WHAT))
            .map_err(|failure| self.add_region_advice(failure))?;
        let clock_ahead = *clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        let part = |part| error::build_missing_response_part_failure(ACTION, WHAT, part);
        Ok(CallerIdentity {
            arn: answer.arn.ok_or_else(|| part("the ARN"))?,
            account: answer.account.ok_or_else(|| part("the account"))?,
            clock_ahead,
        })
    }

    /// Reads until when the credentials last, in Unix seconds; none where they don't end by themselves.
    pub async fn read_credentials_end(&self) -> Option<u64> {
        let held = self.config.credentials_provider()?.provide_credentials().await.ok()?;
        Some(held.expiry()?.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }

    /// STS is asked before all else: where the region is none, it is what can't be reached. An endpoint of one's own
    /// answers for any region.
    fn add_region_advice(&self, failure: Failure) -> Failure {
        let Some(region) = self.config.region().filter(|_| self.config.endpoint_url().is_none()) else {
            return failure;
        };
        match explain_impossible_region(region.as_ref()) {
            Some(why) if failure.kind != FailureKind::Credentials => Failure { next: why, ..failure },
            None if failure.facts.is_unknown_host => {
                let next = format!(
                    "see that {region} is a region of AWS (--region, AWS_REGION, or `region` in the profile), and check the network, DNS and proxy, then try again"
                );
                Failure { next, ..failure }
            }
            _ => failure,
        }
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
