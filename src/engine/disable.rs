//! Switching CloudFront off, from packagecloud.rb alone (contract section 8).
//!
//! No answer of AWS is waited for; it goes on past failures and says all of them; whatever can't be written is printed to be typed.

use std::time::Duration;

use crate::model::{
    answers::Answers,
    block::{HASH, Key, Values},
    check::Check,
    config_file::Override,
    event::End,
    failure::{Failure, Kind},
    goal::{Stage, Step},
    plan::{Plan, Verb},
    seen::{ConfigurationSeen, Seen},
};

use super::{
    configuration::{self, kept},
    ground::Ground,
    probe,
    run::{Run, StageRun},
    switch,
};

/// The line that switches off, for typing.
fn line() -> String {
    format!("{HASH}['cloudfront_enabled'] = false")
}

/// What to type where the file can't be written.
#[must_use]
pub fn by_hand(path: &str) -> String {
    format!(
        "add this line at the end of {path}: {} — then type: packagecloud-ctl reconfigure && packagecloud-ctl restart",
        line()
    )
}

/// Looks at the file alone: no AWS, no network.
pub async fn look(ground: &Ground, _answers: &Answers) -> Result<Plan, Failure> {
    let config = ground
        .host
        .read_config()
        .await
        .map_err(|failure| Failure { next: by_hand(&ground.host.config_place()), ..failure })?;
    let wanted = Values { enabled: Some(false), ..Values::default() };
    let before = config.seen.values.clone();
    let off =
        before.enabled != Some(true) && !config.seen.expressions.iter().any(|(key, ..)| *key == Key::Enabled);
    let mut plan = Plan::new(Stage::Disable, Seen::Nothing);
    let path = config.seen.path.clone();
    if off && !switch::begun(ground) {
        let why = if before.enabled.is_none() {
            "it says nothing of CloudFront, so it is off"
        } else {
            "cloudfront_enabled is false already"
        };
        plan.line(Step::Switch, Verb::Keep, &path, why);
    } else {
        if off {
            plan.line(
                Step::Switch,
                Verb::Keep,
                &path,
                "cloudfront_enabled is false; packagecloud was not yet seen to follow",
            );
        } else {
            plan.line(Step::Switch, Verb::Update, &path, "cloudfront_enabled becomes false");
            let edits = configuration::edits(&wanted, &[Key::Enabled]);
            plan.exhibit.extend(configuration::changes(ground, &config, &edits));
        }
        switch::plan(ground, &mut plan, Some(("packagecloud's redirects", "seen to go to S3 again")));
    }
    plan.notes.push(
        "Everything in AWS stays as it is, and links that were given out still work until they expire."
            .into(),
    );
    if let Some(other) = ground.other_run() {
        plan.notes.push(format!("{other} Switching off goes on beside it, and keeps it from going live."));
    }
    if let Some((tool, how)) = &config.seen.managed {
        plan.notes.push(format!(
            "{tool} manages this host ({how}): its next run switches CloudFront on again, unless cloudfront_enabled is false there too."
        ));
    }
    plan.seen = Seen::Configuration(Box::new(ConfigurationSeen {
        config: config.seen,
        wanted,
        before,
        backup: None,
    }));
    Ok(plan)
}

/// Whether S3 would serve what packagecloud will redirect to: a link presigned as packagecloud does. Three seconds at
/// most; the caller never waits for it.
pub async fn would_help(ground: &Ground) -> String {
    let asking = async {
        let config = ground.host.read_config().await.ok()?;
        let (access, secret) = config.file.aws_keys()?;
        let (_, bucket) = config.file.bucket()?;
        let region = config.file.region().unwrap_or("us-east-1");
        let expires = ground.host.clock.now().as_secs() + probe::LIFETIME;
        let url = crate::model::presign::sigv2(bucket, region, probe::ABSENT, &access, &secret, expires);
        Some(ground.web.get(&url, &[]).await)
    };
    match tokio::time::timeout(Duration::from_secs(3), asking).await {
        Ok(Some(Ok(reply))) => {
            let body = String::from_utf8_lossy(&reply.body).into_owned();
            if body.contains("InvalidAccessKeyId") {
                "S3 refuses packagecloud's own AWS key (InvalidAccessKeyId): with CloudFront off, downloads would fail too".into()
            } else if reply.status == 404 || reply.status == 200 || body.contains("AccessDenied") {
                "S3 accepts links signed as packagecloud signs them: switching off helps".into()
            } else {
                format!(
                    "S3 answered {} to a link signed as packagecloud signs them (SigV2): switching off may not help",
                    reply.status
                )
            }
        }
        _ => "whether S3 accepts packagecloud's own links could not be tried".into(),
    }
}

/// [`would_help`] as an event of this stage.
pub async fn would_help_said(ground: &Ground, run: &Run) {
    let detail = would_help(ground).await;
    run.stage(Stage::Disable).check(Check::unknown("s3-links", detail));
}

/// Switches off, past failures, and says all of them.
pub async fn apply(
    ground: &Ground,
    seen: &ConfigurationSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let path = &seen.config.path;
    let mut failures = Vec::new();
    let mut backup = String::new();
    let on = seen.config.values.enabled == Some(true)
        || seen.config.expressions.iter().any(|(key, ..)| *key == Key::Enabled);
    if on {
        let wrote = run
            .step(Step::Switch, format!("writing {path}"), async {
                switch::intend(ground, false);
                let edits = configuration::edits(&seen.wanted, &[Key::Enabled]);
                let written =
                    ground.host.write_config(&seen.config, &edits, Override::Append).await.map_err(
                        |failure| {
                            if failure.kind == Kind::Drifted {
                                failure
                            } else {
                                Failure { next: by_hand(path), ..failure }
                            }
                        },
                    )?;
                let text = format!("cloudfront_enabled is false{}", kept(&written));
                Ok((kept(&written), text))
            })
            .await;
        match wrote {
            Ok(path) => backup = path,
            // Without the file switched off, a restart would only cost customers time.
            Err(failure) => return Err(failure),
        }
    }
    if ground.without_ctl() {
        switch::done(ground);
        return Ok((
            End::Stopped,
            "the file is written; left to you, where packagecloud runs: packagecloud-ctl reconfigure, then packagecloud-ctl restart".into(),
        ));
    }
    for result in [switch::reconfigure(ground, run).await, switch::restart(ground, run).await] {
        if let Err(failure) = result {
            failures.push(failure);
        }
    }
    let observed = run
        .step(Step::Proof, "asking packagecloud where it redirects", async {
            let observed = switch::await_s3(ground, answers).await?;
            Ok((observed.clone(), observed))
        })
        .await;
    match observed {
        Ok(observed) if failures.is_empty() => {
            switch::done(ground);
            let since = crate::host::clock::written(ground.host.clock.now());
            Ok((
                End::Applied,
                format!(
                    "off since {since}; {observed}. Customers do nothing; whoever closed S3 in a firewall opens it{backup}. Switch on again with: packagecloud-cloudfront enable"
                ),
            ))
        }
        Ok(observed) => {
            let first = failures.remove(0);
            Err(Failure { why: format!("{}; the file says off; {observed}", first.why), ..first })
        }
        Err(failure) => {
            failures.push(failure);
            // The first is the cause: where a reconfigure failed, the redirects are its consequence.
            let first = failures.remove(0);
            let mut why = vec![first.why.clone()];
            why.extend(failures.iter().map(ToString::to_string));
            Err(Failure { why: why.join("; and "), ..first })
        }
    }
}
