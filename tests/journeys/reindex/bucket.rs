//! A sandbox with objects put straight into its store, as they may have come to lie there, and the binary on it.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

use md5::{Digest as _, Md5};
use packagecloud_cloudfront::sandbox::{
    self, Sandbox, SandboxOptions, SandboxPropagationDelays,
    control_plane::{
        iam,
        s3::{BucketJournalChange, SandboxObject},
    },
    seed::SANDBOX_BUCKET,
};

pub const PACKAGE_CACHE_CONTROL: &str = "public, max-age=31536000, immutable";
pub const METADATA_CACHE_CONTROL: &str = "no-cache, no-store, max-age=0, must-revalidate";

/// A world in `dir` whose bucket is empty, and whose states take no time.
pub fn open_empty_sandbox(dir: &Path) -> Sandbox {
    let delays = Some(SandboxPropagationDelays::default().scale_delays(0.0));
    sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.join("world"),
        delays,
        empty: true,
        ..SandboxOptions::default()
    })
    .unwrap()
}

/// An object of a few bytes, as a plain upload leaves it.
pub fn build_object(world: &Sandbox, key: &str, content: &[u8]) -> SandboxObject {
    SandboxObject {
        key: key.to_owned(),
        version: "null".to_owned(),
        size: content.len() as u64,
        blob: Some(world.sandbox_in_memory_state().objects.store_object_content(content).unwrap()),
        etag: hex::encode(Md5::digest(content)),
        attributes: BTreeMap::from([("content-type".to_owned(), "application/x-foo".to_owned())]),
        ..SandboxObject::default()
    }
}

pub fn put_objects(world: &Sandbox, objects: impl IntoIterator<Item = SandboxObject>) {
    let changes: Vec<_> =
        objects.into_iter().map(|object| BucketJournalChange::Put(Box::new(object))).collect();
    world
        .sandbox_in_memory_state()
        .objects
        .change_stored_bucket::<(), std::io::Error>(SANDBOX_BUCKET, |_| Ok((changes, ())))
        .unwrap();
}

/// Every version of every key, the newest last.
pub fn object_versions(world: &Sandbox) -> BTreeMap<String, Vec<SandboxObject>> {
    world
        .sandbox_in_memory_state()
        .objects
        .read_sandbox_bucket_from_disk(SANDBOX_BUCKET, Clone::clone)
        .unwrap()
}

/// The binary, with nothing of this machine's own environment.
pub fn binary_command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
    command
        .env_clear()
        .env("HOME", dir)
        .env("PATH", "/usr/bin:/bin")
        .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0")
        .stdin(Stdio::null());
    command
}

/// `reindex-everything` as `command`, on the sandbox that is served at `url`.
pub fn command_over_network(mut command: Command, dir: &Path, url: &str) -> Command {
    std::fs::write(dir.join("packagecloud.rb"), "").unwrap();
    command
        .env("AWS_ACCESS_KEY_ID", iam::ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", iam::SECRET_KEY)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(["--endpoint-url", url, "--region", "us-east-1", "--bucket", SANDBOX_BUCKET])
        .args(["--ctl", "none", "--yes", "--config"])
        .arg(dir.join("packagecloud.rb"))
        .arg("--state-dir")
        .arg(dir.join("state"))
        .arg("reindex-everything")
        .stdout(Stdio::null());
    command
}

/// `reindex-everything` on the sandbox itself; what it said.
pub fn run_reindex(dir: &Path, options: &[&str]) -> (i32, String) {
    let sandbox = format!("--sandbox={}", dir.join("world").display());
    let output =
        binary_command(dir).args([&sandbox, "--yes", "reindex-everything"]).args(options).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), said)
}
