# Players of S3's operations on objects whose keys, versions, locks and checksums are seldom met.
import datetime
import json
import time

from players import plays
from s3_objects import locked_bucket, now, version

DATA = b"test data.."
SHA256 = "2l26x0trnT0r2AvakoFk2MB7eKVKzYESLMxSAKAzoik="


@plays(r"TestS3::test_copy_object_special_character")
def copied_keys(t):
    source, target, s = t.bucket(), t.bucket(), t.s3
    for key in ["file%2Fname", "test@key/", "test key/", "test key//", "a/%F0%9F%98%80/", "test+key"]:
        t.ask(f"put-object-src-special-char-{key}", s.put_object, Bucket=source, Key=key, Body=b"test")
        t.ask(f"copy-object-special-char-{key}", s.copy_object, Bucket=target, Key=key,
              CopySource={"Bucket": source, "Key": key})
    t.ask("list-object-copy-dest-special-char", s.list_objects_v2, Bucket=target)


@plays(r"TestS3::test_object_with_slashes_in_key\[(?:True|False)\]|TestS3::test_put_get_object_single_character_trailing_slash"
       r"|TestS3::test_range_header_body_length|TestS3::test_upload_big_file|TestS3::test_s3_lambda_integration"
       r"|TestS3::test_multipart_with_unicode_character_location")
def other_keys(t):
    b, s, asked = t.bucket(), t.s3, t.recording
    if "list-objects-slashes" in asked:
        for key, body in [("/foo", "foobar"), ("bar", "barfoo"), ("/bar/foo/", "test")]:
            t.call(s.put_object, Bucket=b, Key=key, Body=body)
        t.ask("list-objects-slashes", s.list_objects_v2, Bucket=b)
    elif "list-objects-single-char" in asked:
        for key in ["a/", "t/", "u/"]:
            t.ask(f"put-object-single-char-{key}", s.put_object, Bucket=b, Key=key, Body=b"test")
            t.ask(f"get-object-single-char-{key}", s.get_object, Bucket=b, Key=key)
        t.ask("list-objects-single-char", s.list_objects_v2, Bucket=b)
    elif "get-object-2" in asked:
        t.call(s.put_object, Bucket=b, Key="k", Body=b"a" * 2048)
        for recorded, asked_range in [("get-object", "bytes=0-1023"), ("get-object-2", "bytes=1024-2047")]:
            t.ask(recorded, s.get_object, Bucket=b, Key="k", Range=asked_range, pick=lambda answer: {**answer, "Body": b""})
    elif "put_object_key1" in asked:
        loose = ("ETag", "ChecksumCRC32")
        t.ask("put_object_key1", s.put_object, Bucket=b, Key="1", Body=b"a" * 10000000, loose=loose)
        t.ask("put_object_key2", s.put_object, Bucket=b, Key="2", Body=b"b" * 10000000, loose=loose)
        t.ask("head_object_key1", s.head_object, Bucket=b, Key="1", loose=loose)
        t.ask("head_object_key2", s.head_object, Bucket=b, Key="2", loose=loose)
    elif "head_object" in asked:
        t.call(s.put_object, Bucket=b, Key="k", Body=b"")
        t.ask("head_object", s.head_object, Bucket=b, Key="k")
    else:
        key = "test-unicode_—_file"
        upload = t.ask("create-multipart", s.create_multipart_upload, Bucket=b, Key=key)["UploadId"]
        at = {"Bucket": b, "Key": key, "UploadId": upload}
        part = t.call(s.upload_part, Body="test", PartNumber=1, **at)
        t.ask("complete-multipart", s.complete_multipart_upload, loose=("ETag", "ChecksumCRC64NVME"),
              MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}, **at)


def read_json(answer):
    return {**answer, "Body": json.loads(answer["Body"].read())} if "Body" in answer else answer


