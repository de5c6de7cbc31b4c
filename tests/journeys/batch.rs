//! The reindex by S3 Batch Operations, through the real binary: nothing lost, nothing made twice, whatever happens between.
//!
//! What a job can't do, and what somebody writes while it runs, is right in the end all the same.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use packagecloud_cloudfront::model::packagecloud::object::Classes;
use packagecloud_cloudfront::sandbox::{
    World,
    control_plane::{
        s3::{self, Object},
        s3control::Status,
    },
    seed::BUCKET,
};
use serde_json::{Value, json};

use crate::house::{House, Ran};

const KINDS: [(&str, &str); 4] = [
    ("deb", "application/x-debian-package"),
    ("rpm", "application/x-rpm"),
    ("gem", "application/octet-stream"),
    ("whl", "application/zip"),
];

/// A house whose objects are an hour old, as packages are.
fn house() -> House {
    let house = House::new();
    let world = house.world();
    for (kind, of) in KINDS {
        for number in 0..12 {
            put(&world, &format!("7/8/package_files/a+b c%{number}.{kind}"), &[("content-type", of)], kind);
        }
    }
    put(&world, "7/8/debian/dists/jammy/InRelease", &[("content-type", "text/plain")], "index");
    age(&world);
    house
}

fn put(world: &World, key: &str, attributes: &[(&str, &str)], content: &str) {
    s3::place(world, BUCKET, key, attributes, content.as_bytes()).unwrap();
}

fn age(world: &World) {
    for key in objects(world).into_keys() {
        s3::amend(world, BUCKET, &key, |object| object.modified -= 3600).unwrap();
    }
}

fn objects(world: &World) -> BTreeMap<String, Object> {
    let newest = |all: &s3::Objects| {
        all.keys().filter_map(|key| Some((key.clone(), s3::newest(all, key)?.clone()))).collect()
    };
    world.memory().objects.read(BUCKET, newest).unwrap()
}

/// Every object of packagecloud's is as it was before but for its Cache-Control, and that is right.
#[track_caller]
fn all_right(world: &World, before: &BTreeMap<String, Object>) {
    let after = objects(world);
    for (key, was) in before {
        let is = &after[key];
        let right = Classes::default().class(key).cache_control();
        assert_eq!(is.attribute("cache-control"), right, "{key}");
        let but = |object: &Object| {
            let mut object = object.clone();
            object.attributes.remove("cache-control");
            object.modified = 0;
            if object.size > s3::LARGEST {
                (object.etag, object.parts, object.checksum) = (String::new(), 0, None);
            }
            object
        };
        assert_eq!(but(is), but(was), "{key}");
    }
}

/// What is in every manifest, and how many jobs were made.
fn manifests(world: &World) -> (Vec<String>, usize) {
    let mut lines = Vec::new();
    for (key, object) in objects(world) {
        if key.starts_with("packagecloud-cloudfront/batch/") && key.ends_with("-0.csv") {
            let text = world.memory().objects.fetch(&object.blob.unwrap()).unwrap();
            lines.extend(String::from_utf8(text.to_vec()).unwrap().lines().map(str::to_owned));
        }
    }
    (lines, world.read(|state| state.s3control.jobs.len()))
}

