//! Identity or control: which is taken and why, what each lets in, and going from one to the other with no moment of outage and none of openness.

use std::path::Path;

use packagecloud_cloudfront::{
    engine::{self, Run},
    model::run::{
        answers::{Answers, Consents, OriginAccess},
        goal::{Goal, Stage, Step},
        plan::{Consent, Verb},
    },
    sandbox::{self, Options, World, control_plane::ACCOUNT, seed},
};
use serde_json::Value;

use crate::{
    client::{downloads, watched},
    engine::{SET_UP, bucket_policy, done, looked},
    ground::ground,
    vendor::LIVE,
};

fn world(dir: &Path, faults: &[&str]) -> World {
    let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
    sandbox::open(&Options { dir: dir.to_owned(), faults, ..Options::default() }).unwrap()
}

fn answers(access: OriginAccess) -> Answers {
    Answers { goal: Some(Goal::Install), origin_access: access, ..Answers::default() }
}

/// Our statements in the bucket policy, by Sid, with who is let in.
fn let_in(world: &World) -> Vec<(String, Value)> {
    let policy: Value = serde_json::from_str(&bucket_policy(world)).unwrap();
    let all = policy["Statement"].as_array().unwrap();
    all.iter().map(|one| (one["Sid"].as_str().unwrap().to_owned(), one["Principal"].clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_live_install_goes_to_a_control_and_back_and_every_link_works_at_every_moment() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), &[]);
    let (_, result) = Box::pin(done(&world, &answers(OriginAccess::Auto), &LIVE)).await;
    assert_eq!(result, Ok(()));
    let arn = world.read(|state| state.cloudfront.distributions.values().next().unwrap().arn());

    let plan = looked(&world, &answers(OriginAccess::Oac), Stage::Distribution).await.unwrap();
    let line = plan.changes.iter().find(|change| change.step == Step::Distribution).unwrap();
    assert_eq!(line.verb, Verb::Update);
    assert!(line.why.contains("origin access goes from identity E"), "{line:?}");
    assert!(line.why.contains("both may read until every edge has changed"), "{line:?}");

    let oac = answers(OriginAccess::Oac);
    let moving = done(&world, &oac, &SET_UP);
    let both = async {
        // While it is in progress both are let in; before and after one.
        let mut seen = std::collections::BTreeSet::new();
        loop {
            seen.insert(let_in(&world).len());
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            if seen.len() == 2 && let_in(&world).len() == 2 {
                return seen;
            }
        }
    };
    let ((moved, seen), wrong) = Box::pin(watched(&world, true, async { tokio::join!(moving, both) })).await;
    assert_eq!((moved.1, wrong), (Ok(()), None));
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [2, 4]);
    for (sid, principal) in let_in(&world) {
        assert_eq!(principal["Service"], "cloudfront.amazonaws.com", "{sid}");
        assert!(!sid.contains("Next"), "{sid}");
    }
    let policy: Value = serde_json::from_str(&bucket_policy(&world)).unwrap();
    for statement in policy["Statement"].as_array().unwrap() {
        let equals = &statement["Condition"]["StringEquals"];
        assert_eq!(
            (&equals["aws:SourceArn"], &equals["aws:SourceAccount"]),
            (&arn.as_str().into(), &ACCOUNT.into())
        );
    }
    // Without the option it stays a control.
    let plan = looked(&world, &answers(OriginAccess::Auto), Stage::Distribution).await.unwrap();
    assert!(plan.unchanged(), "{:?}", plan.changes);

    let oai = answers(OriginAccess::Oai);
    let back = done(&world, &oai, &SET_UP);
    let ((_, result), wrong) = Box::pin(watched(&world, true, back)).await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert!(let_in(&world).iter().all(|(_, who)| who.get("Service").is_none()), "{:?}", let_in(&world));
}