@plays(r"TestS3::test_s3_copy_object_in_place_(versioned|suspended_only)")
def copied_in_place(t, kind):
    b, s, key = t.bucket(), t.s3, "source-object"
    at, words = {"Bucket": b, "Key": key}, {"CopySource": f"{b}/{key}", "MetadataDirective": "REPLACE"}
    if kind == "versioned":
        version(t, b)
    t.ask("put_object", s.put_object, Body='{"key": "value"}', ContentType="application/json", Metadata={"key": "value"}, **at)
    t.ask("head_object", s.head_object, **at)
    if kind == "versioned":
        t.ask("object-attrs", s.get_object_attributes, ObjectAttributes=["StorageClass"], **at)
        t.ask("copy-object-in-place-no-change", s.copy_object, CopySource=f"{b}/{key}", **at)
    first = t.ask("copy-in-place-versioned" if kind == "versioned" else "copy-in-place-non-versioned", s.copy_object, **words, **at)
    t.ask("head-object-copied", s.head_object, **at)
    t.ask("get-object-copied", s.get_object, pick=read_json, ChecksumMode="ENABLED", **at) if kind == "versioned" else \
        t.ask("get-object-copied", s.get_object, pick=read_json, **at)
    version(t, b, "Suspended")
    t.ask("copy-in-place-versioned-suspended", s.copy_object, **words, **at)
    t.ask("head-object-copied-suspended", s.head_object, **at)
    t.ask("get-object-copied-suspended", s.get_object, pick=read_json, **at)
    if kind == "versioned":
        t.ask("head-object-previous-version-suspended", s.head_object, VersionId=first["VersionId"], **at)
        version(t, b)
        t.ask("copy-in-place-versioned-re-enabled", s.copy_object, **words, **at)
    else:
        t.ask("copy-in-place-versioned-suspended-twice", s.copy_object, **words, **at)


@plays(r"TestS3ObjectLockRetention::test_s3_object_retention_compliance_mode")
def compliance(t):
    s, at = t.s3, {"Bucket": locked_bucket(t), "Key": "locked"}
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


@plays(r"TestS3PutObjectChecksum::test_s3_checksum_no_algorithm")
def checksum_alone(t):
    s, at = t.s3, {"Bucket": t.bucket(), "Key": "file"}
    t.ask("put-wrong-checksum", s.put_object, Body=DATA, ChecksumSHA256="TEST", **at)
    t.ask("put-2-checksums", s.put_object, Body=DATA, ChecksumSHA256=SHA256, ChecksumCRC32="MzVIGw==", **at)
    t.ask("put-right-checksum", s.put_object, Body=DATA, ChecksumSHA256=SHA256, **at)
    t.ask("head-obj", s.head_object, ChecksumMode="ENABLED", **at)


@plays(r"TestS3PutObjectChecksum::test_s3_checksum_no_automatic_sdk_calculation")
def checksum_by_hand(t):
    s = t.server.make_client("s3", config={"request_checksum_calculation": "when_required", "s3": {"addressing_style": "path"}})
    bucket, sent = t.bucket(), {}
    s.meta.events.register("before-call.s3.PutObject", lambda params, **_: params["headers"].update(sent))
    at, of = {"Bucket": bucket, "Key": "file"}, "x-amz-checksum-sha256"

    def put(**headers):
        sent.clear()
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        t.call(s.put_object, Body=DATA, **at)
    sent[of] = "TEST"
    for masked in ("HostId", "RequestId"):
        t.recording["wrong-checksum"]["Error"].pop(masked, None)
    t.ask("wrong-checksum", s.put_object, Body=DATA, pick=lambda answer: {"Error": answer.get("Error")}, **at)
    for recorded, headers in [("right-checksum", {"x_amz_checksum_sha256": SHA256}),
                              ("only-checksum-algo", {"x_amz_sdk_checksum_algorithm": "SHA256"}),
                              ("diff-checksum-algo", {"x_amz_sdk_checksum_algorithm": "CRC32", "x_amz_checksum_sha256": SHA256}),
                              ("no-checksum", {})]:
        put(**headers)
        t.ask(f"head-obj-{recorded}", s.head_object, ChecksumMode="ENABLED", **at)
    t.ask("get-obj-attrs-no-checksum", s.get_object_attributes, ObjectAttributes=["Checksum"], **at)
    t.ask("copy-obj-default-checksum", s.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/file")
    t.ask("get-copy-obj-attrs-no-checksum", s.get_object_attributes, Bucket=bucket, Key="copy", ObjectAttributes=["Checksum"])
