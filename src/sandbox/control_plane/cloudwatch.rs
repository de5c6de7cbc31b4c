//! CloudWatch: the metrics of CloudFront, which are what this sandbox's edge served, hour by hour.
//!
//! By the service's model (botocore's `cloudwatch`, 2010-08-01) in its protocol JSON 1.0: one operation, as strict as AWS about periods, ranges
//! and the number of datapoints.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    SandboxAwsError, build_json_response, build_unknown_json_operation_error, get_request_signed_caller,
    parse_json_request_body, parse_target_header_operation,
};
use crate::sandbox::{Sandbox, edge_traffic::EdgeTrafficHour, service::SandboxService};

/// What is kept between runs: hours of before this process, by distribution and by the hour since 1970.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxCloudWatchState {
    pub hours: BTreeMap<String, BTreeMap<u64, EdgeTrafficHour>>,
    /// The distributions whose additional metrics are switched on.
    pub additional_metrics: Vec<String>,
}

const DATAPOINTS_MAX: u64 = 1440;
const HOUR_SECONDS: u64 = 3600;
/// Datapoints of less than an hour are kept for 15 days a minute each, and for 63 days five minutes each.
const MINUTES_KEPT: Duration = Duration::from_hours(24 * 15);
const FIVE_MINUTES_KEPT: Duration = Duration::from_hours(24 * 63);
const STATISTICS: [&str; 5] = ["Average", "Maximum", "Minimum", "SampleCount", "Sum"];

/// Returns the operation that the header names: `GetMetricStatistics`.
pub fn parse_cloudwatch_operation_name(request: &Request<Bytes>) -> &str {
    parse_target_header_operation(request, "GraniteServiceVersion20100801.")
}

/// Answers one request to CloudWatch.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn handle_cloudwatch_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    match get_metric_statistics(world, &request) {
        Ok(output) => build_json_response(200, "application/x-amz-json-1.0", &output),
        Err(refusal) => refusal.render_aws_error_response(SandboxService::CloudWatch),
    }
}

fn get_metric_statistics(world: &Sandbox, request: &Request<Bytes>) -> Result<Value, SandboxAwsError> {
    let operation = parse_cloudwatch_operation_name(request);
    if operation != "GetMetricStatistics" {
        return Err(build_unknown_json_operation_error(operation));
    }
    let caller = get_request_signed_caller(request)?;
    let input = parse_json_request_body(request)?;
    let asked = MetricRequest::parse_metric_request(&input, world.sandbox_unix_time_now())?;
    let running = world.list_running_edge_traffic();
    world.read_sandbox_state_from_disk(|state| {
        caller.authorize_caller(
            state,
            SandboxService::CloudWatch,
            "cloudwatch:GetMetricStatistics",
            "*",
            &caller.build_caller_condition_context(),
        )?;
        let mut hours: BTreeMap<u64, EdgeTrafficHour> = BTreeMap::new();
        let kept = state.cloudwatch.hours.get(&asked.distribution).into_iter().flatten();
        let new = running.get(&asked.distribution).into_iter().flatten();
        for (hour, served) in kept.chain(new) {
            hours.entry(*hour).or_default().add_traffic(served);
        }
        let is_additional = asked.metric.ends_with("HitRate") || asked.metric == "OriginLatency";
        if is_additional && !state.cloudwatch.additional_metrics.contains(&asked.distribution) {
            hours.clear();
        }
        Ok(asked.render_statistics(&hours))
    })
}

/// What is asked for, held to AWS's rules.
struct MetricRequest {
    metric: String,
    /// Empty where the dimensions are those of no metric of CloudFront's: then there is nothing.
    distribution: String,
    start: u64,
    end: u64,
    period: u64,
    statistics: Vec<String>,
}

fn refuse(code: &str, message: impl Into<String>) -> SandboxAwsError {
    SandboxAwsError::new(400, code, message)
}

