//! packagecloud.rb on the host: read, written, and restored from its backups.
//!
//! It is written only as it was shown: where the file's hash is another than the plan's, nothing is written.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::model::{
    aws::evidence::ConfigSeen,
    packagecloud::{
        config_file::{ConfigFile, Override, Refusal, diff},
        settings::{HASH, Key, Values},
    },
    run::failure::{Failure, Kind},
};

use super::{
    Host,
    environment::{clock, managed},
    transport,
};

/// packagecloud.rb, as read.
#[derive(Debug, Clone)]
pub struct Config {
    pub file: ConfigFile,
    pub seen: ConfigSeen,
}

/// An edit that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where the old bytes are; `None` where the file said all of it already, and was left alone.
    pub backup: Option<PathBuf>,
    /// A unified diff, secrets hidden; empty where nothing changed.
    pub diff: Vec<String>,
}

/// A backup beside packagecloud.rb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    pub path: PathBuf,
    /// When it was made: `2026-11-23 20:45:00 UTC`.
    pub made: String,
}

/// The lines to type, where a secret is among them.
const BY_HAND: &str = "lines-to-type";
/// How what is typed by hand follows the next move: in its place, or where it works only once that is made.
const OR: &str = "or";
const AFTER_THAT: &str = "or, after that,";

fn shell(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}

/// How many names of backups are looked at at once.
const FEW: usize = 8;

/// What of a backup is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// The four values; with `keep_secret` without the secret, since the edge holds the one that stands.
    Values { keep_secret: bool },
    /// The file, byte for byte.
    WholeFile,
}

impl Host {
    /// packagecloud.rb and what it says.
    ///
    /// # Errors
    /// Where it can't be read, or isn't Ruby: then with the lines to type.
    pub async fn read_config(&self) -> Result<Config, Failure> {
        let root = Path::new("/");
        let clients = if self.clients { managed::places(root) } else { Vec::new() };
        let (bytes, there) = self.reach.read_and_find(&self.config, &clients).await?;
        let file = ConfigFile::parse(&bytes);
        self.redactor.learn_file(&file);
        if let Some(line) = file.error_line() {
            return Err(self.refused(&file, &Refusal::NotRuby(line), &[]));
        }
        let managed = managed::header(&bytes).or_else(|| managed::client(root, &there));
        let mut values = file.values();
        let expressions = file.expressions();
        // What its tool was given and hasn't written yet is as good as written.
        let awaited = self.awaited_secret().filter(|_| {
            managed.is_some()
                && values.secret.is_none()
                && !expressions.iter().any(|(key, ..)| *key == Key::Secret)
        });
        let awaits_secret = awaited.is_some();
        if let Some(secret) = awaited {
            self.redactor.learn(&secret);
            values.secret = Some(secret);
        }
        let seen = ConfigSeen {
            path: self.config_place(),
            hash: transport::hash(&bytes),
            values,
            expressions,
            managed,
            awaits_secret,
        };
        Ok(Config { file, seen })
    }

    /// The hash of packagecloud.rb's bytes, Ruby or not: what [`Self::restore`] must be given.
    pub async fn config_hash(&self) -> Result<String, Failure> {
        Ok(transport::hash(&self.reach.read(&self.config).await?))
    }

    /// Unix time of packagecloud.rb's last change.
    pub async fn config_changed(&self) -> Option<std::time::Duration> {
        self.reach.modified(std::slice::from_ref(&self.config)).await
    }

    /// The diff that writing would make, secrets hidden; empty where it would change nothing.
    ///
    /// # Errors
    /// Where the file can't be edited so; the next move holds the lines to type.
    pub fn preview_config(
        &self,
        file: &ConfigFile,
        wanted: &[(Key, String)],
        expressions: Override,
    ) -> Result<Vec<String>, Failure> {
        let edited = file.set(wanted, expressions).map_err(|refusal| self.refused(file, &refusal, wanted))?;
        Ok(diff(file.bytes(), &edited))
    }

