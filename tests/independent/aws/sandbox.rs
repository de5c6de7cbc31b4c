//! Our sandbox as a server, for holding it against what isn't ours.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

pub struct SandboxProcess {
    child: Child,
    pub url: String,
}

impl Drop for SandboxProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl SandboxProcess {
    /// Serves the sandbox in `dir`, whose states take no time.
    pub fn serve_directory(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"))
            .env_clear()
            .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0")
            .args(["--output", "json", "sandbox", "serve"])
            .arg(dir)
            .args(["--aws-port", "0", "--front-port", "0", "--edge-port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let serving: Value = serde_json::from_str(&lines.nth(1).unwrap().unwrap()).unwrap();
        Self { child, url: serving["aws"].as_str().unwrap().to_owned() }
    }
}
