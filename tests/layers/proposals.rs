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
/// Options that are typed as they stand: proposed, each is a part of a command that can be proposed whole.
const WHOLE_OPTIONS: [&str; 9] = [
    "--adopt",
    "--adopt-bucket-key",
    "--managed",
    "--new-secret",
    "--origin-access auto",
    "--origin-access oac",
    "--override-expression",
    "--unproven",
    "--whole-file",
];
/// What stands before an option that is proposed.
const OPTION_PROPOSING_WORDS: [&str; 9] = ["with ", "give ", "choose ", "use ", "or ", "(", ", ", "; ", ": "];
/// Sentences that propose this process's own command, or one by what it prints, without saying it.
const UNSAID_COMMANDS: [&str; 5] = [
    "the same command",
    "start this again",
    "lists the backups)",
    "-cloudfront printed",
    "-cloudfront prints",
];
/// packagecloud-ctl's commands.
const CTL_COMMAND_NAMES: [&str; 7] = [
    "bootstrap-cloudfront",
    "generate-cloudfront-secret",
    "reconfigure",
    "reindex-everything",
    "restart",
    "status",
    "tail",
];
/// How the calls behind a plan's line name the vendor's own step: by the vendor's name for it.
const VENDOR_STEP: &str = "by hand: packagecloud-ctl ";
/// Where the sentences are the command line's own help: `args.rs` and `args/`.
const HELP_FILES: &str = "src/args";

#[test]
fn every_proposed_command_is_rendered_with_this_runs_options() {
    for file in
        read_sources("src").iter().filter(|file| !file.is_test() && !file.path.starts_with(HELP_FILES))
    {
        for text in list_string_literals(file) {
            for unsaid in UNSAID_COMMANDS {
                assert!(!text.contains(unsaid), "{}: render the command. {text}", file.path);
            }
            for option in WHOLE_OPTIONS {
                assert!(
                    !proposes_bare_option(text, option),
                    "{} proposes a bare {option}: say render_same_command_again. {text}",
                    file.path
                );
            }
            assert!(
                file.path.starts_with("src/sandbox/") || !proposes_usual_ctl(text),
                "{} proposes packagecloud-ctl by its usual name: say render_ctl_command_line. {text}",
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

#[test]
fn a_bare_option_and_the_usual_packagecloud_ctl_are_seen() {
    assert!(proposes_bare_option("or associate it unproven with --unproven", "--unproven"));
    assert!(proposes_bare_option("they count, --origin-access oac, now or later", "--origin-access oac"));
    assert!(!proposes_bare_option("a new secret, by --new-secret; a new version", "--new-secret"));
    assert!(!proposes_bare_option("or --adopt-bucket-key", "--adopt"));
    assert!(proposes_usual_ctl("see whether it runs: packagecloud-ctl status"));
    assert!(!proposes_usual_ctl("packagecloud-ctl restart"), "a plan's target is named so");
    assert!(!proposes_usual_ctl("by hand: packagecloud-ctl bootstrap-cloudfront"));
}

fn proposes_bare_option(text: &str, option: &str) -> bool {
    text.match_indices(option).any(|(at, _)| {
        let is_whole = !text[at + option.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '-');
        is_whole && OPTION_PROPOSING_WORDS.iter().any(|words| text[..at].ends_with(words))
    })
}

fn proposes_usual_ctl(text: &str) -> bool {
    CTL_COMMAND_NAMES.iter().any(|name| {
        let command = format!("packagecloud-ctl {name}");
        text.contains(&command) && text != command && !text.starts_with(VENDOR_STEP)
    })
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
