//! The wizard's screens, by the real loop on a backend in memory, an engine by script, and a paused clock.
//!
//! Every snapshot was read by eye; `INSTA_UPDATE=no` holds them.

use crate::player::ScreenPlayer;
use crate::scripted::{SharedScript, live_welcome, play_script};
use crossterm::event::{KeyCode, KeyModifiers};
use packagecloud_cloudfront::model::{
    failure::FailureKind,
    run::{event::CredentialRenewalNeed, goal::StageStep, plan::RequiredConsent},
};
use packagecloud_cloudfront::tui::TuiRequest;

pub fn assert_screen(size: (u16, u16), name: &str, player: &ScreenPlayer) {
    insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), player.screen_text());
}

/// The same of a screen on which time goes on: times and spinners are written over.
fn assert_screen_without_times(size: (u16, u16), name: &str, player: &ScreenPlayer) {
    let mut still: String =
        player.screen_text().chars().map(|c| if "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".contains(c) { '⠋' } else { c }).collect();
    for tenths in (0..200).rev() {
        still = still.replace(&format!("{}.{} s", tenths / 10, tenths % 10), "0.0 s");
    }
    insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), still);
}

/// From the first frame to the plan.
async fn drive_to_plan(player: &ScreenPlayer) {
    player.wait_for_text("What do you want to do?").await;
    player.press_enter().await;
    player.wait_for_text("Enter set this up").await;
}

/// From the first frame to the reindex, which waits for its Enter: one stage at a time.
async fn drive_to_reindex(player: &ScreenPlayer) {
    drive_to_plan(player).await;
    player.press_letter('o').await;
    player.wait_for_text("Enter reindex").await;
}

/// Starts the reindex, which goes beside the next stage, and comes back to its screen while it runs.
async fn start_reindex_and_show_it(player: &ScreenPlayer) {
    drive_to_reindex(player).await;
    player.press_enter().await;
    player.wait_for_text("write the secret").await;
    player.press_letter('b').await;
    player.wait_for_text("g go ahead").await;
}

/// Runs the stage whose Enter is offered by this text, and goes on to the next.
async fn run_and_leave_stage(player: &ScreenPlayer, offer: &str) {
    player.wait_for_text(offer).await;
    player.press_enter().await;
    player.wait_for_text("Done.").await;
    player.press_enter().await;
}

