//! The plan: identity, bucket and access as three lines, then what each stage changes with counts, and what is decided by.
//!
//! One page at 80 by 24: a line is opened by Tab, where more stands behind it.

use ratatui::text::{Line, Span};

use super::{heading::render_screen_heading, parts};
use crate::{
    model::run::{
        check::CheckVerdict,
        goal::RunStage,
        plan::{PlannedChange, ResourceChangeKind, StagePlan},
    },
    tui::{
        layout::{BodySize, ScreenBody},
        plan_lines, text,
        theme::{DONE_MARK, FAILED_MARK, Theme, UNKNOWN_MARK},
    },
    wizard::{Wizard, copy, log::StageProgress, plan_page::PlanPageLine},
};

/// How wide the names of the lines are.
const NAME_WIDTH: usize = 15;

/// Renders the plan.
pub fn render_plan_screen(
    wizard: &Wizard,
    theme: &Theme,
    size: BodySize,
    progress: &StageProgress,
) -> ScreenBody {
    let mut body = ScreenBody::default();
    let goal = wizard.name_begun_goal();
    let counts = progress.plan.as_ref().map(|plan| render_change_counts(&plan.changes)).unwrap_or_default();
    let title = [format!("Plan: {goal}"), counts].into_iter().filter(|part| !part.is_empty());
    let title = title.collect::<Vec<_>>().join(" · ");
    body.head = Some(render_screen_heading(wizard, theme, size, &title));
    if let Some(failure) = &progress.failure {
        parts::render_failure(&mut body.lines, failure, theme, size);
        let next = "Enter looks again. b leads back to Home.";
        text::render_paragraph(&mut body.lines, next, theme.dim, size.max_prose_width());
    }
    parts::render_failed_checks(&mut body.lines, progress, theme, size);
    let Some(plan) = &progress.plan else {
        if progress.failure.is_none() {
            let purpose = copy::describe_stage_purpose(RunStage::Overview);
            text::render_paragraph(&mut body.lines, purpose, theme.dim, size.max_prose_width());
        }
        return body;
    };
    let above = std::mem::take(&mut body.lines);
    let room = size.height.saturating_sub(1 + above.len());
    let detail = PlanDetail::list_from_whole_to_brief()
        .find(|detail| render_plan_page(wizard, plan, *detail, false, theme, size).lines.len() <= room)
        .unwrap_or(PlanDetail::BRIEF);
    let page = render_plan_page(wizard, plan, detail, true, theme, size);
    body.keep_visible = page.keep_visible.map(|line| line + above.len());
    body.choice_lines =
        page.choice_lines.iter().map(|(line, choice)| (line + above.len(), *choice)).collect();
    body.lines = above;
    body.lines.extend(page.lines);
    parts::render_unknown_and_passed_checks(&mut body.lines, wizard, progress, theme, size);
    body
}

/// How much of a question stands on the plan's page; Enter shows it whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuestionDetail {
    Whole,
    LineEach,
    LineForAll,
}

/// How much of the plan stands on its page: as much as one page holds.
#[derive(Debug, Clone, Copy)]
struct PlanDetail {
    questions: QuestionDetail,
    /// How many facts have one line each, where they need more; the line of what is folded opens all of them whole.
    short_facts: usize,
}

/// In which order facts are shortened: how long, how to undo, what it costs, what customers notice.
const FACTS_SHORTENED_FIRST: [usize; 4] = [0, 3, 1, 2];

impl PlanDetail {
    const BRIEF: Self =
        Self { questions: QuestionDetail::LineForAll, short_facts: FACTS_SHORTENED_FIRST.len() };

    fn list_from_whole_to_brief() -> impl Iterator<Item = Self> {
        [QuestionDetail::Whole, QuestionDetail::LineEach, QuestionDetail::LineForAll].into_iter().flat_map(
            |questions| {
                (0..=FACTS_SHORTENED_FIRST.len()).map(move |short_facts| Self { questions, short_facts })
            },
        )
    }

