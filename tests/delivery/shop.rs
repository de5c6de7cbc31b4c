//! A packagecloud with real packages in a served sandbox, and real package managers in roots of their own.
//!
//! Nothing of the machine's own apt, dnf or pip is read or changed; a client that isn't there is a failure.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

pub const TOKEN: &str = "demo-token";
pub const BUCKET: &str = packagecloud_cloudfront::sandbox::seed::BUCKET;
pub const APT: &str = "1/2/debian";
pub const RPM: &str = "1/3/el/9/x86_64";
pub const PYPI: &str = "1/4/pypi";

/// The end of a command: its exit code, and all that it said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// What it said, where it went well.
    #[track_caller]
    pub fn well(self) -> String {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self.out
    }

    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

#[track_caller]
fn ended(command: &mut Command) -> Said {
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

/// A program of the machine, for two minutes at most.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) -> Said {
    ended(Command::new("timeout").args(["120", program]).args(arguments).env("LC_ALL", "C"))
}

pub struct Shop {
    pub root: tempfile::TempDir,
    served: Option<Child>,
    pub aws: String,
    pub front: String,
    pub edge: String,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shop {
    /// An empty one: what it sells is imported.
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let none = String::new();
        Self { root, served: None, aws: none.clone(), front: none.clone(), edge: none }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// This program, without anything of this machine's AWS, home or state.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.root.path());
        command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0.02");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    #[track_caller]
    pub fn does(&self, arguments: &[&str]) -> Said {
        let sandbox = format!("--sandbox={}", self.text("sandbox"));
        ended(self.program().arg(sandbox).args(arguments))
    }

    /// As on a host whose AWS and packagecloud are these: no `--sandbox`.
    #[track_caller]
    pub fn does_live(&self, prepare: impl FnOnce(&mut Command), arguments: &[&str]) -> Said {
        let mut command = self.program();
        command
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
            .args(["--config", &self.text("sandbox/packagecloud.rb"), "--ctl", "none"])
            .args(["--state-dir", &self.text("live-state")]);
        prepare(&mut command);
        ended(command.args(arguments))
    }

    #[track_caller]
    pub fn import(&self) {
        ended(self.program().args(["sandbox", "import", &self.text("sandbox"), &self.text("repository")]))
            .well();
    }

    pub fn close(&mut self) {
        if let Some(mut served) = self.served.take() {
            let _ = served.kill();
            let _ = served.wait();
        }
    }

    pub fn serve(&mut self, options: &[&str]) {
        let mut served = self
            .program()
            .args(["--output", "json", "sandbox", "serve", &self.text("sandbox")])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(served.stdout.take().unwrap()).lines();
        let mut line = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line()["type"], "version");
        let at = line();
        let of = |name: &str| at[name].as_str().unwrap().to_owned();
        assert_eq!(at["type"], "serving");
        (self.aws, self.front, self.edge) = (of("aws"), of("packagecloud"), of("cloudfront"));
        self.served = Some(served);
    }

    // ---- what it sells

