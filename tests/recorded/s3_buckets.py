# Players of S3's operations on buckets: listings, policies, encryption and the other settings.
import json

from players import plays
from s3_links import fetch, read_document, sign_get
from s3_setup import NO_BUCKET, unblock_public_access
from session import REGION


@plays(r"TestS3::test_list_objects_v2_with_prefix")
def list_v2_prefix(t):
    b, s = t.bucket(), t.s3
    for key in ["test/foo/bar/123", "test/foo/bar/456", "test/bar/foo/123"]:
        t.call(s.put_object, Bucket=b, Key=key, Body=b"content 123")

    def leave_checksums(answer):
        # Recorded before the SDKs sent checksums by themselves.
        for entry in answer.get("Contents", []):
            entry.pop("ChecksumAlgorithm", None)
            entry.pop("ChecksumType", None)
        return answer
    for number, prefix in enumerate(["test/", "test/foo", "test/foo/bar"], 1):
        t.ask(f"list-objects-v2-{number}", s.list_objects_v2, Bucket=b, Prefix=prefix, EncodingType="url", pick=leave_checksums)
    # boto3 itself always asks for encoded keys.
    url = f"{t.server.url}/{b}?list-type=2&prefix=test%2Ffoo"
    _, _, content = fetch(url, headers=sign_get(url))
    answer = read_document(content)
    del answer["ListBucketResult"]["@xmlns"]
    leave_checksums(answer["ListBucketResult"])
    t.compare("list-objects-v2-no-encoding", answer)


@plays(r"TestS3ObjectCRUD::test_list_object_versions_order_unversioned")
def list_versions_order(t):
    b, s = t.bucket(), t.s3
    t.ask("list-empty", s.list_object_versions, Bucket=b)
    for recorded, key in [("", "a-test-object-1"), ("-3", "c-test-object-3"), ("-2", "b-test-object-2")]:
        t.ask(f"put-object{recorded}", s.put_object, Bucket=b, Key=key, Body=key[2:])
    t.ask("list-object-versions", s.list_object_versions, Bucket=b)


@plays(r"TestS3::test_get_bucket_versioning_order")
def versioning_order(t):
    b, s = t.bucket(), t.s3
    t.ask("list_object_versions_before", s.list_object_versions, Bucket=b)
    t.ask("put_bucket_versioning", s.put_bucket_versioning, Bucket=b, VersioningConfiguration={"Status": "Enabled"})
    t.ask("get_bucket_versioning", s.get_bucket_versioning, Bucket=b)
    keys = sorted({one["Key"] for one in t.recording["list_object_versions"]["Versions"]})
    for key in keys:
        for _ in [one for one in t.recording["list_object_versions"]["Versions"] if one["Key"] == key]:
            t.call(s.put_object, Bucket=b, Key=key, Body="body")
    t.ask("list_object_versions", s.list_object_versions, Bucket=b, loose=("ETag", "Size"))


@plays(r"TestS3::test_s3_put_more_than_1000_items")
def many_objects(t):
    b, s = t.bucket(), t.s3
    for number in range(1010):
        t.call(s.put_object, Bucket=b, Key=f"test-key-{number}", Body=f"test-{number}")
    for number in (1009, 0):
        t.ask(f"get_object-{number}", s.get_object, Bucket=b, Key=f"test-key-{number}")
    t.ask("list-objects", s.list_objects, Bucket=b, MaxKeys=1000, Delimiter="/",
          pick=lambda answer: {**answer, "Contents": "content"})
    t.ask("list-objects-next_marker", s.list_objects, Bucket=b, MaxKeys=1000, Marker="test-key-99")


@plays(r"TestS3::test_(delete_bucket_with_content|bucket_does_not_exist|empty_bucket_fixture)")
def list_objects(t, which):
    b, s = t.bucket(), t.s3
    if which == "bucket_does_not_exist":
        t.ask("list_object", s.list_objects, Bucket=NO_BUCKET)
        t.ask("list_object_vhost", s.list_objects, Bucket=NO_BUCKET)
    elif which == "delete_bucket_with_content":
        for one in t.recording["list-objects"].get("Contents", []):
            t.call(s.put_object, Bucket=b, Key=one["Key"], Body="test-content")
        t.ask("list-objects", s.list_objects, Bucket=b, MaxKeys=t.recording["list-objects"]["MaxKeys"], loose=("ETag", "Size"))
    else:
        keys = [one["Key"] for one in t.recording["list-obj"]["Contents"]]
        for key in keys:
            t.call(s.put_object, Bucket=b, Key=key, Body="123")
        t.ask("list-obj", s.list_objects_v2, Bucket=b)
        t.call(s.delete_objects, Bucket=b, Delete={"Objects": [{"Key": key} for key in keys]})
        t.ask("list-obj-after-empty", s.list_objects_v2, Bucket=b)


