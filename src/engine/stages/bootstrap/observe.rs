//! What stands of the authenticator, and which version of it is right as it stands.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use tokio::try_join;

use crate::edge::bundle::{Bundle, parse_description};
use crate::engine::{
    resources::origin_access,
    session::{Ground, Scene, account::Authenticator},
};
use crate::model::{
    aws::{
        evidence::{BootstrapSeen, Function, FunctionVersion, Ownership},
        names::{COST_TAG, Names},
    },
    run::{answers::Answers, failure::Failure},
    url::token::Construction,
};

/// The state directory's file with the construction that the edge was seen to hold.
pub(crate) const CONSTRUCTION: &str = "construction";

pub async fn see(ground: &Ground, scene: &Scene, answers: &Answers) -> Result<BootstrapSeen, Failure> {
    let names = &scene.names;
    let origin_access::Choice { control: by_control, why: why_control } =
        origin_access::choose(scene, answers).boxed().await?;
    // Only the one that is used is looked for.
    let access = async {
        Ok(if by_control { (None, scene.control().await?) } else { (scene.identity().await?, None) })
    };
    let (Authenticator { role, key, function }, (identity, control)) =
        try_join!(scene.authenticator().boxed(), access.boxed())?;
    // A file that can't be read stops the secret stage, with its reason; here it only means that no version is known to be right.
    let secret = ground.host.read_config().await.ok().and_then(|config| config.seen.values.secret);
    let held = match &function {
        Some(function) => held(scene, function).boxed().await?,
        None => None,
    };
    let construction = answers.construction.or(held).unwrap_or_default();
    if let Some(held) = held.map(|held| held.to_string())
        && ground.host.state.read(CONSTRUCTION).as_deref() != Some(held.as_bytes())
    {
        // For `sign` and `inspect`, which don't wait for AWS; lost, they take the default.
        let _ = ground.host.state.write(CONSTRUCTION, held.as_bytes());
    }
    let version = match (&secret, &key, &function) {
        (Some(secret), Some(key), Some(function)) => {
            let wanted = bundle(construction, &key.arn, names).description(std::slice::from_ref(secret))?;
            function
                .versions
                .iter()
                .rev()
                .find(|version| version.description == wanted)
                .map(|v| v.arn.clone())
        }
        _ => None,
    };
    Ok(BootstrapSeen {
        role,
        key,
        function,
        identity,
        control,
        by_control,
        why_control,
        secret,
        version,
        construction,
    })
}

/// What the edge accepts: as the version holds it that our distribution carries, else as the newest one does. Which one
/// it carries is asked only where that makes a difference.
async fn held(scene: &Scene, function: &Function) -> Result<Option<Construction>, Failure> {
    let of = |version: &FunctionVersion| Some(parse_description(&version.description)?.construction);
    let newest = function.versions.last().and_then(of);
    if function.versions.iter().filter_map(of).all(|one| Some(one) == newest) {
        return Ok(newest);
    }
    let distributions = scene.delivery().await?.distributions;
    let carried = distributions
        .iter()
        .filter(|distribution| distribution.ownership == Ownership::Ours)
        .flat_map(|distribution| &distribution.behaviors)
        .filter_map(|behavior| behavior.viewer_request.as_ref())
        .find_map(|arn| function.versions.iter().find(|version| version.arn == *arn).and_then(of));
    Ok(carried.or(newest))
}

/// What the function's next version would be made of.
pub fn bundle(construction: Construction, key_arn: &str, names: &Names) -> Bundle {
    let context = BTreeMap::from([(COST_TAG.to_owned(), names.bucket().to_owned())]);
    Bundle { construction, key_arn: key_arn.to_owned(), context }
}
