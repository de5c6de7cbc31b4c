//! Which bucket holds the packages, and why this one: contract section 4's order.

use super::Session;
use crate::aws::AwsClients;
use crate::model::{
    aws::{
        account::{LambdaFunction, ResourceOwnership},
        bucket::ObservedBucket,
        names::ResourceNames,
    },
    failure::{Failure, FailureKind},
    run::answers::OperatorAnswers,
};

impl Session {
    /// Finds the objects' bucket, and S3 in its region. A bucket that was named needs S3 alone: where AWS doesn't say whose
    /// the credentials are, what isn't known of the bucket is unknown and stops nothing; the next look asks again.
    ///
    /// # Errors
    /// Fails where no identity is accepted, or no bucket is found.
    pub(in crate::engine) async fn find_and_connect_objects_bucket(
        &self,
        answers: &OperatorAnswers,
    ) -> Result<ReindexBucket, Failure> {
        let asked = self.collect_account_and_bucket_inputs(answers);
        let mut alone = self.objects_bucket.lock().await;
        if let Some((of, found)) = alone.as_ref()
            && *of == asked
        {
            return Ok(found.clone());
        }
        let bucket = match (self.find_accepted_aws_identity(answers).await, &answers.bucket) {
            (Err(failure), Some(bucket)) if failure.kind != FailureKind::Credentials => bucket.clone(),
            _ => {
                let target = self.get_or_discover_aws_target(answers).await?;
                return Ok(ReindexBucket {
                    cloud: target.cloud,
                    name: target.bucket.name.clone(),
                    bucket: Some(target.bucket),
                });
            }
        };
        let found = ReindexBucket { cloud: self.connect_s3_only(answers).await?, name: bucket, bucket: None };
        *alone = Some((asked, found.clone()));
        Ok(found)
    }

    /// Finds which bucket, and why: contract section 4's order.
    ///
    /// # Errors
    /// Fails where nothing tells.
    pub(super) async fn find_objects_bucket_name(
        &self,
        cloud: &AwsClients,
        function: Option<&LambdaFunction>,
        answers: &OperatorAnswers,
    ) -> Result<(String, String), Failure> {
        if let Some(name) = &answers.bucket {
            return Ok((name.clone(), "you named it, now or for the last run".to_owned()));
        }
        if let Some(ResourceOwnership::Other(name)) = function.map(|function| &function.ownership) {
            let function = ResourceNames::new("", &answers.suffix).lambda_function_name();
            return Ok((name.clone(), format!("the function {function} is marked with it")));
        }
        // A packagecloud that doesn't answer tells nothing of the bucket; what asks it next says so.
        if let Ok(Some(redirect)) = self.probe_packagecloud_redirect(answers, None).await
            && let Some(name) = redirect.redirect_bucket_name(cloud.find_own_s3_endpoint().await.as_deref())
        {
            return Ok((name, "packagecloud's own redirect points at it".to_owned()));
        }
        if let Ok(config) = self.host.read_packagecloud_config().await
            && let Some((key, name)) = config.file.find_configured_bucket()
        {
            return Ok((name.to_owned(), format!("packagecloud_rails['{key}'] in {}", config.seen.path)));
        }
        if let Some((name, why)) = &self.settings.default_bucket {
            return Ok((name.clone(), why.clone()));
        }
        // Without the file nobody can tell: that is what has to be seen to first.
        self.host.read_packagecloud_config().await?;
        Err(Failure::new_usage_failure(
            "the bucket",
            "neither packagecloud.rb nor AWS tells which one holds the packages",
            "name it with --bucket NAME",
        ))
    }
}

/// What the reindex works on.
#[derive(Clone)]
pub struct ReindexBucket {
    /// With S3 in the bucket's region.
    pub cloud: AwsClients,
    pub name: String,
    /// `None` where nothing but S3 could be asked.
    pub bucket: Option<ObservedBucket>,
}
