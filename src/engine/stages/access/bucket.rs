//! What of the bucket decides how CloudFront may read it: region, ownership, versioning, encryption, policy, a sample of objects.

use futures::future::join_all;

use crate::engine::{
    resources::{adoption::is_our_distribution, install::build_bucket_reader_from_oai, origin_access},
    session::AwsTarget,
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::bucket::{ObjectHead, ObservedBucket},
    iam::policy::{self, BucketDenyFinding, CloudFrontBucketReader},
    packagecloud::object,
    run::{
        answers::{OperatorAnswers, OriginAccess},
        check::CheckResult,
    },
};

/// How many objects are looked at.
const SAMPLED_OBJECTS_MAX: usize = 5;

/// Checks the bucket by its settings and its first page.
pub async fn check_bucket(target: &AwsTarget, answers: &OperatorAnswers) -> Vec<CheckResult> {
    let bucket = &target.bucket;
    let (known, of) = target.sampled;
    let sampled = if of == 0 {
        "it is empty".to_owned()
    } else {
        format!("{known} of {of} sampled keys look like packagecloud's")
    };
    let mut checks = vec![CheckResult::new_passed_check(
        "bucket",
        format!("{} in {}: {}; {sampled}", bucket.name, bucket.region, target.evidence),
    )];
    checks.extend(check_bucket_settings(bucket));
    checks.push(check_bucket_policy(target, answers).await);
    checks.extend(
        bucket
            .unread
            .iter()
            .map(|why| CheckResult::new_unknown_check("bucket-settings", format!("cannot be read: {why}"))),
    );
    checks
}

fn check_bucket_settings(bucket: &ObservedBucket) -> Vec<CheckResult> {
    let mut checks = Vec::new();
    match bucket.object_ownership.as_str() {
        "" => {}
        "BucketOwnerEnforced" => {
            checks.push(CheckResult::new_passed_check(
                "bucket-ownership",
                "BucketOwnerEnforced: all objects are the account's",
            ));
        }
        other => checks.push(CheckResult::new_passed_check(
            "bucket-ownership",
            format!("{other}: objects may have ACLs, which a reindex keeps (--no-acl lets them go)"),
        )),
    }
    checks.push(match bucket.versioning.as_str() {
        "Enabled" => CheckResult::new_passed_check(
            "bucket-versioning",
            "on: a reindex keeps the version before of each object it changes, and it is charged for",
        ),
        other => CheckResult::new_passed_check(
            "bucket-versioning",
            if other.is_empty() { "off" } else { "suspended" },
        ),
    });
    match (bucket.encryption.as_str(), &bucket.kms_key) {
        ("", _) => {}
        (kms, None) if kms.starts_with("aws:kms") => checks.push(CheckResult::new_unknown_check(
            "bucket-encryption",
            "new objects are encrypted under aws/s3, which CloudFront can't be given: set a key of your own, or SSE-S3, as the bucket's default before going live",
        )),
        (kms, Some(key)) if kms.starts_with("aws:kms") => checks.push(CheckResult::new_passed_check(
            "bucket-encryption",
            format!("SSE-KMS under {key}: an origin access control is used, and that key's policy must let CloudFront decrypt"),
        )),
        (other, _) => checks.push(CheckResult::new_passed_check("bucket-encryption", other.to_owned())),
    }
    checks
}

const BUCKET_POLICY_CHECK: &str = "bucket-policy";

