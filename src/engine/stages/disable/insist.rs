//! Where packagecloud goes on although its file says off: what other witnesses say, and the line put to the end of the file.
//!
//! Reading a file is one thing, Ruby's last word another. Before another node is blamed the line is made the last one.

use crate::model::{
    packagecloud::{config_file::RubyExpressionEditMode, settings::CloudFrontSettingKey},
    run::goal::StageStep,
};

use super::{
    all::{DisableProgress, NodeToDisable},
    build_disabled_setting_values,
};
use crate::engine::{
    packagecloud::config_write::{self, render_config_backup_note},
    run::StageRun,
};

impl DisableProgress {
    /// A node whose last reconfigure has CloudFront on is due, whatever its file says.
    pub(super) async fn ask_what_last_reconfigure_applied(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| !node.due) {
            node.due = matches!(node.session.host.read_running_cloudfront_switch().await, Some((_, true)));
        }
    }

    /// Puts the line to the end of each file whose last reconfigure has CloudFront on, as packagecloud itself wrote down:
    /// whether there was one.
    pub(super) async fn overrule_what_reconfigure_applied(&mut self, run: &StageRun) -> bool {
        let mut overruled = false;
        for node in self.nodes.iter_mut().filter(|node| node.due && node.failures.is_empty()) {
            let Some((witness, true)) = node.session.host.read_running_cloudfront_switch().await else {
                continue;
            };
            let why = format!(
                "{} says that the reconfigure has CloudFront on",
                node.session.host.prefix_path_with_host(&witness.display().to_string())
            );
            overruled |= make_line_last(node, &why, run).await;
        }
        overruled
    }

    /// Puts the line to the end of the only node's file, read again: whether that changed it.
    pub(super) async fn put_line_to_end_of_file(&mut self, run: &StageRun) -> bool {
        match &mut self.nodes[..] {
            // Several nodes: any of them may be the one. A configuration client would win each time.
            [node] if self.alone && node.seen.managed.is_none() => {
                node.due = true;
                make_line_last(node, "redirects still go to CloudFront", run).await
            }
            _ => false,
        }
    }
}

/// Makes the line that switches off the last one of a node's file: whether it wasn't.
async fn make_line_last(node: &mut NodeToDisable, why: &str, run: &StageRun) -> bool {
    let doing = format!("{why}: writing the line to the end of {}", node.seen.path);
    let session = &node.session;
    let written = run
        .run_stage_step(StageStep::Switch, doing, async {
            let always = RubyExpressionEditMode::AppendAlways;
            let off = build_disabled_setting_values().render_setting_edits(&[CloudFrontSettingKey::Enabled]);
            let written =
                config_write::write_config_edits_with_retries(session, always, |_| off.clone()).await?;
            let written = written.filter(|written| written.backup.is_some());
            let text = match &written {
                Some(written) => {
                    format!("the last line switches off{}", render_config_backup_note(written))
                }
                None => "the last line switches off already".to_owned(),
            };
            Ok((written, text))
        })
        .await;
    match written {
        Ok(Some(written)) => {
            node.backup.push_str(&render_config_backup_note(&written));
            true
        }
        Ok(None) => false,
        Err(failure) => {
            node.failures.push(failure);
            false
        }
    }
}
