//! The real SDK against the sandbox's S3: what it sends is signed, chunked and parsed as against AWS.

use super::*;
use crate::sandbox::SandboxOptions;
use aws_sdk_s3::{
    Client,
    config::Credentials,
    error::ProvideErrorMetadata,
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart, MetadataDirective, StorageClass, Tag, Tagging},
};

const BUCKET: &str = "packagecloud-sandbox-1";
const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn open_sandbox(dir: &tempfile::TempDir) -> Sandbox {
    let world = Sandbox::open_sandbox_unseeded(&SandboxOptions {
        dir: dir.path().to_owned(),
        ..SandboxOptions::default()
    })
    .unwrap();
    world.update_sandbox_state_on_disk(|state| {
        state.s3.buckets.insert(BUCKET.to_owned(), SandboxBucket::new(ACCOUNT_ID, "us-east-1", 0));
        state
            .s3
            .buckets
            .insert("somebody-elses".to_owned(), SandboxBucket::new("111111111111", "us-east-1", 0));
    });
    world
}

fn s3_client(world: &Sandbox, path_style: bool) -> Client {
    let config = aws_sdk_s3::config::Builder::from(&world.build_sandbox_sdk_config())
        .force_path_style(path_style)
        .build();
    Client::from_conf(config)
}

fn error_code<E: ProvideErrorMetadata, R>(error: &aws_sdk_s3::error::SdkError<E, R>) -> &str {
    error.code().unwrap_or("none")
}

#[tokio::test]
async fn odd_keys_are_put_got_and_listed_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let long = format!("1/2/{}", "k".repeat(1020));
    let keys = ["1/2/a b+c%20d.deb", "1/2/\u{fc}n\u{ef}~'(x)*&=?#;@", long.as_str()];
    for path_style in [true, false] {
        let s3 = s3_client(&world, path_style);
        for key in keys {
            s3.put_object()
                .bucket(BUCKET)
                .key(key)
                .body(ByteStream::from_static(b"hello"))
                .send()
                .await
                .unwrap();
            let got = s3.get_object().bucket(BUCKET).key(key).range("bytes=1-2").send().await.unwrap();
            assert_eq!(got.content_range(), Some("bytes 1-2/5"), "{key}");
            assert_eq!(got.body.collect().await.unwrap().to_vec(), b"el");
        }
        let mut listed = Vec::new();
        let mut pages = s3.list_objects_v2().bucket(BUCKET).prefix("1/").max_keys(1).into_paginator().send();
        while let Some(page) = pages.next().await {
            listed.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
        }
        let mut wanted = keys.map(str::to_owned).to_vec();
        wanted.sort();
        assert_eq!(listed, wanted);
        let missing = s3.get_object().bucket(BUCKET).key("1/2/none").send().await.unwrap_err();
        assert_eq!(error_code(&missing), "NoSuchKey");
        let other = s3.head_bucket().bucket("somebody-elses").send().await.unwrap_err();
        assert_eq!(other.raw_response().unwrap().status().as_u16(), 403);
    }
    let wrong = Client::from_conf(
        s3_client(&world, true)
            .config()
            .to_builder()
            .credentials_provider(Credentials::new(ACCESS_KEY_ID, "wrong", None, None, "test"))
            .build(),
    );
    assert_eq!(error_code(&wrong.list_buckets().send().await.unwrap_err()), "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_replacing_copy_keeps_what_s3_keeps_and_loses_what_it_loses() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let s3 = s3_client(&world, true);
    let key = "1/2/ubuntu/p+q.deb";
    s3.put_object()
        .bucket(BUCKET)
        .key(key)
        .content_type("application/x-deb")
        .content_encoding("gzip")
        .metadata("made", "yes")
        .tagging("team=blue%20sky&x=1")
        .storage_class(StorageClass::StandardIa)
        .website_redirect_location("/elsewhere")
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .unwrap();
    let before = s3.head_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(
        (before.content_encoding(), before.storage_class().map(StorageClass::as_str)),
        (Some("gzip"), Some("STANDARD_IA"))
    );
    let copy = || {
        let source = format!("{BUCKET}/1/2/ubuntu/p%2Bq.deb");
        s3.copy_object().bucket(BUCKET).key(key).copy_source(source)
    };
    assert_eq!(error_code(&copy().send().await.unwrap_err()), "InvalidRequest");
    let replace = || copy().metadata_directive(MetadataDirective::Replace).cache_control("no-store");
    assert_eq!(
        error_code(&replace().copy_source_if_match("\"other\"").send().await.unwrap_err()),
        "PreconditionFailed"
    );
    assert_eq!(error_code(&replace().if_match("\"other\"").send().await.unwrap_err()), "PreconditionFailed");
    replace()
        .copy_source_if_match(before.e_tag().unwrap())
        .if_match(before.e_tag().unwrap())
        .send()
        .await
        .unwrap();
    let after = s3.head_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(after.cache_control(), Some("no-store"));
    assert_eq!(after.e_tag(), before.e_tag());
    assert_eq!(
        (
            after.content_type(),
            after.content_encoding(),
            after.storage_class(),
            after.website_redirect_location()
        ),
        (Some("binary/octet-stream"), None, None, None)
    );
    assert!(after.metadata().unwrap().is_empty());
    let tags = s3.get_object_tagging().bucket(BUCKET).key(key).send().await.unwrap();
    let tags: Vec<_> = tags.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
    assert_eq!(tags, [("team", "blue sky"), ("x", "1")]);
    let refused =
        s3.put_object_acl().bucket(BUCKET).key(key).acl("public-read".into()).send().await.unwrap_err();
    assert_eq!(error_code(&refused), "AccessControlListNotSupported");
    let one = Tag::builder().key("k").value("v").build().unwrap();
    let tagging = Tagging::builder().tag_set(one).build().unwrap();
    s3.put_object_tagging().bucket(BUCKET).key(key).tagging(tagging).send().await.unwrap();
}

