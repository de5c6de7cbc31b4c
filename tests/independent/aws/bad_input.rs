//! What AWS refuses, sent by boto3 to a served sandbox: a member that is missing, of another type or out of its bounds, and a body that isn't read.

use packagecloud_cloudfront::model::aws::played::PLAYED_AWS_OPERATIONS;

use super::{python::run_judging_script, sandbox::SandboxProcess};

/// How many such requests the script makes of the models at least.
const REQUESTS_MIN: u64 = 350;

#[test]
fn what_aws_refuses_is_refused_by_its_codes() {
    let dir = tempfile::tempdir().unwrap();
    let served = SandboxProcess::serve_directory(dir.path());
    let operations: Vec<String> = PLAYED_AWS_OPERATIONS
        .iter()
        .flat_map(|(service, names)| names.iter().map(move |name| format!("{service} {name}")))
        .collect();
    let verdict = run_judging_script("bad_input.py", &[&served.url, &operations.join("\n")]);
    let wrong: Vec<String> =
        verdict.lines.iter().filter(|line| line["wrong"].is_string()).map(ToString::to_string).collect();
    assert!(verdict.right && wrong.is_empty(), "{}", wrong.join("\n"));
    let sent = verdict.lines.last().and_then(|line| line["sent"].as_u64());
    assert!(sent.is_some_and(|sent| sent >= REQUESTS_MIN), "{sent:?}");
}
