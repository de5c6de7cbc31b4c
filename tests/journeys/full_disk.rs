//! A disk that is full or read-only leaves packagecloud.rb as it was, and the failure says what to type.
//!
//! The disk is a small tmpfs in a mount namespace of its own, in which this binary runs itself again.

use std::{fs, path::PathBuf, process::Command};

use packagecloud_cloudfront::{
    host::{
        Host, HostClock, HostStateDir, HostTransport, Keyring, PackagecloudCtlRunner, Redactor,
        UnfinishedHostWork, config::ParsedConfigCache,
    },
    model::packagecloud::{config_file::RubyExpressionEditMode, settings::CloudFrontSettingKey},
};

const DISK_DIR_ENV: &str = "PACKAGECLOUD_TEST_DISK";
const CONFIG_TEXT: &str = "packagecloud_rails['cloudfront_enabled'] = true\n";

/// Runs one of the ignored tests below on a tmpfs of 64 KiB.
fn run_on_small_disk(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=64k none \"$0\" && exec \"$@\"";
    let namespace = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let out = Command::new("unshare")
        .args([namespace, "sh", "-c", script])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture"])
        .env(DISK_DIR_ENV, dir.path())
        .output()
        .expect("util-linux's unshare is installed");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    run_on_small_disk("full_disk::inside::full");
}

#[test]
fn a_read_only_disk_leaves_the_file_as_it_was() {
    run_on_small_disk("full_disk::inside::read_only");
}

/// The binary itself with packagecloud.rb on such a disk, `made` so by a line of shell: its exit code and what it says.
fn run_binary_on_disk(made: &str, words: &[&str]) -> (i32, String, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let [disk, state, world] = ["disk", "state", "world"].map(|name| dir.path().join(name));
    fs::create_dir(&disk).unwrap();
    let script = format!(
        "set -e; mount -t tmpfs -o size=64k none \"$0\"; printf '%s' \"$TEXT\" >\"$0/packagecloud.rb\"; {made}; \
         code=0; \"$@\" || code=$?; printf '%s' \"$TEXT\" | cmp - \"$0/packagecloud.rb\"; ls -A \"$0\"; exit $code"
    );
    let namespace = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let out = Command::new("unshare")
        .args([namespace, "sh", "-c", &script])
        .arg(&disk)
        .arg(env!("CARGO_BIN_EXE_packagecloud-cloudfront"))
        .args(["--ctl", "packagecloud-ctl", "--yes", "--config"])
        .arg(disk.join("packagecloud.rb"))
        .arg("--state-dir")
        .arg(&state)
        .args(words.iter().map(|word| word.replace("WORLD", &world.display().to_string())))
        .env("TEXT", CONFIG_TEXT)
        .env("HOME", dir.path())
        .output()
        .expect("util-linux's unshare is installed");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.code().unwrap(), said.replace(disk.to_str().unwrap(), "DISK"), dir)
}

const FILL_DISK: &str = "dd if=/dev/zero of=\"$0/rest\" 2>/dev/null || true";
const REMOUNT_READ_ONLY: &str = "mount -o remount,ro \"$0\"";
/// There is room, and no file more.
const TAKE_INODES: &str = "mount -o remount,nr_inodes=8 \"$0\"; i=0; while [ $i -lt 8 ]; do (: >\"$0/rest.$i\") 2>/dev/null || true; i=$((i + 1)); done";

#[test]
fn switching_off_on_such_a_disk_gives_the_lines_to_type() {
    for (made, why, first) in [
        (FILL_DISK, "No space left on device", "make room there (df -h DISK)"),
        (REMOUNT_READ_ONLY, "Read-only file system", "make its file system writable (findmnt -T DISK)"),
        (
            TAKE_INODES,
            "no inodes are left on the file system of DISK",
            "delete some files on that file system (df -i DISK counts them)",
        ),
    ] {
        let (code, said, _dir) = run_binary_on_disk(made, &["disable"]);
        assert_eq!(code, 1, "{said}");
        let guard = "or, after that, to switch CloudFront off by hand, as root (it does nothing if the file has changed since): test \"$(cksum < DISK/packagecloud.rb)\" = '";
        let line = " && cp -p DISK/packagecloud.rb DISK/packagecloud.rb.new && sed -e \"1c\\packagecloud_rails['cloudfront_enabled'] = false\" < DISK/packagecloud.rb > DISK/packagecloud.rb.new && cat DISK/packagecloud.rb.new > DISK/packagecloud.rb && rm -f DISK/packagecloud.rb.new && packagecloud-ctl reconfigure && packagecloud-ctl restart";
        for words in [why, first, guard, line] {
            assert!(said.contains(words), "no {words:?} in {said}");
        }
        assert!(
            !said.lines().any(|line| line.starts_with("packagecloud.rb.") || line.contains("differ")),
            "it is as it was, and alone: {said}"
        );
    }
}

