#!/usr/bin/env python3
"""Asks a served sandbox by boto3 for all that it plays, and holds every answer to AWS's own service models.

Given its address, and the folder of a function's code. Each answer's bytes are judged: no member or header that the model
lacks, none missing that it requires, each of the model's type, form and length; a refusal by a code of the model's with
the status that stands beside it, in the protocol's form. botocore's waiters end as they do on AWS. Prints a JSON line
for each answer, with the operation and what is wrong with it. Exit code 1 where anything is.
"""

import contextlib
import datetime
import email.utils
import io
import json
import re
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
import zipfile

import boto3
import botocore.config
import botocore.exceptions

import validate
from validate import Wrong

ACCOUNT = "999999999999"
BUCKET, BACKUPS = "packagecloud-sandbox-999999999999", "sandbox-backups-999999999999"
KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

# Codes that AWS's services answer with and no operation's model lists: those that are common to all, and S3's, which
# its API reference lists in one table for all operations.
COMMON_CODES = {
    "AccessDenied", "AccessDeniedException", "SignatureDoesNotMatch", "InvalidClientTokenId", "UnrecognizedClientException",
    "ValidationError", "ValidationException", "Throttling", "InvalidSignatureException", "IncompleteSignature",
    "InvalidParameterValue", "MissingParameter", "InvalidRequestContentException", "SerializationException",
}
S3_CODES = {
    "NoSuchBucket": 404, "NoSuchKey": 404, "NoSuchUpload": 404, "NoSuchBucketPolicy": 404, "NoSuchTagSet": 404,
    "ObjectLockConfigurationNotFoundError": 404, "ReplicationConfigurationNotFoundError": 404,
    "NoSuchLifecycleConfiguration": 404, "NoSuchVersion": 404, "PreconditionFailed": 412, "InvalidRange": 416,
    "BucketAlreadyOwnedByYou": 409, "MalformedPolicy": 400, "MalformedXML": 400, "InvalidArgument": 400,
    "InvalidRequest": 400, "InvalidPart": 400, "InvalidPartOrder": 400, "EntityTooSmall": 400, "InvalidTag": 400,
    "AccessDenied": 403, "InvalidAccessKeyId": 403, "SignatureDoesNotMatch": 403, "BadDigest": 400,
    "NoSuchCORSConfiguration": 404, "NoSuchWebsiteConfiguration": 404, "OwnershipControlsNotFoundError": 404,
    "NoSuchPublicAccessBlockConfiguration": 404, "NoSuchObjectLockConfiguration": 404, "InvalidBucketState": 409,
    "MethodNotAllowed": 405, "NotImplemented": 501, "KMS.NotFoundException": 400, "InvalidStorageClass": 400,
}
# Headers of AWS's that are no operation's members.
COMMON_HEADERS = {"x-amz-request-id", "x-amz-id-2", "x-amzn-requestid", "x-amz-bucket-region", "x-amzn-errortype", "x-amzn-trace-id"}

# What the model requires and AWS leaves out: of a function without a code-signing configuration Terraform's provider takes an
# empty answer.
LEFT_OUT = {("GetFunctionCodeSigningConfig", "CodeSigningConfigArn"), ("GetFunctionCodeSigningConfig", "FunctionName")}

JUDGED = []


def checked(shape, value, path, wrong):
    """Required members, types and bounds, as a service is held to them by its own model."""
    if shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value and (path, name) not in LEFT_OUT:
                wrong.append(f"{path}: {name} is missing")
        for name, inner in value.items():
            checked(shape.members[name], inner, f"{path}.{name}", wrong)
    elif shape.type_name == "list":
        for inner in value:
            checked(shape.member, inner, f"{path}[]", wrong)
    elif shape.type_name == "map":
        for key, inner in value.items():
            checked(shape.value, inner, f"{path}.{key}", wrong)
    elif shape.type_name == "timestamp":
        if not is_timestamp(shape, value):
            wrong.append(f"{path}: {value!r} is no {shape.serialization.get('timestampFormat', 'timestamp')}")
    elif shape.type_name in ("integer", "long", "float", "double") and (isinstance(value, bool) or not isinstance(value, (int, float))):
        wrong.append(f"{path}: {value!r} is no number")
    elif shape.type_name == "string" and not isinstance(value, str):
        wrong.append(f"{path}: {value!r} is no string")
    elif shape.type_name == "boolean" and not isinstance(value, bool):
        wrong.append(f"{path}: {value!r} is no boolean")
    if path.count(".") == 0:
        validate.bounded(shape, value, path, wrong)


def is_timestamp(shape, value):
    if isinstance(value, (int, float)):
        return 1_000_000_000 < value < 10_000_000_000
    if email.utils.parsedate_to_datetime(value) if re.match(r"[A-Z][a-z]{2}, ", str(value)) else None:
        return True
    # Lambda's LastModified is a string of its own; these are dates of ISO 8601.
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", str(value)))


def parsed_answer(service, operation, headers, body):
    """The members of a success, by name; what the model has no place for is said."""
    shape, found = operation.output_shape, {}
    known = set(COMMON_HEADERS)
    if shape is not None:
        for name, member in shape.members.items():
            where, wire = member.serialization.get("location"), member.serialization.get("name", name).lower()
            if where == "header":
                known.add(wire)
                if wire in headers:
                    text = headers[wire]
                    found[name] = text if member.type_name == "timestamp" else validate.scalar(member, text)
            elif where == "headers":
                held = {key[len(wire):]: value for key, value in headers.items() if key.startswith(wire)}
                known |= {wire + key for key in held}
                if held:
                    found[name] = held
    unknown = sorted(name for name in headers if name.startswith("x-amz") and name not in known)
    if unknown:
        raise Wrong(f"the model knows no header {unknown}")
    if shape is None or not body:
        return found
    if service.resolved_protocol == "query":
        wrapper = ElementTree.fromstring(body)
        if validate.local(wrapper) != f"{operation.name}Response":
            raise Wrong(f"{validate.local(wrapper)} answers {operation.name}")
        names = [validate.local(child) for child in wrapper]
        expected = [shape.serialization.get("resultWrapper", f"{operation.name}Result"), "ResponseMetadata"]
        if sorted(names) != sorted(expected):
            raise Wrong(f"{names} is not {expected}")
        found.update(validate.from_xml(shape, wrapper[names.index(expected[0])], operation.name))
    elif service.resolved_protocol == "json":
        found.update(validate.from_json(shape, json.loads(body), operation.name))
    else:
        found.update(from_rest(service, operation, shape, body))
    return found


