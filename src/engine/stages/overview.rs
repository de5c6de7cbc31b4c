//! The overview: every change of every stage, how long, what it costs, what customers notice, how to undo. Nothing is written before it.

use futures::FutureExt as _;

use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::evidence::StageEvidence,
    failure::Failure,
    run::{
        answers::OperatorAnswers,
        goal::{OperatorGoal, RunStage, StageStep},
        plan::{PlanFact, PlannedChange, ResourceChangeKind, StagePlan},
        usual_wait::USUAL_DEPLOYMENT_TIME,
    },
    status::cost::{describe_sample_month_cost, render_key_cost, render_request_cost},
};

use crate::engine::{
    Session, look_at_single_stage,
    resources::{edge_limits, serving_obstacles},
};

/// Returns the plans of all stages of `goal` that change something, in order.
///
/// # Errors
/// Fails as the look of one of them does.
pub async fn look_and_plan_goal_stages(
    session: &Session,
    goal: OperatorGoal,
    answers: &OperatorAnswers,
) -> Result<Vec<StagePlan>, Failure> {
    let mut plans = Vec::new();
    for &stage in goal.stages_of_goal() {
        if !matches!(stage, RunStage::Overview | RunStage::Verify) {
            plans.push(look_at_single_stage(session, stage, answers).await?);
        }
    }
    if let Some(plan) = plans.iter_mut().find(|plan| plan.run_stage_of_plan() == RunStage::Distribution) {
        let target = session.get_or_discover_aws_target(answers).await?;
        let low = edge_limits::find_low_lambda_concurrency(&target).await;
        plan.notes.extend(low.map(|low| format!("{low}.")));
    }
    Ok(plans)
}

/// Returns what of the bucket stands in CloudFront's way, for a goal that sets CloudFront up.
pub async fn find_serving_obstacles(
    session: &Session,
    goal: OperatorGoal,
    answers: &OperatorAnswers,
) -> Vec<PlanFact> {
    let target = match goal {
        OperatorGoal::Install | OperatorGoal::Upgrade => session.get_or_discover_aws_target(answers).await,
        OperatorGoal::Disable | OperatorGoal::RollBack | OperatorGoal::Rotate => return Vec::new(),
    };
    match target {
        Ok(target) => serving_obstacles::describe_serving_obstacles(&target, answers).await,
        Err(_) => Vec::new(),
    }
}

