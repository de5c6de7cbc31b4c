//! CloudFront, driven by the SDK.

mod associations;
mod deployment;
mod invalidations;
mod resources;

use std::time::Duration;

use aws_sdk_cloudfront::{
    Client,
    operation::create_distribution::CreateDistributionOutput,
    types::{
        DefaultCacheBehavior, DistributionConfig, EventType, LambdaFunctionAssociation,
        LambdaFunctionAssociations, Origin, Origins, S3OriginConfig, ViewerProtocolPolicy,
    },
};

use crate::sandbox::{
    Sandbox,
    tests::setup::{create_service_role, zip_bundle},
};

const CACHING_DISABLED_POLICY_ID: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";

async fn sleep_seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn build_origin(identity: &str) -> Origin {
    Origin::builder()
        .id("bucket")
        .domain_name("b.s3.us-east-1.amazonaws.com")
        .s3_origin_config(S3OriginConfig::builder().origin_access_identity(identity).build())
        .build()
        .unwrap()
}

fn build_behavior(function: Option<&str>) -> DefaultCacheBehavior {
    let association = function.map(|arn| {
        let one = LambdaFunctionAssociation::builder()
            .lambda_function_arn(arn)
            .event_type(EventType::ViewerRequest);
        LambdaFunctionAssociations::builder().quantity(1).items(one.build().unwrap()).build().unwrap()
    });
    DefaultCacheBehavior::builder()
        .target_origin_id("bucket")
        .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
        .cache_policy_id(CACHING_DISABLED_POLICY_ID)
        .set_lambda_function_associations(association)
        .build()
        .unwrap()
}

fn build_distribution_config(
    reference: &str,
    origin: Origin,
    behavior: DefaultCacheBehavior,
) -> DistributionConfig {
    DistributionConfig::builder()
        .caller_reference(reference)
        .origins(Origins::builder().quantity(1).items(origin).build().unwrap())
        .default_cache_behavior(behavior)
        .comment("packagecloud-cloudfront b")
        .enabled(true)
        .build()
        .unwrap()
}

fn build_plain_config(reference: &str) -> DistributionConfig {
    build_distribution_config(reference, build_origin(""), build_behavior(None))
}

/// Creates a distribution of the plain configuration, with the reference `r`.
async fn create_plain_distribution(client: &Client) -> CreateDistributionOutput {
    client.create_distribution().distribution_config(build_plain_config("r")).send().await.unwrap()
}

/// A function's version, not yet waited for, whose role trusts these services.
async fn publish_function_version(
    world: &Sandbox,
    services: &[&str],
    shape: impl Fn(
        aws_sdk_lambda::operation::create_function::builders::CreateFunctionFluentBuilder,
    ) -> aws_sdk_lambda::operation::create_function::builders::CreateFunctionFluentBuilder,
) -> String {
    let role = create_service_role(world, "edge", services).await;
    sleep_seconds(5).await;
    let bytes = zip_bundle("export const handler = async (event) => event.Records[0].cf.request;");
    let lambda = aws_sdk_lambda::Client::new(&world.build_sandbox_sdk_config());
    let creation = lambda
        .create_function()
        .function_name("f")
        .role(role)
        .handler("index.handler")
        .runtime(aws_sdk_lambda::types::Runtime::from("nodejs24.x"))
        .code(aws_sdk_lambda::types::FunctionCode::builder().zip_file(bytes).build());
    shape(creation).send().await.unwrap();
    sleep_seconds(5).await;
    lambda.publish_version().function_name("f").send().await.unwrap().function_arn.unwrap()
}

async fn update_and_publish_function(world: &Sandbox) -> String {
    let bytes = zip_bundle("export const handler = async (event) => event.Records[0].cf.response;");
    let lambda = aws_sdk_lambda::Client::new(&world.build_sandbox_sdk_config());
    let update = lambda.update_function_code().function_name("f").zip_file(bytes).publish(true);
    update.send().await.unwrap().function_arn.unwrap()
}
