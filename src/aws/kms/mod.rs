//! KMS: the key that the function's secret is encrypted under, its alias and its policy, in us-east-1.
//!
//! A key is found, by alias or as an orphan by our tag, before one is made: each that is made costs money for ever.
//! KMS has no condition for making one. Of two runs at once the one that IAM lets make the role makes the key, and the
//! other waits for it; where both made one all the same, the alias is the first one's, and both go on with its key.

mod fresh_tags;
mod policy;

use std::{ops::Range, time::Duration};

use super::{
    AwsClients, WaitProgressReporter, check_resource_ownership_allows_change, error,
    resource_ownership_from_tags, retry,
};
use crate::model::{
    aws::{
        account::{KmsKey, ResourceOwnership},
        names::{COST_TAG, ResourceNames},
    },
    failure::{Failure, FailureKind},
    iam::policy::build_kms_key_policy,
};
use aws_config::retry::RetryConfig;
use aws_sdk_kms::{
    primitives::Blob,
    types::{KeyMetadata, Tag},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// A fresh key isn't everywhere at once.
const KEY_VISIBLE_WAIT: retry::PollLimits =
    retry::PollLimits::new("the key to be known to all of KMS", 120, 2);
/// How long a key of another run is waited for, at least and at most: its CreateKey and CreateAlias, begun with the role.
const OTHER_RUN_KEY_WAIT_SECONDS: Range<f64> = 10.0..20.0;
/// How many keys are asked for their tags at once.
const TAG_READ_CONCURRENCY_MAX: usize = 8;
/// How often a key is asked for where the answer was lost and no key is found.
const CREATE_ATTEMPTS_MAX: usize = 3;
/// How long a key that was made without an answer may take to be found by its tag.
const ORPHAN_SEARCH_DELAY: Duration = Duration::from_secs(5);

fn format_kms_key_label(names: &ResourceNames) -> String {
    format!("KMS key {}", names.kms_alias_name())
}

fn is_missing_failure(failure: &Failure) -> bool {
    failure.kind == FailureKind::Missing
}

fn build_kms_key_tags(names: &ResourceNames) -> Result<Vec<Tag>, Failure> {
    let tag = |(key, value)| Tag::builder().tag_key(key).tag_value(value).build();
    let built: Result<Vec<_>, _> = names.build_resource_tags().into_iter().map(tag).collect();
    built.map_err(|error| {
        Failure::new_generic_failure(
            format_kms_key_label(names),
            error.to_string(),
            "report this as a fault of the tool",
        )
    })
}

impl AwsClients {
    /// Finds the key behind our alias, else an enabled one that carries our marker.
    ///
    /// # Errors
    /// Where KMS refuses or doesn't answer.
    pub async fn find_our_kms_key(&self, names: &ResourceNames) -> Result<Option<KmsKey>, Failure> {
        match self.read_kms_key_metadata(names, &names.kms_alias_name()).await? {
            Some(found) => self.read_kms_key_details(names, &found, true).await.map(Some),
            None => self.find_orphan_kms_key(names).await,
        }
    }

    async fn read_kms_key_metadata(
        &self,
        names: &ResourceNames,
        id: &str,
    ) -> Result<Option<KeyMetadata>, Failure> {
        let asked = self.kms.describe_key().key_id(id).send().await;
        let found = error::none_if_aws_not_found(
            asked.map_err(error::build_aws_action_failure("kms:DescribeKey", format_kms_key_label(names))),
        )?;
        Ok(found.and_then(|found| found.key_metadata))
    }

    /// Reads the state of the key with this ARN, in its region; `None` where there is none any more.
    ///
    /// # Errors
    /// Where KMS refuses or doesn't answer.
    pub async fn read_kms_key_state(&self, key_arn: &str) -> Result<Option<String>, Failure> {
        let there = self.clone_with_kms_region(key_arn);
        let asked = there.kms.describe_key().key_id(key_arn).send().await;
        let what = format!("KMS key {key_arn}");
        let found = error::none_if_aws_not_found(
            asked.map_err(error::build_aws_action_failure("kms:DescribeKey", what)),
        )?;
        let metadata = found.and_then(|found| found.key_metadata);
        Ok(metadata.map(|key| key.key_state().map(|state| state.as_str().to_owned()).unwrap_or_default()))
    }

    async fn read_kms_key_ownership(
        &self,
        names: &ResourceNames,
        id: &str,
    ) -> Result<ResourceOwnership, Failure> {
        let asked = self.kms.list_resource_tags().key_id(id).send().await;
        let found = asked
            .map_err(error::build_aws_action_failure("kms:ListResourceTags", format_kms_key_label(names)))?;
        Ok(resource_ownership_from_tags(
            found.tags().iter().map(|tag| (tag.tag_key(), tag.tag_value())),
            names,
        ))
    }

    async fn read_kms_key_details(
        &self,
        names: &ResourceNames,
        found: &KeyMetadata,
        alias: bool,
    ) -> Result<KmsKey, Failure> {
        let id = found.key_id();
        let what = format_kms_key_label(names);
        let (ownership, policy) =
            tokio::try_join!(self.read_kms_key_ownership(names, id), self.read_kms_key_policy(&what, id))?;
        Ok(KmsKey {
            id: id.to_owned(),
            arn: found.arn().unwrap_or_default().to_owned(),
            state: found.key_state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
            ownership,
            policy,
            alias,
            has_fresh_tags: fresh_tags::has_key_fresh_tags(
                found.creation_date(),
                self.config.time_source().unwrap_or_default().now(),
            ),
        })
    }

    /// The id, where the key carries our marker; one whose policy keeps its tags from us is none that we made.
    async fn kms_key_id_if_ours(&self, names: &ResourceNames, id: String) -> Result<Option<String>, Failure> {
        match self.read_kms_key_ownership(names, &id).await {
            Ok(ownership) => Ok((ownership == ResourceOwnership::Ours).then_some(id)),
            Err(failure) if matches!(failure.kind, FailureKind::Denied | FailureKind::Missing) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Whether an alias of this program's points at the key: then it is another install's of this bucket, and no orphan.
    async fn has_our_kms_alias(&self, names: &ResourceNames, id: &str) -> Result<bool, Failure> {
        let mut pages = self.kms.list_aliases().key_id(id).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page
                .map_err(error::build_aws_action_failure("kms:ListAliases", format_kms_key_label(names)))?;
            let ours = |alias: &str| alias.starts_with("alias/packagecloud_cloudfront");
            if page.aliases().iter().any(|alias| alias.alias_name().is_some_and(ours)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An enabled key with our marker and without an alias: a run was cut off between the two.
    async fn find_orphan_kms_key(&self, names: &ResourceNames) -> Result<Option<KmsKey>, Failure> {
        let mut pages = self.kms.list_keys().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(error::build_aws_action_failure("kms:ListKeys", "the account's KMS keys"))?;
            let ids = page.keys().iter().filter_map(|key| key.key_id().map(str::to_owned));
            let asked: Vec<_> = ids.map(|id| self.kms_key_id_if_ours(names, id)).collect();
            let marked: Vec<Option<String>> =
                stream::iter(asked).buffered(TAG_READ_CONCURRENCY_MAX).try_collect().await?;
            for id in marked.into_iter().flatten() {
                if let Some(found) = self.read_kms_key_metadata(names, &id).await?
                    && found.enabled()
                    && !self.has_our_kms_alias(names, &id).await?
                {
                    return self.read_kms_key_details(names, &found, false).await.map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Waits for the key that another run may be making, as the role stands already; finds it as
    /// [`Self::find_our_kms_key`] does. `pace` is how much of the time is waited: a sandbox's is less than 1.
    ///
    /// # Errors
    /// Where KMS refuses or doesn't answer.
    pub async fn find_kms_key_of_other_run(
        &self,
        names: &ResourceNames,
        pace: f64,
        say: WaitProgressReporter<'_>,
    ) -> Result<Option<KmsKey>, Failure> {
        // Where two wait for each other, as both found the role of a run that was broken off, one is done first.
        let Range { start, end } = OTHER_RUN_KEY_WAIT_SECONDS;
        let wait = retry::PollLimits {
            timeout: Duration::from_secs_f64(start + (end - start) * fastrand::f64()).mul_f64(pace),
            ..retry::PollLimits::new("the key, in case the run that made the role is making it", 0, 1)
        };
        let alias = names.kms_alias_name();
        let found = retry::poll_for_a_while(wait, say, || self.read_kms_key_metadata(names, &alias)).await?;
        match found {
            Some(found) => self.read_kms_key_details(names, &found, true).await.map(Some),
            None => self.find_orphan_kms_key(names).await,
        }
    }

    /// Makes the key with its policy and tags where `seen` is none.
    ///
    /// # Errors
    /// Where it is another's, or KMS refuses.
    pub async fn ensure_kms_key(
        &self,
        names: &ResourceNames,
        seen: Option<&KmsKey>,
        role_arn: &str,
        account: &str,
        adopt: bool,
        say: WaitProgressReporter<'_>,
    ) -> Result<KmsKey, Failure> {
        let Some(seen) = seen else { return self.create_kms_key(names, role_arn, account, say).await };
        check_resource_ownership_allows_change(&format_kms_key_label(names), &seen.ownership, adopt)?;
        if seen.state != "Enabled" {
            return Err(Failure::new_generic_failure(
                format_kms_key_label(names),
                format!("its state is {}, so it can't be used", seen.state),
                "enable it, or cancel its deletion, in the KMS console; then try again",
            ));
        }
        if seen.ownership == ResourceOwnership::Ours {
            return Ok(seen.clone());
        }
        let asked =
            self.kms.tag_resource().key_id(&seen.id).set_tags(Some(build_kms_key_tags(names)?)).send().await;
        asked.map_err(error::build_aws_action_failure("kms:TagResource", format_kms_key_label(names)))?;
        Ok(KmsKey { ownership: ResourceOwnership::Ours, has_fresh_tags: true, ..seen.clone() })
    }

    /// The SDK would send CreateKey again after a lost reply, and make a second key: so it is told not to, and
    /// the key is looked for before it is asked for again.
    async fn create_kms_key(
        &self,
        names: &ResourceNames,
        role_arn: &str,
        account: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<KmsKey, Failure> {
        let policy = build_kms_key_policy(names, role_arn, account);
        let once = aws_sdk_kms::config::Builder::new().retry_config(RetryConfig::disabled());
        let tags = build_kms_key_tags(names)?;
        let create = || async {
            self.kms
                .create_key()
                .description("packagecloud-cloudfront: encrypts the secret of the authenticator")
                .policy(policy.to_string())
                .set_tags(Some(tags.clone()))
                .customize()
                .config_override(once.clone())
                .send()
                .await
                .map_err(error::build_aws_action_failure("kms:CreateKey", format_kms_key_label(names)))
        };
        let build_missing_key_failure = || {
            let label = format_kms_key_label(names);
            error::build_missing_response_part_failure("kms:CreateKey", label, "the key")
        };
        let mut last = None;
        for _ in 0..CREATE_ATTEMPTS_MAX {
            // A policy that is refused makes no key.
            let asked = retry::retry_while_transient(
                policy::PRINCIPALS_KNOWN_WAIT,
                say,
                policy::is_unknown_principal_failure,
                create,
            )
            .await;
            let failure = match asked {
                Ok(answer) => {
                    let made = answer.key_metadata.ok_or_else(build_missing_key_failure)?;
                    return Ok(KmsKey {
                        id: made.key_id().to_owned(),
                        arn: made.arn().unwrap_or_default().to_owned(),
                        state: "Enabled".to_owned(),
                        ownership: ResourceOwnership::Ours,
                        policy,
                        alias: false,
                        has_fresh_tags: true,
                    });
                }
                Err(failure) => failure,
            };
            if failure.kind != FailureKind::Unreachable && !error::is_throttling_failure(&failure) {
                return Err(failure);
            }
            say("waiting to see whether the key was made although no answer came");
            tokio::time::sleep(ORPHAN_SEARCH_DELAY).await;
            if let Some(found) = self.find_orphan_kms_key(names).await? {
                return Ok(found);
            }
            last = Some(failure);
        }
        Err(last.unwrap_or_else(build_missing_key_failure))
    }

    /// Points our alias at the key, and returns the key that it points at: an alias is never moved, and where another run
    /// was faster, its key is the one.
    ///
    /// # Errors
    /// Where it points at a key that isn't ours or can't be used, or KMS refuses.
    pub async fn ensure_kms_alias(
        &self,
        names: &ResourceNames,
        key: &KmsKey,
        say: WaitProgressReporter<'_>,
    ) -> Result<KmsKey, Failure> {
        if key.alias {
            return Ok(key.clone());
        }
        let create = || async {
            let asked = self
                .kms
                .create_alias()
                .alias_name(names.kms_alias_name())
                .target_key_id(&key.id)
                .send()
                .await;
            asked.map_err(error::build_aws_action_failure("kms:CreateAlias", names.kms_alias_name()))
        };
        let known = || retry::retry_while_transient(KEY_VISIBLE_WAIT, say, is_missing_failure, &create);
        let done = self.retry_until_key_tags_count(Some(key), "kms:CreateAlias", say, known).await;
        match done {
            Err(failure) if error::has_aws_error_code(&failure, "AlreadyExistsException") => {
                // The alias of a lost reply is ours, and may not be known everywhere yet.
                let described = || async { self.read_kms_key_metadata(names, &names.kms_alias_name()).await };
                let points = retry::poll_until(KEY_VISIBLE_WAIT, say, described).await?;
                if points.key_id() == key.id {
                    return Ok(KmsKey { alias: true, ..key.clone() });
                }
                let theirs = self.read_kms_key_details(names, &points, true).await?;
                if theirs.ownership == ResourceOwnership::Ours && theirs.state == "Enabled" {
                    return Ok(theirs);
                }
                Err(Failure::new_plan_drift_failure(
                    names.kms_alias_name(),
                    "it points at another key by now",
                ))
            }
            done => done.map(|_| KmsKey { alias: true, ..key.clone() }),
        }
    }

    /// Encrypts under the encryption context `packagecloud:enterprise` = bucket.
    ///
    /// # Errors
    /// Where KMS refuses or doesn't answer.
    pub async fn encrypt_secret_with_kms(
        &self,
        key: &KmsKey,
        plaintext: &[u8],
        bucket: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let what = format!("KMS key {}", key.arn);
        let encrypt = || async {
            self.kms
                .encrypt()
                .key_id(&key.arn)
                .plaintext(Blob::new(plaintext))
                .encryption_context(COST_TAG, bucket)
                .send()
                .await
                .map_err(error::build_aws_action_failure("kms:Encrypt", &what))
        };
        let known = || retry::retry_while_transient(KEY_VISIBLE_WAIT, say, is_missing_failure, &encrypt);
        let answer = self.retry_until_key_tags_count(Some(key), "kms:Encrypt", say, known).await?;
        let ciphertext = answer.ciphertext_blob.ok_or_else(|| {
            error::build_missing_response_part_failure("kms:Encrypt", what, "the ciphertext")
        })?;
        Ok(ciphertext.into_inner())
    }
}
