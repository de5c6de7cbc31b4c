//! What ssh, another way to a host, and sudo say, as an operator needs it: the host, the reason, the next move.

use std::io;

use crate::model::failure::{Failure, FailureKind, SudoPasswordFault};
use crate::model::run::proposed_command::render_same_command_again;

use super::{SshError, build_remote_host_failure, launcher::ShellLauncher};

const NAME_UNRESOLVED: &str = "its name can't be resolved";

/// Returns whether a failure is that of the line to a host; a name without an address is a mistake, and no host that is down.
#[must_use]
pub fn is_host_down(failure: &Failure) -> bool {
    failure.facts.lost_host.is_some() && !failure.why.starts_with(NAME_UNRESOLVED)
}

/// Returns the failure where ssh itself can't be started.
pub(super) fn build_ssh_not_started_failure(launcher: &ShellLauncher, error: &io::Error) -> Failure {
    let next = if launcher.is_ssh_program() {
        "install the OpenSSH client, or name it with --ssh COMMAND"
    } else {
        "install it, or name what starts a shell there with --ssh COMMAND"
    };
    Failure::new(FailureKind::Missing, launcher.program(), format!("it could not be started: {error}"), next)
}

/// Returns the failure of a host that isn't reached, with why.
pub(super) fn build_host_unreachable_failure(launcher: &ShellLauncher, why: &str) -> Failure {
    let (name, trial) = (launcher.host_name(), launcher.render_trial_command());
    let next = if launcher.is_ssh_program() {
        format!("see whether it is up and its port open: {trial}")
    } else {
        format!("see whether it runs; this must print ok: {trial}")
    };
    build_remote_host_failure(name, FailureKind::Unreachable, format!("it can't be reached: {why}"), next)
        .mark_failure_as_lost_host(name)
}

/// Returns the failure of a host whose name, or that of a host on the way to it, has no address, as ssh says in `line`; a
/// name server that is down says the same of every name.
fn build_name_unresolved_failure(launcher: &ShellLauncher, line: &str) -> Failure {
    let (name, trial) = (launcher.host_name(), launcher.render_trial_command());
    let said = line.strip_prefix("ssh: ").unwrap_or(line);
    build_remote_host_failure(
        name,
        FailureKind::Unreachable,
        format!("{NAME_UNRESOLVED}: {said}"),
        format!(
            "correct the name, or its Host lines in ~/.ssh/config; if no name resolves, correct DNS here, or give the host's address with --host; to try it: {trial}"
        ),
    )
    .mark_failure_as_lost_host(name)
}

/// Returns the failure where the line dropped, and trying did not bring it back.
pub(super) fn build_ssh_connection_lost_failure(launcher: &ShellLauncher, failure: &Failure) -> Failure {
    let (name, trial) = (launcher.host_name(), launcher.render_trial_command());
    build_remote_host_failure(
        name,
        FailureKind::Unreachable,
        format!("the line to it dropped, and a minute of trying did not bring it back: {}", failure.why),
        format!(
            "what runs there continues; once this works: {trial} — run: {} — it looks at what is there and continues",
            render_same_command_again(&[])
        ),
    )
    .mark_failure_as_lost_host(name)
}

/// Returns the failure where the line dropped, and nobody can be asked for what laying it again needs.
pub(super) fn build_reconnect_refused_failure(failure: Failure) -> Failure {
    Failure {
        why: format!(
            "the line to it dropped, and could not be set up again without a question: {}",
            failure.why
        ),
        next: format!(
            "what runs there continues; run at a terminal: {} — it asks, looks at what is there and goes on",
            render_same_command_again(&[])
        ),
        ..failure
    }
}

