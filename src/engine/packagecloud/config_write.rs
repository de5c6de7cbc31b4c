//! Writing the four values to packagecloud.rb: what is shown and asked before it, and the write, one run at a time.
//!
//! On a host that a configuration client manages, its tool writes them where that was chosen, and is waited for.

use std::{sync::Arc, time::Duration};

use super::{managed, switch::ConfigWritePurpose};
use crate::engine::{resources::packages_domain, run::StageRun, session::Session};
use crate::host::ConfigWriteResult;
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    aws::{cloudfront::CloudFrontDistribution, evidence::ObservedPackagecloudConfig},
    failure::{Failure, FailureKind},
    packagecloud::{
        config_file::{ConfigFile, RubyExpressionEditMode},
        settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    },
    run::{
        answers::{ManagedConfigWriteChoice, OperatorAnswers},
        goal::StageStep,
        plan::{
            PlanAttachment, PlanConfirmationQuestion, RequiredConsent, StagePlan, render_file_diff_title,
        },
    },
};

/// How often a write is tried where somebody else writes too, and the pause between two tries.
const WRITE_TRIES_MAX: u32 = 20;
const WRITE_RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Returns the four values as they shall be once CloudFront is on.
pub(crate) fn compute_desired_setting_values(
    config: &ObservedPackagecloudConfig,
    distribution: Option<&CloudFrontDistribution>,
    answers: &OperatorAnswers,
) -> CloudFrontSettingValues {
    CloudFrontSettingValues {
        enabled: Some(true),
        secret: config.values.secret.clone(),
        distribution_id: distribution.map(|distribution| distribution.id.clone()),
        packages_domain: packages_domain::choose_packages_domain(answers, &config.values, distribution),
    }
}

/// Returns the diff that `edits` would make, if they make any.
pub(crate) async fn preview_config_changes(
    session: &Session,
    path: &str,
    file: &Arc<ConfigFile>,
    edits: &[(CloudFrontSettingKey, String)],
) -> Option<PlanAttachment> {
    let lines =
        session.host.preview_config_write_diff(file, edits, RubyExpressionEditMode::Append).await.ok()?;
    let title = render_file_diff_title(path);
    (!lines.is_empty()).then_some(PlanAttachment { title, lines, copy: false })
}

/// Adds what must be said and asked before `keys` are written to the file at `config`.
pub(crate) fn add_config_write_confirmations(
    plan: &mut StagePlan,
    config: &ObservedPackagecloudConfig,
    wanted: &CloudFrontSettingValues,
    keys: &[CloudFrontSettingKey],
    answers: &OperatorAnswers,
) {
    if keys.is_empty() {
        return;
    }
    plan.documents.extend(managed::build_config_snippet_document(config, wanted, keys));
    plan.confirmations.extend(managed::build_managed_config_confirmation(config, answers));
    plan.notes.extend(managed::render_managed_config_write_warning(config, answers));
    plan.confirmations.extend(build_expression_overwrite_confirmation(config, keys, answers));
}

/// Asks whether an expression is overruled, where one of `keys` is one.
pub(crate) fn build_expression_overwrite_confirmation(
    config: &ObservedPackagecloudConfig,
    keys: &[CloudFrontSettingKey],
    answers: &OperatorAnswers,
) -> Option<PlanConfirmationQuestion> {
    if answers.consents.override_expression {
        return None;
    }
    let (key, (number, line)) =
        keys.iter().find_map(|&key| Some((key, config.find_unsettling_line(key)?)))?;
    Some(PlanConfirmationQuestion {
        consent: RequiredConsent::OverrideExpression,
        question: format!(
            "{} may be set otherwise by line {number}: {line} — add a marked line behind it, which then counts?",
            key.setting_name()
        ),
    })
}

