//! What the terminal is told and shown beside the words: letters, keys that never disappear, titles and calls, clicks, and a
//! screen that is right whatever wrote on it.

use std::{collections::BTreeSet, time::Duration};

use crossterm::event::{KeyCode, KeyModifiers};
use packagecloud_cloudfront::{
    model::{display_charset::DisplayCharset, run::plan::RequiredConsent},
    tui::{
        TuiRequest,
        theme::{ColourDepth, TerminalBackground, Theme},
    },
};
use tokio::time::sleep;

use crate::{
    player::ScreenPlayer,
    scripted::{SharedScript, play_script, play_script_with_theme},
};

/// How many times Enter is pressed to see every screen of a journey.
const ENTERS: usize = 14;

/// Presses Enter on whatever is shown, `look` at each screen that has come to rest, and leaves.
async fn press_enter_through(player: &ScreenPlayer, mut look: impl FnMut(&ScreenPlayer)) {
    for _ in 0..ENTERS {
        sleep(Duration::from_millis(50)).await;
        look(player);
        sleep(Duration::from_secs(40)).await;
        look(player);
        player.press_enter().await;
    }
    player.press_ctrl_c();
    player.wait_for_change().await;
    player.press_ctrl_c();
}

#[tokio::test(start_paused = true)]
async fn every_screen_is_ascii_where_the_terminal_shows_no_more() {
    for size in [(80, 24), (160, 50)] {
        let theme =
            Theme::for_terminal(ColourDepth::Sixteen, TerminalBackground::Dark, DisplayCharset::Ascii);
        play_script_with_theme(size, theme, &SharedScript::default(), async |player: ScreenPlayer| {
            press_enter_through(&player, |player| {
                let screen = player.screen_text();
                assert!(screen.is_ascii(), "{screen}");
                assert!(
                    !screen.contains("\\u"),
                    "each mark has its place in the table of symbols:\n{screen}"
                );
            })
            .await;
        })
        .await;
    }
}

