//! The wizard's screens, by the real loop on a backend in memory, an engine by script, and a paused clock.
//!
//! Every snapshot was read by eye; `INSTA_UPDATE=no` holds them.

#[path = "screens/another.rs"]
mod another;
#[path = "screens/any_input.rs"]
mod any_input;
#[path = "screens/player.rs"]
mod player;
#[path = "screens/pty.rs"]
mod pty;
#[path = "screens/scripted.rs"]
mod scripted;

use crossterm::event::KeyCode;
use packagecloud_cloudfront::model::run::{event::Wants, failure::Kind, goal::Step, plan::Consent};
use player::Player;
use scripted::{Shared, play};

fn show(size: (u16, u16), name: &str, player: &Player) {
    insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), player.picture());
}

/// The same of a screen on which a tick may fall on either side of a tenth of a second: its time and spinner are written over.
fn show_at_any_time(size: (u16, u16), name: &str, player: &Player) {
    let picture = player.picture();
    let mut still: String = picture.chars().map(|c| if "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".contains(c) { '⠋' } else { c }).collect();
    for tenth in 0..10 {
        still = still.replace(&format!("paused  3.{tenth} s"), "paused  3.0 s");
    }
    insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), still);
}

/// The same of a stage that stands still, and whose time goes on: that is written over.
fn show_still(size: (u16, u16), name: &str, player: &Player) {
    let mut still: String =
        player.picture().chars().map(|c| if "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".contains(c) { '⠋' } else { c }).collect();
    for tenths in (0..200).rev() {
        still = still.replace(&format!("{}.{} s", tenths / 10, tenths % 10), "0.0 s");
    }
    insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), still);
}

/// From the first frame to the access screen.
async fn to_access(player: &Player) {
    player.see("go on").await;
    player.enter().await;
    player.see("A named profile").await;
    player.enter().await;
    player.see("Another bucket").await;
    player.enter().await;
    player.see("kms:CreateKey").await;
}

/// The whole upgrade, a snapshot of every screen.
async fn upgrade(size: (u16, u16)) {
    let script = Shared::default();
    let outcome = play(size, &script, async |player: Player| {
        player.see("looking around").await;
        show(size, "01-first-frame", &player);
        player.see("go on").await;
        show(size, "02-welcome", &player);
        player.enter().await;
        player.see("A named profile").await;
        show(size, "03-identity", &player);
        player.enter().await;
        player.see("Another bucket").await;
        show(size, "04-bucket", &player);
        player.enter().await;
        player.see("kms:CreateKey").await;
        show(size, "05-access", &player);
        player.enter().await;
        player.see("to create").await;
        show(size, "06-overview", &player);
        player.enter().await;
        player.see("Enter reindex").await;
        show(size, "07-reindex", &player);
        player.enter().await;
        player.see(" 60 %").await;
        show(size, "08-reindex-running", &player);
        player.see("Done.").await;
        player.enter().await;
        player.see("write the secret").await;
        show(size, "09-secret", &player);
        player.enter().await;
        player.see("Done.").await;
        player.enter().await;
        player.see("make these").await;
        show(size, "10-bootstrap", &player);
        player.letter('e').await;
        show(size, "11-explain", &player);
        player.letter('b').await;
        player.enter().await;
        player.see("✓ create  KMS key").await;
        show(size, "12-bootstrap-running", &player);
        player.see("Done.").await;
        show(size, "13-bootstrap-done", &player);
        player.enter().await;
        player.see("make these").await;
        player.enter().await;
        player.see("Done.").await;
        player.enter().await;
        player.see("write this").await;
        show(size, "14-configuration", &player);
        player.letter('c').await;
        player.see("Copied, and kept in").await;
        player.letter('c').await;
        player.see("copied.txt: Tell customers").await;
        player.letter('c').await;
        player.see("copied.txt: The final block").await;
        player.enter().await;
        player.see("Done.").await;
        player.enter().await;
        player.see("go live").await;
        show(size, "15-go-live", &player);
        player.enter().await;
        player.see("Done.").await;
        player.enter().await;
        player.see("verdict").await;
        player.see("finish").await;
        show(size, "16-verify", &player);
        player.letter('l').await;
        show(size, "17-log", &player);
        player.letter('?').await;
        show(size, "18-help", &player);
        player.letter('b').await;
        player.enter().await;
    })
    .await;
    assert_eq!(outcome.code, 0);
    let script = script.lock().unwrap();
    let copied = script.copied.as_ref().unwrap();
    assert!(copied.text.contains("cloudfront_packages_domain"), "the block is what is copied, not the diff");
    let applied: Vec<&str> = script.heard.iter().filter_map(|heard| heard.strip_prefix("apply ")).collect();
    assert_eq!(
        applied,
        ["reindex", "secret", "bootstrap", "distribution", "configuration", "go-live", "verify"],
        "each stage is applied once"
    );
}