@plays(r"TestS3::test_create_bucket_head_bucket|TestS3::test_region_header_exists_outside_us_east_1")
def head_bucket(t):
    b, s = t.bucket(), t.s3
    if "list_objects_v2" in t.recording:
        t.ask("list_objects_v2", s.list_objects_v2, Bucket=b)
    if "head_bucket" in t.recording:
        t.ask("head_bucket", s.head_bucket, Bucket=b)
    if "head_bucket_not_exist" in t.recording:
        t.ask("head_bucket_not_exist", s.head_bucket, Bucket=NO_BUCKET)


@plays(r"TestS3::test_different_location_constraint|TestS3::test_bucket_exists|TestS3::test_bucket_availability"
       r"|TestS3::test_get_bucket_notification_configuration_no_such_bucket|TestS3::test_s3_uppercase_bucket_name")
def missing_buckets(t):
    b, s, asked = t.bucket(), t.s3, t.recording
    if "get-bucket-location-bucket-us-east-1" in asked:
        t.ask("get-bucket-location-bucket-us-east-1", s.get_bucket_location, Bucket=b)
        t.ask("get-bucket-location-non-existent-bucket", s.get_bucket_location, Bucket=NO_BUCKET)
    elif "get-bucket-not-exists" in asked:
        t.ask("get-bucket-acl", s.get_bucket_acl, Bucket=b)
        if t.recording["get-bucket-not-exists"]["Error"].get("BucketName") == "bucket-not-exists":
            t.ask("get-bucket-not-exists", s.get_bucket_acl, Bucket="bucket-not-exists")
    elif "bucket-lifecycle" in asked:
        t.ask("bucket-lifecycle", s.get_bucket_lifecycle_configuration, Bucket=NO_BUCKET)
        t.ask("bucket-replication", s.get_bucket_replication, Bucket=NO_BUCKET)
    elif "expected_error" in asked:
        t.ask("expected_error", s.get_bucket_notification_configuration, Bucket=NO_BUCKET)


@plays(r"TestS3::test_s3_request_payer(_exceptions)?")
def request_payer(t, refused):
    b, s = t.bucket(), t.s3
    if refused:
        t.ask("wrong-payer-type", s.put_bucket_request_payment, Bucket=b, RequestPaymentConfiguration={"Payer": "Random"})
        t.ask("wrong-bucket-name", s.put_bucket_request_payment, Bucket=NO_BUCKET,
              RequestPaymentConfiguration={"Payer": "Requester"})
    else:
        t.ask("put-bucket-request-payment", s.put_bucket_request_payment, Bucket=b,
              RequestPaymentConfiguration={"Payer": "Requester"})
        t.ask("get-bucket-request-payment", s.get_bucket_request_payment, Bucket=b)


# Settings.

@plays(r"TestS3BucketVersioning::test_bucket_versioning_crud")
def versioning(t):
    b, s = t.bucket(), t.s3

    def put(recorded, words, bucket=b):
        t.ask(recorded, s.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=words)
    t.ask("get-versioning-before", s.get_bucket_versioning, Bucket=b)
    put("put-versioning-suspended-before", {"Status": "Suspended"})
    t.ask("get-versioning-after-suspended", s.get_bucket_versioning, Bucket=b)
    put("put-versioning-enabled-lowercase", {"Status": "enabled"})
    put("put-versioning-enabled-capitalized", {"Status": "Enabled"})
    t.ask("get-versioning-after-enabled", s.get_bucket_versioning, Bucket=b)
    put("put-versioning-suspended-after", {"Status": "Suspended"})
    put("put-versioning-disabled", {"Status": "Disabled"})
    put("put-versioning-empty", {})
    put("put-versioning-no-bucket", {"Status": "Suspended"}, NO_BUCKET)
    t.ask("get-versioning-no-bucket", s.get_bucket_versioning, Bucket=NO_BUCKET)


def encryption_rule(algorithm, key=None, **words):
    applied = {"SSEAlgorithm": algorithm, **({"KMSMasterKeyID": key} if key else {})}
    return {"ApplyServerSideEncryptionByDefault": applied, **words}