    fn is_fact_short(self, place: usize) -> bool {
        FACTS_SHORTENED_FIRST[..self.short_facts].contains(&place)
    }
}

/// Renders the questions, the lines and the facts of the plan; what is opened below its line, where `is_opened` asks for it.
fn render_plan_page(
    wizard: &Wizard,
    plan: &StagePlan,
    detail: PlanDetail,
    is_opened: bool,
    theme: &Theme,
    size: BodySize,
) -> ScreenBody {
    let mut page = ScreenBody::default();
    render_plan_questions(&mut page.lines, wizard, plan, detail, theme, size);
    for (index, line) in wizard.list_plan_page_lines().into_iter().enumerate() {
        if line == PlanPageLine::More {
            render_main_facts(&mut page.lines, plan, detail, theme, size);
        }
        let chosen = index == wizard.choice;
        if chosen {
            page.keep_visible = Some(page.lines.len());
        }
        page.choice_lines.push((page.lines.len(), index));
        render_plan_line(&mut page.lines, wizard, plan, line, chosen, theme, size);
        if is_opened && wizard.opened_line == Some(line) {
            render_opened_line(&mut page.lines, wizard, plan, line, theme, size);
        }
    }
    if !wizard.has_plan_facts() {
        render_main_facts(&mut page.lines, plan, detail, theme, size);
    }
    page
}

/// Renders what Enter asks before anything is done, and what going live will ask.
fn render_plan_questions(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    plan: &StagePlan,
    detail: PlanDetail,
    theme: &Theme,
    size: BodySize,
) {
    let is_open = |consent| !wizard.answers.consents.has_consent(consent, wizard.bucket_name());
    let open: Vec<&str> = plan
        .confirmations
        .iter()
        .filter(|question| is_open(question.consent))
        .map(|question| question.question.as_str())
        .collect();
    let width = size.max_prose_width();
    let mark = || vec![Span::styled("! ", theme.failed)];
    match detail.questions {
        QuestionDetail::Whole => {
            for question in open {
                let text = format!("Will be asked: {question}");
                text::render_hanging_text(lines, mark(), &text, theme.strong, width);
            }
        }
        QuestionDetail::LineEach => {
            for question in open {
                let text =
                    text::truncate_at_word(&format!("Will be asked: {question}"), width.saturating_sub(2));
                text::render_hanging_text(lines, mark(), &text, theme.strong, width);
            }
        }
        QuestionDetail::LineForAll if open.is_empty() => {}
        QuestionDetail::LineForAll => {
            let count = match open.len() {
                1 => "1 question needs your yes; Enter shows it".to_owned(),
                many => format!("{many} questions need your yes; Enter shows each"),
            };
            let text = format!("{count}: {}", open[0]);
            let text = text::truncate_at_word(&text, width.saturating_sub(2));
            text::render_hanging_text(lines, mark(), &text, theme.strong, width);
        }
    }
}

/// Renders one line of the plan, and below it what it holds where it is opened.
fn render_plan_line(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    plan: &StagePlan,
    line: PlanPageLine,
    chosen: bool,
    theme: &Theme,
    size: BodySize,
) {
    let room = size.width.saturating_sub(NAME_WIDTH + 4);
    let (mark, name, said) = match line {
        PlanPageLine::Identity => {
            (DONE_MARK, "Identity", text::join_fitting_parts(&list_identity_parts(wizard), room))
        }
        PlanPageLine::Bucket => {
            (DONE_MARK, "Bucket", text::join_fitting_parts(&list_bucket_parts(wizard), room))
        }
        PlanPageLine::Access => {
            let (mark, said) = describe_access(wizard);
            (mark, "Access", said)
        }
        PlanPageLine::Stage(stage) => {
            ("+", stage.stage_title(), describe_stage_changes(&wizard.list_overview_changes(stage)))
        }
        PlanPageLine::Kept => {
            let count = wizard.list_kept_overview_lines().len();
            let said = if count == 1 { "1 part".to_owned() } else { format!("{count} parts") };
            ("=", "Already there", said)
        }
        PlanPageLine::More => ("·", "More", list_more_topics(plan).join(", ")),
    };
    let style = if chosen { theme.title } else { theme.plain };
    let mark_style = if mark == FAILED_MARK || mark == "!" { theme.failed } else { theme.accent };
    let spans = vec![
        Span::styled(format!("{mark} "), mark_style),
        Span::styled(text::pad_or_truncate_to_width(name, NAME_WIDTH), style),
        Span::styled(text::truncate_at_word(&said, room), theme.plain),
    ];
    parts::render_selectable_line(lines, chosen, spans, theme);
}

