//! Invalidate: the edges of our distribution forget what they hold of some keys, or of all packages (contract section 2).
//!
//! It is of no goal. Broken off once it was sent, CloudFront goes on by itself; run again, the edges forget once more, since what was stored between the two counts too.

use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::evidence::{InvalidationEvidence, StageEvidence},
    failure::{Failure, FailureKind},
    run::{
        answers::OperatorAnswers,
        event::StageEnd,
        goal::StageStep,
        plan::{PlanAttachment, PlanFact, ResourceChangeKind, StagePlan},
    },
    url::invalidation::{ALL_PATHS, build_invalidation_paths, render_invalidation_cost},
};

use crate::aws::{INVALIDATION_QUOTA_CODE, find_bucket_distributions};
use crate::engine::{
    resources::adoption::is_our_distribution,
    run::{StageRun, build_interrupted_failure},
    session::{AwsTarget, Session},
};

/// Finds our distribution, and says what its edges would forget.
///
/// # Errors
/// Fails where there is none of ours, a key is none that an edge can hold, or AWS does not answer.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let asked = &answers.invalidation;
    // Before AWS is asked anything.
    let paths = if asked.packages {
        vec![ALL_PATHS.to_owned()]
    } else {
        build_invalidation_paths(&asked.keys, &render_proposed_command("invalidate", &["--packages"]))?
    };
    let target = session.get_or_discover_aws_target(answers).await?;
    let distribution = find_distribution_to_invalidate(&target).await?;
    let seen = InvalidationEvidence { distribution, paths };
    Ok(plan_invalidation(&seen, asked.packages))
}

/// Returns the id of the distribution that this install made or adopted; nobody else's is touched.
async fn find_distribution_to_invalidate(target: &AwsTarget) -> Result<String, Failure> {
    let all = target.read_distributions_and_policies().await?.distributions;
    if let Some(ours) = all.iter().find(|one| is_our_distribution(one, &target.names)) {
        return Ok(ours.id.clone());
    }
    let bucket = target.names.bucket_name();
    Err(match find_bucket_distributions(&all, bucket).first() {
        Some(other) => Failure::new_generic_failure(
            format!("distribution {}", other.id),
            format!("it serves bucket {bucket}, but doesn't carry this install's marker"),
            format!(
                "whoever made it can invalidate it; or take it over first: {}",
                render_proposed_command("enable", &["--adopt"])
            ),
        ),
        None => Failure::new(
            FailureKind::Missing,
            "the distribution",
            format!("there is none for bucket {bucket}, so no edge holds anything of it"),
            format!("nothing is to be done; to make one: {}", render_proposed_command("enable", &[])),
        ),
    })
}

fn plan_invalidation(seen: &InvalidationEvidence, is_all: bool) -> StagePlan {
    let mut plan = StagePlan::new(StageEvidence::Invalidate(Box::new(seen.clone())));
    let what = describe_forgotten_paths(&seen.paths);
    plan.add_planned_change(
        StageStep::Invalidation,
        ResourceChangeKind::Run,
        format!("distribution {}", seen.distribution),
        format!("every edge forgets {what}; the next download of it comes from S3"),
    )
    .calls
    .extend(["cloudfront:CreateInvalidation".into(), "cloudfront:GetInvalidation".into()]);
    let mut say = |topic, text: String| plan.facts.push(PlanFact { topic, text });
    say("How long", "A minute or two as a rule; it is waited for, half an hour at most.".into());
    say("What it costs", format!("{}.", render_invalidation_cost(seen.paths.len())));
    say(
        "What customers notice",
        if is_all {
            "No link fails. Each package is read from S3 once more by each edge that is asked for it: downloads are slower until then, and S3 has more to do.".into()
        } else {
            "No link fails; the next download of each is a little slower.".to_owned()
        },
    );
    say("How to undo it", "It needs no undoing: what is asked for again is held again.".into());
    if !is_all {
        plan.documents.push(PlanAttachment {
            title: "The paths".to_owned(),
            lines: seen.paths.clone(),
            copy: false,
        });
    }
    plan
}

fn describe_forgotten_paths(paths: &[String]) -> String {
    match paths {
        [all] if all == ALL_PATHS => "all packages".to_owned(),
        [one] => one.clone(),
        more => format!("{} paths", more.len()),
    }
}

/// Sends it, and waits until every edge has done it.
///
/// # Errors
/// Fails where CloudFront refuses, the wait is over, or the run is stopped: CloudFront goes on by itself then.
pub async fn apply(
    session: &Session,
    answers: &OperatorAnswers,
    seen: &InvalidationEvidence,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let what = describe_forgotten_paths(&seen.paths);
    let say = run.build_step_progress_reporter(StageStep::Invalidation);
    let (cloud, distribution) = (&target.cloud, seen.distribution.as_str());
    let doing = format!("the edges of distribution {distribution} forget {what}");
    run.run_stage_step(StageStep::Invalidation, doing, async {
        let reference = build_caller_reference(session);
        let stop = run.parent_run_context().cancellation_token();
        let may_wait = || !stop.is_cancelled();
        let sending = cloud.create_cache_invalidation(distribution, &reference, &seen.paths, may_wait, &say);
        let made = sending.await.map_err(|failure| {
            // Stopped while it waited for others' to end: it was refused, so nothing is at work.
            let is_waiting = failure.code.as_deref() == Some(INVALIDATION_QUOTA_CODE);
            if is_waiting && stop.is_cancelled() {
                build_interrupted_failure()
            } else {
                explain_refused_invalidation(failure)
            }
        })?;
        if !made.completed {
            say(&format!("invalidation {} is at work", made.id));
            let waiting = cloud.wait_until_invalidation_completed(distribution, &made.id, &say);
            run.read_unless_stopped(waiting)
                .await
                .map_err(|failure| explain_unfinished_invalidation(failure, &made.id))?;
        }
        Ok(((), format!("invalidation {} is done: every edge has forgotten {what}", made.id)))
    })
    .await?;
    Ok((StageEnd::Applied, format!("every edge has forgotten {what}")))
}

/// One for each run: CloudFront answers a reference that it knows with the invalidation of then.
fn build_caller_reference(session: &Session) -> String {
    let now = session.host.clock.read_host_clock();
    format!("packagecloud-cloudfront {} {}", now.as_nanos(), std::process::id())
}

/// The distribution may be gone since it was looked at; and a policy of before this command was there lacks its actions.
fn explain_refused_invalidation(failure: Failure) -> Failure {
    match failure.code.as_deref() {
        Some("NoSuchDistribution") => {
            Failure::new_plan_drift_failure(failure.what, "it was deleted since it was shown")
        }
        Some(INVALIDATION_QUOTA_CODE) => Failure {
            next: format!(
                "wait until those that are in progress have ended, then run: {}",
                render_same_command_again(&[])
            ),
            ..failure
        },
        _ => failure,
    }
}

fn explain_unfinished_invalidation(failure: Failure, id: &str) -> Failure {
    if failure.kind != FailureKind::Interrupted {
        return failure;
    }
    Failure {
        why: format!("at your request; CloudFront goes on with invalidation {id} by itself"),
        next: format!(
            "nothing more is to be done; to see it done, run: {} — the edges forget once more",
            render_same_command_again(&[])
        ),
        ..failure
    }
}
