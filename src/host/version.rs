//! Which packagecloud:enterprise is on the host, and what that means for CloudFront.
//!
//! Unknown is unknown, and stops nothing.

use std::path::{Path, PathBuf};

use super::{Host, PackagecloudCtlRunner};
use crate::model::{packagecloud::ctl_command::CtlCommand, run::check::CheckResult};

/// The version as it was found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagecloudVersion {
    pub text: String,
    pub numbers: (u32, u32, u32),
    /// `dpkg-query`, `rpm`, ….
    pub by: &'static str,
}

/// The first that knows CloudFront.
const FIRST_WITH_CLOUDFRONT: (u32, u32, u32) = (2, 0, 7);
/// The first whose repository metadata goes through CloudFront too.
const FIRST_WITH_METADATA: (u32, u32, u32) = (3, 0, 0);

impl PackagecloudVersion {
    /// Reads `1:2.0.7-3+b1` and its like.
    #[must_use]
    pub fn parse_packagecloud_version(text: &str, by: &'static str) -> Option<Self> {
        let text = text.trim();
        let plain = text.split_once(':').map_or(text, |(_, rest)| rest).trim_start_matches('v');
        let mut numbers = plain.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let major = numbers.next()?.ok()?;
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
        Some(Self { text: text.to_owned(), numbers: (major, next(), next()), by })
    }
}

/// Tells what a version means: refused before 2.0.7; before 3.0.0 with what stays on S3.
#[must_use]
pub fn check_packagecloud_version(version: Option<&PackagecloudVersion>) -> CheckResult {
    const CHECK_NAME: &str = "packagecloud-version";
    let Some(version) = version else {
        return CheckResult::new_unknown_check(
            CHECK_NAME,
            "packagecloud:enterprise's version could not be found out; CloudFront needs 2.0.7 or later",
        );
    };
    let found = format!("packagecloud:enterprise {} ({})", version.text, version.by);
    if version.numbers < FIRST_WITH_CLOUDFRONT {
        CheckResult::new_failed_check(
            CHECK_NAME,
            format!("{found} knows no CloudFront"),
            "upgrade packagecloud:enterprise to 2.0.7 or later first",
        )
    } else if version.numbers < FIRST_WITH_METADATA {
        CheckResult::new_passed_check(
            CHECK_NAME,
            format!("{found}: packages go through CloudFront, repository metadata stays on S3 before 3.0.0"),
        )
    } else {
        CheckResult::new_passed_check(CHECK_NAME, found)
    }
}

impl Host {
    /// Reads the version of packagecloud:enterprise on the host, by its package, else by what its package left there.
    pub async fn read_packagecloud_version(&self) -> Option<PackagecloudVersion> {
        match &self.ctl {
            PackagecloudCtlRunner::Command(_) => {}
            PackagecloudCtlRunner::Simulated(_) => return self.read_sandbox_packagecloud_version().await,
            PackagecloudCtlRunner::None => return None,
        }
        for name in ["packagecloud", "packagecloud-enterprise"] {
            if let Some(program) = self.transport.find_program_path("dpkg-query").await
                && let Some(out) = self
                    .transport
                    .query_program_stdout(&program, &["-W", "-f=${db:Status-Status} ${Version}", name])
                    .await
                && let Some(text) = out.strip_prefix("installed ")
                && let Some(version) = PackagecloudVersion::parse_packagecloud_version(text, "dpkg-query")
            {
                return Some(version);
            }
            if let Some(program) = self.find_rpm_program().await
                && let Some(out) =
                    self.transport.query_program_stdout(&program, &["-q", "--qf", "%{VERSION}\n", name]).await
                && let Some(version) = out
                    .lines()
                    .next()
                    .and_then(|line| PackagecloudVersion::parse_packagecloud_version(line, "rpm"))
            {
                return Some(version);
            }
        }
        if let Ok(manifest) =
            self.transport.read_file("/opt/packagecloud/version-manifest.txt".as_ref()).await
            && let Some((name, text)) = String::from_utf8_lossy(&manifest).lines().next()?.split_once(' ')
            && name.starts_with("packagecloud")
        {
            return PackagecloudVersion::parse_packagecloud_version(text, "version-manifest.txt");
        }
        self.infer_packagecloud_version_from_help().await
    }

