//! The very bundle that is uploaded, run on events as CloudFront sends them and a KMS that can fail.

use std::sync::Mutex;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::{
    edge::bundle::EdgeBundle,
    model::{
        secret::Secret,
        url::token::{TokenMacAlgorithm, UrlTokenConstruction, sign_url_token},
    },
};

const NOW: Duration = Duration::from_secs(1_618_409_000);
const OBJECT_KEY: &str = "7/8/debian/package_files/97310.deb";

/// What KMS does next, the last of them from then on; and what it was asked.
struct FakeKms {
    next: Mutex<Vec<KmsBehavior>>,
    asked: Mutex<Vec<Request<Bytes>>>,
    secrets: Vec<Secret>,
}

#[derive(Clone, Copy, Debug)]
enum KmsBehavior {
    Answers,
    AnswersAfterSeconds(u64),
    Denies,
    Throttles,
    Hangs,
    Breaks,
}

impl FakeKms {
    fn new(secrets: &[Secret], mut next: Vec<KmsBehavior>) -> Arc<Self> {
        next.reverse();
        Arc::new(Self { next: Mutex::new(next), asked: Mutex::default(), secrets: secrets.to_vec() })
    }

    fn to_kms_responder(self: &Arc<Self>) -> EdgeKmsResponder {
        let kms = Arc::clone(self);
        Arc::new(move |request| {
            let kms = Arc::clone(&kms);
            Box::pin(async move { kms.answer_decrypt(request).await })
        })
    }

