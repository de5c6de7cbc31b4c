//! The wizard from its first screen to verify, off again and back, through its real loop and the real engine on a fresh sandbox.
//!
//! The clock is paused, so that AWS's states cost nothing. What differs from run to run (ids, paths, times) is
//! redacted at its width before a snapshot is compared.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::player::{ScreenPlayer, play_with_effects};
use clap::Parser as _;
use crossterm::event::{KeyCode, KeyModifiers};
use packagecloud_cloudfront::{
    app::compose::build_app_context,
    args::CliArguments,
    tui::perform::TerminalWriter,
    wizard::{WizardOutcome, WizardStartOptions},
};
use tempfile::TempDir;
use tokio::time::sleep;

/// A sandbox of its own; its path is as long in every run.
pub fn create_sandbox_dir() -> TempDir {
    tempfile::Builder::new().prefix("wizard-").rand_bytes(6).tempdir_in("/tmp").unwrap()
}

/// The wizard on the sandbox in `dir`, started with `options`.
pub async fn play_wizard<P, F>(dir: &Path, options: &[&str], size: (u16, u16), part: P) -> WizardOutcome
where
    P: FnOnce(ScreenPlayer) -> F,
    F: Future<Output = ()>,
{
    play_wizard_before_terminal(dir, options, size, Arc::new(Mutex::new(std::io::sink())), part).await
}

/// The same, where what goes to the terminal beside the screen is kept.
async fn play_wizard_before_terminal<P, F>(
    dir: &Path,
    options: &[&str],
    size: (u16, u16),
    terminal: TerminalWriter,
    part: P,
) -> WizardOutcome
where
    P: FnOnce(ScreenPlayer) -> F,
    F: Future<Output = ()>,
{
    let sandbox = format!("--sandbox={}", dir.display());
    let line =
        ["packagecloud-cloudfront", &sandbox].into_iter().chain(options.iter().copied()).chain(["wizard"]);
    let CliArguments { global, command } = CliArguments::parse_from(line);
    let app = build_app_context(&global, &command.unwrap()).await.unwrap();
    let performer = app.build_wizard_effect_performer(terminal);
    let beginning = WizardStartOptions {
        config_path: app.session.host.config.display().to_string(),
        answers: app.answers,
        sandbox: app.sandbox,
        log_path: dir.join("state/log").display().to_string(),
        ..WizardStartOptions::default()
    };
    play_with_effects(beginning, size, performer, part).await
}

fn assert_screen(size: (u16, u16), name: &str, player: &ScreenPlayer) {
    insta::assert_snapshot!(
        format!("{name}@{}x{}", size.0, size.1),
        crate::redact::redact_screen(&player.screen_text())
    );
}

/// Nothing of the body is below or above what is seen.
fn assert_in_one_page(player: &ScreenPlayer) {
    let screen = player.screen_text();
    let has_more = screen.lines().any(|line| line.ends_with('↓') || line.ends_with('↑'));
    assert!(!has_more, "it is one page:\n{screen}");
}

fn read_config(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("packagecloud.rb")).unwrap()
}

/// Whether a line of the file, and not a comment, says that CloudFront is on.
fn is_cloudfront_on(file: &str) -> bool {
    file.lines().any(|line| line.starts_with("packagecloud_rails['cloudfront_enabled'] = true"))
}

/// From Home to the plan, where nothing was set up yet.
pub async fn drive_to_plan(player: &ScreenPlayer) {
    player.wait_for_text("What do you want to do?").await;
    player.press_enter().await;
    player.wait_for_text("set this up").await;
}

/// From Home to where going live waits for its own Enter: one consent, and nothing is pressed meanwhile.
async fn drive_to_go_live(player: &ScreenPlayer) {
    drive_to_plan(player).await;
    player.press_enter().await;
    player.wait_for_text("Enter go live").await;
}

/// From a stage that has a plan through its run to the next one.
async fn drive_through_stage(player: &ScreenPlayer, does: &str) {
    player.wait_for_text(does).await;
    player.press_enter().await;
    player.wait_for_text("✓ ").await;
    player.wait_for_text("Enter continue").await;
    player.press_enter().await;
}

