//! Switching CloudFront off, from packagecloud.rb alone (contract section 8).
//!
//! No answer of AWS is waited for; it goes on past failures and says all of them; whatever can't be written is printed to be typed.

use std::time::Duration;

use futures::future::join_all;

use crate::host::{Config, Written};
use crate::model::{
    answers::Answers,
    block::{HASH, Key, Values},
    check::Check,
    config_file::Override,
    event::End,
    failure::{Failure, Kind},
    goal::{Stage, Step},
    plan::{Plan, Verb},
    seen::{ConfigSeen, DisableSeen, Seen},
};

use super::{
    configuration::{self, kept},
    ground::Ground,
    probe,
    run::{Run, StageRun},
    switch,
};

/// The line that switches off, for typing.
fn line() -> String {
    format!("{HASH}['cloudfront_enabled'] = false")
}

/// What to type where the file can't be written.
#[must_use]
pub fn by_hand(path: &str) -> String {
    format!(
        "add this line at the end of {path}: {} — then type: packagecloud-ctl reconfigure && packagecloud-ctl restart",
        line()
    )
}

/// The two commands to type on a node that can't be reached.
fn commands(node: &Ground) -> String {
    let ctl = node.host.ctl.name();
    format!(
        "{}, as root: echo \"{}\" >> {} — then: {ctl} reconfigure && {ctl} restart",
        node.host.on().trim_start(),
        line(),
        node.host.config.display()
    )
}

/// Looks at the files alone: no AWS, no network but the line to each host.
pub async fn look(ground: &Ground, _answers: &Answers) -> Result<Plan, Failure> {
    let nodes = ground.nodes();
    let read = join_all(nodes.iter().map(|node| node.host.read_config())).await;
    let hand =
        |node: &Ground, failure: Failure| Failure { next: by_hand(&node.host.config_place()), ..failure };
    if read.iter().all(Result::is_err) {
        let first = read.into_iter().zip(&nodes).next();
        return Err(first
            .and_then(|(read, node)| Some(hand(node, read.err()?)))
            .expect("a ground has a node"));
    }
    let mut plan = Plan::new(Stage::Disable, Seen::Nothing);
    let mut seen = Vec::new();
    for (node, config) in nodes.iter().zip(read) {
        match config {
            Ok(config) => {
                node_lines(&mut plan, node, &config);
                seen.push(Ok(config.seen));
            }
            Err(failure) => {
                plan.line(
                    Step::Switch,
                    Verb::Run,
                    node.host.config_place(),
                    "left to you: it can't be read from here",
                );
                plan.notes.push(format!("{failure}. Type there, {}.", commands(node)));
                seen.push(Err(failure));
            }
        }
    }
    if !plan.unchanged() {
        let proof = ("packagecloud's redirects", "seen to go to S3 again");
        let follows = plan.changes.iter().any(|change| change.step == Step::Reconfigure);
        if follows && !ground.without_ctl() {
            plan.line(Step::Proof, Verb::Run, proof.0, proof.1);
        }
    }
    plan.notes.push(
        "Everything in AWS stays as it is, and links that were given out still work until they expire."
            .into(),
    );
    if let Some(other) = ground.other_run().await {
        plan.notes.push(format!("{other} Switching off goes on beside it, and keeps it from going live."));
    }
    plan.notes.extend(seen.iter().flatten().filter_map(switches_on));
    plan.seen = Seen::Disable(Box::new(DisableSeen { nodes: seen }));
    Ok(plan)
}

/// What of one node's file, and of what runs there, would change.
fn node_lines(plan: &mut Plan, node: &Ground, config: &Config) {
    let path = config.seen.path.clone();
    let off = !is_on(&config.seen);
    if off && !switch::begun(node) {
        let why = if config.seen.values.enabled.is_none() {
            "it says nothing of CloudFront, so it is off"
        } else {
            "cloudfront_enabled is false already"
        };
        plan.line(Step::Switch, Verb::Keep, &path, why);
        return;
    }
    if off {
        plan.line(
            Step::Switch,
            Verb::Keep,
            &path,
            "cloudfront_enabled is false; packagecloud was not yet seen to follow",
        );
    } else {
        plan.line(Step::Switch, Verb::Update, &path, "cloudfront_enabled becomes false");
        let edits = configuration::edits(&wanted(), &[Key::Enabled]);
        plan.exhibit.extend(configuration::changes(node, config, &edits));
    }
    switch::plan(node, plan, None);
}

