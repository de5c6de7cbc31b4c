//! The reindex as a stage: what it would cost and touch, and the run itself, paused and stopped from a face.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    aws::{
        bucket::BucketWriteReactions,
        evidence::{ReindexEvidence, StageEvidence},
    },
    failure::Failure,
    packagecloud::{object::ObjectClassifier, path_cache::build_path_cache_rules},
    run::{
        answers::{OperatorAnswers, ReindexEngine},
        event::StageEnd,
        goal::StageStep,
        plan::{
            PlanConfirmationQuestion, REINDEX_COST_ASKED_USD, RequiredConsent, ResourceChangeKind, StagePlan,
        },
    },
    url::redirect::RedirectTarget,
};

use crate::engine::{
    batch::{self, BatchReindex},
    packagecloud::vendor_reindex::{self, VendorReindexState},
    reindex::{
        self, BucketSurvey, ReindexOptions,
        due::{SURVEY_PAGES_MAX, build_reindex_cursor_path},
        pass::ReindexPass,
    },
    run::StageRun,
    session::{ReindexBucket, Session, retry_on_expiry::retry_on_expired_credentials},
};

/// Looks at the bucket, at what earlier runs have done, and at the vendor's reindex where that was asked for.
///
/// # Errors
/// Fails where the bucket can't be found or listed, or another install has the role of the jobs.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let chosen = &answers.reindex;
    let mut plan = StagePlan::new(StageEvidence::Reindex(Box::default()));
    let found = session.find_and_connect_objects_bucket(answers).await?;
    let standing = reindex::read_reindex_progress(&found.name, chosen, &build_reindex_cursor_path(session));
    let mut seen = ReindexEvidence { resumes: standing.resumes, ..ReindexEvidence::default() };
    let why_kept = if chosen.skip {
        Some("skipped, as you said: correct; what is not cached by its path passes through uncached")
    } else if standing.finished && !chosen.rescan {
        Some(
            "every object was looked at by the last run; objects that came since are looked at with --rescan",
        )
    } else {
        None
    };
    if let Some(why) = why_kept {
        plan.add_planned_change(StageStep::Objects, ResourceChangeKind::Keep, &found.name, why);
    } else {
        Box::pin(plan_object_reindex(session, answers, &found, &mut plan, &mut seen)).await?;
    }
    if chosen.vendor && !chosen.skip {
        plan_vendor_reindex(session, &found.name, answers, &mut plan);
    }
    plan.observed = StageEvidence::Reindex(Box::new(seen));
    Ok(plan)
}

/// Plans the pass over the objects, by what a first look at the listing shows.
async fn plan_object_reindex(
    session: &Session,
    answers: &OperatorAnswers,
    found: &ReindexBucket,
    plan: &mut StagePlan,
    seen: &mut ReindexEvidence,
) -> Result<(), Failure> {
    let (chosen, name) = (&answers.reindex, &found.name);
    let classes = ObjectClassifier::new(chosen.all_keys, &chosen.package_globs, &chosen.metadata_globs)?;
    let rules = build_path_cache_rules(&chosen.metadata_globs).unwrap_or_default();
    let s3 = found.cloud.open_object_client(name).await?;
    let survey = reindex::estimate_bucket_objects(&s3, &classes, &rules, SURVEY_PAGES_MAX).await?;
    seen.total = if survey.more {
        read_counted_objects(session, found).await
    } else {
        Some(survey.total_surveyed_object_count())
    };
    seen.due = survey.more || survey.total_surveyed_object_count() > 0;
    seen.cuts = Some(survey.cuts.clone());
    if !seen.due {
        let why = "there is no object of packagecloud's in it";
        plan.add_planned_change(StageStep::Objects, ResourceChangeKind::Keep, name, why);
        return Ok(());
    }
    let why = match seen.resumes {
        Some(done) => format!("goes on after {done} objects"),
        None => "each gets the Cache-Control that it needs, and loses nothing".to_owned(),
    };
    plan.add_planned_change(StageStep::Objects, ResourceChangeKind::Update, name, why).calls.extend([
        "s3:ListObjectsV2".into(),
        "s3:HeadObject".into(),
        "s3:CopyObject".into(),
    ]);
    let bucket = found.bucket.as_ref();
    let has_acls = bucket.is_none_or(|bucket| bucket.object_ownership != "BucketOwnerEnforced");
    let keeps_acls = has_acls && !chosen.no_acl;
    plan.notes.extend(survey.render_bucket_survey_lines(keeps_acls));
    plan.notes.push(survey.render_gain_over_path_caching());
    let by_batch = chosen.engine == ReindexEngine::Batch;
    plan.notes.extend(batch::price::render_engine_comparison(&survey, keeps_acls, by_batch));
    if by_batch {
        batch::add_batch_changes_to_plan(session, answers, plan, seen).await?;
    }
    let keeps_versions = bucket.is_some_and(|bucket| bucket.versioning == "Enabled");
    if keeps_versions {
        plan.notes.push("This bucket keeps versions.".into());
    }
    let reactions = found.cloud.read_bucket_write_reactions(name).await?;
    if !reactions.unread.is_empty() {
        plan.notes.push(format!(
            "Could not be read: {}. If the bucket replicates, each changed object is copied again and charged for; \
             if it sends notifications, each changed object sends one.",
            reactions.unread.join("; ")
        ));
    }
    let cost_usd = survey.estimate_reindex_cost_usd(keeps_acls);
    let effects = list_reindex_effects(&survey, keeps_versions, &reactions, cost_usd);
    if !effects.is_empty() && !answers.consents.reindex_effects {
        plan.confirmations.push(PlanConfirmationQuestion {
            consent: RequiredConsent::ReindexEffects,
            question: format!("Reindex bucket {name} all the same? {}", effects.join(" ")),
        });
    }
    Ok(())
}

