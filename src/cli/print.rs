//! The one way to stdout and stderr: text from outside can't steer the terminal, and a reader who went away can't turn a line into a panic, which would cut a stage in half.

use std::{
    fmt::Arguments,
    io::{self, Write},
};

use crate::model::display_text::escape_display_controls;

/// A line on stdout: a result.
#[macro_export]
macro_rules! outln {
    ($($words:tt)*) => {
        $crate::cli::print::print_result_line(format_args!($($words)*))
    };
}

/// A line on stderr: what goes on.
#[macro_export]
macro_rules! errln {
    ($($words:tt)*) => {
        $crate::cli::print::print_progress_line(format_args!($($words)*))
    };
}

/// Prints a line on stdout.
pub fn print_result_line(line: Arguments<'_>) {
    write_display_text(&mut io::stdout().lock(), &format!("{line}\n"));
}

/// Prints a line on stderr.
pub fn print_progress_line(line: Arguments<'_>) {
    write_display_text(&mut io::stderr().lock(), &format!("{line}\n"));
}

/// Prints a question on stderr; the answer is typed behind it.
pub fn print_question(question: &str) {
    write_display_text(&mut io::stderr().lock(), &format!("{question} "));
}

/// Prints a question on stdout, of a face that has all of its lines there; the answer is typed behind it.
pub fn print_prompt(prompt: &str) {
    write_display_text(&mut io::stdout().lock(), prompt);
}

fn write_display_text(to: &mut impl Write, text: &str) {
    let _ = to.write_all(escape_display_controls(text).as_bytes());
    let _ = to.flush();
}
