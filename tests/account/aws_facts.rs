//! aws-facts section 4, row by row: the errors that pass are sent again until they do, with the time shown and an end; the same codes that last are told apart.
//!
//! Which test shows what of both of its lists stands in `inventory`.

use std::time::Duration;

use packagecloud_cloudfront::{
    model::{
        failure::Failure,
        run::{answers::OperatorAnswers, event::StageEvent, goal::RunStage},
    },
    sandbox::{Sandbox, seed},
};

use crate::{
    directory,
    engine::{SET_UP_STAGES, count_made_resources, open_instant_sandbox, run_stages},
    eventual::{
        EVENTUAL_ERRORS, EXISTING_RESOURCE_ERRORS, EventualError, enlarge_functions, open_key_policy,
    },
};

/// A set-up as it is left, for copies of it that somebody changes.
async fn create_set_up_sandbox() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (_, result, _) = Box::pin(run_set_up(&open_instant_sandbox(dir.path(), &[]))).await;
    assert_eq!(result, Ok(()));
    dir
}

/// A copy of `whole` that somebody has changed since.
fn copy_and_change(whole: &tempfile::TempDir, change: fn(&Sandbox)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    directory::copy_directory(whole.path(), dir.path());
    change(&open_instant_sandbox(dir.path(), &[]));
    dir
}

/// The set-up's AWS part with a fault: what was said, how it ended, how long it took on the paused clock.
async fn run_set_up(world: &Sandbox) -> (Vec<StageEvent>, Result<(), Failure>, Duration) {
    let began = tokio::time::Instant::now();
    let (said, result) = run_stages(world, &OperatorAnswers::default(), &SET_UP_STAGES).await;
    (said, result, began.elapsed())
}

/// `waiting for the role to be assumable, 12 s`.
fn find_wait_progress(said: &[StageEvent], what: &str) -> Option<String> {
    said.iter().find_map(|event| match event {
        StageEvent::Progress { text, .. }
            if text.starts_with(&format!("waiting for {what}, ")) && text.ends_with(" s") =>
        {
            Some(text.clone())
        }
        _ => None,
    })
}

