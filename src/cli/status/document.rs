//! `status --format json`: one document, whose schema is `assets/status.schema.json`.

use serde_json::{Value, json};

use crate::model::{
    run::check::CheckVerdict,
    status::{InstallStatus, StatusCheck},
};

/// Grows when a member goes or changes.
const DOCUMENT_FORMAT_VERSION: u32 = 1;

/// Renders the document, indented.
pub(super) fn render_status_document(status: &InstallStatus) -> String {
    let checks: Vec<Value> = list_checks(status).into_iter().map(render_status_check).collect();
    let facts: Vec<Value> =
        status.facts.iter().map(|fact| json!({"topic": fact.topic, "text": fact.text})).collect();
    let document = json!({
        "format": DOCUMENT_FORMAT_VERSION,
        "tool": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "seen_at": status.seen_at,
        "state": status.judge_status(),
        "summary": status.render_status_summary(),
        "switch": status.switch,
        "on_since": status.on_since,
        "nodes": status.nodes,
        "install": status.place,
        "checks": checks,
        "ends": status.ends,
        "traffic": status.traffic,
        "cost_dollars": status.cost,
        "facts": facts,
    });
    format!("{document:#}")
}

/// As in every format: the findings, the worst first, what couldn't be asked, what is well.
fn list_checks(status: &InstallStatus) -> Vec<&StatusCheck> {
    let mut all: Vec<&StatusCheck> = status.checks.iter().collect();
    all.sort_by_key(|one| (one.severity.is_none(), one.severity, one.check.result == CheckVerdict::Pass));
    all
}

fn render_status_check(one: &StatusCheck) -> Value {
    let StatusCheck { check, severity } = one;
    let mut line = json!({"name": check.name, "result": check.result, "detail": check.detail});
    if let Some(severity) = severity {
        line["severity"] = json!(severity);
    }
    if severity.is_some() || !check.next.is_empty() {
        line["next"] = json!(check.next);
    }
    line
}
