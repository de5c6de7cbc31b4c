//! Lambda: the authenticator's function and its published versions, in us-east-1.
//!
//! A version is published only from what was just uploaded: by its SHA-256 and revision.

mod account;
mod invoke;
mod publish;
mod read;

pub use invoke::FunctionInvocation;

use std::collections::HashMap;

use aws_sdk_lambda::{
    primitives::Blob,
    types::{
        Architecture, DeadLetterConfig, Environment, FunctionCode, Runtime, TracingConfig, TracingMode,
        VpcConfig,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use super::{AwsClients, WaitProgressReporter, check_resource_ownership_allows_change, error, retry};
use crate::model::{
    aws::{
        account::{LambdaFunction, ResourceOwnership},
        names::ResourceNames,
        rotation::ROTATION_TAG,
    },
    failure::Failure,
    iam::policy,
};

/// A fresh role can't be assumed at once, in all of Lambda's zones.
const ROLE_ASSUMABLE_WAIT: retry::PollLimits = retry::PollLimits::new("the role to be assumable", 300, 4);
const FUNCTION_DESCRIPTION: &str = "packagecloud-cloudfront: the authenticator at CloudFront's edge";
const FUNCTION_READY_WAIT: retry::PollLimits = retry::PollLimits::new("the function to be ready", 300, 2);

/// What the function runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LambdaFunctionSettings<'a> {
    /// `nodejs24.x`.
    pub runtime: &'a str,
    /// `index.handler`.
    pub handler: &'a str,
    /// MiB.
    pub memory: i32,
    /// Seconds.
    pub timeout: i32,
}

impl LambdaFunctionSettings<'_> {
    /// Returns whether `function` runs so, as that role, with nothing that Lambda@Edge forbids.
    #[must_use]
    pub fn are_function_settings_met(&self, function: &LambdaFunction, role_arn: &str) -> bool {
        function.runtime == self.runtime
            && function.handler == self.handler
            && function.memory == self.memory
            && function.timeout == self.timeout
            && function.role_arn == role_arn
            && function.forbidden.is_empty()
    }
}

fn format_lambda_function_label(names: &ResourceNames) -> String {
    format!("Lambda function {}", names.lambda_function_name())
}

fn build_lambda_function_tags(names: &ResourceNames) -> HashMap<String, String> {
    names.build_resource_tags().map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Returns base64 of the SHA-256, as Lambda says it.
#[must_use]
pub fn compute_lambda_code_sha256(zip: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(zip))
}

impl AwsClients {
    /// Brings the function to this code and these settings as `$LATEST`, ready to be published.
    ///
    /// # Errors
    /// Where it is another's, moved meanwhile, or Lambda refuses.
    #[expect(clippy::too_many_arguments, reason = "each is a part of what the function is")]
    pub async fn ensure_lambda_function(
        &self,
        names: &ResourceNames,
        seen: Option<&LambdaFunction>,
        role_arn: &str,
        settings: LambdaFunctionSettings<'_>,
        zip: &[u8],
        adopt: bool,
        say: WaitProgressReporter<'_>,
    ) -> Result<LambdaFunction, Failure> {
        let Some(seen) = seen else {
            return self.create_lambda_function(names, role_arn, settings, zip, say).await;
        };
        check_resource_ownership_allows_change(&format_lambda_function_label(names), &seen.ownership, adopt)?;
        if settings.are_function_settings_met(seen, role_arn)
            && seen.code_sha256 == compute_lambda_code_sha256(zip)
            && seen.ownership == ResourceOwnership::Ours
        {
            return Ok(seen.clone());
        }
        let now = self.read_lambda_function(names).await?;
        let now =
            now.filter(|now| now.revision_id == seen.revision_id && now.code_sha256 == seen.code_sha256);
        let Some(now) = now else {
            return Err(Failure::new_plan_drift_failure(
                format_lambda_function_label(names),
                "it was changed since it was shown",
            ));
        };
        self.update_lambda_function(names, now, role_arn, settings, zip, say).await
    }

