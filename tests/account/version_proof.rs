//! A version is proven before a distribution gets it, and keeps every secret that the edge accepts (contract section 5).

use std::path::PathBuf;

use packagecloud_cloudfront::{
    edge::bundle::{parse_function_version_description, read_zip_signing_keys},
    engine::{self, RunContext},
    model::{
        failure::{Failure, FailureKind},
        run::{
            answers::{OperatorAnswers, OperatorConsents},
            event::StageEvent,
            goal::{OperatorGoal, RunStage, StageStep},
        },
    },
    sandbox::{Sandbox, router::PACKAGECLOUD_HOST},
};

use crate::{
    client::{download_package, watch_clients_during},
    engine::{SET_UP_STAGES, count_made_resources, look_at_stage, open_instant_sandbox, run_stages},
    session::open_session,
    vendor::LIVE_STAGES,
};

const FUNCTION: &str = "packagecloud_cloudfront_auth";

fn version_arn(number: u64) -> String {
    format!("arn:aws:lambda:us-east-1:999999999999:function:{FUNCTION}:{number}")
}

/// The set-up's AWS part with `faults`, in a sandbox of its own.
async fn set_up_with_faults(
    faults: &[&str],
) -> (tempfile::TempDir, Sandbox, Vec<StageEvent>, Result<(), Failure>) {
    let dir = tempfile::tempdir().unwrap();
    let faults: Vec<String> = faults.iter().map(|fault| (*fault).to_owned()).collect();
    let world = open_instant_sandbox(dir.path(), &faults);
    let (said, result) = Box::pin(run_stages(&world, &OperatorAnswers::default(), &SET_UP_STAGES)).await;
    (dir, world, said, result)
}

/// Associates an earlier version again; why not, where it isn't.
async fn roll_back_edge(world: &Sandbox, answers: &OperatorAnswers, number: u64) -> Option<Failure> {
    let (here, run) = (open_session(world), RunContext::new_silent_context());
    Box::pin(engine::roll_back_function_version(&here, answers, &version_arn(number), &run)).await.1
}

