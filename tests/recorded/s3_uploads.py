# Players of S3's uploads in parts: create, upload, copy as a part, complete, list, their checksums and conditions.
import base64
import time

from players import plays
from s3_setup import DAY, allow_acls, now, upload_in_parts

PART = 5 * 1024 * 1024


def start_upload(t, bucket, key, recorded=None, **words):
    words = {"Bucket": bucket, "Key": key, **words}
    answer = t.ask(recorded, t.s3.create_multipart_upload, **words) if recorded else \
        t.call(t.s3.create_multipart_upload, **words)
    return answer["UploadId"]


def upload_part(t, bucket, key, upload, body="test", number=1):
    answer = t.call(t.s3.upload_part, Bucket=bucket, Key=key, UploadId=upload, Body=body, PartNumber=number)
    return {"ETag": answer["ETag"], "PartNumber": number}


def upload_one_part(t, bucket, key, recorded=None):
    """Starts an upload of one part; returns what completes it."""
    upload = start_upload(t, bucket, key, recorded)
    part = upload_part(t, bucket, key, upload)
    return {"Bucket": bucket, "Key": key, "UploadId": upload, "MultipartUpload": {"Parts": [part]}}


@plays(r"TestS3::test_multipart_and_list_parts")
def list_parts(t):
    b, s, key = t.bucket(), t.s3, "test-list-parts"
    upload = start_upload(t, b, key, "create-multipart")
    at = {"Bucket": b, "Key": key, "UploadId": upload}
    t.ask("list-part-after-created", s.list_parts, **at)
    t.ask("list-all-uploads", s.list_multipart_uploads, Bucket=b)
    part = t.ask("upload-part", s.upload_part, Body="upload-part-1" * 5, PartNumber=1, **at)
    t.ask("list-part-after-upload", s.list_parts, **at)
    t.ask("list-all-uploads-after", s.list_multipart_uploads, Bucket=b)
    t.ask("complete-multipart", s.complete_multipart_upload, MultipartUpload={"Parts": [
        {"ETag": part["ETag"], "PartNumber": 1}]}, **at)
    t.ask("list-part-after-complete-exc", s.list_parts, **at)
    t.ask("list-all-uploads-completed", s.list_multipart_uploads, Bucket=b)
    t.ask("head-multipart-checksum", s.head_object, Bucket=b, Key=key, ChecksumMode="ENABLED")
    t.ask("get-multipart-checksum", s.get_object, Bucket=b, Key=key, ChecksumMode="ENABLED")


@plays(r"TestS3::test_list_parts_empty_part_number_marker")
def list_parts_empty(t):
    b, key = t.bucket(), "test-list-part-empty-marker"
    upload = start_upload(t, b, key)
    upload_part(t, b, key, upload, "data")
    for recorded, parameter in [("marker", "part-number-marker"), ("max-parts", "max-parts")]:
        def add_empty(params, parameter=parameter, **_):
            params["query_string"][parameter] = ""
        client = t.server.make_client("s3", config={"s3": {"addressing_style": "path"}})
        client.meta.events.register("before-call.s3.ListParts", add_empty)
        t.ask(f"list-parts-empty-{recorded}", client.list_parts, Bucket=b, Key=key, UploadId=upload)


@plays(r"TestS3::test_multipart_no_such_upload")
def no_such_upload(t):
    b, s = t.bucket(), t.s3
    at = {"Bucket": b, "Key": "fake-key", "UploadId": "fakeid"}
    t.ask("upload-exc", s.upload_part, Body=b"data", PartNumber=1, **at)
    t.ask("complete-exc", s.complete_multipart_upload, **at)
    t.ask("abort-exc", s.abort_multipart_upload, **at)


@plays(r"TestS3::test_multipart_key_validation")
def other_key(t):
    b, s = t.bucket(), t.s3
    upload = start_upload(t, b, "right-key")
    part = upload_part(t, b, "right-key", upload, "data")
    at = {"Bucket": b, "Key": "wrong-key", "UploadId": upload}
    t.ask("upload-part-wrong-key-name", s.upload_part, Body=b"data", PartNumber=1, **at)
    t.ask("complete-multipart-wrong-key-name", s.complete_multipart_upload, MultipartUpload={"Parts": [part]}, **at)
    t.ask("list-parts-wrong-key-name", s.list_parts, **at)
    t.ask("abort-multipart-wrong-key-name", s.abort_multipart_upload, **at)


