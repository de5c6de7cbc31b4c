//! Whether every edge accepts what it shall: the configuration read three times over a minute, links by each secret over fresh
//! connections, then two minutes more (contract section 12, step 2). Before that no node signs with the new secret.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::observe::ObservedRotation;
use crate::engine::{
    delivery::probe::{LINK_LIFETIME_SECONDS, SignedUrlSpec, sign_probe_url},
    resources::guard::has_version_on_bucket_behaviors,
    run::StageRun,
    session::Session,
};
use crate::model::{
    failure::Failure,
    packagecloud::object::ABSENT_KEY,
    run::{goal::StageStep, proposed_command::render_same_command_again},
    secret::Secret,
    url::token::TokenMacAlgorithm,
};

/// How often the configuration is read, and the pause between two readings: a minute from the first to the last.
const CONFIGURATION_READINGS: usize = 3;
const READING_PAUSE: Duration = Duration::from_secs(30);
/// A reading that isn't as it should be begins anew, for this long.
const READINGS_TIMEOUT: Duration = Duration::from_mins(30);
/// How often a link by each secret must pass, each over a connection of its own.
const LINKS_PER_SECRET: usize = 10;
/// A link that is refused is asked again, for this long.
const LINKS_TIMEOUT: Duration = Duration::from_mins(10);
const LINK_RETRY_PAUSE: Duration = Duration::from_secs(5);
/// What no reading and no link shows is waited for.
const LAST_WAIT: Duration = Duration::from_mins(2);

/// What every edge must have.
pub(super) struct EdgeReadings<'a> {
    pub session: &'a Session,
    pub observed: &'a ObservedRotation,
    /// The version, by its ARN.
    pub version_arn: &'a str,
    /// What links are tried by.
    pub secrets: Vec<Secret>,
}

impl EdgeReadings<'_> {
    /// Waits until every edge surely accepts what it shall.
    ///
    /// # Errors
    /// Fails where another version stands, links are still refused, or the run is stopped.
    pub(super) async fn wait_until_edges_accept(&self, run: &StageRun) -> Result<(), Failure> {
        let doing = format!("three readings of distribution {} over a minute", self.observed.distribution.id);
        run.run_stage_step(StageStep::EdgeReadings, doing, async {
            let say = run.build_step_progress_reporter(StageStep::EdgeReadings);
            run.read_unless_stopped(self.read_configuration_three_times(&say)).await?;
            let links = if self.session.is_edge_unreachable_for_checks() {
                "links were not tried: the edge can't be reached from here".to_owned()
            } else {
                run.read_unless_stopped(self.try_links_by_each_secret(&say)).await?;
                format!("{} links by each of {} secrets passed", LINKS_PER_SECRET, self.secrets.len())
            };
            let wait = self.session.scale_wait_for_sandbox(LAST_WAIT);
            say(&format!("{links}; waiting two minutes more, for edges that can't be asked"));
            run.read_unless_stopped(async {
                sleep(wait).await;
                Ok(())
            })
            .await?;
            Ok((
                (),
                format!(
                    "every edge has {}: the distribution was Deployed three times over a minute; {links}",
                    self.version_arn
                ),
            ))
        })
        .await
    }

    async fn read_configuration_three_times(&self, say: &(dyn Fn(&str) + Sync)) -> Result<(), Failure> {
        let target = &self.observed.target;
        let id = &self.observed.distribution.id;
        let until = Instant::now() + self.session.scale_wait_for_sandbox(READINGS_TIMEOUT);
        let mut right = 0;
        while right < CONFIGURATION_READINGS {
            let now = target.cloud.read_distribution(&target.names, id).await?;
            let carries = now
                .as_ref()
                .is_some_and(|now| has_version_on_bucket_behaviors(now, &target.names, self.version_arn));
            if !carries {
                return Err(Failure::new_plan_drift_failure(
                    format!("distribution {id}"),
                    format!("it no longer has {} on every behavior", self.version_arn),
                ));
            }
            if now.is_some_and(|now| now.status == "Deployed") {
                right += 1;
            } else if Instant::now() >= until {
                return Err(Failure::new_generic_failure(
                    format!("distribution {id}"),
                    "CloudFront still says InProgress, so an edge may not have the version yet",
                    format!(
                        "no node signs with the new secret yet, and no link is refused; try again later: {}",
                        render_same_command_again(&[])
                    ),
                ));
            } else {
                right = 0;
            }
            if right < CONFIGURATION_READINGS {
                say(&format!("{right} of {CONFIGURATION_READINGS} readings say Deployed, with the version"));
                sleep(self.session.scale_wait_for_sandbox(READING_PAUSE)).await;
            }
        }
        Ok(())
    }

    async fn try_links_by_each_secret(&self, say: &(dyn Fn(&str) + Sync)) -> Result<(), Failure> {
        let until = Instant::now() + self.session.scale_wait_for_sandbox(LINKS_TIMEOUT);
        for (nth, secret) in self.secrets.iter().enumerate() {
            let mut passed = 0;
            while passed < LINKS_PER_SECRET {
                match self.try_link_by_secret(secret).await? {
                    None => passed += 1,
                    Some(why) if Instant::now() >= until => {
                        return Err(Failure::new_generic_failure(
                            "links at the edge",
                            format!("a link by secret {} of {}: {why}", nth + 1, self.secrets.len()),
                            format!(
                                "no node signs with the new secret yet, and no link is refused; try again later: {}",
                                render_same_command_again(&[])
                            ),
                        ));
                    }
                    Some(why) => {
                        passed = 0;
                        say(&format!(
                            "a link by secret {} of {}: {why}; asked again",
                            nth + 1,
                            self.secrets.len()
                        ));
                        sleep(self.session.scale_wait_for_sandbox(LINK_RETRY_PAUSE)).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tries one link; why the function refused it, if it did.
    async fn try_link_by_secret(&self, secret: &Secret) -> Result<Option<String>, Failure> {
        let observed = self.observed;
        let spec = SignedUrlSpec {
            domain: &observed.distribution.domain,
            key: observed.samples.first_sample_package().unwrap_or(ABSENT_KEY),
            construction: observed.authenticator.construction,
            mac: TokenMacAlgorithm::Sha1,
            lifetime: LINK_LIFETIME_SECONDS.cast_signed(),
        };
        let path = sign_probe_url(secret, &spec, self.session.host.clock.read_host_clock().as_secs())?;
        let url = self.session.web.build_edge_url(spec.domain, &path);
        Ok(match self.session.web.send_http_get_over_fresh_connection(&url).await {
            Err(failure) => Some(failure.to_string()),
            Ok(reply) => match reply.find_header("x-packagecloud-cloudfront") {
                Some(reason) => Some(format!("it was answered {} ({reason})", reply.status)),
                // What S3 refuses, the function has let through.
                None => (reply.status >= 500).then(|| format!("it was answered {}", reply.status)),
            },
        })
    }
}
