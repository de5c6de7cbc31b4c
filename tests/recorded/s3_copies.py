# Players of S3's copies of whole objects.
import json

from players import plays
from s3_setup import allow_acls, set_versioning

JSON_BODY = '{"key": "value"}'


def put_json(t, bucket, recorded="put_object", key="source-object", **words):
    words = {"ContentType": "application/json", "Metadata": {"key": "value"}, **words}
    return t.ask(recorded, t.s3.put_object, Bucket=bucket, Key=key, Body=JSON_BODY, **words)


@plays(r"TestS3::test_s3_copy_metadata_replace")
def copy_metadata_replace(t):
    b, s = t.bucket(), t.s3
    put_json(t, b, ContentLanguage="en-US")
    t.ask("head_object", s.head_object, Bucket=b, Key="source-object")
    t.ask("copy_object", s.copy_object, Bucket=b, CopySource=f"{b}/source-object", Key="copy",
          Metadata={"another-key": "value"}, ContentType="image/jpg", MetadataDirective="REPLACE")
    t.ask("head_object_copy", s.head_object, Bucket=b, Key="copy")


@plays(r"TestS3::test_s3_copy_metadata_directive_copy")
def copy_metadata_copy(t):
    b, s = t.bucket(), t.s3
    t.ask("put-object", s.put_object, Bucket=b, Key="source-object", Body="test", Metadata={"key": "value"},
          ContentLanguage="en-US")
    t.ask("head-object", s.head_object, Bucket=b, Key="source-object")
    t.ask("copy-object", s.copy_object, Bucket=b, CopySource=f"{b}/source-object", Key="copy", MetadataDirective="COPY",
          Metadata={"another-key": "value"}, ContentLanguage="en-GB", ContentType="image/jpg")
    t.ask("head-object-copy", s.head_object, Bucket=b, Key="copy")


@plays(r"TestS3::test_s3_copy_tagging_directive\[(\w+)\]")
def copy_tagging(t, directive):
    b, s = t.bucket(), t.s3
    words = {} if directive == "None" else {"TaggingDirective": directive}
    t.ask("put-object", s.put_object, Bucket=b, Key="source-object", Body="test", Tagging="key1=value1")
    t.ask("get-object-tag", s.get_object_tagging, Bucket=b, Key="source-object")
    for name, words in [("", {**words, "Tagging": "key2=value2"}), ("-empty", words)]:
        recorded = f"copy-object-tag{name}" if name else "copy-object"
        if recorded in t.recording:
            t.ask(recorded, s.copy_object, Bucket=b, CopySource=f"{b}/source-object", Key=f"copy{name}", **words)
            t.ask(f"get-copy-object-tag{name}", s.get_object_tagging, Bucket=b, Key=f"copy{name}")


@plays(r"TestS3::test_s3_copy_tagging_directive_versioned\[(\w+)\]")
def copy_tagging_versioned(t, directive):
    b, s, key = t.bucket(), t.s3, "source-object"
    set_versioning(t, b)
    directed = {} if directive == "None" else {"TaggingDirective": directive}
    first = t.ask("put-object", s.put_object, Bucket=b, Key=key, Body="test", Tagging="key1=value1")["VersionId"]
    t.ask("put-object-v2", s.put_object, Bucket=b, Key=key, Body="test-v2", Tagging="key1=value1-v2")
    t.ask("get-object-tag", s.get_object_tagging, Bucket=b, Key=key)
    t.ask("get-object-tag-v1", s.get_object_tagging, Bucket=b, Key=key, VersionId=first)
    for end, source in [("", f"{b}/{key}"), ("-v1", f"{b}/{key}?versionId={first}")]:
        t.ask(f"copy-object{end}", s.copy_object, Bucket=b, CopySource=source, Key=f"copy{end}", Tagging="key2=value2",
              **directed)
        t.ask(f"get-copy-object-tag{end}", s.get_object_tagging, Bucket=b, Key=f"copy{end}")
        t.ask(f"copy-object-tag-empty{end}", s.copy_object, Bucket=b, CopySource=source, Key=f"empty{end}", **directed)
        t.ask(f"get-copy-object-tag-empty{end}", s.get_object_tagging, Bucket=b, Key=f"empty{end}")


