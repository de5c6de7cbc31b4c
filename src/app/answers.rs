//! Merges the answers of a command line with those that the last run kept.

use crate::{
    args::{CliCommand, ConsentFlags, GlobalOptions, ReindexFlags, YesOrNo},
    host::run::state::SavedRun,
    model::{
        aws::rotation::SecretRotationKind,
        run::{
            answers::{InvalidationAnswers, OperatorAnswers, OperatorConsents, ReindexAnswers},
            goal::OperatorGoal,
        },
    },
};

/// Merges what this command line says over what the last run kept.
pub(super) fn merge_cli_over_saved_answers(
    global: &GlobalOptions,
    command: &CliCommand,
    left: SavedRun,
) -> OperatorAnswers {
    let unfinished = left.stage.is_some();
    let kept = left.answers;
    let mut answers = OperatorAnswers {
        // The last run's comes after `AWS_*` (contract section 4): it is not chosen here.
        profile: global.profile.clone(),
        identity: kept.identity,
        account: kept.account,
        bucket: global.bucket.clone().or(kept.bucket),
        region: global.region.clone().or(kept.region),
        suffix: global.name_suffix.clone().unwrap_or(kept.suffix),
        origin_access: global.origin_access.unwrap_or(kept.origin_access),
        packages_domain: global.packages_domain.clone().or(kept.packages_domain),
        certificate: global
            .certificate
            .clone()
            .or(kept.certificate.filter(|_| global.packages_domain.is_none())),
        permissions_boundary: global.permissions_boundary.clone().or(kept.permissions_boundary),
        probe_url: global.probe_url.clone().or(kept.probe_url),
        construction: global.construction.or(kept.construction.filter(|_| unfinished)),
        // A run that was broken off goes on as it was begun; the globs stay, since the behaviors at the edge are made by them.
        reindex: if unfinished { kept.reindex } else { keep_globs_alone(kept.reindex) },
        consents: read_consents_from_flags(&global.consents, global.yes),
        ..OperatorAnswers::default()
    };
    merge_command_into_answers(&mut answers, command, kept.goal);
    answers
}

/// Merges what belongs to this command alone; `kept_goal` is the last run's.
fn merge_command_into_answers(
    answers: &mut OperatorAnswers,
    command: &CliCommand,
    kept_goal: Option<OperatorGoal>,
) {
    let kept_set_up_goal =
        kept_goal.filter(|goal| matches!(goal, OperatorGoal::Install | OperatorGoal::Upgrade));
    match command {
        CliCommand::Enable { upgrade, prepare, reindex, .. } => {
            answers.goal = Some(if *upgrade { OperatorGoal::Upgrade } else { OperatorGoal::Install });
            answers.prepare = *prepare;
            merge_reindex_flags_into_answers(answers, reindex);
        }
        CliCommand::Plan { goal, reindex, .. } => {
            answers.goal = Some(goal.map_or(OperatorGoal::Install, Into::into));
            merge_reindex_flags_into_answers(answers, reindex);
        }
        CliCommand::Wizard { goal, reindex } => {
            answers.goal = goal.map(Into::into).or(kept_goal);
            merge_reindex_flags_into_answers(answers, reindex);
        }
        CliCommand::ReindexEverything { reindex } => {
            answers.goal = Some(OperatorGoal::Upgrade);
            merge_reindex_flags_into_answers(answers, reindex);
            // Whoever asks for it by name doesn't skip it, whatever the run did that was broken off.
            answers.reindex.skip = reindex.skip_reindex;
        }
        CliCommand::Check { engine, .. } => {
            answers.goal = kept_set_up_goal;
            if let Some(engine) = engine.engine {
                // Only an upgrade reindexes.
                answers.goal = Some(OperatorGoal::Upgrade);
                answers.reindex.engine = engine;
            }
        }
        CliCommand::Disable => answers.goal = Some(OperatorGoal::Disable),
        CliCommand::Invalidate { keys, packages } => {
            answers.goal = kept_goal;
            answers.invalidation = InvalidationAnswers { keys: keys.clone(), packages: *packages };
        }
        CliCommand::RotateSecret { finish, leaked } => {
            answers.goal = Some(OperatorGoal::Rotate);
            answers.rotation = match (finish, leaked) {
                (true, _) => SecretRotationKind::Finish,
                (false, true) => SecretRotationKind::Leaked,
                (false, false) => SecretRotationKind::Rotate,
            };
        }
        CliCommand::ReconfigureCloudfrontDistribution { arn, .. } => {
            answers.goal = Some(OperatorGoal::Install);
            answers.version_arn = Some(arn.clone());
        }
        _ => answers.goal = kept_set_up_goal,
    }
}

