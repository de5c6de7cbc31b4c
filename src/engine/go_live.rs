//! Going live: the gate, the switch, reconfigure, restart, the proof by packagecloud's own redirect, and the automatic way back (contract section 7).
//!
//! CloudFront goes on only behind proof, and is taken back at once where that fails.

use futures::FutureExt as _;

use std::time::Duration;

use crate::host::clock;
use crate::model::{
    answers::Answers,
    block::{Key, Values},
    event::End,
    failure::{Failure, Kind},
    goal::{Stage, Step},
    plan::{Ask, Consent, Plan, Verb},
    seen::{ConfigSeen, ConfigurationSeen, Distribution, ObjectsKey, Seen},
    token::Construction,
};

use super::{
    bootstrap, cause,
    configuration::{self, Aim, kept},
    distribution,
    gate::{self, Gate},
    ground::{Ground, Scene},
    nodes, objects_key, packages_domain,
    probe::{self, Place, Redirect},
    reindexing,
    run::StageRun,
    services, switch,
};

/// Within this the redirect must have followed.
const PROOF: Duration = Duration::from_mins(1);

struct Found {
    scene: Scene,
    distribution: Option<Distribution>,
    /// What objects lie under, where CloudFront must be let decrypt.
    keys: Vec<ObjectsKey>,
    construction: Construction,
    known: cause::Known,
}

async fn find(ground: &Ground, answers: &Answers) -> Result<Found, Failure> {
    let scene = ground.scene(answers).await?;
    let below = bootstrap::see(ground, &scene, answers).boxed().await?;
    let seen = distribution::see(&scene, answers, &below).boxed().await?;
    let known = cause::Known::of(&below, &seen, below.secret.as_ref(), &scene.names, &scene.account);
    let keys = objects_key::see(&scene, &seen).boxed().await?;
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
        plan.asks.extend(objects_key::ask(&found.keys, answers));
        let domain = wanted_domain.as_deref().zip(found.distribution.as_ref());
        plan.exhibit.extend(domain.and_then(|(name, one)| packages_domain::exhibit(name, one)));
        for node in ground.nodes() {
            plan.notes.extend(also_applied(&node).await);
            plan.notes.extend(services::before(&node).await);
        }
    }
    Ok(plan)
}

