//! The bucket policy: our two statements, merged into what stands by their Sids, and compared with it by meaning.
//!
//! A policy that AWS would refuse, for its size or a deleted principal, is refused before anything is written.

use serde_json::{Value, json};

use super::{
    build_policy_document, find_deleted_principals, meaning, merge_policy_statements, parse_policy_json,
};
use crate::model::{aws::names::ResourceNames, failure::Failure};

/// S3's limit for a bucket policy, in bytes.
const BUCKET_POLICY_MAX_BYTES: usize = 20 * 1024;

/// How CloudFront reads the bucket, as a bucket policy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudFrontBucketReader<'a> {
    /// The identity: its `E…` id and its canonical user id.
    Identity { id: &'a str, canonical_user: &'a str },
    /// A control, for one distribution.
    Distribution { arn: &'a str },
}

/// Returns the two statements: reading objects, and listing, so that an absent key is a 404 and no 403.
#[must_use]
pub fn build_bucket_policy_statements(
    names: &ResourceNames,
    reader: CloudFrontBucketReader<'_>,
) -> [Value; 2] {
    build_bucket_statements_with_sids(&our_bucket_statement_sids(names), names, reader)
}

fn our_bucket_statement_sids(names: &ResourceNames) -> [String; 2] {
    [names.object_read_statement_sid(), names.bucket_list_statement_sid()]
}

/// What the statements of the next reader are called while the one before must go on reading.
fn build_next_bucket_reader_sids(names: &ResourceNames) -> [String; 2] {
    our_bucket_statement_sids(names).map(|sid| format!("{sid}Next"))
}

fn build_bucket_statements_with_sids(
    sids: &[String; 2],
    names: &ResourceNames,
    reader: CloudFrontBucketReader<'_>,
) -> [Value; 2] {
    let bucket = format!("arn:aws:s3:::{}", names.bucket_name());
    let one = |sid: &str, action: &str, resource: &str| match reader {
        CloudFrontBucketReader::Identity { canonical_user, .. } => json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": { "CanonicalUser": canonical_user },
            "Action": action,
            "Resource": resource,
        }),
        // By the distribution alone, as AWS's own examples: that CloudFront says an account too isn't established
        // (aws-facts section 10).
        CloudFrontBucketReader::Distribution { arn } => json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": { "Service": "cloudfront.amazonaws.com" },
            "Action": action,
            "Resource": resource,
            "Condition": { "StringEquals": { "aws:SourceArn": arn } },
        }),
    };
    [one(&sids[0], "s3:GetObject", &format!("{bucket}/*")), one(&sids[1], "s3:ListBucket", &bucket)]
}

/// Returns `standing` with our two statements, and none of a next reader; the same text where it grants just that
/// already.
///
/// # Errors
/// Where the result is over 20 KB, or a statement that isn't ours names a deleted principal.
pub fn merge_bucket_policy(
    standing: Option<&str>,
    names: &ResourceNames,
    reader: CloudFrontBucketReader<'_>,
) -> Result<String, Failure> {
    let ours = build_bucket_policy_statements(names, reader);
    let new = match standing {
        None => build_policy_document(&ours),
        Some(text)
            if grants_cloudfront_read_access(standing, names, reader)
                && !has_pending_origin_access_statements(standing, names) =>
        {
            return Ok(text.to_owned());
        }
        Some(text) => {
            let mut new = merge_policy_statements(
                &parse_policy_json(text, &format_policy_label_from_names(names))?,
                &ours,
            );
            if let Some(all) = new["Statement"].as_array_mut() {
                all.retain(|one| !has_next_bucket_reader_sid(one, names));
            }
            new
        }
    };
    serialize_storable_bucket_policy(&new, names)
}

