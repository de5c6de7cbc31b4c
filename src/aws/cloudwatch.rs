//! What CloudWatch's free metrics say: what the edges served, in us-east-1, where CloudFront puts it, and how many objects a
//! bucket holds, in its region; by GetMetricStatistics, since GetMetricData costs money.

use futures::future::try_join_all;
use serde::Deserialize;
use serde_json::json;

use super::{AwsClients, error, signed_json::SignedJsonService};
use crate::model::{
    failure::Failure,
    status::traffic::{EdgeTraffic, TRAFFIC_DAYS, TrafficHour},
};

const SERVICE: SignedJsonService = SignedJsonService {
    action: "cloudwatch:GetMetricStatistics",
    what: "CloudFront's metrics in CloudWatch",
    signing_name: "monitoring",
    endpoint: "https://monitoring.us-east-1.amazonaws.com",
    path: "/",
    content_type: "application/x-amz-json-1.0",
    target: Some("GraniteServiceVersion20100801.GetMetricStatistics"),
};
const HOUR_SECONDS: u64 = 3600;
const DAY_SECONDS: u64 = 24 * HOUR_SECONDS;
/// S3 counts once a day, and tells it a day or two later.
const BUCKET_COUNT_DAYS: u64 = 4;

/// A metric of CloudFront's, and how its hours are told.
#[derive(Clone, Copy)]
struct EdgeMetric {
    name: &'static str,
    statistic: &'static str,
}

/// The first ones are asked for first, where not all may be.
const EDGE_METRICS: [EdgeMetric; 5] = [
    EdgeMetric { name: "Requests", statistic: "Sum" },
    EdgeMetric { name: "5xxErrorRate", statistic: "Average" },
    EdgeMetric { name: "BytesDownloaded", statistic: "Sum" },
    EdgeMetric { name: "4xxErrorRate", statistic: "Average" },
    // An additional metric: without a datapoint those aren't switched on.
    EdgeMetric { name: "CacheHitRate", statistic: "Average" },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricAnswer {
    datapoints: Vec<MetricDatapoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDatapoint {
    /// Unix seconds, with a fraction.
    timestamp: f64,
    #[serde(default)]
    sum: f64,
    #[serde(default)]
    average: f64,
}

impl AwsClients {
    /// Reads what a distribution's edges served in the last thirty days, by no more than `asks_max` requests.
    ///
    /// # Errors
    /// Where CloudWatch refuses or doesn't answer.
    pub async fn read_edge_traffic(
        &self,
        distribution: &str,
        now: u64,
        asks_max: usize,
    ) -> Result<EdgeTraffic, Failure> {
        let end = (now / HOUR_SECONDS + 1) * HOUR_SECONDS;
        let asked = EDGE_METRICS.into_iter().take(asks_max);
        let hours =
            try_join_all(asked.map(|metric| self.read_metric_hours(distribution, metric, end))).await?;
        Ok(sum_edge_traffic(&hours))
    }

    /// Reads how many objects a bucket held when S3 last counted, old versions among them; none where it has no count yet.
    ///
    /// # Errors
    /// Where CloudWatch refuses or doesn't answer.
    pub async fn read_bucket_object_count(
        &self,
        bucket: &str,
        region: &str,
        now: u64,
    ) -> Result<Option<u64>, Failure> {
        let service = SignedJsonService {
            what: "the bucket's metrics in CloudWatch",
            endpoint: "https://monitoring.{region}.amazonaws.com",
            ..SERVICE
        };
        let end = (now / DAY_SECONDS + 1) * DAY_SECONDS;
        let body = json!({
            "Namespace": "AWS/S3",
            "MetricName": "NumberOfObjects",
            "Dimensions": [
                { "Name": "BucketName", "Value": bucket },
                { "Name": "StorageType", "Value": "AllStorageTypes" },
            ],
            "StartTime": end.saturating_sub(BUCKET_COUNT_DAYS * DAY_SECONDS),
            "EndTime": end,
            "Period": DAY_SECONDS,
            "Statistics": ["Average"],
        });
        let answer = self.ask_signed_json_in_region(&service, region, &body.to_string()).await?;
        parse_newest_average(&answer, &service)
    }

    /// The hours of one metric: how many hours before `end` each began, and its value.
    async fn read_metric_hours(
        &self,
        distribution: &str,
        metric: EdgeMetric,
        end: u64,
    ) -> Result<Vec<(u64, f64)>, Failure> {
        let body = json!({
            "Namespace": "AWS/CloudFront",
            "MetricName": metric.name,
            "Dimensions": [
                { "Name": "DistributionId", "Value": distribution },
                { "Name": "Region", "Value": "Global" },
            ],
            "StartTime": end.saturating_sub(TRAFFIC_DAYS * 24 * HOUR_SECONDS),
            "EndTime": end,
            "Period": HOUR_SECONDS,
            "Statistics": [metric.statistic],
        });
        let answer = self.ask_signed_json(&SERVICE, &body.to_string()).await?;
        let answer: MetricAnswer = serde_json::from_slice(&answer).map_err(|_| {
            error::build_missing_response_part_failure(SERVICE.action, SERVICE.what, "the datapoints")
        })?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "Unix seconds are whole and positive"
        )]
        let hour = |point: &MetricDatapoint| {
            let ago = (end.saturating_sub(point.timestamp as u64) / HOUR_SECONDS).saturating_sub(1);
            (ago, if metric.statistic == "Sum" { point.sum } else { point.average })
        };
        Ok(answer.datapoints.iter().map(hour).collect())
    }
}

