//! Whether packagecloud.rb has lost its settings since its newest backup: then no reconfigure may follow it.

use crate::host::{Host, files::sha256_hex};
use crate::model::{
    failure::Failure,
    packagecloud::config_file::{COMPLETE_CONFIG_LINE, ConfigFile, ConfigLoss},
    run::proposed_command::render_same_command_again,
};

use super::{ConfigBackup, LoadedConfig, by_hand::quote_shell_path};

/// How many backups are read for one that says something; one made of a file that was empty already says nothing.
const BACKUPS_READ_MAX: usize = 4;

impl Host {
    /// Refuses a packagecloud.rb that is empty or cut off where a backup has more: a reconfigure would delete from
    /// packagecloud what is gone from it.
    ///
    /// # Errors
    /// Where that is so: with the command that puts the backup back, and the one that goes on without its rest.
    pub async fn refuse_config_that_lost_settings(&self, file: &ConfigFile) -> Result<(), Failure> {
        for backup in self.list_config_backups().await.unwrap_or_default().iter().take(BACKUPS_READ_MAX) {
            let Ok(earlier) = self.transport.read_file(&backup.path).await else { continue };
            match file.find_loss_since(&earlier) {
                // This program's own write, such as a roll-back of the whole file to before some of its lines.
                Some(ConfigLoss::CutOff { .. })
                    if self.is_own_last_config_write(&sha256_hex(file.config_file_bytes())) =>
                {
                    return Ok(());
                }
                Some(loss) => return Err(self.build_config_loss_failure(loss, Some(backup))),
                None if file.has_statements() => return Ok(()),
                None => {}
            }
        }
        Ok(())
    }

    /// Refuses a packagecloud.rb that says nothing, although packagecloud was configured by one.
    ///
    /// # Errors
    /// Where that is so.
    pub async fn refuse_config_without_statements(&self, config: &LoadedConfig) -> Result<(), Failure> {
        self.refuse_config_that_lost_settings(&config.file).await?;
        if config.file.has_statements() {
            return Ok(());
        }
        Err(self.build_config_loss_failure(ConfigLoss::Empty, None))
    }

    fn build_config_loss_failure(&self, loss: ConfigLoss, backup: Option<&ConfigBackup>) -> Failure {
        let again = render_same_command_again(&[]);
        let (lost, on_purpose) = match loss {
            ConfigLoss::Empty => ("no line of it says anything".to_owned(), String::new()),
            ConfigLoss::CutOff { last_line, missing } => (
                format!(
                    "it ends after line {last_line}, where {} goes on with {}",
                    backup.map_or_else(
                        || "a backup".to_owned(),
                        |one| self.prefix_path_with_host(&one.path.display().to_string())
                    ),
                    missing.join(", ")
                ),
                format!(
                    "; or, where that was taken out on purpose, {}",
                    self.render_declare_config_complete(&again)
                ),
            ),
        };
        let mut failure = Failure::new_generic_failure(
            self.render_config_location(),
            format!(
                "{lost}: a reconfigure would delete packagecloud's settings, where its packages lie among them; nothing was written or run"
            ),
            match backup {
                Some(backup) => {
                    format!("{} — then run: {again}{on_purpose}", self.render_put_backup_back(backup))
                }
                None => format!(
                    "put its settings back, from a copy of the file, and run no {} reconfigure before; then run: {again}",
                    self.ctl.render_ctl_command_line()
                ),
            },
        );
        failure.facts.tells_manual_steps = true;
        failure
    }

    /// Renders the command that says of the file, in a comment, that it is complete, and goes on with `again`.
    fn render_declare_config_complete(&self, again: &str) -> String {
        let say = format!(r"printf '\n{COMPLETE_CONFIG_LINE}\n' >> {}", quote_shell_path(&self.config));
        match self.transport.remote_host_name() {
            None => format!("run: {say} && {again}"),
            Some(name) => format!("say so on {name}, as root: {say} — then run: {again}"),
        }
    }

    /// `put the backup back: cp -p … …`, on the host where that is typed.
    pub(super) fn render_put_backup_back(&self, backup: &ConfigBackup) -> String {
        let on = self.transport.remote_host_name().map(|name| format!(" on {name}")).unwrap_or_default();
        format!(
            "put the backup back{on}: cp -p {} {}",
            quote_shell_path(&backup.path),
            quote_shell_path(&self.config)
        )
    }

    /// Returns whether what failed is that packagecloud.rb isn't there: not a host, a program or another file.
    #[must_use]
    pub fn is_config_missing(&self, failure: &Failure) -> bool {
        failure.facts.missing_file.as_deref() == Some(self.config.as_path())
    }

    /// Says of a packagecloud.rb that isn't there what must not be run, and how it comes back.
    pub async fn explain_missing_config(&self, mut failure: Failure) -> Failure {
        let newest = self.list_config_backups().await.unwrap_or_default().into_iter().next();
        let back = match newest {
            Some(backup) => format!("if it is lost, {}", self.render_put_backup_back(&backup)),
            None => "if it is lost, put a copy of it back".to_owned(),
        };
        failure.next = format!(
            "{back} — then run: {} — and run no {} reconfigure before, which would delete packagecloud's settings; or {}",
            render_same_command_again(&[]),
            self.ctl.render_ctl_command_line(),
            failure.next
        );
        failure.facts.tells_manual_steps = true;
        failure
    }
}
