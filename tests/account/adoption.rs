//! What others left: recognised and shown, taken over only on a yes, and never changed otherwise.

use std::path::Path;

use packagecloud_cloudfront::{
    engine::{self, RunContext},
    model::{
        aws::names::{MARKER_TAG, ResourceNameSuffix},
        failure::FailureKind,
        run::{
            answers::{OperatorAnswers, OperatorConsents},
            goal::{OperatorGoal, RunStage, StageStep},
            plan::{RequiredConsent, ResourceChangeKind},
            welcome::CloudFrontSetUpBy,
        },
    },
    sandbox::{self, Sandbox, SandboxOptions, seed},
};
use serde_json::Value;

use crate::{
    client::{download_package, watch_clients_during},
    directory,
    engine::{SET_UP_STAGES, look_at_stage, read_bucket_policy, run_stages},
    session::open_session,
    vendor::{self, ALL_LEFTOVERS, LIVE_STAGES, VendorLeftovers},
};

/// With states that take their time: what is being deployed isn't at the edges yet.
fn open_sandbox_with_delays(dir: &Path) -> Sandbox {
    sandbox::open_or_seed_sandbox(&SandboxOptions { dir: dir.to_owned(), ..SandboxOptions::default() })
        .unwrap()
}

fn install_answers(adopt: bool) -> OperatorAnswers {
    let consents = OperatorConsents { adopt, ..OperatorConsents::default() };
    OperatorAnswers { goal: Some(OperatorGoal::Install), consents, ..OperatorAnswers::default() }
}

/// All that stands in the account.
fn snapshot_account(world: &Sandbox) -> Value {
    let mut state = world.read_sandbox_state_from_disk(|state| serde_json::to_value(state).unwrap());
    // Asking packagecloud counts its requests; that alone is no change.
    state
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["generation", "changed", "packagecloud"].contains(&&**name));
    state
}

