//! Credentials as people have them, through a proxy that the environment names and a certificate authority of its own:
//! the real binary without an endpoint of ours, so that every host it would ask is seen.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const PYTHON_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/emulators/bin/python");
const PROXY_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent/aws/proxy.py");
/// Where the run ends, before anything but its identity is asked for: there is no Lambda@Edge in China.
const CHINA_USER_ARN: &str = "arn:aws-cn:iam::123456789012:user/jo";
const GOVCLOUD_USER_ARN: &str = "arn:aws-us-gov:iam::123456789012:user/jo";

struct ProxyFixture {
    dir: tempfile::TempDir,
    child: Child,
    proxy: String,
    direct: String,
}

impl Drop for ProxyFixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ProxyFixture {
    fn new(arn: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // What it says of a handshake that was broken off is what a test wants.
        let mut child = Command::new(PYTHON_PATH)
            .arg(PROXY_SCRIPT)
            .arg(dir.path())
            .arg(arn)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let (proxy, direct) = line.split_once(' ').unwrap();
        fs::create_dir(dir.path().join(".aws")).unwrap();
        fs::write(dir.path().join("packagecloud.rb"), "").unwrap();
        Self {
            proxy: format!("http://127.0.0.1:{proxy}"),
            direct: format!("https://localhost:{direct}"),
            dir,
            child,
        }
    }

    fn file_path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn build_command(&self, words: &[&str]) -> Command {
        self.build_command_in_region("eu-west-1", words)
    }

