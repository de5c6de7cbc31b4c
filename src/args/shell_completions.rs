//! Completion scripts: clap's, with the names of AWS profiles, which a shell reads itself.

use clap::Command;
use clap_complete::{Shell, generate};

use super::{CliArguments, help::build_grouped_command};
use clap::CommandFactory as _;

/// Prints the names of the profiles in AWS's files.
const LIST_PROFILES: &str = r#"sed -n -E "s/^\[(profile )?([^] ]+)\]$/\2/p" "${AWS_CONFIG_FILE:-$HOME/.aws/config}" "${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}" 2>/dev/null"#;

/// Renders the script for one shell.
#[must_use]
pub fn render_completion_script(shell: Shell) -> String {
    let name = CliArguments::command().get_name().to_owned();
    let mut command: Command = build_grouped_command();
    let mut script = Vec::new();
    generate(shell, &mut command, name.as_str(), &mut script);
    complete_profile_names(shell, &name, &String::from_utf8_lossy(&script))
}

/// Has `--profile` complete the profiles' names where the shell's script allows it.
fn complete_profile_names(shell: Shell, program: &str, script: &str) -> String {
    match shell {
        Shell::Bash => {
            let mut lines: Vec<String> = Vec::new();
            let mut is_profile = false;
            for line in script.lines() {
                is_profile = if line.trim() == "--profile)" { true } else { is_profile && line.contains("COMPREPLY") };
                if is_profile && line.contains("COMPREPLY") {
                    let indent = &line[..line.len() - line.trim_start().len()];
                    lines.push(format!("{indent}COMPREPLY=($(compgen -W \"$({LIST_PROFILES})\" -- \"${{cur}}\"))"));
                    is_profile = false;
                } else {
                    // clap_complete 4.6 dispatches to one spelling of a name with a hyphen, and defines another.
                    lines.push(line.replace("packagecloud__subcmd__cloudfront", "packagecloud__cloudfront"));
                }
            }
            format!("{}\n", lines.join("\n"))
        }
        Shell::Fish => format!(
            "{script}complete -c {program} -l profile -x -a '(sed -n -E \"s/^\\[(profile )?([^] ]+)\\]\\$/\\\\2/p\" ~/.aws/config ~/.aws/credentials 2>/dev/null)'\n"
        ),
        Shell::Zsh => script.replace(
            ":PROFILE:_default",
            ":PROFILE:{compadd - ${(f)\"$(sed -n -E \"s/^\\[(profile )?([^] ]+)\\]$/\\2/p\" ~/.aws/config ~/.aws/credentials 2>/dev/null)\"}}",
        ),
        _ => script.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What bash offers behind these words; the last is what was typed so far.
    fn complete_in_bash(home: &std::path::Path, words: &[&str]) -> Vec<String> {
        let script = home.join("completions.bash");
        std::fs::write(&script, render_completion_script(Shell::Bash)).unwrap();
        let place = words.len() - 1;
        let (typed, before) = (words[place], words[place.saturating_sub(1)]);
        let line = format!(
            "source {}; COMP_WORDS=({}); COMP_CWORD={place}; $(complete -p packagecloud-cloudfront | sed -E 's/.*-F ([^ ]+).*/\\1/') packagecloud-cloudfront '{typed}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        );
        let ran = Command::new("bash").arg("-c").arg(line).env("HOME", home).output().unwrap();
        String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_options_values_and_profiles() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/config"), "[default]\nregion = x\n[profile work]\n").unwrap();
        std::fs::write(home.path().join(".aws/credentials"), "[keys]\naws_access_key_id = x\n").unwrap();
        for (words, offered) in [
            (&["packagecloud-cloudfront", "plan", "--goal", "u"][..], &["upgrade"][..]),
            (&["packagecloud-cloudfront", "configuration", "--format", "p"], &["puppet"]),
            (&["packagecloud-cloudfront", "completions", "fi"], &["fish"]),
            (&["packagecloud-cloudfront", "disable", "--sandbox-em"], &["--sandbox-empty"]),
            (&["packagecloud-cloudfront", "--profile", ""], &["default", "work", "keys"]),
            (&["packagecloud-cloudfront", "check", "--profile", "w"], &["work"]),
        ] {
            assert_eq!(complete_in_bash(home.path(), words), offered, "{words:?}");
        }
    }
}
