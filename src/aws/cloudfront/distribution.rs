//! Making a distribution, changing one, and waiting until the edge has it.
//!
//! A create whose reply was lost is looked up, never sent again; an update re-applies its intent to what stands now.

use aws_config::retry::RetryConfig;
use aws_sdk_cloudfront::types::{DistributionConfig, DistributionConfigWithTags, Tag, Tags};

use super::{
    config::{self, Access, Intent, Shape},
    read::configured,
    unbuilt,
};
use crate::aws::{Cloud, Say, error, permitted, retry};
use crate::model::{
    aws::{
        evidence::{Distribution, Ownership},
        names::Names,
    },
    run::failure::{Failure, Kind},
};

const CREATE: &str = "cloudfront:CreateDistribution";
const FUNCTION_THERE: retry::Wait = retry::Wait::new("CloudFront to accept the function's version", 300, 5);
/// ACM has issued it, and CloudFront doesn't know yet.
const CERTIFICATE_THERE: retry::Wait = retry::Wait::new("CloudFront to know the certificate", 60, 5);
const LISTED: retry::Wait = retry::Wait::new("the distribution to be listed, although no answer came", 60, 5);
const WRITTEN: retry::Wait = retry::Wait::new("the new configuration to be read back", 60, 2);
const DEPLOYED: retry::Wait = retry::Wait::new("CloudFront to deploy it to its edges", 3600, 15);
/// How often an update is made anew from what stands.
const TRIES: usize = 4;

fn what(names: &Names) -> String {
    format!("distribution \"{}\"", names.comment())
}

fn tags(names: &Names) -> Result<Tags, Failure> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    let built: Result<Vec<_>, _> = names.tags().into_iter().map(tag).collect();
    let built = built.map_err(|error| unbuilt(&what(names), &error))?;
    Ok(Tags::builder().set_items(Some(built)).build())
}

/// A fresh role, or a version on its way: it passes. Every other refusal of an association stays.
fn late(failure: &Failure) -> bool {
    let association = error::is(failure, "InvalidLambdaFunctionAssociation")
        && (failure.why.contains("must be assumable with edgelambda.amazonaws.com")
            || (failure.why.contains("must be in an Active state") && failure.why.contains("is Pending")));
    association || error::throttled(failure)
}