    async fn answer_decrypt(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        self.asked.lock().unwrap().push(request);
        let behaviour = {
            let mut next = self.next.lock().unwrap();
            if next.len() > 1 { next.pop().unwrap() } else { next[0] }
        };
        let reply = |status: u16, body: Value| {
            Ok(Response::builder().status(status).body(body.to_string().into()).unwrap())
        };
        if let KmsBehavior::AnswersAfterSeconds(seconds) = behaviour {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        match behaviour {
            KmsBehavior::Answers | KmsBehavior::AnswersAfterSeconds(_) => {
                // The ciphertext is the secret's number.
                let number =
                    usize::from(STANDARD.decode(body["CiphertextBlob"].as_str().unwrap()).unwrap()[0]);
                let plain = STANDARD.encode(self.secrets[number].expose_secret());
                reply(200, json!({ "KeyId": body["KeyId"], "Plaintext": plain }))
            }
            KmsBehavior::Denies => reply(400, json!({ "__type": "AccessDeniedException", "Message": "no" })),
            KmsBehavior::Throttles => reply(400, json!({ "__type": "ThrottlingException" })),
            KmsBehavior::Hangs => std::future::pending().await,
            KmsBehavior::Breaks => Err("connect ECONNREFUSED".to_owned()),
        }
    }
}

fn sample_bundle(construction: &str) -> EdgeBundle {
    EdgeBundle {
        construction: construction.parse().unwrap(),
        key_arn: "arn:aws:kms:us-east-1:111122223333:key/0a1b".into(),
        context: BTreeMap::from([("packagecloud:enterprise".into(), "packages".into())]),
    }
}

fn sample_secrets() -> [Secret; 2] {
    [Secret::generate_cloudfront_secret(&[1; 16]), Secret::generate_cloudfront_secret(&[2; 16])]
}

fn start_function(construction: &str, kms: &Arc<FakeKms>) -> EdgeFunctionInstance {
    let zip = sample_bundle(construction).build_edge_function_zip(&[vec![0], vec![1]], &[]);
    let environment = [
        ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_SESSION_TOKEN", "session"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    EdgeFunctionInstance::start_edge_function_instance(&zip, environment.into(), NOW, kms.to_kms_responder())
        .unwrap()
}

fn viewer_request_event(querystring: &str) -> Value {
    json!({ "Records": [{ "cf": {
        "config": { "distributionDomainName": "d111111abcdef8.cloudfront.net", "distributionId": "EDFDVBD6EXAMPLE",
            "eventType": "viewer-request", "requestId": "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==" },
        "request": { "clientIp": "203.0.113.178", "method": "GET", "uri": format!("/{OBJECT_KEY}"), "querystring": querystring,
            "headers": { "host": [{ "key": "Host", "value": "packages.example.com" }],
                "user-agent": [{ "key": "User-Agent", "value": "Debian APT-HTTP/1.3 (2.6.1)" }] } },
    } }] })
}

fn signed_request_event(construction: &str, secret: &Secret) -> Value {
    let construction: UrlTokenConstruction = construction.parse().unwrap();
    let key = construction.key.derive_hmac_key(secret).unwrap();
    let token = sign_url_token(
        &key,
        OBJECT_KEY,
        NOW.as_secs() + 300,
        TokenMacAlgorithm::Sha1,
        construction,
        "packages.example.com",
    );
    viewer_request_event(&format!("t={token}"))
}

#[tokio::test(start_paused = true)]
async fn a_signed_request_goes_on_without_its_token_whatever_the_construction() {
    for construction in UrlTokenConstruction::list_url_token_constructions() {
        let construction = construction.to_string();
        let kms = FakeKms::new(&sample_secrets(), vec![KmsBehavior::Answers]);
        let function = start_function(&construction, &kms);
        for secret in &sample_secrets() {
            let event = signed_request_event(&construction, secret);
            let result = function.invoke_function_handler(event.clone(), NOW).await.unwrap();
            let mut expected = event["Records"][0]["cf"]["request"].clone();
            expected["querystring"] = "".into();
            assert_eq!(result, expected, "{construction}");
        }
        assert_eq!(kms.asked.lock().unwrap().len(), 2, "each ciphertext once");
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_clock_is_the_functions() {
    let kms = FakeKms::new(&sample_secrets(), vec![KmsBehavior::Answers]);
    let function = start_function("decoded:path+expires", &kms);
    let event = signed_request_event("decoded:path+expires", &sample_secrets()[0]);
    let later = NOW + Duration::from_secs(301);
    let refused = function.invoke_function_handler(event.clone(), later).await.unwrap();
    assert_eq!(refused["status"], "403");
    assert_eq!(refused["headers"]["x-packagecloud-cloudfront"][0]["value"], "expired");
    assert_eq!(refused["headers"]["cache-control"][0]["value"], "no-store");
    assert!(function.invoke_function_handler(event, NOW).await.unwrap().get("status").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_request_to_kms_is_one_that_aws_would_take() {
    let kms = FakeKms::new(&sample_secrets(), vec![KmsBehavior::Answers]);
    start_function("decoded:path+expires", &kms)
        .invoke_function_handler(viewer_request_event(""), NOW)
        .await
        .unwrap();
    let asked = kms.asked.lock().unwrap();
    let request = &asked[0];
    assert_eq!(
        (request.method().as_str(), request.uri().to_string().as_str()),
        ("POST", "https://kms.us-east-1.amazonaws.com/")
    );

    // Signed once more, by AWS's own signer.
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    let identity = aws_credential_types::Credentials::new(
        "ASIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        Some("session".into()),
        None,
        "test",
    )
    .into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("kms")
        .time(std::time::UNIX_EPOCH + NOW)
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let own = ["content-type", "host", "x-amz-target"];
    let headers = own.iter().map(|name| (*name, request.headers()[*name].to_str().unwrap()));
    let signable =
        SignableRequest::new("POST", request.uri().to_string(), headers, SignableBody::Bytes(request.body()))
            .unwrap();
    let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
    let (signed, _) = instructions.into_parts();
    for header in signed {
        assert_eq!(request.headers()[header.name()].to_str().unwrap(), header.value(), "{}", header.name());
    }
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(body["EncryptionContext"], json!({ "packagecloud:enterprise": "packages" }));
}

#[tokio::test(start_paused = true)]
async fn without_kms_it_fails_closed_and_the_next_request_asks_again() {
    use KmsBehavior::{Answers, Breaks, Denies, Hangs, Throttles};
    let good = signed_request_event("decoded:path+expires", &sample_secrets()[0]);
    for (behaviour, attempts) in [(Denies, 2), (Throttles, 4), (Hangs, 4), (Breaks, 4)] {
        let mut next = vec![behaviour; attempts];
        next.push(Answers);
        let kms = FakeKms::new(&sample_secrets(), next);
        let function = start_function("decoded:path+expires", &kms);
        let refused = function.invoke_function_handler(good.clone(), NOW).await.unwrap();
        assert_eq!(refused["status"], "503", "{behaviour:?}");
        assert_eq!(refused["headers"]["cache-control"][0]["value"], "no-store");
        let later = NOW + Duration::from_secs(5);
        for secret in &sample_secrets() {
            let event = signed_request_event("decoded:path+expires", secret);
            let accepted = function.invoke_function_handler(event, later).await.unwrap();
            assert_eq!(accepted["uri"], format!("/{OBJECT_KEY}"), "{behaviour:?}");
        }
        assert_eq!(kms.asked.lock().unwrap().len(), attempts + 2, "{behaviour:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_in_the_middle_breaks_nothing() {
    let kms =
        FakeKms::new(&sample_secrets(), vec![KmsBehavior::Hangs, KmsBehavior::Hangs, KmsBehavior::Answers]);
    let function = start_function("decoded:path+expires", &kms);
    let good = signed_request_event("decoded:path+expires", &sample_secrets()[0]);
    let left =
        tokio::time::timeout(Duration::from_millis(100), function.invoke_function_handler(good.clone(), NOW))
            .await;
    assert!(left.is_err());
    let later = NOW + Duration::from_secs(5);
    assert_eq!(function.invoke_function_handler(good, later).await.unwrap()["uri"], format!("/{OBJECT_KEY}"));
}

#[tokio::test(start_paused = true)]
async fn kms_is_asked_at_the_start_and_a_late_answer_is_kept() {
    let kms = FakeKms::new(&sample_secrets(), vec![KmsBehavior::AnswersAfterSeconds(6)]);
    let function = start_function("decoded:path+expires", &kms);
    let good = signed_request_event("decoded:path+expires", &sample_secrets()[0]);
    let EdgeFunctionInvocation { result, log } =
        function.invoke_function_handler_with_log(good.clone(), NOW).await;
    assert_eq!(result.unwrap()["status"], "503");
    assert_eq!(log, ["refused, as it can't be checked: KMS Decrypt: no answer in time"]);
    let asked = kms.asked.lock().unwrap().len();
    let later = NOW + Duration::from_secs(5);
    assert_eq!(function.invoke_function_handler(good, later).await.unwrap()["uri"], format!("/{OBJECT_KEY}"));
    assert!(asked == 4 && kms.asked.lock().unwrap().len() <= 6, "{asked}");
}

/// A bundle of one module.
fn zip_index_module(source: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("index.mjs", options).unwrap();
    zip.write_all(source.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

#[tokio::test(start_paused = true)]
async fn a_function_that_waits_for_what_never_comes_ends_and_blocks_nobody() {
    let nobody: EdgeKmsResponder = Arc::new(|_| Box::pin(async { Err("nobody".to_owned()) }));
    let zip = zip_index_module("export const handler = async () => new Promise(() => {});");
    let function =
        EdgeFunctionInstance::start_edge_function_instance(&zip, BTreeMap::new(), NOW, nobody).unwrap();
    for why in ["the function waits for what never comes", "the engine has ended"] {
        let result = function.invoke_function_handler(viewer_request_event(""), NOW).await;
        assert_eq!(result, Err(why.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_bundle_that_does_not_load_says_why() {
    let nobody: EdgeKmsResponder = Arc::new(|_| Box::pin(async { Err("nobody".to_owned()) }));
    let start = |zip: &[u8]| {
        EdgeFunctionInstance::start_edge_function_instance(zip, BTreeMap::new(), NOW, Arc::clone(&nobody))
            .err()
            .unwrap()
    };
    assert!(start(b"no zip").to_lowercase().contains("archive"), "{}", start(b"no zip"));
    for (source, why) in [
        ("export const handler = async (event, context, callback) => {};", "CallbackHandlerDeprecated"),
        ("export const other = 1;", "HandlerNotFound"),
        ("export const handler = ", "unexpected token"),
        ("import 'node:child_process';", "node:child_process"),
        ("await new Promise(() => {}); export const handler = async () => {};", "while it loads"),
        (
            "await new Promise((over) => setTimeout(over, 1)); export const handler = async () => {};",
            "while it loads",
        ),
    ] {
        assert!(
            start(&zip_index_module(source)).contains(why),
            "{source}: {}",
            start(&zip_index_module(source))
        );
    }
}
