# Which recordings ask for what the sandbox doesn't play at all, and why.
import re

# A pattern of the test's name, or of `test key`, and the reason.
REASONS = [
    (r"^TestS3StaticWebsiteHosting|website", "websites: the sandbox keeps the text of their settings and serves none"),
    (r"^TestS3PresignedPost", "forms that browsers post: no operation of the sandbox"),
    (r"^TestS3SSECEncryption|sse_c", "keys of the customer's own: no step of the set-up writes them"),
    (r"^TestS3BucketLogging|bucket_logging", "server access logs: the sandbox keeps the text of the setting and writes none"),
    (r"^TestS3MetricsConfiguration", "metrics: no operation of the sandbox"),
    (r"^TestS3BucketAccelerate", "transfer acceleration: the sandbox keeps the text of the setting"),
    (r"analytics|inventory|intelligent_tier", "analytics, inventory, tiering: no operation of the sandbox"),
    (r"^TestS3BucketLifecycle|object_expiry_after_bucket", "lifecycle rules at work: the sandbox keeps their text alone"),
    (r"^TestS3BucketReplication", "replication at work: the sandbox keeps its text alone"),
    (r"^TestS3BucketNotification", "notifications need queues"),
    (r"cors", "cross-origin rules: the sandbox keeps their text and applies none"),
    (r"^TestS3DeepArchive|restore", "RestoreObject: no operation of the sandbox"),
    (r"[Cc]reate_?bucket|create-bucket|constraint|aws_global|delete_?bucket|delete-bucket$|ownership-(wrong|non)-value-at-creation"
     r"|get-ownership-at-creation|BucketCRUD|uppercase-bucket|list-buckets|bucket-us-", "making and deleting buckets: the sandbox has its own"),
    (r"^TestLambda(Alias|Layer|Url|EventInvokeConfig|EventSourceMappings|Permissions|ProvisionedConcurrency|Images|SnapStart|Recursion)"
     r"|^TestLoggingConfig", "this part of Lambda isn't played: the edge allows none of it"),
    (r"event_source|esm_create|capacity_provider|event_invoke_config|url_config", "this part of Lambda isn't played: the edge allows none of it"),
    (r"^TestIAM(ServiceSpecific|PolicyEncoding::test_put_(user|group))|attach_policy|policy_returns_no_such", "users, groups and managed policies: not played"),
    (r"^TestIAMServiceRoles", "roles linked to other services than CloudFront's two"),
    (r"generate|hmac|sign|grant|import|key_pair|ecc|derive|replicate|multi_region|rotate|rotation|data_key|mac|random|asym|rsa|RSA|public_key"
     r"|list_retirable|re_encrypt|untag", "this part of KMS isn't played"),
]


def explain(test, key):
    """Why an answer has no player: not applicable with the reason, or not replayed."""
    for pattern, reason in REASONS:
        if re.search(pattern, test) or re.search(pattern, key):
            return "not applicable", [reason]
    return "not replayed", ["no player asks it"]
