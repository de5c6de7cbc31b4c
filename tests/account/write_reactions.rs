//! What a bucket does by itself when its objects are written: each is named before a reindex, and asked about.

use packagecloud_cloudfront::{
    model::run::{
        answers::OperatorAnswers,
        goal::{OperatorGoal, RunStage},
        plan::{RequiredConsent, StagePlan},
    },
    sandbox::{self, Sandbox, SandboxOptions, seed},
};

use crate::engine::look_at_stage;

const REPLICATES: &str = "<ReplicationConfiguration><Role>arn:aws:iam::999999999999:role/replicate</Role>\
    <Rule><ID>on</ID><Status>Enabled</Status><Destination><Bucket>arn:aws:s3:::second-site</Bucket></Destination></Rule>\
    <Rule><ID>off</ID><Status>Disabled</Status><Destination><Bucket>arn:aws:s3:::old-site</Bucket></Destination></Rule>\
    </ReplicationConfiguration>";
/// One is told of copies, one of what is removed, one of everything.
const NOTIFIES: &str = "<NotificationConfiguration>\
    <QueueConfiguration><Queue>arn:aws:sqs:us-east-1:999999999999:scan</Queue><Event>s3:ObjectCreated:Copy</Event></QueueConfiguration>\
    <TopicConfiguration><Topic>arn:aws:sns:us-east-1:999999999999:removed</Topic><Event>s3:ObjectRemoved:*</Event></TopicConfiguration>\
    <CloudFunctionConfiguration><CloudFunction>arn:aws:lambda:us-east-1:999999999999:function:index</CloudFunction><Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration>\
    <EventBridgeConfiguration/></NotificationConfiguration>";

async fn plan_reindex(faults: &[&str], settings: &[(&str, &str)]) -> StagePlan {
    let dir = tempfile::tempdir().unwrap();
    let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
    let options = SandboxOptions { dir: dir.path().to_owned(), faults, ..SandboxOptions::default() };
    let world: Sandbox = sandbox::open_or_seed_sandbox(&options).unwrap();
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
        for (name, xml) in settings {
            bucket.settings.insert((*name).to_owned(), (*xml).to_owned());
        }
    });
    let answers = OperatorAnswers { goal: Some(OperatorGoal::Upgrade), ..OperatorAnswers::default() };
    look_at_stage(&world, &answers, RunStage::Reindex).await.unwrap()
}

fn find_effects_question(plan: &StagePlan) -> Option<&str> {
    let question = plan.confirmations.iter().find(|one| one.consent == RequiredConsent::ReindexEffects)?;
    Some(&question.question)
}

#[tokio::test(start_paused = true)]
async fn what_copies_set_off_is_named_and_asked_about_before_a_reindex() {
    for (settings, said) in [
        (&[][..], None),
        (
            &[("replication", REPLICATES)],
            Some("It replicates to second-site: each changed object is copied there again and charged for."),
        ),
        (
            &[("notification", NOTIFIES)],
            Some(
                "Each changed object sends an event to arn:aws:sqs:us-east-1:999999999999:scan, \
                 arn:aws:lambda:us-east-1:999999999999:function:index, Amazon EventBridge.",
            ),
        ),
    ] {
        let plan = plan_reindex(&[], settings).await;
        let asked = find_effects_question(&plan);
        let wanted = said.map(|said| format!("Reindex bucket {} all the same? {said}", seed::SANDBOX_BUCKET));
        assert_eq!(asked, wanted.as_deref(), "{settings:?}");
        assert!(!plan.notes.iter().any(|note| note.starts_with("Could not be read")), "{:?}", plan.notes);
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_said_and_stops_nothing() {
    let faults = ["s3:GetBucketReplication:*:deny", "s3:GetBucketNotificationConfiguration:*:deny"];
    let plan = plan_reindex(&faults, &[]).await;
    assert_eq!(find_effects_question(&plan), None);
    let said = plan.notes.join("\n");
    for action in ["s3:GetReplicationConfiguration is denied", "s3:GetBucketNotification is denied"] {
        assert!(said.contains(action), "no {action:?} in {said}");
    }
}
