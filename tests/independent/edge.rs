//! Rust, the embedded engine and Node judge the same requests: random ones, most of them once right and then damaged.
//!
//! `EDGE_AGREEMENT_COUNT` says how many (10,000), `EDGE_AGREEMENT_SEED` which, `NODE` with which binary (`none`: without Node).

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};

use fastrand::Rng;
use packagecloud_cloudfront::{
    edge::{
        bundle::EdgeBundle,
        runtime::{EdgeFunctionInstance, EdgeKmsResponder},
    },
    model::url::token::{
        TokenMacAlgorithm, UrlTokenConstruction, ViewerRequest, check_viewer_request_token,
        encode_canonical_path, sign_url_token,
    },
};
use serde_json::{Value, json};

const BATCH_SIZE: usize = 1000;
/// What paths are made of: plain pieces, and everything that has ever been a trap.
const PATH_PIECES: [&str; 47] = [
    "/",
    "/",
    "/",
    "a",
    "7",
    "8",
    "debian",
    "package_files",
    "97310.deb",
    ".",
    "..",
    "...",
    "//",
    "+",
    "~",
    " ",
    "%",
    "%2",
    "%2B",
    "%2b",
    "%7E",
    "%2e",
    "%2E%2e",
    "%2F",
    "%25",
    "%00",
    "%0A",
    "%7f",
    "%C3%A9",
    "%c3",
    "%A9",
    "%E2%82%AC",
    "%ED%A0%80",
    "%C0%AF",
    "%F0%9F%93%A6",
    "%F4%90%80%80",
    "é",
    "€",
    "📦",
    "\u{7f}",
    "\n",
    "\0",
    "!*'()",
    ":@&=$,;?#",
    "\"<>[]{}|\\^`",
    "-._~",
    "\u{feff}",
];
const QUERY_PIECES: [&str; 24] = [
    "0", "1", "9", "a", "f", "g", "A", "F", "_", "=", "t", "T", "&", "%", "/", ".", "+", " ", "é", "\n",
    "\0", "٣", "t=", "&x=1",
];

fn random_case(rng: &mut Rng) -> Value {
    let constructions = UrlTokenConstruction::list_url_token_constructions();
    let construction = constructions[rng.usize(..constructions.len())];
    let keys: Vec<Vec<u8>> = (0..rng.usize(..4))
        .map(|_| (0..[0, 15, 16, 32, 44, 64, 65][rng.usize(..7)]).map(|_| rng.u8(..)).collect())
        .collect();
    let object: String = (0..rng.usize(..8)).map(|_| PATH_PIECES[rng.usize(..PATH_PIECES.len())]).collect();
    let object =
        if rng.u8(..3) == 0 { object } else { format!("7/{}", object.trim_matches('/').replace("//", "/")) };
    let host = ["d1.cloudfront.net", "packages.example.com", ""][rng.usize(..3)];
    let expires: u64 = [0, 1, 999_999_999, 1_618_409_761, 9_999_999_999][rng.usize(..5)];
    let now = match rng.u8(..4) {
        0 => expires,
        1 => expires + 1,
        2 => expires.saturating_sub(300),
        _ => rng.u64(..12_000_000_000),
    };
    let mac = if rng.bool() { TokenMacAlgorithm::Sha1 } else { TokenMacAlgorithm::Sha256 };
    let signed_as =
        if rng.u8(..4) == 0 { constructions[rng.usize(..constructions.len())] } else { construction };
    let key = if keys.is_empty() { Vec::new() } else { keys[rng.usize(..keys.len())].clone() };

    // The object as it is, or the escapes in it read as a browser would.
    let mut uri =
        if rng.bool() { encode_canonical_path(&format!("/{object}")) } else { format!("/{object}") };
    let meant = if uri.contains('%') && rng.bool() {
        percent_encoding::percent_decode_str(&uri[1..]).decode_utf8_lossy().into_owned()
    } else {
        object
    };
    let mut querystring = format!("t={}", sign_url_token(&key, &meant, expires, mac, signed_as, host));
    let mut method = if rng.bool() { "GET" } else { "HEAD" }.to_owned();
    for _ in 0..[0, 0, 1, 2][rng.usize(..4)] {
        match rng.u8(..8) {
            0..3 => damage_text(&mut uri, rng, &PATH_PIECES),
            3..6 => damage_text(&mut querystring, rng, &QUERY_PIECES),
            6 => querystring = querystring.to_uppercase().replacen('T', "t", 1),
            _ => damage_text(&mut method, rng, &QUERY_PIECES),
        }
    }
    let keys: Vec<String> = keys.iter().map(hex::encode).collect();
    json!({
        "request": { "uri": uri, "querystring": querystring, "method": method, "host": host },
        "keys": keys, "now": now, "construction": construction,
    })
}

