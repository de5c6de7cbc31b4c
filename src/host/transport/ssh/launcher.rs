//! How a shell on another host is started: by ssh, or by whatever else the operator names, as `kubectl exec`.
//!
//! ssh joins its words and gives them to the login shell there, so they are quoted for one; any other program is taken to
//! run its words as they are, without a shell between.

use std::path::Path;

use crate::model::{
    failure::Failure,
    run::proposed_command::{join_shell_words, render_same_command_again},
};

/// What stands for the host's name in `--ssh`.
const HOST_PLACEHOLDER: &str = "{}";

/// The command that starts a shell on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShellLauncher {
    /// As the operator named the host.
    name: String,
    /// The program and its words, the host's name in them where it was asked for.
    words: Vec<String>,
    /// The program is ssh: it takes ssh's options.
    is_ssh: bool,
    /// The host's name is among the words already.
    names_host: bool,
}

impl ShellLauncher {
    /// Reads `--ssh COMMAND`, split as a shell splits words, for the host `name`.
    ///
    /// # Errors
    /// Where it is no command.
    pub(super) fn parse_shell_launcher(name: &str, command: &str) -> Result<Self, Failure> {
        let words = shell_words::split(command).ok().filter(|words| !words.is_empty()).ok_or_else(|| {
            Failure::new_usage_failure(
                format!("--ssh {command}"),
                "it is no command",
                "give it as: --ssh 'ssh -p 2222', or --ssh 'kubectl exec -i deploy/packagecloud --'",
            )
        })?;
        let is_ssh = Path::new(&words[0]).file_name().is_some_and(|program| program == "ssh");
        let names_host = words[1..].iter().any(|word| word.contains(HOST_PLACEHOLDER));
        let words = words
            .into_iter()
            // Behind it ssh takes no option, and those of this program come last.
            .filter(|word| !(is_ssh && names_host && word == "--"))
            .map(|word| word.replace(HOST_PLACEHOLDER, name))
            .collect();
        Ok(Self { name: name.to_owned(), words, is_ssh, names_host })
    }

    /// Returns whether the host's name makes a difference to where the command leads.
    pub(super) fn depends_on_host_name(&self) -> bool {
        self.is_ssh || self.names_host
    }

    /// Returns whether it is ssh, with its own words for what fails.
    pub(super) fn is_ssh_program(&self) -> bool {
        self.is_ssh
    }

    /// Returns the program, as it is started.
    pub(super) fn program(&self) -> &str {
        &self.words[0]
    }

    /// Returns the host's name, as the operator gave it.
    pub(super) fn host_name(&self) -> &str {
        &self.name
    }

    /// Lists the program's arguments up to where the command to run begins, `options` among them: ssh takes those.
    pub(super) fn list_launcher_arguments(&self, options: &[String]) -> Vec<String> {
        let mut arguments = self.words[1..].to_vec();
        if self.is_ssh {
            arguments.extend_from_slice(options);
            arguments.push("--".to_owned());
            if !self.names_host {
                arguments.push(self.name.clone());
            }
        }
        arguments
    }

    /// Returns the words that have `words` run there: one for ssh, which hands it to a shell, else as they are.
    pub(super) fn wrap_remote_words(&self, words: &[&str]) -> Vec<String> {
        if self.is_ssh {
            vec![format!("exec {}", shell_words::join(words))]
        } else {
            words.iter().map(|word| (*word).to_owned()).collect()
        }
    }

    /// Renders how an operator runs a line for the shell there; `asks` where it may ask something at the terminal.
    pub(super) fn render_shell_line_command(&self, line: &str, asks: bool) -> String {
        let mut words = self.words.clone();
        if self.is_ssh {
            if asks {
                words.insert(1, "-t".to_owned());
            }
            if !self.names_host {
                words.push(self.name.clone());
            }
            words.push(line.to_owned());
        } else {
            words.extend(["sh", "-c", line].map(str::to_owned));
        }
        join_shell_words(words.iter().map(String::as_str))
    }

    /// Renders how an operator sends a script there on standard input.
    pub(super) fn render_stdin_trial_command(&self) -> String {
        let words = self.words.iter().map(String::as_str).chain(["sh", "-s"]);
        join_shell_words(words)
    }

    /// Renders what the operator tries: for ssh, that it lets in; for any other, that a shell answers.
    pub(super) fn render_trial_command(&self) -> String {
        if !self.is_ssh {
            return self.render_shell_line_command("echo ok", false);
        }
        let host = (!self.names_host).then_some(self.name.as_str());
        join_shell_words(self.words.iter().map(String::as_str).chain(host))
    }
}

