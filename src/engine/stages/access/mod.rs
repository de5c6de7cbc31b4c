//! The access stage: who we are, which bucket it is, what we may do, and what packagecloud is on the host. It changes nothing.

mod account;
mod bucket;

use tokio::join;

use crate::host::{Config, environment::version};
use crate::model::{
    aws::evidence::{AccessSeen, Seen},
    iam::access::{self, Need},
    run::{
        answers::{Answers, Engine},
        check::Check,
        failure::Failure,
        goal::{Goal, Stage},
        plan::{Ask, Consent, Plan},
    },
};

use crate::engine::{
    packagecloud::nodes,
    resources::origin_access,
    session::{Ground, Scene},
};

/// A minute: more than this and links that packagecloud signs are refused early or accepted late.
const CLOCK_LIMIT: i64 = 60;

pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    look_for(ground, answers, None).await
}

/// The same with the permissions that `stages` need, where not all of them have something to do.
pub async fn look_for(ground: &Ground, answers: &Answers, stages: Option<&[Stage]>) -> Result<Plan, Failure> {
    let scene = ground.scene(answers).await?;
    let config = ground.host.read_config().await;
    // Without a goal all that any goal needs is asked for, as in the policy that is printed.
    let mut needs = needed(answers.goal.unwrap_or(Goal::Upgrade), &scene, answers);
    if let Some(stages) = stages {
        needs.retain(|need| stages.contains(&need.stage));
    }
    if Box::pin(origin_access::choose(&scene, answers)).await?.control {
        needs = access::by_control(needs);
    }
    let (permissions, version) =
        join!(scene.cloud.simulate(&scene.caller.arn, &needs), ground.host.version());

    let mut plan = Plan::new(Stage::Access, Seen::Nothing);
    plan.checks.push(Check::pass("identity", format!("{} ({})", scene.caller.arn, scene.found)));
    if let Some(dropped) = ground.left_out() {
        plan.checks.push(Check::unknown("sudo", dropped.advice()));
    }
    plan.checks.extend(bucket::checks(&scene));
    plan.checks.push(clock(&scene));
    plan.checks.push(match &config {
        Ok(config) => Check::pass("packagecloud.rb", config.seen.path.clone()),
        Err(failure) => Check::fail("packagecloud.rb", failure.to_string(), failure.next.clone()),
    });
    plan.checks.push(version::check(version.as_ref()));
    for node in ground.nodes() {
        plan.checks.extend(node.host.ctl_check().await);
    }
    plan.checks.extend(hosts(ground, &scene, config.as_ref().ok(), answers).await);
    match permissions {
        Ok(checks) => {
            plan.checks.extend(checks.into_iter().map(|check| unasked_of_packagecloud(check, &scene)));
        }
        Err(failure) => {
            plan.checks.push(Check::unknown("permissions", format!("cannot be checked: {}", failure.why)));
        }
    }
    plan.asks.extend(asks(ground, &scene, answers));
    plan.seen = Seen::Access(Box::new(AccessSeen {
        identity: scene.caller.arn.clone(),
        account: scene.account.clone(),
        found: scene.found.clone(),
        bucket: scene.bucket.clone(),
        evidence: scene.evidence.clone(),
        config: config.ok().map(|config| config.seen),
        checks: plan.checks.clone(),
    }));
    Ok(plan)
}

/// What must be known of each host beside this machine: its clock, and of the other web nodes their files and versions.
async fn hosts(ground: &Ground, scene: &Scene, first: Option<&Config>, answers: &Answers) -> Vec<Check> {
    let mut checks: Vec<Check> =
        ground.nodes().iter().filter_map(|node| clock_there(node, scene.caller.clock_ahead)).collect();
    checks.extend(nodes::checks(ground, first, answers).await);
    for node in ground.others() {
        let check = version::check(node.host.version().await.as_ref());
        checks.push(Check { name: format!("{}{}", check.name, node.host.on()), ..check });
    }
    checks
}

/// The clock of another host, which signs the links: this machine's is known by AWS's.
pub(super) fn clock_there(node: &Ground, here: Option<i64>) -> Option<Check> {
    let line = node.host.reach.line()?;
    let name = format!("clock{}", node.host.on());
    let milliseconds = line.ahead();
    let ahead = here? + (milliseconds + 500 * milliseconds.signum()) / 1000;
    Some(if ahead.abs() <= CLOCK_LIMIT {
        Check::pass(name, format!("{} s from AWS's", ahead.abs()))
    } else {
        Check::fail(
            name,
            format!(
                "{} is {} s {} AWS: links that it signs are {}",
                line.name(),
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" },
                if ahead > 0 { "accepted too long" } else { "expired too early" },
            ),
            format!("on {}: set the clock (chronyc makestep, or timedatectl set-ntp true)", line.name()),
        )
    })
}

