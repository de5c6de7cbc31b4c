//! What `check` finds, each with its words and its next move: on a sandbox whose account was made that way.

use std::process::{Command, Stdio};

use packagecloud_cloudfront::{
    aws::AwsClients,
    model::{
        aws::names::ResourceNames,
        iam::access::list_required_permissions,
        run::{
            check::{CheckResult, CheckVerdict},
            goal::OperatorGoal,
        },
    },
    sandbox::{
        self, Sandbox, SandboxOptions, SandboxPropagationDelays,
        control_plane::{
            cloudfront::{SandboxControlOrPolicyConfig, SandboxOriginAccessIdentity},
            s3,
        },
        seed::SANDBOX_BUCKET,
    },
};
use serde_json::{Value, json};

struct ChecksFixture(tempfile::TempDir);

impl ChecksFixture {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open_sandbox(&self) -> Sandbox {
        let delays = Some(SandboxPropagationDelays::default().scale_delays(0.0));
        sandbox::open_or_seed_sandbox(&SandboxOptions {
            dir: self.0.path().to_owned(),
            empty: true,
            delays,
            ..SandboxOptions::default()
        })
        .unwrap()
    }

    fn run_binary(&self, words: &[&str]) -> (i32, String) {
        self.run_binary_with_output("json", words)
    }

    /// What `plan` shows, with `words` behind it.
    fn run_plan(&self, words: &[&str]) -> String {
        self.run_binary_with_output("human", &[&["plan"], words].concat()).1
    }

    fn run_binary_with_output(&self, format: &str, words: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"))
            .env_clear()
            .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0")
            .arg(format!("--sandbox={}", self.0.path().display()))
            .args(["--output", format, "--sandbox-empty"])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    /// Both of its outputs, as a person sees them.
    fn run_plain(&self, words: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"))
            .env_clear()
            .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0")
            .arg(format!("--sandbox={}", self.0.path().display()))
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), said)
    }

    /// The check of the bucket policy with these settings of Block Public Access alone, for this origin access.
    #[track_caller]
    fn assert_origin_access_check(&self, access: &str, blocks: &[&str], result: &str, words: &[&str]) {
        let on: String = blocks.iter().map(|name| format!("<{name}>true</{name}>")).collect();
        self.open_sandbox().update_sandbox_state_on_disk(|state| {
            let settings = &mut state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().settings;
            let xml = format!("<PublicAccessBlockConfiguration>{on}</PublicAccessBlockConfiguration>");
            settings.insert("publicAccessBlock".into(), xml);
        });
        let (_, text) = self.run_binary(&["check", "--all", "--origin-access", access]);
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let check = lines.find(|line| line["name"] == "bucket-policy").unwrap();
        let said = check.to_string();
        assert_eq!(check["result"], result, "{said}");
        assert!(words.iter().all(|word| said.contains(&word.replace('"', "\\\""))), "{words:?}: {said}");
    }

    /// The checks of this name: result, detail and next move.
    fn run_named_check(&self, name: &str) -> Vec<(String, String)> {
        let (_, text) = self.run_binary(&["check", "--all"]);
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["type"] == "check" && line["name"] == name)
            .map(|line| {
                let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
                (text("result"), format!("{}; next: {}", text("detail"), text("next")))
            })
            .collect()
    }

    #[track_caller]
    fn assert_check(&self, name: &str, result: &str, words: &[&str]) {
        let found = self.run_named_check(name);
        let fits =
            |(is, text): &(String, String)| is == result && words.iter().all(|word| text.contains(word));
        assert!(found.iter().any(fits), "{name} {result} {words:?}: {found:#?}");
    }
}

fn set_bucket_policy(world: &Sandbox, statement: &Value) {
    let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    world.update_sandbox_state_on_disk(|state| {
        state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().policy = Some(document);
    });
}

