//! S3 Batch Operations as the second engine of the reindex: packages alone, which never change once written.
//!
//! The pass from here looks at every object, copies what is ours to copy and spools the rest; the jobs copy that; a last
//! pass from here looks at every object again, so that nothing is taken on trust. Killed anywhere, the next run goes on.

mod follow;
mod plan;
pub mod price;
mod record;

pub use self::plan::add_batch_changes_to_plan;

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use self::{
    follow::{BatchJobFollower, BatchJobsOutcome},
    record::BatchRecord,
};
use super::{
    reindex::{self, ReindexOptions, pass::ReindexPass, spool::BatchManifestWriter},
    run::StageRun,
    session::{AwsTarget, Session, retry_on_expiry::retry_on_expired_credentials},
};
use crate::aws::batch::{BatchJobSpec, FailedBatchTask};
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    aws::{account::IamRole, evidence::ReindexEvidence},
    failure::{Failure, FailureKind},
    run::{answers::OperatorAnswers, goal::StageStep},
};

/// Between two looks at the jobs.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Until S3 knows a role that was made or changed.
const ROLE_PROPAGATION_WAIT: Duration = Duration::from_secs(15);

/// Where a run keeps what it knows, below the state directory.
#[derive(Debug, Clone)]
struct BatchStatePaths {
    spool: PathBuf,
    record: PathBuf,
    /// The first pass's.
    cursor: PathBuf,
    failed: PathBuf,
}

impl BatchStatePaths {
    fn build_batch_state_paths(session: &Session) -> Self {
        let dir = session.host.state.state_dir_path();
        Self {
            spool: dir.join("batch"),
            record: dir.join("batch.jobs"),
            cursor: dir.join("batch.cursor"),
            failed: dir.join("batch.failed"),
        }
    }

    fn remove_local_batch_files(&self) {
        // Losing them, or not, loses no more than time.
        for path in [&self.record, &self.cursor, &reindex::build_reindex_finished_marker_path(&self.cursor)] {
            let _ = std::fs::remove_file(path);
        }
        let _ = std::fs::remove_dir_all(&self.spool);
    }
}

fn render_batch_job_count(count: usize) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}

/// One reindex by this engine.
pub struct BatchReindex<'a> {
    pub session: &'a Session,
    pub answers: &'a OperatorAnswers,
    pub run: &'a StageRun,
    pub seen: &'a ReindexEvidence,
    /// The last pass's.
    pub options: &'a ReindexOptions,
    pub pass: &'a ReindexPass<'a>,
}

