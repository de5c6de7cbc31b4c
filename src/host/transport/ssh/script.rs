//! A script as it is sent, and what is heard of it: told apart from whatever a login shell prints by a number that only this script knows.
//!
//! The shell runs nothing before it has read all of it: half a script, cut off with the line, is none.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::host::paths::USUAL_PROGRAM_DIRS;

use super::RootEscalation;

/// What a script ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::host) struct RemoteScriptOutput {
    pub status: i32,
    pub out: Vec<u8>,
    /// What it says of its status.
    pub text: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ParsedScriptOutput {
    /// From its beginning to its end.
    Whole(RemoteScriptOutput),
    /// It began, and its end never came.
    Begun,
    Nothing,
}

/// What comes after this is the script: whether sudo took the password that stands before it or not.
const SCRIPT_MARKER: &str = "packagecloud-cloudfront: the script";

/// Returns the words of the command that is run there.
pub(super) fn choose_remote_shell_command(by: &RootEscalation) -> Vec<&'static str> {
    match by {
        RootEscalation::NotNeeded => vec!["sh", "-s"],
        RootEscalation::Sudo => vec!["env", "LC_ALL=C", "sudo", "-n", "--", "sh", "-s"],
        RootEscalation::Password(_) => vec![
            "env",
            "LC_ALL=C",
            "sudo",
            "-k",
            "-S",
            "-p",
            "",
            "--",
            "sh",
            "-c",
            "while IFS= read -r line; do [ \"$line\" = \"packagecloud-cloudfront: the script\" ] && exec sh -s; done",
        ],
    }
}

/// Renders the bytes for standard input: `body` is a function that returns its status and may leave a `text` about
/// it.
pub(super) fn render_remote_script(
    by: &RootEscalation,
    body: &str,
    arguments: &[&str],
    nonce: &str,
) -> Vec<u8> {
    let mut script = String::new();
    if let RootEscalation::Password(password) = by {
        script.push_str(&format!("{}\n{SCRIPT_MARKER}\n", password.expose_secret()));
    }
    let arguments: Vec<String> = arguments.iter().map(|word| quote_shell_word(word)).collect();
    script.push_str(&format!(
        "{{\nLC_ALL=C; export LC_ALL; umask 077; text=; exec 4<&0\nPATH=${{PATH:-/usr/bin:/bin}}:{}; export PATH\n{COMMON_FUNCTIONS}main() {{\n{body}\n}}\n\
         printf '\\n%s begins\\n' {nonce}\nmain {} </dev/null\nset -- \"$?\"\n\
         printf '\\n%s ends %s %s\\n' {nonce} \"$1\" \"$(printf %s \"$text\" | head -n 1)\"\nexit 0\n}}\n",
        USUAL_PROGRAM_DIRS.join(":"),
        arguments.join(" ")
    ));
    script.into_bytes()
}

/// What several scripts use.
const COMMON_FUNCTIONS: &str = r"sum() { sha256sum <$1 2>/dev/null | cut -c 1-64; }
started() {
  [ -r /proc/$1/stat ] || return 0
  stat=$(cat /proc/$1/stat 2>/dev/null); stat=${stat##*) }
  set -- $stat
  case $1 in Z|X|'') ;; *) echo ${20} ;; esac
}
";

