//! A new secret on two web nodes over ssh, while clients fetch all the while: with a node down, with a second operator, and to its end.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
};

use packagecloud_cloudfront::model::secret::Secret;

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

/// Clients that fetch all the while.
struct FetchingClients {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl FetchingClients {
    fn start(cluster: &HostCluster) -> Self {
        let (stop, served, refused) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let site = cluster.site.url.strip_prefix("http://").unwrap().to_owned();
        let edge = cluster.edge_address();
        let client = || {
            let (stop, served, refused) = (stop.clone(), served.clone(), refused.clone());
            let (site, edge) = (site.clone(), edge.clone());
            std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    let Some((302, Some(location))) = send_get(&site, "/1/2/ubuntu/package_files/97310.deb")
                    else {
                        continue;
                    };
                    let path = location.splitn(4, '/').nth(3).unwrap();
                    if location.contains(".s3.") {
                        continue;
                    }
                    match send_get(&edge, &format!("/{path}")) {
                        Some((200, _)) => served.fetch_add(1, Relaxed),
                        _ => refused.fetch_add(1, Relaxed),
                    };
                }
            })
        };
        let threads = vec![client(), client()];
        Self { stop, served, refused, threads }
    }

    /// How many links were served, and how many refused.
    fn stop(self) -> (usize, usize) {
        self.stop.store(true, Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        (self.served.load(Relaxed), self.refused.load(Relaxed))
    }
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
    run_fast(&cluster, &["verify"]).assert_exit(
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
    run_fast(&cluster, &["verify"]).assert_exit(0, &["says the same as that of web1"]);
    let (served, refused) = clients.stop();
    assert!(refused == 0 && served > 50, "{served} served, {refused} refused");
}
