//! Which AWS identities may be used, in the order of contract section 4, each with how it was found.

use super::source::{AwsAccessKeys, CredentialCandidate, CredentialSource};

/// What is known where candidates are looked for.
#[derive(Debug, Clone, Default)]
pub struct CredentialSearchHints {
    /// `--profile`.
    pub profile: Option<String>,
    pub typed: Option<AwsAccessKeys>,
    /// The profile that the last run used.
    pub last_profile: Option<String>,
    pub packagecloud: Option<AwsAccessKeys>,
}

/// The variables that name a profile, as the aws command weighs them: it takes the first that is set.
const PROFILE_VARIABLES: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];

/// Finds the profile that the environment names.
#[must_use]
pub fn find_profile_in_environment() -> Option<String> {
    PROFILE_VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Finds the candidates, the first that is given first.
#[must_use]
pub fn find_credential_candidates(known: &CredentialSearchHints) -> Vec<CredentialCandidate> {
    find_credential_candidates_with_env(known, |name| std::env::var(name).ok())
}

fn find_credential_candidates_with_env(
    known: &CredentialSearchHints,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<CredentialCandidate> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut all: Vec<CredentialCandidate> = Vec::new();
    let mut add = |source: CredentialSource, found: String| {
        if !all.iter().any(|one| one.source == source) {
            all.push(CredentialCandidate { source, found });
        }
    };
    if let Some(name) = &known.profile {
        add(CredentialSource::Profile(name.clone()), format!("profile {name}, by --profile"));
    }
    if let Some(keys) = &known.typed {
        add(CredentialSource::Typed(keys.clone()), format!("access key {}, typed", keys.access));
    }
    if set("AWS_ACCESS_KEY_ID").is_some() && set("AWS_SECRET_ACCESS_KEY").is_some() {
        add(CredentialSource::Environment, "AWS_ACCESS_KEY_ID in the environment".to_owned());
    }
    for by in PROFILE_VARIABLES {
        if let Some(name) = set(by) {
            let found = format!("profile {name}, by {by} in the environment");
            add(CredentialSource::Profile(name), found);
        }
    }
    if let Some(name) = &known.last_profile {
        add(CredentialSource::Profile(name.clone()), format!("profile {name}, as in the last run"));
    }
    if let Some(keys) = &known.packagecloud {
        add(
            CredentialSource::Packagecloud(keys.clone()),
            format!("access key {} in packagecloud.rb", keys.access),
        );
    }
    let chain = "AWS's own search: default profile, web identity, container or instance role";
    add(CredentialSource::Chain, chain.to_owned());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    fn test_access_keys(access: &str) -> AwsAccessKeys {
        AwsAccessKeys { access: access.into(), secret: Secret::new("s3cret"), session: None }
    }

    #[test]
    fn candidates_come_in_the_order_of_the_contract_each_once() {
        let known = CredentialSearchHints {
            profile: Some("work".into()),
            typed: Some(test_access_keys("AKTYPED")),
            last_profile: Some("work".into()),
            packagecloud: Some(test_access_keys("AKPC")),
        };
        let environment = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".to_owned()),
            "AWS_PROFILE" => Some("other".to_owned()),
            "AWS_DEFAULT_PROFILE" => Some("shell's".to_owned()),
            _ => None,
        };
        let all = find_credential_candidates_with_env(&known, environment);
        let found: Vec<&str> = all.iter().map(|one| one.found.as_str()).collect();
        assert_eq!(
            found,
            [
                "profile work, by --profile",
                "access key AKTYPED, typed",
                "AWS_ACCESS_KEY_ID in the environment",
                "profile shell's, by AWS_DEFAULT_PROFILE in the environment",
                "profile other, by AWS_PROFILE in the environment",
                "access key AKPC in packagecloud.rb",
                "AWS's own search: default profile, web identity, container or instance role",
            ]
        );
        assert!(!format!("{all:?}").contains("s3cret"));
        let half = |name: &str| (name == "AWS_ACCESS_KEY_ID").then(|| "x".to_owned());
        assert_eq!(
            find_credential_candidates_with_env(&CredentialSearchHints::default(), half).len(),
            1,
            "a key without its secret is none"
        );
    }
}
