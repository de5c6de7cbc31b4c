//! Credentials that are no longer accepted, taken up anew from where they came: under all clients at once, of the same account alone.

use std::time::Duration;

use super::Ground;
use crate::aws::{
    Cloud,
    credentials::{
        profiles,
        shared::Held,
        source::{Candidate, Keys, Source},
    },
};
use crate::engine::run::Attended;
use crate::model::run::{
    event::Wants,
    failure::{Failure, Kind},
};

/// How long nothing typed is waited for before the source is asked again.
const BEAT: Duration = Duration::from_secs(5);

impl Ground {
    /// Takes up fresh ones; all clients of `cloud`'s identity use them from here on.
    pub(in crate::engine) async fn renew(&self, cloud: &Cloud) -> Result<(), Failure> {
        let standing = cloud.caller().await;
        // What runs beside may have renewed them already.
        let (Some(held), Err(_)) = (cloud.held(), &standing) else { return standing.map(drop) };
        let candidate = self.anew(held).await?;
        let (fresh, caller) = self.try_candidate(&candidate).await?;
        if let Some(account) = held.account().filter(|account| **account != *caller.account) {
            return Err(Failure::new(
                Kind::Credentials,
                caller.arn,
                format!("that is of account {}, and this run works in account {account}", caller.account),
                format!("give credentials of account {account}"),
            ));
        }
        if let Some(fresh) = fresh.held() {
            held.exchange(fresh);
        }
        Ok(())
    }

    /// Where fresh ones may be.
    async fn anew(&self, held: &Held) -> Result<Candidate, Failure> {
        let candidate = held.candidate().clone();
        let spent = |why: &str| {
            Err(Failure::new(
                Kind::Credentials,
                candidate.found.clone(),
                why,
                next_move(held, Attended::Nobody),
            ))
        };
        let source = match &candidate.source {
            Source::Environment => return spent("the environment of a program that runs can't be changed"),
            Source::Typed(_) => match self.typed() {
                Some(keys) => Source::Typed(keys),
                None => return spent("no others were typed"),
            },
            Source::Session { profile, .. } => {
                if !self.code_instead().await {
                    return spent("the session that the code gave is over");
                }
                Source::Profile(profile.clone())
            }
            Source::Packagecloud(_) => {
                let keys = self.host.read_config().await?.file.aws_keys();
                match keys {
                    Some((access, secret)) => Source::Packagecloud(Keys { access, secret, session: None }),
                    None => return spent("packagecloud.rb holds no keys any more"),
                }
            }
            Source::Profile(_) | Source::Chain => candidate.source.clone(),
        };
        Ok(Candidate { source, ..candidate })
    }

    /// Until something was typed, or the source may be asked again.
    pub(in crate::engine) async fn some_time(&self) {
        let beat = self.patience(BEAT).max(Duration::from_millis(100));
        let _ = tokio::time::timeout(beat, self.given.notified()).await;
    }
}

/// What is waited for; none where waiting would bring nothing.
pub(in crate::engine) fn wants(cloud: &Cloud, attended: Attended) -> Option<Wants> {
    let Some(held) = cloud.held() else { return (attended != Attended::Nobody).then_some(Wants::Renewal) };
    match (&held.candidate().source, attended) {
        (_, Attended::Nobody)
        | (Source::Environment, _)
        | (Source::Session { .. } | Source::Typed(_), Attended::Watched) => None,
        (Source::Profile(_) | Source::Packagecloud(_) | Source::Chain, _) => Some(Wants::Renewal),
        (Source::Session { profile, .. }, Attended::Typing) => {
            Some(Wants::Code(crate::aws::credentials::mfa::of(profile)?.serial))
        }
        (Source::Typed(_), Attended::Typing) => Some(Wants::Keys),
    }
}

/// What to do about it, and what it leads to.
pub(in crate::engine) fn next_move(held: &Held, attended: Attended) -> String {
    let mend = match &held.candidate().source {
        Source::Profile(name) => match profiles::sign_in(name) {
            Some(command) => format!("type `{command}` in another terminal"),
            None => format!("renew the credentials of profile {name}"),
        },
        Source::Session { profile, .. } if attended == Attended::Typing => {
            format!("i takes a fresh code for profile {profile}")
        }
        Source::Session { .. } => {
            return "run the same command again: it asks for a fresh code, and goes on where it was"
                .to_owned();
        }
        Source::Typed(_) if attended == Attended::Typing => {
            "i takes other keys of the same account".to_owned()
        }
        Source::Typed(_) => "type others".to_owned(),
        Source::Environment => "put fresh keys into the environment".to_owned(),
        Source::Packagecloud(_) => "put keys that AWS accepts into packagecloud.rb".to_owned(),
        Source::Chain => {
            let command = profiles::sign_in("default");
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
        Attended::Nobody => "then run the same command again: it goes on where it was",
        _ => "this goes on by itself as soon as AWS accepts them",
    };
    format!("{mend}; {then}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    #[test]
    fn each_source_has_its_own_next_move_and_is_waited_for_where_that_may_help() {
        use Attended::{Nobody, Typing, Watched};
        let keys = || Keys { access: "ASIA1".into(), secret: Secret::new("s"), session: None };
        let session = || Source::Session { profile: "no-such-profile".into(), keys: keys() };
        let profile = || Source::Profile("no-such-profile".into());
        for (source, who, waits, words) in [
            (
                profile(),
                Nobody,
                false,
                "renew the credentials of profile no-such-profile; then run the same command again",
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
                "run the same command again: it asks for a fresh code, and goes on where it was",
            ),
            (
                session(),
                Typing,
                false,
                "i takes a fresh code for profile no-such-profile; this goes on by itself",
            ),
            (
                Source::Typed(keys()),
                Typing,
                true,
                "i takes other keys of the same account; this goes on by itself",
            ),
            (Source::Environment, Nobody, false, "put fresh keys into the environment; then run"),
            (
                Source::Packagecloud(keys()),
                Watched,
                true,
                "put keys that AWS accepts into packagecloud.rb; this goes on",
            ),
            (Source::Chain, Watched, true, "; this goes on by itself"),
        ] {
            let held = Held::of(&Candidate { source: source.clone(), found: String::new() });
            let said = next_move(&held, who);
            assert!(said.contains(words), "{source:?} {who:?}: {said}");
            let config = aws_config::SdkConfig::builder()
                .behavior_version(aws_config::BehaviorVersion::latest())
                .region(aws_config::Region::new("us-east-1"))
                .build();
            let cloud = Cloud::new(&config, None).holding(held);
            assert_eq!(wants(&cloud, who).is_some(), waits, "{source:?} {who:?}");
        }
    }
}