/// Tells why a script never began: ssh ends with 255 by itself, with anything else by what it ran.
pub(super) fn classify_ssh_failure(launcher: &ShellLauncher, status: Option<i32>, said: &str) -> SshError {
    if !launcher.is_ssh_program() {
        return classify_launcher_failure(launcher, status, said);
    }
    let (name, trial) = (launcher.host_name(), launcher.render_trial_command());
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let has = |text: &str| said.contains(text);
    let last = lines.last().copied().unwrap_or("it said nothing");
    let refused =
        |kind, why: String, next: String| SshError::Refused(build_remote_host_failure(name, kind, why, next));
    if status == Some(255) {
        if let Some(line) = lines.iter().find(|line| line.contains("Could not resolve hostname")) {
            return SshError::Dropped(build_name_unresolved_failure(launcher, line));
        }
        if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            return refused(
                FailureKind::Other,
                "its host key is not the one that it had: it was set up again, or somebody reads along in between"
                    .into(),
                format!(
                    "ask whoever runs it for the new key's fingerprint; only then take the old one out (ssh-keygen -R) and accept it: {trial}"
                ),
            );
        }
        if has("Host key verification failed") || has("host key is known for") {
            return refused(
                FailureKind::Other,
                "its host key is not known here yet".into(),
                format!("compare and accept it once, at a terminal: {trial}"),
            );
        }
        if has("Permission denied") || has("Too many authentication failures") {
            return refused(
                FailureKind::Denied,
                format!("it takes none of your keys: {last}"),
                format!(
                    "add a key that it takes (ssh-add, or IdentityFile in ~/.ssh/config), until this works: {trial}"
                ),
            );
        }
        if has("Bad configuration option") || has("bad permissions") || has("Bad owner or permissions") {
            return refused(
                FailureKind::Usage,
                last.to_owned(),
                format!("correct ssh's configuration, until this works: {trial}"),
            );
        }
        return SshError::Dropped(build_host_unreachable_failure(launcher, last));
    }
    if status.is_none() {
        return SshError::Dropped(build_host_unreachable_failure(launcher, "ssh was ended"));
    }
    classify_sudo_failure(launcher, said).unwrap_or_else(|| {
        refused(
            FailureKind::Other,
            format!("its login shell did not run sh: {last}"),
            format!("this must print ok: {}", launcher.render_shell_line_command("echo ok", false)),
        )
    })
}

/// What kubectl says of the exit code of what it ran.
const KUBECTL_EXIT_TEXT: &str = "command terminated with exit code ";

/// Tells the same of any other program: it ends with what it ran or, by itself, with some code of its own, so what can't be
/// told from a line that dropped is taken for one.
fn classify_launcher_failure(launcher: &ShellLauncher, status: Option<i32>, said: &str) -> SshError {
    let (name, trial) = (launcher.host_name(), launcher.render_trial_command());
    let refused = |why: String, next: String| {
        SshError::Refused(build_remote_host_failure(name, FailureKind::Other, why, next))
    };
    if let Some(refusal) = classify_sudo_failure(launcher, said) {
        return refusal;
    }
    let exit_code = said.lines().find_map(|line| line.trim().strip_prefix(KUBECTL_EXIT_TEXT));
    let exit_code = exit_code.and_then(|code| code.parse().ok()).or(status);
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.rfind(|line| !line.starts_with(KUBECTL_EXIT_TEXT));
    match exit_code {
        // A script whose standard input never came is no script, and ends well; so does one in a terminal's echo.
        Some(0) => refused(
            format!("{} ran, and handed on no standard input", launcher.program()),
            format!(
                "let it do so, without a terminal (kubectl exec and docker exec: -i and no -t), until this prints ok: echo 'echo ok' | {}",
                launcher.render_stdin_trial_command()
            ),
        ),
        Some(126 | 127) => refused(
            format!("no POSIX shell was started there: {}", last.unwrap_or("it said nothing")),
            format!("name a container that has sh; this must print ok: {trial}"),
        ),
        None => SshError::Dropped(build_host_unreachable_failure(
            launcher,
            &format!("{} was ended", launcher.program()),
        )),
        Some(code) => SshError::Dropped(build_host_unreachable_failure(
            launcher,
            last.unwrap_or(&format!("{} ended with {code}", launcher.program())),
        )),
    }
}

