//! What ends when: the function's runtime by the table's dates, the certificate by its last day and ACM's renewal (contract section 11).

use serde::Serialize;

use super::FindingSeverity;
use crate::model::{
    aws::{
        account::DnsRecord,
        lambda_runtime::{LAMBDA_RUNTIMES, LambdaRuntimeDates},
    },
    run::check::CheckResult,
};

/// What ends within so many days is a finding.
pub const ENDING_DAYS: u64 = 30;
const DAY_SECONDS: u64 = 86_400;

/// A part that ends on a known day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndingPart {
    /// `runtime`, `runtime-updates`, `certificate`, `credentials`.
    pub part: &'static str,
    /// Unix seconds.
    pub at: u64,
}

impl EndingPart {
    /// Says what ends when, whose it is, and what to do, as a sentence.
    #[must_use]
    pub fn describe_ending_part(&self) -> String {
        let day = render_day(self.at);
        match self.part {
            "runtime" => format!(
                "AWS supports the Lambda runtime of the edge function until {day}. Status tells you 30 days before to update it, by one command."
            ),
            "runtime-updates" => format!(
                "From {day} on AWS lets nobody change a function on that runtime. The deployed edge function still runs."
            ),
            "certificate" => {
                format!(
                    "The certificate of the packages domain is valid until {day}. Status tells you before."
                )
            }
            "credentials" => format!(
                "The AWS credentials of this session end on {day}: sign in again then. Downloads don't need them."
            ),
            part => format!("{part} ends on {day}."),
        }
    }
}

/// Returns whether something that ends at `at` ends within thirty days of `now`, or has ended.
#[must_use]
pub fn ends_soon(at: u64, now: u64) -> bool {
    at <= now + ENDING_DAYS * DAY_SECONDS
}

/// Parses a day, `2026-11-23`, to the Unix seconds of its beginning.
#[must_use]
pub fn parse_day(day: &str) -> Option<u64> {
    let mut parts = day.split('-').map(str::parse::<i32>);
    let (year, month, date) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    let at =
        time::Date::from_calendar_date(year, month, u8::try_from(date).ok()?).ok()?.midnight().assume_utc();
    u64::try_from(at.unix_timestamp()).ok()
}

/// Renders the day of Unix seconds: `2026-11-23`.
#[must_use]
pub fn render_day(at: u64) -> String {
    let day = i64::try_from(at).ok().and_then(|at| time::OffsetDateTime::from_unix_timestamp(at).ok());
    day.map(|day| day.date().to_string()).unwrap_or_default()
}

/// Finds a runtime in the table; one that isn't there is unknown, and no finding.
#[must_use]
pub fn find_runtime_dates(name: &str) -> Option<&'static LambdaRuntimeDates> {
    LAMBDA_RUNTIMES.iter().find(|known| known.name == name)
}

/// Lists when a runtime's support ends, and when its functions can no longer be changed.
#[must_use]
pub fn list_runtime_ends(name: &str) -> Vec<EndingPart> {
    let Some(dates) = find_runtime_dates(name) else { return Vec::new() };
    let part = |part, day: Option<&str>| Some(EndingPart { part, at: parse_day(day?)? });
    [part("runtime", dates.support_ends), part("runtime-updates", dates.updates_blocked)]
        .into_iter()
        .flatten()
        .collect()
}

/// Judges a runtime: `next` is the command that rolls the function on.
#[must_use]
pub fn judge_runtime_end(name: &str, now: u64, next: &str) -> CheckResult {
    const CHECK_NAME: &str = "runtime";
    let Some(dates) = find_runtime_dates(name) else {
        return CheckResult::new_passed_check(
            CHECK_NAME,
            format!("{name}; when its support ends is not known"),
        );
    };
    let is_due = |day: Option<&str>| day.and_then(parse_day).is_some_and(|at| ends_soon(at, now));
    let is_over = |day: Option<&str>| day.and_then(parse_day).is_some_and(|at| at <= now);
    let blocked = dates.updates_blocked.map(|day| {
        if is_over(Some(day)) {
            format!("; since {day} no function on it can be changed")
        } else {
            format!("; from {day} on no function on it can be changed")
        }
    });
    let blocked = blocked.unwrap_or_default();
    match dates.support_ends {
        Some(day) if !is_due(Some(day)) => CheckResult::new_passed_check(
            CHECK_NAME,
            format!("the function runs on {name}, which AWS supports until {day}{blocked}"),
        ),
        Some(day) => {
            let verb = if is_over(Some(day)) { "ended" } else { "ends" };
            let why = format!(
                "the function runs on {name}, whose support by AWS {verb} on {day}{blocked}; the deployed function still runs"
            );
            CheckResult::new_failed_check(CHECK_NAME, why, next)
        }
        None => CheckResult::new_failed_check(
            CHECK_NAME,
            format!(
                "the function runs on {name}, whose support by AWS has ended{blocked}; the deployed function still runs"
            ),
            next,
        ),
    }
}

