//! The command line's types, and nothing else (contract section 2).

#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "a doc comment is the command line's help as well, which writes values as <NAME> and [:OPERATION]"
)]

mod commands;
mod help;
mod man_page;
mod program_facts;
mod shell_completions;
mod started_line;

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Args, FromArgMatches as _, Parser, ValueEnum, ValueHint,
    builder::{FalseyValueParser, NonEmptyStringValueParser},
};

pub use commands::{
    CliCommand, CloudFrontConfigFormat, ExportCommand, OperatorGoalArgument, PlanFormat, ReindexEngineFlag,
    ReindexFlags, SandboxCommand, StatusFormat, YesOrNo,
};
pub use man_page::render_man_page;
pub use shell_completions::render_completion_script;

use crate::model::{
    aws::names::{self, ResourceNameSuffix},
    run::{
        answers::{ManagedConfigWriteChoice, OriginAccess},
        proposed_command::StartedCommandLine,
    },
    url::token::UrlTokenConstruction,
};

/// Set up CloudFront in front of packagecloud:enterprise's S3 bucket, and switch it off again
///
/// Without a command it opens the terminal wizard, which looks, shows every change, makes it and proves it. The commands do
/// the same steps without a terminal.
#[derive(Debug, Parser)]
#[command(name = "packagecloud-cloudfront", version, max_term_width = 80)]
pub struct CliArguments {
    #[command(flatten)]
    pub global: GlobalOptions,
    #[command(subcommand)]
    pub command: Option<CliCommand>,
}

/// Options that no other command than this one is proposed with: what it says, its consents, and the fault that it was to meet.
const OPTIONS_OF_ONE_RUN: [&str; 15] = [
    "mouse",
    "output",
    "save_answers",
    "yes",
    "show_secret",
    "sandbox_fault",
    "adopt",
    "adopt_bucket_key",
    "new_secret",
    "unproven",
    "managed",
    "override_expression",
    "other_bucket",
    "confirm_bucket",
    "no_other_node",
];

impl CliArguments {
    /// Parses `words`, the program first; ends the process with what clap says where they are wrong.
    #[must_use]
    pub fn parse_started_command_line(words: &[OsString]) -> (Self, StartedCommandLine) {
        let command = help::build_help_command();
        let matches = command.clone().get_matches_from(words);
        let started = started_line::describe_started_command_line(&command, &matches, words);
        let parsed = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        (parsed, started)
    }
}

