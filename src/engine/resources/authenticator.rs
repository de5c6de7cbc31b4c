//! What stands of the authenticator, and which version of it is right as it stands.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use tokio::try_join;

use super::{
    accepted_secrets::{
        find_version_with_secrets, holds_another_secret, list_accepted_secrets, list_associated_version_arns,
    },
    carried_secrets::{SecretHolders, choose_carried_secrets, drop_secrets_of_gone_keys},
    origin_access::{OriginAccessChoice, choose_origin_access},
};
use crate::edge::bundle::{EdgeBundle, parse_function_version_description};
use crate::engine::session::{AwsTarget, Session, account_cache::AuthenticatorResources};
use crate::model::{
    aws::{
        account::{FunctionVersion, KmsKey, LambdaFunction, ResourceOwnership},
        evidence::{AcceptedSecret, BootstrapStageEvidence, CarriedSecretChoice},
        names::{COST_TAG, ResourceNames},
    },
    failure::Failure,
    run::answers::OperatorAnswers,
    secret::Secret,
    url::token::{UrlTokenConstruction, compute_secret_fingerprint},
};

/// The state directory's file with the construction that the edge was seen to hold.
pub(crate) const CONSTRUCTION_FILE: &str = "construction";

/// Reads the role, the key, the function and the origin access, and which version is right for what packagecloud.rb holds.
///
/// # Errors
/// Fails where AWS does not answer, or refuses the read.
pub(crate) async fn observe_authenticator_resources(
    session: &Session,
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Result<BootstrapStageEvidence, Failure> {
    let names = &target.names;
    let OriginAccessChoice { control: by_control, why: why_control } =
        choose_origin_access(target, answers).boxed().await?;
    // Only the one that is used is looked for.
    let access = async {
        Ok(if by_control {
            (None, target.read_origin_access_control().await?)
        } else {
            (target.read_origin_access_identity().await?, None)
        })
    };
    let (AuthenticatorResources { role, key, function }, (identity, control)) =
        try_join!(target.read_authenticator_resources().boxed(), access.boxed())?;
    // A file that can't be read stops the secret stage, with its reason; here it only means that no version is known to be right.
    let secret =
        session.host.read_packagecloud_config().await.ok().and_then(|config| config.seen.values.secret);
    let held = match &function {
        Some(function) => read_deployed_token_construction(target, function).boxed().await?,
        None => None,
    };
    let construction = answers.construction.or(held).unwrap_or_default();
    let (beside, version) = match (&secret, &function) {
        (Some(secret), Some(function)) => {
            let digest = key
                .as_ref()
                .map(|key| build_edge_function_bundle(construction, &key.arn, names).compute_bundle_digest());
            let wanted = WantedFunctionVersion { function, key: key.as_ref(), digest };
            wanted.choose_function_version(session, target, answers, secret).boxed().await?
        }
        _ => (CarriedSecretChoice::default(), None),
    };
    Ok(BootstrapStageEvidence {
        role,
        key,
        function,
        identity,
        control,
        by_control,
        why_control,
        secret,
        version,
        beside,
        construction,
    })
}

/// What the function's version must be of, but for its secrets.
struct WantedFunctionVersion<'a> {
    function: &'a LambdaFunction,
    key: Option<&'a KmsKey>,
    /// Of the bundle; `None` where there is no key yet.
    digest: Option<String>,
}

impl WantedFunctionVersion<'_> {
    /// Which of the secrets that the edge accepts stay beside `secret`, and the version that is right with them, if one is.
    async fn choose_function_version(
        &self,
        session: &Session,
        target: &AwsTarget,
        answers: &OperatorAnswers,
        secret: &Secret,
    ) -> Result<(CarriedSecretChoice, Option<String>), Failure> {
        let current = compute_secret_fingerprint(secret)?;
        let accepted = read_accepted_secrets(target, self.function, Some(&current)).boxed().await?;
        let others = accepted.iter().filter(|one| one.fingerprint != current).cloned().collect();
        let mut choice = choose_carried_secrets(session, answers, SecretHolders::Nodes, others).boxed().await;
        let find = |choice: &CarriedSecretChoice| {
            let wanted = list_version_fingerprints(current.clone(), &choice.carried);
            let version =
                find_version_with_secrets(self.function, self.digest.as_deref()?, &wanted, &accepted)?;
            Some(version.arn.clone())
        };
        let mut version = find(&choice);
        // Only what is to be published is worth fetching a version's code.
        if version.is_none() && !choice.carried.is_empty() {
            drop_secrets_of_gone_keys(session, target, self.key, &mut choice).boxed().await;
            version = find(&choice);
        }
        Ok((choice, version))
    }
}

