//! The sandbox over real sockets, on loopback.

use aws_sdk_s3::Client;

use super::*;
use crate::sandbox::{SandboxOptions, forward, seed};

#[tokio::test]
async fn an_sdk_packagecloud_and_a_second_process_reach_what_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let world = seed::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.path().to_owned(),
        ..SandboxOptions::default()
    })
    .unwrap();
    assert!(find_running_sandbox_addresses(dir.path()).is_none());
    let serving = start_sandbox_server(&world, 0, 0, 0).await.unwrap();
    let path = dir.path().to_owned();
    let other = tokio::task::spawn_blocking(move || forward::connect_to_sandbox_server(&path))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(other.addresses, serving.addresses);
    // To a client that gives a host's credentials to each of its ports, the front is another host.
    let host_of = |url: &str| url.parse::<http::Uri>().unwrap().host().unwrap().to_owned();
    let addresses = &serving.addresses;
    assert_eq!(host_of(&addresses.aws), host_of(&addresses.cloudfront));
    assert_ne!(host_of(&addresses.packagecloud), host_of(&addresses.aws));

    let plain = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<Full<Bytes>>();
    let get = |url: &str, token: bool| {
        let mut request = Request::get(url);
        if token {
            request = request.header("authorization", "Basic ZGVtby10b2tlbjo=");
        }
        plain.request(request.body(Full::default()).unwrap())
    };
    let key = "1/2/ubuntu/package_files/97310.deb";
    let front = format!("{}/{key}", serving.addresses.packagecloud);
    assert_eq!(get(&front, false).await.unwrap().status().as_u16(), 401);
    let sent = get(&front, true).await.unwrap();
    let link = sent.headers()["location"].to_str().unwrap().to_owned();
    assert!(link.starts_with(&serving.addresses.aws), "{link}");
    let package = get(&link, false).await.unwrap();
    assert_eq!(package.status().as_u16(), 200);
    assert!(package.into_body().collect().await.unwrap().to_bytes().starts_with(b"!<arch>"));
    assert_eq!(
        get(&format!("{}/{key}", serving.addresses.cloudfront), false).await.unwrap().status().as_u16(),
        403
    );

    // By the endpoint's address, as any SDK; and by AWS's own names, through the server.
    let config = world.build_sandbox_sdk_config();
    let direct = aws_sdk_s3::config::Builder::from(&config)
        .endpoint_url(&serving.addresses.aws)
        .force_path_style(true)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let through = aws_sdk_s3::config::Builder::from(&config)
        .http_client(other.build_sandbox_server_http_client())
        .build();
    for client in [Client::from_conf(direct), Client::from_conf(through)] {
        let put = client
            .put_object()
            .bucket(seed::SANDBOX_BUCKET)
            .key("1/2/a+b.deb")
            .body(Bytes::from_static(b"x").into());
        put.send().await.unwrap();
        let listed =
            client.list_objects_v2().bucket(seed::SANDBOX_BUCKET).prefix("1/2/a").send().await.unwrap();
        assert_eq!(listed.contents()[0].key(), Some("1/2/a+b.deb"));
    }
    drop(serving);
    assert!(!dir.path().join(MARKER_FILENAME).exists());
}

#[tokio::test]
async fn a_marker_of_a_server_that_is_gone_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let world = seed::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.path().to_owned(),
        ..SandboxOptions::default()
    })
    .unwrap();
    let serving = start_sandbox_server(&world, 0, 0, 0).await.unwrap();
    let mut addresses = serving.addresses.clone();
    "another word".clone_into(&mut addresses.word);
    std::fs::write(dir.path().join(MARKER_FILENAME), serde_json::to_vec(&addresses).unwrap()).unwrap();
    let path = dir.path().to_owned();
    assert!(
        tokio::task::spawn_blocking(move || find_running_sandbox_addresses(&path)).await.unwrap().is_none()
    );
}