    /// Writes `wanted` (Ruby source, as `Values::ruby` gives it) to the file that was `seen`, with a backup first.
    ///
    /// # Errors
    /// Where the file moved, or can't be edited or written; it is as it was then, and the next move holds the lines to type.
    pub async fn write_config(
        &self,
        seen: &ConfigSeen,
        wanted: &[(Key, String)],
        expressions: Override,
    ) -> Result<Written, Failure> {
        let bytes =
            self.reach.read(&self.config).await.map_err(|failure| self.by_hand(failure, OR, wanted))?;
        if transport::hash(&bytes) != seen.hash {
            return Err(self.moved());
        }
        let file = ConfigFile::parse(&bytes);
        let edited =
            file.set(wanted, expressions).map_err(|refusal| self.refused(&file, &refusal, wanted))?;
        self.redactor.learn_file(&ConfigFile::parse(&edited));
        self.place(&seen.hash, &bytes, &edited).await.map_err(|failure| self.by_hand(failure, OR, wanted))
    }

    /// The backups beside packagecloud.rb, the newest first.
    pub async fn backups(&self) -> Result<Vec<Backup>, Failure> {
        let (dir, name) = self.place_and_name();
        let prefix = format!("{name}.");
        let mut found: Vec<(u64, Backup)> = self
            .reach
            .list(&dir)
            .await?
            .into_iter()
            .filter_map(|file| {
                let stamp = file.strip_prefix(&prefix)?.strip_suffix(".bak")?;
                let (second, nth) = stamp.split_once('-').unwrap_or((stamp, "1"));
                let time = clock::stamped(second)?;
                let nth = nth.parse().ok()?;
                Some((nth, Backup { path: dir.join(&file), made: clock::written(time) }))
            })
            .collect();
        // Of one second's backups the one with the higher number is the newer.
        found.sort_by(|(a, one), (b, other)| (&other.made, b).cmp(&(&one.made, a)));
        Ok(found.into_iter().map(|(_, backup)| backup).collect())
    }

    /// What a backup says of the four values.
    pub async fn read_backup(&self, backup: &Backup) -> Result<Values, Failure> {
        let file = ConfigFile::parse(&self.reach.read(&backup.path).await?);
        self.redactor.learn_file(&file);
        Ok(if file.has_error() { Values::default() } else { file.values() })
    }

    /// The diff that restoring would make, secrets hidden.
    pub async fn preview_restore(&self, backup: &Backup, what: Restore) -> Result<Vec<String>, Failure> {
        let bytes = self.reach.read(&self.config).await?;
        let restored = self.restored(&bytes, backup, what).await?;
        Ok(diff(&bytes, &restored))
    }

    /// Restores from a backup the file whose hash is `seen`, with a backup of what stands now first.
    pub async fn restore(&self, seen: &str, backup: &Backup, what: Restore) -> Result<Written, Failure> {
        let bytes = self.reach.read(&self.config).await?;
        if transport::hash(&bytes) != seen {
            return Err(self.moved());
        }
        let restored = self.restored(&bytes, backup, what).await?;
        self.place(seen, &bytes, &restored).await
    }

    async fn restored(&self, bytes: &[u8], backup: &Backup, what: Restore) -> Result<Vec<u8>, Failure> {
        let old = self.reach.read(&backup.path).await?;
        let (now, then) = (ConfigFile::parse(bytes), ConfigFile::parse(&old));
        self.redactor.learn_file(&now);
        self.redactor.learn_file(&then);
        let Restore::Values { keep_secret } = what else { return Ok(old) };
        let whole = |why: String| {
            let next = "restore the whole file with --whole-file, or edit it by hand";
            Failure::other(backup.path.display().to_string(), why, next)
        };
        if let Some(line) = then.error_line() {
            return Err(whole(format!("line {line} is not Ruby")));
        }
        if let Some((key, line, text)) = then.expressions().first() {
            return Err(whole(format!("{} is an expression there, on line {line}: {text}", key.name())));
        }
        let values = then.values();
        let wanted: Vec<(Key, Option<String>)> = Key::ALL
            .into_iter()
            .filter(|key| !(keep_secret && *key == Key::Secret))
            .map(|key| (key, values.ruby(key)))
            .collect();
        now.restore(&wanted).map_err(|refusal| match refusal {
            Refusal::Unsure => whole("its values can't be put back line by line".to_owned()),
            other => self.refused(&now, &other, &[]),
        })
    }

    async fn place(&self, seen: &str, old: &[u8], new: &[u8]) -> Result<Written, Failure> {
        if old == new {
            return Ok(Written { backup: None, diff: Vec::new() });
        }
        let backup = self.fresh_backup().await;
        let before = self.pending(seen).await;
        self.reach.replace(&self.config, seen, new, &backup).await?;
        self.note_written(&transport::hash(new), before);
        Ok(Written { backup: Some(backup), diff: diff(old, new) })
    }

