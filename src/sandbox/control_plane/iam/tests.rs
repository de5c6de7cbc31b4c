//! IAM, driven by the SDK.

use std::time::Duration;

use aws_sdk_iam::{
    Client,
    types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType, Tag},
};
use serde_json::{Value, json};

use crate::sandbox::control_plane::{PropagationClock, format_sandbox_role_arn};
use crate::sandbox::{
    Sandbox,
    tests::setup::{
        build_service_trust_policy, create_service_role, error_code_and_message, open_temporary_sandbox,
        open_temporary_sandbox_with_client,
    },
};

fn restrict_user(world: &Sandbox, statements: &Value) {
    world.update_sandbox_state_on_disk(|state| {
        state.iam.user.policy = json!({"Version": "2012-10-17", "Statement": statements});
    });
}

#[tokio::test(start_paused = true)]
async fn a_role_is_made_once_and_reads_back_as_it_was_sent() {
    let (_dir, _world, iam) = open_temporary_sandbox_with_client(Client::new);
    let tag = Tag::builder().key("packagecloud-cloudfront").value("b").build().unwrap();
    let create = || {
        iam.create_role()
            .role_name("r")
            .assume_role_policy_document(build_service_trust_policy(&["lambda.amazonaws.com"]))
            .tags(tag.clone())
            .send()
    };
    let missing = iam.get_role().role_name("r").send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&missing),
        ("NoSuchEntity".into(), "The role with name r cannot be found.".into())
    );
    create().await.unwrap();
    assert_eq!(
        error_code_and_message(&create().await.unwrap_err()),
        ("EntityAlreadyExists".into(), "Role with name r already exists.".into())
    );
    let role = iam.get_role().role_name("r").send().await.unwrap().role.unwrap();
    let document = percent_encoding::percent_decode_str(role.assume_role_policy_document().unwrap())
        .decode_utf8()
        .unwrap();
    assert_eq!(document, build_service_trust_policy(&["lambda.amazonaws.com"]));
    assert_eq!(role.tags()[0].value(), "b");
    iam.tag_role()
        .role_name("r")
        .tags(Tag::builder().key("more").value("m").build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(iam.list_role_tags().role_name("r").send().await.unwrap().tags().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn inline_policies_are_kept_and_malformed_ones_refused() {
    let (_dir, world, iam) = open_temporary_sandbox_with_client(Client::new);
    create_service_role(&world, "r", &["lambda.amazonaws.com"]).await;
    let put = |document: String| {
        iam.put_role_policy().role_name("r").policy_name("p").policy_document(document).send()
    };
    let none = iam.get_role_policy().role_name("r").policy_name("p").send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&none),
        ("NoSuchEntity".into(), "The role policy with name p cannot be found.".into())
    );
    for (document, message) in [
        ("{".to_owned(), "This policy contains invalid Json"),
        (json!({"Version": "2012-10-17"}).to_string(), "Syntax errors in policy."),
        (
            json!({"Statement": [{"Effect": "Allow", "Action": "kms:Decrypt"}]}).to_string(),
            "Policy statement must contain resources.",
        ),
        (
            json!({"Statement": [{"Effect": "Allow", "Resource": "*"}]}).to_string(),
            "Policy statement must contain actions.",
        ),
    ] {
        assert_eq!(
            error_code_and_message(&put(document).await.unwrap_err()),
            ("MalformedPolicyDocument".into(), message.into())
        );
    }
    let good = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]}).to_string();
    put(good.clone()).await.unwrap();
    let kept = iam.get_role_policy().role_name("r").policy_name("p").send().await.unwrap();
    assert_eq!(percent_encoding::percent_decode_str(kept.policy_document()).decode_utf8().unwrap(), good);
    assert_eq!(iam.list_role_policies().role_name("r").send().await.unwrap().policy_names(), ["p"]);
    assert!(
        iam.list_attached_role_policies().role_name("r").send().await.unwrap().attached_policies().is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a_trust_names_principals_that_exist_and_no_resources() {
    let (_dir, _world, iam) = open_temporary_sandbox_with_client(Client::new);
    let create = |document: Value| {
        iam.create_role().role_name("r").assume_role_policy_document(document.to_string()).send()
    };
    let statement = |principal: Value| json!({"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]});
    let typo = create(statement(json!({"AWS": "arn:aws:iam::999999999999:role/typo"}))).await.unwrap_err();
    assert_eq!(
        error_code_and_message(&typo),
        (
            "MalformedPolicyDocument".into(),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::999999999999:role/typo\"".into()
        )
    );
    let nobody =
        create(json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]})).await.unwrap_err();
    assert_eq!(error_code_and_message(&nobody).1, "Missing required field Principal");
    let mut resource = statement(json!({"Service": "lambda.amazonaws.com"}));
    resource["Statement"][0]["Resource"] = json!("*");
    assert_eq!(
        error_code_and_message(&create(resource).await.unwrap_err()).1,
        "Has prohibited field Resource"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_trust_counts_only_after_a_while_and_the_old_one_until_then() {
    let (_dir, world, iam) = open_temporary_sandbox_with_client(Client::new);
    let arn = format_sandbox_role_arn("r");
    create_service_role(&world, "r", &["lambda.amazonaws.com"]).await;
    let trusts = |service: &str| {
        world.read_sandbox_state_from_disk(|state| {
            super::can_service_assume_sandbox_role(
                &state.iam,
                PropagationClock::propagation_clock_from_sandbox(&world),
                &arn,
                service,
            )
        })
    };
    assert!(!trusts("lambda.amazonaws.com"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(trusts("lambda.amazonaws.com") && !trusts("edgelambda.amazonaws.com"));
    let both = build_service_trust_policy(&["lambda.amazonaws.com", "edgelambda.amazonaws.com"]);
    iam.update_assume_role_policy().role_name("r").policy_document(both).send().await.unwrap();
    assert!(trusts("lambda.amazonaws.com") && !trusts("edgelambda.amazonaws.com"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(trusts("edgelambda.amazonaws.com"));
}

#[tokio::test(start_paused = true)]
async fn a_principal_is_known_after_its_propagation() {
    let (_dir, world) = open_temporary_sandbox();
    let known = |name: &str| {
        world.read_sandbox_state_from_disk(|state| {
            crate::sandbox::control_plane::does_policy_principal_exist(
                state,
                PropagationClock::propagation_clock_from_sandbox(&world),
                "AWS",
                name,
            )
        })
    };
    create_service_role(&world, "r", &["lambda.amazonaws.com"]).await;
    assert!(!known(&format_sandbox_role_arn("r")));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(known(&format_sandbox_role_arn("r")));
    assert!(!known(&format_sandbox_role_arn("typo")) && !known("AROAEXAMPLEOFADELETEDONE"));
    assert!(known("*") && known("arn:aws:iam::999999999999:root"));
}

#[tokio::test(start_paused = true)]
async fn a_simulation_has_one_result_an_action_with_its_resources_beneath() {
    let (_dir, world, iam) = open_temporary_sandbox_with_client(Client::new);
    restrict_user(
        &world,
        &json!([
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::one/*"},
            {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"},
        ]),
    );
    let simulated = iam
        .simulate_principal_policy()
        .policy_source_arn("arn:aws:iam::999999999999:user/sandbox")
        .action_names("s3:GetObject")
        .action_names("s3:PutObject")
        .resource_arns("arn:aws:s3:::one/k")
        .resource_arns("arn:aws:s3:::two/k")
        .send()
        .await
        .unwrap();
    let results = simulated.evaluation_results();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0].eval_decision(), &PolicyEvaluationDecisionType::ImplicitDeny);
    assert_eq!(results[0].eval_resource_name(), Some("arn:${Partition}:s3:::${BucketName}/${KeyName}"));
    let specific: Vec<_> = results[0]
        .resource_specific_results()
        .iter()
        .map(|one| one.eval_resource_decision().as_str())
        .collect();
    assert_eq!(specific, ["allowed", "implicitDeny"]);
    assert_eq!(results[1].eval_decision(), &PolicyEvaluationDecisionType::ExplicitDeny);
}

#[tokio::test(start_paused = true)]
async fn a_simulation_names_the_context_it_lacks() {
    let (_dir, world, iam) = open_temporary_sandbox_with_client(Client::new);
    restrict_user(
        &world,
        &json!([
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/packagecloud:enterprise": "b"}}},
        ]),
    );
    let ask = || {
        iam.simulate_principal_policy()
            .policy_source_arn("arn:aws:iam::999999999999:user/sandbox")
            .action_names("kms:CreateKey")
    };
    let bare = ask().send().await.unwrap();
    assert_eq!(
        bare.evaluation_results()[0].missing_context_values(),
        ["aws:RequestTag/packagecloud:enterprise"]
    );
    assert_eq!(bare.evaluation_results()[0].eval_decision().as_str(), "implicitDeny");
    let entry = ContextEntry::builder()
        .context_key_name("aws:RequestTag/packagecloud:enterprise")
        .context_key_type(ContextKeyTypeEnum::String)
        .context_key_values("b")
        .build();
    let told = ask().context_entries(entry).send().await.unwrap();
    assert_eq!(told.evaluation_results()[0].eval_decision().as_str(), "allowed");
    assert!(told.evaluation_results()[0].missing_context_values().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_simulation_is_paged() {
    let (_dir, _world, iam) = open_temporary_sandbox_with_client(Client::new);
    let mut ask = iam.simulate_principal_policy().policy_source_arn("arn:aws:iam::999999999999:user/sandbox");
    for at in 0..50 {
        ask = ask.action_names(format!("s3:Action{at}"));
    }
    let first = ask.clone().send().await.unwrap();
    assert!(first.is_truncated() && first.evaluation_results().len() < 50);
    let pages: Vec<_> = ask.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(pages.len(), 50);
    assert_eq!(pages[49].eval_action_name(), "s3:Action49");
}

#[tokio::test(start_paused = true)]
async fn only_users_and_roles_can_be_simulated() {
    let (_dir, _world, iam) = open_temporary_sandbox_with_client(Client::new);
    let ask = |arn: &str| {
        iam.simulate_principal_policy().policy_source_arn(arn).action_names("s3:GetObject").send()
    };
    let session = "arn:aws:sts::999999999999:assumed-role/admin/me";
    assert_eq!(
        error_code_and_message(&ask(session).await.unwrap_err()),
        (
            "InvalidInput".into(),
            format!("Invalid Entity Arn: {session} does not clearly define entity type and name.")
        )
    );
    assert_eq!(
        error_code_and_message(&ask("arn:aws:iam::999999999999:root").await.unwrap_err()).0,
        "InvalidInput"
    );
    assert_eq!(
        error_code_and_message(&ask(&format_sandbox_role_arn("typo")).await.unwrap_err()).0,
        "NoSuchEntity"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_linked_role_is_made_once() {
    let (_dir, _world, iam) = open_temporary_sandbox_with_client(Client::new);
    let make = || iam.create_service_linked_role().aws_service_name("logger.cloudfront.amazonaws.com").send();
    let role = make().await.unwrap().role.unwrap();
    assert!(role.arn().ends_with(
        "role/aws-service-role/logger.cloudfront.amazonaws.com/AWSServiceRoleForCloudFrontLogger"
    ));
    assert_eq!(
        error_code_and_message(&make().await.unwrap_err()),
        (
            "InvalidInput".into(),
            "Service role name AWSServiceRoleForCloudFrontLogger has been taken in this account, please try a different suffix.".into()
        )
    );
    let protected = iam
        .tag_role()
        .role_name("AWSServiceRoleForCloudFrontLogger")
        .tags(Tag::builder().key("a").value("b").build().unwrap());
    assert_eq!(error_code_and_message(&protected.send().await.unwrap_err()).0, "UnmodifiableEntity");
}

#[tokio::test(start_paused = true)]
async fn a_restricted_user_is_told_what_he_lacks() {
    let (_dir, world, iam) = open_temporary_sandbox_with_client(Client::new);
    restrict_user(
        &world,
        &json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "iam:GetRole", "Resource": "*"}]),
    );
    assert_eq!(iam.get_user().send().await.unwrap().user.unwrap().user_name(), "sandbox");
    assert_eq!(
        error_code_and_message(&iam.get_role().role_name("r").send().await.unwrap_err()),
        (
            "AccessDenied".into(),
            "User: arn:aws:iam::999999999999:user/sandbox is not authorized to perform: iam:GetRole on resource: arn:aws:iam::999999999999:role/r with an explicit deny in an identity-based policy".into()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_roles_credentials_are_its_own_and_end() {
    let (_dir, world) = open_temporary_sandbox();
    assert!(world.issue_role_credentials(&format_sandbox_role_arn("r")).is_none());
    create_service_role(&world, "r", &["lambda.amazonaws.com"]).await;
    let (access, secret, token) = world.issue_role_credentials(&format_sandbox_role_arn("r")).unwrap();
    assert_eq!(world.issue_role_credentials(&format_sandbox_role_arn("r")).unwrap().0, access);
    let credentials = aws_credential_types::Credentials::new(access, secret, Some(token), None, "test");
    let provider = aws_credential_types::provider::SharedCredentialsProvider::new(credentials);
    let sts = aws_sdk_sts::Client::new(
        &world.build_sandbox_sdk_config().into_builder().credentials_provider(provider).build(),
    );
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.arn(), Some("arn:aws:sts::999999999999:assumed-role/r/r"));
    tokio::time::sleep(Duration::from_mins(61)).await;
    assert_eq!(
        error_code_and_message(&sts.get_caller_identity().send().await.unwrap_err()).0,
        "ExpiredToken"
    );
}

#[tokio::test(start_paused = true)]
async fn a_role_that_wants_a_code_is_assumed_with_a_good_one_once() {
    let (_dir, world, iam) = open_temporary_sandbox_with_client(Client::new);
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:user/sandbox"},
        "Action": "sts:AssumeRole", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]});
    iam.create_role().role_name("r").assume_role_policy_document(trust.to_string()).send().await.unwrap();
    // Until STS knows it.
    tokio::time::sleep(Duration::from_mins(1)).await;
    let serial = "arn:aws:iam::999999999999:mfa/jo";
    world.update_sandbox_state_on_disk(|state| {
        state.iam.user.device =
            Some(super::SandboxMfaDevice { serial: serial.to_owned(), codes: vec!["111111".to_owned()] });
    });
    let sts = aws_sdk_sts::Client::new(&world.build_sandbox_sdk_config());
    let assume = || sts.assume_role().role_arn(format_sandbox_role_arn("r")).role_session_name("jo");
    let (code, message) = error_code_and_message(&assume().send().await.unwrap_err());
    assert!(
        code == "AccessDenied" && message.contains("not authorized to perform: sts:AssumeRole"),
        "{message}"
    );
    let with = |code: &str| assume().serial_number(serial).token_code(code);
    let (code, message) = error_code_and_message(&with("000000").send().await.unwrap_err());
    assert!(code == "AccessDenied" && message.starts_with("MultiFactorAuthentication failed"), "{message}");
    let given = with("111111").send().await.unwrap().credentials.unwrap();
    assert!(given.access_key_id.starts_with("ASIA"), "{}", given.access_key_id);
    assert_eq!(
        error_code_and_message(&with("111111").send().await.unwrap_err()).0,
        "AccessDenied",
        "it was good once"
    );
}

/// What each answer has and has not is as recorded of IAM.
#[tokio::test(start_paused = true)]
async fn roles_are_listed_behind_a_path_and_each_answer_has_its_own_members() {
    let (_dir, _world, iam) = open_temporary_sandbox_with_client(Client::new);
    let tag = Tag::builder().key("test").value("value").build().unwrap();
    let create = |name: &str| {
        iam.create_role()
            .role_name(name)
            .path("/listed/")
            .assume_role_policy_document(build_service_trust_policy(&["lambda.amazonaws.com"]))
    };
    let made = create("a").tags(tag).send().await.unwrap().role.unwrap();
    assert_eq!((made.max_session_duration(), made.tags().len()), (None, 1));
    let made = create("b").max_session_duration(7200).send().await.unwrap().role.unwrap();
    assert_eq!((made.max_session_duration(), made.tags().len()), (Some(7200), 0));
    for (name, seconds, tags) in [("a", 3600, 1), ("b", 7200, 0)] {
        let shown = iam.get_role().role_name(name).send().await.unwrap().role.unwrap();
        assert_eq!((shown.max_session_duration(), shown.tags().len()), (Some(seconds), tags));
        assert!(shown.role_last_used().is_some(), "{name}");
    }
    let first = iam.list_roles().path_prefix("/listed/").max_items(1).send().await.unwrap();
    let role = &first.roles()[0];
    assert_eq!((role.role_name(), role.tags().len(), role.max_session_duration()), ("a", 0, Some(3600)));
    assert!(role.role_last_used().is_none());
    assert!(first.is_truncated());
    let rest = iam.list_roles().path_prefix("/listed/").marker(first.marker().unwrap()).send().await.unwrap();
    assert_eq!(rest.roles().iter().map(aws_sdk_iam::types::Role::role_name).collect::<Vec<_>>(), ["b"]);
    assert!(iam.list_roles().path_prefix("/other/").send().await.unwrap().roles().is_empty());
    for (seconds, bound) in [(3599, "greater than or equal to 3600"), (43_201, "less than or equal to 43200")]
    {
        let refused = create("c").max_session_duration(seconds).send().await.unwrap_err();
        let (code, message) = error_code_and_message(&refused);
        assert_eq!(code, "ValidationError");
        assert!(message.contains(bound), "{message}");
    }
}

/// A trust that names the account leaves it to the account's policies who of it may.
#[tokio::test(start_paused = true)]
async fn a_role_that_trusts_the_account_is_for_whom_its_policies_let() {
    let (_dir, world, iam) = open_temporary_sandbox_with_client(Client::new);
    let sts = aws_sdk_sts::Client::new(&world.build_sandbox_sdk_config());
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::999999999999:root"}}]});
    iam.create_role().role_name("r").assume_role_policy_document(trust.to_string()).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let role = format_sandbox_role_arn("r");
    let assume = || sts.assume_role().role_arn(&role).role_session_name("jo").send();
    assume().await.unwrap();
    restrict_user(&world, &json!([{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(error_code_and_message(&assume().await.unwrap_err()).0, "AccessDenied");
    let denied = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": role}]);
    restrict_user(&world, &denied);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(error_code_and_message(&assume().await.unwrap_err()).0, "AccessDenied");
}
