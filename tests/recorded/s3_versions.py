# Players of S3's deletions, and of buckets that keep versions.
from players import plays
from s3_setup import STRANGE_VERSION, set_versioning


@plays(r"TestS3ObjectCRUD::test_delete_object")
def delete_object(t):
    b, s = t.bucket(), t.s3
    t.ask("put-object", s.put_object, Bucket=b, Key="test-delete", Body="test-delete")
    t.ask("delete-object", s.delete_object, Bucket=b, Key="test-delete")
    t.ask("delete-nonexistent-object", s.delete_object, Bucket=b, Key="test-delete")
    t.ask("delete-nonexistent-object-versionid", s.delete_object, Bucket=b, Key="test-delete", VersionId=STRANGE_VERSION)


@plays(r"TestS3ObjectCRUD::test_delete_object_versioned")
def delete_versioned(t):
    b, s, key = t.bucket(), t.s3, "test-delete"
    set_versioning(t, b)
    put = t.ask("put-object", s.put_object, Bucket=b, Key=key, Body="test-delete")["VersionId"]
    marker = t.ask("delete-object", s.delete_object, Bucket=b, Key=key)["VersionId"]
    t.ask("get-deleted-object", s.get_object, Bucket=b, Key=key)
    t.ask("get-object-with-version", s.get_object, Bucket=b, Key=key, VersionId=put)
    t.ask("get-delete-marker", s.get_object, Bucket=b, Key=key, VersionId=marker)
    t.ask("delete-object-2", s.delete_object, Bucket=b, Key=key)
    t.ask("list-object-versions", s.list_object_versions, Bucket=b, Prefix=key)
    t.ask("delete-delete-marker", s.delete_object, Bucket=b, Key=key, VersionId=marker)
    t.ask("delete-object-version", s.delete_object, Bucket=b, Key=key, VersionId=put)
    t.ask("get-deleted-object-with-version", s.get_object, Bucket=b, Key=key, VersionId=put)
    t.ask("delete-with-bad-version", s.delete_object, Bucket=b, Key=key, VersionId=put[:-4] + "ABCD")
    t.ask("delete-wrong-key", s.delete_object, Bucket=b, Key="wrong-key")


@plays(r"TestS3ObjectCRUD::test_delete_objects")
def delete_objects(t):
    b, s = t.bucket(), t.s3
    t.ask("put-object", s.put_object, Bucket=b, Key="test-delete", Body="test-delete")
    t.ask("delete-object-wrong-version-id", s.delete_objects, Bucket=b,
          Delete={"Objects": [{"Key": "test-delete", "VersionId": STRANGE_VERSION}]})
    t.ask("delete-objects", s.delete_objects, Bucket=b,
          Delete={"Objects": [{"Key": "test-delete"}, {"Key": "c-wrong-key"}, {"Key": "a-wrong-key"}]})


@plays(r"TestS3ObjectCRUD::test_delete_objects_versioned")
def delete_objects_versioned(t):
    b, s, key = t.bucket(), t.s3, "test-delete"
    set_versioning(t, b)
    put = t.ask("put-object", s.put_object, Bucket=b, Key=key, Body="test-delete")["VersionId"]
    gone = t.ask("delete-objects-no-version-id", s.delete_objects, Bucket=b,
                 Delete={"Objects": [{"Key": key}, {"Key": "wrongkey"}, {"Key": "wrongkey-x"}]})
    marker = next(one for one in gone["Deleted"] if one["Key"] == key)["DeleteMarkerVersionId"]
    t.ask("delete-objects-marker", s.delete_objects, Bucket=b, Delete={"Objects": [{"Key": key, "VersionId": marker}]})
    t.ask("delete-objects-wrong-version-id", s.delete_objects, Bucket=b, Delete={"Objects": [
        {"Key": key, "VersionId": STRANGE_VERSION}, {"Key": "wrong-key-2", "VersionId": STRANGE_VERSION}]})
    t.ask("delete-objects-version-id", s.delete_objects, Bucket=b, Delete={"Objects": [{"Key": key, "VersionId": put}]})


