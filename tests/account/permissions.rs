//! The permission table against what the engine really asks of AWS: every call stands in it, at its stage or before, and no row of it is idle.
//!
//! What AWS weighs for a call is by its own service authorization reference: for most the action of the call's name.

use std::{collections::BTreeSet, path::Path};

use packagecloud_cloudfront::{
    engine::{self, RunContext, Session},
    model::{
        aws::names::ResourceNames,
        iam::access::{
            RequiredPermission, bucket_kms_key_permission, list_batch_permissions, list_required_permissions,
        },
        run::{
            answers::{OperatorAnswers, OperatorConsents, OriginAccess, ReindexEngine},
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::{
        Sandbox,
        control_plane::{
            ACCOUNT_ID,
            s3::{self, SandboxAclGrant, SandboxObjectRetention},
        },
        ledger::SandboxApiCallRecord,
        seed::SANDBOX_BUCKET,
    },
};

use crate::{
    disturbed,
    domain::request_certificate,
    engine::{open_instant_sandbox, with_yes},
    origin_access::encrypt_bucket,
    session::open_session,
};

/// What AWS weighs, where that isn't just the action of the call's own name.
const ACTIONS_BY_CALL: &[(&str, &[&str])] = &[
    ("sts:GetCallerIdentity", &[]),
    // The function's own call at the edge, as its own role.
    ("kms:Decrypt", &[]),
    (
        "cloudfront:CreateDistributionWithTags",
        &[
            "cloudfront:CreateDistribution",
            "cloudfront:TagResource",
            "lambda:EnableReplication*",
            "lambda:GetFunction",
        ],
    ),
    (
        "cloudfront:UpdateDistribution",
        &[
            "cloudfront:UpdateDistribution",
            "lambda:DisableReplication*",
            "lambda:EnableReplication*",
            "lambda:GetFunction",
        ],
    ),
    ("iam:CreateRole", &["iam:CreateRole", "iam:TagRole"]),
    ("kms:CreateKey", &["kms:CreateKey", "kms:PutKeyPolicy", "kms:TagResource"]),
    ("lambda:CreateFunction", &["iam:PassRole", "lambda:CreateFunction", "lambda:TagResource"]),
    // Without lambda:ListTags its answer leaves the tags out.
    ("lambda:GetFunction", &["lambda:GetFunction", "lambda:ListTags"]),
    ("lambda:Invoke", &["lambda:InvokeFunction"]),
    ("lambda:UpdateFunctionConfiguration", &["iam:PassRole", "lambda:UpdateFunctionConfiguration"]),
    // A copy takes along what the object has, as far as that may be read and written; a lock is read with the object's
    // head, which leaves it out for whoever may not.
    (
        "s3:CopyObject",
        &[
            "s3:GetObject",
            "s3:GetObjectLegalHold",
            "s3:GetObjectRetention",
            "s3:GetObjectTagging",
            "s3:PutObject",
            "s3:PutObjectAcl",
            "s3:PutObjectLegalHold",
            "s3:PutObjectRetention",
            "s3:PutObjectTagging",
        ],
    ),
    ("s3:CompleteMultipartUpload", &["s3:PutObject"]),
    ("s3:CreateMultipartUpload", &["s3:PutObject"]),
    ("s3:UploadPartCopy", &["s3:GetObject", "s3:PutObject"]),
    ("s3:GetBucketEncryption", &["s3:GetEncryptionConfiguration"]),
    ("s3:GetBucketNotificationConfiguration", &["s3:GetBucketNotification"]),
    ("s3:GetBucketReplication", &["s3:GetReplicationConfiguration"]),
    ("s3:GetPublicAccessBlock", &["s3:GetBucketPublicAccessBlock"]),
    ("s3control:GetPublicAccessBlock", &["s3:GetAccountPublicAccessBlock"]),
    ("s3:HeadBucket", &["s3:ListBucket"]),
    ("s3:HeadObject", &["s3:GetObject"]),
    ("s3:ListBuckets", &["s3:ListAllMyBuckets"]),
    ("s3:ListObjectsV2", &["s3:ListBucket"]),
    ("s3control:CreateJob", &["iam:PassRole", "s3:CreateJob", "s3:PutJobTagging"]),
];

/// What is asked early, where not being let stops nothing: the stage that needs it ends.
const OPTIONAL_ACTIONS: &[(RunStage, &[&str], &str)] = &[
    (
        RunStage::Secret,
        &[
            "iam:GetRole",
            "iam:GetRolePolicy",
            "kms:DescribeKey",
            "kms:GetKeyPolicy",
            "kms:ListAliases",
            "kms:ListKeys",
            "kms:ListResourceTags",
            "lambda:ListVersionsByFunction",
        ],
        "the function alone is asked for then",
    ),
    (
        RunStage::Bootstrap,
        &[
            "cloudfront:GetDistribution",
            "cloudfront:ListCachePolicies",
            "cloudfront:ListDistributions",
            "cloudfront:ListTagsForResource",
        ],
        "the origin access is chosen without the distribution that stands",
    ),
];

/// Rows that nothing in the sandbox calls for.
const UNCALLED_ACTIONS: &[(&str, &str)] = &[(
    "s3:GetBucketLocation",
    "asked only of an S3 whose HeadBucket names no region: AWS's always does, and so does the sandbox's",
)];

/// The services of AWS: calls to the sandbox's packagecloud and to its edge aren't counted.
pub const AWS_SERVICES: [&str; 11] = [
    "sts",
    "iam",
    "kms",
    "acm",
    "lambda",
    "cloudfront",
    "s3",
    "s3control",
    "monitoring",
    "logs",
    "pricingplanmanager",
];

fn call_actions(call: &SandboxApiCallRecord) -> Vec<String> {
    let name = format!("{}:{}", call.service, call.operation);
    match ACTIONS_BY_CALL.iter().find(|(known, _)| *known == name) {
        Some((_, actions)) => actions.iter().map(|action| (*action).to_owned()).collect(),
        None => vec![name.replace("s3control:", "s3:")],
    }
}

/// What the account was asked for since the ledger was cleared.
fn called_actions(world: &Sandbox) -> BTreeSet<String> {
    world
        .sandbox_recorded_aws_calls()
        .iter()
        .filter(|call| AWS_SERVICES.contains(&call.service.as_str()))
        .flat_map(call_actions)
        .collect()
}

type ActionsByStage = BTreeSet<(RunStage, String)>;

/// Goes through the stages, each of which looks for itself, and keeps what each asks for.
async fn record_stage_actions(
    world: &Sandbox,
    answers: &OperatorAnswers,
    stages: &[RunStage],
    all: &mut ActionsByStage,
) {
    let session = open_session(world);
    for &stage in stages {
        world.clear_call_ledger();
        session.invalidate_cached_account_reads().await;
        if stage == RunStage::Access {
            // What its screens show beside its own look.
            drop(Box::pin(engine::welcome::read_welcome_findings(&session, answers)).await);
            Box::pin(engine::run_access_checks(&session, answers)).await.unwrap();
        }
        apply_stage(&session, answers, stage).await;
        all.extend(called_actions(world).into_iter().map(|action| (stage, action)));
    }
}

async fn apply_stage(session: &Session, answers: &OperatorAnswers, stage: RunStage) {
    let answers = &with_yes(answers);
    let plan = Box::pin(engine::look(session, stage, answers)).await.unwrap();
    let (_, failure) =
        Box::pin(engine::apply(session, &plan, answers, &RunContext::new_silent_context())).await;
    assert_eq!(failure, None, "{stage:?}");
}

fn goal_stages(goal: OperatorGoal) -> Vec<RunStage> {
    goal.stages_of_goal().iter().copied().filter(|stage| *stage != RunStage::Overview).collect()
}

fn answers_for_goal(goal: OperatorGoal) -> OperatorAnswers {
    OperatorAnswers { goal: Some(goal), ..OperatorAnswers::default() }
}

/// A public grant that opens nothing to who signs nothing, so that the bucket counts as closed.
const AUTHENTICATED_USERS_GROUP: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

fn resource_names() -> ResourceNames {
    ResourceNames::new(SANDBOX_BUCKET, &"".parse().unwrap_or_default())
}

/// A bucket whose objects may have ACLs, public ones too.
fn enable_object_acls(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap();
        bucket.settings.insert(
            "ownershipControls".into(),
            "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>".into(),
        );
        bucket.settings.insert("publicAccessBlock".into(), "<PublicAccessBlockConfiguration/>".into());
        bucket.settings.insert(
            "object-lock".into(),
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>".into(),
        );
    });
}

