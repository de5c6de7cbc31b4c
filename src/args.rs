//! The command line's types, and nothing else (contract section 2).

#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "a doc comment is the command line's help as well, which writes values as <NAME> and [:OPERATION]"
)]

use std::{ffi::OsString, path::PathBuf};

use clap::{
    ArgMatches, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    builder::{FalseyValueParser, NonEmptyStringValueParser},
    parser::ValueSource,
};

use crate::model::{
    aws::{
        names::{self, ResourceNameSuffix},
        played,
    },
    run::{
        answers::{ManagedConfigWriteChoice, OriginAccess, ReindexEngine},
        goal::OperatorGoal,
        proposed_command::StartedCommandLine,
    },
    url::token::UrlTokenConstruction,
};

/// Put CloudFront in front of packagecloud:enterprise's S3 bucket, step by step, and take it away with one key.
///
/// Without a command it opens the terminal wizard.
#[derive(Debug, Parser)]
#[command(name = "packagecloud-cloudfront", version, max_term_width = 100)]
pub struct CliArguments {
    #[command(flatten)]
    pub global: GlobalOptions,
    #[command(subcommand)]
    pub command: Option<CliCommand>,
}

/// Options that no other command than this one is proposed with: what it says, its consents, and the fault that it was to meet.
const OPTIONS_OF_ONE_RUN: [&str; 14] = [
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
        let command = Self::command();
        let matches = command.clone().get_matches_from(words);
        let started = describe_started_command_line(&command, &matches, words);
        let parsed = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        (parsed, started)
    }
}

/// Tells how this process was started, for the commands that it proposes.
fn describe_started_command_line(
    command: &Command,
    matches: &ArgMatches,
    words: &[OsString],
) -> StartedCommandLine {
    let mut typed = words.iter().map(|word| word.to_string_lossy().into_owned());
    let program = typed.next().unwrap_or_else(|| command.get_name().to_owned());
    let from_environment = |_: &str, source| source == ValueSource::EnvVariable;
    let mut all = vec![program.clone()];
    // Before the rest, which may end in what is no option.
    all.extend(list_given_options(command, matches, from_environment).concat());
    all.extend(typed);
    if let Some((name, of_it)) = matches.subcommand()
        && let Some(subcommand) = command.find_subcommand(name)
    {
        let of_it = list_given_options(subcommand, of_it, |id, source| {
            command.get_arguments().all(|option| option.get_id() != id) && from_environment(id, source)
        });
        all.extend(of_it.concat());
    }
    StartedCommandLine {
        options: list_given_options(command, matches, |id, source| {
            source != ValueSource::DefaultValue && !OPTIONS_OF_ONE_RUN.contains(&id)
        }),
        is_consent_given: matches.get_flag("yes"),
        words: all,
        program,
    }
}

/// Lists the options of `command` itself that were given in a way that `wanted` takes, each as its words.
fn list_given_options(
    command: &Command,
    matches: &ArgMatches,
    wanted: impl Fn(&str, ValueSource) -> bool,
) -> Vec<Vec<String>> {
    let mut words = Vec::new();
    for option in command.get_arguments() {
        let id = option.get_id().as_str();
        let (Some(name), Ok(true)) = (option.get_long(), matches.try_contains_id(id)) else { continue };
        if !matches.value_source(id).is_some_and(|source| wanted(id, source)) {
            continue;
        }
        let name = format!("--{name}");
        if !option.get_action().takes_values() {
            words.extend(matches.get_flag(id).then(|| vec![name]));
            continue;
        }
        let values: Vec<String> = matches
            .get_raw(id)
            .into_iter()
            .flatten()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        if values.is_empty() {
            words.push(vec![name.clone()]);
        }
        for value in values {
            if option.is_require_equals_set() || value.starts_with('-') {
                words.push(vec![format!("{name}={value}")]);
            } else {
                words.push(vec![name.clone(), value]);
            }
        }
    }
    words
}

