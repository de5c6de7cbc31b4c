//! Plays a story on a world of its own, and says what didn't hold; looks for the smallest story that fails the same way.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use packagecloud_cloudfront::{
    model::{failure::Failure, run::answers::OperatorConsents},
    sandbox::{Sandbox, control_plane::s3, seed},
};

use super::{
    operator::{StoryHost, follow_next_moves, run_until_killed},
    parts::{CtlTrouble, ForeignEdit, Story, StoryGoal, StoryPart},
    sabotage::Sabotage,
    stage::{HistoryStage, build_story_runtime},
    watch::{StoryRule, StoryViolation, StoryWatch, UPLOAD_MARK},
};

/// How often clients come.
const TICK: Duration = Duration::from_secs(5);
/// The longest that a write of the bucket policy takes, from its reading on, where nothing hangs.
const POLICY_WRITE_MAX: Duration = Duration::from_secs(5);

/// What came of a story.
pub struct PlayedStory {
    pub violations: Vec<StoryViolation>,
    /// Every request, a line each.
    pub ledger: String,
    /// The processor's time that it took.
    pub cpu: Duration,
}

/// Plays a story; `sabotage` breaks a rule on purpose.
pub fn play_story(stage: &HistoryStage, story: &Story, sabotage: Option<Sabotage>) -> PlayedStory {
    let began = read_thread_cpu_time();
    let (violations, ledger) = build_story_runtime().block_on(async {
        let world = stage.open_story_world(story);
        let watch = StoryWatch::begin_watch(&world);
        Box::pin(play_in_world(story, &world, &watch, sabotage)).await;
        (watch.list_violations(), render_ledger(&world))
    });
    PlayedStory { violations, ledger, cpu: read_thread_cpu_time().saturating_sub(began) }
}

fn read_thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

fn render_ledger(world: &Sandbox) -> String {
    world.sandbox_recorded_aws_calls().iter().fold(String::new(), |mut text, call| {
        let _ = writeln!(
            text,
            "{:?} {:?} {}:{} {:?}",
            call.start, call.end, call.service, call.operation, call.status
        );
        text
    })
}

/// A goal that failed, in the order in which they did.
type FailedGoals = Arc<Mutex<Vec<(StoryHost, StoryGoal, Failure)>>>;

async fn play_in_world(story: &Story, world: &Sandbox, watch: &StoryWatch, sabotage: Option<Sabotage>) {
    let has_other = story.has_second_host();
    let clock_ahead_s = Arc::new(AtomicI64::new(0));
    let names_both = story.names_both_hosts();
    let rotation_turn = Arc::default();
    let host = StoryHost {
        world: world.clone(),
        place: 0,
        has_other,
        names_both,
        rotation_turn,
        clock_ahead_s,
        goal_number: 0,
        named_backups: Arc::default(),
        switches: Arc::default(),
    };
    let failed = FailedGoals::default();
    let told = async {
        let mut operators = (1..=3).map(|operator| play_operator(story, &host, operator, &failed));
        if names_both {
            for operator in operators {
                operator.await;
            }
        } else {
            futures::future::join_all(&mut operators).await;
        }
        world.clear_sandbox_faults();
        host.clock_ahead_s.store(0, Relaxed);
        let failed = std::mem::take(&mut *failed.lock().unwrap());
        for (host, goal, failure) in failed {
            let alter = |failure: &mut Failure| {
                if sabotage == Some(Sabotage::BlankNextMove) {
                    failure.next.clear();
                }
            };
            if let Err(why) = Box::pin(follow_next_moves(&host, goal, &failure, alter)).await {
                watch.note_violation(StoryRule::NextMoveWorks, format!("{goal:?}: {why}"));
            }
        }
        settle_unfinished_switch(&host, story).await;
        // Links that were given out last are served until they end.
        tokio::time::sleep(Duration::from_secs(30)).await;
    };
    tokio::select! {
        biased;
        () = play_beside(story, &host, watch, sabotage) => unreachable!("it goes on for ever"),
        () = Box::pin(told) => {}
    }
    if sabotage == Some(Sabotage::RunOtherThanFile) {
        sabotage.iter().for_each(|one| one.break_rule_of_world(world));
    }
    if matches!(sabotage, Some(Sabotage::SecondKey | Sabotage::SwitchOnInTheEnd)) {
        sabotage.iter().for_each(|one| one.break_rule_of_world(world));
    }
    if let Some(on) = host.switches.lock().unwrap().find_node_on_again(world) {
        watch.note_violation(StoryRule::OffStaysOff, on);
    }
    watch.look_at_end(world);
}

