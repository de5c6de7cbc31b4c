//! aws-facts.md, section 4, row by row: the errors that pass are sent again until they do, with the time shown and an end; their permanent twins are told apart.
//!
//! Section 8's list of what must be emulated stands below, each with the test that shows it.

use std::time::Duration;

use packagecloud_cloudfront::{
    model::{answers::Answers, event::Event, failure::Failure, goal::Stage},
    sandbox::{World, seed},
};

use crate::engine::{SET_UP, done, made, world};

/// One row: an operation, the code and message that AWS answers it with while it doesn't agree with itself yet.
struct Row {
    operation: &'static str,
    code: &'static str,
    message: &'static str,
    /// What is said while it is waited for.
    waits_for: &'static str,
    /// How long at most.
    most: Duration,
}

const fn row(
    operation: &'static str,
    code: &'static str,
    message: &'static str,
    waits_for: &'static str,
    most: u64,
) -> Row {
    Row { operation, code, message, waits_for, most: Duration::from_secs(most) }
}

const EVENTUAL: [Row; 14] = [
    // Lambda CreateFunction/UpdateConfig
    row(
        "lambda:CreateFunction",
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
        "the role to be assumable",
        300,
    ),
    row(
        "lambda:CreateFunction",
        "InvalidParameterValueException",
        "The provided execution role does not have permissions to call Encrypt on KMS",
        "the role to be assumable",
        300,
    ),
    row(
        "lambda:CreateFunction",
        "InvalidParameterValueException",
        "KMS key is invalid for CreateGrant",
        "the role to be assumable",
        300,
    ),
    // PublishVersion
    row(
        "lambda:PublishVersion",
        "ResourceConflictException",
        "The operation cannot be performed at this time. An update is in progress for resource: arn",
        "the role to be assumable",
        300,
    ),
    row(
        "lambda:PublishVersion",
        "ResourceConflictException",
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
        "the role to be assumable",
        300,
    ),
    // KMS CreateKey with a principal that is new
    row(
        "kms:CreateKey",
        "MalformedPolicyDocumentException",
        "Policy contains a statement with one or more invalid principals.",
        "KMS to know the key and its policy's principals",
        120,
    ),
    // KMS after create
    row(
        "kms:CreateAlias",
        "NotFoundException",
        "Key 'k' does not exist",
        "the key to be known to all of KMS",
        120,
    ),
    row(
        "kms:Encrypt",
        "NotFoundException",
        "Key 'k' does not exist",
        "the key to be known to all of KMS",
        120,
    ),
    // S3 PutBucketPolicy
    row(
        "s3:PutBucketPolicy",
        "MalformedPolicy",
        "Invalid principal in policy",
        "S3 to know the policy's principal and the bucket",
        180,
    ),
    row(
        "s3:PutBucketPolicy",
        "NoSuchBucket",
        "The specified bucket does not exist",
        "S3 to know the policy's principal and the bucket",
        180,
    ),
    // CloudFront: which Terraform does not retry, and we must, for these two variants only
    row(
        "cloudfront:CreateDistributionWithTags",
        "InvalidLambdaFunctionAssociation",
        "The function execution role must be assumable with edgelambda.amazonaws.com as well as lambda.amazonaws.com principals. Update the IAM role and try again. Role: r",
        "CloudFront to accept the function's version",
        300,
    ),
    row(
        "cloudfront:CreateDistributionWithTags",
        "InvalidLambdaFunctionAssociation",
        "The function must be in an Active state. The current state for function arn:1 is Pending",
        "CloudFront to accept the function's version",
        300,
    ),
    row(
        "cloudfront:CreateDistributionWithTags",
        "InvalidOriginAccessIdentity",
        "The specified origin access identity does not exist or is not valid.",
        "CloudFront to accept the function's version",
        300,
    ),
    // role_exists isn't enough: ten seconds more
    row(
        "iam:PutRolePolicy",
        "NoSuchEntity",
        "The role with name packagecloud_cloudfront_auth cannot be found.",
        "the role to be known to all of IAM",
        60,
    ),
];

/// The set-up's AWS part with a fault: what was said, how it ended, how long it took on the paused clock.
async fn set_up(world: &World) -> (Vec<Event>, Result<(), Failure>, Duration) {
    let began = tokio::time::Instant::now();
    let (said, result) = done(world, &Answers::default(), &SET_UP).await;
    (said, result, began.elapsed())
}

/// `waiting for the role to be assumable, 12 s`.
fn waited(said: &[Event], what: &str) -> Option<String> {
    said.iter().find_map(|event| match event {
        Event::Progress { text, .. }
            if text.starts_with(&format!("waiting for {what}, ")) && text.ends_with(" s") =>
        {
            Some(text.clone())
        }
        _ => None,
    })
}