#[test]
fn of_the_bucket_policy() {
    let shop = ChecksFixture::new();
    let objects = format!("arn:aws:s3:::{SANDBOX_BUCKET}/*");
    shop.assert_check("bucket-policy", "pass", &["none yet"]);
    let deny = |condition: Value| json!({"Sid": "OnlyHere", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": objects, "Condition": condition});
    set_bucket_policy(&shop.open_sandbox(), &deny(json!({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})));
    shop.assert_check(
        "bucket-policy",
        "fail",
        &["\"OnlyHere\"", "aws:sourcevpce", "CloudFront too", "next: except"],
    );
    set_bucket_policy(&shop.open_sandbox(), &deny(json!({"StringEquals": {"aws:UserAgent": "x"}})));
    shop.assert_check("bucket-policy", "unknown", &["depending on aws:useragent"]);
    set_bucket_policy(&shop.open_sandbox(), &deny(json!({"Bool": {"aws:SecureTransport": "false"}})));
    shop.assert_check("bucket-policy", "pass", &["20480 bytes"]);
    let gone = json!({"Effect": "Allow", "Principal": {"AWS": "AROAEXAMPLEEXAMPLE123"}, "Action": "s3:GetObject", "Resource": objects});
    set_bucket_policy(&shop.open_sandbox(), &gone);
    shop.assert_check("bucket-policy", "fail", &["AROAEXAMPLEEXAMPLE123", "deleted", "next: remove"]);
    let long: Vec<String> =
        (0..400).map(|at| format!("arn:aws:s3:::{SANDBOX_BUCKET}/directory-{at}/*")).collect();
    set_bucket_policy(
        &shop.open_sandbox(),
        &json!({"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "s3:GetObject", "Resource": long}),
    );
    shop.assert_check("bucket-policy", "fail", &["20480", "next: shorten"]);
}

#[test]
fn of_a_public_statement_in_the_bucket_policy() {
    let shop = ChecksFixture::new();
    let open = json!({"Sid": "LeftOver", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{SANDBOX_BUCKET}/*")});
    set_bucket_policy(&shop.open_sandbox(), &open);
    // As for every new bucket: all of Block Public Access is on.
    shop.assert_check(
        "bucket-policy",
        "fail",
        &["\"LeftOver\"", "BlockPublicPolicy", "next: take the public statement \"LeftOver\" out"],
    );
    shop.assert_origin_access_check(
        "oai",
        &["RestrictPublicBuckets"],
        "fail",
        &["\"LeftOver\"", "shuts an origin access identity out", "--origin-access auto"],
    );
    shop.assert_origin_access_check("auto", &["RestrictPublicBuckets"], "pass", &["20480 bytes"]);
    shop.assert_origin_access_check("auto", &[], "unknown", &["\"LeftOver\"", "everybody", "take it out"]);
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        state.iam.organization = vec![json!({"Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:GetAccountPublicAccessBlock", "Resource": "*"},
        ]})];
    });
    shop.assert_check("bucket-settings", "unknown", &["Block Public Access of the account"]);
}

/// That CloudFront was let in before the block was switched on says nothing of another reader.
#[test]
fn of_a_public_statement_beside_what_cloudfront_was_granted() {
    const ALL_BLOCKS: [&str; 2] = ["BlockPublicPolicy", "RestrictPublicBuckets"];
    let open = json!({"Sid": "LeftOver", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{SANDBOX_BUCKET}/*")});
    let granted_to = |access: &str| {
        let shop = ChecksFixture::new();
        let (code, said) = shop.run_plain(&["enable", "--yes", "--origin-access", access]);
        assert_eq!(code, 0, "{said}");
        shop.open_sandbox().update_sandbox_state_on_disk(|state| {
            let policy = &mut state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().policy;
            let mut document: Value = serde_json::from_str(policy.as_deref().unwrap()).unwrap();
            document["Statement"].as_array_mut().unwrap().push(open.clone());
            *policy = Some(document.to_string());
        });
        shop
    };
    let shop = granted_to("oai");
    let refused = ["\"LeftOver\"", "BlockPublicPolicy", "take the public statement \"LeftOver\" out"];
    // While the bucket is public and restricted no identity reads, so the choice falls on a control.
    shop.assert_origin_access_check("auto", &ALL_BLOCKS, "fail", &refused);
    shop.assert_origin_access_check("oac", &ALL_BLOCKS[..1], "fail", &refused);
    shop.assert_origin_access_check("oai", &ALL_BLOCKS[..1], "unknown", &["everybody"]);
    let shop = granted_to("oac");
    shop.assert_origin_access_check("auto", &ALL_BLOCKS, "pass", &["20480 bytes"]);
    // Another distribution than the one that was granted.
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        let policy = &mut state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().policy;
        *policy = Some(policy.as_deref().unwrap().replace("distribution/E", "distribution/E0"));
    });
    shop.assert_origin_access_check("auto", &ALL_BLOCKS, "fail", &refused);
}

#[test]
fn of_what_stands_in_cloudfronts_way() {
    let shop = ChecksFixture::new();
    shop.assert_check("bucket-payer", "pass", &["owner"]);
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        let settings = &mut state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().settings;
        settings.insert(
            "requestPayment".into(),
            "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>".into(),
        );
        settings.insert(
            "ownershipControls".into(),
            "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>".into(),
        );
    });
    shop.assert_check(
        "bucket-payer",
        "fail",
        &["Requester Pays", "next: aws s3api put-bucket-request-payment"],
    );
    assert!(
        shop.run_named_check("object-sizes").is_empty() && shop.run_named_check("public-acls").is_empty()
    );
    let (key, huge) = ("7/8/debian/package_files/open.deb", "7/8/debian/package_files/huge.deb");
    let world = shop.open_sandbox();
    s3::place_sandbox_object(&world, SANDBOX_BUCKET, key, &[("x-amz-acl", "public-read")], b"x").unwrap();
    s3::seed_object_without_content(&world, SANDBOX_BUCKET, huge, &[], 60_000_000_000).unwrap();
    drop(world);
    shop.assert_check("object-sizes", "unknown", &[huge, "60 GB"]);
    shop.assert_check("public-acls", "unknown", &["1 of 2", key, "BlockPublicAcls", "--no-acl"]);
    // A plan says the same before anything is made.
    let (_, plan) = shop.run_plain(&["plan", "--goal", "upgrade"]);
    for words in
        ["Requester Pays", "CloudFront can't serve 7/8/debian/package_files/huge.deb", "BlockPublicAcls"]
    {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    let (code, said) = shop.run_plain(&["reindex-everything", "--yes"]);
    assert!(code == 1 && said.contains("BlockPublicAcls") && said.contains("--no-acl"), "{said}");
    let (code, said) = shop.run_plain(&["reindex-everything", "--yes", "--no-acl"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn of_a_store_that_lacks_what_s3_has() {
    let shop = ChecksFixture::new();
    let key = "7/8/debian/package_files/1.deb";
    s3::place_sandbox_object(&shop.open_sandbox(), SANDBOX_BUCKET, key, &[], b"x").unwrap();
    let lacks = |operation: &str, code: &str| {
        ["--sandbox-fault".to_owned(), format!("s3:{operation}:1+:error:{code}=not here")]
    };
    let mut words = Vec::new();
    for (operation, code) in [
        ("GetBucketOwnershipControls", "NotImplemented"),
        ("GetBucketEncryption", "MethodNotAllowed"),
        ("GetBucketRequestPayment", "NotImplemented"),
        ("GetObjectAcl", "NotImplemented"),
    ] {
        words.extend(lacks(operation, code));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, said) = shop.run_plain(&[&words[..], &["check", "--all"]].concat());
    assert_eq!(code, 0, "{said}");
    for part in [
        "object ownership: s3:GetBucketOwnershipControls is not implemented there",
        "encryption: ",
        "can't be read",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said) = shop.run_plain(&[&words[..], &["reindex-everything", "--yes"]].concat());
    assert!(code == 0 && said.contains("1 changed"), "{said}");
}

#[test]
fn of_the_buckets_settings() {
    let shop = ChecksFixture::new();
    shop.assert_check("bucket", "pass", &["us-east-1"]);
    shop.assert_check("bucket-ownership", "pass", &["BucketOwnerEnforced"]);
    shop.assert_check("bucket-versioning", "pass", &["off"]);
    shop.assert_check("bucket-encryption", "pass", &["AES256"]);
    shop.assert_check("origin-access", "pass", &["as an identity"]);
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        let settings = &mut state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().settings;
        settings.insert("versioning".into(), "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".into());
        settings.insert(
            "encryption".into(),
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>".into(),
        );
    });
    shop.assert_check("bucket-versioning", "pass", &["on", "charged"]);
    shop.assert_check("bucket-encryption", "unknown", &["aws/s3", "before going live"]);
    let key = "arn:aws:kms:us-east-1:999999999999:key/1";
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        let settings = &mut state.s3.buckets.get_mut(SANDBOX_BUCKET).unwrap().settings;
        settings.insert("versioning".into(), "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>".into());
        settings.insert("ownershipControls".into(), "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>".into());
        settings.insert(
            "encryption".into(),
            format!("<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{key}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"),
        );
    });
    shop.assert_check("bucket-versioning", "pass", &["suspended"]);
    shop.assert_check("bucket-ownership", "pass", &["ObjectWriter", "--no-acl"]);
    shop.assert_check("origin-access", "pass", &["by a control: the bucket encrypts with aws:kms"]);
    shop.assert_check(
        "bucket-encryption",
        "pass",
        &[key, "origin access control", "must let CloudFront decrypt"],
    );
}

#[tokio::test]
async fn of_a_sample_of_objects() {
    use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};
    let key = "7/8/debian/package_files/1.deb";
    let table = [
        ("archived", "unknown", "until it is restored"),
        // A control is chosen for these by itself.
        ("kms", "pass", "so that CloudFront couldn't read it"),
        ("customer", "unknown", "SSE-C"),
    ];
    for (kind, result, words) in table {
        let shop = ChecksFixture::new();
        shop.assert_check("objects", "unknown", &["none is there"]);
        {
            let world = shop.open_sandbox();
            let config = aws_sdk_s3::config::Builder::from(&world.build_sandbox_sdk_config())
                .force_path_style(true)
                .build();
            let put = aws_sdk_s3::Client::from_conf(config).put_object().bucket(SANDBOX_BUCKET).key(key);
            let put = match kind {
                "archived" => put.storage_class(StorageClass::Glacier),
                "kms" => put.server_side_encryption(ServerSideEncryption::AwsKms),
                _ => put
                    .sse_customer_algorithm("AES256")
                    .sse_customer_key("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
                    .sse_customer_key_md5("F40fHUMUQEmMKwZHpSFcnw=="),
            };
            put.body(b"a package".to_vec().into()).send().await.unwrap();
        }
        let named = if result == "unknown" { key } else { "1 looked at" };
        shop.assert_check("objects", result, &[named, words]);
    }
}

#[test]
fn of_the_account() {
    let shop = ChecksFixture::new();
    shop.assert_check("kms-key", "pass", &["none yet"]);
    shop.assert_check("lambda-concurrency", "pass", &["1000"]);
    shop.assert_check("cloudfront-quotas", "pass", &["0 of 500 distributions", "of 20 cache policies"]);
    shop.assert_check("clock", "pass", &[]);
    assert_eq!(shop.run_binary(&["bootstrap-cloudfront", "--yes"]).0, 1, "there is no secret yet");
    assert_eq!(shop.run_binary(&["generate-cloudfront-secret", "--yes"]).0, 0);
    assert_eq!(shop.run_binary(&["bootstrap-cloudfront", "--yes"]).0, 0);
    shop.assert_check("kms-key", "pass", &["enabled"]);
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        state.lambda.concurrency = Some(10);
        state.kms.keys.values_mut().for_each(|key| key.state = "PendingDeletion".into());
    });
    shop.assert_check("kms-key", "fail", &["PendingDeletion", "next: enable it, or cancel its deletion"]);
    shop.assert_check(
        "lambda-concurrency",
        "unknown",
        &[
            "\"Concurrent executions\" (L-B99A9384) leaves 10 executions at once in us-east-1",
            "100 requests a second",
            "Service Quotas",
        ],
    );
}

#[test]
fn a_new_accounts_concurrency_is_in_the_plan_and_asked_once() {
    let shop = ChecksFixture::new();
    let planned = shop.run_plan(&[]);
    assert!(!planned.contains("L-B99A9384"), "{planned}");
    shop.open_sandbox().update_sandbox_state_on_disk(|state| state.lambda.concurrency = Some(10));
    for goal in ["install", "upgrade"] {
        let planned = shop.run_plan(&["--goal", goal]);
        assert_eq!(planned.matches("quota \"Concurrent executions\" (L-B99A9384)").count(), 1, "{planned}");
        assert!(planned.contains("in each region near your clients"), "{planned}");
    }
    let planned = shop.run_plan(&["--goal", "disable"]);
    assert!(!planned.contains("L-B99A9384"), "{planned}");
}

#[test]
fn of_a_key_that_was_switched_off() {
    let shop = ChecksFixture::new();
    assert_eq!(shop.run_binary(&["generate-cloudfront-secret", "--yes"]).0, 0);
    assert_eq!(shop.run_binary(&["bootstrap-cloudfront", "--yes"]).0, 0);
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        state.kms.keys.values_mut().for_each(|key| key.state = "Disabled".into());
    });
    shop.assert_check("kms-key", "fail", &["is Disabled", "can't decrypt the secret", "next: enable it"]);
}

#[test]
fn of_cloudfronts_quotas_the_one_that_is_used_up() {
    let shop = ChecksFixture::new();
    let policies = |count: usize| {
        shop.open_sandbox().update_sandbox_state_on_disk(|state| {
            state.cloudfront.policies = (0..count)
                .map(|number| {
                    let (id, name) = (format!("policy-{number}"), format!("theirs-{number}"));
                    let config = format!(
                        "<CachePolicyConfig><Name>{name}</Name><MinTTL>0</MinTTL></CachePolicyConfig>"
                    );
                    (
                        id.clone(),
                        SandboxControlOrPolicyConfig {
                            id,
                            name,
                            config,
                            ..SandboxControlOrPolicyConfig::default()
                        },
                    )
                })
                .collect();
        });
    };
    policies(19);
    shop.assert_check("cloudfront-quotas", "pass", &["19 of 20 cache policies"]);
    policies(20);
    let next = "raise it in Service Quotas";
    shop.assert_check("cloudfront-quotas", "unknown", &["20 of 20 cache policies are used", next]);
    policies(0);
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        state.cloudfront.identities = (0..100)
            .map(|number| {
                let id = format!("E{number:013}");
                let comment = format!("another {number}");
                (
                    id.clone(),
                    SandboxOriginAccessIdentity { id, comment, ..SandboxOriginAccessIdentity::default() },
                )
            })
            .collect();
    });
    shop.assert_check(
        "cloudfront-quotas",
        "unknown",
        &["100 of 100 origin access identities are used", next],
    );
}

#[test]
fn of_a_distribution_on_a_plan_and_of_all_that_an_account_may_have() {
    let shop = ChecksFixture::new();
    assert!(shop.run_named_check("flat-rate-plan").is_empty(), "nothing is said where nothing is seen");
    assert_eq!(shop.run_binary(&["enable", "--yes"]).0, 0);
    shop.assert_check("cloudfront-quotas", "pass", &["1 of 500 distributions", "2 of 20 cache policies"]);
    assert!(shop.run_named_check("flat-rate-plan").is_empty());
    let acl = "<WebACLId>arn:aws:wafv2:us-east-1:999999999999:global/webacl/CreatedByCloudFront/1</WebACLId>";
    let id = shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        let ours = state.cloudfront.distributions.values_mut().next().unwrap();
        ours.config = ours
            .config
            .replace("<WebACLId></WebACLId>", "")
            .replace("<WebACLId/>", "")
            .replace("</DistributionConfig>", &format!("{acl}</DistributionConfig>"));
        ours.id.clone()
    });
    shop.assert_check(
        "flat-rate-plan",
        "unknown",
        &[
            &format!("distribution {id} has a web ACL, and is on no flat-rate plan"),
            "refuse package managers",
        ],
    );
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        let ours = state.cloudfront.distributions[&id].format_distribution_arn();
        state.pricing_plans.tiers = [(ours, "PRO".to_owned())].into();
    });
    let on_plan = format!("distribution {id} is on CloudFront's flat-rate plan PRO (ACTIVE)");
    let refuses = ["refuse Lambda@Edge functions", "Business and Premium", "--name-suffix"];
    shop.assert_check("flat-rate-plan", "unknown", &[&[on_plan.as_str()], &refuses[..]].concat());
    let planned = shop.run_plan(&[]);
    assert!(planned.contains(&on_plan[1..]), "{planned}");
    // Who may not ask is told that, and what it may be.
    let planned = shop.run_plan(&["--sandbox-fault", "pricingplanmanager:*:deny"]);
    assert!(planned.contains("as one on a flat-rate plan has, which can't be asked"), "{planned}");
    assert!(planned.contains("pricingplanmanager:ListSubscriptions is denied"), "{planned}");
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        let ours = state.cloudfront.distributions.values().next().unwrap().clone();
        for number in 1..500 {
            let mut other = ours.clone();
            other.id = format!("E{number:013}");
            other.domain = format!("d{number}.cloudfront.net");
            other.config = ours.config.replace(SANDBOX_BUCKET, "another-bucket");
            other.tags.clear();
            state.cloudfront.distributions.insert(other.id.clone(), other);
        }
    });
    shop.assert_check(
        "cloudfront-quotas",
        "unknown",
        &["500 of 500 distributions are used", "remove one that is no longer used"],
    );
}

fn set_user_policy(world: &Sandbox, statements: &Value) {
    world.update_sandbox_state_on_disk(|state| {
        state.iam.user.policy = json!({"Version": "2012-10-17", "Statement": statements});
    });
}

#[test]
fn of_permissions_who_denies_and_what_ends() {
    let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let deny = |action: &str| json!({"Effect": "Deny", "Action": action, "Resource": "*"});
    let shop = ChecksFixture::new();
    shop.assert_check("kms:CreateKey", "pass", &["allowed"]);
    set_user_policy(&shop.open_sandbox(), &json!([all, deny("kms:CreateKey")]));
    shop.assert_check(
        "kms:CreateKey",
        "fail",
        &["a policy denies it explicitly", "needed for bootstrap, KMS key", "lifted"],
    );
    set_user_policy(
        &shop.open_sandbox(),
        &json!([{"Effect": "Allow", "NotAction": "lambda:EnableReplication*", "Resource": "*"}]),
    );
    shop.assert_check(
        "lambda:EnableReplication*",
        "unknown",
        &[
            "IAM can't simulate actions with an asterisk in their name",
            ":function:packagecloud_cloudfront_auth:*",
            "needed for distribution)",
        ],
    );
    set_user_policy(&shop.open_sandbox(), &json!([all]));
    let except = |action: &str| json!({"Version": "2012-10-17", "Statement": [all, deny(action)]});
    shop.open_sandbox()
        .update_sandbox_state_on_disk(|state| state.iam.organization = vec![except("iam:CreateRole")]);
    shop.assert_check(
        "iam:CreateRole",
        "unknown",
        &["the organization doesn't allow it", "can't weigh for sure", "bootstrap, role"],
    );
    shop.open_sandbox().update_sandbox_state_on_disk(|state| {
        state.iam.organization.clear();
        state.iam.user.boundary = Some(json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}]}));
    });
    shop.assert_check(
        "kms:PutKeyPolicy",
        "fail",
        &["the permissions boundary doesn't allow it", "widen the boundary"],
    );
    // And so it is: the step that was named ends, with the same words for who denies.
    assert_eq!(shop.run_binary(&["generate-cloudfront-secret", "--yes"]).0, 0);
    let (code, text) = shop.run_binary(&["bootstrap-cloudfront", "--yes"]);
    assert_eq!(code, 1);
    assert!(text.contains("kms:") && text.contains("permissions boundary"), "{text}");
    shop.open_sandbox().update_sandbox_state_on_disk(|state| state.iam.user.boundary = None);
    // A condition on what only the real request has is no denial.
    set_user_policy(
        &shop.open_sandbox(),
        &json!([{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Effect": "Allow", "Action": ["s3:*", "iam:SimulatePrincipalPolicy", "sts:*"], "Resource": "*"}]),
    );
    shop.assert_check("kms:CreateKey", "unknown", &["depends on aws:SourceIp", "only the real request has"]);
    // Who may not simulate goes on.
    set_user_policy(&shop.open_sandbox(), &json!([all, deny("iam:SimulatePrincipalPolicy")]));
    shop.assert_check("permissions", "unknown", &["cannot be checked", "continuing is safe"]);
    assert!(shop.run_named_check("kms:CreateKey").is_empty());
    assert_eq!(shop.run_binary(&["check", "--all"]).0, 0, "unknown fails nothing");
}

async fn simulate_needs(cloud: &AwsClients, principal: &str) -> Vec<CheckResult> {
    let names = ResourceNames::new(SANDBOX_BUCKET, &"".parse().unwrap_or_default());
    cloud
        .simulate_permissions(
            principal,
            &list_required_permissions(OperatorGoal::Upgrade, &names, "999999999999"),
            None,
        )
        .await
        .unwrap()
}

/// IAM simulates no action whose name has an asterisk.
fn has_every_simulated_action_passed(checks: &[CheckResult]) -> bool {
    checks.iter().all(|check| (check.result == CheckVerdict::Pass) != check.name.ends_with('*'))
}

#[tokio::test(start_paused = true)]
async fn of_callers_of_every_kind() {
    let shop = ChecksFixture::new();
    let world = shop.open_sandbox();
    let cloud = AwsClients::new(&world.build_sandbox_sdk_config(), None);
    let whole = simulate_needs(&cloud, "arn:aws:iam::999999999999:user/sandbox").await;
    assert!(whole.len() > 60 && has_every_simulated_action_passed(&whole), "{whole:?}");
    for (arn, words) in [
        ("arn:aws:iam::999999999999:root", "root cannot be checked"),
        ("arn:aws:sts::999999999999:federated-user/jo", "simulates users and roles alone"),
        ("arn:aws:sts::999999999999:assumed-role/Nobody/jo", "cannot be checked"),
    ] {
        let checks = simulate_needs(&cloud, arn).await;
        assert_eq!(checks.len(), 1, "{checks:?}");
        assert!(checks[0].result == CheckVerdict::Unknown && checks[0].detail.contains(words), "{checks:?}");
    }
    // An SSO role has a path, which its sessions' ARNs don't tell.
    world.update_sandbox_state_on_disk(|state| {
        let mut role = packagecloud_cloudfront::sandbox::control_plane::iam::SandboxRole {
            name: "AWSReservedSSO_Admin_1".into(),
            ..Default::default()
        };
        role.path = "/aws-reserved/sso.amazonaws.com/eu-west-1/".into();
        role.arn = format!("arn:aws:iam::999999999999:role{}{}", role.path, role.name);
        role.trust = "{}".into();
        let everything = json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
        role.policies.insert("all".into(), everything.to_string());
        state.iam.roles.insert(role.name.clone(), role);
    });
    let checks =
        simulate_needs(&cloud, "arn:aws:sts::999999999999:assumed-role/AWSReservedSSO_Admin_1/jo").await;
    assert!(checks.len() > 60 && has_every_simulated_action_passed(&checks), "{checks:?}");
}

#[test]
fn a_throttled_simulation_is_asked_again_and_where_that_lasts_unknown() {
    let shop = ChecksFixture::new();
    let asked = |fault: &str| {
        let (code, text) = shop.run_binary(&["--sandbox-fault", fault, "check", "--all"]);
        assert_eq!(code, 0, "{text}");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let permissions = lines.filter(|line| {
            line["name"].as_str().is_some_and(|name| name.contains(':') && !name.ends_with('*'))
        });
        permissions.map(|line| line["result"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let once = asked("iam:SimulatePrincipalPolicy:1:throttle");
    assert!(once.len() > 60 && once.iter().all(|result| result == "pass"), "{once:?}");
    let ever = asked("iam:SimulatePrincipalPolicy:1+:throttle");
    assert!(ever.len() > 60 && ever.iter().all(|result| result == "unknown"), "{ever:?}");
}
