//! Which test shows which fact of AWS: aws-facts section 4, row by row and bullet by bullet, and the list of aws-facts section 8 of what must be emulated.

/// What, the test's file, the test.
type FactCoverage = (&'static str, &'static str, &'static str);

/// aws-facts section 4: the simulation, then the table of errors that pass, then what is said below it.
const SECTION_4_FACTS: &[FactCoverage] = &[
    (
        "one result an action, its resources beneath",
        "src/sandbox/control_plane/iam/tests.rs",
        "a_simulation_has_one_result_an_action_with_its_resources_beneath",
    ),
    (
        "service control policies and boundaries, each named",
        "tests/account/checks.rs",
        "of_permissions_who_denies_and_what_ends",
    ),
    (
        "what a bucket policy denies isn't simulated: it is weighed by hand",
        "tests/account/checks.rs",
        "of_the_bucket_policy",
    ),
    (
        "a missing context value is unknown, not denied",
        "src/sandbox/control_plane/iam/tests.rs",
        "a_simulation_names_the_context_it_lacks",
    ),
    ("pages", "src/sandbox/control_plane/iam/tests.rs", "a_long_simulation_is_paged"),
    (
        "who can be simulated: users and roles, SSO roles with their path",
        "tests/account/checks.rs",
        "of_callers_of_every_kind",
    ),
    (
        "an STS ARN, in AWS's own words",
        "src/sandbox/control_plane/iam/tests.rs",
        "only_users_and_roles_can_be_simulated",
    ),
    (
        "its throttling",
        "tests/account/checks.rs",
        "a_throttled_simulation_is_asked_again_and_where_that_lasts_unknown",
    ),
    (
        "AccessDenied at each step is the action that was foretold",
        "tests/account/removed.rs",
        "without_any_one_action_the_step_ends_that_the_table_names",
    ),
    (
        "Lambda CreateFunction and UpdateFunctionConfiguration: the role, its permissions, CreateGrant, a conflict",
        "tests/account/aws_facts.rs",
        "what_passes_is_sent_again_until_it_does",
    ),
    ("PublishVersion in progress", "tests/account/aws_facts.rs", "what_passes_is_sent_again_until_it_does"),
    (
        "DeleteFunction of a replicated function: nothing is ever deleted",
        "tests/account/aws_facts.rs",
        "nothing_is_ever_deleted_so_what_deleting_answers_is_never_waited_for",
    ),
    (
        "KMS CreateKey with a new principal",
        "tests/account/aws_facts.rs",
        "what_passes_is_sent_again_until_it_does",
    ),
    (
        "KMS PutKeyPolicy, and its policy read five times in a row",
        "tests/account/aws_facts.rs",
        "what_passes_is_sent_again_until_it_does",
    ),
    (
        "KMS after create: NotFoundException",
        "tests/account/aws_facts.rs",
        "what_passes_is_sent_again_until_it_does",
    ),
    (
        "S3 PutBucketPolicy: MalformedPolicy, NoSuchBucket",
        "tests/account/aws_facts.rs",
        "what_passes_is_sent_again_until_it_does",
    ),
    (
        "CloudFront Create: InvalidViewerCertificate",
        "tests/account/domain.rs",
        "a_certificate_that_cloudfront_does_not_know_yet_passes_and_one_that_was_revoked_does_not",
    ),
    (
        "CloudFront Create: the two variants of InvalidLambdaFunctionAssociation that pass",
        "tests/account/aws_facts.rs",
        "what_passes_is_sent_again_until_it_does",
    ),
    (
        "CloudFront Delete: nothing is ever deleted",
        "tests/account/aws_facts.rs",
        "nothing_is_ever_deleted_so_what_deleting_answers_is_never_waited_for",
    ),
    (
        "each wait is bounded, and says how long",
        "tests/account/aws_facts.rs",
        "what_lasts_has_an_end_that_says_how_long_and_for_what_and_the_next_run_goes_on",
    ),
    (
        "the same code as a permanent mistake",
        "tests/account/aws_facts.rs",
        "a_permanent_mistake_with_the_same_code_is_told_at_once",
    ),
    (
        "the same of what stands: a function's role, a key's policy",
        "tests/account/aws_facts.rs",
        "a_permanent_mistake_of_what_stands_is_told_at_once",
    ),
    (
        "a role that exists isn't known to all of IAM yet",
        "tests/account/aws_facts.rs",
        "what_passes_is_sent_again_until_it_does",
    ),
    (
        "a deleted principal in a bucket policy",
        "tests/account/aws_facts.rs",
        "a_permanent_mistake_with_the_same_code_is_told_at_once",
    ),
    (
        "a bucket policy has no condition: read before, kept, read again after",
        "tests/account/aws_verbs.rs",
        "a_bucket_policy_that_moved_since_it_was_shown_is_not_overwritten",
    ),
    ("20 KB of bucket policy", "src/model/iam/policy/tests.rs", "what_s3_would_refuse_is_refused_first"),
    (
        "the bucket's expected owner",
        "src/sandbox/control_plane/s3/tests.rs",
        "a_bucket_policy_is_checked_and_settings_answer_as_a_new_buckets_do",
    ),
    (
        "a Deny by endpoint, address or organization denies CloudFront too",
        "tests/account/checks.rs",
        "of_the_bucket_policy",
    ),
    (
        "a role's trust is merged, not replaced",
        "src/model/iam/policy/tests.rs",
        "both_services_are_trusted_and_what_stood_stays",
    ),
];

/// aws-facts section 8, "must emulate".
const EMULATED_FACTS: &[FactCoverage] = &[
    (
        "412 on a stale ETag, and another ETag after every update",
        "src/sandbox/control_plane/cloudfront/tests/deployment.rs",
        "an_update_asks_for_the_etag_and_changes_it",
    ),
    (
        "DistributionAlreadyExists always",
        "src/sandbox/control_plane/cloudfront/tests/deployment.rs",
        "a_reference_makes_one_distribution_ever",
    ),
    (
        "an identity's same-reference semantics",
        "src/sandbox/control_plane/cloudfront/tests/resources.rs",
        "an_identity_is_the_same_for_the_same_reference_and_comment",
    ),
    (
        "Quantity checks",
        "src/sandbox/control_plane/cloudfront/tests/deployment.rs",
        "what_is_wrong_with_a_configuration_is_said_by_its_code",
    ),
    (
        "numbered-version check",
        "src/sandbox/control_plane/cloudfront/tests/associations.rs",
        "only_a_numbered_version_of_the_right_region_will_do",
    ),
    (
        "Active check",
        "src/sandbox/control_plane/cloudfront/tests/associations.rs",
        "a_version_must_be_active",
    ),
    (
        "trust check",
        "src/sandbox/control_plane/cloudfront/tests/associations.rs",
        "the_role_must_trust_the_edge_and_a_new_trust_takes_a_while",
    ),
    (
        "environment, layers, VPC and arm64 checks",
        "src/sandbox/control_plane/cloudfront/tests/associations.rs",
        "what_a_replica_lacks_is_refused",
    ),
    (
        "role propagation to Lambda, then success",
        "src/sandbox/control_plane/lambda/tests.rs",
        "a_fresh_role_cannot_be_assumed_until_it_is_known",
    ),
    (
        "the same code for ever",
        "src/sandbox/control_plane/lambda/tests.rs",
        "a_role_that_does_not_trust_lambda_is_refused_for_ever",
    ),
    (
        "principal propagation to KMS, and the same code for ever",
        "src/sandbox/control_plane/kms/tests.rs",
        "a_fresh_role_in_a_key_policy_is_refused_until_it_is_known_and_a_wrong_one_for_ever",
    ),
    (
        "principal propagation to S3",
        "src/sandbox/control_plane/cloudfront/tests/resources.rs",
        "an_identity_is_a_principal_only_after_a_while",
    ),
    (
        "read-after-write staleness of KMS",
        "src/sandbox/control_plane/kms/tests.rs",
        "a_new_key_is_not_known_everywhere_at_once",
    ),
    (
        "read-after-write staleness of CloudFront",
        "src/sandbox/control_plane/cloudfront/tests/deployment.rs",
        "a_new_distribution_is_in_progress_then_deployed_and_listed_a_little_later",
    ),
    (
        "one result per action, with ResourceSpecificResults",
        "src/sandbox/control_plane/iam/tests.rs",
        "a_simulation_has_one_result_an_action_with_its_resources_beneath",
    ),
    (
        "MissingContextValues",
        "src/sandbox/control_plane/iam/tests.rs",
        "a_simulation_names_the_context_it_lacks",
    ),
    ("pagination", "src/sandbox/control_plane/iam/tests.rs", "a_long_simulation_is_paged"),
    (
        "a replicated function is not deleted",
        "src/sandbox/control_plane/cloudfront/tests/associations.rs",
        "a_replicated_function_cannot_be_deleted",
    ),
    (
        "PublishVersion of what has not changed",
        "src/sandbox/control_plane/lambda/tests.rs",
        "what_has_not_changed_is_not_published_again",
    ),
    (
        "unknown XML elements round-trip",
        "src/sandbox/control_plane/cloudfront/tests/deployment.rs",
        "elements_that_the_sandbox_does_not_know_come_back",
    ),
    (
        "GetBucketPolicy gives another, equivalent principal",
        "src/sandbox/control_plane/s3/tests.rs",
        "a_bucket_policy_is_checked_and_settings_answer_as_a_new_buckets_do",
    ),
    (
        "throttling of the simulation",
        "tests/account/checks.rs",
        "a_throttled_simulation_is_asked_again_and_where_that_lasts_unknown",
    ),
    (
        "the same code for ever of S3's principals",
        "src/sandbox/control_plane/cloudfront/tests/resources.rs",
        "an_identity_is_a_principal_only_after_a_while",
    ),
];

#[test]
fn each_is_shown_by_a_test() {
    for (what, file, test) in SECTION_4_FACTS.iter().chain(EMULATED_FACTS) {
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, _) = text
            .split_once(&format!("fn {test}()"))
            .unwrap_or_else(|| panic!("{what}: {file} has no test {test}"));
        let attributes = before.rsplit("\n\n").next().unwrap();
        assert!(attributes.contains("test") && !attributes.contains("#[ignore"), "{what}: {test} is not run");
    }
}
