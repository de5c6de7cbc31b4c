//! Switching CloudFront off, from packagecloud.rb alone (contract section 8).
//!
//! No answer of AWS is waited for; it goes on past failures and says all of them; whatever can't be written is printed to be typed.

mod all;

pub(crate) use all::apply;

use std::time::Duration;

use futures::future::join_all;

use crate::host::Config;
use crate::model::{
    aws::evidence::{ConfigSeen, Seen},
    packagecloud::settings::{HASH, Key, Values},
    run::{
        answers::Answers,
        check::Check,
        failure::Failure,
        goal::{Stage, Step},
        plan::{Plan, Verb},
    },
};

use super::configuration;
use crate::engine::{
    delivery::probe,
    packagecloud::{managed, switch},
    run::Run,
    session::Ground,
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

/// A failure that ends with what to type; its own next move comes first.
fn typed(failure: Failure, path: &str) -> Failure {
    if failure.next.contains(&line()) {
        return failure;
    }
    let next = format!("{}; or {}", failure.next.trim_end_matches('.'), by_hand(path));
    Failure { next, ..failure }
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

/// Looks at the files, and where they all say off at packagecloud's redirects: no AWS, no network but that and the line to each host.
pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let nodes = ground.nodes();
    let read = join_all(nodes.iter().map(|node| node.host.read_config())).await;
    let hand = |node: &Ground, failure: Failure| typed(failure, &node.host.config_place());
    if read.iter().all(Result::is_err) {
        let first = read.into_iter().zip(&nodes).next();
        return Err(first
            .and_then(|(read, node)| Some(hand(node, read.err()?)))
            .expect("a ground has a node"));
    }
    let other = ground.other_run().await;
    let mut plan = Plan::new(Stage::Disable, Seen::Nothing);
    let mut seen = Vec::new();
    let off = |(node, config): (&Ground, &Result<Config, Failure>)| {
        config.as_ref().is_ok_and(|config| !is_on(&config.seen) && !switch::begun(node))
    };
    let lags = if nodes.iter().zip(&read).all(off) { switch::lags(ground, answers).await } else { None };
    for (node, config) in nodes.iter().zip(read) {
        match config {
            Ok(config) => {
                node_lines(&mut plan, node, &config, lags.as_deref());
                seen.push(config.seen);
            }
            Err(failure) => {
                plan.line(
                    Step::Switch,
                    Verb::Run,
                    node.host.config_place(),
                    "left to you: it can't be read from here",
                );
                plan.notes.push(format!("{failure}. Type there, {}.", commands(node)));
            }
        }
    }
    if plan.unchanged() {
        plan.notes.extend(unseen(ground, answers).map(|text| format!("{text}.")));
    }
    if plan.unchanged() && other.is_some() {
        plan.line(Step::Proof, Verb::Run, "the run beside this one", "it is kept from going live");
    } else if !plan.unchanged() {
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
    if let Some(other) = other {
        plan.notes.push(format!(
            "{} Switching off goes on beside it, and keeps it from going live.",
            other.whole()
        ));
    }
    plan.notes.extend(seen.iter().filter_map(switches_on));
    Ok(plan)
}

/// What isn't known where every file says off and packagecloud can't be asked.
fn unseen(ground: &Ground, answers: &Answers) -> Option<&'static str> {
    (!probe::can_ask(ground, answers)).then_some(
        "Whether packagecloud follows its file can't be seen: there is no --probe-url. To make sure: packagecloud-ctl reconfigure && packagecloud-ctl restart",
    )
}

/// What of one node's file, and of what runs there, would change.
///
/// `lags` is where packagecloud still redirects to, although every file says off.
fn node_lines(plan: &mut Plan, node: &Ground, config: &Config, lags: Option<&str>) {
    let path = config.seen.path.clone();
    let off = !is_on(&config.seen);
    if off && !switch::begun(node) && lags.is_none() {
        let why = if config.seen.values.enabled.is_none() {
            "it says nothing of CloudFront, so it is off"
        } else {
            "cloudfront_enabled is false already"
        };
        plan.line(Step::Switch, Verb::Keep, &path, why);
        return;
    }
    if off {
        let why = lags.map_or_else(
            || "it says off; packagecloud was not yet seen to follow".to_owned(),
            |words| format!("it says off, and packagecloud still answers {words}"),
        );
        plan.line(Step::Switch, Verb::Keep, &path, why);
    } else {
        plan.line(Step::Switch, Verb::Update, &path, "cloudfront_enabled becomes false");
        let edits = configuration::edits(&wanted(), &[Key::Enabled]);
        plan.exhibit.extend(configuration::changes(node, &path, &config.file, &edits));
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
        managed::pause(tool)
    ))
}

/// Whether S3 would serve what packagecloud will redirect to: a link presigned as packagecloud does. Three seconds at
/// most; the caller never waits for it, and it fails nothing: who wants CloudFront off is told, and goes on.
pub async fn would_help(ground: &Ground) -> Check {
    const NAME: &str = "s3-links";
    let asking = async {
        let nodes = ground.nodes();
        let read = join_all(nodes.iter().map(|node| node.host.read_config())).await;
        let config = read.into_iter().find_map(Result::ok)?;
        let (access, secret) = config.file.aws_keys()?;
        let (_, bucket) = config.file.bucket()?;
        let region = config.file.region().unwrap_or("us-east-1");
        let expires = ground.host.clock.now().as_secs() + probe::LIFETIME;
        let url = crate::model::url::presign::sigv2(bucket, region, probe::ABSENT, &access, &secret, expires);
        Some(ground.web.get(&url, &[]).await)
    };
    match tokio::time::timeout(Duration::from_secs(3), asking).await {
        Ok(Some(Ok(reply))) => {
            let body = String::from_utf8_lossy(&reply.body).into_owned();
            if body.contains("InvalidAccessKeyId") {
                Check::unknown(
                    NAME,
                    "S3 refuses packagecloud's own AWS key (InvalidAccessKeyId): with CloudFront off, downloads would fail too",
                )
            } else if reply.status == 404 || reply.status == 200 || body.contains("AccessDenied") {
                Check::pass(NAME, "S3 accepts links signed as packagecloud signs them: switching off helps")
            } else {
                let answered = format!(
                    "S3 answered {} to a link signed as packagecloud signs them (SigV2): switching off may not help",
                    reply.status
                );
                Check::unknown(NAME, answered)
            }
        }
        _ => Check::unknown(NAME, "whether S3 accepts packagecloud's own links could not be tried"),
    }
}

/// [`would_help`] as an event of this stage.
pub async fn would_help_said(ground: &Ground, run: &Run) {
    let check = would_help(ground).await;
    run.stage(Stage::Disable).check(check);
}
