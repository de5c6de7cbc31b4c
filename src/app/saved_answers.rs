//! What `--save-answers` writes: the answers of a run as a file that `--answers` takes, so that a second host is one command.
//!
//! It holds no secret. The consents that `--yes` never gives are written as comments: they were given for one account and
//! one host, and somebody must say them again by name.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use crate::{
    host::write_file_whole,
    model::{
        failure::Failure,
        run::{
            answers::{OperatorAnswers, OriginAccess, ReindexEngine},
            goal::OperatorGoal,
        },
    },
};

/// Where the answers of this run are written, and the newest of them.
#[derive(Debug, Clone, Default)]
pub(super) struct AnswersRecorder {
    path: Option<PathBuf>,
    newest: Arc<Mutex<Option<OperatorAnswers>>>,
}

impl AnswersRecorder {
    /// Makes one that writes to `path`; without one nothing is written.
    pub(super) fn new_answers_recorder(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned), newest: Arc::default() }
    }

    /// Remembers what is answered by now.
    pub(super) fn record_answers(&self, answers: &OperatorAnswers) {
        if self.path.is_some()
            && let Ok(mut newest) = self.newest.lock()
        {
            *newest = Some(answers.clone());
        }
    }

    /// Refuses a place where no file can be written, before anything is asked.
    ///
    /// # Errors
    /// Where the directory isn't there, or the path is a directory's.
    pub(super) fn refuse_unwritable_path(&self) -> Result<(), Failure> {
        let Some(path) = &self.path else { return Ok(()) };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.is_dir() || !dir.is_dir() {
            let why = if path.is_dir() { "it is a directory" } else { "its directory isn't there" };
            return Err(Failure::new_usage_failure(
                format!("--save-answers {}", path.display()),
                why,
                "name a file in a directory that this user may write to",
            ));
        }
        Ok(())
    }

    /// Writes what was answered, 0600, whole or not at all; returns the file, where there is anything to write.
    ///
    /// # Errors
    /// Where the disk refuses it: what stood there stays.
    pub(super) fn write_recorded_answers(&self) -> Result<Option<&Path>, Failure> {
        let newest = self.newest.lock().ok().and_then(|mut newest| newest.take());
        let (Some(path), Some(answers)) = (&self.path, newest) else { return Ok(None) };
        write_file_whole(path, render_answers_file(&answers).as_bytes()).map_err(|error| {
            Failure::new_generic_failure(
                format!("--save-answers {}", path.display()),
                format!("the answers could not be written: {error}"),
                "everything else was done; name a file in a directory that this user may write to, and run it again",
            )
        })?;
        Ok(Some(path))
    }
}

/// Renders what was answered as TOML; what stands as it does without an answer is left out.
fn render_answers_file(answers: &OperatorAnswers) -> String {
    let mut lines = vec![
        "# Answers for packagecloud-cloudfront --answers FILE. A key is an option's name.".to_owned(),
        "# This file holds no secret, and consents to nothing: that stays Enter, or --yes without a terminal."
            .to_owned(),
    ];
    let own_url = answers.probe_url.as_deref().map(remove_url_user);
    let reindex = &answers.reindex;
    let texts = [
        ("goal", answers.goal.map(OperatorGoal::goal_cli_name)),
        ("profile", answers.profile.as_deref()),
        ("bucket", answers.bucket.as_deref()),
        ("region", answers.region.as_deref()),
        ("packages-domain", answers.packages_domain.as_deref()),
        ("certificate", answers.certificate.as_deref()),
        ("permissions-boundary", answers.permissions_boundary.as_deref()),
        ("probe-url", own_url.as_deref()),
        ("backup", answers.roll_back.backup.as_deref()),
    ];
    lines.extend(texts.iter().filter_map(|(key, text)| text.map(|text| render_text_line(key, text))));
    let construction = answers.construction.map(|construction| construction.to_string());
    let chosen = [
        ("name-suffix", answers.suffix.suffix_text()),
        ("construction", construction.as_deref()),
        (
            "origin-access",
            match answers.origin_access {
                OriginAccess::Auto => None,
                OriginAccess::Oai => Some("oai"),
                OriginAccess::Oac => Some("oac"),
            },
        ),
        ("engine", (reindex.engine == ReindexEngine::Batch).then_some("batch")),
        ("vendor-reindex", reindex.vendor.then_some("yes")),
    ];
    lines.extend(chosen.iter().filter_map(|(key, text)| text.map(|text| render_text_line(key, text))));
    let flags = [
        ("prepare", answers.prepare),
        ("skip-reindex", reindex.skip),
        ("rescan", reindex.rescan),
        ("no-acl", reindex.no_acl),
        ("all-keys", reindex.all_keys),
        ("whole-file", answers.roll_back.whole_file),
    ];
    lines.extend(flags.iter().filter(|(_, given)| *given).map(|(key, _)| format!("{key} = true")));
    for (key, globs) in [("package-glob", &reindex.package_globs), ("metadata-glob", &reindex.metadata_globs)]
    {
        if !globs.is_empty() {
            let quoted: Vec<String> = globs.iter().map(|glob| quote_toml_text(glob)).collect();
            lines.push(format!("{key} = [{}]", quoted.join(", ")));
        }
    }
    lines.extend(render_given_consents(answers));
    lines.join("\n") + "\n"
}

