//! What was handed out, and what became of it: how far each range of keys is done without a gap.
//!
//! Holds a bounded amount of memory: an object that takes long is set aside by itself, so that those after it can be
//! forgotten. What the cursor counts as done is done.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::cursor::{Counts, Cursor, Range};
use crate::model::run::tally::folder;

/// More keys of a range than this are not held for the sake of a slow one.
const HELD: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Kept,
    Changed(u64),
    Skipped(Arc<str>),
    Gone,
    /// Left to S3 Batch Operations.
    HandedOver,
    /// Not packagecloud's.
    Foreign,
    /// Set aside: not done, and remembered by itself.
    Aside,
}

/// A key to treat, and where it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    range: usize,
    number: u64,
    pub key: Arc<str>,
}

#[derive(Debug)]
struct Held {
    key: Arc<str>,
    outcome: Option<Outcome>,
}

#[derive(Debug)]
struct Ring {
    range: Range,
    /// The number of the first key that is held.
    first: u64,
    held: VecDeque<Held>,
    listed: bool,
}

#[derive(Debug, Default)]
pub struct Ledger {
    rings: Vec<Ring>,
    /// What was set aside: not done, before its range's `after`.
    aside: BTreeMap<(usize, u64), Arc<str>>,
    /// Of what was set aside, what was given up for this run.
    given_up: usize,
    /// What the cursor holds.
    settled: Counts,
    /// What a face shows: more than `settled` by what was done out of order.
    live: Counts,
    handed_out: u64,
    pub uploads: BTreeMap<String, String>,
}

impl Ledger {
    pub fn new(ranges: Vec<Range>, counts: Counts) -> Self {
        let ring = |range| Ring { range, first: 0, held: VecDeque::new(), listed: false };
        let handed_out = counts.done;
        Self {
            rings: ranges.into_iter().map(ring).collect(),
            live: counts.clone(),
            settled: counts,
            handed_out,
            ..Self::default()
        }
    }

    pub fn range(&self, index: usize) -> Range {
        self.rings[index].range.clone()
    }

    pub fn counts(&self) -> &Counts {
        &self.live
    }

    /// Keys given to be treated so far, those of earlier runs included.
    pub fn handed_out(&self) -> u64 {
        self.handed_out
    }

    /// Jobs for keys that an earlier run left undone.
    pub fn take_back(&mut self, keys: Vec<String>) -> Vec<Job> {
        let mut jobs = Vec::with_capacity(keys.len());
        for (number, key) in keys.into_iter().enumerate() {
            let job = Job { range: usize::MAX, number: number as u64, key: key.into() };
            self.aside.insert((job.range, job.number), job.key.clone());
            jobs.push(job);
        }
        self.handed_out += jobs.len() as u64;
        jobs
    }

    /// Enters a range's next keys, in order; those that aren't foreign become jobs.
    pub fn hand_out(&mut self, range: usize, keys: impl Iterator<Item = (Arc<str>, bool)>) -> Vec<Job> {
        let ring = &mut self.rings[range];
        let mut jobs = Vec::new();
        for (key, foreign) in keys {
            let number = ring.first + ring.held.len() as u64;
            if foreign {
                add(&mut self.live, &key, &Outcome::Foreign);
            } else {
                jobs.push(Job { range, number, key: key.clone() });
            }
            ring.held.push_back(Held { key, outcome: foreign.then_some(Outcome::Foreign) });
        }
        self.handed_out += jobs.len() as u64;
        self.advance(range);
        jobs
    }

    /// The range has no more keys.
    pub fn listed(&mut self, range: usize) {
        self.rings[range].listed = true;
    }

    pub fn all_listed(&self) -> bool {
        self.rings.iter().all(|ring| ring.listed)
    }

    /// Whether nothing is left but what was given up.
    pub fn finished(&self) -> bool {
        self.rings.iter().all(|ring| ring.listed && ring.held.is_empty()) && self.aside.len() == self.given_up
    }

    pub fn given_up(&self) -> usize {
        self.given_up
    }