def from_rest(service, operation, shape, body):
    payload = shape.serialization.get("payload")
    if payload:
        member = shape.members[payload]
        if member.type_name == "structure":
            return {payload: validate.parsed(service, member, body, payload)}
        return {payload: body if member.type_name == "blob" else body.decode()}
    if service.resolved_protocol == "rest-json":
        return validate.from_json(shape, json.loads(body), operation.name)
    element = ElementTree.fromstring(body)
    # The one answer of S3's whose text is the member itself: botocore reads it by a rule of its own, too.
    if operation.name == "GetBucketLocation":
        return {"LocationConstraint": element.text} if element.text else {}
    return validate.from_xml(shape, element, operation.name)


def judge_error(service, operation, status, headers, body):
    """A refusal's code and status, against those that the model has."""
    if not body:
        return [] if status in (304, 400, 403, 404, 405, 412) else [f"{status} without a body"]
    if service.resolved_protocol in ("json", "rest-json"):
        value = json.loads(body)
        code = headers.get("x-amzn-errortype", value.get("__type", "")).split(":")[0].rpartition("#")[2]
    else:
        root = ElementTree.fromstring(body)
        error = root if validate.local(root) == "Error" else next((one for one in root if validate.local(one) == "Error"), None)
        if error is None:
            return [f"{body!r} holds no Error"]
        if (validate.local(root) == "Error") != (service.service_name == "s3"):
            return [f"{validate.local(root)} is not this service's error"]
        code = next((child.text for child in error if validate.local(child) == "Code"), "")
    if service.service_name == "s3":
        return [] if S3_CODES.get(code) == status else [f"{code} with {status}: S3 has {S3_CODES.get(code)}"]
    for shape in operation.error_shapes:
        error = shape.metadata.get("error", {})
        if code in (error.get("code", shape.name), shape.name):
            # S3's jobs name errors without a status.
            wanted = error.get("httpStatusCode", status if service.service_name == "s3control" else 400)
            return [] if wanted == status else [f"{code} with {status}: the model has {wanted}"]
    return [] if code in COMMON_CODES or (service.service_name, code) == ("s3control", "InvalidRequest") else [f"the model of {operation.name} knows no {code} ({status})"]


def judge(service, operation, response):
    headers = {name.lower(): value for name, value in response["headers"].items()}
    body, status = response.get("body", b""), response["status_code"]
    body = body if isinstance(body, bytes) else b""
    if not headers.keys() & {"x-amz-request-id", "x-amzn-requestid"}:
        return ["no request id"]
    if body and service.resolved_protocol == "json" and headers.get("content-type") != f"application/x-amz-json-{service.metadata['jsonVersion']}":
        return [f"content type {headers.get('content-type')}"]
    try:
        if status >= 300:
            return judge_error(service, operation, status, headers, body)
        wrong = []
        if status != operation.http.get("responseCode", 200) and service.resolved_protocol != "query" and (status, operation.name) not in ODD_STATUSES:
            wrong.append(f"status {status}, the model has {operation.http.get('responseCode', 200)}")
        found = parsed_answer(service, operation, headers, body)
        if operation.output_shape is not None:
            checked(operation.output_shape, found, operation.name, wrong)
        return wrong
    except (Wrong, ValueError, KeyError, ElementTree.ParseError) as error:
        return [f"{type(error).__name__}: {error}"]


# Statuses by the API references, where the model says 200.
ODD_STATUSES = {(206, "GetObject"), (204, "PutBucketPolicy"), (204, "PutBucketTagging"), (204, "DeleteFunction")}


class Sandbox:
    """boto3's clients of one sandbox; all that they hear is judged."""

    def __init__(self, url, keys):
        self.url, self.keys, self.clients = url, keys, {}

    def client(self, name, keys=None):
        if keys or name not in self.clients:
            config = botocore.config.Config(
                retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, inject_host_prefix=False,
                parameter_validation=True,
            )
            made = boto3.client(name, endpoint_url=self.url, region_name="us-east-1", config=config, **(keys or self.keys))
            made.meta.events.register(f"response-received.{made.meta.service_model.service_id.hyphenize()}", self.hear(made))
            # S3's jobs are asked at a host of the account's own, which an address on loopback has not.
            made.meta.events.register("before-sign.s3-control", lambda request, **_: setattr(request, "url", request.url.replace(f"//{ACCOUNT}.", "//")))
            if keys:
                return made
            self.clients[name] = made
        return self.clients[name]

    def hear(self, client):
        def heard(response_dict=None, **_):
            if response_dict is None:
                return
            service = client.meta.service_model
            name = response_dict["context"]["operation_name"]
            wrong = judge(service, service.operation_model(name), response_dict)
            JUDGED.append({"service": service.service_name, "operation": name, "status": response_dict["status_code"], "wrong": wrong})
        return heard

    def refused(self, code, ask, **parameters):
        """Asks what is to be refused with this code."""
        try:
            ask(**parameters)
        except botocore.exceptions.ClientError as error:
            said = error.response["Error"]["Code"]
            if said != code:
                JUDGED[-1]["wrong"].append(f"refused with {said}, not with {code}")
            return
        except TypeError as error:
            JUDGED.append({"service": "", "operation": ask.__name__, "status": 0, "wrong": [f"boto3 can't read it: {error}"]})
            return
        JUDGED[-1]["wrong"].append(f"not refused with {code}")

    def wait(self, service, name, **parameters):
        """A waiter of botocore's, asking often: the sandbox's time runs fast."""
        self.client(service).get_waiter(name).wait(WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}, **parameters)
        JUDGED.append({"service": service, "operation": f"waiter {name}", "status": 0, "wrong": []})


