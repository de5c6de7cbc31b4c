//! What was handed out, and what became of it: how far each range of keys is done without a gap.
//!
//! Holds a bounded amount of memory: an object that takes long is set aside by itself, so that those after it can be
//! forgotten. What the cursor counts as done is done.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::cursor::{ObjectKeyRange, ReindexCounts, ReindexCursor, ReindexPart};
use crate::model::run::tally::top_level_folder;

/// More keys of a range than this are not held for the sake of a slow one.
const HELD_KEYS_MAX: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectReindexOutcome {
    Kept,
    Changed(u64),
    Skipped(Arc<str>),
    Gone,
    /// Left to S3 Batch Operations.
    HandedOver,
    /// Not packagecloud's.
    Foreign,
    /// Set aside: not done, and remembered by itself.
    Deferred,
}

/// A key to process, and where it stands in the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReindexJob {
    range: usize,
    number: u64,
    pub key: Arc<str>,
}

#[derive(Debug)]
struct ObjectKeyOutcome {
    key: Arc<str>,
    outcome: Option<ObjectReindexOutcome>,
}

#[derive(Debug)]
struct KeyRangeProgress {
    range: ObjectKeyRange,
    /// The number of the first key that is held.
    first: u64,
    held: VecDeque<ObjectKeyOutcome>,
    listed: bool,
}

#[derive(Debug, Default)]
pub struct ReindexCheckpoint {
    ranges: Vec<KeyRangeProgress>,
    /// What was set aside: not done, before its range's `after`.
    deferred: BTreeMap<(usize, u64), Arc<str>>,
    /// Of what was set aside, what was given up for this run.
    given_up: usize,
    /// What the cursor holds.
    settled: ReindexCounts,
    /// What a face shows: more than `settled` by what was done out of order.
    live: ReindexCounts,
    handed_out: u64,
    pub uploads: BTreeMap<String, String>,
}

impl ReindexCheckpoint {
    /// Begins with an earlier run's ranges and counts.
    pub fn new(ranges: Vec<ObjectKeyRange>, counts: ReindexCounts) -> Self {
        let ring = |range| KeyRangeProgress { range, first: 0, held: VecDeque::new(), listed: false };
        let handed_out = counts.done;
        Self {
            ranges: ranges.into_iter().map(ring).collect(),
            live: counts.clone(),
            settled: counts,
            handed_out,
            ..Self::default()
        }
    }

    /// Returns the range that is listed as `index`.
    pub fn listing_key_range_at_index(&self, index: usize) -> ObjectKeyRange {
        self.ranges[index].range.clone()
    }

    /// Returns the counts as of now.
    pub fn live_reindex_counts(&self) -> &ReindexCounts {
        &self.live
    }

    /// Counts the keys given to be processed so far, those of earlier runs included.
    pub fn count_keys_given_to_workers(&self) -> u64 {
        self.handed_out
    }

    /// Jobs for keys that an earlier run left undone.
    pub fn requeue_undone_keys(&mut self, keys: Vec<String>) -> Vec<ObjectReindexJob> {
        let mut jobs = Vec::with_capacity(keys.len());
        for (number, key) in keys.into_iter().enumerate() {
            let job = ObjectReindexJob { range: usize::MAX, number: number as u64, key: key.into() };
            self.deferred.insert((job.range, job.number), job.key.clone());
            jobs.push(job);
        }
        self.handed_out += jobs.len() as u64;
        jobs
    }

    /// Enters a range's next keys, in order; those that aren't foreign become jobs.
    pub fn add_listed_object_keys(
        &mut self,
        range: usize,
        keys: impl Iterator<Item = (Arc<str>, bool)>,
    ) -> Vec<ObjectReindexJob> {
        let ring = &mut self.ranges[range];
        let mut jobs = Vec::new();
        for (key, foreign) in keys {
            let number = ring.first + ring.held.len() as u64;
            if foreign {
                count_object_outcome(&mut self.live, &key, &ObjectReindexOutcome::Foreign);
            } else {
                jobs.push(ObjectReindexJob { range, number, key: key.clone() });
            }
            ring.held.push_back(ObjectKeyOutcome {
                key,
                outcome: foreign.then_some(ObjectReindexOutcome::Foreign),
            });
        }
        self.handed_out += jobs.len() as u64;
        self.advance_key_range(range);
        jobs
    }