/// The whole upgrade one stage at a time, a snapshot of every screen.
async fn play_upgrade(size: (u16, u16)) {
    let script = SharedScript::default();
    let outcome = play_script(size, &script, async |player: ScreenPlayer| {
        player.wait_for_text("looking around").await;
        assert_screen(size, "01-first-frame", &player);
        player.wait_for_text("packagecloud:enterprise 3.0.5").await;
        assert_screen(size, "01-local-facts", &player);
        player.wait_for_text("What do you want to do?").await;
        assert_screen(size, "02-home", &player);
        player.press_enter().await;
        player.wait_for_text("Enter set this up").await;
        assert_screen(size, "03-plan", &player);
        player.press_key(KeyCode::Tab).await;
        player.wait_for_text("A named profile").await;
        assert_screen(size, "04-identity", &player);
        player.press_letter('b').await;
        player.wait_for_text("Enter set this up").await;
        player.press_key(KeyCode::Down).await;
        player.press_key(KeyCode::Tab).await;
        player.wait_for_text("Another bucket").await;
        assert_screen(size, "05-bucket", &player);
        player.press_letter('b').await;
        for _ in 0..5 {
            player.press_key(KeyCode::Down).await;
        }
        player.press_key(KeyCode::Tab).await;
        player.wait_for_text("+ create    KMS key").await;
        assert_screen(size, "06-plan-opened", &player);
        player.press_letter('o').await;
        player.wait_for_text("Enter reindex").await;
        assert_screen(size, "07-reindex", &player);
        player.press_enter().await;
        player.wait_for_text("write the secret").await;
        player.press_letter('b').await;
        player.wait_for_text(" 60 %").await;
        assert_screen_without_times(size, "08-reindex-running", &player);
        player.wait_for_text("Done.").await;
        player.press_enter().await;
        player.wait_for_text("write the secret").await;
        assert_screen(size, "09-secret", &player);
        player.press_enter().await;
        player.wait_for_text("Done.").await;
        player.press_enter().await;
        player.wait_for_text("create these").await;
        assert_screen(size, "10-bootstrap", &player);
        player.press_letter('e').await;
        assert_screen(size, "11-explain", &player);
        player.press_letter('b').await;
        player.press_enter().await;
        player.wait_for_text("✓ created   KMS key").await;
        assert_screen_without_times(size, "12-bootstrap-running", &player);
        player.wait_for_text("Done.").await;
        assert_screen(size, "13-bootstrap-done", &player);
        player.press_enter().await;
        run_and_leave_stage(&player, "create these").await;
        player.wait_for_text("write this").await;
        assert_screen(size, "14-configuration", &player);
        assert!(player.is_showing("c copy, secret in clear"), "{}", player.screen_text());
        player.press_letter('c').await;
        player.wait_for_text("Copied, and kept in").await;
        assert!(!player.is_showing("c copy, secret in clear"), "the next text hides no secret");
        player.press_letter('c').await;
        player.wait_for_text("copied.txt: Tell customers").await;
        player.press_letter('c').await;
        player.wait_for_text("copied.txt: The final block").await;
        player.press_enter().await;
        player.wait_for_text("Done.").await;
        player.press_enter().await;
        player.wait_for_text("go live").await;
        assert_screen(size, "15-go-live", &player);
        player.press_enter().await;
        player.wait_for_text("Done.").await;
        player.press_enter().await;
        player.wait_for_text("Enter leave").await;
        assert_screen(size, "16-verify", &player);
        player.press_letter('l').await;
        assert_screen(size, "17-log", &player);
        player.press_letter('?').await;
        assert_screen(size, "18-help", &player);
        player.press_letter('b').await;
        player.press_enter().await;
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

/// The reindex runs on beside the later stages; nothing waits for it.
async fn play_background_reindex(size: (u16, u16)) {
    let script = SharedScript::default();
    let outcome = play_script(size, &script, async |player: ScreenPlayer| {
        start_reindex_and_show_it(&player).await;
        player.press_letter('p').await;
        player.wait_for_text("Paused").await;
        player.press_letter('g').await;
        player.wait_for_text("write the secret").await;
        assert_screen(size, "40-secret-beside", &player);
        player.press_enter().await;
        player.wait_for_text("Done.").await;
        player.press_enter().await;
        for does in ["create these", "create these", "write this"] {
            run_and_leave_stage(&player, does).await;
        }
        player.wait_for_text("Enter go live").await;
        assert!(player.is_showing("does not wait"), "{}", player.screen_text());
        assert_screen(size, "41-go-live-beside", &player);
        player.press_letter('q').await;
        player.wait_for_text("is running").await;
        player.press_letter('y').await;
    })
    .await;
    assert_eq!(outcome.code, 130, "it was asked to stop, and did");
}

#[tokio::test(start_paused = true)]
async fn a_reindex_beside_at_80x24() {
    play_background_reindex((80, 24)).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_at_80x24() {
    play_upgrade((80, 24)).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_at_120x40() {
    play_upgrade((120, 40)).await;
}

#[tokio::test(start_paused = true)]
async fn the_wizard_takes_the_room_of_160x50() {
    let size = (160, 50);
    play_script(size, &SharedScript::default(), async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        assert_screen(size, "03-plan", &player);
        player.press_letter('q').await;
    })
    .await;
}

/// One consent on the plan: what customers can't notice runs without a stop; going live is a consent of its own.
async fn play_set_up_with_one_consent(size: (u16, u16)) {
    let script = SharedScript::default();
    let outcome = play_script(size, &script, async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_enter().await;
        player.wait_for_text("✓ attached  role policy").await;
        assert_screen_without_times(size, "60-bootstrap-on-the-board", &player);
        player.wait_for_text("Enter go live").await;
        assert_screen_without_times(size, "61-go-live-beside-the-reindex", &player);
        player.wait_for_text("The reindex is done").await;
        player.press_enter().await;
        player.wait_for_text("Enter leave").await;
        assert_screen_without_times(size, "62-live", &player);
        player.press_enter().await;
    })
    .await;
    assert_eq!(outcome.code, 0);
    let script = script.lock().unwrap();
    let applied: Vec<&str> = script.heard.iter().filter_map(|heard| heard.strip_prefix("apply ")).collect();
    assert_eq!(
        applied,
        ["reindex", "secret", "bootstrap", "distribution", "configuration", "go-live", "verify"],
        "each stage is applied once"
    );
}

#[tokio::test(start_paused = true)]
async fn one_consent_at_80x24() {
    play_set_up_with_one_consent((80, 24)).await;
}

#[tokio::test(start_paused = true)]
async fn one_consent_at_120x40() {
    play_set_up_with_one_consent((120, 40)).await;
}

/// What asks stops the run before it; after the yes and its Enter it goes on by itself.
#[tokio::test(start_paused = true)]
async fn what_asks_stops_the_run_and_a_yes_lets_it_go_on() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().asks = Some(RequiredConsent::Adopt);
    play_script(size, &script, async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_enter().await;
        player.wait_for_text("Stopped before Distribution").await;
        assert_screen_without_times(size, "63-stopped-by-a-question", &player);
        player.press_enter().await;
        player.wait_for_text("yes, do it").await;
        player.press_letter('y').await;
        player.wait_for_text("Your yes is noted").await;
        player.wait_for_text("create these").await;
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.press_letter('q').await;
        player.press_letter('y').await;
    })
    .await;
}

/// Several questions are read whole on one page, with what Enter does.
#[tokio::test(start_paused = true)]
async fn several_questions_stand_on_one_page() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().asks_also = vec![RequiredConsent::LiveChange, RequiredConsent::AdoptBucketKey];
    play_script(size, &script, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_enter().await;
        player.wait_for_text("Enter answer the question").await;
        assert_screen(size, "67-plan-with-questions", &player);
        player.press_enter().await;
        player.wait_for_text("yes, do it").await;
        assert_screen(size, "68-first-question", &player);
        player.press_letter('n').await;
        player.press_letter('o').await;
        player.wait_for_text("Enter reindex").await;
        player.press_letter('s').await;
        run_and_leave_stage(&player, "Enter write the secret").await;
        run_and_leave_stage(&player, "Enter create these").await;
        player.wait_for_text("Will be asked").await;
        assert_screen(size, "69-stage-with-questions", &player);
        player.press_letter('q').await;
    })
    .await;
}

