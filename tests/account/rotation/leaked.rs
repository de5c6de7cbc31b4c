//! `--leaked` as clients see it: links that were made before it are refused once the edge has the new secret alone, and no other; S3
//! refuses none.

use packagecloud_cloudfront::{
    engine::{RunContext, Session},
    model::url::token::compute_secret_fingerprint,
    model::{
        aws::rotation::SecretRotationKind,
        failure::Failure,
        run::{
            answers::OperatorAnswers,
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::Sandbox,
};

use super::{
    answers_for, assert_rotated, fetch_link_by_secret, find_version_proof_text,
    links::LinkClients,
    nodes::{add_second_node, open_two_node_session, read_second_secret},
    open_live_sandbox, run_rotation,
};
use crate::engine::{apply_stages, with_yes};
use crate::session::open_session;

/// Off, a new secret alone, and on again, as the command does it; when it was off, in the world's seconds.
async fn replace_leaked_secret(world: &Sandbox, session: &Session) -> Result<u64, Failure> {
    let run = RunContext::new_silent_context();
    let disable = OperatorAnswers { goal: Some(OperatorGoal::Disable), ..OperatorAnswers::default() };
    Box::pin(apply_stages(session, &disable, &[RunStage::Disable], &run)).await?;
    let off = world.sandbox_unix_time_now().as_secs();
    let leaked = answers_for(SecretRotationKind::Leaked);
    let (said, rotated) = run_rotation(session, &leaked).await;
    rotated?;
    let proven = find_version_proof_text(&said);
    assert!(proven.contains("a link by its secret through"), "{proven}");
    let enable = with_yes(&OperatorAnswers::default());
    Box::pin(apply_stages(session, &enable, &[RunStage::GoLive], &run)).await?;
    Ok(off)
}

#[tokio::test(start_paused = true)]
async fn only_links_made_before_it_are_refused_and_none_by_s3() {
    let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
    add_second_node(&world);
    let session = open_two_node_session(&world);
    let mut clients = LinkClients::default();
    // Some links are given before it begins.
    clients.fetch_during(&world, tokio::time::sleep(std::time::Duration::from_secs(20))).await;
    let replacing = replace_leaked_secret(&world, &session);
    let off = Box::pin(clients.fetch_during(&world, replacing)).await.unwrap();
    clients.fetch_during(&world, tokio::time::sleep(std::time::Duration::from_secs(20))).await;
    clients.fetch_rest(&world).await;
    let new = assert_rotated(&world, &old, "leaked");
    assert_eq!(read_second_secret(&world), new);
    let refused = clients.list_refused_links();
    for link in &refused {
        assert!(!link.is_to_s3, "S3 refuses a link: {link:?}");
        assert!(link.is_signed_with(&old) && link.given <= off, "made after it was off, at {off}: {link:?}");
    }
    let served = |is_meant: &dyn Fn(&super::links::FetchedLink) -> bool| {
        clients.fetched.iter().filter(|link| link.status == 200 && is_meant(link)).count()
    };
    assert!(!refused.is_empty(), "no link of before was fetched after it");
    assert!(served(&|link| link.is_to_s3) > 20, "links made meanwhile lead to S3, and are served");
    assert!(served(&|link| link.is_signed_with(&new)) > 20 && served(&|link| link.is_signed_with(&old)) > 5);
    let ends = (fetch_link_by_secret(&world, &old).await, fetch_link_by_secret(&world, &new).await);
    assert_eq!(ends, (403, 200));
}

#[tokio::test(start_paused = true)]
async fn what_was_interrupted_between_the_edge_and_a_file_lets_nobody_accept_the_leaked_secret_again() {
    let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
    let session = open_session(&world);
    // What the killed run left: the new secret's fingerprint in its note, and the file with the old one.
    let new = "0123456789abcdef0123456789abcdef";
    session.host.write_state_file_about_host("on-after-rotation", new);
    let enable = with_yes(&OperatorAnswers::default());
    let run = RunContext::new_silent_context();
    let failure = Box::pin(apply_stages(&session, &enable, &[RunStage::Bootstrap], &run)).await.unwrap_err();
    assert!(failure.why.contains("was interrupted"), "{failure:?}");
    assert!(failure.next.contains("rotate-secret --leaked"), "{failure:?}");
    // Begun before the secret was drawn, or ended but for going live, it is none that stands in the way.
    let held = compute_secret_fingerprint(&old).unwrap();
    for note in ["no secret yet", held.as_str()] {
        session.host.write_state_file_about_host("on-after-rotation", note);
        Box::pin(apply_stages(&session, &enable, &[RunStage::Bootstrap], &run)).await.unwrap();
    }
}
