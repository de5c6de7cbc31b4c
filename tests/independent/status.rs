//! `status` judged by what isn't ours: its document by jsonschema, its metrics by Prometheus' own parser, its line by the rules of Nagios'
//! plugins. A healthy install, one that is broken, one that can't be seen.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use packagecloud_cloudfront::sandbox::{self, SandboxOptions};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_packagecloud-cloudfront");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/emulators/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent/status.py");
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/status.schema.json");

fn run_on_sandbox(dir: &Path, words: &[&str]) -> Output {
    Command::new(BINARY)
        .env_clear()
        .env("HOME", dir)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .arg(format!("--sandbox={}", dir.join("sandbox").display()))
        .args(["--sandbox-pace", "0.01"])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The line of a plugin: a state, a text, a bar, and data as `label=value[unit];[warn];[crit];[min];[max]`.
#[track_caller]
fn assert_plugin_line(line: &str, state: &str) {
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    let (text, data) = line.trim_end().split_once(" | ").unwrap_or_else(|| panic!("{line}"));
    assert!(text.starts_with(&format!("PACKAGECLOUD CLOUDFRONT {state} - ")), "{line}");
    assert!(!data.contains('|') && !data.is_empty(), "{line}");
    for one in data.split(' ') {
        let (label, values) = one.split_once('=').unwrap_or_else(|| panic!("{one}: {line}"));
        assert!(!label.is_empty() && !label.contains(['\'', '"']), "{one}");
        let mut values = values.split(';');
        let value = values.next().unwrap().trim_end_matches(|unit: char| "sBc%".contains(unit));
        assert!(value.parse::<f64>().is_ok(), "{one}");
        assert!(values.clone().count() <= 4, "{one}");
        assert!(values.all(|limit| limit.is_empty() || limit.parse::<f64>().is_ok()), "{one}");
    }
}

/// Has both files judged; what the metrics hold.
#[track_caller]
fn judge_files(document: &Path, metrics: &Path) -> Value {
    assert!(Path::new(PYTHON).exists(), "{PYTHON} is missing: tests/run installs it");
    let judged = Command::new(PYTHON)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args([Path::new(SCRIPT), Path::new(SCHEMA), document, metrics])
        .output()
        .unwrap();
    assert!(judged.stderr.is_empty(), "{}", String::from_utf8_lossy(&judged.stderr));
    let said: Value = serde_json::from_slice(&judged.stdout).unwrap();
    assert!(judged.status.success(), "{said:#}");
    said
}

/// All formats of one install; `codes` are those of all others and of Nagios.
#[track_caller]
fn judge_every_format(
    dir: &Path,
    state: &str,
    (code, nagios): (i32, i32),
    word: &str,
    more: &[&str],
) -> Value {
    let (document, metrics) = (dir.join("status.json"), dir.join("status.prom"));
    for (format, out) in [("json", &document), ("prometheus", &metrics)] {
        let words = [&["status", "--format", format, "--out", out.to_str().unwrap()], more].concat();
        let output = run_on_sandbox(dir, &words);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(printed(&output), "", "it is in the file");
        assert_eq!(fs::metadata(out).unwrap().permissions().mode() & 0o777, 0o644);
    }
    // A format ignores --output json.
    let line = run_on_sandbox(dir, &[&["--output", "json", "status", "--format", "nagios"], more].concat());
    assert_eq!(line.status.code(), Some(nagios), "{line:?}");
    assert_plugin_line(&printed(&line), word);
    let said = judge_files(&document, &metrics);
    assert_eq!(said["state"], state, "{said:#}");
    let secret = fs::read_to_string(dir.join("sandbox/packagecloud.rb")).unwrap();
    let secret = secret
        .lines()
        .find(|line| line.contains("cloudfront_secret"))
        .and_then(|line| line.split('\'').nth(3));
    for path in [&document, &metrics] {
        let text = fs::read_to_string(path).unwrap();
        assert!(secret.is_none_or(|secret| !text.contains(secret)), "the secret is in {}", path.display());
    }
    said
}

#[test]
fn every_format_is_as_its_own_readers_take_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let enabled = run_on_sandbox(dir, &["enable", "--yes"]);
    assert!(enabled.status.success(), "{enabled:?}");
    let well = judge_every_format(dir, "well", (0, 0), "OK", &[]);
    let value = |said: &Value, name: &str| {
        said["samples"][format!("packagecloud_cloudfront_{name}")][0]["value"].as_f64()
    };
    assert_eq!((value(&well, "up"), value(&well, "enabled")), (Some(1.0), Some(1.0)), "{well:#}");
    let human = run_on_sandbox(dir, &["status"]);
    assert!(printed(&human).starts_with("All is well: CloudFront is on since "), "{human:?}");
    let lines = printed(&run_on_sandbox(dir, &["status", "--output", "json"]));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "version");
    assert!(lines[1..].iter().all(|line| line["type"] == "check"), "{lines:#?}");
    assert_eq!(lines.last().unwrap()["name"], "verdict");

    let options = SandboxOptions { dir: dir.join("sandbox"), ..SandboxOptions::default() };
    sandbox::open_or_seed_sandbox(&options).unwrap().update_sandbox_state_on_disk(|state| {
        state.kms.keys.values_mut().for_each(|key| key.state = "Disabled".to_owned());
    });
    judge_every_format(dir, "attention", (3, 2), "CRITICAL", &[]);
    let human = printed(&run_on_sandbox(dir, &["status"]));
    assert!(human.starts_with("CUSTOMERS REFUSED: kms-key: "), "{human}");

    let faults: Vec<String> = (1..=9)
        .flat_map(|nth| {
            ["sts:N:deny", "packagecloud:N:lost", "edge:N:lost"].map(|one| one.replace('N', &nth.to_string()))
        })
        .map(|fault| format!("--sandbox-fault={fault}"))
        .collect();
    let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
    let unseen = judge_every_format(dir, "unseen", (1, 3), "UNKNOWN", &faults);
    assert_eq!(value(&unseen, "up"), Some(0.0), "{unseen:#}");
}
