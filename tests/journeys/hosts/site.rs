//! packagecloud's site as customers reach it: one address, the web nodes behind it in turn, each on the file that it was restarted with.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use packagecloud_cloudfront::{
    model::{
        packagecloud::config_file::ConfigFile,
        url::token::{self, TokenMacAlgorithm, UrlTokenConstruction},
    },
    sandbox::seed::SANDBOX_BUCKET,
};

/// The site: which directories of nodes answer.
#[derive(Clone)]
pub struct PackagecloudSite {
    pub url: String,
    nodes: Arc<Mutex<Vec<PathBuf>>>,
}

impl PackagecloudSite {
    pub fn new() -> Self {
        Self::listen_at("127.0.0.1:0")
    }

    /// The same at this address.
    pub fn listen_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let nodes: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
        let behind = nodes.clone();
        std::thread::spawn(move || {
            for (turn, stream) in listener.incoming().flatten().enumerate() {
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                let _ = reader.read_line(&mut line);
                let mut header = String::from("x");
                while header.trim() != "" {
                    header.clear();
                    if reader.read_line(&mut header).unwrap_or(0) == 0 {
                        break;
                    }
                }
                let key = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
                let nodes = behind.lock().unwrap();
                let answer = if nodes.is_empty() {
                    "HTTP/1.1 503 none\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
                } else {
                    let to = redirect_location(&nodes[turn % nodes.len()], &key);
                    format!(
                        "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    )
                };
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Self { url, nodes }
    }

    /// The port that it listens on.
    pub fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap()
    }

    /// These nodes answer from now on.
    pub fn set_nodes(&self, nodes: Vec<PathBuf>) {
        *self.nodes.lock().unwrap() = nodes;
    }
}

/// Where a node redirects to: as its file had it when it was last restarted.
fn redirect_location(node: &std::path::Path, key: &str) -> String {
    let file = ConfigFile::parse_packagecloud_rb(&fs::read(node.join("opt/applied.rb")).unwrap_or_default());
    let values = file.cloudfront_setting_values();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    match (values.enabled, values.secret, values.packages_domain) {
        (Some(true), Some(secret), Some(domain)) => {
            let mac = secret.decode_base64_secret_key().unwrap();
            token::sign_packages_url(
                &mac,
                key,
                now + 300,
                TokenMacAlgorithm::Sha1,
                UrlTokenConstruction::default(),
                &domain,
            )
        }
        _ => format!(
            "https://{SANDBOX_BUCKET}.s3.amazonaws.com/{key}?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires={}&Signature=x",
            now + 300
        ),
    }
}
