//! Credentials that are no longer accepted, taken up anew from where they came: under all clients at once, of the same account alone.

use std::time::Duration;

use super::Session;
use crate::aws::{
    AwsClients,
    credentials::{
        profiles,
        shared::SharedCredentials,
        source::{AwsAccessKeys, CredentialCandidate, CredentialSource},
    },
};
use crate::engine::run::OperatorPresence;
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    failure::{Failure, FailureKind},
    run::event::CredentialRenewalNeed,
};

/// How long nothing typed is waited for before the source is asked again.
const SOURCE_POLL_INTERVAL: Duration = Duration::from_secs(5);

impl Session {
    /// Takes up fresh ones; all clients of `cloud`'s identity use them from here on.
    ///
    /// # Errors
    /// Fails where AWS does not accept what was found, or it is of another account.
    pub(in crate::engine) async fn renew_credentials(&self, cloud: &AwsClients) -> Result<(), Failure> {
        let standing = cloud.read_caller_identity().await;
        // What runs beside may have renewed them already.
        let (Some(held), Err(_)) = (cloud.shared_credentials(), &standing) else { return standing.map(drop) };
        let candidate = self.find_renewed_credential_source(held).await?;
        let (fresh, caller) = self.try_aws_credential_candidate(&candidate).await?;
        if let Some(account) =
            held.find_credentials_account_id().filter(|account| **account != *caller.account)
        {
            return Err(Failure::new(
                FailureKind::Credentials,
                caller.arn,
                format!("that is of account {}, and this run works in account {account}", caller.account),
                format!("give credentials of account {account}"),
            ));
        }
        if let Some(fresh) = fresh.shared_credentials() {
            held.replace_shared_credentials(fresh);
        }
        Ok(())
    }

    /// Where fresh ones may be.
    async fn find_renewed_credential_source(
        &self,
        held: &SharedCredentials,
    ) -> Result<CredentialCandidate, Failure> {
        let candidate = held.current_credential_candidate().clone();
        let spent = |why: &str| {
            Err(Failure::new(
                FailureKind::Credentials,
                candidate.found.clone(),
                why,
                render_credential_renewal_advice(held, OperatorPresence::Nobody),
            ))
        };
        let source = match &candidate.source {
            CredentialSource::Environment => {
                return spent("the environment of a program that runs can't be changed");
            }
            CredentialSource::Typed(_) => match self.typed_access_keys() {
                Some(keys) => CredentialSource::Typed(keys),
                None => return spent("no others were typed"),
            },
            CredentialSource::Session { profile, .. } => {
                if !self.end_mfa_session_on_code().await {
                    return spent("the session that the code gave is over");
                }
                CredentialSource::Profile(profile.clone())
            }
            CredentialSource::Packagecloud(_) => {
                let keys = self.host.read_packagecloud_config().await?.file.find_config_aws_keys();
                match keys {
                    Some((access, secret)) => {
                        CredentialSource::Packagecloud(AwsAccessKeys { access, secret, session: None })
                    }
                    None => return spent("packagecloud.rb holds no keys any more"),
                }
            }
            CredentialSource::Profile(_) | CredentialSource::Chain => candidate.source.clone(),
        };
        Ok(CredentialCandidate { source, ..candidate })
    }

    /// Waits until something was typed, or the source may be asked again.
    pub(in crate::engine) async fn wait_until_credentials_retry(&self) {
        let beat = self.scale_wait_for_sandbox(SOURCE_POLL_INTERVAL).max(Duration::from_millis(100));
        let _ = tokio::time::timeout(beat, self.credentials_typed.notified()).await;
    }
}

/// Returns what is waited for; none where waiting would bring nothing.
pub(in crate::engine) fn choose_credential_renewal_wait(
    cloud: &AwsClients,
    attended: OperatorPresence,
) -> Option<CredentialRenewalNeed> {
    let Some(held) = cloud.shared_credentials() else {
        return (attended != OperatorPresence::Nobody).then_some(CredentialRenewalNeed::Renewal);
    };
    match (&held.current_credential_candidate().source, attended) {
        (_, OperatorPresence::Nobody)
        | (CredentialSource::Environment, _)
        | (CredentialSource::Session { .. } | CredentialSource::Typed(_), OperatorPresence::Watched) => None,
        (CredentialSource::Profile(_) | CredentialSource::Packagecloud(_) | CredentialSource::Chain, _) => {
            Some(CredentialRenewalNeed::Renewal)
        }
        (CredentialSource::Session { profile, .. }, OperatorPresence::Typing) => {
            Some(CredentialRenewalNeed::Code(crate::aws::credentials::mfa::read_mfa_profile(profile)?.serial))
        }
        (CredentialSource::Typed(_), OperatorPresence::Typing) => Some(CredentialRenewalNeed::Keys),
    }
}

