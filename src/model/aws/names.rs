//! What everything that is made is called, and how it is known as ours (contract section 5).

use serde::{Deserialize, Serialize};

use crate::model::{failure::Failure, packagecloud::path_cache::CachePolicyRole};

/// The tag by which cost is followed; the vendor's own.
pub const COST_TAG: &str = "packagecloud:enterprise";
/// The marker: a resource is ours where this tag's value is the bucket.
pub const MARKER_TAG: &str = "packagecloud-cloudfront";
/// Where Lambda@Edge functions and their KMS key live.
pub const EDGE_REGION: &str = "us-east-1";

/// No suffix: with it the name of the first cache policy would be that of the second one without a suffix.
const REFUSED_NAME_SUFFIX: &str = "packages";

/// `--name-suffix`: `[a-z0-9]{1,16}`, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResourceNameSuffix(Option<String>);

impl std::str::FromStr for ResourceNameSuffix {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let fits = (1..=16).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if text == REFUSED_NAME_SUFFIX {
            Err(Failure::new_usage_failure(
                format!("--name-suffix {text}"),
                "the cache policy of that name is the one for packages of the install without a suffix",
                "choose another suffix, such as staging",
            ))
        } else if fits {
            Ok(Self(Some(text.to_owned())))
        } else {
            Err(Failure::new_usage_failure(
                format!("--name-suffix {text}"),
                "it is not 1 to 16 of a-z and 0-9",
                "choose another suffix, such as staging",
            ))
        }
    }
}

impl ResourceNameSuffix {
    /// Returns the suffix as it was typed, where there is one.
    #[must_use]
    pub fn suffix_text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// Parses a domain name, and returns it in lower case: `packages.example.com`.
///
/// # Errors
/// Where it is no name that a certificate could cover.
pub fn parse_domain_name(text: &str) -> Result<String, Failure> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if name.len() <= 253 && name.contains('.') && name.split('.').all(label) {
        return Ok(name);
    }
    Err(Failure::new_usage_failure(
        format!("--packages-domain {text}"),
        "it is no domain name",
        "give the bare name, such as packages.example.com, without https:// and without a path",
    ))
}

/// The names of one install: of its bucket and its suffix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceNames {
    bucket: String,
    suffix: ResourceNameSuffix,
}

impl ResourceNames {
    /// Returns the names of the install of `bucket` with `suffix`.
    #[must_use]
    pub fn new(bucket: &str, suffix: &ResourceNameSuffix) -> Self {
        Self { bucket: bucket.to_owned(), suffix: suffix.clone() }
    }

    /// Returns the bucket's name.
    #[must_use]
    pub fn bucket_name(&self) -> &str {
        &self.bucket
    }

    /// Returns the suffix of these names, where there is one.
    #[must_use]
    pub fn name_suffix_text(&self) -> Option<&str> {
        self.suffix.suffix_text()
    }

    fn append_name_suffix(&self, name: &str) -> String {
        self.suffix.0.as_ref().map_or_else(|| name.to_owned(), |suffix| format!("{name}_{suffix}"))
    }

    /// Returns the name of the IAM role, and of its inline policy.
    #[must_use]
    pub fn function_role_name(&self) -> String {
        self.append_name_suffix("packagecloud_cloudfront_auth")
    }

    /// Returns the name of the IAM role that S3 Batch Operations works as, and of its inline policy.
    #[must_use]
    pub fn batch_role_name(&self) -> String {
        self.append_name_suffix("packagecloud_cloudfront_batch")
    }

    /// Returns the name of the Lambda function.
    #[must_use]
    pub fn lambda_function_name(&self) -> String {
        self.append_name_suffix("packagecloud_cloudfront_auth")
    }

    /// Returns the name of the KMS alias, with its `alias/`.
    #[must_use]
    pub fn kms_alias_name(&self) -> String {
        self.append_name_suffix("alias/packagecloud_cloudfront")
    }

    /// Returns the name of a cache policy; its Comment is [`Self::cache_policy_comment`].
    #[must_use]
    pub fn cache_policy_name(&self, role: CachePolicyRole) -> String {
        self.append_name_suffix(match role {
            CachePolicyRole::PassThrough => "packagecloud_cloudfront",
            CachePolicyRole::Packages => "packagecloud_cloudfront_packages",
        })
    }

    /// Returns the Comment of a cache policy.
    #[must_use]
    pub fn cache_policy_comment(&self, role: CachePolicyRole) -> String {
        self.append_name_suffix_to_comment(match role {
            CachePolicyRole::PassThrough => {
                "packagecloud-cloudfront: packages by their Cache-Control, metadata never"
            }
            CachePolicyRole::Packages => {
                "packagecloud-cloudfront: packages by their path, for a day where they say nothing"
            }
        })
    }

    /// Returns the name of the origin access control, shared by all buckets.
    #[must_use]
    pub fn origin_access_control_name(&self) -> String {
        "packagecloud_cloudfront".to_owned()
    }

    /// Returns the Description of the origin access control.
    #[must_use]
    pub fn origin_access_control_description(&self) -> String {
        "packagecloud-cloudfront: signs CloudFront's requests to S3".to_owned()
    }

    /// Returns the Comment of the origin access identity and of the distribution; the identity's caller reference too.
    #[must_use]
    pub fn distribution_and_identity_comment(&self) -> String {
        self.append_name_suffix_to_comment(&format!("packagecloud-cloudfront {}", self.bucket))
    }

    fn append_name_suffix_to_comment(&self, comment: &str) -> String {
        self.suffix.0.as_ref().map_or_else(|| comment.to_owned(), |suffix| format!("{comment} {suffix}"))
    }

    /// Returns the Sid of the bucket policy's statement that lets CloudFront read.
    #[must_use]
    pub fn object_read_statement_sid(&self) -> String {
        format!("PackagecloudCloudFrontRead{}", self.suffix.0.as_deref().unwrap_or_default())
    }

    /// Returns the Sid of the bucket policy's statement that lets CloudFront list.
    #[must_use]
    pub fn bucket_list_statement_sid(&self) -> String {
        format!("PackagecloudCloudFrontList{}", self.suffix.0.as_deref().unwrap_or_default())
    }

    /// Returns the tags that every taggable resource carries, as key and value.
    #[must_use]
    pub fn build_resource_tags(&self) -> [(&'static str, &str); 2] {
        [(COST_TAG, &self.bucket), (MARKER_TAG, &self.bucket)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_suffix_gives_an_install_the_cache_policy_of_another() {
        let refused = "packages".parse::<ResourceNameSuffix>().unwrap_err();
        assert!(refused.why.contains("is the one for packages of the install without a suffix"), "{refused}");
        for refused in ["", "Two", "a_packages", "packages-2", "aaaaaaaaaaaaaaaaa"] {
            assert!(refused.parse::<ResourceNameSuffix>().is_err(), "{refused}");
        }
        let mut names = Vec::new();
        let suffixes = ["two", "package", "packages2", "2packages"].map(|one| one.parse().unwrap());
        for suffix in std::iter::once(ResourceNameSuffix::default()).chain(suffixes) {
            let install = ResourceNames::new("shop", &suffix);
            names.extend(
                [CachePolicyRole::PassThrough, CachePolicyRole::Packages]
                    .map(|role| install.cache_policy_name(role)),
            );
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }
}
