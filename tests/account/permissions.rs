//! The permission table against what the engine really asks of AWS: every call stands in it, at its stage or before, and no row of it is idle.
//!
//! What AWS weighs for a call is by its own service authorization reference: for most the action of the call's name.

use std::{collections::BTreeSet, path::Path};

use packagecloud_cloudfront::{
    engine::{self, Ground, Run},
    model::{
        aws::names::Names,
        iam::access::{Need, batch_needs, bucket_key_need, needs},
        run::{
            answers::{Answers, Consents, Engine, OriginAccess},
            goal::{Goal, Stage},
        },
    },
    sandbox::{
        World,
        control_plane::{
            ACCOUNT,
            s3::{self, Grant, Retention},
        },
        ledger::Call,
        seed::BUCKET,
    },
};

use crate::{disturbed, domain::requested, engine::world, ground::ground, origin_access::encrypted};

/// What AWS weighs, where that isn't just the action of the call's own name.
const WEIGHED: &[(&str, &[&str])] = &[
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
    ("kms:CreateKey", &["kms:CreateKey", "kms:TagResource"]),
    ("lambda:CreateFunction", &["iam:PassRole", "lambda:CreateFunction", "lambda:TagResource"]),
    // Without lambda:ListTags its answer leaves the tags out.
    ("lambda:GetFunction", &["lambda:GetFunction", "lambda:ListTags"]),
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
    ("s3:HeadBucket", &["s3:ListBucket"]),
    ("s3:HeadObject", &["s3:GetObject"]),
    ("s3:ListBuckets", &["s3:ListAllMyBuckets"]),
    ("s3:ListObjectsV2", &["s3:ListBucket"]),
    ("s3control:CreateJob", &["iam:PassRole", "s3:CreateJob", "s3:PutJobTagging"]),
];

