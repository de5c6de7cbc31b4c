//! The operations on buckets and objects, in s3s's terms; the rules are in the modules beside.
//!
//! Attributes go in and out as headers, verbatim: nothing is lost in a type between.

use http::HeaderMap;
use http_body_util::BodyExt as _;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, dto};

use crate::sandbox::Sandbox;

use super::{
    BucketJournalChange, SandboxAclGrant, SandboxObject, SandboxObjectRetention, SandboxStorageError,
    access::authorize_caller_on_object_key,
    copy::{self, ObjectCopySource},
    find_stored_bucket, insert_sandbox_response_header, list,
    multipart::{self, SandboxUploadedPart},
    object,
    read::{
        ObjectVersionRequest, find_requested_object, get_request_s3_caller, read_stored_content_range,
        resolve_object_read,
    },
    write,
};

pub struct SandboxS3Operations(pub Sandbox);

/// Returns the canonical user id of an account.
pub fn compute_account_canonical_user_id(account: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(account))
}

fn convert_sandbox_object_etag(object: &SandboxObject) -> dto::ETag {
    dto::ETag::Strong(object.etag.clone())
}

impl SandboxS3Operations {
    fn modify_requested_object<T: ObjectVersionRequest>(
        &self,
        request: &S3Request<T>,
        change: impl FnOnce(&mut SandboxObject),
    ) -> S3Result<()> {
        let mut object = find_requested_object(&self.0, request)?;
        change(&mut object);
        write::replace_sandbox_object_version(&self.0, request.input.requested_object_version().0, object)
            .map(|_| ())
    }

    fn refuse_public_grants_of_request<T>(
        &self,
        request: &S3Request<T>,
        action: &str,
        bucket: &str,
        object: &SandboxObject,
    ) -> S3Result<()> {
        let caller = get_request_s3_caller(request);
        let granted = (object.key.as_str(), object.grants.as_slice());
        write::refuse_blocked_public_grants(&self.0, &caller, action, bucket, granted)
    }

    async fn collect_request_body(&self, body: Option<dto::StreamingBlob>) -> S3Result<bytes::Bytes> {
        let Some(body) = body else { return Ok(bytes::Bytes::new()) };
        let body = s3s::Body::from(body).collect().await.map_err(|error| {
            // A digest that doesn't fit breaks the stream off.
            let mut refusal = super::build_s3_error_with_code(
                "XAmzContentSHA256Mismatch",
                http::StatusCode::BAD_REQUEST,
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            );
            refusal.set_source(error);
            refusal
        })?;
        Ok(body.to_bytes())
    }
}

fn insert_version_id_header(headers: &mut HeaderMap, object: &SandboxObject) {
    if object.version != "null" {
        insert_sandbox_response_header(headers, "x-amz-version-id", &object.version);
    }
}

fn set_partial_content_status<T>(mut response: S3Response<T>, range: bool) -> S3Response<T> {
    if range {
        response.status = Some(http::StatusCode::PARTIAL_CONTENT);
    }
    response
}

