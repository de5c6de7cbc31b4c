//! Whether the clocks agree with AWS's that sign links and by which links expire: this machine's, and each other host's.

use super::diagnosis::SET_CLOCK_ADVICE;
use crate::engine::session::{AwsTarget, Session};
use crate::model::run::check::{CheckId, CheckResult};

/// A minute: more than this and links that packagecloud signs are refused early or accepted late.
const CLOCK_OFFSET_MAX_SECONDS: i64 = 60;

/// Checks the clock of this machine.
pub(crate) fn check_local_clock(target: &AwsTarget) -> CheckResult {
    build_clock_check_from_offset(target.caller.clock_ahead)
}

/// By how many seconds this machine is ahead of AWS; none where an answer didn't tell.
fn build_clock_check_from_offset(ahead: Option<i64>) -> CheckResult {
    match ahead {
        None => CheckResult::new_unknown_check(CheckId::Clock, "AWS's answer held no date"),
        Some(ahead) if ahead.abs() <= CLOCK_OFFSET_MAX_SECONDS => {
            CheckResult::new_passed_check(CheckId::Clock, format!("{} s from AWS's", ahead.abs()))
        }
        Some(ahead) => CheckResult::new_failed_check(
            CheckId::Clock,
            format!(
                "this machine is {} s {} AWS",
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
            format!(
                "{SET_CLOCK_ADVICE}: links that this machine signs are {}",
                describe_link_lifetime(ahead)
            ),
        ),
    }
}

/// What becomes of links that a clock signs which is ahead of AWS's, or behind it.
fn describe_link_lifetime(ahead: i64) -> &'static str {
    if ahead > 0 { "accepted too long" } else { "expired too early" }
}

/// Checks the clock of another host, which signs the links: this machine's is known by AWS's.
pub(crate) fn check_host_clock(node: &Session, here: Option<i64>) -> Option<CheckResult> {
    let line = node.host.transport.find_ssh_client()?;
    Some(build_host_clock_check(line.remote_host_name(), line.remote_clock_ahead_ms(), here?))
}

/// By how many milliseconds another host is ahead of this machine, and this machine by how many seconds of AWS; none where that
/// host was never reached.
fn build_host_clock_check(host: &str, ahead_ms: Option<i64>, here: i64) -> CheckResult {
    let name = format!("clock on {host}");
    let Some(milliseconds) = ahead_ms else {
        return CheckResult::new_unknown_check(name, format!("{host} was not reached"));
    };
    let ahead = here + (milliseconds + 500 * milliseconds.signum()) / 1000;
    if ahead.abs() <= CLOCK_OFFSET_MAX_SECONDS {
        CheckResult::new_passed_check(name, format!("{} s from AWS's", ahead.abs()))
    } else {
        CheckResult::new_failed_check(
            name,
            format!(
                "{host} is {} s {} AWS: links that it signs are {}",
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" },
                describe_link_lifetime(ahead),
            ),
            format!("on {host}: {SET_CLOCK_ADVICE}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_good_to_a_minute_and_says_on_which_side_it_is() {
        for (ahead, fails, words) in [
            (Some(0), false, "0 s from AWS's"),
            (Some(60), false, "60 s from AWS's"),
            (Some(-60), false, "60 s from AWS's"),
            (Some(61), true, "this machine is 61 s ahead of AWS"),
            (Some(-300), true, "this machine is 300 s behind AWS"),
            (None, false, "AWS's answer held no date"),
        ] {
            let check = build_clock_check_from_offset(ahead);
            assert_eq!((check.has_failed(), check.detail.as_str()), (fails, words), "{ahead:?}");
            assert!(!fails || check.next.contains("chronyc makestep"), "{}", check.next);
            let early = check.next.contains("expired too early");
            let late = check.next.contains("accepted too long");
            assert_eq!((early, late), (fails && ahead < Some(0), fails && ahead > Some(0)), "{}", check.next);
        }
    }

    #[test]
    fn the_clock_of_a_host_that_was_never_reached_is_unknown() {
        use crate::model::run::check::CheckVerdict::{Fail, Pass, Unknown};
        for (ahead_ms, here, verdict, words) in [
            (None, 0, Unknown, "w2 was not reached"),
            (Some(0), 0, Pass, "0 s from AWS's"),
            (Some(-1500), 2, Pass, "0 s from AWS's"),
            (Some(61_000), 0, Fail, "w2 is 61 s ahead of AWS"),
            (Some(-90_000), 0, Fail, "w2 is 90 s behind AWS"),
        ] {
            let check = build_host_clock_check("w2", ahead_ms, here);
            assert_eq!((check.name.as_str(), check.result), ("clock on w2", verdict), "{ahead_ms:?}");
            assert!(check.detail.contains(words), "{check:?}");
        }
    }
}
