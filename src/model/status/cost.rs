//! What a month costs by the list price, pay as you go and by a flat-rate plan, and what stands against a plan here.

use crate::model::prices::{
    CLOUDFRONT_HTTPS_REQUEST, CLOUDFRONT_TRAFFIC_TIERS, EDGE_FUNCTION_GB_SECOND, EDGE_FUNCTION_REQUEST,
    FLAT_RATE_TIERS, FREE_CLOUDFRONT_BYTES, FREE_CLOUDFRONT_REQUESTS, FREE_KMS_REQUESTS, FlatRateTier,
    GIGABYTE, KMS_KEY_MONTH, KMS_REQUEST, ListPrice, PRICES_READ_ON, S3_READ_REQUEST, TERABYTE,
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
    let policies = if tier.allows_cache_policies {
        ""
    } else {
        ", and below the plan Business no cache policies of your own, which it uses too"
    };
    format!(
        "Reasons against a plan here: plans are reported to refuse Lambda@Edge functions and origin access identities, and this set-up needs Lambda@Edge{policies}; a plan needs a web ACL, and rules against clients without a browser's headers refuse package managers; above its allowance CloudFront may slow downloads down."
    )
}

/// Describes what a month costs: pay as you go, by a plan, and what stands against that. `subject` begins the sentence: `The last
/// thirty days cost`.
#[must_use]
pub fn describe_month_cost(month: &MonthlyTraffic, subject: &str) -> String {
    let dollars = render_dollars(month.estimate_dollars());
    let plan = match month.find_cheaper_plan() {
        None => "No flat-rate plan of CloudFront costs less.".to_owned(),
        Some(tier) => format!(
            "CloudFront's flat-rate plan {} costs {} a month, and replaces CloudFront's part of that. {}",
            tier.name,
            render_dollars(tier.dollars),
            describe_plan_obstacles(&tier)
        ),
    };
    format!(
        "{subject} about {dollars}, pay as you go, by AWS's list prices of {PRICES_READ_ON}. That is CloudFront above its always-free {} and {:.0} million requests a month, Lambda@Edge, requests to S3 and the KMS key. {plan}",
        render_bytes(FREE_CLOUDFRONT_BYTES),
        FREE_CLOUDFRONT_REQUESTS / 1.0e6
    )
}

/// Describes what fifty terabytes a month cost, pay as you go and by a plan, with what stands against the plan.
#[must_use]
pub fn describe_sample_month_in_full() -> String {
    describe_month_cost(
        &MonthlyTraffic::new_sample_month(),
        &format!(
            "An example: {} a month, sent in {:.0} million requests, would cost",
            render_bytes(SAMPLE_BYTES),
            SAMPLE_REQUESTS / 1.0e6
        ),
    )
}

/// Says what the key costs, by the one table.
#[must_use]
pub fn render_key_cost() -> String {
    format!("the KMS key ${:.0} a month", KMS_KEY_MONTH.dollars)
}

/// Says what requests cost, by the one table.
#[must_use]
pub fn render_request_cost() -> String {
    format!(
        "Lambda@Edge ${:.2} and CloudFront about ${:.0} a million requests, and traffic",
        EDGE_FUNCTION_REQUEST.dollars * 1.0e6,
        CLOUDFRONT_HTTPS_REQUEST.dollars * 1.0e6
    )
}

