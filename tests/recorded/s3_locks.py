# Players of S3's Object Lock: legal holds, retention, and a bucket's default.
import datetime
import time

from players import plays
from s3_setup import NO_BUCKET, later, now, set_versioning, take_locked_bucket


@plays(r"TestS3ObjectLockLegalHold::test_(put_get_object_legal_hold|delete_locked_object|put_object_with_legal_hold)")
def legal_hold(t, kind):
    s, bucket = t.s3, take_locked_bucket(t)
    at = {"Bucket": bucket, "Key": "test-delete-locked"}
    held = {"ObjectLockLegalHoldStatus": "ON"} if kind == "put_object_with_legal_hold" else {}
    version = t.ask("put-obj", s.put_object, Body=b"test", **held, **at)["VersionId"]
    if kind == "put_get_object_legal_hold":
        t.ask("get-legal-hold-unset", s.get_object_legal_hold, **at)
    if "put-object-legal-hold" in t.recording:
        t.ask("put-object-legal-hold", s.put_object_legal_hold, LegalHold={"Status": "ON"}, **at)
    if "head-object-with-legal-hold" in t.recording:
        t.ask("head-object-with-legal-hold", s.head_object, **at)
    if "get-legal-hold-set" in t.recording:
        t.ask("get-legal-hold-set", s.get_object_legal_hold, **at)
    if kind == "delete_locked_object":
        t.ask("delete-object-locked", s.delete_object, VersionId=version, **at)
        t.ask("delete-objects-locked", s.delete_objects, Bucket=bucket,
              Delete={"Objects": [{"Key": at["Key"], "VersionId": version}]})
    t.ask("put-object-legal-hold-off", s.put_object_legal_hold, LegalHold={"Status": "OFF"}, **at)


@plays(r"TestS3ObjectLockLegalHold::test_put_object_legal_hold_exc")
def refused_legal_hold(t):
    s, bucket, plain, on = t.s3, take_locked_bucket(t), t.bucket(), {"Status": "ON"}
    t.call(s.put_object, Bucket=plain, Key="k", Body=b"test")
    t.call(s.put_object, Bucket=bucket, Key="k", Body=b"test")
    t.ask("put-object-legal-hold-no-bucket", s.put_object_legal_hold, Bucket=t.name("none"), Key="k", LegalHold=on)
    t.ask("put-object-legal-hold-no-key", s.put_object_legal_hold, Bucket=bucket, Key="non-existing-key", LegalHold=on)
    t.ask("put-object-retention-regular-bucket", s.put_object_legal_hold, Bucket=plain, Key="k", LegalHold=on)
    t.ask("put-object-retention-empty", s.put_object_legal_hold, Bucket=bucket, Key="k", LegalHold={})
    t.ask("get-object-retention-regular-bucket", s.get_object_legal_hold, Bucket=plain, Key="k")


@plays(r"TestS3ObjectLockLegalHold::test_s3_legal_hold_lock_versioned")
def legal_hold_of_versions(t):
    s, at = t.s3, {"Bucket": take_locked_bucket(t), "Key": "locked"}
    versions = []
    for number, recorded in enumerate(("put-object", "put-object-2"), 1):
        versions.append(t.ask(recorded, s.put_object, Body=b"test", **at)["VersionId"])
        t.ask(f"put-object-legal-hold-ver{number}", s.put_object_legal_hold, LegalHold={"Status": "ON"}, VersionId=versions[-1], **at)
        t.ask(f"head-object-ver{number}", s.head_object, VersionId=versions[-1], **at)
    t.ask("remove-object-legal-hold-ver1", s.put_object_legal_hold, LegalHold={"Status": "OFF"}, VersionId=versions[0], **at)
    t.ask("head-object-ver1-no-lock", s.head_object, VersionId=versions[0], **at)
    t.ask("delete-object-ver1", s.delete_object, VersionId=versions[0], **at)


