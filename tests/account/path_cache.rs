//! Packages cached by their path: a new install, one made before that is taken over while links are served, and what stands in the way.

use packagecloud_cloudfront::{
    aws::web::WebReply,
    engine::{self, RunContext, Session},
    model::{
        failure::FailureKind,
        packagecloud::{
            object::{ObjectCacheClass, ObjectClassifier},
            path_cache::PathSpellingReading,
        },
        run::{
            answers::{OperatorAnswers, OperatorConsents, ReindexAnswers},
            event::StageEvent,
            goal::{OperatorGoal, RunStage, StageStep},
            plan::{RequiredConsent, ResourceChangeKind},
        },
    },
    sandbox::{
        self, Sandbox, SandboxOptions, control_plane::s3::BucketJournalChange, router::PACKAGECLOUD_HOST,
        seed,
    },
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    client::watch_clients_during,
    engine::{look_at_stage, open_instant_sandbox, run_stages, with_yes},
    session::open_session,
    vendor::LIVE_STAGES,
};

const PACKAGE_KEY: &str = "1/2/ubuntu/package_files/97310.deb";
const FIRST_EXCLUSION: &str = "<PathPattern>*/dists/*</PathPattern>";

fn install() -> OperatorAnswers {
    OperatorAnswers { goal: Some(OperatorGoal::Install), ..OperatorAnswers::default() }
}

fn open_sandbox_with_delays(dir: &std::path::Path) -> Sandbox {
    sandbox::open_or_seed_sandbox(&SandboxOptions { dir: dir.to_owned(), ..SandboxOptions::default() })
        .unwrap()
}

/// Takes away what an install made before this release hasn't: the behaviors by path, and their policy.
fn remove_path_caching(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        for one in state.cloudfront.distributions.values_mut() {
            let (before, rest) = one.config.split_once("<CacheBehaviors>").unwrap();
            let (_, after) = rest.split_once("</CacheBehaviors>").unwrap();
            one.config = format!("{before}<CacheBehaviors><Quantity>0</Quantity></CacheBehaviors>{after}");
            one.deployed_before = None;
        }
        state.cloudfront.policies.retain(|_, policy| policy.name != "packagecloud_cloudfront_packages");
    });
}

/// No object says anything of caching.
fn remove_cache_control(world: &Sandbox) {
    let store = &world.sandbox_in_memory_state().objects;
    let changed = store.change_stored_bucket::<(), std::io::Error>(seed::SANDBOX_BUCKET, |objects| {
        let newest = objects.values().filter_map(|versions| versions.last()).cloned();
        let stripped = newest.map(|mut object| {
            object.attributes.remove("cache-control");
            BucketJournalChange::Put(Box::new(object))
        });
        Ok((stripped.collect(), ()))
    });
    changed.unwrap();
}

fn distribution_config(world: &Sandbox) -> String {
    world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().next().unwrap().config.clone()
    })
}

/// What a package manager gets who follows packagecloud's redirect, with its link respelled by `spell`.
async fn fetch_by_redirect(world: &Sandbox, key: &str, spell: impl Fn(&str) -> String) -> WebReply {
    let Session { web, .. } = open_session(world);
    let url = format!("https://{PACKAGECLOUD_HOST}/{key}");
    let reply = web.send_http_get(&url, &[("authorization", "Basic ZGVtby10b2tlbjo=")]).await.unwrap();
    let location = reply.find_header("location").unwrap().to_owned();
    web.send_http_get(&spell(&location), &[]).await.unwrap()
}

async fn fetch_x_cache(world: &Sandbox, key: &str) -> String {
    let reply = fetch_by_redirect(world, key, str::to_owned).await;
    assert_eq!(reply.status, 200, "{key}");
    reply.find_header("x-cache").unwrap_or_default().to_owned()
}