/// What is asked early, where not being let stops nothing: the stage that needs it ends.
const SOFTLY: &[(Stage, &[&str], &str)] = &[
    (
        Stage::Secret,
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
        Stage::Bootstrap,
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
const ELSEWHERE: &[(&str, &str)] = &[(
    "s3:GetBucketLocation",
    "asked only of an S3 whose HeadBucket names no region: AWS's always does, and so does the sandbox's",
)];

const AWS: [&str; 8] = ["sts", "iam", "kms", "acm", "lambda", "cloudfront", "s3", "s3control"];

fn weighed(call: &Call) -> Vec<String> {
    let name = format!("{}:{}", call.service, call.operation);
    match WEIGHED.iter().find(|(known, _)| *known == name) {
        Some((_, actions)) => actions.iter().map(|action| (*action).to_owned()).collect(),
        None => vec![name.replace("s3control:", "s3:")],
    }
}

/// What the account was asked for since the ledger was cleared.
fn asked(world: &World) -> BTreeSet<String> {
    world.ledger().iter().filter(|call| AWS.contains(&call.service.as_str())).flat_map(weighed).collect()
}

type Asked = BTreeSet<(Stage, String)>;

/// Goes through the stages, each of which looks for itself, and keeps what each asks for.
async fn journey(world: &World, answers: &Answers, stages: &[Stage], all: &mut Asked) {
    let ground = ground(world);
    for &stage in stages {
        world.clear_ledger();
        ground.look_afresh().await;
        if stage == Stage::Access {
            // What its screens show beside its own look.
            drop(Box::pin(engine::welcome::welcome(&ground, answers)).await);
            Box::pin(engine::check(&ground, answers)).await.unwrap();
        }
        through(&ground, answers, stage).await;
        all.extend(asked(world).into_iter().map(|action| (stage, action)));
    }
}

async fn through(ground: &Ground, answers: &Answers, stage: Stage) {
    let plan = Box::pin(engine::look(ground, stage, answers)).await.unwrap();
    let (_, failure) = Box::pin(engine::apply(ground, &plan, answers, &Run::silent())).await;
    assert_eq!(failure, None, "{stage:?}");
}

fn stages(goal: Goal) -> Vec<Stage> {
    goal.stages().iter().copied().filter(|stage| *stage != Stage::Overview).collect()
}

fn of(goal: Goal) -> Answers {
    Answers { goal: Some(goal), ..Answers::default() }
}

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

fn names() -> Names {
    Names::new(BUCKET, &"".parse().unwrap_or_default())
}

/// Objects with everything that an object may have.
fn kinds(world: &World) {
    world.write(|state| {
        let bucket = state.s3.buckets.get_mut(BUCKET).unwrap();
        bucket.settings.insert(
            "ownershipControls".into(),
            "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>".into(),
        );
    });
    for name in ["tagged", "held", "huge"] {
        let key = format!("7/8/debian/package_files/{name}.deb");
        s3::place(world, BUCKET, &key, &[], b"a package").unwrap();
        s3::amend(world, BUCKET, &key, |object| {
            object.tags = vec![("a".into(), "b".into())];
            object.grants = vec![Grant { grantee: ALL_USERS.into(), permission: "READ".into() }];
            object.legal_hold = name == "held";
            object.retention = (name == "held")
                .then(|| Retention { mode: "GOVERNANCE".into(), until: "2099-01-01T00:00:00Z".into() });
            if name == "huge" {
                object.size = s3::LARGEST + 1;
            }
        })
        .unwrap();
    }
}

/// Every call of `asked` has a row, at the stage that makes it or at one that comes before.
fn stand(asked: &Asked, goal: Goal, needs: &[Need]) {
    let place = |stage: Stage| goal.stages().iter().position(|one| *one == stage);
    for (stage, action) in asked {
        let mut rows = needs.iter().filter(|need| need.action == action).peekable();
        assert!(rows.peek().is_some(), "{goal:?}: {stage:?} asks for {action}, which no row names");
        // The access stage asks for all that a later one needs, and stops at none of it but the bucket's own.
        let softly = *stage == Stage::Access
            || SOFTLY.iter().any(|(of, actions, _)| of == stage && actions.contains(&action.as_str()));
        assert!(
            softly || rows.any(|need| place(need.stage) <= place(*stage)),
            "{goal:?}: {stage:?} asks for {action}, and its row says that a later stage is the first"
        );
    }
}

/// Every row is called for at its own stage.
fn none_idle(asked: &Asked, needs: &[Need]) {
    let idle: Vec<String> = needs
        .iter()
        .filter(|need| !asked.contains(&(need.stage, need.action.to_owned())))
        .filter(|need| !ELSEWHERE.iter().any(|(action, _)| *action == need.action))
        .map(|need| format!("{} at {}", need.action, need.place()))
        .collect();
    assert!(idle.is_empty(), "nothing calls for: {idle:#?}");
}

async fn upgraded(dir: &Path) -> Asked {
    let mut all = Asked::new();
    // A part that fails: what was begun is taken back.
    let world = world(dir, &["s3:UploadPartCopy:1+:error:InvalidRequest=no".to_owned()]);
    kinds(&world);
    journey(&world, &of(Goal::Upgrade), &stages(Goal::Upgrade), &mut all).await;
    all
}

/// What an installation asks for in every situation that it may meet.
async fn installed() -> Asked {
    let mut all = Asked::new();
    let whole = stages(Goal::Install);
    let dir = tempfile::tempdir().unwrap();
    let first = world(dir.path(), &[]);
    journey(&first, &of(Goal::Install), &whole, &mut all).await;
    // Nothing to do, then something of everything.
    journey(&first, &of(Goal::Install), &whole, &mut all).await;
    // While it is on, a function is taken over only where a live link proves it.
    through(&ground(&first), &of(Goal::Disable), Stage::Disable).await;
    disturbed::disturb(&first);
    let made = [Stage::Access, Stage::Secret, Stage::Bootstrap, Stage::Distribution, Stage::Configuration];
    journey(&first, &disturbed::answers(Goal::Install), &made, &mut all).await;
    // Another install of the same bucket, whose key is no orphan.
    let second = Answers { suffix: "two".parse().unwrap(), ..of(Goal::Install) };
    journey(&first, &second, &[Stage::Bootstrap], &mut all).await;

    let dir = tempfile::tempdir().unwrap();
    let domain = world(dir.path(), &[]);
    requested(&domain, "packages.example.com").await;
    let answers = Answers { packages_domain: Some("packages.example.com".into()), ..of(Goal::Install) };
    journey(&domain, &answers, &whole, &mut all).await;

    let dir = tempfile::tempdir().unwrap();
    let by_control = world(dir.path(), &[]);
    encrypted(&by_control, None).await;
    let consents = Consents { adopt_bucket_key: true, ..Consents::default() };
    let answers = Answers { consents, origin_access: OriginAccess::Auto, ..of(Goal::Install) };
    journey(&by_control, &answers, &whole, &mut all).await;
    all
}

/// The reindex by S3's own jobs, first with a role of its own and then with one that somebody has changed.
async fn by_jobs(dir: &Path) -> Asked {
    let mut all = Asked::new();
    let world = world(dir, &[]);
    let mut answers = of(Goal::Upgrade);
    answers.reindex.engine = Engine::Batch;
    answers.reindex.rescan = true;
    for number in 0..12 {
        let key = format!("7/8/debian/package_files/{number}.deb");
        s3::place(&world, BUCKET, &key, &[], b"a package").unwrap();
        // What was written just now may be written again: it is left to this machine.
        s3::amend(&world, BUCKET, &key, |object| object.modified -= 3600).unwrap();
    }
    journey(&world, &answers, &[Stage::Access, Stage::Reindex], &mut all).await;
    world.write(|state| {
        let role = state.iam.roles.get_mut("packagecloud_cloudfront_batch").unwrap();
        role.tags.clear();
        role.trust = role.trust.replace("batchoperations", "other");
        role.policies.clear();
    });
    answers.consents.adopt = true;
    journey(&world, &answers, &[Stage::Access, Stage::Reindex], &mut all).await;
    all
}

#[tokio::test(start_paused = true)]
async fn every_call_stands_in_the_table_and_no_row_of_it_is_idle() {
    let dir = tempfile::tempdir().unwrap();
    let upgraded = Box::pin(upgraded(dir.path())).await;
    let installed = Box::pin(installed()).await;
    let dir = tempfile::tempdir().unwrap();
    let by_jobs = Box::pin(by_jobs(dir.path())).await;

    let with_key = |goal| {
        let mut all = needs(goal, &names(), ACCOUNT);
        all.push(bucket_key_need(None, ACCOUNT));
        all
    };
    stand(&installed, Goal::Install, &with_key(Goal::Install));
    none_idle(&installed, &with_key(Goal::Install));

    let upgrade = with_key(Goal::Upgrade);
    stand(&upgraded, Goal::Upgrade, &upgrade);
    let whole: Asked = upgraded.union(&installed).cloned().collect();
    none_idle(&whole, &upgrade);

    let jobs = batch_needs(&names(), ACCOUNT);
    let with_jobs: Vec<Need> = upgrade.into_iter().chain(jobs.clone()).collect();
    stand(&by_jobs, Goal::Upgrade, &with_jobs);
    none_idle(&by_jobs, &jobs);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_version_is_associated_by_its_own_rows_and_switching_off_asks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), &[]);
    let mut ignored = Asked::new();
    journey(&world, &of(Goal::Install), &stages(Goal::Install), &mut ignored).await;
    let earlier = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{}:1", names().function());
    let other = Answers { construction: Some("raw:path+expires".parse().unwrap()), ..of(Goal::Install) };
    journey(&world, &other, &[Stage::Bootstrap, Stage::Distribution], &mut ignored).await;

    world.clear_ledger();
    let here = ground(&world);
    let back = of(Goal::RollBack);
    let (_, failure) = Box::pin(engine::roll_back_edge(&here, &back, &earlier, &Run::silent())).await;
    assert_eq!(failure, None);
    let called = asked(&world);
    let rows = needs(Goal::RollBack, &names(), ACCOUNT);
    let named: BTreeSet<String> = rows.iter().map(|need| need.action.to_owned()).collect();
    assert_eq!(called.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "no row names them");
    let idle: Vec<&Need> =
        rows.iter().filter(|need| !need.optional && !called.contains(need.action)).collect();
    assert!(idle.is_empty(), "nothing calls for: {idle:#?}");

    world.clear_ledger();
    let away = ground(&world);
    through(&away, &of(Goal::Disable), Stage::Disable).await;
    assert_eq!(asked(&world), BTreeSet::new());
    assert!(needs(Goal::Disable, &names(), ACCOUNT).is_empty());
}
