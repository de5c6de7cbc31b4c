//! Which bucket holds the packages, and why this one: contract section 4's order.

use std::sync::Arc;

use tokio::try_join;

use super::{Ground, Scene, identity::refuse_partition};
use crate::aws::Cloud;
use crate::engine::{
    delivery::probe,
    session::account::{self, Sight},
};
use crate::model::{
    aws::{
        evidence::{BucketSeen, Caller, Function, Ownership},
        names::Names,
    },
    packagecloud::object,
    run::{
        answers::Answers,
        failure::{Failure, Kind},
    },
};

impl Ground {
    /// The objects' bucket, and S3 in its region. A bucket that was named needs S3 alone: where AWS doesn't say whose
    /// the credentials are, what isn't known of the bucket is unknown and stops nothing; the next look asks again.
    pub(in crate::engine) async fn objects(&self, answers: &Answers) -> Result<ObjectsFound, Failure> {
        let asked = self.asked(answers);
        let mut alone = self.alone.lock().await;
        if let Some((of, found)) = alone.as_ref()
            && *of == asked
        {
            return Ok(found.clone());
        }
        let bucket = match (self.identity(answers).await, &answers.bucket) {
            (Err(failure), Some(bucket)) if failure.kind != Kind::Credentials => bucket.clone(),
            _ => {
                let scene = self.scene(answers).await?;
                return Ok(ObjectsFound {
                    cloud: scene.cloud,
                    name: scene.bucket.name.clone(),
                    bucket: Some(scene.bucket),
                });
            }
        };
        let found = ObjectsFound { cloud: self.s3_alone(answers).await?, name: bucket, bucket: None };
        *alone = Some((asked, found.clone()));
        Ok(found)
    }

    pub(super) async fn set(&self, answers: &Answers) -> Result<Scene, Failure> {
        let (cloud, caller, found) = self.identity(answers).await?;
        refuse_partition(&caller)?;
        // Its marker may name the bucket; where it can't be asked, something else has to.
        let unnamed = Names::new("", &answers.suffix);
        let function = match &answers.bucket {
            Some(_) => None,
            None => cloud.function_alone(&unnamed).await.ok(),
        };
        let (name, evidence) = self.bucket(function.as_ref().and_then(Option::as_ref), answers).await?;
        let region = cloud
            .bucket_region(&name, &caller.account)
            .await
            .map_err(|failure| blamed_on_clock(failure, &caller))?;
        let cloud = cloud.in_region(&region);
        let (bucket, listed) =
            try_join!(cloud.bucket(&name, &region, &caller.account), cloud.list(&name, "", account::SAMPLE))?;
        let sampled = (listed.iter().filter(|object| object::in_layout(&object.key)).count(), listed.len());
        let mut sight = Sight::of(&bucket, listed);
        if let Some(found) = function {
            sight = sight.with_function(found.map(|found| of_this_bucket(found, &name)));
        }
        Ok(Scene {
            names: Names::new(&name, &answers.suffix),
            account: caller.account.clone(),
            sampled,
            cloud,
            caller,
            found,
            sight: Arc::new(sight),
            bucket,
            evidence,
        })
    }

    /// Which bucket, and why: contract section 4's order.
    async fn bucket(
        &self,
        function: Option<&Function>,
        answers: &Answers,
    ) -> Result<(String, String), Failure> {
        if let Some(name) = &answers.bucket {
            return Ok((name.clone(), "you named it, now or for the last run".to_owned()));
        }
        if let Some(Ownership::Other(name)) = function.map(|function| &function.ownership) {
            let function = Names::new("", &answers.suffix).function();
            return Ok((name.clone(), format!("the function {function} is marked with it")));
        }
        // A packagecloud that doesn't answer tells nothing of the bucket; what asks it next says so.
        if let Ok(Some(redirect)) = probe::redirect(self, answers, None).await
            && let Some(name) = redirect.bucket()
        {
            return Ok((name, "packagecloud's own redirect points at it".to_owned()));
        }
        if let Ok(config) = self.host.read_config().await
            && let Some((key, name)) = config.file.bucket()
        {
            return Ok((name.to_owned(), format!("packagecloud_rails['{key}'] in {}", config.seen.path)));
        }
        if let Some(sandbox) = &self.settings.sandbox {
            return Ok((sandbox.bucket.clone(), "a sandbox has one".to_owned()));
        }
        // Without the file nobody can tell: that is what has to be seen to first.
        self.host.read_config().await?;
        Err(Failure::usage(
            "the bucket",
            "neither packagecloud.rb nor AWS tells which one holds the packages",
            "name it with --bucket NAME",
        ))
    }
}

/// A function that was asked for before the bucket was known: whose it is then.
fn of_this_bucket(found: Function, bucket: &str) -> Function {
    let ours = found.ownership == Ownership::Other(bucket.to_owned());
    Function { ownership: if ours { Ownership::Ours } else { found.ownership }, ..found }
}

/// What the reindex works on.
#[derive(Clone)]
pub struct ObjectsFound {
    /// With S3 in the bucket's region.
    pub cloud: Cloud,
    pub name: String,
    /// `None` where nothing but S3 could be asked.
    pub bucket: Option<BucketSeen>,
}

/// S3's refusal of a request without a body tells no reason: a clock that is far off is the likelier one.
fn blamed_on_clock(failure: Failure, caller: &Caller) -> Failure {
    // S3 takes a quarter of an hour.
    const BORNE: i64 = 15 * 60;
    match caller.clock_ahead {
        Some(ahead) if ahead.abs() > BORNE => Failure::new(
            Kind::Credentials,
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
