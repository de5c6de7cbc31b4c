//! Plain HTTP requests, as a package manager makes them: to packagecloud, to the packages domain, to S3 without AWS's signature.
//!
//! They go through the same HTTP client as the AWS calls, so that a sandbox serves them too, and never follow a redirect by themselves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_config::SdkConfig;
use aws_smithy_async::{
    rt::sleep::{SharedAsyncSleep, TokioSleep},
    time::SharedTimeSource,
};
use aws_smithy_runtime::client::{
    auth::no_auth::{NO_AUTH_SCHEME_ID, NoAuthScheme},
    identity::{IdentityCache, no_auth::NoAuthIdentityResolver},
    orchestrator::endpoints::StaticUriEndpointResolver,
    retries::strategy::NeverRetryStrategy,
};
use aws_smithy_runtime_api::client::{
    auth::static_resolver::StaticAuthSchemeOptionResolver,
    http::{HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    identity::SharedIdentityResolver,
    orchestrator::HttpRequest,
    runtime_components::{RuntimeComponents, RuntimeComponentsBuilder},
};
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::network::CONNECT_TIMEOUT;
use crate::model::{
    failure::{Failure, FailureKind},
    redact::redact_secrets_in_line,
};

/// How long one request may take, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// A probe reads this much of a body at most, in bytes.
const BODY_MAX_BYTES: usize = 2 * 1024 * 1024;

/// An answer: header names are lower case.
#[derive(Debug, Clone)]
pub struct WebReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl WebReply {
    /// Finds a header's value by its name in lower case.
    #[must_use]
    pub fn find_header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A client for requests that AWS doesn't sign.
#[derive(Debug, Clone)]
pub struct WebClient {
    client: SharedHttpClient,
    /// Reach the distribution here instead of at its own domain (`--edge-url`), as `https://host[:port]`.
    edge: Option<String>,
    components: RuntimeComponents,
    /// How many requests were sent, by this client and its clones.
    sent: Arc<AtomicUsize>,
}

impl WebClient {
    /// Returns a client over `client`, whose connections time out by `clock`; `edge` is `--edge-url`.
    #[must_use]
    pub fn new(client: SharedHttpClient, clock: SharedTimeSource, edge: Option<String>) -> Self {
        let sleep = SharedAsyncSleep::new(TokioSleep::new());
        Self { client, edge, components: build_runtime_components(sleep, clock), sent: Arc::default() }
    }

    /// Returns a client over the HTTP client of a configuration, by its clock.
    ///
    /// # Panics
    /// Where the configuration has none: a sandbox's has.
    #[must_use]
    pub(crate) fn from_sdk_config(config: &SdkConfig, edge: Option<String>) -> Self {
        let client = config.http_client().expect("a sandbox's configuration has its HTTP client");
        Self::new(client, config.time_source().unwrap_or_default(), edge)
    }

    /// Opens a connection to where this client leads: for requests that are signed elsewhere.
    #[must_use]
    pub fn build_http_connector(&self) -> SharedHttpConnector {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
        self.client.http_connector(&settings, &self.components)
    }

    /// Sends one GET, with `headers`.
    ///
    /// # Errors
    /// Where there is no answer; any status is an answer.
    pub async fn send_http_get(&self, url: &str, headers: &[(&str, &str)]) -> Result<WebReply, Failure> {
        self.send_http_get_within(url, headers, CONNECT_TIMEOUT).await
    }

    /// Sends one GET over a connection that no request before it used, so that another edge may answer.
    ///
    /// # Errors
    /// Where there is no answer; any status is an answer.
    pub async fn send_http_get_over_fresh_connection(&self, url: &str) -> Result<WebReply, Failure> {
        // A client keeps its connections by its settings: with a time-out of its own a request meets none of another.
        static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);
        let own = Duration::from_micros(NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed));
        self.send_http_get_within(url, &[], CONNECT_TIMEOUT + own).await
    }

    async fn send_http_get_within(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        connect_timeout: Duration,
    ) -> Result<WebReply, Failure> {
        let unreachable = |why: String| {
            // A redirect may lead to `https://user:password@…`.
            let place = redact_secrets_in_line::<&str>(url.split('?').next().unwrap_or(url), &[]);
            Failure::new(
                FailureKind::Unreachable,
                place,
                why,
                "check the network, the proxy and the name, then try again",
            )
        };
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(url).map_err(|error| unreachable(error.to_string()))?;
        for (name, value) in headers {
            request
                .headers_mut()
                .try_insert((*name).to_owned(), (*value).to_owned())
                .map_err(|error| unreachable(error.to_string()))?;
        }
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(connect_timeout)
            .read_timeout(REQUEST_TIMEOUT)
            .build();
        let connector = self.client.http_connector(&settings, &self.components);
        self.sent.fetch_add(1, Ordering::Relaxed);
        let exchange = async {
            let response =
                connector.call(request).await.map_err(|error| unreachable(render_error_chain(&error)))?;
            let status = response.status().as_u16();
            let headers = response
                .headers()
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            // A probe may name a package of any size: its beginning tells enough.
            let mut body = BytesMut::new();
            let mut rest = response.into_body();
            while body.len() < BODY_MAX_BYTES
                && let Some(frame) = rest.frame().await
            {
                let frame = frame.map_err(|error| unreachable(error.to_string()))?;
                body.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            }
            let body = body.freeze();
            Ok(WebReply { status, headers, body })
        };
        tokio::time::timeout(REQUEST_TIMEOUT, exchange)
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs())))?
    }

    /// Returns how many requests were sent, by this client and its clones.
    #[must_use]
    pub fn count_sent_requests(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns `url` as it is reached from here: on the distribution's domain, through `--edge-url` where that is
    /// given.
    #[must_use]
    pub fn build_edge_url(&self, domain: &str, path_and_query: &str) -> String {
        self.edge.as_ref().map_or_else(
            || format!("https://{domain}{path_and_query}"),
            |edge| format!("{}{path_and_query}", edge.trim_end_matches('/')),
        )
    }

    /// Returns the address at which the distribution is reached instead of its own (`--edge-url`), where there is one.
    #[must_use]
    pub fn edge_address_override(&self) -> Option<&str> {
        self.edge.as_deref()
    }

    /// Returns whether the distribution is reached at another address than its own.
    #[must_use]
    pub fn has_edge_address_override(&self) -> bool {
        self.edge.is_some()
    }
}

/// Builds what a connector is made with outside of an SDK call: nothing signs, nothing retries.
#[must_use]
pub fn build_runtime_components(sleep: SharedAsyncSleep, clock: SharedTimeSource) -> RuntimeComponents {
    RuntimeComponentsBuilder::new("web")
        .with_sleep_impl(Some(sleep))
        .with_time_source(Some(clock))
        .with_auth_scheme(NoAuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![NO_AUTH_SCHEME_ID])))
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::http_localhost(0)))
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_identity_resolver(NO_AUTH_SCHEME_ID, SharedIdentityResolver::new(NoAuthIdentityResolver::new()))
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        .build()
        .expect("every component that is required was given")
}

/// An error with its sources: a connector's own words are only its outermost.
fn render_error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
