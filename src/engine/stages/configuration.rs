//! The configuration stage: id and domain go to packagecloud.rb, not live; the diff, the final block, the notice to clients (contract section 7).
//!
//! While CloudFront is on, this stage changes nothing: going live does, behind its gate.

use futures::FutureExt as _;

use crate::host::Written;
use crate::model::{
    aws::evidence::{ConfigSeen, ConfigurationSeen, Distribution, Seen},
    packagecloud::{
        config_file::{ConfigFile, Override},
        settings::{Key, Values},
    },
    run::{
        answers::{Answers, Managed},
        event::End,
        failure::{Failure, Kind},
        goal::{Stage, Step},
        plan::{Ask, Consent, Exhibit, Plan, Verb},
    },
};

use super::{bootstrap, distribution};
use crate::engine::{
    packagecloud::{managed, nodes, switch},
    resources::packages_domain,
    run::StageRun,
    session::Ground,
};

pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let config = ground.host.read_config().await?;
    let distribution = ours(ground, answers).await?;
    let wanted = wanted(&config.seen, distribution.as_ref(), answers);
    let before = config.seen.values.clone();
    let others = nodes::others(ground, &config, answers).await?.into_iter().map(|node| node.seen).collect();
    let mut plan = plan(
        ConfigurationSeen { config: config.seen.clone(), wanted, before, backup: None, others },
        answers,
    );
    if let Seen::Configuration(seen) = &plan.seen
        && let Some(changes) =
            changes(ground, &config.seen.path, &config.file, &edits(&seen.wanted, &pending(seen, answers)))
    {
        plan.exhibit.insert(0, changes);
    }
    Ok(plan)
}

/// The diff that `edits` would make, if they make any.
pub(super) fn changes(
    ground: &Ground,
    path: &str,
    file: &ConfigFile,
    edits: &[(Key, String)],
) -> Option<Exhibit> {
    let lines = ground.host.preview_config(file, edits, Override::Append).ok()?;
    let title = format!("Changes to {path}");
    (!lines.is_empty()).then_some(Exhibit { title, lines, copy: false })
}

/// Where the file before is kept, as the end of a sentence.
pub(super) fn kept(written: &Written) -> String {
    written
        .backup
        .as_ref()
        .map(|backup| format!("; the file before is {}", backup.display()))
        .unwrap_or_default()
}

/// The distribution that this install made or adopted, if it stands.
pub(crate) async fn ours(ground: &Ground, answers: &Answers) -> Result<Option<Distribution>, Failure> {
    let scene = ground.scene(answers).await?;
    let below = bootstrap::see(ground, &scene, answers).boxed().await?;
    Ok(distribution::see(&scene, answers, &below).boxed().await?.distribution)
}

/// The four values as they shall be once CloudFront is on.
pub(super) fn wanted(config: &ConfigSeen, distribution: Option<&Distribution>, answers: &Answers) -> Values {
    Values {
        enabled: Some(true),
        secret: config.values.secret.clone(),
        distribution_id: distribution.map(|distribution| distribution.id.clone()),
        packages_domain: packages_domain::of(answers, &config.values, distribution),
    }
}

/// Which of id and domain this stage has to write.
fn pending(seen: &ConfigurationSeen, answers: &Answers) -> Vec<Key> {
    // Where going live follows, that waits for all of them.
    let later = managed::is_waited_for(&seen.config, answers) && !answers.prepare;
    if seen.config.values.enabled == Some(true) || later {
        return Vec::new();
    }
    [Key::DistributionId, Key::PackagesDomain]
        .into_iter()
        .filter(|&key| {
            seen.wanted.ruby(key).is_some() && seen.wanted.ruby(key) != seen.config.values.ruby(key)
        })
        .collect()
}

