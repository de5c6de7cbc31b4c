//! What is found before anything is asked: packagecloud.rb, identities, the bucket, CloudFront on or off and set up by whom, and the goal that this proposes.
//!
//! Nothing here fails: what can't be found out stands beside what can.

use std::time::Duration;

use futures::{FutureExt as _, future::join_all};

use crate::aws::credentials::{
    lookup::FixedOrDiscoveredAwsIdentity,
    shared::SharedCredentials,
    source::{AwsAccessKeys, CredentialCandidate},
};
use crate::host::{environment::clock, version};
use crate::model::{
    aws::{
        account::{LambdaFunction, ResourceOwnership},
        cloudfront::CloudFrontDistribution,
    },
    failure::{Failure, FailureKind},
    run::{
        answers::OperatorAnswers,
        check::CheckResult,
        goal::OperatorGoal,
        welcome::{
            AwsIdentitySource, CloudFrontSetUpBy, FoundAwsIdentity, FoundBucket, FoundCloudFront,
            FoundPackagecloudConfig, FoundRedirects, FoundSwitchState, LambdaRuntimeSupport, LastRunPosition,
            OperatorTypedCredentials, WelcomeFindings,
        },
    },
    url::redirect::RedirectTarget,
};

use super::{
    delivery::redirects::SampledRedirects,
    packagecloud::switch::read_cloudfront_on_since,
    resources::{
        accepted_secrets::{list_accepted_secrets, list_associated_version_arns},
        install::find_our_distribution,
    },
    session::{AwsTarget, Session, map_credentials_to_identity_source},
};

/// Reads what the first screen shows.
pub async fn read_welcome_findings(session: &Session, answers: &OperatorAnswers) -> WelcomeFindings {
    let local = read_local_findings(session).await;
    let (redirects, found) = tokio::join!(
        read_redirects(session, answers).boxed(),
        add_aws_findings(session, answers, local).boxed()
    );
    WelcomeFindings { redirects, ..found }
}

/// Reads what is known without AWS, and without packagecloud's answer: this waits for neither.
pub async fn read_local_findings(session: &Session) -> WelcomeFindings {
    let last = session.settings.last.clone();
    let mut found =
        WelcomeFindings { left: read_unfinished_run(session), last, ..WelcomeFindings::default() };
    found.failures.extend(session.host.state.list_state_faults().iter().cloned());
    found.other_run = session.acquire_lock_or_find_holder().await;
    read_config_into_welcome(session, &mut found).await;
    found.backups = super::list_config_backups(session).await.unwrap_or_default();
    found.packagecloud =
        version::check_packagecloud_version(session.host.read_packagecloud_version().await.as_ref()).detail;
    found.sudo = session.find_variables_dropped_by_sudo().map(|dropped| dropped.render_sudo_advice());
    found.cloudfront.on_since = read_cloudfront_on_since(session).map(clock::render_utc_time);
    found
}

/// How long AWS may say nothing to one call before the first screen stops waiting for it.
const AWS_SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long the first screen waits for all of AWS's answers together.
const AWS_FINDINGS_TIMEOUT: Duration = Duration::from_mins(2);
/// How often it is looked whether AWS answers.
const SILENCE_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Adds what AWS says; where it says nothing for too long, that, and what is known without it.
pub async fn add_aws_findings(
    session: &Session,
    answers: &OperatorAnswers,
    found: WelcomeFindings,
) -> WelcomeFindings {
    let mut asked = std::pin::pin!(ask_aws_for_findings(session, answers, found.clone()));
    let since = tokio::time::Instant::now();
    loop {
        if let Ok(found) = tokio::time::timeout(SILENCE_LOOK_INTERVAL, &mut asked).await {
            return found;
        }
        let silent = super::describe_call_silent_for(AWS_SILENCE_MAX);
        if silent.is_some() || since.elapsed() >= AWS_FINDINGS_TIMEOUT {
            return add_aws_silence(found, silent);
        }
    }
}