@plays(r"TestS3::test_s3_copy_content_type_and_metadata")
def copy_type_and_metadata(t):
    b, s = t.bucket(), t.s3
    put_json(t, b)
    t.ask("head_object", s.head_object, Bucket=b, Key="source-object")
    t.ask("copy_object", s.copy_object, Bucket=b, CopySource=f"{b}/source-object", Key="copy")
    t.ask("head_object_copy", s.head_object, Bucket=b, Key="copy")
    t.ask("copy_object_second", s.copy_object, Bucket=b, CopySource=f"{b}/source-object", Key="second",
          Metadata={"another-key": "value"}, ContentType="application/javascript")
    t.ask("head_object_second_copy", s.head_object, Bucket=b, Key="second")


@plays(r"TestS3::test_s3_copy_object_in_place")
def copy_in_place(t):
    b, s, key = t.bucket(), t.s3, "source-object"
    allow_acls(t, b)
    in_place = {"Bucket": b, "CopySource": f"{b}/{key}", "Key": key}
    put_json(t, b)
    t.ask("head_object", s.head_object, Bucket=b, Key=key)
    t.ask("object-attrs", s.get_object_attributes, Bucket=b, Key=key, ObjectAttributes=["StorageClass"])
    t.ask("copy-object-in-place-no-change", s.copy_object, **in_place)
    t.ask("copy-object-in-place-with-storage-class", s.copy_object, ChecksumAlgorithm="SHA256", StorageClass="STANDARD", **in_place)
    t.ask("object-attrs-after-copy", s.get_object_attributes, Bucket=b, Key=key, ObjectAttributes=["StorageClass"])
    t.ask("object-acl", s.get_object_acl, Bucket=b, Key=key)
    t.ask("copy-object-in-place-with-acl", s.copy_object, ACL="public-read", **in_place)


@plays(r"TestS3::test_s3_copy_object_in_place_storage_class|TestS3::test_s3_copy_object_storage_class")
def copy_storage_class(t):
    b, s, key = t.bucket(), t.s3, "source-object"
    elsewhere = "exc-invalid-request-storage-class" in t.recording
    t.ask("put-object", s.put_object, Bucket=b, Key=key, Body="test",
          StorageClass="STANDARD_IA" if elsewhere else "STANDARD")
    t.ask("head-object", s.head_object, Bucket=b, Key=key)
    t.ask("object-attrs", s.get_object_attributes, Bucket=b, Key=key, ObjectAttributes=["StorageClass"])
    target, words = ("dest-object", {}) if elsewhere else (key, {"StorageClass": "STANDARD"})
    t.ask("copy-object-in-place-with-storage-class", s.copy_object, Bucket=b, CopySource=f"{b}/{key}", Key=target, **words)
    t.ask("object-attrs-after-copy", s.get_object_attributes, Bucket=b, Key=target, ObjectAttributes=["StorageClass"])
    if elsewhere:
        t.ask("exc-invalid-request-storage-class", s.copy_object, Bucket=b, CopySource=f"{b}/{key}", Key=key)


@plays(r"TestS3::test_s3_copy_object_in_place_with_encryption")
def copy_in_place_encryption(t):
    b, s, key = t.bucket(), t.s3, "source-object"
    kms = t.call(t.kms.create_key)["KeyMetadata"]["KeyId"]
    words = {"Bucket": b, "CopySource": f"{b}/{key}", "Key": key}
    # Of an object under KMS the ETag is no digest of its content.
    loose = ("ETag",)
    t.ask("put-object-with-kms-encryption", s.put_object, Bucket=b, Key=key, Body="test", ServerSideEncryption="aws:kms",
          BucketKeyEnabled=True, SSEKMSKeyId=kms, loose=loose)
    t.ask("head-object", s.head_object, Bucket=b, Key=key, loose=loose)
    t.ask("copy-object-in-place-with-sse", s.copy_object, ServerSideEncryption="aws:kms", loose=loose, **words)
    t.ask("head-copy-with-sse", s.head_object, Bucket=b, Key=key, loose=loose)
    t.ask("copy-object-in-place-without-kms-sse", s.copy_object, **words)
    t.ask("head-copy-without-kms-sse", s.head_object, Bucket=b, Key=key)
    t.ask("copy-object-in-place-with-aes", s.copy_object, ServerSideEncryption="AES256", **words)
    t.ask("head-copy-with-aes", s.head_object, Bucket=b, Key=key)


