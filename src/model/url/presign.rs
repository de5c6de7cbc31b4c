//! S3's query-string signature, version 2: how packagecloud:enterprise signs its redirects to S3 while CloudFront is off.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;

use crate::model::secret::Secret;

const PATH_ENCODE_SET: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Signs a link to `key`, good until `expires` (Unix seconds):
/// `https://<bucket>.s3.<region>.amazonaws.com/<key>?AWSAccessKeyId=…`. Source: S3's developer guide, "Signing and
/// authenticating REST requests", query string authentication.
#[must_use]
pub fn presign_url_sigv2(
    bucket: &str,
    region: &str,
    key: &str,
    access: &str,
    secret: &Secret,
    expires: u64,
) -> String {
    let path = utf8_percent_encode(key, PATH_ENCODE_SET);
    let message = format!("GET\n\n\n{expires}\n/{bucket}/{path}");
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    format!(
        "https://{bucket}.s3.{region}.amazonaws.com/{path}?AWSAccessKeyId={access}&Expires={expires}&Signature={signature}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_developer_guide_does() {
        // The guide's example: GET photos/puppy.jpg of johnsmith until 1175139620.
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let url = presign_url_sigv2(
            "johnsmith",
            "us-east-1",
            "photos/puppy.jpg",
            "AKIAIOSFODNN7EXAMPLE",
            &secret,
            1_175_139_620,
        );
        assert!(url.ends_with("Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D"), "{url}");
    }
}
