//! KMS, driven by the SDK.

use std::time::Duration;

use aws_sdk_kms::{
    Client,
    error::ProvideErrorMetadata,
    primitives::Blob,
    types::{KeyManagerType, KeyState, Tag},
};
use serde_json::json;

use crate::sandbox::control_plane::{ACCOUNT_ID, format_sandbox_role_arn, s3::SandboxBucket};
use crate::sandbox::tests::setup::{error_code_and_message, open_temporary_sandbox_with_client};

async fn wait_for_propagation() {
    tokio::time::sleep(Duration::from_secs(10)).await;
}

async fn create_visible_key(client: &Client) -> String {
    let key = client.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    wait_for_propagation().await;
    key
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_not_known_everywhere_at_once() {
    let (_dir, _world, kms) = open_temporary_sandbox_with_client(Client::new);
    let key = kms
        .create_key()
        .tags(Tag::builder().tag_key("packagecloud-cloudfront").tag_value("b").build().unwrap())
        .send()
        .await
        .unwrap();
    let arn = key.key_metadata.unwrap().arn.unwrap();
    let early = kms.describe_key().key_id(&arn).send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&early),
        ("NotFoundException".into(), format!("Key '{arn}' does not exist"))
    );
    assert!(kms.list_keys().send().await.unwrap().keys().is_empty());
    wait_for_propagation().await;
    let seen = kms.describe_key().key_id(&arn).send().await.unwrap().key_metadata.unwrap();
    assert_eq!(seen.key_state, Some(KeyState::Enabled));
    let tags = kms.list_resource_tags().key_id(&arn).send().await.unwrap();
    assert_eq!(tags.tags()[0].tag_key(), "packagecloud-cloudfront");
    assert_eq!(kms.list_keys().send().await.unwrap().keys().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_alias_is_one_keys_and_leads_to_it() {
    let (_dir, _world, kms) = open_temporary_sandbox_with_client(Client::new);
    let arn = create_visible_key(&kms).await;
    kms.create_alias().alias_name("alias/a").target_key_id(&arn).send().await.unwrap();
    let taken = kms.create_alias().alias_name("alias/a").target_key_id(&arn).send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&taken),
        (
            "AlreadyExistsException".into(),
            "An alias with the name arn:aws:kms:us-east-1:999999999999:alias/a already exists".into()
        )
    );
    assert!(kms.list_aliases().send().await.unwrap().aliases().is_empty());
    wait_for_propagation().await;
    assert_eq!(kms.list_aliases().send().await.unwrap().aliases()[0].alias_name(), Some("alias/a"));
    let found = kms.describe_key().key_id("alias/a").send().await.unwrap().key_metadata.unwrap();
    assert_eq!(found.arn, Some(arn));
    let none = kms.describe_key().key_id("alias/b").send().await.unwrap_err();
    assert_eq!(error_code_and_message(&none).0, "NotFoundException");
}

#[tokio::test(start_paused = true)]
async fn lists_are_paged() {
    let (_dir, _world, kms) = open_temporary_sandbox_with_client(Client::new);
    for _ in 0..3 {
        create_visible_key(&kms).await;
    }
    let first = kms.list_keys().limit(2).send().await.unwrap();
    assert_eq!((first.keys().len(), first.truncated()), (2, true));
    let rest = kms.list_keys().limit(2).marker(first.next_marker().unwrap()).send().await.unwrap();
    assert_eq!((rest.keys().len(), rest.truncated()), (1, false));
}

#[tokio::test(start_paused = true)]
async fn what_was_encrypted_opens_only_under_its_context() {
    let (_dir, _world, kms) = open_temporary_sandbox_with_client(Client::new);
    let arn = create_visible_key(&kms).await;
    let seal = || {
        kms.encrypt()
            .key_id(&arn)
            .plaintext(Blob::new("secret"))
            .encryption_context("packagecloud:enterprise", "b")
    };
    let sealed = seal().send().await.unwrap().ciphertext_blob.unwrap();
    assert_ne!(sealed, seal().send().await.unwrap().ciphertext_blob.unwrap());
    assert!(!sealed.as_ref().windows(6).any(|run| run == b"secret"));
    let unseal = |blob: Blob, context: &str| {
        kms.decrypt().ciphertext_blob(blob).encryption_context("packagecloud:enterprise", context)
    };
    let opened = unseal(sealed.clone(), "b").send().await.unwrap();
    assert_eq!(opened.plaintext.unwrap().as_ref(), b"secret");
    let other = unseal(sealed.clone(), "other").send().await.unwrap_err();
    assert_eq!(other.code(), Some("InvalidCiphertextException"));
    let mut spoilt = sealed.as_ref().to_vec();
    spoilt[60] ^= 1;
    let spoilt = unseal(Blob::new(spoilt), "b").send().await.unwrap_err();
    assert_eq!(spoilt.code(), Some("InvalidCiphertextException"));
    let wrong = unseal(sealed, "b").key_id(create_visible_key(&kms).await).send().await.unwrap_err();
    assert_eq!(wrong.code(), Some("IncorrectKeyException"));
    let long = kms.encrypt().key_id(&arn).plaintext(Blob::new(vec![0; 4097])).send().await.unwrap_err();
    assert_eq!(long.code(), Some("ValidationException"));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_locks_its_author_out_is_refused() {
    let (_dir, _world, kms) = open_temporary_sandbox_with_client(Client::new);
    let arn = create_visible_key(&kms).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "kms:Describe*", "Resource": "*"}]});
    let locked = kms.put_key_policy().key_id(&arn).policy(policy.to_string()).send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&locked),
        (
            "MalformedPolicyDocumentException".into(),
            "The new key policy will not allow you to update the key policy in the future.".into()
        )
    );
}

