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

use crate::aws::s3::fast::Objects;

pub const GRANTS: &str = "<Grant><Grantee><ID>me</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>";

#[derive(Debug, Clone, Default)]
pub struct Object {
    pub headers: HeaderMap,
    pub size: u64,
    pub etag: String,
    pub tags: String,
    pub acl: String,
    pub writes: u32,
}

/// One request, as it arrived.
#[derive(Debug)]
pub struct Call {
    pub method: String,
    pub key: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

type Script = Box<dyn FnMut(&Call, &mut World) -> Option<(u16, String)> + Send>;

#[derive(Default)]
pub struct World {
    pub objects: BTreeMap<String, Object>,
    pub calls: BTreeMap<String, u64>,
    pub uploads: BTreeMap<String, (String, Object, Vec<String>)>,
    pub aborted: u64,
    /// What HEAD shows to who may not read tags: not how many there are.
    pub tags_hidden: bool,
}

struct Shared {
    world: Mutex<World>,
    script: Mutex<Script>,
    latency: Duration,
}

#[derive(Clone)]
pub struct Fake(Arc<Shared>);

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

pub fn error(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>{code}.</Message></Error>")
}

pub fn package(headers: &[(&'static str, &str)]) -> Object {
    let pairs = headers.iter().map(|(name, value)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    let acl = GRANTS.to_owned();
    Object { headers: pairs.collect(), size: 10, etag: "\"e0\"".to_owned(), acl, ..Object::default() }
}

impl Fake {
    pub fn new() -> Self {
        Self::scripted(|_, _| None)
    }

    /// `script` sees every call first; what it returns is the reply.
    pub fn scripted(script: impl FnMut(&Call, &mut World) -> Option<(u16, String)> + Send + 'static) -> Self {
        Self(Arc::new(Shared {
            world: Mutex::default(),
            script: Mutex::new(Box::new(script)),
            latency: Duration::from_millis(20),
        }))
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap()
    }

    pub fn put(&self, key: &str, object: Object) {
        self.world().objects.insert(key.to_owned(), object);
    }

    pub fn packages(&self, count: usize) {
        for number in 0..count {
            self.put(
                &format!("7/{}/debian/package_files/{number}.deb", 8 + number % 7),
                package(&[("content-type", "x/y")]),
            );
        }
    }

    pub fn calls(&self, kind: &str) -> u64 {
        self.world().calls.get(kind).copied().unwrap_or(0)
    }

    pub fn objects(&self, credentials: SharedCredentialsProvider) -> Objects {
        let config = SdkConfig::builder()
            .region(Region::new("us-east-1"))
            .endpoint_url("http://s3.test")
            .credentials_provider(credentials)
            .build();
        Objects::new(&config, "b", Some(SharedHttpConnector::new(self.clone()))).unwrap()
    }

    pub fn s3(&self) -> Objects {
        self.objects(SharedCredentialsProvider::new(Credentials::new("AKIA", "secret", None, None, "test")))
    }

    fn answer(&self, call: &Call) -> (u16, HeaderMap, String) {
        let mut world = self.world();
        if let Some((status, body)) = (self.0.script.lock().unwrap())(call, &mut world) {
            return (status, HeaderMap::new(), body);
        }
        let kind = kind(call);
        *world.calls.entry(kind.to_owned()).or_default() += 1;
        world.act(kind, call)
    }
}

pub fn kind(call: &Call) -> &'static str {
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

fn refused(status: u16, code: &str) -> (u16, HeaderMap, String) {
    (status, HeaderMap::new(), error(code))
}

fn said(body: String) -> (u16, HeaderMap, String) {
    (200, HeaderMap::new(), body)
}

/// The attributes that a write with `headers` leaves, and those alone.
fn written(headers: &HeaderMap, before: &Object, round: u32) -> Object {
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
    let mut object =
        Object { acl: GRANTS.to_owned(), headers: HeaderMap::new(), writes: round, ..before.clone() };
    for (name, value) in headers.iter().filter(|(name, _)| kept(name.as_str())) {
        object.headers.append(name, value.clone());
    }
    if headers.get("x-amz-acl").is_some_and(|acl| acl == "public-read") {
        object.acl = format!(
            "{GRANTS}<Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>"
        );
    }
    object
}

impl World {
    fn act(&mut self, kind: &str, call: &Call) -> (u16, HeaderMap, String) {
        let parameter = |name: &str| {
            let value = call
                .query
                .split('&')
                .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
                .unwrap_or_default();
            percent_decode_str(value).decode_utf8().unwrap().into_owned()
        };
        match kind {
            "list" => {
                return said(self.list(
                    &parameter("prefix"),
                    &parameter("start-after"),
                    call.query.contains("delimiter"),
                ));
            }
            "ownership" => return refused(404, "OwnershipControlsNotFoundError"),
            "abort" => {
                self.aborted += 1;
                self.uploads.remove(&parameter("uploadId"));
                return (204, HeaderMap::new(), String::new());
            }
            _ => {}
        }
        let Some(object) = self.objects.get_mut(&call.key) else {
            return if kind == "head" {
                (404, HeaderMap::new(), String::new())
            } else {
                refused(404, "NoSuchKey")
            };
        };
        let condition =
            |name: &str| call.headers.get(name).is_none_or(|etag| etag.as_bytes() == object.etag.as_bytes());
        if !condition("if-match") || !condition("x-amz-copy-source-if-match") {
            return refused(412, "PreconditionFailed");
        }
        match kind {
            "head" => {
                let mut headers = object.headers.clone();
                headers.insert("etag", HeaderValue::from_str(&object.etag).unwrap());
                headers.insert("content-length", object.size.into());
                if !object.tags.is_empty() && !self.tags_hidden {
                    headers.insert("x-amz-tagging-count", object.tags.split('&').count().into());
                }
                (200, headers, String::new())
            }
            "acl" => said(format!(
                "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>{}</AccessControlList></AccessControlPolicy>",
                object.acl
            )),
            "tagging" => {
                let tag = |tag: &str| {
                    let (key, value) = tag.split_once('=').unwrap();
                    format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
                };
                said(format!(
                    "<Tagging><TagSet>{}</TagSet></Tagging>",
                    object.tags.split('&').filter(|tag| !tag.is_empty()).map(tag).collect::<String>()
                ))
            }
            "copy" if object.size > 5 << 30 => refused(400, "InvalidRequest"),
            "copy" => {
                assert_eq!(call.headers["x-amz-metadata-directive"], "REPLACE");
                let source = percent_decode_str(call.headers["x-amz-copy-source"].to_str().unwrap())
                    .decode_utf8()
                    .unwrap();
                assert_eq!(source, format!("/b/{}", call.key));
                *object = written(&call.headers, object, object.writes + 1);
                said("<CopyObjectResult><ETag>\"e0\"</ETag></CopyObjectResult>".to_owned())
            }
            "begin" => {
                let mut begun = written(&call.headers, object, object.writes + 1);
                begun.tags = call
                    .headers
                    .get("x-amz-tagging")
                    .map(|tags| tags.to_str().unwrap().to_owned())
                    .unwrap_or_default();
                let id = format!("upload/{}", self.uploads.len());
                self.uploads.insert(id.clone(), (call.key.clone(), begun, Vec::new()));
                said(format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            "part" => {
                let range = call.headers["x-amz-copy-source-range"].to_str().unwrap().to_owned();
                self.uploads.get_mut(&parameter("uploadId")).unwrap().2.push(range);
                said("<CopyPartResult><ETag>\"p\"</ETag></CopyPartResult>".to_owned())
            }
            "complete" => {
                let (key, mut whole, parts) = self.uploads.remove(&parameter("uploadId")).unwrap();
                assert_eq!(call.body.matches("<PartNumber>").count(), parts.len());
                whole.etag = format!("\"e-{}\"", parts.len());
                self.objects.insert(key, whole);
                said("<CompleteMultipartUploadResult/>".to_owned())
            }
            _ => said("x".to_owned()),
        }
    }

    fn list(&self, prefix: &str, after: &str, folders: bool) -> String {
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

impl HttpConnector for Fake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fake = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(fake.0.latency).await;
            let request = request.try_into_http1x().unwrap();
            let path = percent_decode_str(request.uri().path()).decode_utf8().unwrap().into_owned();
            let call = Call {
                method: request.method().to_string(),
                key: path.strip_prefix("/b/").unwrap_or_default().to_owned(),
                query: request.uri().query().unwrap_or_default().to_owned(),
                headers: request.headers().clone(),
                body: String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned(),
            };
            let (status, headers, body) = fake.answer(&call);
            let mut reply = Response::new(SdkBody::from(body));
            *reply.status_mut() = http::StatusCode::from_u16(status).unwrap();
            *reply.headers_mut() = headers;
            Ok(HttpResponse::try_from(reply).unwrap())
        })
    }
}
