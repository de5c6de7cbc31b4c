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

use packagecloud_cloudfront::model::packagecloud::{
    config_file::ConfigFile, settings::CloudFrontSettingValues,
};

/// What each directory of the node's is on it.
const MOUNTED_DIRS: [(&str, &str); 5] = [
    ("etc", "/etc/packagecloud"),
    ("opt", "/opt/packagecloud"),
    ("lib", "/var/lib/packagecloud-cloudfront"),
    ("run", "/run/packagecloud-cloudfront"),
    ("log", "/var/log/packagecloud"),
];

/// Of `correct horse`.
const PASSWORD_HASH: &str =
    "$6$pccf$3fskxiahiVTA2nGLpSLXAvat4BHAk9uSRxDG1LFvPY1np3cWCk6m.iII/s9kdlR1ATzRsC1raj48wlYjVNp051";
pub const DEPLOY_PASSWORD: &str = "correct horse";

/// packagecloud-ctl: reconfigure reads the file, restart lets the site run on it. While a file `hold-COMMAND` lies
/// beside it, that command waits.
const CTL_SCRIPT: &str = r#"#!/bin/sh
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

pub struct WebNode {
    pub name: String,
    /// A loopback address of its own: while the node is down, nobody else comes to listen there.
    pub address: SocketAddr,
    dir: PathBuf,
    sshd: Option<Child>,
}

impl Drop for WebNode {
    fn drop(&mut self) {
        self.stop_sshd();
    }
}

