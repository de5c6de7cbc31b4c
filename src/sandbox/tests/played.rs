//! What is said to be played is what is played, and any other operation is refused by its own name.

use std::collections::BTreeSet;

use aws_sdk_s3::error::ProvideErrorMetadata;

use super::setup::{error_code_and_message, open_temporary_sandbox_with_client};
use crate::{
    model::aws::played::PLAYED_AWS_OPERATIONS,
    sandbox::{
        control_plane::{ACCOUNT_ID, s3::SandboxBucket},
        seed::SANDBOX_BUCKET,
    },
};

/// Where each service hands its operations on.
const DISPATCHERS: [(&str, &str, &str); 7] = [
    ("acm", "fn handle_acm_api_call", include_str!("../control_plane/acm.rs")),
    ("cloudfront", "fn dispatch_cloudfront_call", include_str!("../control_plane/cloudfront/mod.rs")),
    ("iam", "fn dispatch_iam_call", include_str!("../control_plane/iam/mod.rs")),
    ("kms", "fn dispatch_kms_call", include_str!("../control_plane/kms/mod.rs")),
    ("lambda", "fn dispatch_lambda_call", include_str!("../control_plane/lambda/mod.rs")),
    ("s3control", "fn dispatch_s3control_call", include_str!("../control_plane/s3control/mod.rs")),
    ("sts", "fn handle_sts_api_call", include_str!("../control_plane/sts.rs")),
];

/// Lists the texts that stand before `=>` or `|` in a function.
fn list_matched_texts(source: &str, function: &str) -> BTreeSet<String> {
    let body = source.split(function).nth(1).unwrap_or_default();
    let body = body.split("\n}\n").next().unwrap_or_default();
    let parts: Vec<&str> = body.split('"').collect();
    let pairs = parts.iter().zip(parts.iter().skip(1));
    pairs
        .skip(1)
        .step_by(2)
        .filter(|(_, after)| after.trim_start().starts_with("=>") || after.trim_start().starts_with('|'))
        .map(|(text, _)| (*text).to_owned())
        .collect()
}

#[test]
fn what_is_said_to_be_played_is_handed_on() {
    for (service, function, source) in DISPATCHERS {
        let mut found = list_matched_texts(source, function);
        if service == "lambda" {
            found.insert("Invoke".to_owned());
        }
        let (_, said) = PLAYED_AWS_OPERATIONS.iter().find(|(name, _)| *name == service).unwrap();
        let said: BTreeSet<String> = said.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(found, said, "{service}");
    }
    for (service, operations) in PLAYED_AWS_OPERATIONS {
        assert!(operations.is_sorted(), "{service}");
    }
}

/// S3's operations are the methods of s3s that are written, and the settings.
#[test]
fn every_method_of_s3_is_said() {
    let source = include_str!("../control_plane/s3/protocol.rs");
    let body = source.split("impl S3 for").nth(1).unwrap();
    for line in body.lines().filter_map(|line| line.trim().strip_prefix("async fn ")) {
        let snake = line.split('(').next().unwrap();
        let name: String =
            snake.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<String>();
        assert!(crate::model::aws::played::is_played_aws_operation("s3", &name), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_operation_is_refused_by_name_in_the_services_own_form() {
    let mut told = Vec::new();
    let (_dir, _world, iam) = open_temporary_sandbox_with_client(aws_sdk_iam::Client::new);
    told.push(("ListUsers", error_code_and_message(&iam.list_users().send().await.unwrap_err())));
    let (_dir, _world, sts) = open_temporary_sandbox_with_client(aws_sdk_sts::Client::new);
    told.push((
        "GetSessionToken",
        error_code_and_message(&sts.get_session_token().send().await.unwrap_err()),
    ));
    let (_dir, _world, kms) = open_temporary_sandbox_with_client(aws_sdk_kms::Client::new);
    let asked = kms.schedule_key_deletion().key_id("k").send().await.unwrap_err();
    told.push(("ScheduleKeyDeletion", error_code_and_message(&asked)));
    let (_dir, _world, lambda) = open_temporary_sandbox_with_client(aws_sdk_lambda::Client::new);
    let asked = lambda.list_aliases().function_name("f").send().await.unwrap_err();
    told.push(("ListAliases", error_code_and_message(&asked)));
    let (_dir, _world, cloudfront) = open_temporary_sandbox_with_client(aws_sdk_cloudfront::Client::new);
    let asked = cloudfront.list_key_groups().send().await.unwrap_err();
    told.push(("ListKeyGroups", error_code_and_message(&asked)));
    let codes: Vec<&str> = told.iter().map(|(_, (code, _))| code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "InvalidAction",
            "InvalidAction",
            "UnknownOperationException",
            "UnknownOperationException",
            "UnknownOperationException"
        ]
    );
    for (name, (_, message)) in told {
        assert!(message.contains(name), "{name}: {message}");
    }
    let (_dir, world, s3) = open_temporary_sandbox_with_client(aws_sdk_s3::Client::new);
    world.update_sandbox_state_on_disk(|state| {
        let bucket = SandboxBucket::new(ACCOUNT_ID, "us-east-1", 0);
        state.s3.buckets.insert(SANDBOX_BUCKET.to_owned(), bucket);
    });
    let asked = s3.get_object_torrent().bucket(SANDBOX_BUCKET).key("k").send().await.unwrap_err();
    assert_eq!(asked.code(), Some("NotImplemented"));
}