/// Says of what was found without AWS that AWS does not answer, and by which call that was seen.
fn add_aws_silence(mut found: WelcomeFindings, silent: Option<String>) -> WelcomeFindings {
    let why = silent.unwrap_or_else(|| {
        format!("not all of its answers came within {} s", AWS_FINDINGS_TIMEOUT.as_secs())
    });
    found.is_aws_silent = true;
    let failure = Failure::new(
        FailureKind::Unreachable,
        "AWS",
        why,
        "check this host's network, DNS and proxy (HTTPS_PROXY), then press r; D switches CloudFront off without AWS",
    );
    add_unreachable_aws(&mut found, failure);
    found
}

/// Notes that AWS can't be asked: what may be on can be switched off all the same.
fn add_unreachable_aws(found: &mut WelcomeFindings, failure: Failure) {
    found.cloudfront.by = CloudFrontSetUpBy::Unknown;
    found.failures.push(failure);
    if let Some(on) = found.cloudfront.switch.describe_switch_unless_off() {
        found.goal = Some((OperatorGoal::Disable, format!("{on}, and AWS can't be asked from here")));
    }
}

async fn ask_aws_for_findings(
    session: &Session,
    answers: &OperatorAnswers,
    mut found: WelcomeFindings,
) -> WelcomeFindings {
    found.identities = find_aws_identities(session, answers).boxed().await;
    match session.get_or_discover_aws_target(answers).await {
        // Nothing of another account is shown as if it were the one that this host works in: that is asked first.
        Ok(target)
            if is_account_unlike_last_run(session, &target)
                && session.build_bucket_or_account_question(&target, answers).is_some() =>
        {
            found.cloudfront.by = CloudFrontSetUpBy::Unknown;
        }
        Ok(target) => {
            found.buckets.push(FoundBucket {
                name: target.names.bucket_name().to_owned(),
                region: target.bucket.region.clone(),
                found: target.evidence.clone(),
                sampled: Some((target.sampled.0 as u64, target.sampled.1 as u64)),
            });
            let others = target.cloud.list_buckets().await.unwrap_or_default();
            found.buckets.extend(others.into_iter().filter(|name| name != target.names.bucket_name()).map(
                |name| FoundBucket {
                    name,
                    region: String::new(),
                    found: "a bucket of this account".into(),
                    sampled: None,
                },
            ));
            read_distribution_into_welcome(session, answers, &target, &mut found).await;
            found.goal = Some(propose_setup_goal(&found.cloudfront, target.sampled.1));
        }
        Err(failure) => {
            let first = found.identities.first();
            let failure = match first.and_then(|identity| identity.device.as_ref()) {
                // Where it isn't asked for, that is no failure: the next key does.
                Some(_) => Failure { next: "Enter on Install or Upgrade asks for it".into(), ..failure },
                None => failure,
            };
            add_unreachable_aws(&mut found, failure);
        }
    }
    found
}

/// How long packagecloud is waited for, for each of its redirects.
const REDIRECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks packagecloud for as many redirects as there are nodes; waits for nothing of AWS's.
pub async fn read_redirects(session: &Session, answers: &OperatorAnswers) -> FoundRedirects {
    if !session.can_probe_packagecloud_redirect(answers) {
        return FoundRedirects::NotAsked;
    }
    let nodes = session.list_all_node_sessions().len();
    let asked = SampledRedirects::sample_packagecloud_redirects(session, answers, None, nodes);
    let sampled = match tokio::time::timeout(REDIRECT_TIMEOUT, asked).await {
        Ok(Ok(Some(sampled))) => sampled,
        Ok(Ok(None)) => return FoundRedirects::NotAsked,
        Ok(Err(failure)) => return FoundRedirects::Unknown(failure.to_string()),
        Err(_) => {
            let seconds = REDIRECT_TIMEOUT.as_secs();
            return FoundRedirects::Unknown(format!("packagecloud did not answer within {seconds} s"));
        }
    };
    let seen = sampled.describe_distinct_redirects().join(" and ");
    let targets = sampled.list_sampled_targets();
    let goes_to = |target| targets.contains(&target);
    match (goes_to(RedirectTarget::Edge), goes_to(RedirectTarget::S3)) {
        (true, true) => FoundRedirects::Mixed(seen),
        (true, false) => FoundRedirects::CloudFront,
        (false, true) => FoundRedirects::S3,
        (false, false) => FoundRedirects::Unknown(format!("packagecloud answers {seen}")),
    }
}

