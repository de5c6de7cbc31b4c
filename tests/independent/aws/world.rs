//! What stands in an account, read by its own clients as one document; and what somebody else could do to it.

use std::collections::BTreeMap;

use aws_sdk_cloudfront::types::{CachePolicyConfig, CachePolicyType, TagKeys, Tags};
use packagecloud_cloudfront::model::aws::names::{COST_TAG, MARKER_TAG};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::account::TestAccount;

fn parse_document(text: &str) -> Value {
    serde_json::from_str(&percent_decode_str(text).decode_utf8_lossy()).unwrap()
}

/// A value of the SDK's, a line a field, with its enclosing fields in front.
fn flatten_fields(value: &impl std::fmt::Debug) -> Vec<String> {
    let mut inside: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for line in format!("{value:#?}").lines() {
        let depth = (line.len() - line.trim_start().len()) / 4;
        inside.truncate(depth);
        let text = line.trim().trim_end_matches(',');
        if matches!(text, ")" | "]" | "}" | "Some(") || text == "None" {
            inside.push(String::new());
            continue;
        }
        match text.trim_end_matches(['(', '[', '{']).trim() {
            name if name.len() < text.len() => inside.push(name.to_owned()),
            whole => {
                let path: Vec<&str> =
                    inside.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
                all.push(format!("{} {whole}", path.join("/")));
                inside.push(String::new());
            }
        }
    }
    all
}

/// Everything that the set-up made or changed. Ids that AWS makes up are named by what they are.
pub async fn dump_account(account: &TestAccount) -> Value {
    let mut ids: Vec<(String, &str)> = Vec::new();
    let mut world = json!({
        "role": dump_role(account).await,
        "key": dump_key(account, &mut ids).await,
        "function": dump_function(account).await,
        "cloudfront": dump_cloudfront(account, &mut ids).await,
        "bucket": dump_bucket(account).await,
    });
    let file = account.read_config();
    let lines = file.lines().filter(|line| line.contains("cloudfront_") && !line.contains("_secret"));
    world["packagecloud.rb"] = lines.collect::<Vec<_>>().into();
    let mut text = world.to_string();
    for (id, name) in ids {
        text = text.replace(&id, name);
    }
    serde_json::from_str(&text).unwrap()
}

async fn dump_role(account: &TestAccount) -> Value {
    let iam = aws_sdk_iam::Client::new(&account.root);
    let name = account.resource_names().function_role_name();
    let role = iam.get_role().role_name(&name).send().await.unwrap().role.unwrap();
    let inline = iam.list_role_policies().role_name(&name).send().await.unwrap().policy_names;
    let attached = iam.list_attached_role_policies().role_name(&name).send().await.unwrap();
    let policy = iam.get_role_policy().role_name(&name).policy_name(&name).send().await.unwrap();
    let tags: BTreeMap<&str, &str> = role.tags().iter().map(|tag| (tag.key(), tag.value())).collect();
    json!({
        "arn": role.arn(),
        "description": role.description(),
        "path": role.path(),
        "tags": tags,
        "trust": parse_document(role.assume_role_policy_document().unwrap()),
        "inline": inline,
        "attached": attached.attached_policies().len(),
        "policy": parse_document(policy.policy_document()),
        "boundary": role.permissions_boundary().map(|one| format!("{one:?}")),
        "session": role.max_session_duration(),
    })
}

async fn dump_key(account: &TestAccount, ids: &mut Vec<(String, &str)>) -> Value {
    let kms = aws_sdk_kms::Client::new(&account.root);
    let alias = account.resource_names().kms_alias_name();
    let key = kms.describe_key().key_id(&alias).send().await.unwrap().key_metadata.unwrap();
    ids.push((key.key_id().to_owned(), "KEY"));
    let tags = kms.list_resource_tags().key_id(key.key_id()).send().await.unwrap();
    let tags: BTreeMap<&str, &str> = tags.tags().iter().map(|tag| (tag.tag_key(), tag.tag_value())).collect();
    let policy = kms.get_key_policy().key_id(key.key_id()).policy_name("default").send().await.unwrap();
    json!({
        "arn": key.arn(),
        "description": key.description(),
        "state": key.key_state().map(aws_sdk_kms::types::KeyState::as_str),
        "usage": key.key_usage().map(aws_sdk_kms::types::KeyUsageType::as_str),
        "spec": key.key_spec().map(aws_sdk_kms::types::KeySpec::as_str),
        "regions": key.multi_region(),
        "tags": tags,
        "policy": parse_document(policy.policy().unwrap()),
        "keys": kms.list_keys().send().await.unwrap().keys().len(),
    })
}