/// Writes a link's path in another spelling: the characters that `is_escaped` names stand as escapes.
fn respell_link_path(link: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let (start, query) = link.split_once('?').unwrap();
    let (host, path) = start.strip_prefix("https://").unwrap().split_once('/').unwrap();
    let path: String = path
        .chars()
        .map(|char| match char {
            '%' | '/' => char.to_string(),
            _ if is_escaped(char) => format!("%{:02x}", u32::from(char)),
            _ => char.to_string(),
        })
        .collect();
    format!("https://{host}/{path}?{query}")
}

/// Asks for each piece of repository metadata in several spellings, one after the other into one cache.
async fn assert_no_metadata_is_a_hit(world: &Sandbox, reading: PathSpellingReading) {
    let classes = ObjectClassifier::default();
    let store = &world.sandbox_in_memory_state().objects;
    let metadata = store
        .change_stored_bucket::<Vec<String>, std::io::Error>(seed::SANDBOX_BUCKET, |objects| {
            let is_metadata = |key: &&String| classes.classify_object_key(key) == ObjectCacheClass::Metadata;
            Ok((Vec::new(), objects.keys().filter(is_metadata).cloned().collect()))
        })
        .unwrap();
    assert!(metadata.len() > 5, "{metadata:?}");
    let spellings: [fn(char) -> bool; 5] =
        [|_| false, |char| "drgsq".contains(char), |char| char == '.', char::is_alphabetic, |_| true];
    for key in &metadata {
        for (nth, is_escaped) in spellings.iter().chain(&spellings).enumerate() {
            let reply = fetch_by_redirect(world, key, |link| respell_link_path(link, is_escaped)).await;
            let x_cache = reply.find_header("x-cache").unwrap_or_default();
            assert!(
                reply.status == 200 && !x_cache.starts_with("Hit"),
                "{reading:?}: {key}, spelling {nth}: {} {x_cache}",
                reply.status
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_download_of_a_package_that_says_nothing_is_a_hit_and_metadata_never_is() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    let (_, result) = run_stages(&world, &install(), &LIVE_STAGES).await;
    result.unwrap();
    remove_cache_control(&world);
    for reading in [PathSpellingReading::Raw, PathSpellingReading::UnreservedDecoded] {
        *world.sandbox_in_memory_state().path_reading.lock().unwrap() = reading;
        world.sandbox_in_memory_state().cache.lock().unwrap().clear();
        assert!(fetch_x_cache(&world, PACKAGE_KEY).await.starts_with("Miss"), "{reading:?}");
        assert!(fetch_x_cache(&world, PACKAGE_KEY).await.starts_with("Hit"), "{reading:?}");
        assert_no_metadata_is_a_hit(&world, reading).await;
        // After a day it is asked for by If-None-Match.
        tokio::time::advance(std::time::Duration::from_secs(86_401)).await;
        assert!(fetch_x_cache(&world, PACKAGE_KEY).await.starts_with("RefreshHit"), "{reading:?}");
    }
    // Every behavior carries the authenticator.
    let config = distribution_config(&world);
    let behaviors = config.matches("<TargetOriginId>").count();
    assert!(behaviors > 20, "{behaviors}");
    assert_eq!(config.matches("<EventType>viewer-request</EventType>").count(), behaviors);
}

/// A live install as it was made before packages were cached by their path.
async fn open_live_install_of_before(dir: &std::path::Path) -> Sandbox {
    let world = open_sandbox_with_delays(dir);
    let (_, result) = run_stages(&world, &install(), &LIVE_STAGES).await;
    result.unwrap();
    remove_path_caching(&world);
    world
}

#[tokio::test(start_paused = true)]
async fn an_install_made_before_is_taken_over_behind_a_question_and_no_link_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_install_of_before(dir.path()).await;
    let before = distribution_config(&world);

    let plan = look_at_stage(&world, &install(), RunStage::Distribution).await.unwrap();
    let asked: Vec<RequiredConsent> = plan.confirmations.iter().map(|one| one.consent).collect();
    assert_eq!(asked, [RequiredConsent::LiveChange], "{:?}", plan.confirmations);
    assert!(plan.changes.iter().any(|change| change.step == StageStep::Gate));
    let silent = RunContext::new_silent_context();
    let (_, failure) = engine::apply(&open_session(&world), &plan, &install(), &silent).await;
    assert_eq!(failure.unwrap().kind, FailureKind::Consent);
    assert_eq!(distribution_config(&world), before, "without a yes nothing is changed");

    let answers = install();
    let taking_over = run_stages(&world, &answers, &LIVE_STAGES);
    let ((said, result), wrong) = Box::pin(watch_clients_during(&world, true, taking_over)).await;
    assert_eq!((result, wrong), (Ok(()), None));
    let is_finished = |step| {
        said.iter().position(|event| matches!(event, StageEvent::Finished { step: one, .. } if *one == step))
    };
    let (deployed, gate) = (is_finished(StageStep::Deployed), is_finished(StageStep::Gate));
    assert!(deployed.is_some() && deployed < gate, "the gate runs after Deployed: {said:?}");
    assert!(distribution_config(&world).contains(FIRST_EXCLUSION));
    let again = look_at_stage(&world, &install(), RunStage::Distribution).await.unwrap();
    assert!(again.is_plan_without_changes() && again.confirmations.is_empty(), "{:?}", again.changes);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_says_off_and_was_not_applied_leaves_the_change_a_live_one() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_install_of_before(dir.path()).await;
    let config = dir.path().join("packagecloud.rb");
    let on = std::fs::read_to_string(&config).unwrap();
    let off = on.replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false");
    assert_ne!(on, off);
    for file in [off.as_str(), "external_url 'https://packagecloud.sandbox.internal'\n"] {
        std::fs::write(&config, file).unwrap();
        assert!(fetch_x_cache(&world, PACKAGE_KEY).await.ends_with("from cloudfront"));
        let plan = look_at_stage(&world, &install(), RunStage::Distribution).await.unwrap();
        let asked: Vec<RequiredConsent> = plan.confirmations.iter().map(|one| one.consent).collect();
        assert_eq!(asked, [RequiredConsent::LiveChange], "{file}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_the_gate_refuses_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_install_of_before(dir.path()).await;
    let before = distribution_config(&world);
    let consents = OperatorConsents { live_change: true, ..OperatorConsents::default() };
    let answers = OperatorAnswers { consents, ..install() };
    let session = open_session(&world);
    let plan = Box::pin(engine::look(&session, RunStage::Distribution, &answers)).await.unwrap();
    // Somebody shuts CloudFront out of the bucket in the moment in which the gate begins.
    let bucket_closes = world.clone();
    let (events, _heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let run = RunContext::new(events, CancellationToken::new(), pause).with_event_listener(move |event| {
        if matches!(event, StageEvent::Started { step: StageStep::Gate, .. }) {
            bucket_closes.update_sandbox_state_on_disk(|state| {
                state.s3.buckets.values_mut().for_each(|bucket| bucket.policy = None);
            });
        }
    });
    let (_, failure) = Box::pin(engine::apply(&session, &plan, &answers, &run)).await;
    let failure = failure.unwrap();
    assert!(failure.what.starts_with("the gate"), "{failure:?}");
    assert!(failure.why.contains("put back"), "{failure:?}");
    assert_eq!(sort_elements(&distribution_config(&world)), sort_elements(&before), "as it was");
}

/// A configuration whose elements stand in no order of their own.
fn sort_elements(config: &str) -> String {
    let mut elements: Vec<&str> = config.split('<').collect();
    elements.sort_unstable();
    elements.join("\n")
}

/// Takes the install over, and is broken off in the moment in which `step` begins: killed, or asked to stop.
async fn break_off_takeover(world: &Sandbox, step: StageStep, is_killed: bool) {
    let answers = with_yes(&install());
    let session = open_session(world);
    let plan = Box::pin(engine::look(&session, RunStage::Distribution, &answers)).await.unwrap();
    let (events, _heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let (stop, dead) = (CancellationToken::new(), CancellationToken::new());
    let at_step = if is_killed { dead.clone() } else { stop.clone() };
    let run = RunContext::new(events, stop, pause).with_event_listener(move |event| {
        if matches!(event, StageEvent::Started { step: one, .. } if *one == step) {
            at_step.cancel();
        }
    });
    tokio::select! {
        biased;
        () = dead.cancelled() => assert!(is_killed),
        (_, failure) = Box::pin(engine::apply(&session, &plan, &answers, &run)) => {
            assert_eq!(failure.unwrap().kind, FailureKind::Interrupted);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_broken_off_before_its_gate_is_proven_by_the_next_run_or_put_back() {
    for (step, is_killed) in [
        (StageStep::Authenticator, true),
        (StageStep::Deployed, true),
        (StageStep::Deployed, false),
        (StageStep::Gate, true),
    ] {
        for does_gate_pass in [true, false] {
            let moment = format!("{step:?}, killed: {is_killed}, the gate passes: {does_gate_pass}");
            let dir = tempfile::tempdir().unwrap();
            let world = open_sandbox_with_delays(dir.path());
            let (_, result) = run_stages(&world, &install(), &LIVE_STAGES).await;
            result.unwrap();
            remove_path_caching(&world);
            let before = distribution_config(&world);
            break_off_takeover(&world, step, is_killed).await;
            assert_ne!(distribution_config(&world), before, "{moment}: it was changed");
            let plan = look_at_stage(&world, &install(), RunStage::Distribution).await.unwrap();
            let gates = plan.changes.iter().filter(|change| change.step == StageStep::Gate).count();
            assert_eq!(gates, 1, "{moment}: {:?}", plan.changes);
            assert!(plan.confirmations.is_empty(), "{moment}: it was consented to");
            if !does_gate_pass {
                world.update_sandbox_state_on_disk(|state| {
                    state.s3.buckets.values_mut().for_each(|bucket| bucket.policy = None);
                });
            }
            let (_, result) = run_stages(&world, &install(), &[RunStage::Distribution]).await;
            if does_gate_pass {
                assert_eq!(result, Ok(()), "{moment}");
                assert!(distribution_config(&world).contains(FIRST_EXCLUSION), "{moment}");
                let again = look_at_stage(&world, &install(), RunStage::Distribution).await.unwrap();
                assert!(again.is_plan_without_changes(), "{moment}: {:?}", again.changes);
            } else {
                let failure = result.unwrap_err();
                assert!(failure.what.starts_with("the gate"), "{moment}: {failure:?}");
                assert!(failure.why.contains("put back"), "{moment}: {failure:?}");
                assert_eq!(
                    sort_elements(&distribution_config(&world)),
                    sort_elements(&before),
                    "{moment}: as it was"
                );
            }
            assert!(!dir.path().join("state/unproven-change").exists(), "{moment}: it is settled");
        }
    }
}

/// What the distribution stage says and does where packages can't be cached by their path: that alone, and it goes live.
async fn go_live_without_path_caching(world: &Sandbox, answers: &OperatorAnswers) -> String {
    let (said, result) = run_stages(world, answers, &LIVE_STAGES).await;
    result.unwrap();
    assert!(!distribution_config(world).contains(FIRST_EXCLUSION));
    assert_eq!(fetch_by_redirect(world, PACKAGE_KEY, str::to_owned).await.status, 200, "it is live");
    format!("{said:?}")
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_said_and_stops_nothing() {
    for (fault, sentence) in [
        ("cloudfront:CreateCachePolicy:2:refuse:quota-cache-policies", "no package is cached by its path: "),
        (
            "cloudfront:CreateDistributionWithTags:1:refuse:quota-cache-behaviors",
            "no package is cached by its path: ",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_instant_sandbox(dir.path(), &[fault.to_owned()]);
        let said = go_live_without_path_caching(&world, &install()).await;
        assert!(said.contains(sentence), "{fault}: {said}");
    }
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    let metadata_globs = vec!["*.{run,sh}".to_owned()];
    let reindex = ReindexAnswers { metadata_globs, ..ReindexAnswers::default() };
    let answers = OperatorAnswers { reindex, ..install() };
    let plan = look_at_stage(&world, &answers, RunStage::Distribution).await.unwrap();
    let notes = plan.notes.join(" ");
    assert!(notes.contains("No package is cached by its path") && notes.contains("*.{run,sh}"), "{notes}");
    go_live_without_path_caching(&world, &answers).await;
    // The same install with globs that a pattern can say.
    let plan = look_at_stage(&world, &install(), RunStage::Distribution).await.unwrap();
    assert!(plan.changes.iter().any(|change| change.verb == ResourceChangeKind::Update));
}

#[tokio::test(start_paused = true)]
async fn where_paths_are_taken_from_the_packages_the_plan_names_what_edges_forget_them_by() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    let (_, result) = run_stages(&world, &install(), &LIVE_STAGES).await;
    result.unwrap();
    let plan_with = async |globs: &[&str]| {
        let metadata_globs = globs.iter().map(|glob| (*glob).to_owned()).collect();
        let reindex = ReindexAnswers { metadata_globs, ..ReindexAnswers::default() };
        let answers = OperatorAnswers { reindex, ..install() };
        look_at_stage(&world, &answers, RunStage::Distribution).await.unwrap().notes.join(" ")
    };
    for globs in [["*/mirror/*"], ["*.{run,sh}"]] {
        let notes = plan_with(&globs).await;
        assert!(notes.contains("invalidate --packages"), "{globs:?}: {notes}");
    }
    assert!(!plan_with(&[]).await.contains("invalidate"), "nothing is taken away");
    remove_path_caching(&world);
    assert!(!plan_with(&["*/mirror/*"]).await.contains("invalidate"), "nothing was cached by its path");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_behavior_or_page_in_the_way_is_named_and_kept() {
    let behavior =
        "<CacheBehaviors><Quantity>1</Quantity><Items><CacheBehavior><PathPattern>*.deb</PathPattern>";
    let page = "<ErrorCode>404</ErrorCode><ResponsePagePath>/404.html</ResponsePagePath><ResponseCode>404</ResponseCode>";
    for (name, sentence) in [("behavior", "behavior *.deb of distribution"), ("page", "404 with a page")] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_instant_sandbox(dir.path(), &[]);
        let (_, result) = run_stages(&world, &install(), &LIVE_STAGES).await;
        result.unwrap();
        remove_path_caching(&world);
        world.update_sandbox_state_on_disk(|state| {
            for one in state.cloudfront.distributions.values_mut() {
                one.config = if name == "page" {
                    one.config.replace("<ErrorCode>404</ErrorCode>", page)
                } else {
                    let (_, rest) = one.config.split_once("<DefaultCacheBehavior>").unwrap();
                    let (default, _) = rest.split_once("</DefaultCacheBehavior>").unwrap();
                    let whole = format!("{behavior}{default}</CacheBehavior></Items></CacheBehaviors>");
                    one.config.replace("<CacheBehaviors><Quantity>0</Quantity></CacheBehaviors>", &whole)
                };
            }
        });
        let before = distribution_config(&world);
        let plan = look_at_stage(&world, &install(), RunStage::Distribution).await.unwrap();
        let notes = plan.notes.join(" ");
        assert!(notes.contains(sentence), "{name}: {notes}");
        let (_, result) = run_stages(&world, &install(), &LIVE_STAGES).await;
        result.unwrap();
        assert_eq!(distribution_config(&world), before, "{name}: nothing of it is touched");
    }
}
