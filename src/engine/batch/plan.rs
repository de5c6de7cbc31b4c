//! What S3 Batch Operations means for a reindex's plan: the role, the jobs, and what is done from here after them.

use super::{Places, jobs, price, record::Record};
use crate::engine::{
    reindex,
    resources::adoption::{Adoption, adoption},
    session::Ground,
};
use crate::model::{
    aws::evidence::ReindexSeen,
    iam::policy,
    run::{
        answers::Answers,
        failure::Failure,
        goal::Step,
        plan::{Plan, Verb},
    },
};

/// Adds to the plan of the objects what this engine makes and runs beside it.
pub async fn look(
    ground: &Ground,
    answers: &Answers,
    plan: &mut Plan,
    seen: &mut ReindexSeen,
) -> Result<(), Failure> {
    let scene = ground.scene(answers).await?;
    let (names, bucket) = (&scene.names, &scene.bucket);
    let role = scene.cloud.batch_role(names).await?;
    let name = names.batch_role();
    let trusted = policy::batch_trust(&scene.account, &bucket.region);
    let mut adopted = Adoption::default();
    match &role {
        None => {
            plan.line(Step::Role, Verb::Create, &name, "S3 Batch Operations copies packages as this role")
        }
        Some(role) => {
            let unmarked = adoption(&role.ownership, "role", &name, names)?;
            let right = unmarked.is_none() && policy::carries(&role.trust, &trusted);
            adopted.consider(unmarked, "its trust and its tags");
            let (verb, why) = if right {
                (Verb::Keep, "it is there, and trusted by jobs of this account")
            } else {
                (Verb::Update, "S3 Batch Operations copies packages as this role")
            };
            plan.line(Step::Role, verb, &name, why)
        }
    }
    .calls
    .extend(["iam:GetRole".into(), "iam:CreateRole".into(), "iam:UpdateAssumeRolePolicy".into()]);
    let right = role
        .as_ref()
        .and_then(|role| role.policy.as_ref())
        .is_some_and(|stands| policy::carries(stands, &policy::batch_policy(names)));
    plan.line(
        Step::RolePolicy,
        if right { Verb::Keep } else { Verb::Attach },
        &name,
        "may read and write this bucket's objects and their tags; nothing else",
    )
    .calls
    .push("iam:PutRolePolicy".into());
    let rules = reindex::rules(names.bucket(), &answers.reindex);
    let why = match Record::load(&Places::of(ground).record, &rules) {
        Some(record) if !record.over => {
            format!("goes on with the {} of the last run", jobs(record.parts.len()))
        }
        _ => format!("a job for each set of headers and user metadata, {} at most", price::JOBS),
    };
    plan.line(Step::BatchJobs, Verb::Run, "S3 Batch Operations", why).calls.extend([
        "s3:PutObject".into(),
        "s3:CreateJob".into(),
        "s3:DescribeJob".into(),
        "s3:ListJobs".into(),
    ]);
    let why = "every object is looked at again; what the jobs left is copied from here";
    plan.line(Step::Remainder, Verb::Update, names.bucket(), why)
        .calls
        .extend(["s3:HeadObject".into(), "s3:CopyObject".into()]);
    plan.asks.extend(adopted.ask(answers, names));
    seen.batch_role = role;
    Ok(())
}
