//! `status` on a sandbox that is live: each planted fault and drift is named in its first line, with one next move; on a healthy install, and
//! on one that was switched off on purpose, nothing is.

use std::{fs, time::Duration};

use packagecloud_cloudfront::{
    edge::bundle::parse_function_version_description,
    engine::{self, Session, status::read_install_status},
    host::config::ParsedConfigCache,
    model::{
        run::{
            answers::OperatorAnswers,
            check::CheckVerdict,
            goal::{OperatorGoal, RunStage},
        },
        status::{CloudFrontSwitchStatus, FindingSeverity, InstallStatus, StatusVerdict},
    },
    sandbox::{
        self, Sandbox, control_plane::s3::place_sandbox_object, edge_traffic::EdgeTrafficHour, packagecloud,
        seed,
    },
};
use serde_json::{Value, json};

use crate::{
    engine::run_stages,
    permissions::AWS_SERVICES,
    runtimes::age_authenticator,
    verify::{ViewerConditions, copy_live_sandbox, open_session, run_verify, upgrade_answers},
};

/// What it may ask AWS (contract section 11).
const AWS_CALLS_MAX: usize = 25;
const STATUS_TIME_MAX: Duration = Duration::from_mins(1);
const OTHER_SECRET: &str = "MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=";
const NO_FUNCTION: &str = "<LambdaFunctionAssociations><Quantity>0</Quantity></LambdaFunctionAssociations>";

/// A fault, and what the first line must say of it.
struct PlantedFault {
    name: &'static str,
    plant: fn(&Sandbox),
    severity: FindingSeverity,
    check: &'static str,
    why: &'static str,
    next: &'static str,
}

fn edit_distribution(world: &Sandbox, edit: impl Fn(&str) -> String) {
    world.update_sandbox_state_on_disk(|state| {
        for one in state.cloudfront.distributions.values_mut() {
            let config = edit(&one.config);
            assert_ne!(config, one.config, "nothing was planted");
            one.config = config;
            one.deployed_before = None;
        }
    });
}

fn edit_config_file(world: &Sandbox, edit: impl Fn(&str) -> String) {
    let path = world.sandbox_dir().join("packagecloud.rb");
    let text = fs::read_to_string(&path).unwrap();
    let edited = edit(&text);
    assert_ne!(edited, text, "nothing was planted");
    fs::write(&path, edited).unwrap();
}

fn replace_setting(text: &str, setting: &str, value: &str) -> String {
    let start = format!("packagecloud_rails['{setting}']");
    let line = text.lines().find(|line| line.starts_with(&start)).unwrap();
    text.replace(line, &format!("{start} = {value}"))
}

fn edit_bucket_policy(world: &Sandbox, edit: impl Fn(&mut Vec<Value>)) {
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
        let mut policy: Value = serde_json::from_str(bucket.policy.as_ref().unwrap()).unwrap();
        edit(policy["Statement"].as_array_mut().unwrap());
        bucket.policy = Some(policy.to_string());
    });
}

fn set_key_state(world: &Sandbox, to: &str) {
    world.update_sandbox_state_on_disk(|state| {
        state.kms.keys.values_mut().for_each(|key| to.clone_into(&mut key.state));
    });
}

fn edit_running_node(world: &Sandbox, edit: impl Fn(&mut packagecloud::SandboxNodeSettings)) {
    world.update_sandbox_state_on_disk(|state| state.packagecloud.nodes.iter_mut().for_each(&edit));
}

