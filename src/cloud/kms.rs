//! KMS: the key that the function's secret is encrypted under, its alias and its policy, in us-east-1.
//!
//! A key is found, by alias or as an orphan by our tag, before one is made: each made costs money for ever.

use super::{Cloud, Say};
use crate::model::{failure::Failure, names::Names, seen::KmsKey};

impl Cloud {
    /// The key behind our alias, else an enabled one that carries our tag.
    pub async fn key(&self, names: &Names) -> Result<Option<KmsKey>, Failure> {
        todo!()
    }

    /// The key, made with its policy and tags where `seen` is none.
    pub async fn ensure_key(
        &self,
        names: &Names,
        seen: Option<&KmsKey>,
        role_arn: &str,
        account: &str,
        adopt: bool,
        say: Say<'_>,
    ) -> Result<KmsKey, Failure> {
        todo!()
    }

    /// Our alias points at the key; an alias that points elsewhere is never moved.
    pub async fn ensure_alias(&self, names: &Names, key: &KmsKey, say: Say<'_>) -> Result<(), Failure> {
        todo!()
    }

    /// Our statements stand in the key's policy; every other stays as it was.
    pub async fn ensure_key_policy(
        &self,
        names: &Names,
        key: &KmsKey,
        role_arn: &str,
        account: &str,
        say: Say<'_>,
    ) -> Result<(), Failure> {
        todo!()
    }

    /// The ciphertext under the encryption context `packagecloud:enterprise` = bucket.
    pub async fn encrypt(&self, key_arn: &str, plaintext: &[u8], bucket: &str) -> Result<Vec<u8>, Failure> {
        todo!()
    }
}
