//! `--output json`: one JSON object a line, and nothing else on stdout (contract section 2).

use serde_json::{Value, json};

use crate::model::{
    failure::Failure,
    packagecloud::settings::CloudFrontSettingValues,
    run::{
        check::{CheckResult, CheckVerdict},
        event::StageEvent,
        goal::{RunStage, StageStep},
        plan::{PlanConfirmationQuestion, PlanFact, PlannedChange, StagePlan},
        welcome::FoundBackup,
    },
};

/// Grows when an event loses or changes a member.
const EVENTS_FORMAT_VERSION: u32 = 1;

/// Renders the first line.
#[must_use]
pub fn render_version_json(sandbox: bool) -> Value {
    let mut line = json!({
        "type": "version",
        "tool": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "events": EVENTS_FORMAT_VERSION,
    });
    if sandbox {
        line["sandbox"] = true.into();
    }
    line
}

/// Renders one event; `ended` without a step of its own has none. What stands still is progress that says so.
#[must_use]
pub fn render_stage_event_json(event: &StageEvent) -> Value {
    if let StageEvent::Waiting { stage, step, text, .. } = event {
        return json!({"type": "progress", "stage": stage, "step": step, "text": text});
    }
    serde_json::to_value(event)
        .unwrap_or_else(|error| json!({"type": "failed", "failure": error.to_string()}))
}

/// Renders a failure that came before any stage began.
#[must_use]
pub fn render_failure_json(stage: Option<RunStage>, failure: &Failure) -> Value {
    json!({"type": "failed", "stage": stage, "step": null, "failure": failure})
}

/// Renders one change, with what it writes where that can be read.
#[must_use]
pub fn render_planned_change_json(change: &PlannedChange, document: Option<String>) -> Value {
    let mut line = json!({
        "type": "change",
        "stage": change.stage,
        "step": change.step,
        "verb": change.verb,
        "target": change.target,
        "why": change.why,
    });
    if let Some(document) = document {
        line["document"] = document.into();
    }
    line
}

/// Renders one check.
#[must_use]
pub fn render_check_result_json(check: &CheckResult) -> Value {
    let mut line =
        json!({"type": "check", "name": check.name, "result": check.result, "detail": check.detail});
    if !check.next.is_empty() {
        line["next"] = check.next.clone().into();
    }
    line
}

/// Renders a check inside a stage that does more than check: how far its step is.
#[must_use]
pub fn render_check_progress_json(stage: RunStage, check: &CheckResult) -> Value {
    let step = match stage {
        RunStage::Verify => StageStep::Checks,
        RunStage::Disable => StageStep::Proof,
        _ => StageStep::Gate,
    };
    let result = match check.result {
        CheckVerdict::Pass => "pass",
        CheckVerdict::Fail => "fail",
        CheckVerdict::Unknown => "unknown",
    };
    json!({
        "type": "progress",
        "stage": stage,
        "step": step,
        "text": format!("{}: {}: {}", check.name, result, check.detail),
    })
}

/// Renders a backup of packagecloud.rb, and what restoring its values would change now.
#[must_use]
pub fn render_packagecloud_rb_backup_json(backup: &FoundBackup) -> Value {
    json!({"type": "backup", "path": backup.path, "when": backup.when, "changes": backup.changes})
}

/// Renders the four values; the secret as `(hidden)` unless `show_secret`.
#[must_use]
pub fn render_setting_values_json(values: &CloudFrontSettingValues, show_secret: bool) -> Value {
    let shown = if show_secret { values.clone() } else { values.redact_cloudfront_secret() };
    let mut map = serde_json::Map::new();
    if let Some(enabled) = shown.enabled {
        map.insert("cloudfront_enabled".into(), enabled.into());
    }
    if let Some(secret) = &shown.secret {
        map.insert("cloudfront_secret".into(), secret.expose_secret().into());
    }
    if let Some(id) = &shown.distribution_id {
        map.insert("cloudfront_distribution_id".into(), id.as_str().into());
    }
    if let Some(domain) = &shown.packages_domain {
        map.insert("cloudfront_packages_domain".into(), domain.as_str().into());
    }
    json!({"type": "configuration", "values": map})
}

/// Renders every change of a plan.
#[must_use]
pub fn render_plan_changes_json(plan: &StagePlan) -> Vec<Value> {
    let render = |change| render_planned_change_json(change, plan.find_change_document(change));
    plan.changes.iter().map(render).collect()
}

/// Renders what a plan says above its changes: each sentence, and each fact with what it is about.
#[must_use]
pub fn render_plan_notes_json(plan: &StagePlan) -> Vec<Value> {
    let stage = plan.run_stage_of_plan();
    let notes = plan.notes.iter().map(|text| render_plan_note_json(Some(stage), None, text));
    notes.chain(plan.facts.iter().map(|fact| render_plan_fact_json(Some(stage), fact))).collect()
}

/// Renders one fact; of no stage where it is of all of them.
#[must_use]
pub fn render_plan_fact_json(stage: Option<RunStage>, fact: &PlanFact) -> Value {
    render_plan_note_json(stage, Some(fact.topic), &fact.text)
}

fn render_plan_note_json(stage: Option<RunStage>, topic: Option<&str>, text: &str) -> Value {
    json!({"type": "note", "stage": stage, "topic": topic, "text": text})
}

/// Renders a question that a plan asks, with the flag that is the yes to it.
#[must_use]
pub fn render_plan_question_json(stage: RunStage, question: &PlanConfirmationQuestion) -> Value {
    json!({
        "type": "question",
        "stage": stage,
        "flag": question.consent.consent_cli_flag(),
        "text": question.question,
    })
}

/// Prints one line; a reader that went away is no failure of ours.
pub fn print_json_line(line: &Value) {
    crate::outln!("{line}");
}
