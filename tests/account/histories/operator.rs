//! An operator of a story: begins a goal as a command does, is killed in the middle, and follows the next move of what failed.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use packagecloud_cloudfront::{
    engine::{RunContext, Session, status::read_install_status},
    host::{HostStateDir, PackagecloudCtlRunner},
    model::{
        aws::rotation::SecretRotationKind,
        failure::Failure,
        run::{
            answers::{OperatorAnswers, OperatorConsents, OriginAccess},
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::{
        Sandbox,
        packagecloud::{SandboxWebNode, simulate_packagecloud_ctl_on_node},
    },
};

use super::{
    diary::{is_diary_kept, write_diary_event, write_diary_line},
    parts::{CtlTrouble, StoryGoal},
    stage::second_config_path,
    switches::SwitchLog,
};
use crate::{engine::apply_stages, session::open_session_by_clock};

/// What goes wrong with packagecloud-ctl during a goal: at which of its commands, and how.
pub type PlannedCtlTrouble = Option<(usize, CtlTrouble)>;

/// A host that operators of a story work on.
#[derive(Clone)]
pub struct StoryHost {
    pub world: Sandbox,
    /// Its place among the web nodes: 0, or 1 for the second.
    pub place: usize,
    pub has_other: bool,
    /// Whether its commands name both hosts with `--host`, this one first.
    pub names_both: bool,
    /// Which of two hosts rotates: both play on one machine, by whose name each takes the other's mark on the function for its own,
    /// and two hosts of two names never rotate at once.
    pub rotation_turn: Arc<tokio::sync::Mutex<()>>,
    /// How far the host's clock is ahead, in seconds.
    pub clock_ahead_s: Arc<AtomicI64>,
    /// Which goal of the story is done.
    pub goal_number: usize,
    /// Which backup each goal's command names: typed again it names the same.
    pub named_backups: Arc<Mutex<BTreeMap<usize, PathBuf>>>,
    pub switches: Arc<Mutex<SwitchLog>>,
}

impl StoryHost {
    /// Opens a session, as each command has one of its own.
    fn open_command_session(&self, trouble: PlannedCtlTrouble) -> Session {
        let mut session = open_session_by_clock(&self.world, &self.clock_ahead_s);
        if self.place > 0 {
            self.move_to_second_host(&mut session);
        }
        if let Some((nth, trouble)) = trouble {
            plan_ctl_trouble(&mut session, &self.world, nth, trouble);
        }
        if self.names_both {
            let other = self.other_host().open_command_session(None).host;
            // Over ssh what was noted there is read at the start; here the other host's directory is asked as if it were the own.
            other.state.remove_state_dir_file("switched-off");
            session = session.add_other_web_hosts(vec![other]);
        }
        session
    }

    /// Lets a session work on the second web node, with a file and a state directory of its own.
    fn move_to_second_host(&self, session: &mut Session) {
        let config = second_config_path(self.world.sandbox_dir());
        let node = SandboxWebNode { place: self.place, config: config.clone() };
        let world = self.world.clone();
        session.host.state = HostStateDir::open_state_dir(&config.with_file_name("state"), None).unwrap();
        session.host.config = config;
        session.host.ctl = PackagecloudCtlRunner::Simulated(Arc::new(move |command, lines| {
            let (world, node) = (world.clone(), node.clone());
            Box::pin(async move {
                let words = shell_words::split(&command).unwrap();
                let mut say = |line: &str| drop(lines.send(line.to_owned()));
                Ok(simulate_packagecloud_ctl_on_node(&world, &node, &words, &mut say).await)
            })
        }));
    }

    fn create_run_context(&self) -> RunContext {
        let run = RunContext::new_silent_context();
        if !is_diary_kept() {
            return run;
        }
        let (world, place) = (self.world.clone(), self.place);
        run.with_event_listener(move |event| write_diary_event(&world, place, event))
    }

    /// Returns the other of the two hosts.
    fn other_host(&self) -> Self {
        Self { place: 1 - self.place, names_both: false, ..self.clone() }
    }

    fn config_path(&self) -> PathBuf {
        let dir = self.world.sandbox_dir();
        if self.place == 0 { dir.join("packagecloud.rb") } else { second_config_path(dir) }
    }

    /// Reconfigures and restarts, as `reconfigure` and `restart` do.
    async fn follow_own_file(&self) {
        let node = SandboxWebNode { place: self.place, config: self.config_path() };
        for word in ["reconfigure", "restart"] {
            let words = [word.to_owned()];
            simulate_packagecloud_ctl_on_node(&self.world, &node, &words, &mut |_: &str| ()).await;
        }
    }

    /// Copies the lines of the other host's file that hold `key` to this one's, as somebody types them who was told to.
    fn copy_other_hosts_lines(&self, key: &str) -> bool {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let is_meant = |line: &&str| line.contains(key);
        let (own, other) = (read(self.config_path()), read(self.other_host().config_path()));
        let copied: Vec<&str> = other.lines().filter(is_meant).collect();
        if copied.is_empty() {
            return false;
        }
        let kept = own.lines().filter(|line| !is_meant(line));
        let text = kept.chain(copied).collect::<Vec<_>>().join("\n") + "\n";
        std::fs::write(self.config_path(), text).unwrap();
        write_diary_line(&self.world, || {
            format!("node {}: the other's {key} is copied to its file", self.place)
        });
        true
    }

    /// Does one goal, as its command does with `--yes`.
    pub async fn run_goal(
        &self,
        goal: StoryGoal,
        consents: &OperatorConsents,
        trouble: PlannedCtlTrouble,
    ) -> Result<(), Failure> {
        write_diary_line(&self.world, || format!("node {}: {goal:?} begins", self.place));
        let is_rotation = matches!(goal, StoryGoal::Rotate | StoryGoal::FinishRotation);
        let _turn = if self.has_other && is_rotation { Some(self.rotation_turn.lock().await) } else { None };
        let number = self.switches.lock().unwrap().note_goal_begin(goal);
        let done = self.run_untold_goal(goal, consents, trouble).await;
        if goal == StoryGoal::Disable && done.is_ok() {
            let places = if self.names_both { vec![0, 1] } else { vec![self.place] };
            self.switches.lock().unwrap().note_disable_end(number, places);
        }
        write_diary_line(&self.world, || format!("node {}: {goal:?} ends: {done:?}", self.place));
        done
    }

    async fn run_untold_goal(
        &self,
        goal: StoryGoal,
        consents: &OperatorConsents,
        trouble: PlannedCtlTrouble,
    ) -> Result<(), Failure> {
        let session = self.open_command_session(trouble);
        session.remember_seen_disable_markers().await;
        match goal {
            StoryGoal::Status => {
                read_install_status(&session, &OperatorAnswers::default()).await;
                return Ok(());
            }
            StoryGoal::Disable => drop(session.acquire_lock_or_find_holder().await),
            _ => session.acquire_run_lock().await?,
        }
        let mut answers = OperatorAnswers { consents: consents.clone(), ..OperatorAnswers::default() };
        answers.consents.live_change = true;
        let (wanted, stages): (OperatorGoal, &[RunStage]) = match goal {
            StoryGoal::Install => (OperatorGoal::Install, OperatorGoal::Install.stages_of_goal()),
            StoryGoal::MoveToControl => {
                answers.origin_access = OriginAccess::Oac;
                (OperatorGoal::Install, OperatorGoal::Install.stages_of_goal())
            }
            StoryGoal::Upgrade => (OperatorGoal::Upgrade, OperatorGoal::Upgrade.stages_of_goal()),
            StoryGoal::Disable => (OperatorGoal::Disable, &[RunStage::Disable]),
            StoryGoal::RollBack => {
                let backups = session.host.list_config_backups().await?;
                let Some(newest) = backups.first() else { return Ok(()) };
                let mut named = self.named_backups.lock().unwrap();
                let named = named.entry(self.goal_number).or_insert_with(|| newest.path.clone());
                answers.roll_back.backup = Some(named.display().to_string());
                (OperatorGoal::RollBack, &[RunStage::RollBack])
            }
            StoryGoal::Rotate | StoryGoal::FinishRotation | StoryGoal::Status => {
                if goal == StoryGoal::FinishRotation {
                    answers.rotation = SecretRotationKind::Finish;
                    answers.consents.no_other_node = true;
                }
                (OperatorGoal::Rotate, &[RunStage::Rotate])
            }
        };
        answers.goal = Some(wanted);
        let run = self.create_run_context();
        let stages = stages.iter().copied();
        let is_applied =
            |stage: &RunStage| !matches!(stage, RunStage::Access | RunStage::Overview | RunStage::Reindex);
        let rest: Vec<RunStage> = stages.clone().filter(is_applied).collect();
        // As the command does: the reindex runs beside the stages after it.
        let reindexing = async {
            if stages.clone().any(|stage| stage == RunStage::Reindex) {
                apply_stages(&session, &answers, &[RunStage::Reindex], &run).await
            } else {
                Ok(())
            }
        };
        let setting_up = apply_stages(&session, &answers, &rest, &run);
        let (reindexed, set_up) = tokio::join!(Box::pin(reindexing), Box::pin(setting_up));
        set_up.and(reindexed)?;
        let is_restored = goal == StoryGoal::RollBack
            && session.host.read_packagecloud_config().await?.seen.values.enabled == Some(true);
        if is_restored {
            // What is restored as on goes live by the stage that proves it.
            apply_stages(&session, &answers, &[RunStage::GoLive], &run).await?;
        }
        Ok(())
    }
}

/// Wraps the sandbox's packagecloud-ctl, so that its `nth` command goes wrong.
fn plan_ctl_trouble(session: &mut Session, world: &Sandbox, nth: usize, trouble: CtlTrouble) {
    let PackagecloudCtlRunner::Simulated(usual) = session.host.ctl.clone() else { return };
    let (count, world) = (Arc::new(AtomicUsize::new(0)), world.clone());
    session.host.ctl = PackagecloudCtlRunner::Simulated(Arc::new(move |command, lines| {
        if count.fetch_add(1, Relaxed) + 1 != nth {
            return usual(command, lines);
        }
        let (usual, world) = (Arc::clone(&usual), world.clone());
        Box::pin(async move {
            if trouble == CtlTrouble::FailsAtOnce {
                let _ = lines.send("Errno::ENOSPC: No space left on device".to_owned());
                return Ok(1);
            }
            let status = usual(command, lines).await?;
            if let CtlTrouble::ComesBackLate(seconds) = trouble {
                world.update_sandbox_state_on_disk(|state| {
                    state.packagecloud.back += Duration::from_secs(seconds);
                });
                return Ok(status);
            }
            Ok(1)
        })
    }));
}

/// Does `work` until it has waited `moments` times, and drops it there as a kill does; none then.
pub async fn run_until_killed<T>(work: impl Future<Output = T>, moments: Option<usize>) -> Option<T> {
    let mut work: Pin<Box<dyn Future<Output = T>>> = Box::pin(work);
    let mut waited = 0;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if moments.is_some_and(|moments| waited >= moments) => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

/// How often a next move is followed before it counts as one that leads nowhere.
const MOVES_MAX: usize = 6;

/// Follows the next moves of a failure until the goal is reached.
///
/// # Errors
/// Says which failure had no next move, or which moves led nowhere.
pub async fn follow_next_moves(
    host: &StoryHost,
    goal: StoryGoal,
    first: &Failure,
    alter: impl Fn(&mut Failure),
) -> Result<(), String> {
    let (mut failure, mut consents) = (first.clone(), OperatorConsents::default());
    let mut host = host.clone();
    let mut told = Vec::new();
    for _ in 0..MOVES_MAX {
        alter(&mut failure);
        let said = format!("{:?} {}: {} → {}", failure.kind, failure.what, failure.why, failure.next);
        if !told.contains(&said) {
            told.push(said);
        }
        if failure.next.trim().is_empty() || failure.why.contains("panicked") {
            return Err(format!("no next move: {}", told.join(" | ")));
        }
        // Somebody reads it, and sees to it.
        tokio::time::sleep(Duration::from_mins(2)).await;
        if failure.next.contains("set the clock") {
            host.clock_ahead_s.store(0, Relaxed);
        }
        let is_copied = host.has_other
            && (failure.what.contains("cloudfront_secret") || failure.next.contains("cloudfront_secret"))
            && host.copy_other_hosts_lines("'cloudfront_secret'");
        give_named_consents(&mut consents, &failure.next);
        consents.new_secret &= !is_copied;
        if host.has_other && failure.next.contains("on that node: set cloudfront_enabled to false") {
            let there = host.other_host().run_goal(StoryGoal::Disable, &consents, None).await;
            told.extend(there.err().map(|there| format!("on the other host: {there}")));
        }
        if failure.next.contains("have packagecloud follow its file on each node") {
            host.follow_own_file().await;
            if host.has_other {
                host.other_host().follow_own_file().await;
            }
        }
        let is_named =
            ["name every node with --host", "name that node too with --host", "name it with --host"];
        host.names_both |= host.has_other && is_named.iter().any(|words| failure.next.contains(words));
        if host.has_other && failure.next.contains("on the other node: give it the same four values") {
            let other = host.other_host();
            other.copy_other_hosts_lines("'cloudfront_");
            host.switches.lock().unwrap().note_typed_switch();
            other.follow_own_file().await;
        }
        let wanted = find_named_goal(&failure.next, goal);
        if let Some(other) = wanted
            && let Err(again) = host.run_goal(other, &consents, None).await
        {
            told.push(format!("{other:?} fails: {again}"));
        }
        match host.run_goal(goal, &consents, None).await {
            Ok(()) => return Ok(()),
            Err(again) => failure = again,
        }
    }
    Err(format!("its next moves lead nowhere: {}", told.join(" | ")))
}

/// Gives the consents whose flags a next move names.
fn give_named_consents(consents: &mut OperatorConsents, next: &str) {
    consents.adopt |= next.contains("--adopt");
    consents.unproven |= next.contains("--unproven");
    consents.new_secret |= next.contains("--new-secret");
    consents.other_bucket |= next.contains("--other-bucket");
    consents.rotation_take_over |= next.contains("take over") || next.contains("rotate-secret");
}

/// Finds the command that a next move proposes first, where it is another one than the goal's own.
fn find_named_goal(next: &str, goal: StoryGoal) -> Option<StoryGoal> {
    let commands = [
        ("packagecloud-cloudfront rotate-secret --finish", StoryGoal::FinishRotation),
        ("packagecloud-cloudfront rotate-secret", StoryGoal::Rotate),
        ("packagecloud-cloudfront enable --upgrade", StoryGoal::Upgrade),
        ("packagecloud-cloudfront enable", StoryGoal::Install),
        ("packagecloud-cloudfront disable", StoryGoal::Disable),
    ];
    let named = commands.into_iter().filter_map(|(command, of)| Some((next.find(command)?, of)));
    let (_, first) = named.min_by_key(|(at, _)| *at)?;
    (first != goal).then_some(first)
}
