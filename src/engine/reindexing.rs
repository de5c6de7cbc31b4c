//! The reindex as a stage: what it would cost and touch, and the run itself, paused and stopped from a face.

use std::path::PathBuf;

use crate::cloud::objects::Objects;
use crate::host::Outcome;
use crate::model::{
    answers::{Answers, Engine},
    event::End,
    failure::Failure,
    goal::{Stage, Step},
    object::Classes,
    plan::{Plan, Verb},
    seen::{ReindexSeen, Seen},
};

use super::{
    batch::{self, Batch},
    ground::{Ground, ObjectsFound},
    reindex::{self, Control, Options, Summary},
    run::StageRun,
};

/// Pages of a thousand keys that are listed to say what it would cost; past them it says "at least".
const PAGES: usize = 10;

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
    let mut seen = ReindexSeen { resumes: standing.resumes, due: false, total: None, batch_role: None };
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
        plan.line(
            Step::VendorReindex,
            Verb::Run,
            "packagecloud-ctl reindex-everything",
            "queues index jobs, ahead of which new uploads wait",
        );
    }
    plan.seen = Seen::Reindex(Box::new(seen));
    Ok(plan)
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
    let ours = async {
        if !seen.due {
            return Ok(());
        }
        let options = Options {
            answers: chosen.clone(),
            cursor: cursor(ground),
            skipped: ground.host.state.dir().join("reindex.skipped"),
            total: seen.total,
            spool: None,
        };
        let pass = Pass { s3: &s3, run };
        match chosen.engine {
            Engine::Own => pass.over_all(Step::Objects, &options).await,
            Engine::Batch => Batch { ground, answers, run, seen, options, pass }.apply().await,
        }
    };
    let vendors = async {
        if !chosen.vendor || chosen.skip {
            return Ok(());
        }
        run.step(Step::VendorReindex, "packagecloud-ctl reindex-everything", async {
            let say = run.progress(Step::VendorReindex);
            let text = match ground.host.ctl("reindex-everything", &mut |line| say(line)).await? {
                Outcome::Done => "packagecloud has queued its index jobs".to_owned(),
                Outcome::Left => "left to you: packagecloud-ctl reindex-everything".to_owned(),
                Outcome::Unknown => {
                    "this packagecloud doesn't know reindex-everything; ours suffices".to_owned()
                }
                Outcome::Failed { status, last } => {
                    return Err(Failure::other(
                        "packagecloud-ctl reindex-everything",
                        format!("it ended with exit code {status}: {}", last.join(" ")),
                        "ours suffices: go on without --vendor-reindex yes",
                    ));
                }
            };
            Ok(((), text))
        })
        .await
    };
    tokio::try_join!(ours, vendors)?;
    Ok((End::Applied, String::new()))
}

/// A pass over the objects from here, as a step.
pub(super) struct Pass<'a> {
    s3: &'a Objects,
    run: &'a StageRun,
}

impl Pass<'_> {
    pub async fn over_all(&self, step: Step, options: &Options) -> Result<(), Failure> {
        let run = self.run;
        run.step(step, format!("the objects of {}", self.s3.bucket()), async {
            let control = Control::default();
            let say = |pace| run.pace(step, "objects", pace);
            let working = reindex::reindex(self.s3, options, &say, &control);
            let summary = obeying(run, &control, working).await?;
            Ok(((), said(&summary, options)))
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
            ", {} skipped (each with its reason in {})",
            counts.skipped,
            options.skipped.display()
        ));
    }
    if counts.handed_over > 0 {
        text.push_str(&format!(", {} left to S3 Batch Operations", counts.handed_over));
    }
    let foreign: u64 = counts.foreign.values().sum();
    if foreign > 0 {
        text.push_str(&format!(", {foreign} not of packagecloud's layout left alone"));
    }
    if summary.acls_denied {
        text.push_str("; some ACLs could not be read, and were reset to private");
    }
    text
}
