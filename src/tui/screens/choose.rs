//! Lists to choose from: the identity, the bucket, the backup; each line with the evidence for it.

use ratatui::text::{Line, Span};

use super::{heading::render_screen_heading, parts};
use crate::{
    model::run::welcome::{AwsIdentitySource, FoundBucket, WelcomeFindings},
    tui::{
        layout::{BodySize, ScreenBody},
        text,
        theme::{DONE_MARK, FAILED_MARK, Theme, UNKNOWN_MARK},
    },
    wizard::Wizard,
};

fn new_choice_body(wizard: &Wizard, theme: &Theme, size: BodySize, title: &str, means: &str) -> ScreenBody {
    let mut body =
        ScreenBody { head: Some(render_screen_heading(wizard, theme, size, title)), ..ScreenBody::default() };
    text::render_paragraph(&mut body.lines, means, theme.dim, size.max_prose_width());
    body.lines.push(Line::default());
    body
}

/// One line of a list, and what is known of it below.
fn render_choice_entry(
    body: &mut ScreenBody,
    wizard: &Wizard,
    theme: &Theme,
    size: BodySize,
    index: usize,
    name: &str,
    said: &[String],
) {
    let chosen = index == wizard.choice;
    let style = if chosen { theme.title } else { theme.plain };
    let begin = body.lines.len();
    parts::render_selectable_line(
        &mut body.lines,
        chosen,
        vec![Span::styled(text::truncate_text(name, size.width.saturating_sub(2)), style)],
        theme,
    );
    for said in said {
        text::render_hanging_text(
            &mut body.lines,
            vec![Span::raw("    ")],
            said,
            theme.dim,
            size.max_prose_width(),
        );
    }
    body.choice_lines.extend((begin..body.lines.len()).map(|line| (line, index)));
    if chosen {
        body.keep_visible = Some(body.lines.len() - 1);
    }
}

/// Renders the identities that were found, and the ways to give another.
pub fn render_aws_identity_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let means = "Which AWS credentials shall this program use? packagecloud keeps its own.";
    let mut body = new_choice_body(wizard, theme, size, "Identity", means);
    let found =
        wizard.welcome.value_if_loaded().map_or(&[][..], |welcome: &WelcomeFindings| &welcome.identities);
    for (index, identity) in found.iter().enumerate() {
        let mark = match identity.suffices.result {
            crate::model::run::check::CheckVerdict::Pass => DONE_MARK,
            crate::model::run::check::CheckVerdict::Fail => FAILED_MARK,
            crate::model::run::check::CheckVerdict::Unknown => UNKNOWN_MARK,
        };
        let mut said = Vec::new();
        if !identity.arn.is_empty() {
            said.push(identity.arn.clone());
        }
        said.push(format!("{mark} {}", identity.suffices.detail));
        if identity.source == AwsIdentitySource::Config && !identity.is_usable_identity() {
            said.push(
                "packagecloud's own key needs no more rights for itself: use another identity".to_owned(),
            );
        }
        let name =
            if index == 0 { format!("{}  (proposed)", identity.found) } else { identity.found.clone() };
        render_choice_entry(&mut body, wizard, theme, size, index, &name, &said);
    }
    if found.is_empty() {
        text::render_paragraph(
            &mut body.lines,
            "No AWS credentials were found on this host.",
            theme.strong,
            size.max_prose_width(),
        );
        body.lines.push(Line::default());
    }
    if let Some(sudo) = wizard.welcome.value_if_loaded().and_then(|welcome| welcome.sudo.as_ref()) {
        text::render_hanging_text(
            &mut body.lines,
            vec![Span::styled("! ", theme.accent)],
            sudo,
            theme.strong,
            size.max_prose_width(),
        );
    }
    render_choice_entry(&mut body, wizard, theme, size, found.len(), "A named profile …", &[]);
    render_choice_entry(&mut body, wizard, theme, size, found.len() + 1, "Type or paste access keys …", &[]);
    body
}

/// Renders the buckets that were found, and the way to name another.
pub fn render_bucket_choice(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let means = "In which S3 bucket does packagecloud store its packages? Not the bucket for backups.";
    let mut body = new_choice_body(wizard, theme, size, "Bucket", means);
    let found =
        wizard.welcome.value_if_loaded().map_or(&[][..], |welcome: &WelcomeFindings| &welcome.buckets);
    for (index, bucket) in found.iter().enumerate() {
        let name = if bucket.region.is_empty() {
            bucket.name.clone()
        } else {
            format!("{} · {}", bucket.name, bucket.region)
        };
        render_choice_entry(
            &mut body,
            wizard,
            theme,
            size,
            index,
            &name,
            &[bucket.found.clone(), describe_sampled_bucket_keys(bucket)],
        );
    }
    render_choice_entry(&mut body, wizard, theme, size, found.len(), "Another bucket …", &[]);
    body
}

fn describe_sampled_bucket_keys(bucket: &FoundBucket) -> String {
    match bucket.sampled {
        None => "its objects are checked after you choose it".to_owned(),
        Some((_, 0)) => "empty".to_owned(),
        Some((0, all)) => format!("none of {} keys looks like packagecloud's", text::format_count(all)),
        Some((like, all)) => {
            format!(
                "{} of {} keys look like packagecloud's",
                text::format_count(like),
                text::format_count(all)
            )
        }
    }
}

/// Renders the backups of packagecloud.rb, each with what restoring it would change.
pub fn render_backup_choice(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let means = "Choose a backup of packagecloud.rb. You see what it changes before it is restored.";
    let mut body = new_choice_body(wizard, theme, size, "Roll back", means);
    let found =
        wizard.welcome.value_if_loaded().map_or(&[][..], |welcome: &WelcomeFindings| &welcome.backups);
    for (index, backup) in found.iter().enumerate() {
        let changes = if backup.changes.is_empty() {
            vec!["would change nothing".to_owned()]
        } else {
            backup.changes.clone()
        };
        let mut said = vec![backup.path.clone()];
        said.extend(changes);
        render_choice_entry(&mut body, wizard, theme, size, index, &backup.when, &said);
    }
    if found.is_empty() {
        let none = "There is no backup of packagecloud.rb yet: this program makes one before each change of the file.";
        text::render_paragraph(&mut body.lines, none, theme.strong, size.max_prose_width());
    }
    body
}
