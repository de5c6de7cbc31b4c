//! The commands that change something: each shows its plan, asks, and applies stage after stage.

use super::{DONE, PENDING, Session, json, plain, read};
use crate::args::Format;
use crate::engine;
use crate::model::run::{
    answers::RollBackAnswers,
    event::End,
    failure::{Failure, Kind},
    goal::{Goal, Stage},
    plan::Plan,
};

/// The whole set-up.
pub async fn enable(session: &mut Session) -> Result<u8, Failure> {
    let goal = session.answers.goal.unwrap_or(Goal::Install);
    begin(session).await?;
    let stages: Vec<Stage> = goal
        .stages()
        .iter()
        .copied()
        .filter(|stage| !matches!(stage, Stage::Access | Stage::Overview))
        .filter(|stage| !(session.answers.prepare && matches!(stage, Stage::GoLive | Stage::Verify)))
        .collect();
    let mut plans = Vec::new();
    let mut stopped = None;
    for &stage in stages.iter().filter(|&&stage| stage != Stage::Verify) {
        match engine::look(&session.ground, stage, &session.answers).await {
            Ok(plan) => plans.push(plan),
            // Whose account it is, whether it is the bucket that was meant, and what may not be done comes before it.
            Err(failure) => {
                stopped = Some(failure);
                break;
            }
        }
    }
    // A stage with nothing to do needs no permission that its look didn't.
    let pending: Vec<Stage> = stages
        .iter()
        .copied()
        .filter(|stage| plans.iter().find(|plan| plan.stage == *stage).is_none_or(|plan| !plan.unchanged()))
        .collect();
    let access = engine::look_at_access(&session.ground, &session.answers, &pending).await?;
    show_access(session, &access);
    if let Some(failed) = access.checks.iter().find(|check| check.failed()) {
        return Err(Failure::other(failed.name.clone(), failed.detail.clone(), failed.next.clone()));
    }
    if let Some(failure) = stopped {
        session.refuse_asks(std::slice::from_ref(&access))?;
        return Err(failure);
    }
    plans.insert(0, access);
    session.refuse_asks(&plans)?;
    let unchanged = plans.iter().all(Plan::unchanged);
    if !unchanged {
        show_overview(session, &plans);
        if !(session.json() && session.global.yes) {
            tell!("All in all");
            engine::stages::overview::words(&plans).iter().for_each(|line| tell!("  {line}"));
        }
        if !session.consent("Apply these changes?")? {
            return Err(Failure::consent(
                "enable",
                "you said no",
                "nothing was changed; run it again when you are ready",
            ));
        }
    }
    // The plans above were made in one look. While nothing changes they still stand; after a change the later stages look again.
    let mut changed = false;
    for stage in stages {
        if stage == Stage::Verify && !live(session) {
            continue;
        }
        if session.stop.is_cancelled() {
            // Asked to end while the stage before did its last write: it was finished, and no other is begun.
            return Err(Failure::new(
                Kind::Interrupted,
                "enable",
                format!("stopped before the stage {}", stage.title()),
                "run the same command again: it goes on from what is there",
            ));
        }
        let standing = plans.iter().position(|plan| plan.stage == stage).filter(|_| !changed);
        let plan = match standing {
            Some(index) => plans.swap_remove(index),
            None => engine::look(&session.ground, stage, &session.answers).await?,
        };
        session.refuse_asks(std::slice::from_ref(&plan))?;
        let (end, failure) = apply_looking_again(session, plan).await?;
        changed |= end == End::Applied;
        if let Some(failure) = failure {
            show_standing(session).await;
            return Ok(super::ended(&failure));
        }
    }
    let values = engine::configuration(&session.ground, &session.answers).await?;
    read::show(session, &values, Format::Ruby);
    if session.answers.prepare {
        tell!(
            "{}",
            if values.enabled == Some(true) {
                "CloudFront is on already; this left it on."
            } else {
                "All is prepared, and nothing is live yet. To go live: packagecloud-cloudfront enable"
            }
        );
    }
    remember(session);
    Ok(DONE)
}

