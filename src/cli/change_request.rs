//! `plan --format change-request`: a plan as operations teams have it approved, in Markdown.

use super::{CommandInvocation, kept_plan::render_plan_making_command};
use crate::engine::stages::overview::summarize_plans;
use crate::model::{
    failure::Failure,
    markdown::{MarkdownDocument, escape_markdown_text, render_code_span},
    run::{
        goal::OperatorGoal,
        plan::{PlanFact, PlannedChange, ResourceChangeKind, StagePlan, list_distinct_questions},
        proposed_command::render_proposed_command,
    },
    status::cost::{describe_sample_month_in_full, render_request_cost},
};

/// What the plan's facts are called that have a heading of their own.
const FACTS_WITH_HEADING: [&str; 4] = ["How long", "What it costs", "What customers notice", "How to undo"];

/// What the plan of a rotation calls its way back.
const UNDO_ROTATION_TOPIC: &str = "How to undo it";

/// Prints the change request, and nothing else on stdout.
///
/// # Errors
/// Fails where the account or the bucket can't be found.
pub async fn print_change_request(
    invocation: &CommandInvocation,
    goal: OperatorGoal,
    (plans, obstacles): (&[StagePlan], &[PlanFact]),
    out: Option<&std::path::Path>,
    flags: &[String],
) -> Result<(), Failure> {
    let mut document = MarkdownDocument::default();
    add_objective(&mut document, invocation, goal).await?;
    let pending: Vec<(&StagePlan, &PlannedChange)> = plans
        .iter()
        .flat_map(|plan| plan.changes.iter().map(move |change| (plan, change)))
        .filter(|(_, change)| change.verb != ResourceChangeKind::Keep)
        .collect();
    add_steps(&mut document, &pending);
    let summary = match goal {
        _ if pending.is_empty() => Vec::new(),
        OperatorGoal::Disable => list_disable_facts(),
        OperatorGoal::Rotate => list_rotation_facts(plans),
        _ => summarize_plans(plans).facts,
    };
    let fact = |topic: &str| summary.iter().find(|fact| fact.topic == topic);
    for (topic, heading) in
        FACTS_WITH_HEADING.into_iter().zip(["Time", "Cost", "What customers notice", "Roll-back"])
    {
        if let Some(fact) = fact(topic) {
            document.add_heading(2, heading);
            document.add_sentence(&fact.text);
            if heading == "Cost" && matches!(goal, OperatorGoal::Install | OperatorGoal::Upgrade) {
                document.add_paragraph(&describe_sample_month_in_full());
            }
        }
    }
    add_remarks(&mut document, goal, plans, obstacles);
    add_commands(&mut document, goal, out, flags);
    add_documents(&mut document, &pending);
    outln!("{}", document.render_markdown().trim_end());
    Ok(())
}

/// What switching off comes to: nothing is made, so it costs nothing.
fn list_disable_facts() -> Vec<PlanFact> {
    let fact = |topic, text: String| PlanFact { topic, text };
    vec![
        fact("How long", "a minute or two.".to_owned()),
        fact(
            "What customers notice",
            "a short restart; then links lead to S3 again. Links that were given out before still work. Customers who closed S3 in a firewall must open it again.".to_owned(),
        ),
        fact(
            "How to undo",
            format!(
                "switch CloudFront on again: {} — all that was made in AWS is still there.",
                render_proposed_command("enable", &[])
            ),
        ),
    ]
}

/// What a rotation comes to, as its plan says it; the remarks leave out what has a heading here.
fn list_rotation_facts(plans: &[StagePlan]) -> Vec<PlanFact> {
    let mut facts = vec![PlanFact { topic: "What it costs", text: format!("{}.", render_request_cost()) }];
    for fact in plans.iter().flat_map(|plan| &plan.facts) {
        let topic = if fact.topic == UNDO_ROTATION_TOPIC { "How to undo" } else { fact.topic };
        facts.push(PlanFact { topic, text: fact.text.clone() });
    }
    facts
}

