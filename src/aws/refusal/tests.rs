//! Every code that AWS was seen to answer an operation of ours with has its class; every reason of a denial its own next move.

use super::*;

/// Codes as AWS gave them in recordings of S3, IAM, KMS and Lambda, where one of our operations can meet them, and
/// those that the models of CloudFront, ACM, STS and S3 Batch Operations list for the operations that we use.
const SEEN_CODES: &[(AwsRefusalClass, &[(&str, u16)])] = &[
    (
        AwsRefusalClass::Missing,
        &[
            ("NoSuchEntity", 404),
            ("NotFoundException", 400),
            ("ResourceNotFoundException", 404),
            ("NoSuchBucket", 404),
            ("NoSuchBucketPolicy", 404),
            ("ReplicationConfigurationNotFoundError", 404),
            ("NoSuchKey", 404),
            ("NoSuchUpload", 404),
            ("NoSuchVersion", 404),
            ("NoSuchPublicAccessBlockConfiguration", 404),
            ("ObjectLockConfigurationNotFoundError", 404),
            ("OwnershipControlsNotFoundError", 404),
            ("ServerSideEncryptionConfigurationNotFoundError", 404),
            ("NoSuchDistribution", 404),
            ("NoSuchCachePolicy", 404),
            ("NoSuchOriginAccessControl", 404),
            ("", 404),
        ],
    ),
    (
        AwsRefusalClass::Denied,
        &[("AccessDenied", 403), ("AccessDeniedException", 400), ("AccessDeniedException", 403), ("", 403)],
    ),
    (
        AwsRefusalClass::InvalidRequest,
        &[
            ("InvalidInput", 400),
            ("ValidationError", 400),
            ("ValidationException", 400),
            ("MalformedPolicyDocument", 400),
            ("MalformedPolicyDocumentException", 400),
            ("MalformedPolicy", 400),
            ("InvalidParameterValueException", 400),
            ("InvalidArgument", 400),
            ("InvalidRequest", 400),
            ("InvalidTag", 400),
            ("TagException", 400),
            ("InvalidPart", 400),
            ("InvalidPartOrder", 400),
            ("InvalidPartNumber", 416),
            ("InvalidRange", 416),
            ("InvalidStorageClass", 400),
            ("InvalidEncryptionAlgorithmError", 400),
            ("InvalidBucketName", 400),
            ("InvalidBucketOwnerAWSAccountID", 400),
            ("InvalidBucketState", 409),
            ("MalformedXML", 400),
            ("MalformedACLError", 400),
            ("MissingSecurityHeader", 400),
            ("UnexpectedContent", 400),
            ("EntityTooLarge", 400),
            ("EntityTooSmall", 400),
            ("InconsistentQuantities", 400),
            ("IllegalUpdate", 400),
            ("InvalidViewerCertificate", 400),
            ("InvalidLambdaFunctionAssociation", 400),
            ("InvalidOriginAccessIdentity", 400),
        ],
    ),
    (
        AwsRefusalClass::UnusableKey,
        &[
            ("DisabledException", 400),
            ("KMSInvalidStateException", 400),
            ("InvalidKeyUsageException", 400),
            ("InvalidCiphertextException", 400),
            ("IncorrectKeyException", 400),
            ("KMS.DisabledException", 400),
            ("KMS.KMSInvalidStateException", 400),
            ("KMS.NotFoundException", 400),
        ],
    ),
    (
        AwsRefusalClass::Quota,
        &[
            ("LimitExceededException", 400),
            ("LimitExceeded", 409),
            ("CodeStorageExceededException", 400),
            ("TooManyDistributions", 400),
            ("TooManyCachePolicies", 400),
            ("TooManyDistributionsAssociatedToCachePolicy", 400),
            ("TooManyDistributionsWithLambdaAssociations", 400),
            ("TooManyCloudFrontOriginAccessIdentities", 400),
        ],
    ),
    (
        AwsRefusalClass::ChangedMeanwhile,
        &[
            ("PreconditionFailed", 412),
            ("PreconditionFailedException", 412),
            ("InvalidIfMatchVersion", 400),
            ("ConditionalRequestConflict", 409),
            ("ResourceConflictException", 409),
            ("", 412),
        ],
    ),
    (
        AwsRefusalClass::AlreadyThere,
        &[
            ("AlreadyExistsException", 400),
            ("EntityAlreadyExists", 409),
            ("DistributionAlreadyExists", 409),
            ("CachePolicyAlreadyExists", 409),
            ("CNAMEAlreadyExists", 409),
        ],
    ),
    (
        AwsRefusalClass::Throttled,
        &[
            ("SlowDown", 503),
            ("Throttling", 400),
            ("ThrottlingException", 400),
            ("TooManyRequestsException", 429),
            ("RequestLimitExceeded", 503),
        ],
    ),
    (
        AwsRefusalClass::ServiceFault,
        &[
            ("InternalError", 500),
            ("InternalFailure", 500),
            ("KMSInternalException", 500),
            ("DependencyTimeoutException", 500),
            ("ServiceUnavailable", 503),
            ("RequestTimeout", 400),
            ("", 502),
        ],
    ),
    (AwsRefusalClass::Archived, &[("InvalidObjectState", 403), ("ObjectNotInActiveTierError", 403)]),
    (
        AwsRefusalClass::WrongRegion,
        &[
            ("AuthorizationHeaderMalformed", 400),
            ("IllegalLocationConstraintException", 400),
            ("PermanentRedirect", 301),
        ],
    ),
    (AwsRefusalClass::Unsupported, &[("MethodNotAllowed", 405), ("NotImplemented", 501), ("", 405)]),
    (
        AwsRefusalClass::DamagedOnTheWay,
        &[("BadDigest", 400), ("InvalidDigest", 400), ("RequestEntityTooLargeException", 413)],
    ),
    (AwsRefusalClass::ExpiredCredentials, &[("ExpiredToken", 403), ("ExpiredTokenException", 400)]),
    (
        AwsRefusalClass::BadCredentials,
        &[("InvalidClientTokenId", 403), ("InvalidAccessKeyId", 403), ("SignatureDoesNotMatch", 403)],
    ),
    (AwsRefusalClass::ClockSkew, &[("RequestTimeTooSkewed", 403)]),
];

