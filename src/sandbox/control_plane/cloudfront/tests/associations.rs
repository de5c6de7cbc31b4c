//! Which functions CloudFront takes, and its words for the others.

use aws_sdk_cloudfront::Client;
use serde_json::json;

use super::{
    build_behavior, build_distribution_config, build_origin, publish_function_version, sleep_seconds,
    update_and_publish_function,
};
use crate::sandbox::tests::setup::{error_code, error_code_and_message, open_temporary_sandbox_with_client};

const LAMBDA_AND_EDGE_SERVICES: [&str; 2] = ["lambda.amazonaws.com", "edgelambda.amazonaws.com"];

async fn refused_association_message(client: &Client, arn: &str) -> String {
    let config = build_distribution_config(&format!("of {arn}"), build_origin(""), build_behavior(Some(arn)));
    let error = client.create_distribution().distribution_config(config).send().await.unwrap_err();
    let (code, message) = error_code_and_message(&error);
    assert_eq!(code, "InvalidLambdaFunctionAssociation");
    message
}

#[tokio::test(start_paused = true)]
async fn a_version_must_be_active() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    publish_function_version(&world, &LAMBDA_AND_EDGE_SERVICES, |creation| creation).await;
    // A version that comes with new code is Pending with it.
    let arn = update_and_publish_function(&world).await;
    assert_eq!(
        refused_association_message(&client, &arn).await,
        format!("The function must be in an Active state. The current state for function {arn} is Pending")
    );
    sleep_seconds(5).await;
    let config = build_distribution_config("r", build_origin(""), build_behavior(Some(&arn)));
    client.create_distribution().distribution_config(config).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn only_a_numbered_version_of_the_right_region_will_do() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let arn = publish_function_version(&world, &LAMBDA_AND_EDGE_SERVICES, |creation| creation).await;
    let bare = arn.strip_suffix(":1").unwrap();
    for wrong in [bare.to_owned(), format!("{bare}:$LATEST"), format!("{bare}:live")] {
        assert_eq!(
            refused_association_message(&client, &wrong).await,
            format!(
                "The function ARN must reference a specific function version. (The ARN must end with the version number.) ARN: {wrong}"
            )
        );
    }
    let elsewhere = arn.replace("us-east-1", "eu-west-1");
    assert_eq!(
        refused_association_message(&client, &elsewhere).await,
        format!("The function must be in region 'us-east-1'. ARN: {elsewhere}")
    );
    assert!(refused_association_message(&client, &format!("{bare}:7")).await.contains("does not exist"));
}

