#!/usr/bin/env python3
"""Sends a served sandbox, by boto3, what AWS refuses: members of a wrong type, length or form, or none, and bodies that aren't read.

Given its address, and the operations that it says it plays (`service operation` a line). What is wrong is made from AWS's own
service models. A refusal must have a status of 4xx and a code by which that service refuses such input: one of recorded
answers, or of the service's models. Prints a JSON line for each that it got otherwise, and at last how many it sent. Exit
code 1 where anything is wrong.
"""

import json
import sys

import boto3
import botocore.config
import botocore.exceptions

ACCOUNT = "999999999999"
BUCKET = f"packagecloud-sandbox-{ACCOUNT}"
KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

# By which code a service refuses a member that is missing or out of its bounds, and a body that it can't read.
CODES = {
    "kms": ({"ValidationException", "TagException", "InvalidAliasNameException", "InvalidArnException", "NotFoundException",
             "MalformedPolicyDocumentException", "InvalidMarkerException", "InvalidCiphertextException"}, {"SerializationException"}),
    "lambda": ({"ValidationException", "InvalidParameterValueException", "ResourceNotFoundException"},
               {"SerializationException", "InvalidRequestContentException"}),
    "acm": ({"ValidationException", "InvalidArnException", "InvalidDomainValidationOptionsException", "ResourceNotFoundException"},
            {"SerializationException"}),
    "iam": ({"ValidationError", "InvalidInput", "MalformedPolicyDocument", "NoSuchEntity"}, set()),
    "sts": ({"ValidationError"}, set()),
    "cloudfront": ({"InvalidArgument", "MalformedInput", "MissingBody", "InvalidTagging", "InvalidIfMatchVersion", "MalformedXML",
                    "InconsistentQuantities", "InvalidOrigin", "PreconditionFailed", "BatchTooLarge", "InvalidOriginAccessControl",
                    # What is named is looked for first.
                    "NoSuchDistribution", "NoSuchResource", "NoSuchCachePolicy"}, {"MalformedInput", "MalformedXML", "NoSuchDistribution", "NoSuchCachePolicy"}),
    "s3": ({"InvalidArgument", "MalformedXML", "InvalidRequest", "MissingRequestBodyError", "InvalidTag", "MalformedPolicy",
            "NoSuchUpload", "InvalidDigest", "MalformedACLError", "MissingSecurityHeader", "InvalidStorageClass", "UserKeyMustBeSpecified",
            "IllegalVersioningConfigurationException", "KeyTooLongError", "NoSuchKey", "InvalidPartNumber"}, {"MalformedXML", "InvalidRequest", "MalformedPolicy", "MalformedACLError",
            # An object that isn't there is said first.
            "NoSuchKey"}),
}
# Services of which it isn't known by which codes they refuse such input.
NOT_SENT = {"s3control", "monitoring", "logs", "pricingplanmanager"}
# Members of S3's without which a request is another one, and those whose values S3 passes over or nothing is known of.
OTHER_REQUEST = {"CopySource", "UploadId", "PartNumber"}
PASSED_OVER = {"RequestPayer", "ChecksumMode", "ObjectLockEventHold"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/none"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
# What a member that is right is, where its name alone doesn't make it so.
RIGHT = {
    "Bucket": BUCKET, "Key": "1/2/any/package_files/1.deb", "CopySource": f"{BUCKET}/1/2/any/package_files/1.deb", "UploadId": "none",
    "PartNumber": 1, "KeyId": "134f2428-cec1-4b25-a1ae-9048164dba47", "TargetKeyId": "134f2428-cec1-4b25-a1ae-9048164dba47",
    "AliasName": "alias/bad-input", "Plaintext": b"a", "CiphertextBlob": b"a" * 64, "FunctionName": "bad-input", "Role": ROLE,
    "Runtime": "nodejs22.x", "Handler": "index.handler", "AssumeRolePolicyDocument": TRUST, "PolicyDocument": TRUST, "Policy": TRUST,
    "RoleName": "bad-input", "RoleArn": ROLE, "RoleSessionName": "bad-input", "PolicySourceArn": ROLE, "ActionNames": ["s3:GetObject"],
    "PolicyName": "bad-input", "CertificateArn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/134f2428-cec1-4b25-a1ae-9048164dba47",
    "DomainName": "bad.example.com", "AWSServiceName": "replicator.lambda.amazonaws.com", "Tags": [], "ObjectAttributes": ["ETag"],
    "Resource": f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1", "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/none",
}


def rightly(name, shape):
    if name in RIGHT:
        if name == "Tags" and shape.type_name == "map":
            return {}
        if not (name == "Tags" and shape.type_name == "structure") and not (name == "Key" and shape.type_name != "string"):
            return RIGHT[name]
    kind = shape.type_name
    if kind == "structure":
        return {one: rightly(one, shape.members[one]) for one in shape.required_members}
    if kind == "list":
        return [rightly(name, shape.member)]
    if kind == "map":
        return {}
    return {"integer": 1, "long": 1, "boolean": True, "blob": b"a", "timestamp": "2026-01-01T00:00:00Z"}.get(kind, (getattr(shape, "enum", None) or ["a"])[0])


def list_wrong_values(shape):
    """Values out of a member's bounds, by what is wrong with each."""
    meta = shape.metadata
    if shape.type_name == "string":
        if shape.enum:
            yield "none of the enum", "NOT-A-VALUE"
        if meta.get("max") is not None and meta["max"] <= 10000:
            yield "too long", "a" * (meta["max"] + 1)
        if meta.get("min") and not shape.enum:
            yield "too short", ""
    if shape.type_name in ("integer", "long"):
        if meta.get("max") is not None and meta["max"] < 2**31:
            yield "too large", meta["max"] + 1
        if meta.get("min") is not None:
            yield "too small", meta["min"] - 1


def list_cases(service, operation):
    """Parameters to send, what is wrong with them, and whether it is the type alone."""
    shape = operation.input_shape
    right = {name: rightly(name, shape.members[name]) for name in shape.required_members}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if location == "uri" or name in PASSED_OVER:
            continue
        if name in shape.required_members and name not in OTHER_REQUEST:
            yield f"{name} missing", {one: value for one, value in right.items() if one != name}, False
        for why, value in list_wrong_values(member):
            yield f"{name} {why}", {**right, name: value}, False
        json_body = service.metadata["protocol"] in ("json", "rest-json") and location is None
        if json_body and member.type_name in ("string", "structure", "list", "map", "integer", "boolean", "long"):
            yield f"{name} of another type", {**right, name: ("json", member)}, True


def other_type(member):
    return 5 if member.type_name in ("string", "blob", "structure", "map", "list") else {"a": "b"}


def send(client, service, operation, method, words):
    """Sends; a value that the SDK can't write is put into the body itself."""
    odd = {name: value[1] for name, value in words.items() if isinstance(value, tuple)}
    sent = {name: value for name, value in words.items() if name not in odd}

    def put_odd(body):
        members = json.loads(body or b"{}") if not isinstance(body, dict) else body
        members.update({one: other_type(member) for one, member in odd.items()})
        return json.dumps(members).encode()
    return send_body(client, service, operation, method, sent, put_odd if odd else lambda body: body)


def send_body(client, service, operation, method, words, change):
    """Sends what `change` makes of the body; returns the status, and the code of a refusal."""
    def put(params, **_):
        params["body"] = change(params["body"])
    event = f"before-call.{service.service_id.hyphenize()}.{operation.name}"
    client.meta.events.register(event, put)
    try:
        answer = getattr(client, method)(**words)
        return answer["ResponseMetadata"]["HTTPStatusCode"], None
    except botocore.exceptions.ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"].get("Code")
    finally:
        client.meta.events.unregister(event, put)


def is_body_read(operation, protocol):
    """Whether a body must be of some form: an object's content may be anything."""
    shape = operation.input_shape
    payload = shape.serialization.get("payload")
    if payload:
        return shape.members[payload].type_name == "structure"
    return protocol != "query" and any(member.serialization.get("location") is None for member in shape.members.values())


def main():
    config = botocore.config.Config(retries={"max_attempts": 0}, parameter_validation=False, s3={"addressing_style": "path"})
    sent, wrong = 0, 0
    clients = {}
    for line in sys.argv[2].splitlines():
        name, operation_name = line.split()
        if name in NOT_SENT:
            continue
        if name not in clients:
            clients[name] = boto3.client(name, endpoint_url=sys.argv[1], region_name="us-east-1", config=config, **KEYS)
        client = clients[name]
        service = client.meta.service_model
        operation = service.operation_model(operation_name)
        method = next(key for key, value in client.meta.method_to_api_mapping.items() if value == operation_name)
        bounds, unread = CODES[name]
        if operation.input_shape is None:
            continue
        asked = []
        for why, words, of_type in list_cases(service, operation):
            try:
                asked.append((why, unread | {"ValidationException"} if of_type else bounds | unread, send(client, service, operation, method, words)))
            except (botocore.exceptions.BotoCoreError, TypeError, AttributeError, ValueError, KeyError):
                # The SDK can't write it at all.
                continue
        if is_body_read(operation, service.metadata["protocol"]):
            shape = operation.input_shape
            words = {one: rightly(one, shape.members[one]) for one in shape.required_members}
            for text in (b"{", b"<a"):
                asked.append((f"the body {text.decode()}", unread, send_body(client, service, operation, method, words, lambda _, text=text: text)))
        for why, codes, (status, code) in asked:
            sent += 1
            if not (400 <= status < 500 and code in codes):
                wrong += 1
                print(json.dumps({"operation": f"{name}.{operation_name}", "wrong": why, "status": status, "code": code}), flush=True)
    print(json.dumps({"sent": sent}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
