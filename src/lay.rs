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
    args::{Command, ConsentFlags, Global, Output, ReindexFlags, Whether},
    aws::{credentials::mfa, web::Web},
    cli,
    engine::{Ground, Identities, SandboxFacts, Settings},
    host::{
        self, Clock, Ctl, Host, Keyring, Reach, Redactor, Ssh, State,
        environment::{netrc, owner::GiveBack},
        run::state::Left,
    },
    model::{
        run::{
            answers::{Answers, Consents, ReindexAnswers},
            failure::Failure,
            goal::Goal,
        },
        secret::Secret,
    },
    sandbox::{self, Delays, Options, World, forward::Forward},
    say, tell,
    tui::{JobSender, perform::performer},
    wizard::Effect,
};
use tokio::task::JoinHandle;

/// Where a user's own files may lie that root writes: they are that user's again when this is dropped.
pub fn theirs(global: &Global) -> GiveBack {
    let aws = std::env::home_dir().map(|home| home.join(".aws"));
    let named = [global.state_dir.clone(), global.log_file.clone(), global.sandbox.clone().flatten(), aws];
    GiveBack::of(named.into_iter().flatten().filter_map(|path| std::path::absolute(path).ok()))
}

/// A command's ground.
pub struct Laid {
    pub ground: Ground,
    pub answers: Answers,
    pub sandbox: bool,
    world: Option<World>,
}

impl Laid {
    /// The performer of the wizard's effects; in a sandbox the loop itself can be made to break.
    pub fn performer(&self) -> impl Fn(Effect, JobSender) -> JoinHandle<()> + use<> {
        let (perform, world) = (performer(self.ground.clone(), cli::plain::event), self.world.clone());
        move |effect, sender| {
            world.iter().for_each(World::try_the_loop);
            perform(effect, sender)
        }
    }
}

/// Where packagecloud.rb is, without `--config`.
const CONFIG: &str = "/etc/packagecloud/packagecloud.rb";
/// packagecloud's read token, for `--probe-url`.
const PROBE_TOKEN: &str = "PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN";

pub async fn ground(global: &Global, command: &Command) -> Result<Laid, Failure> {
    let world = global.sandbox.as_ref().map(|dir| open(global, dir.as_deref())).transpose()?;
    let served = match &world {
        Some(world) => served(global, world).await?,
        None => None,
    };
    let hosts = self::hosts(global, command, world.as_ref()).await?;
    let (host, others) = (hosts.first, hosts.others);
    let (left, _) = host.state.left();
    let left = left.unwrap_or_default();
    let last = left.on.clone();
    let last_profile = left.answers.profile.clone();
    let answers = answers(global, command, left);
    let edge = global.edge_url.clone();
    let sleep = SharedAsyncSleep::new(TokioSleep::new());
    let (web, identities, facts) = if let Some(world) = &world {
        let client = served.map_or_else(|| world.http_client(), |forward| forward.http_client());
        let config = world.sdk_config_over(client.clone());
        let clock = config.time_source().unwrap_or_else(|| SharedTimeSource::new(SystemTimeSource::new()));
        let facts = SandboxFacts {
            bucket: sandbox::seed::BUCKET.to_owned(),
            packagecloud: format!("https://{}", sandbox::router::PACKAGECLOUD_HOST),
            pace: pace(global),
        };
        (Web::new(client, sleep, clock, edge), Identities::Fixed(Box::new(config)), Some(facts))
    } else {
        let client = packagecloud_cloudfront::aws::network::client()?;
        let clock = SharedTimeSource::new(SystemTimeSource::new());
        (Web::new(client.clone(), sleep, clock, edge), Identities::Found(client), None)
    };
    let probe_token = match &world {
        // A sandbox's packagecloud has tokens of its own; real ones stay where they are.
        Some(world) => sandbox::packagecloud::read_token(world).map(Secret::new),
        None => probe_token(command, answers.probe_url.as_deref()),
    };
    if let Some(token) = probe_token.as_ref().filter(|_| world.is_none()) {
        host.redactor.learn(token);
    }
    let settings = Settings {
        identities,
        region: global.region.clone(),
        endpoint_url: global.endpoint_url.clone(),
        sandbox: facts,
        probe_token,
        last,
        last_profile,
    };
    let profile = asked_profile(global, &settings);
    let ground = Ground::new(host, web, settings).with_others(others);
    // The wizard asks on a screen of its own.
    if let Some(wanted) =
        profile.as_deref().filter(|_| world.is_none() && asks_for_a_code(command)).and_then(mfa::of)
        && let Some(code) = netrc::prompt(&format!("The code of {}: ", wanted.serial))
    {
        ground.give_code(code).await;
    }
    Ok(Laid { ground, answers, sandbox: world.is_some(), world })
}

/// The profile that will be tried first.
fn asked_profile(global: &Global, settings: &Settings) -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    global.profile.clone().or_else(|| set("AWS_PROFILE")).or_else(|| settings.last_profile.clone())
}

