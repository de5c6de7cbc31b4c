//! Which AWS actions each stage needs, and on what: the one table behind the permission checks and `check --policy`.
//!
//! An action that a stage calls stands here; one that none calls doesn't.

use super::{
    goal::{Goal, Stage},
    names::{COST_TAG, EDGE_REGION, MARKER_TAG, Names},
};

/// One action on one kind of resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub stage: Stage,
    /// `iam:CreateRole`.
    pub action: &'static str,
    /// An ARN, with `*` where it isn't known yet.
    pub resource: String,
    /// Condition keys and the value that the request carries in them.
    pub context: Vec<(String, String)>,
    /// Without it the stage still works: it is only for some installations, or for showing more.
    pub optional: bool,
}

impl Need {
    /// An ARN to ask the simulation about: concrete where [`Self::resource`] has a `*`.
    #[must_use]
    pub fn sample(&self) -> String {
        if self.resource == "*" { self.resource.clone() } else { self.resource.replace('*', "1") }
    }
}

struct Table(Vec<Need>);

impl Table {
    fn on(&mut self, stage: Stage, resource: &str, actions: &[&'static str]) {
        self.add(stage, resource, &[], false, actions);
    }

    fn if_used(&mut self, stage: Stage, resource: &str, actions: &[&'static str]) {
        self.add(stage, resource, &[], true, actions);
    }

    fn add(
        &mut self,
        stage: Stage,
        resource: &str,
        context: &[(&str, &str)],
        optional: bool,
        actions: &[&'static str],
    ) {
        let context: Vec<_> =
            context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.0.extend(actions.iter().map(|&action| Need {
            stage,
            action,
            resource: resource.to_owned(),
            context: context.clone(),
            optional,
        }));
    }
}

/// What `goal` needs in `account` for the install of `names`. Disabling needs nothing of AWS.
#[must_use]
pub fn needs(goal: Goal, names: &Names, account: &str) -> Vec<Need> {
    let mut table = Table(Vec::new());
    if matches!(goal, Goal::Install | Goal::Upgrade) {
        let bucket = format!("arn:aws:s3:::{}", names.bucket());
        let objects = format!("{bucket}/*");
        access(&mut table, &bucket, &objects, account);
        if goal == Goal::Upgrade {
            reindex(&mut table, &objects);
        }
        identities(&mut table, names, account);
        keys(&mut table, names, account);
        functions(&mut table, names, account);
        distributions(&mut table, account);
        table.on(Stage::Distribution, &bucket, &["s3:PutBucketPolicy"]);
    }
    if goal == Goal::RollBack {
        functions(&mut table, names, account);
        distributions(&mut table, account);
        table.0.retain(|need| {
            !["Create", "Publish", "UpdateFunction", "UpdateCache", "TagResource"]
                .iter()
                .any(|verb| need.action.contains(verb))
        });
    }
    table.0
}

fn access(table: &mut Table, bucket: &str, objects: &str, account: &str) {
    table.on(Stage::Access, bucket, &["s3:GetBucketLocation", "s3:GetBucketPolicy", "s3:ListBucket"]);
    table.on(Stage::Access, objects, &["s3:GetObject"]);
    table.if_used(
        Stage::Access,
        bucket,
        &["s3:GetBucketOwnershipControls", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration"],
    );
    table.if_used(Stage::Access, "*", &["s3:ListAllMyBuckets"]);
    table.if_used(Stage::Access, &format!("arn:aws:iam::{account}:*"), &["iam:SimulatePrincipalPolicy"]);
}

fn reindex(table: &mut Table, objects: &str) {
    table.on(Stage::Reindex, objects, &["s3:AbortMultipartUpload", "s3:PutObject"]);
    table.if_used(
        Stage::Reindex,
        objects,
        &[
            "s3:GetObjectAcl",
            "s3:GetObjectLegalHold",
            "s3:GetObjectRetention",
            "s3:GetObjectTagging",
            "s3:PutObjectAcl",
            "s3:PutObjectLegalHold",
            "s3:PutObjectRetention",
            "s3:PutObjectTagging",
        ],
    );
}

/// What S3 Batch Operations needs beside it, where that engine copies the packages.
#[must_use]
pub fn batch_needs(names: &Names, account: &str) -> Vec<Need> {
    let mut table = Table(Vec::new());
    table.on(Stage::Reindex, "*", &["s3:CreateJob", "s3:ListJobs"]);
    table.on(
        Stage::Reindex,
        &format!("arn:aws:s3:*:{account}:job/*"),
        &["s3:DescribeJob", "s3:PutJobTagging"],
    );
    let role = format!("arn:aws:iam::{account}:role/{}", names.batch_role());
    role_made(&mut table, Stage::Reindex, &role);
    let passed = [("iam:PassedToService", "batchoperations.s3.amazonaws.com")];
    table.add(Stage::Reindex, &role, &passed, false, &["iam:PassRole"]);
    table.0
}

/// Making a role, and keeping it right.
fn role_made(table: &mut Table, stage: Stage, role: &str) {
    table.on(
        stage,
        role,
        &[
            "iam:CreateRole",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:PutRolePolicy",
            "iam:TagRole",
            "iam:UpdateAssumeRolePolicy",
        ],
    );
}

fn identities(table: &mut Table, names: &Names, account: &str) {
    let role = format!("arn:aws:iam::{account}:role/{}", names.role());
    role_made(table, Stage::Bootstrap, &role);
    let passed = [("iam:PassedToService", "lambda.amazonaws.com")];
    table.add(Stage::Bootstrap, &role, &passed, false, &["iam:PassRole"]);
    for service in ["replicator.lambda.amazonaws.com", "logger.cloudfront.amazonaws.com"] {
        let linked = format!("arn:aws:iam::{account}:role/aws-service-role/{service}/*");
        let named = [("iam:AWSServiceName", service)];
        table.add(Stage::Bootstrap, &linked, &named, false, &["iam:CreateServiceLinkedRole"]);
        table.if_used(Stage::Bootstrap, &linked, &["iam:GetRole"]);
    }
}

fn keys(table: &mut Table, names: &Names, account: &str) {
    let key = format!("arn:aws:kms:{EDGE_REGION}:{account}:key/*");
    let alias = format!("arn:aws:kms:{EDGE_REGION}:{account}:{}", names.alias());
    let tag = format!("aws:RequestTag/{MARKER_TAG}");
    let cost = format!("aws:RequestTag/{COST_TAG}");
    let tagged = [(tag.as_str(), names.bucket()), (cost.as_str(), names.bucket())];
    table.add(Stage::Bootstrap, "*", &tagged, false, &["kms:CreateKey"]);
    table.add(Stage::Bootstrap, &key, &tagged, false, &["kms:TagResource"]);
    table.on(Stage::Bootstrap, "*", &["kms:ListAliases", "kms:ListKeys"]);
    table.on(
        Stage::Bootstrap,
        &key,
        &["kms:CreateAlias", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListResourceTags"],
    );
    table.on(Stage::Bootstrap, &alias, &["kms:CreateAlias"]);
    let marker = format!("aws:ResourceTag/{MARKER_TAG}");
    let ours = [(marker.as_str(), names.bucket())];
    table.add(Stage::Bootstrap, &key, &ours, false, &["kms:Encrypt", "kms:PutKeyPolicy"]);
}

fn functions(table: &mut Table, names: &Names, account: &str) {
    let function = format!("arn:aws:lambda:{EDGE_REGION}:{account}:function:{}", names.function());
    let versions = format!("{function}:*");
    table.on(
        Stage::Bootstrap,
        &function,
        &[
            "lambda:CreateFunction",
            "lambda:GetFunction",
            "lambda:GetFunctionConfiguration",
            "lambda:ListTags",
            "lambda:ListVersionsByFunction",
            "lambda:PublishVersion",
            "lambda:TagResource",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
        ],
    );
    // The asterisk belongs to the action's name; and it is asked of the version's ARN, never the function's.
    table.on(
        Stage::Distribution,
        &versions,
        &[
            "lambda:DisableReplication*",
            "lambda:EnableReplication*",
            "lambda:GetFunction",
            "lambda:GetFunctionConfiguration",
        ],
    );
}

fn distributions(table: &mut Table, account: &str) {
    let distribution = format!("arn:aws:cloudfront::{account}:distribution/*");
    table.on(
        Stage::Bootstrap,
        "*",
        &[
            "cloudfront:CreateCloudFrontOriginAccessIdentity",
            "cloudfront:GetCloudFrontOriginAccessIdentity",
            "cloudfront:ListCloudFrontOriginAccessIdentities",
        ],
    );
    table.if_used(
        Stage::Bootstrap,
        "*",
        &[
            "cloudfront:CreateOriginAccessControl",
            "cloudfront:GetOriginAccessControl",
            "cloudfront:ListOriginAccessControls",
        ],
    );
    table.on(
        Stage::Distribution,
        "*",
        &[
            "cloudfront:CreateCachePolicy",
            "cloudfront:GetCachePolicy",
            "cloudfront:ListCachePolicies",
            "cloudfront:ListDistributions",
            "cloudfront:UpdateCachePolicy",
        ],
    );
    table.on(
        Stage::Distribution,
        &distribution,
        &[
            "cloudfront:CreateDistribution",
            "cloudfront:GetDistribution",
            "cloudfront:GetDistributionConfig",
            "cloudfront:ListTagsForResource",
            "cloudfront:TagResource",
            "cloudfront:UpdateDistribution",
        ],
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(goal: Goal) -> Vec<Need> {
        needs(goal, &Names::new("pkgs", &"".parse().unwrap_or_default()), "123456789012")
    }

    #[test]
    fn disabling_needs_nothing_and_an_install_writes_no_object() {
        assert!(actions(Goal::Disable).is_empty());
        assert!(!actions(Goal::Install).iter().any(|need| need.action == "s3:PutObject"));
        assert!(actions(Goal::Upgrade).iter().any(|need| need.action == "s3:PutObject"));
        assert!(actions(Goal::RollBack).iter().all(|need| !need.action.contains("Create")));
        assert!(actions(Goal::RollBack).iter().any(|need| need.action == "cloudfront:UpdateDistribution"));
    }

    #[test]
    fn replication_is_asked_of_the_version_by_its_whole_name() {
        let all = actions(Goal::Install);
        let need = all.iter().find(|need| need.action.starts_with("lambda:EnableReplication")).unwrap();
        assert_eq!(need.action, "lambda:EnableReplication*");
        assert!(need.sample().ends_with(":function:packagecloud_cloudfront_auth:1"));
        assert!(!all.iter().any(|need| need.action.contains("Delete")), "nothing is ever deleted");
    }
}
