//! The wire driven by the SDK's own clients.

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::sandbox::{
    Sandbox, SandboxOptions,
    tests::setup::{open_temporary_sandbox, open_temporary_sandbox_with_faults},
};

#[tokio::test(start_paused = true)]
async fn an_unmodified_client_learns_who_it_is() {
    let (_dir, world) = open_temporary_sandbox();
    let who = aws_sdk_sts::Client::new(&world.build_sandbox_sdk_config())
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    assert_eq!(who.arn(), Some("arn:aws:iam::999999999999:user/sandbox"));
    assert_eq!(who.account(), Some("999999999999"));
    let calls = world.sandbox_recorded_aws_calls();
    assert_eq!((calls.len(), calls[0].operation.as_str(), calls[0].write), (1, "GetCallerIdentity", false));
}

async fn identity_error_code(access: &str, secret: &str, token: Option<&str>) -> Option<String> {
    let (_dir, world) = open_temporary_sandbox();
    let credentials = Credentials::new(access, secret, token.map(Into::into), None, "test");
    let config = world
        .build_sandbox_sdk_config()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let error = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap_err();
    error.code().map(ToOwned::to_owned)
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_and_a_wrong_secret_are_told_apart() {
    assert_eq!(
        identity_error_code("AKIAIOSFODNN7SOMEBODY", "x", None).await.as_deref(),
        Some("InvalidClientTokenId")
    );
    assert_eq!(
        identity_error_code(super::iam::ACCESS_KEY, "x", None).await.as_deref(),
        Some("SignatureDoesNotMatch")
    );
    assert_eq!(
        identity_error_code(super::iam::ACCESS_KEY, super::iam::SECRET_KEY, Some("t")).await.as_deref(),
        Some("InvalidClientTokenId")
    );
}

#[tokio::test(start_paused = true)]
async fn each_service_refuses_a_wrong_key_in_its_own_words() {
    let (_dir, world) = open_temporary_sandbox();
    let credentials = Credentials::new("AKIAIOSFODNN7SOMEBODY", "x", None, None, "test");
    let config = world
        .build_sandbox_sdk_config()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let kms = aws_sdk_kms::Client::new(&config).list_keys().send().await.unwrap_err();
    assert_eq!(kms.code(), Some("UnrecognizedClientException"));
    let lambda =
        aws_sdk_lambda::Client::new(&config).get_function().function_name("f").send().await.unwrap_err();
    assert_eq!(lambda.code(), Some("UnrecognizedClientException"));
    let cloudfront = aws_sdk_cloudfront::Client::new(&config).list_distributions().send().await.unwrap_err();
    assert_eq!(cloudfront.code(), Some("InvalidClientTokenId"));
}

#[tokio::test(start_paused = true)]
async fn a_clock_five_minutes_slow_is_refused() {
    #[derive(Debug)]
    struct SlowClock(Sandbox);
    impl aws_smithy_async::time::TimeSource for SlowClock {
        fn now(&self) -> std::time::SystemTime {
            std::time::UNIX_EPOCH + self.0.sandbox_unix_time_now() - Duration::from_secs(301)
        }
    }
    let (_dir, world) = open_temporary_sandbox();
    let config = world
        .build_sandbox_sdk_config()
        .into_builder()
        .time_source(SlowClock(world.clone()))
        .disable_clock_skew_correction(true)
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build();
    let error = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
    assert!(error.message().unwrap().starts_with("Signature expired: "));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_retried_by_the_sdk_and_costs_no_time() {
    let (_dir, world) = open_temporary_sandbox_with_faults(&["sts:1-2:throttle"]);
    aws_sdk_sts::Client::new(&world.build_sandbox_sdk_config()).get_caller_identity().send().await.unwrap();
    assert_eq!(world.sandbox_recorded_aws_calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_done_all_the_same() {
    let (_dir, world) = open_temporary_sandbox_with_faults(&["iam:CreateServiceLinkedRole:1:lost"]);
    let iam = aws_sdk_iam::Client::new(&world.build_sandbox_sdk_config());
    let again = iam
        .create_service_linked_role()
        .aws_service_name("replicator.lambda.amazonaws.com")
        .send()
        .await
        .unwrap_err();
    assert_eq!(again.code(), Some("InvalidInput"));
    assert!(again.message().unwrap().contains("has been taken in this account"));
    let statuses: Vec<_> = world.sandbox_recorded_aws_calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [None, Some(400)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_ends_with_the_clients_patience() {
    let (_dir, world) = open_temporary_sandbox_with_faults(&["sts:1+:hang"]);
    let patience = TimeoutConfig::builder().operation_timeout(Duration::from_secs(20)).build();
    let config = world.build_sandbox_sdk_config().into_builder().timeout_config(patience).build();
    let before = world.sandbox_unix_time_now();
    let error = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap_err();
    assert!(matches!(error, aws_sdk_sts::error::SdkError::TimeoutError(_)), "{error:?}");
    assert_eq!(world.sandbox_unix_time_now().checked_sub(before).unwrap().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn denials_and_chosen_errors_come_in_the_services_words() {
    let (_dir, world) = open_temporary_sandbox_with_faults(&[
        "iam:1:deny",
        "kms:ListKeys:1:error:KMSInvalidStateException=key is gone, really",
    ]);
    let iam =
        aws_sdk_iam::Client::new(&world.build_sandbox_sdk_config()).get_user().send().await.unwrap_err();
    assert_eq!(iam.code(), Some("AccessDenied"));
    assert!(iam.message().unwrap().contains("is not authorized to perform: iam:GetUser"));
    let kms =
        aws_sdk_kms::Client::new(&world.build_sandbox_sdk_config()).list_keys().send().await.unwrap_err();
    assert_eq!((kms.code(), kms.message()), (Some("KMSInvalidStateException"), Some("key is gone, really")));
}

#[tokio::test(start_paused = true)]
async fn latency_is_on_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let options = SandboxOptions {
        dir: dir.path().to_owned(),
        latency: Duration::from_millis(80),
        ..SandboxOptions::default()
    };
    let world = Sandbox::open_sandbox_unseeded(&options).unwrap();
    let sts = aws_sdk_sts::Client::new(&world.build_sandbox_sdk_config());
    let (one, other) = tokio::join!(sts.get_caller_identity().send(), sts.get_caller_identity().send());
    assert!(one.is_ok() && other.is_ok());
    let calls = world.sandbox_recorded_aws_calls();
    assert_eq!(crate::sandbox::ledger::count_longest_sequential_calls(&calls), 1);
    assert!(calls.iter().all(|call| call.end >= call.start + Duration::from_millis(80)));
}

#[tokio::test(start_paused = true)]
async fn no_other_host_answers() {
    let (_dir, world) = open_temporary_sandbox();
    let request = http::Request::get("https://example.com/").body(bytes::Bytes::new()).unwrap();
    assert_eq!(world.handle_sandbox_request(request).await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_edit_comes_just_before() {
    let (_dir, world) =
        open_temporary_sandbox_with_faults(&["iam:GetRole:2:drift", "kms:GetKeyPolicy:2:drift"]);
    let iam = aws_sdk_iam::Client::new(&world.build_sandbox_sdk_config());
    let trust = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    iam.create_role().role_name("r").assume_role_policy_document(trust).send().await.unwrap();
    let kms = aws_sdk_kms::Client::new(&world.build_sandbox_sdk_config());
    let key = kms.create_key().send().await.unwrap().key_metadata.unwrap().key_id;
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (round, edited) in [false, true].into_iter().enumerate() {
        let role = iam.get_role().role_name("r").send().await.unwrap().role.unwrap();
        assert_eq!(
            role.assume_role_policy_document().unwrap().contains("SomebodyElse"),
            edited,
            "role, round {round}"
        );
        let policy = kms.get_key_policy().key_id(&key).send().await.unwrap().policy.unwrap();
        assert_eq!(policy.contains("SomebodyElse"), edited, "key policy, round {round}");
    }
}
