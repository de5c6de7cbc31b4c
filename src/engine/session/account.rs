//! The account as this run last saw it: read once for the looks of all stages, and again after a moment, a write or a failure.
//!
//! It serves looks alone: what is compared just before a write is read there and then.

use std::{collections::BTreeSet, time::Duration};

use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};

use tokio::{sync::Mutex, time::Instant, try_join};

use super::Target;
use crate::model::{
    aws::{
        account::{IamRole, KmsKey, LambdaFunction},
        bucket::{ListedObject, ObjectHead, ObservedBucket},
        cloudfront::{
            CachePolicy, CloudFrontDistribution, CloudFrontOriginAccessIdentity, OriginAccessControl,
        },
    },
    failure::{Failure, FailureKind},
};

/// How long what was read is taken for what is there: the looks of one run follow each other closer than this.
const CACHE_MAX_AGE: Duration = Duration::from_secs(30);
/// How many keys of the bucket are looked at.
pub(crate) const SAMPLED_KEYS_MAX: usize = 1000;

/// What checks signed URLs, and what it needs.
#[derive(Debug, Clone)]
pub(crate) struct AuthenticatorResources {
    pub role: Option<IamRole>,
    pub key: Option<KmsKey>,
    pub function: Option<LambdaFunction>,
}

/// What serves the bucket.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryResources {
    /// All of the account.
    pub distributions: Vec<CloudFrontDistribution>,
    pub cache_policy: Option<CachePolicy>,
    /// The bucket's, as read; `None` where there is none.
    pub bucket_policy: Option<String>,
}

type CachedRead<T> = Mutex<Option<(Instant, T)>>;

/// What a scene has seen of its account.
#[derive(Default)]
pub(in crate::engine) struct AccountCache {
    authenticator: CachedRead<AuthenticatorResources>,
    /// The function without its versions.
    function: CachedRead<Option<LambdaFunction>>,
    delivery: CachedRead<DeliveryResources>,
    bucket_policy: CachedRead<Option<String>>,
    identity: CachedRead<Option<CloudFrontOriginAccessIdentity>>,
    control: CachedRead<Option<OriginAccessControl>>,
    listing: CachedRead<Vec<ListedObject>>,
    heads: CachedRead<Vec<(String, ObjectHead)>>,
}

impl AccountCache {
    /// What was read just now: the bucket's policy and its first page.
    pub(super) fn from_bucket_reads(bucket: &ObservedBucket, listing: Vec<ListedObject>) -> Self {
        let now = Instant::now();
        Self {
            bucket_policy: Mutex::new(Some((now, bucket.policy.clone()))),
            listing: Mutex::new(Some((now, listing))),
            ..Self::default()
        }
    }

    /// The same with the function, which was asked for just now, without its versions.
    pub(super) fn with_function(self, function: Option<LambdaFunction>) -> Self {
        Self { function: Mutex::new(Some((Instant::now(), function))), ..self }
    }
}

/// What was kept, where it is of this moment; else what `read` reads. Boxed: reading the account is large, and every
/// stage does it.
async fn cached_or_read<T: Clone>(
    kept: &CachedRead<T>,
    read: BoxFuture<'_, Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut kept = kept.lock().await;
    if let Some((_, found)) = kept.as_ref().filter(|(at, _)| at.elapsed() < CACHE_MAX_AGE) {
        return Ok(found.clone());
    }
    let found = read.await?;
    *kept = Some((Instant::now(), found.clone()));
    Ok(found)
}

impl Target {
    pub(crate) async fn read_authenticator(&self) -> Result<AuthenticatorResources, Failure> {
        let (cloud, names) = (&self.cloud, &self.names);
        let read = async {
            let (role, key, function) = try_join!(
                cloud.read_function_role(names),
                cloud.find_key(names),
                self.read_function_with_versions().boxed()
            )?;
            Ok(AuthenticatorResources { role, key, function })
        };
        cached_or_read(&self.account_cache.authenticator, read.boxed()).await
    }

    /// The function with its versions, asked for at once unless it was looked at a moment ago.
    async fn read_function_with_versions(&self) -> Result<Option<LambdaFunction>, Failure> {
        let (cloud, names) = (&self.cloud, &self.names);
        let kept = self.account_cache.function.lock().await.take();
        match kept.filter(|(at, _)| at.elapsed() < CACHE_MAX_AGE) {
            None => cloud.read_function(names).await,
            Some((_, None)) => Ok(None),
            Some((_, Some(found))) => {
                Ok(Some(LambdaFunction { versions: cloud.list_function_versions(names).await?, ..found }))
            }
        }
    }

