//! Which documents of a bucket's settings S3 takes, and in what words it refuses the others.

use http::StatusCode;
use s3s::S3Result;

use super::{
    SandboxBucket,
    refusal::{build_bad_request_error, build_malformed_xml_error, build_s3_error_with_details},
};
use crate::sandbox::control_plane::xml::XmlElement;

/// Checks the document of a setting; returns it as it is kept.
///
/// # Errors
/// Refuses what S3 refuses.
pub fn check_bucket_setting(settings: &SandboxBucket, name: &str, text: String) -> S3Result<String> {
    let root = XmlElement::parse_xml(&text).map_err(|_| build_malformed_xml_error())?;
    match name {
        "versioning" => check_versioning(settings, &root)?,
        "encryption" => check_encryption(&root)?,
        "ownershipControls" => check_ownership(&root)?,
        "object-lock" => check_object_lock(settings, &root)?,
        "requestPayment" => check_choice(root.find_text_at_path("Payer"), &["Requester", "BucketOwner"])?,
        "accelerate" => check_choice(root.find_text_at_path("Status"), &["Enabled", "Suspended"])?,
        "publicAccessBlock" => return Ok(complete_public_access_block(root)),
        _ => {}
    }
    Ok(text)
}

fn check_choice(text: Option<&str>, choices: &[&str]) -> S3Result<()> {
    if text.is_some_and(|text| choices.contains(&text)) { Ok(()) } else { Err(build_malformed_xml_error()) }
}

fn check_versioning(settings: &SandboxBucket, root: &XmlElement) -> S3Result<()> {
    let Some(status) = root.find_text_at_path("Status") else {
        return Err(build_bad_request_error(
            "IllegalVersioningConfigurationException",
            "The Versioning element must be specified",
            &[],
        ));
    };
    check_choice(Some(status), &["Enabled", "Suspended"])?;
    if status == "Suspended" && settings.has_sandbox_bucket_setting_text("object-lock", "Enabled") {
        return Err(build_s3_error_with_details(
            "InvalidBucketState",
            StatusCode::CONFLICT,
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
            &[],
        ));
    }
    Ok(())
}

fn check_encryption(root: &XmlElement) -> S3Result<()> {
    let [rule] = root.children.as_slice() else { return Err(build_malformed_xml_error()) };
    let applied = "ApplyServerSideEncryptionByDefault";
    let algorithm = rule.find_text_at_path(&format!("{applied}/SSEAlgorithm"));
    check_choice(algorithm, &["AES256", "aws:kms", "aws:kms:dsse"])?;
    if algorithm == Some("AES256") && rule.find_text_at_path(&format!("{applied}/KMSMasterKeyID")).is_some() {
        return Err(build_bad_request_error(
            "InvalidArgument",
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            &[("ArgumentName", applied)],
        ));
    }
    Ok(())
}

fn check_ownership(root: &XmlElement) -> S3Result<()> {
    let [rule] = root.children.as_slice() else { return Err(build_malformed_xml_error()) };
    let choices = ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"];
    check_choice(rule.find_text_at_path("ObjectOwnership"), &choices)
}

fn check_object_lock(settings: &SandboxBucket, root: &XmlElement) -> S3Result<()> {
    check_choice(root.find_text_at_path("ObjectLockEnabled"), &["Enabled"])?;
    if let Some(rule) = root.find_child("Rule") {
        let retention = rule.find_child("DefaultRetention").ok_or_else(build_malformed_xml_error)?;
        check_choice(retention.find_text_at_path("Mode"), &["GOVERNANCE", "COMPLIANCE"])?;
        if retention.find_child("Days").is_some() == retention.find_child("Years").is_some() {
            return Err(build_malformed_xml_error());
        }
    }
    if settings.is_bucket_versioned() {
        return Ok(());
    }
    Err(build_s3_error_with_details(
        "InvalidBucketState",
        StatusCode::CONFLICT,
        "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        &[],
    ))
}

/// A setting that isn't said is off.
fn complete_public_access_block(mut root: XmlElement) -> String {
    for name in ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"] {
        root.add_child_if_missing(XmlElement::new_text_element(name, "false"));
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts of recorded answers.
    #[test]
    fn settings_are_refused_in_s3s_words() {
        let mut versioned = SandboxBucket::new("1", "us-east-1", 0);
        let plain = versioned.clone();
        versioned.settings.insert("versioning".into(), "<Status>Enabled</Status>".into());
        let mut locked = versioned.clone();
        locked.settings.insert("object-lock".into(), "<ObjectLockEnabled>Enabled</ObjectLockEnabled>".into());
        let applied = |inner: &str| {
            format!(
                "<Rule><ApplyServerSideEncryptionByDefault>{inner}</ApplyServerSideEncryptionByDefault></Rule>"
            )
        };
        let kms = applied("<SSEAlgorithm>aws:kms</SSEAlgorithm>");
        let both = applied("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>");
        let keeps = |inner: &str| {
            format!(
                "<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>{inner}</DefaultRetention></Rule>"
            )
        };
        for (bucket, name, inner, code, status) in [
            (&plain, "versioning", "<Status>enabled</Status>".to_owned(), "MalformedXML", 400),
            (&plain, "versioning", String::new(), "IllegalVersioningConfigurationException", 400),
            (&locked, "versioning", "<Status>Suspended</Status>".to_owned(), "InvalidBucketState", 409),
            (&plain, "encryption", String::new(), "MalformedXML", 400),
            (&plain, "encryption", kms.repeat(2), "MalformedXML", 400),
            (&plain, "encryption", both, "InvalidArgument", 400),
            (
                &plain,
                "ownershipControls",
                "<Rule><ObjectOwnership>Random</ObjectOwnership></Rule>".to_owned(),
                "MalformedXML",
                400,
            ),
            (
                &plain,
                "object-lock",
                "<ObjectLockEnabled>Enabled</ObjectLockEnabled>".to_owned(),
                "InvalidBucketState",
                409,
            ),
            (&versioned, "object-lock", keeps("<Mode>GOVERNANCE</Mode>"), "MalformedXML", 400),
            (
                &versioned,
                "object-lock",
                keeps("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"),
                "MalformedXML",
                400,
            ),
            (&plain, "requestPayment", "<Payer>Random</Payer>".to_owned(), "MalformedXML", 400),
        ] {
            let error = check_bucket_setting(bucket, name, format!("<Root>{inner}</Root>")).unwrap_err();
            let found = (error.code().as_str(), error.status_code().map(|status| status.as_u16()));
            assert_eq!(found, (code, Some(status)), "{name}: {inner}");
        }
        let block = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>";
        let kept = check_bucket_setting(&plain, "publicAccessBlock", block.to_owned()).unwrap();
        assert!(kept.contains("<RestrictPublicBuckets>false</RestrictPublicBuckets>"), "{kept}");
    }
}
