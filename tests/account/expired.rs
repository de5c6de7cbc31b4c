//! Credentials that AWS no longer accepts while CloudFront deploys: the wait stands still and goes on, or fails and is gone on with.

use std::time::Duration;

use packagecloud_cloudfront::{
    engine::Attended,
    model::run::{
        answers::Answers,
        event::{Event, Wants},
        failure::Kind,
        goal::Step,
    },
    sandbox::{self, Delays, Options, World},
};

use crate::engine::{SET_UP, bucket_policy, done, done_before, made};

/// CloudFront refuses the second look at how far it is; then STS refuses as often as this.
fn world(dir: &std::path::Path, sts: &str) -> World {
    let expired = "error:ExpiredToken=The security token included in the request is expired";
    let faults = vec![
        format!("cloudfront:GetDistribution:3:{expired}"),
        format!("sts:GetCallerIdentity:{sts}:{expired}"),
    ];
    let delays = Some(Delays { distribution: Duration::from_mins(5), ..Delays::NONE });
    sandbox::open(&Options { dir: dir.to_owned(), faults, delays, ..Options::default() }).unwrap()
}

#[tokio::test(start_paused = true)]
async fn before_somebody_the_wait_stands_still_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), "2-4");
    let (said, result) = done_before(Attended::Watched, &world, &Answers::default(), &SET_UP).await;
    result.unwrap();
    let waits: Vec<_> = said
        .iter()
        .filter_map(|event| match event {
            Event::Waiting { step, text, failure, wants, .. } => Some((*step, text, failure, wants)),
            _ => None,
        })
        .collect();
    let [(Step::Deployed, text, failure, Wants::Renewal)] = waits.as_slice() else {
        panic!("it is said once, however often it is asked: {waits:?}");
    };
    assert!(text.contains("stands still") && failure.kind == Kind::Credentials, "{failure:?}");
    let after = said.iter().any(
        |event| matches!(event, Event::Progress { step: Step::Deployed, text, .. } if text.contains("goes on where it was")),
    );
    assert!(after, "{said:?}");
    assert_eq!(made(&world), [1, 1, 1, 1, 1]);
    assert!(bucket_policy(&world).contains("PackagecloudCloudFrontRead"));
}

#[tokio::test(start_paused = true)]
async fn before_nobody_it_fails_the_bucket_stays_shut_and_the_next_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), "2");
    let (said, result) = done(&world, &Answers::default(), &SET_UP).await;
    let failure = result.unwrap_err();
    assert_eq!(failure.kind, Kind::Credentials, "{failure:?}");
    assert!(failure.why.contains("expired") && failure.next.contains("aws sso login"), "{failure:?}");
    assert!(!said.iter().any(|event| matches!(event, Event::Waiting { .. })));
    assert_eq!(bucket_policy(&world), "", "not before it is deployed");
    done(&world, &Answers::default(), &SET_UP).await.1.unwrap();
    assert_eq!(made(&world), [1, 1, 1, 1, 1], "nothing is made twice");
    assert!(bucket_policy(&world).contains("PackagecloudCloudFrontRead"));
}