/// As AWS's users met it: at CreateKey no tag counts, whatever the request carries, and later minutes after it was set.
#[tokio::test(start_paused = true)]
async fn a_policy_that_leaves_it_to_the_account_hangs_on_its_authors_own_rights() {
    let (_dir, world, kms) = open_temporary_sandbox_with_client(Client::new);
    let allow_put_by_tag = || {
        world.update_sandbox_state_on_disk(|state| {
            state.iam.user.policy = json!({"Statement": [
                {"Effect": "Allow", "NotAction": "kms:PutKeyPolicy", "Resource": "*"},
                {"Effect": "Allow", "Action": "kms:PutKeyPolicy", "Resource": "*",
                    "Condition": {"StringEquals": {"aws:ResourceTag/packagecloud-cloudfront": "b"}}}]});
        });
    };
    let tag = || Tag::builder().tag_key("packagecloud-cloudfront").tag_value("b").build().unwrap();
    let everything = world.read_sandbox_state_from_disk(|state| state.iam.user.policy.clone());
    allow_put_by_tag();
    let locked = kms.create_key().tags(tag()).send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&locked),
        (
            "MalformedPolicyDocumentException".into(),
            "The new key policy will not allow you to update the key policy in the future.".into()
        )
    );
    assert!(world.read_sandbox_state_from_disk(|state| state.kms.keys.is_empty()));
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = everything);
    let made = kms.create_key().tags(tag()).send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    wait_for_propagation().await;
    allow_put_by_tag();
    let policy =
        world.read_sandbox_state_from_disk(|state| state.kms.keys.values().next().unwrap().policy.clone());
    let put = || kms.put_key_policy().key_id(&made).policy(&policy).send();
    assert_eq!(put().await.unwrap_err().code(), Some("AccessDeniedException"));
    tokio::time::sleep(world.sandbox_delays().tags).await;
    put().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fresh_role_in_a_key_policy_is_refused_until_it_is_known_and_a_wrong_one_for_ever() {
    let (_dir, world, kms) = open_temporary_sandbox_with_client(Client::new);
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let iam = aws_sdk_iam::Client::new(&world.build_sandbox_sdk_config());
    iam.create_role().role_name("r").assume_role_policy_document(trust.to_string()).send().await.unwrap();
    let policy = |role: &str| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "kms:*", "Resource": "*"},
            {"Effect": "Allow", "Principal": {"AWS": format_sandbox_role_arn(role)}, "Action": "kms:Decrypt", "Resource": "*"},
        ]})
        .to_string()
    };
    let early = kms.create_key().policy(policy("r")).send().await.unwrap_err();
    let expected = (
        "MalformedPolicyDocumentException".to_owned(),
        "Policy contains a statement with one or more invalid principals.".to_owned(),
    );
    assert_eq!(error_code_and_message(&early), expected);
    wait_for_propagation().await;
    kms.create_key().policy(policy("r")).send().await.unwrap();
    assert_eq!(
        error_code_and_message(&kms.create_key().policy(policy("typo")).send().await.unwrap_err()),
        expected
    );
}

