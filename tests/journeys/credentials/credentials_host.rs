//! A host with AWS's files in its home, and an AWS on loopback that it has a user, a role and a device in.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use packagecloud_cloudfront::sandbox::{
    self, Sandbox, SandboxOptions, SandboxPropagationDelays,
    control_plane::{format_sandbox_role_arn, iam},
    seed::SANDBOX_BUCKET,
    serve::{self, SandboxServer},
};
use portable_pty::CommandBuilder;
use serde_json::json;

use crate::{
    reindex::bucket::{build_object, put_objects},
    terminal::wizard_terminal::WizardTerminal,
};

pub const MFA_DEVICE_ARN: &str = "arn:aws:iam::999999999999:mfa/jo";

pub struct CredentialsHost {
    dir: tempfile::TempDir,
    pub world: Sandbox,
    serving: SandboxServer,
}

impl CredentialsHost {
    /// With so many packages in the bucket, each copy of which takes some time.
    pub async fn new(packages: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = SandboxOptions {
            dir: dir.path().join("world"),
            delays: Some(SandboxPropagationDelays::NONE),
            empty: true,
            latency: Duration::from_millis(15),
            ..SandboxOptions::default()
        };
        let world = sandbox::open_or_seed_sandbox(&options).unwrap();
        let package = |number| format!("7/8/debian/package_files/{number}.deb");
        put_objects(&world, (0..packages).map(|number| build_object(&world, &package(number), b"package")));
        world.update_sandbox_state_on_disk(|state| {
            let trust = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:user/sandbox"},
                "Action": "sts:AssumeRole", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]});
            let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
            let mut role =
                iam::SandboxRole { name: "ops".into(), arn: format_sandbox_role_arn("ops"), trust: trust.to_string(), ..iam::SandboxRole::default() };
            role.path = "/".into();
            role.policies.insert("all".into(), all.to_string());
            state.iam.roles.insert(role.name.clone(), role);
            let codes = ["123456", "654321"].map(str::to_owned).to_vec();
            state.iam.user.device = Some(iam::SandboxMfaDevice { serial: MFA_DEVICE_ARN.to_owned(), codes });
        });
        let serving = serve::start_sandbox_server(&world, 0, 0, 0).await.unwrap();
        fs::create_dir(dir.path().join(".aws")).unwrap();
        fs::write(dir.path().join("packagecloud.rb"), "").unwrap();
        Self { dir, world, serving }
    }

    pub fn file_path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A session of the role: access key, secret, token.
    pub fn issue_session(&self) -> (String, String, String) {
        self.world.issue_role_credentials(&format_sandbox_role_arn("ops")).unwrap()
    }

    /// What lies in AWS's credentials file of profile `work`: a session of the role.
    pub fn write_session_credentials(&self) {
        let (access, secret, token) = self.issue_session();
        let text = format!(
            "[work]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\naws_session_token = {token}\n"
        );
        fs::write(self.file_path(".aws/credentials"), text).unwrap();
    }

    /// A profile `device`, whose role wants a code.
    pub fn write_mfa_profile(&self) {
        let config = format!(
            "[profile base]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
             [profile device]\nrole_arn = {}\nsource_profile = base\nmfa_serial = {MFA_DEVICE_ARN}\n",
            iam::ACCESS_KEY,
            iam::SECRET_KEY,
            format_sandbox_role_arn("ops")
        );
        fs::write(self.file_path(".aws/config"), config).unwrap();
    }

    /// From now on AWS accepts no session that it gave.
    pub fn expire_sessions(&self) {
        let now = self.world.sandbox_unix_time_now();
        self.world.update_sandbox_state_on_disk(|state| {
            state.iam.sessions.values_mut().for_each(|key| key.expires = Some(now));
        });
    }

    fn build_args(&self, words: &[&str]) -> Vec<String> {
        let path = |name: &str| self.file_path(name).display().to_string();
        let (config, state) = (path("packagecloud.rb"), path("state"));
        let common = [
            "--endpoint-url",
            &self.serving.addresses.aws,
            "--region",
            "us-east-1",
            "--bucket",
            SANDBOX_BUCKET,
            "--ctl",
            "none",
            "--config",
            &config,
            "--state-dir",
            &state,
        ];
        common.iter().chain(words).map(|&word| word.to_owned()).collect()
    }

    pub fn build_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .args(self.build_args(words))
            .stdin(Stdio::null());
        command
    }

    pub fn open_terminal(&self, words: &[&str]) -> WizardTerminal {
        let plain = self.build_command(words);
        let mut command = CommandBuilder::new(plain.get_program());
        command.env_clear();
        command.args(plain.get_args());
        plain.get_envs().for_each(|(name, value)| command.env(name, value.unwrap_or_default()));
        WizardTerminal::spawn_command(command)
    }

    /// How often S3 has copied an object.
    pub fn count_copies(&self) -> usize {
        let calls = self.world.sandbox_recorded_aws_calls();
        calls.iter().filter(|call| call.operation == "CopyObject" && call.status == Some(200)).count()
    }

    /// Waits until the reindex is in its middle.
    pub fn wait_until_copied(&self, count: usize) {
        let begun = std::time::Instant::now();
        while self.count_copies() < count {
            assert!(begun.elapsed() < Duration::from_mins(2), "it does not copy: {}", self.count_copies());
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

/// The exit code, and all that was said.
pub fn run_to_end(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}
