//! A laptop, an AWS on loopback, a site, and its web nodes: the binary is run on the laptop, as an operator runs it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use packagecloud_cloudfront::sandbox::seed::SANDBOX_BUCKET;
use serde_json::Value;

use super::{
    node::{WebNode, run_program},
    site::PackagecloudSite,
};

pub const BINARY_PATH: &str = env!("CARGO_BIN_EXE_packagecloud-cloudfront");
pub const CLOUDFRONT_SECRET: &str = "MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=";
/// The key pair of AWS's own examples: the sandbox's one user.
const CREDENTIALS_FILE_TEXT: &str = "[work]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n\n[dead]\naws_access_key_id = AKIADEADDEADDEADDEAD\naws_secret_access_key = deaddeaddeaddeaddeaddeaddeaddeaddeaddead\n";

pub struct HostCluster {
    dir: tempfile::TempDir,
    cloud: Child,
    aws: String,
    edge: String,
    pub site: PackagecloudSite,
    /// What each node answers itself, at its own address: by their places.
    pub fronts: Vec<PackagecloudSite>,
    pub nodes: Vec<WebNode>,
    /// How a shell on a node is started.
    pub ssh: String,
    /// What the hosts are called, where not by the nodes' names.
    pub labels: Option<Vec<String>>,
}

impl Drop for HostCluster {
    fn drop(&mut self) {
        let _ = self.cloud.kill();
        let _ = self.cloud.wait();
    }
}

/// How a command ended: its exit code, and all that it said.
pub struct ClusterRun {
    pub code: i32,
    pub text: String,
}

impl ClusterRun {
    pub fn from_output(output: &Output) -> Self {
        let text =
            [&output.stdout[..], &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Self { code: output.status.code().unwrap_or(-1), text: text.concat() }
    }

    #[track_caller]
    pub fn assert_exit(&self, code: i32, says: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}", self.text);
        for words in says {
            assert!(self.text.contains(words), "no {words:?} in: {}", self.text);
        }
        for never in ["panicked", CLOUDFRONT_SECRET, super::node::DEPLOY_PASSWORD] {
            assert!(!self.text.contains(never), "{never} in: {}", self.text);
        }
        self
    }

    /// One error, and its next move.
    #[track_caller]
    pub fn assert_one_error(&self) -> &Self {
        let errors: Vec<&str> = self.text.split("packagecloud-cloudfront: ").skip(1).collect();
        assert!(errors.len() == 1 && errors[0].matches("next: ").count() == 1, "{}", self.text);
        self
    }
}

/// How a proxy before the edge breaks a request.
pub enum BrokenEdgeReply {
    Unavailable,
    NoReply,
}

/// A run that is killed at one of its requests to AWS, counted from 0 since it was armed.
#[derive(Debug, Default)]
pub struct RequestKill {
    seen: usize,
    armed: Option<(usize, u32)>,
    pub killed: bool,
}

impl RequestKill {
    /// Counts anew, and kills the process `pid` at the `nth` request: before it is done where that is even, else before its
    /// answer is heard.
    pub fn arm(&mut self, nth: usize, pid: u32) {
        *self = Self { seen: 0, armed: Some((nth, pid)), killed: false };
    }

    fn count_request(&mut self) -> Option<(usize, u32)> {
        let nth = self.seen;
        self.seen += 1;
        self.armed.filter(|(at, _)| *at == nth)
    }
}

/// Passes one request on over connections of its own, or kills who sent it.
fn pass_request_to_aws(mut client: TcpStream, aws: &str, kill: &Mutex<RequestKill>) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(client.try_clone()?);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let due = kill.lock().unwrap().count_request();
    let strike = |pid: u32| {
        super::node::kill_pid(pid);
        kill.lock().unwrap().killed = true;
    };
    if let Some((_, pid)) = due.filter(|(nth, _)| nth % 2 == 0) {
        strike(pid);
        return Ok(());
    }
    let mut upstream = TcpStream::connect(aws)?;
    upstream.write_all(head.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes())?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    if let Some((_, pid)) = due {
        strike(pid);
        return Ok(());
    }
    client.write_all(&answer)
}

