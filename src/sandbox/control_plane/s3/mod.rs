//! The sandbox's S3: s3s speaks the protocol and checks signatures, the rules and the objects are here.
//!
//! Time is the world's, never the machine's: a signature's age is judged here, before s3s sees the request.

mod access;
mod acl;
mod attributes;
mod checksums;
mod copy;
mod deletion;
mod empty_completion;
mod list;
mod metadata_text;
mod multipart;
mod object;
mod object_documents;
mod object_lock;
mod operation;
mod policy;
mod presigned;
mod presigned_v4;
mod protocol;
mod read;
mod refusal;
mod request_parts;
mod routes;
mod setting_rules;
mod settings;
mod signed_text;
mod store;
mod tags;
mod upload_lists;
mod versions;
mod withheld_headers;
mod write;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    config::{S3Config, StaticConfigProvider},
    host::{S3Host, VirtualHost},
    service::S3ServiceBuilder,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sandbox::{
    Sandbox,
    control_plane::{self, ACCOUNT_ID, PropagationClock, iam},
};

pub use access::{
    SandboxS3Caller, format_origin_access_identity_arn, iam_action_for_s3_operation, is_s3_action_authorized,
};
pub use copy::{COPY_MAX_BYTES, ObjectCopySource, copy_stored_object};
pub use multipart::SandboxMultipartUpload;
pub use object::{
    SandboxAclGrant, SandboxObject, SandboxObjectChecksum, SandboxObjectEncryption, SandboxObjectPart,
    SandboxObjectRetention, compute_account_canonical_user_id, format_http_date,
};
pub use operation::parse_s3_operation_name;
pub use presigned::{encode_object_key_path, presign_sigv2_link};
pub use store::{
    BucketJournalChange, ObjectVersionsByKey, SandboxObjectStore, find_newest_sandbox_object_version,
};
pub use write::{
    modify_stored_object_in_place, place_sandbox_object, seed_object_without_content,
    simulate_storage_class_transition,
};

/// What is kept between runs; the objects lie beside, in [`store::SandboxObjectStore`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxS3State {
    pub buckets: BTreeMap<String, SandboxBucket>,
    /// By upload id.
    pub uploads: BTreeMap<String, SandboxMultipartUpload>,
}

/// A bucket and its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxBucket {
    /// The account.
    pub owner: String,
    pub region: String,
    /// Unix seconds.
    pub created: u64,
    /// Subresource (`versioning`, `encryption`, …) to its XML as it was put; what AWS answers by default where none was.
    pub settings: BTreeMap<String, String>,
    /// The policy as S3 gives it back.
    pub policy: Option<String>,
}

impl SandboxBucket {
    /// Makes a bucket of an account, with the settings that AWS gives a new one.
    pub fn new(owner: &str, region: &str, created: u64) -> Self {
        Self { owner: owner.to_owned(), region: region.to_owned(), created, ..Self::default() }
    }

    fn has_sandbox_bucket_setting_text(&self, subresource: &str, text: &str) -> bool {
        self.settings.get(subresource).is_some_and(|xml| xml.contains(text))
    }

    /// Whether it keeps old versions.
    pub fn is_bucket_versioned(&self) -> bool {
        self.has_sandbox_bucket_setting_text("versioning", "<Status>Enabled</Status>")
    }

    /// Whether it keeps versions, or did once: what was written meanwhile has them.
    pub fn has_bucket_had_versions(&self) -> bool {
        self.is_bucket_versioned()
            || self.has_sandbox_bucket_setting_text("versioning", "<Status>Suspended</Status>")
    }

    /// Whether object ACLs still count.
    pub fn are_object_acls_enabled(&self) -> bool {
        self.has_sandbox_bucket_setting_text("ownershipControls", ">ObjectWriter<")
            || self.has_sandbox_bucket_setting_text("ownershipControls", ">BucketOwnerPreferred<")
    }

    /// Whether S3 Block Public Access has `setting` on: for this bucket, or for the whole account.
    fn is_public_access_setting_on(&self, world: &Sandbox, setting: &str) -> bool {
        let on = format!("<{setting}>true<");
        // A setting that was deleted is kept as an empty one.
        !self.settings.contains_key("publicAccessBlock")
            || self.has_sandbox_bucket_setting_text("publicAccessBlock", &on)
            || world.read_sandbox_state_from_disk(|state| {
                state.s3control.public_access_block.as_ref().is_some_and(|xml| xml.contains(&on))
            })
    }

    /// Whether whoever asks pays, and has to say that he will: CloudFront never does (aws-facts section 10).
    fn is_sandbox_bucket_requester_pays(&self) -> bool {
        self.has_sandbox_bucket_setting_text("requestPayment", "<Payer>Requester<")
    }

