//! A profile whose role wants a code of a device: the SDK's own chain has nobody to ask, so the role is assumed here.
//!
//! A code is good for one request: the session that it gives is kept for the run.

use super::{profiles::AwsConfigFiles, source::AwsAccessKeys};
use crate::aws::{AwsClients, error};
use crate::model::{
    failure::{Failure, FailureKind},
    secret::Secret,
};

/// What such a profile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaProfile {
    /// `arn:aws:iam::123456789012:mfa/jo`, or a number on a device.
    pub serial: String,
    role_arn: String,
    /// Whose credentials ask.
    pub source_profile: String,
    external_id: Option<String>,
    session_name: Option<String>,
    duration: Option<i32>,
}

/// Reads the device of a profile; none where it wants no code.
#[must_use]
pub fn read_mfa_profile(profile: &str) -> Option<MfaProfile> {
    // Files that can't be read are named where the profile is used.
    find_mfa_profile(&AwsConfigFiles::read_aws_config_files().ok()?, profile)
}

fn find_mfa_profile(files: &AwsConfigFiles, profile: &str) -> Option<MfaProfile> {
    let text = |key: &str| files.find_profile_setting(profile, key).map(str::to_owned);
    Some(MfaProfile {
        serial: text("mfa_serial")?,
        role_arn: text("role_arn")?,
        source_profile: text("source_profile")?,
        external_id: text("external_id"),
        session_name: text("role_session_name"),
        duration: text("duration_seconds").and_then(|seconds| seconds.parse().ok()),
    })
}

impl AwsClients {
    /// Assumes the role of a profile with a code; these clients are the source profile's.
    ///
    /// # Errors
    /// Where AWS doesn't take the code, or the source profile may not assume the role.
    pub async fn assume_role_with_mfa(
        &self,
        mfa: &MfaProfile,
        code: &Secret,
    ) -> Result<AwsAccessKeys, Failure> {
        let asked = self
            .sts
            .assume_role()
            .role_arn(&mfa.role_arn)
            .role_session_name(mfa.session_name.as_deref().unwrap_or("packagecloud-cloudfront"))
            .set_external_id(mfa.external_id.clone())
            .set_duration_seconds(mfa.duration)
            .serial_number(&mfa.serial)
            .token_code(code.expose_secret())
            .send()
            .await
            .map_err(error::build_aws_action_failure("sts:AssumeRole", format!("role {}", mfa.role_arn)))
            .map_err(|failure| match failure.kind {
                // Who may not assume the role may not with a fresh code either.
                FailureKind::Denied if failure.why.contains("MultiFactorAuthentication failed") => Failure {
                    kind: FailureKind::Credentials,
                    next: format!("give a fresh code of {}: each code works once", mfa.serial),
                    ..failure
                },
                _ => failure,
            })?;
        let made = asked.credentials.ok_or_else(|| {
            error::build_missing_response_part_failure("sts:AssumeRole", &mfa.role_arn, "the credentials")
        })?;
        Ok(AwsAccessKeys {
            access: made.access_key_id,
            secret: Secret::new(made.secret_access_key),
            session: Some(Secret::new(made.session_token)),
        })
    }
}

/// Returns the failure where nobody could be asked for the code.
#[must_use]
pub fn build_missing_mfa_code_failure(profile: &str, mfa: &MfaProfile) -> Failure {
    Failure::new(
        FailureKind::Credentials,
        format!("profile {profile}"),
        format!("its role needs a code of {}, and none was given", mfa.serial),
        format!(
            "start at a terminal with --profile {}: the code is asked for first",
            shell_words::quote(profile)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_says_what_its_role_wants() {
        let config = "[profile  ops]\nrole_arn = arn:aws:iam::1:role/ops\nsource_profile=base\nmfa_serial = arn:aws:iam::1:mfa/jo\nexternal_id = x=y\n\
            duration_seconds = 3600\n[profile plain]\nrole_arn = arn:aws:iam::1:role/ops\nsource_profile = base\n# mfa_serial = no\n";
        let files = AwsConfigFiles::from_config_texts(config, "[base]\n");
        let of = |profile: &str| find_mfa_profile(&files, profile);
        let found = of("ops").unwrap();
        assert_eq!((found.serial.as_str(), found.source_profile.as_str()), ("arn:aws:iam::1:mfa/jo", "base"));
        assert_eq!((found.external_id.as_deref(), found.duration), (Some("x=y"), Some(3600)));
        assert_eq!((of("plain"), of("nobody")), (None, None));
    }
}
