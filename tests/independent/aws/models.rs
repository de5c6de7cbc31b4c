//! Every request of whole journeys, recorded from the wire and held against AWS's own service models, those of botocore.

use std::{collections::BTreeSet, fs, path::Path};

use packagecloud_cloudfront::sandbox::{
    self, SandboxOptions, SandboxPropagationDelays,
    control_plane::iam::{ACCESS_KEY, SECRET_KEY},
};
use serde_json::Value;

use super::{account::TestAccount, python::run_judging_script, sandbox::SandboxProcess, wire};

/// What the validator says of the recorded requests, a line each; and whether it found all of them right.
fn validate_requests(dir: &Path) -> (Vec<Value>, bool) {
    let verdict = run_judging_script("validate.py", &[dir.to_str().unwrap()]);
    (verdict.lines, verdict.right)
}

/// Runs the commands one after the other on the sandbox in `dir`, recorded into `wire`.
async fn record_journey(dir: &Path, wire: &Path, options: &[&'static str], commands: &[&[&str]]) {
    let served = SandboxProcess::serve_directory(dir);
    let url = wire::start_recording_proxy(&served.url, wire);
    let mut account = TestAccount::with_root_key(&url, "999999999999", ACCESS_KEY, SECRET_KEY).await;
    account.options = options.to_vec();
    fs::copy(dir.join("packagecloud.rb"), account.dir.path().join("packagecloud.rb")).unwrap();
    for command in commands {
        let ran = account.run_json(command);
        assert!([0, 3].contains(&ran.code), "{}", ran.text);
    }
    fs::copy(account.dir.path().join("packagecloud.rb"), dir.join("packagecloud.rb")).unwrap();
}

/// What somebody else made: resources of our names that carry no marker, and aren't quite as they should be.
fn unmark_resources(dir: &Path) {
    let delays = Some(SandboxPropagationDelays::default().scale_delays(0.0));
    let world = sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.to_owned(),
        delays,
        ..SandboxOptions::default()
    })
    .unwrap();
    world.update_sandbox_state_on_disk(|state| {
        state.iam.roles.values_mut().for_each(|role| {
            role.tags.clear();
            role.trust = role.trust.replace("edgelambda", "ec2");
        });
        state.kms.keys.values_mut().for_each(|key| {
            key.tags.clear();
            // Anybody of the account may decrypt.
            key.policy = key.policy.replace("kms:Encrypt", "kms:Decrypt");
        });
        state.lambda.functions.values_mut().for_each(|function| {
            function.tags.clear();
            function.latest.memory = 256;
        });
        state.cloudfront.distributions.values_mut().for_each(|distribution| distribution.tags.clear());
    });
}

#[tokio::test]
async fn every_request_is_as_awss_own_models_have_it() {
    let wire = tempfile::tempdir().unwrap();
    let whole = tempfile::tempdir().unwrap();
    let version = "arn:aws:lambda:us-east-1:999999999999:function:packagecloud_cloudfront_auth:1";
    record_journey(
        whole.path(),
        wire.path(),
        &[],
        &[
            &["check", "--all"],
            &["plan", "--goal", "upgrade"],
            &["enable", "--upgrade", "--yes", "--unproven"],
            &["verify", "--all"],
            &["disable", "--yes"],
            &["enable", "--yes", "--unproven"],
            &["--construction", "raw:path+expires", "enable", "--yes", "--prepare"],
            &["roll-back", "--edge", version, "--yes"],
            &["reindex-everything", "--rescan", "--yes"],
            // While it is on, a function is adopted only where a live link proves it.
            &["disable", "--yes"],
        ],
    )
    .await;
    let recorded = fs::read_dir(wire.path()).unwrap().count();
    unmark_resources(whole.path());
    let further = tempfile::tempdir().unwrap();
    record_journey(
        whole.path(),
        further.path(),
        &["--adopt", "--construction", "decoded:expires+path"],
        &[&["enable", "--yes", "--prepare"]],
    )
    .await;
    let control = tempfile::tempdir().unwrap();
    let by_control = tempfile::tempdir().unwrap();
    let enable: &[&[&str]] = &[&["enable", "--upgrade", "--yes", "--unproven"]];
    let options =
        ["--origin-access", "oac", "--permissions-boundary", "arn:aws:iam::999999999999:policy/edge"];
    record_journey(control.path(), by_control.path(), &options, enable).await;
    assert!(recorded > 0);

    let mut operations: BTreeSet<String> = BTreeSet::new();
    for dir in [wire.path(), further.path(), by_control.path()] {
        let (lines, right) = validate_requests(dir);
        let wrong: Vec<String> =
            lines.iter().filter(|line| line["wrong"] != Value::Array(vec![])).map(Value::to_string).collect();
        assert!(right && wrong.is_empty(), "{}", wrong.join("\n"));
        operations.extend(lines.iter().map(|line| {
            format!("{}:{}", line["service"].as_str().unwrap(), line["operation"].as_str().unwrap())
        }));
    }
    for operation in [
        "sts:GetCallerIdentity",
        "iam:CreateRole",
        "iam:CreateServiceLinkedRole",
        "iam:PutRolePolicy",
        "iam:SimulatePrincipalPolicy",
        "iam:TagRole",
        "iam:UpdateAssumeRolePolicy",
        "kms:CreateKey",
        "kms:CreateAlias",
        "kms:Encrypt",
        "kms:PutKeyPolicy",
        "kms:TagResource",
        "lambda:CreateFunction",
        "lambda:PublishVersion",
        "lambda:TagResource",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
        "cloudfront:CreateCachePolicy",
        "cloudfront:CreateCloudFrontOriginAccessIdentity",
        "cloudfront:CreateDistributionWithTags",
        "cloudfront:CreateOriginAccessControl",
        "cloudfront:TagResource",
        "cloudfront:UpdateDistribution",
        "s3:CopyObject",
        "s3:HeadObject",
        "s3:ListObjectsV2",
        "s3:PutBucketPolicy",
    ] {
        assert!(operations.contains(operation), "{operation} was not made: {operations:?}");
    }

    // It finds what is wrong: a member by another name, of which nothing else in the request tells.
    let broken = tempfile::tempdir().unwrap();
    for kept in fs::read_dir(by_control.path()).unwrap() {
        let kept = kept.unwrap();
        let bytes = fs::read(kept.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes).replace("RoleName=", "RoleNome=");
        if text.contains("RoleNome=") {
            fs::write(broken.path().join(kept.file_name()), text).unwrap();
        }
    }
    let (lines, right) = validate_requests(broken.path());
    assert!(!right && lines.iter().any(|line| line["wrong"].to_string().contains("RoleNome")), "{lines:?}");
}
