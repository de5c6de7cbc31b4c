//! Going live: the gate, the switch, reconfigure, restart, the proof by packagecloud's own redirect, and the automatic way back (contract section 7).
//!
//! CloudFront goes on only behind proof, and is taken back at once where that fails.

mod followers;
mod pending;
mod proof;

use futures::FutureExt as _;

use crate::host::environment::clock;
use crate::model::{
    aws::evidence::{ConfigSeen, ConfigurationSeen, Distribution, ObjectsKey, Seen},
    packagecloud::settings::{Key, Values},
    run::{
        answers::Answers,
        event::End,
        failure::{Failure, Kind},
        goal::{Stage, Step},
        plan::{Ask, Consent, Plan, Verb},
    },
    url::token::Construction,
};

use super::{
    bootstrap,
    configuration::{self, Aim, kept},
    distribution, reindex,
};
use crate::engine::{
    delivery::{
        diagnosis,
        gate::{self, Gate},
        probe,
    },
    packagecloud::{nodes, services, switch},
    resources::{bucket_key, packages_domain},
    run::StageRun,
    session::{Ground, Scene},
};

struct Found {
    scene: Scene,
    distribution: Option<Distribution>,
    /// What objects lie under, where CloudFront must be let decrypt.
    keys: Vec<ObjectsKey>,
    construction: Construction,
    known: diagnosis::Known,
}

async fn find(ground: &Ground, answers: &Answers) -> Result<Found, Failure> {
    let scene = ground.scene(answers).await?;
    let below = bootstrap::see(ground, &scene, answers).boxed().await?;
    let seen = distribution::see(&scene, answers, &below).boxed().await?;
    let known = diagnosis::Known::of(&below, &seen, below.secret.as_ref(), &scene.names, &scene.account);
    let keys = bucket_key::see(&scene, &seen).boxed().await?;
    Ok(Found { scene, distribution: seen.distribution, keys, construction: below.construction, known })
}

pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let config = ground.host.read_config().await?;
    let found = find(ground, answers).await?;
    let wanted = configuration::wanted(&config.seen, found.distribution.as_ref(), answers);
    let before = config.seen.values.clone();
    let live = switch::is_live(ground, answers, wanted.packages_domain.as_deref()).await;
    let wanted_domain = wanted.packages_domain.clone();
    let others = nodes::others(ground, &config, answers).await?.into_iter().map(|node| node.seen).collect();
    let seen = ConfigurationSeen { config: config.seen, wanted, before, backup: None, others };
    let mut plan = plan(ground, seen, answers, live);
    if !plan.unchanged() {
        plan.asks.extend(bucket_key::ask(&found.keys, answers));
        let domain = wanted_domain.as_deref().zip(found.distribution.as_ref());
        plan.exhibit.extend(domain.and_then(|(name, one)| packages_domain::exhibit(name, one)));
        for node in ground.nodes() {
            plan.notes.extend(pending::notes(&node).await);
            plan.notes.extend(services::before(&node).await);
        }
    }
    Ok(plan)
}

fn plan(ground: &Ground, seen: ConfigurationSeen, answers: &Answers, live: Option<bool>) -> Plan {
    let mut plan = Plan::new(Stage::GoLive, Seen::Nothing);
    let path = seen.config.path.clone();
    let keys = keys(&seen);
    let follow = followers::of(ground, &seen);
    if keys.is_empty() && live == Some(true) && follow.is_empty() {
        plan.line(Step::Switch, Verb::Keep, &path, "CloudFront is on, and packagecloud redirects to it");
    } else {
        plan.line(
            Step::Gate,
            Verb::Run,
            "signed URLs at the edge",
            "they must pass before anything is switched on",
        );
        if keys.is_empty() {
            plan.line(Step::Switch, Verb::Keep, &path, "cloudfront_enabled is true already");
        } else {
            plan.line(Step::Switch, Verb::Update, &path, "cloudfront_enabled becomes true");
        }
        let proof =
            ("packagecloud's own redirect", "it must be accepted at the edge, else all is taken back");
        switch::plan(ground, &mut plan, Some(proof));
        for (node, other, _) in &follow {
            let why = format!(
                "once the edge has accepted the redirects of {}",
                ground.host.reach.name().unwrap_or("the first")
            );
            plan.line(Step::Switch, Verb::Update, &other.path, why);
            switch::plan(node, &mut plan, None);
        }
        plan.notes.push(
            "What customers notice: the restart, some seconds in which packagecloud does not answer; then downloads come from the packages domain.".into(),
        );
        if let Some(domain) = &seen.wanted.packages_domain {
            plan.exhibit.push(configuration::notice(domain));
        }
        configuration::ask_before(&mut plan, &seen.config, &seen.wanted, &keys, answers);
        for (_, other, keys) in &follow {
            configuration::ask_before(&mut plan, other, &seen.wanted, keys, answers);
        }
        if !probe::can_ask(ground, answers) && !answers.consents.unproven && !ground.without_ctl() {
            plan.asks.push(Ask {
                consent: Consent::Unproven,
                question: "Without --probe-url packagecloud's own redirect can't be seen, so going live can't be proven. Go live all the same?".into(),
            });
        }
    }
    plan.seen = Seen::Configuration(Box::new(seen));
    plan
}

