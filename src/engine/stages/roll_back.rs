//! Rolling back: packagecloud.rb as a backup has it, or an earlier function version (contract section 8).
//!
//! A secret that the edge holds is never removed or replaced by a roll-back of the four values.

use std::path::Path;

use crate::aws::Intent;
use crate::host::{Backup, Restore};
use crate::model::{
    aws::evidence::{ConfigurationSeen, Seen},
    run::{
        answers::Answers,
        event::End,
        failure::Failure,
        goal::{Stage, Step},
        plan::{Exhibit, Plan, Verb},
    },
};

use super::configuration::{self, kept};
use crate::engine::{
    packagecloud::switch,
    run::StageRun,
    session::{Ground, retry_on_expiry::renewing},
};

fn what(whole_file: bool) -> Restore {
    if whole_file { Restore::WholeFile } else { Restore::Values { keep_secret: true } }
}

async fn find(ground: &Ground, wanted: &str) -> Result<Backup, Failure> {
    let backups = ground.host.backups().await?;
    let fits = |backup: &&Backup| {
        backup.path == Path::new(wanted) || backup.path.file_name().is_some_and(|name| name == wanted)
    };
    backups.iter().find(fits).cloned().ok_or_else(|| {
        Failure::usage(wanted, "there is no such backup", "roll-back without a name lists the backups")
    })
}

pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let wanted = &answers.roll_back;
    let named = wanted.backup.as_deref().ok_or_else(|| {
        Failure::usage("roll-back", "it needs a backup to restore from", "choose one: roll-back lists them")
    })?;
    let backup = find(ground, named).await?;
    let values = ground.host.read_backup(&backup).await?;
    let lines = ground.host.preview_restore(&backup, what(wanted.whole_file)).await?;
    // A file that isn't Ruby any more can be restored whole all the same.
    let config = match ground.host.read_config().await {
        Ok(config) => config.seen,
        Err(failure) if !wanted.whole_file => return Err(failure),
        Err(_) => crate::model::aws::evidence::ConfigSeen {
            path: ground.host.config_place(),
            hash: ground.host.config_hash().await?,
            ..Default::default()
        },
    };
    let before = config.values.clone();
    let mut plan = Plan::new(Stage::RollBack, Seen::Nothing);
    let path = config.path.clone();
    if lines.is_empty() {
        plan.line(Step::Configuration, Verb::Keep, &path, "it is as the backup has it");
    } else {
        let restored = if wanted.whole_file {
            "the whole file, byte for byte"
        } else {
            "the four values, but for the secret"
        };
        plan.line(
            Step::Configuration,
            Verb::Update,
            &path,
            format!("from {}: {restored}", backup.path.display()),
        );
        if values.enabled == Some(true) {
            plan.line(
                Step::Switch,
                Verb::Run,
                "going live",
                "comes next: its gate, reconfigure, restart, proof",
            );
        } else {
            switch::plan(ground, &mut plan, Some(("packagecloud's redirects", "seen to go to S3")));
        }
        plan.exhibit.push(Exhibit { title: format!("Changes to {path}"), lines, copy: false });
    }
    if values.enabled == Some(true) && before.enabled != Some(true) {
        plan.notes.push(
            "The backup has CloudFront on: that part takes effect through going live, behind its gate."
                .into(),
        );
    }
    let named = Some((backup.path.display().to_string(), wanted.whole_file));
    plan.seen = Seen::Configuration(Box::new(ConfigurationSeen {
        config,
        wanted: values,
        before,
        backup: named,
        others: Vec::new(),
    }));
    Ok(plan)
}

pub async fn apply(
    ground: &Ground,
    answers: &Answers,
    seen: &ConfigurationSeen,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let Some((backup, whole_file)) = &seen.backup else { return Ok((End::Unchanged, String::new())) };
    run.step(Step::Configuration, format!("restoring {}", seen.config.path), async {
        let backup = find(ground, backup).await?;
        let on = seen.wanted.enabled == Some(true);
        let _turn = ground.turn().await?;
        if on {
            switch::begin_on(ground).await?;
        } else {
            switch::intend(ground, false);
        }
        let written = ground.host.restore(&seen.config.hash, &backup, what(*whole_file)).await?;
        Ok(((), format!("restored{}", kept(&written))))
    })
    .await?;
    if seen.wanted.enabled == Some(true) {
        // A file with CloudFront on takes effect only behind the gate of going live.
        return Ok((End::Applied, "going live comes next".into()));
    }
    if ground.without_ctl() {
        return Ok((
            End::Stopped,
            "left to you: packagecloud-ctl reconfigure, then packagecloud-ctl restart".into(),
        ));
    }
    switch::reconfigure(ground, run).await?;
    switch::restart(ground, run).await?;
    let observed = run
        .step(Step::Proof, "asking packagecloud where it redirects", async {
            let observed = switch::await_s3(ground, answers).await?;
            Ok((observed.clone(), observed))
        })
        .await?;
    switch::done(ground).await;
    Ok((End::Applied, format!("CloudFront is off; {observed}")))
}

/// Associates an earlier function version again, and waits until every edge has it.
pub async fn edge(
    ground: &Ground,
    answers: &Answers,
    arn: &str,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let scene = ground.scene(answers).await?;
    let distribution = configuration::ours(ground, answers).await?.ok_or_else(|| {
        Failure::other("the distribution", "there is none of this install", "run enable first")
    })?;
    let say = run.progress(Step::Authenticator);
    let made = run.step(Step::Authenticator, format!("associating {arn}"), async {
        scene.cloud.function_version(arn).await?.ok_or_else(|| {
            Failure::other(
                arn,
                "there is no such function version",
                "list them with: aws lambda list-versions-by-function --function-name packagecloud_cloudfront_auth --region us-east-1",
            )
        })?;
        let intent = Intent::Version(arn);
        let made = scene
            .cloud
            .associate(&scene.names, &distribution.id, &distribution.etag, &intent, answers.consents.adopt, &say)
            .await?;
        Ok((made, format!("{} carries {arn}", distribution.id)))
    })
    .await?;
    let say = run.progress(Step::Deployed);
    run.step(Step::Deployed, "waiting until every edge has it", async {
        let waiting = || run.unless_stopped(scene.cloud.wait_deployed(&scene.names, &made, &say));
        renewing(ground, &scene.cloud, run, Step::Deployed, waiting).await?;
        Ok(((), format!("{} is deployed", distribution.id)))
    })
    .await?;
    Ok((End::Applied, String::new()))
}
