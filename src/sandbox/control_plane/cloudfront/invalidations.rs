//! Invalidations: which cached objects of a distribution the edges give no more, from when each is completed.
//!
//! By CloudFront's API reference (CreateInvalidation) and its guide: a path is exact, or ends with `*`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    PropagationClock, SandboxAwsError, SandboxCloudFrontApiCall, SandboxCloudFrontReply,
    SandboxCloudFrontResult, SandboxDistribution, SandboxState, XmlElement, build_invalid_argument_error,
    build_malformed_xml_error, distributions, format_unix_time_iso8601, generate_random_aws_id,
    quantities::check_xml_list_quantities,
};

/// How much may be in progress at a distribution: single files, and apart from them paths that end with `*` (CloudFront's
/// developer guide, "Concurrent invalidation request maximum").
const FILES_IN_PROGRESS_MAX: usize = 3000;
const WILDCARDS_IN_PROGRESS_MAX: usize = 15;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxInvalidation {
    pub id: String,
    pub reference: String,
    pub paths: Vec<String>,
    pub created: Duration,
}

impl SandboxInvalidation {
    /// Whether the edges know it.
    fn is_completed(&self, clock: PropagationClock) -> bool {
        clock.has_delay_passed(self.created, clock.delays.distribution)
    }

    /// Whether what was stored then under this path is given no more.
    fn covers_cached_path(&self, path: &str, stored: Duration) -> bool {
        stored <= self.created
            && self.paths.iter().any(|one| {
                let one = one.trim_start_matches('/');
                let path = path.trim_start_matches('/');
                one.strip_suffix('*').map_or(one == path, |start| path.starts_with(start))
            })
    }

    fn render_invalidation_xml(&self, clock: PropagationClock) -> XmlElement {
        let mut items = XmlElement::new("Items");
        items.children =
            self.paths.iter().map(|path| XmlElement::new_text_element("Path", path.as_str())).collect();
        let paths = XmlElement::new("Paths")
            .append_child_element(XmlElement::new_text_element("Quantity", self.paths.len().to_string()))
            .append_child_element(items);
        let batch = XmlElement::new("InvalidationBatch")
            .append_child_element(paths)
            .append_child_element(XmlElement::new_text_element("CallerReference", self.reference.as_str()));
        self.append_summary(XmlElement::new("Invalidation"), clock).append_child_element(batch)
    }

    fn append_summary(&self, element: XmlElement, clock: PropagationClock) -> XmlElement {
        let status = if self.is_completed(clock) { "Completed" } else { "InProgress" };
        element
            .append_child_element(XmlElement::new_text_element("Id", self.id.as_str()))
            .append_child_element(XmlElement::new_text_element("Status", status))
            .append_child_element(XmlElement::new_text_element(
                "CreateTime",
                format_unix_time_iso8601(self.created),
            ))
    }
}

/// Whether a distribution's edges give what they stored then under this path no more.
pub fn is_cached_path_invalidated(
    invalidations: &[SandboxInvalidation],
    clock: PropagationClock,
    path: &str,
    stored: Duration,
) -> bool {
    invalidations.iter().any(|one| one.is_completed(clock) && one.covers_cached_path(path, stored))
}

/// Reads the distribution in the path, and the invalidation where one is named.
fn parse_invalidation_path(path: &str) -> (&str, &str) {
    let mut parts = path.trim_matches('/').split('/').skip_while(|part| *part != "distribution").skip(1);
    let distribution = parts.next().unwrap_or_default();
    (distribution, parts.nth(1).unwrap_or_default())
}

fn find_invalidated_distribution<'a>(
    state: &'a SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> Result<&'a SandboxDistribution, SandboxAwsError> {
    let (id, _) = parse_invalidation_path(&ask.path);
    distributions::find_authorized_distribution(state, ask, id)
}

/// Reads the batch of a request.
fn parse_invalidation_batch(
    ask: &SandboxCloudFrontApiCall<'_>,
) -> Result<(String, Vec<String>), SandboxAwsError> {
    let batch = ask.parse_sandbox_request_xml()?;
    check_xml_list_quantities(&batch)?;
    let reference = batch.find_text_at_path("CallerReference");
    let reference = reference.ok_or_else(|| build_malformed_xml_error("no CallerReference"))?.to_owned();
    let paths: Vec<String> = batch.list_items_at_path("Paths").iter().map(|path| path.text.clone()).collect();
    let is_path = |path: &String| {
        path.starts_with('/')
            // aws-facts section 3 has that `~` is refused.
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'~')
            && !path.trim_end_matches('*').contains('*')
    };
    if paths.is_empty() || !paths.iter().all(is_path) {
        return Err(build_invalid_argument_error(
            "Your request contains one or more invalid invalidation paths.",
        ));
    }
    Ok((reference, paths))
}

