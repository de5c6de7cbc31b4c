//! The verbs of a reach, as scripts: by exactly the rules that hold on this machine.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    host::files::{build_attribute_failure, build_file_failure, sha256_hex},
    model::failure::{Failure, FailureKind},
};

use super::{super::FileReplacementMethod, RemoteScriptOutput, SshClient, script::encode_base64};

/// A file is not what it was.
const DRIFTED_STATUS: i32 = 11;

/// What the script says that writes over a mounted file.
const IN_PLACE_TEXT: &[u8] = b"in place";

const READ_SCRIPT: &str = r#"exec 3>&1
text=$(cat -- "$1" 2>&1 >&3) || return 10"#;

/// path, and others of which those that are there are said first, each on a line, an empty one after them.
const READ_AND_FIND_SCRIPT: &str = r#"exec 3>&1
path=$1; shift
for file in "$@"; do [ -e "$file" ] && printf '%s\n' "$file"; done
echo
text=$(cat -- "$path" 2>&1 >&3) || return 10"#;

/// path, hash as seen, backup, a word for the new file's name, hash of the new bytes, the new bytes. Prints `in place` where
/// the file is mounted by itself and was written over.
const REPLACE_SCRIPT: &str = r#"t=$(readlink -f -- "$1") && [ -f "$t" ] || { text=$(cat -- "$1" 2>&1 >/dev/null); return 10; }
now=$(sum "$t")
# Sent again after the line dropped, it may have been done already.
[ "$now" = "$5" ] && [ "$(sum "$3")" = "$2" ] && return 0
[ "$now" = "$2" ] || return 11
here=$(dirname -- "$t")/.$(basename -- "$t")
# What a run left that was killed holds the secret; what another writes now is young.
for left in "$here".????????????????.new "$here".????????????????.ssh.new; do
  [ -f "$left" ] && [ ! -L "$left" ] && [ -n "$(find "$left" -mmin +10 2>/dev/null)" ] && rm -f -- "$left"
done
new=$here.$4.ssh.new
trap 'rm -f -- "$new"; exit 129' HUP INT TERM
locked() {
  for place in "$t" "$(dirname -- "$t")"; do
    case $(lsattr -d -- "$place" 2>/dev/null | cut -d ' ' -f 1) in
    *i*) text="$place: attribute i"; return ;;
    *a*) text="$place: attribute a"; return ;;
    esac
  done
}
back() {
  rm -f -- "$new" "$3"; text=$(printf '%s\n' "$text" | grep ': ' | head -n 1)
  case $text in *'not permitted') locked ;; esac
}
if [ -e "$3" ]; then
  [ "$(sum "$3")" = "$2" ] || { text="$3: File exists"; return 10; }
else
  text=$(dd if="$t" of="$3" conv=excl,fsync 2>&1) || { back "$@"; return 10; }
fi
chown --reference="$t" -- "$3" 2>/dev/null
text=$( { cp --preserve=all -- "$t" "$new" || cp -p -- "$t" "$new"; } 2>&1 ) || { back "$@"; return 10; }
[ "$(stat -c %u:%g:%a -- "$t")" = "$(stat -c %u:%g:%a -- "$new")" ] || { back "$@"; text="$t: Operation not permitted"; return 10; }
text=$(printf %s "$6" | base64 -d | dd of="$new" conv=fsync 2>&1) || { back "$@"; return 10; }
[ "$(sum "$new")" = "$5" ] || { back "$@"; text="$t: Input/output error"; return 10; }
[ "$(sum "$t")" = "$2" ] || { back "$@"; return 11; }
touch -- "$new"
if ! text=$(mv -f -- "$new" "$t" 2>&1); then
  case $text in *usy*) ;; *) back "$@"; return 10 ;; esac
  # It is mounted by itself: no file can take its place.
  text=$(cat -- "$new" 2>&1 >"$t")
  if [ "$(sum "$t")" != "$5" ]; then
    cat -- "$3" >"$t" 2>/dev/null
    [ "$(sum "$t")" = "$2" ] || { rm -f -- "$new"; text="$t: it is half written, its old bytes are in $3"; return 10; }
    text=${text:-$t: Input/output error}; back "$@"; return 10
  fi
  rm -f -- "$new"
  printf 'in place'
fi
trap - HUP INT TERM
# An older sync takes no names, and writes out every file system: a web node isn't kept waiting for that.
if sync --help 2>/dev/null | grep -q -e --file-system; then
  sync -- "$(dirname -- "$t")" "$(dirname -- "$3")" 2>/dev/null
fi
text="#;

const LIST_SCRIPT: &str = r#"exec 3>&1
text=$(ls -A -- "$1" 2>&1 >&3) || return 10"#;

const CHANGE_TIME_SCRIPT: &str = r#"for file in "$@"; do date -r "$file" +%s%N 2>/dev/null; done; return 0"#;

