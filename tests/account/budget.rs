//! How many calls `enable` makes, and how long it takes beside its longest chain of calls that need each other's answers.
//!
//! Calls are those to AWS; asking packagecloud and the edge, as a package manager does, is no call.

use std::time::Duration;

use packagecloud_cloudfront::{
    args::CliArguments,
    cli::{self, CommandInvocation},
    model::run::{answers::OperatorAnswers, goal::OperatorGoal},
    sandbox::{
        self, Sandbox, SandboxOptions, SandboxPropagationDelays,
        control_plane::s3::BucketJournalChange,
        ledger::{self, SandboxApiCallRecord},
        seed,
    },
};
use tokio_util::sync::CancellationToken;

use crate::{permissions::AWS_SERVICES, session::open_session};

/// Of 75 and 25 that they may make.
const FRESH_CALLS_MAX: usize = 61;
const REPEAT_CALLS_MAX: usize = 22;
/// What an upgrade may ask AWS for until it is live, whatever the size of the bucket: the survey lists a bounded number of pages.
const UPGRADE_CALLS_MAX: usize = 75;
/// From one machine, as the plan reckons.
const COPIES_A_SECOND: u64 = 7_000;
/// One deployment, as CloudFront says of it: some minutes.
const DEPLOYMENT: Duration = Duration::from_mins(5);
const CALL_LATENCY: Duration = Duration::from_millis(100);

/// What the function asks in its turn, before an Invoke of it ends.
const FUNCTION_OWN_CALL: &str = "kms:Decrypt";

/// What a call can only come after, since it needs its answer or what it made. Whatever isn't named here needs no other.
const CALL_DEPENDENCIES: &[(&str, &[&str])] = &[
    // Nothing is asked of an account in whose partition there is no Lambda@Edge.
    ("lambda:GetFunction", &["sts:GetCallerIdentity"]),
    // The function's marker names the bucket, else packagecloud's redirect does.
    ("packagecloud:Get", &["lambda:GetFunction"]),
    ("s3:HeadBucket", &["packagecloud:Get", "lambda:GetFunction"]),
    // The bucket's region.
    ("s3:GetBucketVersioning", &["s3:HeadBucket"]),
    ("s3:GetBucketEncryption", &["s3:HeadBucket"]),
    ("s3:GetBucketOwnershipControls", &["s3:HeadBucket"]),
    ("s3:ListObjectsV2", &["s3:HeadBucket"]),
    ("s3:HeadObject", &["s3:ListObjectsV2"]),
    // Whose what is found is, by the bucket's name.
    ("iam:GetRole", &["s3:HeadBucket", "iam:SimulatePrincipalPolicy"]),
    ("iam:GetRolePolicy", &["s3:HeadBucket"]),
    ("kms:DescribeKey", &["s3:HeadBucket"]),
    ("kms:ListKeys", &["kms:DescribeKey"]),
    ("kms:ListResourceTags", &["kms:ListKeys"]),
    ("lambda:ListVersionsByFunction", &["s3:HeadBucket"]),
    ("cloudfront:ListCachePolicies", &["s3:HeadBucket"]),
    // An identity or a control, by how the objects are encrypted.
    ("cloudfront:ListCloudFrontOriginAccessIdentities", &["s3:HeadObject", "cloudfront:ListTagsForResource"]),
    // What must be allowed is what there is to do; nothing is written before it is known.
    (
        "iam:SimulatePrincipalPolicy",
        &[
            "iam:GetRole",
            "kms:ListResourceTags",
            "kms:ListKeys",
            "cloudfront:ListDistributions",
            "cloudfront:ListCloudFrontOriginAccessIdentities",
        ],
    ),
    ("iam:CreateRole", &["iam:SimulatePrincipalPolicy"]),
    ("iam:CreateServiceLinkedRole", &["iam:GetRole"]),
    // Of two runs at once the one that made the role makes the key.
    ("kms:CreateKey", &["iam:CreateRole"]),
    ("kms:CreateAlias", &["kms:CreateKey"]),
    ("cloudfront:CreateCloudFrontOriginAccessIdentity", &["iam:SimulatePrincipalPolicy"]),
    // The alias says which key is the one.
    ("iam:PutRolePolicy", &["iam:CreateRole", "kms:CreateAlias"]),
    // By its alias the key is found again: that stands before anything is sealed with it.
    ("kms:Encrypt", &["kms:CreateAlias", "iam:PutRolePolicy"]),
    ("lambda:CreateFunction", &["kms:Encrypt", "iam:PutRolePolicy", "iam:CreateServiceLinkedRole"]),
    ("lambda:GetFunctionConfiguration", &["lambda:CreateFunction", "lambda:PublishVersion"]),
    ("lambda:PublishVersion", &["lambda:GetFunctionConfiguration"]),
    // The right link first: only then the function is awake.
    ("lambda:Invoke", &["lambda:GetFunctionConfiguration", "lambda:Invoke", FUNCTION_OWN_CALL]),
    (FUNCTION_OWN_CALL, &["lambda:GetFunctionConfiguration"]),
    // The stages follow each other: what the distribution needs is made once the bootstrap is through.
    ("cloudfront:CreateCachePolicy", &["lambda:GetFunctionConfiguration"]),
    // Once more before it is made, before it is opened to.
    (
        "cloudfront:ListDistributions",
        &[
            "s3:HeadBucket",
            "cloudfront:CreateCachePolicy",
            "cloudfront:CreateDistributionWithTags",
            "lambda:Invoke",
        ],
    ),
    (
        "cloudfront:CreateDistributionWithTags",
        &["cloudfront:ListDistributions", "cloudfront:CreateCachePolicy", "lambda:Invoke"],
    ),
    (
        "cloudfront:GetDistribution",
        &["cloudfront:ListDistributions", "cloudfront:CreateDistributionWithTags"],
    ),
    ("cloudfront:ListTagsForResource", &["cloudfront:GetDistribution"]),
    ("s3:GetBucketPolicy", &["s3:HeadBucket", "cloudfront:ListTagsForResource", "s3:PutBucketPolicy"]),
    ("s3:PutBucketPolicy", &["s3:GetBucketPolicy", "cloudfront:ListCloudFrontOriginAccessIdentities"]),
];

