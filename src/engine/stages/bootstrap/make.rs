//! Makes what the bootstrap's plan says: what doesn't depend on one another together, the version last.

use tokio::try_join;

use super::observe::bundle;
use crate::aws::FunctionSettings;
use crate::edge::{
    bundle::{HANDLER, MEMORY, RUNTIME, TIMEOUT},
    self_test::{VECTORS, self_test},
};
use crate::engine::{
    delivery::probe::{self, Place},
    run::StageRun,
    session::{
        Ground, Scene,
        account::{Authenticator, Made},
    },
};
use crate::model::{
    aws::evidence::{BootstrapSeen, KmsKey, Ownership, Role},
    run::{answers::Answers, event::End, failure::Failure, goal::Step},
};

/// Makes what the plan says. The role, the key and the origin access don't need one another and are made together.
pub(crate) async fn apply(
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
    let unmarked = seen.function.as_ref().filter(|function| function.ownership == Ownership::Unmarked);
    // A function that is right as it stands keeps its code: no link can break.
    if unmarked.is_some() && seen.version.is_none() {
        Box::pin(live_links_are_accepted(ground, &scene, seen, answers, run)).await?;
    }
    let adopt = answers.consents.adopt;
    let role_arn = format!("arn:aws:iam::{account}:role/{}", names.role());

    let making_role = async {
        let say = run.progress(Step::Role);
        let role = run
            .step(Step::Role, format!("role {}", names.role()), async {
                let boundary = answers.permissions_boundary.as_deref();
                let (role, ()) = try_join!(
                    cloud.ensure_role(names, seen.role.as_ref(), boundary, adopt, &say),
                    cloud.ensure_service_linked_roles(&say)
                )?;
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
        Ok::<_, Failure>(key)
    };
    let making_access = run.step(Step::OriginAccess, "origin access", async {
        if seen.by_control {
            let control = cloud.ensure_control(names, seen.control.as_ref()).await?;
            let text = format!("origin access control {} stands", control.id);
            Ok((Made::Control(control), text))
        } else {
            let identity = cloud.ensure_identity(names, seen.identity.as_ref()).await?;
            let text = format!("origin access identity {} stands", identity.id);
            Ok((Made::Identity(identity), text))
        }
    });
    let (role, key, access) =
        try_join!(Box::pin(making_role), Box::pin(making_key), Box::pin(making_access))?;
    scene.has_made(access).await;

    let (say, say_of_alias) = (run.progress(Step::KeyPolicy), run.progress(Step::KeyAlias));
    let ((), key_policy, role_policy) = try_join!(
        run.step(Step::KeyAlias, format!("alias {}", names.alias()), async {
            cloud.ensure_alias(names, &key, &say_of_alias).await?;
            Ok(((), format!("{} points at the key", names.alias())))
        }),
        run.step(Step::KeyPolicy, "KMS key policy", async {
            let policy = cloud.ensure_key_policy(names, &key, &role.arn, account, &say).await?;
            Ok((policy, "only the function's role may decrypt with the key".to_owned()))
        }),
        run.step(Step::RolePolicy, "role policy", async {
            let policy = cloud.ensure_role_policy(names, &role, &key.arn, account, &say).await?;
            Ok((policy, "the role may decrypt and write its logs, and nothing else".to_owned()))
        })
    )?;
    let mut made = Authenticator {
        role: Some(Role { policy: Some(role_policy), ..role.clone() }),
        key: Some(KmsKey { policy: key_policy, alias: true, ..key.clone() }),
        function: seen.function.clone(),
    };

    if let Some(arn) = &seen.version {
        if let Some(function) = unmarked {
            let marked = run
                .step(Step::Function, format!("the tags of Lambda function {}", names.function()), async {
                    let marked = cloud.mark_function(names, function, adopt).await?;
                    Ok((marked, format!("Lambda function {} carries this install's tags", names.function())))
                })
                .await?;
            made.function = Some(marked);
        }
        scene.has_made(Made::Authenticator(Box::new(made))).await;
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
    let say = run.progress(Step::FunctionVersion);
    let version = run
        .step(Step::FunctionVersion, "a numbered version", async {
            let version = cloud.publish(names, &function, &description, &say).await?;
            let text = format!("version {} is active: {}", version.number, version.arn);
            Ok((version, text))
        })
        .await?;
    let ended = ended(seen, &version.arn);
    let mut function = function;
    function.versions.retain(|known| known.arn != version.arn);
    function.versions.push(version);
    made.function = Some(function);
    scene.has_made(Made::Authenticator(Box::new(made))).await;
    Ok(ended)
}

/// Another's function is replaced only where what packagecloud signs at this moment is accepted by ours too. While
/// CloudFront is off no link depends on it, and going live proves it.
async fn live_links_are_accepted(
    ground: &Ground,
    scene: &Scene,
    seen: &BootstrapSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(), Failure> {
    if ground.host.read_config().await?.seen.values.enabled != Some(true) {
        return Ok(());
    }
    let what = "packagecloud's own redirect";
    let left = "what serves packages now was left as it is";
    run.step(Step::Proof, "asking packagecloud for a link, to see whether ours accepts it", async {
        let samples = probe::samples(scene).await?;
        let redirect = probe::redirect(ground, answers, samples.package.as_deref()).await?.ok_or_else(|| {
            Failure::other(
                what,
                format!("it can't be seen, so whether the adopted function's successor accepts it isn't known; {left}"),
                "give a download URL of packagecloud with --probe-url",
            )
        })?;
        let location = redirect.location.clone().filter(|_| redirect.place() == Place::Edge);
        let location = location.ok_or_else(|| {
            Failure::other(
                what,
                format!("CloudFront is on, and it answers {}; {left}", redirect.words()),
                "run reconfigure and restart, or disable, then try again",
            )
        })?;
        let fits = seen.secret.as_ref().and_then(|secret| probe::fitting(&location, secret, seen.construction));
        match fits {
            Some(fits) if fits == seen.construction => {
                Ok(((), format!("a link that packagecloud just made is accepted as {fits}")))
            }
            Some(fits) => Err(Failure::other(
                what,
                format!("its token is made as {fits}, and ours would accept {}; {left}", seen.construction),
                format!("run it again with --construction {fits}"),
            )),
            None => Err(Failure::other(
                what,
                format!("ours would refuse its token: it is made another way, or with another secret than this host's; {left}"),
                "run inspect on the URL; copy cloudfront_secret from the node that made it, where it is another's",
            )),
        }
    })
    .await
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
        .filter(|function| function.ownership == Ownership::Unmarked && seen.version.is_none())
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
