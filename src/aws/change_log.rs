//! Which calls of this process changed something in AWS, with their request ids, until the log has taken them.

use std::sync::{Mutex, PoisonError};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::FinalizerInterceptorContextRef, dyn_dispatch_hint},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// Words with which the name of an operation begins that changes something of an install. Objects aren't among it.
const CHANGING_VERBS: [&str; 10] =
    ["Add", "Attach", "Create", "Delete", "Disable", "Enable", "Publish", "Put", "Tag", "Update"];
/// Those of objects: what is copied is counted elsewhere.
const OBJECT_OPERATIONS: [&str; 3] = ["PutObject", "CreateMultipartUpload", "DeleteObject"];
/// Headers in which AWS's services give the request's id.
const REQUEST_ID_HEADERS: [&str; 3] = ["x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id"];
/// More than an install needs; where nobody takes them the oldest go.
const CONFIRMED_CHANGES_MAX: usize = 256;

/// A call that changed something, and that AWS has answered well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmedAwsChange {
    /// `kms:CreateKey`.
    pub call: String,
    pub request_id: String,
}

/// Of all clients of this process: whoever logs next takes them.
static CONFIRMED: Mutex<Vec<ConfirmedAwsChange>> = Mutex::new(Vec::new());

/// Takes those that no log has yet, the oldest first.
#[must_use]
pub fn take_confirmed_changes() -> Vec<ConfirmedAwsChange> {
    std::mem::take(&mut CONFIRMED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Hears of every call of an SDK client.
#[derive(Debug)]
pub(super) struct ChangeLogInterceptor;

#[dyn_dispatch_hint]
impl Intercept for ChangeLogInterceptor {
    fn name(&self) -> &'static str {
        "ChangeLog"
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(Ok(_)), Some(call), Some(answer)) =
            (context.output_or_error(), config.load::<Metadata>(), context.response())
        else {
            return Ok(());
        };
        let request_id = REQUEST_ID_HEADERS.iter().find_map(|name| answer.headers().get(*name));
        if let Some(request_id) = request_id.filter(|_| is_changing_operation(call.name())) {
            let service = call.service().replace(' ', "").to_lowercase();
            let mut held = CONFIRMED.lock().unwrap_or_else(PoisonError::into_inner);
            if held.len() >= CONFIRMED_CHANGES_MAX {
                held.remove(0);
            }
            held.push(ConfirmedAwsChange {
                call: format!("{service}:{}", call.name()),
                request_id: request_id.to_owned(),
            });
        }
        Ok(())
    }
}

fn is_changing_operation(name: &str) -> bool {
    CHANGING_VERBS.iter().any(|verb| name.starts_with(verb)) && !OBJECT_OPERATIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_an_install_is_told_by_its_name() {
        for (name, changes) in [
            ("CreateKey", true),
            ("PutBucketPolicy", true),
            ("UpdateDistribution", true),
            ("PublishVersion", true),
            ("Encrypt", false),
            ("Invoke", false),
            ("GetRole", false),
            ("PutObject", false),
            ("SimulatePrincipalPolicy", false),
        ] {
            assert_eq!(is_changing_operation(name), changes, "{name}");
        }
    }
}
