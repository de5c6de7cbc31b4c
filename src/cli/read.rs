//! The commands that change nothing: check, plan, verify, configuration, sign, inspect.

use std::{io::Read, path::Path};

use super::{
    CommandInvocation, EXIT_DONE, EXIT_FAILED, EXIT_PENDING,
    change_request::print_change_request,
    json,
    kept_plan::{keep_plan_in_file, refuse_unkeepable_goal, render_plan_making_command},
    plain,
};
use crate::args::{CloudFrontConfigFormat, PlanFormat};
use crate::engine::{self, delivery::probe, link_explanation, stages::overview};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    failure::Failure,
    iam::least_privilege::has_optional_statement,
    packagecloud::{settings::CloudFrontSettingValues, snippet},
    run::{
        check::{CheckId, CheckResult},
        goal::OperatorGoal,
        plan::{PlanFact, ResourceChangeKind, StagePlan, list_distinct_questions},
    },
    url::token::TokenMacAlgorithm,
};

/// Checks the access, and says whether anything stands in the way.
///
/// # Errors
/// Fails where the identity or the bucket can't be found.
pub async fn run_check_access_command(
    invocation: &CommandInvocation,
    list_passed: bool,
) -> Result<u8, Failure> {
    let checks = engine::run_access_checks(&invocation.session, &invocation.answers).await?;
    if invocation.is_json_output() {
        checks.iter().map(json::render_check_result_json).for_each(|line| json::print_json_line(&line));
    }
    let plan = render_proposed_command("plan", &[]);
    let conclusion = format!("nothing was found that stops a set-up · next: {plan}");
    invocation.print_checks_worst_first(&checks, list_passed, Some(&conclusion));
    Ok(if checks.iter().any(CheckResult::has_failed) { EXIT_PENDING } else { EXIT_DONE })
}

/// Prints the document of `check --policy`, and nothing else on stdout.
pub async fn print_required_iam_policy(invocation: &CommandInvocation) -> u8 {
    match engine::render_required_iam_policy(&invocation.session, &invocation.answers).await {
        Ok(document) => {
            outln!("{document}");
            if !has_optional_statement(&document) {
                errln!(
                    "It has no room for five permissions that only read and are optional: cloudwatch:GetMetricStatistics and pricingplanmanager:ListSubscriptions for status, logs:FilterLogEvents for rotate-secret --finish, s3:GetBucketNotification and s3:GetReplicationConfiguration for a reindex. Where one is missing, those commands say so and work without it."
                );
            }
            errln!("Attach it as a managed policy (up to 6144 characters): inline a user has room for 2048.");
            EXIT_DONE
        }
        Err(failure) => {
            errln!("packagecloud-cloudfront: {}", plain::render_failure(&failure));
            EXIT_FAILED
        }
    }
}

/// Shows what would change, and changes nothing; keeps it in the file `out`, where one is named. `flags` are the reindex's
/// as they were given.
///
/// # Errors
/// Fails where a stage can't be looked at, or the file can't be written.
pub async fn run_plan_command(
    invocation: &CommandInvocation,
    out: Option<&Path>,
    format: Option<PlanFormat>,
    flags: &[String],
) -> Result<u8, Failure> {
    let goal = invocation.answers.goal.unwrap_or(OperatorGoal::Install);
    if out.is_some() {
        refuse_unkeepable_goal(goal)?;
    }
    let plans = overview::look_and_plan_goal_stages(&invocation.session, goal, &invocation.answers).await?;
    let obstacles = overview::find_serving_obstacles(&invocation.session, goal, &invocation.answers).await;
    if let Some(path) = out {
        keep_plan_in_file(invocation, path, &plans).await?;
    }
    if format == Some(PlanFormat::ChangeRequest) {
        print_change_request(invocation, goal, (&plans, &obstacles), out, flags).await?;
    } else if invocation.is_json_output() {
        print_plan_json(&plans, &obstacles);
    } else {
        print_plan_lines(&plans, &obstacles);
    }
    let pending = plans
        .iter()
        .flat_map(|plan| &plan.changes)
        .filter(|change| change.verb != ResourceChangeKind::Keep)
        .count();
    if format.is_some() {
        return Ok(if pending == 0 { EXIT_DONE } else { EXIT_PENDING });
    }
    if pending == 0 {
        invocation.print_plain_result_line("Everything is as it should be: nothing would change.");
        return Ok(EXIT_DONE);
    }
    let command = render_plan_making_command(goal, out, flags);
    invocation.print_plain_result_line(&format!(
        "{pending} changes are pending, and none was made. To make them: {command}"
    ));
    Ok(EXIT_PENDING)
}

