//! The commands that change nothing: check, plan, verify, configuration, sign, inspect.

use std::io::Read;

use super::{DONE, FAILED, PENDING, Session, json, plain};
use crate::args::Format;
use crate::engine::{self, overview, probe};
use crate::model::{
    block::Values,
    check::Check,
    failure::Failure,
    goal::{Goal, Stage},
    snippet,
    token::{self, Mac},
};

pub async fn check(session: &Session) -> Result<u8, Failure> {
    let plan = engine::look(&session.ground, Stage::Access, &session.answers).await?;
    session.show_checks(&plan.checks);
    Ok(if plan.checks.iter().any(Check::failed) { PENDING } else { DONE })
}

/// `check --policy`: the document, and nothing else on stdout.
pub async fn policy(session: &Session) -> u8 {
    match engine::policy(&session.ground, &session.answers).await {
        Ok(document) => {
            println!("{document}");
            DONE
        }
        Err(failure) => {
            eprintln!("packagecloud-cloudfront: {}", plain::failure(&failure));
            FAILED
        }
    }
}

pub async fn plan(session: &Session) -> Result<u8, Failure> {
    let goal = session.answers.goal.unwrap_or(Goal::Install);
    let plans = overview::plans(&session.ground, goal, &session.answers).await?;
    for plan in &plans {
        if session.json() {
            json::plan(plan).iter().for_each(json::print);
        } else if !plan.changes.is_empty() {
            session.say(plan.stage.title());
            plain::plan(plan).iter().for_each(|line| session.say(line));
        }
    }
    for ask in plans.iter().flat_map(|plan| &plan.asks) {
        session.say(&format!("  ?  {} ({})", ask.question, ask.consent.flag()));
    }
    Ok(if plans.iter().all(crate::model::plan::Plan::unchanged) { DONE } else { PENDING })
}

pub async fn verify(session: &Session) -> Result<u8, Failure> {
    let checks =
        session.shown(async |run| engine::verify(&session.ground, &session.answers, &run).await).await?;
    Ok(if checks.iter().any(Check::failed) { PENDING } else { DONE })
}

pub async fn configuration(session: &Session, format: Format) -> Result<u8, Failure> {
    let values = engine::configuration(&session.ground, &session.answers).await?;
    show(session, &values, format);
    Ok(DONE)
}

/// Prints the four values; in JSON output always as one `configuration` line.
pub fn show(session: &Session, values: &Values, format: Format) {
    let show_secret = session.global.show_secret;
    if session.json() {
        json::print(&json::configuration(values, show_secret));
        return;
    }
    let shown = if show_secret { values.clone() } else { values.hidden() };
    let text = match format {
        Format::Ruby => shown.lines().join("\n"),
        Format::Json => json::configuration(&shown, true)["values"].to_string(),
        Format::Chef => snippet::chef(&shown),
        Format::Puppet => snippet::puppet(&shown),
        Format::Ansible => snippet::ansible(&shown),
    };
    println!("{text}");
    if !show_secret && values.secret.is_some() {
        eprintln!("The secret is hidden: --show-secret shows it.");
    }
}

pub async fn sign(session: &Session, path: &str) -> Result<u8, Failure> {
    let missing = |what: &str| Failure::other(what, "packagecloud.rb holds none", "run enable first");
    let held = session.ground.host.read_config().await?.seen.values;
    let secret = held.secret.as_ref().ok_or_else(|| missing("cloudfront_secret"))?;
    // AWS is asked only for what this host doesn't know.
    let domain = match held.packages_domain.or_else(|| session.answers.packages_domain.clone()) {
        Some(domain) => domain,
        None => engine::configuration(&session.ground, &session.answers)
            .await?
            .packages_domain
            .ok_or_else(|| missing("cloudfront_packages_domain"))?,
    };
    let domain = domain.as_str();
    let construction = engine::construction(&session.ground, &session.answers);
    let key = path.trim_start_matches('/');
    let signed = probe::Signed {
        domain,
        key,
        construction,
        mac: Mac::Sha256,
        lifetime: probe::LIFETIME.cast_signed(),
    };
    let now = session.ground.host.clock.now().as_secs();
    println!("https://{domain}{}", probe::sign(secret, &signed, now)?);
    Ok(DONE)
}

pub async fn inspect(session: &Session, url: Option<&str>) -> Result<u8, Failure> {
    let url = match url {
        Some(url) => url.to_owned(),
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| {
                Failure::usage("the URL", error.to_string(), "give it as an argument, or on standard input")
            })?;
            text.trim().to_owned()
        }
    };
    if url.is_empty() {
        return Err(Failure::usage(
            "the URL",
            "there is none",
            "give it as an argument, or on standard input",
        ));
    }
    let secret = match session.ground.host.read_config().await {
        Ok(config) => config.seen.values.secret,
        Err(failure) => {
            eprintln!(
                "packagecloud-cloudfront: which key signed it can't be told: {}",
                plain::failure(&failure)
            );
            None
        }
    };
    let construction = engine::construction(&session.ground, &session.answers);
    let now = session.ground.host.clock.now().as_secs();
    let secrets: Vec<_> = secret.into_iter().collect();
    let report = token::inspect(&url, &secrets, now, construction);
    for (label, text) in report.lines(construction) {
        session.show_finding(label, &text);
    }
    Ok(DONE)
}