/// sudo's refusals.
fn classify_sudo_failure(launcher: &ShellLauncher, said: &str) -> Option<SshError> {
    let name = launcher.host_name();
    let denied = |why: &str, next: String| {
        build_remote_host_failure(name, FailureKind::Denied, format!("sudo there refuses: {why}"), next)
    };
    let refused = |why: &str, next: String| Some(SshError::Refused(denied(why, next)));
    let name_root = if launcher.is_ssh_program() {
        format!("name root: --host root@{}", strip_user_from_ssh_name(name))
    } else {
        "have --ssh start the shell there as root".to_owned()
    };
    let as_root = format!("let that user run sh by sudo there, or {name_root}");
    if said.contains("password is required") || said.contains("terminal is required") {
        let next = format!("run this at a terminal, where it is asked for; or {as_root}");
        let failure = denied("it wants a password", next);
        return Some(SshError::Refused(failure.mark_failure_as_sudo_password(SudoPasswordFault::Missing)));
    }
    if said.contains("must have a tty") {
        return refused(
            "it demands a terminal (requiretty in sudoers)",
            format!("add to sudoers there: Defaults:USER !requiretty; or {name_root}"),
        );
    }
    if said.contains("not in the sudoers")
        || said.contains("not allowed to")
        || said.contains("may not run sudo")
    {
        return refused("the user may not become root", as_root);
    }
    if said.contains("incorrect password")
        || said.contains("try again")
        || said.contains("no password was provided")
    {
        let again = render_same_command_again(&[]);
        let failure = denied(
            "the password is not the right one",
            format!("run: {again} — and type the password of the user there"),
        );
        return Some(SshError::Refused(failure.mark_failure_as_sudo_password(SudoPasswordFault::Wrong)));
    }
    if said.contains("sudo") && (said.contains("not found") || said.contains("No such file")) {
        return refused("there is none", name_root);
    }
    None
}

