//! Counts by name, of which there may be any number: past a bound, new names are counted as others.
//!
//! What a bucket holds decides the names; how much memory they take must not depend on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names that are told apart.
const MAX_NAMES: usize = 64;
const OTHERS_NAME: &str = "(others)";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CountsByName(BTreeMap<String, u64>);

impl CountsByName {
    /// Counts `name` once more.
    pub fn increment_name_count(&mut self, name: &str) {
        self.add_to_name_count(name, 1);
    }

    /// Adds the counts of another tally.
    pub fn merge_tally(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, count)| self.add_to_name_count(name, *count));
    }

    fn add_to_name_count(&mut self, name: &str, more: u64) {
        if let Some(count) = self.0.get_mut(name) {
            *count += more;
            return;
        }
        let name = if self.0.len() < MAX_NAMES { name } else { OTHERS_NAME };
        *self.0.entry(name.to_owned()).or_default() += more;
    }

    /// Returns whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the count of all names together.
    #[must_use]
    pub fn sum_name_counts(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns how often `name` was counted.
    #[must_use]
    pub fn count_for_name(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Returns the `most` frequent names, the most frequent first, and how many are counted under the rest.
    #[must_use]
    pub fn most_frequent_names(&self, most: usize) -> (Vec<(&str, u64)>, u64) {
        let mut all: Vec<(&str, u64)> = self.0.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        // stable: names of one frequency stay in their order
        all.sort_by_key(|(name, count)| (*name == OTHERS_NAME, std::cmp::Reverse(*count)));
        let rest = all.iter().skip(most).map(|(_, count)| count).sum();
        all.truncate(most);
        (all, rest)
    }
}

/// Returns what stands before a key's first `/`, with it: `backups/`.
#[must_use]
pub fn top_level_folder(key: &str) -> &str {
    key.split_inclusive('/').next().filter(|first| first.ends_with('/')).unwrap_or("(no folder)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_the_most_frequent_come_first() {
        let mut tally = CountsByName::default();
        for number in 0..1000 {
            tally.increment_name_count(&format!("x{number}/"));
        }
        tally.increment_name_count("x3/");
        assert_eq!((tally.sum_name_counts(), tally.0.len()), (1001, MAX_NAMES + 1));
        let (first, rest) = tally.most_frequent_names(2);
        assert_eq!((first, rest), (vec![("x3/", 2), ("x0/", 1)], 998));
        assert_eq!(tally.count_for_name(OTHERS_NAME), 1000 - MAX_NAMES as u64);
    }

    #[test]
    fn a_folder_is_what_stands_before_the_first_slash() {
        assert_eq!(["backups/a/b", "/a", "top"].map(top_level_folder), ["backups/", "/", "(no folder)"]);
    }
}
