//! Which calls were made, in memory: for tests that count, and for the longest chain of calls that waited for each other.
//!
//! A call is noted when it ends, with its start and end on the world's clock.

use std::time::Duration;

/// One call, answered or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxApiCallRecord {
    /// `iam`, `kms`, `s3`, …
    pub service: String,
    /// `CreateRole`; what isn't known is `Unknown`, or its method and path.
    pub operation: String,
    pub write: bool,
    pub start: Duration,
    pub end: Duration,
    /// The HTTP status; none where no answer was given.
    pub status: Option<u16>,
}

#[derive(Debug, Default)]
pub struct SandboxCallLedger(Vec<SandboxApiCallRecord>);

impl SandboxCallLedger {
    /// Notes a call.
    pub fn append_call_to_ledger(&mut self, call: SandboxApiCallRecord) {
        self.0.push(call);
    }

    /// Returns the calls, in the order in which they ended.
    pub fn recorded_calls(&self) -> &[SandboxApiCallRecord] {
        &self.0
    }
}

/// Whether an operation changes anything, by its name.
pub fn is_write_operation(operation: &str) -> bool {
    const READ_OPERATION_PREFIXES: [&str; 9] =
        ["Get", "List", "Head", "Describe", "Simulate", "Encrypt", "Decrypt", "Unknown", "GET "];
    !READ_OPERATION_PREFIXES.iter().any(|read| operation.starts_with(read))
}

/// Counts how many calls in a row could only have been made one after the other: each begins at or after the end of the one before.
pub fn count_longest_sequential_calls(calls: &[SandboxApiCallRecord]) -> usize {
    let mut by_end: Vec<&SandboxApiCallRecord> = calls.iter().collect();
    by_end.sort_by_key(|call| (call.end, call.start));
    let mut free_at = Duration::ZERO;
    let mut chain = 0;
    for call in by_end {
        if call.start >= free_at {
            chain += 1;
            free_at = call.end;
        }
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_entry(start: u64, end: u64) -> SandboxApiCallRecord {
        SandboxApiCallRecord {
            service: "iam".into(),
            operation: "GetRole".into(),
            write: false,
            start: Duration::from_millis(start),
            end: Duration::from_millis(end),
            status: Some(200),
        }
    }

    #[test]
    fn calls_side_by_side_count_once() {
        assert_eq!(count_longest_sequential_calls(&[]), 0);
        assert_eq!(
            count_longest_sequential_calls(&[sample_entry(0, 10), sample_entry(0, 10), sample_entry(0, 10)]),
            1
        );
        assert_eq!(
            count_longest_sequential_calls(&[
                sample_entry(0, 10),
                sample_entry(10, 20),
                sample_entry(12, 30),
                sample_entry(20, 25)
            ]),
            3
        );
    }

    #[test]
    fn names_tell_reads_from_writes() {
        for (operation, write) in [
            ("GetRole", false),
            ("CreateRole", true),
            ("HeadObject", false),
            ("CopyObject", true),
            ("Decrypt", false),
        ] {
            assert_eq!(is_write_operation(operation), write, "{operation}");
        }
    }
}
