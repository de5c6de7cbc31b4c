//! What a reindex would cost and touch, from a first look at the bucket's listing.
//!
//! Listing costs a thousandth of what the rewrite does; past a number of pages it says "at least".

use super::{cursor::ObjectKeyRange, ranges, retry_s3_request_briefly};
pub(crate) use crate::aws::s3::fast::{ObjectListingEntry, S3ObjectClient, S3RequestError, S3StorageClass};
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::{
        object::{ObjectCacheClass, ObjectClassifier},
        oversized::OversizedObjects,
        path_cache::{CachePolicyRole, PathCacheRule, PathSpellingReading, find_policy_for_viewer_path},
        unlinkable::UnlinkableKeys,
    },
    prices::{S3_READ_REQUEST, S3_WRITE_REQUEST},
    run::tally::{CountsByName, top_level_folder},
    status::cost::render_dollars,
    url::token::encode_canonical_path,
};

/// S3 lists so many keys in one request.
const LISTED_KEYS_A_REQUEST: f64 = 1000.0;

/// What a listing, or the beginning of one, shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketSurvey {
    pub packages: u64,
    pub metadata: u64,
    /// Of the packages, those that CloudFront caches by their path.
    pub cached_by_path: u64,
    /// Keys that are not of packagecloud's layout, by what stands before their first `/`.
    pub foreign: CountsByName,
    pub bytes: u64,
    /// Objects in classes that charge for reading and for early changes.
    pub cool: u64,
    pub archived: u64,
    /// Of packagecloud's keys, those that no link can carry.
    pub unlinkable: UnlinkableKeys,
    /// Of packagecloud's objects, those that are larger than CloudFront serves.
    pub oversized: OversizedObjects,
    /// Whether there is more than was listed.
    pub more: bool,
    /// Keys between which it was listed side by side.
    pub cuts: Vec<String>,
}

/// Counts by listing, `pages` of a thousand keys at most, in several parts of the bucket side by side.
///
/// # Errors
/// Where the bucket can't be listed.
pub async fn estimate_bucket_objects(
    s3: &S3ObjectClient,
    classes: &ObjectClassifier,
    rules: &[PathCacheRule],
    pages: usize,
) -> Result<BucketSurvey, Failure> {
    let ranges = ranges::divide_bucket_into_key_ranges(s3).await;
    let each = (pages / ranges.len()).max(1);
    let parts = ranges.iter().map(|range| survey_object_key_range(s3, (classes, rules), range, each));
    let parts = futures::future::try_join_all(parts)
        .await
        .map_err(|refusal| build_bucket_listing_failure(s3.bucket_name(), refusal))?;
    let cuts = ranges.iter().filter_map(|range| range.until.clone()).collect();
    let mut whole = BucketSurvey { cuts, ..BucketSurvey::default() };
    for part in parts {
        whole.packages += part.packages;
        whole.metadata += part.metadata;
        whole.cached_by_path += part.cached_by_path;
        whole.foreign.merge_tally(&part.foreign);
        whole.bytes += part.bytes;
        whole.cool += part.cool;
        whole.archived += part.archived;
        whole.unlinkable.merge_unlinkable_keys(&part.unlinkable);
        whole.oversized.merge_oversized_objects(&part.oversized);
        whole.more |= part.more;
    }
    Ok(whole)
}

/// The beginning of one range, or all of it.
async fn survey_object_key_range(
    s3: &S3ObjectClient,
    (classes, rules): (&ObjectClassifier, &[PathCacheRule]),
    range: &ObjectKeyRange,
    pages: usize,
) -> Result<BucketSurvey, S3RequestError> {
    let (mut survey, mut after) = (BucketSurvey::default(), range.after.clone());
    for _ in 0..pages {
        let page = retry_s3_request_briefly(|| s3.list_objects_page("", &after, false)).await?;
        survey.more = page.more;
        for entry in &page.entries {
            if range.until.as_ref().is_some_and(|until| entry.key > *until) {
                survey.more = false;
                break;
            }
            survey.count_surveyed_object(classes.classify_object_key(&entry.key), rules, entry);
        }
        match page.entries.last() {
            Some(last) if survey.more => after.clone_from(&last.key),
            _ => break,
        }
    }
    Ok(survey)
}

/// Says dollars; cents that nobody pays are not told to two digits.
fn render_small_cost(least: &str, dollars: f64) -> String {
    if least.is_empty() && dollars < 0.01 {
        return "less than a cent".to_owned();
    }
    format!("{least}{}", render_dollars(dollars))
}

fn build_bucket_listing_failure(bucket: &str, refusal: S3RequestError) -> Failure {
    let what = format!("listing bucket {bucket}");
    match refusal {
        S3RequestError::Fatal(failure) => failure,
        S3RequestError::Denied { why, next } => Failure::new(FailureKind::Denied, what, why, next),
        S3RequestError::Refused { why, next, .. } => Failure::new_generic_failure(what, why, next),
        S3RequestError::Throttled => {
            Failure::new_generic_failure(what, "S3 said SlowDown", "look again in a moment")
        }
        S3RequestError::Broken(why) => Failure::new(
            FailureKind::Unreachable,
            what,
            why,
            "check the region, the network and the endpoint, then look again",
        ),
        S3RequestError::Unsupported(why) => {
            Failure::new_generic_failure(what, why, "check --endpoint-url: S3 lists buckets so")
        }
        other => {
            Failure::new_generic_failure(what, format!("{other:?}"), "check --bucket and --endpoint-url")
        }
    }
}

