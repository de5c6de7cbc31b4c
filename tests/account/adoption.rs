//! What others left: recognised and shown, taken over only on a yes, and never changed otherwise.

use std::path::Path;

use packagecloud_cloudfront::{
    engine::{self, Run},
    model::{
        aws::names::{MARKER_TAG, Suffix},
        run::{
            answers::{Answers, Consents},
            failure::Kind,
            goal::{Goal, Stage, Step},
            plan::{Consent, Verb},
            welcome::SetUpBy,
        },
    },
    sandbox::{self, Options, World, seed},
};
use serde_json::Value;

use crate::{
    client::{downloads, watched},
    engine::{SET_UP, bucket_policy, done, looked},
    ground::ground,
    twin,
    vendor::{self, ALL, LIVE, Left},
};

/// With states that take their time: what is being deployed isn't at the edges yet.
fn world(dir: &Path) -> World {
    sandbox::open(&Options { dir: dir.to_owned(), ..Options::default() }).unwrap()
}

fn answers(adopt: bool) -> Answers {
    let consents = Consents { adopt, ..Consents::default() };
    Answers { goal: Some(Goal::Install), consents, ..Answers::default() }
}

/// All that stands in the account.
fn standing(world: &World) -> Value {
    let mut state = world.read(|state| serde_json::to_value(state).unwrap());
    // Asking packagecloud counts its requests; that alone is no change.
    state
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["generation", "changed", "packagecloud"].contains(&&**name));
    state
}

fn associated(world: &World) -> String {
    world.read(|state| {
        let config = &state.cloudfront.distributions.values().next().unwrap().config;
        let (_, rest) = config.split_once("<LambdaFunctionARN>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    })
}

#[tokio::test(start_paused = true)]
async fn what_works_is_left_to_work_and_shown_for_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path());
    Box::pin(vendor::set_up(&world, &Answers::default(), ALL)).await;
    let before = standing(&world);

    let welcome = Box::pin(engine::welcome::welcome(&ground(&world), &answers(false))).await;
    assert_eq!(welcome.cloudfront.by, SetUpBy::Others);
    let runtime = welcome.cloudfront.runtime.unwrap();
    assert_eq!(runtime.name, "nodejs20.x");
    assert!(runtime.support.ends_with("2026-04-30"), "{runtime:?}");
    assert!(welcome.goal.unwrap().1.contains("left to work"));

    for stage in [Stage::Bootstrap, Stage::Distribution] {
        let plan = looked(&world, &answers(false), stage).await.unwrap();
        assert_eq!(plan.asks.len(), 1, "{stage:?}");
        assert_eq!(plan.asks[0].consent, Consent::Adopt);
        let (_, failure) = engine::apply(&ground(&world), &plan, &answers(false), &Run::silent()).await;
        assert_eq!(failure.unwrap().kind, Kind::Consent, "{stage:?}");
    }
    let checks = Box::pin(engine::verify(&ground(&world), &answers(false), &Run::silent())).await.unwrap();
    assert!(!checks.iter().any(packagecloud_cloudfront::model::run::check::Check::failed), "{checks:?}");
    assert_eq!(standing(&world), before, "looking and verifying changed something");
    assert_eq!(downloads(&world).await.unwrap().1, 200);
}

#[tokio::test(start_paused = true)]
async fn on_a_yes_all_of_it_is_taken_over_without_a_moment_of_outage_and_the_old_version_can_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path());
    Box::pin(vendor::set_up(&world, &Answers::default(), ALL)).await;
    let old = associated(&world);
    let yes = answers(true);

    let ((said, result), wrong) = Box::pin(watched(&world, true, done(&world, &yes, &LIVE))).await;
    assert_eq!((result, wrong), (Ok(()), None));
    let said = format!("{said:?}");
    assert!(said.contains(&format!("the adopted function's version before: {old}")), "{said}");
    let new = associated(&world);
    assert_ne!(new, old);
    let policy = bucket_policy(&world);
    assert!(policy.contains("VendorRead") && policy.contains("PackagecloudCloudFrontRead"), "{policy}");
    assert!(!policy.contains("Next"), "{policy}");
    assert_eq!(world.read(|state| (state.kms.keys.len(), state.cloudfront.distributions.len())), (1, 1));

    let (here, run) = (ground(&world), Run::silent());
    let back = Box::pin(engine::roll_back_edge(&here, &yes, &old, &run));
    let ((_, failure), wrong) = Box::pin(watched(&world, true, back)).await;
    assert_eq!((failure, wrong), (None, None));
    assert_eq!(associated(&world), old);
    assert_eq!(downloads(&world).await.unwrap().1, 200);

    // And forward again, with nothing left to ask.
    let ((_, result), wrong) = Box::pin(watched(&world, true, done(&world, &answers(false), &LIVE))).await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert_eq!(associated(&world), new);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_accepts_what_ours_would_not_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let construction = Some("raw:path+expires".parse().unwrap());
    let options = Options { dir: dir.path().to_owned(), construction, ..Options::default() };
    let world = sandbox::open(&options).unwrap();
    let theirs = Answers { construction, ..Answers::default() };
    Box::pin(vendor::set_up(&world, &theirs, ALL)).await;
    let before = standing(&world);
    let (_, result) = done(&world, &answers(true), &SET_UP).await;
    let failure = result.unwrap_err();
    assert!(failure.why.contains("made as raw:path+expires"), "{failure:?}");
    assert!(failure.next.contains("--construction raw:path+expires"), "{failure:?}");
    assert_eq!(standing(&world), before);
    let told = Answers { construction, ..answers(true) };
    let ((_, result), wrong) = Box::pin(watched(&world, true, done(&world, &told, &SET_UP))).await;
    assert_eq!((result, wrong), (Ok(()), None));
}