/// The longest chain of calls of which each needs the one before.
fn longest_dependent_chain(calls: &[SandboxApiCallRecord]) -> usize {
    let name = |call: &SandboxApiCallRecord| format!("{}:{}", call.service, call.operation);
    let mut depths: Vec<usize> = Vec::new();
    let mut in_order: Vec<&SandboxApiCallRecord> = calls.iter().collect();
    in_order.sort_by_key(|call| (call.end, std::cmp::Reverse(call.start)));
    for (at, call) in in_order.iter().enumerate() {
        let needed =
            CALL_DEPENDENCIES.iter().find(|(of, _)| *of == name(call)).map_or(&[][..], |(_, needed)| *needed);
        let is_over = |earlier: &SandboxApiCallRecord| {
            earlier.end <= call.start || (name(earlier) == FUNCTION_OWN_CALL && earlier.end <= call.end)
        };
        let before = in_order[..at]
            .iter()
            .zip(&depths)
            .filter(|(earlier, _)| is_over(earlier) && needed.contains(&name(earlier).as_str()));
        depths.push(1 + before.map(|(_, depth)| *depth).max().unwrap_or_default());
    }
    depths.into_iter().max().unwrap_or_default()
}

fn open_sandbox_with_latency(dir: &std::path::Path) -> Sandbox {
    let delays = Some(SandboxPropagationDelays::NONE);
    sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.to_owned(),
        latency: CALL_LATENCY,
        delays,
        ..SandboxOptions::default()
    })
    .unwrap()
}

/// `enable --yes`, as the binary does it: how long it took.
async fn time_enable(world: &Sandbox, more: &[&str]) -> Duration {
    let line: Vec<&str> =
        ["packagecloud-cloudfront", "enable", "--yes"].iter().chain(more).copied().collect();
    let args: CliArguments = clap::Parser::parse_from(&line);
    let prepare = more.contains(&"--prepare");
    let mut session = CommandInvocation {
        session: open_session(world),
        answers: OperatorAnswers { goal: Some(OperatorGoal::Install), prepare, ..OperatorAnswers::default() },
        global: args.global,
        stop: CancellationToken::new(),
        applying: std::sync::Arc::default(),
        sandbox: true,
        plan_to_make: None,
    };
    let began = tokio::time::Instant::now();
    assert_eq!(cli::run_cli_command(&mut session, &args.command.unwrap()).await, cli::EXIT_DONE);
    began.elapsed()
}

/// Runs `work` on a paused clock, with the stack that the binary's main thread has: a debug build's futures are large.
fn run_on_paused_clock<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send + 'static) {
    let run = move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(work());
    };
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(run).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// One line for each operation, with how often it was asked.
fn render_call_counts(calls: &[SandboxApiCallRecord]) -> String {
    let mut all = std::collections::BTreeMap::new();
    for call in calls {
        *all.entry(format!("{}:{}", call.service, call.operation)).or_insert(0) += 1;
    }
    all.iter().map(|(name, count)| format!("{count:3} {name}\n")).collect()
}

