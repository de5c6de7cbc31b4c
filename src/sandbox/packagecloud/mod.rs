//! packagecloud's front: who asks with a token is sent to CloudFront, or to S3 while CloudFront is off.
//!
//! It runs on what `restart` made running, never on what the file says now; each web node on its own.

mod config_reading;
mod ctl;
mod jobs;
mod plain_literals;
mod ruby;

pub use config_reading::NodeSettingsReading;
pub use ctl::{simulate_packagecloud_ctl_command, simulate_packagecloud_ctl_on_node};
pub use jobs::{SandboxObjectReindexJob, run_due_sandbox_reindex_jobs};

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::model::{
    packagecloud::config_file::ConfigFile,
    secret::Secret,
    url::token::{self, TokenMacAlgorithm, UrlTokenConstruction},
};

use super::{Sandbox, control_plane::s3};

/// How long a link lives, as packagecloud makes them, in seconds.
const LINK_LIFETIME_SECS: u64 = 300;

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxPackagecloudState {
    /// How it signs; [`UrlTokenConstruction::default`] where none was asked for.
    pub construction: Option<UrlTokenConstruction>,
    /// What the last reconfigure wrote.
    pub rendered: Option<SandboxNodeSettings>,
    /// What each web node runs on; they answer by turns.
    pub nodes: Vec<SandboxNodeSettings>,
    /// What the last reconfigure wrote on each node after the first that has a packagecloud.rb of its own, by its place.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub own_rendered: BTreeMap<usize, SandboxNodeSettings>,
    /// Whether a restart reaches the first node alone.
    pub lagging: bool,
    /// World time at which it answers again.
    pub back: Duration,
    pub reconfigured: Option<Duration>,
    pub restarted: Option<Duration>,
    /// Counts the requests, for whose turn it is.
    pub turn: usize,
    pub jobs: Vec<SandboxObjectReindexJob>,
}

/// What a node runs on.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxNodeSettings {
    pub enabled: bool,
    pub secret: Option<String>,
    pub distribution_id: Option<String>,
    pub domain: Option<String>,
    pub access_key: String,
    pub secret_key: String,
    pub bucket: String,
}

impl std::fmt::Debug for SandboxNodeSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("enabled", &self.enabled)
            .field("domain", &self.domain)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

impl SandboxNodeSettings {
    /// Reads what a packagecloud.rb says.
    pub fn from_config_file(file: &ConfigFile) -> Self {
        let values = file.cloudfront_setting_values();
        let (access_key, secret_key) = file
            .find_config_aws_keys()
            .map(|(id, secret)| (id, secret.expose_secret().to_owned()))
            .unwrap_or_default();
        Self {
            enabled: values.enabled == Some(true),
            secret: values.secret.as_ref().map(|secret| secret.expose_secret().to_owned()),
            distribution_id: values.distribution_id,
            domain: values.packages_domain,
            access_key,
            secret_key,
            bucket: file.find_configured_bucket().map(|(_, bucket)| bucket.to_owned()).unwrap_or_default(),
        }
    }

    /// Where a key is to be had by this method, until `expires`: S3 takes a link for no other than it was signed for.
    fn sign_sandbox_download_url(
        &self,
        method: &Method,
        key: &str,
        expires: u64,
        construction: UrlTokenConstruction,
    ) -> Option<String> {
        if !self.enabled {
            let keys = (self.access_key.as_str(), self.secret_key.as_str());
            let link = s3::presign_sigv2_link(keys, method, &self.bucket, key, expires);
            return Some(format!("https://{}.s3.amazonaws.com{link}", self.bucket));
        }
        let domain = self.domain.as_deref()?;
        let signer = construction.key.derive_hmac_key(&Secret::new(self.secret.clone()?)).ok()?;
        Some(token::sign_packages_url(&signer, key, expires, TokenMacAlgorithm::Sha1, construction, domain))
    }
}

/// A web node with a packagecloud.rb of its own.
#[derive(Debug, Clone)]
pub struct SandboxWebNode {
    /// Its place among the nodes; the first is 0.
    pub place: usize,
    pub config: PathBuf,
}

impl SandboxWebNode {
    /// Returns the first node, whose packagecloud.rb lies in the sandbox's directory.
    pub fn first_web_node(dir: &Path) -> Self {
        Self { place: 0, config: dir.join("packagecloud.rb") }
    }
}

