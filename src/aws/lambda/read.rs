//! The function and its versions as they stand, and waiting until an update of it is through.
//!
//! What Lambda@Edge forbids is named here, so that it is said before an association fails for it.

use aws_sdk_lambda::types::{
    Architecture, FunctionConfiguration, LastUpdateStatus, PackageType, Runtime, State, TracingMode,
};

use super::{FUNCTION_READY_WAIT, format_lambda_function_label};
use crate::aws::{AwsClients, WaitProgressReporter, error, resource_ownership_from_tags, retry};
use crate::model::{
    aws::{
        account::{FunctionVersion, LambdaFunction, ResourceOwnership},
        names::ResourceNames,
        rotation::ROTATION_TAG,
    },
    failure::Failure,
};

/// Mended by the next upload of code, not by the configuration.
pub const FORBIDDEN_ARM64: &str = "arm64 architecture";

impl AwsClients {
    /// Reads the function of our name, whoever's it is, with its versions; the listing leaves their states out.
    ///
    /// # Errors
    /// Where Lambda refuses or doesn't answer.
    pub async fn read_lambda_function(
        &self,
        names: &ResourceNames,
    ) -> Result<Option<LambdaFunction>, Failure> {
        let versions = async { error::none_if_aws_not_found(self.list_function_versions(names).await) };
        let (found, versions) = tokio::try_join!(self.read_function_without_versions(names), versions)?;
        Ok(found.map(|found| LambdaFunction { versions: versions.unwrap_or_default(), ..found }))
    }

    /// Reads the same without its versions, in one request.
    ///
    /// # Errors
    /// Where Lambda refuses or doesn't answer.
    pub async fn read_function_without_versions(
        &self,
        names: &ResourceNames,
    ) -> Result<Option<LambdaFunction>, Failure> {
        let asked = self.lambda.get_function().function_name(names.lambda_function_name()).send().await;
        let found = error::none_if_aws_not_found(asked.map_err(error::build_aws_action_failure(
            "lambda:GetFunction",
            format_lambda_function_label(names),
        )))?;
        let Some(found) = found else { return Ok(None) };
        let part = |part| {
            error::build_missing_response_part_failure(
                "lambda:GetFunction",
                format_lambda_function_label(names),
                part,
            )
        };
        let configuration = found.configuration.ok_or_else(|| part("the configuration"))?;
        let tags = found.tags.unwrap_or_default();
        Ok(Some(LambdaFunction {
            arn: configuration.function_arn().ok_or_else(|| part("the ARN"))?.to_owned(),
            ownership: resource_ownership_from_tags(
                tags.iter().map(|(key, value)| (key.as_str(), value.as_str())),
                names,
            ),
            runtime: configuration.runtime().map(|one| one.as_str().to_owned()).unwrap_or_default(),
            handler: configuration.handler().unwrap_or_default().to_owned(),
            role_arn: configuration.role().unwrap_or_default().to_owned(),
            memory: configuration.memory_size().unwrap_or_default(),
            timeout: configuration.timeout().unwrap_or_default(),
            code_sha256: configuration.code_sha256().unwrap_or_default().to_owned(),
            description: configuration.description().unwrap_or_default().to_owned(),
            revision_id: configuration.revision_id().unwrap_or_default().to_owned(),
            forbidden: find_lambda_edge_violations(&configuration),
            reserved_concurrency: found.concurrency.and_then(|one| one.reserved_concurrent_executions),
            rotation: tags.get(ROTATION_TAG).cloned(),
            versions: Vec::new(),
        }))
    }

    /// Reads whose the function of a version is, by the version's ARN.
    ///
    /// # Errors
    /// Where it isn't there, or Lambda refuses or doesn't answer.
    pub async fn read_function_ownership(
        &self,
        arn: &str,
        names: &ResourceNames,
    ) -> Result<ResourceOwnership, Failure> {
        let asked = self.lambda.get_function().function_name(arn).send().await;
        let found = asked.map_err(error::build_aws_action_failure("lambda:GetFunction", arn))?;
        let tags = found.tags.unwrap_or_default();
        Ok(resource_ownership_from_tags(
            tags.iter().map(|(key, value)| (key.as_str(), value.as_str())),
            names,
        ))
    }

