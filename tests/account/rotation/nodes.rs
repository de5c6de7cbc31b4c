//! Two web nodes in one process: the second has a packagecloud.rb, a state directory and a packagecloud-ctl of its own.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use packagecloud_cloudfront::{
    engine::Session,
    host::{Host, HostClock, HostStateDir, ctl::SimulatedPackagecloudCtl},
    model::{packagecloud::config_file::ConfigFile, secret::Secret},
    sandbox::{Sandbox, packagecloud::SandboxNodeSettings},
};

use crate::session::open_session;

fn second_node_path(world: &Sandbox, name: &str) -> PathBuf {
    world.sandbox_dir().join("second-node").join(name)
}

/// Adds a node that runs on what the first one's file says.
pub fn add_second_node(world: &Sandbox) {
    let config = second_node_path(world, "packagecloud.rb");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::copy(world.sandbox_dir().join("packagecloud.rb"), config).unwrap();
    world.update_sandbox_state_on_disk(|state| {
        let node = state.packagecloud.nodes[0].clone();
        state.packagecloud.nodes.push(node);
        // The first node's restart is its own.
        state.packagecloud.lagging = true;
    });
}

/// Its packagecloud-ctl: reconfigure reads the file, restart runs on what was read.
fn build_second_node_ctl(world: &Sandbox) -> SimulatedPackagecloudCtl {
    let world = world.clone();
    Arc::new(move |command, _lines| {
        let world = world.clone();
        Box::pin(async move {
            let rendered = second_node_path(&world, "rendered.json");
            tokio::time::sleep(Duration::from_secs(1)).await;
            if command.starts_with("reconfigure") {
                let text = fs::read(second_node_path(&world, "packagecloud.rb")).unwrap();
                let settings =
                    SandboxNodeSettings::from_config_file(&ConfigFile::parse_packagecloud_rb(&text));
                fs::write(rendered, serde_json::to_vec(&settings).unwrap()).unwrap();
            } else if command.starts_with("restart") {
                let settings = serde_json::from_slice(&fs::read(rendered).unwrap()).unwrap();
                world.update_sandbox_state_on_disk(|state| state.packagecloud.nodes[1] = settings);
            }
            Ok(0)
        })
    })
}

/// A session on both nodes, the sandbox's own first.
pub fn open_two_node_session(world: &Sandbox) -> Session {
    let state = HostStateDir::open_state_dir(&second_node_path(world, "state"), None).unwrap();
    let clock = world.clone();
    let second = Host::new_sandboxed_host(
        &second_node_path(world, "packagecloud.rb"),
        build_second_node_ctl(world),
        state,
        HostClock::new(move || clock.sandbox_unix_time_now()),
    );
    open_session(world).add_other_web_hosts(vec![second])
}

/// What the second node's file holds.
pub fn read_second_secret(world: &Sandbox) -> Secret {
    let text = fs::read(second_node_path(world, "packagecloud.rb")).unwrap();
    ConfigFile::parse_packagecloud_rb(&text).cloudfront_setting_values().secret.unwrap()
}
