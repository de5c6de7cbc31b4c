//! S3 Batch Operations as the second engine of the reindex: packages alone, which never change once written.
//!
//! The pass from here looks at every object, copies what is ours to copy and spools the rest; the jobs copy that; a last
//! pass from here looks at every object again, so that nothing is taken on trust. Killed anywhere, the next run goes on.

mod follow;
mod plan;
pub mod price;
mod record;

pub use self::plan::look;
pub use super::reindex::spool::Spool;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use self::{
    follow::{Ended, Following},
    record::Record,
};
use super::{
    reindex::{self, Options},
    run::StageRun,
    session::{Ground, Scene, retry_on_expiry::renewing},
    stages::reindex::Pass,
};
use crate::aws::batch::{Unfit, Wanted};
use crate::model::{
    aws::evidence::{ReindexSeen, Role},
    run::{
        answers::Answers,
        failure::{Failure, Kind},
        goal::Step,
    },
};

/// Between two looks at the jobs.
const BEAT: Duration = Duration::from_secs(10);
/// Until S3 knows a role that was made or changed.
const ROLE_KNOWN: Duration = Duration::from_secs(15);

/// Where a run keeps what it knows, below the state directory.
#[derive(Debug, Clone)]
struct Places {
    spool: PathBuf,
    record: PathBuf,
    /// The first pass's.
    cursor: PathBuf,
    failed: PathBuf,
}

impl Places {
    fn of(ground: &Ground) -> Self {
        let dir = ground.host.state.dir();
        Self {
            spool: dir.join("batch"),
            record: dir.join("batch.jobs"),
            cursor: dir.join("batch.cursor"),
            failed: dir.join("batch.failed"),
        }
    }

    fn clear(&self) {
        // Losing them, or not, loses no more than time.
        for path in [&self.record, &self.cursor, &reindex::marker(&self.cursor)] {
            let _ = std::fs::remove_file(path);
        }
        let _ = std::fs::remove_dir_all(&self.spool);
    }
}

fn jobs(count: usize) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}

/// One reindex by this engine.
pub struct Batch<'a> {
    pub ground: &'a Ground,
    pub answers: &'a Answers,
    pub run: &'a StageRun,
    pub seen: &'a ReindexSeen,
    /// The last pass's.
    pub options: &'a Options,
    pub pass: &'a Pass<'a>,
}

