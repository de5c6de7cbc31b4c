//! S3 behind an endpoint of its own, as the environment or the profile names it: every request for the bucket goes there, the reindex's own too.

use std::path::Path;

use packagecloud_cloudfront::sandbox::{Sandbox, control_plane::iam, seed::SANDBOX_BUCKET, serve};

use super::bucket::{
    PACKAGE_CACHE_CONTROL, binary_command, build_object, object_versions, open_empty_sandbox, put_objects,
};

const KEYS: [&str; 3] = [
    "7/8/debian/package_files/1.deb",
    // No XML can hold it as it is.
    "7/8/java_artifact/a\u{1}b.war",
    "7/8/debian/package_files/a b+c.deb",
];

/// What `reindex-everything` says with these settings in the environment, and AWS's configuration file in `dir`.
async fn run_reindex_with_settings(dir: &Path, settings: &[(&str, &str)]) -> (i32, String) {
    let config = dir.join("packagecloud.rb");
    std::fs::write(&config, "").unwrap();
    let mut command = binary_command(dir);
    command
        .env("AWS_ACCESS_KEY_ID", iam::ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", iam::SECRET_KEY)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", dir.join("config"))
        .envs(settings.iter().copied())
        .args(["--bucket", SANDBOX_BUCKET, "--ctl", "none", "--yes", "--config"])
        .arg(&config)
        .arg("--state-dir")
        .arg(dir.join("state"))
        .args(["reindex-everything", "--rescan"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), said)
}

fn count_s3_calls(world: &Sandbox) -> usize {
    world.sandbox_recorded_aws_calls().iter().filter(|call| call.service == "s3").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_for_the_bucket_goes_where_s3s_own_setting_points() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let general = open_empty_sandbox(first.path());
    let own = open_empty_sandbox(second.path());
    let general_serving = serve::start_sandbox_server(&general, 0, 0, 0).await.unwrap();
    let own_serving = serve::start_sandbox_server(&own, 0, 0, 0).await.unwrap();
    let url = own_serving.addresses.aws.as_str();
    let others = &general_serving.addresses.aws;
    let config = format!(
        "[default]\nendpoint_url = {others}\n[profile ops]\nendpoint_url = {others}\nservices = interface\n[services interface]\ns3 =\n  endpoint_url = {url}\n"
    );
    std::fs::write(first.path().join("config"), config).unwrap();
    for settings in [[("AWS_ENDPOINT_URL_S3", url)], [("AWS_PROFILE", "ops")]] {
        put_objects(&own, KEYS.map(|key| build_object(&own, key, b"package")));
        let (code, said) = run_reindex_with_settings(first.path(), &settings).await;
        assert!(code == 0 && said.contains("3 changed"), "{settings:?}: {code}: {said}");
        let after = object_versions(&own);
        for key in KEYS {
            let control = &after[key].last().unwrap().attributes["cache-control"];
            assert_eq!(control, PACKAGE_CACHE_CONTROL, "{settings:?} {key:?}");
        }
        assert_eq!(count_s3_calls(&general), 0, "{settings:?}");
        assert!(!general.sandbox_recorded_aws_calls().is_empty(), "{settings:?}: STS is asked there");
    }
}