/// Objects with everything that an object may have.
fn put_all_object_kinds(world: &Sandbox) {
    enable_object_acls(world);
    for name in ["tagged", "held", "huge"] {
        let key = format!("7/8/debian/package_files/{name}.deb");
        s3::place_sandbox_object(world, SANDBOX_BUCKET, &key, &[], b"a package").unwrap();
        s3::modify_stored_object_in_place(world, SANDBOX_BUCKET, &key, |object| {
            object.tags = vec![("a".into(), "b".into())];
            object.grants = vec![SandboxAclGrant {
                grantee: AUTHENTICATED_USERS_GROUP.into(),
                permission: "READ".into(),
            }];
            object.legal_hold = name == "held";
            object.retention = (name == "held").then(|| SandboxObjectRetention {
                mode: "GOVERNANCE".into(),
                until: "2099-01-01T00:00:00Z".into(),
            });
            if name == "huge" {
                object.size = s3::COPY_MAX_BYTES + 1;
            }
        })
        .unwrap();
    }
}

/// Every call of `asked` has a row, at the stage that makes it or at one that comes before.
fn assert_actions_covered(asked: &ActionsByStage, goal: OperatorGoal, needs: &[RequiredPermission]) {
    let place = |stage: RunStage| goal.stages_of_goal().iter().position(|one| *one == stage);
    for (stage, action) in asked {
        let mut rows = needs.iter().filter(|need| need.action == action).peekable();
        assert!(rows.peek().is_some(), "{goal:?}: {stage:?} asks for {action}, which no row names");
        // The access stage asks for all that a later one needs, and stops at none of it but the bucket's own.
        let softly = *stage == RunStage::Access
            || OPTIONAL_ACTIONS
                .iter()
                .any(|(of, actions, _)| of == stage && actions.contains(&action.as_str()));
        assert!(
            softly || rows.any(|need| place(need.stage) <= place(*stage)),
            "{goal:?}: {stage:?} asks for {action}, and its row says that a later stage is the first"
        );
    }
}

