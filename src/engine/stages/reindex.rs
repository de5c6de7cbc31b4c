//! The reindex as a stage: what it would cost and touch, and the run itself, paused and stopped from a face.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

pub(crate) use crate::aws::{Cloud, s3::fast::Objects};
use crate::model::{
    aws::evidence::{ReindexSeen, Seen},
    packagecloud::object::Classes,
    run::{
        answers::{Answers, Engine},
        event::End,
        failure::Failure,
        goal::{Goal, Stage, Step},
        plan::{Plan, Verb},
    },
};

use crate::engine::{
    batch::{self, Batch},
    packagecloud::vendor_reindex,
    reindex::{self, Control, Options, Summary, named},
    run::StageRun,
    session::{Ground, ObjectsFound, retry_on_expiry::renewing},
};

/// Pages of a thousand keys that are listed to say what it would cost, one in each part of the bucket; past them it says
/// "at least".
const PAGES: usize = 4;
/// Requests in flight at most where S3 is played by this process: it has the screen's processors.
const SANDBOXED: usize = 32;

fn cursor(ground: &Ground) -> PathBuf {
    ground.host.state.dir().join("reindex.cursor")
}

fn objects(ground: &Ground, found: &ObjectsFound) -> Result<Objects, Failure> {
    let plugged = ground.settings.sandbox.as_ref().map(|_| ground.web.connector());
    Objects::new(found.cloud.config(), &found.name, plugged)
}

pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let chosen = &answers.reindex;
    let mut plan = Plan::new(Stage::Reindex, Seen::Nothing);
    let found = ground.objects(answers).await?;
    let name = &found.name;
    let standing = reindex::standing(name, chosen, &cursor(ground));
    let mut seen = ReindexSeen { resumes: standing.resumes, ..ReindexSeen::default() };
    if chosen.skip {
        plan.line(
            Step::Objects,
            Verb::Keep,
            name,
            "skipped, as you said: correct, but uncached until it is done",
        );
    } else if standing.finished && !chosen.rescan {
        plan.line(Step::Objects, Verb::Keep, name, "every object was looked at (--rescan starts over)");
    } else {
        let classes = Classes::new(chosen.all_keys, &chosen.package_globs, &chosen.metadata_globs)?;
        let survey = reindex::survey(&objects(ground, &found)?, &classes, PAGES).await?;
        seen.total = (!survey.more).then(|| survey.total());
        seen.due = survey.more || survey.total() > 0;
        seen.cuts = Some(survey.cuts.clone());
        if seen.due {
            let why = match standing.resumes {
                Some(done) => format!("goes on after {done} objects"),
                None => "each gets the Cache-Control that it needs, and loses nothing".to_owned(),
            };
            plan.line(Step::Objects, Verb::Update, name, why).calls.extend([
                "s3:ListObjectsV2".into(),
                "s3:HeadObject".into(),
                "s3:CopyObject".into(),
            ]);
            let bucket = found.bucket.as_ref();
            let acls = bucket.is_none_or(|bucket| bucket.object_ownership != "BucketOwnerEnforced");
            plan.notes.extend(survey.lines(acls && !chosen.no_acl));
            let by_batch = chosen.engine == Engine::Batch;
            plan.notes.extend(batch::price::lines(&survey, acls && !chosen.no_acl, by_batch));
            if by_batch {
                batch::look(ground, answers, &mut plan, &mut seen).await?;
            }
            if bucket.is_some_and(|bucket| bucket.versioning == "Enabled") {
                plan.notes.push("This bucket keeps versions.".into());
            }
        } else {
            plan.line(Step::Objects, Verb::Keep, name, "there is no object of packagecloud's in it");
        }
    }
    if chosen.vendor && !chosen.skip {
        let target = "packagecloud-ctl reindex-everything";
        match vendor_reindex::left(ground, name).filter(|_| !chosen.rescan) {
            Some(vendor_reindex::Left::Settled) => plan.line(
                Step::VendorReindex,
                Verb::Keep,
                target,
                "it was run, and has settled (--rescan starts over)",
            ),
            Some(vendor_reindex::Left::Queued) => {
                plan.line(Step::VendorReindex, Verb::Run, target, "was run; its jobs are waited for")
            }
            None => {
                plan.notes.push(vendor_reindex::MEANS.to_owned());
                plan.line(
                    Step::VendorReindex,
                    Verb::Run,
                    target,
                    "queues index jobs, behind which new uploads wait",
                )
            }
        };
    }
    plan.seen = Seen::Reindex(Box::new(seen));
    Ok(plan)
}

/// Going live on an upgrade needs the reindex done, or knowingly skipped: what of it is missing.
pub async fn due(ground: &Ground, answers: &Answers) -> Result<(), Failure> {
    let chosen = &answers.reindex;
    if answers.goal != Some(Goal::Upgrade) || chosen.skip {
        return Ok(());
    }
    let found = ground.objects(answers).await?;
    let standing = reindex::standing(&found.name, chosen, &cursor(ground));
    if standing.finished {
        return Ok(());
    }
    let classes = Classes::new(chosen.all_keys, &chosen.package_globs, &chosen.metadata_globs)?;
    let survey = reindex::survey(&objects(ground, &found)?, &classes, PAGES).await?;
    if !survey.more && survey.total() == 0 {
        return Ok(());
    }
    let why = match standing.resumes {
        Some(done) => format!("it broke off after {done} objects"),
        None => "it was not run to its end".to_owned(),
    };
    Err(Failure::other(
        "the reindex",
        format!("{why}; nothing was switched on"),
        "run it to its end (reindex-everything goes on where it was), or skip it knowingly: s in the wizard, else --skip-reindex",
    ))
}

