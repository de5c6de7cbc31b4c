//! A package manager at every moment: its signed link must be served, and nobody without one.

use std::time::Duration;

use packagecloud_cloudfront::{
    aws::web::WebClient,
    engine::Session,
    sandbox::{Sandbox, router::PACKAGECLOUD_HOST, seed},
};

use crate::session::open_session;

const PACKAGE_KEY: &str = "1/2/ubuntu/package_files/97310.deb";
/// How often it comes, on the paused clock.
const DOWNLOAD_INTERVAL: Duration = Duration::from_millis(200);

/// What a client meets who asks packagecloud and follows its redirect: the host that served it and the status; `None`
/// while packagecloud itself restarts.
pub async fn download_package(world: &Sandbox) -> Option<(String, u16)> {
    let Session { web, .. } = open_session(world);
    let url = format!("https://{PACKAGECLOUD_HOST}/{PACKAGE_KEY}");
    let reply = web.send_http_get(&url, &[("authorization", "Basic ZGVtby10b2tlbjo=")]).await.unwrap();
    if reply.status == 502 {
        return None;
    }
    let location = reply.find_header("location").unwrap_or_else(|| panic!("{reply:?}")).to_owned();
    let host = location.split('/').nth(2).unwrap().to_owned();
    Some((host, fetch_status(&web, &location).await))
}

async fn fetch_status(web: &WebClient, url: &str) -> u16 {
    web.send_http_get(url, &[]).await.map_or(0, |reply| reply.status)
}

/// Who is served without a token, at any distribution or by S3 itself.
async fn find_open_url(world: &Sandbox) -> Option<String> {
    let Session { web, .. } = open_session(world);
    let domains: Vec<String> = world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().map(|one| one.domain.clone()).collect()
    });
    let s3 = format!("{}.s3.us-east-1.amazonaws.com", seed::SANDBOX_BUCKET);
    for host in domains.into_iter().chain([s3]) {
        let url = format!("https://{host}/{PACKAGE_KEY}");
        if fetch_status(&web, &url).await == 200 {
            return Some(url);
        }
    }
    None
}

/// Does `work`; what clients met meanwhile that they must not, if anything.
pub async fn watch_clients_during<T>(
    world: &Sandbox,
    links_work: bool,
    work: impl Future<Output = T>,
) -> (T, Option<String>) {
    let mut wrong = None;
    let watching = async {
        loop {
            if let Some(url) = Box::pin(find_open_url(world)).await {
                wrong.get_or_insert(format!("{url} is open"));
            }
            if links_work
                && let Some((host, status)) = Box::pin(download_package(world)).await
                && status != 200
            {
                wrong.get_or_insert(format!("a signed link to {host} answers {status}"));
            }
            tokio::time::sleep(DOWNLOAD_INTERVAL).await;
        }
    };
    let done = tokio::select! {
        biased;
        () = watching => unreachable!("it watches for ever"),
        done = Box::pin(work) => done,
    };
    (done, wrong)
}
