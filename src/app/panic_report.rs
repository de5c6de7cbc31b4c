//! What a fault of this program says where no screen covers the terminal: one line, by the way that all lines take.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic,
};

use crate::errln;

/// Sets what a panic prints; the wizard sets its own while its screen stands.
pub(super) fn print_panics_as_lines() {
    panic::set_hook(Box::new(|panic| {
        errln!("packagecloud-cloudfront: a fault of this program: {panic}");
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            errln!("{trace}");
        }
    }));
}
