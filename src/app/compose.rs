//! Composes what a command runs on: this host or the sandbox's, AWS or the sandbox's, and the answers kept from the last run.

use std::path::Path;

use tokio::task::JoinHandle;

use crate::{
    args::{CliCommand, GlobalOptions},
    aws::{
        self,
        credentials::{chain, lookup::FixedOrDiscoveredAwsIdentity, mfa},
    },
    cli,
    engine::{RandomByteSource, Session, SessionSettings},
    host::{HostStateDir, environment::netrc},
    model::{failure::Failure, run::answers::OperatorAnswers, secret::Secret},
    plain::terminal::is_plain_face_wanted,
    sandbox::{self, Sandbox, SandboxOptions, SandboxPropagationDelays, forward::SandboxForwardingClient},
    tui::{
        EffectJobContext,
        perform::{ClipboardTarget, TerminalWriter, build_effect_performer},
    },
    wizard::WizardEffect,
};

use super::{
    answers::merge_cli_over_saved_answers,
    hosts::{connect_packagecloud_hosts, new_sandbox_host},
    runtime::find_sandbox_dir,
};

/// A command's ground.
pub struct AppContext {
    pub session: Session,
    pub answers: OperatorAnswers,
    pub sandbox: bool,
    /// The wizard is lines and questions, and no screen.
    pub is_plain: bool,
    world: Option<Sandbox>,
}

impl AppContext {
    /// Returns the performer of the wizard's effects, which sends a copy to the clipboard of `terminal`; in a sandbox the loop
    /// itself can be made to break.
    pub fn build_wizard_effect_performer(
        &self,
        terminal: TerminalWriter,
    ) -> impl Fn(WizardEffect, EffectJobContext) -> JoinHandle<()> + use<> {
        let clipboard = if self.is_plain {
            ClipboardTarget::FileAlone
        } else {
            ClipboardTarget::TerminalAndFile(terminal)
        };
        let (perform, world) = (
            build_effect_performer(self.session.clone(), cli::plain::render_stage_event_line, clipboard),
            self.world.clone(),
        );
        move |effect, sender| {
            world.iter().for_each(Sandbox::panic_on_injected_wizard_fault);
            perform(effect, sender)
        }
    }
}

/// packagecloud's read token, for `--probe-url`.
const PROBE_TOKEN_VARIABLE: &str = "PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN";

/// Composes what a command runs on, and asks at the terminal for what it needs before it starts.
///
/// # Errors
/// Where a host, the sandbox or the state directory can't be opened, or the options contradict each other.
pub async fn build_app_context(global: &GlobalOptions, command: &CliCommand) -> Result<AppContext, Failure> {
    let world = global.sandbox.as_ref().map(|dir| open_sandbox_dir(global, dir.as_deref())).transpose()?;
    let served = if let Some(world) = &world { find_sandbox_server(global, world).await? } else { None };
    let hosts = connect_packagecloud_hosts(global, command, world.as_ref()).await?;
    let (host, others) = (hosts.first, hosts.others);
    let (left, _) = host.state.read_saved_run();
    let left = left.unwrap_or_default();
    let last = left.on.clone();
    let last_profile = left.answers.profile.clone();
    let answers = merge_cli_over_saved_answers(global, command, left);
    let settings = if let Some(world) = &world {
        let client = served.map_or_else(
            || world.build_sandbox_http_client(),
            |forward| forward.build_sandbox_server_http_client(),
        );
        let config = world.build_sdk_config_with_client(client);
        build_sandbox_session_settings(
            world,
            FixedOrDiscoveredAwsIdentity::Fixed(Box::new(config)),
            compute_sandbox_delay_factor(global),
        )
    } else {
        let identities = FixedOrDiscoveredAwsIdentity::Found(aws::network::build_http_client()?);
        let probe_token = find_packagecloud_read_token(command, answers.probe_url.as_deref());
        let pace = compute_sandbox_delay_factor(global);
        let wait_factor = compute_engine_wait_factor(global.endpoint_url.as_deref(), pace);
        SessionSettings { wait_factor, probe_token, ..SessionSettings::new(identities) }
    };
    if let Some(token) = settings.probe_token.as_ref().filter(|_| world.is_none()) {
        host.redactor.learn_secret_to_redact(token);
    }
    let web = settings.identities.build_unsigned_http_client(global.edge_url.clone());
    let settings = SessionSettings {
        region: global.region.clone(),
        endpoint_url: global.endpoint_url.clone(),
        last,
        last_profile,
        ..settings
    };
    let profile = choose_preferred_aws_profile(global, &settings);
    let session = Session::new(host, web, settings).add_other_web_hosts(others);
    // The wizard asks on a screen of its own.
    if let Some(wanted) = profile
        .as_deref()
        .filter(|_| world.is_none() && may_command_need_mfa_code(command))
        .and_then(mfa::read_mfa_profile)
        && let Some(code) = netrc::prompt_secret_at_terminal(&format!("The code of {}: ", wanted.serial))
    {
        session.store_typed_mfa_code(code).await;
    }
    let (accessible, term) = (std::env::var_os("ACCESSIBLE"), std::env::var_os("TERM"));
    let is_plain = global.plain || is_plain_face_wanted(accessible.as_deref(), term.as_deref());
    Ok(AppContext { session, answers, sandbox: world.is_some(), is_plain, world })
}

