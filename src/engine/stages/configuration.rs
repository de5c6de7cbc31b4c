//! The configuration stage: id and domain go to packagecloud.rb, not live; the diff, the final block, the notice to clients (contract section 7).
//!
//! While CloudFront is on, this stage changes nothing: going live does, behind its gate.

use futures::FutureExt as _;

use crate::host::ConfigWriteResult;
use crate::model::{
    aws::{
        cloudfront::CloudFrontDistribution,
        evidence::{ConfigurationEvidence, Observed, ObservedConfig},
    },
    failure::{Failure, FailureKind},
    packagecloud::{
        config_file::{ConfigFile, ExpressionOverride},
        settings::{SettingKey, SettingValues},
    },
    run::{
        answers::{Answers, ManagedFileAction},
        event::StageEnd,
        goal::{Stage, Step},
        plan::{Attachment, ChangeKind, Confirmation, Consent, Plan},
    },
};

use super::{bootstrap, distribution};
use crate::engine::{
    packagecloud::{managed, nodes, switch},
    resources::packages_domain,
    run::StageRun,
    session::Session,
};

pub async fn look(session: &Session, answers: &Answers) -> Result<Plan, Failure> {
    let config = session.host.read_config().await?;
    let distribution = find_our_distribution(session, answers).await?;
    let wanted = desired_values(&config.seen, distribution.as_ref(), answers);
    let before = config.seen.values.clone();
    let others =
        nodes::read_other_nodes(session, &config, answers).await?.into_iter().map(|node| node.seen).collect();
    let mut plan = plan_configuration(
        ConfigurationEvidence { config: config.seen.clone(), desired: wanted, before, backup: None, others },
        answers,
    );
    if let Observed::Configuration(seen) = &plan.observed
        && let Some(changes) = preview_config_changes(
            session,
            &config.seen.path,
            &config.file,
            &build_edits(&seen.desired, &pending_keys(seen, answers)),
        )
    {
        plan.attachments.insert(0, changes);
    }
    Ok(plan)
}

/// The diff that `edits` would make, if they make any.
pub(super) fn preview_config_changes(
    session: &Session,
    path: &str,
    file: &ConfigFile,
    edits: &[(SettingKey, String)],
) -> Option<Attachment> {
    let lines = session.host.preview_config(file, edits, ExpressionOverride::Append).ok()?;
    let title = format!("Changes to {path}");
    (!lines.is_empty()).then_some(Attachment { title, lines, copy: false })
}

/// Where the file before is kept, as the end of a sentence.
pub(super) fn render_backup_note(written: &ConfigWriteResult) -> String {
    written
        .backup
        .as_ref()
        .map(|backup| format!("; the file before is {}", backup.display()))
        .unwrap_or_default()
}

/// The distribution that this install made or adopted, if it stands.
pub(crate) async fn find_our_distribution(
    session: &Session,
    answers: &Answers,
) -> Result<Option<CloudFrontDistribution>, Failure> {
    let target = session.resolve_target(answers).await?;
    let below = bootstrap::observe_bootstrap(session, &target, answers).boxed().await?;
    Ok(distribution::observe_distribution(&target, answers, &below).boxed().await?.distribution)
}

/// The four values as they shall be once CloudFront is on.
pub(super) fn desired_values(
    config: &ObservedConfig,
    distribution: Option<&CloudFrontDistribution>,
    answers: &Answers,
) -> SettingValues {
    SettingValues {
        enabled: Some(true),
        secret: config.values.secret.clone(),
        distribution_id: distribution.map(|distribution| distribution.id.clone()),
        packages_domain: packages_domain::choose_packages_domain(answers, &config.values, distribution),
    }
}

/// Which of id and domain this stage has to write.
fn pending_keys(seen: &ConfigurationEvidence, answers: &Answers) -> Vec<SettingKey> {
    // Where going live follows, that waits for all of them.
    let later = managed::is_tool_write_awaited(&seen.config, answers) && !answers.prepare;
    if seen.config.values.enabled == Some(true) || later {
        return Vec::new();
    }
    [SettingKey::DistributionId, SettingKey::PackagesDomain]
        .into_iter()
        .filter(|&key| {
            seen.desired.render_ruby_value(key).is_some()
                && seen.desired.render_ruby_value(key) != seen.config.values.render_ruby_value(key)
        })
        .collect()
}

