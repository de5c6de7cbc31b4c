//! Verify: named checks with a reason, then one verdict with one next move (contract section 9). It changes nothing.

use futures::FutureExt as _;

use crate::model::{
    aws::{evidence::Seen, names},
    run::{
        answers::Answers,
        check::{Check, Verdict},
        failure::Failure,
        goal::{Stage, Step},
        plan::{Exhibit, Plan, Verb},
    },
    secret::Secret,
    url::token::{self, Construction, Scheme},
};

use super::{bootstrap, distribution};
use crate::engine::{
    delivery::{
        diagnosis::{self, Known},
        gate::{self, Gate},
        probe::{self, Place, Samples},
    },
    packagecloud::{nodes, switch},
    run::StageRun,
    session::Ground,
};
use crate::host::environment::clock;

/// How often packagecloud is asked: a web node that lags behind shows.
const ASKED: usize = 10;

/// What it will ask, and what is good to have once it is done: the final block, the way off, how cost is followed.
pub async fn look(ground: &Ground) -> Plan {
    let mut plan = Plan::new(Stage::Verify, Seen::Nothing);
    plan.line(Step::Checks, Verb::Run, "the road of a package", "every part is asked; nothing is changed");
    // A file that can't be read is one of the checks, and no reason not to make the others.
    let Ok(config) = ground.host.read_config().await else { return plan };
    let values = &config.seen.values;
    if values.enabled == Some(true) {
        let since = switch::on_since(ground)
            .map(|since| format!(" since {}", clock::written(since)))
            .unwrap_or_default();
        plan.notes.push(format!("CloudFront is on{since}. D (or disable) switches it off."));
    }
    if values.distribution_id.is_some() {
        plan.notes.push(format!(
            "Cost is followed by the tag {}; it counts once it is activated under cost allocation tags in AWS Billing.",
            names::COST_TAG
        ));
        plan.exhibit.push(Exhibit {
            title: format!("The final block, as it stands in {}", config.seen.path),
            lines: values.hidden().lines(),
            copy: true,
        });
    }
    plan
}

/// Makes every check, says each as it is known, and ends with the verdict.
pub async fn checks(ground: &Ground, answers: &Answers, run: &StageRun) -> Result<Vec<Check>, Failure> {
    let mut all = Vec::new();
    let tell = |checks: Vec<Check>, all: &mut Vec<Check>| {
        for check in checks {
            run.check(check.clone());
            all.push(check);
        }
    };
    let scene = ground.scene(answers).await?;
    let below = bootstrap::see(ground, &scene, answers).boxed().await?;
    let seen = distribution::see(&scene, answers, &below).boxed().await?;
    let config = ground.host.read_config().await?;
    let values = config.seen.values.clone();
    let known = Known::of(&below, &seen, values.secret.as_ref(), &scene.names, &scene.account);
    let distribution = seen.distribution;
    // What AWS itself says comes first: it names the cause of what fails after it.
    tell(vec![gate::deployed(distribution.as_ref(), &scene.names.function())], &mut all);
    tell(vec![super::access::clock(&scene)], &mut all);
    let clocks = ground.nodes();
    let clocks = clocks.iter().filter_map(|node| super::access::clock_there(node, scene.caller.clock_ahead));
    tell(clocks.collect(), &mut all);
    // Nodes that were set up must say the same: what differs is named, before packagecloud's answers show it.
    let mut nodes = nodes::checks(ground, Some(&config), answers).await;
    for check in nodes.iter_mut().filter(|check| check.result == Verdict::Unknown) {
        check.result = Verdict::Fail;
        check.next = "give it the same values: enable, with the same --host options".into();
    }
    tell(nodes, &mut all);
    if distribution.is_some() {
        tell(diagnosis::parts(&known), &mut all);
    }

    let samples = probe::samples(&scene).await?;
    match (&distribution, &values.secret) {
        _ if ground.delivery_is_out_of_reach() => {
            let names = ["signed-url", "package-cached", "metadata-fresh", "no-token"];
            tell(names.iter().map(|name| Check::unknown(*name, OUT_OF_REACH)).collect(), &mut all);
        }
        (Some(distribution), Some(secret)) => {
            let standing = values.packages_domain.as_deref().filter(|name| distribution.answers_to(name));
            let gate = Gate {
                ground,
                scene: &scene,
                domain: standing.unwrap_or(&distribution.domain),
                secret,
                construction: below.construction,
                samples: samples.clone(),
                known: known.clone(),
            };
            let mut opens = gate.opens().await;
            opens.retain(|check| check.name != "no-token");
            tell(opens, &mut all);
            tell(gate.caching().await, &mut all);
            tell(gate.forged().await, &mut all);
            tell(vec![gate.bucket_closed().await], &mut all);
        }
        (_, None) => {
            tell(vec![Check::fail("signed-url", "packagecloud.rb holds no secret", "run enable")], &mut all);
        }
        (None, _) => {}
    }
    let asked = Asked {
        ground,
        answers,
        samples: &samples,
        enabled: values.enabled == Some(true),
        domain: values.packages_domain.as_deref(),
        secret: values.secret.as_ref(),
        accepted: below.construction,
        known: &known,
        edge_works: all.iter().any(|check| check.name == "signed-url" && check.result == Verdict::Pass),
    };
    tell(vec![asked.packagecloud().await], &mut all);
    let verdict = verdict(&all);
    tell(vec![verdict], &mut all);
    Ok(all)
}