fn started(house: &House, pace: &str) -> Child {
    let mut command = house.command();
    command
        .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", pace)
        .arg(format!("--sandbox={}", house.sandbox().display()))
        .args(["reindex-everything", "--engine", "batch", "--yes", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Reads events up to the first that is meant; false where the run ended before.
fn until(child: &mut Child, meant: impl Fn(&Value) -> bool) -> bool {
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

fn says(event: &Value, step: &str, text: &str) -> bool {
    event["step"] == step && event["text"].as_str().is_some_and(|said| said.contains(text))
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn again(house: &House) -> Ran {
    house.done("reindex-everything --engine batch --yes")
}

#[test]
fn jobs_copy_the_packages_and_lose_nothing_and_what_they_can_not_do_is_done_from_here() {
    let house = house();
    let world = house.world();
    put(
        &world,
        "7/8/package_files/tagged.deb",
        &[("content-type", KINDS[0].1), ("x-amz-tagging", "t=1&u=2")],
        "t",
    );
    put(
        &world,
        "7/8/package_files/\u{fc}.whl",
        &[("content-type", KINDS[3].1), ("x-amz-meta-k", "v"), ("expires", "Thu, 01 Jan 2099 00:00:00 GMT")],
        "m",
    );
    put(
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
    put(
        &world,
        "7/8/package_files/kms.deb",
        &[
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:us-east-1:999999999999:key/k"),
        ],
        "k",
    );
    s3::hollow(
        &world,
        BUCKET,
        "7/8/package_files/large.deb",
        &[("content-type", "x/large"), ("x-amz-tagging", "l=1")],
        (5 << 30) + 7,
    )
    .unwrap();
    let denied = "7/8/package_files/denied.deb";
    put(&world, denied, &[("content-type", KINDS[0].1)], "d");
    age(&world);
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": format!("arn:aws:s3:::{BUCKET}/{denied}"),
        "Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::999999999999:role/packagecloud_cloudfront_batch"}}}]});
    world.write(|state| state.s3.buckets.get_mut(BUCKET).unwrap().policy = Some(deny.to_string()));
    let mut before = objects(&world);

    let changed = "7/8/package_files/a+b c%3.rpm";
    let mut child = started(&house, "1");
    assert!(until(&mut child, |event| says(event, "batch-jobs", "writing the list")));
    put(&world, changed, &[("content-type", "x/changed"), ("x-amz-meta-new", "yes")], "changed meanwhile");
    before.insert(changed.to_owned(), objects(&world)[changed].clone());
    assert!(until(&mut child, |event| {
        event["type"] == "finished"
            && says(event, "batch-jobs", "2 could not be (AccessDenied 1, PreconditionFailed 1;")
    }));
    assert!(until(&mut child, |event| event["type"] == "ended" && event["end"] == "applied"));
    assert!(child.wait().unwrap().success());
    all_right(&world, &before);
    let failed = std::fs::read_to_string(house.sandbox().join("state/batch.failed")).unwrap();
    assert!(failed.contains(denied) && failed.contains(changed), "{failed}");

    let (lines, jobs) = manifests(&world);
    assert!((6..=20).contains(&jobs), "{jobs}");
    let ours = |key: &str| lines.iter().any(|line| line.contains(key));
    assert!(ours("tagged.deb") && ours("%C3%BC.whl") && ours("a%2Bb%20c%253.rpm") && ours("cool.whl"));
    for never in ["InRelease", "Packages", "repodata", "simple/", "kms.deb", "large.deb"] {
        assert!(!ours(never), "{never} in {lines:#?}");
    }
    house.done("reindex-everything --engine batch --yes").says("nothing to do");
    assert_eq!(manifests(&world).1, jobs, "a finished run makes no job");
    again_from_the_start(&house, &before);
}

/// `--rescan` looks at all again: nothing is left for a job, and none is made.
fn again_from_the_start(house: &House, before: &BTreeMap<String, Object>) {
    let world = house.world();
    let jobs = manifests(&world).1;
    house.done("reindex-everything --engine batch --rescan --yes").says("0 changed");
    assert_eq!(manifests(&world).1, jobs);
    all_right(&world, before);
}

