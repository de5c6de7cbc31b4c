//! Deletion: of a key, which leaves a marker where versions are kept, of one version, and of many keys at once.

use http::{HeaderMap, StatusCode};
use s3s::{S3Result, dto};

use super::{
    BucketJournalChange, SandboxBucket, SandboxObject, SandboxS3Caller, SandboxStorageError, access,
    find_newest_sandbox_object_version,
    object::get_header_text,
    object_lock,
    refusal::{
        build_bad_request_error, build_malformed_xml_error, build_precondition_failed_error,
        build_s3_error_with_details,
    },
    versions::{draw_version_id, find_sandbox_object_version, is_version_id},
};
use crate::sandbox::Sandbox;

/// What a deletion did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxDeletion {
    /// The marker that it left, or that it took away.
    pub marker: Option<String>,
    pub version: Option<String>,
}

/// Refuses what only directory buckets know, and what only locked ones do (recorded).
///
/// # Errors
/// Names the header.
pub fn check_deletion_headers(headers: &HeaderMap, bucket: &SandboxBucket) -> S3Result<()> {
    let unknown = ["x-amz-if-match-last-modified-time", "x-amz-if-match-size"];
    if let Some(name) = unknown.into_iter().find(|name| headers.contains_key(*name)) {
        return Err(build_s3_error_with_details(
            "NotImplemented",
            StatusCode::NOT_IMPLEMENTED,
            "A header you provided implies functionality that is not implemented",
            &[("Header", name)],
        ));
    }
    let bypass = "x-amz-bypass-governance-retention";
    if headers.contains_key(bypass) && !bucket.has_sandbox_bucket_setting_text("object-lock", "Enabled") {
        return Err(build_bad_request_error(
            "InvalidArgument",
            "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.",
            &[("ArgumentName", bypass)],
        ));
    }
    Ok(())
}

/// Deletes a key, or one version of it.
///
/// # Errors
/// Says why the disk doesn't keep it.
pub fn delete_stored_object(
    world: &Sandbox,
    settings: &SandboxBucket,
    bucket: &str,
    (key, version): (&str, Option<&str>),
    headers: &HeaderMap,
) -> S3Result<SandboxDeletion> {
    let now = world.sandbox_unix_time_now().as_secs();
    let done = world.sandbox_in_memory_state().objects.change_stored_bucket(bucket, |objects| {
        let current = find_newest_sandbox_object_version(objects, key);
        if let Some(wanted) = get_header_text(headers, "if-match")
            && current.is_none_or(|current| wanted != "*" && wanted.trim_matches('"') != current.etag)
        {
            return Err(SandboxStorageError::from(build_precondition_failed_error("If-Match")));
        }
        if let Some(version) = version {
            let there = find_sandbox_object_version(objects, key, Some(version));
            if there.is_some_and(|one| object_lock::is_version_locked(one, headers, now)) {
                return Err(SandboxStorageError::from(object_lock::build_locked_object_error()));
            }
            let marker = there.is_some_and(|one| one.marker);
            let done = SandboxDeletion {
                marker: marker.then(|| version.to_owned()),
                version: Some(version.to_owned()),
            };
            let change = BucketJournalChange::Forget { key: key.to_owned(), version: version.to_owned() };
            return Ok((vec![change], done));
        }
        if !settings.has_bucket_had_versions() {
            let change = BucketJournalChange::Forget { key: key.to_owned(), version: "null".to_owned() };
            return Ok((vec![change], SandboxDeletion::default()));
        }
        let id = draw_version_id(settings);
        let marker = SandboxObject {
            key: key.to_owned(),
            version: id.clone(),
            marker: true,
            modified: now,
            written: fastrand::u64(1..),
            ..SandboxObject::default()
        };
        let done = SandboxDeletion { marker: Some(id.clone()), version: Some(id) };
        Ok((vec![BucketJournalChange::Put(Box::new(marker))], done))
    })?;
    Ok(done)
}

/// Deletes what a list names, each by itself.
///
/// # Errors
/// Says why the disk doesn't keep it.
pub fn delete_listed_objects(
    world: &Sandbox,
    settings: &SandboxBucket,
    bucket: &str,
    (caller, headers): (&SandboxS3Caller, &HeaderMap),
    list: dto::Delete,
) -> S3Result<dto::DeleteObjectsOutput> {
    if list.objects.is_empty() || list.objects.len() > 1000 {
        return Err(build_malformed_xml_error());
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for one in list.objects {
        if one.version_id.as_deref().is_some_and(|version| !is_version_id(version)) {
            errors.push(dto::Error {
                code: Some("NoSuchVersion".to_owned()),
                key: Some(one.key),
                message: Some("The specified version does not exist.".to_owned()),
                version_id: one.version_id,
            });
            continue;
        }
        let action = access::iam_action_for_s3_operation("DeleteObject", one.version_id.is_some());
        if !access::is_s3_action_authorized(world, caller, &action, bucket, Some(&one.key)) {
            errors.push(dto::Error {
                code: Some("AccessDenied".to_owned()),
                key: Some(one.key),
                message: Some("Access Denied".to_owned()),
                version_id: one.version_id,
            });
            continue;
        }
        let named = (one.key.as_str(), one.version_id.as_deref());
        let done = match delete_stored_object(world, settings, bucket, named, headers) {
            Ok(done) => done,
            Err(error) if error.code().as_str() == "AccessDenied" => {
                errors.push(dto::Error {
                    code: Some("AccessDenied".to_owned()),
                    key: Some(one.key),
                    message: error.message().map(str::to_owned),
                    version_id: one.version_id,
                });
                continue;
            }
            Err(error) => return Err(error),
        };
        deleted.push(dto::DeletedObject {
            delete_marker: done.marker.is_some().then_some(true),
            delete_marker_version_id: done.marker,
            key: Some(one.key),
            version_id: one.version_id,
        });
    }
    let quiet = list.quiet == Some(true);
    Ok(dto::DeleteObjectsOutput {
        deleted: Some(deleted).filter(|deleted| !quiet && !deleted.is_empty()),
        errors: Some(errors).filter(|errors| !errors.is_empty()),
        ..Default::default()
    })
}
