//! How every request reaches the network: through the proxy that the environment names, trusting what it says to trust.
//!
//! One client serves AWS's services, what credentials are fetched with, and plain requests: HTTPS_PROXY, HTTP_PROXY and
//! NO_PROXY hold for all of them; so does AWS_CA_BUNDLE, whose certificates alone are trusted where it is set.

use std::{net::IpAddr, time::Duration};

use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{self, TlsContext, TrustStore},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    runtime_components::RuntimeComponents,
};

use super::home_path::expand_home_path;
use crate::model::failure::Failure;

/// How long a connection may take to be made.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TLS_PROVIDER: tls::Provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);

/// Returns whether a host, as it stands in a URL, is this machine and nothing else.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads the file that AWS_CA_BUNDLE names; none where it is unset.
///
/// # Errors
/// Where it can't be read.
pub(super) fn read_ca_bundle() -> Result<Option<(String, Vec<u8>)>, Failure> {
    let Some(path) = std::env::var("AWS_CA_BUNDLE").ok().filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    match std::fs::read(expand_home_path(&path)) {
        Ok(pem) => Ok(Some((path, pem))),
        Err(error) => Err(Failure::new_generic_failure(
            format!("AWS_CA_BUNDLE {path}"),
            error.to_string(),
            "correct AWS_CA_BUNDLE, or unset it",
        )),
    }
}

/// Builds what says whose certificates are trusted.
///
/// # Errors
/// Where AWS_CA_BUNDLE can't be read, or holds no certificates.
pub(super) fn build_aws_sdk_tls_context() -> Result<TlsContext, Failure> {
    let store = match read_ca_bundle()? {
        Some((_, pem)) => TrustStore::empty().with_pem_certificate(pem),
        None => TrustStore::default(),
    };
    TlsContext::builder().with_trust_store(store).build().map_err(|error| {
        Failure::new_generic_failure("AWS_CA_BUNDLE", error.to_string(), "correct AWS_CA_BUNDLE, or unset it")
    })
}

/// Builds a connector with the proxy and the trust of the environment.
///
/// # Errors
/// Where AWS_CA_BUNDLE can't be used.
pub(super) fn build_http_connector() -> Result<Connector, Failure> {
    Ok(Connector::builder()
        .proxy_config(ProxyConfig::from_env())
        .tls_provider(TLS_PROVIDER)
        .tls_context(build_aws_sdk_tls_context()?)
        .build())
}

/// Builds the client for everything that leaves this machine.
///
/// # Errors
/// Where AWS_CA_BUNDLE can't be read.
pub fn build_http_client() -> Result<SharedHttpClient, Failure> {
    let trust = build_aws_sdk_tls_context()?;
    // The SDK's own default client is made by this same function; its builder of clients knows no proxy.
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(TLS_PROVIDER)
            .tls_context(trust.clone())
            .build()
    });
    Ok(SharedHttpClient::new(LazyConnectorClient(client)))
}

/// Makes a connector when a request first needs it, and no other to see whether it can: each reads all certificates.
#[derive(Debug)]
struct LazyConnectorClient(SharedHttpClient);

impl HttpClient for LazyConnectorClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }
}
