//! ministack as a server of its own on loopback, ended with the test.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Where tests/run has installed it.
const MINISTACK_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/emulators/bin/ministack");

pub struct MinistackServer {
    child: Child,
    _dir: tempfile::TempDir,
    pub url: String,
}

impl MinistackServer {
    pub fn start_ministack() -> Self {
        assert!(Path::new(MINISTACK_PATH).exists(), "{MINISTACK_PATH} is missing: tests/run installs it");
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(MINISTACK_PATH)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir.path())
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            // It would listen on a port of its own for them.
            .env("IOT_MTLS_ENABLED", "0")
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, _dir: dir, url: format!("http://127.0.0.1:{port}") };
        for _ in 0..1200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            assert!(server.child.try_wait().unwrap().is_none(), "ministack ended by itself");
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("ministack didn't answer within two minutes");
    }
}

impl Drop for MinistackServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
