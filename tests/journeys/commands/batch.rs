//! The reindex by S3 Batch Operations, through the real binary: nothing lost, nothing made twice, whatever happens between.
//!
//! What a job can't do, and what somebody writes while it runs, is right in the end all the same.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use packagecloud_cloudfront::model::packagecloud::object::ObjectClassifier;
use packagecloud_cloudfront::sandbox::{
    Sandbox,
    control_plane::{
        s3::{self, SandboxObject},
        s3control::SandboxBatchJobStatus,
    },
    seed::SANDBOX_BUCKET,
};
use serde_json::{Value, json};

use super::journey_host::{JourneyHost, JourneyRun};

const PACKAGE_KINDS: [(&str, &str); 4] = [
    ("deb", "application/x-debian-package"),
    ("rpm", "application/x-rpm"),
    ("gem", "application/octet-stream"),
    ("whl", "application/zip"),
];

/// A host whose objects are an hour old, as packages are.
fn host_with_old_objects() -> JourneyHost {
    let host = JourneyHost::new();
    let world = host.open_sandbox();
    for (kind, of) in PACKAGE_KINDS {
        for number in 0..12 {
            put_object(
                &world,
                &format!("7/8/package_files/a+b c%{number}.{kind}"),
                &[("content-type", of)],
                kind,
            );
        }
    }
    put_object(&world, "7/8/debian/dists/jammy/InRelease", &[("content-type", "text/plain")], "index");
    age_objects(&world);
    host
}

fn put_object(world: &Sandbox, key: &str, attributes: &[(&str, &str)], content: &str) {
    s3::place_sandbox_object(world, SANDBOX_BUCKET, key, attributes, content.as_bytes()).unwrap();
}

fn age_objects(world: &Sandbox) {
    for key in newest_objects(world).into_keys() {
        s3::modify_stored_object_in_place(world, SANDBOX_BUCKET, &key, |object| object.modified -= 3600)
            .unwrap();
    }
}

fn newest_objects(world: &Sandbox) -> BTreeMap<String, SandboxObject> {
    let newest = |all: &s3::ObjectVersionsByKey| {
        all.keys()
            .filter_map(|key| Some((key.clone(), s3::find_newest_sandbox_object_version(all, key)?.clone())))
            .collect()
    };
    world.sandbox_in_memory_state().objects.read_sandbox_bucket_from_disk(SANDBOX_BUCKET, newest).unwrap()
}

/// Every object of packagecloud's is as it was before but for its Cache-Control, and that is right.
#[track_caller]
fn assert_attributes_right(world: &Sandbox, before: &BTreeMap<String, SandboxObject>) {
    let after = newest_objects(world);
    for (key, was) in before {
        let is = &after[key];
        let right = ObjectClassifier::default().classify_object_key(key).expected_cache_control();
        assert_eq!(is.find_object_attribute_by_header("cache-control"), right, "{key}");
        let but = |object: &SandboxObject| {
            let mut object = object.clone();
            object.attributes.remove("cache-control");
            object.modified = 0;
            object.written = 0;
            if object.size > s3::COPY_MAX_BYTES {
                (object.etag, object.parts, object.checksum) = (String::new(), 0, None);
                object.layout.clear();
            }
            object
        };
        assert_eq!(but(is), but(was), "{key}");
    }
}

/// What is in every manifest, and how many jobs were made.
fn read_manifests(world: &Sandbox) -> (Vec<String>, usize) {
    let mut lines = Vec::new();
    for (key, object) in newest_objects(world) {
        if key.starts_with("packagecloud-cloudfront/batch/") && key.ends_with("-0.csv") {
            let text = world
                .sandbox_in_memory_state()
                .objects
                .read_sandbox_object_content(&object.blob.unwrap())
                .unwrap();
            lines.extend(String::from_utf8(text.to_vec()).unwrap().lines().map(str::to_owned));
        }
    }
    (lines, world.read_sandbox_state_from_disk(|state| state.s3control.jobs.len()))
}

