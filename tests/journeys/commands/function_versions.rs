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
    host.run_successfully("verify").assert_contains("10 of 10 redirects go to CloudFront");
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
