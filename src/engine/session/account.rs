//! Reading the account for the looks of all stages: once, and again after a moment, a write or a failure.

use std::collections::BTreeSet;

use futures::{FutureExt as _, future::join_all};
use tokio::try_join;

use super::{
    account_cache::{
        AuthenticatorResources, CACHE_MAX_AGE, CreatedAwsResource, DeliveryResources, get_cached_or_read_aws,
    },
    target::{AwsTarget, SAMPLED_KEYS_MAX},
};
use crate::model::{
    aws::{
        account::LambdaFunction,
        bucket::{ListedObject, ObjectHead},
        cloudfront::{CloudFrontOriginAccessIdentity, OriginAccessControl},
    },
    failure::{Failure, FailureKind},
};

impl AwsTarget {
    /// Reads the role, the key and the function with its versions.
    ///
    /// # Errors
    /// Fails where AWS refuses one of them, or does not answer.
    pub(crate) async fn read_authenticator_resources(&self) -> Result<AuthenticatorResources, Failure> {
        let (cloud, names) = (&self.cloud, &self.names);
        let read = async {
            let (role, key, function) = try_join!(
                cloud.read_function_role(names),
                cloud.find_our_kms_key(names),
                self.read_function_with_versions().boxed()
            )?;
            Ok(AuthenticatorResources { role, key, function })
        };
        get_cached_or_read_aws(&self.account_cache.authenticator, read.boxed()).await
    }

    /// Reads the function with its versions, asked for at once unless it was looked at a moment ago.
    async fn read_function_with_versions(&self) -> Result<Option<LambdaFunction>, Failure> {
        let (cloud, names) = (&self.cloud, &self.names);
        let kept = self.account_cache.function.lock().await.take();
        match kept.filter(|(at, _)| at.elapsed() < CACHE_MAX_AGE) {
            None => cloud.read_lambda_function(names).await,
            Some((_, None)) => Ok(None),
            Some((_, Some(found))) => {
                Ok(Some(LambdaFunction { versions: cloud.list_function_versions(names).await?, ..found }))
            }
        }
    }

    /// Reads the function; by itself, without its versions, where the rest may not be read.
    ///
    /// # Errors
    /// Fails where the function may not be read either, or AWS does not answer.
    pub(crate) async fn read_authenticator_function(&self) -> Result<Option<LambdaFunction>, Failure> {
        match self.read_authenticator_resources().await {
            Err(failure) if failure.kind == FailureKind::Denied => {
                self.cloud.read_function_without_versions(&self.names).await
            }
            whole => Ok(whole?.function),
        }
    }

    /// Reads the account's distributions, the cache policies and the bucket policy.
    ///
    /// # Errors
    /// Fails where AWS refuses one of them, or does not answer.
    pub(crate) async fn read_distributions_and_policies(&self) -> Result<DeliveryResources, Failure> {
        let (cloud, names) = (&self.cloud, &self.names);
        let read = async {
            let policy = get_cached_or_read_aws(
                &self.account_cache.bucket_policy,
                cloud.read_bucket_policy(names.bucket_name(), &self.account).boxed(),
            );
            let (distributions, cache_policies, bucket_policy) =
                try_join!(cloud.list_distributions(names), cloud.find_cache_policies(names), policy)?;
            Ok(DeliveryResources { distributions, cache_policies, bucket_policy })
        };
        get_cached_or_read_aws(&self.account_cache.delivery, read.boxed()).await
    }

    /// Reads the origin access identity of this install; `None` where there is none.
    ///
    /// # Errors
    /// Fails where AWS refuses it, or does not answer.
    pub(crate) async fn read_origin_access_identity(
        &self,
    ) -> Result<Option<CloudFrontOriginAccessIdentity>, Failure> {
        get_cached_or_read_aws(
            &self.account_cache.identity,
            self.cloud.find_origin_access_identity(&self.names).boxed(),
        )
        .await
    }

    /// Reads the origin access control of this install; `None` where there is none.
    ///
    /// # Errors
    /// Fails where AWS refuses it, or does not answer.
    pub(crate) async fn read_origin_access_control(&self) -> Result<Option<OriginAccessControl>, Failure> {
        get_cached_or_read_aws(
            &self.account_cache.control,
            self.cloud.find_origin_access_control(&self.names).boxed(),
        )
        .await
    }

    /// Lists the bucket's first page.
    ///
    /// # Errors
    /// Fails where the bucket can't be listed.
    pub(crate) async fn list_first_page_of_bucket(&self) -> Result<Vec<ListedObject>, Failure> {
        get_cached_or_read_aws(
            &self.account_cache.listing,
            self.cloud.list_objects(self.names.bucket_name(), "", SAMPLED_KEYS_MAX).boxed(),
        )
        .await
    }

    /// Reads the attributes of two of its objects, from the page's middle and end; those that may be read.
    ///
    /// # Errors
    /// Fails where the bucket can't be listed.
    pub(crate) async fn read_sampled_object_heads(&self) -> Result<Vec<(String, ObjectHead)>, Failure> {
        let listing = self.list_first_page_of_bucket().await?;
        let read = async {
            let places: BTreeSet<usize> = match listing.len() {
                0 => BTreeSet::new(),
                length => BTreeSet::from([length / 2, length - 1]),
            };
            let asked =
                places.into_iter().map(|place| self.read_sampled_object_head(&listing[place].key).boxed());
            Ok(join_all(asked).await.into_iter().flatten().collect())
        };
        get_cached_or_read_aws(&self.account_cache.heads, read.boxed()).await
    }

    async fn read_sampled_object_head(&self, key: &str) -> Option<(String, ObjectHead)> {
        let head = self.cloud.read_object_head(self.names.bucket_name(), key).await.ok().flatten()?;
        Some((key.to_owned(), head))
    }

    /// Keeps what a stage has made: the looks after it needn't ask again.
    pub(crate) async fn cache_created_resource(&self, made: CreatedAwsResource) {
        self.account_cache.cache_created_resource(made).await;
    }
}