/// Options that stand before or after the command; each has an environment variable PACKAGECLOUD_CLOUDFRONT_<NAME>.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalOptions {
    /// packagecloud's configuration file
    #[arg(long, global = true, value_name = "FILE", env = "PACKAGECLOUD_CLOUDFRONT_CONFIG")]
    pub config: Option<PathBuf>,
    /// How packagecloud-ctl is started; `none` where there is none
    #[arg(long, global = true, value_name = "COMMAND", env = "PACKAGECLOUD_CLOUDFRONT_CTL", value_parser = NonEmptyStringValueParser::new())]
    pub ctl: Option<String>,
    /// packagecloud's host, where that is another machine, reached by --ssh; once for each web node, the first goes live first
    #[arg(
        long,
        global = true,
        value_name = "[USER@]HOST",
        value_delimiter = ',',
        env = "PACKAGECLOUD_CLOUDFRONT_HOST", value_parser = NonEmptyStringValueParser::new())]
    pub host: Vec<String>,
    /// How a shell there is started: ssh, or any other command, as `kubectl exec -i deploy/packagecloud --`; {} stands for the host
    #[arg(
        long,
        global = true,
        value_name = "COMMAND",
        default_value = "ssh",
        env = "PACKAGECLOUD_CLOUDFRONT_SSH", value_parser = NonEmptyStringValueParser::new())]
    pub ssh: String,
    /// The S3 bucket that holds the packages
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_BUCKET", value_parser = NonEmptyStringValueParser::new())]
    pub bucket: Option<String>,
    /// The bucket's region, where it can't be asked
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_REGION", value_parser = NonEmptyStringValueParser::new())]
    pub region: Option<String>,
    /// The AWS profile to use
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_PROFILE", value_parser = NonEmptyStringValueParser::new())]
    pub profile: Option<String>,
    /// Send every AWS call to this address
    #[arg(long, global = true, value_name = "URL", env = "PACKAGECLOUD_CLOUDFRONT_ENDPOINT_URL", value_parser = NonEmptyStringValueParser::new())]
    pub endpoint_url: Option<String>,
    /// Reach the distribution at this address
    #[arg(long, global = true, value_name = "URL", env = "PACKAGECLOUD_CLOUDFRONT_EDGE_URL", value_parser = NonEmptyStringValueParser::new())]
    pub edge_url: Option<String>,
    /// Tell several installs in one account apart: 1 to 16 of a-z and 0-9
    #[arg(long, global = true, value_name = "S", env = "PACKAGECLOUD_CLOUDFRONT_NAME_SUFFIX")]
    pub name_suffix: Option<ResourceNameSuffix>,
    /// How CloudFront gets at the bucket: the identity unless it can't serve, or one of the two
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "HOW",
        env = "PACKAGECLOUD_CLOUDFRONT_ORIGIN_ACCESS"
    )]
    pub origin_access: Option<OriginAccess>,
    /// A domain of your own for packages
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_PACKAGES_DOMAIN", value_parser = names::parse_domain_name)]
    pub packages_domain: Option<String>,
    /// The ACM certificate in us-east-1 for that domain; without it one is looked for
    #[arg(long, global = true, value_name = "ARN", env = "PACKAGECLOUD_CLOUDFRONT_CERTIFICATE", value_parser = NonEmptyStringValueParser::new())]
    pub certificate: Option<String>,
    /// A permissions boundary for the role that is made
    #[arg(long, global = true, value_name = "ARN", env = "PACKAGECLOUD_CLOUDFRONT_PERMISSIONS_BOUNDARY", value_parser = NonEmptyStringValueParser::new())]
    pub permissions_boundary: Option<String>,
    /// A download URL of packagecloud, by whose redirect going live is proven
    #[arg(long, global = true, value_name = "URL", env = "PACKAGECLOUD_CLOUDFRONT_PROBE_URL", value_parser = NonEmptyStringValueParser::new())]
    pub probe_url: Option<String>,
    /// How the tokens that the edge accepts are made
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_CONSTRUCTION")]
    pub construction: Option<UrlTokenConstruction>,
    /// Work on a sandbox: an AWS, a CloudFront and a packagecloud in this process, kept in DIR
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        env = "PACKAGECLOUD_CLOUDFRONT_SANDBOX"
    )]
    pub sandbox: Option<Option<PathBuf>>,
    /// A fresh sandbox has an empty bucket
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_SANDBOX_EMPTY", value_parser = FalseyValueParser::new())]
    pub sandbox_empty: bool,
    /// How the sandbox's packagecloud makes its tokens
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_SANDBOX_CONSTRUCTION")]
    pub sandbox_construction: Option<UrlTokenConstruction>,
    /// Make the n-th request to a service of the sandbox fail, as SERVICE[:OPERATION]:N:KIND with KIND one of throttle, deny, lost, cut, page, drift, hang, panic, refuse:NAME, error:CODE
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
    /// What stdout holds: sentences, or one JSON object a line
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        default_value = "human",
        env = "PACKAGECLOUD_CLOUDFRONT_OUTPUT"
    )]
    pub output: OutputFormat,
    /// The wizard as numbered lines and questions, where nothing is drawn anew: for screen readers, serial lines, consoles; so too with ACCESSIBLE=1, and where TERM is dumb or not set
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_PLAIN", value_parser = FalseyValueParser::new())]
    pub plain: bool,
    /// Answer what would be asked by this TOML file: a key is an option's name; it consents to nothing that it doesn't name
    #[arg(long, global = true, value_name = "FILE", env = "PACKAGECLOUD_CLOUDFRONT_ANSWERS")]
    pub answers: Option<PathBuf>,
    /// Write what was answered to this file, for --answers on another host
    #[arg(long, global = true, value_name = "FILE", env = "PACKAGECLOUD_CLOUDFRONT_SAVE_ANSWERS")]
    pub save_answers: Option<PathBuf>,
    /// Don't ask before changing what was shown
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_YES", value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// Go on past permissions that IAM's simulation alone denies: what AWS answers to each request decides
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_ANYWAY", value_parser = FalseyValueParser::new())]
    pub anyway: bool,
    /// Show the secret where it would stand as (hidden)
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_SHOW_SECRET", value_parser = FalseyValueParser::new())]
    pub show_secret: bool,
    /// Write the log here
    #[arg(long, global = true, value_name = "FILE", env = "PACKAGECLOUD_CLOUDFRONT_LOG_FILE")]
    pub log_file: Option<PathBuf>,
    /// Keep answers, cursors and saved policy documents here
    #[arg(long, global = true, value_name = "DIR", env = "PACKAGECLOUD_CLOUDFRONT_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub consents: ConsentFlags,
}

