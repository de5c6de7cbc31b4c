//! A disk that is full or read-only leaves packagecloud.rb as it was, and the failure says what to type.
//!
//! The disk is a small tmpfs in a mount namespace of its own, in which this binary runs itself again.

use std::{fs, path::PathBuf, process::Command};

use packagecloud_cloudfront::{
    host::{Clock, Ctl, Host, Keyring, Reach, Redactor, State},
    model::{block::Key, config_file::Override},
};

const DIR: &str = "PACKAGECLOUD_TEST_DISK";
const TEXT: &str = "packagecloud_rails['cloudfront_enabled'] = true\n";

/// Runs one of the ignored tests below on a tmpfs of 64 KiB.
fn on_a_small_disk(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=64k none \"$0\" && exec \"$@\"";
    let namespace = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let out = Command::new("unshare")
        .args([namespace, "sh", "-c", script])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture"])
        .env(DIR, dir.path())
        .output()
        .expect("util-linux's unshare is installed");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    on_a_small_disk("inside::full");
}

#[test]
fn a_read_only_disk_leaves_the_file_as_it_was() {
    on_a_small_disk("inside::read_only");
}

mod inside {
    use super::*;

    fn host() -> (PathBuf, Host, tempfile::TempDir) {
        let dir = PathBuf::from(std::env::var_os(DIR).expect("run by a test above"));
        let state = tempfile::tempdir().unwrap();
        fs::write(dir.join("packagecloud.rb"), TEXT).unwrap();
        let host = Host {
            reach: Reach::Local,
            config: dir.join("packagecloud.rb"),
            ctl: Ctl::None,
            state: State::open(state.path(), None).unwrap(),
            keyring: Keyring::memory(),
            redactor: Redactor::default(),
            clock: Clock::default(),
            clients: false,
        };
        (dir, host, state)
    }

    async fn refused(host: &Host, why: &str) {
        let seen = host.read_config().await.unwrap().seen;
        let wanted = [(Key::Enabled, "false".to_owned())];
        let before = fs::read_dir(host.config.parent().unwrap()).unwrap().count();
        let failure = host.write_config(&seen, &wanted, Override::Refuse).await.unwrap_err();
        assert!(failure.why.contains(why), "{failure:?}");
        assert!(failure.next.contains("the file is as it was"), "{failure:?}");
        assert!(failure.next.contains("packagecloud_rails['cloudfront_enabled'] = false"), "{failure:?}");
        assert_eq!(fs::read_to_string(&host.config).unwrap(), TEXT);
        assert_eq!(
            fs::read_dir(host.config.parent().unwrap()).unwrap().count(),
            before,
            "nothing is left behind"
        );
    }

    #[tokio::test]
    #[ignore = "runs on the small disk of a test above"]
    async fn full() {
        let (dir, host, _state) = host();
        // However much room is left, the edit finds too little at one point or another.
        for left in [0, 4096] {
            let _ = fs::remove_file(dir.join("rest"));
            let mut size = 64 * 1024 - 4096 - left;
            while fs::write(dir.join("rest"), vec![b'x'; size]).is_err() {
                size -= 4096;
            }
            refused(&host, "No space left on device").await;
        }
        fs::remove_file(dir.join("rest")).unwrap();
        let seen = host.read_config().await.unwrap().seen;
        host.write_config(&seen, &[(Key::Enabled, "false".into())], Override::Refuse).await.unwrap();
    }

    #[tokio::test]
    #[ignore = "runs on the small disk of a test above"]
    async fn read_only() {
        let (dir, host, _state) = host();
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&dir).status().unwrap();
        assert!(remounted.success());
        refused(&host, "Read-only file system").await;
    }
}
