//! Whether the clocks agree with AWS's that sign links and by which links expire: this machine's, and each other host's.

use crate::engine::session::{Session, Target};
use crate::model::run::check::{Check, CheckId};

/// A minute: more than this and links that packagecloud signs are refused early or accepted late.
const CLOCK_OFFSET_MAX_SECONDS: i64 = 60;

/// Checks the clock of this machine.
pub(crate) fn check_local_clock(target: &Target) -> Check {
    check_clock_offset(target.caller.clock_ahead)
}

/// By how many seconds this machine is ahead of AWS; none where an answer didn't tell.
fn check_clock_offset(ahead: Option<i64>) -> Check {
    match ahead {
        None => Check::unknown_check(CheckId::Clock, "AWS's answer held no date"),
        Some(ahead) if ahead.abs() <= CLOCK_OFFSET_MAX_SECONDS => {
            Check::passed_check(CheckId::Clock, format!("{} s from AWS's", ahead.abs()))
        }
        Some(ahead) => Check::failed_check(
            CheckId::Clock,
            format!(
                "this machine is {} s {} AWS",
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
            "set the clock (chronyc makestep, or timedatectl set-ntp true): a slow clock makes every link expire early",
        ),
    }
}

/// Checks the clock of another host, which signs the links: this machine's is known by AWS's.
pub(crate) fn check_host_clock(node: &Session, here: Option<i64>) -> Option<Check> {
    let line = node.host.transport.as_ssh()?;
    let name = format!("clock{}", node.host.host_suffix());
    let milliseconds = line.clock_ahead_ms();
    let ahead = here? + (milliseconds + 500 * milliseconds.signum()) / 1000;
    Some(if ahead.abs() <= CLOCK_OFFSET_MAX_SECONDS {
        Check::passed_check(name, format!("{} s from AWS's", ahead.abs()))
    } else {
        Check::failed_check(
            name,
            format!(
                "{} is {} s {} AWS: links that it signs are {}",
                line.host_name(),
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" },
                if ahead > 0 { "accepted too long" } else { "expired too early" },
            ),
            format!("on {}: set the clock (chronyc makestep, or timedatectl set-ntp true)", line.host_name()),
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
            let check = check_clock_offset(ahead);
            assert_eq!((check.has_failed(), check.detail.as_str()), (fails, words), "{ahead:?}");
            assert!(!fails || check.next.contains("chronyc makestep"), "{}", check.next);
        }
    }
}