/// Looks at all stages of the goal, and sums up what they would change.
///
/// # Errors
/// Fails as the look of one of them does.
pub async fn look_and_plan_overview(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<StagePlan, Failure> {
    let goal = answers.goal.unwrap_or(OperatorGoal::Install);
    let plans = look_and_plan_goal_stages(session, goal, answers).await?;
    let mut plan = StagePlan::new(StageEvidence::Overview);
    for stage in &plans {
        // What a change writes may stand beside it in its own plan, as the difference of a file: here it goes with it.
        plan.changes.extend(
            stage.changes.iter().map(|change| PlannedChange {
                document: stage.find_change_document(change),
                ..change.clone()
            }),
        );
        plan.confirmations.extend(
            stage
                .confirmations
                .iter()
                .filter(|ask| !plan.confirmations.contains(ask))
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    let summary = summarize_plans(&plans);
    plan.notes.push(summary.headline);
    plan.facts = summary.facts;
    if !plan.facts.is_empty() {
        plan.facts.extend(plans.iter().flat_map(|stage| &stage.facts).cloned());
    }
    plan.facts.extend(find_serving_obstacles(session, goal, answers).boxed().await);
    let reindex = plans
        .iter()
        .find(|stage| stage.run_stage_of_plan() == RunStage::Reindex && !stage.is_plan_without_changes());
    if let Some(reindex) = reindex.filter(|reindex| !reindex.notes.is_empty()) {
        plan.facts.push(PlanFact { topic: "What is reindexed", text: reindex.notes.join(" ") });
    }
    let distribution = plans.iter().find(|stage| stage.run_stage_of_plan() == RunStage::Distribution);
    if let Some(distribution) = distribution.filter(|distribution| !distribution.notes.is_empty()) {
        plan.facts.push(PlanFact { topic: "What limits the edge", text: distribution.notes.join(" ") });
    }
    Ok(plan)
}

/// What all of the plans come to.
pub struct PlanSummary {
    /// How many changes there are, a sentence.
    pub headline: String,
    /// How long, what it costs, what customers notice, how to undo; none where nothing would change.
    pub facts: Vec<PlanFact>,
}

impl PlanSummary {
    /// Renders it as lines: the headline, then each fact.
    #[must_use]
    pub fn render_plan_summary_lines(&self) -> Vec<String> {
        std::iter::once(self.headline.clone()).chain(self.facts.iter().map(ToString::to_string)).collect()
    }
}

/// Counts the changes of all plans, and says what they come to.
#[must_use]
pub fn summarize_plans(plans: &[StagePlan]) -> PlanSummary {
    let changes: Vec<_> = plans
        .iter()
        .flat_map(|plan| &plan.changes)
        .filter(|change| change.verb != ResourceChangeKind::Keep)
        .collect();
    let pending = |step| changes.iter().any(|change| change.step == step);
    let count = match changes.len() {
        0 => {
            return PlanSummary {
                headline: "Everything is as it should be: there is nothing to change.".into(),
                facts: Vec::new(),
            };
        }
        1 => "1 change".to_owned(),
        many => format!("{many} changes"),
    };
    let long = match (pending(StageStep::Deployed), pending(StageStep::Objects)) {
        (true, true) => {
            format!("usually {USUAL_DEPLOYMENT_TIME} for CloudFront; the reindex may take longer.")
        }
        (true, false) => {
            format!("usually {USUAL_DEPLOYMENT_TIME} for CloudFront, some minutes for the rest.")
        }
        (false, true) => {
            "a minute or two; the reindex runs on as long as it takes, and nothing waits for it.".into()
        }
        (false, false) => "a minute or two.".into(),
    };
    let key = if pending(StageStep::Key) { format!("{}; ", render_key_cost()) } else { String::new() };
    let notice =
        if pending(StageStep::Restart) { "nothing until go-live; then a short restart." } else { "nothing." };
    let fact = |topic, text: String| PlanFact { topic, text };
    PlanSummary {
        headline: format!("{count}; nothing is ever deleted."),
        facts: vec![
            fact("How long", long),
            fact("What it costs", format!("{key}{}.", render_request_cost())),
            fact("What customers notice", notice.into()),
            fact(
                "How to undo",
                format!(
                    "D, at any time, or: {} — packages come from S3 again; nothing that was made is removed.",
                    render_proposed_command("disable", &[])
                ),
            ),
            fact("What a month costs", describe_sample_month_cost()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan that would change these steps.
    fn plan_with_steps(steps: &[StageStep]) -> StagePlan {
        let mut plan = StagePlan::new(StageEvidence::Overview);
        plan.add_planned_change(StageStep::Role, ResourceChangeKind::Keep, "role", "it is there");
        for &step in steps {
            plan.add_planned_change(step, ResourceChangeKind::Update, "it", "it isn't right");
        }
        plan
    }

    #[test]
    fn only_what_is_pending_is_spoken_of() {
        let said = |steps: &[StageStep]| {
            summarize_plans(&[plan_with_steps(steps)]).render_plan_summary_lines().join("\n")
        };
        assert_eq!(summarize_plans(&[plan_with_steps(&[])]).render_plan_summary_lines().len(), 1);
        let first = said(&[StageStep::Key, StageStep::Deployed, StageStep::Restart]);
        for words in ["3 changes", "usually 3 to 15 min", "$1 a month", "then a short restart"] {
            assert!(first.contains(words), "{first}");
        }
        let live = said(&[StageStep::Switch, StageStep::Restart]);
        assert!(live.contains("a minute or two") && live.contains("a short restart"), "{live}");
        assert!(!live.contains("15 min") && !live.contains("$1 a month"), "{live}");
        let reindex = said(&[StageStep::Objects]);
        assert!(reindex.contains("1 change;") && reindex.contains("nothing waits for it"), "{reindex}");
        assert!(reindex.contains("What customers notice: nothing."), "{reindex}");
    }
}
