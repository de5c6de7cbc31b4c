//! The secret stage: keep the one that stands, or make one and write it to packagecloud.rb (contract section 4).
//!
//! Between being made and being written the secret is in the operating system's keyring, so that a crash doesn't lose it.

use crate::edge::bundle::{FunctionVersionDescription, parse_function_version_description};
use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::{
        account::ResourceOwnership,
        evidence::{CarriedSecretChoice, CloudFrontSecretEvidence, StageEvidence},
    },
    failure::{Failure, FailureKind},
    packagecloud::settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    run::{
        answers::OperatorAnswers,
        event::StageEnd,
        goal::StageStep,
        plan::{ResourceChangeKind, StagePlan},
    },
    secret::Secret,
};

use crate::engine::{
    packagecloud::{
        config_write::{
            build_expression_overwrite_confirmation, render_config_backup_note,
            write_packagecloud_config_values,
        },
        managed, nodes,
        switch::ConfigWritePurpose,
    },
    resources::{authenticator::forecast_carried_secrets, carried_secrets::find_secret_count_excess},
    run::StageRun,
    session::Session,
};

/// Looks for the secret: in the file, on the other nodes, at the edge and in the backups.
///
/// # Errors
/// Fails where a file can't be read, nodes contradict each other, or AWS must be asked and does not answer.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let config = session.host.read_packagecloud_config().await?;
    // With a secret in the file AWS isn't asked at all.
    let others = nodes::read_other_node_configs(session, &config, answers).await?;
    let elsewhere = others.into_iter().find_map(|node| Some((node.name, node.seen.values.secret?)));
    let function = if config.seen.values.secret.is_some() || elsewhere.is_some() {
        true
    } else {
        let target = session.get_or_discover_aws_target(answers).await?;
        target
            .read_authenticator_function()
            .await?
            .is_some_and(|function| function.ownership == ResourceOwnership::Ours)
    };
    let backup = if function && config.seen.values.secret.is_none() && elsewhere.is_none() {
        find_backup_with_secret(session, answers).await
    } else {
        None
    };
    let beside_new = if answers.consents.new_secret && !config.seen.may_cloudfront_be_on() {
        forecast_secrets_beside_new(session, answers).await?
    } else {
        None
    };
    let seen = CloudFrontSecretEvidence { config: config.seen, function, elsewhere, backup, beside_new };
    plan_secret_stage(&seen, answers)
}

