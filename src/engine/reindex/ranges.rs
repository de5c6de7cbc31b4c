//! How the bucket's keys are divided, so that several listings run side by side.
//!
//! By the folders that are there now: owners, then their repositories. Whatever is written later still falls into
//! one of the ranges, since they cover all keys without a gap.

use super::{cursor::ObjectKeyRange, retry_s3_request_briefly};
pub(crate) use crate::aws::s3::fast::{S3ObjectClient, S3RequestError};

/// Listings that run side by side.
const PARALLEL_LISTINGS: usize = 4;
/// Owners whose repositories are looked at.
const SAMPLED_OWNERS_MAX: usize = 8;

/// Divides the bucket by its folders; one range that holds everything where nothing is known of the folders.
pub async fn divide_bucket_into_key_ranges(s3: &S3ObjectClient) -> Vec<ObjectKeyRange> {
    build_key_ranges_from_folders(&list_bucket_folders(s3).await.unwrap_or_default())
}

async fn list_bucket_folders(s3: &S3ObjectClient) -> Result<Vec<String>, S3RequestError> {
    let owners = retry_s3_request_briefly(|| s3.list_objects_page("", "", true)).await?.prefixes;
    if owners.len() >= 4 * PARALLEL_LISTINGS {
        return Ok(owners);
    }
    let step = owners.len().div_ceil(SAMPLED_OWNERS_MAX).max(1);
    let below = owners
        .iter()
        .step_by(step)
        .map(|owner| retry_s3_request_briefly(move || s3.list_objects_page(owner, "", true)));
    let mut all: Vec<_> =
        futures::future::try_join_all(below).await?.into_iter().flat_map(|page| page.prefixes).collect();
    all.extend(owners);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Cuts between `folders`, which are sorted, into about equally many each.
fn build_key_ranges_from_folders(folders: &[String]) -> Vec<ObjectKeyRange> {
    let ranges = PARALLEL_LISTINGS.min(folders.len()).max(1);
    let mut cuts: Vec<_> = (1..ranges).map(|index| folders[index * folders.len() / ranges].clone()).collect();
    cuts.dedup();
    build_key_ranges_from_cuts(&cuts)
}

/// Returns the ranges that end at `cuts`, which are sorted, and the one behind the last.
pub fn build_key_ranges_from_cuts(cuts: &[String]) -> Vec<ObjectKeyRange> {
    let starts = std::iter::once(String::new()).chain(cuts.iter().cloned());
    let ends = cuts.iter().cloned().map(Some).chain([None]);
    starts.zip(ends).map(|(after, until)| ObjectKeyRange { after, until }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_all_keys_without_a_gap() {
        for count in [0, 1, 2, 5, 6, 7, 20, 1000] {
            let folders: Vec<_> = (0..count).map(|number| format!("7/{number:04}/")).collect();
            let ranges = build_key_ranges_from_folders(&folders);
            assert!((1..=PARALLEL_LISTINGS).contains(&ranges.len()), "{count}: {}", ranges.len());
            assert_eq!(ranges[0].after, "");
            assert_eq!(ranges[ranges.len() - 1].until, None);
            assert!(ranges.windows(2).all(|pair| pair[0].until.as_ref() == Some(&pair[1].after)), "{count}");
        }
    }
}
