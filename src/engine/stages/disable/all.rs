//! Switching off is done on every node at once, and goes on past each that fails: what could not be done is said, with what to type there.
//!
//! It does what was asked and not just what was shown: what a run beside it wrote meanwhile is switched off as well. From
//! its note on that run writes no more that CloudFront is on, or takes it back; one that begins later meets the next note.

use futures::future::join_all;

use crate::host::environment::clock;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::evidence::ObservedPackagecloudConfig,
    failure::{Failure, FailureKind},
    packagecloud::{
        config_file::RubyExpressionEditMode, ctl_command::CtlCommand, settings::CloudFrontSettingKey,
    },
    run::{answers::OperatorAnswers, event::StageEnd, goal::StageStep},
};

use super::{
    append_manual_disable_steps, build_disabled_setting_values, explain_unverified_disable,
    refuse_reconfigure_that_deletes, render_reenable_warning,
};
use crate::engine::{
    packagecloud::{
        config_write::{self, render_config_backup_note},
        switch,
    },
    run::StageRun,
    session::{S3LinkAnswer, Session},
};

/// How often it is switched off again where a run that began meanwhile switched it on.
const SWITCH_OFF_ROUNDS_MAX: u32 = 3;

/// A node that can be reached.
pub(super) struct NodeToDisable {
    pub(super) session: Session,
    pub(super) seen: ObservedPackagecloudConfig,
    /// Whether there is anything to do on it.
    pub(super) due: bool,
    /// Where the file before is kept, as the end of a sentence.
    pub(super) backup: String,
    /// What went wrong after its file was written.
    pub(super) failures: Vec<Failure>,
    /// Whether packagecloud never read the file as it is now.
    reconfigure_failed: bool,
    /// Why its file can't be read or written.
    lost: Option<Failure>,
}

/// The nodes, and those of them that could not be switched.
pub(super) struct DisableProgress {
    pub(super) nodes: Vec<NodeToDisable>,
    lost: Vec<(Session, Failure)>,
    pub(super) alone: bool,
}

/// Switches CloudFront off on every node, again where a run beside it switched it on meanwhile.
///
/// # Errors
/// Fails where a node could not be switched off or does not follow, with what to type there.
pub(crate) async fn apply(
    session: &Session,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let beside = session.acquire_lock_or_find_holder().await.is_some();
    let mut all = DisableProgress::new_disable_progress(session);
    for round in 1.. {
        session.publish_cloudfront_disable_marker().await;
        all.read_node_configs().await?;
        if round == 1 {
            all.ask_what_last_reconfigure_applied().await;
        }
        // A configuration client would win each time: what it does is said, and not fought.
        let again = |node: &NodeToDisable| round == 1 || node.seen.managed.is_none();
        let on = all.nodes.iter().any(|node| node.seen.may_cloudfront_be_on() && again(node));
        if all.lost.is_empty() && !all.nodes.iter().any(|node| node.due) {
            // What the files say is one thing, what packagecloud does another.
            let lags =
                round == 1 && switch::describe_redirects_after_disable(session, answers).await.is_some();
            all.nodes.iter_mut().for_each(|node| node.due = lags);
        }
        if round > 1 && (!on || round > SWITCH_OFF_ROUNDS_MAX) {
            break;
        }
        if !all.nodes.iter().any(|node| node.due) {
            if !all.lost.is_empty() {
                break;
            }
            return Ok(if beside {
                (StageEnd::Applied, "it was off already, and the run beside this one will not go live".into())
            } else {
                (StageEnd::Unchanged, explain_unverified_disable(session, answers).unwrap_or_default())
            });
        }
        all.forget_node_failures();
        all.drop_nodes_without_settings().await?;
        all.write_disabled_configs(run).await?;
        if session.is_packagecloud_ctl_disabled() {
            all.finish_switch_on_disabled_nodes().await;
            return if all.lost.is_empty() {
                Ok((StageEnd::Stopped, switch::render_switch_left_to_operator(session)))
            } else {
                Err(all.build_lost_nodes_failure(""))
            };
        }
        all.run_ctl_on_nodes(StageStep::Reconfigure, CtlCommand::Reconfigure, run).await;
        if all.overrule_what_reconfigure_applied(run).await {
            all.run_ctl_on_nodes(StageStep::Reconfigure, CtlCommand::Reconfigure, run).await;
        }
        all.run_ctl_on_nodes(StageStep::Restart, CtlCommand::Restart, run).await;
    }
    let mut observed = all.observe_redirects(session, answers, run).await;
    // Where packagecloud never read the file, the end of it changes nothing.
    if !all.nodes.iter().any(|node| node.reconfigure_failed)
        && observed.as_ref().is_err_and(|failure| failure.kind == FailureKind::StillOn)
        && all.put_line_to_end_of_file(run).await
    {
        all.forget_node_failures();
        all.run_ctl_on_nodes(StageStep::Reconfigure, CtlCommand::Reconfigure, run).await;
        all.run_ctl_on_nodes(StageStep::Restart, CtlCommand::Restart, run).await;
        observed = all.observe_redirects(session, answers, run).await;
    }
    all.finish_cloudfront_disable(session, answers, observed).await
}

