//! What the distribution stage would make or change, decided from what stands; touches nothing.

use super::{domain, proof::is_version_associated};
use crate::aws::cloudfront::is_bucket_domain;
use crate::engine::{
    resources::{
        adoption::{ResourceAdoptionList, require_resource_ours_or_unmarked},
        bucket_key,
        guard::refuse_taken_viewer_request,
        path_caching::{
            advise_invalidation_after_change, describe_no_path_caching, describe_path_behaviors_change,
            is_on_bucket, list_path_behaviors,
        },
    },
    session::AwsTarget,
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        account::ResourceOwnership,
        cloudfront::{CachePolicy, CloudFrontDistribution, DistributionOrigin},
        evidence::{DistributionEvidence, StageEvidence},
        names::ResourceNames,
    },
    failure::Failure,
    packagecloud::path_cache::{CachePolicyRole, PathCachingChoice},
    run::{
        answers::OperatorAnswers,
        goal::StageStep,
        plan::{PlanConfirmationQuestion, RequiredConsent, ResourceChangeKind, StagePlan},
        usual_wait::USUAL_DEPLOYMENT_TIME,
    },
};

const EVERY_BEHAVIOR: &str = "on the viewer request of every behavior";

/// Says how long the deployment takes.
fn describe_deployment_time() -> String {
    format!("usually takes {USUAL_DEPLOYMENT_TIME}; customers notice nothing")
}