/// Has the distribution served under a name of its own, with a certificate that `end` is done to.
fn plant_certificate(
    world: &Sandbox,
    end: impl Fn(&mut sandbox::control_plane::acm::SandboxCertificate, Duration),
) {
    const ARN: &str = "arn:aws:acm:us-east-1:999999999999:certificate/planted";
    let now = world.sandbox_unix_time_now();
    world.update_sandbox_state_on_disk(|state| {
        let mut certificate = sandbox::control_plane::acm::SandboxCertificate {
            names: vec!["packages.example.com".to_owned()],
            key: "RSA_2048".to_owned(),
            ..Default::default()
        };
        end(&mut certificate, now);
        state.acm.certificates.insert(ARN.to_owned(), certificate);
    });
    edit_distribution(world, |config| {
        let (before, rest) = config.split_once("<ViewerCertificate>").unwrap();
        let (_, after) = rest.split_once("</ViewerCertificate>").unwrap();
        format!(
            "{before}<ViewerCertificate><ACMCertificateArn>{ARN}</ACMCertificateArn><SSLSupportMethod>sni-only</SSLSupportMethod><MinimumProtocolVersion>TLSv1.2_2021</MinimumProtocolVersion></ViewerCertificate>{after}"
        )
    });
}

/// A second version, whose digest is another, is associated in place of the first.
fn associate_another_version(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        for function in state.lambda.functions.values_mut() {
            let mut other = function.versions.last().unwrap().clone();
            other.number += 1;
            let mut described = parse_function_version_description(&other.configuration.description).unwrap();
            described.digest = "f".repeat(64);
            other.configuration.description = described.to_string();
            function.versions.push(other);
        }
    });
    edit_distribution(world, |config| config.replace(":1</LambdaFunctionARN>", ":2</LambdaFunctionARN>"));
}

/// Of what the associated version accepts, its description tells nothing of this host's secret.
fn associate_version_of_fewer_secrets(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        for version in state.lambda.functions.values_mut().flat_map(|function| &mut function.versions) {
            let mut described =
                parse_function_version_description(&version.configuration.description).unwrap();
            described.fingerprints = vec!["d".repeat(32)];
            version.configuration.description = described.to_string();
        }
    });
}

/// What every distribution's edges served in the hour before.
fn plant_traffic(world: &Sandbox, requests: u64, server_errors: u64) {
    let hour = world.sandbox_unix_time_now().as_secs() / 3600 - 1;
    let served =
        EdgeTrafficHour { requests, server_errors, bytes: requests * 5_000_000, ..Default::default() };
    world.update_sandbox_state_on_disk(|state| {
        for id in state.cloudfront.distributions.keys() {
            state.cloudwatch.hours.entry(id.clone()).or_default().insert(hour, served);
        }
    });
}

