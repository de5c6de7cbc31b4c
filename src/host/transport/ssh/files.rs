//! The verbs of a reach, as scripts: by exactly the rules that hold on this machine.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    host::files::{
        FILE_BYTES_MAX, build_attribute_failure, build_file_failure, build_too_large_error, sha256_hex,
    },
    model::failure::{Failure, FailureKind},
};

use super::{super::FileReplacementMethod, RemoteScriptOutput, SshClient, script::encode_base64};

/// A file is not what it was.
const DRIFTED_STATUS: i32 = 11;

/// A mounted file has lost its old bytes, and doesn't hold the new ones.
const HALF_WRITTEN_STATUS: i32 = 12;

/// What the script says that writes over a mounted file.
const IN_PLACE_TEXT: &[u8] = b"in place";

/// path, and others of which those that are there are said first, each on a line, an empty one after them. As
/// [`read_regular_file`](crate::host::files) has it: a pipe or a device may have no end.
const READ_SCRIPT: &str = r#"exec 3>&1
path=$1; shift
for file in "$@"; do [ -e "$file" ] && printf '%s\n' "$file"; done
echo
[ ! -d "$path" ] || { text="$path: Is a directory"; return 10; }
[ ! -e "$path" ] || [ -f "$path" ] || { text="$path: it is a pipe or a device, not a file"; return 10; }
text=$(head -c 67108865 -- "$path" 2>&1 >&3) || return 10"#;

