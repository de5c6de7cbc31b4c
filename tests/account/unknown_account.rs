//! S3 by itself, where AWS doesn't say whose the credentials are: good for the reindex of a named bucket, until AWS says it again.

use packagecloud_cloudfront::{
    engine::look,
    model::run::{answers::OperatorAnswers, goal::RunStage},
    sandbox::seed::SANDBOX_BUCKET,
};

use crate::{
    engine::{look_at_stage, open_instant_sandbox},
    session::open_session,
};

#[tokio::test(start_paused = true)]
async fn what_could_not_be_asked_is_asked_by_the_next_look() {
    let answers = OperatorAnswers { bucket: Some(SANDBOX_BUCKET.to_owned()), ..OperatorAnswers::default() };
    let dir = tempfile::tempdir().unwrap();
    let told =
        look_at_stage(&open_instant_sandbox(dir.path(), &[]), &answers, RunStage::Reindex).await.unwrap();
    assert!(told.notes.iter().any(|note| note.contains("a HEAD and a copy")), "{:?}", told.notes);

    let dir = tempfile::tempdir().unwrap();
    let session =
        open_session(&open_instant_sandbox(dir.path(), &["sts:GetCallerIdentity:1:deny".to_owned()]));
    let unsaid = Box::pin(look(&session, RunStage::Reindex, &answers)).await.unwrap();
    // Whether its objects have access control lists isn't known then.
    assert!(unsaid.notes.iter().any(|note| note.contains("GetObjectAcl")), "{:?}", unsaid.notes);
    session.invalidate_cached_account_reads().await;
    let again = Box::pin(look(&session, RunStage::Reindex, &answers)).await.unwrap();
    assert_eq!(again.notes, told.notes);
}