/// Lists the prices of what stands, for a table: what is paid for, the price with its unit, and the source.
#[must_use]
pub fn list_price_rows() -> Vec<[String; 3]> {
    let million = |price: ListPrice| format!("${:.2} a million", price.dollars * 1.0e6);
    let row = |what: &str, price: String, source: &str| [what.to_owned(), price, source.to_owned()];
    let traffic = CLOUDFRONT_TRAFFIC_TIERS[0].1;
    let thousand = |price: ListPrice| format!("${:.4} a thousand", price.dollars * 1.0e3);
    vec![
        row(
            "Traffic of CloudFront (North America, Europe)",
            format!(
                "${traffic:.3} a GB up to 10 TB a month, less above; the first {} are free",
                render_bytes(FREE_CLOUDFRONT_BYTES)
            ),
            CLOUDFRONT_HTTPS_REQUEST.source,
        ),
        row(
            "HTTPS requests to CloudFront",
            format!(
                "{}; the first {:.0} million a month are free",
                million(CLOUDFRONT_HTTPS_REQUEST),
                FREE_CLOUDFRONT_REQUESTS / 1.0e6
            ),
            CLOUDFRONT_HTTPS_REQUEST.source,
        ),
        row("Runs of the Lambda@Edge function", million(EDGE_FUNCTION_REQUEST), EDGE_FUNCTION_REQUEST.source),
        row(
            "Time of the Lambda@Edge function",
            format!("${:.8} a GB-second", EDGE_FUNCTION_GB_SECOND.dollars),
            EDGE_FUNCTION_GB_SECOND.source,
        ),
        row("GET and HEAD requests to S3", thousand(S3_READ_REQUEST), S3_READ_REQUEST.source),
        row("The KMS key", format!("${:.2} a month", KMS_KEY_MONTH.dollars), KMS_KEY_MONTH.source),
        row(
            "Requests to KMS",
            format!(
                "${:.2} for 10,000; the first {:.0} a month are free",
                KMS_REQUEST.dollars * 1.0e4,
                FREE_KMS_REQUESTS
            ),
            KMS_REQUEST.source,
        ),
    ]
}

/// Describes what fifty terabytes a month cost, pay as you go and by a plan, before anything was served: one sentence.
#[must_use]
pub fn describe_sample_month_cost() -> String {
    let month = MonthlyTraffic::new_sample_month();
    let dollars = render_dollars(month.estimate_dollars());
    let plan = month.find_cheaper_plan().map(|tier| {
        format!(
            "; the flat-rate plan {} would cost {}, but is reported not to allow Lambda@Edge, which this needs",
            tier.name,
            render_dollars(tier.dollars)
        )
    });
    format!(
        "As an example, 50 TB of downloads a month would cost about {dollars} (list price of {PRICES_READ_ON}){}. Status shows what yours cost.",
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
            "flat-rate plan Pro costs $15.00 a month",
            "Lambda@Edge functions and origin access identities",
            "below the plan Business",
            "web ACL",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let full = describe_sample_month_in_full();
        assert!(
            full.starts_with(
                "An example: 50.0 TB a month, sent in 10 million requests, would cost about $4,071"
            ),
            "{full}"
        );
    }

    #[test]
    fn what_is_said_of_prices_is_said_by_the_table() {
        assert_eq!(render_key_cost(), "the KMS key $1 a month");
        assert_eq!(
            render_request_cost(),
            "Lambda@Edge $0.60 and CloudFront about $1 a million requests, and traffic"
        );
        let rows = list_price_rows();
        assert!(rows.iter().flatten().all(|cell| !cell.is_empty()), "{rows:?}");
        for price in [
            "$0.085 a GB",
            "$0.60 a million",
            "$0.00005001 a GB-second",
            "$0.0004 a thousand",
            "$0.03 for 10,000",
        ] {
            assert!(rows.iter().any(|row| row[1].contains(price)), "{price}: {rows:?}");
        }
    }

    #[test]
    fn before_anything_was_served_one_sentence_says_both_prices() {
        let said = describe_sample_month_cost();
        for words in [
            "about $4,071 (list price of 2026-11-30)",
            "plan Pro would cost $15.00",
            "which this needs.",
            "As an example",
            "Status shows what yours cost",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }

    #[test]
    fn what_is_free_costs_the_key_and_lambda_and_no_plan_is_cheaper() {
        let month = MonthlyTraffic { requests: 1.0e6, bytes: 0.5 * TERABYTE, hit_ratio: Some(0.9) };
        assert!((month.estimate_dollars() - (0.60 + 0.03 + 0.04 + 1.0)).abs() < 0.01);
        assert_eq!(month.find_cheaper_plan(), None);
        assert!(describe_month_cost(&month, "x").contains("No flat-rate plan of CloudFront costs less."));
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