@plays(r"TestS3ObjectLock(LegalHold|Retention)::test_s3_copy_object_(?:legal_hold|retention_lock)")
def copied_lock(t, kind):
    s, bucket = t.s3, take_locked_bucket(t)
    words = {"ObjectLockLegalHoldStatus": "ON"} if kind == "LegalHold" else {
        "ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(seconds=30)}
    end = ("put-object", "head-object", "copy-legal-hold") if kind == "LegalHold" else ("put-source-object", "head-source-object", "copy-lock")
    t.ask(end[0], s.put_object, Bucket=bucket, Key="source", Body=b"test copy object", loose=("ChecksumCRC32", "ETag"), **words)
    t.ask(end[1], s.head_object, Bucket=bucket, Key="source", loose=("ETag", "ContentLength"))
    t.ask(end[2], s.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/source", loose=("ChecksumCRC32", "ETag"))
    t.ask("head-dest-key", s.head_object, Bucket=bucket, Key="copy", loose=("ETag", "ContentLength"))


@plays(r"TestS3ObjectLockRetention::test_s3_object_retention")
def retention(t):
    s, at = t.s3, {"Bucket": take_locked_bucket(t), "Key": "locked"}
    keep = {"Mode": "GOVERNANCE", "RetainUntilDate": later(seconds=60)}
    version = t.ask("put-obj-locked-1", s.put_object, Body=b"test", **at)["VersionId"]
    t.ask("put-object-retention-on-key-1", s.put_object_retention, Retention=keep, **at)
    t.ask("get-object-retention-on-key-1", s.get_object_retention, **at)
    t.ask("head-object-locked", s.head_object, **at)
    t.ask("delete-obj-locked", s.delete_object, VersionId=version, **at)
    t.ask("delete-obj-locked-bypass", s.delete_object, VersionId=version, BypassGovernanceRetention=True, **at)
    t.ask("put-obj-locked-2", s.put_object, Body=b"test", ObjectLockMode="GOVERNANCE",
          ObjectLockRetainUntilDate=later(seconds=60), **at)
    sooner = {**keep, "RetainUntilDate": later(seconds=20)}
    t.ask("update-retention-locked-object", s.put_object_retention, Retention=sooner, **at)
    t.ask("put-object-empty-retention", s.put_object_retention, Retention={}, BypassGovernanceRetention=True, **at)
    t.ask("update-retention-object", s.put_object_retention, Retention=keep, **at)


@plays(r"TestS3ObjectLockRetention::test_s3_object_retention_exc")
def refused_retention(t):
    s, bucket, plain = t.s3, take_locked_bucket(t), t.bucket()
    keep = {"Mode": "GOVERNANCE", "RetainUntilDate": later(days=30)}
    t.call(s.put_object, Bucket=plain, Key="k", Body=b"test")
    t.call(s.put_object, Bucket=bucket, Key="k", Body=b"test")

    def put(recorded, retention, bucket=bucket, key="k", **words):
        t.ask(recorded, t.unchecked_s3.put_object_retention, Bucket=bucket, Key=key, Retention=retention, **words)
    put("put-object-retention-no-bucket", keep, bucket=t.name("none"))
    put("put-object-retention-no-key", keep, key="non-existing-key")
    t.ask("get-object-retention-never-set", s.get_object_retention, Bucket=bucket, Key="k")
    put("put-object-missing-retention-fields", {"RetainUntilDate": later(days=1)})
    t.call(s.put_object_retention, Bucket=bucket, Key="k", Retention=keep)
    put("update-retention-no-bypass", {**keep, "RetainUntilDate": later(days=10)})
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    put("update-retention-past-date", {**keep, "RetainUntilDate": past}, BypassGovernanceRetention=True)
    put("update-retention-bad-value", {**keep, "Mode": "BAD-VALUE"}, BypassGovernanceRetention=True)
    put("put-object-retention-regular-bucket", keep, bucket=plain)
    t.ask("get-object-retention-regular-bucket", s.get_object_retention, Bucket=plain, Key="k")


@plays(r"TestS3ObjectLockRetention::test_object_lock_(delete_markers|extend_duration)")
def locked_object(t, kind):
    s, at = t.s3, {"Bucket": take_locked_bucket(t), "Key": "locked"}
    until, loose = later(days=1), ("ChecksumCRC32", "ETag", "ContentLength")
    t.ask("put-object-with-lock", s.put_object, Body=b"test-body-with-lock!", ObjectLockMode="GOVERNANCE",
          ObjectLockRetainUntilDate=until, loose=loose, **at)
    t.ask("head-object-with-lock", s.head_object, loose=loose, **at)
    if kind == "extend_duration":
        t.ask("put-object-retention-extend", s.put_object_retention,
              Retention={"Mode": "GOVERNANCE", "RetainUntilDate": later(days=2)}, **at)
        t.ask("head-object-with-lock-extended", s.head_object, loose=loose, **at)
        t.ask("put-object-retention-reduce", s.put_object_retention, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until}, **at)
        return
    marker = t.ask("put-delete-marker", s.delete_object, **at)["VersionId"]
    t.ask("put-object-retention-delete-marker", s.put_object_retention, VersionId=marker,
          Retention={"Mode": "GOVERNANCE", "RetainUntilDate": later(days=2)}, **at)
    t.ask("get-object-retention-delete-marker", s.get_object_retention, VersionId=marker, **at)
    t.ask("head-object-locked-delete-marker", s.head_object, VersionId=marker, **at)


@plays(r"TestS3ObjectLockRetention::test_s3_object_lock_mode_validation")
def lock_modes(t):
    s, at = t.s3, {"Bucket": take_locked_bucket(t), "Key": "k"}
    t.ask("put-obj-locked-error-no-retain-date", s.put_object, Body=b"test", ObjectLockMode="GOVERNANCE", **at)
    t.ask("put-obj-locked-error-no-mode", s.put_object, Body=b"test", ObjectLockRetainUntilDate=later(days=1), **at)
    t.ask("put-obj-locked-bad-value", s.put_object, Body=b"test", ObjectLockMode="BAD-VALUE",
          ObjectLockRetainUntilDate=later(days=1), **at)
    t.ask("create-mpu-locked-bad-value", s.create_multipart_upload, ObjectLockMode="BAD-VALUE",
          ObjectLockRetainUntilDate=later(days=1), **at)


@plays(r"TestS3ObjectLockRetention::test_bucket_config_default_retention")
def default_retention(t):
    s, bucket = t.s3, take_locked_bucket(t)
    loose = ("ChecksumCRC32", "ETag", "ContentLength")
    t.ask("put-lock-config", s.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
    t.ask("put-object-default", s.put_object, Bucket=bucket, Key="k", Body=b"test-default-lock", loose=loose)
    t.ask("head-object-default", s.head_object, Bucket=bucket, Key="k", loose=loose)
    t.ask("put-object-with-lock", s.put_object, Bucket=bucket, Key="k", Body=b"test-body-with-lock!", ObjectLockMode="GOVERNANCE",
          ObjectLockRetainUntilDate=later(days=2), loose=loose)
    t.ask("head-object-with-lock", s.head_object, Bucket=bucket, Key="k", loose=loose)
    t.ask("put-object-with-lock-no-date", s.put_object, Bucket=bucket, Key="k", Body=b"test", ObjectLockMode="GOVERNANCE")


@plays(r"TestS3ObjectLock::test_put_object_lock_configuration_on_existing_bucket|TestS3ObjectLock::test_(?:get_put_object_lock_configuration"
       r"|put_object_lock_configuration_exc|get_object_lock_configuration_exc|disable_versioning_on_locked_bucket)")
def object_lock(t):
    b, s, asked = t.bucket(), t.s3, t.recording

    def put(recorded, words):
        t.ask(recorded, s.put_object_lock_configuration, Bucket=b, ObjectLockConfiguration=words)

    def keep(**words):
        return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": words}}
    enabled = {"ObjectLockEnabled": "Enabled"}
    if "get-lock-config-no-enabled" in asked:
        t.ask("get-lock-config-no-enabled", s.get_object_lock_configuration, Bucket=b)
        t.ask("get-lock-config-bucket-not-exists", s.get_object_lock_configuration, Bucket=NO_BUCKET)
        return
    if "suspended-versioning" in asked:
        t.ask("get-object-lock-existing-bucket-no-config", s.get_object_lock_configuration, Bucket=b)
        put("put-object-lock-existing-bucket-no-versioning", enabled)
        t.ask("suspended-versioning", s.put_bucket_versioning, Bucket=b, VersioningConfiguration={"Status": "Suspended"})
        put("put-object-lock-existing-bucket-versioning-disabled", enabled)
        t.ask("enabled-versioning", s.put_bucket_versioning, Bucket=b, VersioningConfiguration={"Status": "Enabled"})
        put("put-object-lock-existing-bucket-enabled", enabled)
        t.ask("get-object-lock-existing-bucket-enabled", s.get_object_lock_configuration, Bucket=b)
        return
    set_versioning(t, b)
    t.call(s.put_object_lock_configuration, Bucket=b, ObjectLockConfiguration=enabled)
    if "get-lock-config-start" in asked:
        t.ask("get-lock-config-start", s.get_object_lock_configuration, Bucket=b)
        put("put-lock-config", keep(Mode="GOVERNANCE", Days=1))
        t.ask("get-lock-config", s.get_object_lock_configuration, Bucket=b)
        put("put-lock-config-enabled", enabled)
        t.ask("get-lock-config-only-enabled", s.get_object_lock_configuration, Bucket=b)
    elif "put-lock-config-empty" in asked:
        put("put-lock-config-no-enabled", {"Rule": keep(Mode="GOVERNANCE", Days=1)["Rule"]})
        put("put-lock-config-empty", {})
        put("put-lock-config-empty-rule", {**enabled, "Rule": {}})
        put("put-lock-config-empty-retention", keep())
        put("put-lock-config-no-days", keep(Mode="GOVERNANCE"))
        put("put-lock-config-bad-mode", keep(Mode="BAD-VALUE", Days=1))
        put("put-lock-config-both-days-years", keep(Mode="GOVERNANCE", Days=1, Years=1))
    else:
        t.ask("disable-versioning-on-locked-bucket", s.put_bucket_versioning, Bucket=b,
              VersioningConfiguration={"Status": "Suspended"})
        t.ask("enable-versioning-again-on-locked-bucket", s.put_bucket_versioning, Bucket=b,
              VersioningConfiguration={"Status": "Enabled"})


@plays(r"TestS3ObjectLockRetention::test_s3_object_retention_compliance_mode")
def compliance(t):
    s, at = t.s3, {"Bucket": take_locked_bucket(t), "Key": "locked"}
    until = now() + datetime.timedelta(seconds=8)
    keep = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
    first = t.ask("put-obj-locked-1", s.put_object, Body=b"test", **at)["VersionId"]
    t.ask("add-compliance-retention", s.put_object_retention, Retention=keep, **at)
    t.ask("delete-locked-1", s.delete_object, VersionId=first, **at)
    t.ask("put-delete-marker", s.delete_object, **at)
    t.ask("delete-locked-2", s.delete_object, VersionId=first, BypassGovernanceRetention=True, **at)
    at["VersionId"] = first
    t.ask("update-retention-shortened", s.put_object_retention, BypassGovernanceRetention=True,
          Retention={**keep, "RetainUntilDate": until - datetime.timedelta(seconds=4)}, **at)
    t.ask("update-retention-less-restrictive", s.put_object_retention, BypassGovernanceRetention=True,
          Retention={**keep, "Mode": "GOVERNANCE"}, **at)
    time.sleep(max(0, (until - now()).total_seconds()) + 2)
    t.ask("delete-obj-after-lock-expiration", s.delete_object, **at)
