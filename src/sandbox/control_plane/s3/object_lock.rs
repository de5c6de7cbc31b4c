//! Object Lock: what may be said of an object's legal hold and retention, and what they keep from being deleted or loosened.
//!
//! Codes, messages and their order are those of recorded answers of S3.

use http::HeaderMap;
use s3s::{S3Error, S3ErrorCode, S3Result, dto};
use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros};

use super::{
    SandboxBucket, SandboxObject, SandboxObjectRetention,
    object::get_header_text,
    refusal::{build_bad_request_error, build_invalid_argument_error, build_malformed_xml_error},
};
use crate::sandbox::control_plane::xml::XmlElement;

const MODE_HEADER: &str = "x-amz-object-lock-mode";
const HOLD_HEADER: &str = "x-amz-object-lock-legal-hold";
const UNTIL_HEADER: &str = "x-amz-object-lock-retain-until-date";
const MODES: [&str; 2] = ["GOVERNANCE", "COMPLIANCE"];

/// Refuses a bucket without Object Lock.
///
/// # Errors
/// Refuses as S3 does.
pub fn require_lock_configuration(bucket: &SandboxBucket) -> S3Result<()> {
    if bucket.has_sandbox_bucket_setting_text("object-lock", "Enabled") {
        return Ok(());
    }
    Err(S3Error::with_message(S3ErrorCode::InvalidRequest, "Bucket is missing Object Lock Configuration"))
}

/// Checks the headers of a write that lock what is written.
///
/// # Errors
/// Refuses an unknown mode, and a mode or a date alone.
pub fn check_lock_headers(headers: &HeaderMap) -> S3Result<()> {
    let (mode, until) = (get_header_text(headers, MODE_HEADER), get_header_text(headers, UNTIL_HEADER));
    if let Some(hold) = get_header_text(headers, HOLD_HEADER)
        && !["ON", "OFF"].contains(&hold)
    {
        let message = "Legal Hold must be either of 'ON' or 'OFF'";
        return Err(build_invalid_argument_error(message, HOLD_HEADER, hold));
    }
    let missing = match (mode, until) {
        (Some(mode), Some(_)) if !MODES.contains(&mode) => {
            return Err(build_invalid_argument_error("Unknown wormMode directive.", MODE_HEADER, mode));
        }
        (Some(_), None) => UNTIL_HEADER,
        (None, Some(_)) => MODE_HEADER,
        _ => return Ok(()),
    };
    Err(build_bad_request_error(
        "InvalidArgument",
        "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        &[("ArgumentName", missing)],
    ))
}

/// Locks what is written as the bucket says, where the write itself says nothing.
pub fn apply_default_retention(bucket: &SandboxBucket, object: &mut SandboxObject, now: u64) {
    let setting = bucket.settings.get("object-lock").and_then(|text| XmlElement::parse_xml(text).ok());
    let Some(setting) = setting.filter(|_| object.retention.is_none()) else { return };
    let said = |name: &str| setting.find_text_at_path(&format!("Rule/DefaultRetention/{name}"));
    let count = |name: &str| said(name).and_then(|text| text.parse::<i64>().ok());
    let days = count("Days").or_else(|| count("Years").map(|years| years * 365));
    if let (Some(mode), Some(days)) = (said("Mode"), days) {
        let until = (moment(now) + Duration::days(days)).format(&Rfc3339).unwrap_or_default();
        object.retention = Some(SandboxObjectRetention { mode: mode.to_owned(), until });
    }
}

fn moment(now: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(now.try_into().unwrap_or(i64::MAX))
}

fn is_retained(retention: &SandboxObjectRetention, now: u64) -> bool {
    OffsetDateTime::parse(&retention.until, &Rfc3339).is_ok_and(|until| until > moment(now))
}

fn is_governance_bypassed(headers: &HeaderMap) -> bool {
    get_header_text(headers, "x-amz-bypass-governance-retention").is_some_and(|text| text == "true")
}

/// Returns the refusal of whoever would touch what is locked.
pub fn build_locked_object_error() -> S3Error {
    S3Error::with_message(S3ErrorCode::AccessDenied, "Access Denied because object protected by object lock.")
}

/// Whether a version may not be deleted now.
pub fn is_version_locked(object: &SandboxObject, headers: &HeaderMap, now: u64) -> bool {
    let retained = object.retention.as_ref().is_some_and(|retention| {
        is_retained(retention, now) && (retention.mode == "COMPLIANCE" || !is_governance_bypassed(headers))
    });
    object.legal_hold || retained
}

/// Reads whether a legal hold is put on or lifted.
///
/// # Errors
/// Refuses a document that says neither.
pub fn parse_legal_hold(hold: Option<&dto::ObjectLockLegalHold>) -> S3Result<bool> {
    match hold.and_then(|hold| hold.status.as_ref()).map(dto::ObjectLockLegalHoldStatus::as_str) {
        Some("ON") => Ok(true),
        Some("OFF") => Ok(false),
        _ => Err(build_malformed_xml_error()),
    }
}