    /// Keeps that the range has no more keys.
    pub fn mark_key_range_listed(&mut self, range: usize) {
        self.ranges[range].listed = true;
    }

    /// Returns whether all ranges are listed to their ends.
    pub fn is_bucket_fully_listed(&self) -> bool {
        self.ranges.iter().all(|ring| ring.listed)
    }

    /// Returns whether nothing is left but what was given up.
    pub fn is_reindex_finished(&self) -> bool {
        self.ranges.iter().all(|ring| ring.listed && ring.held.is_empty())
            && self.deferred.len() == self.given_up
    }

    /// Returns how many jobs were given up.
    pub fn given_up_key_count(&self) -> usize {
        self.given_up
    }

    /// Counts what came of a job.
    pub fn count_finished_object_job(&mut self, job: &ObjectReindexJob, outcome: ObjectReindexOutcome) {
        count_object_outcome(&mut self.live, &job.key, &outcome);
        if self.deferred.remove(&(job.range, job.number)).is_some() {
            count_object_outcome(&mut self.settled, &job.key, &outcome);
            return;
        }
        let ring = &mut self.ranges[job.range];
        ring.held[(job.number - ring.first) as usize].outcome = Some(outcome);
        self.advance_key_range(job.range);
    }

    /// Counts an access control list that could not be read.
    pub fn increment_unreadable_acl_count(&mut self) {
        self.live.acls_denied += 1;
        self.settled.acls_denied += 1;
    }

    /// Gives up a job that can't be done in this run: the next one takes it up.
    pub fn give_up_object_job(&mut self, job: &ObjectReindexJob) {
        self.given_up += 1;
        if let std::collections::btree_map::Entry::Vacant(place) =
            self.deferred.entry((job.range, job.number))
        {
            place.insert(job.key.clone());
            let ring = &mut self.ranges[job.range];
            let place = (job.number - ring.first) as usize;
            ring.held[place].outcome = Some(ObjectReindexOutcome::Deferred);
            self.advance_key_range(job.range);
        }
    }

    fn advance_key_range(&mut self, range: usize) {
        let ring = &mut self.ranges[range];
        loop {
            match ring.held.front() {
                Some(ObjectKeyOutcome { outcome: Some(_), .. }) => {}
                Some(ObjectKeyOutcome { outcome: None, .. }) if ring.held.len() > HELD_KEYS_MAX => {}
                _ => return,
            }
            let Some(ObjectKeyOutcome { key, outcome }) = ring.held.pop_front() else { return };
            let number = ring.first;
            ring.first += 1;
            match outcome {
                Some(outcome) => count_object_outcome(&mut self.settled, &key, &outcome),
                None => {
                    self.deferred.insert((range, number), key.clone());
                }
            }
            key.as_ref().clone_into(&mut ring.range.after);
        }
    }

    /// Returns what the next run needs, were this one killed now.
    pub fn build_reindex_cursor(&self, rules: &str, part: ReindexPart) -> ReindexCursor {
        let open = self.ranges.iter().filter(|ring| !(ring.listed && ring.held.is_empty()));
        ReindexCursor {
            rules: rules.to_owned(),
            part,
            counts: self.settled.clone(),
            ranges: open.map(|ring| ring.range.clone()).collect(),
            undone: self.deferred.values().map(|key| key.as_ref().to_owned()).collect(),
            uploads: self.uploads.iter().map(|(upload, key)| (key.clone(), upload.clone())).collect(),
        }
    }
}

