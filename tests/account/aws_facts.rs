//! aws-facts.md, section 4, row by row: the errors that pass are sent again until they do, with the time shown and an end; their permanent twins are told apart.
//!
//! Which test shows what of both of its lists stands in `inventory`.

use std::time::Duration;

use packagecloud_cloudfront::{
    model::run::{answers::Answers, event::Event, failure::Failure, goal::Stage},
    sandbox::{World, seed},
};

use crate::{
    engine::{SET_UP, done, made, world},
    eventual::{EVENTUAL, OF_WHAT_STANDS, Row, bigger_function, open_key},
    twin,
};

/// A set-up as it is left, for twins of it that somebody changes.
async fn whole() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (_, result, _) = Box::pin(set_up(&world(dir.path(), &[]))).await;
    assert_eq!(result, Ok(()));
    dir
}

/// A twin of `whole` that somebody has changed since.
fn changed(whole: &tempfile::TempDir, change: fn(&World)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    twin::copy(whole.path(), dir.path());
    change(&world(dir.path(), &[]));
    dir
}

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
    let whole = Box::pin(whole()).await;
    for (Row { operation, code, message, waits_for, .. }, change) in &OF_WHAT_STANDS {
        let what = format!("{operation} {code} {message}");
        let dir = changed(&whole, *change);
        let world = world(dir.path(), &[format!("{operation}:1-3:error:{code}={message}")]);
        let (said, result, _) = Box::pin(set_up(&world)).await;
        assert_eq!(result, Ok(()), "{what}");
        assert_eq!(asked(&world, operation), 4, "{what}: three refusals and what was let through");
        assert!(waited(&said, waits_for).is_some(), "{what}: {said:?}");
        if *operation == "kms:PutKeyPolicy" {
            // What one host of KMS's knows another may not: it must be read back five times in a row.
            assert!(asked(&world, "kms:GetKeyPolicy") >= 5, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_has_an_end_that_says_how_long_and_for_what_and_the_next_run_goes_on() {
    for row in &EVENTUAL {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Box::pin(lasts(row, dir.path())).await, [1, 1, 1, 1, 1], "{}", row.operation);
    }
    let whole = Box::pin(whole()).await;
    for (row, change) in &OF_WHAT_STANDS {
        let dir = changed(&whole, *change);
        let [keys, functions, _, identities, distributions] = Box::pin(lasts(row, dir.path())).await;
        assert_eq!([keys, functions, identities, distributions], [1, 1, 1, 1], "{}", row.operation);
    }
}

/// What there is of each once the row's error has lasted to its end, and the next run has gone on.
async fn lasts(row: &Row, dir: &std::path::Path) -> [usize; 5] {
    let Row { operation, code, message, waits_for, most } = row;
    let what = format!("{operation} {code} {message}");
    let first = world(dir, &[format!("{operation}:1+:error:{code}={message}")]);
    let (_, result, took) = Box::pin(set_up(&first)).await;
    let failure = result.expect_err(&what);
    assert!(failure.why.contains(&format!("s of waiting for {waits_for})")), "{what}: {failure:?}");
    assert!(!failure.next.is_empty(), "{what}");
    assert!(took <= *most + Duration::from_mins(1), "{what}: {took:?}");
    drop(first);
    let again = world(dir, &[]);
    let (_, result, _) = Box::pin(set_up(&again)).await;
    assert_eq!(result, Ok(()), "{what}: the next run");
    made(&again)
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
async fn a_permanent_mistake_of_what_stands_is_told_at_once() {
    // The role is gone by the time that the function is to run as it.
    let whole = Box::pin(whole()).await;
    let dir = changed(&whole, bigger_function);
    let fault = "lambda:UpdateFunctionConfiguration:1+:error:InvalidParameterValueException=The role defined for the function cannot be assumed by Lambda.";
    let gone = world(dir.path(), &[fault.to_owned()]);
    let taking = async {
        while asked(&gone, "kms:Encrypt") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gone.write(|state| state.iam.roles.clear());
        std::future::pending::<()>().await;
    };
    let (failure, took) = tokio::select! {
        (_, result, took) = Box::pin(set_up(&gone)) => (result.unwrap_err(), took),
        () = taking => unreachable!("it waits for ever"),
    };
    assert!(failure.why.contains("isn't there, or doesn't trust lambda and edgelambda"), "{failure:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");

    // A principal of the key's policy was deleted: KMS would never take it again, so it isn't sent.
    let dir = changed(&whole, |world| {
        open_key(world);
        world.write(|state| {
            for key in state.kms.keys.values_mut() {
                let root = "\"arn:aws:iam::999999999999:root\"";
                key.policy = key.policy.replace(root, &format!("[{root},\"AROAEXAMPLEID12345678\"]"));
            }
        });
    });
    let named = world(dir.path(), &[]);
    let (_, result, took) = Box::pin(set_up(&named)).await;
    let failure = result.unwrap_err();
    assert!(failure.why.contains("AROAEXAMPLEID12345678, a principal that was deleted"), "{failure:?}");
    assert_eq!(asked(&named, "kms:PutKeyPolicy"), 0);
    assert!(took < Duration::from_secs(30), "{took:?}");
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
