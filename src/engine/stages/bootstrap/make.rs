//! Makes what the bootstrap's plan says: what doesn't depend on one another together, the version last.

use tokio::try_join;

use crate::aws::LambdaFunctionSettings;
use crate::edge::{
    bundle::{LAMBDA_HANDLER, LAMBDA_RUNTIME, MEMORY_MB, TIMEOUT_SECONDS},
    self_test::{SIGNED_URL_VECTORS, run_bundle_self_test},
};
use crate::engine::{
    delivery::{probe, samples},
    resources::authenticator::build_edge_function_bundle,
    run::StageRun,
    session::{
        AwsTarget, Session,
        account_cache::{AuthenticatorResources, CreatedAwsResource},
    },
};
use crate::model::{
    aws::{
        account::{IamRole, KmsKey, LambdaFunction, ResourceOwnership},
        evidence::BootstrapStageEvidence,
    },
    failure::Failure,
    run::{answers::OperatorAnswers, event::StageEnd, goal::StageStep},
    secret::Secret,
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
            "run generate-cloudfront-secret first",
        )
    })?;
    secret.decode_base64_secret_key()?;
    let unmarked =
        seen.function.as_ref().filter(|function| function.ownership == ResourceOwnership::Unmarked);
    // A function that is right as it stands keeps its code: no link can break.
    if unmarked.is_some() && seen.version.is_none() {
        Box::pin(prove_live_links_accepted(session, &target, seen, answers, run)).await?;
    }
    let maker = BootstrapResourceMaker { target: &target, seen, answers, run };
    // None of them needs another.
    let (role, key, access) = try_join!(
        Box::pin(maker.ensure_authenticator_role()),
        Box::pin(maker.ensure_authenticator_kms_key()),
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
struct BootstrapResourceMaker<'a> {
    target: &'a AwsTarget,
    seen: &'a BootstrapStageEvidence,
    answers: &'a OperatorAnswers,
    run: &'a StageRun,
}

