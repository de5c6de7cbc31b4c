//! `--output json`: what stands on stdout, line by line, for every command that has events, changes or checks.
//!
//! A line that the contract doesn't list fails, whatever it says.

use packagecloud_cloudfront::sandbox::seed::SANDBOX_BUCKET;
use serde_json::{Value, json};

use super::journey_host::{JourneyHost, JourneyRun};

const STAGE_ENDS: [&str; 4] = ["applied", "unchanged", "stopped", "failed"];
const CONFIG_KEYS: [&str; 4] =
    ["cloudfront_enabled", "cloudfront_secret", "cloudfront_distribution_id", "cloudfront_packages_domain"];

/// The lines after the first, which must be the version.
fn lines_after_version(ran: &JourneyRun) -> Vec<Value> {
    let mut lines = ran.json_lines();
    assert!(!lines.is_empty(), "{ran:#?}");
    let version = lines.remove(0);
    let wanted = json!({
        "type": "version", "tool": "packagecloud-cloudfront", "version": env!("CARGO_PKG_VERSION"),
        "events": 1, "sandbox": true,
    });
    assert_eq!(version, wanted);
    lines
}

/// The events of a command that applies stages, then its one `configuration` line: how each stage ended, and the values.
fn parse_stage_ends(ran: &JourneyRun) -> (Vec<(String, String)>, Value) {
    let mut lines = lines_after_version(ran);
    let configuration = lines.pop().unwrap();
    assert_eq!(configuration["type"], "configuration", "{ran:#?}");
    let mut ended: Vec<(String, String)> = Vec::new();
    let mut open: Vec<(String, String)> = Vec::new();
    for line in &lines {
        let text = |member: &str| line[member].as_str().unwrap_or_default().to_owned();
        let (stage, step) = (text("stage"), text("step"));
        assert!(line.get("step").is_some() && !stage.is_empty(), "{line}");
        assert!(!ended.iter().any(|(over, _)| *over == stage), "{stage} was over: {line}");
        let key = (stage.clone(), step.clone());
        match text("type").as_str() {
            "started" => open.push(key),
            "progress" => assert!(!step.is_empty(), "{line}"),
            "finished" | "failed" => {
                assert!(open.contains(&key), "{line}");
                open.retain(|other| *other != key);
                if line["type"] == "failed" {
                    for member in ["what", "why", "next"] {
                        assert!(!line["failure"][member].as_str().unwrap().is_empty(), "{line}");
                    }
                }
            }
            "ended" => {
                assert!(STAGE_ENDS.contains(&text("end").as_str()), "{line}");
                assert!(open.iter().all(|(one, _)| *one != stage), "{line} before {open:?} ended");
                ended.push((stage, text("end")));
            }
            other => panic!("{other} is no event: {line}"),
        }
    }
    (ended, configuration["values"].clone())
}

fn to_owned_pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(stage, end)| ((*stage).to_owned(), (*end).to_owned())).collect()
}