fn asked(world: &World, operation: &str) -> usize {
    let (service, operation) = operation.split_once(':').unwrap();
    world.ledger().iter().filter(|call| call.service == service && call.operation == operation).count()
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_sent_again_until_it_does() {
    for Row { operation, code, message, waits_for, .. } in &EVENTUAL {
        let what = format!("{operation} {code} {message}");
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path(), &[format!("{operation}:1-3:error:{code}={message}")]);
        let (said, result, _) = Box::pin(set_up(&world)).await;
        assert_eq!(result, Ok(()), "{what}");
        assert!(asked(&world, operation) >= 4, "{what}: three refusals and what was let through");
        // What is asked inside another step says nothing of its own.
        assert!(*operation == "kms:Encrypt" || waited(&said, waits_for).is_some(), "{what}: {said:?}");
        assert_eq!(made(&world), [1, 1, 1, 1, 1], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_has_an_end_that_says_how_long_and_for_what_and_the_next_run_goes_on() {
    for Row { operation, code, message, waits_for, most } in &EVENTUAL {
        let what = format!("{operation} {code} {message}");
        let dir = tempfile::tempdir().unwrap();
        let first = world(dir.path(), &[format!("{operation}:1+:error:{code}={message}")]);
        let (_, result, took) = Box::pin(set_up(&first)).await;
        let failure = result.expect_err(&what);
        assert!(failure.why.contains(&format!("s of waiting for {waits_for})")), "{what}: {failure:?}");
        assert!(!failure.next.is_empty(), "{what}");
        assert!(took <= *most + Duration::from_mins(1), "{what}: {took:?}");
        drop(first);
        let again = world(dir.path(), &[]);
        let (_, result, _) = Box::pin(set_up(&again)).await;
        assert_eq!(result, Ok(()), "{what}: the next run");
        assert_eq!(made(&again), [1, 1, 1, 1, 1], "{what}");
    }
}

/// The same code, where waiting would not help: how the account was brought there, and what the failure says.
struct Twin {
    what: &'static str,
    fault: &'static str,
    because: fn(&World),
    says: &'static str,
}

const TWINS: [Twin; 7] = [
    Twin {
        what: "a role that doesn't trust Lambda",
        fault: "lambda:CreateFunction:1+:error:InvalidParameterValueException=The role defined for the function cannot be assumed by Lambda.",
        because: |world| {
            world.write(|state| {
                // Its trust is taken away once the role's step is over.
                state.iam.roles.clear();
            });
        },
        says: "isn't there, or doesn't trust lambda and edgelambda",
    },
    Twin {
        what: "a deleted principal in the bucket policy",
        fault: "s3:PutBucketPolicy:1+:error:MalformedPolicy=Invalid principal in policy",
        because: |world| set_bucket_policy(world, "AROAEXAMPLEID12345678"),
        says: "AROAEXAMPLEID12345678, a principal that was deleted",
    },
    Twin {
        what: "an association that lacks a permission",
        fault: "cloudfront:CreateDistributionWithTags:1+:error:InvalidLambdaFunctionAssociation=Lambda@Edge cannot enable replication for the specified Lambda function. Update the IAM policy to add permission: lambda:EnableReplication* for resource: arn",
        because: |_| {},
        says: "lambda:EnableReplication*",
    },
    Twin {
        what: "an association with environment variables",
        fault: "cloudfront:CreateDistributionWithTags:1+:error:InvalidLambdaFunctionAssociation=The function cannot have environment variables. Function: arn",
        because: |_| {},
        says: "The function cannot have environment variables",
    },
    Twin {
        what: "a version that failed",
        fault: "cloudfront:CreateDistributionWithTags:1+:error:InvalidLambdaFunctionAssociation=The function must be in an Active state. The current state for function arn:1 is Failed",
        because: |_| {},
        says: "is Failed",
    },
    Twin {
        what: "another parameter of the function that is wrong",
        fault: "lambda:CreateFunction:1+:error:InvalidParameterValueException=Uploaded file must be a non-empty zip",
        because: |_| {},
        says: "non-empty zip",
    },
    Twin {
        what: "a key policy that is malformed otherwise",
        fault: "kms:CreateKey:1+:error:MalformedPolicyDocumentException=The new key policy will not allow you to update the key policy in the future.",
        because: |_| {},
        says: "will not allow you to update",
    },
];

fn set_bucket_policy(world: &World, principal: &str) {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Old","Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::{}/*"}}]}}"#,
        seed::BUCKET
    );
    world.write(|state| {
        if let Some(bucket) = state.s3.buckets.get_mut(seed::BUCKET) {
            bucket.policy = Some(policy);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_permanent_mistake_with_the_same_code_is_told_at_once() {
    for Twin { what, fault, because, says } in &TWINS {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path(), &[(*fault).to_owned()]);
        let began = tokio::time::Instant::now();
        let working = done_until(&world, fault, *because);
        let failure = Box::pin(working).await.expect_err(what);
        assert!(failure.to_string().contains(says), "{what}: {failure:?}");
        assert!(!failure.why.contains("s of waiting for"), "{what}: {failure:?}");
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: {:?}", began.elapsed());
    }
}

/// The set-up; `because` is done to the account just before the operation of `fault` is asked first.
async fn done_until(world: &World, fault: &str, because: fn(&World)) -> Result<(), Failure> {
    let mut stages = SET_UP.to_vec();
    if fault.starts_with("s3") {
        because(world);
    }
    if fault.starts_with("lambda") {
        // What happens beside: watched at each wait of the paused clock.
        let watching = async {
            while world.read(|state| state.kms.aliases.is_empty()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            because(world);
            std::future::pending::<()>().await;
        };
        let answers = Answers::default();
        let working = done(world, &answers, &stages);
        return tokio::select! {
            (_, result) = working => result,
            () = watching => unreachable!("it watches for ever"),
        };
    }
    if fault.starts_with("kms") {
        stages.retain(|stage| *stage != Stage::Distribution);
    }
    done(world, &Answers::default(), &stages).await.1
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ever_deleted_so_what_deleting_answers_is_never_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), &[]);
    let (_, result, _) = Box::pin(set_up(&world)).await;
    assert_eq!(result, Ok(()));
    let deleting = |operation: &str| {
        ["Delete", "Schedule", "Remove", "Disable"].iter().any(|verb| operation.starts_with(verb))
    };
    assert_eq!(world.ledger().iter().find(|call| deleting(&call.operation)), None);
}

/// aws-facts.md, section 8, "must emulate": each with the sandbox's test that shows it.
const EMULATED: [(&str, &str, &str); 21] = [
    (
        "412 on a stale ETag, and another ETag after every update",
        "cloudfront/tests/deployment.rs",
        "an_update_asks_for_the_etag_and_changes_it",
    ),
    (
        "DistributionAlreadyExists always",
        "cloudfront/tests/deployment.rs",
        "a_reference_makes_one_distribution_ever",
    ),
    (
        "an identity's same-reference semantics",
        "cloudfront/tests/resources.rs",
        "an_identity_is_the_same_for_the_same_reference_and_comment",
    ),
    (
        "Quantity checks",
        "cloudfront/tests/deployment.rs",
        "what_is_wrong_with_a_configuration_is_said_by_its_code",
    ),
    (
        "numbered-version check",
        "cloudfront/tests/associations.rs",
        "only_a_numbered_version_of_the_right_region_will_do",
    ),
    ("Active check", "cloudfront/tests/associations.rs", "a_version_must_be_active"),
    (
        "trust check",
        "cloudfront/tests/associations.rs",
        "the_role_must_trust_the_edge_and_a_new_trust_takes_a_while",
    ),
    (
        "environment, layers, VPC and arm64 checks",
        "cloudfront/tests/associations.rs",
        "what_a_replica_lacks_is_refused",
    ),
    (
        "role propagation to Lambda, then success",
        "lambda/tests.rs",
        "a_fresh_role_cannot_be_assumed_until_it_is_known",
    ),
    ("the same code for ever", "lambda/tests.rs", "a_role_that_does_not_trust_lambda_is_refused_for_ever"),
    (
        "principal propagation to KMS, and the same code for ever",
        "kms/tests.rs",
        "a_fresh_role_in_a_key_policy_is_refused_until_it_is_known_and_a_wrong_one_for_ever",
    ),
    (
        "principal propagation to S3",
        "cloudfront/tests/resources.rs",
        "an_identity_is_a_principal_only_after_a_while",
    ),
    ("read-after-write staleness of KMS", "kms/tests.rs", "a_new_key_is_not_known_everywhere_at_once"),
    (
        "read-after-write staleness of CloudFront",
        "cloudfront/tests/deployment.rs",
        "a_new_distribution_is_in_progress_then_deployed_and_listed_a_little_later",
    ),
    (
        "one result per action, with ResourceSpecificResults",
        "iam/tests.rs",
        "a_simulation_has_one_result_an_action_with_its_resources_beneath",
    ),
    ("MissingContextValues", "iam/tests.rs", "a_simulation_names_the_context_it_lacks"),
    ("pagination", "iam/tests.rs", "a_long_simulation_is_paged"),
    (
        "a replicated function is not deleted",
        "cloudfront/tests/associations.rs",
        "a_replicated_function_cannot_be_deleted",
    ),
    (
        "PublishVersion of what has not changed",
        "lambda/tests.rs",
        "what_has_not_changed_is_not_published_again",
    ),
    (
        "unknown XML elements round-trip",
        "cloudfront/tests/deployment.rs",
        "elements_that_the_sandbox_does_not_know_come_back",
    ),
    (
        "GetBucketPolicy gives another, equivalent principal",
        "s3/tests.rs",
        "a_bucket_policy_is_checked_and_settings_answer_as_a_new_buckets_do",
    ),
];

#[test]
fn what_must_be_emulated_is_shown_by_a_test_each() {
    for (what, file, test) in EMULATED {
        let path = format!("{}/src/sandbox/aws/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("fn {test}()")), "{what}: {file} has no test {test}");
    }
}
