//! What the account allows Lambda at large.

use crate::aws::{AwsClients, error};
use crate::model::failure::Failure;

impl AwsClients {
    /// Reads how many executions may run at once in us-east-1, all functions together; and how many of them no
    /// function has reserved.
    ///
    /// # Errors
    /// Where Lambda refuses or doesn't answer.
    pub async fn read_lambda_concurrency_limit(&self) -> Result<(i32, i32), Failure> {
        let asked = self.lambda.get_account_settings().send().await;
        let found =
            asked.map_err(error::build_aws_action_failure("lambda:GetAccountSettings", "Lambda's limits"))?;
        let limit = found.account_limit.ok_or_else(|| {
            error::build_missing_response_part_failure(
                "lambda:GetAccountSettings",
                "Lambda's limits",
                "the account's limit",
            )
        })?;
        let all = limit.concurrent_executions;
        Ok((all, limit.unreserved_concurrent_executions.unwrap_or(all)))
    }
}
