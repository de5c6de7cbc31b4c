//! Where S3 is: by the SDK's own resolution of what options, environment and profile say of endpoints, dual-stack and FIPS.
//!
//! The reindex's own requests go where the SDK's go: the SDK is asked for the address.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_s3::{
    config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint},
    presigning::PresigningConfig,
};

use super::format_bucket_label;
use crate::aws::{AwsClients, error, succeeded_actions::SucceededActions, unreadable::distrust_answers};
use crate::model::failure::Failure;

/// A key that nothing in a URL escapes, to ask for an object's address with.
const ADDRESS_KEY: &str = "address";
/// A bucket for the same: only where a bucket stands in its URLs is read from the answer.
const ADDRESS_BUCKET: &str = "address-of-buckets";
/// The address is asked for and never sent.
const ADDRESS_LIFETIME: Duration = Duration::from_mins(1);

/// Builds the client of S3, which notes in `succeeded` each call that succeeds.
pub(in crate::aws) fn build_s3_client(config: &SdkConfig, succeeded: SucceededActions) -> aws_sdk_s3::Client {
    let own = aws_sdk_s3::config::Builder::from(config)
        .endpoint_resolver(PathStyleAtOwnEndpoint::default())
        .interceptor(succeeded);
    aws_sdk_s3::Client::from_conf(distrust_answers!(own).build())
}

/// At an endpoint of one's own a bucket is addressed by path, as the aws command does: no certificate need cover its name
/// there. Elsewhere as the SDK does.
#[derive(Debug, Default)]
struct PathStyleAtOwnEndpoint(DefaultResolver);

impl ResolveEndpoint for PathStyleAtOwnEndpoint {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        if params.endpoint().is_none() {
            return self.0.resolve_endpoint(params);
        }
        EndpointFuture::new(async move {
            let by_path = Params::builder()
                .set_bucket(params.bucket().map(str::to_owned))
                .set_region(params.region().map(str::to_owned))
                .set_endpoint(params.endpoint().map(str::to_owned))
                .set_use_fips(params.use_fips())
                .set_use_dual_stack(params.use_dual_stack())
                .force_path_style(true)
                .build()?;
            self.0.resolve_endpoint(&by_path).await
        })
    }
}

impl AwsClients {
    /// Returns what stands before a key in the URLs of the bucket's objects: `https://bucket.s3.eu-west-1.amazonaws.com/`.
    ///
    /// # Errors
    /// Where the endpoint settings contradict each other, or can't be understood.
    pub async fn resolve_bucket_url(&self, bucket: &str) -> Result<String, Failure> {
        let lifetime = PresigningConfig::expires_in(ADDRESS_LIFETIME).map_err(|error| {
            Failure::new_generic_failure(format_bucket_label(bucket), error.to_string(), "report this")
        })?;
        // Whose credentials they are changes no address: none need be fetched for it.
        let nobody = Credentials::new("nobody", "nothing", None, None, "address");
        let asked = self
            .s3
            .get_object()
            .bucket(bucket)
            .key(ADDRESS_KEY)
            .customize()
            .config_override(aws_sdk_s3::config::Builder::new().credentials_provider(nobody))
            .presigned(lifetime)
            .await
            .map_err(error::build_aws_action_failure("s3:GetObject", format_bucket_label(bucket)))?;
        let url = asked.uri().split('?').next().unwrap_or_default();
        Ok(url.strip_suffix(ADDRESS_KEY).unwrap_or(url).to_owned())
    }

    /// Returns the endpoint of one's own that S3 is asked at, whichever setting names it; none where that is AWS's, or can't
    /// be understood.
    pub async fn find_own_s3_endpoint(&self) -> Option<String> {
        let url = self.resolve_bucket_url(ADDRESS_BUCKET).await.ok()?;
        url.strip_suffix(&format!("/{ADDRESS_BUCKET}/")).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};

    use super::*;

    async fn load_clients(
        settings: impl FnOnce(aws_config::ConfigLoader) -> aws_config::ConfigLoader,
        region: &str,
    ) -> AwsClients {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .no_credentials();
        AwsClients::new(&settings(loader).load().await, None)
    }

    async fn bucket_url_with(
        settings: impl FnOnce(aws_config::ConfigLoader) -> aws_config::ConfigLoader,
        bucket: &str,
        region: &str,
    ) -> Result<String, Failure> {
        load_clients(settings, region).await.resolve_bucket_url(bucket).await
    }

    #[tokio::test]
    async fn the_sdk_says_where_a_bucket_is() {
        for (region, bucket, url) in [
            ("eu-west-1", "pkgs", "https://pkgs.s3.eu-west-1.amazonaws.com/"),
            ("us-east-1", "pkgs", "https://pkgs.s3.us-east-1.amazonaws.com/"),
            // A certificate's star covers one label.
            ("eu-west-1", "pkgs.example.com", "https://s3.eu-west-1.amazonaws.com/pkgs.example.com/"),
            ("cn-north-1", "pkgs", "https://pkgs.s3.cn-north-1.amazonaws.com.cn/"),
        ] {
            assert_eq!(bucket_url_with(|loader| loader, bucket, region).await.unwrap(), url);
        }
        let dual = bucket_url_with(|loader| loader.use_dual_stack(true), "pkgs", "eu-west-1").await;
        assert_eq!(dual.unwrap(), "https://pkgs.s3.dualstack.eu-west-1.amazonaws.com/");
        let fips = bucket_url_with(|loader| loader.use_fips(true), "pkgs", "us-east-1").await;
        assert_eq!(fips.unwrap(), "https://pkgs.s3-fips.us-east-1.amazonaws.com/");
    }

    #[tokio::test]
    async fn at_an_endpoint_of_ones_own_a_bucket_is_a_path() {
        for (endpoint, url) in [
            ("http://127.0.0.1:9311", "http://127.0.0.1:9311/pkgs/"),
            ("http://minio.example.com:9000/s3/", "http://minio.example.com:9000/s3/pkgs/"),
            (
                "https://bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com",
                "https://bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com/pkgs/",
            ),
        ] {
            let found = bucket_url_with(|loader| loader.endpoint_url(endpoint), "pkgs", "us-east-1").await;
            assert_eq!(found.unwrap(), url);
            let own = load_clients(|loader| loader.endpoint_url(endpoint), "us-east-1").await;
            assert_eq!(own.find_own_s3_endpoint().await.as_deref(), Some(endpoint.trim_end_matches('/')));
        }
        assert_eq!(load_clients(|loader| loader, "eu-west-1").await.find_own_s3_endpoint().await, None);
        let contradiction =
            |loader: aws_config::ConfigLoader| loader.endpoint_url("http://127.0.0.1:9311").use_fips(true);
        let failure = bucket_url_with(contradiction, "pkgs", "us-east-1").await.unwrap_err();
        assert!(failure.why.contains("FIPS"), "{failure}");
    }
}
