//! IAM: the role that the function runs as, its inline policy, and the service-linked roles of Lambda@Edge.
//!
//! A role without our marker is changed only where the caller says `adopt`; what others wrote into it stays.

pub mod simulate;

use aws_sdk_iam::types::{self, Tag};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Cloud, Say, error, permitted, retry, whose};
use crate::model::{
    aws::{
        evidence::{Ownership, Role},
        names::Names,
    },
    iam::policy,
    run::failure::{Failure, Kind},
};

/// A fresh role isn't everywhere at once.
const ROLE_THERE: retry::Wait = retry::Wait::new("the role to be known to all of IAM", 60, 2);

fn what(name: &str) -> String {
    format!("role {name}")
}

/// A role as it is to be.
pub(super) struct Wanted<'a> {
    pub name: String,
    pub description: &'static str,
    /// What a fresh one trusts.
    pub trust: Value,
    /// The trust with what it lacks; none where it lacks nothing.
    pub mended: &'a (dyn Fn(&Value) -> Option<Value> + Sync),
}

fn tags(names: &Names) -> Result<Vec<Tag>, Failure> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    let built: Result<Vec<_>, _> = names.tags().into_iter().map(tag).collect();
    built.map_err(|error| {
        Failure::other("a role's tags", error.to_string(), "report this as a fault of the tool")
    })
}

/// IAM gives documents percent-encoded.
fn document(text: &str, what: &str) -> Result<Value, Failure> {
    policy::parse(&percent_decode_str(text).decode_utf8_lossy(), what)
}

fn role(names: &Names, answer: &types::Role, policy: Option<Value>) -> Result<Role, Failure> {
    let trust = match answer.assume_role_policy_document() {
        Some(text) => document(text, &what(answer.role_name()))?,
        None => Value::Null,
    };
    Ok(Role {
        name: answer.role_name().to_owned(),
        arn: answer.arn().to_owned(),
        id: answer.role_id().to_owned(),
        ownership: whose(answer.tags().iter().map(|tag| (tag.key(), tag.value())), names),
        trust,
        policy,
    })
}

impl Cloud {
    /// The function's role, whoever's it is.
    pub async fn role(&self, names: &Names) -> Result<Option<Role>, Failure> {
        self.role_named(names, &names.role()).await
    }

    /// A role and its inline policy of the same name.
    pub(super) async fn role_named(&self, names: &Names, name: &str) -> Result<Option<Role>, Failure> {
        let (found, inline) = tokio::try_join!(
            async {
                let asked = self.iam.get_role().role_name(name).send().await;
                error::absent(asked.map_err(error::of("iam:GetRole", what(name))))
            },
            async {
                let asked = self.iam.get_role_policy().role_name(name).policy_name(name).send().await;
                error::absent(asked.map_err(error::of("iam:GetRolePolicy", what(name))))
            },
        )?;
        let Some(found) = found.and_then(|found| found.role) else { return Ok(None) };
        let inline = inline.map(|inline| document(inline.policy_document(), &what(name))).transpose()?;
        role(names, &found, inline).map(Some)
    }

    /// The role, made where `seen` is none; trusted by lambda and edgelambda; tagged.
    pub async fn ensure_role(
        &self,
        names: &Names,
        seen: Option<&Role>,
        boundary: Option<&str>,
        adopt: bool,
        say: Say<'_>,
    ) -> Result<Role, Failure> {
        let wanted = Wanted {
            name: names.role(),
            description: "packagecloud-cloudfront: runs the authenticator at CloudFront's edge",
            trust: policy::trust(),
            mended: &|trust| (!policy::trusts_both(trust)).then(|| policy::trust_with_both(trust)),
        };
        self.ensure_wanted(names, &wanted, seen, boundary, adopt, say).await
    }

    pub(super) async fn ensure_wanted(
        &self,
        names: &Names,
        wanted: &Wanted<'_>,
        seen: Option<&Role>,
        boundary: Option<&str>,
        adopt: bool,
        say: Say<'_>,
    ) -> Result<Role, Failure> {
        let Some(seen) = seen else { return self.create_role(names, wanted, boundary, say).await };
        let name = &wanted.name;
        permitted(&what(name), &seen.ownership, adopt)?;
        let mended = (wanted.mended)(&seen.trust);
        let unmarked = seen.ownership == Ownership::Unmarked;
        if mended.is_none() && !unmarked {
            return Ok(seen.clone());
        }
        let now = self.role_named(names, name).await?;
        if now.as_ref() != Some(seen) {
            return Err(Failure::drifted(what(name), "it was changed since it was shown"));
        }
        if unmarked {
            let asked = self.iam.tag_role().role_name(name).set_tags(Some(tags(names)?)).send().await;
            asked.map_err(error::of("iam:TagRole", what(name)))?;
        }
        if let Some(trust) = &mended {
            self.iam
                .update_assume_role_policy()
                .role_name(name)
                .policy_document(trust.to_string())
                .send()
                .await
                .map_err(error::of("iam:UpdateAssumeRolePolicy", what(name)))?;
        }
        let trust = mended.unwrap_or_else(|| seen.trust.clone());
        Ok(Role { ownership: Ownership::Ours, trust, ..seen.clone() })
    }