impl DisableProgress {
    /// Sees where packagecloud redirects; where a node never reconfigured, once, since nothing more will follow.
    async fn observe_redirects(
        &self,
        session: &Session,
        answers: &OperatorAnswers,
        run: &StageRun,
    ) -> Result<String, Failure> {
        run.run_stage_step(StageStep::Proof, "asking packagecloud where it redirects", async {
            // A restart that failed may have restarted enough; without a reconfigure nothing can follow.
            let stale = self.nodes.iter().any(|node| node.reconfigure_failed);
            let observed = if stale {
                switch::require_redirects_off_after_failed_reconfigure(session, answers).await?
            } else {
                switch::wait_until_redirects_to_s3(session, answers).await?
            };
            Ok((observed.clone(), observed))
        })
        .await
    }

    /// What failed before counts no more: all of it is done again.
    fn forget_node_failures(&mut self) {
        for node in &mut self.nodes {
            node.failures.clear();
            node.reconfigure_failed = false;
        }
    }

    fn new_disable_progress(session: &Session) -> Self {
        let nodes = session.list_all_node_sessions().into_iter().map(|session| NodeToDisable {
            session,
            seen: ObservedPackagecloudConfig::default(),
            due: false,
            backup: String::new(),
            failures: Vec::new(),
            reconfigure_failed: false,
            lost: None,
        });
        Self {
            nodes: nodes.collect(),
            lost: Vec::new(),
            alone: session.list_other_node_sessions().is_empty(),
        }
    }

    /// Reads every file; a node whose file can't be read is lost.
    async fn read_node_configs(&mut self) -> Result<(), Failure> {
        let read = join_all(self.nodes.iter().map(|node| node.session.host.read_packagecloud_config())).await;
        for (node, read) in self.nodes.iter_mut().zip(read) {
            match read {
                Ok(config) => {
                    node.seen = config.seen;
                    node.due =
                        node.seen.may_cloudfront_be_on() || node.session.is_cloudfront_switch_unfinished();
                }
                Err(failure) => node.lost = Some(failure),
            }
        }
        self.drop_unreachable_nodes().await
    }

    /// Takes out the nodes whose file has lost its settings: a reconfigure would delete them from packagecloud.
    ///
    /// # Errors
    /// Where that is the only node.
    async fn drop_nodes_without_settings(&mut self) -> Result<(), Failure> {
        for node in self.nodes.iter_mut().filter(|node| node.due) {
            let lags = !node.seen.may_cloudfront_be_on();
            let refused = match node.session.host.read_packagecloud_config().await {
                Ok(config) => refuse_reconfigure_that_deletes(&node.session, &config, lags).await.err(),
                // It was read a moment ago; what can't be read now is told by whatever writes it.
                Err(_) => None,
            };
            node.lost = refused;
        }
        self.drop_unreachable_nodes().await
    }

    /// Takes out the nodes that are lost.
    ///
    /// # Errors
    /// Where that is the only one: then there is nobody to go on with.
    async fn drop_unreachable_nodes(&mut self) -> Result<(), Failure> {
        for mut node in std::mem::take(&mut self.nodes) {
            match node.lost.take() {
                None => self.nodes.push(node),
                Some(failure) if self.alone => {
                    return Err(append_manual_disable_steps(failure, &node.session).await);
                }
                Some(failure) => {
                    let failure = append_manual_disable_steps(failure, &node.session).await;
                    self.lost.push((node.session, failure));
                }
            }
        }
        Ok(())
    }

