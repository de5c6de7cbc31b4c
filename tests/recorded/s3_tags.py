# Players of S3's tags, of objects and of buckets.
from players import plays
from s3_setup import NO_BUCKET, set_versioning

TWO_TAGS = {"TagSet": [{"Key": "tag1", "Value": "tag1"}, {"Key": "tag2", "Value": ""}]}
ONE_TAG = {"TagSet": [{"Key": "tag3", "Value": "tag3"}]}


@plays(r"TestS3BucketObjectTagging::test_object_tagging_crud")
def tags_crud(t):
    b, s, key = t.bucket(), t.s3, "test-object-tagging"
    at = {"Bucket": b, "Key": key}
    t.ask("put-object", s.put_object, Body="test-tagging", **at)
    t.ask("get-object-tags-empty", s.get_object_tagging, **at)
    t.ask("put-object-tags", s.put_object_tagging, Tagging=TWO_TAGS, **at)
    t.ask("get-object-tags", s.get_object_tagging, **at)
    t.ask("put-object-tags-overwrite", s.put_object_tagging, Tagging=ONE_TAG, **at)
    t.ask("get-object-tags-overwritten", s.get_object_tagging, **at)
    t.ask("get-obj-after-tags", s.get_object, **at)
    t.ask("delete-object-tags", s.delete_object_tagging, **at)
    t.ask("get-object-tags-deleted", s.get_object_tagging, **at)
    t.ask("get-obj-after-tags-deleted", s.get_object, **at)


@plays(r"TestS3BucketObjectTagging::test_object_tagging_exc")
def tags_refused(t):
    b, s, key = t.bucket(), t.s3, "fake-key"
    for recorded, bucket in [("bucket", "fake-bucket-recorded-none"), ("key", b)]:
        at = {"Bucket": bucket, "Key": key}
        t.ask(f"get-no-{recorded}-tags", s.get_object_tagging, **at)
        t.ask(f"delete-no-{recorded}-tags", s.delete_object_tagging, **at)
        t.ask(f"put-no-{recorded}-tags", s.put_object_tagging, Tagging={"TagSet": []}, **at)
    t.ask("put-obj-duplicate-tagging", s.put_object, Bucket=b, Key=key, Body="", Tagging="key1=val1&key1=val2")
    t.ask("put-obj-wrong-format", s.put_object, Bucket=b, Key=key, Body="", Tagging="key1=val1,key2=val2")


@plays(r"TestS3::test_put_object_tagging_empty_list|TestS3BucketObjectTagging::test_put_object_tagging_none_value"
       r"|TestS3::test_delete_object_tagging|TestS3BucketObjectTagging::test_object_tags_delete_or_overwrite_object")
def tags_short(t):
    b, s = t.bucket(), t.s3
    at = {"Bucket": b, "Key": "my-key"}
    if "put-none-tag-set" in t.recording:
        t.call(s.put_object, Body="test-tagging", **at)
        t.ask("put-none-tag-set", t.unchecked_s3.put_object_tagging, Tagging={"TagSet": None}, **at)
        t.ask("get-object-tags-none", s.get_object_tagging, **at)
    elif "get-obj" in t.recording:
        t.call(s.put_object, Body="something", **at)
        t.ask("get-obj", s.get_object, **at)
        t.call(s.delete_object_tagging, **at)
        t.ask("get-obj-after-tag-deletion", s.get_object, **at)
    elif "get-object-after-creation" in t.recording:
        t.call(s.put_object, Body="create", Tagging="tag1=val1", **at)
        t.ask("get-object-after-creation", s.get_object_tagging, **at)
        t.call(s.put_object, Body="overwrite", **at)
        t.ask("get-object-after-overwrite", s.get_object_tagging, **at)
        t.call(s.put_object_tagging, Tagging=ONE_TAG, **at)
        t.call(s.delete_object, **at)
        t.call(s.put_object, Body="recreate", **at)
        t.ask("get-object-after-recreation", s.get_object_tagging, **at)
    else:
        t.call(s.put_object, Body=b"abcdefgh", **at)
        t.ask("created-object-tags", s.get_object_tagging, **at)
        t.call(s.put_object_tagging, Tagging=TWO_TAGS, **at)
        t.ask("updated-object-tags", s.get_object_tagging, **at)
        t.call(s.put_object_tagging, Tagging={"TagSet": []}, **at)
        t.ask("deleted-object-tags", s.get_object_tagging, **at)


@plays(r"TestS3BucketObjectTagging::test_object_tagging_versioned")
def tags_versioned(t):
    b, s, key = t.bucket(), t.s3, "test-version-tagging"
    at = {"Bucket": b, "Key": key}
    set_versioning(t, b)
    first = t.ask("put-obj-0", s.put_object, Body="test-0", Tagging="test_tag=tagv1", **at)["VersionId"]
    t.ask("put-obj-1", s.put_object, Body="test-1", **at)
    t.ask("put-object-tags-current-version", s.put_object_tagging, Tagging=ONE_TAG, **at)
    t.ask("get-object-tags-current-version", s.get_object_tagging, **at)
    t.ask("get-object-tags-previous-version", s.get_object_tagging, VersionId=first, **at)
    other = {"TagSet": [{"Key": "tag1", "Value": "tag1"}]}
    t.ask("put-object-tags-previous-version", s.put_object_tagging, VersionId=first, Tagging=other, **at)
    t.ask("get-object-tags-previous-version-again", s.get_object_tagging, VersionId=first, **at)
    t.call(s.delete_object_tagging, **at)
    t.ask("get-object-tags-deleted-current", s.get_object_tagging, **at)
    t.call(s.delete_object_tagging, VersionId=first, **at)
    t.ask("get-object-tags-previous-version-deleted", s.get_object_tagging, **at)
    marker = t.ask("put-delete-marker", s.delete_object, **at)["VersionId"]
    for recorded, words in [("id", {"VersionId": marker}), ("latest", {})]:
        t.ask(f"put-object-tags-delete-marker-{recorded}", s.put_object_tagging, Tagging=other, **at, **words)
        t.ask(f"get-object-tags-delete-marker-{recorded}", s.get_object_tagging, **at, **words)
        t.ask(f"delete-object-tags-delete-marker-{recorded}", s.delete_object_tagging, **at, **words)


