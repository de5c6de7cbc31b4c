//! What of the bucket decides how CloudFront may read it: region, ownership, versioning, encryption, policy, a sample of objects.

use futures::future::join_all;

use crate::engine::{resources::origin_access, session::Scene};
use crate::model::{
    aws::evidence::{BucketSeen, ObjectHead},
    iam::policy::{self, Reader, Shut},
    packagecloud::object,
    run::{answers::Answers, check::Check},
};

/// How many objects are looked at.
const SAMPLE: usize = 5;

pub fn checks(scene: &Scene) -> Vec<Check> {
    let bucket = &scene.bucket;
    let (known, of) = scene.sampled;
    let sampled = if of == 0 {
        "it is empty".to_owned()
    } else {
        format!("{known} of {of} sampled keys look like packagecloud's")
    };
    let mut checks = vec![Check::pass(
        "bucket",
        format!("{} in {}: {}; {sampled}", bucket.name, bucket.region, scene.evidence),
    )];
    checks.extend(settings(bucket));
    checks.push(bucket_policy(scene));
    checks.extend(
        bucket.unread.iter().map(|why| Check::unknown("bucket-settings", format!("cannot be read: {why}"))),
    );
    checks
}

fn settings(bucket: &BucketSeen) -> Vec<Check> {
    let mut checks = Vec::new();
    match bucket.object_ownership.as_str() {
        "" => {}
        "BucketOwnerEnforced" => {
            checks
                .push(Check::pass("bucket-ownership", "BucketOwnerEnforced: all objects are the account's"));
        }
        other => checks.push(Check::pass(
            "bucket-ownership",
            format!("{other}: objects may have ACLs, which a reindex keeps (--no-acl lets them go)"),
        )),
    }
    checks.push(match bucket.versioning.as_str() {
        "Enabled" => Check::pass(
            "bucket-versioning",
            "on: a reindex keeps the version before of each object it changes, and it is charged for",
        ),
        other => Check::pass("bucket-versioning", if other.is_empty() { "off" } else { "suspended" }),
    });
    match (bucket.encryption.as_str(), &bucket.kms_key) {
        ("", _) => {}
        (kms, None) if kms.starts_with("aws:kms") => checks.push(Check::unknown(
            "bucket-encryption",
            "new objects are encrypted under aws/s3, which CloudFront can't be given: set a key of your own, or SSE-S3, as the bucket's default before going live",
        )),
        (kms, Some(key)) if kms.starts_with("aws:kms") => checks.push(Check::pass(
            "bucket-encryption",
            format!("SSE-KMS under {key}: an origin access control is used, and that key's policy must let CloudFront decrypt"),
        )),
        (other, _) => checks.push(Check::pass("bucket-encryption", other.to_owned())),
    }
    checks
}

fn bucket_policy(scene: &Scene) -> Check {
    const NAME: &str = "bucket-policy";
    let names = &scene.names;
    let Some(text) = &scene.bucket.policy else {
        return Check::pass(NAME, "there is none yet");
    };
    // Which distribution it will be tells nothing of whether the document can be written.
    let arn = format!("arn:aws:cloudfront::{}:distribution/E1EXAMPLE23456", scene.account);
    let reader = Reader::Distribution { arn: &arn, account: &scene.account };
    if let Err(failure) = policy::merged_bucket_policy(Some(text), names, reader) {
        return Check::fail(NAME, failure.why, failure.next);
    }
    let shut = policy::parse(text, NAME).map(|document| policy::shut_out(&document, names.bucket()));
    let shut = shut.unwrap_or_default();
    if let Some(Shut::Out(why)) = shut.iter().find(|one| matches!(one, Shut::Out(_))) {
        return Check::fail(
            NAME,
            format!("{why}, to CloudFront too"),
            "except CloudFront from that statement: it reads from its own addresses, through no endpoint of yours and as no principal of yours",
        );
    }
    match shut.first() {
        Some(Shut::Perhaps(why)) => Check::unknown(
            NAME,
            format!("{why}: see that it doesn't deny CloudFront; going live tries it first"),
        ),
        _ => Check::pass(NAME, format!("{} of 20480 bytes; nothing in it shuts CloudFront out", text.len())),
    }
}

/// A few objects: how they are encrypted, and whether they can be read at once.
pub async fn objects(scene: &Scene, answers: &Answers) -> Check {
    const NAME: &str = "objects";
    let bucket = scene.names.bucket();
    let keys = match scene.listing().await {
        Ok(all) => {
            all.into_iter().map(|one| one.key).filter(|key| object::in_layout(key)).collect::<Vec<_>>()
        }
        Err(failure) => return Check::unknown(NAME, failure.why),
    };
    let step = keys.len().div_ceil(SAMPLE).max(1);
    let heads = join_all(
        keys.iter().step_by(step).map(async |key| (key, scene.cloud.object_head(bucket, key).await)),
    )
    .await;
    let of = heads.len();
    if of == 0 {
        return Check::unknown(NAME, "none is there yet to look at");
    }
    let control = Box::pin(origin_access::choose(scene, answers)).await.is_ok_and(|choice| choice.control);
    for (key, head) in heads {
        match head {
            // S3 answers so, without a word, where it wants a customer's key.
            Err(failure) if failure.code.as_deref() == Some("400") => {
                return Check::unknown(
                    NAME,
                    format!(
                        "{key} is encrypted with a customer's key (SSE-C): CloudFront can't read such objects, clients get 403 for them; copy them without one"
                    ),
                );
            }
            Err(failure) => return Check::unknown(NAME, format!("{key}: {}", failure.why)),
            Ok(Some(head)) => {
                if let Some(why) = unreadable(&head, control) {
                    return Check::unknown(NAME, format!("{key} {why}"));
                }
            }
            // It was deleted meanwhile.
            Ok(None) => {}
        }
    }
    Check::pass(
        NAME,
        format!("{of} looked at: none is archived, or encrypted so that CloudFront couldn't read it"),
    )
}

fn unreadable(head: &ObjectHead, control: bool) -> Option<String> {
    if head.archived {
        return Some("is archived: clients get 403 for it until it is restored".to_owned());
    }
    if head.encryption.starts_with("aws:kms") && !control {
        return Some(
            "is encrypted with SSE-KMS, which an origin access identity can't read: give --origin-access oac"
                .to_owned(),
        );
    }
    None
}
