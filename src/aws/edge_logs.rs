//! Whether an earlier secret still accepts links, by what the function's instances say of it in CloudWatch Logs: each says it once,
//! without token or path, in the region that it runs in.

use futures::future::join_all;
use serde::Deserialize;
use serde_json::json;

use super::{AwsClients, error, signed_json::SignedJsonService};
use crate::model::{
    aws::{edge_logs::EarlierSecretSightings, names::EDGE_REGION},
    failure::Failure,
};

const SERVICE: SignedJsonService = SignedJsonService {
    action: "logs:FilterLogEvents",
    what: "the edge function's logs in CloudWatch Logs",
    signing_name: "logs",
    endpoint: "https://logs.{region}.amazonaws.com",
    path: "/",
    content_type: "application/x-amz-json-1.1",
    target: Some("Logs_20140328.FilterLogEvents"),
};

/// What the function says (`edge/index.mjs`).
const EARLIER_SECRET_LINE: &str = "an earlier secret accepted a link";

/// The regions of CloudFront's regional edge caches, where Lambda@Edge runs and logs (Lambda@Edge's quotas name them).
const EDGE_LOG_REGIONS: [&str; 13] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ap-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "sa-east-1",
];
/// An answer may be empty and have another page: so many are read.
const PAGES_MAX: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEventsPage {
    #[serde(default)]
    events: Vec<LogEvent>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct LogEvent {
    /// Milliseconds since 1970.
    timestamp: u64,
}

impl AwsClients {
    /// Asks the logs of a function's instances at the edge, in every region, whether an earlier secret has accepted a link since
    /// `since`, in Unix seconds. A region that can't be asked is told, and hinders no other.
    pub async fn find_links_by_earlier_secret(&self, function: &str, since: u64) -> EarlierSecretSightings {
        // At an endpoint of one's own there is one place to ask.
        let regions: &[&str] =
            if self.config.endpoint_url().is_some() { &[EDGE_REGION] } else { &EDGE_LOG_REGIONS };
        let asked =
            join_all(regions.iter().map(|region| self.find_earlier_line(function, region, since))).await;
        let mut sightings = EarlierSecretSightings::default();
        for (region, answer) in regions.iter().zip(asked) {
            match answer {
                Ok(Some(at)) => sightings.seen.push(((*region).to_owned(), at)),
                Ok(None) => sightings.silent_regions += 1,
                // It has never run there.
                Err(failure) if failure.code.as_deref() == Some("ResourceNotFoundException") => {}
                Err(failure) => {
                    sightings.unasked_regions += 1;
                    sightings.unasked.get_or_insert(failure);
                }
            }
        }
        sightings
    }

    /// Finds the first such line in one region, in Unix seconds.
    async fn find_earlier_line(
        &self,
        function: &str,
        region: &str,
        since: u64,
    ) -> Result<Option<u64>, Failure> {
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut body = json!({
                "logGroupName": format!("/aws/lambda/us-east-1.{function}"),
                "startTime": since * 1000,
                "filterPattern": format!("\"{EARLIER_SECRET_LINE}\""),
            });
            if let Some(token) = &token {
                body["nextToken"] = json!(token);
            }
            let answer = self.ask_signed_json_in_region(&SERVICE, region, &body.to_string()).await?;
            let page: LogEventsPage = serde_json::from_slice(&answer).map_err(|_| {
                error::build_missing_response_part_failure(SERVICE.action, SERVICE.what, "the events")
            })?;
            if let Some(first) = page.events.iter().map(|event| event.timestamp).min() {
                return Ok(Some(first / 1000));
            }
            token = page.next_token;
            if token.is_none() {
                return Ok(None);
            }
        }
        Err(Failure::new_generic_failure(
            format!("{} in {region}", SERVICE.what),
            format!("they have more than the {PAGES_MAX} pages that are read, and none names a link"),
            format!("look for \"{EARLIER_SECRET_LINE}\" there in the CloudWatch console"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_the_functions_own() {
        let function = include_str!("../../edge/index.mjs");
        assert!(function.contains(&format!("console.log('{EARLIER_SECRET_LINE}')")));
    }
}