@plays(r"TestS3::test_delete_non_existing_keys(_quiet|_in_non_existing_bucket)?")
def delete_missing(t, kind):
    b, s = t.bucket(), t.s3
    keys = {"Objects": [{"Key": "dummy1"}, {"Key": "dummy2"}]}
    if kind == "_in_non_existing_bucket":
        t.ask("error-non-existent-bucket", s.delete_objects, Bucket="non-existent-bucket-recorded", Delete=keys)
        return
    t.call(s.put_object, Bucket=b, Key="test-key-nonexistent", Body="something")
    every = {"Objects": [{"Key": "test-key-nonexistent"}, *keys["Objects"]]}
    t.ask("deleted-resp", s.delete_objects, Bucket=b, Delete={**every, **({"Quiet": True} if kind else {})})


@plays(r"TestS3::test_delete_keys_in_versioned_bucket")
def delete_keys_versioned(t):
    b, s, key = t.bucket(), t.s3, "test-key-versioned"
    set_versioning(t, b)
    versions = [t.call(s.put_object, Bucket=b, Key=key, Body=body)["VersionId"] for body in ("something", "something-v2")]
    t.ask("list-objects-v2", s.list_objects_v2, Bucket=b)
    gone = t.ask("delete-object", s.delete_objects, Bucket=b, Delete={"Objects": [{"Key": key}]})
    t.ask("list-object-version", s.list_object_versions, Bucket=b)
    t.ask("delete-object-version", s.delete_objects, Bucket=b,
          Delete={"Objects": [{"Key": key, "VersionId": one} for one in versions]})
    t.ask("list-objects-v2-after-delete", s.list_objects_v2, Bucket=b)
    t.ask("list-object-version-after-delete", s.list_object_versions, Bucket=b)
    marker = gone["Deleted"][0]["DeleteMarkerVersionId"]
    t.ask("delete-object-delete-marker", s.delete_objects, Bucket=b, Delete={"Objects": [{"Key": key, "VersionId": marker}]})
    if "list-object-after-delete-marker" in t.recording:
        t.ask("list-object-after-delete-marker", s.list_object_versions, Bucket=b)


@plays(r"TestS3::test_s3_batch_delete_objects")
def delete_batch(t):
    b, s = t.bucket(), t.s3
    keys = [f"key-{number}" for number in range(len(t.recording["batch-delete"]["Deleted"]))]
    for key in keys:
        t.call(s.put_object, Bucket=b, Key=key, Body="content123")
    recorded = sorted(one["Key"] for one in t.recording["batch-delete"]["Deleted"])
    t.ask("batch-delete", s.delete_objects, Bucket=b, Delete={"Objects": [{"Key": key} for key in keys]},
          loose=() if recorded == sorted(keys) else ("Key",))
    t.ask("list-remaining-objects", s.list_objects, Bucket=b)


@plays(r"TestS3ObjectLock::test_delete_object_with_no_locking")
def delete_bypass(t):
    b, s, key = t.bucket(), t.s3, "test-delete-no-lock"
    t.call(s.put_object, Bucket=b, Key=key, Body=b"test")
    t.ask("delete-object-bypass-no-lock", s.delete_object, Bucket=b, Key=key, BypassGovernanceRetention=True)
    t.ask("delete-object-bypass-no-lock-false", s.delete_object, Bucket=b, Key=key, BypassGovernanceRetention=False)
    t.ask("delete-objects-bypass-no-lock", s.delete_objects, Bucket=b, Delete={"Objects": [{"Key": key}]},
          BypassGovernanceRetention=True)


@plays(r"TestS3ObjectCRUD::test_get_object_with_version_unversioned_bucket")
def version_unversioned(t):
    b, s = t.bucket(), t.s3
    t.ask("put-object", s.put_object, Bucket=b, Key="test-version", Body="test-version")
    t.ask("get-obj-with-version", s.get_object, Bucket=b, Key="test-version", VersionId=STRANGE_VERSION)
    t.ask("get-obj-with-null-version", s.get_object, Bucket=b, Key="test-version", VersionId="null")


@plays(r"TestS3ObjectCRUD::test_put_object_on_suspended_bucket")
def put_suspended(t):
    b, s, key = t.bucket(), t.s3, "test-version"
    set_versioning(t, b)
    for number in range(3):
        t.ask(f"put-object-{number}", s.put_object, Bucket=b, Key=key, Body=f"test-version-{number}")
    t.ask("list-enabled", s.list_object_versions, Bucket=b)
    set_versioning(t, b, "Suspended")
    t.ask("list-suspended", s.list_object_versions, Bucket=b)
    t.ask("put-object-suspended", s.put_object, Bucket=b, Key=key, Body="test-version-suspended")
    t.ask("list-suspended-after-put", s.list_object_versions, Bucket=b)
    t.ask("put-object-suspended-overwrite", s.put_object, Bucket=b, Key=key, Body="test-version-suspended")
    t.ask("list-suspended-after-overwrite", s.list_object_versions, Bucket=b)
    t.ask("get-object-current", s.get_object, Bucket=b, Key=key)


