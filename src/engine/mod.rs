//! The engine's two verbs: `look` reads the account and the host and returns a plan, `apply` does exactly that plan, saying events.
//!
//! Truth lives in the account and in packagecloud.rb: to resume, to run again and to disable from another host are all to look again.

mod batch;
pub mod delivery;
pub mod packagecloud;
pub mod reindex;
pub mod resources;
pub mod run;
pub mod session;
pub mod stages;
pub mod watch;
pub mod welcome;

pub use run::{Attended, Run};
pub use session::{Ground, Identities, SandboxFacts, Settings};

use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;

use crate::host::{Restore, run::state::Left};
use crate::model::{
    aws::evidence::Seen,
    iam::policy::least_privilege,
    run::{
        answers::Answers,
        check::Check,
        event::End,
        failure::{Failure, Kind},
        goal::{Goal, Stage},
        plan::{Ask, Plan},
        welcome::BackupFound,
    },
    url::token::Construction,
};

/// Reads what is there, and says what would change.
pub async fn look(ground: &Ground, stage: Stage, answers: &Answers) -> Result<Plan, Failure> {
    match stage {
        Stage::Overview => stages::overview::look_over(ground, answers).await,
        _ => look_at_stage(ground, stage, answers).await,
    }
}

/// The access stage, asking only for what `stages` need: the ones of a run that have something to do.
pub async fn look_at_access(ground: &Ground, answers: &Answers, stages: &[Stage]) -> Result<Plan, Failure> {
    stages::access::look_for(ground, answers, Some(stages)).await
}

/// What is asked before anything is looked at in another account or bucket than the last run's. Where that can't be told
/// yet, what is looked at first says why.
pub async fn asked_first(ground: &Ground, answers: &Answers) -> Vec<Ask> {
    if ground.settings.last.is_none() {
        return Vec::new();
    }
    match ground.scene(answers).await {
        Ok(scene) if stages::access::elsewhere(ground, &scene, answers).is_some() => {
            stages::access::asks(ground, &scene, answers)
        }
        _ => Vec::new(),
    }
}

/// A look at one stage that does something itself.
async fn look_at_stage(ground: &Ground, stage: Stage, answers: &Answers) -> Result<Plan, Failure> {
    // Boxed: each of these is large, and all of them in one future are more than the compiler lays out.
    let looking = match stage {
        Stage::Access | Stage::Overview => stages::access::look(ground, answers).boxed(),
        Stage::Reindex => stages::reindex::look(ground, answers).boxed(),
        Stage::Secret => stages::secret::look(ground, answers).boxed(),
        Stage::Bootstrap => stages::bootstrap::look(ground, answers).boxed(),
        Stage::Distribution => stages::distribution::look(ground, answers).boxed(),
        Stage::Configuration => stages::configuration::look(ground, answers).boxed(),
        Stage::GoLive => stages::go_live::look(ground, answers).boxed(),
        Stage::Verify => return Ok(stages::verify::look(ground).await),
        Stage::Disable => stages::disable::look(ground, answers).boxed(),
        Stage::RollBack => stages::roll_back::look(ground, answers).boxed(),
    };
    let looked = looking.await;
    if looked.as_ref().is_err_and(|failure| failure.kind == Kind::Credentials) {
        // Fresh ones are found by the next look alone.
        ground.forget().await;
    }
    looked
}

