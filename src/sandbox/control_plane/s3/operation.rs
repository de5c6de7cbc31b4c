//! Which operation an S3 request is: S3 has no field for it, so the method, the place and the query say it together.

use bytes::Bytes;
use http::{Method, Request};

use super::request_parts::{has_query_parameter, parse_bucket_and_key};

/// The subresources of a bucket: what the query names, what AWS's operations call it, and whether `Configuration` follows
/// where it is read and put.
const BUCKET_SUBRESOURCES: [(&str, &str, bool); 23] = [
    ("policyStatus", "BucketPolicyStatus", false),
    ("policy", "BucketPolicy", false),
    ("location", "BucketLocation", false),
    ("encryption", "BucketEncryption", false),
    ("versioning", "BucketVersioning", false),
    ("tagging", "BucketTagging", false),
    ("publicAccessBlock", "PublicAccessBlock", false),
    ("ownershipControls", "BucketOwnershipControls", false),
    ("object-lock", "ObjectLockConfiguration", false),
    ("requestPayment", "BucketRequestPayment", false),
    ("replication", "BucketReplication", false),
    ("notification", "BucketNotification", true),
    ("lifecycle", "BucketLifecycle", true),
    ("accelerate", "BucketAccelerate", true),
    ("acl", "BucketAcl", false),
    ("cors", "BucketCors", false),
    ("logging", "BucketLogging", false),
    ("website", "BucketWebsite", false),
    ("analytics", "BucketAnalytics", true),
    ("inventory", "BucketInventory", true),
    ("metrics", "BucketMetrics", true),
    ("intelligent-tiering", "BucketIntelligentTiering", true),
    ("metadataConfiguration", "BucketMetadata", true),
];

/// The subresources of an object: what the query names, what AWS's operations call it, and the methods that it has.
const OBJECT_SUBRESOURCES: [(&str, &str, &[&str]); 6] = [
    ("acl", "ObjectAcl", &["GET", "PUT"]),
    ("tagging", "ObjectTagging", &["GET", "PUT", "DELETE"]),
    ("attributes", "ObjectAttributes", &["GET"]),
    ("legal-hold", "ObjectLegalHold", &["GET", "PUT"]),
    ("retention", "ObjectRetention", &["GET", "PUT"]),
    ("torrent", "ObjectTorrent", &["GET"]),
];

/// Returns the operation's name, as AWS calls it; `host` is the host that the request names.
pub fn parse_s3_operation_name(request: &Request<Bytes>, host: &str) -> String {
    let (bucket, key) = parse_bucket_and_key(host, request.uri().path());
    let query = request.uri().query().unwrap_or_default();
    let asks = |name: &str| has_query_parameter(query, name);
    if bucket.is_empty() {
        return if request.method() == Method::GET { "ListBuckets" } else { "Unknown" }.to_owned();
    }
    if key.is_empty() {
        return parse_bucket_operation_name(request.method(), asks);
    }
    let copies = request.headers().contains_key("x-amz-copy-source");
    parse_object_operation_name(request.method(), copies, asks)
}

fn parse_bucket_operation_name(method: &Method, asks: impl Fn(&str) -> bool) -> String {
    if let Some((_, noun, configured)) = BUCKET_SUBRESOURCES.iter().find(|(name, ..)| asks(name)) {
        let tail = if *configured && method != Method::DELETE { "Configuration" } else { "" };
        return format!("{}{noun}{tail}", find_subresource_verb(method));
    }
    match method.as_str() {
        "GET" if asks("versions") => "ListObjectVersions",
        "GET" if asks("uploads") => "ListMultipartUploads",
        "GET" if asks("list-type") => "ListObjectsV2",
        "GET" => "ListObjects",
        "HEAD" => "HeadBucket",
        "PUT" => "CreateBucket",
        "DELETE" => "DeleteBucket",
        "POST" if asks("delete") => "DeleteObjects",
        "POST" => "PostObject",
        _ => "Unknown",
    }
    .to_owned()
}

fn find_subresource_verb(method: &Method) -> &'static str {
    match method.as_str() {
        "PUT" => "Put",
        "DELETE" => "Delete",
        _ => "Get",
    }
}

fn parse_object_operation_name(method: &Method, copies: bool, asks: impl Fn(&str) -> bool) -> String {
    let mut subresources = OBJECT_SUBRESOURCES.iter();
    if let Some((_, noun, _)) =
        subresources.find(|(name, _, methods)| asks(name) && methods.contains(&method.as_str()))
    {
        return format!("{}{noun}", find_subresource_verb(method));
    }
    match method.as_str() {
        "POST" if asks("restore") => "RestoreObject",
        "POST" if asks("select") => "SelectObjectContent",
        "GET" if asks("uploadId") => "ListParts",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if asks("uploadId") && copies => "UploadPartCopy",
        "PUT" if asks("uploadId") => "UploadPart",
        "PUT" if copies => "CopyObject",
        "PUT" => "PutObject",
        "POST" if asks("uploads") => "CreateMultipartUpload",
        "POST" if asks("uploadId") => "CompleteMultipartUpload",
        "DELETE" if asks("uploadId") => "AbortMultipartUpload",
        "DELETE" => "DeleteObject",
        _ => "Unknown",
    }
    .to_owned()
}