    fn build_command_in_region(&self, region: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HTTPS_PROXY", &self.proxy)
            .env("AWS_CA_BUNDLE", self.file_path("ca.pem"))
            .args(["--bucket", "acme-packages", "--region", region])
            .arg("--config")
            .arg(self.file_path("packagecloud.rb"))
            .arg("--state-dir")
            .arg(self.file_path("state"))
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// What the run says; and what was asked, a line each.
    fn run_command(&self, mut command: Command) -> (String, String) {
        let _ = fs::remove_file(self.file_path("asked.txt"));
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        (text, fs::read_to_string(self.file_path("asked.txt")).unwrap_or_default())
    }

    fn write_aws_config(&self, text: &str) {
        fs::write(self.file_path(".aws/config"), text).unwrap();
    }
}

#[track_caller]
fn assert_partition_refused(text: &str) {
    assert!(
        text.contains("aws-cn") && text.contains("no Lambda@Edge") && text.contains("nothing was made"),
        "{text}"
    );
}

#[test]
fn keys_and_profiles_of_every_kind_are_fetched_through_the_proxy() {
    let site = ProxyFixture::new(CHINA_USER_ARN);
    let mut keys = site.build_command(&["check", "--all"]);
    keys.env("AWS_ACCESS_KEY_ID", "AKIAENV").env("AWS_SECRET_ACCESS_KEY", "s");
    let (text, asked) = site.run_command(keys);
    assert_partition_refused(&text);
    assert!(
        asked.contains("sts.eu-west-1.amazonaws.com POST / key=AKIAENV Action=GetCallerIdentity"),
        "{asked}"
    );

    site.write_aws_config(&format!(
        "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n\
         [profile role]\nrole_arn = arn:aws:iam::1:role/ops\nsource_profile = base\nexternal_id = the-id\n\
         [profile chain]\nrole_arn = arn:aws:iam::1:role/second\nsource_profile = role\n\
         [profile process]\ncredential_process = cat {}\n\
         [profile device]\nrole_arn = arn:aws:iam::1:role/ops\nsource_profile = base\nmfa_serial = arn:aws:iam::1:mfa/jo\n\
         [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n\
         [profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Admin\n",
        site.file_path("process.json").display()
    ));
    let made = r#"{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "s"}"#;
    fs::write(site.file_path("process.json"), made).unwrap();
    for (profile, wanted) in [
        ("base", vec!["key=AKIABASE Action=GetCallerIdentity"]),
        (
            "role",
            vec![
                "key=AKIABASE Action=AssumeRole",
                "ExternalId=the-id",
                "RoleArn=arn:aws:iam::1:role/ops",
                "key=ASIAROLE Action=GetCallerIdentity",
            ],
        ),
        (
            "chain",
            vec![
                "RoleArn=arn:aws:iam::1:role/ops",
                "key=ASIAROLE Action=AssumeRole",
                "RoleArn=arn:aws:iam::1:role/second",
            ],
        ),
        ("process", vec!["key=AKIAPROCESS Action=GetCallerIdentity"]),
    ] {
        let (text, asked) = site.run_command(site.build_command(&["--profile", profile, "check", "--all"]));
        assert_partition_refused(&text);
        for words in wanted {
            assert!(asked.contains(words), "{profile}: {words}: {asked}");
        }
    }
    // Signed in, the role's credentials come from the portal; else what to type is said.
    let (text, _) = site.run_command(site.build_command(&["--profile", "sso", "check", "--all"]));
    assert!(text.contains("aws sso login --profile sso"), "{text}");
    let cache = site.file_path(".aws/sso/cache");
    fs::create_dir_all(&cache).unwrap();
    let token = r#"{"accessToken": "token", "expiresAt": "2999-01-01T00:00:00Z", "region": "eu-west-1", "startUrl": "https://corp.awsapps.com/start"}"#;
    // The file's name is the SHA-1 of the session's name.
    fs::write(cache.join("ee0bfd2552fbd840c02cc48b6e823320543c450f.json"), token).unwrap();
    let (text, asked) = site.run_command(site.build_command(&["--profile", "sso", "check", "--all"]));
    assert_partition_refused(&text);
    assert!(asked.contains("portal.sso.eu-west-1.amazonaws.com GET /federation/credentials"), "{asked}");
    assert!(asked.contains("key=ASIASSO Action=GetCallerIdentity"), "{asked}");
    // Without a terminal nobody can be asked for a code.
    let (text, asked) = site.run_command(site.build_command(&["--profile", "device", "check", "--all"]));
    assert!(
        text.contains("needs a code of arn:aws:iam::1:mfa/jo") && text.contains("--profile device"),
        "{text}"
    );
    assert_eq!(asked, "", "nothing is asked in vain");
}

#[test]
fn a_device_is_asked_for_its_code_at_the_terminal() {
    let site = ProxyFixture::new(CHINA_USER_ARN);
    site.write_aws_config(
        "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n\
         [profile device]\nrole_arn = arn:aws:iam::1:role/ops\nsource_profile = base\nmfa_serial = arn:aws:iam::1:mfa/jo\n",
    );
    let plain = site.build_command(&["--profile", "device", "check", "--all"]);
    let mut command = CommandBuilder::new(plain.get_program());
    command.env_clear();
    command.args(plain.get_args());
    plain.get_envs().for_each(|(name, value)| command.env(name, value.unwrap_or_default()));
    let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 200, ..PtySize::default() }).unwrap();
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let (mut reader, mut writer) =
        (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
    let mut said = String::new();
    let mut bytes = [0; 4096];
    let mut typed = false;
    // At its end a terminal's reader fails.
    while let Ok(read @ 1..) = reader.read(&mut bytes) {
        said.push_str(&String::from_utf8_lossy(&bytes[..read]));
        if !typed && said.contains("The code of arn:aws:iam::1:mfa/jo: ") {
            writer.write_all(b"424242\r").unwrap();
            typed = true;
        }
    }
    child.wait().unwrap();
    assert_partition_refused(&said);
    assert!(!said.contains("424242"), "what is typed isn't shown: {said}");
    let asked = fs::read_to_string(site.file_path("asked.txt")).unwrap();
    for words in [
        "key=AKIABASE Action=AssumeRole",
        "SerialNumber=arn:aws:iam::1:mfa/jo",
        "TokenCode=424242",
        "key=ASIAROLE Action=GetCallerIdentity",
    ] {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    assert_eq!(asked.matches("Action=AssumeRole").count(), 1, "a code is good once: {asked}");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_and_no_proxy_holds() {
    let site = ProxyFixture::new(CHINA_USER_ARN);
    let with_keys = |words: &[&str]| {
        let mut command = site.build_command(words);
        command.env("AWS_ACCESS_KEY_ID", "AKIAENV").env("AWS_SECRET_ACCESS_KEY", "s");
        command
    };
    let mut unknown = with_keys(&["check", "--all"]);
    unknown.env_remove("AWS_CA_BUNDLE");
    let (text, asked) = site.run_command(unknown);
    assert!(text.contains("could not be sent") && text.contains("proxy"), "{text}");
    assert_eq!(asked, "");
    let mut missing = with_keys(&["check", "--all"]);
    missing.env("AWS_CA_BUNDLE", "/no/such/file");
    let (text, _) = site.run_command(missing);
    assert!(text.contains("AWS_CA_BUNDLE /no/such/file") && text.contains("unset it"), "{text}");

    let mut past = with_keys(&["--endpoint-url", &site.direct, "check", "--all"]);
    past.env("NO_PROXY", "localhost");
    let (text, asked) = site.run_command(past);
    assert_partition_refused(&text);
    assert!(asked.starts_with("direct POST / key=AKIAENV"), "{asked}");
}

#[test]
fn in_a_partition_without_lambda_at_edge_nothing_is_made_and_nothing_but_the_identity_is_asked() {
    for (arn, region, host) in [
        (CHINA_USER_ARN, "cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        (GOVCLOUD_USER_ARN, "us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
    ] {
        let partition = arn.split(':').nth(1).unwrap();
        let site = ProxyFixture::new(arn);
        for words in [
            vec!["check", "--all"],
            vec!["plan"],
            vec!["enable", "--yes"],
            vec!["enable", "--yes", "--upgrade"],
            vec!["reindex-everything", "--yes"],
            vec!["bootstrap-cloudfront", "--yes"],
        ] {
            let mut command = site.build_command_in_region(region, &words);
            command.env("AWS_ACCESS_KEY_ID", "AKIAENV").env("AWS_SECRET_ACCESS_KEY", "s");
            let (text, asked) = site.run_command(command);
            assert!(
                text.contains(&format!(
                    "{arn}: it is in partition {partition}, where there is no Lambda@Edge"
                )) && text.contains("next: use an account of the partition aws; nothing was made"),
                "{words:?}: {text}"
            );
            let only = format!("{host} POST / key=AKIAENV Action=GetCallerIdentity");
            assert!(!asked.is_empty() && asked.lines().all(|line| line == only), "{words:?}: {asked}");
            assert_eq!(fs::read_to_string(site.file_path("packagecloud.rb")).unwrap(), "", "{words:?}");
        }
    }
}