impl BatchReindex<'_> {
    /// Reindexes from where an earlier run left it to the end.
    ///
    /// # Errors
    /// Fails where AWS refuses a step, it is stopped, or a file of the state directory can't be written.
    pub async fn run_batch_reindex(&self) -> Result<(), Failure> {
        let target = self.session.get_or_discover_aws_target(self.answers).await?;
        let places = BatchStatePaths::build_batch_state_paths(self.session);
        let role = self.ensure_batch_role(&target).await?;
        let fresh = (self.seen.batch_role.as_ref() != Some(&role)).then(Instant::now);
        let rules = reindex::render_reindex_cursor_scope(target.names.bucket_name(), &self.options.answers);
        let mut left = BatchRecord::load_batch_record(&places.record, &rules);
        if self.options.answers.rescan || left.is_none() {
            self.follow_older_batch_jobs(&target, left.as_ref(), &places).await?;
            if self.options.answers.rescan {
                places.remove_local_batch_files();
                left = None;
            }
        }
        let mut record = if let Some(record) = left {
            record
        } else {
            let record = self.run_manifest_spooling_pass(&target, &places).await?;
            record.save_batch_record(&places.record)?;
            record
        };
        if record.parts.is_empty() {
            // The pass from here has done all.
            let done = reindex::build_reindex_finished_marker_path(&places.cursor);
            let _ = std::fs::rename(&done, reindex::build_reindex_finished_marker_path(&self.options.cursor));
            places.remove_local_batch_files();
            return Ok(());
        }
        if !record.over {
            self.run
                .run_stage_step(StageStep::BatchJobs, "S3 Batch Operations", async {
                    self.wait_for_role_propagation(fresh).await?;
                    self.create_batch_jobs(&target, &places, &role, &mut record).await?;
                    let ids: Vec<_> = record.parts.iter().filter_map(|part| part.job.clone()).collect();
                    let objects = record.parts.iter().map(|part| part.objects).sum();
                    let ended = self.follow_batch_jobs(&target, &ids, Some(objects), &places).await?;
                    let text = render_batch_jobs_outcome(&ended, ids.len(), &places.failed);
                    Ok(((), text))
                })
                .await?;
            record.over = true;
            record.save_batch_record(&places.record)?;
        }
        self.pass.reindex_all_objects(StageStep::Remainder, self.options).await?;
        places.remove_local_batch_files();
        Ok(())
    }

    async fn ensure_batch_role(&self, target: &AwsTarget) -> Result<IamRole, Failure> {
        let (cloud, names) = (&target.cloud, &target.names);
        let name = names.batch_role_name();
        let say = self.run.build_step_progress_reporter(StageStep::Role);
        let role = self
            .run
            .run_stage_step(StageStep::Role, format!("role {name}"), async {
                let role = cloud
                    .ensure_batch_role(
                        names,
                        self.seen.batch_role.as_ref(),
                        self.answers.permissions_boundary.as_deref(),
                        self.answers.consents.adopt,
                        &say,
                    )
                    .await?;
                Ok((role, format!("role {name} is ready")))
            })
            .await?;
        let say = self.run.build_step_progress_reporter(StageStep::RolePolicy);
        self.run
            .run_stage_step(StageStep::RolePolicy, format!("the policy of role {name}"), async {
                let key = plan::find_batch_role_key(target).await?;
                let policy = cloud.ensure_batch_policy(names, &role, key.as_deref(), &say).await?;
                let role = IamRole { policy: Some(policy), ..role };
                Ok((role, format!("role {name} may copy the objects of {}", names.bucket_name())))
            })
            .await
    }

    /// Jobs that a run left whose record is lost, or is to be forgotten: two jobs for one object would only get in each
    /// other's way.
    async fn follow_older_batch_jobs(
        &self,
        target: &AwsTarget,
        left: Option<&BatchRecord>,
        places: &BatchStatePaths,
    ) -> Result<(), Failure> {
        let cloud = &target.cloud;
        let mut ids = cloud
            .list_open_batch_jobs(
                &target.account,
                &record::build_batch_job_description_prefix(target.names.bucket_name()),
            )
            .await?;
        ids.extend(left.iter().flat_map(|left| &left.parts).filter_map(|part| part.job.clone()));
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        self.run
            .run_stage_step(
                StageStep::BatchJobs,
                format!("{} that an earlier run has made", render_batch_job_count(ids.len())),
                async {
                    let ended = self.follow_batch_jobs(target, &ids, None, places).await?;
                    Ok(((), render_batch_jobs_outcome(&ended, ids.len(), &places.failed)))
                },
            )
            .await
    }

    /// The first pass: what is ours is done, and the rest stands in the spool.
    async fn run_manifest_spooling_pass(
        &self,
        target: &AwsTarget,
        places: &BatchStatePaths,
    ) -> Result<BatchRecord, Failure> {
        let (bucket, answers) = (target.names.bucket_name(), &self.options.answers);
        let standing = reindex::read_reindex_progress(bucket, answers, &places.cursor);
        let left = (standing.resumes.is_some() || standing.finished)
            .then(|| BatchManifestWriter::open_existing_manifest_spool(&places.spool, bucket))
            .flatten();
        let passed = standing.finished && left.is_some();
        let spool = if let Some(left) = left {
            left
        } else {
            places.remove_local_batch_files();
            // The last look is at every object again, however far an earlier run was.
            reindex::reset_reindex_progress(&self.options.cursor, bucket)?;
            BatchManifestWriter::create_empty_manifest_spool(&places.spool, bucket)?
        };
        let spool = Arc::new(spool);
        if !passed {
            let options = ReindexOptions {
                cursor: places.cursor.clone(),
                spool: Some(spool.clone()),
                ..self.options.clone()
            };
            self.pass.reindex_all_objects(StageStep::Objects, &options).await?;
        }
        let rules = reindex::render_reindex_cursor_scope(bucket, answers);
        Ok(BatchRecord::new_batch_record_from_manifests(
            rules,
            &spool.manifest_run_info(),
            spool.collect_ready_batch_manifests()?,
            price::JOBS_MAX,
        ))
    }

    /// Writes the manifests and makes the jobs that aren't made yet; each is remembered at once, and found again by its
    /// token where that was lost.
    async fn create_batch_jobs(
        &self,
        target: &AwsTarget,
        places: &BatchStatePaths,
        role: &IamRole,
        record: &mut BatchRecord,
    ) -> Result<(), Failure> {
        let (cloud, bucket) = (&target.cloud, target.names.bucket_name());
        let say = self.run.build_step_progress_reporter(StageStep::BatchJobs);
        for index in 0..record.parts.len() {
            let part = &record.parts[index];
            if part.job.is_some() {
                continue;
            }
            let manifest = record.build_batch_manifest_key(part);
            let etag = if let Some(etag) = &part.etag {
                etag.clone()
            } else {
                say(&format!("writing the list of {} objects to {manifest}", part.objects));
                let path = places.spool.join(format!("{}.csv", part.name));
                if !path.exists() {
                    places.remove_local_batch_files();
                    return Err(Failure::new_generic_failure(
                        path.display().to_string(),
                        "it is not there any more",
                        format!("run: {} — what it held is looked at again", render_same_command_again(&[])),
                    ));
                }
                cloud.upload_batch_manifest(bucket, &manifest, &path).await?
            };
            record.parts[index].etag = Some(etag.clone());
            record.save_batch_record(&places.record)?;
            let part = &record.parts[index];
            let wanted = BatchJobSpec {
                set: &part.set,
                manifest: &manifest,
                etag: &etag,
                reports: &record.build_batch_reports_key_prefix(),
                before: record.before,
                role_arn: &role.arn,
                token: &record::derive_batch_request_token(&target.account, bucket, &manifest, &etag),
                description: &format!(
                    "{}{}/{}",
                    record::build_batch_job_description_prefix(bucket),
                    record.run,
                    part.name
                ),
            };
            let id = cloud.create_batch_job(&target.account, &target.names, &wanted).await?;
            record.parts[index].job = Some(id);
            record.save_batch_record(&places.record)?;
        }
        Ok(())
    }

    /// Waits until S3 knows a role that was made or changed: a job that can't read its manifest fails.
    async fn wait_for_role_propagation(&self, changed: Option<Instant>) -> Result<(), Failure> {
        let Some(changed) = changed else { return Ok(()) };
        let left =
            self.session.scale_wait_for_sandbox(ROLE_PROPAGATION_WAIT).saturating_sub(changed.elapsed());
        if !left.is_zero() {
            self.run.build_step_progress_reporter(StageStep::BatchJobs)(&format!(
                "waiting {} s until S3 knows the role",
                left.as_secs() + 1
            ));
            let waiting = async {
                tokio::time::sleep(left).await;
                Ok(())
            };
            self.run.read_unless_stopped(waiting).await?;
        }
        Ok(())
    }

    async fn follow_batch_jobs(
        &self,
        target: &AwsTarget,
        ids: &[String],
        objects: Option<u64>,
        places: &BatchStatePaths,
    ) -> Result<BatchJobsOutcome, Failure> {
        let following = BatchJobFollower {
            cloud: &target.cloud,
            account: &target.account,
            bucket: target.names.bucket_name(),
            ids,
            objects,
            poll_interval: self.session.scale_wait_for_sandbox(POLL_INTERVAL).max(Duration::from_millis(50)),
        };
        let say = |text: &str, pace| self.run.emit_progress_pace(StageStep::BatchJobs, text, pace);
        let list = |unfit: &[FailedBatchTask]| append_failed_tasks_to_file(&places.failed, unfit);
        let follow = || {
            let _ = std::fs::remove_file(&places.failed);
            Box::pin(self.run.read_unless_stopped(following.follow_jobs_to_end(&say, &list)))
        };
        let followed = Box::pin(retry_on_expired_credentials(
            self.session,
            &target.cloud,
            self.run,
            StageStep::BatchJobs,
            follow,
        ))
        .await;
        followed.map_err(|failure| match failure.kind {
            FailureKind::Interrupted => Failure::new(
                FailureKind::Interrupted,
                render_batch_job_count(ids.len()),
                "no longer followed, at your request; they run on at AWS",
                format!("run: {} — it follows them to their end", render_same_command_again(&[])),
            ),
            _ => failure,
        })
    }
}

/// Notes what the jobs could not copy, a JSON object a line.
fn append_failed_tasks_to_file(path: &Path, unfit: &[FailedBatchTask]) -> Result<(), Failure> {
    let lines: String =
        unfit.iter().filter_map(|one| serde_json::to_string(one).ok()).map(|line| line + "\n").collect();
    let written = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(lines.as_bytes()));
    written.map_err(|error| {
        Failure::new_generic_failure(
            path.display().to_string(),
            error.to_string(),
            format!("make room or give another --state-dir, then run: {}", render_same_command_again(&[])),
        )
    })
}

fn render_batch_jobs_outcome(ended: &BatchJobsOutcome, count: usize, failed: &Path) -> String {
    let mut text = format!("{}: {} objects copied by S3", render_batch_job_count(count), ended.succeeded);
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
