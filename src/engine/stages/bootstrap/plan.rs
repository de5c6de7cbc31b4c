//! What the bootstrap would make or change, decided from what stands; touches nothing.

use crate::engine::{
    resources::adoption::{Adoption, adoption},
    session::Scene,
};
use crate::model::{
    aws::{
        evidence::{BootstrapSeen, Seen},
        names::Names,
    },
    iam::policy,
    run::{
        answers::Answers,
        failure::Failure,
        goal::{Stage, Step},
        plan::{Plan, Verb},
    },
};

/// Decides; touches nothing.
pub fn plan(seen: BootstrapSeen, scene: &Scene, answers: &Answers) -> Result<Plan, Failure> {
    let names = &scene.names;
    let account = &scene.account;
    let mut adopted = Adoption::default();
    let mut plan = Plan::new(Stage::Bootstrap, Seen::Nothing);

    let role_arn = seen
        .role
        .as_ref()
        .map_or_else(|| format!("arn:aws:iam::{account}:role/{}", names.role()), |r| r.arn.clone());
    match &seen.role {
        None => plan.line(
            Step::Role,
            Verb::Create,
            names.role(),
            "the function runs as it, and may decrypt the secret",
        ),
        Some(role) => {
            let unmarked = adoption(&role.ownership, "role", &role.name, names)?;
            let unmarked = adopted.consider(unmarked, "its trust and its tags");
            let (verb, why) = match (policy::trusts_both(&role.trust), unmarked) {
                (true, false) => (Verb::Keep, "it is there, trusted by lambda and edgelambda"),
                (true, true) => {
                    (Verb::Update, "trusted by lambda and edgelambda; it gets this install's tags")
                }
                (false, _) => (Verb::Update, "lambda and edgelambda must both be trusted"),
            };
            plan.line(Step::Role, verb, &role.name, why)
        }
    }
    .calls
    .extend([
        "iam:GetRole".into(),
        "iam:CreateRole".into(),
        "iam:UpdateAssumeRolePolicy".into(),
        "iam:TagRole".into(),
    ]);

    match &seen.key {
        None => plan.line(Step::Key, Verb::Create, "a key in us-east-1", "it keeps the secret inside the function; $1 a month"),
        Some(key) if key.state == "Enabled" => {
            let unmarked = adoption(&key.ownership, "KMS key", &key.id, names)?;
            if adopted.consider(unmarked, "its policy and its tags") {
                plan.line(Step::Key, Verb::Update, &key.id, "it is enabled; it gets this install's tags")
            } else {
                plan.line(Step::Key, Verb::Keep, &key.id, "it is there, and enabled")
            }
        }
        Some(key) => {
            return Err(Failure::other(
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
        Some(key) if key.alias => {
            plan.line(Step::KeyAlias, Verb::Keep, names.alias(), "it points at the key")
        }
        _ => plan.line(Step::KeyAlias, Verb::Create, names.alias(), "by it the key is found again"),
    }
    .calls
    .push("kms:CreateAlias".into());
    match &seen.key {
        Some(key) if policy::carries(&key.policy, &policy::key_policy(names, &role_arn, account)) => {
            plan.line(Step::KeyPolicy, Verb::Keep, names.alias(), "only the function's role may decrypt")
        }
        _ => plan.line(Step::KeyPolicy, Verb::Update, names.alias(), "only the function's role may decrypt"),
    }
    .calls
    .extend(["kms:GetKeyPolicy".into(), "kms:PutKeyPolicy".into()]);

    let role_policy_right = match (&seen.role, &seen.key) {
        (Some(role), Some(key)) => role
            .policy
            .as_ref()
            .is_some_and(|stands| policy::same(stands, &policy::role_policy(names, &key.arn, account))),
        _ => false,
    };
    plan.line(
        Step::RolePolicy,
        if role_policy_right { Verb::Keep } else { Verb::Attach },
        names.role(),
        "may decrypt with that key and write its own logs; nothing of S3",
    )
    .calls
    .push("iam:PutRolePolicy".into());

    let mut unmarked = false;
    if let Some(function) = &seen.function {
        let found = adoption(&function.ownership, "Lambda function", &names.function(), names)?;
        let changed =
            if seen.version.is_some() { "its tags" } else { "its code and its tags; its old version stays" };
        unmarked = adopted.consider(found, changed);
        if let Some(forbidden) = function.forbidden.first() {
            return Err(Failure::other(
                format!("Lambda function {}", names.function()),
                format!("Lambda@Edge refuses it: {forbidden}"),
                "remove that from the function, or use a --name-suffix so that another one is made; nothing was changed",
            ));
        }
    }
    if let Some(arn) = &seen.version {
        const RIGHT: &str = "its code, secret and settings are right";
        if unmarked {
            plan.line(
                Step::Function,
                Verb::Update,
                names.function(),
                format!("{RIGHT}; it gets this install's tags"),
            )
            .calls
            .push("lambda:TagResource".into());
        } else {
            plan.line(Step::Function, Verb::Keep, names.function(), RIGHT);
        }
        plan.line(Step::FunctionVersion, Verb::Keep, arn, "it holds just this code and this secret");
    } else {
        let (verb, why) = match &seen.function {
            None => (Verb::Create, "it checks every signed URL"),
            Some(_) => (Verb::Update, "its code, secret or settings differ"),
        };
        plan.line(
            Step::SelfTest,
            Verb::Run,
            "the bundle to be uploaded",
            "every rule of the signed URL is tried in it first",
        );
        plan.line(Step::Function, verb, names.function(), why).calls.extend([
            "lambda:CreateFunction".into(),
            "lambda:UpdateFunctionConfiguration".into(),
            "lambda:UpdateFunctionCode".into(),
        ]);
        plan.line(
            Step::FunctionVersion,
            Verb::Create,
            "a new version",
            format!("tokens are made as {}", seen.construction),
        )
        .calls
        .push("lambda:PublishVersion".into());
    }
    origin_access_line(&mut plan, &seen, names);
    plan.asks.extend(adopted.ask(answers, names));
    for change in &mut plan.changes {
        change.calls.push("by hand: packagecloud-ctl bootstrap-cloudfront".into());
    }
    plan.seen = Seen::Bootstrap(Box::new(seen));
    Ok(plan)
}

fn origin_access_line(plan: &mut Plan, seen: &BootstrapSeen, names: &Names) {
    let line = if seen.by_control {
        match &seen.control {
            Some(control) => {
                plan.line(Step::OriginAccess, Verb::Keep, &control.id, "the origin access control is there")
            }
            None => plan.line(
                Step::OriginAccess,
                Verb::Create,
                names.origin_access_control(),
                format!("an origin access control: {}", seen.why_control),
            ),
        }
    } else {
        match &seen.identity {
            Some(identity) => {
                plan.line(Step::OriginAccess, Verb::Keep, &identity.id, "the origin access identity is there")
            }
            None => plan.line(
                Step::OriginAccess,
                Verb::Create,
                names.comment(),
                "CloudFront reads the bucket as this identity",
            ),
        }
    };
    line.calls.extend([
        "cloudfront:ListCloudFrontOriginAccessIdentities".into(),
        "cloudfront:CreateCloudFrontOriginAccessIdentity".into(),
    ]);
}