@plays(r"TestS3::test_copy_in_place_with_bucket_encryption")
def copy_in_place_bucket_encryption(t):
    b, s = t.bucket(), t.s3
    t.ask("put-bucket-encryption", s.put_bucket_encryption, Bucket=b, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]})
    t.ask("put-obj", s.put_object, Body=b"", Bucket=b, Key="test-enc")
    t.ask("copy-obj", s.copy_object, Bucket=b, CopySource={"Bucket": b, "Key": "test-enc"}, Key="test-enc")


@plays(r"TestS3::test_s3_copy_object_in_place_metadata_directive")
def copy_in_place_metadata(t):
    b, s, key = t.bucket(), t.s3, "source-object"
    words = {"Bucket": b, "CopySource": f"{b}/{key}", "Key": key}
    put_json(t, b)
    t.ask("head_object", s.head_object, Bucket=b, Key=key)
    t.ask("no-metadata-directive-fail", s.copy_object, Metadata={"key": "value"}, **words)
    t.ask("copy-replace-directive", s.copy_object, Metadata={"key2": "value2"}, MetadataDirective="REPLACE", **words)
    t.ask("head-replace-directive", s.head_object, Bucket=b, Key=key)
    t.ask("copy-copy-directive", s.copy_object, MetadataDirective="COPY", StorageClass="STANDARD", **words)
    t.ask("head-copy-directive", s.head_object, Bucket=b, Key=key)
    t.ask("copy-copy-directive-ignore", s.copy_object, MetadataDirective="COPY", Metadata={"key3": "value3"},
          StorageClass="STANDARD", **words)
    t.ask("head-copy-directive-ignore", s.head_object, Bucket=b, Key=key)
    t.ask("copy-replace-directive-empty", s.copy_object, MetadataDirective="REPLACE", **words)
    t.ask("head-replace-directive-empty", s.head_object, Bucket=b, Key=key)


@plays(r"TestS3::test_s3_copy_object_in_place_website_redirect_location")
def copy_in_place_redirect(t):
    b, s, key = t.bucket(), t.s3, "source-object"
    t.ask("put-object", s.put_object, Bucket=b, Key=key, Body="test", WebsiteRedirectLocation="/test/direct")
    t.ask("head-object", s.head_object, Bucket=b, Key=key)
    t.ask("copy-object-in-place-with-website-redirection", s.copy_object, Bucket=b, CopySource=f"{b}/{key}", Key=key,
          WebsiteRedirectLocation="/test/direct")
    t.ask("head-object-after-copy", s.head_object, Bucket=b, Key=key)


@plays(r"TestS3::test_s3_copy_object_with(_default)?_checksum\[(\w+)\]")
def copy_with_checksum(t, default, algorithm):
    b, s, key = t.bucket(), t.s3, "source-object"
    attributes = {"Bucket": b, "Key": key, "ObjectAttributes": ["Checksum"]}
    recorded = list(t.recording)
    put = next(name for name in recorded if name.startswith("put-object"))
    words = {"ChecksumAlgorithm": algorithm} if default else {}
    if words.get("ChecksumAlgorithm") == "CRC64NVME":
        words = {"ChecksumCRC64NVME": t.recording[put]["ChecksumCRC64NVME"]}
    put_json(t, b, put, **words)
    if "object-attrs" in recorded:
        t.ask("object-attrs", s.get_object_attributes, **attributes)
    if "copy-object-in-place-with-checksum" in recorded:
        t.ask("copy-object-in-place-with-checksum", s.copy_object, Bucket=b, CopySource=f"{b}/{key}", Key=key,
              ChecksumAlgorithm=algorithm, Metadata={"key1": "value1"}, MetadataDirective="REPLACE")
    if "copy-object-in-place-with-no-checksum" in recorded:
        t.ask("copy-object-in-place-with-no-checksum", s.copy_object, Bucket=b, CopySource=f"{b}/{key}", Key=key,
              Metadata={"key1": "value1"}, MetadataDirective="REPLACE")
    if "object-attrs-after-copy" in recorded:
        t.ask("object-attrs-after-copy", s.get_object_attributes, **attributes)
    if "copy-object-to-dest-keep-checksum" in recorded:
        t.ask("copy-object-to-dest-keep-checksum", s.copy_object, Bucket=b, CopySource=f"{b}/{key}", Key="dest-object")
    if "dest-object-attrs-after-copy" in recorded:
        t.ask("dest-object-attrs-after-copy", s.get_object_attributes, **{**attributes, "Key": "dest-object"})