/// What becomes of the secrets that the edge accepts once there is another one that isn't made yet.
///
/// # Errors
/// Fails where AWS does not answer, or refuses the read.
pub(crate) async fn forecast_carried_secrets(
    session: &Session,
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Result<CarriedSecretChoice, Failure> {
    let accepted = match target.read_authenticator_function().await? {
        Some(function) => read_accepted_secrets(target, &function, None).boxed().await?,
        None => Vec::new(),
    };
    Ok(choose_carried_secrets(session, answers, SecretHolders::Nobody, accepted).boxed().await)
}

/// Reads the fingerprints of what the edge accepts, by the versions that distributions carry.
///
/// # Errors
/// Fails where AWS does not answer, or refuses the read.
pub(crate) async fn read_edge_secret_fingerprints(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<Vec<String>, Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let Some(function) = target.read_authenticator_function().await? else { return Ok(Vec::new()) };
    let distributions = target.read_distributions_and_policies().await?.distributions;
    let accepted = list_accepted_secrets(&function, &list_associated_version_arns(&distributions));
    Ok(accepted.into_iter().map(|one| one.fingerprint).collect())
}

/// What the edge accepts by now; it is asked which versions it carries only where one of them holds another secret than the
/// one with this fingerprint, if there is one.
async fn read_accepted_secrets(
    target: &AwsTarget,
    function: &LambdaFunction,
    fingerprint: Option<&str>,
) -> Result<Vec<AcceptedSecret>, Failure> {
    if !holds_another_secret(function, fingerprint.unwrap_or_default()) {
        return Ok(Vec::new());
    }
    let distributions = target.read_distributions_and_policies().await?.distributions;
    Ok(list_accepted_secrets(function, &list_associated_version_arns(&distributions)))
}

/// Returns the fingerprints of a version that holds the `current` secret and all that is carried over, in its order.
pub(crate) fn list_version_fingerprints(current: String, carried: &[AcceptedSecret]) -> Vec<String> {
    std::iter::once(current).chain(carried.iter().map(|secret| secret.fingerprint.clone())).collect()
}

/// Keeps what the edge accepts for `sign` and `inspect`, which don't wait for AWS; lost, they take the default.
///
/// Where it can't be read, what was kept before stays.
pub(crate) async fn save_deployed_token_construction(session: &Session, target: &AwsTarget) {
    let Ok(Some(function)) = target.read_authenticator_function().await else { return };
    let Ok(Some(held)) = read_deployed_token_construction(target, &function).boxed().await else { return };
    let held = held.to_string();
    if session.host.state.read_state_dir_file(CONSTRUCTION_FILE).as_deref() != Some(held.as_bytes()) {
        let _ = session.host.state.write_state_dir_file(CONSTRUCTION_FILE, held.as_bytes());
    }
}

/// What the edge accepts: as the version holds it that our distribution carries, else as the newest one does. Which one
/// it carries is asked only where that makes a difference.
async fn read_deployed_token_construction(
    target: &AwsTarget,
    function: &LambdaFunction,
) -> Result<Option<UrlTokenConstruction>, Failure> {
    let of = |version: &FunctionVersion| {
        Some(parse_function_version_description(&version.description)?.construction)
    };
    let newest = function.versions.last().and_then(of);
    if function.versions.iter().filter_map(of).all(|one| Some(one) == newest) {
        return Ok(newest);
    }
    let distributions = target.read_distributions_and_policies().await?.distributions;
    let carried = distributions
        .iter()
        .filter(|distribution| distribution.ownership == ResourceOwnership::Ours)
        .flat_map(|distribution| &distribution.behaviors)
        .filter_map(|behavior| behavior.viewer_request.as_ref())
        .find_map(|arn| function.versions.iter().find(|version| version.arn == *arn).and_then(of));
    Ok(carried.or(newest))
}

/// Returns what the function's next version would be made of.
pub(crate) fn build_edge_function_bundle(
    construction: UrlTokenConstruction,
    key_arn: &str,
    names: &ResourceNames,
) -> EdgeBundle {
    let context = BTreeMap::from([(COST_TAG.to_owned(), names.bucket_name().to_owned())]);
    EdgeBundle { construction, key_arn: key_arn.to_owned(), context }
}
