//! The commands that change nothing: check, plan, verify, configuration, sign, inspect.

use std::io::Read;

use super::{DONE, FAILED, PENDING, Session, json, plain};
use crate::args::Format;
use crate::engine::{self, delivery::probe, stages::overview};
use crate::model::{
    packagecloud::{settings::Values, snippet},
    run::{check::Check, failure::Failure, goal::Goal, plan::Verb},
    url::token::{self, Mac},
};

pub async fn check(session: &Session) -> Result<u8, Failure> {
    let checks = engine::check(&session.ground, &session.answers).await?;
    session.show_checks(&checks);
    Ok(if checks.iter().any(Check::failed) { PENDING } else { DONE })
}

/// `check --policy`: the document, and nothing else on stdout.
pub async fn policy(session: &Session) -> u8 {
    match engine::policy(&session.ground, &session.answers).await {
        Ok(document) => {
            say!("{document}");
            DONE
        }
        Err(failure) => {
            tell!("packagecloud-cloudfront: {}", plain::failure(&failure));
            FAILED
        }
    }
}

pub async fn plan(session: &Session) -> Result<u8, Failure> {
    let goal = session.answers.goal.unwrap_or(Goal::Install);
    let plans = overview::plans(&session.ground, goal, &session.answers).await?;
    if session.json() {
        plans.iter().flat_map(json::plan).for_each(|line| json::print(&line));
    } else {
        let shown = plans.iter().filter(|plan| !plan.changes.is_empty());
        plain::plans(shown).iter().for_each(|line| session.say(line));
    }
    let mut asked = Vec::new();
    for ask in plans.iter().flat_map(|plan| &plan.asks) {
        if !asked.contains(&ask.consent) {
            asked.push(ask.consent);
            session.say(&format!("  ?  {} (yes is {})", ask.question, ask.consent.flag()));
        }
    }
    let pending =
        plans.iter().flat_map(|plan| &plan.changes).filter(|change| change.verb != Verb::Keep).count();
    if pending == 0 {
        session.say("Everything is as it should be: nothing would change.");
        return Ok(DONE);
    }
    let command = match goal {
        Goal::Install => "enable",
        Goal::Upgrade => "enable --upgrade",
        Goal::Disable => "disable",
        Goal::RollBack => "roll-back",
    };
    session.say(&format!(
        "{pending} changes are pending, and none was made. To make them: packagecloud-cloudfront {command}"
    ));
    Ok(PENDING)
}

pub async fn verify(session: &Session) -> Result<u8, Failure> {
    let checks = session
        .showing(true, async |run| engine::verify(&session.ground, &session.answers, &run).await)
        .await?;
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
    say!("{text}");
    if !show_secret && values.secret.is_some() {
        tell!("The secret is hidden: --show-secret shows it.");
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
    if key.is_empty() {
        return Err(Failure::usage(
            "sign",
            "the path names no object",
            "give an S3 key, like 7/8/debian/package_files/1.deb",
        ));
    }
    let signed = probe::Signed {
        domain,
        key,
        construction,
        mac: Mac::Sha256,
        lifetime: probe::LIFETIME.cast_signed(),
    };
    let now = session.ground.host.clock.now().as_secs();
    let url = format!("https://{domain}{}", probe::sign(secret, &signed, now)?);
    if session.json() {
        json::print(&serde_json::json!({"type": "url", "url": url}));
    } else {
        say!("{url}");
    }
    Ok(DONE)
}

pub async fn inspect(session: &Session, url: Option<&str>) -> Result<u8, Failure> {
    let url = if let Some(url) = url {
        url.to_owned()
    } else {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| {
            Failure::usage("the URL", error.to_string(), "give it as an argument, or on standard input")
        })?;
        text.trim().to_owned()
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