@plays(r"TestS3BucketEncryption::test_s3_default_bucket_encryption(_exc)?")
def encryption_default(t, refused):
    b, s = t.bucket(), t.s3
    if not refused:
        t.ask("default-bucket-encryption", s.get_bucket_encryption, Bucket=b)
        t.ask("delete-bucket-encryption", s.delete_bucket_encryption, Bucket=b)
        t.ask("delete-bucket-encryption-idempotent", s.delete_bucket_encryption, Bucket=b)
        t.ask("get-bucket-no-encryption", s.get_bucket_versioning, Bucket=b)
        return
    t.ask("get-bucket-enc-no-bucket", s.get_bucket_encryption, Bucket=NO_BUCKET)
    t.ask("delete-bucket-enc-no-bucket", s.delete_bucket_encryption, Bucket=NO_BUCKET)
    for recorded, bucket, rules in [
            ("put-bucket-enc-no-bucket", NO_BUCKET, []), ("put-bucket-encryption-no-rules", b, []),
            ("put-bucket-encryption-two-rules", b, [encryption_rule("aws:kms", BucketKeyEnabled=True), encryption_rule("AES256")]),
            ("put-bucket-encryption-kms-with-aes", b, [encryption_rule("AES256", "randomkeyid")])]:
        t.ask(recorded, s.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})


@plays(r"TestS3BucketEncryption::test_s3_bucket_encryption_sse_(s3|kms|kms_aws_managed_key)")
def encryption(t, kind):
    b, s, key = t.bucket(), t.s3, "key-encrypted"
    kms = t.call(t.kms.create_key)["KeyMetadata"]["KeyId"] if kind == "kms" else None
    algorithm, loose = ("AES256", ()) if kind == "s3" else ("aws:kms", ("ETag",))

    def put(recorded, bucket_key):
        t.ask(recorded, s.put_bucket_encryption, Bucket=b, ServerSideEncryptionConfiguration={
            "Rules": [encryption_rule(algorithm, kms, BucketKeyEnabled=bucket_key)]})
    put("put-bucket-enc", True)
    if kind != "s3":
        t.ask("get-bucket-enc", s.get_bucket_encryption, Bucket=b)
    written = t.ask("put-object-encrypted", s.put_object, Bucket=b, Key=key, Body="test-encrypted", loose=loose)
    if kind == "kms_aws_managed_key":
        t.ask("managed-kms-key", t.kms.describe_key, KeyId=written.get("SSEKMSKeyId", "alias/aws/s3"))
    t.ask("head-object-encrypted", s.head_object, Bucket=b, Key=key, loose=loose)
    t.ask("get-object-encrypted", s.get_object, Bucket=b, Key=key, loose=loose)
    if kind == "kms":
        put("put-bucket-enc-bucket-key-disabled", False)
        t.ask("put-object-encrypted-bucket-key-disabled", s.put_object, Bucket=b, Key="other", Body="test-encrypted", loose=loose)


@plays(r"TestS3::test_s3_sse_bucket_key_default")
def bucket_key_default(t):
    b, s, loose = t.bucket(), t.s3, ("ETag",)
    kms = t.call(t.kms.create_key)["KeyMetadata"]["KeyId"]
    t.ask("put-obj-default-before-setting", s.put_object, Bucket=b, Key="before", Body="test-sse")
    t.ask("get-obj-default-before-setting", s.get_object, Bucket=b, Key="before")
    t.ask("put-bucket-encryption", s.put_bucket_encryption, Bucket=b, ServerSideEncryptionConfiguration={
        "Rules": [encryption_rule("aws:kms", kms, BucketKeyEnabled=True)]})
    t.ask("get-bucket-encryption", s.get_bucket_encryption, Bucket=b)
    t.ask("get-obj-default-after-setting", s.get_object, Bucket=b, Key="before")
    t.ask("put-obj-after-setting", s.put_object, Bucket=b, Key="after", Body="test-sse", loose=loose)
    t.ask("get-obj-after-setting", s.get_object, Bucket=b, Key="after", loose=loose)


