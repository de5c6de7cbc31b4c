//! The front before and after restarts, and packagecloud-ctl.

use super::*;
use crate::sandbox::{SandboxOptions, seed};

fn open_sandbox(dir: &tempfile::TempDir) -> Sandbox {
    seed::open_or_seed_sandbox(&SandboxOptions { dir: dir.path().to_owned(), ..SandboxOptions::default() })
        .unwrap()
}

async fn fetch_status_and_location(world: &Sandbox, path: &str, token: Option<&str>) -> (u16, String) {
    request_status_and_location(world, Method::GET, path, token).await
}

async fn request_status_and_location(
    world: &Sandbox,
    method: Method,
    path: &str,
    token: Option<&str>,
) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(path).header("host", "packagecloud.sandbox");
    if let Some(token) = token {
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(format!("{token}:"))));
    }
    let response = serve_packagecloud_request(world, request.body(Bytes::new()).unwrap()).await;
    let location = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    (response.status().as_u16(), location.unwrap_or_default())
}

async fn run_command(world: &Sandbox, command: &str) -> (i32, String) {
    let mut lines = Vec::new();
    let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
    let code =
        simulate_packagecloud_ctl_command(world, &words, &mut |line| lines.push(line.to_owned())).await;
    (code, lines.join("\n"))
}

fn switch_cloudfront_on(world: &Sandbox) {
    let path = world.sandbox_dir().join("packagecloud.rb");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("\npackagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['cloudfront_secret'] = 'MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI='\npackagecloud_rails['cloudfront_packages_domain'] = 'd1.cloudfront.net'\n");
    std::fs::write(path, text).unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_redirects_by_what_runs_not_by_what_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let key = "/1/2/a%20b+c.deb";
    assert_eq!(fetch_status_and_location(&world, key, None).await.0, 401);
    assert_eq!(fetch_status_and_location(&world, key, Some("wrong")).await.0, 401);
    let s3 = |link: &str| {
        link.starts_with(
            "https://packagecloud-sandbox-999999999999.s3.amazonaws.com/1/2/a%20b%2Bc.deb?AWSAccessKeyId=",
        )
    };
    let edge = |link: &str| link.starts_with("https://d1.cloudfront.net/1/2/a%20b%2Bc.deb?t=");
    let (status, link) = fetch_status_and_location(&world, key, Some("demo-token")).await;
    assert!(status == 302 && s3(&link), "{link}");
    switch_cloudfront_on(&world);
    let (code, lines) = run_command(&world, "reconfigure").await;
    assert_eq!(code, 0);
    assert!(
        lines.contains("+  cloudfront_secret: MDI2") && lines.ends_with("packagecloud Reconfigured!"),
        "{lines}"
    );
    assert!(s3(&fetch_status_and_location(&world, key, Some("demo-token")).await.1), "nothing was restarted");
    assert_eq!(run_command(&world, "restart").await.0, 0);
    let (_, link) = fetch_status_and_location(&world, key, Some("demo-token")).await;
    assert!(edge(&link), "{link}");
    let (expires, mac) = link.rsplit_once("?t=").unwrap().1.split_once('_').unwrap();
    assert_eq!(
        (expires.parse::<u64>().unwrap(), mac.len()),
        (world.sandbox_unix_time_now().as_secs() + 300, 40)
    );

    add_unrestarted_sandbox_web_node(&world);
    let text = std::fs::read_to_string(dir.path().join("packagecloud.rb")).unwrap();
    std::fs::write(
        dir.path().join("packagecloud.rb"),
        text.replace(
            "'] = true\npackagecloud_rails['cloudfront_s",
            "'] = false\npackagecloud_rails['cloudfront_s",
        ),
    )
    .unwrap();
    run_command(&world, "reconfigure").await;
    run_command(&world, "restart").await;
    let mut ways = Vec::new();
    for _ in 0..4 {
        ways.push(edge(&fetch_status_and_location(&world, key, Some("demo-token")).await.1));
    }
    assert_eq!(ways.iter().filter(|edge| **edge).count(), 2, "one node of two lags");
}

/// zypper asks by HEAD first, and follows with HEAD.
#[tokio::test(start_paused = true)]
async fn a_link_to_s3_is_for_the_method_that_was_asked_with() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    for (asked, other) in [(Method::HEAD, Method::GET), (Method::GET, Method::HEAD)] {
        let path = "/1/2/ubuntu/package_files/97310.deb";
        let (status, link) =
            request_status_and_location(&world, asked.clone(), path, Some("demo-token")).await;
        assert_eq!(status, 302);
        let (host, rest) = link.strip_prefix("https://").unwrap().split_once('/').unwrap();
        for (method, expected) in [(asked, 200), (other, 403)] {
            let request =
                Request::builder().method(method.clone()).uri(format!("/{rest}")).header("host", host);
            let response = s3::handle_s3_api_call(&world, request.body(Bytes::new()).unwrap()).await;
            assert_eq!(response.status().as_u16(), expected, "{method} {link}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_is_not_rendered_and_what_is_unknown_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    assert_eq!(
        run_command(&world, "bootstrap-everything").await,
        (1, "I don't know that command.".to_owned())
    );
    let before = world.read_sandbox_state_from_disk(|state| state.packagecloud.rendered.clone());
    std::fs::write(dir.path().join("packagecloud.rb"), "packagecloud_rails['cloudfront_enabled'] = (")
        .unwrap();
    let (code, lines) = run_command(&world, "reconfigure").await;
    assert!(code == 1 && lines.contains("SyntaxError"), "{lines}");
    assert_eq!(world.read_sandbox_state_from_disk(|state| state.packagecloud.rendered.clone()), before);
}

#[tokio::test(start_paused = true)]
async fn the_vendors_reindex_sets_attributes_in_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox(&dir);
    let bucket = seed::SANDBOX_BUCKET;
    let cached = |world: &Sandbox| {
        let count = |objects: &s3::ObjectVersionsByKey| {
            objects
                .values()
                .flatten()
                .filter(|object| object.find_object_attribute_by_header("cache-control").is_some())
                .count()
        };
        world.sandbox_in_memory_state().objects.read_sandbox_bucket_from_disk(bucket, count).unwrap()
    };
    let (code, said) = run_command(&world, "reindex-everything").await;
    assert!(code == 0 && said.starts_with("Queued "), "{said}");
    assert_eq!(cached(&world), 0);
    tokio::time::advance(Duration::from_millis(90)).await;
    run_due_sandbox_reindex_jobs(&world);
    assert_eq!(cached(&world), 2);
    tokio::time::advance(Duration::from_mins(1)).await;
    run_due_sandbox_reindex_jobs(&world);
    assert_eq!(said, format!("Queued {} index jobs.", cached(&world)));
}
