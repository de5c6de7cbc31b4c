//! A machine whose clock is ahead of AWS's: verify names the clock, and takes no token of its own for an open door.

use std::sync::{Arc, atomic::AtomicI64};

use packagecloud_cloudfront::{
    engine::{self, RunContext},
    model::run::{answers::OperatorAnswers, check::CheckResult},
};

use crate::{
    engine::{open_instant_sandbox, run_stages},
    session::open_session_by_clock,
    vendor::LIVE_STAGES,
};

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_expired_by_the_edges_clock() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    assert_eq!(Box::pin(run_stages(&world, &OperatorAnswers::default(), &LIVE_STAGES)).await.1, Ok(()));
    for ahead_s in [30, 240] {
        let session = open_session_by_clock(&world, &Arc::new(AtomicI64::new(ahead_s)));
        let (answers, run) = (OperatorAnswers::default(), RunContext::new_silent_context());
        let checks = Box::pin(engine::run_verify_checks(&session, &answers, &run)).await.unwrap();
        let failed: Vec<&str> =
            checks.iter().filter(|check| check.has_failed()).map(|check| check.name.as_str()).collect();
        let is_found = |check: &&CheckResult| check.name == "expired-token" && !check.has_failed();
        assert!(checks.iter().any(|check| is_found(&check)), "{ahead_s} s: {checks:?}");
        let expected: &[&str] = if ahead_s > 60 { &["clock", "verdict"] } else { &[] };
        assert_eq!(failed, expected, "{ahead_s} s: {checks:?}");
    }
}
