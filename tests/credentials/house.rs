//! A host with AWS's files in its home, and an AWS on loopback that it has a user, a role and a device in.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use packagecloud_cloudfront::sandbox::{
    self, Delays, Options, World,
    control_plane::iam,
    seed::BUCKET,
    serve::{self, Serving},
};
use portable_pty::CommandBuilder;
use serde_json::json;

use crate::{
    sandboxed::{object, put},
    screen::Terminal,
};

pub const DEVICE: &str = "arn:aws:iam::999999999999:mfa/jo";

pub struct House {
    dir: tempfile::TempDir,
    pub world: World,
    serving: Serving,
}

impl House {
    /// With so many packages in the bucket, each copy of which takes some time.
    pub async fn new(packages: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: dir.path().join("world"),
            delays: Some(Delays::NONE),
            empty: true,
            latency: Duration::from_millis(15),
            ..Options::default()
        };
        let world = sandbox::open(&options).unwrap();
        let package = |number| format!("7/8/debian/package_files/{number}.deb");
        put(&world, (0..packages).map(|number| object(&world, &package(number), b"package")));
        world.write(|state| {
            let trust = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:user/sandbox"},
                "Action": "sts:AssumeRole", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]});
            let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
            let mut role =
                iam::Role { name: "ops".into(), arn: iam::role_arn("ops"), trust: trust.to_string(), ..iam::Role::default() };
            role.path = "/".into();
            role.policies.insert("all".into(), all.to_string());
            state.iam.roles.insert(role.name.clone(), role);
            let codes = ["123456", "654321"].map(str::to_owned).to_vec();
            state.iam.user.device = Some(iam::Device { serial: DEVICE.to_owned(), codes });
        });
        let serving = serve::serve(&world, 0, 0, 0).await.unwrap();
        fs::create_dir(dir.path().join(".aws")).unwrap();
        fs::write(dir.path().join("packagecloud.rb"), "").unwrap();
        Self { dir, world, serving }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A session of the role: access key, secret, token.
    pub fn session(&self) -> (String, String, String) {
        self.world.role_credentials(&iam::role_arn("ops")).unwrap()
    }

    /// What lies in AWS's credentials file of profile `work`: a session of the role.
    pub fn sign_in(&self) {
        let (access, secret, token) = self.session();
        let text = format!(
            "[work]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\naws_session_token = {token}\n"
        );
        fs::write(self.path(".aws/credentials"), text).unwrap();
    }

    /// A profile `device`, whose role wants a code.
    pub fn with_device(&self) {
        let config = format!(
            "[profile base]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
             [profile device]\nrole_arn = {}\nsource_profile = base\nmfa_serial = {DEVICE}\n",
            iam::ACCESS_KEY,
            iam::SECRET_KEY,
            iam::role_arn("ops")
        );
        fs::write(self.path(".aws/config"), config).unwrap();
    }

    /// From now on AWS accepts no session that it gave.
    pub fn expire(&self) {
        let now = self.world.now();
        self.world.write(|state| state.iam.sessions.values_mut().for_each(|key| key.expires = Some(now)));
    }

    fn words(&self, words: &[&str]) -> Vec<String> {
        let path = |name: &str| self.path(name).display().to_string();
        let (config, state) = (path("packagecloud.rb"), path("state"));
        let common = [
            "--endpoint-url",
            &self.serving.addresses.aws,
            "--region",
            "us-east-1",
            "--bucket",
            BUCKET,
            "--ctl",
            "none",
            "--config",
            &config,
            "--state-dir",
            &state,
        ];
        common.iter().chain(words).map(|&word| word.to_owned()).collect()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .args(self.words(words))
            .stdin(Stdio::null());
        command
    }

    pub fn at_a_terminal(&self, words: &[&str]) -> Terminal {
        let plain = self.command(words);
        let mut command = CommandBuilder::new(plain.get_program());
        command.env_clear();
        command.args(plain.get_args());
        plain.get_envs().for_each(|(name, value)| command.env(name, value.unwrap_or_default()));
        Terminal::of(command)
    }

    /// How often S3 has copied an object.
    pub fn copies(&self) -> usize {
        let calls = self.world.ledger();
        calls.iter().filter(|call| call.operation == "CopyObject" && call.status == Some(200)).count()
    }

    /// Waits until the reindex is in its middle.
    pub fn until_copied(&self, count: usize) {
        let begun = std::time::Instant::now();
        while self.copies() < count {
            assert!(begun.elapsed() < Duration::from_mins(2), "it does not copy: {}", self.copies());
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

/// The exit code, and all that was said.
pub fn ended(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}
