# Players of S3's operations on objects: write, read, copy, delete, versions, conditions, tags.
import datetime
import gzip
import io
import json
import time

from players import plays

DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)
STRANGE_VERSION = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"


def now():
    return datetime.datetime.now(tz=datetime.timezone.utc)


def version(t, bucket, status="Enabled"):
    t.call(t.s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": status})


def allow_acls(t, bucket):
    t.call(t.s3.put_bucket_ownership_controls, Bucket=bucket,
           OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    t.call(t.s3.put_public_access_block, Bucket=bucket, PublicAccessBlockConfiguration={
        "BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False})


def leave_body(answer):
    """An answer whose body was read before it was recorded."""
    answer["Body"] = io.BytesIO()
    return answer


# Write and read.

@plays(r"TestS3::test_put_and_get_object_with_utf8_key")
def utf8_key(t):
    b = t.bucket()
    t.ask("put-object", t.s3.put_object, Bucket=b, Key="Ā0Ä", Body=b"abc123")
    t.ask("get-object", t.s3.get_object, Bucket=b, Key="Ā0Ä", pick=leave_body)


@plays(r"TestS3::test_metadata_header_character_decoding")
def metadata_names(t):
    b = t.bucket()
    t.call(t.s3.put_object, Bucket=b, Key="key-with-metadata", Metadata={"TEST_META_1": "foo", "__meta_2": "bar"}, Body="foo")
    t.ask("head-object", t.s3.head_object, Bucket=b, Key="key-with-metadata")


@plays(r"TestS3::test_put_get_object_special_character\[(.*)\]")
def special_character(t, key):
    b = t.bucket()
    if key not in json.dumps(t.recording, ensure_ascii=False) and key.replace("@", "%40") not in json.dumps(t.recording):
        key = key.encode().decode("unicode_escape")
    t.ask("put-object-special-char", t.s3.put_object, Bucket=b, Key=key, Body=b"test")
    t.ask("list-object-special-char", t.s3.list_objects_v2, Bucket=b)
    t.ask("get-object-special-char", t.s3.get_object, Bucket=b, Key=key)
    t.ask("del-object-special-char", t.s3.delete_object, Bucket=b, Key=key)


@plays(r"TestS3::test_url_encoded_key\[.*\]|TestS3::test_put_and_get_object_with_hash_prefix|TestS3::test_s3_uppercase_key_names"
       r"|TestS3::test_putobject_with_multiple_keys|TestS3::test_upload_file_with_xml_preamble|TestS3::test_get_object_no_such_bucket"
       r"|TestS3::test_precondition_failed_error|TestS3::test_invalid_range_error|TestS3::test_range_key_not_exists"
       r"|TestS3::test_head_object_fields|TestS3::test_get_object_after_deleted_in_versioned_bucket")
def single_requests(t):
    b, s, asked = t.bucket(), t.s3, set(t.recording)
    if "list-object-encoded-char" in asked:
        for key, body in [("test@key/", b"test-non-encoded"), ("test%40key/", b"test-encoded"),
                          ("test%40key", b"test-encoded-no-trailing")]:
            t.call(s.put_object, Bucket=b, Key=key, Body=body)
        t.ask("list-object-encoded-char", s.list_objects_v2, Bucket=b)
    elif asked == {"put-object", "get-object"}:
        t.ask("put-object", s.put_object, Bucket=b, Key="#key-with-hash-prefix", Body=b"test 123")
        t.ask("get-object", s.get_object, Bucket=b, Key="#key-with-hash-prefix", pick=leave_body)
    elif "wrong-case-key" in asked:
        t.call(s.put_object, Bucket=b, Key="camelCaseKey", Body="something")
        t.ask("response", s.get_object, Bucket=b, Key="camelCaseKey")
        t.ask("wrong-case-key", s.get_object, Bucket=b, Key="camelcasekey")
    elif asked == {"get_object"}:
        preamble = "xml" in json.dumps(t.recording)
        key, body = ("key", '<?xml version="1.0" encoding="UTF-8"?><test/>') if preamble else ("aws/key1/key2/key3", b"test")
        t.call(s.put_object, Bucket=b, Key=key, Body=body)
        t.ask("get_object", s.get_object, Bucket=b, Key=key)
    elif "expected_error" in asked:
        t.ask("expected_error", s.get_object, Bucket="does-not-exist-recorded", Key="foobar")
    elif "get-object-if-match" in asked:
        t.call(s.put_object, Bucket=b, Key="foo", Body=b'{"foo": "bar"}')
        t.ask("get-object-if-match", s.get_object, Bucket=b, Key="foo", IfMatch='"not good etag"')
    elif asked == {"exc"}:
        if t.recording["exc"]["Error"]["Code"] == "InvalidRange":
            t.call(s.put_object, Bucket=b, Key="my-key", Body=b"abcdefgh")
        t.ask("exc", s.get_object, Bucket=b, Key="my-key", Range="bytes=1024-4096")
    elif "head-object-404" in asked:
        t.call(s.put_object, Bucket=b, Key="my-key", Body=b"abcdefgh")
        t.ask("head-object", s.head_object, Bucket=b, Key="my-key")
        t.ask("head-object-404", s.head_object, Bucket=b, Key="doesnotexist")
    else:
        version(t, b)
        t.call(s.put_object, Bucket=b, Key="my-key", Body=b"abcdefgh")
        t.ask("get-object", s.get_object, Bucket=b, Key="my-key")
        t.call(s.delete_object, Bucket=b, Key="my-key")
        t.ask("get-object-after-delete", s.get_object, Bucket=b, Key="my-key")


@plays(r"TestS3::test_s3_get_object_header_overrides")
def header_overrides(t):
    b = t.bucket()
    t.call(t.s3.put_object, Bucket=b, Key="key", Body="something")
    t.ask("get-object", t.s3.get_object, Bucket=b, Key="key", ResponseCacheControl="max-age=74",
          ResponseContentDisposition='attachment; filename="foo.jpg"', ResponseContentEncoding="identity",
          ResponseContentLanguage="de-DE", ResponseContentType="image/jpeg",
          ResponseExpires=datetime.datetime(2015, 10, 21, 7, 28, 0))


@plays(r"TestS3::test_etag_on_get_object_call")
def etag_on_get(t):
    b = t.bucket()
    body = t.recording["get_object"]["Body"]
    t.call(t.s3.put_object, Bucket=b, Key="my-key", Body=body)
    t.ask("get_object", t.s3.get_object, Bucket=b, Key="my-key")
    t.ask("get_object_range", t.s3.get_object, Bucket=b, Key="my-key", Range="bytes=0-16")


@plays(r"TestS3ObjectCRUD::test_get_object_range")
def object_range(t):
    b, key = t.bucket(), "test-key-range"
    t.call(t.s3.put_object, Bucket=b, Key=key, Body="0123456789")
    for asked in ["0-8", "1-1", "1-0", "1-", "-1-", "-2", "-9", "-15", "0-100", "0-0", "0--1", "-", "-0", "100-200"]:
        t.ask(f"get-{asked}", t.s3.get_object, Bucket=b, Key=key, Range=f"bytes={asked}")
    t.ask("get-0-8-checksum", t.s3.get_object, Bucket=b, Key=key, Range="bytes=0-8", ChecksumMode="ENABLED")
    t.ask("get-multiple-ranges", t.s3.get_object, Bucket=b, Key=key, Range="bytes=0-1,3-4,7-9")
    t.ask("get-wrong-format", t.s3.get_object, Bucket=b, Key=key, Range="0-1")
    t.ask("put-after-failed", t.s3.put_object, Bucket=b, Key=key, Body="0123456789" * 2)


@plays(r"TestS3::test_put_object_storage_class\[(\w+)-(?:True|False)\]")
def storage_class(t, name):
    b = t.bucket()
    t.call(t.s3.put_object, Bucket=b, Key="test-put-object-storage-class", Body="body-test", StorageClass=name)
    t.ask("get-object-storage-class", t.s3.get_object_attributes, Bucket=b, Key="test-put-object-storage-class",
          ObjectAttributes=["StorageClass"])
    t.ask("get-object", t.s3.get_object, Bucket=b, Key="test-put-object-storage-class")


@plays(r"TestS3::test_put_object_storage_class_outposts")
def storage_class_outposts(t):
    b = t.bucket()
    t.ask("put-object-outposts", t.s3.put_object, Bucket=b, Key="k", Body="body-test", StorageClass="OUTPOSTS")
    t.ask("create-multipart-outposts-exc", t.s3.create_multipart_upload, Bucket=b, Key="k", StorageClass="OUTPOSTS")


@plays(r"TestS3::test_put_and_get_object_with_content_language_disposition")
def language_disposition(t):
    b = t.bucket()
    put = t.ask("put-object", t.s3.put_object, Bucket=b, Key="test", Body=b"abc123", ContentLanguage="de",
                ContentDisposition='attachment; filename="foo.jpg"', CacheControl="no-cache")
    t.compare_headers("put-object-headers", put)

    got = t.ask("get-object", t.s3.get_object, Bucket=b, Key="test", pick=leave_body)
    t.compare_headers("get-object-headers", got)


@plays(r"TestS3::test_s3_object_expires")
def object_expires(t):
    b, s = t.bucket(), t.s3
    for which, at in [("future", now() + HOUR), ("past", now() - HOUR)]:
        t.ask(f"put-object-expires-{which}", s.put_object, Bucket=b, Key=which, Body="foo", Expires=at)
        t.ask(f"head-object-expires-{which}", s.head_object, Bucket=b, Key=which)
        t.ask(f"get-object-expires-{which}", s.get_object, Bucket=b, Key=which)


@plays(r"TestS3::test_system_metadata_with_unicode")
def system_metadata(t):
    b = t.bucket()

    def put_raw(request, **_):
        # After the signature: a client that takes text alone would refuse them.
        request.headers["Cache-Control"] = "ÄMÄZÕÑ S3".encode()
        request.headers["Content-Disposition"] = 'attachment; filename="test_—_file%E2%80%94_é_2.pdf"'.encode()
    t.s3.meta.events.register("before-send.s3.PutObject", put_raw)
    t.ask("put-object", t.s3.put_object, Bucket=b, Key="test", ContentLanguage="de", Body=b"")
    t.ask("get-object", t.s3.get_object, Bucket=b, Key="test")


@plays(r"TestS3::test_user_metadata_rfc2047_(encoded|bad_b64_encoded)")
def rfc2047(t, which):
    b = t.bucket()
    sent = {"x-amz-meta-bad-b64-encoded": "=?UTF-8?B?4WH=?="} if which != "encoded" else {
        "x-amz-meta-asciib64-encoded": "=?UTF-8?B?YWJj?=",
        "x-amz-meta-fake-encoded": "=?UTF-8?Q?actually-ascii?=",
        "x-amz-meta-non-ascii": "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=3F.pdf?=",
        "x-amz-meta-non-ascii-2": "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=",
        "x-amz-meta-non-ascii-binary": "=?UTF-8?B?AAECAw==?=",
        "x-amz-meta-replacement-chars": "=?UTF-8?B?/v7+/v7+/g==?=",
        "x-amz-meta-safe-chars": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    }

    def put_raw(params, **_):
        params["headers"].update(sent)
    t.s3.meta.events.register("before-call.s3.PutObject", put_raw)
    t.ask("put-object", t.s3.put_object, Bucket=b, Key="test", Body=b"")
    t.ask("get-object", t.s3.get_object, Bucket=b, Key="test")


@plays(r"TestS3::test_get_object_attributes")
def object_attributes(t):
    b, s = t.bucket(), t.s3
    every = ["StorageClass", "ETag", "ObjectSize", "ObjectParts"]
    t.call(s.put_object, Bucket=b, Key="data.txt", Body=b"69\n420\n")
    t.ask("object-attrs", s.get_object_attributes, Bucket=b, Key="data.txt", ObjectAttributes=[*every, "Checksum"])
    loose = ("ETag", "ObjectSize", "Size")
    upload_whole(t, b, "one", "upload-part-1" * 5)
    t.ask("object-attrs-multiparts-1-part", s.get_object_attributes, Bucket=b, Key="one", ObjectAttributes=every)
    upload_whole(t, b, "two", "upload-part-1" * 5, 2)
    t.ask("object-attrs-multiparts-2-parts", s.get_object_attributes, Bucket=b, Key="two", ObjectAttributes=every,
          MaxParts=3, loose=loose)
    t.ask("object-attrs-multiparts-2-parts-checksum", s.get_object_attributes, Bucket=b, Key="two",
          ObjectAttributes=[*every[:3], "Checksum"], loose=(*loose, "ChecksumCRC64NVME"))


def upload_whole(t, bucket, key, data, parts=1, **words):
    """Uploads the same text as each of `parts` parts; of more than one all but the last must have 5 MB."""
    upload = t.call(t.s3.create_multipart_upload, Bucket=bucket, Key=key, **words)["UploadId"]
    done = []
    for number in range(1, parts + 1):
        body = data if number == parts else data + "0" * (5 * 1024 * 1024)
        answer = t.call(t.s3.upload_part, Bucket=bucket, Key=key, Body=body, PartNumber=number, UploadId=upload)
        done.append({"ETag": answer["ETag"], "PartNumber": number})
    return t.call(t.s3.complete_multipart_upload, Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done})


@plays(r"TestS3::test_get_object_attributes_versioned")
def object_attributes_versioned(t):
    b, s, key = t.bucket(), t.s3, "key-attrs-versioned"
    version(t, b)
    first = t.ask("put-obj-v1", s.put_object, Bucket=b, Key=key, Body=b"69\n420\n")
    t.ask("put-obj-v2", s.put_object, Bucket=b, Key=key, Body=b"version 2")
    t.ask("object-attrs", s.get_object_attributes, Bucket=b, Key=key,
          ObjectAttributes=["StorageClass", "ETag", "ObjectSize", "ObjectParts", "Checksum"])
    t.ask("delete-key", s.delete_object, Bucket=b, Key=key)
    some = ["StorageClass", "ETag", "ObjectSize"]
    t.ask("deleted-object-attrs", s.get_object_attributes, Bucket=b, Key=key, ObjectAttributes=some)
    t.ask("get-object-attrs-v1", s.get_object_attributes, Bucket=b, Key=key, VersionId=first["VersionId"],
          ObjectAttributes=some)


@plays(r"TestS3PutObjectChecksum::test_put_object_checksum\[(\w+)\]")
def put_checksum(t, algorithm):
    b, s, data = t.bucket(), t.s3, b"test data.."
    words = {"Bucket": b, "Key": "file", "Body": data, "ChecksumAlgorithm": algorithm}
    member = f"Checksum{algorithm}"
    right = t.recording["put-object-generated"][member]
    wrong = ("A" if right[0] != "A" else "B") + right[1:]
    t.ask("put-wrong-checksum-no-b64", s.put_object, **words, **{member: "a1b2c3d4"})
    t.ask("put-wrong-checksum-value", s.put_object, **words, **{member: wrong})
    t.ask("put-object-generated", s.put_object, **words, **{member: right})
    both = {"Bucket": b, "Key": "file", "ObjectAttributes": ["ETag", "Checksum"]}
    t.ask("get-object-attrs-generated", s.get_object_attributes, **both)
    if algorithm == "CRC64NVME":
        words[member] = right
    t.ask("put-object-autogenerated", s.put_object, **words)
    t.ask("get-object-attrs-auto-generated", s.get_object_attributes, **both)
    t.ask("head-object-with-checksum", s.head_object, Bucket=b, Key="file", ChecksumMode="ENABLED")


@plays(r"TestS3PutObjectChecksum::test_s3_get_object_checksum\[(\w+)\]")
def get_checksum(t, algorithm):
    b, s, key = t.bucket(), t.s3, "test-checksum-retrieval"
    words = {} if algorithm == "None" else {"ChecksumAlgorithm": algorithm}
    if algorithm == "CRC64NVME":
        words = {"ChecksumCRC64NVME": t.recording["put-object"]["ChecksumCRC64NVME"]}
    t.ask("put-object", s.put_object, Bucket=b, Key=key, Body=b"test-checksum", **words)
    t.ask("get-object", s.get_object, Bucket=b, Key=key)
    t.ask("get-object-with-checksum", s.get_object, Bucket=b, Key=key, ChecksumMode="ENABLED")
    t.ask("head-object-with-checksum", s.get_object, Bucket=b, Key=key, ChecksumMode="enabled")
    t.ask("get-object-attrs", s.get_object_attributes, Bucket=b, Key=key, ObjectAttributes=["Checksum"])


@plays(r"TestS3PutObjectChecksum::test_s3_checksum_with_content_encoding")
def checksum_encoding(t):
    b, s, packed = t.bucket(), t.s3, io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="w", mtime=1676569620) as stream:
        stream.write(b"1234567890 " * 100)
    t.ask("put-object", s.put_object, Bucket=b, Key="test.gz", ContentEncoding="gzip", Body=packed.getvalue(),
          ChecksumAlgorithm="SHA256")

    def read(answer):
        answer["Body"] = io.BytesIO()
        return answer
    t.ask("get-object", s.get_object, Bucket=b, Key="test.gz", pick=read)
    t.ask("get-object-with-checksum", s.get_object, Bucket=b, Key="test.gz", ChecksumMode="ENABLED", pick=read)
    t.ask("get-object-attrs", s.get_object_attributes, Bucket=b, Key="test.gz", ObjectAttributes=["Checksum"])


@plays(r"TestS3::test_s3_invalid_content_md5")
def invalid_md5(t):
    b, s = t.bucket(), t.s3
    upload = t.call(s.create_multipart_upload, Bucket=b, Key="multi")["UploadId"]
    for at, digest in enumerate(["__invalid__", "000", "not base64 encoded checksum", "MTIz", "dGVzdC1zdHJpbmc="]):
        t.ask(f"md5-error-{at}", s.put_object, Bucket=b, Key="k", Body="something", ContentMD5=digest)
        t.ask(f"upload-part-md5-error-{at}", s.upload_part, Bucket=b, Key="multi", Body="something", ContentMD5=digest,
              PartNumber=1, UploadId=upload)
    bad, good = "CYketZBSTjX8czcs3cXVlg==", "Q3uTDbhLgHnC3YBKcZNrXw=="
    t.ask("md5-error-bad-digest", s.put_object, Bucket=b, Key="k", Body="something", ContentMD5=bad)
    t.ask("success-put-object-md5", s.put_object, Bucket=b, Key="k", Body="something", ContentMD5=good)
    t.ask("upload-part-md5-bad-digest", s.upload_part, Bucket=b, Key="multi", Body="something", ContentMD5=bad,
          PartNumber=1, UploadId=upload)
    t.ask("success-upload-part-md5", s.upload_part, Bucket=b, Key="multi", Body="something", ContentMD5=good,
          PartNumber=1, UploadId=upload)


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


# Conditions on writes.

@plays(r"TestS3ObjectWritePrecondition::test_put_object_if_none_match(_versioned_bucket)?")
def put_if_none_match(t, versioned):
    b, s, key = t.bucket(), t.s3, "test-precondition"
    if versioned:
        version(t, b)
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
    version(t, b)
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
        version(t, bucket)
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


# Copies.

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
    version(t, b)
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
    version(t, b)
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


# Delete, versions.

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
    version(t, b)
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
    version(t, b)
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
    version(t, b)
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


@plays(r"TestS3::test_delete_objects_encoding")
def delete_encoded(t):
    b, s = t.bucket(), t.s3
    # Two keys that have escapes of their own.
    for key, body in {"a%2Fb": b"percent-encoding", "a/%F0%9F%98%80": b"percent-encoded emoji"}.items():
        t.call(s.put_object, Bucket=b, Key=key, Body=body)
    t.ask("list-objects-before-delete", s.list_objects_v2, Bucket=b, loose=("ETag", "Size"))
    t.ask("deleted-resp", s.delete_objects, Bucket=b, Delete={"Objects": [{"Key": "a%2Fb"}, {"Key": "a/%F0%9F%98%80"}]})
    t.ask("list-objects", s.list_objects_v2, Bucket=b)


@plays(r"TestS3DeletePrecondition::test_delete_object_if_match_(\w*?)_?non_express")
def delete_conditions(t, kind):
    b, s = t.bucket(), t.s3
    t.call(s.put_object, Bucket=b, Key="test-precondition")
    every = {"": {"IfMatch": "badvalue"}, "modified": {"IfMatchLastModifiedTime": now() - DAY}, "size": {"IfMatchSize": 10}}
    every["all"] = {**every["size"], **every[""], **every["modified"]}
    t.ask(next(iter(t.recording)), s.delete_object, Bucket=b, Key="test-precondition", **every[kind])


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
    version(t, b)
    for number in range(3):
        t.ask(f"put-object-{number}", s.put_object, Bucket=b, Key=key, Body=f"test-version-{number}")
    t.ask("list-enabled", s.list_object_versions, Bucket=b)
    version(t, b, "Suspended")
    t.ask("list-suspended", s.list_object_versions, Bucket=b)
    t.ask("put-object-suspended", s.put_object, Bucket=b, Key=key, Body="test-version-suspended")
    t.ask("list-suspended-after-put", s.list_object_versions, Bucket=b)
    t.ask("put-object-suspended-overwrite", s.put_object, Bucket=b, Key=key, Body="test-version-suspended")
    t.ask("list-suspended-after-overwrite", s.list_object_versions, Bucket=b)
    t.ask("get-object-current", s.get_object, Bucket=b, Key=key)


@plays(r"TestS3ObjectCRUD::test_delete_object_on_suspended_bucket")
def delete_suspended(t):
    b, s, key = t.bucket(), t.s3, "test-delete-suspended"
    version(t, b)
    for number in range(2):
        t.ask(f"put-object-{number}", s.put_object, Bucket=b, Key=key, Body=f"test-version-{number}")
    version(t, b, "Suspended")
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
    version(t, b)
    t.ask("put-object", t.s3.put_object, Bucket=b, Key="test-version-id")


@plays(r"TestS3::test_s3_put_object_versioned")
def put_versioned(t):
    b, s = t.bucket(), t.s3
    key, old = "versioned-object", "non-versioned"
    sized = ("Size", "ETag", "ContentLength", "Body", "ChecksumCRC32")
    t.ask("put-pre-versioned", s.put_object, Bucket=b, Key=old, Body="non-version", loose=sized)
    t.ask("get-pre-versioned", s.get_object, Bucket=b, Key=old, loose=sized)
    t.ask("list-object-pre-versioned", s.list_object_versions, Bucket=b, loose=(*sized, "Key"))
    version(t, b)
    t.ask("get-post-versioned", s.get_object, Bucket=b, Key=old, loose=sized)
    t.ask("put-obj-versioned-1", s.put_object, Bucket=b, Key=key, Body="versioned-1", loose=sized)
    t.ask("put-obj-versioned-2", s.put_object, Bucket=b, Key=key, Body="versioned-2", loose=sized)
    t.ask("get-obj-versioned", s.get_object, Bucket=b, Key=key, loose=sized)
    t.ask("list-object-versioned", s.list_object_versions, Bucket=b, loose=(*sized, "Key"))
    version(t, b, "Suspended")
    t.ask("list-bucket-suspended", s.list_object_versions, Bucket=b, loose=(*sized, "Key"))
    t.ask("get-obj-versioned-disabled", s.get_object, Bucket=b, Key=key, loose=sized)
    t.ask("get-obj-non-versioned-disabled", s.get_object, Bucket=b, Key=old, loose=sized)
    t.ask("put-non-versioned-post-disable", s.put_object, Bucket=b, Key=old, Body="after", loose=sized)
    t.ask("get-non-versioned-post-disable", s.get_object, Bucket=b, Key=old, loose=sized)


# Tags.

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
    version(t, b)
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


# Access control lists of objects.

LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"


def acl_cases(owner, prefix_of_acp):
    """The refused lists that both objects and buckets were asked for, by what was recorded."""
    grantee = {"URI": LOG_DELIVERY, "Type": "Group"}
    fake = {"URI": "http://acs.amazonaws.com/groups/s3/FakeGroup", "Type": "Group"}
    wrong = {"ID": "wrong-id", "Type": "CanonicalUser"}
    one = lambda who, permission="FULL_CONTROL": [{"Grantee": who, "Permission": permission}]
    return {
        f"{prefix_of_acp}-1": {"Grants": one(grantee, "WRITE")},
        f"{prefix_of_acp}-2": {"Owner": owner, "Grants": one(grantee, "WRONG-PERMISSION")},
        f"{prefix_of_acp}-3": {"Owner": {"ID": "wrong-id"}, "Grants": one(grantee)},
        f"{prefix_of_acp}-4": {"Owner": owner, "Grants": one(fake)},
        f"{prefix_of_acp}-5": {"Owner": owner, "Grants": one(wrong)},
        f"{prefix_of_acp}-6": {"Owner": owner, "Grants": one({"ID": "wrong-id", "Type": "BadType"})},
    }


@plays(r"TestS3::test_s3_object_acl_exceptions")
def object_acl_refused(t):
    b, s, key = t.bucket(), t.s3, "object-key-acl"
    owner = t.call(s.list_buckets)["Owner"]
    at = {"Bucket": b, "Key": key}
    t.call(s.put_object, **at)
    t.ask("put-object-canned-acl", s.put_object, ACL="fake-acl", **at)
    t.ask("put-object-acl-canned-acl", s.put_object_acl, ACL="fake-acl", **at)
    for recorded, grant in [("fake-uri", 'uri="http://acs.amazonaws.com/groups/s3/FakeGroup"'),
                            ("fake-key", 'fakekey="1234"'), ("wrong-id", 'id="wrong-id"')]:
        t.ask(f"put-object-grant-acl-{recorded}", s.put_object_acl, GrantWrite=grant, **at)
    for recorded, policy in acl_cases(owner, "put-object-acp-acl").items():
        t.ask(recorded, s.put_object_acl, AccessControlPolicy=policy, **at)
    t.ask("put-object-empty-acp", s.put_object_acl, AccessControlPolicy={}, **at)
    t.ask("put-object-acl-empty", s.put_object_acl, **at)
    t.ask("put-object-two-type-acl", s.put_object_acl, ACL="private", GrantRead=f'uri="{LOG_DELIVERY}"', **at)
    policy = {"Owner": owner, "Grants": [{"Grantee": {"ID": owner["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]}
    t.ask("put-object-two-type-acl-acp", s.put_object_acl, ACL="private", AccessControlPolicy=policy, **at)


@plays(r"TestS3::test_s3_object_acl")
def object_acl(t):
    b, s = t.bucket(), t.s3
    allow_acls(t, b)
    owner = t.call(s.list_buckets)["Owner"]
    at = {"Bucket": b, "Key": "object-key-acl"}
    t.ask("put-object-default-acl", s.put_object, **at)
    t.ask("get-object-acl-default", s.get_object_acl, **at)
    t.ask("put-object-acl", s.put_object_acl, ACL="public-read", **at)
    t.ask("get-object-acl", s.get_object_acl, **at)
    t.call(s.put_object_acl, GrantRead=f'uri="{LOG_DELIVERY}"', **at)
    t.ask("get-object-grant-acl", s.get_object_acl, **at)
    t.call(s.put_object_acl, AccessControlPolicy={"Owner": owner, "Grants": [
        {"Grantee": {"ID": owner["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"},
        {"Grantee": {"URI": LOG_DELIVERY, "Type": "Group"}, "Permission": "WRITE"}]}, **at)
    t.ask("get-object-acp-acl", s.get_object_acl, **at)


@plays(r"TestS3::test_get_object_with_anon_credentials")
def anonymous_get(t):
    b, s = t.bucket(), t.s3
    allow_acls(t, b)
    t.call(s.put_object, Bucket=b, Key="key", Body="body data")
    t.call(s.put_object_acl, Bucket=b, Key="key", ACL="public-read")
    anonymous = t.server.make_client("s3", anonymous=True, config={"s3": {"addressing_style": "path"}})
    t.ask("get_object", anonymous.get_object, Bucket=b, Key="key")


@plays(r"TestS3::test_s3_upload_download_gzip")
def upload_gzip(t):
    b, s = t.bucket(), t.s3
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="w", mtime=1676569620) as stream:
        stream.write(b"1234567890 " * 100)

    def read(answer):
        answer["Body"] = io.BytesIO(t.recording["get-object"]["Body"].encode())
        return answer
    loose = ("ETag", "ChecksumCRC32", "ContentLength", "Body")
    t.ask("put-object", s.put_object, Bucket=b, Key="test.gz", ContentEncoding="gzip", Body=packed.getvalue(), loose=loose)
    t.ask("get-object", s.get_object, Bucket=b, Key="test.gz", pick=read, loose=loose)


@plays(r"TestS3::test_put_object_acl_on_delete_marker")
def acl_on_marker(t):
    b, s, key = t.bucket(), t.s3, "test-key-versioned"
    version(t, b)
    allow_acls(t, b)
    t.ask("put-obj-1", s.put_object, Bucket=b, Key=key, Body="something")
    t.ask("put-obj-2", s.put_object, Bucket=b, Key=key, Body="something-v2")
    marker = t.ask("delete-object", s.delete_object, Bucket=b, Key=key)["VersionId"]
    for end, words in [("", {}), ("-version-id", {"VersionId": marker})]:
        t.ask(f"put-acl-delete-marker{end}", s.put_object_acl, Bucket=b, Key=key, ACL="public-read", **words)
        t.ask(f"get-acl-delete-marker{end}", s.get_object_acl, Bucket=b, Key=key, **words)


# Object Lock.

def locked_bucket(t):
    """A bucket with versions and Object Lock."""
    bucket = t.bucket()
    t.call(t.s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    t.call(t.s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    return bucket


def later(days=0, seconds=0):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=days, seconds=seconds)


@plays(r"TestS3ObjectLockLegalHold::test_(put_get_object_legal_hold|delete_locked_object|put_object_with_legal_hold)")
def legal_hold(t, kind):
    s, bucket = t.s3, locked_bucket(t)
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
    s, bucket, plain, on = t.s3, locked_bucket(t), t.bucket(), {"Status": "ON"}
    t.call(s.put_object, Bucket=plain, Key="k", Body=b"test")
    t.call(s.put_object, Bucket=bucket, Key="k", Body=b"test")
    t.ask("put-object-legal-hold-no-bucket", s.put_object_legal_hold, Bucket=t.name("none"), Key="k", LegalHold=on)
    t.ask("put-object-legal-hold-no-key", s.put_object_legal_hold, Bucket=bucket, Key="non-existing-key", LegalHold=on)
    t.ask("put-object-retention-regular-bucket", s.put_object_legal_hold, Bucket=plain, Key="k", LegalHold=on)
    t.ask("put-object-retention-empty", s.put_object_legal_hold, Bucket=bucket, Key="k", LegalHold={})
    t.ask("get-object-retention-regular-bucket", s.get_object_legal_hold, Bucket=plain, Key="k")


@plays(r"TestS3ObjectLockLegalHold::test_s3_legal_hold_lock_versioned")
def legal_hold_of_versions(t):
    s, at = t.s3, {"Bucket": locked_bucket(t), "Key": "locked"}
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
    s, bucket = t.s3, locked_bucket(t)
    words = {"ObjectLockLegalHoldStatus": "ON"} if kind == "LegalHold" else {
        "ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(seconds=30)}
    end = ("put-object", "head-object", "copy-legal-hold") if kind == "LegalHold" else ("put-source-object", "head-source-object", "copy-lock")
    t.ask(end[0], s.put_object, Bucket=bucket, Key="source", Body=b"test copy object", loose=("ChecksumCRC32", "ETag"), **words)
    t.ask(end[1], s.head_object, Bucket=bucket, Key="source", loose=("ETag", "ContentLength"))
    t.ask(end[2], s.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/source", loose=("ChecksumCRC32", "ETag"))
    t.ask("head-dest-key", s.head_object, Bucket=bucket, Key="copy", loose=("ETag", "ContentLength"))


@plays(r"TestS3ObjectLockRetention::test_s3_object_retention")
def retention(t):
    s, at = t.s3, {"Bucket": locked_bucket(t), "Key": "locked"}
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
    s, bucket, plain = t.s3, locked_bucket(t), t.bucket()
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
    s, at = t.s3, {"Bucket": locked_bucket(t), "Key": "locked"}
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
    s, at = t.s3, {"Bucket": locked_bucket(t), "Key": "k"}
    t.ask("put-obj-locked-error-no-retain-date", s.put_object, Body=b"test", ObjectLockMode="GOVERNANCE", **at)
    t.ask("put-obj-locked-error-no-mode", s.put_object, Body=b"test", ObjectLockRetainUntilDate=later(days=1), **at)
    t.ask("put-obj-locked-bad-value", s.put_object, Body=b"test", ObjectLockMode="BAD-VALUE",
          ObjectLockRetainUntilDate=later(days=1), **at)
    t.ask("create-mpu-locked-bad-value", s.create_multipart_upload, ObjectLockMode="BAD-VALUE",
          ObjectLockRetainUntilDate=later(days=1), **at)


@plays(r"TestS3ObjectLockRetention::test_bucket_config_default_retention")
def default_retention(t):
    s, bucket = t.s3, locked_bucket(t)
    loose = ("ChecksumCRC32", "ETag", "ContentLength")
    t.ask("put-lock-config", s.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
    t.ask("put-object-default", s.put_object, Bucket=bucket, Key="k", Body=b"test-default-lock", loose=loose)
    t.ask("head-object-default", s.head_object, Bucket=bucket, Key="k", loose=loose)
    t.ask("put-object-with-lock", s.put_object, Bucket=bucket, Key="k", Body=b"test-body-with-lock!", ObjectLockMode="GOVERNANCE",
          ObjectLockRetainUntilDate=later(days=2), loose=loose)
    t.ask("head-object-with-lock", s.head_object, Bucket=bucket, Key="k", loose=loose)
    t.ask("put-object-with-lock-no-date", s.put_object, Bucket=bucket, Key="k", Body=b"test", ObjectLockMode="GOVERNANCE")
