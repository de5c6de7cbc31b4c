//! What is found before anything is asked: packagecloud.rb, identities, the bucket, CloudFront on or off and set up by whom, and the goal that this proposes.
//!
//! Nothing here fails: what can't be found out stands beside what can.

use std::time::Duration;

use futures::future::join_all;

use crate::aws::credentials::{
    shared::Held,
    source::{Candidate, Keys},
};
use crate::host::environment::{clock, version};
use crate::model::{
    aws::evidence::{Distribution, Ownership},
    run::{
        answers::Answers,
        check::Check,
        failure::{Failure, Kind},
        goal::Goal,
        welcome::{
            BucketFound, CloudFrontFound, ConfigFound, IdentityFound, Left, RuntimeFound, SetUpBy, Source,
            TypedKeys, Welcome,
        },
    },
};

use super::{
    session::{Ground, Identities, Scene, source},
    stages::{access, configuration},
};

pub async fn welcome(ground: &Ground, answers: &Answers) -> Welcome {
    let last = ground.settings.last.clone();
    let mut found = Welcome { left: left(ground), last, ..Welcome::default() };
    found.other_run = ground.other_run().await;
    config(ground, &mut found).await;
    found.backups = super::backups(ground).await.unwrap_or_default();
    found.packagecloud = version::check(ground.host.version().await.as_ref()).detail;
    found.identities = identities(ground, answers).await;
    found.sudo = ground.left_out().map(|dropped| dropped.advice());
    match ground.scene(answers).await {
        // Nothing of another account is shown as if it were the one that this host works in: that is asked first.
        Ok(scene) if is_foreign(ground, &scene) && access::elsewhere(ground, &scene, answers).is_some() => {
            found.cloudfront.by = SetUpBy::Unknown;
        }
        Ok(scene) => {
            found.buckets.push(BucketFound {
                name: scene.names.bucket().to_owned(),
                region: scene.bucket.region.clone(),
                found: scene.evidence.clone(),
                sampled: Some((scene.sampled.0 as u64, scene.sampled.1 as u64)),
            });
            let others = scene.cloud.buckets().await.unwrap_or_default();
            found.buckets.extend(others.into_iter().filter(|name| name != scene.names.bucket()).map(
                |name| BucketFound {
                    name,
                    region: String::new(),
                    found: "a bucket of this account".into(),
                    sampled: None,
                },
            ));
            match configuration::ours(ground, answers).await {
                Ok(Some(distribution)) => {
                    found.cloudfront.by =
                        if distribution.ownership == Ownership::Ours { SetUpBy::Us } else { SetUpBy::Others };
                    found.cloudfront.runtime = runtime(ground, &scene, &distribution).await;
                    found.cloudfront.distribution = distribution.id;
                    found.cloudfront.domain = distribution.domain;
                }
                Ok(None) => found.cloudfront.by = SetUpBy::Nobody,
                Err(failure) => {
                    found.cloudfront.by = SetUpBy::Unknown;
                    found.failures.push(failure);
                }
            }
            found.goal = Some(goal(&found.cloudfront, scene.sampled.1));
        }
        Err(failure) => {
            found.cloudfront.by = SetUpBy::Unknown;
            let first = found.identities.first();
            found.failures.push(match first.and_then(|identity| identity.device.as_ref()) {
                // Where it isn't asked for, that is no failure: the next key does.
                Some(_) => Failure { next: "Enter on Install or Upgrade asks for it".into(), ..failure },
                None => failure,
            });
            if found.cloudfront.enabled == Some(true) {
                found.goal =
                    Some((Goal::Disable, "CloudFront is on, and AWS can't be asked from here".into()));
            }
        }
    }
    found
}

/// What the associated function runs on, and until when AWS looks after that.
async fn runtime(ground: &Ground, scene: &Scene, distribution: &Distribution) -> Option<RuntimeFound> {
    let associated = distribution.behaviors.iter().find_map(|behavior| behavior.viewer_request.as_ref())?;
    let function = scene.function().await.ok()??;
    let version = function.versions.iter().find(|version| version.arn == *associated)?;
    let today = clock::written(ground.host.clock.now());
    Some(RuntimeFound::new(&version.runtime, today.get(..10).unwrap_or_default()))
}

/// Whether the account is another than the last run's.
fn is_foreign(ground: &Ground, scene: &Scene) -> bool {
    ground.settings.last.as_ref().is_some_and(|(account, _)| *account != scene.account)
}

/// Where the last run was left, if it didn't go to its end.
pub fn left(ground: &Ground) -> Option<Left> {
    let left = ground.host.state.left().0?;
    Some(Left {
        goal: left.answers.goal?,
        stage: left.stage?,
        ago: clock::ago(ground.host.clock.now().saturating_sub(Duration::from_secs(left.when))),
        on: left.on,
    })
}

