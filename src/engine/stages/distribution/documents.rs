//! What the distribution stage writes that can be read: the distribution's settings, and the bucket policy's difference.

use crate::aws::{
    DistributionSettings, OriginAccessId, PathCachingSettings, cloudfront::describe_new_distribution_settings,
};
use crate::engine::{resources::install::build_bucket_reader_from_oai, session::AwsTarget};
use crate::model::{
    aws::evidence::DistributionEvidence,
    iam::policy::{self, CloudFrontBucketReader},
    packagecloud::path_cache::CachePolicyRole,
    run::{
        goal::StageStep,
        plan::{ResourceChangeKind, StagePlan},
        plan_document::render_json_difference,
    },
};

/// What stands for an id that CloudFront gives once it has made it.
const NEW_IDENTITY: &str = "<id of the new identity>";
const NEW_CONTROL: &str = "<id of the new control>";
const NEW_CANONICAL_USER: &str = "<canonical user of the new identity>";
const NEW_VERSION: &str = "<ARN of the new version>";

/// Adds each document to the change that writes it. What AWS names only once it is made stands in angle brackets.
pub(super) fn add_distribution_documents(
    plan: &mut StagePlan,
    seen: &DistributionEvidence,
    target: &AwsTarget,
) {
    for change in plan.changes.iter_mut().filter(|change| change.verb != ResourceChangeKind::Keep) {
        let text = match (change.step, change.verb) {
            (StageStep::Distribution, ResourceChangeKind::Create) => {
                render_new_distribution_settings(seen, target)
            }
            // One fragment a setting that becomes another.
            (StageStep::Distribution, _) => Some(change.why.replace("; ", "\n")),
            (StageStep::BucketPolicy, _) => render_bucket_policy_difference(seen, target),
            _ => None,
        };
        text.into_iter().for_each(|text| change.set_change_document(text));
    }
}

fn render_new_distribution_settings(seen: &DistributionEvidence, target: &AwsTarget) -> Option<String> {
    let names = &target.names;
    let policy = |role| {
        let id = seen.cache_policies.find_policy_id(role).map(str::to_owned);
        id.unwrap_or_else(|| format!("<id of {}>", names.cache_policy_name(role)))
    };
    let (pass_through, packages) = (policy(CachePolicyRole::PassThrough), policy(CachePolicyRole::Packages));
    let rules = seen.path_caching.path_cache_rules();
    let domain = seen.packages_domain.as_ref();
    let settings = DistributionSettings {
        region: &seen.bucket.region,
        access: if seen.by_control {
            OriginAccessId::Control(seen.control.as_ref().map_or(NEW_CONTROL, |control| &control.id))
        } else {
            OriginAccessId::Identity(seen.identity.as_ref().map_or(NEW_IDENTITY, |identity| &identity.id))
        },
        cache_policy_id: &pass_through,
        path_caching: (!rules.is_empty()).then_some(PathCachingSettings { policy_id: &packages, rules }),
        version_arn: seen.version_arn.as_deref().unwrap_or(NEW_VERSION),
        alias: domain.map(|domain| (domain.name.as_str(), domain.certificate.arn.as_str())),
    };
    describe_new_distribution_settings(names, &settings).ok().map(|lines| lines.join("\n"))
}

/// None where S3 would refuse it: applying says why.
fn render_bucket_policy_difference(seen: &DistributionEvidence, target: &AwsTarget) -> Option<String> {
    let arn = seen.distribution.as_ref().map_or_else(
        || format!("arn:aws:cloudfront::{}:distribution/<id of the new distribution>", target.account),
        |distribution| distribution.arn.clone(),
    );
    let reader = match (&seen.identity, seen.by_control) {
        (_, true) => CloudFrontBucketReader::Distribution { arn: &arn },
        (Some(identity), false) => build_bucket_reader_from_oai(identity),
        (None, false) => {
            CloudFrontBucketReader::Identity { id: NEW_IDENTITY, canonical_user: NEW_CANONICAL_USER }
        }
    };
    let standing = seen.bucket.policy.as_deref();
    let merged = policy::merge_bucket_policy(standing, &target.names, reader).ok()?;
    let before = standing.and_then(|text| serde_json::from_str(text).ok());
    Some(render_json_difference(before.as_ref(), &serde_json::from_str(&merged).ok()?))
}
