//! Home: what is so, the worst first, and what can be done now; it stands before anything was looked up, and fills as it is.

use ratatui::text::{Line, Span};

use super::{heading::render_screen_heading, parts};
use crate::model::run::proposed_command::render_proposed_command;
use crate::{
    model::{
        failure::Failure,
        run::welcome::{
            CloudFrontSetUpBy, FoundCloudFront, FoundRedirects, FoundSwitchState, WelcomeFindings,
        },
    },
    tui::{
        layout::{BodySize, ScreenBody},
        text,
        theme::{FAILED_MARK, Theme},
    },
    wizard::{Loadable, Wizard, copy, home::HomeAction},
};

/// Renders Home.
pub fn render_home_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = ScreenBody {
        head: Some(render_screen_heading(wizard, theme, size, "Home")),
        ..ScreenBody::default()
    };
    let lines = &mut body.lines;
    if let Loadable::Failed(failure) = &wizard.welcome {
        parts::render_failure(lines, failure, theme, size);
    }
    if let (Some(silent), Loadable::Loading) = (&wizard.silent_aws_call, &wizard.welcome) {
        render_silent_aws(lines, silent, theme, size);
    }
    match wizard.known_findings() {
        Some(found) => render_findings(lines, wizard, found, theme, size),
        None if matches!(wizard.welcome, Loadable::Loading) => {
            let path = &wizard.init.config_path;
            parts::render_labelled_fact(lines, "packagecloud.rb", path, theme.plain, theme, size);
        }
        None => {}
    }
    if matches!(wizard.welcome, Loadable::Loading) {
        for label in ["identity", "bucket"] {
            parts::render_labelled_fact(lines, label, "asking AWS …", theme.dim, theme, size);
        }
    }
    if wizard.detected_other_run().is_none() {
        text::ensure_blank_line(lines);
        render_home_actions(&mut body, wizard, theme, size);
    }
    body
}

/// Renders which call of AWS has no answer, and what can be pressed meanwhile.
fn render_silent_aws(lines: &mut Vec<Line<'static>>, silent: &str, theme: &Theme, size: BodySize) {
    render_warning(lines, &format!("AWS: {silent}"), theme, size);
    let next = "wait, or press r to ask again; D switches CloudFront off without AWS";
    let mark = vec![Span::styled("  → ", theme.accent)];
    text::render_hanging_text(lines, mark, next, theme.plain, size.max_prose_width());
}

/// Renders what was found: what stands in the way, what differs from what is expected, then what is as it should be.
fn render_findings(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    found: &WelcomeFindings,
    theme: &Theme,
    size: BodySize,
) {
    if let Some(run) = &found.other_run {
        render_warning(lines, &run.describe_concurrent_run(), theme, size);
        render_keys_during_other_run(lines, theme, size);
        text::ensure_blank_line(lines);
    }
    if let Some(failure) = &found.config.failure {
        render_home_failure(lines, failure, "D shows all of it.", theme, size);
    }
    for failure in &found.failures {
        render_home_failure(lines, failure, "l shows all of it.", theme, size);
    }
    for warning in list_home_warnings(wizard, found) {
        render_warning(lines, &warning, theme, size);
    }
    let is_aws_asked = wizard.welcome.value_if_loaded().is_some();
    render_found_cloudfront(lines, &found.cloudfront, is_aws_asked, theme, size);
    if wizard.welcome.value_if_loaded().is_some() {
        render_found_target(lines, found, theme, size);
    }
    render_found_packagecloud(lines, found, theme, size);
    if let Some(left) = &found.left {
        let text = format!("{}, left {left}", copy::goal_title(left.goal));
        parts::render_labelled_fact(lines, "last run", &text, theme.plain, theme, size);
    }
}

/// How many lines a failure and its next move may each have here: what can be done must be seen too.
const FAILURE_LINES_MAX: usize = 3;

/// Renders a failure with its next move; where that is long, its beginning, and `more` says which key shows the rest.
fn render_home_failure(
    lines: &mut Vec<Line<'static>>,
    failure: &Failure,
    more: &'static str,
    theme: &Theme,
    size: BodySize,
) {
    let width = size.max_prose_width();
    let mut what = Vec::new();
    let mark = vec![Span::styled(format!("{FAILED_MARK} "), theme.failed)];
    text::render_hanging_text(&mut what, mark, &failure.to_string(), theme.strong, width);
    let mut next = Vec::new();
    let arrow = || vec![Span::styled("  → ", theme.accent)];
    text::render_hanging_text(&mut next, arrow(), &failure.next, theme.plain, width);
    if let Some((first, _)) = failure.next.split_once("; ").filter(|_| next.len() > FAILURE_LINES_MAX) {
        // Half a command helps nobody: what comes after the first move is behind the key.
        next.clear();
        text::render_hanging_text(&mut next, arrow(), first, theme.plain, width);
        next.push(Line::styled(format!("    … {more}"), theme.dim));
        lines.extend(what.into_iter().take(FAILURE_LINES_MAX));
        lines.extend(next);
        return;
    }
    let is_cut = what.len() > FAILURE_LINES_MAX || next.len() > FAILURE_LINES_MAX;
    lines.extend(what.into_iter().take(FAILURE_LINES_MAX));
    lines.extend(next.into_iter().take(FAILURE_LINES_MAX));
    if is_cut {
        lines.push(Line::styled(format!("    … {more}"), theme.dim));
    }
}