/// Returns `standing` with statements for `next` beside ours, so that the reader before goes on reading while the edges
/// change from one to the other. Where ours name nobody else, ours name `next`.
///
/// # Errors
/// As for [`merge_bucket_policy`].
pub fn add_new_bucket_reader_statements(
    standing: Option<&str>,
    names: &ResourceNames,
    next: CloudFrontBucketReader<'_>,
) -> Result<String, Failure> {
    let document = standing
        .map(|text| parse_policy_json(text, &format_policy_label_from_names(names)))
        .transpose()?
        .unwrap_or_default();
    let ours = our_bucket_statement_sids(names);
    let read_by_another = !grants_cloudfront_read_access(standing, names, next)
        && super::extract_policy_statements(&document)
            .iter()
            .any(|one| ours.iter().any(|sid| one["Sid"] == *sid));
    if !read_by_another {
        return merge_bucket_policy(standing, names, next);
    }
    serialize_storable_bucket_policy(
        &merge_policy_statements(
            &document,
            &build_bucket_statements_with_sids(&build_next_bucket_reader_sids(names), names, next),
        ),
        names,
    )
}

/// Returns whether statements of a next reader stand: a change of origin access is under way, or was broken off.
#[must_use]
pub fn has_pending_origin_access_statements(standing: Option<&str>, names: &ResourceNames) -> bool {
    let document = standing.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    super::extract_policy_statements(&document).iter().any(|one| has_next_bucket_reader_sid(one, names))
}

fn has_next_bucket_reader_sid(statement: &Value, names: &ResourceNames) -> bool {
    build_next_bucket_reader_sids(names).iter().any(|sid| statement["Sid"] == *sid)
}

fn format_policy_label_from_names(names: &ResourceNames) -> String {
    format!("the policy of bucket {}", names.bucket_name())
}

/// The document's text, where S3 takes it.
fn serialize_storable_bucket_policy(new: &Value, names: &ResourceNames) -> Result<String, Failure> {
    let what = format_policy_label_from_names(names);
    let gone = find_deleted_principals(new);
    if let Some(principal) = gone.first() {
        return Err(Failure::new_generic_failure(
            what,
            format!("it names {principal}, a principal that was deleted: S3 refuses to store it again"),
            "remove that principal in the S3 console, then try again",
        ));
    }
    let text = new.to_string();
    if text.len() > BUCKET_POLICY_MAX_BYTES {
        return Err(Failure::new_generic_failure(
            what,
            format!(
                "with our two statements it would have {} bytes, over S3's {BUCKET_POLICY_MAX_BYTES}",
                text.len()
            ),
            "shorten its other statements, then try again",
        ));
    }
    Ok(text)
}

/// Returns whether the bucket policy `standing` grants what [`build_bucket_policy_statements`] grant, to that reader alone, under
/// our Sids.
#[must_use]
pub fn grants_cloudfront_read_access(
    standing: Option<&str>,
    names: &ResourceNames,
    reader: CloudFrontBucketReader<'_>,
) -> bool {
    let identity = match reader {
        CloudFrontBucketReader::Identity { id, canonical_user } => vec![(id, canonical_user)],
        CloudFrontBucketReader::Distribution { .. } => Vec::new(),
    };
    let Some(Ok(standing)) = standing.map(serde_json::from_str::<Value>) else { return false };
    let all: Vec<Value> = super::extract_policy_statements(&standing)
        .iter()
        .map(|one| meaning::normalize_policy_statement(one, &identity))
        .collect();
    build_bucket_policy_statements(names, reader)
        .iter()
        .map(|one| meaning::normalize_policy_statement(one, &identity))
        .all(|one| all.contains(&one))
}

/// Returns the canonical users that the statements of our Sids name.
#[must_use]
pub fn find_our_canonical_users(document: &Value) -> Vec<String> {
    let ours =
        |one: &&Value| one["Sid"].as_str().is_some_and(|sid| sid.starts_with("PackagecloudCloudFront"));
    let all = meaning::normalize_policy_statements(document);
    let users = all.iter().filter(ours).filter_map(|one| one["Principal"]["CanonicalUser"].as_array());
    users.flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}