async fn dump_function(account: &TestAccount) -> Value {
    let lambda = aws_sdk_lambda::Client::new(&account.root);
    let name = account.resource_names().lambda_function_name();
    let found = lambda.get_function().function_name(&name).send().await.unwrap();
    let configuration = found.configuration.unwrap();
    let versions = lambda.list_versions_by_function().function_name(&name).send().await.unwrap();
    let versions: Vec<Value> = versions
        .versions()
        .iter()
        .filter(|one| one.version() != Some("$LATEST"))
        .map(|one| json!({"number": one.version(), "description": mask_digests(one.description())}))
        .collect();
    json!({
        "arn": configuration.function_arn(),
        "runtime": configuration.runtime().map(aws_sdk_lambda::types::Runtime::as_str),
        "handler": configuration.handler(),
        "role": configuration.role(),
        "memory": configuration.memory_size(),
        "timeout": configuration.timeout(),
        "description": mask_digests(configuration.description()),
        "package": configuration.package_type().map(aws_sdk_lambda::types::PackageType::as_str),
        "environment": configuration.environment().is_some_and(|one| one.variables().is_some_and(|all| !all.is_empty())),
        "layers": configuration.layers().len(),
        "tags": found.tags.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
        "versions": versions,
    })
}

/// The digest and the fingerprints are of this account's own key and secret.
fn mask_digests(text: Option<&str>) -> String {
    let mut words: Vec<String> = text.unwrap_or_default().split(' ').map(str::to_owned).collect();
    for word in &mut words {
        let hex = word.chars().filter(char::is_ascii_hexdigit).count();
        if hex >= 32 {
            *word = format!("{} characters of its own", word.chars().count());
        }
    }
    words.join(" ")
}

async fn dump_cloudfront(account: &TestAccount, ids: &mut Vec<(String, &str)>) -> Value {
    let cloudfront = aws_sdk_cloudfront::Client::new(&account.root);
    let controls = cloudfront.list_origin_access_controls().send().await.unwrap();
    let controls = controls.origin_access_control_list.and_then(|list| list.items).unwrap_or_default();
    let controls: Vec<Value> = controls
        .into_iter()
        .map(|one| {
            ids.push((one.id.clone(), "CONTROL"));
            json!({
                "name": one.name, "description": one.description, "signing": one.signing_behavior.as_str(),
                "protocol": one.signing_protocol.as_str(), "type": one.origin_access_control_origin_type.as_str(),
            })
        })
        .collect();
    let caches = cloudfront.list_cache_policies().r#type(CachePolicyType::Custom).send().await.unwrap();
    let caches = caches.cache_policy_list.and_then(|list| list.items).unwrap_or_default();
    // By their names: a list comes in the order of ids that each account draws for itself.
    let caches: BTreeMap<String, Vec<String>> = caches
        .into_iter()
        .map(|one| {
            let one = one.cache_policy.unwrap();
            let config = one.cache_policy_config.unwrap();
            ids.push((
                one.id,
                if config.name.ends_with("_packages") { "CACHE OF PACKAGES" } else { "CACHE" },
            ));
            (config.name.clone(), flatten_fields(&config))
        })
        .collect();
    let all = cloudfront.list_distributions().send().await.unwrap();
    let mut distributions = Vec::new();
    for one in all.distribution_list.and_then(|list| list.items).unwrap_or_default() {
        ids.push((one.id.clone(), "DISTRIBUTION"));
        ids.push((one.domain_name.clone(), "DOMAIN"));
        let config = cloudfront.get_distribution_config().id(&one.id).send().await.unwrap();
        let config = config.distribution_config.unwrap();
        ids.push((config.caller_reference.clone(), "REFERENCE"));
        let tags = cloudfront.list_tags_for_resource().resource(&one.arn).send().await.unwrap().tags;
        let tags: BTreeMap<String, String> = tags
            .as_ref()
            .map(Tags::items)
            .unwrap_or_default()
            .iter()
            .map(|tag| (tag.key().to_owned(), tag.value().unwrap_or_default().to_owned()))
            .collect();
        distributions.push(
            json!({"arn": one.arn, "status": one.status, "tags": tags, "config": flatten_fields(&config)}),
        );
    }
    json!({"controls": controls, "caches": caches, "distributions": distributions})
}

