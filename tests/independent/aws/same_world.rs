//! The sandbox and ministack, led through the same goals, hold the same world: compared as documents.

use std::collections::BTreeMap;

use packagecloud_cloudfront::sandbox::{
    control_plane::iam::{ACCESS_KEY, SECRET_KEY},
    seed::SANDBOX_BUCKET,
};
use serde_json::Value;

use super::{account::TestAccount, faults, sandbox::SandboxProcess, server::MinistackServer, world};

/// The same objects in both buckets.
async fn copy_objects(from: &TestAccount, to: &TestAccount) {
    to.s3_client().create_bucket().bucket(SANDBOX_BUCKET).send().await.unwrap();
    for object in from.s3_client().list_objects_v2().bucket(SANDBOX_BUCKET).send().await.unwrap().contents() {
        let key = object.key().unwrap();
        let found = from.s3_client().get_object().bucket(SANDBOX_BUCKET).key(key).send().await.unwrap();
        let put = to.s3_client().put_object().bucket(SANDBOX_BUCKET).key(key);
        put.set_cache_control(found.cache_control)
            .set_content_type(found.content_type)
            .set_content_encoding(found.content_encoding)
            .set_metadata(found.metadata)
            .body(found.body.collect().await.unwrap().into_bytes().into())
            .send()
            .await
            .unwrap();
    }
}

/// Every leaf with its path.
fn collect_leaves(path: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| collect_leaves(&format!("{path}/{key}"), value, all));
        }
        // The order of a list of texts tells nothing; a field that holds nothing is as good as none.
        Value::Array(list) if list.iter().all(Value::is_string) => {
            let texts = list.iter().filter_map(Value::as_str).filter(|text| !text.ends_with("None"));
            all.extend(texts.map(|text| (format!("{path}/{text}"), String::new())));
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(at, value)| collect_leaves(&format!("{path}/{at}"), value, all));
        }
        leaf => drop(all.insert(path.to_owned(), leaf.to_string())),
    }
}

async fn compare_accounts(goal: &str, sandbox: &TestAccount, ministack: &TestAccount) {
    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    collect_leaves("", &world::dump_account(sandbox).await, &mut ours);
    collect_leaves("", &world::dump_account(ministack).await, &mut theirs);
    assert!(ours.len() > 100, "{ours:#?}");
    let mut paths: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let differing: Vec<String> = paths
        .into_iter()
        .filter(|path| ours.get(*path) != theirs.get(*path))
        .filter(|path| {
            let known = if ours.contains_key(*path) {
                faults::SANDBOX_ONLY_DEFAULTS
            } else {
                faults::MINISTACK_EMPTY_LISTS
            };
            let in_one = ours.contains_key(*path) != theirs.contains_key(*path);
            !(in_one && path.starts_with("/cloudfront/") && known.iter().any(|fault| path.contains(fault)))
        })
        .map(|path| format!("{path}\n  sandbox   {:?}\n  ministack {:?}", ours.get(path), theirs.get(path)))
        .collect();
    assert!(differing.is_empty(), "after {goal}:\n{}", differing.join("\n"));
}

#[tokio::test]
async fn after_every_goal() {
    let dir = tempfile::tempdir().unwrap();
    let (served, server) = (SandboxProcess::serve_directory(dir.path()), MinistackServer::start_ministack());
    let sandbox = TestAccount::with_root_key(&served.url, "999999999999", ACCESS_KEY, SECRET_KEY).await;
    let ministack = TestAccount::with_root_key(&server.url, "999999999999", "999999999999", "any").await;
    copy_objects(&sandbox, &ministack).await;
    for words in [
        &["enable", "--upgrade", "--yes", "--unproven"][..],
        &["disable", "--yes"],
        &["enable", "--yes", "--unproven"],
        &["--construction", "raw:path+expires", "enable", "--prepare", "--yes"],
        &[
            "roll-back",
            "--edge",
            "arn:aws:lambda:us-east-1:999999999999:function:packagecloud_cloudfront_auth:1",
            "--yes",
        ],
    ] {
        sandbox.run_json(words).assert_code(0);
        ministack.run_json(words).assert_code(0);
        compare_accounts(&words.join(" "), &sandbox, &ministack).await;
    }
}
