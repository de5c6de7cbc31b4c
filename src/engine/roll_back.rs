//! Rolling back: packagecloud.rb as a backup has it, or an earlier function version (contract section 8).
//!
//! A secret that the edge holds is never removed or replaced by a roll-back of the four values.

use crate::cloud::Intent;
use crate::model::{
    answers::Answers,
    block::{Key, Values},
    event::End,
    failure::Failure,
    goal::{Stage, Step},
    plan::{Exhibit, Plan, Verb},
    seen::{ConfigurationSeen, Seen},
};

use super::{configuration, ground::Ground, run::StageRun, switch};

/// What to restore: a backup's path, and whether byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub backup: String,
    pub whole_file: bool,
}

pub async fn look(ground: &Ground, wanted: &Wanted) -> Result<Plan, Failure> {
    let config = ground.host.read_config()?;
    let backup = ground.host.read_backup(&wanted.backup)?;
    let mut values = backup.values();
    let before = config.seen.values.clone();
    let keys = keys(&values, &before);
    if !keys.contains(&Key::Secret) {
        values.secret = before.secret.clone();
    }
    let mut plan = Plan::new(Stage::RollBack, Seen::Nothing);
    let path = config.seen.path.clone();
    let same = if wanted.whole_file { backup.bytes() == config.file.bytes() } else { keys.is_empty() };
    if same {
        plan.line(Step::Configuration, Verb::Keep, &path, "it is as the backup has it");
    } else {
        let what = if wanted.whole_file { "the whole file, byte for byte".to_owned() } else {
            keys.iter().map(|key| key.name()).collect::<Vec<_>>().join(", ")
        };
        plan.line(Step::Configuration, Verb::Update, &path, format!("from {}: {what}", wanted.backup));
        plan.line(Step::Reconfigure, Verb::Run, "packagecloud-ctl reconfigure", "packagecloud reads its configuration");
        plan.line(Step::Restart, Verb::Run, "packagecloud-ctl restart", "customers notice some seconds");
        let lines = if wanted.whole_file {
            crate::model::config_file::diff(config.file.bytes(), backup.bytes())
        } else {
            ground.host.preview(&config.seen, &configuration::edits(&values, &keys), true).unwrap_or_default()
        };
        plan.exhibit.push(Exhibit { title: format!("Changes to {path}"), lines, copy: false });
    }
    if values.enabled == Some(true) && before.enabled != Some(true) {
        plan.notes.push("The backup has CloudFront on: that part comes back through going live, behind its gate.".into());
    }
    let backup = wanted.whole_file.then(|| wanted.backup.clone());
    plan.seen = Seen::Configuration(Box::new(ConfigurationSeen { config: config.seen, wanted: values, before, backup }));
    Ok(plan)
}

/// The values that the backup has otherwise. The secret only where there is none now; going live is a stage of its
/// own, so `cloudfront_enabled` is never restored to true here.
fn keys(backup: &Values, now: &Values) -> Vec<Key> {
    Key::ALL
        .into_iter()
        .filter(|&key| match key {
            Key::Secret => now.secret.is_none() && backup.secret.is_some(),
            Key::Enabled => backup.enabled != Some(true) && now.enabled == Some(true),
            _ => backup.ruby(key).is_some() && backup.ruby(key) != now.ruby(key),
        })
        .collect()
}

pub async fn apply(
    ground: &Ground,
    seen: &ConfigurationSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    run.step(Step::Configuration, format!("restoring {}", seen.config.path), async {
        let written = match &seen.backup {
            Some(backup) => ground.host.restore_whole(&seen.config, backup)?,
            None => {
                let mut wanted = seen.wanted.clone();
                wanted.enabled = Some(wanted.enabled.unwrap_or(false));
                let edits = configuration::edits(&wanted, &keys(&seen.wanted, &seen.before));
                ground.host.write_config(&seen.config, &edits, answers.consents.override_expression)?
            }
        };
        Ok(((), format!("restored; the file before is {}", written.backup)))
    })
    .await?;
    if seen.wanted.enabled == Some(true) && seen.before.enabled != Some(true) {
        // A file with CloudFront on takes effect only behind the gate of going live.
        switch::intend(ground, true);
        return Ok((End::Applied, "going live comes next".into()));
    }
    if ground.host.without_ctl() {
        return Ok((End::Stopped, "left to you: packagecloud-ctl reconfigure, then packagecloud-ctl restart".into()));
    }
    switch::reconfigure(ground, run).await?;
    switch::restart(ground, run).await?;
    Ok((End::Applied, String::new()))
}

/// Associates an earlier function version again, and waits until every edge has it.
pub async fn edge(ground: &Ground, answers: &Answers, arn: &str, run: &StageRun) -> Result<(End, String), Failure> {
    let scene = ground.scene(answers).await?;
    let distribution = configuration::ours(ground, answers).await?.ok_or_else(|| {
        Failure::other("the distribution", "there is none of this install", "run enable first")
    })?;
    let say = run.progress(Step::Authenticator);
    run.step(Step::Authenticator, format!("associating {arn}"), async {
        scene.cloud.function_version(arn).await?.ok_or_else(|| {
            Failure::other(arn, "there is no such function version", "list them with: aws lambda list-versions-by-function --function-name packagecloud_cloudfront_auth --region us-east-1")
        })?;
        scene
            .cloud
            .associate(&scene.names, &distribution.id, &distribution.etag, &Intent::Version(arn), answers.consents.adopt, &say)
            .await?;
        Ok(((), format!("{} carries {arn}", distribution.id)))
    })
    .await?;
    let say = run.progress(Step::Deployed);
    run.step(Step::Deployed, "waiting until every edge has it", async {
        run.unless_stopped(scene.cloud.wait_deployed(&scene.names, &distribution.id, &say)).await?;
        Ok(((), format!("{} is deployed", distribution.id)))
    })
    .await?;
    Ok((End::Applied, String::new()))
}
