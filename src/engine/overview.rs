//! The overview: every change of every stage, how long, what it costs, what customers notice, how to undo. Nothing is written before it.

use crate::model::{
    answers::Answers,
    failure::Failure,
    goal::{Goal, Stage},
    plan::{Plan, Verb},
    seen::Seen,
};

use super::{Ground, look_at_stage};

/// The plans of all stages of `goal` that change something, in order.
pub async fn plans(ground: &Ground, goal: Goal, answers: &Answers) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::new();
    for &stage in goal.stages() {
        if !matches!(stage, Stage::Overview | Stage::Verify) {
            plans.push(look_at_stage(ground, stage, answers).await?);
        }
    }
    Ok(plans)
}

pub async fn look_over(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let goal = answers.goal.unwrap_or(Goal::Install);
    let plans = plans(ground, goal, answers).await?;
    let mut plan = Plan::new(Stage::Overview, Seen::Nothing);
    for stage in &plans {
        plan.changes.extend(stage.changes.iter().cloned());
        plan.asks
            .extend(stage.asks.iter().filter(|ask| !plan.asks.contains(ask)).cloned().collect::<Vec<_>>());
    }
    plan.notes = words(std::slice::from_ref(&plan));
    Ok(plan)
}

/// What all of the plans come to: how long, what it costs, what customers notice, how to undo.
#[must_use]
pub fn words(plans: &[Plan]) -> Vec<String> {
    let changes =
        plans.iter().flat_map(|plan| &plan.changes).filter(|change| change.verb != Verb::Keep).count();
    if changes == 0 {
        return vec!["Everything is as it should be: there is nothing to change.".into()];
    }
    vec![
        format!("{changes} changes, each shown again before it is made; nothing is ever deleted."),
        "How long: 10 to 25 minutes, most of it waiting until every edge has the distribution.".into(),
        "What it costs: the KMS key $1 a month; Lambda@Edge $0.60 and CloudFront about $1 a million requests, and traffic.".into(),
        "What customers notice: nothing until go-live; then a restart of packagecloud, some seconds.".into(),
        "How to undo: D (or disable) at any time; downloads go to S3 again, and everything made stays.".into(),
    ]
}