/// Requests for objects in flight at once in a sandbox: it has the screen's processors.
const SANDBOX_OBJECT_REQUESTS_MAX: usize = 32;
/// What a sandbox's packagecloud takes as a read token, where its file of tokens is empty.
const SANDBOX_READ_TOKEN: &str = "demo-token";

/// Returns what a sandbox knows without being told; its packagecloud has tokens of its own, real ones stay where they are.
fn build_sandbox_session_settings(
    world: &Sandbox,
    identities: FixedOrDiscoveredAwsIdentity,
    pace: f64,
) -> SessionSettings {
    let token = sandbox::packagecloud::first_sandbox_read_token(world);
    SessionSettings {
        default_bucket: Some((sandbox::seed::SANDBOX_BUCKET.to_owned(), "a sandbox has one".to_owned())),
        packagecloud_url: Some(format!("https://{}", sandbox::router::PACKAGECLOUD_HOST)),
        wait_factor: pace.min(1.0),
        random_bytes: if world.is_sandbox_seeded() {
            RandomByteSource::SandboxSeed
        } else {
            RandomByteSource::OperatingSystem
        },
        object_requests_max: Some(SANDBOX_OBJECT_REQUESTS_MAX),
        probe_token: Some(Secret::new(token.unwrap_or_else(|| SANDBOX_READ_TOKEN.to_owned()))),
        ..SessionSettings::new(identities)
    }
}

/// Opens the session that a command without options has on a sandbox.
///
/// # Errors
/// Where the sandbox's state directory can't be opened.
pub fn open_sandbox_session(world: &Sandbox) -> Result<Session, Failure> {
    let state = HostStateDir::open_state_dir(&world.sandbox_dir().join("state"), None)?;
    let settings = build_sandbox_session_settings(
        world,
        FixedOrDiscoveredAwsIdentity::Fixed(Box::new(world.build_sandbox_sdk_config())),
        1.0,
    );
    let web = settings.identities.build_unsigned_http_client(None);
    Ok(Session::new(new_sandbox_host(world, state), web, settings))
}

/// The profile that will be tried first.
fn choose_preferred_aws_profile(global: &GlobalOptions, settings: &SessionSettings) -> Option<String> {
    global
        .profile
        .clone()
        .or_else(chain::find_profile_in_environment)
        .or_else(|| settings.last_profile.clone())
}

/// Switching off asks AWS nothing, and waits for nobody.
fn may_command_need_mfa_code(command: &CliCommand) -> bool {
    !matches!(
        command,
        CliCommand::Wizard { .. }
            | CliCommand::Disable
            | CliCommand::Inspect { .. }
            | CliCommand::Completions { .. }
            | CliCommand::Man
            | CliCommand::Reconfigure
            | CliCommand::Restart
    )
}