/// Every row is called for at its own stage.
fn assert_no_idle_needs(asked: &ActionsByStage, needs: &[RequiredPermission]) {
    let idle: Vec<String> = needs
        .iter()
        .filter(|need| !asked.contains(&(need.stage, need.action.to_owned())))
        .filter(|need| !UNCALLED_ACTIONS.iter().any(|(action, _)| *action == need.action))
        .map(|need| format!("{} at {}", need.action, need.describe_stage_and_step()))
        .collect();
    assert!(idle.is_empty(), "nothing calls for: {idle:#?}");
}

async fn record_upgrade_actions(dir: &Path) -> ActionsByStage {
    let mut all = ActionsByStage::new();
    // A part that fails: what was begun is taken back.
    let world = open_instant_sandbox(dir, &["s3:UploadPartCopy:1+:refuse:kms-disabled".to_owned()]);
    put_all_object_kinds(&world);
    record_stage_actions(
        &world,
        &answers_for_goal(OperatorGoal::Upgrade),
        &goal_stages(OperatorGoal::Upgrade),
        &mut all,
    )
    .await;
    all
}

/// What an installation asks for in every situation that it may meet.
async fn record_install_actions() -> ActionsByStage {
    let mut all = ActionsByStage::new();
    let whole = goal_stages(OperatorGoal::Install);
    let dir = tempfile::tempdir().unwrap();
    let first = open_instant_sandbox(dir.path(), &[]);
    enable_object_acls(&first);
    record_stage_actions(&first, &answers_for_goal(OperatorGoal::Install), &whole, &mut all).await;
    // Nothing to do, then something of everything.
    record_stage_actions(&first, &answers_for_goal(OperatorGoal::Install), &whole, &mut all).await;
    // While it is on, a function is taken over only where a live link proves it.
    apply_stage(&open_session(&first), &answers_for_goal(OperatorGoal::Disable), RunStage::Disable).await;
    disturbed::disturb_account(&first);
    let made = [
        RunStage::Access,
        RunStage::Secret,
        RunStage::Bootstrap,
        RunStage::Distribution,
        RunStage::Configuration,
    ];
    record_stage_actions(&first, &disturbed::repair_answers(OperatorGoal::Install), &made, &mut all).await;
    // Another install of the same bucket, whose key is no orphan.
    let second =
        OperatorAnswers { suffix: "two".parse().unwrap(), ..answers_for_goal(OperatorGoal::Install) };
    record_stage_actions(&first, &second, &[RunStage::Bootstrap], &mut all).await;

    let dir = tempfile::tempdir().unwrap();
    let domain = open_instant_sandbox(dir.path(), &[]);
    request_certificate(&domain, "packages.example.com").await;
    let answers = OperatorAnswers {
        packages_domain: Some("packages.example.com".into()),
        ..answers_for_goal(OperatorGoal::Install)
    };
    record_stage_actions(&domain, &answers, &whole, &mut all).await;

    let dir = tempfile::tempdir().unwrap();
    let by_control = open_instant_sandbox(dir.path(), &[]);
    encrypt_bucket(&by_control, None).await;
    let consents = OperatorConsents { adopt_bucket_key: true, ..OperatorConsents::default() };
    let answers = OperatorAnswers {
        consents,
        origin_access: OriginAccess::Auto,
        ..answers_for_goal(OperatorGoal::Install)
    };
    record_stage_actions(&by_control, &answers, &whole, &mut all).await;
    all
}

