//! `verify` on a sandbox that is live: each cause of a refusal ends in one verdict that names it, with one next move.
//!
//! The set-up runs once; each test breaks one thing in a copy of its own. Time is tokio's, and paused.

use std::{fs, path::Path, sync::Arc, time::Duration};

use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use packagecloud_cloudfront::{
    app::compose::open_sandbox_session,
    aws::credentials::lookup::FixedOrDiscoveredAwsIdentity,
    engine::{self, RunContext, Session, SessionSettings},
    host::HostClock,
    model::{
        failure::Failure,
        run::{
            answers::OperatorAnswers,
            check::{CheckResult, CheckVerdict},
            event::StageEnd,
            goal::{OperatorGoal, RunStage},
        },
        secret::Secret,
    },
    sandbox::{self, Sandbox, SandboxOptions, packagecloud, seed},
};
use tokio::sync::OnceCell;

/// How one test's world is looked at.
#[derive(Default)]
pub struct ViewerConditions {
    /// Seconds by which this machine's clock is slow.
    pub slow: u64,
    /// Reach the edge there.
    pub edge: Option<String>,
}

/// A clock that is behind the world's.
#[derive(Debug, Clone)]
struct SlowViewerClock(Sandbox, Duration);

impl TimeSource for SlowViewerClock {
    fn now(&self) -> std::time::SystemTime {
        std::time::UNIX_EPOCH + self.0.sandbox_unix_time_now().checked_sub(self.1).unwrap()
    }
}

pub fn open_session(world: &Sandbox, eye: &ViewerConditions) -> Session {
    let slow = SlowViewerClock(world.clone(), Duration::from_secs(eye.slow));
    let config = world
        .build_sandbox_sdk_config()
        .to_builder()
        .time_source(SharedTimeSource::new(slow.clone()))
        .build();
    let identities = FixedOrDiscoveredAwsIdentity::Fixed(Box::new(config));
    let Session { mut host, settings, .. } = open_sandbox_session(world).unwrap();
    host.clock = HostClock::new(move || slow.0.sandbox_unix_time_now().checked_sub(slow.1).unwrap());
    let web = identities.build_unsigned_http_client(eye.edge.clone());
    // The token stays the one of a fresh sandbox, whatever a test makes packagecloud take.
    let probe_token = Some(Secret::new("demo-token".to_owned()));
    let settings = SessionSettings { identities, probe_token, ..Arc::into_inner(settings).unwrap() };
    Session::new(host, web, settings)
}

/// Every stage of an upgrade; the failure of the one that fails.
async fn run_enable_stages(session: &Session, answers: &OperatorAnswers) -> Result<bool, Failure> {
    let (mut changed, answers) = (false, &crate::engine::with_yes(answers));
    for stage in [
        RunStage::Reindex,
        RunStage::Secret,
        RunStage::Bootstrap,
        RunStage::Distribution,
        RunStage::Configuration,
        RunStage::GoLive,
    ] {
        let plan = engine::look(session, stage, answers).await?;
        changed |= !plan.is_plan_without_changes();
        match engine::apply(session, &plan, answers, &RunContext::new_silent_context()).await {
            (StageEnd::Failed, Some(failure)) => return Err(failure),
            (end, _) => assert!(matches!(end, StageEnd::Applied | StageEnd::Unchanged), "{stage:?}: {end:?}"),
        }
    }
    Ok(changed)
}

pub fn upgrade_answers() -> OperatorAnswers {
    OperatorAnswers { goal: Some(OperatorGoal::Upgrade), ..OperatorAnswers::default() }
}

fn open_sandbox(dir: &Path) -> Sandbox {
    sandbox::open_or_seed_sandbox(&SandboxOptions { dir: dir.to_owned(), ..SandboxOptions::default() })
        .unwrap()
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_directory(&path, &to) } else { _ = fs::copy(&path, to).unwrap() }
    }
}

/// A copy of a sandbox that is live.
pub async fn copy_live_sandbox() -> (tempfile::TempDir, Sandbox) {
    static LIVE_SANDBOX: OnceCell<tempfile::TempDir> = OnceCell::const_new();
    let first = LIVE_SANDBOX
        .get_or_init(async || {
            let dir = tempfile::tempdir().unwrap();
            let world = open_sandbox(dir.path());
            run_enable_stages(&open_session(&world, &ViewerConditions::default()), &upgrade_answers())
                .await
                .unwrap();
            dir
        })
        .await;
    let dir = tempfile::tempdir().unwrap();
    copy_directory(first.path(), dir.path());
    let world = open_sandbox(dir.path());
    (dir, world)
}

