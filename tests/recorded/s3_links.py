# Players of what S3 answers to plain requests: links that are presigned, and what they lack or have too much.
import http.client
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from players import plays
from session import KEYS, REGION

SIGNING_KEYS = botocore.credentials.Credentials(KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"])


def fetch(url, method="GET", headers=None, body=None):
    """One plain request; returns its status, headers and body."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def sign_get(url, headers=()):
    """The headers of a GET that is signed in them, these among them."""
    signed = botocore.awsrequest.AWSRequest("GET", url, headers=dict(headers))
    botocore.auth.S3SigV4Auth(SIGNING_KEYS, "s3", REGION).add_auth(signed)
    return dict(signed.headers.items())


def read_document(content):
    """A document of S3's as nested dictionaries, in the recordings' form."""
    def convert(element, named):
        members = {}
        if named and element.tag.startswith("{"):
            members["@xmlns"] = element.tag[1:].split("}")[0]
        for child in element:
            name, value = child.tag.rsplit("}", 1)[-1], convert(child, False)
            if name in members:
                members[name] = [*(members[name] if isinstance(members[name], list) else [members[name]]), value]
            else:
                members[name] = value
        return members or element.text
    root = ElementTree.fromstring(content)
    return {root.tag.rsplit("}", 1)[-1]: convert(root, True)}


def ask_link(t, recorded, operation, url, status=False, loose=(), **words):
    """Asks by a link, and compares the document; with its status where that was recorded beside it."""
    t.operation = operation
    code, _, content = fetch(url, **words)
    answer = read_document(content) if content else {}
    if status:
        answer["StatusCode"] = code
    t.compare_document(recorded, answer, loose)


def link_client(t, version="s3v4", **options):
    return t.server.make_client("s3", config={"signature_version": version, "s3": {"addressing_style": "path"}}, **options)


def presign(client, operation, bucket, key, expires=60, **words):
    return client.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key, **words}, ExpiresIn=expires)


@plays(r"TestS3PresignedUrl::test_put_object|TestS3PresignedUrl::test_s3_copy_md5")
def used_links(t):
    b, s = t.bucket(), t.s3
    if "copy-obj" in t.recording:
        t.call(s.put_object, Bucket=b, Key="source", Body="something")
        t.ask("copy-obj", s.copy_object, Bucket=b, Key="copy", CopySource=f"{b}/source")
        return
    fetch(presign(link_client(t), "put_object", b, "k"), "PUT", body=b"something")
    t.ask("get_object", s.get_object, Bucket=b, Key="k")


@plays(r"TestS3PresignedUrl::test_s3_presigned_url_expired\[(s3|s3v4)\]"
       r"|TestS3PresignedUrl::test_presigned_url_signature_authentication_expired\[(s3|s3v4)-(?:True|False)\]")
def late_links(t, one, other):
    b, recorded = t.bucket(), next(iter(t.recording))
    t.call(t.s3.put_object, Bucket=b, Key="k", Body="something")
    lasts = t.recording[recorded]["Error"].get("X-Amz-Expires", "1")
    url = presign(link_client(t, one or other), "get_object", b, "k", int(lasts))
    time.sleep(int(lasts) + 2)
    ask_link(t, recorded, "s3.GetObject", url)


@plays(r"TestS3PresignedUrl::test_put_object_with_md5_and_chunk_signature_bad_headers\[s3v4-True\]")
def unsigned_headers(t):
    md5 = "pX8KKuGXS1f2VTcuJpqjkw=="
    url = presign(link_client(t), "put_object", t.bucket(), "k", ContentType="application/octet-stream", ContentMD5=md5)
    headers = {"Content-Md5": md5, "Content-Type": "application/octet-stream", "X-Amz-Date": "20211122T191045Z",
               "X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "X-Amz-Decoded-Content-Length": "test"}
    ask_link(t, "with-decoded-content-length", "s3.PutObject", url, method="PUT", headers=headers, body=b"test")
    del headers["X-Amz-Decoded-Content-Length"]
    ask_link(t, "without-decoded-content-length", "s3.PutObject", url, method="PUT", headers=headers, body=b"test")


@plays(r"TestS3PresignedUrl::test_presigned_url_signature_authentication\[s3v4-(?:True|False)\]")
def forged_links(t):
    b, client = t.bucket(), link_client(t)
    t.call(t.s3.put_object, Bucket=b, Key="k", Body="123")
    got = presign(client, "get_object", b, "k", ResponseContentType="text/plain")
    ask_link(t, "invalid-get-1", "s3.GetObject", got.replace("text%2Fplain", "text%2Fhtml"))
    put = presign(client, "put_object", b, "k", ContentType="text/plain")
    ask_link(t, "invalid-put-1", "s3.PutObject", put, method="PUT", headers={"Content-Type": "my-fake-content/type"}, body=b"x")


@plays(r"TestS3PresignedUrl::test_s3_put_presigned_url_missing_sig_param\[s3v4\]|TestS3PresignedUrl::test_presigned_double_encoded_credentials")
def malformed_links(t):
    url = presign(link_client(t), "put_object", t.bucket(), "k")
    if "missing-param-exception" in t.recording:
        start, _ = url.split("&X-Amz-Signature")
        ask_link(t, "missing-param-exception", "s3.PutObject", start, status=True, method="PUT", body=b"test")
    else:
        ask_link(t, "error-malformed", "s3.PutObject", url.replace("%2F", "%252F"), method="PUT", body=b"test")


@plays(r"TestS3PresignedUrl::test_s3_put_presigned_url_with_different_headers\[s3v4\]")
def other_headers(t):
    b, client = t.bucket(), link_client(t)
    typed = presign(client, "put_object", b, "k", ContentType="text/plain")
    ask_link(t, "content-type-exception", "s3.PutObject", typed, status=True, method="PUT", body=b"test_data",
             headers={"Content-Type": "text/xml"})
    encoded = presign(client, "put_object", b, "k", ContentEncoding="identity")
    ask_link(t, "content-type-response", "s3.PutObject", encoded, status=True, method="PUT", body=b"test_data",
             headers={"Content-Encoding": "identity", "Content-Type": "text/xml"})
    ask_link(t, "wrong-content-encoding-response", "s3.PutObject", encoded, status=True, method="PUT", body=b"test_data",
             headers={"Content-Encoding": "gzip"})


@plays(r"TestS3PresignedUrl::test_s3_put_presigned_url_same_header_and_qs_parameter")
def header_and_parameter(t):
    url = presign(link_client(t), "put_object", t.bucket(), "k", RequestPayer="requester")
    ask_link(t, "double-header-query-string", "s3.PutObject", url + "&x-amz-request-payer=requester", status=True, method="PUT",
             body=b"test_data", headers={"x-amz-request-payer": "requester"})
    plain = presign(link_client(t), "put_object", t.bucket(), "k")
    ask_link(t, "override-signed-qs", "s3.PutObject", plain, status=True, method="PUT", body=b"test_data",
             headers={"x-amz-expires": "100"})


@plays(r"TestS3PresignedUrl::test_put_url_metadata_with_sig_s3v4\[(?:True|False)\]")
def signed_metadata(t):
    b, client = t.bucket(), link_client(t)
    url = presign(client, "put_object", b, "k", Metadata={"foo": "bar"})
    ask_link(t, "no-meta-headers", "s3.PutObject", url, method="PUT", body=b"content 123")
    fetch(url, "PUT", {"x-amz-meta-foo": "bar"}, b"content 123")
    t.ask("head_object", t.s3.head_object, Bucket=b, Key="k", loose=("ETag",))
    ask_link(t, "wrong-meta-headers", "s3.PutObject", url, method="PUT", body=b"content 123",
             headers={"x-amz-meta-foo": "bar", "x-amz-meta-wrong": "wrong"})


@plays(r"TestS3PresignedUrl::test_presigned_url_v4_x_amz_in_qs")
def metadata_in_query(t):
    b = t.bucket()
    signed = botocore.awsrequest.AWSRequest(
        "PUT", f"{t.server.url}/{b}/k?x-amz-meta-foo=bar-complicated-no-random")
    botocore.auth.S3SigV4QueryAuth(SIGNING_KEYS, "s3", REGION, expires=60).add_auth(signed)
    fetch(signed.url, "PUT", body=b"123456")
    t.ask("head-object", t.s3.head_object, Bucket=b, Key="k", ChecksumMode="ENABLED")


@plays(r"TestS3::test_get_object_content_length_with_virtual_host\[(?:True|False)\]|TestS3::test_get_object_attributes_with_space"
       r"|TestS3::test_bucket_name_with_dots|TestS3::test_s3_get_object_headers")
def plain_requests(t):
    b, s, asked = t.bucket(), t.s3, t.recording
    if "get-obj-content-len-headers" in asked:
        t.call(s.put_object, Bucket=b, Key="k", Body="123")
        t.operation = "s3.GetObject"
        _, headers, _ = fetch(presign(link_client(t), "get_object", b, "k"))
        headers = {name.lower(): value for name, value in headers.items() if name.lower() != "connection"}
        t.compare_document("get-obj-content-len-headers", headers)
    elif "get-attrs-with-whitespace" in asked:
        t.call(s.put_object, Bucket=b, Key="k", Body="something", ChecksumAlgorithm="SHA256")
        for end, space in [("with", " "), ("without", "")]:
            whole = f",{space}".join(["ETag", "Checksum", "StorageClass", "ObjectSize"])
            url = f"{t.server.url}/{b}/k?attributes"
            ask_link(t, f"get-attrs-{end}-whitespace", "s3.GetObjectAttributes", url,
                     headers=sign_get(url, {"x-amz-object-attributes": whole}), loose=("ETag", "ChecksumSHA256"))
    elif "request-path-url-content" in asked:
        t.call(s.put_object, Bucket=b, Key="my-content", Body="something")
        t.ask("list-objects", s.list_objects, Bucket=b)
    else:
        headers_alone(t, b)


def headers_alone(t, b):
    """Conditions by date and by ETag, of an object that was just written."""
    s, key = t.s3, "k"
    tag = t.call(s.put_object, Bucket=b, Key=key, Body="123")["ETag"]

    def error(answer):
        return answer.get("Error", answer)

    def status(answer):
        return answer["ResponseMetadata"]["HTTPStatusCode"]
    at = {"Bucket": b, "Key": key}
    t.ask("if_none_match_err_1", s.get_object, IfNoneMatch=tag, pick=error, **at)
    t.ask("if_none_match_err_2", s.get_object, IfNoneMatch=tag.strip('"'), pick=error, **at)
    t.ask("if_none_match_1", s.get_object, IfNoneMatch="etag", pick=status, **at)
    t.ask("if_match_1", s.get_object, IfMatch=tag, pick=status, **at)
    t.ask("if_match_2", s.get_object, IfMatch=tag.strip('"'), pick=status, **at)
    t.ask("if_match_err_1", s.get_object, IfMatch="etag", pick=error, **at)