#[test]
fn each_stage_of_the_set_up_ends_once_and_the_values_come_last() {
    let host = JourneyHost::new();
    let (ended, values) = parse_stage_ends(&host.run_successfully("--output json enable --upgrade --yes"));
    // The reindex runs beside the others, and may end before or after any of them.
    let (reindex, others): (Vec<_>, Vec<_>) = ended.into_iter().partition(|(stage, _)| stage == "reindex");
    assert_eq!(reindex, to_owned_pairs(&[("reindex", "applied")]));
    let all = ["secret", "bootstrap", "distribution", "configuration", "go-live", "verify"];
    assert_eq!(others, to_owned_pairs(&all.map(|stage| (stage, "applied"))));
    assert_eq!(values.as_object().unwrap().keys().collect::<Vec<_>>(), CONFIG_KEYS);
    assert_eq!(
        (&values["cloudfront_enabled"], &values["cloudfront_secret"]),
        (&json!(true), &json!("(hidden)"))
    );

    let again = host.run_successfully("--output json enable --upgrade --yes --show-secret");
    let (ended, values) = parse_stage_ends(&again);
    let (verify, others) = ended.split_last().unwrap();
    assert_eq!(verify.1, "applied", "verify has always something to ask");
    assert!(others.iter().all(|(_, end)| end == "unchanged"), "{others:?}");
    let secret = values["cloudfront_secret"].as_str().unwrap();
    assert!(host.config_text().contains(&format!("packagecloud_rails['cloudfront_secret'] = '{secret}'")));

    let (ended, values) = parse_stage_ends(&host.run_successfully("disable --yes --output json"));
    assert_eq!(ended, to_owned_pairs(&[("disable", "applied")]));
    assert_eq!(values["cloudfront_enabled"], false);
    let (ended, _) = parse_stage_ends(&host.run_successfully("disable --yes --output json"));
    assert_eq!(ended, to_owned_pairs(&[("disable", "unchanged")]));

    let (ended, _) = parse_stage_ends(&host.run_successfully("enable --yes --output json --ctl none"));
    assert_eq!(ended.last().unwrap(), &("go-live".to_owned(), "stopped".to_owned()));
}

#[test]
fn a_stage_that_failed_says_so_and_what_stands_then() {
    let host = JourneyHost::new();
    let failed = host.run_line("--sandbox-construction raw:path+expires enable --yes --output json");
    assert_eq!(failed.code, 1);
    let (ended, values) = parse_stage_ends(&failed);
    assert_eq!(ended.last().unwrap(), &("go-live".to_owned(), "failed".to_owned()));
    assert_eq!(values["cloudfront_enabled"], false);
    assert!(failed.out.contains("--construction raw:path+expires"), "the next move is among the events");
}

#[test]
fn the_commands_that_only_read_print_their_own_lines_alone() {
    let host = JourneyHost::new();
    let changes = host.run_line("plan --output json --goal upgrade");
    assert_eq!((changes.code, changes.err.as_str()), (3, ""));
    let lines = lines_after_version(&changes);
    assert!(!lines.is_empty());
    for line in &lines {
        let members: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        match line["type"].as_str().unwrap() {
            "change" => {
                // What is written stands last, where it can be read.
                let always: Vec<&str> = members.iter().copied().filter(|name| *name != "document").collect();
                assert_eq!(always, ["type", "stage", "step", "verb", "target", "why"]);
            }
            "note" => assert_eq!(members, ["type", "stage", "topic", "text"]),
            "question" => assert_eq!(members, ["type", "stage", "flag", "text"]),
            _ => panic!("{line}"),
        }
    }
    assert!(lines.iter().any(|line| line["stage"] == "bootstrap" && line["verb"] == "create"));

    let (ended, _) = parse_stage_ends(&host.run_successfully("enable --yes --output json"));
    assert_eq!(ended.len(), 6);
    assert!(
        lines_after_version(&host.run_successfully("plan --output json"))
            .iter()
            .all(|line| line["type"] == "note" || line["verb"] == "keep")
    );
    for command in ["verify", "check"] {
        let checks = lines_after_version(&host.run_successfully(&format!("{command} --output json")));
        assert!(checks.len() > 5, "{checks:?}");
        for line in &checks {
            assert_eq!(line["type"], "check", "{line}");
            assert!(["pass", "fail", "unknown"].contains(&line["result"].as_str().unwrap()), "{line}");
            assert!(!line["name"].as_str().unwrap().is_empty() && line["detail"].is_string(), "{line}");
        }
        let verdict = checks.iter().any(|line| line["name"] == "verdict");
        assert_eq!(verdict, command == "verify");
    }

    let configuration = lines_after_version(&host.run_successfully("configuration --output json"));
    assert_eq!(configuration.len(), 1);
    assert_eq!(configuration[0]["values"]["cloudfront_secret"], "(hidden)");
    let shown = lines_after_version(&host.run_successfully("configuration --output json --show-secret"));
    assert_eq!(shown[0]["values"]["cloudfront_secret"].as_str().unwrap().len(), 44);

    // Every other command keeps to objects too.
    for (command, code) in [
        ("sign 1/2/ubuntu/package_files/97310.deb", 0),
        ("inspect https://d1.cloudfront.net/a", 3),
        ("roll-back", 0),
    ] {
        let ran = host.run_line(&format!("{command} --output json"));
        assert_eq!(ran.code, code, "{ran:#?}");
        assert!(!lines_after_version(&ran).is_empty(), "{command}");
    }
    let policy = host.run_successfully("check --policy --output json");
    assert!(
        serde_json::from_str::<Value>(&policy.out).unwrap()["Statement"].is_array(),
        "no version before it"
    );
}

