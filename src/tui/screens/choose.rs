//! Lists to choose from: the identity, the bucket, the backup; each line with the evidence for it.

use ratatui::text::{Line, Span};

use super::{heading, parts};
use crate::{
    model::run::welcome::{BucketFound, Source, Welcome},
    tui::{
        draw::{Body, Room},
        text,
        theme::{DONE, FAILED, Theme, UNKNOWN},
    },
    wizard::Wizard,
};

fn begin(wizard: &Wizard, theme: &Theme, room: Room, title: &str, means: &str) -> Body {
    let mut body = Body { head: Some(heading(wizard, theme, room, title)), ..Body::default() };
    text::prose(&mut body.lines, means, theme.dim, room.prose());
    body.lines.push(Line::default());
    body
}

/// One line of a list, and what is known of it below.
fn item(
    body: &mut Body,
    wizard: &Wizard,
    theme: &Theme,
    room: Room,
    index: usize,
    name: &str,
    said: &[String],
) {
    let chosen = index == wizard.choice;
    let style = if chosen { theme.title } else { theme.plain };
    parts::choice(
        &mut body.lines,
        chosen,
        vec![Span::styled(text::cut(name, room.width.saturating_sub(2)), style)],
        theme,
    );
    for said in said {
        text::hang(&mut body.lines, vec![Span::raw("    ")], said, theme.dim, room.prose());
    }
    if chosen {
        body.keep = Some(body.lines.len() - 1);
    }
}

pub fn identity(wizard: &Wizard, theme: &Theme, room: Room) -> Body {
    let means = "Whose AWS credentials make all of this? packagecloud keeps its own; these are used by this program alone.";
    let mut body = begin(wizard, theme, room, "Identity", means);
    let found = wizard.welcome.there().map_or(&[][..], |welcome: &Welcome| &welcome.identities);
    for (index, identity) in found.iter().enumerate() {
        let mark = match identity.suffices.result {
            crate::model::run::check::Verdict::Pass => DONE,
            crate::model::run::check::Verdict::Fail => FAILED,
            crate::model::run::check::Verdict::Unknown => UNKNOWN,
        };
        let mut said = Vec::new();
        if !identity.arn.is_empty() {
            said.push(identity.arn.clone());
        }
        said.push(format!("{mark} {}", identity.suffices.detail));
        if identity.source == Source::Config && !identity.usable() {
            said.push(
                "packagecloud's own key needs no more rights for itself: rather use another".to_owned(),
            );
        }
        let name =
            if index == 0 { format!("{}  (proposed)", identity.found) } else { identity.found.clone() };
        item(&mut body, wizard, theme, room, index, &name, &said);
    }
    if found.is_empty() {
        text::prose(
            &mut body.lines,
            "No AWS credentials were found on this host.",
            theme.strong,
            room.prose(),
        );
        body.lines.push(Line::default());
    }
    if let Some(sudo) = wizard.welcome.there().and_then(|welcome| welcome.sudo.as_ref()) {
        text::hang(&mut body.lines, vec![Span::styled("! ", theme.accent)], sudo, theme.strong, room.prose());
    }
    item(&mut body, wizard, theme, room, found.len(), "A named profile …", &[]);
    item(&mut body, wizard, theme, room, found.len() + 1, "Type or paste access keys …", &[]);
    body
}

pub fn bucket(wizard: &Wizard, theme: &Theme, room: Room) -> Body {
    let means = "Which S3 bucket does packagecloud keep its packages in? Not the one that backups go to.";
    let mut body = begin(wizard, theme, room, "Bucket", means);
    let found = wizard.welcome.there().map_or(&[][..], |welcome: &Welcome| &welcome.buckets);
    for (index, bucket) in found.iter().enumerate() {
        let name = if bucket.region.is_empty() {
            bucket.name.clone()
        } else {
            format!("{} · {}", bucket.name, bucket.region)
        };
        item(&mut body, wizard, theme, room, index, &name, &[bucket.found.clone(), sampled(bucket)]);
    }
    item(&mut body, wizard, theme, room, found.len(), "Another bucket …", &[]);
    body
}

fn sampled(bucket: &BucketFound) -> String {
    match bucket.sampled {
        None => "its objects are looked at once it is chosen".to_owned(),
        Some((_, 0)) => "empty".to_owned(),
        Some((0, all)) => format!("none of {} keys looks like packagecloud's", text::count(all)),
        Some((like, all)) => {
            format!("{} of {} keys look like packagecloud's", text::count(like), text::count(all))
        }
    }
}

pub fn backups(wizard: &Wizard, theme: &Theme, room: Room) -> Body {
    let means =
        "Which earlier state of packagecloud.rb? What restoring it would change is shown before it is done.";
    let mut body = begin(wizard, theme, room, "Roll back", means);
    let found = wizard.welcome.there().map_or(&[][..], |welcome: &Welcome| &welcome.backups);
    for (index, backup) in found.iter().enumerate() {
        let changes = if backup.changes.is_empty() {
            vec!["would change nothing".to_owned()]
        } else {
            backup.changes.clone()
        };
        let mut said = vec![backup.path.clone()];
        said.extend(changes);
        item(&mut body, wizard, theme, room, index, &backup.when, &said);
    }
    if found.is_empty() {
        let none = "There is no backup of packagecloud.rb yet: this program makes one before each change of the file.";
        text::prose(&mut body.lines, none, theme.strong, room.prose());
    }
    body
}
