//! Makes what the bootstrap's plan says: what doesn't depend on one another together, the version last.

use tokio::try_join;

use super::see::bundle;
use crate::cloud::FunctionSettings;
use crate::edge::{
    bundle::{HANDLER, MEMORY, RUNTIME, TIMEOUT},
    self_test::{VECTORS, self_test},
};
use crate::engine::{ground::Ground, run::StageRun};
use crate::model::{
    answers::Answers,
    event::End,
    failure::Failure,
    goal::Step,
    seen::{BootstrapSeen, Ownership},
};

/// Makes what the plan says. The role, the key and the origin access don't need one another and are made together.
pub async fn apply(
    ground: &Ground,
    seen: &BootstrapSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let scene = ground.scene(answers).await?;
    let (cloud, names, account) = (&scene.cloud, &scene.names, scene.account.as_str());
    let secret = seen.secret.clone().ok_or_else(|| {
        Failure::other(
            "cloudfront_secret",
            "packagecloud.rb holds none yet",
            "run generate-cloudfront-secret first",
        )
    })?;
    secret.key()?;
    let adopt = answers.consents.adopt;
    let role_arn = format!("arn:aws:iam::{account}:role/{}", names.role());

    let making_role = async {
        let say = run.progress(Step::Role);
        let role = run
            .step(Step::Role, format!("role {}", names.role()), async {
                let role = cloud
                    .ensure_role(
                        names,
                        seen.role.as_ref(),
                        answers.permissions_boundary.as_deref(),
                        adopt,
                        &say,
                    )
                    .await?;
                cloud.ensure_service_linked_roles(&say).await?;
                let text = format!("role {} stands", role.name);
                Ok((role, text))
            })
            .await?;
        Ok::<_, Failure>(role)
    };
    let making_key = async {
        let say = run.progress(Step::Key);
        let key = run
            .step(Step::Key, "KMS key in us-east-1", async {
                let key = cloud.ensure_key(names, seen.key.as_ref(), &role_arn, account, adopt, &say).await?;
                let text = format!("KMS key {} stands", key.id);
                Ok((key, text))
            })
            .await?;
        run.step(Step::KeyAlias, format!("alias {}", names.alias()), async {
            cloud.ensure_alias(names, &key, &say).await?;
            Ok(((), format!("{} points at the key", names.alias())))
        })
        .await?;
        Ok::<_, Failure>(key)
    };
    let making_access = run.step(Step::OriginAccess, "origin access", async {
        if seen.by_control {
            let control = cloud.ensure_control(names).await?;
            Ok(((), format!("origin access control {} stands", control.id)))
        } else {
            let identity = cloud.ensure_identity(names).await?;
            Ok(((), format!("origin access identity {} stands", identity.id)))
        }
    });
    let (role, key, ()) = try_join!(making_role, making_key, making_access)?;

    let say = run.progress(Step::KeyPolicy);
    let policies = try_join!(
        run.step(Step::KeyPolicy, "KMS key policy", async {
            cloud.ensure_key_policy(names, &key, &role.arn, account, &say).await?;
            Ok(((), "only the function's role may decrypt with the key".to_owned()))
        }),
        run.step(Step::RolePolicy, "role policy", async {
            cloud.ensure_role_policy(names, &role, &key.arn, account, &say).await?;
            Ok(((), "the role may decrypt and write its logs, and nothing else".to_owned()))
        })
    );
    policies?;

    if let Some(arn) = &seen.version {
        return Ok(ended(seen, arn));
    }
    let bundle = bundle(seen.construction, &key.arn, names);
    let description = bundle.description(std::slice::from_ref(&secret))?;
    let zip = run
        .step(Step::SelfTest, "the bundle is made, and tried", async {
            let ciphertext = cloud.encrypt(&key.arn, secret.expose().as_bytes(), names.bucket()).await?;
            let zip = bundle.zip(&[ciphertext]);
            tried(zip).await
        })
        .await?;
    let settings = FunctionSettings { runtime: RUNTIME, handler: HANDLER, memory: MEMORY, timeout: TIMEOUT };
    let say = run.progress(Step::Function);
    let function = run
        .step(Step::Function, format!("Lambda function {}", names.function()), async {
            let function = cloud
                .ensure_function(names, seen.function.as_ref(), &role.arn, settings, &zip, adopt, &say)
                .await?;
            Ok((function, format!("Lambda function {} holds the code", names.function())))
        })
        .await?;
    let version = run
        .step(Step::FunctionVersion, "a numbered version", async {
            let version = cloud.publish(names, &function, &description, &say).await?;
            let text = format!("version {} is active: {}", version.number, version.arn);
            Ok((version, text))
        })
        .await?;
    Ok(ended(seen, &version.arn))
}

/// Gives the bundle back for publishing, and what is said of it, only where it passed its self-test whole.
async fn tried(zip: Vec<u8>) -> Result<(Vec<u8>, String), Failure> {
    let (passed, total) = self_test(&zip, VECTORS).await.map_err(|why| {
        Failure::other("the function's bundle", why, "report this with the log; nothing was published")
    })?;
    if passed != total {
        return Err(Failure::other(
            "the function's bundle",
            format!("only {passed} of {total} self-tests passed, so it was not published"),
            "report this with the log; what serves packages now is untouched",
        ));
    }
    Ok((zip, format!("self-test: {passed} of {total}")))
}

fn ended(seen: &BootstrapSeen, arn: &str) -> (End, String) {
    let previous = seen
        .function
        .as_ref()
        .filter(|function| function.ownership == Ownership::Unmarked)
        .and_then(|function| function.versions.last())
        .map(|version| format!("; the adopted function's version before: {}", version.arn))
        .unwrap_or_default();
    (End::Applied, format!("ready for the distribution: {arn}{previous}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::bundle::Bundle;

    #[tokio::test(start_paused = true)]
    async fn only_a_bundle_that_passes_is_given_back_to_be_published() {
        let bundle = Bundle {
            construction: "raw:path+expires".parse().unwrap(),
            key_arn: "arn:aws:kms:us-east-1:111122223333:key/0a1b".into(),
            context: [("packagecloud:enterprise".to_owned(), "packages".to_owned())].into(),
        };
        let zip = bundle.zip(&[vec![1]]);
        let (given, said) = tried(zip.clone()).await.unwrap();
        assert!(given == zip && said.starts_with("self-test: "), "{said}");

        // Without a secret in it, it refuses what is signed rightly.
        let failure = tried(bundle.zip(&[])).await.unwrap_err();
        assert!(failure.why.contains("self-tests passed, so it was not published"), "{failure:?}");
        let failure = tried(b"no zip".to_vec()).await.unwrap_err();
        assert!(failure.next.contains("nothing was published"), "{failure:?}");
    }
}