const OUT_OF_REACH: &str = "with --endpoint-url and no --edge-url the edge is out of reach";
const REDIRECT: &str = "packagecloud-redirect";
const FOLLOW_FILE: &str =
    "run reconfigure, then restart: packagecloud runs on other values than packagecloud.rb holds";

/// What packagecloud's own redirect is judged by.
struct Asked<'a> {
    ground: &'a Ground,
    answers: &'a Answers,
    samples: &'a Samples,
    enabled: bool,
    domain: Option<&'a str>,
    secret: Option<&'a Secret>,
    accepted: Construction,
    known: &'a Known,
    /// Whether a link of our own was served.
    edge_works: bool,
}

impl Asked<'_> {
    /// packagecloud itself, asked ten times.
    async fn packagecloud(&self) -> Check {
        let mut edge: Vec<String> = Vec::new();
        let mut words: Vec<String> = Vec::new();
        for _ in 0..ASKED {
            match probe::redirect(self.ground, self.answers, self.samples.package.as_deref()).await {
                Ok(None) => {
                    return Check::unknown(
                        REDIRECT,
                        "not asked: give a download URL of packagecloud with --probe-url",
                    );
                }
                Err(failure) => {
                    return self.itself(
                        &format!("does not answer: {failure}"),
                        "see whether it runs: packagecloud-ctl status",
                    );
                }
                Ok(Some(redirect)) if redirect.location.is_none() => {
                    return self
                        .itself(&format!("answers {}", redirect.status), unredirected(redirect.status));
                }
                Ok(Some(redirect)) => {
                    let text = redirect.words();
                    if redirect.place() == Place::Edge {
                        edge.extend(redirect.location);
                    }
                    if !words.contains(&text) {
                        words.push(text);
                    }
                }
            }
        }
        let seen = words.join(" and ");
        match (self.enabled, edge.len()) {
            (false, 0) => Check::unknown(REDIRECT, format!("CloudFront is off: packagecloud answers {seen}")),
            (true, 0) | (false, ASKED) => {
                let file = if self.enabled { "on" } else { "off" };
                Check::fail(
                    REDIRECT,
                    format!("packagecloud.rb says {file}, and packagecloud answers {seen}"),
                    FOLLOW_FILE,
                )
            }
            (_, ASKED) => self.token(&edge[ASKED - 1], &seen).await,
            (_, some) => Check::fail(
                REDIRECT,
                format!(
                    "{some} of {ASKED} redirects go to CloudFront: {seen}; another web node is set otherwise"
                ),
                "on the other node: give it the same four values (configuration prints them), then packagecloud-ctl reconfigure && packagecloud-ctl restart",
            ),
        }
    }

    /// packagecloud itself refuses: the road behind it is fine, or not known to be.
    fn itself(&self, what: &str, next: &str) -> Check {
        let cloudfront = if self.edge_works { "CloudFront is fine; " } else { "" };
        Check::fail(REDIRECT, format!("{cloudfront}packagecloud itself {what}"), next)
    }

    /// Whether the edge accepts the token of packagecloud's redirect.
    async fn token(&self, location: &str, seen: &str) -> Check {
        let there = self.ground.web.elsewhere() || self.ground.delivery_is_out_of_reach();
        let host = probe::host_and_path(location).map(|(host, _)| host);
        if let Some(domain) = self.domain
            && !there
            && host != Some(domain)
        {
            let what = format!("packagecloud answers {seen}, and packagecloud.rb says {domain}");
            return Check::fail(REDIRECT, what, FOLLOW_FILE);
        }
        let scheme = token::inspect(location, &[], 0, self.accepted).scheme;
        if matches!(scheme, Scheme::CloudFrontCanned | Scheme::CloudFrontPolicy) {
            return Check::fail(
                REDIRECT,
                format!("its links are {}: the edge doesn't accept those", scheme.describe()),
                "switch CloudFront off (disable), and ask the vendor which releases sign with cloudfront_secret: support@packagecloud.io",
            );
        }
        if self.ground.delivery_is_out_of_reach() {
            return Check::unknown(REDIRECT, format!("{seen}; {OUT_OF_REACH}"));
        }
        let reply = match probe::follow(self.ground, location).await {
            Ok(reply) => reply,
            Err(failure) => {
                let (why, next) = diagnosis::unreachable(host.unwrap_or_default(), &failure);
                return Check::fail(REDIRECT, why, next);
            }
        };
        let reason = reply.header("x-packagecloud-cloudfront");
        if reply.status == 200 || (reply.status == 404 && reason.is_none()) {
            return Check::pass(
                REDIRECT,
                format!(
                    "{ASKED} of {ASKED} redirects go to CloudFront with {}, and it is accepted",
                    scheme.describe()
                ),
            );
        }
        let fits = self.secret.and_then(|secret| probe::fitting(location, secret, self.accepted));
        match (reason, fits) {
            (Some("bad-signature"), Some(fits)) if fits != self.accepted => Check::fail(
                REDIRECT,
                format!("this packagecloud makes its tokens as {fits}, the edge accepts {}", self.accepted),
                format!("run enable again with --construction {fits}"),
            ),
            (Some("bad-signature"), None) if self.edge_works => Check::fail(
                REDIRECT,
                "the web node that answered signs with another secret than packagecloud.rb and the edge hold",
                "on that node: give it the same cloudfront_secret (configuration --show-secret prints it), then packagecloud-ctl reconfigure && packagecloud-ctl restart",
            ),
            (Some("expired"), _) if self.edge_works => Check::fail(
                REDIRECT,
                "its links have expired when they are made: the clock of the web node that answered is slow",
                format!("on that node: {}", diagnosis::SET_CLOCK),
            ),
            _ => {
                let (why, next) = diagnosis::refusal(&reply, self.known);
                Check::fail(REDIRECT, why, next)
            }
        }
    }
}