/// Reads a retention; none where the document is empty, which takes it away.
///
/// # Errors
/// Refuses a mode or a date alone, an unknown mode, and a date that is past.
pub fn parse_retention(
    retention: Option<&dto::ObjectLockRetention>,
    now: u64,
) -> S3Result<Option<SandboxObjectRetention>> {
    let retention = retention.ok_or_else(build_malformed_xml_error)?;
    let (mode, until) = match (&retention.mode, &retention.retain_until_date) {
        (None, None) => return Ok(None),
        (Some(mode), Some(until)) if MODES.contains(&mode.as_str()) => (mode.as_str(), until),
        _ => return Err(build_malformed_xml_error()),
    };
    let mut text = Vec::new();
    until.format(dto::TimestampFormat::DateTime, &mut text).map_err(|_| build_malformed_xml_error())?;
    let until = String::from_utf8(text).map_err(|_| build_malformed_xml_error())?;
    let kept = SandboxObjectRetention { mode: mode.to_owned(), until };
    if !is_retained(&kept, now) {
        let date = OffsetDateTime::parse(&kept.until, &Rfc3339).unwrap_or_else(|_| moment(now));
        let told = date
            .to_offset(UtcOffset::from_hms(-8, 0, 0).unwrap_or(UtcOffset::UTC))
            .format(macros::format_description!(
                "[weekday repr:short] [month repr:short] [day] [hour]:[minute]:[second] PST [year]"
            ))
            .unwrap_or_default();
        return Err(build_invalid_argument_error(
            "The retain until date must be in the future!",
            "RetainUntilDate",
            &told,
        ));
    }
    Ok(Some(kept))
}

/// Checks that a retention may take the place of the one that is there: longer always, else under governance with a bypass.
///
/// # Errors
/// Refuses what would loosen it.
pub fn check_retention_change(
    object: &SandboxObject,
    wanted: Option<&SandboxObjectRetention>,
    headers: &HeaderMap,
    now: u64,
) -> S3Result<()> {
    let Some(held) = object.retention.as_ref().filter(|held| is_retained(held, now)) else { return Ok(()) };
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let is_longer = wanted.is_some_and(|wanted| {
        (wanted.mode == held.mode || wanted.mode == "COMPLIANCE")
            && parse(&wanted.until) >= parse(&held.until)
    });
    if is_longer || (held.mode == "GOVERNANCE" && is_governance_bypassed(headers)) {
        return Ok(());
    }
    Err(build_locked_object_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_796_018_576;

    fn retain(mode: &str, until: &str) -> SandboxObjectRetention {
        SandboxObjectRetention { mode: mode.to_owned(), until: until.to_owned() }
    }

    fn bypass(on: bool) -> HeaderMap {
        let header = ("x-amz-bypass-governance-retention".parse().unwrap(), "true".parse().unwrap());
        [header].into_iter().filter(|_| on).collect()
    }

    #[test]
    fn a_lock_yields_to_what_is_longer_and_governance_to_a_bypass() {
        let (near, far) = ("2099-01-01T00:00:00Z", "2099-01-02T00:00:00Z");
        for (held, wanted, bypassed, allowed) in [
            ("GOVERNANCE", Some(("GOVERNANCE", far)), false, true),
            ("GOVERNANCE", Some(("GOVERNANCE", "2098-01-01T00:00:00Z")), false, false),
            ("GOVERNANCE", Some(("GOVERNANCE", "2098-01-01T00:00:00Z")), true, true),
            ("GOVERNANCE", None, true, true),
            ("GOVERNANCE", None, false, false),
            ("COMPLIANCE", Some(("COMPLIANCE", far)), false, true),
            ("COMPLIANCE", Some(("COMPLIANCE", "2098-01-01T00:00:00Z")), true, false),
            ("COMPLIANCE", Some(("GOVERNANCE", far)), true, false),
        ] {
            let object = SandboxObject { retention: Some(retain(held, near)), ..SandboxObject::default() };
            let wanted = wanted.map(|(mode, until)| retain(mode, until));
            let found = check_retention_change(&object, wanted.as_ref(), &bypass(bypassed), NOW);
            assert_eq!(found.is_ok(), allowed, "{held} {wanted:?} {bypassed}");
            let locked = is_version_locked(&object, &bypass(bypassed), NOW);
            assert_eq!(locked, held == "COMPLIANCE" || !bypassed);
        }
    }

    #[test]
    fn a_mode_and_a_date_come_together() {
        for (mode, until, message) in [
            (Some("GOVERNANCE"), None, Some("must both be supplied")),
            (None, Some("2099-01-01T00:00:00Z"), Some("must both be supplied")),
            (Some("BAD-VALUE"), Some("2099-01-01T00:00:00Z"), Some("Unknown wormMode directive.")),
            (Some("COMPLIANCE"), Some("2099-01-01T00:00:00Z"), None),
            (None, None, None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(MODE_HEADER, mode), (UNTIL_HEADER, until)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            let found = check_lock_headers(&headers).err();
            let told = found.as_ref().and_then(|error| error.message()).unwrap_or_default();
            assert_eq!(found.is_some(), message.is_some(), "{mode:?} {until:?}");
            assert!(told.contains(message.unwrap_or_default()), "{told}");
        }
    }
}