    pub fn settle(&mut self, job: &Job, outcome: Outcome) {
        add(&mut self.live, &job.key, &outcome);
        if self.aside.remove(&(job.range, job.number)).is_some() {
            add(&mut self.settled, &job.key, &outcome);
            return;
        }
        let ring = &mut self.rings[job.range];
        ring.held[(job.number - ring.first) as usize].outcome = Some(outcome);
        self.advance(job.range);
    }

    /// An access control list could not be read.
    pub fn acl_denied(&mut self) {
        self.live.acls_denied += 1;
        self.settled.acls_denied += 1;
    }

    /// The job can't be done in this run: the next one takes it up.
    pub fn give_up(&mut self, job: &Job) {
        self.given_up += 1;
        if let std::collections::btree_map::Entry::Vacant(place) = self.aside.entry((job.range, job.number)) {
            place.insert(job.key.clone());
            let ring = &mut self.rings[job.range];
            let place = (job.number - ring.first) as usize;
            ring.held[place].outcome = Some(Outcome::Aside);
            self.advance(job.range);
        }
    }

    fn advance(&mut self, range: usize) {
        let ring = &mut self.rings[range];
        loop {
            match ring.held.front() {
                Some(Held { outcome: Some(_), .. }) => {}
                Some(Held { outcome: None, .. }) if ring.held.len() > HELD => {}
                _ => return,
            }
            let Some(Held { key, outcome }) = ring.held.pop_front() else { return };
            let number = ring.first;
            ring.first += 1;
            match outcome {
                Some(outcome) => add(&mut self.settled, &key, &outcome),
                None => {
                    self.aside.insert((range, number), key.clone());
                }
            }
            key.as_ref().clone_into(&mut ring.range.after);
        }
    }

    /// What the next run needs, were this one killed now.
    pub fn cursor(&self, rules: &str) -> Cursor {
        let open = self.rings.iter().filter(|ring| !(ring.listed && ring.held.is_empty()));
        Cursor {
            rules: rules.to_owned(),
            counts: self.settled.clone(),
            ranges: open.map(|ring| ring.range.clone()).collect(),
            undone: self.aside.values().map(|key| key.as_ref().to_owned()).collect(),
            uploads: self.uploads.iter().map(|(upload, key)| (key.clone(), upload.clone())).collect(),
        }
    }
}