    /// What an object that is written without a word on encryption gets.
    fn sandbox_bucket_default_encryption(&self) -> SandboxObjectEncryption {
        if !self.has_sandbox_bucket_setting_text("encryption", "aws:kms") {
            return SandboxObjectEncryption::Managed;
        }
        let xml = &self.settings["encryption"];
        let key =
            xml.split_once("<KMSMasterKeyID>").and_then(|(_, rest)| rest.split_once('<')).map(|(key, _)| key);
        SandboxObjectEncryption::Kms {
            dual: xml.contains("aws:kms:dsse"),
            key: key.map(str::to_owned),
            bucket_key: xml.contains("<BucketKeyEnabled>true<"),
        }
    }
}

fn find_stored_bucket(world: &Sandbox, name: &str) -> S3Result<SandboxBucket> {
    world.read_sandbox_state_from_disk(|state| state.s3.buckets.get(name).cloned()).ok_or_else(|| {
        S3Error::with_message(S3ErrorCode::NoSuchBucket, "The specified bucket does not exist")
    })
}

fn insert_sandbox_response_header(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

/// The error of a disk that doesn't do what it should.
struct SandboxStorageError(S3Error);

impl From<std::io::Error> for SandboxStorageError {
    fn from(error: std::io::Error) -> Self {
        Self(S3Error::with_message(S3ErrorCode::InternalError, format!("the sandbox's disk: {error}")))
    }
}

impl From<S3Error> for SandboxStorageError {
    fn from(error: S3Error) -> Self {
        Self(error)
    }
}

impl From<SandboxStorageError> for S3Error {
    fn from(trouble: SandboxStorageError) -> Self {
        trouble.0
    }
}

fn find_secret_for_access_key(world: &Sandbox, access_key: &str) -> S3Result<String> {
    let now = world.sandbox_unix_time_now();
    match world.read_sandbox_state_from_disk(|state| iam::find_sandbox_access_key(&state.iam, access_key)) {
        None => Err(build_unknown_access_key_error()),
        Some(key) if key.expires.is_some_and(|expires| expires <= now) => {
            Err(refusal::build_bad_request_error("ExpiredToken", "The provided token has expired.", &[]))
        }
        Some(key) => Ok(key.secret),
    }
}

fn find_s3_caller_by_key(world: &Sandbox, access_key: &str) -> S3Result<SandboxS3Caller> {
    world
        .read_sandbox_state_from_disk(|state| {
            iam::find_sandbox_access_key(&state.iam, access_key)
                .map(|key| iam::identify_sandbox_access_key_owner(&state.iam, &key))
        })
        .map(SandboxS3Caller::caller_from_request_signer)
        .ok_or_else(build_unknown_access_key_error)
}

fn build_unknown_access_key_error() -> S3Error {
    S3Error::with_message(
        S3ErrorCode::InvalidAccessKeyId,
        "The AWS Access Key Id you provided does not exist in our records.",
    )
}

/// Reads the bucket and the region from a virtual host; every other name is an endpoint, and paths name the bucket.
struct SandboxBucketHostParser;

impl S3Host for SandboxBucketHostParser {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match parse_bucket_from_host(host) {
            Some(bucket) => VirtualHost::new("amazonaws.com").with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

/// Reads `bucket` of `bucket.s3.us-east-1.amazonaws.com` and of `bucket.s3.amazonaws.com`.
pub fn parse_bucket_from_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let front = name.strip_suffix(".amazonaws.com")?;
    let (bucket, rest) = front.rsplit_once(".s3").or_else(|| front.rsplit_once(".s3."))?;
    (!bucket.is_empty() && (rest.is_empty() || rest.starts_with(['.', '-']))).then_some(bucket)
}

/// Answers one request, signed, presigned or not.
pub async fn handle_s3_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let head = request.method() == Method::HEAD;
    world.run_due_background_jobs();
    if control_plane::has_sandbox_drift_injection(&request) {
        inject_s3_drift(world, &request);
    }
    let target = refusal::S3RequestTarget::new(&request);
    let prepared = presigned::prepare_request_for_s3s(world, request).and_then(|request| {
        copy::check_copy_source_form(request.headers())?;
        list::check_listing_parameters(request.uri().query().unwrap_or_default())?;
        Ok(request)
    });
    let response = match prepared {
        Ok(request) => serve_s3_request_with_s3s(world, request).await,
        Err(error) => build_s3_error_response(error).await,
    };
    let response = attributes::unquote_attributes_etag(refusal::write_s3_error_details(&target, response));
    let mut response = refusal::escape_control_characters(response);
    if head && response.status().is_client_error() {
        *response.body_mut() = Bytes::new();
    }
    if response.status() == StatusCode::OK && response.headers().contains_key(header::CONTENT_RANGE) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if response.status() == StatusCode::NOT_MODIFIED {
        remove_body_and_its_headers(&mut response);
    }
    let id = format!("{:016X}", fastrand::u64(..));
    let host_id = format!("{id}{:032x}", fastrand::u128(..));
    if response.status().is_client_error() || response.status().is_server_error() {
        response = refusal::write_request_ids(response, (&id, &host_id));
    }
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-amz-request-id", id.as_str()),
        ("x-amz-id-2", host_id.as_str()),
        ("date", &format_http_date(world.sandbox_unix_time_now().as_secs())),
        ("server", "AmazonS3"),
    ] {
        headers.insert(name, HeaderValue::try_from(value).expect("hex, a date and a name are header text"));
    }
    response
}

