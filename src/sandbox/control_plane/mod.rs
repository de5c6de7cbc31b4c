//! AWS's services as far as the set-up uses them: a file a service, each as strict as AWS is (aws-facts section 8).
//!
//! Every request has a caller whose signature was checked, and every action is weighed against his policies before it is done.

pub mod access;
pub mod acm;
pub mod cloudfront;
pub mod cloudwatch;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod logs;
mod member_bounds;
mod member_check;
pub mod pricing_plans;
mod propagation;
pub mod query;
mod refusal;
mod request;
mod response;
pub mod s3;
pub mod s3control;
pub mod signature;
pub mod sts;
pub mod xml;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use time::{OffsetDateTime, macros::format_description};

use super::{SandboxState, faults::SandboxForeignEditInjection};

pub use access::{
    SandboxIamIdentity, SignedCaller, add_request_tag_condition_keys, get_request_signed_caller,
};
pub use propagation::PropagationClock;
pub use refusal::{
    SandboxAwsError, build_access_denied_error, build_broken_constraints_error, build_missing_field_error,
    build_throttling_error, build_unknown_json_operation_error, describe_broken_constraint,
    describe_broken_pattern, describe_excess_length, spell_member_name,
};
pub use request::{
    describe_unknown_operation, parse_json_request_body, parse_target_header_operation,
    parse_uri_query_parameters,
};
pub use response::{build_http_response, build_json_response, build_xml_response};

/// The account that the sandbox is.
pub const ACCOUNT_ID: &str = "999999999999";
/// The one region that it has.
pub const REGION: &str = "us-east-1";

/// Returns the ARN of a role without a path.
pub fn format_sandbox_role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:role/{name}")
}

/// Makes a UUID.
pub fn generate_random_uuid() -> String {
    let hex: String = (0..32).map(|_| char::from_digit(fastrand::u32(0..16), 16).unwrap_or('0')).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Makes an id as CloudFront and IAM do: a prefix, then `length` capital letters and digits.
///
/// One of the first four is a digit, always: without one an id, whole or cut short, reads like a word, to a person
/// and to what masks ids in the tests.
pub fn generate_random_aws_id(prefix: &str, length: usize) -> String {
    const ID_CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut tail: Vec<u8> =
        (0..length).map(|_| ID_CHARACTERS[fastrand::usize(..ID_CHARACTERS.len())]).collect();
    let start = length.min(4);
    if !tail[..start].iter().any(u8::is_ascii_digit)
        && let Some(last) = tail[..start].last_mut()
    {
        *last = b'0' + *last % 10;
    }
    format!("{prefix}{}", String::from_utf8_lossy(&tail))
}

/// Formats a moment as `2026-11-23T20:00:00.000Z`.
pub fn format_unix_time_iso8601(at: Duration) -> String {
    unix_time_to_utc_datetime(at)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"))
        .unwrap_or_default()
}

/// Converts unix time into a date and time, in UTC.
pub fn unix_time_to_utc_datetime(at: Duration) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + at
}

/// Whether somebody else's edit is to come first.
pub fn has_sandbox_drift_injection(request: &Request<Bytes>) -> bool {
    request.extensions().get::<SandboxForeignEditInjection>().is_some()
}

/// Whether a `Principal` of a resource policy exists for the service that keeps it: after its propagation, not before.
///
/// `kind` is `AWS`, `CanonicalUser`, `Service` or `Federated`, as [`access::list_policy_principals`] gives them.
pub fn does_policy_principal_exist(
    state: &SandboxState,
    clock: PropagationClock,
    kind: &str,
    name: &str,
) -> bool {
    match kind {
        "Service" => name.ends_with(".amazonaws.com"),
        "CanonicalUser" => {
            cloudfront::is_sandbox_oai_user_propagated(&state.cloudfront, clock, name)
                || name == s3::compute_account_canonical_user_id(ACCOUNT_ID)
        }
        "AWS" if name == "*" || name == ACCOUNT_ID => true,
        "AWS" => match name.strip_prefix("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity ") {
            Some(id) => cloudfront::is_sandbox_origin_identity_propagated(&state.cloudfront, clock, id),
            None => iam::is_known_iam_principal_arn(&state.iam, clock, name),
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::generate_random_aws_id;

    #[test]
    fn an_id_never_reads_like_a_word() {
        for _ in 0..1000 {
            let id = generate_random_aws_id("E", 13);
            assert_eq!(id.len(), 14);
            assert!(id[..5].bytes().any(|byte| byte.is_ascii_digit()), "{id}");
        }
        assert_eq!(generate_random_aws_id("E", 0), "E");
    }
}
