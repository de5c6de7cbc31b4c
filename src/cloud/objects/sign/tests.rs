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

fn theirs(
    headers: &Headers,
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
    type Row<'a> = (Method, &'a str, &'a str, Headers, &'a [u8], Option<&'a str>);
    let table: [Row<'_>; 4] = [
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
        let expected = theirs(&headers, &method, &target, body, now, token);
        let token = token.map(|token| HeaderValue::from_str(token).unwrap());
        let keys =
            Keys::derive("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", token, None, "eu-west-1", now);
        assert_eq!(keys.stamp(now), stamp(now));
        keys.sign(now, &method, path, query, &mut headers, body);
        let ours = headers.iter().find(|(name, _)| name == http::header::AUTHORIZATION).unwrap();
        assert_eq!(ours.1.to_str().unwrap(), expected, "{method} {target}");
        assert!(!format!("{keys:?}").contains("wJalr"));
    }
}

#[tokio::test]
async fn credentials_that_stay_the_same_after_a_refusal_are_a_failure() {
    let provider = SharedCredentialsProvider::new(Credentials::new("AKIA", "s", None, None, "test"));
    let signer = Signer::new("us-east-1", provider, SharedTimeSource::default());
    let keys = signer.keys(signer.now()).await.unwrap();
    let failure = signer.renew(&keys).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Credentials);
    assert!(failure.next.contains("goes on where it was"));
}
