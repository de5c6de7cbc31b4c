//! A command of this program is proposed whole: no sentence has a bare one written into it.

use crate::sources::{SourceFile, read_sources};

/// The commands, as they are typed.
const COMMAND_NAMES: [&str; 16] = [
    "wizard",
    "enable",
    "disable",
    "roll-back",
    "check",
    "plan",
    "verify",
    "configuration",
    "reindex-everything",
    "generate-cloudfront-secret",
    "bootstrap-cloudfront",
    "reconfigure-cloudfront-distribution",
    "reconfigure",
    "restart",
    "sign",
    "inspect",
];
/// What stands before a command that is to be typed.
const PROPOSING_WORDS: [&str; 6] = ["packagecloud-cloudfront ", "run ", "run: ", "`", "'", "(or "];
/// Whose sentences are the command line's own help.
const HELP_FILE: &str = "src/args.rs";

#[test]
fn every_proposed_command_is_rendered_with_this_runs_options() {
    for file in read_sources("src").iter().filter(|file| !file.is_test() && file.path != HELP_FILE) {
        for text in list_string_literals(file) {
            assert!(
                !text.contains("the same command"),
                "{}: say render_same_command_again. {text}",
                file.path
            );
            for name in COMMAND_NAMES {
                assert!(
                    !proposes_bare_command(text, name),
                    "{} proposes a bare {name}: say render_proposed_command. {text}",
                    file.path
                );
            }
        }
    }
}

#[test]
fn a_bare_command_is_seen() {
    assert!(proposes_bare_command("press D (or run disable), and look", "disable"));
    assert!(proposes_bare_command("take over with roll-back --edge X", "roll-back"));
    assert!(!proposes_bare_command("aws kms enable-key --region us-east-1", "enable"));
    assert!(!proposes_bare_command("packagecloud-ctl reconfigure && packagecloud-ctl restart", "restart"));
}

fn proposes_bare_command(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let is_whole = !after.starts_with(|c: char| c.is_alphanumeric() || "-_'".contains(c))
            && !before.ends_with(|c: char| c.is_alphanumeric() || c == '-');
        // `check --endpoint-url` says to check that option.
        let is_verb = name == "check";
        let is_ctl = before.ends_with("packagecloud-ctl ");
        let is_proposed = PROPOSING_WORDS.iter().any(|words| before.ends_with(words))
            || (after.starts_with(" --") && !is_verb);
        is_whole && !is_ctl && is_proposed
    })
}

/// What quotes hold outside of tests.
fn list_string_literals(file: &SourceFile) -> Vec<&str> {
    let code = file.code_without_tests();
    let quotes: Vec<usize> = code.match_indices('"').map(|(at, _)| at).collect();
    quotes.chunks_exact(2).map(|pair| &file.text[pair[0] + 1..pair[1]]).collect()
}
