//! Lambda's Node.js runtimes, until when AWS looks after each, and where that was said: the one table of them.
//!
//! A runtime that isn't in it is unknown, and nothing is said of its end.

/// What the authenticator is published on. Whoever raises it adds the runtime's row first.
pub const AUTHENTICATOR_RUNTIME: &str = "nodejs24.x";

/// A runtime, and what AWS has said of its end (aws-facts section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LambdaRuntimeDates {
    /// `nodejs20.x`.
    pub name: &'static str,
    /// The day from which it gets no more updates; `None` where only that it is over is known.
    pub support_ends: Option<&'static str>,
    /// The day from which no function on it can be changed, where one was announced. What is deployed goes on running.
    pub updates_blocked: Option<&'static str>,
    /// Where that was said.
    pub source: &'static str,
}

/// The oldest first.
pub const LAMBDA_RUNTIMES: [LambdaRuntimeDates; 9] = [
    new_runtime_dates(
        "nodejs8.10",
        None,
        Some("2020-02-03"),
        "Lambda developer guide, runtime support policy",
    ),
    new_runtime_dates("nodejs10.x", None, None, "Lambda developer guide, deprecated runtimes"),
    new_runtime_dates("nodejs12.x", Some("2023-03-31"), None, "aws-lambda-developer-guide#400"),
    new_runtime_dates("nodejs14.x", Some("2023-12-04"), Some("2024-02-08"), "aws-cdk discussion 29108"),
    new_runtime_dates("nodejs16.x", None, None, "Lambda developer guide, deprecated runtimes"),
    new_runtime_dates("nodejs18.x", Some("2025-09-01"), None, "tflint-ruleset-aws#969"),
    new_runtime_dates(
        "nodejs20.x",
        Some("2026-04-30"),
        Some("2027-03-03"),
        "pulumi-aws#6337; blocking as copies of the guide say",
    ),
    new_runtime_dates(
        "nodejs22.x",
        Some("2027-04-30"),
        Some("2027-07-01"),
        "pulumi-aws#6336; blocking as copies of the guide say",
    ),
    new_runtime_dates(
        "nodejs24.x",
        Some("2028-04-30"),
        Some("2028-07-01"),
        "pulumi-aws#6336; blocking as copies of the guide say",
    ),
];

const fn new_runtime_dates(
    name: &'static str,
    support_ends: Option<&'static str>,
    updates_blocked: Option<&'static str>,
    source: &'static str,
) -> LambdaRuntimeDates {
    LambdaRuntimeDates { name, support_ends, updates_blocked, source }
}

/// Says how long AWS looks after the runtime `name`, as of `today` (`2026-11-23`); empty where it isn't in the table.
#[must_use]
pub fn describe_runtime_support(name: &str, today: &str) -> String {
    match LAMBDA_RUNTIMES.iter().find(|known| known.name == name).map(|known| known.support_ends) {
        Some(Some(end)) if end <= today => format!("AWS's support for it ended on {end}"),
        Some(Some(end)) => format!("AWS's support for it ends on {end}"),
        Some(None) => "AWS's support for it has ended".to_owned(),
        None => String::new(),
    }
}

/// Names the runtime `name` with how long AWS looks after it, where that is known.
#[must_use]
pub fn render_runtime_with_support(name: &str, today: &str) -> String {
    match describe_runtime_support(name, today) {
        support if support.is_empty() => name.to_owned(),
        support => format!("{name} ({support})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_says_how_long_it_is_looked_after() {
        for (name, today, support) in [
            ("nodejs20.x", "2026-11-23", "AWS's support for it ended on 2026-04-30"),
            ("nodejs20.x", "2026-04-29", "AWS's support for it ends on 2026-04-30"),
            ("nodejs24.x", "2026-11-23", "AWS's support for it ends on 2028-04-30"),
            ("nodejs16.x", "2026-11-23", "AWS's support for it has ended"),
            ("python3.13", "2026-11-23", ""),
        ] {
            assert_eq!(describe_runtime_support(name, today), support, "{name} {today}");
        }
        assert_eq!(render_runtime_with_support("nodejs26.x", "2026-11-23"), "nodejs26.x");
    }

    #[test]
    fn the_table_is_in_order_and_the_authenticator_runs_on_its_last() {
        let is_day = |day: &str| day.len() == 10 && day.split('-').all(|part| part.parse::<u16>().is_ok());
        for known in LAMBDA_RUNTIMES {
            assert!(known.support_ends.into_iter().chain(known.updates_blocked).all(is_day), "{known:?}");
            assert!(known.updates_blocked.is_none_or(|day| Some(day) >= known.support_ends), "{known:?}");
            assert!(!known.source.is_empty(), "{known:?}");
        }
        let ends: Vec<_> = LAMBDA_RUNTIMES.iter().filter_map(|known| known.support_ends).collect();
        assert!(ends.is_sorted(), "{ends:?}");
        assert_eq!(LAMBDA_RUNTIMES[LAMBDA_RUNTIMES.len() - 1].name, AUTHENTICATOR_RUNTIME);
    }
}
