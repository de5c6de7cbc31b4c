#!/usr/bin/env python3
"""Runs the program's reindex against S3 servers that are neither AWS's nor ours, and compares every attribute before and after.

Given the program, and the servers' names or none for all. Each is started on loopback and filled by boto3 with an object
of every kind; whatever it doesn't take or keep is said and left out. After the reindex all that boto3 can read of each object
must be as before, but Cache-Control, which must be right. Prints a JSON line for each server; exit code 1 where anything
was lost.
"""

import concurrent.futures
import contextlib
import datetime
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

import boto3
import botocore.config
import botocore.exceptions

BIN = os.path.dirname(sys.executable)
PACKAGE = "public, max-age=31536000, immutable"
METADATA = "no-cache, no-store, max-age=0, must-revalidate"
LATER = datetime.datetime(2099, 1, 1, tzinfo=datetime.timezone.utc)
FOLDER = "7/8/debian/package_files"
# What a copy makes anew: when it was written, the version, what lies around the answer.
MADE_ANEW = {"CacheControl", "LastModified", "VersionId", "ResponseMetadata", "ETag"}

SERVERS = ["moto", "ministack", "roto"]
# moto wants a checksum of a body from a copy, too, where it locks what it makes; a copy has no body.
WITHOUT_LOCKS = ["moto"]


