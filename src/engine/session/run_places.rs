//! Where this process is: the stage on its way, and the reindex, which may run beside it. The next start and a second one are told of it.

use crate::model::run::goal::RunStage;

/// How far a stage has come in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StageAdvance {
    Running,
    /// It has ended, and there is something to go on with.
    Left,
    Done,
}

/// The places of the two kinds of stages: one runs at a time, and a reindex may run beside it.
#[derive(Debug, Default)]
pub(super) struct RunPlaces {
    /// The last stage but the reindex. With it the run is done, not the stage alone.
    other: Option<(RunStage, StageAdvance)>,
    reindex: Option<StageAdvance>,
    /// What the locks say.
    said: Option<(RunStage, bool)>,
}

impl RunPlaces {
    /// Notes that a stage begins.
    pub fn note_stage_begin(&mut self, stage: RunStage) {
        self.note_stage_advance(stage, StageAdvance::Running);
    }

    /// Notes that a stage has ended. `is_done`: a reindex is through, or with any other stage the run is.
    pub fn note_stage_end(&mut self, stage: RunStage, is_done: bool) {
        self.note_stage_advance(stage, if is_done { StageAdvance::Done } else { StageAdvance::Left });
    }

    fn note_stage_advance(&mut self, stage: RunStage, advance: StageAdvance) {
        if stage == RunStage::Reindex {
            self.reindex = Some(advance);
        } else {
            self.other = Some((stage, advance));
        }
    }

    /// Returns where the next start goes on, if this process ends now: a reindex alone is never in front of another stage, since
    /// nothing waits for it.
    pub fn find_resume_stage(&self) -> Option<RunStage> {
        match self.other {
            Some((stage, StageAdvance::Running | StageAdvance::Left)) => Some(stage),
            Some((_, StageAdvance::Done)) => {
                self.reindex.filter(|advance| *advance != StageAdvance::Done).map(|_| RunStage::Reindex)
            }
            None => self.reindex.map(|_| RunStage::Reindex),
        }
    }

    /// Returns the stage that the locks shall say, and whether it rests; none where they say that already.
    pub fn take_changed_lock_stage(&mut self, last: RunStage) -> Option<(RunStage, bool)> {
        let running = match (self.other, self.reindex) {
            (Some((stage, StageAdvance::Running)), _) => Some(stage),
            (_, Some(StageAdvance::Running)) => Some(RunStage::Reindex),
            _ => None,
        };
        let says = (running.unwrap_or(last), running.is_none());
        (self.said.replace(says) != Some(says)).then_some(says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: bool = true;
    const BEGIN: bool = false;

    #[test]
    fn a_reindex_beside_hides_no_other_stage_and_is_gone_on_with_where_it_alone_is_left() {
        let (reindex, bootstrap, verify) = (RunStage::Reindex, RunStage::Bootstrap, RunStage::Verify);
        // What happens, where the next start goes on, and what the locks say anew.
        let mut places = RunPlaces::default();
        for (nth, (stage, is_end, is_done, resumes, locks)) in [
            (reindex, BEGIN, false, Some(reindex), Some((reindex, false))),
            (bootstrap, BEGIN, false, Some(bootstrap), Some((bootstrap, false))),
            (reindex, END, true, Some(bootstrap), None),
            (bootstrap, END, false, Some(bootstrap), Some((bootstrap, true))),
            (reindex, BEGIN, false, Some(bootstrap), Some((reindex, false))),
            (verify, BEGIN, false, Some(verify), Some((verify, false))),
            (verify, END, true, Some(reindex), Some((reindex, false))),
            (reindex, END, false, Some(reindex), Some((reindex, true))),
            (reindex, BEGIN, false, Some(reindex), Some((reindex, false))),
            (reindex, END, true, None, Some((reindex, true))),
            (bootstrap, BEGIN, false, Some(bootstrap), Some((bootstrap, false))),
            (bootstrap, END, false, Some(bootstrap), Some((bootstrap, true))),
        ]
        .into_iter()
        .enumerate()
        {
            if is_end {
                places.note_stage_end(stage, is_done);
            } else {
                places.note_stage_begin(stage);
            }
            assert_eq!(places.find_resume_stage(), resumes, "{nth}");
            assert_eq!(places.take_changed_lock_stage(stage), locks, "{nth}");
        }
        let mut alone = RunPlaces::default();
        alone.note_stage_begin(reindex);
        alone.note_stage_end(reindex, true);
        assert_eq!(alone.find_resume_stage(), Some(reindex), "the stages after it are still to come");
    }
}
