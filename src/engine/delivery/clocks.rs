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
    let name = format!("clock{}", node.host.render_host_suffix());
    let milliseconds = line.remote_clock_ahead_ms();
    let ahead = here? + (milliseconds + 500 * milliseconds.signum()) / 1000;
    Some(if ahead.abs() <= CLOCK_OFFSET_MAX_SECONDS {
        CheckResult::new_passed_check(name, format!("{} s from AWS's", ahead.abs()))
    } else {
        CheckResult::new_failed_check(
            name,
            format!(
                "{} is {} s {} AWS: links that it signs are {}",
                line.remote_host_name(),
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" },
                describe_link_lifetime(ahead),
            ),
            format!("on {}: {SET_CLOCK_ADVICE}", line.remote_host_name()),
        )
    })
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
}
