//! Every path and every query of a few hostile bytes: Rust, the embedded engine and Node judge each of them alike.
//!
//! `EDGE_EVERY_LENGTH` says up to how many bytes: 3, or 6 where `tests/edge/exhaustive` runs it.

use std::collections::BTreeMap;

use packagecloud_cloudfront::model::url::token::{TokenMacAlgorithm, UrlTokenConstruction, sign_url_token};
use serde_json::{Value, json};

use crate::edge::{NodeJudge, judge_in_rust, read_number_variable, start_token_checker};

/// What a path is read by: separators, dots, escapes whole and cut short, what a browser, S3 and a shell read in another way.
const PATH_BYTES: [char; 12] = ['/', '.', '%', '2', '5', 'e', 'F', '+', '\\', ';', '\0', 'a'];
/// What a query is read by.
const QUERY_BYTES: [char; 12] = ['t', '=', '&', '%', '_', '0', 'f', 'G', '+', '?', '\n', ' '];
const KEY: [u8; 16] = [7; 16];
const NOW: u64 = 1_618_409_461;
const EXPIRES: u64 = NOW + 300;
const HOST: &str = "d1.cloudfront.net";
const OBJECT: &str = "7/8/debian/package_files/97310.deb";
/// Cases that are judged by one call.
const BATCH_SIZE: usize = 2000;

/// Counts through all texts of `length` letters.
fn list_texts_of_length(letters: &[char], length: u32) -> impl Iterator<Item = String> {
    let base = letters.len();
    (0..base.pow(length))
        .map(move |nth| (0..length).map(|place| letters[nth / base.pow(place) % base]).collect::<String>())
}

fn build_case(uri: &str, querystring: &str) -> Value {
    json!({
        "request": { "uri": uri, "querystring": querystring, "method": "GET", "host": HOST },
        "keys": [hex::encode(KEY)], "now": NOW, "construction": UrlTokenConstruction::default(),
    })
}

fn sign_object(object: &str) -> String {
    sign_url_token(&KEY, object, EXPIRES, TokenMacAlgorithm::Sha1, UrlTokenConstruction::default(), HOST)
}

/// Makes the cases of one length: a path with the token of what its escapes mean, and a right token's query with letters
/// before it, behind it, and alone.
fn list_cases_of_length(length: u32) -> impl Iterator<Item = Value> {
    let token = sign_object(OBJECT);
    let paths = list_texts_of_length(&PATH_BYTES, length).map(|text| {
        let meant = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
        build_case(&format!("/{text}"), &format!("t={}", sign_object(&meant)))
    });
    let queries = list_texts_of_length(&QUERY_BYTES, length).flat_map(move |text| {
        let uri = format!("/{OBJECT}");
        [format!("{text}t={token}"), format!("t={token}{text}"), text].map(|query| build_case(&uri, &query))
    });
    paths.chain(queries)
}

#[tokio::test]
async fn every_short_path_and_query_is_judged_alike() {
    let longest = read_number_variable("EDGE_EVERY_LENGTH", 3) as u32;
    let function = start_token_checker();
    let mut node = NodeJudge::start_node();
    let (mut count, mut verdicts) = (0_usize, BTreeMap::<String, usize>::new());
    for length in 0..=longest {
        let mut cases = list_cases_of_length(length);
        loop {
            let batch: Vec<Value> = cases.by_ref().take(BATCH_SIZE).collect();
            if batch.is_empty() {
                break;
            }
            let embedded = function.run_token_check_cases(&batch).await.unwrap();
            let nodes = node.as_mut().map(|node| node.judge_cases(&batch));
            for (index, case) in batch.iter().enumerate() {
                let rust = judge_in_rust(case);
                assert_eq!(embedded[index], rust, "the engine and Rust: {case}");
                if let Some(nodes) = &nodes {
                    assert_eq!(nodes[index], rust, "Node and Rust: {case}");
                }
                *verdicts.entry(rust["reason"].as_str().unwrap_or("accepted").to_owned()).or_default() += 1;
            }
            count += batch.len();
        }
    }
    println!("{count} requests of up to {longest} hostile bytes, judged alike: {verdicts:?}");
    for verdict in ["accepted", "bad-path", "malformed-token", "missing-token"] {
        assert!(verdicts.contains_key(verdict), "{verdict}: {verdicts:?}");
    }
}