/// The next move where packagecloud answered without a redirect.
fn unredirected(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            "give a read token of that repository: as login in netrc, or by PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN; if clients' tokens are refused too, look at them in packagecloud, not at CloudFront"
        }
        404 => "name with --probe-url a package that is there",
        200..=299 => "name with --probe-url the download URL of a package: this one is no download",
        _ => "see whether it runs, and read its log: packagecloud-ctl status, packagecloud-ctl tail",
    }
}

/// One verdict, with the first failure's next move.
fn verdict(checks: &[Check]) -> Check {
    let failed: Vec<&Check> = checks.iter().filter(|check| check.failed()).collect();
    let unknown = checks.iter().filter(|check| check.result == Verdict::Unknown).count();
    match failed.first() {
        None if unknown == 0 => {
            Check::pass("verdict", "packages come through CloudFront, and only with a token")
        }
        None => Check::pass(
            "verdict",
            format!("nothing is wrong in what could be asked; {unknown} could not be asked"),
        ),
        Some(first) => {
            Check::fail("verdict", format!("{}: {}", first.name, first.detail), first.next.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_the_first_failure_and_its_next_move() {
        let checks = [
            Check::pass("a", "fine"),
            Check::unknown("b", "not asked"),
            Check::fail("c", "broken", "mend it"),
            Check::fail("d", "too", "that too"),
        ];
        let verdict = super::verdict(&checks);
        assert_eq!((verdict.result, verdict.next.as_str()), (Verdict::Fail, "mend it"));
        assert_eq!(super::verdict(&checks[..2]).result, Verdict::Pass);
        assert!(super::verdict(&checks[..2]).detail.contains("1 could not be asked"));
    }
}
