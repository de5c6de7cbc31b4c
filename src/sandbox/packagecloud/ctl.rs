//! packagecloud-ctl: reconfigure renders packagecloud.rb, restart makes what is rendered running.
//!
//! It prints as the real one does, secrets in its diffs included: whoever shows its lines has to hide them.

use std::{fs::File, time::Duration};

use tokio::task::JoinError;

use crate::{
    model::secret::Secret,
    sandbox::{Sandbox, private_files::build_private_file_options},
};

use super::{NodeSettingsReading, SandboxNodeSettings, SandboxWebNode, jobs};

const PACKAGECLOUD_SERVICES: [&str; 6] = ["mysql", "nginx", "rainbows", "redis", "resque", "unicorn"];

/// Which packagecloud:enterprise it stands for.
const PACKAGECLOUD_VERSION: &str = "3.0.9";

/// Runs one command on the first node, given by its words; prints by `line`, and gives the exit code.
pub async fn simulate_packagecloud_ctl_command(
    world: &Sandbox,
    words: &[String],
    line: &mut (dyn FnMut(&str) + Send),
) -> i32 {
    let node = SandboxWebNode::first_web_node(world.sandbox_dir());
    simulate_packagecloud_ctl_on_node(world, &node, words, line).await
}

/// Runs one command on a node.
pub async fn simulate_packagecloud_ctl_on_node(
    world: &Sandbox,
    node: &SandboxWebNode,
    words: &[String],
    line: &mut (dyn FnMut(&str) + Send),
) -> i32 {
    match words.first().map(String::as_str) {
        Some("reconfigure") => simulate_packagecloud_reconfigure(world, node, line).await,
        Some("restart") => simulate_packagecloud_restart(world, node, line).await,
        Some("reindex-everything") => {
            let count = jobs::queue_sandbox_reindex_jobs(world);
            line(&format!("Queued {count} index jobs."));
            0
        }
        Some("generate-cloudfront-secret") => {
            let mut random = [0; 16];
            if world.is_sandbox_seeded() {
                fastrand::fill(&mut random);
            } else if getrandom::fill(&mut random).is_err() {
                line("no randomness");
                return 1;
            }
            let secret = Secret::generate_cloudfront_secret(&random);
            line(
                "Add the following to /etc/packagecloud/packagecloud.rb, then run packagecloud-ctl reconfigure:",
            );
            line(&format!("packagecloud_rails['cloudfront_secret'] = '{}'", secret.expose_secret()));
            0
        }
        Some("version") => {
            line(PACKAGECLOUD_VERSION);
            0
        }
        Some("status") => {
            for (at, service) in PACKAGECLOUD_SERVICES.iter().enumerate() {
                line(&format!(
                    "run: {service}: (pid {}) 86400s; run: log: (pid {}) 86400s",
                    1200 + at,
                    1100 + at
                ));
            }
            0
        }
        _ => {
            line("I don't know that command.");
            1
        }
    }
}

async fn simulate_packagecloud_reconfigure(
    world: &Sandbox,
    node: &SandboxWebNode,
    line: &mut (dyn FnMut(&str) + Send),
) -> i32 {
    line("Starting Chef Client, version 11.12.2");
    let _alone = wait_for_sandbox_chef_lock(world, node, line).await;
    line("resolving cookbooks for run list: [\"packagecloud\"]");
    line("Compiling Cookbooks...");
    tokio::time::sleep(world.sandbox_delays().resource * 4).await;
    let fresh = match read_sandbox_node_settings(world, node).await {
        Ok(NodeSettingsReading { notices, settings }) => {
            notices.iter().for_each(|notice| line(notice));
            match settings {
                Ok(fresh) => fresh,
                Err(why) => return report_failed_reconfigure(line, &why),
            }
        }
        Err(error) => return report_failed_reconfigure(line, &error.to_string()),
    };
    if fresh.enabled && (fresh.secret.is_none() || fresh.domain.is_none()) {
        return report_failed_reconfigure(
            line,
            "RuntimeError: cloudfront_enabled needs cloudfront_secret and cloudfront_packages_domain",
        );
    }
    let old = world.read_sandbox_state_from_disk(|state| {
        state.packagecloud.find_rendered_settings(node.place).cloned().unwrap_or_default()
    });
    line("Converging 217 resources");
    line("Recipe: packagecloud::packagecloud-rails");
    let (before, after) = (render_sandbox_packagecloud_yml(&old), render_sandbox_packagecloud_yml(&fresh));
    let changed = before != after;
    line(&format!(
        "  * template[/var/opt/packagecloud/packagecloud-rails/etc/packagecloud.yml] action create{}",
        if changed { "" } else { " (up to date)" }
    ));
    if changed {
        line(
            "    - update content in file /var/opt/packagecloud/packagecloud-rails/etc/packagecloud.yml from 3f7a1c to 90be42",
        );
        for (was, is) in before.iter().zip(&after).filter(|(was, is)| was != is) {
            line(&format!("    -{was}"));
            line(&format!("    +{is}"));
            tokio::time::sleep(world.sandbox_delays().resource).await;
        }
    }
    for service in PACKAGECLOUD_SERVICES {
        line(&format!("Recipe: packagecloud::{service}"));
        line(&format!("  * service[{service}] action nothing (skipped due to action :nothing)"));
        tokio::time::sleep(world.sandbox_delays().resource * 3).await;
    }
    let now = world.sandbox_unix_time_now();
    world.update_sandbox_state_on_disk(|state| {
        if node.place == 0 {
            state.packagecloud.rendered = Some(fresh);
        } else {
            state.packagecloud.own_rendered.insert(node.place, fresh);
        }
        state.packagecloud.reconfigured = Some(now);
    });
    line(&format!("Chef Client finished, {}/217 resources updated in 1.732 seconds", u8::from(changed)));
    line("packagecloud Reconfigured!");
    0
}

