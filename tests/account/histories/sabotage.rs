//! Breaks each rule once on purpose: a rule that no story finds broken holds nothing.

use packagecloud_cloudfront::sandbox::{Sandbox, control_plane::s3, seed};

use super::{stage::FOREIGN_ROLE, watch::StoryRule};

/// How a rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The edges check no token.
    OpenEdge,
    /// The distribution is switched off, and with it every link.
    DisableDistribution,
    /// Somebody else's role is changed.
    ChangeForeignRole,
    /// The key's alias is gone.
    DeleteAlias,
    /// There is a second key.
    SecondKey,
    /// The first half of packagecloud.rb alone is there.
    TearConfig,
    /// An index is what it was before it was written last.
    RestoreOldIndex,
    /// packagecloud runs on other than its file says.
    RunOtherThanFile,
    /// A failure has no next move.
    BlankNextMove,
    /// packagecloud is on in the end, whoever switched it off.
    SwitchOnInTheEnd,
}

impl Sabotage {
    pub const ALL: [Self; 10] = [
        Self::OpenEdge,
        Self::DisableDistribution,
        Self::ChangeForeignRole,
        Self::DeleteAlias,
        Self::SecondKey,
        Self::TearConfig,
        Self::RestoreOldIndex,
        Self::RunOtherThanFile,
        Self::BlankNextMove,
        Self::SwitchOnInTheEnd,
    ];

    /// Returns the rule that it breaks.
    pub fn broken_rule(self) -> StoryRule {
        match self {
            Self::OpenEdge => StoryRule::ClosedBucket,
            Self::DisableDistribution => StoryRule::LinksServed,
            Self::ChangeForeignRole => StoryRule::OthersUntouched,
            Self::DeleteAlias => StoryRule::NothingDeleted,
            Self::SecondKey => StoryRule::NothingDoubled,
            Self::TearConfig => StoryRule::ConfigOldOrNew,
            Self::RestoreOldIndex => StoryRule::UploadsKept,
            Self::RunOtherThanFile => StoryRule::WordKept,
            Self::BlankNextMove => StoryRule::NextMoveWorks,
            Self::SwitchOnInTheEnd => StoryRule::OffStaysOff,
        }
    }

    /// Returns whether it is done in the middle of a story.
    pub fn is_done_beside(self) -> bool {
        !matches!(
            self,
            Self::SecondKey | Self::RunOtherThanFile | Self::BlankNextMove | Self::SwitchOnInTheEnd
        )
    }

    /// Breaks the rule now.
    pub fn break_rule_of_world(self, world: &Sandbox) {
        match self {
            Self::TearConfig => {
                let path = world.sandbox_dir().join("packagecloud.rb");
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            }
            Self::RestoreOldIndex => {
                let key = "1/2/ubuntu/dists/jammy/Release";
                s3::place_sandbox_object(world, seed::SANDBOX_BUCKET, key, &[], b"older\n").unwrap();
            }
            _ => world.update_sandbox_state_on_disk(|state| self.break_rule_of_state(state)),
        }
    }

    fn break_rule_of_state(self, state: &mut packagecloud_cloudfront::sandbox::SandboxState) {
        match self {
            Self::OpenEdge => {
                for one in state.cloudfront.distributions.values_mut() {
                    one.config = one.config.replace("viewer-request", "origin-request");
                    one.modified = std::time::Duration::ZERO;
                }
            }
            Self::DisableDistribution => {
                for one in state.cloudfront.distributions.values_mut() {
                    one.config = one.config.replace("<Enabled>true</Enabled>", "<Enabled>false</Enabled>");
                    one.modified = std::time::Duration::ZERO;
                }
            }
            Self::ChangeForeignRole => {
                state
                    .iam
                    .roles
                    .get_mut(FOREIGN_ROLE)
                    .unwrap()
                    .attached
                    .push("arn:aws:iam::aws:policy/x".to_owned());
            }
            Self::DeleteAlias => state.kms.aliases.clear(),
            Self::SecondKey => {
                let Some(mut second) = state.kms.keys.values().next().cloned() else { return };
                second.id.push('2');
                state.kms.keys.insert(second.id.clone(), second);
            }
            Self::RunOtherThanFile => {
                state.packagecloud.nodes.iter_mut().for_each(|node| node.enabled = !node.enabled);
            }
            Self::SwitchOnInTheEnd => {
                state.packagecloud.nodes.iter_mut().for_each(|node| node.enabled = true);
            }
            Self::TearConfig | Self::RestoreOldIndex | Self::BlankNextMove => {}
        }
    }
}
