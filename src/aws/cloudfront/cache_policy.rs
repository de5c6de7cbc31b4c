//! The two cache policies: one that caches nothing but by its Cache-Control, and one for packages, a day where they say nothing.
//!
//! MinTTL is 0, or CloudFront would keep what says no-cache; the first one's DefaultTTL is 0, so that what says nothing isn't kept.

use aws_sdk_cloudfront::{
    error::BuildError,
    types::{
        self, CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyCookiesConfig,
        CachePolicyHeaderBehavior, CachePolicyHeadersConfig, CachePolicyQueryStringBehavior,
        CachePolicyQueryStringsConfig, CachePolicyType, ParametersInCacheKeyAndForwardedToOrigin,
    },
};

use super::failure_from_sdk_build_error;
use crate::aws::{AwsClients, check_resource_ownership_allows_change, error, retry};
use crate::model::{
    aws::{
        account::ResourceOwnership,
        cloudfront::{CachePolicy, InstallCachePolicies},
        names::ResourceNames,
    },
    failure::Failure,
    packagecloud::path_cache::CachePolicyRole,
};

const MAX_TTL_SECONDS: i64 = 31_536_000;
const CACHE_POLICY_LISTED_WAIT: retry::PollLimits =
    retry::PollLimits::new("the cache policy to be listed", 60, 2);

/// How long a package is kept that says nothing of it: a day, after which it is asked for by If-None-Match.
const PACKAGES_DEFAULT_TTL_SECONDS: i64 = 86_400;

fn default_ttl_of_role(role: CachePolicyRole) -> i64 {
    match role {
        CachePolicyRole::PassThrough => 0,
        CachePolicyRole::Packages => PACKAGES_DEFAULT_TTL_SECONDS,
    }
}

fn format_cache_policy_label(names: &ResourceNames, role: CachePolicyRole) -> String {
    format!("cache policy {}", names.cache_policy_name(role))
}

fn build_cache_policy_config(
    names: &ResourceNames,
    role: CachePolicyRole,
) -> Result<CachePolicyConfig, BuildError> {
    let key = ParametersInCacheKeyAndForwardedToOrigin::builder()
        .enable_accept_encoding_gzip(false)
        .enable_accept_encoding_brotli(false)
        .headers_config(
            CachePolicyHeadersConfig::builder().header_behavior(CachePolicyHeaderBehavior::None).build()?,
        )
        .cookies_config(
            CachePolicyCookiesConfig::builder().cookie_behavior(CachePolicyCookieBehavior::None).build()?,
        )
        .query_strings_config(
            CachePolicyQueryStringsConfig::builder()
                .query_string_behavior(CachePolicyQueryStringBehavior::None)
                .build()?,
        )
        .build()?;
    CachePolicyConfig::builder()
        .name(names.cache_policy_name(role))
        .comment(names.cache_policy_comment(role))
        .min_ttl(0)
        .default_ttl(default_ttl_of_role(role))
        .max_ttl(MAX_TTL_SECONDS)
        .parameters_in_cache_key_and_forwarded_to_origin(key)
        .build()
}

/// Whether its TTLs and its key are ours, whatever it is called.
fn has_our_cache_policy_settings(standing: &CachePolicyConfig, role: CachePolicyRole) -> bool {
    let key = standing.parameters_in_cache_key_and_forwarded_to_origin().is_some_and(|key| {
        let headers = key.headers_config().map(CachePolicyHeadersConfig::header_behavior);
        let cookies = key.cookies_config().map(CachePolicyCookiesConfig::cookie_behavior);
        let strings = key.query_strings_config().map(CachePolicyQueryStringsConfig::query_string_behavior);
        headers == Some(&CachePolicyHeaderBehavior::None)
            && cookies == Some(&CachePolicyCookieBehavior::None)
            && strings == Some(&CachePolicyQueryStringBehavior::None)
            && !key.enable_accept_encoding_gzip()
            && !key.enable_accept_encoding_brotli().unwrap_or(false)
    });
    key && standing.min_ttl() == 0
        && standing.default_ttl() == Some(default_ttl_of_role(role))
        && standing.max_ttl() == Some(MAX_TTL_SECONDS)
}

impl AwsClients {
    /// Finds the cache policies of our names, whoever's they are.
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub async fn find_cache_policies(&self, names: &ResourceNames) -> Result<InstallCachePolicies, Failure> {
        let mut marker: Option<String> = None;
        let mut both = InstallCachePolicies::default();
        loop {
            let asked = self
                .cloudfront
                .list_cache_policies()
                .r#type(CachePolicyType::Custom)
                .set_marker(marker.take())
                .send()
                .await
                .map_err(error::build_aws_action_failure(
                    "cloudfront:ListCachePolicies",
                    format_cache_policy_label(names, CachePolicyRole::PassThrough),
                ))?;
            let Some(list) = asked.cache_policy_list else { return Ok(both) };
            for one in list.items().iter().filter_map(|one| one.cache_policy()) {
                let of = |role| {
                    has_our_cache_policy_name(one, names, role)
                        .then(|| cache_policy_from_sdk(one, names, role))
                };
                both.pass_through = both.pass_through.take().or_else(|| of(CachePolicyRole::PassThrough));
                both.packages = both.packages.take().or_else(|| of(CachePolicyRole::Packages));
            }
            marker = list.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() || both.pass_through.is_some() && both.packages.is_some() {
                return Ok(both);
            }
        }
    }

