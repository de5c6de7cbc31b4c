//! Which bucket holds the packages, and why this one: contract section 4's order.

use std::sync::Arc;

use tokio::try_join;

use super::{Session, Target, identity::refuse_other_partition};
use crate::aws::AwsClients;
use crate::engine::session::account::{self, AccountCache};
use crate::model::{
    aws::{
        account::{CallerIdentity, LambdaFunction, Ownership},
        bucket::ObservedBucket,
        names::ResourceNames,
    },
    failure::{Failure, FailureKind},
    packagecloud::object,
    run::answers::Answers,
};

impl Session {
    /// The objects' bucket, and S3 in its region. A bucket that was named needs S3 alone: where AWS doesn't say whose
    /// the credentials are, what isn't known of the bucket is unknown and stops nothing; the next look asks again.
    pub(in crate::engine) async fn resolve_objects_bucket(
        &self,
        answers: &Answers,
    ) -> Result<ObjectsBucket, Failure> {
        let asked = self.target_inputs(answers);
        let mut alone = self.alone.lock().await;
        if let Some((of, found)) = alone.as_ref()
            && *of == asked
        {
            return Ok(found.clone());
        }
        let bucket = match (self.resolve_identity(answers).await, &answers.bucket) {
            (Err(failure), Some(bucket)) if failure.kind != FailureKind::Credentials => bucket.clone(),
            _ => {
                let target = self.resolve_target(answers).await?;
                return Ok(ObjectsBucket {
                    cloud: target.cloud,
                    name: target.bucket.name.clone(),
                    bucket: Some(target.bucket),
                });
            }
        };
        let found = ObjectsBucket { cloud: self.connect_s3_only(answers).await?, name: bucket, bucket: None };
        *alone = Some((asked, found.clone()));
        Ok(found)
    }

    pub(super) async fn discover_target(&self, answers: &Answers) -> Result<Target, Failure> {
        let (cloud, caller, found) = self.resolve_identity(answers).await?;
        refuse_other_partition(&caller)?;
        // Its marker may name the bucket; where it can't be asked, something else has to.
        let unnamed = ResourceNames::new("", &answers.suffix);
        let function = match &answers.bucket {
            Some(_) => None,
            None => cloud.read_function_without_versions(&unnamed).await.ok(),
        };
        let (name, evidence) =
            self.find_bucket_name(function.as_ref().and_then(Option::as_ref), answers).await?;
        let region = cloud
            .read_bucket_region(&name, &caller.account)
            .await
            .map_err(|failure| blame_clock(failure, &caller))?;
        let cloud = cloud.with_bucket_region(&region);
        let (bucket, listed) = try_join!(
            cloud.read_bucket_settings(&name, &region, &caller.account),
            cloud.list_objects(&name, "", account::SAMPLED_KEYS_MAX)
        )?;
        let sampled =
            (listed.iter().filter(|object| object::is_packagecloud_key(&object.key)).count(), listed.len());
        let mut sight = AccountCache::from_bucket_reads(&bucket, listed);
        if let Some(found) = function {
            sight = sight.with_function(found.map(|found| with_ownership_for_bucket(found, &name)));
        }
        Ok(Target {
            names: ResourceNames::new(&name, &answers.suffix),
            account: caller.account.clone(),
            sampled,
            cloud,
            caller,
            found,
            account_cache: Arc::new(sight),
            bucket,
            evidence,
        })
    }

    /// Which bucket, and why: contract section 4's order.
    async fn find_bucket_name(
        &self,
        function: Option<&LambdaFunction>,
        answers: &Answers,
    ) -> Result<(String, String), Failure> {
        if let Some(name) = &answers.bucket {
            return Ok((name.clone(), "you named it, now or for the last run".to_owned()));
        }
        if let Some(Ownership::Other(name)) = function.map(|function| &function.ownership) {
            let function = ResourceNames::new("", &answers.suffix).function_name();
            return Ok((name.clone(), format!("the function {function} is marked with it")));
        }
        // A packagecloud that doesn't answer tells nothing of the bucket; what asks it next says so.
        if let Ok(Some(redirect)) = self.probe_redirect(answers, None).await
            && let Some(name) = redirect.bucket_name()
        {
            return Ok((name, "packagecloud's own redirect points at it".to_owned()));
        }
        if let Ok(config) = self.host.read_config().await
            && let Some((key, name)) = config.file.find_bucket()
        {
            return Ok((name.to_owned(), format!("packagecloud_rails['{key}'] in {}", config.seen.path)));
        }
        if let Some(sandbox) = &self.settings.sandbox {
            return Ok((sandbox.bucket.clone(), "a sandbox has one".to_owned()));
        }
        // Without the file nobody can tell: that is what has to be seen to first.
        self.host.read_config().await?;
        Err(Failure::usage_failure(
            "the bucket",
            "neither packagecloud.rb nor AWS tells which one holds the packages",
            "name it with --bucket NAME",
        ))
    }
}

/// A function that was asked for before the bucket was known: whose it is then.
fn with_ownership_for_bucket(found: LambdaFunction, bucket: &str) -> LambdaFunction {
    let ours = found.ownership == Ownership::Other(bucket.to_owned());
    LambdaFunction { ownership: if ours { Ownership::Ours } else { found.ownership }, ..found }
}

/// What the reindex works on.
#[derive(Clone)]
pub struct ObjectsBucket {
    /// With S3 in the bucket's region.
    pub cloud: AwsClients,
    pub name: String,
    /// `None` where nothing but S3 could be asked.
    pub bucket: Option<ObservedBucket>,
}

/// S3's refusal of a request without a body tells no reason: a clock that is far off is the likelier one.
fn blame_clock(failure: Failure, caller: &CallerIdentity) -> Failure {
    // S3 takes a quarter of an hour.
    const S3_CLOCK_OFFSET_MAX_SECONDS: i64 = 15 * 60;
    match caller.clock_ahead {
        Some(ahead) if ahead.abs() > S3_CLOCK_OFFSET_MAX_SECONDS => Failure::new(
            FailureKind::Credentials,
            "this machine's clock",
            format!(
                "it is {} s {} AWS's, and S3 refuses such requests",
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
            "set the clock (chronyc makestep, or timedatectl set-ntp true), then try again",
        ),
        _ => failure,
    }
}