impl BootstrapResourceMaker<'_> {
    async fn ensure_authenticator_role(&self) -> Result<IamRole, Failure> {
        let (cloud, names) = (&self.target.cloud, &self.target.names);
        let say = self.run.build_step_progress_reporter(StageStep::Role);
        self.run
            .run_stage_step(StageStep::Role, format!("role {}", names.function_role_name()), async {
                let boundary = self.answers.permissions_boundary.as_deref();
                let (role, ()) = try_join!(
                    cloud.ensure_function_role(
                        names,
                        self.seen.role.as_ref(),
                        boundary,
                        self.answers.consents.adopt,
                        &say
                    ),
                    cloud.ensure_service_linked_roles(&say)
                )?;
                let text = format!("role {} stands", role.name);
                Ok((role, text))
            })
            .await
    }

    async fn ensure_authenticator_kms_key(&self) -> Result<KmsKey, Failure> {
        let AwsTarget { cloud, names, account, .. } = self.target;
        let say = self.run.build_step_progress_reporter(StageStep::Key);
        let role_arn = format!("arn:aws:iam::{account}:role/{}", names.function_role_name());
        self.run
            .run_stage_step(StageStep::Key, "KMS key in us-east-1", async {
                let adopt = self.answers.consents.adopt;
                let key = cloud
                    .ensure_kms_key(names, self.seen.key.as_ref(), &role_arn, account, adopt, &say)
                    .await?;
                let text = format!("KMS key {} stands", key.id);
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
                    let text = format!("origin access control {} stands", control.id);
                    Ok((CreatedAwsResource::Control(control), text))
                } else {
                    let identity = cloud.ensure_origin_access_identity(names, seen.identity.as_ref()).await?;
                    let text = format!("origin access identity {} stands", identity.id);
                    Ok((CreatedAwsResource::Identity(identity), text))
                }
            })
            .await
    }

    /// Writes the key's alias and both policies; returns role and key as they are then.
    async fn write_role_and_key_policies(
        &self,
        role: &IamRole,
        key: &KmsKey,
    ) -> Result<(IamRole, KmsKey), Failure> {
        let AwsTarget { cloud, names, account, .. } = self.target;
        let run = self.run;
        let (say, say_of_alias) = (
            run.build_step_progress_reporter(StageStep::KeyPolicy),
            run.build_step_progress_reporter(StageStep::KeyAlias),
        );
        let ((), key_policy, role_policy) = try_join!(
            run.run_stage_step(StageStep::KeyAlias, format!("alias {}", names.kms_alias_name()), async {
                cloud.ensure_kms_alias(names, key, &say_of_alias).await?;
                Ok(((), format!("{} points at the key", names.kms_alias_name())))
            }),
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
            KmsKey { policy: key_policy, alias: true, ..key.clone() },
        ))
    }

    /// Gives this install's tags to a function that is right as it stands.
    async fn adopt_authenticator_function(
        &self,
        function: &LambdaFunction,
    ) -> Result<LambdaFunction, Failure> {
        let AwsTarget { cloud, names, .. } = self.target;
        let name = names.lambda_function_name();
        self.run
            .run_stage_step(StageStep::Function, format!("the tags of Lambda function {name}"), async {
                let marked =
                    cloud.tag_adopted_lambda_function(names, function, self.answers.consents.adopt).await?;
                Ok((marked, format!("Lambda function {name} carries this install's tags")))
            })
            .await
    }

    /// Publishes a version that holds `secret`; returns the function with it, and its ARN.
    async fn publish_function_version(
        &self,
        role: &IamRole,
        key: &KmsKey,
        secret: &Secret,
    ) -> Result<(LambdaFunction, String), Failure> {
        let AwsTarget { cloud, names, .. } = self.target;
        let run = self.run;
        let bundle = build_edge_function_bundle(self.seen.construction, &key.arn, names);
        let description = bundle.render_version_description(std::slice::from_ref(secret))?;
        let zip = run
            .run_stage_step(StageStep::SelfTest, "the bundle is made, and tried", async {
                let ciphertext = cloud
                    .encrypt_secret_with_kms(&key.arn, secret.expose_secret().as_bytes(), names.bucket_name())
                    .await?;
                let zip = bundle.build_edge_function_zip(&[ciphertext]);
                self_test_function_bundle(zip).await
            })
            .await?;
        let settings = LambdaFunctionSettings {
            runtime: LAMBDA_RUNTIME,
            handler: LAMBDA_HANDLER,
            memory: MEMORY_MB,
            timeout: TIMEOUT_SECONDS,
        };
        let say = run.build_step_progress_reporter(StageStep::Function);
        let mut function = run
            .run_stage_step(
                StageStep::Function,
                format!("Lambda function {}", names.lambda_function_name()),
                async {
                    let (standing, adopt) = (self.seen.function.as_ref(), self.answers.consents.adopt);
                    let function = cloud
                        .ensure_lambda_function(names, standing, &role.arn, settings, &zip, adopt, &say)
                        .await?;
                    Ok((function, format!("Lambda function {} holds the code", names.lambda_function_name())))
                },
            )
            .await?;
        let say = run.build_step_progress_reporter(StageStep::FunctionVersion);
        let version = run
            .run_stage_step(StageStep::FunctionVersion, "a numbered version", async {
                let version = cloud.publish_function_version(names, &function, &description, &say).await?;
                let text = format!("version {} is active: {}", version.number, version.arn);
                Ok((version, text))
            })
            .await?;
        let arn = version.arn.clone();
        function.versions.retain(|known| known.arn != arn);
        function.versions.push(version);
        Ok((function, arn))
    }
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
    if session.host.read_packagecloud_config().await?.seen.values.enabled != Some(true) {
        return Ok(());
    }
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
        let location = redirect.location.clone().filter(|_| redirect.classify_redirect_target() == RedirectTarget::Edge);
        let location = location.ok_or_else(|| {
            Failure::new_generic_failure(
                what,
                format!("CloudFront is on, and it answers {}; {left}", redirect.describe_redirect()),
                "run reconfigure and restart, or disable, then try again",
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
                format!("run it again with --construction {fits}"),
            )),
            None => Err(Failure::new_generic_failure(
                what,
                format!("ours would refuse its token: it is made another way, or with another secret than this host's; {left}"),
                "run inspect on the URL; copy cloudfront_secret from the node that made it, where it is another's",
            )),
        }
    })
    .await
}

/// Gives the bundle back for publishing, and what is said of it, only where it passed its self-test whole.
async fn self_test_function_bundle(zip: Vec<u8>) -> Result<(Vec<u8>, String), Failure> {
    let (passed, total) = run_bundle_self_test(&zip, SIGNED_URL_VECTORS).await.map_err(|why| {
        Failure::new_generic_failure(
            "the function's bundle",
            why,
            "report this with the log; nothing was published",
        )
    })?;
    if passed != total {
        return Err(Failure::new_generic_failure(
            "the function's bundle",
            format!("only {passed} of {total} self-tests passed, so it was not published"),
            "report this with the log; what serves packages now is untouched",
        ));
    }
    Ok((zip, format!("self-test: {passed} of {total}")))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::bundle::EdgeBundle;

    #[tokio::test(start_paused = true)]
    async fn only_a_bundle_that_passes_is_given_back_to_be_published() {
        let bundle = EdgeBundle {
            construction: "raw:path+expires".parse().unwrap(),
            key_arn: "arn:aws:kms:us-east-1:111122223333:key/0a1b".into(),
            context: [("packagecloud:enterprise".to_owned(), "packages".to_owned())].into(),
        };
        let zip = bundle.build_edge_function_zip(&[vec![1]]);
        let (given, said) = self_test_function_bundle(zip.clone()).await.unwrap();
        assert!(given == zip && said.starts_with("self-test: "), "{said}");

        // Without a secret in it, it refuses what is signed rightly.
        let failure = self_test_function_bundle(bundle.build_edge_function_zip(&[])).await.unwrap_err();
        assert!(failure.why.contains("self-tests passed, so it was not published"), "{failure:?}");
        let failure = self_test_function_bundle(b"no zip".to_vec()).await.unwrap_err();
        assert!(failure.next.contains("nothing was published"), "{failure:?}");
    }
}
