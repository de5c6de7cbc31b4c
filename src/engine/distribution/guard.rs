//! Whether the authenticator stands before the bucket: on every behavior that reaches it, in every distribution that has it as an origin.

use crate::model::{
    failure::Failure,
    names::Names,
    seen::{Behavior, Distribution},
};

/// The ids of the origins of `distribution` that are the bucket.
pub fn serving_origins(distribution: &Distribution, names: &Names) -> Vec<String> {
    let prefix = format!("{}.s3", names.bucket());
    distribution
        .origins
        .iter()
        .filter(|origin| origin.domain.starts_with(&prefix))
        .map(|origin| origin.id.clone())
        .collect()
}

/// Whether every behavior on one of `origins` carries a version of `function` (`:function:NAME:`).
pub fn guarded(distribution: &Distribution, origins: &[String], function: &str) -> bool {
    distribution
        .behaviors
        .iter()
        .filter(|behavior| origins.contains(&behavior.origin))
        .all(|behavior| behavior.viewer_request.as_ref().is_some_and(|arn| arn.contains(function)))
}

/// Stops where another distribution serves the bucket without the authenticator.
pub fn refuse_unguarded(other: &Distribution, names: &Names) -> Result<(), Failure> {
    // Another install of this program guards its own with a function of another suffix.
    let function = ":function:packagecloud_cloudfront_auth";
    if guarded(other, &serving_origins(other, names), function) {
        return Ok(());
    }
    Err(Failure::other(
        format!("distribution {}", other.id),
        format!(
            "it has bucket {} as its origin, and a behavior without the authenticator: what CloudFront may read, it would give to anybody",
            names.bucket()
        ),
        "remove that origin from it, or put the authenticator on all its behaviors, then look again; nothing was changed",
    ))
}

/// Whether every behavior carries exactly this version.
pub fn carries(distribution: &Distribution, names: &Names, arn: &str) -> bool {
    let origins = serving_origins(distribution, names);
    let mut served =
        distribution.behaviors.iter().filter(|behavior| origins.contains(&behavior.origin)).peekable();
    served.peek().is_some() && served.all(|behavior| behavior.viewer_request.as_deref() == Some(arn))
}

/// Stops where somebody else's function sits on a viewer request.
pub fn slots_are_free(distribution: &Distribution, names: &Names) -> Result<(), Failure> {
    let ours = format!(":function:{}:", names.function());
    let taken = |behavior: &Behavior| {
        let other = behavior.viewer_request.as_ref().filter(|arn| !arn.contains(&ours));
        other.or(behavior.viewer_request_function.as_ref()).cloned()
    };
    match distribution.behaviors.iter().find_map(taken) {
        None => Ok(()),
        Some(arn) => Err(Failure::other(
            format!("distribution {}", distribution.id),
            format!("its viewer request is taken by {arn}"),
            "one behavior runs one function there: take that one away, or use a distribution of its own; nothing was changed",
        )),
    }
}
