//! Signatures, held to those of aws-sigv4.

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};

use super::*;

fn sign_with_aws_sigv4(
    headers: &SignedRequestHeaderList,
    method: &Method,
    target: &str,
    body: &[u8],
    now: SystemTime,
    token: Option<&str>,
) -> String {
    let identity = Credentials::new(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG",
        token.map(Into::into),
        None,
        "test",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("s3")
        .time(now)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let url = format!("http://bucket.example{target}");
    let plain = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let request = SignableRequest::new(method.as_str(), &url, plain, SignableBody::Bytes(body)).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();

    instructions.headers().find(|(name, _)| *name == "authorization").unwrap().1.to_owned()
}

#[test]
fn the_signature_is_the_same_as_that_of_aws_sigv4() {
    let header = |name: &'static str, value: &str| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let now = UNIX_EPOCH + Duration::from_secs(1_795_467_296);
    type SignatureCase<'a> = (Method, &'a str, &'a str, SignedRequestHeaderList, &'a [u8], Option<&'a str>);
    let table: [SignatureCase<'_>; 4] = [
        (Method::HEAD, "/7/8/debian/package_files/97310.deb", "", vec![], b"", None),
        (
            Method::PUT,
            "/b/7/8/%2B%20%25%C3%A4~",
            "",
            vec![
                header("x-amz-meta-k", "two  spaces , and   more"),
                header("x-amz-copy-source", "/b/7/8/%2B"),
                header("content-type", "application/x-foo"),
                header("if-match", "\"abc\""),
            ],
            b"",
            Some("TOKEN+/="),
        ),
        (Method::GET, "/b", "list-type=2&prefix=7%2F8", vec![], b"", None),
        (Method::POST, "/b/k", "uploadId=x%2Fy", vec![], b"<a/>", None),
    ];
    for (method, path, query, mut headers, body, token) in table {
        headers.push((http::header::HOST, HeaderValue::from_static("bucket.example")));
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let expected = sign_with_aws_sigv4(&headers, &method, &target, body, now, token);
        let token = token.map(|token| HeaderValue::from_str(token).unwrap());
        let keys = SigV4SigningKeys::derive_sigv4_signing_keys(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG",
            token,
            None,
            "eu-west-1",
            now,
        );
        assert_eq!(keys.render_signing_day_amz_date(now), render_amz_date(now));
        keys.sign_request_sigv4(now, &method, path, query, &mut headers, body);
        let ours = headers.iter().find(|(name, _)| name == http::header::AUTHORIZATION).unwrap();
        assert_eq!(ours.1.to_str().unwrap(), expected, "{method} {target}");
        assert!(!format!("{keys:?}").contains("wJalr"));
    }
}

#[tokio::test]
async fn credentials_that_stay_the_same_after_a_refusal_are_a_failure() {
    let provider = SharedCredentialsProvider::new(Credentials::new("AKIA", "s", None, None, "test"));
    let signer = SigningKeyProvider::new("us-east-1", provider, SharedTimeSource::default());
    let keys = signer.current_sigv4_signing_keys(signer.current_signing_time()).await.unwrap();
    let failure = signer.renew_refused_signing_keys(&keys).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Credentials);
    assert!(failure.next.contains("continues where it stopped"));
}

/// Gives credentials once, and then fails, which takes a second; counts how often it was asked.
#[derive(Debug)]
struct FailingCredentialsSource {
    asked: Arc<std::sync::atomic::AtomicU32>,
    expires: SystemTime,
}

impl ProvideCredentials for FailingCredentialsSource {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let first = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        aws_credential_types::provider::future::ProvideCredentials::new(async move {
            if first {
                return Ok(Credentials::new("AKIA", "s", None, Some(self.expires), "test"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let inner = std::io::Error::other("SSO session expired");
            Err(aws_credential_types::provider::error::CredentialsError::provider_error(inner))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_asked_once_for_all_and_what_is_good_still_is_used() {
    let clock = SharedTimeSource::default();
    let began = clock.now();
    let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let source = FailingCredentialsSource { asked: count.clone(), expires: began + Duration::from_mins(10) };
    let signer = SigningKeyProvider::new("us-east-1", SharedCredentialsProvider::new(source), clock);
    let asked = || count.load(std::sync::atomic::Ordering::Relaxed);
    let all_at = |now| {
        futures::future::join_all(
            (0..500).map(|_| signer.current_sigv4_signing_keys(now)).collect::<Vec<_>>(),
        )
    };
    assert!(all_at(began).await.iter().all(Result::is_ok));
    assert_eq!(asked(), 1);
    // Four minutes before they expire their source is out of order.
    let late = began + Duration::from_mins(6);
    assert!(all_at(late).await.iter().all(|keys| keys.as_ref().is_ok_and(|keys| keys.access == "AKIA")));
    assert_eq!(asked(), 2);
    tokio::time::advance(RENEW_RETRY_DELAY).await;
    assert!(all_at(late + RENEW_RETRY_DELAY).await.iter().all(Result::is_ok));
    assert_eq!(asked(), 3, "and asked again later");
    // Once they expired it is a failure, in the source's own words.
    tokio::time::advance(RENEW_RETRY_DELAY).await;
    let over = began + Duration::from_mins(11);
    for keys in all_at(over).await {
        assert_eq!(keys.err().map(|failure| failure.why).as_deref(), Some("SSO session expired"));
    }
    assert_eq!(asked(), 4);
    let keys = signer.cached_signing_keys().unwrap();
    let began = Instant::now();
    for renewed in futures::future::join_all((0..500).map(|_| signer.renew_refused_signing_keys(&keys))).await
    {
        assert!(renewed.is_err());
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
