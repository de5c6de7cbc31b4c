//! IAM: the role that the function runs as, its inline policy, and the service-linked roles of Lambda@Edge.
//!
//! A role without our marker is changed only where the caller says `adopt`; what others wrote into it stays.

pub mod simulate;

use aws_sdk_iam::types::{self, Tag};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{
    AwsClients, WaitProgressReporter, check_resource_ownership_allows_change, error,
    resource_ownership_from_tags, retry,
};
use crate::model::{
    aws::{
        account::{IamRole, ResourceOwnership},
        names::ResourceNames,
    },
    failure::{Failure, FailureKind},
    iam::policy,
};

/// A fresh role isn't everywhere at once.
const ROLE_VISIBLE_WAIT: retry::PollLimits =
    retry::PollLimits::new("the role to be known to all of IAM", 60, 2);

fn format_iam_role_label(name: &str) -> String {
    format!("role {name}")
}

/// A role as it is to be.
pub(super) struct DesiredIamRole<'a> {
    pub name: String,
    pub description: &'static str,
    /// What a fresh one trusts.
    pub trust: Value,
    /// The trust with what it lacks; none where it lacks nothing.
    pub repair_trust: &'a (dyn Fn(&Value) -> Option<Value> + Sync),
}

/// A role as it stands, and whether this call made it: of two runs at once IAM lets one.
#[derive(Debug, Clone)]
pub struct EnsuredIamRole {
    pub role: IamRole,
    pub is_newly_made: bool,
}

fn build_iam_role_tags(names: &ResourceNames) -> Result<Vec<Tag>, Failure> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    let built: Result<Vec<_>, _> = names.build_resource_tags().into_iter().map(tag).collect();
    built.map_err(|error| {
        Failure::new_generic_failure("a role's tags", error.to_string(), "report this as a fault of the tool")
    })
}

/// IAM gives documents percent-encoded.
fn decode_policy_document(text: &str, what: &str) -> Result<Value, Failure> {
    policy::parse_policy_json(&percent_decode_str(text).decode_utf8_lossy(), what)
}

fn iam_role_from_response(
    names: &ResourceNames,
    answer: &types::Role,
    policy: Option<Value>,
) -> Result<IamRole, Failure> {
    let trust = match answer.assume_role_policy_document() {
        Some(text) => decode_policy_document(text, &format_iam_role_label(answer.role_name()))?,
        None => Value::Null,
    };
    Ok(IamRole {
        name: answer.role_name().to_owned(),
        arn: answer.arn().to_owned(),
        id: answer.role_id().to_owned(),
        ownership: resource_ownership_from_tags(
            answer.tags().iter().map(|tag| (tag.key(), tag.value())),
            names,
        ),
        trust,
        policy,
    })
}

impl AwsClients {
    /// Reads the function's role, whoever's it is.
    ///
    /// # Errors
    /// Where IAM refuses or doesn't answer.
    pub async fn read_function_role(&self, names: &ResourceNames) -> Result<Option<IamRole>, Failure> {
        self.read_iam_role(names, &names.function_role_name()).await
    }

    /// Reads a role and its inline policy of the same name.
    ///
    /// # Errors
    /// Where IAM refuses or doesn't answer.
    pub(super) async fn read_iam_role(
        &self,
        names: &ResourceNames,
        name: &str,
    ) -> Result<Option<IamRole>, Failure> {
        let (found, inline) = tokio::try_join!(
            async {
                let asked = self.iam.get_role().role_name(name).send().await;
                error::none_if_aws_not_found(
                    asked
                        .map_err(error::build_aws_action_failure("iam:GetRole", format_iam_role_label(name))),
                )
            },
            async {
                let asked = self.iam.get_role_policy().role_name(name).policy_name(name).send().await;
                error::none_if_aws_not_found(asked.map_err(error::build_aws_action_failure(
                    "iam:GetRolePolicy",
                    format_iam_role_label(name),
                )))
            },
        )?;
        let Some(found) = found.and_then(|found| found.role) else { return Ok(None) };
        let inline = inline
            .map(|inline| decode_policy_document(inline.policy_document(), &format_iam_role_label(name)))
            .transpose()?;
        iam_role_from_response(names, &found, inline).map(Some)
    }