/// Lists what differs from what is expected, each a sentence.
fn list_home_warnings(wizard: &Wizard, found: &WelcomeFindings) -> Vec<String> {
    let mut warnings = Vec::new();
    match (&found.redirects, found.cloudfront.switch) {
        (FoundRedirects::Mixed(seen), _) => warnings.push(format!(
            "Web nodes differ: {seen}. Give every node the same values, or switch off on each."
        )),
        (FoundRedirects::CloudFront, FoundSwitchState::Off) => {
            warnings.push(format_lagging_redirect("off", "CloudFront"));
        }
        (FoundRedirects::S3, FoundSwitchState::On) => warnings.push(format_lagging_redirect("on", "S3")),
        (FoundRedirects::Unknown(why), _) => {
            warnings.push(format!("Where packagecloud redirects can't be told: {why}."));
        }
        _ => {}
    }
    if found.cloudfront.accepts_earlier_secret {
        warnings.push("The edge accepts two secrets: a rotation was started and can be ended.".to_owned());
    }
    if let Some(question) =
        found.identities.first().and_then(|identity| wizard.build_other_account_question(identity))
    {
        warnings.push(question);
    }
    warnings.extend(found.sudo.clone());
    warnings
}

fn format_lagging_redirect(file: &str, target: &str) -> String {
    format!(
        "packagecloud.rb says {file}, but packagecloud redirects to {target}. To apply the file: {}",
        render_proposed_command("reconfigure", &[])
    )
}

fn render_warning(lines: &mut Vec<Line<'static>>, warning: &str, theme: &Theme, size: BodySize) {
    let mark = vec![Span::styled("! ", theme.failed)];
    text::render_hanging_text(lines, mark, warning, theme.strong, size.max_prose_width());
}

/// Renders packagecloud.rb and the packagecloud that is installed.
fn render_found_packagecloud(
    lines: &mut Vec<Line<'static>>,
    found: &WelcomeFindings,
    theme: &Theme,
    size: BodySize,
) {
    let managed = found.config.managed.as_ref().map(|tool| format!(" (kept by {tool})")).unwrap_or_default();
    let version = if found.packagecloud.is_empty() { "not found on this host" } else { &found.packagecloud };
    parts::render_labelled_fact(lines, "packagecloud", version, theme.plain, theme, size);
    let config = format!("{}{managed}", found.config.path);
    parts::render_labelled_fact(lines, "packagecloud.rb", &config, theme.plain, theme, size);
}

/// Renders the identity and the bucket that are proposed.
fn render_found_target(
    lines: &mut Vec<Line<'static>>,
    found: &WelcomeFindings,
    theme: &Theme,
    size: BodySize,
) {
    if found.is_aws_silent {
        for label in ["identity", "bucket"] {
            let unknown = "not known: AWS did not answer";
            parts::render_labelled_fact(lines, label, unknown, theme.plain, theme, size);
        }
        return;
    }
    let room = size.width.saturating_sub(17);
    let identity = match found.identities.first() {
        None => "no AWS credentials found; you are asked next".to_owned(),
        Some(identity) => {
            let name = if identity.arn.is_empty() { &identity.suffices.detail } else { &identity.arn };
            let more = match found.identities.len() {
                1 => String::new(),
                count => format!("{} more found", count - 1),
            };
            text::join_fitting_parts(&[name.clone(), identity.found.clone(), more], room)
        }
    };
    parts::render_labelled_fact(lines, "identity", &identity, theme.plain, theme, size);
    let bucket = match found.buckets.first() {
        None => "not known yet; you are asked next".to_owned(),
        Some(bucket) => {
            let parts = [&bucket.name, &bucket.region, &bucket.found].map(Clone::clone);
            text::join_fitting_parts(&parts, room)
        }
    };
    parts::render_labelled_fact(lines, "bucket", &bucket, theme.plain, theme, size);
}