#[async_trait::async_trait]
impl S3 for SandboxS3Operations {
    async fn list_buckets(
        &self,
        _: S3Request<dto::ListBucketsInput>,
    ) -> S3Result<S3Response<dto::ListBucketsOutput>> {
        let own = super::ACCOUNT_ID;
        let buckets = self.0.read_sandbox_state_from_disk(|state| {
            let mine = state.s3.buckets.iter().filter(|(_, bucket)| bucket.owner == own);
            mine.map(|(name, bucket)| dto::Bucket {
                name: Some(name.clone()),
                bucket_region: Some(bucket.region.clone()),
                creation_date: Some(list::unix_seconds_to_s3_timestamp(bucket.created)),
            })
            .collect()
        });
        let owner = dto::Owner { id: Some(compute_account_canonical_user_id(own)), ..dto::Owner::default() };
        Ok(S3Response::new(dto::ListBucketsOutput {
            buckets: Some(buckets),
            owner: Some(owner),
            ..Default::default()
        }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<dto::HeadBucketInput>,
    ) -> S3Result<S3Response<dto::HeadBucketOutput>> {
        let mut headers = HeaderMap::new();
        insert_sandbox_response_header(
            &mut headers,
            "x-amz-bucket-region",
            &find_stored_bucket(&self.0, &request.input.bucket)?.region,
        );
        Ok(S3Response::with_headers(dto::HeadBucketOutput::default(), headers))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<dto::ListObjectsV2Input>,
    ) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
        let input = request.input;
        let most = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or(0).min(1000);
        let after = match &input.continuation_token {
            Some(token) => list::decode_continuation_token(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let encoding = input.encoding_type.as_ref();
        let shown = |text: &Option<String>| {
            text.as_deref().map(|text| list::encode_listed_object_key(text, encoding))
        };
        let (mut contents, mut prefixes, mut next) = (Vec::new(), Vec::new(), None);
        let asked = list::SandboxListingQuery {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: &after,
            most,
        };
        self.0
            .sandbox_in_memory_state()
            .objects
            .read_sandbox_bucket_from_disk(&input.bucket, |objects| {
                let page = list::list_stored_objects(objects, &asked);
                next = page.next.filter(|_| most > 0);
                for entry in page.entries {
                    match entry {
                        list::SandboxListingEntry::Object(object) => {
                            contents.push(list::object_to_listing_entry(object, encoding));
                        }
                        list::SandboxListingEntry::Prefix(prefix) => {
                            prefixes.push(dto::CommonPrefix {
                                prefix: Some(list::encode_listed_object_key(&prefix, encoding)),
                            });
                        }
                    }
                }
            })
            .map_err(SandboxStorageError::from)?;
        Ok(S3Response::new(dto::ListObjectsV2Output {
            prefix: shown(&input.prefix),
            delimiter: shown(&input.delimiter),
            start_after: shown(&input.start_after),
            max_keys: i32::try_from(most).ok(),
            key_count: i32::try_from(contents.len() + prefixes.len()).ok(),
            is_truncated: Some(next.is_some()),
            next_continuation_token: next.as_deref().map(list::encode_continuation_token),
            continuation_token: input.continuation_token,
            contents: Some(contents),
            common_prefixes: Some(prefixes),
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..Default::default()
        }))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<dto::ListObjectVersionsInput>,
    ) -> S3Result<S3Response<dto::ListObjectVersionsOutput>> {
        let input = request.input;
        let most = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or(0).min(1000);
        let prefix = input.prefix.clone().unwrap_or_default();
        let marker = input.key_marker.clone().unwrap_or_default();
        let encoding = input.encoding_type.as_ref();
        let page = self
            .0
            .sandbox_in_memory_state()
            .objects
            .read_sandbox_bucket_from_disk(&input.bucket, |objects| {
                list::list_stored_object_versions(objects, &prefix, &marker, most, encoding)
            })
            .map_err(SandboxStorageError::from)?;
        Ok(S3Response::new(dto::ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: input.prefix,
            versions: Some(page.versions),
            delete_markers: Some(page.markers),
            is_truncated: Some(page.truncated),
            next_key_marker: page.last_key.filter(|_| page.truncated),
            max_keys: i32::try_from(most).ok(),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<dto::HeadObjectInput>,
    ) -> S3Result<S3Response<dto::HeadObjectOutput>> {
        let range = request.input.range;
        let (_, mut headers, bytes) = resolve_object_read(&self.0, &request, range)?;
        insert_sandbox_response_header(
            &mut headers,
            "content-length",
            &(bytes.end - bytes.start).to_string(),
        );
        Ok(set_partial_content_status(
            S3Response::with_headers(dto::HeadObjectOutput::default(), headers),
            range.is_some(),
        ))
    }

    async fn get_object(
        &self,
        request: S3Request<dto::GetObjectInput>,
    ) -> S3Result<S3Response<dto::GetObjectOutput>> {
        let range = request.input.range;
        let (object, headers, bytes) = resolve_object_read(&self.0, &request, range)?;
        let caller = get_request_s3_caller(&request);
        authorize_caller_on_object_key(&self.0, &caller, "kms:Decrypt", &object.encryption)?;
        if object.is_sandbox_object_archived() {
            return Err(S3Error::with_message(
                S3ErrorCode::InvalidObjectState,
                "The operation is not valid for the object's storage class",
            ));
        }
        let length = bytes.end - bytes.start;
        let content = match &object.blob {
            Some(blob) => read_stored_content_range(&self.0, blob, bytes)?,
            None if length <= 64 << 20 => vec![0; usize::try_from(length).unwrap_or(0)].into(),
            None => {
                return Err(S3Error::with_message(
                    S3ErrorCode::NotImplemented,
                    "the sandbox gives at most 64 MiB of a hollow object",
                ));
            }
        };
        let output = dto::GetObjectOutput {
            body: Some(s3s::Body::from(content).into()),
            content_length: i64::try_from(length).ok(),
            ..Default::default()
        };
        Ok(set_partial_content_status(S3Response::with_headers(output, headers), range.is_some()))
    }

    async fn put_object(
        &self,
        mut request: S3Request<dto::PutObjectInput>,
    ) -> S3Result<S3Response<dto::PutObjectOutput>> {
        let body = request.input.body.take();
        let content = self.collect_request_body(body).await?;
        let trailers =
            request.trailing_headers.as_ref().and_then(s3s::TrailingHeaders::take).unwrap_or_default();
        let bucket = find_stored_bucket(&self.0, &request.input.bucket)?;
        let mut object = write::parse_object_from_headers(&request.input.key, &request.headers, &bucket)?;
        self.refuse_public_grants_of_request(&request, "s3:PutObject", &request.input.bucket, &object)?;
        let caller = get_request_s3_caller(&request);
        authorize_caller_on_object_key(&self.0, &caller, "kms:GenerateDataKey", &object.encryption)?;
        object.checksum =
            Some(write::validate_sandbox_upload_content(&request.headers, &trailers, &content)?);
        let (blob, etag) = write::store_content_and_compute_etag(&self.0, &content)?;
        (object.size, object.blob, object.etag) = (content.len() as u64, Some(blob), etag);
        let written = write::put_stored_object(&self.0, &request.input.bucket, &request.headers, object)?;
        let mut headers = HeaderMap::new();
        insert_version_id_header(&mut headers, &written);
        Ok(S3Response::with_headers(
            dto::PutObjectOutput { e_tag: Some(convert_sandbox_object_etag(&written)), ..Default::default() },
            headers,
        ))
    }

    async fn copy_object(
        &self,
        request: S3Request<dto::CopyObjectInput>,
    ) -> S3Result<S3Response<dto::CopyObjectOutput>> {
        let input = &request.input;
        let source = ObjectCopySource::parse_object_copy_source(&input.copy_source)?;
        let (original, written) = copy::copy_stored_object(
            &self.0,
            &get_request_s3_caller(&request),
            &source,
            &input.bucket,
            &input.key,
            &request.headers,
        )?;
        let mut headers = HeaderMap::new();
        insert_version_id_header(&mut headers, &written);
        if original.version != "null" {
            insert_sandbox_response_header(&mut headers, "x-amz-copy-source-version-id", &original.version);
        }
        let result = dto::CopyObjectResult {
            e_tag: Some(convert_sandbox_object_etag(&written)),
            last_modified: Some(list::unix_seconds_to_s3_timestamp(written.modified)),
            ..Default::default()
        };
        let output = dto::CopyObjectOutput { copy_object_result: Some(result), ..Default::default() };
        Ok(S3Response::with_headers(output, headers))
    }

    async fn delete_object(
        &self,
        request: S3Request<dto::DeleteObjectInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
        let (world, input) = (&self.0, request.input);
        let versioned = find_stored_bucket(world, &input.bucket)?.is_bucket_versioned();
        let now = world.sandbox_unix_time_now().as_secs();
        world.sandbox_in_memory_state().objects.change_stored_bucket(&input.bucket, |_| {
            let change = match input.version_id {
                None if versioned => BucketJournalChange::Put(Box::new(SandboxObject {
                    key: input.key,
                    version: format!("{:032x}", fastrand::u128(..)),
                    marker: true,
                    modified: now,
                    ..SandboxObject::default()
                })),
                version => BucketJournalChange::Forget {
                    key: input.key,
                    version: version.unwrap_or_else(|| "null".to_owned()),
                },
            };
            Ok::<_, SandboxStorageError>((vec![change], ()))
        })?;
        Ok(S3Response::with_status(dto::DeleteObjectOutput::default(), http::StatusCode::NO_CONTENT))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<dto::CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CreateMultipartUploadOutput>> {
        let bucket = find_stored_bucket(&self.0, &request.input.bucket)?;
        let mut object = write::parse_object_from_headers(&request.input.key, &request.headers, &bucket)?;
        self.refuse_public_grants_of_request(&request, "s3:PutObject", &request.input.bucket, &object)?;
        let caller = get_request_s3_caller(&request);
        authorize_caller_on_object_key(&self.0, &caller, "kms:GenerateDataKey", &object.encryption)?;
        object.checksum = write::parse_requested_checksum_algorithm(&request.headers, &HeaderMap::new())
            .map(|algorithm| object::SandboxObjectChecksum { algorithm, value: None });
        let id = multipart::add_multipart_upload(&self.0, &request.input.bucket, object);
        Ok(S3Response::new(dto::CreateMultipartUploadOutput {
            bucket: Some(request.input.bucket),
            key: Some(request.input.key),
            upload_id: Some(id),
            ..Default::default()
        }))
    }

    async fn upload_part(
        &self,
        mut request: S3Request<dto::UploadPartInput>,
    ) -> S3Result<S3Response<dto::UploadPartOutput>> {
        let body = request.input.body.take();
        let content = self.collect_request_body(body).await?;
        let trailers =
            request.trailing_headers.as_ref().and_then(s3s::TrailingHeaders::take).unwrap_or_default();
        write::validate_sandbox_upload_content(&request.headers, &trailers, &content)?;
        let input = request.input;
        multipart::find_multipart_upload(&self.0, &input.bucket, &input.key, &input.upload_id)?;
        let (blob, etag) = write::store_content_and_compute_etag(&self.0, &content)?;
        let part = SandboxUploadedPart {
            size: content.len() as u64,
            blob: Some(blob),
            etag: etag.clone(),
            at: self.0.sandbox_unix_time_now().as_secs(),
        };
        multipart::add_part_to_multipart_upload(&self.0, &input.upload_id, input.part_number, part)?;
        Ok(S3Response::new(dto::UploadPartOutput {
            e_tag: Some(dto::ETag::Strong(etag)),
            ..Default::default()
        }))
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<dto::UploadPartCopyInput>,
    ) -> S3Result<S3Response<dto::UploadPartCopyOutput>> {
        let input = &request.input;
        multipart::find_multipart_upload(&self.0, &input.bucket, &input.key, &input.upload_id)?;
        let source = ObjectCopySource::parse_object_copy_source(&input.copy_source)?;
        let original =
            source.read_copy_source_object(&self.0, &get_request_s3_caller(&request), &request.headers)?;
        let range = match input.copy_source_range.as_deref() {
            None => 0..original.size,
            Some(range) => dto::Range::parse(range).ok().and_then(|range| range.check(original.size).ok()).ok_or_else(|| {
                S3Error::with_message(S3ErrorCode::InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
            })?,
        };
        let size = range.end - range.start;
        if size > copy::COPY_MAX_BYTES {
            return Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                format!(
                    "The specified copy source is larger than the maximum allowable size for a copy source: {}",
                    copy::COPY_MAX_BYTES
                ),
            ));
        }
        let (blob, etag) = match &original.blob {
            Some(blob) => {
                let content = read_stored_content_range(&self.0, blob, range)?;
                let (blob, etag) = write::store_content_and_compute_etag(&self.0, &content)?;
                (Some(blob), etag)
            }
            None => (
                None,
                compute_account_canonical_user_id(&format!("{} {range:?}", original.etag))[..32].to_owned(),
            ),
        };
        let at = self.0.sandbox_unix_time_now().as_secs();
        multipart::add_part_to_multipart_upload(
            &self.0,
            &input.upload_id,
            input.part_number,
            SandboxUploadedPart { size, blob, etag: etag.clone(), at },
        )?;
        let result = dto::CopyPartResult {
            e_tag: Some(dto::ETag::Strong(etag)),
            last_modified: Some(list::unix_seconds_to_s3_timestamp(at)),
            ..Default::default()
        };
        Ok(S3Response::new(dto::UploadPartCopyOutput {
            copy_part_result: Some(result),
            ..Default::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<dto::CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
        let input = request.input;
        let upload = multipart::find_multipart_upload(&self.0, &input.bucket, &input.key, &input.upload_id)?;
        let named: Vec<(i32, Option<String>)> = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default()
            .into_iter()
            .map(|part| (part.part_number.unwrap_or(0), part.e_tag.map(dto::ETag::into_value)))
            .collect();
        let written = multipart::assemble_multipart_object(
            &self.0,
            &input.upload_id,
            upload,
            &named,
            &request.headers,
        )?;
        let mut headers = HeaderMap::new();
        insert_version_id_header(&mut headers, &written);
        let output = dto::CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(convert_sandbox_object_etag(&written)),
            ..Default::default()
        };
        Ok(S3Response::with_headers(output, headers))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<dto::AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::AbortMultipartUploadOutput>> {
        let input = request.input;
        multipart::find_multipart_upload(&self.0, &input.bucket, &input.key, &input.upload_id)?;
        multipart::remove_sandbox_multipart_upload(&self.0, &input.upload_id);
        Ok(S3Response::with_status(dto::AbortMultipartUploadOutput::default(), http::StatusCode::NO_CONTENT))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<dto::ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
        let bucket = request.input.bucket;
        let uploads = self.0.read_sandbox_state_from_disk(|state| {
            let here = state.s3.uploads.iter().filter(|(_, upload)| upload.bucket == bucket);
            here.map(|(id, upload)| dto::MultipartUpload {
                upload_id: Some(id.clone()),
                key: Some(upload.object.key.clone()),
                ..Default::default()
            })
            .collect()
        });
        Ok(S3Response::new(dto::ListMultipartUploadsOutput {
            bucket: Some(bucket),
            uploads: Some(uploads),
            is_truncated: Some(false),
            ..Default::default()
        }))
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<dto::GetObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::GetObjectTaggingOutput>> {
        let object = find_requested_object(&self.0, &request)?;
        let tag_set = object
            .tags
            .into_iter()
            .map(|(key, value)| dto::Tag { key: Some(key), value: Some(value) })
            .collect();
        Ok(S3Response::new(dto::GetObjectTaggingOutput { tag_set, version_id: None }))
    }

    async fn put_object_tagging(
        &self,
        request: S3Request<dto::PutObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::PutObjectTaggingOutput>> {
        let input = &request.input;
        let tags = input
            .tagging
            .tag_set
            .iter()
            .map(|tag| (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default()))
            .collect();
        self.modify_requested_object(&request, |object| object.tags = tags)?;
        Ok(S3Response::new(dto::PutObjectTaggingOutput::default()))
    }

    async fn get_object_acl(
        &self,
        request: S3Request<dto::GetObjectAclInput>,
    ) -> S3Result<S3Response<dto::GetObjectAclOutput>> {
        let input = &request.input;
        let object = find_requested_object(&self.0, &request)?;
        let owner = compute_account_canonical_user_id(&find_stored_bucket(&self.0, &input.bucket)?.owner);
        let own = SandboxAclGrant { grantee: owner.clone(), permission: "FULL_CONTROL".to_owned() };
        let grants = std::iter::once(&own).chain(&object.grants).map(acl_grant_to_s3s_grant).collect();
        let owner = dto::Owner { id: Some(owner), ..Default::default() };
        Ok(S3Response::new(dto::GetObjectAclOutput {
            grants: Some(grants),
            owner: Some(owner),
            ..Default::default()
        }))
    }

    async fn put_object_acl(
        &self,
        request: S3Request<dto::PutObjectAclInput>,
    ) -> S3Result<S3Response<dto::PutObjectAclOutput>> {
        let input = &request.input;
        let settings = find_stored_bucket(&self.0, &input.bucket)?;
        if !settings.are_object_acls_enabled() {
            return Err(S3Error::with_message(
                S3ErrorCode::AccessControlListNotSupported,
                "The bucket does not allow ACLs",
            ));
        }
        let owner = compute_account_canonical_user_id(&settings.owner);
        let mut grants = object::parse_acl_header_grants(&request.headers);
        for grant in input.access_control_policy.iter().filter_map(|policy| policy.grants.as_ref()).flatten()
        {
            let Some(grantee) =
                grant.grantee.as_ref().and_then(|one| one.uri.clone().or_else(|| one.id.clone()))
            else {
                continue;
            };
            let permission = grant.permission.as_ref().map(|one| one.as_str().to_owned()).unwrap_or_default();
            if grantee != owner {
                grants.push(SandboxAclGrant { grantee, permission });
            }
        }
        let caller = get_request_s3_caller(&request);
        let granted = (input.key.as_str(), grants.as_slice());
        write::refuse_blocked_public_grants(&self.0, &caller, "s3:PutObjectAcl", &input.bucket, granted)?;
        self.modify_requested_object(&request, |object| object.grants = grants)?;
        Ok(S3Response::new(dto::PutObjectAclOutput::default()))
    }

    async fn get_object_legal_hold(
        &self,
        request: S3Request<dto::GetObjectLegalHoldInput>,
    ) -> S3Result<S3Response<dto::GetObjectLegalHoldOutput>> {
        let object = find_requested_object(&self.0, &request)?;
        let status =
            dto::ObjectLockLegalHoldStatus::from_static(if object.legal_hold { "ON" } else { "OFF" });
        let legal_hold = Some(dto::ObjectLockLegalHold { status: Some(status) });
        Ok(S3Response::new(dto::GetObjectLegalHoldOutput { legal_hold }))
    }

    async fn put_object_legal_hold(
        &self,
        request: S3Request<dto::PutObjectLegalHoldInput>,
    ) -> S3Result<S3Response<dto::PutObjectLegalHoldOutput>> {
        let input = &request.input;
        let on = input
            .legal_hold
            .as_ref()
            .and_then(|hold| hold.status.as_ref())
            .is_some_and(|status| status.as_str() == "ON");
        self.modify_requested_object(&request, |object| object.legal_hold = on)?;
        Ok(S3Response::new(dto::PutObjectLegalHoldOutput::default()))
    }

    async fn get_object_retention(
        &self,
        request: S3Request<dto::GetObjectRetentionInput>,
    ) -> S3Result<S3Response<dto::GetObjectRetentionOutput>> {
        let object = find_requested_object(&self.0, &request)?;
        let Some(SandboxObjectRetention { mode, until }) = object.retention else {
            return Err(S3Error::with_message(
                S3ErrorCode::NoSuchObjectLockConfiguration,
                "The specified object does not have a ObjectLock configuration",
            ));
        };
        let retention = Some(dto::ObjectLockRetention {
            mode: Some(mode.into()),
            retain_until_date: dto::Timestamp::parse(dto::TimestampFormat::DateTime, &until).ok(),
        });
        Ok(S3Response::new(dto::GetObjectRetentionOutput { retention }))
    }

    async fn put_object_retention(
        &self,
        request: S3Request<dto::PutObjectRetentionInput>,
    ) -> S3Result<S3Response<dto::PutObjectRetentionOutput>> {
        let input = &request.input;
        let retention = input.retention.as_ref().and_then(|retention| {
            let mut until = Vec::new();
            retention.retain_until_date.as_ref()?.format(dto::TimestampFormat::DateTime, &mut until).ok()?;
            Some(SandboxObjectRetention {
                mode: retention.mode.as_ref()?.as_str().to_owned(),
                until: String::from_utf8(until).ok()?,
            })
        });
        self.modify_requested_object(&request, |object| object.retention = retention)?;
        Ok(S3Response::new(dto::PutObjectRetentionOutput::default()))
    }
}

fn acl_grant_to_s3s_grant(grant: &SandboxAclGrant) -> dto::Grant {
    let group = grant.grantee.starts_with("http");
    let grantee = dto::Grantee {
        display_name: None,
        email_address: None,
        id: (!group).then(|| grant.grantee.clone()),
        uri: group.then(|| grant.grantee.clone()),
        type_: dto::Type::from_static(if group { "Group" } else { "CanonicalUser" }),
    };
    dto::Grant { grantee: Some(grantee), permission: Some(grant.permission.clone().into()) }
}
