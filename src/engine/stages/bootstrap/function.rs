//! The function and its version: the bundle is made and tried, uploaded, and published once, however many runs do so at once.

use tokio::try_join;

use super::make::BootstrapResourceMaker;
use crate::aws::LambdaFunctionSettings;
use crate::edge::{
    bundle::{LAMBDA_HANDLER, MEMORY_MB, TIMEOUT_SECONDS, parse_function_version_description},
    self_test::{SIGNED_URL_VECTORS, run_bundle_self_test},
};
use crate::engine::{
    resources::{
        accepted_secrets::{read_carried_signing_keys, refuse_secrets_of_other_keys},
        authenticator::{build_edge_function_bundle, list_version_fingerprints},
    },
    session::AwsTarget,
};
use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::{
        account::{FunctionVersion, IamRole, KmsKey, LambdaFunction},
        lambda_runtime::AUTHENTICATOR_RUNTIME,
    },
    failure::{Failure, FailureKind},
    run::goal::StageStep,
    secret::Secret,
    url::token::compute_secret_fingerprint,
};

const FUNCTION_SETTINGS: LambdaFunctionSettings<'_> = LambdaFunctionSettings {
    runtime: AUTHENTICATOR_RUNTIME,
    handler: LAMBDA_HANDLER,
    memory: MEMORY_MB,
    timeout: TIMEOUT_SECONDS,
};

impl BootstrapResourceMaker<'_> {
    /// Gives this install's tags to a function that is right as it stands.
    ///
    /// # Errors
    /// Where Lambda refuses, or the function is another's and adoption wasn't consented to.
    pub(super) async fn adopt_authenticator_function(
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

    /// Publishes a version that holds `secret` and what is carried over of what the edge accepts now; returns the function with it, and its ARN.
    ///
    /// # Errors
    /// Where KMS or Lambda refuses, the bundle fails its self-test, or another run has published another secret.
    pub(super) async fn publish_function_version(
        &self,
        role: &IamRole,
        key: &KmsKey,
        secret: &Secret,
    ) -> Result<(LambdaFunction, String), Failure> {
        let AwsTarget { cloud, names, .. } = self.target;
        let run = self.run;
        let bundle = build_edge_function_bundle(self.seen.construction, &key.arn, names);
        let carried = &self.seen.beside.carried;
        let fingerprints = list_version_fingerprints(compute_secret_fingerprint(secret)?, carried);
        let description = bundle.render_version_description(fingerprints)?;
        let say = run.build_step_progress_reporter(StageStep::SelfTest);
        let zip = run
            .run_stage_step(StageStep::SelfTest, "the bundle is made, and tried", async {
                let (ciphertext, kept) = try_join!(
                    cloud.encrypt_secret_with_kms(
                        key,
                        secret.expose_secret().as_bytes(),
                        names.bucket_name(),
                        &say,
                    ),
                    read_carried_signing_keys(self.session, cloud, carried)
                )?;
                refuse_secrets_of_other_keys(carried, &kept, key, names)?;
                let zip = bundle.build_edge_function_zip(&[ciphertext], &kept);
                self_test_function_bundle(zip).await
            })
            .await?;
        let name = names.lambda_function_name();
        let mut function = run
            .run_stage_step(StageStep::Function, format!("Lambda function {name}"), async {
                let function = match self.upload_function_code(role, &zip, secret).await {
                    Err(failure) => return Err(self.explain_function_drift(failure, secret).await),
                    Ok(function) => function,
                };
                self.refuse_other_secret(&function, secret)?;
                Ok((function, format!("code uploaded to Lambda function {name}")))
            })
            .await?;
        let say = run.build_step_progress_reporter(StageStep::FunctionVersion);
        let version: FunctionVersion = run
            .run_stage_step(StageStep::FunctionVersion, "a numbered version", async {
                let published = cloud.publish_function_version(names, &function, &description, &say).await;
                let version = match published {
                    Err(failure) => return Err(self.explain_function_drift(failure, secret).await),
                    Ok(version) => version,
                };
                let text = format!("version {} is active: {}", version.number, version.arn);
                Ok((version, text))
            })
            .await?;
        let arn = version.arn.clone();
        function.versions.retain(|known| known.arn != arn);
        function.versions.push(version);
        Ok((function, arn))
    }

    /// Brings the function to this code; where another run made it at the same moment, that one's.
    async fn upload_function_code(
        &self,
        role: &IamRole,
        zip: &[u8],
        secret: &Secret,
    ) -> Result<LambdaFunction, Failure> {
        let AwsTarget { cloud, names, .. } = self.target;
        let (adopt, standing) = (self.answers.consents.adopt, self.seen.function.as_ref());
        let say = self.run.build_step_progress_reporter(StageStep::Function);
        let ensure = |standing| {
            cloud.ensure_lambda_function(names, standing, &role.arn, FUNCTION_SETTINGS, zip, adopt, &say)
        };
        match Box::pin(ensure(standing)).await {
            Err(failure) if failure.kind == FailureKind::Drifted && standing.is_none() => {
                let theirs = cloud.read_lambda_function(names).await?.ok_or(failure)?;
                self.refuse_other_secret(&theirs, secret)?;
                Box::pin(ensure(Some(&theirs))).await
            }
            done => done,
        }
    }

    /// Where the function moved because another run gave it another secret, that is what is wrong: looking again would only
    /// take it back.
    async fn explain_function_drift(&self, failure: Failure, secret: &Secret) -> Failure {
        if failure.kind != FailureKind::Drifted {
            return failure;
        }
        match self.target.cloud.read_lambda_function(&self.target.names).await {
            Ok(Some(now)) => self.refuse_other_secret(&now, secret).err().unwrap_or(failure),
            _ => failure,
        }
    }

    /// Stops where another run has published a version since the look, and that accepts another secret than this host's: a
    /// version of ours beside it would refuse the links of the host that the other one runs on.
    fn refuse_other_secret(&self, function: &LambdaFunction, secret: &Secret) -> Result<(), Failure> {
        let seen = self.seen.function.as_ref().map_or(&[][..], |function| &function.versions);
        let fresh = function.versions.iter().filter(|version| seen.iter().all(|one| one.arn != version.arn));
        for version in fresh {
            let Some(held) = parse_function_version_description(&version.description) else { continue };
            if !held.is_signing_secret_deployed(secret)? {
                let path = self.session.host.config.display().to_string();
                return Err(Failure::new_generic_failure(
                    "cloudfront_secret",
                    format!(
                        "another run has just published {}, which accepts another secret than the one in {path}",
                        version.arn
                    ),
                    format!(
                        "put the other host's cloudfront_secret into {} (there, this prints it: {}), then run: {}",
                        self.session.host.prefix_path_with_host(&path),
                        render_proposed_command("configuration", &["--show-secret"]),
                        render_same_command_again(&[])
                    ),
                ));
            }
        }
        Ok(())
    }
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
        let zip = bundle.build_edge_function_zip(&[vec![1]], &[]);
        let (given, said) = self_test_function_bundle(zip.clone()).await.unwrap();
        assert!(given == zip && said.starts_with("self-test: "), "{said}");

        // Without a secret in it, it refuses what is signed rightly.
        let failure = self_test_function_bundle(bundle.build_edge_function_zip(&[], &[])).await.unwrap_err();
        assert!(failure.why.contains("self-tests passed, so it was not published"), "{failure:?}");
        let failure = self_test_function_bundle(b"no zip".to_vec()).await.unwrap_err();
        assert!(failure.next.contains("nothing was published"), "{failure:?}");
    }
}
