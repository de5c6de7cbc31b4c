//! The first screen: what was found, and the goals; it stands before anything was looked up, and fills as it is.

use ratatui::text::{Line, Span};

use super::{heading, parts};
use crate::{
    model::run::welcome::{CloudFrontFound, SetUpBy, Welcome},
    tui::{
        draw::{Body, Room},
        text,
        theme::Theme,
    },
    wizard::{Found, Wizard, copy},
};

pub fn body(wizard: &Wizard, theme: &Theme, room: Room) -> Body {
    let mut body = Body::default();
    let lines = &mut body.lines;
    body.head = Some(heading(wizard, theme, room, "Welcome"));
    lines.push(Line::default());
    let roomy = room.height >= 24;
    match &wizard.welcome {
        Found::Looking => {
            parts::fact(lines, "packagecloud.rb", &wizard.beginning.config, theme.plain, theme, room);
            for label in ["identity", "bucket", "CloudFront"] {
                parts::fact(lines, label, "looking …", theme.dim, theme, room);
            }
        }
        Found::Failed(failure) => parts::failure(lines, failure, theme, room),
        Found::There(welcome) => found(lines, wizard, welcome, theme, room, roomy),
    }
    if wizard.other_run().is_none() {
        lines.push(Line::default());
        goals(&mut body, wizard, theme, room);
    }
    body
}

fn found(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    welcome: &Welcome,
    theme: &Theme,
    room: Room,
    roomy: bool,
) {
    if let Some(run) = &welcome.other_run {
        text::hang(lines, vec![Span::styled("! ", theme.failed)], &run.whole(), theme.strong, room.prose());
        lines.push(Line::default());
        beside(lines, theme, room);
        lines.push(Line::default());
    }
    let managed =
        welcome.config.managed.as_ref().map(|tool| format!(" (kept by {tool})")).unwrap_or_default();
    parts::fact(
        lines,
        "packagecloud.rb",
        &format!("{}{managed}", welcome.config.path),
        theme.plain,
        theme,
        room,
    );
    if let Some(failure) = &welcome.config.failure {
        parts::failure(lines, failure, theme, room);
    }
    let packagecloud =
        if welcome.packagecloud.is_empty() { "not found on this host" } else { &welcome.packagecloud };
    parts::fact(lines, "packagecloud", packagecloud, theme.plain, theme, room);
    match welcome.identities.first() {
        Some(identity) => {
            let arn = if identity.arn.is_empty() { &identity.found } else { &identity.arn };
            parts::fact(lines, "identity", arn, theme.plain, theme, room);
            let more = match welcome.identities.len() {
                1 => String::new(),
                count => format!("; {} more found", count - 1),
            };
            let how = format!("{}: {}{more}", identity.found, identity.suffices.detail);
            parts::aside(lines, &how, theme, room);
        }
        None => {
            parts::fact(lines, "identity", "no AWS credentials found; asked next", theme.plain, theme, room);
        }
    }
    if let Some(question) = welcome.identities.first().and_then(|identity| wizard.elsewhere(identity)) {
        text::hang(lines, vec![Span::styled("! ", theme.failed)], &question, theme.strong, room.prose());
    }
    match welcome.buckets.first() {
        Some(bucket) => {
            parts::fact(lines, "bucket", &bucket.name, theme.plain, theme, room);
            let place = [bucket.region.as_str(), &bucket.found].into_iter().filter(|part| !part.is_empty());
            parts::aside(lines, &place.collect::<Vec<_>>().join(" · "), theme, room);
        }
        None => parts::fact(lines, "bucket", "not known yet; asked next", theme.plain, theme, room),
    }
    parts::fact(lines, "CloudFront", &cloudfront(&welcome.cloudfront), theme.plain, theme, room);
    if welcome.cloudfront.by == SetUpBy::Others {
        let runs = welcome.cloudfront.runtime.as_ref().map(|runtime| {
            let support =
                if runtime.support.is_empty() { String::new() } else { format!(" ({})", runtime.support) };
            format!("Its function runs on {}{support}. ", runtime.name)
        });
        let text = format!(
            "It is left to work as it is. {}To see whether it works: packagecloud-cloudfront verify, which changes nothing.",
            runs.unwrap_or_default()
        );
        parts::aside(lines, &text, theme, room);
    }
    if let Some(left) = &welcome.left {
        let text = format!("{left}; {} goes on from there", copy::goal(left.goal).0);
        parts::fact(lines, "last run", &text, theme.plain, theme, room);
    }
    for failure in &welcome.failures {
        if roomy {
            parts::failure(lines, failure, theme, room);
        } else {
            parts::fact(lines, "not known", &format!("{failure}; {}", failure.next), theme.dim, theme, room);
        }
    }
}

fn cloudfront(found: &CloudFrontFound) -> String {
    let state = match found.enabled {
        Some(true) => "on",
        Some(false) => "off",
        None => "not in packagecloud.rb",
    };
    let by = match found.by {
        SetUpBy::Nobody => "nothing set up",
        SetUpBy::Us => "set up by this program",
        SetUpBy::Others => "set up by packagecloud-ctl or by hand",
        SetUpBy::Unknown => "AWS could not be asked who set it up",
    };
    let names = [&found.distribution, &found.domain].into_iter().filter(|name| !name.is_empty());
    [state.to_owned(), by.to_owned()].into_iter().chain(names.cloned()).collect::<Vec<_>>().join(" · ")
}

/// Beside another run nothing can be begun: what can be done stands in the place of the goals, and where it is seen first.
fn beside(lines: &mut Vec<Line<'static>>, theme: &Theme, room: Room) {
    lines.push(Line::styled("What can be done meanwhile", theme.strong));
    for (key, means) in [
        ("Enter", "watches what it does; once it has ended, this wizard goes on from what it left"),
        ("t", "takes over: it ends after the request in flight, and this wizard goes on"),
        ("D", "switches CloudFront off all the same; the other run does not go live then"),
        ("x", "asks why clients get 403; nothing is changed by that"),
        ("q", "leaves; the other run is not touched"),
    ] {
        let first = vec![Span::raw("  "), Span::styled(text::column(key, 7), theme.title)];
        text::hang(lines, first, means, theme.dim, room.prose());
    }
}

fn goals(body: &mut Body, wizard: &Wizard, theme: &Theme, room: Room) {
    let proposed = wizard.welcome.there().and_then(|welcome| welcome.goal.as_ref());
    body.lines.push(Line::styled("What shall happen?", theme.strong));
    // Above the goals: below them it would be the first to fall off a small screen.
    if let Some((goal, why)) = proposed {
        let text = format!("{} is proposed: {why}", copy::goal(*goal).0);
        text::hang(&mut body.lines, vec![Span::raw("  ")], &text, theme.dim, room.prose());
    }
    for (index, goal) in Wizard::GOALS.into_iter().enumerate() {
        let chosen = index == wizard.choice;
        let (name, means) = copy::goal(goal);
        let style = if chosen { theme.title } else { theme.plain };
        let means = text::cut(means, room.width.saturating_sub(14));
        let spans = vec![Span::styled(text::column(name, 12), style), Span::styled(means, theme.dim)];
        if chosen {
            body.keep = Some(body.lines.len());
        }
        parts::choice(&mut body.lines, chosen, spans, theme);
    }
}