/// A certificate as ACM tells of its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateEnd {
    pub arn: String,
    /// `ISSUED`, `EXPIRED`, `REVOKED`, …
    pub status: String,
    /// `AMAZON_ISSUED`, `IMPORTED`, `PRIVATE`.
    pub kind: String,
    /// Unix seconds.
    pub not_after: Option<u64>,
    /// `PENDING_AUTO_RENEWAL`, `PENDING_VALIDATION`, `SUCCESS`, `FAILED`; none where ACM hasn't begun.
    pub renewal: Option<String>,
    /// What DNS must hold for ACM to renew it.
    pub records: Vec<DnsRecord>,
}

/// Judges a certificate by its last day and by ACM's renewal.
#[must_use]
pub fn judge_certificate_end(certificate: &CertificateEnd, now: u64) -> (FindingSeverity, CheckResult) {
    const CHECK_NAME: &str = "certificate";
    let arn = &certificate.arn;
    let day = certificate.not_after.map(render_day).unwrap_or_default();
    let fail = |severity, why: String, next: String| {
        (severity, CheckResult::new_failed_check(CHECK_NAME, why, next))
    };
    let pass = |detail: String| (FindingSeverity::Ending, CheckResult::new_passed_check(CHECK_NAME, detail));
    let other = "request another certificate in us-east-1 that covers the packages domain: aws acm request-certificate --region us-east-1 --validation-method DNS --domain-name NAME, then give its ARN to enable by --certificate".to_owned();
    let is_over = certificate.not_after.is_some_and(|at| at <= now);
    if certificate.status != "ISSUED" || is_over {
        let state = if is_over { format!("ended on {day}") } else { format!("is {}", certificate.status) };
        let why =
            format!("the certificate {arn} of the packages domain {state}: clients refuse the connection");
        return fail(FindingSeverity::Refused, why, other);
    }
    let is_due = certificate.not_after.is_some_and(|at| ends_soon(at, now));
    let renewal = certificate.renewal.as_deref();
    if !is_due && renewal != Some("FAILED") {
        return pass(format!("{arn} lasts until {day}"));
    }
    match renewal {
        Some("SUCCESS" | "PENDING_AUTO_RENEWAL") if certificate.kind != "IMPORTED" => {
            pass(format!("{arn} lasts until {day}, and ACM renews it by itself"))
        }
        Some("PENDING_VALIDATION") => {
            let records: Vec<String> =
                certificate.records.iter().map(DnsRecord::render_dns_zone_line).collect();
            fail(
                FindingSeverity::Ending,
                format!(
                    "the certificate {arn} ends on {day}, and ACM can't renew it: it no longer finds its record in DNS"
                ),
                format!("create this record again, and keep it: {}", records.join("; ")),
            )
        }
        _ if certificate.kind == "IMPORTED" => fail(
            FindingSeverity::Ending,
            format!(
                "the certificate {arn} ends on {day}; it was imported, and ACM does not renew imported certificates"
            ),
            format!(
                "import a new certificate with the same ARN: aws acm import-certificate --region us-east-1 --certificate-arn {arn} --certificate fileb://cert.pem --private-key fileb://key.pem --certificate-chain fileb://chain.pem"
            ),
        ),
        Some("FAILED") => fail(
            FindingSeverity::Ending,
            format!("the certificate {arn} ends on {day}, and its renewal failed"),
            other,
        ),
        _ => fail(
            FindingSeverity::Ending,
            format!("the certificate {arn} ends on {day}, and ACM hasn't begun to renew it"),
            other,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_a_finding_within_thirty_days_and_an_unknown_one_is_none() {
        for (name, today, fails, words) in [
            ("nodejs20.x", "2026-11-30", true, "ended on 2026-04-30; from 2027-03-03 on no function"),
            ("nodejs20.x", "2027-03-04", true, "since 2027-03-03 no function"),
            ("nodejs22.x", "2027-03-30", false, "until 2027-04-30"),
            ("nodejs22.x", "2027-03-31", true, "ends on 2027-04-30"),
            ("nodejs24.x", "2026-11-30", false, "until 2028-04-30"),
            ("nodejs16.x", "2026-11-30", true, "has ended"),
            ("nodejs28.x", "2040-01-01", false, "is not known"),
        ] {
            let check = judge_runtime_end(name, parse_day(today).unwrap(), "roll it on");
            assert_eq!(check.has_failed(), fails, "{name} {today}: {check:?}");
            assert!(check.detail.contains(words), "{words}: {check:?}");
        }
        assert_eq!(list_runtime_ends("nodejs24.x").len(), 2);
        assert!(list_runtime_ends("nodejs28.x").is_empty());
    }

    #[test]
    fn each_end_says_whose_it_is_and_when() {
        for (part, words) in [
            ("runtime", "the Lambda runtime of the edge function until 2028-04-30"),
            ("runtime-updates", "From 2028-04-30 on"),
            ("certificate", "of the packages domain is valid until 2028-04-30"),
            ("credentials", "end on 2028-04-30: sign in again"),
        ] {
            let said = EndingPart { part, at: parse_day("2028-04-30").unwrap() }.describe_ending_part();
            assert!(said.contains(words), "{part}: {said}");
        }
    }

    #[test]
    fn a_day_is_read_as_it_is_written() {
        assert_eq!(parse_day("1970-01-02"), Some(86_400));
        assert_eq!(render_day(parse_day("2026-11-23").unwrap()), "2026-11-23");
        for wrong in ["", "2026-13-01", "2026-11", "x-y-z"] {
            assert_eq!(parse_day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_certificate_is_judged_by_its_renewal() {
        use FindingSeverity::{Ending, Refused};
        let now = parse_day("2026-11-30").unwrap();
        for (days, status, kind, renewal, finding, words) in [
            (90, "ISSUED", "AMAZON_ISSUED", None, None, "lasts until"),
            (29, "ISSUED", "AMAZON_ISSUED", Some("PENDING_AUTO_RENEWAL"), None, "renews it by itself"),
            (29, "ISSUED", "AMAZON_ISSUED", Some("SUCCESS"), None, "renews it by itself"),
            (29, "ISSUED", "AMAZON_ISSUED", Some("PENDING_VALIDATION"), Some(Ending), "no longer finds"),
            (29, "ISSUED", "AMAZON_ISSUED", Some("FAILED"), Some(Ending), "renewal failed"),
            (50, "ISSUED", "AMAZON_ISSUED", Some("FAILED"), Some(Ending), "renewal failed"),
            (29, "ISSUED", "AMAZON_ISSUED", None, Some(Ending), "hasn't begun"),
            (29, "ISSUED", "IMPORTED", None, Some(Ending), "imported"),
            (90, "ISSUED", "IMPORTED", None, None, "lasts until"),
            (-1, "ISSUED", "IMPORTED", None, Some(Refused), "clients refuse"),
            (90, "REVOKED", "AMAZON_ISSUED", None, Some(Refused), "is REVOKED"),
        ] {
            let certificate = CertificateEnd {
                arn: "arn:cert".into(),
                status: status.into(),
                kind: kind.into(),
                not_after: Some(now.saturating_add_signed(days * 86_400)),
                renewal: renewal.map(str::to_owned),
                records: Vec::new(),
            };
            let (severity, check) = judge_certificate_end(&certificate, now);
            assert_eq!(check.has_failed().then_some(severity), finding, "{certificate:?}: {check:?}");
            assert!(check.detail.contains(words), "{words}: {check:?}");
        }
    }
}