const FIND_EXISTING_SCRIPT: &str =
    r#"for file in "$@"; do [ -e "$file" ] && printf '%s\n' "$file"; done; return 0"#;

const FIND_PROGRAM_SCRIPT: &str = r#"case $1 in
*/*) [ -f "$1" ] && [ -x "$1" ] && printf %s "$1"; return 0 ;;
esac
IFS=:
for dir in $PATH; do [ -f "$dir/$1" ] && [ -x "$dir/$1" ] && { printf %s "$dir/$1"; return 0; }; done
return 0"#;

/// Whether its errors are wanted, the program, its arguments. A bounded part of what it prints is told.
const QUERY_SCRIPT: &str = r#"errors=$1; shift
ask() { if [ "$errors" = yes ]; then timeout 5 "$@" 2>&1; else timeout 5 "$@" 2>/dev/null; fi; }
exec 6>&1
status=$( { { ask "$@" 5>&- 6>&-; echo $? >&5; } | head -c 1048576 >&6; } 5>&1 )
return "$status""#;

fn path_to_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl SshClient {
    /// Reads a file's bytes there.
    ///
    /// # Errors
    /// Where the host isn't reached, or the file can't be read.
    pub(in crate::host) async fn read_file(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let said = self.run_remote_script(READ_SCRIPT, &[&path_to_text(path)]).await?;
        if said.status == 0 { Ok(said.out) } else { Err(self.build_remote_file_failure(path, &said)) }
    }

    /// Reads a file's bytes there, and finds which of some paths are there.
    ///
    /// # Errors
    /// Where the host isn't reached, or the file can't be read.
    pub(in crate::host) async fn read_file_and_existing_paths(
        &self,
        path: &Path,
        paths: &[PathBuf],
    ) -> Result<(Vec<u8>, Vec<PathBuf>), Failure> {
        let words: Vec<String> =
            std::iter::once(path_to_text(path)).chain(paths.iter().map(|path| path_to_text(path))).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = self.run_remote_script(READ_AND_FIND_SCRIPT, &words).await?;
        if said.status != 0 {
            return Err(self.build_remote_file_failure(path, &said));
        }
        let mut there = Vec::new();
        let mut rest = said.out.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if line.is_empty() {
                break;
            }
            there.push(PathBuf::from(String::from_utf8_lossy(line).into_owned()));
        }
        Ok((rest.to_vec(), there))
    }

    /// Replaces a file there, as [`crate::host::HostTransport::replace_file_if_unchanged`] says.
    ///
    /// # Errors
    /// Where the host isn't reached, the file moved or can't be written; it is as it was then.
    pub(in crate::host) async fn replace_file_if_unchanged(
        &self,
        path: &Path,
        seen: &str,
        bytes: &[u8],
        backup: &Path,
    ) -> Result<FileReplacementMethod, Failure> {
        let fresh = format!("{:016x}", fastrand::u64(..));
        let (to, backup_text) = (path_to_text(path), path_to_text(backup));
        let said = self
            .run_remote_script(
                REPLACE_SCRIPT,
                &[&to, seen, &backup_text, &fresh, &sha256_hex(bytes), &encode_base64(bytes)],
            )
            .await?;
        match said.status {
            0 if said.out == IN_PLACE_TEXT => Ok(FileReplacementMethod::WrittenInPlace),
            0 => Ok(FileReplacementMethod::Renamed),
            DRIFTED_STATUS => Err(Failure::new_plan_drift_failure(
                self.prefix_path_with_host(path),
                "it was changed since it was read, so it was not overwritten",
            )),
            _ => Err(self.build_remote_file_failure(path, &said)),
        }
    }

    /// Lists the names in a directory there.
    ///
    /// # Errors
    /// Where the host isn't reached, or the directory can't be listed.
    pub(in crate::host) async fn list_dir(&self, dir: &Path) -> Result<Vec<String>, Failure> {
        let said = self.run_remote_script(LIST_SCRIPT, &[&path_to_text(dir)]).await?;
        if said.status != 0 {
            return Err(self.build_remote_file_failure(dir, &said));
        }
        Ok(String::from_utf8_lossy(&said.out).lines().map(str::to_owned).collect())
    }

    /// Reads the Unix time of the last change of whichever of the files was changed last.
    pub(in crate::host) async fn read_newest_file_change_time(&self, paths: &[PathBuf]) -> Option<Duration> {
        let times = self.run_script_for_lines(CHANGE_TIME_SCRIPT, paths).await;
        times.iter().filter_map(|line| line.parse().ok()).map(Duration::from_nanos).max()
    }

    /// Finds which of the paths are there, in their order.
    pub(in crate::host) async fn find_existing_paths(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        self.run_script_for_lines(FIND_EXISTING_SCRIPT, paths).await.into_iter().map(PathBuf::from).collect()
    }

    /// What a script says line by line of some paths; nothing where the host can't be reached.
    async fn run_script_for_lines(&self, script: &str, paths: &[PathBuf]) -> Vec<String> {
        let paths: Vec<String> = paths.iter().map(|path| path_to_text(path)).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let Ok(said) = self.run_remote_script(script, &paths).await else { return Vec::new() };
        String::from_utf8_lossy(&said.out).lines().map(str::to_owned).collect()
    }

    /// Finds where a program lies there.
    pub(in crate::host) async fn find_program_path(&self, name: &str) -> Option<PathBuf> {
        let said = self.run_remote_script(FIND_PROGRAM_SCRIPT, &[name]).await.ok()?;
        (!said.out.is_empty()).then(|| PathBuf::from(String::from_utf8_lossy(&said.out).into_owned()))
    }

    /// Returns the status of a program that changes nothing, and what it prints.
    pub(in crate::host) async fn run_read_only_program(
        &self,
        program: &Path,
        arguments: &[&str],
        errors: bool,
    ) -> Option<(i32, String)> {
        let program = path_to_text(program);
        let errors = if errors { "yes" } else { "no" };
        let said = self
            .run_remote_script(QUERY_SCRIPT, &[&[errors, program.as_str()], arguments].concat())
            .await
            .ok()?;
        // A program that timeout ended said nothing whole.
        (said.status != 124).then(|| (said.status, String::from_utf8_lossy(&said.out).into_owned()))
    }

    /// An error of its file system, in the words of this machine's.
    fn build_remote_file_failure(&self, path: &Path, said: &RemoteScriptOutput) -> Failure {
        let (place, reason) = said.text.rsplit_once(": ").unwrap_or(("", &said.text));
        if let Some(attribute) = reason.strip_prefix("attribute ").and_then(|letter| letter.chars().next()) {
            let failure = build_attribute_failure(path, Path::new(place), attribute);
            let next = format!("on {}: {}", self.remote_host_name(), failure.next);
            return Failure { what: self.prefix_path_with_host(path), next, ..failure };
        }
        let known = KNOWN_ERRNOS.iter().find(|(text, _)| *text == reason);
        let error = match known {
            Some((_, number)) => io::Error::from_raw_os_error(*number),
            None => io::Error::other(reason.to_owned()),
        };
        let failure = build_file_failure(path, &error);
        let next = match failure.kind {
            FailureKind::Missing => format!(
                "see that {} is packagecloud's host, or name the file with --config FILE",
                self.remote_host_name()
            ),
            _ if error.kind() == io::ErrorKind::PermissionDenied => {
                format!("see as root on {} why: ls -lZ {}", self.remote_host_name(), path.display())
            }
            _ => format!("on {}: {}", self.remote_host_name(), failure.next),
        };
        Failure { what: self.prefix_path_with_host(path), next, ..failure }
    }
}

/// What programs there say, and the number that it has here.
const KNOWN_ERRNOS: [(&str, i32); 9] = [
    ("Operation not permitted", 1),
    ("No such file or directory", 2),
    ("Input/output error", 5),
    ("Permission denied", 13),
    ("File exists", 17),
    ("Is a directory", 21),
    ("No space left on device", 28),
    ("Read-only file system", 30),
    ("Disk quota exceeded", 122),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_there_says_becomes_what_is_said_here() {
        let line = SshClient::new("web1", "ssh").unwrap();
        let path = Path::new("/etc/packagecloud/packagecloud.rb");
        let told = |text: &str| {
            line.build_remote_file_failure(
                path,
                &RemoteScriptOutput { status: 10, out: Vec::new(), text: text.to_owned() },
            )
        };
        let full = told("dd: error writing '/x': No space left on device");
        assert_eq!(full.what, "web1:/etc/packagecloud/packagecloud.rb");
        assert!(full.next.contains("on web1: the file is as it was; make room there"), "{full:?}");
        let none = told("cat: /x: No such file or directory");
        assert_eq!(none.kind, FailureKind::Missing);
        assert!(none.next.contains("web1 is packagecloud's host"), "{none:?}");
        assert!(told("dd: odd: sunspots").why.contains("sunspots"));
        let locked = told("/etc/packagecloud/packagecloud.rb: attribute i");
        assert!(locked.why.contains("immutable"), "{locked}");
        assert!(
            locked.next.contains("on web1: ")
                && locked.next.contains("chattr -i /etc/packagecloud/packagecloud.rb —"),
            "{}",
            locked.next
        );
    }

    #[test]
    fn the_known_reasons_are_the_systems_own() {
        for (text, number) in KNOWN_ERRNOS {
            let said = io::Error::from_raw_os_error(number).to_string();
            assert!(said.starts_with(text), "{number} is {said}");
        }
    }
}