/// Lists what a reindex of this bucket brings beside the new attributes, each a sentence; none where it brings nothing.
fn list_reindex_effects(
    survey: &BucketSurvey,
    keeps_versions: bool,
    reactions: &BucketWriteReactions,
    cost_usd: f64,
) -> Vec<String> {
    let mut effects = Vec::new();
    if keeps_versions {
        effects.push(
            "It keeps versions: the earlier version of each changed object stays and is charged for."
                .to_owned(),
        );
    }
    if !reactions.replicas.is_empty() {
        effects.push(format!(
            "It replicates to {}: each changed object is copied there again and charged for.",
            reactions.replicas.join(", ")
        ));
    }
    if !reactions.listeners.is_empty() {
        effects.push(format!("Each changed object sends an event to {}.", reactions.listeners.join(", ")));
    }
    if survey.cool + survey.archived > 0 {
        effects.push(format!(
            "{} objects are in cold storage: reading them and changing them early is charged for, and archived ones are left as they are.",
            survey.cool + survey.archived
        ));
    }
    if cost_usd > REINDEX_COST_ASKED_USD {
        let least = if survey.more { "at least " } else { "" };
        effects.push(format!("It costs {least}{cost_usd:.0} US dollars at S3's list price."));
    }
    effects
}

/// How long the count of a bucket's objects is waited for: without it all goes on, until the listing knows it.
const OBJECT_COUNT_TIMEOUT: Duration = Duration::from_secs(3);

/// Reads how many objects S3 last counted in the bucket; none where that can't be asked, or is less than was seen already.
async fn read_counted_objects(session: &Session, found: &ReindexBucket) -> Option<u64> {
    let region = &found.bucket.as_ref()?.region;
    let now = session.host.clock.read_host_clock().as_secs();
    let asked = found.cloud.read_bucket_object_count(&found.name, region, now);
    tokio::time::timeout(OBJECT_COUNT_TIMEOUT, asked).await.ok()?.ok()?
}

/// Plans the vendor's reindex, by how far an earlier run came with it.
fn plan_vendor_reindex(session: &Session, bucket: &str, answers: &OperatorAnswers, plan: &mut StagePlan) {
    let rescan = answers.reindex.rescan;
    let (verb, why) = match vendor_reindex::read_vendor_reindex_state(session, bucket).filter(|_| !rescan) {
        Some(VendorReindexState::Settled) => {
            (ResourceChangeKind::Keep, "it was run, and has settled (--rescan starts over)")
        }
        Some(VendorReindexState::Queued) => (ResourceChangeKind::Run, "was run; its jobs are waited for"),
        None => {
            plan.notes.push(vendor_reindex::VENDOR_REINDEX_NOTICE.to_owned());
            if !answers.consents.vendor_reindex {
                plan.confirmations.push(PlanConfirmationQuestion {
                    consent: RequiredConsent::VendorReindex,
                    question: "Run packagecloud's own reindex-everything too? It queues index jobs, and new uploads wait behind them.".to_owned(),
                });
            }
            (ResourceChangeKind::Run, "queues index jobs, behind which new uploads wait")
        }
    };
    plan.add_planned_change(StageStep::VendorReindex, verb, "packagecloud-ctl reindex-everything", why);
}