/// Prints plans for a person: their lines, what stands in the way, and what must be answered with yes.
fn print_plan_lines(plans: &[StagePlan], obstacles: &[PlanFact]) {
    plain::render_plans_as_lines(list_plans_with_lines(plans)).iter().for_each(|line| outln!("{line}"));
    obstacles.iter().for_each(|fact| outln!("  !  {fact}"));
    for (_, asked) in list_distinct_questions(plans) {
        outln!("  ?  {} (yes is {})", asked.question, asked.consent.consent_cli_flag());
    }
}

/// Prints the same as JSON: a line each change, note and question.
fn print_plan_json(plans: &[StagePlan], obstacles: &[PlanFact]) {
    let changes = plans.iter().flat_map(json::render_plan_changes_json);
    let notes = list_plans_with_lines(plans).flat_map(json::render_plan_notes_json);
    let obstacles = obstacles.iter().map(|fact| json::render_plan_fact_json(None, fact));
    let questions = list_distinct_questions(plans);
    let questions = questions.iter().map(|(stage, asked)| json::render_plan_question_json(*stage, asked));
    changes.chain(notes).chain(obstacles).chain(questions).for_each(|line| json::print_json_line(&line));
}

/// Lists the plans of which more is said than nothing.
fn list_plans_with_lines(plans: &[StagePlan]) -> impl Iterator<Item = &StagePlan> {
    plans.iter().filter(|plan| !plan.changes.is_empty())
}

/// Checks that packages come through CloudFront.
///
/// # Errors
/// Fails where what the checks need can't be read.
pub async fn run_verify_command(invocation: &CommandInvocation, list_passed: bool) -> Result<u8, Failure> {
    if !invocation.is_json_output() {
        errln!("  …  asks CloudFront, S3 and packagecloud; this takes up to a minute");
    }
    let checks = invocation
        .run_with_event_display(true, async |run| {
            engine::run_verify_checks(&invocation.session, &invocation.answers, &run).await
        })
        .await?;
    let verdict = checks.iter().find(|check| check.has_check_id(CheckId::Verdict));
    invocation.print_checks_worst_first(&checks, list_passed, verdict.map(|verdict| verdict.detail.as_str()));
    Ok(if checks.iter().any(CheckResult::has_failed) { EXIT_PENDING } else { EXIT_DONE })
}

/// Prints the four values.
///
/// # Errors
/// Fails where packagecloud.rb can't be read, or AWS is needed and can't be asked.
pub async fn run_configuration_command(
    invocation: &CommandInvocation,
    format: CloudFrontConfigFormat,
) -> Result<u8, Failure> {
    let values = engine::resolve_cloudfront_setting_values(&invocation.session, &invocation.answers).await?;
    print_cloudfront_settings(invocation, &values, format);
    Ok(EXIT_DONE)
}

/// Prints the four values; in JSON output always as one `configuration` line.
pub fn print_cloudfront_settings(
    invocation: &CommandInvocation,
    values: &CloudFrontSettingValues,
    format: CloudFrontConfigFormat,
) {
    let show_secret = invocation.global.show_secret;
    if invocation.is_json_output() {
        json::print_json_line(&json::render_setting_values_json(values, show_secret));
        return;
    }
    let shown = if show_secret { values.clone() } else { values.redact_cloudfront_secret() };
    let text = match format {
        CloudFrontConfigFormat::Ruby => shown.render_setting_assignments().join("\n"),
        CloudFrontConfigFormat::Json => json::render_setting_values_json(&shown, true)["values"].to_string(),
        CloudFrontConfigFormat::Chef => snippet::render_chef_snippet(&shown),
        CloudFrontConfigFormat::Puppet => snippet::render_puppet_snippet(&shown),
        CloudFrontConfigFormat::Ansible => snippet::render_ansible_snippet(&shown),
    };
    outln!("{text}");
    if !show_secret && values.secret.is_some() {
        let shown = render_proposed_command("configuration", &["--show-secret"]);
        errln!("The secret is hidden. To show it: {shown}");
    }
}

