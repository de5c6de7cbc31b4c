//! Makes what the distribution stage's plan says, in the order that never leaves the bucket open, nor customers without it.

use super::{
    grant::{BucketReadGrantOutcome, grant_cloudfront_bucket_read, grant_new_origin_access_alongside},
    plan::{is_distribution_change_due, needs_origin_access_change},
    proof::prove_version_before_association,
};
use crate::aws::{
    DistributionSettings, IntendedDistributionUpdate, OriginAccessId, PathCachingSettings,
    cloudfront::is_path_caching_refusal,
};
use crate::engine::{
    live_change::{
        change_distribution_behind_gate, settle_unproven_change, wait_until_distribution_deployed,
    },
    resources::{
        adoption::is_our_distribution,
        authenticator::save_deployed_token_construction,
        bucket_key,
        guard::{has_version_on_bucket_behaviors, is_distribution_behind_authenticator},
        path_caching::advise_invalidation_after_change,
    },
    run::StageRun,
    session::{
        AwsTarget, Session,
        account_cache::{CreatedAwsResource, DeliveryResources},
        retry_on_expiry::retry_on_expired_credentials,
    },
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        account::AcmCertificate,
        cloudfront::{CachePolicy, CloudFrontDistribution, InstallCachePolicies},
        evidence::DistributionEvidence,
    },
    failure::{Failure, FailureKind},
    packagecloud::path_cache::CachePolicyRole,
    run::{answers::OperatorAnswers, event::StageEnd, goal::StageStep},
};

/// Makes what the plan says.
///
/// # Errors
/// Fails where a stage before this one is missing, the version can't be proven, AWS refuses a step, or the bucket would be
/// open to anybody.
pub(crate) async fn apply(
    session: &Session,
    seen: &DistributionEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    save_deployed_token_construction(session, &target).await;
    if let Some(standing) = &seen.distribution {
        Box::pin(settle_unproven_change(session, &target, standing, answers, run)).await?;
    }
    let names = &target.names;
    let needed = |what: &str, why: &str| {
        let bootstrap = render_proposed_command("bootstrap-cloudfront", &[]);
        Failure::new_generic_failure(what, why, format!("create it with: {bootstrap}"))
    };
    let version_arn = seen
        .version_arn
        .as_deref()
        .ok_or_else(|| needed("the function's version", "there is none yet that is right"))?;
    let access = match (seen.by_control, &seen.identity, &seen.control) {
        (false, Some(identity), _) => OriginAccessId::Identity(&identity.id),
        (true, _, Some(control)) => OriginAccessId::Control(&control.id),
        _ => return Err(needed("the origin access", "there is none yet")),
    };
    let (caching, certificate, ()) = tokio::try_join!(
        Box::pin(ensure_cache_policies(&target, seen, answers, run)),
        Box::pin(wait_until_certificate_issued(session, &target, seen, run)),
        Box::pin(prove_version_before_association(session, &target, seen, answers, run))
    )?;
    let alias = seen.packages_domain.as_ref().zip(certificate.as_ref());
    let settings = DistributionSettings {
        region: &seen.bucket.region,
        access,
        cache_policy_id: &caching.pass_through.id,
        path_caching: caching.packages.as_ref().map(|policy| PathCachingSettings {
            policy_id: &policy.id,
            rules: seen.path_caching.path_cache_rules(),
        }),
        version_arn,
        alias: alias.map(|(domain, certificate)| (domain.name.as_str(), certificate.arn.as_str())),
    };
    let mut seen = seen.clone();
    if let Some(policy) = Box::pin(grant_new_origin_access_read(session, &target, &seen, run)).await? {
        seen.bucket.policy = Some(policy);
    }
    let made = Box::pin(change_and_deploy(session, &target, &seen, settings, answers, run)).await?;
    let left =
        Box::pin(bucket_key::ensure_kms_key_statements(&target, &seen.keys, &made.arn, answers, run)).await?;
    let granted =
        Box::pin(open_bucket_to_cloudfront(session, &target, &seen, (&made, version_arn), run)).await?;
    let held = seen.distribution.as_ref().and_then(|standing| {
        advise_invalidation_after_change(standing, &seen.cache_policies, &seen.path_caching, names)
    });
    let held = held.map(|advice| format!(". {advice}")).unwrap_or_default();
    let uncached = caching.why_no_packages.map(|why| format!("; {why}")).unwrap_or_default();
    let made_resources = DeliveryResources {
        distributions: granted.distributions,
        cache_policies: InstallCachePolicies {
            pass_through: Some(caching.pass_through.clone()),
            packages: caching.packages.clone().or(seen.cache_policies.packages),
        },
        bucket_policy: granted.bucket_policy,
    };
    target.cache_created_resource(CreatedAwsResource::Delivery(made_resources)).await;
    Ok((StageEnd::Applied, format!("{} serves {}{left}{uncached}{held}", made.domain, names.bucket_name())))
}