@plays(r"TestS3::test_s3_copy_object_src_not_exists")
def copy_no_source(t):
    b, s, key = t.bucket(), t.s3, "random-src-key"
    to = {"Bucket": b, "Key": "dest-object"}
    t.ask("copy-object-src-bucket-not-exists", s.copy_object, CopySource=f"random-bucket-recorded-none/{key}", **to)
    t.ask("copy-object-src-object-not-exists", s.copy_object, CopySource=f"{b}/{key}", **to)
    set_versioning(t, b)
    # Recorded before the SDKs sent checksums by themselves; what S3 adds without one came later too.
    later = ("ChecksumCRC32", "ChecksumCRC64NVME", "ChecksumType")

    def leave_checksums(answer):
        inner = answer.get("CopyObjectResult", answer)
        for name in later:
            inner.pop(name, None)
        return answer
    put = t.ask("put-obj-versioned", s.put_object, Bucket=b, Key=key, Body=b"", pick=leave_checksums)["VersionId"]
    marker = t.ask("del-obj-versioned", s.delete_object, Bucket=b, Key=key)["VersionId"]
    t.ask("copy-object-src-delete-marker-current-version", s.copy_object, CopySource=f"{b}/{key}", **to)
    t.ask("copy-object-src-target-delete-marker", s.copy_object, CopySource=f"{b}/{key}?versionId={marker}", **to)
    t.ask("copy-object-src-target-object-version", s.copy_object, CopySource=f"{b}/{key}?versionId={put}",
          pick=leave_checksums, **to)


@plays(r"TestS3::test_s3_copy_object_wrong_format")
def copy_wrong_source(t):
    recorded = next(iter(t.recording))
    t.ask(recorded, t.s3.copy_object, Bucket=t.bucket(), CopySource="wrongformat", Key="destination-key")


@plays(r"TestS3::test_copy_object_kms")
def copy_kms(t):
    b, s = t.bucket(), t.s3
    kms = t.call(t.kms.create_key)["KeyMetadata"]["KeyId"]
    t.call(s.put_object, Bucket=b, Key="key", Body=b"hello world")
    t.ask("get-object", s.get_object, Bucket=b, Key="key")
    t.ask("copy-object", s.copy_object, Bucket=b, CopySource=f"{b}/key", Key="copy", BucketKeyEnabled=True,
          SSEKMSKeyId=kms, ServerSideEncryption="aws:kms")
    t.ask("get-copied-object", s.get_object, Bucket=b, Key="copy")


def read_json(answer):
    return {**answer, "Body": json.loads(answer["Body"].read())} if "Body" in answer else answer


@plays(r"TestS3::test_s3_copy_object_in_place_(versioned|suspended_only)")
def copied_in_place(t, kind):
    b, s, key = t.bucket(), t.s3, "source-object"
    at, words = {"Bucket": b, "Key": key}, {"CopySource": f"{b}/{key}", "MetadataDirective": "REPLACE"}
    if kind == "versioned":
        set_versioning(t, b)
    t.ask("put_object", s.put_object, Body='{"key": "value"}', ContentType="application/json", Metadata={"key": "value"}, **at)
    t.ask("head_object", s.head_object, **at)
    if kind == "versioned":
        t.ask("object-attrs", s.get_object_attributes, ObjectAttributes=["StorageClass"], **at)
        t.ask("copy-object-in-place-no-change", s.copy_object, CopySource=f"{b}/{key}", **at)
    first = t.ask("copy-in-place-versioned" if kind == "versioned" else "copy-in-place-non-versioned", s.copy_object, **words, **at)
    t.ask("head-object-copied", s.head_object, **at)
    t.ask("get-object-copied", s.get_object, pick=read_json, ChecksumMode="ENABLED", **at) if kind == "versioned" else \
        t.ask("get-object-copied", s.get_object, pick=read_json, **at)
    set_versioning(t, b, "Suspended")
    t.ask("copy-in-place-versioned-suspended", s.copy_object, **words, **at)
    t.ask("head-object-copied-suspended", s.head_object, **at)
    t.ask("get-object-copied-suspended", s.get_object, pick=read_json, **at)
    if kind == "versioned":
        t.ask("head-object-previous-version-suspended", s.head_object, VersionId=first["VersionId"], **at)
        set_versioning(t, b)
        t.ask("copy-in-place-versioned-re-enabled", s.copy_object, **words, **at)
    else:
        t.ask("copy-in-place-versioned-suspended-twice", s.copy_object, **words, **at)