#[tokio::test(start_paused = true)]
async fn the_role_must_trust_the_edge_and_a_new_trust_takes_a_while() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let arn = publish_function_version(&world, &["lambda.amazonaws.com"], |creation| creation).await;
    sleep_seconds(5).await;
    let expected = "The function execution role must be assumable with edgelambda.amazonaws.com as well as lambda.amazonaws.com principals. Update the IAM role and try again. Role: arn:aws:iam::999999999999:role/edge";
    assert_eq!(refused_association_message(&client, &arn).await, expected);
    let trust = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": LAMBDA_AND_EDGE_SERVICES}, "Action": "sts:AssumeRole"}]});
    let iam = aws_sdk_iam::Client::new(&world.build_sandbox_sdk_config());
    iam.update_assume_role_policy()
        .role_name("edge")
        .policy_document(trust.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(refused_association_message(&client, &arn).await, expected);
    sleep_seconds(5).await;
    let config = build_distribution_config("r", build_origin(""), build_behavior(Some(&arn)));
    client.create_distribution().distribution_config(config).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_replica_lacks_is_refused() {
    use aws_sdk_lambda::types::{
        Architecture, Environment, EphemeralStorage, TracingConfig, TracingMode, VpcConfig,
    };
    type CreateFunctionBuilder =
        aws_sdk_lambda::operation::create_function::builders::CreateFunctionFluentBuilder;
    type RefusedFunctionCase = (&'static str, fn(CreateFunctionBuilder) -> CreateFunctionBuilder);
    let shapes: [RefusedFunctionCase; 7] = [
        ("The function cannot have environment variables.", |c| {
            c.environment(Environment::builder().variables("A", "b").build())
        }),
        ("The function cannot have layers.", |c| c.layers("arn:aws:lambda:us-east-1:999999999999:layer:l:1")),
        ("The function cannot have a VPC configuration.", |c| {
            c.vpc_config(VpcConfig::builder().subnet_ids("subnet-1").build())
        }),
        ("Lambda@Edge does not support functions with an architecture of arm64.", |c| {
            c.architectures(Architecture::Arm64)
        }),
        ("The function cannot have active tracing.", |c| {
            c.tracing_config(TracingConfig::builder().mode(TracingMode::Active).build())
        }),
        ("The function cannot have more than 512 MB", |c| {
            c.ephemeral_storage(EphemeralStorage::builder().size(1024).build().unwrap())
        }),
        ("Max allowed: 30", |c| c.timeout(31)),
    ];
    for (why, shape) in shapes {
        let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
        let arn = publish_function_version(&world, &LAMBDA_AND_EDGE_SERVICES, shape).await;
        sleep_seconds(5).await;
        let message = refused_association_message(&client, &arn).await;
        assert!(message.contains(why) && message.ends_with(&format!("Function: {arn}")), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn replication_takes_a_permission_with_its_asterisk_on_the_version() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let arn = publish_function_version(&world, &LAMBDA_AND_EDGE_SERVICES, |creation| creation).await;
    sleep_seconds(5).await;
    let allow = |actions: serde_json::Value, resource: &str| {
        let rest =
            json!({"Effect": "Allow", "Action": ["cloudfront:*", "iam:*", "lambda:Get*"], "Resource": "*"});
        let statements = json!([rest, {"Effect": "Allow", "Action": actions, "Resource": resource}]);
        world.update_sandbox_state_on_disk(|state| state.iam.user.policy = json!({"Statement": statements}));
    };
    let expected = format!(
        "Lambda@Edge cannot enable replication for the specified Lambda function. Update the IAM policy to add permission: lambda:EnableReplication* for resource: {arn}"
    );
    allow(json!("lambda:EnableReplication"), "*");
    assert_eq!(refused_association_message(&client, &arn).await, expected);
    allow(json!("lambda:EnableReplication*"), arn.strip_suffix(":1").unwrap());
    assert_eq!(refused_association_message(&client, &arn).await, expected);
    allow(json!("lambda:EnableReplication*"), &arn);
    let config = build_distribution_config("r", build_origin(""), build_behavior(Some(&arn)));
    client.create_distribution().distribution_config(config).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_first_association_makes_the_service_linked_roles_or_is_denied() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let arn = publish_function_version(&world, &LAMBDA_AND_EDGE_SERVICES, |creation| creation).await;
    sleep_seconds(5).await;
    let deny = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iam:CreateServiceLinkedRole", "Resource": "*"}]);
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = json!({"Statement": deny}));
    let create = || {
        client
            .create_distribution()
            .distribution_config(build_distribution_config("r", build_origin(""), build_behavior(Some(&arn))))
            .send()
    };
    let denied = create().await.unwrap_err();
    assert_eq!(error_code(&denied), "AccessDenied");
    assert!(error_code_and_message(&denied).1.contains("iam:CreateServiceLinkedRole"), "{denied:?}");
    world.update_sandbox_state_on_disk(|state| {
        state.iam.user.policy = json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    });
    create().await.unwrap();
    assert!(world.read_sandbox_state_from_disk(|state| {
        state.iam.roles.contains_key("AWSServiceRoleForLambdaReplicator")
    }));
}

#[tokio::test(start_paused = true)]
async fn a_replicated_function_cannot_be_deleted() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let arn = publish_function_version(&world, &LAMBDA_AND_EDGE_SERVICES, |creation| creation).await;
    sleep_seconds(5).await;
    let config = build_distribution_config("r", build_origin(""), build_behavior(Some(&arn)));
    client.create_distribution().distribution_config(config).send().await.unwrap();
    let lambda = aws_sdk_lambda::Client::new(&world.build_sandbox_sdk_config());
    let refused = lambda.delete_function().function_name("f").send().await.unwrap_err();
    let error: (Option<&str>, Option<&str>) = {
        use aws_sdk_lambda::error::ProvideErrorMetadata;
        (refused.code(), refused.message())
    };
    let message = format!(
        "Lambda was unable to delete {arn} because it is a replicated function. Please see our documentation for Deleting Lambda@Edge Functions and Replicas."
    );
    assert_eq!(error, (Some("InvalidParameterValueException"), Some(message.as_str())));
}