#[tokio::test(start_paused = true)]
async fn half_of_it_is_asked_about_and_completed_on_a_yes() {
    let none = Left { role: false, key: false, function: false, distribution: false };
    for (left, asks) in [
        (Left { role: true, ..none }, "role packagecloud_cloudfront_auth"),
        (Left { key: true, ..none }, "KMS key"),
        (Left { role: true, function: true, ..none }, "Lambda function packagecloud_cloudfront_auth"),
        (Left { role: true, key: true, function: true, ..none }, "KMS key"),
        (none, ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        Box::pin(vendor::set_up(&world, &Answers::default(), left)).await;
        // It was switched off when its halves went.
        let config = world.dir().join("packagecloud.rb");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(
            &config,
            text.replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false"),
        )
        .unwrap();
        let plan = looked(&world, &answers(false), Stage::Bootstrap).await.unwrap();
        let asked = plan.asks.iter().map(|ask| ask.question.as_str()).collect::<String>();
        assert_eq!(asked.is_empty(), asks.is_empty(), "{left:?}: {asked}");
        assert!(asked.contains(asks), "{left:?}: {asked}");
        let ((_, result), wrong) =
            Box::pin(watched(&world, false, done(&world, &answers(true), &LIVE))).await;
        assert_eq!((result, wrong), (Ok(()), None), "{left:?}");
        assert_eq!(downloads(&world).await.unwrap().1, 200, "{left:?}");
    }
}

/// How a marker goes; the stage and step that put it back, and by which write.
type Unmarked = (fn(&World), Stage, Step, &'static str);

/// Each thing that carries our marker, without it.
const UNMARKED: [Unmarked; 6] = [
    (
        |world| {
            world.write(|state| {
                state.iam.roles.values_mut().for_each(|one| drop(one.tags.remove(MARKER_TAG)));
            });
        },
        Stage::Bootstrap,
        Step::Role,
        "TagRole",
    ),
    (
        |world| {
            world.write(|state| {
                state.kms.keys.values_mut().for_each(|one| drop(one.tags.remove(MARKER_TAG)));
            });
        },
        Stage::Bootstrap,
        Step::Key,
        "TagResource",
    ),
    (
        |world| {
            world.write(|state| {
                state.lambda.functions.values_mut().for_each(|one| drop(one.tags.remove(MARKER_TAG)));
            });
        },
        Stage::Bootstrap,
        Step::Function,
        "TagResource",
    ),
    (
        |world| {
            world.write(|state| {
                for one in state.cloudfront.policies.values_mut() {
                    one.config = one.config.replace("packagecloud-cloudfront: packages", "packages");
                }
            });
        },
        Stage::Distribution,
        Step::CachePolicy,
        "UpdateCachePolicy",
    ),
    (
        |world| {
            world.write(|state| {
                state.cloudfront.distributions.values_mut().for_each(|one| drop(one.tags.remove(MARKER_TAG)));
            });
        },
        Stage::Distribution,
        Step::Distribution,
        "TagResource",
    ),
    (
        |world| edit(world, |config| config.replace("<Comment>packagecloud-cloudfront ", "<Comment>the ")),
        Stage::Distribution,
        Step::Distribution,
        "UpdateDistribution",
    ),
];

#[tokio::test(start_paused = true)]
async fn what_is_right_but_for_its_marker_gets_that_on_a_yes_and_nothing_else() {
    let whole = tempfile::tempdir().unwrap();
    let (_, result) = Box::pin(done(&world(whole.path()), &answers(false), &LIVE)).await;
    assert_eq!(result, Ok(()));
    for (unmark, stage, step, write) in UNMARKED {
        let dir = tempfile::tempdir().unwrap();
        twin::copy(whole.path(), dir.path());
        let world = world(dir.path());
        unmark(&world);
        let before = standing(&world);
        let plan = looked(&world, &answers(false), stage).await.unwrap();
        let changes: Vec<Step> =
            plan.changes.iter().filter(|one| one.verb == Verb::Update).map(|one| one.step).collect();
        assert_eq!(changes, [step], "{write}: {:?}", plan.changes);
        // A Comment that was changed is no marker lost: its tags say whose the distribution is.
        assert_eq!(plan.asks.len(), usize::from(write != "UpdateDistribution"), "{step:?}");
        assert_eq!(standing(&world), before, "{step:?}: looking changed something");

        world.clear_ledger();
        let ((_, result), wrong) =
            Box::pin(watched(&world, true, done(&world, &answers(true), &SET_UP))).await;
        assert_eq!((result, wrong), (Ok(()), None), "{step:?}");
        let writes: Vec<String> =
            world.ledger().into_iter().filter(|call| call.write).map(|call| call.operation).collect();
        assert_eq!(writes, [write], "{step:?}");
        // From here on it is ours, and right.
        for stage in SET_UP {
            let plan = looked(&world, &answers(false), stage).await.unwrap();
            assert!(plan.unchanged() && plan.asks.is_empty(), "{step:?}: {:?}", plan.changes);
        }
    }
}

/// Changes the configuration of the only distribution, as somebody else would.
fn edit(world: &World, change: impl Fn(&str) -> String) {
    world.write(|state| {
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
        let world = world(dir.path());
        Box::pin(vendor::set_up(&world, &Answers::default(), ALL)).await;
        edit(&world, |config| change(config, function));
        let before = world.read(|state| serde_json::to_value(&state.cloudfront).unwrap());
        let failure = looked(&world, &answers(true), Stage::Distribution).await.unwrap_err();
        assert!(failure.why.contains(says), "{what}: {failure:?}");
        assert!(failure.what.starts_with("distribution E"), "{what}: {failure:?}");
        assert_eq!(world.read(|state| serde_json::to_value(&state.cloudfront).unwrap()), before, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_installs_in_one_account_never_touch_each_other() {
    for bucket in [seed::BUCKET, seed::BACKUPS] {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let (_, result) = Box::pin(done(&world, &answers(false), &SET_UP)).await;
        assert_eq!(result, Ok(()));
        let first = world.read(|state| {
            serde_json::json!([
                state.iam.roles,
                state.kms,
                state.lambda.functions,
                state.cloudfront.distributions
            ])
        });
        let second = Answers {
            bucket: Some(bucket.to_owned()),
            suffix: "two".parse::<Suffix>().unwrap(),
            ..answers(true)
        };
        let ((_, result), wrong) = Box::pin(watched(&world, false, done(&world, &second, &SET_UP))).await;
        assert_eq!((result, wrong), (Ok(()), None), "{bucket}");
        world.read(|state| {
            assert_eq!(state.kms.keys.len(), 2, "{bucket}: a key each");
            assert_eq!(state.lambda.functions.len(), 2, "{bucket}");
            assert_eq!(state.cloudfront.distributions.len(), 2, "{bucket}");
            assert_eq!(state.cloudfront.identities.len(), 2, "{bucket}");
            assert_eq!(state.cloudfront.policies.len(), 2, "{bucket}");
        });
        // All of the first's is as it was: what is there beside it is the second's.
        let now = world.read(|state| {
            serde_json::json!([
                state.iam.roles,
                state.kms,
                state.lambda.functions,
                state.cloudfront.distributions
            ])
        });
        within(&first, &now, bucket);
        let (said, result) = Box::pin(done(&world, &answers(false), &SET_UP)).await;
        assert_eq!(result, Ok(()), "{bucket}: {said:?}");
        assert!(
            !format!("{said:?}").contains("Applied"),
            "{bucket}: the first has something to do: {said:?}"
        );
    }
}

/// Whether all that `part` says stands in `whole`.
fn within(part: &Value, whole: &Value, path: &str) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (name, value) in part {
                within(value, whole.get(name).unwrap_or(&Value::Null), &format!("{path}/{name}"));
            }
        }
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => {
            part.iter().zip(whole).for_each(|(part, whole)| within(part, whole, path));
        }
        _ => assert_eq!(part, whole, "{path}"),
    }
}