fn count_object_outcome(counts: &mut ReindexCounts, key: &str, outcome: &ObjectReindexOutcome) {
    match outcome {
        ObjectReindexOutcome::Deferred => return,
        ObjectReindexOutcome::Foreign => return counts.foreign.increment_name_count(top_level_folder(key)),
        ObjectReindexOutcome::Kept => counts.kept += 1,
        ObjectReindexOutcome::Changed(bytes) => {
            counts.changed += 1;
            counts.bytes += bytes;
        }
        ObjectReindexOutcome::Skipped(reason) => {
            counts.skipped += 1;
            counts.reasons.increment_name_count(reason);
        }
        ObjectReindexOutcome::Gone => counts.gone += 1,
        ObjectReindexOutcome::HandedOver => counts.handed_over += 1,
    }
    if !matches!(outcome, ObjectReindexOutcome::Gone) {
        counts.unlinkable.add_unlinkable_key(key);
    }
    counts.done += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_checkpoint() -> ReindexCheckpoint {
        ReindexCheckpoint::new(vec![ObjectKeyRange::default()], ReindexCounts::default())
    }

    fn numbered_keys(range: std::ops::Range<u32>) -> impl Iterator<Item = (Arc<str>, bool)> {
        range.map(|number| (format!("7/8/{number:06}").into(), false))
    }

    #[test]
    fn the_cursor_moves_only_over_what_is_done_without_a_gap() {
        let mut checkpoint = new_checkpoint();
        let jobs = checkpoint.add_listed_object_keys(0, numbered_keys(0..3));
        checkpoint.count_finished_object_job(&jobs[1], ObjectReindexOutcome::Kept);
        assert_eq!(checkpoint.build_reindex_cursor("", ReindexPart::Whole).ranges[0].after, "");
        assert_eq!(
            (
                checkpoint.live_reindex_counts().done,
                checkpoint.build_reindex_cursor("", ReindexPart::Whole).counts.done
            ),
            (1, 0)
        );
        checkpoint.count_finished_object_job(&jobs[0], ObjectReindexOutcome::Changed(7));
        assert_eq!(checkpoint.build_reindex_cursor("", ReindexPart::Whole).ranges[0].after, "7/8/000001");
        assert_eq!(checkpoint.build_reindex_cursor("", ReindexPart::Whole).counts.bytes, 7);
        checkpoint.mark_key_range_listed(0);
        assert!(!checkpoint.is_reindex_finished());
        checkpoint.count_finished_object_job(&jobs[2], ObjectReindexOutcome::Gone);
        assert!(
            checkpoint.is_reindex_finished()
                && checkpoint.build_reindex_cursor("", ReindexPart::Whole).ranges.is_empty()
        );
    }

    #[test]
    fn a_slow_object_is_set_aside_and_nothing_piles_up_behind_it() {
        let mut checkpoint = new_checkpoint();
        let slow = checkpoint.add_listed_object_keys(0, numbered_keys(0..1)).remove(0);
        for page in 0..50 {
            for job in
                checkpoint.add_listed_object_keys(0, numbered_keys(1 + page * 1000..1 + (page + 1) * 1000))
            {
                checkpoint.count_finished_object_job(&job, ObjectReindexOutcome::Kept);
            }
            assert!(checkpoint.ranges[0].held.len() <= HELD_KEYS_MAX + 1000);
        }
        let cursor = checkpoint.build_reindex_cursor("", ReindexPart::Whole);
        assert_eq!(cursor.undone, ["7/8/000000"]);
        assert!(cursor.ranges[0].after.as_str() > "7/8/040000");
        checkpoint.mark_key_range_listed(0);
        assert!(!checkpoint.is_reindex_finished());
        checkpoint.count_finished_object_job(&slow, ObjectReindexOutcome::Changed(1));
        assert!(checkpoint.is_reindex_finished());
        assert_eq!(checkpoint.build_reindex_cursor("", ReindexPart::Whole).counts.done, 50_001);
    }

    #[test]
    fn what_is_given_up_stays_for_the_next_run_and_is_counted_there() {
        let mut first = new_checkpoint();
        let jobs = first.add_listed_object_keys(0, numbered_keys(0..2));
        first.mark_key_range_listed(0);
        first.give_up_object_job(&jobs[0]);
        first.count_finished_object_job(&jobs[1], ObjectReindexOutcome::Kept);
        assert!(first.is_reindex_finished());
        let cursor = first.build_reindex_cursor("", ReindexPart::Whole);
        assert_eq!((cursor.undone.as_slice(), cursor.counts.done), (["7/8/000000".to_owned()].as_slice(), 1));
        assert_eq!(cursor.ranges, []);

        let mut second = ReindexCheckpoint::new(cursor.ranges, cursor.counts);
        let jobs = second.requeue_undone_keys(cursor.undone);
        assert!(!second.is_reindex_finished());
        second.count_finished_object_job(&jobs[0], ObjectReindexOutcome::Changed(3));
        assert!(second.is_reindex_finished());
        assert_eq!(
            (
                second.build_reindex_cursor("", ReindexPart::Whole).counts.done,
                second.live_reindex_counts().changed
            ),
            (2, 1)
        );
    }

    #[test]
    fn foreign_keys_are_counted_by_prefix_and_never_become_jobs() {
        let mut checkpoint = new_checkpoint();
        let foreign = |key: &str| (Arc::<str>::from(key), true);
        assert!(
            checkpoint
                .add_listed_object_keys(
                    0,
                    [foreign("backups/a"), foreign("backups/b/c"), foreign("top")].into_iter()
                )
                .is_empty()
        );
        assert_eq!(checkpoint.live_reindex_counts().foreign.count_for_name("backups/"), 2);
        assert_eq!(checkpoint.live_reindex_counts().foreign.count_for_name("(no folder)"), 1);
        assert_eq!(checkpoint.live_reindex_counts().done, 0);
        assert_eq!(
            checkpoint.build_reindex_cursor("", ReindexPart::Whole).counts,
            *checkpoint.live_reindex_counts()
        );
    }

    /// A listing of ten million keys in four ranges, a thousand in flight, one of which never comes back: what is held
    /// and what the cursor weighs depends on neither. A tenth of it, unless everything is asked for.
    #[test]
    fn ten_million_keys_hold_no_more_than_ten_thousand() {
        let everything = std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some();
        let pages = if everything { 10_000 } else { 1_000 };
        let mut checkpoint =
            ReindexCheckpoint::new(vec![ObjectKeyRange::default(); 4], ReindexCounts::default());
        let (mut in_flight, mut slow) = (VecDeque::new(), None);
        let (mut held, mut weight) = (0, 0);
        for page in 0..pages {
            let (range, at) = (page % 4, page / 4);
            let keys = (0..1000).map(|number| {
                let foreign = number % 10 == 0;
                let folder = if foreign { "backups" } else { "7" };
                (format!("{folder}/{range}/package_files/{at:06}{number:03}.deb").into(), foreign)
            });
            in_flight.extend(checkpoint.add_listed_object_keys(range, keys));
            if slow.is_none() {
                slow = in_flight.pop_front();
            }
            while in_flight.len() > 1000 {
                let job = in_flight.swap_remove_back(in_flight.len() / 3).unwrap();
                checkpoint.count_finished_object_job(&job, ObjectReindexOutcome::Changed(1));
            }
            held = held.max(checkpoint.ranges.iter().map(|ring| ring.held.len()).sum());
            if page % 100 == 0 {
                weight = weight.max(
                    serde_json::to_vec(&checkpoint.build_reindex_cursor("", ReindexPart::Whole))
                        .unwrap()
                        .len(),
                );
            }
        }
        assert!(held <= 4 * (HELD_KEYS_MAX + 1000), "{held} keys are held");
        assert!(weight < 200_000, "the cursor has {weight} bytes");
        in_flight.extend(slow);
        in_flight
            .drain(..)
            .for_each(|job| checkpoint.count_finished_object_job(&job, ObjectReindexOutcome::Kept));
        (0..4).for_each(|range| checkpoint.mark_key_range_listed(range));
        assert!(checkpoint.is_reindex_finished());
        assert_eq!(
            (
                checkpoint.live_reindex_counts().done,
                checkpoint.live_reindex_counts().foreign.count_for_name("backups/")
            ),
            (pages as u64 * 900, pages as u64 * 100)
        );
    }
}
