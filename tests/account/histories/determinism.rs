//! The same seed does the same: in process request by request, and by the binary to the last byte of the sandbox's document.

use std::{path::Path, process::Command};

use super::{generate::generate_story, play::play_story, stage::HistoryStage};

#[test]
fn the_same_seed_gives_the_same_requests() {
    let stage = HistoryStage::build_every_starting_point();
    for seed in 1..=12 {
        let story = generate_story(seed);
        let first = play_story(&stage, &story, None).ledger;
        let again = play_story(&stage, &story, None).ledger;
        let differs = first.lines().zip(again.lines()).position(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}: {:?}", first.lines().nth(differs.unwrap_or_default()));
        assert_eq!(first.len(), again.len(), "seed {seed}");
    }
}

/// Runs the binary on the sandbox in `dir`; what it ended with.
fn run_seeded_command(home: &Path, dir: &Path, seed: Option<&str>, words: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .arg(format!("--sandbox={}", dir.display()))
        .args(seed.map(|seed| format!("--sandbox-seed={seed}")))
        .args(words);
    let output = command.output().unwrap();
    let said = crate::resilience::sandbox_host::output_text(&output);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
}

#[test]
fn two_fresh_directories_of_one_seed_end_with_the_same_document() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("world");
    let live = |seed: &str| {
        // The seed is kept: the runs after the first need no option.
        run_seeded_command(home.path(), &dir, Some(seed), &["enable", "--yes"]);
        run_seeded_command(home.path(), &dir, None, &["enable", "--upgrade", "--yes"]);
        run_seeded_command(home.path(), &dir, None, &["disable", "--yes"]);
        let document = std::fs::read(dir.join("world.json")).unwrap();
        let config = std::fs::read(dir.join("packagecloud.rb")).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        (String::from_utf8(document).unwrap(), String::from_utf8(config).unwrap())
    };
    let (first, again, other) = (live("7"), live("7"), live("8"));
    assert_eq!(first.1, again.1);
    let differs = first.0.bytes().zip(again.0.bytes()).position(|(one, other)| one != other);
    assert_eq!(differs.map(|at| &first.0[at.saturating_sub(80)..at + 40]), None);
    assert_eq!(first.0.len(), again.0.len());
    assert_ne!(first.1, other.1, "another seed draws another secret");
}
