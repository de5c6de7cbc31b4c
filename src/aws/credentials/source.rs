//! Where credentials come from, and the keys that were given.
//!
//! A key that was typed or read from packagecloud.rb stays a `Secret`: it reaches the SDK's provider and nothing else.

use aws_credential_types::Credentials;

use crate::model::{
    failure::{Failure, FailureKind},
    secret::Secret,
};

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    Profile(String),
    /// Of a profile whose role wants the code of a device: the session that a code gave.
    Session {
        profile: String,
        keys: AwsAccessKeys,
    },
    /// Typed by the operator.
    Typed(AwsAccessKeys),
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// packagecloud.rb's `aws_access_key` and `aws_secret_key`.
    Packagecloud(AwsAccessKeys),
    /// The rest of AWS's chain: default profile, web identity, container, instance.
    Chain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsAccessKeys {
    pub access: String,
    pub secret: Secret,
    pub session: Option<Secret>,
}

impl AwsAccessKeys {
    /// Returns the keys for one client's provider: they stay as they are for as long as it lives. Blanks and line ends
    /// around them are none of them.
    pub fn to_sdk_credentials(&self) -> Credentials {
        let session = self.session.as_ref().map(|token| token.expose_secret().trim().to_owned());
        let (access, secret) = (self.access.trim(), self.secret.expose_secret().trim());
        Credentials::new(access, secret, session, None, "packagecloud-cloudfront")
    }
}

/// One identity that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialCandidate {
    pub source: CredentialSource,
    /// How it was found: `profile work`, `AWS_ACCESS_KEY_ID in the environment`.
    pub found: String,
}

impl CredentialCandidate {
    /// Returns the one identity of a sandbox.
    #[must_use]
    pub fn new_sandbox_user_candidate() -> Self {
        Self { source: CredentialSource::Environment, found: "the sandbox's one user".to_owned() }
    }
}

/// Tells what keeps a text from being a part of a key; AWS's keys are letters, digits and signs alone.
pub(super) fn find_access_key_fault(text: &str) -> Option<&'static str> {
    if text.contains(char::is_whitespace) {
        Some("holds a blank or a line end, which no key has")
    } else {
        text.contains(|c: char| !c.is_ascii_graphic()).then_some("holds a character that no key has")
    }
}

/// Refuses keys that no request could be signed with.
///
/// # Errors
/// Where one of them holds what no key holds: which, and never the key.
pub(super) fn check_credential_source_keys(source: &CredentialSource) -> Result<(), Failure> {
    let refused = |what: String, fault: &str, next: &str| {
        Err(Failure::new(FailureKind::Credentials, what, format!("it {fault}"), next))
    };
    match source {
        CredentialSource::Environment => {
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
                let value = std::env::var(name).unwrap_or_default();
                if let Some(fault) = find_access_key_fault(value.trim()) {
                    return refused(
                        format!("{name} in the environment"),
                        fault,
                        "set it again, in one piece",
                    );
                }
            }
            Ok(())
        }
        CredentialSource::Typed(keys)
        | CredentialSource::Packagecloud(keys)
        | CredentialSource::Session { keys, .. } => {
            let session = keys.session.as_ref().map_or("", |token| token.expose_secret());
            let parts = [
                ("access key", &*keys.access),
                ("secret key", keys.secret.expose_secret()),
                ("session token", session),
            ];
            let place = match source {
                CredentialSource::Packagecloud(_) => " in packagecloud.rb",
                _ => "",
            };
            match parts.into_iter().find_map(|(name, text)| Some((name, find_access_key_fault(text.trim())?)))
            {
                Some((name, fault)) => {
                    refused(format!("the {name}{place}"), fault, "write it again, in one piece")
                }
                None => Ok(()),
            }
        }
        CredentialSource::Profile(_) | CredentialSource::Chain => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_no_request_could_be_signed_with_are_refused_by_their_part() {
        let source = |access: &str, secret: &str, session: Option<&str>| {
            CredentialSource::Packagecloud(AwsAccessKeys {
                access: access.into(),
                secret: Secret::new(secret),
                session: session.map(Secret::new),
            })
        };
        for (keys, what, why) in [
            (source("AKIA1\n", " s/+=\r\n", Some("t==")), None, ""),
            (source("AKIA 1", "s", None), Some("the access key in packagecloud.rb"), "a blank or a line end"),
            (
                source("A", "one\ntwo", None),
                Some("the secret key in packagecloud.rb"),
                "a blank or a line end",
            ),
            (source("A", "s", Some("t\u{0}t")), Some("the session token in packagecloud.rb"), "no key has"),
            (source("A\u{fc}", "s", None), Some("the access key in packagecloud.rb"), "no key has"),
        ] {
            let refused = check_credential_source_keys(&keys).err();
            assert_eq!(refused.as_ref().map(|failure| &*failure.what), what);
            assert!(refused.is_none_or(|failure| failure.why.contains(why) && !failure.why.contains("two")));
        }
    }
}
