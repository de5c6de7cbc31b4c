//! What a month costs by the list price, pay as you go and by a flat-rate plan, and what stands against a plan here.

use crate::model::prices::{
    CLOUDFRONT_HTTPS_REQUEST, CLOUDFRONT_TRAFFIC_TIERS, EDGE_FUNCTION_GB_SECOND, EDGE_FUNCTION_REQUEST,
    FLAT_RATE_TIERS, FREE_CLOUDFRONT_BYTES, FREE_CLOUDFRONT_REQUESTS, FlatRateTier, GIGABYTE, KMS_KEY_MONTH,
    PRICES_READ_ON, S3_READ_REQUEST, TERABYTE,
};

/// What the function runs with, and for how long a request as measured with the real code (aws-facts section 10), warm.
const FUNCTION_GIGABYTES: f64 = 0.125;
const FUNCTION_SECONDS: f64 = 0.005;
/// What is reckoned for where nothing was served yet.
const SAMPLE_BYTES: f64 = 50.0 * TERABYTE;
/// A package of a few megabytes a request.
const SAMPLE_REQUESTS: f64 = 10.0e6;

/// A month at the edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MonthlyTraffic {
    pub requests: f64,
    pub bytes: f64,
    /// Of the requests, 0 to 1; none where it isn't known: then each is reckoned to go on to S3.
    pub hit_ratio: Option<f64>,
}

impl MonthlyTraffic {
    /// Returns fifty terabytes in packages of a few megabytes.
    #[must_use]
    pub fn new_sample_month() -> Self {
        Self { requests: SAMPLE_REQUESTS, bytes: SAMPLE_BYTES, hit_ratio: None }
    }

    /// Returns what CloudFront takes for sending it, its free part taken off.
    fn traffic_dollars(&self) -> f64 {
        let mut dollars = 0.0;
        let mut from = FREE_CLOUDFRONT_BYTES;
        for (to, price) in CLOUDFRONT_TRAFFIC_TIERS {
            dollars += (self.bytes.min(to) - from).max(0.0) / GIGABYTE * price;
            from = to;
        }
        dollars
    }

    /// Returns what Lambda, S3 and the key cost beside CloudFront, with a plan or without.
    fn other_dollars(&self) -> f64 {
        let function = self.requests
            * (EDGE_FUNCTION_REQUEST.dollars
                + FUNCTION_GIGABYTES * FUNCTION_SECONDS * EDGE_FUNCTION_GB_SECOND.dollars);
        let origin = self.requests * (1.0 - self.hit_ratio.unwrap_or(0.0)) * S3_READ_REQUEST.dollars;
        function + origin + KMS_KEY_MONTH.dollars
    }

    /// Estimates the month pay as you go, in US dollars. Decryptions are few enough to be free.
    #[must_use]
    pub fn estimate_dollars(&self) -> f64 {
        let requests = (self.requests - FREE_CLOUDFRONT_REQUESTS).max(0.0) * CLOUDFRONT_HTTPS_REQUEST.dollars;
        self.traffic_dollars() + requests + self.other_dollars()
    }

    /// Finds the cheapest plan whose allowance suffices, where one does and costs less.
    #[must_use]
    pub fn find_cheaper_plan(&self) -> Option<FlatRateTier> {
        let requests = (self.requests - FREE_CLOUDFRONT_REQUESTS).max(0.0) * CLOUDFRONT_HTTPS_REQUEST.dollars;
        let now = self.traffic_dollars() + requests;
        FLAT_RATE_TIERS
            .into_iter()
            .find(|tier| self.requests <= tier.requests && self.bytes <= tier.bytes)
            .filter(|tier| tier.dollars < now)
    }
}

/// Describes what stands against a plan here (aws-facts section 10): a sentence.
#[must_use]
pub fn describe_plan_obstacles(tier: &FlatRateTier) -> String {
    let policies =
        if tier.allows_cache_policies { "" } else { ", and below Business cache policies of one's own" };
    format!(
        "Against it here: such plans are reported to refuse Lambda@Edge functions and origin access identities{policies}, and need a web ACL, whose rules against clients without a browser's headers refuse package managers; above the allowance CloudFront may slow down."
    )
}

