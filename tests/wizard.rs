//! The wizard from its first screen to verify, off again and back, through its real loop and the real engine on a fresh sandbox.
//!
//! The clock is paused, so that AWS's states cost nothing. What differs from run to run (ids, paths, times) is
//! redacted at its width before a snapshot is compared.

#[expect(dead_code, reason = "the binary's own ground; a test neither imports nor serves")]
#[path = "../src/lay.rs"]
mod lay;
#[expect(dead_code, reason = "the scripted screens use all of it")]
#[path = "screens/player.rs"]
mod player;
#[path = "wizard/redact.rs"]
mod redact;

use std::{path::Path, time::Duration};

use clap::Parser as _;
use crossterm::event::{KeyCode, KeyModifiers};
use packagecloud_cloudfront::{
    args::Arguments,
    wizard::{Beginning, Outcome},
};
use player::{Player, play_on};
use tempfile::TempDir;
use tokio::time::sleep;

/// A sandbox of its own; its path is as long in every run.
fn sandbox() -> TempDir {
    tempfile::Builder::new().prefix("wizard-").rand_bytes(6).tempdir_in("/tmp").unwrap()
}

/// The wizard on the sandbox in `dir`, started with `options`.
async fn play<P, F>(dir: &Path, options: &[&str], size: (u16, u16), part: P) -> Outcome
where
    P: FnOnce(Player) -> F,
    F: Future<Output = ()>,
{
    let sandbox = format!("--sandbox={}", dir.display());
    let line =
        ["packagecloud-cloudfront", &sandbox].into_iter().chain(options.iter().copied()).chain(["wizard"]);
    let Arguments { global, command } = Arguments::parse_from(line);
    let laid = lay::ground(&global, &command.unwrap()).await.unwrap();
    let performer = laid.performer();
    let beginning = Beginning {
        config: laid.ground.host.config.display().to_string(),
        answers: laid.answers,
        goal: None,
        sandbox: laid.sandbox,
    };
    play_on(beginning, size, performer, part).await
}

fn show(size: (u16, u16), name: &str, player: &Player) {
    insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), redact::redact(&player.picture()));
}

fn file(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("packagecloud.rb")).unwrap()
}

/// Whether a line of the file, and not a comment, says that CloudFront is on.
fn is_on(file: &str) -> bool {
    file.lines().any(|line| line.starts_with("packagecloud_rails['cloudfront_enabled'] = true"))
}

/// From the welcome screen to the overview.
async fn to_overview(player: &Player) {
    player.see("Enter go on").await;
    player.press(KeyCode::Home).await;
    player.press(KeyCode::Down).await;
    player.enter().await;
    player.see("Type or paste access keys").await;
    player.enter().await;
    player.see("Another bucket").await;
    player.enter().await;
    player.see("Enter go on").await;
    player.enter().await;
    player.see("Overview\n").await;
    player.see("Enter go on").await;
}

/// From a stage that has a plan through its run to the next one.
async fn stage(player: &Player, does: &str) {
    player.see(does).await;
    player.enter().await;
    player.see("✓ ").await;
    player.see("Enter go on").await;
    player.enter().await;
}

async fn to_go_live(player: &Player) {
    to_overview(player).await;
    player.enter().await;
    for does in [
        "Enter reindex",
        "Enter write the secret",
        "Enter make these",
        "Enter make these",
        "Enter write this",
    ] {
        stage(player, does).await;
    }
    player.see("Enter go live").await;
}

