//! Every kind of object and every attribute, before and after: all that may differ is Cache-Control, and when it was written.

use packagecloud_cloudfront::{
    aws::AwsClients,
    model::packagecloud::object::ObjectClassifier,
    sandbox::{
        Sandbox,
        control_plane::kms::SandboxKmsKey,
        control_plane::s3::{
            SandboxAclGrant, SandboxObject, SandboxObjectChecksum, SandboxObjectEncryption,
            SandboxObjectRetention,
        },
        seed::SANDBOX_BUCKET,
    },
};

use super::bucket::{
    METADATA_CACHE_CONTROL, PACKAGE_CACHE_CONTROL, build_object, object_versions, open_empty_sandbox,
    put_objects, run_reindex,
};

const ALL_USERS_GROUP: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

/// The bucket's setting, as its owner has put it.
fn set_bucket_setting(world: &Sandbox, subresource: &str, xml: &str) {
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap();
        bucket.settings.insert(subresource.to_owned(), xml.to_owned());
    });
}

/// With Block Public Access off: a public one could not be written again.
fn enable_acls(world: &Sandbox) {
    set_bucket_setting(world, "publicAccessBlock", "<PublicAccessBlockConfiguration/>");
    set_bucket_setting(
        world,
        "ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
    );
}

/// What a copy may change, set to the same.
fn strip_copy_changes(mut object: SandboxObject) -> SandboxObject {
    object.attributes.remove("cache-control");
    object.modified = 0;
    object.written = 0;
    object.version = String::new();
    object
}

/// Each kind of object that can be changed, by what sets it apart.
fn objects_of_every_kind(world: &Sandbox) -> Vec<(&'static str, SandboxObject)> {
    let plain = |name: &str| build_object(world, &format!("7/8/debian/package_files/{name}.deb"), b"content");
    let with = |name: &'static str, change: &dyn Fn(&mut SandboxObject)| {
        let mut object = plain(name);
        change(&mut object);
        (name, object)
    };
    let said = |object: &mut SandboxObject, name: &str, value: &str| {
        object.attributes.insert(name.to_owned(), value.to_owned());
    };
    let key = Some("arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555".to_owned());
    let until = |mode: &str| SandboxObjectRetention {
        mode: mode.to_owned(),
        until: "2099-01-01T00:00:00Z".to_owned(),
    };
    let mut kinds = vec![
        with("plain", &|_| {}),
        ("empty", build_object(world, "7/8/debian/package_files/empty.deb", b"")),
        with("type", &|o| said(o, "content-type", "application/vnd.debian.binary-package; x=\"y\"")),
        with("encoding", &|o| said(o, "content-encoding", "gzip")),
        with("language", &|o| said(o, "content-language", "de, en")),
        with("disposition", &|o| said(o, "content-disposition", "attachment; filename=\"a b.deb\"")),
        with("expires", &|o| said(o, "expires", "Thu, 01 Jan 2099 00:00:00 GMT")),
        with("wrong", &|o| said(o, "cache-control", "max-age=60, private")),
        with("metadata", &|o| {
            said(o, "x-amz-meta-k", "v");
            said(o, "x-amz-meta-with-dashes", "two  words, and \"quotes\"");
        }),
        with("tags", &|o| {
            o.tags = vec![("t".to_owned(), "1".to_owned()), ("a b+c".to_owned(), "=+/ü".to_owned())];
        }),
        with("infrequent", &|o| o.storage_class = Some("STANDARD_IA".to_owned())),
        with("instant", &|o| o.storage_class = Some("GLACIER_IR".to_owned())),
        with("redirect", &|o| o.redirect = Some("/elsewhere".to_owned())),
        with("crc32c", &|o| {
            // the content's own: a copy computes it again
            o.checksum =
                Some(SandboxObjectChecksum { algorithm: "CRC32C".to_owned(), value: None, composite: false });
        }),
        with("kms", &|o| {
            o.encryption = SandboxObjectEncryption::Kms { dual: false, key: key.clone(), bucket_key: false };
        }),
        with("kms-bucket-key", &|o| {
            o.encryption = SandboxObjectEncryption::Kms { dual: false, key: key.clone(), bucket_key: true };
        }),
        with("kms-dual", &|o| {
            o.encryption = SandboxObjectEncryption::Kms { dual: true, key: key.clone(), bucket_key: false };
        }),
        with("held", &|o| o.legal_hold = true),
        with("governed", &|o| o.retention = Some(until("GOVERNANCE"))),
        with("compliant", &|o| o.retention = Some(until("COMPLIANCE"))),
        with("public", &|o| {
            o.grants =
                vec![SandboxAclGrant { grantee: ALL_USERS_GROUP.to_owned(), permission: "READ".to_owned() }];
        }),
        with("shared", &|o| {
            o.grants = vec![
                SandboxAclGrant { grantee: "0123456789abcdef".to_owned(), permission: "READ".to_owned() },
                SandboxAclGrant { grantee: "0123456789abcdef".to_owned(), permission: "READ_ACP".to_owned() },
            ];
        }),
    ];
    let long = "ü".repeat(503);
    for name in ["a+b", "a b  c", "50%25%", "ключ😀", "a&<>\"'?#", "=;:@$,", "~._-!*()", long.as_str()]
    {
        kinds.push(("odd key", build_object(world, &format!("7/8/package_files/{name}"), b"content")));
    }
    kinds
}

