//! Delivery end to end: the function's very bundle, the sandbox's KMS, S3 behind its bucket policy, and the cache.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_cloudfront::types::{
    AllowedMethods, CacheBehavior, CacheBehaviors, CachePolicyConfig, CachedMethods,
    CloudFrontOriginAccessIdentityConfig, DefaultCacheBehavior, DistributionConfig, EventType,
    LambdaFunctionAssociation, LambdaFunctionAssociations, Method as Allowed, Origin, Origins,
    S3OriginConfig, ViewerProtocolPolicy,
};
use aws_sdk_lambda::{client::Waiters, primitives::Blob, types::FunctionCode};
use serde_json::json;

use super::*;
use crate::{
    edge::bundle::{self, EdgeBundle},
    model::{
        aws::lambda_runtime::AUTHENTICATOR_RUNTIME,
        secret::Secret,
        url::token::{TokenMacAlgorithm, UrlTokenConstruction, sign_packages_url},
    },
    sandbox::{
        SandboxOptions,
        control_plane::{format_sandbox_role_arn, s3},
        seed::{self, SANDBOX_BUCKET},
    },
};

mod refused;

const PACKAGE_KEY: &str = "1/2/ubuntu/package_files/97310.deb";
const RELEASE_KEY: &str = "1/2/ubuntu/dists/jammy/Release";
const RESOURCE_NAME: &str = "packagecloud_cloudfront_auth";
const TOKEN_SECRET: &str = "MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=";

struct EdgeFixture {
    _dir: tempfile::TempDir,
    world: Sandbox,
    domain: String,
    identity: String,
}

impl EdgeFixture {
    /// All that a set-up makes but the grant; packages under `open/` lie behind a behavior without the function.
    async fn new() -> Self {
        Self::with_faults(&[]).await
    }

    /// With faults, as `--sandbox-fault` gives them.
    async fn with_faults(faults: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let faults = faults.iter().map(ToString::to_string).collect();
        let world = seed::open_or_seed_sandbox(&SandboxOptions {
            dir: dir.path().to_owned(),
            faults,
            ..SandboxOptions::default()
        })
        .unwrap();
        let version = publish_function(&world).await;
        let (domain, identity) = create_distribution(&world, &version).await;
        for (key, control) in [
            (PACKAGE_KEY, "public, max-age=31536000, immutable"),
            (RELEASE_KEY, "no-cache, no-store, max-age=0, must-revalidate"),
        ] {
            s3::modify_stored_object_in_place(&world, SANDBOX_BUCKET, key, |object| {
                object.attributes.insert("cache-control".to_owned(), control.to_owned());
            })
            .unwrap();
        }
        Self { _dir: dir, world, domain, identity }
    }

    async fn grant_bucket_read(&self) {
        self.grant_bucket_read_to(&self.identity).await;
    }

    async fn grant_bucket_read_to(&self, identity: &str) {
        let principal = s3::format_origin_access_identity_arn(identity);
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "R", "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{SANDBOX_BUCKET}/*")},
            {"Sid": "L", "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:ListBucket", "Resource": format!("arn:aws:s3:::{SANDBOX_BUCKET}")},
        ]});
        let s3 = aws_sdk_s3::Client::new(&self.world.build_sandbox_sdk_config());
        s3.put_bucket_policy().bucket(SANDBOX_BUCKET).policy(policy.to_string()).send().await.unwrap();
    }

    fn sign_package_url(&self, key: &str) -> String {
        let signer = Secret::new(TOKEN_SECRET).decode_base64_secret_key().unwrap();
        let expires = self.world.sandbox_unix_time_now().as_secs() + 300;
        sign_packages_url(
            &signer,
            key,
            expires,
            TokenMacAlgorithm::Sha1,
            UrlTokenConstruction::default(),
            &self.domain,
        )
    }

    async fn get_url(&self, url: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = Request::get(url).header("host", &self.domain);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.world.handle_sandbox_request(request.body(Bytes::new()).unwrap()).await.unwrap()
    }

    /// Status and `x-cache`.
    async fn fetch_status_and_x_cache(&self, url: &str) -> (u16, String) {
        let response = self.get_url(url, &[]).await;
        (
            response.status().as_u16(),
            response.headers()["x-cache"].to_str().unwrap().replace(" from cloudfront", ""),
        )
    }
}

