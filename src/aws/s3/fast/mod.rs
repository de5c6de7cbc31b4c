//! S3's objects on the hot path: list, head, copy, at a fraction of the SDK's cost a request.
//!
//! The one place that knows both S3's rules and HTTP. Every verb sends one request and says how it went; pace and
//! patience are the caller's.

pub mod acl;
pub mod attributes;
pub mod endpoint;
pub mod error;
pub mod http1;
pub mod listing;
mod multipart;
pub mod pool;
pub mod sign;

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, response::Parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use attributes::{Head, ONE_COPY};
pub use error::Refusal;
pub use listing::{Entry, Page, StorageClass};
pub use multipart::parts;

use self::{
    endpoint::Address,
    pool::Transport,
    sign::{Headers, Signer},
};
use crate::model::run::failure::{Failure, Kind};

/// Requests by what S3 charges for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    List,
    Head,
    Copy,
    Other,
}

/// How many requests were sent, of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    pub list: u64,
    pub head: u64,
    pub copy: u64,
    pub other: u64,
}

impl Requests {
    /// US dollars at S3 Standard's list price in us-east-1: 0.005 for a thousand lists or copies, 0.0004 for the rest.
    #[must_use]
    pub fn cost(&self) -> f64 {
        (self.list + self.copy) as f64 * 0.005e-3 + (self.head + self.other) as f64 * 0.0004e-3
    }
}

/// One bucket's objects. Clones share connections and counts.
#[derive(Clone)]
pub struct Objects(Arc<Inner>);

struct Inner {
    bucket: String,
    address: Address,
    transport: Transport,
    signer: Signer,
    sent: [AtomicU64; 4],
    heads: AtomicU64,
    micros: AtomicU64,
}

struct Reply {
    parts: Parts,
    body: Bytes,
    /// From when it was asked for on a connection that stands to its end.
    took: Duration,
}

/// What S3 took for some HEADs: from when each was asked for on a connection that stands to its reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heads {
    pub count: u64,
    /// All together.
    pub micros: u64,
}

const QUICK: Duration = Duration::from_mins(1);
/// S3 answers a copy of 5 GB when it is done.
const SLOW: Duration = Duration::from_mins(15);
/// What stands unescaped in a path that is signed.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn header(name: &'static str, value: HeaderValue) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), value)
}