/// Versions, and objects that may be locked.
fn enable_object_lock(world: &Sandbox) {
    set_bucket_setting(
        world,
        "versioning",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    );
    set_bucket_setting(
        world,
        "object-lock",
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
    );
}

#[test]
fn nothing_is_lost_whatever_the_object_is() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_empty_sandbox(dir.path());
    enable_acls(&world);
    enable_object_lock(&world);
    let kinds = objects_of_every_kind(&world);
    put_objects(&world, kinds.iter().map(|(_, object)| object.clone()));
    let (code, said) = run_reindex(dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    let after = object_versions(&world);
    assert_eq!(after.len(), kinds.len());
    for (kind, before) in kinds {
        let versions = &after[&before.key];
        let newest = versions.last().unwrap();
        assert_eq!(
            newest.attributes.get("cache-control").map(String::as_str),
            Some(PACKAGE_CACHE_CONTROL),
            "{kind}"
        );
        // S3 computes a sum of its own where there was none, and anew where there was one
        let mut newest = strip_copy_changes(newest.clone());
        // the owner's own grant is said where others' are; the sandbox keeps it beside them then
        newest.grants.retain(|grant| grant.permission != "FULL_CONTROL");
        let algorithm = newest.checksum.take().map(|sum| sum.algorithm);
        if let Some(asked) = &before.checksum {
            assert_eq!(algorithm.as_ref(), Some(&asked.algorithm), "{kind}");
            newest.checksum.clone_from(&before.checksum);
        }
        assert_eq!(newest, strip_copy_changes(before.clone()), "{kind}: {}", before.key);
    }
    let (code, said) = run_reindex(dir.path(), &["--rescan"]);
    assert!(code == 0 && said.contains("0 changed"), "{said}");
}

