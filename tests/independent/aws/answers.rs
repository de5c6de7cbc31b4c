//! Every answer of a served sandbox, asked for by boto3, held against AWS's own service models; and botocore's waiters end as on AWS.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{python::run_judging_script, sandbox::SandboxProcess};

const EDGE_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/edge");
/// How many answers the script hears at least.
const ANSWERS_MIN: usize = 230;

#[test]
fn every_answer_is_as_awss_own_models_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let served = SandboxProcess::serve_directory(dir.path());
    let verdict = run_judging_script("answers.py", &[&served.url, EDGE_PATH]);
    let wrong: Vec<String> = verdict
        .lines
        .iter()
        .filter(|line| line["wrong"] != Value::Array(vec![]))
        .map(Value::to_string)
        .collect();
    assert!(verdict.right && wrong.is_empty(), "{}", wrong.join("\n"));
    let asked: BTreeSet<(&str, &str)> = verdict
        .lines
        .iter()
        .map(|line| (line["service"].as_str().unwrap(), line["operation"].as_str().unwrap()))
        .collect();
    assert!(verdict.lines.len() >= ANSWERS_MIN && asked.len() >= 110, "{}: {asked:?}", verdict.lines.len());
}
