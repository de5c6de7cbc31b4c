//! What the edge served in the last thirty days, by CloudFront's metrics, and when that is a finding (contract section 11).

use serde::Serialize;

use super::FindingSeverity;
use crate::model::run::{check::CheckResult, proposed_command::render_proposed_command};

/// How far back it is looked.
pub const TRAFFIC_DAYS: u64 = 30;
/// A share of server errors above this is a finding, of at least so many requests.
const SERVER_ERROR_RATIO_MAX: f64 = 0.01;
const JUDGED_REQUESTS_MIN: f64 = 1000.0;
const HOURS_A_DAY: u64 = 24;

/// One hour at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct TrafficHour {
    /// How many hours ago it began; 0 is the one that runs.
    pub hours_ago: u64,
    pub requests: f64,
    /// Of these requests, 0 to 1.
    pub server_error_ratio: f64,
}

/// For how many hours links may have gone to the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeUseAge {
    /// This host went live so long ago.
    OnFor(u64),
    /// This host doesn't know; the distribution was made or changed so long ago.
    DistributionChangedAgo(u64),
    Unknown,
}

/// What the edge served.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct EdgeTraffic {
    pub days: u64,
    pub requests: f64,
    /// None where it wasn't asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<f64>,
    /// 0 to 1; none where nothing was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_error_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_error_ratio: Option<f64>,
    /// 0 to 1; none where the distribution's additional metrics aren't switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit_ratio: Option<f64>,
    #[serde(skip)]
    pub hours: Vec<TrafficHour>,
}

impl EdgeTraffic {
    /// Returns the requests in the last so many days, and the share of server errors in them.
    fn sum_last_days(&self, days: u64) -> (f64, f64) {
        let hours = self.hours.iter().filter(|hour| hour.hours_ago < days * HOURS_A_DAY);
        let (requests, errors) = hours.fold((0.0, 0.0), |(requests, errors), hour| {
            (requests + hour.requests, errors + hour.requests * hour.server_error_ratio)
        });
        (requests, if requests > 0.0 { errors / requests } else { 0.0 })
    }

    /// Returns the share of requests that were answered with an error 4xx, 0 to 1; none of few requests: right after going live
    /// this program's own tests, which must be refused, are most of them.
    #[must_use]
    pub fn judged_client_error_ratio(&self) -> Option<f64> {
        self.client_error_ratio.filter(|_| self.requests >= JUDGED_REQUESTS_MIN)
    }

    /// Says why the share of refused requests is not told, where it is known.
    #[must_use]
    pub fn explain_untold_client_errors(&self) -> Option<String> {
        let is_untold = self.client_error_ratio.is_some() && self.judged_client_error_ratio().is_none();
        is_untold.then(|| {
            format!(
                "How many were refused is told from {JUDGED_REQUESTS_MIN:.0} requests on: until then most are this program's own tests, which must be refused."
            )
        })
    }

    /// Judges server errors: of the last day where that has requests enough, else of a week, else of all of it.
    #[must_use]
    pub fn check_server_errors(&self) -> CheckResult {
        const CHECK_NAME: &str = "server-errors";
        let judged = [1, 7, self.days].into_iter().find_map(|days| {
            let (requests, ratio) = self.sum_last_days(days);
            (requests >= JUDGED_REQUESTS_MIN).then_some((days, requests, ratio))
        });
        let Some((days, requests, ratio)) = judged else {
            return CheckResult::new_passed_check(CHECK_NAME, "too few requests to judge");
        };
        let span = if days == 1 { "the last day".to_owned() } else { format!("the last {days} days") };
        let detail =
            format!("{:.1} % of {requests:.0} requests in {span} ended in an error 5xx", ratio * 100.0);
        if ratio <= SERVER_ERROR_RATIO_MAX {
            return CheckResult::new_passed_check(CHECK_NAME, detail);
        }
        CheckResult::new_failed_check(
            CHECK_NAME,
            detail,
            format!("see which part fails: {}", render_proposed_command("verify", &[])),
        )
    }

