//! A small S3 behind the connector, for the reindex's tests: it loses on a copy what S3 loses, and misbehaves on demand.
//!
//! A copy keeps bytes and tags alone; every attribute that survives was said again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_config::{Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::aws::s3::fast::S3ObjectClient;

pub const OWNER_GRANT_XML: &str =
    "<Grant><Grantee><ID>me</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>";

#[derive(Debug, Clone, Default)]
pub struct FakeObject {
    pub headers: HeaderMap,
    pub size: u64,
    pub etag: String,
    pub tags: String,
    pub acl: String,
    pub writes: u32,
}

/// One request, as it arrived.
#[derive(Debug)]
pub struct FakeS3Request {
    pub method: String,
    pub key: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

type ReplyScript = Box<dyn FnMut(&FakeS3Request, &mut FakeBucket) -> Option<(u16, String)> + Send>;

#[derive(Default)]
pub struct FakeBucket {
    pub objects: BTreeMap<String, FakeObject>,
    pub calls: BTreeMap<String, u64>,
    pub uploads: BTreeMap<String, (String, FakeObject, Vec<String>)>,
    pub aborted: u64,
    /// What HEAD shows to who may not read tags: not how many there are.
    pub tags_hidden: bool,
}

struct FakeS3Inner {
    bucket: Mutex<FakeBucket>,
    script: Mutex<ReplyScript>,
    latency: Duration,
}

#[derive(Clone)]
pub struct FakeS3(Arc<FakeS3Inner>);

impl std::fmt::Debug for FakeS3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

pub fn error_xml(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>{code}.</Message></Error>")
}

pub fn sample_package(headers: &[(&'static str, &str)]) -> FakeObject {
    let pairs = headers.iter().map(|(name, value)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    let acl = OWNER_GRANT_XML.to_owned();
    FakeObject { headers: pairs.collect(), size: 10, etag: "\"e0\"".to_owned(), acl, ..FakeObject::default() }
}

impl FakeS3 {
    pub fn new() -> Self {
        Self::with_script(|_, _| None)
    }

    /// `script` sees every call first; what it returns is the reply.
    pub fn with_script(
        script: impl FnMut(&FakeS3Request, &mut FakeBucket) -> Option<(u16, String)> + Send + 'static,
    ) -> Self {
        Self(Arc::new(FakeS3Inner {
            bucket: Mutex::default(),
            script: Mutex::new(Box::new(script)),
            latency: Duration::from_millis(20),
        }))
    }

    pub fn lock_bucket(&self) -> MutexGuard<'_, FakeBucket> {
        self.0.bucket.lock().unwrap()
    }

    pub fn put_object(&self, key: &str, object: FakeObject) {
        self.lock_bucket().objects.insert(key.to_owned(), object);
    }

    pub fn put_packages(&self, count: usize) {
        for number in 0..count {
            self.put_object(
                &format!("7/{}/debian/package_files/{number}.deb", 8 + number % 7),
                sample_package(&[("content-type", "x/y")]),
            );
        }
    }

    pub fn call_count(&self, kind: &str) -> u64 {
        self.lock_bucket().calls.get(kind).copied().unwrap_or(0)
    }

    pub fn client_with_credentials(&self, credentials: SharedCredentialsProvider) -> S3ObjectClient {
        let config =
            SdkConfig::builder().region(Region::new("us-east-1")).credentials_provider(credentials).build();
        S3ObjectClient::new(&config, "b", "http://s3.test/b/", Some(SharedHttpConnector::new(self.clone())))
            .unwrap()
    }

    pub fn new_client(&self) -> S3ObjectClient {
        self.client_with_credentials(SharedCredentialsProvider::new(Credentials::new(
            "AKIA", "secret", None, None, "test",
        )))
    }

    fn handle_request(&self, call: &FakeS3Request) -> (u16, HeaderMap, String) {
        let mut world = self.lock_bucket();
        if let Some((status, body)) = (self.0.script.lock().unwrap())(call, &mut world) {
            return (status, HeaderMap::new(), body);
        }
        let kind = operation_from_request(call);
        *world.calls.entry(kind.to_owned()).or_default() += 1;
        world.apply_operation(kind, call)
    }
}

pub fn operation_from_request(call: &FakeS3Request) -> &'static str {
    let has = |name: &str| call.query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match call.method.as_str() {
        "GET" if has("list-type") => "list",
        "GET" if has("ownershipControls") => "ownership",
        "GET" if has("acl") => "acl",
        "GET" if has("tagging") => "tagging",
        "GET" => "get",
        "HEAD" => "head",
        "PUT" if has("partNumber") => "part",
        "PUT" => "copy",
        "POST" if has("uploads") => "begin",
        "POST" => "complete",
        _ => "abort",
    }
}

fn error_reply(status: u16, code: &str) -> (u16, HeaderMap, String) {
    (status, HeaderMap::new(), error_xml(code))
}

fn ok_reply(body: String) -> (u16, HeaderMap, String) {
    (200, HeaderMap::new(), body)
}

/// The attributes that a write with `headers` leaves, and those alone.
fn object_after_write(headers: &HeaderMap, before: &FakeObject, round: u32) -> FakeObject {
    let kept = |name: &str| {
        matches!(
            name,
            "content-type"
                | "content-encoding"
                | "content-language"
                | "content-disposition"
                | "expires"
                | "cache-control"
                | "x-amz-website-redirect-location"
                | "x-amz-storage-class"
        ) || ["x-amz-meta-", "x-amz-object-lock-", "x-amz-server-side-encryption"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let mut object = FakeObject {
        acl: OWNER_GRANT_XML.to_owned(),
        headers: HeaderMap::new(),
        writes: round,
        ..before.clone()
    };
    for (name, value) in headers.iter().filter(|(name, _)| kept(name.as_str())) {
        object.headers.append(name, value.clone());
    }
    if headers.get("x-amz-acl").is_some_and(|acl| acl == "public-read") {
        object.acl = format!(
            "{OWNER_GRANT_XML}<Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>"
        );
    }
    object
}

impl FakeS3Request {
    /// A parameter of the query, decoded; empty where it isn't there.
    fn find_parameter(&self, name: &str) -> String {
        let value = self.query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        percent_decode_str(value.unwrap_or_default()).decode_utf8().unwrap().into_owned()
    }
}

impl FakeObject {
    fn render_head(&self, are_tags_hidden: bool) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert("etag", HeaderValue::from_str(&self.etag).unwrap());
        headers.insert("content-length", self.size.into());
        if !self.tags.is_empty() && !are_tags_hidden {
            headers.insert("x-amz-tagging-count", self.tags.split('&').count().into());
        }
        headers
    }

    fn render_acl_xml(&self) -> String {
        format!(
            "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>{}</AccessControlList></AccessControlPolicy>",
            self.acl
        )
    }

    fn render_tagging_xml(&self) -> String {
        let tag = |tag: &str| {
            let (key, value) = tag.split_once('=').unwrap();
            format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
        };
        let tags: String = self.tags.split('&').filter(|tag| !tag.is_empty()).map(tag).collect();
        format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
    }
}

impl FakeBucket {
    fn apply_operation(&mut self, kind: &str, call: &FakeS3Request) -> (u16, HeaderMap, String) {
        match kind {
            "list" => ok_reply(self.render_listing(
                &call.find_parameter("prefix"),
                &call.find_parameter("start-after"),
                call.query.contains("delimiter"),
            )),
            "ownership" => error_reply(404, "OwnershipControlsNotFoundError"),
            "abort" => {
                self.aborted += 1;
                self.uploads.remove(&call.find_parameter("uploadId"));
                (204, HeaderMap::new(), String::new())
            }
            _ => self.apply_object_operation(kind, call),
        }
    }

    fn apply_object_operation(&mut self, kind: &str, call: &FakeS3Request) -> (u16, HeaderMap, String) {
        let Some(object) = self.objects.get_mut(&call.key) else {
            return if kind == "head" {
                (404, HeaderMap::new(), String::new())
            } else {
                error_reply(404, "NoSuchKey")
            };
        };
        let condition =
            |name: &str| call.headers.get(name).is_none_or(|etag| etag.as_bytes() == object.etag.as_bytes());
        if !condition("if-match") || !condition("x-amz-copy-source-if-match") {
            return error_reply(412, "PreconditionFailed");
        }
        match kind {
            "head" => (200, object.render_head(self.tags_hidden), String::new()),
            "acl" => ok_reply(object.render_acl_xml()),
            "tagging" => ok_reply(object.render_tagging_xml()),
            "copy" if object.size > 5 << 30 => error_reply(400, "InvalidRequest"),
            "copy" => {
                assert_eq!(call.headers["x-amz-metadata-directive"], "REPLACE");
                let source = percent_decode_str(call.headers["x-amz-copy-source"].to_str().unwrap())
                    .decode_utf8()
                    .unwrap();
                assert_eq!(source, format!("/b/{}", call.key));
                *object = object_after_write(&call.headers, object, object.writes + 1);
                ok_reply("<CopyObjectResult><ETag>\"e0\"</ETag></CopyObjectResult>".to_owned())
            }
            "begin" => {
                let mut begun = object_after_write(&call.headers, object, object.writes + 1);
                begun.tags = call
                    .headers
                    .get("x-amz-tagging")
                    .map(|tags| tags.to_str().unwrap().to_owned())
                    .unwrap_or_default();
                let id = format!("upload/{}", self.uploads.len());
                self.uploads.insert(id.clone(), (call.key.clone(), begun, Vec::new()));
                ok_reply(format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            "part" => {
                let range = call.headers["x-amz-copy-source-range"].to_str().unwrap().to_owned();
                self.uploads.get_mut(&call.find_parameter("uploadId")).unwrap().2.push(range);
                ok_reply("<CopyPartResult><ETag>\"p\"</ETag></CopyPartResult>".to_owned())
            }
            "complete" => {
                let (key, mut whole, parts) = self.uploads.remove(&call.find_parameter("uploadId")).unwrap();
                assert_eq!(call.body.matches("<PartNumber>").count(), parts.len());
                whole.etag = format!("\"e-{}\"", parts.len());
                self.objects.insert(key, whole);
                ok_reply("<CompleteMultipartUploadResult/>".to_owned())
            }
            _ => ok_reply("x".to_owned()),
        }
    }

    fn render_listing(&self, prefix: &str, after: &str, folders: bool) -> String {
        let (mut body, mut count, mut more, mut last) = (String::new(), 0, false, String::new());
        let encoded = |key: &str| utf8_percent_encode(key, NON_ALPHANUMERIC).to_string().replace("%20", "+");
        let from = prefix.max(after).to_owned();
        for key in self.objects.range(from..).map(|(key, _)| key).filter(|key| key.as_str() > after) {
            if !key.starts_with(prefix) {
                break;
            }
            let folder =
                key[prefix.len()..].find('/').filter(|_| folders).map(|at| &key[..=(prefix.len() + at)]);
            if folder.is_some_and(|folder| folder == last) {
                continue;
            }
            if count == 1000 {
                more = true;
                break;
            }
            count += 1;
            if let Some(folder) = folder {
                folder.clone_into(&mut last);
                body.push_str(&format!(
                    "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>",
                    encoded(folder)
                ));
            } else {
                body.push_str(&format!("<Contents><Key>{}</Key><Size>1</Size></Contents>", encoded(key)));
            }
        }
        format!(
            "<ListBucketResult><IsTruncated>{more}</IsTruncated><EncodingType>url</EncodingType>{body}</ListBucketResult>"
        )
    }
}

impl HttpConnector for FakeS3 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fake = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(fake.0.latency).await;
            let request = request.try_into_http1x().unwrap();
            let path = percent_decode_str(request.uri().path()).decode_utf8().unwrap().into_owned();
            let call = FakeS3Request {
                method: request.method().to_string(),
                key: path.strip_prefix("/b/").unwrap_or_default().to_owned(),
                query: request.uri().query().unwrap_or_default().to_owned(),
                headers: request.headers().clone(),
                body: String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned(),
            };
            let (status, headers, body) = fake.handle_request(&call);
            let mut reply = Response::new(SdkBody::from(body));
            *reply.status_mut() = http::StatusCode::from_u16(status).unwrap();
            *reply.headers_mut() = headers;
            Ok(HttpResponse::try_from(reply).unwrap())
        })
    }
}
