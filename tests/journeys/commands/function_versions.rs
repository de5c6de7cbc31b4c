//! Function versions as an operator meets them: proven before they are associated, with every secret that the edge accepts, and back.

use super::journey_host::JourneyHost;

const VERSION_ARN: &str = "arn:aws:lambda:us-east-1:999999999999:function:packagecloud_cloudfront_auth:";

#[test]
fn what_was_shown_of_a_version_is_said_and_what_could_not_be_too() {
    let host = JourneyHost::new();
    host.run_successfully("enable --prepare --yes")
        .assert_contains("in us-east-1 it lets a link by its secret through")
        .assert_contains("other regions are not seen by this");
    let planned = host.run_line("plan");
    assert!(!planned.out.contains("invoked in us-east-1"), "nothing is associated anew: {planned:#?}");

    let host = JourneyHost::new();
    let planned = host.run_line("plan");
    planned.assert_contains("invoked in us-east-1 before any edge has it");
    host.run_successfully("--sandbox-fault lambda:Invoke:*:deny enable --yes")
        .assert_contains("unknown: lambda:InvokeFunction is denied")
        .assert_contains("Go live: done");
}

#[test]
fn a_function_that_does_not_run_ends_before_any_distribution_has_it() {
    let host = JourneyHost::new();
    host.run_successfully("generate-cloudfront-secret --yes");
    host.run_successfully("bootstrap-cloudfront --yes").assert_contains(&format!("{VERSION_ARN}1"));
    host.open_sandbox().update_sandbox_state_on_disk(|state| {
        state.lambda.functions.values_mut().for_each(|function| function.reserved_concurrency = Some(0));
    });
    let ended = host.run_line(&format!("reconfigure-cloudfront-distribution {VERSION_ARN}1 --yes"));
    assert_eq!(ended.code, 1, "{ended:#?}");
    ended
        .assert_contains("its reserved concurrency is 0, so it never runs")
        .assert_contains("aws lambda delete-function-concurrency --region us-east-1 --function-name packagecloud_cloudfront_auth");
    assert!(
        host.open_sandbox().read_sandbox_state_from_disk(|state| state.cloudfront.distributions.is_empty())
    );
}

#[test]
fn a_new_secret_takes_the_place_of_the_one_before_and_the_version_before_is_no_way_back() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    host.run_successfully("disable --yes");
    host.run_successfully("enable --new-secret --yes")
        .assert_contains("that version accepts no other: links signed before are refused from then on")
        .assert_contains("in us-east-1 it lets a link by its secret through")
        .assert_contains("Go live: done");
    host.run_successfully("enable --yes").assert_contains("Bootstrap: nothing to do");

    let back = host.run_line(&format!("roll-back --edge {VERSION_ARN}1 --yes"));
    assert_eq!(back.code, 1, "{back:#?}");
    back.assert_contains("it doesn't accept the secret in ").assert_contains("list-versions-by-function");
    let fewer = host.run_line(&format!("reconfigure-cloudfront-distribution {VERSION_ARN}1 --yes"));
    assert_eq!(fewer.code, 1, "{fewer:#?}");
    fewer.assert_contains("it lacks the secret that ");
    host.run_successfully("verify --all").assert_contains("10 of 10 redirects go to CloudFront");
}

#[test]
fn a_version_without_fingerprints_is_proven_by_packageclouds_own_link() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    host.open_sandbox().update_sandbox_state_on_disk(|state| {
        for function in state.lambda.functions.values_mut() {
            let mut earlier = function.versions[0].clone();
            earlier.number = 2;
            earlier.configuration.description = "CloudFront auth".into();
            function.versions.push(earlier);
        }
    });
    host.run_successfully(&format!("roll-back --edge {VERSION_ARN}2 --yes"))
        .assert_contains("it lets a link of packagecloud's through and refuses a forged one");
    // What accepts packagecloud's link now tells nothing of what else it accepts: forward again by name only where that is known.
    host.run_successfully("enable --yes").assert_contains("Distribution: done");
    host.run_successfully("disable --yes");
    let back = host.run_line(&format!("roll-back --edge {VERSION_ARN}2 --yes"));
    assert_eq!(back.code, 2, "{back:#?}");
    back.assert_contains("--unproven");
    host.run_successfully(&format!("roll-back --edge {VERSION_ARN}2 --unproven --yes"));
}

/// As an older release left it: its version, and what is published next, on another runtime.
fn set_old_runtime(host: &JourneyHost) {
    host.open_sandbox().update_sandbox_state_on_disk(|state| {
        for function in state.lambda.functions.values_mut() {
            for version in &mut function.versions {
                for one in [&mut version.configuration, &mut version.of] {
                    one.runtime = "nodejs20.x".into();
                }
            }
            function.latest.runtime = "nodejs20.x".into();
        }
    });
}

#[test]
fn a_runtime_rolls_on_by_enable_which_asks_proves_and_says_the_way_back() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    set_old_runtime(&host);
    let planned = host.run_line("plan");
    assert_eq!(planned.code, 3, "{planned:#?}");
    planned
        .assert_contains("nodejs20.x (AWS's support for it ended on 2026-04-30) now")
        .assert_contains("Links lead to distribution ")
        .assert_contains(&format!("roll-back --edge {VERSION_ARN}1"));
    let refused = host.run_line("enable");
    assert_eq!(refused.code, 2, "{refused:#?}");
    refused.assert_contains("enable --yes");

    // The new version runs in us-east-1, and can't decrypt at the edge.
    let failed = host.run_line("--sandbox-fault kms:Decrypt:2+:deny enable --yes");
    assert_eq!(failed.code, 1, "{failed:#?}");
    failed.assert_contains("the distribution was put back, and every edge has it as it was before");
    assert!(!failed.err.contains("private packages may be open"), "nothing was handed out: {failed:#?}");
    let (_, again) = failed.err.trim_end().rsplit_once("once that is corrected, run: ").unwrap();
    assert!(again.ends_with(" enable --yes"), "{again}");
    host.run_successfully("verify --all");

    // A lost bucket policy is no reason for the gate to refuse it: that is mended first.
    host.open_sandbox().update_sandbox_state_on_disk(|state| {
        state.s3.buckets.values_mut().for_each(|bucket| bucket.policy = None);
    });
    host.run_successfully("enable --yes").assert_contains("Distribution: done");
    let planned = host.run_line("plan");
    assert_eq!(planned.code, 0, "{planned:#?}");
    host.run_successfully("verify --all");
    host.run_successfully(&format!("roll-back --edge {VERSION_ARN}1 --yes"));
}
