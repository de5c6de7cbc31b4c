//! Identity or control: which is taken and why, what each lets in, and going from one to the other with no moment of outage and none of openness.

use std::path::Path;

use packagecloud_cloudfront::{
    engine::{self, RunContext},
    model::run::{
        answers::{OperatorAnswers, OperatorConsents, OriginAccess},
        check::CheckVerdict,
        goal::{OperatorGoal, RunStage, StageStep},
        plan::{RequiredConsent, ResourceChangeKind},
    },
    sandbox::{self, Sandbox, SandboxOptions, seed},
};
use serde_json::{Value, json};

use crate::{
    client::{download_package, watch_clients_during},
    engine::{SET_UP_STAGES, look_at_stage, read_bucket_policy, run_stages},
    session::open_session,
    vendor::LIVE_STAGES,
};

fn open_sandbox_with_faults(dir: &Path, faults: &[&str]) -> Sandbox {
    let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
    sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.to_owned(),
        faults,
        ..SandboxOptions::default()
    })
    .unwrap()
}

fn install_answers(access: OriginAccess) -> OperatorAnswers {
    OperatorAnswers { goal: Some(OperatorGoal::Install), origin_access: access, ..OperatorAnswers::default() }
}

/// Our statements in the bucket policy, by Sid, with who is let in.
fn policy_principals(world: &Sandbox) -> Vec<(String, Value)> {
    let policy: Value = serde_json::from_str(&read_bucket_policy(world)).unwrap();
    let all = policy["Statement"].as_array().unwrap();
    all.iter().map(|one| (one["Sid"].as_str().unwrap().to_owned(), one["Principal"].clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_live_install_goes_to_a_control_and_back_and_every_link_works_at_every_moment() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    let (_, result) = Box::pin(run_stages(&world, &install_answers(OriginAccess::Auto), &LIVE_STAGES)).await;
    assert_eq!(result, Ok(()));
    let arn = world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().next().unwrap().format_distribution_arn()
    });

    let plan =
        look_at_stage(&world, &install_answers(OriginAccess::Oac), RunStage::Distribution).await.unwrap();
    let line = plan.changes.iter().find(|change| change.step == StageStep::Distribution).unwrap();
    assert_eq!(line.verb, ResourceChangeKind::Update);
    assert!(line.why.contains("origin access goes from identity E"), "{line:?}");
    assert!(line.why.contains("both may read until every edge has changed"), "{line:?}");

    let oac = install_answers(OriginAccess::Oac);
    let moving = run_stages(&world, &oac, &SET_UP_STAGES);
    let both = async {
        // While it is in progress both are let in; before and after one.
        let mut seen = std::collections::BTreeSet::new();
        loop {
            seen.insert(policy_principals(&world).len());
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            if seen.len() == 2 && policy_principals(&world).len() == 2 {
                return seen;
            }
        }
    };
    let ((moved, seen), wrong) =
        Box::pin(watch_clients_during(&world, true, async { tokio::join!(moving, both) })).await;
    assert_eq!((moved.1, wrong), (Ok(()), None));
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [2, 4]);
    for (sid, principal) in policy_principals(&world) {
        assert_eq!(principal["Service"], "cloudfront.amazonaws.com", "{sid}");
        assert!(!sid.contains("Next"), "{sid}");
    }
    let policy: Value = serde_json::from_str(&read_bucket_policy(&world)).unwrap();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Condition"], json!({"StringEquals": {"aws:SourceArn": arn}}));
    }
    // Without the option it stays a control.
    let plan =
        look_at_stage(&world, &install_answers(OriginAccess::Auto), RunStage::Distribution).await.unwrap();
    assert!(plan.is_plan_without_changes(), "{:?}", plan.changes);

    let oai = install_answers(OriginAccess::Oai);
    let back = run_stages(&world, &oai, &SET_UP_STAGES);
    let ((_, result), wrong) = Box::pin(watch_clients_during(&world, true, back)).await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert!(
        policy_principals(&world).iter().all(|(_, who)| who.get("Service").is_none()),
        "{:?}",
        policy_principals(&world)
    );
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
        let first = open_sandbox_with_faults(dir.path(), &[]);
        let (_, result) =
            Box::pin(run_stages(&first, &install_answers(OriginAccess::Auto), &LIVE_STAGES)).await;
        assert_eq!(result, Ok(()));
        drop(first);
        let broken = open_sandbox_with_faults(dir.path(), &[fault]);
        let oac = install_answers(OriginAccess::Oac);
        let moving = run_stages(&broken, &oac, &SET_UP_STAGES);
        let ((_, result), wrong) = Box::pin(watch_clients_during(&broken, true, moving)).await;
        assert_eq!(wrong, None, "{fault}: {result:?}");
        drop(broken);
        let again = open_sandbox_with_faults(dir.path(), &[]);
        let moving = run_stages(&again, &oac, &SET_UP_STAGES);
        let ((_, result), wrong) = Box::pin(watch_clients_during(&again, true, moving)).await;
        assert_eq!((result, wrong), (Ok(()), None), "{fault}");
        assert_eq!(policy_principals(&again).len(), 2, "{fault}");
        assert!(
            policy_principals(&again).iter().all(|(_, who)| who["Service"] == "cloudfront.amazonaws.com"),
            "{fault}"
        );
    }
}