/// Where a process was killed between the file and the restart, the next command says so and does it: whoever was killed types
/// it again.
async fn settle_unfinished_switch(host: &StoryHost, story: &Story) {
    let killed = story.parts.values().filter_map(|part| match part {
        StoryPart::Kill { goal, .. } => Some((*goal, story.parts.get(goal)?)),
        _ => None,
    });
    for (number, part) in killed {
        let StoryPart::Goal { operator, goal, .. } = part else { continue };
        let host = &StoryHost { place: story.operator_place(*operator), goal_number: number, ..host.clone() };
        let done = Box::pin(host.run_goal(*goal, &OperatorConsents::default(), None)).await;
        if let Err(failure) = done {
            let _ = Box::pin(follow_next_moves(host, *goal, &failure, |_| ())).await;
        }
    }
}

async fn play_operator(story: &Story, host: &StoryHost, operator: usize, failed: &FailedGoals) {
    let host = &StoryHost { place: story.operator_place(operator), ..host.clone() };
    for (number, part) in &story.parts {
        let StoryPart::Goal { operator: by, after_s, goal } = part else { continue };
        if *by != operator {
            continue;
        }
        tokio::time::sleep(Duration::from_secs(*after_s)).await;
        let (mut kill, mut trouble): (Option<usize>, Option<(usize, CtlTrouble)>) = (None, None);
        for part in story.parts.values() {
            match part {
                StoryPart::Fault { goal, spec } if goal == number => {
                    host.world.add_sandbox_faults(std::slice::from_ref(spec)).unwrap();
                }
                StoryPart::Kill { goal, moments } if goal == number => kill = Some(*moments),
                StoryPart::BadCtl { goal, nth, trouble: how } if goal == number => {
                    trouble = Some((*nth, *how));
                }
                _ => {}
            }
        }
        let host = &StoryHost { goal_number: *number, ..host.clone() };
        let consents = OperatorConsents::default();
        let done = run_until_killed(host.run_goal(*goal, &consents, trouble), kill).await;
        if let Some(Err(failure)) = done {
            failed.lock().unwrap().push((host.clone(), *goal, failure));
        }
    }
}

/// Clients, writers, other tools and the clock, for ever.
async fn play_beside(story: &Story, host: &StoryHost, watch: &StoryWatch, sabotage: Option<Sabotage>) {
    let world = &host.world;
    let began = world.sandbox_unix_time_now();
    let mut due: Vec<(Duration, &StoryPart)> = story
        .parts
        .values()
        .filter_map(|part| match part {
            StoryPart::ClockStep { after_s, .. } | StoryPart::ForeignEdit { after_s, .. } => {
                Some((Duration::from_secs(*after_s), part))
            }
            _ => None,
        })
        .collect();
    let every_s = story.find_part(|part| match part {
        StoryPart::Uploads { every_s } => Some(*every_s),
        _ => None,
    });
    let mut broken = sabotage.filter(|one| one.is_done_beside());
    let (mut next_upload, mut uploads) = (Duration::ZERO, 0);
    loop {
        let passed = world.sandbox_unix_time_now().saturating_sub(began);
        if let Some(every_s) = every_s
            && next_upload <= passed
        {
            upload_object(world, watch, uploads);
            uploads += 1;
            next_upload = passed + compute_upload_pause(every_s, passed);
        }
        due.retain(|(at, part)| {
            let is_policy = matches!(part, StoryPart::ForeignEdit { edit: ForeignEdit::PolicyStatement, .. });
            let is_due = *at <= passed && !(is_policy && is_bucket_policy_in_work(world));
            if is_due {
                do_beside(part, host, watch);
            }
            !is_due
        });
        if passed > Duration::from_secs(15)
            && let Some(one) = broken.take()
        {
            one.break_rule_of_world(world);
        }
        watch.look_at_tick(world).await;
        let upload = if every_s.is_some() { next_upload.saturating_sub(passed) } else { TICK };
        tokio::time::sleep(TICK.min(upload.max(Duration::from_millis(500)))).await;
    }
}

