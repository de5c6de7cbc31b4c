//! Publishing a version, and waiting until it is Active: only then does CloudFront take it.
//!
//! Lambda answers with the last version where nothing changed since; that is never taken for a new one unheard. Of two runs
//! at once, each with the secret sealed anew and so with code of its own, one publishes: only what is `$LATEST` can be, by
//! its SHA-256 and revision, and a version of the same description is there already.

use super::{
    ROLE_ASSUMABLE_WAIT, format_lambda_function_label, is_function_update_conflict, is_stale_revision, read,
};
use crate::aws::{AwsClients, WaitProgressReporter, error, retry};
use crate::model::{
    aws::{
        account::{FunctionVersion, LambdaFunction},
        names::ResourceNames,
    },
    failure::Failure,
};

const VERSION_ACTIVE_WAIT: retry::PollLimits = retry::PollLimits::new("the version to be active", 300, 2);

/// A run that took the function from this one publishes at once.
const OTHER_RUN_VERSION_WAIT: retry::PollLimits =
    retry::PollLimits::new("the version of the run that changed the function", 30, 2);

/// The published version of this description: it says what the code does, and which secrets it holds.
fn find_published_function_version<'a>(
    versions: &'a [FunctionVersion],
    runtime: &str,
    description: &str,
) -> Option<&'a FunctionVersion> {
    versions.iter().rev().find(|one| one.description == description && one.runtime == runtime)
}

/// What is `$LATEST` by now isn't what was to be published.
fn is_other_code(failure: &Failure) -> bool {
    error::has_aws_error_code(failure, "InvalidParameterValueException") && failure.why.contains("CodeSHA256")
}

impl AwsClients {
    /// Publishes a version of `function` as `ensure_lambda_function` left it, and waits until it is Active; returns the one
    /// that holds the same already, where there is one.
    ///
    /// # Errors
    /// Where the function moved meanwhile, or Lambda refuses.
    pub async fn publish_function_version(
        &self,
        names: &ResourceNames,
        function: &LambdaFunction,
        description: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<FunctionVersion, Failure> {
        let standing = find_published_function_version(&function.versions, &function.runtime, description);
        if let Some(found) = standing {
            return self.wait_until_function_version_active(&found.arn, say).await;
        }
        let mut made = self.publish_function_version_once(names, function, description, say).await?;
        if made.description != description {
            // The code is the last version's, under another description: `$LATEST` must differ to be published.
            let mark = || async {
                let asked = self
                    .lambda
                    .update_function_configuration()
                    .function_name(names.lambda_function_name())
                    .revision_id(&function.revision_id)
                    .description(description)
                    .send()
                    .await;
                asked.map_err(error::build_aws_action_failure(
                    "lambda:UpdateFunctionConfiguration",
                    format_lambda_function_label(names),
                ))
            };
            retry::retry_while_transient(ROLE_ASSUMABLE_WAIT, say, is_function_update_conflict, mark).await?;
            self.wait_until_function_ready(names, say).await?;
            let now =
                self.read_lambda_function(names).await?.filter(|now| now.code_sha256 == function.code_sha256);
            let now = now.ok_or_else(|| {
                Failure::new_plan_drift_failure(
                    format_lambda_function_label(names),
                    "its code was changed meanwhile",
                )
            })?;
            made = self.publish_function_version_once(names, &now, description, say).await?;
        }
        self.wait_until_function_version_active(&made.arn, say).await
    }

    async fn publish_function_version_once(
        &self,
        names: &ResourceNames,
        function: &LambdaFunction,
        description: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<FunctionVersion, Failure> {
        let publish = || async {
            let asked = self
                .lambda
                .publish_version()
                .function_name(names.lambda_function_name())
                .code_sha256(&function.code_sha256)
                .revision_id(&function.revision_id)
                .description(description)
                .send()
                .await;
            asked.map_err(error::build_aws_action_failure(
                "lambda:PublishVersion",
                format_lambda_function_label(names),
            ))
        };
        match retry::retry_while_transient(ROLE_ASSUMABLE_WAIT, say, is_function_update_conflict, publish)
            .await
        {
            Ok(made) => read::version_from_sdk!(made).ok_or_else(|| {
                error::build_missing_response_part_failure(
                    "lambda:PublishVersion",
                    format_lambda_function_label(names),
                    "the version's number",
                )
            }),
            // The revision or the code moved: by our own publishing, where its reply was lost; or by another run.
            Err(failure) if is_stale_revision(&failure) || is_other_code(&failure) => {
                let published = || async {
                    let versions = self.list_function_versions(names).await?;
                    let found = find_published_function_version(&versions, &function.runtime, description);
                    Ok(found.cloned())
                };
                retry::poll_for_a_while(OTHER_RUN_VERSION_WAIT, say, published).await?.ok_or_else(|| {
                    Failure::new_plan_drift_failure(
                        format_lambda_function_label(names),
                        "it was changed since it was shown",
                    )
                })
            }
            Err(failure) => Err(failure),
        }
    }

    async fn wait_until_function_version_active(
        &self,
        arn: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<FunctionVersion, Failure> {
        retry::poll_until(VERSION_ACTIVE_WAIT, say, || async {
            match self.read_function_version(arn).await? {
                Some(version) if version.state == "Failed" => {
                    Err(read::build_function_not_ready_failure(arn, None))
                }
                Some(version) if matches!(version.state.as_str(), "Active" | "Inactive" | "") => {
                    Ok(Some(version))
                }
                _ => Ok(None),
            }
        })
        .await
    }
}
