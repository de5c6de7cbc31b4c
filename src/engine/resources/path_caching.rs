//! Whether packages are cached by their path, and by which behaviors; what stands in the way is said, and stops nothing (contract section 5).

use crate::aws::cloudfront::{is_bucket_domain, is_regional_bucket_domain};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        account::ResourceOwnership,
        cloudfront::{CachePolicy, CloudFrontDistribution, DistributionBehavior, InstallCachePolicies},
        names::ResourceNames,
    },
    packagecloud::path_cache::{
        BEHAVIORS_MAX, CachePolicyRole, PathCacheRule, PathCachingChoice, StandingPathBehavior,
        build_path_cache_rules, find_overlapping_pattern, find_own_path_behaviors,
    },
    run::answers::OperatorAnswers,
};

/// The statuses that an object which isn't there is answered with.
const ABSENT_OBJECT_STATUSES: [i32; 2] = [403, 404];

/// Chooses which packages are cached by their path, by what stands.
pub(crate) fn choose_path_caching(
    distribution: Option<&CloudFrontDistribution>,
    policies: &InstallCachePolicies,
    names: &ResourceNames,
    answers: &OperatorAnswers,
) -> PathCachingChoice {
    let rules = match build_path_cache_rules(&answers.reindex.metadata_globs) {
        Ok(rules) => rules,
        Err(why) => return PathCachingChoice::Nothing(why),
    };
    let is_ours = |policy: &Option<CachePolicy>| {
        policy.as_ref().is_none_or(|one| one.ownership == ResourceOwnership::Ours)
    };
    // Where the first one is somebody else's too, both are asked about in one question.
    if !is_ours(&policies.packages) && is_ours(&policies.pass_through) && !answers.consents.adopt {
        return PathCachingChoice::Nothing(format!(
            "the cache policy {} was made by somebody else, and --adopt, which takes it over, was not given",
            names.cache_policy_name(CachePolicyRole::Packages)
        ));
    }
    match distribution.and_then(|one| find_path_caching_obstacle(one, policies, names, &rules)) {
        Some(why) => PathCachingChoice::Nothing(why),
        None => PathCachingChoice::ByPath(rules),
    }
}

/// Finds what of a distribution keeps packages from being cached by their path: a lower-case fragment.
fn find_path_caching_obstacle(
    distribution: &CloudFrontDistribution,
    policies: &InstallCachePolicies,
    names: &ResourceNames,
    rules: &[PathCacheRule],
) -> Option<String> {
    let id = &distribution.id;
    if let Some(status) = distribution.error_pages.iter().find(|one| ABSENT_OBJECT_STATUSES.contains(one)) {
        return Some(format!("distribution {id} answers {status} with a page of its own"));
    }
    let on_bucket = |behavior: &DistributionBehavior| is_on_bucket(distribution, behavior, names);
    if !distribution.behaviors.iter().any(|one| one.path.is_none() && on_bucket(one)) {
        return Some(format!("the default behavior of distribution {id} doesn't lead to the bucket"));
    }
    let bucket = names.bucket_name();
    let foreign_form =
        |domain: &&str| is_bucket_domain(domain, bucket) && !is_regional_bucket_domain(domain, bucket);
    if let Some(domain) = distribution.origins.iter().map(|one| one.domain.as_str()).find(foreign_form) {
        return Some(format!("origin {domain} of distribution {id} is not the bucket's regional domain"));
    }
    let foreign: Vec<&str> = list_path_behaviors(distribution, policies, names)
        .into_iter()
        .filter(|(_, is_own)| !is_own)
        .filter_map(|(behavior, _)| behavior.path.as_deref())
        .collect();
    if let Some(pattern) = find_overlapping_pattern(rules, foreign.iter().copied()) {
        return Some(format!(
            "behavior {pattern} of distribution {id} is not this program's, and takes paths that packages have"
        ));
    }
    let count = foreign.len() + rules.len() + 1;
    (count > BEHAVIORS_MAX).then(|| {
        format!("distribution {id} would have {count} behaviors, and CloudFront allows {BEHAVIORS_MAX}")
    })
}

/// Returns whether a behavior's origin is the bucket.
pub(crate) fn is_on_bucket(
    distribution: &CloudFrontDistribution,
    behavior: &DistributionBehavior,
    names: &ResourceNames,
) -> bool {
    let is_bucket = |domain: &str| is_bucket_domain(domain, names.bucket_name());
    distribution.origins.iter().any(|origin| origin.id == behavior.origin && is_bucket(&origin.domain))
}