def zipped(folder):
    """A function's code, with the keys that it expects beside it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("index.mjs", "secrets.mjs", "token.mjs"):
            archive.write(f"{folder}/{name}", name)
        archive.writestr("keys.json", '{"construction": "decoded:path+expires", "keys": []}')
    return out.getvalue()


def until(ask, code):
    """Once AWS no longer refuses with what passes by itself."""
    for _ in range(600):
        try:
            return ask()
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != code:
                raise
            time.sleep(0.05)
    raise TimeoutError(code)


TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {
    "Service": ["lambda.amazonaws.com", "edgelambda.amazonaws.com", "batchoperations.s3.amazonaws.com"],
    "AWS": f"arn:aws:iam::{ACCOUNT}:root"}}]})
ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def ask_iam(sandbox):
    iam, sts = sandbox.client("iam"), sandbox.client("sts")
    sts.get_caller_identity()
    iam.get_user()
    iam.list_account_aliases()
    role = iam.create_role(RoleName="judged", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "a", "Value": "b"}], MaxSessionDuration=7200, Description="of a test", Path="/of/tests/")["Role"]
    sandbox.wait("iam", "role_exists", RoleName="judged")
    iam.list_roles()
    iam.list_roles(PathPrefix="/of/", MaxItems=1)
    sandbox.refused("EntityAlreadyExists", iam.create_role, RoleName="judged", AssumeRolePolicyDocument=TRUST)
    iam.get_role(RoleName="judged")
    iam.tag_role(RoleName="judged", Tags=[{"Key": "c", "Value": ""}])
    iam.list_role_tags(RoleName="judged")
    iam.put_role_policy(RoleName="judged", PolicyName="p", PolicyDocument=ALLOW_ALL)
    iam.get_role_policy(RoleName="judged", PolicyName="p")
    iam.list_role_policies(RoleName="judged")
    iam.list_attached_role_policies(RoleName="judged")
    iam.update_assume_role_policy(RoleName="judged", PolicyDocument=TRUST)
    iam.put_role_permissions_boundary(RoleName="judged", PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/edge")
    iam.simulate_principal_policy(PolicySourceArn=role["Arn"], ActionNames=["s3:GetObject", "kms:Encrypt"], ResourceArns=["*"])
    iam.simulate_principal_policy(
        PolicySourceArn=iam.get_user()["User"]["Arn"], ActionNames=["iam:PassRole"], ResourceArns=[role["Arn"]],
        ContextEntries=[{"ContextKeyName": "iam:PassedToService", "ContextKeyValues": ["lambda.amazonaws.com"], "ContextKeyType": "string"}])
    iam.create_service_linked_role(AWSServiceName="replicator.lambda.amazonaws.com")
    sandbox.refused("InvalidInput", iam.create_service_linked_role, AWSServiceName="replicator.lambda.amazonaws.com")
    for ask in (iam.get_role, iam.list_role_tags, iam.list_role_policies, iam.list_attached_role_policies):
        sandbox.refused("NoSuchEntity", ask, RoleName="nobody")
    sandbox.refused("NoSuchEntity", iam.get_role_policy, RoleName="judged", PolicyName="none")
    sandbox.refused("MalformedPolicyDocument", iam.put_role_policy, RoleName="judged", PolicyName="q", PolicyDocument="{")
    sandbox.refused("MalformedPolicyDocument", iam.update_assume_role_policy, RoleName="judged", PolicyDocument="{}")
    session = until(lambda: sts.assume_role(RoleArn=role["Arn"], RoleSessionName="judged"), "AccessDenied")["Credentials"]
    keys = {"aws_access_key_id": session["AccessKeyId"], "aws_secret_access_key": session["SecretAccessKey"], "aws_session_token": session["SessionToken"]}
    sandbox.client("sts", keys).get_caller_identity()
    sandbox.refused("AccessDenied", sts.assume_role, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/nobody", RoleSessionName="judged")
    stranger = {"aws_access_key_id": "AKIAI44QH8DHBEXAMPLE", "aws_secret_access_key": "x"}
    sandbox.refused("InvalidClientTokenId", sandbox.client("sts", stranger).get_caller_identity)
    wrong = {**KEYS, "aws_secret_access_key": "x"}
    sandbox.refused("SignatureDoesNotMatch", sandbox.client("iam", wrong).get_user)
    return role["Arn"]


def ask_kms(sandbox):
    kms = sandbox.client("kms")
    key = kms.create_key(Description="of a test", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/judged", TargetKeyId=key)
    kms.describe_key(KeyId=key)
    kms.describe_key(KeyId="alias/judged")
    kms.list_keys()
    kms.list_keys(Limit=1)
    kms.list_aliases()
    kms.list_aliases(KeyId=key)
    kms.list_resource_tags(KeyId=key)
    kms.get_key_rotation_status(KeyId=key)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "c", "TagValue": ""}])
    policy = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    blob = kms.encrypt(KeyId="alias/judged", Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    assert kms.decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext={"a": "b"})["Plaintext"] == b"secret"
    sandbox.refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=blob, EncryptionContext={"a": "c"})
    sandbox.refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=b"damaged", EncryptionContext={"a": "b"})
    sandbox.refused("AlreadyExistsException", kms.create_alias, AliasName="alias/judged", TargetKeyId=key)
    sandbox.refused("NotFoundException", kms.describe_key, KeyId="alias/none")
    sandbox.refused("NotFoundException", kms.describe_key, KeyId="00000000-0000-0000-0000-000000000000")
    sandbox.refused("NotFoundException", kms.encrypt, KeyId="alias/none", Plaintext=b"x")
    for ask in (kms.list_resource_tags, kms.get_key_rotation_status):
        sandbox.refused("NotFoundException", ask, KeyId="00000000-0000-0000-0000-000000000000")
    sandbox.refused("MalformedPolicyDocumentException", kms.put_key_policy, KeyId=key, PolicyName="default", Policy="{")


def ask_lambda(sandbox, role, folder):
    functions, code = sandbox.client("lambda"), zipped(folder)
    made = {"FunctionName": "judged", "Runtime": "nodejs24.x", "Role": role, "Handler": "index.handler", "Code": {"ZipFile": code}, "MemorySize": 128, "Timeout": 5, "Tags": {"a": "b"}}
    until(lambda: functions.create_function(**made), "InvalidParameterValueException")
    sandbox.refused("ResourceConflictException", functions.create_function, **made)
    for waiter in ("function_exists", "function_active", "function_active_v2", "function_updated", "function_updated_v2"):
        sandbox.wait("lambda", waiter, FunctionName="judged")
    arn = functions.get_function(FunctionName="judged")["Configuration"]["FunctionArn"]
    functions.get_function_configuration(FunctionName="judged")
    functions.list_functions()
    functions.list_functions(MaxItems=1, FunctionVersion="ALL")
    functions.list_tags(Resource=arn)
    functions.tag_resource(Resource=arn, Tags={"c": "d"})
    functions.get_account_settings()
    functions.get_function_concurrency(FunctionName="judged")
    functions.get_function_code_signing_config(FunctionName="judged")
    functions.update_function_configuration(FunctionName="judged", Description="changed", Timeout=4)
    sandbox.wait("lambda", "function_updated_v2", FunctionName="judged")
    functions.update_function_code(FunctionName="judged", ZipFile=code)
    sandbox.wait("lambda", "function_updated_v2", FunctionName="judged")
    version = functions.publish_version(FunctionName="judged", Description="first")["Version"]
    sandbox.wait("lambda", "published_version_active", FunctionName="judged", Qualifier=version)
    functions.get_function(FunctionName="judged", Qualifier=version)
    functions.list_versions_by_function(FunctionName="judged")
    functions.invoke(FunctionName="judged", Qualifier=version, Payload=json.dumps({"Records": []}), LogType="Tail")
    functions.invoke(FunctionName="judged", Qualifier=version, InvocationType="DryRun")
    sandbox.refused("InvalidRequestContentException", functions.invoke, FunctionName="judged", Qualifier=version, Payload=b"{")
    for ask in (functions.get_function, functions.get_function_configuration, functions.publish_version, functions.list_versions_by_function, functions.invoke, functions.get_function_concurrency, functions.get_function_code_signing_config, functions.delete_function):
        sandbox.refused("ResourceNotFoundException", ask, FunctionName="nobody")
    sandbox.refused("ResourceNotFoundException", functions.get_function, FunctionName="judged", Qualifier="99")
    sandbox.refused("PreconditionFailedException", functions.update_function_configuration, FunctionName="judged", Description="x", RevisionId="00000000-0000-0000-0000-000000000000")
    sandbox.refused("PreconditionFailedException", functions.publish_version, FunctionName="judged", RevisionId="00000000-0000-0000-0000-000000000000")
    sandbox.refused("InvalidParameterValueException", functions.publish_version, FunctionName="judged", CodeSha256="c2hh")
    sandbox.refused("ResourceNotFoundException", functions.list_tags, Resource=arn.replace("judged", "nobody"))
    functions.create_function(**{**made, "FunctionName": "forgotten"})
    sandbox.wait("lambda", "function_active_v2", FunctionName="forgotten")
    functions.delete_function(FunctionName="forgotten")
    sandbox.refused("ResourceNotFoundException", functions.delete_function, FunctionName="forgotten")
    return f"{arn}:{version}"


def distribution_config(origin, policy, **more):
    return {
        "CallerReference": "judged", "Comment": "of a test", "Enabled": True, "HttpVersion": "http2and3", "IsIPV6Enabled": True,
        "Origins": {"Quantity": 1, "Items": [{"Id": "s3", "DomainName": f"{BUCKET}.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": origin}}]},
        "DefaultCacheBehavior": {"TargetOriginId": "s3", "ViewerProtocolPolicy": "https-only", "CachePolicyId": policy, "Compress": False},
        **more,
    }


def ask_cloudfront(sandbox, version):
    cloudfront = sandbox.client("cloudfront")
    identity = cloudfront.create_cloud_front_origin_access_identity(CloudFrontOriginAccessIdentityConfig={"CallerReference": "judged", "Comment": "of a test"})["CloudFrontOriginAccessIdentity"]["Id"]
    cloudfront.get_cloud_front_origin_access_identity(Id=identity)
    cloudfront.get_cloud_front_origin_access_identity_config(Id=identity)
    cloudfront.list_cloud_front_origin_access_identities()
    sandbox.refused("CloudFrontOriginAccessIdentityAlreadyExists", cloudfront.create_cloud_front_origin_access_identity, CloudFrontOriginAccessIdentityConfig={"CallerReference": "judged", "Comment": "another"})
    control = {"Name": "judged", "SigningProtocol": "sigv4", "SigningBehavior": "always", "OriginAccessControlOriginType": "s3"}
    made = cloudfront.create_origin_access_control(OriginAccessControlConfig=control)["OriginAccessControl"]["Id"]
    cloudfront.get_origin_access_control(Id=made)
    cloudfront.get_origin_access_control_config(Id=made)
    cloudfront.list_origin_access_controls()
    sandbox.refused("OriginAccessControlAlreadyExists", cloudfront.create_origin_access_control, OriginAccessControlConfig=control)
    none = {"QueryStringsConfig": {"QueryStringBehavior": "none"}, "HeadersConfig": {"HeaderBehavior": "none"}, "CookiesConfig": {"CookieBehavior": "none"}, "EnableAcceptEncodingGzip": False}
    policy = {"Name": "judged", "MinTTL": 0, "DefaultTTL": 0, "MaxTTL": 31536000, "ParametersInCacheKeyAndForwardedToOrigin": none}
    cached = cloudfront.create_cache_policy(CachePolicyConfig=policy)
    cloudfront.get_cache_policy(Id=cached["CachePolicy"]["Id"])
    cloudfront.get_cache_policy_config(Id=cached["CachePolicy"]["Id"])
    cloudfront.list_cache_policies()
    cloudfront.list_cache_policies(Type="custom")
    cloudfront.list_cache_policies(Type="managed", MaxItems="2")
    sandbox.refused("CachePolicyAlreadyExists", cloudfront.create_cache_policy, CachePolicyConfig=policy)
    cached = cloudfront.update_cache_policy(Id=cached["CachePolicy"]["Id"], IfMatch=cached["ETag"], CachePolicyConfig={**policy, "Comment": "changed"})
    sandbox.refused("PreconditionFailed", cloudfront.update_cache_policy, Id=cached["CachePolicy"]["Id"], IfMatch="ESTALE", CachePolicyConfig=policy)

    config = distribution_config(f"origin-access-identity/cloudfront/{identity}", cached["CachePolicy"]["Id"])
    made = cloudfront.create_distribution_with_tags(DistributionConfigWithTags={"DistributionConfig": config, "Tags": {"Items": [{"Key": "a", "Value": "b"}]}})
    one, arn = made["Distribution"]["Id"], made["Distribution"]["ARN"]
    cloudfront.create_distribution(DistributionConfig={**config, "CallerReference": "second", "Comment": ""})
    sandbox.refused("DistributionAlreadyExists", cloudfront.create_distribution, DistributionConfig={**config, "Comment": "another"})
    cloudfront.list_distributions()
    cloudfront.list_distributions(MaxItems="1")
    cloudfront.list_tags_for_resource(Resource=arn)
    cloudfront.tag_resource(Resource=arn, Tags={"Items": [{"Key": "c", "Value": "d"}]})
    sandbox.wait("cloudfront", "distribution_deployed", Id=one)
    cloudfront.get_distribution(Id=one)
    read = cloudfront.get_distribution_config(Id=one)
    config = read["DistributionConfig"]
    config["DefaultCacheBehavior"]["LambdaFunctionAssociations"] = {"Quantity": 1, "Items": [{"EventType": "viewer-request", "LambdaFunctionARN": version}]}
    changed = cloudfront.update_distribution(Id=one, IfMatch=read["ETag"], DistributionConfig=config)
    sandbox.wait("cloudfront", "distribution_deployed", Id=one)
    sandbox.refused("PreconditionFailed", cloudfront.update_distribution, Id=one, IfMatch="ESTALE", DistributionConfig=config)
    unversioned = json.loads(json.dumps(config).replace(version, version.rpartition(":")[0]))
    sandbox.refused("InvalidLambdaFunctionAssociation", cloudfront.update_distribution, Id=one, IfMatch=changed["ETag"], DistributionConfig=unversioned)
    sandbox.refused("NoSuchDistribution", cloudfront.get_distribution, Id="ENOBODY")
    sandbox.refused("NoSuchDistribution", cloudfront.get_distribution_config, Id="ENOBODY")
    sandbox.refused("NoSuchDistribution", cloudfront.update_distribution, Id="ENOBODY", IfMatch="E", DistributionConfig=config)
    sandbox.refused("NoSuchOriginAccessControl", cloudfront.get_origin_access_control, Id="ENOBODY")
    sandbox.refused("NoSuchCachePolicy", cloudfront.get_cache_policy, Id="00000000-0000-0000-0000-000000000000")
    sandbox.refused("NoSuchCloudFrontOriginAccessIdentity", cloudfront.get_cloud_front_origin_access_identity, Id="ENOBODY")
    sandbox.refused("NoSuchResource", cloudfront.list_tags_for_resource, Resource=arn[:-3] + "XXX")
    ask_invalidations(sandbox, cloudfront, one)
    missing = {**config, "CallerReference": "third", "DefaultCacheBehavior": {**config["DefaultCacheBehavior"], "TargetOriginId": "none"}}
    sandbox.refused("NoSuchOrigin", cloudfront.create_distribution, DistributionConfig=missing)
    return identity


def ask_invalidations(sandbox, cloudfront, one):
    batch = {"Paths": {"Quantity": 2, "Items": ["/7/*", "/a.deb"]}, "CallerReference": "judged"}
    made = cloudfront.create_invalidation(DistributionId=one, InvalidationBatch=batch)["Invalidation"]["Id"]
    sandbox.wait("cloudfront", "invalidation_completed", DistributionId=one, Id=made)
    cloudfront.get_invalidation(DistributionId=one, Id=made)
    cloudfront.list_invalidations(DistributionId=one)
    cloudfront.list_invalidations(DistributionId=one, MaxItems="1")
    sandbox.refused("NoSuchInvalidation", cloudfront.get_invalidation, DistributionId=one, Id="INOBODY")
    sandbox.refused("NoSuchDistribution", cloudfront.create_invalidation, DistributionId="ENOBODY", InvalidationBatch=batch)
    sandbox.refused("NoSuchDistribution", cloudfront.list_invalidations, DistributionId="ENOBODY")


def ask_plans(sandbox):
    sandbox.client("pricing-plan-manager").list_subscriptions()
    cloudwatch = sandbox.client("cloudwatch")
    now = datetime.datetime.now(datetime.timezone.utc)
    asked = {
        "Namespace": "AWS/CloudFront", "MetricName": "Requests", "StartTime": now - datetime.timedelta(days=30), "EndTime": now, "Period": 3600,
        "Dimensions": [{"Name": "DistributionId", "Value": "E1"}, {"Name": "Region", "Value": "Global"}], "Statistics": ["Sum"]}
    cloudwatch.get_metric_statistics(**asked)
    sandbox.refused("InvalidParameterValueException", cloudwatch.get_metric_statistics, **{**asked, "Period": 60})
    sandbox.refused("InvalidParameterCombinationException", cloudwatch.get_metric_statistics, **{**asked, "Period": 300})
    sandbox.refused("InvalidParameterCombinationException", cloudwatch.get_metric_statistics, **{**asked, "EndTime": asked["StartTime"]})


def ask_logs(sandbox):
    """What the function's instances logged at the edge: whoever starts this has put a line into the group."""
    logs = sandbox.client("logs")
    logs.filter_log_events(logGroupName="/aws/lambda/us-east-1.judged", startTime=0, filterPattern='"an earlier secret"')
    sandbox.refused("ResourceNotFoundException", logs.filter_log_events, logGroupName="/aws/lambda/us-east-1.judged-none")
    sandbox.refused("InvalidParameterException", logs.filter_log_events, logGroupName="judged", startTime=2, endTime=1)