#[test]
fn what_is_typed_switches_off_a_file_that_is_mounted_by_itself() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let script = format!(
        "set -e; mount -t tmpfs -o size=64k none \"$0\"; printf '%s' \"$TEXT\" >\"$0/packagecloud.rb\"; \
         mount --bind \"$0/packagecloud.rb\" \"$0/packagecloud.rb\"; {FILL_DISK}; \
         said=$(\"$@\" 2>&1 || true); rm \"$0/rest\"; \
         typed=$(printf '%s\\n' \"$said\" | sed -n 's/.*by hand, as root[^:]*: \\(test .* restart\\).*/\\1/p' | head -n 1); \
         printf 'typed: %s\\n' \"$typed\"; sh -c \"$typed\"; cat \"$0/packagecloud.rb\"; ls -A \"$0\""
    );
    let namespace = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let out = Command::new("unshare")
        .args([namespace, "sh", "-c", &script])
        .arg(dir.path())
        .arg(env!("CARGO_BIN_EXE_packagecloud-cloudfront"))
        .args(["--ctl", "true", "--yes", "--state-dir"])
        .arg(state.path())
        .arg("--config")
        .arg(dir.path().join("packagecloud.rb"))
        .arg("disable")
        .env("TEXT", CONFIG_TEXT)
        .env("HOME", dir.path())
        .output()
        .expect("util-linux's unshare is installed");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}");
    let after = "packagecloud_rails['cloudfront_enabled'] = false\npackagecloud.rb\n";
    assert!(said.contains(after), "{said}");
}

#[test]
fn a_secret_that_can_t_be_written_is_kept_as_the_line_to_type_and_never_said() {
    for (made, why) in [(FILL_DISK, "No space left on device"), (REMOUNT_READ_ONLY, "Read-only file system")]
    {
        let (code, said, dir) = run_binary_on_disk(made, &["--sandbox=WORLD", "generate-cloudfront-secret"]);
        let kept = dir.path().join("state/lines-to-type");
        let line = fs::read_to_string(&kept).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(code, 1, "{said}");
        let secret = line.strip_prefix("packagecloud_rails['cloudfront_secret'] = '").unwrap();
        assert!(
            secret.trim_end().trim_end_matches('\'').len() == 44 && !said.contains(secret.trim_end()),
            "{said}"
        );
        let types = [
            "to do it by hand, as root: test -s DISK/packagecloud.rb && cp -p ".to_owned(),
            format!("$r {}", kept.display()),
        ];
        assert!(said.contains(why), "{said}");
        assert!(types.iter().all(|words| said.contains(words)), "no {types:?} in {said}");
        let mode = fs::metadata(&kept).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o600);
    }
}

mod inside {
    use super::*;

    fn host_on_disk() -> (PathBuf, Host, tempfile::TempDir) {
        let dir = PathBuf::from(std::env::var_os(DISK_DIR_ENV).expect("run by a test above"));
        let state = tempfile::tempdir().unwrap();
        fs::write(dir.join("packagecloud.rb"), CONFIG_TEXT).unwrap();
        let host = Host {
            transport: HostTransport::Local,
            config: dir.join("packagecloud.rb"),
            ctl: PackagecloudCtlRunner::None,
            state: HostStateDir::open_state_dir(state.path(), None).unwrap(),
            keyring: Keyring::new_in_memory_keyring(),
            redactor: Redactor::default(),
            clock: HostClock::default(),
            looks_for_clients: false,
            parsed: ParsedConfigCache::default(),
            unfinished: UnfinishedHostWork::default(),
        };
        (dir, host, state)
    }

    async fn assert_write_refused(host: &Host, why: &str) {
        let seen = host.read_packagecloud_config().await.unwrap().seen;
        let wanted = [(CloudFrontSettingKey::Enabled, "false".to_owned())];
        let before = fs::read_dir(host.config.parent().unwrap()).unwrap().count();
        let failure =
            host.write_packagecloud_config(&seen, &wanted, RubyExpressionEditMode::Refuse).await.unwrap_err();
        assert!(failure.why.contains(why), "{failure:?}");
        assert!(failure.next.contains("the file is as it was"), "{failure:?}");
        assert!(failure.next.contains("packagecloud_rails['cloudfront_enabled'] = false"), "{failure:?}");
        assert_eq!(fs::read_to_string(&host.config).unwrap(), CONFIG_TEXT);
        assert_eq!(
            fs::read_dir(host.config.parent().unwrap()).unwrap().count(),
            before,
            "nothing is left behind"
        );
    }

    #[tokio::test]
    #[ignore = "runs on the small disk of a test above"]
    async fn full() {
        let (dir, host, _state) = host_on_disk();
        // However much room is left, the edit finds too little at one point or another.
        for left in [0, 4096] {
            let _ = fs::remove_file(dir.join("rest"));
            let mut size = 64 * 1024 - 4096 - left;
            while fs::write(dir.join("rest"), vec![b'x'; size]).is_err() {
                size -= 4096;
            }
            assert_write_refused(&host, "No space left on device").await;
        }
        fs::remove_file(dir.join("rest")).unwrap();
        let seen = host.read_packagecloud_config().await.unwrap().seen;
        host.write_packagecloud_config(
            &seen,
            &[(CloudFrontSettingKey::Enabled, "false".into())],
            RubyExpressionEditMode::Refuse,
        )
        .await
        .unwrap();
    }

    #[tokio::test]
    #[ignore = "runs on the small disk of a test above"]
    async fn read_only() {
        let (dir, host, _state) = host_on_disk();
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&dir).status().unwrap();
        assert!(remounted.success());
        assert_write_refused(&host, "Read-only file system").await;
    }
}
