//! An upgrade of a bucket whose objects say nothing of caching, by apt, dnf, pip, curl and wget: packages are cached by their path
//! before the reindex, beside it and after it, repository metadata never.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{
    DEB_KEY, RPM_KEY, WHEEL_KEY, assert_changes_seen_at_once, build_shop, fetch_with_every_client,
    fetch_x_cache,
    repo_server::{APT_PREFIX, PYPI_PREFIX, RPM_PREFIX, RepoServer},
};

/// So many that the reindex, which begins with the metadata, is far from the packages when CloudFront is on.
const FILLER_OBJECTS: usize = 16_000;

/// Fetches with each client twice: what came second is a hit for packages, and never for repository metadata.
fn assert_packages_cached_and_metadata_not(server: &RepoServer, when: &str) {
    fetch_with_every_client(server, &format!("{when}-once"));
    for key in [DEB_KEY, RPM_KEY, WHEEL_KEY] {
        assert_eq!(fetch_x_cache(server, key), "Hit from cloudfront", "{when}: {key}");
    }
    fetch_with_every_client(server, &format!("{when}-again"));
    for index in [
        format!("{APT_PREFIX}/dists/shop/Release"),
        format!("{RPM_PREFIX}/repodata/repomd.xml"),
        format!("{PYPI_PREFIX}/simple/shop-wheel/"),
    ] {
        for _ in 0..2 {
            assert_ne!(fetch_x_cache(server, &index), "Hit from cloudfront", "{when}: {index}");
        }
    }
}

#[tokio::test]
async fn packages_that_were_never_rewritten_are_hits_the_second_time_and_metadata_never() {
    let mut server = build_shop();
    server.import_repository();
    server.run_in_sandbox(&["enable", "--upgrade", "--skip-reindex", "--yes"]).expect_success();
    server.start_server(&[]);
    server.put_simple_index(&["1.0+local.1"]).await;
    assert_packages_cached_and_metadata_not(&server, "never");
    assert_changes_seen_at_once(&server).await;
}

/// An `enable --upgrade` beside the test, whose events are read as they come.
struct RunningUpgrade {
    process: Child,
    events: Box<dyn Iterator<Item = Value>>,
}

impl RunningUpgrade {
    fn start_upgrade(server: &RepoServer) -> Self {
        let mut process = server
            .build_command()
            .arg(format!("--sandbox={}", server.path_string("sandbox")))
            .args(["--output", "json", "enable", "--upgrade", "--yes"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let events = Box::new(lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()));
        Self { process, events }
    }

    /// Reads on until a stage has ended; returns the stages that have, that one last.
    fn read_until_ended(&mut self, stage: &str) -> Vec<String> {
        let mut ended = Vec::new();
        while ended.last().is_none_or(|last| last != stage) {
            let event = self.events.next().unwrap_or_else(|| panic!("it is over without {stage}: {ended:?}"));
            if event["type"] == "ended" {
                ended.push(event["stage"].as_str().unwrap().to_owned());
            }
        }
        ended
    }

    fn send_signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for RunningUpgrade {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn an_upgrade_is_live_before_its_reindex_has_ended_and_packages_are_hits_beside_it() {
    let mut server = build_shop();
    for nth in 0..FILLER_OBJECTS {
        let dir = server.file_path("repository").join(format!("7/8/debian/dists/d{nth}"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("Release"), format!("Suite: d{nth}\n")).unwrap();
    }
    server.import_repository();
    // A deployment takes less than a second.
    server.start_server(&["--sandbox-pace", "0.002"]);
    server.put_simple_index(&["1.0+local.1"]).await;
    let mut upgrade = RunningUpgrade::start_upgrade(&server);
    let ended = upgrade.read_until_ended("go-live");
    // It is held in the middle of its reindex.
    upgrade.send_signal(Signal::STOP);
    assert!(!ended.iter().any(|stage| stage == "reindex"), "{ended:?}");
    assert_packages_cached_and_metadata_not(&server, "beside");
    upgrade.send_signal(Signal::CONT);
    upgrade.read_until_ended("reindex");
    let code = upgrade.process.wait().unwrap().code();
    assert_eq!(code, Some(0));
    assert_packages_cached_and_metadata_not(&server, "after");
}