fn associated_function_arn(world: &Sandbox) -> String {
    world.read_sandbox_state_from_disk(|state| {
        let config = &state.cloudfront.distributions.values().next().unwrap().config;
        let (_, rest) = config.split_once("<LambdaFunctionARN>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    })
}

#[tokio::test(start_paused = true)]
async fn what_works_is_left_to_work_and_shown_for_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_delays(dir.path());
    Box::pin(vendor::set_up_vendor_bootstrap(&world, &OperatorAnswers::default(), ALL_LEFTOVERS)).await;
    let before = snapshot_account(&world);

    let welcome =
        Box::pin(engine::welcome::read_welcome_findings(&open_session(&world), &install_answers(false)))
            .await;
    assert_eq!(welcome.cloudfront.by, CloudFrontSetUpBy::Others);
    let runtime = welcome.cloudfront.runtime.unwrap();
    assert_eq!(runtime.name, "nodejs20.x");
    assert!(runtime.support.ends_with("2026-04-30"), "{runtime:?}");
    assert!(welcome.goal.unwrap().1.contains("left to work"));

    for stage in [RunStage::Bootstrap, RunStage::Distribution] {
        let plan = look_at_stage(&world, &install_answers(false), stage).await.unwrap();
        let asked: Vec<RequiredConsent> = plan.confirmations.iter().map(|ask| ask.consent).collect();
        // Links lead to the distribution: that it changes is a question of its own.
        let live = (stage == RunStage::Distribution).then_some(RequiredConsent::LiveChange);
        let wanted: Vec<RequiredConsent> = live.into_iter().chain([RequiredConsent::Adopt]).collect();
        assert_eq!(asked, wanted, "{stage:?}");
        let (_, failure) = engine::apply(
            &open_session(&world),
            &plan,
            &install_answers(false),
            &RunContext::new_silent_context(),
        )
        .await;
        assert_eq!(failure.unwrap().kind, FailureKind::Consent, "{stage:?}");
    }
    let checks = Box::pin(engine::run_verify_checks(
        &open_session(&world),
        &install_answers(false),
        &RunContext::new_silent_context(),
    ))
    .await
    .unwrap();
    assert!(
        !checks.iter().any(packagecloud_cloudfront::model::run::check::CheckResult::has_failed),
        "{checks:?}"
    );
    assert_eq!(snapshot_account(&world), before, "looking and verifying changed something");
    assert_eq!(download_package(&world).await.unwrap().1, 200);
}

#[tokio::test(start_paused = true)]
async fn on_a_yes_all_of_it_is_taken_over_without_a_moment_of_outage_and_the_old_version_can_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_delays(dir.path());
    Box::pin(vendor::set_up_vendor_bootstrap(&world, &OperatorAnswers::default(), ALL_LEFTOVERS)).await;
    let old = associated_function_arn(&world);
    let yes = install_answers(true);

    let ((said, result), wrong) =
        Box::pin(watch_clients_during(&world, true, run_stages(&world, &yes, &LIVE_STAGES))).await;
    assert_eq!((result, wrong), (Ok(()), None));
    let said = format!("{said:?}");
    assert!(said.contains(&format!("the adopted function's version before: {old}")), "{said}");
    let new = associated_function_arn(&world);
    assert_ne!(new, old);
    let policy = read_bucket_policy(&world);
    assert!(policy.contains("VendorRead") && policy.contains("PackagecloudCloudFrontRead"), "{policy}");
    assert!(!policy.contains("Next"), "{policy}");
    assert_eq!(
        world.read_sandbox_state_from_disk(|state| (
            state.kms.keys.len(),
            state.cloudfront.distributions.len()
        )),
        (1, 1)
    );

    let (here, run) = (open_session(&world), RunContext::new_silent_context());
    let back = Box::pin(engine::roll_back_function_version(&here, &yes, &old, &run));
    let ((_, failure), wrong) = Box::pin(watch_clients_during(&world, true, back)).await;
    assert_eq!((failure, wrong), (None, None));
    assert_eq!(associated_function_arn(&world), old);
    assert_eq!(download_package(&world).await.unwrap().1, 200);

    // And forward again, with nothing left to ask.
    let ((_, result), wrong) = Box::pin(watch_clients_during(
        &world,
        true,
        run_stages(&world, &install_answers(false), &LIVE_STAGES),
    ))
    .await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert_eq!(associated_function_arn(&world), new);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_accepts_what_ours_would_not_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let construction = Some("raw:path+expires".parse().unwrap());
    let options = SandboxOptions { dir: dir.path().to_owned(), construction, ..SandboxOptions::default() };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    let theirs = OperatorAnswers { construction, ..OperatorAnswers::default() };
    Box::pin(vendor::set_up_vendor_bootstrap(&world, &theirs, ALL_LEFTOVERS)).await;
    let before = snapshot_account(&world);
    let (_, result) = run_stages(&world, &install_answers(true), &SET_UP_STAGES).await;
    let failure = result.unwrap_err();
    assert!(failure.why.contains("made as raw:path+expires"), "{failure:?}");
    assert!(failure.next.contains("--construction raw:path+expires"), "{failure:?}");
    assert_eq!(snapshot_account(&world), before);
    let told = OperatorAnswers { construction, ..install_answers(true) };
    let ((_, result), wrong) =
        Box::pin(watch_clients_during(&world, true, run_stages(&world, &told, &SET_UP_STAGES))).await;
    assert_eq!((result, wrong), (Ok(()), None));
}

#[tokio::test(start_paused = true)]
async fn half_of_it_is_asked_about_and_completed_on_a_yes() {
    let none = VendorLeftovers { role: false, key: false, function: false, distribution: false };
    for (left, asks) in [
        (VendorLeftovers { role: true, ..none }, "role packagecloud_cloudfront_auth"),
        (VendorLeftovers { key: true, ..none }, "KMS key"),
        (
            VendorLeftovers { role: true, function: true, ..none },
            "Lambda function packagecloud_cloudfront_auth",
        ),
        (VendorLeftovers { role: true, key: true, function: true, ..none }, "KMS key"),
        (none, ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_sandbox_with_delays(dir.path());
        Box::pin(vendor::set_up_vendor_bootstrap(&world, &OperatorAnswers::default(), left)).await;
        // It was switched off when its halves went.
        let config = world.sandbox_dir().join("packagecloud.rb");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(
            &config,
            text.replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false"),
        )
        .unwrap();
        let plan = look_at_stage(&world, &install_answers(false), RunStage::Bootstrap).await.unwrap();
        let asked = plan.confirmations.iter().map(|ask| ask.question.as_str()).collect::<String>();
        assert_eq!(asked.is_empty(), asks.is_empty(), "{left:?}: {asked}");
        assert!(asked.contains(asks), "{left:?}: {asked}");
        let ((_, result), wrong) = Box::pin(watch_clients_during(
            &world,
            false,
            run_stages(&world, &install_answers(true), &LIVE_STAGES),
        ))
        .await;
        assert_eq!((result, wrong), (Ok(()), None), "{left:?}");
        assert_eq!(download_package(&world).await.unwrap().1, 200, "{left:?}");
    }
}

/// How a marker goes; the stage and step that put it back, and by which write.
type UnmarkedCase = (fn(&Sandbox), RunStage, StageStep, &'static str);

/// Each thing that carries our marker, without it.
const UNMARKED_CASES: [UnmarkedCase; 6] = [
    (
        |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.iam.roles.values_mut().for_each(|one| drop(one.tags.remove(MARKER_TAG)));
            });
        },
        RunStage::Bootstrap,
        StageStep::Role,
        "TagRole",
    ),
    (
        |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.kms.keys.values_mut().for_each(|one| drop(one.tags.remove(MARKER_TAG)));
            });
        },
        RunStage::Bootstrap,
        StageStep::Key,
        "TagResource",
    ),
    (
        |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.lambda.functions.values_mut().for_each(|one| drop(one.tags.remove(MARKER_TAG)));
            });
        },
        RunStage::Bootstrap,
        StageStep::Function,
        "TagResource",
    ),
    (
        |world| {
            world.update_sandbox_state_on_disk(|state| {
                for one in state.cloudfront.policies.values_mut() {
                    one.config = one.config.replace("packagecloud-cloudfront: packages", "packages");
                }
            });
        },
        RunStage::Distribution,
        StageStep::CachePolicy,
        "UpdateCachePolicy",
    ),
    (
        |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.cloudfront.distributions.values_mut().for_each(|one| drop(one.tags.remove(MARKER_TAG)));
            });
        },
        RunStage::Distribution,
        StageStep::Distribution,
        "TagResource",
    ),
    (
        |world| {
            edit_distribution_config(world, |config| {
                config.replace("<Comment>packagecloud-cloudfront ", "<Comment>the ")
            });
        },
        RunStage::Distribution,
        StageStep::Distribution,
        "UpdateDistribution",
    ),
];

