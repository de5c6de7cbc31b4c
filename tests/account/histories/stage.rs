//! The worlds on which stories are played: made once, then copied for each, their state in memory.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use packagecloud_cloudfront::{
    app::compose::open_sandbox_session,
    edge::self_test::remember_self_tests_on_this_thread,
    engine::RunContext,
    host::keep_blocking_work_on_this_thread,
    model::run::{
        answers::OperatorAnswers,
        goal::{OperatorGoal, RunStage},
    },
    sandbox::{
        self, Sandbox, SandboxOptions, SandboxPropagationDelays, SandboxState, control_plane::iam, seed,
    },
};

use super::parts::{StartingPoint, Story, StoryPart};
use crate::{directory::copy_directory, engine::apply_stages, engine::with_yes};

/// The seed of what stands before a story begins.
const STAGE_SEED: u64 = 21;
/// A role of somebody else's in the same account.
pub const FOREIGN_ROLE: &str = "somebody-elses-role";

/// The worlds, by what stands in them.
pub struct HistoryStage {
    /// In memory where the machine has a directory there.
    root: tempfile::TempDir,
    states: BTreeMap<StartingPoint, SandboxState>,
}

impl HistoryStage {
    /// Makes every starting point; from here on this thread does all work itself.
    pub fn build_every_starting_point() -> Self {
        keep_blocking_work_on_this_thread();
        remember_self_tests_on_this_thread();
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let mut stage = Self { root, states: BTreeMap::new() };
        for start in [StartingPoint::Fresh, StartingPoint::Live, StartingPoint::SwitchedOff] {
            let dir = stage.starting_dir(start);
            let state = build_story_runtime().block_on(build_starting_point(&dir, start));
            stage.states.insert(start, state);
        }
        stage
    }

    fn starting_dir(&self, start: StartingPoint) -> PathBuf {
        self.root.path().join(format!("{start:?}"))
    }

    /// Opens a world of its own for a story; call it where the story's runtime runs.
    pub fn open_story_world(&self, story: &Story) -> Sandbox {
        let start = story.starting_point();
        let dir = self.root.path().join("story");
        let _ = std::fs::remove_dir_all(&dir);
        copy_directory(&self.starting_dir(start), &dir);
        let delays = story.find_part(|part| match part {
            StoryPart::Delays { distribution_s, listing_ms, tags_s } => Some(SandboxPropagationDelays {
                distribution: Duration::from_secs(*distribution_s),
                listing: Duration::from_millis(*listing_ms),
                tags: Duration::from_secs(*tags_s),
                ..SandboxPropagationDelays::default()
            }),
            _ => None,
        });
        let (least_ms, spread_ms) = story
            .find_part(|part| match part {
                StoryPart::Latency { least_ms, spread_ms } => Some((*least_ms, *spread_ms)),
                _ => None,
            })
            .unwrap_or((20, 0));
        let options = SandboxOptions {
            dir,
            delays,
            latency: Duration::from_millis(least_ms),
            latency_spread: Duration::from_millis(spread_ms),
            seed: Some(story.seed),
            ..SandboxOptions::default()
        };
        let mut state = self.states[&start].clone();
        if story.has_second_host() {
            add_second_web_node(&options.dir, &mut state);
        }
        Sandbox::open_in_memory_sandbox(&options, state).unwrap()
    }
}

/// Where the second web node's packagecloud.rb lies in a sandbox's directory.
pub fn second_config_path(dir: &Path) -> PathBuf {
    dir.join("web2/packagecloud.rb")
}

/// The packagecloud.rb of each node.
pub fn list_config_paths(world: &Sandbox) -> Vec<PathBuf> {
    let dir = world.sandbox_dir();
    let mut paths = vec![dir.join("packagecloud.rb"), second_config_path(dir)];
    paths.retain(|path| path.exists());
    paths
}

/// A second web node, which is what the first one is.
fn add_second_web_node(dir: &Path, state: &mut SandboxState) {
    let config = second_config_path(dir);
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::copy(dir.join("packagecloud.rb"), config).unwrap();
    let packagecloud = &mut state.packagecloud;
    packagecloud.own_rendered.insert(1, packagecloud.rendered.clone().unwrap());
    packagecloud.nodes.push(packagecloud.nodes[0].clone());
}

/// One thread whose clock stands still while there is work.
pub fn build_story_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

async fn build_starting_point(dir: &Path, start: StartingPoint) -> SandboxState {
    let options = SandboxOptions { dir: dir.to_owned(), seed: Some(STAGE_SEED), ..SandboxOptions::default() };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    place_foreign_things(&world);
    let mut stages: Vec<RunStage> = Vec::new();
    if start != StartingPoint::Fresh {
        let all = OperatorGoal::Upgrade.stages_of_goal().iter().copied();
        stages.extend(all.filter(|stage| !matches!(stage, RunStage::Access | RunStage::Overview)));
    }
    if start == StartingPoint::SwitchedOff {
        stages.push(RunStage::Disable);
    }
    let answers =
        with_yes(&OperatorAnswers { goal: Some(OperatorGoal::Upgrade), ..OperatorAnswers::default() });
    let session = open_sandbox_session(&world).unwrap();
    let done = Box::pin(apply_stages(&session, &answers, &stages, &RunContext::new_silent_context())).await;
    assert_eq!(done, Ok(()), "{start:?}");
    // What was made is known everywhere by the time that a story begins.
    tokio::time::sleep(Duration::from_mins(10)).await;
    world.update_sandbox_state_on_disk(|_| ());
    world.read_sandbox_state_from_disk(Clone::clone)
}

/// What belongs to others in the same account and bucket.
fn place_foreign_things(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        let role = iam::SandboxRole {
            name: FOREIGN_ROLE.to_owned(),
            arn: format!("arn:aws:iam::999999999999:role/{FOREIGN_ROLE}"),
            trust: r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned(),
            ..iam::SandboxRole::default()
        };
        state.iam.roles.insert(FOREIGN_ROLE.to_owned(), role);
        let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
        bucket.policy = Some(
            serde_json::json!({"Version": "2012-10-17", "Statement": [{
                "Sid": "Backups", "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
                "Action": "s3:GetObject",
                "Resource": format!("arn:aws:s3:::{}/*", seed::SANDBOX_BUCKET),
            }]})
            .to_string(),
        );
    });
}
