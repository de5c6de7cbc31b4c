//! Where a process may open few files, the reindex holds few connections: it is slower, and ends.

use std::process::{Command, Stdio};

use packagecloud_cloudfront::sandbox::{seed::SANDBOX_BUCKET, serve};

use super::bucket::{
    PACKAGE_CACHE_CONTROL, build_object, command_over_network, object_versions, open_empty_sandbox,
    put_objects,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_open_files_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_empty_sandbox(dir.path());
    let keys: Vec<String> = (0..600).map(|number| format!("7/8/debian/package_files/{number}.deb")).collect();
    put_objects(&world, keys.iter().map(|key| build_object(&world, key, b"package")));
    let serving = serve::start_sandbox_server(&world, 0, 0, 0).await.unwrap();
    // Both limits: none that could be lifted.
    let limited = |files: u32| {
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_packagecloud-cloudfront"))
            .env_clear()
            .env("HOME", dir.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        command_over_network(shell, dir.path(), &serving.addresses.aws)
    };
    let mut command = limited(80);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let after = object_versions(&world);
    assert!(
        keys.iter()
            .all(|key| after[key].last().unwrap().attributes["cache-control"] == PACKAGE_CACHE_CONTROL)
    );
    assert_eq!(after.len(), keys.len(), "bucket {SANDBOX_BUCKET}");
}