fn wanted() -> Values {
    Values { enabled: Some(false), ..Values::default() }
}

/// Whether the file has CloudFront on, or may have: an expression isn't run.
fn is_on(config: &ConfigSeen) -> bool {
    config.values.enabled == Some(true) || config.expressions.iter().any(|(key, ..)| *key == Key::Enabled)
}

/// What will switch it on again on a managed host.
fn switches_on(config: &ConfigSeen) -> Option<String> {
    let (tool, how) = config.managed.as_ref()?;
    Some(format!(
        "{tool} manages this host ({how}): its next run switches CloudFront on again, unless cloudfront_enabled is false there too; until then, {}.",
        configuration::pause(tool)
    ))
}

/// Whether S3 would serve what packagecloud will redirect to: a link presigned as packagecloud does. Three seconds at
/// most; the caller never waits for it.
pub async fn would_help(ground: &Ground) -> String {
    let asking = async {
        let nodes = ground.nodes();
        let read = join_all(nodes.iter().map(|node| node.host.read_config())).await;
        let config = read.into_iter().find_map(Result::ok)?;
        let (access, secret) = config.file.aws_keys()?;
        let (_, bucket) = config.file.bucket()?;
        let region = config.file.region().unwrap_or("us-east-1");
        let expires = ground.host.clock.now().as_secs() + probe::LIFETIME;
        let url = crate::model::presign::sigv2(bucket, region, probe::ABSENT, &access, &secret, expires);
        Some(ground.web.get(&url, &[]).await)
    };
    match tokio::time::timeout(Duration::from_secs(3), asking).await {
        Ok(Some(Ok(reply))) => {
            let body = String::from_utf8_lossy(&reply.body).into_owned();
            if body.contains("InvalidAccessKeyId") {
                "S3 refuses packagecloud's own AWS key (InvalidAccessKeyId): with CloudFront off, downloads would fail too".into()
            } else if reply.status == 404 || reply.status == 200 || body.contains("AccessDenied") {
                "S3 accepts links signed as packagecloud signs them: switching off helps".into()
            } else {
                format!(
                    "S3 answered {} to a link signed as packagecloud signs them (SigV2): switching off may not help",
                    reply.status
                )
            }
        }
        _ => "whether S3 accepts packagecloud's own links could not be tried".into(),
    }
}

/// [`would_help`] as an event of this stage.
pub async fn would_help_said(ground: &Ground, run: &Run) {
    let detail = would_help(ground).await;
    run.stage(Stage::Disable).check(Check::unknown("s3-links", detail));
}

/// How often a file that moved is written again.
const AGAIN: usize = 3;

/// Where one node is.
struct Node<'a> {
    ground: Ground,
    seen: &'a ConfigSeen,
    /// The backup, as the end of a sentence.
    backup: String,
    failures: Vec<Failure>,
}