/// path, hash as seen, backup, a word for the new file's name, hash of the new bytes, the new bytes. Prints `in place` where
/// the file is mounted by itself and was written over.
const REPLACE_SCRIPT: &str = r#"t=$(readlink -f -- "$1") && [ -f "$t" ] || {
  if [ -e "$1" ]; then text="$1: it is no file"; else text=$(head -c 0 -- "$1" 2>&1); fi
  return 10
}
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
# Nothing is cut off before all else is written: the old bytes keep their room until then.
over() {
  dd if="$1" of="$t" bs=65536 conv=notrunc 2>&1 && truncate -s "$(stat -c %s -- "$1")" -- "$t" 2>&1 &&
    dd if=/dev/null of="$t" conv=notrunc,fsync 2>&1
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
  # It is mounted by itself: no file can take its place. Half-way nothing breaks the write off but a kill.
  trap '' HUP INT TERM
  # Room first: what is half written is worse than what isn't. A host may lack the program, or a file system such room.
  text=$(fallocate -n -l "$(stat -c %s -- "$new")" -- "$t" 2>&1) || case $text in
  *'No space left'* | *'quota exceeded'*) back "$@"; return 10 ;;
  esac
  if ! text=$(over "$new") || [ "$(sum "$t")" != "$5" ]; then
    over "$3" >/dev/null
    [ "$(sum "$t")" = "$2" ] || { rm -f -- "$new"; text=$(printf '%s\n' "$text" | grep ': ' | head -n 1); return 12; }
    back "$@"; text=${text:-$t: Input/output error}; return 10
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
        Ok(self.read_file_and_find_existing_paths(path, &[]).await?.0)
    }

    /// Reads a file's bytes there, and finds which of some paths are there.
    ///
    /// # Errors
    /// Where the host isn't reached, or the file can't be read.
    pub(in crate::host) async fn read_file_and_find_existing_paths(
        &self,
        path: &Path,
        paths: &[PathBuf],
    ) -> Result<(Vec<u8>, Vec<PathBuf>), Failure> {
        let words: Vec<String> =
            std::iter::once(path_to_text(path)).chain(paths.iter().map(|path| path_to_text(path))).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = self.run_remote_script(READ_SCRIPT, &words).await?;
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
        if rest.len() as u64 > FILE_BYTES_MAX {
            let error = build_too_large_error();
            return Err(Failure {
                what: self.prefix_path_with_host(path),
                ..build_file_failure(path, &error)
            });
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
            HALF_WRITTEN_STATUS => Err(Failure::new_generic_failure(
                self.prefix_path_with_host(path),
                format!("it is mounted by itself, and was written half-way only: {}", said.text),
                format!(
                    "on {}: put its old bytes back with: cp {} {} — then try again",
                    self.remote_host_name(),
                    shell_words::quote(&backup_text),
                    shell_words::quote(&to)
                ),
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
    use std::{
        fs,
        io::Write as _,
        os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
        process::{Command, Stdio},
    };

    use super::{
        super::{
            RootEscalation,
            script::{ParsedScriptOutput, parse_remote_script_output, render_remote_script},
        },
        *,
    };

    /// Runs a script as it is sent, in a process group of its own; `programs` stand before the machine's.
    fn run_sent_script(body: &str, arguments: &[&str], programs: &Path) -> ParsedScriptOutput {
        let sent = render_remote_script(&RootEscalation::NotNeeded, body, arguments, "n1");
        let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", programs.display());
        let mut shell = Command::new("timeout")
            .args(["20", "sh", "-s"])
            .env("PATH", path)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(&sent).unwrap();
        parse_remote_script_output(&shell.wait_with_output().unwrap().stdout, "n1")
    }

    /// packagecloud.rb that is mounted by itself, as far as `mv` tells, and programs that stand before the machine's.
    struct MountedFile {
        dir: tempfile::TempDir,
    }

    impl MountedFile {
        const OLD: &str = "old = 'long enough to be longer than the new one'\n";
        const NEW: &str = "new = 1, and longer\n";

        fn new(programs: &[(&str, &str)]) -> Self {
            let mounted = Self { dir: tempfile::tempdir().unwrap() };
            fs::write(mounted.file_path("p.rb"), Self::OLD).unwrap();
            fs::create_dir(mounted.file_path("bin")).unwrap();
            let busy = ("mv", "echo \"mv: cannot move: Device or resource busy\" >&2; exit 1");
            for (name, script) in programs.iter().copied().chain([busy]) {
                let program = mounted.file_path("bin").join(name);
                fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
                fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            }
            mounted
        }

        fn file_path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn replace(&self) -> ParsedScriptOutput {
            let (path, backup) =
                (path_to_text(&self.file_path("p.rb")), path_to_text(&self.file_path("bak")));
            let (old, new) = (sha256_hex(Self::OLD.as_bytes()), sha256_hex(Self::NEW.as_bytes()));
            let words =
                [&*path, &old, &backup, "0123456789abcdef", &new, &encode_base64(Self::NEW.as_bytes())];
            run_sent_script(REPLACE_SCRIPT, &words, &self.file_path("bin"))
        }

        fn read(&self) -> String {
            fs::read_to_string(self.file_path("p.rb")).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.dir.path()).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    fn status_and_text(said: &ParsedScriptOutput) -> (i32, &str) {
        match said {
            ParsedScriptOutput::Whole(said) => (said.status, &said.text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mounted_file_is_written_over_and_none_of_its_old_bytes_stay() {
        let mounted = MountedFile::new(&[]);
        let said = mounted.replace();
        assert_eq!(status_and_text(&said), (0, ""));
        assert!(matches!(said, ParsedScriptOutput::Whole(said) if said.out == IN_PLACE_TEXT));
        assert_eq!(mounted.read(), MountedFile::NEW);
        assert_eq!(mounted.names(), ["bak", "bin", "p.rb"]);
    }

    #[test]
    fn where_a_mounted_file_has_no_room_nothing_of_it_is_touched() {
        let full = "echo 'fallocate: fallocate failed: No space left on device' >&2; exit 1";
        let mounted = MountedFile::new(&[("fallocate", full)]);
        let path = mounted.file_path("p.rb");
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let said = mounted.replace();
        let (status, text) = status_and_text(&said);
        assert!(status == 10 && text.ends_with("No space left on device"), "{said:?}");
        assert_eq!(
            (mounted.read().as_str(), mounted.names()),
            (MountedFile::OLD, vec!["bin".into(), "p.rb".into()])
        );
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn a_write_that_breaks_off_half_way_puts_the_old_bytes_back_or_says_where_they_are() {
        // Half of what is written over the file arrives; then all of it, or nothing any more.
        let half = "case \"$*\" in *conv=notrunc)\n\
            if [ -e \"$0.once\" ]; then [ -e \"$0.always\" ] || exec /usr/bin/dd \"$@\"\n\
            else : >\"$0.once\"; /usr/bin/dd \"$1\" \"$2\" bs=9 count=1 conv=notrunc 2>/dev/null; fi\n\
            echo \"dd: error writing: Input/output error\" >&2; exit 1 ;;\nesac\nexec /usr/bin/dd \"$@\"";
        let mounted = MountedFile::new(&[("dd", half)]);
        let said = mounted.replace();
        assert_eq!(status_and_text(&said), (10, "dd: error writing: Input/output error"));
        assert_eq!(
            (mounted.read().as_str(), mounted.names()),
            (MountedFile::OLD, vec!["bin".into(), "p.rb".into()])
        );
        let mounted = MountedFile::new(&[("dd", half)]);
        fs::write(mounted.file_path("bin/dd.always"), "").unwrap();
        let said = mounted.replace();
        assert_eq!(status_and_text(&said), (HALF_WRITTEN_STATUS, "dd: error writing: Input/output error"));
        assert_eq!(fs::read_to_string(mounted.file_path("bak")).unwrap(), MountedFile::OLD);
        assert_eq!(mounted.names(), ["bak", "bin", "p.rb"]);
    }

    #[test]
    fn a_hang_up_in_the_middle_of_a_write_leaves_no_half_file() {
        let hang_up = |name: &str| {
            format!("case \"$*\" in *conv=notrunc | *.new) kill -HUP 0 ;; esac; exec /usr/bin/{name} \"$@\"")
        };
        let (dd, cat) = (hang_up("dd"), hang_up("cat"));
        let mounted = MountedFile::new(&[("dd", &dd), ("cat", &cat)]);
        mounted.replace();
        assert_eq!(mounted.read(), MountedFile::NEW);
    }

    #[test]
    fn what_has_no_end_is_not_read_there_either() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        for (path, said) in [
            (&*pipe, "a pipe or a device"),
            (Path::new("/dev/zero"), "a pipe or a device"),
            (dir.path(), "Is a directory"),
            (Path::new("/nowhere"), "No such file or directory"),
        ] {
            let whole = run_sent_script(READ_SCRIPT, &[&path_to_text(path)], dir.path());
            let (status, text) = status_and_text(&whole);
            assert!(status == 10 && text.contains(said), "{whole:?}");
            let words = [&*path_to_text(path), "seen", "/nowhere/bak", "0123456789abcdef", "new", ""];
            let replaced = run_sent_script(REPLACE_SCRIPT, &words, dir.path());
            assert_eq!(status_and_text(&replaced).0, 10, "{replaced:?}");
        }
        let file = dir.path().join("p.rb");
        fs::write(&file, "\nx\n\n").unwrap();
        let words = [&*path_to_text(&file), &*path_to_text(&pipe)];
        let ParsedScriptOutput::Whole(said) = run_sent_script(READ_SCRIPT, &words, dir.path()) else {
            panic!()
        };
        assert_eq!(said.out, [path_to_text(&pipe).as_bytes(), b"\n\n\nx\n\n"].concat());
    }

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
