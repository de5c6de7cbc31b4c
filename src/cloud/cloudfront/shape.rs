//! What a distribution of ours is (contract section 5), as the SDK's types, and how an existing one becomes it.
//!
//! Only what section 5 names is set; everything else that stands in a configuration stays.

/// How CloudFront gets at the bucket: the id, `E…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access<'a> {
    Identity(&'a str),
    Control(&'a str),
}

/// A distribution of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape<'a> {
    /// The bucket's region: the origin is `<bucket>.s3.<region>.amazonaws.com`.
    pub region: &'a str,
    pub access: Access<'a>,
    pub cache_policy_id: &'a str,
    /// With its number.
    pub version_arn: &'a str,
    /// A domain of one's own and its ACM certificate's ARN.
    pub alias: Option<(&'a str, &'a str)>,
}

/// What an update shall make of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent<'a> {
    /// All of section 5.
    Whole(Shape<'a>),
    /// This version on the viewer request of every behavior of the bucket, and nothing else.
    Version(&'a str),
}
