//! Credentials that AWS no longer accepts while CloudFront deploys: the wait stands still and goes on, or fails and is gone on with.

use std::time::Duration;

use packagecloud_cloudfront::{
    engine::OperatorPresence,
    model::{
        failure::FailureKind,
        run::{
            answers::OperatorAnswers,
            event::{CredentialRenewalNeed, StageEvent},
            goal::StageStep,
        },
    },
    sandbox::{self, Sandbox, SandboxOptions, SandboxPropagationDelays},
};

use crate::engine::{
    SET_UP_STAGES, count_made_resources, read_bucket_policy, run_stages, run_stages_attended,
};

/// CloudFront refuses the second look at how far it is; then STS refuses as often as this.
fn open_sandbox_with_expiry(dir: &std::path::Path, sts: &str) -> Sandbox {
    let expired = "error:ExpiredToken=The security token included in the request is expired";
    let faults = vec![
        format!("cloudfront:GetDistribution:3:{expired}"),
        format!("sts:GetCallerIdentity:{sts}:{expired}"),
    ];
    let delays = Some(SandboxPropagationDelays {
        distribution: Duration::from_mins(5),
        ..SandboxPropagationDelays::NONE
    });
    sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.to_owned(),
        faults,
        delays,
        ..SandboxOptions::default()
    })
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn before_somebody_the_wait_stands_still_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_expiry(dir.path(), "2-4");
    let (said, result) =
        run_stages_attended(OperatorPresence::Watched, &world, &OperatorAnswers::default(), &SET_UP_STAGES)
            .await;
    result.unwrap();
    let waits: Vec<_> = said
        .iter()
        .filter_map(|event| match event {
            StageEvent::Waiting { step, text, failure, wants, .. } => Some((*step, text, failure, wants)),
            _ => None,
        })
        .collect();
    let [(StageStep::Deployed, text, failure, CredentialRenewalNeed::Renewal)] = waits.as_slice() else {
        panic!("it is said once, however often it is asked: {waits:?}");
    };
    assert!(text.contains("paused: ") && failure.kind == FailureKind::Credentials, "{failure:?}");
    let after = said.iter().any(
        |event| matches!(event, StageEvent::Progress { step: StageStep::Deployed, text, .. } if text.contains("continues where it stopped")),
    );
    assert!(after, "{said:?}");
    assert_eq!(count_made_resources(&world), [1, 1, 1, 1, 1]);
    assert!(read_bucket_policy(&world).contains("PackagecloudCloudFrontRead"));
}

#[tokio::test(start_paused = true)]
async fn before_nobody_it_fails_the_bucket_stays_shut_and_the_next_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_expiry(dir.path(), "2");
    let (said, result) = run_stages(&world, &OperatorAnswers::default(), &SET_UP_STAGES).await;
    let failure = result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Credentials, "{failure:?}");
    assert!(failure.why.contains("expired") && failure.next.contains("aws sso login"), "{failure:?}");
    assert!(!said.iter().any(|event| matches!(event, StageEvent::Waiting { .. })));
    assert_eq!(read_bucket_policy(&world), "", "not before it is deployed");
    run_stages(&world, &OperatorAnswers::default(), &SET_UP_STAGES).await.1.unwrap();
    assert_eq!(count_made_resources(&world), [1, 1, 1, 1, 1], "nothing is made twice");
    assert!(read_bucket_policy(&world).contains("PackagecloudCloudFrontRead"));
}