async fn journey(size: (u16, u16)) {
    let dir = sandbox();
    let before = file_after_opening(dir.path());
    let at = dir.path().to_owned();
    let outcome = play(&at, &[], size, async |player: Player| {
        player.see("Enter go on").await;
        show(size, "01-welcome", &player);
        player.press(KeyCode::Home).await;
        player.press(KeyCode::Down).await;
        player.enter().await;
        player.see("Type or paste access keys").await;
        show(size, "02-identity", &player);
        player.enter().await;
        player.see("Another bucket").await;
        show(size, "03-bucket", &player);
        player.enter().await;
        player.see("Enter go on").await;
        show(size, "04-access", &player);
        player.enter().await;
        player.see("Overview\n").await;
        player.see("Enter go on").await;
        show(size, "05-overview", &player);
        player.enter().await;
        for (name, does) in [
            ("06-reindex", "Enter reindex"),
            ("07-secret", "Enter write the secret"),
            ("08-bootstrap", "Enter make these"),
            ("09-distribution", "Enter make these"),
            ("10-configuration", "Enter write this"),
            ("11-go-live", "Enter go live"),
        ] {
            player.see(does).await;
            show(size, name, &player);
            // two backups of one second would be numbered
            sleep(Duration::from_millis(1100)).await;
            player.enter().await;
            player.see("Enter go on").await;
            show(size, &format!("{name}-done"), &player);
            player.enter().await;
        }
        player.see("Enter finish").await;
        show(size, "12-verify", &player);
        assert!(is_on(&file(&at)));
        player.letter('c').await;
        player.see("Copied, and kept in").await;
        let copied = std::fs::read_to_string(clipboard(&at)).unwrap();
        assert!(copied.contains("packagecloud_rails['cloudfront_enabled'] = true"), "{copied}");
        let secret =
            file(&at).lines().find(|line| line.contains("cloudfront_secret")).unwrap().trim().to_owned();
        assert!(copied.contains(&secret), "the real secret is in the copy: {copied}");
        assert!(!player.sees(secret.split('\'').nth(3).unwrap()), "and not on the screen");

        player.letter('D').await;
        player.see("Enter switch CloudFront off").await;
        player.see("3-link").await;
        show(size, "13-disable", &player);
        player.enter().await;
        player.see("Enter back to the start").await;
        show(size, "14-disabled", &player);
        assert!(file(&at).contains("packagecloud_rails['cloudfront_enabled'] = false"));
        player.enter().await;
        player.see("Enter go on").await;
        show(size, "15-welcome-again", &player);

        player.press(KeyCode::End).await;
        player.enter().await;
        player.see("Enter show what it changes").await;
        show(size, "16-backups", &player);
        player.enter().await;
        player.see("Enter restore this").await;
        show(size, "17-roll-back", &player);
        player.enter().await;
        player.see("going live comes next").await;
        show(size, "18-rolled-back", &player);
        player.enter().await;
        player.see("Enter go live").await;
        player.enter().await;
        player.see("on since").await;
        player.see("Enter back to the start").await;
        player.letter('l').await;
        show(size, "19-log", &player);
        player.letter('b').await;
        player.letter('q').await;
    })
    .await;
    assert_eq!(outcome.code, 0);
    assert!(
        file(dir.path()).contains("packagecloud_rails['cloudfront_enabled'] = true"),
        "rolled back to on"
    );
    assert!(!before.contains("cloudfront_distribution_id"), "a fresh sandbox has none of the four");
}

fn file_after_opening(dir: &Path) -> String {
    packagecloud_cloudfront::sandbox::open(&packagecloud_cloudfront::sandbox::Options {
        dir: dir.to_owned(),
        ..Default::default()
    })
    .unwrap();
    file(dir)
}

