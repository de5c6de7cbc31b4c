//! The origin access identity, and the origin access control: how S3 knows that CloudFront asks.
//!
//! The identity is ours by its Comment, the control by its name and Description; neither can carry tags.

use aws_sdk_cloudfront::types::{
    CloudFrontOriginAccessIdentityConfig, OriginAccessControlConfig, OriginAccessControlOriginTypes,
    OriginAccessControlSigningBehaviors, OriginAccessControlSigningProtocols, OriginAccessControlSummary,
};

use super::unbuilt;
use crate::aws::{Cloud, error, retry};
use crate::model::{
    aws::{
        evidence::{OriginAccessControl, OriginAccessIdentity},
        names::Names,
    },
    run::failure::Failure,
};

const LISTED: retry::Wait = retry::Wait::new("the origin access identity to be listed", 60, 2);

fn identity_named(names: &Names) -> String {
    format!("origin access identity \"{}\"", names.comment())
}

fn control_named(names: &Names) -> String {
    format!("origin access control {}", names.origin_access_control())
}

impl Cloud {
    /// All identities of the account.
    pub(crate) async fn all_identities(&self) -> Result<Vec<OriginAccessIdentity>, Failure> {
        let mut all = Vec::new();
        let mut pages = self.cloudfront.list_cloud_front_origin_access_identities().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(error::of(
                "cloudfront:ListCloudFrontOriginAccessIdentities",
                "the account's origin access identities",
            ))?;
            let items = page.cloud_front_origin_access_identity_list.and_then(|list| list.items);
            all.extend(items.unwrap_or_default().into_iter().map(|one| OriginAccessIdentity {
                id: one.id,
                canonical_user_id: one.s3_canonical_user_id,
                comment: one.comment,
            }));
        }
        Ok(all)
    }

    /// The identity with our Comment.
    pub async fn identity(&self, names: &Names) -> Result<Option<OriginAccessIdentity>, Failure> {
        Ok(self.all_identities().await?.into_iter().find(|one| one.comment == names.comment()))
    }

    /// The identity, made where `seen` is none. Its caller reference is its Comment: asked for again it is the same.
    pub async fn ensure_identity(
        &self,
        names: &Names,
        seen: Option<&OriginAccessIdentity>,
    ) -> Result<OriginAccessIdentity, Failure> {
        if let Some(found) = seen {
            return Ok(found.clone());
        }
        let config = CloudFrontOriginAccessIdentityConfig::builder()
            .caller_reference(names.comment())
            .comment(names.comment())
            .build()
            .map_err(|error| unbuilt(&identity_named(names), &error))?;
        const ACTION: &str = "cloudfront:CreateCloudFrontOriginAccessIdentity";
        let asked = self
            .cloudfront
            .create_cloud_front_origin_access_identity()
            .cloud_front_origin_access_identity_config(config)
            .send()
            .await
            .map_err(error::of(ACTION, identity_named(names)));
        match asked {
            Ok(answer) => {
                let made = answer
                    .cloud_front_origin_access_identity
                    .ok_or_else(|| error::lacking(ACTION, identity_named(names), "the identity"))?;
                Ok(OriginAccessIdentity {
                    id: made.id,
                    canonical_user_id: made.s3_canonical_user_id,
                    comment: names.comment(),
                })
            }
            Err(failure) if error::is(&failure, "CloudFrontOriginAccessIdentityAlreadyExists") => {
                retry::until(LISTED, &|_| {}, || async { self.identity(names).await }).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// The control of our name; one that says something else is refused.
    pub async fn control(&self, names: &Names) -> Result<Option<OriginAccessControl>, Failure> {
        self.control_summary(names).await?.map(|found| ours(names, found)).transpose()
    }

    async fn control_summary(&self, names: &Names) -> Result<Option<OriginAccessControlSummary>, Failure> {
        let mut pages = self.cloudfront.list_origin_access_controls().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(error::of("cloudfront:ListOriginAccessControls", control_named(names)))?;
            let items = page.origin_access_control_list.and_then(|list| list.items).unwrap_or_default();
            if let Some(found) = items.into_iter().find(|one| one.name == names.origin_access_control()) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The control, made where `seen` is none.
    pub async fn ensure_control(
        &self,
        names: &Names,
        seen: Option<&OriginAccessControl>,
    ) -> Result<OriginAccessControl, Failure> {
        if let Some(found) = seen {
            return Ok(found.clone());
        }
        let config = OriginAccessControlConfig::builder()
            .name(names.origin_access_control())
            .description(names.origin_access_control_description())
            .signing_protocol(OriginAccessControlSigningProtocols::Sigv4)
            .signing_behavior(OriginAccessControlSigningBehaviors::Always)
            .origin_access_control_origin_type(OriginAccessControlOriginTypes::S3)
            .build()
            .map_err(|error| unbuilt(&control_named(names), &error))?;
        const ACTION: &str = "cloudfront:CreateOriginAccessControl";
        let asked =
            self.cloudfront.create_origin_access_control().origin_access_control_config(config).send().await;
        match asked.map_err(error::of(ACTION, control_named(names))) {
            Ok(answer) => {
                let made = answer
                    .origin_access_control
                    .ok_or_else(|| error::lacking(ACTION, control_named(names), "the control"))?;
                Ok(OriginAccessControl {
                    id: made.id,
                    name: names.origin_access_control(),
                    description: names.origin_access_control_description(),
                })
            }
            Err(failure) if error::is(&failure, "OriginAccessControlAlreadyExists") => {
                let found = self.control_summary(names).await?.ok_or(failure)?;
                ours(names, found)
            }
            Err(failure) => Err(failure),
        }
    }
}

fn ours(names: &Names, found: OriginAccessControlSummary) -> Result<OriginAccessControl, Failure> {
    let right = found.description == names.origin_access_control_description()
        && found.signing_protocol == OriginAccessControlSigningProtocols::Sigv4
        && found.signing_behavior == OriginAccessControlSigningBehaviors::Always
        && found.origin_access_control_origin_type == OriginAccessControlOriginTypes::S3;
    if right {
        return Ok(OriginAccessControl { id: found.id, name: found.name, description: found.description });
    }
    Err(Failure::other(
        control_named(names),
        "one of this name stands with another description, or doesn't sign every request to S3",
        "rename it, or set it to sign always with sigv4 for S3 under our description, in the CloudFront console",
    ))
}
