//! Every answer of a served sandbox, asked for by boto3, held against AWS's own service models; and botocore's waiters end as on AWS.
//! Each operation that is said to be played is asked for, and each comes to a success.

use std::{collections::BTreeSet, path::Path};

use packagecloud_cloudfront::{
    model::aws::played::PLAYED_AWS_OPERATIONS,
    sandbox::{self, SandboxOptions, control_plane::logs::SandboxLogEvent},
};
use serde_json::Value;

use super::{python::run_judging_script, sandbox::SandboxProcess};

const EDGE_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/edge");
/// How many answers the script hears at least.
const ANSWERS_MIN: usize = 340;
/// How many of botocore's waiters it waits with at least.
const WAITERS_MIN: usize = 12;

/// Puts what no operation that is played puts: Block Public Access on the whole account, which blocks nothing, and a line of a
/// function's log.
fn put_account_settings(dir: &Path) {
    let options = SandboxOptions { dir: dir.to_owned(), ..SandboxOptions::default() };
    let settings: String =
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
            .iter()
            .map(|name| format!("<{name}>false</{name}>"))
            .collect();
    sandbox::open_or_seed_sandbox(&options).unwrap().update_sandbox_state_on_disk(|state| {
        state.s3control.public_access_block =
            Some(format!("<PublicAccessBlockConfiguration>{settings}</PublicAccessBlockConfiguration>"));
        let line =
            SandboxLogEvent { at: 1_700_000_000_000, message: "an earlier secret accepted a link".into() };
        state.logs.groups.insert("/aws/lambda/us-east-1.judged".to_owned(), vec![line]);
    });
}

#[test]
fn every_answer_is_as_awss_own_models_have_it() {
    let dir = tempfile::tempdir().unwrap();
    put_account_settings(dir.path());
    let served = SandboxProcess::serve_directory(dir.path());
    let verdict = run_judging_script("answers.py", &[&served.url, EDGE_PATH]);
    let wrong: Vec<String> = verdict
        .lines
        .iter()
        .filter(|line| line["wrong"] != Value::Array(vec![]))
        .map(Value::to_string)
        .collect();
    assert!(verdict.right && wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(verdict.lines.len() >= ANSWERS_MIN, "{}", verdict.lines.len());
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().replace('-', "");
    // A waiter's line has no status, a refusal's one from 300 on.
    let (waited, answered): (BTreeSet<_>, BTreeSet<_>) = verdict
        .lines
        .iter()
        .filter(|line| line["status"].as_u64().unwrap() < 300)
        // CloudWatch signs by another name than its model has.
        .map(|line| (text(line, "service").replace("cloudwatch", "monitoring"), text(line, "operation")))
        .partition(|(_, operation)| operation.starts_with("waiter "));
    assert!(waited.len() >= WAITERS_MIN, "{waited:?}");
    let played: BTreeSet<(String, String)> = PLAYED_AWS_OPERATIONS
        .iter()
        .flat_map(|(service, operations)| {
            operations.iter().map(|one| ((*service).to_owned(), (*one).to_owned()))
        })
        .collect();
    let unasked: Vec<_> = played.difference(&answered).collect();
    assert!(unasked.is_empty(), "played, and not asked for here with success: {unasked:?}");
}
