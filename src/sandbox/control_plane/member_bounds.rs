//! What AWS's service models hold the members of a request to: their type, length, range and enum.
//!
//! From the models of botocore, for the operations that are played; a member is bounded alike wherever it stands. What a
//! service says in words of its own, such as of a function's name, stands with the service.

use crate::{model::aws::played::is_played_aws_operation, sandbox::service::SandboxService};

/// What a member may be.
#[derive(Debug, Clone, Copy)]
pub enum MemberBound {
    /// A text of so many characters.
    Text(usize, usize),
    Choice(&'static [&'static str]),
    /// A whole number from one to another.
    Whole(i64, i64),
    Flag,
    /// A list.
    Many,
    /// A structure or a map.
    Group,
}

use MemberBound::{Choice, Flag, Group, Many, Text, Whole};

const ANY: usize = usize::MAX;

const ACM_MEMBERS: &[(&str, MemberBound)] = &[
    ("CertificateArn", Text(20, 2048)),
    ("CertificateAuthorityArn", Text(20, 2048)),
    ("CertificateKeyPairOrigins", Many),
    ("CertificateStatuses", Many),
    ("CertificateUsage", Choice(&["CLIENT_AND_SERVER_AUTH", "CLIENT_AUTH_ONLY"])),
    ("DomainName", Text(1, 253)),
    ("DomainValidationOptions", Many),
    ("IdempotencyToken", Text(1, 32)),
    ("Includes", Group),
    (
        "KeyAlgorithm",
        Choice(&[
            "RSA_1024",
            "RSA_2048",
            "RSA_3072",
            "RSA_4096",
            "EC_prime256v1",
            "EC_secp384r1",
            "EC_secp521r1",
        ]),
    ),
    ("ManagedBy", Choice(&["CLOUDFRONT"])),
    ("MaxItems", Whole(1, 1000)),
    ("NextToken", Text(1, 10_000)),
    ("Options", Group),
    ("RootHierarchyType", Choice(&["N2_AMAZON_MANAGED", "N2_SFG2_AMAZON_MANAGED"])),
    ("RootHierarchyTypes", Many),
    ("SortBy", Choice(&["CREATED_AT"])),
    ("SortOrder", Choice(&["ASCENDING", "DESCENDING"])),
    ("SubjectAlternativeNames", Many),
    ("Tags", Many),
    ("ValidationMethod", Choice(&["EMAIL", "DNS", "HTTP"])),
];

const IAM_MEMBERS: &[(&str, MemberBound)] = &[
    ("AWSServiceName", Text(1, 128)),
    ("AssumeRolePolicyDocument", Text(1, 131_072)),
    ("CallerArn", Text(1, 2048)),
    ("CustomSuffix", Text(1, 64)),
    ("Description", Text(0, 1000)),
    ("Marker", Text(1, 320)),
    ("MaxItems", Whole(1, 1000)),
    ("MaxSessionDuration", Whole(3600, 43_200)),
    ("MaxSigninSessionDuration", Whole(3600, 7_776_000)),
    ("Path", Text(1, 512)),
    ("PathPrefix", Text(1, 512)),
    ("PermissionsBoundary", Text(20, 2048)),
    ("PolicyDocument", Text(1, 131_072)),
    ("PolicyName", Text(1, 128)),
    ("PolicySourceArn", Text(20, 2048)),
    ("ResourceHandlingOption", Text(1, 64)),
    ("ResourceOwner", Text(1, 2048)),
    ("ResourcePolicy", Text(1, 131_072)),
    ("RoleName", Text(1, 64)),
    ("UserName", Text(1, 128)),
];

/// The kinds of keys, in the order in which KMS names them.
const KEY_SPECS: &[&str] = &[
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "SYMMETRIC_DEFAULT",
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
    "SM2",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
];
/// Those that `CustomerMasterKeySpec` has, the name of `KeySpec` before it.
const FORMER_KEY_SPECS: &[&str] = KEY_SPECS.split_at(13).0;