/// Consents that --yes never gives; each has its own flag.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Consents that --yes doesn't give")]
pub struct ConsentFlags {
    /// Take over resources of our names that carry no marker
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_ADOPT", value_parser = FalseyValueParser::new())]
    pub adopt: bool,
    /// Change the policy of the bucket's own KMS key
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_ADOPT_BUCKET_KEY", value_parser = FalseyValueParser::new())]
    pub adopt_bucket_key: bool,
    /// Make a new secret, though there is one
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_NEW_SECRET", value_parser = FalseyValueParser::new())]
    pub new_secret: bool,
    /// Go live, though packagecloud's own redirect can't be seen
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_UNPROVEN", value_parser = FalseyValueParser::new())]
    pub unproven: bool,
    /// On a host under chef, puppet or ansible: wait until the file holds the values, or write them
    #[arg(long, global = true, value_enum, value_name = "HOW", env = "PACKAGECLOUD_CLOUDFRONT_MANAGED")]
    pub managed: Option<ManagedConfigWriteChoice>,
    /// Overrule a value in packagecloud.rb that is an expression
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_OVERRIDE_EXPRESSION", value_parser = FalseyValueParser::new())]
    pub override_expression: bool,
    /// Work on another account or bucket than the last run
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_OTHER_BUCKET", value_parser = FalseyValueParser::new())]
    pub other_bucket: bool,
    /// This bucket it is, though no key in it looks like packagecloud's
    #[arg(long, global = true, value_name = "NAME", env = "PACKAGECLOUD_CLOUDFRONT_CONFIRM_BUCKET", value_parser = NonEmptyStringValueParser::new())]
    pub confirm_bucket: Option<String>,
    /// Only the nodes that were named sign links: there is no other one, no standby, image or backup with the secret of before
    #[arg(long, global = true, env = "PACKAGECLOUD_CLOUDFRONT_NO_OTHER_NODE", value_parser = FalseyValueParser::new())]
    pub no_other_node: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    Human,
    Json,
}