const FAULTS: &[PlantedFault] = &[
    PlantedFault {
        name: "a behavior without the function",
        plant: |world| {
            edit_distribution(world, |config| {
                let (before, rest) = config.split_once("<LambdaFunctionAssociations>").unwrap();
                let (_, after) = rest.split_once("</LambdaFunctionAssociations>").unwrap();
                format!("{before}{NO_FUNCTION}{after}")
            });
        },
        severity: FindingSeverity::Exposed,
        check: "distribution",
        why: "has a behavior without the authenticator",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "another version",
        plant: associate_another_version,
        severity: FindingSeverity::Drifted,
        check: "authenticator",
        why: ":2 is now",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "a version that accepts fewer secrets",
        plant: associate_version_of_fewer_secrets,
        severity: FindingSeverity::Refused,
        check: "edge-secret",
        why: "is not the one that the edge holds",
        next: "configuration --show-secret",
    },
    PlantedFault {
        name: "the statement is gone",
        plant: |world| {
            edit_bucket_policy(world, |statements| {
                statements.retain(|one| !one["Sid"].as_str().unwrap_or_default().starts_with("Packagecloud"));
            });
        },
        severity: FindingSeverity::Refused,
        check: "bucket-grant",
        why: "that lets it read is gone",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the key is disabled",
        plant: |world| set_key_state(world, "Disabled"),
        severity: FindingSeverity::Refused,
        check: "kms-key",
        why: "is Disabled",
        next: "aws kms enable-key --region us-east-1 --key-id",
    },
    PlantedFault {
        name: "the key is about to be deleted",
        plant: |world| set_key_state(world, "PendingDeletion"),
        severity: FindingSeverity::Refused,
        check: "kms-key",
        why: "is PendingDeletion",
        next: "aws kms cancel-key-deletion",
    },
    PlantedFault {
        name: "the role's policy is gone",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.iam.roles.values_mut().for_each(|role| role.policies.clear());
            });
        },
        severity: FindingSeverity::Refused,
        check: "kms-key",
        why: "no longer lets it",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the runtime has ended",
        plant: |world| age_authenticator(world, None),
        severity: FindingSeverity::Ending,
        check: "runtime",
        why: "ended on 2026-04-30",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the certificate ends, and its record is gone from DNS",
        plant: |world| {
            plant_certificate(world, |one, now| {
                one.not_after = Some(now + Duration::from_hours(24 * 20));
                one.renewal = Some("PENDING_VALIDATION".to_owned());
            });
        },
        severity: FindingSeverity::Ending,
        check: "certificate",
        why: "can't renew it",
        next: "make this record again",
    },
    PlantedFault {
        name: "the certificate was imported, and ends",
        plant: |world| {
            plant_certificate(world, |one, now| {
                one.not_after = Some(now + Duration::from_hours(24 * 20));
                one.imported = true;
            });
        },
        severity: FindingSeverity::Ending,
        check: "certificate",
        why: "it was imported",
        next: "aws acm import-certificate",
    },
    PlantedFault {
        name: "the certificate has ended",
        plant: |world| {
            plant_certificate(world, |one, now| one.not_after = now.checked_sub(Duration::from_hours(1)));
        },
        severity: FindingSeverity::Refused,
        check: "certificate",
        why: "clients refuse the connection",
        next: "request another certificate",
    },
    PlantedFault {
        name: "packagecloud is off, and its file says on",
        plant: |world| edit_running_node(world, |node| node.enabled = false),
        severity: FindingSeverity::Drifted,
        check: "packagecloud-redirect",
        why: "packagecloud.rb says on",
        next: "packagecloud-cloudfront reconfigure && packagecloud-cloudfront restart",
    },
    PlantedFault {
        name: "the file says off, and packagecloud is on",
        plant: |world| edit_config_file(world, |text| replace_setting(text, "cloudfront_enabled", "false")),
        severity: FindingSeverity::Drifted,
        check: "packagecloud-redirect",
        why: "packagecloud.rb says off",
        next: "packagecloud-cloudfront reconfigure && packagecloud-cloudfront restart",
    },
    PlantedFault {
        name: "packagecloud's links lead to another domain",
        plant: |world| edit_running_node(world, |node| node.domain = Some("d0old.cloudfront.net".to_owned())),
        severity: FindingSeverity::Refused,
        check: "packagecloud-link",
        why: "lead to d0old.cloudfront.net",
        next: "packagecloud-cloudfront reconfigure && packagecloud-cloudfront restart",
    },
    PlantedFault {
        name: "packagecloud signs with another secret",
        plant: |world| edit_running_node(world, |node| node.secret = Some(OTHER_SECRET.to_owned())),
        severity: FindingSeverity::Refused,
        check: "packagecloud-link",
        why: "signs with another secret",
        next: "give it the same cloudfront_secret",
    },
    PlantedFault {
        name: "a secret was pasted into the file",
        plant: |world| {
            edit_config_file(world, |text| {
                replace_setting(text, "cloudfront_secret", &format!("'{OTHER_SECRET}'"))
            });
        },
        severity: FindingSeverity::Refused,
        check: "edge-secret",
        why: "is not the one that the edge holds",
        next: "configuration --show-secret",
    },
    PlantedFault {
        name: "a cache policy was changed",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                for policy in state.cloudfront.policies.values_mut() {
                    policy.config = policy.config.replace("<DefaultTTL>86400<", "<DefaultTTL>3600<");
                }
            });
        },
        severity: FindingSeverity::Drifted,
        check: "cache-policy",
        why: "its times to live or its key differ",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the bucket's policy is public",
        plant: |world| {
            edit_bucket_policy(world, |statements| {
                let objects = format!("arn:aws:s3:::{}/*", seed::SANDBOX_BUCKET);
                statements.push(json!({"Sid": "Everybody", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": objects}));
            });
        },
        severity: FindingSeverity::Exposed,
        check: "bucket-closed",
        why: "Everybody",
        next: "take that statement out",
    },
    PlantedFault {
        name: "no execution is left to the function",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.lambda.functions.values_mut().for_each(|one| one.reserved_concurrency = Some(0));
            });
        },
        severity: FindingSeverity::Refused,
        check: "concurrency",
        why: "is 0",
        next: "aws lambda delete-function-concurrency --region us-east-1 --function-name",
    },
    PlantedFault {
        name: "edges hold repository metadata",
        plant: |world| {
            let key = "1/2/ubuntu/dists/aaa/Release";
            let said = [("cache-control", "public, max-age=86400")];
            place_sandbox_object(world, seed::SANDBOX_BUCKET, key, &said, b"x").unwrap();
        },
        severity: FindingSeverity::Refused,
        check: "metadata-fresh",
        why: "1/2/ubuntu/dists/aaa/Release",
        next: "invalidate 1/2/ubuntu/dists/aaa/Release",
    },
    PlantedFault {
        name: "packagecloud makes its tokens another way",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.packagecloud.construction = Some("raw:expires+path".parse().unwrap());
            });
        },
        severity: FindingSeverity::Refused,
        check: "packagecloud-link",
        why: "as raw:expires+path",
        next: "enable --construction raw:expires+path",
    },
    PlantedFault {
        name: "the distribution is disabled",
        plant: |world| {
            edit_distribution(world, |config| {
                config.replace("<Enabled>true</Enabled>", "<Enabled>false</Enabled>")
            });
        },
        severity: FindingSeverity::Refused,
        check: "distribution",
        why: "is disabled",
        next: "enable it in CloudFront's console",
    },
    PlantedFault {
        name: "the distribution is gone",
        plant: |world| world.update_sandbox_state_on_disk(|state| state.cloudfront.distributions.clear()),
        severity: FindingSeverity::Refused,
        check: "distribution",
        why: "there is none",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "another distribution reads the bucket without the function",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                let mut other = state.cloudfront.distributions.values().next().unwrap().clone();
                (other.id, other.domain) = ("EOTHER".to_owned(), "dother.cloudfront.net".to_owned());
                other.tags.clear();
                let associations = other.config.split("<LambdaFunctionAssociations>").skip(1);
                let whole: Vec<String> = associations
                    .map(|part| {
                        let inner = part.split("</LambdaFunctionAssociations>").next().unwrap();
                        format!("<LambdaFunctionAssociations>{inner}</LambdaFunctionAssociations>")
                    })
                    .collect();
                for association in whole {
                    other.config = other.config.replace(&association, NO_FUNCTION);
                }
                state.cloudfront.distributions.insert(other.id.clone(), other);
            });
        },
        severity: FindingSeverity::Exposed,
        check: "other-distribution",
        why: "EOTHER",
        next: "remove that origin from it",
    },
    PlantedFault {
        name: "packagecloud itself is down",
        plant: |world| {
            world.update_sandbox_state_on_disk(|state| {
                state.packagecloud.back = Duration::from_secs(u64::from(u32::MAX) * 2);
            });
        },
        severity: FindingSeverity::Refused,
        check: "packagecloud-redirect",
        why: "answers 502",
        next: "status &&",
    },
    PlantedFault {
        name: "packagecloud.rb names another distribution",
        plant: |world| {
            edit_config_file(world, |text| replace_setting(text, "cloudfront_distribution_id", "'EANOTHER'"));
        },
        severity: FindingSeverity::Drifted,
        check: "packagecloud.rb",
        why: "EANOTHER",
        next: "packagecloud-cloudfront enable",
    },
    PlantedFault {
        name: "the edge fails",
        plant: |world| plant_traffic(world, 1000, 11),
        severity: FindingSeverity::Refused,
        check: "server-errors",
        why: "1.1 % of 10",
        next: "packagecloud-cloudfront verify",
    },
    PlantedFault {
        name: "nobody comes to the edge",
        plant: |world| {
            // It is on for two days, and what was served was served then.
            let note = world.sandbox_dir().join("state/on-since");
            let now = world.sandbox_unix_time_now().as_secs();
            fs::write(note, (now - 2 * 86_400).to_string()).unwrap();
            let _ = fs::remove_file(world.sandbox_dir().join("edge-traffic"));
        },
        severity: FindingSeverity::Drifted,
        check: "requests",
        why: "for a day no request came there",
        next: "packagecloud-cloudfront verify",
    },
    PlantedFault {
        name: "the behaviors by path are gone",
        plant: |world| {
            edit_distribution(world, |config| {
                let (before, rest) = config.split_once("<CacheBehaviors>").unwrap();
                let (_, after) = rest.split_once("</CacheBehaviors>").unwrap();
                format!("{before}<CacheBehaviors><Quantity>0</Quantity></CacheBehaviors>{after}")
            });
        },
        severity: FindingSeverity::Drifted,
        check: "distribution",
        why: "packages are cached by their path",
        next: "packagecloud-cloudfront enable",
    },
];

