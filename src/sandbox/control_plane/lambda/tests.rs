//! Lambda, driven by the SDK.

use std::time::Duration;

use aws_sdk_lambda::{
    Client,
    client::Waiters,
    error::ProvideErrorMetadata,
    primitives::Blob,
    types::{Environment, FunctionCode, LastUpdateStatus, Runtime, State},
};
use serde_json::json;

use crate::sandbox::control_plane::format_sandbox_role_arn;
use crate::sandbox::{
    Sandbox,
    tests::setup::{
        create_service_role, error_code_and_message, open_temporary_sandbox_with_client, zip_bundle,
    },
};

const FUNCTION_NAME: &str = "packagecloud_cloudfront_auth";

fn build_create_function(
    lambda: &Client,
    role: &str,
) -> aws_sdk_lambda::operation::create_function::builders::CreateFunctionFluentBuilder {
    lambda
        .create_function()
        .function_name(FUNCTION_NAME)
        .role(role)
        .handler("index.handler")
        .runtime(Runtime::from("nodejs24.x"))
        .code(FunctionCode::builder().zip_file(zip_bundle("one")).build())
}

fn build_update_code(
    lambda: &Client,
    text: &str,
) -> aws_sdk_lambda::operation::update_function_code::builders::UpdateFunctionCodeFluentBuilder {
    lambda.update_function_code().function_name(FUNCTION_NAME).zip_file(zip_bundle(text))
}

async fn create_active_function(world: &Sandbox, lambda: &Client) {
    let role =
        create_service_role(world, "edge", &["lambda.amazonaws.com", "edgelambda.amazonaws.com"]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    build_create_function(lambda, &role).send().await.unwrap();
    wait_until_updated(lambda).await;
}

async fn wait_until_updated(lambda: &Client) {
    lambda
        .wait_until_function_active_v2()
        .function_name(FUNCTION_NAME)
        .wait(Duration::from_mins(1))
        .await
        .unwrap();
    lambda
        .wait_until_function_updated_v2()
        .function_name(FUNCTION_NAME)
        .wait(Duration::from_mins(1))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fresh_role_cannot_be_assumed_until_it_is_known() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    let role = create_service_role(&world, "edge", &["lambda.amazonaws.com"]).await;
    let expected = (
        "InvalidParameterValueException".to_owned(),
        "The role defined for the function cannot be assumed by Lambda.".to_owned(),
    );
    assert_eq!(
        error_code_and_message(&build_create_function(&lambda, &role).send().await.unwrap_err()),
        expected
    );
    assert_eq!(
        error_code_and_message(
            &build_create_function(&lambda, &format_sandbox_role_arn("typo")).send().await.unwrap_err()
        ),
        expected
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    build_create_function(&lambda, &role).send().await.unwrap();
    assert_eq!(
        error_code_and_message(
            &build_create_function(&lambda, &format_sandbox_role_arn("typo")).send().await.unwrap_err()
        )
        .0,
        "ResourceConflictException"
    );
}

#[tokio::test(start_paused = true)]
async fn a_role_that_does_not_trust_lambda_is_refused_for_ever() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    let role = create_service_role(&world, "edge", &["edgelambda.amazonaws.com"]).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let refused = build_create_function(&lambda, &role).send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&refused).1,
        "The role defined for the function cannot be assumed by Lambda."
    );
}