/// The reindex runs on beside the later stages; only going live waits for it.
async fn beside(size: (u16, u16)) {
    let script = Shared::default();
    let outcome = play(size, &script, async |player: Player| {
        to_access(&player).await;
        player.enter().await;
        player.see("to create").await;
        player.enter().await;
        player.see("Enter reindex").await;
        player.enter().await;
        player.see(" 10 %").await;
        player.letter('p').await;
        player.see("Paused").await;
        player.letter('g').await;
        player.see("write the secret").await;
        show(size, "40-secret-beside", &player);
        player.enter().await;
        player.see("Done.").await;
        player.enter().await;
        for does in ["make these", "make these", "write this"] {
            player.see(does).await;
            player.enter().await;
            player.see("Done.").await;
            player.enter().await;
        }
        player.see("Enter to the reindex").await;
        show(size, "41-go-live-waits", &player);
        assert!(!player.sees("Enter go live"));
        player.enter().await;
        player.see("Paused").await;
        player.letter('p').await;
        player.see(" 20 %").await;
        player.letter('g').await;
        player.see("The four values").await;
        player.letter('q').await;
        player.see("is running").await;
        player.letter('y').await;
    })
    .await;
    assert_eq!(outcome.code, 130, "it was asked to stop, and did");
}

#[tokio::test(start_paused = true)]
async fn a_reindex_beside_at_80x24() {
    beside((80, 24)).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_at_80x24() {
    upgrade((80, 24)).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_at_120x40() {
    upgrade((120, 40)).await;
}

#[tokio::test(start_paused = true)]
async fn the_wizard_takes_the_room_of_160x50() {
    let size = (160, 50);
    play(size, &Shared::default(), async |player: Player| {
        to_access(&player).await;
        player.enter().await;
        player.see("to create").await;
        show(size, "06-overview", &player);
        player.letter('q').await;
    })
    .await;
}

/// A code is asked for on the wizard's own screens, before AWS is: Esc leaves, a wrong one can be typed again.
#[tokio::test(start_paused = true)]
async fn a_code_is_asked_for_where_the_role_wants_one() {
    let size = (80, 24);
    let script = Shared::default();
    script.lock().unwrap().code = Some("424242");
    play(size, &script, async |player: Player| {
        player.see("Enter type the code").await;
        show(size, "42-wants-a-code", &player);
        player.enter().await;
        player.see("six digits").await;
        player.press(KeyCode::Esc).await;
        player.see("Enter type the code").await;
        assert!(!player.sees("six digits"));
        player.enter().await;
        player.see("six digits").await;
        // A letter is no part of a code, and so switches nothing off.
        player.paste("D 12-34").await;
        player.enter().await;
        player.see("code has six digits").await;
        player.paste("56").await;
        player.enter().await;
        player.see("was not accepted").await;
        show(size, "43-wrong-code", &player);
        player.paste("424242").await;
        player.enter().await;
        player.see("Enter go on").await;
        assert!(player.sees("user/operations"), "{}", player.picture());
        player.letter('q').await;
    })
    .await;
    let script = script.lock().unwrap();
    let asked: Vec<&str> = script.heard.iter().map(String::as_str).collect();
    assert_eq!(asked, ["welcome", "identify", "identify", "welcome"], "what was found is looked up anew");
}

/// In the middle of the reindex AWS no longer accepts the credentials: it says so, and what to do; then it goes on.
#[tokio::test(start_paused = true)]
async fn a_run_stands_still_until_its_credentials_are_renewed() {
    let size = (80, 24);
    for (wants, name) in [
        (Wants::Renewal, "44-stands-still"),
        (Wants::Code("arn:aws:iam::123456789012:mfa/jo".to_owned()), "45-stands-still-for-a-code"),
        (Wants::Keys, "46-stands-still-for-keys"),
    ] {
        let script = Shared::default();
        script.lock().unwrap().expires = Some(wants.clone());
        let waiting = script.clone();
        play(size, &script, async |player: Player| {
            to_access(&player).await;
            player.enter().await;
            player.see("to create").await;
            player.enter().await;
            player.see("Enter reindex").await;
            player.enter().await;
            player.see("Stands still").await;
            assert!(!player.sees("p pause"), "it stands already");
            match &wants {
                Wants::Renewal => {
                    show_still(size, name, &player);
                    // Nothing to press: it is renewed in another terminal.
                    player.letter('i').await;
                    assert!(player.sees("Stands still"));
                    waiting.lock().unwrap().expires = None;
                }
                Wants::Code(_) => {
                    player.see("i type the code").await;
                    player.letter('i').await;
                    player.see("six digits").await;
                    show_still(size, name, &player);
                    player.press(KeyCode::Esc).await;
                    player.see("i type the code").await;
                    player.letter('i').await;
                    player.paste("424242").await;
                    player.enter().await;
                }
                Wants::Keys => {
                    player.see("i type other keys").await;
                    player.letter('i').await;
                    player.see("secret access key").await;
                    player
                        .paste("aws_access_key_id=ASIAEXAMPLE\naws_secret_access_key=s\naws_session_token=t")
                        .await;
                    show_still(size, name, &player);
                    player.enter().await;
                }
            }
            player.see("Done.").await;
            assert!(!player.sees("Stands still"));
            player.letter('q').await;
        })
        .await;
        let heard = script.lock().unwrap().heard.clone();
        assert_eq!(heard.iter().filter(|heard| *heard == "apply reindex").count(), 1, "in place: {heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn disabling_starts_on_the_first_frame_and_waits_for_no_answer_of_aws() {
    let size = (80, 24);
    let script = Shared::default();
    script.lock().unwrap().silent = true;
    let outcome = play(size, &script, async |player: Player| {
        player.see("looking around").await;
        player.letter('D').await;
        player.see("switch CloudFront off").await;
        show(size, "20-disable", &player);
        player.see("s3-link").await;
        player.enter().await;
        player.see("Done.").await;
        show(size, "21-disabled", &player);
        player.letter('q').await;
    })
    .await;
    assert_eq!(outcome.code, 0);
    let heard = &script.lock().unwrap().heard;
    assert_eq!(heard.as_slice(), ["welcome", "look disable", "apply disable"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_is_looked_at_again_or_passed_by_on_purpose() {
    let size = (80, 24);
    let script = Shared::default();
    script.lock().unwrap().denied = true;
    play(size, &script, async |player: Player| {
        to_access(&player).await;
        player.see("go on anyway").await;
        show(size, "22-denied", &player);
        player.enter().await;
        player.see("looking").await;
        player.see("Enter go on").await;
        player.letter('q').await;
    })
    .await;
    assert_eq!(script.lock().unwrap().heard, ["welcome", "look access", "look access"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_says_why_and_what_next_and_is_gone_on_with() {
    let size = (80, 24);
    let script = Shared::default();
    script.lock().unwrap().fails = Some((Step::Objects, Kind::Denied));
    let outcome = play(size, &script, async |player: Player| {
        to_access(&player).await;
        player.enter().await;
        player.see("to create").await;
        player.enter().await;
        player.see("Enter reindex").await;
        player.enter().await;
        player.see("AccessDenied").await;
        show(size, "23-failed", &player);
        player.letter('q').await;
    })
    .await;
    assert_eq!(outcome.code, 1, "left after a failure that nothing mended");
}

#[tokio::test(start_paused = true)]
async fn what_drifted_is_looked_at_again_by_itself() {
    let script = Shared::default();
    script.lock().unwrap().fails = Some((Step::Objects, Kind::Drifted));
    play((80, 24), &script, async |player: Player| {
        to_access(&player).await;
        player.enter().await;
        player.see("to create").await;
        player.enter().await;
        player.see("Enter reindex").await;
        player.enter().await;
        player.see("Something changed since it was shown").await;
        player.see("Enter reindex").await;
        player.letter('q').await;
    })
    .await;
    let script = script.lock().unwrap();
    assert_eq!(script.heard[script.heard.len() - 2..], ["apply reindex", "look reindex"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_stage_is_that_stages_failure() {
    let size = (80, 24);
    let script = Shared::default();
    script.lock().unwrap().panics_in = Some(packagecloud_cloudfront::model::run::goal::Stage::Reindex);
    play(size, &script, async |player: Player| {
        to_access(&player).await;
        player.enter().await;
        player.see("to create").await;
        player.enter().await;
        player.see("Enter reindex").await;
        player.enter().await;
        player.see("this program has a fault").await;
        player.see("look again").await;
        player.letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_consent_is_asked_for_by_name_and_no_does_nothing() {
    let size = (80, 24);
    let script = Shared::default();
    script.lock().unwrap().asks = Some(Consent::Adopt);
    play(size, &script, async |player: Player| {
        to_access(&player).await;
        player.enter().await;
        player.see("to create").await;
        player.enter().await;
        player.see("Enter reindex").await;
        player.letter('s').await;
        for word in ["write the secret", "make these"] {
            player.see(word).await;
            player.enter().await;
            player.see("Done.").await;
            player.enter().await;
        }
        player.see("Will be asked").await;
        player.enter().await;
        player.see("yes, do it").await;
        show(size, "24-consent", &player);
        player.letter('n').await;
        player.see("Nothing was done").await;
        player.enter().await;
        player.letter('y').await;
        player.see("Your yes is noted").await;
        player.see("make these").await;
        player.enter().await;
        player.see("Done.").await;
        player.letter('q').await;
    })
    .await;
    let script = script.lock().unwrap();
    assert!(!script.heard.iter().any(|heard| heard == "apply reindex"), "it was skipped");
    assert_eq!(script.heard.iter().filter(|heard| *heard == "apply distribution").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_are_typed_or_pasted_and_never_shown() {
    let size = (80, 24);
    let script = Shared::default();
    play(size, &script, async |player: Player| {
        player.see("go on").await;
        player.enter().await;
        player.see("access keys").await;
        player.press(KeyCode::End).await;
        player.enter().await;
        player.see("secret access key").await;
        for letter in "AKIAqb?D".chars() {
            player.letter(letter).await;
        }
        player.see("AKIAqb?D").await;
        player.press(KeyCode::Tab).await;
        player.paste("wJalrXUtnFEMI/K7MDENG\n").await;
        show(size, "25-typed-keys", &player);
        assert!(!player.sees("wJalr"), "a secret is never on the screen");
        player.paste("export AWS_ACCESS_KEY_ID=AKIDPASTED\nexport AWS_SECRET_ACCESS_KEY=\"abc/def\"\n").await;
        player.see("AKIDPASTED").await;
        player.enter().await;
        player.see("Another bucket").await;
        player.see("typed keys AKIDPASTED").await;
        player.letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_interrupt_stops_and_the_second_leaves_at_once() {
    let size = (80, 24);
    let script = Shared::default();
    let outcome = play(size, &script, async |player: Player| {
        to_access(&player).await;
        player.enter().await;
        player.see("to create").await;
        player.enter().await;
        player.see("Enter reindex").await;
        player.enter().await;
        player.see(" 30 %").await;
        player.letter('p').await;
        player.see("Paused").await;
        show(size, "26-paused", &player);
        player.letter('q').await;
        player.see("stop and leave").await;
        show_at_any_time(size, "27-leave", &player);
        player.letter('n').await;
        player.see("p go on").await;
        player.interrupt();
        player.interrupt();
        player.see("nothing more").await;
    })
    .await;
    assert_eq!(outcome.code, 130);
    assert!(outcome.last_words[0].contains("Reindex was left in the middle"), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn leaving_while_something_runs_waits_for_it_to_stop() {
    for by_signal in [false, true] {
        let outcome = play((80, 24), &Shared::default(), async |player: Player| {
            to_access(&player).await;
            player.enter().await;
            player.see("to create").await;
            player.enter().await;
            player.see("Enter reindex").await;
            player.enter().await;
            player.see(" 30 %").await;
            if by_signal {
                player.hang_up();
            } else {
                player.letter('q').await;
                player.letter('y').await;
            }
        })
        .await;
        assert_eq!(outcome.code, 130);
        assert!(!outcome.last_words[0].contains("in the middle"), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_is_chosen_and_shown_before_it_is_restored() {
    let size = (80, 24);
    play(size, &Shared::default(), async |player: Player| {
        player.see("go on").await;
        player.press(KeyCode::End).await;
        player.enter().await;
        player.see("2026-11-20").await;
        show(size, "28-backups", &player);
        player.enter().await;
        player.see("restore this").await;
        player.letter('b').await;
        player.see("2026-03-01").await;
        player.letter('b').await;
        player.see("What shall happen?").await;
        player.letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_size_is_drawn() {
    play((80, 24), &Shared::default(), async |player: Player| {
        player.resize(39, 9).await;
        player.see("Make it larger").await;
        show((39, 9), "29-small", &player);
        player.resize(40, 10).await;
        player.see("What shall").await;
        show((40, 10), "29-small", &player);
        player.resize(80, 24).await;
        player.see("Roll back").await;
        player.letter('q').await;
    })
    .await;
}
