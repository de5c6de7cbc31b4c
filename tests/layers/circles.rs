//! Rooms beside each other never use each other in a circle, at any depth.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    paths::{ModuleArrows, read_arrows},
    sources::read_sources,
};

/// The rooms of one parent that lead back to themselves, grouped by circle.
fn find_circles(arrows: &ModuleArrows, parent: &[String]) -> Vec<BTreeSet<String>> {
    let depth = parent.len();
    let is_below = |module: &[String]| module.len() > depth && module.starts_with(parent);
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, named) in arrows.iter().filter(|(module, _)| is_below(module)) {
        let room = &module[depth];
        let others = named.iter().filter(|other| is_below(other) && other[depth] != *room);
        uses.entry(room.clone()).or_default().extend(others.map(|other| other[depth].clone()));
    }
    let reached: BTreeMap<&String, BTreeSet<String>> =
        uses.keys().map(|room| (room, reach_from(room, &uses))).collect();
    let mut circles = Vec::new();
    for (room, beyond) in &reached {
        if beyond.contains(*room) {
            let back = beyond.iter().filter(|other| reached[other].contains(*room)).cloned();
            circles.push(back.collect::<BTreeSet<String>>());
        }
    }
    circles.sort();
    circles.dedup();
    circles
}

fn reach_from(room: &str, uses: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![room.to_owned()]);
    while let Some(next) = open.pop() {
        for other in &uses[&next] {
            if reached.insert(other.clone()) {
                open.push(other.clone());
            }
        }
    }
    reached
}

#[test]
fn rooms_beside_each_other_form_no_circle() {
    let arrows = read_arrows(&read_sources("src"));
    let parents: BTreeSet<Vec<String>> =
        arrows.keys().flat_map(|module| (0..module.len()).map(|length| module[..length].to_vec())).collect();
    let mut faults = Vec::new();
    for parent in parents {
        let name = parent.join("::");
        let circles = find_circles(&arrows, &parent);
        faults.extend(circles.iter().map(|circle| format!("in {name:?}: {circle:?}")));
    }
    assert!(faults.is_empty(), "circles of modules:\n{}", faults.join("\n"));
}

#[test]
fn a_circle_is_found_wherever_its_arrows_lie() {
    let path = |text: &str| -> Vec<String> { text.split("::").map(str::to_owned).collect() };
    let arrow = |from: &str, to: &str| (path(from), BTreeSet::from([path(to)]));
    let arrows =
        ModuleArrows::from([arrow("a::x", "b::y"), arrow("b::z", "c"), arrow("c", "a"), arrow("d", "a")]);
    assert_eq!(find_circles(&arrows, &[]), [["a", "b", "c"].map(str::to_owned).into()]);
}