/// The reindex by S3's own jobs, first with a role of its own and then with one that somebody has changed.
async fn record_batch_reindex_actions(dir: &Path) -> ActionsByStage {
    let mut all = ActionsByStage::new();
    let world = open_instant_sandbox(dir, &[]);
    let mut answers = answers_for_goal(OperatorGoal::Upgrade);
    answers.reindex.engine = ReindexEngine::Batch;
    answers.reindex.rescan = true;
    for number in 0..12 {
        let key = format!("7/8/debian/package_files/{number}.deb");
        s3::place_sandbox_object(&world, SANDBOX_BUCKET, &key, &[], b"a package").unwrap();
        // What was written just now may be written again: it is left to this machine.
        s3::modify_stored_object_in_place(&world, SANDBOX_BUCKET, &key, |object| object.modified -= 3600)
            .unwrap();
    }
    record_stage_actions(&world, &answers, &[RunStage::Access, RunStage::Reindex], &mut all).await;
    world.update_sandbox_state_on_disk(|state| {
        let role = state.iam.roles.get_mut("packagecloud_cloudfront_batch").unwrap();
        role.tags.clear();
        role.trust = role.trust.replace("batchoperations", "other");
        role.policies.clear();
    });
    answers.consents.adopt = true;
    record_stage_actions(&world, &answers, &[RunStage::Access, RunStage::Reindex], &mut all).await;
    all
}

#[tokio::test(start_paused = true)]
async fn every_call_stands_in_the_table_and_no_row_of_it_is_idle() {
    let dir = tempfile::tempdir().unwrap();
    let upgraded = Box::pin(record_upgrade_actions(dir.path())).await;
    let installed = Box::pin(record_install_actions()).await;
    let dir = tempfile::tempdir().unwrap();
    let by_jobs = Box::pin(record_batch_reindex_actions(dir.path())).await;

    let with_key = |goal| {
        let mut all = list_required_permissions(goal, &resource_names(), ACCOUNT_ID);
        all.push(bucket_kms_key_permission(None, ACCOUNT_ID));
        all
    };
    assert_actions_covered(&installed, OperatorGoal::Install, &with_key(OperatorGoal::Install));
    assert_no_idle_needs(&installed, &with_key(OperatorGoal::Install));

    let upgrade = with_key(OperatorGoal::Upgrade);
    assert_actions_covered(&upgraded, OperatorGoal::Upgrade, &upgrade);
    let whole: ActionsByStage = upgraded.union(&installed).cloned().collect();
    assert_no_idle_needs(&whole, &upgrade);

    let jobs = list_batch_permissions(&resource_names(), ACCOUNT_ID);
    let with_jobs: Vec<RequiredPermission> = upgrade.into_iter().chain(jobs.clone()).collect();
    assert_actions_covered(&by_jobs, OperatorGoal::Upgrade, &with_jobs);
    assert_no_idle_needs(&by_jobs, &jobs);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_version_is_associated_by_its_own_rows_and_switching_off_asks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    let mut ignored = ActionsByStage::new();
    record_stage_actions(
        &world,
        &answers_for_goal(OperatorGoal::Install),
        &goal_stages(OperatorGoal::Install),
        &mut ignored,
    )
    .await;
    let earlier = format!(
        "arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:{}:1",
        resource_names().lambda_function_name()
    );
    let other = OperatorAnswers {
        construction: Some("raw:path+expires".parse().unwrap()),
        ..answers_for_goal(OperatorGoal::Install)
    };
    record_stage_actions(&world, &other, &[RunStage::Bootstrap, RunStage::Distribution], &mut ignored).await;

    world.clear_call_ledger();
    let here = open_session(&world);
    let back = answers_for_goal(OperatorGoal::RollBack);
    let (_, failure) = Box::pin(engine::roll_back_function_version(
        &here,
        &back,
        &earlier,
        &RunContext::new_silent_context(),
    ))
    .await;
    assert_eq!(failure, None);
    let called = called_actions(&world);
    let rows = list_required_permissions(OperatorGoal::RollBack, &resource_names(), ACCOUNT_ID);
    let named: BTreeSet<String> = rows.iter().map(|need| need.action.to_owned()).collect();
    assert_eq!(called.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "no row names them");
    let idle: Vec<&RequiredPermission> =
        rows.iter().filter(|need| !need.optional && !called.contains(need.action)).collect();
    assert!(idle.is_empty(), "nothing calls for: {idle:#?}");

    world.clear_call_ledger();
    let away = open_session(&world);
    apply_stage(&away, &answers_for_goal(OperatorGoal::Disable), RunStage::Disable).await;
    assert_eq!(called_actions(&world), BTreeSet::new());
    assert!(list_required_permissions(OperatorGoal::Disable, &resource_names(), ACCOUNT_ID).is_empty());
}