    /// Writes every file that says that CloudFront is on; without the file switched off, a restart would only cost
    /// customers time.
    async fn write_disabled_configs(&mut self, run: &StageRun) -> Result<(), Failure> {
        let on: Vec<&NodeToDisable> =
            self.nodes.iter().filter(|node| node.seen.may_cloudfront_be_on()).collect();
        for node in self.nodes.iter().filter(|node| node.due && !node.seen.may_cloudfront_be_on()) {
            // What a run before this one began is this one's to end.
            switch::save_cloudfront_switch_intent(&node.session, false);
        }
        if on.is_empty() {
            return Ok(());
        }
        let places: Vec<&str> = on.iter().map(|node| node.seen.path.as_str()).collect();
        let names = render_node_names(on.into_iter());
        let mut began = false;
        let result = run
            .run_stage_step(StageStep::Switch, format!("writing {}", places.join(", ")), async {
                began = true;
                let written =
                    join_all(self.nodes.iter().map(|node| write_cloudfront_disabled_config(&node.session)))
                        .await;
                let mut backups = String::new();
                for (node, written) in self.nodes.iter_mut().zip(written) {
                    match written {
                        Ok(kept) => {
                            backups.push_str(&kept);
                            node.backup.push_str(&kept);
                        }
                        Err(failure) => node.lost = Some(failure),
                    }
                }
                match self.nodes.iter().find_map(|node| node.lost.as_ref()) {
                    Some(failure) if self.alone => {
                        Err(append_manual_disable_steps(failure.clone(), &self.nodes[0].session).await)
                    }
                    Some(failure) => Err(failure.clone()),
                    None => Ok(((), format!("cloudfront_enabled is false{names}{backups}"))),
                }
            })
            .await;
        if !began {
            return result;
        }
        self.drop_unreachable_nodes().await
    }

    /// One of packagecloud-ctl's commands on every node that is due; a failure is kept with its node, and stops none.
    async fn run_ctl_on_nodes(&mut self, step: StageStep, command: CtlCommand, run: &StageRun) {
        let say = run.build_step_progress_reporter(step);
        let names = render_node_names(self.nodes.iter().filter(|node| node.due));
        let several = self.nodes.len() > 1;
        let _ = run
            .run_stage_step(step, format!("packagecloud-ctl {command}{names}"), async {
                let due = self.nodes.iter_mut().filter(|node| node.due);
                let ran = join_all(due.map(async |node| {
                    let name = node.session.host.transport.remote_host_name().filter(|_| several);
                    let mut line = |line: &str| match name {
                        Some(name) => say(&format!("{name}: {line}")),
                        None => say(line),
                    };
                    let ran = switch::run_ctl_command_or_fail(&node.session, command, &mut line).await;
                    let unread = node.reconfigure_failed || command == CtlCommand::Reconfigure;
                    let ran = ran.map_err(|failure| {
                        if unread { append_both_ctl_commands(failure, &node.session) } else { failure }
                    });
                    node.failures.extend(ran.as_ref().err().cloned());
                    node.reconfigure_failed |= ran.is_err() && command == CtlCommand::Reconfigure;
                    ran
                }))
                .await;
                let said: Vec<String> = ran.into_iter().collect::<Result<_, _>>()?;
                Ok(((), said.join("; ")))
            })
            .await;
    }

    /// The nodes that followed are seen to their end.
    async fn finish_switch_on_disabled_nodes(&self) {
        for node in self.nodes.iter().filter(|node| node.failures.is_empty()) {
            switch::clear_cloudfront_switch_intent(&node.session).await;
        }
    }

    /// What came of it, with what was seen of packagecloud's redirects.
    async fn finish_cloudfront_disable(
        &mut self,
        session: &Session,
        answers: &OperatorAnswers,
        observed: Result<String, Failure>,
    ) -> Result<(StageEnd, String), Failure> {
        if !self.lost.is_empty() {
            // Those that followed are done; it is the lost ones that are left.
            self.finish_switch_on_disabled_nodes().await;
            return Err(match observed {
                Ok(observed) => self.build_lost_nodes_failure(&observed),
                Err(failure) => Failure { kind: failure.kind, ..self.build_lost_nodes_failure(&failure.why) },
            });
        }
        let mut failures: Vec<Failure> =
            self.nodes.iter().flat_map(|node| node.failures.iter().cloned()).collect();
        match observed {
            Ok(observed) if failures.is_empty() => {
                self.finish_switch_on_disabled_nodes().await;
                let since = clock::render_utc_time(session.host.clock.read_host_clock());
                let on = render_node_names(self.nodes.iter());
                let backups: String = self.nodes.iter().map(|node| node.backup.as_str()).collect();
                let warnings: String = self
                    .nodes
                    .iter()
                    .filter_map(|node| render_reenable_warning(&node.seen))
                    .map(|text| format!(". {}", text.trim_end_matches('.')))
                    .collect();
                let customers = describe_customer_effect(&session.last_s3_link_answer());
                Ok((
                    StageEnd::Applied,
                    format!(
                        "off since {since}{on}; {observed}. {customers}{backups}. Switch on again with: {}{warnings}",
                        render_proposed_command("enable", &[])
                    ),
                ))
            }
            // Several nodes: what answered may not be the one that read nothing new.
            Ok(observed)
                if (self.alone || !self.nodes.iter().any(|node| node.reconfigure_failed))
                    && switch::are_packagecloud_redirects_off(session, answers).await =>
            {
                // What was asked for is done: that comes first, and what failed on the way after it.
                let first = failures.remove(0);
                let since = clock::render_utc_time(session.host.clock.read_host_clock());
                Err(Failure {
                    what: format!("off since {since}{}", render_node_names(self.nodes.iter())),
                    why: format!("{observed}; what failed is {first}"),
                    ..first
                })
            }
            Ok(observed) => {
                let first = failures.remove(0);
                Err(Failure { why: format!("{}; the file says off; {observed}", first.why), ..first })
            }
            Err(failure) => {
                let is_seen_on = failure.kind == FailureKind::StillOn;
                failures.push(failure);
                // The first is the cause: where a reconfigure failed, the redirects are its consequence.
                let first = failures.remove(0);
                let mut why = vec![first.why.clone()];
                why.extend(failures.iter().map(ToString::to_string));
                // An interruption is told as one; else what customers meet decides the exit code.
                let kind = match first.kind {
                    FailureKind::Interrupted => FailureKind::Interrupted,
                    _ if is_seen_on => FailureKind::StillOn,
                    kind => kind,
                };
                Err(Failure { kind, why: why.join("; and "), ..first })
            }
        }
    }

