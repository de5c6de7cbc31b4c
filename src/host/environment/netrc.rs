//! packagecloud's read token as package managers keep it: in netrc, or typed.
//!
//! A token is only ever given for the host that its line names; it is never shown and never an argument.

use std::{io::Write as _, path::PathBuf};

use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};

use crate::model::{display_text::escape_display_controls, secret::Secret};

/// Finds the user name that netrc (`$NETRC`, else `~/.netrc`) holds for the host of `url`.
#[must_use]
pub fn find_netrc_token(url: &str) -> Option<Secret> {
    let home = || std::env::home_dir().map(|home| home.join(".netrc"));
    let path = std::env::var_os("NETRC").map(PathBuf::from).or_else(home)?;
    parse_netrc_token(&std::fs::read_to_string(path).ok()?, url)
}

/// The same of netrc's text; a machine may be named with the port, as apt does.
fn parse_netrc_token(text: &str, url: &str) -> Option<Secret> {
    let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = authority.split(':').next()?;
    let mut words =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_ascii_whitespace);
    let mut here = false;
    while let Some(word) = words.next() {
        match word {
            "machine" => {
                let name = words.next()?;
                let name = name.split_once("://").map_or(name, |(_, name)| name);
                let name = name.split('/').next().unwrap_or(name);
                here = name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(authority);
            }
            "default" => here = false,
            "login" => {
                let token = words.next()?;
                if here {
                    return Some(Secret::new(token.to_owned()));
                }
            }
            "password" | "account" => {
                words.next();
            }
            _ => {}
        }
    }
    None
}

/// Asks at the terminal, without showing what is typed; none where there is no terminal, or nothing was typed.
#[must_use]
pub fn prompt_secret_at_terminal(question: &str) -> Option<Secret> {
    let stdin = std::io::stdin();
    if !isatty(&stdin) || !isatty(std::io::stderr()) {
        return None;
    }
    let shown = tcgetattr(&stdin).ok()?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    // Before the question: what is typed as soon as it stands there is neither shown nor lost.
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).ok()?;
    eprint!("{}", escape_display_controls(question));
    let _ = std::io::stderr().flush();
    let mut typed = String::new();
    let read = stdin.read_line(&mut typed);
    let _ = tcsetattr(&stdin, OptionalActions::Now, &shown);
    eprintln!();
    let typed = typed.trim();
    (read.is_ok() && !typed.is_empty()).then(|| Secret::new(typed.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_to_its_own_host_alone() {
        let text = "# machine commented.example login no password x\n\
            machine other.example login not-this password machine\n\
            machine packagecloud.example\n  login the-token\n  password ''\n\
            machine 127.0.0.1:8080/1/2 login here password x\n\
            default login anybody password x\n";
        let of = |url: &str| parse_netrc_token(text, url).map(|token| token.expose_secret().to_owned());
        assert_eq!(of("https://packagecloud.example/a/b.deb").as_deref(), Some("the-token"));
        assert_eq!(of("https://PackageCloud.example:443/a?x").as_deref(), Some("the-token"));
        assert_eq!(of("http://127.0.0.1:8080/1/2/x.deb").as_deref(), Some("here"));
        assert_eq!(of("http://127.0.0.1:8081/1/2/x.deb"), None);
        assert_eq!(of("https://commented.example/"), None);
        assert_eq!(
            of("https://elsewhere.example/"),
            None,
            "the default entry is for anybody, a token is not"
        );
    }
}
