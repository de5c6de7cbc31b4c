//! The sandbox's S3: s3s speaks the protocol and checks signatures, the rules and the objects are here.
//!
//! Time is the world's, never the machine's: a signature's age is judged here, before s3s sees the request.

mod access;
mod copy;
mod list;
mod multipart;
mod object;
mod policy;
mod presigned;
mod protocol;
mod settings;
mod store;
mod write;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
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
    World,
    control_plane::{self, ACCOUNT, Clock, iam},
    packagecloud,
};

pub use access::{Caller, identity_arn, may};
pub use copy::{LARGEST, Source, copy};
pub use multipart::Upload;
pub use object::{Checksum, Encryption, Grant, Object, Retention, http_date};
pub use presigned::{encoded, link};
pub use store::{Change, Objects, Store, newest};
pub use write::{amend, archive, hollow, place};

/// What is kept between runs; the objects lie beside, in [`Store`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub buckets: BTreeMap<String, Bucket>,
    /// By upload id.
    pub uploads: BTreeMap<String, Upload>,
}

/// A bucket and its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bucket {
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

impl Bucket {
    pub fn new(owner: &str, region: &str, created: u64) -> Self {
        Self { owner: owner.to_owned(), region: region.to_owned(), created, ..Self::default() }
    }

    fn says(&self, subresource: &str, text: &str) -> bool {
        self.settings.get(subresource).is_some_and(|xml| xml.contains(text))
    }

    pub fn versioned(&self) -> bool {
        self.says("versioning", "<Status>Enabled</Status>")
    }

    /// Whether object ACLs still count.
    pub fn has_acls(&self) -> bool {
        self.says("ownershipControls", ">ObjectWriter<")
            || self.says("ownershipControls", ">BucketOwnerPreferred<")
    }

    fn restricts_public(&self) -> bool {
        !self.settings.contains_key("publicAccessBlock")
            || self.says("publicAccessBlock", "<RestrictPublicBuckets>true<")
    }

    fn blocks_public_policy(&self) -> bool {
        !self.settings.contains_key("publicAccessBlock")
            || self.says("publicAccessBlock", "<BlockPublicPolicy>true<")
    }

    /// What an object that is written without a word on encryption gets.
    fn encryption(&self) -> Encryption {
        if !self.says("encryption", "aws:kms") {
            return Encryption::Managed;
        }
        let xml = &self.settings["encryption"];
        let key =
            xml.split_once("<KMSMasterKeyID>").and_then(|(_, rest)| rest.split_once('<')).map(|(key, _)| key);
        Encryption::Kms {
            dual: xml.contains("aws:kms:dsse"),
            key: key.map(str::to_owned),
            bucket_key: xml.contains("<BucketKeyEnabled>true<"),
        }
    }
}

fn bucket_named(world: &World, name: &str) -> S3Result<Bucket> {
    world.read(|state| state.s3.buckets.get(name).cloned()).ok_or_else(|| {
        S3Error::with_message(S3ErrorCode::NoSuchBucket, "The specified bucket does not exist")
    })
}

/// An error by its code, where s3s has no word for it or another status.
fn coded(code: &'static str, status: StatusCode, message: &'static str) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::Custom(code.into()));
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    error
}

/// The error of a disk that doesn't do what it should.
struct Trouble(S3Error);

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self(S3Error::with_message(S3ErrorCode::InternalError, format!("the sandbox's disk: {error}")))
    }
}

impl From<S3Error> for Trouble {
    fn from(error: S3Error) -> Self {
        Self(error)
    }
}

impl From<Trouble> for S3Error {
    fn from(trouble: Trouble) -> Self {
        trouble.0
    }
}

fn secret_key(world: &World, access_key: &str) -> S3Result<String> {
    let now = world.now();
    match world.read(|state| iam::key(&state.iam, access_key)) {
        None => Err(S3Error::with_message(S3ErrorCode::InvalidAccessKeyId, UNKNOWN_KEY)),
        Some(key) if key.expires.is_some_and(|expires| expires <= now) => {
            Err(coded("ExpiredToken", StatusCode::BAD_REQUEST, "The provided token has expired."))
        }
        Some(key) => Ok(key.secret),
    }
}

fn principal(world: &World, access_key: &str) -> S3Result<Caller> {
    world
        .read(|state| iam::key(&state.iam, access_key).map(|key| iam::caller(&state.iam, &key)))
        .map(Caller::of_account)
        .ok_or_else(|| S3Error::with_message(S3ErrorCode::InvalidAccessKeyId, UNKNOWN_KEY))
}

const UNKNOWN_KEY: &str = "The AWS Access Key Id you provided does not exist in our records.";

