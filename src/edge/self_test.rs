//! A bundle, tried before it is published: every vector through its check, and through its handler as CloudFront would call it.
//!
//! It asks nobody: KMS is played, and whatever stands in `keys.json` decrypts to the vectors' own secret.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    bundle::{self, EncryptedKeysFile, KEYS_FILE},
    runtime::{EdgeFunctionInstance, EdgeKmsResponder},
};
use crate::model::secret::Secret;

/// The vectors to which the function, and `model::token`, are held.
pub const SIGNED_URL_VECTORS: &str = include_str!("../../assets/signed-url-vectors.json");
/// The secret of the vectors that have but one key.
const VECTORS_SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// What bundles of the same code have come to, by what [`compute_code_digest`] gives.
type RememberedSelfTests = BTreeMap<String, (usize, usize)>;

thread_local! {
    static REMEMBERED: RefCell<Option<RememberedSelfTests>> = const { RefCell::new(None) };
}

/// Has this thread try each code once, whichever secrets are sealed beside it: for tests that publish by the thousand.
pub fn remember_self_tests_on_this_thread() {
    REMEMBERED.set(Some(RememberedSelfTests::new()));
}

/// Returns the digest of what a self-test depends on: the code, the vectors, the construction, the number of secrets.
fn compute_code_digest(files: &BTreeMap<String, String>, keys: &EncryptedKeysFile, vectors: &str) -> String {
    let code = files.iter().flat_map(|(name, text)| [name.as_str(), text.as_str()]);
    let beside = [vectors.to_owned(), json!(keys.construction).to_string(), keys.keys.len().to_string()];
    let mut digest = Sha256::new();
    for part in code.chain(beside.iter().map(String::as_str)) {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}

/// Returns how many cases a bundle answered rightly, of how many.
///
/// # Errors
/// Where it doesn't load or throws, or the vectors aren't ours.
pub async fn run_bundle_self_test(zip: &[u8], vectors: &str) -> Result<(usize, usize), String> {
    let mut files = bundle::unzip_text_files(zip)?;
    let keys = files.remove(KEYS_FILE).ok_or("it has no keys.json")?;
    let keys: EncryptedKeysFile =
        serde_json::from_str(&keys).map_err(|error| format!("{KEYS_FILE}: {error}"))?;
    if REMEMBERED.with_borrow(Option::is_none) {
        return try_every_case(zip, &keys, vectors).await;
    }
    let digest = compute_code_digest(&files, &keys, vectors);
    let known = REMEMBERED.with_borrow(|all| all.as_ref().and_then(|all| all.get(&digest).copied()));
    if let Some(known) = known {
        return Ok(known);
    }
    let outcome = try_every_case(zip, &keys, vectors).await?;
    REMEMBERED.with_borrow_mut(|all| all.as_mut().map(|all| all.insert(digest, outcome)));
    Ok(outcome)
}

async fn try_every_case(
    zip: &[u8],
    keys: &EncryptedKeysFile,
    vectors: &str,
) -> Result<(usize, usize), String> {
    let vectors: Value = serde_json::from_str(vectors).map_err(|error| format!("the vectors: {error}"))?;
    let cases = vectors["cases"].as_array().ok_or("the vectors have no cases")?;
    let function = EdgeFunctionInstance::start_edge_function_instance(
        zip,
        BTreeMap::new(),
        Duration::ZERO,
        new_simulated_kms_responder(),
    )?;

    let verdicts = function.run_token_check_cases(cases).await?;
    let checked = cases.iter().zip(&verdicts).filter(|(case, verdict)| case["expect"] == **verdict).count();

    // The handler has one construction, and the keys that KMS gave it.
    let key = keys
        .construction
        .key
        .derive_hmac_key(&Secret::new(VECTORS_SECRET))
        .map_err(|failure| failure.to_string())?;
    let (construction, key) = (json!(keys.construction), json!([hex::encode(key)]));
    let own: Vec<&Value> =
        cases.iter().filter(|case| case["construction"] == construction && case["keys"] == key).collect();
    let events = own.iter().map(|case| {
        (build_viewer_request_from_case(case), Duration::from_secs(case["now"].as_u64().unwrap_or(0)))
    });
    let results = function.invoke_function_handler_many(events.collect()).await?;
    let handled =
        own.iter().zip(&results).filter(|(case, result)| is_expected_self_test_result(case, result)).count();
    Ok((checked + handled, cases.len() + own.len()))
}

/// A KMS that gives the vectors' secret to whoever asks.
fn new_simulated_kms_responder() -> EdgeKmsResponder {
    Arc::new(|_| {
        let plain = json!({ "Plaintext": STANDARD.encode(VECTORS_SECRET) }).to_string();
        Box::pin(async move { Ok(Response::new(plain.into())) })
    })
}

/// A case as CloudFront's event.
fn build_viewer_request_from_case(case: &Value) -> Value {
    let request = &case["request"];
    json!({ "Records": [{ "cf": {
        "config": { "distributionDomainName": request["host"], "eventType": "viewer-request" },
        "request": {
            "clientIp": "203.0.113.178",
            "headers": { "host": [{ "key": "Host", "value": request["host"] }] },
            "method": request["method"],
            "querystring": request["querystring"],
            "uri": request["uri"],
        },
    } }] })
}

/// Whether the handler did what the case expects: sent the request on, its token taken off, or refused it with the reason.
fn is_expected_self_test_result(case: &Value, result: &Value) -> bool {
    let expect = &case["expect"];
    if expect["ok"] == true {
        let mut request = build_viewer_request_from_case(case)["Records"][0]["cf"]["request"].clone();
        request["uri"] = expect["uri"].clone();
        request["querystring"] = json!("");
        return *result == request;
    }
    let status = if expect["reason"] == "bad-method" { "405" } else { "403" };
    let header = |name: &str| &result["headers"][name][0]["value"];
    result["status"] == status
        && header("x-packagecloud-cloudfront") == &expect["reason"]
        && header("cache-control") == "no-store"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{edge::bundle::EdgeBundle, model::url::token::UrlTokenConstruction};

    fn sample_bundle(construction: UrlTokenConstruction) -> EdgeBundle {
        let context = BTreeMap::from([("packagecloud:enterprise".to_owned(), "packages".to_owned())]);
        EdgeBundle { construction, key_arn: "arn:aws:kms:us-east-1:111122223333:key/0a1b".into(), context }
    }

    /// The bundle with a text in one of its files replaced.
    fn zip_with_replaced_text(file: &str, from: &str, to: &str) -> Vec<u8> {
        use std::io::Write as _;
        use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};
        let mut files = bundle::unzip_text_files(
            &sample_bundle(UrlTokenConstruction::default()).build_edge_function_zip(&[vec![1]], &[]),
        )
        .unwrap();
        let text = files.get_mut(file).unwrap();
        assert!(text.contains(from), "{from} is not in {file}");
        *text = text.replace(from, to);
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in files {
            zip.start_file(name, stored).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn every_bundle_of_ours_passes_whole() {
        for construction in UrlTokenConstruction::list_url_token_constructions() {
            let (passed, total) = run_bundle_self_test(
                &sample_bundle(construction).build_edge_function_zip(&[vec![1], vec![2]], &[]),
                SIGNED_URL_VECTORS,
            )
            .await
            .unwrap();
            assert_eq!(passed, total, "{construction}");
            // Beside the check, its handler was asked: with most of the cases where it is the default one.
            let least = if construction == UrlTokenConstruction::default() { 1000 } else { 640 };
            assert!(total > least, "{construction}: {total}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_bundle_does_not() {
        for (file, from, to) in [
            ("token.mjs", "timingSafeEqual(right, given)", "true"),
            ("token.mjs", "nowSeconds <= Number(expires)", "true"),
            ("token.mjs", "MIN_KEY_BYTES = 16", "MIN_KEY_BYTES = 15"),
            ("token.mjs", "return refused('bad-path');\n      canonical", "{}\n      canonical"),
            (
                "token.mjs",
                "'path+expires': (path, expires) => path + expires",
                "'path+expires': (path) => path",
            ),
            // Its check is right, and what is around it isn't.
            ("index.mjs", "if (!verdict.ok) return answer(verdict.reason);", ""),
            ("index.mjs", "uri: verdict.uri, querystring: ''", "uri: verdict.uri"),
            ("index.mjs", "['403', 'Forbidden']", "[403, 'Forbidden']"),
            ("index.mjs", "'no-store'", "'max-age=60'"),
            ("secrets.mjs", "base64ToBytes(asciiOf(secret))", "secret"),
        ] {
            let (passed, total) =
                run_bundle_self_test(&zip_with_replaced_text(file, from, to), SIGNED_URL_VECTORS)
                    .await
                    .unwrap();
            assert!(passed < total, "{file}: {from} → {to}: {passed} of {total}");
        }
        let unloadable = zip_with_replaced_text("index.mjs", "export const handler", "const handler");
        assert!(
            run_bundle_self_test(&unloadable, SIGNED_URL_VECTORS)
                .await
                .unwrap_err()
                .contains("HandlerNotFound")
        );
        let throws = zip_with_replaced_text(
            "token.mjs",
            "  if (method !== 'GET'",
            "  nothing.here();\n  if (method !== 'GET'",
        );
        assert!(run_bundle_self_test(&throws, SIGNED_URL_VECTORS).await.is_err());
        assert!(
            run_bundle_self_test(
                &sample_bundle(UrlTokenConstruction::default()).build_edge_function_zip(&[], &[]),
                SIGNED_URL_VECTORS
            )
            .await
            .is_ok_and(|(passed, total)| passed < total),
            "it holds no secret"
        );
    }
}
