//! AWS's services as far as the set-up uses them: a file a service, each as strict as AWS is (aws-facts section 8).

pub mod access;
pub mod cloudfront;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod s3;
pub mod sts;

/// The account.
pub const ACCOUNT: &str = "123456789012";