/// For how long the writers pause, so long after the story's beginning.
fn compute_upload_pause(every_s: u64, passed: Duration) -> Duration {
    match every_s {
        0 if passed < Duration::from_mins(3) => Duration::from_millis(500),
        0 => Duration::from_secs(10),
        _ => Duration::from_secs(every_s),
    }
}

/// Whether somebody has read the bucket policy a moment ago, and may be about to write it: S3 has no condition for that write, so
/// that an edit in this moment is lost whoever makes it.
fn is_bucket_policy_in_work(world: &Sandbox) -> bool {
    let since = world.sandbox_unix_time_now().saturating_sub(POLICY_WRITE_MAX);
    let calls = world.sandbox_recorded_aws_calls();
    calls.iter().rev().take_while(|call| call.end >= since).any(|call| call.operation == "GetBucketPolicy")
}

fn do_beside(part: &StoryPart, host: &StoryHost, watch: &StoryWatch) {
    match part {
        StoryPart::ClockStep { by_s, .. } => host.clock_ahead_s.store(*by_s, Relaxed),
        StoryPart::ForeignEdit { edit, .. } => {
            edit_as_other_tool(&host.world, *edit);
            watch.accept_foreign_edits(&host.world);
        }
        _ => {}
    }
}

/// Writes a package or an index, as packagecloud does: an index is written over.
fn upload_object(world: &Sandbox, watch: &StoryWatch, nth: usize) {
    const INDEXES: [&str; 3] = [
        "1/2/ubuntu/dists/jammy/Release",
        "1/2/ubuntu/dists/jammy/main/binary-amd64/Packages",
        "1/4/pypi/simple/",
    ];
    let key = match nth % 4 {
        3 => format!("1/2/ubuntu/package_files/{}.deb", 98_000 + nth),
        index => INDEXES[index].to_owned(),
    };
    let content = format!("written {nth}\n");
    let written = nth.to_string();
    let attributes = [("content-type", "text/plain"), (UPLOAD_MARK, written.as_str())];
    let object =
        s3::place_sandbox_object(world, seed::SANDBOX_BUCKET, &key, &attributes, content.as_bytes()).unwrap();
    watch.note_upload(&key, object.blob.unwrap(), written);
}

fn edit_as_other_tool(world: &Sandbox, edit: ForeignEdit) {
    match edit {
        ForeignEdit::ConfigSetting => {
            let path = world.sandbox_dir().join("packagecloud.rb");
            let mut text = std::fs::read_to_string(&path).unwrap();
            text.push_str("packagecloud_rails['smtp_port'] = 2525\n");
            std::fs::write(&path, text).unwrap();
        }
        ForeignEdit::PolicyStatement => world.update_sandbox_state_on_disk(|state| {
            let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
            let text = bucket.policy.clone().unwrap();
            let mut policy: serde_json::Value = serde_json::from_str(&text).unwrap();
            policy["Statement"].as_array_mut().unwrap().push(serde_json::json!({
                "Sid": "Auditors", "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
                "Action": "s3:ListBucket",
                "Resource": format!("arn:aws:s3:::{}", seed::SANDBOX_BUCKET),
            }));
            bucket.policy = Some(policy.to_string());
        }),
        ForeignEdit::PriceClass => {
            let now = world.sandbox_unix_time_now();
            world.update_sandbox_state_on_disk(|state| {
                for distribution in state.cloudfront.distributions.values_mut() {
                    let changed = distribution.config.replace("PriceClass_All", "PriceClass_100");
                    if changed != distribution.config {
                        distribution.deployed_before =
                            Some(std::mem::replace(&mut distribution.config, changed));
                        distribution.etag.push('F');
                        distribution.modified = now;
                    }
                }
            });
        }
    }
}

/// Leaves out whatever isn't needed for a story to fail by the same rule.
pub fn shrink_story(stage: &HistoryStage, story: &Story, rule: StoryRule) -> (Story, Vec<usize>) {
    let (mut smallest, mut left_out) = (story.clone(), Vec::new());
    loop {
        let numbers: Vec<usize> = smallest.parts.keys().copied().collect();
        let smaller = numbers.into_iter().find_map(|number| {
            let candidate = smallest.leave_out_parts(&[number]);
            let violations = play_story(stage, &candidate, None).violations;
            violations.iter().any(|one| one.rule == rule).then_some((number, candidate))
        });
        let Some((number, candidate)) = smaller else { return (smallest, left_out) };
        left_out.push(number);
        smallest = candidate;
    }
}
