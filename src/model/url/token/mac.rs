//! The two MACs of a token, and a secret's fingerprint: a comparison takes constant time.

use hmac::{Hmac, KeyInit, Mac as _};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::Sha256;

use crate::model::{failure::Failure, secret::Secret};

/// Which hash; the digits of a token say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenMacAlgorithm {
    /// What packagecloud servers emit: 40 digits.
    Sha1,
    /// What `sign` and other fronts use: 64 digits.
    #[default]
    Sha256,
}

impl TokenMacAlgorithm {
    /// Computes the MAC of `message`.
    pub(super) fn compute_mac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => {
                new_hmac_from_key::<Hmac<Sha1>>(key).chain_update(message).finalize().into_bytes().to_vec()
            }
            Self::Sha256 => {
                new_hmac_from_key::<Hmac<Sha256>>(key).chain_update(message).finalize().into_bytes().to_vec()
            }
        }
    }

    /// Returns whether `mac` is that of `message`, in constant time.
    pub(super) fn verify_mac(self, key: &[u8], message: &[u8], mac: &[u8]) -> bool {
        match self {
            Self::Sha1 => {
                new_hmac_from_key::<Hmac<Sha1>>(key).chain_update(message).verify_slice(mac).is_ok()
            }
            Self::Sha256 => {
                new_hmac_from_key::<Hmac<Sha256>>(key).chain_update(message).verify_slice(mac).is_ok()
            }
        }
    }
}

fn new_hmac_from_key<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// Returns by what a secret is known without being shown: the first 32 hex digits of an HMAC under its decoded bytes.
///
/// # Errors
/// Where the secret doesn't decode.
pub fn compute_secret_fingerprint(secret: &Secret) -> Result<String, Failure> {
    let key = secret.decode_base64_secret_key()?;
    let mut digits =
        hex::encode(TokenMacAlgorithm::Sha256.compute_mac(&key, b"packagecloud-cloudfront fingerprint"));
    digits.truncate(32);
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_what_openssl_says() {
        // printf 'packagecloud-cloudfront fingerprint' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        let secret = Secret::new("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        assert_eq!(compute_secret_fingerprint(&secret).unwrap(), "582298402f35582c2613912261fc6e2e");
    }

    #[test]
    fn both_macs_are_those_of_their_standards() {
        // RFC 2202 and RFC 4231, test case 2.
        let message = b"what do ya want for nothing?";
        assert_eq!(
            hex::encode(TokenMacAlgorithm::Sha1.compute_mac(b"Jefe", message)),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        let sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(TokenMacAlgorithm::Sha256.compute_mac(b"Jefe", message)), sha256);
        assert!(TokenMacAlgorithm::Sha256.verify_mac(b"Jefe", message, &hex::decode(sha256).unwrap()));
        assert!(!TokenMacAlgorithm::Sha1.verify_mac(b"Jefe", message, &[0; 20]));
    }
}
