//! What a planned change writes, as a text to read: a document, or the difference that it makes.
//!
//! It is shown, and pasted into trackers: nothing secret stands in it.

use serde_json::Value;

use crate::model::redact::redact_secrets_in_line;

/// Lines of what stays that are shown around a difference.
const CONTEXT_LINES: usize = 3;

/// Renders a document as it is written: JSON, two blanks an indentation.
#[must_use]
pub fn render_json_document(document: &Value) -> String {
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.lines().map(|line| redact_secrets_in_line::<&str>(line, &[])).collect::<Vec<_>>().join("\n")
}

/// Renders what becomes of a document: all of it where there was none, else a unified diff without its heading lines.
#[must_use]
pub fn render_json_difference(before: Option<&Value>, after: &Value) -> String {
    let Some(before) = before else { return render_json_document(after) };
    let (before, after) = (render_json_document(before), render_json_document(after));
    let difference = similar::TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    for hunk in difference.unified_diff().context_radius(CONTEXT_LINES).iter_hunks() {
        lines.push(hunk.header().to_string());
        lines.extend(
            hunk.iter_changes().map(|one| format!("{}{}", one.tag(), one.value().trim_end_matches('\n'))),
        );
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_shows_what_is_added_and_a_new_document_all_of_it() {
        let before = json!({"Statement": [{"Sid": "Theirs"}], "Version": "2012-10-17"});
        let after = json!({"Statement": [{"Sid": "Theirs"}, {"Sid": "Ours"}], "Version": "2012-10-17"});
        let text = render_json_difference(Some(&before), &after);
        assert!(text.starts_with("@@ ") && text.contains("\n+      \"Sid\": \"Ours\""), "{text}");
        assert!(!text.contains("-      \"Sid\": \"Theirs\""), "{text}");
        assert!(render_json_difference(None, &after).starts_with("{\n  \"Statement\""));
        assert_eq!(render_json_difference(Some(&after), &after), "");
    }
}