impl Objects {
    /// `config` gives region, credentials, clock and endpoint; `plugged` takes the place of the network, where one is given.
    ///
    /// # Errors
    /// Where there are no credentials, or the endpoint can't be understood.
    pub fn new(
        config: &SdkConfig,
        bucket: &str,
        plugged: Option<SharedHttpConnector>,
    ) -> Result<Self, Failure> {
        let region = config.region().map_or("us-east-1", |region| region.as_ref()).to_owned();
        let (address, transport) = endpoint::open(config, bucket, &region, plugged)?;
        let credentials = config.credentials_provider().ok_or_else(|| {
            Failure::new(
                Kind::Credentials,
                "AWS credentials",
                "there are none",
                "name a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        })?;
        let clock = config.time_source().unwrap_or_else(|| SharedTimeSource::new(SystemTimeSource::new()));
        let signer = Signer::new(&region, credentials, clock);
        Ok(Self(Arc::new(Inner {
            bucket: bucket.to_owned(),
            address,
            transport,
            signer,
            sent: Default::default(),
            heads: AtomicU64::new(0),
            micros: AtomicU64::new(0),
        })))
    }

    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.0.bucket
    }

    #[must_use]
    pub fn requests(&self) -> Requests {
        let of = |charge: Charge| self.0.sent[charge as usize].load(Relaxed);
        Requests {
            list: of(Charge::List),
            head: of(Charge::Head),
            copy: of(Charge::Copy),
            other: of(Charge::Other),
        }
    }

    /// Takes the HEADs that were answered since the last time: they are told once.
    #[must_use]
    pub fn take_heads(&self) -> Heads {
        Heads { count: self.0.heads.swap(0, Relaxed), micros: self.0.micros.swap(0, Relaxed) }
    }

    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.signer.now()
    }

    fn path(&self, key: &str) -> String {
        format!("{}{}", self.0.address.root, utf8_percent_encode(key, PATH))
    }

    /// One request; a success is a 2xx without an error in its body. `query` is encoded, and sorted by name.
    async fn send(
        &self,
        charge: Charge,
        method: Method,
        path: &str,
        query: &str,
        mut headers: Headers,
        body: Bytes,
    ) -> Result<Reply, Refusal> {
        let inner = &*self.0;
        let limit = if charge == Charge::Copy { SLOW } else { QUICK };
        // One moment for the day's key and for the stamp: at midnight they must not differ.
        let now = inner.signer.now();
        let keys = inner.signer.keys(now).await.map_err(Refusal::Fatal)?;
        headers.push((http::header::HOST, inner.address.host.clone()));
        keys.sign(now, &method, path, query, &mut headers, &body);
        let whole;
        let target = if query.is_empty() {
            path
        } else {
            whole = format!("{path}?{query}");
            &whole
        };
        inner.sent[charge as usize].fetch_add(1, Relaxed);
        let reply = inner.transport.send(method, target, headers, body, limit).await;
        let reply = reply.map_err(|broken| Refusal::Broken(broken.0))?;
        if reply.parts.status.is_success() && !carries_error(&reply.body) {
            return Ok(reply);
        }
        match Refusal::read(&inner.bucket, &reply.parts, &reply.body) {
            Refusal::Expired => match inner.signer.renew(&keys).await {
                Ok(()) => Err(Refusal::Broken("credentials expired, and were renewed".to_owned())),
                Err(failure) => Err(Refusal::Fatal(failure)),
            },
            refusal => Err(refusal),
        }
    }

    /// One page of the keys that begin with `prefix` and come after `after`; with `folders`, what shares the next
    /// `/` is one prefix.
    pub async fn list(&self, prefix: &str, after: &str, folders: bool) -> Result<Page, Refusal> {
        let encoded = |text| utf8_percent_encode(text, QUERY);
        let mut query = String::with_capacity(160);
        if folders {
            query.push_str("delimiter=%2F&");
        }
        query.push_str("encoding-type=url&list-type=2&max-keys=1000");
        if !prefix.is_empty() {
            let _ = write!(query, "&prefix={}", encoded(prefix));
        }
        if !after.is_empty() {
            let _ = write!(query, "&start-after={}", encoded(after));
        }
        let path = match self.0.address.root.as_str() {
            "/" => "/",
            root => root.trim_end_matches('/'),
        };
        let reply = self.send(Charge::List, Method::GET, path, &query, Headers::new(), Bytes::new()).await?;
        Page::parse(&reply.body)
            .map_err(|why| Refusal::Broken(format!("a listing that can't be read: {why}")))
    }

    /// The object's attributes. A refusal that HEAD can't explain is asked for again in a way that can.
    pub async fn head(&self, key: &str) -> Result<Head, Refusal> {
        let path = self.path(key);
        // With what signs it.
        let mut checksum = Headers::with_capacity(8);
        checksum.push(header("x-amz-checksum-mode", HeaderValue::from_static("ENABLED")));
        match self.send(Charge::Head, Method::HEAD, &path, "", checksum, Bytes::new()).await {
            Ok(reply) => {
                self.0.heads.fetch_add(1, Relaxed);
                self.0.micros.fetch_add(reply.took.as_micros() as u64, Relaxed);
                whole(reply)
            }
            // Rare, and large: not in the future of every request.
            Err(Refusal::Unsaid(status)) => Box::pin(self.explain(&path, status)).await,
            Err(refusal) => Err(refusal),
        }
    }

    /// Why a HEAD was refused; or its reply, where it was for the checksum alone.
    async fn explain(&self, path: &str, status: StatusCode) -> Result<Head, Refusal> {
        // Reading the checksum of an object under KMS needs the key; the rest doesn't.
        if status == StatusCode::FORBIDDEN
            && let Ok(reply) =
                self.send(Charge::Head, Method::HEAD, path, "", Headers::new(), Bytes::new()).await
        {
            return whole(reply);
        }
        let first = vec![(http::header::RANGE, HeaderValue::from_static("bytes=0-0"))];
        match self.send(Charge::Other, Method::GET, path, "", first, Bytes::new()).await {
            Ok(_) => Err(Refusal::Broken(format!("HEAD was answered {status}, GET wasn't"))),
            Err(Refusal::Unfit { code, message })
                if message.to_ascii_lowercase().contains("server side encryption") =>
            {
                Err(Refusal::Unfit {
                    code,
                    message: "encrypted with a customer-provided key (SSE-C)".to_owned(),
                })
            }
            Err(Refusal::Unsaid(StatusCode::NOT_FOUND)) => Err(Refusal::Gone),
            Err(Refusal::Unsaid(_)) => Err(Refusal::Denied(format!("{status}, without a reason"))),
            Err(refusal) => Err(refusal),
        }
    }

    /// The headers that give a copy the object's access control list.
    pub async fn acl(&self, key: &str) -> Result<Headers, Refusal> {
        let path = self.path(key);
        let reply =
            self.send(Charge::Other, Method::GET, &path, "acl=", Headers::new(), Bytes::new()).await?;
        acl::said_again(&reply.body)
            .map_err(|why| Refusal::Broken(format!("an access control list that can't be read: {why}")))
    }

    /// Whether objects of this bucket have access control lists of their own.
    pub async fn has_acls(&self) -> Result<bool, Refusal> {
        let path = self.0.address.root.trim_end_matches('/').to_owned();
        let path = if path.is_empty() { "/".to_owned() } else { path };
        match self
            .send(Charge::Other, Method::GET, &path, "ownershipControls=", Headers::new(), Bytes::new())
            .await
        {
            Ok(reply) => Ok(error::element(&String::from_utf8_lossy(&reply.body), "ObjectOwnership")
                .as_deref()
                != Some("BucketOwnerEnforced")),
            Err(Refusal::Unfit { code, .. }) if code == "OwnershipControlsNotFoundError" => Ok(true),
            Err(refusal) => Err(refusal),
        }
    }

    /// Copies the object onto itself with `attributes`, unless it isn't the one of `etag` any more.
    pub async fn copy(&self, key: &str, etag: &HeaderValue, attributes: &Headers) -> Result<(), Refusal> {
        let path = self.path(key);
        let mut headers = Headers::with_capacity(attributes.len() + 12);
        headers.extend_from_slice(attributes);
        headers.push(header("x-amz-copy-source", self.source(key)?));
        headers.push(header("x-amz-copy-source-if-match", etag.clone()));
        headers.push((http::header::IF_MATCH, etag.clone()));
        headers.push(header("x-amz-metadata-directive", HeaderValue::from_static("REPLACE")));
        headers.push(header("x-amz-tagging-directive", HeaderValue::from_static("COPY")));
        let reply = self.send(Charge::Copy, Method::PUT, &path, "", headers, Bytes::new()).await?;
        told(&reply, b"CopyObjectResult")
    }

    fn source(&self, key: &str) -> Result<HeaderValue, Refusal> {
        let source = format!("/{}/{}", self.0.bucket, utf8_percent_encode(key, PATH));
        HeaderValue::from_str(&source)
            .map_err(|error| Refusal::Unfit { code: "key".to_owned(), message: error.to_string() })
    }
}

fn whole(reply: Reply) -> Result<Head, Refusal> {
    Head::read(reply.parts.headers)
        .ok_or_else(|| Refusal::Broken("HEAD was answered without ETag or length".to_owned()))
}

/// Whether a success's body names the result that it should: a copy that broke in the middle answers 200 too.
fn told(reply: &Reply, result: &[u8]) -> Result<(), Refusal> {
    if reply.body.windows(result.len()).any(|part| part == result) {
        Ok(())
    } else {
        Err(Refusal::Broken("a reply that ends in the middle".to_owned()))
    }
}

/// Whether the body's root is an error; S3 sends spaces before it while a copy takes its time.
fn carries_error(body: &[u8]) -> bool {
    let mut root = body.trim_ascii_start();
    if root.starts_with(b"<?") {
        let end = root.iter().position(|byte| *byte == b'>').map_or(root.len(), |at| at + 1);
        root = root[end..].trim_ascii_start();
    }
    root.strip_prefix(b"<Error").is_some_and(|rest| matches!(rest.first(), Some(b'>' | b' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_the_root_of_a_body_and_nothing_within_it() {
        let prologue = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        for error in ["<Error><Code>", "<Error xmlns=\"x\">"] {
            for before in [String::new(), prologue.to_owned(), format!("  \r\n {prologue}\n\n")] {
                assert!(carries_error(format!("{before}{error}").as_bytes()), "{before}{error}");
            }
        }
        for other in
            ["", "<?xml", "<Err", "<Error", "<Errors>", "<CopyObjectResult><Error></CopyObjectResult>"]
        {
            assert!(!carries_error(other.as_bytes()), "{other}");
        }
    }
}
