//! The function's zip and its version's description: the same inputs make the same bytes, always, so that a version is made only where something changed.
//!
//! A ciphertext differs each time that a secret is encrypted; so it is no part of the digest, and the secrets count by
//! their fingerprints.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::lambda_runtime::AUTHENTICATOR_RUNTIME,
    failure::Failure,
    secret::Secret,
    url::token::{UrlTokenConstruction, compute_secret_fingerprint},
};

pub const LAMBDA_HANDLER: &str = "index.handler";
/// Megabytes; a viewer request allows so much, and 5 s at most.
pub const MEMORY_MB: i32 = 128;
/// Seconds.
pub const TIMEOUT_SECONDS: i32 = 5;

/// The code, in the order of the zip; `keys.json` comes last.
const CODE_FILES: [(&str, &str); 3] = [
    ("index.mjs", include_str!("../../edge/index.mjs")),
    ("secrets.mjs", include_str!("../../edge/secrets.mjs")),
    ("token.mjs", include_str!("../../edge/token.mjs")),
];
pub const KEYS_FILE: &str = "keys.json";

/// Lambda's limit on a version's description, in characters; three fingerprints fit.
const DESCRIPTION_MAX_CHARS: usize = 256;
/// The secrets that an edge may hold at once, the current one among them.
pub const SECRETS_MAX: usize = 3;
const DESCRIPTION_PREFIX: &str = "packagecloud-cloudfront";

/// `keys.json`, as the function reads it. The plaintexts are `cloudfront_secret` as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptedKeysFile {
    pub construction: UrlTokenConstruction,
    pub keys: Vec<EncryptedSigningKey>,
}

/// One secret, encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptedSigningKey {
    /// Of the KMS key.
    pub arn: String,
    /// Base64 of KMS's ciphertext.
    pub ciphertext: String,
    /// The encryption context.
    pub context: BTreeMap<String, String>,
}

/// Describes what is uploaded: each file with its size and digest, then how it runs. The last file is made when the plan is
/// applied, since each ciphertext is another.
#[must_use]
pub fn describe_function_files() -> Vec<String> {
    let mut lines: Vec<String> = CODE_FILES
        .iter()
        .map(|(name, text)| {
            let digest = hex::encode(Sha256::digest(text.as_bytes()));
            format!("{name:<12} {:>6} bytes  SHA-256 {digest}", text.len())
        })
        .collect();
    lines.push(format!(
        "{KEYS_FILE:<12} the secret, encrypted with the KMS key: only the role can decrypt it"
    ));
    lines.push(format!(
        "runtime {AUTHENTICATOR_RUNTIME}, handler {LAMBDA_HANDLER}, {MEMORY_MB} MB, {TIMEOUT_SECONDS} s"
    ));
    lines
}

/// What a function version is made of, apart from the secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeBundle {
    pub construction: UrlTokenConstruction,
    pub key_arn: String,
    /// The encryption context: `packagecloud:enterprise` = bucket.
    pub context: BTreeMap<String, String>,
}

