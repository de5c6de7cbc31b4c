# Which answers differ from the recorded ones knowingly, and why.
import re

# A pattern of `test key`, and the reason.
REASONS = [
    (r"sse_kms_aws_managed_key|sse_default_kms_key",
     "AWS's own key is named by its alias, aws/s3: the sandbox keeps no keys of AWS's own"),
    (r"test_publish_with_wrong_revisionid ",
     "recorded in 2022, before Lambda's answers had LoggingConfig, RuntimeVersionConfig and SnapStart"),
    (r"simulate_principle_policy", "the statements that match aren't said, nor an organization where there is none; of several resources AWS says a template by now"),
]


def explain(test, key):
    """The reason for a difference; None where nothing explains it."""
    return next((reason for pattern, reason in REASONS if re.search(pattern, f"{test} {key}")), None)