    async fn create_lambda_function(
        &self,
        names: &ResourceNames,
        role_arn: &str,
        settings: LambdaFunctionSettings<'_>,
        zip: &[u8],
        say: WaitProgressReporter<'_>,
    ) -> Result<LambdaFunction, Failure> {
        let create = || async {
            let asked = self
                .lambda
                .create_function()
                .function_name(names.lambda_function_name())
                .description(FUNCTION_DESCRIPTION)
                .runtime(Runtime::from(settings.runtime))
                .handler(settings.handler)
                .memory_size(settings.memory)
                .timeout(settings.timeout)
                .architectures(Architecture::X8664)
                .role(role_arn)
                .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
                .publish(false)
                .set_tags(Some(build_lambda_function_tags(names)))
                .send()
                .await
                .map_err(error::build_aws_action_failure(
                    "lambda:CreateFunction",
                    format_lambda_function_label(names),
                ));
            self.classify_function_role_failure(names, asked.map(|_| ())).await
        };
        match retry::retry_while_transient(ROLE_ASSUMABLE_WAIT, say, is_role_propagation_delay, create).await
        {
            // A reply was lost and the SDK asked again; or somebody was faster.
            Err(failure) if error::has_aws_error_code(&failure, "ResourceConflictException") => {
                self.wait_until_function_ready(names, say).await?;
                let found = self.find_function_with_code(names, zip).await?;
                return self.update_lambda_function(names, found, role_arn, settings, zip, say).await;
            }
            done => done?,
        }
        let (arn, revision_id) = self.wait_until_function_ready(names, say).await?;
        // It was just made: it is what was sent, and has no versions. Publishing asks for just this code and revision.
        Ok(LambdaFunction {
            arn,
            ownership: ResourceOwnership::Ours,
            runtime: settings.runtime.to_owned(),
            handler: settings.handler.to_owned(),
            role_arn: role_arn.to_owned(),
            memory: settings.memory,
            timeout: settings.timeout,
            code_sha256: compute_lambda_code_sha256(zip),
            description: FUNCTION_DESCRIPTION.to_owned(),
            revision_id,
            forbidden: Vec::new(),
            reserved_concurrency: None,
            rotation: None,
            versions: Vec::new(),
        })
    }

    /// Returns our function where it holds `zip`; what another one holds is for the caller to look at.
    async fn find_function_with_code(
        &self,
        names: &ResourceNames,
        zip: &[u8],
    ) -> Result<LambdaFunction, Failure> {
        let sent = compute_lambda_code_sha256(zip);
        let found = self
            .read_lambda_function(names)
            .await?
            .filter(|found| found.ownership == ResourceOwnership::Ours && found.code_sha256 == sent);
        found.ok_or_else(|| {
            Failure::new_plan_drift_failure(
                format_lambda_function_label(names),
                "somebody else created it meanwhile",
            )
        })
    }

    /// Configuration first, then code, each waited for: the other way round a version keeps the old configuration.
    async fn update_lambda_function(
        &self,
        names: &ResourceNames,
        mut now: LambdaFunction,
        role_arn: &str,
        settings: LambdaFunctionSettings<'_>,
        zip: &[u8],
        say: WaitProgressReporter<'_>,
    ) -> Result<LambdaFunction, Failure> {
        let mut fresh = true;
        if now.ownership != ResourceOwnership::Ours {
            self.tag_lambda_function(names, &now.arn).await?;
            now.revision_id = self.wait_until_function_ready(names, say).await?.1;
            fresh = false;
        }
        let arm = now.forbidden.iter().any(|one| one == read::FORBIDDEN_ARM64);
        let configured = settings.are_function_settings_met(&now, role_arn)
            || (arm && now.forbidden.len() == 1 && {
                let plain = LambdaFunction { forbidden: Vec::new(), ..now.clone() };
                settings.are_function_settings_met(&plain, role_arn)
            });
        if !configured {
            now.revision_id = self.update_function_settings(names, &now, role_arn, settings, say).await?;
            fresh = false;
        }
        if now.code_sha256 != compute_lambda_code_sha256(zip) || arm {
            self.update_function_code(names, &now, zip, say).await?;
            fresh = false;
        }
        if !fresh {
            now = self.read_lambda_function(names).await?.ok_or_else(|| {
                Failure::new_plan_drift_failure(
                    format_lambda_function_label(names),
                    "it was deleted meanwhile",
                )
            })?;
        }
        Ok(now)
    }

