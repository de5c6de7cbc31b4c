//! An account at an endpoint, a bucket in it, and a host with packagecloud.rb from which the binary is run.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use packagecloud_cloudfront::{
    model::{
        aws::names::ResourceNames,
        iam::access::{RequiredPermission, list_required_permissions},
        run::goal::OperatorGoal,
    },
    sandbox::seed::SANDBOX_BUCKET,
};
use serde_json::Value;

/// A package and repository metadata, neither with the Cache-Control that it needs.
const OBJECT_KEYS: [&str; 2] = ["7/8/debian/package_files/97310.deb", "7/8/debian/dists/jammy/InRelease"];

pub struct TestAccount {
    pub id: String,
    pub bucket: String,
    pub root: SdkConfig,
    /// The access key and its secret that the binary is given.
    pub keys: (String, String),
    url: String,
    /// What stands before each command: origin access control, since ministack has no identities.
    pub options: Vec<&'static str>,
    pub dir: tempfile::TempDir,
}

pub struct AccountRun {
    pub code: i32,
    /// What it printed on stdout.
    pub out: String,
    /// The words, stdout and stderr.
    pub text: String,
    pub lines: Vec<Value>,
}

impl AccountRun {
    #[track_caller]
    pub fn assert_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.text);
        self
    }

    /// The checks that `check` and `verify` said: name, result, detail.
    pub fn check_results(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.lines.iter().filter(|line| line["type"] == "check").map(|line| {
            (
                line["name"].as_str().unwrap(),
                line["result"].as_str().unwrap(),
                line["detail"].as_str().unwrap(),
            )
        })
    }
}

impl TestAccount {
    /// The endpoint's account with this root key.
    pub async fn with_root_key(url: &str, id: &str, access_key: &str, secret: &str) -> Self {
        let credentials = Credentials::new(access_key, secret, None, None, "test");
        let root = aws_config::defaults(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(credentials)
            .region(Region::new("us-east-1"))
            .endpoint_url(url)
            .load()
            .await;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("packagecloud.rb"), "external_url 'https://packagecloud.example.com'\n")
            .unwrap();
        let ctl = dir.path().join("ctl");
        fs::write(&ctl, "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(&ctl, fs::Permissions::from_mode(0o755)).unwrap();
        let keys = (access_key.to_owned(), secret.to_owned());
        Self {
            id: id.to_owned(),
            bucket: SANDBOX_BUCKET.to_owned(),
            root,
            keys,
            url: url.to_owned(),
            options: vec!["--origin-access", "oac"],
            dir,
        }
    }

    /// A fresh account of ministack's, with the bucket and two objects: its id as access key is its root's.
    pub async fn create_fresh(url: &str, id: &str) -> Self {
        let mut account = Self::with_root_key(url, id, id, "any").await;
        // A bucket's name is taken once for all accounts.
        account.bucket = format!("acme-packages-{id}");
        let s3 = account.s3_client();
        s3.create_bucket().bucket(&account.bucket).send().await.unwrap();
        for key in OBJECT_KEYS {
            let body = aws_sdk_s3::primitives::ByteStream::from_static(b"a package, or what stands for one");
            s3.put_object().bucket(&account.bucket).key(key).body(body).send().await.unwrap();
        }
        account
    }

    /// From here on the bucket's default is a KMS key of the account's own, and its objects lie under it: its ARN.
    pub async fn encrypt_bucket(&self) -> String {
        use aws_sdk_s3::types::{
            ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
            ServerSideEncryptionRule,
        };
        let kms = aws_sdk_kms::Client::new(&self.root);
        let key = kms.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap();
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::AwsKms)
            .kms_master_key_id(&key)
            .build()
            .unwrap();
        let rule =
            ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
        let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
        let s3 = self.s3_client();
        let put = s3.put_bucket_encryption().bucket(&self.bucket).server_side_encryption_configuration(rules);
        put.send().await.unwrap();
        for object in OBJECT_KEYS {
            let body = aws_sdk_s3::primitives::ByteStream::from_static(b"a package, under a key");
            let put = s3.put_object().bucket(&self.bucket).key(object).body(body);
            let under = put.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(&key);
            under.send().await.unwrap();
        }
        key
    }

    /// From here on the binary asks at this address.
    pub fn send_through(&mut self, url: &str) {
        url.clone_into(&mut self.url);
    }

    pub fn s3_client(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.root).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// From here on the binary runs as a user with this policy and nothing else.
    pub async fn use_user_with_policy(&mut self, policy: &str) {
        const USER_NAME: &str = "installer";
        let iam = aws_sdk_iam::Client::new(&self.root);
        if self.keys.0 == self.id {
            iam.create_user().user_name(USER_NAME).send().await.unwrap();
            let made = iam.create_access_key().user_name(USER_NAME).send().await.unwrap().access_key.unwrap();
            self.keys = (made.access_key_id, made.secret_access_key);
        }
        let put = iam.put_user_policy().user_name(USER_NAME).policy_name("only").policy_document(policy);
        put.send().await.unwrap();
    }

    pub fn resource_names(&self) -> ResourceNames {
        ResourceNames::new(&self.bucket, &"".parse().unwrap_or_default())
    }

    pub fn permission_needs(&self, goal: OperatorGoal) -> Vec<RequiredPermission> {
        list_required_permissions(goal, &self.resource_names(), &self.id)
    }

    pub fn read_config(&self) -> String {
        fs::read_to_string(self.dir.path().join("packagecloud.rb")).unwrap()
    }

    pub fn run_json(&self, words: &[&str]) -> AccountRun {
        self.run_with_options(&["--output", "json"], words)
    }

    pub fn run_with_options(&self, first: &[&str], words: &[&str]) -> AccountRun {
        let output = Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", &self.keys.0)
            .env("AWS_SECRET_ACCESS_KEY", &self.keys.1)
            .args(["--endpoint-url", &self.url, "--region", "us-east-1", "--bucket", &self.bucket])
            .args(&self.options)
            .arg("--config")
            .arg(self.dir.path().join("packagecloud.rb"))
            .arg("--ctl")
            .arg(self.dir.path().join("ctl"))
            .arg("--state-dir")
            .arg(self.dir.path().join("state"))
            .args(first)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let text = format!("{words:?}\n{stdout}{}", String::from_utf8(output.stderr).unwrap());
        assert!(!text.contains("panicked"), "{text}");
        let lines = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        AccountRun { code: output.status.code().expect("it ended by itself"), out: stdout, text, lines }
    }
}
