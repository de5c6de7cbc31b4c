//! ministack, and microburst before it, as servers of their own on loopback, ended with the test.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::python::EMULATORS_PATH;

pub struct MinistackServer {
    child: Child,
    _dir: tempfile::TempDir,
    pub url: String,
}

impl MinistackServer {
    pub fn start_ministack() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = choose_free_port();
        let mut command = build_server_command("ministack", dir.path());
        command
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            // It would listen on a port of its own for them.
            .env("IOT_MTLS_ENABLED", "0");
        let child = start_and_wait(&mut command, port);
        Self { child, _dir: dir, url: format!("http://127.0.0.1:{port}") }
    }
}

/// A port that is free by now.
fn choose_free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn build_server_command(name: &str, dir: &Path) -> Command {
    let path = format!("{EMULATORS_PATH}/{name}");
    assert!(Path::new(&path).exists(), "{path} is missing: tests/run installs it");
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Starts it, and waits until it answers at this port of loopback's.
fn start_and_wait(command: &mut Command, port: u16) -> Child {
    let mut child = command.spawn().unwrap();
    for _ in 0..1200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return child;
        }
        assert!(child.try_wait().unwrap().is_none(), "{command:?} ended by itself");
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{command:?} didn't answer within two minutes");
}

impl Drop for MinistackServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes all on to a server, but for what its rules make of it.
pub struct MicroburstProxy {
    child: Child,
    _dir: tempfile::TempDir,
    pub url: String,
}

impl MicroburstProxy {
    pub fn start_before(upstream: &str, rules: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // JSON is YAML, which it reads.
        let config = dir.path().join("rules.yml");
        std::fs::write(&config, serde_json::json!({ "rules": rules }).to_string()).unwrap();
        let port = choose_free_port();
        let mut command = build_server_command("microburst", dir.path());
        command.args(["--upstream", upstream, "--port", &port.to_string(), "--config"]).arg(config);
        let child = start_and_wait(&mut command, port);
        Self { child, _dir: dir, url: format!("http://127.0.0.1:{port}") }
    }

    /// The failures that it has played: service, operation, action.
    pub fn list_fired_faults(&self) -> Vec<(String, String, String)> {
        let output =
            Command::new("curl").args(["-fsS", &format!("{}/_microburst/fired", self.url)]).output().unwrap();
        let fired: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let all = fired.as_array().or_else(|| fired["fired"].as_array()).unwrap();
        all.iter().map(|one| (text(one, "service"), text(one, "operation"), text(one, "action"))).collect()
    }
}

impl Drop for MicroburstProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
