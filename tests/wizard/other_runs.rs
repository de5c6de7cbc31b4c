//! Another run on the host, as the second wizard shows it; another account; and what sudo left out.

use std::time::Duration;

use packagecloud_cloudfront::model::run::{
    event::{ProgressStats, StageEvent},
    goal::{OperatorGoal, RunStage, StageStep},
    other_run::{ConcurrentRun, WatchedRunEvent},
    welcome::{LastRunPosition, WelcomeFindings},
};

use crate::{
    player::ScreenPlayer,
    screens::assert_screen,
    scripted::{SharedScript, play_script, scripted_welcome},
};

const SCREEN_SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];
/// Unix time on the host.
const NOW_UNIX: Duration = Duration::from_mins(29_924_445);

fn other_run() -> ConcurrentRun {
    ConcurrentRun {
        host: "web1".into(),
        who: "process 812 (alice) on alices-laptop".into(),
        since: "2026-11-23 20:31:00 UTC (14 minutes ago)".into(),
        stage: Some(RunStage::Distribution),
        stage_age: "2 minutes".into(),
        is_idle: false,
    }
}

fn script_watching(welcome: WelcomeFindings, watched: Vec<WatchedRunEvent>) -> SharedScript {
    let script = SharedScript::default();
    {
        let mut script = script.lock().unwrap();
        script.welcome = Some(welcome);
        script.watched = watched;
    }
    script
}

fn watched_event(event: StageEvent, ago: u64) -> WatchedRunEvent {
    WatchedRunEvent::Event(event, NOW_UNIX.checked_sub(Duration::from_secs(ago)).unwrap())
}

fn started_event(stage: RunStage, step: StageStep, text: &str, ago: u64) -> WatchedRunEvent {
    watched_event(StageEvent::Started { stage, step, text: text.into() }, ago)
}

#[tokio::test(start_paused = true)]
async fn another_run_is_shown_watched_and_asked_to_end() {
    for size in SCREEN_SIZES {
        let stage = RunStage::Distribution;
        let finished = |step, text: &str, ago| {
            watched_event(StageEvent::Finished { stage, step, text: text.into() }, ago)
        };
        let progress = StageEvent::Progress {
            stage,
            step: StageStep::Deployed,
            text: "waiting for CloudFront to deploy it to its edges, 105 s".into(),
            pace: None,
        };
        let watched = vec![
            WatchedRunEvent::Run(other_run(), NOW_UNIX),
            started_event(stage, StageStep::CachePolicy, "making the cache policy", 127),
            finished(StageStep::CachePolicy, "cache policy packagecloud_cloudfront is made", 125),
            started_event(stage, StageStep::Distribution, "making the distribution", 124),
            finished(StageStep::Distribution, "distribution E2EXAMPLE is made", 118),
            started_event(
                stage,
                StageStep::Deployed,
                "waiting until every edge has E2EXAMPLE; this takes minutes",
                117,
            ),
            watched_event(progress, 2),
        ];
        let left = LastRunPosition {
            goal: OperatorGoal::Upgrade,
            stage,
            ago: "2 minutes ago".into(),
            on: Some(("123456789012".into(), "acme-packages".into())),
        };
        let script = script_watching(
            WelcomeFindings { other_run: Some(other_run()), left: Some(left), ..scripted_welcome() },
            watched,
        );
        play_script(size, &script, async |player: ScreenPlayer| {
            player.wait_for_text("user/operations").await;
            assert_screen(size, "50-another-run", &player);
            player.press_enter().await;
            player.wait_for_text("105 s").await;
            player.press_letter('t').await;
            player.wait_for_text("leave it alone").await;
            assert_screen(size, "51-watching-take-over", &player);
            script.lock().unwrap().watched.push(WatchedRunEvent::StopRequested);
            player.press_letter('y').await;
            player.wait_for_text("It was asked to end").await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            player.press_letter('b').await;
            player.wait_for_text("user/operations").await;
            player.press_letter('q').await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reindex_is_watched_with_its_pace() {
    let (size, stage) = ((80, 24), RunStage::Reindex);
    let pace = ProgressStats {
        done: Some(61_200),
        total: Some(102_000),
        per_second: Some(512.0),
        in_flight: Some(64),
        seconds_left: Some(80),
        ..ProgressStats::default()
    };
    let text = "61,200 of 102,000".to_owned();
    let run = ConcurrentRun { stage: Some(stage), ..other_run() };
    let watched = vec![
        WatchedRunEvent::Run(run.clone(), NOW_UNIX),
        started_event(stage, StageStep::Objects, "the objects of acme-packages", 120),
        watched_event(StageEvent::Progress { stage, step: StageStep::Objects, text, pace: Some(pace) }, 0),
    ];
    let script = script_watching(WelcomeFindings { other_run: Some(run), ..scripted_welcome() }, watched);
    play_script(size, &script, async |player: ScreenPlayer| {
        player.wait_for_text("user/operations").await;
        player.press_enter().await;
        player.wait_for_text(" 60 %").await;
        assert_screen(size, "52-watching-a-reindex", &player);
        player.press_letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn where_it_was_left_another_account_and_what_sudo_left_out() {
    for size in SCREEN_SIZES {
        let last = Some(("999999999999".to_owned(), "old-packages".to_owned()));
        let left = LastRunPosition {
            goal: OperatorGoal::Upgrade,
            stage: RunStage::Distribution,
            ago: "14 minutes ago".into(),
            on: last.clone(),
        };
        let sudo = Some(
            "sudo left out AWS_PROFILE; /home/alice/.aws/config of alice isn't looked at under root; to keep it: sudo --preserve-env=AWS_PROFILE AWS_CONFIG_FILE=/home/alice/.aws/config packagecloud-cloudfront"
                .to_owned(),
        );
        let script = script_watching(
            WelcomeFindings { left: Some(left), last, sudo, ..scripted_welcome() },
            Vec::new(),
        );
        play_script(size, &script, async |player: ScreenPlayer| {
            player.wait_for_text("Enter continue").await;
            assert_screen(size, "53-another-account", &player);
            player.press_enter().await;
            player.wait_for_text("no, do nothing").await;
            assert_screen(size, "55-another-account-asked", &player);
            player.press_letter('n').await;
            player.press_letter('q').await;
        })
        .await;
    }
}