@plays(r"TestS3ObjectCRUD::test_delete_object_on_suspended_bucket")
def delete_suspended(t):
    b, s, key = t.bucket(), t.s3, "test-delete-suspended"
    set_versioning(t, b)
    for number in range(2):
        t.ask(f"put-object-{number}", s.put_object, Bucket=b, Key=key, Body=f"test-version-{number}")
    set_versioning(t, b, "Suspended")
    t.ask("list-suspended", s.list_object_versions, Bucket=b)
    t.ask("delete-object-no-version", s.delete_object, Bucket=b, Key=key)
    t.ask("list-suspended-delete", s.list_object_versions, Bucket=b)
    t.ask("put-object-suspended", s.put_object, Bucket=b, Key=key, Body="test-version-suspended-after-delete")
    t.ask("list-suspended-put", s.list_object_versions, Bucket=b)
    t.ask("delete-object-no-version-after-put", s.delete_object, Bucket=b, Key=key)
    t.ask("list-suspended-after-put", s.list_object_versions, Bucket=b)


@plays(r"TestS3BucketVersioning::test_object_version_id_format")
def version_format(t):
    b = t.bucket()
    set_versioning(t, b)
    t.ask("put-object", t.s3.put_object, Bucket=b, Key="test-version-id")


@plays(r"TestS3::test_s3_put_object_versioned")
def put_versioned(t):
    b, s = t.bucket(), t.s3
    key, old = "versioned-object", "non-versioned"
    sized = ("Size", "ETag", "ContentLength", "Body", "ChecksumCRC32")
    t.ask("put-pre-versioned", s.put_object, Bucket=b, Key=old, Body="non-version", loose=sized)
    t.ask("get-pre-versioned", s.get_object, Bucket=b, Key=old, loose=sized)
    t.ask("list-object-pre-versioned", s.list_object_versions, Bucket=b, loose=(*sized, "Key"))
    set_versioning(t, b)
    t.ask("get-post-versioned", s.get_object, Bucket=b, Key=old, loose=sized)
    t.ask("put-obj-versioned-1", s.put_object, Bucket=b, Key=key, Body="versioned-1", loose=sized)
    t.ask("put-obj-versioned-2", s.put_object, Bucket=b, Key=key, Body="versioned-2", loose=sized)
    t.ask("get-obj-versioned", s.get_object, Bucket=b, Key=key, loose=sized)
    t.ask("list-object-versioned", s.list_object_versions, Bucket=b, loose=(*sized, "Key"))
    set_versioning(t, b, "Suspended")
    t.ask("list-bucket-suspended", s.list_object_versions, Bucket=b, loose=(*sized, "Key"))
    t.ask("get-obj-versioned-disabled", s.get_object, Bucket=b, Key=key, loose=sized)
    t.ask("get-obj-non-versioned-disabled", s.get_object, Bucket=b, Key=old, loose=sized)
    t.ask("put-non-versioned-post-disable", s.put_object, Bucket=b, Key=old, Body="after", loose=sized)
    t.ask("get-non-versioned-post-disable", s.get_object, Bucket=b, Key=old, loose=sized)


@plays(r"TestS3::test_s3_delete_object_with_version_id")
def delete_with_version(t):
    b, s = t.bucket(), t.s3
    set_versioning(t, b)
    t.ask("get_bucket_versioning", s.get_bucket_versioning, Bucket=b)
    first = t.call(s.put_object, Bucket=b, Key="aws/s3/testkey1.txt", Body="something")["VersionId"]
    t.call(s.put_object, Bucket=b, Key="aws/s3/testkey2.txt", Body="Lorem ipsum dolor sit amet, ... " * 30)
    t.ask("delete_objects", s.delete_objects, Bucket=b,
          Delete={"Objects": [{"Key": "aws/s3/testkey1.txt", "VersionId": first}]})
    t.ask("list_object_versions_after_delete", s.list_object_versions, Bucket=b)
    set_versioning(t, b, "Suspended")
    t.ask("get_bucket_versioning_suspended", s.get_bucket_versioning, Bucket=b)