    /// `packagecloud.rb.<UTC>.bak`; several of one second are told apart by `-2`, `-3`, ….
    async fn fresh_backup(&self) -> PathBuf {
        let (dir, name) = self.place_and_name();
        let stamp = clock::stamp(self.clock.now());
        let named = |count: usize| match count {
            1 => dir.join(format!("{name}.{stamp}.bak")),
            _ => dir.join(format!("{name}.{stamp}-{count}.bak")),
        };
        for from in (1..).step_by(FEW) {
            let paths: Vec<PathBuf> = (from..from + FEW).map(named).collect();
            let there = self.reach.existing(&paths).await;
            if let Some(free) = paths.into_iter().find(|path| !there.contains(path)) {
                return free;
            }
        }
        named(1)
    }

    fn place_and_name(&self) -> (PathBuf, String) {
        let dir = self.config.parent().filter(|dir| !dir.as_os_str().is_empty());
        let name = self.config.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (dir.unwrap_or(".".as_ref()).to_owned(), name)
    }

    fn moved(&self) -> Failure {
        Failure::drifted(self.config_place(), "it was changed since it was read, so it was not overwritten")
    }

    /// What to type where the file can't be written. A secret is never said: its line is put into a file of this user's.
    fn lines(&self, wanted: &[(Key, String)]) -> String {
        if wanted.iter().any(|(key, _)| *key == Key::Secret) {
            let line = |(key, value): &(Key, String)| format!("{HASH}['{}'] = {value}\n", key.name());
            let text: String = wanted.iter().map(line).collect();
            if let Ok(kept) = self.state.write(&self.note_name(BY_HAND), text.as_bytes()) {
                let (kept, path) = (shell(&kept), shell(&self.config));
                return match self.reach.name() {
                    None => format!("to do it by hand: cat {kept} >> {path}"),
                    Some(name) => format!("to do it by hand: ssh {name} 'cat >> {path}' < {kept}"),
                };
            }
        }
        let off = [(Key::Enabled, "false".to_owned())];
        let wanted = if wanted.is_empty() { &off } else { wanted };
        let line = |(key, value): &(Key, String)| {
            let value = if *key == Key::Secret { "'(hidden)'" } else { value };
            format!("{HASH}['{}'] = {value}", key.name())
        };
        let lines: Vec<String> = wanted.iter().map(line).collect();
        let verb = if wanted == off { "to switch CloudFront off by hand" } else { "to do it by hand" };
        let ctl = self.ctl.name();
        format!(
            "{verb}, make this the end of {}: {} ; then run{}: {ctl} reconfigure && {ctl} restart",
            self.config_place(),
            lines.join(" ; "),
            self.reach.name().map(|name| format!(" on {name}")).unwrap_or_default(),
        )
    }

    /// A failure whose next move is followed, after `then`, by what to type.
    fn by_hand(&self, mut failure: Failure, then: &str, wanted: &[(Key, String)]) -> Failure {
        if failure.kind != Kind::Drifted {
            failure.next = format!("{}; {then} {}", failure.next, self.lines(wanted));
        }
        failure
    }

    fn refused(&self, file: &ConfigFile, refusal: &Refusal, wanted: &[(Key, String)]) -> Failure {
        let path = self.config_place();
        match refusal {
            Refusal::NotRuby(line) => self.by_hand(
                Failure::other(
                    path,
                    format!("line {line} is not Ruby: {}", file.line(*line)),
                    format!("correct line {line} (ruby -c shows why), or put # before it, then look again"),
                ),
                AFTER_THAT,
                wanted,
            ),
            Refusal::Expressions(lines) => {
                let lines: Vec<String> =
                    lines.iter().map(|(_, number, text)| format!("line {number}: {text}")).collect();
                Failure::consent(
                    path,
                    format!("what stands there is an expression, {}", lines.join("; ")),
                    "let a line at the end of the file override it with --override-expression, or change that line by hand",
                )
            }
            Refusal::Leaves(line) => self.by_hand(
                Failure::other(
                    path,
                    format!("line {line} leaves the file, so nothing after it is run: {}", file.line(*line)),
                    format!("take line {line} out, then look again"),
                ),
                AFTER_THAT,
                wanted,
            ),
            Refusal::Unsure => self.by_hand(
                Failure::other(
                    path,
                    "the edited file would not surely say what is wanted, so it was left alone",
                    "look at its last lines for something that doesn't end",
                ),
                OR,
                wanted,
            ),
        }
    }
}
