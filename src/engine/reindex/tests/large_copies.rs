//! Objects over five gigabytes, which are copied in parts.

use super::*;

#[tokio::test(start_paused = true)]
async fn over_five_gigabytes_it_is_copied_in_parts_with_all_it_has() {
    let big = || {
        let headers = [("content-type", "x/y"), ("x-amz-meta-k", "v"), ("x-amz-storage-class", "GLACIER_IR")];
        FakeObject { size: (5 << 30) + 1, tags: "a=1&b=2".to_owned(), ..sample_package(&headers) }
    };
    let fake = FakeS3::new();
    fake.put_object("7/8/package_files/big.deb", big());
    let folder = TempDir::new().unwrap();
    let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
    assert_eq!(summary.counts.bytes, (5 << 30) + 1);
    {
        let world = fake.lock_bucket();
        let object = &world.objects["7/8/package_files/big.deb"];
        assert_eq!((object.etag.as_str(), object.tags.as_str()), ("\"e-11\"", "a=1&b=2"));
        assert_eq!(
            (&object.headers["x-amz-meta-k"], &object.headers["cache-control"]),
            (&HeaderValue::from_static("v"), &HeaderValue::from_static(PACKAGE_CACHE_CONTROL))
        );
        assert_eq!(object.headers["x-amz-storage-class"], "GLACIER_IR");
    }

    let fake = FakeS3::with_script(|call, _| {
        (operation_from_request(call) == "part").then(|| (403, error_xml("AccessDenied")))
    });
    fake.put_object("7/8/package_files/big.deb", big());
    assert_eq!(run_reindex(&fake, &test_options(&folder)).await.unwrap_err().kind, FailureKind::Denied);
    let world = fake.lock_bucket();
    assert_eq!((world.uploads.len(), world.aborted), (0, 1), "what was begun is dropped");
    assert_eq!(world.objects["7/8/package_files/big.deb"].writes, 0);
}

#[tokio::test(start_paused = true)]
async fn tags_that_may_not_be_read_are_not_lost_with_a_copy_in_parts() {
    let fake = FakeS3::with_script(|call, _| {
        (operation_from_request(call) == "tagging").then(|| (403, error_xml("AccessDenied")))
    });
    let object = FakeObject { size: (5 << 30) + 1, tags: "a=1".to_owned(), ..sample_package(&[]) };
    fake.put_object("7/8/package_files/big.deb", object);
    fake.lock_bucket().tags_hidden = true;
    let folder = TempDir::new().unwrap();
    assert_eq!(run_reindex(&fake, &test_options(&folder)).await.unwrap_err().kind, FailureKind::Denied);
    let world = fake.lock_bucket();
    let object = &world.objects["7/8/package_files/big.deb"];
    assert_eq!((object.writes, object.tags.as_str(), world.uploads.len()), (0, "a=1", 0));
}

#[tokio::test(start_paused = true)]
async fn slow_down_at_a_large_copys_end_is_waited_out_and_copies_no_part_again() {
    let mut left = 5;
    let fake = FakeS3::with_script(move |call, _| {
        let slow = operation_from_request(call) == "complete" && left > 0;
        left -= u32::from(slow);
        slow.then(|| (503, error_xml("SlowDown")))
    });
    fake.put_object("7/8/package_files/big.deb", FakeObject { size: (5 << 30) + 1, ..sample_package(&[]) });
    let folder = TempDir::new().unwrap();
    let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
    assert_eq!((summary.counts.changed, summary.slow_downs), (1, 5));
    assert_eq!((fake.call_count("begin"), fake.call_count("part"), fake.call_count("complete")), (1, 11, 1));
}
