//! Which operation an S3 request is: S3 has no field for it, so the method, the place and the query say it together.

use bytes::Bytes;
use http::{Method, Request};

/// The subresources of a bucket, with the operation that reads each and the one that puts it.
const BUCKET_SUBRESOURCES: [(&str, &str, &str); 14] = [
    ("policyStatus", "GetBucketPolicyStatus", "Unknown"),
    ("policy", "GetBucketPolicy", "PutBucketPolicy"),
    ("location", "GetBucketLocation", "Unknown"),
    ("encryption", "GetBucketEncryption", "PutBucketEncryption"),
    ("versioning", "GetBucketVersioning", "PutBucketVersioning"),
    ("tagging", "GetBucketTagging", "PutBucketTagging"),
    ("publicAccessBlock", "GetPublicAccessBlock", "PutPublicAccessBlock"),
    ("ownershipControls", "GetBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("object-lock", "GetObjectLockConfiguration", "PutObjectLockConfiguration"),
    ("requestPayment", "GetBucketRequestPayment", "PutBucketRequestPayment"),
    ("replication", "GetBucketReplication", "PutBucketReplication"),
    ("notification", "GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration"),
    ("versions", "ListObjectVersions", "Unknown"),
    ("uploads", "ListMultipartUploads", "Unknown"),
];

/// Returns the operation's name, as AWS calls it; `host` is the host that the request names.
pub fn parse_s3_operation_name(request: &Request<Bytes>, host: &str) -> &'static str {
    let in_host = host.contains(".s3.") || host.contains(".s3-");
    let path = request.uri().path().trim_start_matches('/');
    let (bucket, key) = if in_host {
        (true, !path.is_empty())
    } else {
        (!path.is_empty(), path.split_once('/').is_some_and(|(_, key)| !key.is_empty()))
    };
    let query = request.uri().query().unwrap_or_default();
    let asks = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    if !bucket {
        return if request.method() == Method::GET { "ListBuckets" } else { "Unknown" };
    }
    if key {
        let copies = request.headers().contains_key("x-amz-copy-source");
        identify_s3_object_operation(request.method(), copies, asks)
    } else {
        parse_bucket_operation_name(request.method(), asks)
    }
}

fn parse_bucket_operation_name(method: &Method, asks: impl Fn(&str) -> bool) -> &'static str {
    if let Some((_, got, set)) = BUCKET_SUBRESOURCES.iter().find(|(name, ..)| asks(name)) {
        return if method == Method::PUT { set } else { got };
    }
    match method.as_str() {
        "GET" if asks("list-type") => "ListObjectsV2",
        "GET" => "ListObjects",
        "HEAD" => "HeadBucket",
        "PUT" => "CreateBucket",
        _ => "Unknown",
    }
}

fn identify_s3_object_operation(method: &Method, copies: bool, asks: impl Fn(&str) -> bool) -> &'static str {
    match method.as_str() {
        "GET" if asks("acl") => "GetObjectAcl",
        "PUT" if asks("acl") => "PutObjectAcl",
        "GET" if asks("tagging") => "GetObjectTagging",
        "GET" if asks("attributes") => "GetObjectAttributes",
        "GET" if asks("uploadId") => "ListParts",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if asks("tagging") => "PutObjectTagging",
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
}