@plays(r"TestS3BucketObjectTagging::test_put_object_with_tags")
def tags_with_put(t):
    b, s = t.bucket(), t.s3
    at = {"Bucket": b, "Key": "test-put-object-tagging"}
    t.ask("put-object", s.put_object, Body="test-tagging", Tagging="tag1=tag1&tag2=tag2&tag=", **at)
    t.ask("get-object-tags", s.get_object_tagging, **at)
    t.ask("put-object-tags", s.put_object_tagging, Tagging=ONE_TAG, **at)
    t.ask("get-object-tags-override", s.get_object_tagging, **at)
    t.ask("head-obj", s.head_object, **at)
    t.ask("get-obj", s.get_object, **at)
    for recorded, tagging in [("", "wrongquery&wrongagain"), ("-2", "key1&&&key2")]:
        t.call(s.put_object, Body="", Tagging=tagging, **at)
        t.ask(f"get-object-tags-wrong-format-qs{recorded}", s.get_object_tagging, **at)


@plays(r"TestS3BucketObjectTagging::test_head_object_with_tags")
def tags_counted(t):
    b, s = t.bucket(), t.s3
    at = {"Bucket": b, "Key": "test-put-object-tagging"}
    t.ask("put-object", s.put_object, Body="test-tagging", Tagging="tag1=tag1&tag2=tag2&tag=", **at)
    t.ask("head-obj-after-create", s.head_object, **at)
    t.ask("put-object-tags", s.put_object_tagging, Tagging=ONE_TAG, **at)
    t.ask("head-obj-after-tagging", s.head_object, **at)
    three = {"TagSet": [{"Key": f"tag{number}", "Value": f"tag{number}"} for number in (3, 4, 5)]}
    t.call(s.put_object_tagging, Tagging=three, **at)
    t.ask("head-obj-after-overwrite", s.head_object, **at)
    t.call(s.put_object_tagging, Tagging={"TagSet": []}, **at)
    t.ask("head-obj-after-removal", s.head_object, **at)


@plays(r"TestS3BucketObjectTagging::test_tagging_validation")
def tags_validated(t):
    b, s = t.bucket(), t.unchecked_s3
    t.call(s.put_object, Bucket=b, Key="tagging-validation", Body=b"")
    cases = {"duplicate-keys": [("Key1", "Val1"), ("Key1", "Val1")], "invalid-key": [("Key1,Key2", "Val1")],
             "none-key": [(None, "Val1")], "invalid-value": [("Key1", "Val1,Val2")], "none-value": [("key1", None)],
             "aws-prefixed": [("aws:prefixed", "Val1")], "invalid-field": [("Key1,Key2", "Val1")]}
    for recorded in t.recording:
        kind, case = ("bucket", recorded[16:]) if recorded.startswith("put-bucket-tags-") else ("object", recorded[16:])
        tagging = {"TagSet": [{"Key": key, "Value": value} for key, value in cases[case]]}
        if kind == "bucket":
            t.ask(recorded, s.put_bucket_tagging, Bucket=b, Tagging=tagging)
        else:
            t.ask(recorded, s.put_object_tagging, Bucket=b, Key="tagging-validation", Tagging=tagging)


@plays(r"TestS3BucketObjectTagging::test_(?:bucket_tagging_crud|bucket_tagging_exc|put_bucket_tagging_none_value)")
def bucket_tags(t):
    b, s, asked = t.bucket(), t.s3, t.recording
    one = {"TagSet": [{"Key": "tag3", "Value": "tag3"}]}
    if "get-no-bucket-tags" in asked:
        t.ask("get-no-bucket-tags", s.get_bucket_tagging, Bucket=NO_BUCKET)
        t.ask("delete-no-bucket-tags", s.delete_bucket_tagging, Bucket=NO_BUCKET)
        t.ask("put-no-bucket-tags", s.put_bucket_tagging, Bucket=NO_BUCKET, Tagging={"TagSet": []})
    elif "put-none-tag-set" in asked:
        t.ask("put-bucket-tags-origin", s.put_bucket_tagging, Bucket=b, Tagging=one)
        t.ask("put-none-tag-set", t.unchecked_s3.put_bucket_tagging, Bucket=b, Tagging={"TagSet": None})
        t.ask("no-such-tag-set", s.get_bucket_tagging, Bucket=b)
    else:
        t.ask("get-bucket-tags-empty", s.get_bucket_tagging, Bucket=b)
        two = {"TagSet": [{"Key": "tag1", "Value": "tag1"}, {"Key": "tag2", "Value": ""}]}
        t.ask("put-bucket-tags", s.put_bucket_tagging, Bucket=b, Tagging=two)
        t.ask("get-bucket-tags", s.get_bucket_tagging, Bucket=b)
        t.ask("put-bucket-tags-overwrite", s.put_bucket_tagging, Bucket=b, Tagging=one)
        t.ask("get-bucket-tags-overwritten", s.get_bucket_tagging, Bucket=b)
        t.ask("delete-bucket-tags", s.delete_bucket_tagging, Bucket=b)
        t.ask("put-bucket-tags-empty", s.put_bucket_tagging, Bucket=b, Tagging={"TagSet": []})
