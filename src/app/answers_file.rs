//! The answers file that `--answers` names: what would be asked, answered in advance (contract section 2).
//!
//! A key is an option's name, and stands in the place of that option where it isn't given: so every face takes it. No key
//! holds a secret, and none is a consent but those that have an option of their own.

use std::{io::Read as _, path::Path, str::FromStr};

use clap::ValueEnum;
use toml::de::{DeTable, DeValue};

use crate::{
    args::{CliCommand, GlobalOptions, OperatorGoalArgument, ReindexFlags, YesOrNo},
    model::{
        aws::names::{self, ResourceNameSuffix},
        failure::Failure,
        run::{
            answers::{ManagedConfigWriteChoice, OriginAccess, ReindexEngine},
            goal::OperatorGoal,
        },
        url::token::UrlTokenConstruction,
    },
};

/// Bytes of an answers file: a real one has a hundredth of it.
const ANSWERS_FILE_BYTES_MAX: u64 = 64 * 1024;

/// What an answers file says; what it leaves open is none, or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileAnswers {
    pub goal: Option<OperatorGoal>,
    prepare: Option<bool>,
    profile: Option<String>,
    bucket: Option<String>,
    region: Option<String>,
    name_suffix: Option<ResourceNameSuffix>,
    origin_access: Option<OriginAccess>,
    packages_domain: Option<String>,
    certificate: Option<String>,
    permissions_boundary: Option<String>,
    probe_url: Option<String>,
    construction: Option<UrlTokenConstruction>,
    skip_reindex: Option<bool>,
    rescan: Option<bool>,
    no_acl: Option<bool>,
    all_keys: Option<bool>,
    package_globs: Vec<String>,
    metadata_globs: Vec<String>,
    vendor_reindex: Option<YesOrNo>,
    engine: Option<ReindexEngine>,
    backup: Option<String>,
    whole_file: Option<bool>,
    anyway: Option<bool>,
    adopt: Option<bool>,
    adopt_bucket_key: Option<bool>,
    new_secret: Option<bool>,
    unproven: Option<bool>,
    managed: Option<ManagedConfigWriteChoice>,
    override_expression: Option<bool>,
    other_bucket: Option<bool>,
    confirm_bucket: Option<String>,
    no_other_node: Option<bool>,
}