/// Refuses a way to hosts that leads to the same one whatever its name is, where it is given several, and one that nothing
/// is reached by, where it is given none.
///
/// # Errors
/// Where the command and the names don't go together.
pub(super) fn refuse_launcher_without_hosts(command: &str, names: &[String]) -> Result<(), Failure> {
    let name = names.first().map_or("host", String::as_str);
    if ShellLauncher::parse_shell_launcher(name, command)?.depends_on_host_name()
        && (!names.is_empty() || !command.contains(HOST_PLACEHOLDER))
    {
        return Ok(());
    }
    match names.len() {
        0 => Err(Failure::new_usage_failure(
            format!("--ssh {command}"),
            "no host is named, and without one this machine would be set up",
            format!(
                "name it as you call it, with --host: {}",
                render_same_command_again(&["--host", "NAME"])
            ),
        )),
        1 => Ok(()),
        _ => Err(Failure::new_usage_failure(
            format!("--ssh {command}"),
            format!("it leads to one host, whichever of {} is meant", names.join(", ")),
            "put {} where the host's name belongs: --ssh 'kubectl exec -i {} --' --host pod/web-0 --host pod/web-1",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(name: &str, command: &str) -> Vec<String> {
        let launcher = ShellLauncher::parse_shell_launcher(name, command).unwrap();
        let mut all = vec![launcher.program().to_owned()];
        all.extend(launcher.list_launcher_arguments(&["-T".to_owned()]));
        all.extend(launcher.wrap_remote_words(&["sh", "-c", "a 'b'"]));
        all
    }

    #[test]
    fn ssh_gets_one_word_for_its_shell_and_any_other_program_the_words_as_they_are() {
        for (name, command, wanted) in [
            (
                "deploy@web1",
                "ssh -p 22",
                &["ssh", "-p", "22", "-T", "--", "deploy@web1", r"exec sh -c 'a '\''b'\'''"][..],
            ),
            (
                "web1",
                "/usr/bin/ssh -J jump {}.internal",
                &["/usr/bin/ssh", "-J", "jump", "web1.internal", "-T", "--", r"exec sh -c 'a '\''b'\'''"],
            ),
            ("web1", "ssh -- {}", &["ssh", "web1", "-T", "--", r"exec sh -c 'a '\''b'\'''"]),
            (
                "shop",
                "kubectl exec -i deploy/packagecloud --",
                &["kubectl", "exec", "-i", "deploy/packagecloud", "--", "sh", "-c", "a 'b'"],
            ),
            (
                "web-0",
                "kubectl -n shop exec -i pod/{} -c web --",
                &["kubectl", "-n", "shop", "exec", "-i", "pod/web-0", "-c", "web", "--", "sh", "-c", "a 'b'"],
            ),
        ] {
            assert_eq!(arguments(name, command), wanted, "{command}");
        }
    }

    #[test]
    fn what_an_operator_types_goes_the_same_way() {
        let typed = |name: &str, command: &str| {
            let launcher = ShellLauncher::parse_shell_launcher(name, command).unwrap();
            (launcher.render_trial_command(), launcher.render_shell_line_command("cat > 'a b'", true))
        };
        assert_eq!(
            typed("web1", "ssh -p 22"),
            ("ssh -p 22 web1".to_owned(), r"ssh -t -p 22 web1 'cat > '\''a b'\'''".to_owned())
        );
        assert_eq!(
            typed("web1", "kubectl exec -i {} --"),
            (
                "kubectl exec -i web1 -- sh -c 'echo ok'".to_owned(),
                r"kubectl exec -i web1 -- sh -c 'cat > '\''a b'\'''".to_owned()
            )
        );
    }

    #[test]
    fn a_command_that_leads_to_one_host_takes_one_name() {
        let refusal = |command: &str, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            refuse_launcher_without_hosts(command, &names).err().map(|failure| failure.why)
        };
        let kubectl = "kubectl exec -i deploy/packagecloud --";
        assert_eq!(refusal("ssh", &[]), None);
        assert_eq!(refusal("ssh", &["a", "b"]), None);
        assert_eq!(refusal(kubectl, &["a"]), None);
        assert_eq!(refusal("kubectl exec -i {} --", &["a", "b"]), None);
        assert!(refusal(kubectl, &["a", "b"]).unwrap().contains("it leads to one host, whichever of a, b"));
        for command in [kubectl, "kubectl exec -i {} --"] {
            assert!(refusal(command, &[]).unwrap().contains("no host is named"), "{command}");
        }
        assert!(refusal("'", &["a"]).unwrap().contains("it is no command"));
    }
}