#[tokio::test(start_paused = true)]
async fn passing_the_role_takes_a_permission() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    let role = create_service_role(&world, "edge", &["lambda.amazonaws.com"]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.update_sandbox_state_on_disk(|state| {
        state.iam.user.policy =
            json!({"Statement": [{"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}]});
    });
    let refused = build_create_function(&lambda, &role).send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&refused),
        (
            "AccessDeniedException".into(),
            format!(
                "User: arn:aws:iam::999999999999:user/sandbox is not authorized to perform: iam:PassRole on resource: {role} because no identity-based policy allows the iam:PassRole action"
            )
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_is_pending_at_first_and_refuses_changes_while_in_progress() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    let role = create_service_role(&world, "edge", &["lambda.amazonaws.com"]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let made = build_create_function(&lambda, &role).send().await.unwrap();
    assert_eq!(made.state, Some(State::Pending));
    let early = lambda.publish_version().function_name(FUNCTION_NAME).send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&early),
        (
            "ResourceConflictException".into(),
            "The operation cannot be performed at this time. The function is currently in the following state: Pending".into()
        )
    );
    wait_until_updated(&lambda).await;
    let changed =
        lambda.update_function_configuration().function_name(FUNCTION_NAME).timeout(5).send().await.unwrap();
    assert_eq!(changed.last_update_status, Some(LastUpdateStatus::InProgress));
    let busy = build_update_code(&lambda, "two").send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&busy),
        (
            "ResourceConflictException".into(),
            format!(
                "The operation cannot be performed at this time. An update is in progress for resource: {}",
                super::format_lambda_function_arn(FUNCTION_NAME)
            )
        )
    );
    wait_until_updated(&lambda).await;
    build_update_code(&lambda, "two").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_has_not_changed_is_not_published_again() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    create_active_function(&world, &lambda).await;
    let publish = || lambda.publish_version().function_name(FUNCTION_NAME).send();
    let first = publish().await.unwrap();
    assert_eq!((first.version(), first.state.clone()), (Some("1"), Some(State::Active)));
    assert_eq!(
        first.function_arn(),
        Some(format!("{}:1", super::format_lambda_function_arn(FUNCTION_NAME)).as_str())
    );
    assert_eq!(publish().await.unwrap().version(), Some("1"));
    build_update_code(&lambda, "one").send().await.unwrap();
    wait_until_updated(&lambda).await;
    assert_eq!(publish().await.unwrap().version(), Some("1"), "the same code sent again");
    build_update_code(&lambda, "two").send().await.unwrap();
    wait_until_updated(&lambda).await;
    assert_eq!(publish().await.unwrap().version(), Some("2"));
    let listed = lambda.list_versions_by_function().function_name(FUNCTION_NAME).send().await.unwrap();
    let numbers: Vec<_> = listed.versions().iter().filter_map(|version| version.version()).collect();
    assert_eq!(numbers, ["$LATEST", "1", "2"]);
    let waited = lambda.wait_until_published_version_active().function_name(FUNCTION_NAME).qualifier("2");
    waited.wait(Duration::from_mins(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn publishing_holds_to_the_code_and_the_revision_expected() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    create_active_function(&world, &lambda).await;
    let now = lambda.get_function().function_name(FUNCTION_NAME).send().await.unwrap().configuration.unwrap();
    let other =
        lambda.publish_version().function_name(FUNCTION_NAME).code_sha256("other").send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&other),
        (
            "InvalidParameterValueException".into(),
            format!(
                "CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ({}). Please try again with the CodeSHA256 in $LATEST.",
                now.code_sha256().unwrap()
            )
        )
    );
    let stale = lambda
        .publish_version()
        .function_name(FUNCTION_NAME)
        .revision_id("00000000-0000-0000-0000-000000000000");
    assert_eq!(error_code_and_message(&stale.send().await.unwrap_err()).0, "PreconditionFailedException");
    let right = lambda.publish_version().function_name(FUNCTION_NAME).code_sha256(now.code_sha256().unwrap());
    right.revision_id(now.revision_id().unwrap()).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_version_keeps_what_it_was_published_with() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    create_active_function(&world, &lambda).await;
    lambda.publish_version().function_name(FUNCTION_NAME).send().await.unwrap();
    let variables = Environment::builder().variables("A", "b").build();
    lambda
        .update_function_configuration()
        .function_name(FUNCTION_NAME)
        .environment(variables)
        .send()
        .await
        .unwrap();
    let version = lambda.get_function().function_name(FUNCTION_NAME).qualifier("1").send().await.unwrap();
    assert!(version.configuration.unwrap().environment.is_none());
    let missing = lambda.get_function().function_name(FUNCTION_NAME).qualifier("7").send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&missing),
        (
            "ResourceNotFoundException".into(),
            format!("Function not found: {}:7", super::format_lambda_function_arn(FUNCTION_NAME))
        )
    );
    let (bytes, role) = super::read_sandbox_edge_code(
        &world,
        &format!("{}:1", super::format_lambda_function_arn(FUNCTION_NAME)),
    )
    .unwrap();
    assert_eq!((bytes, role), (zip_bundle("one").into_inner(), format_sandbox_role_arn("edge")));
    assert!(
        super::read_sandbox_edge_code(&world, &super::format_lambda_function_arn(FUNCTION_NAME)).is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_bundle_is_refused() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    let role = create_service_role(&world, "edge", &["lambda.amazonaws.com"]).await;
    let refused = build_create_function(&lambda, &role)
        .code(FunctionCode::builder().zip_file(Blob::new("no zip")).build());
    assert_eq!(
        error_code_and_message(&refused.send().await.unwrap_err()),
        (
            "InvalidParameterValueException".into(),
            "Could not unzip uploaded file. Please check your file, then try to upload again.".into()
        )
    );
    let old =
        build_create_function(&lambda, &role).runtime(Runtime::from("nodejs16.x")).send().await.unwrap_err();
    assert!(error_code_and_message(&old).1.contains("nodejs16.x is no longer supported"), "{old:?}");
}

#[tokio::test(start_paused = true)]
async fn tags_belong_to_the_function_and_add_up() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    create_active_function(&world, &lambda).await;
    let arn = super::format_lambda_function_arn(FUNCTION_NAME);
    lambda.tag_resource().resource(&arn).tags("a", "1").send().await.unwrap();
    lambda.tag_resource().resource(&arn).tags("b", "2").send().await.unwrap();
    let tags = lambda.list_tags().resource(&arn).send().await.unwrap().tags.unwrap();
    assert_eq!((tags.len(), tags["a"].as_str()), (2, "1"));
    assert!(
        lambda
            .get_function_concurrency()
            .function_name(FUNCTION_NAME)
            .send()
            .await
            .unwrap()
            .reserved_concurrent_executions
            .is_none()
    );
    let version = lambda.tag_resource().resource(format!("{arn}:1")).tags("a", "1").send().await.unwrap_err();
    assert_eq!(version.code(), Some("InvalidParameterValueException"));
}

