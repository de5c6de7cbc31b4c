//! Lays the ground that a command stands on: this host or the sandbox's, AWS or the sandbox's, and the answers kept from the last run.
//!
//! The one place, beside the tests, that plugs a sandbox in.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_smithy_async::{
    rt::sleep::{SharedAsyncSleep, TokioSleep},
    time::{SharedTimeSource, SystemTimeSource},
};
use packagecloud_cloudfront::{
    args::{CliCommand, ConsentFlags, GlobalOptions, OutputFormat, ReindexFlags, YesOrNo},
    aws::{credentials::mfa, web::WebClient},
    cli,
    engine::{IdentityLookup, SandboxFacts, Session, SessionSettings},
    errln,
    host::{
        self, Ctl, Host, HostClock, HostStateDir, Keyring, Redactor, Ssh, Transport,
        environment::{netrc, owner::RestoreOwnership},
        run::state::SavedRun,
    },
    model::{
        run::{
            answers::{Answers, GivenConsents, ReindexAnswers},
            failure::Failure,
            goal::Goal,
        },
        secret::Secret,
    },
    outln,
    sandbox::{self, Sandbox, SandboxDelays, SandboxOptions, forward::ForwardingClient},
    tui::{JobContext, perform::effect_performer},
    wizard::Effect,
};
use tokio::task::JoinHandle;

/// Where a user's own files may lie that root writes: they are that user's again when this is dropped.
pub fn restore_ownership(global: &GlobalOptions) -> RestoreOwnership {
    let aws = std::env::home_dir().map(|home| home.join(".aws"));
    let named = [global.state_dir.clone(), global.log_file.clone(), global.sandbox.clone().flatten(), aws];
    RestoreOwnership::for_sudo_user(
        named.into_iter().flatten().filter_map(|path| std::path::absolute(path).ok()),
    )
}

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

/// Where packagecloud.rb is, without `--config`.
const DEFAULT_CONFIG_PATH: &str = "/etc/packagecloud/packagecloud.rb";
/// packagecloud's read token, for `--probe-url`.
const PROBE_TOKEN_VARIABLE: &str = "PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN";