/// What the reindex does with each object.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The reindex")]
pub struct ReindexFlags {
    /// Leave the objects as they are: correct, but uncached until it is done
    #[arg(long)]
    pub skip_reindex: bool,
    /// Start over: look at every object again
    #[arg(long)]
    pub rescan: bool,
    /// Let ACLs go, where the bucket still uses them
    #[arg(long)]
    pub no_acl: bool,
    /// Take keys too that don't begin with two numbers
    #[arg(long)]
    pub all_keys: bool,
    /// Keys like this are packages
    #[arg(long, value_name = "GLOB")]
    pub package_glob: Vec<String>,
    /// Keys like this are repository metadata
    #[arg(long, value_name = "GLOB")]
    pub metadata_glob: Vec<String>,
    /// Run packagecloud's own reindex-everything beside it
    #[arg(long, value_enum, value_name = "WHETHER", default_value = "no")]
    pub vendor_reindex: YesOrNo,
    #[command(flatten)]
    pub engine: ReindexEngineFlag,
}

/// Which engine; what it needs, `check` asks for too.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The reindex")]
pub struct ReindexEngineFlag {
    /// Who copies the packages: this machine, or S3 Batch Operations from millions of them on
    #[arg(long, value_enum, value_name = "WHO", env = "PACKAGECLOUD_CLOUDFRONT_ENGINE")]
    pub engine: Option<ReindexEngine>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum YesOrNo {
    Yes,
    #[default]
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OperatorGoalArgument {
    Install,
    Upgrade,
    Disable,
    Rotate,
}

impl From<OperatorGoalArgument> for OperatorGoal {
    fn from(name: OperatorGoalArgument) -> Self {
        match name {
            OperatorGoalArgument::Install => Self::Install,
            OperatorGoalArgument::Upgrade => Self::Upgrade,
            OperatorGoalArgument::Disable => Self::Disable,
            OperatorGoalArgument::Rotate => Self::Rotate,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CloudFrontConfigFormat {
    Ruby,
    Json,
    Chef,
    Puppet,
    Ansible,
}

/// How a plan is written beside its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// Objective, steps, time, cost, what customers notice, roll-back, documents
    ChangeRequest,
}

/// For whom `status` is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    Human,
    Json,
    Nagios,
    Prometheus,
}

#[derive(Debug, Clone, Subcommand)]
pub enum CliCommand {
    /// Open the terminal wizard
    Wizard {
        /// What to do; without it the wizard proposes
        #[arg(long, value_enum)]
        goal: Option<OperatorGoalArgument>,
        #[command(flatten)]
        reindex: ReindexFlags,
    },
    /// Do the whole set-up without a terminal
    Enable {
        /// Reindex first: an installation that stands, from before CloudFront
        #[arg(long)]
        upgrade: bool,
        /// Do all but going live
        #[arg(long)]
        prepare: bool,
        /// Make just what plan --out kept in this file
        #[arg(long, value_name = "FILE", conflicts_with_all = ["upgrade", "prepare", "skip_reindex", "rescan", "no_acl", "all_keys", "package_glob", "metadata_glob", "vendor_reindex"])]
        plan: Option<PathBuf>,
        #[command(flatten)]
        reindex: ReindexFlags,
    },
    /// Switch CloudFront off: packagecloud redirects to S3 again
    Disable,
    /// List the backups of packagecloud.rb, or restore from one
    RollBack {
        /// The backup to restore from
        backup: Option<String>,
        /// Restore the file byte for byte, not only the four values
        #[arg(long)]
        whole_file: bool,
        /// Associate this earlier function version again
        #[arg(long, value_name = "ARN", conflicts_with = "backup")]
        edge: Option<String>,
    },
    /// Check permissions, bucket and host; changes nothing
    Check {
        /// Print the IAM policy that suffices, to be attached as a managed policy, and nothing else
        #[arg(long)]
        policy: bool,
        #[command(flatten)]
        engine: ReindexEngineFlag,
    },
    /// Show every change that a goal would make; changes nothing
    Plan {
        /// What to plan for; without it, to install
        #[arg(long, value_enum)]
        goal: Option<OperatorGoalArgument>,
        /// Keep the plan in this file, for enable --plan
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Write it as Markdown for whoever approves it, and nothing else on stdout
        #[arg(long, value_enum)]
        format: Option<PlanFormat>,
        #[command(flatten)]
        reindex: ReindexFlags,
    },
    /// Prove that packages come through CloudFront, and only with a token
    Verify,
    /// Say whether all of it is well, what has changed, what ends when; changes nothing, and takes a minute at most
    Status {
        /// For whom: Nagios has exit codes of its own, Prometheus is for a textfile collector
        #[arg(long, value_enum)]
        format: Option<StatusFormat>,
        /// Write it there, as a whole or not at all, and not to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the configuration block as it stands, for other nodes
    Configuration {
        #[arg(long, value_enum, default_value = "ruby")]
        format: CloudFrontConfigFormat,
    },
    /// Set the attributes of every object, so that CloudFront caches packages and never repository metadata
    ReindexEverything {
        #[command(flatten)]
        reindex: ReindexFlags,
    },
    /// Make the secret, and write it to packagecloud.rb
    GenerateCloudfrontSecret,
    /// Make the IAM role, KMS key, Lambda function and origin access
    BootstrapCloudfront,
    /// Make or update the distribution with this function version, and grant it the bucket
    ReconfigureCloudfrontDistribution {
        /// The function version's ARN, as bootstrap-cloudfront prints it
        arn: String,
        /// Go live too
        #[arg(long)]
        go_live: bool,
    },
    /// Give every node a new secret without one refused link; then --finish ends the one before
    RotateSecret {
        /// End the secret of before: once every node signs with the new one, and no link by the one before is left
        #[arg(long, conflicts_with = "leaked")]
        finish: bool,
        /// Others know the secret: end it at once; CloudFront is off meanwhile, and links of the last minutes are refused
        #[arg(long)]
        leaked: bool,
    },
    /// Have CloudFront's edges forget what they hold of some keys, or of all packages: after a database was restored, whose ids come again
    Invalidate {
        /// S3 keys, like 7/8/debian/package_files/97310.deb
        #[arg(value_name = "KEY", required_unless_present = "packages", conflicts_with = "packages")]
        keys: Vec<String>,
        /// All packages
        #[arg(long)]
        packages: bool,
    },
    /// Run packagecloud-ctl reconfigure
    Reconfigure,
    /// Run packagecloud-ctl restart
    Restart,
    /// Make a signed URL
    Sign {
        /// The S3 key
        path: String,
    },
    /// Explain a signed URL: its scheme, its expiry, which key signed it, why it would be refused
    Inspect {
        /// The URL; without it, standard input
        url: Option<String>,
    },
    /// Print the hand-over of what stands, as Markdown
    Report,
    /// Print what stands for other tools
    #[command(subcommand)]
    Export(ExportCommand),
    /// The sandbox's own commands
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Print a completion script
    Completions { shell: clap_complete::Shell },
    /// Print the man page
    Man,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ExportCommand {
    /// Print import blocks for what stands: Terraform 1.5 or newer writes the resources itself
    TerraformImport,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SandboxCommand {
    /// Fill the sandbox's bucket from a directory: a key is a file's path below it
    Import { dir: PathBuf, path: PathBuf },
    /// Open AWS, packagecloud's front and the CloudFront edge on loopback
    #[command(after_help = played::describe_played_aws_operations())]
    Serve {
        dir: PathBuf,
        #[arg(long, default_value_t = 0)]
        aws_port: u16,
        #[arg(long, default_value_t = 0)]
        front_port: u16,
        #[arg(long, default_value_t = 0)]
        edge_port: u16,
        /// With a second web node, which a restart doesn't reach: it runs on as it is
        #[arg(long)]
        lagging_node: bool,
    },
}

#[cfg(test)]
mod tests {
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
