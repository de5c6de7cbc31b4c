//! A web node: sshd in a mount namespace of its own, where packagecloud.rb, packagecloud-ctl and the accounts are a directory's.
//!
//! The directory is seen from both sides: what a test writes there is what the node has.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    time::{Duration, Instant},
};

use packagecloud_cloudfront::model::packagecloud::{config_file::ConfigFile, settings::Values};

/// What each directory of the node's is on it.
const PLACES: [(&str, &str); 5] = [
    ("etc", "/etc/packagecloud"),
    ("opt", "/opt/packagecloud"),
    ("lib", "/var/lib/packagecloud-cloudfront"),
    ("run", "/run/packagecloud-cloudfront"),
    ("log", "/var/log/packagecloud"),
];

/// Of `correct horse`.
const HASH: &str =
    "$6$pccf$3fskxiahiVTA2nGLpSLXAvat4BHAk9uSRxDG1LFvPY1np3cWCk6m.iII/s9kdlR1ATzRsC1raj48wlYjVNp051";
pub const PASSWORD: &str = "correct horse";

/// packagecloud-ctl: reconfigure reads the file, restart lets the site run on it. While a file `hold-COMMAND` lies
/// beside it, that command waits.
const CTL: &str = r#"#!/bin/sh
opt=/opt/packagecloud
echo "$1" >>$opt/ran
hold() { while [ -e "$opt/hold-$1" ]; do sleep 0.05; done; }
case "$1" in
  reconfigure)
    echo "Starting Chef Client"
    echo "  cloudfront_secret: $(sed -n "s/.*cloudfront_secret'\] = //p" /etc/packagecloud/packagecloud.rb)"
    hold reconfigure
    cp /etc/packagecloud/packagecloud.rb $opt/rendered.rb
    echo "Chef Client finished" ;;
  restart)
    hold restart
    date +%s >$opt/restarted
    if [ -e $opt/rendered.rb ]; then cp $opt/rendered.rb $opt/applied.rb; fi
    echo "ok: run: unicorn" ;;
  reindex-everything) echo queued; hold reindex-everything; echo "all queued" ;;
  status)
    up=9000
    [ -e $opt/restarted ] && up=$(( $(date +%s) - $(cat $opt/restarted) ))
    echo "run: nginx: (pid 812) ${up}s; run: log: (pid 800) 9000s"
    echo "run: unicorn: (pid 813) ${up}s; run: log: (pid 801) 9000s" ;;
  help) cat $opt/help ;;
  *) echo "I don't know that command."; exit 1 ;;
esac
"#;