/// Goes through the objects, and runs the vendor's reindex beside it where that was asked for.
///
/// # Errors
/// Fails where it is stopped or can't go on; the next run goes on where this one was.
pub async fn apply(
    session: &Session,
    seen: &ReindexEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let found = session.find_and_connect_objects_bucket(answers).await?;
    let s3 = found.cloud.open_object_client(&found.name).await?;
    let chosen = &answers.reindex;
    let classes = ObjectClassifier::new(chosen.all_keys, &chosen.package_globs, &chosen.metadata_globs)?;
    let options = ReindexOptions {
        answers: chosen.clone(),
        cursor: build_reindex_cursor_path(session),
        skipped: session.host.state.state_dir_path().join("reindex.skipped"),
        total: seen.total,
        cuts: seen.cuts.clone(),
        spool: None,
        requests_before: None,
        requests_max: session.settings.object_requests_max.unwrap_or(reindex::REQUESTS_IN_FLIGHT_MAX),
        are_links_at_s3: Arc::new(AtomicBool::new(are_links_at_s3(session, answers).await)),
    };
    let pass = ReindexPass { session, cloud: &found.cloud, s3: &s3, run };
    let ours = async {
        if !seen.due {
            return Ok(());
        }
        match chosen.engine {
            ReindexEngine::Own => pass.reindex_all_objects(StageStep::Objects, &options).await,
            ReindexEngine::Batch => {
                // The longest way down of all: its future is kept off the stack.
                let batch = BatchReindex { session, answers, run, seen, options: &options, pass: &pass };
                Box::pin(batch.run_batch_reindex()).await
            }
        }
    };
    let vendors = async {
        let due = chosen.vendor
            && !chosen.skip
            && (chosen.rescan
                || vendor_reindex::read_vendor_reindex_state(session, &found.name)
                    != Some(VendorReindexState::Settled));
        if !due {
            return Ok(false);
        }
        vendor_reindex::run_vendor_reindex(session, &found, &classes, chosen.rescan, run).await
    };
    let both = async { tokio::try_join!(ours, vendors) };
    let done = tokio::select! {
        biased;
        done = both => done,
        // Once links lead to CloudFront, S3 alone sets the pace; this never ends by itself.
        () = watch_links_leave_s3(session, answers, &options.are_links_at_s3) => Ok(((), false)),
    };
    found.cloud.record_object_copies(&s3);
    let ((), settled) = done?;
    if settled {
        fix_objects_after_vendor_reindex(session, &found, &classes, &pass, &options).await?;
    }
    Ok((StageEnd::Applied, String::new()))
}

/// How often it is looked whether links still lead to S3.
const LINKS_LOOK_INTERVAL: Duration = Duration::from_mins(1);

/// Whether packagecloud's links lead to S3: by where it redirects, and by its file where that can't be seen. Where neither can be
/// read, they may.
async fn are_links_at_s3(session: &Session, answers: &OperatorAnswers) -> bool {
    let asked = session.probe_packagecloud_redirect(answers, None).await;
    let redirect = asked.ok().flatten().map(|reply| reply.classify_redirect_target());
    let config = session.host.read_packagecloud_config().await;
    may_links_lead_to_s3(redirect, config.ok().and_then(|config| config.seen.values.enabled))
}

/// Decides by the redirect, and by what the file says of `cloudfront_enabled` where that tells of neither.
fn may_links_lead_to_s3(redirect: Option<RedirectTarget>, enabled: Option<bool>) -> bool {
    match redirect {
        Some(RedirectTarget::S3) => true,
        Some(RedirectTarget::Edge) => false,
        Some(RedirectTarget::Elsewhere) | None => enabled != Some(true),
    }
}

/// Follows packagecloud's links until they no longer lead to S3; never returns.
async fn watch_links_leave_s3(session: &Session, answers: &OperatorAnswers, are_at_s3: &AtomicBool) {
    while are_at_s3.load(Ordering::Relaxed) {
        tokio::time::sleep(LINKS_LOOK_INTERVAL).await;
        are_at_s3.store(are_links_at_s3(session, answers).await, Ordering::Relaxed);
    }
    std::future::pending::<()>().await;
}

/// What the vendor's jobs wrote without the attributes that it needs gets them from here.
async fn fix_objects_after_vendor_reindex(
    session: &Session,
    found: &ReindexBucket,
    classes: &ObjectClassifier,
    pass: &ReindexPass<'_>,
    options: &ReindexOptions,
) -> Result<(), Failure> {
    let wrong = async || {
        let counted =
            || pass.run.read_unless_stopped(found.cloud.count_cacheable_repo_metadata(&found.name, classes));
        Box::pin(retry_on_expired_credentials(session, &found.cloud, pass.run, StageStep::Remainder, counted))
            .await
    };
    if wrong().await? > 0 {
        pass.reindex_all_objects(StageStep::Remainder, options).await?;
        let left = wrong().await?;
        if left > 0 {
            return Err(Failure::new_generic_failure(
                "packagecloud's reindex",
                format!(
                    "{left} objects of repository metadata are still written with attributes that let CloudFront cache them"
                ),
                format!(
                    "look which packagecloud writes them (its version must set Cache-Control itself), then run: {}",
                    render_same_command_again(&[])
                ),
            ));
        }
    }
    vendor_reindex::save_packagecloud_reindex_complete(session, &found.name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_redirect_tells_where_links_lead_and_the_file_where_it_is_not_seen() {
        use RedirectTarget::{Edge, Elsewhere, S3};
        for (redirect, enabled, may) in [
            // On by the file, and not reconfigured yet.
            (Some(S3), Some(true), true),
            (Some(Edge), Some(false), false),
            (Some(Elsewhere), Some(true), false),
            (None, Some(true), false),
            (None, Some(false), true),
            (None, None, true),
        ] {
            assert_eq!(may_links_lead_to_s3(redirect, enabled), may, "{redirect:?} {enabled:?}");
        }
    }
}