/// What the proof came to, in words.
fn proof_text(said: &[StageEvent]) -> String {
    said.iter()
        .find_map(|event| match event {
            StageEvent::Finished { step: StageStep::VersionProof, text, .. } => Some(text.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

pub fn count_invokes(world: &Sandbox) -> usize {
    world.sandbox_recorded_aws_calls().iter().filter(|call| call.operation == "Invoke").count()
}

fn count_distributions(world: &Sandbox) -> usize {
    count_made_resources(world)[4]
}

/// How many secrets a version accepts by its description, and how many its code holds.
pub fn count_version_secrets(world: &Sandbox, number: usize) -> (usize, usize) {
    let description = world.read_sandbox_state_from_disk(|state| {
        state.lambda.functions[FUNCTION].versions[number - 1].configuration.description.clone()
    });
    let zip = std::fs::read(find_version_code(world, number)).unwrap();
    let described = parse_function_version_description(&description).unwrap();
    (described.fingerprints.len(), read_zip_signing_keys(&zip).unwrap().len())
}

#[tokio::test(start_paused = true)]
async fn a_new_version_is_invoked_three_times_and_one_that_is_there_never() {
    let (_dir, world, said, result) = Box::pin(set_up_with_faults(&[])).await;
    assert_eq!(result, Ok(()));
    assert_eq!(count_invokes(&world), 3);
    let text = proof_text(&said);
    assert!(text.contains("a link by its secret") && text.contains("other regions are not seen"), "{text}");
    world.clear_call_ledger();
    let (_, result) = Box::pin(run_stages(&world, &OperatorAnswers::default(), &SET_UP_STAGES)).await;
    assert_eq!((result, count_invokes(&world)), (Ok(()), 0));
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cant_decrypt_ends_here_and_one_that_cant_yet_is_waited_for() {
    let (_dir, world, _, result) = Box::pin(set_up_with_faults(&["kms:Decrypt:*:deny"])).await;
    let failure = result.unwrap_err();
    assert!(failure.why.contains("KMS Decrypt: 400 AccessDeniedException"), "{failure:?}");
    assert!(failure.next.contains("kms:Decrypt to role packagecloud_cloudfront_auth"), "{failure:?}");
    assert_eq!(count_distributions(&world), 0);
    assert!(count_invokes(&world) > 30, "it is asked again for two minutes");

    let (_dir, world, said, result) = Box::pin(set_up_with_faults(&["kms:Decrypt:1-4:deny"])).await;
    assert_eq!((result, count_distributions(&world)), (Ok(()), 1));
    let waited = |event: &StageEvent| matches!(event, StageEvent::Progress { text, .. } if text.starts_with("waiting for the function to answer, "));
    assert!(said.iter().any(waited), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_waited_for_has_not_expired_when_it_is_checked() {
    let (_dir, world, _, result) = Box::pin(set_up_with_faults(&["kms:Decrypt:1-30:deny"])).await;
    assert_eq!((result, count_distributions(&world)), (Ok(()), 1));
    assert!(count_invokes(&world) > 25, "it was waited for longer than a minute");
}

#[tokio::test(start_paused = true)]
async fn an_invoke_that_is_denied_or_held_back_is_unknown_and_stops_nothing() {
    for (fault, why) in [
        ("lambda:Invoke:*:deny", "lambda:InvokeFunction is denied"),
        ("lambda:Invoke:*:throttle", "CallerRateLimitExceeded"),
    ] {
        let (_dir, world, said, result) = Box::pin(set_up_with_faults(&[fault])).await;
        assert_eq!((result, count_distributions(&world)), (Ok(()), 1), "{fault}");
        let text = proof_text(&said);
        assert!(text.starts_with("unknown: ") && text.contains(why), "{fault}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_never_run_is_named_before_any_distribution_has_it() {
    for (spoil, why, next) in [
        (
            (|world: &Sandbox| {
                world.update_sandbox_state_on_disk(|state| {
                    state.lambda.functions.get_mut(FUNCTION).unwrap().reserved_concurrency = Some(0);
                });
            }) as fn(&Sandbox),
            "its reserved concurrency is 0",
            "aws lambda delete-function-concurrency --region us-east-1 --function-name packagecloud_cloudfront_auth",
        ),
        (
            |world: &Sandbox| replace_code(world, "export const other = 1;"),
            "Runtime.HandlerNotFound",
            "bootstrap-cloudfront",
        ),
        (
            |world: &Sandbox| {
                replace_code(world, "export const handler = async ({ Records }) => Records[0].cf.request;");
            },
            "goes on with its token",
            "bootstrap-cloudfront",
        ),
        (
            |world: &Sandbox| {
                replace_code(world, "export const handler = async () => ({ uri: '/', querystring: '' });");
            },
            "is let through",
            "bootstrap-cloudfront",
        ),
        (
            |world: &Sandbox| world.update_sandbox_state_on_disk(|state| state.iam.roles.clear()),
            "cannot be assumed by lambda",
            "bootstrap-cloudfront",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_instant_sandbox(dir.path(), &[]);
        let answers = OperatorAnswers::default();
        let (_, result) =
            Box::pin(run_stages(&world, &answers, &[RunStage::Secret, RunStage::Bootstrap])).await;
        assert_eq!(result, Ok(()), "{why}");
        let named = OperatorAnswers { version_arn: Some(version_arn(1)), ..answers };
        spoil(&world);
        let (_, result) = Box::pin(run_stages(&world, &named, &[RunStage::Distribution])).await;
        let failure = result.unwrap_err();
        assert!(failure.why.contains(why) && failure.next.contains(next), "{why}: {failure:?}");
        assert_eq!(count_distributions(&world), 0, "{why}");
    }
}

/// Puts another program in the place of every bundle.
fn replace_code(world: &Sandbox, source: &str) {
    let zip = zip_program(source);
    for file in std::fs::read_dir(world.sandbox_dir().join("lambda")).unwrap() {
        std::fs::write(file.unwrap().path(), &zip).unwrap();
    }
}

/// Puts another program in the place of one version's: where its code lies, and what it was.
pub fn replace_code_of_version(world: &Sandbox, number: usize, source: &str) -> (PathBuf, Vec<u8>) {
    let path = find_version_code(world, number);
    let before = std::fs::read(&path).unwrap();
    std::fs::write(&path, zip_program(source)).unwrap();
    (path, before)
}

fn find_version_code(world: &Sandbox, number: usize) -> PathBuf {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let sha256 = world.read_sandbox_state_from_disk(|state| {
        state.lambda.functions[FUNCTION].versions[number - 1].configuration.sha256.clone()
    });
    let hash = hex::encode(STANDARD.decode(sha256).unwrap());
    world.sandbox_dir().join("lambda").join(format!("{hash}.zip"))
}

fn zip_program(source: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("index.mjs", stored).unwrap();
    zip.write_all(source.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// Switches off by the file, as an operator does who then wants another secret.
pub fn switch_off(world: &Sandbox) {
    let config = world.sandbox_dir().join("packagecloud.rb");
    let text = std::fs::read_to_string(&config).unwrap();
    let off = text.replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false");
    std::fs::write(&config, off).unwrap();
}

/// Switches off as the operator does: packagecloud is seen to follow.
async fn disable(world: &Sandbox) {
    let answers = OperatorAnswers { goal: Some(OperatorGoal::Disable), ..OperatorAnswers::default() };
    assert_eq!(Box::pin(run_stages(world, &answers, &[RunStage::Disable])).await.1, Ok(()));
}

/// The whole set-up, or what of it has to be done again.
async fn go_live(world: &Sandbox) -> Result<(), Failure> {
    Box::pin(run_stages(world, &OperatorAnswers::default(), &LIVE_STAGES)).await.1
}

/// A link that packagecloud hands out now, as a client is sent to it.
pub async fn fetch_handed_out_link(world: &Sandbox) -> String {
    let url = format!("https://{PACKAGECLOUD_HOST}/1/2/ubuntu/package_files/97310.deb");
    let headers = [("authorization", "Basic ZGVtby10b2tlbjo=")];
    let reply = open_session(world).web.send_http_get(&url, &headers).await.unwrap();
    reply.find_header("location").unwrap().to_owned()
}

pub async fn fetch_status(world: &Sandbox, url: &str) -> u16 {
    open_session(world).web.send_http_get(url, &[]).await.unwrap().status
}

async fn make_new_secret(world: &Sandbox) -> Result<(), Failure> {
    let consents = OperatorConsents { new_secret: true, ..OperatorConsents::default() };
    let answers = OperatorAnswers { consents, ..OperatorAnswers::default() };
    Box::pin(run_stages(world, &answers, &[RunStage::Secret])).await.1
}

pub async fn set_up_new_secret(world: &Sandbox) -> Result<(), Failure> {
    make_new_secret(world).await?;
    Box::pin(run_stages(world, &OperatorAnswers::default(), &SET_UP_STAGES)).await.1
}

#[tokio::test(start_paused = true)]
async fn a_new_version_keeps_every_secret_that_the_edge_accepts_and_never_a_fourth() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    let live = Box::pin(run_stages(&world, &OperatorAnswers::default(), &LIVE_STAGES)).await.1;
    assert_eq!((live, count_version_secrets(&world, 1)), (Ok(()), (1, 1)));

    // packagecloud goes on signing with the first secret until it is reconfigured: not one of its links is refused.
    switch_off(&world);
    let (renewed, wrong) = Box::pin(watch_clients_during(&world, true, set_up_new_secret(&world))).await;
    assert_eq!((renewed, wrong), (Ok(()), None));
    assert_eq!(count_version_secrets(&world, 2), (2, 2));

    // What runs again publishes nothing, whatever the order of the secrets.
    let (_, again) = Box::pin(run_stages(&world, &OperatorAnswers::default(), &LIVE_STAGES)).await;
    assert_eq!((again, count_made_resources(&world)[2]), (Ok(()), 2));
    assert_eq!(download_package(&world).await.unwrap().1, 200);

    // Back to the version that lacks the secret which this host signs with: neither by name nor by a roll-back.
    let named = OperatorAnswers { version_arn: Some(version_arn(1)), ..OperatorAnswers::default() };
    let (_, fewer) = Box::pin(run_stages(&world, &named, &[RunStage::Distribution])).await;
    let failure = fewer.unwrap_err();
    assert!(failure.why.contains("it lacks 1 of the 2 secrets"), "{failure:?}");
    assert!(failure.next.contains(&format!("roll-back --edge {}", version_arn(1))), "{failure:?}");
    let failure = roll_back_edge(&world, &OperatorAnswers::default(), 1).await.unwrap();
    assert!(failure.why.contains("it doesn't accept the secret in "), "{failure:?}");

    switch_off(&world);
    assert_eq!(Box::pin(set_up_new_secret(&world)).await, Ok(()));
    assert_eq!(count_version_secrets(&world, 3), (3, 3));
    // Nothing is written that couldn't go live.
    let config = world.sandbox_dir().join("packagecloud.rb");
    let before = std::fs::read(&config).unwrap();
    let failure = make_new_secret(&world).await.unwrap_err();
    assert!(failure.why.contains("would have to accept 4"), "{failure:?}");
    assert!(std::fs::read(&config).unwrap() == before && count_made_resources(&world)[2] == 3);
}

#[tokio::test(start_paused = true)]
async fn while_every_node_is_off_a_new_secret_takes_the_place_of_all_others() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    assert_eq!(go_live(&world).await, Ok(()));
    let mut known = Vec::new();
    for version in 2..6 {
        known.push(fetch_handed_out_link(&world).await);
        disable(&world).await;
        assert_eq!(fetch_status(&world, known.last().unwrap()).await, 200, "a link lasts beyond the switch");
        assert_eq!(Box::pin(set_up_new_secret(&world)).await, Ok(()), "version {version}");
        assert_eq!(count_version_secrets(&world, version), (1, 1), "version {version}");
        assert_eq!(go_live(&world).await, Ok(()));
        assert_eq!(download_package(&world).await.unwrap().1, 200);
        for link in &known {
            assert_eq!(fetch_status(&world, link).await, 403, "{link} by a secret that was given up");
        }
    }
    // Off and on again with the same secret: nothing is published, nothing given up.
    let link = fetch_handed_out_link(&world).await;
    disable(&world).await;
    assert_eq!((go_live(&world).await, count_made_resources(&world)[2]), (Ok(()), 5));
    assert_eq!(fetch_status(&world, &link).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_key_takes_only_the_secrets_with_it_that_nobody_can_open() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    assert_eq!(go_live(&world).await, Ok(()));
    switch_off(&world);
    assert_eq!(Box::pin(set_up_new_secret(&world)).await, Ok(()));
    assert_eq!((go_live(&world).await, count_version_secrets(&world, 2)), (Ok(()), (2, 2)));

    // The key stands, and nothing leads to it: no other is made in its place.
    let (keys, aliases) =
        world.read_sandbox_state_from_disk(|state| (state.kms.keys.clone(), state.kms.aliases.clone()));
    world.update_sandbox_state_on_disk(|state| {
        state.kms.aliases.clear();
        state.kms.keys.values_mut().for_each(|key| key.tags.clear());
    });
    let failure = go_live(&world).await.unwrap_err();
    assert!(failure.why.contains("(Enabled) encrypted"), "{failure:?}");
    assert!(failure.next.contains("aws kms create-alias --region us-east-1"), "{failure:?}");
    assert_eq!(count_made_resources(&world)[..3], [1, 1, 2]);

    for gone in ["PendingDeletion", ""] {
        world.update_sandbox_state_on_disk(|state| {
            (state.kms.keys, state.kms.aliases) = (keys.clone(), aliases.clone());
            state.kms.aliases.clear();
            if gone.is_empty() {
                state.kms.keys.clear();
            } else {
                state.kms.keys.values_mut().for_each(|key| key.state = gone.into());
            }
        });
        let bootstrap =
            look_at_stage(&world, &OperatorAnswers::default(), RunStage::Bootstrap).await.unwrap();
        let said = |part: &str| bootstrap.changes.iter().any(|change| change.why.contains(part));
        assert!(said("as that key is deleted"), "{gone}: {bootstrap:?}");
    }
    assert_eq!(go_live(&world).await, Ok(()));
    assert_eq!((count_version_secrets(&world, 3), count_made_resources(&world)[0]), ((1, 1), 1));
    assert_eq!(download_package(&world).await.unwrap().1, 200);
}

#[tokio::test(start_paused = true)]
async fn what_makes_another_version_of_an_adopted_function_keeps_them_too() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    assert_eq!(Box::pin(run_stages(&world, &OperatorAnswers::default(), &LIVE_STAGES)).await.1, Ok(()));
    switch_off(&world);
    assert_eq!(Box::pin(set_up_new_secret(&world)).await, Ok(()));
    world.update_sandbox_state_on_disk(|state| {
        state.lambda.functions.get_mut(FUNCTION).unwrap().tags.clear();
    });
    let consents = OperatorConsents { adopt: true, ..OperatorConsents::default() };
    let construction = Some("raw:path+expires".parse().unwrap());
    let answers = OperatorAnswers { consents, construction, ..OperatorAnswers::default() };
    assert_eq!(Box::pin(run_stages(&world, &answers, &SET_UP_STAGES)).await.1, Ok(()));
    assert_eq!(count_version_secrets(&world, 3), (2, 2));
    let carried = world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().all(|one| one.config.contains(&version_arn(3)))
    });
    assert!(carried, "the distribution has the new version");
}

#[tokio::test(start_paused = true)]
async fn an_earlier_version_that_tells_no_fingerprints_needs_a_link_of_packageclouds() {
    let (_dir, world, _, result) = Box::pin(set_up_with_faults(&[])).await;
    assert_eq!(result, Ok(()));
    world.update_sandbox_state_on_disk(|state| {
        let function = state.lambda.functions.get_mut(FUNCTION).unwrap();
        let mut earlier = function.versions[0].clone();
        earlier.number = 2;
        earlier.configuration.description = "CloudFront auth".into();
        function.versions.push(earlier);
    });
    // CloudFront is off, so packagecloud makes no such link.
    let failure = roll_back_edge(&world, &OperatorAnswers::default(), 2).await.unwrap();
    assert_eq!(failure.kind, FailureKind::Consent, "{failure:?}");
    assert!(failure.next.contains("--unproven") && failure.next.contains("--probe-url"), "{failure:?}");
    let consents = OperatorConsents { unproven: true, ..OperatorConsents::default() };
    let unproven = OperatorAnswers { consents, ..OperatorAnswers::default() };
    assert_eq!(roll_back_edge(&world, &unproven, 2).await, None);
}

/// Gives the function a second version that is like its first.
fn add_equal_version(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        let function = state.lambda.functions.get_mut(FUNCTION).unwrap();
        let mut equal = function.versions[0].clone();
        equal.number = 2;
        function.versions.push(equal);
    });
}

#[tokio::test(start_paused = true)]
async fn an_earlier_version_is_put_on_live_links_behind_the_gate_and_taken_off_where_that_fails() {
    for gate_fails in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_instant_sandbox(dir.path(), &[]);
        assert_eq!(Box::pin(run_stages(&world, &OperatorAnswers::default(), &LIVE_STAGES)).await.1, Ok(()));
        add_equal_version(&world);
        let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let (_pausing, pause) = tokio::sync::watch::channel(false);
        let bucket = world.clone();
        // Somebody shuts CloudFront out of the bucket in the moment in which the gate begins.
        let run = RunContext::new(events, tokio_util::sync::CancellationToken::new(), pause)
            .with_event_listener(move |event| {
                if gate_fails && matches!(event, StageEvent::Started { step: StageStep::Gate, .. }) {
                    bucket.update_sandbox_state_on_disk(|state| {
                        state.s3.buckets.values_mut().for_each(|one| one.policy = None);
                    });
                }
            });
        let (here, answers, second) = (open_session(&world), OperatorAnswers::default(), version_arn(2));
        let back = engine::roll_back_function_version(&here, &answers, &second, &run);
        let failure = Box::pin(back).await.1;
        let stands = if gate_fails { 1 } else { 2 };
        let carried = world.read_sandbox_state_from_disk(|state| {
            state.cloudfront.distributions.values().all(|one| one.config.contains(&version_arn(stands)))
        });
        assert!(carried, "{failure:?}");
        match failure {
            Some(failure) => {
                assert!(gate_fails && failure.what.starts_with("the gate"), "{failure:?}");
                assert!(failure.why.contains("put back"), "{failure:?}");
            }
            None => assert!(!gate_fails),
        }
        let mut said = Vec::new();
        while let Ok(event) = heard.try_recv() {
            said.push(event);
        }
        let gate = |event: &StageEvent| matches!(event, StageEvent::Started { step: StageStep::Gate, .. });
        assert!(said.iter().any(gate), "{said:?}");
    }
}