#[test]
fn every_code_that_an_operation_of_ours_can_meet_has_its_class() {
    for (class, codes) in SEEN_CODES {
        for (code, status) in *codes {
            let found = classify_aws_refusal("s3:GetObject", code, "", *status);
            assert_eq!(found.class, *class, "{code} {status}");
            assert!(!found.next.is_empty(), "{code}");
        }
    }
    for (code, status) in [("SomethingNobodyForesaw", 400), ("", 400), ("NoSuchThingAsThis", 400)] {
        let found = classify_aws_refusal("s3:GetObject", code, "", status);
        assert_eq!(found.class, AwsRefusalClass::Unknown, "{code}");
        assert!(found.next.contains("request id"), "{}", found.next);
    }
}

/// What AWS says of a denial behind whom and what it denies, with the next move that fits it.
const REASONS_OF_A_DENIAL: &[(&str, AwsRefusalClass, &str)] = &[
    (
        "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
        AwsRefusalClass::Barred,
        "narrow or remove it",
    ),
    (
        "because public access control lists (ACLs) are prevented by the BlockPublicAcls setting in S3 Block Public Access.",
        AwsRefusalClass::Barred,
        "--no-acl",
    ),
    (
        "with an explicit deny in a service control policy",
        AwsRefusalClass::Denied,
        "a service control policy of the organization denies s3:PutBucketPolicy",
    ),
    (
        "because no service control policy allows the s3:PutBucketPolicy action",
        AwsRefusalClass::Denied,
        "administrator of AWS Organizations",
    ),
    (
        "with an explicit deny in a resource control policy",
        AwsRefusalClass::Denied,
        "a resource control policy of the organization",
    ),
    (
        "because no permissions boundary allows the s3:PutBucketPolicy action",
        AwsRefusalClass::Denied,
        "in the boundary too",
    ),
    (
        "because no session policy allows the s3:PutBucketPolicy action",
        AwsRefusalClass::Denied,
        "without a session policy",
    ),
    (
        "because no VPC endpoint policy allows the s3:PutBucketPolicy action",
        AwsRefusalClass::Denied,
        "the VPC endpoint that this host uses",
    ),
    (
        "with an explicit deny in a resource-based policy",
        AwsRefusalClass::Denied,
        "the resource's own policy",
    ),
    ("with an explicit deny in an identity-based policy", AwsRefusalClass::Denied, "remove that statement"),
    (
        "because no identity-based policy allows the s3:PutBucketPolicy action",
        AwsRefusalClass::Denied,
        "allow s3:PutBucketPolicy: attach the policy that `packagecloud-cloudfront check --policy` prints",
    ),
];