/// A key of the operator's, under which the bucket and all its objects lie from now on.
pub async fn encrypt_bucket(world: &Sandbox, key: Option<&str>) -> String {
    let kms = aws_sdk_kms::Client::new(&world.build_sandbox_sdk_config());
    let arn = match key {
        Some(key) => key.to_owned(),
        None => kms.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap(),
    };
    let named = if arn.ends_with("aws/s3") {
        String::new()
    } else {
        format!("<KMSMasterKeyID>{arn}</KMSMasterKeyID>")
    };
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
        bucket.settings.insert(
            "encryption".into(),
            format!("<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>{named}</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"),
        );
    });
    // Written again, each object lies under the bucket's default.
    let s3 = aws_sdk_s3::Client::new(&world.build_sandbox_sdk_config());
    let listed = s3.list_objects_v2().bucket(seed::SANDBOX_BUCKET).send().await.unwrap();
    for object in listed.contents() {
        let key = object.key().unwrap();
        let body = s3
            .get_object()
            .bucket(seed::SANDBOX_BUCKET)
            .key(key)
            .send()
            .await
            .unwrap()
            .body
            .collect()
            .await
            .unwrap();
        s3.put_object()
            .bucket(seed::SANDBOX_BUCKET)
            .key(key)
            .body(body.into_bytes().into())
            .send()
            .await
            .unwrap();
    }
    arn
}