    /// Some nodes are off, some could not be switched: which, why, and what to type there.
    fn build_lost_nodes_failure(&self, observed: &str) -> Failure {
        let (first, failure) = &self.lost[0];
        let mut why = Vec::new();
        if !self.nodes.is_empty() {
            why.push(format!("off{}", render_node_names(self.nodes.iter())));
        }
        why.extend(
            self.lost
                .iter()
                .map(|(node, failure)| format!("not{}: {}", node.host.render_host_suffix(), failure.why)),
        );
        why.extend(self.nodes.iter().flat_map(|node| &node.failures).map(ToString::to_string));
        if !observed.is_empty() {
            why.push(observed.to_owned());
        }
        let next: Vec<&str> = self.lost.iter().map(|(_, failure)| failure.next.as_str()).collect();
        let kind = if failure.kind == FailureKind::Drifted { FailureKind::Other } else { failure.kind };
        let what = first.host.transport.remote_host_name().unwrap_or_default();
        Failure::new(kind, what, why.join("; "), next.join("; and "))
    }
}

/// A failure of one of packagecloud-ctl's commands whose next move ends with both: off is only what packagecloud has read.
fn append_both_ctl_commands(mut failure: Failure, node: &Session) -> Failure {
    if failure.kind != FailureKind::Interrupted {
        failure.next = format!(
            "{}; then run: {} — or by hand{}: {}",
            failure.next.trim_end_matches('.'),
            render_proposed_command("disable", &[]),
            node.host.render_host_suffix(),
            node.host.ctl.render_reconfigure_and_restart()
        );
    }
    failure
}

/// Says what switching off means for customers, as far as S3 was asked.
fn describe_customer_effect(answer: &S3LinkAnswer) -> String {
    const CUSTOMERS_DO_NOTHING: &str =
        "Customers need do nothing, unless their firewall blocks S3: then they must allow it again";
    match answer {
        S3LinkAnswer::Accepted => CUSTOMERS_DO_NOTHING.to_owned(),
        S3LinkAnswer::Unknown => {
            format!("{CUSTOMERS_DO_NOTHING}. Whether S3 accepts packagecloud's own links was not seen")
        }
        S3LinkAnswer::Refused(why) => format!("Downloads fail all the same: {why}"),
    }
}

/// ` on web1, web2`, where they are other hosts.
fn render_node_names<'a>(nodes: impl Iterator<Item = &'a NodeToDisable>) -> String {
    let names: Vec<&str> = nodes.filter_map(|node| node.session.host.transport.remote_host_name()).collect();
    if names.is_empty() { String::new() } else { format!(" on {}", names.join(", ")) }
}

/// Writes that CloudFront is off on one node; where the file before is kept, as the end of a sentence.
async fn write_cloudfront_disabled_config(node: &Session) -> Result<String, Failure> {
    let written =
        config_write::write_config_edits_with_retries(node, RubyExpressionEditMode::Append, |now| {
            if !now.may_cloudfront_be_on() {
                return Vec::new();
            }
            switch::save_cloudfront_switch_intent(node, false);
            build_disabled_setting_values().render_setting_edits(&[CloudFrontSettingKey::Enabled])
        })
        .await?;
    Ok(written.as_ref().map(render_config_backup_note).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_asked_is_not_said_to_be_served() {
        for (answer, said, unsaid) in [
            (S3LinkAnswer::Accepted, "Customers need do nothing", "not seen"),
            (S3LinkAnswer::Unknown, "own links was not seen", "fail"),
            (
                S3LinkAnswer::Refused("S3 refuses it".into()),
                "Downloads fail all the same: S3 refuses it",
                "nothing",
            ),
        ] {
            let text = describe_customer_effect(&answer);
            assert!(text.contains(said) && !text.contains(unsaid), "{text}");
        }
    }
}