#[test]
fn killed_anywhere_the_same_jobs_are_followed_and_none_is_made_twice() {
    type Moment = (&'static str, fn(&Value) -> bool);
    let moments: [Moment; 6] = [
        ("while objects are looked at", |event| event["type"] == "started" && event["step"] == "objects"),
        ("once they were", |event| event["type"] == "finished" && event["step"] == "objects"),
        ("at the first manifest", |event| says(event, "batch-jobs", "writing the list")),
        ("while jobs run", |event| says(event, "batch-jobs", "jobs are over")),
        ("once they are over", |event| event["type"] == "finished" && event["step"] == "batch-jobs"),
        ("in the last pass", |event| event["type"] == "started" && event["step"] == "remainder"),
    ];
    for (nth, (of, meant)) in moments.into_iter().enumerate() {
        let house = house();
        let world = house.world();
        let before = objects(&world);
        let mut child = started(&house, "0.3");
        assert!(until(&mut child, meant), "{of}");
        std::thread::park_timeout(std::time::Duration::from_millis(nth as u64 * 13));
        kill(child);
        let tokens = |world: &World| {
            world.read(|state| {
                state.s3control.jobs.values().map(|job| job.asked.manifest.1.clone()).collect::<Vec<_>>()
            })
        };
        let made = tokens(&world);
        let ran = again(&house);
        all_right(&world, &before);
        let all = tokens(&world);
        assert!(made.iter().all(|one| all.contains(one)), "{of}: {ran:#?}");
        let mut each = all.clone();
        each.sort_unstable();
        each.dedup();
        assert_eq!(each.len(), all.len(), "{of}: two jobs for one manifest: {ran:#?}");
        // Four kinds here, and two more of the sandbox's own at most.
        assert!((4..=8).contains(&all.len()), "{of}: {all:#?}");
        assert!(!house.sandbox().join("state/batch.jobs").exists(), "{of}: a finished run leaves no record");
    }
}

#[test]
fn lost_replies_make_no_second_job() {
    let house = house();
    let world = house.world();
    let before = objects(&world);
    // Each reply of the first run is lost, however often it asks.
    let lost =
        house.run("reindex-everything --engine batch --yes --sandbox-fault s3control:CreateJob:*:lost");
    assert_eq!(lost.code, 1, "{lost:#?}");
    assert_eq!(manifests(&world).1, 1, "the same job each time");
    house.done("reindex-everything --engine batch --yes --sandbox-fault s3control:CreateJob:2:lost,s3control:DescribeJob:1:lost,s3:PutObject:1:lost");
    all_right(&world, &before);
    let (lines, jobs) = manifests(&world);
    let mut each = lines.clone();
    each.sort_unstable();
    each.dedup();
    assert_eq!(
        (each.len(), jobs),
        (
            lines.len(),
            world.read(|state| {
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
    let house = house();
    let world = house.world();
    let before = objects(&world);
    let mut child = started(&house, "1");
    assert!(until(&mut child, |event| says(event, "batch-jobs", "jobs are over")));
    kill(child);
    let jobs = manifests(&world).1;
    std::fs::remove_dir_all(house.sandbox().join("state")).unwrap();
    let line = "reindex-everything --engine batch --yes --sandbox-pace 1";
    house.done(line).says("that an earlier run has made");
    all_right(&world, &before);
    assert_eq!(manifests(&world).1, jobs, "all was done by the jobs that were there");
}

#[test]
fn a_job_that_was_cancelled_or_waits_for_somebody_is_told_with_what_comes_next() {
    let house = house();
    let world = house.world();
    let before = objects(&world);
    let mut child = started(&house, "1");
    assert!(until(&mut child, |event| says(event, "batch-jobs", "jobs are over")));
    kill(child);
    let mut ids: Vec<_> = world.read(|state| state.s3control.jobs.keys().cloned().collect());
    let (held, cancelled) = (ids.pop().unwrap(), ids.pop().unwrap());
    let turn =
        |id: &str, status| world.write(|state| state.s3control.jobs.get_mut(id).unwrap().status = status);
    turn(&held, Status::Suspended);
    turn(&cancelled, Status::Cancelled);
    let ran = house.run("reindex-everything --engine batch --yes");
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.says(&format!("job {held}: it is suspended")).says("--requested-job-status Ready");
    turn(&held, Status::Ready);
    again(&house)
        .says(&format!("job {cancelled} was cancelled after 0 of"))
        .says("what they left is done from here");
    all_right(&world, &before);
}

#[test]
fn the_policy_that_is_printed_suffices_for_the_jobs() {
    let house = house();
    let plain = house.done("check --policy").out;
    assert!(!plain.contains("CreateJob"), "{plain}");
    let policy = house.done("check --policy --engine batch").out;
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
    let world = house.world();
    let before = objects(&world);
    let document: Value = serde_json::from_str(&policy).unwrap();
    world.write(|state| state.iam.user.policy = document);
    again(&house);
    all_right(&world, &before);
    let without: Value = serde_json::from_str(&plain).unwrap();
    world.write(|state| state.iam.user.policy = without);
    let ran = house.run("check --engine batch");
    assert_eq!(ran.code, 3, "{ran:#?}");
    ran.says("s3:CreateJob");
    let denied = house.run("reindex-everything --engine batch --rescan --yes");
    assert_eq!(denied.code, 1, "{denied:#?}");
    denied.says("packagecloud_cloudfront_batch");
}

#[test]
fn a_role_of_somebody_else_is_taken_over_only_on_a_yes() {
    let house = house();
    let world = house.world();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Sid": "Theirs", "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let name = "packagecloud_cloudfront_batch";
    let theirs = packagecloud_cloudfront::sandbox::control_plane::iam::Role {
        name: name.to_owned(),
        arn: format!("arn:aws:iam::999999999999:role/{name}"),
        id: "AROATHEIRS".to_owned(),
        trust: trust.to_string(),
        ..Default::default()
    };
    world.write(|state| state.iam.roles.insert(name.to_owned(), theirs));
    let ran = house.run("reindex-everything --engine batch --yes");
    assert_eq!(ran.code, 2, "{ran:#?}");
    ran.says("--adopt").says(name);
    let before = objects(&world);
    house.done("reindex-everything --engine batch --yes --adopt");
    all_right(&world, &before);
    let trust = world.read(|state| state.iam.roles[name].trust.clone());
    assert!(trust.contains("Theirs") && trust.contains("aws:SourceAccount"), "{trust}");
}
