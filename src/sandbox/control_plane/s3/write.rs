//! Writing objects: what a put, a copy and a finished upload share, and what tests and the import place directly.
//!
//! Conditions on the destination are judged together with the write.

use http::{HeaderMap, StatusCode};
use md5::{Digest as _, Md5};
use s3s::{S3Error, S3Result, dto};

use crate::sandbox::Sandbox;

use super::{
    BucketJournalChange, SandboxAclGrant, SandboxBucket, SandboxObject, SandboxObjectEncryption,
    SandboxObjectRetention, SandboxS3Caller, SandboxStorageError, access, acl, checksums,
    find_newest_sandbox_object_version, find_stored_bucket, object, object::get_header_text, object_lock,
    refusal, tags, versions,
};

/// The storage classes that an object may be written with; what else S3 knows is for other buckets.
const WRITABLE_STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
    "REDUCED_REDUNDANCY",
];

/// Whether an object was modified after the date in a header; `None` where there is no such date, or one that is to come.
pub(super) fn is_object_modified_since(
    headers: &HeaderMap,
    name: &str,
    object: &SandboxObject,
    now: u64,
) -> Option<bool> {
    let date = dto::Timestamp::parse(dto::TimestampFormat::HttpDate, get_header_text(headers, name)?).ok()?;
    let date = u64::try_from(time::OffsetDateTime::from(date).unix_timestamp()).unwrap_or(0);
    (date <= now).then_some(date < object.modified)
}

/// Reads the whole object that a request to write describes, but for its content.
///
/// # Errors
/// Refuses headers that S3 refuses.
pub fn parse_object_from_headers(
    key: &str,
    headers: &HeaderMap,
    bucket: &SandboxBucket,
) -> S3Result<SandboxObject> {
    let canned = get_header_text(headers, "x-amz-acl");
    acl::check_canned_acl(canned)?;
    check_encryption_method(headers)?;
    let class = get_header_text(headers, "x-amz-storage-class");
    if let Some(class) = class.filter(|class| !WRITABLE_STORAGE_CLASSES.contains(class)) {
        return Err(refusal::build_bad_request_error(
            "InvalidStorageClass",
            "The storage class you specified is not valid",
            &[("StorageClassRequested", class)],
        ));
    }
    let grants = object::parse_acl_header_grants(headers);
    if !bucket.are_object_acls_enabled() && (!grants.is_empty() || canned.is_some_and(is_canned_acl_refused))
    {
        return Err(refusal::build_acls_off_error());
    }
    let mode = get_header_text(headers, "x-amz-object-lock-mode");
    let until = get_header_text(headers, "x-amz-object-lock-retain-until-date");
    let held = get_header_text(headers, "x-amz-object-lock-legal-hold") == Some("ON");
    if mode.is_some() || held {
        object_lock::require_lock_configuration(bucket)?;
    }
    object_lock::check_lock_headers(headers)?;
    Ok(SandboxObject {
        key: key.to_owned(),
        attributes: object::parse_object_attribute_headers(headers),
        storage_class: class.filter(|class| *class != "STANDARD").map(str::to_owned),
        redirect: get_header_text(headers, "x-amz-website-redirect-location").map(str::to_owned),
        tags: get_header_text(headers, "x-amz-tagging")
            .map(tags::parse_object_tagging_header)
            .transpose()?
            .unwrap_or_default(),
        encryption: resolve_sandbox_object_encryption(headers, bucket),
        legal_hold: held,
        retention: mode
            .zip(until)
            .map(|(mode, until)| SandboxObjectRetention { mode: mode.to_owned(), until: until.to_owned() }),
        grants,
        ..SandboxObject::default()
    })
}

fn check_encryption_method(headers: &HeaderMap) -> S3Result<()> {
    const HEADER: &str = "x-amz-server-side-encryption";
    match get_header_text(headers, HEADER) {
        Some(method) if !["AES256", "aws:kms", "aws:kms:dsse"].contains(&method) => {
            Err(refusal::build_invalid_argument_error(
                "The encryption method specified is not supported",
                HEADER,
                method,
            ))
        }
        _ => Ok(()),
    }
}

