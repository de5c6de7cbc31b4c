//! Which packagecloud:enterprise is on the host, and what that means for CloudFront.
//!
//! Unknown is unknown, and stops nothing.

use std::path::{Path, PathBuf};

use crate::model::run::check::Check;

use crate::host::{Ctl, Host};

/// The version as it was found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub text: String,
    pub numbers: (u32, u32, u32),
    /// `dpkg-query`, `rpm`, ….
    pub by: &'static str,
}

/// The first that knows CloudFront.
const FIRST: (u32, u32, u32) = (2, 0, 7);
/// The first whose repository metadata goes through CloudFront too.
const METADATA: (u32, u32, u32) = (3, 0, 0);

impl Version {
    /// Reads `1:2.0.7-3+b1` and its like.
    #[must_use]
    pub fn parse(text: &str, by: &'static str) -> Option<Self> {
        let text = text.trim();
        let plain = text.split_once(':').map_or(text, |(_, rest)| rest).trim_start_matches('v');
        let mut numbers = plain.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let major = numbers.next()?.ok()?;
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
        Some(Self { text: text.to_owned(), numbers: (major, next(), next()), by })
    }
}

/// What a version means: refused before 2.0.7; before 3.0.0 with what stays on S3.
#[must_use]
pub fn check(version: Option<&Version>) -> Check {
    const NAME: &str = "packagecloud-version";
    let Some(version) = version else {
        return Check::unknown(
            NAME,
            "packagecloud:enterprise's version could not be found out; CloudFront needs 2.0.7 or later",
        );
    };
    let found = format!("packagecloud:enterprise {} ({})", version.text, version.by);
    if version.numbers < FIRST {
        Check::fail(
            NAME,
            format!("{found} knows no CloudFront"),
            "upgrade packagecloud:enterprise to 2.0.7 or later first",
        )
    } else if version.numbers < METADATA {
        Check::pass(
            NAME,
            format!("{found}: packages go through CloudFront, repository metadata stays on S3 before 3.0.0"),
        )
    } else {
        Check::pass(NAME, found)
    }
}

impl Host {
    /// The version of packagecloud:enterprise on the host, by its package, else by what its package left there.
    pub async fn version(&self) -> Option<Version> {
        match &self.ctl {
            Ctl::Command(_) => {}
            Ctl::Played(_) => return self.played().await,
            Ctl::None => return None,
        }
        for name in ["packagecloud", "packagecloud-enterprise"] {
            if let Some(program) = self.reach.program("dpkg-query").await
                && let Some(out) =
                    self.reach.ask(&program, &["-W", "-f=${db:Status-Status} ${Version}", name]).await
                && let Some(text) = out.strip_prefix("installed ")
                && let Some(version) = Version::parse(text, "dpkg-query")
            {
                return Some(version);
            }
            if let Some(program) = self.rpm().await
                && let Some(out) = self.reach.ask(&program, &["-q", "--qf", "%{VERSION}\n", name]).await
                && let Some(version) = out.lines().next().and_then(|line| Version::parse(line, "rpm"))
            {
                return Some(version);
            }
        }
        if let Ok(manifest) = self.reach.read("/opt/packagecloud/version-manifest.txt".as_ref()).await
            && let Some((name, text)) = String::from_utf8_lossy(&manifest).lines().next()?.split_once(' ')
            && name.starts_with("packagecloud")
        {
            return Version::parse(text, "version-manifest.txt");
        }
        self.listed().await
    }

    /// rpm, where its database is: without one it would make one, in the home of whoever asks.
    pub(crate) async fn rpm(&self) -> Option<PathBuf> {
        let databases = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"].into_iter().flat_map(|dir| {
            ["rpmdb.sqlite", "Packages", "Packages.db"].map(|name| Path::new(dir).join(name))
        });
        let databases: Vec<PathBuf> = databases.collect();
        if self.reach.existing(&databases).await.is_empty() {
            return None;
        }
        self.reach.program("rpm").await
    }

    /// The version that a sandbox's packagecloud says of itself.
    async fn played(&self) -> Option<Version> {
        let mut said = None;
        self.ctl("version", &mut |line| said = Version::parse(line, "the sandbox's")).await.ok()?;
        said
    }

    /// Whether packagecloud-ctl is there, where it shall be run at all.
    pub async fn ctl_check(&self) -> Option<Check> {
        let Ctl::Command(words) = &self.ctl else { return None };
        let name = format!("packagecloud-ctl{}", self.on());
        if let Some(program) = self.reach.program(words.first()?).await {
            return Some(Check::pass(name, program.display().to_string()));
        }
        let failure = self.missing(words.first()?, "reconfigure");
        Some(Check::fail(name, failure.why, failure.next))
    }

    /// What `packagecloud-ctl status` prints of its services.
    pub async fn status(&self) -> Option<String> {
        let Ctl::Command(words) = &self.ctl else { return None };
        let (first, rest) = words.split_first()?;
        let program = self.reach.program(first).await?;
        let mut arguments: Vec<&str> = rest.iter().map(String::as_str).collect();
        arguments.push("status");
        self.reach.said(&program, &arguments).await
    }

    /// The commands that packagecloud-ctl lists tell one thing: whether it knows CloudFront.
    pub(crate) async fn listed(&self) -> Option<Version> {
        let Ctl::Command(words) = &self.ctl else { return None };
        let (first, rest) = words.split_first()?;
        let program = self.reach.program(first).await?;
        let mut arguments: Vec<&str> = rest.iter().map(String::as_str).collect();
        arguments.push("help");
        let list = self.reach.said(&program, &arguments).await?;
        list.contains("bootstrap-cloudfront").then(|| Version {
            text: "2.0.7 or later".to_owned(),
            numbers: FIRST,
            by: "packagecloud-ctl lists bootstrap-cloudfront",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::check::Verdict;

    #[test]
    fn a_version_means_what_it_can() {
        for (text, numbers, result, says) in [
            ("2.0.6", (2, 0, 6), Verdict::Fail, "knows no CloudFront"),
            ("1.9", (1, 9, 0), Verdict::Fail, "knows no CloudFront"),
            ("2.0.7", (2, 0, 7), Verdict::Pass, "metadata stays on S3"),
            ("1:2.10.0-3~bpo", (2, 10, 0), Verdict::Pass, "metadata stays on S3"),
            ("3.0.0+20200101-1\n", (3, 0, 0), Verdict::Pass, "3.0.0"),
            ("v4", (4, 0, 0), Verdict::Pass, "4"),
        ] {
            let version = Version::parse(text, "rpm").unwrap();
            assert_eq!(version.numbers, numbers, "{text}");
            let check = check(Some(&version));
            assert_eq!(check.result, result, "{text}");
            assert!(check.detail.contains(says), "{}", check.detail);
        }
        assert_eq!(Version::parse("package packagecloud is not installed", "rpm"), None);
        assert_eq!(check(None).result, Verdict::Unknown);
    }
}