/// From Home to the secret, one stage at a time, the reindex skipped.
async fn drive_stepwise_past_reindex(player: &ScreenPlayer) {
    drive_to_plan(player).await;
    player.press_letter('o').await;
    player.wait_for_text("Enter reindex").await;
    player.press_letter('s').await;
}

/// Up to live by one consent, off, on again, and back by a backup; the keys are counted.
async fn play_journey(size: (u16, u16)) {
    let dir = create_sandbox_dir();
    let before = config_after_opening(dir.path());
    let at = dir.path().to_owned();
    let terminal: Arc<Mutex<Vec<u8>>> = Arc::default();
    let told: TerminalWriter = terminal.clone();
    let outcome = play_wizard_before_terminal(&at, &[], size, told, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        assert_screen(size, "01-home", &player);
        // To live: three keys, each of them Enter.
        player.press_enter().await;
        player.wait_for_text("set this up").await;
        assert_screen(size, "02-plan", &player);
        assert_in_one_page(&player);
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.wait_for_text("✓ Reindex").await;
        assert_screen(size, "03-go-live", &player);
        assert!(!is_cloudfront_on(&read_config(&at)), "going live is a consent of its own");
        player.press_enter().await;
        player.wait_for_text("Enter leave").await;
        assert_screen(size, "04-live", &player);
        assert!(is_cloudfront_on(&read_config(&at)));
        player.press_letter('c').await;
        player.wait_for_text("Copied, and kept in").await;
        let copied = std::fs::read_to_string(find_clipboard_file(&at)).unwrap();
        assert!(copied.contains("packagecloud_rails['cloudfront_enabled'] = true"), "{copied}");
        assert!(terminal.lock().unwrap().starts_with(b"\x1b]52;c;"), "the terminal's clipboard has it too");
        let secret = read_config(&at)
            .lines()
            .find(|line| line.contains("cloudfront_secret"))
            .unwrap()
            .trim()
            .to_owned();
        assert!(copied.contains(&secret), "the real secret is in the copy: {copied}");
        assert!(!player.is_showing(secret.split('\'').nth(3).unwrap()), "and not on the screen");

        wait_for_next_second();
        // Off: two keys.
        player.press_letter('D').await;
        player.wait_for_text("Enter switch CloudFront off").await;
        player.wait_for_text("check passed").await;
        assert_screen(size, "05-disable", &player);
        player.press_enter().await;
        player.wait_for_text("Enter back to Home").await;
        assert_screen(size, "06-disabled", &player);
        assert!(read_config(&at).contains("packagecloud_rails['cloudfront_enabled'] = false"));
        player.press_enter().await;
        player.wait_for_text("What do you want to do?").await;
        assert_screen(size, "07-home-off", &player);

        wait_for_next_second();
        // On again: two keys.
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.press_enter().await;
        player.wait_for_text("Enter leave").await;
        assert!(is_cloudfront_on(&read_config(&at)));
        player.press_letter('l').await;
        assert_screen(size, "08-log", &player);
        assert!(player.is_showing("The log file: "), "{}", player.screen_text());
        player.press_letter('b').await;
        player.press_enter().await;
    })
    .await;
    assert_eq!(outcome.code, 0);
    assert!(!before.contains("cloudfront_distribution_id"), "a fresh sandbox has none of the four");
    play_roll_back(&at, size).await;
}

/// Waits for the next second of the machine's clock, so that the next backup's name needs no number.
fn wait_for_next_second() {
    std::thread::sleep(std::time::Duration::from_millis(1_010));
}

/// Back to what a backup holds, from Home while CloudFront is on.
async fn play_roll_back(dir: &Path, size: (u16, u16)) {
    let outcome = play_wizard(dir, &[], size, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        assert_screen(size, "09-home-on", &player);
        player.press_key(KeyCode::End).await;
        player.press_key(KeyCode::Up).await;
        player.press_enter().await;
        player.wait_for_text("Enter show what it changes").await;
        assert_screen(size, "10-backups", &player);
        player.press_enter().await;
        player.wait_for_text("Enter restore this").await;
        assert_screen(size, "11-roll-back", &player);
        player.press_enter().await;
        player.wait_for_text("Enter ").await;
        assert_screen(size, "12-rolled-back", &player);
        assert!(player.is_showing("● packagecloud"), "its proof has seen S3:\n{}", player.screen_text());
        player.press_letter('q').await;
    })
    .await;
    assert_eq!(outcome.code, 0);
}