@plays(r"TestS3::test_multipart_complete_multipart_too_small")
def too_small(t):
    b, s, key = t.bucket(), t.s3, "test-upload-part-exc"
    at = {"Bucket": b, "Key": key, "UploadId": start_upload(t, b, key)}
    parts = []
    for number in (1, 2):
        part = t.ask(f"upload-part{number}", s.upload_part, Body=b"data", PartNumber=number, **at)
        parts.append({"ETag": part["ETag"], "PartNumber": number})
    t.ask("complete-exc-no-parts", s.complete_multipart_upload, **at)
    t.ask("complete-exc-too-small", s.complete_multipart_upload, MultipartUpload={"Parts": parts}, **at)


@plays(r"TestS3::test_multipart_complete_multipart_wrong_part")
def wrong_part(t):
    b, s, key = t.bucket(), t.s3, "test-upload-part-exc"
    upload = start_upload(t, b, key)
    part = upload_part(t, b, key, upload, b"data")
    at = {"Bucket": b, "Key": key, "UploadId": upload}
    t.ask("complete-exc-wrong-part-number", s.complete_multipart_upload,
          MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 2}]}, **at)
    t.ask("complete-exc-wrong-etag", s.complete_multipart_upload,
          MultipartUpload={"Parts": [{"ETag": "d41d8cd98f00b204e9800998ecf8427e", "PartNumber": 1}]}, **at)


@plays(r"TestS3::test_complete_multipart_parts_order")
def parts_order(t):
    b, s, key = t.bucket(), t.s3, "test-order-parts"
    loose = ("ETag", "ChecksumCRC64NVME")
    upload = start_upload(t, b, key)
    at = {"Bucket": b, "Key": key, "UploadId": upload}
    t.ask("upload-part-negative-part-number", s.upload_part, Body="data", PartNumber=-1, **at)
    parts = [upload_part(t, b, key, upload, "a" * PART, number) for number in (1, 2, 3)]
    t.ask("complete-multipart-unordered", s.complete_multipart_upload, MultipartUpload={"Parts": parts[::-1]}, **at)
    t.ask("complete-multipart-ordered", s.complete_multipart_upload, MultipartUpload={"Parts": parts}, loose=loose, **at)
    key = "key-sequence-with-step-2"
    upload = start_upload(t, b, key)
    parts = [upload_part(t, b, key, upload, "a" * PART, number) for number in (1, 3, 5)]
    t.ask("complete-multipart-with-step-2", s.complete_multipart_upload, Bucket=b, Key=key, UploadId=upload,
          MultipartUpload={"Parts": parts}, loose=loose)


@plays(r"TestS3::test_multipart_overwrite_key|TestS3::test_multipart_copy_object_etag|TestS3::test_set_external_hostname")
def upload_and_copy(t):
    b, s, key, body = t.bucket(), t.s3, "test.file", "test content 123"
    if "put-object" in t.recording:
        t.ask("put-object", s.put_object, Bucket=b, Key=key, Body=body)
    upload = start_upload(t, b, key)
    part = upload_part(t, b, key, upload, body)
    loose = () if t.recording["multipart-upload"]["ETag"].startswith('"b972') else ("ETag", "ChecksumCRC64NVME", "Body")
    done = t.ask("multipart-upload", s.complete_multipart_upload, Bucket=b, Key=key, UploadId=upload,
                 MultipartUpload={"Parts": [part]}, loose=loose)
    if "Location" in t.recording.get("get-object", {}):
        # Under this name the completion was recorded once more.
        t.compare("get-object", done, loose)
    elif "get-object" in t.recording:
        t.ask("get-object", s.get_object, Bucket=b, Key=key, loose=loose)
    if "copy-object" in t.recording:
        t.ask("copy-object", s.copy_object, Bucket=b, CopySource=f"{b}/{key}", Key="copy")
        t.ask("copy-object-in-place", s.copy_object, Bucket=b, CopySource=f"{b}/{key}", Key=key, MetadataDirective="REPLACE")
        t.ask("head-obj", s.head_object, Bucket=b, Key=key, ChecksumMode="ENABLED")


