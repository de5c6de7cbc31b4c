//! One bucket's objects: each verb sends one request, and says how it went.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    acl,
    attributes::ObjectAttributes,
    endpoint::{self, BucketEndpoint},
    error::{self, S3RequestError},
    listing::ObjectListingPage,
    pool::{S3ConnectionStream, S3Reply},
    sign::{SignedRequestHeaderList, SigningKeyProvider},
};
use crate::model::prices::{S3_READ_REQUEST, S3_WRITE_REQUEST};
use crate::{
    aws::{
        refusal::classify_aws_refusal,
        unreadable::{is_cut_document, is_foreign_page_by_headers},
    },
    model::failure::{Failure, FailureKind},
};

/// Requests by what S3 charges for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S3RequestClass {
    List,
    Head,
    Copy,
    Other,
}

impl S3RequestClass {
    /// Returns the action that S3 weighs for such requests.
    fn iam_action(self) -> &'static str {
        match self {
            Self::List => "s3:ListBucket",
            Self::Head | Self::Other => "s3:GetObject",
            Self::Copy => "s3:PutObject",
        }
    }
}

/// How many requests were sent, of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct S3RequestCounts {
    pub list: u64,
    pub head: u64,
    pub copy: u64,
    pub other: u64,
}

impl S3RequestCounts {
    /// Returns US dollars at S3 Standard's list price in us-east-1: lists and copies have one, all else another.
    #[must_use]
    pub fn compute_s3_requests_cost_usd(&self) -> f64 {
        (self.list + self.copy) as f64 * S3_WRITE_REQUEST.dollars
            + (self.head + self.other) as f64 * S3_READ_REQUEST.dollars
    }
}

/// One bucket's objects. Clones share connections and counts.
#[derive(Clone)]
pub struct S3ObjectClient(Arc<S3ObjectClientInner>);

struct S3ObjectClientInner {
    bucket: String,
    address: BucketEndpoint,
    transport: S3ConnectionStream,
    signer: SigningKeyProvider,
    sent: [AtomicU64; 4],
    heads: AtomicU64,
    micros: AtomicU64,
    copied: AtomicBool,
}

/// What S3 took for some HEADs: from when each was asked for on a connection that stands to its reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct S3HeadRequestTimings {
    pub count: u64,
    /// All together.
    pub micros: u64,
}

const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// S3 answers a copy of 5 GB when it is done.
const COPY_TIMEOUT: Duration = Duration::from_mins(15);
const CUT_REPLY: &str = "a reply that ends in the middle";
/// What stands unescaped in a path that is signed.
const PATH_ENCODE_SET: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
pub(super) const QUERY_ENCODE_SET: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns a header whose name is written in lower case.
pub(super) fn new_http_header_with_static_name(
    name: &'static str,
    value: HeaderValue,
) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), value)
}

