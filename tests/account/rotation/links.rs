//! Clients of packagecloud while a secret is rotated: each link that they are given is fetched at once, some time later, and just
//! before it expires.

use std::time::Duration;

use packagecloud_cloudfront::{
    model::{
        secret::Secret,
        url::token::{UrlTokenConstruction, inspect_url},
    },
    sandbox::{Sandbox, router::PACKAGECLOUD_HOST},
};

use super::PACKAGE_KEY;
use crate::{session::open_session, version_proof::fetch_status};

/// How often a link is asked for, on the paused clock.
const ASK_INTERVAL: Duration = Duration::from_secs(2);
/// When a link is fetched, in seconds after it was given; packagecloud's hold for 300.
const FETCH_AGES: [u64; 3] = [0, 140, 295];

/// A link that was given, and is fetched at `due`, in the world's seconds.
#[derive(Debug, Clone)]
struct GivenLink {
    url: String,
    given: u64,
    due: u64,
}

/// What came of one link.
#[derive(Debug, Clone)]
pub struct FetchedLink {
    /// When packagecloud gave it, in the world's seconds.
    pub given: u64,
    pub status: u16,
    /// Where it leads: to S3, or to CloudFront.
    pub is_to_s3: bool,
    url: String,
}

impl FetchedLink {
    /// Whether this secret has signed it.
    pub fn is_signed_with(&self, secret: &Secret) -> bool {
        let secrets = std::slice::from_ref(secret);
        inspect_url(&self.url, secrets, self.given, UrlTokenConstruction::default()).key == Some(0)
    }
}

/// The clients, from one run to the next.
#[derive(Debug, Default)]
pub struct LinkClients {
    given: Vec<GivenLink>,
    pub fetched: Vec<FetchedLink>,
}

impl LinkClients {
    /// Does `work` while the clients ask and fetch.
    pub async fn fetch_during<T>(&mut self, world: &Sandbox, work: impl Future<Output = T>) -> T {
        let fetching = async {
            loop {
                self.ask_for_link(world).await;
                self.fetch_due_links(world, false).await;
                tokio::time::sleep(ASK_INTERVAL).await;
            }
        };
        tokio::select! {
            biased;
            done = Box::pin(work) => done,
            () = Box::pin(fetching) => unreachable!("they fetch for ever"),
        }
    }

    /// Fetches every link that was given, each as late as it may be.
    pub async fn fetch_rest(&mut self, world: &Sandbox) {
        while !self.given.is_empty() {
            self.fetch_due_links(world, false).await;
            tokio::time::sleep(ASK_INTERVAL).await;
        }
    }

    /// Fetches every link that was given, now.
    pub async fn fetch_all_now(&mut self, world: &Sandbox) {
        self.fetch_due_links(world, true).await;
    }

    async fn ask_for_link(&mut self, world: &Sandbox) {
        let url = format!("https://{PACKAGECLOUD_HOST}/{PACKAGE_KEY}");
        let token = [("authorization", "Basic ZGVtby10b2tlbjo=")];
        let reply = open_session(world).web.send_http_get(&url, &token).await.unwrap();
        // While it restarts it gives none.
        if let Some(location) = reply.find_header("location") {
            let given = world.sandbox_unix_time_now().as_secs();
            self.given.extend(FETCH_AGES.map(|age| GivenLink {
                url: location.to_owned(),
                given,
                due: given + age,
            }));
        }
    }

    async fn fetch_due_links(&mut self, world: &Sandbox, all: bool) {
        let now = world.sandbox_unix_time_now().as_secs();
        let (due, later): (Vec<GivenLink>, Vec<GivenLink>) =
            std::mem::take(&mut self.given).into_iter().partition(|link| all || link.due <= now);
        self.given = later;
        for link in due {
            // What a wait of this test has let expire is nobody's fault.
            if now > link.given + 299 {
                continue;
            }
            let status = fetch_status(world, &link.url).await;
            let is_to_s3 = link.url.contains(".amazonaws.com/");
            self.fetched.push(FetchedLink { given: link.given, status, is_to_s3, url: link.url });
        }
    }

    /// Returns the links that were not served.
    pub fn list_refused_links(&self) -> Vec<&FetchedLink> {
        self.fetched.iter().filter(|link| link.status != 200).collect()
    }

    #[track_caller]
    pub fn assert_none_refused(&self, of: &str) {
        let refused = self.list_refused_links();
        assert!(
            refused.is_empty(),
            "{of}: {} of {} refused: {:?}",
            refused.len(),
            self.fetched.len(),
            refused[0]
        );
    }
}
