//! The first screen: what was found, and the goals; it stands before anything was looked up, and fills as it is.

use ratatui::text::{Line, Span};

use super::{heading::render_screen_heading, parts};
use crate::model::run::proposed_command::render_proposed_command;
use crate::{
    model::run::welcome::{CloudFrontSetUpBy, FoundCloudFront, FoundSwitchState, WelcomeFindings},
    tui::{
        layout::{BodySize, ScreenBody},
        text,
        theme::Theme,
    },
    wizard::{Loadable, Wizard, copy},
};

/// Renders the first screen.
pub fn render_welcome_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = ScreenBody::default();
    let lines = &mut body.lines;
    body.head = Some(render_screen_heading(wizard, theme, size, "Welcome"));
    lines.push(Line::default());
    match &wizard.welcome {
        Loadable::Loading => {
            parts::render_labelled_fact(
                lines,
                "packagecloud.rb",
                &wizard.init.config_path,
                theme.plain,
                theme,
                size,
            );
            for label in ["identity", "bucket", "CloudFront"] {
                parts::render_labelled_fact(lines, label, "looking …", theme.dim, theme, size);
            }
        }
        Loadable::Failed(failure) => parts::render_failure(lines, failure, theme, size),
        Loadable::Loaded(welcome) => render_welcome_findings(lines, wizard, welcome, theme, size),
    }
    if wizard.detected_other_run().is_none() {
        lines.push(Line::default());
        render_goal_choices(&mut body, wizard, theme, size);
    }
    body
}

fn render_welcome_findings(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    welcome: &WelcomeFindings,
    theme: &Theme,
    size: BodySize,
) {
    if let Some(run) = &welcome.other_run {
        render_warning(lines, &run.describe_concurrent_run(), theme, size);
        lines.push(Line::default());
        render_keys_during_other_run(lines, theme, size);
        lines.push(Line::default());
    }
    render_found_packagecloud(lines, welcome, theme, size);
    render_found_identity(lines, wizard, welcome, theme, size);
    match welcome.buckets.first() {
        Some(bucket) => {
            parts::render_labelled_fact(lines, "bucket", &bucket.name, theme.plain, theme, size);
            let place = [bucket.region.as_str(), &bucket.found].into_iter().filter(|part| !part.is_empty());
            parts::render_truncated_detail_line(lines, &place.collect::<Vec<_>>().join(" · "), theme, size);
        }
        None => parts::render_labelled_fact(
            lines,
            "bucket",
            "not known yet; asked next",
            theme.plain,
            theme,
            size,
        ),
    }
    render_found_cloudfront(lines, &welcome.cloudfront, theme, size);
    if let Some(left) = &welcome.left {
        let text = format!("{left}; {} goes on from there", copy::describe_goal(left.goal).0);
        parts::render_labelled_fact(lines, "last run", &text, theme.plain, theme, size);
    }
    for failure in &welcome.failures {
        if is_body_tall(size) {
            parts::render_failure(lines, failure, theme, size);
        } else {
            let text = format!("{failure}; {}", failure.next);
            parts::render_labelled_fact(lines, "not known", &text, theme.dim, theme, size);
        }
    }
}

/// Whether there is room for each failure with its reason and its next move.
fn is_body_tall(size: BodySize) -> bool {
    size.height >= 24
}

fn render_warning(lines: &mut Vec<Line<'static>>, warning: &str, theme: &Theme, size: BodySize) {
    let mark = vec![Span::styled("! ", theme.failed)];
    text::render_hanging_text(lines, mark, warning, theme.strong, size.max_prose_width());
}

/// Renders packagecloud.rb and the packagecloud that is installed.
fn render_found_packagecloud(
    lines: &mut Vec<Line<'static>>,
    welcome: &WelcomeFindings,
    theme: &Theme,
    size: BodySize,
) {
    let managed =
        welcome.config.managed.as_ref().map(|tool| format!(" (kept by {tool})")).unwrap_or_default();
    let config = format!("{}{managed}", welcome.config.path);
    parts::render_labelled_fact(lines, "packagecloud.rb", &config, theme.plain, theme, size);
    if let Some(failure) = &welcome.config.failure {
        parts::render_failure(lines, failure, theme, size);
    }
    let packagecloud =
        if welcome.packagecloud.is_empty() { "not found on this host" } else { &welcome.packagecloud };
    parts::render_labelled_fact(lines, "packagecloud", packagecloud, theme.plain, theme, size);
}

