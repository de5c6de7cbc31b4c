//! The origin access identity, and the origin access control: how S3 knows that CloudFront asks.
//!
//! The identity is ours by its Comment, the control by its name and Description; neither can carry tags.

use aws_sdk_cloudfront::types::{
    CloudFrontOriginAccessIdentityConfig, OriginAccessControlConfig, OriginAccessControlOriginTypes,
    OriginAccessControlSigningBehaviors, OriginAccessControlSigningProtocols, OriginAccessControlSummary,
};

use super::failure_from_sdk_build_error;
use crate::aws::{AwsClients, error, retry};
use crate::model::{
    aws::{
        cloudfront::{CloudFrontOriginAccessIdentity, OriginAccessControl},
        names::ResourceNames,
    },
    failure::Failure,
};

const IDENTITY_LISTED_WAIT: retry::PollLimits =
    retry::PollLimits::new("the origin access identity to be listed", 60, 2);
const CONTROL_LISTED_WAIT: retry::PollLimits =
    retry::PollLimits::new("the origin access control to be listed", 60, 2);

fn format_origin_access_identity_label(names: &ResourceNames) -> String {
    format!("origin access identity \"{}\"", names.distribution_and_identity_comment())
}

fn format_origin_access_control_label(names: &ResourceNames) -> String {
    format!("origin access control {}", names.origin_access_control_name())
}