/// packagecloud's read token for the probe URL: from the environment, netrc, or a prompt. Never an argument: others see those.
fn find_packagecloud_read_token(command: &CliCommand, url: Option<&str>) -> Option<Secret> {
    let given = std::env::var(PROBE_TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(Secret::new);
    let url = url?;
    given.or_else(|| netrc::find_netrc_token(url)).or_else(|| match command {
        CliCommand::Verify { .. } | CliCommand::Enable { .. } | CliCommand::RotateSecret { .. } => {
            netrc::prompt_secret_at_terminal(&format!("packagecloud's read token for {url} (Enter: none): "))
        }
        _ => None,
    })
}

/// The server that has this sandbox open, if one answers.
async fn find_sandbox_server(
    global: &GlobalOptions,
    world: &Sandbox,
) -> Result<Option<SandboxForwardingClient>, Failure> {
    let dir = world.sandbox_dir().to_owned();
    // It waits for an answer, half a second at most.
    let found = tokio::task::spawn_blocking(move || sandbox::forward::connect_to_sandbox_server(&dir))
        .await
        .ok()
        .flatten();
    if found.is_some() && !global.sandbox_fault.is_empty() {
        return Err(Failure::new_usage_failure(
            "--sandbox-fault",
            format!(
                "the sandbox {} is being served: requests are answered there",
                world.sandbox_dir().display()
            ),
            "give it to sandbox serve, or end that first",
        ));
    }
    Ok(found)
}

/// How long the sandbox's states take, as a factor.
fn compute_sandbox_delay_factor(global: &GlobalOptions) -> f64 {
    global.sandbox_pace.filter(|factor| (0.0..=100.0).contains(factor)).unwrap_or(1.0)
}

/// How long the engine's own waits take outside of a sandbox, as a factor: they follow `pace` where a sandbox is served, which is
/// on loopback alone. Anywhere else they keep links from being refused, whatever the environment still holds.
fn compute_engine_wait_factor(endpoint_url: Option<&str>, pace: f64) -> f64 {
    let endpoint = endpoint_url.and_then(|url| url.parse::<http::Uri>().ok());
    let is_loopback = endpoint.as_ref().and_then(http::Uri::host).is_some_and(aws::network::is_loopback_host);
    if is_loopback { pace.min(1.0) } else { 1.0 }
}

/// Opens the sandbox in `dir`; where none is named, a fixed one below the user's state directory.
///
/// # Errors
/// Where the directory can't be made or isn't a sandbox's.
pub(super) fn open_sandbox_dir(global: &GlobalOptions, dir: Option<&Path>) -> Result<Sandbox, Failure> {
    let dir = find_sandbox_dir(dir.map(Path::to_owned).as_ref());
    sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir,
        empty: global.sandbox_empty,
        construction: global.sandbox_construction,
        seed: global.sandbox_seed,
        faults: global.sandbox_fault.clone(),
        delays: Some(SandboxPropagationDelays::default().scale_delays(compute_sandbox_delay_factor(global))),
        ..SandboxOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_cut_short_at_an_aws_that_is_no_served_sandbox() {
        for (endpoint, pace, factor) in [
            (None, 0.01, 1.0),
            (Some("https://vpce-1-s3.us-east-1.vpce.amazonaws.com"), 0.01, 1.0),
            (Some("http://10.0.0.7:4566"), 0.0, 1.0),
            (Some("http://localhost.example.com:4566"), 0.0, 1.0),
            (Some("no URL"), 0.0, 1.0),
            (Some("http://127.0.0.1:4566"), 0.01, 0.01),
            (Some("http://LOCALHOST:4566/aws"), 0.01, 0.01),
            (Some("http://[::1]:4566"), 0.0, 0.0),
            (Some("http://127.0.0.1:4566"), 3.0, 1.0),
        ] {
            let found = compute_engine_wait_factor(endpoint, pace);
            assert!((found - factor).abs() < f64::EPSILON, "{endpoint:?} {pace}: {found}");
        }
    }
}