/// Which of the four values going live has to write; the secret only where a tool shall write it with the others.
fn keys(seen: &ConfigurationSeen) -> Vec<Key> {
    let differs =
        |key| seen.wanted.ruby(key).is_some() && seen.wanted.ruby(key) != seen.config.values.ruby(key);
    Key::ALL
        .into_iter()
        .filter(|&key| if key == Key::Secret { seen.config.awaits_secret } else { differs(key) })
        .collect()
}

pub async fn apply(
    ground: &Ground,
    seen: &ConfigurationSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    reindex::due(ground, answers).await?;
    let found = find(ground, answers).await?;
    if let Some(distribution) = &found.distribution {
        Box::pin(bucket_key::ensure(&found.scene, &found.keys, &distribution.arn, answers, run)).await?;
    }
    pass_gate(ground, &found, seen, run).await?;

    let keys = keys(seen);
    let follow = followers::of(ground, seen);
    let domain = seen.wanted.packages_domain.as_deref();
    if keys.is_empty() && !follow.is_empty() && switch::is_live(ground, answers, domain).await == Some(true) {
        let text = followers::go_on(ground, &found, seen, answers, follow, run).await?;
        return Ok((End::Applied, text));
    }
    switch_on(ground, &seen.config, seen, &keys, answers, run).await?;
    if ground.without_ctl() {
        switch::done(ground).await;
        for (node, other, keys) in &follow {
            switch_on(node, other, seen, keys, answers, run).await?;
            switch::done(node).await;
        }
        return Ok((
            End::Stopped,
            "the file is written; left to you, where packagecloud runs: packagecloud-ctl reconfigure, then packagecloud-ctl restart".into(),
        ));
    }
    let live = async {
        ground.not_switched_off_meanwhile().await?;
        switch::reconfigure(ground, run).await?;
        let restarting = tokio::time::Instant::now();
        switch::restart(ground, run).await?;
        let took = restarting.elapsed().as_secs();
        let proof = proof::prove(ground, &found, seen, answers, run).await?;
        switch::done_live(ground).await?;
        Ok::<_, Failure>((took, proof, services::after(ground, answers, restarting).await))
    };
    match live.await {
        Ok((took, proof, services)) => {
            let since = clock::written(ground.host.clock.now());
            let services = if services.is_empty() { services } else { format!("; {services}") };
            let text = format!(
                "on since {since}, the restart took {took} s; {proof}{services}. To switch off: packagecloud-cloudfront disable (D in the wizard)"
            );
            if follow.is_empty() {
                return Ok((End::Applied, text));
            }
            let rest = followers::go_on(ground, &found, seen, answers, follow, run).await?;
            Ok((
                End::Applied,
                format!(
                    "{}{text}; {rest}",
                    ground.host.reach.name().map(|name| format!("{name}: ")).unwrap_or_default()
                ),
            ))
        }
        // Stopped by the operator: the next start sees the switch half made, and finishes it.
        Err(failure) if failure.kind == Kind::Interrupted => Err(failure),
        // Without the line nothing can be taken back either; what runs there goes on, and the next start sees to it.
        Err(failure) if is_lost(ground, &failure) => Err(failure),
        Err(failure) => {
            // Whoever switched off meanwhile is the cause of whatever went wrong since.
            let failure = ground.not_switched_off_meanwhile().await.err().unwrap_or(failure);
            Err(take_back(ground, &seen.before, answers, run, failure, true).await)
        }
    }
}

/// Whether a failure is that of the line to this node.
fn is_lost(node: &Ground, failure: &Failure) -> bool {
    failure.kind == Kind::Unreachable && node.host.reach.name() == Some(failure.what.as_str())
}