#[tokio::test(start_paused = true)]
async fn broken_off_anywhere_on_the_way_links_work_and_the_next_run_finishes() {
    for fault in [
        "s3:PutBucketPolicy:1:lost",
        "s3:PutBucketPolicy:2+:deny",
        "s3:PutBucketPolicy:2:lost",
        "cloudfront:CreateOriginAccessControl:1:lost",
        "cloudfront:UpdateDistribution:1:lost",
        "cloudfront:UpdateDistribution:1+:deny",
        "cloudfront:UpdateDistribution:1:drift",
        "cloudfront:GetDistribution:3+:deny",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let first = world(dir.path(), &[]);
        let (_, result) = Box::pin(done(&first, &answers(OriginAccess::Auto), &LIVE)).await;
        assert_eq!(result, Ok(()));
        drop(first);
        let broken = world(dir.path(), &[fault]);
        let oac = answers(OriginAccess::Oac);
        let moving = done(&broken, &oac, &SET_UP);
        let ((_, result), wrong) = Box::pin(watched(&broken, true, moving)).await;
        assert_eq!(wrong, None, "{fault}: {result:?}");
        drop(broken);
        let again = world(dir.path(), &[]);
        let moving = done(&again, &oac, &SET_UP);
        let ((_, result), wrong) = Box::pin(watched(&again, true, moving)).await;
        assert_eq!((result, wrong), (Ok(()), None), "{fault}");
        assert_eq!(let_in(&again).len(), 2, "{fault}");
        assert!(
            let_in(&again).iter().all(|(_, who)| who["Service"] == "cloudfront.amazonaws.com"),
            "{fault}"
        );
    }
}

/// A key of the operator's, under which the bucket and all its objects lie from now on.
pub async fn encrypted(world: &World, key: Option<&str>) -> String {
    let kms = aws_sdk_kms::Client::new(&world.sdk_config());
    let arn = match key {
        Some(key) => key.to_owned(),
        None => kms.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap(),
    };
    let named = if arn.ends_with("aws/s3") {
        String::new()
    } else {
        format!("<KMSMasterKeyID>{arn}</KMSMasterKeyID>")
    };
    world.write(|state| {
        let bucket = state.s3.buckets.get_mut(seed::BUCKET).unwrap();
        bucket.settings.insert(
            "encryption".into(),
            format!("<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>{named}</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"),
        );
    });
    // Written again, each object lies under the bucket's default.
    let s3 = aws_sdk_s3::Client::new(&world.sdk_config());
    let listed = s3.list_objects_v2().bucket(seed::BUCKET).send().await.unwrap();
    for object in listed.contents() {
        let key = object.key().unwrap();
        let body =
            s3.get_object().bucket(seed::BUCKET).key(key).send().await.unwrap().body.collect().await.unwrap();
        s3.put_object().bucket(seed::BUCKET).key(key).body(body.into_bytes().into()).send().await.unwrap();
    }
    arn
}

