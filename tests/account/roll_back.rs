//! A roll-back that was interrupted, typed again.

use packagecloud_cloudfront::{
    host::ConfigRestoreScope,
    model::run::{
        answers::{OperatorAnswers, RollBackAnswers},
        goal::{OperatorGoal, RunStage},
    },
};

use crate::{
    engine::{open_instant_sandbox, run_stages},
    session::open_session,
    vendor::LIVE_STAGES,
};

#[tokio::test(start_paused = true)]
async fn a_roll_back_that_was_killed_before_packagecloud_followed_is_finished_by_the_same_one() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    assert_eq!(Box::pin(run_stages(&world, &OperatorAnswers::default(), &LIVE_STAGES)).await.1, Ok(()));
    let session = open_session(&world);
    let backups = session.host.list_config_backups().await.unwrap();
    let backup = backups.last().expect("of before the secret").clone();
    // What the killed run left: its note, and the file without CloudFront.
    session.host.write_state_file_about_host("switch", "4711 interrupted");
    let seen = session.host.read_packagecloud_config().await.unwrap().seen;
    let scope = ConfigRestoreScope::Values { keep_secret: true };
    session.host.restore_config_backup(&seen.hash, &backup, scope).await.unwrap();
    drop(session);
    let is_on = || world.read_sandbox_state_from_disk(|state| state.packagecloud.nodes[0].enabled);
    assert!(is_on());

    let roll_back =
        RollBackAnswers { backup: Some(backup.path.display().to_string()), ..RollBackAnswers::default() };
    let answers =
        OperatorAnswers { goal: Some(OperatorGoal::RollBack), roll_back, ..OperatorAnswers::default() };
    assert_eq!(Box::pin(run_stages(&world, &answers, &[RunStage::RollBack])).await.1, Ok(()));
    assert!(!is_on(), "packagecloud follows its file");
    // Then nothing is left to do.
    let session = open_session(&world);
    assert_eq!(session.host.read_host_state_file("switch"), None);
}
