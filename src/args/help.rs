//! The help of the program and of each command: options by what they are for, a command's own first, all of it from the
//! one definition in `args.rs`.

use clap::{Arg, Command, CommandFactory as _};

use super::{
    CliArguments,
    program_facts::{EXIT_CODES, PROGRAM_FILES, describe_environment, list_command_examples},
};

/// The options of every command by what they are for, in the order of the help.
const OPTION_GROUPS: [(&str, &[&str]); 8] = [
    ("Host", &["config", "ctl", "host", "ssh"]),
    ("AWS", &["bucket", "region", "profile", "endpoint_url", "name_suffix"]),
    ("Set-up", &["origin_access", "packages_domain", "certificate", "permissions_boundary", "construction"]),
    ("Checks", &["probe_url", "edge_url", "anyway"]),
    ("Output", &["output", "plain", "mouse", "show_secret", "log_file", "state_dir"]),
    ("Answers", &["answers", "save_answers", "yes"]),
    (
        "Consent that --yes never gives",
        &[
            "adopt",
            "adopt_bucket_key",
            "new_secret",
            "unproven",
            "managed",
            "override_expression",
            "other_bucket",
            "confirm_bucket",
            "no_other_node",
        ],
    ),
    (
        "Sandbox",
        &[
            "sandbox",
            "sandbox_empty",
            "sandbox_construction",
            "sandbox_fault",
            "sandbox_pace",
            "sandbox_seed",
        ],
    ),
];
/// How wide help is: it stands on every terminal, also behind a pager.
const HELP_WIDTH: usize = 80;
/// How wide the column of the commands' names is.
const COMMAND_NAME_WIDTH: usize = 20;
/// How wide the names of the groups are in a command's help.
const GROUP_NAME_WIDTH: usize = 7;

/// Returns the group of an option of every command; the last but one line of the help where the table has none.
fn find_option_group(option: &Arg) -> &'static str {
    let id = option.get_id().as_str();
    let group = OPTION_GROUPS.iter().find(|(_, ids)| ids.contains(&id));
    group.map_or("Options of every command", |(name, _)| name)
}

/// Returns the definition with each option in its group; no variable stands beside its option, since one rule names all.
#[must_use]
pub fn build_grouped_command() -> Command {
    CliArguments::command().mut_args(|option| {
        let option = option.hide_env(true);
        if option.is_global_set() { option.clone().help_heading(find_option_group(&option)) } else { option }
    })
}

/// Returns the definition that command lines are parsed by, with help: the program's explains the options of every command,
/// a command's own names them.
#[must_use]
pub fn build_help_command() -> Command {
    let grouped = build_grouped_command();
    let global: Vec<Arg> = grouped.get_arguments().filter(|option| option.is_global_set()).cloned().collect();
    let named = list_global_option_names(&grouped);
    let commands = render_command_list(&grouped);
    grouped
        // The list of commands stands in the template: a column for each would leave the sentences no room.
        .mut_subcommands(|command| command.hide(true))
        .override_usage("packagecloud-cloudfront [OPTIONS] [COMMAND]")
        .help_template(format!(
            "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}\n{{all-args}}{{after-help}}"
        ))
        .mut_subcommands(|command| add_command_help(command, &[], &global, &named))
        .after_help(format!("{named}\n\n{}", render_examples(&[])))
        .after_long_help(render_program_facts())
        .mut_args(|option| if option.is_global_set() { option.hide_short_help(true) } else { option })
}

/// Lists the commands, a long name on a line of its own.
fn render_command_list(command: &Command) -> String {
    let mut list = String::from("Commands:\n");
    for below in command.get_subcommands() {
        let (name, about) =
            (below.get_name(), below.get_about().map(ToString::to_string).unwrap_or_default());
        if name.len() < COMMAND_NAME_WIDTH {
            list.push_str(&format!("  {name:<COMMAND_NAME_WIDTH$}{about}\n"));
        } else {
            list.push_str(&format!("  {name}\n  {:<COMMAND_NAME_WIDTH$}{about}\n", ""));
        }
    }
    list
}

/// Gives a command the options of every command without showing them, and says where they are explained.
fn add_command_help(command: Command, parents: &[&str], global: &[Arg], named: &str) -> Command {
    let name = command.get_name().to_owned();
    let path: Vec<&str> = parents.iter().copied().chain([name.as_str()]).collect();
    let examples = render_examples(&path);
    let own = command.get_after_help().map(|own| format!("{own}\n\n")).unwrap_or_default();
    let command = command
        .mut_args(|option| option.hide_env(true))
        .args(global.iter().map(|option| option.clone().hide(true)))
        .mut_subcommands(|below| add_command_help(below, &path, global, named));
    let text = if examples.is_empty() { named.to_owned() } else { format!("{named}\n\n{examples}") };
    command.after_help(format!("{own}{text}"))
}