#[tokio::test(start_paused = true)]
async fn under_a_key_of_the_operators_a_control_reads_and_the_key_is_changed_only_on_its_own_yes() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), &[]);
    let key = encrypted(&world, None).await;
    let id = key.rsplit('/').next().unwrap().to_owned();
    let before = world.read(|state| state.kms.keys[&id].policy.clone());
    let auto = answers(OriginAccess::Auto);

    let plan = looked(&world, &auto, Stage::Bootstrap).await.unwrap();
    let line = plan.changes.iter().find(|change| change.step == Step::OriginAccess).unwrap();
    assert!(line.why.contains("the bucket encrypts with aws:kms"), "{line:?}");

    // All but going live, without the yes: the statement is shown with what it needs, and the key is as it was.
    let (said, result) = Box::pin(done(&world, &auto, &SET_UP)).await;
    assert_eq!(result, Ok(()));
    let said = format!("{said:?}");
    let arn = world.read(|state| state.cloudfront.distributions.values().next().unwrap().arn());
    assert!(said.contains(&format!("left to you: add to the policy of KMS key {key}")), "{said}");
    assert!(said.contains(&arn), "{said}");
    assert_eq!(world.read(|state| state.kms.keys[&id].policy.clone()), before);
    let plan = looked(&world, &auto, Stage::Distribution).await.unwrap();
    let shown = plan.exhibit.iter().find(|exhibit| exhibit.title.contains(&key)).unwrap();
    assert!(shown.lines.join("").contains(&arn), "{shown:?}");
    let plan = looked(&world, &auto, Stage::GoLive).await.unwrap();
    assert!(plan.asks.iter().any(|ask| ask.consent == Consent::AdoptBucketKey), "{:?}", plan.asks);

    let consents = Consents { adopt_bucket_key: true, ..Consents::default() };
    let yes = Answers { consents, ..auto.clone() };
    // The right to change that key's policy, and no other's, is in the policy that suffices once it is said yes to.
    let suffices = async |answers: &Answers| {
        let policy: Value =
            serde_json::from_str(&engine::policy(&ground(&world), answers).await.unwrap()).unwrap();
        let all = policy["Statement"].as_array().unwrap().clone();
        all.into_iter().any(|one| {
            one["Resource"] == key.as_str()
                && one["Action"].as_array().unwrap().iter().any(|action| action == "kms:PutKeyPolicy")
        })
    };
    assert!(Box::pin(suffices(&yes)).await && !Box::pin(suffices(&auto)).await);
    let ((_, result), wrong) = Box::pin(watched(&world, false, done(&world, &yes, &LIVE))).await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert_eq!(downloads(&world).await.unwrap().1, 200);
    let after: Value = world.read(|state| serde_json::from_str(&state.kms.keys[&id].policy).unwrap());
    let mine = after["Statement"].as_array().unwrap().last().unwrap();
    assert_eq!(mine["Condition"]["StringEquals"]["aws:SourceArn"], arn.as_str(), "{after}");
    let old: Value = serde_json::from_str(&before).unwrap();
    assert_eq!(after["Statement"][0], old["Statement"][0], "what stood stays");
    let plan = looked(&world, &auto, Stage::Distribution).await.unwrap();
    assert!(plan.unchanged(), "{:?}", plan.changes);
}

#[tokio::test(start_paused = true)]
async fn objects_under_awss_own_key_are_said_to_be_unservable_and_going_live_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path(), &[]);
    encrypted(&world, Some("alias/aws/s3")).await;
    let auto = answers(OriginAccess::Auto);
    let plan = looked(&world, &auto, Stage::Distribution).await.unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("can't be served by CloudFront")), "{:?}", plan.notes);
    let (_, result) = Box::pin(done(&world, &auto, &LIVE)).await;
    let failure = result.unwrap_err();
    assert!(failure.what.starts_with("the gate"), "{failure:?}");
    assert!(failure.why.contains("nothing was switched on"), "{failure:?}");
    let host = downloads(&world).await.unwrap();
    assert_eq!(host.1, 200, "it goes to S3 as before: {host:?}");
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_edit_at_the_same_moment_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let first = world(dir.path(), &[]);
    let (_, result) = Box::pin(done(&first, &answers(OriginAccess::Auto), &LIVE)).await;
    assert_eq!(result, Ok(()));
    drop(first);
    // Another operator chooses another price class just before the update, whose ETag is stale by then.
    let world = world(dir.path(), &["cloudfront:UpdateDistribution:1:drift"]);
    let oac = answers(OriginAccess::Oac);
    let moving = done(&world, &oac, &SET_UP);
    let ((_, result), wrong) = Box::pin(watched(&world, true, moving)).await;
    assert_eq!((result, wrong), (Ok(()), None));
    let config = world.read(|state| state.cloudfront.distributions.values().next().unwrap().config.clone());
    assert!(config.contains("<PriceClass>PriceClass_100</PriceClass>"), "{config}");
    let (_, failure) = engine::apply(
        &ground(&world),
        &looked(&world, &answers(OriginAccess::Auto), Stage::Distribution).await.unwrap(),
        &answers(OriginAccess::Auto),
        &Run::silent(),
    )
    .await;
    assert_eq!(failure, None);
}