/// Switches off on every node at once, past failures, and says all of them.
pub async fn apply(
    ground: &Ground,
    seen: &DisableSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let alone = seen.nodes.len() == 1;
    let mut nodes = Vec::new();
    let mut lost = Vec::new();
    for (ground, seen) in ground.nodes().into_iter().zip(&seen.nodes) {
        match seen {
            Ok(seen) => nodes.push(Node { ground, seen, backup: String::new(), failures: Vec::new() }),
            Err(failure) => lost.push((ground, failure.clone())),
        }
    }
    // Noted before anything is written: what stays behind is finished by the next start.
    nodes.retain(|node| is_on(node.seen) || switch::begun(&node.ground));
    if nodes.iter().any(|node| is_on(node.seen)) {
        let failed = write(&mut nodes, run).await?;
        if alone && let Some((_, failure)) = failed.into_iter().next() {
            // Without the file switched off, a restart would only cost customers time.
            return Err(failure);
        } else if !alone {
            lost.extend(failed_nodes(&mut nodes));
        }
    }
    if ground.without_ctl() {
        nodes.iter().for_each(|node| switch::done(&node.ground));
        if lost.is_empty() {
            return Ok((
                End::Stopped,
                "the file is written; left to you, where packagecloud runs: packagecloud-ctl reconfigure, then packagecloud-ctl restart".into(),
            ));
        }
        return Err(left(&nodes, &lost, ""));
    }
    follow(&mut nodes, Step::Reconfigure, "reconfigure", run).await;
    follow(&mut nodes, Step::Restart, "restart", run).await;
    let observed = run
        .step(Step::Proof, "asking packagecloud where it redirects", async {
            let observed = switch::await_s3(ground, answers).await?;
            Ok((observed.clone(), observed))
        })
        .await;
    if !lost.is_empty() {
        // Those followed; it is the lost ones that are left.
        nodes.iter().filter(|node| node.failures.is_empty()).for_each(|node| switch::done(&node.ground));
        return Err(match observed {
            Ok(observed) => left(&nodes, &lost, &observed),
            Err(failure) => Failure { kind: failure.kind, ..left(&nodes, &lost, &failure.why) },
        });
    }
    let backups: String = nodes.iter().map(|node| node.backup.as_str()).collect();
    let warnings: String =
        nodes.iter().filter_map(|node| switches_on(node.seen)).map(|text| format!(" {text}")).collect();
    let mut failures: Vec<Failure> =
        nodes.iter_mut().flat_map(|node| std::mem::take(&mut node.failures)).collect();
    match observed {
        Ok(observed) if failures.is_empty() => {
            nodes.iter().for_each(|node| switch::done(&node.ground));
            let since = crate::host::clock::written(ground.host.clock.now());
            let on = names(&nodes);
            Ok((
                End::Applied,
                format!(
                    "off since {since}{on}; {observed}. Customers do nothing; whoever closed S3 in a firewall opens it{backups}. Switch on again with: packagecloud-cloudfront enable{warnings}"
                ),
            ))
        }
        Ok(observed) => {
            let first = failures.remove(0);
            Err(Failure { why: format!("{}; the file says off; {observed}", first.why), ..first })
        }
        Err(failure) => {
            failures.push(failure);
            // The first is the cause: where a reconfigure failed, the redirects are its consequence.
            let first = failures.remove(0);
            let mut why = vec![first.why.clone()];
            why.extend(failures.iter().map(ToString::to_string));
            Err(Failure { why: why.join("; and "), ..first })
        }
    }
}

