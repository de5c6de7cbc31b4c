//! What the tests of the sandbox's services begin with: a sandbox in a directory of its own, an SDK client, a role, a bundle.

use std::io::Write as _;

use aws_config::SdkConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::json;
use tempfile::TempDir;

use crate::sandbox::{Sandbox, SandboxOptions, control_plane::format_sandbox_role_arn};

/// Opens a sandbox in a directory that is gone with the test.
pub fn open_temporary_sandbox() -> (TempDir, Sandbox) {
    open_temporary_sandbox_with_faults(&[])
}

/// Opens such a sandbox in which these faults happen.
pub fn open_temporary_sandbox_with_faults(faults: &[&str]) -> (TempDir, Sandbox) {
    let dir = tempfile::tempdir().unwrap();
    let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
    let options = SandboxOptions { dir: dir.path().to_owned(), faults, ..SandboxOptions::default() };
    let world = Sandbox::open_sandbox_unseeded(&options).unwrap();
    (dir, world)
}

/// Opens such a sandbox, with a client of one service in it.
pub fn open_temporary_sandbox_with_client<C>(build_client: fn(&SdkConfig) -> C) -> (TempDir, Sandbox, C) {
    let (dir, world) = open_temporary_sandbox();
    let client = build_client(&world.build_sandbox_sdk_config());
    (dir, world, client)
}

/// Opens the sandbox that lies in `dir`, or a new one there.
pub fn open_sandbox_in_dir(dir: &std::path::Path) -> Sandbox {
    Sandbox::open_sandbox_unseeded(&SandboxOptions { dir: dir.to_owned(), ..SandboxOptions::default() })
        .unwrap()
}

/// Returns the error's code; `none` where it has none.
pub fn error_code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> &str {
    error.code().unwrap_or("none")
}

/// Returns the error's code and its message.
pub fn error_code_and_message<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> (String, String) {
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}

/// Builds a policy by which these services may assume a role.
pub fn build_service_trust_policy(services: &[&str]) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}]})
        .to_string()
}

/// Creates a role that these services may assume; returns its ARN.
pub async fn create_service_role(world: &Sandbox, name: &str, services: &[&str]) -> String {
    let iam = aws_sdk_iam::Client::new(&world.build_sandbox_sdk_config());
    let trust = build_service_trust_policy(services);
    iam.create_role().role_name(name).assume_role_policy_document(trust).send().await.unwrap();
    format_sandbox_role_arn(name)
}

/// Zips `text` as the one file of a function.
pub fn zip_bundle(text: &str) -> Blob {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("index.mjs", options).unwrap();
    archive.write_all(text.as_bytes()).unwrap();
    Blob::new(archive.finish().unwrap().into_inner())
}