    /// Makes the role where `seen` is none; trusted by lambda and edgelambda; tagged.
    ///
    /// # Errors
    /// Where it is another's, or IAM refuses.
    pub async fn ensure_function_role(
        &self,
        names: &ResourceNames,
        seen: Option<&IamRole>,
        boundary: Option<&str>,
        adopt: bool,
        say: WaitProgressReporter<'_>,
    ) -> Result<EnsuredIamRole, Failure> {
        let wanted = DesiredIamRole {
            name: names.function_role_name(),
            description: "packagecloud-cloudfront: runs the authenticator at CloudFront's edge",
            trust: policy::build_function_trust_policy(),
            repair_trust: &|trust| {
                (!policy::trusts_lambda_and_edgelambda(trust))
                    .then(|| policy::add_missing_trusted_services(trust))
            },
        };
        self.ensure_iam_role(names, &wanted, seen, boundary, adopt, say).await
    }

    /// Makes a role as `wanted` says, or brings the one that stands to it.
    ///
    /// # Errors
    /// Where it is another's, or IAM refuses.
    pub(super) async fn ensure_iam_role(
        &self,
        names: &ResourceNames,
        wanted: &DesiredIamRole<'_>,
        seen: Option<&IamRole>,
        boundary: Option<&str>,
        adopt: bool,
        say: WaitProgressReporter<'_>,
    ) -> Result<EnsuredIamRole, Failure> {
        let Some(seen) = seen else { return self.create_iam_role(names, wanted, boundary, say).await };
        let name = &wanted.name;
        check_resource_ownership_allows_change(&format_iam_role_label(name), &seen.ownership, adopt)?;
        let mended = (wanted.repair_trust)(&seen.trust);
        let unmarked = seen.ownership == ResourceOwnership::Unmarked;
        if mended.is_none() && !unmarked {
            return Ok(EnsuredIamRole { role: seen.clone(), is_newly_made: false });
        }
        let now = self.read_iam_role(names, name).await?;
        if now.as_ref() != Some(seen) {
            return Err(Failure::new_plan_drift_failure(
                format_iam_role_label(name),
                "it was changed since it was shown",
            ));
        }
        if unmarked {
            let asked =
                self.iam.tag_role().role_name(name).set_tags(Some(build_iam_role_tags(names)?)).send().await;
            asked.map_err(error::build_aws_action_failure("iam:TagRole", format_iam_role_label(name)))?;
        }
        if let Some(trust) = &mended {
            self.iam
                .update_assume_role_policy()
                .role_name(name)
                .policy_document(trust.to_string())
                .send()
                .await
                .map_err(error::build_aws_action_failure(
                    "iam:UpdateAssumeRolePolicy",
                    format_iam_role_label(name),
                ))?;
        }
        let trust = mended.unwrap_or_else(|| seen.trust.clone());
        let role = IamRole { ownership: ResourceOwnership::Ours, trust, ..seen.clone() };
        Ok(EnsuredIamRole { role, is_newly_made: false })
    }

