//! What stands behind the lines of a plan, by the real engine on a sandbox: the documents that it writes.

use std::collections::BTreeSet;

use crossterm::event::KeyCode;

use crate::{
    player::ScreenPlayer,
    whole_run::{create_sandbox_dir, drive_to_plan, play_wizard},
};

/// Reads a page from its top to its end, as often as PgDn shows more.
async fn read_whole_page(player: &ScreenPlayer) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    loop {
        let before = lines.len();
        lines.extend(player.screen_text().lines().map(|line| line.trim().to_owned()));
        if lines.len() == before {
            return lines;
        }
        player.press_key(KeyCode::PageDown).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_documents_behind_a_plan_can_be_read_and_copied() {
    let dir = create_sandbox_dir();
    play_wizard(dir.path(), &[], (120, 40), async |player: ScreenPlayer| {
        drive_to_plan(&player).await;
        player.press_letter('e').await;
        player.wait_for_text("What is called").await;
        let text = read_whole_page(&player).await.into_iter().collect::<Vec<_>>().join("\n");
        for written in [
            "What is written",
            "\"sts:AssumeRole\"",
            "\"kms:Decrypt\"",
            "\"s3:GetObject\"",
            "index.mjs",
            "SHA-256",
            "keys.json",
            "packagecloud-ctl generate-cloudfront-secret",
            "(hidden)",
            "iam:CreateRole",
            "By hand",
            "packagecloud-ctl bootstrap-cloudfront",
        ] {
            assert!(text.contains(written), "{written} stands nowhere in\n{text}");
        }
        assert!(!text.contains("cloudfront_secret'] = '") || text.contains("(hidden)"), "{text}");
        player.press_letter('c').await;
        player.wait_for_text("Copied, and kept in").await;
        player.press_letter('b').await;
        player.press_letter('q').await;
    })
    .await;
}