impl MetricRequest {
    fn parse_metric_request(input: &Value, now: Duration) -> Result<Self, SandboxAwsError> {
        let missing = |name: &str| {
            refuse("MissingRequiredParameterException", format!("The parameter {name} is required."))
        };
        let text = |name: &str| input[name].as_str().map(str::to_owned).ok_or_else(|| missing(name));
        let (namespace, metric) = (text("Namespace")?, text("MetricName")?);
        let moment = |name: &str| {
            let at = input[name].as_f64().filter(|at| *at >= 0.0).ok_or_else(|| missing(name))?;
            Ok(Duration::from_secs_f64(at).as_secs())
        };
        let (start, end) = (moment("StartTime")?, moment("EndTime")?);
        let period = input["Period"].as_u64().ok_or_else(|| missing("Period"))?;
        let list = |name: &str| input[name].as_array().cloned().unwrap_or_default();
        let statistics: Vec<String> =
            list("Statistics").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if statistics.is_empty() && list("ExtendedStatistics").is_empty() {
            return Err(refuse(
                "InvalidParameterCombinationException",
                "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
            ));
        }
        if let Some(other) = statistics.iter().find(|one| !STATISTICS.contains(&one.as_str())) {
            let why = format!(
                "The parameter Statistics must be a value in the list [{}], not {other}.",
                STATISTICS.join(", ")
            );
            return Err(refuse("InvalidParameterValueException", why));
        }
        if start >= end {
            return Err(refuse(
                "InvalidParameterCombinationException",
                "The parameter StartTime must be less than the parameter EndTime.",
            ));
        }
        Self::check_period(period, now.saturating_sub(Duration::from_secs(start)))?;
        let datapoints = (end - start).div_ceil(period);
        if datapoints > DATAPOINTS_MAX {
            let why = format!(
                "You have requested up to {datapoints} datapoints, which exceeds the limit of {DATAPOINTS_MAX}. You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            );
            return Err(refuse("InvalidParameterCombinationException", why));
        }
        let dimensions = list("Dimensions");
        let dimension = |name: &str| {
            dimensions.iter().find(|one| one["Name"] == name).and_then(|one| one["Value"].as_str())
        };
        let is_of_edge =
            namespace == "AWS/CloudFront" && dimensions.len() == 2 && dimension("Region") == Some("Global");
        let distribution = dimension("DistributionId").filter(|_| is_of_edge).unwrap_or_default().to_owned();
        Ok(Self { metric, distribution, start, end, period, statistics })
    }

    fn check_period(period: u64, oldest: Duration) -> Result<(), SandboxAwsError> {
        let least = match oldest {
            oldest if oldest > FIVE_MINUTES_KEPT => HOUR_SECONDS,
            oldest if oldest > MINUTES_KEPT => 300,
            _ => 60,
        };
        if period > 0 && period.is_multiple_of(least) {
            return Ok(());
        }
        let why = format!("The parameter Period must be a multiple of {least} for this range.");
        Err(refuse("InvalidParameterValueException", why))
    }

    /// A datapoint for each period in which anything was served. The sandbox counts by the hour.
    fn render_statistics(&self, hours: &BTreeMap<u64, EdgeTrafficHour>) -> Value {
        let mut periods: BTreeMap<u64, EdgeTrafficHour> = BTreeMap::new();
        for (hour, served) in hours {
            let at = hour * HOUR_SECONDS;
            if (self.start..self.end).contains(&at) {
                let begins = self.start + (at - self.start) / self.period * self.period;
                periods.entry(begins).or_default().add_traffic(served);
            }
        }
        let points: Vec<Value> =
            periods.iter().filter_map(|(begins, served)| self.render_datapoint(*begins, served)).collect();
        json!({ "Label": self.metric, "Datapoints": points })
    }

    fn render_datapoint(&self, begins: u64, served: &EdgeTrafficHour) -> Option<Value> {
        #[expect(clippy::cast_precision_loss, reason = "counts of a sandbox")]
        let of = |part: u64| part as f64;
        let requests = of(served.requests);
        let percent = |part: u64| if requests > 0.0 { of(part) / requests * 100.0 } else { 0.0 };
        let (sum, average, unit) = match self.metric.as_str() {
            "Requests" => (requests, 1.0, "None"),
            "BytesDownloaded" => (of(served.bytes), of(served.bytes) / requests.max(1.0), "None"),
            "4xxErrorRate" => {
                (percent(served.client_errors) * requests, percent(served.client_errors), "Percent")
            }
            "5xxErrorRate" => {
                (percent(served.server_errors) * requests, percent(served.server_errors), "Percent")
            }
            "TotalErrorRate" => {
                let errors = served.client_errors + served.server_errors;
                (percent(errors) * requests, percent(errors), "Percent")
            }
            "CacheHitRate" => (percent(served.hits) * requests, percent(served.hits), "Percent"),
            _ => return None,
        };
        let mut point = json!({ "Timestamp": begins, "Unit": unit });
        for statistic in &self.statistics {
            point[statistic.as_str()] = match statistic.as_str() {
                "Sum" => sum.into(),
                "SampleCount" => requests.into(),
                _ => average.into(),
            };
        }
        Some(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal_of(change: impl Fn(&mut Value)) -> Option<String> {
        let now = 30 * 86_400;
        let mut input = json!({
            "Namespace": "AWS/CloudFront", "MetricName": "Requests", "StartTime": 0, "EndTime": now, "Period": 3600,
            "Statistics": ["Sum"],
            "Dimensions": [{"Name": "DistributionId", "Value": "E1"}, {"Name": "Region", "Value": "Global"}],
        });
        change(&mut input);
        let parsed = MetricRequest::parse_metric_request(&input, Duration::from_secs(now));
        parsed.err().map(|refusal| refusal.message)
    }

    #[test]
    fn it_is_as_strict_as_aws() {
        assert_eq!(refusal_of(|_| {}), None);
        for (change, words) in [
            (
                Box::new(|input: &mut Value| input["Period"] = json!(60)) as Box<dyn Fn(&mut Value)>,
                "multiple of 300",
            ),
            (Box::new(|input: &mut Value| input["Period"] = json!(300)), "exceeds the limit of 1440"),
            (Box::new(|input: &mut Value| input["Statistics"] = json!([])), "At least one of"),
            (
                Box::new(|input: &mut Value| input["Statistics"] = json!(["Mean"])),
                "must be a value in the list",
            ),
            (Box::new(|input: &mut Value| input["EndTime"] = json!(0)), "must be less than"),
            (
                Box::new(|input: &mut Value| _ = input.as_object_mut().unwrap().remove("Namespace")),
                "Namespace is required",
            ),
        ] {
            let said = refusal_of(change).unwrap_or_default();
            assert!(said.contains(words), "{words}: {said}");
        }
    }

    #[test]
    fn hours_come_together_in_their_period() {
        let served =
            |requests, server_errors| EdgeTrafficHour { requests, server_errors, ..Default::default() };
        let hours = BTreeMap::from([(0, served(90, 0)), (1, served(10, 10)), (30, served(5, 0))]);
        let asked = MetricRequest {
            metric: "5xxErrorRate".into(),
            distribution: "E1".into(),
            start: 0,
            end: 172_800,
            period: 86_400,
            statistics: vec!["Average".into()],
        };
        let said = asked.render_statistics(&hours);
        assert_eq!(said["Datapoints"].as_array().unwrap().len(), 2, "{said}");
        assert_eq!(said["Datapoints"][0]["Average"], json!(10.0), "{said}");
    }
}