@plays(r"TestS3::test_upload_file_multipart")
def upload_file(t):
    b, s, key = t.bucket(), t.s3, "my-key"
    upload = start_upload(t, b, key, ChecksumAlgorithm="CRC32")
    part = t.call(s.upload_part, Bucket=b, Key=key, UploadId=upload, Body=b"1" * 6144, PartNumber=1, ChecksumAlgorithm="CRC32")
    t.call(s.complete_multipart_upload, Bucket=b, Key=key, UploadId=upload, MultipartUpload={"Parts": [
        {"ETag": part["ETag"], "PartNumber": 1, "ChecksumCRC32": part["ChecksumCRC32"]}]})
    t.ask("get_object", s.get_object, Bucket=b, Key=key)


@plays(r"TestS3::test_s3_multipart_upload_acls")
def upload_acls(t):
    b, s = t.bucket(), t.s3
    allow_acls(t, b)
    t.call(s.put_object, Bucket=b, Key="acl-key0", Body="something")
    upload_in_parts(t, b, "acl-key1", "something")
    upload_in_parts(t, b, "acl-key2", "something", ACL="public-read-write")
    for key in ("acl-key0", "acl-key1", "acl-key2"):
        t.ask(f"permission-{key}", s.get_object_acl, Bucket=b, Key=key)
    t.call(s.put_bucket_acl, Bucket=b, ACL="public-read")
    t.ask("bucket-acl", s.get_bucket_acl, Bucket=b)


@plays(r"TestS3::test_s3_multipart_upload_sse")
def upload_kms(t):
    b, s, key = t.bucket(), t.s3, "test-sse-field-multipart"
    kms = t.call(t.kms.create_key)["KeyMetadata"]["KeyId"]
    upload = start_upload(t, b, key, "multi-sse-create-multipart", BucketKeyEnabled=True, SSEKMSKeyId=kms,
                   ServerSideEncryption="aws:kms")
    at = {"Bucket": b, "Key": key, "UploadId": upload}
    part = t.ask("multi-sse-upload-part", s.upload_part, Body="test-sse", PartNumber=1, loose=("ETag",), **at)
    # The recording of this one answer lacks the checksum that the object has in the next.

    def leave_checksum(answer):
        return {name: member for name, member in answer.items() if name not in ("ChecksumCRC64NVME", "ChecksumType")}
    t.ask("multi-sse-compete-multipart", s.complete_multipart_upload, MultipartUpload={"Parts": [
        {"ETag": part["ETag"], "PartNumber": 1}]}, loose=("ETag",), pick=leave_checksum, **at)
    t.ask("get-obj", s.get_object, Bucket=b, Key=key, loose=("ETag",))


# A copy as a part.

@plays(r"TestS3Multipart::test_upload_part_copy_range|TestS3Multipart::test_upload_part_copy_no_copy_source_range")
def part_copy_range(t):
    b, s, key = t.bucket(), t.s3, "test-upload-part-copy"
    t.ask("put-src-object", s.put_object, Bucket=b, Key="src-key", Body="0123456789")
    at = {"Bucket": b, "Key": key, "UploadId": start_upload(t, b, key, "create-multipart")}
    copy = {"CopySource": f"{b}/src-key", "PartNumber": 1, **at}
    if "upload-part-copy" in t.recording:
        t.ask("upload-part-copy", s.upload_part_copy, **copy)
    else:
        for number, asked in enumerate(["0-8", "1-1", "0-0"], 1):
            t.ask(f"upload-part-copy-{number}", s.upload_part_copy, CopySourceRange=f"bytes={asked}",
                  **{**copy, "PartNumber": number})
    t.ask("list-parts", s.list_parts, **at)
    if "upload-part-copy-wrong-format" in t.recording:
        t.ask("upload-part-copy-wrong-format", s.upload_part_copy, CopySourceRange="0-8", **copy)
        start_of_name = "upload-part-copy-range-exc-"
        for recorded in t.recording:
            if recorded.startswith(start_of_name):
                t.ask(recorded, s.upload_part_copy, CopySourceRange=f"bytes={recorded[len(start_of_name):]}", **copy)


