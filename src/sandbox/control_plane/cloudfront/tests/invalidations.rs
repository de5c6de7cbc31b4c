//! Invalidations: made once, completed later, listed from the last made on.

use std::time::Duration;

use aws_sdk_cloudfront::{
    Client,
    types::{InvalidationBatch, Paths},
};

use crate::sandbox::{
    control_plane::cloudfront::SandboxDistribution,
    tests::setup::{error_code_and_message, open_temporary_sandbox_with_client},
};

fn open_sandbox_with_distribution() -> (tempfile::TempDir, Client) {
    let (dir, world, cloudfront) = open_temporary_sandbox_with_client(Client::new);
    world.update_sandbox_state_on_disk(|state| {
        let one = SandboxDistribution { id: "E1".into(), ..SandboxDistribution::default() };
        state.cloudfront.distributions.insert("E1".into(), one);
    });
    (dir, cloudfront)
}

fn build_batch(reference: &str, path: &str) -> InvalidationBatch {
    let paths = Paths::builder().quantity(1).items(path).build().unwrap();
    InvalidationBatch::builder().caller_reference(reference).paths(paths).build().unwrap()
}

/// By CloudFront's API reference: an invalidation is in progress, then completed; a used reference gives the same one.
#[tokio::test(start_paused = true)]
async fn an_invalidation_is_made_once_and_completes() {
    let (_dir, cloudfront) = open_sandbox_with_distribution();
    let batch = |path: &str| build_batch("r", path);
    let create = |path: &str| {
        cloudfront.create_invalidation().distribution_id("E1").invalidation_batch(batch(path)).send()
    };
    let made = create("/a/*").await.unwrap().invalidation.unwrap();
    assert_eq!(made.status(), "InProgress");
    assert_eq!(create("/a/*").await.unwrap().invalidation.unwrap().id(), made.id());
    tokio::time::sleep(Duration::from_mins(5)).await;
    let seen = cloudfront.get_invalidation().distribution_id("E1").id(made.id()).send().await.unwrap();
    assert_eq!(seen.invalidation.unwrap().status(), "Completed");
    let listed = cloudfront.list_invalidations().distribution_id("E1").send().await.unwrap();
    assert_eq!(listed.invalidation_list.unwrap().quantity(), 1);
    for (id, path, code) in [
        ("E1", "/b/*", "InvalidationBatchAlreadyExists"),
        ("E1", "a", "InvalidArgument"),
        ("E1", "/a*b", "InvalidArgument"),
        ("E2", "/a", "NoSuchDistribution"),
    ] {
        let asked = cloudfront.create_invalidation().distribution_id(id).invalidation_batch(batch(path));
        let refused = asked.send().await.unwrap_err();
        assert_eq!(error_code_and_message(&refused).0, code, "{id} {path}");
    }
}

/// By CloudFront's API reference: from most recent to oldest, and a page's marker is the last id of the one before.
#[tokio::test(start_paused = true)]
async fn invalidations_are_listed_from_the_last_made_on_page_by_page() {
    let (_dir, cloudfront) = open_sandbox_with_distribution();
    let mut made = Vec::new();
    for reference in ["1", "2", "3", "4", "1"] {
        let batch = build_batch(reference, "/*");
        let asked = cloudfront.create_invalidation().distribution_id("E1").invalidation_batch(batch);
        made.push(asked.send().await.unwrap().invalidation.unwrap().id);
    }
    assert_eq!(made.pop(), Some(made[0].clone()));
    let mut listed = Vec::new();
    let mut marker = None;
    loop {
        let asked = cloudfront.list_invalidations().distribution_id("E1").max_items(3).set_marker(marker);
        let page = asked.send().await.unwrap().invalidation_list.unwrap();
        listed.extend(page.items().iter().map(|one| one.id.clone()));
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    made.reverse();
    assert_eq!(listed, made);
}
