//! Stores that aren't AWS's S3, and objects that come and go while they are looked at.

use super::*;

fn error_xml_with_message(code: &str, message: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_no_access_lists_is_not_asked_for_each_objects() {
    for refusal in
        [(501, error_xml("NotImplemented")), (405, error_xml("MethodNotAllowed")), (501, String::new())]
    {
        let asked = std::sync::Arc::new(AtomicU64::new(0));
        let (counted, reply) = (asked.clone(), refusal.clone());
        let fake = FakeS3::with_script(move |call, _| {
            let lacks = matches!(operation_from_request(call), "ownership" | "acl");
            counted.fetch_add(u64::from(lacks), Relaxed);
            lacks.then(|| reply.clone())
        });
        fake.put_packages(2000);
        let folder = TempDir::new().unwrap();
        let began = Instant::now();
        let summary = run_reindex(&fake, &test_options(&folder)).await.unwrap();
        assert_eq!((summary.counts.changed, summary.acls_denied), (2000, false), "{refusal:?}");
        assert!(asked.load(Relaxed) < 1000, "{refusal:?}: asked {asked:?} times");
        assert!(began.elapsed() < Duration::from_secs(5), "{refusal:?}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_no_tags_copies_a_large_object_all_the_same() {
    let fake = FakeS3::with_script(|call, _| {
        (operation_from_request(call) == "tagging").then(|| (501, error_xml("NotImplemented")))
    });
    fake.put_object("7/8/package_files/big.deb", FakeObject { size: (5 << 30) + 1, ..sample_package(&[]) });
    let folder = TempDir::new().unwrap();
    assert_eq!(run_reindex(&fake, &test_options(&folder)).await.unwrap().counts.changed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cant_copy_so_is_told_at_once_and_no_request_is_repeated() {
    let fake = FakeS3::with_script(|call, bucket| {
        (operation_from_request(call) == "copy").then(|| {
            *bucket.calls.entry("refused".to_owned()).or_default() += 1;
            (501, error_xml("NotImplemented"))
        })
    });
    fake.put_packages(20);
    let folder = TempDir::new().unwrap();
    let failure = run_reindex(&fake, &test_options(&folder)).await.unwrap_err();
    assert!(failure.why.contains("can't copy it as it must be") && failure.why.contains("501"), "{failure}");
    assert!(failure.next.contains("If-Match"), "{failure}");
    assert_eq!(fake.call_count("refused"), 20);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_a_store_knows_no_checksums_for_is_asked_without() {
    let fake = FakeS3::with_script(|call, _| {
        let checksum = call.headers.contains_key("x-amz-checksum-mode");
        (operation_from_request(call) == "head" && checksum).then(|| (501, String::new()))
    });
    fake.put_packages(20);
    let folder = TempDir::new().unwrap();
    assert_eq!(run_reindex(&fake, &test_options(&folder)).await.unwrap().counts.changed, 20);
}

#[tokio::test(start_paused = true)]
async fn what_a_head_has_just_found_is_looked_at_again_before_it_is_gone() {
    let mut once = std::collections::BTreeSet::new();
    let fake = FakeS3::with_script(move |call, bucket| {
        if operation_from_request(call) != "copy" || !once.insert(call.key.clone()) {
            return None;
        }
        match call.key.rsplit('/').next().unwrap() {
            // Somebody deletes it between the two.
            "1.deb" => drop(bucket.objects.remove(&call.key)),
            // A node of the store is behind.
            "2.deb" => {}
            _ => return None,
        }
        Some((404, error_xml("NoSuchKey")))
    });
    fake.put_packages(10);
    let folder = TempDir::new().unwrap();
    let counts = run_reindex(&fake, &test_options(&folder)).await.unwrap().counts;
    assert_eq!((counts.done, counts.changed, counts.gone), (10, 9, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_found_and_never_copied_is_no_object_that_is_gone() {
    let fake = FakeS3::with_script(|call, _| {
        (operation_from_request(call) == "copy" && call.key.ends_with("/3.deb"))
            .then(|| (404, error_xml("NoSuchKey")))
    });
    fake.put_packages(10);
    let folder = TempDir::new().unwrap();
    let failure = run_reindex(&fake, &test_options(&folder)).await.unwrap_err();
    assert!(failure.why.contains("3.deb: HEAD finds it"), "{failure}");
    assert_eq!(failure.what, "1 of 10 objects");
}

#[tokio::test(start_paused = true)]
async fn a_public_list_that_block_public_access_refuses_has_its_own_next_move() {
    let fake = FakeS3::with_script(|call, _| {
        let public = call.headers.get("x-amz-acl").is_some_and(|acl| acl == "public-read");
        public.then(|| {
            let why =
                "because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access.";
            (403, error_xml_with_message("AccessDenied", why))
        })
    });
    let public = format!(
        "{OWNER_GRANT_XML}<Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>"
    );
    fake.put_packages(3);
    fake.put_object("7/8/package_files/open.deb", FakeObject { acl: public, ..sample_package(&[]) });
    let folder = TempDir::new().unwrap();
    let failure = run_reindex(&fake, &test_options(&folder)).await.unwrap_err();
    assert!(failure.why.contains("open.deb: its ACL lets everybody read it"), "{failure}");
    assert!(failure.why.contains("BlockPublicAcls") && failure.next.contains("--no-acl"), "{failure}");
    let no_acl = ReindexAnswers { no_acl: true, ..ReindexAnswers::default() };
    let options = ReindexOptions { answers: no_acl, ..test_options(&folder) };
    assert_eq!(run_reindex(&fake, &options).await.unwrap().counts.changed, 1);
}
