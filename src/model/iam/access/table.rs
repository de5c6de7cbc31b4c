//! The table itself, a function for each thing that is made: the step, the resource, the actions.

use super::RequiredPermission;
use crate::model::{
    aws::names::{COST_TAG, EDGE_REGION, MARKER_TAG, ResourceNames},
    iam::policy::encryption_context_condition_key,
    run::goal::{RunStage, StageStep},
};

/// Returns all that any goal needs.
pub fn list_all_permissions(names: &ResourceNames, account: &str) -> Vec<RequiredPermission> {
    let mut table = PermissionTable::default();
    let bucket = format!("arn:aws:s3:::{}", names.bucket_name());
    let objects = format!("{bucket}/*");
    add_access_stage_permissions(&mut table, &bucket, &objects, account);
    add_reindex_permissions(&mut table, &bucket, &objects);
    add_permissions_for_managing_roles(&mut table, names, account);
    add_kms_key_permissions(&mut table, names, account);
    add_function_permissions(&mut table, names, account);
    add_origin_access_iam_permissions(&mut table);
    add_distribution_permissions(&mut table, account);
    add_bucket_policy_iam_permissions(&mut table, &bucket, account);
    table.0
}

/// Where an action is needed.
pub(super) type PermissionStageAndStep = (RunStage, StageStep);

#[derive(Default)]
pub(super) struct PermissionTable(Vec<RequiredPermission>);

impl PermissionTable {
    /// Returns the permissions, in the order in which they were added.
    pub fn into_permissions(self) -> Vec<RequiredPermission> {
        self.0
    }