async fn check_bucket_policy(target: &AwsTarget, answers: &OperatorAnswers) -> CheckResult {
    const CHECK_NAME: &str = BUCKET_POLICY_CHECK;
    let names = &target.names;
    let Some(text) = &target.bucket.policy else {
        return CheckResult::new_passed_check(CHECK_NAME, "there is none yet");
    };
    // Which distribution it will be tells nothing of whether the document can be written.
    let arn = format_unmade_distribution_arn(target);
    let reader = CloudFrontBucketReader::Distribution { arn: &arn };
    if let Err(failure) = policy::merge_bucket_policy(Some(text), names, reader) {
        return CheckResult::new_failed_check(CHECK_NAME, failure.why, failure.next);
    }
    // Who will read is asked only where something is denied at all.
    let control = text.contains("Deny")
        && Box::pin(origin_access::choose_origin_access(target, answers))
            .await
            .is_ok_and(|choice| choice.control);
    let shut = Box::pin(origin_access::find_denying_bucket_statements(target, control)).await;
    let public = check_public_bucket_policy(target, text, answers).await;
    if let Some(check) = public.as_ref().filter(|check| check.has_failed()) {
        return check.clone();
    }
    if let Some(BucketDenyFinding::Denied(why)) =
        shut.iter().find(|one| matches!(one, BucketDenyFinding::Denied(_)))
    {
        return CheckResult::new_failed_check(
            CHECK_NAME,
            format!("{why}, to CloudFront too"),
            if control {
                "except CloudFront from that statement, such as by the condition StringNotEquals aws:PrincipalServiceName cloudfront.amazonaws.com: it reads from its own addresses, through no endpoint of yours and as no principal of yours".to_owned()
            } else {
                format!(
                    "except CloudFront from that statement: it reads from its own addresses, through no endpoint of yours and as no principal of yours. A control reads as a service, which a condition can except: {}",
                    render_proposed_command("enable", &["--origin-access", "oac"])
                )
            },
        );
    }
    match (shut.first(), public) {
        (Some(BucketDenyFinding::PossiblyDenied(why)), _) => CheckResult::new_unknown_check(
            CHECK_NAME,
            format!("{why}: see that it doesn't deny CloudFront; going live tries it first"),
        ),
        (_, Some(public)) => public,
        _ => CheckResult::new_passed_check(
            CHECK_NAME,
            format!("{} of 20480 bytes; nothing in it shuts CloudFront out", text.len()),
        ),
    }
}

/// The ARN of a distribution that isn't made yet.
fn format_unmade_distribution_arn(target: &AwsTarget) -> String {
    format!("arn:aws:cloudfront::{}:distribution/E1EXAMPLE23456", target.account)
}

/// Whether whoever will read needs another document than `text`, which stands; `None` where AWS doesn't say who that is.
async fn needs_new_bucket_policy(target: &AwsTarget, text: &str, answers: &OperatorAnswers) -> Option<bool> {
    let choice = Box::pin(origin_access::choose_origin_access(target, answers)).await.ok()?;
    let merged = if choice.control {
        let delivery = target.read_distributions_and_policies().await.ok()?;
        let ours = delivery.distributions.iter().find(|one| is_our_distribution(one, &target.names));
        let arn = ours.map_or_else(|| format_unmade_distribution_arn(target), |one| one.arn.clone());
        policy::merge_bucket_policy(
            Some(text),
            &target.names,
            CloudFrontBucketReader::Distribution { arn: &arn },
        )
    } else {
        // One that isn't made yet is nobody whom the document can name.
        let Some(identity) = target.read_origin_access_identity().await.ok()? else { return Some(true) };
        policy::merge_bucket_policy(Some(text), &target.names, build_bucket_reader_from_oai(&identity))
    };
    Some(merged.map_or(true, |merged| merged != text))
}

