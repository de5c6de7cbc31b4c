//! Which AWS actions each step needs, and on what: the one table behind the permission checks and `check --policy`.
//!
//! An action that a step calls stands here; one that none calls doesn't.

mod batch;
mod calls;
mod invalidation;
mod object_keys;
mod table;

pub use batch::list_batch_permissions;
pub use calls::list_actions_proven_by_call;
pub use invalidation::list_invalidation_permissions;
pub use object_keys::list_object_kms_permissions;

use crate::model::{
    aws::names::{EDGE_REGION, ResourceNames},
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
    /// Returns the service of its action: `iam`.
    #[must_use]
    pub fn service_of_action(&self) -> &str {
        self.action.split(':').next().unwrap_or_default()
    }

    /// Returns the region that the request goes to, which a condition on `aws:RequestedRegion` sees: the bucket's for
    /// S3 and for the keys that its objects lie under, us-east-1 for all else, the global services too.
    #[must_use]
    pub fn region_of_request<'a>(&'a self, bucket_region: &'a str) -> &'a str {
        let region_of_resource = self.resource.split(':').nth(3);
        match (self.service_of_action(), region_of_resource) {
            ("s3", _) | ("kms", Some("*")) => bucket_region,
            ("kms", Some(region)) if !region.is_empty() => region,
            _ => EDGE_REGION,
        }
    }

    /// Returns an ARN to ask the simulation about: concrete where [`Self::resource`] has a `*`.
    #[must_use]
    pub fn simulation_resource_arn(&self, bucket_region: &str) -> String {
        if self.resource == "*" {
            return self.resource.clone();
        }
        let parts: Vec<&str> = self.resource.splitn(6, ':').collect();
        match parts.as_slice() {
            [arn, partition, service, "*", rest @ ..] => {
                format!("{arn}:{partition}:{service}:{bucket_region}:{}", rest.join(":")).replace('*', "1")
            }
            _ => self.resource.replace('*', "1"),
        }
    }

    /// Says where it is needed, in words: `bootstrap, KMS key`.
    #[must_use]
    pub fn describe_stage_and_step(&self) -> String {
        let (stage, step) = (self.stage.stage_name(), self.step.step_title());
        if stage == step { stage.to_owned() } else { format!("{stage}, {step}") }
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
        OperatorGoal::Install | OperatorGoal::Upgrade | OperatorGoal::RollBack | OperatorGoal::Rotate => {
            table::list_all_permissions(names, account)
        }
    };
    match goal {
        // An installation writes its objects' attributes itself.
        OperatorGoal::Install | OperatorGoal::Rotate => all.retain(|need| need.stage != RunStage::Reindex),
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

/// Returns what `status` and a large bucket's reindex ask beside all else: metrics. Without it status says so, and works, and
/// the reindex knows its total once it has listed all.
#[must_use]
pub fn edge_metrics_permission() -> RequiredPermission {
    RequiredPermission {
        stage: RunStage::Verify,
        step: StageStep::Checks,
        action: "cloudwatch:GetMetricStatistics",
        resource: "*".to_owned(),
        context: Vec::new(),
        optional: true,
    }
}

/// Returns what `rotate-secret --finish` asks beside all else: what the function's instances logged of an earlier secret, in
/// whichever region they run. Without it that is said, and nothing else is missing.
#[must_use]
pub fn edge_logs_permission(names: &ResourceNames, account: &str) -> RequiredPermission {
    RequiredPermission {
        stage: RunStage::Rotate,
        step: StageStep::Proof,
        action: "logs:FilterLogEvents",
        resource: format!(
            "arn:aws:logs:*:{account}:log-group:/aws/lambda/us-east-1.{}:*",
            names.lambda_function_name()
        ),
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
    fn each_request_goes_to_the_region_of_its_service_bucket_or_key() {
        let mut all = list_permissions_of_goal(OperatorGoal::Upgrade);
        all.push(bucket_kms_key_permission(None, "123456789012"));
        all.push(bucket_kms_key_permission(Some("arn:aws:kms:eu-west-1:123456789012:key/k"), "123456789012"));
        all.extend(list_batch_permissions(
            &ResourceNames::new("pkgs", &"".parse().unwrap_or_default()),
            "123456789012",
        ));
        for need in &all {
            let of_bucket = need.action.starts_with("s3:")
                || need.resource.starts_with("arn:aws:kms:*:")
                || need.resource.starts_with("arn:aws:kms:eu-west-1:");
            let region = if of_bucket { "eu-west-1" } else { "us-east-1" };
            assert_eq!(need.region_of_request("eu-west-1"), region, "{need:?}");
            let sample = need.simulation_resource_arn("eu-west-1");
            assert!(sample == "*" || !sample.contains('*'), "{sample}");
            assert!(!sample.contains(":1:123456789012"), "a region, no sample of one: {sample}");
        }
        assert!(all.iter().any(
            |need| need.simulation_resource_arn("eu-west-1") == "arn:aws:s3:eu-west-1:123456789012:job/1"
        ));
    }

    /// KMS weighs at CreateKey whether its caller may put the key's policy later, when no tag of the key counts yet.
    #[test]
    fn putting_a_keys_policy_hangs_on_no_tag() {
        let all = list_permissions_of_goal(OperatorGoal::Install);
        let put: Vec<_> = all.iter().filter(|need| need.action == "kms:PutKeyPolicy").collect();
        assert!(put.iter().any(|need| need.step == StageStep::Key), "it is weighed where the key is made");
        assert!(put.iter().any(|need| need.step == StageStep::KeyPolicy));
        for need in &all {
            let by_tag = need.context.iter().find(|(key, _)| key.contains("ResourceTag"));
            assert_eq!(by_tag, None, "{}", need.action);
        }
    }

    #[test]
    fn replication_is_asked_of_the_version_by_its_whole_name() {
        let all = list_permissions_of_goal(OperatorGoal::Install);
        let need = all.iter().find(|need| need.action.starts_with("lambda:EnableReplication")).unwrap();
        assert_eq!(need.action, "lambda:EnableReplication*");
        assert!(
            need.simulation_resource_arn("eu-west-1").ends_with(":function:packagecloud_cloudfront_auth:1")
        );
        assert!(!all.iter().any(|need| need.action.contains("Delete")), "nothing is ever deleted");
    }
}
