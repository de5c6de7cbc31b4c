//! The bucket policy: our two statements, merged into what stands by their Sids, and compared with it by meaning.
//!
//! A policy that AWS would refuse, for its size or a deleted principal, is refused before anything is written.

use serde_json::{Value, json};

use super::{deleted_principals, document, meaning, merged, parse};
use crate::model::{aws::names::Names, run::failure::Failure};

/// S3's limit for a bucket policy, in bytes.
const LIMIT: usize = 20 * 1024;

/// How CloudFront reads the bucket, as a bucket policy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader<'a> {
    /// The identity: its `E…` id and its canonical user id.
    Identity { id: &'a str, canonical_user: &'a str },
    /// A control, for one distribution of one account.
    Distribution { arn: &'a str, account: &'a str },
}

/// The two statements: reading objects, and listing, so that an absent key is a 404 and no 403.
#[must_use]
pub fn bucket_statements(names: &Names, reader: Reader<'_>) -> [Value; 2] {
    named_statements(&sids(names), names, reader)
}

fn sids(names: &Names) -> [String; 2] {
    [names.read_sid(), names.list_sid()]
}

/// What the statements of the next reader are called while the one before must go on reading.
fn next_sids(names: &Names) -> [String; 2] {
    sids(names).map(|sid| format!("{sid}Next"))
}

fn named_statements(sids: &[String; 2], names: &Names, reader: Reader<'_>) -> [Value; 2] {
    let bucket = format!("arn:aws:s3:::{}", names.bucket());
    let one = |sid: &str, action: &str, resource: &str| match reader {
        Reader::Identity { canonical_user, .. } => json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": { "CanonicalUser": canonical_user },
            "Action": action,
            "Resource": resource,
        }),
        Reader::Distribution { arn, account } => json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": { "Service": "cloudfront.amazonaws.com" },
            "Action": action,
            "Resource": resource,
            "Condition": { "StringEquals": { "aws:SourceArn": arn, "aws:SourceAccount": account } },
        }),
    };
    [one(&sids[0], "s3:GetObject", &format!("{bucket}/*")), one(&sids[1], "s3:ListBucket", &bucket)]
}

/// `standing` with our two statements, and none of a next reader; the same text where it grants just that already.
///
/// # Errors
/// Where the result is over 20 KB, or a statement that isn't ours names a deleted principal.
pub fn merged_bucket_policy(
    standing: Option<&str>,
    names: &Names,
    reader: Reader<'_>,
) -> Result<String, Failure> {
    let ours = bucket_statements(names, reader);
    let new = match standing {
        None => document(&ours),
        Some(text) if grants(standing, names, reader) && !moving(standing, names) => {
            return Ok(text.to_owned());
        }
        Some(text) => {
            let mut new = merged(&parse(text, &what(names))?, &ours);
            if let Some(all) = new["Statement"].as_array_mut() {
                all.retain(|one| !of_next(one, names));
            }
            new
        }
    };
    fit(&new, names)
}

/// `standing` with statements for `next` beside ours, so that the reader before goes on reading while the edges change
/// from one to the other. Where ours name nobody else, ours name `next`.
///
/// # Errors
/// As for [`merged_bucket_policy`].
pub fn bucket_policy_for_both(
    standing: Option<&str>,
    names: &Names,
    next: Reader<'_>,
) -> Result<String, Failure> {
    let document = standing.map(|text| parse(text, &what(names))).transpose()?.unwrap_or_default();
    let ours = sids(names);
    let read_by_another = !grants(standing, names, next)
        && super::statements(&document).iter().any(|one| ours.iter().any(|sid| one["Sid"] == *sid));
    if !read_by_another {
        return merged_bucket_policy(standing, names, next);
    }
    fit(&merged(&document, &named_statements(&next_sids(names), names, next)), names)
}

/// Whether statements of a next reader stand: a change of origin access is under way, or was broken off.
#[must_use]
pub fn moving(standing: Option<&str>, names: &Names) -> bool {
    let document = standing.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    super::statements(&document).iter().any(|one| of_next(one, names))
}

fn of_next(statement: &Value, names: &Names) -> bool {
    next_sids(names).iter().any(|sid| statement["Sid"] == *sid)
}

fn what(names: &Names) -> String {
    format!("the policy of bucket {}", names.bucket())
}

/// The document's text, where S3 takes it.
fn fit(new: &Value, names: &Names) -> Result<String, Failure> {
    let what = what(names);
    let gone = deleted_principals(new);
    if let Some(principal) = gone.first() {
        return Err(Failure::other(
            what,
            format!("it names {principal}, a principal that was deleted: S3 refuses to store it again"),
            "remove that principal in the S3 console, then try again",
        ));
    }
    let text = new.to_string();
    if text.len() > LIMIT {
        return Err(Failure::other(
            what,
            format!("with our two statements it would have {} bytes, over S3's {LIMIT}", text.len()),
            "shorten its other statements, then try again",
        ));
    }
    Ok(text)
}

/// Whether the bucket policy `standing` grants what [`bucket_statements`] grant, to that reader alone, under our Sids.
#[must_use]
pub fn grants(standing: Option<&str>, names: &Names, reader: Reader<'_>) -> bool {
    let identity = match reader {
        Reader::Identity { id, canonical_user } => vec![(id, canonical_user)],
        Reader::Distribution { .. } => Vec::new(),
    };
    let Some(Ok(standing)) = standing.map(serde_json::from_str::<Value>) else { return false };
    let all: Vec<Value> =
        super::statements(&standing).iter().map(|one| meaning::normal_statement(one, &identity)).collect();
    bucket_statements(names, reader)
        .iter()
        .map(|one| meaning::normal_statement(one, &identity))
        .all(|one| all.contains(&one))
}

/// The canonical users that the statements of our Sids name.
#[must_use]
pub fn our_canonical_users(document: &Value) -> Vec<String> {
    let ours =
        |one: &&Value| one["Sid"].as_str().is_some_and(|sid| sid.starts_with("PackagecloudCloudFront"));
    let all = meaning::statements(document);
    let users = all.iter().filter(ours).filter_map(|one| one["Principal"]["CanonicalUser"].as_array());
    users.flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}
