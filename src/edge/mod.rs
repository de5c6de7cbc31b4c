//! The Lambda@Edge function, as a bundle for Lambda and as a program that runs here: the exact bytes that are uploaded are those that are run.

pub mod bundle;
pub mod js;
pub mod runtime;
pub mod self_test;