/// Switching off asks AWS nothing, and waits for nobody.
fn asks_for_a_code(command: &Command) -> bool {
    !matches!(
        command,
        Command::Wizard { .. }
            | Command::Disable
            | Command::Inspect { .. }
            | Command::Completions { .. }
            | Command::Man
            | Command::Reconfigure
            | Command::Restart
    )
}

/// packagecloud's read token for the probe URL: from the environment, netrc, or a prompt. Never an argument: others see those.
fn probe_token(command: &Command, url: Option<&str>) -> Option<Secret> {
    let given = std::env::var(PROBE_TOKEN).ok().filter(|token| !token.is_empty()).map(Secret::new);
    let url = url?;
    given.or_else(|| netrc::login(url)).or_else(|| match command {
        Command::Verify | Command::Enable { .. } => {
            netrc::prompt(&format!("packagecloud's read token for {url} (Enter: none): "))
        }
        _ => None,
    })
}

/// The server that has this sandbox open, if one answers.
async fn served(global: &Global, world: &World) -> Result<Option<Forward>, Failure> {
    let dir = world.dir().to_owned();
    // It waits for an answer, half a second at most.
    let found = tokio::task::spawn_blocking(move || sandbox::forward::client(&dir)).await.ok().flatten();
    if found.is_some() && !global.sandbox_fault.is_empty() {
        return Err(Failure::usage(
            "--sandbox-fault",
            format!("the sandbox {} is being served: requests are answered there", world.dir().display()),
            "give it to sandbox serve, or end that first",
        ));
    }
    Ok(found)
}

/// packagecloud's host, and its other web nodes.
struct Hosts {
    first: Host,
    others: Vec<Host>,
}

