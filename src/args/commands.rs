//! The commands with their own options; a doc comment is the help of what it stands on.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::model::{
    aws::played,
    run::{answers::ReindexEngine, goal::OperatorGoal},
};

/// What the reindex does with each object.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The reindex")]
pub struct ReindexFlags {
    /// Leave the objects in the bucket as they are: downloads work, but CloudFront caches fewer of them
    #[arg(long)]
    pub skip_reindex: bool,
    /// Look at every object again, also at those that an earlier run finished
    #[arg(long)]
    pub rescan: bool,
    /// Don't keep the objects' ACLs, where the bucket still uses them
    #[arg(long)]
    pub no_acl: bool,
    /// Also take keys that don't begin with two numbers, as packagecloud's do
    #[arg(long)]
    pub all_keys: bool,
    /// Treat keys like this as packages, where the default rules don't know them; kept for later runs, '' gives them up
    #[arg(long, value_name = "GLOB")]
    pub package_glob: Vec<String>,
    /// Treat keys like this as repository metadata: never cached; kept for later runs, '' gives them up
    #[arg(long, value_name = "GLOB")]
    pub metadata_glob: Vec<String>,
    /// Also run packagecloud-ctl reindex-everything, where packages lack in repositories
    #[arg(long, value_enum, value_name = "WHETHER", default_value = "no")]
    pub vendor_reindex: YesOrNo,
    #[command(flatten)]
    pub engine: ReindexEngineFlag,
}

impl ReindexFlags {
    /// Lists the flags that were given as words, so that a proposed command makes what was planned.
    #[must_use]
    pub fn list_given_flag_words(&self) -> Vec<String> {
        let switches = [
            (self.skip_reindex, "--skip-reindex"),
            (self.rescan, "--rescan"),
            (self.no_acl, "--no-acl"),
            (self.all_keys, "--all-keys"),
        ];
        let mut words: Vec<String> =
            switches.into_iter().filter(|(given, _)| *given).map(|(_, word)| word.to_owned()).collect();
        // A glob is joined to its flag: one that begins with a dash is no flag then.
        words.extend(self.package_glob.iter().map(|glob| format!("--package-glob={glob}")));
        words.extend(self.metadata_glob.iter().map(|glob| format!("--metadata-glob={glob}")));
        if self.vendor_reindex == YesOrNo::Yes {
            words.push("--vendor-reindex=yes".to_owned());
        }
        let engine = self.engine.engine.and_then(|engine| engine.to_possible_value());
        words.extend(engine.map(|engine| format!("--engine={}", engine.get_name())));
        words
    }
}