impl Cloud {
    /// A distribution of ours, tagged, enabled; made, or found where a reply was lost.
    pub async fn create_distribution(
        &self,
        names: &Names,
        shape: &Shape<'_>,
        say: Say<'_>,
    ) -> Result<Distribution, Failure> {
        let reference = format!("{} {:016x}", names.comment(), fastrand::u64(..));
        let config = config::made(names, shape, &reference).map_err(|error| unbuilt(&what(names), &error))?;
        let tagged =
            DistributionConfigWithTags::builder().distribution_config(config).tags(tags(names)?).build();
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
            match asked.map_err(error::of(CREATE, what(names))) {
                Err(failure) if unknown_identity(&failure) => {
                    self.unless_identity_is_gone(shape, failure).await
                }
                Err(failure) if unknown_certificate(&failure) => {
                    self.unless_certificate_is_wrong(shape.alias, failure).await
                }
                done => done,
            }
        };
        match accepted(say, create).await {
            Ok(answer) => {
                let part = |part| error::lacking(CREATE, what(names), part);
                let distribution = answer.distribution.ok_or_else(|| part("the distribution"))?;
                let config = distribution.distribution_config.ok_or_else(|| part("the configuration"))?;
                Ok(Distribution {
                    id: distribution.id,
                    arn: distribution.arn,
                    domain: distribution.domain_name,
                    status: distribution.status,
                    etag: answer.e_tag.unwrap_or_default(),
                    ownership: Ownership::Ours,
                    ..configured(&config, names)
                })
            }
            Err(failure)
                if failure.kind == Kind::Unreachable || error::is(&failure, "DistributionAlreadyExists") =>
            {
                let found = retry::until(LISTED, say, || async {
                    let all = self.distributions(names).await?;
                    Ok(all
                        .into_iter()
                        .find(|one| one.ownership == Ownership::Ours && one.comment == names.comment()))
                });
                // What was wrong is what happened first.
                found.await.map_err(|_| failure)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The same code means a delay and a permanent mistake: a certificate that ACM has issued for the domain passes.
    async fn unless_certificate_is_wrong<T>(
        &self,
        alias: Option<(&str, &str)>,
        failure: Failure,
    ) -> Result<T, Failure> {
        let Some((domain, arn)) = alias else { return Err(lasting(failure)) };
        match self.certificate(domain, Some(arn)).await {
            Ok(Some(found)) if found.issued() => Err(failure),
            Ok(_) => Err(lasting(failure)),
            Err(wrong) => Err(wrong),
        }
    }

    async fn unless_identity_is_gone<T>(&self, shape: &Shape<'_>, failure: Failure) -> Result<T, Failure> {
        let Access::Identity(id) = shape.access else { return Err(failure) };
        if self.all_identities().await?.iter().any(|one| one.id == id) {
            return Err(failure);
        }
        Err(Failure::new(
            Kind::Missing,
            format!("origin access identity {id}"),
            "it is not there",
            "look again: it may have been deleted",
        ))
    }

    /// Brings the distribution to `intent`; writes nothing where it is there already. `etag` is what was shown: a
    /// configuration that moved since is `Drifted`.
    pub async fn associate(
        &self,
        names: &Names,
        id: &str,
        etag: &str,
        intent: &Intent<'_>,
        adopt: bool,
        say: Say<'_>,
    ) -> Result<Distribution, Failure> {
        let what = format!("distribution {id}");
        let gone = || Failure::drifted(&what, "it was deleted meanwhile");
        let (seen, mut read) = tokio::try_join!(self.distribution(names, id), self.distribution_config(id))?;
        let seen = seen.ok_or_else(gone)?;
        permitted(&what, &seen.ownership, adopt)?;
        let shown = configured(&read.config, names);
        let moved = read.etag != etag;
        let mut tries = 0;
        loop {
            let mut wanted = read.config.clone();
            config::applied(&mut wanted, names, intent)?;
            let there = wanted == read.config;
            // Where it is there already it may be by a write of ours, whose answer was lost.
            if !there && (moved || configured(&read.config, names) != shown) {
                return Err(Failure::drifted(what, "its configuration was changed since it was shown"));
            }
            slots_free(&what, &read.config, names, intent)?;
            if seen.ownership != Ownership::Ours && tries == 0 {
                self.mark(names, &seen.arn).await?;
            }
            if there {
                return self.distribution(names, id).await?.ok_or_else(gone);
            }
            self.check_fidelity(id, &read).await?;
            let update = || async {
                let asked = self
                    .cloudfront
                    .update_distribution()
                    .id(id)
                    .if_match(&read.etag)
                    .distribution_config(wanted.clone())
                    .send()
                    .await;
                match asked.map_err(error::of("cloudfront:UpdateDistribution", &what)) {
                    Err(failure) if unknown_certificate(&failure) => {
                        self.unless_certificate_is_wrong(intent.alias(), failure).await
                    }
                    done => done,
                }
            };
            match accepted(say, update).await {
                Ok(answer) => return self.written(names, id, etag, answer.e_tag.as_deref(), say).await,
                Err(failure) if stale(&failure) && tries < TRIES => {
                    say("the distribution's ETag moved: reading it again");
                    tries += 1;
                    read = self.distribution_config(id).await?;
                }
                Err(failure) if stale(&failure) => {
                    return Err(Failure::drifted(what, "its configuration goes on changing"));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// A read right after a write may show what stood before: the new ETag is waited for.
    async fn written(
        &self,
        names: &Names,
        id: &str,
        old: &str,
        new: Option<&str>,
        say: Say<'_>,
    ) -> Result<Distribution, Failure> {
        retry::until(WRITTEN, say, || async {
            let now = self.distribution(names, id).await?;
            Ok(now.filter(|now| new.map_or(now.etag != old, |new| now.etag == new)))
        })
        .await
    }

    async fn mark(&self, names: &Names, arn: &str) -> Result<(), Failure> {
        let asked = self.cloudfront.tag_resource().resource(arn).tags(tags(names)?).send().await;
        asked.map_err(error::of("cloudfront:TagResource", arn)).map(|_| ())
    }

    /// Waits until the distribution, of ours as it was made or changed, is Deployed, for an hour at most.
    pub async fn wait_deployed(
        &self,
        names: &Names,
        made: &Distribution,
        say: Say<'_>,
    ) -> Result<Distribution, Failure> {
        let id = made.id.as_str();
        let done = retry::until(DEPLOYED, say, || async {
            let now = self.distribution_without_tags(names, id).await?.ok_or_else(|| {
                Failure::new(Kind::Missing, format!("distribution {id}"), "it is not there", "look again")
            })?;
            Ok((now.status == "Deployed").then(|| Distribution { ownership: made.ownership.clone(), ..now }))
        });
        done.await.map_err(|failure| match failure.kind {
            Kind::Other if failure.code.is_none() => Failure::other(
                format!("distribution {id}"),
                failure.why,
                "CloudFront may still be at work: run it again later, it goes on from here",
            ),
            _ => failure,
        })
    }
}

/// Sends until CloudFront knows what the request names: each thing for as long as it may take.
async fn accepted<T, F: Future<Output = Result<T, Failure>>>(
    say: Say<'_>,
    send: impl Fn() -> F,
) -> Result<T, Failure> {
    let passing = |failure: &Failure| late(failure) || unknown_identity(failure);
    let known = || retry::while_passing(FUNCTION_THERE, say, passing, &send);
    retry::while_passing(CERTIFICATE_THERE, say, unknown_certificate, known).await
}

fn unknown_certificate(failure: &Failure) -> bool {
    error::is(failure, "InvalidViewerCertificate")
}

/// The same failure, told apart from one that passes.
fn lasting(failure: Failure) -> Failure {
    Failure { code: None, ..failure }
}

/// A fresh identity isn't known to all of CloudFront at once.
fn unknown_identity(failure: &Failure) -> bool {
    error::is(failure, "InvalidOriginAccessIdentity")
}

fn stale(failure: &Failure) -> bool {
    error::is(failure, "PreconditionFailed") || error::is(failure, "InvalidIfMatchVersion")
}

/// The viewer request of each behavior of the bucket is free, or holds a version of our function.
fn slots_free(
    what: &str,
    config: &DistributionConfig,
    names: &Names,
    intent: &Intent<'_>,
) -> Result<(), Failure> {
    let view = configured(config, names);
    let ours = unversioned(intent.version_arn());
    let bucket: Vec<&str> = (view.origins.iter())
        .filter(|origin| super::origin::is_domain(&origin.domain, names.bucket()))
        .map(|origin| origin.id.as_str())
        .collect();
    for behavior in view.behaviors.iter().filter(|one| bucket.contains(&one.origin.as_str())) {
        let foreign = behavior.viewer_request.as_deref().filter(|arn| unversioned(arn) != ours);
        if let Some(arn) = foreign.or(behavior.viewer_request_function.as_deref()) {
            let path = behavior.path.as_deref().unwrap_or("default");
            return Err(Failure::other(
                what,
                format!("the viewer request of its behavior {path} holds another function: {arn}"),
                "take that function off in the CloudFront console, or set up a distribution of its own",
            ));
        }
    }
    if bucket.is_empty() {
        return Err(Failure::drifted(what, format!("none of its origins is bucket {}", names.bucket())));
    }
    Ok(())
}

/// A function's ARN without its version.
fn unversioned(arn: &str) -> &str {
    match arn.rsplit_once(':') {
        Some((function, version)) if version.bytes().all(|b| b.is_ascii_digit()) => function,
        _ => arn,
    }
}
