//! Why credentials can't be had, where more is known than the SDK says: the command that signs in, the file with a token.

use std::path::Path;

use super::{
    profiles::{AwsConfigFiles, DEFAULT_PROFILE},
    source::{CredentialCandidate, CredentialSource},
};
use crate::aws::home_path::expand_home_path;
use crate::model::failure::{Failure, FailureKind};

/// What `aws/error.rs` names, which knows no profile.
const SIGN_IN_COMMAND: &str = "aws sso login --profile NAME";

/// Puts what is known of a candidate into the failure to use its credentials.
#[must_use]
pub fn explain_credential_failure(failure: Failure, candidate: &CredentialCandidate) -> Failure {
    let (CredentialSource::Profile(profile) | CredentialSource::Session { profile, .. }) = &candidate.source
    else {
        return match candidate.source {
            CredentialSource::Chain => explain_with_config_files(failure, DEFAULT_PROFILE, true),
            _ => failure,
        };
    };
    explain_with_config_files(failure, profile, false)
}

fn explain_with_config_files(failure: Failure, profile: &str, is_chain: bool) -> Failure {
    if failure.kind != FailureKind::Credentials {
        return failure;
    }
    let Ok(files) = AwsConfigFiles::read_aws_config_files() else { return failure };
    let variable =
        std::env::var("AWS_WEB_IDENTITY_TOKEN_FILE").ok().filter(|path| is_chain && !path.is_empty());
    let named = match (&variable, files.find_web_identity_file(profile)) {
        (_, Some(path)) => Some((path, format!("web_identity_token_file of profile {profile}"))),
        (Some(path), None) => Some((expand_home_path(path), "AWS_WEB_IDENTITY_TOKEN_FILE".to_owned())),
        (None, None) => None,
    };
    if let Some(explained) = named.and_then(|(path, by)| explain_web_identity_file(&path, &by)) {
        return explained;
    }
    match files.find_sign_in_command(profile) {
        Some(command) if failure.next.contains(SIGN_IN_COMMAND) => {
            Failure { next: format!("type `{command}` in another terminal, then try again"), ..failure }
        }
        // Where it signs in nowhere, the hint at the command is none.
        None if !is_chain && failure.next.contains(SIGN_IN_COMMAND) => {
            Failure { next: format!("renew the credentials of profile {profile}, then try again"), ..failure }
        }
        _ => failure,
    }
}

/// The failure where there is no token in the file that one is read from; none where there is one.
fn explain_web_identity_file(path: &Path, by: &str) -> Option<Failure> {
    let why = find_web_identity_file_fault(path)?;
    Some(Failure::new(
        FailureKind::Credentials,
        path.display().to_string(),
        format!("no web identity token can be read there: {why}"),
        format!("see that whatever writes the token runs ({by} names the file), or choose another identity"),
    ))
}

fn find_web_identity_file_fault(path: &Path) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Some("the file is empty".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_token_is_named_with_who_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let explain = || explain_web_identity_file(&path, "web_identity_token_file of profile ci");
        let failure = explain().unwrap();
        assert!(failure.why.contains("No such file"), "{failure}");
        assert!(
            failure.next.contains("(web_identity_token_file of profile ci names the file)"),
            "{}",
            failure.next
        );
        std::fs::write(&path, "\n").unwrap();
        assert!(explain().unwrap().why.contains("empty"));
        std::fs::write(&path, "a.b.c\n").unwrap();
        assert_eq!(explain(), None);
    }
}
