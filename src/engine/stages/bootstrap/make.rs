//! Makes what the bootstrap's plan says: what doesn't depend on one another together, the function and its version last.

use tokio::try_join;

use crate::aws::EnsuredIamRole;
use crate::engine::{
    delivery::{probe, samples},
    run::StageRun,
    session::{
        AwsTarget, Session,
        account_cache::{AuthenticatorResources, CreatedAwsResource},
    },
};
use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::{
        account::{IamRole, KmsKey, ResourceOwnership},
        evidence::BootstrapStageEvidence,
    },
    failure::Failure,
    run::{answers::OperatorAnswers, event::StageEnd, goal::StageStep},
    url::redirect::RedirectTarget,
};

/// Makes what the plan says.
///
/// # Errors
/// Fails where packagecloud.rb holds no secret, AWS refuses a step, the bundle fails its self-test, or a link that works
/// now would be refused.
pub(crate) async fn apply(
    session: &Session,
    seen: &BootstrapStageEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let secret = seen.secret.clone().ok_or_else(|| {
        Failure::new_generic_failure(
            "cloudfront_secret",
            "packagecloud.rb holds none yet",
            format!("create it with: {}", render_proposed_command("generate-cloudfront-secret", &[])),
        )
    })?;
    secret.decode_base64_secret_key()?;
    let unmarked =
        seen.function.as_ref().filter(|function| function.ownership == ResourceOwnership::Unmarked);
    // A function that is right as it stands keeps its code: no link can break.
    if unmarked.is_some() && seen.version.is_none() {
        Box::pin(prove_live_links_accepted(session, &target, seen, answers, run)).await?;
    }
    let maker = BootstrapResourceMaker { session, target: &target, seen, answers, run };
    // Neither needs the other.
    let ((role, key), access) = try_join!(
        Box::pin(maker.ensure_authenticator_role_and_key()),
        Box::pin(maker.ensure_cloudfront_origin_access())
    )?;
    target.cache_created_resource(access).await;
    let (role, key) = Box::pin(maker.write_role_and_key_policies(&role, &key)).await?;
    let (function, version_arn) = match (&seen.version, unmarked) {
        (Some(arn), Some(function)) => {
            (Some(maker.adopt_authenticator_function(function).await?), arn.clone())
        }
        (Some(arn), None) => (seen.function.clone(), arn.clone()),
        (None, _) => {
            let (function, arn) = Box::pin(maker.publish_function_version(&role, &key, &secret)).await?;
            (Some(function), arn)
        }
    };
    let made = AuthenticatorResources { role: Some(role), key: Some(key), function };
    target.cache_created_resource(CreatedAwsResource::Authenticator(Box::new(made))).await;
    Ok(build_bootstrap_stage_outcome(seen, &version_arn))
}

/// What each part is made with.
pub(super) struct BootstrapResourceMaker<'a> {
    pub(super) session: &'a Session,
    pub(super) target: &'a AwsTarget,
    pub(super) seen: &'a BootstrapStageEvidence,
    pub(super) answers: &'a OperatorAnswers,
    pub(super) run: &'a StageRun,
}

