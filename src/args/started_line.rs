//! How this process was started, in words that a person can type again.

use std::ffi::OsString;

use clap::{ArgMatches, Command, parser::ValueSource};

use super::OPTIONS_OF_ONE_RUN;
use crate::model::run::proposed_command::StartedCommandLine;

/// Tells how this process was started, for the commands that it proposes.
pub(super) fn describe_started_command_line(
    command: &Command,
    matches: &ArgMatches,
    words: &[OsString],
) -> StartedCommandLine {
    let mut typed = words.iter().map(|word| word.to_string_lossy().into_owned());
    let program = typed.next().unwrap_or_else(|| command.get_name().to_owned());
    let from_environment = |_: &str, source| source == ValueSource::EnvVariable;
    let mut all = vec![program.clone()];
    // Before the rest, which may end in what is no option.
    all.extend(list_given_options(command, matches, from_environment).concat());
    all.extend(typed);
    if let Some((name, of_it)) = matches.subcommand()
        && let Some(subcommand) = command.find_subcommand(name)
    {
        let of_it = list_given_options(subcommand, of_it, |id, source| {
            command.get_arguments().all(|option| option.get_id() != id) && from_environment(id, source)
        });
        all.extend(of_it.concat());
    }
    StartedCommandLine {
        options: list_given_options(command, matches, |id, source| {
            source != ValueSource::DefaultValue && !OPTIONS_OF_ONE_RUN.contains(&id)
        }),
        is_consent_given: matches.get_flag("yes"),
        words: all,
        program,
    }
}

/// Lists the options of `command` itself that were given in a way that `wanted` takes, each as its words.
fn list_given_options(
    command: &Command,
    matches: &ArgMatches,
    wanted: impl Fn(&str, ValueSource) -> bool,
) -> Vec<Vec<String>> {
    let mut words = Vec::new();
    for option in command.get_arguments() {
        let id = option.get_id().as_str();
        let (Some(name), Ok(true)) = (option.get_long(), matches.try_contains_id(id)) else { continue };
        if !matches.value_source(id).is_some_and(|source| wanted(id, source)) {
            continue;
        }
        let name = format!("--{name}");
        if !option.get_action().takes_values() {
            words.extend(matches.get_flag(id).then(|| vec![name]));
            continue;
        }
        let values: Vec<String> = matches
            .get_raw(id)
            .into_iter()
            .flatten()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        if values.is_empty() {
            words.push(vec![name.clone()]);
        }
        for value in values {
            if option.is_require_equals_set() || value.starts_with('-') {
                words.push(vec![format!("{name}={value}")]);
            } else {
                words.push(vec![name.clone(), value]);
            }
        }
    }
    words
}
