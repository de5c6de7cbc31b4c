//! What was changed in AWS, as the log keeps it: when, by which call, with which request id, by whom.
//!
//! AWS's support and CloudTrail find a call by its request id.

/// Separates the parts of a line.
const PART_SEPARATOR: &str = " · ";
/// What the lines begin with, behind their time.
const LINE_MARK: &str = "aws: ";
/// How long a line's time is: `2026-11-23 20:45:00 UTC`.
const TIME_CHARS: usize = 23;

/// A call that changed something, and went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedAwsChange {
    /// `2026-11-23 20:45:00 UTC`.
    pub when: String,
    /// `kms:CreateKey`.
    pub call: String,
    pub request_id: String,
    /// The install's bucket, where it was known.
    pub bucket: String,
    /// The caller's ARN, where it was known.
    pub by: String,
}

/// Renders a change as the log has it, but for its time.
#[must_use]
pub fn render_change_for_log(call: &str, request_id: &str, bucket: &str, by: &str) -> String {
    format!("{LINE_MARK}{}", [call, request_id, bucket, by].join(PART_SEPARATOR))
}

/// Reads the changes among a log's lines, the oldest first.
#[must_use]
pub fn parse_logged_changes(log: &str) -> Vec<LoggedAwsChange> {
    log.lines().filter_map(parse_logged_change).collect()
}

fn parse_logged_change(line: &str) -> Option<LoggedAwsChange> {
    let (when, rest) = line.split_at_checked(TIME_CHARS)?;
    let rest = rest.strip_prefix(' ')?.strip_prefix(LINE_MARK)?;
    let mut parts = rest.split(PART_SEPARATOR).map(str::to_owned);
    let mut next = || parts.next();
    let change = LoggedAwsChange {
        when: when.to_owned(),
        call: next()?,
        request_id: next()?,
        bucket: next()?,
        by: next()?,
    };
    when.ends_with(" UTC").then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_kept_and_no_other_is_taken_for_one() {
        let line = render_change_for_log("kms:CreateKey", "7f3c-1", "shop", "arn:aws:iam::1:user/x");
        let log = format!(
            "2026-11-23 20:45:00 UTC   …  making the key\n2026-11-23 20:45:01 UTC {line}\nUTC aws: x\naws: a · b · c · d\n\u{fffd}\n"
        );
        let wanted = LoggedAwsChange {
            when: "2026-11-23 20:45:01 UTC".into(),
            call: "kms:CreateKey".into(),
            request_id: "7f3c-1".into(),
            bucket: "shop".into(),
            by: "arn:aws:iam::1:user/x".into(),
        };
        assert_eq!(parse_logged_changes(&log), [wanted]);
    }
}
