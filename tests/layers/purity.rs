//! What the pure layers never name: a clock, files, the network, the environment, threads, chance, async.

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
fn model_and_wizard_read_no_clock_and_touch_nothing() {
    for file in PURE_LAYERS.iter().flat_map(|folder| read_sources(folder)).filter(|file| !file.is_test()) {
        let code = file.code_without_tests();
        for word in IMPURE_WORDS {
            assert!(!code.contains(word), "{} names {word}: its layer is pure", file.path);
        }
    }
}