    /// Brings its configuration to `settings`, and empties what Lambda@Edge forbids; returns its revision then.
    async fn update_function_settings(
        &self,
        names: &ResourceNames,
        now: &LambdaFunction,
        role_arn: &str,
        settings: LambdaFunctionSettings<'_>,
        say: WaitProgressReporter<'_>,
    ) -> Result<String, Failure> {
        let update = || async {
            let mut call = self
                .lambda
                .update_function_configuration()
                .function_name(names.lambda_function_name())
                .revision_id(&now.revision_id)
                .runtime(Runtime::from(settings.runtime))
                .handler(settings.handler)
                .memory_size(settings.memory)
                .timeout(settings.timeout)
                .role(role_arn);
            if !now.forbidden.is_empty() {
                call = call
                    .environment(Environment::builder().set_variables(Some([].into())).build())
                    .set_layers(Some(Vec::new()))
                    .vpc_config(
                        VpcConfig::builder()
                            .set_subnet_ids(Some(Vec::new()))
                            .set_security_group_ids(Some(Vec::new()))
                            .build(),
                    )
                    .dead_letter_config(DeadLetterConfig::builder().target_arn("").build())
                    .tracing_config(TracingConfig::builder().mode(TracingMode::PassThrough).build());
            }
            let asked = call.send().await;
            let asked = asked.map_err(error::build_aws_action_failure(
                "lambda:UpdateFunctionConfiguration",
                format_lambda_function_label(names),
            ));
            self.classify_function_role_failure(names, asked.map(|_| ())).await
        };
        let passing =
            |failure: &Failure| is_role_propagation_delay(failure) || is_function_update_conflict(failure);
        let updated = retry::retry_while_transient(ROLE_ASSUMABLE_WAIT, say, passing, update).await;
        let is_there = |now: &LambdaFunction| {
            settings
                .are_function_settings_met(&LambdaFunction { forbidden: Vec::new(), ..now.clone() }, role_arn)
        };
        self.accept_stale_revision_if(names, updated, is_there, say).await?;
        Ok(self.wait_until_function_ready(names, say).await?.1)
    }

    /// Uploads the code where the revision is still the one of `now`: of two runs at once Lambda lets one.
    async fn update_function_code(
        &self,
        names: &ResourceNames,
        now: &LambdaFunction,
        zip: &[u8],
        say: WaitProgressReporter<'_>,
    ) -> Result<(), Failure> {
        let update = || async {
            let asked = self
                .lambda
                .update_function_code()
                .function_name(names.lambda_function_name())
                .revision_id(&now.revision_id)
                .zip_file(Blob::new(zip))
                .architectures(Architecture::X8664)
                .publish(false)
                .send()
                .await;
            asked.map_err(error::build_aws_action_failure(
                "lambda:UpdateFunctionCode",
                format_lambda_function_label(names),
            ))
        };
        let updated =
            retry::retry_while_transient(FUNCTION_READY_WAIT, say, is_function_update_conflict, update).await;
        let sent = compute_lambda_code_sha256(zip);
        self.accept_stale_revision_if(names, updated.map(|_| ()), |now| now.code_sha256 == sent, say).await?;
        self.wait_until_function_ready(names, say).await?;
        Ok(())
    }

    /// The revision moved: by our own update, whose reply was lost, where `is_there` says so; else by somebody.
    async fn accept_stale_revision_if(
        &self,
        names: &ResourceNames,
        updated: Result<(), Failure>,
        is_there: impl Fn(&LambdaFunction) -> bool,
        say: WaitProgressReporter<'_>,
    ) -> Result<(), Failure> {
        match updated {
            Err(failure) if is_stale_revision(&failure) => {
                self.wait_until_function_ready(names, say).await?;
                let now = self.read_function_without_versions(names).await?;
                if now.as_ref().is_some_and(is_there) {
                    return Ok(());
                }
                Err(Failure::new_plan_drift_failure(
                    format_lambda_function_label(names),
                    "it was changed since it was shown",
                ))
            }
            done => done,
        }
    }