/// Says where the last run was left; asks first whether another account or bucket than that run's is meant.
async fn begin(session: &Session) -> Result<(), Failure> {
    if let Some(left) = engine::welcome::left(&session.ground) {
        tell!("The last run was left {left}. This goes on from what is there.");
    }
    session.refuse_unasked(&engine::asked_first(&session.ground, &session.answers).await)
}

/// In JSON the block as the file holds it, after a stage that failed; a person reads of the failure last.
async fn show_standing(session: &Session) {
    if session.json()
        && let Ok(config) = session.ground.host.read_config().await
    {
        read::show(session, &config.seen.values, Format::Ruby);
    }
}

/// Whether CloudFront is on by the file: verify after `--ctl none` or `--prepare` would only fail.
fn live(session: &Session) -> bool {
    !session.ground.without_ctl()
}

/// Applies; where reality moved since the plan was shown, looks again and applies what is right now, a few times.
async fn apply_looking_again(session: &Session, mut plan: Plan) -> Result<(End, Option<Failure>), Failure> {
    for _ in 0..3 {
        let (end, failure) = session.apply(&plan).await;
        match &failure {
            Some(drifted) if drifted.kind == Kind::Drifted => {
                plan = engine::look(&session.ground, plan.stage, &session.answers).await?;
                session.refuse_asks(std::slice::from_ref(&plan))?;
            }
            _ => return Ok((end, failure)),
        }
    }
    Ok(session.apply(&plan).await)
}

fn show_access(session: &Session, plan: &Plan) {
    if session.json() {
        return;
    }
    for check in plan.checks.iter().filter(|check| check.failed() || !check.name.contains(':')) {
        tell!("{}", plain::check(check));
    }
    let all = plan.checks.len();
    match plan.checks.iter().filter(|check| check.failed()).count() {
        0 => tell!("Access: nothing stands in the way ({all} checks)"),
        failed => tell!("Access: {failed} of {all} checks failed"),
    }
}

fn show_overview(session: &Session, plans: &[Plan]) {
    // In JSON stdout is for events; what a missing --yes would consent to stands on stderr all the same.
    if session.json() && session.global.yes {
        return;
    }
    let changing = plans.iter().filter(|plan| !plan.unchanged());
    plain::plans(changing).iter().for_each(|line| tell!("{line}"));
}

fn remember(session: &Session) {
    engine::at(&session.ground, &session.answers, None);
}

/// Some stages alone, each as the set-up has it.
pub async fn stages(session: &mut Session, stages: &[Stage]) -> Result<u8, Failure> {
    // The secret alone asks AWS nothing where packagecloud.rb tells it.
    if stages != [Stage::Secret] {
        begin(session).await?;
    }
    for &stage in stages {
        let plan = engine::look(&session.ground, stage, &session.answers).await?;
        session.refuse_asks(std::slice::from_ref(&plan))?;
        if !plan.unchanged() {
            show_overview(session, std::slice::from_ref(&plan));
            if !session.consent("Apply this?")? {
                return Err(Failure::consent(stage.name(), "you said no", "nothing was changed"));
            }
        }
        let (_, failure) = apply_looking_again(session, plan).await?;
        if let Some(failure) = failure {
            return Ok(super::ended(&failure));
        }
    }
    remember(session);
    Ok(DONE)
}

pub async fn bootstrap(session: &mut Session) -> Result<u8, Failure> {
    let code = stages(session, &[Stage::Bootstrap]).await?;
    if code == DONE
        && let Some(arn) = engine::version_arn(&session.ground, &session.answers).await?
    {
        session.say(&format!("Next: packagecloud-cloudfront reconfigure-cloudfront-distribution {arn}"));
    }
    Ok(code)
}

