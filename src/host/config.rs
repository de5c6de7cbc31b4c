//! packagecloud.rb on the host: read, written, and restored from its backups.
//!
//! It is written only as it was shown: where the file's hash is another than the plan's, nothing is written.

mod by_hand;
mod loss;
mod parsed;
mod read_problem;
mod running;
#[cfg(test)]
mod tests;

pub use parsed::ParsedConfigCache;
use read_problem::explain_read_problem;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::evidence::ObservedPackagecloudConfig,
    failure::Failure,
    packagecloud::{
        config_file::{ConfigEditRefusal, ConfigFile, RubyExpressionEditMode, render_redacted_diff},
        settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    },
};

use super::{
    Host,
    blocking_work::run_work_off_tasks,
    environment::{clock, managed},
    files::{remove_abandoned_temporary_files, sha256_hex},
    transport::FileReplacementMethod,
};

/// packagecloud.rb, as read.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    pub file: Arc<ConfigFile>,
    pub seen: ObservedPackagecloudConfig,
}

/// An edit that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWriteResult {
    /// Where the old bytes are; `None` where the file said all of it already, and was left alone.
    pub backup: Option<PathBuf>,
    /// A unified diff, secrets hidden; empty where nothing changed.
    pub diff: Vec<String>,
    /// Whether the file is mounted by itself, so that its bytes were written over.
    pub written_in_place: bool,
}

impl ConfigWriteResult {
    /// Returns what a write did that changed nothing.
    #[must_use]
    pub fn new_unchanged_result() -> Self {
        Self { backup: None, diff: Vec::new(), written_in_place: false }
    }
}

/// A backup beside packagecloud.rb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigBackup {
    pub path: PathBuf,
    /// When it was made: `2026-11-23 20:45:00 UTC`.
    pub made: String,
}

/// What a backup says of CloudFront.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigBackupContent {
    pub values: CloudFrontSettingValues,
    pub may_be_on: bool,
    /// Why nothing of it can be told, as a sentence without its place.
    pub unreadable: Option<String>,
}

/// How many names of backups are looked at at once.
const BACKUP_NAMES_PER_LOOK: usize = 8;

/// What of a backup is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigRestoreScope {
    /// The four values; with `keep_secret` without the secret, since the edge holds the one that stands.
    Values { keep_secret: bool },
    /// The file, byte for byte.
    WholeFile,
}

impl Host {
    /// Reads packagecloud.rb and what it says.
    ///
    /// # Errors
    /// Where it can't be read, or isn't Ruby: then with the lines to type.
    pub async fn read_packagecloud_config(&self) -> Result<LoadedConfig, Failure> {
        let root = Path::new("/");
        let clients = if self.looks_for_clients {
            managed::list_config_management_agent_paths(root)
        } else {
            Vec::new()
        };
        let (bytes, there) = self.transport.read_file_and_find_existing_paths(&self.config, &clients).await?;
        let file = self.parse_config(&bytes).await;
        self.redactor.learn_config_file_secrets(&file);
        if let Some(problem) = file.read_problem() {
            if !file.has_statements() {
                self.refuse_config_that_lost_settings(&file).await?;
            }
            return Err(self.build_edit_refusal_failure(&file, &ConfigEditRefusal::Unreadable(problem), &[]));
        }
        let managed = managed::find_managed_file_header(&bytes)
            .or_else(|| managed::find_config_management_tool(root, &there));
        let mut values = file.cloudfront_setting_values();
        let expressions = file.find_setting_expressions();
        // What its tool was given and hasn't written yet is as good as written.
        let awaited = self.read_secret_awaiting_config_write().filter(|_| {
            managed.is_some()
                && values.secret.is_none()
                && !expressions.iter().any(|(key, ..)| *key == CloudFrontSettingKey::Secret)
        });
        let awaits_secret = awaited.is_some();
        if let Some(secret) = awaited {
            self.redactor.learn_secret_to_redact(&secret);
            values.secret = Some(secret);
        }
        let seen = ObservedPackagecloudConfig {
            path: self.render_config_location(),
            hash: sha256_hex(&bytes),
            values,
            expressions,
            unsettled: file.find_unsettled_settings(),
            may_be_on: file.may_cloudfront_be_on(),
            managed,
            awaits_secret,
        };
        Ok(LoadedConfig { file, seen })
    }

