//! A secret that the edge accepts and no named node ever held is another web node's: a new version keeps it while there is room.

use packagecloud_cloudfront::{
    model::{
        packagecloud::config_file::ConfigFile,
        run::{answers::OperatorAnswers, goal::OperatorGoal, goal::RunStage},
        secret::Secret,
    },
    sandbox::Sandbox,
};

use crate::{
    engine::{SET_UP_STAGES, open_instant_sandbox, run_stages},
    vendor::LIVE_STAGES,
    version_proof::{count_version_secrets, fetch_handed_out_link, fetch_status},
};

/// Goes on as on another web node, whose packagecloud.rb holds a secret of its own: it has no backup and no state of this one.
fn become_other_node(world: &Sandbox, secret: &Secret) {
    let dir = world.sandbox_dir();
    let config = dir.join("packagecloud.rb");
    let text = std::fs::read_to_string(&config).unwrap();
    let before =
        ConfigFile::parse_packagecloud_rb(text.as_bytes()).cloudfront_setting_values().secret.unwrap();
    std::fs::write(&config, text.replace(before.expose_secret(), secret.expose_secret())).unwrap();
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "bak") {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::remove_dir_all(dir.join("state")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_secret_of_a_node_that_nobody_named_stays_accepted_while_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    let answers = OperatorAnswers::default();
    assert_eq!(Box::pin(run_stages(&world, &answers, &LIVE_STAGES)).await.1, Ok(()));
    let link = fetch_handed_out_link(&world).await;
    let disable = OperatorAnswers { goal: Some(OperatorGoal::Disable), ..OperatorAnswers::default() };
    assert_eq!(Box::pin(run_stages(&world, &disable, &[RunStage::Disable])).await.1, Ok(()));

    for (version, secrets, status) in [(2, 2, 200), (3, 3, 200), (4, 3, 403)] {
        become_other_node(&world, &Secret::generate_cloudfront_secret(&[version; 16]));
        assert_eq!(Box::pin(run_stages(&world, &answers, &SET_UP_STAGES)).await.1, Ok(()));
        assert_eq!(count_version_secrets(&world, version.into()), (secrets, secrets), "version {version}");
        assert_eq!(fetch_status(&world, &link).await, status, "version {version}");
    }
}
