//! How requests reach S3: connections of our own, or a connector that was plugged in.
//!
//! A connection carries one request at a time and goes back to the pool only after its reply was read to the end;
//! one that S3 closed meanwhile is replaced without the caller noticing, since nothing is sent on it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Method, Request, response::Parts};
use http_body_util::BodyExt as _;
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{
    http1::{TcpOrTlsStream, is_idle_stream_still_open, send_and_read_reply},
    sign::SignedRequestHeaderList,
};

/// A reply, read to its end.
pub(crate) struct S3Reply {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    /// From when it was asked for on a connection that stands to its end.
    pub(super) took: Duration,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses are looked up again after this long: S3 moves its front ends all the time.
const DNS_CACHE_TTL: Duration = Duration::from_secs(5);

/// Why no reply came.
#[derive(Debug)]
pub struct NoReplyReason(pub String);

pub enum S3ConnectionStream {
    Direct(S3ConnectionPool),
    Plugged { connector: SharedHttpConnector, base: String },
}

fn build_s3_timeout_reason(limit: Duration) -> NoReplyReason {
    NoReplyReason(format!("no reply within {} s", limit.as_secs()))
}

impl S3ConnectionStream {
    /// Sends one request, whose reply must be there within `limit`.
    ///
    /// # Errors
    /// The reason why there is no reply.
    pub async fn send_request_on_stream(
        &self,
        method: Method,
        target: &str,
        headers: SignedRequestHeaderList,
        body: Bytes,
        limit: Duration,
    ) -> Result<S3Reply, NoReplyReason> {
        match self {
            Self::Direct(wire) => wire.send_on_pooled_connection(&method, target, headers, body, limit).await,
            Self::Plugged { connector, base } => {
                let reply =
                    send_by_http_connector(connector, format!("{base}{target}"), method, headers, body);
                Box::pin(timeout(limit, reply)).await.unwrap_or_else(|_| Err(build_s3_timeout_reason(limit)))
            }
        }
    }
}

async fn send_by_http_connector(
    connector: &SharedHttpConnector,
    uri: String,
    method: Method,
    headers: SignedRequestHeaderList,
    body: Bytes,
) -> Result<S3Reply, NoReplyReason> {
    let broken = |error: &dyn std::error::Error| NoReplyReason(error.to_string());
    let mut request = Request::new(SdkBody::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri.parse().map_err(|error: http::uri::InvalidUri| broken(&error))?;
    request.headers_mut().extend(headers);
    let request = HttpRequest::try_from(request).map_err(|error| broken(&error))?;
    let sent = Instant::now();
    let reply = connector.call(request).await.map_err(|error| broken(&error))?;
    let (parts, body) = reply.try_into_http1x().map_err(|error| broken(&error))?.into_parts();
    let body = body.collect().await.map_err(|error| NoReplyReason(error.to_string()))?.to_bytes();
    Ok(S3Reply { parts, body, took: sent.elapsed() })
}

/// A connection, with a clock of its own: setting that anew costs far less than a clock for each request.
struct PooledConnection {
    stream: Box<dyn TcpOrTlsStream>,
    due: Pin<Box<Sleep>>,
}

/// The pool of connections to one host.
pub struct S3ConnectionPool {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<PooledConnection>>,
    resolved: Mutex<Option<(Instant, Arc<[SocketAddr]>)>>,
}

impl S3ConnectionPool {
    /// Returns connections to an endpoint, none of them made yet.
    pub fn new(host: &str, port: u16, tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>) -> Self {
        let tls = tls.map(|(config, name)| (TlsConnector::from(config), name));
        Self { host: host.to_owned(), port, tls, idle: Mutex::default(), resolved: Mutex::default() }
    }

    async fn send_on_pooled_connection(
        &self,
        method: &Method,
        target: &str,
        headers: SignedRequestHeaderList,
        body: Bytes,
        limit: Duration,
    ) -> Result<S3Reply, NoReplyReason> {
        let mut connection = match self.pop_idle_s3_connection() {
            Some(connection) => connection,
            // Rare, and large: not in the future of every request.
            None => Box::pin(self.open_new_s3_connection()).await?,
        };
        let sent = Instant::now();
        connection.due.as_mut().reset(sent + limit);
        let reply = tokio::select! {
            biased;
            reply = send_and_read_reply(&mut *connection.stream, method, target, headers, body) => reply,
            () = connection.due.as_mut() => return Err(build_s3_timeout_reason(limit)),
        };
        let reply = reply.map_err(|error| NoReplyReason(format!("{}: {error}", self.host)))?;
        if reply.reusable {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        Ok(S3Reply { parts: reply.parts, body: reply.body, took: sent.elapsed() })
    }

    /// A connection that is open still.
    fn pop_idle_s3_connection(&self) -> Option<PooledConnection> {
        loop {
            let mut connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if is_idle_stream_still_open(&mut *connection.stream) {
                return Some(connection);
            }
        }
    }

    async fn open_new_s3_connection(&self) -> Result<PooledConnection, NoReplyReason> {
        let connecting = async {
            let addresses = self.resolve_host_addresses().await?;
            let stream = TcpStream::connect(addresses[fastrand::usize(..addresses.len())]).await?;
            stream.set_nodelay(true)?;
            // The next request tells S3 that a reply came: a packet less for each.
            #[cfg(target_os = "linux")]
            stream.set_quickack(false)?;
            let stream: Box<dyn TcpOrTlsStream> = match &self.tls {
                None => Box::new(stream),
                Some((tls, name)) => Box::new(tls.connect(name.clone(), stream).await?),
            };
            Ok::<_, io::Error>(stream)
        };
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => Ok(PooledConnection { stream, due: Box::pin(sleep(CONNECT_TIMEOUT)) }),
            Ok(Err(error)) => Err(NoReplyReason(format!("{}: {error}", self.host))),
            Err(_) => Err(NoReplyReason(format!(
                "{}: no connection within {} s",
                self.host,
                CONNECT_TIMEOUT.as_secs()
            ))),
        }
    }

    async fn resolve_host_addresses(&self) -> io::Result<Arc<[SocketAddr]>> {
        let held = self.resolved.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, addresses)) = held.filter(|(at, _)| at.elapsed() < DNS_CACHE_TTL) {
            return Ok(addresses);
        }
        let addresses: Arc<[_]> = tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        *self.resolved.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn a_request_without_a_reply_is_given_up_and_its_connection_with_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = S3ConnectionPool::new("127.0.0.1", listener.local_addr().unwrap().port(), None);
        let server = async {
            let (mut silent, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(silent.read(&mut request).await.unwrap() > 0);
            let (mut answering, _) = listener.accept().await.unwrap();
            for _ in 0..2 {
                assert!(answering.read(&mut request).await.unwrap() > 0);
                answering.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        };
        let asking = async {
            let ask = |limit| {
                wire.send_on_pooled_connection(
                    &Method::GET,
                    "/b",
                    SignedRequestHeaderList::new(),
                    Bytes::new(),
                    Duration::from_millis(limit),
                )
            };
            let broken = ask(50).await.err().unwrap();
            assert!(broken.0.contains("no reply within"), "{broken:?}");
            for _ in 0..2 {
                assert_eq!(ask(60_000).await.unwrap().parts.status, 200);
            }
        };
        tokio::join!(server, asking);
    }
}
