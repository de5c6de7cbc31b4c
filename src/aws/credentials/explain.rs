//! Why credentials can't be had, where more is known than the SDK says: the command that signs in, the file with a token.

use std::path::Path;

use super::{
    profiles::{AwsConfigFiles, DEFAULT_PROFILE},
    source::{CredentialCandidate, CredentialSource},
};
use crate::aws::home_path::expand_home_path;
use crate::model::failure::{Failure, FailureKind};

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
    name_sign_in_of_profile(failure, &files, profile, is_chain)
}

/// Puts the profile's own command into a failure that a sign-in mends: whoever made it knows no profile.
fn name_sign_in_of_profile(
    failure: Failure,
    files: &AwsConfigFiles,
    profile: &str,
    is_chain: bool,
) -> Failure {
    if !failure.facts.wants_sign_in {
        return failure;
    }
    match files.find_sign_in_command(profile) {
        Some(command) => {
            Failure { next: format!("type `{command}` in another terminal, then try again"), ..failure }
        }
        // Where it signs in nowhere, the hint at the command is none.
        None if !is_chain => {
            Failure { next: format!("renew the credentials of profile {profile}, then try again"), ..failure }
        }
        None => failure,
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
    fn who_signs_in_is_told_by_what() {
        let files =
            AwsConfigFiles::from_config_texts("[profile sso]\nsso_session = corp\n[profile plain]\n", "");
        let failure =
            || Failure::new(FailureKind::Credentials, "them", "they have expired", "do as is written");
        let wanting = || failure().mark_failure_as_wanting_sign_in();
        let prose = || Failure { next: "type `aws sso login --profile NAME`".to_owned(), ..failure() };
        for (given, profile, is_chain, next) in [
            (
                wanting(),
                "sso",
                false,
                "type `aws sso login --profile sso` in another terminal, then try again",
            ),
            (
                wanting(),
                "sso",
                true,
                "type `aws sso login --profile sso` in another terminal, then try again",
            ),
            (wanting(), "plain", false, "renew the credentials of profile plain, then try again"),
            (wanting(), "plain", true, "do as is written"),
            // What it says decides nothing.
            (failure(), "sso", false, "do as is written"),
            (prose(), "sso", false, "type `aws sso login --profile NAME`"),
        ] {
            let explained = name_sign_in_of_profile(given, &files, profile, is_chain);
            assert_eq!(explained.next, next, "{profile} {is_chain}");
        }
    }

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