/// Without the user.
fn strip_user_from_ssh_name(name: &str) -> &str {
    name.rsplit_once('@').map_or(name, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified_failure(status: i32, text: &str) -> Failure {
        classified_by("ssh", "deploy@web1", Some(status), text)
    }

    fn classified_by(command: &str, name: &str, status: Option<i32>, text: &str) -> Failure {
        let launcher = ShellLauncher::parse_shell_launcher(name, command).unwrap();
        match classify_ssh_failure(&launcher, status, text) {
            SshError::Refused(failure) | SshError::Dropped(failure) => failure,
        }
    }

    #[test]
    fn each_refusal_names_the_host_the_reason_and_the_next_move() {
        for (status, text, why, next) in [
            (
                255,
                "ssh: Could not resolve hostname web1: Name or service not known",
                "its name can't be resolved: Could not resolve hostname web1: Name or service not known",
                "~/.ssh/config",
            ),
            (
                255,
                "ssh: Could not resolve hostname jump: Temporary failure in name resolution\nConnection closed by UNKNOWN port 65535",
                "hostname jump: Temporary failure",
                "correct DNS here",
            ),
            (255, "deploy@web1: Permission denied (publickey).", "none of your keys", "ssh-add"),
            (
                255,
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "not the one that it had",
                "ssh-keygen -R",
            ),
            (255, "Host key verification failed.", "not known here yet", "accept it once"),
            (
                255,
                "ssh: connect to host web1 port 22: Connection refused",
                "Connection refused",
                "its port open",
            ),
            (255, "", "it said nothing", "ssh deploy@web1"),
            (1, "sudo: a password is required", "wants a password", "at a terminal"),
            (1, "sudo: sorry, you must have a tty to run sudo", "requiretty", "!requiretty"),
            (
                1,
                "deploy is not in the sudoers file.  This incident will be reported.",
                "may not become root",
                "root@web1",
            ),
            (
                1,
                "Sorry, user deploy is not allowed to execute '/bin/sh -s' as root on web1.",
                "may not become root",
                "root@web1",
            ),
            (1, "sudo: 1 incorrect password attempt", "not the right one", "type the password"),
            (127, "env: 'sudo': No such file or directory", "there is none", "root@web1"),
            (1, "This account is currently not available.", "login shell", "echo ok"),
        ] {
            let failure = classified_failure(status, text);
            assert_eq!(failure.what, "deploy@web1", "{text}");
            assert!(failure.why.contains(why) && failure.next.contains(next), "{text}: {failure:?}");
            let fault = match why {
                "wants a password" => Some(SudoPasswordFault::Missing),
                "not the right one" => Some(SudoPasswordFault::Wrong),
                _ => None,
            };
            assert_eq!(failure.facts.sudo_password, fault, "{text}");
        }
    }

    #[test]
    fn a_host_that_is_not_reached_is_told_from_a_file_that_is_not_there() {
        for text in [
            "ssh: Could not resolve hostname web1: Name or service not known",
            "ssh: connect to host web1 port 22: No route to host",
        ] {
            let failure = classified_failure(255, text);
            assert_eq!(failure.kind, FailureKind::Unreachable, "{text}");
            assert_eq!(failure.facts.lost_host.as_deref(), Some("deploy@web1"), "{text}");
            assert_eq!(failure.facts.missing_file, None, "{text}");
        }
    }

    #[test]
    fn only_what_may_come_back_is_tried_again() {
        let launcher = ShellLauncher::parse_shell_launcher("web1", "ssh").unwrap();
        let dropped =
            |status, text| matches!(classify_ssh_failure(&launcher, status, text), SshError::Dropped(_));
        assert!(dropped(Some(255), "Connection to 127.0.0.1 closed by remote host."));
        assert!(dropped(Some(255), "kex_exchange_identification: read: Connection reset by peer"));
        assert!(dropped(None, ""));
        assert!(dropped(
            Some(255),
            "ssh: Could not resolve hostname web1: Temporary failure in name resolution"
        ));
        assert!(!dropped(Some(255), "x@web1: Permission denied (publickey)."));
        assert!(!dropped(Some(1), "sudo: a password is required"));
    }

    /// What kubectl 1.3x and docker say.
    #[test]
    fn another_way_to_a_host_is_named_with_what_it_said() {
        let way = "kubectl exec -i deploy/packagecloud --";
        for (status, text, why, next, is_down) in [
            (
                Some(1),
                "Error from server (NotFound): deployments.apps \"packagecloud\" not found",
                "deployments.apps \"packagecloud\" not found",
                "this must print ok: kubectl exec -i deploy/packagecloud -- sh -c 'echo ok'",
                true,
            ),
            (
                Some(1),
                "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?",
                "10.0.0.1:6443 was refused",
                "see whether it runs",
                true,
            ),
            (
                Some(137),
                "command terminated with exit code 137",
                "it can't be reached: kubectl ended with 137",
                "see whether it runs",
                true,
            ),
            (None, "", "kubectl was ended", "see whether it runs", true),
            (
                Some(126),
                "OCI runtime exec failed: exec failed: unable to start container process: exec: \"sh\": executable file not found in $PATH: unknown\ncommand terminated with exit code 126",
                "no POSIX shell was started there: OCI runtime exec failed",
                "name a container that has sh",
                false,
            ),
            (
                Some(0),
                "",
                "handed on no standard input",
                "echo 'echo ok' | kubectl exec -i deploy/packagecloud -- sh -s",
                false,
            ),
            (
                Some(1),
                "sudo: a password is required\ncommand terminated with exit code 1",
                "it wants a password",
                "have --ssh start the shell there as root",
                false,
            ),
            (
                Some(127),
                "env: 'sudo': No such file or directory\ncommand terminated with exit code 127",
                "there is none",
                "have --ssh start the shell there as root",
                false,
            ),
        ] {
            let failure = classified_by(way, "shop", status, text);
            assert_eq!(failure.what, "shop", "{text}");
            assert!(failure.why.contains(why) && failure.next.contains(next), "{text}: {failure:?}");
            assert!(!failure.next.contains("ssh shop") && !failure.why.contains("ssh"), "{failure:?}");
            assert_eq!(is_host_down(&failure), is_down, "{failure:?}");
        }
    }
}