#[tokio::test(start_paused = true)]
async fn what_is_right_but_for_its_marker_gets_that_on_a_yes_and_nothing_else() {
    let whole = tempfile::tempdir().unwrap();
    let (_, result) =
        Box::pin(run_stages(&open_sandbox_with_delays(whole.path()), &install_answers(false), &LIVE_STAGES))
            .await;
    assert_eq!(result, Ok(()));
    for (unmark, stage, step, write) in UNMARKED_CASES {
        let dir = tempfile::tempdir().unwrap();
        directory::copy_directory(whole.path(), dir.path());
        let world = open_sandbox_with_delays(dir.path());
        unmark(&world);
        let before = snapshot_account(&world);
        let plan = look_at_stage(&world, &install_answers(false), stage).await.unwrap();
        let mut changes: Vec<StageStep> = plan
            .changes
            .iter()
            .filter(|one| one.verb == ResourceChangeKind::Update)
            .map(|one| one.step)
            .collect();
        changes.dedup();
        assert_eq!(changes, [step], "{write}: {:?}", plan.changes);
        // A Comment that was changed is no marker lost: its tags say whose the distribution is.
        let asked = plan.confirmations.iter().filter(|ask| ask.consent == RequiredConsent::Adopt).count();
        assert_eq!(asked, usize::from(write != "UpdateDistribution"), "{step:?}");
        assert_eq!(snapshot_account(&world), before, "{step:?}: looking changed something");

        world.clear_call_ledger();
        let ((_, result), wrong) = Box::pin(watch_clients_during(
            &world,
            true,
            run_stages(&world, &install_answers(true), &SET_UP_STAGES),
        ))
        .await;
        assert_eq!((result, wrong), (Ok(()), None), "{step:?}");
        let mut writes: Vec<String> = world
            .sandbox_recorded_aws_calls()
            .into_iter()
            .filter(|call| call.write)
            .map(|call| call.operation)
            .collect();
        // There are two cache policies.
        writes.dedup();
        assert_eq!(writes, [write], "{step:?}");
        // From here on it is ours, and right.
        for stage in SET_UP_STAGES {
            let plan = look_at_stage(&world, &install_answers(false), stage).await.unwrap();
            assert!(
                plan.is_plan_without_changes() && plan.confirmations.is_empty(),
                "{step:?}: {:?}",
                plan.changes
            );
        }
    }
}

/// Changes the configuration of the only distribution, as somebody else would.
fn edit_distribution_config(world: &Sandbox, change: impl Fn(&str) -> String) {
    world.update_sandbox_state_on_disk(|state| {
        let one = state.cloudfront.distributions.values_mut().next().unwrap();
        one.config = change(&one.config);
        one.etag.push('X');
    });
}