fn start_batch_reindex(host: &JourneyHost, pace: &str) -> Child {
    let mut command = host.build_command();
    command
        .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", pace)
        .arg(format!("--sandbox={}", host.sandbox_path().display()))
        .args(["reindex-everything", "--engine", "batch", "--yes", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Reads events up to the first that is meant; false where the run ended before.
fn wait_for_event(child: &mut Child, meant: impl Fn(&Value) -> bool) -> bool {
    let mut line = String::new();
    let mut events = BufReader::new(child.stdout.as_mut().unwrap());
    while events.read_line(&mut line).unwrap() > 0 {
        if serde_json::from_str(&line).is_ok_and(|event| meant(&event)) {
            return true;
        }
        line.clear();
    }
    false
}

fn is_event_with_text(event: &Value, step: &str, text: &str) -> bool {
    event["step"] == step && event["text"].as_str().is_some_and(|said| said.contains(text))
}

fn kill_child(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn rerun_batch_reindex(host: &JourneyHost) -> JourneyRun {
    host.run_successfully("reindex-everything --engine batch --yes")
}

#[test]
fn jobs_copy_the_packages_and_lose_nothing_and_what_they_can_not_do_is_done_from_here() {
    let host = host_with_old_objects();
    let world = host.open_sandbox();
    put_object(
        &world,
        "7/8/package_files/tagged.deb",
        &[("content-type", PACKAGE_KINDS[0].1), ("x-amz-tagging", "t=1&u=2")],
        "t",
    );
    put_object(
        &world,
        "7/8/package_files/\u{fc}.whl",
        &[
            ("content-type", PACKAGE_KINDS[3].1),
            ("x-amz-meta-k", "v"),
            ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
        ],
        "m",
    );
    put_object(
        &world,
        "7/8/package_files/cool.whl",
        &[
            ("x-amz-storage-class", "STANDARD_IA"),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("content-disposition", "attachment"),
        ],
        "c",
    );
    put_object(
        &world,
        "7/8/package_files/kms.deb",
        &[
            ("x-amz-server-side-encryption", "aws:kms"),
            (
                "x-amz-server-side-encryption-aws-kms-key-id",
                "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
            ),
        ],
        "k",
    );
    s3::seed_object_without_content(
        &world,
        SANDBOX_BUCKET,
        "7/8/package_files/large.deb",
        &[("content-type", "x/large"), ("x-amz-tagging", "l=1")],
        (5 << 30) + 7,
    )
    .unwrap();
    let denied = "7/8/package_files/denied.deb";
    put_object(&world, denied, &[("content-type", PACKAGE_KINDS[0].1)], "d");
    age_objects(&world);
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": format!("arn:aws:s3:::{SANDBOX_BUCKET}/{denied}"),
        "Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::999999999999:role/packagecloud_cloudfront_batch"}}}]});
    world.update_sandbox_state_on_disk(|state| {
        state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().policy = Some(deny.to_string());
    });
    let mut before = newest_objects(&world);

    let changed = "7/8/package_files/a+b c%3.rpm";
    let mut child = start_batch_reindex(&host, "1");
    assert!(wait_for_event(&mut child, |event| is_event_with_text(event, "batch-jobs", "writing the list")));
    put_object(
        &world,
        changed,
        &[("content-type", "x/changed"), ("x-amz-meta-new", "yes")],
        "changed meanwhile",
    );
    before.insert(changed.to_owned(), newest_objects(&world)[changed].clone());
    assert!(wait_for_event(&mut child, |event| {
        event["type"] == "finished"
            && is_event_with_text(
                event,
                "batch-jobs",
                "2 could not be (AccessDenied 1, PreconditionFailed 1;",
            )
    }));
    assert!(wait_for_event(&mut child, |event| event["type"] == "ended" && event["end"] == "applied"));
    assert!(child.wait().unwrap().success());
    assert_attributes_right(&world, &before);
    let failed = std::fs::read_to_string(host.sandbox_path().join("state/batch.failed")).unwrap();
    assert!(failed.contains(denied) && failed.contains(changed), "{failed}");

    let (lines, jobs) = read_manifests(&world);
    assert!((6..=20).contains(&jobs), "{jobs}");
    let ours = |key: &str| lines.iter().any(|line| line.contains(key));
    assert!(ours("tagged.deb") && ours("%C3%BC.whl") && ours("a%2Bb%20c%253.rpm") && ours("cool.whl"));
    for never in ["InRelease", "Packages", "repodata", "simple/", "kms.deb", "large.deb"] {
        assert!(!ours(never), "{never} in {lines:#?}");
    }
    host.run_successfully("reindex-everything --engine batch --yes").assert_contains("nothing to do");
    assert_eq!(read_manifests(&world).1, jobs, "a finished run makes no job");
    assert_rescan_changes_nothing(&host, &before);
}