#[tokio::test]
async fn over_5_gb_is_copied_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let s3 = s3_client(&world, true);
    let size = 6 << 30;
    seed_object_without_content(
        &world,
        BUCKET,
        "1/2/big.rpm",
        &[("content-type", "application/x-rpm")],
        size,
    )
    .unwrap();
    let source = format!("{BUCKET}/1/2/big.rpm");
    let whole = s3
        .copy_object()
        .bucket(BUCKET)
        .key("1/2/big.rpm")
        .copy_source(&source)
        .metadata_directive(MetadataDirective::Replace)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error_code(&whole), "InvalidRequest");
    let upload = s3
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("1/2/big.rpm")
        .cache_control("max-age=9")
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, range) in
        [(1, format!("bytes=0-{}", (5_u64 << 30) - 1)), (2, format!("bytes={}-{}", 5_u64 << 30, size - 1))]
    {
        let part = s3
            .upload_part_copy()
            .bucket(BUCKET)
            .key("1/2/big.rpm")
            .upload_id(id)
            .part_number(number)
            .copy_source(&source)
            .copy_source_range(range)
            .send()
            .await
            .unwrap();
        let etag = part.copy_part_result().unwrap().e_tag().unwrap();
        parts = parts.parts(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    s3.complete_multipart_upload()
        .bucket(BUCKET)
        .key("1/2/big.rpm")
        .upload_id(id)
        .multipart_upload(parts.build())
        .send()
        .await
        .unwrap();
    let done = s3.head_object().bucket(BUCKET).key("1/2/big.rpm").send().await.unwrap();
    assert_eq!((done.content_length(), done.cache_control()), (Some(size.cast_signed()), Some("max-age=9")));
    assert!(done.e_tag().unwrap().ends_with("-2\""));
}

#[tokio::test]
async fn the_archived_is_neither_copied_nor_read() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let s3 = s3_client(&world, true);
    for (class, wanted) in [("GLACIER", "ObjectNotInActiveTierError"), ("DEEP_ARCHIVE", "InvalidObjectState")]
    {
        place_sandbox_object(&world, BUCKET, "1/2/cold.deb", &[], b"x").unwrap();
        simulate_storage_class_transition(&world, BUCKET, "1/2/cold.deb", class).unwrap();
        let copy = s3
            .copy_object()
            .bucket(BUCKET)
            .key("1/2/cold.deb")
            .copy_source(format!("{BUCKET}/1/2/cold.deb"))
            .metadata_directive(MetadataDirective::Replace);
        assert_eq!(error_code(&copy.send().await.unwrap_err()), wanted);
        let got = s3.get_object().bucket(BUCKET).key("1/2/cold.deb").send().await.unwrap_err();
        assert_eq!(error_code(&got), "InvalidObjectState");
    }
}