    /// Finds the one of this role.
    async fn find_cache_policy(
        &self,
        names: &ResourceNames,
        role: CachePolicyRole,
    ) -> Result<Option<CachePolicy>, Failure> {
        let both = self.find_cache_policies(names).await?;
        Ok(match role {
            CachePolicyRole::PassThrough => both.pass_through,
            CachePolicyRole::Packages => both.packages,
        })
    }

    /// Makes the cache policy where `seen` is none, and brings it to contract section 5 where it differs.
    ///
    /// # Errors
    /// Where it moved, or CloudFront refuses it.
    pub async fn ensure_cache_policy(
        &self,
        names: &ResourceNames,
        role: CachePolicyRole,
        seen: Option<&CachePolicy>,
        adopt: bool,
    ) -> Result<CachePolicy, Failure> {
        let label = format_cache_policy_label(names, role);
        let config = build_cache_policy_config(names, role)
            .map_err(|error| failure_from_sdk_build_error(&label, &error))?;
        let Some(seen) = seen else { return self.create_cache_policy(names, role, config).await };
        check_resource_ownership_allows_change(&label, &seen.ownership, adopt)?;
        if seen.is_correct && seen.ownership == ResourceOwnership::Ours {
            return Ok(seen.clone());
        }
        let asked = self.cloudfront.get_cache_policy().id(&seen.id).send().await;
        let now = asked.map_err(error::build_aws_action_failure("cloudfront:GetCachePolicy", &label))?;
        let asked = self
            .cloudfront
            .update_cache_policy()
            .id(&seen.id)
            .set_if_match(now.e_tag)
            .cache_policy_config(config)
            .send()
            .await
            .map_err(error::build_aws_action_failure("cloudfront:UpdateCachePolicy", &label));
        match asked {
            // A reply may have been lost: what counts is what stands.
            Err(failure) if error::has_aws_error_code(&failure, "PreconditionFailed") => {
                let now = self.find_cache_policy(names, role).await?;
                now.filter(|now| now.is_correct && now.ownership == ResourceOwnership::Ours).ok_or_else(
                    || Failure::new_plan_drift_failure(label, "it was changed since it was shown"),
                )
            }
            done => done.map(|_| CachePolicy {
                id: seen.id.clone(),
                ownership: ResourceOwnership::Ours,
                is_correct: true,
            }),
        }
    }

    async fn create_cache_policy(
        &self,
        names: &ResourceNames,
        role: CachePolicyRole,
        config: CachePolicyConfig,
    ) -> Result<CachePolicy, Failure> {
        const ACTION: &str = "cloudfront:CreateCachePolicy";
        let label = format_cache_policy_label(names, role);
        let asked = self.cloudfront.create_cache_policy().cache_policy_config(config).send().await;
        match asked.map_err(error::build_aws_action_failure(ACTION, &label)) {
            Ok(answer) => {
                let made = answer.cache_policy.ok_or_else(|| {
                    error::build_missing_response_part_failure(ACTION, &label, "the cache policy")
                })?;
                Ok(CachePolicy { id: made.id, ownership: ResourceOwnership::Ours, is_correct: true })
            }
            // A reply was lost and the SDK asked again; or somebody was faster.
            Err(failure) if error::has_aws_error_code(&failure, "CachePolicyAlreadyExists") => {
                let listed = || self.find_cache_policy(names, role);
                let now = retry::poll_for_a_while(CACHE_POLICY_LISTED_WAIT, &|_| {}, listed).await?;
                now.filter(|now| now.is_correct && now.ownership == ResourceOwnership::Ours).ok_or_else(
                    || Failure::new_plan_drift_failure(label, "somebody else created it meanwhile"),
                )
            }
            Err(failure) => Err(failure),
        }
    }
}

fn has_our_cache_policy_name(one: &types::CachePolicy, names: &ResourceNames, role: CachePolicyRole) -> bool {
    one.cache_policy_config().is_some_and(|config| config.name() == names.cache_policy_name(role))
}

fn cache_policy_from_sdk(
    one: &types::CachePolicy,
    names: &ResourceNames,
    role: CachePolicyRole,
) -> CachePolicy {
    let config = one.cache_policy_config();
    let comment = config.and_then(CachePolicyConfig::comment).unwrap_or_default();
    CachePolicy {
        id: one.id().to_owned(),
        ownership: if comment == names.cache_policy_comment(role) {
            ResourceOwnership::Ours
        } else {
            ResourceOwnership::Unmarked
        },
        is_correct: config.is_some_and(|config| has_our_cache_policy_settings(config, role)),
    }
}
