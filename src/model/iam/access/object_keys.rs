//! What is needed of the KMS keys that objects lie under: S3 asks KMS in the caller's name, for each reading and each copy.

use super::{RequiredPermission, table::PermissionTable};
use crate::model::{
    aws::bucket::{is_any_kms_key_arn, list_policy_kms_key_arns},
    run::goal::{OperatorGoal, RunStage, StageStep},
};

/// Returns what `goal` needs of the bucket's `default` key, and of the keys that `sampled` objects lie under, by ARN, id
/// or alias, in the bucket's region. Of AWS's own key it needs nothing, and a sampled one may be that.
#[must_use]
pub fn list_object_kms_permissions(
    goal: OperatorGoal,
    default: Option<&String>,
    sampled: &[String],
    region: &str,
    account: &str,
) -> Vec<RequiredPermission> {
    let mut table = PermissionTable::default();
    let through_s3 = format!("s3.{region}.amazonaws.com");
    let via = [("kms:ViaService", through_s3.as_str())];
    let surely = list_policy_kms_key_arns(default, region, account);
    for key in list_policy_kms_key_arns(default.into_iter().chain(sampled), region, account) {
        let optional = surely.is_empty() || surely != [key.as_str()] && !is_any_kms_key_arn(&key);
        match goal {
            OperatorGoal::Disable | OperatorGoal::RollBack | OperatorGoal::Rotate => {}
            OperatorGoal::Install => {
                // What the edge gives is compared with the object; who may not read it goes without.
                let compare = (RunStage::GoLive, StageStep::Gate);
                table.add_permissions(compare, &key, &via, true, &["kms:Decrypt"]);
            }
            OperatorGoal::Upgrade => {
                // A copy opens what lies there, and seals it anew under the same key.
                let copy = ["kms:Decrypt", "kms:GenerateDataKey"];
                let place = (RunStage::Reindex, StageStep::Objects);
                table.add_permissions(place, &key, &via, optional, &copy);
            }
        }
    }
    table.into_permissions()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: &str = "eu-west-1";
    const ACCOUNT: &str = "123456789012";

    fn format_key_arn(name: &str) -> String {
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}")
    }

    /// Resource, action, and whether it is optional.
    fn list_needs(
        goal: OperatorGoal,
        default: Option<&str>,
        sampled: &[&str],
    ) -> Vec<(String, &'static str, bool)> {
        let sampled: Vec<String> = sampled.iter().map(|&key| key.to_owned()).collect();
        let default = default.map(str::to_owned);
        list_object_kms_permissions(goal, default.as_ref(), &sampled, REGION, ACCOUNT)
            .into_iter()
            .map(|need| {
                assert_eq!(need.context, [("kms:ViaService".into(), "s3.eu-west-1.amazonaws.com".into())]);
                (need.resource, need.action, need.optional)
            })
            .collect()
    }

    #[test]
    fn a_copy_needs_both_of_the_buckets_key_and_perhaps_of_an_objects() {
        use OperatorGoal::{Disable, Install, Upgrade};
        let (own, any) = (format_key_arn("k"), format_key_arn("*"));
        assert_eq!(
            list_needs(Upgrade, Some(&own), &[&own, "k", "other"]),
            [
                (own.clone(), "kms:Decrypt", false),
                (own.clone(), "kms:GenerateDataKey", false),
                (format_key_arn("other"), "kms:Decrypt", true),
                (format_key_arn("other"), "kms:GenerateDataKey", true),
            ],
            "one key by two names; another that may be AWS's own"
        );
        assert_eq!(list_needs(Install, Some(&own), &[]), [(own, "kms:Decrypt", true)]);
        for alias in ["alias/packages", "arn:aws:kms:eu-west-1:123456789012:alias/packages"] {
            let needs = list_needs(Upgrade, Some(alias), &["k"]);
            assert_eq!(needs[0], (any.clone(), "kms:Decrypt", false), "{alias}");
            assert_eq!(needs.len(), 2, "{alias}");
        }
        let many = list_needs(Upgrade, None, &["a", "b", "c"]);
        assert_eq!(many[0], (any, "kms:Decrypt", true));
        for aws_own in ["alias/aws/s3", "arn:aws:kms:eu-west-1:123456789012:alias/aws/s3"] {
            assert_eq!(list_needs(Upgrade, Some(aws_own), &[aws_own]), []);
        }
        assert_eq!(list_needs(Disable, Some("k"), &[]), []);
    }
}
