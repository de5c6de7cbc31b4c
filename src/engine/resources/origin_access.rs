//! How CloudFront gets at the bucket: the identity, unless it can't serve; then a control (contract section 5).

use std::collections::BTreeSet;

use super::adoption::is_our_distribution;
use crate::engine::session::AwsTarget;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        bucket::{ObjectHead, ObservedBucket},
        cloudfront::CloudFrontDistribution,
    },
    failure::Failure,
    iam::policy::{self, BucketDenyFinding, CloudFrontPrincipal},
    packagecloud::object::is_packagecloud_object_key,
    run::{
        answers::{OperatorAnswers, OriginAccess},
        check::CheckResult,
    },
};

/// What was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OriginAccessChoice {
    pub control: bool,
    /// Why it is a control, or why an identity that was asked for can't serve: a lower-case fragment; empty for an identity
    /// that can, as far as the settings tell.
    pub why: String,
}

impl OriginAccessChoice {
    fn new_origin_access_control_choice(why: impl Into<String>) -> Self {
        Self { control: true, why: why.into() }
    }

    /// Returns who reads the bucket, and why, as a check: an identity that was asked for and can't serve is tried by the probe.
    pub(crate) fn build_origin_access_check(&self) -> CheckResult {
        const CHECK_NAME: &str = "origin-access";
        match (self.control, self.why.as_str()) {
            (true, why) => CheckResult::new_passed_check(CHECK_NAME, format!("by a control: {why}")),
            (false, "") => CheckResult::new_passed_check(CHECK_NAME, "as an identity"),
            (false, why) => CheckResult::new_unknown_check(
                CHECK_NAME,
                format!(
                    "as an identity, as you chose, but {why}. To use a control: {}",
                    render_proposed_command("enable", &["--origin-access", "auto"])
                ),
            ),
        }
    }
}