/// The keys at the foot of the screen, each with what it does; without those for scrolling, of which a larger window has fewer.
fn footer_keys(screen: &str) -> BTreeSet<String> {
    let rows: Vec<&str> = screen.lines().collect();
    let rule = rows.iter().rposition(|row| row.starts_with("──")).expect("a rule stands above the keys");
    rows[rule + 1..]
        .iter()
        .flat_map(|row| row.split("  "))
        .map(str::trim)
        .filter(|key| !key.is_empty() && !key.starts_with("↑↓"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn no_key_disappears_at_80_columns() {
    let mut wide: Vec<BTreeSet<String>> = Vec::new();
    for size in [(220, 50), (80, 24)] {
        let mut index = 0;
        play_script(size, &SharedScript::default(), async |player: ScreenPlayer| {
            press_enter_through(&player, |player| {
                let keys = footer_keys(&player.screen_text());
                if size.0 == 220 {
                    wide.push(keys);
                } else {
                    assert_eq!(keys, wide[index], "{}", player.screen_text());
                    index += 1;
                }
            })
            .await;
        })
        .await;
    }
    assert!(wide.iter().any(|keys| keys.len() > 8), "{wide:?}");
}

#[tokio::test(start_paused = true)]
async fn the_title_says_whose_turn_it_is_and_a_wait_that_ends_calls() {
    play_script((80, 24), &SharedScript::default(), async |player: ScreenPlayer| {
        press_enter_through(&player, |_| {}).await;
        let told = player.titles_and_calls();
        assert!(
            told.iter().any(|told| told.ends_with("running - packagecloud-cloudfront (sandbox)")),
            "{told:#?}"
        );
        assert!(told.iter().any(|told| told.contains(": your turn - ")), "{told:#?}");
        let calls: Vec<_> = told.iter().filter(|told| told.starts_with("call: ")).collect();
        assert!(!calls.is_empty() && calls.len() <= ENTERS, "{told:#?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_click_on_a_key_at_the_foot_presses_it() {
    play_script((80, 24), &SharedScript::default(), async |player: ScreenPlayer| {
        player.wait_for_text("? help").await;
        let (column, row) = player.find_text_place("? help");
        player.click_at(column + 3, row).await;
        player.wait_for_text("applies what the screen shows").await;
        player.press_letter('b').await;
        player.click_at(column, 3).await;
        assert!(!player.is_showing("applies what the screen shows"), "a click elsewhere is none on a key");
        let (column, row) = player.find_text_place("q leave");
        player.click_at(column, row).await;
    })
    .await;
}

/// The two answers about a managed host are a list, too: a click on one chooses it.
#[tokio::test(start_paused = true)]
async fn a_click_chooses_an_answer_about_a_managed_host() {
    let script = SharedScript::default();
    script.lock().unwrap().asks = Some(RequiredConsent::Managed);
    play_script((80, 24), &script, async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_enter().await;
        player.wait_for_text("Enter set this up").await;
        player.press_enter().await;
        player.wait_for_text("Stopped before Distribution").await;
        player.press_enter().await;
        player.wait_for_text("▸ Wait: show the values").await;
        let (column, row) = player.find_text_place("Write now");
        player.click_at(column, row).await;
        assert!(player.is_showing("▸ Write now"), "{}", player.screen_text());
        player.press_key(KeyCode::Esc).await;
        player.press_letter('q').await;
        player.press_letter('y').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whatever_wrote_on_the_screen_is_gone_with_a_new_page_and_a_new_size() {
    play_script((80, 24), &SharedScript::default(), async |player: ScreenPlayer| {
        player.wait_for_text("? help").await;
        sleep(Duration::from_secs(5)).await;
        let first = player.screen_text();
        player.scribble_on_screen("Broadcast message");
        // The size is the one of before: the terminal was smaller for a moment.
        player.send_request(TuiRequest::Resized).await;
        assert_eq!(player.screen_text(), first);
        player.scribble_on_screen("Broadcast message");
        player.press_letter('?').await;
        assert!(!player.is_showing("Broadcast message"), "{}", player.screen_text());
        player.scribble_on_screen("Broadcast message");
        player.press_letter('b').await;
        assert_eq!(player.screen_text(), first);
        player.send_key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    })
    .await;
}

/// A text that is looked for on the help and the log is marked and brought into view, place by place.
#[tokio::test(start_paused = true)]
async fn a_text_is_found_on_the_help_and_in_the_log() {
    play_script((80, 24), &SharedScript::default(), async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_letter('?').await;
        assert!(player.is_showing("/ find") && !player.is_showing("firewall"), "{}", player.screen_text());
        player.press_letter('/').await;
        player.type_text("CUSTOMER'S LINK").await;
        assert!(player.is_showing("Home explains a customer's link"), "{}", player.screen_text());
        assert!(player.is_showing("1 of 1"), "{}", player.screen_text());
        // Letters are text until Enter, and a text that is nowhere is said to be.
        player.type_text("q").await;
        assert!(player.is_showing("not found"), "{}", player.screen_text());
        player.press_key(KeyCode::Esc).await;
        assert!(
            !player.is_showing("not found") && player.is_showing("Enter close"),
            "{}",
            player.screen_text()
        );
        player.press_letter('/').await;
        player.type_text("reindex").await;
        player.press_enter().await;
        let first = player.screen_text();
        assert!(
            first.contains("1 of ") && first.contains("n next") && first.contains("N previous"),
            "{first}"
        );
        player.press_letter('n').await;
        assert!(player.is_showing("2 of "), "{}", player.screen_text());
        player.press_letter('N').await;
        player.press_letter('N').await;
        let last = player.screen_text();
        let found = last.lines().find(|line| line.starts_with(" /")).unwrap();
        let (at, of) = found.trim().split_once(" of ").unwrap();
        let at = at.rsplit(' ').next().unwrap();
        assert_eq!(at, of, "before the first is the last:\n{last}");
        player.press_letter('b').await;
        assert!(player.is_showing("What do you want to do?"), "{}", player.screen_text());
        player.press_enter().await;
        player.wait_for_text("Enter set this up").await;
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.press_letter('l').await;
        assert!(player.is_showing("times in UTC"), "{}", player.screen_text());
        player.press_letter('/').await;
        player.paste_text("KMS key\nmore").await;
        player.press_enter().await;
        assert!(player.is_showing("/KMS key") && player.is_showing(" of "), "{}", player.screen_text());
        insta::assert_snapshot!("find-in-the-log@80x24", player.styled_screen_text());
        player.press_ctrl_c();
        player.wait_for_change().await;
        player.press_ctrl_c();
    })
    .await;
}

/// With a mouse a click chooses a line, and the wheel scrolls, on a list too.
#[tokio::test(start_paused = true)]
async fn a_click_chooses_a_line_and_the_wheel_scrolls() {
    play_script((80, 24), &SharedScript::default(), async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        let (column, row) = player.find_text_place("Roll back");
        player.click_at(column, row).await;
        assert!(player.is_showing("▸ Roll back"), "{}", player.screen_text());
        player.press_enter().await;
        player.wait_for_text("Choose a backup").await;
        // What is known of a line belongs to it.
        let (column, row) = player.find_text_place("20260301T080000Z");
        player.click_at(column, row).await;
        assert!(player.is_showing("▸ 2026-03-01"), "{}", player.screen_text());
        player.press_letter('?').await;
        let first = player.screen_text();
        player.turn_wheel_down().await;
        assert_ne!(player.screen_text(), first);
        player.press_letter('b').await;
        player.press_letter('q').await;
    })
    .await;
    play_script((80, 16), &SharedScript::default(), async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        player.press_enter().await;
        player.wait_for_text("Enter set this up").await;
        assert!(
            player.is_showing("▸ ✓ Identity") && !player.is_showing("· More"),
            "{}",
            player.screen_text()
        );
        player.turn_wheel_down().await;
        player.turn_wheel_down().await;
        player.turn_wheel_down().await;
        assert!(player.is_showing("· More"), "{}", player.screen_text());
        player.press_key(KeyCode::Down).await;
        assert!(player.is_showing("▸ ✓ Bucket"), "what is chosen is seen again:\n{}", player.screen_text());
        player.press_letter('q').await;
    })
    .await;
}

/// Whatever another program wrote, the next key shows a right screen, whichever key that is.
#[tokio::test(start_paused = true)]
async fn the_next_key_writes_over_what_others_wrote() {
    play_script((80, 24), &SharedScript::default(), async |player: ScreenPlayer| {
        player.wait_for_text("What do you want to do?").await;
        sleep(Duration::from_secs(5)).await;
        let first = player.screen_text();
        player.press_key(KeyCode::Up).await;
        assert_eq!(player.screen_text(), first, "the first line is chosen already");
        player.scribble_on_screen("Broadcast message from root@pkgs: the disk is full");
        assert_ne!(player.screen_text(), first);
        player.press_key(KeyCode::Up).await;
        assert_eq!(player.screen_text(), first);
        player.press_letter('q').await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_names_a_light_background_gets_the_colours_for_it() {
    use packagecloud_cloudfront::tui::colour_contrast::RgbColour;
    play_script((80, 24), &SharedScript::default(), async |player: ScreenPlayer| {
        player.wait_for_text("? help").await;
        let light = Theme::new(true).on_background(TerminalBackground::Light);
        assert!(!player.has_colour(light.accent.fg.unwrap()));
        player.send_request(TuiRequest::BackgroundTold(RgbColour(255, 255, 255))).await;
        assert!(player.has_colour(light.accent.fg.unwrap()), "asked at the start, answered in time");
        sleep(Duration::from_secs(2)).await;
        player.send_request(TuiRequest::BackgroundTold(RgbColour(0, 0, 0))).await;
        assert!(
            player.has_colour(light.accent.fg.unwrap()),
            "too late: nothing changes under somebody's eyes"
        );
        player.press_letter('q').await;
    })
    .await;
}
