//! The main screens in each size, and in each look that a terminal may have: dark, light, sixteen colours, none, ASCII.
//!
//! Sizes in one look and looks at one size: what a screen shows doesn't depend on both together.

use std::time::Duration;

use crossterm::event::KeyCode;
use packagecloud_cloudfront::{
    model::{
        display_charset::DisplayCharset,
        failure::{Failure, FailureKind},
        run::{
            goal::StageStep,
            welcome::{CloudFrontSetUpBy, FoundCloudFront, FoundRedirects, WelcomeFindings},
        },
    },
    tui::theme::{ColourDepth, TerminalBackground, Theme},
};
use tokio::time::sleep;

use crate::{
    player::ScreenPlayer,
    scripted::{SharedScript, live_welcome, play_script_with_theme, scripted_welcome},
};

const SIZES: [(u16, u16); 4] = [(80, 24), (100, 30), (120, 40), (160, 50)];

/// The looks that a terminal may have.
const LOOKS: [(&str, ColourDepth, TerminalBackground, DisplayCharset); 5] = [
    ("dark", ColourDepth::TwoHundredFiftySix, TerminalBackground::Dark, DisplayCharset::Unicode),
    ("light", ColourDepth::TwoHundredFiftySix, TerminalBackground::Light, DisplayCharset::Unicode),
    ("sixteen", ColourDepth::Sixteen, TerminalBackground::Dark, DisplayCharset::Unicode),
    ("none", ColourDepth::None, TerminalBackground::Dark, DisplayCharset::Unicode),
    ("ascii", ColourDepth::Sixteen, TerminalBackground::Light, DisplayCharset::Ascii),
];

/// What Home has found where AWS does not answer.
fn dead_aws_welcome() -> WelcomeFindings {
    let usual = scripted_welcome();
    WelcomeFindings {
        identities: Vec::new(),
        buckets: Vec::new(),
        goal: None,
        redirects: FoundRedirects::S3,
        cloudfront: FoundCloudFront { by: CloudFrontSetUpBy::Unknown, ..usual.cloudfront.clone() },
        failures: vec![Failure::new(
            FailureKind::Unreachable,
            "AWS",
            "STS (GetCallerIdentity) has not answered for 30 s",
            "check this host's network, DNS and proxy (HTTPS_PROXY), then press r; D switches CloudFront off without AWS",
        )],
        is_aws_silent: true,
        ..usual
    }
}

/// Shows each main screen, `look` at each by its name.
async fn visit_main_screens(size: (u16, u16), theme: Theme, look: &dyn Fn(&str, &ScreenPlayer)) {
    let script = SharedScript::default();
    play_script_with_theme(size, theme, &script, async |player: ScreenPlayer| {
        settle(&player, "What do you want to do?").await;
        look("home", &player);
        player.press_enter().await;
        settle(&player, "Enter set this up").await;
        look("plan", &player);
        player.press_enter().await;
        player.wait_for_text("role policy").await;
        player.wait_for_text("KMS alias").await;
        look("run", &player);
        player.wait_for_text("Enter go live").await;
        player.wait_for_text("The reindex is done").await;
        player.press_enter().await;
        settle(&player, "Enter leave").await;
        look("live", &player);
        player.press_letter('q').await;
    })
    .await;
    let script = SharedScript::default();
    script.lock().unwrap().denied = true;
    play_script_with_theme(size, theme, &script, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_enter().await;
        settle(&player, "continue anyway").await;
        look("denied", &player);
        player.press_letter('q').await;
    })
    .await;
    let script = SharedScript::default();
    script.lock().unwrap().fails = Some((StageStep::Proof, FailureKind::Other));
    play_script_with_theme(size, theme, &script, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_enter().await;
        player.wait_for_text("Enter set this up").await;
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.wait_for_text("The reindex is done").await;
        player.press_enter().await;
        settle(&player, "Enter look again").await;
        look("refused", &player);
        player.press_letter('q').await;
    })
    .await;
    let script = SharedScript::default();
    script.lock().unwrap().welcome = Some(live_welcome());
    play_script_with_theme(size, theme, &script, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_key(KeyCode::Down).await;
        player.press_enter().await;
        settle(&player, "1 finding needs attention").await;
        look("status", &player);
        player.press_letter('q').await;
    })
    .await;
    let script = SharedScript::default();
    script.lock().unwrap().welcome = Some(dead_aws_welcome());
    play_script_with_theme(size, theme, &script, async |player: ScreenPlayer| {
        settle(&player, "What do you want to do?").await;
        look("dead-aws", &player);
        player.press_letter('q').await;
    })
    .await;
}

/// Waits for a text, and until nothing moves any more.
async fn settle(player: &ScreenPlayer, text: &str) {
    player.wait_for_text(text).await;
    sleep(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn the_main_screens_in_each_size() {
    for size in SIZES {
        visit_main_screens(size, Theme::new(true), &|name, player| {
            insta::assert_snapshot!(format!("{name}@{}x{}", size.0, size.1), player.screen_text());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_main_screens_in_each_look() {
    for (name_of_look, depth, background, charset) in LOOKS {
        let theme = Theme::for_terminal(depth, background, charset);
        visit_main_screens((80, 24), theme, &|name, player| {
            insta::assert_snapshot!(format!("{name}-{name_of_look}"), player.styled_screen_text());
        })
        .await;
    }
}
