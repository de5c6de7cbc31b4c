//! The four values of packagecloud.rb that are ours to write, and the block that holds them (contract section 7).

use crate::model::secret::Secret;

/// The hash in packagecloud.rb.
pub const RAILS_HASH: &str = "packagecloud_rails";

/// One of the four keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloudFrontSettingKey {
    Enabled,
    Secret,
    DistributionId,
    PackagesDomain,
}

impl CloudFrontSettingKey {
    pub const ALL: [Self; 4] = [Self::Enabled, Self::Secret, Self::DistributionId, Self::PackagesDomain];

    /// Returns the key in the hash: `cloudfront_enabled`.
    #[must_use]
    pub fn setting_name(self) -> &'static str {
        match self {
            Self::Enabled => "cloudfront_enabled",
            Self::Secret => "cloudfront_secret",
            Self::DistributionId => "cloudfront_distribution_id",
            Self::PackagesDomain => "cloudfront_packages_domain",
        }
    }
}

/// The four values; `None` is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudFrontSettingValues {
    pub enabled: Option<bool>,
    pub secret: Option<Secret>,
    pub distribution_id: Option<String>,
    pub packages_domain: Option<String>,
}

impl CloudFrontSettingValues {
    /// Returns one value as Ruby source: `true`, or a single-quoted string. The secret comes as it is: whoever prints
    /// this asks first.
    #[must_use]
    pub fn render_setting_as_ruby(&self, key: CloudFrontSettingKey) -> Option<String> {
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        match key {
            CloudFrontSettingKey::Enabled => self.enabled.map(|on| on.to_string()),
            CloudFrontSettingKey::Secret => self.secret.as_ref().map(|secret| quoted(secret.expose_secret())),
            CloudFrontSettingKey::DistributionId => self.distribution_id.as_deref().map(quoted),
            CloudFrontSettingKey::PackagesDomain => self.packages_domain.as_deref().map(quoted),
        }
    }

    /// Returns the edits that bring `keys` to these values, as Ruby source; a value that isn't there is left out.
    #[must_use]
    pub fn render_setting_edits(&self, keys: &[CloudFrontSettingKey]) -> Vec<(CloudFrontSettingKey, String)> {
        keys.iter().filter_map(|&key| self.render_setting_as_ruby(key).map(|value| (key, value))).collect()
    }

    /// Returns the lines to have in packagecloud.rb, for those values that are there.
    #[must_use]
    pub fn render_setting_assignments(&self) -> Vec<String> {
        CloudFrontSettingKey::ALL
            .iter()
            .filter_map(|&key| {
                self.render_setting_as_ruby(key)
                    .map(|value| format!("{RAILS_HASH}['{}'] = {value}", key.setting_name()))
            })
            .collect()
    }

    /// Returns the same with the secret as `(hidden)`: fit for a screen, an event or a log.
    #[must_use]
    pub fn redact_cloudfront_secret(&self) -> Self {
        Self { secret: self.secret.as_ref().map(|_| Secret::new("(hidden)")), ..self.clone() }
    }
}