async fn add_objective(
    document: &mut MarkdownDocument,
    invocation: &CommandInvocation,
    goal: OperatorGoal,
) -> Result<(), Failure> {
    let objective = match goal {
        OperatorGoal::Install => {
            "Put Amazon CloudFront in front of the S3 bucket that holds packagecloud's packages: clients download from the nearest edge, and only with a link that packagecloud has signed."
        }
        OperatorGoal::Upgrade => {
            "Put Amazon CloudFront in front of the S3 bucket that holds packagecloud's packages, on an installation that stands: clients download from the nearest edge, and only with a link that packagecloud has signed. The objects that are there get the attributes by which they are cached."
        }
        OperatorGoal::Disable | OperatorGoal::RollBack => {
            "Switch CloudFront off: packagecloud redirects downloads to S3 again. Everything in AWS stays as it is."
        }
        OperatorGoal::Rotate => {
            "Give packagecloud a new secret to sign links with. CloudFront accepts links by both secrets from before the first node signs with the new one until the rotation is finished: no link is refused."
        }
    };
    document.add_heading(1, "Change request: CloudFront for packagecloud");
    document.add_heading(2, "Objective");
    document.add_paragraph(objective);
    let row = |name: &str, value: &str| [name.to_owned(), render_code_span(value)];
    let mut rows = vec![row("Planned by", &format!("packagecloud-cloudfront {}", env!("CARGO_PKG_VERSION")))];
    // Switching off needs no AWS: where it can't be asked, it isn't named.
    match invocation.session.get_or_discover_aws_target(&invocation.answers).await {
        Ok(target) => {
            rows.push(row("Account", &target.account));
            rows.push(row("Bucket", target.names.bucket_name()));
        }
        Err(_) if goal == OperatorGoal::Disable => {}
        Err(failure) => return Err(failure),
    }
    for node in invocation.session.list_all_node_sessions() {
        rows.push(row("File", &node.host.render_config_location()));
    }
    document.add_table(["What", "Is"], rows);
    Ok(())
}

fn add_steps(document: &mut MarkdownDocument, pending: &[(&StagePlan, &PlannedChange)]) {
    document.add_heading(2, "Steps");
    if pending.is_empty() {
        document.add_paragraph("Everything is as it should be: nothing would change.");
        return;
    }
    document.add_table(
        ["Stage", "Step", "Does", "To"],
        pending.iter().map(|(_, change)| {
            [
                escape_markdown_text(change.stage.stage_title()),
                escape_markdown_text(change.step.step_title()),
                change.verb.change_kind_name().to_owned(),
                render_code_span(&change.target),
            ]
        }),
    );
    document.add_list(pending.iter().map(|(_, change)| {
        format!("{}: {}", escape_markdown_text(change.step.step_title()), escape_markdown_text(&change.why))
    }));
}

/// What is said of the plan beside its steps, what stands in the way, and what is asked apart.
fn add_remarks(
    document: &mut MarkdownDocument,
    goal: OperatorGoal,
    plans: &[StagePlan],
    obstacles: &[PlanFact],
) {
    let changing = || plans.iter().filter(|plan| !plan.is_plan_without_changes());
    let notes = changing().flat_map(|plan| plan.notes.iter().cloned());
    let has_heading = |fact: &&PlanFact| {
        goal == OperatorGoal::Rotate
            && (FACTS_WITH_HEADING.contains(&fact.topic) || fact.topic == UNDO_ROTATION_TOPIC)
    };
    let facts = changing()
        .flat_map(|plan| plan.facts.iter())
        .filter(|fact| !has_heading(fact))
        .chain(obstacles)
        .map(ToString::to_string);
    let asked = list_distinct_questions(plans);
    let questions = asked
        .iter()
        .map(|(_, asked)| format!("{} (yes is {})", asked.question, asked.consent.consent_cli_flag()));
    let mut all: Vec<String> = notes.chain(facts).chain(questions).collect();
    let mut seen = std::collections::HashSet::new();
    all.retain(|text| seen.insert(text.clone()));
    if !all.is_empty() {
        document.add_heading(2, "To be known, and to be decided");
        document.add_list(all.iter().map(|text| escape_markdown_text(text)));
    }
}

fn add_commands(
    document: &mut MarkdownDocument,
    goal: OperatorGoal,
    out: Option<&std::path::Path>,
    flags: &[String],
) {
    let make = render_plan_making_command(goal, out, flags);
    // A node's backup holds the secret of before, which the edges accept until the rotation is finished.
    let undo = match goal {
        OperatorGoal::Rotate => "roll-back",
        OperatorGoal::Disable => "enable",
        _ => "disable",
    };
    document.add_heading(2, "Commands");
    for (what, command) in [
        ("Make the change:", make),
        ("Prove it:", render_proposed_command("verify", &[])),
        ("Roll back:", render_proposed_command(undo, &[])),
    ] {
        document.add_paragraph(what);
        document.add_code_block("sh", &command);
    }
}

fn add_documents(document: &mut MarkdownDocument, pending: &[(&StagePlan, &PlannedChange)]) {
    let documents = pending
        .iter()
        .filter_map(|(plan, change)| plan.find_change_document(change).map(|text| (*change, text)));
    let documents: Vec<(&PlannedChange, String)> = documents.collect();
    if documents.is_empty() {
        return;
    }
    document.add_heading(2, "Documents");
    document.add_paragraph("What is written, as far as it can be read beforehand; the secret is hidden, and what AWS names only once it is made stands in angle brackets.");
    for (change, text) in documents {
        document.add_heading(3, &format!("{}: {}", change.step.step_title(), change.target));
        let language = match text.chars().next() {
            Some('{') => "json",
            Some('@' | '+') => "diff",
            _ => "text",
        };
        document.add_code_block(language, &text);
    }
}
