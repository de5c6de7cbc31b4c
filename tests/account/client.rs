//! A package manager at every moment: its signed link must be served, and nobody without one.

use std::time::Duration;

use packagecloud_cloudfront::{
    aws::web::Web,
    engine::Ground,
    sandbox::{World, router::PACKAGECLOUD_HOST, seed},
};

use crate::ground::ground;

const PACKAGE: &str = "1/2/ubuntu/package_files/97310.deb";
/// How often it comes, on the paused clock.
const EVERY: Duration = Duration::from_millis(200);

/// What a client meets who asks packagecloud and follows its redirect: the host that served it and the status; `None`
/// while packagecloud itself restarts.
pub async fn downloads(world: &World) -> Option<(String, u16)> {
    let Ground { web, .. } = ground(world);
    let url = format!("https://{PACKAGECLOUD_HOST}/{PACKAGE}");
    let reply = web.get(&url, &[("authorization", "Basic ZGVtby10b2tlbjo=")]).await.unwrap();
    if reply.status == 502 {
        return None;
    }
    let location = reply.header("location").unwrap_or_else(|| panic!("{reply:?}")).to_owned();
    let host = location.split('/').nth(2).unwrap().to_owned();
    Some((host, status(&web, &location).await))
}

async fn status(web: &Web, url: &str) -> u16 {
    web.get(url, &[]).await.map_or(0, |reply| reply.status)
}

/// Who is served without a token, at any distribution or by S3 itself.
async fn open(world: &World) -> Option<String> {
    let Ground { web, .. } = ground(world);
    let domains: Vec<String> =
        world.read(|state| state.cloudfront.distributions.values().map(|one| one.domain.clone()).collect());
    let s3 = format!("{}.s3.us-east-1.amazonaws.com", seed::BUCKET);
    for host in domains.into_iter().chain([s3]) {
        let url = format!("https://{host}/{PACKAGE}");
        if status(&web, &url).await == 200 {
            return Some(url);
        }
    }
    None
}

/// Does `work`; what clients met meanwhile that they must not, if anything.
pub async fn watched<T>(
    world: &World,
    links_work: bool,
    work: impl Future<Output = T>,
) -> (T, Option<String>) {
    let mut wrong = None;
    let watching = async {
        loop {
            if let Some(url) = Box::pin(open(world)).await {
                wrong.get_or_insert(format!("{url} is open"));
            }
            if links_work
                && let Some((host, status)) = Box::pin(downloads(world)).await
                && status != 200
            {
                wrong.get_or_insert(format!("a signed link to {host} answers {status}"));
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    let done = tokio::select! {
        biased;
        () = watching => unreachable!("it watches for ever"),
        done = Box::pin(work) => done,
    };
    (done, wrong)
}