def start_command(name, port):
    if name == "moto":
        return [f"{BIN}/moto_server", "-H", "127.0.0.1", "-p", str(port)], {}
    if name == "roto":
        return [f"{BIN}/roto-server", "--ephemeral", "--port", str(port)], {}
    return [f"{BIN}/ministack"], {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0"}


@contextlib.contextmanager
def started(name, folder):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    command, more = start_command(name, port)
    with open(f"{folder}/{name}.log", "wb") as log:
        env = {"PATH": os.environ["PATH"], "HOME": folder, **more}
        child = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert child.poll() is None, f"{name} ended by itself"
            time.sleep(0.1)
        else:
            raise TimeoutError(f"{name} doesn't answer at port {port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        child.wait()


def kinds(key_id):
    """Each kind of object: its name, and what boto3's put_object is given."""
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id}
    return {
        "plain": {},
        "empty": {"Body": b""},
        "type": {"ContentType": 'application/vnd.debian.binary-package; x="y"'},
        "encoding": {"ContentEncoding": "gzip"},
        "language": {"ContentLanguage": "de, en"},
        "disposition": {"ContentDisposition": 'attachment; filename="a b.deb"'},
        "expires": {"Expires": LATER},
        "wrong": {"CacheControl": "max-age=60, private"},
        "right": {"CacheControl": PACKAGE},
        "metadata": {"Metadata": {"k": "v", "with-dashes": 'two  words, and "quotes"', "empty": ""}},
        "tags": {"Tagging": "t=1&a%20b%2Bc=%3D%2F"},
        "infrequent": {"StorageClass": "STANDARD_IA"},
        "instant": {"StorageClass": "GLACIER_IR"},
        "redirect": {"WebsiteRedirectLocation": "/elsewhere"},
        "sha1": {"ChecksumAlgorithm": "SHA1"},
        "sha256": {"ChecksumAlgorithm": "SHA256"},
        "encrypted": {"ServerSideEncryption": "AES256"},
        "kms": kms,
        "kms-bucket-key": {**kms, "BucketKeyEnabled": True},
        "public": {"ACL": "public-read"},
        "everything": {
            "ContentType": "x/y", "ContentEncoding": "gzip", "ContentLanguage": "de", "ContentDisposition": "inline", "Expires": LATER,
            "Metadata": {"k": "v"}, "Tagging": "t=1", "StorageClass": "STANDARD_IA", "ChecksumAlgorithm": "CRC32",
        },
    }


def locked_kinds():
    return {
        "held": {"ObjectLockLegalHoldStatus": "ON", "ChecksumAlgorithm": "CRC32"},
        "governed": {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": LATER, "ChecksumAlgorithm": "CRC32"},
        "compliant": {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": LATER, "ChecksumAlgorithm": "CRC32"},
    }


ODD_NAMES = ["a+b", "a b  c", "50%25%", "ключ😀", "a&<>\"'?#", "=;:@$,", "~._-!*()", "ü" * 400]


def read_object(s3, bucket, key):
    """All that boto3 can read of it."""
    at = {"Bucket": bucket, "Key": key}
    found = {name: value for name, value in s3.head_object(**at, ChecksumMode="ENABLED").items() if name not in MADE_ANEW}
    # Said or not, it is the same.
    found.setdefault("BucketKeyEnabled", False)
    found["Body"] = s3.get_object(**at)["Body"].read()
    found["Tags"] = sorted((tag["Key"], tag["Value"]) for tag in s3.get_object_tagging(**at).get("TagSet", []))
    with contextlib.suppress(botocore.exceptions.ClientError):
        grants = s3.get_object_acl(**at)["Grants"]
        found["Grants"] = sorted((json.dumps(one["Grantee"], sort_keys=True), one["Permission"]) for one in grants)
    return found


def put_kinds(s3, bucket, wanted):
    """Puts an object of each kind; what the server doesn't take is left out. What each was before, by its key."""
    before, left_out = {}, []
    for kind, parameters in wanted.items():
        key = f"{FOLDER}/{kind}.deb"
        try:
            s3.put_object(**{"Bucket": bucket, "Key": key, "Body": b"content", **parameters})
            before[key] = read_object(s3, bucket, key)
        except botocore.exceptions.ClientError as error:
            left_out.append(f"{kind}: {error.response['Error']['Code']}")
            continue
        kept = {name for name in parameters if name in before[key] or name in ("Tagging", "ACL", "ChecksumAlgorithm", "ObjectLockLegalHoldStatus", "Body", "CacheControl")}
        if set(parameters) - kept:
            left_out.append(f"{kind}: it doesn't keep {sorted(set(parameters) - kept)}")
    return before, left_out


def put_others(s3, bucket):
    """Objects with odd keys, one in parts, and repository metadata.

    The one in parts has an ACL by name: moto answers 500 where it is asked for one that was never set.
    """
    before = {}
    for name in ODD_NAMES:
        key = f"7/8/package_files/{name}"
        s3.put_object(Bucket=bucket, Key=key, Body=b"content")
        before[key] = read_object(s3, bucket, key)
    key = f"{FOLDER}/parts.deb"
    upload = {"Bucket": bucket, "Key": key, "UploadId": s3.create_multipart_upload(Bucket=bucket, Key=key, ACL="private", Metadata={"k": "v"}, ContentType="x/y")["UploadId"]}
    parts = [{"PartNumber": at, "ETag": s3.upload_part(**upload, PartNumber=at, Body=body)["ETag"]} for at, body in ((1, b"x" * (5 << 20)), (2, b"end"))]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    before[key] = read_object(s3, bucket, key)
    key = "7/8/debian/dists/jammy/InRelease"
    s3.put_object(Bucket=bucket, Key=key, Body=b"Suite: jammy", CacheControl="max-age=60")
    before[key] = read_object(s3, bucket, key)
    return before


def reindex(program, url, bucket, folder):
    config = f"{folder}/packagecloud.rb"
    with open(config, "w", encoding="utf-8") as out:
        out.write("external_url 'https://packagecloud.example.com'\n")
    command = [
        program, "--endpoint-url", url, "--bucket", bucket, "--region", "us-east-1", "--ctl", "none", "--yes", "--output", "json",
        "--config", config, "--state-dir", f"{folder}/state-{bucket}", "reindex-everything", "--rescan",
    ]
    env = {"PATH": os.environ["PATH"], "HOME": folder, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
    ran = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    return ran.returncode, ran.stdout + ran.stderr


def differences(s3, bucket, before):
    lost = []
    for key, was in before.items():
        wanted = PACKAGE if "package_files" in key else METADATA
        control = s3.head_object(Bucket=bucket, Key=key).get("CacheControl")
        if control != wanted:
            lost.append(f"{key}: Cache-Control is {control!r}")
        now = read_object(s3, bucket, key)
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name) and not is_made_anew(key, name, was):
                lost.append(f"{key}: {name} was {str(was.get(name))[:200]!r} and is {str(now.get(name))[:200]!r}")
    return lost


def is_made_anew(key, name, was):
    """S3 computes a sum with each copy: there is one where there was none, and one of all where there was one of parts."""
    return name.startswith("Checksum") and (name not in was or key.endswith("parts.deb"))


def judge(name, program, folder):
    with started(name, folder) as url:
        keys = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "region_name": "us-east-1"}
        s3 = boto3.client("s3", endpoint_url=url, config=botocore.config.Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required", retries={"total_max_attempts": 1}), **keys)
        try:
            key_id = boto3.client("kms", endpoint_url=url, **keys).create_key()["KeyMetadata"]["Arn"]
        except botocore.exceptions.ClientError:
            key_id = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
        report = {"server": name, "objects": 0, "left_out": [], "lost": []}
        buckets = [("packages-of-every-kind", kinds(key_id)), ("packages-that-are-locked", locked_kinds())]
        for bucket, wanted in buckets[: 1 if name in WITHOUT_LOCKS else 2]:
            locked = bucket.endswith("locked")
            s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter", **({"ObjectLockEnabledForBucket": True} if locked else {}))
            before, left_out = put_kinds(s3, bucket, wanted)
            before.update({} if locked else put_others(s3, bucket))
            code, said = reindex(program, url, bucket, folder)
            report["objects"] += len(before)
            report["left_out"] += left_out
            if code:
                report["lost"].append(f"{bucket}: exit code {code}: {said[-2000:]}")
            report["lost"] += differences(s3, bucket, before)
            if not locked:
                again, said = reindex(program, url, bucket, folder)
                if again or " 0 changed" not in said:
                    report["lost"].append(f"{bucket}: a second run finds work: {again}: {said[-500:]}")
    return report


def judge_in_folder(name, program):
    with tempfile.TemporaryDirectory() as folder:
        return judge(name, program, folder)


def main(program, *names):
    failed = False
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for report in pool.map(judge_in_folder, names or SERVERS, [program] * len(SERVERS)):
            print(json.dumps(report, ensure_ascii=False), flush=True)
            failed |= bool(report["lost"])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
