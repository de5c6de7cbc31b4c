//! Every goal by a user who has exactly the policy that `check --policy` prints, while a fresh key's tags don't count yet.
//!
//! The sandbox weighs it at every call: in KMS's lockout check, and on the keys that objects lie under, too.

use std::time::Duration;

use packagecloud_cloudfront::{
    engine::{self, RunContext},
    model::{
        failure::{Failure, FailureKind},
        run::{
            answers::{OperatorAnswers, OperatorConsents, ReindexEngine},
            event::StageEvent,
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::{
        self, Sandbox, SandboxOptions, SandboxPropagationDelays,
        control_plane::{ACCOUNT_ID, s3},
        seed::SANDBOX_BUCKET,
    },
};
use serde_json::{Value, json};

use crate::{disturbed, engine::run_stages, origin_access::encrypt_bucket, session::open_session};

const TAGS_DELAY: Duration = Duration::from_mins(5);

/// A sandbox whose states take no time, but for the tags of its keys.
fn open_late_tags_sandbox(dir: &std::path::Path) -> Sandbox {
    let delays = Some(SandboxPropagationDelays { tags: TAGS_DELAY, ..SandboxPropagationDelays::NONE });
    let options = SandboxOptions { dir: dir.to_owned(), delays, ..SandboxOptions::default() };
    sandbox::open_or_seed_sandbox(&options).unwrap()
}

/// From here on the one user has what is printed for `answers`, and nothing else.
async fn restrict_to_printed_policy(world: &Sandbox, answers: &OperatorAnswers) -> Value {
    let session = open_session(world);
    let text = Box::pin(engine::render_required_iam_policy(&session, answers)).await.unwrap();
    assert!(text.chars().count() <= 6144, "{}", text.chars().count());
    let policy: Value = serde_json::from_str(&text).unwrap();
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = policy.clone());
    policy
}

fn goal_answers(goal: OperatorGoal) -> OperatorAnswers {
    OperatorAnswers { goal: Some(goal), ..OperatorAnswers::default() }
}

/// All stages of the goal; none may fail, and none may ask for more.
async fn run_goal_with_printed_policy(world: &Sandbox, answers: &OperatorAnswers) {
    restrict_to_printed_policy(world, answers).await;
    let stages: Vec<RunStage> = answers
        .goal
        .unwrap()
        .stages_of_goal()
        .iter()
        .copied()
        .filter(|stage| *stage != RunStage::Overview)
        .collect();
    let (said, result) = Box::pin(run_stages(world, answers, &stages)).await;
    assert_eq!(result, Ok(()), "{:?}: {:?}", answers.goal, said.last());
    let said = format!("{said:?}");
    assert!(!said.contains("is denied"), "{said}");
}

fn give_user_all_rights(world: &Sandbox) {
    let everything =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = everything);
}

#[tokio::test(start_paused = true)]
async fn an_install_a_change_of_it_a_roll_back_and_switching_off() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_late_tags_sandbox(dir.path());
    Box::pin(run_goal_with_printed_policy(&world, &goal_answers(OperatorGoal::Install))).await;
    let version = format!("arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:packagecloud_cloudfront_auth:1");
    let back = goal_answers(OperatorGoal::RollBack);
    restrict_to_printed_policy(&world, &back).await;
    let session = open_session(&world);
    let run = RunContext::new_silent_context();
    let (_, failure) = Box::pin(engine::roll_back_function_version(&session, &back, &version, &run)).await;
    assert_eq!(failure, None);
    Box::pin(run_goal_with_printed_policy(&world, &goal_answers(OperatorGoal::Disable))).await;
}