/// What the goal needs, by the engine that was chosen and what was said yes to.
pub(crate) fn needed(goal: Goal, scene: &Scene, answers: &Answers) -> Vec<Need> {
    let mut needs = access::needs(goal, &scene.names, &scene.account);
    if goal == Goal::Upgrade && answers.reindex.engine == Engine::Batch {
        needs.extend(access::batch_needs(&scene.names, &scene.account));
    }
    if answers.consents.adopt_bucket_key && matches!(goal, Goal::Install | Goal::Upgrade) {
        let key = scene.bucket.kms_key.as_deref().filter(|key| key.contains(":key/"));
        needs.push(access::bucket_key_need(key, &scene.account));
    }
    needs
}

/// All that `check` says: beside what the stage looks at, a sample of objects and what the account could refuse later.
pub async fn check(ground: &Ground, answers: &Answers) -> Result<Vec<Check>, Failure> {
    let mut checks = look(ground, answers).await?.checks;
    let scene = ground.scene(answers).await?;
    let (objects, account) = join!(bucket::objects(&scene, answers), account::checks(&scene));
    let at = checks.iter().position(|check| check.name == "clock").unwrap_or(checks.len());
    checks.splice(at..at, [objects].into_iter().chain(account));
    Ok(checks)
}

/// packagecloud.rb's own key is never asked to be given more rights: another identity is the next move.
fn unasked_of_packagecloud(check: Check, scene: &Scene) -> Check {
    if check.failed() && scene.found.ends_with("in packagecloud.rb") {
        let next = "use another identity for setting up, with --profile or AWS_ACCESS_KEY_ID; packagecloud's own key needs no more rights";
        return Check { next: next.to_owned(), ..check };
    }
    check
}

pub(super) fn clock(scene: &Scene) -> Check {
    clock_by(scene.caller.clock_ahead)
}

/// By how many seconds this machine is ahead of AWS; none where an answer didn't tell.
fn clock_by(ahead: Option<i64>) -> Check {
    match ahead {
        None => Check::unknown("clock", "AWS's answer held no date"),
        Some(ahead) if ahead.abs() <= CLOCK_LIMIT => {
            Check::pass("clock", format!("{} s from AWS's", ahead.abs()))
        }
        Some(ahead) => Check::fail(
            "clock",
            format!(
                "this machine is {} s {} AWS",
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
            "set the clock (chronyc makestep, or timedatectl set-ntp true): a slow clock makes every link expire early",
        ),
    }
}

/// What is asked of the identity and the bucket.
pub fn asks(ground: &Ground, scene: &Scene, answers: &Answers) -> Vec<Ask> {
    let mut asks = Vec::new();
    let name = scene.names.bucket();
    let (known, of) = scene.sampled;
    if of > 0 && known == 0 && !answers.consents.given(Consent::ConfirmBucket, name) {
        asks.push(Ask {
            consent: Consent::ConfirmBucket,
            question: format!(
                "No key of bucket {name} looks like packagecloud's. Type its name if it is the right one."
            ),
        });
    }
    asks.extend(elsewhere(ground, scene, answers));
    asks
}

/// Whether this is another account or bucket than the last run's, which is asked about before anything else.
pub fn elsewhere(ground: &Ground, scene: &Scene, answers: &Answers) -> Option<Ask> {
    let name = scene.names.bucket();
    let (account, bucket) = ground.settings.last.as_ref()?;
    let same = account == &scene.account && bucket == name;
    (!same && !answers.consents.given(Consent::OtherBucket, name)).then(|| Ask {
        consent: Consent::OtherBucket,
        question: format!(
            "The last run on this host worked on bucket {bucket} in account {account}. Work on {name} in account {} now?",
            scene.account
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_good_to_a_minute_and_says_on_which_side_it_is() {
        for (ahead, fails, words) in [
            (Some(0), false, "0 s from AWS's"),
            (Some(60), false, "60 s from AWS's"),
            (Some(-60), false, "60 s from AWS's"),
            (Some(61), true, "this machine is 61 s ahead of AWS"),
            (Some(-300), true, "this machine is 300 s behind AWS"),
            (None, false, "AWS's answer held no date"),
        ] {
            let check = clock_by(ahead);
            assert_eq!((check.failed(), check.detail.as_str()), (fails, words), "{ahead:?}");
            assert!(!fails || check.next.contains("chronyc makestep"), "{}", check.next);
        }
    }
}
