//! AWS's list prices, each with its source and when it was read: the one table behind all that is said of cost.
//!
//! They are those of us-east-1 and of CloudFront's edges in North America and Europe; elsewhere some are higher.

/// When these prices were read.
pub const PRICES_READ_ON: &str = "2026-11-30";

/// One price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListPrice {
    /// US dollars for one of `unit`.
    pub dollars: f64,
    pub unit: &'static str,
    pub source: &'static str,
}

const fn new_list_price(dollars: f64, unit: &'static str, source: &'static str) -> ListPrice {
    ListPrice { dollars, unit, source }
}

const LAMBDA_PAGE: &str = "Lambda's price page, Lambda@Edge (aws-facts section 1)";
const CLOUDFRONT_PAGE: &str = "CloudFront's price page, pay as you go";
const S3_PAGE: &str = "S3's price page, S3 Standard in us-east-1";
const KMS_PAGE: &str = "KMS' price page";

pub const EDGE_FUNCTION_REQUEST: ListPrice = new_list_price(0.60e-6, "request", LAMBDA_PAGE);
pub const EDGE_FUNCTION_GB_SECOND: ListPrice = new_list_price(0.000_050_01, "GB-second", LAMBDA_PAGE);
pub const CLOUDFRONT_HTTPS_REQUEST: ListPrice = new_list_price(1.0e-6, "request over HTTPS", CLOUDFRONT_PAGE);
pub const INVALIDATION_PATH: ListPrice = new_list_price(0.005, "path", CLOUDFRONT_PAGE);
pub const KMS_KEY_MONTH: ListPrice = new_list_price(1.0, "key a month", KMS_PAGE);
pub const KMS_REQUEST: ListPrice = new_list_price(0.03e-4, "request", KMS_PAGE);
pub const S3_READ_REQUEST: ListPrice = new_list_price(0.0004e-3, "GET or HEAD", S3_PAGE);
pub const S3_WRITE_REQUEST: ListPrice = new_list_price(0.005e-3, "PUT, COPY or LIST", S3_PAGE);
pub const BATCH_JOB: ListPrice = new_list_price(0.25, "job of S3 Batch Operations", S3_PAGE);
pub const BATCH_OBJECT: ListPrice = new_list_price(1.0e-6, "object of a job", S3_PAGE);

/// What CloudFront gives an account for nothing each month, for ever.
pub const FREE_CLOUDFRONT_BYTES: f64 = 1.0 * TERABYTE;
pub const FREE_CLOUDFRONT_REQUESTS: f64 = 10.0e6;
pub const FREE_INVALIDATION_PATHS: usize = 1000;
/// And KMS.
pub const FREE_KMS_REQUESTS: f64 = 20_000.0;

pub const GIGABYTE: f64 = 1024.0 * 1024.0 * 1024.0;
pub const TERABYTE: f64 = 1024.0 * GIGABYTE;

/// Up to so many bytes a month, and what a gigabyte costs there; what CloudFront sends, the free part among it.
pub const CLOUDFRONT_TRAFFIC_TIERS: [(f64, f64); 7] = [
    (10.0 * TERABYTE, 0.085),
    (50.0 * TERABYTE, 0.080),
    (150.0 * TERABYTE, 0.060),
    (500.0 * TERABYTE, 0.040),
    (1024.0 * TERABYTE, 0.030),
    (5120.0 * TERABYTE, 0.025),
    (f64::INFINITY, 0.020),
];

/// A flat-rate plan of CloudFront: for one distribution, with a web ACL, a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlatRateTier {
    pub name: &'static str,
    pub dollars: f64,
    pub requests: f64,
    pub bytes: f64,
    /// Whether cache policies of one's own are allowed.
    pub allows_cache_policies: bool,
}

/// Where the plans were said (the developer guide's page "flat-rate-pricing-plan", as copies and third parties quote it).
pub const FLAT_RATE_SOURCE: &str = "CloudFront developer guide, flat-rate pricing plans";

/// The cheapest first.
pub const FLAT_RATE_TIERS: [FlatRateTier; 4] = [
    new_flat_rate_tier("Free", 0.0, 1.0e6, 100.0 * GIGABYTE, false),
    new_flat_rate_tier("Pro", 15.0, 10.0e6, 50.0 * TERABYTE, false),
    new_flat_rate_tier("Business", 200.0, 125.0e6, 50.0 * TERABYTE, true),
    new_flat_rate_tier("Premium", 1000.0, 500.0e6, 50.0 * TERABYTE, true),
];

const fn new_flat_rate_tier(
    name: &'static str,
    dollars: f64,
    requests: f64,
    bytes: f64,
    allows_cache_policies: bool,
) -> FlatRateTier {
    FlatRateTier { name, dollars, requests, bytes, allows_cache_policies }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiers_rise_and_each_price_has_a_source() {
        assert!(
            CLOUDFRONT_TRAFFIC_TIERS.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1)
        );
        assert!(FLAT_RATE_TIERS.windows(2).all(|pair| pair[0].dollars < pair[1].dollars));
        for price in [
            EDGE_FUNCTION_REQUEST,
            EDGE_FUNCTION_GB_SECOND,
            CLOUDFRONT_HTTPS_REQUEST,
            INVALIDATION_PATH,
            KMS_KEY_MONTH,
            KMS_REQUEST,
            S3_READ_REQUEST,
            S3_WRITE_REQUEST,
            BATCH_JOB,
            BATCH_OBJECT,
        ] {
            assert!(price.dollars > 0.0 && !price.unit.is_empty() && !price.source.is_empty(), "{price:?}");
        }
    }
}
