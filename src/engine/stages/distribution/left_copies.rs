//! What edges hold on to where packages are no longer cached by a path that they were cached by: only an invalidation takes it away at once.

use crate::engine::resources::path_caching::list_path_behaviors;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{cloudfront::DistributionBehavior, evidence::DistributionEvidence, names::ResourceNames},
    packagecloud::path_cache::{CachePolicyRole, PathCacheRule},
};

/// Says what edges hold on to, and how to have them forget it once the change is made; `None` where the change takes nothing away.
pub(super) fn advise_left_copies(seen: &DistributionEvidence, names: &ResourceNames) -> Option<String> {
    // The policy of packages has a day for what says nothing itself; a stored object keeps the time that it was stored for.
    is_path_caching_narrowed(seen, names).then(|| {
        format!(
            "Edges may serve for up to a day more what they cached by its path until now. Once every edge has the change, this has them forget it at once: {}",
            render_proposed_command("invalidate", &["--packages"])
        )
    })
}

/// Returns whether something was cached by its path that won't be any more: a pattern of packages goes, or an exclusion comes.
fn is_path_caching_narrowed(seen: &DistributionEvidence, names: &ResourceNames) -> bool {
    let Some(distribution) = &seen.distribution else { return false };
    let policies = &seen.cache_policies;
    let pass_through = policies.find_policy_id(CachePolicyRole::PassThrough);
    let (excluding, caching): (Vec<&DistributionBehavior>, Vec<&DistributionBehavior>) =
        list_path_behaviors(distribution, policies, names)
            .into_iter()
            .filter_map(|(behavior, is_own)| is_own.then_some(behavior))
            .partition(|behavior| behavior.cache_policy.as_deref() == pass_through);
    let rules = seen.path_caching.path_cache_rules();
    let is_among = |standing: &[&DistributionBehavior], rule: &PathCacheRule| {
        standing.iter().any(|one| one.path.as_deref() == Some(rule.pattern.as_str()))
    };
    let goes = |standing: &&DistributionBehavior| {
        rules.iter().all(|rule| {
            rule.role != CachePolicyRole::Packages || standing.path.as_deref() != Some(&rule.pattern)
        })
    };
    let comes =
        |rule: &&PathCacheRule| rule.role == CachePolicyRole::PassThrough && !is_among(&excluding, rule);
    !caching.is_empty() && (caching.iter().any(goes) || rules.iter().any(|rule| comes(&rule)))
}
