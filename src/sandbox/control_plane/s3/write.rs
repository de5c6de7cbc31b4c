//! Writing objects: what a put, a copy and a finished upload share, and what tests and the import place directly.
//!
//! Conditions on the destination are judged together with the write.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::{S3Error, S3ErrorCode, S3Result, checksum::ChecksumHasher, dto};

use crate::sandbox::World;

use super::{
    Bucket, Change, Encryption, Object, Retention, Trouble, bucket_named, newest,
    object::{self, Checksum},
};

/// The checksum algorithms, by their name in headers.
const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

pub fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The whole object that a request to write describes, but for its content.
pub fn described(key: &str, headers: &HeaderMap, bucket: &Bucket) -> S3Result<Object> {
    let grants = object::grants(headers);
    if !bucket.has_acls() && (!grants.is_empty() || text(headers, "x-amz-acl").is_some_and(refused_acl)) {
        return Err(S3Error::with_message(
            S3ErrorCode::AccessControlListNotSupported,
            "The bucket does not allow ACLs",
        ));
    }
    let mode = text(headers, "x-amz-object-lock-mode");
    let until = text(headers, "x-amz-object-lock-retain-until-date");
    let held = text(headers, "x-amz-object-lock-legal-hold") == Some("ON");
    if (mode.is_some() || held) && !bucket.says("object-lock", "Enabled") {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "Bucket is missing Object Lock Configuration",
        ));
    }
    Ok(Object {
        key: key.to_owned(),
        attributes: object::attributes(headers),
        storage_class: text(headers, "x-amz-storage-class")
            .filter(|class| *class != "STANDARD")
            .map(str::to_owned),
        redirect: text(headers, "x-amz-website-redirect-location").map(str::to_owned),
        tags: text(headers, "x-amz-tagging").map(object::tags).unwrap_or_default(),
        encryption: encryption(headers, bucket),
        legal_hold: held,
        retention: mode
            .zip(until)
            .map(|(mode, until)| Retention { mode: mode.to_owned(), until: until.to_owned() }),
        grants,
        ..Object::default()
    })
}

/// With ACLs off, S3 still takes the one that changes nothing.
fn refused_acl(acl: &str) -> bool {
    acl != "bucket-owner-full-control" && acl != "private"
}

fn encryption(headers: &HeaderMap, bucket: &Bucket) -> Encryption {
    if let Some(md5) = text(headers, "x-amz-server-side-encryption-customer-key-md5") {
        return Encryption::Customer { key_md5: md5.to_owned() };
    }
    match text(headers, "x-amz-server-side-encryption") {
        Some("AES256") => Encryption::Managed,
        Some(kms) => Encryption::Kms {
            dual: kms == "aws:kms:dsse",
            key: text(headers, "x-amz-server-side-encryption-aws-kms-key-id").map(str::to_owned),
            bucket_key: text(headers, "x-amz-server-side-encryption-bucket-key-enabled") == Some("true"),
        },
        None => bucket.encryption(),
    }
}

/// The algorithm that a request asks for, in upper case.
pub fn algorithm(headers: &HeaderMap, trailers: &HeaderMap) -> Option<String> {
    ["x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm"]
        .iter()
        .find_map(|name| text(headers, name))
        .map(str::to_uppercase)
        .or_else(|| {
            ALGORITHMS
                .iter()
                .find(|name| {
                    let header = format!("x-amz-checksum-{name}");
                    headers.contains_key(&header) || trailers.contains_key(&header)
                })
                .map(|name| name.to_uppercase())
        })
}

/// The checksum of a content; S3 takes CRC64NVME where none is asked for.
pub fn checksum(algorithm: Option<&str>, content: &[u8]) -> Checksum {
    let algorithm = algorithm.unwrap_or("CRC64NVME").to_owned();
    let mut hasher = ChecksumHasher::default();
    match algorithm.as_str() {
        "CRC32" => hasher.crc32 = Some(s3s::crypto::Crc32::default()),
        "CRC32C" => hasher.crc32c = Some(s3s::crypto::Crc32c::default()),
        "SHA1" => hasher.sha1 = Some(s3s::crypto::Sha1::default()),
        "SHA256" => hasher.sha256 = Some(s3s::crypto::Sha256::default()),
        _ => hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::default()),
    }
    hasher.update(content);
    let found: dto::Checksum = hasher.finalize();
    let value = found
        .checksum_crc32
        .or(found.checksum_crc32c)
        .or(found.checksum_sha1)
        .or(found.checksum_sha256)
        .or(found.checksum_crc64nvme);
    Checksum { algorithm, value }
}

