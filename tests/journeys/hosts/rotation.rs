//! A new secret on two web nodes over ssh, while clients fetch all the while: with a node down, with a second operator, killed at its
//! requests, switched off in the middle, and to its end; and one that others know.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use packagecloud_cloudfront::model::{
    secret::Secret,
    url::token::{TokenMacAlgorithm, UrlTokenConstruction, sign_packages_url},
};

use super::cluster::{ClusterRun, HostCluster, RequestKill};

/// What the sandbox's waits take of their time here.
const PACE: &str = "0.01";

/// The same where CloudFront is switched on: a busy machine needs seconds until a node is asked for its redirect.
const GO_LIVE_PACE: &str = "0.2";

/// Runs the binary on both nodes, with the waits of an AWS of our own.
fn run_fast(cluster: &HostCluster, words: &[&str]) -> ClusterRun {
    run_with_pace(cluster, PACE, words)
}

fn run_with_pace(cluster: &HostCluster, pace: &str, words: &[&str]) -> ClusterRun {
    let mut command = cluster.cluster_command(words);
    ClusterRun::from_output(&command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", pace).output().unwrap())
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

/// How long a link is kept before it is fetched once more.
const LINK_KEPT: Duration = Duration::from_secs(2);

/// A link of the old secret is refused no sooner than this after it was asked for: its expiry, 360 s, is waited for at this pace.
/// A machine that was too busy to fetch it before tells nothing by a refusal.
const LINK_ACCEPTED_MIN: Duration = Duration::from_millis(3400);

/// Between two links that a client asks for: the machine has more to do, unless many are asked for.
fn pause_between_links() -> Duration {
    Duration::from_millis(if std::env::var_os("ROTATION_LINKS_COUNT").is_some() { 5 } else { 25 })
}

/// What came of the clients' links.
#[derive(Debug, Default)]
struct LinkCounts {
    served: AtomicUsize,
    /// Links to CloudFront that the edge refused: when each was given, and its status.
    refused: Mutex<Vec<(SystemTime, u16)>>,
    to_s3: AtomicUsize,
    /// Links that this machine was too busy to fetch in time.
    late: AtomicUsize,
}

/// A link to CloudFront, and when it was asked for and given.
struct GivenLink {
    path: String,
    asked: Instant,
    given: SystemTime,
}

impl LinkCounts {
    fn fetch_link(&self, edge: &str, link: &GivenLink) {
        match send_get(edge, &link.path) {
            Some((200, _)) => _ = self.served.fetch_add(1, Relaxed),
            _ if link.asked.elapsed() >= LINK_ACCEPTED_MIN => _ = self.late.fetch_add(1, Relaxed),
            other => {
                let status = other.map_or(0, |(status, _)| status);
                self.refused.lock().unwrap().push((link.given, status));
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
                let mut kept: VecDeque<GivenLink> = VecDeque::new();
                while !stop.load(Relaxed) || !kept.is_empty() {
                    let is_due = |link: &GivenLink| stop.load(Relaxed) || link.asked.elapsed() >= LINK_KEPT;
                    while kept.front().is_some_and(is_due) {
                        counts.fetch_link(&edge, &kept.pop_front().unwrap());
                    }
                    if stop.load(Relaxed) {
                        continue;
                    }
                    std::thread::sleep(pause_between_links());
                    let asked = Instant::now();
                    let Some((302, Some(location))) = send_get(&site, "/1/2/ubuntu/package_files/97310.deb")
                    else {
                        continue;
                    };
                    if location.contains(".s3.") {
                        counts.to_s3.fetch_add(1, Relaxed);
                        continue;
                    }
                    let path = format!("/{}", location.splitn(4, '/').nth(3).unwrap());
                    let link = GivenLink { path, asked, given: SystemTime::now() };
                    counts.fetch_link(&edge, &link);
                    kept.push_back(link);
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

    /// Says how many links were served until now.
    fn print_served(&self, moment: &str) {
        println!("{moment}: {} links served", self.counts.served.load(Relaxed));
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
        let (to_s3, late) = (counts.to_s3.load(Relaxed), counts.late.load(Relaxed));
        println!(
            "{of}: {served} links served, {refused} refused, {to_s3} to S3, {late} fetched too late to tell"
        );
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
    clients.wait_for_served(links_wanted() / 4);
    clients.print_served("before the rotation");

    // It runs on, and can't be reached.
    cluster.nodes[1].stop_sshd();
    let ran = run_fast(&cluster, &["rotate-secret", "--yes"]);
    ran.assert_exit(1, &["web2", "can't be reached", "the edge still accepts", "rotate-secret"]);
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
    early.assert_exit(1, &["its secret differs from that of the other nodes", "rotate-secret"]);

    run_fast(&cluster, &["rotate-secret", "--yes"]).assert_exit(0, &["the edge accepts two secrets since "]);
    assert_eq!((secret_of(&cluster, 0), secret_of(&cluster, 1)), (new.clone(), new.clone()));
    assert!(cluster.nodes.iter().all(|node| node.applied_values().secret.as_ref() == Some(&new)));
    clients.print_served("every node signs with the new secret");
    clients.wait_for_served(links_wanted() / 2);
    run_fast(&cluster, &["rotate-secret", "--finish", "--yes"]).assert_exit(2, &["--no-other-node"]);
    run_fast(&cluster, &["rotate-secret", "--finish", "--no-other-node", "--yes"])
        .assert_exit(0, &["accepts only the new secret", "roll-back --edge arn:"]);
    clients.print_served("finished");
    run_fast(&cluster, &["verify", "--all"]).assert_exit(0, &["says the same as that of web1"]);
    let ends = (fetch_link_by_secret(&cluster, &old), fetch_link_by_secret(&cluster, &new));
    assert_eq!(ends, (403, 200));
    clients.assert_none_refused("a node down, a second operator, and finished");
}

/// At which of a rotation's requests to AWS it is killed, counted from 0: each one where everything is asked for.
fn list_kills(sample: &[usize]) -> Vec<usize> {
    if std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some() {
        (4..1000).collect()
    } else {
        sample.to_vec()
    }
}

/// Runs these words, and kills the run at its `nth` request; whether it came to that.
fn kill_run_at_request(cluster: &HostCluster, kill: &Mutex<RequestKill>, words: &[&str], nth: usize) -> bool {
    let mut command = cluster.cluster_command(words);
    command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", PACE);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    kill.lock().unwrap().arm(nth, child.id());
    child.wait().unwrap();
    let was_killed = kill.lock().unwrap().killed;
    // A later run's request of the same number must strike nobody.
    kill.lock().unwrap().arm(usize::MAX, 0);
    was_killed
}

const ROTATE: [&str; 2] = ["rotate-secret", "--yes"];
const FINISH: [&str; 4] = ["rotate-secret", "--finish", "--no-other-node", "--yes"];

#[test]
fn killed_at_its_requests_and_started_again_no_link_is_refused() {
    let mut cluster = HostCluster::new(&["web1", "web2"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    let kill = cluster.kill_at_aws_requests();
    let clients = FetchingClients::start(&cluster);
    let mut kills = 0;
    // Even and odd: before the request is done, and before its answer is heard.
    for (is_finish, sample) in [(false, [38, 71].as_slice()), (true, &[40])] {
        for nth in list_kills(sample) {
            let old = secret_of(&cluster, 0);
            if is_finish {
                run_fast(&cluster, &ROTATE).assert_exit(0, &[]);
            }
            let words = if is_finish { &FINISH[..] } else { &ROTATE };
            let was_killed = kill_run_at_request(&cluster, &kill, words, nth);
            kills += usize::from(was_killed);
            let of = format!("{words:?}, killed at request {nth}: {was_killed}");
            println!("{of}");
            if !is_finish {
                let again = run_fast(&cluster, &ROTATE);
                assert_eq!(again.code, 0, "{of}: {}", again.text);
                assert_eq!(fetch_link_by_secret(&cluster, &old), 200, "{of}");
            }
            let finished = run_fast(&cluster, &FINISH);
            assert_eq!(finished.code, 0, "{of}: {}", finished.text);
            let new = secret_of(&cluster, 0);
            assert!(new != old && secret_of(&cluster, 1) == new, "{of}");
            let ends = (fetch_link_by_secret(&cluster, &old), fetch_link_by_secret(&cluster, &new));
            assert_eq!(ends, (403, 200), "{of}");
            if !was_killed {
                break;
            }
        }
    }
    assert!(kills >= 2, "only {kills} runs were killed");
    clients.assert_none_refused(&format!("{kills} kills"));
}

#[test]
fn a_disable_in_the_middle_wins_over_ssh_and_no_link_is_refused() {
    let cluster = HostCluster::new(&["web1", "web2"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    let old = secret_of(&cluster, 0);
    let clients = FetchingClients::start(&cluster);
    let mut command = cluster.cluster_command(&["--output", "json", "rotate-secret", "--yes"]);
    command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", PACE);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    let mut disabled = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if disabled.is_none() && line.contains(r#""step":"edge-readings""#) {
            let mut other = cluster.cluster_command_in(&cluster.other_laptop_state(), &["disable", "--yes"]);
            disabled = Some(ClusterRun::from_output(&other.output().unwrap()));
        }
        said.push_str(&line);
        said.push('\n');
    }
    let code = child.wait().unwrap().code();
    let disabled = disabled.expect("the edge is read");
    disabled.assert_exit(0, &["off since"]);
    // It turns nothing on; where it can't go on it says that CloudFront was switched off.
    assert!(code == Some(0) || (code == Some(1) && said.contains("off")), "{code:?}: {said}");
    for node in &cluster.nodes {
        assert_eq!(node.config_values().enabled, Some(false), "{said}");
        assert_ne!(node.applied_values().enabled, Some(true), "{said}");
    }
    // Each node that is switched on is asked itself, so a fast pace is patient enough.
    let on_again = run_with_pace(&cluster, GO_LIVE_PACE, &["enable", "--yes"]);
    on_again.assert_exit(0, &[]);
    run_fast(&cluster, &ROTATE).assert_exit(0, &[]);
    assert!((0..2).all(|place| secret_of(&cluster, place) != old));
    run_fast(&cluster, &FINISH).assert_exit(0, &[]);
    assert_eq!(fetch_link_by_secret(&cluster, &old), 403);
    clients.assert_none_refused("a disable in the middle");
}

#[test]
fn of_a_leaked_secret_only_links_made_before_are_refused() {
    let cluster = HostCluster::new(&["web1", "web2"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    let old = secret_of(&cluster, 0);
    let clients = FetchingClients::start(&cluster);
    clients.wait_for_served(20);
    let began = SystemTime::now();
    let ran = run_with_pace(&cluster, GO_LIVE_PACE, &["rotate-secret", "--leaked", "--yes"]);
    ran.assert_exit(0, &["off since", "have only the new secret", "on since"]);
    let new = secret_of(&cluster, 0);
    assert!(new != old && secret_of(&cluster, 1) == new, "{}", ran.text);
    let ends = (fetch_link_by_secret(&cluster, &old), fetch_link_by_secret(&cluster, &new));
    assert_eq!(ends, (403, 200));
    std::thread::sleep(Duration::from_secs(1));
    let took = began.elapsed().unwrap();
    let counts = clients.stop();
    let refused = counts.refused.lock().unwrap();
    println!(
        "leaked: {} links served, {} to S3, {} refused, in {took:?}",
        counts.served.load(Relaxed),
        counts.to_s3.load(Relaxed),
        refused.len()
    );
    assert!(counts.to_s3.load(Relaxed) > 0, "links made meanwhile lead to S3");
    let meanwhile = cluster.nodes[0].read_file("opt/restarted").trim().parse::<u64>().unwrap();
    for (given, status) in refused.iter() {
        let given = given.duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(*status == 403 && given <= meanwhile, "given at {given}, {status}; on again at {meanwhile}");
    }
}
