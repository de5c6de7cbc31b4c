//! A sandbox as a host: the binary on it, and what stands in its account, counted.
//!
//! What is counted is read from the world's own state, never from what the program says of itself.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use packagecloud_cloudfront::{
    model::packagecloud::{config_file::ConfigFile, settings::CloudFrontSettingValues},
    sandbox::{self, Sandbox, SandboxOptions, SandboxPropagationDelays, seed},
};

pub struct SandboxHost {
    pub dir: tempfile::TempDir,
}

impl SandboxHost {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn open_sandbox(&self) -> Sandbox {
        // At the pace of the binary: what isn't deployed for it isn't for who looks.
        let delays = Some(SandboxPropagationDelays::default().scale_delays(0.0));
        sandbox::open_or_seed_sandbox(&SandboxOptions {
            dir: self.dir.path().join("world"),
            delays,
            ..SandboxOptions::default()
        })
        .unwrap()
    }

    pub fn state_path(&self) -> PathBuf {
        self.dir.path().join("world/state")
    }

    /// The binary on this host's sandbox, whose states take `pace` of their time.
    pub fn build_command(&self, pace: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", pace)
            .arg(format!("--sandbox={}", self.dir.path().join("world").display()))
            .args(words)
            .stdin(Stdio::null());
        command
    }

    pub fn run_binary(&self, words: &[&str]) -> (i32, String) {
        let output = self.build_command("0", words).output().unwrap();
        (output.status.code().expect("it ended by itself"), output_text(&output))
    }

    pub fn config_values(&self) -> CloudFrontSettingValues {
        read_config_values(&self.open_sandbox())
    }
}

pub fn output_text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn read_config_values(world: &Sandbox) -> CloudFrontSettingValues {
    ConfigFile::parse_packagecloud_rb(&std::fs::read(world.sandbox_dir().join("packagecloud.rb")).unwrap())
        .cloudfront_setting_values()
}

/// How much of each there is: roles, keys, aliases, functions, versions, identities, distributions, cache policies,
/// and our statements in the bucket policy.
pub fn count_all_resources(world: &Sandbox) -> [usize; 9] {
    world.read_sandbox_state_from_disk(|state| {
        let policy = state.s3.buckets[seed::SANDBOX_BUCKET].policy.clone().unwrap_or_default();
        [
            // AWS makes its own for Lambda@Edge.
            state.iam.roles.keys().filter(|name| !name.starts_with("AWSServiceRole")).count(),
            state.kms.keys.len(),
            state.kms.aliases.len(),
            state.lambda.functions.len(),
            state.lambda.functions.values().map(|function| function.versions.len()).sum(),
            state.cloudfront.identities.len(),
            state.cloudfront.distributions.len(),
            state.cloudfront.policies.len(),
            policy.matches("\"PackagecloudCloudFront").count(),
        ]
    })
}

/// One of each, and the two statements.
pub const WHOLE_SET_UP: [usize; 9] = [1, 1, 1, 1, 1, 1, 1, 2, 2];

/// At no instant may CloudFront read the bucket without the authenticator on every behavior, as the edges have it.
pub fn find_open_access(world: &Sandbox) -> Option<String> {
    let (granted, domains) = world.read_sandbox_state_from_disk(|state| {
        let policy = state.s3.buckets[seed::SANDBOX_BUCKET].policy.clone().unwrap_or_default();
        let domains: Vec<String> =
            state.cloudfront.distributions.values().map(|one| one.domain.clone()).collect();
        (policy.contains("PackagecloudCloudFrontRead"), domains)
    });
    if !granted {
        return None;
    }
    let mut served = 0;
    for domain in domains {
        let Some(edge) =
            sandbox::control_plane::cloudfront::find_sandbox_distribution_by_host(world, &domain)
        else {
            continue;
        };
        served += 1;
        for behavior in &edge.behaviors {
            if behavior.viewer_request.is_none() {
                return Some(format!("{domain}: {:?} has no authenticator", behavior.path_pattern));
            }
        }
    }
    (served == 0).then(|| "the grant stands before any distribution is deployed".to_owned())
}