/// Does exactly `plan`, and says what happens; `Ended` is said last, once.
pub async fn apply(ground: &Ground, plan: &Plan, answers: &Answers, run: &Run) -> (End, Option<Failure>) {
    let began = AtomicBool::new(false);
    let witness = ground.clone();
    let run = run.witnessed(move |event| witness.tell(event)).stage(plan.stage);
    let (end, failure) = run
        .whole(async {
            if plan.stage == Stage::Disable {
                // It waits for nobody.
                let _ = ground.take().await;
            } else if !matches!(plan.stage, Stage::Access | Stage::Overview | Stage::Verify) {
                ground.take().await?;
            }
            ground.stands(plan.stage, false);
            at(ground, answers, Some(plan.stage));
            began.store(true, Ordering::Relaxed);
            if let Some(ask) = plan.asks.first() {
                return Err(Failure::consent(
                    plan.stage.title(),
                    ask.question.clone(),
                    format!("say yes with {}", ask.consent.flag()),
                ));
            }
            // Switching off looks for itself: a run beside it may have switched on since it was planned.
            if plan.unchanged() && plan.stage != Stage::Disable {
                return Ok((End::Unchanged, String::new()));
            }
            match (&plan.seen, plan.stage) {
                (Seen::Reindex(seen), _) => stages::reindex::apply(ground, seen, answers, &run).boxed().await,
                (Seen::Secret(seen), _) => stages::secret::apply(ground, seen, answers, &run).boxed().await,
                (Seen::Bootstrap(seen), _) => {
                    stages::bootstrap::apply(ground, seen, answers, &run).boxed().await
                }
                (Seen::Distribution(seen), _) => {
                    stages::distribution::apply(ground, seen, answers, &run).boxed().await
                }
                (Seen::Configuration(seen), Stage::Configuration) => {
                    stages::configuration::apply(ground, seen, answers, &run).boxed().await
                }
                (Seen::Configuration(seen), Stage::GoLive) => {
                    stages::go_live::apply(ground, seen, answers, &run).boxed().await
                }
                (_, Stage::Disable) => stages::disable::apply(ground, answers, &run).boxed().await,
                (Seen::Configuration(seen), Stage::RollBack) => {
                    stages::roll_back::apply(ground, answers, seen, &run).boxed().await
                }
                (_, Stage::Verify) => {
                    let checks = stages::verify::checks(ground, answers, &run).boxed().await?;
                    let failed = checks.iter().filter(|check| check.failed()).count();
                    if let Some(verdict) = checks.last().filter(|check| check.failed()) {
                        return Err(Failure::other(
                            format!("{failed} of {} checks", checks.len() - 1),
                            verdict.detail.clone(),
                            verdict.next.clone(),
                        ));
                    }
                    Ok((End::Applied, checks.last().map(|check| check.detail.clone()).unwrap_or_default()))
                }
                // The overview and the access stage change nothing.
                _ => Ok((End::Unchanged, String::new())),
            }
        })
        .await;
    ground.stands(plan.stage, true);
    if failure.is_some() {
        ground.look_afresh().await;
    }
    // Beside another run that one's place stays as it is.
    if began.into_inner() {
        let ended = is_end(plan.stage, end, ground.without_ctl());
        at(ground, answers, (!ended).then_some(plan.stage));
    }
    (end, failure)
}

/// Whether a run has come to its end, so that the next start has nothing to go on with.
fn is_end(stage: Stage, end: End, without_ctl: bool) -> bool {
    match stage {
        Stage::Verify => matches!(end, End::Applied | End::Unchanged),
        Stage::Disable | Stage::RollBack => end != End::Failed && (end != End::Stopped || without_ctl),
        // The rest is left to the operator.
        Stage::GoLive => end == End::Stopped && without_ctl,
        _ => false,
    }
}

/// Keeps the answers, and where this run is: `None` where it went to its end.
pub fn at(ground: &Ground, answers: &Answers, stage: Option<Stage>) {
    let when = ground.host.clock.now().as_secs();
    let before = ground.host.state.left().0.unwrap_or_default();
    let mut answers = answers.clone();
    let mut on = before.on;
    if let Some(scene) = ground.known_scene() {
        answers.identity = Some(scene.caller.arn.clone());
        answers.account = Some(scene.account.clone());
        on = Some((scene.account.clone(), scene.names.bucket().to_owned()));
    } else {
        // Switching off asks AWS nothing: what the run before knew stays known.
        answers.identity = before.answers.identity;
        answers.account = before.answers.account;
    }
    answers.profile = answers.profile.or_else(|| ground.settings.last_profile.clone());
    answers.goal = match stage {
        Some(Stage::Disable) => Some(Goal::Disable),
        Some(Stage::RollBack) => Some(Goal::RollBack),
        _ => answers.goal.filter(|goal| matches!(goal, Goal::Install | Goal::Upgrade)),
    };
    // Losing it loses no more than time.
    let _ = ground.host.state.keep(&Left { answers, stage, when, on });
}

