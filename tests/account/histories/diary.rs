//! What happens in a story, a line each with the world's time, for whoever looks for the reason: `HISTORIES_DIARY=1`.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use packagecloud_cloudfront::{
    model::{packagecloud::config_file::ConfigFile, run::event::StageEvent, secret::Secret},
    sandbox::{Sandbox, packagecloud::SandboxNodeSettings},
};

use super::stage::list_config_paths;

static IS_KEPT: AtomicBool = AtomicBool::new(false);

/// Keeps a diary from here on, or no longer.
pub fn keep_story_diary(is_kept: bool) {
    IS_KEPT.store(is_kept, Relaxed);
}

/// Returns whether anybody reads it.
pub fn is_diary_kept() -> bool {
    IS_KEPT.load(Relaxed)
}

/// Writes a line; `tell` makes it where somebody reads it.
pub fn write_diary_line(world: &Sandbox, tell: impl FnOnce() -> String) {
    if is_diary_kept() {
        println!("{:9.2} {}", world.sandbox_unix_time_now().as_secs_f64() % 1e6, tell());
    }
}

/// Writes what a stage says, but for its progress.
pub fn write_diary_event(world: &Sandbox, place: usize, event: &StageEvent) {
    if !matches!(event, StageEvent::Progress { .. }) {
        write_diary_line(world, || {
            let text = format!("{event:?}");
            format!("    node {place}: {}", text.chars().take(400).collect::<String>())
        });
    }
}

/// Tells what each node's file says and what it runs on: on or off, and the end of the secret.
pub fn describe_node_switches(world: &Sandbox) -> String {
    let brief = |enabled: bool, secret: Option<&str>| {
        let secret = secret.map_or("none", |secret| &secret[secret.len().saturating_sub(6)..]);
        format!("{} {secret}", if enabled { "on" } else { "off" })
    };
    let nodes: Vec<SandboxNodeSettings> =
        world.read_sandbox_state_from_disk(|state| state.packagecloud.nodes.clone());
    let told = list_config_paths(world).into_iter().zip(nodes).map(|(path, runs)| {
        let file = ConfigFile::parse_packagecloud_rb(&std::fs::read(path).unwrap_or_default())
            .cloudfront_setting_values();
        let secret = file.secret.as_ref().map(Secret::expose_secret);
        format!(
            "file {}, runs {}",
            brief(file.enabled == Some(true), secret),
            brief(runs.enabled, runs.secret.as_deref())
        )
    });
    told.collect::<Vec<_>>().join(" | ")
}