async fn dump_bucket(account: &TestAccount) -> Value {
    let s3 = account.s3_client();
    let policy = s3.get_bucket_policy().bucket(&account.bucket).send().await.unwrap().policy.unwrap();
    let mut objects = serde_json::Map::new();
    for object in s3.list_objects_v2().bucket(&account.bucket).send().await.unwrap().contents() {
        let key = object.key().unwrap();
        let head = s3.head_object().bucket(&account.bucket).key(key).send().await.unwrap();
        let metadata: BTreeMap<_, _> = head.metadata.clone().unwrap_or_default().into_iter().collect();
        objects.insert(
            key.to_owned(),
            json!({
                "etag": head.e_tag(), "cache-control": head.cache_control(), "content-type": head.content_type(),
                "content-encoding": head.content_encoding(), "disposition": head.content_disposition(),
                "language": head.content_language(), "metadata": metadata,
            }),
        );
    }
    json!({"policy": parse_document(&policy), "objects": objects})
}

/// What somebody who doesn't know of the set-up does to it: markers lost, a trust, a function and a policy changed.
pub async fn disturb_account(account: &TestAccount) {
    let (iam, kms) = (aws_sdk_iam::Client::new(&account.root), aws_sdk_kms::Client::new(&account.root));
    let lambda = aws_sdk_lambda::Client::new(&account.root);
    let cloudfront = aws_sdk_cloudfront::Client::new(&account.root);
    let names = account.resource_names();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let role = names.function_role_name();
    iam.untag_role().role_name(&role).tag_keys(MARKER_TAG).send().await.unwrap();
    let trusted = iam.update_assume_role_policy().role_name(&role).policy_document(trust.to_string());
    trusted.send().await.unwrap();

    let key = kms.describe_key().key_id(names.kms_alias_name()).send().await.unwrap().key_metadata.unwrap();
    kms.untag_resource().key_id(key.key_id()).tag_keys(MARKER_TAG).send().await.unwrap();

    let everything = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{}:root", account.id)}, "Action": "kms:*", "Resource": "*"}]});
    let put = kms.put_key_policy().key_id(key.key_id()).policy_name("default");
    put.policy(everything.to_string()).send().await.unwrap();

    let function = lambda.get_function().function_name(names.lambda_function_name()).send().await.unwrap();
    let arn = function.configuration.unwrap().function_arn.unwrap();
    lambda.untag_resource().resource(&arn).tag_keys(MARKER_TAG).tag_keys(COST_TAG).send().await.unwrap();
    let bigger =
        lambda.update_function_configuration().function_name(names.lambda_function_name()).memory_size(256);
    bigger.send().await.unwrap();

    let all = cloudfront.list_distributions().send().await.unwrap();
    for one in all.distribution_list.and_then(|list| list.items).unwrap_or_default() {
        let keys = TagKeys::builder().items(MARKER_TAG).build();
        cloudfront.untag_resource().resource(one.arn).tag_keys(keys).send().await.unwrap();
    }
    let caches = cloudfront.list_cache_policies().r#type(CachePolicyType::Custom).send().await.unwrap();
    for one in caches.cache_policy_list.and_then(|list| list.items).unwrap_or_default() {
        let policy = one.cache_policy.unwrap();
        let found = cloudfront.get_cache_policy().id(&policy.id).send().await.unwrap();
        let stands = policy.cache_policy_config.unwrap();
        let config = CachePolicyConfig::builder()
            .name(stands.name)
            .set_comment(stands.comment)
            .min_ttl(0)
            .default_ttl(60)
            .max_ttl(3600)
            .set_parameters_in_cache_key_and_forwarded_to_origin(
                stands.parameters_in_cache_key_and_forwarded_to_origin,
            )
            .build()
            .unwrap();
        let update = cloudfront.update_cache_policy().id(&policy.id).set_if_match(found.e_tag);
        update.cache_policy_config(config).send().await.unwrap();
    }
}