pub async fn apply(
    ground: &Ground,
    seen: &ReindexSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let found = ground.objects(answers).await?;
    let s3 = objects(ground, &found)?;
    let chosen = &answers.reindex;
    let classes = Classes::new(chosen.all_keys, &chosen.package_globs, &chosen.metadata_globs)?;
    let options = Options {
        answers: chosen.clone(),
        cursor: cursor(ground),
        skipped: ground.host.state.dir().join("reindex.skipped"),
        total: seen.total,
        cuts: seen.cuts.clone(),
        spool: None,
        since: None,
        most: if ground.settings.sandbox.is_some() { SANDBOXED } else { reindex::MOST },
    };
    let pass = Pass { ground, cloud: &found.cloud, s3: &s3, run };
    let ours = async {
        if !seen.due {
            return Ok(());
        }
        match chosen.engine {
            Engine::Own => pass.over_all(Step::Objects, &options).await,
            Engine::Batch => {
                // The longest way down of all: its future is kept off the stack.
                let batch = Batch { ground, answers, run, seen, options: &options, pass: &pass };
                Box::pin(batch.apply()).await
            }
        }
    };
    let vendors = async {
        let due = chosen.vendor
            && !chosen.skip
            && (chosen.rescan
                || vendor_reindex::left(ground, &found.name) != Some(vendor_reindex::Left::Settled));
        if !due {
            return Ok(false);
        }
        vendor_reindex::queued(ground, &found, &classes, chosen.rescan, run).await
    };
    let ((), settled) = tokio::try_join!(ours, vendors)?;
    if settled {
        after_vendor(ground, &found, &classes, &pass, &options).await?;
    }
    Ok((End::Applied, String::new()))
}

/// What the vendor's jobs wrote without the attributes that it needs gets them from here.
async fn after_vendor(
    ground: &Ground,
    found: &ObjectsFound,
    classes: &Classes,
    pass: &Pass<'_>,
    options: &Options,
) -> Result<(), Failure> {
    let wrong = async || {
        let counted = || pass.run.unless_stopped(found.cloud.wrong_metadata(&found.name, classes));
        Box::pin(renewing(ground, &found.cloud, pass.run, Step::Remainder, counted)).await
    };
    if wrong().await? > 0 {
        pass.over_all(Step::Remainder, options).await?;
        let left = wrong().await?;
        if left > 0 {
            return Err(Failure::other(
                "packagecloud's reindex",
                format!(
                    "{left} objects of repository metadata are still written with attributes that let CloudFront cache them"
                ),
                "look which packagecloud writes them (its version must set Cache-Control itself), then run the same command again",
            ));
        }
    }
    vendor_reindex::settled(ground, &found.name);
    Ok(())
}

/// A pass over the objects from here, as a step.
pub(crate) struct Pass<'a> {
    ground: &'a Ground,
    cloud: &'a Cloud,
    s3: &'a Objects,
    run: &'a StageRun,
}

impl Pass<'_> {
    pub async fn over_all(&self, step: Step, options: &Options) -> Result<(), Failure> {
        let run = self.run;
        run.step(step, format!("the objects of {}", self.s3.bucket()), async {
            let options = Options { since: Some(self.s3.requests()), ..options.clone() };
            let begun = AtomicBool::new(false);
            let pass = || {
                let mut options = options.clone();
                // What was begun anew goes on once it was interrupted.
                options.answers.rescan &= !begun.swap(true, Relaxed);
                async move {
                    let control = Control::default();
                    let say = |pace| run.pace(step, "objects", pace);
                    let working = reindex::reindex(self.s3, &options, &say, &control);
                    obeying(run, &control, working).await
                }
            };
            let summary = renewing(self.ground, self.cloud, run, step, pass).await?;
            Ok(((), said(&summary, &options)))
        })
        .await
    }
}

/// Runs `working`, passing on what the face asks: pause, go on, stop.
async fn obeying<T>(
    run: &StageRun,
    control: &Control,
    working: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut pause = run.run().paused();
    let stop = run.run().stopped().clone();
    if *pause.borrow_and_update() {
        control.pause();
    }
    tokio::pin!(working);
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                control.stop();
            }
            changed = pause.changed(), if !stopping => match changed {
                Ok(()) if *pause.borrow() => control.pause(),
                Ok(()) => control.go_on(),
                // Nobody is left who could pause.
                Err(_) => return working.await,
            },
            result = &mut working => return result,
        }
    }
}

fn said(summary: &Summary, options: &Options) -> String {
    let counts = &summary.counts;
    let mut text =
        format!("{} objects: {} changed, {} right already", counts.done, counts.changed, counts.kept);
    if counts.skipped > 0 {
        text.push_str(&format!(
            ", {} skipped ({}; each key in {})",
            counts.skipped,
            named(&counts.reasons, "", 3),
            options.skipped.display()
        ));
    }
    if counts.handed_over > 0 {
        text.push_str(&format!(", {} left to S3 Batch Operations", counts.handed_over));
    }
    if !counts.foreign.is_empty() {
        text.push_str(&format!(
            ", {} not of packagecloud's layout left alone ({})",
            counts.foreign.total(),
            named(&counts.foreign, "in ", 5)
        ));
    }
    if summary.acls_denied {
        text.push_str("; some ACLs could not be read, and were reset to private");
    }
    text
}