    /// Reads the hash of packagecloud.rb's bytes, Ruby or not: what [`Self::restore_config_backup`] must be given.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn read_packagecloud_rb_hash(&self) -> Result<String, Failure> {
        Ok(sha256_hex(&self.transport.read_file(&self.config).await?))
    }

    /// Reads the Unix time of packagecloud.rb's last change.
    pub async fn read_config_change_time(&self) -> Option<std::time::Duration> {
        self.transport.read_newest_file_change_time(std::slice::from_ref(&self.config)).await
    }

    /// Returns the diff that writing would make, secrets hidden; empty where it would change nothing.
    ///
    /// # Errors
    /// Where the file can't be edited so; the next move holds the lines to type.
    pub async fn preview_config_write_diff(
        &self,
        file: &Arc<ConfigFile>,
        wanted: &[(CloudFrontSettingKey, String)],
        expressions: RubyExpressionEditMode,
    ) -> Result<Vec<String>, Failure> {
        let edited = self.edit_config(file, wanted, expressions).await?;
        Ok(render_redacted_diff(file, &edited))
    }

    /// Returns the file with `wanted` set.
    async fn edit_config(
        &self,
        file: &Arc<ConfigFile>,
        wanted: &[(CloudFrontSettingKey, String)],
        expressions: RubyExpressionEditMode,
    ) -> Result<Arc<ConfigFile>, Failure> {
        let (old, values) = (Arc::clone(file), wanted.to_vec());
        let edited = parsed::run_blocking(move || old.render_config_with_values(&values, expressions)).await;
        let edited = edited.map_err(|refusal| self.build_edit_refusal_failure(file, &refusal, wanted))?;
        Ok(self.parsed.keep_parsed_config(edited))
    }

    /// Parses the bytes of a packagecloud.rb, off the tasks that hear signals; the same bytes once.
    async fn parse_config(&self, bytes: &[u8]) -> Arc<ConfigFile> {
        self.parsed.parse_config_once(bytes).await
    }

    /// Writes `wanted` (Ruby source, as [`CloudFrontSettingValues::render_setting_edits`] gives it) to the file that was
    /// `seen`, with a backup first.
    ///
    /// # Errors
    /// Where the file moved, or can't be edited or written; it is as it was then, and the next move holds the lines to type.
    pub async fn write_packagecloud_config(
        &self,
        seen: &ObservedPackagecloudConfig,
        wanted: &[(CloudFrontSettingKey, String)],
        expressions: RubyExpressionEditMode,
    ) -> Result<ConfigWriteResult, Failure> {
        let bytes = self
            .transport
            .read_file(&self.config)
            .await
            .map_err(|failure| self.append_edit_by_hand(failure, None, wanted))?;
        if sha256_hex(&bytes) != seen.hash {
            return Err(self.build_config_drifted_failure());
        }
        let file = self.parse_config(&bytes).await;
        self.refuse_config_that_lost_settings(&file).await?;
        let edited = self.edit_config(&file, wanted, expressions).await?;
        self.redactor.learn_config_file_secrets(&edited);
        self.write_config_keeping_backup(&file, &edited)
            .await
            .map_err(|failure| self.append_edit_by_hand(failure, Some((&file, &edited)), wanted))
    }

    /// Lists the backups beside packagecloud.rb, the newest first.
    ///
    /// # Errors
    /// Where the directory can't be listed.
    pub async fn list_config_backups(&self) -> Result<Vec<ConfigBackup>, Failure> {
        let (dir, name) = self.split_config_dir_and_name();
        let prefix = format!("{name}.");
        let mut found: Vec<(u64, ConfigBackup)> = self
            .transport
            .list_dir(&dir)
            .await?
            .into_iter()
            .filter_map(|file| {
                let stamp = file.strip_prefix(&prefix)?.strip_suffix(".bak")?;
                let (second, nth) = stamp.split_once('-').unwrap_or((stamp, "1"));
                let time = clock::parse_filename_timestamp(second)?;
                let nth = nth.parse().ok()?;
                Some((nth, ConfigBackup { path: dir.join(&file), made: clock::render_utc_time(time) }))
            })
            .collect();
        // Of one second's backups the one with the higher number is the newer.
        found.sort_by(|(a, one), (b, other)| (&other.made, b).cmp(&(&one.made, a)));
        Ok(found.into_iter().map(|(_, backup)| backup).collect())
    }

    /// Reads what a backup says of CloudFront.
    ///
    /// # Errors
    /// Where the backup can't be read.
    pub async fn read_config_backup(&self, backup: &ConfigBackup) -> Result<ConfigBackupContent, Failure> {
        let file = self.parse_config(&self.transport.read_file(&backup.path).await?).await;
        self.redactor.learn_config_file_secrets(&file);
        Ok(match file.read_problem() {
            Some(problem) => ConfigBackupContent {
                values: CloudFrontSettingValues::default(),
                may_be_on: true,
                unreadable: Some(explain_read_problem(&file, problem)),
            },
            None => ConfigBackupContent {
                values: file.cloudfront_setting_values(),
                may_be_on: file.may_cloudfront_be_on(),
                unreadable: None,
            },
        })
    }

    /// Returns the diff that restoring would make, secrets hidden.
    ///
    /// # Errors
    /// Where the file or the backup can't be read, or the file can't be edited so.
    pub async fn preview_config_restore(
        &self,
        backup: &ConfigBackup,
        what: ConfigRestoreScope,
    ) -> Result<Vec<String>, Failure> {
        let now = self.parse_config(&self.transport.read_file(&self.config).await?).await;
        let restored = self.apply_backup_to_config(&now, backup, what).await?;
        Ok(render_redacted_diff(&now, &restored))
    }

    /// Restores from a backup the file whose hash is `seen`, with a backup of what stands now first.
    ///
    /// # Errors
    /// Where the file moved, or can't be edited or written; it is as it was then.
    pub async fn restore_config_backup(
        &self,
        seen: &str,
        backup: &ConfigBackup,
        what: ConfigRestoreScope,
    ) -> Result<ConfigWriteResult, Failure> {
        let bytes = self.transport.read_file(&self.config).await?;
        if sha256_hex(&bytes) != seen {
            return Err(self.build_config_drifted_failure());
        }
        let now = self.parse_config(&bytes).await;
        let restored = self.apply_backup_to_config(&now, backup, what).await?;
        self.write_config_keeping_backup(&now, &restored).await
    }

    async fn apply_backup_to_config(
        &self,
        now: &Arc<ConfigFile>,
        backup: &ConfigBackup,
        what: ConfigRestoreScope,
    ) -> Result<Arc<ConfigFile>, Failure> {
        let then = self.parse_config(&self.transport.read_file(&backup.path).await?).await;
        self.redactor.learn_config_file_secrets(now);
        self.redactor.learn_config_file_secrets(&then);
        let ConfigRestoreScope::Values { keep_secret } = what else { return Ok(then) };
        if now.differs_only_in_our_lines(&then, keep_secret) {
            return Ok(then);
        }
        let whole = |why: String| {
            let path = backup.path.display().to_string();
            let next = format!(
                "restore the whole file: {} — or edit it by hand",
                render_proposed_command("roll-back", &[&path, "--whole-file"])
            );
            Failure::new_generic_failure(path, why, next)
        };
        if let Some(problem) = then.read_problem() {
            return Err(whole(explain_read_problem(&then, problem)));
        }
        let open = then.find_setting_expressions().into_iter().chain(then.find_unsettled_settings());
        if let Some((key, line, text)) = open.min_by_key(|(_, line, _)| *line) {
            return Err(whole(format!(
                "what {} is there depends on line {line}: {text}",
                key.setting_name()
            )));
        }
        let values = then.cloudfront_setting_values();
        let wanted: Vec<(CloudFrontSettingKey, Option<String>)> = CloudFrontSettingKey::ALL
            .into_iter()
            .filter(|key| !(keep_secret && *key == CloudFrontSettingKey::Secret))
            .map(|key| (key, values.render_setting_as_ruby(key)))
            .collect();
        let old = Arc::clone(now);
        let restored = parsed::run_blocking(move || old.render_config_with_restored_values(&wanted)).await;
        let restored = restored.map_err(|refusal| match refusal {
            ConfigEditRefusal::Unsure => whole("its values can't be put back line by line".to_owned()),
            other => self.build_edit_refusal_failure(now, &other, &[]),
        })?;
        Ok(self.parsed.keep_parsed_config(restored))
    }

    async fn write_config_keeping_backup(
        &self,
        old: &ConfigFile,
        new: &ConfigFile,
    ) -> Result<ConfigWriteResult, Failure> {
        let (before, after) = (old.config_file_bytes(), new.config_file_bytes());
        if before == after {
            return Ok(ConfigWriteResult::new_unchanged_result());
        }
        let seen = sha256_hex(before);
        let backup = self.choose_config_backup_path().await;
        let pending = self.read_pending_config_changes(&seen).await;
        let _writing = self.unfinished.begin_host_work();
        let method = self.transport.replace_file_if_unchanged(&self.config, &seen, after, &backup).await?;
        self.note_own_config_write(&sha256_hex(after), pending);
        Ok(ConfigWriteResult {
            backup: Some(backup),
            diff: render_redacted_diff(old, new),
            written_in_place: method == FileReplacementMethod::WrittenInPlace,
        })
    }

    /// Removes what a run that was killed while it wrote packagecloud.rb left beside it: it holds the secrets of both. On
    /// another host the next write does.
    pub async fn remove_abandoned_config_writes(&self) {
        if self.transport.remote_host_name().is_some() {
            return;
        }
        let config = self.config.clone();
        let cleaned = run_work_off_tasks(move || {
            let target = std::fs::canonicalize(&config).unwrap_or(config);
            if let Some(dir) = target.parent() {
                remove_abandoned_temporary_files(dir, target.file_name());
            }
        });
        // A mount that hangs is told by whatever reads the file.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), cleaned).await;
    }

    /// `packagecloud.rb.<UTC>.bak`; several of one second are told apart by `-2`, `-3`, ….
    async fn choose_config_backup_path(&self) -> PathBuf {
        let (dir, name) = self.split_config_dir_and_name();
        let stamp = clock::render_time_for_file_name(self.clock.read_host_clock());
        let named = |count: usize| match count {
            1 => dir.join(format!("{name}.{stamp}.bak")),
            _ => dir.join(format!("{name}.{stamp}-{count}.bak")),
        };
        for from in (1..).step_by(BACKUP_NAMES_PER_LOOK) {
            let paths: Vec<PathBuf> = (from..from + BACKUP_NAMES_PER_LOOK).map(named).collect();
            let there = self.transport.find_existing_paths(&paths).await;
            if let Some(free) = paths.into_iter().find(|path| !there.contains(path)) {
                return free;
            }
        }
        named(1)
    }

    fn split_config_dir_and_name(&self) -> (PathBuf, String) {
        let dir = self.config.parent().filter(|dir| !dir.as_os_str().is_empty());
        let name = self.config.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (dir.unwrap_or(".".as_ref()).to_owned(), name)
    }

    fn build_config_drifted_failure(&self) -> Failure {
        Failure::new_plan_drift_failure(
            self.render_config_location(),
            "it was changed since it was read, so it was not overwritten",
        )
    }

    fn build_edit_refusal_failure(
        &self,
        file: &ConfigFile,
        refusal: &ConfigEditRefusal,
        wanted: &[(CloudFrontSettingKey, String)],
    ) -> Failure {
        let path = self.render_config_location();
        match refusal {
            ConfigEditRefusal::Unreadable(problem) => {
                self.append_edit_by_hand(self.build_read_problem_failure(file, *problem), None, wanted)
            }
            ConfigEditRefusal::Expressions(lines) => {
                let lines: Vec<String> =
                    lines.iter().map(|(_, number, text)| format!("line {number}: {text}")).collect();
                Failure::new_missing_consent_failure(
                    path,
                    format!("what these values are is not settled by a plain line, {}", lines.join("; ")),
                    format!(
                        "let marked lines override it: {} — or change that line by hand",
                        render_same_command_again(&["--override-expression"])
                    ),
                )
            }
            ConfigEditRefusal::EarlyExit(line) => self.append_edit_by_hand(
                Failure::new_generic_failure(
                    path,
                    format!(
                        "line {line} may change the values and end the file at once, so no line after it would be run: {}",
                        file.redact_config_line(*line)
                    ),
                    format!("put what line {line} does on two lines, then look again"),
                ),
                None,
                wanted,
            ),
            ConfigEditRefusal::Unsure => self.append_edit_by_hand(
                Failure::new_generic_failure(
                    path,
                    "the edited file would not surely say what is wanted, so it was left alone",
                    "look at its last lines for something that doesn't end",
                ),
                None,
                wanted,
            ),
        }
    }
}