/// Renders a tally: `120 in backups/, 3 in (no folder), 9 in others`.
pub fn render_counts_by_name(tally: &CountsByName, relation: &str, most: usize) -> String {
    let (first, rest) = tally.most_frequent_names(most);
    let mut parts: Vec<String> =
        first.into_iter().map(|(name, count)| format!("{count} {relation}{name}")).collect();
    if rest > 0 {
        parts.push(format!("{rest} {relation}others"));
    }
    parts.join(", ")
}

impl BucketSurvey {
    fn count_surveyed_object(
        &mut self,
        class: ObjectCacheClass,
        rules: &[PathCacheRule],
        entry: &ObjectListingEntry,
    ) {
        match class {
            ObjectCacheClass::Foreign => {
                return self.foreign.increment_name_count(top_level_folder(&entry.key));
            }
            ObjectCacheClass::Package => {
                self.packages += 1;
                let path = encode_canonical_path(&format!("/{}", entry.key));
                let role = find_policy_for_viewer_path(rules, &path, PathSpellingReading::Raw);
                self.cached_by_path += u64::from(role == CachePolicyRole::Packages);
            }
            ObjectCacheClass::Metadata => self.metadata += 1,
        }
        self.bytes += entry.size;
        self.unlinkable.add_unlinkable_key(&entry.key);
        self.oversized.add_oversized_object(&entry.key, entry.size);
        match entry.storage_class {
            S3StorageClass::Standard => {}
            S3StorageClass::Cool => self.cool += 1,
            S3StorageClass::Archived => self.archived += 1,
        }
    }

    /// Counts the objects that a reindex looks at.
    #[must_use]
    pub fn total_surveyed_object_count(&self) -> u64 {
        self.packages + self.metadata
    }

    /// Returns the cost in US dollars at S3's list price where every object has to be changed; `acl`: a request more for each.
    #[must_use]
    pub fn estimate_reindex_cost_usd(&self, acl: bool) -> f64 {
        let each = S3_READ_REQUEST.dollars * (1.0 + f64::from(u8::from(acl))) + S3_WRITE_REQUEST.dollars;
        // It is listed twice: the repository metadata first, then the packages.
        self.total_surveyed_object_count() as f64
            * (each + 2.0 * S3_WRITE_REQUEST.dollars / LISTED_KEYS_A_REQUEST)
    }

    /// Renders what the reindex adds to what CloudFront caches by its path (contract section 5), in whole sentences.
    #[must_use]
    pub fn render_gain_over_path_caching(&self) -> String {
        let mut gain = vec!["Going live does not wait for this.".to_owned()];
        if self.packages > 0 {
            gain.push(format!(
                "CloudFront caches {} of the {} packages listed by their paths, each for a day, and then asks S3 whether it changed. Once rewritten, a package may stay for a year, in other caches too.",
                self.cached_by_path, self.packages
            ));
        }
        let elsewhere = self.packages - self.cached_by_path;
        if elsewhere > 0 {
            let what = if elsewhere == 1 { "package elsewhere passes" } else { "packages elsewhere pass" };
            gain.push(format!("Until the reindex is done, the {elsewhere} {what} through uncached."));
        }
        gain.push(
            "Until the reindex is done, repository metadata without a Cache-Control may be served stale while S3 fails."
                .to_owned(),
        );
        gain.join(" ")
    }

    /// Renders what to tell before anything is written: whole sentences.
    #[must_use]
    pub fn render_bucket_survey_lines(&self, acl: bool) -> Vec<String> {
        let least = if self.more { "at least " } else { "" };
        let requests = if acl { "a HEAD, a GetObjectAcl and a copy" } else { "a HEAD and a copy" };
        let mut lines = vec![
            format!(
                "{least}{} objects: {} packages, {} of repository metadata.",
                self.total_surveyed_object_count(),
                self.packages,
                self.metadata
            ),
            format!(
                "Each that needs a change costs {requests}: {} in all, by S3's list price. No bytes pass through this machine.",
                render_small_cost(least, self.estimate_reindex_cost_usd(acl))
            ),
            "For lifecycle rules, the age of each changed object starts again.".to_owned(),
        ];
        if self.cool > 0 {
            lines.push(format!(
                "{} objects are in classes that charge for reading them, and for changing them early.",
                self.cool
            ));
        }
        if self.archived > 0 {
            lines.push(format!("{} objects are archived: they can't be changed before they are restored, and will be listed.", self.archived));
        }
        if let Some(unlinkable) = self.unlinkable.render_unlinkable_keys() {
            lines.push(format!("Of what was listed, {unlinkable}."));
        }
        if let Some(oversized) = self.oversized.render_oversized_objects() {
            lines.push(format!("{oversized}."));
        }
        if !self.foreign.is_empty() {
            lines.push(format!(
                "{} keys are not of packagecloud's layout: they are left alone (--all-keys takes them too): {}.",
                self.foreign.sum_name_counts(),
                render_counts_by_name(&self.foreign, "in ", 5)
            ));
        }
        lines
    }
}