fn render_opened_line(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    plan: &StagePlan,
    line: PlanPageLine,
    theme: &Theme,
    size: BodySize,
) {
    let changes: Vec<PlannedChange> = match line {
        PlanPageLine::Stage(stage) => wizard.list_overview_changes(stage).into_iter().cloned().collect(),
        PlanPageLine::Kept => wizard.list_kept_overview_lines().into_iter().cloned().collect(),
        PlanPageLine::More => {
            // What stands shortened above is whole here.
            for (topic, said) in list_plan_facts(plan) {
                render_plan_fact(lines, &topic, &said, theme, size);
            }
            return;
        }
        PlanPageLine::Identity | PlanPageLine::Bucket | PlanPageLine::Access => return,
    };
    let inner = BodySize { width: size.width.saturating_sub(4), ..size };
    let columns = plan_lines::PlanColumnWidths::measure_plan_columns(&changes, inner);
    let mut opened = Vec::new();
    for change in &changes {
        plan_lines::render_planned_change(&mut opened, change, theme, inner, columns);
    }
    lines.extend(opened.into_iter().map(|mut line| {
        line.spans.insert(0, Span::raw("    "));
        line
    }));
}

fn list_plan_facts(plan: &StagePlan) -> Vec<(String, String)> {
    let facts = plan.facts.iter().map(|fact| (fact.topic.to_owned(), fact.text.clone()));
    let documents = plan.documents.iter().map(|exhibit| (exhibit.title.clone(), exhibit.lines.join(" ")));
    facts.chain(documents).collect()
}

/// Lists what is behind the line that opens the facts: those that stand nowhere else, or that it opens the others whole.
fn list_more_topics(plan: &StagePlan) -> Vec<String> {
    let further: Vec<String> =
        list_plan_facts(plan).into_iter().skip(4).map(|(topic, _)| topic.to_lowercase()).collect();
    if further.is_empty() { vec!["these facts in full".to_owned()] } else { further }
}

/// Renders how long, what it costs, what customers notice, how to undo it; where nothing would change, that.
fn render_main_facts(
    lines: &mut Vec<Line<'static>>,
    plan: &StagePlan,
    detail: PlanDetail,
    theme: &Theme,
    size: BodySize,
) {
    let facts = list_plan_facts(plan);
    if facts.is_empty() {
        for note in &plan.notes {
            text::render_paragraph(lines, note, theme.strong, size.max_prose_width());
        }
    }
    for (place, (topic, said)) in facts.iter().take(4).enumerate() {
        if detail.is_fact_short(place) {
            let room = size.max_prose_width().saturating_sub(topic.chars().count() + 6);
            render_plan_fact(lines, topic, &text::truncate_at_word(said, room), theme, size);
        } else {
            render_plan_fact(lines, topic, said, theme, size);
        }
    }
}

fn render_plan_fact(lines: &mut Vec<Line<'static>>, topic: &str, said: &str, theme: &Theme, size: BodySize) {
    let topic = format!("{topic}: ");
    let width = size.max_prose_width().saturating_sub(4);
    for (index, part) in text::wrap_text(&format!("{topic}{said}"), width).into_iter().enumerate() {
        lines.push(match part.strip_prefix(topic.as_str()) {
            Some(rest) if index == 0 => Line::from(vec![
                Span::raw("  "),
                Span::styled(topic.clone(), theme.strong),
                Span::styled(rest.to_owned(), theme.plain),
            ]),
            _ => Line::from(vec![Span::raw("    "), Span::styled(part, theme.plain)]),
        });
    }
}

