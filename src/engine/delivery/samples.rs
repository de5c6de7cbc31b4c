//! Which objects the probes ask for: packages and metadata that can be served as far as the bucket's listing tells, the likeliest first.
//!
//! Whether one is really served shows when it is asked for; then another stands in for it.

use crate::engine::session::{AwsTarget, target::SAMPLED_KEYS_MAX};
use crate::model::{
    aws::bucket::ListedObject,
    failure::Failure,
    packagecloud::{
        object::{ObjectCacheClass, ObjectClassifier},
        oversized::SERVED_OBJECT_MAX_BYTES,
        unlinkable::UnlinkableKeys,
    },
    url::token::can_link_carry_key,
};

/// Where the first page holds not both kinds, this many keys are looked at.
const FURTHER_KEYS_MAX: usize = 50_000;
/// Objects of a kind that stand in for each other: the smallest, and others from all over the listing.
const SMALLEST_SAMPLES: usize = 4;
const SPREAD_SAMPLES: usize = 4;

/// Keys to probe with; none in an empty bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleObjectKeys {
    /// Packages, the likeliest to be served first; one that was served stands before all others.
    packages: Vec<String>,
    metadata: Vec<String>,
    /// Of the keys that were looked at, those that no link can carry.
    pub unlinkable: UnlinkableKeys,
}

impl SampleObjectKeys {
    /// Returns the package to ask for.
    #[must_use]
    pub fn first_sample_package(&self) -> Option<&str> {
        self.packages.first().map(String::as_str)
    }

    /// Returns the packages, each of which stands in for those before it.
    #[must_use]
    pub fn sample_packages(&self) -> &[String] {
        &self.packages
    }

    /// Returns pieces of repository metadata, each of which stands in for those before it.
    #[must_use]
    pub fn sample_metadata(&self) -> &[String] {
        &self.metadata
    }

    /// Puts the package that was served before all others; without one, none is asked for any more.
    pub fn settle_on_sample_package(&mut self, served: Option<&str>) {
        match served {
            Some(served) => self.packages.sort_by_key(|key| key != served),
            None => self.packages.clear(),
        }
    }

    /// Chooses from what was listed.
    pub(crate) fn choose_samples_from_listing(listed: &[ListedObject]) -> Self {
        let classes = ObjectClassifier::default();
        let mut unlinkable = UnlinkableKeys::default();
        let (mut packages, mut metadata) = (Vec::new(), Vec::new());
        for object in listed {
            let kind = match classes.classify_object_key(&object.key) {
                ObjectCacheClass::Package => &mut packages,
                ObjectCacheClass::Metadata => &mut metadata,
                ObjectCacheClass::Foreign => continue,
            };
            unlinkable.add_unlinkable_key(&object.key);
            if may_object_be_served(object) {
                kind.push(object);
            }
        }
        Self {
            packages: choose_likeliest_objects(packages),
            metadata: choose_likeliest_objects(metadata),
            unlinkable,
        }
    }
}

/// Whether CloudFront may be able to serve it, as far as a listing tells.
fn may_object_be_served(object: &ListedObject) -> bool {
    object.size > 0
        && object.size <= SERVED_OBJECT_MAX_BYTES
        && !object.archived
        && can_link_carry_key(&object.key)
}

/// The smallest, then some from all over the listing: what is wrong with one may be wrong with its neighbours.
fn choose_likeliest_objects(mut objects: Vec<&ListedObject>) -> Vec<String> {
    let spread: Vec<&ListedObject> =
        objects.iter().step_by(objects.len().div_ceil(SPREAD_SAMPLES).max(1)).copied().collect();
    objects.sort_by_key(|object| object.size);
    let mut keys: Vec<String> = Vec::new();
    for object in objects.into_iter().take(SMALLEST_SAMPLES).chain(spread) {
        if !keys.contains(&object.key) {
            keys.push(object.key.clone());
        }
    }
    keys
}

/// Finds packages and repository metadata to ask for. Where a first page holds not both, as a repository with many
/// indexes may, it looks further.
///
/// # Errors
/// Fails where the bucket can't be listed.
pub async fn find_sample_object_keys(target: &AwsTarget) -> Result<SampleObjectKeys, Failure> {
    let first = target.list_first_page_of_bucket().await?;
    let samples = SampleObjectKeys::choose_samples_from_listing(&first);
    if first.len() < SAMPLED_KEYS_MAX || !(samples.packages.is_empty() || samples.metadata.is_empty()) {
        return Ok(samples);
    }
    let further = target.cloud.list_objects(target.names.bucket_name(), "", FURTHER_KEYS_MAX).await?;
    Ok(SampleObjectKeys::choose_samples_from_listing(&further))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed_object(key: &str, size: u64) -> ListedObject {
        ListedObject { key: key.to_owned(), size, etag: String::new(), archived: false }
    }

    #[test]
    fn only_what_can_be_served_is_asked_for_the_smallest_first() {
        let listed = [
            listed_object("7/8/package_files//tiny.deb", 1),
            listed_object("7/8/package_files/a\u{1}.deb", 1),
            listed_object("7/8/package_files/empty.deb", 0),
            listed_object("7/8/package_files/huge.deb", SERVED_OBJECT_MAX_BYTES + 1),
            ListedObject { archived: true, ..listed_object("7/8/package_files/old.deb", 2) },
            listed_object("7/8/package_files/large.deb", 900),
            listed_object("7/8/package_files/small.deb", 9),
            listed_object("7/8/dists/jammy/../Release", 3),
            listed_object("7/8/dists/jammy/Release", 40),
            listed_object("backups//x.deb", 1),
        ];
        let samples = SampleObjectKeys::choose_samples_from_listing(&listed);
        assert_eq!(samples.sample_packages(), ["7/8/package_files/small.deb", "7/8/package_files/large.deb"]);
        assert_eq!(samples.sample_metadata(), ["7/8/dists/jammy/Release"]);
        let said = samples.unlinkable.render_unlinkable_keys().unwrap();
        assert!(said.contains("3 of the keys") && said.contains("7/8/package_files//tiny.deb"), "{said}");
    }

    #[test]
    fn those_that_stand_in_are_not_all_neighbours() {
        let listed: Vec<ListedObject> = (0..100)
            .map(|number| listed_object(&format!("7/{number}/package_files/1.deb"), 1 + number))
            .collect();
        let samples = SampleObjectKeys::choose_samples_from_listing(&listed);
        let owners: Vec<&str> =
            samples.sample_packages().iter().map(|key| key.split('/').nth(1).unwrap()).collect();
        assert_eq!(owners, ["0", "1", "2", "3", "25", "50", "75"]);
    }

    #[test]
    fn the_one_that_was_served_comes_first() {
        let listed = ["a", "b", "c"].map(|name| listed_object(&format!("7/8/package_files/{name}.deb"), 1));
        let mut samples = SampleObjectKeys::choose_samples_from_listing(&listed);
        samples.settle_on_sample_package(Some("7/8/package_files/b.deb"));
        assert_eq!(samples.first_sample_package(), Some("7/8/package_files/b.deb"));
        assert_eq!(samples.sample_packages().len(), 3);
        samples.settle_on_sample_package(None);
        assert_eq!(samples.first_sample_package(), None);
    }
}
