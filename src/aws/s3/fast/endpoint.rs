//! Over which transport a bucket's address is reached: TLS, proxies, a connector that is plugged in.
//!
//! Certificates are those of the machine, or AWS_CA_BUNDLE's alone; where the environment names a proxy, the SDK's own
//! connector is used, which knows proxies.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use http::HeaderValue;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};

use super::pool::{S3ConnectionPool, S3ConnectionStream};
use crate::aws::network::{build_http_connector, is_loopback_host, read_ca_bundle};
use crate::model::failure::{Failure, FailureKind};

/// How a bucket is addressed.
#[derive(Debug)]
pub struct BucketEndpoint {
    pub host: HeaderValue,
    /// What stands before a key: `/`, or `/bucket/`.
    pub root: String,
}

fn build_invalid_endpoint_failure(url: &str, why: impl Into<String>) -> Failure {
    Failure::new_usage_failure(
        format!("S3's endpoint {url}"),
        why,
        "write it as http://HOST:PORT or https://HOST, where it is set: --endpoint-url, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile",
    )
}

/// Returns the address of the bucket whose objects' URLs begin with `url`, and the stream to it.
///
/// # Errors
/// Where the URL can't be understood, or AWS_CA_BUNDLE can't be used.
pub fn build_bucket_endpoint(
    url: &str,
    plugged: Option<SharedHttpConnector>,
) -> Result<(BucketEndpoint, S3ConnectionStream), Failure> {
    let uri: http::Uri = url
        .parse()
        .map_err(|error: http::uri::InvalidUri| build_invalid_endpoint_failure(url, error.to_string()))?;
    let authority = uri.authority().ok_or_else(|| build_invalid_endpoint_failure(url, "it names no host"))?;
    let root = uri.path().to_owned();
    let host = HeaderValue::from_str(authority.as_str())
        .map_err(|error| build_invalid_endpoint_failure(url, error.to_string()))?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(build_invalid_endpoint_failure(url, "it is neither http nor https")),
    };
    let base = format!("{}://{authority}", if secure { "https" } else { "http" });
    let address = BucketEndpoint { host, root };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let transport = match plugged {
        Some(connector) => S3ConnectionStream::Plugged { connector, base },
        None if uses_environment_proxy_for_host(secure, name) => {
            S3ConnectionStream::Plugged { connector: SharedHttpConnector::new(build_http_connector()?), base }
        }
        None => {
            let tls = if secure {
                let server = ServerName::try_from(name.to_owned())
                    .map_err(|error| build_invalid_endpoint_failure(url, error.to_string()))?;
                Some((build_s3_tls_config()?, server))
            } else {
                None
            };
            S3ConnectionStream::Direct(S3ConnectionPool::new(
                name,
                authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
                tls,
            ))
        }
    };
    Ok((address, transport))
}

/// Whether the environment names a proxy for such requests; loopback is never behind one.
fn uses_environment_proxy_for_host(secure: bool, host: &str) -> bool {
    let names: &[&str] = if secure {
        &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    } else {
        &["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"]
    };
    !is_loopback_host(host)
        && names.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn build_s3_tls_config() -> Result<Arc<rustls::ClientConfig>, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some((path, pem)) = read_ca_bundle()? {
        for certificate in CertificateDer::pem_slice_iter(&pem).flatten() {
            roots.add_parsable_certificates([certificate]);
        }
        if roots.is_empty() {
            return Err(Failure::new_generic_failure(
                format!("AWS_CA_BUNDLE {path}"),
                "it holds no certificate",
                "correct AWS_CA_BUNDLE, or unset it",
            ));
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Failure::new(
                FailureKind::Unreachable,
                "this machine's certificates",
                "none were found, so that S3 can't be recognised",
                "install the package ca-certificates, or set AWS_CA_BUNDLE",
            ));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new_generic_failure("TLS", error.to_string(), "report this"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_path() {
        for (url, host, root) in [
            ("http://127.0.0.1:9311/b/", "127.0.0.1:9311", "/b/"),
            ("http://127.0.0.1:9311/s3/b/", "127.0.0.1:9311", "/s3/b/"),
            ("http://b.s3.us-east-1.amazonaws.com/", "b.s3.us-east-1.amazonaws.com", "/"),
        ] {
            let (address, _) = build_bucket_endpoint(url, None).unwrap();
            assert_eq!((address.host.to_str().unwrap(), address.root.as_str()), (host, root));
        }
        for (url, why) in [("ftp://x/b/", "neither"), ("/b/", "names no host"), ("http://a b/", "invalid")] {
            let failure = build_bucket_endpoint(url, None).err().unwrap();
            assert!(failure.why.contains(why), "{failure}");
        }
    }
}