impl WebNode {
    /// A node below `dir`, which `key` (a public key's file) opens as root and as deploy; not running yet.
    pub fn new(dir: &Path, name: &str, key: &Path) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the tests of hosts need root, for mount namespaces: run them as CI does"
        );
        let node =
            Self { name: name.to_owned(), address: allocate_address(), dir: dir.join(name), sshd: None };
        for (own, _) in MOUNTED_DIRS {
            fs::create_dir_all(node.file_path(own)).unwrap();
        }
        fs::create_dir(node.file_path("opt/bin")).unwrap();
        fs::create_dir(node.file_path("home")).unwrap();
        chown(node.file_path("home"), Some(20717), Some(20717)).unwrap();
        node.write_program("opt/bin/packagecloud-ctl", CTL_SCRIPT);
        node.write_own_loopback_curl();
        fs::write(node.file_path("opt/help"), "  bootstrap-cloudfront\n").unwrap();
        fs::copy(key, node.file_path("authorized")).unwrap();
        node.generate_host_key();
        node.write_accounts("deploy ALL=(ALL) NOPASSWD: ALL");
        let text = format!(
            "ListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nLogLevel VERBOSE\n",
            node.address,
            node.file_path("host_key").display(),
            node.file_path("authorized").display(),
        );
        fs::write(node.file_path("sshd_config"), text).unwrap();
        node
    }

    /// Its curl finds the node's own front: nodes share the machine's loopback, and each listens at an address of its own.
    fn write_own_loopback_curl(&self) {
        fs::copy("/usr/bin/curl", self.file_path("opt/curl")).unwrap();
        let ip = self.address.ip();
        self.write_program(
            "curl",
            &format!("#!/bin/sh\nexec /opt/packagecloud/curl -q --connect-to ::{ip}: \"$@\"\n"),
        );
    }

    /// A new host key: the one that it had is no more.
    pub fn generate_host_key(&self) {
        let _ = fs::remove_file(self.file_path("host_key"));
        run_program(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", self.file_path("host_key").to_str().unwrap()],
        );
    }

    /// The node's accounts: root and deploy, and what sudo lets deploy do.
    pub fn write_accounts(&self, sudoers: &str) {
        let with = |file: &str, line: &str| fs::read_to_string(file).unwrap() + line + "\n";
        let deploy = format!("deploy:x:20717:20717::{}:/bin/sh", self.file_path("home").display());
        self.write_file("passwd", &with("/etc/passwd", &deploy));
        self.write_file(
            "shadow",
            &with("/etc/shadow", &format!("deploy:{PASSWORD_HASH}:19000:0:99999:7:::")),
        );
        self.write_file("group", &with("/etc/group", "deploy:x:20717:"));
        let _ = fs::remove_file(self.file_path("sudoers"));
        self.write_file("sudoers", &format!("Defaults !lecture\nroot ALL=(ALL) ALL\n{sudoers}\n"));
        for (name, mode) in [("passwd", 0o644), ("group", 0o644), ("shadow", 0o600), ("sudoers", 0o440)] {
            fs::set_permissions(self.file_path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Lets its clock be off, as its `date` shows it.
    pub fn set_clock_offset(&self, seconds: i64) {
        fs::copy("/usr/bin/date", self.file_path("opt/date")).unwrap();
        let sign = if seconds < 0 { "-" } else { "+" };
        self.write_program(
            "date",
            &format!(
                "#!/bin/sh\n[ \"$1\" = +%s%N ] || exec /opt/packagecloud/date \"$@\"\nn=$(/opt/packagecloud/date +%N)\n\
                 echo $(( $(/opt/packagecloud/date +%s) {sign} {} ))$n\n",
                seconds.abs()
            ),
        );
    }

    pub fn file_path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn write_file(&self, name: &str, text: &str) {
        fs::write(self.file_path(name), text).unwrap();
    }

    pub fn write_program(&self, name: &str, text: &str) {
        self.write_file(name, text);
        fs::set_permissions(self.file_path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The text of a file of the node's; empty where there is none.
    pub fn read_file(&self, name: &str) -> String {
        fs::read_to_string(self.file_path(name)).unwrap_or_default()
    }

    pub fn read_config(&self) -> String {
        self.read_file("etc/packagecloud.rb")
    }

    pub fn config_values(&self) -> CloudFrontSettingValues {
        ConfigFile::parse_packagecloud_rb(self.read_config().as_bytes()).cloudfront_setting_values()
    }

    /// What the site runs on.
    pub fn applied_values(&self) -> CloudFrontSettingValues {
        ConfigFile::parse_packagecloud_rb(self.read_file("opt/applied.rb").as_bytes())
            .cloudfront_setting_values()
    }

    pub fn count_ctl_runs(&self, command: &str) -> usize {
        self.read_file("opt/ran").lines().filter(|line| *line == command).count()
    }

    /// Holds a command of packagecloud-ctl's, or lets it go.
    pub fn hold_ctl_command(&self, command: &str, held: bool) {
        let path = self.file_path(&format!("opt/hold-{command}"));
        if held { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    pub fn start_sshd(&mut self) {
        let mut script = String::from("set -e\n");
        // What its directories lie in is the node's too: nothing is made on the machine itself.
        let above = self.file_path("above");
        script.push_str(&format!(
            "mkdir -p '{0}'\n[ -d '{0}/etc' ] || cp -a /etc '{0}/etc'\n",
            above.display()
        ));
        for (own, place) in MOUNTED_DIRS {
            let (parent, name) = place.rsplit_once('/').unwrap();
            let at = above.join(parent.trim_start_matches('/').replace('/', "-"));
            script.push_str(&format!(
                "mkdir -p '{at}/{name}'\nmount --bind '{at}' {parent}\nmount --bind '{own}' {place}\n",
                at = at.display(),
                own = self.file_path(own).display()
            ));
        }
        script.push_str("mkdir -p /run/sshd\n");
        for file in ["passwd", "shadow", "group", "sudoers"] {
            script.push_str(&format!("mount --bind '{}' /etc/{file}\n", self.file_path(file).display()));
        }
        for program in ["date", "curl"].map(|name| self.file_path(name)).iter().filter(|path| path.exists()) {
            let name = program.file_name().unwrap().display();
            script.push_str(&format!("mount --bind '{}' /usr/bin/{name}\n", program.display()));
        }
        let config = self.file_path("sshd_config");
        script.push_str(&format!(
            "exec /usr/sbin/sshd -D -E '{}' -f '{}'\n",
            self.file_path("sshd.log").display(),
            config.display()
        ));
        let sshd = Command::new("unshare").args(["-m", "sh", "-c", &script]).stdin(Stdio::null()).spawn();
        self.sshd = Some(sshd.expect("util-linux's unshare is installed"));
        let until = Instant::now() + Duration::from_mins(1);
        while !self.is_ssh_ready() {
            let ended = self.sshd.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < until,
                "sshd does not run: {}",
                self.read_file("sshd.log")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process whose mount namespace is the node's.
    pub fn namespace_pid(&self) -> u32 {
        self.sshd.as_ref().unwrap().id()
    }

    fn is_ssh_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut greeting = [0; 4];
        let greets = stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-";
        let _ = stream.write_all(b"\n");
        greets
    }

    /// The node is down: nobody listens, and every line to it is dropped.
    pub fn stop_sshd(&mut self) {
        if let Some(mut sshd) = self.sshd.take() {
            // No new line can come while the old ones are dropped.
            let children = child_sshd_pids(sshd.id());
            let _ = sshd.kill();
            let _ = sshd.wait();
            children.into_iter().for_each(kill_pid);
        }
    }

    /// Drops every line to it; a new one can be laid.
    pub fn drop_connections(&self) -> usize {
        let lines = child_sshd_pids(self.sshd.as_ref().unwrap().id());
        let count = lines.len();
        lines.into_iter().for_each(kill_pid);
        count
    }
}

fn allocate_address() -> SocketAddr {
    static NEXT_NODE_NUMBER: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    (Ipv4Addr::new(127, NEXT_NODE_NUMBER.fetch_add(1, Relaxed), high, low), 2022).into()
}

/// The processes of sshd below one: never what was run in their sessions.
fn child_sshd_pids(of: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((name, rest)) = stat.rsplit_once(')') else { continue };
        let parent = rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
        if parent == Some(of) && name.contains("sshd") {
            found.extend(child_sshd_pids(pid));
            found.push(pid);
        }
    }
    found
}

/// Kills a process that a test has started.
pub fn kill_pid(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

pub fn run_program(program: &str, arguments: &[&str]) {
    let out = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}
