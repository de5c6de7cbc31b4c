//! Distributions in time: references, ETags, what the edges serve meanwhile.

use aws_sdk_cloudfront::{
    Client,
    types::{Aliases, DistributionConfigWithTags, HttpVersion, PriceClass, Tag, Tags, ViewerCertificate},
};
use bytes::Bytes;

use super::{
    build_behavior, build_distribution_config, build_origin, build_plain_config, create_plain_distribution,
    sleep_seconds,
};
use crate::sandbox::tests::setup::{
    error_code, error_code_and_message, open_sandbox_in_dir, open_temporary_sandbox_with_client,
    open_temporary_sandbox_with_faults,
};
use crate::sandbox::{Sandbox, control_plane::cloudfront::find_sandbox_distribution_by_host};

#[tokio::test(start_paused = true)]
async fn a_reference_makes_one_distribution_ever() {
    let (_dir, _world, client) = open_temporary_sandbox_with_client(Client::new);
    let create = || client.create_distribution().distribution_config(build_plain_config("r")).send();
    let id = create().await.unwrap().distribution.unwrap().id;
    assert_eq!(
        error_code_and_message(&create().await.unwrap_err()),
        (
            "DistributionAlreadyExists".into(),
            format!(
                "The caller reference that you are using to create a distribution is associated with another distribution. Already exists: {id}"
            )
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_distribution_is_in_progress_then_deployed_and_listed_a_little_later() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let made = create_plain_distribution(&client).await.distribution.unwrap();
    assert_eq!(made.status, "InProgress");
    assert!(made.domain_name.ends_with(".cloudfront.net"));
    assert!(find_sandbox_distribution_by_host(&world, &made.domain_name).is_none());
    assert_eq!(client.list_distributions().send().await.unwrap().distribution_list.unwrap().quantity, 0);
    sleep_seconds(10).await;
    let now = client.get_distribution().id(&made.id).send().await.unwrap().distribution.unwrap();
    assert_eq!(now.status, "Deployed");
    assert!(find_sandbox_distribution_by_host(&world, &made.domain_name).is_some());
    let listed = client.list_distributions().send().await.unwrap().distribution_list.unwrap();
    assert_eq!(listed.items()[0].comment, "packagecloud-cloudfront b");
}

#[tokio::test(start_paused = true)]
async fn an_update_asks_for_the_etag_and_changes_it() {
    let (_dir, _world, client) = open_temporary_sandbox_with_client(Client::new);
    let made = create_plain_distribution(&client).await;
    let (id, etag) = (made.distribution.unwrap().id, made.e_tag.unwrap());
    let update = |etag: Option<&str>| {
        let etag = etag.map(ToOwned::to_owned);
        client
            .update_distribution()
            .id(&id)
            .set_if_match(etag)
            .distribution_config(build_plain_config("r"))
            .send()
    };
    assert_eq!(
        error_code_and_message(&update(None).await.unwrap_err()),
        (
            "InvalidIfMatchVersion".into(),
            "The If-Match version is missing or not valid for the resource.".into()
        )
    );
    let next = update(Some(&etag)).await.unwrap().e_tag.unwrap();
    assert_ne!(next, etag);
    let stale = update(Some(&etag)).await.unwrap_err();
    assert_eq!(
        error_code_and_message(&stale),
        (
            "PreconditionFailed".into(),
            "The request failed because it didn't meet the preconditions in one or more request-header fields.".into()
        )
    );
    assert_eq!(stale.raw_response().unwrap().status().as_u16(), 412);
    assert_eq!(client.get_distribution_config().id(&id).send().await.unwrap().e_tag.unwrap(), next);
    let moved = client
        .update_distribution()
        .id(&id)
        .if_match(&next)
        .distribution_config(build_plain_config("other"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error_code(&moved), "IllegalUpdate");
}

#[tokio::test(start_paused = true)]
async fn edges_serve_the_last_deployed_configuration_until_the_next_is() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let made = create_plain_distribution(&client).await;
    let (made, etag) = (made.distribution.unwrap(), made.e_tag.unwrap());
    sleep_seconds(10).await;
    let mut off = build_plain_config("r");
    off.enabled = false;
    let update = client.update_distribution().id(&made.id).if_match(&etag).distribution_config(off);
    let updated = update.send().await.unwrap();
    assert_eq!(updated.distribution.unwrap().status, "InProgress");
    let at_edge =
        |world: &Sandbox| find_sandbox_distribution_by_host(world, &made.domain_name).unwrap().enabled;
    assert!(at_edge(&world));
    // A second change while the first is in progress: the edges still have the first of all.
    let again = client.update_distribution().id(&made.id).if_match(updated.e_tag.unwrap());
    let mut off = build_plain_config("r");
    off.enabled = false;
    off.http_version = Some(HttpVersion::Http2and3);
    sleep_seconds(4).await;
    again.distribution_config(off).send().await.unwrap();
    sleep_seconds(6).await;
    assert!(at_edge(&world));
    sleep_seconds(4).await;
    assert!(!at_edge(&world));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_comes_back_with_what_aws_fills_in() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let made = create_plain_distribution(&client).await.distribution.unwrap();
    let config =
        client.get_distribution_config().id(&made.id).send().await.unwrap().distribution_config.unwrap();
    assert_eq!(config.price_class, Some(PriceClass::PriceClassAll));
    assert_eq!(config.http_version, Some(HttpVersion::Http2));
    assert_eq!(config.is_ipv6_enabled, Some(false));
    let certificate = config.viewer_certificate.unwrap();
    assert_eq!(certificate.minimum_protocol_version.unwrap().as_str(), "TLSv1");
    let behavior = config.default_cache_behavior.unwrap();
    let methods = behavior.allowed_methods.unwrap();
    assert_eq!(
        methods.items().iter().map(aws_sdk_cloudfront::types::Method::as_str).collect::<Vec<_>>(),
        ["HEAD", "GET"]
    );
    assert_eq!(
        (behavior.compress, behavior.lambda_function_associations.unwrap().quantity),
        (Some(false), 0)
    );
    sleep_seconds(10).await;
    let edge = find_sandbox_distribution_by_host(&world, &made.domain_name).unwrap();
    let last = edge.behaviors.last().unwrap();
    assert_eq!((last.min_ttl, last.default_ttl, last.max_ttl, last.query_strings), (0, 0, 0, false));
    assert_eq!(last.allowed_methods, ["HEAD", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn elements_that_the_sandbox_does_not_know_come_back() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let made = create_plain_distribution(&client).await.distribution.unwrap();
    world.update_sandbox_state_on_disk(|state| {
        let distribution = state.cloudfront.distributions.get_mut(&made.id).unwrap();
        let grown = "<ViewerMtlsConfig><Mode>required</Mode></ViewerMtlsConfig></DistributionConfig>";
        distribution.config = distribution.config.replace("</DistributionConfig>", grown);
    });
    let raw = fetch_raw_response(&world, &format!("/2020-05-31/distribution/{}/config", made.id)).await;
    assert!(raw.contains("<ViewerMtlsConfig><Mode>required</Mode></ViewerMtlsConfig>"), "{raw}");
}

/// The answer as it goes over the wire, to a request signed by hand.
async fn fetch_raw_response(world: &Sandbox, path: &str) -> String {
    use aws_sigv4::{
        http_request::{SignableBody, SignableRequest, SigningSettings, sign},
        sign::v4,
    };
    let credentials = aws_credential_types::Credentials::new(
        crate::sandbox::control_plane::iam::ACCESS_KEY,
        crate::sandbox::control_plane::iam::SECRET_KEY,
        None,
        None,
        "test",
    );
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("cloudfront")
        .time(std::time::UNIX_EPOCH + world.sandbox_unix_time_now())
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let uri = format!("https://cloudfront.amazonaws.com{path}");
    let headers = [("host", "cloudfront.amazonaws.com")];
    let signable = SignableRequest::new("GET", &uri, headers.into_iter(), SignableBody::Bytes(b"")).unwrap();
    let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
    let mut request =
        http::Request::get(&uri).header("host", "cloudfront.amazonaws.com").body(Bytes::new()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    String::from_utf8(world.handle_sandbox_request(request).await.unwrap().into_body().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_configuration_is_said_by_its_code() {
    let (_dir, _world, client) = open_temporary_sandbox_with_client(Client::new);
    let identity = client
        .create_cloud_front_origin_access_identity()
        .cloud_front_origin_access_identity_config(super::resources::build_identity_config("i", "c"))
        .send()
        .await
        .unwrap()
        .cloud_front_origin_access_identity
        .unwrap();
    let path = format!("origin-access-identity/cloudfront/{}", identity.id);
    let control = client
        .create_origin_access_control()
        .origin_access_control_config(super::resources::build_control_config("c"))
        .send()
        .await
        .unwrap()
        .origin_access_control
        .unwrap();
    let mut quantity = build_plain_config("q");
    quantity.origins.as_mut().unwrap().quantity = 2;
    let mut policy = build_plain_config("p");
    policy.default_cache_behavior.as_mut().unwrap().cache_policy_id =
        Some("00000000-0000-0000-0000-000000000000".into());
    let mut target = build_plain_config("t");
    target.default_cache_behavior.as_mut().unwrap().target_origin_id = "elsewhere".into();
    let mut both = build_origin(&path);
    both.origin_access_control_id = Some(control.id);
    let mut unknown = build_origin("");
    unknown.origin_access_control_id = Some("E1".into());
    let mut alias = build_plain_config("a");
    alias.aliases = Some(Aliases::builder().quantity(1).items("packages.example.com").build().unwrap());
    let mut long = build_plain_config("l");
    long.comment = "x".repeat(129);
    let mut neither = build_plain_config("n");
    neither.default_cache_behavior.as_mut().unwrap().cache_policy_id = None;
    for (config, expected) in [
        (quantity, "InconsistentQuantities"),
        (policy, "NoSuchCachePolicy"),
        (target, "NoSuchOrigin"),
        (build_distribution_config("b", both, build_behavior(None)), "IllegalOriginAccessConfiguration"),
        (build_distribution_config("u", unknown, build_behavior(None)), "InvalidOriginAccessControl"),
        (
            build_distribution_config(
                "o",
                build_origin("origin-access-identity/cloudfront/E1"),
                build_behavior(None),
            ),
            "InvalidOriginAccessIdentity",
        ),
        (alias, "InvalidViewerCertificate"),
        (long, "InvalidArgument"),
        (neither, "InvalidArgument"),
    ] {
        let error = client.create_distribution().distribution_config(config).send().await.unwrap_err();
        assert_eq!(error_code(&error), expected);
    }
    let fine = build_distribution_config("f", build_origin(&path), build_behavior(None));
    client.create_distribution().distribution_config(fine).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_alias_belongs_to_one_distribution() {
    let (_dir, world, client) = open_temporary_sandbox_with_client(Client::new);
    let acm = aws_sdk_acm::Client::new(&world.build_sandbox_sdk_config());
    let asked = acm.request_certificate().domain_name("*.example.com").send().await.unwrap();
    let arn = asked.certificate_arn.unwrap();
    let named = |reference: &str| {
        let mut config = build_plain_config(reference);
        config.aliases = Some(Aliases::builder().quantity(1).items("packages.example.com").build().unwrap());
        config.viewer_certificate = Some(ViewerCertificate::builder().acm_certificate_arn(&arn).build());
        client.create_distribution().distribution_config(config).send()
    };
    assert_eq!(
        error_code(&named("one").await.unwrap_err()),
        "InvalidViewerCertificate",
        "it isn't issued yet"
    );
    sleep_seconds(10).await;
    named("one").await.unwrap();
    assert_eq!(error_code(&named("two").await.unwrap_err()), "CNAMEAlreadyExists");
    sleep_seconds(10).await;
    assert!(find_sandbox_distribution_by_host(&world, "packages.example.com").is_some());
}

#[tokio::test(start_paused = true)]
async fn tags_are_set_at_creation_and_add_up() {
    let (_dir, _world, client) = open_temporary_sandbox_with_client(Client::new);
    let tag = |key: &str, value: &str| {
        Tags::builder().items(Tag::builder().key(key).value(value).build().unwrap()).build()
    };
    let with = DistributionConfigWithTags::builder()
        .distribution_config(build_plain_config("r"))
        .tags(tag("packagecloud:enterprise", "b"));
    let made = client.create_distribution_with_tags().distribution_config_with_tags(with.build());
    let arn = made.send().await.unwrap().distribution.unwrap().arn;
    client.tag_resource().resource(&arn).tags(tag("packagecloud-cloudfront", "b")).send().await.unwrap();
    let tags = client.list_tags_for_resource().resource(&arn).send().await.unwrap().tags.unwrap();
    let pairs: Vec<_> = tags.items().iter().map(|tag| (tag.key(), tag.value())).collect();
    assert_eq!(pairs, [("packagecloud-cloudfront", Some("b")), ("packagecloud:enterprise", Some("b"))]);
    let none = client.list_tags_for_resource().resource(format!("{arn}X")).send().await.unwrap_err();
    assert_eq!(error_code(&none), "NoSuchResource");
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_edit_makes_an_etag_stale() {
    let (_dir, world) = open_temporary_sandbox_with_faults(&["cloudfront:UpdateDistribution:1:drift"]);
    let client = Client::new(&world.build_sandbox_sdk_config());
    let made = create_plain_distribution(&client).await;
    let (id, etag) = (made.distribution.unwrap().id, made.e_tag.unwrap());
    let update =
        client.update_distribution().id(&id).if_match(etag).distribution_config(build_plain_config("r"));
    assert_eq!(error_code(&update.send().await.unwrap_err()), "PreconditionFailed");
    let now = client.get_distribution_config().id(&id).send().await.unwrap().distribution_config.unwrap();
    assert_eq!(now.price_class, Some(PriceClass::PriceClass100));
}

#[tokio::test(start_paused = true)]
async fn another_process_on_the_directory_sees_the_same_distribution() {
    let (dir, _world, client) = open_temporary_sandbox_with_client(Client::new);
    let made = create_plain_distribution(&client).await.distribution.unwrap();
    let other = open_sandbox_in_dir(dir.path());
    let client = Client::new(&other.build_sandbox_sdk_config());
    assert_eq!(
        client.get_distribution().id(&made.id).send().await.unwrap().distribution.unwrap().arn,
        made.arn
    );
    let none = client.get_distribution().id("E0").send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&none),
        ("NoSuchDistribution".into(), "The specified distribution does not exist.".into())
    );
}