/// Signs a URL as packagecloud does, and prints it.
///
/// # Errors
/// Fails where the path names no object, or there is no secret or no domain.
pub async fn run_sign_url_command(invocation: &CommandInvocation, path: &str) -> Result<u8, Failure> {
    let missing = |what: &str| {
        let next = format!("create it with: {}", render_proposed_command("enable", &[]));
        Failure::new_generic_failure(what, "packagecloud.rb holds none", next)
    };
    let values = invocation.session.host.read_packagecloud_config().await?.seen.values;
    let secret = values.secret.as_ref().ok_or_else(|| missing("cloudfront_secret"))?;
    // AWS is asked only for what this host doesn't know.
    let domain = match values.packages_domain.or_else(|| invocation.answers.packages_domain.clone()) {
        Some(domain) => domain,
        None => engine::resolve_cloudfront_setting_values(&invocation.session, &invocation.answers)
            .await?
            .packages_domain
            .ok_or_else(|| missing("cloudfront_packages_domain"))?,
    };
    let domain = domain.as_str();
    let construction = engine::determine_edge_token_construction(&invocation.session, &invocation.answers);
    let key = path.trim_start_matches('/');
    if key.is_empty() {
        return Err(Failure::new_usage_failure(
            "sign",
            "the path names no object",
            "give an S3 key, like 7/8/debian/package_files/1.deb",
        ));
    }
    let signed = probe::SignedUrlSpec {
        domain,
        key,
        construction,
        mac: TokenMacAlgorithm::Sha256,
        lifetime: probe::LINK_LIFETIME_SECONDS.cast_signed(),
    };
    let now = invocation.session.host.clock.read_host_clock().as_secs();
    let url = format!("https://{domain}{}", probe::sign_probe_url(secret, &signed, now)?);
    if invocation.is_json_output() {
        json::print_json_line(&serde_json::json!({"type": "url", "url": url}));
    } else {
        outln!("{url}");
    }
    Ok(EXIT_DONE)
}

/// Explains a customer's link: what it holds, who signed it, whether it would be served, and what to do.
///
/// # Errors
/// Fails where there is no URL.
pub async fn run_inspect_url_command(
    invocation: &CommandInvocation,
    url: Option<&str>,
) -> Result<u8, Failure> {
    let url = if let Some(url) = url {
        url.to_owned()
    } else {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| {
            Failure::new_usage_failure(
                "the URL",
                error.to_string(),
                "give it as an argument, or on standard input",
            )
        })?;
        text.trim().to_owned()
    };
    if url.is_empty() {
        return Err(Failure::new_usage_failure(
            "the URL",
            "there is none",
            "give it as an argument, or on standard input",
        ));
    }
    if let Err(failure) = invocation.session.host.read_packagecloud_config().await {
        errln!(
            "packagecloud-cloudfront: which key signed it can't be told: {}",
            plain::render_failure(&failure)
        );
    }
    if !invocation.is_json_output() {
        errln!(
            "  …  asks the edge, the bucket and packagecloud; without an answer of AWS it takes up to 10 s"
        );
    }
    let explained =
        link_explanation::explain_customer_link(&invocation.session, &invocation.answers, &url).await;
    for (label, text) in &explained.findings {
        invocation.show_inspect_finding(label, text);
    }
    let verdict = &explained.verdict;
    if invocation.is_json_output() {
        json::print_json_line(&json::render_check_result_json(verdict));
    }
    invocation.print_plain_result_line(&plain::render_check_result(verdict));
    Ok(if verdict.has_failed() { EXIT_PENDING } else { EXIT_DONE })
}
