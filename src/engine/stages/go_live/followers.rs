//! The other web nodes, once the first is live: each goes live alone, and is taken back alone where it fails.

use crate::model::{
    aws::evidence::{ConfigSeen, ConfigurationSeen},
    packagecloud::settings::Key,
    run::{
        answers::Answers,
        failure::{Failure, Kind},
    },
};

use super::{Found, is_lost, proof, switch_on, take_back};
use crate::engine::{
    packagecloud::{nodes, services, switch},
    run::StageRun,
    session::Ground,
};

/// A node, its file, and what has to be written there.
pub(super) type Follower<'a> = (Ground, &'a ConfigSeen, Vec<Key>);

/// The other nodes that have to be given something, or to be seen to follow their file: with their file, and what.
pub(super) fn of<'a>(ground: &Ground, seen: &'a ConfigurationSeen) -> Vec<Follower<'a>> {
    ground
        .others()
        .into_iter()
        .zip(&seen.others)
        .filter_map(|(node, other)| {
            let keys = nodes::missing(other, &seen.wanted, &Key::ALL);
            (!keys.is_empty() || switch::begun(&node)).then_some((node, other, keys))
        })
        .collect()
}

/// The other nodes, one after the other: each is taken back alone where it fails, and the ones before it stay on.
pub(super) async fn go_on(
    ground: &Ground,
    found: &Found,
    seen: &ConfigurationSeen,
    answers: &Answers,
    follow: Vec<Follower<'_>>,
    run: &StageRun,
) -> Result<String, Failure> {
    let mut on = Vec::new();
    for (node, other, keys) in follow {
        switch_on(&node, other, seen, &keys, answers, run).await?;
        let live = async {
            ground.not_switched_off_meanwhile().await?;
            switch::reconfigure(&node, run).await?;
            let restarting = tokio::time::Instant::now();
            switch::restart(&node, run).await?;
            proof::prove_all(ground, found, seen, answers, run).await?;
            switch::done_live(&node).await?;
            Ok::<_, Failure>(services::after(&node, answers, restarting).await)
        };
        let name = node.host.reach.name().unwrap_or_default().to_owned();
        match live.await {
            Ok(services) => on.push(if services.is_empty() { name } else { format!("{name} ({services})") }),
            Err(failure) if failure.kind == Kind::Interrupted || is_lost(&node, &failure) => {
                return Err(failure);
            }
            Err(failure) => {
                let failure = ground.not_switched_off_meanwhile().await.err().unwrap_or(failure);
                let failure = take_back(&node, &other.values, answers, run, failure, false).await;
                return Err(Failure {
                    why: format!("{}; {name} alone is off, the nodes before it stay on", failure.why),
                    ..failure
                });
            }
        }
    }
    Ok(format!("on too: {}", on.join(", ")))
}
