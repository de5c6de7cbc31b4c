//! The sandbox and ministack, led through the same goals, hold the same world: compared as documents.

use std::collections::BTreeMap;

use packagecloud_cloudfront::sandbox::{
    control_plane::iam::{ACCESS_KEY, SECRET_KEY},
    seed::BUCKET,
};
use serde_json::Value;

use crate::{account::Account, faults, sandbox::Sandbox, server::Server, world};

/// The same objects in both buckets.
async fn same_objects(from: &Account, to: &Account) {
    to.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    for object in from.s3().list_objects_v2().bucket(BUCKET).send().await.unwrap().contents() {
        let key = object.key().unwrap();
        let found = from.s3().get_object().bucket(BUCKET).key(key).send().await.unwrap();
        let put = to.s3().put_object().bucket(BUCKET).key(key);
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
fn leaves(path: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| leaves(&format!("{path}/{key}"), value, all));
        }
        // The order of a list of texts tells nothing; a field that holds nothing is as good as none.
        Value::Array(list) if list.iter().all(Value::is_string) => {
            let texts = list.iter().filter_map(Value::as_str).filter(|text| !text.ends_with("None"));
            all.extend(texts.map(|text| (format!("{path}/{text}"), String::new())));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| leaves(&format!("{path}/{at}"), value, all));
        }
        leaf => drop(all.insert(path.to_owned(), leaf.to_string())),
    }
}

async fn compare(goal: &str, sandbox: &Account, ministack: &Account) {
    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    leaves("", &world::dump(sandbox).await, &mut ours);
    leaves("", &world::dump(ministack).await, &mut theirs);
    assert!(ours.len() > 100, "{ours:#?}");
    let mut paths: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let differing: Vec<String> = paths
        .into_iter()
        .filter(|path| ours.get(*path) != theirs.get(*path))
        .filter(|path| {
            let known = if ours.contains_key(*path) { faults::NOT_FILLED_IN } else { faults::EMPTY_LISTS };
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
    let (served, server) = (Sandbox::serve_in(dir.path()), Server::start());
    let sandbox = Account::at(&served.url, "999999999999", ACCESS_KEY, SECRET_KEY).await;
    let ministack = Account::at(&server.url, "999999999999", "999999999999", "any").await;
    same_objects(&sandbox, &ministack).await;
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
        sandbox.run(words).is(0);
        ministack.run(words).is(0);
        compare(&words.join(" "), &sandbox, &ministack).await;
    }
}
