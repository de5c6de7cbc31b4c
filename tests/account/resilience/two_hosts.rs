//! Two operators on two hosts set up one account at the same time: whatever either makes is made once.
//!
//! Each host has a packagecloud.rb and a state directory of its own, so no lock holds one back. When the second begins, and
//! how long each one's requests take, decides how the requests interleave.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use packagecloud_cloudfront::{
    engine::{self, RunContext, Session},
    host::HostStateDir,
    model::{
        failure::Failure,
        packagecloud::{config_file::ConfigFile, settings::CloudFrontSettingValues},
        run::{
            answers::OperatorAnswers,
            event::StageEvent,
            goal::{OperatorGoal, RunStage},
        },
        secret::Secret,
        url::token::UrlTokenConstruction,
    },
    sandbox::{self, Sandbox, SandboxOptions},
};

use super::{
    faults::open_sandbox_with_faults,
    sandbox_host::{WHOLE_SET_UP, count_all_resources, find_open_access},
};
use crate::{directory::copy_directory, engine::apply_unasked_stage, session::open_session};

/// What stands before the two begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StartingPoint {
    Nothing,
    /// A run was broken off once it had made the role.
    RoleAlone,
    /// All of it, with a function that both will publish anew.
    EarlierVersion,
}

/// One of the two: a host, and how long its requests take.
struct HostOfOperator {
    world: Sandbox,
    session: Session,
    config: PathBuf,
    /// What its finished steps said.
    said: Arc<Mutex<Vec<String>>>,
}

impl HostOfOperator {
    fn new(world_dir: &Path, home: &Path, latency_ms: u64) -> Self {
        let options = SandboxOptions {
            dir: world_dir.to_owned(),
            latency: Duration::from_millis(latency_ms),
            ..SandboxOptions::default()
        };
        let world = sandbox::open_or_seed_sandbox(&options).unwrap();
        let mut session = open_session(&world);
        let config = home.join("packagecloud.rb");
        std::fs::create_dir_all(home).unwrap();
        if !config.exists() {
            std::fs::copy(world_dir.join("packagecloud.rb"), &config).unwrap();
        }
        session.host.config.clone_from(&config);
        session.host.state = HostStateDir::open_state_dir(&home.join("state"), None).unwrap();
        Self { world, session, config, said: Arc::default() }
    }

    fn config_values(&self) -> CloudFrontSettingValues {
        ConfigFile::parse_packagecloud_rb(&std::fs::read(&self.config).unwrap()).cloudfront_setting_values()
    }

    /// Writes the line that the operator is told to copy.
    fn write_secret(&self, secret: &Secret) {
        let mut text = std::fs::read_to_string(&self.config).unwrap();
        text.retain(|character| character != '\r');
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.contains("cloudfront_secret")).collect();
        let line = format!("packagecloud_rails['cloudfront_secret'] = '{}'", secret.expose_secret());
        lines.push(&line);
        std::fs::write(&self.config, lines.join("\n") + "\n").unwrap();
    }

    /// All that a goal makes, but going live; what moved is looked at again, as the command does.
    async fn prepare(&self, answers: &OperatorAnswers) -> Result<(), Failure> {
        let stages = answers.goal.unwrap().stages_of_goal();
        for &stage in stages
            .iter()
            .filter(|stage| !matches!(stage, RunStage::Reindex | RunStage::GoLive | RunStage::Verify))
        {
            let said = self.said.clone();
            let context = RunContext::new_silent_context().with_event_listener(move |event| {
                if let StageEvent::Finished { text, .. } = event {
                    said.lock().unwrap().push(text.clone());
                }
            });
            apply_unasked_stage(&self.session, answers, stage, &context).await?;
        }
        Ok(())
    }
}

/// Starts the second so much later than the first; both to their ends.
async fn run_both(
    (first, first_answers): (&HostOfOperator, &OperatorAnswers),
    (second, second_answers): (&HostOfOperator, &OperatorAnswers),
    later: Duration,
) -> [Result<(), Failure>; 2] {
    let begun_later = async {
        tokio::time::sleep(later).await;
        Box::pin(second.prepare(second_answers)).await
    };
    let (one, other) = tokio::join!(Box::pin(first.prepare(first_answers)), Box::pin(begun_later));
    [one, other]
}

fn answers_of(goal: OperatorGoal, construction: Option<&str>) -> OperatorAnswers {
    let construction: Option<UrlTokenConstruction> = construction.map(|name| name.parse().unwrap());
    OperatorAnswers { goal: Some(goal), construction, ..OperatorAnswers::default() }
}

fn shared_secret() -> Secret {
    Secret::generate_cloudfront_secret(&[7; 16])
}

