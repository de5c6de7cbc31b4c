//! What each engine takes and costs, from a first look at the listing: pure, at S3's list prices.
//!
//! Times are estimates by rates that are named; S3 publishes none for its jobs.

use crate::engine::reindex::Survey;

/// Jobs that one run makes at most.
pub const JOBS: usize = 20;
/// US dollars for a job, and for an object in it.
const JOB: f64 = 0.25;
const TASK: f64 = 1.0e-6;
/// US dollars for a HEAD.
const HEAD: f64 = 0.0004e-3;

/// Objects a second that one machine looks at and copies, and that it only looks at: 768 requests in flight at 85 ms a
/// copy and 25 ms a HEAD.
const COPIED: f64 = 7_000.0;
const LOOKED_AT: f64 = 30_000.0;
/// Objects a second that the jobs are reckoned to copy, and seconds until they have begun.
const BY_JOBS: f64 = 20_000.0;
const BEGUN: f64 = 900.0;

/// Seconds and US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    pub seconds: f64,
    pub dollars: f64,
}

/// All copies from this machine.
pub fn own(survey: &Survey, acl: bool) -> Price {
    Price { seconds: survey.total() as f64 / COPIED, dollars: survey.cost(acl) }
}

/// The packages by S3 Batch Operations: each is looked at before and after, the rest is copied from here.
pub fn batch(survey: &Survey, acl: bool) -> Price {
    let (packages, rest) = (survey.packages as f64, survey.metadata as f64);
    let looks = (packages * 2.0 + rest) / LOOKED_AT;
    Price {
        seconds: looks + packages / BY_JOBS + BEGUN + rest / COPIED,
        dollars: survey.cost(acl) + JOB * jobs(survey) as f64 + packages * (TASK + HEAD) + rest * HEAD,
    }
}

/// Jobs that are reckoned with: how many sets there are is known only when every object has been looked at.
fn jobs(survey: &Survey) -> usize {
    usize::try_from(survey.packages).map_or(JOBS, |packages| packages.min(JOBS))
}

/// From how many packages on the jobs are the faster.
pub fn pays_from() -> u64 {
    let saved = 1.0 / COPIED - 2.0 / LOOKED_AT - 1.0 / BY_JOBS;
    let millions = (BEGUN / saved / 1.0e6).ceil();
    millions as u64 * 1_000_000
}

/// `40 s`, `12 min`, `5 h`, `3 days`.
fn about(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{} s", seconds.ceil().max(1.0)),
        ..5400.0 => format!("{} min", (seconds / 60.0).round()),
        ..172_800.0 => format!("{} h", (seconds / 3600.0).round()),
        _ => format!("{} days", (seconds / 86_400.0).round()),
    }
}

/// What to tell of both before anything is written: whole sentences.
pub fn lines(survey: &Survey, acl: bool, chosen: bool) -> Vec<String> {
    let least = if survey.more { "at least " } else { "" };
    let (ours, theirs) = (own(survey, acl), batch(survey, acl));
    let mut lines = vec![format!(
        "From here {least}{} and ${:.2}; by --engine batch {least}{} and ${:.2}, faster from about {} million packages on.",
        about(ours.seconds),
        ours.dollars,
        about(theirs.seconds),
        theirs.dollars,
        pays_from() / 1_000_000
    )];
    if chosen {
        lines.push(format!(
            "S3 Batch Operations' own price in that: $0.25 a job, reckoned with {}, and $1.00 a million objects. The jobs run on while this machine is off.",
            jobs(survey)
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
        let of = |packages| Survey { packages, ..Survey::default() };
        let point = pays_from();
        assert!((1_000_000..1_000_000_000).contains(&point), "{point}");
        for (packages, faster) in [(1, false), (point / 2, false), (point, true), (point * 100, true)] {
            let (ours, theirs) = (own(&of(packages), false), batch(&of(packages), false));
            assert_eq!(theirs.seconds < ours.seconds, faster, "{packages}");
            assert!(theirs.dollars > ours.dollars, "{packages}");
        }
        let million = Survey { packages: 1_000_000, metadata: 10, more: true, ..Survey::default() };
        let said = lines(&million, false, true).join("\n");
        assert!(said.contains("From here at least 2 min and $5.41"), "{said}");
        assert!(said.contains("by --engine batch at least 17 min and $11.81"), "{said}");
        assert!(said.contains("$0.25 a job, reckoned with 20, and $1.00 a million objects"), "{said}");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, said) in
            [(0.1, "1 s"), (89.5, "90 s"), (600.0, "10 min"), (7200.0, "2 h"), (4.0e5, "5 days")]
        {
            assert_eq!(about(seconds), said);
        }
    }
}