/// Refusals whose reason is in the message alone.
const REASONS_IN_A_MESSAGE: &[(&str, &str, AwsRefusalClass, &str)] = &[
    (
        "AccessDenied",
        "Your account must be verified before you can add new CloudFront resources. To verify your account, please contact AWS Support (https://console.aws.amazon.com/support/home#/) and include this error message.",
        AwsRefusalClass::Barred,
        "continues where it stopped",
    ),
    (
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
        AwsRefusalClass::Barred,
        "allow this identity kms:PutKeyPolicy",
    ),
    (
        "InvalidArgument",
        "You can't remove or replace the web ACL for your distribution. Distributions with a pricing plan subscription must have a web ACL resource.",
        AwsRefusalClass::Barred,
        "--name-suffix",
    ),
    (
        "AuthorizationHeaderMalformed",
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'",
        AwsRefusalClass::WrongRegion,
        "give --region eu-central-1",
    ),
    (
        "InvalidRequest",
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
        AwsRefusalClass::CustomerKey,
        "SSE-C",
    ),
];

#[test]
fn each_reason_of_a_denial_has_the_next_move_that_fits_it() {
    let denied = "User: arn:aws:iam::1:user/ops is not authorized to perform: s3:PutBucketPolicy on resource: \"arn:aws:s3:::b\"";
    let denials = REASONS_OF_A_DENIAL
        .iter()
        .map(|&(reason, class, next)| ("AccessDenied", format!("{denied} {reason}"), class, next));
    let others = REASONS_IN_A_MESSAGE
        .iter()
        .map(|&(code, message, class, next)| (code, message.to_owned(), class, next));
    for (code, message, class, next) in denials.chain(others) {
        let found = classify_aws_refusal("s3:CopyObject", code, &message, 403);
        assert_eq!(found.class, class, "{message}");
        assert!(found.next.contains(next), "{message}: {}", found.next);
    }
}

#[test]
fn what_is_denied_is_what_aws_names_and_else_what_was_asked() {
    let of_the_key = "User: arn:aws:iam::1:user/ops is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:1:key/k because no identity-based policy allows the kms:GenerateDataKey action";
    let next = |message| classify_aws_refusal("s3:PutObject", "AccessDenied", message, 403).next;
    assert!(next(of_the_key).starts_with("allow kms:GenerateDataKey: "));
    assert!(next("Access Denied").starts_with("allow s3:PutObject: "));
}

/// Where another row, or the status, has the same class, only the next move tells that its own row was found.
#[test]
fn a_code_with_a_row_of_its_own_has_that_rows_next_move() {
    use AwsRefusalClass::{
        AlreadyThere, BadCredentials, ChangedMeanwhile, Denied, InvalidRequest, Unsupported, WrongRegion,
    };
    for (code, message, status, class, next) in [
        ("AccessDenied", "", 403, Denied, "` prints, as a managed policy, then try again"),
        (
            "InvalidLambdaFunctionAssociation",
            "The caller lacks lambda:EnableReplication* on the function",
            400,
            Denied,
            "it allows lambda:EnableReplication* on the version",
        ),
        ("InvalidLambdaFunctionAssociation", "", 400, InvalidRequest, "repair the function"),
        ("OptInRequired", "", 403, BadCredentials, "finish the account's registration"),
        ("CNAMEAlreadyExists", "", 409, AlreadyThere, "take it off there first"),
        ("ResourceConflictException", "", 409, ChangedMeanwhile, "wait a minute, then look again"),
        ("InvalidViewerCertificate", "", 400, InvalidRequest, "it must be issued, in us-east-1"),
        ("MalformedPolicyDocument", "", 400, InvalidRequest, "look at the policy's principals"),
        ("RegionDisabledException", "", 403, WrongRegion, "enable this one under Account"),
        ("UnsupportedOperationException", "", 400, Unsupported, "an S3-compatible store may lack it"),
    ] {
        let said = classify_aws_refusal("s3:PutObject", code, message, status);
        assert_eq!(said.class, class, "{code}");
        assert!(said.next.contains(next), "{code}: {}", said.next);
    }
}