#[tokio::test(start_paused = true)]
async fn under_a_key_of_the_operators_a_control_reads_and_the_key_is_changed_only_on_its_own_yes() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    let key = encrypt_bucket(&world, None).await;
    let id = key.rsplit('/').next().unwrap().to_owned();
    let before = world.read_sandbox_state_from_disk(|state| state.kms.keys[&id].policy.clone());
    let auto = install_answers(OriginAccess::Auto);

    let plan = look_at_stage(&world, &auto, RunStage::Bootstrap).await.unwrap();
    let line = plan.changes.iter().find(|change| change.step == StageStep::OriginAccess).unwrap();
    assert!(line.why.contains("the bucket encrypts with aws:kms"), "{line:?}");

    // All but going live, without the yes: the statement is shown with what it needs, and the key is as it was.
    let (said, result) = Box::pin(run_stages(&world, &auto, &SET_UP_STAGES)).await;
    assert_eq!(result, Ok(()));
    let said = format!("{said:?}");
    let arn = world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().next().unwrap().format_distribution_arn()
    });
    assert!(said.contains(&format!("left to you: add to the policy of KMS key {key}")), "{said}");
    assert!(said.contains(&arn), "{said}");
    assert_eq!(world.read_sandbox_state_from_disk(|state| state.kms.keys[&id].policy.clone()), before);
    let plan = look_at_stage(&world, &auto, RunStage::Distribution).await.unwrap();
    let shown = plan.documents.iter().find(|exhibit| exhibit.title.contains(&key)).unwrap();
    assert!(shown.lines.join("").contains(&arn), "{shown:?}");
    let plan = look_at_stage(&world, &auto, RunStage::GoLive).await.unwrap();
    assert!(
        plan.confirmations.iter().any(|ask| ask.consent == RequiredConsent::AdoptBucketKey),
        "{:?}",
        plan.confirmations
    );

    let consents = OperatorConsents { adopt_bucket_key: true, ..OperatorConsents::default() };
    let yes = OperatorAnswers { consents, ..auto.clone() };
    // The right to change that key's policy, and no other's, is in the policy that suffices once it is said yes to.
    let suffices = async |answers: &OperatorAnswers| {
        let policy: Value = serde_json::from_str(
            &engine::render_required_iam_policy(&open_session(&world), answers).await.unwrap(),
        )
        .unwrap();
        let all = policy["Statement"].as_array().unwrap().clone();
        all.into_iter().any(|one| {
            one["Resource"] == key.as_str()
                && one["Action"].as_array().unwrap().iter().any(|action| action == "kms:PutKeyPolicy")
        })
    };
    assert!(Box::pin(suffices(&yes)).await && !Box::pin(suffices(&auto)).await);
    let ((_, result), wrong) =
        Box::pin(watch_clients_during(&world, false, run_stages(&world, &yes, &LIVE_STAGES))).await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert_eq!(download_package(&world).await.unwrap().1, 200);
    let after: Value = world
        .read_sandbox_state_from_disk(|state| serde_json::from_str(&state.kms.keys[&id].policy).unwrap());
    let mine = after["Statement"].as_array().unwrap().last().unwrap();
    assert_eq!(mine["Condition"]["StringEquals"]["aws:SourceArn"], arn.as_str(), "{after}");
    let old: Value = serde_json::from_str(&before).unwrap();
    assert_eq!(after["Statement"][0], old["Statement"][0], "what stood stays");
    let plan = look_at_stage(&world, &auto, RunStage::Distribution).await.unwrap();
    assert!(plan.is_plan_without_changes(), "{:?}", plan.changes);
}

#[tokio::test(start_paused = true)]
async fn objects_under_awss_own_key_are_said_to_be_unservable_and_going_live_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    encrypt_bucket(&world, Some("alias/aws/s3")).await;
    let auto = install_answers(OriginAccess::Auto);
    let plan = look_at_stage(&world, &auto, RunStage::Distribution).await.unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("can't be served by CloudFront")), "{:?}", plan.notes);
    let (_, result) = Box::pin(run_stages(&world, &auto, &LIVE_STAGES)).await;
    let failure = result.unwrap_err();
    assert!(failure.what.starts_with("the gate"), "{failure:?}");
    assert!(failure.why.contains("nothing was switched on"), "{failure:?}");
    let host = download_package(&world).await.unwrap();
    assert_eq!(host.1, 200, "it goes to S3 as before: {host:?}");
}