pub async fn run_verify(world: &Sandbox, eye: &ViewerConditions) -> Vec<CheckResult> {
    engine::run_verify_checks(
        &open_session(world, eye),
        &upgrade_answers(),
        &RunContext::new_silent_context(),
    )
    .await
    .unwrap()
}

/// The verdict names `why`, and gives `next` as its one move.
#[track_caller]
fn assert_verdict(checks: &[CheckResult], why: &str, next: &str) {
    let verdicts: Vec<&CheckResult> = checks.iter().filter(|check| check.name == "verdict").collect();
    let [verdict] = verdicts[..] else { panic!("one verdict: {checks:#?}") };
    assert_eq!(verdict.result, CheckVerdict::Fail, "{checks:#?}");
    assert!(verdict.detail.contains(why), "{why}: {verdict:#?}");
    assert!(verdict.next.contains(next), "{next}: {verdict:#?}");
}

#[track_caller]
fn find_check_verdict(checks: &[CheckResult], name: &str) -> CheckVerdict {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("{name}: {checks:#?}")).result
}

#[tokio::test(start_paused = true)]
async fn all_passes_where_all_is_well() {
    let (_dir, world) = copy_live_sandbox().await;
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert!(checks.iter().all(|check| check.result == CheckVerdict::Pass), "{checks:#?}");
    assert!(checks.last().unwrap().detail.contains("only with a token"));
}

#[tokio::test(start_paused = true)]
async fn a_package_is_found_behind_a_thousand_indexes() {
    let (_dir, world) = copy_live_sandbox().await;
    for number in 0..1100 {
        let key = format!("0/1/debian/dists/release{number}/Release");
        sandbox::control_plane::s3::place_sandbox_object(&world, seed::SANDBOX_BUCKET, &key, &[], b"x")
            .unwrap();
    }
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert!(checks.iter().all(|check| check.result == CheckVerdict::Pass), "{checks:#?}");
    let signed = checks.iter().find(|check| check.name == "signed-url").unwrap();
    assert!(signed.detail.contains("the object's own"), "{signed:?}");
}

#[tokio::test(start_paused = true)]
async fn this_nodes_secret_is_not_the_edges() {
    let (dir, world) = copy_live_sandbox().await;
    let path = dir.path().join("packagecloud.rb");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.starts_with("packagecloud_rails['cloudfront_secret']")).unwrap();
    let other = "packagecloud_rails['cloudfront_secret'] = 'MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI='";
    fs::write(&path, text.replace(line, other)).unwrap();
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(
        &checks,
        "cloudfront_secret is not the one that the edge holds",
        "configuration --show-secret",
    );
    assert_eq!(find_check_verdict(&checks, "signed-url"), CheckVerdict::Fail);
}