#[test]
fn a_plan_says_in_json_what_it_says_to_a_person() {
    let host = JourneyHost::new();
    host.open_sandbox().update_sandbox_state_on_disk(|state| {
        let settings = &mut state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().settings;
        let payer = "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>";
        settings.insert("requestPayment".into(), payer.into());
        state.lambda.concurrency = Some(10);
    });
    host.write_config(&format!("# Generated by Chef: changes will be overwritten\n{}", host.config_text()));
    let said = host.run_line("plan").out;
    let lines = lines_after_version(&host.run_line("plan --output json"));
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    for line in of("note").iter().chain(&of("question")) {
        let text = line["text"].as_str().unwrap();
        assert!(said.contains(text), "{text} is not in {said}");
    }
    let marks = |mark: &str| said.lines().filter(|line| line.starts_with(mark)).count();
    let general = of("note").into_iter().filter(|line| line["stage"].is_null()).count();
    assert_eq!((general, of("question").len()), (marks("  !  "), marks("  ?  ")), "{lines:#?}\n{said}");
    for (kind, words) in
        [("note", "Requester Pays"), ("note", "Concurrent executions"), ("question", "chef manages")]
    {
        let says = |line: &&Value| line["text"].as_str().unwrap().contains(words);
        assert!(of(kind).iter().any(says), "no {kind} has {words}: {lines:#?}");
    }
    assert!(of("question").iter().any(|line| line["flag"] == "--managed wait|write"), "{lines:#?}");
}

#[test]
fn the_distribution_alone_ends_with_the_values() {
    let host = JourneyHost::new();
    host.run_successfully("generate-cloudfront-secret --yes");
    let bootstrap = host.run_successfully("bootstrap-cloudfront --yes --output json");
    let ended = lines_after_version(&bootstrap).pop().unwrap();
    assert_eq!((&ended["type"], &ended["stage"]), (&json!("ended"), &json!("bootstrap")));
    let text = ended["text"].as_str().unwrap();
    let arn = text.split(' ').find(|word| word.starts_with("arn:aws:lambda:")).expect("it names the version");
    let made =
        host.run_successfully(&format!("reconfigure-cloudfront-distribution {arn} --yes --output json"));
    let (ended, values) = parse_stage_ends(&made);
    assert_eq!(ended, to_owned_pairs(&[("distribution", "applied"), ("configuration", "applied")]));
    assert!(values.get("cloudfront_enabled").is_none(), "not live: {values}");
    assert!(values["cloudfront_distribution_id"].as_str().unwrap().starts_with('E'));
}

#[test]
fn a_missing_consent_says_on_stderr_what_it_would_be_for() {
    let host = JourneyHost::new();
    let refused = host.run_line("enable --output json");
    assert_eq!(refused.code, 2);
    let lines = lines_after_version(&refused);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["type"], &lines[0]["failure"]["kind"]), (&json!("failed"), &json!("consent")));
    assert!(refused.err.contains("create  role") && refused.err.contains("--yes"), "{}", refused.err);
}
