//! The roles of instances and containers: from a metadata server and a credentials endpoint on loopback, as AWS's own answer.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::json;

use super::credentials_host::{CredentialsHost, run_to_end};

const METADATA_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// Answers as both do; what was asked, a line each.
struct CredentialServer {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl CredentialServer {
    fn start_with_keys((access, secret, token): (String, String, String)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keys = json!({
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2999-01-01T00:00:00Z",
            "AccessKeyId": access, "SecretAccessKey": secret, "Token": token,
        });
        let noted = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes away in the middle asks again.
                let _ = answer_request(&stream, &noted, &keys.to_string());
            }
        });
        Self { port, asked }
    }

    fn request_log(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer_request(stream: &TcpStream, asked: &Mutex<Vec<String>>, keys: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let line = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.map(|line| line.to_lowercase()).collect();
    let has = |header: &str| headers.iter().any(|line| line == header);
    let (method, path) = line.split_once(' ').unwrap_or_default();
    let path = path.split(' ').next().unwrap_or_default();
    let (status, body) = match (method, path) {
        ("PUT", "/latest/api/token") if has("x-aws-ec2-metadata-token-ttl-seconds: 21600") => {
            (200, "the-token")
        }
        // Version 2 alone: whoever shows no token is refused.
        ("GET", path) if path.starts_with("/latest/") && !has("x-aws-ec2-metadata-token: the-token") => {
            (401, "")
        }
        ("GET", METADATA_PATH) => (200, "ops"),
        ("GET", path) if path.strip_prefix(METADATA_PATH) == Some("ops") => (200, keys),
        ("GET", "/container") if has("authorization: the-container") => (200, keys),
        _ => (404, ""),
    };
    asked.lock().unwrap().push(format!("{status} {method} {path}"));
    write!(
        &mut &*stream,
        "HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instances_role_is_found_by_its_metadata_server() {
    let host = CredentialsHost::new(3).await;
    let giver = CredentialServer::start_with_keys(host.issue_session());
    let mut command = host.build_command(&["check", "--all"]);
    command
        .env_remove("AWS_EC2_METADATA_DISABLED")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://127.0.0.1:{}", giver.port));
    let (code, text) = run_to_end(command);
    let asked = giver.request_log();
    assert!(
        text.contains("arn:aws:sts::999999999999:assumed-role/ops/ops (the instance's role, from its metadata service, by AWS's own search)"),
        "{text}\n{asked:?}"
    );
    // What it may do is asked of the role itself.
    assert!(text.contains("kms:CreateKey") && !text.contains("cannot be checked"), "{text}");
    assert_eq!(code, 0, "{text}");
    assert!(asked.iter().any(|line| line == "200 PUT /latest/api/token"), "{asked:?}");
    assert!(asked.contains(&format!("200 GET {METADATA_PATH}ops")), "{asked:?}");
    assert!(!asked.iter().any(|line| line.starts_with("401")), "never without a token: {asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containers_role_is_found_by_its_credentials_endpoint() {
    let host = CredentialsHost::new(3).await;
    let giver = CredentialServer::start_with_keys(host.issue_session());
    let uri = format!("http://127.0.0.1:{}/container", giver.port);
    let mut command = host.build_command(&["check", "--all"]);
    command
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-container");
    let (code, text) = run_to_end(command);
    assert!(
        text.contains(
            "assumed-role/ops/ops (the container's role, from its credentials endpoint, by AWS's own search)"
        ),
        "{text}\n{:?}",
        giver.request_log()
    );
    assert_eq!(code, 0, "{text}");
    // One that doesn't let it in is no identity, and is named.
    let mut command = host.build_command(&["check", "--all"]);
    command
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another");
    let (code, text) = run_to_end(command);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("no usable AWS credentials") && text.contains("next: "), "{text}");
}
