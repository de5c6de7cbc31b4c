//! `status --format prometheus`: the text that a textfile collector reads (Prometheus exposition format 0.0.4). No sample has a timestamp,
//! which voids the file there; what couldn't be asked has no sample.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::model::{
    run::check::CheckVerdict,
    status::{
        CloudFrontSwitchStatus, FindingSeverity, InstallStatus, StatusVerdict, redirects::NodeFileSwitch,
    },
};

const PREFIX: &str = "packagecloud_cloudfront_";

/// Renders every metric that is known, each with its HELP and TYPE.
pub(super) fn render_prometheus_text(status: &InstallStatus) -> String {
    let mut text = MetricText::default();
    let is_up = status.judge_status() != StatusVerdict::Unseen;
    text.add_gauge("up", "Whether packagecloud's redirect or the distribution could be seen.", bit(is_up));
    text.add_gauge(
        "last_run_timestamp_seconds",
        "When status ran last, in Unix time.",
        seconds(status.seen_at),
    );
    let by_severity = FindingSeverity::ALL.map(|severity| {
        let count = status.list_findings().iter().filter(|(one, _)| *one == severity).count();
        (Some(("severity", severity.severity_name().to_owned())), whole(count))
    });
    text.add_family("findings", "Parts that need attention, by what they mean for customers.", &by_severity);
    let unknown = whole(status.list_unknown_parts().len());
    text.add_gauge("unknown_parts", "Parts that could not be asked.", unknown);
    let on = match status.switch {
        CloudFrontSwitchStatus::On => Some(1.0),
        CloudFrontSwitchStatus::Off => Some(0.0),
        CloudFrontSwitchStatus::Mixed | CloudFrontSwitchStatus::Unknown => None,
    };
    text.add_known("enabled", "Whether packages go through CloudFront.", on);
    let nodes: Vec<_> = status
        .nodes
        .iter()
        .filter(|node| node.file != NodeFileSwitch::Unknown)
        .map(|node| (Some(("node", node.name.clone())), bit(node.file == NodeFileSwitch::On)))
        .collect();
    text.add_family("node_enabled", "Whether a node's packagecloud.rb has CloudFront on.", &nodes);
    text.add_family("check", "Whether a part is well.", &list_check_samples(status));
    let ends: Vec<_> =
        status.ends.iter().map(|end| (Some(("part", end.part.to_owned())), seconds(end.at))).collect();
    text.add_family("end_timestamp_seconds", "When a part ends, in Unix time.", &ends);
    if let Some(traffic) = &status.traffic {
        text.add_known("requests", "Requests at the edge in the last thirty days.", Some(traffic.requests));
        text.add_known(
            "downloaded_bytes",
            "Bytes that the edge sent in the last thirty days.",
            traffic.bytes,
        );
        let of = |class: &str, ratio: Option<f64>| Some((Some(("class", class.to_owned())), ratio?));
        let errors: Vec<_> = [of("4xx", traffic.client_error_ratio), of("5xx", traffic.server_error_ratio)]
            .into_iter()
            .flatten()
            .collect();
        text.add_family(
            "error_ratio",
            "Share of requests that ended in an error, of the last thirty days.",
            &errors,
        );
        text.add_known(
            "cache_hit_ratio",
            "Share of requests that the edge answered from its cache.",
            traffic.hit_ratio,
        );
    }
    text.add_known("cost_dollars", "US dollars for the last thirty days, by the list price.", status.cost);
    text.0.trim_end().to_owned()
}

/// A sample a name: of several parts of one name all must be well.
fn list_check_samples(status: &InstallStatus) -> Vec<MetricSample> {
    let mut by_name: BTreeMap<&str, bool> = BTreeMap::new();
    for check in status.list_checks_in_order().into_iter().filter(|one| one.result != CheckVerdict::Unknown) {
        let is_well = by_name.entry(&check.name).or_insert(true);
        *is_well &= check.result == CheckVerdict::Pass;
    }
    by_name.into_iter().map(|(name, is_well)| (Some(("check", name.to_owned())), bit(is_well))).collect()
}

/// A label, where it has one, and the value.
type MetricSample = (Option<(&'static str, String)>, f64);

#[derive(Default)]
struct MetricText(String);

impl MetricText {
    fn add_gauge(&mut self, name: &str, help: &str, value: f64) {
        self.add_family(name, help, &[(None, value)]);
    }

    fn add_known(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.add_family(name, help, &value.map(|value| (None, value)).into_iter().collect::<Vec<_>>());
    }

    /// A family without a sample is left out.
    fn add_family(&mut self, name: &str, help: &str, samples: &[MetricSample]) {
        if samples.is_empty() {
            return;
        }
        let _ = writeln!(self.0, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} gauge");
        for (label, value) in samples {
            let label =
                label.as_ref().map(|(key, text)| format!("{{{key}=\"{}\"}}", escape_label_value(text)));
            let _ = writeln!(self.0, "{PREFIX}{name}{} {value}", label.unwrap_or_default());
        }
    }
}

fn escape_label_value(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn bit(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "Unix time and counts are far below 2^52")]
fn seconds(at: u64) -> f64 {
    at as f64
}

fn whole(count: usize) -> f64 {
    seconds(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::check::CheckResult;

    #[test]
    fn nothing_seen_has_up_and_last_run_and_no_sample_of_what_is_unknown() {
        let mut status = InstallStatus { seen_at: 1_796_000_000, ..InstallStatus::default() };
        status.add_part(CheckResult::new_unknown_check("aws", "no credentials"), FindingSeverity::Refused);
        let text = render_prometheus_text(&status);
        assert!(text.contains("packagecloud_cloudfront_up 0\n"), "{text}");
        assert!(text.contains("packagecloud_cloudfront_last_run_timestamp_seconds 1796000000\n"), "{text}");
        for absent in ["enabled", "check{", "requests", "cost", "ratio"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn one_name_is_one_sample_and_labels_are_escaped() {
        let mut status = InstallStatus { is_redirect_seen: true, ..InstallStatus::default() };
        status.add_part(CheckResult::new_passed_check("a\"b", "fine"), FindingSeverity::Refused);
        status.add_part(CheckResult::new_failed_check("a\"b", "broken", "mend"), FindingSeverity::Refused);
        let text = render_prometheus_text(&status);
        assert_eq!(text.matches("_check{").count(), 1, "{text}");
        assert!(text.contains("packagecloud_cloudfront_check{check=\"a\\\"b\"} 0"), "{text}");
        assert!(text.contains("packagecloud_cloudfront_findings{severity=\"refused\"} 1"), "{text}");
    }
}
