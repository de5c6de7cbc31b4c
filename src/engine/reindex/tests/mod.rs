//! The reindex from end to end, against a small S3 that misbehaves: tokio's clock is paused, so that waiting costs nothing.

mod fake;
mod large_copies;
mod other_stores;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_credential_types::{
    Credentials,
    provider::{SharedCredentialsProvider, future::ProvideCredentials as Given},
};
use http::HeaderValue;
use tempfile::TempDir;

use self::fake::{FakeObject, FakeS3, OWNER_GRANT_XML, error_xml, operation_from_request, sample_package};
use super::*;

const PACKAGE_CACHE_CONTROL: &str = "public, max-age=31536000, immutable";
const METADATA_CACHE_CONTROL: &str = "no-cache, no-store, max-age=0, must-revalidate";

fn test_options(folder: &TempDir) -> ReindexOptions {
    ReindexOptions {
        answers: ReindexAnswers::default(),
        cursor: folder.path().join("cursor.json"),
        skipped: folder.path().join("skipped.jsonl"),
        total: None,
        cuts: None,
        spool: None,
        requests_before: None,
        requests_max: REQUESTS_IN_FLIGHT_MAX,
        are_links_at_s3: Arc::default(),
    }
}

async fn run_reindex(fake: &FakeS3, options: &ReindexOptions) -> Result<ReindexSummary, Failure> {
    reindex_bucket(&fake.new_client(), options, &|_| {}, &ReindexControl::default()).await
}