async fn config(ground: &Ground, found: &mut Welcome) {
    found.config = ConfigFound { path: ground.host.config_place(), ..ConfigFound::default() };
    match ground.host.read_config().await {
        Ok(config) => {
            found.config.managed = config.seen.managed.map(|(tool, _)| tool);
            let values = config.seen.values;
            found.cloudfront = CloudFrontFound {
                enabled: Some(values.enabled == Some(true)),
                distribution: values.distribution_id.unwrap_or_default(),
                domain: values.packages_domain.unwrap_or_default(),
                ..CloudFrontFound::default()
            };
        }
        Err(failure) => found.config.failure = Some(failure),
    }
}

/// An empty bucket needs no reindex; anything else was written before CloudFront was thought of.
fn goal(cloudfront: &CloudFrontFound, keys: usize) -> (Goal, String) {
    match (cloudfront.enabled, keys) {
        (Some(true), _) if cloudfront.by == SetUpBy::Others => (
            Goal::Upgrade,
            "CloudFront is on, and not by this program: it is left to work; this shows what would change, and changes nothing without a yes to each adoption".into(),
        ),
        (Some(true), _) => (Goal::Upgrade, "CloudFront is on: this looks whether all of it is right".into()),
        (_, 0) => (Goal::Install, "the bucket is empty: there is nothing to reindex".into()),
        _ => (Goal::Upgrade, "the bucket holds objects from before: they are reindexed first".into()),
    }
}

async fn identities(ground: &Ground, answers: &Answers) -> Vec<IdentityFound> {
    if let Identities::Fixed(_) = ground.settings.identities {
        let result = ground.identity(answers).await.map(|(_, caller, _)| (caller.arn, caller.account));
        return vec![identity(Source::Environment, "the sandbox's one user".into(), result, None)];
    }
    let candidates = ground.candidates(answers).await;
    join_all(candidates.iter().map(|candidate| tried(ground, candidate))).await
}

async fn tried(ground: &Ground, candidate: &Candidate) -> IdentityFound {
    let result = ground.try_candidate(candidate).await;
    let device = match &result {
        Err(failure) if failure.kind == Kind::Credentials => ground.wants_code(&candidate.source).await,
        _ => None,
    };
    let held = result.as_ref().ok().and_then(|(cloud, _)| cloud.held());
    let found = held.map_or_else(|| candidate.found.clone(), Held::found);
    let result = result.map(|(_, caller)| (caller.arn, caller.account));
    identity(source(&candidate.source), found, result, device)
}

fn identity(
    source: Source,
    found: String,
    result: Result<(String, String), Failure>,
    device: Option<String>,
) -> IdentityFound {
    let (arn, account, suffices) = match result {
        Ok((arn, account)) => {
            (arn, account, Check::unknown("permissions", "its permissions are checked next"))
        }
        Err(failure) => {
            // What nobody was asked for yet is no fault.
            let suffices = match &device {
                Some(serial) if failure.code.is_none() => {
                    Check::unknown("identity", format!("its role wants a code of {serial}: choose it"))
                }
                _ => Check::fail("identity", failure.to_string(), failure.next),
            };
            (String::new(), String::new(), suffices)
        }
    };
    IdentityFound { source, found, arn, account, device, suffices }
}

/// Typed keys, used from now on.
pub async fn take_keys(ground: &Ground, keys: &TypedKeys) {
    ground.host.redactor.learn(&keys.secret_access_key);
    ground.type_keys(Keys {
        access: keys.access_key_id.clone(),
        secret: keys.secret_access_key.clone(),
        session: keys.session_token.clone(),
    });
    if keys.remember {
        let name = format!("aws_secret_key {}", keys.access_key_id);
        // Where there is no keyring they are typed again next time, which is said where they are asked for.
        let _ = ground.host.keyring.put(&name, &keys.secret_access_key).await;
    }
}

/// Who a profile or typed keys are; typed keys are used from now on.
pub async fn identify(
    ground: &Ground,
    profile: Option<&str>,
    keys: Option<&TypedKeys>,
    answers: &Answers,
) -> IdentityFound {
    if let Some(keys) = keys {
        take_keys(ground, keys).await;
    }
    let wanted = match profile {
        Some(name) => Source::Profile(name.to_owned()),
        None => Source::Typed,
    };
    let mut answers = answers.clone();
    if let Some(name) = profile {
        answers.profile = Some(name.to_owned());
    }
    let candidates = ground.candidates(&answers).await;
    let Some(candidate) = candidates.iter().find(|candidate| source(&candidate.source) == wanted) else {
        let failure = Failure::other("the identity", "it was not found", "type it again");
        return identity(wanted, String::new(), Err(failure), None);
    };
    tried(ground, candidate).await
}
