//! The man page: every command with its options, exit codes, files, environment and examples, from the one definition.

use clap::{Arg, Command};
use roff::{Inline, Roff, bold, italic, roman};

use super::{
    help::build_grouped_command,
    program_facts::{EXIT_CODES, PROGRAM_FILES, describe_environment, list_all_examples},
};

/// How long a line of the page's source is; escapes make it longer.
const SOURCE_LINE_WIDTH: usize = 68;

/// Renders the page as roff.
#[must_use]
pub fn render_man_page() -> String {
    let mut command = build_grouped_command().disable_help_subcommand(true);
    command.build();
    let version = format!("{} {}", command.get_name(), env!("CARGO_PKG_VERSION"));
    let mut page = Roff::new();
    page.control("TH", ["packagecloud-cloudfront", "1", "", version.as_str(), "User Commands"]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{} - CloudFront in front of packagecloud:enterprise", command.get_name()))]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([
        bold(command.get_name()),
        roman(" ["),
        italic("options"),
        roman("] ["),
        italic("command"),
        roman("]"),
    ]);
    page.control("SH", ["DESCRIPTION"]);
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    add_paragraphs(&mut page, &about.unwrap_or_default());
    page.control("SH", ["COMMANDS"]);
    for below in command.get_subcommands() {
        add_command_section(&mut page, below, &[]);
    }
    page.control("SH", ["OPTIONS"]);
    page.text([roman("They stand before or after the command.")]);
    add_grouped_options(&mut page, &command);
    add_program_facts(&mut page);
    page.render()
}

/// Adds a command: how it is typed, what it does, its own options; then those below it.
fn add_command_section(page: &mut Roff, command: &Command, parents: &[&str]) {
    let path: Vec<&str> = parents.iter().copied().chain([command.get_name()]).collect();
    if command.has_subcommands() {
        command.get_subcommands().for_each(|below| add_command_section(page, below, &path));
        return;
    }
    let mut typed = path.join(" ");
    let own = |option: &&Arg| !option.is_global_set() && !option.is_hide_set() && option.get_id() != "help";
    for value in command.get_arguments().filter(own).filter(|option| option.is_positional()) {
        let name = describe_value_names(value);
        typed.push_str(&if value.is_required_set() { format!(" {name}") } else { format!(" [{name}]") });
    }
    page.control("SS", [typed.as_str()]);
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    add_paragraphs(page, &about.unwrap_or_default());
    command.get_arguments().filter(own).for_each(|option| add_option(page, option));
    if let Some(more) = command.get_after_help() {
        page.control("PP", []);
        add_paragraphs(page, &more.to_string());
    }
}

/// Adds the options of every command, by their groups.
fn add_grouped_options(page: &mut Roff, command: &Command) {
    let shown = || command.get_arguments().filter(|option| !option.is_hide_set() && option.is_global_set());
    let mut headings: Vec<&str> = Vec::new();
    for heading in shown().filter_map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        page.control("SS", [heading]);
        shown()
            .filter(|option| option.get_help_heading() == Some(heading))
            .for_each(|option| add_option(page, option));
    }
}

/// Adds one option or value: how it is typed, what it is for, what it may be.
fn add_option(page: &mut Roff, option: &Arg) {
    let mut head: Vec<Inline> = Vec::new();
    if let Some(name) = option.get_long() {
        head.push(bold(format!("--{name}")));
        if option.get_action().takes_values() {
            let equals = if option.is_require_equals_set() { "[=" } else { " " };
            let end = if option.is_require_equals_set() { "]" } else { "" };
            head.extend([roman(equals), italic(describe_value_names(option)), roman(end)]);
        }
    } else {
        head.push(italic(describe_value_names(option)));
    }
    page.control("TP", []);
    page.text(head);
    let help = option.get_long_help().or_else(|| option.get_help()).map(ToString::to_string);
    let mut body = help.unwrap_or_default();
    let possible: Vec<String> = option
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| value.get_name().to_owned())
        .collect();
    if !possible.is_empty() && option.get_action().takes_values() {
        body.push_str(&format!(" (one of {})", possible.join(", ")));
    }
    let defaults: Vec<_> = option.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && option.get_action().takes_values() {
        body.push_str(&format!(" (without it {})", defaults.join(", ")));
    }
    add_text(page, &body);
}

fn describe_value_names(option: &Arg) -> String {
    let names = option.get_value_names().map(|names| names.join(" "));
    names.unwrap_or_else(|| option.get_id().as_str().to_uppercase())
}

/// Adds exit codes, files, environment and examples.
fn add_program_facts(page: &mut Roff) {
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        add_described_item(page, code, meaning);
    }
    page.control("SH", ["FILES"]);
    for (path, meaning) in PROGRAM_FILES {
        add_described_item(page, path, meaning);
    }
    page.control("SH", ["ENVIRONMENT"]);
    for (name, meaning) in describe_environment() {
        add_described_item(page, name, meaning);
    }
    page.control("SH", ["EXAMPLES"]);
    for example in list_all_examples() {
        page.control("TP", []);
        page.text([roman(example.purpose)]);
        page.text([bold(example.line)]);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("packagecloud-ctl"), roman(", "), bold("aws"), roman("(1)")]);
}

fn add_described_item(page: &mut Roff, name: &str, meaning: &str) {
    page.control("TP", []);
    page.text([bold(name)]);
    add_text(page, meaning);
}

/// Adds a text whose empty lines end a paragraph.
fn add_paragraphs(page: &mut Roff, text: &str) {
    for line in text.lines() {
        if line.trim().is_empty() {
            page.control("PP", []);
        } else {
            add_text(page, line);
        }
    }
}

/// Adds a text in lines that a reader of roff sees whole; they are filled again when the page is read.
fn add_text(page: &mut Roff, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > SOURCE_LINE_WIDTH {
            page.text([roman(std::mem::take(&mut line))]);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    page.text([roman(line)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns every command with the words by which it is typed.
    fn list_commands_below(command: &Command, parents: &[String]) -> Vec<(String, Command)> {
        let mut all = Vec::new();
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let path = [parents, &[below.get_name().to_owned()]].concat();
            all.extend(list_commands_below(below, &path));
            if !below.has_subcommands() {
                all.push((path.join(" "), below.clone()));
            }
        }
        all
    }

    #[test]
    fn the_page_names_every_command_and_every_option() {
        let page = render_man_page().replace("\\-", "-");
        let command = build_grouped_command();
        let commands = list_commands_below(&command, &[]);
        assert!(commands.len() > 20, "{commands:?}");
        for (typed, below) in &commands {
            assert!(
                page.contains(&format!(".SS {}", quote_argument(typed)))
                    || page.contains(&format!(".SS \"{typed} ")),
                "{typed}"
            );
            for option in below.get_arguments().filter(|option| !option.is_hide_set()) {
                let Some(name) = option.get_long() else { continue };
                assert!(page.contains(&format!("--{name}")), "{typed} --{name}");
            }
        }
        for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
            let name = option.get_long().unwrap();
            assert!(page.contains(&format!("--{name}")), "--{name}");
        }
        for heading in ["NAME", "SYNOPSIS", "OPTIONS", "\"EXIT STATUS\"", "FILES", "ENVIRONMENT", "EXAMPLES"]
        {
            assert!(page.contains(&format!("\n.SH {heading}")), "{heading}");
        }
    }

    fn quote_argument(text: &str) -> String {
        if text.contains(' ') { format!("\"{text}\"") } else { text.to_owned() }
    }
}
