//! How requests reach S3: connections of our own over hyper, each driven by the task that uses it, or a connector
//! that was plugged in.
//!
//! A connection carries one request at a time and goes back to the pool only after its reply was read to the end;
//! one that S3 closed meanwhile is replaced without the caller noticing, as long as nothing was sent on it.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::HttpConnector as _, http::SharedHttpConnector, orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http::{Request, response::Parts};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::TlsConnector;

const CONNECT: Duration = Duration::from_secs(10);
/// Addresses are looked up again after this long: S3 moves its front ends all the time.
const RESOLVED: Duration = Duration::from_secs(5);

/// Why no reply came.
#[derive(Debug)]
pub struct Broken(pub String);

pub enum Transport {
    Direct(Wire),
    Plugged { connector: SharedHttpConnector, base: String },
}

impl Transport {
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<(Parts, Bytes), Broken> {
        match self {
            Self::Direct(wire) => wire.send(request).await,
            Self::Plugged { connector, base } => Box::pin(plugged(connector, base, request)).await,
        }
    }
}

async fn plugged(
    connector: &SharedHttpConnector,
    base: &str,
    request: Request<Full<Bytes>>,
) -> Result<(Parts, Bytes), Broken> {
    let broken = |error: &dyn std::error::Error| Broken(error.to_string());
    let (mut parts, body) = request.into_parts();
    parts.uri =
        format!("{base}{}", parts.uri).parse().map_err(|error: http::uri::InvalidUri| broken(&error))?;
    let Ok(body) = body.collect().await;
    let request = Request::from_parts(parts, SdkBody::from(body.to_bytes()));
    let request = HttpRequest::try_from(request).map_err(|error| broken(&error))?;
    let reply = connector.call(request).await.map_err(|error| broken(&error))?;
    let (parts, body) = reply.try_into_http1x().map_err(|error| broken(&error))?.into_parts();
    let body = body.collect().await.map_err(|error| Broken(error.to_string()))?.to_bytes();
    Ok((parts, body))
}

/// The pool of connections to one host.
pub struct Wire {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Connection>>,
    resolved: Mutex<Option<(Instant, Arc<[SocketAddr]>)>>,
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
}

impl Wire {
    pub fn new(host: &str, port: u16, tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>) -> Self {
        let tls = tls.map(|(config, name)| (TlsConnector::from(config), name));
        Self { host: host.to_owned(), port, tls, idle: Mutex::default(), resolved: Mutex::default() }
    }

    async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<(Parts, Bytes), Broken> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let kept = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                // Rare, and large: not in the future of every request.
                None => Box::pin(self.connect()).await?,
            };
            match connection.exchange(request).await {
                Ok((parts, body, reusable)) => {
                    if reusable {
                        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                    }
                    return Ok((parts, body));
                }
                Err((_, Some(unsent))) if kept => request = unsent,
                Err((error, _)) => return Err(Broken(reason(&error))),
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Broken> {
        let connecting = async {
            let addresses = self.addresses().await?;
            let stream = TcpStream::connect(addresses[fastrand::usize(..addresses.len())]).await?;
            stream.set_nodelay(true)?;
            match &self.tls {
                None => handshake(stream).await,
                Some((tls, name)) => handshake(tls.connect(name.clone(), stream).await?).await,
            }
        };
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Broken(format!("{}: {error}", self.host))),
            Err(_) => Err(Broken(format!("{}: no connection within {} s", self.host, CONNECT.as_secs()))),
        }
    }

    async fn addresses(&self) -> io::Result<Arc<[SocketAddr]>> {
        let held = self.resolved.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, addresses)) = held.filter(|(at, _)| at.elapsed() < RESOLVED) {
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

async fn handshake<S>(stream: S) -> io::Result<Connection>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (sender, driver) = http1::Builder::new()
        .max_buf_size(64 << 10)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    Ok(Connection { sender, driver: Box::pin(driver) })
}

/// The innermost reason, which says more than hyper's own words.
fn reason(error: &hyper::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

type Unsent = Option<Request<Full<Bytes>>>;

impl Connection {
    /// Sends, and reads the reply to its end; the third value says whether the connection can be used again. A
    /// request that was never sent comes back with the error.
    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Parts, Bytes, bool), (hyper::Error, Unsent)> {
        let Self { sender, driver } = self;
        let mut over = false;
        // The driver has to see that the last reply was read before the next request fits.
        let ready = poll_fn(|cx| {
            over = over || driver.as_mut().poll(cx).is_ready();
            sender.poll_ready(cx)
        });
        if let Err(error) = ready.await {
            return Err((error, Some(request)));
        }
        let mut sending = std::pin::pin!(sender.try_send_request(request));
        let reply = poll_fn(|cx| {
            over = over || driver.as_mut().poll(cx).is_ready();
            sending.as_mut().poll(cx)
        });
        let (parts, mut body) = match reply.await {
            Ok(reply) => reply.into_parts(),
            Err(mut error) => {
                let unsent = error.take_message();
                return Err((error.into_error(), unsent));
            }
        };
        let mut whole = BytesMut::new();
        while !body.is_end_stream() {
            let frame = poll_fn(|cx| {
                if let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(cx) {
                    return Poll::Ready(frame);
                }
                over = over || driver.as_mut().poll(cx).is_ready();
                Pin::new(&mut body).poll_frame(cx)
            });
            match frame.await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        whole.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err((error, None)),
                None => break,
            }
        }
        Ok((parts, whole.freeze(), !over))
    }
}
