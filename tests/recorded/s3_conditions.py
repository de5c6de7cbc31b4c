# Players of S3's conditions: reads, writes, copies and deletions that are made by ETag or date alone.
import time

from players import plays
from s3_setup import DAY, now, set_versioning


@plays(r"TestS3::test_s3_get_object_preconditions\[(\w+)\]")
def get_preconditions(t, method):
    b, s, key = t.bucket(), t.s3, "test-object"
    ask = getattr(s, method)
    put = t.call(s.put_object, Bucket=b, Key=key, Body=b"data")
    modified = t.call(s.head_object, Bucket=b, Key=key)["LastModified"]
    time.sleep(2)
    at, etag, words = now(), put["ETag"], {"Bucket": b, "Key": key}
    t.ask("precondition-if-match", ask, IfModifiedSince=at, IfUnmodifiedSince=at - DAY, IfMatch="etag123",
          IfNoneMatch=etag, **words)
    t.ask("precondition-if-unmodified-since", ask, IfModifiedSince=at, IfUnmodifiedSince=at - DAY, IfNoneMatch=etag, **words)
    t.ask("precondition-if-none-match", ask, IfModifiedSince=at, IfNoneMatch=etag, **words)
    t.ask("copy-precondition-if-modified-since", ask, IfModifiedSince=at, **words)
    t.ask("obj-ignore-future-modified-since", ask, IfModifiedSince=at + DAY, **words)
    t.ask("etag-missing-quotes", ask, IfModifiedSince=at, IfNoneMatch=etag.strip('"'), **words)
    t.ask("precondition-if-unmodified-since-is-object", ask, IfUnmodifiedSince=modified, **words)
    t.ask("precondition-if-modified-since-is-object", ask, IfModifiedSince=modified, **words)
    t.ask("obj-success", ask, IfMatch=etag.strip('"'), IfNoneMatch="etag123", IfModifiedSince=at - DAY,
          IfUnmodifiedSince=at, **words)


@plays(r"TestS3ObjectWritePrecondition::test_put_object_if_none_match(_versioned_bucket)?")
def put_if_none_match(t, versioned):
    b, s, key = t.bucket(), t.s3, "test-precondition"
    if versioned:
        set_versioning(t, b)
    t.ask("put-obj", s.put_object, Bucket=b, Key=key, IfNoneMatch="*")
    t.ask("put-obj-if-none-match", s.put_object, Bucket=b, Key=key, IfNoneMatch="*")
    t.ask("del-obj", s.delete_object, Bucket=b, Key=key)
    t.ask("put-obj-after-del", s.put_object, Bucket=b, Key=key, IfNoneMatch="*")
    if versioned:
        t.ask("list-object-versions", s.list_object_versions, Bucket=b)


@plays(r"TestS3ObjectWritePrecondition::test_put_object_if_none_match_validation")
def put_if_none_match_value(t):
    b, key = t.bucket(), "test-precondition-validation"
    etag = t.ask("put-obj", t.s3.put_object, Bucket=b, Key=key)["ETag"]
    t.ask("put-obj-if-none-match-bad-value", t.s3.put_object, Bucket=b, Key=key, IfNoneMatch=etag)


@plays(r"TestS3ObjectWritePrecondition::test_put_object_if_match")
def put_if_match(t):
    b, s, key = t.bucket(), t.s3, "test-precondition"
    etag = t.ask("put-obj", s.put_object, Bucket=b, Key=key, Body="test")["ETag"]
    t.ask("put-obj-if-match-wrong-etag", s.put_object, Bucket=b, Key=key, IfMatch="d41d8cd98f00b204e9800998ecf8427e")
    t.ask("put-obj-overwrite", s.put_object, Bucket=b, Key=key, IfMatch=etag)
    t.ask("del-obj", s.delete_object, Bucket=b, Key=key)
    t.ask("put-obj-if-match-key-not-exists", s.put_object, Bucket=b, Key=key, IfMatch=etag)
    t.ask("put-obj-after-del", s.put_object, Bucket=b, Key=key)


@plays(r"TestS3ObjectWritePrecondition::test_put_object_if_match_validation")
def put_if_match_value(t):
    b, key = t.bucket(), "test-precondition-validation"
    for recorded, value in [("star-value", "*"), ("bad-value", "abcdef"), ("bad-value-2", "bad-char_/")]:
        t.ask(f"put-obj-if-match-{recorded}", t.s3.put_object, Bucket=b, Key=key, IfMatch=value)


@plays(r"TestS3ObjectWritePrecondition::test_put_object_if_match_and_if_none_match_validation")
def put_both_conditions(t):
    t.ask("put-obj-both-precondition", t.s3.put_object, Bucket=t.bucket(), Key="k", IfNoneMatch="*", IfMatch="abcdef")


@plays(r"TestS3ObjectWritePrecondition::test_put_object_if_match_versioned_bucket")
def put_if_match_versioned(t):
    b, s, key = t.bucket(), t.s3, "test-precondition"
    set_versioning(t, b)
    first = t.ask("put-obj", s.put_object, Bucket=b, Key=key, Body="test")["ETag"]
    t.ask("put-obj-if-none-match-bad-value", s.put_object, Bucket=b, Key=key, IfMatch="abcdef")
    t.ask("del-obj", s.delete_object, Bucket=b, Key=key)
    t.ask("put-obj-after-del-exc", s.put_object, Bucket=b, Key=key, IfMatch=first)
    second = t.ask("put-obj-after-del", s.put_object, Bucket=b, Key=key, Body="test-after-del")["ETag"]
    t.ask("put-obj-if-match", s.put_object, Bucket=b, Key=key, Body="test-if-match", IfMatch=second)
    t.ask("list-object-versions", s.list_object_versions, Bucket=b)