/// Renders the identity that is proposed, and warns where it is of another account than the last run's.
fn render_found_identity(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    welcome: &WelcomeFindings,
    theme: &Theme,
    size: BodySize,
) {
    let Some(identity) = welcome.identities.first() else {
        let none = "no AWS credentials found; asked next";
        parts::render_labelled_fact(lines, "identity", none, theme.plain, theme, size);
        return;
    };
    let arn = if identity.arn.is_empty() { &identity.found } else { &identity.arn };
    parts::render_labelled_fact(lines, "identity", arn, theme.plain, theme, size);
    let more = match welcome.identities.len() {
        1 => String::new(),
        count => format!("; {} more found", count - 1),
    };
    let how = format!("{}: {}{more}", identity.found, identity.suffices.detail);
    parts::render_truncated_detail_line(lines, &how, theme, size);
    if let Some(question) = wizard.build_other_account_question(identity) {
        render_warning(lines, &question, theme, size);
    }
}

/// Renders what stands of CloudFront, and who set it up.
fn render_found_cloudfront(
    lines: &mut Vec<Line<'static>>,
    cloudfront: &FoundCloudFront,
    theme: &Theme,
    size: BodySize,
) {
    let state = describe_found_cloudfront(cloudfront);
    parts::render_labelled_fact(lines, "CloudFront", &state, theme.plain, theme, size);
    if cloudfront.by == CloudFrontSetUpBy::Others {
        let runs = cloudfront.runtime.as_ref().map(|runtime| {
            let support =
                if runtime.support.is_empty() { String::new() } else { format!(" ({})", runtime.support) };
            format!("Its function runs on {}{support}. ", runtime.name)
        });
        let text = format!(
            "It is left to work as it is. {}To see whether it works (this changes nothing): {}",
            runs.unwrap_or_default(),
            render_proposed_command("verify", &[])
        );
        parts::render_truncated_detail_line(lines, &text, theme, size);
    }
}

fn describe_found_cloudfront(found: &FoundCloudFront) -> String {
    let state = match found.switch {
        FoundSwitchState::On => "on",
        FoundSwitchState::MaybeOn => "may be on, as packagecloud.rb is written",
        FoundSwitchState::Off => "off",
        FoundSwitchState::Unread => "packagecloud.rb could not be read",
    };
    let by = match found.by {
        CloudFrontSetUpBy::Nobody => "nothing set up",
        CloudFrontSetUpBy::Us => "set up by this program",
        CloudFrontSetUpBy::Others => "set up by packagecloud-ctl or by hand",
        CloudFrontSetUpBy::Unknown => "AWS could not be asked who set it up",
    };
    let names = [&found.distribution, &found.domain].into_iter().filter(|name| !name.is_empty());
    [state.to_owned(), by.to_owned()].into_iter().chain(names.cloned()).collect::<Vec<_>>().join(" · ")
}

/// Beside another run nothing can be begun: what can be done stands in the place of the goals, and where it is seen first.
fn render_keys_during_other_run(lines: &mut Vec<Line<'static>>, theme: &Theme, size: BodySize) {
    lines.push(Line::styled("What can be done meanwhile", theme.strong));
    for (key, means) in [
        ("Enter", "watches what it does; once it has ended, this wizard goes on from what it left"),
        ("t", "takes over: it ends after the request in flight, and this wizard goes on"),
        ("D", "switches CloudFront off all the same; the other run does not go live then"),
        ("x", "asks why clients get 403; nothing is changed by that"),
        ("q", "leaves; the other run is not touched"),
    ] {
        let first = vec![Span::raw("  "), Span::styled(text::pad_or_truncate_to_width(key, 7), theme.title)];
        text::render_hanging_text(lines, first, means, theme.dim, size.max_prose_width());
    }
}

fn render_goal_choices(body: &mut ScreenBody, wizard: &Wizard, theme: &Theme, size: BodySize) {
    let proposed = wizard.welcome.value_if_loaded().and_then(|welcome| welcome.goal.as_ref());
    body.lines.push(Line::styled("What shall happen?", theme.strong));
    // Above the goals: below them it would be the first to fall off a small screen.
    if let Some((goal, why)) = proposed {
        let text = format!("{} is proposed: {why}", copy::describe_goal(*goal).0);
        text::render_hanging_text(
            &mut body.lines,
            vec![Span::raw("  ")],
            &text,
            theme.dim,
            size.max_prose_width(),
        );
    }
    for (index, goal) in Wizard::OFFERED_GOALS.into_iter().enumerate() {
        let chosen = index == wizard.choice;
        let (name, means) = copy::describe_goal(goal);
        let style = if chosen { theme.title } else { theme.plain };
        let means = text::truncate_text(means, size.width.saturating_sub(14));
        let spans = vec![
            Span::styled(text::pad_or_truncate_to_width(name, 12), style),
            Span::styled(means, theme.dim),
        ];
        if chosen {
            body.keep_visible = Some(body.lines.len());
        }
        parts::render_selectable_line(&mut body.lines, chosen, spans, theme);
    }
}