impl Batch<'_> {
    /// From where it was left to its end.
    pub async fn apply(&self) -> Result<(), Failure> {
        let scene = self.ground.scene(self.answers).await?;
        let places = Places::of(self.ground);
        let role = self.ensure_role(&scene).await?;
        let fresh = (self.seen.batch_role.as_ref() != Some(&role)).then(Instant::now);
        let rules = reindex::rules(scene.names.bucket(), &self.options.answers);
        let mut left = Record::load(&places.record, &rules);
        if self.options.answers.rescan || left.is_none() {
            self.older_jobs(&scene, left.as_ref(), &places).await?;
            if self.options.answers.rescan {
                places.clear();
                left = None;
            }
        }
        let mut record = if let Some(record) = left {
            record
        } else {
            let record = self.spooled(&scene, &places).await?;
            record.save(&places.record)?;
            record
        };
        if record.parts.is_empty() {
            // The pass from here has done all.
            let done = reindex::marker(&places.cursor);
            let _ = std::fs::rename(&done, reindex::marker(&self.options.cursor));
            places.clear();
            return Ok(());
        }
        if !record.over {
            self.run
                .step(Step::BatchJobs, "S3 Batch Operations", async {
                    self.known(fresh).await?;
                    self.make(&scene, &places, &role, &mut record).await?;
                    let ids: Vec<_> = record.parts.iter().filter_map(|part| part.job.clone()).collect();
                    let objects = record.parts.iter().map(|part| part.objects).sum();
                    let ended = self.follow(&scene, &ids, Some(objects), &places).await?;
                    let text = said(&ended, ids.len(), &places.failed);
                    Ok(((), text))
                })
                .await?;
            record.over = true;
            record.save(&places.record)?;
        }
        self.pass.over_all(Step::Remainder, self.options).await?;
        places.clear();
        Ok(())
    }

    async fn ensure_role(&self, scene: &Scene) -> Result<Role, Failure> {
        let (cloud, names) = (&scene.cloud, &scene.names);
        let name = names.batch_role();
        let say = self.run.progress(Step::Role);
        let role = self
            .run
            .step(Step::Role, format!("role {name}"), async {
                let role = cloud
                    .ensure_batch_role(
                        names,
                        self.seen.batch_role.as_ref(),
                        (&scene.account, &scene.bucket.region),
                        self.answers.permissions_boundary.as_deref(),
                        self.answers.consents.adopt,
                        &say,
                    )
                    .await?;
                Ok((role, format!("role {name} stands")))
            })
            .await?;
        let say = self.run.progress(Step::RolePolicy);
        self.run
            .step(Step::RolePolicy, format!("the policy of role {name}"), async {
                let policy = cloud.ensure_batch_policy(names, &role, &say).await?;
                let role = Role { policy: Some(policy), ..role };
                Ok((role, format!("role {name} may copy the objects of {}", names.bucket())))
            })
            .await
    }

    /// Jobs that a run left whose record is lost, or is to be forgotten: two jobs for one object would only get in each
    /// other's way.
    async fn older_jobs(&self, scene: &Scene, left: Option<&Record>, places: &Places) -> Result<(), Failure> {
        let cloud = &scene.cloud;
        let mut ids = cloud.open_jobs(&scene.account, &record::description(scene.names.bucket())).await?;
        ids.extend(left.iter().flat_map(|left| &left.parts).filter_map(|part| part.job.clone()));
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        self.run
            .step(Step::BatchJobs, format!("{} that an earlier run has made", jobs(ids.len())), async {
                let ended = self.follow(scene, &ids, None, places).await?;
                Ok(((), said(&ended, ids.len(), &places.failed)))
            })
            .await
    }

    /// The first pass: what is ours is done, and the rest stands in the spool.
    async fn spooled(&self, scene: &Scene, places: &Places) -> Result<Record, Failure> {
        let (bucket, answers) = (scene.names.bucket(), &self.options.answers);
        let standing = reindex::standing(bucket, answers, &places.cursor);
        let left = (standing.resumes.is_some() || standing.finished)
            .then(|| Spool::left(&places.spool, bucket))
            .flatten();
        let passed = standing.finished && left.is_some();
        let spool = if let Some(left) = left {
            left
        } else {
            places.clear();
            // The last look is at every object again, however far an earlier run was.
            reindex::forget(&self.options.cursor, bucket)?;
            Spool::fresh(&places.spool, bucket)?
        };
        let spool = Arc::new(spool);
        if !passed {
            let options =
                Options { cursor: places.cursor.clone(), spool: Some(spool.clone()), ..self.options.clone() };
            self.pass.over_all(Step::Objects, &options).await?;
        }
        let rules = reindex::rules(bucket, answers);
        Ok(Record::of(rules, &spool.about(), spool.filled()?, price::JOBS))
    }

    /// Writes the manifests and makes the jobs that aren't made yet; each is remembered at once, and found again by its
    /// token where that was lost.
    async fn make(
        &self,
        scene: &Scene,
        places: &Places,
        role: &Role,
        record: &mut Record,
    ) -> Result<(), Failure> {
        let (cloud, bucket) = (&scene.cloud, scene.names.bucket());
        let say = self.run.progress(Step::BatchJobs);
        for index in 0..record.parts.len() {
            let part = &record.parts[index];
            if part.job.is_some() {
                continue;
            }
            let manifest = record.manifest(part);
            let etag = if let Some(etag) = &part.etag {
                etag.clone()
            } else {
                say(&format!("writing the list of {} objects to {manifest}", part.objects));
                let path = places.spool.join(format!("{}.csv", part.name));
                if !path.exists() {
                    places.clear();
                    return Err(Failure::other(
                        path.display().to_string(),
                        "it is not there any more",
                        "run the same command again: what it held is looked at anew",
                    ));
                }
                cloud.write_manifest(bucket, &manifest, &path).await?
            };
            record.parts[index].etag = Some(etag.clone());
            record.save(&places.record)?;
            let part = &record.parts[index];
            let wanted = Wanted {
                set: &part.set,
                manifest: &manifest,
                etag: &etag,
                reports: &record.reports(),
                before: record.before,
                role_arn: &role.arn,
                token: &record::token(&scene.account, bucket, &manifest, &etag),
                description: &format!("{}{}/{}", record::description(bucket), record.run, part.name),
            };
            let id = cloud.create_job(&scene.account, &scene.names, &wanted).await?;
            record.parts[index].job = Some(id);
            record.save(&places.record)?;
        }
        Ok(())
    }

    /// Waits until S3 knows a role that was made or changed: a job that can't read its manifest fails.
    async fn known(&self, changed: Option<Instant>) -> Result<(), Failure> {
        let Some(changed) = changed else { return Ok(()) };
        let left = self.ground.patience(ROLE_KNOWN).saturating_sub(changed.elapsed());
        if !left.is_zero() {
            self.run.progress(Step::BatchJobs)(&format!(
                "waiting {} s until S3 knows the role",
                left.as_secs() + 1
            ));
            let waiting = async {
                tokio::time::sleep(left).await;
                Ok(())
            };
            self.run.unless_stopped(waiting).await?;
        }
        Ok(())
    }

    async fn follow(
        &self,
        scene: &Scene,
        ids: &[String],
        objects: Option<u64>,
        places: &Places,
    ) -> Result<Ended, Failure> {
        let following = Following {
            cloud: &scene.cloud,
            account: &scene.account,
            bucket: scene.names.bucket(),
            ids,
            objects,
            beat: self.ground.patience(BEAT).max(Duration::from_millis(50)),
        };
        let say = |text: &str, pace| self.run.pace(Step::BatchJobs, text, pace);
        let list = |unfit: &[Unfit]| listed(&places.failed, unfit);
        let follow = || {
            let _ = std::fs::remove_file(&places.failed);
            Box::pin(self.run.unless_stopped(following.to_the_end(&say, &list)))
        };
        let followed = Box::pin(renewing(self.ground, &scene.cloud, self.run, Step::BatchJobs, follow)).await;
        followed.map_err(|failure| match failure.kind {
            Kind::Interrupted => Failure::new(
                Kind::Interrupted,
                jobs(ids.len()),
                "no longer followed, as you asked; they run on at AWS",
                "run the same command again: it follows them to their end",
            ),
            _ => failure,
        })
    }
}

/// Notes what the jobs could not copy, a JSON object a line.
fn listed(path: &Path, unfit: &[Unfit]) -> Result<(), Failure> {
    let lines: String =
        unfit.iter().filter_map(|one| serde_json::to_string(one).ok()).map(|line| line + "\n").collect();
    let written = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(lines.as_bytes()));
    written.map_err(|error| {
        Failure::other(
            path.display().to_string(),
            error.to_string(),
            "make room or give another --state-dir, then run the same command again",
        )
    })
}

fn said(ended: &Ended, count: usize, failed: &Path) -> String {
    let mut text = format!("{}: {} objects copied by S3", jobs(count), ended.succeeded);
    if ended.failed > 0 {
        let codes: Vec<_> = ended.codes.iter().map(|(code, count)| format!("{code} {count}")).collect();
        text.push_str(&format!(
            ", {} could not be ({}; each in {})",
            ended.failed,
            codes.join(", "),
            failed.display()
        ));
    }
    for broken in &ended.broken {
        text.push_str(&format!("; {broken}"));
    }
    if ended.failed > 0 || !ended.broken.is_empty() {
        text.push_str("; what they left is done from here");
    }
    text
}