/// Options that stand before or after the command; each has an environment variable PACKAGECLOUD_CLOUDFRONT_<NAME>.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalOptions {
    /// packagecloud's configuration file, where it isn't /etc/packagecloud/packagecloud.rb
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, env = "PACKAGECLOUD_CLOUDFRONT_CONFIG")]
    pub config: Option<PathBuf>,
    /// How packagecloud-ctl is started, where it isn't on the path; "none" where there is none: then reconfigure and restart are left to you
    #[arg(long, global = true, value_name = "COMMAND", env = "PACKAGECLOUD_CLOUDFRONT_CTL", value_parser = NonEmptyStringValueParser::new())]
    pub ctl: Option<String>,
    /// packagecloud's host, where that is another machine; give it once for each web node: the first goes live first
    #[arg(
        long,
        global = true,
        value_name = "[USER@]HOST",
        value_delimiter = ',',
        env = "PACKAGECLOUD_CLOUDFRONT_HOST", value_parser = NonEmptyStringValueParser::new())]
    pub host: Vec<String>,
    /// How a shell on that host is started, for another port or a container: 'ssh -p 2222', 'kubectl exec -i {} --'; {} stands for the host
    #[arg(
        long,
        global = true,
        value_name = "COMMAND",
        default_value = "ssh",
        env = "PACKAGECLOUD_CLOUDFRONT_SSH", value_parser = NonEmptyStringValueParser::new())]
    pub ssh: String,
    /// The S3 bucket that holds the packages, where packagecloud.rb doesn't name it or several fit
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_BUCKET", value_parser = NonEmptyStringValueParser::new())]
    pub bucket: Option<String>,
    /// The bucket's region, where AWS may not be asked for it
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_REGION", value_parser = NonEmptyStringValueParser::new())]
    pub region: Option<String>,
    /// The AWS profile to use, where the default one is another account's or may too little
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_PROFILE", value_parser = NonEmptyStringValueParser::new())]
    pub profile: Option<String>,
    /// Send every AWS call to this address: a served sandbox, an emulator, a VPC endpoint
    #[arg(long, global = true, value_name = "URL", env = "PACKAGECLOUD_CLOUDFRONT_ENDPOINT_URL", value_parser = NonEmptyStringValueParser::new())]
    pub endpoint_url: Option<String>,
    /// Keep several installs in one account apart: this ends the names of what is created (1 to 16 of a-z and 0-9)
    #[arg(long, global = true, value_name = "S", env = "PACKAGECLOUD_CLOUDFRONT_NAME_SUFFIX")]
    pub name_suffix: Option<ResourceNameSuffix>,
    /// How CloudFront reads the bucket: by an origin access identity (oai), or a control (oac), as some security rules require; auto takes the identity unless it can't serve
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "HOW",
        env = "PACKAGECLOUD_CLOUDFRONT_ORIGIN_ACCESS"
    )]
    pub origin_access: Option<OriginAccess>,
    /// A domain of your own for packages, so that firewalls and customers see your name
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_PACKAGES_DOMAIN", value_parser = names::parse_domain_name)]
    pub packages_domain: Option<String>,
    /// The ACM certificate in us-east-1 for that domain, where several fit
    #[arg(long, global = true, value_name = "ARN", env = "PACKAGECLOUD_CLOUDFRONT_CERTIFICATE", value_parser = NonEmptyStringValueParser::new())]
    pub certificate: Option<String>,
    /// A permissions boundary for the role that is created, where your organization requires one
    #[arg(long, global = true, value_name = "ARN", env = "PACKAGECLOUD_CLOUDFRONT_PERMISSIONS_BOUNDARY", value_parser = NonEmptyStringValueParser::new())]
    pub permissions_boundary: Option<String>,
    /// Reach the distribution at this address, where its name can't be reached from here: a served sandbox, a tunnel
    #[arg(long, global = true, value_name = "URL", env = "PACKAGECLOUD_CLOUDFRONT_EDGE_URL", value_parser = NonEmptyStringValueParser::new())]
    pub edge_url: Option<String>,
    /// A download URL of your packagecloud: its redirect proves that going live worked, or that it must be taken back
    #[arg(long, global = true, value_name = "URL", env = "PACKAGECLOUD_CLOUDFRONT_PROBE_URL", value_parser = NonEmptyStringValueParser::new())]
    pub probe_url: Option<String>,
    /// How packagecloud makes the tokens in its links, where a check names another way than the default
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_CONSTRUCTION")]
    pub construction: Option<UrlTokenConstruction>,
    /// Try it without risk: an AWS, a CloudFront and a packagecloud in this process, kept in DIR
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        env = "PACKAGECLOUD_CLOUDFRONT_SANDBOX"
    )]
    pub sandbox: Option<Option<PathBuf>>,
    /// Begin a new sandbox with an empty bucket, to try a first install
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_SANDBOX_EMPTY", value_parser = FalseyValueParser::new())]
    pub sandbox_empty: bool,
    /// How the sandbox's packagecloud makes its tokens, to try another one than yours
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_SANDBOX_CONSTRUCTION")]
    pub sandbox_construction: Option<UrlTokenConstruction>,
    /// Make the n-th request to a service of the sandbox fail, to see what happens then: SERVICE[:OPERATION]:N:KIND, KIND one of throttle, deny, lost, cut, page, drift, hang, panic, refuse:NAME, error:CODE
    #[arg(
        long,
        global = true,
        value_name = "SPEC",
        value_delimiter = ',',
        env = "PACKAGECLOUD_CLOUDFRONT_SANDBOX_FAULT", value_parser = NonEmptyStringValueParser::new())]
    pub sandbox_fault: Vec<String>,
    /// Take every draw of the sandbox from this number, and begin its clock at one moment: the same commands then do the same
    #[arg(long, global = true, value_name = "N", env = "PACKAGECLOUD_CLOUDFRONT_SANDBOX_SEED")]
    pub sandbox_seed: Option<u64>,
    /// How long the sandbox's states and restarts take, as a factor: 0 is at once
    #[arg(
        long,
        global = true,
        hide = true,
        value_name = "FACTOR",
        env = "PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE"
    )]
    pub sandbox_pace: Option<f64>,
    /// In the wizard the wheel scrolls, a click chooses a line or presses a key at the foot; text is then marked with Shift held down
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_MOUSE", value_parser = FalseyValueParser::new())]
    pub mouse: bool,
    /// What stdout holds: sentences, or for scripts one JSON object a line
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        default_value = "human",
        env = "PACKAGECLOUD_CLOUDFRONT_OUTPUT"
    )]
    pub output: OutputFormat,
    /// Run the wizard as numbered lines and questions, without drawing: for screen readers, serial lines and consoles (also with ACCESSIBLE=1, or where TERM is dumb or not set)
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_PLAIN", value_parser = FalseyValueParser::new())]
    pub plain: bool,
    /// Answer what would be asked from this TOML file, whose keys are the options' names: for the same set-up on many hosts. It consents only to what it names
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, env = "PACKAGECLOUD_CLOUDFRONT_ANSWERS")]
    pub answers: Option<PathBuf>,
    /// Write what was answered to this file, for --answers on another host
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, env = "PACKAGECLOUD_CLOUDFRONT_SAVE_ANSWERS")]
    pub save_answers: Option<PathBuf>,
    /// Don't ask before the changes: for scripts, where nobody can answer
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_YES", value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// Continue though IAM's simulation denies a permission: it can be wrong, and AWS's answer to each request decides
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_ANYWAY", value_parser = FalseyValueParser::new())]
    pub anyway: bool,
    /// Print the secret where (hidden) stands otherwise, to copy it to another node
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_SHOW_SECRET", value_parser = FalseyValueParser::new())]
    pub show_secret: bool,
    /// Write the log to this file and not to the state directory
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, env = "PACKAGECLOUD_CLOUDFRONT_LOG_FILE")]
    pub log_file: Option<PathBuf>,
    /// Keep answers, cursors, saved policies and the log in this directory
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, env = "PACKAGECLOUD_CLOUDFRONT_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub consents: ConsentFlags,
}