/// Decides; touches nothing.
pub(super) fn plan(seen: ConfigurationSeen, answers: &Answers) -> Plan {
    let mut plan = Plan::new(Stage::Configuration, Seen::Nothing);
    let path = seen.config.path.clone();
    let pending = pending(&seen, answers);
    if managed::is_waited_for(&seen.config, answers) && !answers.prepare {
        let tool = seen.config.managed.as_ref().map_or("", |(tool, _)| tool);
        let why = format!("{tool} is given all of the values at once, in going live");
        plan.line(Step::Configuration, Verb::Keep, &path, why);
    } else if seen.config.values.enabled == Some(true) {
        plan.line(
            Step::Configuration,
            Verb::Keep,
            &path,
            "CloudFront is on: what it holds is changed only by going live",
        );
    } else if seen.wanted.distribution_id.is_none() {
        plan.line(
            Step::Configuration,
            Verb::Update,
            &path,
            "the distribution's id and domain, once it is made",
        );
    } else if pending.is_empty() {
        plan.line(Step::Configuration, Verb::Keep, &path, "it holds the distribution's id and domain");
    } else {
        plan.line(Step::Configuration, Verb::Update, &path, format!("{}; not live yet", names(&pending)));
    }
    for (other, keys) in pending_there(&seen, answers) {
        if !keys.is_empty() {
            plan.line(
                Step::Configuration,
                Verb::Update,
                &other.path,
                format!("{}; not live yet", names(&keys)),
            );
        }
    }
    for change in &mut plan.changes {
        change.calls.push("by hand: add the lines to packagecloud.rb".into());
    }
    let domain = seen.wanted.packages_domain.clone();
    // Before there is a distribution the block would be half a block.
    if seen.wanted.distribution_id.is_some() {
        plan.exhibit.push(Exhibit {
            title: "The final block (cloudfront_enabled is switched on by going live)".into(),
            lines: seen.wanted.hidden().lines(),
            copy: true,
        });
    }
    if let Some(domain) = &domain {
        plan.exhibit.push(notice(domain));
    }
    for (config, keys) in std::iter::once((&seen.config, pending)).chain(pending_there(&seen, answers)) {
        ask_before(&mut plan, config, &seen.wanted, &keys, answers);
    }
    plan.seen = Seen::Configuration(Box::new(seen));
    plan
}

/// What must be said and asked before `keys` are written to the file at `config`.
pub(super) fn ask_before(
    plan: &mut Plan,
    config: &ConfigSeen,
    wanted: &Values,
    keys: &[Key],
    answers: &Answers,
) {
    if keys.is_empty() {
        return;
    }
    plan.exhibit.extend(managed::exhibit(config, wanted, keys));
    plan.asks.extend(managed::ask(config, answers));
    plan.notes.extend(managed::note(config, answers));
    plan.asks.extend(expression_ask(config, keys, answers));
}

/// What each of the other nodes has to be given so that going live only has to switch it on.
fn pending_there<'a>(seen: &'a ConfigurationSeen, answers: &Answers) -> Vec<(&'a ConfigSeen, Vec<Key>)> {
    let keys = |other: &ConfigSeen| {
        let later = managed::is_waited_for(other, answers) && !answers.prepare;
        if later || other.values.enabled == Some(true) || seen.wanted.distribution_id.is_none() {
            return Vec::new();
        }
        nodes::missing(other, &seen.wanted, &[Key::Secret, Key::DistributionId, Key::PackagesDomain])
    };
    seen.others.iter().map(|other| (other, keys(other))).collect()
}

fn names(keys: &[Key]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.name()).collect();
    names.join(" and ")
}

/// What clients behind a firewall must be told before the redirects change.
pub(super) fn notice(domain: &str) -> Exhibit {
    Exhibit {
        title: "Tell customers behind a firewall, before going live".into(),
        lines: vec![
            format!("Packages will be downloaded from https://{domain} (port 443)."),
            "Allow that name beside your packagecloud server's in firewalls and proxies;".into(),
            "the addresses behind it change, so allow the name, not addresses.".into(),
            "Nothing changes in apt, yum, gem or pip configuration.".into(),
        ],
        copy: true,
    }
}

pub(super) fn expression_ask(config: &ConfigSeen, keys: &[Key], answers: &Answers) -> Option<Ask> {
    if answers.consents.override_expression {
        return None;
    }
    let (key, number, line) = config.expressions.iter().find(|(key, ..)| keys.contains(key))?;
    Some(Ask {
        consent: Consent::OverrideExpression,
        question: format!(
            "{} in line {number} is an expression: {line} — overrule it with a line at the end of the file?",
            key.name()
        ),
    })
}