#[tokio::test(start_paused = true)]
async fn a_distribution_that_would_open_the_bucket_stops_all_of_it_and_is_left_alone() {
    let function = "arn:aws:lambda:us-east-1:999999999999:function:somebody_elses:3";
    for (what, change, says) in [
        (
            "no function on the viewer request",
            (|config: &str, _: &str| config.replace("viewer-request", "viewer-response"))
                as fn(&str, &str) -> String,
            "is without the authenticator",
        ),
        (
            "somebody else's function there",
            |config, function| {
                let (head, rest) = config.split_once("<LambdaFunctionARN>").unwrap();
                let (_, tail) = rest.split_once('<').unwrap();
                format!("{head}<LambdaFunctionARN>{function}<{tail}")
            },
            "taken by arn:aws:lambda:us-east-1:999999999999:function:somebody_elses:3",
        ),
        (
            "the bucket under another form of its name",
            |config, _| {
                let other = config.replace("viewer-request", "viewer-response");
                other.replace(".s3.us-east-1.amazonaws.com", ".s3.dualstack.us-east-1.amazonaws.com")
            },
            "is without the authenticator",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_sandbox_with_delays(dir.path());
        Box::pin(vendor::set_up_vendor_bootstrap(&world, &OperatorAnswers::default(), ALL_LEFTOVERS)).await;
        edit_distribution_config(&world, |config| change(config, function));
        let before =
            world.read_sandbox_state_from_disk(|state| serde_json::to_value(&state.cloudfront).unwrap());
        let failure =
            look_at_stage(&world, &install_answers(true), RunStage::Distribution).await.unwrap_err();
        assert!(failure.why.contains(says), "{what}: {failure:?}");
        assert!(failure.what.starts_with("distribution E"), "{what}: {failure:?}");
        assert_eq!(
            world.read_sandbox_state_from_disk(|state| serde_json::to_value(&state.cloudfront).unwrap()),
            before,
            "{what}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn two_installs_in_one_account_never_touch_each_other() {
    for bucket in [seed::SANDBOX_BUCKET, seed::BACKUP_BUCKET] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_sandbox_with_delays(dir.path());
        let (_, result) = Box::pin(run_stages(&world, &install_answers(false), &SET_UP_STAGES)).await;
        assert_eq!(result, Ok(()));
        let first = world.read_sandbox_state_from_disk(|state| {
            serde_json::json!([
                state.iam.roles,
                state.kms,
                state.lambda.functions,
                state.cloudfront.distributions
            ])
        });
        let second = OperatorAnswers {
            bucket: Some(bucket.to_owned()),
            suffix: "two".parse::<ResourceNameSuffix>().unwrap(),
            ..install_answers(true)
        };
        let ((_, result), wrong) =
            Box::pin(watch_clients_during(&world, false, run_stages(&world, &second, &SET_UP_STAGES))).await;
        assert_eq!((result, wrong), (Ok(()), None), "{bucket}");
        world.read_sandbox_state_from_disk(|state| {
            assert_eq!(state.kms.keys.len(), 2, "{bucket}: a key each");
            assert_eq!(state.lambda.functions.len(), 2, "{bucket}");
            assert_eq!(state.cloudfront.distributions.len(), 2, "{bucket}");
            assert_eq!(state.cloudfront.identities.len(), 2, "{bucket}");
            assert_eq!(state.cloudfront.policies.len(), 4, "{bucket}");
        });
        // All of the first's is as it was: what is there beside it is the second's.
        let now = world.read_sandbox_state_from_disk(|state| {
            serde_json::json!([
                state.iam.roles,
                state.kms,
                state.lambda.functions,
                state.cloudfront.distributions
            ])
        });
        assert_json_subset(&first, &now, bucket);
        let (said, result) = Box::pin(run_stages(&world, &install_answers(false), &SET_UP_STAGES)).await;
        assert_eq!(result, Ok(()), "{bucket}: {said:?}");
        assert!(
            !format!("{said:?}").contains("Applied"),
            "{bucket}: the first has something to do: {said:?}"
        );
    }
}

/// Whether all that `part` says stands in `whole`.
fn assert_json_subset(part: &Value, whole: &Value, path: &str) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (name, value) in part {
                assert_json_subset(value, whole.get(name).unwrap_or(&Value::Null), &format!("{path}/{name}"));
            }
        }
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => {
            part.iter().zip(whole).for_each(|(part, whole)| assert_json_subset(part, whole, path));
        }
        _ => assert_eq!(part, whole, "{path}"),
    }
}