/// What becomes of what the edge accepts once there is a new secret; `None` where AWS can't be asked, or may not: making a
/// secret needs no AWS, and what needs it looks again.
async fn forecast_secrets_beside_new(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<Option<CarriedSecretChoice>, Failure> {
    let Ok(target) = session.get_or_discover_aws_target(answers).await else { return Ok(None) };
    match forecast_carried_secrets(session, &target, answers).await {
        Ok(choice) => Ok(Some(choice)),
        Err(failure) if failure.kind == FailureKind::Denied => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The newest backup that holds a secret which a version of our function has.
async fn find_backup_with_secret(session: &Session, answers: &OperatorAnswers) -> Option<String> {
    let function = session
        .get_or_discover_aws_target(answers)
        .await
        .ok()?
        .read_authenticator_function()
        .await
        .ok()??;
    let held: Vec<FunctionVersionDescription> = function
        .versions
        .iter()
        .filter_map(|version| parse_function_version_description(&version.description))
        .collect();
    for backup in session.host.list_config_backups().await.ok()? {
        let secret =
            session.host.read_config_backup(&backup).await.ok().and_then(|content| content.values.secret);
        if secret.is_some_and(|secret| {
            held.iter().any(|one| one.is_signing_secret_deployed(&secret).unwrap_or(false))
        }) {
            return Some(session.host.prefix_path_with_host(&backup.path.display().to_string()));
        }
    }
    None
}

/// Decides; touches nothing.
///
/// # Errors
/// Fails where the secret that stands can't be used, or making another would break links that the edge accepts now.
pub(super) fn plan_secret_stage(
    seen: &CloudFrontSecretEvidence,
    answers: &OperatorAnswers,
) -> Result<StagePlan, Failure> {
    let mut plan = StagePlan::new(StageEvidence::Secret(Box::new(seen.clone())));
    let (verb, mut why) = decide_secret_change(seen, answers.consents.new_secret)?;
    if let Some(beside) = &seen.beside_new {
        if let Some((why, next)) = find_secret_count_excess(&beside.carried, "the new one") {
            return Err(Failure::new_generic_failure(
                "--new-secret",
                why,
                format!("leave out --new-secret, or {next}"),
            ));
        }
        why.push_str(describe_secrets_beside_new(beside));
    }
    plan.add_planned_change(StageStep::Secret, verb, &seen.config.path, why).calls.push(
        "by hand: packagecloud-ctl generate-cloudfront-secret, and its line into packagecloud.rb".into(),
    );
    if !plan.is_plan_without_changes() {
        let hidden = CloudFrontSettingValues {
            secret: Some(Secret::new(String::new())),
            ..CloudFrontSettingValues::default()
        };
        let line = hidden.redact_cloudfront_secret().render_setting_assignments().concat();
        plan.changes[0].set_change_document(format!("+{line}"));
        plan.confirmations.extend(managed::build_managed_config_confirmation(&seen.config, answers));
        plan.notes.extend(managed::render_managed_config_write_warning(&seen.config, answers));
        let keys = [CloudFrontSettingKey::Secret];
        plan.confirmations.extend(build_expression_overwrite_confirmation(&seen.config, &keys, answers));
    }
    Ok(plan)
}

/// Says what the edge accepts once it accepts a new secret, as the end of a sentence.
fn describe_secrets_beside_new(beside: &CarriedSecretChoice) -> &'static str {
    match (beside.dropped.is_empty(), beside.carried.is_empty()) {
        (false, _) => {
            "; that version accepts no other: links signed before are refused from then on, those of the last minutes too"
        }
        (true, false) => {
            "; what the edge accepts now stays accepted, as it isn't known that no node signs with it any more"
        }
        (true, true) => "",
    }
}

/// Decides whether the secret stays, is taken from another node, or is made: what happens to it, and why.
fn decide_secret_change(
    seen: &CloudFrontSecretEvidence,
    new_secret: bool,
) -> Result<(ResourceChangeKind, String), Failure> {
    let path = &seen.config.path;
    if let Some((_, number, line)) =
        seen.config.expressions.iter().find(|(key, ..)| *key == CloudFrontSettingKey::Secret)
    {
        return Err(Failure::new_generic_failure(
            format!("{path}, line {number}"),
            format!("cloudfront_secret is an expression, which this program doesn't run: {line}"),
            "write its value there as a plain string, then look again",
        ));
    }
    let decided = match (&seen.config.values.secret, &seen.elsewhere) {
        (Some(secret), _) if !new_secret => {
            secret.decode_base64_secret_key()?;
            let tool = seen.config.managed.as_ref().map_or("", |(tool, _)| tool);
            let why = if seen.config.awaits_secret {
                format!("one is made, of the right shape; {tool} writes it with the other values")
            } else {
                "it holds a secret, of the right shape".to_owned()
            };
            (ResourceChangeKind::Keep, why)
        }
        (Some(_), _) if seen.config.may_cloudfront_be_on() => {
            let on = seen.config.describe_cloudfront_unless_off().unwrap_or_default();
            return Err(Failure::new_generic_failure(
                "--new-secret",
                format!("{on}; links signed with the old secret would break"),
                format!(
                    "for a new secret without one refused link: {}; or leave out --new-secret",
                    render_proposed_command("rotate-secret", &[])
                ),
            ));
        }
        (Some(_), _) => (
            ResourceChangeKind::Update,
            "a new secret, by --new-secret; a new function version will hold it".to_owned(),
        ),
        (None, Some((node, _))) if !new_secret => {
            (ResourceChangeKind::Create, format!("the one that {node} holds: none is made"))
        }
        (None, _) if seen.function && !new_secret => return Err(build_lost_secret_failure(seen)),
        (None, _) => {
            (ResourceChangeKind::Create, "packagecloud signs links with it, the edge checks them".to_owned())
        }
    };
    Ok(decided)
}

/// The edge holds a secret that this host's file doesn't, and no other node's either.
fn build_lost_secret_failure(seen: &CloudFrontSecretEvidence) -> Failure {
    let path = &seen.config.path;
    let copy = match &seen.backup {
        Some(backup) => format!(
            "copy its line from {backup}, which holds the one that the edge has, and keep it where {path} is made"
        ),
        None => format!(
            "copy the line from the other node's packagecloud.rb (there, this prints it: {}), name that node too with --host",
            render_proposed_command("configuration", &["--show-secret"])
        ),
    };
    Failure::new_missing_consent_failure(
        "cloudfront_secret",
        format!(
            "{path} holds none, but the edge has one already: another web node does, or this host was rebuilt"
        ),
        format!("{copy}, or make a new one: {}", render_same_command_again(&["--new-secret"])),
    )
}

/// Draws a secret.
fn draw_new_secret(session: &Session) -> Result<Secret, Failure> {
    let random = session.settings.random_bytes.draw_secret_bytes()?;
    Ok(Secret::generate_cloudfront_secret(&random))
}

/// Writes the secret: another node's, one that was made before, or a new one.
///
/// # Errors
/// Fails where the file can't be written; the secret is kept in the keyring then.
pub async fn apply(
    session: &Session,
    seen: &CloudFrontSecretEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let host = &session.host;
    let doing = match &seen.elsewhere {
        Some((node, _)) => format!("the secret of {node}"),
        None => "a secret of 16 random bytes".to_owned(),
    };
    run.run_stage_step(StageStep::Secret, doing, async {
        let name = format!("cloudfront_secret {}", seen.config.path);
        let known = match &seen.elsewhere {
            _ if answers.consents.new_secret => None,
            Some((_, secret)) => Some(secret.clone()),
            None => match host.keyring.read_keyring_secret(&name).await.ok().flatten() {
                Some(secret) => Some(secret),
                // Made for a configuration client, which may have it already.
                None => host.read_secret_awaiting_config_write(),
            },
        };
        let secret = if let Some(secret) = known { secret } else { draw_new_secret(session)? };
        host.redactor.learn_secret_to_redact(&secret);
        let held = match host.keyring.store_keyring_secret(&name, &secret).await {
            Ok(()) => String::new(),
            Err(failure) => format!("; it was not held in a keyring meanwhile: {}", failure.why),
        };
        if managed::is_config_management_write_awaited(&seen.config, answers)
            && seen.config.values.secret.is_none()
        {
            let place = host.store_pending_secret(&secret)?;
            let _ = host.keyring.remove_keyring_secret(&name).await;
            let tool = seen.config.managed.as_ref().map_or("its tool", |(tool, _)| tool);
            return Ok((
                (),
                format!(
                    "the secret is kept in {} until {tool} writes it with the other values",
                    place.display()
                ),
            ));
        }
        let values = CloudFrontSettingValues { secret: Some(secret), ..CloudFrontSettingValues::default() };
        let written = write_packagecloud_config_values(
            session,
            &seen.config,
            &values,
            &[CloudFrontSettingKey::Secret],
            answers,
            (run, StageStep::Secret),
            ConfigWritePurpose::Prepare,
        )
        .await?;
        // What stays in the keyring is what the file holds: no harm, and the next start looks at the file first.
        let _ = host.keyring.remove_keyring_secret(&name).await;
        Ok((
            (),
            format!("the secret is in {}{}{held}", seen.config.path, render_config_backup_note(&written)),
        ))
    })
    .await?;
    Ok((StageEnd::Applied, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::aws::evidence::{
        AcceptedSecret, DroppedSecret, ObservedPackagecloudConfig, SecretDropReason,
    };

    fn sample_observed_secret(
        secret: Option<&str>,
        enabled: Option<bool>,
        function: bool,
    ) -> CloudFrontSecretEvidence {
        let values = CloudFrontSettingValues {
            secret: secret.map(Secret::new),
            enabled,
            ..CloudFrontSettingValues::default()
        };
        let config = ObservedPackagecloudConfig {
            path: "p.rb".into(),
            values,
            ..ObservedPackagecloudConfig::default()
        };
        CloudFrontSecretEvidence { config, function, elsewhere: None, backup: None, beside_new: None }
    }

    #[test]
    fn what_a_new_secret_does_to_the_others_is_said_before_it_is_written() {
        let mut answers = OperatorAnswers::default();
        answers.consents.new_secret = true;
        let accepted =
            AcceptedSecret { fingerprint: "1".repeat(32), version_arn: "arn:1".into(), position: 0, of: 1 };
        let dropped = vec![DroppedSecret {
            fingerprint: accepted.fingerprint.clone(),
            why: SecretDropReason::HeldByNoNode,
        }];
        let plan = |carried: usize, dropped: &[DroppedSecret]| {
            let beside = CarriedSecretChoice {
                carried: vec![accepted.clone(); carried],
                dropped: dropped.to_vec(),
                obstacle: None,
            };
            let seen = CloudFrontSecretEvidence {
                beside_new: Some(beside),
                ..sample_observed_secret(Some(VALID_SECRET), None, true)
            };
            plan_secret_stage(&seen, &answers).map(|plan| plan.changes[0].why.clone())
        };
        assert!(plan(0, &dropped).unwrap().contains("accepts no other: links signed before are refused"));
        assert!(plan(2, &[]).unwrap().contains("what the edge accepts now stays accepted"));
        assert!(plan(0, &[]).unwrap().ends_with("will hold it"));
        let failure = plan(3, &[]).unwrap_err();
        assert!(failure.why.contains("accept 4 secrets"), "{failure:?}");
        assert!(failure.next.starts_with("leave out --new-secret, or switch CloudFront off"), "{failure:?}");
    }

    const VALID_SECRET: &str = "MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=";

    #[test]
    fn what_happens_to_the_secret() {
        let keep = OperatorAnswers::default();
        let mut new = OperatorAnswers::default();
        new.consents.new_secret = true;
        let verb = |seen, answers: &OperatorAnswers| {
            plan_secret_stage(&seen, answers).map(|plan| plan.changes[0].verb).map_err(|f| f.why)
        };
        assert_eq!(verb(sample_observed_secret(None, None, false), &keep), Ok(ResourceChangeKind::Create));
        assert_eq!(
            verb(sample_observed_secret(Some(VALID_SECRET), None, false), &keep),
            Ok(ResourceChangeKind::Keep)
        );
        assert_eq!(
            verb(sample_observed_secret(Some(VALID_SECRET), Some(true), true), &keep),
            Ok(ResourceChangeKind::Keep)
        );
        assert_eq!(
            verb(sample_observed_secret(Some(VALID_SECRET), None, true), &new),
            Ok(ResourceChangeKind::Update)
        );
        assert!(
            verb(sample_observed_secret(Some(VALID_SECRET), Some(true), true), &new)
                .unwrap_err()
                .contains("would break")
        );
        for enabled in [None, Some(false)] {
            let mut unknown = sample_observed_secret(Some(VALID_SECRET), enabled, true);
            unknown.config.may_be_on = true;
            assert!(verb(unknown, &new).unwrap_err().contains("may be on"), "{enabled:?}");
        }
        assert!(
            verb(sample_observed_secret(None, None, true), &keep)
                .unwrap_err()
                .contains("the edge has one already")
        );
        let wiped = CloudFrontSecretEvidence {
            backup: Some("p.rb.1.bak".into()),
            ..sample_observed_secret(None, None, true)
        };
        assert!(plan_secret_stage(&wiped, &keep).unwrap_err().next.contains("copy its line from p.rb.1.bak"));
        let other = CloudFrontSecretEvidence {
            elsewhere: Some(("web2".into(), Secret::new(VALID_SECRET))),
            ..sample_observed_secret(None, None, true)
        };
        assert_eq!(verb(other, &keep), Ok(ResourceChangeKind::Create), "the other node's, not a new one");
        assert!(verb(sample_observed_secret(Some(""), None, true), &keep).unwrap_err().contains("empty"));
    }
}