/// Checks that grants to everybody, or to everybody with an AWS account, may be written.
///
/// # Errors
/// Refuses them where S3 Block Public Access has BlockPublicAcls on (aws-facts section 10).
pub fn refuse_blocked_public_grants(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    action: &str,
    bucket: &str,
    (key, grants): (&str, &[SandboxAclGrant]),
) -> S3Result<()> {
    const PUBLIC_GROUPS: &str = "http://acs.amazonaws.com/groups/global/";
    let public = grants.iter().any(|grant| grant.grantee.starts_with(PUBLIC_GROUPS));
    if public && find_stored_bucket(world, bucket)?.is_public_access_setting_on(world, "BlockPublicAcls") {
        return Err(access::build_public_access_blocked_error(
            caller,
            action,
            (bucket, Some(key)),
            ("public ACLs", "BlockPublicAcls"),
        ));
    }
    Ok(())
}

/// With ACLs off, S3 still takes the one that changes nothing.
fn is_canned_acl_refused(acl: &str) -> bool {
    acl != "bucket-owner-full-control" && acl != "private"
}

fn resolve_sandbox_object_encryption(headers: &HeaderMap, bucket: &SandboxBucket) -> SandboxObjectEncryption {
    if let Some(md5) = get_header_text(headers, "x-amz-server-side-encryption-customer-key-md5") {
        return SandboxObjectEncryption::Customer { key_md5: md5.to_owned() };
    }
    match get_header_text(headers, "x-amz-server-side-encryption") {
        Some("AES256") => SandboxObjectEncryption::Managed,
        Some(kms) => SandboxObjectEncryption::Kms {
            dual: kms == "aws:kms:dsse",
            key: get_header_text(headers, "x-amz-server-side-encryption-aws-kms-key-id").map(str::to_owned),
            bucket_key: get_header_text(headers, "x-amz-server-side-encryption-bucket-key-enabled")
                == Some("true"),
        },
        None => bucket.sandbox_bucket_default_encryption(),
    }
}

/// Keeps a content; returns its name and ETag.
///
/// # Errors
/// Says why the disk doesn't keep it.
pub fn store_content_and_compute_etag(
    world: &Sandbox,
    content: &[u8],
) -> Result<(String, String), SandboxStorageError> {
    let blob = world.sandbox_in_memory_state().objects.store_object_content(content)?;
    Ok((blob, hex::encode(Md5::digest(content))))
}

/// Judges If-Match and If-None-Match of a write.
///
/// # Errors
/// Refuses a condition that S3 doesn't take, and a write whose condition doesn't hold.
pub fn check_sandbox_if_match_headers(headers: &HeaderMap, current: Option<&SandboxObject>) -> S3Result<()> {
    let (wanted, unwanted) =
        (get_header_text(headers, "if-match"), get_header_text(headers, "if-none-match"));
    let value = |name: &str| format!("We don't accept the provided value of {name} header for this API");
    match (wanted, unwanted) {
        (Some(_), Some(_)) => Err(build_unsupported_condition_error(
            "If-Match,If-None-Match",
            "Multiple conditional request headers present in the request",
        )),
        (Some("*"), None) => Err(build_unsupported_condition_error("If-Match", &value("If-Match"))),
        (None, Some(other)) if other != "*" => {
            Err(build_unsupported_condition_error("If-None-Match", &value("If-None-Match")))
        }
        (None, Some(_)) if current.is_some() => {
            Err(refusal::build_precondition_failed_error("If-None-Match"))
        }
        (Some(wanted), None) => match current {
            None => Err(refusal::build_missing_key_error()),
            Some(current) if wanted.trim_matches('"') == current.etag => Ok(()),
            Some(_) => Err(refusal::build_precondition_failed_error("If-Match")),
        },
        (None, _) => Ok(()),
    }
}

fn build_unsupported_condition_error(header: &str, why: &str) -> S3Error {
    refusal::build_s3_error_with_details(
        "NotImplemented",
        StatusCode::NOT_IMPLEMENTED,
        "A header you provided implies functionality that is not implemented",
        &[("Header", header), ("additionalMessage", why)],
    )
}

