//! A new secret from Home, and the end of the old one, through the real loop and the real engine.

use std::time::Duration;

use crossterm::event::KeyCode;
use tokio::time::sleep;

use crate::{
    player::ScreenPlayer,
    whole_run::{create_sandbox_dir, drive_to_plan, play_wizard},
};

const SIZE: (u16, u16) = (100, 30);

/// Moves to an action of Home, and takes it.
async fn choose_home_action(player: &ScreenPlayer, name: &str) {
    player.wait_for_text("What do you want to do?").await;
    let chosen = format!("▸ {name}");
    for _ in 0..8 {
        if player.is_showing(&chosen) {
            break;
        }
        player.press_key(KeyCode::Down).await;
    }
    assert!(player.is_showing(&chosen), "{}", player.screen_text());
    player.press_enter().await;
}

/// Has the open stage done, with a yes to each of its questions, which Enter goes to.
async fn answer_and_apply(player: &ScreenPlayer, apply: &str) {
    player.wait_for_text(apply).await;
    for _ in 0..6 {
        if player.is_showing("y yes") {
            player.press_letter('y').await;
        } else if player.is_showing(apply) {
            player.press_enter().await;
        }
    }
    // The edges are waited for, and the last link by the old secret.
    for _ in 0..60 {
        if player.is_showing("Enter back to Home") {
            return;
        }
        sleep(Duration::from_mins(1)).await;
    }
    panic!("it doesn't end:\n{}", player.screen_text());
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_rotated_and_the_old_one_ended_from_home() {
    let dir = create_sandbox_dir();
    let outcome = play_wizard(dir.path(), &[], SIZE, async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_enter().await;
        player.wait_for_text("Enter go live").await;
        player.press_enter().await;
        player.wait_for_text("Enter leave").await;
        player.press_enter().await;
    })
    .await;
    assert_eq!(outcome.code, 0);
    let config = dir.path().join("packagecloud.rb");
    let before = std::fs::read_to_string(&config).unwrap();
    play_wizard(dir.path(), &[], SIZE, async |player: ScreenPlayer| {
        choose_home_action(&player, "Rotate secret").await;
        player.wait_for_text("Gives every node a new secret").await;
        answer_and_apply(&player, "Enter rotate the secret").await;
        assert!(player.is_showing("every node signs with the new secret"), "{}", player.screen_text());
        let rotated = std::fs::read_to_string(&config).unwrap();
        assert_ne!(rotated, before, "it holds the new secret");
        player.press_enter().await;
        choose_home_action(&player, "End rotation").await;
        player.wait_for_text("The edge stops accepting the old secret").await;
        assert!(!player.is_showing("Gives every node"), "{}", player.screen_text());
        answer_and_apply(&player, "Enter end the old secret").await;
        assert_eq!(std::fs::read_to_string(&config).unwrap(), rotated, "no file is touched");
        player.press_enter().await;
        player.wait_for_text("What do you want to do?").await;
        assert!(!player.is_showing("End rotation"), "{}", player.screen_text());
        player.press_letter('q').await;
    })
    .await;
}
