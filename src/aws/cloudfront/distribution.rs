//! Making a distribution, changing one, and waiting until the edge has it.
//!
//! A create whose reply was lost is looked up, never sent again; an update re-applies its intent to what stands now. Of two
//! creates at once CloudFront takes one, since both carry the same caller reference.

use aws_config::retry::RetryConfig;
use aws_sdk_cloudfront::{
    operation::create_distribution_with_tags::CreateDistributionWithTagsOutput,
    types::{DistributionConfig, DistributionConfigWithTags, Tag, Tags},
};

use sha2::{Digest as _, Sha256};

use super::{
    config::{self, DistributionSettings, IntendedDistributionUpdate, OriginAccessId},
    failure_from_sdk_build_error,
    read::parse_distribution_config,
};
use crate::aws::{AwsClients, WaitProgressReporter, check_resource_ownership_allows_change, error, retry};
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    aws::{account::ResourceOwnership, cloudfront::CloudFrontDistribution, names::ResourceNames},
    failure::{Failure, FailureKind},
};

const CREATE_DISTRIBUTION_ACTION: &str = "cloudfront:CreateDistribution";
const FUNCTION_KNOWN_WAIT: retry::PollLimits =
    retry::PollLimits::new("CloudFront to accept the function's version", 300, 5);
/// ACM has issued it, and CloudFront doesn't know yet.
const CERTIFICATE_KNOWN_WAIT: retry::PollLimits =
    retry::PollLimits::new("CloudFront to know the certificate", 60, 5);
const DISTRIBUTION_LISTED_WAIT: retry::PollLimits =
    retry::PollLimits::new("the distribution to be listed, although no answer came", 60, 5);
const UPDATE_VISIBLE_WAIT: retry::PollLimits =
    retry::PollLimits::new("the new configuration to be read back", 60, 2);
const DISTRIBUTION_DEPLOYED_WAIT: retry::PollLimits =
    retry::PollLimits::new("CloudFront to deploy it to its edges", 3600, 15);
/// How many references are tried, where one is taken and nothing of ours is listed: that was deleted.
const CALLER_REFERENCES_MAX: u32 = 4;
/// How often an update is made anew from what stands.
pub(super) const UPDATE_RETRIES_MAX: usize = 4;

fn format_new_distribution_label(names: &ResourceNames) -> String {
    format!("distribution \"{}\"", names.distribution_and_identity_comment())
}

fn build_distribution_tags(names: &ResourceNames) -> Result<Tags, Failure> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    let built: Result<Vec<_>, _> = names.build_resource_tags().into_iter().map(tag).collect();
    let built =
        built.map_err(|error| failure_from_sdk_build_error(&format_new_distribution_label(names), &error))?;
    Ok(Tags::builder().set_items(Some(built)).build())
}

/// The Comment, and a part that differs from install to install and is the same for two runs of one: what both were about to
/// associate. A number makes another of it.
fn build_distribution_caller_reference(
    names: &ResourceNames,
    shape: &DistributionSettings<'_>,
    nth: u32,
) -> String {
    let access = match shape.access {
        OriginAccessId::Identity(id) | OriginAccessId::Control(id) => id,
    };
    let digest = Sha256::digest(format!("{} {access} {nth}", shape.version_arn));
    format!("{} {}", names.distribution_and_identity_comment(), hex::encode(&digest[..8]))
}

/// A fresh role, or a version on its way: it passes. Every other refusal of an association stays.
fn is_transient_function_association_refusal(failure: &Failure) -> bool {
    let association = error::has_aws_error_code(failure, "InvalidLambdaFunctionAssociation")
        && (failure.why.contains("must be assumable with edgelambda.amazonaws.com")
            || (failure.why.contains("must be in an Active state") && failure.why.contains("is Pending")));
    association || error::is_throttling_failure(failure)
}

impl AwsClients {
    /// Makes a distribution of ours, tagged and enabled; finds it where a reply was lost, or another run made it.
    ///
    /// # Errors
    /// Where CloudFront refuses it.
    pub async fn create_distribution(
        &self,
        names: &ResourceNames,
        shape: &DistributionSettings<'_>,
        say: WaitProgressReporter<'_>,
    ) -> Result<CloudFrontDistribution, Failure> {
        let mut nth = 1;
        loop {
            let failure = match self.create_distribution_once(names, shape, nth, say).await {
                Ok(answer) => return parse_created_distribution_response(answer, names),
                Err(failure) => failure,
            };
            let taken = error::has_aws_error_code(&failure, "DistributionAlreadyExists");
            if !taken && failure.kind != FailureKind::Unreachable {
                return Err(failure);
            }
            let found = retry::poll_for_a_while(DISTRIBUTION_LISTED_WAIT, say, || async {
                let all = self.list_distributions(names).await?;
                Ok(all.into_iter().find(|one| {
                    one.ownership == ResourceOwnership::Ours
                        && one.comment == names.distribution_and_identity_comment()
                }))
            });
            match found.await {
                Ok(Some(found)) => return Ok(found),
                // It was deleted, and CloudFront keeps its reference.
                Ok(None) if taken && nth < CALLER_REFERENCES_MAX => nth += 1,
                // What was wrong is what happened first.
                _ => return Err(failure),
            }
        }
    }