/// Chooses by what was asked for, the bucket, the distribution that stands, and some of the objects.
///
/// # Errors
/// Fails where the bucket can't be listed.
pub(crate) async fn choose_origin_access(
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Result<OriginAccessChoice, Failure> {
    if answers.origin_access != OriginAccess::Auto
        || explain_unreadable_by_origin_identity(&target.bucket).is_some()
    {
        return Ok(choose_origin_access_type(answers.origin_access, &target.bucket, None, &[]));
    }
    // Whoever may not list distributions hears so from the stage that needs them.
    let delivery = target.read_distributions_and_policies().await.ok();
    let standing = delivery.as_ref().and_then(|all| {
        all.distributions
            .iter()
            .find(|one| is_our_distribution(one, &target.names) && !one.origins.is_empty())
    });
    if standing.is_some() {
        return Ok(choose_origin_access_type(answers.origin_access, &target.bucket, standing, &[]));
    }
    let heads = target.read_sampled_object_heads().await?;
    let choice = choose_origin_access_type(answers.origin_access, &target.bucket, None, &heads);
    if choice.control {
        return Ok(choice);
    }
    Ok(match find_statement_denying_identity_alone(target).await {
        Some(why) => OriginAccessChoice::new_origin_access_control_choice(format!(
            "{why} to an identity, and not to a control"
        )),
        None => choice,
    })
}

/// The statement of the bucket policy that shuts an identity out for sure, where none surely shuts a control out.
async fn find_statement_denying_identity_alone(target: &AwsTarget) -> Option<String> {
    let surely = |one: BucketDenyFinding| match one {
        BucketDenyFinding::Denied(why) => Some(why),
        BucketDenyFinding::PossiblyDenied(_) => None,
    };
    let denied = find_denying_bucket_statements(target, false).await.into_iter().find_map(surely)?;
    // What may deny a control is tried by the probe; the identity is shut out in any case.
    let control = find_denying_bucket_statements(target, true).await.into_iter().find_map(surely);
    control.is_none().then_some(denied)
}

/// Finds the statements of the bucket policy, as first read, that deny or may deny reading: to a control, else to an
/// identity; judged on keys of a first page.
pub(crate) async fn find_denying_bucket_statements(
    target: &AwsTarget,
    control: bool,
) -> Vec<BucketDenyFinding> {
    let bucket = target.names.bucket_name();
    let Some(document) = target.bucket.policy.as_deref().and_then(|text| serde_json::from_str(text).ok())
    else {
        return Vec::new();
    };
    let listed = target.list_first_page_of_bucket().await.unwrap_or_default();
    let keys: Vec<&str> =
        listed.iter().map(|one| one.key.as_str()).filter(|key| is_packagecloud_object_key(key)).collect();
    let judge = |principal| policy::find_statements_denying_cloudfront(&document, bucket, principal, &keys);
    // Whoever it will be: what is made already needn't be asked for where no statement denies anything.
    let account = &target.account;
    let unmade = if control {
        CloudFrontPrincipal::Service { distribution: None, account }
    } else {
        CloudFrontPrincipal::Identity(None)
    };
    let first = judge(unmade);
    if first.is_empty() {
        return first;
    }
    if control {
        let delivery = target.read_distributions_and_policies().await.ok();
        let ours = delivery
            .as_ref()
            .and_then(|all| all.distributions.iter().find(|one| is_our_distribution(one, &target.names)));
        return ours.map_or(first, |one| {
            judge(CloudFrontPrincipal::Service { distribution: Some(&one.arn), account })
        });
    }
    match target.read_origin_access_identity().await {
        Ok(Some(one)) => judge(CloudFrontPrincipal::Identity(Some((&one.id, &one.canonical_user_id)))),
        _ => first,
    }
}

/// Decides; touches nothing. A control that stands on a distribution of ours stays one: each change passes every edge.
fn choose_origin_access_type(
    wanted: OriginAccess,
    bucket: &ObservedBucket,
    standing: Option<&CloudFrontDistribution>,
    heads: &[(String, ObjectHead)],
) -> OriginAccessChoice {
    match (wanted, explain_unreadable_by_origin_identity(bucket)) {
        (OriginAccess::Oai, why) => {
            return OriginAccessChoice { control: false, why: why.unwrap_or_default() };
        }
        (_, Some(why)) => return OriginAccessChoice::new_origin_access_control_choice(why),
        (OriginAccess::Oac, None) => {
            return OriginAccessChoice::new_origin_access_control_choice("as you chose with --origin-access");
        }
        (OriginAccess::Auto, None) => {}
    }
    if standing.is_some_and(|one| one.origins.iter().any(|origin| origin.control.is_some())) {
        return OriginAccessChoice::new_origin_access_control_choice("the distribution has one");
    }
    match heads.iter().find(|(_, head)| head.encryption.starts_with("aws:kms")) {
        Some((key, head)) => OriginAccessChoice::new_origin_access_control_choice(format!(
            "{key} is encrypted with {}, which an identity can't read",
            head.encryption
        )),
        None => OriginAccessChoice::default(),
    }
}

/// Says why an identity can't read this bucket, as far as its settings tell.
pub(super) fn explain_unreadable_by_origin_identity(bucket: &ObservedBucket) -> Option<String> {
    if bucket.encryption.starts_with("aws:kms") {
        return Some(format!("the bucket encrypts with {}, which an identity can't read", bucket.encryption));
    }
    let public = policy::find_public_policy_statement(bucket.policy.as_deref());
    if let Some(statement) = public.filter(|_| bucket.public_access.restricts_public_buckets) {
        return Some(format!(
            "the bucket policy's statement {statement} is public, and while one is, Block Public Access (RestrictPublicBuckets) lets in AWS's services and the account alone, and no identity"
        ));
    }
    (!can_origin_identity_reach_region(&bucket.region))
        .then(|| format!("an identity doesn't reach {}", bucket.region))
}

/// Collects the KMS keys that objects are encrypted under: the bucket's default, and those of the sampled ones. Where S3 names
/// no key it is its own, `aws/s3`.
pub(crate) fn collect_object_kms_keys(
    bucket: &ObservedBucket,
    heads: &[(String, ObjectHead)],
) -> Vec<String> {
    const S3_MANAGED_KEY_ALIAS: &str = "alias/aws/s3";
    let named = |key: &Option<String>| key.clone().unwrap_or_else(|| S3_MANAGED_KEY_ALIAS.to_owned());
    let default = bucket.encryption.starts_with("aws:kms").then(|| named(&bucket.kms_key));
    let sampled = heads.iter().filter(|(_, head)| head.encryption.starts_with("aws:kms"));
    let all: BTreeSet<String> =
        default.into_iter().chain(sampled.map(|(_, head)| named(&head.kms_key))).collect();
    all.into_iter().collect()
}

/// Regions that were there before December 2022 and need no opting in: an identity reaches no other (aws-facts section 2).
fn can_origin_identity_reach_region(region: &str) -> bool {
    const IDENTITY_REGIONS: &[&str] = &[
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
    IDENTITY_REGIONS.contains(&region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{aws::bucket::PublicAccessBlock, run::check::CheckVerdict};

    fn sample_bucket(region: &str, encryption: &str) -> ObservedBucket {
        ObservedBucket {
            name: "pkgs".into(),
            region: region.into(),
            encryption: encryption.into(),
            ..ObservedBucket::default()
        }
    }

    fn sample_head(encryption: &str, key: Option<&str>) -> (String, ObjectHead) {
        let head = ObjectHead {
            size: 1,
            etag: String::new(),
            cache_control: None,
            archived: false,
            encryption: encryption.into(),
            kms_key: key.map(str::to_owned),
        };
        ("1/2/a.deb".into(), head)
    }

    #[test]
    fn the_identity_unless_it_cant_serve() {
        use OriginAccess::{Auto, Oac, Oai};
        for (wanted, region, encryption, object, why) in [
            (Auto, "us-east-1", "AES256", "AES256", None),
            (Auto, "us-east-1", "", "", None),
            (Auto, "us-east-1", "aws:kms", "", Some("the bucket encrypts with aws:kms")),
            (Auto, "us-east-1", "aws:kms:dsse", "", Some("the bucket encrypts with aws:kms:dsse")),
            (Auto, "us-east-1", "AES256", "aws:kms", Some("1/2/a.deb is encrypted with aws:kms")),
            (Auto, "eu-south-2", "AES256", "AES256", Some("an identity doesn't reach eu-south-2")),
            (Auto, "me-central-1", "AES256", "AES256", Some("an identity doesn't reach me-central-1")),
            (Oac, "us-east-1", "AES256", "AES256", Some("as you chose")),
            (Oac, "us-east-1", "aws:kms", "", Some("the bucket encrypts with aws:kms")),
            (Oai, "us-east-1", "AES256", "AES256", None),
            (Oai, "us-east-1", "aws:kms", "", None),
        ] {
            let choice = choose_origin_access_type(
                wanted,
                &sample_bucket(region, encryption),
                None,
                &[sample_head(object, None)],
            );
            assert_eq!(choice.control, why.is_some(), "{wanted:?} {region} {encryption} {object}");
            assert!(choice.why.starts_with(why.unwrap_or_default()), "{}", choice.why);
        }
    }

    #[test]
    fn a_public_policy_that_block_public_access_restricts_shuts_an_identity_out() {
        use OriginAccess::{Auto, Oai};
        let open = r#"{"Statement":[{"Sid":"Old","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::pkgs/*"}]}"#;
        let bound = open.replace(r#""Principal":"*""#, r#""Principal":{"AWS":"123456789012"}"#);
        for (wanted, policy, restricts, control) in [
            (Auto, open, true, true),
            (Auto, open, false, false),
            (Auto, bound.as_str(), true, false),
            (Oai, open, true, false),
        ] {
            let public_access =
                PublicAccessBlock { restricts_public_buckets: restricts, ..PublicAccessBlock::default() };
            let bucket = ObservedBucket {
                policy: Some(policy.to_owned()),
                public_access,
                ..sample_bucket("us-east-1", "AES256")
            };
            let choice = choose_origin_access_type(wanted, &bucket, None, &[]);
            assert_eq!(choice.control, control, "{wanted:?} {policy} {restricts}");
            assert_eq!(
                choice.why.contains("\"Old\" is public"),
                restricts && policy == open,
                "{}",
                choice.why
            );
            let check = choice.build_origin_access_check();
            let unservable = wanted == Oai;
            assert_eq!(check.result == CheckVerdict::Unknown, unservable, "{check:?}");
            assert_eq!(check.detail.contains("--origin-access auto"), unservable, "{check:?}");
        }
    }

    #[test]
    fn every_key_that_objects_lie_under_counts() {
        let own = "arn:aws:kms:eu-west-1:123456789012:key/k";
        let mut default = sample_bucket("eu-west-1", "aws:kms");
        assert_eq!(collect_object_kms_keys(&default, &[]), ["alias/aws/s3"]);
        default.kms_key = Some(own.into());
        assert_eq!(
            collect_object_kms_keys(
                &default,
                &[sample_head("aws:kms", Some("k2")), sample_head("AES256", None)]
            ),
            [own, "k2"]
        );
        assert!(
            collect_object_kms_keys(&sample_bucket("eu-west-1", "AES256"), &[sample_head("AES256", None)])
                .is_empty()
        );
    }
}