async fn publish_function(world: &Sandbox) -> String {
    let config = world.build_sandbox_sdk_config();
    let kms = aws_sdk_kms::Client::new(&config);
    let key = kms.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let context = ("packagecloud:enterprise", SANDBOX_BUCKET);
    let sealed = kms
        .encrypt()
        .key_id(&key)
        .encryption_context(context.0, context.1)
        .plaintext(aws_sdk_kms::primitives::Blob::new(TOKEN_SECRET))
        .send()
        .await
        .unwrap();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": ["lambda.amazonaws.com", "edgelambda.amazonaws.com"]}}]});
    let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key}]});
    let users = aws_sdk_iam::Client::new(&config);
    users
        .create_role()
        .role_name(RESOURCE_NAME)
        .assume_role_policy_document(trust.to_string())
        .send()
        .await
        .unwrap();
    users
        .put_role_policy()
        .role_name(RESOURCE_NAME)
        .policy_name(RESOURCE_NAME)
        .policy_document(may.to_string())
        .send()
        .await
        .unwrap();
    for service in ["replicator.lambda.amazonaws.com", "logger.cloudfront.amazonaws.com"] {
        users.create_service_linked_role().aws_service_name(service).send().await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let bundle = EdgeBundle {
        construction: UrlTokenConstruction::default(),
        key_arn: key,
        context: BTreeMap::from([(context.0.to_owned(), context.1.to_owned())]),
    };
    let zip = bundle.build_edge_function_zip(&[sealed.ciphertext_blob.unwrap().into_inner()], &[]);
    let lambda = aws_sdk_lambda::Client::new(&config);
    lambda
        .create_function()
        .function_name(RESOURCE_NAME)
        .role(format_sandbox_role_arn(RESOURCE_NAME))
        .handler(bundle::LAMBDA_HANDLER)
        .runtime(AUTHENTICATOR_RUNTIME.into())
        .timeout(bundle::TIMEOUT_SECONDS)
        .memory_size(bundle::MEMORY_MB)
        .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
        .send()
        .await
        .unwrap();
    lambda
        .wait_until_function_active_v2()
        .function_name(RESOURCE_NAME)
        .wait(Duration::from_mins(1))
        .await
        .unwrap();
    let version =
        lambda.publish_version().function_name(RESOURCE_NAME).send().await.unwrap().function_arn.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    version
}

fn get_and_head() -> AllowedMethods {
    let both = || Some(vec![Allowed::Get, Allowed::Head]);
    let cached = CachedMethods::builder().set_items(both()).quantity(2).build().unwrap();
    AllowedMethods::builder().set_items(both()).quantity(2).cached_methods(cached).build().unwrap()
}

/// Domain, and the identity's id.
async fn create_distribution(world: &Sandbox, version: &str) -> (String, String) {
    let client = aws_sdk_cloudfront::Client::new(&world.build_sandbox_sdk_config());
    let identity =
        CloudFrontOriginAccessIdentityConfig::builder().caller_reference("r").comment("c").build().unwrap();
    let identity = client
        .create_cloud_front_origin_access_identity()
        .cloud_front_origin_access_identity_config(identity);
    let identity = identity.send().await.unwrap().cloud_front_origin_access_identity.unwrap().id;
    let policy =
        CachePolicyConfig::builder().name("p").min_ttl(0).default_ttl(0).max_ttl(31_536_000).build().unwrap();
    let policy = client
        .create_cache_policy()
        .cache_policy_config(policy)
        .send()
        .await
        .unwrap()
        .cache_policy
        .unwrap()
        .id;
    let association = LambdaFunctionAssociation::builder()
        .event_type(EventType::ViewerRequest)
        .lambda_function_arn(version)
        .build()
        .unwrap();
    let default = DefaultCacheBehavior::builder()
        .target_origin_id("s3")
        .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
        .allowed_methods(get_and_head())
        .cache_policy_id(&policy)
        .lambda_function_associations(
            LambdaFunctionAssociations::builder().quantity(1).items(association).build().unwrap(),
        )
        .build()
        .unwrap();
    let open = CacheBehavior::builder()
        .path_pattern("1/3/*")
        .target_origin_id("s3")
        .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
        .allowed_methods(get_and_head())
        .cache_policy_id(&policy)
        .build()
        .unwrap();
    let origin = Origin::builder()
        .id("s3")
        .domain_name(format!("{SANDBOX_BUCKET}.s3.us-east-1.amazonaws.com"))
        .s3_origin_config(
            S3OriginConfig::builder()
                .origin_access_identity(format!("origin-access-identity/cloudfront/{identity}"))
                .build(),
        )
        .build()
        .unwrap();
    let config = DistributionConfig::builder()
        .caller_reference("r")
        .comment("c")
        .enabled(true)
        .origins(Origins::builder().quantity(1).items(origin).build().unwrap())
        .default_cache_behavior(default)
        .cache_behaviors(CacheBehaviors::builder().quantity(1).items(open).build().unwrap())
        .build()
        .unwrap();
    let made =
        client.create_distribution().distribution_config(config).send().await.unwrap().distribution.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    (made.domain_name, identity)
}

