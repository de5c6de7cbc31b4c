# What several players of S3's operations set up.
import datetime
import gzip

DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)
STRANGE_VERSION = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"
NO_BUCKET = "recorded-bucket-that-is-not-there"
# What the recordings sent compressed.
PACKED = gzip.compress(b"1234567890 " * 100, mtime=1676569620)


def now():
    return datetime.datetime.now(tz=datetime.timezone.utc)


def set_versioning(t, bucket, status="Enabled"):
    t.call(t.s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": status})


def later(**ahead):
    """A whole second of the future."""
    return now().replace(microsecond=0) + datetime.timedelta(**ahead)


def upload_in_parts(t, bucket, key, data, parts=1, **words):
    """Uploads the same text as each of `parts` parts; of more than one all but the last must have 5 MB."""
    upload = t.call(t.s3.create_multipart_upload, Bucket=bucket, Key=key, **words)["UploadId"]
    done = []
    for number in range(1, parts + 1):
        body = data if number == parts else data + "0" * (5 * 1024 * 1024)
        answer = t.call(t.s3.upload_part, Bucket=bucket, Key=key, Body=body, PartNumber=number, UploadId=upload)
        done.append({"ETag": answer["ETag"], "PartNumber": number})
    return t.call(t.s3.complete_multipart_upload, Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done})


def take_locked_bucket(t):
    """A bucket with versions and Object Lock."""
    bucket = t.bucket()
    set_versioning(t, bucket)
    t.call(t.s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    return bucket


def unblock_public_access(t, bucket):
    t.call(t.s3.put_public_access_block, Bucket=bucket, PublicAccessBlockConfiguration={
        "BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False})


def allow_acls(t, bucket):
    t.call(t.s3.put_bucket_ownership_controls, Bucket=bucket,
           OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    unblock_public_access(t, bucket)