/// Nothing was modified, so no body is sent, and nothing that is of one: boto3 holds a sum against it, and CloudFront would take
/// the type of what it refreshes from here.
fn remove_body_and_its_headers(response: &mut Response<Bytes>) {
    *response.body_mut() = Bytes::new();
    let headers = response.headers_mut();
    let sums = headers.keys().filter(|name| name.as_str().starts_with("x-amz-checksum-")).cloned();
    for name in sums.chain([header::CONTENT_TYPE, header::CONTENT_LENGTH]).collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// Answers one request of CloudFront, which asks as `caller` and signs nothing here.
pub async fn handle_s3_api_call_as(
    world: &Sandbox,
    caller: SandboxS3Caller,
    mut request: Request<Bytes>,
) -> Response<Bytes> {
    request.extensions_mut().insert(caller);
    handle_s3_api_call(world, request).await
}

async fn serve_s3_request_with_s3s(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let mut builder = S3ServiceBuilder::new(protocol::SandboxS3Operations(world.clone()));
    builder.set_auth(access::SandboxS3SecretKeyLookup(world.clone()));
    builder.set_access(access::SandboxS3Authorizer(world.clone()));
    builder.set_host(SandboxBucketHostParser);
    builder.set_route(routes::SandboxS3Route(world.clone()));
    let mut config = S3Config::default();
    // Its age was judged by the world's clock.
    config.presigned_url_max_skew_time_secs = u32::MAX;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    let response = match builder.build().call(request.map(s3s::Body::from)).await {
        Ok(response) => response,
        Err(error) => return build_s3_internal_error_response(&format!("{:?}", s3s::StdError::from(error))),
    };
    collect_response_body(response).await
}

async fn collect_response_body(response: Response<s3s::Body>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Response::from_parts(parts, body.to_bytes()),
        Err(error) => build_s3_internal_error_response(&error.to_string()),
    }
}

async fn build_s3_error_response(error: S3Error) -> Response<Bytes> {
    match error.to_http_response() {
        Ok(response) => collect_response_body(response).await,
        Err(error) => build_s3_internal_error_response(&error.to_string()),
    }
}

fn build_s3_internal_error_response(why: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!(
        "<Error><Code>InternalError</Code><Message>{why}</Message></Error>"
    )));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Whether S3 knows a principal that a policy names: by kind (`AWS`, `CanonicalUser`, `Service`) and name.
fn is_principal_known_to_s3(world: &Sandbox, kind: &str, name: &str) -> bool {
    let clock = PropagationClock::propagation_clock_from_sandbox(world);
    world.read_sandbox_state_from_disk(|state| {
        control_plane::does_policy_principal_exist(state, clock, kind, name)
    })
}

/// The ARN of the origin access identity with that canonical user id.
fn find_origin_access_identity_arn(world: &Sandbox, canonical: &str) -> Option<String> {
    world.read_sandbox_state_from_disk(|state| {
        let mut identities = state.cloudfront.identities.values();
        identities
            .find(|identity| identity.canonical == canonical)
            .map(|identity| access::format_origin_access_identity_arn(&identity.id))
    })
}

/// Somebody else's edit, just before the request: of the bucket's policy, or of the object.
fn inject_s3_drift(world: &Sandbox, request: &Request<Bytes>) {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let (bucket, key) = request_parts::parse_bucket_and_key(host, request.uri().path());
    if key.is_empty() {
        world.update_sandbox_state_on_disk(|state| {
            if let Some(found) = state.s3.buckets.get_mut(&bucket) {
                let policy = found.policy.as_deref().and_then(|policy| serde_json::from_str(policy).ok());
                let mut policy: Value =
                    policy.unwrap_or_else(|| json!({"Version": "2012-10-17", "Statement": []}));
                if let Some(statements) = policy["Statement"].as_array_mut() {
                    statements.push(json!({
                        "Sid": format!("SomebodyElse{}", statements.len()), "Effect": "Deny", "Principal": "*",
                        "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/closed/*"),
                    }));
                }
                found.policy = Some(policy.to_string());
            }
        });
    } else if let Ok(Some(found)) = world
        .sandbox_in_memory_state()
        .objects
        .read_sandbox_bucket_from_disk(&bucket, |all| find_newest_sandbox_object_version(all, &key).cloned())
    {
        let attributes: Vec<(&str, &str)> =
            found.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let content = format!("written by somebody else at {}", world.sandbox_unix_time_now().as_nanos());
        // A bucket that is gone, or a disk that fails, shows in the answer that follows.
        let _ = write::place_sandbox_object(world, &bucket, &key, &attributes, content.as_bytes());
    }
}