    async fn create_iam_role(
        &self,
        names: &ResourceNames,
        wanted: &DesiredIamRole<'_>,
        boundary: Option<&str>,
        say: WaitProgressReporter<'_>,
    ) -> Result<EnsuredIamRole, Failure> {
        let name = &wanted.name;
        let asked = self
            .iam
            .create_role()
            .role_name(name)
            .description(wanted.description)
            .assume_role_policy_document(wanted.trust.to_string())
            .set_permissions_boundary(boundary.map(str::to_owned))
            .set_tags(Some(build_iam_role_tags(names)?))
            .send()
            .await
            .map_err(error::build_aws_action_failure("iam:CreateRole", format_iam_role_label(name)));
        match asked {
            Ok(answer) => {
                let made = answer.role.ok_or_else(|| {
                    error::build_missing_response_part_failure(
                        "iam:CreateRole",
                        format_iam_role_label(name),
                        "the role",
                    )
                })?;
                let role = iam_role_from_response(names, &made, None)?;
                // The answer of a create may leave the tags and the document out; they are what was sent.
                let role =
                    IamRole { ownership: ResourceOwnership::Ours, trust: wanted.trust.clone(), ..role };
                Ok(EnsuredIamRole { role, is_newly_made: true })
            }
            // A reply was lost and the SDK asked again; or somebody was faster.
            Err(failure) if error::has_aws_error_code(&failure, "EntityAlreadyExists") => {
                let found =
                    retry::poll_until(ROLE_VISIBLE_WAIT, say, || self.read_iam_role(names, name)).await?;
                if found.ownership == ResourceOwnership::Ours {
                    Ok(EnsuredIamRole { role: found, is_newly_made: false })
                } else {
                    Err(Failure::new_plan_drift_failure(
                        format_iam_role_label(name),
                        "somebody else created it meanwhile",
                    ))
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// Writes into the inline policy of our name on `role` the statements of [`policy::build_function_role_policy`].
    ///
    /// # Errors
    /// Where IAM refuses it.
    pub async fn ensure_function_role_policy(
        &self,
        names: &ResourceNames,
        role: &IamRole,
        key_arn: &str,
        account: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<Value, Failure> {
        self.ensure_inline_role_policy(role, policy::build_function_role_policy(names, key_arn, account), say)
            .await
    }

    /// Writes what `ours` says into the inline policy of the role's own name; what others wrote into it stays.
    ///
    /// # Errors
    /// Where IAM refuses it.
    pub(super) async fn ensure_inline_role_policy(
        &self,
        role: &IamRole,
        ours: Value,
        say: WaitProgressReporter<'_>,
    ) -> Result<Value, Failure> {
        let new = match &role.policy {
            Some(standing) if policy::has_all_policy_statements(standing, &ours) => {
                return Ok(standing.clone());
            }
            Some(standing) => policy::merge_policy_by_sid(standing, &ours),
            None => ours,
        };
        let put = || async {
            self.iam
                .put_role_policy()
                .role_name(&role.name)
                .policy_name(&role.name)
                .policy_document(new.to_string())
                .send()
                .await
                .map_err(error::build_aws_action_failure(
                    "iam:PutRolePolicy",
                    format_iam_role_label(&role.name),
                ))
        };
        retry::retry_while_transient(
            ROLE_VISIBLE_WAIT,
            say,
            |failure| failure.kind == FailureKind::Missing,
            put,
        )
        .await?;
        Ok(new)
    }

    /// Makes the two service-linked roles that Lambda@Edge needs, once in an account.
    ///
    /// # Errors
    /// Where IAM refuses them.
    pub async fn ensure_service_linked_roles(&self, say: WaitProgressReporter<'_>) -> Result<(), Failure> {
        tokio::try_join!(
            self.ensure_service_linked_role(
                "AWSServiceRoleForLambdaReplicator",
                "replicator.lambda.amazonaws.com",
                say
            ),
            self.ensure_service_linked_role(
                "AWSServiceRoleForCloudFrontLogger",
                "logger.cloudfront.amazonaws.com",
                say
            ),
        )
        .map(|_| ())
    }

    async fn ensure_service_linked_role(
        &self,
        name: &str,
        service: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<(), Failure> {
        let what = format!("service-linked role {name}");
        let asked = self.iam.get_role().role_name(name).send().await;
        match asked.map_err(error::build_aws_action_failure("iam:GetRole", &what)) {
            Ok(_) => return Ok(()),
            // Where it may not be looked at it is asked for: that it is there already is no failure.
            Err(failure) if matches!(failure.kind, FailureKind::Missing | FailureKind::Denied) => {}
            Err(failure) => return Err(failure),
        }
        say(&format!("making {what}, once in this account"));
        let asked = self.iam.create_service_linked_role().aws_service_name(service).send().await;
        match asked.map_err(error::build_aws_action_failure("iam:CreateServiceLinkedRole", &what)) {
            Err(failure)
                if failure.why.contains("has been taken in this account")
                    || error::has_aws_error_code(&failure, "EntityAlreadyExists") =>
            {
                Ok(())
            }
            done => done.map(|_| ()),
        }
    }
}