async fn read_status(world: &Sandbox, session: &Session) -> (InstallStatus, Duration) {
    world.clear_call_ledger();
    let began = tokio::time::Instant::now();
    let status = Box::pin(read_install_status(session, &upgrade_answers())).await;
    (status, began.elapsed())
}

/// Asks as often as it may, and each node once.
#[track_caller]
fn assert_bounds(world: &Sandbox, name: &str, took: Duration, nodes: usize) {
    let calls = world.sandbox_recorded_aws_calls();
    let of = |service: &str| calls.iter().filter(|call| call.service == service).count();
    let aws: Vec<String> = calls
        .iter()
        .filter(|call| AWS_SERVICES.contains(&call.service.as_str()))
        // That is the function's own, at the edge.
        .filter(|call| call.operation != "Decrypt")
        .map(|call| format!("{}:{}", call.service, call.operation))
        .collect();
    assert!(aws.len() <= AWS_CALLS_MAX, "{name}: {} calls: {aws:?}", aws.len());
    assert!(calls.iter().all(|call| !call.write), "{name}: it changes nothing");
    assert!(of("packagecloud") <= nodes, "{name}: packagecloud was asked {} times", of("packagecloud"));
    assert!(took <= STATUS_TIME_MAX, "{name}: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn each_planted_fault_is_the_first_line_with_one_next_move() {
    assert!(FAULTS.len() >= 25, "{}", FAULTS.len());
    let mut wrong = Vec::new();
    for fault in FAULTS {
        let (_dir, world) = copy_live_sandbox().await;
        (fault.plant)(&world);
        let session = open_session(&world, &ViewerConditions::default());
        let (status, took) = read_status(&world, &session).await;
        assert_bounds(&world, fault.name, took, 1);
        let findings = status.list_findings();
        let said = findings.first().is_some_and(|(severity, check)| {
            *severity == fault.severity
                && check.name == fault.check
                && check.detail.contains(fault.why)
                && check.next.contains(fault.next)
        });
        if !said || status.judge_status() != StatusVerdict::Attention {
            wrong.push(format!("{}: {findings:#?}", fault.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), FAULTS.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_healthy_install_has_no_finding() {
    let (_dir, world) = copy_live_sandbox().await;
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "healthy", took, 1);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());
    assert_eq!((status.judge_status(), status.switch), (StatusVerdict::Well, CloudFrontSwitchStatus::On));
    assert!(status.list_unknown_parts().is_empty(), "{:#?}", status.list_unknown_parts());
    let names: Vec<&str> = status.checks.iter().map(|one| one.check.name.as_str()).collect();
    for part in [
        "packagecloud-redirect",
        "distribution",
        "kms-key",
        "edge-secret",
        "bucket-grant",
        "clock",
        "signed-url",
        "no-token",
        "metadata-fresh",
        "packagecloud-link",
        "bucket-closed",
        "runtime",
    ] {
        assert!(names.contains(&part), "{part}: {names:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_thirty_days_are_told_with_their_cost_and_without_the_right_one_sentence_is() {
    let (dir, world) = copy_live_sandbox().await;
    plant_traffic(&world, 10_000_000, 0);
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "traffic", took, 1);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());
    let traffic = status.traffic.as_ref().unwrap();
    assert!(traffic.requests >= 10_000_000.0 && traffic.hit_ratio.is_none(), "{traffic:?}");
    let fact = |topic: &str| status.facts.iter().find(|fact| fact.topic == topic).unwrap().text.clone();
    assert!(fact("Last thirty days").contains("45.5 TB"), "{}", fact("Last thirty days"));
    for words in
        ["by the list price of 20", "always-free", "plan Business would cost $200", "Lambda@Edge functions"]
    {
        assert!(fact("Cost").contains(words), "{words}: {}", fact("Cost"));
    }
    assert!(status.cost.unwrap() > 3000.0, "{:?}", status.cost);

    let denied: Vec<String> = (1..=5).map(|nth| format!("monitoring:{nth}:deny")).collect();
    let options =
        sandbox::SandboxOptions { dir: dir.path().to_owned(), faults: denied, ..Default::default() };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    let (status, _) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_eq!(status.judge_status(), StatusVerdict::Well, "{:#?}", status.list_findings());
    let unknown = status.list_unknown_parts();
    assert_eq!(unknown.len(), 1, "{unknown:#?}");
    assert!(
        unknown[0].name == "traffic"
            && unknown[0].detail.contains("cloudwatch:GetMetricStatistics is denied"),
        "{unknown:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_was_switched_off_on_purpose_is_well() {
    let (_dir, world) = copy_live_sandbox().await;
    let answers = OperatorAnswers { goal: Some(OperatorGoal::Disable), ..OperatorAnswers::default() };
    assert_eq!(Box::pin(run_stages(&world, &answers, &[RunStage::Disable])).await.1, Ok(()));
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "off", took, 1);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());
    assert_eq!((status.judge_status(), status.switch), (StatusVerdict::Well, CloudFrontSwitchStatus::Off));
    assert!(
        status.render_status_summary().contains("packages come from S3"),
        "{}",
        status.render_status_summary()
    );
}

#[tokio::test(start_paused = true)]
async fn where_nothing_was_set_up_nothing_has_drifted() {
    let dir = tempfile::tempdir().unwrap();
    let world = crate::engine::open_instant_sandbox(dir.path(), &[]);
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    // Where nothing else tells which bucket it is, packagecloud's redirect is asked for that too.
    assert_bounds(&world, "fresh", took, 2);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());
    assert_eq!(status.judge_status(), StatusVerdict::Well);
    assert!(status.render_status_summary().contains("no distribution is set up"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_clock_and_copies_that_differ_are_named() {
    let (_dir, world) = copy_live_sandbox().await;
    let slow = ViewerConditions { slow: 200, ..ViewerConditions::default() };
    let (status, _) = read_status(&world, &open_session(&world, &slow)).await;
    let findings = status.list_findings();
    assert_eq!(
        (findings[0].0, findings[0].1.name.as_str()),
        (FindingSeverity::Refused, "clock"),
        "{findings:#?}"
    );
    assert!(findings[0].1.next.contains("set the clock"), "{findings:#?}");

    let (_dir, world) = copy_live_sandbox().await;
    run_verify(&world, &ViewerConditions::default()).await;
    let session = open_session(&world, &ViewerConditions::default());
    let held: Vec<String> = engine::list_sample_packages(&session, &upgrade_answers()).await.unwrap();
    for key in &held {
        place_sandbox_object(&world, seed::SANDBOX_BUCKET, key, &[], b"another package under the same id")
            .unwrap();
    }
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "copies", took, 1);
    let findings = status.list_findings();
    assert_eq!(
        (findings[0].0, findings[0].1.name.as_str()),
        (FindingSeverity::Refused, "cached-copies"),
        "{findings:#?}"
    );
    assert!(findings[0].1.next.contains("invalidate --packages"), "{findings:#?}");
}

/// A session on two nodes; the second one's packagecloud.rb holds `text`.
fn open_two_node_session(world: &Sandbox, text: Option<&str>) -> Session {
    let session = open_session(world, &ViewerConditions::default());
    let path = world.sandbox_dir().join("web2.rb");
    if let Some(text) = text {
        fs::write(&path, text).unwrap();
    }
    let mut other = session.host.clone();
    other.config.clone_from(&path);
    other.parsed = ParsedConfigCache::default();
    session.add_other_web_hosts(vec![other])
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_off_is_named_and_one_that_cant_be_read_is_said_once() {
    let (dir, world) = copy_live_sandbox().await;
    let on = fs::read_to_string(dir.path().join("packagecloud.rb")).unwrap();
    packagecloud::add_unrestarted_sandbox_web_node(&world);
    let (status, took) = read_status(&world, &open_two_node_session(&world, Some(&on))).await;
    assert_bounds(&world, "two nodes", took, 2);
    assert!(status.list_findings().is_empty(), "{:#?}", status.list_findings());

    world.update_sandbox_state_on_disk(|state| state.packagecloud.nodes[1].enabled = false);
    let (status, took) = read_status(&world, &open_two_node_session(&world, Some(&on))).await;
    assert_bounds(&world, "a node off", took, 2);
    let findings = status.list_findings();
    assert_eq!(
        (findings[0].0, findings[0].1.name.as_str()),
        (FindingSeverity::Drifted, "packagecloud-redirect")
    );
    assert_eq!(status.switch, CloudFrontSwitchStatus::Mixed);

    let (_dir, world) = copy_live_sandbox().await;
    let (status, _) = read_status(&world, &open_two_node_session(&world, None)).await;
    assert_eq!(status.judge_status(), StatusVerdict::Well, "{:#?}", status.list_findings());
    let unknown = status.list_unknown_parts();
    assert_eq!(unknown.len(), 1, "{unknown:#?}");
    assert!(unknown[0].name.starts_with("node ") && unknown[0].detail.contains("web2.rb"), "{unknown:#?}");
}

#[tokio::test(start_paused = true)]
async fn without_aws_it_says_what_it_can() {
    let (dir, _) = copy_live_sandbox().await;
    let denied: Vec<String> = (1..=9).map(|nth| format!("sts:{nth}:deny")).collect();
    let options =
        sandbox::SandboxOptions { dir: dir.path().to_owned(), faults: denied, ..Default::default() };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
    assert_bounds(&world, "no credentials", took, 1);
    assert_eq!((status.judge_status(), status.switch), (StatusVerdict::Well, CloudFrontSwitchStatus::On));
    let of = |name: &str| status.checks.iter().find(|one| one.check.name == name).map(|one| one.check.result);
    assert_eq!(of("aws"), Some(CheckVerdict::Unknown));
    for seen in ["packagecloud-redirect", "signed-url", "no-token", "packagecloud-link"] {
        assert_eq!(of(seen), Some(CheckVerdict::Pass), "{seen}: {:#?}", status.checks);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_costs_no_more_than_a_minute() {
    for service in ["cloudfront", "iam", "s3", "monitoring", "packagecloud", "edge"] {
        let (dir, _) = copy_live_sandbox().await;
        let hangs: Vec<String> = (1..=9).map(|nth| format!("{service}:{nth}:hang")).collect();
        let options =
            sandbox::SandboxOptions { dir: dir.path().to_owned(), faults: hangs, ..Default::default() };
        let world = sandbox::open_or_seed_sandbox(&options).unwrap();
        let (status, took) = read_status(&world, &open_session(&world, &ViewerConditions::default())).await;
        assert!(took <= STATUS_TIME_MAX, "{service}: {took:?}");
        assert!(!status.list_unknown_parts().is_empty(), "{service}: {:#?}", status.checks);
        assert!(status.list_findings().is_empty(), "{service}: {:#?}", status.list_findings());
    }
}