    /// Lists its versions, the oldest first.
    ///
    /// # Errors
    /// Where Lambda refuses or doesn't answer.
    pub async fn list_function_versions(
        &self,
        names: &ResourceNames,
    ) -> Result<Vec<FunctionVersion>, Failure> {
        let mut all = Vec::new();
        let mut pages = self
            .lambda
            .list_versions_by_function()
            .function_name(names.lambda_function_name())
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(error::build_aws_action_failure(
                "lambda:ListVersionsByFunction",
                format_lambda_function_label(names),
            ))?;
            all.extend(page.versions().iter().filter_map(|found| version_from_sdk!(found)));
        }
        all.sort_by_key(|version| version.number);
        Ok(all)
    }

    /// Reads one version, by its ARN with its number.
    ///
    /// # Errors
    /// Where Lambda refuses or doesn't answer.
    pub async fn read_function_version(&self, arn: &str) -> Result<Option<FunctionVersion>, Failure> {
        let asked = self.lambda.get_function_configuration().function_name(arn).send().await;
        let found = asked.map_err(error::build_aws_action_failure("lambda:GetFunctionConfiguration", arn));
        Ok(error::none_if_aws_not_found(found)?.and_then(|found| version_from_sdk!(found)))
    }

    /// Waits until `$LATEST` is active and its last update is through; returns its ARN and its revision then.
    ///
    /// # Errors
    /// Where Lambda fails it, or it isn't ready in time.
    pub(super) async fn wait_until_function_ready(
        &self,
        names: &ResourceNames,
        say: WaitProgressReporter<'_>,
    ) -> Result<(String, String), Failure> {
        retry::poll_until(FUNCTION_READY_WAIT, say, || async {
            let asked = self
                .lambda
                .get_function_configuration()
                .function_name(names.lambda_function_name())
                .send()
                .await;
            let asked = asked.map_err(error::build_aws_action_failure(
                "lambda:GetFunctionConfiguration",
                format_lambda_function_label(names),
            ));
            let Some(found) = error::none_if_aws_not_found(asked)? else { return Ok(None) };
            if found.state() == Some(&State::Failed) {
                return Err(build_function_not_ready_failure(
                    &format_lambda_function_label(names),
                    found.state_reason(),
                ));
            }
            if found.last_update_status() == Some(&LastUpdateStatus::Failed) {
                return Err(build_function_not_ready_failure(
                    &format_lambda_function_label(names),
                    found.last_update_status_reason(),
                ));
            }
            let active = matches!(found.state(), None | Some(State::Active | State::Inactive));
            let through = matches!(found.last_update_status(), None | Some(LastUpdateStatus::Successful));
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            Ok((active && through).then(|| (text(found.function_arn()), text(found.revision_id()))))
        })
        .await
    }
}

/// Returns the failure of a function or version that Lambda could not make ready, with its reason.
pub fn build_function_not_ready_failure(what: &str, reason: Option<&str>) -> Failure {
    Failure::new_generic_failure(
        what,
        format!("Lambda could not make it ready: {}", reason.unwrap_or("it gives no reason")),
        "look at the function in the Lambda console (us-east-1), then try again",
    )
}

/// A version from any of Lambda's answers that hold one; `None` for `$LATEST`.
macro_rules! version_from_sdk {
    ($found:expr) => {
        $crate::aws::lambda::read::function_version_from_lambda_fields(
            $found.function_arn(),
            $found.version(),
            $found.description(),
            $found.runtime(),
            $found.state(),
            $found.code_sha256(),
            $found.last_modified(),
        )
    };
}
pub(super) use version_from_sdk;

/// Returns a version from what Lambda says of it; none for `$LATEST`, which has no number.
pub fn function_version_from_lambda_fields(
    arn: Option<&str>,
    number: Option<&str>,
    description: Option<&str>,
    runtime: Option<&Runtime>,
    state: Option<&State>,
    code_sha256: Option<&str>,
    modified: Option<&str>,
) -> Option<FunctionVersion> {
    let number: u64 = number?.parse().ok()?;
    let arn = arn?;
    let numbered = arn.ends_with(&format!(":{number}"));
    Some(FunctionVersion {
        arn: if numbered { arn.to_owned() } else { format!("{arn}:{number}") },
        number,
        description: description.unwrap_or_default().to_owned(),
        runtime: runtime.map(|runtime| runtime.as_str().to_owned()).unwrap_or_default(),
        state: state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        code_sha256: code_sha256.unwrap_or_default().to_owned(),
        modified: modified.unwrap_or_default().to_owned(),
    })
}

/// What Lambda@Edge refuses, whatever the code.
fn find_lambda_edge_violations(found: &FunctionConfiguration) -> Vec<String> {
    let variables = found.environment().and_then(|environment| environment.variables());
    let vpc = found.vpc_config().is_some_and(|vpc| !vpc.subnet_ids().is_empty());
    let letters = found.dead_letter_config().and_then(|letters| letters.target_arn());
    let traced = found.tracing_config().and_then(|tracing| tracing.mode()) == Some(&TracingMode::Active);
    let image = found.package_type() == Some(&PackageType::Image);
    let storage = found.ephemeral_storage().is_some_and(|storage| storage.size() > 512);
    let all = [
        (variables.is_some_and(|variables| !variables.is_empty()), "environment variables"),
        (!found.layers().is_empty(), "layers"),
        (vpc, "a VPC"),
        (letters.is_some_and(|arn| !arn.is_empty()), "a dead-letter queue"),
        (traced, "X-Ray tracing"),
        (!found.file_system_configs().is_empty(), "a file system"),
        (image, "a container image"),
        (storage, "more than 512 MB of /tmp"),
        (found.architectures().contains(&Architecture::Arm64), FORBIDDEN_ARM64),
    ];
    all.into_iter().filter(|(there, _)| *there).map(|(_, name)| name.to_owned()).collect()
}
