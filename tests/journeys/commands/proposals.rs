//! Every command of this program that is proposed is whole: the program as it was started, with the options of this run, however they were given.

use std::path::PathBuf;

use packagecloud_cloudfront::args::CliArguments;

use super::journey_host::{JourneyHost, JourneyRun, run_to_end};

/// A host whose options come by the environment, its directory with what a shell must have quoted.
struct ProposalHost {
    host: JourneyHost,
    sandbox: PathBuf,
}

impl ProposalHost {
    fn new() -> Self {
        let host = JourneyHost::new();
        let sandbox = host.root_path().join("it's a sandbox");
        Self { host, sandbox }
    }

    fn run(&self, line: &str) -> JourneyRun {
        let mut command = self.host.build_command();
        command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX", &self.sandbox);
        run_to_end(command.args(line.split(' ')))
    }

    /// Wants every command in what was said whole; returns how many there are.
    fn assert_proposals_whole(&self, line: &str, ran: &JourneyRun) -> usize {
        let program = env!("CARGO_BIN_EXE_packagecloud-cloudfront");
        let said = format!("{}\n{}", ran.out, ran.err);
        let names: Vec<String> = <CliArguments as clap::CommandFactory>::command()
            .get_subcommands()
            .map(|command| command.get_name().to_owned())
            .collect();
        for name in &names {
            for bare in
                [format!("packagecloud-cloudfront {name}"), format!("run {name}"), format!("run: {name}")]
            {
                assert!(!said.contains(&bare), "{line}: bare {bare:?} in {said}");
            }
        }
        let sandbox = self.sandbox.to_str().unwrap().replace('\'', r"'\''");
        let start = format!("{program} '--sandbox={sandbox}'");
        let all = said.matches(program).count();
        assert_eq!(said.matches(&start).count(), all, "{line}: a command isn't whole in {said}");
        all
    }
}

#[test]
fn a_proposed_command_has_the_options_that_came_by_the_environment() {
    let host = ProposalHost::new();
    let mut proposed = 0;
    for (line, code) in [
        ("plan", 3),
        ("plan --goal disable", 0),
        ("verify", 3),
        ("sign 7/8/debian/package_files/1.deb", 1),
        ("enable", 2),
        ("enable --prepare --yes", 0),
        ("enable --yes", 0),
        ("configuration", 0),
        ("disable", 2),
        ("roll-back no-such-backup", 2),
        ("reconfigure-cloudfront-distribution arn", 2),
        ("bootstrap-cloudfront --yes", 0),
        ("enable --yes --new-secret", 1),
        ("disable --yes", 0),
        ("enable --yes --sandbox-fault=iam:GetRole:*:deny", 1),
        ("enable --yes --sandbox-fault=s3:HeadBucket:*:deny", 1),
    ] {
        let ran = host.run(line);
        assert_eq!(ran.code, code, "{line}: {ran:#?}");
        proposed += host.assert_proposals_whole(line, &ran);
    }
    assert!(proposed >= 12, "{proposed} commands were proposed");
}

#[test]
fn what_was_planned_is_what_is_proposed() {
    let host = JourneyHost::new();
    for (flags, proposed) in [
        ("--goal upgrade --engine batch", "enable --upgrade --engine=batch"),
        ("--goal upgrade --skip-reindex", "enable --upgrade --skip-reindex"),
        ("--goal upgrade --metadata-glob */meta/*", "enable --upgrade '--metadata-glob=*/meta/*'"),
        ("--no-acl --all-keys", "enable --no-acl --all-keys"),
    ] {
        let ran = host.run_line(&format!("plan {flags}"));
        assert_eq!(ran.code, 3, "{ran:#?}");
        ran.assert_contains(proposed);
        host.run_line(&format!("plan {flags} --format change-request")).assert_contains(proposed);
    }
}

#[test]
fn a_change_request_says_what_its_own_goal_does() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let off = host.run_line("plan --goal disable --format change-request");
    assert_eq!(off.code, 3, "{off:#?}");
    off.assert_contains("then links lead to S3 again")
        .assert_contains("Customers who closed S3 in a firewall must open it again");
    let roll_back = off.out.split("Roll back:").nth(1).unwrap();
    assert!(roll_back.contains(" enable") && !roll_back.contains(" disable"), "{off:#?}");
    assert!(!off.out.contains("until go-live") && !off.out.contains("## Cost"), "{off:#?}");

    let rotate = host.run_line("plan --goal rotate --format change-request");
    rotate
        .assert_contains("## Time\n\n5 to 15 minutes")
        .assert_contains("## What customers notice\n\nNo link is refused.");
    assert!(!rotate.out.contains("until go-live") && !rotate.out.contains("- How long:"), "{rotate:#?}");
}

#[test]
fn what_only_a_sandbox_heeds_is_refused_without_one() {
    let host = JourneyHost::new();
    for (option, name) in [
        ("--sandbox-fault=foo", "--sandbox-fault"),
        ("--sandbox-empty", "--sandbox-empty"),
        ("--sandbox-construction=raw:path+expires", "--sandbox-construction"),
    ] {
        let ran = run_to_end(host.build_command().args([option, "plan"]));
        assert_eq!(ran.code, 2, "{ran:#?}");
        ran.assert_contains(&format!("{name}: it works only on a sandbox"));
    }
}

#[test]
fn a_probe_url_that_proves_nothing_is_refused_before_anything_is_changed() {
    let host = JourneyHost::new();
    host.run_line("plan");
    let before = host.config_text();
    for (url, code, why, next) in [
        (
            "https://example.invalid/x",
            1,
            "it does not answer",
            "see whether packagecloud runs there: packagecloud-ctl status",
        ),
        (
            "ftp://example.invalid/x",
            2,
            "it doesn't lead to this packagecloud: it is no address",
            "give the download URL of a package that begins with https://packagecloud.sandbox/",
        ),
    ] {
        let ran = host.run_line(&format!("enable --yes --probe-url {url}"));
        assert_eq!(ran.code, code, "{ran:#?}");
        let whole = format!("--probe-url {url}: {why}");
        for words in [whole.as_str(), "nothing was changed", next] {
            ran.assert_contains(words);
        }
        assert_eq!(host.config_text(), before);
        assert!(!ran.err.contains("packagecloud-ctl restart took"), "{ran:#?}");
    }
}
