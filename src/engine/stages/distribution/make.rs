//! Makes what the distribution stage's plan says, in the order that never leaves the bucket open, nor customers without it.

use super::{
    grant::{BucketReadGrantOutcome, grant_cloudfront_bucket_read, grant_new_origin_access_alongside},
    plan::needs_origin_access_change,
    proof::prove_version_before_association,
};
use crate::aws::{DistributionSettings, IntendedDistributionUpdate, OriginAccessId};
use crate::engine::{
    resources::{
        adoption::is_our_distribution,
        authenticator::save_deployed_token_construction,
        bucket_key,
        guard::{has_version_on_bucket_behaviors, is_distribution_behind_authenticator},
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
    aws::{account::AcmCertificate, cloudfront::CloudFrontDistribution, evidence::DistributionEvidence},
    failure::Failure,
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
    let (cloud, names) = (&target.cloud, &target.names);
    let needed = |what: &str, why: &str| {
        let bootstrap = render_proposed_command("bootstrap-cloudfront", &[]);
        Failure::new_generic_failure(what, why, format!("make it with: {bootstrap}"))
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
    let making_cache = run.run_stage_step(
        StageStep::CachePolicy,
        format!("cache policy {}", names.cache_policy_name()),
        async {
            let adopt = answers.consents.adopt;
            let cache = cloud.ensure_cache_policy(names, seen.cache_policy.as_ref(), adopt).await?;
            let text = format!("cache policy {} stands", cache.id);
            Ok((cache, text))
        },
    );
    let (cache, certificate, ()) = tokio::try_join!(
        making_cache,
        Box::pin(wait_until_certificate_issued(session, &target, seen, run)),
        Box::pin(prove_version_before_association(session, &target, seen, answers, run))
    )?;
    let alias = seen.packages_domain.as_ref().zip(certificate.as_ref());
    let settings = DistributionSettings {
        region: &seen.bucket.region,
        access,
        cache_policy_id: &cache.id,
        version_arn,
        alias: alias.map(|(domain, certificate)| (domain.name.as_str(), certificate.arn.as_str())),
    };
    let mut seen = seen.clone();
    if let Some(policy) = Box::pin(grant_new_origin_access_read(session, &target, &seen, run)).await? {
        seen.bucket.policy = Some(policy);
    }
    let made = Box::pin(ensure_cloudfront_distribution(&target, &seen, settings, answers, run)).await?;
    // The same request carries both; the screen has a line for each.
    run.run_stage_step(StageStep::Authenticator, version_arn, async {
        Ok(((), format!("{version_arn} is on every behavior")))
    })
    .await?;
    let made = Box::pin(wait_until_distribution_deployed(session, &target, &made, run)).await?;
    let left =
        Box::pin(bucket_key::ensure_kms_key_statements(&target, &seen.keys, &made.arn, answers, run)).await?;
    let granted =
        Box::pin(open_bucket_to_cloudfront(session, &target, &seen, (&made, version_arn), run)).await?;
    target
        .cache_created_resource(CreatedAwsResource::Delivery(DeliveryResources {
            distributions: granted.distributions,
            cache_policy: Some(cache),
            bucket_policy: granted.bucket_policy,
        }))
        .await;
    Ok((StageEnd::Applied, format!("{} serves {}{left}", made.domain, names.bucket_name())))
}

/// Lets the next origin access read the bucket beside the one that stands, before it takes its place: the bucket policy
/// as it then is; `None` where the origin access stays.
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
    if !needs_origin_access_change(seen, names) {
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

/// Makes the distribution, or changes the one that stands.
async fn ensure_cloudfront_distribution(
    target: &AwsTarget,
    seen: &DistributionEvidence,
    settings: DistributionSettings<'_>,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<CloudFrontDistribution, Failure> {
    let (cloud, names) = (&target.cloud, &target.names);
    let say = run.build_step_progress_reporter(StageStep::Distribution);
    run.run_stage_step(
        StageStep::Distribution,
        "distribution, with the authenticator on every behavior",
        async {
            let distribution = match &seen.distribution {
                None => {
                    // The plan may be old: one that was made since is never made twice.
                    if cloud
                        .list_distributions(names)
                        .await?
                        .iter()
                        .any(|one| is_our_distribution(one, names))
                    {
                        return Err(Failure::new_plan_drift_failure(
                            "the distribution",
                            "it was made since this was shown",
                        ));
                    }
                    let made = Box::pin(cloud.create_distribution(names, &settings, &say)).await?;
                    // CloudFront may have taken another run's.
                    if !has_version_on_bucket_behaviors(&made, names, settings.version_arn) {
                        return Err(Failure::new_plan_drift_failure(
                            format!("distribution {}", made.id),
                            "another run made it at the same moment, with another version of the function",
                        ));
                    }
                    made
                }
                Some(stands) => {
                    let intent = IntendedDistributionUpdate::Whole(settings);
                    let adopt = answers.consents.adopt;
                    let changing =
                        cloud.update_distribution(names, &stands.id, &stands.etag, &intent, adopt, &say);
                    Box::pin(changing).await?
                }
            };
            let text = format!("distribution {} at {} stands", distribution.id, distribution.domain);
            Ok((distribution, text))
        },
    )
    .await
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

/// The distribution, once every edge has it.
async fn wait_until_distribution_deployed(
    session: &Session,
    target: &AwsTarget,
    made: &CloudFrontDistribution,
    run: &StageRun,
) -> Result<CloudFrontDistribution, Failure> {
    let say = run.build_step_progress_reporter(StageStep::Deployed);
    let doing = format!("waiting until every edge has {}; this takes minutes", made.id);
    run.run_stage_step(StageStep::Deployed, doing, async {
        let waiting = || {
            run.read_unless_stopped(target.cloud.wait_until_distribution_deployed(&target.names, made, &say))
        };
        let deployed = if made.status == "Deployed" {
            made.clone()
        } else {
            retry_on_expired_credentials(session, &target.cloud, run, StageStep::Deployed, waiting).await?
        };
        let text = format!("distribution {} is deployed", deployed.id);
        Ok((deployed, text))
    })
    .await
}