impl EdgeBundle {
    /// Returns the digest of everything that changes what the function does, but the secrets: 64 hex digits.
    #[must_use]
    pub fn compute_bundle_digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut field = |name: &str, value: &str| {
            // With lengths, so that no two lists of fields read alike.
            hash.update(format!("{}:{name}{}:{value}", name.len(), value.len()));
        };
        for (name, text) in CODE_FILES {
            field(name, text);
        }
        field("construction", &self.construction.to_string());
        field("key", &self.key_arn);
        for (name, value) in &self.context {
            field("context", name);
            field("value", value);
        }
        field("runtime", AUTHENTICATOR_RUNTIME);
        field("handler", LAMBDA_HANDLER);
        field("memory", &MEMORY_MB.to_string());
        field("timeout", &TIMEOUT_SECONDS.to_string());
        hex::encode(hash.finalize())
    }

    /// Renders the function version's description: of the secrets that it holds, the current one first, their `fingerprints`.
    ///
    /// Where it equals that of the version that stands, no new one is made; it can be told before anything is
    /// encrypted.
    ///
    /// # Errors
    /// Where there are none, or more than fit.
    pub fn render_version_description(&self, fingerprints: Vec<String>) -> Result<String, Failure> {
        if fingerprints.is_empty() || fingerprints.len() > SECRETS_MAX {
            return Err(Failure::new_generic_failure(
                "the function's secrets",
                format!(
                    "the edge would have to accept {}: the one in packagecloud.rb and all that it accepts now; one to {SECRETS_MAX} fit",
                    fingerprints.len()
                ),
                format!(
                    "put one of those that it accepts back into packagecloud.rb (this lists the backups: {}), then run: {}",
                    render_proposed_command("roll-back", &[]),
                    render_same_command_again(&[])
                ),
            ));
        }
        let described = FunctionVersionDescription {
            construction: self.construction,
            digest: self.compute_bundle_digest(),
            fingerprints,
        }
        .to_string();
        debug_assert!(described.len() <= DESCRIPTION_MAX_CHARS);
        Ok(described)
    }

    /// Builds the zip to upload, with KMS's `ciphertexts` and then what is `carried` from another version, as it is there, in
    /// the order of the description.
    #[must_use]
    pub fn build_edge_function_zip(
        &self,
        ciphertexts: &[Vec<u8>],
        carried: &[EncryptedSigningKey],
    ) -> Vec<u8> {
        let seal = |ciphertext: &Vec<u8>| EncryptedSigningKey {
            arn: self.key_arn.clone(),
            ciphertext: STANDARD.encode(ciphertext),
            context: self.context.clone(),
        };
        let keys = EncryptedKeysFile {
            construction: self.construction,
            keys: ciphertexts.iter().map(seal).chain(carried.iter().cloned()).collect(),
        };
        let keys = serde_json::to_string_pretty(&keys).expect("texts make JSON") + "\n";

        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o644);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in CODE_FILES.into_iter().chain([(KEYS_FILE, keys.as_str())]) {
            zip.start_file(name, options)
                .and_then(|()| Ok(zip.write_all(text.as_bytes())?))
                .expect("a few small files fit into memory");
        }
        zip.finish().expect("a few small files fit into memory").into_inner()
    }
}

/// Reads the files of a zip, by name; those that are no text are left out.
///
/// # Errors
/// Where it is no zip, in a few words.
pub fn unzip_text_files(zip: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|error| error.to_string())?;
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| error.to_string())?;
        let mut text = String::new();
        let name = file.name().map_err(|error| error.to_string())?.into_owned();
        if file.read_to_string(&mut text).is_ok() {
            files.insert(name, text);
        }
    }
    Ok(files)
}

/// Reads the encrypted secrets of a version's zip, in the order of its description.
///
/// # Errors
/// Where it is no zip of ours, in a few words.
pub fn read_zip_signing_keys(zip: &[u8]) -> Result<Vec<EncryptedSigningKey>, String> {
    let text = unzip_text_files(zip)?.remove(KEYS_FILE).ok_or_else(|| format!("it has no {KEYS_FILE}"))?;
    let file: EncryptedKeysFile =
        serde_json::from_str(&text).map_err(|error| format!("{KEYS_FILE}: {error}"))?;
    Ok(file.keys)
}

/// What a function version's description tells, where it is one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionVersionDescription {
    pub construction: UrlTokenConstruction,
    pub digest: String,
    /// Of the secrets that the edge holds, the current one first.
    pub fingerprints: Vec<String>,
}

impl FunctionVersionDescription {
    /// Returns whether the edge holds this secret.
    ///
    /// # Errors
    /// Where the secret doesn't decode.
    pub fn is_signing_secret_deployed(&self, secret: &Secret) -> Result<bool, Failure> {
        Ok(self.fingerprints.contains(&compute_secret_fingerprint(secret)?))
    }
}

impl std::fmt::Display for FunctionVersionDescription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fingerprints = self.fingerprints.join(",");
        write!(f, "{DESCRIPTION_PREFIX} {} digest={} secrets={fingerprints}", self.construction, self.digest)
    }
}

