//! `status` on a sandbox that is live: each planted fault and drift is named in its first line, with one next move; on a healthy install, and
//! on one that was switched off on purpose, nothing is.

mod faults;
mod planting;

use std::{fs, time::Duration};

use packagecloud_cloudfront::{
    engine::{self, Session, status::read_install_status},
    host::config::ParsedConfigCache,
    model::{
        run::{
            answers::OperatorAnswers,
            check::CheckVerdict,
            goal::{OperatorGoal, RunStage},
        },
        status::{CloudFrontSwitchStatus, FindingSeverity, InstallStatus, StatusVerdict},
    },
    sandbox::{self, Sandbox, control_plane::s3::place_sandbox_object, packagecloud, seed},
};

use self::{
    faults::{FAULTS, OTHER_SECRET},
    planting::{edit_config_file, edit_running_node, plant_traffic, replace_setting},
};
use crate::{
    engine::run_stages,
    permissions::AWS_SERVICES,
    verify::{ViewerConditions, copy_live_sandbox, open_session, run_verify, upgrade_answers},
};

/// What it may ask AWS (contract section 11).
const AWS_CALLS_MAX: usize = 25;
const STATUS_TIME_MAX: Duration = Duration::from_mins(1);

async fn read_status(world: &Sandbox, session: &Session) -> (InstallStatus, Duration) {
    world.clear_call_ledger();
    let began = tokio::time::Instant::now();
    let status = Box::pin(read_install_status(session, &upgrade_answers())).await;
    (status, began.elapsed())
}