@plays(r"TestS3::test_s3_sse_default_kms_key")
def default_kms_key(t):
    b, other, s, loose = t.bucket(), t.bucket(), t.s3, ("ETag",)
    for end, bucket in [("", b), ("-bucket-2", other)]:
        t.ask(f"put-obj-default-kms-s3-key{end}", s.put_object, Bucket=bucket, Key="key", Body="test-sse",
              ServerSideEncryption="aws:kms", loose=loose)
        t.ask(f"get-obj-default-kms-s3-key{end}", s.get_object, Bucket=bucket, Key="key", loose=loose)
    t.ask("put-bucket-encryption-default-kms-s3-key", s.put_bucket_encryption, Bucket=b, ServerSideEncryptionConfiguration={
        "Rules": [encryption_rule("aws:kms", BucketKeyEnabled=True)]})
    t.ask("get-bucket-encryption-default-kms-s3-key", s.get_bucket_encryption, Bucket=b)
    t.ask("put-obj-default-kms-s3-key-from-bucket", s.put_object, Bucket=b, Key="from", Body="test-sse", loose=loose)
    t.ask("get-obj-default-kms-s3-key-from-bucket", s.get_object, Bucket=b, Key="from", loose=loose)


@plays(r"TestS3::test_s3_sse_validate_kms_key")
def wrong_kms_key(t):
    b, s, there = t.bucket(), t.s3, "134f2428-cec1-4b25-a1ae-9048164dba47"
    t.ask("create-kms-key", t.kms.create_key, Description="recorded", pick=lambda answer: answer["KeyMetadata"], loose=("Description",))
    sse = {"ServerSideEncryption": "aws:kms", "Bucket": b, "Key": "k"}
    for recorded, key in [("", "fake-key-id"), ("-real-uuid", there),
                          ("-real-uuid-arn", f"arn:aws:kms:{REGION}:999999999999:key/{there}")]:
        t.ask(f"put-obj-wrong-kms-key{recorded}", s.put_object, Body="test-sse", SSEKMSKeyId=key, **sse)
    t.ask("put-obj-different-region-kms-key", s.put_object, Body="test-sse",
          SSEKMSKeyId=f"arn:aws:kms:eu-central-1:999999999999:key/{there}", **sse)
    t.ask("put-obj-different-region-kms-key-no-arn", s.put_object, Body="test-sse", SSEKMSKeyId=there, **sse)
    t.ask("create-multipart-wrong-kms-key", s.create_multipart_upload, SSEKMSKeyId="fake-key-id", **sse)
    t.call(s.put_object, Bucket=b, Key="source", Body="test-sse")
    t.ask("copy-obj-wrong-kms-key", s.copy_object, CopySource=f"{b}/source", SSEKMSKeyId="fake-key-id", **sse)


@plays(r"TestS3::test_s3_sse_validate_kms_key_state")
def kms_key_state(t):
    b, s, loose = t.bucket(), t.s3, ("ETag",)
    made = t.ask("create-kms-key", t.kms.create_key, pick=lambda answer: answer["KeyMetadata"], loose=("Description",))
    sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": made["KeyMetadata"]["KeyId"]}
    t.ask("success-put-object-sse", s.put_object, Bucket=b, Key="k", Body="test-sse", loose=loose, **sse)
    t.ask("success-get-object-sse", s.get_object, Bucket=b, Key="k", loose=loose)


@plays(r"TestS3BucketOwnershipControls::test_(?:crud_bucket_ownership_controls|bucket_ownership_controls_exc)")
def ownership(t):
    b, s = t.bucket(), t.s3

    def put(recorded, *owners):
        t.ask(recorded, s.put_bucket_ownership_controls, Bucket=b,
              OwnershipControls={"Rules": [{"ObjectOwnership": owner} for owner in owners]})
    t.ask("default-ownership", s.get_bucket_ownership_controls, Bucket=b)
    if "put-ownership" in t.recording:
        put("put-ownership", "ObjectWriter")
        t.ask("get-ownership", s.get_bucket_ownership_controls, Bucket=b)
        t.ask("delete-ownership", s.delete_bucket_ownership_controls, Bucket=b)
        t.ask("get-ownership-after-delete", s.get_bucket_ownership_controls, Bucket=b)
        t.ask("delete-ownership-after-delete", s.delete_bucket_ownership_controls, Bucket=b)
    else:
        put("put-ownership-multiple-rules", "BucketOwnerPreferred", "ObjectWriter")
        put("put-ownership-wrong-value", "RandomValue")
        put("put-ownership-empty-rule")