fn count_calls(world: &Sandbox, operation: &str) -> usize {
    let (service, operation) = operation.split_once(':').unwrap();
    world
        .sandbox_recorded_aws_calls()
        .iter()
        .filter(|call| call.service == service && call.operation == operation)
        .count()
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_sent_again_until_it_does() {
    for EventualError { operation, code, message, waits_for, .. } in &EVENTUAL_ERRORS {
        let what = format!("{operation} {code} {message}");
        let dir = tempfile::tempdir().unwrap();
        let world = open_instant_sandbox(dir.path(), &[format!("{operation}:1-3:error:{code}={message}")]);
        let (said, result, _) = Box::pin(run_set_up(&world)).await;
        assert_eq!(result, Ok(()), "{what}");
        assert!(count_calls(&world, operation) >= 4, "{what}: three refusals and what was let through");
        // What is asked inside another step says nothing of its own.
        assert!(
            *operation == "kms:Encrypt" || find_wait_progress(&said, waits_for).is_some(),
            "{what}: {said:?}"
        );
        assert_eq!(count_made_resources(&world), [1, 1, 1, 1, 1], "{what}");
    }
    let whole = Box::pin(create_set_up_sandbox()).await;
    for (EventualError { operation, code, message, waits_for, .. }, change) in &EXISTING_RESOURCE_ERRORS {
        let what = format!("{operation} {code} {message}");
        let dir = copy_and_change(&whole, *change);
        let world = open_instant_sandbox(dir.path(), &[format!("{operation}:1-3:error:{code}={message}")]);
        let (said, result, _) = Box::pin(run_set_up(&world)).await;
        assert_eq!(result, Ok(()), "{what}");
        assert_eq!(count_calls(&world, operation), 4, "{what}: three refusals and what was let through");
        assert!(find_wait_progress(&said, waits_for).is_some(), "{what}: {said:?}");
        if *operation == "kms:PutKeyPolicy" {
            // What one host of KMS's knows another may not: it must be read back five times in a row.
            assert!(count_calls(&world, "kms:GetKeyPolicy") >= 5, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_has_an_end_that_says_how_long_and_for_what_and_the_next_run_goes_on() {
    for row in &EVENTUAL_ERRORS {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            Box::pin(resources_after_lasting_error(row, dir.path())).await,
            [1, 1, 1, 1, 1],
            "{}",
            row.operation
        );
    }
    let whole = Box::pin(create_set_up_sandbox()).await;
    for (row, change) in &EXISTING_RESOURCE_ERRORS {
        let dir = copy_and_change(&whole, *change);
        let [keys, functions, _, identities, distributions] =
            Box::pin(resources_after_lasting_error(row, dir.path())).await;
        assert_eq!([keys, functions, identities, distributions], [1, 1, 1, 1], "{}", row.operation);
    }
}

/// What there is of each once the row's error has lasted to its end, and the next run has gone on.
async fn resources_after_lasting_error(row: &EventualError, dir: &std::path::Path) -> [usize; 5] {
    let EventualError { operation, code, message, waits_for, most } = row;
    let what = format!("{operation} {code} {message}");
    let first = open_instant_sandbox(dir, &[format!("{operation}:1+:error:{code}={message}")]);
    let (_, result, took) = Box::pin(run_set_up(&first)).await;
    let failure = result.expect_err(&what);
    assert!(failure.why.contains(&format!("s of waiting for {waits_for})")), "{what}: {failure:?}");
    assert!(!failure.next.is_empty(), "{what}");
    assert!(took <= *most + Duration::from_mins(1), "{what}: {took:?}");
    drop(first);
    let again = open_instant_sandbox(dir, &[]);
    let (_, result, _) = Box::pin(run_set_up(&again)).await;
    assert_eq!(result, Ok(()), "{what}: the next run");
    count_made_resources(&again)
}

/// The same code, where waiting would not help: how the account was brought there, and what the failure says.
struct PermanentError {
    what: &'static str,
    fault: &'static str,
    because: fn(&Sandbox),
    says: &'static str,
}

const PERMANENT_ERRORS: [PermanentError; 7] = [
    PermanentError {
        what: "a role that doesn't trust Lambda",
        fault: "lambda:CreateFunction:1+:error:InvalidParameterValueException=The role defined for the function cannot be assumed by Lambda.",
        because: |world| {
            world.update_sandbox_state_on_disk(|state| {
                // Its trust is taken away once the role's step is over.
                state.iam.roles.clear();
            });
        },
        says: "isn't there, or doesn't trust lambda and edgelambda",
    },
    PermanentError {
        what: "a deleted principal in the bucket policy",
        fault: "s3:PutBucketPolicy:1+:error:MalformedPolicy=Invalid principal in policy",
        because: |world| set_bucket_policy(world, "AROAEXAMPLEID12345678"),
        says: "AROAEXAMPLEID12345678, a principal that was deleted",
    },
    PermanentError {
        what: "an association that lacks a permission",
        fault: "cloudfront:CreateDistributionWithTags:1+:error:InvalidLambdaFunctionAssociation=Lambda@Edge cannot enable replication for the specified Lambda function. Update the IAM policy to add permission: lambda:EnableReplication* for resource: arn",
        because: |_| {},
        says: "lambda:EnableReplication*",
    },
    PermanentError {
        what: "an association with environment variables",
        fault: "cloudfront:CreateDistributionWithTags:1+:error:InvalidLambdaFunctionAssociation=The function cannot have environment variables. Function: arn",
        because: |_| {},
        says: "The function cannot have environment variables",
    },
    PermanentError {
        what: "a version that failed",
        fault: "cloudfront:CreateDistributionWithTags:1+:error:InvalidLambdaFunctionAssociation=The function must be in an Active state. The current state for function arn:1 is Failed",
        because: |_| {},
        says: "is Failed",
    },
    PermanentError {
        what: "another parameter of the function that is wrong",
        fault: "lambda:CreateFunction:1+:error:InvalidParameterValueException=Uploaded file must be a non-empty zip",
        because: |_| {},
        says: "non-empty zip",
    },
    PermanentError {
        what: "a key policy that is malformed otherwise",
        fault: "kms:CreateKey:1+:error:MalformedPolicyDocumentException=The new key policy will not allow you to update the key policy in the future.",
        because: |_| {},
        says: "will not allow you to update",
    },
];

fn set_bucket_policy(world: &Sandbox, principal: &str) {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Old","Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::{}/*"}}]}}"#,
        seed::SANDBOX_BUCKET
    );
    world.update_sandbox_state_on_disk(|state| {
        if let Some(bucket) = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET) {
            bucket.policy = Some(policy);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_permanent_mistake_with_the_same_code_is_told_at_once() {
    for PermanentError { what, fault, because, says } in &PERMANENT_ERRORS {
        let dir = tempfile::tempdir().unwrap();
        let world = open_instant_sandbox(dir.path(), &[(*fault).to_owned()]);
        let began = tokio::time::Instant::now();
        let working = run_set_up_with_change(&world, fault, *because);
        let failure = Box::pin(working).await.expect_err(what);
        assert!(failure.to_string().contains(says), "{what}: {failure:?}");
        assert!(!failure.why.contains("s of waiting for"), "{what}: {failure:?}");
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: {:?}", began.elapsed());
    }
}

/// The set-up; `because` is done to the account just before the operation of `fault` is asked first.
async fn run_set_up_with_change(world: &Sandbox, fault: &str, because: fn(&Sandbox)) -> Result<(), Failure> {
    let mut stages = SET_UP_STAGES.to_vec();
    if fault.starts_with("s3") {
        because(world);
    }
    if fault.starts_with("lambda") {
        // What happens beside: watched at each wait of the paused clock.
        let watching = async {
            while world.read_sandbox_state_from_disk(|state| state.kms.aliases.is_empty()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            because(world);
            std::future::pending::<()>().await;
        };
        let answers = OperatorAnswers::default();
        let working = run_stages(world, &answers, &stages);
        return tokio::select! {
            (_, result) = working => result,
            () = watching => unreachable!("it watches for ever"),
        };
    }
    if fault.starts_with("kms") {
        stages.retain(|stage| *stage != RunStage::Distribution);
    }
    run_stages(world, &OperatorAnswers::default(), &stages).await.1
}

#[tokio::test(start_paused = true)]
async fn a_permanent_mistake_of_what_stands_is_told_at_once() {
    // The role is gone by the time that the function is to run as it.
    let whole = Box::pin(create_set_up_sandbox()).await;
    let dir = copy_and_change(&whole, enlarge_functions);
    let fault = "lambda:UpdateFunctionConfiguration:1+:error:InvalidParameterValueException=The role defined for the function cannot be assumed by Lambda.";
    let gone = open_instant_sandbox(dir.path(), &[fault.to_owned()]);
    let taking = async {
        while count_calls(&gone, "kms:Encrypt") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gone.update_sandbox_state_on_disk(|state| state.iam.roles.clear());
        std::future::pending::<()>().await;
    };
    let (failure, took) = tokio::select! {
        (_, result, took) = Box::pin(run_set_up(&gone)) => (result.unwrap_err(), took),
        () = taking => unreachable!("it waits for ever"),
    };
    assert!(failure.why.contains("isn't there, or doesn't trust lambda and edgelambda"), "{failure:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");

    // A principal of the key's policy was deleted: KMS would never take it again, so it isn't sent.
    let dir = copy_and_change(&whole, |world| {
        open_key_policy(world);
        world.update_sandbox_state_on_disk(|state| {
            for key in state.kms.keys.values_mut() {
                let root = "\"arn:aws:iam::999999999999:root\"";
                key.policy = key.policy.replace(root, &format!("[{root},\"AROAEXAMPLEID12345678\"]"));
            }
        });
    });
    let named = open_instant_sandbox(dir.path(), &[]);
    let (_, result, took) = Box::pin(run_set_up(&named)).await;
    let failure = result.unwrap_err();
    assert!(failure.why.contains("AROAEXAMPLEID12345678, a principal that was deleted"), "{failure:?}");
    assert_eq!(count_calls(&named, "kms:PutKeyPolicy"), 0);
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ever_deleted_so_what_deleting_answers_is_never_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    let (_, result, _) = Box::pin(run_set_up(&world)).await;
    assert_eq!(result, Ok(()));
    let deleting = |operation: &str| {
        ["Delete", "Schedule", "Remove", "Disable"].iter().any(|verb| operation.starts_with(verb))
    };
    assert_eq!(world.sandbox_recorded_aws_calls().iter().find(|call| deleting(&call.operation)), None);
}
