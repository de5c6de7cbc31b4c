//! The commands that a sentence proposes to type next: whole, with the program as it was started and this run's options.

use std::sync::OnceLock;

/// The program's name where no command line was told: in a test, or in this program's own documents.
const PROGRAM_NAME: &str = "packagecloud-cloudfront";
/// What only looks: it takes no `--yes`.
const READING_COMMANDS: [&str; 8] =
    ["check", "configuration", "export", "inspect", "plan", "report", "sign", "verify"];

/// How this process was started. Told once, before anything is said; the same in every sentence from then on.
static STARTED: OnceLock<StartedCommandLine> = OnceLock::new();

/// A command line as a person can type it again in another shell: what came by environment variables is among its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedCommandLine {
    /// The program as it was typed.
    pub program: String,
    /// The options by which another command works on the same thing, each with its value: `--sandbox=DIR`, `--config FILE`.
    pub options: Vec<Vec<String>>,
    /// `--yes` was given: what changes something is proposed with it too.
    pub is_consent_given: bool,
    /// All of it, for the same once more.
    pub words: Vec<String>,
}

impl StartedCommandLine {
    fn new_bare_command_line() -> Self {
        Self {
            program: PROGRAM_NAME.to_owned(),
            options: Vec::new(),
            is_consent_given: false,
            words: vec![PROGRAM_NAME.to_owned()],
        }
    }

    fn render_command(&self, command: &str, words: &[&str]) -> String {
        let asks = !READING_COMMANDS.contains(&command) && !words.contains(&"--yes");
        // What is proposed anew stands in the place of what was given.
        let is_kept = |option: &&Vec<String>| !words.iter().any(|word| is_same_option(word, &option[0]));
        let options = self.options.iter().filter(is_kept);
        let yes = (asks && self.is_consent_given).then_some("--yes");
        let all = std::iter::once(self.program.as_str())
            .chain(options.flatten().map(String::as_str))
            .chain(std::iter::once(command).filter(|command| !command.is_empty()))
            .chain(words.iter().copied())
            .chain(yes);
        join_shell_words(all)
    }

    fn render_again(&self, words: &[&str]) -> String {
        let mut kept = Vec::new();
        let mut given = self.words.iter().map(String::as_str);
        while let Some(word) = given.next() {
            match words.iter().position(|added| is_same_option(added, word)) {
                None => kept.push(word),
                // Its value is the next word, where it isn't joined to it and the option has one.
                Some(at)
                    if words.get(at + 1).is_some_and(|value| !value.starts_with("--"))
                        && !word.contains('=') =>
                {
                    given.next();
                }
                Some(_) => {}
            }
        }
        join_shell_words(kept.into_iter().chain(words.iter().copied()))
    }
}

/// Keeps how this process was started, for every command that is proposed from now on.
pub fn remember_started_command_line(started: StartedCommandLine) {
    // Told twice, the first stands: a process is started once.
    let _ = STARTED.set(started);
}

/// Renders a command of this program to be typed next: `/usr/bin/packagecloud-cloudfront --sandbox=/tmp/d disable`.
#[must_use]
pub fn render_proposed_command(command: &str, words: &[&str]) -> String {
    match STARTED.get() {
        Some(started) => started.render_command(command, words),
        None => StartedCommandLine::new_bare_command_line().render_command(command, words),
    }
}

/// Renders this process's own command once more, with `words` added; an option that they hold stands in the place of the one given.
#[must_use]
pub fn render_same_command_again(words: &[&str]) -> String {
    let bare = StartedCommandLine::new_bare_command_line();
    STARTED.get().unwrap_or(&bare).render_again(words)
}

/// Returns this process's own command line, in words.
#[must_use]
pub fn list_started_words() -> Vec<String> {
    STARTED
        .get()
        .map_or_else(|| StartedCommandLine::new_bare_command_line().words, |started| started.words.clone())
}

fn is_same_option(one: &str, other: &str) -> bool {
    let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
    one.starts_with("--") && name(one) == name(other)
}

/// Joins words as a shell takes them, each no more quoted than it must be: they are read and typed by people.
#[must_use]
pub fn join_shell_words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./,:=@%+".contains(c);
    let quoted = words.into_iter().map(|word| {
        if !word.is_empty() && word.chars().all(is_plain) { word.into() } else { shell_words::quote(word) }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposed_command_has_the_program_the_options_and_the_consent_of_this_run() {
        let started = StartedCommandLine {
            program: "/opt/my tools/pc".into(),
            options: vec![vec!["--sandbox=/tmp/it's".into()], vec!["--config".into(), "/etc/a b.rb".into()]],
            is_consent_given: true,
            words: ["pc", "--config", "/etc/a b.rb", "enable", "--yes"].map(str::to_owned).to_vec(),
        };
        let start = r"'/opt/my tools/pc' '--sandbox=/tmp/it'\''s' --config '/etc/a b.rb'";
        for (command, words, end) in [
            ("disable", &[][..], "disable --yes"),
            ("enable", &["--upgrade"], "enable --upgrade --yes"),
            ("enable", &["--yes"], "enable --yes"),
            ("check", &["--policy"], "check --policy"),
            ("plan", &[], "plan"),
        ] {
            assert_eq!(started.render_command(command, words), format!("{start} {end}"));
        }
        assert_eq!(
            started.render_command("disable", &["--config", "b.rb"]),
            r"'/opt/my tools/pc' '--sandbox=/tmp/it'\''s' disable --config b.rb --yes",
            "what is proposed anew isn't given twice"
        );
        assert_eq!(
            started.render_again(&["--adopt", "--yes"]),
            "pc --config '/etc/a b.rb' enable --adopt --yes"
        );
        assert_eq!(started.render_again(&["--config", "b.rb"]), "pc enable --yes --config b.rb");
        let bare = StartedCommandLine::new_bare_command_line();
        assert_eq!(bare.render_command("disable", &[]), "packagecloud-cloudfront disable");
    }
}
