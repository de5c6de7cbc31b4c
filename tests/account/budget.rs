//! How many calls `enable` makes, and how long it takes beside its longest chain of calls that need each other's answers.
//!
//! Calls are those to AWS; asking packagecloud and the edge, as a package manager does, is no call.

use std::time::Duration;

use packagecloud_cloudfront::{
    args::Arguments,
    cli::{self, Session},
    model::run::{answers::Answers, goal::Goal},
    sandbox::{
        self, Delays, Options, World,
        ledger::{self, Call},
    },
};
use tokio_util::sync::CancellationToken;

use crate::ground::ground;

/// The contract of both is 60 and 25.
const FRESH: usize = 58;
const AGAIN: usize = 22;
const LATENCY: Duration = Duration::from_millis(100);
const AWS: [&str; 7] = ["sts", "iam", "kms", "acm", "lambda", "cloudfront", "s3"];

/// What a call can only come after, since it needs its answer or what it made. Whatever isn't named here needs no other.
const AFTER: &[(&str, &[&str])] = &[
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
    ("kms:CreateKey", &["iam:SimulatePrincipalPolicy"]),
    ("kms:CreateAlias", &["kms:CreateKey"]),
    ("cloudfront:CreateCloudFrontOriginAccessIdentity", &["iam:SimulatePrincipalPolicy"]),
    ("iam:PutRolePolicy", &["iam:CreateRole", "kms:CreateKey"]),
    // By its alias the key is found again: that stands before anything is sealed with it.
    ("kms:Encrypt", &["kms:CreateAlias", "iam:PutRolePolicy"]),
    ("lambda:CreateFunction", &["kms:Encrypt", "iam:PutRolePolicy", "iam:CreateServiceLinkedRole"]),
    ("lambda:GetFunctionConfiguration", &["lambda:CreateFunction", "lambda:PublishVersion"]),
    ("lambda:PublishVersion", &["lambda:GetFunctionConfiguration"]),
    // The stages follow each other: what the distribution needs is made once the bootstrap is through.
    ("cloudfront:CreateCachePolicy", &["lambda:GetFunctionConfiguration"]),
    // Once more before it is made, before it is opened to.
    (
        "cloudfront:ListDistributions",
        &["s3:HeadBucket", "cloudfront:CreateCachePolicy", "cloudfront:CreateDistributionWithTags"],
    ),
    (
        "cloudfront:CreateDistributionWithTags",
        &["cloudfront:ListDistributions", "cloudfront:CreateCachePolicy"],
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
fn longest_dependent(calls: &[Call]) -> usize {
    let name = |call: &Call| format!("{}:{}", call.service, call.operation);
    let mut depths: Vec<usize> = Vec::new();
    let mut in_order: Vec<&Call> = calls.iter().collect();
    in_order.sort_by_key(|call| (call.start, call.end));
    for (at, call) in in_order.iter().enumerate() {
        let needed = AFTER.iter().find(|(of, _)| *of == name(call)).map_or(&[][..], |(_, needed)| *needed);
        let before = in_order[..at]
            .iter()
            .zip(&depths)
            .filter(|(earlier, _)| earlier.end <= call.start && needed.contains(&name(earlier).as_str()));
        depths.push(1 + before.map(|(_, depth)| *depth).max().unwrap_or_default());
    }
    depths.into_iter().max().unwrap_or_default()
}

fn world(dir: &std::path::Path) -> World {
    let delays = Some(Delays::NONE);
    sandbox::open(&Options { dir: dir.to_owned(), latency: LATENCY, delays, ..Options::default() }).unwrap()
}

/// `enable --yes`, as the binary does it: how long it took.
async fn enable(world: &World, more: &[&str]) -> Duration {
    let line: Vec<&str> =
        ["packagecloud-cloudfront", "enable", "--yes"].iter().chain(more).copied().collect();
    let args: Arguments = clap::Parser::parse_from(&line);
    let prepare = more.contains(&"--prepare");
    let mut session = Session {
        ground: ground(world),
        answers: Answers { goal: Some(Goal::Install), prepare, ..Answers::default() },
        global: args.global,
        line: line.iter().map(|word| (*word).to_owned()).collect(),
        stop: CancellationToken::new(),
        sandbox: true,
    };
    let began = tokio::time::Instant::now();
    assert_eq!(cli::run(&mut session, &args.command.unwrap()).await, cli::DONE);
    began.elapsed()
}

/// Runs `work` on a paused clock, with the stack that the binary's main thread has: a debug build's futures are large.
fn paused<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send + 'static) {
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
fn counted(calls: &[Call]) -> String {
    let mut all = std::collections::BTreeMap::new();
    for call in calls {
        *all.entry(format!("{}:{}", call.service, call.operation)).or_insert(0) += 1;
    }
    all.iter().map(|(name, count)| format!("{count:3} {name}\n")).collect()
}

#[test]
fn a_fresh_account_costs_its_longest_chain_and_one_that_is_right_no_write() {
    paused(async || {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        // Of 60 and 25 that it may make: what it makes now, so that one more is seen.
        for (what, most) in [("fresh", FRESH), ("again", AGAIN)] {
            world.clear_ledger();
            let took = enable(&world, &[]).await;
            let all = world.ledger();
            let chain = ledger::longest_chain(&all);
            let calls: Vec<Call> =
                all.into_iter().filter(|call| AWS.contains(&call.service.as_str())).collect();
            println!("{what}: {} calls, the longest chain {chain}, {took:?}", calls.len());
            assert!(calls.len() <= most, "{what}: {} calls:\n{}", calls.len(), counted(&calls));
            let chain = LATENCY * u32::try_from(chain).unwrap();
            assert!(took <= chain.mul_f64(1.25), "{what}: {took:?} for a chain of {chain:?}");
            let writes: Vec<&Call> = calls.iter().filter(|call| call.write).collect();
            assert_eq!(what == "again", writes.is_empty(), "{what}: {writes:?}");
        }
    });
}

#[test]
fn what_is_set_up_in_aws_takes_little_longer_than_its_longest_chain_of_dependent_calls() {
    paused(async || {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let took = enable(&world, &["--prepare"]).await;
        let calls = world.ledger();
        let chain = longest_dependent(&calls);
        println!("{chain} calls depend on each other, {took:?}");
        let chain = LATENCY * u32::try_from(chain).unwrap();
        assert!(took <= chain.mul_f64(1.25), "{took:?} for a chain of {chain:?}");
    });
}