@plays(r"TestS3PublicAccessBlock::test_crud_public_access_block")
def public_access(t):
    b, s = t.bucket(), t.s3
    t.ask("get-default-public-access-block", s.get_public_access_block, Bucket=b)
    t.ask("put-public-access-block", s.put_public_access_block, Bucket=b, PublicAccessBlockConfiguration={
        "BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False})
    t.ask("get-public-access-block", s.get_public_access_block, Bucket=b)
    t.ask("delete-public-access-block", s.delete_public_access_block, Bucket=b)
    t.ask("get-public-access-block-after-delete", s.get_public_access_block, Bucket=b)
    t.ask("idempotent-delete-public-access-block", s.delete_public_access_block, Bucket=b)


# Policies.

def public_policy(bucket):
    return json.dumps({"Version": "2012-10-17", "Statement": [{
        "Action": "s3:GetObject", "Effect": "Allow", "Resource": f"arn:aws:s3:::{bucket}/*", "Principal": {"AWS": "*"}}]})


def read_policy(answer):
    return {**answer, "Policy": json.loads(answer["Policy"])} if "Policy" in answer else answer


@plays(r"TestS3BucketPolicy::test_bucket_policy_(crud|exc)|TestS3::test_(?:get|put|delete)_bucket_policy")
def bucket_policy(t, _):
    b, s, asked = t.bucket(), t.s3, t.recording
    unblock_public_access(t, b)
    if "put-empty-bucket-policy" in asked:
        for recorded, text in [("put-empty-bucket-policy", ""), ("put-bucket-policy-randomstring", "invalid json"),
                               ("put-bucket-policy-empty-json", "{}")]:
            t.ask(recorded, s.put_bucket_policy, Bucket=b, Policy=text)
        return
    for recorded in ("get-bucket-default-policy", "get-bucket-policy-no-such-bucket-policy"):
        if recorded in asked:
            t.ask(recorded, s.get_bucket_policy, Bucket=b)
    if "put-bucket-policy" in asked:
        t.ask("put-bucket-policy", s.put_bucket_policy, Bucket=b, Policy=public_policy(b))
    else:
        t.call(s.put_bucket_policy, Bucket=b, Policy=public_policy(b))
    if "get-bucket-policy" in asked:
        t.ask("get-bucket-policy", s.get_bucket_policy, Bucket=b, pick=read_policy)
    if "get-bucket-policy-with-expected-bucket-owner" in asked:
        t.ask("get-bucket-policy-with-expected-bucket-owner", s.get_bucket_policy, Bucket=b, pick=read_policy,
              ExpectedBucketOwner="999999999999")
        t.ask("get-bucket-policy-with-expected-bucket-owner-error", s.get_bucket_policy, Bucket=b,
              ExpectedBucketOwner="000000000002")
    if "delete-bucket-policy" in asked:
        t.ask("delete-bucket-policy", s.delete_bucket_policy, Bucket=b)
        if "get-bucket-policy-after-delete" in asked:
            t.ask("get-bucket-policy-after-delete", s.get_bucket_policy, Bucket=b)
            t.ask("delete-bucket-policy-after-delete", s.delete_bucket_policy, Bucket=b)
        else:
            t.ask("get-bucket-policy-no-such-bucket-policy", s.get_bucket_policy, Bucket=b)


@plays(r"TestS3::test_(put|delete)_bucket_policy_expected_bucket_owner")
def policy_owner(t, verb):
    b, s = t.bucket(), t.s3
    unblock_public_access(t, b)
    words = {"Bucket": b}
    if verb == "put":
        words["Policy"] = public_policy(b)
    else:
        t.call(s.put_bucket_policy, Bucket=b, Policy=public_policy(b))
    ask = s.put_bucket_policy if verb == "put" else s.delete_bucket_policy
    t.ask(f"{verb}-bucket-policy-with-expected-bucket-owner-error", ask, ExpectedBucketOwner="000000000002", **words)
    if verb == "delete":
        t.ask("delete-bucket-policy-invalid-bucket-owner", ask, ExpectedBucketOwner="invalid", **words)
    t.ask(f"{verb}-bucket-policy-with-expected-bucket-owner", ask, ExpectedBucketOwner="999999999999", **words)


@plays(r"TestS3::test_(get|put)_bucket_policy_invalid_account_id\[(.*)\]")
def policy_wrong_owner(t, verb, owner):
    b, s = t.bucket(), t.s3
    recorded = f"{verb}-bucket-policy-invalid-bucket-owner"
    if verb == "get":
        t.ask(recorded, s.get_bucket_policy, Bucket=b, ExpectedBucketOwner=owner)
    else:
        t.ask(recorded, s.put_bucket_policy, Bucket=b, Policy=public_policy(b), ExpectedBucketOwner=owner)