@plays(r"TestS3Multipart::test_upload_part_copy_with_(.*)")
def part_copy_conditions(t, kind):
    b, s, key = t.bucket(), t.s3, "destination_file.txt"
    etag = t.call(s.put_object, Bucket=b, Key="source_file.txt", Body="0123456789")["ETag"]
    at = {"Bucket": b, "Key": key, "UploadId": start_upload(t, b, key)}
    if kind == "if_modified_since_failed":
        time.sleep(1.1)
    words = {
        "copy_source_if_match_success": {"CopySourceIfMatch": etag},
        "copy_source_if_match_none_success": {"CopySourceIfNoneMatch": "none-match"},
        "copy_source_if_unmodified_since_success": {"CopySourceIfUnmodifiedSince": now() + DAY},
        "copy_source_if_modified_since_success": {"CopySourceIfModifiedSince": now() - DAY},
        "copy_source_if_modified_since_in_future_success": {"CopySourceIfModifiedSince": now() + DAY},
        "copy_source_if_match_failed": {"CopySourceIfMatch": "not-matching"},
        "copy_source_if_none_match_failed": {"CopySourceIfNoneMatch": etag},
        "copy_source_if_unmodified_since_match_failed": {"CopySourceIfUnmodifiedSince": now() - DAY},
        "copy_source_if_match_and_if_unmodified_since_match": {
            "CopySourceIfMatch": etag, "CopySourceIfUnmodifiedSince": now() - DAY},
        "copy_source_if_none_match_and_if_unmodified_since_match_failed": {
            "CopySourceIfNoneMatch": "not-matching", "CopySourceIfUnmodifiedSince": now() - DAY},
        "if_modified_since_failed": {"CopySourceIfModifiedSince": now()},
    }[kind]
    t.ask(next(iter(t.recording)), s.upload_part_copy, CopySource=f"{b}/source_file.txt", PartNumber=1, **words, **at)
    if "list-parts" in t.recording:
        t.ask("list-parts", s.list_parts, **at)


# Conditions on completing.

@plays(r"TestS3ObjectWritePrecondition::test_multipart_if_none_match_with_delete")
def complete_none_match_delete(t):
    b, s, key = t.bucket(), t.s3, "test-precondition"
    t.ask("put-obj", s.put_object, Bucket=b, Key=key, IfNoneMatch="*")
    complete = upload_one_part(t, b, key, "create-multipart")
    t.ask("complete-multipart-if-none-match", s.complete_multipart_upload, IfNoneMatch="*", **complete)
    t.ask("del-obj", s.delete_object, Bucket=b, Key=key)
    t.ask("complete-multipart-after-del", s.complete_multipart_upload, IfNoneMatch="*", **complete)
    complete = upload_one_part(t, b, key)
    t.ask("complete-multipart-after-del-restart", s.complete_multipart_upload, IfNoneMatch="*", **complete)


@plays(r"TestS3ObjectWritePrecondition::test_multipart_if_none_match_with_put")
def complete_none_match_put(t):
    b, s, key = t.bucket(), t.s3, "test-precondition"
    complete = upload_one_part(t, b, key, "create-multipart")
    t.ask("put-obj", s.put_object, Bucket=b, Key=key, IfNoneMatch="*")
    t.ask("complete-multipart-if-none-match-put-during", s.complete_multipart_upload, IfNoneMatch="*", **complete)


@plays(r"TestS3ObjectWritePrecondition::test_multipart_if_match_with_put(_identical)?")
def complete_match_put(t, identical):
    b, s, key = t.bucket(), t.s3, "test-precondition"
    first = t.ask("put-obj", s.put_object, Bucket=b, Key=key, Body="test")["ETag"]
    complete = upload_one_part(t, b, key, "create-multipart")
    second = t.ask("put-obj-during", s.put_object, Bucket=b, Key=key, Body="test" if identical else "test2")["ETag"]
    if not identical:
        t.ask("complete-multipart-if-match-put-before", s.complete_multipart_upload, IfMatch=first, **complete)
    t.ask("complete-multipart-if-match-put-during", s.complete_multipart_upload, IfMatch=second, **complete)
    complete = upload_one_part(t, b, key, "create-multipart-again")
    t.ask("complete-multipart-if-match-put-before-restart", s.complete_multipart_upload, IfMatch=second, **complete)