/// Refuses a content that isn't what its sender says.
pub fn verified(headers: &HeaderMap, trailers: &HeaderMap, content: &[u8]) -> S3Result<Checksum> {
    let asked = algorithm(headers, trailers);
    let found = checksum(asked.as_deref(), content);
    let name = format!("x-amz-checksum-{}", found.algorithm.to_lowercase());
    let sent = text(headers, &name).or_else(|| text(trailers, &name));
    if sent.is_some_and(|sent| Some(sent) != found.value.as_deref()) {
        return Err(S3Error::with_message(
            S3ErrorCode::BadDigest,
            format!("The {} you specified did not match what we received.", found.algorithm),
        ));
    }
    if text(headers, "content-md5").is_some_and(|sent| sent != STANDARD.encode(Md5::digest(content))) {
        return Err(S3Error::with_message(
            S3ErrorCode::BadDigest,
            "The Content-MD5 you specified did not match what we received.",
        ));
    }
    Ok(found)
}

/// The content's name and ETag.
pub fn kept(world: &World, content: &[u8]) -> Result<(String, String), Trouble> {
    let blob = world.memory().objects.keep(content)?;
    Ok((blob, hex::encode(Md5::digest(content))))
}

/// Judges If-Match and If-None-Match of a write.
pub fn conditions(headers: &HeaderMap, current: Option<&Object>) -> S3Result<()> {
    let failed = || {
        S3Error::with_message(
            S3ErrorCode::PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold",
        )
    };
    if let Some(wanted) = text(headers, "if-match") {
        let Some(current) = current else {
            return Err(S3Error::with_message(S3ErrorCode::NoSuchKey, "The specified key does not exist."));
        };
        if wanted.trim_matches('"') != current.etag {
            return Err(failed());
        }
    }
    if text(headers, "if-none-match") == Some("*") && current.is_some() {
        return Err(failed());
    }
    Ok(())
}

/// Puts an object where `conditions` of the request allow it; gives it as written.
pub fn put(world: &World, bucket: &str, headers: &HeaderMap, object: Object) -> Result<Object, Trouble> {
    let settings = bucket_named(world, bucket)?;
    world.memory().objects.change(bucket, |objects| {
        conditions(headers, newest(objects, &object.key))?;
        let object = versioned(world, &settings, object);
        Ok::<_, Trouble>((vec![Change::Put(Box::new(object.clone()))], object))
    })
}

/// The object with the id and the time that it is written with.
pub fn versioned(world: &World, bucket: &Bucket, mut object: Object) -> Object {
    object.version =
        if bucket.versioned() { format!("{:032x}", fastrand::u128(..)) } else { "null".to_owned() };
    object.modified = world.now().as_secs();
    object
}

/// Places an object as its owner, for the seed, the import and tests.
pub fn place(
    world: &World,
    bucket: &str,
    key: &str,
    attributes: &[(&str, &str)],
    content: &[u8],
) -> S3Result<Object> {
    let settings = bucket_named(world, bucket)?;
    let headers: HeaderMap = attributes
        .iter()
        .filter_map(|(name, value)| {
            Some((http::HeaderName::try_from(*name).ok()?, http::HeaderValue::try_from(*value).ok()?))
        })
        .collect();
    let mut object = described(key, &headers, &settings)?;
    let (blob, etag) = kept(world, content)?;
    object.blob = Some(blob);
    object.etag = etag;
    object.size = content.len() as u64;
    object.checksum = Some(checksum(None, content));
    Ok(put(world, bucket, &HeaderMap::new(), object)?)
}

/// Places an object that has a size and no bytes: for what more than 5 GB needs.
pub fn hollow(
    world: &World,
    bucket: &str,
    key: &str,
    attributes: &[(&str, &str)],
    size: u64,
) -> S3Result<Object> {
    let mut object = place(world, bucket, key, attributes, b"")?;
    object.blob = None;
    object.size = size;
    object.checksum = None;
    object.etag = hex::encode(Md5::digest(format!("{key} {size}")));
    rewrite(world, bucket, object)
}

/// Moves an object into another storage class, as a lifecycle rule does.
pub fn archive(world: &World, bucket: &str, key: &str, class: &str) -> S3Result<Object> {
    amend(world, bucket, key, |object| object.storage_class = Some(class.to_owned()))
}

/// Changes an object where it lies, as no request can: for what happens behind the API, and for tests.
pub fn amend(world: &World, bucket: &str, key: &str, change: impl FnOnce(&mut Object)) -> S3Result<Object> {
    let found = world
        .memory()
        .objects
        .read(bucket, |objects| newest(objects, key).cloned())
        .map_err(Trouble::from)?;
    let mut object = found
        .ok_or_else(|| S3Error::with_message(S3ErrorCode::NoSuchKey, "The specified key does not exist."))?;
    change(&mut object);
    rewrite(world, bucket, object)
}

/// Writes a version over itself.
pub fn rewrite(world: &World, bucket: &str, object: Object) -> S3Result<Object> {
    let written = world
        .memory()
        .objects
        .change(bucket, |_| Ok::<_, Trouble>((vec![Change::Put(Box::new(object.clone()))], object)))?;
    Ok(written)
}
