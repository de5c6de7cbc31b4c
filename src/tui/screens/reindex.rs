//! The reindex while it runs: how far, how fast now and before, what it waited for, what is left, what it costs.

use std::time::Duration;

use ratatui::text::{Line, Span};

use crate::{
    model::run::{
        event::ProgressStats,
        goal::{RunStage, StageStep},
        tally::CountsByName,
    },
    tui::{layout::BodySize, steps::render_background_reindex, text, theme::Theme},
    wizard::{
        Wizard,
        log::{StageProgress, StageStepState},
    },
};

/// Renders what going live waits for, and what may be done about it.
pub fn render_waiting_for_reindex(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    theme: &Theme,
    size: BodySize,
) {
    let state = match (
        wizard.background,
        wizard.find_stage_progress(RunStage::Reindex).and_then(|progress| progress.latest_stage_failure()),
    ) {
        (Some(job), _) if job.stopping => "it is stopping".to_owned(),
        (Some(_), _)
            if wizard
                .find_stage_progress(RunStage::Reindex)
                .is_some_and(|progress| progress.credential_wait.is_some()) =>
        {
            "it is paused: AWS no longer accepts the credentials".to_owned()
        }
        (Some(job), _) if job.paused => {
            format!("it is paused at {}", render_background_reindex(wizard))
        }
        (Some(_), _) => format!("it is running, at {}", render_background_reindex(wizard)),
        (None, Some(failure)) => format!("it failed: {failure}"),
        (None, None) => "it has stopped before its end".to_owned(),
    };
    let mark = vec![Span::styled("! ", theme.accent)];
    text::render_hanging_text(
        lines,
        mark,
        &format!(
            "The reindex: {state}. Going live does not wait for it: until it is done, packages that are not cached by their path come from S3 through CloudFront, uncached."
        ),
        theme.strong,
        size.max_prose_width(),
    );
}

/// Renders how far the reindex is, how fast it goes, what is left and what it costs.
pub fn render_reindex_progress_figures(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    progress: &StageProgress,
    theme: &Theme,
    size: BodySize,
) {
    let Some(pace) = &progress.pace else { return };
    // What S3 does by itself is told apart from what is sent from here.
    let batch_step = progress
        .steps
        .iter()
        .find(|line| line.state == StageStepState::Running && line.step == StageStep::BatchJobs);
    if let Some(line) = batch_step {
        lines.push(Line::styled(format!("S3 Batch Operations: {}", line.text), theme.plain));
    }
    render_progress_bar(lines, pace, theme, size);
    let paused = wizard.busy.is_some_and(|busy| busy.paused);
    render_figures_in_columns(
        lines,
        &list_reindex_figures(pace, paused, progress.credential_wait.is_some()),
        theme,
        size,
    );
    for (label, tally) in [("skipped", &pace.reasons), ("left alone", &pace.foreign)] {
        if !tally.is_empty() {
            lines.push(render_name_counts_line(label, tally, theme, size));
        }
    }
    render_reindex_speed_curve(lines, progress, theme, size);
    if paused && batch_step.is_some() {
        lines
            .push(Line::styled("The jobs run at AWS, also while this is paused. p continues.", theme.strong));
    } else if paused {
        lines.push(Line::styled("Paused: nothing is sent to S3. p continues.", theme.strong));
    }
    lines.push(Line::default());
}

/// Renders a bar with the share that is done, where it is known how many objects there are.
fn render_progress_bar(lines: &mut Vec<Line<'static>>, pace: &ProgressStats, theme: &Theme, size: BodySize) {
    let Some(total) = pace.total.filter(|total| *total > 0) else { return };
    let share = (pace.done.unwrap_or(0).min(total) as f64) / (total as f64);
    let label = format!(" {:>3} %", (share * 100.0).floor() as u64);
    let width = size.max_prose_width().saturating_sub(label.len());
    let full = (share * width as f64).floor() as usize;
    lines.push(Line::from(vec![
        Span::styled("━".repeat(full), theme.accent),
        Span::styled("─".repeat(width - full), theme.dim),
        Span::styled(label, theme.strong),
    ]));
}

