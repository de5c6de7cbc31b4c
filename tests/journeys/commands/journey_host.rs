//! One host with a sandbox: runs the binary on it, and looks at what it left behind.
//!
//! Nothing of the machine's own environment reaches the binary.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use packagecloud_cloudfront::sandbox::{self, Sandbox, SandboxOptions};
use serde_json::Value;

pub struct JourneyHost {
    dir: tempfile::TempDir,
}

/// What one run of the binary said, and how it ended.
#[derive(Debug)]
pub struct JourneyRun {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl JourneyHost {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Below it lie the sandbox and what a test brings along.
    pub fn root_path(&self) -> &Path {
        self.dir.path()
    }

    pub fn sandbox_path(&self) -> PathBuf {
        self.root_path().join("sandbox")
    }

    pub fn config_path(&self) -> PathBuf {
        self.sandbox_path().join("packagecloud.rb")
    }

    pub fn config_text(&self) -> String {
        std::fs::read_to_string(self.config_path()).unwrap()
    }

    pub fn write_config(&self, text: &str) {
        std::fs::create_dir_all(self.sandbox_path()).unwrap();
        std::fs::write(self.config_path(), text).unwrap();
    }

    /// The backups of packagecloud.rb, by name.
    /// The backups of packagecloud.rb, the oldest first: of one second's, `-2` and on are the newer.
    pub fn backup_names(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.sandbox_path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut backups: Vec<String> = names.filter(|name| name.ends_with(".bak")).collect();
        backups.sort_by_key(|name| {
            let stamp = name.strip_suffix(".bak").unwrap();
            let (second, nth) = stamp.rsplit_once("Z-").unwrap_or((stamp.trim_end_matches('Z'), "1"));
            (second.to_owned(), nth.parse::<u32>().unwrap())
        });
        backups
    }

    pub fn build_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command
            .env_clear()
            .env("HOME", self.root_path())
            .env("PATH", "/usr/bin:/bin")
            .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command line, words parted by spaces, on the sandbox.
    pub fn run_line(&self, line: &str) -> JourneyRun {
        let words: Vec<&str> = line.split(' ').collect();
        self.run_words(&words)
    }

    pub fn run_words(&self, words: &[&str]) -> JourneyRun {
        let mut command = self.build_command();
        command.arg(format!("--sandbox={}", self.sandbox_path().display())).args(words);
        run_to_end(&mut command)
    }

    /// Runs it, and wants exit code 0.
    pub fn run_successfully(&self, line: &str) -> JourneyRun {
        let ran = self.run_line(line);
        assert_eq!(ran.code, 0, "{line}: {ran:#?}");
        ran
    }

    /// Runs a line of shell that the binary printed.
    pub fn run_shell_line(&self, line: &str) -> JourneyRun {
        let ours = self.build_command();
        let mut command = Command::new("sh");
        command.env_clear().args(["-c", line]).stdin(Stdio::null());
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run_to_end(&mut command)
    }

    /// The sandbox's world, opened beside the binary.
    pub fn open_sandbox(&self) -> Sandbox {
        sandbox::open_or_seed_sandbox(&SandboxOptions {
            dir: self.sandbox_path(),
            ..SandboxOptions::default()
        })
        .unwrap()
    }

    /// The four values as the binary says them, the secret shown.
    pub fn read_values(&self) -> Value {
        serde_json::from_str(&self.run_successfully("configuration --format json --show-secret").out).unwrap()
    }
}

pub fn run_to_end(command: &mut Command) -> JourneyRun {
    let output = command.output().unwrap();
    JourneyRun {
        code: output.status.code().expect("it ended by itself"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl JourneyRun {
    /// Each line of stdout, which must be a JSON object.
    pub fn json_lines(&self) -> Vec<Value> {
        let line = |text: &str| {
            let value: Value =
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}\n{self:#?}"));
            assert!(value.is_object(), "{text}");
            value
        };
        self.out.lines().map(line).collect()
    }

    #[track_caller]
    pub fn assert_contains(&self, text: &str) -> &Self {
        assert!(self.err.contains(text) || self.out.contains(text), "no {text:?} in {self:#?}");
        self
    }
}
