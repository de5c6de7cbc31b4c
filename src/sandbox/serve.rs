//! The sandbox on loopback: the AWS endpoint, packagecloud's front, and the edge, each on a port of its own.
//!
//! While it serves, `DIR/serving.json` says where; a client believes it only after it was answered with its word.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::model::failure::Failure;

use super::{Sandbox, control_plane::s3, private_files, router::PACKAGECLOUD_HOST, seed};

/// Packagecloud's front is another host than S3 and the edge: npm, wget and others give a host's credentials to each of its ports.
const FRONT_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The host under which the server tells its word.
const SERVER_WORD_HOST: &str = "serving.sandbox";
const MARKER_FILENAME: &str = "serving.json";

/// Where a sandbox is being served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxServerAddresses {
    pub aws: String,
    pub packagecloud: String,
    pub cloudfront: String,
    pub pid: u32,
    /// What the server answers with.
    pub word: String,
}

/// A sandbox being served; dropping it ends that.
#[derive(Debug)]
pub struct SandboxServer {
    pub addresses: SandboxServerAddresses,
    marker: PathBuf,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for SandboxServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if read_sandbox_server_marker(&self.marker).is_some_and(|there| there.word == self.addresses.word) {
            // Whoever finds it later is not answered, and passes it over.
            let _ = std::fs::remove_file(&self.marker);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SandboxListenerRole {
    Aws,
    Front,
    Edge,
}

/// Opens the three ports on loopback; 0 is any.
///
/// # Errors
/// Where a port can't be had, or DIR can't be written.
pub async fn start_sandbox_server(
    world: &Sandbox,
    aws: u16,
    front: u16,
    edge: u16,
) -> Result<SandboxServer, Failure> {
    let mut listeners = Vec::new();
    for (port, number, option) in [
        (SandboxListenerRole::Aws, aws, "--aws-port"),
        (SandboxListenerRole::Front, front, "--front-port"),
        (SandboxListenerRole::Edge, edge, "--edge-port"),
    ] {
        let opened = bind_sandbox_port(port, number).await;
        let opened = opened.and_then(|listener| Ok((port, listener.local_addr()?, listener)));
        listeners.push(opened.map_err(|error| {
            Failure::new_generic_failure(
                format!("port {number}"),
                error.to_string(),
                format!("choose another with {option}, 0 for any"),
            )
        })?);
    }
    let address = |wanted: SandboxListenerRole| {
        let found = listeners.iter().find(|(port, ..)| *port == wanted);
        found.map(|(_, address, _)| format!("http://{address}")).unwrap_or_default()
    };
    let addresses = SandboxServerAddresses {
        aws: address(SandboxListenerRole::Aws),
        packagecloud: address(SandboxListenerRole::Front),
        cloudfront: address(SandboxListenerRole::Edge),
        pid: std::process::id(),
        word: format!("{:032x}", fastrand::u128(..)),
    };
    seed::rewrite_pypi_index_links(world, &addresses.packagecloud).map_err(|error| {
        Failure::new_generic_failure(
            world.sandbox_dir().display().to_string(),
            error.to_string(),
            "choose another DIR",
        )
    })?;
    let marker = world.sandbox_dir().join(MARKER_FILENAME);
    let fresh = world.sandbox_dir().join(format!("{MARKER_FILENAME}.new"));
    serde_json::to_vec(&addresses)
        .map_err(io::Error::from)
        .and_then(|text| private_files::write_private_file(&fresh, &text))
        .and_then(|()| std::fs::rename(&fresh, &marker))
        .map_err(|error| {
            Failure::new_generic_failure(
                marker.display().to_string(),
                error.to_string(),
                "choose another DIR",
            )
        })?;
    let tasks = listeners
        .into_iter()
        .map(|(port, _, listener)| {
            tokio::spawn(accept_sandbox_connections(world.clone(), port, listener, addresses.clone()))
        })
        .collect();
    Ok(SandboxServer { addresses, marker, tasks })
}

/// Opens a port on loopback; where a system has 127.0.0.1 alone, the front is there too.
async fn bind_sandbox_port(role: SandboxListenerRole, number: u16) -> io::Result<TcpListener> {
    if role == SandboxListenerRole::Front {
        match TcpListener::bind((FRONT_ADDRESS, number)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            bound => return bound,
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).await
}

async fn accept_sandbox_connections(
    world: Sandbox,
    port: SandboxListenerRole,
    listener: TcpListener,
    addresses: SandboxServerAddresses,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, say: others end soon.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (world, addresses) = (world.clone(), addresses.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| serve_sandbox_http_request(&world, port, &addresses, request));
            // A viewer that goes away is no failure of the server's.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn serve_sandbox_http_request(
    world: &Sandbox,
    port: SandboxListenerRole,
    addresses: &SandboxServerAddresses,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let host =
        parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    if port == SandboxListenerRole::Aws && host == SERVER_WORD_HOST {
        return Ok(Response::new(Full::from(addresses.word.clone())));
    }
    let host = match port {
        SandboxListenerRole::Aws => host,
        SandboxListenerRole::Front => PACKAGECLOUD_HOST.to_owned(),
        SandboxListenerRole::Edge if host.ends_with(".cloudfront.net") => host,
        // Before there is a distribution nobody is at home, as at CloudFront.
        SandboxListenerRole::Edge => {
            find_sandbox_packages_domain(world).unwrap_or_else(|| "none.cloudfront.net".to_owned())
        }
    };
    parts.headers.insert(header::HOST, HeaderValue::try_from(host).map_err(io::Error::other)?);
    let mut response = world.handle_sandbox_request(Request::from_parts(parts, body)).await?;
    // Only package managers follow it; whoever drives the AWS port asks each host by its own name.
    if port == SandboxListenerRole::Front
        && let Some(location) = response.headers().get(header::LOCATION)
        && let Some(here) = location
            .to_str()
            .ok()
            .and_then(|location| rewrite_redirect_to_loopback(world, addresses, location))
    {
        response
            .headers_mut()
            .insert(header::LOCATION, HeaderValue::try_from(here).map_err(io::Error::other)?);
    }
    Ok(response.map(Full::from))
}

/// The domain for which the edge's port stands: what packagecloud runs on, else the first distribution's.
fn find_sandbox_packages_domain(world: &Sandbox) -> Option<String> {
    world.read_sandbox_state_from_disk(|state| {
        let mut running = state.packagecloud.nodes.iter().chain(&state.packagecloud.rendered);
        let domain = running.find_map(|settings| settings.domain.clone());
        domain.or_else(|| state.cloudfront.distributions.values().next().map(|one| one.domain.clone()))
    })
}

/// A redirect to CloudFront or to S3, as it is reached here.
fn rewrite_redirect_to_loopback(
    world: &Sandbox,
    addresses: &SandboxServerAddresses,
    location: &str,
) -> Option<String> {
    let (host, path) = location.strip_prefix("https://")?.split_once('/')?;
    if let Some(bucket) = s3::parse_bucket_from_host(host) {
        return Some(format!("{}/{bucket}/{path}", addresses.aws));
    }
    (find_sandbox_packages_domain(world).as_deref() == Some(host))
        .then(|| format!("{}/{path}", addresses.cloudfront))
}

fn read_sandbox_server_marker(marker: &Path) -> Option<SandboxServerAddresses> {
    serde_json::from_slice(&std::fs::read(marker).ok()?).ok()
}

/// Finds where DIR is being served, by a server that answers.
#[must_use]
pub fn find_running_sandbox_addresses(dir: &Path) -> Option<SandboxServerAddresses> {
    let addresses = read_sandbox_server_marker(&dir.join(MARKER_FILENAME))?;
    let socket: SocketAddr = addresses.aws.strip_prefix("http://")?.parse().ok()?;
    let patience = Duration::from_millis(500);
    let mut stream = TcpStream::connect_timeout(&socket, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream
        .write_all(
            format!("GET / HTTP/1.1\r\nHost: {SERVER_WORD_HOST}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.ends_with(&addresses.word).then_some(addresses)
}

#[cfg(test)]
mod tests;
