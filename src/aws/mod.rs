//! AWS in our words: one struct of SDK clients, and the idempotent verbs over it.
//!
//! The only place that names `aws_sdk_*`. Every verb is safe to repeat, and safe to lose its reply; nothing is
//! ever deleted, and nothing without our marker is changed unless the caller says `adopt`.

mod acm;
pub mod awaited;
pub mod batch;
pub mod change_log;
pub mod cloudfront;
mod cloudwatch;
pub mod credentials;
mod edge_logs;
pub mod error;
pub mod home_path;
mod iam;
mod kms;
mod lambda;
pub mod network;
mod pricing_plan;
pub mod refusal;
pub mod retry;
pub(crate) mod s3;
mod signed_json;
mod sts;
mod succeeded_actions;
mod unreadable;
pub mod web;

use std::sync::{Arc, LazyLock};

use aws_config::{Region, SdkConfig};

pub use cloudfront::{
    DistributionSettings, DistributionSnapshot, INVALIDATION_QUOTA_CODE, IntendedDistributionUpdate,
    OriginAccessId, PathCachingSettings, find_bucket_distributions,
};
use credentials::shared::SharedCredentials;
pub use iam::EnsuredIamRole;
pub use lambda::{FunctionInvocation, LambdaFunctionSettings};
use s3::fast::S3ObjectClient;
use succeeded_actions::SucceededActions;
use web::WebClient;

use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    aws::{
        account::ResourceOwnership,
        names::{EDGE_REGION, MARKER_TAG, ResourceNames},
    },
    failure::Failure,
};

/// Where waiting is reported: `waiting for the role to be assumable, 12 s`.
pub type WaitProgressReporter<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The clients. Clones share connections.
#[derive(Clone)]
pub struct AwsClients {
    config: SdkConfig,
    shared_credentials: Option<SharedCredentials>,
    succeeded: SucceededActions,
    /// Whether a sandbox answers, over the configuration's own HTTP client.
    is_simulated: bool,
    sts: LazySdkClient<aws_sdk_sts::Client>,
    acm: LazySdkClient<aws_sdk_acm::Client>,
    iam: LazySdkClient<aws_sdk_iam::Client>,
    kms: LazySdkClient<aws_sdk_kms::Client>,
    lambda: LazySdkClient<aws_sdk_lambda::Client>,
    cloudfront: LazySdkClient<aws_sdk_cloudfront::Client>,
    s3: LazySdkClient<aws_sdk_s3::Client>,
    /// The account's side of S3: jobs of S3 Batch Operations.
    s3control: LazySdkClient<aws_sdk_s3control::Client>,
}

/// A client that is made when it is first asked: the code of one that isn't needed stays out of memory.
type LazySdkClient<Client> = Arc<LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>>;

fn lazy_sdk_client<Client: 'static>(
    config: &SdkConfig,
    make: impl FnOnce(&SdkConfig) -> Client + Send + 'static,
) -> LazySdkClient<Client> {
    let config = config.clone();
    Arc::new(LazyLock::new(Box::new(move || make(&config))))
}

/// A client of the crate `$sdk`, which notes each call that succeeds and takes nobody else's answers for AWS's.
macro_rules! lazy_recording_client {
    ($sdk:ident, $config:expr, $succeeded:expr) => {{
        let succeeded = $succeeded.clone();
        $crate::aws::lazy_sdk_client($config, move |config| {
            let config = $sdk::config::Builder::from(config).interceptor(succeeded);
            $sdk::Client::from_conf($crate::aws::unreadable::distrust_answers!(config).build())
        })
    }};
}
pub(in crate::aws) use lazy_recording_client;

impl AwsClients {
    /// Returns the clients of a configuration.
    ///
    /// KMS and Lambda always speak to us-east-1, where Lambda@Edge lives; S3 to the bucket's region, or, while that
    /// isn't known, to the configuration's.
    #[must_use]
    pub fn new(config: &SdkConfig, bucket_region: Option<&str>) -> Self {
        Self::new_recording_clients(config, bucket_region, SucceededActions::default())
    }