impl BootstrapResourceMaker<'_> {
    /// Makes what isn't there. Of two runs at once IAM lets one make the role, and KMS would let both make a key: so the one
    /// that made the role makes the key.
    async fn ensure_authenticator_role_and_key(&self) -> Result<(IamRole, KmsKey), Failure> {
        if self.seen.key.is_some() {
            let (ensured, key) =
                try_join!(self.ensure_authenticator_role(), self.ensure_authenticator_kms_key(false))?;
            return Ok((ensured.role, key));
        }
        let ensured = self.ensure_authenticator_role().await?;
        let key = self.ensure_authenticator_kms_key(!ensured.is_newly_made).await?;
        Ok((ensured.role, key))
    }

    async fn ensure_authenticator_role(&self) -> Result<EnsuredIamRole, Failure> {
        let (cloud, names) = (&self.target.cloud, &self.target.names);
        let say = self.run.build_step_progress_reporter(StageStep::Role);
        self.run
            .run_stage_step(StageStep::Role, format!("role {}", names.function_role_name()), async {
                let boundary = self.answers.permissions_boundary.as_deref();
                let (ensured, ()) = try_join!(
                    cloud.ensure_function_role(
                        names,
                        self.seen.role.as_ref(),
                        boundary,
                        self.answers.consents.adopt,
                        &say
                    ),
                    cloud.ensure_service_linked_roles(&say)
                )?;
                let text = describe_ensured(&format!("role {}", ensured.role.name), !ensured.is_newly_made);
                Ok((ensured, text))
            })
            .await
    }

    /// Makes the key where none was seen; `other_may_make_it`: first waits for another run's.
    async fn ensure_authenticator_kms_key(&self, other_may_make_it: bool) -> Result<KmsKey, Failure> {
        let AwsTarget { cloud, names, account, .. } = self.target;
        let say = self.run.build_step_progress_reporter(StageStep::Key);
        let role_arn = format!("arn:aws:iam::{account}:role/{}", names.function_role_name());
        self.run
            .run_stage_step(StageStep::Key, "KMS key in us-east-1", async {
                let adopt = self.answers.consents.adopt;
                let standing = if other_may_make_it {
                    let pace = self.session.settings.wait_factor;
                    cloud.find_kms_key_of_other_run(names, pace, &say).await?
                } else {
                    self.seen.key.clone()
                };
                let key =
                    cloud.ensure_kms_key(names, standing.as_ref(), &role_arn, account, adopt, &say).await?;
                let text = describe_ensured(&format!("KMS key {}", key.id), standing.is_some());
                Ok((key, text))
            })
            .await
    }

    async fn ensure_cloudfront_origin_access(&self) -> Result<CreatedAwsResource, Failure> {
        let AwsTarget { cloud, names, .. } = self.target;
        let seen = self.seen;
        self.run
            .run_stage_step(StageStep::OriginAccess, "origin access", async {
                if seen.by_control {
                    let control = cloud.ensure_origin_access_control(names, seen.control.as_ref()).await?;
                    let what = format!("origin access control {}", control.id);
                    let text = describe_ensured(&what, seen.control.is_some());
                    Ok((CreatedAwsResource::Control(control), text))
                } else {
                    let identity = cloud.ensure_origin_access_identity(names, seen.identity.as_ref()).await?;
                    let what = format!("origin access identity {}", identity.id);
                    let text = describe_ensured(&what, seen.identity.is_some());
                    Ok((CreatedAwsResource::Identity(identity), text))
                }
            })
            .await
    }

    /// Writes the key's alias and both policies; returns role and key as they are then: the key is the alias's.
    async fn write_role_and_key_policies(
        &self,
        role: &IamRole,
        key: &KmsKey,
    ) -> Result<(IamRole, KmsKey), Failure> {
        let AwsTarget { cloud, names, account, .. } = self.target;
        let run = self.run;
        let alias = names.kms_alias_name();
        let say = run.build_step_progress_reporter(StageStep::KeyAlias);
        // Before the policies: another run's alias decides which key they are for.
        let key = &run
            .run_stage_step(StageStep::KeyAlias, format!("alias {alias}"), async {
                let settled = cloud.ensure_kms_alias(names, key, &say).await?;
                let text = render_key_alias_result(&alias, key, &settled);
                Ok((settled, text))
            })
            .await?;
        let say = run.build_step_progress_reporter(StageStep::KeyPolicy);
        let (key_policy, role_policy) = try_join!(
            run.run_stage_step(StageStep::KeyPolicy, "KMS key policy", async {
                let policy = cloud.ensure_kms_key_policy(names, key, &role.arn, account, &say).await?;
                Ok((policy, "only the function's role may decrypt with the key".to_owned()))
            }),
            run.run_stage_step(StageStep::RolePolicy, "role policy", async {
                let policy = cloud.ensure_function_role_policy(names, role, &key.arn, account, &say).await?;
                Ok((policy, "the role may decrypt and write its logs, and nothing else".to_owned()))
            })
        )?;
        Ok((
            IamRole { policy: Some(role_policy), ..role.clone() },
            KmsKey { policy: key_policy, ..key.clone() },
        ))
    }
}