#[tokio::test(start_paused = true)]
async fn objects_under_a_key_that_is_gone_are_said_to_be_unservable_and_stop_nothing_before_going_live() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    let key = encrypt_bucket(&world, None).await;
    world.update_sandbox_state_on_disk(|state| state.kms.keys.retain(|id, _| !key.ends_with(id)));
    let auto = install_answers(OriginAccess::Auto);
    let plan = look_at_stage(&world, &auto, RunStage::Distribution).await.unwrap();
    let said = format!("Objects under the KMS key {key} can't be served, by CloudFront or by S3");
    assert!(plan.notes.iter().any(|note| note.starts_with(&said)), "{:?}", plan.notes);
    let (_, result) = Box::pin(run_stages(&world, &auto, &SET_UP_STAGES)).await;
    assert_eq!(result, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_edit_at_the_same_moment_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let first = open_sandbox_with_faults(dir.path(), &[]);
    let (_, result) = Box::pin(run_stages(&first, &install_answers(OriginAccess::Auto), &LIVE_STAGES)).await;
    assert_eq!(result, Ok(()));
    drop(first);
    // Another operator chooses another price class just before the update, whose ETag is stale by then.
    let world = open_sandbox_with_faults(dir.path(), &["cloudfront:UpdateDistribution:1:drift"]);
    let oac = install_answers(OriginAccess::Oac);
    let moving = run_stages(&world, &oac, &SET_UP_STAGES);
    let ((_, result), wrong) = Box::pin(watch_clients_during(&world, true, moving)).await;
    assert_eq!((result, wrong), (Ok(()), None));
    let config = world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().next().unwrap().config.clone()
    });
    assert!(config.contains("<PriceClass>PriceClass_100</PriceClass>"), "{config}");
    let (_, failure) = engine::apply(
        &open_session(&world),
        &look_at_stage(&world, &install_answers(OriginAccess::Auto), RunStage::Distribution).await.unwrap(),
        &install_answers(OriginAccess::Auto),
        &RunContext::new_silent_context(),
    )
    .await;
    assert_eq!(failure, None);
}

/// Puts a statement before those of the bucket policy, whatever Block Public Access says of it now.
fn add_bucket_statement(world: &Sandbox, statement: &Value) {
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
        let mut policy: Value = bucket.policy.as_deref().map_or_else(
            || json!({"Version": "2012-10-17", "Statement": []}),
            |policy| serde_json::from_str(policy).unwrap(),
        );
        policy["Statement"].as_array_mut().unwrap().insert(0, statement.clone());
        bucket.policy = Some(policy.to_string());
    });
}

fn set_public_access_block(world: &Sandbox, settings: &[&str]) {
    let on: String = settings.iter().map(|name| format!("<{name}>true</{name}>")).collect();
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
        let xml = format!("<PublicAccessBlockConfiguration>{on}</PublicAccessBlockConfiguration>");
        bucket.settings.insert("publicAccessBlock".into(), xml);
    });
}

/// Who is let in by our own statements.
fn our_principals(world: &Sandbox) -> Vec<Value> {
    let all = policy_principals(world);
    all.into_iter().filter(|(sid, _)| sid.starts_with("Packagecloud")).map(|(_, who)| who).collect()
}

fn objects_arn() -> String {
    format!("arn:aws:s3:::{}/*", seed::SANDBOX_BUCKET)
}

