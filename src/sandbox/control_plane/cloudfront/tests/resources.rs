//! Identities, controls and cache policies.

use aws_sdk_cloudfront::{
    Client,
    types::{
        CachePolicyConfig, CachePolicyType, CloudFrontOriginAccessIdentityConfig, OriginAccessControlConfig,
        OriginAccessControlOriginTypes, OriginAccessControlSigningBehaviors,
        OriginAccessControlSigningProtocols,
    },
};

use super::{CACHING_DISABLED_POLICY_ID, sleep_seconds};
use crate::sandbox::control_plane::{PropagationClock, does_policy_principal_exist};
use crate::sandbox::tests::setup::{error_code, error_code_and_message, open_temporary_sandbox_with_client};

pub fn build_identity_config(reference: &str, comment: &str) -> CloudFrontOriginAccessIdentityConfig {
    CloudFrontOriginAccessIdentityConfig::builder()
        .caller_reference(reference)
        .comment(comment)
        .build()
        .unwrap()
}

pub fn build_control_config(name: &str) -> OriginAccessControlConfig {
    OriginAccessControlConfig::builder()
        .name(name)
        .signing_protocol(OriginAccessControlSigningProtocols::Sigv4)
        .signing_behavior(OriginAccessControlSigningBehaviors::Always)
        .origin_access_control_origin_type(OriginAccessControlOriginTypes::S3)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_the_same_for_the_same_reference_and_comment() {
    let (_dir, _world, client) = open_temporary_sandbox_with_client(Client::new);
    let create = |reference: &str, comment: &str| {
        client
            .create_cloud_front_origin_access_identity()
            .cloud_front_origin_access_identity_config(build_identity_config(reference, comment))
            .send()
    };
    let first = create("r", "c").await.unwrap().cloud_front_origin_access_identity.unwrap();
    let again = create("r", "c").await.unwrap().cloud_front_origin_access_identity.unwrap();
    assert_eq!((&first.id, first.s3_canonical_user_id.len()), (&again.id, 96));
    let other = create("r", "d").await.unwrap_err();
    assert_eq!(error_code(&other), "CloudFrontOriginAccessIdentityAlreadyExists");
    assert_eq!(other.raw_response().unwrap().status().as_u16(), 409);
    let none = client.get_cloud_front_origin_access_identity().id("E0").send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&none),
        (
            "NoSuchCloudFrontOriginAccessIdentity".into(),
            "The specified origin access identity does not exist.".into()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_a_principal_only_after_a_while() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let create = client.create_cloud_front_origin_access_identity();
    let made = create
        .cloud_front_origin_access_identity_config(build_identity_config("r", "c"))
        .send()
        .await
        .unwrap();
    let made = made.cloud_front_origin_access_identity.unwrap();
    let known = |kind: &str, name: &str| {
        world.read_sandbox_state_from_disk(|state| {
            does_policy_principal_exist(
                state,
                PropagationClock::propagation_clock_from_sandbox(&world),
                kind,
                name,
            )
        })
    };
    let arn = format!("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {}", made.id);
    assert!(!known("AWS", &arn) && !known("CanonicalUser", &made.s3_canonical_user_id));
    sleep_seconds(5).await;
    assert!(known("AWS", &arn) && known("CanonicalUser", &made.s3_canonical_user_id));
    assert!(!known("AWS", "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E0TYPO"));
    assert!(!known("AWS", &arn.replace(' ', "_")));
}

#[tokio::test(start_paused = true)]
async fn identities_are_listed_in_pages() {
    let (_dir, _world, client) = open_temporary_sandbox_with_client(Client::new);
    for at in 0..3 {
        let config = build_identity_config(&format!("r{at}"), &format!("c{at}"));
        let create = client.create_cloud_front_origin_access_identity();
        create.cloud_front_origin_access_identity_config(config).send().await.unwrap();
    }
    sleep_seconds(2).await;
    let pages = client.list_cloud_front_origin_access_identities().max_items(2).into_paginator();
    let pages: Vec<_> = pages.send().collect::<Result<Vec<_>, _>>().await.unwrap();
    let sizes: Vec<_> = pages
        .iter()
        .map(|page| page.cloud_front_origin_access_identity_list().unwrap().items().len())
        .collect();
    assert_eq!(sizes, [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_controls_name_is_its_own() {
    let (_dir, _world, client) = open_temporary_sandbox_with_client(Client::new);
    let create = || {
        client.create_origin_access_control().origin_access_control_config(build_control_config("c")).send()
    };
    let made = create().await.unwrap().origin_access_control.unwrap();
    assert_eq!(error_code(&create().await.unwrap_err()), "OriginAccessControlAlreadyExists");
    let got = client.get_origin_access_control().id(&made.id).send().await.unwrap();
    assert_eq!(got.origin_access_control.unwrap().origin_access_control_config.unwrap().name, "c");
    let listed =
        client.list_origin_access_controls().send().await.unwrap().origin_access_control_list.unwrap();
    assert_eq!(listed.items()[0].id, made.id);
}

fn build_policy_config(name: &str, min: i64) -> CachePolicyConfig {
    CachePolicyConfig::builder()
        .name(name)
        .comment("c")
        .min_ttl(min)
        .default_ttl(5)
        .max_ttl(10)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_cache_policy_is_found_by_name_and_changed_under_its_etag() {
    let (_dir, _world, client) = open_temporary_sandbox_with_client(Client::new);
    let create = |config: CachePolicyConfig| client.create_cache_policy().cache_policy_config(config).send();
    let made = create(build_policy_config("p", 0)).await.unwrap();
    assert_eq!(
        error_code(&create(build_policy_config("p", 0)).await.unwrap_err()),
        "CachePolicyAlreadyExists"
    );
    assert_eq!(error_code(&create(build_policy_config("q", 6)).await.unwrap_err()), "InvalidArgument");
    let listed = client
        .list_cache_policies()
        .r#type(CachePolicyType::Custom)
        .send()
        .await
        .unwrap()
        .cache_policy_list
        .unwrap();
    assert_eq!(listed.quantity, 1);
    let all = client.list_cache_policies().send().await.unwrap().cache_policy_list.unwrap();
    assert_eq!(all.quantity, 4);
    let (id, etag) = (made.cache_policy.unwrap().id, made.e_tag.unwrap());
    let update = |id: &str, etag: &str| {
        client
            .update_cache_policy()
            .id(id)
            .if_match(etag)
            .cache_policy_config(build_policy_config("p", 1))
            .send()
    };
    assert_ne!(update(&id, &etag).await.unwrap().e_tag.unwrap(), etag);
    assert_eq!(error_code(&update(&id, &etag).await.unwrap_err()), "PreconditionFailed");
    assert_eq!(error_code(&update(CACHING_DISABLED_POLICY_ID, &etag).await.unwrap_err()), "IllegalUpdate");
    let none = client.get_cache_policy().id("00000000-0000-0000-0000-000000000000").send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&none),
        ("NoSuchCachePolicy".into(), "The specified cache policy does not exist.".into())
    );
}