#[tokio::test]
async fn a_bucket_policy_is_checked_and_settings_answer_as_a_new_buckets_do() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let s3 = s3_client(&world, true);
    assert_eq!(
        error_code(&s3.get_bucket_policy().bucket(BUCKET).send().await.unwrap_err()),
        "NoSuchBucketPolicy"
    );
    let statement = |principal: &str, resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"A","Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"{resource}"}}]}}"#
        )
    };
    let ours = format!("arn:aws:s3:::{BUCKET}/*");
    for (policy, wanted) in [
        ("not json".to_owned(), "MalformedPolicy"),
        (statement(r#"{"AWS":"999999999999"}"#, "arn:aws:s3:::other/*"), "MalformedPolicy"),
        (statement(r#""*""#, &ours), "AccessDenied"),
        (format!("{{\"x\":\"{}\"}}", " ".repeat(21_000)), "MalformedPolicy"),
    ] {
        let error = s3.put_bucket_policy().bucket(BUCKET).policy(&policy).send().await.unwrap_err();
        assert_eq!(error_code(&error), wanted, "{policy:.80}");
    }
    let owner =
        s3.get_bucket_policy().bucket(BUCKET).expected_bucket_owner("111111111111").send().await.unwrap_err();
    assert_eq!(error_code(&owner), "AccessDenied");
    assert!(s3.get_bucket_versioning().bucket(BUCKET).send().await.unwrap().status().is_none());
    let encryption = s3.get_bucket_encryption().bucket(BUCKET).send().await.unwrap();
    assert_eq!(encryption.server_side_encryption_configuration().unwrap().rules().len(), 1);
    assert_eq!(
        error_code(&s3.get_bucket_replication().bucket(BUCKET).send().await.unwrap_err()),
        "ReplicationConfigurationNotFoundError"
    );
    assert!(
        s3.get_bucket_location()
            .bucket(BUCKET)
            .send()
            .await
            .unwrap()
            .location_constraint()
            .is_none_or(|place| place.as_str().is_empty())
    );
    assert_eq!(
        error_code(&s3.get_bucket_lifecycle_configuration().bucket(BUCKET).send().await.unwrap_err()),
        "NoSuchLifecycleConfiguration"
    );
}

async fn send_get(world: &Sandbox, host: &str, path: &str) -> (u16, String) {
    let request = Request::get(path).header("host", host).body(Bytes::new()).unwrap();
    let response = handle_s3_api_call(world, request).await;
    (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
}

#[tokio::test(start_paused = true)]
async fn presigned_links_of_both_kinds_live_by_the_worlds_clock() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    place_sandbox_object(&world, BUCKET, "1/2/a b+c.deb", &[], b"hello").unwrap();
    let host = format!("{BUCKET}.s3.amazonaws.com");
    let now = world.sandbox_unix_time_now().as_secs();
    let old = presigned::presign_sigv2_link(
        (ACCESS_KEY_ID, SECRET_KEY),
        &http::Method::GET,
        BUCKET,
        "1/2/a b+c.deb",
        now + 300,
    );
    let new = s3_client(&world, false)
        .get_object()
        .bucket(BUCKET)
        .key("1/2/a b+c.deb")
        .presigned(PresigningConfig::expires_in(std::time::Duration::from_mins(5)).unwrap())
        .await
        .unwrap();
    let new: http::Uri = new.uri().parse().unwrap();
    let links = [
        (host.as_str(), old.as_str()),
        (new.authority().unwrap().as_str(), new.path_and_query().unwrap().as_str()),
    ];
    for (host, link) in links {
        assert_eq!(send_get(&world, host, link).await, (200, "hello".to_owned()), "{link}");
        let (rest, last) = link.split_at(link.len() - 4);
        let forged = format!("{rest}{}", last.chars().rev().collect::<String>());
        assert_eq!(send_get(&world, host, &forged).await.0, 403, "{forged}");
    }
    let (status, body) = send_get(&world, &host, &old.replace(ACCESS_KEY_ID, "AKIANOBODY")).await;
    assert!(status == 403 && body.contains("InvalidAccessKeyId"), "{body}");
    assert_eq!(send_get(&world, &host, "/1/2/a%20b+c.deb").await.0, 403);
    tokio::time::advance(std::time::Duration::from_secs(301)).await;
    for (host, link) in links {
        let (status, body) = send_get(&world, host, link).await;
        assert!(status == 403 && body.contains("Request has expired"), "{body}");
    }
}

/// boto3 can't read one that has a sum, and CloudFront would take its type for the object's.
#[tokio::test]
async fn an_answer_that_nothing_was_modified_says_nothing_of_a_body() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let s3 = s3_client(&world, true);
    let body = ByteStream::from_static(b"hello");
    let put = s3.put_object().bucket(BUCKET).key("a.deb").body(body).send().await.unwrap();
    let get = || {
        let mode = aws_sdk_s3::types::ChecksumMode::Enabled;
        s3.get_object().bucket(BUCKET).key("a.deb").checksum_mode(mode)
    };
    assert!(get().send().await.unwrap().checksum_crc32().is_some());
    let kept = get().if_none_match(put.e_tag().unwrap()).send().await.unwrap_err();
    let response = kept.raw_response().unwrap();
    assert_eq!(response.status().as_u16(), 304);
    let of_a_body = |name: &str| name.contains("checksum") || name.starts_with("content-");
    let said: Vec<_> = response.headers().iter().filter(|(name, _)| of_a_body(name)).collect();
    assert!(said.is_empty(), "{said:?}");
}

#[tokio::test]
async fn block_public_access_refuses_every_write_of_a_public_acl_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let s3 = s3_client(&world, true);
    let key = "7/8/package_files/1.deb";
    world.update_sandbox_state_on_disk(|state| {
        let settings = &mut state.s3.buckets.get_mut(BUCKET).unwrap().settings;
        settings.insert("ownershipControls".to_owned(), "<ObjectOwnership>ObjectWriter<".to_owned());
    });
    let blocked = |code: &str, message: &str| {
        assert_eq!(code, "AccessDenied");
        let why =
            "because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access.";
        assert!(message.ends_with(why), "{message}");
    };
    let put = || s3.put_object().bucket(BUCKET).key(key);
    let refused = put().acl("public-read".into()).send().await.unwrap_err();
    blocked(error_code(&refused), refused.message().unwrap());
    put().acl("private".into()).send().await.unwrap();
    let copy = s3.copy_object().bucket(BUCKET).key(key).copy_source(format!("{BUCKET}/{key}"));
    let copy = copy.metadata_directive("REPLACE".into());
    let all = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
    let refused = copy.clone().grant_read(all).send().await.unwrap_err();
    blocked(error_code(&refused), refused.message().unwrap());
    let refused =
        s3.put_object_acl().bucket(BUCKET).key(key).acl("public-read".into()).send().await.unwrap_err();
    blocked(error_code(&refused), refused.message().unwrap());
    world.update_sandbox_state_on_disk(|state| {
        let settings = &mut state.s3.buckets.get_mut(BUCKET).unwrap().settings;
        settings.insert("publicAccessBlock".to_owned(), "<PublicAccessBlockConfiguration/>".to_owned());
    });
    copy.grant_read(all).send().await.unwrap();
}

/// Codes, statuses and details are those of recorded answers.
#[tokio::test(start_paused = true)]
async fn a_range_an_unknown_key_and_a_link_with_too_much_are_answered_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let s3 = s3_client(&world, true);
    let put = || s3.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"0123456789"));
    put().send().await.unwrap();
    let link = s3
        .get_object()
        .bucket(BUCKET)
        .key("k")
        .range("bytes=0-1")
        .presigned(PresigningConfig::expires_in(std::time::Duration::from_mins(5)).unwrap())
        .await
        .unwrap();
    let uri: http::Uri = link.uri().parse().unwrap();
    let ask = |extra: &'static str| {
        let request = Request::get(uri.path_and_query().unwrap().as_str())
            .header("host", uri.authority().unwrap().as_str())
            .header("range", "bytes=0-1")
            .header(extra, "v");
        handle_s3_api_call(&world, request.body(Bytes::new()).unwrap())
    };
    let part = ask("x-other").await;
    assert_eq!((part.status(), part.body().as_ref()), (StatusCode::PARTIAL_CONTENT, b"01".as_slice()));
    let refused = ask("x-amz-meta-wrong").await;
    let body = String::from_utf8_lossy(refused.body()).into_owned();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(body.contains("<HeadersNotSigned>x-amz-meta-wrong</HeadersNotSigned>"), "{body}");
    for (key, message) in [
        ("fake-key-id", "Invalid keyId 'fake-key-id'"),
        (
            "arn:aws:kms:eu-central-1:999999999999:key/134f2428-cec1-4b25-a1ae-9048164dba47",
            "Invalid arn eu-central-1",
        ),
    ] {
        let encrypted = put().server_side_encryption("aws:kms".into()).ssekms_key_id(key).send().await;
        let error = encrypted.unwrap_err();
        assert_eq!((error.code(), error.message()), (Some("KMS.NotFoundException"), Some(message)), "{key}");
    }
    let completed = s3.complete_multipart_upload().bucket(BUCKET).key("k").upload_id("fakeid").send().await;
    assert_eq!(error_code(&completed.unwrap_err()), "NoSuchUpload");
}