#[tokio::test(start_paused = true)]
async fn a_bucket_under_a_key_of_the_operators_and_objects_under_another() {
    for goal in [OperatorGoal::Install, OperatorGoal::Upgrade] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_late_tags_sandbox(dir.path());
        let other = encrypt_bucket(&world, None).await;
        let own = encrypt_bucket(&world, None).await;
        // It is the last of the first page, which is looked at.
        let sealed = [
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", other.as_str()),
        ];
        s3::place_sandbox_object(
            &world,
            SANDBOX_BUCKET,
            "9/9/debian/package_files/1.deb",
            &sealed,
            b"a package",
        )
        .unwrap();
        let consents = OperatorConsents { adopt_bucket_key: true, ..OperatorConsents::default() };
        let answers = OperatorAnswers { consents, ..goal_answers(goal) };
        let policy = restrict_to_printed_policy(&world, &answers).await.to_string();
        for key in [&own, &other] {
            assert!(policy.contains(key.as_str()), "{goal:?}: {policy}");
        }
        give_user_all_rights(&world);
        Box::pin(run_goal_with_printed_policy(&world, &answers)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_under_a_key_reindexed_by_jobs() {
    for by_alias in [false, true] {
        Box::pin(reindex_bucket_under_key(by_alias)).await;
    }
}

/// By jobs; the bucket names its key by ARN, or by an alias. The jobs' role may use that key and no other.
async fn reindex_bucket_under_key(by_alias: bool) {
    const KEY_ALIAS: &str = "alias/packages";
    let dir = tempfile::tempdir().unwrap();
    let world = open_late_tags_sandbox(dir.path());
    for number in 0..12 {
        let key = format!("7/8/debian/package_files/{number}.deb");
        s3::place_sandbox_object(&world, SANDBOX_BUCKET, &key, &[], b"a package").unwrap();
        s3::modify_stored_object_in_place(&world, SANDBOX_BUCKET, &key, |object| object.modified -= 3600)
            .unwrap();
    }
    // From now on: what lies there stays as it is.
    let kms = aws_sdk_kms::Client::new(&world.build_sandbox_sdk_config());
    let key = kms.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    kms.create_alias().alias_name(KEY_ALIAS).target_key_id(&key).send().await.unwrap();
    let named = if by_alias { KEY_ALIAS } else { &key };
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap();
        bucket.settings.insert("encryption".into(), format!("<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{named}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"));
    });
    let mut answers = goal_answers(OperatorGoal::Upgrade);
    answers.reindex.engine = ReindexEngine::Batch;
    answers.consents.adopt_bucket_key = true;
    Box::pin(run_goal_with_printed_policy(&world, &answers)).await;
    let (trust, policy) = world.read_sandbox_state_from_disk(|state| {
        let role = &state.iam.roles["packagecloud_cloudfront_batch"];
        (role.trust.clone(), role.policies.values().next().unwrap().clone())
    });
    assert!(!trust.contains("Condition"), "as S3's guide has it: {trust}");
    assert!(policy.contains(&key) && policy.contains("kms:GenerateDataKey"), "{policy}");
    assert!(!policy.contains(":key/*"), "{policy}");
}

#[tokio::test(start_paused = true)]
async fn what_is_somebody_elses_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_late_tags_sandbox(dir.path());
    let install = goal_answers(OperatorGoal::Install);
    let (_, result) = Box::pin(run_stages(
        &world,
        &install,
        &[RunStage::Secret, RunStage::Bootstrap, RunStage::Distribution],
    ))
    .await;
    assert_eq!(result, Ok(()));
    disturbed::disturb_account(&world);
    let answers = OperatorAnswers { construction: None, ..disturbed::repair_answers(OperatorGoal::Install) };
    Box::pin(run_goal_with_printed_policy(&world, &answers)).await;
}