def ask_buckets(sandbox, identity):
    s3 = sandbox.client("s3")
    s3.list_buckets()
    s3.head_bucket(Bucket=BUCKET)
    sandbox.wait("s3", "bucket_exists", Bucket=BUCKET)
    sandbox.wait("s3", "bucket_not_exists", Bucket="judged-nobody")
    for ask in (
        s3.get_bucket_location, s3.get_bucket_encryption, s3.get_bucket_versioning, s3.get_public_access_block,
        s3.get_bucket_ownership_controls, s3.get_bucket_request_payment, s3.get_bucket_notification_configuration, s3.get_bucket_acl,
        s3.get_bucket_logging, s3.get_bucket_accelerate_configuration,
    ):
        ask(Bucket=BUCKET)
        sandbox.refused("NoSuchBucket", ask, Bucket="judged-nobody")
    sandbox.refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=BACKUPS)
    sandbox.refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket=BACKUPS)
    sandbox.refused("ObjectLockConfigurationNotFoundError", s3.get_object_lock_configuration, Bucket=BUCKET)
    sandbox.refused("ReplicationConfigurationNotFoundError", s3.get_bucket_replication, Bucket=BUCKET)
    sandbox.refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=BUCKET)
    sandbox.refused("NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=BUCKET)
    sandbox.refused("NoSuchWebsiteConfiguration", s3.get_bucket_website, Bucket=BUCKET)
    principal = {"AWS": f"arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {identity}"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    until(lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy=policy), "MalformedPolicy")
    s3.get_bucket_policy(Bucket=BUCKET)
    s3.get_bucket_policy_status(Bucket=BUCKET)
    sandbox.refused("MalformedPolicy", s3.put_bucket_policy, Bucket=BUCKET, Policy="{")
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.get_bucket_tagging(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BACKUPS, VersioningConfiguration={"Status": "Enabled"})
    s3.get_bucket_versioning(Bucket=BACKUPS)
    ask_settings(sandbox, s3, policy)


def ask_settings(sandbox, s3, policy):
    """Each setting of a bucket: written, read, removed where it can be, and what is said then."""
    at = {"Bucket": BACKUPS}
    s3.put_bucket_cors(**at, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 5}]})
    s3.put_bucket_encryption(**at, ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}]})
    s3.put_bucket_lifecycle_configuration(**at, LifecycleConfiguration={"Rules": [{"ID": "one", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 3}}]})
    s3.put_bucket_ownership_controls(**at, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_bucket_website(**at, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.put_public_access_block(**at, PublicAccessBlockConfiguration={"BlockPublicAcls": False, "BlockPublicPolicy": True, "IgnorePublicAcls": False, "RestrictPublicBuckets": True})
    s3.put_bucket_policy(**at, Policy=policy.replace(BUCKET, BACKUPS))
    s3.put_bucket_tagging(**at, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ID": "one", "Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""}, "DeleteMarkerReplication": {"Status": "Disabled"}, "Destination": {"Bucket": f"arn:aws:s3:::{BUCKET}"}}
    s3.put_bucket_replication(**at, ReplicationConfiguration={"Role": f"arn:aws:iam::{ACCOUNT}:role/of/tests/judged", "Rules": [rule]})
    removable = [
        ("NoSuchCORSConfiguration", s3.get_bucket_cors, s3.delete_bucket_cors),
        ("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, s3.delete_bucket_lifecycle),
        ("OwnershipControlsNotFoundError", s3.get_bucket_ownership_controls, s3.delete_bucket_ownership_controls),
        ("NoSuchWebsiteConfiguration", s3.get_bucket_website, s3.delete_bucket_website),
        ("NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block, s3.delete_public_access_block),
        ("NoSuchBucketPolicy", s3.get_bucket_policy, s3.delete_bucket_policy),
        ("NoSuchTagSet", s3.get_bucket_tagging, s3.delete_bucket_tagging),
        ("ReplicationConfigurationNotFoundError", s3.get_bucket_replication, s3.delete_bucket_replication),
    ]
    for code, read, remove in removable:
        read(**at)
        remove(**at)
        sandbox.refused(code, read, **at)
        sandbox.refused("NoSuchBucket", remove, Bucket="judged-nobody")
    s3.get_bucket_encryption(**at)
    s3.delete_bucket_encryption(**at)
    s3.get_bucket_encryption(**at)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    s3.put_bucket_accelerate_configuration(**at, AccelerateConfiguration={"Status": "Enabled"})
    s3.get_bucket_accelerate_configuration(**at)
    s3.put_bucket_request_payment(**at, RequestPaymentConfiguration={"Payer": "Requester"})
    s3.get_bucket_request_payment(**at)
    s3.put_bucket_notification_configuration(**at, NotificationConfiguration={"EventBridgeConfiguration": {}})
    s3.get_bucket_notification_configuration(**at)
    s3.put_bucket_logging(**at, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": BACKUPS, "TargetPrefix": "logs/"}})
    s3.get_bucket_logging(**at)
    s3.put_bucket_ownership_controls(**at, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_bucket_acl(**at, ACL="private")
    s3.get_bucket_acl(**at)
    s3.put_object_lock_configuration(**at, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
    s3.get_object_lock_configuration(**at)
    s3.put_object_lock_configuration(**at, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    twice = {"TagSet": [{"Key": "a", "Value": "b"}, {"Key": "a", "Value": "c"}]}
    sandbox.refused("InvalidTag", s3.put_bucket_tagging, **at, Tagging=twice)


def ask_objects(sandbox):
    s3, key = sandbox.client("s3"), "7/8/debian/package_files/a b+ü.deb"
    at = {"Bucket": BUCKET, "Key": key}
    put = s3.put_object(**at, Body=b"content", ContentType="application/x-deb", CacheControl="no-cache", Metadata={"k": "v"}, Tagging="t=1", StorageClass="STANDARD_IA")
    sandbox.wait("s3", "object_exists", **at)
    sandbox.wait("s3", "object_not_exists", Bucket=BUCKET, Key="none")
    s3.head_object(**at)
    s3.head_object(**at, ChecksumMode="ENABLED")
    s3.get_object(**at)["Body"].read()
    s3.get_object(**at, Range="bytes=0-2")["Body"].read()
    s3.get_object_tagging(**at)
    s3.put_object_tagging(**at, Tagging={"TagSet": [{"Key": "t", "Value": "2"}]})
    s3.delete_object_tagging(**at)
    s3.get_object_tagging(**at)
    s3.get_object_acl(**at)
    s3.get_object_attributes(**at, ObjectAttributes=["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"])
    sandbox.refused("NoSuchKey", s3.get_object_attributes, Bucket=BUCKET, Key="none", ObjectAttributes=["ETag"])
    copy = {"Bucket": BUCKET, "Key": key}
    s3.copy_object(**at, CopySource=copy, MetadataDirective="REPLACE", CacheControl="max-age=1", CopySourceIfMatch=put["ETag"])
    sandbox.refused("PreconditionFailed", s3.copy_object, **at, CopySource=copy, MetadataDirective="REPLACE", CopySourceIfMatch='"0"')
    sandbox.refused("InvalidRequest", s3.copy_object, **at, CopySource=copy)
    sandbox.refused("NoSuchKey", s3.copy_object, **at, CopySource={"Bucket": BUCKET, "Key": "none"})
    sandbox.refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="none")
    sandbox.refused("404", s3.head_object, Bucket=BUCKET, Key="none")
    sandbox.refused("InvalidRange", s3.get_object, **at, Range="bytes=100-")
    sandbox.refused("PreconditionFailed", s3.get_object, **at, IfMatch='"0"')
    sandbox.refused("304", s3.get_object, **at, IfNoneMatch=s3.head_object(**at)["ETag"])
    sandbox.refused("PreconditionFailed", s3.put_object, **at, Body=b"x", IfNoneMatch="*")
    s3.list_objects(Bucket=BUCKET, MaxKeys=2)
    s3.list_objects(Bucket=BUCKET, Prefix="7/8/", Delimiter="/", EncodingType="url")
    s3.list_objects_v2(Bucket=BUCKET, MaxKeys=2)
    s3.list_objects_v2(Bucket=BUCKET, Prefix="7/8/", Delimiter="/", EncodingType="url", FetchOwner=True)
    s3.list_object_versions(Bucket=BUCKET, Prefix="7/8/")
    ask_parts(sandbox, s3, copy)
    s3.put_object(Bucket=BACKUPS, Key="versioned", Body=b"1")
    s3.delete_object(Bucket=BACKUPS, Key="versioned")
    s3.list_object_versions(Bucket=BACKUPS)
    ask_locks(sandbox, s3)
    s3.delete_object(**at)
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "manifest"}, {"Key": "none"}]})
    s3.delete_objects(Bucket=BACKUPS, Delete={"Objects": [{"Key": "versioned"}, {"Key": "versioned", "VersionId": "none"}]})
    sandbox.refused("NoSuchBucket", s3.delete_objects, Bucket="judged-nobody", Delete={"Objects": [{"Key": "a"}]})
    wrong = {**KEYS, "aws_secret_access_key": "x"}
    sandbox.refused("SignatureDoesNotMatch", sandbox.client("s3", wrong).list_objects_v2, Bucket=BUCKET)
    stranger = {"aws_access_key_id": "AKIAI44QH8DHBEXAMPLE", "aws_secret_access_key": "x"}
    sandbox.refused("InvalidAccessKeyId", sandbox.client("s3", stranger).list_objects_v2, Bucket=BUCKET)


def ask_locks(sandbox, s3):
    """In the bucket that locks; the other one doesn't."""
    at = {"Bucket": BACKUPS, "Key": "locked"}
    version = s3.put_object(**at, Body=b"1")["VersionId"]
    sandbox.refused("NoSuchObjectLockConfiguration", s3.get_object_legal_hold, **at)
    sandbox.refused("NoSuchObjectLockConfiguration", s3.get_object_retention, **at)
    until_date = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3)
    s3.put_object_retention(**at, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until_date})
    s3.get_object_retention(**at)
    s3.put_object_legal_hold(**at, LegalHold={"Status": "ON"})
    s3.get_object_legal_hold(**at)
    s3.head_object(**at)
    sandbox.refused("AccessDenied", s3.delete_object, **at, VersionId=version)
    sandbox.refused("InvalidRequest", s3.put_object_legal_hold, Bucket=BUCKET, Key="7/8/debian/package_files/a b+ü.deb", LegalHold={"Status": "ON"})
    s3.put_object_acl(**at, ACL="private")
    s3.get_object_acl(**at)
    sandbox.refused("NoSuchKey", s3.put_object_acl, Bucket=BACKUPS, Key="none", ACL="private")


