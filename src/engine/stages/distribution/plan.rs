//! What the distribution stage would make or change, decided from what stands; touches nothing.

use super::domain;
use crate::aws::cloudfront::is_bucket_domain;
use crate::engine::{
    resources::{
        adoption::{AdoptionList, require_ours_or_unmarked},
        bucket_key,
        guard::{has_function_version_everywhere, refuse_taken_viewer_request},
    },
    session::AwsTarget,
};
use crate::model::{
    aws::{
        account::ResourceOwnership,
        cloudfront::{CloudFrontDistribution, DistributionOrigin},
        evidence::{DistributionEvidence, StageEvidence},
        names::ResourceNames,
    },
    failure::Failure,
    run::{
        answers::OperatorAnswers,
        goal::Step,
        plan::{ChangeKind, Plan},
    },
};

const EVERY_BEHAVIOR: &str = "on the viewer request of every behavior";
const DEPLOY_TIME_NOTE: &str = "takes 3 to 15 minutes; customers notice nothing";

/// Decides; touches nothing.
///
/// # Errors
/// Fails where a part is another install's, or somebody else's function has the viewer request.
pub fn plan_distribution(
    seen: &DistributionEvidence,
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Result<Plan, Failure> {
    let names = &target.names;
    let mut adopted = AdoptionList::default();
    let mut plan = Plan::new(StageEvidence::Distribution(Box::new(seen.clone())));
    plan_cache_policy(&mut plan, seen, names, &mut adopted)?;
    plan_certificate(&mut plan, seen);
    match &seen.distribution {
        None => plan_distribution_creation(&mut plan, seen, names),
        Some(distribution) => {
            adopted.add_unmarked_resource(
                require_ours_or_unmarked(&distribution.ownership, "distribution", &distribution.id, names)?,
                "its behaviors' viewer request, cache policy and origin access; its Comment and its tags",
            );
            refuse_taken_viewer_request(distribution, names)?;
            plan_distribution_update(&mut plan, seen, distribution, names);
        }
    }
    bucket_key::plan_bucket_kms_keys(&mut plan, seen, names, &target.account, answers);
    let line = if seen.granted && !seen.has_next_reader && !needs_origin_access_change(seen, names) {
        plan.add_planned_change(
            Step::BucketPolicy,
            ChangeKind::Keep,
            names.bucket_name(),
            "CloudFront may read; every other statement stays",
        )
    } else {
        plan.add_planned_change(Step::BucketPolicy, ChangeKind::Update, names.bucket_name(), "CloudFront may read, granted only once the authenticator is deployed; every other statement stays")
    };
    line.calls.extend(["s3:GetBucketPolicy".into(), "s3:PutBucketPolicy".into()]);
    for change in &mut plan.changes {
        change
            .calls
            .push("by hand: packagecloud-ctl reconfigure-cloudfront-distribution <version ARN>".into());
    }
    plan.documents.extend(domain::dns_records_document(seen));
    plan.confirmations.extend(adopted.adoption_confirmation(answers, names));
    Ok(plan)
}

fn plan_cache_policy(
    plan: &mut Plan,
    seen: &DistributionEvidence,
    names: &ResourceNames,
    adopted: &mut AdoptionList,
) -> Result<(), Failure> {
    match &seen.cache_policy {
        None => plan.add_planned_change(
            Step::CachePolicy,
            ChangeKind::Create,
            names.cache_policy_name(),
            "packages by their Cache-Control, all else never",
        ),
        Some(cache) => {
            let unmarked = require_ours_or_unmarked(
                &cache.ownership,
                "cache policy",
                &names.cache_policy_name(),
                names,
            )?;
            let unmarked = adopted.add_unmarked_resource(unmarked, "its times to live and its Comment");
            let (verb, why) = match (cache.is_correct, unmarked) {
                (true, false) => (ChangeKind::Keep, "its times to live are right"),
                (true, true) => {
                    (ChangeKind::Update, "its times to live are right; it gets this program's Comment")
                }
                (false, _) => (ChangeKind::Update, "its times to live or its key differ"),
            };
            plan.add_planned_change(Step::CachePolicy, verb, &cache.id, why)
        }
    }
    .calls
    .extend([
        "cloudfront:ListCachePolicies".into(),
        "cloudfront:CreateCachePolicy".into(),
        "cloudfront:UpdateCachePolicy".into(),
    ]);
    Ok(())
}

fn plan_certificate(plan: &mut Plan, seen: &DistributionEvidence) {
    let Some(domain) = &seen.packages_domain else { return };
    let arn = &domain.certificate.arn;
    let calls = ["acm:ListCertificates".into(), "acm:DescribeCertificate".into()];
    if domain.certificate.is_certificate_issued() {
        plan.add_planned_change(
            Step::Certificate,
            ChangeKind::Keep,
            arn,
            format!("it is issued, and covers {}", domain.name),
        )
        .calls
        .extend(calls);
    } else {
        let why = "it is not issued yet: this waits for ACM, which waits for the DNS record shown";
        plan.add_planned_change(Step::Certificate, ChangeKind::Run, arn, why).calls.extend(calls);
    }
}

fn function_version_label(seen: &DistributionEvidence) -> &str {
    seen.version_arn.as_deref().unwrap_or("the version from the bootstrap")
}

fn plan_distribution_creation(plan: &mut Plan, seen: &DistributionEvidence, names: &ResourceNames) {
    plan.add_planned_change(
        Step::Distribution,
        ChangeKind::Create,
        names.resource_comment(),
        "serves the bucket, https only; nothing can read through it yet",
    )
    .calls
    .extend([
        "cloudfront:ListDistributions".into(),
        "cloudfront:CreateDistribution".into(),
        "cloudfront:TagResource".into(),
    ]);
    plan.add_planned_change(
        Step::Authenticator,
        ChangeKind::Attach,
        function_version_label(seen),
        EVERY_BEHAVIOR,
    )
    .calls
    .extend(["lambda:GetFunction".into(), "lambda:EnableReplication*".into()]);
    plan.add_planned_change(Step::Deployed, ChangeKind::Run, "every edge", DEPLOY_TIME_NOTE);
}

fn plan_distribution_update(
    plan: &mut Plan,
    seen: &DistributionEvidence,
    distribution: &CloudFrontDistribution,
    names: &ResourceNames,
) {
    let differs = list_distribution_differences(seen, distribution, names);
    // Tags are no part of what is deployed.
    let tags =
        (distribution.ownership == ResourceOwnership::Unmarked).then_some("it gets this install's tags");
    let changes: Vec<&str> = differs.iter().map(String::as_str).chain(tags).collect();
    if changes.is_empty() {
        plan.add_planned_change(
            Step::Distribution,
            ChangeKind::Keep,
            &distribution.id,
            format!("it is there: {}", distribution.domain),
        );
    } else {
        plan.add_planned_change(Step::Distribution, ChangeKind::Update, &distribution.id, changes.join("; "))
            .calls
            .extend([
                "cloudfront:GetDistributionConfig".into(),
                "cloudfront:UpdateDistribution".into(),
                "cloudfront:TagResource".into(),
            ]);
    }
    let carried = seen
        .version_arn
        .as_ref()
        .is_some_and(|arn| has_function_version_everywhere(distribution, names, arn));
    if carried {
        plan.add_planned_change(
            Step::Authenticator,
            ChangeKind::Keep,
            function_version_label(seen),
            EVERY_BEHAVIOR,
        );
    } else {
        let before = distribution.behaviors.iter().find_map(|behavior| behavior.viewer_request.as_ref());
        let why = before.map_or_else(
            || EVERY_BEHAVIOR.to_owned(),
            |before| {
                format!("{EVERY_BEHAVIOR}, where {before} is now; roll-back --edge {before} puts that back")
            },
        );
        plan.add_planned_change(Step::Authenticator, ChangeKind::Attach, function_version_label(seen), why)
            .calls
            .extend(["cloudfront:GetDistributionConfig".into(), "cloudfront:UpdateDistribution".into()]);
    }
    if carried && differs.is_empty() && distribution.status == "Deployed" {
        plan.add_planned_change(Step::Deployed, ChangeKind::Keep, &distribution.id, "every edge has it");
    } else {
        plan.add_planned_change(Step::Deployed, ChangeKind::Run, &distribution.id, DEPLOY_TIME_NOTE);
    }
}

/// What contract section 5 and the answers want and the distribution hasn't, but for the version: one fragment each.
fn list_distribution_differences(
    seen: &DistributionEvidence,
    distribution: &CloudFrontDistribution,
    names: &ResourceNames,
) -> Vec<String> {
    let mut all = distribution.differs.clone();
    if distribution.comment != names.resource_comment() {
        all.push(format!("its Comment becomes {}", names.resource_comment()));
    }
    for origin in bucket_origins(distribution, names) {
        if has_other_origin_access(seen, origin) {
            let whose = |identity: Option<&str>, control: Option<&str>| match (identity, control) {
                (Some(id), _) => Some(format!("identity {id}")),
                (_, Some(id)) => Some(format!("control {id}")),
                (None, None) => None,
            };
            let (identity, control) = desired_origin_access_ids(seen);
            let now = whose(origin.identity.as_deref(), origin.control.as_deref());
            let then = whose(identity, control);
            let then = then.as_deref().unwrap_or("the one that is made");
            let both = if now.is_some() { ", and both may read until every edge has changed" } else { "" };
            let now = now.as_deref().unwrap_or("nobody");
            let why = if seen.by_control { format!(" ({})", seen.why_control) } else { String::new() };
            all.push(format!("origin access goes from {now} to {then}{why}{both}"));
        }
    }
    let right = seen.cache_policy.as_ref().map(|cache| cache.id.as_str());
    for behavior in &distribution.behaviors {
        let on_bucket = bucket_origins(distribution, names).any(|origin| origin.id == behavior.origin);
        if on_bucket && (right.is_none() || behavior.cache_policy.as_deref() != right) {
            let name = behavior
                .path
                .as_deref()
                .map_or("the default behavior".into(), |path| format!("behavior {path}"));
            all.push(format!("the cache policy of {name} is another"));
        }
    }
    if let Some(domain) = &seen.packages_domain {
        if !distribution.has_domain_name(&domain.name) {
            all.push(format!("{} becomes its alternate domain name", domain.name));
        } else if distribution.certificate.as_ref() != Some(&domain.certificate.arn) {
            all.push(format!("{} is served with {}", domain.name, domain.certificate.arn));
        }
    }
    all
}

fn bucket_origins<'a>(
    distribution: &'a CloudFrontDistribution,
    names: &ResourceNames,
) -> impl Iterator<Item = &'a DistributionOrigin> {
    distribution.origins.iter().filter(|origin| is_bucket_domain(&origin.domain, names.bucket_name()))
}

/// The ids of the identity and of the control that origins of the bucket shall have.
fn desired_origin_access_ids(seen: &DistributionEvidence) -> (Option<&str>, Option<&str>) {
    if seen.by_control {
        (None, seen.control.as_ref().map(|control| control.id.as_str()))
    } else {
        (seen.identity.as_ref().map(|identity| identity.id.as_str()), None)
    }
}

fn has_other_origin_access(seen: &DistributionEvidence, origin: &DistributionOrigin) -> bool {
    let (identity, control) = desired_origin_access_ids(seen);
    (identity.is_none() && control.is_none())
        || (origin.identity.as_deref(), origin.control.as_deref()) != (identity, control)
}

/// Returns whether the distribution that stands reads the bucket as another than it shall.
pub fn needs_origin_access_change(seen: &DistributionEvidence, names: &ResourceNames) -> bool {
    seen.distribution.as_ref().is_some_and(|distribution| {
        bucket_origins(distribution, names).any(|origin| has_other_origin_access(seen, origin))
    })
}