/// Reads the bucket and the region from a virtual host; every other name is an endpoint, and paths name the bucket.
struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match bucket_of_host(host) {
            Some(bucket) => VirtualHost::new("amazonaws.com").with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

/// `bucket` of `bucket.s3.us-east-1.amazonaws.com` and of `bucket.s3.amazonaws.com`.
pub fn bucket_of_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let front = name.strip_suffix(".amazonaws.com")?;
    let (bucket, rest) = front.rsplit_once(".s3").or_else(|| front.rsplit_once(".s3."))?;
    (!bucket.is_empty() && (rest.is_empty() || rest.starts_with(['.', '-']))).then_some(bucket)
}

/// Answers one request, signed, presigned or not.
pub async fn answer(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let head = request.method() == Method::HEAD;
    packagecloud::settle(world);
    control_plane::s3control::settle(world);
    if control_plane::drifts(&request) {
        drift(world, &request);
    }
    let mut response = match presigned::judge(world, request) {
        Ok(request) => serve(world, request).await,
        Err(error) => refusal(error).await,
    };
    if head && response.status().is_client_error() {
        *response.body_mut() = Bytes::new();
    }
    let headers = response.headers_mut();
    let id = format!("{:016X}", fastrand::u64(..));
    for (name, value) in [
        ("x-amz-request-id", id.as_str()),
        ("x-amz-id-2", &format!("{id}{:032x}", fastrand::u128(..))),
        ("date", &http_date(world.now().as_secs())),
        ("server", "AmazonS3"),
    ] {
        headers.insert(name, HeaderValue::try_from(value).expect("hex, a date and a name are header text"));
    }
    response
}

/// The same for CloudFront, which asks as `caller` and signs nothing here.
pub async fn answer_as(world: &World, caller: Caller, mut request: Request<Bytes>) -> Response<Bytes> {
    request.extensions_mut().insert(caller);
    answer(world, request).await
}

async fn serve(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let mut builder = S3ServiceBuilder::new(protocol::Protocol(world.clone()));
    builder.set_auth(access::Keys(world.clone()));
    builder.set_access(access::Gate(world.clone()));
    builder.set_host(Hosts);
    builder.set_route(settings::Settings(world.clone()));
    let mut config = S3Config::default();
    // Its age was judged by the world's clock.
    config.presigned_url_max_skew_time_secs = u32::MAX;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    let response = match builder.build().call(request.map(s3s::Body::from)).await {
        Ok(response) => response,
        Err(error) => return broken(&format!("{:?}", s3s::StdError::from(error))),
    };
    collect(response).await
}

async fn collect(response: Response<s3s::Body>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Response::from_parts(parts, body.to_bytes()),
        Err(error) => broken(&error.to_string()),
    }
}

async fn refusal(error: S3Error) -> Response<Bytes> {
    match error.to_http_response() {
        Ok(response) => collect(response).await,
        Err(error) => broken(&error.to_string()),
    }
}

fn broken(why: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!(
        "<Error><Code>InternalError</Code><Message>{why}</Message></Error>"
    )));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Whether S3 knows a principal that a policy names: by kind (`AWS`, `CanonicalUser`, `Service`) and name.
fn principal_known(world: &World, kind: &str, name: &str) -> bool {
    let clock = Clock::of(world);
    world.read(|state| control_plane::principal_known(state, clock, kind, name))
}

/// The ARN of the origin access identity with that canonical user id.
fn identity_of(world: &World, canonical: &str) -> Option<String> {
    world.read(|state| {
        let mut identities = state.cloudfront.identities.values();
        identities
            .find(|identity| identity.canonical == canonical)
            .map(|identity| access::identity_arn(&identity.id))
    })
}

/// Somebody else's edit, just before the request: of the bucket's policy, or of the object.
fn drift(world: &World, request: &Request<Bytes>) {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = percent_encoding::percent_decode_str(request.uri().path().trim_start_matches('/'));
    let path = path.decode_utf8_lossy().into_owned();
    let (bucket, key) = match bucket_of_host(host) {
        Some(bucket) => (bucket.to_owned(), path),
        None => {
            path.split_once('/').map_or((path.clone(), String::new()), |(b, k)| (b.to_owned(), k.to_owned()))
        }
    };
    if key.is_empty() {
        world.write(|state| {
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
    } else if let Ok(Some(found)) = world.memory().objects.read(&bucket, |all| newest(all, &key).cloned()) {
        let attributes: Vec<(&str, &str)> =
            found.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let content = format!("written by somebody else at {}", world.now().as_nanos());
        // A bucket that is gone, or a disk that fails, shows in the answer that follows.
        let _ = write::place(world, &bucket, &key, &attributes, content.as_bytes());
    }
}