#[test]
fn over_five_gigabytes_it_keeps_its_tags_and_headers() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_empty_sandbox(dir.path());
    enable_acls(&world);
    let mut big = build_object(&world, "7/8/debian/package_files/big.deb", b"");
    big.size = (5 << 30) + 1;
    big.blob = None;
    big.tags = vec![("t".to_owned(), "1".to_owned()), ("a b+c".to_owned(), "=+/ü".to_owned())];
    big.storage_class = Some("STANDARD_IA".to_owned());
    big.redirect = Some("/elsewhere".to_owned());
    big.grants = vec![SandboxAclGrant { grantee: ALL_USERS_GROUP.to_owned(), permission: "READ".to_owned() }];
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("x-amz-meta-k", "v"),
        ("content-type", "x/y"),
    ] {
        big.attributes.insert(name.to_owned(), value.to_owned());
    }
    put_objects(&world, [big.clone()]);
    let (code, said) = run_reindex(dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    let after = object_versions(&world);
    let newest = after[&big.key].last().unwrap();
    assert_eq!(
        newest.attributes.get("cache-control").map(String::as_str),
        Some(PACKAGE_CACHE_CONTROL),
        "{said}"
    );
    assert!(newest.parts > 1, "it was copied in parts: {newest:?}");
    let same = |object: SandboxObject| SandboxObject {
        parts: 0,
        layout: Vec::new(),
        etag: String::new(),
        checksum: None,
        ..strip_copy_changes(object)
    };
    assert_eq!(same(newest.clone()), same(big));
}

/// What is counted as packagecloud's mistake is what a reindex could mend.
#[tokio::test]
async fn what_can_not_be_changed_is_not_counted_as_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_empty_sandbox(dir.path());
    let index = |name: &str| build_object(&world, &format!("7/8/debian/dists/jammy/{name}"), b"x");
    let mut archived = index("Old");
    archived.storage_class = Some("GLACIER".to_owned());
    let mut customers = index("Locked");
    customers.encryption =
        SandboxObjectEncryption::Customer { key_md5: "AAAAAAAAAAAAAAAAAAAAAA==".to_owned() };
    put_objects(&world, [index("InRelease"), archived, customers]);
    let cloud = AwsClients::new(&world.build_sandbox_sdk_config(), None);
    let wrong = cloud
        .count_cacheable_repo_metadata(SANDBOX_BUCKET, &ObjectClassifier::new(false, &[], &[]).unwrap())
        .await;
    assert_eq!(wrong, Ok(1));
}

#[test]
fn what_can_not_be_changed_is_left_as_it_is_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_empty_sandbox(dir.path());
    let mut archived = build_object(&world, "7/8/debian/package_files/archived.deb", b"x");
    archived.storage_class = Some("DEEP_ARCHIVE".to_owned());
    let mut customers = build_object(&world, "7/8/debian/package_files/customer.deb", b"x");
    customers.encryption =
        SandboxObjectEncryption::Customer { key_md5: "AAAAAAAAAAAAAAAAAAAAAA==".to_owned() };
    let mut backup = build_object(&world, "backups/2026/dump.tar.gz", b"x");
    backup.attributes.insert("cache-control".to_owned(), "max-age=5".to_owned());
    let top = build_object(&world, "index.html", b"x");
    // restored for some days: a copy would be archived again at once, and could not be read any more
    let mut restored = build_object(&world, "7/8/debian/package_files/restored.deb", b"x");
    restored.storage_class = Some("GLACIER".to_owned());
    restored.restored = true;
    let left = [archived, customers, restored, backup, top];
    put_objects(&world, left.iter().cloned());
    put_objects(&world, [build_object(&world, "7/8/debian/dists/jammy/InRelease", b"x")]);
    let (code, said) = run_reindex(dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    let after = object_versions(&world);
    for before in &left {
        assert_eq!(after[&before.key].last(), Some(before), "{}", before.key);
    }
    assert_eq!(
        after["7/8/debian/dists/jammy/InRelease"].last().unwrap().attributes["cache-control"],
        METADATA_CACHE_CONTROL
    );
    for told in
        ["3 skipped", "restored for now", "1 archived (DEEP_ARCHIVE)", "1 in backups/", "1 in (no folder)"]
    {
        assert!(said.contains(told), "{told}: {said}");
    }
    let list = std::fs::read_to_string(dir.path().join("world/state/reindex.skipped")).unwrap();
    assert_eq!(list.lines().count(), 3, "{list}");
    for (key, why) in [("archived.deb", "archived (DEEP_ARCHIVE)"), ("customer.deb", "customer")] {
        assert!(list.lines().any(|line| line.contains(key) && line.contains(why)), "{list}");
    }
}