/// Puts a piece in, takes a letter out, or both.
fn damage_text(text: &mut String, rng: &mut Rng, pieces: &[&str]) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let at = places[rng.usize(..places.len())];
    if rng.bool() && at < text.len() {
        text.remove(at);
    }
    if rng.bool() {
        text.insert_str(at, pieces[rng.usize(..pieces.len())]);
    }
}

pub fn judge_in_rust(case: &Value) -> Value {
    let text = |name: &str| case["request"][name].as_str().unwrap();
    let request = ViewerRequest {
        uri: text("uri"),
        querystring: text("querystring"),
        method: text("method"),
        host: text("host"),
    };
    let keys: Vec<Vec<u8>> = case["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| hex::decode(key.as_str().unwrap()).unwrap())
        .collect();
    let construction = case["construction"].as_str().unwrap().parse().unwrap();
    match check_viewer_request_token(&request, &keys, case["now"].as_u64().unwrap(), construction) {
        Ok(uri) => json!({ "ok": true, "uri": uri }),
        Err(refusal) => json!({ "ok": false, "reason": refusal.refusal_reason_code() }),
    }
}

pub struct NodeJudge(Child, ChildStdin, BufReader<ChildStdout>);

impl NodeJudge {
    pub fn start_node() -> Option<Self> {
        let binary = env::var("NODE").unwrap_or_else(|_| "node".to_owned());
        if binary == "none" {
            return None;
        }
        let mut child = Command::new(&binary)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/edge/judge.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{binary}: {error}; name one with NODE, or NODE=none to go without")
            });
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self(child, input, output))
    }

    pub fn judge_cases(&mut self, cases: &[Value]) -> Vec<Value> {
        writeln!(self.1, "{}", Value::from(cases)).unwrap();
        let mut line = String::new();
        self.2.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for NodeJudge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn read_number_variable(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Starts the function in the embedded engine; it is asked for its check alone, and asks nobody.
pub fn start_token_checker() -> EdgeFunctionInstance {
    let bundle = EdgeBundle {
        construction: UrlTokenConstruction::default(),
        key_arn: String::new(),
        context: BTreeMap::new(),
    };
    let nobody: EdgeKmsResponder = Arc::new(|_| Box::pin(async { Err("asks nobody".to_owned()) }));
    EdgeFunctionInstance::start_edge_function_instance(
        &bundle.build_edge_function_zip(&[], &[]),
        BTreeMap::new(),
        std::time::Duration::ZERO,
        nobody,
    )
    .unwrap()
}

#[tokio::test]
async fn rust_the_embedded_engine_and_node_agree() {
    let count = read_number_variable("EDGE_AGREEMENT_COUNT", 10_000) as usize;
    let seed = read_number_variable("EDGE_AGREEMENT_SEED", fastrand::u64(..));
    let mut rng = Rng::with_seed(seed);
    let function = start_token_checker();
    let mut node = NodeJudge::start_node();

    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    let mut left = count;
    while left > 0 {
        let cases: Vec<Value> = (0..left.min(BATCH_SIZE)).map(|_| random_case(&mut rng)).collect();
        left -= cases.len();
        let embedded = function.run_token_check_cases(&cases).await.unwrap();
        let nodes = node.as_mut().map(|node| node.judge_cases(&cases));
        assert_eq!(embedded.len(), cases.len());
        for (index, case) in cases.iter().enumerate() {
            let rust = judge_in_rust(case);
            assert_eq!(embedded[index], rust, "the engine and Rust, seed {seed}: {case}");
            if let Some(nodes) = &nodes {
                assert_eq!(nodes[index], rust, "Node and Rust, seed {seed}: {case}");
            }
            *verdicts.entry(rust["reason"].as_str().unwrap_or("accepted").to_owned()).or_default() += 1;
        }
    }
    println!("{count} requests, seed {seed}: {verdicts:?}");
    // Agreement on refusals alone would say little.
    for verdict in ["accepted", "bad-method", "bad-path", "malformed-token", "bad-signature", "expired"] {
        assert!(
            count < 1000 || verdicts.get(verdict).is_some_and(|seen| seen * 100 > count),
            "{verdict}: {verdicts:?}"
        );
    }
}
