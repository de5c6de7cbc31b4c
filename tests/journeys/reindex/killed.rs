//! Killed (SIGKILL) again and again while a writer replaces objects all the while: every object is right in the end,
//! none is copied twice but those in flight, and none of the writer's writes is lost.
//!
//! `PACKAGECLOUD_TEST_EVERYTHING=1` kills thirty times, else a few.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use packagecloud_cloudfront::sandbox::{seed::SANDBOX_BUCKET, serve};

use super::bucket::{
    METADATA_CACHE_CONTROL, PACKAGE_CACHE_CONTROL, binary_command, build_object, command_over_network,
    object_versions, open_empty_sandbox, put_objects,
};

const INDEX_KEY: &str = "7/8/debian/dists/jammy/main/binary-amd64/Packages";

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn killed_again_and_again_beside_a_writer_it_loses_nothing() {
    let everything = std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some();
    let (count, kills) = if everything { (20_000, 30) } else { (400, 4) };
    let dir = tempfile::tempdir().unwrap();
    let world = open_empty_sandbox(dir.path());
    let package = |number: usize| format!("7/{}/debian/package_files/{number}.deb", 8 + number % 5);
    put_objects(&world, (0..count).map(|number| build_object(&world, &package(number), b"package")));
    put_objects(
        &world,
        (0..10).map(|number| build_object(&world, &format!("{INDEX_KEY}{number}"), b"index 0")),
    );
    let serving = serve::start_sandbox_server(&world, 0, 0, 0).await.unwrap();

    // packagecloud's server: it rewrites the indexes all the while, and each write is the truth from then on.
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (s3, done) = (aws_sdk_s3::Client::new(&world.build_sandbox_sdk_config()), done.clone());
        async move {
            let mut last = BTreeMap::new();
            for round in 1u32.. {
                if done.load(Relaxed) {
                    break;
                }
                let key = format!("{INDEX_KEY}{}", round % 10);
                let body = format!("index {round}");
                s3.put_object()
                    .bucket(SANDBOX_BUCKET)
                    .key(&key)
                    .metadata("round", round.to_string())
                    .body(body.into_bytes().into())
                    .send()
                    .await
                    .unwrap();
                last.insert(key, round);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            last
        }
    });

    let command = || command_over_network(binary_command(dir.path()), dir.path(), &serving.addresses.aws);
    let copies = || {
        let calls = world.sandbox_recorded_aws_calls();
        calls.iter().filter(|call| call.operation == "CopyObject" && call.status == Some(200)).count()
    };
    let (mut killed, mut alive) = (0, true);
    while alive && killed < kills {
        let mut child = command().stderr(Stdio::null()).spawn().unwrap();
        // Not before it copies, or nothing in flight would be cut off.
        let before = copies();
        while copies() == before && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..150))).await;
        alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        killed += usize::from(alive);
    }
    assert!(killed >= if everything { kills } else { 2 }, "killed {killed} times while it ran");
    // The writer goes on through the last run's beginning, then rests, so that there is an end.
    let mut last_run = command().stderr(Stdio::piped()).spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    done.store(true, Relaxed);
    let last = writer.await.unwrap();
    let finished = tokio::task::spawn_blocking(move || {
        let status = last_run.wait().unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut last_run.stderr.take().unwrap(), &mut said).unwrap();
        (status.code(), said)
    });
    let (code, said) = finished.await.unwrap();
    assert_eq!(code, Some(0), "{said}");

    let after = object_versions(&world);
    for number in 0..count {
        let object = after[&package(number)].last().unwrap();
        assert_eq!(object.attributes["cache-control"], PACKAGE_CACHE_CONTROL, "{}", object.key);
    }
    assert!(last.len() == 10, "the writer came round: {last:?}");
    for (key, round) in &last {
        let object = after[key].last().unwrap();
        assert_eq!(object.attributes["x-amz-meta-round"], round.to_string(), "{key}: a write was lost");
        let content = world
            .sandbox_in_memory_state()
            .objects
            .read_sandbox_object_content(object.blob.as_ref().unwrap())
            .unwrap();
        assert_eq!(content, format!("index {round}").into_bytes(), "{key}: a write was lost");
    }
    // What was written after its last look is the next run's; the one after all writes leaves none.
    let status = tokio::task::spawn_blocking({
        let mut again = command();
        move || again.arg("--rescan").stderr(Stdio::null()).status().unwrap()
    });
    assert!(status.await.unwrap().success());
    assert!(last.keys().all(|key| object_versions(&world)[key].last().unwrap().attributes["cache-control"]
        == METADATA_CACHE_CONTROL));

    // Of the packages, which nobody else writes: each once, and again only what was in flight when it was killed.
    let journal =
        std::fs::read_to_string(world.sandbox_dir().join(format!("s3/{SANDBOX_BUCKET}.journal"))).unwrap();
    let written = journal
        .lines()
        .filter(|line| line.contains("package_files") && line.contains(PACKAGE_CACHE_CONTROL))
        .count();
    assert!(
        (count..=count + killed * 64).contains(&written),
        "{written} copies of {count} packages, {killed} kills"
    );
}