/// Reads who set CloudFront up, and on which runtime its function runs.
async fn read_distribution_into_welcome(
    session: &Session,
    answers: &OperatorAnswers,
    target: &AwsTarget,
    found: &mut WelcomeFindings,
) {
    match find_our_distribution(session, answers).await {
        Ok(Some(distribution)) => {
            found.cloudfront.by = if distribution.ownership == ResourceOwnership::Ours {
                CloudFrontSetUpBy::Us
            } else {
                CloudFrontSetUpBy::Others
            };
            if let Ok(Some(function)) = target.read_authenticator_function().await {
                found.cloudfront.runtime = find_lambda_function_runtime(session, &function, &distribution);
                let associated = std::slice::from_ref(&distribution);
                let accepted = list_accepted_secrets(&function, &list_associated_version_arns(associated));
                found.cloudfront.accepts_earlier_secret = accepted.len() > 1;
            }
            found.cloudfront.distribution = distribution.id;
            found.cloudfront.domain = distribution.domain;
        }
        Ok(None) => found.cloudfront.by = CloudFrontSetUpBy::Nobody,
        Err(failure) => {
            found.cloudfront.by = CloudFrontSetUpBy::Unknown;
            found.failures.push(failure);
        }
    }
}

/// What the associated function runs on, and until when AWS looks after that.
fn find_lambda_function_runtime(
    session: &Session,
    function: &LambdaFunction,
    distribution: &CloudFrontDistribution,
) -> Option<LambdaRuntimeSupport> {
    let associated = distribution.behaviors.iter().find_map(|behavior| behavior.viewer_request.as_ref())?;
    let version = function.versions.iter().find(|version| version.arn == *associated)?;
    let today = clock::render_utc_time(session.host.clock.read_host_clock());
    Some(LambdaRuntimeSupport::new(&version.runtime, today.get(..10).unwrap_or_default()))
}

/// Whether the account is another than the last run's.
fn is_account_unlike_last_run(session: &Session, target: &AwsTarget) -> bool {
    session.settings.last.as_ref().is_some_and(|(account, _)| *account != target.account)
}

/// Returns where the last run was left, if it didn't go to its end.
pub fn read_unfinished_run(session: &Session) -> Option<LastRunPosition> {
    let left = session.host.state.read_saved_run().0?;
    Some(LastRunPosition {
        goal: left.answers.goal?,
        stage: left.stage?,
        ago: clock::render_age(
            session.host.clock.read_host_clock().saturating_sub(Duration::from_secs(left.when)),
        ),
        on: left.on,
    })
}

async fn read_config_into_welcome(session: &Session, found: &mut WelcomeFindings) {
    found.config = FoundPackagecloudConfig {
        path: session.host.render_config_location(),
        ..FoundPackagecloudConfig::default()
    };
    match session.host.read_packagecloud_config().await {
        Ok(config) => {
            let switch = match (config.seen.may_cloudfront_be_on(), config.seen.values.enabled) {
                (false, _) => FoundSwitchState::Off,
                (true, Some(true)) => FoundSwitchState::On,
                (true, _) => FoundSwitchState::MaybeOn,
            };
            found.config.managed = config.seen.managed.map(|(tool, _)| tool);
            let values = config.seen.values;
            found.cloudfront = FoundCloudFront {
                switch,
                distribution: values.distribution_id.unwrap_or_default(),
                domain: values.packages_domain.unwrap_or_default(),
                ..FoundCloudFront::default()
            };
        }
        Err(failure) => found.config.failure = Some(failure),
    }
}

/// An empty bucket needs no reindex; anything else was written before CloudFront was thought of.
fn propose_setup_goal(cloudfront: &FoundCloudFront, keys: usize) -> (OperatorGoal, String) {
    match (cloudfront.switch.describe_switch_unless_off(), keys) {
        (Some(on), _) if cloudfront.by == CloudFrontSetUpBy::Others => (
            OperatorGoal::Upgrade,
            format!(
                "{on}, and not by this program: it is left to work; this shows what would change, and changes nothing without a yes to each adoption"
            ),
        ),
        (Some(on), _) => (OperatorGoal::Upgrade, format!("{on}: checks what is set up, and completes it")),
        (_, 0) => (OperatorGoal::Install, "the bucket is empty, so nothing has to be reindexed".into()),
        _ => (OperatorGoal::Upgrade, "the bucket already holds packages".into()),
    }
}

