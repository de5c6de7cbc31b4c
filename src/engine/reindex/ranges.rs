//! How the bucket's keys are divided, so that several listings run side by side.
//!
//! By the folders that are there now: owners, then their repositories. Whatever is written later still falls into
//! one of the ranges, since they cover all keys without a gap.

use super::{a_few_times, cursor::Range};
pub(crate) use crate::aws::s3::fast::{Objects, Refusal};

/// Listings that run side by side.
const RANGES: usize = 4;
/// Owners whose repositories are looked at.
const OWNERS: usize = 8;

/// The ranges; one that holds everything where nothing is known of the folders.
pub async fn divide(s3: &Objects) -> Vec<Range> {
    cut(&folders(s3).await.unwrap_or_default())
}

async fn folders(s3: &Objects) -> Result<Vec<String>, Refusal> {
    let owners = a_few_times(|| s3.list("", "", true)).await?.prefixes;
    if owners.len() >= 4 * RANGES {
        return Ok(owners);
    }
    let step = owners.len().div_ceil(OWNERS).max(1);
    let below = owners.iter().step_by(step).map(|owner| a_few_times(move || s3.list(owner, "", true)));
    let mut all: Vec<_> =
        futures::future::try_join_all(below).await?.into_iter().flat_map(|page| page.prefixes).collect();
    all.extend(owners);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Cuts between `folders`, which are sorted, into about equally many each.
fn cut(folders: &[String]) -> Vec<Range> {
    let ranges = RANGES.min(folders.len()).max(1);
    let mut cuts: Vec<_> = (1..ranges).map(|index| folders[index * folders.len() / ranges].clone()).collect();
    cuts.dedup();
    between(&cuts)
}

/// The ranges that end at `cuts`, which are sorted, and the one behind the last.
pub fn between(cuts: &[String]) -> Vec<Range> {
    let starts = std::iter::once(String::new()).chain(cuts.iter().cloned());
    let ends = cuts.iter().cloned().map(Some).chain([None]);
    starts.zip(ends).map(|(after, until)| Range { after, until }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_all_keys_without_a_gap() {
        for count in [0, 1, 2, 5, 6, 7, 20, 1000] {
            let folders: Vec<_> = (0..count).map(|number| format!("7/{number:04}/")).collect();
            let ranges = cut(&folders);
            assert!((1..=RANGES).contains(&ranges.len()), "{count}: {}", ranges.len());
            assert_eq!(ranges[0].after, "");
            assert_eq!(ranges[ranges.len() - 1].until, None);
            assert!(ranges.windows(2).all(|pair| pair[0].until.as_ref() == Some(&pair[1].after)), "{count}");
        }
    }
}
