//! What each engine takes and costs, from a first look at the listing: pure, at S3's list prices.
//!
//! Times are estimates by rates that are named; S3 publishes none for its jobs.

use crate::engine::reindex::BucketSurvey;
use crate::model::prices::{BATCH_JOB, BATCH_OBJECT, S3_READ_REQUEST};

/// Jobs that one run makes at most.
pub const JOBS_MAX: usize = 20;

/// Objects a second that one machine looks at and copies, and that it only looks at: 768 requests in flight at 85 ms a
/// copy and 25 ms a HEAD.
const COPIES_PER_SECOND: f64 = 7_000.0;
const HEADS_PER_SECOND: f64 = 30_000.0;
/// Objects a second that the jobs are reckoned to copy, and seconds until they have begun.
const JOB_COPIES_PER_SECOND: f64 = 20_000.0;
const JOBS_START_SECONDS: f64 = 900.0;

/// Below so many objects nobody chooses an engine: the comparison is left out.
const ENGINES_COMPARED_MIN_OBJECTS: u64 = 1_000_000;

/// Seconds and US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReindexEngineEstimate {
    pub seconds: f64,
    pub dollars: f64,
}

/// Estimates all copies from this machine.
pub fn estimate_local_reindex_cost(survey: &BucketSurvey, acl: bool) -> ReindexEngineEstimate {
    ReindexEngineEstimate {
        seconds: survey.total_surveyed_object_count() as f64 / COPIES_PER_SECOND,
        dollars: survey.estimate_reindex_cost_usd(acl),
    }
}

/// Estimates the packages by S3 Batch Operations: each is looked at before and after, the rest is copied from here.
pub fn estimate_batch_reindex_cost(survey: &BucketSurvey, acl: bool) -> ReindexEngineEstimate {
    let (packages, rest) = (survey.packages as f64, survey.metadata as f64);
    let looks = (packages * 2.0 + rest) / HEADS_PER_SECOND;
    ReindexEngineEstimate {
        seconds: looks + packages / JOB_COPIES_PER_SECOND + JOBS_START_SECONDS + rest / COPIES_PER_SECOND,
        dollars: survey.estimate_reindex_cost_usd(acl)
            + BATCH_JOB.dollars * estimate_batch_job_count(survey) as f64
            + packages * (BATCH_OBJECT.dollars + S3_READ_REQUEST.dollars)
            + rest * S3_READ_REQUEST.dollars,
    }
}

/// Jobs that are reckoned with: how many sets there are is known only when every object has been looked at.
fn estimate_batch_job_count(survey: &BucketSurvey) -> usize {
    usize::try_from(survey.packages).map_or(JOBS_MAX, |packages| packages.min(JOBS_MAX))
}

/// Returns from how many packages on the jobs are the faster.
pub fn compute_batch_break_even_packages() -> u64 {
    let saved = 1.0 / COPIES_PER_SECOND - 2.0 / HEADS_PER_SECOND - 1.0 / JOB_COPIES_PER_SECOND;
    let millions = (JOBS_START_SECONDS / saved / 1.0e6).ceil();
    millions as u64 * 1_000_000
}

/// `40 s`, `12 min`, `5 h`, `3 days`.
fn render_rough_duration(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{} s", seconds.ceil().max(1.0)),
        ..5400.0 => format!("{} min", (seconds / 60.0).round()),
        ..172_800.0 => format!("{} h", (seconds / 3600.0).round()),
        _ => format!("{} days", (seconds / 86_400.0).round()),
    }
}

/// Renders what to tell of both before anything is written: whole sentences.
pub fn render_engine_comparison(survey: &BucketSurvey, acl: bool, chosen: bool) -> Vec<String> {
    if !chosen && !survey.more && survey.total_surveyed_object_count() < ENGINES_COMPARED_MIN_OBJECTS {
        return Vec::new();
    }
    let least = if survey.more { "at least " } else { "" };
    let (ours, theirs) = (estimate_local_reindex_cost(survey, acl), estimate_batch_reindex_cost(survey, acl));
    let mut lines = vec![format!(
        "From this machine it takes {least}{} and costs ${:.2}; with --engine batch {least}{} and ${:.2}, which is faster from about {} million packages on.",
        render_rough_duration(ours.seconds),
        ours.dollars,
        render_rough_duration(theirs.seconds),
        theirs.dollars,
        compute_batch_break_even_packages() / 1_000_000
    )];
    if chosen {
        lines.push(format!(
            "S3 Batch Operations' own price in that: $0.25 a job, reckoned with {}, and $1.00 a million objects. The jobs run on while this machine is off.",
            estimate_batch_job_count(survey)
        ));
        lines.push(
            "Their lists and reports are written below packagecloud-cloudfront/batch/ in the bucket, and stay there: nothing is deleted."
                .to_owned(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_costs_more_and_is_faster_from_the_number_that_is_said() {
        let of = |packages| BucketSurvey { packages, ..BucketSurvey::default() };
        let point = compute_batch_break_even_packages();
        assert!((1_000_000..1_000_000_000).contains(&point), "{point}");
        for (packages, faster) in [(1, false), (point / 2, false), (point, true), (point * 100, true)] {
            let (ours, theirs) = (
                estimate_local_reindex_cost(&of(packages), false),
                estimate_batch_reindex_cost(&of(packages), false),
            );
            assert_eq!(theirs.seconds < ours.seconds, faster, "{packages}");
            assert!(theirs.dollars > ours.dollars, "{packages}");
        }
        let million =
            BucketSurvey { packages: 1_000_000, metadata: 10, more: true, ..BucketSurvey::default() };
        let said = render_engine_comparison(&million, false, true).join("\n");
        assert!(said.contains("From this machine it takes at least 2 min and costs $5.41"), "{said}");
        assert!(said.contains("with --engine batch at least 17 min and $11.81"), "{said}");
        let few = BucketSurvey { packages: 13, ..BucketSurvey::default() };
        assert_eq!(render_engine_comparison(&few, false, false), Vec::<String>::new());
        assert!(said.contains("$0.25 a job, reckoned with 20, and $1.00 a million objects"), "{said}");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, said) in
            [(0.1, "1 s"), (89.5, "90 s"), (600.0, "10 min"), (7200.0, "2 h"), (4.0e5, "5 days")]
        {
            assert_eq!(render_rough_duration(seconds), said);
        }
    }
}
