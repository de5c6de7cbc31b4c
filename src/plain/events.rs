//! Events as lines that are written once: each says in words what happened, and what only goes on is told now and then.

use std::{collections::HashMap, time::Duration};

use crate::model::{
    failure::Failure,
    run::{
        check::CheckVerdict,
        event::{ProgressStats, StageEnd, StageEvent},
        goal::{RunStage, StageStep},
    },
};

/// A step that goes on is told of again after so long: more often it would talk over everything else.
const PROGRESS_LINE_INTERVAL: Duration = Duration::from_secs(5);
/// That AWS does not answer is told again after so long.
const SILENCE_LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Which progress was told last, of each step.
#[derive(Debug, Default)]
pub(super) struct EventNarrator {
    told: HashMap<(RunStage, StageStep), (Duration, String)>,
    /// When it was told last that AWS does not answer.
    silence_told_at: Option<Duration>,
}

impl EventNarrator {
    /// Returns the line that tells which call of AWS has no answer; none where that was told a moment ago, or it has one.
    pub(super) fn narrate_aws_silence(&mut self, now: Duration, silent: Option<&str>) -> Option<String> {
        let Some(silent) = silent else {
            self.silence_told_at = None;
            return None;
        };
        if self.silence_told_at.is_some_and(|told| now.saturating_sub(told) < SILENCE_LINE_INTERVAL) {
            return None;
        }
        self.silence_told_at = Some(now);
        Some(format!("waiting for AWS: {silent}"))
    }

    /// Returns the lines that tell of an event at `now`; none where it says nothing new.
    pub(super) fn narrate_stage_event(&mut self, now: Duration, event: &StageEvent) -> Vec<String> {
        match event {
            StageEvent::Started { stage, step, text } => {
                self.told.insert((*stage, *step), (now, text.clone()));
                vec![format!("started: {}", name_step(*step, text))]
            }
            StageEvent::Progress { stage, step, text, pace } => {
                let line = match pace.as_ref().map(render_progress_figures) {
                    Some(figures) if !figures.is_empty() => format!("{text} {figures}"),
                    _ => text.clone(),
                };
                if !self.is_progress_due(now, *stage, *step, &line) {
                    return Vec::new();
                }
                vec![format!("  {}", line.trim())]
            }
            StageEvent::Waiting { text, failure, .. } => {
                let mut lines = vec![format!("paused: {text}")];
                lines.extend(render_failure_lines(failure));
                lines
            }
            StageEvent::Finished { step, text, .. } => vec![format!("done: {}", name_step(*step, text))],
            StageEvent::Failed { step, failure, .. } => {
                let mut lines = vec![format!("FAILED: {}", step.step_title())];
                lines.extend(render_failure_lines(failure));
                lines
            }
            StageEvent::Check { check, .. } => {
                let verdict = match check.result {
                    CheckVerdict::Pass => "check passed",
                    CheckVerdict::Fail => "check FAILED",
                    CheckVerdict::Unknown => "check unknown",
                };
                let mut lines = vec![format!("{verdict}: {}: {}", check.name, check.detail)];
                if !check.next.is_empty() {
                    lines.push(format!("  next: {}", check.next));
                }
                lines
            }
            StageEvent::Ended { stage, end, text, .. } => {
                self.told.retain(|(told, _), _| told != stage);
                let end = match end {
                    StageEnd::Applied => "done",
                    StageEnd::Unchanged => "nothing to do",
                    StageEnd::Stopped => "stopped",
                    StageEnd::Failed => "FAILED",
                };
                let text = if text.is_empty() { String::new() } else { format!(": {text}") };
                vec![format!("{} {end}{text}", stage.stage_title())]
            }
        }
    }

    fn is_progress_due(&mut self, now: Duration, stage: RunStage, step: StageStep, line: &str) -> bool {
        let told = self.told.get(&(stage, step));
        let is_due = !line.trim().is_empty()
            && told.is_none_or(|(at, last)| last != line && now >= *at + PROGRESS_LINE_INTERVAL);
        if is_due {
            self.told.insert((stage, step), (now, line.to_owned()));
        }
        is_due
    }
}

fn name_step(step: StageStep, text: &str) -> String {
    if text.is_empty() { step.step_title().to_owned() } else { text.to_owned() }
}

/// Renders the thing and the reason, then the next move.
fn render_failure_lines(failure: &Failure) -> [String; 2] {
    let id = failure.request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default();
    [format!("  {}: {}{id}", failure.what, failure.why), format!("  next: {}", failure.next)]
}

fn render_progress_figures(pace: &ProgressStats) -> String {
    let mut parts = Vec::new();
    if let Some(done) = pace.done {
        parts.push(match pace.total {
            Some(total) if total > 0 => format!("{done} of {total}, {} percent", done * 100 / total),
            _ => format!("{done} done"),
        });
    }
    if let Some(rate) = pace.per_second {
        parts.push(format!("{rate:.0} a second"));
    }
    if let Some(left) = pace.seconds_left {
        parts.push(format!("{left} s left"));
    }
    for (count, what) in [(pace.skipped, "skipped"), (pace.slow_downs, "times SlowDown")] {
        parts.extend(count.filter(|count| *count > 0).map(|count| format!("{count} {what}")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u64) -> StageEvent {
        StageEvent::Progress {
            stage: RunStage::Reindex,
            step: StageStep::Objects,
            text: "objects".to_owned(),
            pace: Some(ProgressStats { done: Some(done), total: Some(200), ..ProgressStats::default() }),
        }
    }

    #[test]
    fn what_goes_on_is_told_every_few_seconds_and_only_where_it_changed() {
        let mut narrator = EventNarrator::default();
        let mut tell = |seconds: u64, done: u64| {
            narrator.narrate_stage_event(Duration::from_secs(seconds), &progress(done)).concat()
        };
        assert_eq!(tell(0, 10), "  objects 10 of 200, 5 percent");
        assert_eq!(tell(1, 20), "");
        assert_eq!(tell(4, 30), "");
        assert_eq!(tell(5, 40), "  objects 40 of 200, 20 percent");
        assert_eq!(tell(60, 40), "", "nothing new is told");
    }

    #[test]
    fn a_failure_names_the_thing_the_reason_and_the_next_move() {
        let failure = Failure::new_generic_failure("the role", "it is denied", "attach the policy");
        let event = StageEvent::Failed { stage: RunStage::Bootstrap, step: StageStep::Role, failure };
        let lines = EventNarrator::default().narrate_stage_event(Duration::ZERO, &event);
        assert_eq!(lines[1..], ["  the role: it is denied", "  next: attach the policy"]);
        assert!(lines[0].starts_with("FAILED: "), "{lines:?}");
    }
}