def copy_source(t, bucket, versioned=False):
    """The object that conditional copies are made of; its text is the one with the recorded ETag."""
    if versioned:
        set_versioning(t, bucket)
    t.call(t.s3.put_object, Bucket=bucket, Key="source-object", Body="source-content")
    return {"Bucket": bucket, "CopySource": f"{bucket}/source-object"}


@plays(r"TestS3ObjectWritePrecondition::test_copy_object_if_none_match(_versioned_bucket)?")
def copy_if_none_match(t, versioned):
    b, s = t.bucket(), t.s3
    words = copy_source(t, b, versioned)
    loose = ("ETag", "ChecksumCRC32")
    t.ask("copy-obj", s.copy_object, Key="dest-object", IfNoneMatch="*", loose=loose, **words)
    t.ask("copy-obj-if-none-match-fail", s.copy_object, Key="dest-object", IfNoneMatch="*", **words)
    if versioned:
        t.ask("del-obj", s.delete_object, Bucket=b, Key="dest-object")
        t.ask("copy-obj-after-del", s.copy_object, Key="dest-object", IfNoneMatch="*", loose=loose, **words)
        t.ask("list-object-versions", s.list_object_versions, Bucket=b, loose=("ETag", "Size"))


@plays(r"TestS3ObjectWritePrecondition::test_copy_object_if_match")
def copy_if_match(t):
    b, s = t.bucket(), t.s3
    words, loose = copy_source(t, b), ("ETag", "ChecksumCRC32")
    etag = t.call(s.put_object, Bucket=b, Key="dest-object", Body="dest")["ETag"]
    t.ask("copy-obj-if-match", s.copy_object, Key="dest-object", IfMatch=etag, loose=loose, **words)
    t.ask("copy-obj-if-match-fail-wrong-etag", s.copy_object, Key="dest-object",
          IfMatch="d41d8cd98f00b204e9800998ecf8427e", **words)
    t.ask("copy-obj-if-match-fail-no-object", s.copy_object, Key="non-existent-key", IfMatch=etag, **words)


@plays(r"TestS3ObjectWritePrecondition::test_copy_object_if_match_versioned_bucket")
def copy_if_match_versioned(t):
    b, s, loose = t.bucket(), t.s3, ("ETag", "ChecksumCRC32", "Size")
    words = copy_source(t, b, True)
    first = t.ask("put-obj", s.put_object, Bucket=b, Key="dest-object", Body="dest", loose=loose)["ETag"]
    t.ask("copy-obj-if-match-wrong-etag", s.copy_object, Key="dest-object", IfMatch="abcdef", **words)
    t.ask("del-obj", s.delete_object, Bucket=b, Key="dest-object")
    t.ask("copy-obj-after-del-exc", s.copy_object, Key="dest-object", IfMatch=first, **words)
    second = t.ask("put-obj-after-del", s.put_object, Bucket=b, Key="dest-object", Body="again", loose=loose)["ETag"]
    t.ask("copy-obj-if-match", s.copy_object, Key="dest-object", IfMatch=second, loose=loose, **words)
    t.ask("list-object-versions", s.list_object_versions, Bucket=b, loose=loose)


@plays(r"TestS3ObjectWritePrecondition::test_copy_object_precondition_write_validation")
def copy_condition_values(t):
    b, s = t.bucket(), t.s3
    words = {"Key": "dest-object", **copy_source(t, b)}
    t.ask("copy-obj-none-match-etag", s.copy_object, IfNoneMatch="d41d8cd98f00b204e9800998ecf8427e", **words)
    t.ask("copy-obj-if-match-star", s.copy_object, IfMatch="*", **words)
    t.ask("copy-obj-both", s.copy_object, IfMatch="abcdef", IfNoneMatch="*", **words)


@plays(r"TestS3ObjectWritePrecondition::test_copy_object_if_(none_match|match)_in_place")
def copy_in_place_conditions(t, kind):
    b, s = t.bucket(), t.s3
    words = {"Key": "source-object", "MetadataDirective": "REPLACE", **copy_source(t, b)}
    if kind == "none_match":
        t.ask("copy-obj-if-none-match-fail", s.copy_object, IfNoneMatch="*", **words)
    else:
        etag = s.head_object(Bucket=b, Key="source-object")["ETag"]
        t.ask("copy-obj-if-match-in-place", s.copy_object, IfMatch=etag, loose=("ETag", "ChecksumCRC32"), **words)


@plays(r"TestS3DeletePrecondition::test_delete_object_if_match_(\w*?)_?non_express")
def delete_conditions(t, kind):
    b, s = t.bucket(), t.s3
    t.call(s.put_object, Bucket=b, Key="test-precondition")
    every = {"": {"IfMatch": "badvalue"}, "modified": {"IfMatchLastModifiedTime": now() - DAY}, "size": {"IfMatchSize": 10}}
    every["all"] = {**every["size"], **every[""], **every["modified"]}
    t.ask(next(iter(t.recording)), s.delete_object, Bucket=b, Key="test-precondition", **every[kind])