/// Answers one request over a connection of its own.
fn forward_to_edge(
    mut client: TcpStream,
    edge: &str,
    breaks: &impl Fn(&str) -> Option<BrokenEdgeReply>,
) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(client.try_clone()?);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    match breaks(head.split(' ').nth(1).unwrap_or_default()) {
        Some(BrokenEdgeReply::NoReply) => Ok(()),
        Some(BrokenEdgeReply::Unavailable) => client
            .write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        None => {
            let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
            let mut upstream = TcpStream::connect(edge)?;
            upstream.write_all(head.as_bytes())?;
            std::io::copy(&mut upstream, &mut client).map(drop)
        }
    }
}

impl HostCluster {
    /// A cluster of these nodes, all running, with the sandbox's packagecloud.rb on each; CloudFront is off.
    pub fn new(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut cloud = Command::new(BINARY_PATH)
            .env_clear()
            .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0")
            .args(["--output", "json", "sandbox", "serve"])
            .arg(dir.path().join("aws"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(cloud.stdout.take().unwrap()).lines();
        let serving: Value = serde_json::from_str(&lines.nth(1).unwrap().unwrap()).unwrap();
        let at = |name: &str| serving[name].as_str().unwrap().to_owned();
        let laptop = dir.path().join("laptop");
        fs::create_dir_all(laptop.join(".aws")).unwrap();
        fs::write(laptop.join(".aws/credentials"), CREDENTIALS_FILE_TEXT).unwrap();
        run_program(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", laptop.join("key").to_str().unwrap()],
        );
        let mut cluster = Self {
            aws: at("aws"),
            edge: at("cloudfront"),
            cloud,
            site: PackagecloudSite::new(),
            fronts: Vec::new(),
            nodes: Vec::new(),
            ssh: format!("ssh -F {}", laptop.join("ssh_config").display()),
            labels: None,
            dir,
        };
        let file = fs::read_to_string(cluster.dir.path().join("aws/packagecloud.rb")).unwrap();
        let file = file.replace("https://packagecloud.sandbox", &cluster.site.url);
        for name in names {
            let mut node = WebNode::new(cluster.dir.path(), name, &laptop.join("key.pub"));
            node.write_file("etc/packagecloud.rb", &file);
            node.start_sshd();
            let front =
                PackagecloudSite::listen_at(&format!("{}:{}", node.address.ip(), cluster.site.port()));
            front.set_nodes(vec![node.file_path("")]);
            cluster.fronts.push(front);
            cluster.nodes.push(node);
        }
        cluster.write_ssh_config();
        cluster.write_known_hosts();
        cluster.site.set_nodes(cluster.nodes.iter().map(|node| node.file_path("")).collect());
        cluster
    }

    pub fn laptop_path(&self, name: &str) -> PathBuf {
        self.dir.path().join("laptop").join(name)
    }

    /// ssh's configuration on the laptop: the names that an operator uses.
    fn write_ssh_config(&self) {
        let mut text = String::new();
        for node in &self.nodes {
            let (ip, port) = (node.address.ip(), node.address.port());
            text.push_str(&format!("Host {}\n  HostName {ip}\n  Port {port}\n", node.name));
        }
        text.push_str(&format!(
            "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  HashKnownHosts no\n",
            self.laptop_path("key").display(),
            self.laptop_path("known_hosts").display(),
        ));
        fs::write(self.laptop_path("ssh_config"), text).unwrap();
    }

    /// The laptop knows the nodes' host keys as they are now.
    pub fn write_known_hosts(&self) {
        let known: String = self
            .nodes
            .iter()
            .map(|node| {
                format!("[{}]:{} {}", node.address.ip(), node.address.port(), node.read_file("host_key.pub"))
            })
            .collect();
        fs::write(self.laptop_path("known_hosts"), known).unwrap();
    }

    pub fn probe_url(&self) -> String {
        format!("{}/1/2/debian/package_files/1.deb", self.site.url)
    }

    /// Where AWS and the edge are, and the bucket.
    pub fn aws_options(&self) -> [&str; 8] {
        let (aws, edge) = (self.aws.as_str(), self.edge.as_str());
        ["--endpoint-url", aws, "--edge-url", edge, "--region", "us-east-1", "--bucket", SANDBOX_BUCKET]
    }

    /// The binary on the laptop, with no host named yet.
    pub fn binary_command(&self) -> Command {
        self.binary_command_in(&self.laptop_path("state"))
    }

    /// The same with this state.
    fn binary_command_in(&self, state: &Path) -> Command {
        let mut command = Command::new(BINARY_PATH);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.laptop_path(""))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_SHARED_CREDENTIALS_FILE", self.laptop_path(".aws/credentials"))
            .args(["--ssh", &self.ssh])
            .args(self.aws_options())
            .arg("--state-dir")
            .arg(state)
            .stdin(Stdio::null());
        command
    }

    /// The same for the cluster's nodes, with the profile `work`, proven by the site.
    pub fn cluster_command(&self, words: &[&str]) -> Command {
        self.cluster_command_in(&self.laptop_path("state"), words)
    }

    /// The same with this state: another laptop.
    pub fn cluster_command_in(&self, state: &Path, words: &[&str]) -> Command {
        let mut command = self.binary_command_in(state);
        let names = self.nodes.iter().map(|node| node.name.clone()).collect();
        for name in self.labels.clone().unwrap_or(names) {
            command.args(["--host", &name]);
        }
        command.args(["--profile", "work", "--probe-url", &self.probe_url()]).args(words);
        command
    }

    pub fn run_on_cluster(&self, words: &[&str]) -> ClusterRun {
        ClusterRun::from_output(&self.cluster_command(words).output().unwrap())
    }

    /// Has the nodes reached by a program of the laptop's, `kubectl`, with `words`; it finds them by their processes.
    pub fn reach_nodes_by_kubectl(&mut self, script: &str, words: &str) {
        let (program, pods) = (self.laptop_path("kubectl"), self.laptop_path("pods"));
        fs::create_dir(&pods).unwrap();
        for node in &self.nodes {
            fs::write(pods.join(&node.name), node.namespace_pid().to_string()).unwrap();
        }
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self.ssh = format!("{} {words}", program.display());
    }

    /// Puts a proxy before the edge; `breaks` says of each request, by its path, how it is broken: none where it isn't.
    pub fn break_edge_requests(&mut self, breaks: impl Fn(&str) -> Option<BrokenEdgeReply> + Send + 'static) {
        let edge = self.edge.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.edge = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever goes away in the middle is asked nothing more.
                let _ = forward_to_edge(stream, &edge, &breaks);
            }
        });
    }

    /// Puts a proxy before AWS that can kill a run at one of its requests.
    pub fn kill_at_aws_requests(&mut self) -> Arc<Mutex<RequestKill>> {
        let aws = self.aws.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.aws = format!("http://{}", listener.local_addr().unwrap());
        let kill: Arc<Mutex<RequestKill>> = Arc::default();
        let shared = kill.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (aws, kill) = (aws.clone(), shared.clone());
                // Whoever was killed asks nothing more.
                std::thread::spawn(move || pass_request_to_aws(stream, &aws, &kill));
            }
        });
        kill
    }

    /// Where the edge is reached: `127.0.0.1:PORT`.
    pub fn edge_address(&self) -> String {
        self.edge.strip_prefix("http://").unwrap().to_owned()
    }

    /// Another laptop's state.
    pub fn other_laptop_state(&self) -> PathBuf {
        self.laptop_path("other-state")
    }

    /// What lies in the nodes' places, and is there to stay: for showing that nothing was changed.
    pub fn read_node_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for node in &self.nodes {
            for place in ["etc", "lib", "run"] {
                collect_files(&node.file_path(place), &mut files);
            }
        }
        // Who works there, and what they say, is no change of what is there.
        files.retain(|(path, _)| !path.ends_with("lib/lock") && !path.ends_with("lib/events"));
        files.sort();
        files
    }

    /// Whether anything of that name was made in the account.
    pub fn has_aws_resource(&self, name: &str) -> bool {
        let mut files = Vec::new();
        collect_files(&self.dir.path().join("aws"), &mut files);
        assert!(!files.is_empty());
        files.iter().any(|(_, bytes)| bytes.windows(name.len()).any(|window| window == name.as_bytes()))
    }
}

fn collect_files(dir: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            collect_files(&entry.path(), files);
        } else {
            files.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
}