pub async fn compose(global: &GlobalOptions, command: &CliCommand) -> Result<ComposedApp, Failure> {
    let world = global.sandbox.as_ref().map(|dir| open_sandbox(global, dir.as_deref())).transpose()?;
    let served = match &world {
        Some(world) => find_serving_sandbox(global, world).await?,
        None => None,
    };
    let hosts = self::connect_hosts(global, command, world.as_ref()).await?;
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
        let client = packagecloud_cloudfront::aws::network::build_http_client()?;
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

/// packagecloud's host, and its other web nodes.
struct PackagecloudHosts {
    first: Host,
    others: Vec<Host>,
}

async fn connect_hosts(
    global: &GlobalOptions,
    command: &CliCommand,
    world: Option<&Sandbox>,
) -> Result<PackagecloudHosts, Failure> {
    let here = self::open_local_host(global, command, world)?;
    if global.host.is_empty() {
        return Ok(PackagecloudHosts { first: here, others: Vec::new() });
    }
    if world.is_some() {
        return Err(Failure::usage_failure(
            "--host",
            "a sandbox has a host of its own, and never touches another",
            "leave one of --host and --sandbox away",
        ));
    }
    if let Some(twice) = global.host.iter().enumerate().find(|(at, name)| global.host[..*at].contains(name)) {
        return Err(Failure::usage_failure(
            "--host",
            format!("{} is named twice", twice.1),
            "name each host once",
        ));
    }
    if matches!(command, CliCommand::RollBack { .. }) && global.host.len() > 1 {
        return Err(Failure::usage_failure(
            "--host",
            "backups are one host's: roll-back restores on one at a time",
            "name one, restore there, then the next",
        ));
    }
    let mut hosts = Vec::new();
    for name in &global.host {
        let line = Ssh::new(name, &global.ssh)?;
        // One after the other, since each may ask something.
        if let Err(failure) = line.connect().await
            && !can_end_in_disable(command)
        {
            return Err(failure);
        }
        let host = Host::new_remote(line, &here.config, here.ctl.clone(), here.state.clone());
        hosts.push(Host { redactor: here.redactor.clone(), keyring: here.keyring.clone(), ..host });
    }
    let first = hosts.remove(0);
    Ok(PackagecloudHosts { first, others: hosts })
}

/// Whether this may end in switching off, which goes on past a host that can't be reached.
fn can_end_in_disable(command: &CliCommand) -> bool {
    matches!(command, CliCommand::Disable | CliCommand::Wizard { .. })
}

/// This machine, or the sandbox's.
fn open_local_host(
    global: &GlobalOptions,
    command: &CliCommand,
    world: Option<&Sandbox>,
) -> Result<Host, Failure> {
    let default_state =
        world.map_or_else(host::run::state::default_state_dir, |world| world.dir().join("state"));
    let state_dir = global.state_dir.clone().unwrap_or(default_state);
    let state = match HostStateDir::open(&state_dir, global.log_file.as_deref()) {
        Ok(state) => state,
        // Switching off needs packagecloud.rb alone: neither a full disk nor a log that can't be written stops it.
        Err(failure) if can_end_in_disable(command) => {
            errln!("packagecloud-cloudfront: nothing is kept or logged: {failure}");
            HostStateDir::open_temporary(&state_dir)
        }
        Err(failure) => return Err(failure),
    };
    let default_config =
        world.map_or_else(|| PathBuf::from(DEFAULT_CONFIG_PATH), |world| world.dir().join("packagecloud.rb"));
    let ctl = match (&global.ctl, world) {
        (Some(command), _) => command.parse()?,
        (None, Some(world)) => simulated_ctl(world),
        (None, None) => "packagecloud-ctl".parse()?,
    };
    let clock = world.map_or_else(HostClock::default, |world| {
        let world = world.clone();
        HostClock::new(move || world.now())
    });
    Ok(Host {
        transport: Transport::Local,
        config: global.config.clone().unwrap_or(default_config),
        ctl,
        state,
        keyring: if world.is_some() { Keyring::in_memory() } else { Keyring::System },
        redactor: Redactor::default(),
        clock,
        looks_for_clients: world.is_none(),
    })
}

/// The sandbox's packagecloud-ctl, in this process.
fn simulated_ctl(world: &Sandbox) -> Ctl {
    let world = world.clone();
    Ctl::Simulated(Arc::new(move |command, lines| {
        let world = world.clone();
        Box::pin(async move {
            let words = shell_words::split(&command).unwrap_or_default();
            Ok(sandbox::packagecloud::run_ctl_command(&world, &words, &mut |line| {
                let _ = lines.send(line.to_owned());
            })
            .await)
        })
    }))
}

/// What was said on this command line, over what the last run kept.
fn merge_answers(global: &GlobalOptions, command: &CliCommand, left: SavedRun) -> Answers {
    let unfinished = left.stage.is_some();
    let kept = left.answers;
    let mut answers = Answers {
        // The last run's comes after `AWS_*` (contract section 4): it is not chosen here.
        profile: global.profile.clone(),
        identity: kept.identity,
        account: kept.account,
        bucket: global.bucket.clone().or(kept.bucket),
        region: global.region.clone().or(kept.region),
        suffix: global.name_suffix.clone().unwrap_or(kept.suffix),
        origin_access: global.origin_access.unwrap_or(kept.origin_access),
        packages_domain: global.packages_domain.clone().or(kept.packages_domain),
        certificate: global
            .certificate
            .clone()
            .or(kept.certificate.filter(|_| global.packages_domain.is_none())),
        permissions_boundary: global.permissions_boundary.clone().or(kept.permissions_boundary),
        probe_url: global.probe_url.clone().or(kept.probe_url),
        construction: global.construction.or(kept.construction.filter(|_| unfinished)),
        // A run that was broken off goes on as it was begun.
        reindex: if unfinished { kept.reindex } else { ReindexAnswers::default() },
        consents: consents_from_flags(&global.consents),
        ..Answers::default()
    };
    match command {
        CliCommand::Enable { upgrade, prepare, reindex } => {
            answers.goal = Some(if *upgrade { Goal::Upgrade } else { Goal::Install });
            answers.prepare = *prepare;
            merge_reindex_flags(&mut answers, reindex);
        }
        CliCommand::Plan { goal, reindex } => {
            answers.goal = Some((*goal).into());
            merge_reindex_flags(&mut answers, reindex);
        }
        CliCommand::Wizard { goal, reindex } => {
            answers.goal = goal.map(Into::into).or(kept.goal);
            merge_reindex_flags(&mut answers, reindex);
        }
        CliCommand::ReindexEverything { reindex } => {
            answers.goal = Some(Goal::Upgrade);
            merge_reindex_flags(&mut answers, reindex);
        }
        CliCommand::Check { engine, .. } => {
            answers.goal = kept.goal.filter(|goal| matches!(goal, Goal::Install | Goal::Upgrade));
            if let Some(engine) = engine.engine {
                // Only an upgrade reindexes.
                answers.goal = Some(Goal::Upgrade);
                answers.reindex.engine = engine;
            }
        }
        CliCommand::Disable => answers.goal = Some(Goal::Disable),
        CliCommand::ReconfigureCloudfrontDistribution { arn, .. } => {
            answers.goal = Some(Goal::Install);
            answers.version_arn = Some(arn.clone());
        }
        _ => answers.goal = kept.goal.filter(|goal| matches!(goal, Goal::Install | Goal::Upgrade)),
    }
    answers
}

fn merge_reindex_flags(answers: &mut Answers, flags: &ReindexFlags) {
    let chosen = &mut answers.reindex;
    chosen.skip |= flags.skip_reindex;
    chosen.rescan = flags.rescan;
    chosen.no_acl |= flags.no_acl;
    chosen.all_keys |= flags.all_keys;
    if !flags.package_glob.is_empty() {
        chosen.package_globs.clone_from(&flags.package_glob);
    }
    if !flags.metadata_glob.is_empty() {
        chosen.metadata_globs.clone_from(&flags.metadata_glob);
    }
    chosen.vendor |= flags.vendor_reindex == YesOrNo::Yes;
    chosen.engine = flags.engine.engine.unwrap_or(chosen.engine);
}

fn consents_from_flags(flags: &ConsentFlags) -> GivenConsents {
    GivenConsents {
        adopt: flags.adopt,
        adopt_bucket_key: flags.adopt_bucket_key,
        new_secret: flags.new_secret,
        unproven: flags.unproven,
        managed: flags.managed,
        override_expression: flags.override_expression,
        other_bucket: flags.other_bucket,
        confirm_bucket: flags.confirm_bucket.clone(),
    }
}

/// How long the sandbox's states take, as a factor.
fn sandbox_pace(global: &GlobalOptions) -> f64 {
    global.sandbox_pace.filter(|factor| (0.0..=100.0).contains(factor)).unwrap_or(1.0)
}

/// The sandbox in `dir`; where none is named, a fixed one below the user's state directory.
fn open_sandbox(global: &GlobalOptions, dir: Option<&Path>) -> Result<Sandbox, Failure> {
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

pub fn import_objects(global: &GlobalOptions, dir: &Path, path: &Path) -> Result<(), Failure> {
    let mut global = global.clone();
    global.sandbox_empty = true;
    let world = open_sandbox(&global, Some(dir))?;
    let done = sandbox::import::import_directory(&world, sandbox::seed::SANDBOX_BUCKET, path, &mut |_| {})?;
    let bucket = sandbox::seed::SANDBOX_BUCKET;
    if global.output == OutputFormat::Json {
        cli::json::print_json_line(&cli::json::version_json(true));
        cli::json::print_json_line(
            &serde_json::json!({"type": "imported", "bucket": bucket, "objects": done.objects}),
        );
    } else {
        outln!("{} objects imported into {bucket}.", done.objects);
    }
    Ok(())
}

/// Serves the sandbox in `dir` on loopback until it is interrupted or asked to end.
pub async fn serve_sandbox(
    global: &GlobalOptions,
    dir: &Path,
    ports: [u16; 3],
    lagging_node: bool,
) -> Result<(), Failure> {
    let world = open_sandbox(global, Some(dir))?;
    let at = world.dir().to_owned();
    if let Ok(Some(there)) =
        tokio::task::spawn_blocking(move || sandbox::serve::find_running_server(&at)).await
    {
        return Err(Failure::other_failure(
            format!("sandbox {}", dir.display()),
            format!("process {} serves it already, its AWS at {}", there.pid, there.aws),
            "use that one, or end it first",
        ));
    }
    if lagging_node {
        sandbox::packagecloud::add_lagging_node(&world);
    } else {
        sandbox::packagecloud::remove_lagging_node(&world);
    }
    let [aws, front, edge] = ports;
    let serving = sandbox::serve::start_sandbox_server(&world, aws, front, edge).await?;
    let at = &serving.addresses;
    if global.output == OutputFormat::Json {
        cli::json::print_json_line(&cli::json::version_json(true));
        cli::json::print_json_line(&serde_json::json!({
            "type": "serving", "aws": at.aws, "packagecloud": at.packagecloud, "cloudfront": at.cloudfront,
        }));
    } else {
        outln!("AWS            {}", at.aws);
        outln!("packagecloud   {}", at.packagecloud);
        if lagging_node {
            outln!("               two web nodes by turns; a restart doesn't reach the second");
        }
        outln!("CloudFront     {}", at.cloudfront);
        outln!("Ctrl-C ends it.");
    }
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| Failure::other_failure("signals", error.to_string(), "try again"))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = ended.recv() => {}
    }
    Ok(())
}

/// Says a failure, and gives the exit code.
pub fn exit_code_of(result: Result<(), Failure>) -> u8 {
    match result {
        Ok(()) => cli::EXIT_DONE,
        Err(failure) => {
            errln!("packagecloud-cloudfront: {}", cli::plain::render_failure(&failure));
            cli::failure_exit_code(&failure)
        }
    }
}
