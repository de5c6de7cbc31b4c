# Which answers differ from the recorded ones knowingly, and why.
import re

# A pattern of `test key`, the members that may differ there, and the reason.
REASONS = [
    (r"test_publish_with_wrong_revisionid ", r"(Configuration\.)?(LoggingConfig|RuntimeVersionConfig|SnapStart)",
     "recorded in 2022, before Lambda's answers had LoggingConfig, RuntimeVersionConfig and SnapStart"),
    (r"simulate_principle_policy",
     r"EvaluationResults\.(EvalDecisionDetails|OrganizationsDecisionDetail|EvalResourceName|(ResourceSpecificResults\.)?MatchedStatements)",
     "the statements that match aren't said, nor an organization where there is none; of several resources AWS says a template by now"),
]


def explain(test, key, differences):
    """The reason for an answer's differences; None where it isn't known of each."""
    for pattern, members, reason in REASONS:
        if re.search(pattern, f"{test} {key}") and all(re.fullmatch(members, one.member) for one in differences):
            return reason
    return None
