//! AWS's own refusals, each played by the sandbox where a run meets it: the reason and the next move that fits it are said, nothing is lost, and the next run goes on where it stopped.
//!
//! What isn't AWS's answer at all, or half of one, is never called a refusal.

use std::collections::BTreeSet;

use packagecloud_cloudfront::{
    model::{
        failure::{Failure, FailureKind},
        run::{
            answers::{OperatorAnswers, ReindexEngine},
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::{control_plane::s3, refusals::SANDBOX_REFUSALS, seed::SANDBOX_BUCKET},
};

use crate::{
    engine::{SET_UP_STAGES, count_made_resources, open_instant_sandbox, run_stages},
    session::open_session,
};

/// What is refused, and what must be said of it.
struct PlayedRefusal {
    operation: &'static str,
    name: &'static str,
    why: &'static str,
    next: &'static str,
}

const fn played(
    operation: &'static str,
    name: &'static str,
    why: &'static str,
    next: &'static str,
) -> PlayedRefusal {
    PlayedRefusal { operation, name, why, next }
}

/// Of what is set up.
const SET_UP_REFUSALS: &[PlayedRefusal] = &[
    played(
        "cloudfront:CreateDistributionWithTags",
        "unverified-account",
        "Your account must be verified before you can add new CloudFront resources",
        "open a case with AWS Support",
    ),
    played(
        "cloudfront:CreateCloudFrontOriginAccessIdentity",
        "unverified-account",
        "Your account must be verified",
        "continues where it stopped",
    ),
    played(
        "s3:PutBucketPolicy",
        "block-public-policy",
        "the BlockPublicPolicy setting in S3 Block Public Access",
        "one that stood there before is",
    ),
    played(
        "iam:CreateRole",
        "permissions-boundary",
        "no permissions boundary allows the iam:CreateRole action",
        "allow iam:CreateRole in the boundary too",
    ),
    played(
        "kms:CreateKey",
        "session-policy",
        "no session policy allows",
        "use credentials without a session policy",
    ),
    played(
        "lambda:CreateFunction",
        "vpc-endpoint",
        "no VPC endpoint policy allows",
        "allow lambda:CreateFunction there, or run this from a host",
    ),
    played(
        "kms:CreateAlias",
        "service-control-policy",
        "explicit deny in a service control policy",
        "the administrator of AWS Organizations",
    ),
    played(
        "s3:PutBucketPolicy",
        "resource-control-policy",
        "explicit deny in a resource control policy",
        "denies s3:PutBucketPolicy on this account's resources",
    ),
    played(
        "s3:PutBucketPolicy",
        "resource-policy",
        "explicit deny in a resource-based policy",
        "the resource's own policy (of the bucket or the key) denies s3:PutBucketPolicy",
    ),
    played(
        "lambda:PublishVersion",
        "explicit-deny",
        "explicit deny in an identity-based policy",
        "remove that statement",
    ),
    played(
        "kms:CreateKey",
        "key-lockout",
        "will not allow you to update the key policy in the future",
        "allow this identity kms:PutKeyPolicy",
    ),
    played(
        "cloudfront:CreateDistributionWithTags",
        "quota-distributions",
        "TooManyDistributions",
        "raise the quota that AWS names",
    ),
    played(
        "cloudfront:CreateDistributionWithTags",
        "quota-cache-behaviors",
        "TooManyCacheBehaviors",
        "raise the quota",
    ),
    played("cloudfront:CreateCachePolicy", "quota-cache-policies", "TooManyCachePolicies", "raise the quota"),
    played(
        "iam:CreateRole",
        "quota-roles",
        "Cannot exceed quota for RolesPerAccount: 1000",
        "raise the quota",
    ),
    played("lambda:CreateFunction", "quota-code", "Code storage limit exceeded", "raise the quota"),
    played(
        "cloudfront:CreateDistributionWithTags",
        "pricing-plan",
        "with a pricing plan subscription",
        "cancel the plan in the CloudFront console",
    ),
    played("s3:PutBucketPolicy", "wrong-region", "expecting 'eu-central-1'", "give --region eu-central-1"),
];

/// Of the reindex: every copy is refused.
const REINDEX_REFUSALS: &[PlayedRefusal] = &[
    played("s3:CopyObject", "block-public-acls", "the BlockPublicAcls setting", "give --no-acl"),
    played(
        "s3:CopyObject",
        "no-kms-right",
        "not authorized to perform: kms:GenerateDataKey",
        "allow kms:GenerateDataKey: attach the policy",
    ),
    played(
        "s3:CopyObject",
        "kms-disabled",
        "under a KMS key that can't be used (arn:aws:kms:us-east-1:999999999999:key/objects is disabled)",
        "enable the KMS key",
    ),
    played("s3:CopyObject", "kms-pending-deletion", "key/objects is pending deletion", "cancel its deletion"),
    played("s3:CopyObject", "kms-missing", "key/objects' does not exist", "a key that is gone"),
    played(
        "s3:CopyObject",
        "unforeseen",
        "SomethingNobodyForesaw: a reason that is in no table",
        "report it with the request id",
    ),
];

fn answers_for_upgrade() -> OperatorAnswers {
    OperatorAnswers { goal: Some(OperatorGoal::Upgrade), ..OperatorAnswers::default() }
}

/// How a run ends in which the operation is refused each time.
async fn run_refused(dir: &std::path::Path, row: &PlayedRefusal, stages: &[RunStage]) -> Failure {
    let fault = format!("{}:1+:refuse:{}", row.operation, row.name);
    let world = open_instant_sandbox(dir, std::slice::from_ref(&fault));
    let (_, result) = run_stages(&world, &answers_for_upgrade(), stages).await;
    let failure = result.expect_err(&fault);
    // Shown where the output is: to be read by eye.
    println!("{fault}\n  {failure}\n  next: {}", failure.next);
    assert!(failure.why.contains(row.why), "{fault}: {failure:?}");
    assert!(failure.next.contains(row.next), "{fault}: {failure:?}");
    failure
}

#[tokio::test(start_paused = true)]
async fn each_refusal_says_what_helps_and_the_next_run_goes_on() {
    for row in SET_UP_REFUSALS {
        let dir = tempfile::tempdir().unwrap();
        Box::pin(run_refused(dir.path(), row, &SET_UP_STAGES)).await;
        let again = open_instant_sandbox(dir.path(), &[]);
        let (_, result) = Box::pin(run_stages(&again, &answers_for_upgrade(), &SET_UP_STAGES)).await;
        assert_eq!(result, Ok(()), "{} {}: the next run", row.operation, row.name);
        assert_eq!(count_made_resources(&again), [1, 1, 1, 1, 1], "{} {}", row.operation, row.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reindex_of_which_every_copy_is_refused_fails_with_the_reason() {
    for row in REINDEX_REFUSALS {
        let dir = tempfile::tempdir().unwrap();
        let failure = Box::pin(run_refused(dir.path(), row, &[RunStage::Reindex])).await;
        let kind = if row.name == "no-kms-right" { FailureKind::Denied } else { failure.kind };
        assert_eq!(failure.kind, kind, "{failure:?}");
        let again = open_instant_sandbox(dir.path(), &[]);
        let (_, result) = Box::pin(run_stages(&again, &answers_for_upgrade(), &[RunStage::Reindex])).await;
        assert_eq!(result, Ok(()), "{}: the next run", row.name);
    }
}

#[test]
fn every_refusal_of_the_sandbox_is_played() {
    let rows = SET_UP_REFUSALS.iter().chain(REINDEX_REFUSALS).map(|row| row.name);
    let all: BTreeSet<&str> = SANDBOX_REFUSALS.iter().map(|one| one.name).collect();
    assert_eq!(rows.collect::<BTreeSet<_>>(), all);
}

/// AWS adds members to a distribution's configuration; an update by an older SDK would take them off.
#[tokio::test(start_paused = true)]
async fn a_distribution_with_settings_newer_than_the_sdk_is_left_to_a_newer_release() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    let answers = answers_for_upgrade();
    assert_eq!(Box::pin(run_stages(&world, &answers, &SET_UP_STAGES)).await.1, Ok(()));
    let newer = world.update_sandbox_state_on_disk(|state| {
        let ours = state.cloudfront.distributions.values_mut().next().unwrap();
        let added = "<OriginHttpVersion>http2</OriginHttpVersion></DistributionConfig>";
        ours.config = ours
            .config
            .replace("<IsIPV6Enabled>true</IsIPV6Enabled>", "<IsIPV6Enabled>false</IsIPV6Enabled>")
            .replace("</DistributionConfig>", added);
        ours.config.clone()
    });
    let (_, result) = Box::pin(run_stages(&world, &answers, &[RunStage::Distribution])).await;
    let failure = result.unwrap_err();
    println!("{failure}\n  next: {}", failure.next);
    assert!(failure.why.contains("OriginHttpVersion = http2"), "{failure:?}");
    assert!(failure.next.contains("a newer release of this tool"), "{failure:?}");
    let now = world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().next().unwrap().config.clone()
    });
    assert_eq!(now, newer, "nothing was written");
}

/// A page, or half an answer, each time.
#[tokio::test(start_paused = true)]
async fn what_is_no_answer_of_awss_is_never_called_a_refusal() {
    for (fault, says) in [
        (
            "page",
            "a page titled \"Web filter: access blocked\" (HTML, status 200) came in place of AWS's answer",
        ),
        ("page:403", "(HTML, status 403) came in place of AWS's answer"),
        ("page:404", "(HTML, status 404) came in place of AWS's answer"),
        ("cut", "ends in the middle, or is no answer of AWS's"),
    ] {
        for operation in [
            "iam:GetRolePolicy",
            "iam:PutRolePolicy",
            "kms:DescribeKey",
            "kms:Encrypt",
            "lambda:GetFunction",
            "cloudfront:ListCachePolicies",
            "s3:ListObjectsV2",
        ] {
            let dir = tempfile::tempdir().unwrap();
            let world = open_instant_sandbox(dir.path(), &[format!("{operation}:1+:{fault}")]);
            let (_, result) = Box::pin(run_stages(&world, &answers_for_upgrade(), &SET_UP_STAGES)).await;
            let failure = result.expect_err(operation);
            println!("{operation} {fault}\n  {failure}\n  next: {}", failure.next);
            assert_eq!(failure.kind, FailureKind::Unreachable, "{operation} {fault}: {failure:?}");
            assert!(failure.why.contains(says), "{operation} {fault}: {failure:?}");
            assert!(failure.next.contains("proxy"), "{operation} {fault}: {failure:?}");
            assert!(!failure.why.contains("refused"), "{operation} {fault}: {failure:?}");
        }
    }
}

/// Of a single one nobody notices anything: it is asked for again, as after a lost reply.
#[tokio::test(start_paused = true)]
async fn half_an_answer_or_a_page_is_asked_for_again_and_makes_nothing_twice() {
    for operation in [
        "iam:CreateRole",
        "kms:CreateKey",
        "kms:CreateAlias",
        "lambda:CreateFunction",
        "lambda:PublishVersion",
        "cloudfront:CreateCloudFrontOriginAccessIdentity",
        "cloudfront:CreateCachePolicy",
        "cloudfront:CreateDistributionWithTags",
        "s3:GetBucketPolicy",
    ] {
        for fault in ["cut", "page", "page:403"] {
            // A distribution is looked up after a lost reply, and never asked for again in the same run.
            if operation == "cloudfront:CreateDistributionWithTags" && fault != "cut" {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let world = open_instant_sandbox(dir.path(), &[format!("{operation}:1:{fault}")]);
            let (_, result) = Box::pin(run_stages(&world, &answers_for_upgrade(), &SET_UP_STAGES)).await;
            assert_eq!(result, Ok(()), "{operation} {fault}");
            assert_eq!(count_made_resources(&world), [1, 1, 1, 1, 1], "{operation} {fault}");
        }
    }
}

/// S3 Control is another host than S3, and its answer is optional: a proxy that lets only S3 through stops nobody, and half
/// an answer is none.
#[tokio::test(start_paused = true)]
async fn an_account_side_of_s3_that_gives_no_answer_leaves_one_setting_unread() {
    for fault in ["lost", "hang", "page:403", "cut"] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_instant_sandbox(dir.path(), &[format!("s3control:GetPublicAccessBlock:1+:{fault}")]);
        world.update_sandbox_state_on_disk(|state| {
            state.s3control.public_access_block = Some(
                "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>".into(),
            );
            // Objects may have ACLs, so it matters what is blocked, and the bucket itself blocks nothing.
            let settings = &mut state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().settings;
            settings.insert("publicAccessBlock".into(), "<PublicAccessBlockConfiguration/>".into());
            settings.insert(
                "ownershipControls".into(),
                "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>".into(),
            );
        });
        let session = open_session(&world);
        let target = Box::pin(session.get_or_discover_aws_target(&answers_for_upgrade())).await.unwrap();
        let bucket = &target.bucket;
        assert!(!bucket.public_access.blocks_public_acls, "{fault}: {bucket:?}");
        let unread: Vec<&str> = bucket.unread.iter().map(String::as_str).collect();
        let [why] = unread[..] else { panic!("{fault}: {unread:?}") };
        assert!(
            why.starts_with("Block Public Access of the account: ")
                && why.contains("GetAccountPublicAccessBlock"),
            "{fault}: {why}"
        );
    }
}

/// What is S3 Batch Operations' is asked for again as all else is.
#[tokio::test(start_paused = true)]
async fn half_an_answer_about_a_job_is_asked_for_again() {
    for (operation, fault) in [
        ("CreateJob", "cut"),
        ("CreateJob", "page:403"),
        ("DescribeJob", "cut"),
        ("DescribeJob", "page"),
        ("ListJobs", "cut"),
        ("ListJobs", "page:403"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_instant_sandbox(dir.path(), &[format!("s3control:{operation}:1:{fault}")]);
        for number in 0..12 {
            let key = format!("7/8/debian/package_files/{number}.deb");
            s3::place_sandbox_object(&world, SANDBOX_BUCKET, &key, &[], b"a package").unwrap();
            s3::modify_stored_object_in_place(&world, SANDBOX_BUCKET, &key, |object| object.modified -= 3600)
                .unwrap();
        }
        let mut answers = answers_for_upgrade();
        answers.reindex.engine = ReindexEngine::Batch;
        let (said, result) = Box::pin(run_stages(&world, &answers, &[RunStage::Reindex])).await;
        assert_eq!(result, Ok(()), "{operation} {fault}: {:?}", said.last());
    }
}