pub async fn distribution(session: &mut Session, go_live: bool) -> Result<u8, Failure> {
    let arn = session.answers.version_arn.clone().unwrap_or_default();
    let numbered = arn.rsplit(':').next().is_some_and(|number| number.parse::<u32>().is_ok());
    let whole = arn.split(':').count() == 8 && !arn.contains(char::is_whitespace);
    if !(arn.starts_with("arn:aws:lambda:us-east-1:") && arn.contains(":function:") && numbered && whole) {
        return Err(Failure::usage(
            arn,
            "it is no ARN of a function version in us-east-1, with its number at the end",
            "give the one that bootstrap-cloudfront printed",
        ));
    }
    let mut wanted = vec![Stage::Distribution, Stage::Configuration];
    if go_live {
        wanted.push(Stage::GoLive);
    }
    let code = stages(session, &wanted).await?;
    if code == DONE {
        let values = engine::configuration(&session.ground, &session.answers).await?;
        if !go_live && values.enabled == Some(true) {
            tell!("CloudFront is on already; this left it on.");
        }
        read::show(session, &values, Format::Ruby);
    } else {
        show_standing(session).await;
    }
    Ok(code)
}

/// Switching off, from packagecloud.rb alone.
pub async fn disable(session: &mut Session) -> Result<u8, Failure> {
    let plan = engine::look(&session.ground, Stage::Disable, &session.answers).await?;
    if !plan.unchanged() {
        show_overview(session, std::slice::from_ref(&plan));
        if !session.json() {
            tell!("  {}", engine::stages::disable::would_help(&session.ground).await.detail);
        }
        if !session.consent("Switch CloudFront off?")? {
            return Err(Failure::consent("disable", "you said no", "nothing was changed"));
        }
    }
    let (_, failure) = apply_looking_again(session, plan).await?;
    for node in session.ground.nodes() {
        if let Ok(config) = node.host.read_config().await {
            read::show(session, &config.seen.values, Format::Ruby);
            break;
        }
    }
    match failure {
        None => Ok(DONE),
        Some(failure) if failure.kind == Kind::StillOn => {
            super::ended(&failure);
            Ok(PENDING)
        }
        Some(failure) => Ok(super::ended(&failure)),
    }
}

pub async fn roll_back(
    session: &mut Session,
    backup: Option<&str>,
    whole_file: bool,
    edge: Option<&str>,
) -> Result<u8, Failure> {
    if let Some(arn) = edge {
        if !session.consent(&format!("Associate {arn} again?"))? {
            return Err(Failure::consent("roll-back", "you said no", "nothing was changed"));
        }
        let (_, failure) = session
            .shown(async |run| engine::roll_back_edge(&session.ground, &session.answers, arn, &run).await)
            .await;
        return Ok(failure.map_or(DONE, |failure| super::ended(&failure)));
    }
    let Some(backup) = backup else {
        let backups = engine::backups(&session.ground).await?;
        if session.json() {
            backups.iter().for_each(|backup| json::print(&json::backup(backup)));
            return Ok(DONE);
        }
        if backups.is_empty() {
            session.say("There is no backup of packagecloud.rb: none was made yet.");
        }
        for backup in backups {
            session.say(&format!("{}  {}", backup.path, backup.when));
            if backup.changes.is_empty() {
                session.say("    restoring it would change nothing now");
            }
            backup.changes.iter().for_each(|line| session.say(&format!("    {line}")));
        }
        return Ok(DONE);
    };
    session.answers.roll_back = RollBackAnswers { backup: Some(backup.to_owned()), whole_file, edge: None };
    let plan = engine::look(&session.ground, Stage::RollBack, &session.answers).await?;
    session.refuse_asks(std::slice::from_ref(&plan))?;
    if !plan.unchanged() {
        show_overview(session, std::slice::from_ref(&plan));
        if !session.consent("Restore this?")? {
            return Err(Failure::consent("roll-back", "you said no", "nothing was changed"));
        }
    }
    let (_, failure) = session.apply(&plan).await;
    if let Some(failure) = failure {
        return Ok(super::ended(&failure));
    }
    let on = session.ground.host.read_config().await?.seen.values.enabled == Some(true);
    if on { stages(session, &[Stage::GoLive]).await } else { Ok(DONE) }
}

/// packagecloud-ctl's own command, with its lines.
pub async fn ctl(session: &mut Session, command: &str) -> Result<u8, Failure> {
    if !session.consent(&format!("Run packagecloud-ctl {command}?"))? {
        return Err(Failure::consent(command, "you said no", "nothing was run"));
    }
    let ran = session.shown(async |run| engine::ctl(&session.ground, command, &run).await).await;
    Ok(ran.map_or_else(|failure| super::ended(&failure), |()| DONE))
}
