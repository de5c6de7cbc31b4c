//! A host whose packagecloud.rb a configuration client writes: what is asked, shown and said, and waiting until it holds the values (contract section 7).

use std::time::Duration;

use crate::host::ConfigWriteResult;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::evidence::ObservedPackagecloudConfig,
    failure::Failure,
    packagecloud::{
        settings::{CloudFrontSettingKey, CloudFrontSettingValues, RAILS_HASH},
        snippet,
    },
    run::{
        answers::{ManagedConfigWriteChoice, OperatorAnswers},
        goal::StageStep,
        plan::{PlanAttachment, PlanConfirmationQuestion, RequiredConsent},
    },
};

use super::switch::ConfigWritePurpose;
use crate::engine::{run::StageRun, session::Session};

/// Holds what a configuration client is waited for to write: Ruby's lines, and the same as its tool wants them.
const PENDING_VALUES_FILE: &str = "managed-values";
const SNIPPET_FILE: &str = "managed-snippet";

/// How often a managed host's file is looked at.
const FILE_POLL_INTERVAL: Duration = Duration::from_secs(5);
/// However fast a sandbox is.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(20);

/// Returns whether the host's tool is waited for, and writes all of the values at once: it is given them once, when the last of
/// them is known.
pub(crate) fn is_config_management_write_awaited(
    config: &ObservedPackagecloudConfig,
    answers: &OperatorAnswers,
) -> bool {
    config.managed.is_some() && answers.consents.managed == Some(ManagedConfigWriteChoice::Wait)
}

/// Asks whether a file is written that a configuration client writes: it is not ours to edit unasked.
pub(crate) fn build_managed_config_confirmation(
    config: &ObservedPackagecloudConfig,
    answers: &OperatorAnswers,
) -> Option<PlanConfirmationQuestion> {
    let (tool, how) = config.managed.as_ref()?;
    if answers.consents.managed.is_some() {
        return None;
    }
    Some(PlanConfirmationQuestion {
        consent: RequiredConsent::Managed,
        question: format!(
            "{tool} manages this host ({how}) and would undo the edit on its next run. Write the file now all the same?"
        ),
    })
}

/// Says what to look out for where the file is written although a client manages it.
pub(crate) fn render_managed_config_write_warning(
    config: &ObservedPackagecloudConfig,
    answers: &OperatorAnswers,
) -> Option<String> {
    let (tool, how) = config.managed.as_ref()?;
    (answers.consents.managed == Some(ManagedConfigWriteChoice::Write)).then(|| {
        format!(
            "{tool} manages this host ({how}); its next run undoes this. Until {tool} holds the values too (this prints them: {}), {}.",
            render_proposed_command("configuration", &["--format", tool]),
            render_config_tool_pause_instruction(tool)
        )
    })
}

/// Says how a client is kept from running.
pub(crate) fn render_config_tool_pause_instruction(tool: &str) -> &'static str {
    match tool {
        "chef" => "stop chef-client (systemctl stop chef-client.timer chef-client)",
        "puppet" => "run: puppet agent --disable",
        _ => "leave this host out of the play",
    }
}

/// Renders the lines as the tool that manages the file wants them, for whoever keeps them there; secrets are hidden.
pub(crate) fn build_config_snippet_document(
    config: &ObservedPackagecloudConfig,
    wanted: &CloudFrontSettingValues,
    keys: &[CloudFrontSettingKey],
) -> Option<PlanAttachment> {
    let (tool, _) = config.managed.as_ref()?;
    Some(PlanAttachment {
        title: format!("For {tool}, which writes {}", config.path),
        lines: snippet::render_config_snippet(
            tool,
            &filter_setting_values_by_key(&wanted.redact_cloudfront_secret(), keys),
        )
        .lines()
        .map(str::to_owned)
        .collect(),
        copy: true,
    })
}

/// `keys` of the values, and nothing else of them.
fn filter_setting_values_by_key(
    values: &CloudFrontSettingValues,
    keys: &[CloudFrontSettingKey],
) -> CloudFrontSettingValues {
    let has = |key| keys.contains(&key);
    CloudFrontSettingValues {
        enabled: values.enabled.filter(|_| has(CloudFrontSettingKey::Enabled)),
        secret: values.secret.clone().filter(|_| has(CloudFrontSettingKey::Secret)),
        distribution_id: values.distribution_id.clone().filter(|_| has(CloudFrontSettingKey::DistributionId)),
        packages_domain: values.packages_domain.clone().filter(|_| has(CloudFrontSettingKey::PackagesDomain)),
    }
}

/// Waits until the host's configuration client has written `keys` of `values`. They are shown in a file that only this
/// user reads, since the secret may be among them.
///
/// # Errors
/// Fails where it is stopped, CloudFront was switched off meanwhile, or a file can't be read or written.
pub(crate) async fn wait_until_config_management_writes(
    session: &Session,
    tool: &str,
    (values, keys): (&CloudFrontSettingValues, &[CloudFrontSettingKey]),
    run: &StageRun,
    step: StageStep,
    purpose: ConfigWritePurpose,
) -> Result<ConfigWriteResult, Failure> {
    let wanted = values.render_setting_edits(keys);
    let lines: String = wanted
        .iter()
        .map(|(key, value)| format!("{RAILS_HASH}['{}'] = {value}\n", key.setting_name()))
        .collect();
    session.host.state.write_state_dir_file(PENDING_VALUES_FILE, lines.as_bytes())?;
    let snippet =
        format!("{}\n", snippet::render_config_snippet(tool, &filter_setting_values_by_key(values, keys)));
    let path = session.host.state.write_state_dir_file(SNIPPET_FILE, snippet.as_bytes())?;
    let say = run.build_step_progress_reporter(step);
    let began = tokio::time::Instant::now();
    loop {
        {
            let _turn = session.acquire_config_write_lock().await?;
            purpose.begin_config_write(session).await?;
        }
        say(&format!(
            "waiting for {tool} to write the lines of {} to {}, {} s",
            path.display(),
            session.host.render_config_location(),
            began.elapsed().as_secs()
        ));
        // What is kept here doesn't count: the file must hold it.
        let now = session.host.read_packagecloud_config().await?.file.cloudfront_setting_values();
        if wanted.iter().all(|(key, value)| now.render_setting_as_ruby(*key).as_ref() == Some(value)) {
            session.host.remove_unwritten_cloudfront_secret();
            session.host.state.remove_state_dir_file(PENDING_VALUES_FILE);
            session.host.state.remove_state_dir_file(SNIPPET_FILE);
            return Ok(ConfigWriteResult::new_unchanged_result());
        }
        let pause = async {
            tokio::time::sleep(session.scale_wait_for_sandbox(FILE_POLL_INTERVAL).max(POLL_INTERVAL_MIN))
                .await;
            Ok(())
        };
        run.read_unless_stopped(pause).await?;
    }
}