const KMS_MEMBERS: &[(&str, MemberBound)] = &[
    ("AliasName", Text(1, 256)),
    ("BypassPolicyLockoutSafetyCheck", Flag),
    ("CiphertextBlob", Text(0, ANY)),
    ("CustomKeyStoreId", Text(1, 64)),
    ("CustomerMasterKeySpec", Choice(FORMER_KEY_SPECS)),
    ("Description", Text(0, 8192)),
    ("DryRun", Flag),
    ("DryRunModifiers", Many),
    (
        "EncryptionAlgorithm",
        Choice(&["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"]),
    ),
    ("EncryptionContext", Group),
    ("GrantTokens", Many),
    ("KeyId", Text(1, 2048)),
    ("KeySpec", Choice(KEY_SPECS)),
    (
        "KeyUsage",
        Choice(&[
            "SIGN_VERIFY",
            "ENCRYPT_DECRYPT",
            "GENERATE_VERIFY_MAC",
            "KEY_AGREEMENT",
            "ENCAPSULATE_DECAPSULATE",
        ]),
    ),
    ("Limit", Whole(1, 1000)),
    ("Marker", Text(1, 1024)),
    ("MultiRegion", Flag),
    ("Origin", Choice(&["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"])),
    ("Plaintext", Text(0, ANY)),
    ("Policy", Text(1, 131_072)),
    ("PolicyName", Text(1, 128)),
    ("Recipient", Group),
    ("ResourceOwners", Many),
    ("Tags", Many),
    ("TargetKeyId", Text(1, 2048)),
    ("XksKeyId", Text(1, 128)),
];

const LAMBDA_MEMBERS: &[(&str, MemberBound)] = &[
    ("AcceleratorConfig", Group),
    ("Architectures", Many),
    ("CapacityProviderConfig", Group),
    ("Code", Group),
    ("CodeSha256", Text(0, ANY)),
    ("CodeSigningConfigArn", Text(0, 200)),
    ("DeadLetterConfig", Group),
    ("Description", Text(0, 256)),
    ("DryRun", Flag),
    ("DurableConfig", Group),
    ("Environment", Group),
    ("EphemeralStorage", Group),
    ("FileSystemConfigs", Many),
    ("FunctionName", Text(0, ANY)),
    ("FunctionVersion", Choice(&["ALL"])),
    ("Handler", Text(0, ANY)),
    ("ImageConfig", Group),
    ("ImageUri", Text(0, ANY)),
    ("KMSKeyArn", Text(0, 10_000)),
    ("Layers", Many),
    ("LoggingConfig", Group),
    ("Marker", Text(0, ANY)),
    ("MasterRegion", Text(1, 50)),
    ("MaxItems", Whole(1, 10_000)),
    ("MemorySize", Whole(128, 32_768)),
    ("PackageType", Choice(&["Zip", "Image"])),
    ("Publish", Flag),
    ("PublishTo", Choice(&["LATEST_PUBLISHED"])),
    ("Qualifier", Text(0, ANY)),
    ("RevisionId", Text(0, ANY)),
    ("Role", Text(0, ANY)),
    ("Runtime", Text(0, ANY)),
    ("RuntimeConfig", Group),
    ("S3Bucket", Text(3, 63)),
    ("S3Key", Text(1, 1024)),
    ("S3ObjectStorageMode", Choice(&["COPY", "REFERENCE"])),
    ("S3ObjectVersion", Text(1, 1024)),
    ("SnapStart", Group),
    ("SourceKMSKeyArn", Text(0, 10_000)),
    ("Tags", Group),
    ("TenancyConfig", Group),
    ("Timeout", Whole(1, 5400)),
    ("TracingConfig", Group),
    ("VpcConfig", Group),
    ("ZipFile", Text(0, ANY)),
];

const STS_MEMBERS: &[(&str, MemberBound)] = &[
    ("DurationSeconds", Whole(900, 43_200)),
    ("ExternalId", Text(2, 1224)),
    ("MinimumSessionTokenSize", Whole(0, 4096)),
    ("Policy", Text(1, ANY)),
    ("RoleArn", Text(20, 2048)),
    ("RoleSessionName", Text(2, 64)),
    ("SerialNumber", Text(9, 256)),
    ("SourceIdentity", Text(2, 64)),
    ("TokenCode", Text(6, 6)),
];

/// Lists what is bounded of an operation's members; of one that isn't played nothing is, since it is refused for that.
pub fn list_bounded_members(
    service: SandboxService,
    operation: &str,
) -> &'static [(&'static str, MemberBound)] {
    match service {
        _ if !is_played_aws_operation(service.sandbox_service_name(), operation) => &[],
        SandboxService::Acm => ACM_MEMBERS,
        SandboxService::Iam => IAM_MEMBERS,
        SandboxService::Kms => KMS_MEMBERS,
        SandboxService::Lambda => LAMBDA_MEMBERS,
        SandboxService::Sts => STS_MEMBERS,
        _ => &[],
    }
}
