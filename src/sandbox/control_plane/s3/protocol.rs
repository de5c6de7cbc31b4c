//! The operations on buckets and objects, in s3s's terms; the rules are in the modules beside.
//!
//! Attributes go in and out as headers, verbatim: nothing is lost in a type between.

use http::HeaderMap;
use http_body_util::BodyExt as _;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, dto};

use crate::sandbox::Sandbox;

use super::{
    SandboxObject, SandboxObjectRetention, SandboxStorageError,
    access::{self, authorize_caller_on_object_key},
    acl, attributes,
    checksums::{self, ChecksumMembers as _, convert_checksum_type, insert_checksum_header},
    copy::{self, ObjectCopySource},
    deletion, find_stored_bucket, insert_sandbox_response_header, list,
    multipart::{self, SandboxUploadedPart},
    object::compute_account_canonical_user_id,
    object_lock,
    read::{
        ObjectVersionRequest, find_object_that_is_no_marker, find_requested_object, get_request_s3_caller,
        read_stored_content_range, resolve_object_read,
    },
    refusal,
    request_parts::take_trailing_headers,
    upload_lists,
    versions::{check_version_id, insert_version_id_header},
    withheld_headers::collect_request_headers,
    write,
};

pub struct SandboxS3Operations(pub Sandbox);

fn convert_sandbox_object_etag(object: &SandboxObject) -> dto::ETag {
    dto::ETag::Strong(object.etag.clone())
}

async fn collect_request_body(body: Option<dto::StreamingBlob>) -> S3Result<bytes::Bytes> {
    let Some(body) = body else { return Ok(bytes::Bytes::new()) };
    let body = s3s::Body::from(body).collect().await.map_err(|error| {
        // A digest that doesn't fit breaks the stream off.
        let mut refusal = refusal::build_bad_request_error(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            &[],
        );
        refusal.set_source(error);
        refusal
    })?;
    Ok(body.to_bytes())
}

/// Makes the headers that S3 answers a write with, but for the ETag: version, encryption, checksum.
fn build_written_object_headers(written: &SandboxObject) -> HeaderMap {
    let mut headers = written.encryption.build_encryption_headers();
    insert_version_id_header(&mut headers, written);
    headers
}

impl SandboxS3Operations {
    /// Makes the object that a request to write describes by its headers, where its sender may write it so.
    fn prepare_written_object<T>(
        &self,
        request: &S3Request<T>,
        (bucket, key): (&str, &str),
        headers: &HeaderMap,
    ) -> S3Result<SandboxObject> {
        let caller = get_request_s3_caller(request);
        let settings = find_stored_bucket(&self.0, bucket)?;
        let mut object = write::parse_object_from_headers(key, headers, &settings)?;
        let granted = (key, object.grants.as_slice());
        write::refuse_blocked_public_grants(&self.0, &caller, "s3:PutObject", bucket, granted)?;
        access::resolve_object_encryption_key(&self.0, &mut object.encryption);
        access::check_sandbox_encryption_key(&self.0, &object.encryption)?;
        authorize_caller_on_object_key(&self.0, &caller, "kms:GenerateDataKey", &object.encryption)?;
        Ok(object)
    }