/// Says why, as chef does, and returns its exit status.
fn report_failed_reconfigure(line: &mut (dyn FnMut(&str) + Send), why: &str) -> i32 {
    line("");
    line("================================================================================");
    line("Recipe Compile Error in /opt/packagecloud/embedded/cookbooks/packagecloud/recipes/default.rb");
    line("================================================================================");
    line(why);
    line("Chef Client failed. 0 resources updated in 1.204 seconds");
    1
}

/// Reads packagecloud.rb where Ruby holds no task up; in a sandbox with a seed here, so that no other thread decides the order.
async fn read_sandbox_node_settings(
    world: &Sandbox,
    node: &SandboxWebNode,
) -> Result<NodeSettingsReading, JoinError> {
    let path = node.config.clone();
    let reading = move || NodeSettingsReading::read_packagecloud_rb(&path);
    if world.is_sandbox_seeded() { Ok(reading()) } else { tokio::task::spawn_blocking(reading).await }
}

/// Chef runs once at a time on a host: a second run waits for the first one's end, and then reads the file.
async fn wait_for_sandbox_chef_lock(
    world: &Sandbox,
    node: &SandboxWebNode,
    line: &mut (dyn FnMut(&str) + Send),
) -> Option<File> {
    let lock = build_private_file_options()
        .append(true)
        .create(true)
        .open(node.config.with_file_name("chef.lock"))
        .ok()?;
    let mut said = false;
    while lock.try_lock().is_err() {
        if !said {
            line("Chef Client 4711 is running, will wait for it to finish and then run.");
            said = true;
        }
        tokio::time::sleep(world.sandbox_delays().resource.max(Duration::from_millis(10))).await;
    }
    Some(lock)
}

/// The rendered lines, always as many.
fn render_sandbox_packagecloud_yml(settings: &SandboxNodeSettings) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    vec![
        format!("  aws_access_key: {}", settings.access_key),
        format!("  aws_secret_key: {}", settings.secret_key),
        format!("  aws_s3_bucket: {}", settings.bucket),
        format!("  cloudfront_enabled: {}", settings.enabled),
        format!("  cloudfront_secret: {}", text(&settings.secret)),
        format!("  cloudfront_distribution_id: {}", text(&settings.distribution_id)),
        format!("  cloudfront_packages_domain: {}", text(&settings.domain)),
    ]
}

async fn simulate_packagecloud_restart(
    world: &Sandbox,
    node: &SandboxWebNode,
    line: &mut (dyn FnMut(&str) + Send),
) -> i32 {
    let whole = world.sandbox_delays().service * u32::try_from(PACKAGECLOUD_SERVICES.len()).unwrap_or(1);
    let back = world.sandbox_unix_time_now() + whole;
    world.update_sandbox_state_on_disk(|state| {
        let packagecloud = &mut state.packagecloud;
        packagecloud.restart_web_node(node.place);
        packagecloud.back = back;
        packagecloud.restarted = Some(back);
    });
    for (at, service) in PACKAGECLOUD_SERVICES.iter().enumerate() {
        tokio::time::sleep(world.sandbox_delays().service).await;
        line(&format!("ok: run: {service}: (pid {}) 0s", 2400 + at));
    }
    0
}
