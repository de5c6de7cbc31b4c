# Players of S3's operations on objects whose keys have to be encoded.
import json

from players import plays


@plays(r"TestS3::test_put_and_get_object_with_utf8_key")
def utf8_key(t):
    b = t.bucket()
    t.ask("put-object", t.s3.put_object, Bucket=b, Key="Ā0Ä", Body=b"abc123")
    t.ask("get-object", t.s3.get_object, Bucket=b, Key="Ā0Ä")


@plays(r"TestS3::test_put_get_object_special_character\[(.*)\]")
def special_character(t, key):
    b = t.bucket()
    if key not in json.dumps(t.recording, ensure_ascii=False) and key.replace("@", "%40") not in json.dumps(t.recording):
        key = key.encode().decode("unicode_escape")
    t.ask("put-object-special-char", t.s3.put_object, Bucket=b, Key=key, Body=b"test")
    t.ask("list-object-special-char", t.s3.list_objects_v2, Bucket=b)
    t.ask("get-object-special-char", t.s3.get_object, Bucket=b, Key=key)
    t.ask("del-object-special-char", t.s3.delete_object, Bucket=b, Key=key)


@plays(r"TestS3::test_delete_objects_encoding")
def delete_encoded(t):
    b, s = t.bucket(), t.s3
    # Two keys that have escapes of their own.
    for key, body in {"a%2Fb": b"percent-encoding", "a/%F0%9F%98%80": b"percent-encoded emoji"}.items():
        t.call(s.put_object, Bucket=b, Key=key, Body=body)
    t.ask("list-objects-before-delete", s.list_objects_v2, Bucket=b, loose=("ETag", "Size"))
    t.ask("deleted-resp", s.delete_objects, Bucket=b, Delete={"Objects": [{"Key": "a%2Fb"}, {"Key": "a/%F0%9F%98%80"}]})
    t.ask("list-objects", s.list_objects_v2, Bucket=b)


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
            t.ask(recorded, s.get_object, Bucket=b, Key="k", Range=asked_range)
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