    /// Gives an adopted function that is right otherwise our tags, and nothing else.
    ///
    /// # Errors
    /// Where Lambda refuses it.
    pub async fn tag_adopted_lambda_function(
        &self,
        names: &ResourceNames,
        seen: &LambdaFunction,
        adopt: bool,
    ) -> Result<LambdaFunction, Failure> {
        check_resource_ownership_allows_change(&format_lambda_function_label(names), &seen.ownership, adopt)?;
        let now = self.read_function_without_versions(names).await?;
        if now.is_none_or(|now| now.ownership != seen.ownership || now.arn != seen.arn) {
            return Err(Failure::new_plan_drift_failure(
                format_lambda_function_label(names),
                "it was changed since it was shown",
            ));
        }
        self.tag_lambda_function(names, &seen.arn).await?;
        Ok(LambdaFunction { ownership: ResourceOwnership::Ours, ..seen.clone() })
    }

    /// Reads the tag by which hosts tell each other of a rotation of the secret, as it stands now.
    ///
    /// # Errors
    /// Where Lambda refuses or doesn't answer.
    pub async fn read_rotation_tag(&self, names: &ResourceNames) -> Result<Option<String>, Failure> {
        Ok(self.read_function_without_versions(names).await?.and_then(|function| function.rotation))
    }

    /// Writes that tag.
    ///
    /// # Errors
    /// Where Lambda refuses it.
    pub async fn write_rotation_tag(
        &self,
        names: &ResourceNames,
        arn: &str,
        text: &str,
    ) -> Result<(), Failure> {
        let asked = self.lambda.tag_resource().resource(arn).tags(ROTATION_TAG, text).send().await;
        asked
            .map_err(error::build_aws_action_failure(
                "lambda:TagResource",
                format_lambda_function_label(names),
            ))
            .map(|_| ())
    }

    async fn tag_lambda_function(&self, names: &ResourceNames, arn: &str) -> Result<(), Failure> {
        let asked = self
            .lambda
            .tag_resource()
            .resource(arn)
            .set_tags(Some(build_lambda_function_tags(names)))
            .send()
            .await;
        asked
            .map_err(error::build_aws_action_failure(
                "lambda:TagResource",
                format_lambda_function_label(names),
            ))
            .map(|_| ())
    }

    /// The same code means a delay and a permanent mistake: where the role isn't there, or doesn't trust Lambda,
    /// waiting doesn't help.
    async fn classify_function_role_failure<T>(
        &self,
        names: &ResourceNames,
        asked: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let failure = match asked {
            Err(failure) if is_role_propagation_delay(&failure) => failure,
            done => return done,
        };
        match self.read_function_role(names).await {
            Ok(Some(role)) if policy::trusts_lambda_and_edgelambda(&role.trust) => Err(failure),
            Ok(_) => Err(Failure::new_generic_failure(
                format_lambda_function_label(names),
                format!(
                    "role {} isn't there, or doesn't trust lambda and edgelambda",
                    names.function_role_name()
                ),
                "look again, and let bootstrap repair the role",
            )),
            // It can't be looked at: then the wait is what there is.
            Err(_) => Err(failure),
        }
    }
}

fn is_role_propagation_delay(failure: &Failure) -> bool {
    const ROLE_DELAY_MESSAGES: [&str; 3] = [
        "The role defined for the function cannot be assumed by Lambda",
        "The provided execution role does not have permissions",
        "KMS key is invalid for CreateGrant",
    ];
    error::has_aws_error_code(failure, "InvalidParameterValueException")
        && ROLE_DELAY_MESSAGES.iter().any(|text| failure.why.contains(text))
}

/// `$LATEST` isn't what the request was made for.
fn is_stale_revision(failure: &Failure) -> bool {
    error::has_aws_error_code(failure, "PreconditionFailedException")
}

/// An update is still in progress; "already exist" has the same code and isn't one.
fn is_function_update_conflict(failure: &Failure) -> bool {
    // Of an update, or of a function that was just made: a run that was broken off leaves it Pending.
    error::has_aws_error_code(failure, "ResourceConflictException")
        && ["in progress", "state: Pending"].iter().any(|passing| failure.why.contains(passing))
}