/// Refuses what would be too much at once beside what is in progress; the messages are CloudFront's, as others met them
/// (laurilehmijoki/s3_website#26, mdn/developer-portal#1134).
fn check_paths_in_progress(
    distribution: &SandboxDistribution,
    clock: PropagationClock,
    paths: &[String],
) -> Result<(), SandboxAwsError> {
    let going_on = distribution.invalidations.iter().filter(|one| !one.is_completed(clock));
    let all = || going_on.clone().flat_map(|one| &one.paths).chain(paths);
    let wildcards = all().filter(|path| path.ends_with('*')).count();
    let files = all().count() - wildcards;
    for (count, most, what) in [
        (files, FILES_IN_PROGRESS_MAX, "invalidations"),
        (wildcards, WILDCARDS_IN_PROGRESS_MAX, "wildcard invalidations"),
    ] {
        if count > most {
            return Err(SandboxAwsError::new(
                400,
                "TooManyInvalidationsInProgress",
                format!(
                    "Processing your request will cause you to exceed the maximum number of in-progress {what}."
                ),
            ));
        }
    }
    Ok(())
}

/// Answers CreateInvalidation; a reference that was used gives the invalidation that it made, where the paths are the same.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_create_invalidation(
    state: &mut SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    let distribution = find_invalidated_distribution(state, ask)?;
    let id = distribution.id.clone();
    let (reference, paths) = parse_invalidation_batch(ask)?;
    let there = distribution.invalidations.iter().find(|one| one.reference == reference).cloned();
    if there.as_ref().is_some_and(|one| one.paths != paths) {
        // The reference names the code alone; the status is that of its like, such as DistributionAlreadyExists.
        return Err(SandboxAwsError::new(
            409,
            "InvalidationBatchAlreadyExists",
            "The caller reference that you are using is associated with another invalidation batch.",
        ));
    }
    let is_new = there.is_none();
    if is_new {
        check_paths_in_progress(distribution, ask.clock, &paths)?;
    }
    let made = there.unwrap_or_else(|| SandboxInvalidation {
        id: generate_random_aws_id("I", 25),
        reference,
        paths,
        created: ask.clock.now,
    });
    let location =
        format!("https://cloudfront.amazonaws.com/2020-05-31/distribution/{id}/invalidation/{}", made.id);
    let body = made.render_invalidation_xml(ask.clock);
    if is_new && let Some(distribution) = state.cloudfront.distributions.get_mut(&id) {
        distribution.invalidations.push(made);
    }
    Ok(SandboxCloudFrontReply { status: 201, body: Some(body), etag: None, location: Some(location) })
}

/// Answers GetInvalidation.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_get_invalidation(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    let distribution = find_invalidated_distribution(state, ask)?;
    let (_, id) = parse_invalidation_path(&ask.path);
    let found = distribution.invalidations.iter().find(|one| one.id == id).ok_or_else(|| {
        SandboxAwsError::new(404, "NoSuchInvalidation", "The specified invalidation does not exist.")
    })?;
    Ok(SandboxCloudFrontReply::cloudfront_reply_from_xml(found.render_invalidation_xml(ask.clock)))
}

/// Answers ListInvalidations: the last made comes first.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_list_invalidations(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    let all = find_invalidated_distribution(state, ask)?
        .invalidations
        .iter()
        .rev()
        .map(|one| (one.id.clone(), one.append_summary(XmlElement::new("InvalidationSummary"), ask.clock)))
        .collect();
    Ok(SandboxCloudFrontReply::cloudfront_reply_from_xml(
        ask.render_cloudfront_list_page("InvalidationList", all),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_exact_or_ends_with_a_star() {
        let seconds = Duration::from_secs;
        let made = |path: &str| SandboxInvalidation {
            paths: vec![path.to_owned()],
            created: seconds(10),
            ..SandboxInvalidation::default()
        };
        for (path, asked, stored, covers) in [
            ("/a/b", "/a/b", 9, true),
            ("/a/b", "/a/b", 11, false),
            ("/a/b", "/a/bc", 9, false),
            ("/a/*", "/a/bc", 9, true),
            ("/a/*", "/b", 9, false),
            ("/*", "/b", 9, true),
        ] {
            assert_eq!(
                made(path).covers_cached_path(asked, seconds(stored)),
                covers,
                "{path} {asked} {stored}"
            );
        }
        assert_eq!(parse_invalidation_path("/2020-05-31/distribution/E1/invalidation/I2"), ("E1", "I2"));
        assert_eq!(parse_invalidation_path("/2020-05-31/distribution/E1/invalidation"), ("E1", ""));
    }
}