fn add(counts: &mut Counts, key: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Aside => return,
        Outcome::Foreign => return counts.foreign.add(folder(key)),
        Outcome::Kept => counts.kept += 1,
        Outcome::Changed(bytes) => {
            counts.changed += 1;
            counts.bytes += bytes;
        }
        Outcome::Skipped(reason) => {
            counts.skipped += 1;
            counts.reasons.add(reason);
        }
        Outcome::Gone => counts.gone += 1,
        Outcome::HandedOver => counts.handed_over += 1,
    }
    counts.done += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(vec![Range::default()], Counts::default())
    }

    fn keys(range: std::ops::Range<u32>) -> impl Iterator<Item = (Arc<str>, bool)> {
        range.map(|number| (format!("7/8/{number:06}").into(), false))
    }

    #[test]
    fn the_cursor_moves_only_over_what_is_done_without_a_gap() {
        let mut ledger = ledger();
        let jobs = ledger.hand_out(0, keys(0..3));
        ledger.settle(&jobs[1], Outcome::Kept);
        assert_eq!(ledger.cursor("").ranges[0].after, "");
        assert_eq!((ledger.counts().done, ledger.cursor("").counts.done), (1, 0));
        ledger.settle(&jobs[0], Outcome::Changed(7));
        assert_eq!(ledger.cursor("").ranges[0].after, "7/8/000001");
        assert_eq!(ledger.cursor("").counts.bytes, 7);
        ledger.listed(0);
        assert!(!ledger.finished());
        ledger.settle(&jobs[2], Outcome::Gone);
        assert!(ledger.finished() && ledger.cursor("").ranges.is_empty());
    }

    #[test]
    fn a_slow_object_is_set_aside_and_nothing_piles_up_behind_it() {
        let mut ledger = ledger();
        let slow = ledger.hand_out(0, keys(0..1)).remove(0);
        for page in 0..50 {
            for job in ledger.hand_out(0, keys(1 + page * 1000..1 + (page + 1) * 1000)) {
                ledger.settle(&job, Outcome::Kept);
            }
            assert!(ledger.rings[0].held.len() <= HELD + 1000);
        }
        let cursor = ledger.cursor("");
        assert_eq!(cursor.undone, ["7/8/000000"]);
        assert!(cursor.ranges[0].after.as_str() > "7/8/040000");
        ledger.listed(0);
        assert!(!ledger.finished());
        ledger.settle(&slow, Outcome::Changed(1));
        assert!(ledger.finished());
        assert_eq!(ledger.cursor("").counts.done, 50_001);
    }

    #[test]
    fn what_is_given_up_stays_for_the_next_run_and_is_counted_there() {
        let mut first = ledger();
        let jobs = first.hand_out(0, keys(0..2));
        first.listed(0);
        first.give_up(&jobs[0]);
        first.settle(&jobs[1], Outcome::Kept);
        assert!(first.finished());
        let cursor = first.cursor("");
        assert_eq!((cursor.undone.as_slice(), cursor.counts.done), (["7/8/000000".to_owned()].as_slice(), 1));
        assert_eq!(cursor.ranges, []);

        let mut second = Ledger::new(cursor.ranges, cursor.counts);
        let jobs = second.take_back(cursor.undone);
        assert!(!second.finished());
        second.settle(&jobs[0], Outcome::Changed(3));
        assert!(second.finished());
        assert_eq!((second.cursor("").counts.done, second.counts().changed), (2, 1));
    }

    #[test]
    fn foreign_keys_are_counted_by_prefix_and_never_become_jobs() {
        let mut ledger = ledger();
        let foreign = |key: &str| (Arc::<str>::from(key), true);
        assert!(
            ledger
                .hand_out(0, [foreign("backups/a"), foreign("backups/b/c"), foreign("top")].into_iter())
                .is_empty()
        );
        assert_eq!(ledger.counts().foreign.get("backups/"), 2);
        assert_eq!(ledger.counts().foreign.get("(no folder)"), 1);
        assert_eq!(ledger.counts().done, 0);
        assert_eq!(ledger.cursor("").counts, *ledger.counts());
    }

    /// A listing of ten million keys in four ranges, a thousand in flight, one of which never comes back: what is held
    /// and what the cursor weighs depends on neither. A tenth of it, unless everything is asked for.
    #[test]
    fn ten_million_keys_hold_no_more_than_ten_thousand() {
        let everything = std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some();
        let pages = if everything { 10_000 } else { 1_000 };
        let mut ledger = Ledger::new(vec![Range::default(); 4], Counts::default());
        let (mut in_flight, mut slow) = (VecDeque::new(), None);
        let (mut held, mut weight) = (0, 0);
        for page in 0..pages {
            let (range, at) = (page % 4, page / 4);
            let keys = (0..1000).map(|number| {
                let foreign = number % 10 == 0;
                let folder = if foreign { "backups" } else { "7" };
                (format!("{folder}/{range}/package_files/{at:06}{number:03}.deb").into(), foreign)
            });
            in_flight.extend(ledger.hand_out(range, keys));
            if slow.is_none() {
                slow = in_flight.pop_front();
            }
            while in_flight.len() > 1000 {
                let job = in_flight.swap_remove_back(in_flight.len() / 3).unwrap();
                ledger.settle(&job, Outcome::Changed(1));
            }
            held = held.max(ledger.rings.iter().map(|ring| ring.held.len()).sum());
            if page % 100 == 0 {
                weight = weight.max(serde_json::to_vec(&ledger.cursor("")).unwrap().len());
            }
        }
        assert!(held <= 4 * (HELD + 1000), "{held} keys are held");
        assert!(weight < 200_000, "the cursor has {weight} bytes");
        in_flight.extend(slow);
        in_flight.drain(..).for_each(|job| ledger.settle(&job, Outcome::Kept));
        (0..4).for_each(|range| ledger.listed(range));
        assert!(ledger.finished());
        assert_eq!(
            (ledger.counts().done, ledger.counts().foreign.get("backups/")),
            (pages as u64 * 900, pages as u64 * 100)
        );
    }
}
