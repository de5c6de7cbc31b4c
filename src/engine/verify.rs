//! Verify: named checks with a reason, then one verdict with one next move (contract section 9). It changes nothing.

use crate::model::{
    answers::Answers,
    check::{Check, Verdict},
    failure::Failure,
    goal::{Stage, Step},
    names,
    plan::{Exhibit, Plan, Verb},
    seen::Seen,
};

use super::{
    bootstrap, distribution,
    gate::{self, Gate},
    ground::Ground,
    probe::{self, Place, Samples},
    run::StageRun,
    switch,
};
use crate::host::clock;

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
    let below = bootstrap::see(ground, &scene, answers).await?;
    let distribution = distribution::see(&scene, answers, &below).await?.distribution;
    tell(vec![gate::deployed(distribution.as_ref(), &scene.names.function())], &mut all);

    let config = ground.host.read_config().await?;
    let values = config.seen.values;
    let samples = probe::samples(&scene).await?;
    match (&distribution, &values.secret) {
        _ if ground.delivery_is_out_of_reach() => {
            let why = "with --endpoint-url and no --edge-url the edge is out of reach";
            let names = ["signed-url", "package-cached", "metadata-fresh", "no-token"];
            tell(names.iter().map(|name| Check::unknown(*name, why)).collect(), &mut all);
        }
        (Some(distribution), Some(secret)) => {
            let gate = Gate {
                ground,
                scene: &scene,
                domain: &distribution.domain,
                secret,
                construction: below.construction,
                samples: samples.clone(),
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
    tell(vec![super::access::clock(&scene)], &mut all);
    tell(
        vec![
            packagecloud(
                ground,
                answers,
                &samples,
                values.enabled == Some(true),
                below.construction,
                values.secret.as_ref(),
            )
            .await,
        ],
        &mut all,
    );
    let verdict = verdict(&all);
    tell(vec![verdict], &mut all);
    Ok(all)
}

/// packagecloud itself, asked ten times.
async fn packagecloud(
    ground: &Ground,
    answers: &Answers,
    samples: &Samples,
    enabled: bool,
    accepted: crate::model::token::Construction,
    secret: Option<&crate::model::secret::Secret>,
) -> Check {
    const NAME: &str = "packagecloud-redirect";
    let mut edge = 0;
    let mut words: Vec<String> = Vec::new();
    let mut location = None;
    for _ in 0..ASKED {
        match probe::redirect(ground, answers, samples.package.as_deref()).await {
            Ok(None) => {
                return Check::unknown(
                    NAME,
                    "not asked: give a download URL of packagecloud with --probe-url",
                );
            }
            Err(failure) => {
                return Check::fail(
                    NAME,
                    failure.to_string(),
                    "see whether packagecloud runs: packagecloud-ctl status",
                );
            }
            Ok(Some(redirect)) => {
                if redirect.place() == Place::Edge {
                    edge += 1;
                    location.clone_from(&redirect.location);
                }
                let text = redirect.words();
                if !words.contains(&text) {
                    words.push(text);
                }
            }
        }
    }
    let seen = words.join(" and ");
    if !enabled && edge == 0 {
        return Check::unknown(NAME, format!("CloudFront is off: packagecloud answers {seen}"));
    }
    if edge < ASKED {
        let next = if edge == 0 {
            "run reconfigure, then restart: packagecloud doesn't follow packagecloud.rb yet"
        } else {
            "another web node is set otherwise: give it the same four values (configuration), then reconfigure and restart it"
        };
        return Check::fail(NAME, format!("{edge} of {ASKED} redirects go to CloudFront: {seen}"), next);
    }
    let Some(location) = location else { return Check::unknown(NAME, seen) };
    match probe::follow(ground, &location).await {
        Ok(reply)
            if reply.status == 200
                || (reply.status == 404 && reply.header("x-packagecloud-cloudfront").is_none()) =>
        {
            Check::pass(
                NAME,
                format!("{ASKED} of {ASKED} redirects go to CloudFront, and it accepts their token"),
            )
        }
        Ok(reply) => {
            let (why, next) = gate::refusal(&reply);
            match secret
                .and_then(|secret| probe::fitting(&location, secret, accepted))
                .filter(|fits| *fits != accepted)
            {
                Some(fits) => Check::fail(
                    NAME,
                    format!("this packagecloud makes its tokens as {fits}, the edge accepts {accepted}"),
                    format!("run enable again with --construction {fits}"),
                ),
                None => Check::fail(NAME, why, next),
            }
        }
        Err(failure) => Check::fail(
            NAME,
            failure.to_string(),
            "clients can't reach the packages domain either: allow it in firewalls and proxies",
        ),
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