@plays(r"TestS3ObjectWritePrecondition::test_multipart_if_match_with_delete")
def complete_match_delete(t):
    b, s, key = t.bucket(), t.s3, "test-precondition"
    first = t.ask("put-obj", s.put_object, Bucket=b, Key=key, Body="test")["ETag"]
    complete = upload_one_part(t, b, key, "create-multipart")
    t.ask("del-obj", s.delete_object, Bucket=b, Key=key)
    t.ask("complete-multipart-after-del", s.complete_multipart_upload, IfMatch=first, **complete)
    second = t.ask("put-obj-2", s.put_object, Bucket=b, Key=key, Body="test")["ETag"]
    t.ask("complete-multipart-if-match-after-put", s.complete_multipart_upload, IfMatch=second, **complete)


@plays(r"TestS3ObjectWritePrecondition::test_multipart_if_match_etag")
def complete_match_etag(t):
    b, s, key = t.bucket(), t.s3, "test-precondition"
    first = t.ask("put-obj", s.put_object, Bucket=b, Key=key, Body="test")["ETag"]
    complete = upload_one_part(t, b, key, "create-multipart")
    second = t.ask("complete-multipart-if-match", s.complete_multipart_upload, IfMatch=first, **complete)["ETag"]
    complete = upload_one_part(t, b, key, "create-multipart-overwrite")
    t.ask("complete-multipart-if-match-true-etag", s.complete_multipart_upload, IfMatch=first, **complete)
    t.ask("complete-multipart-if-match-overwrite-multipart", s.complete_multipart_upload, IfMatch=second, **complete)


# Checksums.

@plays(r"TestS3MultipartUploadChecksum::test_multipart_checksum_type_compatibility\[(\w+)-(\w+)\]")
def checksum_type(t, kind, algorithm):
    t.ask(next(iter(t.recording)), t.s3.create_multipart_upload, Bucket=t.bucket(), Key="test-multipart-checksum-compat",
          ChecksumAlgorithm=algorithm, ChecksumType=kind)


@plays(r"TestS3MultipartUploadChecksum::test_multipart_checksum_type_default_for_checksum\[(\w+)\]")
def checksum_type_default(t, algorithm):
    t.ask(next(iter(t.recording)), t.s3.create_multipart_upload, Bucket=t.bucket(), Key="test-multipart-checksum-default",
          ChecksumAlgorithm=algorithm)


@plays(r"TestS3MultipartUploadChecksum::test_multipart_upload_part_checksum_exception\[(\w+)\]")
def part_checksum_refused(t, algorithm):
    b, s, key = t.bucket(), t.s3, "test-multipart-checksum-exc"
    at = {"Bucket": b, "Key": key, "UploadId": start_upload(t, b, key), "Body": b"test data..", "PartNumber": 1}
    size = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}[algorithm]
    member = f"Checksum{algorithm}"
    t.ask("put-wrong-checksum-no-b64", s.upload_part, **{member: "a1b2c3d4"}, **at)
    t.ask("put-wrong-checksum-value", s.upload_part, **{member: base64.b64encode(b"\1" * size).decode()}, **at)


