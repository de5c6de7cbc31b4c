//! How CloudFront gets at the bucket: the identity, unless it can't serve; then a control (contract section 5).

use crate::model::{answers::OriginAccess, seen::BucketSeen};

/// Whether the origin access must be a control: the identity can't read what a KMS key encrypts.
pub(super) fn by_control(wanted: OriginAccess, bucket: &BucketSeen) -> bool {
    match wanted {
        OriginAccess::Oai => false,
        OriginAccess::Oac => true,
        OriginAccess::Auto => bucket.encryption.starts_with("aws:kms") || !identity_reaches(&bucket.region),
    }
}

/// Regions that were there before December 2022 and need no opting in: an identity reaches no other (aws-facts section 2).
fn identity_reaches(region: &str) -> bool {
    const REACHED: &[&str] = &[
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "ca-central-1",
        "sa-east-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "eu-central-1",
        "eu-north-1",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
    ];
    REACHED.contains(&region)
}
