//! The account as this run last saw it: read once for the looks of all stages, and again after a moment, a write or a failure.
//!
//! It serves looks alone: what is compared just before a write is read there and then.

use std::{collections::BTreeSet, time::Duration};

use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};

use tokio::{sync::Mutex, time::Instant, try_join};

use super::Scene;
use crate::model::{
    aws::evidence::{
        BucketSeen, CachePolicy, Distribution, Function, KmsKey, Listed, ObjectHead, OriginAccessControl,
        OriginAccessIdentity, Role,
    },
    run::failure::{Failure, Kind},
};

/// How long what was read is taken for what is there: the looks of one run follow each other closer than this.
const MOMENT: Duration = Duration::from_secs(30);
/// How many keys of the bucket are looked at.
pub(crate) const SAMPLE: usize = 1000;

/// What checks signed URLs, and what it needs.
#[derive(Debug, Clone)]
pub(crate) struct Authenticator {
    pub role: Option<Role>,
    pub key: Option<KmsKey>,
    pub function: Option<Function>,
}

/// What serves the bucket.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// All of the account.
    pub distributions: Vec<Distribution>,
    pub cache_policy: Option<CachePolicy>,
    /// The bucket's, as read; `None` where there is none.
    pub bucket_policy: Option<String>,
}

type Kept<T> = Mutex<Option<(Instant, T)>>;

/// What a scene has seen of its account.
#[derive(Default)]
pub(super) struct Sight {
    authenticator: Kept<Authenticator>,
    /// The function without its versions.
    function: Kept<Option<Function>>,
    delivery: Kept<Delivery>,
    bucket_policy: Kept<Option<String>>,
    identity: Kept<Option<OriginAccessIdentity>>,
    control: Kept<Option<OriginAccessControl>>,
    listing: Kept<Vec<Listed>>,
    heads: Kept<Vec<(String, ObjectHead)>>,
}

impl Sight {
    /// What was read just now: the bucket's policy and its first page.
    pub(super) fn of(bucket: &BucketSeen, listing: Vec<Listed>) -> Self {
        let now = Instant::now();
        Self {
            bucket_policy: Mutex::new(Some((now, bucket.policy.clone()))),
            listing: Mutex::new(Some((now, listing))),
            ..Self::default()
        }
    }

    /// The same with the function, which was asked for just now, without its versions.
    pub(super) fn with_function(self, function: Option<Function>) -> Self {
        Self { function: Mutex::new(Some((Instant::now(), function))), ..self }
    }
}

/// What was kept, where it is of this moment; else what `read` reads. Boxed: reading the account is large, and every
/// stage does it.
async fn of_this_moment<T: Clone>(
    kept: &Kept<T>,
    read: BoxFuture<'_, Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut kept = kept.lock().await;
    if let Some((_, found)) = kept.as_ref().filter(|(at, _)| at.elapsed() < MOMENT) {
        return Ok(found.clone());
    }
    let found = read.await?;
    *kept = Some((Instant::now(), found.clone()));
    Ok(found)
}

impl Scene {
    pub(crate) async fn authenticator(&self) -> Result<Authenticator, Failure> {
        let (cloud, names) = (&self.cloud, &self.names);
        let read = async {
            let (role, key, function) =
                try_join!(cloud.role(names), cloud.key(names), self.function_now().boxed())?;
            Ok(Authenticator { role, key, function })
        };
        of_this_moment(&self.sight.authenticator, read.boxed()).await
    }

    /// The function with its versions, asked for at once unless it was looked at a moment ago.
    async fn function_now(&self) -> Result<Option<Function>, Failure> {
        let (cloud, names) = (&self.cloud, &self.names);
        let kept = self.sight.function.lock().await.take();
        match kept.filter(|(at, _)| at.elapsed() < MOMENT) {
            None => cloud.function(names).await,
            Some((_, None)) => Ok(None),
            Some((_, Some(found))) => {
                Ok(Some(Function { versions: cloud.function_versions(names).await?, ..found }))
            }
        }
    }

    /// The function; by itself, without its versions, where the rest may not be read.
    pub(crate) async fn function(&self) -> Result<Option<Function>, Failure> {
        match self.authenticator().await {
            Err(failure) if failure.kind == Kind::Denied => self.cloud.function_alone(&self.names).await,
            whole => Ok(whole?.function),
        }
    }

    pub(crate) async fn delivery(&self) -> Result<Delivery, Failure> {
        let (cloud, names) = (&self.cloud, &self.names);
        let read = async {
            let policy = of_this_moment(
                &self.sight.bucket_policy,
                cloud.bucket_policy(names.bucket(), &self.account).boxed(),
            );
            let (distributions, cache_policy, bucket_policy) =
                try_join!(cloud.distributions(names), cloud.cache_policy(names), policy)?;
            Ok(Delivery { distributions, cache_policy, bucket_policy })
        };
        of_this_moment(&self.sight.delivery, read.boxed()).await
    }

    pub(crate) async fn identity(&self) -> Result<Option<OriginAccessIdentity>, Failure> {
        of_this_moment(&self.sight.identity, self.cloud.identity(&self.names).boxed()).await
    }

    pub(crate) async fn control(&self) -> Result<Option<OriginAccessControl>, Failure> {
        of_this_moment(&self.sight.control, self.cloud.control(&self.names).boxed()).await
    }

    /// The bucket's first page.
    pub(crate) async fn listing(&self) -> Result<Vec<Listed>, Failure> {
        of_this_moment(&self.sight.listing, self.cloud.list(self.names.bucket(), "", SAMPLE).boxed()).await
    }

    /// The attributes of two of its objects, from the page's middle and end; those that may be read.
    pub(crate) async fn heads(&self) -> Result<Vec<(String, ObjectHead)>, Failure> {
        let listing = self.listing().await?;
        let read = async {
            let places: BTreeSet<usize> = match listing.len() {
                0 => BTreeSet::new(),
                length => BTreeSet::from([length / 2, length - 1]),
            };
            let asked = places.into_iter().map(|place| self.head(&listing[place].key).boxed());
            Ok(join_all(asked).await.into_iter().flatten().collect())
        };
        of_this_moment(&self.sight.heads, read.boxed()).await
    }

    async fn head(&self, key: &str) -> Option<(String, ObjectHead)> {
        let head = self.cloud.object_head(self.names.bucket(), key).await.ok().flatten()?;
        Some((key.to_owned(), head))
    }

    /// What a stage has made, by AWS's own answers: the looks after it needn't ask again.
    pub(crate) async fn has_made(&self, made: Made) {
        let now = Instant::now();
        match made {
            Made::Authenticator(made) => *self.sight.authenticator.lock().await = Some((now, *made)),
            Made::Identity(made) => *self.sight.identity.lock().await = Some((now, Some(made))),
            Made::Control(made) => *self.sight.control.lock().await = Some((now, Some(made))),
            Made::Delivery(made) => *self.sight.delivery.lock().await = Some((now, made)),
        }
    }

    /// Forgets all of it: the next look asks AWS.
    pub(super) async fn forget(&self) {
        *self.sight.authenticator.lock().await = None;
        *self.sight.function.lock().await = None;
        *self.sight.delivery.lock().await = None;
        *self.sight.bucket_policy.lock().await = None;
        *self.sight.identity.lock().await = None;
        *self.sight.control.lock().await = None;
        *self.sight.listing.lock().await = None;
        *self.sight.heads.lock().await = None;
    }
}

pub(crate) enum Made {
    Authenticator(Box<Authenticator>),
    Identity(OriginAccessIdentity),
    Control(OriginAccessControl),
    Delivery(Delivery),
}
