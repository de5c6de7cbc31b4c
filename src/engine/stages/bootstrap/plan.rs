//! What the bootstrap would make or change, decided from what stands; touches nothing.

use crate::edge::bundle::parse_function_version_description;
use crate::engine::{
    resources::{
        adoption::{ResourceAdoptionList, require_resource_ours_or_unmarked},
        carried_secrets::{describe_dropped_secrets, find_secret_count_excess},
    },
    session::AwsTarget,
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        evidence::{BootstrapStageEvidence, StageEvidence},
        lambda_runtime::AUTHENTICATOR_RUNTIME,
        names::ResourceNames,
    },
    failure::Failure,
    iam::policy,
    run::{
        answers::OperatorAnswers,
        goal::StageStep,
        plan::{PlanFact, ResourceChangeKind, StagePlan},
    },
};

/// Decides; touches nothing.
///
/// # Errors
/// Fails where a part is another install's, or can't be used as it is.
pub fn plan_bootstrap_stage(
    seen: &BootstrapStageEvidence,
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Result<StagePlan, Failure> {
    let names = &target.names;
    let mut adopted = ResourceAdoptionList::default();
    let mut plan = StagePlan::new(StageEvidence::Bootstrap(Box::new(seen.clone())));
    plan_authenticator_role(&mut plan, seen, names, &mut adopted)?;
    plan_authenticator_kms_key(&mut plan, seen, names, &mut adopted)?;
    plan_role_and_key_policies(&mut plan, seen, names, &target.account);
    let unmarked = check_function_adoptable(seen, names, &mut adopted)?;
    refuse_unmakable_version(seen, names)?;
    plan_authenticator_function(&mut plan, seen, names, unmarked);
    plan_cloudfront_origin_access(&mut plan, seen, names);
    plan.confirmations.extend(adopted.build_adoption_confirmation(answers, names));
    for change in &mut plan.changes {
        change.calls.push("by hand: packagecloud-ctl bootstrap-cloudfront".into());
    }
    Ok(plan)
}

fn plan_authenticator_role(
    plan: &mut StagePlan,
    seen: &BootstrapStageEvidence,
    names: &ResourceNames,
    adopted: &mut ResourceAdoptionList,
) -> Result<(), Failure> {
    match &seen.role {
        None => plan.add_planned_change(
            StageStep::Role,
            ResourceChangeKind::Create,
            names.function_role_name(),
            "the function runs as it, and may decrypt the secret",
        ),
        Some(role) => {
            let unmarked = require_resource_ours_or_unmarked(&role.ownership, "role", &role.name, names)?;
            let unmarked = adopted.add_unmarked_resource(unmarked, "its trust and its tags");
            let (verb, why) = match (policy::trusts_lambda_and_edgelambda(&role.trust), unmarked) {
                (true, false) => (ResourceChangeKind::Keep, "it is there, trusted by lambda and edgelambda"),
                (true, true) => (
                    ResourceChangeKind::Update,
                    "trusted by lambda and edgelambda; it gets this install's tags",
                ),
                (false, _) => (ResourceChangeKind::Update, "lambda and edgelambda must both be trusted"),
            };
            plan.add_planned_change(StageStep::Role, verb, &role.name, why)
        }
    }
    .calls
    .extend([
        "iam:GetRole".into(),
        "iam:CreateRole".into(),
        "iam:UpdateAssumeRolePolicy".into(),
        "iam:TagRole".into(),
    ]);
    Ok(())
}

/// Plans the key and its alias; a key that can't be used stops the stage.
fn plan_authenticator_kms_key(
    plan: &mut StagePlan,
    seen: &BootstrapStageEvidence,
    names: &ResourceNames,
    adopted: &mut ResourceAdoptionList,
) -> Result<(), Failure> {
    match &seen.key {
        None => plan.add_planned_change(StageStep::Key, ResourceChangeKind::Create, "a key in us-east-1", "it keeps the secret inside the function; $1 a month"),
        Some(key) if key.state == "Enabled" => {
            let unmarked = require_resource_ours_or_unmarked(&key.ownership, "KMS key", &key.id, names)?;
            if adopted.add_unmarked_resource(unmarked, "its policy and its tags") {
                plan.add_planned_change(StageStep::Key, ResourceChangeKind::Update, &key.id, "it is enabled; it gets this install's tags")
            } else {
                plan.add_planned_change(StageStep::Key, ResourceChangeKind::Keep, &key.id, "it is there, and enabled")
            }
        }
        Some(key) => {
            return Err(Failure::new_generic_failure(
                format!("KMS key {}", key.id),
                format!("it is {}, so the function could not decrypt the secret", key.state),
                "enable it (or cancel its deletion) in KMS in us-east-1, then look again; nothing was changed",
            ));
        }
    }
    .calls
    .extend([
        "kms:DescribeKey".into(),
        "kms:ListKeys".into(),
        "kms:CreateKey".into(),
        "kms:TagResource".into(),
    ]);
    match &seen.key {
        Some(key) if key.alias => plan.add_planned_change(
            StageStep::KeyAlias,
            ResourceChangeKind::Keep,
            names.kms_alias_name(),
            "it points at the key",
        ),
        _ => plan.add_planned_change(
            StageStep::KeyAlias,
            ResourceChangeKind::Create,
            names.kms_alias_name(),
            "a name to find the key by",
        ),
    }
    .calls
    .push("kms:CreateAlias".into());
    Ok(())
}

/// Plans the key's policy and the role's.
fn plan_role_and_key_policies(
    plan: &mut StagePlan,
    seen: &BootstrapStageEvidence,
    names: &ResourceNames,
    account: &str,
) {
    let role_arn = seen.role.as_ref().map_or_else(
        || format!("arn:aws:iam::{account}:role/{}", names.function_role_name()),
        |r| r.arn.clone(),
    );
    match &seen.key {
        Some(key)
            if policy::has_all_policy_statements(
                &key.policy,
                &policy::build_kms_key_policy(names, &role_arn, account),
            ) =>
        {
            plan.add_planned_change(
                StageStep::KeyPolicy,
                ResourceChangeKind::Keep,
                names.kms_alias_name(),
                "only the function's role may decrypt",
            )
        }
        _ => plan.add_planned_change(
            StageStep::KeyPolicy,
            ResourceChangeKind::Update,
            names.kms_alias_name(),
            "only the function's role may decrypt",
        ),
    }
    .calls
    .extend(["kms:GetKeyPolicy".into(), "kms:PutKeyPolicy".into()]);

    let role_policy_right = match (&seen.role, &seen.key) {
        (Some(role), Some(key)) => role.policy.as_ref().is_some_and(|stands| {
            policy::is_same_policy(stands, &policy::build_function_role_policy(names, &key.arn, account))
        }),
        _ => false,
    };
    plan.add_planned_change(
        StageStep::RolePolicy,
        if role_policy_right { ResourceChangeKind::Keep } else { ResourceChangeKind::Attach },
        names.function_role_name(),
        "may decrypt with that key and write its own logs; no access to S3",
    )
    .calls
    .push("iam:PutRolePolicy".into());
}

/// Returns whether a function stands that carries no marker, and would be adopted; one that Lambda@Edge refuses stops
/// the stage.
fn check_function_adoptable(
    seen: &BootstrapStageEvidence,
    names: &ResourceNames,
    adopted: &mut ResourceAdoptionList,
) -> Result<bool, Failure> {
    let Some(function) = &seen.function else { return Ok(false) };
    let found = require_resource_ours_or_unmarked(
        &function.ownership,
        "Lambda function",
        &names.lambda_function_name(),
        names,
    )?;
    let changed =
        if seen.version.is_some() { "its tags" } else { "its code and its tags; its old version stays" };
    let unmarked = adopted.add_unmarked_resource(found, changed);
    if let Some(forbidden) = function.forbidden.first() {
        return Err(Failure::new_generic_failure(
            format!("Lambda function {}", names.lambda_function_name()),
            format!("Lambda@Edge refuses it: {forbidden}"),
            "remove that from the function, or use a --name-suffix so that another one is made; nothing was changed",
        ));
    }
    Ok(unmarked)
}

/// Plans the function and its version, which are right as they stand where the version is known.
fn plan_authenticator_function(
    plan: &mut StagePlan,
    seen: &BootstrapStageEvidence,
    names: &ResourceNames,
    unmarked: bool,
) {
    if let Some(arn) = &seen.version {
        const WHY_RIGHT: &str = "its code, secret and settings are right";
        if unmarked {
            plan.add_planned_change(
                StageStep::Function,
                ResourceChangeKind::Update,
                names.lambda_function_name(),
                format!("{WHY_RIGHT}; it gets this install's tags"),
            )
            .calls
            .push("lambda:TagResource".into());
        } else {
            plan.add_planned_change(
                StageStep::Function,
                ResourceChangeKind::Keep,
                names.lambda_function_name(),
                WHY_RIGHT,
            );
        }
        plan.add_planned_change(
            StageStep::FunctionVersion,
            ResourceChangeKind::Keep,
            arn,
            describe_right_version(seen, arn),
        );
    } else {
        let (verb, why) = match &seen.function {
            None => (ResourceChangeKind::Create, "it checks every signed URL".to_owned()),
            Some(function) if function.runtime != AUTHENTICATOR_RUNTIME => (
                ResourceChangeKind::Update,
                format!("its runtime {} becomes {AUTHENTICATOR_RUNTIME}", function.runtime),
            ),
            Some(_) => (ResourceChangeKind::Update, "its code, secret or settings differ".to_owned()),
        };
        plan.add_planned_change(
            StageStep::SelfTest,
            ResourceChangeKind::Run,
            "the bundle to be uploaded",
            "every rule of the signed URL is tried in it first",
        );
        plan.add_planned_change(StageStep::Function, verb, names.lambda_function_name(), why).calls.extend([
            "lambda:CreateFunction".into(),
            "lambda:UpdateFunctionConfiguration".into(),
            "lambda:UpdateFunctionCode".into(),
        ]);
        plan.add_planned_change(
            StageStep::FunctionVersion,
            ResourceChangeKind::Create,
            "a new version",
            format!(
                "tokens are made as {}{}{}",
                seen.construction,
                describe_kept_secrets(seen.beside.carried.len()),
                describe_dropped_secrets(&seen.beside.dropped)
            ),
        )
        .calls
        .push("lambda:PublishVersion".into());
    }
}

/// Stops where a new version is needed, and can't hold what it must.
fn refuse_unmakable_version(seen: &BootstrapStageEvidence, names: &ResourceNames) -> Result<(), Failure> {
    if seen.version.is_some() {
        return Ok(());
    }
    if let Some(obstacle) = &seen.beside.obstacle {
        return Err(obstacle.clone());
    }
    match find_secret_count_excess(&seen.beside.carried, "the one in packagecloud.rb") {
        Some((why, next)) => Err(Failure::new_generic_failure(
            format!("Lambda function {}", names.lambda_function_name()),
            why,
            format!(
                "put one of those into packagecloud.rb (this lists the backups: {}), or {next}",
                render_proposed_command("roll-back", &[])
            ),
        )),
        None => Ok(()),
    }
}

/// Says what the version that is right as it stands holds: secrets beside packagecloud.rb's, where it has some.
fn describe_right_version(seen: &BootstrapStageEvidence, arn: &str) -> String {
    let versions = seen.function.iter().flat_map(|function| &function.versions);
    let described = versions
        .filter(|version| version.arn == arn)
        .find_map(|version| parse_function_version_description(&version.description));
    let held = described.map_or(Vec::new(), |described| described.fingerprints);
    let given_up =
        |fingerprint: &&String| seen.beside.dropped.iter().any(|one| one.fingerprint == **fingerprint);
    let old = held.iter().filter(given_up).count();
    let others = held.len().saturating_sub(1);
    let mut text = match others {
        0 => return "it holds just this code and this secret".to_owned(),
        1 => "it holds just this code, this secret and one other that the edge accepts now".to_owned(),
        more => format!("it holds just this code, this secret and {more} others that the edge accepts now"),
    };
    if old > 0 {
        text.push_str(&format!(
            "; no packagecloud.rb holds {}, and the next new version leaves that out (a new one is made by --new-secret)",
            if old == others && old == 1 { "that one".to_owned() } else { format!("{old} of those") }
        ));
    }
    text
}

/// Says that what the edge accepts beside packagecloud.rb's secret stays accepted.
fn describe_kept_secrets(carried: usize) -> String {
    match carried {
        0 => String::new(),
        1 => "; the other secret that the edge accepts now stays accepted".to_owned(),
        more => format!("; the {more} other secrets that the edge accepts now stay accepted"),
    }
}

fn plan_cloudfront_origin_access(plan: &mut StagePlan, seen: &BootstrapStageEvidence, names: &ResourceNames) {
    let line = if seen.by_control {
        match &seen.control {
            Some(control) => plan.add_planned_change(
                StageStep::OriginAccess,
                ResourceChangeKind::Keep,
                &control.id,
                "the origin access control is there",
            ),
            None => plan.add_planned_change(
                StageStep::OriginAccess,
                ResourceChangeKind::Create,
                names.origin_access_control_name(),
                format!("an origin access control: {}", seen.why_control),
            ),
        }
    } else {
        match &seen.identity {
            Some(identity) => plan.add_planned_change(
                StageStep::OriginAccess,
                ResourceChangeKind::Keep,
                &identity.id,
                "the origin access identity is there",
            ),
            None => plan.add_planned_change(
                StageStep::OriginAccess,
                ResourceChangeKind::Create,
                names.distribution_and_identity_comment(),
                "CloudFront reads the bucket as this identity",
            ),
        }
    };
    line.calls.extend([
        "cloudfront:ListCloudFrontOriginAccessIdentities".into(),
        "cloudfront:CreateCloudFrontOriginAccessIdentity".into(),
    ]);
    plan.facts.push(PlanFact { topic: "Who reads the bucket", text: render_origin_access_choice(seen) });
}

/// Says who reads the bucket, why, and for whom a control is required (aws-facts section 10).
fn render_origin_access_choice(seen: &BootstrapStageEvidence) -> String {
    if seen.by_control {
        return format!("CloudFront by an origin access control: {}.", seen.why_control);
    }
    if !seen.why_control.is_empty() {
        return format!(
            "CloudFront as an origin access identity, as you chose, but {}. To use a control: {}",
            seen.why_control,
            render_proposed_command("enable", &["--origin-access", "auto"])
        );
    }
    format!(
        "CloudFront as an origin access identity, as packagecloud sets it up. You need decide nothing now. Only where your company must satisfy Security Hub (CloudFront.13), AWS Config or Control Tower (CT.CLOUDFRONT.PR.10), use an origin access control, now or later, without a failed link: {}",
        render_proposed_command("enable", &["--origin-access", "oac"])
    )
}