/// Takes one value into the answers, or says what it must be.
type TakeAnswer = fn(&mut FileAnswers, &DeValue<'_>) -> Result<(), String>;

/// Every key that an answers file may hold, in the order in which they are listed.
#[rustfmt::skip] // a row a line: it is read as a table
const ANSWER_KEYS: &[(&str, TakeAnswer)] = &[
    ("goal", |file, value| take_goal(&mut file.goal, value)),
    ("prepare", |file, value| take_yes_or_no(&mut file.prepare, value)),
    ("profile", |file, value| take_text(&mut file.profile, value)),
    ("bucket", |file, value| take_text(&mut file.bucket, value)),
    ("region", |file, value| take_text(&mut file.region, value)),
    ("name-suffix", |file, value| take_parsed_text(&mut file.name_suffix, value)),
    ("origin-access", |file, value| take_choice(&mut file.origin_access, value)),
    ("packages-domain", |file, value| take_domain(&mut file.packages_domain, value)),
    ("certificate", |file, value| take_text(&mut file.certificate, value)),
    ("permissions-boundary", |file, value| take_text(&mut file.permissions_boundary, value)),
    ("probe-url", |file, value| take_url(&mut file.probe_url, value)),
    ("construction", |file, value| take_parsed_text(&mut file.construction, value)),
    ("skip-reindex", |file, value| take_yes_or_no(&mut file.skip_reindex, value)),
    ("rescan", |file, value| take_yes_or_no(&mut file.rescan, value)),
    ("no-acl", |file, value| take_yes_or_no(&mut file.no_acl, value)),
    ("all-keys", |file, value| take_yes_or_no(&mut file.all_keys, value)),
    ("package-glob", |file, value| take_texts(&mut file.package_globs, value)),
    ("metadata-glob", |file, value| take_texts(&mut file.metadata_globs, value)),
    ("vendor-reindex", |file, value| take_choice(&mut file.vendor_reindex, value)),
    ("engine", |file, value| take_choice(&mut file.engine, value)),
    ("backup", |file, value| take_text(&mut file.backup, value)),
    ("whole-file", |file, value| take_yes_or_no(&mut file.whole_file, value)),
    ("anyway", |file, value| take_yes_or_no(&mut file.anyway, value)),
    ("adopt", |file, value| take_yes_or_no(&mut file.adopt, value)),
    ("adopt-bucket-key", |file, value| take_yes_or_no(&mut file.adopt_bucket_key, value)),
    ("new-secret", |file, value| take_yes_or_no(&mut file.new_secret, value)),
    ("unproven", |file, value| take_yes_or_no(&mut file.unproven, value)),
    ("managed", |file, value| take_choice(&mut file.managed, value)),
    ("override-expression", |file, value| take_yes_or_no(&mut file.override_expression, value)),
    ("other-bucket", |file, value| take_yes_or_no(&mut file.other_bucket, value)),
    ("confirm-bucket", |file, value| take_text(&mut file.confirm_bucket, value)),
    ("no-other-node", |file, value| take_yes_or_no(&mut file.no_other_node, value)),
];

impl FileAnswers {
    /// Reads the answers file at `path`.
    ///
    /// # Errors
    /// Where it can't be read, is no TOML, or holds a key or a value that isn't known: with its line, and never with the value,
    /// which may be a secret that was put there by mistake.
    pub(super) fn read_answers_file(path: &Path) -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(ANSWERS_FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|error| {
                build_answers_failure(
                    path,
                    format!("it can't be read: {error}"),
                    "name with --answers a file that this user may read",
                )
            })?;
        if bytes.len() as u64 > ANSWERS_FILE_BYTES_MAX {
            return Err(build_answers_failure(
                path,
                format!("it is longer than {ANSWERS_FILE_BYTES_MAX} bytes"),
                "name the answers file itself",
            ));
        }
        let text = String::from_utf8(bytes).map_err(|_| {
            build_answers_failure(path, "it isn't UTF-8 text".to_owned(), "write it as plain TOML")
        })?;
        Self::parse_answers_text(&text).map_err(|refusal| {
            build_answers_failure(path, format!("line {}: {}", refusal.line, refusal.why), &refusal.next)
        })
    }

    fn parse_answers_text(text: &str) -> Result<Self, RefusedAnswer> {
        let line_at = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let table = DeTable::parse(text).map_err(|error| RefusedAnswer {
            line: line_at(error.span().map_or(0, |span| span.start)),
            why: format!("it is no TOML: {}", error.message()),
            next: "write it as: bucket = \"acme-packages\"".to_owned(),
        })?;
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut file = Self::default();
        for (key, value) in entries {
            let name: &str = key.get_ref();
            let refuse =
                |why: String, next: String| RefusedAnswer { line: line_at(key.span().start), why, next };
            let Some((_, take)) = ANSWER_KEYS.iter().find(|(known, _)| *known == name) else {
                let known: Vec<&str> = ANSWER_KEYS.iter().map(|(known, _)| *known).collect();
                return Err(refuse(
                    format!("{name} is no answer that this program knows"),
                    format!("take it out, or write one of: {}", known.join(", ")),
                ));
            };
            take(&mut file, value.get_ref()).map_err(|expected| {
                refuse(format!("{name} must be {expected}"), "correct that line".to_owned())
            })?;
        }
        Ok(file)
    }

    /// Puts each answer in the place of the option of that name, where the command line and the environment don't give it.
    pub(super) fn fill_in_options(&self, global: &mut GlobalOptions, command: &mut CliCommand) {
        // A region and a certificate belong to the bucket and the domain that stand beside them.
        let same_bucket = is_same_or_open(global.bucket.as_ref(), self.bucket.as_ref());
        let same_domain = is_same_or_open(global.packages_domain.as_ref(), self.packages_domain.as_ref());
        fill_if_open(&mut global.region, self.region.as_ref().filter(|_| same_bucket));
        fill_if_open(&mut global.certificate, self.certificate.as_ref().filter(|_| same_domain));
        fill_if_open(&mut global.bucket, self.bucket.as_ref());
        fill_if_open(&mut global.packages_domain, self.packages_domain.as_ref());
        fill_if_open(&mut global.profile, self.profile.as_ref());
        fill_if_open(&mut global.name_suffix, self.name_suffix.as_ref());
        fill_if_open(&mut global.origin_access, self.origin_access.as_ref());
        fill_if_open(&mut global.permissions_boundary, self.permissions_boundary.as_ref());
        fill_if_open(&mut global.probe_url, self.probe_url.as_ref());
        fill_if_open(&mut global.construction, self.construction.as_ref());
        global.anyway |= self.anyway == Some(true);
        self.fill_in_consents(global);
        self.fill_in_command(command);
    }

    fn fill_in_consents(&self, global: &mut GlobalOptions) {
        let consents = &mut global.consents;
        for (flag, answer) in [
            (&mut consents.adopt, self.adopt),
            (&mut consents.adopt_bucket_key, self.adopt_bucket_key),
            (&mut consents.new_secret, self.new_secret),
            (&mut consents.unproven, self.unproven),
            (&mut consents.override_expression, self.override_expression),
            (&mut consents.other_bucket, self.other_bucket),
            (&mut consents.no_other_node, self.no_other_node),
        ] {
            *flag |= answer == Some(true);
        }
        fill_if_open(&mut consents.managed, self.managed.as_ref());
        fill_if_open(&mut consents.confirm_bucket, self.confirm_bucket.as_ref());
    }

    fn fill_in_command(&self, command: &mut CliCommand) {
        match command {
            CliCommand::Wizard { goal, reindex } | CliCommand::Plan { goal, reindex, .. } => {
                fill_if_open(goal, self.find_goal_argument().as_ref());
                self.fill_in_reindex_flags(reindex);
            }
            // A plan that was kept says what is done.
            CliCommand::Enable { plan: Some(_), .. } => {}
            CliCommand::Enable { upgrade, prepare, reindex, .. } => {
                *upgrade |= self.goal == Some(OperatorGoal::Upgrade);
                *prepare |= self.prepare == Some(true);
                self.fill_in_reindex_flags(reindex);
            }
            CliCommand::ReindexEverything { reindex } => self.fill_in_reindex_flags(reindex),
            CliCommand::Check { engine, .. } => fill_if_open(&mut engine.engine, self.engine.as_ref()),
            _ => {}
        }
    }

    /// Returns the goal as `--goal` has it: rolling back is none of its words.
    fn find_goal_argument(&self) -> Option<OperatorGoalArgument> {
        match self.goal? {
            OperatorGoal::Install => Some(OperatorGoalArgument::Install),
            OperatorGoal::Upgrade => Some(OperatorGoalArgument::Upgrade),
            OperatorGoal::Disable => Some(OperatorGoalArgument::Disable),
            OperatorGoal::Rotate => Some(OperatorGoalArgument::Rotate),
            OperatorGoal::RollBack => None,
        }
    }

    fn fill_in_reindex_flags(&self, flags: &mut ReindexFlags) {
        for (flag, answer) in [
            (&mut flags.skip_reindex, self.skip_reindex),
            (&mut flags.rescan, self.rescan),
            (&mut flags.no_acl, self.no_acl),
            (&mut flags.all_keys, self.all_keys),
        ] {
            *flag |= answer == Some(true);
        }
        for (globs, answers) in
            [(&mut flags.package_glob, &self.package_globs), (&mut flags.metadata_glob, &self.metadata_globs)]
        {
            if globs.is_empty() {
                globs.clone_from(answers);
            }
        }
        if self.vendor_reindex == Some(YesOrNo::Yes) {
            flags.vendor_reindex = YesOrNo::Yes;
        }
        fill_if_open(&mut flags.engine.engine, self.engine.as_ref());
    }

    /// Returns the command that reaches the goal where there is no terminal for the wizard.
    ///
    /// # Errors
    /// Where the goal is left open, or the backup that rolling back goes to.
    pub(super) fn build_command_of_goal(
        &self,
        goal: Option<OperatorGoal>,
        reindex: ReindexFlags,
    ) -> Result<CliCommand, Failure> {
        let prepare = self.prepare == Some(true);
        match goal.or(self.goal) {
            Some(goal @ (OperatorGoal::Install | OperatorGoal::Upgrade)) => {
                let upgrade = goal == OperatorGoal::Upgrade;
                Ok(CliCommand::Enable { upgrade, prepare, plan: None, reindex })
            }
            Some(OperatorGoal::Disable) => Ok(CliCommand::Disable),
            Some(OperatorGoal::Rotate) => Ok(CliCommand::RotateSecret { finish: false, leaked: false }),
            Some(OperatorGoal::RollBack) if self.backup.is_some() => Ok(CliCommand::RollBack {
                backup: self.backup.clone(),
                whole_file: self.whole_file == Some(true),
                edge: None,
            }),
            Some(OperatorGoal::RollBack) => Err(build_open_question_failure(
                "backup",
                "which backup of packagecloud.rb it rolls back to",
                "write backup = \"PATH\" into it; roll-back without an argument lists the backups",
            )),
            None => Err(build_open_question_failure(
                "goal",
                "what shall be done",
                "write goal = \"install\", \"upgrade\", \"disable\", \"rotate\" or \"roll-back\" into it",
            )),
        }
    }
}