/// Describes what a month costs: pay as you go, by a plan, and what stands against that.
#[must_use]
pub fn describe_month_cost(month: &MonthlyTraffic, what: &str) -> String {
    let dollars = render_dollars(month.estimate_dollars());
    let plan = match month.find_cheaper_plan() {
        None => "No flat-rate plan costs less.".to_owned(),
        Some(tier) => format!(
            "CloudFront's flat-rate plan {} would cost {} a month in place of its part. {}",
            tier.name,
            render_dollars(tier.dollars),
            describe_plan_obstacles(&tier)
        ),
    };
    format!(
        "{what} about {dollars} by the list price of {PRICES_READ_ON}: CloudFront beyond the account's always-free {} and {:.0} million requests a month, Lambda@Edge, S3's requests and the KMS key. {plan}",
        render_bytes(FREE_CLOUDFRONT_BYTES),
        FREE_CLOUDFRONT_REQUESTS / 1.0e6
    )
}

/// Describes what fifty terabytes a month cost, pay as you go and by a plan, before anything was served: one sentence.
#[must_use]
pub fn describe_sample_month_cost() -> String {
    let month = MonthlyTraffic::new_sample_month();
    let dollars = render_dollars(month.estimate_dollars());
    let plan = month.find_cheaper_plan().map(|tier| {
        format!(
            "; the flat-rate plan {} would cost {}, and is reported to refuse Lambda@Edge",
            tier.name,
            render_dollars(tier.dollars)
        )
    });
    format!(
        "Fifty terabytes a month cost about {dollars} (list price of {PRICES_READ_ON}){}.",
        plan.unwrap_or_default()
    )
}

/// Renders dollars: `$4,071`, `$1.23`.
#[must_use]
pub fn render_dollars(dollars: f64) -> String {
    if dollars < 100.0 {
        return format!("${dollars:.2}");
    }
    let digits = format!("{dollars:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("${text}")
}

/// Renders bytes in the unit that fits: `1.0 TB`, `420.5 MB`.
#[must_use]
pub fn render_bytes(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["bytes", "KB", "MB", "GB"] {
        if value < 1024.0 {
            return if unit == "bytes" { format!("{value:.0} bytes") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_terabytes_pay_as_you_go_and_by_a_plan() {
        let month = MonthlyTraffic::new_sample_month();
        // 9 TB at 0.085 and 40 TB at 0.080.
        assert!((month.traffic_dollars() - (9.0 * 1024.0 * 0.085 + 40.0 * 1024.0 * 0.080)).abs() < 0.01);
        assert_eq!(render_dollars(month.traffic_dollars()), "$4,060");
        // Ten million requests: 6.00 and 0.31 for Lambda, 4.00 for S3, 1.00 for the key.
        assert!((month.other_dollars() - 11.31).abs() < 0.01, "{}", month.other_dollars());
        assert_eq!(render_dollars(month.estimate_dollars()), "$4,071");
        assert_eq!(month.find_cheaper_plan().map(|tier| tier.name), Some("Pro"));
        let said = describe_month_cost(&month, "Fifty terabytes cost");
        for words in [
            "$4,071",
            "2026-11-30",
            "1.0 TB and 10 million",
            "plan Pro would cost $15.00",
            "Lambda@Edge functions and origin access identities",
            "below Business",
            "web ACL",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }

    #[test]
    fn before_anything_was_served_one_sentence_says_both_prices() {
        let said = describe_sample_month_cost();
        for words in ["about $4,071 (list price of 2026-11-30)", "plan Pro would cost $15.00", "Lambda@Edge."]
        {
            assert!(said.contains(words), "{words}: {said}");
        }
    }

    #[test]
    fn what_is_free_costs_the_key_and_lambda_and_no_plan_is_cheaper() {
        let month = MonthlyTraffic { requests: 1.0e6, bytes: 0.5 * TERABYTE, hit_ratio: Some(0.9) };
        assert!((month.estimate_dollars() - (0.60 + 0.03 + 0.04 + 1.0)).abs() < 0.01);
        assert_eq!(month.find_cheaper_plan(), None);
        assert!(describe_month_cost(&month, "x").contains("No flat-rate plan costs less."));
        let large = MonthlyTraffic { requests: 600.0e6, bytes: 600.0 * TERABYTE, hit_ratio: None };
        assert_eq!(large.find_cheaper_plan(), None, "no allowance suffices");
    }

    #[test]
    fn dollars_and_bytes_are_read_at_a_glance() {
        for (dollars, text) in [
            (0.0, "$0.00"),
            (1.234, "$1.23"),
            (99.99, "$99.99"),
            (4071.4, "$4,071"),
            (1_234_567.0, "$1,234,567"),
        ] {
            assert_eq!(render_dollars(dollars), text);
        }
        for (bytes, text) in [(12.0, "12 bytes"), (2048.0, "2.0 KB"), (TERABYTE * 53.0, "53.0 TB")] {
            assert_eq!(render_bytes(bytes), text);
        }
    }
}