/// `--rescan` looks at all again: nothing is left for a job, and none is made.
fn assert_rescan_changes_nothing(host: &JourneyHost, before: &BTreeMap<String, SandboxObject>) {
    let world = host.open_sandbox();
    let jobs = read_manifests(&world).1;
    host.run_successfully("reindex-everything --engine batch --rescan --yes").assert_contains("0 changed");
    assert_eq!(read_manifests(&world).1, jobs);
    assert_attributes_right(&world, before);
}

#[test]
fn killed_anywhere_the_same_jobs_are_followed_and_none_is_made_twice() {
    type KillMoment = (&'static str, fn(&Value) -> bool);
    let moments: [KillMoment; 6] = [
        ("while objects are looked at", |event| event["type"] == "started" && event["step"] == "objects"),
        ("once they were", |event| event["type"] == "finished" && event["step"] == "objects"),
        ("at the first manifest", |event| is_event_with_text(event, "batch-jobs", "writing the list")),
        ("while jobs run", |event| is_event_with_text(event, "batch-jobs", "jobs are over")),
        ("once they are over", |event| event["type"] == "finished" && event["step"] == "batch-jobs"),
        ("in the last pass", |event| event["type"] == "started" && event["step"] == "remainder"),
    ];
    for (nth, (of, meant)) in moments.into_iter().enumerate() {
        let host = host_with_old_objects();
        let world = host.open_sandbox();
        let before = newest_objects(&world);
        let mut child = start_batch_reindex(&host, "0.3");
        assert!(wait_for_event(&mut child, meant), "{of}");
        std::thread::park_timeout(std::time::Duration::from_millis(nth as u64 * 13));
        kill_child(child);
        let tokens = |world: &Sandbox| {
            world.read_sandbox_state_from_disk(|state| {
                state.s3control.jobs.values().map(|job| job.asked.manifest.1.clone()).collect::<Vec<_>>()
            })
        };
        let made = tokens(&world);
        let ran = rerun_batch_reindex(&host);
        assert_attributes_right(&world, &before);
        let all = tokens(&world);
        assert!(made.iter().all(|one| all.contains(one)), "{of}: {ran:#?}");
        let mut each = all.clone();
        each.sort_unstable();
        each.dedup();
        assert_eq!(each.len(), all.len(), "{of}: two jobs for one manifest: {ran:#?}");
        // Four kinds here, and two more of the sandbox's own at most.
        assert!((4..=8).contains(&all.len()), "{of}: {all:#?}");
        assert!(
            !host.sandbox_path().join("state/batch.jobs").exists(),
            "{of}: a finished run leaves no record"
        );
    }
}

#[test]
fn lost_replies_make_no_second_job() {
    let host = host_with_old_objects();
    let world = host.open_sandbox();
    let before = newest_objects(&world);
    // Each reply of the first run is lost, however often it asks.
    let lost =
        host.run_line("reindex-everything --engine batch --yes --sandbox-fault s3control:CreateJob:*:lost");
    assert_eq!(lost.code, 1, "{lost:#?}");
    assert_eq!(read_manifests(&world).1, 1, "the same job each time");
    host.run_successfully("reindex-everything --engine batch --yes --sandbox-fault s3control:CreateJob:2:lost,s3control:DescribeJob:1:lost,s3:PutObject:1:lost");
    assert_attributes_right(&world, &before);
    let (lines, jobs) = read_manifests(&world);
    let mut each = lines.clone();
    each.sort_unstable();
    each.dedup();
    assert_eq!(
        (each.len(), jobs),
        (
            lines.len(),
            world.read_sandbox_state_from_disk(|state| {
                let mut manifests: Vec<_> =
                    state.s3control.jobs.values().map(|job| &job.asked.manifest.1).collect();
                manifests.sort_unstable();
                manifests.dedup();
                manifests.len()
            })
        )
    );
}

#[test]
fn without_its_record_a_run_finds_the_jobs_that_are_under_way() {
    let host = host_with_old_objects();
    let world = host.open_sandbox();
    let before = newest_objects(&world);
    let mut child = start_batch_reindex(&host, "1");
    assert!(wait_for_event(&mut child, |event| is_event_with_text(event, "batch-jobs", "jobs are over")));
    kill_child(child);
    let jobs = read_manifests(&world).1;
    std::fs::remove_dir_all(host.sandbox_path().join("state")).unwrap();
    let line = "reindex-everything --engine batch --yes --sandbox-pace 1";
    host.run_successfully(line).assert_contains("that an earlier run has made");
    assert_attributes_right(&world, &before);
    assert_eq!(read_manifests(&world).1, jobs, "all was done by the jobs that were there");
}

#[test]
fn a_job_that_was_cancelled_or_waits_for_somebody_is_told_with_what_comes_next() {
    let host = host_with_old_objects();
    let world = host.open_sandbox();
    let before = newest_objects(&world);
    let mut child = start_batch_reindex(&host, "1");
    assert!(wait_for_event(&mut child, |event| is_event_with_text(event, "batch-jobs", "jobs are over")));
    kill_child(child);
    let mut ids: Vec<_> =
        world.read_sandbox_state_from_disk(|state| state.s3control.jobs.keys().cloned().collect());
    let (held, cancelled) = (ids.pop().unwrap(), ids.pop().unwrap());
    let turn = |id: &str, status| {
        world.update_sandbox_state_on_disk(|state| state.s3control.jobs.get_mut(id).unwrap().status = status);
    };
    turn(&held, SandboxBatchJobStatus::Suspended);
    turn(&cancelled, SandboxBatchJobStatus::Cancelled);
    let ran = host.run_line("reindex-everything --engine batch --yes");
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.assert_contains(&format!("job {held}: it is suspended"))
        .assert_contains("--requested-job-status Ready");
    turn(&held, SandboxBatchJobStatus::Ready);
    rerun_batch_reindex(&host)
        .assert_contains(&format!("job {cancelled} was cancelled after 0 of"))
        .assert_contains("what they left is done from here");
    assert_attributes_right(&world, &before);
}

#[test]
fn the_policy_that_is_printed_suffices_for_the_jobs() {
    let host = host_with_old_objects();
    let plain = host.run_successfully("check --policy").out;
    assert!(!plain.contains("CreateJob"), "{plain}");
    let policy = host.run_successfully("check --policy --engine batch").out;
    assert!(policy.trim_end().len() <= 6144, "{}", policy.len());
    for action in [
        "s3:CreateJob",
        "s3:DescribeJob",
        "s3:ListJobs",
        "s3:PutJobTagging",
        "packagecloud_cloudfront_batch",
        "batchoperations.s3.amazonaws.com",
    ] {
        assert!(policy.contains(action), "no {action} in {policy}");
    }
    let world = host.open_sandbox();
    let before = newest_objects(&world);
    let document: Value = serde_json::from_str(&policy).unwrap();
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = document);
    rerun_batch_reindex(&host);
    assert_attributes_right(&world, &before);
    let without: Value = serde_json::from_str(&plain).unwrap();
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = without);
    let ran = host.run_line("check --engine batch");
    assert_eq!(ran.code, 3, "{ran:#?}");
    ran.assert_contains("s3:CreateJob");
    let denied = host.run_line("reindex-everything --engine batch --rescan --yes");
    assert_eq!(denied.code, 1, "{denied:#?}");
    denied.assert_contains("packagecloud_cloudfront_batch");
}

#[test]
fn a_role_of_somebody_else_is_taken_over_only_on_a_yes() {
    let host = host_with_old_objects();
    let world = host.open_sandbox();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Sid": "Theirs", "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let name = "packagecloud_cloudfront_batch";
    let theirs = packagecloud_cloudfront::sandbox::control_plane::iam::SandboxRole {
        name: name.to_owned(),
        arn: format!("arn:aws:iam::999999999999:role/{name}"),
        id: "AROATHEIRS".to_owned(),
        trust: trust.to_string(),
        ..Default::default()
    };
    world.update_sandbox_state_on_disk(|state| state.iam.roles.insert(name.to_owned(), theirs));
    let ran = host.run_line("reindex-everything --engine batch --yes");
    assert_eq!(ran.code, 2, "{ran:#?}");
    ran.assert_contains("--adopt").assert_contains(name);
    let before = newest_objects(&world);
    host.run_successfully("reindex-everything --engine batch --yes --adopt");
    assert_attributes_right(&world, &before);
    let trust = world.read_sandbox_state_from_disk(|state| state.iam.roles[name].trust.clone());
    assert!(trust.contains("Theirs") && trust.contains("batchoperations.s3.amazonaws.com"), "{trust}");
}