    /// Judges whether anybody asks the edge at all, in the last 24 hours that are over; `age` is for how many hours links may have gone
    /// there, `own` what this program asked itself, by how many hours ago.
    #[must_use]
    pub fn check_requests_of_a_day(&self, age: EdgeUseAge, own: &[(u64, u64)]) -> CheckResult {
        const CHECK_NAME: &str = "requests";
        let is_over = |hours_ago: u64| (1..=HOURS_A_DAY).contains(&hours_ago);
        let all: f64 =
            self.hours.iter().filter(|hour| is_over(hour.hours_ago)).map(|hour| hour.requests).sum();
        let own: u64 = own.iter().filter(|(ago, _)| is_over(*ago)).map(|(_, asks)| asks).sum();
        #[expect(clippy::cast_precision_loss, reason = "asks of a day")]
        let requests = all - own as f64;
        if requests > 0.0 {
            return CheckResult::new_passed_check(CHECK_NAME, format!("{requests:.0} in the last day"));
        }
        match age {
            EdgeUseAge::OnFor(hours) if hours < HOURS_A_DAY => {
                return CheckResult::new_passed_check(
                    CHECK_NAME,
                    "links have gone there for less than a day",
                );
            }
            EdgeUseAge::DistributionChangedAgo(hours) if hours < HOURS_A_DAY => {
                return CheckResult::new_passed_check(
                    CHECK_NAME,
                    "the distribution was made or changed less than a day ago",
                );
            }
            _ => {}
        }
        CheckResult::new_failed_check(
            CHECK_NAME,
            "packagecloud redirects to CloudFront, and CloudFront got no request in the last day",
            format!(
                "check that clients reach the packages domain, port 443, through their firewalls, and follow a link yourself: {}",
                render_proposed_command("verify", &[])
            ),
        )
    }
}

/// What each of the two means.
pub const SERVER_ERRORS_SEVERITY: FindingSeverity = FindingSeverity::Refused;
pub const NO_REQUESTS_SEVERITY: FindingSeverity = FindingSeverity::Drifted;

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(hours: &[(u64, f64, f64)]) -> EdgeTraffic {
        let hours = hours.iter().map(|&(hours_ago, requests, server_error_ratio)| TrafficHour {
            hours_ago,
            requests,
            server_error_ratio,
        });
        EdgeTraffic { days: TRAFFIC_DAYS, hours: hours.collect(), ..EdgeTraffic::default() }
    }

    #[test]
    fn of_few_requests_no_share_of_refused_ones_is_told() {
        for (requests, ratio, told) in [
            (12.0, Some(0.25), None),
            (999.0, Some(0.25), None),
            (1000.0, Some(0.25), Some(0.25)),
            (5000.0, None, None),
        ] {
            let traffic = EdgeTraffic { requests, client_error_ratio: ratio, ..EdgeTraffic::default() };
            assert_eq!(traffic.judged_client_error_ratio(), told, "{requests}");
            let why = traffic.explain_untold_client_errors();
            assert_eq!(why.is_some(), ratio.is_some() && told.is_none(), "{requests}: {why:?}");
            assert!(why.is_none_or(|why| why.contains("from 1000 requests on")), "{requests}");
        }
    }

    #[test]
    fn server_errors_count_above_one_percent_of_a_thousand_requests() {
        for (hours, fails, words) in [
            (&[(0, 1000.0, 0.011)][..], true, "1.1 % of 1000 requests in the last day"),
            (&[(0, 1000.0, 0.01)], false, "1.0 %"),
            (&[(0, 999.0, 1.0)], false, "too few"),
            // What ended is no finding of today.
            (&[(1, 1000.0, 0.0), (200, 5000.0, 0.5)], false, "0.0 % of 1000 requests in the last day"),
            (&[(1, 10.0, 0.0), (30, 5000.0, 0.5)], true, "in the last 7 days"),
            (&[(300, 5000.0, 0.5)], true, "in the last 30 days"),
        ] {
            let check = traffic(hours).check_server_errors();
            assert_eq!(check.has_failed(), fails, "{check:?}");
            assert!(check.detail.contains(words), "{words}: {check:?}");
        }
    }

    #[test]
    fn no_request_for_a_day_is_a_finding_once_it_is_on_for_a_day() {
        use EdgeUseAge::{DistributionChangedAgo, OnFor, Unknown};
        for (hours, on, own, fails) in [
            (&[(3, 1.0, 0.0)][..], Unknown, &[][..], false),
            (&[(24, 1.0, 0.0)], Unknown, &[], false),
            (&[(25, 1.0, 0.0)], Unknown, &[], true),
            // The hour that runs isn't over: what this very run asked is in it.
            (&[(0, 9.0, 0.0)], Unknown, &[], true),
            (&[], Unknown, &[], true),
            (&[], OnFor(24), &[], true),
            (&[], OnFor(23), &[], false),
            (&[], DistributionChangedAgo(24), &[], true),
            (&[], DistributionChangedAgo(23), &[], false),
            // A monitor that asks each hour is nobody.
            (&[(1, 7.0, 0.0), (2, 7.0, 0.0)], Unknown, &[(0, 7), (1, 7), (2, 7)], true),
            (&[(1, 7.0, 0.0), (2, 8.0, 0.0)], Unknown, &[(0, 7), (1, 7), (2, 7)], false),
        ] {
            let check = traffic(hours).check_requests_of_a_day(on, own);
            assert_eq!(check.has_failed(), fails, "{hours:?} {on:?} {own:?}: {check:?}");
        }
    }
}
