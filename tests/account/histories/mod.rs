//! Histories: whole lives of a set-up, made from a seed and played in process, with what must hold looked at at every instant.
//!
//! `HISTORIES_COUNT` and `HISTORIES_SEED` say how many and from which seed; `HISTORIES_WITHOUT` names sentences to leave out;
//! `HISTORIES_DIARY=1` tells what happens in a single one.

mod determinism;
mod diary;
mod generate;
mod operator;
mod parts;
mod play;
mod sabotage;
mod stage;
mod switches;
mod watch;

use std::time::{Duration, Instant};

use diary::keep_story_diary;
use generate::generate_story;
use parts::Story;
use play::{play_story, shrink_story};
use sabotage::Sabotage;
use stage::HistoryStage;
use watch::StoryRule;

/// How many are played where nobody says.
const USUAL_COUNT: u64 = 24;
const USUAL_SEED: u64 = 1;

fn read_number_variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn read_left_out_parts() -> Vec<usize> {
    let text = std::env::var("HISTORIES_WITHOUT").unwrap_or_default();
    text.split(',').filter_map(|number| number.trim().parse().ok()).collect()
}

/// Describes a story that fails, the smallest that does, and the command that plays it again.
fn describe_failing_story(stage: &HistoryStage, story: &Story, rule: StoryRule, text: &str) -> String {
    let (smallest, left_out) = shrink_story(stage, story, rule);
    let found = play_story(stage, &smallest, None).violations;
    let found = found.iter().find(|one| one.rule == rule).map_or(text, |one| one.text.as_str());
    let numbers = left_out.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    format!(
        "seed {}: {rule:?}: {found}\n{}  again: HISTORIES_WITHOUT={numbers} tests/histories 1 {}\n",
        story.seed,
        smallest.render_sentences(),
        story.seed
    )
}

#[test]
fn histories_break_no_rule() {
    let count = read_number_variable("HISTORIES_COUNT").unwrap_or(USUAL_COUNT);
    let first = read_number_variable("HISTORIES_SEED").unwrap_or(USUAL_SEED);
    let left_out = read_left_out_parts();
    let mut stories: Vec<Story> =
        (first..first + count).map(|seed| generate_story(seed).leave_out_parts(&left_out)).collect();
    // Small ones first: what fails is read.
    stories.sort_by_key(|story| story.parts.len());
    let (began, stage) = (Instant::now(), HistoryStage::build_every_starting_point());
    let (mut cpu, mut found) = (Duration::ZERO, Vec::new());
    for story in &stories {
        if count == 1 {
            println!("{}", story.render_sentences());
            keep_story_diary(std::env::var_os("HISTORIES_DIARY").is_some());
        }
        let played = play_story(&stage, story, None);
        keep_story_diary(false);
        cpu += played.cpu;
        if let Some(one) = played.violations.first()
            && found.len() < 5
        {
            found.push(describe_failing_story(&stage, story, one.rule, &one.text));
        } else if !played.violations.is_empty() {
            found.push(format!("seed {}: {:?}\n", story.seed, played.violations[0].rule));
        }
    }
    let each = cpu.as_secs_f64() * 1000.0 / count as f64;
    println!(
        "histories: {count} from seed {first}: {} broke a rule; {each:.1} ms of processor each, {} s in all",
        found.len(),
        began.elapsed().as_secs()
    );
    assert!(found.is_empty(), "{}", found.concat());
}

#[test]
fn each_rule_that_is_broken_on_purpose_is_found_broken() {
    let stage = HistoryStage::build_every_starting_point();
    for sabotage in Sabotage::ALL {
        let rule = sabotage.broken_rule();
        let found = (1..100).map(generate_story).find(|story| {
            let violations = play_story(&stage, story, Some(sabotage)).violations;
            violations.iter().any(|one| one.rule == rule)
        });
        assert!(found.is_some(), "{sabotage:?} is never noticed as {rule:?}");
    }
}
