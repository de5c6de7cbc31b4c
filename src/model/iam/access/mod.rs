//! Which AWS actions each step needs, and on what: the one table behind the permission checks and `check --policy`.
//!
//! An action that a step calls stands here; one that none calls doesn't.

mod batch;
mod table;

pub use batch::list_batch_permissions;

use crate::model::{
    aws::names::ResourceNames,
    run::goal::{OperatorGoal, RunStage, StageStep},
};

/// One action on one kind of resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredPermission {
    pub stage: RunStage,
    /// The line on the stage's screen that ends where the action is denied.
    pub step: StageStep,
    /// `iam:CreateRole`.
    pub action: &'static str,
    /// An ARN, with `*` where it isn't known yet.
    pub resource: String,
    /// Condition keys and the value that the request carries in them.
    pub context: Vec<(String, String)>,
    /// Without it the stage still works: it is only for some installations, or for showing more.
    pub optional: bool,
}

impl RequiredPermission {
    /// Returns an ARN to ask the simulation about: concrete where [`Self::resource`] has a `*`.
    #[must_use]
    pub fn simulation_resource_arn(&self) -> String {
        if self.resource == "*" { self.resource.clone() } else { self.resource.replace('*', "1") }
    }

    /// Says where it is needed, in words: `bootstrap, KMS key`.
    #[must_use]
    pub fn describe_stage_and_step(&self) -> String {
        format!("{}, {}", self.stage.stage_name(), self.step.step_title())
    }
}

/// Returns what `goal` needs in `account` for the install of `names`. Disabling needs nothing of AWS.
#[must_use]
pub fn list_required_permissions(
    goal: OperatorGoal,
    names: &ResourceNames,
    account: &str,
) -> Vec<RequiredPermission> {
    let mut all = match goal {
        OperatorGoal::Disable => Vec::new(),
        OperatorGoal::Install | OperatorGoal::Upgrade | OperatorGoal::RollBack => {
            table::list_all_permissions(names, account)
        }
    };
    match goal {
        // An installation writes its objects' attributes itself.
        OperatorGoal::Install => all.retain(|need| need.stage != RunStage::Reindex),
        // Associating an earlier version looks at everything and updates the distribution alone.
        OperatorGoal::RollBack => {
            all.retain(|need| {
                const WRITE_ACTION_PREFIXES: [&str; 9] = [
                    "Create",
                    "Encrypt",
                    "GetCachePolicy",
                    "Pass",
                    "Publish",
                    "Put",
                    "Tag",
                    "UpdateAssume",
                    "UpdateCache",
                ];
                let name = need.action.split_once(':').map_or(need.action, |(_, name)| name);
                need.stage != RunStage::Reindex
                    && !name.starts_with("UpdateFunction")
                    && !WRITE_ACTION_PREFIXES.iter().any(|verb| name.starts_with(verb))
            });
            // What stands tells them; they are asked only where a part of it is gone.
            for need in &mut all {
                need.optional |= ["kms:ListKeys", "s3:GetObject"].contains(&need.action);
            }
        }
        OperatorGoal::Upgrade | OperatorGoal::Disable => {}
    }
    all
}

/// Returns what is needed where objects lie under a KMS key of the operator's whose policy may be changed: that of this
/// key, where its ARN is known.
#[must_use]
pub fn bucket_kms_key_permission(key_arn: Option<&str>, account: &str) -> RequiredPermission {
    RequiredPermission {
        stage: RunStage::Distribution,
        step: StageStep::ObjectsKey,
        action: "kms:PutKeyPolicy",
        resource: key_arn.map_or_else(|| format!("arn:aws:kms:*:{account}:key/*"), str::to_owned),
        context: Vec::new(),
        optional: false,
    }
}

/// Returns what is asked of a distribution with a web ACL: whether it is on a flat-rate plan. It isn't simulated: what
/// can't be asked is said where it would be shown.
#[must_use]
pub fn flat_rate_plan_permission() -> RequiredPermission {
    RequiredPermission {
        stage: RunStage::Distribution,
        step: StageStep::Distribution,
        action: "pricingplanmanager:ListSubscriptions",
        resource: "*".to_owned(),
        context: Vec::new(),
        optional: true,
    }
}

/// Returns the same needs where CloudFront gets at the bucket by a control: that one must be found or made, and no
/// identity.
#[must_use]
pub fn add_origin_access_control_permissions(mut needs: Vec<RequiredPermission>) -> Vec<RequiredPermission> {
    for need in needs.iter_mut().filter(|need| need.step == StageStep::OriginAccess) {
        need.optional = need.action.contains("Identit");
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list_permissions_of_goal(goal: OperatorGoal) -> Vec<RequiredPermission> {
        list_required_permissions(
            goal,
            &ResourceNames::new("pkgs", &"".parse().unwrap_or_default()),
            "123456789012",
        )
    }

    #[test]
    fn disabling_needs_nothing_and_an_install_writes_no_object() {
        assert!(list_permissions_of_goal(OperatorGoal::Disable).is_empty());
        assert!(
            !list_permissions_of_goal(OperatorGoal::Install).iter().any(|need| need.action == "s3:PutObject")
        );
        assert!(
            list_permissions_of_goal(OperatorGoal::Upgrade).iter().any(|need| need.action == "s3:PutObject")
        );
        assert!(
            list_permissions_of_goal(OperatorGoal::RollBack)
                .iter()
                .all(|need| !need.action.contains("Create"))
        );
        assert!(
            list_permissions_of_goal(OperatorGoal::RollBack)
                .iter()
                .any(|need| need.action == "cloudfront:UpdateDistribution")
        );
    }

    #[test]
    fn replication_is_asked_of_the_version_by_its_whole_name() {
        let all = list_permissions_of_goal(OperatorGoal::Install);
        let need = all.iter().find(|need| need.action.starts_with("lambda:EnableReplication")).unwrap();
        assert_eq!(need.action, "lambda:EnableReplication*");
        assert!(need.simulation_resource_arn().ends_with(":function:packagecloud_cloudfront_auth:1"));
        assert!(!all.iter().any(|need| need.action.contains("Delete")), "nothing is ever deleted");
    }
}
