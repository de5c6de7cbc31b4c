//! Another run on the host, as the second wizard shows it; another account; and what sudo left out.

use std::time::Duration;

use packagecloud_cloudfront::model::run::{
    event::{Event, Pace},
    goal::{Goal, Stage, Step},
    other_run::{OtherRun, Watched},
    welcome::{Left, Welcome},
};

use crate::{
    player::Player,
    scripted::{Shared, play, welcome},
    show,
};

const SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];
/// Unix time on the host.
const NOW: Duration = Duration::from_mins(29_924_445);

fn other() -> OtherRun {
    OtherRun {
        on: "web1".into(),
        who: "process 812 (alice) on alices-laptop".into(),
        since: "2026-11-23 20:31:00 UTC (14 minutes ago)".into(),
        stage: Some(Stage::Distribution),
        stands: "2 minutes".into(),
        rests: false,
    }
}

fn script(welcome: Welcome, watched: Vec<Watched>) -> Shared {
    let script = Shared::default();
    {
        let mut script = script.lock().unwrap();
        script.welcome = Some(welcome);
        script.watched = watched;
    }
    script
}

fn said(event: Event, ago: u64) -> Watched {
    Watched::Event(event, NOW.checked_sub(Duration::from_secs(ago)).unwrap())
}

fn started(stage: Stage, step: Step, text: &str, ago: u64) -> Watched {
    said(Event::Started { stage, step, text: text.into() }, ago)
}

#[tokio::test(start_paused = true)]
async fn another_run_is_shown_watched_and_asked_to_end() {
    for size in SIZES {
        let stage = Stage::Distribution;
        let finished = |step, text: &str, ago| said(Event::Finished { stage, step, text: text.into() }, ago);
        let progress = Event::Progress {
            stage,
            step: Step::Deployed,
            text: "waiting for CloudFront to deploy it to its edges, 105 s".into(),
            pace: None,
        };
        let watched = vec![
            Watched::Run(other(), NOW),
            started(stage, Step::CachePolicy, "making the cache policy", 127),
            finished(Step::CachePolicy, "cache policy packagecloud_cloudfront is made", 125),
            started(stage, Step::Distribution, "making the distribution", 124),
            finished(Step::Distribution, "distribution E2EXAMPLE is made", 118),
            started(stage, Step::Deployed, "waiting until every edge has E2EXAMPLE; this takes minutes", 117),
            said(progress, 2),
        ];
        let left = Left {
            goal: Goal::Upgrade,
            stage,
            ago: "2 minutes ago".into(),
            on: Some(("123456789012".into(), "acme-packages".into())),
        };
        let script = script(Welcome { other_run: Some(other()), left: Some(left), ..welcome() }, watched);
        play(size, &script, async |player: Player| {
            player.see("Enter watch it").await;
            show(size, "50-another-run", &player);
            player.enter().await;
            player.see("its edges, 105 s").await;
            player.letter('t').await;
            player.see("leave it alone").await;
            show(size, "51-watching-take-over", &player);
            script.lock().unwrap().watched.push(Watched::Asked);
            player.letter('y').await;
            player.see("It was asked to end").await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            player.letter('b').await;
            player.see("Enter watch it").await;
            player.letter('q').await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reindex_is_watched_with_its_pace() {
    let (size, stage) = ((80, 24), Stage::Reindex);
    let pace = Pace {
        done: Some(61_200),
        total: Some(102_000),
        per_second: Some(512.0),
        in_flight: Some(64),
        seconds_left: Some(80),
        ..Pace::default()
    };
    let text = "61,200 of 102,000".to_owned();
    let run = OtherRun { stage: Some(stage), ..other() };
    let watched = vec![
        Watched::Run(run.clone(), NOW),
        started(stage, Step::Objects, "the objects of acme-packages", 120),
        said(Event::Progress { stage, step: Step::Objects, text, pace: Some(pace) }, 0),
    ];
    let script = script(Welcome { other_run: Some(run), ..welcome() }, watched);
    play(size, &script, async |player: Player| {
        player.see("Enter watch it").await;
        player.enter().await;
        player.see(" 60 %").await;
        show(size, "52-watching-a-reindex", &player);
        player.letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn where_it_was_left_another_account_and_what_sudo_left_out() {
    for size in SIZES {
        let last = Some(("999999999999".to_owned(), "old-packages".to_owned()));
        let left = Left {
            goal: Goal::Upgrade,
            stage: Stage::Distribution,
            ago: "14 minutes ago".into(),
            on: last.clone(),
        };
        let sudo = Some(
            "sudo left out AWS_PROFILE; /home/alice/.aws/config of alice isn't looked at under root; to keep it: sudo --preserve-env=AWS_PROFILE AWS_CONFIG_FILE=/home/alice/.aws/config packagecloud-cloudfront"
                .to_owned(),
        );
        let script = script(Welcome { left: Some(left), last, sudo, ..welcome() }, Vec::new());
        play(size, &script, async |player: Player| {
            player.see("Enter go on").await;
            show(size, "53-another-account", &player);
            player.enter().await;
            player.see("A named profile").await;
            show(size, "54-under-sudo", &player);
            player.enter().await;
            player.see("no, do nothing").await;
            show(size, "55-another-account-asked", &player);
            player.letter('n').await;
            player.letter('q').await;
        })
        .await;
    }
}