/// Decides; touches nothing.
///
/// # Errors
/// Fails where a part is another install's, or somebody else's function has the viewer request.
pub fn plan_distribution_stage(
    seen: &DistributionEvidence,
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Result<StagePlan, Failure> {
    let names = &target.names;
    let mut adopted = ResourceAdoptionList::default();
    let mut plan = StagePlan::new(StageEvidence::Distribution(Box::new(seen.clone())));
    plan_cache_policies(&mut plan, seen, names, &mut adopted)?;
    plan_domain_certificate(&mut plan, seen);
    plan_version_proof(&mut plan, seen, names);
    match &seen.distribution {
        None => plan_distribution_creation(&mut plan, seen, names),
        Some(distribution) => {
            adopted.add_unmarked_resource(
                require_resource_ours_or_unmarked(
                    &distribution.ownership,
                    "distribution",
                    &distribution.id,
                    names,
                )?,
                "its behaviors' viewer request, cache policy and origin access; its Comment and its tags",
            );
            refuse_taken_viewer_request(distribution, names)?;
            plan_distribution_update(&mut plan, seen, distribution, names);
            let finding = seen.flat_rate_plan.as_ref();
            plan.notes.extend(finding.map(|finding| {
                format!("{}.", finding.describe_flat_rate_plan(&format!("Distribution {}", distribution.id)))
            }));
        }
    }
    bucket_key::plan_bucket_kms_keys(&mut plan, seen, names, answers);
    let line = if seen.granted && !seen.has_next_reader && !needs_origin_access_change(seen, names) {
        plan.add_planned_change(
            StageStep::BucketPolicy,
            ResourceChangeKind::Keep,
            names.bucket_name(),
            "CloudFront may read; every other statement stays",
        )
    } else {
        plan.add_planned_change(StageStep::BucketPolicy, ResourceChangeKind::Update, names.bucket_name(), "CloudFront may read, granted only once the authenticator is deployed; every other statement stays")
    };
    line.calls.extend(["s3:GetBucketPolicy".into(), "s3:PutBucketPolicy".into()]);
    for change in &mut plan.changes {
        change
            .calls
            .push("by hand: packagecloud-ctl reconfigure-cloudfront-distribution <version ARN>".into());
    }
    if is_distribution_change_due(seen, names) && seen.serves_links {
        plan_live_change(&mut plan, seen, answers, names);
    } else if seen.has_unproven_change {
        plan.add_planned_change(
            StageStep::Gate,
            ResourceChangeKind::Run,
            "signed URLs at the edge",
            "a run was broken off before it had proven its change; where the gate fails, that change is put back",
        );
    }
    plan.documents.extend(domain::render_required_dns_records(seen));
    plan.confirmations.extend(adopted.build_adoption_confirmation(answers, names));
    Ok(plan)
}

/// Plans both cache policies; the second one only where packages are cached by their path.
fn plan_cache_policies(
    plan: &mut StagePlan,
    seen: &DistributionEvidence,
    names: &ResourceNames,
    adopted: &mut ResourceAdoptionList,
) -> Result<(), Failure> {
    let policies = &seen.cache_policies;
    plan_cache_policy(
        plan,
        (policies.pass_through.as_ref(), CachePolicyRole::PassThrough),
        "for metadata and all else: cached only where the object itself says so",
        names,
        adopted,
    )?;
    match &seen.path_caching {
        PathCachingChoice::ByPath(_) => plan_cache_policy(
            plan,
            (policies.packages.as_ref(), CachePolicyRole::Packages),
            "for packages, by their paths: cached for a day where they say nothing, then asked for by If-None-Match",
            names,
            adopted,
        ),
        PathCachingChoice::Nothing(why) => {
            plan.notes.push(describe_no_path_caching(why));
            Ok(())
        }
    }
}

fn plan_cache_policy(
    plan: &mut StagePlan,
    (standing, role): (Option<&CachePolicy>, CachePolicyRole),
    what_for: &str,
    names: &ResourceNames,
    adopted: &mut ResourceAdoptionList,
) -> Result<(), Failure> {
    match standing {
        None => plan.add_planned_change(
            StageStep::CachePolicy,
            ResourceChangeKind::Create,
            names.cache_policy_name(role),
            what_for,
        ),
        Some(cache) => {
            let unmarked = require_resource_ours_or_unmarked(
                &cache.ownership,
                "cache policy",
                &names.cache_policy_name(role),
                names,
            )?;
            let unmarked = adopted.add_unmarked_resource(unmarked, "its times to live and its Comment");
            let (verb, why) = match (cache.is_correct, unmarked) {
                (true, false) => (ResourceChangeKind::Keep, "its times to live are right"),
                (true, true) => (
                    ResourceChangeKind::Update,
                    "its times to live are right; it gets this program's Comment",
                ),
                (false, _) => (ResourceChangeKind::Update, "its times to live or its key differ"),
            };
            plan.add_planned_change(StageStep::CachePolicy, verb, &cache.id, why)
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

fn plan_domain_certificate(plan: &mut StagePlan, seen: &DistributionEvidence) {
    let Some(domain) = &seen.packages_domain else { return };
    let arn = &domain.certificate.arn;
    let calls = ["acm:ListCertificates".into(), "acm:DescribeCertificate".into()];
    if domain.certificate.is_certificate_issued() {
        plan.add_planned_change(
            StageStep::Certificate,
            ResourceChangeKind::Keep,
            arn,
            format!("it is issued, and covers {}", domain.name),
        )
        .calls
        .extend(calls);
    } else {
        let why = "it is not issued yet: this waits for ACM, which waits for the DNS record shown";
        plan.add_planned_change(StageStep::Certificate, ResourceChangeKind::Run, arn, why)
            .calls
            .extend(calls);
    }
}

fn render_function_version_label(seen: &DistributionEvidence) -> &str {
    seen.version_arn.as_deref().unwrap_or("the version from the bootstrap")
}

/// Plans the proof of a version that the distribution hasn't yet.
fn plan_version_proof(plan: &mut StagePlan, seen: &DistributionEvidence, names: &ResourceNames) {
    if is_version_associated(seen, names) {
        return;
    }
    plan.add_planned_change(
        StageStep::VersionProof,
        ResourceChangeKind::Run,
        render_function_version_label(seen),
        "invoked in us-east-1 before any edge has it: with right links, a forged and an expired one",
    )
    .calls
    .push("lambda:InvokeFunction".into());
}

fn plan_distribution_creation(plan: &mut StagePlan, seen: &DistributionEvidence, names: &ResourceNames) {
    plan.add_planned_change(
        StageStep::Distribution,
        ResourceChangeKind::Create,
        names.distribution_and_identity_comment(),
        "serves the bucket, https only; nothing can read through it yet",
    )
    .calls
    .extend([
        "cloudfront:ListDistributions".into(),
        "cloudfront:CreateDistribution".into(),
        "cloudfront:TagResource".into(),
    ]);
    plan.add_planned_change(
        StageStep::Authenticator,
        ResourceChangeKind::Attach,
        render_function_version_label(seen),
        EVERY_BEHAVIOR,
    )
    .calls
    .extend(["lambda:GetFunction".into(), "lambda:EnableReplication*".into()]);
    plan.add_planned_change(
        StageStep::Deployed,
        ResourceChangeKind::Run,
        "every edge",
        describe_deployment_time(),
    );
}

fn plan_distribution_update(
    plan: &mut StagePlan,
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
            StageStep::Distribution,
            ResourceChangeKind::Keep,
            &distribution.id,
            format!("it is there: {}", distribution.domain),
        );
    } else {
        plan.add_planned_change(
            StageStep::Distribution,
            ResourceChangeKind::Update,
            &distribution.id,
            changes.join("; "),
        )
        .calls
        .extend([
            "cloudfront:GetDistributionConfig".into(),
            "cloudfront:UpdateDistribution".into(),
            "cloudfront:TagResource".into(),
        ]);
    }
    plan.notes.extend(advise_invalidation_after_change(
        distribution,
        &seen.cache_policies,
        &seen.path_caching,
        names,
    ));
    let carried = plan_authenticator_association(plan, seen, distribution, names);
    if carried && differs.is_empty() && distribution.status == "Deployed" {
        plan.add_planned_change(
            StageStep::Deployed,
            ResourceChangeKind::Keep,
            &distribution.id,
            "every edge has it",
        );
    } else {
        plan.add_planned_change(
            StageStep::Deployed,
            ResourceChangeKind::Run,
            &distribution.id,
            describe_deployment_time(),
        );
    }
}

/// Plans the version on every behavior, and returns whether it is there already.
fn plan_authenticator_association(
    plan: &mut StagePlan,
    seen: &DistributionEvidence,
    distribution: &CloudFrontDistribution,
    names: &ResourceNames,
) -> bool {
    let carried = is_version_associated(seen, names);
    if carried {
        plan.add_planned_change(
            StageStep::Authenticator,
            ResourceChangeKind::Keep,
            render_function_version_label(seen),
            EVERY_BEHAVIOR,
        );
    } else {
        let before = distribution.behaviors.iter().find_map(|behavior| behavior.viewer_request.as_ref());
        let why = before.map_or_else(
            || EVERY_BEHAVIOR.to_owned(),
            |before| {
                let back = render_proposed_command("roll-back", &["--edge", before]);
                format!("{EVERY_BEHAVIOR}, where {before} is now; to put that back: {back}")
            },
        );
        plan.add_planned_change(
            StageStep::Authenticator,
            ResourceChangeKind::Attach,
            render_function_version_label(seen),
            why,
        )
        .calls
        .extend(["cloudfront:GetDistributionConfig".into(), "cloudfront:UpdateDistribution".into()]);
    }
    carried
}

/// What contract section 5 and the answers want and the distribution hasn't, but for the version: one fragment each.
fn list_distribution_differences(
    seen: &DistributionEvidence,
    distribution: &CloudFrontDistribution,
    names: &ResourceNames,
) -> Vec<String> {
    let mut all = distribution.differs.clone();
    if distribution.comment != names.distribution_and_identity_comment() {
        all.push(format!("its Comment becomes {}", names.distribution_and_identity_comment()));
    }
    for origin in find_bucket_origins(distribution, names) {
        if is_origin_access_different(seen, origin) {
            let whose = |identity: Option<&str>, control: Option<&str>| match (identity, control) {
                (Some(id), _) => Some(format!("identity {id}")),
                (_, Some(id)) => Some(format!("control {id}")),
                (None, None) => None,
            };
            let (identity, control) = compute_desired_origin_access_ids(seen);
            let now = whose(origin.identity.as_deref(), origin.control.as_deref());
            let then = whose(identity, control);
            let then = then.as_deref().unwrap_or("the one that is made");
            let both = if now.is_some() { ", and both may read until every edge has changed" } else { "" };
            let now = now.as_deref().unwrap_or("nobody");
            let why = match seen.why_control.as_str() {
                why if seen.by_control && !why.is_empty() => format!(" ({why})"),
                _ => String::new(),
            };
            all.push(format!("origin access goes from {now} to {then}{why}{both}"));
        }
    }
    all.extend(describe_path_behaviors_change(distribution, &seen.cache_policies, &seen.path_caching, names));
    let right = seen.cache_policies.find_policy_id(CachePolicyRole::PassThrough);
    let beside = list_path_behaviors(distribution, &seen.cache_policies, names);
    let default = distribution.behaviors.iter().filter(|one| one.path.is_none()).map(|one| (one, false));
    for (behavior, is_own) in default.chain(beside) {
        let on_bucket = is_on_bucket(distribution, behavior, names);
        if on_bucket && !is_own && (right.is_none() || behavior.cache_policy.as_deref() != right) {
            let name = behavior
                .path
                .as_deref()
                .map_or("the default behavior".into(), |path| format!("behavior {path}"));
            all.push(format!("the cache policy of {name} is another"));
        }
    }
    if let Some(domain) = &seen.packages_domain {
        if !distribution.has_domain_name_or_alias(&domain.name) {
            all.push(format!("{} becomes its alternate domain name", domain.name));
        } else if distribution.certificate.as_ref() != Some(&domain.certificate.arn) {
            all.push(format!("{} is served with {}", domain.name, domain.certificate.arn));
        }
    }
    all
}

/// Returns whether the distribution that stands would be changed: its settings, or the version on its behaviors.
pub(super) fn is_distribution_change_due(seen: &DistributionEvidence, names: &ResourceNames) -> bool {
    seen.distribution.as_ref().is_some_and(|distribution| {
        !is_version_associated(seen, names)
            || !list_distribution_differences(seen, distribution, names).is_empty()
    })
}

/// Plans what a change needs while links lead to the distribution: a yes of its own before it, the gate after it.
fn plan_live_change(
    plan: &mut StagePlan,
    seen: &DistributionEvidence,
    answers: &OperatorAnswers,
    names: &ResourceNames,
) {
    plan.add_planned_change(
        StageStep::Gate,
        ResourceChangeKind::Run,
        "signed URLs at the edge",
        "on a package and on repository metadata, once every edge has the change; where it fails, what was changed is put back",
    );
    let id = seen.distribution.as_ref().map_or("", |distribution| distribution.id.as_str());
    let consent = RequiredConsent::LiveChange;
    if !answers.consents.has_consent(consent, names.bucket_name()) {
        plan.confirmations.push(PlanConfirmationQuestion {
            consent,
            question: format!(
                "Links lead to distribution {id} now. Change it while it serves them, behind the gate, and put the change back where that fails?"
            ),
        });
    }
}

fn find_bucket_origins<'a>(
    distribution: &'a CloudFrontDistribution,
    names: &ResourceNames,
) -> impl Iterator<Item = &'a DistributionOrigin> {
    distribution.origins.iter().filter(|origin| is_bucket_domain(&origin.domain, names.bucket_name()))
}

/// The ids of the identity and of the control that origins of the bucket shall have.
fn compute_desired_origin_access_ids(seen: &DistributionEvidence) -> (Option<&str>, Option<&str>) {
    if seen.by_control {
        (None, seen.control.as_ref().map(|control| control.id.as_str()))
    } else {
        (seen.identity.as_ref().map(|identity| identity.id.as_str()), None)
    }
}

fn is_origin_access_different(seen: &DistributionEvidence, origin: &DistributionOrigin) -> bool {
    let (identity, control) = compute_desired_origin_access_ids(seen);
    (identity.is_none() && control.is_none())
        || (origin.identity.as_deref(), origin.control.as_deref()) != (identity, control)
}

/// Returns whether the distribution that stands reads the bucket as another than it shall.
pub fn needs_origin_access_change(seen: &DistributionEvidence, names: &ResourceNames) -> bool {
    seen.distribution.as_ref().is_some_and(|distribution| {
        find_bucket_origins(distribution, names).any(|origin| is_origin_access_different(seen, origin))
    })
}
