//! A client of a sandbox that another process serves: requests to any of its hosts go there, whole.
//!
//! It is the same seam as the world's own wire, so that unmodified SDK clients don't tell the difference.

use std::{io, path::Path, time::Duration};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector as Tcp},
    rt::TokioExecutor,
};

use super::serve::{SandboxServerAddresses, find_running_sandbox_addresses};

/// The other end of a served sandbox.
#[derive(Debug, Clone)]
pub struct SandboxForwardingClient {
    pub addresses: SandboxServerAddresses,
    client: Client<Tcp, Full<Bytes>>,
    patience: Option<Duration>,
}

/// Opens a client of DIR's server, where one is serving it.
#[must_use]
pub fn connect_to_sandbox_server(dir: &Path) -> Option<SandboxForwardingClient> {
    let addresses = find_running_sandbox_addresses(dir)?;
    Some(SandboxForwardingClient {
        addresses,
        client: Client::builder(TokioExecutor::new()).build_http(),
        patience: None,
    })
}

impl SandboxForwardingClient {
    /// Returns the client that goes under unmodified SDK clients.
    #[must_use]
    pub fn build_sandbox_server_http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// Asks any host of the sandbox; the request names it in its URI or its Host header.
    ///
    /// # Errors
    /// Where the server doesn't answer.
    pub async fn forward_to_sandbox_server(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let (mut parts, body) = request.into_parts();
        if !parts.headers.contains_key(header::HOST)
            && let Some(authority) = parts.uri.authority()
        {
            let host = HeaderValue::try_from(authority.as_str()).map_err(io::Error::other)?;
            parts.headers.insert(header::HOST, host);
        }
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        parts.uri = Uri::try_from(format!("{}{path}", self.addresses.aws)).map_err(io::Error::other)?;
        parts.version = http::Version::HTTP_11;
        let response = self
            .client
            .request(Request::from_parts(parts, Full::from(body)))
            .await
            .map_err(io::Error::other)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

impl HttpClient for SandboxForwardingClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Self { patience: settings.read_timeout(), ..self.clone() })
    }
}

impl HttpConnector for SandboxForwardingClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let forward = self.clone();
        HttpConnectorFuture::new(async move {
            let (parts, body) =
                request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?.into_parts();
            let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
            let answering = forward.forward_to_sandbox_server(Request::from_parts(parts, body));
            let answered = match forward.patience {
                Some(patience) => tokio::time::timeout(patience, answering)
                    .await
                    .map_err(|_| ConnectorError::timeout("the read timed out".into()))?,
                None => answering.await,
            };
            let response = answered.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|error| ConnectorError::user(error.into()))
        })
    }
}