#[tokio::test]
async fn everybody_reads_what_an_objects_own_list_lets_everybody_read() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let s3 = s3_client(&world, true);
    world.update_sandbox_state_on_disk(|state| {
        let settings = &mut state.s3.buckets.get_mut(BUCKET).unwrap().settings;
        settings.insert("ownershipControls".to_owned(), "<ObjectOwnership>ObjectWriter<".to_owned());
        settings.insert("publicAccessBlock".to_owned(), String::new());
    });
    for (key, acl, status) in [("open", "public-read", 200), ("shut", "private", 403)] {
        s3.put_object().bucket(BUCKET).key(key).acl(acl.into()).send().await.unwrap();
        let got = send_get(&world, "s3.us-east-1.amazonaws.com", &format!("/{BUCKET}/{key}")).await;
        assert_eq!(got.0, status, "{key}: {}", got.1);
    }
    world.update_sandbox_state_on_disk(|state| {
        let settings = &mut state.s3.buckets.get_mut(BUCKET).unwrap().settings;
        settings.insert("publicAccessBlock".to_owned(), "<IgnorePublicAcls>true<".to_owned());
    });
    assert_eq!(send_get(&world, "s3.us-east-1.amazonaws.com", &format!("/{BUCKET}/open")).await.0, 403);
}