/// A world at its starting point, whose packagecloud.rb holds the nodes' secret.
async fn build_starting_point(start: StartingPoint) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let world_dir = dir.path().join("world");
    let world = open_sandbox_with_faults(&world_dir, &[]);
    let host = HostOfOperator::new(&world_dir, &dir.path().join("before"), 0);
    host.write_secret(&shared_secret());
    match start {
        StartingPoint::Nothing => {}
        StartingPoint::RoleAlone => {
            let faulty = open_sandbox_with_faults(&world_dir, &["kms:CreateKey:1+:deny".to_owned()]);
            let mut session = open_session(&faulty);
            session.host.config.clone_from(&host.config);
            let broken = HostOfOperator { world: faulty, session, ..host };
            broken.prepare(&answers_of(OperatorGoal::Install, None)).await.unwrap_err();
            let made = count_all_resources(&world);
            assert_eq!((made[0], made[1], made[3]), (1, 0, 0), "a role, no key, no function: {made:?}");
        }
        StartingPoint::EarlierVersion => {
            host.prepare(&answers_of(OperatorGoal::Install, None)).await.unwrap();
            assert_eq!(count_all_resources(&world), WHOLE_SET_UP);
        }
    }
    // What was made is known everywhere by the time that the two begin.
    tokio::time::sleep(Duration::from_mins(10)).await;
    dir
}

/// Two hosts of one copy of that world, both with `secret` where one is given.
fn open_two_hosts(
    ready: &Path,
    latencies_ms: [u64; 2],
    secret: Option<&Secret>,
) -> (tempfile::TempDir, [HostOfOperator; 2]) {
    let dir = tempfile::tempdir().unwrap();
    copy_directory(ready, dir.path());
    let world = dir.path().join("world");
    let open = |name: &str, latency| {
        let host = HostOfOperator::new(&world, &dir.path().join(name), latency);
        if let Some(secret) = secret {
            host.write_secret(secret);
        }
        host
    };
    let hosts = [open("one", latencies_ms[0]), open("other", latencies_ms[1])];
    (dir, hosts)
}

/// How often each row is played.
fn count_of_draws() -> usize {
    if std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some() { 40 } else { 4 }
}

