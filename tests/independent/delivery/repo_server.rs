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

pub const READ_TOKEN: &str = "demo-token";
pub const BUCKET_NAME: &str = packagecloud_cloudfront::sandbox::seed::SANDBOX_BUCKET;
pub const APT_PREFIX: &str = "1/2/debian";
pub const RPM_PREFIX: &str = "1/3/el/9/x86_64";
pub const PYPI_PREFIX: &str = "1/4/pypi";

/// The end of a command: its exit code, and all that it said.
pub struct ProgramOutput {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl ProgramOutput {
    /// What it said, where it went well.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self.out
    }

    pub fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

#[track_caller]
fn run_to_end(command: &mut Command) -> ProgramOutput {
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let said = ProgramOutput { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) };
    assert_ne!(said.code, 127, "a client is missing, which tests/run installs: {}", said.err);
    said
}

/// A program of the machine, for two minutes at most.
#[track_caller]
pub fn run_program(program: &str, arguments: &[&str]) -> ProgramOutput {
    run_to_end(Command::new("timeout").args(["120", program]).args(arguments).env("LC_ALL", "C"))
}

pub struct RepoServer {
    pub root: tempfile::TempDir,
    served: Option<Child>,
    pub aws: String,
    pub front: String,
    pub edge: String,
}

impl Drop for RepoServer {
    fn drop(&mut self) {
        self.stop_server();
    }
}

