//! The secret stage: keep the one that stands, or make one and write it to packagecloud.rb (contract section 4).
//!
//! Between being made and being written the secret is in the operating system's keyring, so that a crash doesn't lose it.

use crate::edge::bundle::{Described, parse_description};
use crate::model::{
    aws::evidence::{Ownership, SecretSeen, Seen},
    packagecloud::settings::{Key, Values},
    run::{
        answers::Answers,
        event::End,
        failure::Failure,
        goal::{Stage, Step},
        plan::{Plan, Verb},
    },
    secret::Secret,
};

use super::configuration::{self, kept};
use crate::engine::{
    packagecloud::{managed, nodes},
    run::StageRun,
    session::Ground,
};

pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let config = ground.host.read_config().await?;
    // With a secret in the file AWS isn't asked at all.
    let others = nodes::others(ground, &config, answers).await?;
    let elsewhere = others.into_iter().find_map(|node| Some((node.name, node.seen.values.secret?)));
    let function = if config.seen.values.secret.is_some() || elsewhere.is_some() {
        true
    } else {
        let scene = ground.scene(answers).await?;
        scene.function().await?.is_some_and(|function| function.ownership == Ownership::Ours)
    };
    let backup = if function && config.seen.values.secret.is_none() && elsewhere.is_none() {
        backup_with_it(ground, answers).await
    } else {
        None
    };
    plan(SecretSeen { config: config.seen, function, elsewhere, backup }, answers)
}

/// The newest backup that holds a secret which a version of our function has.
async fn backup_with_it(ground: &Ground, answers: &Answers) -> Option<String> {
    let function = ground.scene(answers).await.ok()?.function().await.ok()??;
    let held: Vec<Described> =
        function.versions.iter().filter_map(|version| parse_description(&version.description)).collect();
    for backup in ground.host.backups().await.ok()? {
        let secret = ground.host.read_backup(&backup).await.ok().and_then(|values| values.secret);
        if secret.is_some_and(|secret| held.iter().any(|one| one.holds(&secret).unwrap_or(false))) {
            return Some(ground.host.said_at(&backup.path.display().to_string()));
        }
    }
    None
}

/// Decides; touches nothing.
pub(super) fn plan(seen: SecretSeen, answers: &Answers) -> Result<Plan, Failure> {
    let mut plan = Plan::new(Stage::Secret, Seen::Nothing);
    let path = seen.config.path.clone();
    if let Some((_, number, line)) = seen.config.expressions.iter().find(|(key, ..)| *key == Key::Secret) {
        return Err(Failure::other(
            format!("{path}, line {number}"),
            format!("cloudfront_secret is an expression, which this program doesn't run: {line}"),
            "write its value there as a plain string, then look again",
        ));
    }
    match &seen.config.values.secret {
        Some(secret) if !answers.consents.new_secret => {
            secret.key()?;
            let tool = seen.config.managed.as_ref().map_or("", |(tool, _)| tool);
            let why = if seen.config.awaits_secret {
                format!("one is made, of the right shape; {tool} writes it with the other values")
            } else {
                "it holds a secret, of the right shape".to_owned()
            };
            plan.line(Step::Secret, Verb::Keep, &path, why);
        }
        Some(_) if seen.config.values.enabled == Some(true) => {
            return Err(Failure::other(
                "--new-secret",
                "CloudFront is on, and links signed with the old secret would break",
                "disable first, or leave --new-secret away",
            ));
        }
        Some(_) => {
            plan.line(
                Step::Secret,
                Verb::Update,
                &path,
                "a new secret, as you asked; a new function version will hold it",
            );
        }
        None if seen.elsewhere.is_some() && !answers.consents.new_secret => {
            let node = seen.elsewhere.as_ref().map(|(node, _)| node.as_str()).unwrap_or_default();
            plan.line(Step::Secret, Verb::Create, &path, format!("the one that {node} holds: none is made"));
        }
        None if seen.function && !answers.consents.new_secret => {
            let copy = match &seen.backup {
                Some(backup) => format!("copy its line from {backup}, which holds the one that the edge has, and keep it where {path} is made"),
                None => "copy the line from the other node's packagecloud.rb (there: packagecloud-cloudfront configuration --show-secret), name that node too with --host".to_owned(),
            };
            return Err(Failure::consent(
                "cloudfront_secret",
                format!(
                    "{path} holds none, but the edge has one already: another web node does, or this host was rebuilt"
                ),
                format!("{copy}, or make a new one with --new-secret"),
            ));
        }
        None => {
            plan.line(
                Step::Secret,
                Verb::Create,
                &path,
                "packagecloud signs links with it, the edge checks them",
            );
        }
    }
    for change in &mut plan.changes {
        change.calls.push(
            "by hand: packagecloud-ctl generate-cloudfront-secret, and its line into packagecloud.rb".into(),
        );
    }
    if !plan.unchanged() {
        plan.asks.extend(managed::ask(&seen.config, answers));
        plan.notes.extend(managed::note(&seen.config, answers));
    }
    plan.seen = Seen::Secret(Box::new(seen));
    Ok(plan)
}