/// Writes what going live has to write on one node; where that is nothing, it begins all the same.
async fn switch_on(
    node: &Ground,
    config: &ConfigSeen,
    seen: &ConfigurationSeen,
    keys: &[Key],
    answers: &Answers,
    run: &StageRun,
) -> Result<(), Failure> {
    if keys.is_empty() {
        let _turn = node.turn().await?;
        return switch::begin_on(node).await;
    }
    run.step(Step::Switch, format!("writing {}", config.path), async {
        let told = (run, Step::Switch);
        let written = configuration::write(node, config, &seen.wanted, keys, answers, told, Aim::On).await?;
        Ok(((), format!("cloudfront_enabled is true{}{}", node.host.on(), kept(&written))))
    })
    .await
}

async fn pass_gate(
    ground: &Ground,
    found: &Found,
    seen: &ConfigurationSeen,
    run: &StageRun,
) -> Result<(), Failure> {
    run.step(Step::Gate, "signed URLs at the edge", async {
        if ground.delivery_is_out_of_reach() {
            return Ok((
                (),
                "not asked: with --endpoint-url and no --edge-url the edge is out of reach".into(),
            ));
        }
        let missing = |what: &str| {
            Failure::other(
                what,
                "there is none yet",
                "run the stages before this one (enable does all of them)",
            )
        };
        let secret = seen.wanted.secret.as_ref().ok_or_else(|| missing("cloudfront_secret"))?;
        let distribution = found.distribution.as_ref().ok_or_else(|| missing("the distribution"))?;
        let domain = seen.wanted.packages_domain.as_deref().unwrap_or(&distribution.domain);
        Box::pin(packages_domain::await_leading(ground, domain, distribution, run)).await?;
        let deployed = gate::deployed(Some(distribution), &found.scene.names.function());
        run.check(deployed.clone());
        let gate = Gate {
            ground,
            scene: &found.scene,
            domain,
            secret,
            construction: found.construction,
            samples: probe::samples(&found.scene).await?,
            known: found.known.clone(),
        };
        let mut checks = vec![deployed];
        for check in gate.opens().await {
            run.check(check.clone());
            checks.push(check);
        }
        if let Some(failed) = checks.into_iter().find(crate::model::run::check::Check::failed) {
            return Err(Failure::other(
                format!("the gate, {}", failed.name),
                format!("{}; nothing was switched on", failed.detail),
                failed.next,
            ));
        }
        Ok(((), "signed URLs are served, unsigned ones are refused".into()))
    })
    .await
}

/// Puts back what going live changed on one node, and says in the failure how that ended; where that is the only one
/// that was switched on, packagecloud must be seen to redirect to S3 again.
async fn take_back(
    ground: &Ground,
    before: &Values,
    answers: &Answers,
    run: &StageRun,
    failure: Failure,
    alone: bool,
) -> Failure {
    // Even where the file said true before: it was not live, or this stage would have had nothing to do.
    let before = Values {
        enabled: Some(false),
        secret: None,
        distribution_id: before.distribution_id.clone(),
        packages_domain: before.packages_domain.clone(),
    };
    let back = async {
        run.step(Step::TakeBack, format!("CloudFront is switched off again{}", ground.host.on()), async {
            configuration::write_over(ground, |now| {
                let moved =
                    |&key: &Key| before.ruby(key).is_some() && before.ruby(key) != now.values.ruby(key);
                let keys = [Key::Enabled, Key::DistributionId, Key::PackagesDomain];
                configuration::edits(&before, &keys.into_iter().filter(moved).collect::<Vec<_>>())
            })
            .await?;
            Ok(((), format!("packagecloud.rb says false again{}", ground.host.on())))
        })
        .await?;
        switch::reconfigure(ground, run).await?;
        switch::restart(ground, run).await?;
        if alone {
            switch::await_s3(ground, answers).await
        } else {
            Ok("the other nodes' redirects go on as they did".to_owned())
        }
    };
    match back.await {
        Ok(observed) => {
            switch::done(ground).await;
            Failure { why: format!("{}; CloudFront is off again ({observed})", failure.why), ..failure }
        }
        Err(second) => Failure {
            why: format!("{}; and switching off again failed: {second}", failure.why),
            next: format!("switch off now: press D, or run disable; {}", second.next),
            ..failure
        },
    }
}