/// Writes `keys` of `values`, in a turn in which nothing forbids it; on a managed host waits, where that was chosen,
/// until its tool has written them or something forbids it.
///
/// # Errors
/// Fails where a client manages the file and nothing was chosen, where the file moved or can't be written, and where
/// CloudFront was switched off meanwhile.
pub(crate) async fn write_packagecloud_config_values(
    session: &Session,
    config: &ObservedPackagecloudConfig,
    values: &CloudFrontSettingValues,
    keys: &[CloudFrontSettingKey],
    answers: &OperatorAnswers,
    (run, step): (&StageRun, StageStep),
    purpose: ConfigWritePurpose,
) -> Result<ConfigWriteResult, Failure> {
    match (&config.managed, answers.consents.managed) {
        (None, _) | (Some(_), Some(ManagedConfigWriteChoice::Write)) => {}
        (Some((tool, _)), Some(ManagedConfigWriteChoice::Wait)) => {
            let keys = include_pending_secret_setting_key(config, keys);
            return managed::wait_until_config_management_writes(
                session,
                tool,
                (values, &keys),
                run,
                step,
                purpose,
            )
            .await;
        }
        (Some((tool, _)), None) => {
            return Err(Failure::new_missing_consent_failure(
                config.path.clone(),
                format!("{tool} manages it, and would undo an edit"),
                format!(
                    "put the values into that tool, which this waits for: {} — or write them here: {}",
                    render_same_command_again(&["--managed", "wait"]),
                    render_same_command_again(&["--managed", "write"])
                ),
            ));
        }
    }
    let keys = &include_pending_secret_setting_key(config, keys)[..];
    let expressions = if answers.consents.override_expression {
        RubyExpressionEditMode::Append
    } else {
        RubyExpressionEditMode::Refuse
    };
    let _turn = session.acquire_config_write_lock().await?;
    purpose.begin_config_write(session).await?;
    let written = session
        .host
        .write_packagecloud_config(config, &values.render_setting_edits(keys), expressions)
        .await?;
    if config.awaits_secret {
        session.host.remove_unwritten_cloudfront_secret();
    }
    Ok(written)
}

/// Returns the keys to write, with the secret where the file doesn't hold it yet.
fn include_pending_secret_setting_key(
    config: &ObservedPackagecloudConfig,
    keys: &[CloudFrontSettingKey],
) -> Vec<CloudFrontSettingKey> {
    let secret = config.awaits_secret && !keys.contains(&CloudFrontSettingKey::Secret);
    secret.then_some(CloudFrontSettingKey::Secret).into_iter().chain(keys.iter().copied()).collect()
}

/// Writes what `edits` says of the file as it stands, whoever changed it since it was shown: for switching off, which is
/// one value on its line and leaves all else as it is. `None` where nothing had to be written.
///
/// # Errors
/// Fails where the file can't be read or written, or was changed by somebody else each of twenty times.
pub(crate) async fn write_config_edits_with_retries(
    session: &Session,
    expressions: RubyExpressionEditMode,
    edits: impl Fn(&ObservedPackagecloudConfig) -> Vec<(CloudFrontSettingKey, String)>,
) -> Result<Option<ConfigWriteResult>, Failure> {
    let mut tries = 0;
    loop {
        let turn = session.try_acquire_config_write_lock().await;
        let now = session.host.read_packagecloud_config().await?.seen;
        let edits = edits(&now);
        if edits.is_empty() {
            return Ok(None);
        }
        tries += 1;
        match session.host.write_packagecloud_config(&now, &edits, expressions).await {
            // An editor or a configuration client wrote between the look and this.
            Err(failure) if failure.kind == FailureKind::Drifted && tries < WRITE_TRIES_MAX => {
                drop(turn);
                tokio::time::sleep(WRITE_RETRY_PAUSE).await;
            }
            result => return result.map(Some),
        }
    }
}

/// Says where the file before is kept, and where it was written over, as the end of a sentence.
pub(crate) fn render_config_backup_note(written: &ConfigWriteResult) -> String {
    let mut note =
        written.backup.as_ref().map(|backup| format!("; backup: {}", backup.display())).unwrap_or_default();
    if written.written_in_place {
        note.push_str("; it is mounted by itself, so its bytes were written over in place");
    }
    note
}