pub async fn apply(
    ground: &Ground,
    seen: &SecretSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let host = &ground.host;
    let doing = match &seen.elsewhere {
        Some((node, _)) => format!("the secret of {node}"),
        None => "a secret of 16 random bytes".to_owned(),
    };
    run.step(Step::Secret, doing, async {
        let name = format!("cloudfront_secret {}", seen.config.path);
        let known = match &seen.elsewhere {
            _ if answers.consents.new_secret => None,
            Some((_, secret)) => Some(secret.clone()),
            None => match host.keyring.get(&name).await.ok().flatten() {
                Some(secret) => Some(secret),
                // Made for a configuration client, which may have it already.
                None => host.awaited_secret(),
            },
        };
        let secret = if let Some(secret) = known {
            secret
        } else {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|error| {
                Failure::other("the operating system's random bytes", error.to_string(), "try again")
            })?;
            Secret::from_random(&random)
        };
        host.redactor.learn(&secret);
        let held = match host.keyring.put(&name, &secret).await {
            Ok(()) => String::new(),
            Err(failure) => format!("; it was not held in a keyring meanwhile: {}", failure.why),
        };
        if managed::is_waited_for(&seen.config, answers) && seen.config.values.secret.is_none() {
            let place = host.await_secret(&secret)?;
            let _ = host.keyring.forget(&name).await;
            let tool = seen.config.managed.as_ref().map_or("its tool", |(tool, _)| tool);
            return Ok((
                (),
                format!(
                    "the secret is kept in {} until {tool} writes it with the other values",
                    place.display()
                ),
            ));
        }
        let values = Values { secret: Some(secret), ..Values::default() };
        let written = configuration::write(
            ground,
            &seen.config,
            &values,
            &[Key::Secret],
            answers,
            (run, Step::Secret),
            configuration::Aim::Prepare,
        )
        .await?;
        // What stays in the keyring is what the file holds: no harm, and the next start looks at the file first.
        let _ = host.keyring.forget(&name).await;
        Ok(((), format!("the secret is in {}{}{held}", seen.config.path, kept(&written))))
    })
    .await?;
    Ok((End::Applied, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::aws::evidence::ConfigSeen;

    fn seen(secret: Option<&str>, enabled: Option<bool>, function: bool) -> SecretSeen {
        let values = Values { secret: secret.map(Secret::new), enabled, ..Values::default() };
        let config = ConfigSeen { path: "p.rb".into(), values, ..ConfigSeen::default() };
        SecretSeen { config, function, elsewhere: None, backup: None }
    }

    const GOOD: &str = "MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=";

    #[test]
    fn what_happens_to_the_secret() {
        let keep = Answers::default();
        let mut new = Answers::default();
        new.consents.new_secret = true;
        let verb =
            |seen, answers: &Answers| plan(seen, answers).map(|plan| plan.changes[0].verb).map_err(|f| f.why);
        assert_eq!(verb(seen(None, None, false), &keep), Ok(Verb::Create));
        assert_eq!(verb(seen(Some(GOOD), None, false), &keep), Ok(Verb::Keep));
        assert_eq!(verb(seen(Some(GOOD), Some(true), true), &keep), Ok(Verb::Keep));
        assert_eq!(verb(seen(Some(GOOD), None, true), &new), Ok(Verb::Update));
        assert!(verb(seen(Some(GOOD), Some(true), true), &new).unwrap_err().contains("would break"));
        assert!(verb(seen(None, None, true), &keep).unwrap_err().contains("the edge has one already"));
        let wiped = SecretSeen { backup: Some("p.rb.1.bak".into()), ..seen(None, None, true) };
        assert!(plan(wiped, &keep).unwrap_err().next.contains("copy its line from p.rb.1.bak"));
        let other =
            SecretSeen { elsewhere: Some(("web2".into(), Secret::new(GOOD))), ..seen(None, None, true) };
        assert_eq!(verb(other, &keep), Ok(Verb::Create), "the other node's, not a new one");
        assert!(verb(seen(Some(""), None, true), &keep).unwrap_err().contains("empty"));
    }
}