/// Renders as comments the consents that were given and that `--yes` never gives.
fn render_given_consents(answers: &OperatorAnswers) -> Vec<String> {
    let consents = &answers.consents;
    let mut given: Vec<String> = [
        ("adopt", consents.adopt),
        ("adopt-bucket-key", consents.adopt_bucket_key),
        ("new-secret", consents.new_secret),
        ("unproven", consents.unproven),
        ("override-expression", consents.override_expression),
        ("other-bucket", consents.other_bucket),
        ("no-other-node", consents.no_other_node),
    ]
    .iter()
    .filter(|(_, given)| *given)
    .map(|(key, _)| format!("# {key} = true"))
    .collect();
    if let Some(managed) = consents.managed.and_then(|managed| clap::ValueEnum::to_possible_value(&managed)) {
        given.push(format!("# managed = {}", quote_toml_text(managed.get_name())));
    }
    if let Some(bucket) = &consents.confirm_bucket {
        given.push(format!("# confirm-bucket = {}", quote_toml_text(bucket)));
    }
    if given.is_empty() {
        return given;
    }
    let head = "# These were consented to on this run alone. To consent to one again, take its # away.";
    [String::new(), head.to_owned()].into_iter().chain(given).collect()
}

fn render_text_line(key: &str, text: &str) -> String {
    format!("{key} = {}", quote_toml_text(text))
}

/// Quotes a text as a TOML basic string: what JSON escapes TOML reads alike, and DEL is the one letter that JSON leaves.
fn quote_toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Takes a user name, which may be a token, out of a URL.
fn remove_url_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let host = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host);
    format!("{scheme}://{host}{}", &rest[end..])
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        app::{answers::merge_cli_over_saved_answers, answers_file::FileAnswers},
        args::CliArguments,
        host::run::state::SavedRun,
        model::run::answers::{ManagedConfigWriteChoice, ReindexAnswers, RollBackAnswers},
    };

    /// Everything that may be answered and isn't a consent.
    fn sample_answers() -> OperatorAnswers {
        OperatorAnswers {
            goal: Some(OperatorGoal::Upgrade),
            profile: Some("production".to_owned()),
            bucket: Some("acme \"packages\"\u{7f}".to_owned()),
            region: Some("eu-west-1".to_owned()),
            suffix: "staging".parse().unwrap(),
            origin_access: OriginAccess::Oac,
            packages_domain: Some("packages.example.com".to_owned()),
            certificate: Some("arn:aws:acm:us-east-1:1:certificate/x".to_owned()),
            permissions_boundary: Some("arn:aws:iam::1:policy/x".to_owned()),
            probe_url: Some("https://packagecloud.example/a/b.deb?x=1".to_owned()),
            construction: Some("raw:path+expires".parse().unwrap()),
            prepare: true,
            reindex: ReindexAnswers {
                skip: true,
                rescan: true,
                no_acl: true,
                all_keys: true,
                package_globs: vec!["*.x".to_owned(), "é/*".to_owned()],
                metadata_globs: vec!["*.y".to_owned()],
                vendor: true,
                engine: ReindexEngine::Batch,
            },
            ..OperatorAnswers::default()
        }
    }

    /// What `enable --answers` makes of a file.
    fn read_answers(dir: &Path, text: &str) -> OperatorAnswers {
        let path = dir.join("answers.toml");
        std::fs::write(&path, text).unwrap();
        let CliArguments { mut global, command } = CliArguments::parse_from(["x", "enable"]);
        let mut command = command.unwrap();
        FileAnswers::read_answers_file(&path).unwrap().fill_in_options(&mut global, &mut command);
        merge_cli_over_saved_answers(&global, &command, SavedRun::default())
    }

    #[test]
    fn what_is_written_is_read_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        for answers in [
            sample_answers(),
            OperatorAnswers { goal: Some(OperatorGoal::Install), ..OperatorAnswers::default() },
        ] {
            let text = render_answers_file(&answers);
            assert_eq!(read_answers(dir.path(), &text), answers, "{text}");
        }
    }

    #[test]
    fn no_secret_and_no_consent_is_written_but_as_a_comment() {
        let dir = tempfile::tempdir().unwrap();
        let mut answers = sample_answers();
        answers.probe_url = Some("https://the-token@packagecloud.example/a/b.deb".to_owned());
        answers.roll_back =
            RollBackAnswers { backup: Some("/x.bak".to_owned()), ..RollBackAnswers::default() };
        answers.consents.adopt = true;
        answers.consents.live_change = true;
        answers.consents.managed = Some(ManagedConfigWriteChoice::Write);
        answers.consents.confirm_bucket = Some("acme".to_owned());
        let text = render_answers_file(&answers);
        assert!(!text.contains("the-token"), "{text}");
        let read = read_answers(dir.path(), &text);
        assert_eq!(read.consents, crate::model::run::answers::OperatorConsents::default(), "{text}");
        assert_eq!(read.probe_url.as_deref(), Some("https://packagecloud.example/a/b.deb"));
        let again =
            read_answers(dir.path(), &text.replace("# adopt", "adopt").replace("# managed", "managed"));
        assert!(again.consents.adopt, "{text}");
        assert_eq!(again.consents.managed, Some(ManagedConfigWriteChoice::Write));
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_a_place_that_cant_be_is_refused_first() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answers.toml");
        std::fs::write(&path, "of before").unwrap();
        let recorder = AnswersRecorder::new_answers_recorder(Some(&path));
        recorder.refuse_unwritable_path().unwrap();
        assert_eq!(recorder.write_recorded_answers().unwrap(), None, "nothing was answered");
        recorder.record_answers(&sample_answers());
        assert_eq!(recorder.write_recorded_answers().unwrap(), Some(&*path));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for refused in [dir.path().to_owned(), dir.path().join("no/answers.toml")] {
            assert!(AnswersRecorder::new_answers_recorder(Some(&refused)).refuse_unwritable_path().is_err());
        }
    }
}