pub struct Node {
    pub name: String,
    /// A loopback address of its own: while the node is down, nobody else comes to listen there.
    pub address: SocketAddr,
    dir: PathBuf,
    sshd: Option<Child>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Node {
    /// A node below `dir`, which `key` (a public key's file) opens as root and as deploy; not running yet.
    pub fn new(dir: &Path, name: &str, key: &Path) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the tests of hosts need root, for mount namespaces: run them as CI does"
        );
        let node = Self { name: name.to_owned(), address: own_address(), dir: dir.join(name), sshd: None };
        for (own, _) in PLACES {
            fs::create_dir_all(node.path(own)).unwrap();
        }
        fs::create_dir(node.path("opt/bin")).unwrap();
        fs::create_dir(node.path("home")).unwrap();
        chown(node.path("home"), Some(20717), Some(20717)).unwrap();
        node.program("opt/bin/packagecloud-ctl", CTL);
        fs::write(node.path("opt/help"), "  bootstrap-cloudfront\n").unwrap();
        fs::copy(key, node.path("authorized")).unwrap();
        node.host_key();
        node.account("deploy ALL=(ALL) NOPASSWD: ALL");
        let text = format!(
            "ListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nLogLevel VERBOSE\n",
            node.address,
            node.path("host_key").display(),
            node.path("authorized").display(),
        );
        fs::write(node.path("sshd_config"), text).unwrap();
        node
    }

    /// A new host key: the one that it had is no more.
    pub fn host_key(&self) {
        let _ = fs::remove_file(self.path("host_key"));
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", self.path("host_key").to_str().unwrap()]);
    }

    /// The node's accounts: root and deploy, and what sudo lets deploy do.
    pub fn account(&self, sudoers: &str) {
        let with = |file: &str, line: &str| fs::read_to_string(file).unwrap() + line + "\n";
        let deploy = format!("deploy:x:20717:20717::{}:/bin/sh", self.path("home").display());
        self.write("passwd", &with("/etc/passwd", &deploy));
        self.write("shadow", &with("/etc/shadow", &format!("deploy:{HASH}:19000:0:99999:7:::")));
        self.write("group", &with("/etc/group", "deploy:x:20717:"));
        let _ = fs::remove_file(self.path("sudoers"));
        self.write("sudoers", &format!("Defaults !lecture\nroot ALL=(ALL) ALL\n{sudoers}\n"));
        for (name, mode) in [("passwd", 0o644), ("group", 0o644), ("shadow", 0o600), ("sudoers", 0o440)] {
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Lets its clock be off, as its `date` shows it.
    pub fn clock_off(&self, seconds: i64) {
        fs::copy("/usr/bin/date", self.path("opt/date")).unwrap();
        let sign = if seconds < 0 { "-" } else { "+" };
        self.program(
            "date",
            &format!(
                "#!/bin/sh\n[ \"$1\" = +%s%N ] || exec /opt/packagecloud/date \"$@\"\nn=$(/opt/packagecloud/date +%N)\n\
                 echo $(( $(/opt/packagecloud/date +%s) {sign} {} ))$n\n",
                seconds.abs()
            ),
        );
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The text of a file of the node's; empty where there is none.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub fn config(&self) -> String {
        self.text("etc/packagecloud.rb")
    }

    pub fn values(&self) -> Values {
        ConfigFile::parse(self.config().as_bytes()).values()
    }

    /// What the site runs on.
    pub fn applied(&self) -> Values {
        ConfigFile::parse(self.text("opt/applied.rb").as_bytes()).values()
    }

    pub fn ran(&self, command: &str) -> usize {
        self.text("opt/ran").lines().filter(|line| *line == command).count()
    }

    /// Holds a command of packagecloud-ctl's, or lets it go.
    pub fn hold(&self, command: &str, held: bool) {
        let path = self.path(&format!("opt/hold-{command}"));
        if held { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    pub fn start(&mut self) {
        let mut script = String::from("set -e\n");
        // What its directories lie in is the node's too: nothing is made on the machine itself.
        let above = self.path("above");
        script.push_str(&format!(
            "mkdir -p '{0}'\n[ -d '{0}/etc' ] || cp -a /etc '{0}/etc'\n",
            above.display()
        ));
        for (own, place) in PLACES {
            let (parent, name) = place.rsplit_once('/').unwrap();
            let at = above.join(parent.trim_start_matches('/').replace('/', "-"));
            script.push_str(&format!(
                "mkdir -p '{at}/{name}'\nmount --bind '{at}' {parent}\nmount --bind '{own}' {place}\n",
                at = at.display(),
                own = self.path(own).display()
            ));
        }
        script.push_str("mkdir -p /run/sshd\n");
        for file in ["passwd", "shadow", "group", "sudoers"] {
            script.push_str(&format!("mount --bind '{}' /etc/{file}\n", self.path(file).display()));
        }
        if self.path("date").exists() {
            script.push_str(&format!("mount --bind '{}' /usr/bin/date\n", self.path("date").display()));
        }
        let config = self.path("sshd_config");
        script.push_str(&format!(
            "exec /usr/sbin/sshd -D -E '{}' -f '{}'\n",
            self.path("sshd.log").display(),
            config.display()
        ));
        let sshd = Command::new("unshare").args(["-m", "sh", "-c", &script]).stdin(Stdio::null()).spawn();
        self.sshd = Some(sshd.expect("util-linux's unshare is installed"));
        let until = Instant::now() + Duration::from_mins(1);
        while !self.greets() {
            let ended = self.sshd.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < until,
                "sshd does not run: {}",
                self.text("sshd.log")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn greets(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut greeting = [0; 4];
        let greets = stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-";
        let _ = stream.write_all(b"\n");
        greets
    }

    /// The node is down: nobody listens, and every line to it is dropped.
    pub fn stop(&mut self) {
        if let Some(mut sshd) = self.sshd.take() {
            // No new line can come while the old ones are dropped.
            let children = children(sshd.id());
            let _ = sshd.kill();
            let _ = sshd.wait();
            children.into_iter().for_each(kill);
        }
    }

    /// Drops every line to it; a new one can be laid.
    pub fn drop_lines(&self) -> usize {
        let lines = children(self.sshd.as_ref().unwrap().id());
        let count = lines.len();
        lines.into_iter().for_each(kill);
        count
    }
}

fn own_address() -> SocketAddr {
    static NODES: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    (Ipv4Addr::new(127, NODES.fetch_add(1, Relaxed), high, low), 2022).into()
}

/// The processes of sshd below one: never what was run in their sessions.
fn children(of: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((name, rest)) = stat.rsplit_once(')') else { continue };
        let parent = rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
        if parent == Some(of) && name.contains("sshd") {
            found.extend(children(pid));
            found.push(pid);
        }
    }
    found
}

fn kill(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

pub fn run(program: &str, arguments: &[&str]) {
    let out = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}