    /// Adds `actions` on one resource.
    pub fn add_required_actions(
        &mut self,
        place: PermissionStageAndStep,
        resource: &str,
        actions: &[&'static str],
    ) {
        self.add_permissions(place, resource, &[], false, actions);
    }

    fn add_optional_permissions(
        &mut self,
        place: PermissionStageAndStep,
        resource: &str,
        actions: &[&'static str],
    ) {
        self.add_permissions(place, resource, &[], true, actions);
    }

    /// Adds `actions` on one resource, and returns them for their conditions.
    pub fn add_permissions(
        &mut self,
        (stage, step): PermissionStageAndStep,
        resource: &str,
        context: &[(&str, &str)],
        optional: bool,
        actions: &[&'static str],
    ) {
        let context: Vec<_> =
            context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.0.extend(actions.iter().map(|&action| RequiredPermission {
            stage,
            step,
            action,
            resource: resource.to_owned(),
            context: context.clone(),
            optional,
        }));
    }
}

impl PermissionTable {
    /// Adds what a role and its inline policy need: to be made, found and kept right.
    pub fn add_role_and_policy_permissions(
        &mut self,
        make: PermissionStageAndStep,
        policy: PermissionStageAndStep,
        role: &str,
    ) {
        self.add_required_actions(
            make,
            role,
            &["iam:CreateRole", "iam:GetRole", "iam:TagRole", "iam:UpdateAssumeRolePolicy"],
        );
        self.add_required_actions(policy, role, &["iam:GetRolePolicy", "iam:PutRolePolicy"]);
    }
}

fn add_access_stage_permissions(table: &mut PermissionTable, bucket: &str, objects: &str, account: &str) {
    let place = (RunStage::Access, StageStep::Bucket);
    table.add_required_actions(place, bucket, &["s3:ListBucket"]);
    table.add_required_actions(place, objects, &["s3:GetObject"]);
    table.add_optional_permissions(
        place,
        bucket,
        &[
            // Only where S3's answer to HeadBucket names no region; AWS's does.
            "s3:GetBucketLocation",
            "s3:GetBucketOwnershipControls",
            "s3:GetBucketPolicy",
            // Where the policy is public, or objects may have ACLs; the account's beside it.
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketRequestPayment",
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
        ],
    );
    table.add_optional_permissions(place, "*", &["s3:GetAccountPublicAccessBlock", "s3:ListAllMyBuckets"]);
    let place = (RunStage::Access, StageStep::Permissions);
    table.add_optional_permissions(
        place,
        &format!("arn:aws:iam::{account}:*"),
        &["iam:SimulatePrincipalPolicy"],
    );
    table.add_optional_permissions(place, "*", &["lambda:GetAccountSettings"]);
}

fn add_reindex_permissions(table: &mut PermissionTable, bucket: &str, objects: &str) {
    let place = (RunStage::Reindex, StageStep::Objects);
    // What copies set off; where it can't be read, the plan says so.
    table.add_optional_permissions(
        place,
        bucket,
        &["s3:GetBucketNotification", "s3:GetReplicationConfiguration"],
    );
    table.add_required_actions(place, objects, &["s3:GetObject", "s3:PutObject"]);
    table.add_optional_permissions(
        place,
        objects,
        &[
            "s3:AbortMultipartUpload",
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

fn add_permissions_for_managing_roles(table: &mut PermissionTable, names: &ResourceNames, account: &str) {
    let role = format!("arn:aws:iam::{account}:role/{}", names.function_role_name());
    let make = (RunStage::Bootstrap, StageStep::Role);
    table.add_role_and_policy_permissions(make, (RunStage::Bootstrap, StageStep::RolePolicy), &role);
    let passed = [("iam:PassedToService", "lambda.amazonaws.com")];
    table.add_permissions(
        (RunStage::Bootstrap, StageStep::Function),
        &role,
        &passed,
        false,
        &["iam:PassRole"],
    );
    for service in ["replicator.lambda.amazonaws.com", "logger.cloudfront.amazonaws.com"] {
        let linked = format!("arn:aws:iam::{account}:role/aws-service-role/{service}/*");
        let named = [("iam:AWSServiceName", service)];
        table.add_permissions(make, &linked, &named, false, &["iam:CreateServiceLinkedRole"]);
        table.add_optional_permissions(make, &linked, &["iam:GetRole"]);
    }
}

fn add_kms_key_permissions(table: &mut PermissionTable, names: &ResourceNames, account: &str) {
    let key = format!("arn:aws:kms:{EDGE_REGION}:{account}:key/*");
    let alias = format!("arn:aws:kms:{EDGE_REGION}:{account}:{}", names.kms_alias_name());
    let tag = format!("aws:RequestTag/{MARKER_TAG}");
    let cost = format!("aws:RequestTag/{COST_TAG}");
    let tagged = [(tag.as_str(), names.bucket_name()), (cost.as_str(), names.bucket_name())];
    let make = (RunStage::Bootstrap, StageStep::Key);
    table.add_permissions(make, "*", &tagged, false, &["kms:CreateKey"]);
    table.add_permissions(make, &key, &tagged, false, &["kms:TagResource"]);
    // KMS makes no key whose policy its maker couldn't put later; none of its tags counts then (aws-facts section 10).
    table.add_required_actions(make, &key, &["kms:PutKeyPolicy"]);
    table.add_required_actions(make, "*", &["kms:ListKeys"]);
    // Only where a key carries our tags and our alias isn't there: whether another install's is.
    table.add_optional_permissions(make, "*", &["kms:ListAliases"]);
    table.add_required_actions(make, &key, &["kms:DescribeKey", "kms:ListResourceTags"]);
    // The key is asked for by its alias: where there is none yet, there is no key's ARN to weigh either.
    table.add_optional_permissions(make, &alias, &["kms:DescribeKey"]);
    // An alias is asked for on both ends.
    table.add_required_actions((RunStage::Bootstrap, StageStep::KeyAlias), &key, &["kms:CreateAlias"]);
    table.add_required_actions((RunStage::Bootstrap, StageStep::KeyAlias), &alias, &["kms:CreateAlias"]);
    let policy = ["kms:GetKeyPolicy", "kms:PutKeyPolicy"];
    table.add_required_actions((RunStage::Bootstrap, StageStep::KeyPolicy), &key, &policy);
    // A fresh key's tags count minutes later; the context is in the request.
    let context = encryption_context_condition_key();
    let bound = [(context.as_str(), names.bucket_name())];
    table.add_permissions((RunStage::Bootstrap, StageStep::SelfTest), &key, &bound, false, &["kms:Encrypt"]);
}

fn add_function_permissions(table: &mut PermissionTable, names: &ResourceNames, account: &str) {
    let function =
        format!("arn:aws:lambda:{EDGE_REGION}:{account}:function:{}", names.lambda_function_name());
    let versions = format!("{function}:*");
    // Where the function stands a secret is never made anew. Without ListTags GetFunction leaves the tags out, and a
    // function of ours would look like somebody's.
    table.add_required_actions(
        (RunStage::Secret, StageStep::Secret),
        &function,
        &["lambda:GetFunction", "lambda:ListTags"],
    );
    table.add_required_actions(
        (RunStage::Bootstrap, StageStep::Function),
        &function,
        &[
            "lambda:CreateFunction",
            "lambda:GetFunctionConfiguration",
            "lambda:ListVersionsByFunction",
            "lambda:TagResource",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
        ],
    );
    let publish = (RunStage::Bootstrap, StageStep::FunctionVersion);
    table.add_required_actions(publish, &function, &["lambda:PublishVersion"]);
    table.add_required_actions(publish, &versions, &["lambda:GetFunctionConfiguration"]);
    // A version is invoked before it is associated; whoever may not goes on without that proof.
    let associate = (RunStage::Distribution, StageStep::Distribution);
    table.add_optional_permissions(associate, &function, &["lambda:InvokeFunction"]);
    table.add_optional_permissions(associate, &versions, &["lambda:InvokeFunction"]);
    // CloudFront asks these in the caller's name, of the version's ARN, never the function's; the asterisk belongs to
    // the action's name.
    table.add_required_actions(
        associate,
        &versions,
        &["lambda:DisableReplication*", "lambda:EnableReplication*", "lambda:GetFunction"],
    );
}

fn add_origin_access_iam_permissions(table: &mut PermissionTable) {
    let place = (RunStage::Bootstrap, StageStep::OriginAccess);
    let identities = [
        "cloudfront:CreateCloudFrontOriginAccessIdentity",
        "cloudfront:ListCloudFrontOriginAccessIdentities",
    ];
    table.add_required_actions(place, "*", &identities);
    let controls = ["cloudfront:CreateOriginAccessControl", "cloudfront:ListOriginAccessControls"];
    table.add_optional_permissions(place, "*", &controls);
}

fn format_distribution_arn_pattern(account: &str) -> String {
    format!("arn:aws:cloudfront::{account}:distribution/*")
}

fn add_distribution_permissions(table: &mut PermissionTable, account: &str) {
    table.add_required_actions(
        (RunStage::Distribution, StageStep::CachePolicy),
        "*",
        &[
            "cloudfront:CreateCachePolicy",
            "cloudfront:GetCachePolicy",
            "cloudfront:ListCachePolicies",
            "cloudfront:UpdateCachePolicy",
        ],
    );
    let place = (RunStage::Distribution, StageStep::Distribution);
    table.add_required_actions(place, "*", &["cloudfront:ListDistributions"]);
    table.add_required_actions(
        place,
        &format_distribution_arn_pattern(account),
        &[
            "cloudfront:CreateDistribution",
            "cloudfront:GetDistributionConfig",
            "cloudfront:TagResource",
            "cloudfront:UpdateDistribution",
        ],
    );
    // A domain of one's own, and objects under a KMS key of one's own.
    let certificate = (RunStage::Distribution, StageStep::Certificate);
    table.add_optional_permissions(certificate, "*", &["acm:ListCertificates"]);
    let certificates = format!("arn:aws:acm:{EDGE_REGION}:{account}:certificate/*");
    table.add_optional_permissions(certificate, &certificates, &["acm:DescribeCertificate"]);
    let keys = format!("arn:aws:kms:*:{account}:key/*");
    table.add_optional_permissions(
        (RunStage::Distribution, StageStep::ObjectsKey),
        &keys,
        &["kms:DescribeKey", "kms:GetKeyPolicy"],
    );
    // A distribution that is Deployed as soon as it is made is not waited for: then the bucket policy asks first.
    table.add_required_actions(
        (RunStage::Distribution, StageStep::Deployed),
        &format_distribution_arn_pattern(account),
        &["cloudfront:GetDistribution"],
    );
}

/// Before the bucket is opened, every distribution that could read it is looked at once more, with whose it is; and
/// the identities that its policy names.
fn add_bucket_policy_iam_permissions(table: &mut PermissionTable, bucket: &str, account: &str) {
    let place = (RunStage::Distribution, StageStep::BucketPolicy);
    table.add_required_actions(place, bucket, &["s3:GetBucketPolicy", "s3:PutBucketPolicy"]);
    let looked_at = ["cloudfront:GetDistribution", "cloudfront:ListTagsForResource"];
    table.add_required_actions(place, &format_distribution_arn_pattern(account), &looked_at);
    table.add_required_actions(place, "*", &["cloudfront:ListCloudFrontOriginAccessIdentities"]);
}
