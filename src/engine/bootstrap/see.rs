//! What stands of the authenticator, and which version of it is right as it stands.

use std::collections::BTreeMap;

use tokio::try_join;

use crate::edge::bundle::{Bundle, parse_description};
use crate::engine::{
    ground::{Ground, Scene},
    origin_access::by_control,
};
use crate::model::{
    answers::Answers,
    failure::Failure,
    names::{COST_TAG, Names},
    seen::{BootstrapSeen, Function},
    token::Construction,
};

/// The state directory's file with the construction that the newest version was seen to hold.
pub const CONSTRUCTION: &str = "construction";

pub async fn see(ground: &Ground, scene: &Scene, answers: &Answers) -> Result<BootstrapSeen, Failure> {
    let (cloud, names) = (&scene.cloud, &scene.names);
    let (role, key, function, identity, control) = try_join!(
        cloud.role(names),
        cloud.key(names),
        cloud.function(names),
        cloud.identity(names),
        cloud.control(names)
    )?;
    let by_control = by_control(answers.origin_access, &scene.bucket);
    // A file that can't be read stops the secret stage, with its reason; here it only means that no version is known to be right.
    let secret = ground.host.read_config().await.ok().and_then(|config| config.seen.values.secret);
    let construction = construction(answers, function.as_ref());
    if let Some(held) = held(function.as_ref()).map(|held| held.to_string())
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
    Ok(BootstrapSeen { role, key, function, identity, control, by_control, secret, version, construction })
}

/// What the edge accepts: as asked, else as the newest version of ours holds it, else the default.
fn construction(answers: &Answers, function: Option<&Function>) -> Construction {
    answers.construction.or_else(|| held(function)).unwrap_or_default()
}

fn held(function: Option<&Function>) -> Option<Construction> {
    Some(parse_description(&function?.versions.last()?.description)?.construction)
}

/// What the function's next version would be made of.
pub fn bundle(construction: Construction, key_arn: &str, names: &Names) -> Bundle {
    let context = BTreeMap::from([(COST_TAG.to_owned(), names.bucket().to_owned())]);
    Bundle { construction, key_arn: key_arn.to_owned(), context }
}