/// The one file of the state directory that holds a copied block, readable by its owner alone.
fn clipboard(dir: &Path) -> std::path::PathBuf {
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
    journey((80, 24)).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_off_and_back_at_160x50() {
    journey((160, 50)).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_off_and_back_at_120x40() {
    journey((120, 40)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_says_the_next_move_and_is_done_when_tried_again() {
    let dir = sandbox();
    let size = (80, 24);
    play(dir.path(), &["--sandbox-fault", "kms:CreateKey:1:deny"], size, async |player: Player| {
        to_overview(&player).await;
        player.enter().await;
        player.see("Enter reindex").await;
        player.letter('s').await;
        stage(&player, "Enter write the secret").await;
        player.see("Enter make these").await;
        player.enter().await;
        player.see("Enter look again").await;
        show(size, "20-failed-step", &player);
        player.enter().await;
        player.see("Enter make these").await;
        player.enter().await;
        player.see("Enter go on").await;
        player.letter('q').await;
    })
    .await;
    let log = std::fs::read_to_string(dir.path().join("state/log")).unwrap();
    for line in ["✓  role ", "✗  ", "kms:CreateKey is denied", "Bootstrap: done"] {
        assert!(log.contains(line), "{line} isn't in the log:\n{log}");
    }
    let secret = file(dir.path()).split("cloudfront_secret'] = '").nth(1).unwrap().to_owned();
    assert!(!log.contains(secret.split('\'').next().unwrap()));
}

/// The first thing to read is that nobody is harmed.
#[tokio::test(start_paused = true)]
async fn a_refused_go_live_says_that_cloudfront_is_off_again() {
    let dir = sandbox();
    let size = (80, 24);
    let options = ["--sandbox-construction", "raw:path+expires"];
    play(dir.path(), &options, size, async |player: Player| {
        to_go_live(&player).await;
        player.enter().await;
        player.see("Enter look again").await;
        show(size, "26-refused", &player);
        assert!(player.sees("CloudFront is off") && !player.sees("D switches"), "{}", player.picture());
        player.letter('q').await;
    })
    .await;
    assert!(!is_on(&file(dir.path())));
}

#[tokio::test(start_paused = true)]
async fn x_asks_why_clients_get_403_from_the_first_screen() {
    let dir = sandbox();
    let size = (80, 24);
    play(dir.path(), &[], size, async |player: Player| {
        player.see("Enter go on").await;
        player.letter('x').await;
        player.see("Enter look again").await;
        show(size, "21-why-403", &player);
        player.letter('b').await;
        player.see("What shall happen?").await;
        player.letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_expression_is_overruled_only_on_a_yes() {
    let dir = sandbox();
    let before = file_after_opening(dir.path());
    let line = "packagecloud_rails['cloudfront_enabled'] = ENV['CF'] == '1'\n";
    std::fs::write(dir.path().join("packagecloud.rb"), format!("{before}{line}")).unwrap();
    let size = (80, 24);
    let at = dir.path().to_owned();
    play(&at, &[], size, async |player: Player| {
        to_go_live(&player).await;
        show(size, "22-expression", &player);
        player.enter().await;
        player.see("y yes, do it").await;
        show(size, "23-expression-asked", &player);
        player.letter('n').await;
        player.see("Nothing was done").await;
        assert!(!is_on(&file(&at)), "{}", file(&at));
        player.enter().await;
        player.see("y yes, do it").await;
        player.letter('y').await;
        player.see("Your yes is noted").await;
        player.see("Enter go live").await;
        player.enter().await;
        player.see("on since").await;
        player.letter('q').await;
    })
    .await;
    assert!(file(&at).contains(line) && is_on(&file(&at)), "{}", file(&at));
}

#[tokio::test(start_paused = true)]
async fn a_managed_host_is_asked_about_before_its_file_is_touched() {
    let dir = sandbox();
    let before = file_after_opening(dir.path());
    let managed = format!("# This file is managed by Puppet. DO NOT EDIT.\n{before}");
    std::fs::write(dir.path().join("packagecloud.rb"), &managed).unwrap();
    let size = (80, 24);
    play(dir.path(), &[], size, async |player: Player| {
        to_overview(&player).await;
        player.enter().await;
        player.see("Enter reindex").await;
        player.letter('s').await;
        player.see("Enter write the secret").await;
        player.enter().await;
        player.see("Write now: pause that tool").await;
        show(size, "25-managed-asked", &player);
        player.letter('b').await;
        player.see("Nothing was done").await;
        player.letter('q').await;
    })
    .await;
    assert_eq!(file(dir.path()), managed, "nothing was written without a yes");
}

#[tokio::test(start_paused = true)]
async fn it_switches_off_while_aws_does_not_answer() {
    let dir = sandbox();
    let size = (80, 24);
    play(dir.path(), &[], size, async |player: Player| {
        to_go_live(&player).await;
        player.enter().await;
        player.see("Enter go on").await;
        player.letter('q').await;
    })
    .await;
    assert!(is_on(&file(dir.path())));
    let hang: Vec<String> = ["sts", "iam", "kms", "lambda", "cloudfront"]
        .iter()
        .map(|service| format!("{service}:1:hang"))
        .collect();
    let options: Vec<&str> = hang.iter().flat_map(|fault| ["--sandbox-fault", fault]).collect();
    play(dir.path(), &options, size, async |player: Player| {
        player.see("What shall happen?").await;
        player.letter('D').await;
        player.see("Enter switch CloudFront off").await;
        player.enter().await;
        player.see("Enter back to the start").await;
        show(size, "24-off-without-aws", &player);
        player.letter('q').await;
    })
    .await;
    assert!(file(dir.path()).contains("packagecloud_rails['cloudfront_enabled'] = false"));
}

#[tokio::test(start_paused = true)]
async fn the_reindex_pauses_and_goes_on() {
    let dir = sandbox();
    play(dir.path(), &[], (80, 24), async |player: Player| {
        to_overview(&player).await;
        player.enter().await;
        player.see("Enter reindex").await;
        sleep(Duration::from_millis(400)).await;
        // both wait for the loop together: it pauses before the first request
        player.send(KeyCode::Enter, KeyModifiers::NONE);
        player.send(KeyCode::Char('p'), KeyModifiers::NONE);
        player.see("Paused: nothing is sent to S3").await;
        player.letter('p').await;
        player.see("Enter go on").await;
        player.letter('b').await;
        player.see("Enter go on").await;
        player.letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_judges_typed_keys_itself_and_reads_no_profile() {
    let dir = sandbox();
    play(dir.path(), &[], (80, 24), async |player: Player| {
        player.see("Enter go on").await;
        player.enter().await;
        player.see("Type or paste access keys").await;
        player.press(KeyCode::Down).await;
        player.enter().await;
        player.see("Enter done").await;
        player.paste("work").await;
        player.enter().await;
        player.see("a sandbox reads no profiles").await;
        player.see("Enter use this").await;
        player.press(KeyCode::Down).await;
        for (key, secret, told) in [
            ("AKIANOBODYKNOWSTHIS1", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "InvalidClientTokenId"),
            ("AKIAIOSFODNN7EXAMPLE", "another", "SignatureDoesNotMatch"),
            ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "Another bucket"),
        ] {
            player.enter().await;
            player.see("Enter done").await;
            player.paste(key).await;
            player.press(KeyCode::Tab).await;
            player.paste(secret).await;
            player.enter().await;
            player.see(told).await;
        }
        player.letter('q').await;
    })
    .await;
}
