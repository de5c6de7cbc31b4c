//! What a run has read of the account, kept for a moment: the looks of all stages read it once.
//!
//! It serves looks alone: what is compared just before a write is read there and then.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::{sync::Mutex, time::Instant};

use crate::model::{
    aws::{
        account::{IamRole, KmsKey, LambdaFunction},
        bucket::{ListedObject, ObjectHead, ObservedBucket},
        cloudfront::{
            CloudFrontDistribution, CloudFrontOriginAccessIdentity, InstallCachePolicies, OriginAccessControl,
        },
    },
    failure::Failure,
};

/// How long what was read is taken for what is there: the looks of one run follow each other closer than this.
pub(super) const CACHE_MAX_AGE: Duration = Duration::from_secs(30);

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
    pub cache_policies: InstallCachePolicies,
    /// The bucket's, as read; `None` where there is none.
    pub bucket_policy: Option<String>,
}

pub(crate) enum CreatedAwsResource {
    Authenticator(Box<AuthenticatorResources>),
    Identity(CloudFrontOriginAccessIdentity),
    Control(OriginAccessControl),
    Delivery(DeliveryResources),
}

type CachedAwsRead<T> = Mutex<Option<(Instant, T)>>;

/// What was read of the account, and when.
#[derive(Default)]
pub(in crate::engine) struct AccountReadCache {
    pub(super) authenticator: CachedAwsRead<AuthenticatorResources>,
    /// The function without its versions.
    pub(super) function: CachedAwsRead<Option<LambdaFunction>>,
    pub(super) delivery: CachedAwsRead<DeliveryResources>,
    pub(super) bucket_policy: CachedAwsRead<Option<String>>,
    pub(super) identity: CachedAwsRead<Option<CloudFrontOriginAccessIdentity>>,
    pub(super) control: CachedAwsRead<Option<OriginAccessControl>>,
    pub(super) listing: CachedAwsRead<Vec<ListedObject>>,
    pub(super) heads: CachedAwsRead<Vec<(String, ObjectHead)>>,
}

impl AccountReadCache {
    /// Begins with what was read just now: the bucket's policy and its first page.
    pub(super) fn new_account_cache_from_bucket(bucket: &ObservedBucket, listing: Vec<ListedObject>) -> Self {
        let now = Instant::now();
        Self {
            bucket_policy: Mutex::new(Some((now, bucket.policy.clone()))),
            listing: Mutex::new(Some((now, listing))),
            ..Self::default()
        }
    }

    /// Adds the function, which was asked for just now, without its versions.
    pub(super) fn add_lambda_function_to_cache(self, function: Option<LambdaFunction>) -> Self {
        Self { function: Mutex::new(Some((Instant::now(), function))), ..self }
    }

    /// Keeps what a stage has made, by AWS's own answers: the looks after it needn't ask again.
    pub(crate) async fn cache_created_resource(&self, made: CreatedAwsResource) {
        let now = Instant::now();
        match made {
            CreatedAwsResource::Authenticator(made) => *self.authenticator.lock().await = Some((now, *made)),
            CreatedAwsResource::Identity(made) => *self.identity.lock().await = Some((now, Some(made))),
            CreatedAwsResource::Control(made) => *self.control.lock().await = Some((now, Some(made))),
            CreatedAwsResource::Delivery(made) => *self.delivery.lock().await = Some((now, made)),
        }
    }

    /// Forgets all of it: the next look asks AWS.
    pub(super) async fn clear_cached_account_reads(&self) {
        *self.authenticator.lock().await = None;
        *self.function.lock().await = None;
        *self.delivery.lock().await = None;
        *self.bucket_policy.lock().await = None;
        *self.identity.lock().await = None;
        *self.control.lock().await = None;
        *self.listing.lock().await = None;
        *self.heads.lock().await = None;
    }
}

/// Returns what was kept, where it is of this moment; else what `read` reads. Boxed: reading the account is large, and every
/// stage does it.
///
/// # Errors
/// Fails where `read` does.
pub(super) async fn get_cached_or_read_aws<T: Clone>(
    kept: &CachedAwsRead<T>,
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