/// Asks as often as it may, and each node once.
#[track_caller]
fn assert_bounds(world: &Sandbox, name: &str, took: Duration, nodes: usize) {
    let calls = world.sandbox_recorded_aws_calls();
    let of = |service: &str| calls.iter().filter(|call| call.service == service).count();
    let aws: Vec<String> = calls
        .iter()
        .filter(|call| AWS_SERVICES.contains(&call.service.as_str()))
        // That is the function's own, at the edge.
        .filter(|call| call.operation != "Decrypt")
        .map(|call| format!("{}:{}", call.service, call.operation))
        .collect();
    assert!(aws.len() <= AWS_CALLS_MAX, "{name}: {} calls: {aws:?}", aws.len());
    assert!(calls.iter().all(|call| !call.write), "{name}: it changes nothing");
    assert!(of("packagecloud") <= nodes, "{name}: packagecloud was asked {} times", of("packagecloud"));
    assert!(took <= STATUS_TIME_MAX, "{name}: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn each_planted_fault_is_the_first_line_with_one_next_move() {
    assert!(FAULTS.len() >= 25, "{}", FAULTS.len());
    let mut wrong = Vec::new();
    for fault in FAULTS {
        let (_dir, world) = copy_live_sandbox().await;
        (fault.plant)(&world);
        let session = open_session(&world, &ViewerConditions::default());
        let (status, took) = read_status(&world, &session).await;
        assert_bounds(&world, fault.name, took, 1);
        let findings = status.list_findings();
        let said = findings.first().is_some_and(|(severity, check)| {
            *severity == fault.severity
                && check.name == fault.check
                && check.detail.contains(fault.why)
                && check.next.contains(fault.next)
        });
        if !said || status.judge_status() != StatusVerdict::Attention {
            wrong.push(format!("{}: {findings:#?}", fault.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), FAULTS.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_healthy_install_has_no_finding() {
    let (_dir, world) = copy_live_sandbox().await;
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "healthy", took, 1);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());
    assert_eq!((status.judge_status(), status.switch), (StatusVerdict::Well, CloudFrontSwitchStatus::On));
    assert!(status.list_unknown_parts().is_empty(), "{:#?}", status.list_unknown_parts());
    let names: Vec<&str> = status.checks.iter().map(|one| one.check.name.as_str()).collect();
    for part in [
        "packagecloud-redirect",
        "distribution",
        "kms-key",
        "edge-secret",
        "bucket-grant",
        "clock",
        "signed-url",
        "no-token",
        "metadata-fresh",
        "packagecloud-link",
        "bucket-closed",
        "runtime",
    ] {
        assert!(names.contains(&part), "{part}: {names:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_thirty_days_are_told_with_their_cost_and_without_the_right_one_sentence_is() {
    let (dir, world) = copy_live_sandbox().await;
    plant_traffic(&world, 10_000_000, 0);
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "traffic", took, 1);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());
    let traffic = status.traffic.as_ref().unwrap();
    assert!(traffic.requests >= 10_000_000.0 && traffic.hit_ratio.is_none(), "{traffic:?}");
    let fact = |topic: &str| status.facts.iter().find(|fact| fact.topic == topic).unwrap().text.clone();
    assert!(fact("Last thirty days").contains("45.5 TB"), "{}", fact("Last thirty days"));
    for words in
        ["by AWS's list prices of 20", "always-free", "plan Business costs $200", "Lambda@Edge functions"]
    {
        assert!(fact("Cost").contains(words), "{words}: {}", fact("Cost"));
    }
    assert!(status.cost.unwrap() > 3000.0, "{:?}", status.cost);

    let denied: Vec<String> = (1..=5).map(|nth| format!("monitoring:{nth}:deny")).collect();
    let options =
        sandbox::SandboxOptions { dir: dir.path().to_owned(), faults: denied, ..Default::default() };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    let (status, _) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_eq!(status.judge_status(), StatusVerdict::Well, "{:#?}", status.list_findings());
    let unknown = status.list_unknown_parts();
    assert_eq!(unknown.len(), 1, "{unknown:#?}");
    assert!(
        unknown[0].name == "traffic"
            && unknown[0].detail.contains("cloudwatch:GetMetricStatistics is denied"),
        "{unknown:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_was_switched_off_on_purpose_is_well() {
    let (_dir, world) = copy_live_sandbox().await;
    let answers = OperatorAnswers { goal: Some(OperatorGoal::Disable), ..OperatorAnswers::default() };
    assert_eq!(Box::pin(run_stages(&world, &answers, &[RunStage::Disable])).await.1, Ok(()));
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "off", took, 1);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());
    assert_eq!((status.judge_status(), status.switch), (StatusVerdict::Well, CloudFrontSwitchStatus::Off));
    assert!(
        status.render_status_summary().contains("packages come from S3"),
        "{}",
        status.render_status_summary()
    );
}

#[tokio::test(start_paused = true)]
async fn where_nothing_was_set_up_nothing_has_drifted() {
    let dir = tempfile::tempdir().unwrap();
    let world = crate::engine::open_instant_sandbox(dir.path(), &[]);
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    // Where nothing else tells which bucket it is, packagecloud's redirect is asked for that too.
    assert_bounds(&world, "fresh", took, 2);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());
    assert_eq!(status.judge_status(), StatusVerdict::Well);
    assert!(status.render_status_summary().contains("no distribution is set up"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_clock_and_copies_that_differ_are_named() {
    let (_dir, world) = copy_live_sandbox().await;
    let slow = ViewerConditions { slow: 200, ..ViewerConditions::default() };
    let (status, _) = read_status(&world, &open_session(&world, &slow)).await;
    let findings = status.list_findings();
    assert_eq!(
        (findings[0].0, findings[0].1.name.as_str()),
        (FindingSeverity::Refused, "clock"),
        "{findings:#?}"
    );
    assert!(findings[0].1.next.contains("set the clock"), "{findings:#?}");

    let (_dir, world) = copy_live_sandbox().await;
    run_verify(&world, &ViewerConditions::default()).await;
    let session = open_session(&world, &ViewerConditions::default());
    let held: Vec<String> = engine::list_sample_packages(&session, &upgrade_answers()).await.unwrap();
    for key in &held {
        place_sandbox_object(&world, seed::SANDBOX_BUCKET, key, &[], b"another package under the same id")
            .unwrap();
    }
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "copies", took, 1);
    let findings = status.list_findings();
    assert_eq!(
        (findings[0].0, findings[0].1.name.as_str()),
        (FindingSeverity::Refused, "cached-copies"),
        "{findings:#?}"
    );
    assert!(findings[0].1.next.contains("invalidate --packages"), "{findings:#?}");
}

/// A session on two nodes; the second one's packagecloud.rb holds `text`.
fn open_two_node_session(world: &Sandbox, text: Option<&str>) -> Session {
    let session = open_session(world, &ViewerConditions::default());
    let path = world.sandbox_dir().join("web2.rb");
    if let Some(text) = text {
        fs::write(&path, text).unwrap();
    }
    let mut other = session.host.clone();
    other.config.clone_from(&path);
    other.parsed = ParsedConfigCache::default();
    session.add_other_web_hosts(vec![other])
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_off_is_named_and_one_that_cant_be_read_is_said_once() {
    let (dir, world) = copy_live_sandbox().await;
    let on = fs::read_to_string(dir.path().join("packagecloud.rb")).unwrap();
    packagecloud::add_unrestarted_sandbox_web_node(&world);
    let (status, took) = read_status(&world, &open_two_node_session(&world, Some(&on))).await;
    assert_bounds(&world, "two nodes", took, 2);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());

    world.update_sandbox_state_on_disk(|state| state.packagecloud.nodes[1].enabled = false);
    let (status, took) = read_status(&world, &open_two_node_session(&world, Some(&on))).await;
    assert_bounds(&world, "a node off", took, 2);
    let findings = status.list_findings();
    assert_eq!(
        (findings[0].0, findings[0].1.name.as_str()),
        (FindingSeverity::Drifted, "packagecloud-redirect")
    );
    assert_eq!(status.switch, CloudFrontSwitchStatus::Mixed);

    let (_dir, world) = copy_live_sandbox().await;
    let (status, _) = read_status(&world, &open_two_node_session(&world, None)).await;
    assert_eq!(status.judge_status(), StatusVerdict::Well, "{:#?}", status.list_findings());
    let unknown = status.list_unknown_parts();
    assert_eq!(unknown.len(), 1, "{unknown:#?}");
    assert!(unknown[0].name.starts_with("node ") && unknown[0].detail.contains("web2.rb"), "{unknown:#?}");
}

#[tokio::test(start_paused = true)]
async fn without_aws_it_says_what_it_can() {
    let (dir, _) = copy_live_sandbox().await;
    let denied: Vec<String> = (1..=9).map(|nth| format!("sts:{nth}:deny")).collect();
    let options =
        sandbox::SandboxOptions { dir: dir.path().to_owned(), faults: denied, ..Default::default() };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "no credentials", took, 1);
    assert_eq!((status.judge_status(), status.switch), (StatusVerdict::Well, CloudFrontSwitchStatus::On));
    let of = |name: &str| status.checks.iter().find(|one| one.check.name == name).map(|one| one.check.result);
    assert_eq!(of("aws"), Some(CheckVerdict::Unknown));
    for seen in ["packagecloud-redirect", "signed-url", "no-token", "packagecloud-link"] {
        assert_eq!(of(seen), Some(CheckVerdict::Pass), "{seen}: {:#?}", status.checks);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_costs_no_more_than_a_minute() {
    for service in ["cloudfront", "iam", "s3", "monitoring", "packagecloud", "edge"] {
        let (dir, _) = copy_live_sandbox().await;
        let hangs: Vec<String> = (1..=9).map(|nth| format!("{service}:{nth}:hang")).collect();
        let options =
            sandbox::SandboxOptions { dir: dir.path().to_owned(), faults: hangs, ..Default::default() };
        let world = sandbox::open_or_seed_sandbox(&options).unwrap();
        let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
        assert!(took <= STATUS_TIME_MAX, "{service}: {took:?}");
        assert!(!status.list_unknown_parts().is_empty(), "{service}: {:#?}", status.checks);
        assert!(status.list_findings().is_empty(), "{service}: {:#?}", status.list_findings());
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_says_on_with_a_secret_that_the_edge_refuses_proposes_no_reconfigure() {
    let (_dir, world) = copy_live_sandbox().await;
    // A roll-back whose gate failed left the file as it was, and packagecloud off.
    edit_running_node(&world, |node| node.enabled = false);
    edit_config_file(&world, |text| replace_setting(text, "cloudfront_secret", &format!("'{OTHER_SECRET}'")));
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "refused while off", took, 1);
    assert_eq!(status.switch, CloudFrontSwitchStatus::Off);
    let findings = status.list_findings();
    assert_eq!(
        (findings[0].0, findings[0].1.name.as_str()),
        (FindingSeverity::Refused, "edge-secret"),
        "{findings:#?}"
    );
    assert!(findings[0].1.next.contains("packagecloud-cloudfront disable"), "{findings:#?}");
    for one in &status.checks {
        assert!(!one.check.next.contains("reconfigure"), "{one:#?}");
    }
    let checks = run_verify(&world, &ViewerConditions::default()).await;
    let redirect = checks.iter().find(|check| check.name == "packagecloud-redirect").unwrap();
    assert!(redirect.next.contains("packagecloud-cloudfront disable"), "{redirect:#?}");
    assert!(!redirect.next.contains("reconfigure"), "{redirect:#?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_secret_to_compare_nothing_is_said_to_have_drifted() {
    let (dir, world) = copy_live_sandbox().await;
    let path = dir.path().join("packagecloud.rb");
    fs::remove_file(&path).unwrap();
    // Root reads every file, but no directory.
    fs::create_dir(&path).unwrap();
    let (status, _) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());
    assert!(status.is_distribution_seen, "{:#?}", status.checks);
    let unknown = status.list_unknown_parts();
    assert!(unknown.iter().any(|one| one.name == "Lambda-function"), "{unknown:#?}");
}

#[tokio::test(start_paused = true)]
async fn silence_counts_once_the_distribution_is_a_day_old_where_no_host_knows_since_when_it_is_on() {
    for (age, is_finding) in [(Duration::from_hours(2), false), (Duration::from_hours(48), true)] {
        let (dir, world) = copy_live_sandbox().await;
        fs::remove_file(dir.path().join("state/on-since")).unwrap();
        let _ = fs::remove_file(dir.path().join("edge-traffic"));
        let changed = world.sandbox_unix_time_now().checked_sub(age).unwrap();
        world.update_sandbox_state_on_disk(|state| {
            state.cloudfront.distributions.values_mut().for_each(|one| one.modified = changed);
        });
        let (status, _) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
        let names: Vec<&str> = status.list_findings().iter().map(|(_, check)| check.name.as_str()).collect();
        assert_eq!(names, if is_finding { vec!["requests"] } else { Vec::new() }, "{age:?}");
    }
}
