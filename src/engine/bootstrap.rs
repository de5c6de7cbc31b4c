//! The bootstrap stage: IAM role and policy, KMS key and policy, Lambda function and version, origin access (contract section 5).
//!
//! Nothing made here lets anybody read the bucket; whatever order it is broken off in, the next run finds what stands.

use std::collections::BTreeMap;

use tokio::try_join;

use crate::cloud::FunctionSettings;
use crate::edge::{
    bundle::{Bundle, HANDLER, MEMORY, RUNTIME, TIMEOUT, parse_description},
    runtime,
};
use crate::model::{
    answers::{Answers, OriginAccess},
    event::End,
    failure::Failure,
    goal::{Stage, Step},
    names::{COST_TAG, Names},
    plan::{Plan, Verb},
    policy,
    seen::{BootstrapSeen, BucketSeen, Function, Seen},
    token::Construction,
};

use super::{
    adopt::{Adoption, adoption},
    ground::{Ground, Scene},
    run::StageRun,
};

/// The state directory's file with the construction that the newest version was seen to hold.
pub(super) const CONSTRUCTION: &str = "construction";

/// What is there of the authenticator and of CloudFront's access to the bucket.
pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let scene = ground.scene(answers).await?;
    let seen = see(ground, &scene, answers).await?;
    plan(seen, &scene, answers)
}

pub(super) async fn see(ground: &Ground, scene: &Scene, answers: &Answers) -> Result<BootstrapSeen, Failure> {
    let (cloud, names) = (&scene.cloud, &scene.names);
    let (role, key, function, identity, control) = try_join!(
        cloud.role(names),
        cloud.key(names),
        cloud.function(names),
        cloud.identity(names),
        cloud.control(names)
    )?;
    let by_control = by_control(answers.origin_access, &scene.bucket);
    // A file that can't be read stops the secret stage, with its reason; here it only means that no version is known to be right.
    let secret = ground.host.read_config().await.ok().and_then(|config| config.seen.values.secret);
    let construction = construction(answers, function.as_ref());
    if let Some(held) = held(function.as_ref()).map(|held| held.to_string())
        && ground.host.state.read(CONSTRUCTION).as_deref() != Some(held.as_bytes())
    {
        // For `sign` and `inspect`, which don't wait for AWS; lost, they take the default.
        let _ = ground.host.state.write(CONSTRUCTION, held.as_bytes());
    }
    let version = match (&secret, &key, &function) {
        (Some(secret), Some(key), Some(function)) => {
            let wanted = bundle(construction, &key.arn, names).description(std::slice::from_ref(secret))?;
            function
                .versions
                .iter()
                .rev()
                .find(|version| version.description == wanted)
                .map(|v| v.arn.clone())
        }
        _ => None,
    };
    Ok(BootstrapSeen { role, key, function, identity, control, by_control, secret, version, construction })
}

/// Whether the origin access must be a control: the identity can't read what a KMS key encrypts.
fn by_control(wanted: OriginAccess, bucket: &BucketSeen) -> bool {
    match wanted {
        OriginAccess::Oai => false,
        OriginAccess::Oac => true,
        OriginAccess::Auto => bucket.encryption.starts_with("aws:kms") || !identity_reaches(&bucket.region),
    }
}

/// Regions that were there before December 2022 and need no opting in: an identity reaches no other (aws-facts section 2).
fn identity_reaches(region: &str) -> bool {
    const REACHED: &[&str] = &[
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "ca-central-1",
        "sa-east-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "eu-central-1",
        "eu-north-1",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
    ];
    REACHED.contains(&region)
}

/// What the edge accepts: as asked, else as the newest version of ours holds it, else the default.
fn construction(answers: &Answers, function: Option<&Function>) -> Construction {
    answers.construction.or_else(|| held(function)).unwrap_or_default()
}

fn held(function: Option<&Function>) -> Option<Construction> {
    Some(parse_description(&function?.versions.last()?.description)?.construction)
}

/// What the function's next version would be made of.
fn bundle(construction: Construction, key_arn: &str, names: &Names) -> Bundle {
    let context = BTreeMap::from([(COST_TAG.to_owned(), names.bucket().to_owned())]);
    Bundle { construction, key_arn: key_arn.to_owned(), context }
}