/// A word for the shell, whatever is in it.
fn quote_shell_word(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Renders bytes as a word.
pub(super) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads what came back.
pub(super) fn parse_remote_script_output(stdout: &[u8], nonce: &str) -> ParsedScriptOutput {
    let begins = format!("\n{nonce} begins\n").into_bytes();
    let ends = format!("\n{nonce} ends ").into_bytes();
    let Some(begin) = stdout.windows(begins.len()).position(|window| window == begins) else {
        return ParsedScriptOutput::Nothing;
    };
    let rest = &stdout[begin + begins.len()..];
    let Some(end) = rest.windows(ends.len()).rposition(|window| window == ends) else {
        return ParsedScriptOutput::Begun;
    };
    let line = String::from_utf8_lossy(&rest[end + ends.len()..]).into_owned();
    // Without its own end the line may be cut off.
    let Some((line, _)) = line.split_once('\n') else { return ParsedScriptOutput::Begun };
    let (status, text) = line.split_once(' ').unwrap_or((line, ""));
    match status.parse() {
        Ok(status) => ParsedScriptOutput::Whole(RemoteScriptOutput {
            status,
            out: rest[..end].to_vec(),
            text: text.trim().to_owned(),
        }),
        Err(_) => ParsedScriptOutput::Begun,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    use super::*;
    use crate::model::secret::Secret;

    fn run_with_stdin(command: &[&str], sent: &[u8]) -> Vec<u8> {
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(sent);
        child.wait_with_output().unwrap().stdout
    }

    #[test]
    fn arguments_arrive_as_they_are_and_bytes_come_back_as_they_are() {
        let odd = ["a b", "'", "$(touch /nowhere)", "line\nline", "", "\\", "*"];
        let body = r#"for word in "$@"; do printf '<%s>' "$word"; done; printf '\000\377'; text="two
lines"; return 7"#;
        let out = run_with_stdin(
            &["sh", "-s"],
            &render_remote_script(&RootEscalation::NotNeeded, body, &odd, "n1"),
        );
        let mut wanted: Vec<u8> = odd.iter().flat_map(|word| format!("<{word}>").into_bytes()).collect();
        wanted.extend([0, 255]);
        assert_eq!(
            parse_remote_script_output(&[b"Welcome to web1\n".to_vec(), out].concat(), "n1"),
            ParsedScriptOutput::Whole(RemoteScriptOutput { status: 7, out: wanted, text: "two".into() })
        );
    }

    #[test]
    fn cut_off_anywhere_it_does_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("made");
        let name = file.display().to_string();
        let whole = render_remote_script(&RootEscalation::NotNeeded, r#": >"$1""#, &[&name, "x"], "n1");
        for length in (0..whole.len() - 1).step_by(7) {
            let out = run_with_stdin(&["sh", "-s"], &whole[..length]);
            assert!(!file.exists(), "after {length} of {} bytes", whole.len());
            assert_eq!(parse_remote_script_output(&out, "n1"), ParsedScriptOutput::Nothing);
        }
        run_with_stdin(&["sh", "-s"], &whole);
        assert!(file.exists());
    }

    #[test]
    fn a_password_is_never_run_whether_sudo_took_it_or_not() {
        let by = RootEscalation::Password(Secret::new("touch made; echo"));
        let whole = render_remote_script(&by, "echo done", &[], "n1");
        let words = choose_remote_shell_command(&by);
        let words = words.split(|word| *word == "--").nth(1).unwrap();
        let taken = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for sent in [&whole[..], &whole[taken..]] {
            let out = run_with_stdin(words, sent);
            assert_eq!(
                parse_remote_script_output(&out, "n1"),
                ParsedScriptOutput::Whole(RemoteScriptOutput {
                    status: 0,
                    out: b"done\n".to_vec(),
                    text: String::new()
                })
            );
        }
    }

    #[test]
    fn an_end_that_was_cut_off_is_none() {
        assert_eq!(parse_remote_script_output(b"motd\n", "n1"), ParsedScriptOutput::Nothing);
        assert_eq!(parse_remote_script_output(b"\nn1 begins\nhalf", "n1"), ParsedScriptOutput::Begun);
        assert_eq!(
            parse_remote_script_output(b"\nn1 begins\nall\nn1 ends 25", "n1"),
            ParsedScriptOutput::Begun
        );
        assert_eq!(
            parse_remote_script_output(b"\nn1 begins\nall\nn1 ends 255 \n", "n1"),
            ParsedScriptOutput::Whole(RemoteScriptOutput {
                status: 255,
                out: b"all".to_vec(),
                text: String::new()
            })
        );
    }
}