/// The cache policies as they were made; the second one only where packages are cached by their path.
struct EnsuredCachePolicies {
    pass_through: CachePolicy,
    packages: Option<CachePolicy>,
    /// Why packages aren't cached by their path although they should be: a sentence without its end.
    why_no_packages: Option<String>,
}

/// Makes both cache policies. Where the second one can't be made (a quota, a plan), that is said and stops nothing.
async fn ensure_cache_policies(
    target: &AwsTarget,
    seen: &DistributionEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<EnsuredCachePolicies, Failure> {
    let (cloud, names) = (&target.cloud, &target.names);
    let adopt = answers.consents.adopt;
    let standing = &seen.cache_policies;
    let ensure = |role, seen| cloud.ensure_cache_policy(names, role, seen, adopt);
    let packages = async {
        if seen.path_caching.path_cache_rules().is_empty() {
            return Ok((None, None));
        }
        match ensure(CachePolicyRole::Packages, standing.packages.as_ref()).await {
            Ok(policy) => Ok((Some(policy), None)),
            Err(failure) if is_passing_failure(&failure) => Err(failure),
            Err(failure) => Ok((None, Some(format!("no package is cached by its path: {failure}")))),
        }
    };
    let doing = format!("cache policy {}", names.cache_policy_name(CachePolicyRole::PassThrough));
    run.run_stage_step(StageStep::CachePolicy, doing, async {
        let first = ensure(CachePolicyRole::PassThrough, standing.pass_through.as_ref());
        let (pass_through, (packages, why_no_packages)) = tokio::try_join!(first, packages)?;
        let did = if standing.pass_through.is_some() { "already there" } else { "created" };
        let text = match (&packages, &why_no_packages) {
            (Some(_), _) => {
                if standing.pass_through.is_some() && standing.packages.is_some() {
                    "both cache policies already there".to_owned()
                } else {
                    "both cache policies created".to_owned()
                }
            }
            (None, Some(why)) => format!("cache policy {} {did}; {why}", pass_through.id),
            (None, None) => format!("cache policy {} {did}", pass_through.id),
        };
        Ok((EnsuredCachePolicies { pass_through, packages, why_no_packages }, text))
    })
    .await
}

/// Whether the same may succeed in a moment, or somewhere else must be looked again: no reason to go on without.
fn is_passing_failure(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::Credentials | FailureKind::Drifted | FailureKind::Unreachable | FailureKind::Interrupted
    )
}

/// Makes or changes the distribution, and has it on every edge.
async fn change_and_deploy(
    session: &Session,
    target: &AwsTarget,
    seen: &DistributionEvidence,
    settings: DistributionSettings<'_>,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<CloudFrontDistribution, Failure> {
    let is_due = is_distribution_change_due(seen, &target.names);
    let change = async {
        let version_arn = settings.version_arn;
        let made = Box::pin(ensure_cloudfront_distribution(target, seen, settings, answers, run)).await?;
        // The same request carries both; the screen has a line for each.
        run.run_stage_step(StageStep::Authenticator, version_arn, async {
            Ok(((), format!("{version_arn} is on every behavior")))
        })
        .await?;
        Ok(made)
    };
    let standing = seen.distribution.as_ref();
    Box::pin(change_distribution_behind_gate(session, target, (standing, is_due), answers, run, change)).await
}

/// Lets the next origin access read the bucket beside the one that stands, before it takes its place: the bucket policy
/// as it then is; `None` where the origin access stays and may read. A grant that was lost is made up for before a change too:
/// without it no gate could pass.
async fn grant_new_origin_access_read(
    session: &Session,
    target: &AwsTarget,
    seen: &DistributionEvidence,
    run: &StageRun,
) -> Result<Option<String>, Failure> {
    let names = &target.names;
    let Some(standing) =
        seen.distribution.as_ref().filter(|one| is_distribution_behind_authenticator(one, names))
    else {
        return Ok(None);
    };
    let is_grant_lost = seen.serves_links && !seen.granted && is_distribution_change_due(seen, names);
    if !needs_origin_access_change(seen, names) && !is_grant_lost {
        return Ok(None);
    }
    let standing = Box::pin(wait_until_distribution_deployed(session, target, standing, run)).await?;
    let say = run.build_step_progress_reporter(StageStep::BucketPolicy);
    let doing = format!("bucket policy of {}, for both ways", names.bucket_name());
    run.run_stage_step(StageStep::BucketPolicy, doing, async {
        Box::pin(grant_new_origin_access_alongside(session, target, seen, &standing, &say)).await
    })
    .await
    .map(Some)
}