#[tokio::test(start_paused = true)]
async fn a_left_over_public_policy_under_block_public_access_shuts_an_identity_out_and_no_control() {
    let open = json!({"Sid": "LeftOver", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": objects_arn()});
    // The bucket's own setting, and its account's.
    for whole_account in [false, true] {
        for access in [OriginAccess::Oai, OriginAccess::Auto] {
            let dir = tempfile::tempdir().unwrap();
            let world = open_sandbox_with_faults(dir.path(), &[]);
            add_bucket_statement(&world, &open);
            set_public_access_block(&world, if whole_account { &[] } else { &["RestrictPublicBuckets"] });
            if whole_account {
                let xml = "<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
                world.update_sandbox_state_on_disk(|state| {
                    state.s3control.public_access_block = Some(xml.to_owned());
                });
            }
            let answers = install_answers(access);
            let plan = look_at_stage(&world, &answers, RunStage::Bootstrap).await.unwrap();
            let line = plan.changes.iter().find(|change| change.step == StageStep::OriginAccess).unwrap();
            let why = "\"LeftOver\" is public";
            assert_eq!(line.why.contains(why), access == OriginAccess::Auto, "{line:?}");
            let (_, result) = Box::pin(run_stages(&world, &answers, &LIVE_STAGES)).await;
            if access == OriginAccess::Oai {
                assert!(result.unwrap_err().what.starts_with("the gate"), "S3 refuses the identity");
                continue;
            }
            assert_eq!(result, Ok(()));
            assert_eq!(download_package(&world).await.unwrap().1, 200);
            assert!(our_principals(&world).iter().all(|who| who["Service"] == "cloudfront.amazonaws.com"));
        }
    }
}

/// An organization's perimeter: nobody but its own, AWS's services, and whom it excepts.
fn perimeter_statement(except: Option<&str>) -> Value {
    let mut condition = json!({
        "StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-example"},
        "StringNotEquals": {"aws:PrincipalAccount": sandbox::control_plane::ACCOUNT_ID},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    });
    if let Some(arn) = except {
        condition["ArnNotLikeIfExists"] = json!({"aws:PrincipalArn": arn});
    }
    json!({"Sid": "Perimeter", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": objects_arn(), "Condition": condition})
}

#[tokio::test(start_paused = true)]
async fn a_perimeter_lets_an_identity_in_that_it_excepts_and_a_control_where_it_excepts_none() {
    let auto = install_answers(OriginAccess::Auto);
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    let (_, result) = Box::pin(run_stages(&world, &auto, &SET_UP_STAGES)).await;
    assert_eq!(result, Ok(()));
    let id = world.read_sandbox_state_from_disk(|state| state.cloudfront.identities.keys().next().cloned());
    let arn = format!("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {}", id.unwrap());
    // AWS's own exception for an identity.
    add_bucket_statement(&world, &perimeter_statement(Some(&arn)));
    let checks = look_at_stage(&world, &auto, RunStage::Access).await.unwrap().checks;
    let policy = checks.iter().find(|check| check.name == "bucket-policy").unwrap();
    assert_eq!(policy.result, CheckVerdict::Pass, "{policy:?}");
    let (_, result) = Box::pin(run_stages(&world, &auto, &LIVE_STAGES)).await;
    assert_eq!(result, Ok(()));
    assert_eq!(download_package(&world).await.unwrap().1, 200);
    assert!(our_principals(&world).iter().all(|who| who["AWS"] == arn.as_str()));

    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    add_bucket_statement(&world, &perimeter_statement(None));
    let (_, result) = Box::pin(run_stages(&world, &auto, &LIVE_STAGES)).await;
    assert_eq!(result, Ok(()));
    assert_eq!(download_package(&world).await.unwrap().1, 200);
    assert!(our_principals(&world).iter().all(|who| who["Service"] == "cloudfront.amazonaws.com"));
}

#[tokio::test(start_paused = true)]
async fn the_overview_says_who_reads_the_bucket_and_for_whom_a_control_is_required() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    for (access, words) in [
        (
            OriginAccess::Auto,
            &["origin access identity", "CloudFront.13", "CT.CLOUDFRONT.PR.10", "--origin-access oac"][..],
        ),
        (OriginAccess::Oac, &["origin access control: as you chose with --origin-access"]),
    ] {
        let overview = look_at_stage(&world, &install_answers(access), RunStage::Overview).await.unwrap();
        let fact = overview.facts.iter().find(|fact| fact.topic == "Who reads the bucket").unwrap();
        assert!(words.iter().all(|word| fact.text.contains(word)), "{fact}");
        assert!(
            overview.facts.iter().all(|fact| fact.topic != "What stands in the way"),
            "{:?}",
            overview.facts
        );
    }
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
        let xml = "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>";
        bucket.settings.insert("requestPayment".into(), xml.into());
    });
    let auto = install_answers(OriginAccess::Auto);
    let overview = look_at_stage(&world, &auto, RunStage::Overview).await.unwrap();
    let fact = overview.facts.iter().find(|fact| fact.topic == "What stands in the way").unwrap();
    assert!(fact.text.contains("Requester Pays") && fact.text.contains("Payer=BucketOwner"), "{fact}");
    // Whoever goes on all the same is stopped before links go there.
    let (_, result) = Box::pin(run_stages(&world, &auto, &LIVE_STAGES)).await;
    let failure = result.unwrap_err();
    assert!(failure.what.starts_with("the gate") && failure.why.contains("Requester Pays"), "{failure}");
}
