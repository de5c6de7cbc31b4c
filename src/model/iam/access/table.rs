//! The table itself, a function for each thing that is made: the step, the resource, the actions.

use super::Need;
use crate::model::{
    aws::names::{COST_TAG, EDGE_REGION, MARKER_TAG, Names},
    iam::policy::encryption_context,
    run::goal::{Stage, Step},
};

/// All that any goal needs.
pub fn whole(names: &Names, account: &str) -> Vec<Need> {
    let mut table = Table::default();
    let bucket = format!("arn:aws:s3:::{}", names.bucket());
    let objects = format!("{bucket}/*");
    access(&mut table, &bucket, &objects, account);
    reindex(&mut table, &objects);
    role(&mut table, names, account);
    key(&mut table, names, account);
    function(&mut table, names, account);
    origin_access(&mut table);
    distribution(&mut table, account);
    grant(&mut table, &bucket, account);
    table.0
}

/// Where an action is needed.
pub(super) type Place = (Stage, Step);

#[derive(Default)]
pub(super) struct Table(Vec<Need>);

impl Table {
    pub fn done(self) -> Vec<Need> {
        self.0
    }

    pub fn on(&mut self, place: Place, resource: &str, actions: &[&'static str]) {
        self.add(place, resource, &[], false, actions);
    }

    fn if_used(&mut self, place: Place, resource: &str, actions: &[&'static str]) {
        self.add(place, resource, &[], true, actions);
    }

    pub fn add(
        &mut self,
        (stage, step): Place,
        resource: &str,
        context: &[(&str, &str)],
        optional: bool,
        actions: &[&'static str],
    ) {
        let context: Vec<_> =
            context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.0.extend(actions.iter().map(|&action| Need {
            stage,
            step,
            action,
            resource: resource.to_owned(),
            context: context.clone(),
            optional,
        }));
    }
}

impl Table {
    /// A role and its inline policy: made, found and kept right.
    pub fn role(&mut self, make: Place, policy: Place, role: &str) {
        self.on(make, role, &["iam:CreateRole", "iam:GetRole", "iam:TagRole", "iam:UpdateAssumeRolePolicy"]);
        self.on(policy, role, &["iam:GetRolePolicy", "iam:PutRolePolicy"]);
    }
}

fn access(table: &mut Table, bucket: &str, objects: &str, account: &str) {
    let place = (Stage::Access, Step::Bucket);
    table.on(place, bucket, &["s3:ListBucket"]);
    table.on(place, objects, &["s3:GetObject"]);
    table.if_used(
        place,
        bucket,
        &[
            // Only where S3's answer to HeadBucket names no region; AWS's does.
            "s3:GetBucketLocation",
            "s3:GetBucketOwnershipControls",
            "s3:GetBucketPolicy",
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
        ],
    );
    table.if_used(place, "*", &["s3:ListAllMyBuckets"]);
    let place = (Stage::Access, Step::Permissions);
    table.if_used(place, &format!("arn:aws:iam::{account}:*"), &["iam:SimulatePrincipalPolicy"]);
    table.if_used(place, "*", &["lambda:GetAccountSettings"]);
}

fn reindex(table: &mut Table, objects: &str) {
    let place = (Stage::Reindex, Step::Objects);
    table.on(place, objects, &["s3:GetObject", "s3:PutObject"]);
    table.if_used(
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

fn role(table: &mut Table, names: &Names, account: &str) {
    let role = format!("arn:aws:iam::{account}:role/{}", names.role());
    let make = (Stage::Bootstrap, Step::Role);
    table.role(make, (Stage::Bootstrap, Step::RolePolicy), &role);
    let passed = [("iam:PassedToService", "lambda.amazonaws.com")];
    table.add((Stage::Bootstrap, Step::Function), &role, &passed, false, &["iam:PassRole"]);
    for service in ["replicator.lambda.amazonaws.com", "logger.cloudfront.amazonaws.com"] {
        let linked = format!("arn:aws:iam::{account}:role/aws-service-role/{service}/*");
        let named = [("iam:AWSServiceName", service)];
        table.add(make, &linked, &named, false, &["iam:CreateServiceLinkedRole"]);
        table.if_used(make, &linked, &["iam:GetRole"]);
    }
}

fn key(table: &mut Table, names: &Names, account: &str) {
    let key = format!("arn:aws:kms:{EDGE_REGION}:{account}:key/*");
    let alias = format!("arn:aws:kms:{EDGE_REGION}:{account}:{}", names.alias());
    let tag = format!("aws:RequestTag/{MARKER_TAG}");
    let cost = format!("aws:RequestTag/{COST_TAG}");
    let tagged = [(tag.as_str(), names.bucket()), (cost.as_str(), names.bucket())];
    let make = (Stage::Bootstrap, Step::Key);
    table.add(make, "*", &tagged, false, &["kms:CreateKey"]);
    table.add(make, &key, &tagged, false, &["kms:TagResource"]);
    table.on(make, "*", &["kms:ListKeys"]);
    // Only where a key carries our tags and our alias isn't there: whether another install's is.
    table.if_used(make, "*", &["kms:ListAliases"]);
    table.on(make, &key, &["kms:DescribeKey", "kms:ListResourceTags"]);
    // The key is asked for by its alias: where there is none yet, there is no key's ARN to weigh either.
    table.if_used(make, &alias, &["kms:DescribeKey"]);
    // An alias is asked for on both ends.
    table.on((Stage::Bootstrap, Step::KeyAlias), &key, &["kms:CreateAlias"]);
    table.on((Stage::Bootstrap, Step::KeyAlias), &alias, &["kms:CreateAlias"]);
    table.on((Stage::Bootstrap, Step::KeyPolicy), &key, &["kms:GetKeyPolicy"]);
    let marker = format!("aws:ResourceTag/{MARKER_TAG}");
    let ours = [(marker.as_str(), names.bucket())];
    table.add((Stage::Bootstrap, Step::KeyPolicy), &key, &ours, false, &["kms:PutKeyPolicy"]);
    // A fresh key's tags count minutes later; the context is in the request.
    let context = encryption_context();
    let bound = [(context.as_str(), names.bucket())];
    table.add((Stage::Bootstrap, Step::SelfTest), &key, &bound, false, &["kms:Encrypt"]);
}

fn function(table: &mut Table, names: &Names, account: &str) {
    let function = format!("arn:aws:lambda:{EDGE_REGION}:{account}:function:{}", names.function());
    let versions = format!("{function}:*");
    // Where the function stands a secret is never made anew. Without ListTags GetFunction leaves the tags out, and a
    // function of ours would look like somebody's.
    table.on((Stage::Secret, Step::Secret), &function, &["lambda:GetFunction", "lambda:ListTags"]);
    table.on(
        (Stage::Bootstrap, Step::Function),
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
    let publish = (Stage::Bootstrap, Step::FunctionVersion);
    table.on(publish, &function, &["lambda:PublishVersion"]);
    table.on(publish, &versions, &["lambda:GetFunctionConfiguration"]);
    // CloudFront asks these in the caller's name, of the version's ARN, never the function's; the asterisk belongs to
    // the action's name.
    table.on(
        (Stage::Distribution, Step::Distribution),
        &versions,
        &["lambda:DisableReplication*", "lambda:EnableReplication*", "lambda:GetFunction"],
    );
}

fn origin_access(table: &mut Table) {
    let place = (Stage::Bootstrap, Step::OriginAccess);
    let identities = [
        "cloudfront:CreateCloudFrontOriginAccessIdentity",
        "cloudfront:ListCloudFrontOriginAccessIdentities",
    ];
    table.on(place, "*", &identities);
    let controls = ["cloudfront:CreateOriginAccessControl", "cloudfront:ListOriginAccessControls"];
    table.if_used(place, "*", &controls);
}

fn distributions(account: &str) -> String {
    format!("arn:aws:cloudfront::{account}:distribution/*")
}

fn distribution(table: &mut Table, account: &str) {
    table.on(
        (Stage::Distribution, Step::CachePolicy),
        "*",
        &[
            "cloudfront:CreateCachePolicy",
            "cloudfront:GetCachePolicy",
            "cloudfront:ListCachePolicies",
            "cloudfront:UpdateCachePolicy",
        ],
    );
    let place = (Stage::Distribution, Step::Distribution);
    table.on(place, "*", &["cloudfront:ListDistributions"]);
    table.on(
        place,
        &distributions(account),
        &[
            "cloudfront:CreateDistribution",
            "cloudfront:GetDistributionConfig",
            "cloudfront:TagResource",
            "cloudfront:UpdateDistribution",
        ],
    );
    // A domain of one's own, and objects under a KMS key of one's own.
    let certificate = (Stage::Distribution, Step::Certificate);
    table.if_used(certificate, "*", &["acm:ListCertificates"]);
    let certificates = format!("arn:aws:acm:{EDGE_REGION}:{account}:certificate/*");
    table.if_used(certificate, &certificates, &["acm:DescribeCertificate"]);
    let keys = format!("arn:aws:kms:*:{account}:key/*");
    table.if_used((Stage::Distribution, Step::ObjectsKey), &keys, &["kms:DescribeKey", "kms:GetKeyPolicy"]);
    // A distribution that is Deployed as soon as it is made is not waited for: then the bucket policy asks first.
    table.on((Stage::Distribution, Step::Deployed), &distributions(account), &["cloudfront:GetDistribution"]);
}

/// Before the bucket is opened, every distribution that could read it is looked at once more, with whose it is; and
/// the identities that its policy names.
fn grant(table: &mut Table, bucket: &str, account: &str) {
    let place = (Stage::Distribution, Step::BucketPolicy);
    table.on(place, bucket, &["s3:GetBucketPolicy", "s3:PutBucketPolicy"]);
    let looked_at = ["cloudfront:GetDistribution", "cloudfront:ListTagsForResource"];
    table.on(place, &distributions(account), &looked_at);
    table.on(place, "*", &["cloudfront:ListCloudFrontOriginAccessIdentities"]);
}