/// What KMS gives a key that is made without a policy: the account's own policies decide.
const DEFAULT_KEY_POLICY: &str = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"kms:*","Resource":"*"}]}"#;

/// A key of the account's, in a state.
fn set_objects_key_state(world: &Sandbox, state: &str) -> String {
    world.update_sandbox_state_on_disk(|all| {
        let key = all.kms.keys.entry("objects".to_owned()).or_insert_with(|| SandboxKmsKey {
            id: "objects".to_owned(),
            policy: DEFAULT_KEY_POLICY.to_owned(),
            ..SandboxKmsKey::default()
        });
        state.clone_into(&mut key.state);
        key.build_sandbox_kms_key_arn()
    })
}

fn build_package_under_key(world: &Sandbox, number: u32, key: &str) -> SandboxObject {
    let mut package = build_object(world, &format!("7/8/debian/package_files/{number}.deb"), b"x");
    package.encryption =
        SandboxObjectEncryption::Kms { dual: false, key: Some(key.to_owned()), bucket_key: false };
    package
}

#[test]
fn where_every_object_is_under_a_disabled_key_the_reindex_fails_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_empty_sandbox(dir.path());
    for (state, reason) in [("Disabled", "is disabled"), ("PendingDeletion", "is pending deletion")] {
        let key = set_objects_key_state(&world, state);
        put_objects(&world, (1..=3).map(|number| build_package_under_key(&world, number, &key)));
        // A second run fails as the first: nothing of it counts as done.
        for _ in 0..2 {
            let (code, said) = run_reindex(dir.path(), &[]);
            assert_eq!(code, 1, "{said}");
            let why = format!(
                "none of 3 could be changed, 3 for this: under a KMS key that can't be used ({key} {reason})"
            );
            for told in [why.as_str(), "next: enable the KMS key, or cancel its deletion"] {
                assert!(said.contains(told), "no {told:?} in {said}");
            }
        }
    }
    set_objects_key_state(&world, "Enabled");
    let (code, said) = run_reindex(dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("3 objects: 3 changed"), "{said}");
}

#[test]
fn one_stray_object_under_a_disabled_key_is_listed_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_empty_sandbox(dir.path());
    let key = set_objects_key_state(&world, "Disabled");
    // What is right already needs no key to be seen to be.
    let mut right = build_package_under_key(&world, 1, &key);
    right.attributes.insert("cache-control".to_owned(), PACKAGE_CACHE_CONTROL.to_owned());
    right.checksum = Some(SandboxObjectChecksum {
        algorithm: "CRC32".into(),
        value: Some("AAAAAA==".into()),
        composite: false,
    });
    let stray = build_package_under_key(&world, 2, &key);
    put_objects(&world, [right, stray, build_object(&world, "7/8/debian/package_files/3.deb", b"x")]);
    let (code, said) = run_reindex(dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    for told in ["3 objects: 1 changed, 1 right already", "1 skipped (1 under a KMS key that can't be used"] {
        assert!(said.contains(told), "no {told:?} in {said}");
    }
}

#[test]
fn where_the_bucket_keeps_versions_the_earlier_one_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_empty_sandbox(dir.path());
    enable_object_lock(&world);
    let before = SandboxObject {
        version: "v1".to_owned(),
        legal_hold: true,
        ..build_object(&world, "7/8/debian/package_files/1.deb", b"content")
    };
    put_objects(&world, [before.clone()]);
    let (code, said) = run_reindex(dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("This bucket keeps versions"), "it is said before: {said}");
    let versions = &object_versions(&world)[&before.key];
    assert_eq!((versions.len(), &versions[0]), (2, &before), "{said}");
    assert_eq!(
        strip_copy_changes(SandboxObject { checksum: None, ..versions[1].clone() }),
        strip_copy_changes(before)
    );
}
