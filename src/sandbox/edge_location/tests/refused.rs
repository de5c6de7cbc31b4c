//! What the edge must not give: without KMS, by a function of another shape, past AWS's limits, or to another identity.

use super::*;

/// Puts another program in the function's place, as if it had been published.
fn replace_function_code(edge: &EdgeFixture, source: &str) {
    use std::io::Write as _;
    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("index.mjs", stored).unwrap();
    zip.write_all(format!("export const handler = async (event) => {{ {source} }};").as_bytes()).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    for file in std::fs::read_dir(edge.world.sandbox_dir().join("lambda")).unwrap() {
        std::fs::write(file.unwrap().path(), &zip).unwrap();
    }
    edge.world.sandbox_in_memory_state().functions.lock().unwrap().clear();
}

#[tokio::test(start_paused = true)]
async fn without_kms_it_is_closed_nothing_is_kept_and_the_next_request_asks_again() {
    // Two attempts a request: each of these is one request that finds no KMS.
    let faults =
        ["kms:Decrypt:1-2:throttle", "kms:Decrypt:3:deny", "kms:Decrypt:4-5:hang", "kms:Decrypt:6-7:lost"];
    let edge =
        EdgeFixture::with_faults(&[faults.join(",").as_str(), "kms:Decrypt:8:error:IncorrectKeyException"])
            .await;
    edge.grant_bucket_read().await;
    for fault in ["throttled", "denied", "silent", "its reply lost", "a ciphertext of another key"] {
        let closed = edge.get_url(&edge.sign_package_url(PACKAGE_KEY), &[]).await;
        assert_eq!(closed.status().as_u16(), 503, "{fault}");
        assert_eq!(closed.headers()["cache-control"], "no-store", "{fault}");
        assert_eq!(closed.headers()["x-packagecloud-cloudfront"], "unavailable", "{fault}");
        assert!(edge.world.sandbox_in_memory_state().cache.lock().unwrap().is_empty(), "{fault}");
    }
    assert_eq!(
        edge.fetch_status_and_x_cache(&edge.sign_package_url(PACKAGE_KEY)).await,
        (200, "Miss".to_owned())
    );
    // What it decrypted it keeps: KMS is not asked again.
    edge.world.update_sandbox_state_on_disk(|state| {
        state.kms.keys.values_mut().for_each(|key| key.state = "Disabled".to_owned());
    });
    assert_eq!(
        edge.fetch_status_and_x_cache(&edge.sign_package_url(PACKAGE_KEY)).await,
        (200, "Hit".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cant_be_used_closes_the_edge() {
    let edge = EdgeFixture::new().await;
    edge.grant_bucket_read().await;
    edge.world.update_sandbox_state_on_disk(|state| {
        for key in state.kms.keys.values_mut() {
            key.state = "Disabled".to_owned();
        }
    });
    assert_eq!(
        edge.fetch_status_and_x_cache(&edge.sign_package_url(PACKAGE_KEY)).await,
        (503, "LambdaGeneratedResponse".to_owned())
    );
    edge.world.update_sandbox_state_on_disk(|state| state.iam.roles.clear());
    edge.world.sandbox_in_memory_state().functions.lock().unwrap().clear();
    assert_eq!(
        edge.fetch_status_and_x_cache(&edge.sign_package_url(PACKAGE_KEY)).await,
        (503, "Error".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_whose_answer_has_another_shape_is_refused_as_at_aws() {
    let edge = EdgeFixture::new().await;
    edge.grant_bucket_read().await;
    let request = "const { request } = event.Records[0].cf;";
    for (source, status) in [
        ("return { status: '204' };".to_owned(), 204),
        ("return { status: 403 };".to_owned(), 502),
        ("return { status: 'forbidden' };".to_owned(), 502),
        ("return { status: '403', body: 'x'.repeat(41 * 1024) };".to_owned(), 502),
        ("return { status: '200', headers: { via: [{ key: 'Via', value: 'me' }] } };".to_owned(), 502),
        ("return undefined;".to_owned(), 502),
        (format!("{request} request.uri = 'no slash'; return request;"), 502),
        (format!("{request} delete request.headers.host; return request;"), 502),
        (format!("{request} request.method = 'PUT'; return request;"), 502),
        ("throw new Error('broken');".to_owned(), 503),
    ] {
        replace_function_code(&edge, &source);
        let answer = edge.get_url(&edge.sign_package_url(PACKAGE_KEY), &[]).await;
        assert_eq!(answer.status().as_u16(), status, "{source}");
        assert_eq!(answer.headers()["x-cache"] == "LambdaGeneratedResponse from cloudfront", status == 204);
        assert!(edge.world.sandbox_in_memory_state().cache.lock().unwrap().is_empty(), "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_longer_than_cloudfront_takes_is_refused_before_the_function() {
    let edge = EdgeFixture::new().await;
    edge.grant_bucket_read().await;
    let url = edge.sign_package_url(PACKAGE_KEY);
    let long = format!("{url}&{}", "x".repeat(8192));
    assert_eq!(edge.fetch_status_and_x_cache(&long).await, (414, "Error".to_owned()));
    let large = "x".repeat(20_480);
    assert!(edge.get_url(&url, &[("x-own", &large)]).await.status().is_client_error());
    assert_eq!(edge.get_url(&url, &[("x-own", &large[..10_000])]).await.status().as_u16(), 200);
}

#[tokio::test(start_paused = true)]
async fn only_the_identity_that_the_bucket_policy_names_reads() {
    let edge = EdgeFixture::new().await;
    let other = CloudFrontOriginAccessIdentityConfig::builder().caller_reference("o").comment("o").build();
    let client = aws_sdk_cloudfront::Client::new(&edge.world.build_sandbox_sdk_config());
    let other = client
        .create_cloud_front_origin_access_identity()
        .cloud_front_origin_access_identity_config(other.unwrap());
    let other = other.send().await.unwrap().cloud_front_origin_access_identity.unwrap().id;
    // A fresh identity is no principal yet.
    tokio::time::sleep(Duration::from_mins(1)).await;
    edge.grant_bucket_read_to(&other).await;
    assert_eq!(
        edge.fetch_status_and_x_cache(&edge.sign_package_url(PACKAGE_KEY)).await,
        (403, "Error".to_owned())
    );
    edge.grant_bucket_read().await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(edge.fetch_status_and_x_cache(&edge.sign_package_url(PACKAGE_KEY)).await.0, 200);
    let unsigned = format!("https://{SANDBOX_BUCKET}.s3.us-east-1.amazonaws.com/{PACKAGE_KEY}");
    let request =
        Request::get(unsigned).header("host", format!("{SANDBOX_BUCKET}.s3.us-east-1.amazonaws.com"));
    let answer = edge.world.handle_sandbox_request(request.body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 403, "who is nobody");
}

fn put_bucket_setting(edge: &EdgeFixture, subresource: &str, xml: &str) {
    edge.world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap();
        bucket.settings.insert(subresource.to_owned(), xml.to_owned());
    });
}

#[tokio::test(start_paused = true)]
async fn an_object_over_50_gb_is_an_error_as_a_whole_and_parts_of_it_are_served() {
    let edge = EdgeFixture::new().await;
    edge.grant_bucket_read().await;
    let key = "1/2/ubuntu/package_files/huge.deb";
    s3::seed_object_without_content(&edge.world, SANDBOX_BUCKET, key, &[], 50_000_000_001).unwrap();
    let url = edge.sign_package_url(key);
    assert_eq!(edge.fetch_status_and_x_cache(&url).await, (502, "Error".to_owned()));
    let part = edge.get_url(&url, &[("range", "bytes=0-0")]).await;
    assert!(part.status().is_success() && part.body().len() == 1, "{part:?}");
}

#[tokio::test(start_paused = true)]
async fn who_says_not_that_he_pays_reads_no_requester_pays_bucket() {
    let edge = EdgeFixture::new().await;
    edge.grant_bucket_read().await;
    put_bucket_setting(
        &edge,
        "requestPayment",
        "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
    );
    let url = edge.sign_package_url(PACKAGE_KEY);
    assert_eq!(edge.fetch_status_and_x_cache(&url).await, (403, "Error".to_owned()));
    // The bucket's owner does by being who he is.
    let own = aws_sdk_s3::Client::new(&edge.world.build_sandbox_sdk_config());
    assert!(own.head_object().bucket(SANDBOX_BUCKET).key(PACKAGE_KEY).send().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_shut_out_while_the_policy_is_public_and_that_is_restricted() {
    let edge = EdgeFixture::new().await;
    edge.grant_bucket_read().await;
    let open = json!({"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{SANDBOX_BUCKET}/open/*")});
    edge.world.update_sandbox_state_on_disk(|state| {
        let policy = &mut state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().policy;
        let mut document: serde_json::Value = serde_json::from_str(policy.as_deref().unwrap()).unwrap();
        document["Statement"].as_array_mut().unwrap().push(open);
        *policy = Some(document.to_string());
    });
    let url = edge.sign_package_url(PACKAGE_KEY);
    let block = |on: bool| {
        let xml = format!(
            "<PublicAccessBlockConfiguration><RestrictPublicBuckets>{on}</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
        );
        put_bucket_setting(&edge, "publicAccessBlock", &xml);
    };
    block(true);
    assert_eq!(edge.fetch_status_and_x_cache(&url).await, (403, "Error".to_owned()));
    tokio::time::sleep(Duration::from_secs(11)).await;
    block(false);
    assert_eq!(edge.fetch_status_and_x_cache(&url).await.0, 200);
}