/// The edits that bring `keys` to `values`.
pub(crate) fn edits(values: &Values, keys: &[Key]) -> Vec<(Key, String)> {
    keys.iter().filter_map(|&key| values.ruby(key).map(|value| (key, value))).collect()
}

/// What a write leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// CloudFront goes on with it: nobody may have switched off meanwhile.
    On,
    /// It takes effect later.
    Prepare,
}

impl Aim {
    /// In the turn in which the file is written, before it is.
    pub(crate) async fn begin(self, ground: &Ground) -> Result<(), Failure> {
        match self {
            Self::On => switch::begin_on(ground).await,
            Self::Prepare => Ok(()),
        }
    }
}

/// Writes `keys` of `values`, in a turn in which nothing forbids it; on a managed host waits, where that was chosen,
/// until its tool has written them or something forbids it.
pub(super) async fn write(
    ground: &Ground,
    config: &ConfigSeen,
    values: &Values,
    keys: &[Key],
    answers: &Answers,
    (run, step): (&StageRun, Step),
    aim: Aim,
) -> Result<Written, Failure> {
    match (&config.managed, answers.consents.managed) {
        (None, _) | (Some(_), Some(Managed::Write)) => {}
        (Some((tool, _)), Some(Managed::Wait)) => {
            let keys = with_awaited(config, keys);
            return managed::written(ground, tool, (values, &keys), run, step, aim).await;
        }
        (Some((tool, _)), None) => {
            return Err(Failure::consent(
                config.path.clone(),
                format!("{tool} manages it, and would undo an edit"),
                "choose --managed wait (put the values into that tool; this waits for them) or --managed write",
            ));
        }
    }
    let keys = &with_awaited(config, keys)[..];
    let expressions = if answers.consents.override_expression { Override::Append } else { Override::Refuse };
    let _turn = ground.turn().await?;
    aim.begin(ground).await?;
    let written = ground.host.write_config(config, &edits(values, keys), expressions).await?;
    if config.awaits_secret {
        ground.host.forget_awaited();
    }
    Ok(written)
}

/// The keys to write, with the secret where the file doesn't hold it yet.
fn with_awaited(config: &ConfigSeen, keys: &[Key]) -> Vec<Key> {
    let secret = config.awaits_secret && !keys.contains(&Key::Secret);
    secret.then_some(Key::Secret).into_iter().chain(keys.iter().copied()).collect()
}

/// Writes what `edits` says of the file as it stands, whoever changed it since it was shown: for switching off, which is
/// one value on its line and leaves all else as it is. `None` where nothing had to be written.
pub(super) async fn write_over(
    ground: &Ground,
    edits: impl Fn(&ConfigSeen) -> Vec<(Key, String)>,
) -> Result<Option<Written>, Failure> {
    const TRIES: u32 = 20;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
    let mut tries = 0;
    loop {
        let turn = ground.turn_if_free().await;
        let now = ground.host.read_config().await?.seen;
        let edits = edits(&now);
        if edits.is_empty() {
            return Ok(None);
        }
        tries += 1;
        match ground.host.write_config(&now, &edits, Override::Append).await {
            // An editor or a configuration client wrote between the look and this.
            Err(failure) if failure.kind == Kind::Drifted && tries < TRIES => {
                drop(turn);
                tokio::time::sleep(PAUSE).await;
            }
            result => return result.map(Some),
        }
    }
}

pub async fn apply(
    ground: &Ground,
    seen: &ConfigurationSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let here = (ground.clone(), &seen.config, pending(seen, answers));
    let there = ground.others().into_iter().zip(pending_there(seen, answers));
    let there = there.map(|(node, (config, keys))| (node, config, keys));
    let mut end = End::Unchanged;
    for (node, config, keys) in std::iter::once(here).chain(there) {
        if keys.is_empty() {
            continue;
        }
        run.step(Step::Configuration, format!("writing {}", config.path), async {
            let told = (run, Step::Configuration);
            let written = write(&node, config, &seen.wanted, &keys, answers, told, Aim::Prepare).await?;
            Ok(((), format!("{} holds the block, not live yet{}", config.path, kept(&written))))
        })
        .await?;
        end = End::Applied;
    }
    Ok((end, String::new()))
}
