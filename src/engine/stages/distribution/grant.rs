//! Lets CloudFront read the bucket, after everything that could read through it was looked at once more.
//!
//! Where one origin access takes another's place, both may read from before the change until every edge has it.

use crate::aws::WaitProgressReporter;
use crate::engine::{
    resources::{
        guard::{
            has_version_on_bucket_behaviors, is_distribution_behind_authenticator,
            refuse_undeployed_distribution, refuse_unguarded_distributions,
        },
        install::build_bucket_reader_from_oai,
    },
    session::{AwsTarget, Session},
};
use crate::model::{
    aws::{cloudfront::CloudFrontDistribution, evidence::DistributionEvidence},
    failure::{Failure, FailureKind},
    iam::policy::{self, CloudFrontBucketReader},
};

/// What the account and the bucket policy were left as.
pub struct BucketReadGrantOutcome {
    pub text: String,
    pub distributions: Vec<CloudFrontDistribution>,
    pub bucket_policy: Option<String>,
}

fn build_bucket_reader_from_distribution<'a>(
    seen: &'a DistributionEvidence,
    arn: &'a str,
) -> CloudFrontBucketReader<'a> {
    match (&seen.identity, seen.by_control) {
        (Some(identity), false) => build_bucket_reader_from_oai(identity),
        _ => CloudFrontBucketReader::Distribution { arn },
    }
}

/// All distributions of the account, none of which would open the bucket: `own` is Deployed, and carries `version_arn`
/// where that is given, else any version of ours.
async fn list_distributions_refusing_unguarded(
    target: &AwsTarget,
    seen: &DistributionEvidence,
    own: &CloudFrontDistribution,
    version_arn: Option<&str>,
) -> Result<Vec<CloudFrontDistribution>, Failure> {
    let names = &target.names;
    let identity = seen.identity.as_ref().filter(|_| !seen.by_control).map(|one| one.id.as_str());
    let all = target.cloud.list_distributions(names).await?;
    for other in &all {
        if other.id != own.id {
            refuse_unguarded_distributions(other, names, identity)?;
            if let Some(identity) = identity {
                refuse_undeployed_distribution(other, identity)?;
            }
            continue;
        }
        let right = version_arn.map_or_else(
            || is_distribution_behind_authenticator(other, names),
            |arn| has_version_on_bucket_behaviors(other, names, arn),
        );
        if !right || other.status != "Deployed" {
            return Err(Failure::new_plan_drift_failure(
                format!("distribution {}", other.id),
                "it was changed while it was being deployed, so the bucket was not opened to it",
            ));
        }
    }
    Ok(all)
}

/// Lets CloudFront read, and nobody that it read as before: the last step.
///
/// # Errors
/// Fails where a distribution would open the bucket, or it or the policy has changed meanwhile.
pub async fn grant_cloudfront_bucket_read(
    session: &Session,
    target: &AwsTarget,
    seen: &DistributionEvidence,
    deployed: &CloudFrontDistribution,
    version_arn: &str,
    say: WaitProgressReporter<'_>,
) -> Result<BucketReadGrantOutcome, Failure> {
    let distributions =
        list_distributions_refusing_unguarded(target, seen, deployed, Some(version_arn)).await?;
    let reader = build_bucket_reader_from_distribution(seen, &deployed.arn);
    let document = policy::merge_bucket_policy(seen.bucket.policy.as_deref(), &target.names, reader)?;
    let text = format!("CloudFront may read {}", target.names.bucket_name());
    let text = replace_bucket_policy_after_backup(session, target, seen, &document, text, say).await?;
    Ok(BucketReadGrantOutcome { text, distributions, bucket_policy: Some(document) })
}

/// Lets the next origin access read too, before it takes the place of the one that stands. `standing` is Deployed behind the authenticator.
/// The bucket policy as it then is.
///
/// # Errors
/// Fails where a distribution would open the bucket, or it or the policy has changed meanwhile.
pub async fn grant_new_origin_access_alongside(
    session: &Session,
    target: &AwsTarget,
    seen: &DistributionEvidence,
    standing: &CloudFrontDistribution,
    say: WaitProgressReporter<'_>,
) -> Result<(String, String), Failure> {
    list_distributions_refusing_unguarded(target, seen, standing, None).await?;
    let reader = build_bucket_reader_from_distribution(seen, &standing.arn);
    let document =
        policy::add_new_bucket_reader_statements(seen.bucket.policy.as_deref(), &target.names, reader)?;
    let text = format!(
        "CloudFront may read {} in both ways, until every edge has changed",
        target.names.bucket_name()
    );
    let text = replace_bucket_policy_after_backup(session, target, seen, &document, text, say).await?;
    Ok((document, text))
}

/// Puts `new` where the policy that was seen stands, which is kept beforehand.
async fn replace_bucket_policy_after_backup(
    session: &Session,
    target: &AwsTarget,
    seen: &DistributionEvidence,
    new: &str,
    text: String,
    say: WaitProgressReporter<'_>,
) -> Result<String, Failure> {
    let old = seen.bucket.policy.as_deref();
    if old == Some(new) {
        return Ok(format!("{text} already"));
    }
    let bucket = target.names.bucket_name();
    let saved = match old {
        Some(old) => {
            let path = session
                .host
                .state
                .save_replaced_policy_document(session.host.clock.read_host_clock(), bucket, old)
                .map_err(|failure| {
                    let next = format!("{}; the bucket policy was not changed", failure.next);
                    Failure::new(FailureKind::Other, failure.what, failure.why, next)
                })?;
            format!("; the policy before is kept in {}", path.display())
        }
        None => String::new(),
    };
    target.cloud.write_bucket_policy(bucket, old, new, &target.account, say).await?;
    Ok(format!("{text}{saved}"))
}