/// Where the goal is reached Enter leaves, and the page says so before; `b` and Esc lead to Home.
#[tokio::test(start_paused = true)]
async fn from_live_enter_leaves_and_esc_leads_home() {
    let script = SharedScript::default();
    let outcome = play_script((80, 24), &script, async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.wait_for_text("The reindex is done").await;
        player.press_enter().await;
        player.wait_for_text("Enter leave").await;
        assert!(player.is_showing("Enter leaves this program"), "{}", player.screen_text());
        assert!(player.is_showing("b Home"), "{}", player.screen_text());
        player.press_key(KeyCode::Esc).await;
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('q').await;
    })
    .await;
    assert_eq!(outcome.code, 0);
}

/// What fails stops the run; Enter looks again, and it goes on by itself.
#[tokio::test(start_paused = true)]
async fn what_fails_stops_the_run_and_enter_tries_it_again() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().fails = Some((StageStep::Key, FailureKind::Denied));
    play_script(size, &script, async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_enter().await;
        player.wait_for_text("Enter look again").await;
        assert_screen_without_times(size, "64-stopped-by-a-failure", &player);
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.press_letter('q').await;
        player.press_letter('y').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_pasted_on_home_is_explained() {
    let size = (80, 24);
    let script = SharedScript::default();
    play_script(size, &script, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.paste_text("it says 403").await;
        assert!(player.is_showing("What do you want to do?"), "that is no link");
        player.paste_text("<https://d1.cloudfront.net/7/8/a.deb?t=1_2>").await;
        player.wait_for_text("it expired 2 h ago").await;
        assert!(player.is_showing("→ ask again") && player.is_showing("the bucket holds it"));
        player.press_enter().await;
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('q').await;
    })
    .await;
    assert_eq!(script.lock().unwrap().heard, ["welcome", "link https://d1.cloudfront.net/7/8/a.deb?t=1_2"]);
}

#[tokio::test(start_paused = true)]
async fn the_status_is_asked_for_from_home() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().welcome = Some(live_welcome());
    play_script(size, &script, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        assert_screen(size, "65-home-live", &player);
        player.press_key(KeyCode::Down).await;
        player.press_enter().await;
        player.wait_for_text("1 finding needs attention").await;
        assert_screen(size, "66-status", &player);
        player.press_letter('b').await;
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('q').await;
    })
    .await;
    assert_eq!(script.lock().unwrap().heard, ["welcome", "status"]);
}