fn plan(ground: &Ground, seen: ConfigurationSeen, answers: &Answers, live: Option<bool>) -> Plan {
    let mut plan = Plan::new(Stage::GoLive, Seen::Nothing);
    let path = seen.config.path.clone();
    let keys = keys(&seen);
    let follow = follow(ground, &seen);
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

/// The other nodes that have to be given something, or to be seen to follow their file: with their file, and what.
fn follow<'a>(ground: &Ground, seen: &'a ConfigurationSeen) -> Vec<(Ground, &'a ConfigSeen, Vec<Key>)> {
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

/// What a reconfigure would also apply that isn't ours: whatever else was changed in the file since the last one.
async fn also_applied(ground: &Ground) -> Option<String> {
    let changed = ground.host.config_changed().await?;
    let Some(last) = ground.host.last_reconfigure().await else {
        return ground.asks_for_services().then(|| {
            format!(
                "{} was changed at {}, and when packagecloud was last reconfigured is not known: whatever else was changed there since takes effect too.",
                ground.host.config_place(),
                clock::written(changed)
            )
        });
    };
    (changed > last).then(|| {
        format!(
            "{} was changed at {}, after the last reconfigure at {}: whatever was changed there since, beside the lines of CloudFront, takes effect too.",
            ground.host.config_place(),
            clock::written(changed),
            clock::written(last)
        )
    })
}

/// Which of the four values going live has to write; never the secret.
fn keys(seen: &ConfigurationSeen) -> Vec<Key> {
    [Key::Enabled, Key::DistributionId, Key::PackagesDomain]
        .into_iter()
        .filter(|&key| {
            seen.wanted.ruby(key).is_some() && seen.wanted.ruby(key) != seen.config.values.ruby(key)
        })
        .collect()
}

pub async fn apply(
    ground: &Ground,
    seen: &ConfigurationSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    reindexing::due(ground, answers).await?;
    let found = find(ground, answers).await?;
    if let Some(distribution) = &found.distribution {
        Box::pin(objects_key::ensure(&found.scene, &found.keys, &distribution.arn, answers, run)).await?;
    }
    pass_gate(ground, &found, seen, run).await?;

    let keys = keys(seen);
    let follow = follow(ground, seen);
    let domain = seen.wanted.packages_domain.as_deref();
    if keys.is_empty() && !follow.is_empty() && switch::is_live(ground, answers, domain).await == Some(true) {
        let text = follow_on(ground, &found, seen, answers, follow, run).await?;
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
        let proof = prove(ground, &found, seen, answers, run).await?;
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
            let rest = follow_on(ground, &found, seen, answers, follow, run).await?;
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

/// The other nodes, one after the other: each is taken back alone where it fails, and the ones before it stay on.
async fn follow_on(
    ground: &Ground,
    found: &Found,
    seen: &ConfigurationSeen,
    answers: &Answers,
    follow: Vec<(Ground, &ConfigSeen, Vec<Key>)>,
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
            prove_all(ground, found, seen, answers, run).await?;
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
        if let Some(failed) = checks.into_iter().find(super::super::model::check::Check::failed) {
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

/// packagecloud's own redirect, followed through the edge: 200 or S3's 404 is accepted.
async fn prove(
    ground: &Ground,
    found: &Found,
    seen: &ConfigurationSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<String, Failure> {
    run.step(Step::Proof, "asking packagecloud for a package", async {
        if !probe::can_ask(ground, answers) {
            let text =
                "not proven: no --probe-url; switched on as you said, so try an install from a client now";
            return Ok((text.to_owned(), text.to_owned()));
        }
        let redirect = await_edge(ground, found, answers).await?;
        let location = redirect.location.clone().unwrap_or_default();
        if ground.delivery_is_out_of_reach() {
            return Ok((
                redirect.words(),
                format!("packagecloud answers {}; the edge is out of reach here", redirect.words()),
            ));
        }
        let reply = probe::follow(ground, &location).await?;
        if accepted(&reply) {
            let text = format!("packagecloud answers {}, and the edge {}", redirect.words(), reply.status);
            return Ok((text.clone(), text));
        }
        Err(refused(seen, found, &location, &reply))
    })
    .await
}

/// How often packagecloud is asked once several nodes shall be on.
const ASKED: usize = 10;

/// Every one of packagecloud's redirects, asked ten times, goes to the edge and is accepted there: within a minute, since
/// nobody can say which node answers.
async fn prove_all(
    ground: &Ground,
    found: &Found,
    seen: &ConfigurationSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(), Failure> {
    run.step(Step::Proof, format!("asking packagecloud {ASKED} times"), async {
        if !probe::can_ask(ground, answers) {
            return Ok(((), "not proven: no --probe-url".to_owned()));
        }
        let samples = probe::samples(&found.scene).await.unwrap_or_default();
        let until = tokio::time::Instant::now() + ground.patience(PROOF);
        let mut asked = 0;
        // While a node that isn't switched on yet answers too, that is no failure of this one.
        let mut elsewhere = 0;
        while asked < ASKED {
            let redirect = probe::redirect(ground, answers, samples.package.as_deref()).await;
            if let Ok(Some(redirect)) = &redirect
                && redirect.place() == Place::Edge
            {
                let location = redirect.location.clone().unwrap_or_default();
                if !ground.delivery_is_out_of_reach() {
                    let reply = probe::follow(ground, &location).await?;
                    if !accepted(&reply) {
                        return Err(refused(seen, found, &location, &reply));
                    }
                }
            } else if let Err(failure) = &redirect
                && tokio::time::Instant::now() < until
            {
                // It restarts.
                run.progress(Step::Proof)(&failure.to_string());
                tokio::time::sleep(Duration::from_secs(2)).await;
                continue;
            } else {
                redirect?;
                elsewhere += 1;
            }
            asked += 1;
        }
        if elsewhere == ASKED {
            return Err(Failure::other(
                "packagecloud's own redirect",
                "none of ten goes to CloudFront",
                "look at packagecloud's log for why the reconfigure did not take, then try again",
            ));
        }
        Ok(((), format!("{} of {ASKED} redirects go to the edge, and each was accepted", ASKED - elsewhere)))
    })
    .await
}

/// What a client can work with: the object, or S3's own answer that there is none.
fn accepted(reply: &crate::cloud::web::Reply) -> bool {
    reply.status == 200
        || reply.status == 206
        || (reply.status == 404 && reply.header("x-packagecloud-cloudfront").is_none())
}

/// Asks until the redirect goes to the edge, for a minute.
async fn await_edge(ground: &Ground, found: &Found, answers: &Answers) -> Result<Redirect, Failure> {
    let samples = probe::samples(&found.scene).await.unwrap_or_default();
    let until = tokio::time::Instant::now() + ground.patience(PROOF);
    loop {
        ground.not_switched_off_meanwhile().await?;
        let seen = match probe::redirect(ground, answers, samples.package.as_deref()).await {
            Ok(Some(redirect)) if redirect.place() == Place::Edge => return Ok(redirect),
            Ok(Some(redirect)) => format!("it answers {}", redirect.words()),
            Ok(None) => "no URL to ask for".to_owned(),
            Err(failure) => failure.to_string(),
        };
        if tokio::time::Instant::now() >= until {
            return Err(Failure::other(
                "packagecloud's own redirect",
                format!("it did not go to CloudFront within a minute: {seen}"),
                "look at packagecloud's log for why the reconfigure did not take, then try again",
            ));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Why the edge refused packagecloud's own link, and which construction fits it, if another does.
fn refused(
    seen: &ConfigurationSeen,
    found: &Found,
    location: &str,
    reply: &crate::cloud::web::Reply,
) -> Failure {
    let accepted = found.construction;
    let fitting = seen
        .wanted
        .secret
        .as_ref()
        .and_then(|secret| probe::fitting(location, secret, accepted))
        .filter(|construction| *construction != accepted);
    let (why, next) = cause::refusal(reply, &found.known);
    match fitting {
        Some(construction) => Failure::other(
            "packagecloud's own redirect",
            format!(
                "the edge refuses it: this packagecloud makes its tokens as {construction}, the edge accepts {accepted}"
            ),
            format!("run enable again with --construction {construction}"),
        ),
        None => Failure::other("packagecloud's own redirect", why, next),
    }
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
