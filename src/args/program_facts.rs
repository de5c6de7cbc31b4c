//! What help and the man page say of the program beside its commands and options: exit codes, files, environment, examples.

/// What each exit code means (contract section 2).
pub(super) const EXIT_CODES: [(&str, &str); 5] = [
    ("0", "done"),
    ("1", "failed; of status: nothing could be seen"),
    ("2", "wrong usage, or a consent is missing"),
    (
        "3",
        "plan: changes are pending; check, verify: a check failed; status: something needs attention; inspect: the link would be refused; disable: it is off, but redirects still go to CloudFront",
    ),
    ("130", "interrupted"),
];

/// The files that matter to whoever runs it.
pub(super) const PROGRAM_FILES: [(&str, &str); 4] = [
    (
        "/etc/packagecloud/packagecloud.rb",
        "packagecloud's configuration (--config). Only the four CloudFront values in it are written, after a backup beside it.",
    ),
    (
        "/var/lib/packagecloud-cloudfront",
        "root's state directory (--state-dir); another user's is packagecloud-cloudfront below XDG_STATE_HOME, else below ~/.local/state. It saves time; only a rotation or a switch that was broken off needs it.",
    ),
    (
        "log",
        "in the state directory, unless --log-file names another: what happened, in UTC, without secrets",
    ),
    (
        "~/.aws/config, ~/.aws/credentials, ~/.netrc",
        "read only: AWS profiles, and packagecloud's read token for --probe-url",
    ),
];

/// Returns the environment variables that it reads, each with its meaning.
pub(super) fn describe_environment() -> [(&'static str, &'static str); 6] {
    [
        (
            "PACKAGECLOUD_CLOUDFRONT_<NAME>",
            "gives the option of that name, as PACKAGECLOUD_CLOUDFRONT_NAME_SUFFIX gives --name-suffix; the option on the command line wins",
        ),
        (
            "PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN",
            "packagecloud's read token for --probe-url; never an argument, since others can see those",
        ),
        (
            "AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_CONFIG_FILE and others",
            "as AWS's own tools read them; AWS_CA_BUNDLE too",
        ),
        ("HTTPS_PROXY, NO_PROXY", "the proxy for requests to AWS, CloudFront and packagecloud"),
        ("NO_COLOR", "no colours"),
        ("TERM, LC_ALL, LC_CTYPE, LANG", "what the terminal can show"),
    ]
}

/// A command line with what it is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommandExample {
    pub purpose: &'static str,
    pub line: &'static str,
}

const fn new_command_example(purpose: &'static str, line: &'static str) -> CommandExample {
    CommandExample { purpose, line }
}

const COMMAND_EXAMPLES: [CommandExample; 25] = [
    new_command_example("try it: no account, no network", "packagecloud-cloudfront --sandbox"),
    new_command_example(
        "from a laptop: packagecloud runs on web1",
        "packagecloud-cloudfront --host deploy@web1 --profile work wizard",
    ),
    new_command_example("may this identity do it, is the host ready?", "packagecloud-cloudfront check"),
    new_command_example("the IAM policy that suffices", "packagecloud-cloudfront check --policy"),
    new_command_example(
        "what would change; exit code 3: something",
        "packagecloud-cloudfront plan --goal upgrade",
    ),
    new_command_example(
        "a change request for an approval",
        "packagecloud-cloudfront plan --format change-request --out plan.json",
    ),
    new_command_example(
        "the whole set-up; the bucket holds packages already",
        "packagecloud-cloudfront enable --upgrade --yes --probe-url https://packages.example.com/a.deb",
    ),
    new_command_example(
        "just the plan that was approved",
        "packagecloud-cloudfront enable --plan plan.json --yes",
    ),
    new_command_example("at three in the morning: no AWS is needed", "packagecloud-cloudfront disable --yes"),
    new_command_example("which backups there are", "packagecloud-cloudfront roll-back"),
    new_command_example("does every part work? all checks", "packagecloud-cloudfront verify --all"),
    new_command_example("for Nagios", "packagecloud-cloudfront status --format nagios"),
    new_command_example(
        "for Prometheus' textfile collector",
        "packagecloud-cloudfront status --format prometheus --out /var/lib/node_exporter/cloudfront.prom",
    ),
    new_command_example(
        "the block for chef, the secret shown",
        "packagecloud-cloudfront configuration --format chef --show-secret",
    ),
    new_command_example("again, where it was interrupted", "packagecloud-cloudfront reindex-everything"),
    new_command_example("a new secret, step one", "packagecloud-cloudfront rotate-secret"),
    new_command_example(
        "step two: the secret before it ends",
        "packagecloud-cloudfront rotate-secret --finish --no-other-node",
    ),
    new_command_example("after a database was restored", "packagecloud-cloudfront invalidate --packages"),
    new_command_example(
        "why does this link answer 403?",
        "packagecloud-cloudfront inspect 'https://d111.cloudfront.net/7/8/a.deb?t=TOKEN'",
    ),
    new_command_example(
        "a link that is valid for five minutes",
        "packagecloud-cloudfront sign 7/8/debian/package_files/97310.deb",
    ),
    new_command_example("the hand-over", "packagecloud-cloudfront report"),
    new_command_example("for Terraform 1.5 or newer", "packagecloud-cloudfront export terraform-import"),
    new_command_example(
        "your own repository in a sandbox",
        "packagecloud-cloudfront sandbox import /tmp/box /srv/mirror",
    ),
    new_command_example("open it on loopback", "packagecloud-cloudfront sandbox serve /tmp/box"),
    new_command_example("completions for bash", "packagecloud-cloudfront completions bash"),
];

/// How many examples the program's own help shows, from the first on.
const PROGRAM_EXAMPLES: usize = 8;

/// Returns the examples of the command that is typed by `path`; for an empty path, the program's.
pub(super) fn list_command_examples(path: &[&str]) -> Vec<&'static CommandExample> {
    if path.is_empty() {
        return COMMAND_EXAMPLES.iter().take(PROGRAM_EXAMPLES).collect();
    }
    let is_of_command = |example: &&CommandExample| {
        let words: Vec<&str> = example.line.split(' ').collect();
        words.windows(path.len()).any(|part| part == path)
    };
    COMMAND_EXAMPLES.iter().filter(is_of_command).collect()
}

/// Returns all examples.
pub(super) fn list_all_examples() -> &'static [CommandExample] {
    &COMMAND_EXAMPLES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::CliArguments;
    use clap::Parser as _;

    #[test]
    fn every_example_is_a_command_line_that_is_taken() {
        for example in list_all_examples() {
            let words = shell_words::split(example.line).unwrap();
            if let Err(error) = CliArguments::try_parse_from(&words) {
                panic!("{}: {error}", example.line);
            }
        }
    }
}