/// Says which key the alias points at; and of a key that lost to another run's, that nothing uses it.
fn render_key_alias_result(alias: &str, made: &KmsKey, settled: &KmsKey) -> String {
    if made.id == settled.id {
        return format!("{alias} points at the key");
    }
    format!(
        "{alias} points at key {}, which another run made at the same moment: that is used. Key {} encrypts nothing; \
         to be rid of it: aws kms schedule-key-deletion --region us-east-1 --key-id {}",
        settled.id, made.id, made.id
    )
}

/// Another's function is replaced only where what packagecloud signs at this moment is accepted by ours too. While
/// CloudFront is off no link depends on it, and going live proves it.
async fn prove_live_links_accepted(
    session: &Session,
    target: &AwsTarget,
    seen: &BootstrapStageEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(), Failure> {
    let config = session.host.read_packagecloud_config().await?.seen;
    let Some(on) = config.describe_cloudfront_unless_off() else { return Ok(()) };
    let is_surely_on = config.values.enabled == Some(true);
    let what = "packagecloud's own redirect";
    let left = "what serves packages now was left as it is";
    run.run_stage_step(StageStep::Proof, "asking packagecloud for a link, to see whether ours accepts it", async {
        let samples = samples::find_sample_object_keys(target).await?;
        let redirect = session.probe_packagecloud_redirect(answers, samples.first_sample_package()).await?.ok_or_else(|| {
            Failure::new_generic_failure(
                what,
                format!("it can't be seen, so whether the adopted function's successor accepts it isn't known; {left}"),
                "give a download URL of packagecloud with --probe-url",
            )
        })?;
        if !is_surely_on && redirect.classify_redirect_target() == RedirectTarget::S3 {
            return Ok(((), format!("it answers {}: no link depends on the edge yet", redirect.describe_redirect())));
        }
        let location = redirect.location.clone().filter(|_| redirect.classify_redirect_target() == RedirectTarget::Edge);
        let location = location.ok_or_else(|| {
            Failure::new_generic_failure(
                what,
                format!("{on}; it answers {}; {left}", redirect.describe_redirect()),
                format!(
                    "let packagecloud follow its file: {} && {} — or switch CloudFront off: {} — then run: {}",
                    render_proposed_command("reconfigure", &[]),
                    render_proposed_command("restart", &[]),
                    render_proposed_command("disable", &[]),
                    render_same_command_again(&[])
                ),
            )
        })?;
        let fits = seen.secret.as_ref().and_then(|secret| probe::detect_link_token_construction(&location, secret, seen.construction));
        match fits {
            Some(fits) if fits == seen.construction => {
                Ok(((), format!("a link that packagecloud just made is accepted as {fits}")))
            }
            Some(fits) => Err(Failure::new_generic_failure(
                what,
                format!("its token is made as {fits}, and ours would accept {}; {left}", seen.construction),
                format!("run: {}", render_same_command_again(&["--construction", &fits.to_string()])),
            )),
            None => Err(Failure::new_generic_failure(
                what,
                format!("ours would refuse its token: it is made another way, or with another secret than this host's; {left}"),
                format!(
                    "give the URL to: {} — and copy cloudfront_secret from the node that made it, where it is another's",
                    render_proposed_command("inspect", &[])
                ),
            )),
        }
    })
    .await
}

/// Says of a resource whether this run created it.
fn describe_ensured(what: &str, was_there: bool) -> String {
    if was_there { format!("{what} already there") } else { format!("{what} created") }
}

fn build_bootstrap_stage_outcome(seen: &BootstrapStageEvidence, arn: &str) -> (StageEnd, String) {
    let previous = seen
        .function
        .as_ref()
        .filter(|function| function.ownership == ResourceOwnership::Unmarked && seen.version.is_none())
        .and_then(|function| function.versions.last())
        .map(|version| format!("; the adopted function's version before: {}", version.arn))
        .unwrap_or_default();
    (StageEnd::Applied, format!("ready for the distribution: {arn}{previous}"))
}