fn keep_globs_alone(kept: ReindexAnswers) -> ReindexAnswers {
    ReindexAnswers {
        package_globs: kept.package_globs,
        metadata_globs: kept.metadata_globs,
        ..ReindexAnswers::default()
    }
}

/// Takes the globs of the command line where it names any; an empty one alone gives up those of before.
fn merge_globs(chosen: &mut Vec<String>, named: &[String]) {
    if !named.is_empty() {
        *chosen = named.iter().filter(|glob| !glob.is_empty()).cloned().collect();
    }
}

fn merge_reindex_flags_into_answers(answers: &mut OperatorAnswers, flags: &ReindexFlags) {
    let chosen = &mut answers.reindex;
    chosen.skip |= flags.skip_reindex;
    chosen.rescan = flags.rescan;
    chosen.no_acl |= flags.no_acl;
    chosen.all_keys |= flags.all_keys;
    merge_globs(&mut chosen.package_globs, &flags.package_glob);
    merge_globs(&mut chosen.metadata_globs, &flags.metadata_glob);
    chosen.vendor |= flags.vendor_reindex == YesOrNo::Yes;
    chosen.engine = flags.engine.engine.unwrap_or(chosen.engine);
}

fn read_consents_from_flags(flags: &ConsentFlags, yes: bool) -> OperatorConsents {
    OperatorConsents {
        adopt: flags.adopt,
        adopt_bucket_key: flags.adopt_bucket_key,
        new_secret: flags.new_secret,
        unproven: flags.unproven,
        managed: flags.managed,
        override_expression: flags.override_expression,
        other_bucket: flags.other_bucket,
        confirm_bucket: flags.confirm_bucket.clone(),
        live_change: yes,
        rotation_take_over: yes,
        no_other_node: flags.no_other_node,
        reindex_effects: yes,
        vendor_reindex: yes,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{args::CliArguments, model::run::goal::RunStage};

    fn merge_command_line(line: &str, stage: Option<RunStage>) -> ReindexAnswers {
        let kept = ReindexAnswers {
            skip: true,
            no_acl: true,
            package_globs: vec!["*.x".to_owned()],
            metadata_globs: vec!["*/foo/*".to_owned()],
            ..ReindexAnswers::default()
        };
        let answers = OperatorAnswers { reindex: kept, ..OperatorAnswers::default() };
        let left = SavedRun { answers, stage, ..SavedRun::default() };
        let parsed = CliArguments::parse_from(std::iter::once("x").chain(line.split(' ')));
        merge_cli_over_saved_answers(&parsed.global, &parsed.command.unwrap(), left).reindex
    }

    #[test]
    fn globs_stay_when_a_run_is_over_and_an_empty_one_gives_them_up() {
        for line in ["status", "plan", "enable", "reindex-everything", "disable"] {
            let reindex = merge_command_line(line, None);
            assert_eq!(reindex.metadata_globs, ["*/foo/*"], "{line}");
            assert_eq!(reindex.package_globs, ["*.x"], "{line}");
            assert!(!reindex.skip && !reindex.no_acl, "{line}");
        }
        let other = merge_command_line("enable --metadata-glob *.y", None);
        assert_eq!(
            (other.metadata_globs, other.package_globs),
            (vec!["*.y".to_owned()], vec!["*.x".to_owned()])
        );
        assert!(merge_command_line("enable --metadata-glob=", None).metadata_globs.is_empty());
    }

    #[test]
    fn a_reindex_that_is_asked_for_by_name_is_not_skipped_whatever_the_run_before_did() {
        let left = Some(RunStage::Verify);
        assert!(merge_command_line("enable --upgrade", left).skip, "the run goes on as it was begun");
        let named = merge_command_line("reindex-everything", left);
        assert!(!named.skip && named.no_acl, "{named:?}");
    }
}