/// Makes the distribution, or changes the one that stands. Where CloudFront refuses the behaviors by path, that is said, and it
/// is made without them.
async fn ensure_cloudfront_distribution(
    target: &AwsTarget,
    seen: &DistributionEvidence,
    settings: DistributionSettings<'_>,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<CloudFrontDistribution, Failure> {
    let doing = "distribution, with the authenticator on every behavior";
    run.run_stage_step(StageStep::Distribution, doing, async {
        let (made, why) =
            match Box::pin(make_or_change_distribution(target, seen, settings, answers, run)).await {
                Err(refused) if settings.path_caching.is_some() && is_path_caching_refusal(&refused) => {
                    let settings = DistributionSettings { path_caching: None, ..settings };
                    let made =
                        Box::pin(make_or_change_distribution(target, seen, settings, answers, run)).await?;
                    (made, format!("; no package is cached by its path: {refused}"))
                }
                made => (made?, String::new()),
            };
        let did = match &seen.distribution {
            None => "created",
            Some(_) if is_distribution_change_due(seen, &target.names) => "updated",
            Some(_) => "already there",
        };
        let text = format!("distribution {} at {} {did}{why}", made.id, made.domain);
        Ok((made, text))
    })
    .await
}

async fn make_or_change_distribution(
    target: &AwsTarget,
    seen: &DistributionEvidence,
    settings: DistributionSettings<'_>,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<CloudFrontDistribution, Failure> {
    let (cloud, names) = (&target.cloud, &target.names);
    let say = run.build_step_progress_reporter(StageStep::Distribution);
    if let Some(stands) = &seen.distribution {
        let intent = IntendedDistributionUpdate::Whole(settings);
        let adopt = answers.consents.adopt;
        return Box::pin(cloud.update_distribution(names, &stands.id, &stands.etag, &intent, adopt, &say))
            .await;
    }
    // The plan may be old: one that was made since is never made twice.
    if cloud.list_distributions(names).await?.iter().any(|one| is_our_distribution(one, names)) {
        return Err(Failure::new_plan_drift_failure("the distribution", "it was made since this was shown"));
    }
    let made = Box::pin(cloud.create_distribution(names, &settings, &say)).await?;
    // CloudFront may have taken another run's.
    if !has_version_on_bucket_behaviors(&made, names, settings.version_arn) {
        return Err(Failure::new_plan_drift_failure(
            format!("distribution {}", made.id),
            "another run made it at the same moment, with another version of the function",
        ));
    }
    Ok(made)
}

/// Lets CloudFront read the bucket through `made`, which every edge has with this version.
async fn open_bucket_to_cloudfront(
    session: &Session,
    target: &AwsTarget,
    seen: &DistributionEvidence,
    (made, version_arn): (&CloudFrontDistribution, &str),
    run: &StageRun,
) -> Result<BucketReadGrantOutcome, Failure> {
    let say = run.build_step_progress_reporter(StageStep::BucketPolicy);
    run.run_stage_step(
        StageStep::BucketPolicy,
        format!("bucket policy of {}", target.names.bucket_name()),
        async {
            let granted =
                Box::pin(grant_cloudfront_bucket_read(session, target, seen, made, version_arn, &say))
                    .await?;
            let text = granted.text.clone();
            Ok((granted, text))
        },
    )
    .await
}

/// The certificate for the packages domain, once ACM has issued it.
async fn wait_until_certificate_issued(
    session: &Session,
    target: &AwsTarget,
    seen: &DistributionEvidence,
    run: &StageRun,
) -> Result<Option<AcmCertificate>, Failure> {
    let Some(domain) = &seen.packages_domain else { return Ok(None) };
    let certificate = &domain.certificate;
    if certificate.is_certificate_issued() {
        return Ok(Some(certificate.clone()));
    }
    let say = run.build_step_progress_reporter(StageStep::Certificate);
    let doing = format!("waiting until ACM has issued {}; this waits for its DNS record", certificate.arn);
    run.run_stage_step(StageStep::Certificate, doing, async {
        let waiting =
            || run.read_unless_stopped(target.cloud.wait_until_certificate_issued(certificate, &say));
        let issued =
            retry_on_expired_credentials(session, &target.cloud, run, StageStep::Certificate, waiting)
                .await?;
        let text = format!("certificate {} is issued", issued.arn);
        Ok((Some(issued), text))
    })
    .await
}
