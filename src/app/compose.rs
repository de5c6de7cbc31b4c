//! Composes what a command runs on: this host or the sandbox's, AWS or the sandbox's, and the answers kept from the last run.

use std::path::Path;

use aws_smithy_async::{
    rt::sleep::{SharedAsyncSleep, TokioSleep},
    time::{SharedTimeSource, SystemTimeSource},
};
use tokio::task::JoinHandle;

use crate::{
    args::{CliCommand, GlobalOptions},
    aws::{self, credentials::mfa, web::WebClient},
    cli,
    engine::{IdentityLookup, SandboxFacts, Session, SessionSettings},
    host::{self, environment::netrc},
    model::{failure::Failure, run::answers::Answers, secret::Secret},
    sandbox::{self, Sandbox, SandboxDelays, SandboxOptions, forward::ForwardingClient},
    tui::{JobContext, perform::effect_performer},
    wizard::Effect,
};

use super::{answers::merge_answers, hosts::connect_hosts};

/// A command's ground.
pub struct ComposedApp {
    pub session: Session,
    pub answers: Answers,
    pub sandbox: bool,
    world: Option<Sandbox>,
}

impl ComposedApp {
    /// The performer of the wizard's effects; in a sandbox the loop itself can be made to break.
    pub fn effect_performer(&self) -> impl Fn(Effect, JobContext) -> JoinHandle<()> + use<> {
        let (perform, world) =
            (effect_performer(self.session.clone(), cli::plain::render_event), self.world.clone());
        move |effect, sender| {
            world.iter().for_each(Sandbox::panic_on_wizard_fault);
            perform(effect, sender)
        }
    }
}

/// packagecloud's read token, for `--probe-url`.
const PROBE_TOKEN_VARIABLE: &str = "PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN";

pub async fn compose(global: &GlobalOptions, command: &CliCommand) -> Result<ComposedApp, Failure> {
    let world = global.sandbox.as_ref().map(|dir| open_sandbox(global, dir.as_deref())).transpose()?;
    let served = match &world {
        Some(world) => find_serving_sandbox(global, world).await?,
        None => None,
    };
    let hosts = connect_hosts(global, command, world.as_ref()).await?;
    let (host, others) = (hosts.first, hosts.others);
    let (left, _) = host.state.read_saved_run();
    let left = left.unwrap_or_default();
    let last = left.on.clone();
    let last_profile = left.answers.profile.clone();
    let answers = merge_answers(global, command, left);
    let edge = global.edge_url.clone();
    let sleep = SharedAsyncSleep::new(TokioSleep::new());
    let (web, identities, facts) = if let Some(world) = &world {
        let client = served.map_or_else(|| world.http_client(), |forward| forward.http_client());
        let config = world.sdk_config_with_client(client.clone());
        let clock = config.time_source().unwrap_or_else(|| SharedTimeSource::new(SystemTimeSource::new()));
        let facts = SandboxFacts {
            bucket: sandbox::seed::SANDBOX_BUCKET.to_owned(),
            packagecloud: format!("https://{}", sandbox::router::PACKAGECLOUD_HOST),
            pace: sandbox_pace(global),
        };
        (WebClient::new(client, sleep, clock, edge), IdentityLookup::Fixed(Box::new(config)), Some(facts))
    } else {
        let client = aws::network::build_http_client()?;
        let clock = SharedTimeSource::new(SystemTimeSource::new());
        (WebClient::new(client.clone(), sleep, clock, edge), IdentityLookup::Found(client), None)
    };
    let probe_token = match &world {
        // A sandbox's packagecloud has tokens of its own; real ones stay where they are.
        Some(world) => sandbox::packagecloud::first_read_token(world).map(Secret::new),
        None => find_probe_token(command, answers.probe_url.as_deref()),
    };
    if let Some(token) = probe_token.as_ref().filter(|_| world.is_none()) {
        host.redactor.learn_secret(token);
    }
    let settings = SessionSettings {
        identities,
        region: global.region.clone(),
        endpoint_url: global.endpoint_url.clone(),
        sandbox: facts,
        probe_token,
        last,
        last_profile,
    };
    let profile = preferred_profile(global, &settings);
    let session = Session::new(host, web, settings).with_other_hosts(others);
    // The wizard asks on a screen of its own.
    if let Some(wanted) = profile
        .as_deref()
        .filter(|_| world.is_none() && needs_mfa_code(command))
        .and_then(mfa::read_mfa_profile)
        && let Some(code) = netrc::prompt_secret(&format!("The code of {}: ", wanted.serial))
    {
        session.set_mfa_code(code).await;
    }
    Ok(ComposedApp { session, answers, sandbox: world.is_some(), world })
}

/// The profile that will be tried first.
fn preferred_profile(global: &GlobalOptions, settings: &SessionSettings) -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    global.profile.clone().or_else(|| set("AWS_PROFILE")).or_else(|| settings.last_profile.clone())
}

/// Switching off asks AWS nothing, and waits for nobody.
fn needs_mfa_code(command: &CliCommand) -> bool {
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
fn find_probe_token(command: &CliCommand, url: Option<&str>) -> Option<Secret> {
    let given = std::env::var(PROBE_TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(Secret::new);
    let url = url?;
    given.or_else(|| netrc::find_netrc_token(url)).or_else(|| match command {
        CliCommand::Verify | CliCommand::Enable { .. } => {
            netrc::prompt_secret(&format!("packagecloud's read token for {url} (Enter: none): "))
        }
        _ => None,
    })
}

/// The server that has this sandbox open, if one answers.
async fn find_serving_sandbox(
    global: &GlobalOptions,
    world: &Sandbox,
) -> Result<Option<ForwardingClient>, Failure> {
    let dir = world.dir().to_owned();
    // It waits for an answer, half a second at most.
    let found = tokio::task::spawn_blocking(move || sandbox::forward::open_forwarding_client(&dir))
        .await
        .ok()
        .flatten();
    if found.is_some() && !global.sandbox_fault.is_empty() {
        return Err(Failure::usage_failure(
            "--sandbox-fault",
            format!("the sandbox {} is being served: requests are answered there", world.dir().display()),
            "give it to sandbox serve, or end that first",
        ));
    }
    Ok(found)
}

/// How long the sandbox's states take, as a factor.
fn sandbox_pace(global: &GlobalOptions) -> f64 {
    global.sandbox_pace.filter(|factor| (0.0..=100.0).contains(factor)).unwrap_or(1.0)
}

/// The sandbox in `dir`; where none is named, a fixed one below the user's state directory.
pub(super) fn open_sandbox(global: &GlobalOptions, dir: Option<&Path>) -> Result<Sandbox, Failure> {
    let dir = dir.map_or_else(|| host::run::state::default_state_dir().join("sandbox"), Path::to_owned);
    sandbox::open_sandbox(&SandboxOptions {
        dir,
        empty: global.sandbox_empty,
        construction: global.sandbox_construction,
        faults: global.sandbox_fault.clone(),
        delays: Some(SandboxDelays::default().scale_by(sandbox_pace(global))),
        ..SandboxOptions::default()
    })
}