#[test]
fn a_fresh_account_costs_its_longest_chain_and_one_that_is_right_no_write() {
    run_on_paused_clock(async || {
        let dir = tempfile::tempdir().unwrap();
        let world = open_sandbox_with_latency(dir.path());
        // What it makes now, so that one more is seen.
        for (what, most) in [("fresh", FRESH_CALLS_MAX), ("again", REPEAT_CALLS_MAX)] {
            world.clear_call_ledger();
            let took = time_enable(&world, &[]).await;
            let all = world.sandbox_recorded_aws_calls();
            let chain = ledger::count_longest_sequential_calls(&all);
            // Decrypt is the function's own call, as its own role.
            let calls: Vec<SandboxApiCallRecord> = all
                .into_iter()
                .filter(|call| AWS_SERVICES.contains(&call.service.as_str()) && call.operation != "Decrypt")
                .collect();
            println!("{what}: {} calls, the longest chain {chain}, {took:?}", calls.len());
            assert!(calls.len() <= most, "{what}: {} calls:\n{}", calls.len(), render_call_counts(&calls));
            let chain = CALL_LATENCY * u32::try_from(chain).unwrap();
            assert!(took <= chain.mul_f64(1.25), "{what}: {took:?} for a chain of {chain:?}");
            let writes: Vec<&SandboxApiCallRecord> = calls.iter().filter(|call| call.write).collect();
            assert_eq!(what == "again", writes.is_empty(), "{what}: {writes:?}");
        }
    });
}

#[test]
fn what_is_set_up_in_aws_takes_little_longer_than_its_longest_chain_of_dependent_calls() {
    run_on_paused_clock(async || {
        let dir = tempfile::tempdir().unwrap();
        let world = open_sandbox_with_latency(dir.path());
        let took = time_enable(&world, &["--prepare"]).await;
        let calls = world.sandbox_recorded_aws_calls();
        let chain = longest_dependent_chain(&calls);
        println!("{chain} calls depend on each other, {took:?}");
        let chain = CALL_LATENCY * u32::try_from(chain).unwrap();
        assert!(took <= chain.mul_f64(1.25), "{took:?} for a chain of {chain:?}");
    });
}

/// Fills the sandbox's bucket with packages that say nothing of caching.
fn put_silent_packages(world: &Sandbox, count: usize) {
    let store = &world.sandbox_in_memory_state().objects;
    let put = store.change_stored_bucket::<(), std::io::Error>(seed::SANDBOX_BUCKET, |objects| {
        let like = objects.values().find_map(|versions| versions.last()).cloned().unwrap();
        let packages = (0..count).map(|nth| {
            let mut object = like.clone();
            object.key = format!("7/{}/debian/package_files/{nth}.deb", nth % 64);
            object.attributes.remove("cache-control");
            BucketJournalChange::Put(Box::new(object))
        });
        Ok((packages.collect(), ()))
    });
    put.unwrap();
}

/// An upgrade, until it is live and verified: what it asked AWS for, and how long that took.
async fn measure_upgrade_until_live(objects: usize, deployment: Duration) -> (usize, Duration) {
    let dir = tempfile::tempdir().unwrap();
    let delays = SandboxPropagationDelays { distribution: deployment, ..SandboxPropagationDelays::NONE };
    let world = sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.path().to_owned(),
        latency: CALL_LATENCY,
        delays: Some(delays),
        ..SandboxOptions::default()
    })
    .unwrap();
    put_silent_packages(&world, objects);
    world.clear_call_ledger();
    let took = time_enable(&world, &["--upgrade", "--skip-reindex"]).await;
    let calls = world.sandbox_recorded_aws_calls();
    let of_aws = |call: &&SandboxApiCallRecord| {
        AWS_SERVICES.contains(&call.service.as_str()) && call.operation != "Decrypt"
    };
    (calls.iter().filter(of_aws).count(), took)
}

/// The reindex runs beside and is no part of it. Before packages were cached by their path, going live waited for it: each
/// object was listed twice, asked for and copied, at the 7,000 copies a second that the plan reckons with (README). From
/// `SURVEY_PAGES_MAX` pages on, four thousand objects, a bucket of any size is asked for the same.
#[test]
fn an_upgrade_is_live_within_one_deployment_however_many_objects_there_are() {
    run_on_paused_clock(async || {
        for objects in [10, 1_500, 6_000] {
            // How often Deployed is asked for is CloudFront's pace, every 15 s: counted apart.
            let (calls, _) = measure_upgrade_until_live(objects, Duration::ZERO).await;
            let (with_polls, took) = measure_upgrade_until_live(objects, DEPLOYMENT).await;
            println!("{objects} objects: {calls} calls, {with_polls} with the polls; live after {took:?}");
            assert!(calls <= UPGRADE_CALLS_MAX, "{objects}: {calls}");
            assert!(took < DEPLOYMENT + Duration::from_mins(1), "{objects}: {took:?}");
        }
        let many: u64 = 10_000_000;
        let waited_for = 2 * many + 2 * many.div_ceil(1000);
        let waited = Duration::from_secs(many / COPIES_A_SECOND);
        println!("{many} objects: {waited_for} calls of S3 and {waited:?} that going live once waited for");
    });
}
