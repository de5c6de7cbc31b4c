//! The Markdown that is handed over, judged by markdown-it: headings, tables and fences stand whole, whatever names hold.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::aws::python::EMULATORS_PATH;

const SCRIPT_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent/markdown.py");
/// A directory as nobody names one: what would be a cell, code, a link, a tag, emphasis or a heading.
const HOSTILE_NAME: &str = "# a|b`c`` [x](y) <b> _i_ *j*";

fn run_program(sandbox: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"))
        .env_clear()
        .env("HOME", sandbox)
        .env("PATH", "/usr/bin:/bin")
        .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0")
        .arg(format!("--sandbox={}", sandbox.display()))
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What stands in a text by the parser.
#[track_caller]
fn parse_markdown(dir: &Path, text: &str) -> Value {
    let file = dir.join("text.md");
    fs::write(&file, text).unwrap();
    let python = format!("{EMULATORS_PATH}/python");
    let output = Command::new(python).arg(SCRIPT_PATH).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Nothing is HTML, each table is narrow and whole, each JSON document is one; and these headings stand.
#[track_caller]
fn assert_well_formed(parsed: &Value, text: &str, headings: &[&str]) {
    assert_eq!(parsed["html"], 0, "{text}");
    let found: Vec<&str> =
        parsed["headings"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap()).collect();
    for heading in headings {
        assert!(found.contains(heading), "no {heading} in {found:?}");
    }
    for table in parsed["tables"].as_array().unwrap() {
        let rows = table.as_array().unwrap();
        let columns = rows[0].as_array().unwrap().len();
        assert!(columns <= 4 && rows.len() > 1, "{table}");
        for row in rows {
            assert_eq!(row.as_array().unwrap().len(), columns, "{row}");
        }
    }
    for fence in parsed["fences"].as_array().unwrap() {
        if fence["info"] == "json" {
            let document: Result<Value, _> = serde_json::from_str(fence["text"].as_str().unwrap());
            assert!(document.is_ok(), "{fence}");
        }
    }
    for link in parsed["links"].as_array().unwrap() {
        assert!(link.as_str().unwrap().starts_with("https://"), "{link}");
    }
}

fn table_cells(parsed: &Value) -> Vec<String> {
    let tables = parsed["tables"].as_array().unwrap().iter();
    let rows = tables.flat_map(|table| table.as_array().unwrap());
    rows.flat_map(|row| row.as_array().unwrap()).map(|cell| cell.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_handed_over_is_markdown_whatever_a_name_holds() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox: PathBuf = dir.path().join(HOSTILE_NAME);
    fs::create_dir(&sandbox).unwrap();
    assert!(run_program(&sandbox, &["generate-cloudfront-secret", "--yes"]).status.success());
    let values = run_program(&sandbox, &["configuration", "--format", "json", "--show-secret"]);
    let values: Value = serde_json::from_slice(&values.stdout).unwrap();
    let secret = values["cloudfront_secret"].as_str().unwrap().to_owned();
    let config = sandbox.join("packagecloud.rb").display().to_string();

    let plan = ["plan", "--goal", "upgrade", "--format", "change-request", "--output", "json"];
    let output = run_program(&sandbox, &plan);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let parsed = parse_markdown(dir.path(), &text);
    assert_well_formed(
        &parsed,
        &text,
        &[
            "Change request: CloudFront for packagecloud",
            "Objective",
            "Steps",
            "Time",
            "Cost",
            "What customers notice",
            "Roll-back",
            "Commands",
            "Documents",
        ],
    );
    assert!(table_cells(&parsed).contains(&config), "{:#?}", table_cells(&parsed));
    let fences = parsed["fences"].as_array().unwrap();
    let has = |words: &str| fences.iter().any(|fence| fence["text"].as_str().unwrap().contains(words));
    assert!(has("edgelambda.amazonaws.com") && has("PackagecloudCloudFrontRead") && has("disable"));

    let set_up = run_program(&sandbox, &["enable", "--upgrade", "--yes"]);
    let said = String::from_utf8_lossy(&set_up.stderr).into_owned();
    assert!(set_up.status.success(), "{said}");
    let file = sandbox.join("state/report.md");
    assert!(said.contains(&format!("; hand-over: {}", file.display())), "{said}");
    let output = run_program(&sandbox, &["report", "--output", "json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = String::from_utf8(output.stdout).unwrap();
    for text in [&report, &fs::read_to_string(&file).unwrap()] {
        assert_report_whole(&parse_markdown(dir.path(), text), text, &config);
    }
    for text in [&text, &report, &said] {
        assert!(!text.contains(&secret), "{text}");
    }
}

/// The report has all of its parts.
#[track_caller]
fn assert_report_whole(parsed: &Value, text: &str, config: &str) {
    assert_well_formed(
        parsed,
        text,
        &[
            "What stands, since when, and by whom",
            "What was changed last in AWS",
            "What it costs",
            "For clients behind a firewall",
            "How it is looked after",
        ],
    );
    let cells = table_cells(parsed);
    assert!(cells.iter().any(|cell| cell == config), "{cells:#?}");
    assert!(cells.iter().any(|cell| cell == "s3:PutBucketPolicy"), "{cells:#?}");
    assert!(text.contains("made 20") && !text.contains("before this host's log begins"), "{text}");
    assert!(text.contains("Packages will be downloaded from https://"), "{text}");
    for command in ["verify", "disable", "roll-back", "rotate-secret"] {
        let fences = parsed["fences"].as_array().unwrap();
        let shown = |fence: &Value| fence["text"].as_str().unwrap().contains(&format!(" {command}"));
        assert!(fences.iter().any(shown), "no {command} in {text}");
    }
    assert!(parsed["links"].as_array().unwrap().len() >= 8, "{text}");
}