/// What a statement that lets everybody in means: for the policy that is written, and for who reads. `None` where none does.
async fn check_public_bucket_policy(
    target: &AwsTarget,
    text: &str,
    answers: &OperatorAnswers,
) -> Option<CheckResult> {
    let statement = policy::find_public_policy_statement(Some(text))?;
    let blocks = target.bucket.public_access;
    // What was granted before the block was switched on needs no other document, unless somebody else shall read.
    let granted = text.contains(&target.names.object_read_statement_sid());
    if blocks.blocks_public_policy && needs_new_bucket_policy(target, text, answers).await.unwrap_or(!granted)
    {
        return Some(CheckResult::new_failed_check(
            BUCKET_POLICY_CHECK,
            format!(
                "its statement {statement} is public (it lets everybody in), and Block Public Access (BlockPublicPolicy) refuses every policy that keeps such a statement: CloudFront can't be let in beside it"
            ),
            format!(
                "take the public statement {statement} out of the policy of bucket {}, then look again",
                target.names.bucket_name()
            ),
        ));
    }
    if blocks.restricts_public_buckets && answers.origin_access == OriginAccess::Oai {
        return Some(CheckResult::new_failed_check(
            BUCKET_POLICY_CHECK,
            format!(
                "its statement {statement} is public, and while one is, Block Public Access (RestrictPublicBuckets) shuts an origin access identity out"
            ),
            format!(
                "take that statement out of the policy, or use a control, which is let in: {}",
                render_proposed_command("enable", &["--origin-access", "auto"])
            ),
        ));
    }
    (!blocks.restricts_public_buckets).then(|| {
        CheckResult::new_unknown_check(
            BUCKET_POLICY_CHECK,
            format!(
                "its statement {statement} is public: by it everybody gets at the bucket without CloudFront and without a link; take it out"
            ),
        )
    })
}

/// Checks a few objects: how they are encrypted, and whether they can be read at once.
pub async fn check_sampled_objects_readable(target: &AwsTarget, answers: &OperatorAnswers) -> CheckResult {
    const CHECK_NAME: &str = "objects";
    let bucket = target.names.bucket_name();
    let keys = match target.list_first_page_of_bucket().await {
        Ok(all) => all
            .into_iter()
            .map(|one| one.key)
            .filter(|key| object::is_packagecloud_object_key(key))
            .collect::<Vec<_>>(),
        Err(failure) => return CheckResult::new_unknown_check(CHECK_NAME, failure.why),
    };
    let step = keys.len().div_ceil(SAMPLED_OBJECTS_MAX).max(1);
    let heads = join_all(
        keys.iter().step_by(step).map(async |key| (key, target.cloud.read_object_head(bucket, key).await)),
    )
    .await;
    let of = heads.len();
    if of == 0 {
        return CheckResult::new_unknown_check(CHECK_NAME, "none is there yet to look at");
    }
    let control = Box::pin(origin_access::choose_origin_access(target, answers))
        .await
        .is_ok_and(|choice| choice.control);
    for (key, head) in heads {
        match head {
            // S3 answers so, without a word, where it wants a customer's key.
            Err(failure) if failure.code.as_deref() == Some("400") => {
                return CheckResult::new_unknown_check(
                    CHECK_NAME,
                    format!(
                        "{key} is encrypted with a customer's key (SSE-C): CloudFront can't read such objects, clients get 403 for them; copy them without one"
                    ),
                );
            }
            Err(failure) => {
                return CheckResult::new_unknown_check(CHECK_NAME, format!("{key}: {}", failure.why));
            }
            Ok(Some(head)) => {
                if let Some(why) = explain_object_unreadable(&head, control) {
                    return CheckResult::new_unknown_check(CHECK_NAME, format!("{key} {why}"));
                }
            }
            // It was deleted meanwhile.
            Ok(None) => {}
        }
    }
    CheckResult::new_passed_check(
        CHECK_NAME,
        format!("{of} looked at: none is archived, or encrypted so that CloudFront couldn't read it"),
    )
}

fn explain_object_unreadable(head: &ObjectHead, control: bool) -> Option<String> {
    if head.archived {
        return Some("is archived: clients get 403 for it until it is restored".to_owned());
    }
    if head.encryption.starts_with("aws:kms") && !control {
        return Some(format!(
            "is encrypted with SSE-KMS, which an origin access identity can't read, and a control can: {}",
            render_proposed_command("enable", &["--origin-access", "oac"])
        ));
    }
    None
}