async fn hosts(global: &Global, command: &Command, world: Option<&World>) -> Result<Hosts, Failure> {
    let here = self::host(global, command, world)?;
    if global.host.is_empty() {
        return Ok(Hosts { first: here, others: Vec::new() });
    }
    if world.is_some() {
        return Err(Failure::usage(
            "--host",
            "a sandbox has a host of its own, and never touches another",
            "leave one of --host and --sandbox away",
        ));
    }
    if let Some(twice) = global.host.iter().enumerate().find(|(at, name)| global.host[..*at].contains(name)) {
        return Err(Failure::usage("--host", format!("{} is named twice", twice.1), "name each host once"));
    }
    if matches!(command, Command::RollBack { .. }) && global.host.len() > 1 {
        return Err(Failure::usage(
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
            && !off_is_meant(command)
        {
            return Err(failure);
        }
        let host = Host::afar(line, &here.config, here.ctl.clone(), here.state.clone());
        hosts.push(Host { redactor: here.redactor.clone(), keyring: here.keyring.clone(), ..host });
    }
    let first = hosts.remove(0);
    Ok(Hosts { first, others: hosts })
}

/// Whether this may end in switching off, which goes on past a host that can't be reached.
fn off_is_meant(command: &Command) -> bool {
    matches!(command, Command::Disable | Command::Wizard { .. })
}

/// This machine, or the sandbox's.
fn host(global: &Global, command: &Command, world: Option<&World>) -> Result<Host, Failure> {
    let default_state = world.map_or_else(host::run::state::default_dir, |world| world.dir().join("state"));
    let state_dir = global.state_dir.clone().unwrap_or(default_state);
    let state = match State::open(&state_dir, global.log_file.as_deref()) {
        Ok(state) => state,
        // Switching off needs packagecloud.rb alone: neither a full disk nor a log that can't be written stops it.
        Err(failure) if off_is_meant(command) => {
            tell!("packagecloud-cloudfront: nothing is kept or logged: {failure}");
            State::lost(&state_dir)
        }
        Err(failure) => return Err(failure),
    };
    let default_config =
        world.map_or_else(|| PathBuf::from(CONFIG), |world| world.dir().join("packagecloud.rb"));
    let ctl = match (&global.ctl, world) {
        (Some(command), _) => command.parse()?,
        (None, Some(world)) => played(world),
        (None, None) => "packagecloud-ctl".parse()?,
    };
    let clock = world.map_or_else(Clock::default, |world| {
        let world = world.clone();
        Clock::new(move || world.now())
    });
    Ok(Host {
        reach: Reach::Local,
        config: global.config.clone().unwrap_or(default_config),
        ctl,
        state,
        keyring: if world.is_some() { Keyring::memory() } else { Keyring::System },
        redactor: Redactor::default(),
        clock,
        clients: world.is_none(),
    })
}

/// The sandbox's packagecloud-ctl, in this process.
fn played(world: &World) -> Ctl {
    let world = world.clone();
    Ctl::Played(Arc::new(move |command, lines| {
        let world = world.clone();
        Box::pin(async move {
            let words = shell_words::split(&command).unwrap_or_default();
            Ok(sandbox::packagecloud::ctl(&world, &words, &mut |line| {
                let _ = lines.send(line.to_owned());
            })
            .await)
        })
    }))
}

/// What was said on this command line, over what the last run kept.
fn answers(global: &Global, command: &Command, left: Left) -> Answers {
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
        consents: consents(&global.consents),
        ..Answers::default()
    };
    match command {
        Command::Enable { upgrade, prepare, reindex } => {
            answers.goal = Some(if *upgrade { Goal::Upgrade } else { Goal::Install });
            answers.prepare = *prepare;
            reindexed(&mut answers, reindex);
        }
        Command::Plan { goal, reindex } => {
            answers.goal = Some((*goal).into());
            reindexed(&mut answers, reindex);
        }
        Command::Wizard { goal, reindex } => {
            answers.goal = goal.map(Into::into).or(kept.goal);
            reindexed(&mut answers, reindex);
        }
        Command::ReindexEverything { reindex } => {
            answers.goal = Some(Goal::Upgrade);
            reindexed(&mut answers, reindex);
        }
        Command::Check { engine, .. } => {
            answers.goal = kept.goal.filter(|goal| matches!(goal, Goal::Install | Goal::Upgrade));
            if let Some(engine) = engine.engine {
                // Only an upgrade reindexes.
                answers.goal = Some(Goal::Upgrade);
                answers.reindex.engine = engine;
            }
        }
        Command::Disable => answers.goal = Some(Goal::Disable),
        Command::ReconfigureCloudfrontDistribution { arn, .. } => {
            answers.goal = Some(Goal::Install);
            answers.version_arn = Some(arn.clone());
        }
        _ => answers.goal = kept.goal.filter(|goal| matches!(goal, Goal::Install | Goal::Upgrade)),
    }
    answers
}

fn reindexed(answers: &mut Answers, flags: &ReindexFlags) {
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
    chosen.vendor |= flags.vendor_reindex == Whether::Yes;
    chosen.engine = flags.engine.engine.unwrap_or(chosen.engine);
}

fn consents(flags: &ConsentFlags) -> Consents {
    Consents {
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
fn pace(global: &Global) -> f64 {
    global.sandbox_pace.filter(|factor| (0.0..=100.0).contains(factor)).unwrap_or(1.0)
}

/// The sandbox in `dir`; where none is named, a fixed one below the user's state directory.
fn open(global: &Global, dir: Option<&Path>) -> Result<World, Failure> {
    let dir = dir.map_or_else(|| host::run::state::default_dir().join("sandbox"), Path::to_owned);
    sandbox::open(&Options {
        dir,
        empty: global.sandbox_empty,
        construction: global.sandbox_construction,
        faults: global.sandbox_fault.clone(),
        delays: Some(Delays::default().paced(pace(global))),
        ..Options::default()
    })
}

pub fn import(global: &Global, dir: &Path, path: &Path) -> Result<(), Failure> {
    let mut global = global.clone();
    global.sandbox_empty = true;
    let world = open(&global, Some(dir))?;
    let done = sandbox::import::import(&world, sandbox::seed::BUCKET, path, &mut |_| {})?;
    let bucket = sandbox::seed::BUCKET;
    if global.output == Output::Json {
        cli::json::print(&cli::json::version(true));
        cli::json::print(&serde_json::json!({"type": "imported", "bucket": bucket, "objects": done.objects}));
    } else {
        say!("{} objects imported into {bucket}.", done.objects);
    }
    Ok(())
}

/// Serves the sandbox in `dir` on loopback until it is interrupted or asked to end.
pub async fn serve(global: &Global, dir: &Path, ports: [u16; 3], lagging_node: bool) -> Result<(), Failure> {
    let world = open(global, Some(dir))?;
    let at = world.dir().to_owned();
    if let Ok(Some(there)) = tokio::task::spawn_blocking(move || sandbox::serve::served(&at)).await {
        return Err(Failure::other(
            format!("sandbox {}", dir.display()),
            format!("process {} serves it already, its AWS at {}", there.pid, there.aws),
            "use that one, or end it first",
        ));
    }
    if lagging_node {
        sandbox::packagecloud::lag(&world);
    } else {
        sandbox::packagecloud::catch_up(&world);
    }
    let [aws, front, edge] = ports;
    let serving = sandbox::serve::serve(&world, aws, front, edge).await?;
    let at = &serving.addresses;
    if global.output == Output::Json {
        cli::json::print(&cli::json::version(true));
        cli::json::print(&serde_json::json!({
            "type": "serving", "aws": at.aws, "packagecloud": at.packagecloud, "cloudfront": at.cloudfront,
        }));
    } else {
        say!("AWS            {}", at.aws);
        say!("packagecloud   {}", at.packagecloud);
        if lagging_node {
            say!("               two web nodes by turns; a restart doesn't reach the second");
        }
        say!("CloudFront     {}", at.cloudfront);
        say!("Ctrl-C ends it.");
    }
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| Failure::other("signals", error.to_string(), "try again"))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = ended.recv() => {}
    }
    Ok(())
}

/// Says a failure, and gives the exit code.
pub fn finish(result: Result<(), Failure>) -> u8 {
    match result {
        Ok(()) => cli::DONE,
        Err(failure) => {
            tell!("packagecloud-cloudfront: {}", cli::plain::failure(&failure));
            cli::code(&failure)
        }
    }
}
