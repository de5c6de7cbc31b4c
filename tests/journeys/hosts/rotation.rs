//! A new secret on two web nodes over ssh, while clients fetch all the while: with a node down, with a second operator, and to its end.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use packagecloud_cloudfront::model::{
    secret::Secret,
    url::token::{TokenMacAlgorithm, UrlTokenConstruction, sign_packages_url},
};

use super::cluster::{ClusterRun, HostCluster};

/// What the sandbox's waits take of their time here.
const PACE: &str = "0.01";

/// Runs the binary on both nodes, with the waits of an AWS of our own.
fn run_fast(cluster: &HostCluster, words: &[&str]) -> ClusterRun {
    let mut command = cluster.cluster_command(words);
    ClusterRun::from_output(&command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", PACE).output().unwrap())
}

fn secret_of(cluster: &HostCluster, node: usize) -> Secret {
    cluster.nodes[node].config_values().secret.unwrap()
}

/// One GET over a connection of its own: the status, and where it redirects.
fn send_get(address: &str, path: &str) -> Option<(u16, Option<String>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let location = text.lines().find_map(|line| line.strip_prefix("location: ").map(str::to_owned));
    Some((status, location))
}

/// How many links clients fetch at least while a rotation goes on: some hundreds, or as many as `ROTATION_LINKS_COUNT` says.
fn links_wanted() -> usize {
    std::env::var("ROTATION_LINKS_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

/// How long a link is kept before it is fetched once more. At this pace the last one's expiry is waited for longer.
const LINK_KEPT: Duration = Duration::from_secs(2);

/// Between two links that a client asks for: the machine has more to do.
const PAUSE_BETWEEN_LINKS: Duration = Duration::from_millis(5);

/// What came of the clients' links.
#[derive(Debug, Default)]
struct LinkCounts {
    served: AtomicUsize,
    /// Links to CloudFront that the edge refused: when each was given, and its status.
    refused: Mutex<Vec<(SystemTime, u16)>>,
    to_s3: AtomicUsize,
}

impl LinkCounts {
    fn fetch_link(&self, edge: &str, path: &str, given: SystemTime) {
        match send_get(edge, path) {
            Some((200, _)) => _ = self.served.fetch_add(1, Relaxed),
            other => {
                let status = other.map_or(0, |(status, _)| status);
                self.refused.lock().unwrap().push((given, status));
            }
        }
    }
}

/// Clients that fetch all the while: each link at once, and once more some seconds later.
struct FetchingClients {
    stop: Arc<AtomicBool>,
    counts: Arc<LinkCounts>,
    threads: Vec<JoinHandle<()>>,
}

impl FetchingClients {
    fn start(cluster: &HostCluster) -> Self {
        let (stop, counts) = (Arc::<AtomicBool>::default(), Arc::<LinkCounts>::default());
        let site = cluster.site.url.strip_prefix("http://").unwrap().to_owned();
        let edge = cluster.edge_address();
        let client = || {
            let (stop, counts, site, edge) = (stop.clone(), counts.clone(), site.clone(), edge.clone());
            std::thread::spawn(move || {
                let mut kept: VecDeque<(String, SystemTime)> = VecDeque::new();
                while !stop.load(Relaxed) || !kept.is_empty() {
                    let is_due = |(_, given): &(String, SystemTime)| {
                        stop.load(Relaxed) || given.elapsed().is_ok_and(|age| age >= LINK_KEPT)
                    };
                    while kept.front().is_some_and(is_due) {
                        let (path, given) = kept.pop_front().unwrap();
                        counts.fetch_link(&edge, &path, given);
                    }
                    if stop.load(Relaxed) {
                        continue;
                    }
                    std::thread::sleep(PAUSE_BETWEEN_LINKS);
                    let Some((302, Some(location))) = send_get(&site, "/1/2/ubuntu/package_files/97310.deb")
                    else {
                        continue;
                    };
                    if location.contains(".s3.") {
                        counts.to_s3.fetch_add(1, Relaxed);
                        continue;
                    }
                    let path = format!("/{}", location.splitn(4, '/').nth(3).unwrap());
                    let given = SystemTime::now();
                    counts.fetch_link(&edge, &path, given);
                    kept.push_back((path, given));
                }
            })
        };
        let threads = vec![client(), client()];
        Self { stop, counts, threads }
    }

    /// Waits until so many links were served.
    fn wait_for_served(&self, count: usize) {
        while self.counts.served.load(Relaxed) < count && self.counts.refused.lock().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(self) -> Arc<LinkCounts> {
        self.stop.store(true, Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.counts
    }

    /// Ends the clients: none of their links was refused.
    #[track_caller]
    fn assert_none_refused(self, of: &str) {
        self.wait_for_served(links_wanted());
        let counts = self.stop();
        let (served, refused) = (counts.served.load(Relaxed), counts.refused.lock().unwrap().len());
        let to_s3 = counts.to_s3.load(Relaxed);
        println!("{of}: {served} links served, {refused} refused, {to_s3} to S3");
        assert_eq!(refused, 0, "{of}: {served} served, {:?}", counts.refused);
    }
}

/// The status of a link that is signed now with this secret.
fn fetch_link_by_secret(cluster: &HostCluster, secret: &Secret) -> u16 {
    let key = secret.decode_base64_secret_key().unwrap();
    let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 300;
    let construction = UrlTokenConstruction::default();
    let package = "1/2/ubuntu/package_files/97310.deb";
    let url = sign_packages_url(&key, package, expires, TokenMacAlgorithm::Sha1, construction, "d.example");
    let path = url.strip_prefix("https://d.example").unwrap();
    send_get(&cluster.edge_address(), path).map_or(0, |(status, _)| status)
}

#[test]
fn two_nodes_get_a_new_secret_past_one_that_is_down_and_no_link_is_refused() {
    let mut cluster = HostCluster::new(&["web1", "web2"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    let old = secret_of(&cluster, 0);
    let clients = FetchingClients::start(&cluster);

    // It runs on, and can't be reached.
    cluster.nodes[1].stop_sshd();
    let ran = run_fast(&cluster, &["rotate-secret", "--yes"]);
    ran.assert_exit(1, &["web2", "can't be reached", "goes on accepting", "rotate-secret"]);
    let new = secret_of(&cluster, 0);
    assert!(new != old && secret_of(&cluster, 1) == old, "{}", ran.text);
    cluster.nodes[1].start_sshd();

    // Until it goes on, all else works, and changes no secret.
    run_fast(&cluster, &["verify", "--all"]).assert_exit(
        0,
        &[
            "two secrets accepted since ",
            "a rotation is in progress",
            "a link by its own secret is accepted, too",
        ],
    );
    let mut other = cluster.cluster_command_in(&cluster.other_laptop_state(), &["enable", "--yes"]);
    ClusterRun::from_output(&other.output().unwrap()).assert_exit(0, &[]);
    assert!(secret_of(&cluster, 0) == new && secret_of(&cluster, 1) == old);
    let early = run_fast(&cluster, &["rotate-secret", "--finish", "--no-other-node", "--yes"]);
    early.assert_exit(1, &["it holds another secret than the nodes before it", "rotate-secret"]);

    run_fast(&cluster, &["rotate-secret", "--yes"]).assert_exit(0, &["the edge accepts two since "]);
    assert_eq!((secret_of(&cluster, 0), secret_of(&cluster, 1)), (new.clone(), new.clone()));
    assert!(cluster.nodes.iter().all(|node| node.applied_values().secret.as_ref() == Some(&new)));
    run_fast(&cluster, &["rotate-secret", "--finish", "--yes"]).assert_exit(2, &["--no-other-node"]);
    run_fast(&cluster, &["rotate-secret", "--finish", "--no-other-node", "--yes"])
        .assert_exit(0, &["accepts the new secret alone", "roll-back --edge arn:"]);
    run_fast(&cluster, &["verify", "--all"]).assert_exit(0, &["says the same as that of web1"]);
    let ends = (fetch_link_by_secret(&cluster, &old), fetch_link_by_secret(&cluster, &new));
    assert_eq!(ends, (403, 200));
    clients.assert_none_refused("a node down, a second operator, and finished");
}
