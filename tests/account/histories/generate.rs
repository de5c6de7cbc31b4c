//! Makes a story from a seed: the same seed gives the same story, whatever was made before it.

use std::collections::BTreeMap;

use super::parts::{CtlTrouble, ForeignEdit, StartingPoint, Story, StoryGoal, StoryPart};

/// What goes wrong with a single request.
const SINGLE_FAULTS: [&str; 8] =
    ["lost", "cut", "page", "page:503", "throttle", "deny", "hang", "error:InternalError"];
/// The services that a fault may be meant for, and about how many of their requests a set-up makes.
const SERVICES: [(&str, u64); 7] =
    [("*", 240), ("iam", 20), ("kms", 20), ("lambda", 30), ("cloudfront", 40), ("s3", 60), ("sts", 4)];

/// Returns the story of a seed.
pub fn generate_story(seed: u64) -> Story {
    let mut draw = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5707);
    let mut parts = Vec::new();
    let start = draw.choice([StartingPoint::Fresh, StartingPoint::Live, StartingPoint::SwitchedOff]).unwrap();
    parts.push(StoryPart::Start(start));
    if draw.bool() {
        parts.push(StoryPart::Delays {
            distribution_s: draw.choice([2, 8, 40, 150, 400]).unwrap(),
            listing_ms: draw.choice([0, 700, 3000, 12_000]).unwrap(),
            tags_s: draw.choice([0, 30, 240]).unwrap(),
        });
    }
    if draw.bool() {
        let least_ms = draw.choice([5, 50, 300]).unwrap();
        parts.push(StoryPart::Latency { least_ms, spread_ms: draw.u64(0..=3 * least_ms) });
    }
    // Most stories are short: they are cheap, and easily read.
    let goals = draw.choice([1, 1, 1, 2, 2, 3, 4]).unwrap();
    let operators = draw.usize(1..=3.min(goals));
    if operators > 1 && draw.u8(0..3) == 0 {
        parts.push(StoryPart::SecondHost);
    }
    for nth in 0..goals {
        let operator = 1 + if nth < operators { nth } else { draw.usize(0..operators) };
        push_goal_parts(&mut draw, operator, start, &mut parts);
    }
    if draw.u8(0..3) == 0 {
        let every_s = draw.choice([0, 1, 4, 15]).unwrap();
        parts.push(StoryPart::Uploads { every_s });
    }
    if draw.u8(0..4) == 0 {
        let by_s = draw.choice([-3600, -240, -45, 45, 240, 3600]).unwrap();
        parts.push(StoryPart::ClockStep { after_s: draw.u64(0..90), by_s });
    }
    if draw.u8(0..3) == 0 {
        let edits = [ForeignEdit::ConfigSetting, ForeignEdit::PolicyStatement, ForeignEdit::PriceClass];
        let edit = draw.choice(edits).unwrap();
        parts.push(StoryPart::ForeignEdit { after_s: draw.u64(0..120), edit });
    }
    // Drawn last: what an earlier seed told stays as it was.
    if draw.u8(0..4) == 0 {
        if !parts.contains(&StoryPart::SecondHost) {
            parts.push(StoryPart::SecondHost);
        }
        parts.push(StoryPart::NamesBoth);
    }
    Story {
        seed,
        parts: parts.into_iter().enumerate().map(|(at, part)| (at + 1, part)).collect::<BTreeMap<_, _>>(),
    }
}

/// One goal, and what goes wrong with it.
fn push_goal_parts(
    draw: &mut fastrand::Rng,
    operator: usize,
    start: StartingPoint,
    parts: &mut Vec<StoryPart>,
) {
    use StoryGoal::{Disable, FinishRotation, Install, MoveToControl, RollBack, Rotate, Status, Upgrade};
    let goals: &[StoryGoal] = match start {
        StartingPoint::Fresh => &[Install, Install, Upgrade, Upgrade, Disable, RollBack, Status],
        StartingPoint::Live => {
            &[Rotate, Rotate, FinishRotation, Disable, Install, Upgrade, MoveToControl, RollBack, Status]
        }
        StartingPoint::SwitchedOff => &[Install, Upgrade, MoveToControl, RollBack, Rotate, Disable, Status],
    };
    let goal = *draw.choice(goals).unwrap();
    parts.push(StoryPart::Goal { operator, after_s: draw.choice([0, 0, 1, 5, 20, 75]).unwrap(), goal });
    // Parts are told from one on.
    let number = parts.len();
    for _ in 0..draw.choice([0, 0, 1, 1, 2]).unwrap() {
        parts.push(StoryPart::Fault { goal: number, spec: draw_fault_spec(draw) });
    }
    if draw.u8(0..4) == 0 {
        // A disable waits some twenty times, an upgrade some hundreds: each is met early and late.
        let moments_max = draw.choice([8, 25, 80, 240]).unwrap();
        parts.push(StoryPart::Kill { goal: number, moments: draw.usize(1..=moments_max) });
    }
    if draw.u8(0..5) == 0 {
        let troubles = [
            CtlTrouble::FailsAtOnce,
            CtlTrouble::FailsAfterwards,
            CtlTrouble::ComesBackLate(draw.u64(5..=90)),
        ];
        let trouble = draw.choice(troubles).unwrap();
        parts.push(StoryPart::BadCtl { goal: number, nth: draw.usize(1..=4), trouble });
    }
}

fn draw_fault_spec(draw: &mut fastrand::Rng) -> String {
    match draw.u8(0..12) {
        0 => {
            let from = draw.u64(1..60);
            format!(
                "s3:CopyObject:{}-{}:error:SlowDown=Please reduce your request rate.",
                from,
                from + draw.u64(1..40)
            )
        }
        1 => {
            let from = draw.u64(1..200);
            format!(
                "*:{from}-{}:error:ExpiredToken=The security token included in the request is expired",
                from + draw.u64(1..80)
            )
        }
        2 => {
            let from = draw.u64(1..100);
            format!("cloudfront:{from}-{}:throttle", from + draw.u64(1..12))
        }
        3 => format!("*:{}:drift", draw.u64(1..200)),
        _ => {
            let (service, requests) = draw.choice(SERVICES).unwrap();
            format!("{service}:{}:{}", draw.u64(1..=requests), draw.choice(SINGLE_FAULTS).unwrap())
        }
    }
}