    /// Finds rpm, where its database is: without one it would make one, in the home of whoever asks.
    pub(crate) async fn find_rpm_program(&self) -> Option<PathBuf> {
        let databases = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"].into_iter().flat_map(|dir| {
            ["rpmdb.sqlite", "Packages", "Packages.db"].map(|name| Path::new(dir).join(name))
        });
        let databases: Vec<PathBuf> = databases.collect();
        if self.transport.find_existing_paths(&databases).await.is_empty() {
            return None;
        }
        self.transport.find_program_path("rpm").await
    }

    /// The version that a sandbox's packagecloud says of itself.
    async fn read_sandbox_packagecloud_version(&self) -> Option<PackagecloudVersion> {
        let mut said = None;
        self.run_packagecloud_ctl(CtlCommand::Version, &mut |line| {
            said = PackagecloudVersion::parse_packagecloud_version(line, "the sandbox's");
        })
        .await
        .ok()?;
        said
    }

    /// Checks whether packagecloud-ctl is there, where it shall be run at all.
    pub async fn check_packagecloud_ctl(&self) -> Option<CheckResult> {
        let PackagecloudCtlRunner::Command(words) = &self.ctl else { return None };
        let name = format!("packagecloud-ctl{}", self.render_host_suffix());
        if let Some(program) = self.transport.find_program_path(words.first()?).await {
            return Some(CheckResult::new_passed_check(name, program.display().to_string()));
        }
        let failure = self.build_missing_program_failure(words.first()?, CtlCommand::Reconfigure);
        Some(CheckResult::new_failed_check(name, failure.why, failure.next))
    }

    /// Reads what `packagecloud-ctl status` prints of its services.
    pub async fn read_services_status(&self) -> Option<String> {
        let PackagecloudCtlRunner::Command(words) = &self.ctl else { return None };
        let (first, rest) = words.split_first()?;
        let program = self.transport.find_program_path(first).await?;
        let mut arguments: Vec<&str> = rest.iter().map(String::as_str).collect();
        arguments.push("status");
        self.transport.query_program_stdout_and_stderr(&program, &arguments).await
    }

    /// Infers from the commands that packagecloud-ctl lists whether it knows CloudFront.
    pub(crate) async fn infer_packagecloud_version_from_help(&self) -> Option<PackagecloudVersion> {
        let PackagecloudCtlRunner::Command(words) = &self.ctl else { return None };
        let (first, rest) = words.split_first()?;
        let program = self.transport.find_program_path(first).await?;
        let mut arguments: Vec<&str> = rest.iter().map(String::as_str).collect();
        arguments.push("help");
        let list = self.transport.query_program_stdout_and_stderr(&program, &arguments).await?;
        list.contains("bootstrap-cloudfront").then(|| PackagecloudVersion {
            text: "2.0.7 or later".to_owned(),
            numbers: FIRST_WITH_CLOUDFRONT,
            by: "packagecloud-ctl lists bootstrap-cloudfront",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::check::CheckVerdict;

    #[test]
    fn a_version_means_what_it_can() {
        for (text, numbers, result, says) in [
            ("2.0.6", (2, 0, 6), CheckVerdict::Fail, "knows no CloudFront"),
            ("1.9", (1, 9, 0), CheckVerdict::Fail, "knows no CloudFront"),
            ("2.0.7", (2, 0, 7), CheckVerdict::Pass, "metadata stays on S3"),
            ("1:2.10.0-3~bpo", (2, 10, 0), CheckVerdict::Pass, "metadata stays on S3"),
            ("3.0.0+20200101-1\n", (3, 0, 0), CheckVerdict::Pass, "3.0.0"),
            ("v4", (4, 0, 0), CheckVerdict::Pass, "4"),
        ] {
            let version = PackagecloudVersion::parse_packagecloud_version(text, "rpm").unwrap();
            assert_eq!(version.numbers, numbers, "{text}");
            let check = check_packagecloud_version(Some(&version));
            assert_eq!(check.result, result, "{text}");
            assert!(check.detail.contains(says), "{}", check.detail);
        }
        assert_eq!(
            PackagecloudVersion::parse_packagecloud_version("package packagecloud is not installed", "rpm"),
            None
        );
        assert_eq!(check_packagecloud_version(None).result, CheckVerdict::Unknown);
    }
}