#[tokio::test(start_paused = true)]
async fn the_web_node_that_answers_has_another_secret() {
    let (_dir, world) = copy_live_sandbox().await;
    world.update_sandbox_state_on_disk(|state| {
        for node in &mut state.packagecloud.nodes {
            node.secret = Some("MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=".to_owned());
        }
    });
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(&checks, "signs with another secret", "give it the same cloudfront_secret");
    assert_eq!(find_check_verdict(&checks, "signed-url"), CheckVerdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn another_distribution_opens_the_bucket_and_the_rest_is_checked_too() {
    let (_dir, world) = copy_live_sandbox().await;
    world.update_sandbox_state_on_disk(|state| {
        let mut other = state.cloudfront.distributions.values().next().unwrap().clone();
        other.id = "EOTHER0000000A".to_owned();
        other.config = other.config.replace("viewer-request", "viewer-response");
        other.tags.clear();
        state.cloudfront.distributions.insert(other.id.clone(), other);
    });
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(&checks, "distribution EOTHER0000000A", "put the authenticator on all its behaviors");
    assert_eq!(find_check_verdict(&checks, "other-distribution"), CheckVerdict::Fail);
    assert_eq!(find_check_verdict(&checks, "signed-url"), CheckVerdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_slow() {
    let (_dir, world) = copy_live_sandbox().await;
    let checks = run_verify(&world, &ViewerConditions { slow: 200, ..ViewerConditions::default() }).await;
    assert_verdict(&checks, "200 s behind AWS", "set the clock");
    // Slower than AWS bears, nothing can be asked: the reason is the same.
    let session = open_session(&world, &ViewerConditions { slow: 1000, ..ViewerConditions::default() });
    let failure = engine::run_verify_checks(&session, &upgrade_answers(), &RunContext::new_silent_context())
        .await
        .unwrap_err();
    assert!(failure.to_string().contains("clock") && failure.next.contains("set the clock"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn the_function_cant_decrypt() {
    let (_dir, world) = copy_live_sandbox().await;
    world.update_sandbox_state_on_disk(|state| {
        state.kms.keys.values_mut().for_each(|key| key.state = "Disabled".to_owned());
    });
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(&checks, "is Disabled", "aws kms enable-key --region us-east-1 --key-id");
    assert_eq!(find_check_verdict(&checks, "signed-url"), CheckVerdict::Fail);
}

#[tokio::test(start_paused = true)]
async fn the_functions_role_may_no_longer_decrypt() {
    let (_dir, world) = copy_live_sandbox().await;
    world.update_sandbox_state_on_disk(|state| {
        state.iam.roles.values_mut().for_each(|role| role.policies.clear());
    });
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(
        &checks,
        "its role, or the KMS key's policy, no longer lets it",
        "packagecloud-cloudfront enable",
    );
    assert_eq!(find_check_verdict(&checks, "signed-url"), CheckVerdict::Fail);
    // That move mends it, and the next request is served by the same version.
    run_enable_stages(&open_session(&world, &ViewerConditions::default()), &upgrade_answers()).await.unwrap();
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_eq!(checks.last().unwrap().result, CheckVerdict::Pass, "{checks:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_bucket_policy_statement_is_gone() {
    let (_dir, world) = copy_live_sandbox().await;
    world.update_sandbox_state_on_disk(|state| {
        state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap().policy = None;
    });
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(
        &checks,
        "statement in the bucket policy that lets it read is gone",
        "packagecloud-cloudfront enable",
    );
    assert_eq!(find_check_verdict(&checks, "metadata-fresh"), CheckVerdict::Fail);
    // That move mends it.
    run_enable_stages(&open_session(&world, &ViewerConditions::default()), &upgrade_answers()).await.unwrap();
    assert_eq!(
        run_verify(&world, &ViewerConditions::default()).await.last().unwrap().result,
        CheckVerdict::Pass
    );
}

#[tokio::test(start_paused = true)]
async fn another_node_is_off() {
    let (_dir, world) = copy_live_sandbox().await;
    packagecloud::add_unrestarted_sandbox_web_node(&world);
    world.update_sandbox_state_on_disk(|state| state.packagecloud.nodes[1].enabled = false);
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(&checks, "5 of 10 redirects go to CloudFront", "on the other node");
    assert_eq!(find_check_verdict(&checks, "signed-url"), CheckVerdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn packagecloud_runs_on_other_values_than_the_file() {
    let (_dir, world) = copy_live_sandbox().await;
    world.update_sandbox_state_on_disk(|state| state.packagecloud.nodes[0].enabled = false);
    assert_verdict(
        &run_verify(&world, &ViewerConditions::default()).await,
        "packagecloud.rb says on",
        "packagecloud-cloudfront reconfigure && packagecloud-cloudfront restart",
    );
    world.update_sandbox_state_on_disk(|state| {
        let node = &mut state.packagecloud.nodes[0];
        (node.enabled, node.domain) = (true, Some("d0old.cloudfront.net".to_owned()));
    });
    assert_verdict(
        &run_verify(&world, &ViewerConditions::default()).await,
        "(d0old.cloudfront.net)",
        "packagecloud-cloudfront reconfigure && packagecloud-cloudfront restart",
    );
}

#[tokio::test(start_paused = true)]
async fn cloudfront_is_fine_and_packagecloud_refuses() {
    let (dir, world) = copy_live_sandbox().await;
    fs::write(dir.path().join("tokens"), "another-token\n").unwrap();
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(&checks, "CloudFront is fine; packagecloud itself answers 401", "read token");
    world.update_sandbox_state_on_disk(|state| {
        state.packagecloud.back = Duration::from_secs(u64::from(u32::MAX) * 2);
    });
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(&checks, "CloudFront is fine; packagecloud itself answers 502", "packagecloud-ctl status");
}

#[tokio::test(start_paused = true)]
async fn clients_cant_reach_the_domain() {
    let (_dir, world) = copy_live_sandbox().await;
    let checks =
        run_verify(&world, &ViewerConditions { edge: Some("https://filtered.example".to_owned()), slow: 0 })
            .await;
    assert_verdict(
        &checks,
        ".cloudfront.net can't be reached from here",
        "port 443, in firewalls and proxies",
    );
}

#[tokio::test(start_paused = true)]
async fn another_construction_is_named_and_once_published_kept() {
    let (_dir, world) = copy_live_sandbox().await;
    let other = "raw:expires+path".parse().unwrap();
    world.update_sandbox_state_on_disk(|state| state.packagecloud.construction = Some(other));
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert_verdict(&checks, "makes its tokens as raw:expires+path", "--construction raw:expires+path");
    let asked = OperatorAnswers { construction: Some(other), ..upgrade_answers() };
    assert!(run_enable_stages(&open_session(&world, &ViewerConditions::default()), &asked).await.unwrap());
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    assert!(checks.iter().all(|check| check.result == CheckVerdict::Pass), "{checks:#?}");
    assert!(
        !run_enable_stages(&open_session(&world, &ViewerConditions::default()), &upgrade_answers())
            .await
            .unwrap(),
        "it is kept"
    );
    assert_eq!(
        engine::determine_edge_token_construction(
            &open_session(&world, &ViewerConditions::default()),
            &upgrade_answers()
        ),
        other
    );
}

/// A package of one byte, the smallest of all, that no edge can serve: it lies so.
async fn put_unservable_package(world: &Sandbox, kind: &str) -> &'static str {
    use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};
    let config =
        aws_sdk_s3::config::Builder::from(&world.build_sandbox_sdk_config()).force_path_style(true).build();
    let key = match kind {
        "double slash" => "7/8/debian/package_files//tiny.deb",
        "control character" => "7/8/debian/package_files/a\u{1}b.deb",
        _ => "7/8/debian/package_files/tiny.deb",
    };
    let put = aws_sdk_s3::Client::from_conf(config).put_object().bucket(seed::SANDBOX_BUCKET).key(key);
    let put = match kind {
        "archived" => put.storage_class(StorageClass::DeepArchive),
        "kms" => put.server_side_encryption(ServerSideEncryption::AwsKms),
        "customer" => put
            .sse_customer_algorithm("AES256")
            .sse_customer_key("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
            .sse_customer_key_md5("F40fHUMUQEmMKwZHpSFcnw=="),
        _ => put,
    };
    put.body(b"x".to_vec().into()).send().await.unwrap();
    key
}

#[tokio::test(start_paused = true)]
async fn a_package_that_cant_be_served_stops_nothing_and_another_is_asked_for() {
    use packagecloud_cloudfront::model::run::answers::OriginAccess;
    for (kind, named, why) in [
        (
            "double slash",
            "object-keys",
            "7/8/debian/package_files//tiny.deb: the edge refuses a path with //",
        ),
        ("control character", "object-keys", "7/8/debian/package_files/a\\u{1}b.deb"),
        // By the listing already, without a word.
        ("archived", "signed-url", "the object's own"),
        (
            "customer",
            "signed-url",
            "another was not served: 7/8/debian/package_files/tiny.deb is encrypted under a customer's own key",
        ),
        (
            "kms",
            "signed-url",
            "another was not served: 7/8/debian/package_files/tiny.deb: S3 refuses CloudFront",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_sandbox(dir.path());
        let key = put_unservable_package(&world, kind).await;
        let mut answers = OperatorAnswers { origin_access: OriginAccess::Oai, ..upgrade_answers() };
        // An object in cold storage is asked about.
        answers.consents.reindex_effects = true;
        let session = open_session(&world, &ViewerConditions::default());
        if named == "object-keys" {
            for (goal, stage) in
                [(OperatorGoal::Upgrade, RunStage::Reindex), (OperatorGoal::Install, RunStage::GoLive)]
            {
                let answers = OperatorAnswers { goal: Some(goal), ..answers.clone() };
                let notes = engine::look(&session, stage, &answers).await.unwrap().notes;
                assert!(
                    notes.iter().any(|note| note.contains("no link can ever carry the key")),
                    "{notes:?}"
                );
            }
        }
        Box::pin(run_enable_stages(&session, &answers)).await.unwrap();
        let checks = run_verify(&world, &ViewerConditions::default()).await;
        assert!(!checks.iter().any(CheckResult::has_failed), "{kind}: {checks:#?}");
        let check = checks.iter().find(|check| check.name == named).unwrap();
        assert!(check.detail.contains(why), "{kind} {key}: {check:#?}");
        assert_eq!(find_check_verdict(&checks, "signed-url"), CheckVerdict::Pass, "{kind}");
        assert_eq!(find_check_verdict(&checks, "packagecloud-redirect"), CheckVerdict::Pass, "{kind}");
    }
}

/// Denies everybody the reading of objects, or no longer: what a grant looks like that S3 doesn't know everywhere yet.
fn deny_reading(world: &Sandbox, denied: bool) {
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
        let mut policy: serde_json::Value = serde_json::from_str(bucket.policy.as_ref().unwrap()).unwrap();
        let statements = policy["Statement"].as_array_mut().unwrap();
        statements.retain(|one| one["Sid"] != "NotYet");
        if denied {
            let objects = format!("arn:aws:s3:::{}/*", seed::SANDBOX_BUCKET);
            statements.push(serde_json::json!({"Sid": "NotYet", "Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "s3:GetObject", "Resource": objects}));
        }
        bucket.policy = Some(policy.to_string());
    });
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_is_not_seen_everywhere_is_asked_again_for_two_minutes() {
    for (seen_after, passes) in [(Some(90), true), (None, false)] {
        let (_dir, world) = copy_live_sandbox().await;
        deny_reading(&world, true);
        let began = tokio::time::Instant::now();
        let grant = async {
            if let Some(seconds) = seen_after {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                deny_reading(&world, false);
            }
        };
        let conditions = ViewerConditions::default();
        let (checks, ()) = tokio::join!(run_verify(&world, &conditions), grant);
        let took = began.elapsed().as_secs();
        if passes {
            assert_eq!(checks.last().unwrap().result, CheckVerdict::Pass, "{checks:#?}");
            assert!((90..120).contains(&took), "{took}");
        } else {
            assert_verdict(&checks, "package_files/", "check — it looks at each");
            assert!((120..180).contains(&took), "{took}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_another_host_proves_nothing_and_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(dir.path());
    let session = open_session(&world, &ViewerConditions::default());
    let foreign = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            world.update_sandbox_state_on_disk(|state| {
                for node in state.packagecloud.nodes.iter_mut().filter(|node| node.enabled) {
                    node.domain = Some("evil.example".to_owned());
                }
            });
        }
    };
    let answers = upgrade_answers();
    let failure = tokio::select! {
        result = run_enable_stages(&session, &answers) => result.unwrap_err(),
        () = foreign => unreachable!(),
    };
    assert!(
        failure.why.contains("within a minute: it answers 302 to CloudFront (evil.example), not to"),
        "{failure:?}"
    );
    assert!(failure.why.contains("CloudFront is off again"), "{failure:?}");
    let text = fs::read_to_string(dir.path().join("packagecloud.rb")).unwrap();
    assert!(text.contains("packagecloud_rails['cloudfront_enabled'] = false"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_live_install_whose_new_id_is_not_proven_is_on_again_with_the_values_of_before() {
    let (dir, world) = copy_live_sandbox().await;
    let path = dir.path().join("packagecloud.rb");
    let read = || fs::read_to_string(&path).unwrap();
    let id = world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().next().unwrap().id.clone()
    });
    fs::write(&path, read().replace(&id, "E1STANDSNOWHERE")).unwrap();
    let session = open_session(&world, &ViewerConditions::default());
    let foreign = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if !read().contains(&id) {
                continue;
            }
            world.update_sandbox_state_on_disk(|state| {
                for node in state.packagecloud.nodes.iter_mut().filter(|node| node.enabled) {
                    node.domain = Some("evil.example".to_owned());
                }
            });
        }
    };
    let answers = upgrade_answers();
    let failure = tokio::select! {
        result = run_enable_stages(&session, &answers) => result.unwrap_err(),
        () = foreign => unreachable!(),
    };
    assert!(failure.why.contains("evil.example"), "{failure:?}");
    assert!(failure.why.contains("CloudFront is on again with the values of before"), "{failure:?}");
    let text = read();
    assert!(text.contains("packagecloud_rails['cloudfront_enabled'] = true"), "{text}");
    assert!(text.contains("packagecloud_rails['cloudfront_distribution_id'] = 'E1STANDSNOWHERE'"), "{text}");
}