/// ` on web1, web2`, where they are other hosts.
fn names(nodes: &[Node<'_>]) -> String {
    let names: Vec<&str> = nodes.iter().filter_map(|node| node.ground.host.reach.name()).collect();
    if names.is_empty() { String::new() } else { format!(" on {}", names.join(", ")) }
}

/// Some nodes are off, some could not be switched: which, why, and what to type there.
fn left(nodes: &[Node<'_>], lost: &[(Ground, Failure)], observed: &str) -> Failure {
    let (first, failure) = &lost[0];
    let off = names(nodes);
    let mut why: Vec<String> = Vec::new();
    if !nodes.is_empty() {
        why.push(format!("off{off}"));
    }
    why.extend(lost.iter().map(|(node, failure)| {
        format!(
            "not{}: {}",
            if node.host.on().is_empty() { " here".to_owned() } else { node.host.on() },
            failure.why
        )
    }));
    for node in nodes {
        why.extend(node.failures.iter().map(ToString::to_string));
    }
    if !observed.is_empty() {
        why.push(observed.to_owned());
    }
    let next: Vec<String> = lost.iter().map(|(node, _)| commands(node)).collect();
    Failure::new(
        if failure.kind == Kind::Drifted { Kind::Other } else { failure.kind },
        first.host.reach.name().unwrap_or("this host"),
        why.join("; "),
        format!("type {}", next.join("; and ")),
    )
}

/// Takes out the nodes whose file could not be written.
fn failed_nodes(nodes: &mut Vec<Node<'_>>) -> Vec<(Ground, Failure)> {
    let mut failed = Vec::new();
    nodes.retain_mut(|node| match node.failures.pop() {
        Some(failure) => {
            failed.push((node.ground.clone(), failure));
            false
        }
        None => true,
    });
    failed
}

/// Writes every node's file at once; which failed, with why.
async fn write(nodes: &mut [Node<'_>], run: &StageRun) -> Result<Vec<(usize, Failure)>, Failure> {
    let places: Vec<&str> = nodes.iter().map(|node| node.seen.path.as_str()).collect();
    let places = places.join(", ");
    let several = nodes.len() > 1;
    let mut failed = Vec::new();
    let result = run
        .step(Step::Switch, format!("writing {places}"), async {
            let edits = configuration::edits(&wanted(), &[Key::Enabled]);
            let written = join_all(nodes.iter().map(async |node| {
                if !is_on(node.seen) {
                    return Ok(String::new());
                }
                switch::intend(&node.ground, false);
                let mut written = write_one(&node.ground, node.seen, &edits).await;
                for _ in 0..AGAIN {
                    // Alone, whoever is shown the change is asked again; beside others nothing waits for that.
                    let moved = matches!(&written, Err(failure) if failure.kind == Kind::Drifted);
                    if several && moved {
                        let now = node.ground.host.read_config().await?.seen;
                        written = write_one(&node.ground, &now, &edits).await;
                    }
                }
                written.map(|written| kept(&written))
            }))
            .await;
            let mut backups = String::new();
            for (at, written) in written.into_iter().enumerate() {
                match written {
                    Ok(kept) => {
                        backups.push_str(&kept);
                        nodes[at].backup = kept;
                    }
                    Err(failure) => {
                        nodes[at].failures.push(failure.clone());
                        failed.push((at, failure));
                    }
                }
            }
            match failed.first() {
                Some((_, failure)) => Err(failure.clone()),
                None => Ok(((), format!("cloudfront_enabled is false{}{backups}", names(nodes)))),
            }
        })
        .await;
    match result {
        // Stopped before it began: nothing was written.
        Err(failure) if failed.is_empty() => Err(failure),
        _ => Ok(failed),
    }
}

/// Writes one node's file, as it was seen.
async fn write_one(node: &Ground, seen: &ConfigSeen, edits: &[(Key, String)]) -> Result<Written, Failure> {
    node.host.write_config(seen, edits, Override::Append).await.map_err(|failure| {
        if failure.kind == Kind::Drifted {
            failure
        } else {
            Failure { next: by_hand(&node.host.config_place()), ..failure }
        }
    })
}

/// One of packagecloud-ctl's commands on every node at once; a failure is kept with its node, and stops none.
async fn follow(nodes: &mut [Node<'_>], step: Step, command: &str, run: &StageRun) {
    let say = run.progress(step);
    let several = nodes.len() > 1;
    let _ = run
        .step(step, format!("packagecloud-ctl {command}{}", names(nodes)), async {
            let ran = join_all(nodes.iter().map(async |node| {
                let name = node.ground.host.reach.name().filter(|_| several);
                let mut line = |line: &str| match name {
                    Some(name) => say(&format!("{name}: {line}")),
                    None => say(line),
                };
                switch::carry_out(&node.ground, command, &mut line).await
            }))
            .await;
            let mut said = Vec::new();
            let mut first = None;
            for (node, ran) in nodes.iter_mut().zip(ran) {
                match ran {
                    Ok(text) => said.push(text),
                    Err(failure) => {
                        first.get_or_insert(failure.clone());
                        node.failures.push(failure);
                    }
                }
            }
            first.map_or_else(|| Ok(((), said.join("; "))), Err)
        })
        .await;
}
