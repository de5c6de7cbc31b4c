//! A sandbox with objects put straight into its store, as they may have come to lie there, and the binary on it.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

use md5::{Digest as _, Md5};
use packagecloud_cloudfront::sandbox::{
    self, Delays, Options, World,
    control_plane::{
        iam,
        s3::{Change, Object},
    },
    seed::BUCKET,
};

pub const PACKAGE: &str = "public, max-age=31536000, immutable";
pub const METADATA: &str = "no-cache, no-store, max-age=0, must-revalidate";

/// A world in `dir` whose bucket is empty, and whose states take no time.
pub fn world(dir: &Path) -> World {
    let delays = Some(Delays::default().paced(0.0));
    sandbox::open(&Options { dir: dir.join("world"), delays, empty: true, ..Options::default() }).unwrap()
}

/// An object of a few bytes, as a plain upload leaves it.
pub fn object(world: &World, key: &str, content: &[u8]) -> Object {
    Object {
        key: key.to_owned(),
        version: "null".to_owned(),
        size: content.len() as u64,
        blob: Some(world.memory().objects.keep(content).unwrap()),
        etag: hex::encode(Md5::digest(content)),
        attributes: BTreeMap::from([("content-type".to_owned(), "application/x-foo".to_owned())]),
        ..Object::default()
    }
}

pub fn put(world: &World, objects: impl IntoIterator<Item = Object>) {
    let changes: Vec<_> = objects.into_iter().map(|object| Change::Put(Box::new(object))).collect();
    world.memory().objects.change::<(), std::io::Error>(BUCKET, |_| Ok((changes, ()))).unwrap();
}

/// Every version of every key, the newest last.
pub fn objects(world: &World) -> BTreeMap<String, Vec<Object>> {
    world.memory().objects.read(BUCKET, Clone::clone).unwrap()
}

/// The binary, with nothing of this machine's own environment.
pub fn binary(dir: &Path) -> Command {
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
pub fn over_the_network(mut command: Command, dir: &Path, url: &str) -> Command {
    std::fs::write(dir.join("packagecloud.rb"), "").unwrap();
    command
        .env("AWS_ACCESS_KEY_ID", iam::ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", iam::SECRET_KEY)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(["--endpoint-url", url, "--region", "us-east-1", "--bucket", BUCKET])
        .args(["--ctl", "none", "--yes", "--config"])
        .arg(dir.join("packagecloud.rb"))
        .arg("--state-dir")
        .arg(dir.join("state"))
        .arg("reindex-everything")
        .stdout(Stdio::null());
    command
}

/// `reindex-everything` on the sandbox itself; what it said.
pub fn reindex(dir: &Path, options: &[&str]) -> (i32, String) {
    let sandbox = format!("--sandbox={}", dir.join("world").display());
    let output = binary(dir).args([&sandbox, "--yes", "reindex-everything"]).args(options).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), said)
}