fn config_after_opening(dir: &Path) -> String {
    packagecloud_cloudfront::sandbox::open_or_seed_sandbox(
        &packagecloud_cloudfront::sandbox::SandboxOptions { dir: dir.to_owned(), ..Default::default() },
    )
    .unwrap();
    read_config(dir)
}

/// The one file of the state directory that holds a copied block, readable by its owner alone.
fn find_clipboard_file(dir: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let found = std::fs::read_dir(dir.join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            std::fs::read_to_string(path).is_ok_and(|text| text.contains("cloudfront_packages_domain'] = '"))
        })
        .expect("the copy lies in the state directory");
    assert_eq!(std::fs::metadata(&found).unwrap().permissions().mode() & 0o777, 0o600);
    found
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_off_and_back_at_80x24() {
    play_journey((80, 24)).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_off_and_back_at_100x30() {
    play_journey((100, 30)).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_off_and_back_at_160x50() {
    play_journey((160, 50)).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_off_and_back_at_120x40() {
    play_journey((120, 40)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_says_the_next_move_and_is_done_when_tried_again() {
    let dir = create_sandbox_dir();
    let size = (80, 24);
    play_wizard(
        dir.path(),
        &["--sandbox-fault", "kms:CreateKey:1:deny"],
        size,
        async |player: ScreenPlayer| {
            drive_to_plan(&player).await;
            player.press_enter().await;
            player.wait_for_text("Enter look again").await;
            player.wait_for_text("✓ Reindex").await;
            assert_screen(size, "20-failed-step", &player);
            // One key: it looks again, and goes on to where a consent of its own is needed.
            player.press_enter().await;
            player.wait_for_text("Enter go live").await;
            player.press_letter('q').await;
        },
    )
    .await;
    let log = std::fs::read_to_string(dir.path().join("state/log")).unwrap();
    for line in ["✓  role ", "✗  ", "kms:CreateKey is denied", "Bootstrap: done"] {
        assert!(log.contains(line), "{line} isn't in the log:\n{log}");
    }
    let secret = read_config(dir.path()).split("cloudfront_secret'] = '").nth(1).unwrap().to_owned();
    assert!(!log.contains(secret.split('\'').next().unwrap()));
}

/// What stands in the way is read first, with the next move, and without scrolling.
#[tokio::test(start_paused = true)]
async fn a_broken_file_is_said_first() {
    let size = (80, 24);
    let dir = create_sandbox_dir();
    config_after_opening(dir.path());
    std::fs::write(dir.path().join("packagecloud.rb"), "packagecloud_rails['cloudfront_enabled'] = (\n")
        .unwrap();
    play_wizard(dir.path(), &[], size, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        assert_screen(size, "29-broken-file", &player);
        player.press_letter('D').await;
        player.wait_for_text("Disable\n").await;
        player.wait_for_text("Enter ").await;
        assert_screen(size, "30-off-with-a-broken-file", &player);
        player.press_letter('q').await;
    })
    .await;
}

/// What is known without AWS stands at once; which call has no answer, since when and what to press is said meanwhile, and
/// after a time Home waits no longer.
#[tokio::test(start_paused = true)]
async fn a_dead_aws_is_named_and_home_stops_waiting_for_it() {
    let size = (80, 24);
    let dir = create_sandbox_dir();
    let hang: Vec<String> = ["sts", "s3", "iam", "kms", "lambda", "cloudfront"]
        .iter()
        .map(|service| format!("{service}:*:hang"))
        .collect();
    let options: Vec<&str> = hang.iter().flat_map(|fault| ["--sandbox-fault", fault]).collect();
    play_wizard(dir.path(), &options, size, async |player: ScreenPlayer| {
        player.wait_for_text("● S3").await;
        assert_screen(size, "31-aws-is-asked", &player);
        assert!(!player.is_showing("nothing set up"), "nobody was asked yet:\n{}", player.screen_text());
        player.wait_for_text("has not answered for 10 s").await;
        assert_screen(size, "32-aws-is-silent", &player);
        player.wait_for_text("What do you want to do?").await;
        assert_screen(size, "33-dead-aws", &player);
        // One key asks again, and the way out is there all the time.
        player.press_enter().await;
        player.wait_for_text("asking AWS").await;
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('D').await;
        player.wait_for_text("Disable\n").await;
        player.wait_for_text("Enter ").await;
        player.press_letter('q').await;
    })
    .await;
}

/// While a stage waits for AWS, the call that has no answer is named, and the key that stops it.
#[tokio::test(start_paused = true)]
async fn a_run_names_the_call_that_aws_does_not_answer() {
    let dir = create_sandbox_dir();
    let hang = ["--sandbox-fault", "kms:CreateKey:1:hang"];
    let outcome = play_wizard(dir.path(), &hang, (80, 24), async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_enter().await;
        player.wait_for_text("KMS (CreateKey) has not answered for 12 s").await;
        assert!(player.is_showing("Ctrl-C stop"), "{}", player.screen_text());
        player.press_ctrl_c();
        player.wait_for_text("Ctrl-C leave at once").await;
        player.press_ctrl_c();
    })
    .await;
    assert_eq!(outcome.code, 130);
}

/// How many keys each journey takes, from the first screen to where it leads.
#[tokio::test(start_paused = true)]
async fn the_keys_of_each_journey_are_few() {
    for options in [&["--sandbox-empty"][..], &[]] {
        let dir = create_sandbox_dir();
        let size = (80, 24);
        play_wizard(dir.path(), options, size, async |player: ScreenPlayer| {
            for screen in ["What do you want to do?", "Enter set this up", "Enter go live"] {
                player.wait_for_text(screen).await;
                player.press_enter().await;
            }
            player.wait_for_text("Enter leave").await;
            assert!(player.count_pressed_keys() <= 5, "to live: {}", player.count_pressed_keys());
            player.press_enter().await;
        })
        .await;
        assert!(is_cloudfront_on(&read_config(dir.path())));
        play_wizard(dir.path(), options, size, async |player: ScreenPlayer| {
            player.wait_for_text("asking AWS").await;
            player.press_letter('D').await;
            player.wait_for_text("Enter switch CloudFront off").await;
            player.press_enter().await;
            player.wait_for_text("Enter back to Home").await;
            assert_eq!(player.count_pressed_keys(), 2, "off, while AWS is asked");
            player.press_letter('q').await;
        })
        .await;
        assert!(!is_cloudfront_on(&read_config(dir.path())));
        play_wizard(dir.path(), options, size, async |player: ScreenPlayer| {
            player.wait_for_text("Switch on").await;
            player.press_enter().await;
            player.wait_for_text("Enter go live").await;
            player.press_enter().await;
            player.wait_for_text("Enter leave").await;
            assert_eq!(player.count_pressed_keys(), 2, "on again");
            player.press_enter().await;
        })
        .await;
        assert!(is_cloudfront_on(&read_config(dir.path())));
    }
}

/// One stage at a time each waits for its own Enter, as each would be typed by hand.
#[tokio::test(start_paused = true)]
async fn one_stage_at_a_time_each_has_its_enter() {
    let dir = create_sandbox_dir();
    play_wizard(dir.path(), &[], (80, 24), async |player: ScreenPlayer| {
        drive_stepwise_past_reindex(&player).await;
        for does in [
            "Enter write the secret",
            "Enter create these",
            "Enter create these",
            "Enter write this",
            "Enter go live",
        ] {
            drive_through_stage(&player, does).await;
        }
        player.wait_for_text("Enter leave").await;
        player.press_enter().await;
    })
    .await;
    assert!(is_cloudfront_on(&read_config(dir.path())));
}

/// Started again after a break, one key leads to where it was left, with the rest of the plan on the screen.
#[tokio::test(start_paused = true)]
async fn a_run_that_was_left_is_gone_on_with_by_one_key() {
    let dir = create_sandbox_dir();
    let size = (80, 24);
    play_wizard(dir.path(), &[], size, async |player: ScreenPlayer| {
        drive_stepwise_past_reindex(&player).await;
        for does in ["Enter write the secret", "Enter create these"] {
            drive_through_stage(&player, does).await;
        }
        player.wait_for_text("Enter create these").await;
        player.press_letter('q').await;
    })
    .await;
    play_wizard(dir.path(), &[], size, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        assert_screen(size, "27-home-left", &player);
        player.press_enter().await;
        player.wait_for_text("Enter set this up").await;
        assert_screen(size, "28-rest-of-the-plan", &player);
        assert_in_one_page(&player);
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.press_letter('q').await;
    })
    .await;
}

/// The first thing to read is that nobody is harmed.
#[tokio::test(start_paused = true)]
async fn a_refused_go_live_says_that_cloudfront_is_off_again() {
    let dir = create_sandbox_dir();
    let size = (80, 24);
    let options = ["--sandbox-construction", "raw:path+expires"];
    play_wizard(dir.path(), &options, size, async |player: ScreenPlayer| {
        drive_to_go_live(&player).await;
        player.press_enter().await;
        player.wait_for_text("Enter look again").await;
        assert_screen(size, "26-refused", &player);
        assert!(
            player.is_showing("CloudFront is off") && !player.is_showing("D switches"),
            "{}",
            player.screen_text()
        );
        player.press_letter('q').await;
    })
    .await;
    assert!(!is_cloudfront_on(&read_config(dir.path())));
}

#[tokio::test(start_paused = true)]
async fn x_asks_why_clients_get_403_from_the_first_screen() {
    let dir = create_sandbox_dir();
    let size = (80, 24);
    play_wizard(dir.path(), &[], size, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('x').await;
        player.wait_for_text("Enter look again").await;
        assert_screen(size, "21-why-403", &player);
        player.press_letter('b').await;
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn x_names_what_breaks_packagecloud_rb_and_what_to_do() {
    let dir = create_sandbox_dir();
    let before = config_after_opening(dir.path());
    let broken = format!("packagecloud_rails['support_email'] = 'open\n{before}");
    std::fs::write(dir.path().join("packagecloud.rb"), broken).unwrap();
    let size = (80, 24);
    play_wizard(dir.path(), &[], size, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('x').await;
        player.wait_for_text("Enter look again").await;
        assert_screen(size, "25-x-on-a-broken-file", &player);
        let screen = player.screen_text();
        assert!(screen.contains("line 1 opens a quote") && screen.contains("→ correct it"), "{screen}");
        player.press_letter('b').await;
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_expression_is_overruled_only_on_a_yes() {
    let dir = create_sandbox_dir();
    let before = config_after_opening(dir.path());
    let line = "packagecloud_rails['cloudfront_enabled'] = ENV['CF'] == '1'\n";
    std::fs::write(dir.path().join("packagecloud.rb"), format!("{before}{line}")).unwrap();
    let size = (80, 24);
    let at = dir.path().to_owned();
    play_wizard(&at, &[], size, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_enter().await;
        player.wait_for_text("Enter answer the question").await;
        assert_screen(size, "22-expression", &player);
        assert_in_one_page(&player);
        player.press_enter().await;
        player.wait_for_text("y yes, do it").await;
        assert_screen(size, "23-expression-asked", &player);
        player.press_letter('n').await;
        player.wait_for_text("Nothing was done").await;
        assert!(!is_cloudfront_on(&read_config(&at)), "{}", read_config(&at));
        player.press_enter().await;
        player.wait_for_text("y yes, do it").await;
        player.press_letter('y').await;
        player.wait_for_text("Your yes is noted").await;
        player.wait_for_text("Enter set this up").await;
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.press_enter().await;
        player.wait_for_text("Enter leave").await;
        player.press_letter('q').await;
    })
    .await;
    assert!(read_config(&at).contains(line) && is_cloudfront_on(&read_config(&at)), "{}", read_config(&at));
}

#[tokio::test(start_paused = true)]
async fn a_managed_host_is_asked_about_before_its_file_is_touched() {
    let dir = create_sandbox_dir();
    let before = config_after_opening(dir.path());
    let managed = format!("# This file is managed by Puppet. DO NOT EDIT.\n{before}");
    std::fs::write(dir.path().join("packagecloud.rb"), &managed).unwrap();
    let size = (80, 24);
    play_wizard(dir.path(), &[], size, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_enter().await;
        player.wait_for_text("Enter answer the question").await;
        player.press_enter().await;
        player.wait_for_text("Write now: pause that tool").await;
        assert_screen(size, "25-managed-asked", &player);
        player.press_letter('b').await;
        player.wait_for_text("Nothing was done").await;
        player.press_letter('q').await;
    })
    .await;
    assert_eq!(read_config(dir.path()), managed, "nothing was written without a yes");
}

#[tokio::test(start_paused = true)]
async fn it_switches_off_while_aws_does_not_answer() {
    let dir = create_sandbox_dir();
    let size = (80, 24);
    play_wizard(dir.path(), &[], size, async |player: ScreenPlayer| {
        drive_to_go_live(&player).await;
        player.press_enter().await;
        player.wait_for_text("Enter leave").await;
        player.press_letter('q').await;
    })
    .await;
    assert!(is_cloudfront_on(&read_config(dir.path())));
    let hang: Vec<String> = ["sts", "iam", "kms", "lambda", "cloudfront"]
        .iter()
        .map(|service| format!("{service}:1:hang"))
        .collect();
    let options: Vec<&str> = hang.iter().flat_map(|fault| ["--sandbox-fault", fault]).collect();
    play_wizard(dir.path(), &options, size, async |player: ScreenPlayer| {
        player.wait_for_text("asking AWS").await;
        player.press_letter('D').await;
        player.wait_for_text("Enter switch CloudFront off").await;
        player.press_enter().await;
        player.wait_for_text("Enter back to Home").await;
        assert_screen(size, "24-off-without-aws", &player);
        player.press_letter('q').await;
    })
    .await;
    assert!(read_config(dir.path()).contains("packagecloud_rails['cloudfront_enabled'] = false"));
}

#[tokio::test(start_paused = true)]
async fn the_reindex_pauses_and_goes_on() {
    let dir = create_sandbox_dir();
    play_wizard(dir.path(), &[], (80, 24), async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_letter('o').await;
        player.wait_for_text("Enter reindex").await;
        sleep(Duration::from_millis(400)).await;
        // both wait for the loop together: it pauses before the first request, and stays on its screen
        player.send_key(KeyCode::Enter, KeyModifiers::NONE);
        player.send_key(KeyCode::Char('p'), KeyModifiers::NONE);
        player.wait_for_text("‖ paused").await;
        player.press_letter('p').await;
        player.wait_for_text("The reindex is done.").await;
        player.press_letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_judges_typed_keys_itself_and_reads_no_profile() {
    let dir = create_sandbox_dir();
    play_wizard(dir.path(), &[], (80, 24), async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_key(KeyCode::Tab).await;
        player.wait_for_text("Type or paste access keys").await;
        player.press_key(KeyCode::Down).await;
        player.press_enter().await;
        player.wait_for_text("Enter done").await;
        player.paste_text("work").await;
        player.press_enter().await;
        player.wait_for_text("a sandbox reads no profiles").await;
        player.wait_for_text("Enter use this").await;
        player.press_key(KeyCode::Down).await;
        for (key, secret, told) in [
            ("AKIANOBODYKNOWSTHIS1", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "InvalidClientTokenId"),
            ("AKIAIOSFODNN7EXAMPLE", "another", "SignatureDoesNotMatch"),
            ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "Another bucket"),
        ] {
            player.press_enter().await;
            player.wait_for_text("Enter done").await;
            player.paste_text(key).await;
            player.press_key(KeyCode::Tab).await;
            player.paste_text(secret).await;
            player.press_enter().await;
            player.wait_for_text(told).await;
        }
        player.press_letter('q').await;
    })
    .await;
}
