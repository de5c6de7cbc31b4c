//! What AWS's service models hold the members of a request to: their type, length, range and enum.
//!
//! From the models of botocore, for the operations that are played; a member is bounded alike wherever it stands. What a
//! service says in words of its own, such as of a function's name, stands with the service. The words of a type that isn't
//! the model's are those of AWS's JSON protocols, those of a broken bound are recorded.

use serde_json::Value;

use super::{SandboxAwsError, query::AwsQueryForm};
use crate::sandbox::service::SandboxService;

/// What a member may be.
#[derive(Debug, Clone, Copy)]
enum MemberBound {
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

const KMS_MEMBERS: &[(&str, MemberBound)] = &[
    ("AliasName", Text(1, 256)),
    ("BypassPolicyLockoutSafetyCheck", Flag),
    ("CiphertextBlob", Text(0, ANY)),
    ("CustomKeyStoreId", Text(1, 64)),
    (
        "CustomerMasterKeySpec",
        Choice(&[
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
        ]),
    ),
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
    (
        "KeySpec",
        Choice(&[
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
        ]),
    ),
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
    ("FunctionVersion", Text(0, ANY)),
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

fn list_members(service: SandboxService) -> &'static [(&'static str, MemberBound)] {
    match service {
        SandboxService::Acm => ACM_MEMBERS,
        SandboxService::Iam => IAM_MEMBERS,
        SandboxService::Kms => KMS_MEMBERS,
        SandboxService::Lambda => LAMBDA_MEMBERS,
        SandboxService::Sts => STS_MEMBERS,
        _ => &[],
    }
}

/// Holds the members of a JSON document to their types and bounds.
///
/// # Errors
/// Refuses as AWS does: another type as one that can't be read, then all broken bounds together.
pub fn check_json_members(service: SandboxService, input: &Value) -> Result<(), SandboxAwsError> {
    if !input.is_object() {
        return Err(SandboxAwsError::new(
            400,
            "SerializationException",
            "Start of structure or map found where not expected.",
        ));
    }
    let given: Vec<(&str, MemberBound, &Value)> = list_members(service)
        .iter()
        .map(|(name, bound)| (*name, *bound, &input[*name]))
        .filter(|(_, _, value)| !value.is_null())
        .collect();
    for (_, bound, value) in &given {
        if let Some(message) = describe_other_type(*bound, value) {
            return Err(SandboxAwsError::new(400, "SerializationException", message));
        }
    }
    let broken = given.into_iter().filter_map(|(name, bound, value)| match value {
        Value::String(text) => describe_broken_text(name, bound, text),
        Value::Number(number) => {
            number.as_i64().and_then(|number| describe_broken_number(name, bound, number))
        }
        _ => None,
    });
    refuse_broken("ValidationException", &broken.collect::<Vec<_>>())
}

/// Holds the fields of a form to their bounds.
///
/// # Errors
/// Refuses as IAM and STS do.
pub fn check_form_fields(service: SandboxService, form: &AwsQueryForm) -> Result<(), SandboxAwsError> {
    let find = |name: &str| form.find_form_field(name);
    check_text_fields("ValidationError", service, find)
}

/// Holds the parameters of a query to their bounds, read by `find`.
///
/// # Errors
/// Refuses what is out of them, by `code`.
pub fn check_text_fields<'t>(
    code: &str,
    service: SandboxService,
    find: impl Fn(&str) -> Option<&'t str>,
) -> Result<(), SandboxAwsError> {
    let broken = list_members(service).iter().filter_map(|(name, bound)| {
        let text = find(name)?;
        match bound {
            Whole(..) => match text.parse() {
                Ok(number) => describe_broken_number(name, *bound, number),
                Err(_) => Some(format!("Value '{text}' at '{}' is no number", name_member(name))),
            },
            _ => describe_broken_text(name, *bound, text),
        }
    });
    refuse_broken(code, &broken.collect::<Vec<_>>())
}

fn refuse_broken(code: &str, broken: &[String]) -> Result<(), SandboxAwsError> {
    if broken.is_empty() {
        return Ok(());
    }
    let plural = if broken.len() == 1 { "error" } else { "errors" };
    let message = format!("{} validation {plural} detected: {}", broken.len(), broken.join("; "));
    Err(SandboxAwsError::new(400, code, message))
}

/// `keyId`, of `KeyId`: as AWS's messages spell a member.
fn name_member(name: &str) -> String {
    name[..1].to_lowercase() + &name[1..]
}

fn describe_other_type(bound: MemberBound, value: &Value) -> Option<String> {
    let (fits, wanted) = match bound {
        Text(..) | Choice(_) => (value.is_string(), "a String"),
        Whole(..) => (value.is_number(), "an Integer"),
        Flag => (value.is_boolean(), "a Boolean"),
        Many => (value.is_array(), ""),
        Group => (value.is_object(), ""),
    };
    if fits {
        return None;
    }
    let found = match value {
        Value::String(_) => "STRING_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        _ => return Some("Start of structure or map found where not expected.".to_owned()),
    };
    Some(if wanted.is_empty() {
        "Unexpected token received from parser".to_owned()
    } else {
        format!("{found} can not be converted to {wanted}")
    })
}

fn describe_broken_text(name: &str, bound: MemberBound, text: &str) -> Option<String> {
    let constraint = match bound {
        Text(_, most) if text.chars().count() > most => {
            format!("Member must have length less than or equal to {most}")
        }
        Text(least, _) if text.chars().count() < least => {
            format!("Member must have length greater than or equal to {least}")
        }
        Choice(known) if !known.contains(&text) => {
            format!("Member must satisfy enum value set: [{}]", known.join(", "))
        }
        _ => return None,
    };
    Some(format!("Value '{text}' at '{}' failed to satisfy constraint: {constraint}", name_member(name)))
}

fn describe_broken_number(name: &str, bound: MemberBound, number: i64) -> Option<String> {
    let constraint = match bound {
        Whole(_, most) if number > most => format!("Member must have value less than or equal to {most}"),
        Whole(least, _) if number < least => {
            format!("Member must have value greater than or equal to {least}")
        }
        _ => return None,
    };
    Some(format!("Value '{number}' at '{}' failed to satisfy constraint: {constraint}", name_member(name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_held_to_their_types_and_bounds() {
        for (input, expected) in [
            (json!({"KeyId": "k", "Limit": 5}), None),
            (json!({"KeyId": null}), None),
            (json!([]), Some("SerializationException")),
            (json!({"KeyId": 5}), Some("SerializationException")),
            (json!({"Tags": {}}), Some("SerializationException")),
            (json!({"Limit": {"a": "b"}}), Some("SerializationException")),
            (json!({"Limit": 0}), Some("ValidationException")),
            (json!({"KeyId": ""}), Some("ValidationException")),
            (json!({"Description": "d".repeat(8193)}), Some("ValidationException")),
            (json!({"KeyUsage": "NONE"}), Some("ValidationException")),
        ] {
            let judged = check_json_members(SandboxService::Kms, &input);
            assert_eq!(judged.err().map(|error| error.code).as_deref(), expected, "{input}");
        }
    }

    #[test]
    fn broken_bounds_are_said_together() {
        let fields = [("MaxItems", "0"), ("RoleName", "")];
        let find = |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, text)| *text);
        assert_eq!(
            check_text_fields("ValidationError", SandboxService::Iam, find).unwrap_err().message,
            "2 validation errors detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '' at 'roleName' failed to satisfy constraint: Member must have length greater than or equal to 1"
        );
    }
}