    /// Asks for it under the `nth` reference, until CloudFront knows what it names.
    async fn create_distribution_once(
        &self,
        names: &ResourceNames,
        shape: &DistributionSettings<'_>,
        nth: u32,
        say: WaitProgressReporter<'_>,
    ) -> Result<CreateDistributionWithTagsOutput, Failure> {
        let reference = build_distribution_caller_reference(names, shape, nth);
        let config = config::build_distribution_config(names, shape, &reference)
            .map_err(|error| failure_from_sdk_build_error(&format_new_distribution_label(names), &error))?;
        let tagged = DistributionConfigWithTags::builder()
            .distribution_config(config)
            .tags(build_distribution_tags(names)?)
            .build();
        let once = aws_sdk_cloudfront::config::Builder::new().retry_config(RetryConfig::disabled());
        let create = || async {
            let asked = self
                .cloudfront
                .create_distribution_with_tags()
                .distribution_config_with_tags(tagged.clone())
                .customize()
                .config_override(once.clone())
                .send()
                .await;
            match asked.map_err(error::build_aws_action_failure(
                CREATE_DISTRIBUTION_ACTION,
                format_new_distribution_label(names),
            )) {
                Err(failure) if is_unknown_origin_identity_failure(&failure) => {
                    self.detect_missing_origin_identity(shape, failure).await
                }
                Err(failure) if is_invalid_viewer_certificate_failure(&failure) => {
                    self.classify_distribution_certificate_failure(shape.alias, failure).await
                }
                done => done,
            }
        };
        send_until_cloudfront_accepts(say, create).await
    }

    /// The same code means a delay and a permanent mistake: a certificate that ACM has issued for the domain passes.
    async fn classify_distribution_certificate_failure<T>(
        &self,
        alias: Option<(&str, &str)>,
        failure: Failure,
    ) -> Result<T, Failure> {
        let Some((domain, arn)) = alias else { return Err(mark_failure_permanent(failure)) };
        match self.find_acm_certificate(domain, Some(arn)).await {
            Ok(Some(found)) if found.is_certificate_issued() => Err(failure),
            Ok(_) => Err(mark_failure_permanent(failure)),
            Err(wrong) => Err(wrong),
        }
    }

    async fn detect_missing_origin_identity<T>(
        &self,
        shape: &DistributionSettings<'_>,
        failure: Failure,
    ) -> Result<T, Failure> {
        let OriginAccessId::Identity(id) = shape.access else { return Err(failure) };
        if self.list_origin_access_identities().await?.iter().any(|one| one.id == id) {
            return Err(failure);
        }
        Err(Failure::new(
            FailureKind::Missing,
            format!("origin access identity {id}"),
            "it is not there",
            "look again: it may have been deleted",
        ))
    }

