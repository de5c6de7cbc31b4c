//! Where ministack 1.5.33 is not AWS: each with its reason, used by the tests and by nothing else.

use serde_json::{Value, json};

/// Actions that ministack weighs on `*`, or under another name, or without the condition, where AWS weighs them on the resource and under it.
const ACTIONS_EVALUATED_OTHERWISE: &[(&str, &str, &str)] = &[
    ("iam:CreateServiceLinkedRole", "iam:CreateServiceLinkedRole", "on *; AWS on the role's ARN"),
    ("kms:CreateAlias", "kms:CreateAlias", "on *; AWS on the alias and on the key"),
    (
        "kms:Encrypt",
        "kms:Encrypt",
        "it knows no kms:EncryptionContext; AWS does, in policies of identities too",
    ),
    ("lambda:CreateFunction", "lambda:CreateFunction", "on *; AWS on the function's ARN"),
    (
        "cloudfront:CreateDistribution",
        "cloudfront:CreateDistributionWithTags",
        "no such action at AWS: it is CreateDistribution and TagResource, on the distribution",
    ),
    ("cloudfront:TagResource", "cloudfront:TagResource", "on *; AWS on the distribution"),
    ("cloudfront:ListTagsForResource", "cloudfront:ListTagsForResource", "on *; AWS on the distribution"),
];

/// Actions that ministack weighs in its simulation as if no request had any context: AWS takes the ContextEntries.
pub const SIMULATED_WITHOUT_CONTEXT: &[&str] = &[
    "iam:CreateServiceLinkedRole",
    "iam:PassRole",
    "kms:CreateKey",
    "kms:Encrypt",
    "kms:TagResource",
    // IAM simulates none, whose name has an asterisk: `check` asks for none.
    "lambda:DisableReplication*",
    "lambda:EnableReplication*",
];

/// Actions that ministack never asks for where AWS does.
pub const ACTIONS_NEVER_EVALUATED: &[(&str, &str)] = &[
    ("iam:PassRole", "CreateFunction takes any role"),
    ("lambda:EnableReplication*", "it has no replicas"),
    ("lambda:DisableReplication*", "it has no replicas"),
    ("s3:GetBucketLocation", "HeadBucket names the region"),
    ("lambda:ListTags", "GetFunction gives the tags to whoever may ask it"),
    ("lambda:InvokeFunction", "the version is not invoked yet before it is associated"),
];

/// The policy as ministack has to be given it for the same rights: the statements of ours, and for what it asks
/// otherwise one more each.
pub fn translate_policy(policy: &str) -> String {
    let mut document: Value = serde_json::from_str(policy).unwrap();
    let granted = |action: &str| {
        document["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["Action"].as_array().unwrap().iter().any(|granted| granted == action))
    };
    let more: Vec<Value> = ACTIONS_EVALUATED_OTHERWISE
        .iter()
        .filter(|(ours, ..)| granted(ours))
        .map(|(_, theirs, _)| json!({"Effect": "Allow", "Action": [theirs], "Resource": "*"}))
        .collect();
    document["Statement"].as_array_mut().unwrap().extend(more);
    document.to_string()
}

/// The same with the right to simulate as ministack asks for it: on `*`, where AWS asks on the principal.
pub fn translate_policy_with_simulation(policy: &str) -> String {
    let mut document: Value = serde_json::from_str(&translate_policy(policy)).unwrap();
    document["Statement"]
        .as_array_mut()
        .unwrap()
        .push(json!({"Effect": "Allow", "Action": ["iam:SimulatePrincipalPolicy"], "Resource": "*"}));
    document.to_string()
}

/// What a distribution's configuration holds in the sandbox alone: AWS fills in what was left out, ministack gives a
/// configuration back as it was sent.
pub const SANDBOX_ONLY_DEFAULTS: &[&str] = &[
    "aliases: Some/Aliases quantity: 0",
    "cache_behaviors: Some/CacheBehaviors quantity: 0",
    "continuous_deployment_policy_id: Some \"\"",
    "/allowed_methods: Some/AllowedMethods",
    "/field_level_encryption_id: Some \"\"",
    "/function_associations: Some/FunctionAssociations quantity: 0",
    "/smooth_streaming: Some false",
    "/trusted_key_groups: Some/TrustedKeyGroups",
    "/trusted_signers: Some/TrustedSigners",
    "default_root_object: Some \"\"",
    "logging: Some/LoggingConfig",
    "/connection_attempts: Some 3",
    "/connection_timeout: Some 10",
    "/custom_headers: Some/CustomHeaders quantity: 0",
    "/origin_shield: Some/OriginShield enabled: false",
    "price_class: Some PriceClassAll",
    "restrictions: Some/Restrictions/geo_restriction: Some/GeoRestriction quantity: 0",
    "staging: Some false",
    "viewer_certificate: Some/ViewerCertificate",
    "web_acl_id: Some \"\"",
];

/// What a cache policy holds in ministack alone: a list of nothing where the behavior is `none`.
pub const MINISTACK_EMPTY_LISTS: &[&str] = &[
    "/cookies: Some/CookieNames quantity: 0",
    "/headers: Some/Headers quantity: 0",
    "/query_strings: Some/QueryStringNames quantity: 0",
];
