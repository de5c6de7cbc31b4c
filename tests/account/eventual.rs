//! The rows of aws-facts section 4: what AWS answers while it doesn't agree with itself yet, by exact code and message, and how long that is waited for.

use std::time::Duration;

use packagecloud_cloudfront::sandbox::Sandbox;

/// One row: an operation, the code and message that AWS answers it with while it doesn't agree with itself yet.
pub struct EventualError {
    pub operation: &'static str,
    pub code: &'static str,
    pub message: &'static str,
    /// What is said while it is waited for.
    pub waits_for: &'static str,
    /// How long at most.
    pub most: Duration,
}

const fn eventual_error(
    operation: &'static str,
    code: &'static str,
    message: &'static str,
    waits_for: &'static str,
    most: u64,
) -> EventualError {
    EventualError { operation, code, message, waits_for, most: Duration::from_secs(most) }
}

pub const EVENTUAL_ERRORS: [EventualError; 14] = [
    // Lambda CreateFunction/UpdateConfig
    eventual_error(
        "lambda:CreateFunction",
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
        "the role to be assumable",
        300,
    ),
    eventual_error(
        "lambda:CreateFunction",
        "InvalidParameterValueException",
        "The provided execution role does not have permissions to call Encrypt on KMS",
        "the role to be assumable",
        300,
    ),
    eventual_error(
        "lambda:CreateFunction",
        "InvalidParameterValueException",
        "KMS key is invalid for CreateGrant",
        "the role to be assumable",
        300,
    ),
    // PublishVersion
    eventual_error(
        "lambda:PublishVersion",
        "ResourceConflictException",
        "The operation cannot be performed at this time. An update is in progress for resource: arn",
        "the role to be assumable",
        300,
    ),
    eventual_error(
        "lambda:PublishVersion",
        "ResourceConflictException",
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
        "the role to be assumable",
        300,
    ),
    // KMS CreateKey with a principal that is new
    eventual_error(
        "kms:CreateKey",
        "MalformedPolicyDocumentException",
        "Policy contains a statement with one or more invalid principals.",
        "KMS to know the key and its policy's principals",
        120,
    ),
    // KMS after create
    eventual_error(
        "kms:CreateAlias",
        "NotFoundException",
        "Key 'k' does not exist",
        "the key to be known to all of KMS",
        120,
    ),
    eventual_error(
        "kms:Encrypt",
        "NotFoundException",
        "Key 'k' does not exist",
        "the key to be known to all of KMS",
        120,
    ),
    // S3 PutBucketPolicy
    eventual_error(
        "s3:PutBucketPolicy",
        "MalformedPolicy",
        "Invalid principal in policy",
        "S3 to know the policy's principal and the bucket",
        180,
    ),
    eventual_error(
        "s3:PutBucketPolicy",
        "NoSuchBucket",
        "The specified bucket does not exist",
        "S3 to know the policy's principal and the bucket",
        180,
    ),
    // CloudFront: which Terraform does not retry, and we must, for these two variants only
    eventual_error(
        "cloudfront:CreateDistributionWithTags",
        "InvalidLambdaFunctionAssociation",
        "The function execution role must be assumable with edgelambda.amazonaws.com as well as lambda.amazonaws.com principals. Update the IAM role and try again. Role: r",
        "CloudFront to accept the function's version",
        300,
    ),
    eventual_error(
        "cloudfront:CreateDistributionWithTags",
        "InvalidLambdaFunctionAssociation",
        "The function must be in an Active state. The current state for function arn:1 is Pending",
        "CloudFront to accept the function's version",
        300,
    ),
    eventual_error(
        "cloudfront:CreateDistributionWithTags",
        "InvalidOriginAccessIdentity",
        "The specified origin access identity does not exist or is not valid.",
        "CloudFront to accept the function's version",
        300,
    ),
    // role_exists isn't enough: ten seconds more
    eventual_error(
        "iam:PutRolePolicy",
        "NoSuchEntity",
        "The role with name packagecloud_cloudfront_auth cannot be found.",
        "the role to be known to all of IAM",
        60,
    ),
];

/// A row of what has to be changed where it stands, and how somebody brought it there.
pub type ExistingResourceError = (EventualError, fn(&Sandbox));

pub const EXISTING_RESOURCE_ERRORS: [ExistingResourceError; 8] = [
    (
        eventual_error(
            "lambda:UpdateFunctionConfiguration",
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
            "the role to be assumable",
            300,
        ),
        enlarge_functions,
    ),
    (
        eventual_error(
            "lambda:UpdateFunctionConfiguration",
            "InvalidParameterValueException",
            "The provided execution role does not have permissions to call Encrypt on KMS",
            "the role to be assumable",
            300,
        ),
        enlarge_functions,
    ),
    (
        eventual_error(
            "lambda:UpdateFunctionConfiguration",
            "InvalidParameterValueException",
            "KMS key is invalid for CreateGrant",
            "the role to be assumable",
            300,
        ),
        enlarge_functions,
    ),
    (
        eventual_error(
            "lambda:UpdateFunctionConfiguration",
            "ResourceConflictException",
            "The operation cannot be performed at this time. An update is in progress for resource: arn",
            "the role to be assumable",
            300,
        ),
        enlarge_functions,
    ),
    (
        eventual_error(
            "lambda:UpdateFunctionCode",
            "ResourceConflictException",
            "The operation cannot be performed at this time. An update is in progress for resource: arn",
            "the function to be ready",
            300,
        ),
        enlarge_functions,
    ),
    // KMS PutKeyPolicy
    (
        eventual_error(
            "kms:PutKeyPolicy",
            "NotFoundException",
            "Key 'k' does not exist",
            "KMS to know the key and its policy's principals",
            120,
        ),
        open_key_policy,
    ),
    (
        eventual_error(
            "kms:PutKeyPolicy",
            "MalformedPolicyDocumentException",
            "Policy contains a statement with one or more invalid principals.",
            "KMS to know the key and its policy's principals",
            120,
        ),
        open_key_policy,
    ),
    // The same of UpdateDistribution as of a create.
    (
        eventual_error(
            "cloudfront:UpdateDistribution",
            "InvalidLambdaFunctionAssociation",
            "The function must be in an Active state. The current state for function arn:2 is Pending",
            "CloudFront to accept the function's version",
            300,
        ),
        enlarge_functions,
    ),
];

/// The function runs with more than it shall, and what its versions hold can't be told.
pub fn enlarge_functions(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        for function in state.lambda.functions.values_mut() {
            function.latest.memory = 256;
            for version in &mut function.versions {
                version.configuration.description.clear();
                version.of.description.clear();
            }
        }
    });
}

/// Whoever is root may do all with the key.
pub fn open_key_policy(world: &Sandbox) {
    let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"kms:*","Resource":"*"}]}"#;
    world.update_sandbox_state_on_disk(|state| {
        state.kms.keys.values_mut().for_each(|key| everything.clone_into(&mut key.policy));
    });
}