/// A code is asked for on the wizard's own screens, before AWS is: Esc leaves, a wrong one can be typed again.
#[tokio::test(start_paused = true)]
async fn a_code_is_asked_for_where_the_role_wants_one() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().code = Some("424242");
    play_script(size, &script, async |player: ScreenPlayer| {
        player.wait_for_text("Enter type the code").await;
        assert_screen(size, "42-wants-a-code", &player);
        player.press_enter().await;
        player.wait_for_text("six digits").await;
        player.press_key(KeyCode::Esc).await;
        player.wait_for_text("Enter type the code").await;
        assert!(!player.is_showing("six digits"));
        player.press_enter().await;
        player.wait_for_text("six digits").await;
        // A letter is no part of a code, and so switches nothing off.
        player.paste_text("D 12-34").await;
        player.press_enter().await;
        player.wait_for_text("code has six digits").await;
        player.paste_text("56").await;
        player.press_enter().await;
        player.wait_for_text("was not accepted").await;
        assert_screen(size, "43-wrong-code", &player);
        player.paste_text("424242").await;
        player.press_enter().await;
        player.wait_for_text("user/operations").await;
        player.press_letter('q').await;
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
        (CredentialRenewalNeed::Renewal, "44-stands-still"),
        (
            CredentialRenewalNeed::Code("arn:aws:iam::123456789012:mfa/jo".to_owned()),
            "45-stands-still-for-a-code",
        ),
        (CredentialRenewalNeed::Keys, "46-stands-still-for-keys"),
    ] {
        let script = SharedScript::default();
        script.lock().unwrap().expires = Some(wants.clone());
        let waiting = script.clone();
        play_script(size, &script, async |player: ScreenPlayer| {
            drive_to_reindex(&player).await;
            player.press_enter().await;
            player.wait_for_text("write the secret").await;
            player.press_letter('b').await;
            player.wait_for_text("Paused: AWS no longer").await;
            assert!(!player.is_showing("p pause"), "it stands already");
            match &wants {
                CredentialRenewalNeed::Renewal => {
                    assert_screen_without_times(size, name, &player);
                    // Nothing to press: it is renewed in another terminal.
                    player.press_letter('i').await;
                    assert!(player.is_showing("Paused: AWS no longer"));
                    waiting.lock().unwrap().expires = None;
                }
                CredentialRenewalNeed::Code(_) => {
                    player.wait_for_text("i type the code").await;
                    player.press_letter('i').await;
                    player.wait_for_text("six digits").await;
                    assert_screen_without_times(size, name, &player);
                    player.press_key(KeyCode::Esc).await;
                    player.wait_for_text("i type the code").await;
                    player.press_letter('i').await;
                    player.paste_text("424242").await;
                    player.press_enter().await;
                }
                CredentialRenewalNeed::Keys => {
                    player.wait_for_text("i type other keys").await;
                    player.press_letter('i').await;
                    player.wait_for_text("secret access key").await;
                    player
                        .paste_text(
                            "aws_access_key_id=ASIAEXAMPLE\naws_secret_access_key=s\naws_session_token=t",
                        )
                        .await;
                    assert_screen_without_times(size, name, &player);
                    player.press_enter().await;
                }
            }
            player.wait_for_text("Done.").await;
            assert!(!player.is_showing("Paused: AWS no longer"));
            player.press_letter('q').await;
        })
        .await;
        let heard = script.lock().unwrap().heard.clone();
        assert_eq!(heard.iter().filter(|heard| *heard == "apply reindex").count(), 1, "in place: {heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn disabling_starts_on_the_first_frame_and_waits_for_no_answer_of_aws() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().silent = true;
    let outcome = play_script(size, &script, async |player: ScreenPlayer| {
        player.wait_for_text("looking around").await;
        player.press_letter('D').await;
        player.wait_for_text("switch CloudFront off").await;
        assert_screen(size, "20-disable", &player);
        player.wait_for_text("1 check passed").await;
        player.press_enter().await;
        player.wait_for_text("Done.").await;
        assert_screen(size, "21-disabled", &player);
        player.press_letter('q').await;
    })
    .await;
    assert_eq!(outcome.code, 0);
    let heard = &script.lock().unwrap().heard;
    assert_eq!(heard.as_slice(), ["welcome", "look disable", "apply disable"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_is_looked_at_again_or_passed_by_on_purpose() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().denied = true;
    play_script(size, &script, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_enter().await;
        player.wait_for_text("continue anyway").await;
        assert_screen(size, "22-denied", &player);
        player.press_enter().await;
        player.wait_for_text("Enter set this up").await;
        player.press_letter('q').await;
    })
    .await;
    assert_eq!(script.lock().unwrap().heard, ["welcome", "look access", "look access", "look overview"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_says_why_and_what_next_and_is_gone_on_with() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().fails = Some((StageStep::Objects, FailureKind::Denied));
    let outcome = play_script(size, &script, async |player: ScreenPlayer| {
        drive_to_reindex(&player).await;
        player.press_enter().await;
        player.wait_for_text("The reindex failed, and nothing waits for it; b leads back").await;
        player.press_letter('b').await;
        player.wait_for_text("AccessDenied").await;
        assert_screen(size, "23-failed", &player);
        player.press_letter('q').await;
    })
    .await;
    assert_eq!(outcome.code, 1, "left after a failure that nothing mended");
}

#[tokio::test(start_paused = true)]
async fn what_drifted_is_looked_at_again_by_itself() {
    let script = SharedScript::default();
    script.lock().unwrap().fails = Some((StageStep::Secret, FailureKind::Drifted));
    play_script((80, 24), &script, async |player: ScreenPlayer| {
        drive_to_reindex(&player).await;
        player.press_letter('s').await;
        player.wait_for_text("Enter write the secret").await;
        player.press_enter().await;
        player.wait_for_text("Something changed since it was shown").await;
        player.wait_for_text("Enter write the secret").await;
        player.press_letter('q').await;
    })
    .await;
    let script = script.lock().unwrap();
    assert_eq!(script.heard[script.heard.len() - 2..], ["apply secret", "look secret"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_stage_is_that_stages_failure() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().panics_in = Some(packagecloud_cloudfront::model::run::goal::RunStage::Reindex);
    play_script(size, &script, async |player: ScreenPlayer| {
        drive_to_reindex(&player).await;
        player.press_enter().await;
        player.wait_for_text("it broke off by a fault of this program").await;
        player.wait_for_text("look again").await;
        player.press_letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_consent_is_asked_for_by_name_and_no_does_nothing() {
    let size = (80, 24);
    let script = SharedScript::default();
    script.lock().unwrap().asks = Some(RequiredConsent::Adopt);
    play_script(size, &script, async |player: ScreenPlayer| {
        drive_to_reindex(&player).await;
        player.press_letter('s').await;
        for word in ["write the secret", "create these"] {
            run_and_leave_stage(&player, word).await;
        }
        player.wait_for_text("Will be asked").await;
        player.press_enter().await;
        player.wait_for_text("yes, do it").await;
        assert_screen(size, "24-consent", &player);
        player.press_letter('n').await;
        player.wait_for_text("Nothing was done").await;
        player.press_enter().await;
        player.press_letter('y').await;
        player.wait_for_text("Your yes is noted").await;
        player.wait_for_text("create these").await;
        player.press_enter().await;
        player.wait_for_text("Done.").await;
        player.press_letter('q').await;
    })
    .await;
    let script = script.lock().unwrap();
    assert!(!script.heard.iter().any(|heard| heard == "apply reindex"), "it was skipped");
    assert_eq!(script.heard.iter().filter(|heard| *heard == "apply distribution").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_the_terminal_back_and_going_on_draws_all_of_it() {
    let script = SharedScript::default();
    play_script((80, 24), &script, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        let first = player.screen_text();
        // Whoever wrote on it, all of it is drawn again.
        player.scribble_on_screen("Broadcast message");
        player.send_key(KeyCode::Char('l'), KeyModifiers::CONTROL);
        player.wait_for_change().await;
        assert_eq!(player.screen_text(), first);
        assert!(player.terminal_calls().is_empty());

        player.send_key(KeyCode::Char('z'), KeyModifiers::CONTROL);
        player.wait_for_change().await;
        assert_eq!(player.terminal_calls(), ["stop WholeJob"]);
        // Stopped already, and the screen is the shell's.
        player.send_request(TuiRequest::Suspend).await;
        player.scribble_on_screen("shell> fg");
        player.resize_screen(80, 24).await;
        assert_eq!(player.terminal_calls(), ["stop WholeJob"]);
        assert!(player.is_showing("shell> fg"), "nothing is drawn meanwhile");
        player.send_request(TuiRequest::Continued).await;
        assert_eq!(player.terminal_calls(), ["stop WholeJob", "take again"]);
        assert_eq!(player.screen_text(), first);
        // What was typed at the shell consents to nothing here.
        player.send_key(KeyCode::Enter, KeyModifiers::NONE);
        player.wait_for_change().await;
        assert_eq!(player.screen_text(), first);

        player.send_request(TuiRequest::Suspend).await;
        player.send_request(TuiRequest::Continued).await;
        assert_eq!(player.terminal_calls()[2..], ["stop ThisOne", "take again"]);
        player.press_letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_typed_or_pasted_and_never_shown() {
    let size = (80, 24);
    let script = SharedScript::default();
    play_script(size, &script, async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_key(KeyCode::Tab).await;
        player.wait_for_text("access keys").await;
        player.press_key(KeyCode::End).await;
        player.press_enter().await;
        player.wait_for_text("secret access key").await;
        for letter in "AKIAqb?D".chars() {
            player.press_letter(letter).await;
        }
        player.wait_for_text("AKIAqb?D").await;
        player.press_key(KeyCode::Tab).await;
        player.paste_text("wJalrXUtnFEMI/K7MDENG\n").await;
        assert_screen(size, "25-typed-keys", &player);
        assert!(!player.is_showing("wJalr"), "a secret is never on the screen");
        player
            .paste_text("export AWS_ACCESS_KEY_ID=AKIDPASTED\nexport AWS_SECRET_ACCESS_KEY=\"abc/def\"\n")
            .await;
        player.wait_for_text("AKIDPASTED").await;
        player.press_enter().await;
        player.wait_for_text("Another bucket").await;
        player.wait_for_text("typed keys AKIDPASTED").await;
        player.press_letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_interrupt_stops_and_the_second_leaves_at_once() {
    let size = (80, 24);
    let script = SharedScript::default();
    let outcome = play_script(size, &script, async |player: ScreenPlayer| {
        start_reindex_and_show_it(&player).await;
        player.wait_for_text(" 30 %").await;
        player.press_letter('p').await;
        player.wait_for_text("Paused").await;
        assert_screen_without_times(size, "26-paused", &player);
        player.press_letter('q').await;
        player.wait_for_text("stop and leave").await;
        assert_screen_without_times(size, "27-leave", &player);
        player.press_letter('n').await;
        player.wait_for_text("p continue").await;
        player.press_ctrl_c();
        player.press_ctrl_c();
        player.wait_for_text("nothing more").await;
    })
    .await;
    assert_eq!(outcome.code, 130);
    assert!(outcome.last_words[0].contains("Reindex was interrupted"), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn leaving_while_something_runs_waits_for_it_to_stop() {
    for by_signal in [false, true] {
        let outcome = play_script((80, 24), &SharedScript::default(), async |player: ScreenPlayer| {
            start_reindex_and_show_it(&player).await;
            player.wait_for_text(" 30 %").await;
            if by_signal {
                player.hang_up();
            } else {
                player.press_letter('q').await;
                player.press_letter('y').await;
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
    play_script(size, &SharedScript::default(), async |player: ScreenPlayer| {
        player.wait_for_text("Roll back").await;
        player.press_key(KeyCode::End).await;
        player.press_key(KeyCode::Up).await;
        player.press_enter().await;
        player.wait_for_text("2026-11-20").await;
        assert_screen(size, "28-backups", &player);
        player.press_enter().await;
        player.wait_for_text("restore this").await;
        player.press_letter('b').await;
        player.wait_for_text("2026-03-01").await;
        player.press_letter('b').await;
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_size_is_drawn() {
    play_script((80, 24), &SharedScript::default(), async |player: ScreenPlayer| {
        player.resize_screen(39, 9).await;
        player.wait_for_text("Make it larger").await;
        assert_screen((39, 9), "29-small", &player);
        player.resize_screen(40, 10).await;
        player.wait_for_text("What do you").await;
        assert_screen((40, 10), "29-small", &player);
        player.resize_screen(80, 24).await;
        player.wait_for_text("Roll back").await;
        player.press_letter('q').await;
    })
    .await;
}