@plays(r"TestS3MultipartUploadChecksum::test_complete_multipart_parts_checksum_(composite|full_object)\[(\w+)\]")
def complete_checksums(t, kind, algorithm):
    b, s, key, member = t.bucket(), t.s3, "test-multipart-checksum", f"Checksum{algorithm}"
    at = {"Bucket": b, "Key": key}
    upload = start_upload(t, b, key, "create-mpu-checksum", ChecksumAlgorithm=algorithm, ChecksumType=kind.upper())
    at_upload, parts = {"UploadId": upload, **at}, []
    for number, body in enumerate(["a" * (PART + 1), "a" * (PART + 1), "a" * 10]):
        words = {member: t.recording[f"upload-part-{number}"][member]}
        part = t.ask(f"upload-part-{number}", s.upload_part, Body=body, PartNumber=number + 1, **words, **at_upload)
        parts.append({"ETag": part["ETag"], "PartNumber": number + 1, member: part.get(member, words[member])})
    t.ask("list-parts", s.list_parts, **at_upload)
    wrong = [{**part, member: base64.b64encode(b"\1" * len(base64.b64decode(part[member]))).decode()} for part in parts]
    t.ask("complete-multipart-wrong-parts-checksum", s.complete_multipart_upload, MultipartUpload={"Parts": wrong},
          loose=("ETag", "PartNumber"), **at_upload)
    if "complete-multipart-no-checksum" in t.recording:
        bare = [{"ETag": part["ETag"], "PartNumber": part["PartNumber"]} for part in parts]
        t.ask("complete-multipart-no-checksum", s.complete_multipart_upload, MultipartUpload={"Parts": bare}, **at_upload)
    t.ask("complete-multipart-checksum", s.complete_multipart_upload, MultipartUpload={"Parts": parts}, **at_upload)
    t.ask("get-object-with-checksum", s.get_object, ChecksumMode="ENABLED", **at)
    t.ask("head-object-with-checksum", s.head_object, ChecksumMode="ENABLED", **at)
    t.ask("get-object-attrs", s.get_object_attributes, ObjectAttributes=["Checksum", "ETag", "ObjectParts"], **at)
    t.ask("copy-obj-checksum", s.copy_object, Bucket=b, Key="copy", CopySource=f"{b}/{key}")
    t.ask("get-copy-object-attrs", s.get_object_attributes, Bucket=b, Key="copy", ObjectAttributes=["Checksum", "ETag"])
    t.ask("get-object-part-checksum", s.get_object, PartNumber=3, ChecksumMode="ENABLED", **at)


@plays(r"TestS3MultipartUploadChecksum::test_complete_multipart_parts_checksum_default")
def complete_checksum_default(t):
    b, s, key = t.bucket(), t.s3, "test-multipart-checksum"
    upload = start_upload(t, b, key, "create-mpu-no-checksum")
    at_upload = {"Bucket": b, "Key": key, "UploadId": upload}
    t.ask("list-multiparts", s.list_multipart_uploads, Bucket=b)
    part = t.ask("upload-part-different-checksum-than-default", s.upload_part, Body="aaa", PartNumber=1,
                 ChecksumAlgorithm="CRC32C", **at_upload)
    t.ask("list-parts", s.list_parts, **at_upload)
    bare = {"ETag": part["ETag"], "PartNumber": 1}
    for recorded, words in [("parts-checksum", {"ChecksumCRC32C": "45fn2Q=="}), ("wrong-parts-checksum", {"ChecksumCRC32C": "AQEBAQ=="})]:
        t.ask(f"complete-multipart-{recorded}", s.complete_multipart_upload, MultipartUpload={"Parts": [{**bare, **words}]},
              **at_upload)
    for recorded, kind in [("full-object", "FULL_OBJECT"), ("composite", "COMPOSITE")]:
        t.ask(f"complete-multipart-{recorded}-type", s.complete_multipart_upload, MultipartUpload={"Parts": [bare]},
              ChecksumType=kind, **at_upload)
    finish_checksum(t, b, key, at_upload, bare)
    t.ask("copy-obj-checksum", s.copy_object, Bucket=b, Key="copy", CopySource=f"{b}/{key}")
    t.ask("get-copy-object-attrs", s.get_object_attributes, Bucket=b, Key="copy", ObjectAttributes=["Checksum", "ETag"])


def finish_checksum(t, bucket, key, at_upload, part):
    s, at = t.s3, {"Bucket": bucket, "Key": key}
    t.ask("complete-multipart-checksum", s.complete_multipart_upload, MultipartUpload={"Parts": [part]}, **at_upload)
    t.ask("get-object-with-checksum", s.get_object, ChecksumMode="ENABLED", **at)
    t.ask("head-object-with-checksum", s.head_object, ChecksumMode="ENABLED", **at)
    t.ask("get-object-attrs", s.get_object_attributes, ObjectAttributes=["Checksum", "ETag", "ObjectParts"], **at)


@plays(r"TestS3MultipartUploadChecksum::test_complete_multipart_parts_checksum_full_object_default")
def complete_checksum_crc64(t):
    b, s, key = t.bucket(), t.s3, "test-multipart-checksum"
    upload = start_upload(t, b, key, "create-mpu-checksum-crc64", ChecksumAlgorithm="CRC64NVME")
    at_upload = {"Bucket": b, "Key": key, "UploadId": upload}
    part = t.ask("upload-part", s.upload_part, Body="aaa", PartNumber=1,
                 ChecksumCRC64NVME=t.recording["upload-part"]["ChecksumCRC64NVME"], **at_upload)
    finish_checksum(t, b, key, at_upload, {"ETag": part["ETag"], "PartNumber": 1})