impl S3ObjectClient {
    /// Returns a client of the bucket's objects.
    ///
    /// `config` gives region, credentials and clock; the objects' URLs begin with `url`; `plugged` takes the place of the
    /// network, where one is given.
    ///
    /// # Errors
    /// Where there are no credentials, or the endpoint can't be understood.
    pub fn new(
        config: &SdkConfig,
        bucket: &str,
        url: &str,
        plugged: Option<SharedHttpConnector>,
    ) -> Result<Self, Failure> {
        let region = config.region().map_or("us-east-1", |region| region.as_ref()).to_owned();
        let (address, transport) = endpoint::build_bucket_endpoint(url, plugged)?;
        let credentials = config.credentials_provider().ok_or_else(|| {
            Failure::new(
                FailureKind::Credentials,
                "AWS credentials",
                "there are none",
                "name a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        })?;
        let clock = config.time_source().unwrap_or_else(|| SharedTimeSource::new(SystemTimeSource::new()));
        let signer = SigningKeyProvider::new(&region, credentials, clock);
        Ok(Self(Arc::new(S3ObjectClientInner {
            bucket: bucket.to_owned(),
            address,
            transport,
            signer,
            sent: Default::default(),
            heads: AtomicU64::new(0),
            micros: AtomicU64::new(0),
            copied: AtomicBool::new(false),
        })))
    }

    /// Returns the bucket's name.
    #[must_use]
    pub fn bucket_name(&self) -> &str {
        &self.0.bucket
    }

    /// Returns whether S3 has let it copy an object.
    #[must_use]
    pub fn has_copied_an_object(&self) -> bool {
        self.0.copied.load(Relaxed)
    }

    /// Returns how many requests were sent until now.
    #[must_use]
    pub fn sent_s3_request_counts(&self) -> S3RequestCounts {
        let of = |charge: S3RequestClass| self.0.sent[charge as usize].load(Relaxed);
        S3RequestCounts {
            list: of(S3RequestClass::List),
            head: of(S3RequestClass::Head),
            copy: of(S3RequestClass::Copy),
            other: of(S3RequestClass::Other),
        }
    }

    /// Takes the HEADs that were answered since the last time: they are told once.
    #[must_use]
    pub fn drain_s3_head_timings(&self) -> S3HeadRequestTimings {
        S3HeadRequestTimings { count: self.0.heads.swap(0, Relaxed), micros: self.0.micros.swap(0, Relaxed) }
    }

    /// Returns the time by which requests are signed.
    #[must_use]
    pub fn current_signing_time(&self) -> SystemTime {
        self.0.signer.current_signing_time()
    }

    /// Returns the path of an object in a request, encoded.
    pub(super) fn object_url_path(&self, key: &str) -> String {
        format!("{}{}", self.0.address.root, utf8_percent_encode(key, PATH_ENCODE_SET))
    }

    /// Sends one request; a success is a 2xx without an error in its body. `query` is encoded, and sorted by name.
    ///
    /// # Errors
    /// Where S3 refuses, doesn't answer, or there are no credentials.
    pub(super) async fn send_s3_request(
        &self,
        charge: S3RequestClass,
        method: Method,
        path: &str,
        query: &str,
        mut headers: SignedRequestHeaderList,
        body: Bytes,
    ) -> Result<S3Reply, S3RequestError> {
        let inner = &*self.0;
        let limit = if charge == S3RequestClass::Copy { COPY_TIMEOUT } else { REQUEST_TIMEOUT };
        // One moment for the day's key and for the stamp: at midnight they must not differ.
        let now = inner.signer.current_signing_time();
        let keys = inner.signer.current_sigv4_signing_keys(now).await.map_err(S3RequestError::Fatal)?;
        headers.push((http::header::HOST, inner.address.host.clone()));
        keys.sign_request_sigv4(now, &method, path, query, &mut headers, &body);
        let whole;
        let target = if query.is_empty() {
            path
        } else {
            whole = format!("{path}?{query}");
            &whole
        };
        inner.sent[charge as usize].fetch_add(1, Relaxed);
        let reply = inner.transport.send_request_on_stream(method, target, headers, body, limit).await;
        let reply = reply.map_err(|broken| S3RequestError::Broken(broken.0))?;
        let header = |name: &str| reply.parts.headers.get(name).and_then(|value| value.to_str().ok());
        if is_foreign_page_by_headers(reply.parts.status.is_success(), header) {
            let status = reply.parts.status.as_u16();
            return Err(S3RequestError::Broken(format!(
                "a page (HTML, status {status}) came in place of S3's answer: a proxy or a web filter stands in between"
            )));
        }
        if is_cut_document(&reply.body) {
            return Err(S3RequestError::Broken(CUT_REPLY.to_owned()));
        }
        if reply.parts.status.is_success() && !is_s3_error_body(&reply.body) {
            return Ok(reply);
        }
        match S3RequestError::from_s3_reply(&inner.bucket, charge.iam_action(), &reply.parts, &reply.body) {
            S3RequestError::Expired => match inner.signer.renew_refused_signing_keys(&keys).await {
                Ok(()) => Err(S3RequestError::Broken("credentials expired, and were renewed".to_owned())),
                Err(failure) => Err(S3RequestError::Fatal(failure)),
            },
            refusal => Err(refusal),
        }
    }

    /// Lists one page of the keys that begin with `prefix` and come after `after`; with `folders`, what shares the
    /// next `/` is one prefix.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn list_objects_page(
        &self,
        prefix: &str,
        after: &str,
        folders: bool,
    ) -> Result<ObjectListingPage, S3RequestError> {
        let encoded = |text| utf8_percent_encode(text, QUERY_ENCODE_SET);
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
        let reply = self
            .send_s3_request(
                S3RequestClass::List,
                Method::GET,
                path,
                &query,
                SignedRequestHeaderList::new(),
                Bytes::new(),
            )
            .await?;
        ObjectListingPage::from_listing_xml(&reply.body)
            .map_err(|why| S3RequestError::Broken(format!("a listing that can't be read: {why}")))
    }

    /// Reads the object's attributes. A refusal that HEAD can't explain is asked for again in a way that can.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn head_object(&self, key: &str) -> Result<ObjectAttributes, S3RequestError> {
        let path = self.object_url_path(key);
        // With what signs it.
        let mut checksum = SignedRequestHeaderList::with_capacity(8);
        checksum.push(new_http_header_with_static_name(
            "x-amz-checksum-mode",
            HeaderValue::from_static("ENABLED"),
        ));
        match self
            .send_s3_request(S3RequestClass::Head, Method::HEAD, &path, "", checksum, Bytes::new())
            .await
        {
            Ok(reply) => {
                self.0.heads.fetch_add(1, Relaxed);
                self.0.micros.fetch_add(reply.took.as_micros() as u64, Relaxed);
                parse_head_reply_attributes(reply)
            }
            // A store may know no checksums: the rest of the attributes is asked for without.
            Err(S3RequestError::Unsupported(_)) => Box::pin(self.head_object_without_checksum(&path)).await,
            // Rare, and large: not in the future of every request.
            Err(S3RequestError::Unexplained(status)) => {
                Box::pin(self.retry_or_explain_head_refusal(&path, status)).await
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn head_object_without_checksum(&self, path: &str) -> Result<ObjectAttributes, S3RequestError> {
        let bare = SignedRequestHeaderList::new();
        let reply =
            self.send_s3_request(S3RequestClass::Head, Method::HEAD, path, "", bare, Bytes::new()).await?;
        parse_head_reply_attributes(reply)
    }

    /// Why a HEAD was refused; or its reply, where it was for the checksum alone.
    async fn retry_or_explain_head_refusal(
        &self,
        path: &str,
        status: StatusCode,
    ) -> Result<ObjectAttributes, S3RequestError> {
        // Reading the checksum of an object under KMS needs the key, to which the caller may have no right (403), or
        // which may be disabled (400); the rest doesn't.
        if [StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST].contains(&status)
            && let Ok(found) = self.head_object_without_checksum(path).await
        {
            return Ok(found);
        }
        let first = vec![(http::header::RANGE, HeaderValue::from_static("bytes=0-0"))];
        match self.send_s3_request(S3RequestClass::Other, Method::GET, path, "", first, Bytes::new()).await {
            Ok(_) => Err(S3RequestError::Broken(format!("HEAD was answered {status}, GET wasn't"))),
            Err(S3RequestError::Unexplained(StatusCode::NOT_FOUND)) => Err(S3RequestError::Gone),
            Err(S3RequestError::Unexplained(_)) => Err(S3RequestError::Denied {
                why: format!("{status}, without a reason"),
                next: classify_aws_refusal("s3:GetObject", "AccessDenied", "", 403).next,
            }),
            Err(refusal) => Err(refusal),
        }
    }

    /// Reads the headers that give a copy the object's access control list.
    ///
    /// # Errors
    /// Where S3 refuses, or the list can't be read.
    pub async fn read_object_acl_headers(
        &self,
        key: &str,
    ) -> Result<SignedRequestHeaderList, S3RequestError> {
        let path = self.object_url_path(key);
        let reply = self
            .send_s3_request(
                S3RequestClass::Other,
                Method::GET,
                &path,
                "acl=",
                SignedRequestHeaderList::new(),
                Bytes::new(),
            )
            .await?;
        acl::acl_headers_from_xml(&reply.body).map_err(|why| {
            S3RequestError::Broken(format!("an access control list that can't be read: {why}"))
        })
    }

    /// Asks whether objects of this bucket have access control lists of their own.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn are_object_acls_enabled(&self) -> Result<bool, S3RequestError> {
        let path = self.0.address.root.trim_end_matches('/').to_owned();
        let path = if path.is_empty() { "/".to_owned() } else { path };
        match self
            .send_s3_request(
                S3RequestClass::Other,
                Method::GET,
                &path,
                "ownershipControls=",
                SignedRequestHeaderList::new(),
                Bytes::new(),
            )
            .await
        {
            Ok(reply) => {
                Ok(error::find_xml_element_text(&String::from_utf8_lossy(&reply.body), "ObjectOwnership")
                    .as_deref()
                    != Some("BucketOwnerEnforced"))
            }
            Err(S3RequestError::Refused { code, .. }) if code == "OwnershipControlsNotFoundError" => Ok(true),
            Err(refusal) => Err(refusal),
        }
    }

    /// Copies the object onto itself with `attributes`, unless it isn't the one of `etag` any more.
    ///
    /// # Errors
    /// Where it isn't, or S3 refuses or doesn't answer.
    pub async fn copy_object_in_place(
        &self,
        key: &str,
        etag: &HeaderValue,
        attributes: &SignedRequestHeaderList,
    ) -> Result<(), S3RequestError> {
        let path = self.object_url_path(key);
        let mut headers = SignedRequestHeaderList::with_capacity(attributes.len() + 12);
        headers.extend_from_slice(attributes);
        headers
            .push(new_http_header_with_static_name("x-amz-copy-source", self.build_copy_source_header(key)?));
        headers.push(new_http_header_with_static_name("x-amz-copy-source-if-match", etag.clone()));
        headers.push((http::header::IF_MATCH, etag.clone()));
        headers.push(new_http_header_with_static_name(
            "x-amz-metadata-directive",
            HeaderValue::from_static("REPLACE"),
        ));
        headers.push(new_http_header_with_static_name(
            "x-amz-tagging-directive",
            HeaderValue::from_static("COPY"),
        ));
        let reply =
            self.send_s3_request(S3RequestClass::Copy, Method::PUT, &path, "", headers, Bytes::new()).await?;
        check_s3_reply_root_element(&reply, b"CopyObjectResult")?;
        self.0.copied.store(true, Relaxed);
        Ok(())
    }

    /// Returns the header's value that names an object of this bucket as a copy's source.
    ///
    /// # Errors
    /// Where the bucket's name is no header's value.
    pub(super) fn build_copy_source_header(&self, key: &str) -> Result<HeaderValue, S3RequestError> {
        let source = format!("/{}/{}", self.0.bucket, utf8_percent_encode(key, PATH_ENCODE_SET));
        HeaderValue::from_str(&source)
            .map_err(|error| S3RequestError::build_unwritable_header_error("key", &error))
    }
}

fn parse_head_reply_attributes(reply: S3Reply) -> Result<ObjectAttributes, S3RequestError> {
    ObjectAttributes::from_head_response_headers(reply.parts.headers)
        .ok_or_else(|| S3RequestError::Broken("HEAD was answered without ETag or length".to_owned()))
}

/// Checks that a success's body names the result that it should: a copy that broke in the middle answers 200 too.
///
/// # Errors
/// Where it doesn't: the reply ends in the middle.
pub(super) fn check_s3_reply_root_element(reply: &S3Reply, result: &[u8]) -> Result<(), S3RequestError> {
    if reply.body.windows(result.len()).any(|part| part == result) {
        Ok(())
    } else {
        Err(S3RequestError::Broken(CUT_REPLY.to_owned()))
    }
}

/// Whether the body's root is an error; S3 sends spaces before it while a copy takes its time.
fn is_s3_error_body(body: &[u8]) -> bool {
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
                assert!(is_s3_error_body(format!("{before}{error}").as_bytes()), "{before}{error}");
            }
        }
        for other in
            ["", "<?xml", "<Err", "<Error", "<Errors>", "<CopyObjectResult><Error></CopyObjectResult>"]
        {
            assert!(!is_s3_error_body(other.as_bytes()), "{other}");
        }
    }
}
