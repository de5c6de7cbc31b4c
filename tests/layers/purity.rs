//! What the pure layers never name: a clock, files, the network, the environment, threads, chance, async; a terminal.

use crate::sources::read_sources;

const PURE_LAYERS: [&str; 2] = ["src/model", "src/wizard"];
const IMPURE_WORDS: [&str; 16] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "async fn",
    "async move",
    ".await",
    "futures",
    "tokio",
    "fastrand",
    "getrandom",
    "rustix",
];

#[test]
fn the_wizard_knows_no_terminal() {
    for file in read_sources("src/wizard") {
        for word in ["ratatui", "crossterm"] {
            assert!(!file.code.contains(word), "{} names {word}: the wizard is shown by any face", file.path);
        }
    }
}

#[test]
fn model_and_wizard_read_no_clock_and_touch_nothing() {
    for file in PURE_LAYERS.iter().flat_map(|folder| read_sources(folder)).filter(|file| !file.is_test()) {
        let code = file.code_without_tests();
        for word in IMPURE_WORDS {
            assert!(!code.contains(word), "{} names {word}: its layer is pure", file.path);
        }
    }
}