@plays(r"TestS3MultipartUploadChecksum::test_multipart_upload_part_copy_checksum\[(\w+)\]")
def part_copy_checksum(t, kind):
    b, s, key = t.bucket(), t.s3, "test-multipart-checksum"
    t.ask("put-object", s.put_object, Bucket=b, Key="source", Body="this is a part")
    upload = start_upload(t, b, key, "create-mpu-checksum-sha256", ChecksumAlgorithm="CRC32C", ChecksumType=kind)
    at_upload = {"Bucket": b, "Key": key, "UploadId": upload}
    copied = t.ask("upload-part-copy", s.upload_part_copy, CopySource=f"{b}/source", PartNumber=1, **at_upload)
    t.ask("list-parts", s.list_parts, **at_upload)
    part = {"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}
    if "ChecksumCRC32C" in copied["CopyPartResult"]:
        part["ChecksumCRC32C"] = copied["CopyPartResult"]["ChecksumCRC32C"]
    finish_checksum(t, b, key, at_upload, part)


@plays(r"TestS3MultipartUploadChecksum::test_multipart_parts_checksum_exceptions_composite")
def checksum_refused_composite(t):
    b, s, key = t.bucket(), t.s3, "test-multipart-checksum-exc"
    t.ask("create-mpu-wrong-checksum-algo", s.create_multipart_upload, Bucket=b, Key=key, ChecksumAlgorithm="TEST")
    t.ask("create-mpu-no-checksum-algo-with-type", s.create_multipart_upload, Bucket=b, Key=key, ChecksumType="COMPOSITE")
    at = {"Bucket": b, "Key": key}
    upload = start_upload(t, b, key, "create-mpu-composite-checksum", ChecksumAlgorithm="CRC32", ChecksumType="COMPOSITE")
    t.ask("list-multiparts", s.list_multipart_uploads, Bucket=b)
    part = t.ask("upload-part-no-checksum-ok", s.upload_part, Body="abc", PartNumber=1, UploadId=upload, **at)
    sha = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
    bare = {"ETag": part["ETag"], "PartNumber": 1}
    t.ask("complete-part-with-checksum", s.complete_multipart_upload, UploadId=upload,
          MultipartUpload={"Parts": [{**bare, "ChecksumSHA256": sha}]}, **at)
    t.ask("complete-part-with-bad-checksum-type", s.complete_multipart_upload, UploadId=upload, ChecksumType="FULL_OBJECT",
          MultipartUpload={"Parts": [{**bare, "ChecksumCRC32": "NSRBwg=="}]}, **at)
    upload = start_upload(t, b, key, "create-mpu-with-checksum", ChecksumAlgorithm="SHA256")
    t.ask("upload-part-different-checksum-exc", s.upload_part, Body="abc", PartNumber=1, UploadId=upload,
          ChecksumAlgorithm="CRC32", **at)


@plays(r"TestS3MultipartUploadChecksum::test_multipart_parts_checksum_exceptions_full_object")
def checksum_refused_full(t):
    b, s, key = t.bucket(), t.s3, "test-multipart-checksum-exc"
    t.ask("create-mpu-no-checksum-algo-with-type", s.create_multipart_upload, Bucket=b, Key=key, ChecksumType="FULL_OBJECT")
    at = {"Bucket": b, "Key": key}
    upload = start_upload(t, b, key, "create-mpu-checksum-crc32c", ChecksumAlgorithm="CRC32C", ChecksumType="FULL_OBJECT")
    t.ask("list-multiparts", s.list_multipart_uploads, Bucket=b)
    right, wrong = "Nks/tw==", "AQEBAQ=="
    part = t.ask("upload-part-no-checksum-ok", s.upload_part, Body="abc", PartNumber=1, UploadId=upload,
                 ChecksumCRC32C=right, **at)
    bare = {"ETag": part["ETag"], "PartNumber": 1}
    complete = {"UploadId": upload, "MultipartUpload": {"Parts": [bare]}, **at}
    t.ask("complete-part-bad-checksum-type", s.complete_multipart_upload, ChecksumType="COMPOSITE", **complete)
    for recorded in ["good-checksum-no-type", "only-checksum-algo", "only-checksum-algo-diff", "bad-checksum", "bad-checksum-algo"]:
        t.ask(f"complete-part-{recorded}", s.complete_multipart_upload, ChecksumCRC32C=wrong, **complete)
    t.ask("complete-success", s.complete_multipart_upload, ChecksumCRC32C=right, ChecksumType="FULL_OBJECT", **complete)
    upload = start_upload(t, b, key, "create-mpu-with-checksum", ChecksumAlgorithm="CRC32C", ChecksumType="FULL_OBJECT")
    t.ask("upload-part-different-checksum-exc", s.upload_part, Body="abc", PartNumber=1, UploadId=upload,
          ChecksumAlgorithm="CRC32", **at)


@plays(r"TestS3MultipartUploadChecksum::test_multipart_size_validation")
def upload_size(t):
    b, s, key = t.bucket(), t.s3, "test-multipart-size"
    upload = start_upload(t, b, key, "create-mpu")
    at = {"Bucket": b, "Key": key, "UploadId": upload}
    part = t.ask("upload-part", s.upload_part, Body="aaaa", PartNumber=1, **at)
    complete = {"MultipartUpload": {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}, **at}
    t.ask("complete-multipart-wrong-size", s.complete_multipart_upload, MpuObjectSize=5, **complete)
    t.ask("complete-multipart-good-size", s.complete_multipart_upload, MpuObjectSize=4, **complete)
    t.ask("get-object-attrs", s.get_object_attributes, Bucket=b, Key=key, ObjectAttributes=["Checksum", "ETag"])


@plays(r"TestS3::test_get_object_part")
def get_part(t):
    b, s, key = t.bucket(), t.s3, "test.file"
    upload, body = start_upload(t, b, key), "test content 123"
    parts = [upload_part(t, b, key, upload, body + "0" * PART, 1), upload_part(t, b, key, upload, body, 2)]
    t.ask("multipart-upload", s.complete_multipart_upload, Bucket=b, Key=key, UploadId=upload,
          MultipartUpload={"Parts": parts}, loose=("ETag", "ChecksumCRC64NVME"))
    loose = ("ETag",)
    t.ask("head-object-part", s.head_object, Bucket=b, Key=key, PartNumber=2, loose=loose)
    t.ask("get-object-part", s.get_object, Bucket=b, Key=key, PartNumber=2, loose=loose)
    t.ask("get-object-part-with-checksum", s.get_object, Bucket=b, Key=key, PartNumber=2, ChecksumMode="ENABLED", loose=loose)
    t.ask("part-doesnt-exist", s.get_object, Bucket=b, Key=key, PartNumber=10)
    t.ask("part-with-range", s.get_object, Bucket=b, Key=key, PartNumber=2, Range="bytes=0-8")
    t.call(s.put_object, Bucket=b, Key="plain", Body="test-123")
    t.ask("part-no-multipart", s.get_object, Bucket=b, Key="plain", PartNumber=2)
    t.ask("get-obj-no-multipart", s.get_object, Bucket=b, Key="plain", PartNumber=1)


@plays(r"TestS3::test_get_object_part_checksum\[(\w+)\]")
def get_part_checksum(t, kind):
    b, s, key = t.bucket(), t.s3, "test-multipart-checksum"
    at = {"Bucket": b, "Key": key}
    upload = start_upload(t, b, key, "create-mpu-checksum", ChecksumAlgorithm="CRC32C", ChecksumType=kind)
    part = t.ask("upload-part", s.upload_part, Body="test content 123", PartNumber=1, UploadId=upload,
                 ChecksumAlgorithm="CRC32C", **at)
    t.ask("complete-multipart-checksum", s.complete_multipart_upload, UploadId=upload, MultipartUpload={"Parts": [
        {"ETag": part["ETag"], "PartNumber": 1, "ChecksumCRC32C": "fwuu0Q=="}]}, **at)
    t.ask("head-object-part", s.head_object, PartNumber=1, ChecksumMode="ENABLED", **at)
    t.ask("get-object-part", s.get_object, PartNumber=1, ChecksumMode="ENABLED", **at)