impl AwsClients {
    /// Lists all identities of the account.
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub(crate) async fn list_origin_access_identities(
        &self,
    ) -> Result<Vec<CloudFrontOriginAccessIdentity>, Failure> {
        let mut all = Vec::new();
        let mut pages = self.cloudfront.list_cloud_front_origin_access_identities().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(error::build_aws_action_failure(
                "cloudfront:ListCloudFrontOriginAccessIdentities",
                "the account's origin access identities",
            ))?;
            let items = page.cloud_front_origin_access_identity_list.and_then(|list| list.items);
            all.extend(items.unwrap_or_default().into_iter().map(|one| CloudFrontOriginAccessIdentity {
                id: one.id,
                canonical_user_id: one.s3_canonical_user_id,
                comment: one.comment,
            }));
        }
        Ok(all)
    }

    /// Finds the identity with our Comment.
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub async fn find_origin_access_identity(
        &self,
        names: &ResourceNames,
    ) -> Result<Option<CloudFrontOriginAccessIdentity>, Failure> {
        Ok(self
            .list_origin_access_identities()
            .await?
            .into_iter()
            .find(|one| one.comment == names.distribution_and_identity_comment()))
    }

    /// Makes the identity where `seen` is none. Its caller reference is its Comment: asked for again it is the same.
    ///
    /// # Errors
    /// Where CloudFront refuses it.
    pub async fn ensure_origin_access_identity(
        &self,
        names: &ResourceNames,
        seen: Option<&CloudFrontOriginAccessIdentity>,
    ) -> Result<CloudFrontOriginAccessIdentity, Failure> {
        if let Some(found) = seen {
            return Ok(found.clone());
        }
        let config = CloudFrontOriginAccessIdentityConfig::builder()
            .caller_reference(names.distribution_and_identity_comment())
            .comment(names.distribution_and_identity_comment())
            .build()
            .map_err(|error| {
                failure_from_sdk_build_error(&format_origin_access_identity_label(names), &error)
            })?;
        const ACTION: &str = "cloudfront:CreateCloudFrontOriginAccessIdentity";
        let asked = self
            .cloudfront
            .create_cloud_front_origin_access_identity()
            .cloud_front_origin_access_identity_config(config)
            .send()
            .await
            .map_err(error::build_aws_action_failure(ACTION, format_origin_access_identity_label(names)));
        match asked {
            Ok(answer) => {
                let made = answer.cloud_front_origin_access_identity.ok_or_else(|| {
                    error::build_missing_response_part_failure(
                        ACTION,
                        format_origin_access_identity_label(names),
                        "the identity",
                    )
                })?;
                Ok(CloudFrontOriginAccessIdentity {
                    id: made.id,
                    canonical_user_id: made.s3_canonical_user_id,
                    comment: names.distribution_and_identity_comment(),
                })
            }
            Err(failure)
                if error::has_aws_error_code(&failure, "CloudFrontOriginAccessIdentityAlreadyExists") =>
            {
                retry::poll_until(IDENTITY_LISTED_WAIT, &|_| {}, || async {
                    self.find_origin_access_identity(names).await
                })
                .await
            }
            Err(failure) => Err(failure),
        }
    }

    /// Finds the control of our name.
    ///
    /// # Errors
    /// Where one of our name says something else, or CloudFront refuses.
    pub async fn find_origin_access_control(
        &self,
        names: &ResourceNames,
    ) -> Result<Option<OriginAccessControl>, Failure> {
        self.find_origin_access_control_summary(names)
            .await?
            .map(|found| check_origin_access_control(names, found))
            .transpose()
    }

    async fn find_origin_access_control_summary(
        &self,
        names: &ResourceNames,
    ) -> Result<Option<OriginAccessControlSummary>, Failure> {
        let mut pages = self.cloudfront.list_origin_access_controls().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(error::build_aws_action_failure(
                "cloudfront:ListOriginAccessControls",
                format_origin_access_control_label(names),
            ))?;
            let items = page.origin_access_control_list.and_then(|list| list.items).unwrap_or_default();
            if let Some(found) = items.into_iter().find(|one| one.name == names.origin_access_control_name())
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Makes the control where `seen` is none.
    ///
    /// # Errors
    /// Where CloudFront refuses it.
    pub async fn ensure_origin_access_control(
        &self,
        names: &ResourceNames,
        seen: Option<&OriginAccessControl>,
    ) -> Result<OriginAccessControl, Failure> {
        if let Some(found) = seen {
            return Ok(found.clone());
        }
        let config = OriginAccessControlConfig::builder()
            .name(names.origin_access_control_name())
            .description(names.origin_access_control_description())
            .signing_protocol(OriginAccessControlSigningProtocols::Sigv4)
            .signing_behavior(OriginAccessControlSigningBehaviors::Always)
            .origin_access_control_origin_type(OriginAccessControlOriginTypes::S3)
            .build()
            .map_err(|error| {
                failure_from_sdk_build_error(&format_origin_access_control_label(names), &error)
            })?;
        const ACTION: &str = "cloudfront:CreateOriginAccessControl";
        let asked =
            self.cloudfront.create_origin_access_control().origin_access_control_config(config).send().await;
        match asked
            .map_err(error::build_aws_action_failure(ACTION, format_origin_access_control_label(names)))
        {
            Ok(answer) => {
                let made = answer.origin_access_control.ok_or_else(|| {
                    error::build_missing_response_part_failure(
                        ACTION,
                        format_origin_access_control_label(names),
                        "the control",
                    )
                })?;
                Ok(OriginAccessControl {
                    id: made.id,
                    name: names.origin_access_control_name(),
                    description: names.origin_access_control_description(),
                })
            }
            Err(failure) if error::has_aws_error_code(&failure, "OriginAccessControlAlreadyExists") => {
                let listed = || self.find_origin_access_control_summary(names);
                let found = retry::poll_until(CONTROL_LISTED_WAIT, &|_| {}, listed).await;
                // What was wrong is what happened first.
                check_origin_access_control(names, found.map_err(|_| failure)?)
            }
            Err(failure) => Err(failure),
        }
    }
}

fn check_origin_access_control(
    names: &ResourceNames,
    found: OriginAccessControlSummary,
) -> Result<OriginAccessControl, Failure> {
    let right = found.description == names.origin_access_control_description()
        && found.signing_protocol == OriginAccessControlSigningProtocols::Sigv4
        && found.signing_behavior == OriginAccessControlSigningBehaviors::Always
        && found.origin_access_control_origin_type == OriginAccessControlOriginTypes::S3;
    if right {
        return Ok(OriginAccessControl { id: found.id, name: found.name, description: found.description });
    }
    Err(Failure::new_generic_failure(
        format_origin_access_control_label(names),
        "one of this name already exists with another description, or doesn't sign every request to S3",
        "rename it, or set it to sign always with sigv4 for S3 under our description, in the CloudFront console",
    ))
}