/// A statement of the operator's own making, beside what is printed but for the actions that it ties to a tag.
async fn tie_actions_to_marker_tag(world: &Sandbox, actions: &[&str]) {
    let mut policy = restrict_to_printed_policy(world, &goal_answers(OperatorGoal::Install)).await;
    let statements = policy["Statement"].as_array_mut().unwrap();
    for statement in statements.iter_mut() {
        statement["Action"]
            .as_array_mut()
            .unwrap()
            .retain(|action| !actions.contains(&action.as_str().unwrap()));
    }
    statements.retain(|statement| !statement["Action"].as_array().unwrap().is_empty());
    // An alias has no tags.
    statements.push(json!({"Effect": "Allow", "Action": ["kms:CreateAlias"],
        "Resource": format!("arn:aws:kms:us-east-1:{ACCOUNT_ID}:alias/*")}));
    statements.push(json!({"Effect": "Allow", "Action": actions, "Resource": format!("arn:aws:kms:us-east-1:{ACCOUNT_ID}:key/*"),
        "Condition": {"StringEquals": {"aws:ResourceTag/packagecloud-cloudfront": SANDBOX_BUCKET}}}));
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = policy);
}

const BOOTSTRAP_STAGES: [RunStage; 2] = [RunStage::Secret, RunStage::Bootstrap];

async fn bootstrap(world: &Sandbox) -> (Vec<StageEvent>, Result<(), Failure>) {
    Box::pin(run_stages(world, &goal_answers(OperatorGoal::Install), &BOOTSTRAP_STAGES)).await
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_ties_to_a_fresh_keys_tag_is_waited_for_and_shown() {
    for actions in [&["kms:Encrypt"][..], &["kms:CreateAlias", "kms:Encrypt"]] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_late_tags_sandbox(dir.path());
        tie_actions_to_marker_tag(&world, actions).await;
        let (said, result) = bootstrap(&world).await;
        assert_eq!(result, Ok(()), "{actions:?}");
        let waited = said.iter().any(|event| {
            matches!(event, StageEvent::Progress { text, .. } if text.starts_with("waiting for the key's tags to count"))
        });
        assert!(waited, "{actions:?}: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_tag_decides_ends_at_once_and_a_tag_that_never_comes_after_five_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_late_tags_sandbox(dir.path());
    tie_actions_to_marker_tag(&world, &["kms:Encrypt"]).await;
    // Without any right to it the tag changes nothing.
    world.update_sandbox_state_on_disk(|state| {
        state.iam.user.policy["Statement"].as_array_mut().unwrap().pop();
    });
    let began = tokio::time::Instant::now();
    let failure = bootstrap(&world).await.1.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.why.contains("kms:Encrypt") && began.elapsed() < TAGS_DELAY / 5, "{failure:?}");

    let dir = tempfile::tempdir().unwrap();
    let world = open_late_tags_sandbox(dir.path());
    tie_actions_to_marker_tag(&world, &["kms:Encrypt"]).await;
    world.update_sandbox_state_on_disk(|state| {
        let last = state.iam.user.policy["Statement"].as_array_mut().unwrap().last_mut().unwrap();
        last["Condition"] = json!({"StringEquals": {"aws:ResourceTag/somebody-elses": "x"}});
    });
    let began = tokio::time::Instant::now();
    let failure = bootstrap(&world).await.1.unwrap_err();
    assert!(failure.why.contains("kms:Encrypt") && failure.why.contains("300 s of waiting"), "{failure:?}");
    assert!(began.elapsed() >= TAGS_DELAY, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_policy_its_maker_could_not_put_is_refused_with_what_helps() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_late_tags_sandbox(dir.path());
    // As this was printed once: KMS weighs it when no tag counts.
    tie_actions_to_marker_tag(&world, &["kms:PutKeyPolicy"]).await;
    let failure = bootstrap(&world).await.1.unwrap_err();
    assert!(
        failure.why.contains("The new key policy will not allow you to update the key policy in the future"),
        "{failure:?}"
    );
    assert!(
        failure.next.contains("kms:PutKeyPolicy") && failure.next.contains("check --policy"),
        "{failure:?}"
    );
    assert!(world.read_sandbox_state_from_disk(|state| state.kms.keys.is_empty()), "and none was made");
}