/// Which engine; what it needs, `check` asks for too.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The reindex")]
pub struct ReindexEngineFlag {
    /// Who copies the packages: this machine (here), or S3 Batch Operations (batch), for many millions of objects
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
    /// Open the terminal wizard (also without a command)
    Wizard {
        /// What to do; without it the wizard suggests one
        #[arg(long, value_enum)]
        goal: Option<OperatorGoalArgument>,
        #[command(flatten)]
        reindex: ReindexFlags,
    },
    /// Set up CloudFront and switch it on
    Enable {
        /// The bucket already holds packages: set their attributes too
        #[arg(long)]
        upgrade: bool,
        /// Do everything but going live: for a maintenance window later
        #[arg(long)]
        prepare: bool,
        /// Do exactly what plan --out saved in this file, or say what has changed since
        #[arg(long, value_name = "FILE", conflicts_with_all = ["upgrade", "prepare", "skip_reindex", "rescan", "no_acl", "all_keys", "package_glob", "metadata_glob", "vendor_reindex"])]
        plan: Option<PathBuf>,
        #[command(flatten)]
        reindex: ReindexFlags,
    },
    /// Switch CloudFront off: downloads go to S3; needs no AWS
    Disable,
    /// List the backups of packagecloud.rb, or restore from one
    RollBack {
        /// The backup to restore from
        backup: Option<String>,
        /// Restore the whole file byte for byte, not only the four values
        #[arg(long)]
        whole_file: bool,
        /// Put this earlier version of the edge function back
        #[arg(long, value_name = "ARN", conflicts_with = "backup")]
        edge: Option<String>,
    },
    /// Check permissions, bucket and host; changes nothing
    Check {
        /// Print only the IAM policy that suffices, to attach as a managed policy
        #[arg(long)]
        policy: bool,
        /// List the checks that passed, too
        #[arg(long, conflicts_with = "policy")]
        all: bool,
        #[command(flatten)]
        engine: ReindexEngineFlag,
    },
    /// Show every change that a goal would make; changes nothing
    Plan {
        /// What to plan for; without it, to install
        #[arg(long, value_enum)]
        goal: Option<OperatorGoalArgument>,
        /// Save the plan in this file, for enable --plan after an approval
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Print only a change request in Markdown, for an approval
        #[arg(long, value_enum)]
        format: Option<PlanFormat>,
        #[command(flatten)]
        reindex: ReindexFlags,
    },
    /// Check that packages come through CloudFront and links work
    Verify {
        /// List the checks that passed, too
        #[arg(long)]
        all: bool,
    },
    /// Show what works, what has drifted, what ends when, costs
    Status {
        /// For whom: nagios has exit codes of its own, prometheus is for a textfile collector
        #[arg(long, value_enum)]
        format: Option<StatusFormat>,
        /// Write to this file instead of stdout; it is replaced as a whole
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the four values for packagecloud.rb
    Configuration {
        /// For whom the values are written; without it, for packagecloud.rb (ruby)
        #[arg(long, value_enum)]
        format: Option<CloudFrontConfigFormat>,
    },
    /// Set Cache-Control on every object in the bucket
    ReindexEverything {
        #[command(flatten)]
        reindex: ReindexFlags,
    },
    /// Create the secret and write it to packagecloud.rb
    GenerateCloudfrontSecret,
    /// Create role, key, function and origin access
    BootstrapCloudfront,
    /// Create or update the distribution
    ReconfigureCloudfrontDistribution {
        /// The function version's ARN, as bootstrap-cloudfront prints it
        arn: String,
        /// Go live too: switch CloudFront on once it is deployed
        #[arg(long)]
        go_live: bool,
    },
    /// Give every node a new secret; no link is refused
    RotateSecret {
        /// End the old secret, once every node signs with the new one and its last link has expired
        #[arg(long, conflicts_with = "leaked")]
        finish: bool,
        /// Others know the secret: replace it at once; CloudFront is off meanwhile, and links of the last minutes are refused
        #[arg(long)]
        leaked: bool,
    },
    /// Remove cached packages from the edges
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
    /// Explain a customer's link: why 403, and what to do
    Inspect {
        /// The link; without it, standard input is read
        url: Option<String>,
    },
    /// Print what is set up, for a hand-over, as Markdown
    Report,
    /// Print what is set up, for other tools
    #[command(subcommand)]
    Export(ExportCommand),
    /// Fill a sandbox, or open it on loopback
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page (read it with: man -l -)
    Man,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ExportCommand {
    /// Print import blocks for Terraform 1.5 or newer
    TerraformImport,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SandboxCommand {
    /// Fill the sandbox's bucket from a directory; a key is the file's path below it
    Import {
        /// The sandbox's directory
        dir: PathBuf,
        /// The directory with the files
        path: PathBuf,
    },
    /// Open the sandbox's AWS, packagecloud and CloudFront on loopback
    #[command(after_help = played::describe_played_aws_operations())]
    Serve {
        /// The sandbox's directory
        dir: PathBuf,
        /// The port of the AWS endpoint; 0 is any that is free
        #[arg(long, default_value_t = 0)]
        aws_port: u16,
        /// The port of packagecloud
        #[arg(long, default_value_t = 0)]
        front_port: u16,
        /// The port of the CloudFront edge
        #[arg(long, default_value_t = 0)]
        edge_port: u16,
        /// Have a second web node that a restart doesn't reach
        #[arg(long)]
        lagging_node: bool,
    },
}
