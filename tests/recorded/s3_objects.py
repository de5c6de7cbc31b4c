# Players of S3's operations that write and read an object: its headers, metadata, ranges and attributes.
import datetime
import json

from players import plays
from s3_setup import HOUR, PACKED, now, set_versioning, upload_in_parts


@plays(r"TestS3::test_metadata_header_character_decoding")
def metadata_names(t):
    b = t.bucket()
    t.call(t.s3.put_object, Bucket=b, Key="key-with-metadata", Metadata={"TEST_META_1": "foo", "__meta_2": "bar"}, Body="foo")
    t.ask("head-object", t.s3.head_object, Bucket=b, Key="key-with-metadata")


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
        t.ask("get-object", s.get_object, Bucket=b, Key="#key-with-hash-prefix")
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
        set_versioning(t, b)
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

    got = t.ask("get-object", t.s3.get_object, Bucket=b, Key="test")
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
    upload_in_parts(t, b, "one", "upload-part-1" * 5)
    t.ask("object-attrs-multiparts-1-part", s.get_object_attributes, Bucket=b, Key="one", ObjectAttributes=every)
    upload_in_parts(t, b, "two", "upload-part-1" * 5, 2)
    t.ask("object-attrs-multiparts-2-parts", s.get_object_attributes, Bucket=b, Key="two", ObjectAttributes=every,
          MaxParts=3, loose=loose)
    t.ask("object-attrs-multiparts-2-parts-checksum", s.get_object_attributes, Bucket=b, Key="two",
          ObjectAttributes=[*every[:3], "Checksum"], loose=(*loose, "ChecksumCRC64NVME"))


@plays(r"TestS3::test_get_object_attributes_versioned")
def object_attributes_versioned(t):
    b, s, key = t.bucket(), t.s3, "key-attrs-versioned"
    set_versioning(t, b)
    first = t.ask("put-obj-v1", s.put_object, Bucket=b, Key=key, Body=b"69\n420\n")
    t.ask("put-obj-v2", s.put_object, Bucket=b, Key=key, Body=b"version 2")
    t.ask("object-attrs", s.get_object_attributes, Bucket=b, Key=key,
          ObjectAttributes=["StorageClass", "ETag", "ObjectSize", "ObjectParts", "Checksum"])
    t.ask("delete-key", s.delete_object, Bucket=b, Key=key)
    some = ["StorageClass", "ETag", "ObjectSize"]
    t.ask("deleted-object-attrs", s.get_object_attributes, Bucket=b, Key=key, ObjectAttributes=some)
    t.ask("get-object-attrs-v1", s.get_object_attributes, Bucket=b, Key=key, VersionId=first["VersionId"],
          ObjectAttributes=some)


@plays(r"TestS3::test_s3_upload_download_gzip")
def upload_gzip(t):
    b, s = t.bucket(), t.s3
    t.ask("put-object", s.put_object, Bucket=b, Key="test.gz", ContentEncoding="gzip", Body=PACKED)
    t.ask("get-object", s.get_object, Bucket=b, Key="test.gz")