    /// Finds the object that a lock is about, in a bucket that has Object Lock.
    fn find_lockable_object<T: ObjectVersionRequest>(
        &self,
        request: &S3Request<T>,
    ) -> S3Result<SandboxObject> {
        let (bucket, ..) = request.input.requested_object_version();
        let settings = find_stored_bucket(&self.0, bucket)?;
        let object = find_object_that_is_no_marker(&self.0, request)?;
        object_lock::require_lock_configuration(&settings)?;
        Ok(object)
    }
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
        let name = &request.input.bucket;
        let region = find_stored_bucket(&self.0, name)?.region;
        for (header, value) in [
            ("x-amz-bucket-region", region.as_str()),
            ("x-amz-bucket-arn", &format!("arn:aws:s3:::{name}")),
            ("x-amz-access-point-alias", "false"),
            ("content-type", "application/xml"),
        ] {
            insert_sandbox_response_header(&mut headers, header, value);
        }
        Ok(S3Response::with_headers(dto::HeadBucketOutput::default(), headers))
    }

    async fn list_objects(
        &self,
        request: S3Request<dto::ListObjectsInput>,
    ) -> S3Result<S3Response<dto::ListObjectsOutput>> {
        let input = request.input;
        let encoding = input.encoding_type.as_ref();
        let marker = input.marker.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref().filter(|text| !text.is_empty());
        let owner = compute_account_canonical_user_id(&find_stored_bucket(&self.0, &input.bucket)?.owner);
        let page = list::read_object_page(
            &self.0,
            &list::ListedPageRequest {
                bucket: &input.bucket,
                prefix: input.prefix.as_deref(),
                delimiter,
                after: marker,
                max_keys: input.max_keys,
                encoding,
                owner: Some(&owner),
            },
        )?;
        let shown = |text: &str| list::encode_listed_object_key(text, encoding);
        Ok(S3Response::new(dto::ListObjectsOutput {
            prefix: Some(shown(input.prefix.as_deref().unwrap_or_default())),
            marker: Some(shown(marker)),
            delimiter: delimiter.map(shown),
            max_keys: Some(page.most),
            is_truncated: Some(page.next.is_some()),
            // Without a delimiter the last key says it.
            next_marker: page.next.as_deref().filter(|_| delimiter.is_some()).map(shown),
            contents: Some(page.contents),
            common_prefixes: Some(page.prefixes),
            encoding_type: input.encoding_type.clone(),
            name: Some(input.bucket),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<dto::ListObjectsV2Input>,
    ) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
        let input = request.input;
        let after = match &input.continuation_token {
            Some(token) => list::decode_continuation_token(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let encoding = input.encoding_type.as_ref();
        let shown = |text: &str| list::encode_listed_object_key(text, encoding);
        let owner = match input.fetch_owner {
            Some(true) => Some(find_stored_bucket(&self.0, &input.bucket)?.owner),
            _ => None,
        };
        let owner = owner.as_deref().map(compute_account_canonical_user_id);
        let page = list::read_object_page(
            &self.0,
            &list::ListedPageRequest {
                bucket: &input.bucket,
                prefix: input.prefix.as_deref(),
                delimiter: input.delimiter.as_deref(),
                after: &after,
                max_keys: input.max_keys,
                encoding,
                owner: owner.as_deref(),
            },
        )?;
        Ok(S3Response::new(dto::ListObjectsV2Output {
            prefix: Some(shown(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(shown),
            start_after: input.start_after.as_deref().map(shown),
            max_keys: Some(page.most),
            key_count: i32::try_from(page.contents.len() + page.prefixes.len()).ok(),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_deref().map(list::encode_continuation_token),
            continuation_token: input.continuation_token,
            contents: Some(page.contents),
            common_prefixes: Some(page.prefixes),
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
        let most = list::clamp_listed_count(input.max_keys);
        let prefix = input.prefix.clone().unwrap_or_default();
        let marker = input.key_marker.clone().unwrap_or_default();
        let encoding = input.encoding_type.as_ref();
        let owner = compute_account_canonical_user_id(&find_stored_bucket(&self.0, &input.bucket)?.owner);
        let asked = list::SandboxVersionsQuery {
            page: list::SandboxListingQuery {
                prefix: &prefix,
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after: &marker,
                most: usize::try_from(most).unwrap_or(0),
            },
            after_version: input.version_id_marker.as_deref().filter(|marker| !marker.is_empty()),
            owner: &owner,
            encoding,
        };
        let page = self
            .0
            .sandbox_in_memory_state()
            .objects
            .read_sandbox_bucket_from_disk(&input.bucket, |objects| {
                list::list_stored_object_versions(objects, &asked)
            })
            .map_err(SandboxStorageError::from)?;
        let shown = |text: &str| list::encode_listed_object_key(text, encoding);
        let next = page.last.filter(|_| page.truncated);
        Ok(S3Response::new(dto::ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(shown(&prefix)),
            delimiter: input.delimiter.as_deref().map(shown),
            key_marker: Some(shown(&marker)),
            version_id_marker: Some(input.version_id_marker.clone().unwrap_or_default()),
            versions: Some(page.versions),
            delete_markers: Some(page.markers),
            common_prefixes: Some(page.prefixes),
            is_truncated: Some(page.truncated),
            next_key_marker: next.as_ref().map(|(key, _)| shown(key)),
            next_version_id_marker: next.map(|(_, version)| version).filter(|version| !version.is_empty()),
            max_keys: Some(most),
            encoding_type: input.encoding_type.clone(),
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
        Ok(S3Response::with_headers(dto::HeadObjectOutput::default(), headers))
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
            let class = object.storage_class.as_deref().unwrap_or_default();
            return Err(refusal::build_s3_error_with_details(
                "InvalidObjectState",
                http::StatusCode::FORBIDDEN,
                "The operation is not valid for the object's storage class",
                &[("StorageClass", class)],
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
        Ok(S3Response::with_headers(output, headers))
    }

    async fn put_object(
        &self,
        mut request: S3Request<dto::PutObjectInput>,
    ) -> S3Result<S3Response<dto::PutObjectOutput>> {
        let body = request.input.body.take();
        let content = collect_request_body(body).await?;
        let trailers = take_trailing_headers(&request);
        let input = &request.input;
        let sent = collect_request_headers(&request);
        let mut object = self.prepare_written_object(&request, (&input.bucket, &input.key), &sent)?;
        object.checksum = Some(checksums::validate_sandbox_upload_content(&sent, &trailers, &content, None)?);
        let settings = find_stored_bucket(&self.0, &input.bucket)?;
        let now = self.0.sandbox_unix_time_now().as_secs();
        object_lock::apply_default_retention(&settings, &mut object, now);
        let (blob, etag) = write::store_content_and_compute_etag(&self.0, &content)?;
        (object.size, object.blob, object.etag) = (content.len() as u64, Some(blob), etag);
        let written = write::put_stored_object(&self.0, &input.bucket, &sent, object)?;
        let mut headers = build_written_object_headers(&written);
        insert_checksum_header(&mut headers, written.checksum.as_ref());
        insert_sandbox_response_header(&mut headers, "x-amz-checksum-type", "FULL_OBJECT");
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
            &collect_request_headers(&request),
        )?;
        let mut headers = build_written_object_headers(&written);
        if written.version == "null" && find_stored_bucket(&self.0, &input.bucket)?.has_bucket_had_versions()
        {
            // A copy says it, a put doesn't (recorded).
            insert_sandbox_response_header(&mut headers, "x-amz-version-id", "null");
        }
        if original.version != "null" {
            insert_sandbox_response_header(&mut headers, "x-amz-copy-source-version-id", &original.version);
        }
        let sum = written.checksum.as_ref().filter(|sum| sum.value.is_some());
        let result = dto::CopyObjectResult {
            checksum_type: convert_checksum_type(sum),
            e_tag: Some(convert_sandbox_object_etag(&written)),
            last_modified: Some(list::unix_seconds_to_s3_timestamp(written.modified)),
            ..Default::default()
        }
        .set_checksum_member(sum);
        let output = dto::CopyObjectOutput { copy_object_result: Some(result), ..Default::default() };
        Ok(S3Response::with_headers(output, headers))
    }

    async fn delete_object(
        &self,
        request: S3Request<dto::DeleteObjectInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
        let input = &request.input;
        let settings = find_stored_bucket(&self.0, &input.bucket)?;
        check_version_id(input.version_id.as_deref())?;
        deletion::check_deletion_headers(&request.headers, &settings)?;
        let named = (input.key.as_str(), input.version_id.as_deref());
        let headers = collect_request_headers(&request);
        let done = deletion::delete_stored_object(&self.0, &settings, &input.bucket, named, &headers)?;
        let mut headers = HeaderMap::new();
        if let Some(version) = &done.version {
            insert_sandbox_response_header(&mut headers, "x-amz-version-id", version);
        }
        if done.marker.is_some() {
            insert_sandbox_response_header(&mut headers, "x-amz-delete-marker", "true");
        }
        let mut response = S3Response::with_headers(dto::DeleteObjectOutput::default(), headers);
        response.status = Some(http::StatusCode::NO_CONTENT);
        Ok(response)
    }

    async fn delete_objects(
        &self,
        request: S3Request<dto::DeleteObjectsInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
        let settings = find_stored_bucket(&self.0, &request.input.bucket)?;
        deletion::check_deletion_headers(&request.headers, &settings)?;
        let caller = get_request_s3_caller(&request);
        let input = request.input;
        let asker = (&caller, &request.headers);
        deletion::delete_listed_objects(&self.0, &settings, &input.bucket, asker, input.delete)
            .map(S3Response::new)
    }

    async fn get_object_attributes(
        &self,
        request: S3Request<dto::GetObjectAttributesInput>,
    ) -> S3Result<S3Response<dto::GetObjectAttributesOutput>> {
        let object = find_requested_object(&self.0, &request)?;
        let mut headers = HeaderMap::new();
        if find_stored_bucket(&self.0, &request.input.bucket)?.has_bucket_had_versions() {
            insert_sandbox_response_header(&mut headers, "x-amz-version-id", &object.version);
        }
        insert_sandbox_response_header(
            &mut headers,
            "last-modified",
            &super::format_http_date(object.modified),
        );
        Ok(S3Response::with_headers(attributes::build_object_attributes(&request.input, &object), headers))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<dto::CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CreateMultipartUploadOutput>> {
        let input = &request.input;
        let sent = collect_request_headers(&request);
        let mut object = self.prepare_written_object(&request, (&input.bucket, &input.key), &sent)?;
        object.checksum = checksums::choose_multipart_checksum(&sent)?;
        let headers = object.encryption.build_encryption_headers();
        let sum = object.checksum.clone();
        let id = multipart::add_multipart_upload(&self.0, &input.bucket, object)?;
        let output = dto::CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(id),
            checksum_algorithm: sum.as_ref().map(|sum| sum.algorithm.clone().into()),
            checksum_type: convert_checksum_type(sum.as_ref()),
            ..Default::default()
        };
        Ok(S3Response::with_headers(output, headers))
    }

    async fn upload_part(
        &self,
        mut request: S3Request<dto::UploadPartInput>,
    ) -> S3Result<S3Response<dto::UploadPartOutput>> {
        let body = request.input.body.take();
        let content = collect_request_body(body).await?;
        let trailers = take_trailing_headers(&request);
        let input = &request.input;
        multipart::check_part_number(input.part_number)?;
        let upload = multipart::find_multipart_upload(&self.0, &input.bucket, &input.key, &input.upload_id)?;
        checksums::validate_content_md5(&request.headers, &content, true)?;
        let sum = upload.object.checksum.as_ref();
        checksums::check_part_checksum_algorithm(sum, &request.headers, &trailers)?;
        let algorithm = sum.map(|sum| sum.algorithm.as_str());
        let found =
            checksums::validate_sandbox_upload_content(&request.headers, &trailers, &content, algorithm)?;
        let (blob, etag) = write::store_content_and_compute_etag(&self.0, &content)?;
        let mut headers = upload.object.encryption.build_encryption_headers();
        insert_checksum_header(&mut headers, Some(&found));
        let part = SandboxUploadedPart {
            size: content.len() as u64,
            blob: Some(blob),
            etag: etag.clone(),
            at: self.0.sandbox_unix_time_now().as_secs(),
            checksum: Some(found),
        };
        multipart::add_part_to_multipart_upload(&self.0, &input.upload_id, input.part_number, part);
        let output = dto::UploadPartOutput { e_tag: Some(dto::ETag::Strong(etag)), ..Default::default() };
        Ok(S3Response::with_headers(output, headers))
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<dto::UploadPartCopyInput>,
    ) -> S3Result<S3Response<dto::UploadPartCopyOutput>> {
        let input = &request.input;
        multipart::check_part_number(input.part_number)?;
        let upload = multipart::find_multipart_upload(&self.0, &input.bucket, &input.key, &input.upload_id)?;
        let source = ObjectCopySource::parse_object_copy_source(&input.copy_source)?;
        let caller = get_request_s3_caller(&request);
        let range = input.copy_source_range.as_deref();
        let part = copy::copy_upload_part(&self.0, &caller, &source, range, &upload, &request.headers)?;
        let (etag, at, checksum) = (part.etag.clone(), part.at, part.checksum.clone());
        multipart::add_part_to_multipart_upload(&self.0, &input.upload_id, input.part_number, part);
        let result = dto::CopyPartResult {
            e_tag: Some(dto::ETag::Strong(etag)),
            last_modified: Some(list::unix_seconds_to_s3_timestamp(at)),
            ..Default::default()
        }
        .set_checksum_member(checksum.as_ref());
        let output = dto::UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() };
        Ok(S3Response::with_headers(output, upload.object.encryption.build_encryption_headers()))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<dto::CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
        let sent = collect_request_headers(&request);
        let input = request.input;
        let upload = multipart::find_multipart_upload(&self.0, &input.bucket, &input.key, &input.upload_id)?;
        let named = multipart::list_named_parts(input.multipart_upload);
        let written =
            multipart::assemble_multipart_object(&self.0, &input.upload_id, &upload, &named, &sent)?;
        let headers = build_written_object_headers(&written);
        let sum = written.checksum.as_ref().filter(|sum| sum.value.is_some());
        let output = dto::CompleteMultipartUploadOutput {
            location: Some(format!(
                "https://{}.s3.us-east-1.amazonaws.com/{}",
                input.bucket,
                super::encode_object_key_path(&input.key)
            )),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(convert_sandbox_object_etag(&written)),
            checksum_type: convert_checksum_type(sum),
            ..Default::default()
        }
        .set_checksum_member(sum);
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
        let bucket = request.input.bucket.as_str();
        find_stored_bucket(&self.0, bucket)?;
        let uploads = self.0.read_sandbox_state_from_disk(|state| {
            let here = state.s3.uploads.iter().filter(|(_, upload)| upload.bucket == bucket);
            here.map(|(id, upload)| (id.clone(), upload.clone())).collect()
        });
        Ok(S3Response::new(upload_lists::build_upload_list(request.input, uploads)))
    }

    async fn list_parts(
        &self,
        request: S3Request<dto::ListPartsInput>,
    ) -> S3Result<S3Response<dto::ListPartsOutput>> {
        let input = request.input;
        let upload = multipart::find_multipart_upload(&self.0, &input.bucket, &input.key, &input.upload_id)?;
        Ok(S3Response::new(upload_lists::build_part_list(input, &upload)))
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<dto::GetObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::GetObjectTaggingOutput>> {
        let object = find_object_that_is_no_marker(&self.0, &request)?;
        let mut headers = HeaderMap::new();
        insert_version_id_header(&mut headers, &object);
        let tag_set = object
            .tags
            .into_iter()
            .map(|(key, value)| dto::Tag { key: Some(key), value: Some(value) })
            .collect();
        let output = dto::GetObjectTaggingOutput { tag_set, version_id: None };
        Ok(S3Response::with_headers(output, headers))
    }

    async fn delete_object_tagging(
        &self,
        request: S3Request<dto::DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectTaggingOutput>> {
        let mut object = find_object_that_is_no_marker(&self.0, &request)?;
        object.tags.clear();
        let mut headers = HeaderMap::new();
        insert_version_id_header(&mut headers, &object);
        write::replace_sandbox_object_version(&self.0, &request.input.bucket, object)?;
        let mut response = S3Response::with_headers(dto::DeleteObjectTaggingOutput::default(), headers);
        response.status = Some(http::StatusCode::NO_CONTENT);
        Ok(response)
    }

    async fn get_object_acl(
        &self,
        request: S3Request<dto::GetObjectAclInput>,
    ) -> S3Result<S3Response<dto::GetObjectAclOutput>> {
        let input = &request.input;
        let object = find_requested_object(&self.0, &request)?;
        let owner = compute_account_canonical_user_id(&find_stored_bucket(&self.0, &input.bucket)?.owner);
        let list = acl::PutAccessControlList {
            grants: object.grants,
            without_owner_grant: object.without_owner_grant,
        };
        let grants =
            acl::list_all_grants(&owner, Some(&list)).map(|grant| acl::convert_acl_grant(&grant)).collect();
        let owner = dto::Owner { id: Some(owner), ..Default::default() };
        Ok(S3Response::new(dto::GetObjectAclOutput {
            grants: Some(grants),
            owner: Some(owner),
            ..Default::default()
        }))
    }

    async fn get_object_legal_hold(
        &self,
        request: S3Request<dto::GetObjectLegalHoldInput>,
    ) -> S3Result<S3Response<dto::GetObjectLegalHoldOutput>> {
        let object = self.find_lockable_object(&request)?;
        if !object.legal_hold && !object.legal_hold_lifted {
            return Err(build_unlocked_object_error());
        }
        let status =
            dto::ObjectLockLegalHoldStatus::from_static(if object.legal_hold { "ON" } else { "OFF" });
        let legal_hold = Some(dto::ObjectLockLegalHold { status: Some(status) });
        Ok(S3Response::new(dto::GetObjectLegalHoldOutput { legal_hold }))
    }

    async fn put_object_legal_hold(
        &self,
        request: S3Request<dto::PutObjectLegalHoldInput>,
    ) -> S3Result<S3Response<dto::PutObjectLegalHoldOutput>> {
        let mut object = self.find_lockable_object(&request)?;
        object.legal_hold = object_lock::parse_legal_hold(request.input.legal_hold.as_ref())?;
        object.legal_hold_lifted = !object.legal_hold;
        write::replace_sandbox_object_version(&self.0, &request.input.bucket, object)?;
        Ok(S3Response::new(dto::PutObjectLegalHoldOutput::default()))
    }

    async fn get_object_retention(
        &self,
        request: S3Request<dto::GetObjectRetentionInput>,
    ) -> S3Result<S3Response<dto::GetObjectRetentionOutput>> {
        let object = self.find_lockable_object(&request)?;
        let SandboxObjectRetention { mode, until } =
            object.retention.ok_or_else(build_unlocked_object_error)?;
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
        let mut object = self.find_lockable_object(&request)?;
        let now = self.0.sandbox_unix_time_now().as_secs();
        let wanted = object_lock::parse_retention(request.input.retention.as_ref(), now)?;
        object_lock::check_retention_change(&object, wanted.as_ref(), &request.headers, now)?;
        object.retention = wanted;
        write::replace_sandbox_object_version(&self.0, &request.input.bucket, object)?;
        Ok(S3Response::new(dto::PutObjectRetentionOutput::default()))
    }
}

fn build_unlocked_object_error() -> S3Error {
    S3Error::with_message(
        S3ErrorCode::NoSuchObjectLockConfiguration,
        "The specified object does not have a ObjectLock configuration",
    )
}