/// Consents that --yes never gives; each has its own flag.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Consents that --yes doesn't give")]
pub struct ConsentFlags {
    /// Take over resources with our names that another tool or the vendor's bootstrap created
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_ADOPT", value_parser = FalseyValueParser::new())]
    pub adopt: bool,
    /// Change the policy of the bucket's own KMS key, so that CloudFront can read objects under it
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_ADOPT_BUCKET_KEY", value_parser = FalseyValueParser::new())]
    pub adopt_bucket_key: bool,
    /// Replace the secret that packagecloud.rb holds, while CloudFront is off
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_NEW_SECRET", value_parser = FalseyValueParser::new())]
    pub new_secret: bool,
    /// Go live without proof, where packagecloud's own redirect can't be asked from here
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_UNPROVEN", value_parser = FalseyValueParser::new())]
    pub unproven: bool,
    /// On a host under chef, puppet or ansible: wait until that tool has written the values, or write them at once
    #[arg(long, global = true, value_enum, value_name = "HOW", env = "PACKAGECLOUD_CLOUDFRONT_MANAGED")]
    pub managed: Option<ManagedConfigWriteChoice>,
    /// Overrule a value in packagecloud.rb that is an expression, by a line at the end of the file
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_OVERRIDE_EXPRESSION", value_parser = FalseyValueParser::new())]
    pub override_expression: bool,
    /// Work on another account or bucket than the last run did
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_OTHER_BUCKET", value_parser = FalseyValueParser::new())]
    pub other_bucket: bool,
    /// Confirm the bucket by its name, where no key in it looks like packagecloud's
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_CONFIRM_BUCKET", value_parser = NonEmptyStringValueParser::new())]
    pub confirm_bucket: Option<String>,
    /// Confirm that only the named nodes sign links: no standby, image or backup has the secret before this one
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_NO_OTHER_NODE", value_parser = FalseyValueParser::new())]
    pub no_other_node: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    Human,
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds() {
        CliArguments::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        let before = CliArguments::try_parse_from(["x", "--bucket", "b", "disable", "--yes"]).unwrap();
        assert_eq!((before.global.bucket.as_deref(), before.global.yes), (Some("b"), true));
        let bare = CliArguments::try_parse_from(["x", "--sandbox", "disable"]).unwrap();
        assert_eq!(bare.global.sandbox, Some(None), "a DIR takes an equals sign");
        assert!(matches!(bare.command, Some(CliCommand::Disable)));
        let here = CliArguments::try_parse_from(["x", "disable", "--sandbox=d"]).unwrap();
        assert_eq!(here.global.sandbox, Some(Some("d".into())));
    }

    #[test]
    fn every_option_of_one_run_is_one_that_there_is() {
        let command = CliArguments::command();
        for id in OPTIONS_OF_ONE_RUN {
            assert!(command.get_arguments().any(|option| option.get_id() == id), "{id}");
        }
    }

    #[test]
    fn another_command_is_proposed_with_the_options_that_say_on_what_this_one_works() {
        for (line, options) in [
            (&["x", "enable", "--sandbox=d", "--adopt", "--yes"][..], &["--sandbox=d"][..]),
            (&["x", "--sandbox", "plan", "--output", "json"], &["--sandbox"]),
            (&["x", "check", "--host=a,b", "--ctl=-x"], &["--ctl=-x", "--host", "a", "--host", "b"]),
            (&["x", "disable", "--sandbox=d", "--sandbox-fault=s3:1:deny"], &["--sandbox=d"]),
        ] {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            let started = CliArguments::parse_started_command_line(&words).1;
            assert_eq!(started.options.concat(), options, "{line:?}");
            assert_eq!(started.words, line, "{line:?}");
            assert_eq!(started.is_consent_given, line.contains(&"--yes"), "{line:?}");
        }
    }

    #[test]
    fn an_empty_value_is_refused() {
        let command = CliArguments::command();
        for option in command.get_arguments().filter(|option| option.get_action().takes_values()) {
            let Some(name) = option.get_long().filter(|name| !["help", "version"].contains(name)) else {
                continue;
            };
            let given =
                CliArguments::try_parse_from(["x".to_owned(), format!("--{name}="), "plan".to_owned()]);
            assert!(given.is_err(), "--{name}= is taken");
        }
    }
}
