//! The parts that a story is made of, each a sentence with a number: any of them may be left out, and the rest still is a story.

use std::{collections::BTreeMap, fmt::Write as _};

/// What stands when a story begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartingPoint {
    /// A packagecloud that has never seen CloudFront.
    Fresh,
    /// CloudFront is on.
    Live,
    /// It was on, and is switched off.
    SwitchedOff,
}

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoryGoal {
    Install,
    Upgrade,
    Disable,
    RollBack,
    Rotate,
    FinishRotation,
    /// CloudFront on, which asks S3 by an origin access control from then on.
    MoveToControl,
    Status,
}

/// How packagecloud-ctl goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CtlTrouble {
    /// It fails before it has done anything.
    FailsAtOnce,
    /// It does what it shall, and fails after it.
    FailsAfterwards,
    /// It does what it shall, and packagecloud answers so many seconds later than usual.
    ComesBackLate(u64),
}

/// What another tool changes meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignEdit {
    /// A setting of packagecloud.rb that isn't ours.
    ConfigSetting,
    /// A statement of the bucket policy that isn't ours.
    PolicyStatement,
    /// The distribution's price class.
    PriceClass,
}

/// One sentence of a story. A `goal` is told by the number of its own part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoryPart {
    Start(StartingPoint),
    /// Operator 2 works on a second web node, with a packagecloud.rb and a state directory of its own.
    SecondHost,
    /// Every command names both web nodes with `--host`, the first one first; one operator waits for the other.
    NamesBoth,
    /// How long AWS takes to make true what it has answered.
    Delays {
        distribution_s: u64,
        listing_ms: u64,
        tags_s: u64,
    },
    Latency {
        least_ms: u64,
        spread_ms: u64,
    },
    Goal {
        operator: usize,
        after_s: u64,
        goal: StoryGoal,
    },
    /// As `--sandbox-fault` has it; it counts from the goal's beginning.
    Fault {
        goal: usize,
        spec: String,
    },
    /// The process is killed where it waits for so many times.
    Kill {
        goal: usize,
        moments: usize,
    },
    BadCtl {
        goal: usize,
        nth: usize,
        trouble: CtlTrouble,
    },
    /// The host's clock is set.
    ClockStep {
        after_s: u64,
        by_s: i64,
    },
    /// Packages and metadata are written all the while; 0 is twice a second at first, beside whatever is copied then.
    Uploads {
        every_s: u64,
    },
    ForeignEdit {
        after_s: u64,
        edit: ForeignEdit,
    },
}

/// A story: the seed of every draw, and its parts by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    pub seed: u64,
    pub parts: BTreeMap<usize, StoryPart>,
}

impl Story {
    /// Returns the story without the parts of these numbers.
    pub fn leave_out_parts(&self, numbers: &[usize]) -> Self {
        let mut parts = self.parts.clone();
        parts.retain(|number, _| !numbers.contains(number));
        Self { seed: self.seed, parts }
    }

    /// Finds the first part of a kind.
    pub fn find_part<T>(&self, wanted: impl Fn(&StoryPart) -> Option<T>) -> Option<T> {
        self.parts.values().find_map(wanted)
    }

    /// Returns whether there is a second web node.
    pub fn has_second_host(&self) -> bool {
        self.parts.values().any(|part| *part == StoryPart::SecondHost)
    }

    /// Returns whether there are two web nodes, and every command names both.
    pub fn names_both_hosts(&self) -> bool {
        self.has_second_host() && self.parts.values().any(|part| *part == StoryPart::NamesBoth)
    }

    /// Returns the place among the web nodes of the host that an operator works on.
    pub fn operator_place(&self, operator: usize) -> usize {
        usize::from(operator == 2 && self.has_second_host() && !self.names_both_hosts())
    }

    /// Returns what stands when it begins.
    pub fn starting_point(&self) -> StartingPoint {
        let start = |part: &StoryPart| match part {
            StoryPart::Start(start) => Some(*start),
            _ => None,
        };
        self.find_part(start).unwrap_or(StartingPoint::Fresh)
    }

    /// Tells it in numbered sentences.
    pub fn render_sentences(&self) -> String {
        self.parts.iter().fold(String::new(), |mut text, (number, part)| {
            let _ = writeln!(text, "  {number:>2}. {}", render_part_sentence(part));
            text
        })
    }
}

fn render_part_sentence(part: &StoryPart) -> String {
    match part {
        StoryPart::Start(StartingPoint::Fresh) => "CloudFront was never set up.".to_owned(),
        StoryPart::Start(StartingPoint::Live) => "CloudFront is on.".to_owned(),
        StoryPart::Start(StartingPoint::SwitchedOff) => "CloudFront was on, and is switched off.".to_owned(),
        StoryPart::SecondHost => "There is a second web node, on which operator 2 works.".to_owned(),
        StoryPart::NamesBoth => {
            "Every command names both web nodes, and one operator waits for the other.".to_owned()
        }
        StoryPart::Delays { distribution_s, listing_ms, tags_s } => format!(
            "A distribution takes {distribution_s} s, a listing lags {listing_ms} ms, a key's tags count after {tags_s} s."
        ),
        StoryPart::Latency { least_ms, spread_ms } => {
            format!("A request takes {least_ms} to {} ms.", least_ms + spread_ms)
        }
        StoryPart::Goal { operator, after_s, goal } => {
            format!("Operator {operator} waits {after_s} s, then begins: {goal:?}.")
        }
        StoryPart::Fault { goal, spec } => format!("During {goal} this goes wrong: {spec}."),
        StoryPart::Kill { goal, moments } => {
            format!("The process of {goal} is killed where it waits for the {moments}. time.")
        }
        StoryPart::BadCtl { goal, nth, trouble } => {
            format!("During {goal} the {nth}. packagecloud-ctl goes wrong: {trouble:?}.")
        }
        StoryPart::ClockStep { after_s, by_s } => {
            format!("After {after_s} s the host's clock is set by {by_s} s.")
        }
        StoryPart::Uploads { every_s: 0 } => {
            "Twice a second for three minutes, then every 10 s, packages and metadata are written.".to_owned()
        }
        StoryPart::Uploads { every_s } => {
            format!("Every {every_s} s packages and metadata are written.")
        }
        StoryPart::ForeignEdit { after_s, edit } => {
            format!("After {after_s} s another tool changes: {edit:?}.")
        }
    }
}