/// Puts an object where the conditions in `headers` allow it; returns it as written.
///
/// # Errors
/// Refuses a missing bucket and a condition that doesn't hold; says why the disk doesn't keep it.
pub fn put_stored_object(
    world: &Sandbox,
    bucket: &str,
    headers: &HeaderMap,
    object: SandboxObject,
) -> Result<SandboxObject, SandboxStorageError> {
    let settings = find_stored_bucket(world, bucket)?;
    world.sandbox_in_memory_state().objects.change_stored_bucket(bucket, |objects| {
        check_sandbox_if_match_headers(headers, find_newest_sandbox_object_version(objects, &object.key))?;
        let object = assign_object_version(world, &settings, object);
        Ok::<_, SandboxStorageError>((vec![BucketJournalChange::Put(Box::new(object.clone()))], object))
    })
}

/// Gives an object the id and the time that it is written with.
pub fn assign_object_version(
    world: &Sandbox,
    bucket: &SandboxBucket,
    mut object: SandboxObject,
) -> SandboxObject {
    object.version = versions::draw_version_id(bucket);
    object.modified = world.sandbox_unix_time_now().as_secs();
    object.written = fastrand::u64(1..);
    object
}

/// Places an object as its owner, for the seed, the import and tests.
///
/// # Errors
/// Gives S3's error where there is no such bucket, or the disk doesn't keep it.
pub fn place_sandbox_object(
    world: &Sandbox,
    bucket: &str,
    key: &str,
    attributes: &[(&str, &str)],
    content: &[u8],
) -> S3Result<SandboxObject> {
    let settings = find_stored_bucket(world, bucket)?;
    let headers: HeaderMap = attributes
        .iter()
        .filter_map(|(name, value)| {
            Some((http::HeaderName::try_from(*name).ok()?, http::HeaderValue::try_from(*value).ok()?))
        })
        .collect();
    let mut object = parse_object_from_headers(key, &headers, &settings)?;
    let (blob, etag) = store_content_and_compute_etag(world, content)?;
    object.blob = Some(blob);
    object.etag = etag;
    object.size = content.len() as u64;
    object.checksum = Some(checksums::compute_sandbox_object_checksum(None, content));
    Ok(put_stored_object(world, bucket, &HeaderMap::new(), object)?)
}

/// Places an object that has a size and no bytes: for what more than 5 GB needs.
///
/// # Errors
/// Gives S3's error where there is no such bucket, or the disk doesn't keep it.
pub fn seed_object_without_content(
    world: &Sandbox,
    bucket: &str,
    key: &str,
    attributes: &[(&str, &str)],
    size: u64,
) -> S3Result<SandboxObject> {
    let mut object = place_sandbox_object(world, bucket, key, attributes, b"")?;
    object.blob = None;
    object.size = size;
    object.checksum = None;
    object.etag = hex::encode(Md5::digest(format!("{key} {size}")));
    replace_sandbox_object_version(world, bucket, object)
}

/// Moves an object into another storage class, as a lifecycle rule does.
///
/// # Errors
/// Gives S3's error where there is no such object, or the disk doesn't keep it.
pub fn simulate_storage_class_transition(
    world: &Sandbox,
    bucket: &str,
    key: &str,
    class: &str,
) -> S3Result<SandboxObject> {
    modify_stored_object_in_place(world, bucket, key, |object| object.storage_class = Some(class.to_owned()))
}

/// Changes an object where it lies, as no request can: for what happens behind the API, and for tests.
///
/// # Errors
/// Gives S3's error where there is no such object, or the disk doesn't keep it.
pub fn modify_stored_object_in_place(
    world: &Sandbox,
    bucket: &str,
    key: &str,
    change: impl FnOnce(&mut SandboxObject),
) -> S3Result<SandboxObject> {
    let found = versions::read_object_version(world, bucket, key, None)?;
    let mut object = found.ok_or_else(refusal::build_missing_key_error)?;
    change(&mut object);
    replace_sandbox_object_version(world, bucket, object)
}

/// Writes a version over itself.
///
/// # Errors
/// Gives S3's error where the disk doesn't keep it.
pub fn replace_sandbox_object_version(
    world: &Sandbox,
    bucket: &str,
    object: SandboxObject,
) -> S3Result<SandboxObject> {
    let written = world.sandbox_in_memory_state().objects.change_stored_bucket(bucket, |_| {
        Ok::<_, SandboxStorageError>((vec![BucketJournalChange::Put(Box::new(object.clone()))], object))
    })?;
    Ok(written)
}
