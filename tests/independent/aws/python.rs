//! Scripts beside these tests, run by the Python that tests/run has installed with AWS's SDK and the foreign servers.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// Where tests/run has installed them.
pub const EMULATORS_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/emulators/bin");
const SCRIPTS_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent/aws");

/// What a script said, a JSON line each, and whether it found all of it right.
pub struct ScriptVerdict {
    pub lines: Vec<Value>,
    pub right: bool,
}

/// Runs a script of this folder to its end.
#[track_caller]
pub fn run_judging_script(name: &str, arguments: &[&str]) -> ScriptVerdict {
    let python = format!("{EMULATORS_PATH}/python");
    assert!(Path::new(&python).exists(), "{python} is missing: tests/run installs it");
    let output = Command::new(python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(format!("{SCRIPTS_PATH}/{name}"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    ScriptVerdict { lines, right: output.status.success() }
}