#[tokio::test(start_paused = true)]
async fn a_role_decrypts_only_where_key_and_role_both_let_it() {
    let (_dir, world, kms) = open_temporary_sandbox_with_client(Client::new);
    let iam = aws_sdk_iam::Client::new(&world.build_sandbox_sdk_config());
    let trust = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    iam.create_role().role_name("edge").assume_role_policy_document(trust.to_string()).send().await.unwrap();
    wait_for_propagation().await;
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "NotAction": "kms:Decrypt", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "kms:Decrypt", "Resource": "*",
         "Condition": {"StringEquals": {"kms:EncryptionContext:packagecloud:enterprise": "b", "aws:PrincipalArn": format_sandbox_role_arn("edge")}}},
    ]});
    let arn =
        kms.create_key().policy(policy.to_string()).send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    wait_for_propagation().await;
    let sealed = kms
        .encrypt()
        .key_id(&arn)
        .plaintext(Blob::new("s"))
        .encryption_context("packagecloud:enterprise", "b");
    let sealed = sealed.send().await.unwrap().ciphertext_blob.unwrap();
    let open_as = |client: Client| {
        let (sealed, arn) = (sealed.clone(), arn.clone());
        async move {
            client
                .decrypt()
                .key_id(arn)
                .ciphertext_blob(sealed)
                .encryption_context("packagecloud:enterprise", "b")
                .send()
                .await
        }
    };
    let admin = open_as(kms.clone()).await.unwrap_err();
    assert_eq!(
        error_code_and_message(&admin),
        (
            "AccessDeniedException".into(),
            format!(
                "User: arn:aws:iam::999999999999:user/sandbox is not authorized to perform: kms:Decrypt on resource: {arn} because no resource-based policy allows the kms:Decrypt action"
            )
        )
    );
    let (access, secret, token) = world.issue_role_credentials(&format_sandbox_role_arn("edge")).unwrap();
    let credentials = aws_credential_types::Credentials::new(access, secret, Some(token), None, "test");
    let config = world
        .build_sandbox_sdk_config()
        .into_builder()
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials))
        .build();
    let edge = Client::new(&config);
    let bare = open_as(edge.clone()).await.unwrap_err();
    assert!(
        error_code_and_message(&bare)
            .1
            .ends_with("because no identity-based policy allows the kms:Decrypt action"),
        "{bare:?}"
    );
    let own = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": arn}]});
    iam.put_role_policy()
        .role_name("edge")
        .policy_name("p")
        .policy_document(own.to_string())
        .send()
        .await
        .unwrap();
    let early = open_as(edge.clone()).await.unwrap_err();
    assert_eq!(error_code_and_message(&early).0, "AccessDeniedException", "KMS doesn't know of it yet");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(open_as(edge).await.unwrap().plaintext.unwrap().as_ref(), b"s");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_off_or_going_says_so() {
    let (_dir, world, kms) = open_temporary_sandbox_with_client(Client::new);
    let arn = create_visible_key(&kms).await;
    let id = arn.rsplit('/').next().unwrap().to_owned();
    for (state, code) in [("Disabled", "DisabledException"), ("PendingDeletion", "KMSInvalidStateException")]
    {
        world.update_sandbox_state_on_disk(|world| world.kms.keys.get_mut(&id).unwrap().state = state.into());
        let refused = kms.encrypt().key_id(&arn).plaintext(Blob::new("x")).send().await.unwrap_err();
        assert_eq!(refused.code(), Some(code));
    }
}

#[tokio::test(start_paused = true)]
async fn a_restricted_user_is_refused_in_awss_words() {
    let (_dir, world, kms) = open_temporary_sandbox_with_client(Client::new);
    world.update_sandbox_state_on_disk(|state| {
        state.iam.user.policy =
            json!({"Statement": [{"Effect": "Allow", "Action": "kms:List*", "Resource": "*"}]});
    });
    kms.list_keys().send().await.unwrap();
    let refused = kms.create_key().send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&refused),
        (
            "AccessDeniedException".into(),
            "User: arn:aws:iam::999999999999:user/sandbox is not authorized to perform: kms:CreateKey on resource: * because no identity-based policy allows the kms:CreateKey action".into()
        )
    );
}