async fn find_aws_identities(session: &Session, answers: &OperatorAnswers) -> Vec<FoundAwsIdentity> {
    if let FixedOrDiscoveredAwsIdentity::Fixed(_) = session.settings.identities {
        let result =
            session.find_accepted_aws_identity(answers).await.map(|one| (one.caller.arn, one.caller.account));
        return vec![build_identity_from_sts_result(
            AwsIdentitySource::Environment,
            CredentialCandidate::new_sandbox_user_candidate().found,
            result,
            None,
        )];
    }
    let candidates = session.list_credential_candidates(answers).await;
    join_all(candidates.iter().map(|candidate| try_aws_identity(session, candidate))).await
}

async fn try_aws_identity(session: &Session, candidate: &CredentialCandidate) -> FoundAwsIdentity {
    let result = session.try_aws_credential_candidate(candidate).await;
    let device = match &result {
        Err(failure) if failure.kind == FailureKind::Credentials => {
            session.find_needed_mfa_serial(&candidate.source).await
        }
        _ => None,
    };
    let held = result.as_ref().ok().and_then(|(cloud, _)| cloud.shared_credentials());
    let found = held.map_or_else(|| candidate.found.clone(), SharedCredentials::describe_credential_source);
    let result = result.map(|(_, caller)| (caller.arn, caller.account));
    build_identity_from_sts_result(
        map_credentials_to_identity_source(&candidate.source),
        found,
        result,
        device,
    )
}

fn build_identity_from_sts_result(
    source: AwsIdentitySource,
    found: String,
    result: Result<(String, String), Failure>,
    device: Option<String>,
) -> FoundAwsIdentity {
    let (arn, account, suffices) = match result {
        Ok((arn, account)) => {
            (arn, account, CheckResult::new_unknown_check("permissions", "its permissions are checked next"))
        }
        Err(failure) => {
            // What nobody was asked for yet is no fault.
            let suffices = match &device {
                Some(serial) if failure.code.is_none() => CheckResult::new_unknown_check(
                    "identity",
                    format!("its role needs a code of {serial}: choose it"),
                ),
                _ => CheckResult::new_failed_check("identity", failure.to_string(), failure.next),
            };
            (String::new(), String::new(), suffices)
        }
    };
    FoundAwsIdentity { source, found, arn, account, device, suffices }
}

/// Uses typed keys from now on.
pub async fn use_typed_credentials(session: &Session, keys: &OperatorTypedCredentials) {
    session.host.redactor.learn_secret_to_redact(&keys.secret_access_key);
    session.set_typed_access_keys(AwsAccessKeys {
        access: keys.access_key_id.clone(),
        secret: keys.secret_access_key.clone(),
        session: keys.session_token.clone(),
    });
    if keys.remember {
        let name = format!("aws_secret_key {}", keys.access_key_id);
        // Where there is no keyring they are typed again next time, which is said where they are asked for.
        let _ = session.host.keyring.store_keyring_secret(&name, &keys.secret_access_key).await;
    }
}

/// Finds who a profile or typed keys are; typed keys are used from now on.
pub async fn identify_aws_credentials(
    session: &Session,
    profile: Option<&str>,
    keys: Option<&OperatorTypedCredentials>,
    answers: &OperatorAnswers,
) -> FoundAwsIdentity {
    if let Some(keys) = keys {
        use_typed_credentials(session, keys).await;
    }
    let wanted = match profile {
        Some(name) => AwsIdentitySource::Profile(name.to_owned()),
        None => AwsIdentitySource::Typed,
    };
    let mut answers = answers.clone();
    if let Some(name) = profile {
        answers.profile = Some(name.to_owned());
    }
    let candidates = session.list_credential_candidates(&answers).await;
    let Some(candidate) =
        candidates.iter().find(|candidate| map_credentials_to_identity_source(&candidate.source) == wanted)
    else {
        let failure = Failure::new_generic_failure("the identity", "it was not found", "type it again");
        return build_identity_from_sts_result(wanted, String::new(), Err(failure), None);
    };
    try_aws_identity(session, candidate).await
}