/// Decides; touches nothing.
pub(super) fn plan(seen: BootstrapSeen, scene: &Scene, answers: &Answers) -> Result<Plan, Failure> {
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
            adopted.consider(adoption(&role.ownership, "role", &role.name, names)?, "its trust and its tags");
            if policy::trusts_both(&role.trust) {
                plan.line(Step::Role, Verb::Keep, &role.name, "it is there, trusted by lambda and edgelambda")
            } else {
                plan.line(Step::Role, Verb::Update, &role.name, "lambda and edgelambda must both be trusted")
            }
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
            adopted.consider(adoption(&key.ownership, "KMS key", &key.id, names)?, "its policy and its tags");
            plan.line(Step::Key, Verb::Keep, &key.id, "it is there, and enabled")
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
    .extend(["kms:ListAliases".into(), "kms:DescribeKey".into(), "kms:CreateKey".into()]);
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

    if let Some(function) = &seen.function {
        adopted.consider(
            adoption(&function.ownership, "Lambda function", &names.function(), names)?,
            "its code; its old version stays",
        );
        if let Some(forbidden) = function.forbidden.first() {
            return Err(Failure::other(
                format!("Lambda function {}", names.function()),
                format!("Lambda@Edge refuses it: {forbidden}"),
                "remove that from the function, or use a --name-suffix so that another one is made; nothing was changed",
            ));
        }
    }
    if let Some(arn) = &seen.version {
        plan.line(Step::Function, Verb::Keep, names.function(), "its code, secret and settings are right");
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
                "an origin access control: the bucket's encryption or region shuts an identity out",
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

/// Makes what the plan says. The role, the key and the origin access don't need one another and are made together.
pub async fn apply(
    ground: &Ground,
    seen: &BootstrapSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let scene = ground.scene(answers).await?;
    let (cloud, names, account) = (&scene.cloud, &scene.names, scene.account.as_str());
    let secret = seen.secret.clone().ok_or_else(|| {
        Failure::other(
            "cloudfront_secret",
            "packagecloud.rb holds none yet",
            "run generate-cloudfront-secret first",
        )
    })?;
    secret.key()?;
    let adopt = answers.consents.adopt;
    let role_arn = format!("arn:aws:iam::{account}:role/{}", names.role());

    let making_role = async {
        let say = run.progress(Step::Role);
        let role = run
            .step(Step::Role, format!("role {}", names.role()), async {
                let role = cloud
                    .ensure_role(
                        names,
                        seen.role.as_ref(),
                        answers.permissions_boundary.as_deref(),
                        adopt,
                        &say,
                    )
                    .await?;
                cloud.ensure_service_linked_roles(&say).await?;
                let text = format!("role {} stands", role.name);
                Ok((role, text))
            })
            .await?;
        Ok::<_, Failure>(role)
    };
    let making_key = async {
        let say = run.progress(Step::Key);
        let key = run
            .step(Step::Key, "KMS key in us-east-1", async {
                let key = cloud.ensure_key(names, seen.key.as_ref(), &role_arn, account, adopt, &say).await?;
                let text = format!("KMS key {} stands", key.id);
                Ok((key, text))
            })
            .await?;
        run.step(Step::KeyAlias, format!("alias {}", names.alias()), async {
            cloud.ensure_alias(names, &key, &say).await?;
            Ok(((), format!("{} points at the key", names.alias())))
        })
        .await?;
        Ok::<_, Failure>(key)
    };
    let making_access = run.step(Step::OriginAccess, "origin access", async {
        if seen.by_control {
            let control = cloud.ensure_control(names).await?;
            Ok(((), format!("origin access control {} stands", control.id)))
        } else {
            let identity = cloud.ensure_identity(names).await?;
            Ok(((), format!("origin access identity {} stands", identity.id)))
        }
    });
    let (role, key, ()) = try_join!(making_role, making_key, making_access)?;

    let say = run.progress(Step::KeyPolicy);
    let policies = try_join!(
        run.step(Step::KeyPolicy, "KMS key policy", async {
            cloud.ensure_key_policy(names, &key, &role.arn, account, &say).await?;
            Ok(((), "only the function's role may decrypt with the key".to_owned()))
        }),
        run.step(Step::RolePolicy, "role policy", async {
            cloud.ensure_role_policy(names, &role, &key.arn, account, &say).await?;
            Ok(((), "the role may decrypt and write its logs, and nothing else".to_owned()))
        })
    );
    policies?;

    if let Some(arn) = &seen.version {
        return Ok(ended(seen, arn));
    }
    let bundle = bundle(seen.construction, &key.arn, names);
    let description = bundle.description(std::slice::from_ref(&secret))?;
    let zip = run
        .step(Step::SelfTest, "the bundle is made, and tried", async {
            let ciphertext = cloud.encrypt(&key.arn, secret.expose().as_bytes(), names.bucket()).await?;
            let zip = bundle.zip(&[ciphertext]);
            let (passed, total) = runtime::self_test(&zip, runtime::VECTORS).await.map_err(|why| {
                Failure::other(
                    "the function's bundle",
                    why,
                    "report this with the log; nothing was published",
                )
            })?;
            if passed != total {
                return Err(Failure::other(
                    "the function's bundle",
                    format!("only {passed} of {total} self-tests passed, so it was not published"),
                    "report this with the log; what serves packages now is untouched",
                ));
            }
            Ok((zip, format!("self-test: {passed} of {total}")))
        })
        .await?;
    let settings = FunctionSettings { runtime: RUNTIME, handler: HANDLER, memory: MEMORY, timeout: TIMEOUT };
    let say = run.progress(Step::Function);
    let function = run
        .step(Step::Function, format!("Lambda function {}", names.function()), async {
            let function = cloud
                .ensure_function(names, seen.function.as_ref(), &role.arn, settings, &zip, adopt, &say)
                .await?;
            Ok((function, format!("Lambda function {} holds the code", names.function())))
        })
        .await?;
    let version = run
        .step(Step::FunctionVersion, "a numbered version", async {
            let version = cloud.publish(names, &function, &description, &say).await?;
            let text = format!("version {} is active: {}", version.number, version.arn);
            Ok((version, text))
        })
        .await?;
    Ok(ended(seen, &version.arn))
}

fn ended(seen: &BootstrapSeen, arn: &str) -> (End, String) {
    let previous = seen
        .function
        .as_ref()
        .filter(|function| function.ownership == crate::model::seen::Ownership::Unmarked)
        .and_then(|function| function.versions.last())
        .map(|version| format!("; the adopted function's version before: {}", version.arn))
        .unwrap_or_default();
    (End::Applied, format!("{arn}{previous}"))
}