    /// The function; by itself, without its versions, where the rest may not be read.
    pub(crate) async fn read_function(&self) -> Result<Option<LambdaFunction>, Failure> {
        match self.read_authenticator().await {
            Err(failure) if failure.kind == FailureKind::Denied => {
                self.cloud.read_function_without_versions(&self.names).await
            }
            whole => Ok(whole?.function),
        }
    }

    pub(crate) async fn read_delivery(&self) -> Result<DeliveryResources, Failure> {
        let (cloud, names) = (&self.cloud, &self.names);
        let read = async {
            let policy = cached_or_read(
                &self.account_cache.bucket_policy,
                cloud.read_bucket_policy(names.bucket_name(), &self.account).boxed(),
            );
            let (distributions, cache_policy, bucket_policy) =
                try_join!(cloud.list_distributions(names), cloud.find_cache_policy(names), policy)?;
            Ok(DeliveryResources { distributions, cache_policy, bucket_policy })
        };
        cached_or_read(&self.account_cache.delivery, read.boxed()).await
    }

    pub(crate) async fn read_origin_access_identity(
        &self,
    ) -> Result<Option<CloudFrontOriginAccessIdentity>, Failure> {
        cached_or_read(
            &self.account_cache.identity,
            self.cloud.find_origin_access_identity(&self.names).boxed(),
        )
        .await
    }

    pub(crate) async fn read_origin_access_control(&self) -> Result<Option<OriginAccessControl>, Failure> {
        cached_or_read(
            &self.account_cache.control,
            self.cloud.find_origin_access_control(&self.names).boxed(),
        )
        .await
    }

    /// The bucket's first page.
    pub(crate) async fn read_bucket_listing(&self) -> Result<Vec<ListedObject>, Failure> {
        cached_or_read(
            &self.account_cache.listing,
            self.cloud.list_objects(self.names.bucket_name(), "", SAMPLED_KEYS_MAX).boxed(),
        )
        .await
    }

    /// The attributes of two of its objects, from the page's middle and end; those that may be read.
    pub(crate) async fn read_sampled_heads(&self) -> Result<Vec<(String, ObjectHead)>, Failure> {
        let listing = self.read_bucket_listing().await?;
        let read = async {
            let places: BTreeSet<usize> = match listing.len() {
                0 => BTreeSet::new(),
                length => BTreeSet::from([length / 2, length - 1]),
            };
            let asked = places.into_iter().map(|place| self.read_object_head(&listing[place].key).boxed());
            Ok(join_all(asked).await.into_iter().flatten().collect())
        };
        cached_or_read(&self.account_cache.heads, read.boxed()).await
    }

    async fn read_object_head(&self, key: &str) -> Option<(String, ObjectHead)> {
        let head = self.cloud.read_object_head(self.names.bucket_name(), key).await.ok().flatten()?;
        Some((key.to_owned(), head))
    }

    /// What a stage has made, by AWS's own answers: the looks after it needn't ask again.
    pub(crate) async fn cache_made_resource(&self, made: MadeResource) {
        let now = Instant::now();
        match made {
            MadeResource::Authenticator(made) => {
                *self.account_cache.authenticator.lock().await = Some((now, *made))
            }
            MadeResource::Identity(made) => {
                *self.account_cache.identity.lock().await = Some((now, Some(made)))
            }
            MadeResource::Control(made) => *self.account_cache.control.lock().await = Some((now, Some(made))),
            MadeResource::Delivery(made) => *self.account_cache.delivery.lock().await = Some((now, made)),
        }
    }

    /// Forgets all of it: the next look asks AWS.
    pub(super) async fn clear_account_cache(&self) {
        *self.account_cache.authenticator.lock().await = None;
        *self.account_cache.function.lock().await = None;
        *self.account_cache.delivery.lock().await = None;
        *self.account_cache.bucket_policy.lock().await = None;
        *self.account_cache.identity.lock().await = None;
        *self.account_cache.control.lock().await = None;
        *self.account_cache.listing.lock().await = None;
        *self.account_cache.heads.lock().await = None;
    }
}

pub(crate) enum MadeResource {
    Authenticator(Box<AuthenticatorResources>),
    Identity(CloudFrontOriginAccessIdentity),
    Control(OriginAccessControl),
    Delivery(DeliveryResources),
}
