//! Lines on stdout and stderr that a reader who went away can't turn into a panic: a dropped line must not cut a stage in half.

/// A line on stdout: a result.
#[macro_export]
macro_rules! outln {
    ($($words:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stdout().lock(), format_args!("{}\n", format_args!($($words)*)));
    }};
}

/// A line on stderr: what goes on.
#[macro_export]
macro_rules! errln {
    ($($words:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr().lock(), format_args!("{}\n", format_args!($($words)*)));
    }};
}