/// Lists the figures with their labels. While it stands still, what was told last of its speed is no longer so.
fn list_reindex_figures(
    pace: &ProgressStats,
    paused: bool,
    stands_still: bool,
) -> [(&'static str, String); 10] {
    let number = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), text::format_count);
    let done = pace.done.unwrap_or(0);
    let rate = match pace.per_second {
        Some(rate) if !paused && !stands_still => {
            format!("{}/s", text::format_count(rate.max(0.0).round() as u64))
        }
        _ => "–".to_owned(),
    };
    let time_left = pace.seconds_left.filter(|_| !stands_still).map_or_else(
        || "–".to_owned(),
        |seconds| text::format_estimated_duration(Duration::from_secs(seconds)),
    );
    [
        ("done", text::format_count(done)),
        ("left", number(pace.total.map(|total| total.saturating_sub(done)))),
        ("time left", time_left),
        ("now", rate),
        ("in flight", number(pace.in_flight.filter(|_| !stands_still))),
        ("right already", number(pace.kept)),
        ("skipped", number(pace.skipped)),
        ("SlowDowns", number(pace.slow_downs)),
        // the bytes never pass through this machine
        (
            "copied",
            pace.bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{} in S3", text::format_bytes(bytes))),
        ),
        ("cost so far", pace.cost.map_or_else(|| "–".to_owned(), |cost| format!("${cost:.2}"))),
    ]
}

/// Renders figures in columns, as many as there is room for.
fn render_figures_in_columns(
    lines: &mut Vec<Line<'static>>,
    cells: &[(&'static str, String)],
    theme: &Theme,
    size: BodySize,
) {
    let columns = if size.is_body_wide() { 3 } else { 2 };
    let width = size.max_prose_width() / columns;
    for row in cells.chunks(columns) {
        let spans = row
            .iter()
            .flat_map(|(label, value)| {
                [
                    Span::styled(text::pad_or_truncate_to_width(label, 14), theme.dim),
                    Span::styled(
                        text::pad_or_truncate_to_width(value, width.saturating_sub(14)),
                        theme.plain,
                    ),
                ]
            })
            .collect::<Vec<_>>();
        lines.push(Line::from(spans));
    }
}

/// Renders how the speed went, with the highest of it beside the curve.
fn render_reindex_speed_curve(
    lines: &mut Vec<Line<'static>>,
    progress: &StageProgress,
    theme: &Theme,
    size: BodySize,
) {
    if progress.rates.len() <= 1 {
        return;
    }
    let rows = if size.height >= 26 { 4 } else { 1 };
    let top = progress.rates.iter().copied().max().unwrap_or(0);
    let label = format!(" {}/s", text::format_count(top));
    let width = size.max_prose_width().saturating_sub(label.len());
    let curve = text::render_sparkline(progress.rates.iter().copied(), width, rows);
    for (index, row) in curve.into_iter().enumerate() {
        let mut spans = vec![Span::styled(row, theme.accent)];
        if index == 0 {
            spans.push(Span::styled(label.clone(), theme.dim));
        }
        lines.push(Line::from(spans));
    }
}

/// What was counted by name, in one line: as many names as there is room for.
fn render_name_counts_line(
    label: &str,
    tally: &CountsByName,
    theme: &Theme,
    size: BodySize,
) -> Line<'static> {
    let width = size.max_prose_width().saturating_sub(14);
    let names = |most: usize| {
        let (first, rest) = tally.most_frequent_names(most);
        let mut parts: Vec<String> =
            first.into_iter().map(|(name, count)| format!("{} {name}", text::format_count(count))).collect();
        if rest > 0 {
            parts.push(format!("{} others", text::format_count(rest)));
        }
        parts.join(" · ")
    };
    let fitting = (1..=6).rev().map(names).find(|names| names.chars().count() <= width);
    let names = fitting.unwrap_or_else(|| text::truncate_text(&names(1), width));
    Line::from(vec![
        Span::styled(text::pad_or_truncate_to_width(label, 14), theme.dim),
        Span::styled(names, theme.plain),
    ])
}