/// Lists who this is and how that was found.
fn list_identity_parts(wizard: &Wizard) -> Vec<String> {
    let found = wizard.welcome.value_if_loaded();
    let source = wizard.answers.source.as_ref();
    let used = found.and_then(|found| {
        found.identities.iter().find(|identity| Some(&identity.source) == source).map(|one| one.found.clone())
    });
    let arn = wizard.answers.identity.clone();
    let parts: Vec<String> = [arn, used].into_iter().flatten().collect();
    if parts.is_empty() { vec!["asked from AWS".to_owned()] } else { parts }
}

/// Lists the bucket, its region, and how many of its keys look like packagecloud's.
fn list_bucket_parts(wizard: &Wizard) -> Vec<String> {
    let name = wizard.bucket_name();
    let found = wizard
        .welcome
        .value_if_loaded()
        .and_then(|found| found.buckets.iter().find(|bucket| bucket.name == name));
    let keys = found.and_then(|bucket| bucket.sampled).map(|(like, all)| match all {
        0 => "empty".to_owned(),
        _ => format!("{like} of {all} keys are packages"),
    });
    [Some(name.to_owned()), Some(wizard.bucket_region().to_owned()), keys].into_iter().flatten().collect()
}

/// Says what the checks of access came to, with the mark of the worst.
fn describe_access(wizard: &Wizard) -> (&'static str, String) {
    let Some(progress) = wizard.find_stage_progress(RunStage::Access) else {
        return (UNKNOWN_MARK, "not checked here".to_owned());
    };
    let checks = progress.latest_checks();
    let count = |verdict| checks.iter().filter(|check| check.result == verdict).count();
    let (failed, unknown) = (count(CheckVerdict::Fail), count(CheckVerdict::Unknown));
    let mut said = format!("{} of {} checks passed", count(CheckVerdict::Pass), checks.len());
    if unknown > 0 {
        said.push_str(&format!(", {unknown} could not be asked"));
    }
    if failed > 0 {
        return ("!", format!("{said}, {failed} failed, and you continued"));
    }
    (DONE_MARK, said)
}

/// Names what a stage changes: how many of each kind, and which.
fn describe_stage_changes(changes: &[&PlannedChange]) -> String {
    let owned: Vec<PlannedChange> = changes.iter().map(|change| (*change).clone()).collect();
    let mut steps: Vec<&str> = changes.iter().map(|change| change.step.step_title()).collect();
    steps.dedup();
    format!("{}: {}", render_change_counts(&owned), steps.join(", "))
}

/// Renders how many changes of each kind there are: `11 to create, 5 to change, 6 to run`.
fn render_change_counts(changes: &[PlannedChange]) -> String {
    let count = |kinds: &[ResourceChangeKind]| changes.iter().filter(|one| kinds.contains(&one.verb)).count();
    let counts = [
        (count(&[ResourceChangeKind::Create, ResourceChangeKind::Attach]), "to create"),
        (count(&[ResourceChangeKind::Update]), "to change"),
        (count(&[ResourceChangeKind::Run]), "to run"),
    ];
    let said = counts.into_iter().filter(|(count, _)| *count > 0);
    said.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{aws::evidence::StageEvidence, run::goal::StageStep};

    #[test]
    fn what_is_tied_to_something_counts_as_created_and_what_stands_not_at_all() {
        let mut plan = StagePlan::new(StageEvidence::Overview);
        for (step, verb) in [
            (StageStep::Role, ResourceChangeKind::Create),
            (StageStep::RolePolicy, ResourceChangeKind::Attach),
            (StageStep::KeyPolicy, ResourceChangeKind::Update),
            (StageStep::Function, ResourceChangeKind::Keep),
            (StageStep::Gate, ResourceChangeKind::Run),
        ] {
            plan.add_planned_change(step, verb, "it", "because");
        }
        assert_eq!(render_change_counts(&plan.changes), "2 to create, 1 to change, 1 to run");
    }
}