/// Why a line of the file isn't taken.
#[derive(Debug, PartialEq, Eq)]
struct RefusedAnswer {
    /// From 1.
    line: usize,
    why: String,
    next: String,
}

fn build_answers_failure(path: &Path, why: String, next: &str) -> Failure {
    Failure::new_usage_failure(format!("the answers file {}", path.display()), why, next)
}

fn build_open_question_failure(key: &str, question: &str, next: &str) -> Failure {
    Failure::new_usage_failure(
        format!("the question {key}"),
        format!("the answers file doesn't say {question}, and there is no terminal to ask at"),
        next,
    )
}

fn is_same_or_open(given: Option<&String>, answer: Option<&String>) -> bool {
    given.is_none() || answer.is_none() || given == answer
}

fn fill_if_open<T: Clone>(option: &mut Option<T>, answer: Option<&T>) {
    if option.is_none() {
        *option = answer.cloned();
    }
}

fn take_text(answer: &mut Option<String>, value: &DeValue<'_>) -> Result<(), String> {
    *answer = Some(read_answer_text(value)?.to_owned());
    Ok(())
}

fn read_answer_text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().filter(|text| !text.trim().is_empty()).ok_or_else(|| "a text in quotes".to_owned())
}

fn take_texts(answers: &mut Vec<String>, value: &DeValue<'_>) -> Result<(), String> {
    let texts: Option<Vec<&str>> = match value.as_array() {
        Some(all) => all.iter().map(|item| item.get_ref().as_str()).collect(),
        None => value.as_str().map(|text| vec![text]),
    };
    let texts = texts.filter(|texts| texts.iter().all(|text| !text.trim().is_empty()));
    *answers = texts
        .ok_or_else(|| "a text in quotes, or a list of such texts".to_owned())?
        .into_iter()
        .map(str::to_owned)
        .collect();
    Ok(())
}