    fn new_recording_clients(
        config: &SdkConfig,
        bucket_region: Option<&str>,
        succeeded: SucceededActions,
    ) -> Self {
        let edge = config.to_builder().region(Region::new(EDGE_REGION)).build();
        let region =
            bucket_region.map(|name| Region::new(name.to_owned())).or_else(|| config.region().cloned());
        let bucket = config.to_builder().region(region.unwrap_or(Region::new(EDGE_REGION))).build();
        Self {
            sts: lazy_recording_client!(aws_sdk_sts, &bucket, succeeded),
            acm: lazy_recording_client!(aws_sdk_acm, &edge, succeeded),
            iam: lazy_recording_client!(aws_sdk_iam, &edge, succeeded),
            kms: lazy_recording_client!(aws_sdk_kms, &edge, succeeded),
            lambda: lazy_recording_client!(aws_sdk_lambda, &edge, succeeded),
            cloudfront: lazy_recording_client!(aws_sdk_cloudfront, &edge, succeeded),
            s3: lazy_sdk_client(&bucket, {
                let succeeded = succeeded.clone();
                move |config| s3::endpoint::build_s3_client(config, succeeded)
            }),
            s3control: lazy_sdk_client(&bucket, {
                let succeeded = succeeded.clone();
                move |config| batch::build_s3control_client(config, succeeded)
            }),
            config: bucket,
            succeeded,
            shared_credentials: None,
            is_simulated: false,
        }
    }

    /// Returns the clients of a sandbox: objects too are asked for over the configuration's own HTTP client.
    #[must_use]
    pub(crate) fn new_sandbox_clients(config: &SdkConfig) -> Self {
        Self { is_simulated: true, ..Self::new(config, None) }
    }

    /// Returns the same, with the credentials that its configuration holds: what can be taken up anew.
    #[must_use]
    pub fn clone_with_shared_credentials(self, held: SharedCredentials) -> Self {
        Self { shared_credentials: Some(held), ..self }
    }

    /// Returns what can be taken up anew; none where there is nothing else, as in a sandbox.
    #[must_use]
    pub fn shared_credentials(&self) -> Option<&SharedCredentials> {
        self.shared_credentials.as_ref()
    }

    /// Returns the same credentials and connections, with S3 in `region`.
    #[must_use]
    pub fn clone_with_bucket_region(&self, region: &str) -> Self {
        Self {
            shared_credentials: self.shared_credentials.clone(),
            is_simulated: self.is_simulated,
            ..Self::new_recording_clients(&self.config, Some(region), self.succeeded.clone())
        }
    }

    /// Returns how many requests AWS was sent by these clients and their clones, each try of one among them.
    #[must_use]
    pub fn count_sent_requests(&self) -> usize {
        self.succeeded.sent_requests()
    }

    /// Notes what AWS has let `objects` do: a simulation that denies it errs.
    pub fn record_object_copies(&self, objects: &S3ObjectClient) {
        if objects.has_copied_an_object() {
            self.succeeded.record_succeeded_call("s3:CopyObject");
        }
    }

    /// Opens the bucket's objects for many requests, with the same credentials, where the SDK finds the bucket.
    ///
    /// # Errors
    /// Where there are no credentials, or the endpoint can't be understood.
    pub async fn open_object_client(&self, bucket: &str) -> Result<S3ObjectClient, Failure> {
        let url = self.resolve_bucket_url(bucket).await?;
        let plugged =
            self.is_simulated.then(|| WebClient::from_sdk_config(&self.config, None).build_http_connector());
        S3ObjectClient::new(&self.config, bucket, &url, plugged)
    }
}

/// Whose a resource with these tags is.
fn resource_ownership_from_tags<'a>(
    tags: impl IntoIterator<Item = (&'a str, &'a str)>,
    names: &ResourceNames,
) -> ResourceOwnership {
    match tags.into_iter().find(|(key, _)| *key == MARKER_TAG) {
        Some((_, bucket)) if bucket == names.bucket_name() => ResourceOwnership::Ours,
        Some((_, bucket)) => ResourceOwnership::Other(bucket.to_owned()),
        None => ResourceOwnership::Unmarked,
    }
}

/// Whether a resource that stands may be changed: the last guard, whatever was planned.
fn check_resource_ownership_allows_change(
    what: &str,
    ownership: &ResourceOwnership,
    adopt: bool,
) -> Result<(), Failure> {
    match ownership {
        ResourceOwnership::Ours => Ok(()),
        ResourceOwnership::Unmarked if adopt => Ok(()),
        ResourceOwnership::Unmarked => Err(Failure::new_missing_consent_failure(
            what,
            "it exists without our marker: it is the vendor's, or somebody else's",
            format!(
                "adopt it: {} — or set up beside it with --name-suffix",
                render_same_command_again(&["--adopt"])
            ),
        )),
        ResourceOwnership::Other(bucket) => Err(Failure::new_generic_failure(
            what,
            format!("it belongs to the install of bucket {bucket}"),
            "choose a --name-suffix for this install",
        )),
    }
}
