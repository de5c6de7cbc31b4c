//! What a link presigned with SigV4 signs: the canonical request and the text of AWS's guide, as S3 says them where a signature is another one.

use bytes::Bytes;
use http::Request;
use sha2::{Digest as _, Sha256};

use super::request_parts::find_request_query_parameter;

/// Whether a query is that of such a link, whole or not.
pub fn is_presigned_v4(query: &str) -> bool {
    ["X-Amz-Algorithm", "X-Amz-Signature"]
        .iter()
        .any(|name| find_request_query_parameter(query, name).is_some())
}

/// Describes what would have had to be signed, as S3 does where the signature is another one.
pub fn describe_signature(request: &Request<Bytes>) -> Vec<(&'static str, String)> {
    let query = request.uri().query().unwrap_or_default();
    let get = |name: &str| find_request_query_parameter(query, name).unwrap_or_default();
    let (credential, date, names) = (get("X-Amz-Credential"), get("X-Amz-Date"), get("X-Amz-SignedHeaders"));
    let mut pairs: Vec<&str> =
        query.split('&').filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
    pairs.sort_unstable();
    let headers: String = names
        .split(';')
        .map(|name| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            format!("{name}:{}\n", value.trim())
        })
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\nUNSIGNED-PAYLOAD",
        request.method(),
        request.uri().path(),
        pairs.join("&")
    );
    let (key, scope) = credential.split_once('/').unwrap_or((&credential, ""));
    let digest = hex::encode(Sha256::digest(&canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
    let spell = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    vec![
        ("AWSAccessKeyId", key.to_owned()),
        ("StringToSignBytes", spell(&to_sign)),
        ("StringToSign", to_sign),
        ("SignatureProvided", get("X-Amz-Signature")),
        ("CanonicalRequestBytes", spell(&canonical)),
        ("CanonicalRequest", canonical),
    ]
}