def ask_parts(sandbox, s3, source):
    big = {"Bucket": BUCKET, "Key": "7/8/debian/package_files/big.deb"}
    upload = {**big, "UploadId": s3.create_multipart_upload(**big)["UploadId"]}
    first = s3.upload_part(**upload, PartNumber=1, Body=b"x" * (5 << 20))["ETag"]
    second = s3.upload_part_copy(**upload, PartNumber=2, CopySource=source)["CopyPartResult"]["ETag"]
    s3.list_parts(**upload)
    s3.list_parts(**upload, MaxParts=1)
    s3.list_multipart_uploads(Bucket=BUCKET)
    s3.list_multipart_uploads(Bucket=BUCKET, Prefix="7/", Delimiter="/", MaxUploads=1)
    sandbox.refused("NoSuchUpload", s3.list_parts, **big, UploadId="none")
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    sandbox.refused("InvalidPart", s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": [{"PartNumber": 3, "ETag": '"0"'}]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    sandbox.refused("NoSuchUpload", s3.abort_multipart_upload, **big, UploadId="none")
    s3.abort_multipart_upload(**big, UploadId=s3.create_multipart_upload(**big)["UploadId"])


def ask_jobs(sandbox, role):
    s3, control = sandbox.client("s3"), sandbox.client("s3control")
    key = "7/8/debian/package_files/job.deb"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    tag = s3.put_object(Bucket=BUCKET, Key="manifest.csv", Body=f"{BUCKET},{urllib.parse.quote(key)}\n".encode())["ETag"]
    copy = {"TargetResource": f"arn:aws:s3:::{BUCKET}", "MetadataDirective": "REPLACE", "NewObjectMetadata": {"CacheControl": "max-age=1"}}
    job = {
        "AccountId": ACCOUNT, "ConfirmationRequired": True, "Operation": {"S3PutObjectCopy": copy}, "Priority": 10, "RoleArn": role, "ClientRequestToken": "judged",
        "Report": {"Enabled": True, "Bucket": f"arn:aws:s3:::{BUCKET}", "Format": "Report_CSV_20180820", "Prefix": "reports", "ReportScope": "AllTasks"},
        "Manifest": {"Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]}, "Location": {"ObjectArn": f"arn:aws:s3:::{BUCKET}/manifest.csv", "ETag": tag}},
    }
    # An account on which nobody put one has none.
    with contextlib.suppress(botocore.exceptions.ClientError):
        control.get_public_access_block(AccountId=ACCOUNT)
    made = control.create_job(**job)["JobId"]
    control.describe_job(AccountId=ACCOUNT, JobId=made)
    control.list_jobs(AccountId=ACCOUNT)
    for _ in range(600):
        if control.describe_job(AccountId=ACCOUNT, JobId=made)["Job"]["Status"] == "Suspended":
            break
        time.sleep(0.05)
    control.update_job_status(AccountId=ACCOUNT, JobId=made, RequestedJobStatus="Ready")
    control.describe_job(AccountId=ACCOUNT, JobId=made)
    sandbox.refused("NotFoundException", control.describe_job, AccountId=ACCOUNT, JobId="00000000-0000-0000-0000-000000000000")
    sandbox.refused("InvalidRequest", control.create_job, **{**job, "ClientRequestToken": "other", "RoleArn": "arn:aws:iam::x"})


def ask_certificates(sandbox):
    acm = sandbox.client("acm")
    arn = acm.request_certificate(DomainName="packages.example.com", SubjectAlternativeNames=["*.example.com"], ValidationMethod="DNS")["CertificateArn"]
    acm.describe_certificate(CertificateArn=arn)
    sandbox.wait("acm", "certificate_validated", CertificateArn=arn)
    acm.describe_certificate(CertificateArn=arn)
    acm.list_certificates(CertificateStatuses=["ISSUED"], Includes={"keyTypes": ["RSA_2048", "EC_prime256v1"]})
    acm.list_certificates()
    sandbox.refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=arn[:-4] + "0000")


def main(url, folder):
    sandbox = Sandbox(url, KEYS)
    role = ask_iam(sandbox)
    ask_kms(sandbox)
    version = ask_lambda(sandbox, role, folder)
    identity = ask_cloudfront(sandbox, version)
    ask_buckets(sandbox, identity)
    ask_objects(sandbox)
    ask_jobs(sandbox, role)
    ask_certificates(sandbox)
    ask_plans(sandbox)
    ask_logs(sandbox)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    finally:
        for line in JUDGED:
            print(json.dumps(line))
    sys.exit(any(line["wrong"] for line in JUDGED))
