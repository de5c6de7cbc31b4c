//! The code of a function: where it lies, and as GetFunction gives it away, an address of S3's that is signed and good for ten
//! minutes.
//!
//! Ten minutes by Lambda's API reference (FunctionCodeLocation); the address's form by the answers recorded of it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response, header};
use sha2::{Digest as _, Sha256};

use super::iam;
use crate::sandbox::{
    Sandbox,
    control_plane::{ACCOUNT_ID, SandboxAwsError, build_http_response, parse_uri_query_parameters},
    service::SandboxService,
};

const CODE_BUCKET: &str = "awslambda-us-east-1-tasks";
const CODE_HOST: &str = "awslambda-us-east-1-tasks.s3.us-east-1.amazonaws.com";
const CODE_URL_LIFETIME: Duration = Duration::from_mins(10);

/// Returns where the code with this hash (base64, as Lambda says it) lies.
pub fn build_sandbox_function_code_path(dir: &Path, sha256: &str) -> Option<PathBuf> {
    Some(dir.join("lambda").join(format!("{}.zip", convert_code_hash_to_hex(sha256)?)))
}

/// Converts a code's hash from base64, as Lambda says it.
fn convert_code_hash_to_hex(sha256: &str) -> Option<String> {
    STANDARD.decode(sha256).ok().map(hex::encode)
}

/// Makes the address of the code with this hash (base64); `host` is where Lambda was asked.
pub fn build_function_code_url(host: &str, name: &str, sha256: &str, now: Duration) -> String {
    let place = if host.is_empty() || host.ends_with(".amazonaws.com") {
        format!("https://{CODE_HOST}")
    } else {
        format!("http://{host}/{CODE_BUCKET}")
    };
    let hash = convert_code_hash_to_hex(sha256).unwrap_or_default();
    let path = format!("/snapshots/{ACCOUNT_ID}/{name}-{hash}");
    let expires = (now + CODE_URL_LIFETIME).as_secs();
    format!("{place}{path}?X-Amz-Expires={expires}&X-Amz-Signature={}", sign_code_path(&path, expires))
}

fn sign_code_path(path: &str, expires: u64) -> String {
    hex::encode(Sha256::digest(format!("{path} {expires} {}", iam::SECRET_KEY)))
}

/// Returns whether a request is for such an address.
pub fn is_function_code_request(request: &Request<Bytes>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    host == CODE_HOST || request.uri().path().starts_with(&format!("/{CODE_BUCKET}/"))
}

/// Answers one with the zip, as S3 does.
pub fn serve_function_code(world: &Sandbox, request: &Request<Bytes>) -> Response<Bytes> {
    let denied = |message: &str| {
        SandboxAwsError::new(403, "AccessDenied", message).render_aws_error_response(SandboxService::S3)
    };
    let path = request.uri().path();
    let path = path.strip_prefix(&format!("/{CODE_BUCKET}")).unwrap_or(path);
    let query = parse_uri_query_parameters(request.uri());
    let expires = query.get("X-Amz-Expires").and_then(|text| text.parse().ok()).unwrap_or_default();
    if query.get("X-Amz-Signature") != Some(&sign_code_path(path, expires)) {
        return denied("Access Denied");
    }
    if world.sandbox_unix_time_now().as_secs() > expires {
        return denied("Request has expired");
    }
    let hash = path.rsplit_once('-').map_or("", |(_, hash)| hash);
    match std::fs::read(world.sandbox_dir().join("lambda").join(format!("{hash}.zip"))) {
        Ok(zip) => build_http_response(200, "application/zip", zip.into()),
        Err(_) => denied("Access Denied"),
    }
}
