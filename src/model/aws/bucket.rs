//! What is there of a bucket and its objects, as `look` found it.

use std::collections::BTreeSet;

/// A KMS key that objects of the bucket are encrypted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEncryptionKey {
    /// As S3 names it: an ARN, an id or an alias; the bucket's default where S3 names none.
    pub key: String,
    pub access: ObjectKeyAccess,
}

/// Whether CloudFront may decrypt with a key for the distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKeyAccess {
    /// The key's policy lets it.
    Granted,
    /// The key's policy doesn't let it, and can be changed.
    Withheld,
    /// The key's policy can't be read.
    Unknown,
    /// Never: the key is AWS's own, whose policy nobody changes.
    AwsManaged,
    /// Never: the key isn't there.
    Gone,
}

/// S3 Block Public Access, of the bucket and of its account together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// A write with a public ACL is refused (BlockPublicAcls).
    pub blocks_public_acls: bool,
    /// A bucket policy that is public is refused (BlockPublicPolicy).
    pub blocks_public_policy: bool,
    /// While the bucket policy is public, S3 lets in the account and AWS's services alone (RestrictPublicBuckets).
    pub restricts_public_buckets: bool,
}

/// What a bucket does by itself whenever an object in it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketWriteReactions {
    /// The buckets that S3 replicates what is written into.
    pub replicas: Vec<String>,
    /// Who is told of a copy: ARNs, or `Amazon EventBridge`.
    pub listeners: Vec<String>,
    /// What could not be read, each with its reason.
    pub unread: Vec<String>,
}

/// The bucket, as far as the set-up needs to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedBucket {
    pub name: String,
    pub region: String,
    /// The policy document as read; `None` where there is none.
    pub policy: Option<String>,
    /// `Enabled`, `Suspended`, or empty.
    pub versioning: String,
    /// `AES256`, `aws:kms`, `aws:kms:dsse`, or empty where it could not be read.
    pub encryption: String,
    /// The bucket's default KMS key, where it has one.
    pub kms_key: Option<String>,
    /// `BucketOwnerEnforced`, … ; empty where it could not be read.
    pub object_ownership: String,
    /// Asked for only where it bears on something: a public policy, or objects with ACLs; nothing is blocked otherwise.
    pub public_access: PublicAccessBlock,
    /// What could not be read, each with its reason: `policy: s3:GetBucketPolicy is denied`.
    pub unread: Vec<String>,
}

impl ObservedBucket {
    /// Returns the ARN of the KMS key that S3 seals new objects with, as a policy may name it: none where that is
    /// AWS's own `aws/s3`, which needs no permission, and any key of the account's where only an alias is known.
    #[must_use]
    pub fn default_kms_key_arn(&self, account: &str) -> Option<String> {
        let key = self.kms_key.as_ref().filter(|_| self.encryption.starts_with("aws:kms"))?;
        list_policy_kms_key_arns([key], &self.region, account).pop()
    }
}

/// Returns whether an ARN stands for any KMS key of its account and region.
#[must_use]
pub fn is_any_kms_key_arn(arn: &str) -> bool {
    arn.ends_with(ANY_KMS_KEY)
}

const ANY_KMS_KEY: &str = ":key/*";
/// Of so many keys each is named in a policy, which has room for 6,144 characters.
const NAMED_KMS_KEYS_MAX: usize = 2;

/// Returns the ARNs by which a policy names the KMS keys that S3 names by ARN, id or alias, in the bucket's region. An
/// alias is no resource of an encryption: it stands for any key of the account's, as do more keys than a policy has room
/// for. AWS's own `aws/s3` is left out: it serves whoever may read the object.
pub fn list_policy_kms_key_arns<'a>(
    keys: impl IntoIterator<Item = &'a String>,
    region: &str,
    account: &str,
) -> Vec<String> {
    let any = format!("arn:aws:kms:{region}:{account}{ANY_KMS_KEY}");
    let named = keys.into_iter().filter(|key| !key.ends_with("aws/s3"));
    let arns: BTreeSet<String> = named
        .map(|key| match key.strip_prefix("arn:") {
            Some(_) if key.contains(":key/") => key.clone(),
            None if !key.starts_with("alias/") => format!("arn:aws:kms:{region}:{account}:key/{key}"),
            _ => any.clone(),
        })
        .collect();
    if arns.len() > NAMED_KMS_KEYS_MAX || arns.contains(&any) {
        vec![any]
    } else {
        arns.into_iter().collect()
    }
}

/// One line of a bucket's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub size: u64,
    /// With its quotes, as S3 says it.
    pub etag: String,
    /// Whether its storage class is one that must be restored before anybody can read it.
    pub archived: bool,
}

/// An object's attributes, as a HEAD says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    pub size: u64,
    pub etag: String,
    pub cache_control: Option<String>,
    /// `AES256`, `aws:kms`, …; empty where S3 says none.
    pub encryption: String,
    pub kms_key: Option<String>,
    /// Whether it must be restored before anybody can read it.
    pub archived: bool,
}
