//! One host with a sandbox: runs the binary on it, and looks at what it left behind.
//!
//! Nothing of the machine's own environment reaches the binary.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use packagecloud_cloudfront::sandbox::{self, Options, World};
use serde_json::Value;

pub struct House {
    dir: tempfile::TempDir,
}

/// What one run of the binary said, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl House {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Below it lie the sandbox and what a test brings along.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn sandbox(&self) -> PathBuf {
        self.root().join("sandbox")
    }

    pub fn config(&self) -> PathBuf {
        self.sandbox().join("packagecloud.rb")
    }

    pub fn config_text(&self) -> String {
        std::fs::read_to_string(self.config()).unwrap()
    }

    pub fn set_config(&self, text: &str) {
        std::fs::create_dir_all(self.sandbox()).unwrap();
        std::fs::write(self.config(), text).unwrap();
    }

    /// The backups of packagecloud.rb, by name.
    pub fn backups(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.sandbox()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut backups: Vec<String> = names.filter(|name| name.ends_with(".bak")).collect();
        backups.sort();
        backups
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command
            .env_clear()
            .env("HOME", self.root())
            .env("PATH", "/usr/bin:/bin")
            .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command line, words parted by spaces, on the sandbox.
    pub fn run(&self, line: &str) -> Ran {
        let words: Vec<&str> = line.split(' ').collect();
        self.run_words(&words)
    }

    pub fn run_words(&self, words: &[&str]) -> Ran {
        let mut command = self.command();
        command.arg(format!("--sandbox={}", self.sandbox().display())).args(words);
        ran(&mut command)
    }

    /// Runs it, and wants exit code 0.
    pub fn done(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}: {ran:#?}");
        ran
    }

    /// The sandbox's world, opened beside the binary.
    pub fn world(&self) -> World {
        sandbox::open(&Options { dir: self.sandbox(), ..Options::default() }).unwrap()
    }

    /// The four values as the binary says them, the secret shown.
    pub fn values(&self) -> Value {
        serde_json::from_str(&self.done("configuration --format json --show-secret").out).unwrap()
    }
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().expect("it ended by itself"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// Each line of stdout, which must be a JSON object.
    pub fn lines(&self) -> Vec<Value> {
        let line = |text: &str| {
            let value: Value =
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}\n{self:#?}"));
            assert!(value.is_object(), "{text}");
            value
        };
        self.out.lines().map(line).collect()
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.err.contains(text) || self.out.contains(text), "no {text:?} in {self:#?}");
        self
    }
}