    /// Brings the distribution to `intent`; writes nothing where it is there already. `etag` is what was shown.
    ///
    /// # Errors
    /// Where the configuration moved since (`Drifted`), is another's, or CloudFront refuses it.
    pub async fn update_distribution(
        &self,
        names: &ResourceNames,
        id: &str,
        etag: &str,
        intent: &IntendedDistributionUpdate<'_>,
        adopt: bool,
        say: WaitProgressReporter<'_>,
    ) -> Result<CloudFrontDistribution, Failure> {
        let what = format!("distribution {id}");
        let drifted = |why: &str| Failure::new_plan_drift_failure(&what, why);
        let gone = || drifted("it was deleted meanwhile");
        let alias = intent.intended_alias_and_certificate();
        let (seen, mut read) =
            tokio::try_join!(self.read_distribution(names, id), self.read_distribution_config(id))?;
        let seen = seen.ok_or_else(gone)?;
        check_resource_ownership_allows_change(&what, &seen.ownership, adopt)?;
        let shown = parse_distribution_config(&read.config, names);
        let moved = read.etag != etag;
        let mut tries = 0;
        loop {
            let mut wanted = read.config.clone();
            config::apply_intent_to_distribution_config(&mut wanted, names, intent)?;
            let there = wanted == read.config;
            // Where it is there already it may be by a write of ours, whose answer was lost.
            if !there && (moved || parse_distribution_config(&read.config, names) != shown) {
                return Err(drifted("its configuration was changed since it was shown"));
            }
            check_behaviors_viewer_request_free(&what, &read.config, names, intent)?;
            if seen.ownership != ResourceOwnership::Ours && tries == 0 {
                self.tag_distribution(names, &seen.arn).await?;
            }
            if there {
                return self.read_distribution(names, id).await?.ok_or_else(gone);
            }
            self.check_distribution_config_round_trip(id, &read).await?;
            let update = || async {
                let asked = self
                    .cloudfront
                    .update_distribution()
                    .id(id)
                    .if_match(&read.etag)
                    .distribution_config(wanted.clone())
                    .send()
                    .await;
                match asked.map_err(error::build_aws_action_failure("cloudfront:UpdateDistribution", &what)) {
                    Err(failure) if is_invalid_viewer_certificate_failure(&failure) => {
                        self.classify_distribution_certificate_failure(alias, failure).await
                    }
                    done => done,
                }
            };
            match send_until_cloudfront_accepts(say, update).await {
                Ok(answer) => {
                    return self.wait_until_etag_visible(names, id, etag, answer.e_tag.as_deref(), say).await;
                }
                Err(failure) if is_stale_etag(&failure) && tries < UPDATE_RETRIES_MAX => {
                    say("the distribution's ETag moved: reading it again");
                    tries += 1;
                    read = self.read_distribution_config(id).await?;
                }
                Err(failure) if is_stale_etag(&failure) => {
                    return Err(drifted("its configuration goes on changing"));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// A read right after a write may show what stood before: the new ETag is waited for.
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer, or it can't be seen in time.
    pub(super) async fn wait_until_etag_visible(
        &self,
        names: &ResourceNames,
        id: &str,
        old: &str,
        new: Option<&str>,
        say: WaitProgressReporter<'_>,
    ) -> Result<CloudFrontDistribution, Failure> {
        retry::poll_until(UPDATE_VISIBLE_WAIT, say, || async {
            let now = self.read_distribution(names, id).await?;
            Ok(now.filter(|now| new.map_or(now.etag != old, |new| now.etag == new)))
        })
        .await
    }

    async fn tag_distribution(&self, names: &ResourceNames, arn: &str) -> Result<(), Failure> {
        let asked =
            self.cloudfront.tag_resource().resource(arn).tags(build_distribution_tags(names)?).send().await;
        asked.map_err(error::build_aws_action_failure("cloudfront:TagResource", arn)).map(|_| ())
    }

    /// Waits until the distribution, of ours as it was made or changed, is Deployed, for an hour at most.
    ///
    /// # Errors
    /// Where an hour has passed, or CloudFront refuses.
    pub async fn wait_until_distribution_deployed(
        &self,
        names: &ResourceNames,
        made: &CloudFrontDistribution,
        say: WaitProgressReporter<'_>,
    ) -> Result<CloudFrontDistribution, Failure> {
        let id = made.id.as_str();
        let done = retry::poll_until(DISTRIBUTION_DEPLOYED_WAIT, say, || async {
            let now = self.read_distribution_without_tags(names, id).await?.ok_or_else(|| {
                Failure::new(
                    FailureKind::Missing,
                    format!("distribution {id}"),
                    "it is not there",
                    "look again",
                )
            })?;
            Ok((now.status == "Deployed")
                .then(|| CloudFrontDistribution { ownership: made.ownership.clone(), ..now }))
        });
        done.await.map_err(|failure| match failure.kind {
            FailureKind::Other if failure.code.is_none() => Failure::new_generic_failure(
                format!("distribution {id}"),
                failure.why,
                format!(
                    "CloudFront may still be at work: run: {} — it continues from here",
                    render_same_command_again(&[])
                ),
            ),
            _ => failure,
        })
    }
}

/// Reads the distribution from CloudFront's answer to its creation.
fn parse_created_distribution_response(
    answer: CreateDistributionWithTagsOutput,
    names: &ResourceNames,
) -> Result<CloudFrontDistribution, Failure> {
    let part = |part| {
        error::build_missing_response_part_failure(
            CREATE_DISTRIBUTION_ACTION,
            format_new_distribution_label(names),
            part,
        )
    };
    let distribution = answer.distribution.ok_or_else(|| part("the distribution"))?;
    let config = distribution.distribution_config.ok_or_else(|| part("the configuration"))?;
    Ok(CloudFrontDistribution {
        id: distribution.id,
        arn: distribution.arn,
        domain: distribution.domain_name,
        status: distribution.status,
        etag: answer.e_tag.unwrap_or_default(),
        ownership: ResourceOwnership::Ours,
        ..parse_distribution_config(&config, names)
    })
}

/// Sends until CloudFront knows what the request names: each thing for as long as it may take.
async fn send_until_cloudfront_accepts<T, F: Future<Output = Result<T, Failure>>>(
    say: WaitProgressReporter<'_>,
    send: impl Fn() -> F,
) -> Result<T, Failure> {
    let passing = |failure: &Failure| {
        is_transient_function_association_refusal(failure) || is_unknown_origin_identity_failure(failure)
    };
    let known = || retry::retry_while_transient(FUNCTION_KNOWN_WAIT, say, passing, &send);
    retry::retry_while_transient(CERTIFICATE_KNOWN_WAIT, say, is_invalid_viewer_certificate_failure, known)
        .await
}

fn is_invalid_viewer_certificate_failure(failure: &Failure) -> bool {
    error::has_aws_error_code(failure, "InvalidViewerCertificate")
}

/// Returns whether CloudFront refused a configuration for its behaviors by path, or for how many distributions use a policy:
/// without caching by path it may take it.
#[must_use]
pub fn is_path_caching_refusal(failure: &Failure) -> bool {
    [
        "TooManyCacheBehaviors",
        "TooManyDistributionsAssociatedToCachePolicy",
        "TooManyLambdaFunctionAssociations",
    ]
    .iter()
    .any(|code| error::has_aws_error_code(failure, code))
}

/// The same failure, told apart from one that passes.
fn mark_failure_permanent(failure: Failure) -> Failure {
    Failure { code: None, ..failure }
}

/// A fresh identity isn't known to all of CloudFront at once.
fn is_unknown_origin_identity_failure(failure: &Failure) -> bool {
    error::has_aws_error_code(failure, "InvalidOriginAccessIdentity")
}

/// Returns whether CloudFront refused a change since the ETag it was sent with is no longer the one that stands.
pub(super) fn is_stale_etag(failure: &Failure) -> bool {
    error::has_aws_error_code(failure, "PreconditionFailed")
        || error::has_aws_error_code(failure, "InvalidIfMatchVersion")
}

/// The viewer request of each behavior of the bucket is free, or holds a version of our function.
fn check_behaviors_viewer_request_free(
    what: &str,
    config: &DistributionConfig,
    names: &ResourceNames,
    intent: &IntendedDistributionUpdate<'_>,
) -> Result<(), Failure> {
    let view = parse_distribution_config(config, names);
    let ours = strip_arn_version(intent.intended_function_version_arn());
    let bucket: Vec<&str> = (view.origins.iter())
        .filter(|origin| super::origin::is_bucket_domain(&origin.domain, names.bucket_name()))
        .map(|origin| origin.id.as_str())
        .collect();
    for behavior in view.behaviors.iter().filter(|one| bucket.contains(&one.origin.as_str())) {
        let foreign = behavior.viewer_request.as_deref().filter(|arn| strip_arn_version(arn) != ours);
        if let Some(arn) = foreign.or(behavior.viewer_request_function.as_deref()) {
            let path = behavior.path.as_deref().unwrap_or("default");
            return Err(Failure::new_generic_failure(
                what,
                format!("the viewer request of its behavior {path} holds another function: {arn}"),
                "take that function off in the CloudFront console, or set up a distribution of its own",
            ));
        }
    }
    if bucket.is_empty() {
        return Err(Failure::new_plan_drift_failure(
            what,
            format!("none of its origins is bucket {}", names.bucket_name()),
        ));
    }
    Ok(())
}

/// A function's ARN without its version.
fn strip_arn_version(arn: &str) -> &str {
    match arn.rsplit_once(':') {
        Some((function, version)) if version.bytes().all(|b| b.is_ascii_digit()) => function,
        _ => arn,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::aws::names::ResourceNameSuffix;

    #[test]
    fn two_runs_of_one_install_have_one_caller_reference() {
        let names = ResourceNames::new("packages", &ResourceNameSuffix::default());
        let reference = |version_arn, access, nth| {
            let shape = DistributionSettings {
                region: "us-east-1",
                access,
                cache_policy_id: "policy",
                path_caching: None,
                version_arn,
                alias: None,
            };
            build_distribution_caller_reference(&names, &shape, nth)
        };
        let first = reference("arn:1", OriginAccessId::Identity("E1"), 1);
        assert_eq!(first, reference("arn:1", OriginAccessId::Identity("E1"), 1));
        assert!(first.starts_with("packagecloud-cloudfront packages "), "{first}");
        let all = [
            first,
            reference("arn:2", OriginAccessId::Identity("E1"), 1),
            reference("arn:1", OriginAccessId::Identity("E2"), 1),
            reference("arn:1", OriginAccessId::Identity("E1"), 2),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    }
}