/// Codes and messages are those of recorded answers of Lambda.
#[tokio::test(start_paused = true)]
async fn what_lambda_does_not_take_is_refused_in_its_words() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    create_active_function(&world, &lambda).await;
    let role = format_sandbox_role_arn("edge");
    let arn = super::format_lambda_function_arn(FUNCTION_NAME);
    let create = || build_create_function(&lambda, &role).function_name("other");
    let many = (0..51).map(|number| (format!("{number}_key"), "value".to_owned())).collect();
    let told = [
        error_code_and_message(
            &lambda
                .delete_function()
                .function_name(FUNCTION_NAME)
                .qualifier("$LATEST")
                .send()
                .await
                .unwrap_err(),
        ),
        error_code_and_message(
            &lambda
                .delete_function()
                .function_name(FUNCTION_NAME)
                .qualifier("live")
                .send()
                .await
                .unwrap_err(),
        ),
        error_code_and_message(&lambda.invoke().function_name("none").send().await.unwrap_err()),
        error_code_and_message(
            &lambda.get_function().function_name(format!("{arn}:1")).qualifier("2").send().await.unwrap_err(),
        ),
        error_code_and_message(
            &lambda.tag_resource().resource(&arn).set_tags(Some(many)).send().await.unwrap_err(),
        ),
        error_code_and_message(
            &lambda.list_functions().function_version("invalid".into()).send().await.unwrap_err(),
        ),
        error_code_and_message(&create().runtime(Runtime::from("go1.x")).send().await.unwrap_err()),
    ];
    let said: Vec<(&str, &str)> =
        told.iter().map(|(code, message)| (code.as_str(), message.as_str())).collect();
    assert_eq!(
        said,
        [
            (
                "InvalidParameterValueException",
                "$LATEST version cannot be deleted without deleting the function."
            ),
            ("InvalidParameterValueException", "Deletion of aliases is not currently supported."),
            (
                "ResourceNotFoundException",
                "Function not found: arn:aws:lambda:us-east-1:999999999999:function:none:$LATEST"
            ),
            (
                "InvalidParameterValueException",
                "The derived qualifier from the function name does not match the specified qualifier."
            ),
            ("InvalidParameterValueException", "Number of tags exceeds resource tag limit."),
            (
                "ValidationException",
                "1 validation error detected: Value 'invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]"
            ),
            (
                "InvalidParameterValueException",
                "The runtime parameter of go1.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
            ),
        ]
    );
}

/// Message and limit are those of recorded answers of Lambda.
#[tokio::test(start_paused = true)]
async fn more_than_4_kb_of_variables_are_refused_as_they_were_measured() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    create_active_function(&world, &lambda).await;
    let role = format_sandbox_role_arn("edge");
    let large = Environment::builder().variables("LARGE_VAR", "x".repeat(4096)).build();
    let create = build_create_function(&lambda, &role).function_name("other");
    let refused = create.environment(large).send().await.unwrap_err();
    let (code, message) = error_code_and_message(&refused);
    assert_eq!(code, "InvalidParameterValueException");
    assert!(
        message.starts_with("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {\"LARGE_VAR\":\"xxx"),
        "{message}"
    );
    let signing =
        lambda.get_function_code_signing_config().function_name(FUNCTION_NAME).send().await.unwrap();
    assert_eq!(signing.code_signing_config_arn(), "");
}

/// What each answer has and has not is as recorded of Lambda.
#[tokio::test(start_paused = true)]
async fn each_answer_about_a_function_has_its_own_members() {
    let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
    let role =
        create_service_role(&world, "edge", &["lambda.amazonaws.com", "edgelambda.amazonaws.com"]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let made = build_create_function(&lambda, &role)
        .environment(Environment::builder().set_variables(Some(std::collections::HashMap::new())).build())
        .send()
        .await
        .unwrap();
    assert_eq!((made.state, made.last_update_status), (Some(State::Pending), None));
    assert_eq!(
        made.logging_config.unwrap().log_group(),
        Some(format!("/aws/lambda/{FUNCTION_NAME}").as_str())
    );
    assert!(made.environment.is_some() && made.runtime_version_config.is_some());
    wait_until_updated(&lambda).await;
    let listed = lambda.list_functions().send().await.unwrap();
    let one = &listed.functions()[0];
    assert_eq!((one.state(), one.last_update_status()), (None, None));
    assert!(one.runtime_version_config().is_none() && one.logging_config().is_some());
    let changed =
        lambda.update_function_configuration().function_name(FUNCTION_NAME).timeout(5).send().await.unwrap();
    assert_eq!(changed.last_update_status_reason(), Some("The function is being created."));
}
