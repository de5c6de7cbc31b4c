//! A fresh key's tags count in authorization minutes later: what a policy ties to them is denied until then, and waited for.

use std::time::SystemTime;

use aws_sdk_kms::primitives::DateTime;

use crate::aws::{AwsClients, WaitProgressReporter, retry};
use crate::model::{
    aws::account::KmsKey,
    failure::{Failure, FailureKind},
};

/// Five minutes at most, by KMS's guide on access by tags (aws-facts section 10).
const TAGS_COUNT_WAIT: retry::PollLimits =
    retry::PollLimits::new("the key's tags to count in policies that ask for them", 300, 5);

/// Returns whether the tags of a key that was made at `created` may not count yet at `now`.
pub(super) fn has_key_fresh_tags(created: Option<&DateTime>, now: SystemTime) -> bool {
    let now = DateTime::from(now).secs();
    created.is_some_and(|created| now - created.secs() < TAGS_COUNT_WAIT.timeout.as_secs().cast_signed())
}

impl AwsClients {
    /// Sends `action` on the key, where it is one of ours; where it is denied, and a policy ties it to a tag that may not
    /// count yet, sends it again until it does.
    ///
    /// # Errors
    /// Where it fails otherwise, no tag decides, or the time is over.
    pub(super) async fn retry_until_key_tags_count<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        key: Option<&KmsKey>,
        action: &str,
        say: WaitProgressReporter<'_>,
        mut send: impl FnMut() -> F,
    ) -> Result<T, Failure> {
        let is_denied = |failure: &Failure| failure.kind == FailureKind::Denied;
        let done = send().await;
        let Some(fresh) = key.filter(|key| key.has_fresh_tags && done.as_ref().is_err_and(is_denied)) else {
            return done;
        };
        // Where that can't be asked, a fresh tag is the likelier cause.
        if self.does_action_hang_on_resource_tag(action, &fresh.arn).await == Some(false) {
            return done;
        }
        retry::retry_while_transient(TAGS_COUNT_WAIT, say, is_denied, send).await
    }
}
