//! What of the bucket stands in CloudFront's way whatever is set up: who pays for it, objects that are too large, public ACLs.
//!
//! It is asked by `check`, `plan` and the overview alone: a set-up meets each of them at its own step.

use futures::FutureExt as _;

use crate::aws::s3::fast::has_public_acl_header;
use crate::engine::session::AwsTarget;
use crate::model::{
    packagecloud::{object::is_packagecloud_object_key, oversized::OversizedObjects},
    run::{answers::OperatorAnswers, check::CheckResult, goal::OperatorGoal, plan::PlanFact},
};

/// How many objects' ACLs are looked at.
const SAMPLED_ACLS_MAX: usize = 5;

/// Checks who pays, the sizes of a first page, and the ACLs of some of its objects where they would be in the way.
pub(crate) async fn check_serving_obstacles(
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Vec<CheckResult> {
    let mut checks = vec![check_bucket_payer(target).await];
    checks.extend(check_first_page_sizes(target).await);
    checks.extend(check_blocked_public_acls(target, answers).boxed().await);
    checks
}

/// Returns what of it stands in the way, each for a plan to say before anything is made.
pub(crate) async fn describe_serving_obstacles(
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Vec<PlanFact> {
    let stands = |check: &CheckResult| match check.name.as_str() {
        PAYER_CHECK => check.has_failed(),
        // The reindex's plan says it of far more objects.
        SIZES_CHECK => answers.goal != Some(OperatorGoal::Upgrade),
        _ => true,
    };
    let checks = check_serving_obstacles(target, answers).await;
    checks
        .into_iter()
        .filter(stands)
        .map(|check| {
            let next = if check.next.is_empty() { String::new() } else { format!("; next: {}", check.next) };
            PlanFact { topic: "What stands in the way", text: format!("{}{next}", check.detail) }
        })
        .collect()
}

const PAYER_CHECK: &str = "bucket-payer";

async fn check_bucket_payer(target: &AwsTarget) -> CheckResult {
    let bucket = target.names.bucket_name();
    match target.cloud.is_bucket_requester_pays(bucket, &target.account).await {
        Ok(false) => CheckResult::new_passed_check(PAYER_CHECK, "the bucket's owner pays for requests"),
        Ok(true) => CheckResult::new_failed_check(
            PAYER_CHECK,
            format!(
                "bucket {bucket} is Requester Pays: CloudFront can't say that it pays, so S3 answers 403 for every object"
            ),
            format!(
                "aws s3api put-bucket-request-payment --bucket {bucket} --request-payment-configuration Payer=BucketOwner; then look again"
            ),
        ),
        Err(failure) => CheckResult::new_unknown_check(
            PAYER_CHECK,
            format!("whether whoever downloads pays can't be read: {}", failure.why),
        ),
    }
}

const SIZES_CHECK: &str = "object-sizes";

async fn check_first_page_sizes(target: &AwsTarget) -> Option<CheckResult> {
    let mut oversized = OversizedObjects::default();
    for object in target.list_first_page_of_bucket().await.ok()? {
        if is_packagecloud_object_key(&object.key) {
            oversized.add_oversized_object(&object.key, object.size);
        }
    }
    oversized.render_oversized_objects().map(|said| CheckResult::new_unknown_check(SIZES_CHECK, said))
}

/// Public ACLs matter to a reindex alone: it writes them again, which Block Public Access may refuse.
async fn check_blocked_public_acls(target: &AwsTarget, answers: &OperatorAnswers) -> Option<CheckResult> {
    let has_acls = !matches!(target.bucket.object_ownership.as_str(), "" | "BucketOwnerEnforced");
    if !has_acls || !target.bucket.public_access.blocks_public_acls || answers.reindex.no_acl {
        return None;
    }
    let s3 = target.cloud.open_object_client(target.names.bucket_name()).await.ok()?;
    let listed = target.list_first_page_of_bucket().await.ok()?;
    let keys: Vec<String> =
        listed.into_iter().map(|one| one.key).filter(|key| is_packagecloud_object_key(key)).collect();
    let step = keys.len().div_ceil(SAMPLED_ACLS_MAX).max(1);
    let (mut of, mut public) = (0, Vec::new());
    for key in keys.iter().step_by(step) {
        of += 1;
        if s3.read_object_acl_headers(key).await.is_ok_and(|headers| has_public_acl_header(&headers)) {
            public.push(key);
        }
    }
    let first = public.first()?;
    Some(CheckResult::new_unknown_check(
        "public-acls",
        format!(
            "{} of {of} objects that were looked at have an ACL that lets everybody read, such as {first}, and Block Public Access (BlockPublicAcls) refuses every write of one: a reindex can't change them; with --no-acl it lets ACLs go, and packages are read through CloudFront",
            public.len()
        ),
    ))
}