/// Lists the behaviors beside the default one, each with whether it is ours.
pub(crate) fn list_path_behaviors<'d>(
    distribution: &'d CloudFrontDistribution,
    policies: &InstallCachePolicies,
    names: &ResourceNames,
) -> Vec<(&'d DistributionBehavior, bool)> {
    let beside: Vec<&DistributionBehavior> =
        distribution.behaviors.iter().filter(|one| one.path.is_some()).collect();
    let standing: Vec<StandingPathBehavior<'_>> = beside
        .iter()
        .map(|one| StandingPathBehavior {
            pattern: one.path.as_deref().unwrap_or_default(),
            policy: one.cache_policy.as_deref(),
            on_bucket: is_on_bucket(distribution, one, names),
        })
        .collect();
    let is_own = find_own_path_behaviors(&standing, policies.find_policy_id(CachePolicyRole::PassThrough));
    beside.into_iter().zip(is_own).collect()
}

/// Says that no package is cached by its path, and what decides then.
pub(crate) fn describe_no_path_caching(why: &str) -> String {
    format!(
        "No package is cached by its path: {why}. What each object's own Cache-Control says decides, and the reindex sets it."
    )
}

/// Describes how the behaviors by path would change, where they would: a lower-case fragment.
pub(crate) fn describe_path_behaviors_change(
    distribution: &CloudFrontDistribution,
    policies: &InstallCachePolicies,
    choice: &PathCachingChoice,
    names: &ResourceNames,
) -> Option<String> {
    let standing = list_path_behaviors(distribution, policies, names);
    let own = || standing.iter().filter(|(_, is_own)| *is_own).map(|(behavior, _)| *behavior);
    let rules = choice.path_cache_rules();
    let first_own = standing.iter().position(|(_, is_own)| *is_own);
    let stand_last = first_own.is_none_or(|first| standing[first..].iter().all(|(_, is_own)| *is_own));
    let is_as_wanted = |(behavior, rule): (&DistributionBehavior, &PathCacheRule)| {
        behavior.path.as_deref() == Some(rule.pattern.as_str())
            && behavior.cache_policy.as_deref() == policies.find_policy_id(rule.role)
            && behavior.cache_policy.is_some()
    };
    if own().count() == rules.len() && stand_last && own().zip(rules).all(is_as_wanted) {
        return None;
    }
    if rules.is_empty() {
        return Some("packages are no longer cached by their path".to_owned());
    }
    let packages = rules.iter().filter(|rule| rule.role == CachePolicyRole::Packages).count();
    Some(format!(
        "packages are cached by their path, by {packages} behaviors behind {} for repository metadata, each with the authenticator",
        rules.len() - packages
    ))
}

/// Names the command by which edges forget what they hold, where a change takes paths away from the packages' policy (contract
/// section 2): an edge asks nobody again before what it stored is stale.
pub(crate) fn advise_invalidation_after_change(
    distribution: &CloudFrontDistribution,
    policies: &InstallCachePolicies,
    choice: &PathCachingChoice,
    names: &ResourceNames,
) -> Option<String> {
    let packages = policies.find_policy_id(CachePolicyRole::Packages)?;
    let standing = list_path_behaviors(distribution, policies, names);
    let own = || standing.iter().filter(|(_, is_own)| *is_own).map(|(behavior, _)| *behavior);
    let (cached, excluded): (Vec<_>, Vec<_>) =
        own().partition(|one| one.cache_policy.as_deref() == Some(packages));
    let has_rule = |behavior: &&DistributionBehavior, role| {
        let pattern = behavior.path.as_deref();
        choice
            .path_cache_rules()
            .iter()
            .any(|rule| rule.role == role && Some(rule.pattern.as_str()) == pattern)
    };
    let is_exclusion_new = |rule: &PathCacheRule| {
        rule.role == CachePolicyRole::PassThrough
            && !excluded.iter().any(|one| one.path.as_deref() == Some(rule.pattern.as_str()))
    };
    let is_taken_away = cached.iter().any(|one| !has_rule(one, CachePolicyRole::Packages))
        || !cached.is_empty() && choice.path_cache_rules().iter().any(is_exclusion_new);
    is_taken_away.then(|| {
        format!(
            "Some paths are no longer cached as packages. What edges hold of them stays for up to a day, or as long as the object itself says. To have every edge forget it, once this is done: {}",
            render_proposed_command("invalidate", &["--packages"])
        )
    })
}
