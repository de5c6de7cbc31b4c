//! Who switched on and off, in the order in which they began: what was begun before somebody switched off may not win over it.

use packagecloud_cloudfront::sandbox::Sandbox;

use super::parts::StoryGoal;

/// A disable that ended well.
struct EndedDisable {
    began: usize,
    /// The web nodes that it named.
    places: Vec<usize>,
}

/// What was begun, numbered.
#[derive(Default)]
pub struct SwitchLog {
    count: usize,
    /// The number of the last goal that may switch on.
    last_enabling: usize,
    disabled: Vec<EndedDisable>,
}

impl SwitchLog {
    /// Notes that a goal begins; returns its number.
    pub fn note_goal_begin(&mut self, goal: StoryGoal) -> usize {
        use StoryGoal::{Disable, FinishRotation, Install, MoveToControl, RollBack, Rotate, Status, Upgrade};
        self.count += 1;
        match goal {
            Install | Upgrade | MoveToControl | RollBack => self.last_enabling = self.count,
            Disable | Rotate | FinishRotation | Status => {}
        }
        self.count
    }

    /// Notes that somebody switches on by hand.
    pub fn note_typed_switch(&mut self) {
        self.count += 1;
        self.last_enabling = self.count;
    }

    /// Notes that the disable of this number ended well.
    pub fn note_disable_end(&mut self, began: usize, places: Vec<usize>) {
        self.disabled.push(EndedDisable { began, places });
    }

    /// Finds a node that is on although nobody began to switch on since it was switched off.
    pub fn find_node_on_again(&self, world: &Sandbox) -> Option<String> {
        let nodes = world.read_sandbox_state_from_disk(|state| state.packagecloud.nodes.clone());
        let standing = self.disabled.iter().filter(|one| one.began > self.last_enabling);
        let mut places = standing.flat_map(|one| one.places.iter());
        let on = places.find(|place| nodes.get(**place).is_some_and(|node| node.enabled))?;
        Some(format!("node {on} was switched off, and is on; nobody began to switch on since"))
    }
}