/// Both have succeeded, or say what to do; done, that succeeds. Then all is there once, and both hosts name the same.
async fn assert_nothing_doubled(
    moment: &str,
    hosts: &[HostOfOperator; 2],
    answers: &[OperatorAnswers; 2],
    ended: &[Result<(), Failure>; 2],
    expected: [usize; 9],
) {
    for ((host, answers), ended) in hosts.iter().zip(answers).zip(ended) {
        if let Err(failure) = ended {
            assert!(!failure.why.contains("panicked") && !failure.next.is_empty(), "{moment}: {failure:?}");
            host.prepare(answers)
                .await
                .unwrap_or_else(|again| panic!("{moment}: {failure:?}, then {again:?}"));
        }
    }
    let made = count_all_resources(&hosts[0].world);
    assert_eq!(made, expected, "{moment}: {ended:?}");
    assert_eq!(find_open_access(&hosts[0].world), None, "{moment}");
    let [one, other] = [hosts[0].config_values(), hosts[1].config_values()];
    assert!(one.distribution_id.is_some(), "{moment}: {one:?}");
    assert_eq!(
        (one.distribution_id, one.packages_domain),
        (other.distribution_id, other.packages_domain),
        "{moment}"
    );
    // A third look finds nothing to do: what the two left is what each of them wanted.
    for (host, answers) in hosts.iter().zip(answers) {
        for stage in [RunStage::Bootstrap, RunStage::Distribution] {
            let plan = engine::look(&host.session, stage, answers).await.unwrap();
            assert!(plan.is_plan_without_changes(), "{moment}: {stage:?} {:?}", plan.changes);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_hosts_at_once_make_everything_once() {
    use OperatorGoal::{Install, Upgrade};
    use StartingPoint::{EarlierVersion, Nothing};
    let mut draws = fastrand::Rng::with_seed(15);
    for (start, construction, expected) in [
        (Nothing, None, WHOLE_SET_UP),
        // The version that stands, and one more.
        (EarlierVersion, Some("raw:path+expires"), [1, 1, 1, 1, 2, 1, 1, 2, 2]),
    ] {
        let ready = build_starting_point(start).await;
        for goals in [[Install, Install], [Install, Upgrade], [Upgrade, Upgrade]] {
            for nth in 0..count_of_draws() {
                // In step, then ever later, each at a pace of its own.
                let latencies_ms =
                    if nth == 0 { [100, 100] } else { [draws.u64(20..400), draws.u64(20..400)] };
                let later = Duration::from_millis(if nth == 0 { 0 } else { draws.u64(0..9_000) });
                let moment = format!("{start:?} {goals:?} {latencies_ms:?} {later:?}");
                let answers = goals.map(|goal| answers_of(goal, construction));
                let (_dir, hosts) = open_two_hosts(ready.path(), latencies_ms, Some(&shared_secret()));
                let ended = run_both((&hosts[0], &answers[0]), (&hosts[1], &answers[1]), later).await;
                assert_eq!(ended, [Ok(()), Ok(())], "{moment}");
                assert_nothing_doubled(&moment, &hosts, &answers, &ended, expected).await;
            }
        }
    }
}

/// Where the role stands already nothing says which of the two makes the key: each waits for the other's, one of them longer.
#[tokio::test(start_paused = true)]
async fn two_hosts_that_go_on_from_a_role_alone_make_one_key() {
    let ready = build_starting_point(StartingPoint::RoleAlone).await;
    let answers = [answers_of(OperatorGoal::Install, None), answers_of(OperatorGoal::Install, None)];
    for latencies_ms in [[100, 100], [100, 130], [170, 100]] {
        let (_dir, mut hosts) = open_two_hosts(ready.path(), latencies_ms, Some(&shared_secret()));
        // Each wait is drawn between 10 and 20 s: three times as long, the two never end at once.
        let settings = &mut hosts[1].session.settings;
        Arc::get_mut(settings).expect("nothing has run on it yet").wait_factor = 3.0;
        let ended = run_both((&hosts[0], &answers[0]), (&hosts[1], &answers[1]), Duration::ZERO).await;
        let moment = format!("{latencies_ms:?}");
        assert_nothing_doubled(&moment, &hosts, &answers, &ended, WHOLE_SET_UP).await;
    }
}

/// The one that makes the role stands still for longer than the other waits: then there is a key too many, and it is named.
#[tokio::test(start_paused = true)]
async fn a_key_that_lost_to_another_runs_alias_is_named_and_not_used() {
    let ready = build_starting_point(StartingPoint::Nothing).await;
    let answers = [answers_of(OperatorGoal::Install, None), answers_of(OperatorGoal::Install, None)];
    // Its own requests take so long that the other is through between its CreateRole and its CreateKey.
    let (_dir, hosts) = open_two_hosts(ready.path(), [60_000, 50], Some(&shared_secret()));
    let at_create_key = async {
        while count_all_resources(&hosts[0].world)[0] == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Box::pin(hosts[1].prepare(&answers[1])).await
    };
    let (slow, quick) = tokio::join!(Box::pin(hosts[0].prepare(&answers[0])), Box::pin(at_create_key));
    let mut left = WHOLE_SET_UP;
    left[1] = 2;
    assert_nothing_doubled("the slow one", &hosts, &answers, &[slow, quick], left).await;
    let said = hosts[0].said.lock().unwrap().join("\n");
    let (lost, roles) = hosts[0].world.read_sandbox_state_from_disk(|state| {
        let used = &state.kms.aliases.values().next().unwrap().key;
        let lost = state.kms.keys.keys().find(|id| !used.contains(id.as_str())).unwrap();
        (lost.clone(), format!("{:?}", state.iam.roles))
    });
    let command = format!("aws kms schedule-key-deletion --region us-east-1 --key-id {lost}");
    assert!(said.contains(&command), "{said}");
    assert!(!roles.contains(&lost), "no role may decrypt with it: {roles}");
}

/// Each host draws a secret of its own: the edge gets one of them, and the other host is told to take it over.
#[tokio::test(start_paused = true)]
async fn of_two_secrets_drawn_at_once_the_edge_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_sandbox_with_faults(&dir.path().join("world"), &[]));
    let answers = [answers_of(OperatorGoal::Install, None), answers_of(OperatorGoal::Install, None)];
    for latencies_ms in [[100, 100], [100, 130], [170, 100]] {
        let (_copy, hosts) = open_two_hosts(dir.path(), latencies_ms, None);
        let ended = run_both((&hosts[0], &answers[0]), (&hosts[1], &answers[1]), Duration::ZERO).await;
        let lost =
            ended.iter().position(Result::is_err).unwrap_or_else(|| panic!("{latencies_ms:?}: {ended:?}"));
        let failure = ended[lost].as_ref().unwrap_err();
        assert_eq!(failure.what, "cloudfront_secret", "{latencies_ms:?}: {failure:?}");
        assert!(failure.next.contains("put the other host's cloudfront_secret into"), "{failure:?}");
        assert!(ended[1 - lost].is_ok(), "{latencies_ms:?}: {ended:?}");
        hosts[lost].write_secret(&hosts[1 - lost].config_values().secret.unwrap());
        let moment = format!("{latencies_ms:?}");
        assert_nothing_doubled(&moment, &hosts, &answers, &ended, WHOLE_SET_UP).await;
    }
}
