//! The secret that signs URLs, and any other text that must never be shown by accident.

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

use crate::model::failure::Failure;

/// A text that can't reach an event, a log or `--output json` by accident: not `Serialize`, its `Debug` prints
/// no secret, and it is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Returns a secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Makes a fresh `cloudfront_secret`: base64 of 32 lower-case hex characters made from 16 random bytes
    /// (contract section 4). `random` comes from the operating system; the caller draws it.
    #[must_use]
    pub fn generate_cloudfront_secret(random: &[u8; 16]) -> Self {
        let hexed = Zeroizing::new(hex::encode(random));
        Self::new(STANDARD.encode(hexed.as_bytes()))
    }

    /// Returns the text itself. Only for writing it where it belongs, or where it was asked for.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// Returns the key: the strictly decoded bytes, padding optional, 16 or more (contract section 4).
    ///
    /// # Errors
    /// Names the reason where the text isn't such base64.
    pub fn decode_base64_secret_key(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let refuse = |why: &str| {
            Failure::new_generic_failure(
                "cloudfront_secret",
                why,
                "correct it in packagecloud.rb, or have a new one made by --new-secret (links signed with the old one stop working)",
            )
        };
        if self.0.is_empty() {
            return Err(refuse("it is empty"));
        }
        let decoded = STANDARD
            .decode(self.0.as_bytes())
            .or_else(|_| STANDARD_NO_PAD.decode(self.0.as_bytes()))
            .map_err(|_| refuse("it is not base64"))?;
        if decoded.len() < 16 {
            return Err(refuse("it decodes to fewer than 16 bytes"));
        }
        Ok(Zeroizing::new(decoded))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_secret_has_the_shape_that_packagecloud_makes() {
        let secret = Secret::generate_cloudfront_secret(&[0xab; 16]);
        assert_eq!(secret.decode_base64_secret_key().unwrap().as_slice(), "ab".repeat(16).as_bytes());
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }

    #[test]
    fn what_does_not_decode_strictly_is_refused() {
        for (text, why) in [
            ("", "empty"),
            ("not base64!", "not base64"),
            ("c2hvcnQ=", "fewer than 16"),
            ("MDI2ZDhh\n", "not base64"),
        ] {
            assert!(Secret::new(text).decode_base64_secret_key().unwrap_err().why.contains(why), "{text}");
        }
        assert!(
            Secret::new("MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI").decode_base64_secret_key().is_ok(),
            "padding is optional"
        );
    }
}
