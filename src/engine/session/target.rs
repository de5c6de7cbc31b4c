//! The target of a run: who asks AWS, and the bucket; found once, the same for every stage.

use std::sync::Arc;

use tokio::try_join;

use super::{
    Session,
    account_cache::AccountReadCache,
    identity::{ResolvedAwsIdentity, refuse_other_aws_partition},
};
use crate::aws::{AwsClients, credentials::source::AwsAccessKeys};
use crate::model::{
    aws::{
        account::{CallerIdentity, LambdaFunction, ResourceOwnership},
        bucket::ObservedBucket,
        names::{ResourceNameSuffix, ResourceNames},
    },
    failure::{Failure, FailureKind},
    packagecloud::object,
    run::{
        answers::OperatorAnswers,
        plan::{PlanConfirmationQuestion, RequiredConsent},
        welcome::AwsIdentitySource,
    },
};

/// How many keys of the bucket are looked at.
pub(crate) const SAMPLED_KEYS_MAX: usize = 1000;

/// What a target depends on of the answers.
#[derive(Clone, PartialEq)]
pub(super) struct AwsTargetInputs {
    profile: Option<String>,
    source: Option<AwsIdentitySource>,
    bucket: Option<String>,
    suffix: ResourceNameSuffix,
    typed: Option<AwsAccessKeys>,
}

/// Who we are, and the bucket: found once, the same for every stage.
#[derive(Clone)]
pub struct AwsTarget {
    /// With S3 in the bucket's region.
    pub cloud: AwsClients,
    pub caller: CallerIdentity,
    pub account: String,
    /// Where the credentials come from.
    pub source: AwsIdentitySource,
    /// How the credentials were found.
    pub found: String,
    pub names: ResourceNames,
    /// As first read; the distribution stage reads its policy again.
    pub bucket: ObservedBucket,
    /// Why this bucket.
    pub evidence: String,
    /// How many keys of a first page look like packagecloud's, of how many.
    pub sampled: (usize, usize),
    pub(super) account_cache: Arc<AccountReadCache>,
}

impl Session {
    /// Returns what a target depends on of the answers, and the keys that were typed.
    pub(super) fn collect_account_and_bucket_inputs(&self, answers: &OperatorAnswers) -> AwsTargetInputs {
        AwsTargetInputs {
            profile: answers.profile.clone(),
            source: answers.source.clone(),
            bucket: answers.bucket.clone(),
            suffix: answers.suffix.clone(),
            typed: self.typed_access_keys(),
        }
    }

    /// Finds who we are and which bucket it is, once for the same answers.
    ///
    /// # Errors
    /// Fails where no identity is accepted, no bucket is found, or it can't be read.
    pub async fn get_or_discover_aws_target(&self, answers: &OperatorAnswers) -> Result<AwsTarget, Failure> {
        let asked = self.collect_account_and_bucket_inputs(answers);
        let mut held = self.target.lock().await;
        if let Some((of, target)) = held.as_ref()
            && *of == asked
        {
            return Ok(target.clone());
        }
        let target = self.discover_aws_target(answers).await?;
        *held = Some((asked, target.clone()));
        Ok(target)
    }

    /// Returns who we are and which bucket it is, where that was found already.
    pub(in crate::engine) fn cached_aws_target(&self) -> Option<AwsTarget> {
        self.target.try_lock().ok()?.as_ref().map(|(_, target)| target.clone())
    }

    /// Forgets what was read of the account, or couldn't be: the next look asks again, by the same identity of the same bucket.
    pub async fn invalidate_cached_account_reads(&self) {
        if let Some(target) = self.cached_aws_target() {
            target.account_cache.clear_cached_account_reads().await;
        }
        *self.objects_bucket.lock().await = None;
    }

    /// Forgets what was found: the next look asks again.
    pub async fn invalidate_cached_aws_target(&self) {
        *self.target.lock().await = None;
        *self.objects_bucket.lock().await = None;
    }

    /// Asks whether this run is meant for another account or bucket than the last run's, which is asked about before anything else.
    pub(in crate::engine) fn build_bucket_or_account_question(
        &self,
        target: &AwsTarget,
        answers: &OperatorAnswers,
    ) -> Option<PlanConfirmationQuestion> {
        let name = target.names.bucket_name();
        let (account, bucket) = self.settings.last.as_ref()?;
        let same = account == &target.account && bucket == name;
        (!same && !answers.consents.has_consent(RequiredConsent::OtherBucket, name)).then(|| PlanConfirmationQuestion {
            consent: RequiredConsent::OtherBucket,
            question: format!(
                "The last run on this host worked on bucket {bucket} in account {account}. Work on {name} in account {} now?",
                target.account
            ),
        })
    }

    async fn discover_aws_target(&self, answers: &OperatorAnswers) -> Result<AwsTarget, Failure> {
        let ResolvedAwsIdentity { cloud, caller, source, found } =
            self.find_accepted_aws_identity(answers).await?;
        refuse_other_aws_partition(&caller)?;
        // Its marker may name the bucket; where it can't be asked, something else has to.
        let unnamed = ResourceNames::new("", &answers.suffix);
        let function = match &answers.bucket {
            Some(_) => None,
            None => cloud.read_function_without_versions(&unnamed).await.ok(),
        };
        let (name, evidence) = self
            .find_objects_bucket_name(&cloud, function.as_ref().and_then(Option::as_ref), answers)
            .await?;
        let region = cloud
            .read_bucket_region(&name, &caller.account)
            .await
            .map_err(|failure| blame_clock_for_s3_refusal(failure, &caller))?;
        let cloud = cloud.clone_with_bucket_region(&region);
        let (bucket, listed) = try_join!(
            cloud.read_bucket_settings(&name, &region, &caller.account),
            cloud.list_objects(&name, "", SAMPLED_KEYS_MAX)
        )?;
        let sampled = (
            listed.iter().filter(|object| object::is_packagecloud_object_key(&object.key)).count(),
            listed.len(),
        );
        let mut cache = AccountReadCache::new_account_cache_from_bucket(&bucket, listed);
        if let Some(found) = function {
            cache = cache
                .add_lambda_function_to_cache(found.map(|found| recognize_function_of_bucket(found, &name)));
        }
        Ok(AwsTarget {
            names: ResourceNames::new(&name, &answers.suffix),
            account: caller.account.clone(),
            sampled,
            cloud,
            caller,
            source,
            found,
            account_cache: Arc::new(cache),
            bucket,
            evidence,
        })
    }
}

/// A function that was asked for before the bucket was known: whose it is then.
fn recognize_function_of_bucket(found: LambdaFunction, bucket: &str) -> LambdaFunction {
    let ours = found.ownership == ResourceOwnership::Other(bucket.to_owned());
    LambdaFunction { ownership: if ours { ResourceOwnership::Ours } else { found.ownership }, ..found }
}

/// S3's refusal of a request without a body tells no reason: a clock that is far off is the likelier one.
fn blame_clock_for_s3_refusal(failure: Failure, caller: &CallerIdentity) -> Failure {
    // S3 takes a quarter of an hour.
    const S3_CLOCK_OFFSET_MAX_SECONDS: i64 = 15 * 60;
    match caller.clock_ahead {
        Some(ahead) if ahead.abs() > S3_CLOCK_OFFSET_MAX_SECONDS => Failure::new(
            FailureKind::Credentials,
            "this machine's clock",
            format!(
                "it is {} s {} AWS's, and S3 refuses such requests",
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
            "set the clock (chronyc makestep, or timedatectl set-ntp true), then try again",
        )
        .mark_failure_as_clock_skew(),
        _ => failure,
    }
}
