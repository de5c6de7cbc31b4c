//! The KMS key that objects lie under: CloudFront must be let decrypt with it, and it is changed only on a yes of its own.
//!
//! Without that yes the statement is shown, for whoever looks after the key.

use super::origin_access;
use crate::engine::{run::StageRun, session::AwsTarget};
use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::{
        bucket::{ObjectEncryptionKey, ObjectKeyAccess},
        evidence::DistributionEvidence,
        names::ResourceNames,
    },
    failure::Failure,
    iam::policy,
    run::{
        answers::OperatorAnswers,
        goal::StageStep,
        plan::{PlanAttachment, PlanConfirmationQuestion, RequiredConsent, ResourceChangeKind, StagePlan},
    },
};

/// Reads the keys, and whether each lets the distribution decrypt; none where the identity reads the bucket.
///
/// # Errors
/// Fails where AWS refuses an object or a key's policy, or does not answer.
pub(crate) async fn observe_bucket_kms_keys(
    target: &AwsTarget,
    seen: &DistributionEvidence,
) -> Result<Vec<ObjectEncryptionKey>, Failure> {
    if !seen.by_control {
        return Ok(Vec::new());
    }
    let heads = target.read_sampled_object_heads().await?;
    let distribution = seen.distribution.as_ref().map(|one| one.arn.as_str());
    let mut keys = Vec::new();
    for key in origin_access::collect_object_kms_keys(&target.bucket, &heads) {
        keys.push(target.cloud.read_bucket_kms_key(&target.names, &key, distribution).await?);
    }
    Ok(keys)
}

fn find_ungranted_kms_keys(keys: &[ObjectEncryptionKey]) -> impl Iterator<Item = &ObjectEncryptionKey> {
    keys.iter().filter(|key| matches!(key.access, ObjectKeyAccess::Withheld | ObjectKeyAccess::Unknown))
}

/// Adds the lines of a plan, and what can't be served at all.
pub(crate) fn plan_bucket_kms_keys(
    plan: &mut StagePlan,
    seen: &DistributionEvidence,
    names: &ResourceNames,
    answers: &OperatorAnswers,
) {
    for key in &seen.keys {
        match key.access {
            ObjectKeyAccess::AwsManaged => plan.notes.push(format!(
                "Objects under AWS's own key ({}) can't be served by CloudFront: nobody can change its policy. Have them copied under a key of yours, or under SSE-S3.",
                key.key
            )),
            ObjectKeyAccess::Gone => plan.notes.push(format!(
                "Objects under the KMS key {} can't be served, by CloudFront or by S3: the key is not there any more. Where it waits for its deletion, cancel that; else upload them again.",
                key.key
            )),
            ObjectKeyAccess::Granted => {
                plan.add_planned_change(
                    StageStep::ObjectsKey,
                    ResourceChangeKind::Keep,
                    &key.key,
                    "CloudFront may decrypt with it for this distribution",
                );
            }
            ObjectKeyAccess::Withheld | ObjectKeyAccess::Unknown => {
                plan_kms_key_statement(plan, &key.key, seen, names, answers);
            }
        }
    }
}

/// Adds the change of a key's policy where that was said yes to; else shows the statement.
fn plan_kms_key_statement(
    plan: &mut StagePlan,
    key: &str,
    seen: &DistributionEvidence,
    names: &ResourceNames,
    answers: &OperatorAnswers,
) {
    if answers.consents.adopt_bucket_key {
        plan.add_planned_change(
            StageStep::ObjectsKey,
            ResourceChangeKind::Update,
            key,
            "CloudFront may decrypt with it for this distribution alone",
        )
        .calls
        .extend(["kms:GetKeyPolicy".into(), "kms:PutKeyPolicy".into()]);
        return;
    }
    plan.notes.push(format!(
        "Objects lie under the KMS key {key}: until its policy lets CloudFront decrypt, they are refused. To have it changed: {} — else add the statement shown.",
        render_same_command_again(&["--adopt-bucket-key"])
    ));
    plan.documents.push(render_bucket_kms_key_statement(key, seen, names));
}

/// The statement to add to the key's policy.
fn render_bucket_kms_key_statement(
    key: &str,
    seen: &DistributionEvidence,
    names: &ResourceNames,
) -> PlanAttachment {
    const UNKNOWN_ARN_TEXT: &str = "(the distribution's ARN, once it is made)";
    let arn = seen.distribution.as_ref().map_or(UNKNOWN_ARN_TEXT, |one| &one.arn);
    let text = serde_json::to_string_pretty(&policy::build_bucket_kms_key_statement(names, arn));
    PlanAttachment {
        title: format!("Statement for the policy of KMS key {key}"),
        lines: text.unwrap_or_default().lines().map(str::to_owned).collect(),
        copy: true,
    }
}

/// Asks before going live where a key of the operator's shuts CloudFront out.
pub(crate) fn build_bucket_kms_key_confirmation(
    keys: &[ObjectEncryptionKey],
    answers: &OperatorAnswers,
) -> Option<PlanConfirmationQuestion> {
    if answers.consents.adopt_bucket_key {
        return None;
    }
    let key = &find_ungranted_kms_keys(keys).next()?.key;
    Some(PlanConfirmationQuestion {
        consent: RequiredConsent::AdoptBucketKey,
        question: format!(
            "Objects lie under the KMS key {key}, whose policy doesn't let CloudFront decrypt. Add a statement to it, for this distribution alone? (To add it yourself, this shows it: {})",
            render_proposed_command("enable", &["--prepare"])
        ),
    })
}

/// Adds the statement to each key that needs it, where that was said yes to; else what is left to do, to be shown.
///
/// # Errors
/// Fails where AWS refuses the change of a key's policy.
pub(crate) async fn ensure_kms_key_statements(
    target: &AwsTarget,
    keys: &[ObjectEncryptionKey],
    distribution_arn: &str,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<String, Failure> {
    let (cloud, names) = (&target.cloud, &target.names);
    let mut left = String::new();
    for key in find_ungranted_kms_keys(keys) {
        if !answers.consents.adopt_bucket_key {
            let statement = policy::build_bucket_kms_key_statement(names, distribution_arn);
            left.push_str(&format!(
                "; left to you: add to the policy of KMS key {} this statement: {statement}",
                key.key
            ));
            continue;
        }
        let say = run.build_step_progress_reporter(StageStep::ObjectsKey);
        run.run_stage_step(StageStep::ObjectsKey, format!("policy of KMS key {}", key.key), async {
            cloud.ensure_bucket_kms_key_policy(names, &key.key, distribution_arn, &say).await?;
            Ok(((), format!("CloudFront may decrypt with {} for this distribution", key.key)))
        })
        .await?;
    }
    Ok(left)
}