/// Associates an earlier function version again.
pub async fn roll_back_edge(
    ground: &Ground,
    answers: &Answers,
    arn: &str,
    run: &Run,
) -> (End, Option<Failure>) {
    let run = run.stage(Stage::RollBack);
    let ended = run.whole(stages::roll_back::edge(ground, answers, arn, &run).boxed()).await;
    ground.look_afresh().await;
    ended
}

/// All that `check` says of the identity, the bucket, the account and the host; it changes nothing.
pub async fn check(ground: &Ground, answers: &Answers) -> Result<Vec<Check>, Failure> {
    stages::access::check(ground, answers).await
}

/// The IAM policy that suffices for the goal, as JSON that fits one managed policy.
pub async fn policy(ground: &Ground, answers: &Answers) -> Result<String, Failure> {
    let scene = ground.scene(answers).await?;
    // An upgrade needs the most, so without a goal its policy suffices for each.
    let goal = answers.goal.unwrap_or(Goal::Upgrade);
    Ok(least_privilege(&stages::access::needed(goal, &scene, answers)))
}

/// What the edge accepts, without asking AWS: as asked, else as last seen from this host, else the default.
#[must_use]
pub fn construction(ground: &Ground, answers: &Answers) -> Construction {
    let kept = || {
        String::from_utf8(ground.host.state.read(stages::bootstrap::CONSTRUCTION)?).ok()?.trim().parse().ok()
    };
    answers.construction.or_else(kept).unwrap_or_default()
}

/// The function version that is right as it stands.
pub async fn version_arn(ground: &Ground, answers: &Answers) -> Result<Option<String>, Failure> {
    let scene = ground.scene(answers).await?;
    Ok(stages::bootstrap::see(ground, &scene, answers).boxed().await?.version)
}

/// The backups of packagecloud.rb, the newest first.
pub async fn backups(ground: &Ground) -> Result<Vec<BackupFound>, Failure> {
    let mut found = Vec::new();
    for backup in ground.host.backups().await? {
        let what = Restore::Values { keep_secret: true };
        let changes = ground.host.preview_restore(&backup, what).await.unwrap_or_default();
        found.push(BackupFound { path: backup.path.display().to_string(), when: backup.made, changes });
    }
    Ok(found)
}

/// Runs one of packagecloud-ctl's commands, saying its lines as events of the go-live stage.
pub async fn ctl(ground: &Ground, command: &str, run: &Run) -> Result<(), Failure> {
    let run = run.stage(Stage::GoLive);
    for node in ground.nodes() {
        match command {
            "reconfigure" => packagecloud::switch::reconfigure(&node, &run).await?,
            _ => packagecloud::switch::restart(&node, &run).await?,
        }
    }
    Ok(())
}

/// All checks of `verify`, each also said as an event.
pub async fn verify(ground: &Ground, answers: &Answers, run: &Run) -> Result<Vec<Check>, Failure> {
    stages::verify::checks(ground, answers, &run.stage(Stage::Verify)).await
}

/// The bucket's install, as `configuration` prints it: what packagecloud.rb holds, completed by what AWS has.
pub async fn configuration(
    ground: &Ground,
    answers: &Answers,
) -> Result<crate::model::packagecloud::settings::Values, Failure> {
    let config = ground.host.read_config().await?;
    let mut values = config.seen.values;
    if values.distribution_id.is_none() || values.packages_domain.is_none() {
        let distribution = stages::configuration::ours(ground, answers).await?;
        if let Some(distribution) = distribution {
            values.distribution_id.get_or_insert_with(|| distribution.id.clone());
            let domain = resources::packages_domain::of(answers, &values, Some(&distribution));
            values.packages_domain = values.packages_domain.or(domain);
        }
    }
    Ok(values)
}