impl RepoServer {
    /// An empty one: what it sells is imported.
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let none = String::new();
        Self { root, served: None, aws: none.clone(), front: none.clone(), edge: none }
    }

    pub fn file_path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn path_string(&self, name: &str) -> String {
        self.file_path(name).to_str().unwrap().to_owned()
    }

    /// This program, without anything of this machine's AWS, home or state.
    pub fn build_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.root.path());
        command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0.02");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    #[track_caller]
    pub fn run_in_sandbox(&self, arguments: &[&str]) -> ProgramOutput {
        let sandbox = format!("--sandbox={}", self.path_string("sandbox"));
        run_to_end(self.build_command().arg(sandbox).args(arguments))
    }

    /// As on a host whose AWS and packagecloud are these: no `--sandbox`.
    #[track_caller]
    pub fn run_on_live_host(&self, prepare: impl FnOnce(&mut Command), arguments: &[&str]) -> ProgramOutput {
        let mut command = self.build_command();
        command
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
            .args(["--config", &self.path_string("sandbox/packagecloud.rb"), "--ctl", "none"])
            .args(["--state-dir", &self.path_string("live-state")]);
        prepare(&mut command);
        run_to_end(command.args(arguments))
    }

    #[track_caller]
    pub fn import_repository(&self) {
        run_to_end(self.build_command().args([
            "sandbox",
            "import",
            &self.path_string("sandbox"),
            &self.path_string("repository"),
        ]))
        .expect_success();
    }

    pub fn stop_server(&mut self) {
        if let Some(mut served) = self.served.take() {
            let _ = served.kill();
            let _ = served.wait();
        }
    }

    pub fn start_server(&mut self, options: &[&str]) {
        let mut served = self
            .build_command()
            .args(["--output", "json", "sandbox", "serve", &self.path_string("sandbox")])
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

    pub fn build_deb(&self, name: &str, version: &str) {
        let build = self.file_path("build-deb");
        let _ = fs::remove_dir_all(&build);
        fs::create_dir_all(build.join("DEBIAN")).unwrap();
        fs::create_dir_all(build.join("usr/share/shop")).unwrap();
        fs::write(build.join("usr/share/shop").join(name), version).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: shop <shop@example.com>\nDescription: sold\n"
        );
        fs::write(build.join("DEBIAN/control"), control).unwrap();
        let pool = self.file_path("repository").join(APT_PREFIX).join("pool");
        fs::create_dir_all(&pool).unwrap();
        let file = pool.join(format!("{name}_{version}_all.deb"));
        run_program(
            "dpkg-deb",
            &["--root-owner-group", "-b", build.to_str().unwrap(), file.to_str().unwrap()],
        )
        .expect_success();
    }

    /// apt's indexes, as apt-ftparchive makes them.
    pub fn build_apt_index(&self) {
        let root = self.file_path("repository").join(APT_PREFIX);
        let script = "set -e; mkdir -p dists/shop/main/binary-amd64; cd dists/shop; rm -f Release; cd ../..
            apt-ftparchive packages pool > dists/shop/main/binary-amd64/Packages
            gzip -nkf dists/shop/main/binary-amd64/Packages
            apt-ftparchive -o APT::FTPArchive::Release::Suite=shop -o APT::FTPArchive::Release::Codename=shop -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures=amd64 release dists/shop > ../Release
            mv ../Release dists/shop/Release";
        run_program("sh", &["-c", &format!("cd '{}'; {script}", root.display())]).expect_success();
    }

    pub fn build_rpm(&self, name: &str, version: &str) {
        let out = self.file_path("repository").join(RPM_PREFIX).join("package_files");
        fs::create_dir_all(&out).unwrap();
        let spec = self.file_path("shop.spec");
        let text = format!(
            "Name: {name}\nVersion: {version}\nRelease: 1+b2\nSummary: sold\nLicense: MIT\nBuildArch: noarch\n%description\nsold\n%install\nmkdir -p %{{buildroot}}/usr/share/shop\necho {version} > %{{buildroot}}/usr/share/shop/{name}\n%files\n/usr/share/shop/{name}\n"
        );
        fs::write(&spec, text).unwrap();
        let define = |name: &str, value: &str| format!("{name} {value}");
        let top = define("_topdir", &self.path_string("build-rpm"));
        let to = define("_rpmdir", out.to_str().unwrap());
        let named = define("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm");
        let defines = ["-bb", "--define", &top, "--define", &to, "--define", &named, spec.to_str().unwrap()];
        run_program("rpmbuild", &defines).expect_success();
    }

    pub fn build_rpm_index(&self) {
        run_program("createrepo_c", &["-q", self.file_path("repository").join(RPM_PREFIX).to_str().unwrap()])
            .expect_success();
    }

    /// A wheel, as Python's own zipfile writes it.
    pub fn build_wheel(&self, version: &str) {
        let folder = self.file_path("repository").join(PYPI_PREFIX).join("package_files");
        fs::create_dir_all(&folder).unwrap();
        let script = "import sys,zipfile
folder,v=sys.argv[1:]
d='shop_wheel-%s.dist-info/'%v
with zipfile.ZipFile('%s/shop_wheel-%s-py3-none-any.whl'%(folder,v),'w') as z:
    z.writestr('shop_wheel.py','version=%r\\n'%v)
    z.writestr(d+'METADATA','Metadata-Version: 2.1\\nName: shop-wheel\\nVersion: %s\\n'%v)
    z.writestr(d+'WHEEL','Wheel-Version: 1.0\\nGenerator: shop\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    z.writestr(d+'RECORD','shop_wheel.py,,\\n'+''.join(d+n+',,\\n' for n in ('METADATA','WHEEL','RECORD')))";
        run_program("python3", &["-c", script, folder.to_str().unwrap(), version]).expect_success();
    }

    /// The simple index, its links whole: pip resolves others against where the redirect led, where it has no token.
    /// Its key ends in a slash, so no file can be it.
    pub async fn put_simple_index(&self, versions: &[&str]) {
        let page: String = versions
            .iter()
            .map(|version| {
                let name = format!("shop_wheel-{version}-py3-none-any.whl");
                format!(
                    "<a href=\"{}/{PYPI_PREFIX}/package_files/{}\">{name}</a>\n",
                    self.front,
                    name.replace('+', "%2B")
                )
            })
            .collect();
        let page = format!("<!DOCTYPE html>\n<html><body>\n{page}</body></html>\n");
        self.put_object(&format!("{PYPI_PREFIX}/simple/shop-wheel/"), "text/html", page).await;
    }

    /// Puts an object as an AWS SDK does.
    pub async fn put_object(&self, key: &str, content_type: &str, body: String) {
        let credentials = aws_credential_types::Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "test",
        );
        let config = aws_sdk_s3::Config::builder()
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(aws_sdk_s3::config::Region::new("us-east-1"))
            .endpoint_url(&self.aws)
            .force_path_style(true)
            .credentials_provider(credentials)
            .build();
        aws_sdk_s3::Client::from_conf(config)
            .put_object()
            .bucket(BUCKET_NAME)
            .key(key)
            .content_type(content_type)
            .body(body.into_bytes().into())
            .send()
            .await
            .unwrap();
    }

    // ---- who buys

    /// A private root for apt: its machine's own lists, keys and packages are not touched.
    pub fn create_apt_root(&self, root: &str) -> AptRoot {
        let root = self.file_path(root);
        for folder in
            ["lists/partial", "archives/partial", "etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d"]
        {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let at = root.display();
        let write = |name: &str, text: String| fs::write(root.join(name), text).unwrap();
        write("status", String::new());
        write(
            "etc/sources.list",
            format!("deb [trusted=yes arch=amd64] {}/{APT_PREFIX} shop main\n", self.front),
        );
        write("etc/auth.conf", format!("machine {} login {READ_TOKEN} password x\n", self.front));
        write(
            "apt.conf",
            format!(
                "Dir \"{at}\"; Dir::State \"{at}\"; Dir::State::lists \"{at}/lists\"; Dir::State::status \"{at}/status\"; Dir::Cache \"{at}\"; Dir::Cache::archives \"{at}/archives\"; Dir::Etc \"{at}/etc\"; Dir::Etc::netrc \"{at}/etc/auth.conf\"; Dir::Etc::netrcparts \"{at}/none\"; Dir::Bin::methods \"/usr/lib/apt/methods\"; Dir::Log \"{at}\"; APT::Sandbox::User \"root\"; APT::Architecture \"amd64\"; APT::Architectures {{ \"amd64\"; }}; Acquire::Languages \"none\"; Acquire::Retries \"0\"; Debug::NoLocking \"1\";\n"
            ),
        );
        AptRoot { root }
    }

    pub fn create_dnf_root(&self, root: &str) -> DnfRoot {
        let root = self.file_path(root);
        for folder in ["repos", "root", "log", "cache", "persist"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let text = format!(
            "[shop]\nname=shop\nbaseurl={}/{RPM_PREFIX}\nusername={READ_TOKEN}\npassword=x\ngpgcheck=0\nenabled=1\nretries=1\n",
            self.front
        );
        fs::write(root.join("repos/shop.repo"), text).unwrap();
        DnfRoot { root }
    }

    #[track_caller]
    pub fn download_with_pip(&self, version: &str, to: &str) -> ProgramOutput {
        let index = self.front.replace("http://", &format!("http://{READ_TOKEN}:x@"));
        self.download_with_pip_from(
            &format!("{index}/{PYPI_PREFIX}/simple/"),
            &format!("shop-wheel{version}"),
            to,
        )
    }

    #[track_caller]
    pub fn download_with_pip_from(&self, index: &str, what: &str, to: &str) -> ProgramOutput {
        let quiet = [
            "-m",
            "pip",
            "--isolated",
            "--disable-pip-version-check",
            "download",
            "--no-deps",
            "--no-cache-dir",
        ];
        run_program(
            "python3",
            &[&quiet[..], &["-d", &self.path_string(to), "--index-url", index, what]].concat(),
        )
    }

    /// The link that the front answers for a key, and nothing more.
    #[track_caller]
    pub fn fetch_redirect_link(&self, key: &str) -> String {
        let url = format!("{}/{}", self.front, key.replace('+', "%2B"));
        let user = format!("{READ_TOKEN}:");
        run_program("curl", &["-sS", "-u", &user, "-o", "/dev/null", "-w", "%{redirect_url}", &url])
            .expect_success()
    }
}

pub struct AptRoot {
    root: PathBuf,
}

impl AptRoot {
    #[track_caller]
    pub fn run_apt_get(&self, arguments: &[&str]) -> ProgramOutput {
        let config = self.root.join("apt.conf");
        run_to_end(
            Command::new("timeout")
                .args(["120", "apt-get"])
                .args(arguments)
                .env("APT_CONFIG", config)
                .env("LC_ALL", "C"),
        )
    }

    pub fn read_archive(&self, name: &str) -> Vec<u8> {
        fs::read(self.root.join("archives").join(name)).unwrap_or_default()
    }
}

pub struct DnfRoot {
    root: PathBuf,
}

impl DnfRoot {
    #[track_caller]
    pub fn install_package(&self, what: &str) -> ProgramOutput {
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
        run_program("dnf", &[&options[..], &["install", what]].concat())
    }

    pub fn read_installed_file(&self, name: &str) -> String {
        fs::read_to_string(self.root.join("root/usr/share/shop").join(name)).unwrap_or_default()
    }
}

pub fn read_file(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