fn take_yes_or_no(answer: &mut Option<bool>, value: &DeValue<'_>) -> Result<(), String> {
    *answer = Some(value.as_bool().ok_or_else(|| "true or false, without quotes".to_owned())?);
    Ok(())
}

fn take_choice<T: ValueEnum>(answer: &mut Option<T>, value: &DeValue<'_>) -> Result<(), String> {
    *answer = value.as_str().and_then(|text| T::from_str(text, false).ok());
    let names = || T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    if answer.is_none() {
        let quoted: Vec<String> = names().map(|name| format!("\"{}\"", name.get_name())).collect();
        return Err(format!("one of {}", quoted.join(", ")));
    }
    Ok(())
}

fn take_parsed_text<T: FromStr<Err = Failure>>(
    answer: &mut Option<T>,
    value: &DeValue<'_>,
) -> Result<(), String> {
    let parsed = read_answer_text(value)?
        .parse()
        .map_err(|failure: Failure| format!("as its option has it ({})", failure.next))?;
    *answer = Some(parsed);
    Ok(())
}

fn take_domain(answer: &mut Option<String>, value: &DeValue<'_>) -> Result<(), String> {
    let domain = names::parse_domain_name(read_answer_text(value)?)
        .map_err(|_| "a domain name, such as packages.example.com".to_owned())?;
    *answer = Some(domain);
    Ok(())
}