/// Reads a function version's description back; None where it isn't ours.
#[must_use]
pub fn parse_function_version_description(description: &str) -> Option<FunctionVersionDescription> {
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut words = description.split(' ');
    if words.next()? != DESCRIPTION_PREFIX {
        return None;
    }
    let construction = words.next()?.parse().ok()?;
    let digest = words.next()?.strip_prefix("digest=")?.to_owned();
    let fingerprints: Vec<String> =
        words.next()?.strip_prefix("secrets=")?.split(',').map(ToOwned::to_owned).collect();
    let sound = words.next().is_none() && hex(&digest, 64) && fingerprints.iter().all(|known| hex(known, 32));
    sound.then_some(FunctionVersionDescription { construction, digest, fingerprints })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_bundle() -> EdgeBundle {
        EdgeBundle {
            construction: UrlTokenConstruction::default(),
            key_arn: "arn:aws:kms:us-east-1:111122223333:key/0a1b".into(),
            context: BTreeMap::from([("packagecloud:enterprise".into(), "packages".into())]),
        }
    }

    #[test]
    fn the_same_inputs_make_the_same_bytes_and_only_the_functions_own_files() {
        let zip = sample_bundle().build_edge_function_zip(&[vec![1, 2, 3]], &[]);
        assert_eq!(zip, sample_bundle().build_edge_function_zip(&[vec![1, 2, 3]], &[]));
        assert!(zip.len() < 1_048_576, "a viewer request's limit");
        let mut archive = ZipArchive::new(Cursor::new(&zip)).unwrap();
        let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["index.mjs", "secrets.mjs", "token.mjs", "keys.json"]);
        for index in 0..archive.len() {
            let file = archive.by_index(index).unwrap();
            assert_eq!(file.unix_mode(), Some(0o100_644));
            assert_eq!(file.last_modified(), Some(DateTime::DEFAULT));
            assert_eq!(file.compression(), CompressionMethod::Stored);
        }
        let keys = read_zip_signing_keys(&zip).unwrap();
        assert_eq!(keys[0].ciphertext, "AQID");
        assert_eq!(keys[0].context["packagecloud:enterprise"], "packages");
    }

    #[test]
    fn what_is_carried_is_as_it_was_and_comes_after_the_current_one() {
        let before =
            EdgeBundle { key_arn: "arn:aws:kms:us-east-1:111122223333:key/old".into(), ..sample_bundle() };
        let held = read_zip_signing_keys(&before.build_edge_function_zip(&[vec![1], vec![2]], &[])).unwrap();
        let zip = sample_bundle().build_edge_function_zip(&[vec![9]], &held);
        let keys = read_zip_signing_keys(&zip).unwrap();
        assert_eq!((keys[0].ciphertext.as_str(), &keys[1..]), ("CQ==", &held[..]));
        assert!(read_zip_signing_keys(b"no zip").is_err());
    }

    #[test]
    fn the_digest_follows_everything_but_the_secrets() {
        let stands = sample_bundle().compute_bundle_digest();
        let mut others = vec![
            EdgeBundle { construction: "raw:path+expires".parse().unwrap(), ..sample_bundle() },
            EdgeBundle { key_arn: "arn:aws:kms:us-east-1:111122223333:key/other".into(), ..sample_bundle() },
            EdgeBundle { context: BTreeMap::new(), ..sample_bundle() },
        ];
        others.push(EdgeBundle {
            context: BTreeMap::from([("packagecloud:enterprisep".into(), "ackages".into())]),
            ..sample_bundle()
        });
        for other in others {
            assert_ne!(other.compute_bundle_digest(), stands, "{other:?}");
        }
    }

    #[test]
    fn a_description_fits_lambda_and_reads_back() {
        let secrets: Vec<Secret> =
            (0..4).map(|byte| Secret::generate_cloudfront_secret(&[byte; 16])).collect();
        let longest =
            EdgeBundle { construction: "decoded:host+path+expires".parse().unwrap(), ..sample_bundle() };
        let fingerprints = |secrets: &[Secret]| -> Vec<String> {
            secrets.iter().map(|secret| compute_secret_fingerprint(secret).unwrap()).collect()
        };
        let text = longest.render_version_description(fingerprints(&secrets[..3])).unwrap();
        assert!(text.chars().count() <= DESCRIPTION_MAX_CHARS, "{}", text.len());
        let described = parse_function_version_description(&text).unwrap();
        assert_eq!(described.to_string(), text);
        assert_eq!(
            (described.construction, &described.digest),
            (longest.construction, &longest.compute_bundle_digest())
        );
        assert!(
            described.is_signing_secret_deployed(&secrets[2]).unwrap()
                && !described.is_signing_secret_deployed(&secrets[3]).unwrap()
        );

        let failure = longest.render_version_description(fingerprints(&secrets)).unwrap_err();
        assert!(failure.why.contains("accept 4"), "{failure:?}");
        assert!(longest.render_version_description(Vec::new()).is_err());
    }

    #[test]
    fn a_description_of_somebody_elses_is_not_read() {
        let ours = sample_bundle().render_version_description(vec!["0".repeat(32)]).unwrap();
        for text in [
            "",
            "CloudFront auth",
            DESCRIPTION_PREFIX,
            &ours[1..],
            &ours[..ours.len() - 1],
            &format!("{ours} more"),
        ] {
            assert_eq!(parse_function_version_description(text), None, "{text}");
        }
    }
}