    pub fn deb(&self, name: &str, version: &str) {
        let build = self.path("build-deb");
        let _ = fs::remove_dir_all(&build);
        fs::create_dir_all(build.join("DEBIAN")).unwrap();
        fs::create_dir_all(build.join("usr/share/shop")).unwrap();
        fs::write(build.join("usr/share/shop").join(name), version).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: shop <shop@example.com>\nDescription: sold\n"
        );
        fs::write(build.join("DEBIAN/control"), control).unwrap();
        let pool = self.path("repository").join(APT).join("pool");
        fs::create_dir_all(&pool).unwrap();
        let file = pool.join(format!("{name}_{version}_all.deb"));
        run("dpkg-deb", &["--root-owner-group", "-b", build.to_str().unwrap(), file.to_str().unwrap()])
            .well();
    }

    /// apt's indexes, as apt-ftparchive makes them.
    pub fn apt_index(&self) {
        let root = self.path("repository").join(APT);
        let script = "set -e; mkdir -p dists/shop/main/binary-amd64; cd dists/shop; rm -f Release; cd ../..
            apt-ftparchive packages pool > dists/shop/main/binary-amd64/Packages
            gzip -nkf dists/shop/main/binary-amd64/Packages
            apt-ftparchive -o APT::FTPArchive::Release::Suite=shop -o APT::FTPArchive::Release::Codename=shop -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures=amd64 release dists/shop > ../Release
            mv ../Release dists/shop/Release";
        run("sh", &["-c", &format!("cd '{}'; {script}", root.display())]).well();
    }

    pub fn rpm(&self, name: &str, version: &str) {
        let out = self.path("repository").join(RPM).join("package_files");
        fs::create_dir_all(&out).unwrap();
        let spec = self.path("shop.spec");
        let text = format!(
            "Name: {name}\nVersion: {version}\nRelease: 1+b2\nSummary: sold\nLicense: MIT\nBuildArch: noarch\n%description\nsold\n%install\nmkdir -p %{{buildroot}}/usr/share/shop\necho {version} > %{{buildroot}}/usr/share/shop/{name}\n%files\n/usr/share/shop/{name}\n"
        );
        fs::write(&spec, text).unwrap();
        let define = |name: &str, value: &str| format!("{name} {value}");
        let top = define("_topdir", &self.text("build-rpm"));
        let to = define("_rpmdir", out.to_str().unwrap());
        let named = define("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm");
        let defines = ["-bb", "--define", &top, "--define", &to, "--define", &named, spec.to_str().unwrap()];
        run("rpmbuild", &defines).well();
    }

    pub fn rpm_index(&self) {
        run("createrepo_c", &["-q", self.path("repository").join(RPM).to_str().unwrap()]).well();
    }

    /// A wheel, as Python's own zipfile writes it.
    pub fn wheel(&self, version: &str) {
        let folder = self.path("repository").join(PYPI).join("package_files");
        fs::create_dir_all(&folder).unwrap();
        let script = "import sys,zipfile
folder,v=sys.argv[1:]
d='shop_wheel-%s.dist-info/'%v
with zipfile.ZipFile('%s/shop_wheel-%s-py3-none-any.whl'%(folder,v),'w') as z:
    z.writestr('shop_wheel.py','version=%r\\n'%v)
    z.writestr(d+'METADATA','Metadata-Version: 2.1\\nName: shop-wheel\\nVersion: %s\\n'%v)
    z.writestr(d+'WHEEL','Wheel-Version: 1.0\\nGenerator: shop\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    z.writestr(d+'RECORD','shop_wheel.py,,\\n'+''.join(d+n+',,\\n' for n in ('METADATA','WHEEL','RECORD')))";
        run("python3", &["-c", script, folder.to_str().unwrap(), version]).well();
    }

    /// The simple index, its links whole: pip resolves others against where the redirect led, where it has no token.
    /// Its key ends in a slash, so no file can be it; an AWS SDK puts it.
    pub async fn simple(&self, versions: &[&str]) {
        let page: String = versions
            .iter()
            .map(|version| {
                let name = format!("shop_wheel-{version}-py3-none-any.whl");
                format!(
                    "<a href=\"{}/{PYPI}/package_files/{}\">{name}</a>\n",
                    self.front,
                    name.replace('+', "%2B")
                )
            })
            .collect();
        let credentials = aws_credential_types::Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "test",
        );
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(aws_sdk_s3::config::Region::new("us-east-1"))
            .endpoint_url(&self.aws)
            .force_path_style(true)
            .credentials_provider(credentials)
            .build();
        let body = format!("<!DOCTYPE html>\n<html><body>\n{page}</body></html>\n").into_bytes();
        aws_sdk_s3::Client::from_conf(config)
            .put_object()
            .bucket(BUCKET)
            .key(format!("{PYPI}/simple/shop-wheel/"))
            .content_type("text/html")
            .body(body.into())
            .send()
            .await
            .unwrap();
    }

    // ---- who buys

    /// A private root for apt: its machine's own lists, keys and packages are not touched.
    pub fn apt(&self, root: &str) -> Apt {
        let root = self.path(root);
        for folder in
            ["lists/partial", "archives/partial", "etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d"]
        {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let at = root.display();
        let write = |name: &str, text: String| fs::write(root.join(name), text).unwrap();
        write("status", String::new());
        write("etc/sources.list", format!("deb [trusted=yes arch=amd64] {}/{APT} shop main\n", self.front));
        write("etc/auth.conf", format!("machine {} login {TOKEN} password x\n", self.front));
        write(
            "apt.conf",
            format!(
                "Dir \"{at}\"; Dir::State \"{at}\"; Dir::State::lists \"{at}/lists\"; Dir::State::status \"{at}/status\"; Dir::Cache \"{at}\"; Dir::Cache::archives \"{at}/archives\"; Dir::Etc \"{at}/etc\"; Dir::Etc::netrc \"{at}/etc/auth.conf\"; Dir::Etc::netrcparts \"{at}/none\"; Dir::Bin::methods \"/usr/lib/apt/methods\"; Dir::Log \"{at}\"; APT::Sandbox::User \"root\"; APT::Architecture \"amd64\"; APT::Architectures {{ \"amd64\"; }}; Acquire::Languages \"none\"; Acquire::Retries \"0\"; Debug::NoLocking \"1\";\n"
            ),
        );
        Apt { root }
    }

    pub fn dnf(&self, root: &str) -> Dnf {
        let root = self.path(root);
        for folder in ["repos", "root", "log", "cache", "persist"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let text = format!(
            "[shop]\nname=shop\nbaseurl={}/{RPM}\nusername={TOKEN}\npassword=x\ngpgcheck=0\nenabled=1\nretries=1\n",
            self.front
        );
        fs::write(root.join("repos/shop.repo"), text).unwrap();
        Dnf { root }
    }

    #[track_caller]
    pub fn pip(&self, version: &str, to: &str) -> Said {
        let index = self.front.replace("http://", &format!("http://{TOKEN}:x@"));
        self.pip_from(&format!("{index}/{PYPI}/simple/"), &format!("shop-wheel{version}"), to)
    }

    #[track_caller]
    pub fn pip_from(&self, index: &str, what: &str, to: &str) -> Said {
        let quiet = [
            "-m",
            "pip",
            "--isolated",
            "--disable-pip-version-check",
            "download",
            "--no-deps",
            "--no-cache-dir",
        ];
        run("python3", &[&quiet[..], &["-d", &self.text(to), "--index-url", index, what]].concat())
    }

    /// The link that the front answers for a key, and nothing more.
    #[track_caller]
    pub fn link(&self, key: &str) -> String {
        let url = format!("{}/{}", self.front, key.replace('+', "%2B"));
        let user = format!("{TOKEN}:");
        run("curl", &["-sS", "-u", &user, "-o", "/dev/null", "-w", "%{redirect_url}", &url]).well()
    }
}

pub struct Apt {
    root: PathBuf,
}

impl Apt {
    #[track_caller]
    pub fn get(&self, arguments: &[&str]) -> Said {
        let config = self.root.join("apt.conf");
        ended(
            Command::new("timeout")
                .args(["120", "apt-get"])
                .args(arguments)
                .env("APT_CONFIG", config)
                .env("LC_ALL", "C"),
        )
    }

    pub fn has(&self, name: &str) -> Vec<u8> {
        fs::read(self.root.join("archives").join(name)).unwrap_or_default()
    }
}

pub struct Dnf {
    root: PathBuf,
}

impl Dnf {
    #[track_caller]
    pub fn install(&self, what: &str) -> Said {
        let at = |name: &str| self.root.join(name).display().to_string();
        let options = [
            format!("--installroot={}", at("root")),
            format!("--setopt=reposdir={}", at("repos")),
            format!("--setopt=cachedir={}", at("cache")),
            format!("--setopt=logdir={}", at("log")),
            format!("--setopt=persistdir={}", at("persist")),
            "--releasever=9".to_owned(),
            "--forcearch=x86_64".to_owned(),
            "--refresh".to_owned(),
            "-y".to_owned(),
        ];
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        run("dnf", &[&options[..], &["install", what]].concat())
    }

    pub fn installed(&self, name: &str) -> String {
        fs::read_to_string(self.root.join("root/usr/share/shop").join(name)).unwrap_or_default()
    }
}

pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