impl SandboxPackagecloudState {
    /// Returns what the last reconfigure of a node wrote.
    pub fn find_rendered_settings(&self, place: usize) -> Option<&SandboxNodeSettings> {
        if place == 0 { self.rendered.as_ref() } else { self.own_rendered.get(&place) }
    }

    /// Lets a node run on what was rendered for it; the first brings those along that have no packagecloud.rb of their own.
    fn restart_web_node(&mut self, place: usize) {
        let fresh = self.find_rendered_settings(place).cloned().unwrap_or_default();
        if self.nodes.len() <= place {
            self.nodes.resize(place + 1, fresh.clone());
        }
        let is_lagging = self.lagging;
        for (at, node) in self.nodes.iter_mut().enumerate() {
            let is_followed = place == 0 && !is_lagging && !self.own_rendered.contains_key(&at);
            if at == place || is_followed {
                node.clone_from(&fresh);
            }
        }
    }
}

/// Lets a second web node run on as it is, whatever is restarted.
pub fn add_unrestarted_sandbox_web_node(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        let packagecloud = &mut state.packagecloud;
        let running = packagecloud.nodes.first().cloned().unwrap_or_default();
        packagecloud.nodes.resize(2, running);
        packagecloud.lagging = true;
    });
}

/// Leaves one web node, which every restart reaches.
pub fn remove_sandbox_unrestarted_node(world: &Sandbox) {
    if world.read_sandbox_state_from_disk(|state| state.packagecloud.lagging) {
        world.update_sandbox_state_on_disk(|state| {
            state.packagecloud.nodes.truncate(1);
            state.packagecloud.lagging = false;
        });
    }
}

/// Returns a read token of this packagecloud: the first line of `DIR/tokens`.
pub fn first_sandbox_read_token(world: &Sandbox) -> Option<String> {
    read_sandbox_read_tokens(world).into_iter().next()
}

fn read_sandbox_read_tokens(world: &Sandbox) -> Vec<String> {
    let text = std::fs::read_to_string(world.sandbox_dir().join("tokens")).unwrap_or_default();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Answers one request to packagecloud's front.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn serve_packagecloud_request(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let now = world.sandbox_unix_time_now();
    let (settings, construction, back) = world.update_sandbox_state_on_disk(|state| {
        let packagecloud = &mut state.packagecloud;
        packagecloud.turn = packagecloud.turn.wrapping_add(1);
        let turn = packagecloud.turn % packagecloud.nodes.len().max(1);
        let node = packagecloud.nodes.get(turn).cloned();
        (node.unwrap_or_default(), packagecloud.construction.unwrap_or_default(), packagecloud.back)
    });
    if now < back {
        return build_text_response(StatusCode::BAD_GATEWAY, "packagecloud is starting.\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return build_text_response(
            StatusCode::METHOD_NOT_ALLOWED,
            "packagecloud's sandbox answers GET and HEAD.\n",
        );
    }
    if !read_sandbox_read_tokens(world).contains(&parse_basic_auth_user(&request).unwrap_or_default()) {
        let mut response = build_text_response(StatusCode::UNAUTHORIZED, "Give a read token as user name.\n");
        let challenge = HeaderValue::from_static("Basic realm=\"packagecloud\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    }
    let path = request.uri().path().trim_start_matches('/');
    let Ok(key) = percent_decode_str(path).decode_utf8() else {
        return build_text_response(StatusCode::BAD_REQUEST, "This path is not UTF-8.\n");
    };
    if key.is_empty() {
        return build_text_response(
            StatusCode::OK,
            "packagecloud, in the sandbox: ask for a key of the bucket.\n",
        );
    }
    let expires = now.as_secs() + LINK_LIFETIME_SECS;
    let Some(link) = settings.sign_sandbox_download_url(request.method(), &key, expires, construction) else {
        return build_text_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "CloudFront is on, and its secret or domain is missing.\n",
        );
    };
    let mut response = build_text_response(StatusCode::FOUND, "");
    let Ok(location) = HeaderValue::try_from(link) else {
        return build_text_response(StatusCode::BAD_REQUEST, "This path can't be sent on.\n");
    };
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// The user name of Basic authentication.
fn parse_basic_auth_user(request: &Request<Bytes>) -> Option<String> {
    let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    scheme.eq_ignore_ascii_case("basic").then(|| pair.split(':').next().unwrap_or_default().to_owned())
}

fn build_text_response(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests;