/// Renders what stands of CloudFront, and who set it up.
fn render_found_cloudfront(
    lines: &mut Vec<Line<'static>>,
    cloudfront: &FoundCloudFront,
    is_aws_asked: bool,
    theme: &Theme,
    size: BodySize,
) {
    let state = describe_found_cloudfront(cloudfront, is_aws_asked);
    parts::render_labelled_fact(lines, "CloudFront", &state, theme.plain, theme, size);
    if cloudfront.by == CloudFrontSetUpBy::Others {
        let runs = cloudfront.runtime.as_ref().map(|runtime| {
            let support =
                if runtime.support.is_empty() { String::new() } else { format!(" ({})", runtime.support) };
            format!("Its function runs on {}{support}. ", runtime.name)
        });
        let text = format!(
            "It stays as it is. {}To see whether it works (this changes nothing): {}",
            runs.unwrap_or_default(),
            render_proposed_command("verify", &[])
        );
        parts::render_truncated_detail_line(lines, &text, theme, size);
    }
}

/// Says whether CloudFront is on, and once AWS was asked also who set it up.
fn describe_found_cloudfront(found: &FoundCloudFront, is_aws_asked: bool) -> String {
    let state = match (found.switch, &found.on_since) {
        (FoundSwitchState::On, Some(since)) => format!("on since {since}"),
        (FoundSwitchState::On, None) => "on".to_owned(),
        (FoundSwitchState::MaybeOn, _) => "may be on, as packagecloud.rb is written".to_owned(),
        (FoundSwitchState::Off, _) => "off".to_owned(),
        (FoundSwitchState::Unread, _) => "packagecloud.rb could not be read".to_owned(),
    };
    let by = match found.by {
        _ if !is_aws_asked => "",
        CloudFrontSetUpBy::Nobody => "nothing set up",
        CloudFrontSetUpBy::Us => "set up by this program",
        CloudFrontSetUpBy::Others => "set up by packagecloud-ctl or by hand",
        CloudFrontSetUpBy::Unknown => "AWS could not be asked who set it up",
    };
    let parts = [state.as_str(), by, &found.distribution, &found.domain];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// Beside another run nothing can be begun: what can be done stands where it is seen first.
fn render_keys_during_other_run(lines: &mut Vec<Line<'static>>, theme: &Theme, size: BodySize) {
    for (key, means) in [
        ("Enter", "watches it; when it has ended, this wizard continues from what it left"),
        ("t", "takes over: it ends after the request in flight, and this wizard continues"),
        ("D", "switches CloudFront off anyway; the other run then does not go live"),
        ("x", "finds out why clients get 403; this changes nothing"),
        ("q", "leaves; the other run continues"),
    ] {
        let first = vec![Span::raw("  "), Span::styled(text::pad_or_truncate_to_width(key, 7), theme.title)];
        text::render_hanging_text(lines, first, means, theme.dim, size.max_prose_width());
    }
}

fn render_home_actions(body: &mut ScreenBody, wizard: &Wizard, theme: &Theme, size: BodySize) {
    let actions = wizard.list_home_actions();
    if actions.is_empty() {
        let wait =
            "The list of actions appears when AWS has answered. D switches CloudFront off without AWS.";
        text::render_paragraph(&mut body.lines, wait, theme.dim, size.max_prose_width());
        return;
    }
    body.lines.push(Line::styled("What do you want to do?", theme.strong));
    let found = wizard.welcome.value_if_loaded();
    let proposed = found.and_then(|found| found.goal.as_ref());
    let is_on = found.is_some_and(|found| found.cloudfront.switch.describe_switch_unless_off().is_some());
    for (index, action) in actions.into_iter().enumerate() {
        let chosen = index == wizard.choice;
        let (name, means) = copy::describe_home_action(action);
        let means = match (action, proposed) {
            // Where another action comes first, that is the one to suggest.
            (HomeAction::SetUp(goal), Some((suggested, why))) if goal == *suggested && index == 0 => {
                format!("suggested, because {why}")
            }
            (HomeAction::SetUp(goal), Some((suggested, why))) if goal == *suggested && is_on => why.clone(),
            _ => means.to_owned(),
        };
        let style = if chosen { theme.title } else { theme.plain };
        let means = text::truncate_text(&means, size.width.saturating_sub(17));
        let spans = vec![
            Span::styled(text::pad_or_truncate_to_width(name, 15), style),
            Span::styled(means, theme.dim),
        ];
        if chosen {
            body.keep_visible = Some(body.lines.len());
        }
        body.choice_lines.push((body.lines.len(), index));
        parts::render_selectable_line(&mut body.lines, chosen, spans, theme);
    }
    if body.lines.len() + 3 <= size.height {
        body.lines.push(Line::default());
        let hint = "Paste a customer's link here to learn why it works or is refused.";
        text::render_paragraph(&mut body.lines, hint, theme.dim, size.max_prose_width());
    }
}