/// Takes a download URL; one that holds a user name or a token is refused, since this file holds no secret.
fn take_url(answer: &mut Option<String>, value: &DeValue<'_>) -> Result<(), String> {
    let text = read_answer_text(value)?;
    let authority =
        text.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err("a URL without a user name or token before its host".to_owned());
    }
    *answer = Some(text.to_owned());
    Ok(())
}

fn take_goal(answer: &mut Option<OperatorGoal>, value: &DeValue<'_>) -> Result<(), String> {
    let named = value.as_str().and_then(|text| serde_json::from_value(text.into()).ok());
    *answer = Some(named.ok_or_else(|| {
        "one of \"install\", \"upgrade\", \"disable\", \"rotate\", \"roll-back\"".to_owned()
    })?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::args::CliArguments;

    fn fill_in(line: &[&str], file: &str) -> (GlobalOptions, CliCommand) {
        let words = std::iter::once("x").chain(line.iter().copied());
        let CliArguments { mut global, command } = CliArguments::try_parse_from(words).unwrap();
        let mut command =
            command.unwrap_or(CliCommand::Wizard { goal: None, reindex: ReindexFlags::default() });
        FileAnswers::parse_answers_text(file).unwrap().fill_in_options(&mut global, &mut command);
        (global, command)
    }

    #[test]
    fn every_key_is_an_option_or_the_argument_of_a_command() {
        let command = CliArguments::command();
        let all = || std::iter::once(&command).chain(command.get_subcommands());
        for (key, _) in ANSWER_KEYS {
            let is_known = all().any(|one| {
                one.get_arguments().any(|option| {
                    option.get_long() == Some(key) || option.is_positional() && option.get_id() == *key
                })
            });
            assert!(is_known, "{key} is no option");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_line_and_never_with_its_value() {
        for (text, line, why) in [
            ("goal = \"install\"\n\nsecret-access-key = \"wJalr\"\n", 3, "secret-access-key is no answer"),
            ("# a comment\n[aws]\nprofile = \"x\"\n", 2, "aws is no answer"),
            ("goal = \"wJalr\"\n", 1, "goal must be one of \"install\""),
            ("bucket = 7\n", 1, "bucket must be a text in quotes"),
            ("bucket = \"\"\n", 1, "bucket must be a text in quotes"),
            ("adopt = \"wJalr\"\n", 1, "adopt must be true or false"),
            ("managed = \"wJalr\"\n", 1, "managed must be one of \"wait\", \"write\""),
            ("name-suffix = \"wJalr wJalr\"\n", 1, "name-suffix must be"),
            ("package-glob = [\"*.deb\", 7]\n", 1, "package-glob must be a text in quotes, or a list"),
            ("probe-url = \"https://wJalr@packages.example/x.deb\"\n", 1, "probe-url must be a URL without"),
            ("bucket = \"a\"\nbucket wJalr\n", 2, "it is no TOML"),
            ("bucket = \"a\"\nbucket = \"wJalr\"\n", 2, "it is no TOML"),
        ] {
            let refused = FileAnswers::parse_answers_text(text).unwrap_err();
            assert_eq!(refused.line, line, "{text:?}: {refused:?}");
            assert!(refused.why.starts_with(why), "{text:?}: {refused:?}");
            assert!(!format!("{refused:?}").contains("wJalr"), "{text:?} is shown: {refused:?}");
        }
        let refused = FileAnswers::parse_answers_text("buket = \"a\"").unwrap_err();
        assert!(refused.next.contains("bucket, region"), "it lists what is known: {refused:?}");
    }

    #[test]
    fn an_option_that_is_given_comes_before_the_file() {
        let file =
            "bucket = \"of-the-file\"\nregion = \"eu-west-1\"\norigin-access = \"oac\"\nadopt = true\n";
        let (global, _) = fill_in(&["plan"], file);
        assert_eq!(global.bucket.as_deref(), Some("of-the-file"));
        assert_eq!(global.region.as_deref(), Some("eu-west-1"));
        assert_eq!(global.origin_access, Some(OriginAccess::Oac));
        assert!(global.consents.adopt && !global.consents.new_secret && !global.yes);
        let (global, _) = fill_in(&["plan", "--bucket", "given", "--origin-access", "oai"], file);
        assert_eq!(global.bucket.as_deref(), Some("given"));
        assert_eq!(global.region, None, "it was the other bucket's");
        assert_eq!(global.origin_access, Some(OriginAccess::Oai));
    }

    #[test]
    fn the_goal_and_the_reindex_reach_the_command_that_asks_for_them() {
        let file =
            "goal = \"upgrade\"\nskip-reindex = true\npackage-glob = \"*.x\"\nvendor-reindex = \"yes\"\n";
        let (_, command) = fill_in(&["enable"], file);
        let CliCommand::Enable { upgrade, reindex, .. } = command else { panic!("{command:?}") };
        assert!(upgrade && reindex.skip_reindex && reindex.vendor_reindex == YesOrNo::Yes);
        assert_eq!(reindex.package_glob, ["*.x"]);
        let (_, command) = fill_in(&["plan", "--goal", "install"], file);
        assert!(
            matches!(command, CliCommand::Plan { goal: Some(OperatorGoalArgument::Install), .. }),
            "{command:?}"
        );
        let (_, command) = fill_in(&["disable"], file);
        assert!(matches!(command, CliCommand::Disable), "{command:?}");
    }

    #[test]
    fn without_a_terminal_the_goal_names_the_command_and_an_open_one_is_named() {
        let build = |text: &str| {
            let file = FileAnswers::parse_answers_text(text).unwrap();
            file.build_command_of_goal(None, ReindexFlags::default())
        };
        assert!(matches!(build("goal = \"disable\""), Ok(CliCommand::Disable)));
        assert!(matches!(
            build("goal = \"upgrade\"\nprepare = true"),
            Ok(CliCommand::Enable { upgrade: true, prepare: true, .. })
        ));
        let rolls_back = build("goal = \"roll-back\"\nbackup = \"/x.bak\"").unwrap();
        assert!(matches!(rolls_back, CliCommand::RollBack { backup: Some(_), .. }), "{rolls_back:?}");
        for (text, open) in [("bucket = \"a\"", "goal"), ("goal = \"roll-back\"", "backup")] {
            let failure = build(text).unwrap_err();
            assert_eq!(failure.what, format!("the question {open}"));
            assert_eq!(failure.kind, crate::model::failure::FailureKind::Usage);
        }
    }
}
