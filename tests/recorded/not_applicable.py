# Which recordings ask for what the sandbox doesn't play at all, and why.
import re

# By service: a pattern of `test key`, and the reason.
REASONS = {
    "s3": [
        (r"(disabled|pending-deletion)-key$", "DisableKey and ScheduleKeyDeletion: no operations of the sandbox"),
        (r"^TestS3StaticWebsiteHosting|website", "websites: no step of the set-up reads or writes their settings, whose text alone is kept"),
        (r"^TestS3PresignedPost", "forms that browsers post: no operation of the sandbox"),
        (r"\[s3(-\w+)?\]|_sig_s3\b", "links presigned with SigV2 for more than packagecloud's own GET and HEAD"),
        (r"chunk_signature_bad_headers\[s3v4-False\]", "a recording without answers"),
        (r"^TestS3SSECEncryption|sse_c", "keys of the customer's own: no step of the set-up writes them"),
        (r"^TestS3BucketLogging|bucket_logging", "server access logs: the text of the setting alone is kept"),
        (r"^TestS3MetricsConfiguration", "PutBucketMetricsConfiguration and its kin: no operations of the sandbox"),
        (r"^TestS3BucketAccelerate", "transfer acceleration: the text of the setting alone is kept"),
        (r"analytics|inventory|intelligent_tier", "analytics, inventory, tiering: no operations of the sandbox"),
        (r"^TestS3BucketLifecycle|object_expiry_after_bucket", "lifecycle rules at work: their text alone is kept"),
        (r"^TestS3BucketReplication", "replication at work: its text alone is kept"),
        (r"^TestS3BucketNotification", "notifications need queues"),
        (r"request-(path|vhost)-url-content$|_public_objects_using_requests ",
         "a bucket's own list that lets everybody list and write: in the sandbox everybody reads objects at most"),
        (r"cors", "cross-origin rules: their text alone is kept and none applied"),
        (r"^TestS3DeepArchive|restore", "RestoreObject: no operation of the sandbox"),
        (r"[Cc]reate_?bucket|create-bucket|constraint|aws_global|delete_?bucket|delete-bucket$|BucketCRUD|uppercase-bucket"
         r"|ownership-(wrong|non)-value-at-creation|get-ownership-at-creation|list-buckets|bucket-us-",
         "CreateBucket and DeleteBucket: no operations of the sandbox, which has its own"),
    ],
    "lambda": [
        (r"^TestLambda(Alias|Layer|Url|EventInvokeConfig|EventSourceMappings|Permissions|ProvisionedConcurrency|Images|SnapStart|Recursion)",
         "aliases, layers, URLs, events, permissions, images: the edge allows none of them, and the sandbox plays no operation of theirs"),
        (r"alias|add_permission|publish_layer", "aliases, permissions, layers: no operations of the sandbox"),
        (r"^TestLoggingConfig", "logging settings: no step of the set-up writes them"),
        (r"code_signing_config|^TestCodeSigningConfig", "configurations of code signing: no operations of the sandbox but reading that there is none"),
        (r"event_source|esm_create|capacity_provider|event_invoke_config|url_config", "events and URLs: no operations of the sandbox"),
        (r"untag", "UntagResource: no operation of the sandbox"),
        (r"put_function_concurrency|concurrency_(limits|exceptions)|delete_response|function_concurrency",
         "PutFunctionConcurrency and DeleteFunctionConcurrency: no operations of the sandbox"),
        (r"empty_architectures", "what the SDK refuses itself"),
        (r"vpc", "functions in a VPC: the edge refuses them"),
        (r"code_location_s3", "code that S3 keeps: the set-up sends its bundle"),
        (r"total_code_size", "the size of LocalStack's own bundles"),
    ],
    "iam": [
        (r"^TestIAM(ServiceSpecific|PolicyEncoding::test_put_(user|group))|attach_policy|policy_returns_no_such|principle_policy\[(user|group)\]",
         "users, groups and managed policies: no operations of the sandbox"),
        (r"delete-role-response", "DeleteRole: no operation of the sandbox"),
        (r"^TestIAMServiceRoles", "roles linked to other services than CloudFront's two"),
    ],
    "kms": [
        (r"different_region .*same-specific-region", "KMS of another region: the sandbox has one"),
        (r"(verify|encrypt)-invalid-key-id", "keys of other kinds"),
        (r"generate|hmac|sign|grant|import|key_pair|ecc|derive|replicate|multi_region|rotate|rotation|data_key|mac|random|asym|rsa|RSA"
         r"|public_key|list_retirable|re_encrypt|untag",
         "keys of other kinds, grants, imports, rotation, untagging: no operations of the sandbox"),
    ],
}


def explain(service, test, key):
    """Why an answer has no player: not applicable with the reason, or not replayed."""
    for pattern, reason in REASONS[service]:
        if re.search(pattern, f"{test} {key}"):
            return "not applicable", [reason]
    return "not replayed", ["no player asks it"]