/// Lists the names of the options of every command, a group a line.
fn list_global_option_names(command: &Command) -> String {
    let mut lines = vec!["Options of every command, explained by packagecloud-cloudfront --help:".to_owned()];
    for (group, _) in OPTION_GROUPS {
        let names: Vec<String> = command
            .get_arguments()
            .filter(|option| {
                option.is_global_set() && !option.is_hide_set() && find_option_group(option) == group
            })
            .filter_map(|option| option.get_long().map(|name| format!("--{name}")))
            .collect();
        let label = group.split(' ').next().unwrap_or(group);
        let mut line = format!("  {label:<GROUP_NAME_WIDTH$}");
        for name in names {
            if line.len() + 1 + name.len() > HELP_WIDTH {
                lines.push(line);
                line = format!("  {:<GROUP_NAME_WIDTH$}", "");
            }
            line.push(' ');
            line.push_str(&name);
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// Renders the examples of one command; of the program, those of all.
fn render_examples(path: &[&str]) -> String {
    let examples = list_command_examples(path);
    if examples.is_empty() {
        return String::new();
    }
    let lines = examples.iter().map(|example| format!("  # {}\n  {}", example.purpose, example.line));
    format!("Examples:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Renders what the program's help says of it beside its options: exit codes, files, environment, examples.
fn render_program_facts() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in EXIT_CODES {
        text.push_str(&render_labelled_text(code, meaning));
    }
    text.push_str("\nFiles:\n");
    for (path, meaning) in PROGRAM_FILES {
        text.push_str(&format!("  {path}\n{}", render_labelled_text("", meaning)));
    }
    text.push_str("\nEnvironment:\n");
    for (name, meaning) in describe_environment() {
        text.push_str(&format!("  {name}\n{}", render_labelled_text("", meaning)));
    }
    format!("{text}\n{}", render_examples(&[]))
}

/// Renders a label of six columns with its text wrapped beside it.
fn render_labelled_text(label: &str, text: &str) -> String {
    let mut lines = String::new();
    let mut line = format!("  {label:<5}");
    for word in text.split(' ') {
        if line.len() + 1 + word.chars().count() > HELP_WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = " ".repeat(7);
        }
        line.push(' ');
        line.push_str(word);
    }
    format!("{lines}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render_help_of(words: &[&str]) -> String {
        let words = [&["packagecloud-cloudfront"], words].concat();
        build_help_command().try_get_matches_from(words).unwrap_err().to_string()
    }

    #[test]
    fn every_option_of_every_command_has_a_group_and_a_reason() {
        let command = build_grouped_command();
        for option in command.get_arguments().filter(|option| option.is_global_set()) {
            let id = option.get_id();
            assert_ne!(find_option_group(option), "Options of every command", "{id} is in no group");
            assert!(option.get_help().is_some(), "{id}");
        }
        let named: Vec<&str> = OPTION_GROUPS.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
        for id in &named {
            assert_eq!(named.iter().filter(|other| *other == id).count(), 1, "{id} is in two groups");
        }
    }

    #[test]
    fn a_commands_help_fits_on_a_screen_and_names_the_options_of_every_command() {
        let text = render_help_of(&["disable", "--help"]);
        // The prompt takes a row, too.
        let lines = text.trim_end().lines().count();
        assert!(lines < 24, "{lines} lines:\n{text}");
        for name in ["--host", "--yes", "--sandbox", "--output"] {
            assert!(text.contains(name), "{name} isn't in\n{text}");
        }
        for words in [&["disable", "--help"][..], &["disable", "-h"], &["--help"], &["-h"], &["enable", "-h"]]
        {
            let text = render_help_of(words);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(HELP_WIDTH), "{widest:?}:\n{text}");
        }
    }

    #[test]
    fn the_programs_help_explains_options_codes_files_variables_and_examples() {
        let text = render_help_of(&["--help"]);
        for heading in ["Host:", "AWS:", "Sandbox:", "Exit codes:", "Files:", "Environment:", "Examples:"] {
            assert!(text.contains(&format!("\n{heading}")), "{heading} isn't in\n{text}");
        }
        let short = render_help_of(&["-h"]);
        for below in build_grouped_command().get_subcommands() {
            assert!(
                short.contains(&format!("\n  {}", below.get_name())),
                "{} isn't in\n{short}",
                below.get_name()
            );
        }
        assert!(short.lines().count() < text.lines().count() / 2, "{short}");
    }

    #[test]
    fn the_reference_names_every_command_and_every_option() {
        let reference = include_str!("../../assets/reference.md");
        let command = build_grouped_command();
        let names_option = |name: &str| {
            reference.contains(&format!("`--{name}`"))
                || reference.contains(&format!("`--{name} "))
                || reference.contains(&format!("`--{name}["))
        };
        for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
            let name = option.get_long().unwrap_or_default();
            assert!(names_option(name), "--{name}");
            let heading = option.get_help_heading().unwrap_or_default().replace("--yes", "`--yes`");
            assert!(reference.contains(&format!("\n### {heading}")), "{heading}");
        }
        for below in command.get_subcommands() {
            let headings = reference.lines().filter(|line| line.starts_with("## "));
            let is_of_command = |line: &str| line[3..].split([' ', ',']).any(|word| word == below.get_name());
            assert!(headings.into_iter().any(is_of_command), "{}", below.get_name());
            let own = below.get_arguments().chain(below.get_subcommands().flat_map(Command::get_arguments));
            for option in own.filter(|option| !option.is_hide_set()) {
                let Some(name) = option.get_long() else { continue };
                assert!(names_option(name), "{} --{name}", below.get_name());
            }
        }
    }

    #[test]
    fn options_of_every_command_are_taken_by_each_though_its_help_only_names_them() {
        let words = ["x", "export", "terraform-import", "--sandbox=d", "--host", "web1"];
        let matches = build_help_command().try_get_matches_from(words).unwrap();
        assert_eq!(matches.get_many::<String>("host").unwrap().next().unwrap(), "web1");
    }
}
