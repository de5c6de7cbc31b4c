//! Why nothing of a packagecloud.rb counts, and the commands that mend it: none of them loses the file where it fails.

use crate::host::Host;
use crate::model::{
    failure::Failure,
    packagecloud::config_file::{CONFIG_BYTES_MAX, ConfigFile, ConfigReadProblem},
    run::proposed_command::render_same_command_again,
};

use super::by_hand::{quote_shell_path, render_rewrite_command};

/// Says why nothing of the file counts, as a sentence without its place.
pub(super) fn explain_read_problem(file: &ConfigFile, problem: ConfigReadProblem) -> String {
    match problem {
        ConfigReadProblem::NotRuby(line) => {
            let error = format!(
                "it has a Ruby syntax error, at line {line} or just before it: {}",
                file.redact_config_line(line)
            );
            // A string may have several lines: which one is wrong, only who wrote it can tell.
            match file.find_unclosed_quote_line(line) {
                Some(open) => format!(
                    "{error} (line {open} opens a quote and does not close it: {})",
                    file.redact_config_line(open)
                ),
                None => error,
            }
        }
        ConfigReadProblem::RefusedBytes(_) if file.is_utf16_text() => {
            "it is written in UTF-16, and Ruby refuses that, so the next reconfigure would fail".to_owned()
        }
        ConfigReadProblem::RefusedBytes(line) if file.count_zero_bytes() > 0 => format!(
            "it holds {} zero bytes from line {line} on, as a crash or a full disk leaves them; Ruby refuses the file for them, so the next reconfigure would fail",
            file.count_zero_bytes()
        ),
        ConfigReadProblem::RefusedBytes(line) => format!(
            "line {line} holds bytes that are not UTF-8 text, and Ruby refuses the file for them, so the next reconfigure would fail: {}",
            file.redact_config_line(line)
        ),
        ConfigReadProblem::TooLarge(bytes) => format!(
            "it is {} KiB large, and more than {} KiB aren't read",
            bytes.div_ceil(1024),
            CONFIG_BYTES_MAX >> 10
        ),
        ConfigReadProblem::TooSlow => {
            "reading it did not end in time: something in it is too large or too deeply nested".to_owned()
        }
    }
}

impl Host {
    /// Returns the failure of a file of which nothing counts, with what mends it: where and as whom that is typed, too.
    pub(super) fn build_read_problem_failure(
        &self,
        file: &ConfigFile,
        problem: ConfigReadProblem,
    ) -> Failure {
        let (on, path) = (self.render_host_suffix(), quote_shell_path(&self.config));
        let rewrite = |filter: &str| render_rewrite_command(&self.config, filter);
        let next = match problem {
            ConfigReadProblem::NotRuby(_) => {
                format!("correct it{on} (as root, ruby -c {path} shows what Ruby says)")
            }
            ConfigReadProblem::RefusedBytes(_) if file.is_utf16_text() => format!(
                "write it in UTF-8{on}, as root: cp -p {path} {path}.utf16 && {} —",
                rewrite("iconv -f UTF-16 -t UTF-8")
            ),
            ConfigReadProblem::RefusedBytes(_) if file.count_zero_bytes() > 0 => format!(
                "take them out{on}, as root: cp -p {path} {path}.zeros && {} — look whether the end of the file is missing",
                rewrite(r"tr -d '\000'")
            ),
            ConfigReadProblem::RefusedBytes(line) => {
                format!("write line {line} in UTF-8{on} (as root, ruby -c {path} says when it is right)")
            }
            ConfigReadProblem::TooLarge(_) => format!(
                "take out what is not a setting{on} until it is at most {} KiB",
                CONFIG_BYTES_MAX >> 10
            ),
            ConfigReadProblem::TooSlow => format!("take out what is not a setting{on}"),
        };
        let then = if next.ends_with('—') { " then run" } else { ", then run" };
        Failure::new_generic_failure(
            self.render_config_location(),
            explain_read_problem(file, problem),
            format!("{next}{then}: {}", render_same_command_again(&[])),
        )
    }
}