fn stored_cache_control(fake: &FakeS3, key: &str) -> String {
    let world = fake.lock_bucket();
    world.objects[key]
        .headers
        .get("cache-control")
        .map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

/// Every attribute that a copy loses unless it is said again.
const ATTRIBUTES: [(&str, &str); 15] = [
    ("content-type", "application/x-foo"),
    ("content-encoding", "gzip"),
    ("content-language", "de"),
    ("content-disposition", "attachment"),
    ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
    ("x-amz-website-redirect-location", "/elsewhere"),
    ("x-amz-storage-class", "STANDARD_IA"),
    ("x-amz-server-side-encryption", "aws:kms"),
    ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:us-east-1:1:key/k"),
    ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
    ("x-amz-object-lock-mode", "COMPLIANCE"),
    ("x-amz-object-lock-retain-until-date", "2099-01-01T00:00:00Z"),
    ("x-amz-object-lock-legal-hold", "ON"),
    ("x-amz-meta-k", "v"),
    ("x-amz-meta-raw", "ä"),
];

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_whatever_the_key() {
    let fake = FakeS3::new();
    let long = format!("7/8/package_files/{}", "ü".repeat(503));
    assert_eq!(long.len(), 1024);
    let keys = [
        "7/8/package_files/a+b.deb",
        "7/8/package_files/a b  c.deb",
        "7/8/package_files/50%25%.deb",
        "7/8/package_files/ключ😀.deb",
        "7/8/package_files//../x.deb",
        "7/8/package_files/a&<>\"'?#.deb",
        &long,
    ];
    let public = format!(
        "{OWNER_GRANT_XML}<Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>"
    );
    for key in keys {
        fake.put_object(
            key,
            FakeObject { tags: "t=1".to_owned(), acl: public.clone(), ..sample_package(&ATTRIBUTES) },
        );
    }
    fake.put_object(
        "7/8/debian/dists/jammy/InRelease",
        sample_package(&[("cache-control", "max-age=99999")]),
    );
    fake.put_object("backups/dump.tar.gz", sample_package(&[]));
    let folder = TempDir::new().unwrap();
    let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
    for key in keys {
        let world = fake.lock_bucket();
        let object = &world.objects[key];
        for (name, value) in ATTRIBUTES {
            assert_eq!(
                object.headers.get(name).map(HeaderValue::as_bytes),
                Some(value.as_bytes()),
                "{key} {name}"
            );
        }
        assert_eq!(object.headers["cache-control"], PACKAGE_CACHE_CONTROL, "{key}");
        assert_eq!(
            (object.headers.len(), object.tags.as_str(), &object.acl),
            (ATTRIBUTES.len() + 1, "t=1", &public),
            "{key}"
        );
    }
    assert_eq!(stored_cache_control(&fake, "7/8/debian/dists/jammy/InRelease"), METADATA_CACHE_CONTROL);
    assert_eq!(fake.lock_bucket().objects["backups/dump.tar.gz"].writes, 0);
    assert_eq!(
        (summary.counts.changed, summary.counts.foreign.count_for_name("backups/")),
        (keys.len() as u64 + 1, 1)
    );
    assert!(!test_options(&folder).cursor.exists(), "a finished run leaves no cursor");
    assert!(read_reindex_progress("b", &ReindexAnswers::default(), &test_options(&folder).cursor).finished);

    let again = run_reindex(&fake, &test_options(&folder)).await.unwrap();
    assert_eq!((again.counts.kept, again.counts.changed, again.requests.copy), (keys.len() as u64 + 1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn throttling_is_waited_out_without_end_and_errors_in_a_200_are_errors() {
    let mut count = 0;
    let fake = FakeS3::with_script(move |call, _| {
        count += 1;
        // Errors are rare enough that none meets the same object more often than it is tried again.
        match (operation_from_request(call), count % 40) {
            (_, 0..=23) => {
                Some((503, if call.method == "HEAD" { String::new() } else { error_xml("SlowDown") }))
            }
            ("copy", 24) => Some((200, error_xml("InternalError"))),
            ("copy", 25) => Some((200, String::new())),
            _ => None,
        }
    });
    fake.put_packages(300);
    let folder = TempDir::new().unwrap();
    let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
    assert_eq!(summary.counts.changed, 300);
    assert!(summary.slow_downs > 300);
    assert!(fake.lock_bucket().objects.values().all(|object| object.writes == 1));
}

#[tokio::test(start_paused = true)]
async fn a_writer_always_wins() {
    // Each index is rewritten between our HEAD and our copy, twice: by bytes, then right by itself.
    let fake = FakeS3::with_script(|call, world| {
        let object = world.objects.get_mut(&call.key)?;
        if operation_from_request(call) == "copy" && object.etag.len() < 6 {
            object.etag = format!("\"{}\"", "n".repeat(object.etag.len() - 1));
            object.headers.insert("x-amz-meta-writer", HeaderValue::from_static("server"));
        }
        None
    });
    fake.put_object("7/8/dists/InRelease", sample_package(&[]));
    let folder = TempDir::new().unwrap();
    let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
    assert_eq!(summary.counts.changed, 1);
    let world = fake.lock_bucket();
    let object = &world.objects["7/8/dists/InRelease"];
    assert_eq!(
        (object.writes, &object.headers["x-amz-meta-writer"]),
        (1, &HeaderValue::from_static("server"))
    );
    assert_eq!(object.headers["cache-control"], METADATA_CACHE_CONTROL);
}

#[tokio::test(start_paused = true)]
async fn repository_metadata_is_done_before_any_package() {
    let copied = Arc::new(Mutex::new(Vec::new()));
    let order = copied.clone();
    let fake = FakeS3::with_script(move |call, _| {
        if operation_from_request(call) == "copy" {
            order.lock().unwrap().push(call.key.clone());
        }
        None
    });
    fake.put_packages(3000);
    for nth in 0..300 {
        fake.put_object(&format!("7/8/debian/dists/d{nth}/InRelease"), sample_package(&[]));
    }
    fake.put_object("backups/x", sample_package(&[]));
    let folder = TempDir::new().unwrap();
    let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
    let counts = &summary.counts;
    assert_eq!((counts.done, counts.changed, counts.foreign.sum_name_counts()), (3300, 3300, 1));
    let copied = copied.lock().unwrap();
    assert_eq!(copied.len(), 3300);
    assert!(copied[..300].iter().all(|key| key.contains("/dists/")), "{:?}", &copied[..300]);
}

#[tokio::test(start_paused = true)]
async fn killed_thirty_times_every_object_is_right_in_the_end_and_few_are_looked_at_twice() {
    const OBJECT_COUNT: usize = 8000;
    let fake = FakeS3::new();
    fake.put_packages(OBJECT_COUNT);
    let folder = TempDir::new().unwrap();
    let mut options = test_options(&folder);
    options.answers.no_acl = true;
    options.requests_max = 64;
    let mut killed = 0;
    let summary = loop {
        let lifetime = Duration::from_millis(if killed < 30 { fastrand::u64(1..250) } else { 60_000 });
        match tokio::time::timeout(lifetime, run_reindex(&fake, &options)).await {
            Ok(ended) => break ended.unwrap(),
            Err(_) => killed += 1,
        }
    };
    assert!(fake.lock_bucket().objects.values().all(|object| object.writes == 1), "none was copied twice");
    assert_eq!((summary.counts.done, killed), (OBJECT_COUNT as u64, 30));
    let heads = fake.call_count("head");
    assert!(heads < OBJECT_COUNT as u64 + killed * 400, "{heads}: it continues where it stopped");
}

#[tokio::test(start_paused = true)]
async fn stopped_it_says_where_it_goes_on_and_paused_it_waits() {
    let fake = FakeS3::new();
    fake.put_packages(5000);
    let folder = TempDir::new().unwrap();
    let options = test_options(&folder);
    let (control, s3) = (ReindexControl::default(), fake.new_client());
    let last = AtomicU64::new(0);
    let say = |pace: ProgressStats| {
        last.store(pace.done.unwrap(), Relaxed);
        if pace.done > Some(500) {
            control.stop_reindex();
        }
    };
    let failure = reindex_bucket(&s3, &options, &say, &control).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Interrupted);
    let resumes = read_reindex_progress("b", &options.answers, &options.cursor).resumes.unwrap();
    assert!(resumes > 0 && last.load(Relaxed) < 5000);

    let control = ReindexControl::default();
    control.pause_reindex();
    let paused = tokio::time::timeout(
        Duration::from_mins(1),
        reindex_bucket(&fake.new_client(), &options, &|_| {}, &control),
    )
    .await;
    assert!(paused.is_err(), "it waits");
    let before = fake.call_count("copy");
    let going = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        control.resume_reindex();
    };
    let s3 = fake.new_client();
    let (ended, ()) = tokio::join!(reindex_bucket(&s3, &options, &|_| {}, &control), going);
    assert_eq!((ended.unwrap().counts.done, fake.call_count("copy")), (5000, 5000));
    assert!(before < 5000);
}

#[tokio::test(start_paused = true)]
async fn a_denied_prefix_stops_nothing_else_and_is_all_that_remains() {
    let allowed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = allowed.clone();
    let fake = FakeS3::with_script(move |call, _| {
        let denied = call.key.starts_with("7/9/") && !now.load(Relaxed);
        denied.then(|| (403, if call.method == "HEAD" { String::new() } else { error_xml("AccessDenied") }))
    });
    fake.put_packages(700);
    let folder = TempDir::new().unwrap();
    let failure = run_reindex(&fake, &test_options(&folder)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.what.contains("100 of 700") && failure.why.contains("7/9/"), "{failure:?}");
    assert_eq!(fake.call_count("copy"), 600);
    allowed.store(true, Relaxed);
    let (heads, summary) =
        (fake.call_count("head"), run_reindex(&fake, &test_options(&folder)).await.unwrap());
    assert_eq!(
        (summary.counts.done, fake.call_count("copy"), fake.call_count("head") - heads),
        (700, 700, 100)
    );
}

#[tokio::test(start_paused = true)]
async fn what_nobody_foresaw_is_a_failure_and_what_no_key_opens_is_one_where_nothing_else_changed() {
    for (code, says, next, left) in [
        ("SomethingNew", "SomethingNew: somethingNew", "request id", 40),
        ("InvalidRequest", "InvalidRequest: invalidRequest", "request id", 40),
        (
            "KMS.DisabledException",
            "none of 40 could be changed, 40 for this: under a KMS key",
            "enable the KMS key",
            40,
        ),
        ("InvalidObjectState", "none of 40 could be changed, 40 for this: archived", "restore it", 40),
    ] {
        let mended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let now = mended.clone();
        let fake = FakeS3::with_script(move |call, _| {
            let refused = operation_from_request(call) == "copy" && !now.load(Relaxed);
            refused.then(|| (400, error_xml(code)))
        });
        fake.put_packages(40);
        let folder = TempDir::new().unwrap();
        let failure = run_reindex(&fake, &test_options(&folder)).await.unwrap_err();
        assert!(failure.why.contains(says) && failure.next.contains(next), "{code}: {failure:?}");
        let standing = read_reindex_progress("b", &ReindexAnswers::default(), &test_options(&folder).cursor);
        assert!(!standing.finished, "{code}: nothing goes live on it");
        mended.store(true, Relaxed);
        let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
        assert_eq!((summary.counts.changed, summary.counts.skipped), (left, 0), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_not_go_on_says_the_next_move_and_keeps_the_cursor() {
    for (status, code, expected) in [
        (404, "NoSuchBucket", FailureKind::Missing),
        (403, "RequestTimeTooSkewed", FailureKind::Other),
        (400, "ExpiredToken", FailureKind::Credentials),
        (500, "InternalError", FailureKind::Unreachable),
    ] {
        let mut count = 0;
        let fake = FakeS3::with_script(move |call, _| {
            count += 1;
            (count > 2000)
                .then(|| (status, if call.method == "HEAD" { String::new() } else { error_xml(code) }))
        });
        fake.put_packages(3000);
        let folder = TempDir::new().unwrap();
        let failure = run_reindex(&fake, &test_options(&folder)).await.unwrap_err();
        assert_eq!(failure.kind, expected, "{code}: {failure:?}");
        assert!(failure.next.contains("continues where it stopped"), "{failure:?}");
        assert!(
            read_reindex_progress("b", &ReindexAnswers::default(), &test_options(&folder).cursor).resumes
                > Some(100),
            "{code}"
        );
    }
}

/// HEAD's 404 doesn't say whether it is the object that is missing.
#[tokio::test(start_paused = true)]
async fn a_bucket_that_vanishes_after_its_listing_is_not_taken_for_deleted_objects() {
    let fake = FakeS3::with_script(|call, world| {
        let gone = world.calls.get("head").is_some_and(|heads| *heads > 300);
        gone.then(|| (404, if call.method == "HEAD" { String::new() } else { error_xml("NoSuchBucket") }))
    });
    for number in 0..900 {
        fake.put_object(
            &format!("7/8/debian/package_files/{number}.deb"),
            sample_package(&[("cache-control", PACKAGE_CACHE_CONTROL)]),
        );
    }
    let folder = TempDir::new().unwrap();
    let failure = run_reindex(&fake, &test_options(&folder)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Missing, "{failure:?}");
    let standing = read_reindex_progress("b", &ReindexAnswers::default(), &test_options(&folder).cursor);
    assert!(!standing.finished && standing.resumes < Some(900));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_denied_in_the_middle_says_what_to_allow_and_keeps_the_cursor() {
    let fake = FakeS3::with_script(|call, world| {
        let late = world.calls.get("copy").is_some_and(|copies| *copies > 1000);
        (late && operation_from_request(call) == "list").then(|| (403, error_xml("AccessDenied")))
    });
    fake.put_packages(9000);
    let folder = TempDir::new().unwrap();
    let failure = run_reindex(&fake, &test_options(&folder)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied, "{failure:?}");
    assert!(failure.next.contains("s3:ListBucket") && failure.next.contains("continues where it stopped"));
    assert!(
        read_reindex_progress("b", &ReindexAnswers::default(), &test_options(&folder).cursor).resumes
            > Some(500)
    );
}

#[tokio::test(start_paused = true)]
async fn the_pace_is_told_ten_times_a_second_at_most_and_names_what_was_passed_over() {
    let fake = FakeS3::new();
    fake.put_packages(6000);
    fake.put_object("0/0/package_files/archived.deb", sample_package(&[("x-amz-storage-class", "GLACIER")]));
    fake.put_object("0-backups/x", sample_package(&[]));
    let folder = TempDir::new().unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let say = |pace: ProgressStats| told.lock().unwrap().push((Instant::now(), pace));
    reindex_bucket(&fake.new_client(), &test_options(&folder), &say, &ReindexControl::default())
        .await
        .unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.len() > 2 && told.windows(11).all(|some| some[10].0 - some[0].0 > Duration::from_secs(1)));
    let distances = told.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(distances.take(told.len() - 2).all(|distance| distance >= Duration::from_millis(120)));
    let (_, last) = told.last().unwrap();
    assert_eq!(
        (last.reasons.count_for_name("archived (GLACIER)"), last.foreign.count_for_name("0-backups/")),
        (1, 1),
        "{last:?}"
    );
    assert!(last.cost > Some(0.0) && last.bytes > Some(0), "{last:?}");
    assert!(told.iter().any(|(_, pace)| pace.in_flight > Some(0)));
    assert_eq!((last.done, last.in_flight, last.seconds_left), (last.total, Some(0), Some(0)), "{last:?}");
}

#[derive(Debug)]
struct RotatingCredentials(AtomicU64);

impl aws_credential_types::provider::ProvideCredentials for RotatingCredentials {
    fn provide_credentials<'a>(&'a self) -> Given<'a>
    where
        Self: 'a,
    {
        let number = self.0.fetch_add(1, Relaxed);
        Given::ready(Ok(Credentials::new(format!("AKIA{number}"), "s", None, None, "test")))
    }
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_renewed_on_the_way() {
    let fake = FakeS3::with_script(|call, world| {
        let first = call.headers["authorization"].to_str().unwrap().contains("AKIA0/");
        let expired = first && world.calls.get("copy").is_some_and(|copies| *copies > 100);
        expired.then(|| (400, if call.method == "HEAD" { String::new() } else { error_xml("ExpiredToken") }))
    });
    fake.put_packages(500);
    let folder = TempDir::new().unwrap();
    let s3 =
        fake.client_with_credentials(SharedCredentialsProvider::new(RotatingCredentials(AtomicU64::new(0))));
    let summary =
        reindex_bucket(&s3, &test_options(&folder), &|_| {}, &ReindexControl::default()).await.unwrap();
    assert_eq!(summary.counts.changed, 500);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_changed_is_listed_with_its_reason() {
    let fake = FakeS3::with_script(|call, _| {
        let customer = call.key.ends_with("sse-c.deb");
        let told = "<Error><Code>InvalidRequest</Code><Message>The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.</Message></Error>";
        customer.then(|| (400, if call.method == "HEAD" { String::new() } else { told.to_owned() }))
    });
    fake.put_object("7/8/package_files/archived.deb", sample_package(&[("x-amz-storage-class", "GLACIER")]));
    fake.put_object("7/8/package_files/sse-c.deb", sample_package(&[]));
    fake.put_object("7/8/package_files/fine.deb", sample_package(&[]));
    let folder = TempDir::new().unwrap();
    let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
    assert_eq!((summary.counts.skipped, summary.counts.changed), (2, 1));
    let list = std::fs::read_to_string(test_options(&folder).skipped).unwrap();
    assert!(
        list.contains(r#"{"key":"7/8/package_files/archived.deb","reason":"archived (GLACIER)"}"#),
        "{list}"
    );
    assert!(list.contains("SSE-C"), "{list}");
}

/// Hundreds of lists that may not be read say nothing of those that may.
#[tokio::test(start_paused = true)]
async fn lists_that_may_not_be_read_cost_no_other_object_its_own() {
    let fake = FakeS3::with_script(|call, _| {
        (operation_from_request(call) == "acl" && call.key.starts_with("7/8/"))
            .then(|| (403, error_xml("AccessDenied")))
    });
    let public = format!(
        "{OWNER_GRANT_XML}<Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>"
    );
    for (owner, count) in [(8, 300), (9, 600)] {
        for number in 0..count {
            let object = FakeObject { acl: public.clone(), ..sample_package(&[]) };
            fake.put_object(&format!("7/{owner}/debian/package_files/{number}.deb"), object);
        }
    }
    let folder = TempDir::new().unwrap();
    let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
    assert_eq!((summary.counts.changed, summary.acls_denied), (900, true));
    let world = fake.lock_bucket();
    let kept = world.objects.iter().filter(|(key, object)| key.starts_with("7/9/") && object.acl == public);
    assert_eq!(kept.count(), 600);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_began_is_dropped_under_other_options_too() {
    let folder = TempDir::new().unwrap();
    let began = |bucket: &str| ReindexCursor {
        rules: cursor::render_reindex_cursor_scope(
            bucket,
            &ReindexAnswers { no_acl: true, ..ReindexAnswers::default() },
        ),
        uploads: vec![("7/8/package_files/big.deb".to_owned(), "upload/9".to_owned())],
        ..ReindexCursor::default()
    };
    for (bucket, aborted, forgotten) in [("another", 0, false), ("b", 1, false), ("b", 1, true)] {
        let fake = FakeS3::new();
        fake.put_packages(3);
        began(bucket).save_reindex_cursor(&test_options(&folder).cursor).unwrap();
        if forgotten {
            reset_reindex_progress(&test_options(&folder).cursor, "b").unwrap();
        }
        let rescan = ReindexAnswers { rescan: true, ..ReindexAnswers::default() };
        run_reindex(&fake, &ReindexOptions { answers: rescan, ..test_options(&folder) }).await.unwrap();
        assert_eq!(fake.call_count("copy"), 3);
        assert_eq!(fake.lock_bucket().aborted, aborted, "{bucket}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_is_slowed_down_asks_again() {
    let mut left = 3;
    let fake = FakeS3::with_script(move |call, _| {
        let slow = operation_from_request(call) == "list" && left > 0;
        left -= u32::from(slow);
        slow.then(|| (503, error_xml("SlowDown")))
    });
    fake.put_packages(20);
    let classes = ObjectClassifier::new(false, &[], &[]).unwrap();
    assert_eq!(
        estimate_bucket_objects(&fake.new_client(), &classes, &[], 4)
            .await
            .unwrap()
            .total_surveyed_object_count(),
        20
    );
}

#[tokio::test(start_paused = true)]
async fn a_survey_says_what_it_means_before_anything_is_written() {
    let fake = FakeS3::new();
    fake.put_packages(9000);
    fake.put_object("7/8/package_files/cold.deb", sample_package(&[]));
    fake.put_object("backups/x", sample_package(&[]));
    let classes = ObjectClassifier::default();
    let rules = crate::model::packagecloud::path_cache::build_path_cache_rules(&[]).unwrap();
    fake.put_object("7/8/java_artifact/9.war", sample_package(&[]));
    let whole = estimate_bucket_objects(&fake.new_client(), &classes, &rules, 20).await.unwrap();
    assert_eq!((whole.packages, whole.foreign.count_for_name("backups/"), whole.more), (9002, 1, false));
    assert_eq!(whole.cached_by_path, 9001, "all but what has a Java artifact's ending");
    let gain = whole.render_gain_over_path_caching();
    assert!(
        gain.contains("caches 9001 of the 9002 packages") && gain.contains("the 1 package elsewhere passes"),
        "{gain}"
    );
    let some = estimate_bucket_objects(&fake.new_client(), &classes, &rules, 1).await.unwrap();
    assert!(
        some.more && some.render_bucket_survey_lines(true).iter().any(|line| line.starts_with("at least "))
    );
    assert_eq!(fake.call_count("copy"), 0);
}