    async fn create_role(
        &self,
        names: &Names,
        wanted: &Wanted<'_>,
        boundary: Option<&str>,
        say: Say<'_>,
    ) -> Result<Role, Failure> {
        let name = &wanted.name;
        let asked = self
            .iam
            .create_role()
            .role_name(name)
            .description(wanted.description)
            .assume_role_policy_document(wanted.trust.to_string())
            .set_permissions_boundary(boundary.map(str::to_owned))
            .set_tags(Some(tags(names)?))
            .send()
            .await
            .map_err(error::of("iam:CreateRole", what(name)));
        match asked {
            Ok(answer) => {
                let made =
                    answer.role.ok_or_else(|| error::lacking("iam:CreateRole", what(name), "the role"))?;
                let role = role(names, &made, None)?;
                // The answer of a create may leave the tags and the document out; they are what was sent.
                Ok(Role { ownership: Ownership::Ours, trust: wanted.trust.clone(), ..role })
            }
            // A reply was lost and the SDK asked again; or somebody was faster.
            Err(failure) if error::is(&failure, "EntityAlreadyExists") => {
                let found = retry::until(ROLE_THERE, say, || self.role_named(names, name)).await?;
                if found.ownership == Ownership::Ours {
                    Ok(found)
                } else {
                    Err(Failure::drifted(what(name), "somebody made it meanwhile"))
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// The inline policy of our name on `role` holds the statements of `model::policy::role_policy`.
    pub async fn ensure_role_policy(
        &self,
        names: &Names,
        role: &Role,
        key_arn: &str,
        account: &str,
        say: Say<'_>,
    ) -> Result<Value, Failure> {
        self.ensure_inline(role, policy::role_policy(names, key_arn, account), say).await
    }

    /// The inline policy of the role's own name says what `ours` says; what others wrote into it stays.
    pub(super) async fn ensure_inline(
        &self,
        role: &Role,
        ours: Value,
        say: Say<'_>,
    ) -> Result<Value, Failure> {
        let new = match &role.policy {
            Some(standing) if policy::carries(standing, &ours) => return Ok(standing.clone()),
            Some(standing) => policy::merged_key_policy(standing, &ours),
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
                .map_err(error::of("iam:PutRolePolicy", what(&role.name)))
        };
        retry::while_passing(ROLE_THERE, say, |failure| failure.kind == Kind::Missing, put).await?;
        Ok(new)
    }

    /// The two service-linked roles that Lambda@Edge needs, once in an account.
    pub async fn ensure_service_linked_roles(&self, say: Say<'_>) -> Result<(), Failure> {
        tokio::try_join!(
            self.ensure_linked("AWSServiceRoleForLambdaReplicator", "replicator.lambda.amazonaws.com", say),
            self.ensure_linked("AWSServiceRoleForCloudFrontLogger", "logger.cloudfront.amazonaws.com", say),
        )
        .map(|_| ())
    }

    async fn ensure_linked(&self, name: &str, service: &str, say: Say<'_>) -> Result<(), Failure> {
        let what = format!("service-linked role {name}");
        let asked = self.iam.get_role().role_name(name).send().await;
        match asked.map_err(error::of("iam:GetRole", &what)) {
            Ok(_) => return Ok(()),
            // Where it may not be looked at it is asked for: that it is there already is no failure.
            Err(failure) if matches!(failure.kind, Kind::Missing | Kind::Denied) => {}
            Err(failure) => return Err(failure),
        }
        say(&format!("making {what}, once in this account"));
        let asked = self.iam.create_service_linked_role().aws_service_name(service).send().await;
        match asked.map_err(error::of("iam:CreateServiceLinkedRole", &what)) {
            Err(failure)
                if failure.why.contains("has been taken in this account")
                    || error::is(&failure, "EntityAlreadyExists") =>
            {
                Ok(())
            }
            done => done.map(|_| ()),
        }
    }
}
