//! Which origins are the bucket, by any form of its domain, and which behaviors reach them.
//!
//! A behavior reaches the bucket through an origin group too: what is missed here would be read without the authenticator.

use aws_sdk_cloudfront::types::{DistributionConfig, Origin, OriginGroups, Origins};

use crate::model::aws::cloudfront::CloudFrontDistribution;

/// Returns the domain that an origin of ours has.
pub fn format_regional_bucket_domain(bucket: &str, region: &str) -> String {
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("{bucket}.s3.{region}.amazonaws.com{china}")
}

/// Finds those whose origin is the bucket, by any form of its domain.
#[must_use]
pub fn find_bucket_distributions<'a>(
    all: &'a [CloudFrontDistribution],
    bucket: &str,
) -> Vec<&'a CloudFrontDistribution> {
    let reads = |one: &&CloudFrontDistribution| {
        one.origins.iter().any(|origin| is_bucket_domain(&origin.domain, bucket))
    };
    all.iter().filter(reads).collect()
}

/// Returns whether an origin is the bucket.
pub fn is_bucket_origin(origin: &Origin, bucket: &str) -> bool {
    is_bucket_domain(&format_origin_address(origin), bucket)
}

/// Returns the origin's domain; where S3 is reached by path, with the bucket behind a slash.
pub fn format_origin_address(origin: &Origin) -> String {
    let domain = origin.domain_name();
    let path = origin.origin_path().unwrap_or_default();
    let by_path = domain.starts_with("s3") && domain.contains(".amazonaws.com");
    match path.trim_start_matches('/').split('/').next() {
        Some(first) if by_path && !first.is_empty() => format!("{domain}/{first}"),
        _ => domain.to_owned(),
    }
}

/// Returns whether an address, as [`format_origin_address`] gives it, is the bucket's: `b.s3.amazonaws.com`,
/// `b.s3.<region>…`, `b.s3-<region>…`, `b.s3-website…`, `b.s3.dualstack…`, `b.s3-accelerate…`, `s3.<region>…/b`.
#[must_use]
pub fn is_bucket_domain(address: &str, bucket: &str) -> bool {
    let address = address.to_ascii_lowercase();
    let ends = |host: &str| host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    if let Some((host, path)) = address.split_once('/') {
        return path == bucket && ends(host);
    }
    let rest = address.strip_prefix(bucket).and_then(|rest| rest.strip_prefix(".s3"));
    rest.is_some_and(|rest| (rest.starts_with('.') || rest.starts_with('-')) && ends(&address))
}

/// Finds the ids of the bucket's origins, and of the origin groups that hold one: a behavior that targets one reaches
/// the bucket.
pub fn list_bucket_origin_target_ids(config: &DistributionConfig, bucket: &str) -> Vec<String> {
    let origins = config.origins().map(Origins::items).unwrap_or_default();
    let mut ids: Vec<String> =
        origins.iter().filter(|one| is_bucket_origin(one, bucket)).map(|one| one.id.clone()).collect();
    let groups = config.origin_groups().map(OriginGroups::items).unwrap_or_default();
    let reaching: Vec<String> = groups
        .iter()
        .filter(|group| list_origin_group_member_ids(group).any(|id| ids.contains(&id)))
        .map(|group| group.id.clone())
        .collect();
    ids.extend(reaching);
    ids
}

fn list_origin_group_member_ids(
    group: &aws_sdk_cloudfront::types::OriginGroup,
) -> impl Iterator<Item = String> {
    let all = group.members().map(|all| all.items().to_vec()).unwrap_or_default();
    all.into_iter().map(|one| one.origin_id)
}

/// Returns the origin that a behavior's target means: of a group the member that is the bucket, else its first.
pub fn find_origin_of_behavior_target(
    target: &str,
    groups: Option<&OriginGroups>,
    origins: &[Origin],
    bucket: &str,
) -> String {
    let group = groups.map(OriginGroups::items).unwrap_or_default().iter().find(|group| group.id == target);
    let Some(group) = group else { return target.to_owned() };
    let is_ours =
        |id: &String| origins.iter().any(|origin| origin.id == *id && is_bucket_origin(origin, bucket));
    list_origin_group_member_ids(group)
        .find(is_ours)
        .or_else(|| list_origin_group_member_ids(group).next())
        .unwrap_or_else(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_known_by_every_form_of_its_domain_and_by_no_other() {
        for (address, ours) in [
            ("pkgs.s3.amazonaws.com", true),
            ("pkgs.s3.eu-west-1.amazonaws.com", true),
            ("pkgs.s3-eu-west-1.amazonaws.com", true),
            ("pkgs.s3-website-us-east-1.amazonaws.com", true),
            ("pkgs.s3-website.eu-central-1.amazonaws.com", true),
            ("pkgs.s3.dualstack.us-east-1.amazonaws.com", true),
            ("PKGS.s3-accelerate.amazonaws.com", true),
            ("pkgs.s3.cn-north-1.amazonaws.com.cn", true),
            ("s3.us-east-1.amazonaws.com/pkgs", true),
            ("s3.us-east-1.amazonaws.com/other", false),
            ("mypkgs.s3.amazonaws.com", false),
            ("pkgs.other.s3.amazonaws.com", false),
            ("pkgs.s3.amazonaws.com.example.com", false),
            ("pkgs.example.com", false),
        ] {
            assert_eq!(is_bucket_domain(address, "pkgs"), ours, "{address}");
        }
    }
}