#[tokio::test]
async fn a_deletion_is_judged_by_key_and_by_whether_it_names_a_version() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let s3 = s3_client(&world, true);
    for key in ["ours", "theirs"] {
        place_sandbox_object(&world, BUCKET, key, &[], b"x").unwrap();
    }
    world.update_sandbox_state_on_disk(|state| {
        state.iam.user.policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "s3:DeleteObject", "Resource": format!("arn:aws:s3:::{BUCKET}/ours"),
        }]});
    });
    let name = |key: &str| aws_sdk_s3::types::ObjectIdentifier::builder().key(key).build().unwrap();
    let list = aws_sdk_s3::types::Delete::builder().objects(name("ours")).objects(name("theirs"));
    let done = s3.delete_objects().bucket(BUCKET).delete(list.build().unwrap()).send().await.unwrap();
    let deleted: Vec<_> = done.deleted().iter().map(|one| one.key()).collect();
    let refused: Vec<_> = done.errors().iter().map(|one| (one.key(), one.code())).collect();
    assert_eq!(deleted, [Some("ours")]);
    assert_eq!(refused, [(Some("theirs"), Some("AccessDenied"))]);
    s3.delete_object().bucket(BUCKET).key("ours").send().await.unwrap();
    let by_version =
        s3.delete_object().bucket(BUCKET).key("ours").version_id("null").send().await.unwrap_err();
    assert!(by_version.message().unwrap().contains("s3:DeleteObjectVersion"), "{by_version:?}");
}