/// Codes and messages are those of recorded answers of KMS.
#[tokio::test(start_paused = true)]
async fn keys_and_aliases_that_are_none_are_refused_in_kms_words() {
    let (_dir, _world, kms) = open_temporary_sandbox_with_client(Client::new);
    let arn = create_visible_key(&kms).await;
    let absent = "134f2428-cec1-4b25-a1ae-9048164dba47";
    for (name, message) in [
        ("fake-key-id".to_owned(), "Invalid keyId 'fake-key-id'".to_owned()),
        (
            "134f2428cec14b25a1ae9048164dba47".to_owned(),
            "Invalid keyId '134f2428cec14b25a1ae9048164dba47'".to_owned(),
        ),
        ("mrk-fake-key-id".to_owned(), "Invalid keyId 'mrk-fake-key-id'".to_owned()),
        (absent.to_owned(), format!("Key 'arn:aws:kms:us-east-1:999999999999:key/{absent}' does not exist")),
        (arn.replace("us-east-1", "us-west-2"), "Invalid arn us-west-2".to_owned()),
    ] {
        let refused = kms.describe_key().key_id(&name).send().await.unwrap_err();
        assert_eq!(error_code_and_message(&refused), ("NotFoundException".into(), message), "{name}");
    }
    let refused = kms.create_alias().alias_name("bare").target_key_id(&arn).send().await.unwrap_err();
    assert_eq!(
        error_code_and_message(&refused),
        (
            "ValidationException".into(),
            "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html".into()
        )
    );
    let shown = kms.describe_key().key_id(&arn).send().await.unwrap().key_metadata.unwrap();
    assert_eq!(shown.current_key_material_id().map(str::len), Some(64));
    let sealed = kms.encrypt().key_id(&arn).plaintext(Blob::new("a")).send().await.unwrap();
    let opened = kms.decrypt().ciphertext_blob(sealed.ciphertext_blob.unwrap()).send().await.unwrap();
    assert_eq!(opened.key_material_id(), shown.current_key_material_id());
    let rotation = kms.get_key_rotation_status().key_id(&arn).send().await.unwrap();
    assert_eq!((rotation.key_id(), rotation.key_rotation_enabled()), (Some(arn.as_str()), false));
}

/// Codes and messages are those of recorded answers of KMS.
#[tokio::test(start_paused = true)]
async fn tags_that_kms_does_not_take_are_refused_in_its_words() {
    let (_dir, _world, kms) = open_temporary_sandbox_with_client(Client::new);
    let arn = create_visible_key(&kms).await;
    let tag = |name: &str, value: &str| Tag::builder().tag_key(name).tag_value(value).build().unwrap();
    let many = (0..51).map(|number| tag(&format!("key{number}"), "value")).collect();
    for (tags, code, message) in [
        (vec![tag("a", "1"), tag("a", "2")], "TagException", "Duplicate tag keys".to_owned()),
        (vec![tag("aws:a", "1")], "TagException", "Tags beginning with aws: are reserved".to_owned()),
        (vec![tag("AWS:a", "1")], "TagException", "Tags beginning with aws: are reserved".to_owned()),
        (many, "TagException", "Too many tags".to_owned()),
        (
            vec![tag(&"k".repeat(129), "1")],
            "ValidationException",
            format!(
                "1 validation error detected: Value '{}' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length less than or equal to 128",
                "k".repeat(129)
            ),
        ),
        (
            vec![tag("a", &"v".repeat(257))],
            "ValidationException",
            format!(
                "1 validation error detected: Value '{}' at 'tags.1.member.tagValue' failed to satisfy constraint: Member must have length less than or equal to 256",
                "v".repeat(257)
            ),
        ),
    ] {
        let expected = (code.to_owned(), message);
        let made = kms.create_key().set_tags(Some(tags.clone())).send().await.unwrap_err();
        assert_eq!(error_code_and_message(&made), expected);
        let tagged = kms.tag_resource().key_id(&arn).set_tags(Some(tags)).send().await.unwrap_err();
        assert_eq!(error_code_and_message(&tagged), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_of_awss_own_is_made_when_s3_needs_it_and_nobody_changes_it() {
    let (_dir, world, kms) = open_temporary_sandbox_with_client(Client::new);
    world.update_sandbox_state_on_disk(|state| {
        state.s3.buckets.insert("packages".into(), SandboxBucket::new(ACCOUNT_ID, "us-east-1", 0));
    });
    let unmade = kms.describe_key().key_id("alias/aws/s3").send().await.unwrap_err();
    assert_eq!(error_code_and_message(&unmade).0, "NotFoundException");
    let s3 = aws_sdk_s3::Client::new(&world.build_sandbox_sdk_config());
    let mut named = Vec::new();
    for key in ["a", "b"] {
        let kind = aws_sdk_s3::types::ServerSideEncryption::AwsKms;
        let put =
            s3.put_object().bucket("packages").key(key).server_side_encryption(kind).send().await.unwrap();
        named.push(put.ssekms_key_id.unwrap());
    }
    assert_eq!(named[0], named[1]);
    wait_for_propagation().await;
    let seen = kms.describe_key().key_id(&named[0]).send().await.unwrap().key_metadata.unwrap();
    assert_eq!(seen.key_manager, Some(KeyManagerType::Aws));
    assert_eq!(seen.arn.as_deref(), Some(named[0].as_str()));
    let policy = kms.get_key_policy().key_id(&named[0]).send().await.unwrap().policy.unwrap();
    let refused = kms.put_key_policy().key_id(&named[0]).policy(policy).send().await.unwrap_err();
    assert_eq!(error_code_and_message(&refused).0, "AccessDeniedException");
}