#[tokio::test(start_paused = true)]
async fn a_signed_package_is_a_miss_then_a_hit_and_metadata_is_never_one() {
    let edge = EdgeFixture::new().await;
    let url = edge.sign_package_url(PACKAGE_KEY);
    assert_eq!(
        edge.fetch_status_and_x_cache(&url).await,
        (403, "Error".to_owned()),
        "nothing is granted yet"
    );
    edge.grant_bucket_read().await;
    // Errors from the origin are kept for ten seconds where nothing else is said.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let url = edge.sign_package_url(PACKAGE_KEY);
    assert_eq!(edge.fetch_status_and_x_cache(&url).await, (200, "Miss".to_owned()));
    tokio::time::sleep(Duration::from_secs(7)).await;
    let hit = edge.get_url(&edge.sign_package_url(PACKAGE_KEY), &[("range", "bytes=0-6")]).await;
    assert_eq!((hit.status().as_u16(), &hit.body()[..]), (206, &b"!<arch>"[..]));
    assert_eq!(hit.headers()["x-cache"], "Hit from cloudfront");
    assert_eq!(hit.headers()["age"], "7");
    let etag = hit.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(edge.get_url(&url, &[("if-none-match", &etag)]).await.status().as_u16(), 304);
    for _ in 0..3 {
        assert_eq!(
            edge.fetch_status_and_x_cache(&edge.sign_package_url(RELEASE_KEY)).await,
            (200, "Miss".to_owned())
        );
    }
    // Without a Cache-Control it is asked for again each time, and only its bytes are saved.
    let bare = "1/2/ubuntu/package_files/97311.deb";
    let first = edge.get_url(&edge.sign_package_url(bare), &[]).await;
    let refreshed = edge.get_url(&edge.sign_package_url(bare), &[]).await;
    for (response, said) in [(&first, "Miss from cloudfront"), (&refreshed, "RefreshHit from cloudfront")] {
        assert_eq!(
            (response.status().as_u16(), response.headers()["x-cache"].to_str().unwrap()),
            (200, said)
        );
    }
    // S3 said only that it wasn't modified.
    assert_eq!(refreshed.headers()["content-type"], first.headers()["content-type"]);
    // A key with a plus, which is a space to S3 where it is sent as it is.
    s3::place_sandbox_object(&edge.world, SANDBOX_BUCKET, "1/2/a b+c.deb", &[], b"plus").unwrap();
    assert_eq!(edge.get_url(&edge.sign_package_url("1/2/a b+c.deb"), &[]).await.body(), "plus");
    assert_eq!(
        edge.fetch_status_and_x_cache(&edge.sign_package_url("1/2/none.deb")).await,
        (404, "Error".to_owned())
    );
    s3::modify_stored_object_in_place(&edge.world, SANDBOX_BUCKET, "1/2/a b+c.deb", |object| {
        object.encryption = s3::SandboxObjectEncryption::Kms { dual: false, key: None, bucket_key: false };
        object.etag = "another".to_owned();
    })
    .unwrap();
    assert_eq!(
        edge.fetch_status_and_x_cache(&edge.sign_package_url("1/2/a b+c.deb")).await.0,
        403,
        "an identity can't use KMS"
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_no_right_token_gets_nothing_also_of_what_is_cached() {
    let edge = EdgeFixture::new().await;
    edge.grant_bucket_read().await;
    let url = edge.sign_package_url(PACKAGE_KEY);
    assert_eq!(edge.fetch_status_and_x_cache(&url).await.0, 200);
    assert_eq!(edge.fetch_status_and_x_cache(&url).await.1, "Hit");
    let (bare, token) = url.split_once('?').unwrap();
    let moved = format!("{}?{token}", edge.sign_package_url(RELEASE_KEY).split_once('?').unwrap().0);
    let forged = format!("{}0000", &url[..url.len() - 4]);
    let twice = format!("{url}&{token}");
    for refused in [bare, &moved, &forged, &twice] {
        assert_eq!(
            edge.fetch_status_and_x_cache(refused).await,
            (403, "LambdaGeneratedResponse".to_owned()),
            "{refused}"
        );
    }
    tokio::time::sleep(Duration::from_secs(301)).await;
    let late = edge.get_url(&url, &[]).await;
    assert_eq!(
        (late.status().as_u16(), &late.headers()["x-packagecloud-cloudfront"]),
        (403, &"expired".parse().unwrap())
    );
    // The behavior without the function is really open.
    assert_eq!(
        edge.fetch_status_and_x_cache(&format!(
            "https://{}/1/3/el/9/x86_64/repodata/repomd.xml",
            edge.domain
        ))
        .await
        .0,
        200
    );
    let plain = edge.sign_package_url(PACKAGE_KEY).replace("https:", "http:");
    assert_eq!(edge.fetch_status_and_x_cache(&plain).await.0, 403, "https only");
    let posted = Request::post(edge.sign_package_url(PACKAGE_KEY))
        .header("host", &edge.domain)
        .body(Bytes::new())
        .unwrap();
    assert_eq!(edge.world.handle_sandbox_request(posted).await.unwrap().status().as_u16(), 403);
}

#[tokio::test(start_paused = true)]
async fn a_head_has_no_body_and_ranges_are_parts_of_what_is_cached() {
    let edge = EdgeFixture::new().await;
    edge.grant_bucket_read().await;
    let url = edge.sign_package_url(PACKAGE_KEY);
    let head = async |url: &str| {
        let request = Request::head(url).header("host", &edge.domain).body(Bytes::new()).unwrap();
        edge.world.handle_sandbox_request(request).await.unwrap()
    };
    let asked = head(&url).await;
    assert_eq!((asked.status().as_u16(), asked.body().len()), (200, 0));
    let whole = edge.get_url(&url, &[]).await;
    let length = whole.body().len();
    assert_eq!(asked.headers()["content-length"], length.to_string().as_str());
    let asked = head(&url).await;
    assert_eq!((&asked.headers()["x-cache"], asked.body().len()), (&X_CACHE_HIT.parse().unwrap(), 0));
    let refused = head(url.split('?').next().unwrap()).await;
    assert_eq!((refused.status().as_u16(), refused.body().len()), (403, 0));

    for (range, status, said, body) in [
        ("bytes=2-3", 206, Some(format!("bytes 2-3/{length}")), &whole.body()[2..4]),
        (
            "bytes=-4",
            206,
            Some(format!("bytes {}-{}/{length}", length - 4, length - 1)),
            &whole.body()[length - 4..],
        ),
        ("bytes=99999999-", 416, Some(format!("bytes */{length}")), &[]),
        ("bytes=0-1,4-5", 200, None, &whole.body()[..]),
        ("pages=1", 200, None, &whole.body()[..]),
    ] {
        let part = edge.get_url(&url, &[("range", range)]).await;
        let stated = part.headers().get("content-range").map(|text| text.to_str().unwrap().to_owned());
        assert_eq!((part.status().as_u16(), stated, &part.body()[..]), (status, said, body), "{range}");
        assert_eq!(part.headers()["x-cache"], X_CACHE_HIT, "{range}");
    }
    // A resumed download goes on only with the same object.
    let etag = whole.headers()["etag"].to_str().unwrap().to_owned();
    for (tag, status) in [(etag.as_str(), 206), ("\"another\"", 200)] {
        let resumed = edge.get_url(&url, &[("range", "bytes=2-"), ("if-range", tag)]).await;
        assert_eq!(resumed.status().as_u16(), status, "{tag}");
    }
}
