//! Who writes to the terminal: one place for every line, and the few who must write something else.

use crate::sources::read_sources;

/// Each with what it writes that no line is.
const TERMINAL_WRITERS: [(&str, &str); 6] = [
    ("src/cli/print.rs", "every line"),
    ("src/app/mod.rs", "completions and the manual page, which clap renders"),
    ("src/host/environment/netrc.rs", "a question whose answer isn't shown"),
    ("src/tui/perform.rs", "the clipboard's sequence"),
    ("src/tui/terminal.rs", "the terminal's modes, and what a panic said"),
    ("src/tui/terminal_backend.rs", "the wizard's screen"),
];

#[test]
fn every_line_passes_the_one_place_that_makes_it_harmless() {
    for file in read_sources("src") {
        if file.is_test() || TERMINAL_WRITERS.iter().any(|(path, _)| *path == file.path) {
            continue;
        }
        let code = file.code_without_tests();
        let code = code.replace("stdout().is_terminal()", "").replace("stderr().is_terminal()", "");
        for word in ["stdout()", "stderr()", "println!", "print!(", "dbg!("] {
            assert!(!code.contains(word), "{} writes by {word}: say outln! or errln!", file.path);
        }
    }
}