/// Takes the newest datapoint's value: they come in no order.
fn parse_newest_average(answer: &[u8], service: &SignedJsonService) -> Result<Option<u64>, Failure> {
    let answer: MetricAnswer = serde_json::from_slice(answer).map_err(|_| {
        error::build_missing_response_part_failure(service.action, service.what, "the datapoints")
    })?;
    let newest = answer.datapoints.iter().max_by(|one, other| one.timestamp.total_cmp(&other.timestamp));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of objects")]
    Ok(newest.map(|point| point.average.round() as u64))
}

/// Sums it up: `metrics` are those of [`EDGE_METRICS`], as many as were asked for. Rates are percent, of each hour's requests.
fn sum_edge_traffic(metrics: &[Vec<(u64, f64)>]) -> EdgeTraffic {
    let hours_of = |name: &str| {
        EDGE_METRICS.iter().position(|metric| metric.name == name).and_then(|at| metrics.get(at))
    };
    let requests = hours_of("Requests").map(Vec::as_slice).unwrap_or_default();
    let total: f64 = requests.iter().map(|(_, count)| count).sum();
    let rate_at = |rates: &[(u64, f64)], hour: u64| {
        rates.iter().find(|(at, _)| *at == hour).map_or(0.0, |(_, percent)| percent / 100.0)
    };
    let ratio_of = |name: &str| {
        let rates = hours_of(name).filter(|rates| !rates.is_empty() && total > 0.0)?;
        let weighted: f64 = requests.iter().map(|(hour, count)| count * rate_at(rates, *hour)).sum();
        Some(weighted / total)
    };
    let server_errors = hours_of("5xxErrorRate").map(Vec::as_slice).unwrap_or_default();
    EdgeTraffic {
        days: TRAFFIC_DAYS,
        requests: total,
        bytes: hours_of("BytesDownloaded").map(|hours| hours.iter().map(|(_, bytes)| bytes).sum()),
        client_error_ratio: ratio_of("4xxErrorRate"),
        server_error_ratio: ratio_of("5xxErrorRate"),
        hit_ratio: ratio_of("CacheHitRate"),
        hours: requests
            .iter()
            .map(|&(hours_ago, requests)| TrafficHour {
                hours_ago,
                requests,
                server_error_ratio: rate_at(server_errors, hours_ago),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_count_of_a_bucket_is_taken() {
        for (answer, count) in [
            (
                r#"{"Datapoints":[{"Timestamp":3.0,"Average":9.0},{"Timestamp":5.0,"Average":4100000.0},{"Timestamp":4.0,"Average":7.0}]}"#,
                Some(4_100_000),
            ),
            (r#"{"Datapoints":[]}"#, None),
        ] {
            assert_eq!(parse_newest_average(answer.as_bytes(), &SERVICE).unwrap(), count);
        }
        assert!(parse_newest_average(b"{}", &SERVICE).is_err());
    }

    #[test]
    fn rates_count_by_each_hours_requests_and_what_was_not_asked_is_unknown() {
        let requests = vec![(0, 900.0), (30, 100.0)];
        let errors = vec![(0, 0.0), (30, 50.0)];
        let traffic =
            sum_edge_traffic(&[requests.clone(), errors.clone(), vec![(0, 7.0)], errors, Vec::new()]);
        assert_eq!((traffic.requests, traffic.bytes), (1000.0, Some(7.0)));
        assert_eq!(traffic.server_error_ratio, Some(0.05));
        assert_eq!(traffic.hit_ratio, None, "additional metrics aren't switched on");
        assert_eq!(traffic.hours[1], TrafficHour { hours_ago: 30, requests: 100.0, server_error_ratio: 0.5 });
        let few = sum_edge_traffic(&[requests]);
        assert_eq!((few.bytes, few.client_error_ratio), (None, None));
    }
}