/// Decides; touches nothing.
pub(super) fn plan_configuration(seen: ConfigurationEvidence, answers: &Answers) -> Plan {
    let mut plan = Plan::new(Stage::Configuration, Observed::Nothing);
    let path = seen.config.path.clone();
    let pending = pending_keys(&seen, answers);
    if managed::is_tool_write_awaited(&seen.config, answers) && !answers.prepare {
        let tool = seen.config.managed.as_ref().map_or("", |(tool, _)| tool);
        let why = format!("{tool} is given all of the values at once, in going live");
        plan.add_change(Step::Configuration, ChangeKind::Keep, &path, why);
    } else if seen.config.values.enabled == Some(true) {
        plan.add_change(
            Step::Configuration,
            ChangeKind::Keep,
            &path,
            "CloudFront is on: what it holds is changed only by going live",
        );
    } else if seen.desired.distribution_id.is_none() {
        plan.add_change(
            Step::Configuration,
            ChangeKind::Update,
            &path,
            "the distribution's id and domain, once it is made",
        );
    } else if pending.is_empty() {
        plan.add_change(
            Step::Configuration,
            ChangeKind::Keep,
            &path,
            "it holds the distribution's id and domain",
        );
    } else {
        plan.add_change(
            Step::Configuration,
            ChangeKind::Update,
            &path,
            format!("{}; not live yet", join_key_names(&pending)),
        );
    }
    for (other, keys) in pending_keys_on_other_nodes(&seen, answers) {
        if !keys.is_empty() {
            plan.add_change(
                Step::Configuration,
                ChangeKind::Update,
                &other.path,
                format!("{}; not live yet", join_key_names(&keys)),
            );
        }
    }
    for change in &mut plan.changes {
        change.calls.push("by hand: add the lines to packagecloud.rb".into());
    }
    let domain = seen.desired.packages_domain.clone();
    // Before there is a distribution the block would be half a block.
    if seen.desired.distribution_id.is_some() {
        plan.attachments.push(Attachment {
            title: "The final block (cloudfront_enabled is switched on by going live)".into(),
            lines: seen.desired.with_redacted_secret().render_assignments(),
            copy: true,
        });
    }
    if let Some(domain) = &domain {
        plan.attachments.push(firewall_notice_attachment(domain));
    }
    for (config, keys) in
        std::iter::once((&seen.config, pending)).chain(pending_keys_on_other_nodes(&seen, answers))
    {
        add_write_confirmations(&mut plan, config, &seen.desired, &keys, answers);
    }
    plan.observed = Observed::Configuration(Box::new(seen));
    plan
}

/// What must be said and asked before `keys` are written to the file at `config`.
pub(super) fn add_write_confirmations(
    plan: &mut Plan,
    config: &ObservedConfig,
    wanted: &SettingValues,
    keys: &[SettingKey],
    answers: &Answers,
) {
    if keys.is_empty() {
        return;
    }
    plan.attachments.extend(managed::snippet_attachment(config, wanted, keys));
    plan.confirmations.extend(managed::managed_host_confirmation(config, answers));
    plan.notes.extend(managed::managed_write_warning(config, answers));
    plan.confirmations.extend(expression_confirmation(config, keys, answers));
}

/// What each of the other nodes has to be given so that going live only has to switch it on.
fn pending_keys_on_other_nodes<'a>(
    seen: &'a ConfigurationEvidence,
    answers: &Answers,
) -> Vec<(&'a ObservedConfig, Vec<SettingKey>)> {
    let keys = |other: &ObservedConfig| {
        let later = managed::is_tool_write_awaited(other, answers) && !answers.prepare;
        if later || other.values.enabled == Some(true) || seen.desired.distribution_id.is_none() {
            return Vec::new();
        }
        nodes::missing_keys(
            other,
            &seen.desired,
            &[SettingKey::Secret, SettingKey::DistributionId, SettingKey::PackagesDomain],
        )
    };
    seen.others.iter().map(|other| (other, keys(other))).collect()
}

fn join_key_names(keys: &[SettingKey]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.setting_name()).collect();
    names.join(" and ")
}

/// What clients behind a firewall must be told before the redirects change.
pub(super) fn firewall_notice_attachment(domain: &str) -> Attachment {
    Attachment {
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

pub(super) fn expression_confirmation(
    config: &ObservedConfig,
    keys: &[SettingKey],
    answers: &Answers,
) -> Option<Confirmation> {
    if answers.consents.override_expression {
        return None;
    }
    let (key, number, line) = config.expressions.iter().find(|(key, ..)| keys.contains(key))?;
    Some(Confirmation {
        consent: Consent::OverrideExpression,
        question: format!(
            "{} in line {number} is an expression: {line} — overrule it with a line at the end of the file?",
            key.setting_name()
        ),
    })
}

/// The edits that bring `keys` to `values`.
pub(crate) fn build_edits(values: &SettingValues, keys: &[SettingKey]) -> Vec<(SettingKey, String)> {
    keys.iter().filter_map(|&key| values.render_ruby_value(key).map(|value| (key, value))).collect()
}

/// What a write leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WritePurpose {
    /// CloudFront goes on with it: nobody may have switched off meanwhile.
    SwitchOn,
    /// It takes effect later.
    Prepare,
}

impl WritePurpose {
    /// In the turn in which the file is written, before it is.
    pub(crate) async fn begin_write(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::SwitchOn => switch::begin_switch_on(session).await,
            Self::Prepare => Ok(()),
        }
    }
}