/// Says what to do about it, and what it leads to.
pub(in crate::engine) fn render_credential_renewal_advice(
    held: &SharedCredentials,
    attended: OperatorPresence,
) -> String {
    let mend = match &held.current_credential_candidate().source {
        CredentialSource::Profile(name) => match profiles::find_profile_sign_in_command(name) {
            Some(command) => format!("type `{command}` in another terminal"),
            None => format!("renew the credentials of profile {name}"),
        },
        CredentialSource::Session { profile, .. } if attended == OperatorPresence::Typing => {
            format!("i takes a fresh code for profile {profile}")
        }
        CredentialSource::Session { .. } => {
            return format!(
                "run: {} — it asks for a fresh code, and continues where it stopped",
                render_same_command_again(&[])
            );
        }
        CredentialSource::Typed(_) if attended == OperatorPresence::Typing => {
            "i takes other keys of the same account".to_owned()
        }
        CredentialSource::Typed(_) => "type others".to_owned(),
        CredentialSource::Environment => "put fresh keys into the environment".to_owned(),
        CredentialSource::Packagecloud(_) => "put keys that AWS accepts into packagecloud.rb".to_owned(),
        CredentialSource::Chain => {
            let command = profiles::find_profile_sign_in_command("default");
            command.map_or_else(
                || {
                    "renew the default profile, or give the role back to this instance or container"
                        .to_owned()
                },
                |command| format!("type `{command}` in another terminal"),
            )
        }
    };
    let then = match attended {
        OperatorPresence::Nobody => {
            format!("then run: {} — it continues where it stopped", render_same_command_again(&[]))
        }
        _ => "this goes on by itself as soon as AWS accepts them".to_owned(),
    };
    format!("{mend}; {then}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    #[test]
    fn each_source_has_its_own_next_move_and_is_waited_for_where_that_may_help() {
        use OperatorPresence::{Nobody, Typing, Watched};
        let keys = || AwsAccessKeys { access: "ASIA1".into(), secret: Secret::new("s"), session: None };
        let session = || CredentialSource::Session { profile: "no-such-profile".into(), keys: keys() };
        let profile = || CredentialSource::Profile("no-such-profile".into());
        for (source, who, waits, words) in [
            (
                profile(),
                Nobody,
                false,
                "renew the credentials of profile no-such-profile; then run: packagecloud-cloudfront",
            ),
            (
                profile(),
                Watched,
                true,
                "renew the credentials of profile no-such-profile; this goes on by itself",
            ),
            (profile(), Typing, true, "this goes on by itself as soon as AWS accepts them"),
            (
                session(),
                Watched,
                false,
                "run: packagecloud-cloudfront — it asks for a fresh code, and continues where it stopped",
            ),
            (
                session(),
                Typing,
                false,
                "i takes a fresh code for profile no-such-profile; this goes on by itself",
            ),
            (
                CredentialSource::Typed(keys()),
                Typing,
                true,
                "i takes other keys of the same account; this goes on by itself",
            ),
            (CredentialSource::Environment, Nobody, false, "put fresh keys into the environment; then run"),
            (
                CredentialSource::Packagecloud(keys()),
                Watched,
                true,
                "put keys that AWS accepts into packagecloud.rb; this goes on",
            ),
            (CredentialSource::Chain, Watched, true, "; this goes on by itself"),
        ] {
            let held = SharedCredentials::from_credential_candidate(&CredentialCandidate {
                source: source.clone(),
                found: String::new(),
            });
            let said = render_credential_renewal_advice(&held, who);
            assert!(said.contains(words), "{source:?} {who:?}: {said}");
            let config = aws_config::SdkConfig::builder()
                .behavior_version(aws_config::BehaviorVersion::latest())
                .region(aws_config::Region::new("us-east-1"))
                .build();
            let cloud = AwsClients::new(&config, None).clone_with_shared_credentials(held);
            assert_eq!(choose_credential_renewal_wait(&cloud, who).is_some(), waits, "{source:?} {who:?}");
        }
    }
}