/// Writes `keys` of `values`, in a turn in which nothing forbids it; on a managed host waits, where that was chosen,
/// until its tool has written them or something forbids it.
pub(super) async fn write_config_values(
    session: &Session,
    config: &ObservedConfig,
    values: &SettingValues,
    keys: &[SettingKey],
    answers: &Answers,
    (run, step): (&StageRun, Step),
    aim: WritePurpose,
) -> Result<ConfigWriteResult, Failure> {
    match (&config.managed, answers.consents.managed) {
        (None, _) | (Some(_), Some(ManagedFileAction::Write)) => {}
        (Some((tool, _)), Some(ManagedFileAction::Wait)) => {
            let keys = with_pending_secret(config, keys);
            return managed::wait_until_values_written(session, tool, (values, &keys), run, step, aim).await;
        }
        (Some((tool, _)), None) => {
            return Err(Failure::consent_failure(
                config.path.clone(),
                format!("{tool} manages it, and would undo an edit"),
                "choose --managed wait (put the values into that tool; this waits for them) or --managed write",
            ));
        }
    }
    let keys = &with_pending_secret(config, keys)[..];
    let expressions = if answers.consents.override_expression {
        ExpressionOverride::Append
    } else {
        ExpressionOverride::Refuse
    };
    let _turn = session.acquire_write_lock().await?;
    aim.begin_write(session).await?;
    let written = session.host.write_config(config, &build_edits(values, keys), expressions).await?;
    if config.awaits_secret {
        session.host.remove_pending_secret();
    }
    Ok(written)
}

/// The keys to write, with the secret where the file doesn't hold it yet.
fn with_pending_secret(config: &ObservedConfig, keys: &[SettingKey]) -> Vec<SettingKey> {
    let secret = config.awaits_secret && !keys.contains(&SettingKey::Secret);
    secret.then_some(SettingKey::Secret).into_iter().chain(keys.iter().copied()).collect()
}

/// Writes what `edits` says of the file as it stands, whoever changed it since it was shown: for switching off, which is
/// one value on its line and leaves all else as it is. `None` where nothing had to be written.
pub(super) async fn write_edits_with_retries(
    session: &Session,
    edits: impl Fn(&ObservedConfig) -> Vec<(SettingKey, String)>,
) -> Result<Option<ConfigWriteResult>, Failure> {
    const WRITE_TRIES_MAX: u32 = 20;
    const RETRY_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
    let mut tries = 0;
    loop {
        let turn = session.try_acquire_write_lock().await;
        let now = session.host.read_config().await?.seen;
        let edits = edits(&now);
        if edits.is_empty() {
            return Ok(None);
        }
        tries += 1;
        match session.host.write_config(&now, &edits, ExpressionOverride::Append).await {
            // An editor or a configuration client wrote between the look and this.
            Err(failure) if failure.kind == FailureKind::Drifted && tries < WRITE_TRIES_MAX => {
                drop(turn);
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            result => return result.map(Some),
        }
    }
}

pub async fn apply(
    session: &Session,
    seen: &ConfigurationEvidence,
    answers: &Answers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let here = (session.clone(), &seen.config, pending_keys(seen, answers));
    let there = session.other_nodes().into_iter().zip(pending_keys_on_other_nodes(seen, answers));
    let there = there.map(|(node, (config, keys))| (node, config, keys));
    let mut end = StageEnd::Unchanged;
    for (node, config, keys) in std::iter::once(here).chain(there) {
        if keys.is_empty() {
            continue;
        }
        run.run_step(Step::Configuration, format!("writing {}", config.path), async {
            let told = (run, Step::Configuration);
            let written = write_config_values(
                &node,
                config,
                &seen.desired,
                &keys,
                answers,
                told,
                WritePurpose::Prepare,
            )
            .await?;
            Ok(((), format!("{} holds the block, not live yet{}", config.path, render_backup_note(&written))))
        })
        .await?;
        end = StageEnd::Applied;
    }
    Ok((end, String::new()))
}
